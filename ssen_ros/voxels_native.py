"""The arithmetic of `voxel_map` by the compiled library (src/voxels.cpp), many times faster."""

from ctypes import CDLL, c_double, c_int32, c_int64, c_void_p
from functools import cache

import numpy as np

from ssen_ros import native
from ssen_ros.native import address

_SIGNATURES = {
    "ssen_representatives": (c_int64, [c_int32, c_void_p, c_void_p, c_int64, c_double, c_void_p, c_void_p]),
    "ssen_map_difference": (None, [*[c_void_p, c_void_p, c_int64] * 2, *[c_void_p] * 4]),
    "ssen_map_union": (c_int64, [*[c_void_p, c_void_p, c_int64] * 2, *[c_void_p] * 5]),
    "ssen_map_summary": (c_int64, [c_void_p, c_void_p, c_int64, c_double, c_int64, *[c_void_p] * 3]),
}

Voxels = tuple[np.ndarray, np.ndarray, np.ndarray]  # (n,) int64 keys of those that are new, gone, changed


@cache
def library() -> CDLL | None:
    """The compiled library; None where it is missing, and `native.library` has said why."""
    return native.declared(_SIGNATURES)


def representatives(
    library: CDLL, points: np.ndarray, colors: np.ndarray, voxel_size: float
) -> tuple[np.ndarray, np.ndarray] | None:
    """Keys and ranks of the sub-cells of a cloud of one point or more; None if a point is out of reach.

    points (N, 3) float32 or float64, colors (N, 3) uint8. Raises MemoryError.
    """
    points, colors = np.ascontiguousarray(points), np.ascontiguousarray(colors)
    keys, ranks = _empty(len(points), 2)
    count = library.ssen_representatives(
        points.itemsize,
        address(points),
        address(colors),
        len(points),
        voxel_size,
        address(keys),
        address(ranks),
    )
    if count == -2:
        raise MemoryError(f"sorting {len(points)} points into voxels")
    return None if count < 0 else (keys[:count].copy(), ranks[:count].copy())


def difference(
    library: CDLL, before: tuple[np.ndarray, np.ndarray], after: tuple[np.ndarray, np.ndarray]
) -> Voxels:
    """The voxels that differ between two maps, each its sub-cells' keys and ranks."""
    n, m = len(before[0]), len(after[0])
    found, counts = [np.empty(size, np.int64) for size in (m, n, n)], np.empty(3, np.int64)
    library.ssen_map_difference(
        *map(address, before), n, *map(address, after), m, *map(address, found), address(counts)
    )
    return _cut(found, counts)


def union(
    library: CDLL, before: tuple[np.ndarray, np.ndarray], part: tuple[np.ndarray, np.ndarray]
) -> tuple[np.ndarray, np.ndarray, Voxels]:
    """Keys and ranks of a map and a part together, and what that changes."""
    n, m = len(before[0]), len(part[0])
    keys, ranks = _empty(n + m, 2)
    found, counts = [np.empty(size, np.int64) for size in (m, 0, m)], np.empty(3, np.int64)
    count = library.ssen_map_union(
        *map(address, before), n, *map(address, part), m, address(keys), address(ranks),
        address(found[0]), address(found[2]), address(counts),
    )  # fmt: skip
    return keys[:count], ranks[:count], _cut(found, counts)


def summary(
    library: CDLL, keys: np.ndarray, ranks: np.ndarray, voxels: int, voxel_size: float
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(V, 3) int32 indices, float32 points, uint8 colours of the map of so many voxels."""
    coords, points, colors = (np.empty((voxels, 3), kind) for kind in (np.int32, np.float32, np.uint8))
    library.ssen_map_summary(
        address(keys), address(ranks), len(keys), voxel_size, voxels, *map(address, (coords, points, colors))
    )
    return coords, points, colors


def _empty(size: int, count: int) -> tuple[np.ndarray, ...]:
    return tuple(np.empty(size, np.int64) for _ in range(count))


def _cut(found: list[np.ndarray], counts: np.ndarray) -> Voxels:
    new, gone, changed = (keys[:count].copy() for keys, count in zip(found, counts))
    return new, gone, changed
