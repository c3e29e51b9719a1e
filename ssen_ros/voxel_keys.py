"""Voxel indices as single sorted integers, so that sets of voxels are joined by search in order."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from ssen_ros import voxels_native

AXIS_BITS = 20
AXIS_LIMIT = 1 << (AXIS_BITS - 1)  # indices lie in [-AXIS_LIMIT, AXIS_LIMIT): +-21 km at 4 cm

_AXIS_MASK = (1 << AXIS_BITS) - 1


def pack(voxel_coords: np.ndarray) -> np.ndarray:
    """(n,) int64 keys of (n, 3) integer voxel indices; keys are ordered as (x, y, z) are.

    Raises ValueError for an index outside [-AXIS_LIMIT, AXIS_LIMIT).
    """
    coords = np.asarray(voxel_coords)
    if coords.ndim != 2 or coords.shape[1] != 3:
        raise ValueError(f"voxel_coords has shape {coords.shape}, expected (n, 3)")
    if len(coords) and (coords.min() < -AXIS_LIMIT or coords.max() >= AXIS_LIMIT):
        raise ValueError(
            f"voxel indices from {coords.min()} to {coords.max()}: expected [{-AXIS_LIMIT}, {AXIS_LIMIT}); "
            "use a larger voxel_size or a map frame nearer to the points"
        )
    key = np.zeros(len(coords), np.int64)
    for axis in coords.T:
        key <<= AXIS_BITS
        key += axis.astype(np.int64, copy=False)  # in float64, keys would lose their last bits
        key += AXIS_LIMIT
    return key


def steps(offsets: np.ndarray) -> np.ndarray:
    """(n,) int64: what is added to a voxel's key for that of the voxel (n, 3) indices further."""
    return pack(offsets) - pack(np.zeros((1, 3), np.int64))


def unpack(keys: np.ndarray) -> np.ndarray:
    """(n, 3) int32 voxel indices of (n,) int64 keys: the inverse of `pack`."""
    axes = (keys >> 2 * AXIS_BITS, (keys >> AXIS_BITS) & _AXIS_MASK, keys & _AXIS_MASK)
    return (np.stack(axes, axis=1) - AXIS_LIMIT).astype(np.int32)


def find(sorted_keys: np.ndarray, wanted: np.ndarray) -> np.ndarray:
    """(n,) int64 positions of the (n,) wanted keys in ascending, unique keys; -1 where absent.

    Fastest where the wanted keys ascend, too.
    """
    if library := voxels_native.library():
        return voxels_native.find(library, sorted_keys, wanted)
    if len(sorted_keys) == 0:
        return np.full(len(wanted), -1, dtype=np.int64)
    position = np.searchsorted(sorted_keys, wanted)
    position[position == len(sorted_keys)] = 0  # beyond the last: any place, the next line rejects it
    return np.where(sorted_keys[position] == wanted, position, -1)


def find_each(sorted_keys: np.ndarray, sets: Sequence[np.ndarray]) -> list[np.ndarray]:
    """`find` for each of several (n,) int64 sets of keys."""
    rows = find(sorted_keys, _joined(sets))
    ends = np.cumsum([0, *map(len, sets)])
    return [rows[begin:end] for begin, end in pairwise(ends)]


def owner(sorted_keys: np.ndarray, sets: Sequence[np.ndarray]) -> np.ndarray:
    """(n,) int32: the last of several sets of keys that has each of (n,) ascending keys; -1: none has."""
    found = np.full(len(sorted_keys), -1, np.int32)
    row, number = find(sorted_keys, _joined(sets)), _numbers(sets)
    found[row[row >= 0]] = number[row >= 0]  # where several have it, the last one stays
    return found


def present(sorted_keys: np.ndarray, sets: Sequence[np.ndarray]) -> np.ndarray:
    """(len(sets),) int64: how many of the keys of each of several sets are among these ascending keys."""
    return np.bincount(_numbers(sets)[find(sorted_keys, _joined(sets)) >= 0], minlength=len(sets))


def _joined(sets: Sequence[np.ndarray]) -> np.ndarray:
    return np.concatenate([np.empty(0, np.int64), *sets])


def _numbers(sets: Sequence[np.ndarray]) -> np.ndarray:
    """(n,) int32: of which set each key of all of them is."""
    return np.repeat(np.arange(len(sets), dtype=np.int32), [len(one) for one in sets])


def in_order(group: np.ndarray) -> np.ndarray:
    """(n,) int64: the rows of (n,) integers in ascending order, equals as they come."""
    if len(group) and 0 <= group.min() and group.max() < 1 << 16:
        group = group.astype(np.uint16)  # numpy sorts these in two rounds
    return np.argsort(group, kind="stable")


def grouped(rows: np.ndarray, group: np.ndarray) -> list[np.ndarray]:
    """The (n,) rows of each group that there is, in the order of the (n,) integer groups."""
    if len(rows) == 0 or (group[0] == group).all():
        return [rows] if len(rows) else []
    order = in_order(group)
    return np.split(rows[order], np.flatnonzero(np.diff(group[order])) + 1)


@dataclass(frozen=True, eq=False)
class Join:
    """Where the voxels of a map lie among those that it had before.

    Most changes lie in one place, before and after which, in the order of the keys, all is the same.
    """

    head: int  # so many at the beginning are the same
    middle: np.ndarray  # (k,) rows of those after them among the voxels before; -1: it is new
    tail: slice  # of the voxels before: the rest, at the end of both
    gone: np.ndarray  # (n,) rows of the voxels before that are no more

    @classmethod
    def of(cls, before: np.ndarray, now: np.ndarray) -> "Join":
        """Both are (n,) int64 ascending keys."""
        head = _same(before, now)
        tail = _same(before[head:][::-1], now[head:][::-1])
        old = before[head : len(before) - tail]
        middle = find(old, now[head : len(now) - tail])
        gone = np.delete(np.arange(len(old)), middle[middle >= 0])
        tail_rows = slice(len(before) - tail, len(before))
        return cls(head, np.where(middle < 0, -1, middle + head), tail_rows, gone + head)

    @property
    def new(self) -> np.ndarray:
        """(k,) rows of the voxels that were not in the map before."""
        return self.head + np.flatnonzero(self.middle < 0)

    @property
    def pieces(self) -> list[tuple[int, slice | np.ndarray]]:
        """The first row of each piece of the voxels now, and its voxels' rows before; any for new ones."""
        behind = self.head + len(self.middle)
        return [(0, slice(0, self.head)), (self.head, self.middle), (behind, self.tail)]

    @property
    def rows(self) -> np.ndarray:
        """(V,) int64 rows of the voxels now among those before; -1: it is new."""
        tail = np.arange(self.tail.start, self.tail.stop)
        return np.concatenate([np.arange(self.head), self.middle, tail])

    def carried(self, array: np.ndarray) -> np.ndarray:
        """Of (n, …) values of the voxels before, those of the voxels now; any where a voxel is new."""
        return np.concatenate([array[rows] for _, rows in self.pieces])


def _same(a: np.ndarray, b: np.ndarray) -> int:
    """How many are equal at the beginning."""
    length = min(len(a), len(b))
    differs = a[:length] != b[:length]
    return int(differs.argmax()) if differs.any() else length
