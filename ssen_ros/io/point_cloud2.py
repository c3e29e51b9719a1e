"""Reads a sensor_msgs/PointCloud2, whoever deserialized it: rclpy, or a reader of recordings without ROS.

The layout: sensor_msgs/msg/PointCloud2 and PointField (ros2/common_interfaces), colours packed as by PCL.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np

from ssen_ros.errors import CloudError, SsenError
from ssen_ros.io.colors import CHANNEL_NAMES, PACKED_NAMES, color_bytes, holds_numbers, unpacked
from ssen_ros.labels import NO_COLOR

CLOUD_TYPE = "sensor_msgs/msg/PointCloud2"
Message = Any  # has the attributes of one

DATATYPES = {  # PointField.datatype -> (its name, numpy's name without the byte order)
    1: ("INT8", "i1"),
    2: ("UINT8", "u1"),
    3: ("INT16", "i2"),
    4: ("UINT16", "u2"),
    5: ("INT32", "i4"),
    6: ("UINT32", "u4"),
    7: ("FLOAT32", "f4"),
    8: ("FLOAT64", "f8"),
}
DATATYPE_OF = {numpy_name: datatype for datatype, (_, numpy_name) in DATATYPES.items()}


def from_msg(msg: Message) -> tuple[np.ndarray, np.ndarray, bool]:
    """Points and colours of a cloud, as views of the message where its layout allows.

    Accepts x, y, z as FLOAT32 or FLOAT64 anywhere in the point; colour as packed `rgb` or `rgba`
    (any 4-byte type), as separate `r`, `g`, `b` or `red`, `green`, `blue` in any encoding of
    `ssen_ros.io.colors`, or none; padding, either byte order, organised clouds, also those whose `row_step`
    is wrong but whose data are just their points. Points with a NaN or an infinity are dropped whatever
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

    def __init__(self, msg: Message):
        self.fields = {field.name: field for field in reversed(msg.fields)}  # the first of a name counts
        self._msg = msg
        self._order = ">" if msg.is_bigendian else "<"
        row = msg.width * msg.point_step
        # A row_step of 0, or of the whole cloud as ROS's own resize leaves it: RViz shows such clouds.
        packed = msg.height * row
        is_packed = len(msg.data) == packed or (msg.row_step < row and len(msg.data) > packed)
        self._row_step = row if is_packed or msg.height == 1 else msg.row_step
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

    def dtype(self, name: str, allowed: tuple[str, ...], count: int = 1) -> np.dtype:
        """The numpy type of a field of `count` values; one of `allowed`, and inside the point."""
        field = self.fields[name]
        type_name, numpy_name = DATATYPES.get(field.datatype, ("unknown", ""))
        if numpy_name not in allowed:
            expected = " or ".join(DATATYPES[DATATYPE_OF[numpy]][0] for numpy in allowed)
            raise CloudError(
                f"field {name!r} has datatype {field.datatype} ({type_name}): expected {expected}; "
                "convert it in the publisher"
            )
        dtype = np.dtype(self._order + numpy_name)
        if field.offset + count * dtype.itemsize > self._msg.point_step:
            last = field.offset + count * dtype.itemsize - 1
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

    def gather(self, names: Sequence[str], allowed: tuple[str, ...]) -> np.ndarray:
        """(N, len(names)) of these fields; a view where they share type and spacing."""
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
    for name in PACKED_NAMES:
        if name in columns.fields:
            if columns.fields[name].count == 3:  # not packed: three values
                dtype = columns.dtype(name, tuple(DATATYPE_OF), 3)
                offset = columns.fields[name].offset
                return color_bytes(columns.view(offset, dtype, 3, dtype.itemsize), (name,))
            dtype = columns.dtype(name, ("f4", "u4", "i4"))
            if dtype.kind == "f":
                values = columns.view(columns.fields[name].offset, dtype)[:, 0]
                if holds_numbers(values):
                    return unpacked(values, name)
            # 0xAARRGGBB in the cloud's byte order, whatever type carries the four bytes.
            red, towards_blue = (1, 1) if dtype.byteorder == ">" else (2, -1)
            return columns.view(columns.fields[name].offset + red, np.dtype(np.uint8), 3, towards_blue)
    for names in CHANNEL_NAMES:
        if all(name in columns.fields for name in names):
            colors = columns.gather(names, tuple(DATATYPE_OF))
            return colors if colors.dtype == np.uint8 else color_bytes(colors, names)
    return None


def read_column(cloud: Message, name: str) -> np.ndarray:
    """(N,) view of one 32-bit field of a cloud that a `CloudWriter` wrote."""
    if cloud.width * cloud.height == 0:
        return np.empty(0, np.int32)
    columns = _Columns(cloud)
    if name not in columns.fields:
        raise SsenError(f"the cloud's fields are {', '.join(columns.fields)}; expected a field {name!r}")
    return columns.view(columns.fields[name].offset, columns.dtype(name, ("i4", "u4", "f4")))[:, 0]
