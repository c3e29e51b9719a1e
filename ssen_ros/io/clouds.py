"""Point-cloud files: read PLY, PCD and NPZ; write a labelled PLY.

Read with numpy alone, so that every vertex property survives, and the bytes of a compressed PCD with lzf.
Formats: Turk's PLY (paulbourke.net/dataformats/ply), PCL's PCD 0.7 (pointclouds.org).
"""

import struct
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path
from tokenize import TokenError
from typing import BinaryIO

import numpy as np

from ssen_ros.errors import DAMAGED_NPZ, CloudError
from ssen_ros.io.bags import BagReader, is_bag
from ssen_ros.io.replacing import replacing
from ssen_ros.io.samples import load_sample
from ssen_ros.structures import Cloud

LABELLED_PLY_DTYPE = np.dtype(
    [
        ("x", "<f4"), ("y", "<f4"), ("z", "<f4"),
        ("red", "u1"), ("green", "u1"), ("blue", "u1"),
        ("label", "<i4"), ("instance_id", "<i4"), ("confidence", "<f4"),
    ]
)  # fmt: skip

_PLY_TYPES = {
    "char": "i1", "int8": "i1", "uchar": "u1", "uint8": "u1",
    "short": "i2", "int16": "i2", "ushort": "u2", "uint16": "u2",
    "int": "i4", "int32": "i4", "uint": "u4", "uint32": "u4",
    "float": "f4", "float32": "f4", "double": "f8", "float64": "f8",
}  # fmt: skip
_PCD_TYPES = {
    ("I", "1"): "i1", ("I", "2"): "i2", ("I", "4"): "i4", ("I", "8"): "i8",
    ("U", "1"): "u1", ("U", "2"): "u2", ("U", "4"): "u4", ("U", "8"): "u8",
    ("F", "4"): "f4", ("F", "8"): "f8",
}  # fmt: skip
_PLY_NAMES = {"i1": "char", "u1": "uchar", "i4": "int", "f4": "float"}  # what the writer needs
_COLOR_NAMES = (("red", "green", "blue"), ("r", "g", "b"), ("diffuse_red", "diffuse_green", "diffuse_blue"))
_MILLIMETRES = (np.int16, np.int32)
_MAX_HEADER_LINES = 1000
# What the parsers here raise on damaged bytes.
_DAMAGE = (*DAMAGED_NPZ, LookupError, OverflowError, TokenError, RuntimeError)


def read_cloud(path: str | Path, bag_topic: str = "") -> Cloud:
    """Read a .ply, .pcd or .npz file, or a recording; rows with a non-finite coordinate are dropped.

    NPZ: `points` (N, 3) float in metres or int16/int32 in millimetres; optional `colors` (N, 3) uint8
    or float in 0..1; optional `first_frame` (N,) integer. Samples of `ssen simulate` are read too.
    Of a recording (folder of rosbag2, .mcap, .db3): the last cloud on `bag_topic`, or on the only topic.

    Raises CloudError for a missing file, an unknown suffix, a damaged file, wrong shapes or no points;
    BagError for a recording that cannot be read.
    """
    path = Path(path)
    if is_bag(path):
        return BagReader(path, bag_topic).last()
    readers: dict[str, Callable[[Path], Cloud]] = {".ply": _read_ply, ".pcd": _read_pcd, ".npz": _read_npz}
    reader = readers.get(path.suffix.lower())
    if reader is None:
        raise CloudError(
            f"{path}: unknown suffix {path.suffix!r}; expected one of {', '.join(readers)}, "
            ".mcap, .db3, or a folder of rosbag2; convert it"
        )
    if not path.is_file():
        raise CloudError(f"{path}: no such file; give the path of a .ply, .pcd or .npz cloud")
    with _damage_named(path):
        cloud = _finite(reader(path))
    if len(cloud) == 0:
        raise CloudError(f"{path}: 0 finite points; expected at least one; check the export")
    return cloud


