"""Rooms on a grid of voxels: votes, and the map as users have it with its truth."""

from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ssen_ros.datasets.labelled_voxels import majority, map_with_truth, voxelize
from ssen_ros.evaluation.vertex_labels import voxel_rows
from ssen_ros.io.samples import Sample
from ssen_ros.voxel_map import VoxelMap

pairs = st.lists(st.tuples(st.integers(0, 5), st.integers(-2, 1 << 40) | st.integers(0, 3)), max_size=60)


@given(pairs)
def test_majority_equals_counting(rows):
    votes: dict[int, Counter] = {}
    for group, value in rows:
        votes.setdefault(group, Counter())[value] += 1
    expected = [max(votes[g], key=lambda v, g=g: (votes[g][v], v)) for g in sorted(votes)]
    table = np.array(rows, np.int64).reshape(-1, 2)
    assert majority(table[:, 0], table[:, 1]).tolist() == expected


def test_voxelize_takes_the_majority():
    points = np.array([[0.01, 0.01, 0.01]] * 3 + [[-0.01, 0.01, 0.01]], np.float32)
    colors = np.array([[0, 0, 0], [3, 0, 0], [6, 0, 0], [9, 9, 9]], np.uint8)
    sample = Sample(points, colors, np.array([4, 6, 4, 1], np.int8), np.array([7, 8, 7, -1], np.int16))
    voxels = voxelize(sample, 0.1)
    assert voxels.snapshot.voxel_coords.tolist() == [[-1, 0, 0], [0, 0, 0]]
    assert voxels.semantic_label.tolist() == [1, 4] and voxels.instance_label.tolist() == [-1, 7]
    assert voxels.snapshot.colors.tolist() == [[9, 9, 9], [3, 0, 0]]


@pytest.mark.parametrize("voxel_size", [0.02, 0.04, 0.05])
def test_truth_and_map_have_the_same_voxels(voxel_size):
    rng = np.random.default_rng(0)
    faces = (rng.integers(-400, 400, (20_000, 3)) * voxel_size).astype(np.float32)  # where rounding decides
    points = np.concatenate([faces, rng.uniform(-8, 8, (5_000, 3)).astype(np.float32)])
    colors = rng.integers(0, 256, points.shape, np.uint8)
    semantic = rng.integers(-1, 20, len(points)).astype(np.int8)
    sample = Sample(points, colors, semantic, np.where(semantic < 2, -1, semantic).astype(np.int16))

    voxels, truth = map_with_truth(sample, voxel_size), voxelize(sample, voxel_size)
    users = VoxelMap(voxel_size)
    users.integrate(points, colors)

    np.testing.assert_array_equal(truth.snapshot.voxel_coords, users.snapshot().voxel_coords)
    for name in ("voxel_coords", "points", "colors"):
        np.testing.assert_array_equal(getattr(voxels.snapshot, name), getattr(users.snapshot(), name))
    np.testing.assert_array_equal(voxels.semantic_label, truth.semantic_label)
    np.testing.assert_array_equal(voxels.instance_label, truth.instance_label)
    assert (voxel_rows(users.snapshot(), points) >= 0).all()
