"""Named columns of numbers, as PLY and PCD files hold them, behind a header of lines."""

import io
import re
import warnings
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from typing import BinaryIO

import numpy as np

from ssen_ros.errors import CloudError
from ssen_ros.io.colors import PACKED_NAMES

_MAX_HEADER_LINES = 10_000
# "-nan(ind)", "1.#QNAN", "-1.#IND00", "1.#INF": what is no number to C libraries; others write a word.
_NO_NUMBER = re.compile(r"[+-]?(nan\(.*\)|[sq]?nan\w*|1\.#\w+|#?n/?a|null|none)", re.IGNORECASE)


def header_lines(stream: BinaryIO, end: str) -> list[list[str]]:
    """The words of each header line up to and including the one that starts with `end`, in any case.

    Raises ValueError where there is none.
    """
    lines = []
    for raw in islice(iter(stream.readline, b""), _MAX_HEADER_LINES):
        words = raw.removeprefix(b"\xef\xbb\xbf").decode("ascii", errors="replace").split()
        lines.append(words)
        if words and words[0].lower() == end.lower():
            return lines
    raise ValueError(f"no {end} line in its header")


def binary_columns(stream: BinaryIO, count: int, fields: Sequence[tuple]) -> dict[str, np.ndarray]:
    """The columns of `count` rows of bytes; `fields` as numpy.dtype takes them.

    Raises ValueError where there are fewer.
    """
    dtype = np.dtype(list(fields))
    here = stream.tell()
    held = stream.seek(0, io.SEEK_END) - here
    stream.seek(here)
    data = stream.read(min(held, count * dtype.itemsize))
    if len(data) < count * dtype.itemsize:
        raise ValueError(f"it promises {count} points of {dtype.itemsize} bytes but holds {len(data)} bytes")
    rows = np.frombuffer(data, dtype)
    return {name: rows[name] for name in dtype.names or ()}


def ascii_rows(stream: BinaryIO) -> Iterator[str]:
    """The lines of a text that hold something, without comments."""
    for line in stream:
        text = line.decode("utf-8", errors="replace").strip()
        if text and not text.startswith("#"):
            yield text


def ascii_columns(
    lines: Iterable[str], count: int, fields: Sequence[tuple[str, str]]
) -> dict[str, np.ndarray]:
    """{name: (count,) array} of the next `count` lines; `fields` are (name, numpy type).

    Raises ValueError where there are fewer lines, or one has too few numbers or something else in it.
    """
    if count == 0:
        return {name: np.empty(0, kind) for name, kind in fields}
    rows = list(islice(lines, count))
    if len(rows) < count:
        raise ValueError(f"it promises {count} rows but holds {len(rows)}")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            table = np.loadtxt(rows, comments=None, ndmin=2)
    except (ValueError, UserWarning):  # slower, tolerant, and it says which row is wrong
        table = np.array([_row(row.split(), number, len(fields)) for number, row in enumerate(rows)])
    if table.shape[1] < len(fields):
        raise ValueError(f"its rows have {table.shape[1]} numbers, expected {len(fields)}")
    return with_declared_types(table, fields)


def _row(words: Sequence[str], row: int, width: int) -> list[float]:
    if len(words) < width:
        raise ValueError(f"row {row} has {len(words)} numbers, expected {width}: {' '.join(words)[:60]!r}")
    return numbers(words[:width], row)


def numbers(words: Sequence[str], row: int) -> list[float]:
    """The words as numbers, NaN for the spellings of none. Raises CloudError naming row and word."""
    values = []
    for word in words:
        try:
            values.append(float(word))
        except ValueError:
            if not _NO_NUMBER.fullmatch(word):
                raise CloudError(
                    f"row {row}: {word!r} is no number; expected numbers with a decimal point, between spaces"
                ) from None
            values.append(np.nan)
    return values


def with_declared_types(table: np.ndarray, fields: Sequence[tuple[str, str]]) -> dict[str, np.ndarray]:
    """The columns of (N, >= len(fields)) float64 in the declared types; float64 where they do not fit these.

    Packed colours declared as floats stay float64: float32 cannot hold those that are whole numbers.
    """
    return {
        name: table[:, i] if name in PACKED_NAMES and kind[-2] == "f" else _as_declared(table[:, i], kind)
        for i, (name, kind) in enumerate(fields)
    }


def _as_declared(column: np.ndarray, kind: str) -> np.ndarray:
    dtype = np.dtype(kind)
    if dtype.kind == "f":
        with np.errstate(over="ignore"):
            return column.astype(dtype)
    limits = np.iinfo(dtype)
    fits = (column == np.rint(column)) & (column >= limits.min) & (column <= limits.max)
    return column.astype(dtype) if fits.all() else column