def read_ply(path: str | Path) -> tuple[Cloud, dict[str, np.ndarray]]:
    """Every vertex of a .ply file in the file's order, and all its properties: {name: (N,) array}.

    Raises CloudError for a missing or damaged file, no vertex, or a coordinate that is not finite.
    """
    path = Path(path)
    if not path.is_file():
        raise CloudError(f"{path}: no such file; give the path of a .ply cloud or mesh")
    with _damage_named(path):
        columns = read_ply_vertices(path)
        cloud = _from_columns(columns)
    finite = int(np.isfinite(cloud.points).all(axis=1).sum())
    if finite < max(len(cloud), 1):
        raise CloudError(
            f"{path}: {finite} of {len(cloud)} vertices are finite; expected all, and at least one; "
            "export it again"
        )
    return cloud, columns


@contextmanager
def _damage_named(path: Path) -> Iterator[None]:
    try:
        yield
    except _DAMAGE as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise CloudError(f"{path}: not a readable {path.suffix} cloud ({reason}); export it again") from error


def write_labelled_ply(
    path: str | Path,
    points: np.ndarray,  # (N, 3) float, m
    colors: np.ndarray,  # (N, 3) uint8 RGB
    label: np.ndarray,  # (N,) class index, -1 unlabelled
    instance_id: np.ndarray,  # (N,) persistent id, -1 none
    confidence: np.ndarray,  # (N,) 0..1
) -> None:
    """Write a binary little-endian PLY: x y z (m), red green blue, label, instance_id, confidence.

    Raises CloudError when the arrays do not have one row per point.
    """
    columns = {"colors": colors, "label": label, "instance_id": instance_id, "confidence": confidence}
    for name, column in columns.items():
        if len(column) != len(points):
            raise CloudError(f"{name} has {len(column)} rows; expected {len(points)}, one per point")
    vertices = np.empty(len(points), LABELLED_PLY_DTYPE)
    for axis, name in enumerate(("x", "y", "z")):
        vertices[name] = points[:, axis]
    for channel, name in enumerate(("red", "green", "blue")):
        vertices[name] = colors[:, channel]
    vertices["label"], vertices["instance_id"], vertices["confidence"] = label, instance_id, confidence
    types = ((name, LABELLED_PLY_DTYPE[name].str[1:]) for name in LABELLED_PLY_DTYPE.names)
    properties = [f"property {_PLY_NAMES[kind]} {name}" for name, kind in types]
    header = [
        "ply",
        "format binary_little_endian 1.0",
        f"element vertex {len(vertices)}",
        *properties,
        "end_header",
    ]
    with replacing(path) as temporary, open(temporary, "wb") as stream:
        stream.write(("\n".join(header) + "\n").encode("ascii"))
        stream.write(vertices.tobytes())


def read_ply_vertices(path: str | Path) -> dict[str, np.ndarray]:
    """Every scalar vertex property of a PLY file: {name: (N,) array in the file's type}.

    Raises ValueError for a file that is no PLY or whose vertices are not plain scalars at its start.
    """
    with open(path, "rb") as stream:
        encoding, count, fields = _ply_header(stream)
        if encoding == "ascii":
            return _ascii_columns(stream, count, fields)
        order = "<" if encoding == "binary_little_endian" else ">"
        return _binary_columns(stream, count, [(name, order + kind) for name, kind in fields])


def _header_lines(stream: BinaryIO, end: str) -> list[list[str]]:
    """The words of each header line up to and including the one that starts with `end`."""
    lines = []
    while len(lines) < _MAX_HEADER_LINES:
        raw = stream.readline()
        if not raw:
            break
        words = raw.decode("ascii", errors="replace").split()
        lines.append(words)
        if words and words[0] == end:
            return lines
    raise ValueError(f"no {end} line in its header")


def _ply_header(stream: BinaryIO) -> tuple[str, int, list[tuple[str, str]]]:
    """(encoding, vertex count, [(property, numpy type without byte order)])."""
    if stream.readline().strip() != b"ply":
        raise ValueError("its first line is not 'ply'")
    encoding, element, count, fields = "", "", 0, []
    for words in _header_lines(stream, "end_header"):
        match words:
            case ["format", encoding, *_]:
                pass
            case ["element", name, number]:
                if not element and name != "vertex":
                    raise ValueError(f"element {name!r} comes first; expected 'vertex'")
                element, count = name, int(number) if name == "vertex" else count
            case ["property", "list", *_] if element == "vertex":
                raise ValueError("its vertices hold a list property; expected scalars")
            case ["property", kind, name] if element == "vertex":
                fields.append((name, _PLY_TYPES[kind]))
    if encoding not in ("ascii", "binary_little_endian", "binary_big_endian"):
        raise ValueError(f"unknown PLY format {encoding!r}")
    return encoding, count, fields


