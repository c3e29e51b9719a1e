"""The state of the node as one diagnostic_msgs/DiagnosticStatus."""

import os
import re
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from builtin_interfaces.msg import Time
from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus, KeyValue
from std_msgs.msg import Header

from ssen_ros.ros.live_map import Counters
from ssen_ros.structures import StepResult

STATUS_NAME = "ssen: segmentation of the map"

_RECENT_S = 5.0  # a rejected cloud colours the status for this long
_MAX_REMEMBERED = 100


class ErrorThrottle:
    """Lets each kind of message through once in a while; numbers in it do not make a new kind."""

    def __init__(self, period_s: float, clock: Callable[[], float] = time.monotonic):
        self._period_s = period_s
        self._clock = clock  # s
        self._last_s: dict[str, float] = {}

    def allows(self, message: str) -> bool:
        kind = re.sub(r"\d+", "#", message)
        now_s = self._clock()
        if now_s - self._last_s.get(kind, -self._period_s) < self._period_s:
            return False
        if len(self._last_s) >= _MAX_REMEMBERED:
            self._last_s.clear()
        self._last_s[kind] = now_s
        return True


@dataclass
class Health:
    """What the node remembers in order to report on itself."""

    weights: str = ""
    device: str = ""
    degraded: bool = False
    last_error: str = ""
    rejected_at_s: float = -_RECENT_S  # monotonic clock
    pass_failed: bool = False  # the last pass
    instances: int = 0
    processed_version: int = 0
    timings_s: dict[str, float] = field(default_factory=dict)

    def passed(self, result: StepResult) -> None:
        self.pass_failed = False
        self.instances = len(result.instances)
        self.processed_version = result.snapshot.version
        self.timings_s = dict(result.timings_s)

    def failed(self, message: str) -> None:
        self.pass_failed = True
        self.last_error = message

    def rejected(self, message: str) -> None:
        self.rejected_at_s = time.monotonic()
        self.last_error = message


def to_diagnostics(stamp: Time, health: Health, counters: Counters, map_voxels: int) -> DiagnosticArray:
    level, message = _summary(health, counters)
    values = {
        "state": message,
        **{f"clouds_{name}": count for name, count in vars(counters).items()},
        "clouds_integrated": counters.received - counters.rejected,
        "last_error": health.last_error,
        "map_voxels": map_voxels,
        "map_version": health.processed_version,
        "instances": health.instances,
        **{f"{stage}_ms": f"{1000 * seconds:.1f}" for stage, seconds in health.timings_s.items()},
        "memory_mb": f"{memory_mb():.0f}",
        "device": health.device,
        "weights": health.weights,
    }
    status = DiagnosticStatus(
        level=level,
        name=STATUS_NAME,
        message=message,
        values=[KeyValue(key=key, value=str(value)) for key, value in values.items()],
    )
    return DiagnosticArray(header=Header(stamp=stamp), status=[status])


def _summary(health: Health, counters: Counters) -> tuple[bytes, str]:
    if health.pass_failed:
        return DiagnosticStatus.ERROR, "the last pass failed"
    if time.monotonic() - health.rejected_at_s < _RECENT_S:
        return DiagnosticStatus.WARN, "a cloud was rejected"
    if health.degraded:
        return DiagnosticStatus.WARN, "degraded to the CPU"
    if counters.received == 0:
        return DiagnosticStatus.OK, "waiting for a map"
    if counters.pending:
        return DiagnosticStatus.OK, "segmenting"
    return DiagnosticStatus.OK, "up to date"


def memory_mb() -> float:
    """Resident memory of this process; 0 where the system does not say."""
    try:
        with open("/proc/self/statm", encoding="ascii") as statm:
            pages = int(statm.read().split()[1])
    except OSError:
        return 0.0
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6
