"""Point-cloud files: read PLY, PCD and NPZ; write a labelled PLY.

PLY and PCD are read with numpy, so that every vertex property survives, and compressed PCD with lzf too.
Format: PCL's PCD 0.7 (pointclouds.org) and older ones; of PLY see `ply`, of colours `colors`.
"""

import logging
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path
from tokenize import TokenError
from typing import BinaryIO

import numpy as np

from ssen_ros.errors import DAMAGED_NPZ, CloudError, shown_names
from ssen_ros.io.bags import BagReader, is_bag
from ssen_ros.io.colors import CHANNEL_NAMES, PACKED_NAMES, color_bytes, unpacked
from ssen_ros.io.columns import ascii_columns, ascii_rows, binary_columns, header_lines
from ssen_ros.io.likely import likely
from ssen_ros.io.npz import read_npz
from ssen_ros.io.ply import read_ply_vertices
from ssen_ros.io.replacing import replacing
from ssen_ros.io.samples import load_sample
from ssen_ros.io.saved_map import read_map
from ssen_ros.structures import Cloud

log = logging.getLogger(__name__)

_LONGEST = 1000  # characters of what is told of a file; parts of it come back in that
_LZF_MOST = 90  # bytes that one packed byte can stand for: three stand for 264 at most

LABELLED_PLY_DTYPE = np.dtype(
    [
        ("x", "<f4"), ("y", "<f4"), ("z", "<f4"),
        ("red", "u1"), ("green", "u1"), ("blue", "u1"),
        ("label", "<i4"), ("instance_id", "<i4"), ("confidence", "<f4"),
    ]
)  # fmt: skip

_PCD_TYPES = {
    ("I", "1"): "i1", ("I", "2"): "i2", ("I", "4"): "i4", ("I", "8"): "i8",
    ("U", "1"): "u1", ("U", "2"): "u2", ("U", "4"): "u4", ("U", "8"): "u8",
    ("F", "4"): "f4", ("F", "8"): "f8",
}  # fmt: skip
_PCD_MOST_COUNT = 10_000  # numbers of a field; PCL's largest descriptor has 1,960
_PCD_USUAL = {"SIZE": "4", "TYPE": "F", "COUNT": "1"}  # where a header leaves them out
_PLY_NAMES = {"i1": "char", "u1": "uchar", "i4": "int", "f4": "float"}  # what the writer needs
_MILLIMETRES = (np.int16, np.int32)
_SUFFIX_OF = {"a PLY file": ".ply", "a PCD file": ".pcd", "a zip archive": ".npz"}  # of `likely`
# What the parsers here raise on damaged bytes.
_DAMAGE = (*DAMAGED_NPZ, LookupError, OverflowError, TokenError, RuntimeError)


def read_cloud(path: str | Path, bag_topic: str = "", until_s: float = float("inf")) -> Cloud:
    """Read a .ply, .pcd or .npz file, or a recording; rows with a non-finite coordinate are dropped.

    NPZ: `points` (N, 3) float in metres or int16/int32 in millimetres; optional `colors` (N, 3) RGB in any
    encoding of `ssen_ros.io.colors`; optional `first_frame` (N,) integer. Samples of `ssen simulate` and maps
    of ~/save_map are read too. Of a recording (folder of rosbag2, .mcap, .db3, .bag): the last cloud on
    `bag_topic`, or on the only topic, of those recorded at most `until_s` after the first.

    Raises CloudError for a missing file, an unknown suffix, a damaged file, wrong shapes or no points;
    BagError and MapFileError for a recording and a saved map that cannot be read.
    """
    path = Path(path)
    if is_bag(path):
        return BagReader(path, bag_topic).last(until_s)
    readers: dict[str, Callable[[Path], Cloud]] = {".ply": _read_ply, ".pcd": _read_pcd, ".npz": _read_npz}
    reader = readers.get(path.suffix.lower())
    if reader is None:
        raise CloudError(
            f"{path}: unknown suffix {path.suffix!r}; expected one of {', '.join(readers)}, "
            f".mcap, .db3, .bag, or a folder of rosbag2; {_advice(path)}"
        )
    if not path.is_file():
        raise CloudError(f"{path}: no such file; give the path of a .ply, .pcd or .npz cloud")
    with _damage_named(path):
        cloud = _finite(reader(path))
        if len(cloud) == 0:
            raise CloudError("0 finite points; expected at least one; check the export")
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
            f"{path}: {finite} of {len(cloud)} vertices are finite; expected all, and at least one; remove "
            "the others"
        )
    return cloud, columns


