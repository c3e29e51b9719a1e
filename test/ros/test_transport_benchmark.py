"""`ssen bench transport` with clouds and times that a test can wait for."""

from functools import partial

from ssen_ros.benchmarks import rooms
from ssen_ros.ros.commands import transport_benchmark
from ssen_ros.ros.commands.transport_benchmark import benchmark_transport
from ssen_ros.simulation import CameraConfig, scan


def test_the_clouds_that_arrive_are_counted_and_segmented(monkeypatch):
    monkeypatch.delenv("ROS_DOMAIN_ID", raising=False)  # one of its own
    camera = CameraConfig(width=64, height=48, frames=24)
    monkeypatch.setattr(rooms, "scan", partial(scan, config=camera))
    monkeypatch.setattr(transport_benchmark, "_ROOM_VOXELS", 10_000)
    monkeypatch.setattr(transport_benchmark, "_SETTLE_S", 3.0)
    row = benchmark_transport(
        megabytes=2.0, rate_hz=2.0, seconds=3.0, reliability="reliable", profile="shipped"
    )
    assert row["profile"] in ("fastdds_large_clouds.xml", "none")  # as /dev/shm is large enough or not
    assert row["sent"] == 6
    assert 1 <= row["received"] <= row["sent"]
    assert row["segmented"] >= 1
    assert 0 < row["longest_callback_ms"] < 1000 and row["longest_publish_ms"] > 0
