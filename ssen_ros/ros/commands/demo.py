"""`ssen demo`: simulator and segmenting node as two processes over DDS, watched from this third one.

Everything shown and saved comes from the messages received here, so what the files hold has been
on the wire.
"""

import time
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from diagnostic_msgs.msg import DiagnosticArray
from rclpy.executors import SingleThreadedExecutor
from rclpy.qos import QoSProfile
from rich.console import Console, Group
from rich.live import Live
from rich.table import Table
from sensor_msgs.msg import PointCloud2

from ssen_ros.errors import SsenError
from ssen_ros.msg import InstanceArray
from ssen_ros.results import save_map
from ssen_ros.ros.commands.observing import observer
from ssen_ros.ros.commands.running import (
    Running,
    environment_set,
    private_environment,
    running,
    sigterm_as_interrupt,
)
from ssen_ros.ros.conversions import to_labelled_map
from ssen_ros.ros.diagnostics import read_diagnostics
from ssen_ros.ros.installed import shared_file
from ssen_ros.ros.node_table import NodeProcess, ParameterValue, simulator_process, ssen_node_process
from ssen_ros.ros.qos import LATCHED
from ssen_ros.simulation import SimulatedSlam
from ssen_ros.stamps import ns_from_time

START_TIMEOUT_S = 120.0  # for the networks to load, on a machine busy with other things
LAST_MAP_TIMEOUT_S = 180.0  # for the last map to be segmented once the walk is over
SETTLED_S = 5.0  # "up to date" for so long after the walk: no pass over another map will come


def run_demo(
    out_dir: str | Path,
    seconds: float | None = None,
    seed: int = 8,
    maps: int = 20,
    parameters: dict[str, ParameterValue] | None = None,
) -> int:
    """Run the whole system on a simulated walk of about `maps` maps; returns the exit code.

    Ends when the last map has been segmented, or after `seconds`. Leaves labelled.ply,
    instances.json, map.png and the logs of both nodes in `out_dir`. `parameters` are for ssen_node.

    Raises:
        SsenError: a process died, or no result arrived.
    """
    out_dir = Path(out_dir)
    out_dir.mkdir(parents=True, exist_ok=True)
    deadline_s = time.monotonic() + seconds if seconds else float("inf")
    segmenting = ssen_node_process(parameters=parameters)
    with ExitStack() as stack:
        stack.enter_context(sigterm_as_interrupt())
        environment = private_environment(out_dir)
        stack.enter_context(environment_set(environment))
        received = stack.enter_context(_receiving(int(environment["ROS_DOMAIN_ID"])))
        screen = stack.enter_context(_screen())
        node = stack.enter_context(running(segmenting, out_dir, shared_file("ssen_ros", "config/ssen.yaml")))
        screen.note("loading the networks")
        _wait_until_ready(received, node, deadline_s)
        simulator = stack.enter_context(running(walk_process(seed, maps), out_dir))
        screen.note(f"walking through simulated room {seed}")
        _watch(received, node, simulator, screen, deadline_s)
    result = received.result()
    if result is None:
        node.explain()
        raise SsenError(f"no segmented map arrived; expected some before the end; see {node.log_path}")
    saved = save_map(to_labelled_map(*result), out_dir)
    for path in (*vars(saved).values(), node.log_path, simulator.log_path):
        print(path)
    return 0


