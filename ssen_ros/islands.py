"""The things of a wide map fall into islands: sets that lie apart, each of which is clustered by itself.

Networks that see some metres cannot tell the chairs of two rooms apart, and what an update changes in one
room is no reason to cluster the others anew.
"""

import numpy as np
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from ssen_ros import voxel_keys, voxels_native
from ssen_ros.smoothing import STEPS_AHEAD

WIDE_M = 8.0  # along x or y: what is wider is parted
# At gaps as wide as possible: of one empty cell of such an edge, or two.
CELLS_M = (4.0, 2.0, 1.0, 0.5, 0.25, 0.125)


def islands(voxel_coords: np.ndarray, voxel_size: float) -> list[np.ndarray]:
    """The (n,) int64 ascending rows of each island of (T, 3) voxels, in the order of their first rows.

    Things no wider than WIDE_M are one island, and so are those that no gap parts. Neighbouring voxels are
    always in one. The voxels are sorted by x, y, z.
    """
    rows = np.arange(len(voxel_coords))
    found = _parted(voxel_coords, np.ascontiguousarray(voxel_coords[:, 1]), rows, voxel_size, CELLS_M)
    return sorted(found, key=lambda island: island[0])


def _parted(
    coords: np.ndarray, y: np.ndarray, rows: np.ndarray, voxel_size: float, cells_m: tuple[float, ...]
) -> list[np.ndarray]:
    if not len(rows):
        return []
    wide = max(coords[rows[-1], 0] - coords[rows[0], 0], np.ptp(y[rows]))
    if not cells_m or wide * voxel_size <= WIDE_M:
        return [rows]
    parts = _together(coords, rows, max(1, round(cells_m[0] / voxel_size)))
    return [island for part in parts for island in _parted(coords, y, part, voxel_size, cells_m[1:])]


def _together(coords: np.ndarray, rows: np.ndarray, edge: int) -> list[np.ndarray]:
    """The rows by the group of cells of so many voxels that they lie in; cells that touch are in one."""
    steps = voxel_keys.steps(STEPS_AHEAD)
    if library := voxels_native.library():
        group = voxels_native.cell_groups(library, coords, rows, edge, steps)
    else:
        cells, of_row = np.unique(voxel_keys.pack(coords[rows] // edge), return_inverse=True)
        ahead = np.stack([voxel_keys.find(cells, cells + step) for step in steps], axis=1)
        one, step = np.nonzero(ahead >= 0)
        pairs = (one, ahead[one, step])
        graph = coo_array((np.ones(len(one), bool), pairs), shape=(len(cells), len(cells)))
        group = connected_components(graph, directed=False)[1][of_row]
    return voxel_keys.grouped(rows, group)
