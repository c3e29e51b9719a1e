"""Values on voxels, averaged with those of the voxels around."""

from itertools import product

import numpy as np
from scipy.sparse import csr_array

from ssen_ros import voxel_keys

# Half of the steps to the 26 neighbours, those to greater keys; the others are the same pairs turned round.
STEPS_AHEAD = np.array([step for step in product((-1, 0, 1), repeat=3) if step > (0, 0, 0)])


def smooth(values: np.ndarray, voxel_coords: np.ndarray, weight: float) -> np.ndarray:
    """(n, d) float32: the means of the (n, d) values of each voxel and of those around it.

    A voxel's own values weigh 1, a neighbour's `weight` for each axis along which it differs: `weight` across
    a face, its square across an edge, its cube across a corner. With weight 0 the values are returned as they
    are.

    Args:
        voxel_coords: (n, 3) int32, unique, sorted by x, y, z, as those of a VoxelSnapshot.
    """
    if weight == 0 or len(values) == 0:
        return values
    keys = voxel_keys.pack(voxel_coords)
    steps = voxel_keys.steps(STEPS_AHEAD)
    rows = np.stack([voxel_keys.find(keys, keys + step) for step in steps], axis=1)
    there = rows >= 0
    weights = np.broadcast_to(np.float32(weight) ** np.abs(STEPS_AHEAD).sum(axis=1), rows.shape)
    ends = np.concatenate([[0], np.cumsum(there.sum(axis=1))])
    ahead = csr_array((weights[there].astype(np.float32), rows[there], ends), shape=(len(keys), len(keys)))
    behind = ahead.T
    one = np.ones(len(keys), dtype=np.float32)
    total = values + ahead @ values + behind @ values
    return total / (one + ahead @ one + behind @ one)[:, None]
