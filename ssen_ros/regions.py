"""A network's answers over a growing map, computed anew only in the region that a change may reach.

The map is cut into tiles. A tile is dirty when more than a little of it is another than when the network last
answered for it: voxels that are new, gone, or changed for good. Answered anew are the dirty tiles and those
around them; the network is given some tiles more to every side, whose answers are thrown away. So what an
update costs follows the change, and the answers are nearly those of a whole pass: a network sees farther than
these tiles, but what lies there hardly counts. Only answers are kept, so any engine will do.

The constants were chosen on walks of the simulator (docs/results.md).
"""

from collections.abc import Callable
from dataclasses import dataclass
from itertools import product

import numpy as np

from ssen_ros import voxel_keys
from ssen_ros.features import TREMBLE_COLOR, TREMBLE_M, Anchor

TILE = 16  # voxels, the edge of a tile: that of the networks' coarsest voxels
DIRTY_SHARE = 0.03  # of a tile: from there on it is answered anew
MARGIN = 1  # tiles around the dirty ones that are answered anew with them
CONTEXT = 2  # tiles around those, which the network sees

_IN_TILE = sum((TILE - 1) << (axis * voxel_keys.AXIS_BITS) for axis in range(3))  # those bits of a key
_ALONG = voxel_keys.steps(np.eye(3, dtype=np.int64)) * TILE  # from a tile to the next, along each axis
_BESIDE = voxel_keys.steps(  # from a voxel to those that touch it, the nearest first
    np.array(sorted((s for s in product((-1, 0, 1), repeat=3) if any(s)), key=lambda s: sum(map(abs, s))))
)


@dataclass(frozen=True, eq=False)
class Voxels:
    """All that one network is to see."""

    keys: np.ndarray  # (n,) int64, ascending
    points: np.ndarray  # (n, 3) float32, m
    colors: np.ndarray  # (n, 3) uint8 RGB


@dataclass(frozen=True, eq=False)
class Answers:
    """What a network has answered for each voxel, and what it was shown there."""

    shown: Voxels  # the points are NaN where it has not seen the voxel, and a neighbour's answer stands in
    values: np.ndarray  # (n, C) float32
    gone: np.ndarray  # (k,) int64 keys that it was shown, and that are no more
    anchor: Anchor

    def __post_init__(self):
        self.values.flags.writeable = False  # who asks gets them as they are kept

    @property
    def nbytes(self) -> int:
        return sum(a.nbytes for a in (*vars(self.shown).values(), self.values, self.gone))


@dataclass(frozen=True, eq=False)
class Region:
    """What an update asks of a network."""

    anew: np.ndarray  # (n,) int64 ascending rows of the voxels that are answered anew
    seen: np.ndarray  # (m,) int64 ascending rows of those that the network is given
    lent: np.ndarray  # (l,) int64 rows of new voxels that take what was answered
    lender: np.ndarray  # (l,) int64 for these rows of the voxels before
    gone: np.ndarray  # (k,) int64 keys that lie in tiles which are not answered anew


def answer(
    known: Answers | None,
    voxels: Voxels,
    anchor: Anchor,
    run: Callable[[np.ndarray, Anchor], np.ndarray],
    whole_share: float = 1.0,
) -> tuple[Answers, int]:
    """The answers for these voxels, and for how many of them the network ran.

    Where nothing is known it answers for all of them, from this anchor, and so it does where it would be
    given more than `whole_share` of them; else it answers for the region that has changed, from the anchor of
    what is known. Nothing is written to what is known.

    Args:
        run: (m,) ascending rows of the voxels to (m, C) float32 answers of the network that sees these.
    """
    if known is not None and len(known.shown.keys):
        join = Join.of(known.shown.keys, voxels.keys)
        region = changed_region(known, voxels, join)
        if not len(region.anew) and np.array_equal(known.shown.keys, voxels.keys):
            return known, 0
        if len(region.seen) <= whole_share * len(voxels.keys):
            return _joined(known, voxels, join, region, run), len(region.seen)
    values = run(np.arange(len(voxels.keys)), anchor)
    return Answers(voxels, values, np.empty(0, np.int64), anchor), len(voxels.keys)


def _joined(known: Answers, voxels: Voxels, join: "Join", region: Region, run) -> Answers:
    points, colors, values = (
        join.carried(array) for array in (known.shown.points, known.shown.colors, known.values)
    )
    points[region.lent], values[region.lent] = np.nan, known.values[region.lender]
    if len(region.anew):
        found = run(region.seen, known.anchor)
        values[region.anew] = found[np.searchsorted(region.seen, region.anew)]
        points[region.anew], colors[region.anew] = voxels.points[region.anew], voxels.colors[region.anew]
    return Answers(Voxels(voxels.keys, points, colors), values, region.gone, known.anchor)


