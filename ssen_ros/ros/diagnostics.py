"""The state of the node as one diagnostic_msgs/DiagnosticStatus."""

import time
from collections import deque
from dataclasses import dataclass, field
from statistics import median

import psutil
from builtin_interfaces.msg import Time
from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus, KeyValue
from std_msgs.msg import Header

from ssen_ros.headroom import free_bytes
from ssen_ros.live.live_map import Counters
from ssen_ros.ros.lifecycle import ACTIVE
from ssen_ros.structures import StepResult

_RECENT_S = 5.0  # a rejected cloud colours the status for this long
_PASSES = 9  # the last ones say what is usual
_LONG = 10.0  # times the usual
_LONG_S = 2.0  # and no less than this
_LONG_FIRST_S = 60.0  # where nothing is usual yet


@dataclass
class Health:
    """What the node remembers in order to report on itself."""

    weights: str = ""
    device: str = ""  # that the networks were loaded on
    last_error: str = ""
    last_error_at_s: float | None = None  # monotonic clock
    has_color: bool = True  # the newest cloud
    has_frame: bool = True  # likewise: a frame_id
    rejected_at_s: float = -_RECENT_S  # monotonic clock
    received_at_s: float | None = None  # of the last cloud that could be used; monotonic clock
    longest_callback_s: float = 0.0  # of the subscription
    pass_failed: bool = False  # the last pass
    short_for_cloud: bool = False  # there was not memory enough for the last cloud
    short_for_pass: bool = False  # likewise, for the last pass
    instances: int = 0
    below_floor: int = 0  # voxels that were left out of the last pass
    floor_seen: bool = True  # in the last pass
    processed_version: int = 0
    voxels_computed: int = 0  # in the last pass, by the multiplications made
    whole_at_s: float | None = None  # of the last pass that computed all of the map; monotonic clock
    kept_mb: float = 0.0  # from pass to pass
    timings_s: dict[str, float] = field(default_factory=dict)
    totals_s: deque[float] = field(default_factory=lambda: deque(maxlen=_PASSES))  # of the last passes

    @property
    def usual_s(self) -> float:
        """What a pass usually takes: the median of the last ones; 0 before the first."""
        return median(self.totals_s) if self.totals_s else 0.0

    def received(self, has_color: bool, has_frame: bool) -> None:
        self.received_at_s, self.short_for_cloud = time.monotonic(), False
        self.has_color, self.has_frame = has_color, has_frame

    def taken(self, callback_s: float) -> None:
        self.longest_callback_s = max(self.longest_callback_s, callback_s)

    def passed(self, result: StepResult) -> None:
        self.pass_failed = self.short_for_pass = False
        self.instances = len(result.instances)
        floor = result.memory.floor
        self.below_floor, self.floor_seen = result.strays, floor is not None and floor.seen
        self.processed_version = result.snapshot.version
        self.voxels_computed = round(result.computed_share * len(result.snapshot))
        if result.computed_share >= 1:
            self.whole_at_s = time.monotonic()
        self.kept_mb = result.memory.nbytes / 1e6
        self.timings_s = dict(result.timings_s)
        self.totals_s.append(result.timings_s.get("total", 0.0))

    def failed(self, message: str, memory_short: bool = False) -> None:
        self.pass_failed, self.short_for_pass = True, memory_short
        self._note(message)

    def rejected(self, message: str, memory_short: bool = False) -> None:
        self.rejected_at_s, self.short_for_cloud = time.monotonic(), memory_short
        self._note(message)

    def _note(self, error: str) -> None:
        self.last_error, self.last_error_at_s = error, time.monotonic()


@dataclass(frozen=True)
class Observation:
    """The node at one moment; the defaults are those of a node without networks."""

    lifecycle: str
    health: Health = field(default_factory=Health)
    counters: Counters = field(default_factory=Counters)
    map_voxels: int = 0
    map_full: bool = False
    enabled: bool = True  # ~/enable
    degraded: str = ""  # to the CPU, and why
    cloud_topic: str = ""
    cloud_publishers: tuple[str, ...] = ()  # names of nodes
    whole_maps: bool = True  # each cloud is one, and replaces the one before
    running_s: float | None = None  # so long the pass that is being made has taken; None: there is none
    other_types: tuple[str, ...] = ()  # that publishers of the topic send
    qos_mismatch: str = ""  # what a publisher does not offer
    callback_errors: int = 0  # raised by callbacks since the process began; the log has them
    stale_cloud_s: float = 0.0  # age from which a cloud is too old; 0: none is

    @property
    def rival_publishers(self) -> str:
        """The names of those who send whole maps on one topic; empty where that is one node's affair."""
        rivals = self.whole_maps and len(self.cloud_publishers) > 1
        return ", ".join(sorted(self.cloud_publishers)) if rivals else ""


def status_name(node: str) -> str:
    """Of a node by its fully qualified name: several robots share /diagnostics."""
    return f"{node.lstrip('/')}: segmentation of the map"


