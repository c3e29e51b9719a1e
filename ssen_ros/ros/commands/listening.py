"""What a node tells of its map, joined: for whoever shows or saves it on the far side of ROS."""

from collections.abc import Mapping
from functools import partial

from diagnostic_msgs.msg import DiagnosticArray
from rclpy.node import Node
from rclpy.qos import QoSProfile
from sensor_msgs.msg import PointCloud2

from ssen_ros.labelled_map import LabelledMap
from ssen_ros.msg import InstanceArray
from ssen_ros.ros.conversions import to_labelled_map
from ssen_ros.ros.diagnostics import read_diagnostics
from ssen_ros.ros.qos import LATCHED
from ssen_ros.stamps import jump_back_s, ns_from_time

_TOPICS = {  # in the order of `to_labelled_map`
    "semantic_cloud": PointCloud2,
    "instance_cloud": PointCloud2,
    "instances": InstanceArray,
}


class MapListener:
    """The newest messages of one node, joined by the stamp of the map that they were made from.

    A corrected update has the stamp of the one that it corrects: each of its messages takes the other's
    place, and for a moment `labelled_map` may have some of both. For one thread, that which spins the node.
    """

    def __init__(self) -> None:
        self._by_stamp: dict[int, dict[str, object]] = {}  # ns -> topic -> message
        self.complete_ns = -1  # newest stamp of which every topic has arrived
        self.newest: InstanceArray | None = None  # of those that came, complete or not
        self.passes = 0  # instances that have arrived
        self.status: dict[str, str] = {}  # of /diagnostics
        self.news = False  # the complete map, or something of it, came since this was last set to False

    @classmethod
    def of(cls, node: Node, name: str) -> "MapListener":
        """Hears what the node of this fully qualified name publishes."""
        listener = cls()
        for topic, kind in _TOPICS.items():
            node.create_subscription(kind, f"{name}/{topic}", partial(listener.add, topic), LATCHED)
        node.create_subscription(
            DiagnosticArray, "/diagnostics", lambda msg: listener.add_status(msg, name), QoSProfile(depth=10)
        )
        return listener

    def add(self, topic: str, msg: PointCloud2 | InstanceArray) -> None:
        stamp_ns = ns_from_time(msg.header.stamp)
        if isinstance(msg, InstanceArray):
            self.passes += 1
            self.newest = msg
        if jump_back_s(self.complete_ns, stamp_ns):  # another run, or a loaded map
            self._by_stamp, self.complete_ns = {}, -1
        if stamp_ns < self.complete_ns:
            return
        here = self._by_stamp.setdefault(stamp_ns, {})
        here[topic] = msg
        if len(here) == len(_TOPICS):
            self.complete_ns, self.news = stamp_ns, True
            self._by_stamp = {s: m for s, m in self._by_stamp.items() if s >= stamp_ns}

    def add_status(self, msg: DiagnosticArray, name: str) -> None:
        self.status = read_diagnostics(msg, name) or self.status

    @property
    def messages(self) -> tuple | None:
        """The newest complete set: semantic cloud, instance cloud, instances."""
        if self.complete_ns < 0:
            return None
        here = self._by_stamp[self.complete_ns]
        return tuple(here[topic] for topic in _TOPICS)

    def labelled_map(self) -> LabelledMap | None:
        """The newest complete update. Raises SsenError for clouds that lack what ours have."""
        return to_labelled_map(*self.messages) if self.messages is not None else None


def stage_times_s(status: Mapping[str, str]) -> dict[str, float]:
    """Stage -> seconds of the last pass that a report knows of."""
    times = {key.removesuffix("_ms"): value for key, value in status.items() if key.endswith("_ms")}
    times.pop("running", None)  # of the pass that is being made
    return {stage: float(ms) / 1000.0 for stage, ms in times.items()}
