"""Clouds as publishers send them, with the slips that RViz forgives; without ROS."""

from types import SimpleNamespace

import numpy as np
import pytest

from ssen_ros.errors import CloudError
from ssen_ros.io.point_cloud2 import DATATYPE_OF, from_msg

COLORS = np.random.default_rng(0).integers(0, 256, (60, 3)).astype(np.uint8)
COLORS[0] = 255
POINTS = np.random.default_rng(1).random((60, 3), np.float32)


def message(dtype, columns, **other):
    rows = np.zeros(len(POINTS), np.dtype(dtype, align=False))
    for axis, name in enumerate("xyz"):
        rows[name] = POINTS[:, axis]
    for name, column in columns.items():
        rows[name] = column
    fields = [
        SimpleNamespace(
            name=name, offset=offset, datatype=DATATYPE_OF[kind.base.str[1:]], count=int(np.prod(kind.shape))
        )
        for name, (kind, offset) in rows.dtype.fields.items()
    ]
    values = dict(
        width=len(rows), height=1, fields=fields, is_bigendian=False, point_step=rows.dtype.itemsize,
        row_step=rows.nbytes, data=rows.tobytes(), is_dense=True,
    )  # fmt: skip
    return SimpleNamespace(**(values | other))


XYZ = [(name, "<f4") for name in "xyz"]


@pytest.mark.parametrize("names", [("r", "g", "b"), ("red", "green", "blue")])
@pytest.mark.parametrize(
    ("kind", "factor"),
    [("u1", 1), ("<u2", 1), ("<u2", 257), ("<i4", 1), ("<u4", 257), ("<f4", 1 / 255), ("<f4", 1), ("<f8", 1)],
)
def test_colours_in_fields_of_any_type(names, kind, factor):
    columns = {name: COLORS[:, i].astype(np.float64) * factor for i, name in enumerate(names)}
    msg = message([*XYZ, *((name, kind) for name in names)], columns)
    np.testing.assert_array_equal(from_msg(msg)[1], COLORS)


def test_three_values_in_one_field():
    np.testing.assert_array_equal(from_msg(message([*XYZ, ("rgb", "<f4", 3)], {"rgb": COLORS}))[1], COLORS)


@pytest.mark.parametrize("kind", ["<f4", "<u4", "<i4"])
def test_packed_colours_by_value(kind):
    packed = COLORS.astype(np.uint32) @ np.array([1 << 16, 1 << 8, 1], np.uint32)
    np.testing.assert_array_equal(from_msg(message([*XYZ, ("rgb", kind)], {"rgb": packed}))[1], COLORS)


@pytest.mark.parametrize("row_step", [0, 12, 60 * 12, 10 * 12 + 8])
def test_an_organised_cloud_with_a_wrong_row_step_is_packed(row_step):
    msg = message(XYZ, {}, height=6, width=10, row_step=row_step)
    np.testing.assert_array_equal(from_msg(msg)[0], POINTS)


@pytest.mark.parametrize("row_step", [0, 128, 60 * 12])
def test_data_that_are_cut_short_are_refused(row_step):
    msg = message(XYZ, {}, height=6, width=10, row_step=row_step)
    msg.data = msg.data[:-12]
    with pytest.raises(CloudError, match="row_step|cut short"):
        from_msg(msg)
