"""PointCloud2 to arrays and back, over the layouts that publishers really send."""

import array
import importlib.util

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sensor_msgs.msg import PointCloud2, PointField
from std_msgs.msg import Header

from ssen_ros.errors import CloudError
from ssen_ros.io.point_cloud2 import DATATYPES
from ssen_ros.labels import NO_COLOR
from ssen_ros.ros.conversions import CloudWriter, from_msg, time_from_ns
from ssen_ros.stamps import ns_from_time

DATATYPE = {"u1": 2, "i4": 5, "u4": 6, "f4": 7, "f8": 8}
COLOR_STYLES = ("rgb_f4", "rgb_u4", "rgba_u4", "r_g_b_u1", "b_g_r_u1", "r_g_b_f4", "scattered_u1", "none")


def encode(
    points, colors, style="rgb_f4", kind="f4", gaps=(0, 0, 0, 0), height=1, row_gap=0, big_endian=False
):
    """A PointCloud2 written field by field, plainly; `gaps` are bytes before x, y, z and the colour."""
    order = ">" if big_endian else "<"
    columns = [("x", kind, points[:, 0]), ("y", kind, points[:, 1]), ("z", kind, points[:, 2])]
    red, green, blue = colors.T.astype(np.uint32)
    packed = 0xFF000000 | red << 16 | green << 8 | blue
    columns += {
        "rgb_f4": [("rgb", "f4", packed.astype(np.uint32).view("f4"))],
        "rgb_u4": [("rgb", "u4", packed)],
        "rgba_u4": [("rgba", "u4", packed)],
        "r_g_b_u1": [("r", "u1", red), ("g", "u1", green), ("b", "u1", blue)],
        "b_g_r_u1": [("b", "u1", blue), ("g", "u1", green), ("r", "u1", red)],
        "r_g_b_f4": [("r", "f4", red / 255), ("g", "f4", green / 255), ("b", "f4", blue / 255)],
        "scattered_u1": [("r", "u1", red), ("b", "u1", blue), ("g", "u1", green)],
        "none": [],
    }[style]
    offset, fields, dtype = 0, [], {"names": [], "formats": [], "offsets": []}
    for k, (name, column_kind, _) in enumerate(columns):
        offset += gaps[min(k, 3)]
        fields.append(PointField(name=name, offset=offset, datatype=DATATYPE[column_kind], count=1))
        dtype["names"].append(name)
        dtype["formats"].append(order + column_kind)
        dtype["offsets"].append(offset)
        offset += np.dtype(column_kind).itemsize
    step = offset + gaps[0]
    records = np.zeros(len(points), np.dtype({**dtype, "itemsize": step}))
    for name, _, values in columns:
        records[name] = values
    width = len(points) // height
    row = width * step
    rows = [records[k * width : (k + 1) * width].tobytes() + b"\xee" * row_gap for k in range(height)]
    return PointCloud2(
        header=Header(frame_id="map"),
        height=height,
        width=width,
        fields=fields,
        is_bigendian=big_endian,
        point_step=step,
        row_step=row + row_gap,
        data=array.array("B", b"".join(rows)),
        is_dense=True,
    )


def some_cloud(count, seed=0):
    rng = np.random.default_rng(seed)
    return rng.normal(scale=5, size=(count, 3)).astype(np.float32), rng.integers(0, 256, (count, 3), np.uint8)


@settings(deadline=None, max_examples=150)
@given(
    style=st.sampled_from(COLOR_STYLES),
    kind=st.sampled_from(["f4", "f8"]),
    gaps=st.tuples(*[st.integers(0, 9)] * 4),
    height=st.integers(1, 4),
    width=st.integers(1, 8),
    row_gap=st.integers(0, 7),
    big_endian=st.booleans(),
    bad=st.sets(st.integers(1, 31)),
    value=st.sampled_from([np.nan, np.inf, -np.inf]),
    axis=st.integers(0, 2),
)
def test_any_layout_gives_back_what_was_put_in(
    style, kind, gaps, height, width, row_gap, big_endian, bad, value, axis
):
    points, colors = some_cloud(height * width)
    dropped = np.array([k for k in bad if k < len(points)], dtype=int)
    points[dropped, axis] = value
    keep = np.isfinite(points).all(axis=1)
    got_points, got_colors, had_color = from_msg(
        encode(points, colors, style, kind, gaps, height, row_gap, big_endian)
    )
    assert got_points.dtype == np.dtype(kind) and got_colors.dtype == np.uint8
    assert had_color == (style != "none")
    np.testing.assert_array_equal(got_points, points[keep].astype(kind))
    np.testing.assert_array_equal(
        got_colors, colors[keep] if had_color else np.full((keep.sum(), 3), NO_COLOR)
    )


def test_the_usual_layout_is_read_without_a_copy():
    msg = encode(*some_cloud(1000))
    points, colors, _ = from_msg(msg)
    memory = np.frombuffer(msg.data, np.uint8)
    assert np.shares_memory(points, memory) and np.shares_memory(colors, memory)
    assert not points.flags.writeable and not colors.flags.writeable


@pytest.mark.parametrize("fields", [True, False])
def test_an_empty_cloud_is_no_error(fields):
    msg = encode(*some_cloud(1))
    msg.width, msg.data = 0, array.array("B")
    if not fields:  # as a default-constructed pcl cloud is sent
        msg.fields, msg.point_step = [], 0
    points, colors, had_color = from_msg(msg)
    assert points.shape == colors.shape == (0, 3) and had_color


