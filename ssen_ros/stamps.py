"""The stamps of ROS messages, as whole nanoseconds."""

from typing import Any

SECOND_NS = 1_000_000_000

# A stamp older than the newest by more than this is of another time, not merely late.
TIME_JUMP_S = 1.0


def ns_from_time(stamp: Any) -> int:
    """A builtin_interfaces/Time, of ROS or of a recording, in ns."""
    return stamp.sec * SECOND_NS + stamp.nanosec


def jump_back_s(newest_ns: int, stamp_ns: int) -> float:
    """How far time has jumped back, in s, when this stamp follows the newest; 0 where it has not.

    A message without a stamp, 0, does not tell.
    """
    back_s = (newest_ns - stamp_ns) / SECOND_NS
    return back_s if stamp_ns and back_s > TIME_JUMP_S else 0.0
