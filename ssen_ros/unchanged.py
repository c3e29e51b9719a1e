"""Which things a pass finds, to the bit, as the pass before found them: what was made of those holds."""

import numpy as np

from ssen_ros import voxel_keys, voxels_native
from ssen_ros.structures import Clustered, Described, Segmentation, VoxelSnapshot


def rows_before(
    before: Clustered | Described | None, snapshot: VoxelSnapshot, segmentation: Segmentation, place: bool
) -> np.ndarray:
    """(T,) int64: which of the things before is each of the things now; -1 where none is just as it.

    As it: the networks say the same of it, in both tasks, or if `place` in the semantic one, and its point is
    the same.
    """
    rows = segmentation.thing_rows
    if before is None:
        return np.full(len(rows), -1)
    old = before.segmentation
    found = voxel_keys.find(before.snapshot.keys[old.thing_rows], snapshot.keys[rows])
    in_map = np.append(old.thing_rows, -1)[found]
    same = same_rows(old.log_probabilities, in_map, segmentation.log_probabilities, rows)
    if place:
        same &= same_rows(before.snapshot.points, in_map, snapshot.points, rows)
    else:
        same &= same_rows(old.embeddings, found, segmentation.embeddings, np.arange(len(rows)))
    return np.where(same, found, -1)


def groups_before(group: np.ndarray, was: np.ndarray, before: np.ndarray) -> np.ndarray:
    """(K,) int64: which of the groups before each of K groups is, just as it was; -1: none.

    group: (n,) int32, of each row, -1: none; was: (n,) int32, its group before, -1: none, or the row is not
    just as it was; before: (m,) int32, of each row before.
    """
    size, size_before = (np.bincount(one + 1, minlength=1)[1:] for one in (group, before))
    found = np.full(len(size) + 1, -1)
    found[group] = was  # of any of its rows; the last is of those in none
    alike = np.bincount(group[(was >= 0) & (was == found[group])] + 1, minlength=len(found))[1:]
    same = (alike == size) & (np.append(size_before, -1)[found[:-1]] == size)
    return np.where(same, found[:-1], -1)


def same_rows(before: np.ndarray, row_before: np.ndarray, now: np.ndarray, row_now: np.ndarray) -> np.ndarray:
    """(n,) bool: the row of `now` (V, ...) is, to the bit, the row of `before` (U, ...); -1 is none.

    row_before, row_now: (n,) int64.
    """
    if before.dtype != now.dtype or before.shape[1:] != now.shape[1:]:
        return np.zeros(len(row_now), bool)
    if library := voxels_native.library():
        return voxels_native.same_rows(library, before, row_before, now, row_now)
    same = row_before >= 0
    old, new = (np.ascontiguousarray(a) for a in (before[row_before[same]], now[row_now[same]]))
    same[same] = (old.view(np.uint8) == new.view(np.uint8)).all(axis=1)
    return same
