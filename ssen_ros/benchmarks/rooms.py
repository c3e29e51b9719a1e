"""Maps of a given size for benchmarks: surfaces as a camera sees them, from the room simulator."""

from collections.abc import Iterable

import numpy as np

from ssen_ros.datasets.splits import VALIDATION_SEEDS
from ssen_ros.io.samples import VOXEL_SIZE, Sample
from ssen_ros.simulation import scan

_GAP = 16  # voxels between two rooms


def room(voxels: int) -> Sample:
    """Held-out rooms side by side, as `side_by_side`."""
    return side_by_side(map(scan, VALIDATION_SEEDS), voxels)


def side_by_side(rooms: Iterable[Sample], voxels: int) -> Sample:
    """As many rooms as it takes, of which so many 2 cm voxels around the middle are kept; all, if fewer.

    Points lie at the centres of their voxels, one each.
    """
    coords, others, east, count = [], [], 0, 0
    for offset, sample in enumerate(rooms):
        cells = np.floor(sample.points / VOXEL_SIZE).astype(np.int64)
        cells, first = np.unique(cells, axis=0, return_index=True)
        cells[:, 0] += east - cells[:, 0].min()
        coords.append(cells)
        instance = sample.instance_label.astype(np.int64)
        instance[instance >= 0] += offset << 16  # ids of different rooms differ
        others.append([a[first] for a in (sample.colors, sample.semantic_label, instance)])
        east, count = cells[:, 0].max() + _GAP, count + len(cells)
        if count >= voxels:
            break
    coords = np.concatenate(coords)
    middle = (coords[:, :2].min(0) + coords[:, :2].max(0)) / 2
    nearest = np.argsort(np.abs(coords[:, :2] - middle).max(1), kind="stable")[:voxels]
    points = ((coords[nearest] + 0.5) * VOXEL_SIZE).astype(np.float32)
    colors, semantic, instance = (np.concatenate(column)[nearest] for column in zip(*others))
    return Sample(points, colors, semantic, instance)
