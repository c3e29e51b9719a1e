"""What is scored is the map that users run."""

import numpy as np
import pytest

from ssen_ros.evaluation.simulated import map_with_truth
from ssen_ros.simulation import Sample
from ssen_ros.training.dataset import voxelize
from ssen_ros.voxel_map import VoxelMap


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
