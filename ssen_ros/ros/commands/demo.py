"""`ssen demo`: simulator and segmenting node as two processes over DDS, watched from this third one.

Everything shown and saved comes from the messages received here, so what the files hold has been
on the wire.
"""

import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

from diagnostic_msgs.msg import DiagnosticArray
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node
from rclpy.qos import QoSProfile
from rich.console import Console, Group
from rich.live import Live
from rich.table import Table
from sensor_msgs.msg import PointCloud2

from ssen_ros.errors import SsenError
from ssen_ros.results import save_map
from ssen_ros.ros.commands.listening import MapListener, stage_times_s
from ssen_ros.ros.commands.observing import observer
from ssen_ros.ros.commands.running import (
    Running,
    environment_set,
    private_environment,
    running,
    sigterm_as_interrupt,
)
from ssen_ros.ros.commands.view import NodeView, OpenViewer
from ssen_ros.ros.diagnostics import read_diagnostics
from ssen_ros.ros.installed import shared_file
from ssen_ros.ros.node_table import NodeProcess, ParameterValue, simulator_process, ssen_node_process
from ssen_ros.ros.qos import LATCHED
from ssen_ros.simulation import SimulatedSlam
from ssen_ros.stamps import ns_from_time

_NODE = "/ssen"

Show = Callable[[MapListener], None]  # called again and again, with what has been heard

START_TIMEOUT_S = 120.0  # for the networks to load, on a machine busy with other things
LAST_MAP_TIMEOUT_S = 180.0  # for the last map to be segmented once the walk is over
SETTLED_S = 5.0  # "up to date" for so long after the walk: no pass over another map will come