def _binary_columns(stream: BinaryIO, count: int, fields: list[tuple]) -> dict[str, np.ndarray]:
    dtype = np.dtype(fields)
    data = stream.read(count * dtype.itemsize)
    if len(data) < count * dtype.itemsize:
        raise ValueError(f"it promises {count} points of {dtype.itemsize} bytes but holds {len(data)} bytes")
    rows = np.frombuffer(data, dtype)
    return {name: rows[name] for name in dtype.names}


def _ascii_columns(stream: BinaryIO, count: int, fields: list[tuple[str, str]]) -> dict[str, np.ndarray]:
    if count == 0:
        return {name: np.empty(0, kind) for name, kind in fields}
    table = np.loadtxt(stream, max_rows=count, ndmin=2)
    if table.shape[0] != count or table.shape[1] < len(fields):
        raise ValueError(f"it promises {count} rows of {len(fields)} numbers but holds {table.shape}")
    return {name: table[:, i].astype(kind) for i, (name, kind) in enumerate(fields)}


def _read_ply(path: Path) -> Cloud:
    return _from_columns(read_ply_vertices(path))


def _read_pcd(path: Path) -> Cloud:
    with open(path, "rb") as stream:
        header = {words[0]: words[1:] for words in _header_lines(stream, "DATA") if words}
        count = int(header["POINTS"][0])
        encoding = header["DATA"][0]
        fields = _pcd_fields(header, order="" if encoding == "ascii" else "<")
        if encoding == "binary_compressed":
            return _from_columns(_compressed_columns(path, stream, count, fields))
        columns = {"ascii": _ascii_columns, "binary": _binary_columns}.get(encoding)
        if columns is not None:
            return _from_columns(columns(stream, count, [number for field in fields for number in field]))
    raise ValueError(f"unknown PCD encoding {encoding!r}")


def _pcd_fields(header: Mapping[str, list[str]], order: str) -> list[list[tuple[str, str]]]:
    """Of each field [(unique name, numpy type)], one entry per number: COUNT n makes n entries."""
    counts = header.get("COUNT", ["1"] * len(header["FIELDS"]))
    fields = []
    for i, (name, size, kind, repeat) in enumerate(
        zip(header["FIELDS"], header["SIZE"], header["TYPE"], counts, strict=True)
    ):
        unique = f"{name}{i}" if name == "_" else name  # PCL names every padding field "_"
        names = [unique] if repeat == "1" else [f"{unique}[{k}]" for k in range(int(repeat))]
        fields.append([(n, f"{order}{_PCD_TYPES[kind, size]}") for n in names])
    return fields


def _compressed_columns(
    path: Path, stream: BinaryIO, count: int, fields: list[list[tuple[str, str]]]
) -> dict[str, np.ndarray]:
    """Two sizes in bytes, then the fields one after the other, each with all points, packed by LZF."""
    packed_size, size = struct.unpack("<II", stream.read(8))
    expected = count * sum(np.dtype(field).itemsize for field in fields)
    if size != expected:
        raise ValueError(f"it promises {count} points of {expected} bytes but {size} bytes in its data")
    unpacked = BytesIO(_unpack(path, stream.read(packed_size), size))
    columns: dict[str, np.ndarray] = {}
    for field in fields:
        columns |= _binary_columns(unpacked, count, field)
    return columns


def _unpack(path: Path, packed: bytes, size: int) -> bytes:
    try:
        import lzf  # late: only compressed PCD needs it
    except ModuleNotFoundError as error:
        raise CloudError(
            f"{path}: compressed PCD needs lzf; install it (pip install python-neo-lzf) or save the file as "
            "binary PCD"
        ) from error
    return (lzf.decompress(packed, size) if size else b"") or b""  # None where it does not fit


