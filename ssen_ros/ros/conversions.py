"""Between numpy and ROS messages; the only module that knows how a PointCloud2 is laid out."""

import array
import math
from collections.abc import Iterable

import numpy as np
from builtin_interfaces.msg import Time
from geometry_msgs.msg import Point, Pose, Quaternion, Vector3
from sensor_msgs.msg import PointCloud2, PointField
from std_msgs.msg import Header

from ssen_ros.errors import CloudError, SsenError
from ssen_ros.labelled_map import InstanceRecord, LabelledMap, spread_ids, voxel_colors
from ssen_ros.labels import NO_COLOR
from ssen_ros.msg import Instance as InstanceMsg
from ssen_ros.msg import InstanceArray, InstanceEvent
from ssen_ros.structures import Box, Event, Instance, StepResult

_DATATYPES = {  # PointField.datatype -> (its name, numpy's name without the byte order)
    PointField.INT8: ("INT8", "i1"),
    PointField.UINT8: ("UINT8", "u1"),
    PointField.INT16: ("INT16", "i2"),
    PointField.UINT16: ("UINT16", "u2"),
    PointField.INT32: ("INT32", "i4"),
    PointField.UINT32: ("UINT32", "u4"),
    PointField.FLOAT32: ("FLOAT32", "f4"),
    PointField.FLOAT64: ("FLOAT64", "f8"),
}
_DATATYPE_OF = {numpy_name: datatype for datatype, (_, numpy_name) in _DATATYPES.items()}

_STATES = {"active": InstanceMsg.ACTIVE, "missing": InstanceMsg.MISSING}
_STATE_OF = {number: state for state, number in _STATES.items()}
_EVENT_KINDS = {
    "created": InstanceEvent.CREATED,
    "merged": InstanceEvent.MERGED,
    "split": InstanceEvent.SPLIT,
    "retired": InstanceEvent.RETIRED,
}


def from_msg(msg: PointCloud2) -> tuple[np.ndarray, np.ndarray, bool]:
    """Points and colours of a cloud, as views of the message where its layout allows.

    Accepts x, y, z as FLOAT32 or FLOAT64 anywhere in the point; colour as packed `rgb` or `rgba`
    (any 4-byte type), as separate `r`, `g`, `b` (UINT8, or FLOAT32 in 0..1), or none; padding,
    either byte order, organised clouds. Points with a NaN or an infinity are dropped whatever
    `is_dense` claims.

    Returns:
        points: (N, 3) float32 or float64, m, frame of the message; read-only
        colors: (N, 3) uint8 RGB; grey where the cloud has none; read-only
        had_color: False where `colors` is made up

    Raises:
        CloudError: the cloud cannot be read, or not one of its points is finite.
    """
    if msg.width * msg.height == 0:
        if len(msg.data) > 0:  # taken as empty it would wipe the map
            raise CloudError(
                f"width * height = {msg.width} * {msg.height} = 0, but data holds {len(msg.data)} bytes: "
                "expected none in an empty cloud; set both in the publisher (height = 1 if unorganised)"
            )
        return np.empty((0, 3), np.float32), np.empty((0, 3), np.uint8), True
    columns = _Columns(msg)
    points = _read_points(columns)
    colors = _read_colors(columns)
    had_color = colors is not None
    if colors is None:
        colors = np.broadcast_to(np.uint8(NO_COLOR), points.shape)
    finite = np.isfinite(points).all(axis=1)
    if not finite.all():
        if not finite.any():
            raise CloudError(
                f"all {len(points)} points have a NaN or infinite x, y or z: expected at least one finite "
                "point; check that depth reaches the mapper (send an empty map as a cloud of width 0)"
            )
        points, colors = points[finite], colors[finite]
    points.flags.writeable = colors.flags.writeable = False
    return points, colors, had_color


