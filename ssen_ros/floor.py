"""Where the floor of a map lies, though stray points may lie below it, or it may not have been seen.

Depth cameras see reflections in glossy floors, and drift tears pieces of the map down: a percentile of z
follows them. A floor is told from them by what it is: a level surface of some area, on which stands what
reaches down so far.
"""

import numpy as np

from ssen_ros.structures import Floor, VoxelSnapshot

STRAY_DEPTH = 0.15  # m below the floor; deeper, nothing is part of the map. A floor is not that uneven

_BLOCK = 0.2  # m, edge of the pieces that a level surface is made of, seen from above
_LAYER = 0.1  # m, their height; layers overlap by half
_FILLED = 0.25  # least share of a piece's columns; of points every 7 cm, voxels of 4 cm are filled by a third
_FLAT = 0.02  # m, largest standard deviation of z in a piece: a cloud of strays has 0.03
_LEAST_AREA = 0.1  # of the largest level surface of the map: less is a step, a reflected tabletop
_LEAST_BLOCKS = 4
_GAP = 0.08  # m, longest hole in what goes on upwards in a column of voxels
_UPRIGHT = 5  # voxels above each other, as in walls and furniture; strays lie alone
_FOOT = 0.06  # m, how far from the floor the feet of what stands on it may seem to lie
_STANDING = 0.8  # least share of what reaches down to a level surface that stands on it, if it is a floor
_TREMBLE = 0.03  # m that a floor may seem to move as the map grows
_BOTTOM_PERCENTILE = 2.0  # of the upright voxels' z
_CELLS = 16  # a voxel: numbering of the pieces by table; in maps wider than that, by sorting


def find_floor(snapshot: VoxelSnapshot) -> Floor:
    """The lowest level surface of some area that things stand on; else the lowest of what stands upright.

    A surface ends at its top: where columns of voxels go on upwards, it is the foot of a wall, or the edge
    along which a map was cut off. What reaches down to a floor, or below it, has floor beside its foot;
    around a tabletop walls go down to where no tabletop is. An empty map has its floor at 0.
    """
    if len(snapshot) == 0:
        return Floor(0.0, False)
    z = snapshot.points[:, 2]
    start, length, is_upright = _columns(snapshot)
    place, width = _places(snapshot.points[start])
    surfaces = start[~is_upright]
    levels, piece_z, piece_place = _levels(z[surfaces], place[~is_upright], snapshot.voxel_size)
    foot, top, foot_place = z[start[is_upright]], z[(start + length - 1)[is_upright]], place[is_upright]
    for level in levels:
        meets = (foot <= level + _FOOT) & (top >= level - _FOOT)
        beside = _around(piece_place[np.abs(piece_z - level) <= _LAYER], width)
        stands = np.isin(foot_place[meets], beside) & (foot[meets] >= level - _FOOT)
        if level <= levels[0] + _LAYER and np.count_nonzero(stands) >= _STANDING * len(stands):
            return Floor(level, True)
    upright = z[np.repeat(is_upright, length)]
    return Floor(float(np.percentile(upright if len(upright) else z, _BOTTOM_PERCENTILE)), False)


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


def _columns(snapshot: VoxelSnapshot) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Of the voxels above each other without a gap: first rows, how many, and whether they stand upright."""
    # From one column to the next a key grows by more than from one voxel to the next, in maps less than
    # AXIS_LIMIT voxels high.
    ends = np.diff(snapshot.keys) > int(1 + _GAP / snapshot.voxel_size)
    start = np.flatnonzero(np.append(True, ends))
    length = np.diff(start, append=len(snapshot))
    return start, length, length >= _UPRIGHT


def _places(points: np.ndarray) -> tuple[np.ndarray, int]:
    """(n,) int64 number of the square of _BLOCK that a point lies in, seen from above; how many make a row.

    All around, one square is free.
    """
    x, y = np.floor(points[:, :2].T / _BLOCK).astype(np.int64)
    width = int(np.ptp(y)) + 3
    return (x - x.min() + 1) * width + (y - y.min() + 1), width


def _around(places: np.ndarray, width: int) -> np.ndarray:
    """The squares and those that touch them."""
    sides = np.add.outer((-width, 0, width), (-1, 0, 1)).ravel()
    return np.add.outer(places, sides).ravel()


def _levels(
    z: np.ndarray, place: np.ndarray, voxel_size: float
) -> tuple[list[float], np.ndarray, np.ndarray]:
    """Heights of the level surfaces of enough pieces, ascending, m; and z and squares of all level pieces.

    z (n,) and place (n,) are of the points of surfaces, at most one a column of voxels.
    """
    least = _FILLED * (_BLOCK / voxel_size) ** 2
    levels, heights, squares = [], [np.empty(0)], [np.empty(0, np.int64)]
    for shift in (0.0, 0.5) if len(z) else ():
        layer = np.floor(z / _LAYER + shift).astype(np.int64)
        lowest, layers = layer.min(), int(np.ptp(layer)) + 1
        pieces, member = _numbered(place * layers + (layer - lowest))
        count = np.bincount(member)
        inside = z - layer * _LAYER  # small: its square keeps its digits
        mean = np.bincount(member, inside) / count
        variance = np.bincount(member, inside**2) / count - mean**2
        level = (count >= least) & (variance <= _FLAT**2)
        square, layer = np.divmod(pieces[level], layers)
        height = mean[level] + (layer + lowest) * _LAYER
        levels += [(np.count_nonzero(layer == k), float(height[layer == k].mean())) for k in np.unique(layer)]
        heights.append(height)
        squares.append(square)
    enough = max(_LEAST_AREA * max((count for count, _ in levels), default=0), _LEAST_BLOCKS)
    high_enough = sorted(height for count, height in levels if count >= enough)
    return high_enough, np.concatenate(heights), np.concatenate(squares)


def _numbered(keys: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """As np.unique with return_inverse, of (n,) keys >= 0; by a table of bounded size where dense."""
    size = int(keys.max()) + 1
    if size > _CELLS * len(keys) + 65536:
        return np.unique(keys, return_inverse=True)
    number = np.zeros(size, np.int32)
    number[keys] = 1
    unique = np.flatnonzero(number)
    number[unique] = np.arange(len(unique), dtype=np.int32)
    return unique, number[keys]
