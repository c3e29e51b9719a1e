"""What is wrong with a live topic: who publishes it, with which QoS, what arrives, and what is lost."""

import os
import time
from collections.abc import Mapping, Sequence
from typing import Any

from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node
from rclpy.qos import QoSCompatibility, QoSReliabilityPolicy, qos_check_compatible
from sensor_msgs.msg import PointCloud2

from ssen_ros.doctor import ERROR, WARNING, Finding, examine_message, examine_stamps
from ssen_ros.io.point_cloud2 import CLOUD_TYPE
from ssen_ros.ros.commands.observing import observer
from ssen_ros.ros.endpoints import full_name, is_known
from ssen_ros.ros.qos import SubscriptionEventCallbacks, weakest
from ssen_ros.stamps import ns_from_time

_ENOUGH_CLOUDS = 5
_DISCOVERY_S = 2.0  # granted to the graph to become whole
_SEGMENT_BYTES = 512 * 1024  # of shared memory, Fast DDS's default


def examine_topic(topic: str, seconds: float, voxel_size: float) -> tuple[Finding, ...]:
    """Listen to `topic` until five clouds have come, or for `seconds`, and say what is wrong."""
    with observer(f"ssen_doctor_{os.getpid()}") as (node, executor):
        topic = node.resolve_topic_name(topic)
        deadline_s = time.monotonic() + seconds
        _spin_until(executor, lambda: False, min(deadline_s, time.monotonic() + _DISCOVERY_S))
        _spin_until(executor, lambda: node.get_publishers_info_by_topic(topic), deadline_s)
        # Who publishes is known before the publisher's node is.
        known_by_s = time.monotonic() + _DISCOVERY_S
        _spin_until(executor, lambda: all(map(is_known, _endpoints(node, topic))), known_by_s)
        graph = _graph_findings(node, topic)
        publishers = _publishers(node, topic)
        if not publishers:
            return graph
        heard = _Heard(node, topic, publishers)
        _spin_until(executor, lambda: len(heard.received) >= _ENOUGH_CLOUDS, deadline_s)
        simulated_time = node.count_publishers("/clock") > 0
        return (*graph, *heard.findings(seconds, voxel_size, simulated_time))


class _Heard:
    """A subscription that any publisher of the topic matches, and the account of what came over it."""

    def __init__(self, node: Node, topic: str, publishers: Sequence[Any]):
        self._best_effort = any(
            p.qos_profile.reliability == QoSReliabilityPolicy.BEST_EFFORT for p in publishers
        )
        self._alone = len(publishers) == 1
        self._names = ", ".join(sorted({full_name(p) for p in publishers}))
        self._lost_events = 0
        self._sequences: dict[bytes, list[int]] = {}  # publisher -> numbers of its messages that came
        self.received: list[tuple[int, int]] = []  # stamp, time of publishing; ns
        self._last: PointCloud2 | None = None
        node.create_subscription(
            PointCloud2,
            topic,
            self._add,
            weakest([p.qos_profile for p in publishers], depth=_ENOUGH_CLOUDS),
            event_callbacks=SubscriptionEventCallbacks(message_lost=self._add_lost),
        )

    def _add(self, msg: PointCloud2, info: Mapping[str, Any]) -> None:
        self._last = msg
        self.received.append((ns_from_time(msg.header.stamp), info["source_timestamp"] or time.time_ns()))
        # Humble and Iron do not know the number; up to Jazzy, its publisher is not known.
        number, gid = info.get("publication_sequence_number"), info.get("publisher_gid")
        if number is not None and (gid or self._alone):
            publisher = bytes(gid["data"]) if gid else b""
            self._sequences.setdefault(publisher, []).append(number)

    def _add_lost(self, event: Any) -> None:
        self._lost_events = event.total_count

    def findings(self, seconds: float, voxel_size: float, simulated_time: bool) -> tuple[Finding, ...]:
        if self._last is None:
            return lost_clouds(0, self._lost, 0) or (_silent(self._names, seconds),)
        return (
            *lost_clouds(len(self.received), self._lost, len(self._last.data)),
            *examine_stamps(self.received, simulated_time),
            *examine_message(self._last, voxel_size),
        )

    @property
    def _lost(self) -> int:
        """Clouds sent that did not come. A reliable publisher leaves out old maps, which is no loss."""
        missing = sum(max(numbers) - min(numbers) + 1 - len(numbers) for numbers in self._sequences.values())
        return max(self._lost_events, missing) if self._best_effort else 0