class _Columns:
    """The fields of one cloud as numpy views over its bytes; checks the layout once."""

    def __init__(self, msg: PointCloud2):
        self.fields = {field.name: field for field in reversed(msg.fields)}  # the first of a name counts
        self._msg = msg
        self._order = ">" if msg.is_bigendian else "<"
        self._row_step = msg.row_step if msg.height > 1 else msg.width * msg.point_step
        self._check_layout()

    def _check_layout(self) -> None:
        msg = self._msg
        missing = [name for name in "xyz" if name not in self.fields]
        if missing:
            names = ", ".join(field.name for field in msg.fields) or "none"
            raise CloudError(
                f"no field {', '.join(map(repr, missing))} (fields: {names}): expected x, y and z as FLOAT32 "
                "or FLOAT64; publish a cloud of XYZ points"
            )
        if msg.point_step == 0:
            raise CloudError("point_step = 0: expected the bytes of one point; set it in the publisher")
        if self._row_step < msg.width * msg.point_step:
            raise CloudError(
                f"row_step = {msg.row_step}: expected at least width * point_step = {msg.width} * "
                f"{msg.point_step} = {msg.width * msg.point_step} bytes; set it in the publisher"
            )
        promised = (msg.height - 1) * self._row_step + msg.width * msg.point_step
        if len(msg.data) < promised:
            raise CloudError(
                f"data holds {len(msg.data)} bytes: expected {promised} for {msg.height} x {msg.width} "
                f"points of point_step {msg.point_step}; the message was cut short or its sizes are wrong"
            )

    def dtype(self, name: str, allowed: tuple[str, ...]) -> np.dtype:
        """The numpy type of a field, which must be one of `allowed` and lie inside the point."""
        field = self.fields[name]
        type_name, numpy_name = _DATATYPES.get(field.datatype, ("unknown", ""))
        if numpy_name not in allowed:
            expected = " or ".join(_DATATYPES[_DATATYPE_OF[numpy]][0] for numpy in allowed)
            raise CloudError(
                f"field {name!r} has datatype {field.datatype} ({type_name}): expected {expected}; "
                "convert it in the publisher"
            )
        dtype = np.dtype(self._order + numpy_name)
        if field.offset + dtype.itemsize > self._msg.point_step:
            last = field.offset + dtype.itemsize - 1
            raise CloudError(
                f"field {name!r} takes bytes {field.offset} to {last} of a point, but point_step = "
                f"{self._msg.point_step}: expected every field inside the point; correct the offset or "
                "point_step in the publisher"
            )
        return dtype

    def view(self, offset: int, dtype: np.dtype, count: int = 1, stride: int = 0) -> np.ndarray:
        """(N, count): `count` values of every point, the first at byte `offset`, `stride` bytes apart.

        No copy unless the rows of an organised cloud are padded.
        """
        msg = self._msg
        shape = (msg.height, msg.width, count)
        strides = (self._row_step, msg.point_step, stride)
        return np.ndarray(shape, dtype, msg.data, offset, strides).reshape(-1, count)

    def gather(self, names: str, allowed: tuple[str, ...]) -> np.ndarray:
        """(N, len(names)) of fields named by single letters; a view where they share type and spacing."""
        dtypes = [self.dtype(name, allowed) for name in names]
        offsets = [self.fields[name].offset for name in names]
        spacings = {second - first for first, second in zip(offsets, offsets[1:])}
        if len(set(dtypes)) == 1 and len(spacings) == 1:
            return self.view(offsets[0], dtypes[0], len(names), spacings.pop())
        return np.hstack([self.view(offset, dtype) for offset, dtype in zip(offsets, dtypes)])


def _read_points(columns: _Columns) -> np.ndarray:
    points = columns.gather("xyz", ("f4", "f8"))
    return points.astype(points.dtype.newbyteorder("="), copy=False)


def _read_colors(columns: _Columns) -> np.ndarray | None:
    for name in ("rgb", "rgba"):
        if name in columns.fields:
            # 0xAARRGGBB in the cloud's byte order, whatever type carries the four bytes.
            dtype = columns.dtype(name, ("f4", "u4", "i4"))
            red, towards_blue = (1, 1) if dtype.byteorder == ">" else (2, -1)
            return columns.view(columns.fields[name].offset + red, np.dtype(np.uint8), 3, towards_blue)
    if not all(name in columns.fields for name in "rgb"):
        return None
    colors = columns.gather("rgb", ("u1", "f4"))
    if colors.dtype == np.uint8:
        return colors
    return np.rint(np.clip(np.nan_to_num(colors), 0.0, 1.0) * 255.0).astype(np.uint8)


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
        self._fields = [_point_field(name, self._dtype) for name in self._dtype.names]
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
        records["rgb"] = _pack(colors)
        for name in self._dtype.names[4:]:
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


