"""Between numpy and ROS messages; how a PointCloud2 is read stands in ssen_ros/io/point_cloud2.py."""

import array
import math
from collections.abc import Iterable
from dataclasses import fields
from typing import Any

import numpy as np
from builtin_interfaces.msg import Time
from geometry_msgs.msg import Point, Pose, Quaternion, Vector3
from sensor_msgs.msg import PointCloud2, PointField
from std_msgs.msg import Header

from ssen_ros.io.colors import unpacked
from ssen_ros.io.point_cloud2 import DATATYPE_OF, from_msg, read_column
from ssen_ros.labelled_map import LabelledMap, thing_rows
from ssen_ros.labels import LABEL_NAMES
from ssen_ros.msg import Instance as InstanceMsg
from ssen_ros.msg import InstanceArray, InstanceEvent
from ssen_ros.stamps import SECOND_NS, ns_from_time
from ssen_ros.structures import Box, Event, Instance, StepResult

_FACTS: dict[str, Any] = {field.name: field.type for field in fields(Instance)}
_STATES = {"active": InstanceMsg.ACTIVE, "missing": InstanceMsg.MISSING}
_STATE_OF = {number: state for state, number in _STATES.items()}
_EVENT_KINDS = {
    "created": InstanceEvent.CREATED,
    "merged": InstanceEvent.MERGED,
    "split": InstanceEvent.SPLIT,
    "retired": InstanceEvent.RETIRED,
}
_EVENT_KIND_OF = {number: kind for kind, number in _EVENT_KINDS.items()}


class CloudWriter:
    """Builds the clouds of one publisher, reusing one buffer.

    The message's `data` *is* that buffer, so a message is valid until the next `write`. Publishing
    in rclpy copies the message before it returns, so one writer per publisher is safe; whoever
    keeps a message longer must copy it.
    """

    def __init__(self, **extra_fields: str):
        """Fields after x, y, z and rgb: `name="numpy type"`, such as `label="u4"`."""
        names = {"x": "f4", "y": "f4", "z": "f4", "rgb": "u4", **extra_fields}
        self._dtype = np.dtype([(name, f"<{kind}") for name, kind in names.items()])
        offsets = np.cumsum([0, *(self._dtype[name].itemsize for name in names)]).tolist()
        self._fields = [_point_field(name, self._dtype[name], at) for name, at in zip(names, offsets)]
        self._extra = tuple(extra_fields)
        self._buffer = array.array("B")

    def write(
        self, header: Header, points: np.ndarray, colors: np.ndarray, **extra: np.ndarray
    ) -> PointCloud2:
        """A dense, unorganised cloud: points (N, 3) m, colors (N, 3) uint8 RGB, extra fields (N,) each."""
        size = len(points) * self._dtype.itemsize
        self._resize(size)
        records = np.frombuffer(self._buffer, self._dtype) if size else np.empty(0, self._dtype)
        for axis, name in enumerate("xyz"):
            records[name] = points[:, axis]
        records["rgb"] = pack_colors(colors)
        for name in self._extra:
            records[name] = extra[name]
        msg = PointCloud2(
            header=header,
            height=1,
            width=len(points),
            fields=self._fields,
            is_bigendian=False,
            point_step=self._dtype.itemsize,
            row_step=size,
            is_dense=True,
        )
        msg._data = self._buffer  # the public setter copies; an array.array is what it would store
        return msg

    def _resize(self, size: int) -> None:
        if size <= len(self._buffer):
            del self._buffer[size:]
        else:
            self._buffer.frombytes(bytes(size - len(self._buffer)))


def _point_field(name: str, kind: np.dtype, offset: int) -> PointField:
    # RViz and PCL read colour from a float32 that carries the packed bytes.
    datatype = PointField.FLOAT32 if name == "rgb" else DATATYPE_OF[kind.str[1:]]
    return PointField(name=name, offset=offset, datatype=datatype, count=1)


def pack_colors(colors: np.ndarray) -> np.ndarray:
    """(N,) uint32 0x00RRGGBB of (N, 3) uint8 RGB."""
    red, green, blue = colors.astype(np.uint32).T
    return red << 16 | green << 8 | blue


def time_from_ns(stamp_ns: int) -> Time:
    seconds, nanoseconds = divmod(stamp_ns, SECOND_NS)
    return Time(sec=seconds, nanosec=nanoseconds)


