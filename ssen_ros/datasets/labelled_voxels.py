"""Labelled rooms on a grid of voxels: the truth of training and evaluation, and how samples are written."""

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from ssen_ros import voxel_keys
from ssen_ros.errors import CloudError
from ssen_ros.io.samples import VOXEL_SIZE, Sample, save_sample
from ssen_ros.structures import VoxelSnapshot
from ssen_ros.voxel_map import VoxelMap

_MOST_EXTENT = 655.0  # m from the origin; millimetres taken for metres are beyond it


@dataclass(frozen=True)
class LabelledVoxels:
    """A snapshot with its ground truth."""

    snapshot: VoxelSnapshot
    semantic_label: np.ndarray  # (V,) int64, IGNORE_INDEX where not annotated
    instance_label: np.ndarray  # (V,) int64, -1 where of no instance

    def rows(self, keep: np.ndarray) -> "LabelledVoxels":
        """The voxels where the (V,) bool mask is set."""
        s = self.snapshot
        snapshot = VoxelSnapshot(
            s.voxel_coords[keep], s.points[keep], s.colors[keep], s.voxel_size, s.version
        )
        return LabelledVoxels(snapshot, self.semantic_label[keep], self.instance_label[keep])


def voxelize(sample: Sample, voxel_size: float) -> LabelledVoxels:
    """Mean position and colour of each voxel, and the label most of its points carry."""
    coords = np.floor(sample.points.astype(np.float64) / voxel_size).astype(np.int32)
    keys, inverse, count = np.unique(voxel_keys.pack(coords), return_inverse=True, return_counts=True)
    voxel_coords = voxel_keys.unpack(keys)
    points = _group_mean(sample.points, inverse, count)
    colors = np.floor(_group_mean(sample.colors, inverse, count) + 0.5)
    # One code a (class, instance) pair, so that both come from the same points.
    pair = (sample.semantic_label.astype(np.int64) + 1) << 32 | (sample.instance_label.astype(np.int64) + 1)
    winner = majority(inverse, pair)
    snapshot = VoxelSnapshot(voxel_coords, points.astype(np.float32), colors.astype(np.uint8), voxel_size)
    return LabelledVoxels(snapshot, (winner >> 32) - 1, (winner & 0xFFFFFFFF) - 1)


def map_with_truth(sample: Sample, voxel_size: float) -> LabelledVoxels:
    """The map as users have it, `VoxelMap`'s, with the truth that `voxelize` gives the same voxels."""
    voxel_map = VoxelMap(voxel_size)
    voxel_map.integrate(sample.points, sample.colors)
    return replace(voxelize(sample, voxel_size), snapshot=voxel_map.snapshot())


def _group_mean(values: np.ndarray, group: np.ndarray, count: np.ndarray) -> np.ndarray:
    sums = [np.bincount(group, weights=column, minlength=len(count)) for column in values.T]
    return np.stack(sums, axis=1) / count[:, None]


def majority(group: np.ndarray, value: np.ndarray) -> np.ndarray:
    """The most frequent of the (n,) integer values of each group, in the order of the (n,) group numbers.

    Of equally frequent values, the largest.
    """
    order = np.lexsort((value, group))
    group, value = group[order], value[order]
    is_new = np.ones(len(group), bool)
    is_new[1:] = (group[1:] != group[:-1]) | (value[1:] != value[:-1])
    first = np.flatnonzero(is_new)
    count = np.diff(first, append=len(group))
    group, value = group[first], value[first]
    order = np.lexsort((count, group))
    is_last = np.append(group[1:] != group[:-1], True)[: len(group)]
    return value[order][is_last]


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
    save_sample(path, Sample(centers, voxels.snapshot.colors, semantic, instance, sample.own_names))