def run_demo(
    out_dir: str | Path,
    seconds: float | None = None,
    seed: int = 8,
    maps: int = 20,
    rate_hz: float = 1.0,
    parameters: dict[str, ParameterValue] | None = None,
    open_viewer: OpenViewer | None = None,
) -> int:
    """Run the whole system on a simulated walk of about `maps` maps, `rate_hz` of them a second; returns the
    exit code.

    Ends when the last map has been segmented, or after `seconds`. Leaves labelled.ply,
    instances.json, map.png and the logs of both nodes in `out_dir`. `parameters` are for ssen_node.
    With `open_viewer` the map is in the browser meanwhile, and stays there until interrupted.

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
        received, observing = stack.enter_context(_receiving(int(environment["ROS_DOMAIN_ID"])))
        view = NodeView(observing, _NODE, out_dir, open_viewer) if open_viewer else None
        screen = stack.enter_context(_screen())
        node = stack.enter_context(running(segmenting, out_dir, shared_file("ssen_ros", "config/ssen.yaml")))
        screen.note("loading the networks")
        _wait_until_ready(received, node, deadline_s)
        simulator = stack.enter_context(running(walk_process(seed, maps, rate_hz), out_dir))
        screen.note(f"walking through simulated room {seed}")
        shows = [screen.show] if view is None else [screen.show, view.refresh]
        _watch(received, node, simulator, screen.note, shows, deadline_s)
        result = received.listener.labelled_map()
        if result is None:
            node.explain()
            raise SsenError(f"no segmented map arrived; expected some before the end; see {node.log_path}")
        saved = save_map(result, out_dir)
        for path in (*vars(saved).values(), node.log_path, simulator.log_path):
            print(path)
        with suppress(KeyboardInterrupt):
            while view is not None:  # to be looked at and corrected, until Ctrl-C
                received.spin()
                view.refresh(received.listener)
                node.fail_if_dead()
    return 0


def walk_process(seed: int, maps: int, rate_hz: float = 1.0) -> NodeProcess:
    """The simulator, told to show its whole walk in about `maps` maps and to end after the last."""
    frames = len(SimulatedSlam(seed))
    parameters: dict[str, ParameterValue] = {"seed": seed, "frames_per_map": -(-frames // maps)}
    parameters |= {"rate_hz": rate_hz, "exit_when_done": True}
    return simulator_process(parameters=parameters)


# --- what arrives ------------------------------------------------------------------------------


class _Received:
    """What the node and the simulator have sent."""

    def __init__(self, node: Node, executor: SingleThreadedExecutor):
        self._executor = executor
        self.listener = MapListener.of(node, _NODE)
        self.last_map_ns = -1
        self.status_at_s = -1.0  # monotonic clock
        node.create_subscription(PointCloud2, "cloud_map", self._on_map, LATCHED)
        node.create_subscription(DiagnosticArray, "/diagnostics", self._on_status, QoSProfile(depth=10))

    def _on_map(self, msg: PointCloud2) -> None:
        self.last_map_ns = max(self.last_map_ns, ns_from_time(msg.header.stamp))

    def _on_status(self, msg: DiagnosticArray) -> None:
        if read_diagnostics(msg, _NODE):
            self.status_at_s = time.monotonic()

    @property
    def complete_ns(self) -> int:
        return self.listener.complete_ns

    @property
    def status(self) -> dict[str, str]:
        return self.listener.status

    def spin(self, timeout_s: float = 0.1) -> None:
        self._executor.spin_once(timeout_sec=timeout_s)


@contextmanager
def _receiving(domain_id: int) -> Iterator[tuple[_Received, Node]]:
    with observer("ssen_demo", domain_id) as (node, executor):
        yield _Received(node, executor), node


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
    received: _Received,
    node: Running,
    simulator: Running,
    note: Callable[[str], None],
    shows: Sequence[Show],
    deadline_s: float,
) -> None:
    """Until the last map of the walk has been segmented, or until `deadline_s`."""
    walk_over_s = None
    while time.monotonic() < deadline_s:
        received.spin()
        for show in shows:
            show(received.listener)
        node.fail_if_dead()
        simulator.fail_if_dead(may_finish=True)
        if simulator.exit_code is None:
            continue
        if walk_over_s is None:
            walk_over_s = time.monotonic()
            note("the walk is over; segmenting the last map")
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

    def show(self, heard: MapListener) -> None:
        if heard.passes == self._shown:
            return
        self._shown = heard.passes
        if heard.passes == 0:
            return
        found = ", ".join(f"{count} {name}" for name, count in _classes(heard).most_common())
        stages = ", ".join(f"{stage} {ms} ms" for stage, ms in _stages(heard))
        self.note(f"cycle {heard.passes}: {_voxels(heard)} voxels; {found or 'no objects'}; {stages}")


class _LiveScreen(_Screen):
    """A table that stays in place, for terminals."""

    def __init__(self, console: Console, live: Live):
        super().__init__(console)
        self._live = live

    def show(self, heard: MapListener) -> None:
        summary = Table("cycle", "map voxels", "objects", "state", title="ssen demo", min_width=60)
        objects = str(_classes(heard).total())
        state = heard.status.get("state", "starting")
        summary.add_row(str(heard.passes), str(_voxels(heard)), objects, state)
        stages, classes = Table("stage", "ms", min_width=60), Table("class", "objects", min_width=60)
        for stage, ms in _stages(heard):
            stages.add_row(stage, ms)
        for name, count in _classes(heard).most_common():
            classes.add_row(name, str(count))
        self._live.update(Group(summary, stages, classes))


def _classes(heard: MapListener) -> Counter[str]:
    return Counter(i.class_name for i in heard.newest.instances) if heard.newest else Counter()


def _voxels(heard: MapListener) -> int:
    return heard.messages[0].width if heard.messages else 0


def _stages(heard: MapListener) -> list[tuple[str, str]]:
    """(stage, ms) of the last pass that /diagnostics knows of."""
    return [(stage, f"{1000 * seconds:.0f}") for stage, seconds in stage_times_s(heard.status).items()]


@contextmanager
def _screen() -> Iterator[_Screen]:
    console = Console(soft_wrap=True)
    if not console.is_terminal:
        yield _Screen(console)
        return
    with Live(console=console, refresh_per_second=4) as live:
        yield _LiveScreen(console, live)
