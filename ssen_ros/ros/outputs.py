"""What the node publishes of each update, on the topics that the parameters `publish.*` ask for."""

import threading
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
from rclpy.node import Node
from rclpy.publisher import Publisher
from sensor_msgs.msg import PointCloud2
from std_msgs.msg import Header
from visualization_msgs.msg import MarkerArray

from ssen_ros.errors import ConfigError
from ssen_ros.labelled_map import embedding_colors
from ssen_ros.msg import InstanceArray
from ssen_ros.palettes import instance_colors, semantic_colors
from ssen_ros.ros import vision
from ssen_ros.ros.conversions import CloudWriter, pack_colors, to_instance_array
from ssen_ros.ros.markers import MarkerBoard
from ssen_ros.ros.parameters import TopicsConfig
from ssen_ros.ros.qos import LATCHED
from ssen_ros.structures import StepResult

ToMsg = Callable[[Header, StepResult], object]


def semantic_cloud() -> ToMsg:
    """Every voxel, in the colour of its class; its own is beside it."""
    writer = CloudWriter(label="u4", confidence="f4", map_rgb="u4")

    def to_msg(header: Header, result: StepResult) -> PointCloud2:
        label = result.semantic_label
        return writer.write(
            header,
            result.snapshot.points,
            semantic_colors(label),
            label=label,
            confidence=result.confidence,
            map_rgb=pack_colors(result.snapshot.colors),
        )

    return to_msg


def instance_cloud() -> ToMsg:
    """The things, in the colour of their id; that of their embedding is beside it."""
    writer = CloudWriter(label="u4", instance_id="i4", confidence="f4", embedding_rgb="u4")

    def to_msg(header: Header, result: StepResult) -> PointCloud2:
        rows = result.thing_rows
        ids = result.instance_id[rows]
        embedding_rgb = embedding_colors(result.segmentation, len(result.snapshot))
        return writer.write(
            header,
            result.snapshot.points[rows],
            instance_colors(ids),
            label=result.semantic_label[rows],
            instance_id=ids,
            confidence=result.confidence[rows],
            embedding_rgb=pack_colors(embedding_rgb[rows]),
        )

    return to_msg


def structure_cloud() -> ToMsg:
    """Walls, floor and ceiling, in their own colour."""
    writer = CloudWriter(label="u4", confidence="f4")

    def to_msg(header: Header, result: StepResult) -> PointCloud2:
        is_stuff = result.semantic_label >= 0  # what a hand has deleted is neither
        is_stuff[result.thing_rows] = False
        return writer.write(
            header,
            result.snapshot.points[is_stuff],
            result.snapshot.colors[is_stuff],
            label=result.semantic_label[is_stuff],
            confidence=result.confidence[is_stuff],
        )

    return to_msg


def marker_array() -> ToMsg:
    board = MarkerBoard()
    return lambda header, result: board.update(header, result.instances)


# Topic: its type, and what makes its messages. ~/instances comes last: who has it can expect the rest.
_TOPICS: dict[str, tuple[type, Callable[[], ToMsg]]] = {
    "semantic_cloud": (PointCloud2, semantic_cloud),
    "instance_cloud": (PointCloud2, instance_cloud),
    "structure_cloud": (PointCloud2, structure_cloud),
    "markers": (MarkerArray, marker_array),
    "detections": (vision.Detection3DArray, lambda: vision.to_detections),
    "instances": (InstanceArray, lambda: to_instance_array),
}


class Outputs:
    """The publishers of one node. Safe with any thread.

    A topic that is switched off has no publisher: who comes late gets nothing old.
    """

    def __init__(self, node: Node, class_names: tuple[str, ...], config: TopicsConfig):
        self._node = node
        self._class_names = class_names
        self._lock = threading.Lock()
        self._open: dict[str, tuple[Publisher, ToMsg]] = {}
        self._label_info: Publisher | None = None
        self._chosen: frozenset[str] = frozenset()  # classes; empty: all, those given by hand too
        self._shown: frozenset[int] = frozenset()  # ids in the last update that was published
        self.enable(config)

    def enable(self, config: TopicsConfig) -> None:
        """Open and close topics until they are those asked for.

        Raises ConfigError, and changes nothing, for classes that the networks do not know.
        """
        unknown = config.class_names - set(self._class_names)
        if unknown:
            raise ConfigError(
                f"publish.classes: no class {', '.join(map(repr, sorted(unknown)))}; the networks know "
                f"{', '.join(self._class_names)}"
            )
        wanted = {name for name in _TOPICS if getattr(config, name)}
        if not vision.available:
            wanted.discard("detections")
        with self._lock:
            self._chosen = frozenset(config.class_names)
            for name in wanted - self._open.keys():
                message_type, make = _TOPICS[name]
                self._open[name] = self._node.create_publisher(message_type, f"~/{name}", LATCHED), make()
            for name in self._open.keys() - wanted:
                self._node.destroy_publisher(self._open.pop(name)[0])
            self._offer_label_info("detections" in wanted)

    def close(self) -> None:
        nothing: dict[str, Any] = dict.fromkeys(_TOPICS, False)
        self.enable(TopicsConfig(**nothing))

    def publish(self, header: Header, result: StepResult) -> None:
        """All outputs of one update, stamped with the header of the cloud it was made from."""
        with self._lock:
            result = self._choose(result)
            for publisher, to_msg in (self._open[name] for name in _TOPICS if name in self._open):
                publisher.publish(to_msg(header, result))

    def _choose(self, result: StepResult) -> StepResult:
        """The update as if objects of other classes had not been found: their voxels belong to none."""
        instances = tuple(i for i in result.instances if not self._chosen or i.class_name in self._chosen)
        before, self._shown = self._shown, frozenset(int(i.id) for i in instances)
        if len(instances) == len(result.instances):
            return result
        told_of = before | self._shown
        events = tuple(e for e in result.events if not told_of.isdisjoint((e.id, *e.other_ids)))
        instance_id = np.where(np.isin(result.instance_id, list(self._shown)), result.instance_id, -1)
        known = tuple(replace(k, told=k.told and k.id in self._shown) for k in result.memory.known)
        memory = replace(result.memory, known=known)
        return replace(result, memory=memory, events=events, instance_id=instance_id.astype(np.int32))

    def _offer_label_info(self, wanted: bool) -> None:
        if wanted and self._label_info is None:
            self._label_info = self._node.create_publisher(vision.LabelInfo, "~/label_info", LATCHED)
            stamp = self._node.get_clock().now().to_msg()
            self._label_info.publish(vision.to_label_info(Header(stamp=stamp), self._class_names))
        elif not wanted and self._label_info is not None:
            self._node.destroy_publisher(self._label_info)
            self._label_info = None
