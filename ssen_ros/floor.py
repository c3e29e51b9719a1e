"""Where the floor of a map lies, though stray points may lie below it, or it may not have been seen.

Depth cameras see reflections in glossy floors, and drift tears pieces of the map down: a percentile of z
follows them. A floor is told from them by what it is: a level surface of some area, with next to nothing that
stands upright below.
"""

import numpy as np

from ssen_ros.structures import Floor, VoxelSnapshot

STRAY_DEPTH = 0.15  # m below the floor; deeper, nothing is part of the map. A floor is not that uneven

_BLOCK = 0.2  # m, edge of the pieces that a level surface is made of, seen from above
_LAYER = 0.1  # m, their height; layers overlap by half
_FILLED = 0.45  # least share of a piece's columns: more than the foot of a wall, two voxels thick, has
_FLAT = 0.02  # m, largest standard deviation of z in a piece: a cloud of strays has 0.03
_LEAST_AREA = 0.1  # of the largest level surface of the map: less is a step, a reflected tabletop
_LEAST_BLOCKS = 4
_UPRIGHT = 5  # voxels above each other, as in walls and furniture; strays lie alone
_MOST_BELOW = 0.2  # of the upright voxels: more below a level surface, and it is no floor
_TREMBLE = 0.03  # m that a floor may seem to move as the map grows
_BOTTOM_PERCENTILE = 2.0  # of the upright voxels' z


def find_floor(snapshot: VoxelSnapshot) -> Floor:
    """The lowest level surface of some area, if what stands upright stands on it; else the lowest of that.

    An empty map has its floor at 0.
    """
    if len(snapshot) == 0:
        return Floor(0.0, False)
    z = snapshot.points[:, 2]
    run_start, run_length = _runs(snapshot.voxel_coords)
    upright = z[np.repeat(run_length >= _UPRIGHT, run_length)]
    level = _lowest_level(snapshot.points[run_start], snapshot.voxel_size)
    if level is not None:
        below = np.count_nonzero(upright < level - STRAY_DEPTH)
        if below <= _MOST_BELOW * len(upright):
            return Floor(level, True)
    standing = upright if len(upright) else z
    return Floor(float(np.percentile(standing, _BOTTOM_PERCENTILE)), False)


def steady(found: Floor, before: Floor | None) -> Floor:
    """The floor to go by: that of before while it only trembles, or is out of view.

    All features hang on it: where it moves by a hair, every voxel of the map is another.
    """
    if before is None or not before.seen:
        return found
    moved = found.seen and abs(found.height - before.height) > _TREMBLE
    return found if moved else before


def above_floor(snapshot: VoxelSnapshot, floor: Floor) -> np.ndarray:
    """(V,) bool: False for the strays below it."""
    return snapshot.points[:, 2] >= floor.height - STRAY_DEPTH


def _runs(voxel_coords: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """First rows and lengths of the runs of voxels that lie directly above each other; rows are sorted."""
    step = np.diff(voxel_coords, axis=0)
    goes_on = (step == (0, 0, 1)).all(axis=1)
    start = np.flatnonzero(np.concatenate([[True], ~goes_on]))
    return start, np.diff(start, append=len(voxel_coords))


def _lowest_level(points: np.ndarray, voxel_size: float) -> float | None:
    """z of the lowest surface made of enough pieces; of (n, 3) points at most one a run of voxels counts.

    The lowest point of a run stands for it, so that walls do not look like piles of floors.
    """
    least = _FILLED * (_BLOCK / voxel_size) ** 2
    levels: list[tuple[int, float]] = []  # how many pieces, and their mean z
    for shift in (0.0, 0.5):
        cells = np.floor(points / (_BLOCK, _BLOCK, _LAYER) + (0, 0, shift)).astype(np.int64)
        cells -= cells.min(axis=0)
        sizes = cells.max(axis=0) + 1
        piece = (cells[:, 0] * sizes[1] + cells[:, 1]) * sizes[2] + cells[:, 2]
        pieces, member, count = np.unique(piece, return_inverse=True, return_counts=True)
        z = points[:, 2].astype(np.float64)
        mean = np.bincount(member, weights=z) / count
        spread = np.sqrt(np.bincount(member, weights=(z - mean[member]) ** 2) / count)
        surface = (count >= least) & (spread <= _FLAT)
        layer = pieces % sizes[2]
        levels += [
            (int((surface & (layer == k)).sum()), float(mean[surface & (layer == k)].mean()))
            for k in np.unique(layer[surface])
        ]
    most = max((blocks for blocks, _ in levels), default=0)
    enough = [z for blocks, z in levels if blocks >= max(_LEAST_AREA * most, _LEAST_BLOCKS)]
    return min(enough, default=None)
