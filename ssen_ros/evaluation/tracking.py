"""How steady a growing map's answers are, counted as trackers are. Pure functions of arrays.

A walk of T updates with G true objects is one array `carried` (T, G): the id that each object has in each
update, NOT_FOUND where it has none, ABSENT where it is not in the map.

- An object is found under the id that overlaps it with an IoU above a half. True objects share no point, nor
  do ids: so there is at most one.
- Found again under another id than the last time, however long ago: an id switch (CLEAR MOT: K. Bernardin,
  R. Stiefelhagen, 2008). Found again after updates without: a fragmentation.
- IDF1 (E. Ristani et al., 2016): each object is given one id for the whole walk, each id to one object, so
  that most findings agree with it; of these the F1 score among all objects and all ids of all updates.
- A voxel is held where neither its place nor its colour has changed but for trembling: its label flickers if
  it changes none the less.
"""

import numpy as np
from scipy.optimize import linear_sum_assignment

from ssen_ros import voxel_keys
from ssen_ros.features import TREMBLE_COLOR, TREMBLE_M
from ssen_ros.structures import VoxelSnapshot

NOT_FOUND, ABSENT = -1, -2
FOUND_IOU = 0.5
JUDGED_SHARE = 0.5  # of an id's points that must count for the id to be held against the method


def carried_ids(truth: np.ndarray, told: np.ndarray, counts: np.ndarray) -> tuple[dict[int, int], int]:
    """({true object: the id it is found under, or NOT_FOUND}, how many ids are judged) of one update.

    Args:
        truth: (N,) the true object at each point, negative for none.
        told: (N,) the id at each point, negative for none.
        counts: (N,) bool, False where it is not known what is there: such points count in no overlap, and an
            id most of whose points are such is not judged.
    """
    objects, of_object = np.unique(np.append(truth[counts], -1), return_inverse=True)
    ids, of_id = np.unique(np.append(told, -1), return_inverse=True)
    shared = np.zeros((len(objects), len(ids)), np.int64)
    np.add.at(shared, (of_object[:-1], of_id[:-1][counts]), 1)
    size, counted = shared.sum(axis=1, keepdims=True), shared.sum(axis=0)
    iou = shared / np.maximum(size + counted - shared, 1)
    found = (iou > FOUND_IOU) & (ids >= 0)
    carried = np.where(found.any(axis=1), ids[found.argmax(axis=1)], NOT_FOUND)
    judged = counted >= JUDGED_SHARE * np.bincount(of_id[:-1], minlength=len(ids))
    by_object = {int(g): int(id) for g, id in zip(objects, carried) if g >= 0}
    return by_object, int((judged & (ids >= 0)).sum())


def found_again(carried: np.ndarray) -> np.ndarray:
    """(n, 3) int64: of each time that an object was found again, the update of the last time, that of this
    time, and 1 where the id is another.
    """
    rows = [np.empty((0, 3), np.int64)]
    for ids in carried.T:
        at = np.flatnonzero(ids >= 0)
        rows.append(np.column_stack([at[:-1], at[1:], ids[at[1:]] != ids[at[:-1]]]))
    return np.concatenate(rows)


def fragmentations(again: np.ndarray) -> int:
    """How many of the rows of `found_again` come after updates in which the object was lost."""
    return int((again[:, 1] - again[:, 0] > 1).sum())


def identified(carried: np.ndarray) -> int:
    """In how many object-updates an object carries the one id that suits it best over the walk (IDTP)."""
    found = carried >= 0
    ids, column = np.unique(carried[found], return_inverse=True)
    together = np.zeros((carried.shape[1], len(ids)), np.int64)
    np.add.at(together, (np.nonzero(found)[1], column), 1)
    return int(together[linear_sum_assignment(together, maximize=True)].sum())


def idf1(identified: int, objects: int, ids: int) -> float | None:
    """Of so many object-updates identified, among so many of true objects and of ids; None without any."""
    return 2 * identified / (objects + ids) if objects + ids else None


def common_rows(before: VoxelSnapshot, after: VoxelSnapshot) -> tuple[np.ndarray, np.ndarray]:
    """(n,) rows of each in which the voxels lie that both have."""
    row = voxel_keys.find(before.keys, after.keys)
    return row[row >= 0], np.flatnonzero(row >= 0)


def held_rows(before: VoxelSnapshot, after: VoxelSnapshot) -> tuple[np.ndarray, np.ndarray]:
    """`common_rows`, but only of the voxels whose point and colour did no more than tremble."""
    old, new = common_rows(before, after)
    moved_m = np.linalg.norm(after.points[new] - before.points[old], axis=1)
    recolored = np.abs(after.colors[new].astype(np.int16) - before.colors[old]).max(axis=1, initial=0)
    held = (moved_m <= TREMBLE_M) & (recolored <= TREMBLE_COLOR)
    return old[held], new[held]


def flicker(
    before: VoxelSnapshot, label_before: np.ndarray, after: VoxelSnapshot, label_after: np.ndarray
) -> tuple[int, int]:
    """(How many voxels that are held have another label, of how many) between two updates."""
    old, new = held_rows(before, after)
    return int((label_before[old] != label_after[new]).sum()), len(old)


def agreement(
    one: VoxelSnapshot, label_one: np.ndarray, other: VoxelSnapshot, label_other: np.ndarray
) -> tuple[int, int]:
    """(How many voxels that both have are labelled alike, of how many)."""
    a, b = common_rows(one, other)
    return int((label_one[a] == label_other[b]).sum()), len(a)