def organise(msg, **values):
    for key, value in values.items():
        setattr(msg, key, value)


def set_field(msg, name, **values):
    for field in msg.fields:
        if field.name == name:
            for key, value in values.items():
                setattr(field, key, value)


@pytest.mark.parametrize(
    "spoil, words",
    [
        (lambda m: setattr(m, "fields", m.fields[1:]), ["'x'", "fields: y, z, rgb", "publish"]),
        (lambda m: setattr(m, "fields", []), ["'x', 'y', 'z'", "fields: none"]),
        (lambda m: set_field(m, "y", datatype=42), ["'y'", "42", "unknown", "FLOAT32 or FLOAT64", "convert"]),
        (lambda m: set_field(m, "y", datatype=PointField.INT16), ["'y'", "INT16", "FLOAT32 or FLOAT64"]),
        (lambda m: set_field(m, "z", offset=14), ["'z'", "14 to 17", "point_step = 16", "correct"]),
        (lambda m: set_field(m, "rgb", offset=13), ["'rgb'", "13 to 16", "point_step = 16"]),
        (lambda m: set_field(m, "rgb", datatype=PointField.FLOAT64), ["'rgb'", "FLOAT64", "UINT32"]),
        (lambda m: setattr(m, "point_step", 0), ["point_step = 0", "set it"]),
        (lambda m: setattr(m, "point_step", 11), ["'z'", "point_step = 11"]),
        (lambda m: setattr(m, "data", m.data[:-1]), ["data holds 159 bytes", "expected 160", "cut short"]),
        (lambda m: setattr(m, "width", 11), ["data holds 160", "expected 176"]),
        (lambda m: organise(m, height=3, width=5, row_step=79), ["row_step = 79", "80"]),
        (lambda m: setattr(m, "height", 0), ["10 * 0 = 0", "data holds 160 bytes", "height = 1"]),
        (lambda m: setattr(m, "width", 0), ["0 * 1 = 0", "data holds 160 bytes"]),
    ],
)  # fmt: skip
def test_a_wrong_cloud_is_refused_with_field_value_and_remedy(spoil, words):
    msg = encode(*some_cloud(10))
    spoil(msg)
    with pytest.raises(CloudError) as caught:
        from_msg(msg)
    assert all(word in str(caught.value) for word in words), str(caught.value)


def test_a_cloud_of_nan_only_is_refused():
    points, colors = some_cloud(7)
    with pytest.raises(CloudError, match="all 7 points"):
        from_msg(encode(np.full_like(points, np.nan), colors))


@settings(deadline=None, max_examples=40)
@given(sizes=st.lists(st.integers(0, 50), min_size=1, max_size=5))
def test_a_writer_reuses_its_buffer_and_each_message_is_right(sizes):
    writer = CloudWriter(label="u4", instance_id="i4", confidence="f4")
    for seed, size in enumerate(sizes):
        points, colors = some_cloud(size, seed)
        ids = np.arange(size) - 1
        msg = writer.write(
            Header(frame_id="map"), points, colors, label=ids + 1, instance_id=ids, confidence=points[:, 0]
        )
        assert (msg.width, msg.height, msg.point_step, len(msg.data)) == (size, 1, 28, 28 * size)
        got_points, got_colors, had_color = from_msg(msg)
        np.testing.assert_array_equal(got_points, points)
        np.testing.assert_array_equal(got_colors, colors)
        assert had_color
        offset = {field.name: (field.offset, field.datatype) for field in msg.fields}
        assert offset["label"] == (16, PointField.UINT32) and offset["rgb"] == (12, PointField.FLOAT32)
        got_ids = (
            np.ndarray((size,), "<i4", bytes(msg.data), offset["instance_id"][0], (28,)) if size else ids
        )
        np.testing.assert_array_equal(got_ids, ids)


def test_the_messages_data_is_the_writers_buffer():
    writer = CloudWriter()
    first = writer.write(Header(), *some_cloud(10))
    second = writer.write(Header(), *some_cloud(10, seed=1))
    assert first.data is second.data


@pytest.mark.skipif(
    importlib.util.find_spec("sensor_msgs_py") is None,
    reason="sensor_msgs_py is not installed (it comes with a ROS distribution, not from PyPI)",
)
def test_equal_to_sensor_msgs_py():
    from sensor_msgs_py import point_cloud2

    points, colors = some_cloud(100)
    for kind in ("f4", "f8"):
        msg = encode(points, colors, "rgb_f4", kind, gaps=(4, 0, 3, 2), height=5, row_gap=6)
        theirs = point_cloud2.read_points(msg, field_names=["x", "y", "z"])
        got, _, _ = from_msg(msg)
        for axis, name in enumerate("xyz"):
            np.testing.assert_array_equal(got[:, axis], theirs[name].ravel())
    ours = CloudWriter(label="u4").write(Header(frame_id="map"), points, colors, label=np.arange(100))
    theirs = point_cloud2.create_cloud(ours.header, ours.fields, point_cloud2.read_points(ours))
    assert bytes(theirs.data) == bytes(ours.data)


@given(st.integers(0, 2**31 * 10**9 - 1))
def test_stamps_survive_to_the_nanosecond(stamp_ns):
    assert ns_from_time(time_from_ns(stamp_ns)) == stamp_ns


def test_the_numbers_of_the_datatypes_are_those_of_the_message():
    assert {name: number for number, (name, _) in DATATYPES.items()} == {
        name: getattr(PointField, name) for name, _ in DATATYPES.values()
    }
