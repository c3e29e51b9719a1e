"""Where the floor of a map lies, though stray points may lie below it, or it may not have been seen.

Depth cameras see reflections in glossy floors, and drift tears pieces of the map down: a percentile of z
follows them. A floor is told from them by what it is: a level surface of some area, on which stands what
reaches down so far.
"""

from collections.abc import Collection
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import pairwise

import numpy as np

from ssen_ros.structures import Floor, VoxelSnapshot

STRAY_DEPTH = 0.15  # m below the floor; deeper, nothing is part of the map. A floor is not that uneven

_BLOCK = 0.2  # m, about: edge of the squares of voxels, seen from above, in whose layers the level pieces lie
_LAYER = 0.1  # m, their height; layers overlap by half
_SLAB = 16  # squares along x of what is looked at anew where anything in it has changed
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
    return Ground.of(snapshot).floor


@dataclass(frozen=True, eq=False)
class Slab:
    """Some rows of a map, and what they say of its floor: what stands upright there, and what is level."""

    rows: slice
    foot: np.ndarray  # (n,) float32, z of the lowest voxel of each upright column, m, and
    top: np.ndarray  # (n,) float32, of the highest
    square: np.ndarray  # (n, 2) int32, the square that it stands in, seen from above
    # By layers from multiples of _LAYER on, and by those from half of one on: of each level piece the layer,
    # the z, m, and the square.
    level: tuple[tuple[np.ndarray, np.ndarray, np.ndarray], ...]


@dataclass(frozen=True, eq=False)
class Ground:
    """A map, cut along x, and what its slabs say; those of the map before that are the same are not read."""

    snapshot: VoxelSnapshot
    slabs: dict[int, Slab]  # by number along x, ascending

    @classmethod
    def of(cls, snapshot: VoxelSnapshot, before: "Ground | None" = None) -> "Ground":
        if before is not None and before.snapshot.voxel_size != snapshot.voxel_size:
            before = None
        slabs = {}
        for number, rows in _cut(snapshot).items():
            known = before and before._same(number, snapshot, rows)
            slabs[number] = known or _slab(snapshot, rows)
        return cls(snapshot, slabs)

    def _same(self, number: int, snapshot: VoxelSnapshot, rows: slice) -> Slab | None:
        """The slab of these rows of another map, if it is the same here."""
        slab = self.slabs.get(number)
        if slab is None:
            return None
        same = (
            np.array_equal(getattr(snapshot, name)[rows], getattr(self.snapshot, name)[slab.rows])
            for name in ("keys", "points")
        )
        return replace(slab, rows=rows) if all(same) else None

    @cached_property
    def floor(self) -> Floor:
        if len(self.snapshot) == 0:
            return Floor(0.0, False)
        slabs = self.slabs.values()
        foot, top, square = (
            np.concatenate([getattr(s, n) for s in slabs]) for n in ("foot", "top", "square")
        )
        levels, piece_z, piece_square = _levels(slabs)
        place, width = _places(np.concatenate([square, piece_square]))
        foot_place, piece_place = np.split(place, [len(square)])
        for level in levels:
            meets = (foot <= level + _FOOT) & (top >= level - _FOOT)
            beside = _around(piece_place[np.abs(piece_z - level) <= _LAYER], width)
            stands = np.isin(foot_place[meets], beside) & (foot[meets] >= level - _FOOT)
            if level <= levels[0] + _LAYER and np.count_nonzero(stands) >= _STANDING * len(stands):
                return Floor(level, True)
        z, (_, length, is_upright) = self.snapshot.points[:, 2], _columns(self.snapshot, slice(None))
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


