"""What the passes over a map say together of each voxel, so that labels settle.

While the map grows, each pass sees more of it than those before, and a mean over passes would be worse than
the newest answer. So what is known of a voxel gives way to that as far as what lies around the voxel has
changed. The label is held where another class leads only a little: such changes are as often wrong as right.
The lead that is asked for falls to nothing as the surroundings change, and a voxel that has itself changed
takes the label that the networks give it.

What an update tells of a voxel depends on its object too, which may gain and lose it, or change its class. So
the label that was told stays until several passes in a row say otherwise (`tell`).

While the map stands still, passes in the quiet see it from further sides, and the mean over them is better
than any one of them: the paper's rotation averaging (Table II).

The constants were chosen on walks of the simulator (docs/results.md).
"""

from dataclasses import dataclass, replace
from itertools import product

import numpy as np

from ssen_ros import voxel_keys, voxels_native
from ssen_ros.features import TREMBLE_COLOR, TREMBLE_M
from ssen_ros.regions import Patched
from ssen_ros.structures import Evidence, VoxelSnapshot
from ssen_ros.voxel_keys import Join

TILE = 16  # voxels: surroundings are counted in cubes of this edge
REACH = 2  # tiles to every side that are a voxel's surroundings: nearly as far as the networks see
STALE_SHARE = 0.02  # of the surroundings: where more has changed, nothing is left of older answers
FREE_SHARE = 0.4  # of the surroundings: where more has changed meanwhile, no label is held

_LEAST = -1e4  # of a log-probability that is kept: float16 reaches no farther than -65504

_IN_TILE = sum((TILE - 1) << (axis * voxel_keys.AXIS_BITS) for axis in range(3))  # those bits of a key
_SIDE = range(-REACH * TILE, REACH * TILE + 1, TILE)
_AROUND = voxel_keys.steps(np.array([*product(_SIDE, repeat=3)]))


@dataclass(frozen=True)
class Fused:
    """What one more pass makes of it."""

    log_probabilities: np.ndarray  # (V, C), those of `evidence`; without it float32, of this pass
    label: np.ndarray  # (V,) int32
    pass_label: np.ndarray | Patched  # of this pass alone: `Segmentation.pass_label`
    evidence: Evidence | None  # for the next pass


def fuse(
    known: Evidence | None, snapshot: VoxelSnapshot, answer: np.ndarray | Patched, hold: float, sides: int
) -> Fused:
    """Join the (V, C) float32 log-probabilities of one pass to what was known.

    `hold`: by how much another class must lead, in log-probability, where nothing has changed; `sides`: after
    how many passes in the quiet the map has settled. With 0 and 0 nothing is fused.
    """
    keys = snapshot.keys
    if known is not None and (len(known.keys) == 0 or known.mean.shape[1] != answer.shape[1]):
        known = None
    if hold == sides == 0 or known is None or (known.quiet and np.array_equal(keys, known.keys)):
        answer = np.asarray(answer)
        pass_label = label = _likeliest(answer)
        if hold == sides == 0:
            return Fused(answer, label, label, None)
        mean, passes = _kept(answer if known is None else _mean(answer, known)), 0
        if known is not None:
            label, passes = mean.astype(np.float32).argmax(axis=1).astype(np.int16), known.passes + 1
        meanwhile, told = np.zeros(len(keys), np.float16), np.full(len(keys), -1, np.int16)
        doubts = np.zeros(len(keys), np.uint8)
    else:
        pass_label = answer if isinstance(answer, Patched) else _likeliest(answer)
        join = Join.of(known.keys, keys)
        changed, gone = _changed(known, join, snapshot), known.keys[join.gone]
        share = changed_share(keys, changed, gone)
        changed, touched = np.flatnonzero(changed), np.flatnonzero(share)
        passes = 0 if len(gone) or len(changed) else known.passes
        mean, label, meanwhile, told, doubts = map(
            join.carried, (known.mean, known.label, known.meanwhile, known.told, known.doubts)
        )
        told[changed], doubts[changed] = -1, 0
        mean[touched] = _aged(mean[touched], answer[touched], share[touched])
        label[touched], meanwhile[touched] = _held(
            mean[touched], label[touched], meanwhile[touched] + share[touched], hold
        )
    evidence = Evidence(
        keys, snapshot.points, snapshot.colors, mean, label.astype(np.int16, copy=False), meanwhile, told,
        doubts, passes, settled=passes >= sides,
    )  # fmt: skip
    return Fused(mean, label.astype(np.int32), pass_label, evidence)


def tell(evidence: Evidence, label: np.ndarray, at_once: np.ndarray, confirm: int) -> Evidence:
    """What an update tells, now that its pass and the objects say (V,) `label`.

    A label that was told of a voxel stays until so many passes in a row have said another, whichever: that of
    the last of them is told then. `at_once`: (V,) bool, where no pass is waited for.
    """
    doubts = evidence.doubts.astype(np.int16) + 1
    held = (evidence.told >= 0) & (evidence.told != label) & (doubts < confirm) & ~at_once
    told, doubts = np.where(held, evidence.told, label), np.where(held, doubts, 0)
    return replace(evidence, told=told.astype(np.int16), doubts=doubts.astype(np.uint8))


def told(evidence: Evidence, label: np.ndarray) -> np.ndarray:
    """(V,) int32: the label, but that which is held where there is one."""
    return np.where(evidence.doubts > 0, evidence.told, label).astype(np.int32)


def having_told(evidence: Evidence, label: np.ndarray, by_hand: np.ndarray | None) -> Evidence:
    """The same, now that these (V,) labels were told; those that are (V,) `by_hand` are not doubted."""
    doubts = evidence.doubts if by_hand is None else np.where(by_hand, np.uint8(0), evidence.doubts)
    return replace(evidence, told=label.astype(np.int16), doubts=doubts)