@contextmanager
def _damage_named(path: Path) -> Iterator[None]:
    """Every error about a file names it, and what it seems to be where it is damaged."""
    try:
        yield
    except CloudError as error:
        raise CloudError(f"{path}: {str(error)[:_LONGEST]}") from error
    except _DAMAGE as error:
        reason = str(error).splitlines()[0][:_LONGEST] if str(error) else type(error).__name__
        raise CloudError(f"{path}: not a readable {path.suffix} cloud ({reason}); {_remedy(path)}") from error


def _advice(path: Path) -> str:
    seems = likely(path)
    return f"it seems to be {seems}" if seems else "convert it, to PLY for example"


def _remedy(path: Path) -> str:
    seems = likely(path)
    suffix = next((s for name, s in _SUFFIX_OF.items() if seems.startswith(name)), "")
    if not seems or suffix == path.suffix.lower():
        return "it seems to be cut off or damaged: copy it again, or export it again"
    return f"it seems to be {seems}" + (f": rename it to {path.stem}{suffix}" if suffix else "")


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
    types = ((name, LABELLED_PLY_DTYPE[name].str[1:]) for name in LABELLED_PLY_DTYPE.names or ())
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


def _read_ply(path: Path) -> Cloud:
    return _from_columns(read_ply_vertices(path))


def _read_pcd(path: Path) -> Cloud:
    with open(path, "rb") as stream:
        lines = header_lines(stream, "DATA")
        header = {words[0].upper(): words[1:] for words in lines if words}
        if "COLUMNS" in header:  # of PCD 0.5
            header.setdefault("FIELDS", header["COLUMNS"])
        missing = [name for name in ("FIELDS", "DATA") if not header.get(name)]
        if missing:
            raise ValueError(f"no {', '.join(missing)} in its header")
        count = _pcd_count(path, header)
        encoding = header["DATA"][0].lower()
        fields = _pcd_fields(header, order="" if encoding == "ascii" else "<")
        if encoding == "binary_compressed":
            return _from_columns(_compressed_columns(stream, count, fields))
        numbers = [number for field in fields for number in field]
        if encoding == "ascii":
            return _from_columns(ascii_columns(ascii_rows(stream), count, numbers))
        if encoding == "binary":
            return _from_columns(binary_columns(stream, count, numbers))
    raise ValueError(f"DATA {encoding!r}, expected ascii, binary or binary_compressed")


def _pcd_count(path: Path, header: Mapping[str, list[str]]) -> int:
    """POINTS, or WIDTH * HEIGHT where the file has none."""
    if "POINTS" not in header and "WIDTH" not in header:
        raise ValueError("neither POINTS nor WIDTH in its header")
    size = int(header["WIDTH"][0]) * int(header.get("HEIGHT", ["1"])[0]) if "WIDTH" in header else None
    count = int(header["POINTS"][0]) if header.get("POINTS") else size
    if count is None or count < 0:
        raise ValueError(f"POINTS {header.get('POINTS')}, expected a number from 0")
    if size not in (None, count):
        log.warning("%s: POINTS %d, but WIDTH * HEIGHT = %d: read as %d points", path, count, size, count)
    return count


def _pcd_fields(header: Mapping[str, list[str]], order: str) -> list[list[tuple[str, str]]]:
    """Of each field [(unique name in lower case, numpy type)], one for each number: COUNT n makes n."""
    names = [name.lower() for name in header["FIELDS"]]
    columns = [header.get(key) or [usual] * len(names) for key, usual in _PCD_USUAL.items()]
    if any(len(column) != len(names) for column in columns):
        raise ValueError(
            f"{len(names)} FIELDS, but {', '.join(map(str, map(len, columns)))} of SIZE, TYPE, COUNT"
        )
    fields = []
    for i, (name, size, kind, repeat) in enumerate(zip(names, *columns)):
        if (kind.upper(), size) not in _PCD_TYPES:
            known = ", ".join(f"{k} {s}" for k, s in _PCD_TYPES)
            raise ValueError(f"field {name!r} has TYPE {kind} SIZE {size}, expected one of {known}")
        unique = f"{name}{i}" if name == "_" else name  # PCL names every padding field "_"
        if not 0 <= int(repeat) <= _PCD_MOST_COUNT:
            raise ValueError(f"field {name!r} has COUNT {repeat}, expected up to {_PCD_MOST_COUNT}")
        singles = [unique] if repeat == "1" else [f"{unique}[{k}]" for k in range(int(repeat))]
        fields.append([(single, f"{order}{_PCD_TYPES[kind.upper(), size]}") for single in singles])
    return fields


