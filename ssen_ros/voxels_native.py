"""The arithmetic of `voxel_map` and `voxel_keys` by the compiled library, many times faster."""

from ctypes import CDLL, c_double, c_int32, c_int64, c_void_p
from functools import cache

import numpy as np

from ssen_ros import native
from ssen_ros.native import address

_SIGNATURES = {
    "ssen_representatives": (c_int64, [c_int32, c_void_p, c_void_p, c_int64, c_double, c_void_p, c_void_p]),
    "ssen_map_difference": (None, [*[c_void_p, c_void_p, c_int64] * 2, *[c_void_p] * 4]),
    "ssen_map_union": (c_int64, [*[c_void_p, c_void_p, c_int64] * 2, *[c_void_p] * 5]),
    "ssen_find": (None, [c_void_p, c_int64, c_void_p, c_int64, c_void_p]),
    "ssen_changed": (
        None,
        [c_void_p, c_void_p, c_void_p, c_int64, c_void_p, c_void_p, c_double, c_int32, c_void_p],
    ),
    "ssen_likeliest": (None, [c_void_p, c_int64, c_int32, c_void_p]),
    "ssen_same_rows": (None, [*[c_void_p] * 4, c_int64, c_int64, c_void_p]),
    "ssen_cell_groups": (c_int32, [c_void_p, c_void_p, c_int64, c_int32, c_void_p, c_int32, c_void_p]),
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


def find(library: CDLL, sorted_keys: np.ndarray, wanted: np.ndarray) -> np.ndarray:
    """As `voxel_keys.find`."""
    keys, wanted = (np.ascontiguousarray(one, np.int64) for one in (sorted_keys, wanted))
    rows = np.empty(len(wanted), np.int64)
    library.ssen_find(address(keys), len(keys), address(wanted), len(wanted), address(rows))
    return rows


def changed(
    library: CDLL,
    now: tuple[np.ndarray, np.ndarray],
    row: np.ndarray,
    before: tuple[np.ndarray, np.ndarray],
    tremble_m: float,
    tremble_color: int,
) -> np.ndarray:
    """(V,) bool: the voxel has no row in the map before, or its point or colour differs by more than given.

    `now` and `before`: (n, 3) float32 points and (n, 3) uint8 colours of each map.
    """
    arrays = [np.ascontiguousarray(array) for array in (*now, row, *before)]
    found = np.empty(len(row), bool)
    points, colors, rows, *known = map(address, arrays)
    library.ssen_changed(points, colors, rows, len(row), *known, tremble_m, tremble_color, address(found))
    return found


def likeliest(library: CDLL, values: np.ndarray) -> np.ndarray:
    """(V,) int32: the first column with the largest of each row of (V, C) float32 values, C from 1 on."""
    values = np.ascontiguousarray(values, np.float32)
    column = np.empty(len(values), np.int32)
    library.ssen_likeliest(address(values), *values.shape, address(column))
    return column


def same_rows(
    library: CDLL, before: np.ndarray, row_before: np.ndarray, now: np.ndarray, row_now: np.ndarray
) -> np.ndarray:
    """As `unchanged.same_rows`."""
    before, now = np.ascontiguousarray(before), np.ascontiguousarray(now)
    found, width = np.empty(len(row_now), bool), now.strides[0]
    library.ssen_same_rows(
        address(before),
        address(row_before),
        address(now),
        address(row_now),
        len(row_now),
        width,
        address(found),
    )
    return found


def cell_groups(
    library: CDLL, coords: np.ndarray, rows: np.ndarray, edge: int, steps: np.ndarray
) -> np.ndarray:
    """(n,) int32 group, from 0, of each of the rows: those whose cells of such an edge touch are in one.

    coords (V, 3) int32; steps (k,) int64, from a cell's key to its neighbours'. Raises MemoryError.
    """
    coords, group = np.ascontiguousarray(coords, np.int32), np.empty(len(rows), np.int32)
    count = library.ssen_cell_groups(
        address(coords), address(rows), len(rows), edge, address(steps), len(steps), address(group)
    )
    if count < 0:
        raise MemoryError(f"finding which of {len(rows)} voxels lie together")
    return group


def _empty(size: int, count: int) -> tuple[np.ndarray, ...]:
    return tuple(np.empty(size, np.int64) for _ in range(count))


def _cut(found: list[np.ndarray], counts: np.ndarray) -> Voxels:
    new, gone, changed = (keys[:count].copy() for keys, count in zip(found, counts))
    return new, gone, changed
