"""The node of `ssen record`: writes messages into a recording as they came over the wire."""

import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rclpy.context import Context
from rclpy.node import Node
from rclpy.qos import QoSDurabilityPolicy

from ssen_ros.errors import BagError, SsenError
from ssen_ros.io.bags import BagWriter
from ssen_ros.ros.installed import shared_file
from ssen_ros.ros.main_loop import finish, run
from ssen_ros.ros.qos import weakest

_LOOK_PERIOD_S = 0.2  # for topics that nobody has published yet
_DEPTH = 100


def record(topics: Sequence[str], out: Path, seconds: float | None) -> int:
    """Record until a signal comes or `seconds` are over; returns the exit code.

    Raises BagError where the folder exists, or where nothing has come.
    """
    nodes: list[RecorderNode] = []

    def make_node(context: Context, stop: threading.Event) -> Node:
        nodes.append(RecorderNode(context, stop, topics, out, seconds))
        return nodes[-1]

    code = run("ssen_record", make_node, [], end_within_s=None)  # an index is to be written
    if nodes and nodes[0].error is not None:
        raise nodes[0].error
    return finish(code)


class RecorderNode(Node):
    """Subscribes to each topic once somebody publishes it, as reliable and latched as it is offered."""

    def __init__(
        self, context: Context, stop: threading.Event, topics: Sequence[str], out: Path, seconds: float | None
    ):
        super().__init__("ssen_record", context=context)
        self.error: SsenError | None = None
        self._stop = stop
        self._out = out
        self._waiting = [self.resolve_topic_name(topic) for topic in topics]
        self._deadline_s = time.monotonic() + seconds if seconds else float("inf")
        self._bag = BagWriter(out, read_definition)
        self.create_timer(_LOOK_PERIOD_S, self._look)
        self.get_logger().info(f"waiting for {', '.join(self._waiting)}; Ctrl-C closes the recording")

    def destroy_node(self) -> None:
        super().destroy_node()
        self._bag.close()
        counts = self._bag.counts
        if sum(counts.values()):
            print(self._out, *(f"  {topic}: {count} messages" for topic, count in counts.items()), sep="\n")
        elif self.error is None:
            silent = ", ".join([*self._waiting, *counts])
            self.error = BagError(f"nothing came on {silent}, so nothing was recorded; see `ssen doctor`")

    def _look(self) -> None:
        if time.monotonic() > self._deadline_s:
            self._stop.set()
        for topic in list(self._waiting):
            publishers = self.get_publishers_info_by_topic(topic)
            if publishers:
                self._waiting.remove(topic)
                self._subscribe(topic, publishers)

    def _subscribe(self, topic: str, publishers: Sequence[Any]) -> None:
        type_name = publishers[0].topic_type
        profile = weakest([p.qos_profile for p in publishers], _DEPTH)
        try:
            self._bag.add_topic(topic, type_name, profile.durability == QoSDurabilityPolicy.TRANSIENT_LOCAL)
            self.create_subscription(
                message_class(type_name),
                topic,
                lambda data: self._write(topic, data),
                profile,
                raw=True,
            )
        except SsenError as error:
            self.error = error
            self._stop.set()
            return
        self.get_logger().info(f"recording {topic} ({type_name})")

    def _write(self, topic: str, data: bytes) -> None:
        try:
            self._bag.write(topic, time.time_ns(), data)
        except BagError as error:  # the disk is full
            self.error = error
            self._stop.set()


def message_class(type_name: str) -> type:
    """The class of a message named as package/msg/Name. Raises BagError where it is not installed."""
    from importlib import import_module

    package, _, name = type_name.split("/")
    try:
        return getattr(import_module(f"{package}.msg"), name)
    except (ImportError, AttributeError) as error:
        raise BagError(
            f"{type_name}: not installed here ({error}); source the workspace that has it"
        ) from error


def read_definition(type_name: str) -> str:
    """The text of the .msg of package/msg/Name. Raises BagError where it is not installed."""
    package, _, name = type_name.split("/")
    path = shared_file(package, f"msg/{name}.msg")
    if path is None:
        raise BagError(f"{type_name}: no definition found; source the workspace that has it")
    return path.read_text(encoding="utf-8")
