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
from ssen_ros.voxel_keys import Join

TILE = 8  # voxels, the edge of a tile: half of the networks' coarsest voxels
DIRTY_SHARE = 0.03  # of a tile: from there on it is answered anew
MARGIN = 1  # tiles around the dirty ones that are answered anew with them
CONTEXT = 2  # tiles around those, which the network sees
SPARE = 0.25  # of the rows that are kept of a map's answers, how many more may lie there that none asks for

_BLOCKS = 16  # in which they lie, at most

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
class Patched:
    """As an array (n, C) float32: rows of voxels, of which most are those that another such value has.

    These are not copied from one map to the next: what is new lies in a block of its own.
    """

    blocks: tuple[np.ndarray, ...]  # (., C) each, in the order in which they were added
    place: np.ndarray  # (n,) int32, of each row among those of all blocks

    @classmethod
    def of(cls, values: np.ndarray) -> "Patched":
        values.flags.writeable = False  # who asks gets them as they are kept
        return cls((values,), np.arange(len(values), dtype=np.int32))

    def __len__(self) -> int:
        return len(self.place)

    @property
    def shape(self) -> tuple[int, int]:
        return len(self.place), self.blocks[0].shape[1]

    @property
    def size(self) -> int:
        return self.shape[0] * self.shape[1]

    @property
    def nbytes(self) -> int:
        return sum(block.nbytes for block in self.blocks) + self.place.nbytes

    def __getitem__(self, rows: np.ndarray | slice) -> np.ndarray:
        place, first = self.place[rows], self.blocks[0]
        if len(first) == 0:
            found = np.empty((len(place), self.shape[1]), np.float32)
        else:
            found = first.take(place, axis=0, mode="clip")  # most lie there
        begin = len(first)
        for block in self.blocks[1:]:
            here = np.flatnonzero((place >= begin) & (place < begin + len(block)))
            found[here] = block[place[here] - begin]
            begin += len(block)
        return found

    def __array__(self, dtype: np.dtype | None = None, copy: bool | None = None) -> np.ndarray:
        first = self.blocks[0]
        lies_so = len(first) == len(self) and np.array_equal(self.place, np.arange(len(self)))
        found = first if lies_so else self[:]
        return found.astype(dtype or found.dtype, copy=bool(copy) and lies_so)

    def after(self, join: Join, lent: np.ndarray, lender: np.ndarray, anew: np.ndarray, values) -> "Patched":
        """The same of another map: the rows `anew` are these values, `lent` those that `lender` has here."""
        place, rows = join.carried(self.place), sum(map(len, self.blocks))
        place[lent] = self.place[lender]
        place[anew] = np.arange(rows, rows + len(anew))
        blocks = *self.blocks, values
        if len(blocks) > _BLOCKS:
            blocks = blocks[0], np.concatenate(blocks[1:])
        found = Patched(blocks, place)
        return found if rows + len(anew) <= (1 + SPARE) * len(place) else Patched.of(found[:])


@dataclass(frozen=True, eq=False)
class Answers:
    """What a network has answered for each voxel, and what it was shown there."""

    shown: Voxels  # the points are NaN where it has not seen the voxel, and a neighbour's answer stands in
    values: Patched  # (n, C)
    gone: np.ndarray  # (k,) int64 keys that it was shown, and that are no more
    anchor: Anchor

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
    return Answers(voxels, Patched.of(values), np.empty(0, np.int64), anchor), len(voxels.keys)


def _joined(known: Answers, voxels: Voxels, join: Join, region: Region, run) -> Answers:
    points, colors = (join.carried(array) for array in (known.shown.points, known.shown.colors))
    points[region.lent] = np.nan
    points[region.anew], colors[region.anew] = voxels.points[region.anew], voxels.colors[region.anew]
    found = known.values[:0]
    if len(region.anew):
        found = run(region.seen, known.anchor)[np.searchsorted(region.seen, region.anew)]
    values = known.values.after(join, region.lent, region.lender, region.anew, found)
    return Answers(Voxels(voxels.keys, points, colors), values, region.gone, known.anchor)


def changed_region(known: Answers, voxels: Voxels, join: Join) -> Region:
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
    seen = seen if len(anew) else anew  # where all has gone, there is nothing to answer
    clean = _number(answered, keys[lent]) < 0
    return Region(anew, seen, lent[clean], lender[clean], gone[_number(answered, gone) < 0])


def _changed(known: Answers, voxels: Voxels, join: Join) -> np.ndarray:
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
