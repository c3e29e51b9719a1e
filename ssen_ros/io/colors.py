"""One rule for colours, whatever file or message they come from.

- Integers up to 255 are bytes; if one is larger, all are of 16 bits.
- Floats up to 1 are shares; if one is larger, all are bytes; if one is larger than 255, all are of 16 bits.
  What rounding has put a hair above 1 or 255 does not count as larger.
- A colour that is not finite is grey, and what lies below 0 is taken as 0; both are counted in a warning.
- Four bytes in one number are 0xAARRGGBB, be it an integer, a float of these bits (PCL), or a float of that
  value, as text files of other tools have it.
"""

import logging
from collections.abc import Sequence

import numpy as np

from ssen_ros.errors import CloudError
from ssen_ros.labels import NO_COLOR

log = logging.getLogger(__name__)

# What the three channels, or the one that holds all of them, may be called; in lower case.
CHANNEL_NAMES = (
    ("red", "green", "blue"),
    ("r", "g", "b"),
    ("diffuse_red", "diffuse_green", "diffuse_blue"),
    ("rgb[0]", "rgb[1]", "rgb[2]"),  # a PCD field of COUNT 3
)
PACKED_NAMES = ("rgb", "rgba")

# The largest value of each encoding, and from where on a value cannot belong to it.
_SHARE_END, _BYTE_END, _WORD_END = 2.0, 256, 65536
_PROBES = 1000  # points that tell at once, of most clouds, that their floats are bits


def color_bytes(colors: np.ndarray, names: Sequence[str] = ("colors",)) -> np.ndarray:
    """(N, 3) uint8 RGB of (N, 3) numbers.

    `names` of the fields stand in messages. Raises CloudError where they are no numbers, or beyond 16 bits.
    """
    if colors.dtype == np.uint8:
        return np.ascontiguousarray(colors)
    if colors.dtype == np.int8:  # bytes, read as signed
        return np.ascontiguousarray(colors).view(np.uint8)
    where = ", ".join(names)
    if colors.dtype.kind not in "iuf":
        raise CloudError(f"{where}: colours of type {colors.dtype}; expected numbers; convert them")
    is_float = colors.dtype.kind == "f"
    if colors.dtype.itemsize < 4:
        colors = colors.astype(np.float32 if is_float else np.int32)  # limits and sums fit
    known = np.isfinite(colors) if is_float else np.ones(colors.shape, bool)
    largest = colors.max(initial=0, where=known)
    if largest >= _WORD_END:
        row = int(np.flatnonzero((known & (colors >= _WORD_END)).any(axis=1))[0])
        raise CloudError(
            f"{where}: point {row} has the colour {_told(colors[row])}; expected floats up to 1, or numbers "
            "up to 255 or 65535; scale the colours"
        )
    if is_float and largest < _SHARE_END:
        unit = 255.0
    else:
        unit = 1.0 if largest < _BYTE_END else 1 / 257
    values = np.where(known, colors, 0).astype(np.float64) * unit
    grey = ~known.all(axis=1)
    low, high = (values < -0.5).any(axis=1), (values > 255.5).any(axis=1)
    result = np.rint(np.clip(values, 0.0, 255.0)).astype(np.uint8)
    result[grey] = NO_COLOR
    if grey.any() or low.any() or high.any():
        first = int(np.flatnonzero(grey | low | high)[0])
        log.warning(
            "%s: of %d colours %d are not finite and taken as grey, %d are out of range and clipped; the "
            "first is that of point %d, %s",
            where, len(colors), grey.sum(), ((low | high) & ~grey).sum(), first, _told(colors[first]),
        )  # fmt: skip
    return result


def holds_numbers(values: np.ndarray) -> bool:
    """Whether packed colours kept as floats, (N,), are numbers by value, not bits of a float.

    Bits without alpha are below 1e-37 as a float, with full alpha they are negative or NaN: whole numbers
    from 1 are neither.
    """
    limit = 1 << (24 if values.dtype.itemsize <= 4 else 32)  # float32 holds no larger ones exactly
    return all(
        bool(_are_whole(part, limit)) for part in (values[:: 1 + len(values) // _PROBES], values)
    ) and bool((values >= 1).any())


def unpacked(values: np.ndarray, name: str = "rgb") -> np.ndarray:
    """(N, 3) uint8 RGB of packed colours (N,), of any type; `name` of the field stands in messages."""
    lost = np.zeros(len(values), bool)
    if values.dtype.kind != "f":
        bits = values.astype(np.uint32)
    elif holds_numbers(values):
        lost = ~np.isfinite(values)
        bits = np.where(lost, 0, values).astype(np.uint32)
    else:
        with np.errstate(over="ignore", invalid="ignore"):
            bits = values.astype(np.float32).view(np.uint32)
        if values.dtype.itemsize == 8:  # of a text: the bits of a NaN are lost
            lost = ~np.isfinite(values)
    colors = np.stack([(bits >> shift) & 255 for shift in (16, 8, 0)], axis=1).astype(np.uint8)
    if lost.any():
        colors[lost] = NO_COLOR
        log.warning("%s: %d of %d colours are not finite and taken as grey", name, lost.sum(), len(lost))
    return colors


def _are_whole(values: np.ndarray, limit: int) -> bool:
    finite = values[np.isfinite(values)]
    return bool(((finite >= 0) & (finite < limit) & (finite == np.rint(finite))).all())


def _told(color: np.ndarray) -> str:
    return f"({', '.join(f'{value:.7g}' for value in color.tolist())})"
