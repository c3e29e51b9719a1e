"""Samples of other sources on the simulator's grid."""

from pathlib import Path

import numpy as np

from ssen_ros.errors import CloudError
from ssen_ros.simulation import VOXEL_SIZE, Sample, save_sample
from ssen_ros.training.dataset import voxelize

_MOST_EXTENT = 655.0  # m from the origin; millimetres taken for metres are beyond it


def save_gridded(path: Path, sample: Sample) -> None:
    """Write a sample of any density as one row per 2 cm voxel: mean colour, most frequent (class, instance).

    Raises CloudError for points too far from the origin to be a room's.
    """
    extent = np.abs(sample.points).max(initial=0)
    if extent > _MOST_EXTENT:
        raise CloudError(
            f"{path}: points up to {extent:.6g} m from the origin; expected less than {_MOST_EXTENT:.0f} m; "
            "check that the unit is the metre, and move the map to the origin"
        )
    voxels = voxelize(sample, VOXEL_SIZE)
    semantic, instance = voxels.semantic_label.astype(np.int8), voxels.instance_label.astype(np.int16)
    centers = (voxels.snapshot.voxel_coords + 0.5) * VOXEL_SIZE
    save_sample(path, Sample(centers, voxels.snapshot.colors, semantic, instance))
