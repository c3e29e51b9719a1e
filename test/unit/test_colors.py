"""One rule for the colours of files and messages, and what it says of those that it has to bend."""

import logging

import numpy as np
import pytest

from ssen_ros.errors import CloudError
from ssen_ros.io.colors import color_bytes, holds_numbers, unpacked
from ssen_ros.labels import NO_COLOR

COLORS = np.array([[255, 0, 7], [1, 128, 64], [90, 200, 33]], np.uint8)


@pytest.mark.parametrize(
    "stored",
    [
        COLORS,
        *(COLORS.astype(kind) for kind in ("i2", "u2", "i4", "u4", "i8", "f2", "f4", "f8")),
        *((COLORS / 255.0).astype(kind) for kind in ("f4", "f8")),
        *((COLORS * 257.0).astype(kind) for kind in ("u2", "i4", "f4", "f8")),
        COLORS.view(np.int8),
        COLORS.astype(">u2"),
        COLORS[::-1].astype("f4")[::-1],
    ],
    ids=lambda stored: f"{stored.dtype.str} to {stored.max():g}",
)
def test_every_encoding_is_the_same_colour(stored, caplog):
    np.testing.assert_array_equal(color_bytes(stored), COLORS)
    assert not caplog.records


def test_a_hair_above_the_end_is_the_end(caplog):
    np.testing.assert_array_equal(color_bytes(np.array([[1.0000001, 0.5, -1e-9]])), [[255, 128, 0]])
    np.testing.assert_array_equal(color_bytes(np.array([[255.0001, 128, 7]])), [[255, 128, 7]])
    assert not caplog.records


def test_what_is_bent_is_counted(caplog):
    colors = np.array([[0.5, 0.5, 0.5], [np.nan, 0.1, 0.1], [1.2, 0.0, -0.3], [np.inf, 0, 0]])
    with caplog.at_level(logging.WARNING):
        np.testing.assert_array_equal(
            color_bytes(colors, ("red", "green", "blue")),
            [[128] * 3, [NO_COLOR] * 3, [255, 0, 0], [NO_COLOR] * 3],
        )
    assert "red, green, blue: of 4 colours 2 are not finite and taken as grey, 1 are out" in caplog.text
    assert "point 1, (nan, 0.1, 0.1)" in caplog.text


def test_what_is_no_colour_is_refused_with_its_row():
    with pytest.raises(CloudError, match=r"r, g, b: point 1 has the colour \(70000, 0, 0\)"):
        color_bytes(np.array([[1, 2, 3], [70000, 0, 0]]), ("r", "g", "b"))
    with pytest.raises(CloudError, match="colours of type"):
        color_bytes(np.array([["a", "b", "c"]]))


def packed(colors, alpha=0):
    return colors.astype(np.uint32) @ np.array([1 << 16, 1 << 8, 1], np.uint32) | np.uint32(alpha << 24)


@pytest.mark.parametrize("alpha", [0, 255])
@pytest.mark.parametrize(
    "carry",
    [
        lambda bits: bits,
        lambda bits: bits.view(np.int32),
        lambda bits: bits.astype(np.int64),
        lambda bits: bits.view(np.float32),
        lambda bits: bits.astype(np.float64),
    ],
    ids=["uint32", "int32", "int64", "bits of a float", "value of a double"],
)
def test_packed_colours_in_whatever_carries_them(carry, alpha):
    np.testing.assert_array_equal(unpacked(carry(packed(COLORS, alpha))), COLORS)


def test_whole_floats_are_numbers_and_bits_are_not():
    bits = packed(COLORS)
    assert holds_numbers(bits.astype(np.float32)) and not holds_numbers(bits.view(np.float32))
    assert not holds_numbers(packed(COLORS, 255).view(np.float32)) and not holds_numbers(
        np.zeros(3, np.float32)
    )
    np.testing.assert_array_equal(unpacked(bits.astype(np.float32)), COLORS)


def test_lost_packed_colours_are_grey_and_counted(caplog):
    values = np.append(packed(COLORS).astype(np.float64), np.nan)
    np.testing.assert_array_equal(unpacked(values), [*COLORS, [NO_COLOR] * 3])
    assert "1 of 4 colours" in caplog.text