def to_diagnostics(stamp: Time, node: str, seen: Observation) -> DiagnosticArray:
    level, message = summarize(seen)
    health, counters = seen.health, seen.counters
    device = "cpu" if seen.degraded else health.device
    age_s, error_age_s = _age_s(health.received_at_s), _age_s(health.last_error_at_s)
    oldest_s = _age_s(health.whole_at_s)
    values = {
        "state": message,
        "lifecycle": seen.lifecycle,
        "enabled": seen.enabled,
        "cloud_topic": seen.cloud_topic,
        "cloud_publishers": len(seen.cloud_publishers),
        "last_cloud_age_s": "" if age_s is None else f"{age_s:.1f}",
        **{f"clouds_{name}": count for name, count in vars(counters).items()},
        "longest_callback_s": f"{health.longest_callback_s:.6f}",
        "callback_errors": seen.callback_errors,
        "last_error": health.last_error,
        "last_error_age_s": "" if error_age_s is None else f"{error_age_s:.1f}",
        "map_voxels": seen.map_voxels,
        "map_version": health.processed_version,
        "instances": health.instances,
        "below_floor": health.below_floor,
        "floor_seen": health.floor_seen,
        "voxels_computed": health.voxels_computed,
        "oldest_answer_s": "" if oldest_s is None else f"{oldest_s:.1f}",
        "kept_mb": f"{health.kept_mb:.0f}",
        **{f"{stage}_ms": f"{1000 * seconds:.1f}" for stage, seconds in health.timings_s.items()},
        "running_ms": "" if seen.running_s is None else f"{1000 * seen.running_s:.1f}",
        "memory_mb": f"{memory_mb():.0f}",
        "memory_free_mb": f"{max(0.0, free_bytes()) / 1e6:.0f}",
        "device": device,
        "device_memory_mb": f"{device_memory_mb(device):.0f}",
        "weights": health.weights,
    }
    status = DiagnosticStatus(
        level=level,
        name=status_name(node),
        hardware_id=device,
        message=message,
        values=[KeyValue(key=key, value=str(value)) for key, value in values.items()],
    )
    return DiagnosticArray(header=Header(stamp=stamp), status=[status])


def read_diagnostics(msg: DiagnosticArray, node: str) -> dict[str, str]:
    """The values that this node reports in a message; none where the message is another's."""
    return {
        v.key: v.value for status in msg.status if status.name == status_name(node) for v in status.values
    }


def summarize(seen: Observation) -> tuple[bytes, str]:
    """The worst level, and everything that is amiss; or, where nothing is, what the node does."""
    if seen.lifecycle != ACTIVE:
        return DiagnosticStatus.OK, seen.lifecycle
    errors, warnings = _errors(seen), _warnings(seen)
    if errors or warnings:
        return DiagnosticStatus.ERROR if errors else DiagnosticStatus.WARN, "; ".join(errors + warnings)
    return DiagnosticStatus.OK, _occupation(seen)


def _errors(seen: Observation) -> list[str]:
    errors = []
    if seen.health.pass_failed:
        errors.append("the last pass failed")
    if seen.health.short_for_cloud or seen.health.short_for_pass:
        errors.append("memory is short, see last_error")
    if 0 < seen.counters.received == seen.counters.rejected:
        errors.append("no cloud could be used so far")
    return errors


def _warnings(seen: Observation) -> list[str]:
    warnings = []
    health, age_s = seen.health, _age_s(seen.health.received_at_s)
    if seen.counters.received > seen.counters.rejected and (
        time.monotonic() - health.rejected_at_s < _RECENT_S
    ):
        warnings.append("a cloud was rejected")
    warnings += [
        f"a publisher of {seen.cloud_topic} sends {name}, not PointCloud2" for name in seen.other_types
    ]
    if not health.has_frame:
        warnings.append("the clouds have no frame_id")
    if not health.has_color:
        warnings.append("the clouds have no colour: labels are worse")
    usual_s = health.usual_s
    longest_s = max(_LONG * usual_s, _LONG_S) if usual_s else _LONG_FIRST_S
    if seen.running_s is not None and seen.running_s > longest_s:
        usually = f"usually {usual_s:.1f} s" if usual_s else "the first one"
        warnings.append(
            f"a pass has been running for {seen.running_s:.0f} s, {usually}: look at clustering.* and "
            "map_voxels"
        )
    if seen.map_full:
        warnings.append("the map is full (map.max_voxels): new places are left out")
    if seen.degraded:
        warnings.append(f"degraded to the CPU: {seen.degraded}")
    if seen.qos_mismatch:
        warnings.append(f"a publisher of {seen.cloud_topic} does not offer the {seen.qos_mismatch} asked for")
    if seen.counters.received == 0 and not (seen.cloud_publishers or seen.other_types):
        warnings.append(f"nobody publishes {seen.cloud_topic}")
    if seen.rival_publishers:
        warnings.append(
            f"{len(seen.cloud_publishers)} publishers of {seen.cloud_topic} send whole maps that replace "
            f"each other: {seen.rival_publishers}"
        )
    if age_s is not None and 0 < seen.stale_cloud_s < age_s:
        warnings.append(f"no cloud for {age_s:.0f} s")
    return warnings


def _occupation(seen: Observation) -> str:
    if seen.counters.received == 0:
        return "waiting for a map"
    if not seen.enabled:
        return "disabled by ~/enable"
    return "segmenting" if seen.running_s is not None or seen.counters.pending else "up to date"


def _age_s(at_s: float | None) -> float | None:
    return None if at_s is None else time.monotonic() - at_s


def device_memory_mb(device: str) -> float:
    """GPU memory that PyTorch holds for this process; 0 on the CPU."""
    if not device.startswith("cuda"):
        return 0.0
    import torch  # late: on the CPU nothing here needs it

    return torch.cuda.memory_reserved(device) / 1e6


def memory_mb() -> float:
    """Resident memory of this process."""
    return psutil.Process().memory_info().rss / 1e6
