"""Real nodes in processes of their own, watched by a real rclpy node over DDS on the loopback."""

import os
import resource
import signal
import socket
import subprocess
import sys
import time
import warnings
from itertools import count
from pathlib import Path

import numpy as np
import psutil
import pytest

SKIP = "SSEN_SKIP_ROS_TESTS"
SKIPPED = os.environ.get(SKIP, "0") != "0"
collect_ignore_glob = ["test_*.py"] if SKIPPED else []

if not SKIPPED:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of what loading the generated messages brings along, not ours
        try:
            import rclpy
            from rclpy.type_support import check_for_type_support

            from ssen_ros.msg import InstanceArray

            check_for_type_support(InstanceArray)
        except ImportError as error:
            raise ImportError(
                f"test/ros: {error}; install ROS 2 and build the messages, or set {SKIP}=1 to leave these out"
            ) from error

ROOT = Path(__file__).parents[2]
STUB = Path(__file__).parent / "stub_node.py"

WALL, CHAIR, TABLE = 0, 4, 6

_domains = count(os.getpid())


def box_cloud(origin, label, number, blue=0, size=(0.6, 0.4, 0.5), step=0.02):
    """Points (N, 3) and colours (see stub_node) of a filled box whose lower corner is `origin`."""
    axes = [np.arange(low + step / 2, low + extent, step) for low, extent in zip(origin, size)]
    points = np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1).reshape(-1, 3).astype(np.float32)
    return points, np.full((len(points), 3), (label, number, blue), dtype=np.uint8)


def join(*parts):
    points, colors = zip(*parts)
    return np.concatenate(points), np.concatenate(colors)


def _shared_memory(pid) -> set[Path]:
    lines = Path(f"/proc/{pid}/maps").read_text().splitlines()
    return {Path(line.split(maxsplit=5)[5]) for line in lines if "/dev/shm/" in line}


