"""A growing map of unit voxels in a row, for tests; found through `pythonpath` in pyproject.toml."""

from types import SimpleNamespace

import numpy as np

from ssen_ros.live.live_map import LiveMap
from ssen_ros.voxel_map import VoxelMap


def header(frame_id="map", stamp=0):
    return SimpleNamespace(frame_id=frame_id, stamp=SimpleNamespace(sec=stamp, nanosec=0))


def cloud(*cells):
    points = np.array(cells, dtype=np.float32).reshape(-1, 1) * [1.0, 0.0, 0.0] + 0.5
    return points.astype(np.float32), np.zeros(points.shape, np.uint8)


def live_map(mode="accumulated"):
    return LiveMap(VoxelMap(1.0, mode))
