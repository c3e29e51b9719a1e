"""A labelled map, and its file: under two bytes a voxel.

The file is an .npz compressed with LZMA. Voxels follow a Z-order curve, so that neighbours in space are
neighbours in the file; positions and colours are stored as steps from one voxel to the next, colours with
six bits a channel.
"""

import io
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from ssen_ros.errors import CloudError, SsenError
from ssen_ros.io.npz import read_npz
from ssen_ros.io.replacing import replacing
from ssen_ros.labels import IGNORE_INDEX, LABEL_NAMES

ATTRIBUTION = "ATTRIBUTION.txt"  # beside samples: whose work is in them
VOXEL_SIZE = 0.02  # m, of the accumulated map and of the files

COLOR_ERROR = 2  # grey levels that a stored colour is off by, at most

_ARRAYS = ("first_voxel", "voxel_steps", "color_steps", "semantic_label", "instance_label")
_OWN = ("own_instance", "own_name")
_FARTHEST = 1 << 20  # voxels from the origin, 20 km
_EPOCH = (1980, 1, 1, 0, 0, 0)  # the same sample gives the same bytes
_SPREAD = ((32, 0x1F00000000FFFF), (16, 0x1F0000FF0000FF), (8, 0x100F00F00F00F00F),
           (4, 0x10C30C30C30C30C3), (2, 0x1249249249249249))  # fmt: skip


@dataclass(frozen=True)
class Sample:
    """An accumulated map with its truth; map frame, m, gravity along -Z."""

    points: np.ndarray  # (V, 3) float32, m; at most one per 2 cm voxel
    colors: np.ndarray  # (V, 3) uint8 RGB
    semantic_label: np.ndarray  # (V,) int8, index into LABEL_NAMES, or IGNORE_INDEX
    instance_label: np.ndarray  # (V,) int16, 1.. within this sample, -1 for structure and unlabelled
    # Instance -> class, of objects whose label is UNKNOWN and whose class somebody has named.
    own_names: Mapping[int, str] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.points)


def save_sample(path: Path | str, sample: Sample, models: Sequence[str] = ()) -> None:
    """Write a compressed .npz; positions are kept to their 2 cm voxel, colours to COLOR_ERROR levels.

    `models` names whose work is in it.
    """
    voxels = np.floor(sample.points.astype(np.float64) / VOXEL_SIZE).astype(np.int64)
    first = voxels.min(axis=0) if len(voxels) else np.zeros(3, np.int64)
    keys = _z_order(voxels - first)
    order = np.argsort(keys, kind="stable")
    red, green, blue = (sample.colors[order] >> 2).astype(np.int8).T
    arrays = {
        "first_voxel": first,
        "voxel_steps": np.diff(keys[order], prepend=0),
        "color_steps": np.diff(np.stack([green, red - green, blue - green]), prepend=np.int8(0)),
        "semantic_label": sample.semantic_label[order],
        "instance_label": sample.instance_label[order],
        **({"models": np.array(models)} if models else {}),
        **_named(sample.own_names),
    }
    with replacing(path) as temporary, zipfile.ZipFile(temporary, "w") as archive:
        for name, array in arrays.items():
            buffer = io.BytesIO()
            np.save(buffer, array)
            archive.writestr(zipfile.ZipInfo(f"{name}.npy", _EPOCH), buffer.getvalue(), zipfile.ZIP_LZMA)


def load_sample(path: Path | str) -> Sample:
    """Read what `save_sample` wrote; points are voxel centres, in Z-order.

    Raises CloudError for a file that is missing, damaged, or lacks an array.
    """
    try:
        return _load(path)
    except (OSError, ValueError) as error:
        raise _damaged(path, error) from error


def sample_paths(folder: Path) -> list[Path]:
    """The .npz samples of a folder, sorted. Raises SsenError where there is none."""
    paths = sorted(folder.glob("*.npz"))
    if not paths:
        raise SsenError(
            f"{folder}: no .npz file there; make some with `ssen simulate --out {folder}` or `ssen import`"
        )
    return paths