def _cut(snapshot: VoxelSnapshot) -> dict[int, slice]:
    """The rows of each slab that is not empty, by its number along x."""
    if len(snapshot) == 0:
        return {}
    x, edge = snapshot.voxel_coords[:, 0], _SLAB * _edge(snapshot.voxel_size)
    first, last = int(x[0] // edge), int(x[-1] // edge)
    ends = np.searchsorted(x, np.arange(first, last + 2) * edge).tolist()
    return {first + k: slice(*rows) for k, rows in enumerate(pairwise(ends)) if rows[0] < rows[1]}


def _edge(voxel_size: float) -> int:
    """Voxels along the edge of a square."""
    return max(1, round(_BLOCK / voxel_size))


def _slab(snapshot: VoxelSnapshot, rows: slice) -> Slab:
    start, length, is_upright = _columns(snapshot, rows)
    z, square = snapshot.points[rows, 2], snapshot.voxel_coords[rows][start, :2] // _edge(snapshot.voxel_size)
    surfaces, least = z[start[~is_upright]], _FILLED * _edge(snapshot.voxel_size) ** 2
    level = tuple(_level_pieces(surfaces, square[~is_upright], least, shift) for shift in (0.0, 0.5))
    return Slab(rows, z[start[is_upright]], z[(start + length - 1)[is_upright]], square[is_upright], level)


def _columns(snapshot: VoxelSnapshot, rows: slice) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Of the voxels above each other without a gap: first rows, how many, and whether they stand upright."""
    # From one column to the next a key grows by more than from one voxel to the next, in maps less than
    # AXIS_LIMIT voxels high.
    keys = snapshot.keys[rows]
    ends = np.diff(keys) > int(1 + _GAP / snapshot.voxel_size)
    start = np.flatnonzero(np.append(True, ends))
    length = np.diff(start, append=len(keys))
    return start, length, length >= _UPRIGHT


def _level_pieces(
    z: np.ndarray, square: np.ndarray, least: float, shift: float
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Layers, z and squares of the level pieces of so many points.

    z (n,) and square (n, 2) are of the points of surfaces, at most one a column of voxels.
    """
    layer = np.floor(z / _LAYER + shift).astype(np.int64)
    if len(z) == 0:
        return layer, z.astype(np.float64), square
    place, lowest = _places(square)[0], layer.min()
    pieces, member = _numbered(place * (int(np.ptp(layer)) + 1) + (layer - lowest))
    count = np.bincount(member)
    inside = z - layer * _LAYER  # small: its square keeps its digits
    mean = np.bincount(member, inside) / count
    variance = np.bincount(member, inside**2) / count - mean**2
    level = (count >= least) & (variance <= _FLAT**2)
    one = np.empty(len(pieces), np.int64)  # of the rows of each
    one[member] = np.arange(len(member))
    layer, square = layer[one[level]], square[one[level]]
    return layer, mean[level] + layer * _LAYER, square


def _levels(slabs: Collection[Slab]) -> tuple[list[float], np.ndarray, np.ndarray]:
    """Heights of the level surfaces of enough pieces, ascending, m; and z and squares of all level pieces."""
    levels, heights, squares = [], [], []
    for shifted in zip(*(slab.level for slab in slabs)):
        layer, height, square = map(np.concatenate, zip(*shifted))
        levels += [(np.count_nonzero(layer == k), float(height[layer == k].mean())) for k in np.unique(layer)]
        heights.append(height)
        squares.append(square)
    enough = max(_LEAST_AREA * max((count for count, _ in levels), default=0), _LEAST_BLOCKS)
    high_enough = sorted(height for count, height in levels if count >= enough)
    return high_enough, np.concatenate(heights), np.concatenate(squares)


def _places(squares: np.ndarray) -> tuple[np.ndarray, int]:
    """(n,) int64 number of each of (n, 2) squares, from 1 or more; how many make a row.

    All around, one square is free.
    """
    x, y = squares.T.astype(np.int64)
    if len(x) == 0:
        return x, 3
    width = int(np.ptp(y)) + 3
    return (x - x.min() + 1) * width + (y - y.min() + 1), width


def _around(places: np.ndarray, width: int) -> np.ndarray:
    """The squares and those that touch them."""
    sides = np.add.outer((-width, 0, width), (-1, 0, 1)).ravel()
    return np.add.outer(places, sides).ravel()


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