def walk_process(seed: int, maps: int) -> NodeProcess:
    """The simulator, told to show its whole walk in about `maps` maps and to end after the last."""
    frames = len(SimulatedSlam(seed))
    parameters = {"seed": seed, "frames_per_map": -(-frames // maps), "exit_when_done": True}
    return simulator_process(parameters=parameters)


# --- what arrives ------------------------------------------------------------------------------


@dataclass
class _Received:
    """The newest messages, joined by the stamp of the map they were made from."""

    executor: SingleThreadedExecutor
    by_stamp: dict[int, dict[str, object]] = field(default_factory=dict)  # ns -> topic -> message
    complete_ns: int = -1  # newest stamp of which every topic has arrived
    last_map_ns: int = -1
    passes: int = 0  # maps of which the instances have arrived
    voxels: int = 0
    classes: Counter[str] = field(default_factory=Counter)
    status: dict[str, str] = field(default_factory=dict)  # of /diagnostics
    status_at_s: float = -1.0  # monotonic clock

    def add(self, topic: str, msg: PointCloud2 | InstanceArray) -> None:
        stamp_ns = ns_from_time(msg.header.stamp)
        if stamp_ns < self.complete_ns:
            return
        here = self.by_stamp.setdefault(stamp_ns, {})
        here[topic] = msg
        if topic == "cloud_map":
            self.last_map_ns = max(self.last_map_ns, stamp_ns)
        elif isinstance(msg, InstanceArray):
            self.passes += 1
            self.classes = Counter(i.class_name for i in msg.instances)
        elif topic == "semantic_cloud":
            self.voxels = msg.width * msg.height
        if len(here) == len(_TOPICS):
            self.complete_ns = stamp_ns
            self.by_stamp = {s: m for s, m in self.by_stamp.items() if s >= stamp_ns}

    def add_status(self, msg: DiagnosticArray) -> None:
        if status := read_diagnostics(msg, "ssen"):
            self.status, self.status_at_s = status, time.monotonic()

    def spin(self, timeout_s: float = 0.1) -> None:
        self.executor.spin_once(timeout_sec=timeout_s)

    def result(self) -> tuple | None:
        """The newest complete set: cloud, semantic cloud, instance cloud, instances."""
        if self.complete_ns < 0:
            return None
        messages = self.by_stamp[self.complete_ns]
        return tuple(messages[name] for name in _TOPICS)


_TOPICS = {  # in the order of `to_labelled_map`
    "cloud_map": (PointCloud2, "cloud_map"),
    "semantic_cloud": (PointCloud2, "/ssen/semantic_cloud"),
    "instance_cloud": (PointCloud2, "/ssen/instance_cloud"),
    "instances": (InstanceArray, "/ssen/instances"),
}


@contextmanager
def _receiving(domain_id: int) -> Iterator[_Received]:
    with observer("ssen_demo", domain_id) as (node, executor):
        received = _Received(executor)
        for name, (kind, topic) in _TOPICS.items():
            node.create_subscription(kind, topic, partial(received.add, name), LATCHED)
        node.create_subscription(DiagnosticArray, "/diagnostics", received.add_status, QoSProfile(depth=10))
        yield received


def _wait_until_ready(received: _Received, node: Running, deadline_s: float) -> None:
    """Until the node reports for the first time: the walk must not start before somebody listens."""
    give_up_s = time.monotonic() + START_TIMEOUT_S
    while not received.status and time.monotonic() < deadline_s:
        node.fail_if_dead()
        if time.monotonic() > give_up_s:
            node.explain()
            raise SsenError(f"{node.name} did not report within {START_TIMEOUT_S:g} s; see {node.log_path}")
        received.spin()


def _watch(
    received: _Received, node: Running, simulator: Running, screen: "_Screen", deadline_s: float
) -> None:
    """Until the last map of the walk has been segmented, or until `deadline_s`."""
    walk_over_s = None
    while time.monotonic() < deadline_s:
        received.spin()
        screen.show(received)
        node.fail_if_dead()
        simulator.fail_if_dead(may_finish=True)
        if simulator.exit_code is None:
            continue
        if walk_over_s is None:
            walk_over_s = time.monotonic()
            screen.note("the walk is over; segmenting the last map")
        if 0 <= received.last_map_ns == received.complete_ns:
            return
        if _settled(received, walk_over_s):
            return
        if time.monotonic() - walk_over_s > LAST_MAP_TIMEOUT_S:
            node.explain()
            raise SsenError(
                f"the last map was not segmented within {LAST_MAP_TIMEOUT_S:g} s; see {node.log_path}"
            )


def _settled(received: _Received, since_s: float) -> bool:
    """The node has nothing left to do: a last map equal to the one before it gets no pass of its own."""
    fresh = received.status_at_s > since_s + SETTLED_S
    return fresh and received.status.get("state") == "up to date" and received.complete_ns >= 0


# --- the live table ----------------------------------------------------------------------------


class _Screen:
    """One line per update, for logs and pipes."""

    def __init__(self, console: Console):
        self._console = console
        self._shown = -1

    def note(self, text: str) -> None:
        self._console.print(text, highlight=False)

    def show(self, received: _Received) -> None:
        if received.passes == self._shown:
            return
        self._shown = received.passes
        if received.passes == 0:
            return
        found = ", ".join(f"{count} {name}" for name, count in received.classes.most_common())
        stages = ", ".join(f"{stage} {ms} ms" for stage, ms in _stages(received))
        self.note(f"cycle {received.passes}: {received.voxels} voxels; {found or 'no objects'}; {stages}")


class _LiveScreen(_Screen):
    """A table that stays in place, for terminals."""

    def __init__(self, console: Console, live: Live):
        super().__init__(console)
        self._live = live

    def show(self, received: _Received) -> None:
        summary = Table("cycle", "map voxels", "objects", "state", title="ssen demo", min_width=60)
        objects = str(sum(received.classes.values()))
        state = received.status.get("state", "starting")
        summary.add_row(str(received.passes), str(received.voxels), objects, state)
        stages, classes = Table("stage", "ms", min_width=60), Table("class", "objects", min_width=60)
        for stage, ms in _stages(received):
            stages.add_row(stage, ms)
        for name, count in received.classes.most_common():
            classes.add_row(name, str(count))
        self._live.update(Group(summary, stages, classes))


def _stages(received: _Received) -> list[tuple[str, str]]:
    """(stage, ms) of the last pass that /diagnostics knows of."""
    return [
        (k.removesuffix("_ms"), f"{float(v):.0f}") for k, v in received.status.items() if k.endswith("_ms")
    ]


@contextmanager
def _screen() -> Iterator[_Screen]:
    console = Console(soft_wrap=True)
    if not console.is_terminal:
        yield _Screen(console)
        return
    with Live(console=console, refresh_per_second=4) as live:
        yield _LiveScreen(console, live)