def to_pose(box: Box) -> Pose:
    """Centre and turn about +Z of a box, in the frame of the map."""
    x, y, z = map(float, box.center)
    turn = Quaternion(z=math.sin(box.yaw / 2), w=math.cos(box.yaw / 2))
    return Pose(position=Point(x=x, y=y, z=z), orientation=turn)


def to_size(box: Box) -> Vector3:
    x, y, z = map(float, box.size)
    return Vector3(x=x, y=y, z=z)


def from_pose_and_size(pose: Pose, size: Vector3) -> Box:
    """The inverse of `to_pose` and `to_size`."""
    turn = 2.0 * math.atan2(pose.orientation.z, pose.orientation.w)
    return Box(center=_xyz(pose.position), size=_xyz(size), yaw=turn % math.pi)


def _xyz(value: Point | Vector3) -> np.ndarray:
    return np.array([value.x, value.y, value.z])


def to_instance_array(header: Header, result: StepResult) -> InstanceArray:
    """All instances and events of one update."""
    return InstanceArray(
        header=header,
        map_version=result.snapshot.version,
        voxel_size=float(result.snapshot.voxel_size),
        instances=to_instance_msgs(result.instances),
        events=_to_events(result.events),
    )


def to_instance_msgs(instances: Iterable[Instance]) -> list[InstanceMsg]:
    return [_to_instance(instance) for instance in instances]


def _to_instance(instance: Instance) -> InstanceMsg:
    """Field by field, under the same name; what a message has no type for is written as it has it."""
    values: dict[str, Any] = {}
    for name, kind in _FACTS.items():
        value = getattr(instance, name)
        if kind is Box:
            values |= {"box_pose": to_pose(value), "box_size": to_size(value)}
        elif kind is np.ndarray:
            values[name] = Point(**dict(zip("xyz", map(float, value))))
        elif name.endswith("_ns"):
            values[name.removesuffix("_ns")] = time_from_ns(int(value))
        else:
            values[name] = _STATES[value] if name == "state" else kind(value)
    return InstanceMsg(**values)


def from_instance_msg(msg: InstanceMsg) -> Instance:
    """One instance of an array, as it was sent."""
    facts: dict[str, Any] = {}
    for name, kind in _FACTS.items():
        if kind is Box:
            facts[name] = from_pose_and_size(msg.box_pose, msg.box_size)
        elif kind is np.ndarray:
            facts[name] = _xyz(getattr(msg, name))
        elif name.endswith("_ns"):
            facts[name] = ns_from_time(getattr(msg, name.removesuffix("_ns")))
        else:
            facts[name] = _STATE_OF[msg.state] if name == "state" else getattr(msg, name)
    return Instance(**facts)


def _to_events(events: Iterable[Event]) -> list[InstanceEvent]:
    return [
        InstanceEvent(
            kind=_EVENT_KINDS[event.kind], id=int(event.id), other_ids=list(map(int, event.other_ids))
        )
        for event in events
    ]


def to_labelled_map(semantic: PointCloud2, instance: PointCloud2, instances: InstanceArray) -> LabelledMap:
    """The labelled map that three messages of one stamp describe.

    Raises:
        SsenError: a cloud lacks a field, or the instance cloud has a point that the semantic cloud has not.
    """
    points = np.ascontiguousarray(from_msg(semantic)[0], dtype=np.float32)
    rows = thing_rows(points, from_msg(instance)[0])
    ids = np.full(len(points), -1, np.int32)
    ids[rows] = read_column(instance, "instance_id")
    embedding_rgb = np.zeros((len(points), 3), np.uint8)
    embedding_rgb[rows] = unpacked(read_column(instance, "embedding_rgb"))
    return LabelledMap(
        points=points,
        colors=unpacked(read_column(semantic, "map_rgb")),
        semantic_label=read_column(semantic, "label").astype(np.int32),
        instance_id=ids,
        confidence=read_column(semantic, "confidence").astype(np.float32),
        instances=tuple(map(from_instance_msg, instances.instances)),
        voxel_size=round(float(instances.voxel_size), 6),  # 0.04 travels as a float32
        version=int(instances.map_version),
        stamp_ns=ns_from_time(instances.header.stamp),
        class_names=LABEL_NAMES,  # of the networks: these, or the first twenty
        frame_id=instances.header.frame_id,
        embedding_rgb=embedding_rgb,
        events=tuple(map(_from_event, instances.events)),
    )


def _from_event(msg: InstanceEvent) -> Event:
    return Event(_EVENT_KIND_OF[msg.kind], msg.id, tuple(msg.other_ids))
