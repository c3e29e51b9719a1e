"""Samples of other sources on the simulator's grid."""

from pathlib import Path

import numpy as np

from ssen_ros.simulation import VOXEL_SIZE, Sample, save_sample
from ssen_ros.simulation.slam import check_extent
from ssen_ros.training.dataset import voxelize


def save_gridded(path: Path, sample: Sample) -> None:
    """Write a sample of any density as one row per 2 cm voxel: mean colour, most frequent (class, instance).

    Raises CloudError where it does not fit the file format, see `save_sample`.
    """
    check_extent(path, sample.points)  # before it is voxelized
    voxels = voxelize(sample, VOXEL_SIZE)
    semantic, instance = voxels.semantic_label.astype(np.int8), voxels.instance_label.astype(np.int16)
    centers = (voxels.snapshot.voxel_coords + 0.5) * VOXEL_SIZE
    save_sample(path, Sample(centers, voxels.snapshot.colors, semantic, instance))