def _compressed_columns(
    stream: BinaryIO, count: int, fields: list[list[tuple[str, str]]]
) -> dict[str, np.ndarray]:
    """Two sizes in bytes, then the fields one after the other, each with all points, packed by LZF."""
    packed_size, size = (int.from_bytes(stream.read(4), "little") for _ in range(2))
    expected = count * sum(np.dtype(field).itemsize for field in fields)
    if size != expected:
        raise ValueError(f"it promises {count} points of {expected} bytes but {size} bytes in its data")
    packed = stream.read(packed_size)
    if size > _LZF_MOST * len(packed):
        raise ValueError(f"its data of {len(packed)} bytes cannot hold the {size} that it promises")
    unpacked = BytesIO(_unpack(packed, size))
    columns: dict[str, np.ndarray] = {}
    for field in fields:
        columns |= binary_columns(unpacked, count, field)
    return columns


def _unpack(packed: bytes, size: int) -> bytes:
    try:
        import lzf  # late: only compressed PCD needs it
    except ModuleNotFoundError as error:
        raise CloudError(
            "compressed PCD needs lzf; install it (pip install python-neo-lzf) or save the file as binary PCD"
        ) from error
    return (lzf.decompress(packed, size) if size else b"") or b""  # None where it does not fit


def _read_npz(path: Path) -> Cloud:
    arrays = read_npz(path, ("points", "colors", "first_frame"))
    if "voxel_steps" in arrays.names and "points" not in arrays:
        return _read_sample(path)
    if "points" not in arrays and "ranks" in arrays.names:
        return read_map(path).cloud
    if "points" not in arrays:
        raise CloudError(
            f"no array 'points' among {shown_names(arrays.names)}; expected (N, 3) metres, or "
            "int16/int32 millimetres; add it"
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
        raise CloudError(
            f"no {', '.join(missing)} among its fields {shown_names(columns)}; expected x, y and z in "
            "metres; add them"
        )
    points = np.stack([columns[name] for name in ("x", "y", "z")], axis=1)
    return _checked(points, _column_colors(columns))


def _column_colors(columns: Mapping[str, np.ndarray]) -> np.ndarray | None:
    """(N, 3) uint8, or None where no column is a colour."""
    for names in CHANNEL_NAMES:
        if all(name in columns for name in names):
            return color_bytes(np.stack([columns[name] for name in names], axis=1), names)
    for name in PACKED_NAMES:
        if name in columns:
            return unpacked(columns[name], name)
    return None


def _checked(points: np.ndarray, colors: np.ndarray | None, first_frame: np.ndarray | None = None) -> Cloud:
    if points.ndim != 2 or points.shape[1] != 3 or points.dtype.kind != "f":
        raise CloudError(
            f"points is {points.dtype} {points.shape}; expected (N, 3), float metres or int16/int32 "
            "millimetres; convert it"
        )
    if colors is not None:
        if colors.shape != (len(points), 3):
            raise CloudError(
                f"colors has shape {colors.shape}; expected ({len(points)}, 3); store one RGB row per point"
            )
        colors = color_bytes(colors)
    if first_frame is not None and (
        first_frame.shape != (len(points),) or first_frame.dtype.kind not in "iu"
    ):
        raise CloudError(
            f"first_frame is {first_frame.dtype} {first_frame.shape}; expected ({len(points)},) integers; "
            "store one frame number per point"
        )
    return Cloud(np.ascontiguousarray(points, dtype=np.float32), colors, first_frame)


def _finite(cloud: Cloud) -> Cloud:
    keep = np.isfinite(cloud.points).all(axis=1)
    if keep.all():
        return cloud
    colors = None if cloud.colors is None else cloud.colors[keep]
    first_frame = None if cloud.first_frame is None else cloud.first_frame[keep]
    return Cloud(cloud.points[keep], colors, first_frame)