def _read_npz(path: Path) -> Cloud:
    with open(path, "rb") as stream:  # numpy would leave the file open when it is damaged
        archive = np.load(stream, allow_pickle=False)
        if not isinstance(archive, np.lib.npyio.NpzFile):
            raise ValueError("it holds a single array, without names")
        if "voxel_steps" in archive and "points" not in archive:
            return _read_sample(path)
        arrays = {name: archive[name] for name in ("points", "colors", "first_frame") if name in archive}
    if "points" not in arrays and "ranks" in archive:
        raise CloudError(
            f"{path}: a map that ~/save_map has kept, no cloud; ~/load_map brings it into a node"
        )
    if "points" not in arrays:
        raise CloudError(
            f"{path}: no array 'points'; expected (N, 3) metres, or int16/int32 millimetres; add it"
        )
    points = arrays["points"]
    if points.dtype in _MILLIMETRES:
        points = points.astype(np.float32) / np.float32(1000.0)
    return _checked(points, arrays.get("colors"), arrays.get("first_frame"))


def _read_sample(path: Path) -> Cloud:
    sample = load_sample(path)
    return _checked(sample.points, sample.colors)


def _from_columns(columns: Mapping[str, np.ndarray]) -> Cloud:
    missing = [name for name in ("x", "y", "z") if name not in columns]
    if missing:
        raise ValueError(f"no {', '.join(missing)} among its fields {', '.join(columns)}")
    points = np.stack([columns[name] for name in ("x", "y", "z")], axis=1)
    return _checked(points, _column_colors(columns))


def _column_colors(columns: Mapping[str, np.ndarray]) -> np.ndarray | None:
    for names in _COLOR_NAMES:
        if all(name in columns for name in names):
            return np.stack([columns[name] for name in names], axis=1)
    for name in ("rgb", "rgba"):  # PCL packs 0xAARRGGBB into 32 bits, float or integer
        if name in columns:
            packed = columns[name]
            is_float = packed.dtype.kind == "f"
            bits = packed.astype(np.float32).view(np.uint32) if is_float else packed.astype(np.uint32)
            return np.stack([(bits >> shift) & 255 for shift in (16, 8, 0)], axis=1).astype(np.uint8)
    return None


def _checked(points: np.ndarray, colors: np.ndarray | None, first_frame: np.ndarray | None = None) -> Cloud:
    if points.ndim != 2 or points.shape[1] != 3 or points.dtype.kind != "f":
        raise CloudError(
            f"points is {points.dtype} {points.shape}; expected (N, 3), float metres or int16/int32 "
            "millimetres; convert it"
        )
    if colors is not None:
        colors = _color_bytes(colors, len(points))
    if first_frame is not None and (
        first_frame.shape != (len(points),) or first_frame.dtype.kind not in "iu"
    ):
        raise CloudError(
            f"first_frame is {first_frame.dtype} {first_frame.shape}; expected ({len(points)},) integers; "
            "store one frame number per point"
        )
    return Cloud(np.ascontiguousarray(points, dtype=np.float32), colors, first_frame)


def _color_bytes(colors: np.ndarray, count: int) -> np.ndarray:
    if colors.shape != (count, 3):
        raise CloudError(
            f"colors has shape {colors.shape}; expected ({count}, 3); store one RGB row per point"
        )
    if colors.dtype == np.uint8:
        return np.ascontiguousarray(colors)
    if colors.dtype.kind == "f" and (count == 0 or (colors.min() >= 0.0 and colors.max() <= 1.0)):
        return np.rint(colors * 255.0).astype(np.uint8)
    raise CloudError(f"colors is {colors.dtype}; expected uint8, or float between 0 and 1; convert it")


def _finite(cloud: Cloud) -> Cloud:
    keep = np.isfinite(cloud.points).all(axis=1)
    if keep.all():
        return cloud
    colors = None if cloud.colors is None else cloud.colors[keep]
    first_frame = None if cloud.first_frame is None else cloud.first_frame[keep]
    return Cloud(cloud.points[keep], colors, first_frame)