def made_with(path: Path | str) -> tuple[str, ...]:
    """One line for each model, texture and print of others in a sample: its name, maker and licence."""
    try:
        return tuple(map(str, read_npz(path, ("models",)).get("models", np.array([])).ravel()))
    except (OSError, ValueError) as error:
        raise _damaged(path, error) from error


def _damaged(path: Path | str, error: BaseException) -> CloudError:
    reason = str(error) or type(error).__name__
    return CloudError(f"{path} cannot be read, or is damaged ({reason}); make it anew")


def _named(own_names: Mapping[int, str]) -> dict[str, np.ndarray]:
    if not own_names:
        return {}
    return dict(zip(_OWN, (np.array(list(own_names), np.int16), np.array(list(own_names.values())))))


def _own_names(instance: np.ndarray, name: np.ndarray) -> dict[int, str]:
    if (
        instance.dtype.kind not in "iu"
        or name.dtype.kind != "U"
        or not instance.shape == name.shape == (len(name),)
    ):
        raise ValueError(f"{' and '.join(_OWN)} are {instance.dtype} {instance.shape} and {name.dtype} "
                         f"{name.shape}, expected (K,) whole numbers and (K,) texts")  # fmt: skip
    return dict(zip(instance.tolist(), name.tolist()))


def _load(path: Path | str) -> Sample:
    data = read_npz(path, (*_ARRAYS, *_OWN))
    missing = [name for name in _ARRAYS if name not in data]
    if missing:
        raise CloudError(
            f"{path} lacks {missing}: expected a file of this version of `ssen simulate` or "
            "`ssen import`; make it anew"
        )
    count = len(data["voxel_steps"])
    for name, (kinds, shape, low, high) in {
        "first_voxel": ("i", (3,), -_FARTHEST, _FARTHEST),
        "voxel_steps": ("iu", (count,), 0, 1 << 60),
        "color_steps": ("i", (3, count), -128, 127),
        "semantic_label": ("i", (count,), IGNORE_INDEX, len(LABEL_NAMES) - 1),
        "instance_label": ("i", (count,), -1, np.iinfo(np.int16).max),
    }.items():
        found = data[name]
        fits = found.dtype.kind in kinds and found.shape == shape
        if not fits or (found.size and not low <= found.min() <= found.max() <= high):
            raise ValueError(
                f"{name} is {found.dtype} {found.shape}, expected {shape} whole numbers from {low} to {high}"
            )
    voxels = _from_z_order(np.cumsum(data["voxel_steps"])) + data["first_voxel"]
    green, red_green, blue_green = np.cumsum(data["color_steps"], axis=1, dtype=np.int8)
    colors = np.stack([red_green + green, green, blue_green + green], axis=1).astype(np.uint8)
    points = ((voxels + 0.5) * VOXEL_SIZE).astype(np.float32)
    semantic, instance = data["semantic_label"].astype(np.int8), data["instance_label"].astype(np.int16)
    own = _own_names(*(data[name] for name in _OWN)) if _OWN[0] in data and _OWN[1] in data else {}
    return Sample(points, (colors << 2) + COLOR_ERROR, semantic, instance, own)


def _z_order(voxels: np.ndarray) -> np.ndarray:
    """(V,) int64: the bits of (V, 3) indices in 0..2^20 interleaved (G. M. Morton, 1966)."""
    keys = np.zeros(len(voxels), np.int64)
    for axis, spread in enumerate(voxels.T.astype(np.int64)):
        for shift, mask in _SPREAD:
            spread = (spread | spread << shift) & mask
        keys |= spread << axis
    return keys


def _from_z_order(keys: np.ndarray) -> np.ndarray:
    """(V, 3) int64: the inverse of `_z_order`."""
    axes = []
    masks = [mask for _, mask in _SPREAD[::-1]] + [0x1FFFFF]
    for axis in range(3):
        packed = (keys >> axis) & masks[0]
        for (shift, _), mask in zip(_SPREAD[::-1], masks[1:]):
            packed = (packed | packed >> shift) & mask
        axes.append(packed)
    return np.stack(axes, axis=1)
