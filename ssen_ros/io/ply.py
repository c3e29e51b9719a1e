"""The vertices of a PLY file, with all their scalar properties, whatever else it holds.

Other elements may come first, and lists may stand among the properties of a vertex: both are walked over.
Format: Turk's PLY (paulbourke.net/dataformats/ply).
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import BinaryIO

import numpy as np

from ssen_ros.errors import CloudError
from ssen_ros.io.columns import ascii_columns, ascii_rows, header_lines, numbers, with_declared_types

TYPES = {
    "char": "i1", "int8": "i1", "uchar": "u1", "uint8": "u1",
    "short": "i2", "int16": "i2", "ushort": "u2", "uint16": "u2",
    "int": "i4", "int32": "i4", "uint": "u4", "uint32": "u4",
    "float": "f4", "float32": "f4", "double": "f8", "float64": "f8",
}  # fmt: skip
_ENCODINGS = {"ascii": "", "binary_little_endian": "<", "binary_big_endian": ">"}  # -> numpy's byte order


@dataclass(frozen=True)
class _Property:
    name: str  # in lower case
    kind: str  # numpy type without byte order
    length: str = ""  # of a list: that of the number in front of it


@dataclass(frozen=True)
class _Element:
    name: str
    count: int
    properties: list[_Property] = field(default_factory=list)

    @property
    def has_list(self) -> bool:
        return any(p.length for p in self.properties)


def read_ply_vertices(path: str | Path) -> dict[str, np.ndarray]:
    """Every scalar vertex property of a PLY file: {name in lower case: (N,) array in the file's type}.

    Numbers of a text that do not fit the type that it declares are float64. Raises ValueError for a file that
    is no PLY, or holds less than it promises, CloudError for one without vertices or of unknown types.
    """
    with open(path, "rb") as stream:
        encoding, elements = _read_header(stream)
        vertex = next((e for e in elements if e.name in ("vertex", "vertices", "point")), None)
        if vertex is None:
            names = ", ".join(e.name for e in elements) or "none"
            raise CloudError(f"no element 'vertex' among its elements {names}; expected a cloud or a mesh")
        before = elements[: elements.index(vertex)]
        if encoding == "ascii":
            lines = ascii_rows(stream)
            for element in before:
                _skip_lines(lines, element)
            return _ascii_vertices(lines, vertex)
        data = stream.read()
    order, offset = _ENCODINGS[encoding], 0
    for element in before:
        _, offset = _binary_rows(data, offset, element, order)
    return _binary_rows(data, offset, vertex, order)[0]


def _read_header(stream: BinaryIO) -> tuple[str, list[_Element]]:
    first = stream.readline().removeprefix(b"\xef\xbb\xbf").strip()
    if first.lower() != b"ply":
        raise ValueError("its first line is not 'ply'")
    encoding, elements = "", []
    for words in header_lines(stream, "end_header"):
        match [word.lower() for word in words]:
            case ["format", encoding, *_]:
                pass
            case ["element", name, number]:
                elements.append(_Element(name, int(number)))
                if elements[-1].count < 0:
                    raise ValueError(f"element {name!r} has {number} rows")
            case ["property", "list", length, kind, name] if elements:
                elements[-1].properties.append(_Property(name, _type(kind), _type(length)))
            case ["property", kind, name] if elements:
                elements[-1].properties.append(_Property(name, _type(kind)))
    if encoding not in _ENCODINGS:
        raise ValueError(f"format {encoding!r}, expected one of {', '.join(_ENCODINGS)}")
    return encoding, elements


def _type(name: str) -> str:
    if name not in TYPES:
        raise CloudError(f"property type {name!r}, expected one of {', '.join(TYPES)}; convert it")
    return TYPES[name]


def _skip_lines(lines: Iterator[str], element: _Element) -> None:
    skipped = sum(1 for _ in islice(lines, element.count)) if element.properties else element.count
    if skipped < element.count:
        raise ValueError(f"it promises {element.count} rows of element {element.name!r} but holds {skipped}")


def _ascii_vertices(lines: Iterator[str], vertex: _Element) -> dict[str, np.ndarray]:
    scalars = [(p.name, p.kind) for p in vertex.properties if not p.length]
    if not vertex.has_list:
        return ascii_columns(lines, vertex.count, scalars)
    table: list[list[float]] = []
    for row, line in enumerate(islice(lines, vertex.count)):
        words = iter(line.split())
        try:
            values = []
            for one in vertex.properties:
                word = next(words)
                if one.length:
                    next(islice(words, int(word), int(word)), None)
                else:
                    values.append(word)
        except StopIteration:
            raise ValueError(f"row {row} has too few numbers") from None
        table.append(numbers(values, row))
    if len(table) < vertex.count:
        raise ValueError(f"it promises {vertex.count} points but holds {len(table)}")
    return with_declared_types(np.array(table).reshape(-1, len(scalars)), scalars)


def _binary_rows(
    data: bytes, offset: int, element: _Element, order: str
) -> tuple[dict[str, np.ndarray], int]:
    """The scalars of all rows of an element whose bytes begin at `offset`, and where they end."""
    if element.count == 0 or not element.properties:
        return {p.name: np.empty(0, p.kind) for p in element.properties if not p.length}, offset
    if not element.has_list:
        dtype = _row_type(element.properties, order, [])
        return _same_rows(data, offset, element, dtype)
    lengths, _ = _walk_row(data, offset, element.properties, order)
    dtype = _row_type(element.properties, order, lengths)
    if offset + element.count * dtype.itemsize <= len(data):
        rows = np.frombuffer(data, dtype, element.count, offset)
        names = [name for name in dtype.names or () if name.startswith("length of ")]
        if all((rows[name] == length).all() for name, length in zip(names, lengths)):
            return _same_rows(data, offset, element, dtype)
    return _different_rows(data, offset, element, order)


def _same_rows(
    data: bytes, offset: int, element: _Element, dtype: np.dtype
) -> tuple[dict[str, np.ndarray], int]:
    end = offset + element.count * dtype.itemsize
    if end > len(data):
        raise ValueError(
            f"it promises {element.count} points of {dtype.itemsize} bytes but holds {len(data) - offset} "
            "bytes"
        )
    rows = np.frombuffer(data, dtype, element.count, offset)
    return {p.name: rows[p.name] for p in element.properties if not p.length}, end


def _different_rows(
    data: bytes, offset: int, element: _Element, order: str
) -> tuple[dict[str, np.ndarray], int]:
    """Of rows whose lists are not all of one length: each has to be walked."""
    shortest = _row_type(element.properties, order, [0] * len(element.properties)).itemsize
    if offset + element.count * shortest > len(data):
        raise ValueError(
            f"it promises {element.count} rows of {shortest} bytes or more but holds {len(data) - offset} "
            "bytes"
        )
    starts = np.empty((element.count, len(element.properties)), np.int64)
    for row in range(element.count):
        _, offset = _walk_row(data, offset, element.properties, order, starts[row])
    octets = np.frombuffer(data, np.uint8)
    columns = {}
    for column, one in enumerate(element.properties):
        if not one.length:
            dtype = np.dtype(order + one.kind)
            taken = octets[starts[:, column, None] + np.arange(dtype.itemsize)]
            columns[one.name] = taken.view(dtype)[:, 0]
    return columns, offset


def _walk_row(
    data: bytes,
    offset: int,
    properties: Sequence[_Property],
    order: str,
    starts: np.ndarray | None = None,
) -> tuple[list[int], int]:
    """(lengths of the lists of one row, where it ends); each property's place goes into `starts`."""
    byteorder = "little" if order == "<" else "big"
    lengths = []
    for column, one in enumerate(properties):
        if starts is not None:
            starts[column] = offset
        size = int(one.kind[1])
        if one.length:
            prefix = int(one.length[1])
            length = int.from_bytes(data[offset : offset + prefix], byteorder, signed=one.length[0] == "i")
            if length < 0 or one.length[0] == "f":
                raise ValueError(f"list {one.name!r} has {length} entries")
            lengths.append(length)
            offset += prefix + length * size
        else:
            offset += size
    if offset > len(data):
        raise ValueError("it ends in the middle of a row")
    return lengths, offset


def _row_type(properties: Sequence[_Property], order: str, lengths: Sequence[int]) -> np.dtype:
    left = iter(lengths)
    fields: list[tuple] = []
    for one in properties:
        if one.length:
            fields.append((f"length of {one.name}", order + one.length))
            fields.append((f"list {one.name}", order + one.kind, (next(left),)))
        else:
            fields.append((one.name, order + one.kind))
    return np.dtype(fields)