def corrected_since(evidence: Evidence | None, known: Evidence | None) -> Evidence | None:
    """Of the pass that is being made, with what was told since it began, by an update that `known` is of."""
    if evidence is None or known is None or evidence is known:
        return evidence
    row = voxel_keys.find(known.keys, evidence.keys)
    lasting = (row >= 0) & (evidence.told >= 0)
    return replace(
        evidence,
        told=np.where(lasting, known.told[row], evidence.told),
        doubts=np.where(lasting, known.doubts[row], evidence.doubts),
    )


def changed_share(keys: np.ndarray, changed: np.ndarray, gone: np.ndarray) -> np.ndarray:
    """(V,) float32: of what lies around each voxel, the share that is new, changed or gone.

    It is 1 where the voxel is so itself.

    Args:
        keys: (V,) int64, of the map.
        changed: (V,) bool, those of them that are new or changed.
        gone: (n,) int64 keys of voxels that are no more.
    """
    differing = np.append(keys[changed], gone)
    share = np.zeros(len(keys), np.float32)
    if not len(differing):
        return share
    near = _slab(keys, differing)
    tiles, tile = _tiles(np.append(keys[near], gone))
    differing = np.bincount(tile, np.append(changed[near], np.ones(len(gone))), len(tiles))
    there = np.bincount(tile, minlength=len(tiles))
    around = np.zeros((2, len(tiles)))
    for step in _AROUND:
        beside = voxel_keys.find(tiles, tiles + step)
        is_there = beside >= 0
        around[:, is_there] += differing[beside[is_there]], there[beside[is_there]]
    share[near] = (around[0] / around[1])[tile[: len(tile) - len(gone)]]
    share[changed] = 1.0
    return share


def _slab(keys: np.ndarray, differing: np.ndarray) -> slice:
    """The rows of all that lies around what lies around those that differ, and more: as far along x."""
    step = voxel_keys.steps(np.array([[(2 * REACH + 1) * TILE, 0, 0]]))[0]
    return slice(*np.searchsorted(keys, [differing.min() - step, differing.max() + step]))


def _tiles(keys: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The ascending keys of the tiles that hold these voxels, at least one; in which each of them lies."""
    tile = keys & ~_IN_TILE
    begin = np.flatnonzero(np.append(True, tile[1:] != tile[:-1]))  # a run is sorted as one
    tiles, of_run = np.unique(tile[begin], return_inverse=True)
    return tiles, np.repeat(of_run, np.diff(np.append(begin, len(tile))))


def _changed(known: Evidence, join: Join, snapshot: VoxelSnapshot) -> np.ndarray:
    """(V,) bool: the voxel is new, or its point or colour is another, but for trembling."""
    row = join.carried(np.arange(len(known.keys)))
    row[join.new] = -1
    now, before = (snapshot.points, snapshot.colors), (known.points, known.colors)
    if library := voxels_native.library():
        return voxels_native.changed(library, now, row, before, TREMBLE_M, TREMBLE_COLOR)
    changed = row < 0
    old = np.flatnonzero(~changed)
    offset = (snapshot.points[old] - known.points[row[old]]).astype(np.float64)
    recolored = np.abs(snapshot.colors[old].astype(np.int16) - known.colors[row[old]]) > TREMBLE_COLOR
    changed[old] = (np.einsum("ij,ij->i", offset, offset) > TREMBLE_M**2) | recolored.any(axis=1)
    return changed


def _mean(answer: np.ndarray, known: Evidence) -> np.ndarray:
    """Of this pass and those before it over the same map."""
    if known.passes == 0:
        return answer
    return _between(known.mean, answer, np.float32(1 / (known.passes + 1)))


def _aged(mean: np.ndarray, answer: np.ndarray, share: np.ndarray) -> np.ndarray:
    """(n, C) of this pass and what was known, which fades as its surroundings change; as it is kept."""
    weight = share[:, None] / np.float32(STALE_SHARE)
    fading = np.flatnonzero(weight < 1)
    answer[fading] = _between(mean[fading], answer[fading], weight[fading])
    return _kept(answer)


def _held(
    mean: np.ndarray, before: np.ndarray, around: np.ndarray, hold: float
) -> tuple[np.ndarray, np.ndarray]:
    """(n,) labels, which were those `before`, and how much has changed `around` those that are held."""
    answer = mean.astype(np.float32)
    best = answer.argmax(axis=1)
    lead = answer.max(axis=1, initial=-np.inf) - np.take_along_axis(answer, before[:, None], axis=1)[:, 0]
    held = (best != before) & (lead < hold * (1 - around / FREE_SHARE))
    return np.where(held, before, best), np.where(held, around, 0)


def _between(before: np.ndarray, after: np.ndarray, weight: np.ndarray | np.float32) -> np.ndarray:
    """(n, C) float32 logarithms of the mean of two probabilities, of which the second has this weight."""
    return np.logaddexp(before + np.log1p(-weight), after + np.log(weight))


def _likeliest(log_probabilities: np.ndarray) -> np.ndarray:
    """(V,) int32: the first of the likeliest of the (V, C) float32 classes."""
    if (library := voxels_native.library()) and log_probabilities.size:
        return voxels_native.likeliest(library, log_probabilities)
    return log_probabilities.argmax(axis=1).astype(np.int32)


def _kept(log_probabilities: np.ndarray) -> np.ndarray:
    return np.maximum(log_probabilities, np.float32(_LEAST)).astype(np.float16)
