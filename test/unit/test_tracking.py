"""Trackers' measures with answers known by hand."""

import numpy as np

from ssen_ros.evaluation.tracking import (
    ABSENT,
    NOT_FOUND,
    agreement,
    carried_ids,
    flicker,
    found_again,
    fragmentations,
    held_rows,
    identified,
    idf1,
)
from ssen_ros.structures import VoxelSnapshot

WALK = np.array(  # five updates, three objects
    [
        [5, 7, ABSENT],
        [5, 7, 8],
        [NOT_FOUND, 9, 8],
        [5, 9, NOT_FOUND],
        [6, 9, NOT_FOUND],
    ]
)


def test_an_object_is_found_under_the_id_that_covers_more_than_half_of_both():
    truth = np.repeat([1, 2, 3, -1], [6, 4, 4, 6])
    told = np.array([7] * 5 + [-1] + [8] * 2 + [-1] * 2 + [9] * 4 + [9] * 3 + [10] * 3)
    everywhere = np.ones(20, bool)
    # object 1: 5 of 6 points; object 2: an IoU of just a half is none; object 3: 4 of 7
    assert carried_ids(truth, told, everywhere) == ({1: 7, 2: NOT_FOUND, 3: 9}, 4)


def test_points_of_which_nothing_is_known_count_for_nobody():
    truth = np.repeat([1, -1], [4, 12])
    told = np.repeat([7, 8], [10, 6])
    everywhere, known = np.ones(16, bool), np.arange(16) < 5
    assert carried_ids(truth, told, everywhere) == ({1: NOT_FOUND}, 2)
    # of id 7 there remain 5 points, the object's 4 among them; of neither id is half known
    assert carried_ids(truth, told, known) == ({1: 7}, 1)
    assert carried_ids(truth, told, ~everywhere) == ({}, 0)


def test_the_id_of_an_object_is_compared_with_the_last_that_it_had():
    again = found_again(WALK)
    assert again.tolist() == [[0, 1, 0], [1, 3, 0], [3, 4, 1], [0, 1, 0], [1, 2, 1], [2, 3, 0], [3, 4, 0],
                              [1, 2, 0]]  # fmt: skip
    assert fragmentations(again) == 1
    assert found_again(np.empty((3, 0), np.int64)).shape == found_again(WALK[:1]).shape == (0, 3)


def test_identity_is_judged_over_the_whole_walk():
    assert identified(WALK) == 3 + 3 + 2  # the first is 5, the second 9, the third 8
    assert idf1(8, 14, 16) == 16 / 30
    assert idf1(0, 0, 0) is None
    rivals = np.array([[1, 2], [1, 2], [2, 1], [2, 1], [2, 3]])
    assert identified(rivals) == 3 + 2
    assert identified(np.full((2, 2), NOT_FOUND)) == 0


def snapshot(*voxels: tuple[int, float, int]) -> VoxelSnapshot:
    """Voxels in a row of 4 cm: (index, m by which the point is off the middle, red)."""
    index, off, red = map(np.array, zip(*voxels))
    points = np.zeros((len(index), 3), np.float32)
    points[:, 0] = (index + 0.5) * 0.04 + off
    coords = np.column_stack([index, index * 0, index * 0]).astype(np.int32)
    colors = np.column_stack([red, red * 0, red * 0]).astype(np.uint8)
    return VoxelSnapshot(coords, points, colors, 0.04)


def test_a_voxel_is_held_while_point_and_colour_only_tremble():
    before = snapshot((0, 0, 100), (1, 0, 100), (2, 0, 100), (3, 0, 250), (4, 0, 9))
    after = snapshot((1, 0.007, 119), (2, 0.009, 100), (3, 0, 5), (4, 0, 9), (5, 0, 9))
    rows = held_rows(before, after)  # 2 has moved, 3 is of another colour, 0 is gone, 5 is new
    assert [row.tolist() for row in rows] == [[1, 4], [0, 3]]
    label = np.arange(5)
    assert flicker(before, label, after, label) == (2, 2)
    assert flicker(before, label, after, np.array([1, 0, 0, 9, 0])) == (1, 2)
    assert flicker(before, label, before, label) == (0, 5)


def test_agreement_is_over_the_voxels_that_both_have():
    one, other = snapshot((0, 0, 0), (1, 0, 0), (2, 0, 0)), snapshot((1, 0.02, 99), (2, 0, 0), (7, 0, 0))
    assert agreement(one, np.array([4, 5, 6]), other, np.array([5, 9, 9])) == (1, 2)