def _cpu_of_children_s() -> float:
    """Of those that have ended and been waited for."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


class NodeUnderTest:
    """A process and what it has printed."""

    def __init__(self, command, env, log_path):
        self._log_path = log_path
        self._ours = _shared_memory("self")
        with open(log_path, "wb") as log:
            self._process = subprocess.Popen(command, env=env, stdout=log, stderr=subprocess.STDOUT, cwd=ROOT)

    @property
    def log(self) -> str:
        return self._log_path.read_text()

    def lines(self, text: str) -> list[str]:
        return [line for line in self.log.splitlines() if text in line]

    def shared_memory(self) -> list[Path]:
        """Files below /dev/shm that this process has mapped, and ours had not before it started."""
        return sorted(_shared_memory(self._process.pid) - self._ours)

    def signal(self, number) -> None:
        self._process.send_signal(number)

    def wait(self, timeout_s: float = 60.0) -> int:
        return self._process.wait(timeout_s)

    def end(self, timeout_s: float = 120.0) -> float:
        """End it by SIGINT, in order; the CPU seconds that this took, which no busy machine makes more of."""
        before_s = sum(psutil.Process(self._process.pid).cpu_times()[:2])
        of_others_s = _cpu_of_children_s()
        self.signal(signal.SIGINT)
        assert self.wait(timeout_s) == 0
        return _cpu_of_children_s() - of_others_s - before_s

    @property
    def running(self) -> bool:
        return self._process.poll() is None

    def close(self) -> None:
        if self.running:
            self._process.kill()
            self._process.wait()


class Bench:
    """The test's own node, and the processes it starts; all in a DDS domain of their own."""

    CHAIR, TABLE, WALL = CHAIR, TABLE, WALL
    box_cloud = staticmethod(box_cloud)
    join = staticmethod(join)

    def __init__(self, tmp_path):
        from rclpy.context import Context
        from rclpy.executors import SingleThreadedExecutor
        from rclpy.signals import SignalHandlerOptions

        self.domain = _free_domain()
        self._tmp_path = tmp_path
        self._nodes: list[NodeUnderTest] = []
        self._reports: list | None = None  # of /diagnostics
        self._clients: dict = {}
        self._release = tmp_path / "release"
        self.context = Context()
        rclpy.init(
            args=[],
            context=self.context,
            domain_id=self.domain,
            signal_handler_options=SignalHandlerOptions.NO,
        )
        self.node = rclpy.create_node("bench", context=self.context)
        self._executor = SingleThreadedExecutor(context=self.context)
        self._executor.add_node(self.node)

    def start(self, program=STUB, **parameters) -> NodeUnderTest:
        """Start a module or script with ROS parameters; dots in names are written as two underscores."""
        parameters = {"update_period_s": 0.1, **parameters} if program == STUB else parameters
        command = [sys.executable, *(["-m", program] if isinstance(program, str) else [str(program)])]
        command.append("--ros-args")
        for name, value in parameters.items():
            command += ["-p", f"{name.replace('__', '.')}:={value}"]
        return self.start_command(command)

    def start_command(self, command) -> NodeUnderTest:
        env = {
            **os.environ,
            "ROS_DOMAIN_ID": str(self.domain),
            "PYTHONPATH": str(ROOT),
            "PYTHONUNBUFFERED": "1",
            "RCUTILS_COLORIZED_OUTPUT": "0",
            "ROS_LOG_DIR": str(self._tmp_path),
            "OMP_NUM_THREADS": "1",
            "SSEN_STUB_RELEASE": str(self._release),
        }
        node = NodeUnderTest(command, env, self._tmp_path / f"node{len(self._nodes)}.log")
        self._nodes.append(node)
        return node

    def collect(self, message_type, topic, qos=None) -> list:
        """A list that fills with the messages of a topic; latched unless told otherwise."""
        from ssen_ros.ros.qos import LATCHED

        messages = []
        self.node.create_subscription(message_type, topic, messages.append, qos or LATCHED)
        return messages

    def cloud_publisher(self, qos=None, topic="cloud_map"):
        """publish(points, colors, stamp_ns=..., frame_id="map") on the map topic."""
        try:
            from rclpy.event_handler import PublisherEventCallbacks
        except ImportError:  # Humble
            from rclpy.qos_event import PublisherEventCallbacks
        from sensor_msgs.msg import PointCloud2
        from std_msgs.msg import Header

        from ssen_ros.ros.conversions import CloudWriter, time_from_ns
        from ssen_ros.ros.qos import LATCHED

        # rclpy's own callback for mismatches calls something it has deprecated
        quiet = PublisherEventCallbacks(use_default_callbacks=False)
        publisher = self.node.create_publisher(PointCloud2, topic, qos or LATCHED, event_callbacks=quiet)
        writer = CloudWriter()

        def publish(points, colors, stamp_ns=1_500_000_000, frame_id="map"):
            header = Header(stamp=time_from_ns(stamp_ns), frame_id=frame_id)
            publisher.publish(writer.write(header, points, colors))

        publish.publisher = publisher
        return publish

    def spin_until(self, condition, timeout_s: float = 60.0) -> None:
        deadline = time.monotonic() + timeout_s
        while not condition():
            if time.monotonic() > deadline:
                logs = "\n".join(node.log for node in self._nodes)
                report = f"; the last report was {_values(self._reports[-1])}" if self._reports else ""
                raise AssertionError(f"did not happen within {timeout_s} s{report}; the nodes said:\n{logs}")
            self._executor.spin_once(timeout_sec=0.05)

    def spin_for(self, seconds: float) -> None:
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            self._executor.spin_once(timeout_sec=0.05)

    def ready(self, node: NodeUnderTest, publish=None) -> NodeUnderTest:
        """Wait until the node listens, and, if a publisher is given, until both know of each other."""
        self.spin_until(lambda: "listening to" in node.log or not node.running)
        assert node.running, node.log
        if publish is not None:
            self.spin_until(lambda: publish.publisher.get_subscription_count() > 0)
        return node

    def call(self, service_type, name, /, **fields):
        """The response of a service of the node, `name` as in `~/name`."""
        client = self._clients.get(name)
        if client is None:
            client = self._clients[name] = self.node.create_client(service_type, f"/ssen/{name}")
        self.spin_until(client.service_is_ready)
        future = client.call_async(service_type.Request(**fields))
        self.spin_until(future.done)
        return future.result()

    def change_state(self, transition: str) -> bool:
        """Ask for a transition by its name; whether it succeeded."""
        from lifecycle_msgs.msg import Transition
        from lifecycle_msgs.srv import ChangeState

        number = getattr(Transition, f"TRANSITION_{transition.upper()}")
        return self.call(ChangeState, "change_state", transition=Transition(id=number)).success

    def state(self) -> str:
        from lifecycle_msgs.srv import GetState

        return self.call(GetState, "get_state").current_state.label

    def set_parameters(self, **values) -> str:
        """Set parameters together; why that was refused, or "" (dots in names are two underscores)."""
        from rcl_interfaces.srv import SetParametersAtomically
        from rclpy.parameter import Parameter

        given = [Parameter(name.replace("__", "."), value=value) for name, value in values.items()]
        request = [parameter.to_parameter_msg() for parameter in given]
        result = self.call(SetParametersAtomically, "set_parameters_atomically", parameters=request).result
        assert result.successful == (not result.reason)
        return result.reason

    def diagnostics(self) -> dict[str, str]:
        """The values of a report made after this call, as a dictionary, with `level` and `message`."""
        from diagnostic_msgs.msg import DiagnosticArray
        from rclpy.qos import QoSProfile

        from ssen_ros.stamps import ns_from_time

        if self._reports is None:
            self._reports = self.collect(DiagnosticArray, "/diagnostics", QoSProfile(depth=10))
        now_ns = time.time_ns()
        self.spin_until(lambda: self._reports and ns_from_time(self._reports[-1].header.stamp) >= now_ns)
        return _values(self._reports[-1])

    def wait_for(self, **values) -> dict[str, str]:
        """The first report with these values."""
        report = {}

        def arrived():
            report.update(self.diagnostics())
            return all(report[key] == str(value) for key, value in values.items())

        self.spin_until(arrived)
        return report

    def release(self) -> None:
        """Let the stub's passes over SLOW clouds come to their end."""
        self._release.touch()

    def close(self) -> None:
        self.release()
        for node in self._nodes:
            if node.running:
                node.signal(signal.SIGINT)
        for node in self._nodes:
            try:
                node.wait(5.0)
            except subprocess.TimeoutExpired:
                node.close()
        self._executor.shutdown()
        self.node.destroy_node()
        self.context.try_shutdown()


def _values(report) -> dict[str, str]:
    status = report.status[0]
    values = {value.key: value.value for value in status.values}
    return {**values, "level": status.level, "message": status.message}


def _free_domain() -> int:
    """A DDS domain in which nobody on this machine holds the first participant's port."""
    while True:
        domain = 1 + next(_domains) % 100
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
            try:
                probe.bind(("", 7410 + 250 * domain))
            except OSError:
                continue
        return domain


@pytest.fixture
def bench(tmp_path, monkeypatch):
    monkeypatch.setenv("ROS_AUTOMATIC_DISCOVERY_RANGE", "LOCALHOST")
    monkeypatch.delenv("ROS_LOCALHOST_ONLY", raising=False)
    bench = Bench(tmp_path)
    yield bench
    bench.close()


@pytest.fixture
def handlers():
    """Gives the signal handlers back after a test that runs a node's main loop in this process."""
    numbers = (signal.SIGINT, signal.SIGTERM)
    before = [signal.getsignal(number) for number in numbers]
    yield
    for number, handler in zip(numbers, before):
        signal.signal(number, handler)