def changed_region(known: Answers, voxels: Voxels, join: "Join") -> Region:
    """Where the voxels differ from those that were answered for, and what lies around."""
    keys, before = voxels.keys, known.shown.keys
    new = join.new
    changed = _changed(known, voxels, join)
    were_seen = join.gone[~np.isnan(known.shown.points[join.gone, 0])]
    gone = np.concatenate([before[were_seen], known.gone[voxel_keys.find(keys, known.gone) < 0]])
    differing = np.concatenate([keys[changed], gone])
    tiles, count = np.unique(differing & ~_IN_TILE, return_counts=True)
    there = np.bincount(_number(tiles, keys[_inside(keys, tiles)]), minlength=len(tiles))
    there += np.bincount(_number(tiles, gone), minlength=len(tiles))
    is_dirty = count >= DIRTY_SHARE * there
    lent = new[~is_dirty[_number(tiles, keys[new])]]
    lender = _lenders(before, keys[lent])
    is_dirty[_number(tiles, keys[lent[lender < 0]])] = True
    dirty = tiles[is_dirty]
    answered = _grown(dirty, MARGIN)
    seen = _inside(keys, _grown(answered, CONTEXT))
    anew = seen[_number(answered, keys[seen]) >= 0]
    clean = _number(answered, keys[lent]) < 0
    return Region(anew, seen, lent[clean], lender[clean], gone[_number(answered, gone) < 0])


def _changed(known: Answers, voxels: Voxels, join: "Join") -> np.ndarray:
    """(k,) ascending rows of the voxels that the network has not seen as they are, but for trembling."""
    changed = [join.new]
    for begin, old in join.pieces:
        was = Voxels(*(array[old] for array in vars(known.shown).values()))
        now = Voxels(*(array[begin : begin + len(was.keys)] for array in vars(voxels).values()))
        other = (np.flatnonzero(a != b) // 3 for a, b in ((now.points, was.points), (now.colors, was.colors)))
        rows = np.unique(np.concatenate([*other]))
        offset = now.points[rows] - was.points[rows]
        recolored = np.abs(now.colors[rows].astype(np.int16) - was.colors[rows]) > TREMBLE_COLOR
        trembles = (np.einsum("ij,ij->i", offset, offset) <= TREMBLE_M**2) & ~recolored.any(axis=1)
        changed.append(begin + rows[~trembles])  # nothing compares with NaN
    return np.unique(np.concatenate(changed))


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
        middle = voxel_keys.find(old, now[head : len(now) - tail])
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

    def carried(self, array: np.ndarray) -> np.ndarray:
        """Of (n, …) values of the voxels before, those of the voxels now; any where a voxel is new."""
        return np.concatenate([array[rows] for _, rows in self.pieces])


def _same(a: np.ndarray, b: np.ndarray) -> int:
    """How many are equal at the beginning."""
    length = min(len(a), len(b))
    differs = a[:length] != b[:length]
    return int(differs.argmax()) if differs.any() else length


def _lenders(before: np.ndarray, keys: np.ndarray) -> np.ndarray:
    """(n,) rows of the voxels before that touch these keys; -1 where there are none."""
    lender = np.full(len(keys), -1, np.int64)
    for step in _BESIDE:
        alone = np.flatnonzero(lender < 0)
        lender[alone] = voxel_keys.find(before, keys[alone] + step)
    return lender


def _grown(tiles: np.ndarray, reach: int) -> np.ndarray:
    """(n,) int64 ascending keys of these tiles and those up to so many tiles away along the axes."""
    for step in _ALONG:
        tiles = np.unique(np.add.outer(tiles, step * np.arange(-reach, reach + 1)))
    return tiles


def _inside(keys: np.ndarray, tiles: np.ndarray) -> np.ndarray:
    """(n,) ascending rows of the ascending keys that lie in these ascending tiles."""
    if len(tiles) == 0:
        return np.empty(0, np.int64)
    begin, end = np.searchsorted(keys, [tiles[0], tiles[-1] + _ALONG[0]])  # all else lies elsewhere along x
    return begin + np.flatnonzero(_number(tiles, keys[begin:end]) >= 0)


def _number(tiles: np.ndarray, keys: np.ndarray) -> np.ndarray:
    """(n,) int64: which of these ascending tiles each key lies in; -1: in none."""
    return voxel_keys.find(tiles, keys & ~_IN_TILE)
