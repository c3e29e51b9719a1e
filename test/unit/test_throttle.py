from ssen_ros.live.throttle import ErrorThrottle


def test_throttle_lets_each_kind_of_message_through_once_per_period():
    now_s = 1000.0
    throttle = ErrorThrottle(period_s=10.0, clock=lambda: now_s)
    assert throttle.allows("data holds 12 bytes")
    assert not throttle.allows("data holds 99 bytes")
    assert throttle.allows("no field 'x'")
    now_s += 9.9
    assert not throttle.allows("data holds 12 bytes")
    now_s += 0.2
    assert throttle.allows("data holds 12 bytes")
