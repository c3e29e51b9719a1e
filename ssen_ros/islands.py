"""The things of a map fall into islands: sets that lie so far apart that no object is in two of them."""

import numpy as np
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from ssen_ros import voxel_keys
from ssen_ros.smoothing import STEPS_AHEAD

CELL_M = 0.5  # things half as far apart as this times four, 1 m along an axis, are apart; 0.5 m, together
WIDE_M = 6.0  # of an island along x or y: a wider one is parted at narrower gaps
NARROWEST_M = 0.125


def islands(voxel_coords: np.ndarray, voxel_size: float) -> list[np.ndarray]:
    """The (n,) int64 ascending rows of each island of (T, 3) voxels, in the order of their first rows.

    Voxels are together where they are in one cell of CELL_M, or in cells that touch, directly or by way of
    others. Half as large are the cells that part an island of more than WIDE_M, as far as NARROWEST_M.
    """
    rows = np.arange(len(voxel_coords))
    found = _parted(voxel_coords, rows, voxel_size, CELL_M)
    return sorted(found, key=lambda island: island[0])


def _parted(coords: np.ndarray, rows: np.ndarray, voxel_size: float, cell_m: float) -> list[np.ndarray]:
    if not len(rows):
        return []
    found = []
    for island in _together(coords, rows, max(1, round(cell_m / voxel_size))):
        extent = np.ptp(coords[island, :2], axis=0).max() * voxel_size
        if extent > WIDE_M and cell_m / 2 >= NARROWEST_M:
            found += _parted(coords, island, voxel_size, cell_m / 2)
        else:
            found.append(island)
    return found


def _together(coords: np.ndarray, rows: np.ndarray, edge: int) -> list[np.ndarray]:
    cells, of_row = np.unique(voxel_keys.pack(coords[rows] // edge), return_inverse=True)
    steps = voxel_keys.pack(STEPS_AHEAD) - voxel_keys.pack(np.zeros((1, 3), dtype=int))
    ahead = np.stack([voxel_keys.find(cells, cells + step) for step in steps], axis=1)
    one, step = np.nonzero(ahead >= 0)
    graph = coo_array((np.ones(len(one), bool), (one, ahead[one, step])), shape=(len(cells), len(cells)))
    island = connected_components(graph, directed=False)[1][of_row]
    order = np.argsort(island, kind="stable")
    return np.split(rows[order], np.flatnonzero(np.diff(island[order])) + 1)