def lost_clouds(received: int, lost: int, size: int) -> tuple[Finding, ...]:
    """Of `received + lost` clouds of a best-effort publisher, of `size` bytes, some did not arrive."""
    if not lost or (received and size <= _SEGMENT_BYTES):
        return ()
    each = f" of {size / 1e6:.2g} MB" if received else ""
    return (
        Finding(
            WARNING if received else ERROR, "lost",
            f"{lost} of {lost + received} clouds{each} were lost: Fast DDS sends messages larger than its "
            f"shared memory, {_SEGMENT_BYTES // 1024} KB by default, as datagrams, and the publisher is best "
            "effort, so that one lost datagram loses the cloud",
            "start the publisher (your SLAM) with FASTDDS_DEFAULT_PROFILES_FILE=.../share/ssen_ros/config/"
            "fastdds_large_clouds.xml (FASTRTPS_DEFAULT_PROFILES_FILE on Humble and Jazzy), or let it "
            "publish reliably",
        ),
    )  # fmt: skip


def _silent(names: str, seconds: float) -> Finding:
    return Finding(
        ERROR, "silent", f"{names} publishes the topic, but sent nothing within {seconds:g} s",
        "rtabmap sends its map only while the camera moves, ZED only with mapping.mapping_enabled true; on "
        "another machine, look at firewall and multicast; with clouds of more than 512 KB, at the remedy for "
        "lost ones: config/fastdds_large_clouds.xml",
    )  # fmt: skip


def _graph_findings(node: Node, topic: str) -> tuple[Finding, ...]:
    infos = node.get_publishers_info_by_topic(topic)
    types = sorted({info.topic_type for info in infos})
    if not infos:
        others = [
            name
            for name, kinds in node.get_topic_names_and_types()
            if CLOUD_TYPE in kinds and node.count_publishers(name)
        ]
        seen = f"nobody publishes {topic}; clouds are published on: {', '.join(others) or 'no topic'}"
        remedy = (
            "start the SLAM, or name its topic (cloud_topic:=... in the launch file, --topic here); if it "
            "runs, compare ROS_DOMAIN_ID, RMW_IMPLEMENTATION and ROS_AUTOMATIC_DISCOVERY_RANGE of both"
        )
        return (Finding(ERROR, "publisher", seen, remedy),)
    if types != [CLOUD_TYPE]:
        seen = f"{topic} has the type {', '.join(types)}; expected {CLOUD_TYPE}"
        remedy = (
            "name a topic of point clouds: rtabmap's is cloud_map; nvblox's mesh and color_layer are none"
        )
        return (Finding(ERROR, "type", seen, remedy),)
    return (*_several(topic, infos), *_qos_findings(node, topic, infos))


def _several(topic: str, infos: Sequence[Any]) -> tuple[Finding, ...]:
    if len(infos) == 1:
        return ()
    names = ", ".join(map(full_name, infos))
    seen = f"{len(infos)} publishers of {topic}: {names}; their maps replace each other"
    return (Finding(WARNING, "publishers", seen, "stop all but one, or give each a topic or a namespace"),)


def _qos_findings(node: Node, topic: str, publishers: Sequence[Any]) -> tuple[Finding, ...]:
    findings = []
    for subscriber in node.get_subscriptions_info_by_topic(topic):
        for publisher in publishers:
            verdict, reason = qos_check_compatible(publisher.qos_profile, subscriber.qos_profile)
            if verdict == QoSCompatibility.ERROR:
                names = f"{full_name(subscriber)} gets nothing of {full_name(publisher)}"
                remedy = (
                    "ask for no more than is offered: ssen_node: cloud_qos.reliability and .durability auto; "
                    "RViz: Reliability Policy and Durability Policy of the display; or let the publisher "
                    "offer more: rtabmap: latch true"
                )
                findings.append(Finding(ERROR, "qos", f"{names}: {' '.join(reason.split())}", remedy))
    return tuple(findings)


def _publishers(node: Node, topic: str) -> list[Any]:
    return [p for p in node.get_publishers_info_by_topic(topic) if p.topic_type == CLOUD_TYPE]


def _endpoints(node: Node, topic: str) -> list[Any]:
    return node.get_publishers_info_by_topic(topic) + node.get_subscriptions_info_by_topic(topic)


def _spin_until(executor: SingleThreadedExecutor, condition: Any, deadline_s: float) -> None:
    while not condition() and time.monotonic() < deadline_s:
        executor.spin_once(timeout_sec=0.1)