def _point_field(name: str, dtype: np.dtype) -> PointField:
    kind, offset = dtype.fields[name]
    # RViz and PCL read colour from a float32 that carries the packed bytes.
    datatype = PointField.FLOAT32 if name == "rgb" else _DATATYPE_OF[kind.str[1:]]
    return PointField(name=name, offset=offset, datatype=datatype, count=1)


def _pack(colors: np.ndarray) -> np.ndarray:
    """(N,) uint32 0x00RRGGBB of (N, 3) uint8 RGB."""
    red, green, blue = colors.astype(np.uint32).T
    return red << 16 | green << 8 | blue


def time_from_ns(stamp_ns: int) -> Time:
    seconds, nanoseconds = divmod(stamp_ns, 1_000_000_000)
    return Time(sec=seconds, nanosec=nanoseconds)


def ns_from_time(stamp: Time) -> int:
    return stamp.sec * 1_000_000_000 + stamp.nanosec


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
    x, y, z = map(float, instance.centroid)
    return InstanceMsg(
        id=int(instance.id),
        class_id=int(instance.class_id),
        class_name=instance.class_name,
        score=float(instance.score),
        box_pose=to_pose(instance.box),
        box_size=to_size(instance.box),
        centroid=Point(x=x, y=y, z=z),
        voxel_count=instance.voxel_count,
        first_seen=time_from_ns(instance.first_seen_ns),
        last_seen=time_from_ns(instance.last_seen_ns),
        state=_STATES[instance.state],
    )


def from_instance_msg(msg: InstanceMsg) -> InstanceRecord:
    """One instance of an array, as it was sent."""
    return InstanceRecord(
        id=msg.id,
        class_id=msg.class_id,
        class_name=msg.class_name,
        score=msg.score,
        box=from_pose_and_size(msg.box_pose, msg.box_size),
        centroid=_xyz(msg.centroid),
        voxel_count=msg.voxel_count,
        first_seen_ns=ns_from_time(msg.first_seen),
        last_seen_ns=ns_from_time(msg.last_seen),
        state=_STATE_OF[msg.state],
    )


def _to_events(events: Iterable[Event]) -> list[InstanceEvent]:
    return [
        InstanceEvent(
            kind=_EVENT_KINDS[event.kind], id=int(event.id), other_ids=list(map(int, event.other_ids))
        )
        for event in events
    ]


def to_labelled_map(
    cloud: PointCloud2, semantic: PointCloud2, instance: PointCloud2, instances: InstanceArray
) -> LabelledMap:
    """The labelled map that four messages of one stamp describe.

    Colours come from the SLAM's own cloud: the node's clouds carry the colours of classes and ids.

    Raises:
        SsenError: a cloud lacks a field, or the instance cloud has a point that the semantic cloud has not.
    """
    points = np.ascontiguousarray(from_msg(semantic)[0], dtype=np.float32)
    thing_points, _, _ = from_msg(instance)
    map_points, map_colors, _ = from_msg(cloud)
    voxel_size = round(float(instances.voxel_size), 6)  # 0.04 travels as a float32
    return LabelledMap(
        points=points,
        colors=voxel_colors(points, map_points, map_colors, voxel_size),
        semantic_label=_read_column(semantic, "label").astype(np.int32),
        instance_id=spread_ids(points, thing_points, _read_column(instance, "instance_id")),
        confidence=_read_column(semantic, "confidence").astype(np.float32),
        instances=tuple(map(from_instance_msg, instances.instances)),
        voxel_size=voxel_size,
        version=int(instances.map_version),
        stamp_ns=ns_from_time(instances.header.stamp),
    )


def _read_column(cloud: PointCloud2, name: str) -> np.ndarray:
    """(N,) view of one 32-bit field of a cloud that a `CloudWriter` wrote."""
    if cloud.width * cloud.height == 0:
        return np.empty(0, np.int32)
    columns = _Columns(cloud)
    if name not in columns.fields:
        raise SsenError(f"the cloud's fields are {', '.join(columns.fields)}; expected a field {name!r}")
    return columns.view(columns.fields[name].offset, columns.dtype(name, ("i4", "u4", "f4")))[:, 0]
