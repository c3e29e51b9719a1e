"""`ssen bench streaming` measures what it says; how fast anything is is not tested."""

import numpy as np
import pytest

from ssen_ros.benchmarks import integration, streaming
from ssen_ros.benchmarks.streaming import benchmark_streaming
from ssen_ros.config import PassesConfig, SsenConfig
from ssen_ros.errors import EngineError
from ssen_ros.structures import VoxelSnapshot

SIZE = 0.04


def flat(steps: int) -> VoxelSnapshot:
    """A floor of 2 by 2 m that has been seen up to `steps`, and a wall."""
    x, y = (axis.ravel() for axis in np.meshgrid(np.arange(steps), np.arange(50)))
    floor, wall = np.stack([x, y, 0 * x], axis=1), np.stack([0 * y, y, 1 + x], axis=1)
    coords = np.unique(np.concatenate([floor, wall]), axis=0).astype(np.int32)
    points = ((coords + 0.5) * SIZE).astype(np.float32)
    return VoxelSnapshot(coords, points, (coords % 250).astype(np.uint8), SIZE)


@pytest.fixture
def walk(monkeypatch):
    monkeypatch.setattr(streaming, "_walk", lambda voxel_size: [flat(44), flat(46), flat(50)])
    monkeypatch.setattr(integration, "cloud", lambda points: cloud(flat(50), points))


def cloud(snapshot: VoxelSnapshot, points: int) -> tuple[np.ndarray, np.ndarray]:
    row = np.arange(points) % len(snapshot)
    return snapshot.points[row], snapshot.colors[row]


def test_a_change_computes_no_more_than_the_map_and_a_fixed_one_no_more_in_a_larger_map(walk):
    config = SsenConfig(passes=PassesConfig("auto"))
    result = benchmark_streaming([5000, 30_000], config, repetitions=1, points=2000)
    rows = {(row["map_voxels"], row["change"]): row for row in result["rows"]}
    small, large = len(flat(50)), 6 * len(flat(50))
    assert rows[small, "whole"]["voxels_computed"] == small
    assert rows[large, "whole"]["voxels_computed"] == large
    assert {change for _, change in rows} == {"whole", "fixed", "share_0.02", "camera"}
    assert 0 < rows[large, "fixed"]["voxels_computed"] < 0.5 * large
    assert rows[large, "fixed"]["voxels_computed"] < 2 * rows[small, "fixed"]["voxels_computed"]
    assert (
        all(row["seconds"] > 0 and row["step_seconds"] > 0 for row in result["rows"])
        and result["kept_bytes_per_voxel"] > 500
    )
    assert result["integrate_over_unique"] > 0


def test_without_open3d_nothing_is_said_of_it(walk, monkeypatch):
    def missing(what):
        raise EngineError(f"{what} needs open3d")

    monkeypatch.setattr(integration, "open3d", missing)
    found = streaming._integration(2000, repetitions=1)
    assert found["integrate_over_open3d"] is None and found["integrate_over_unique"] > 0


def test_a_building_holds_each_flat_once():
    one = flat(50)
    building = streaming._building(one, one, 6)
    assert len(building) == 6 * len(one) == len(np.unique(building.voxel_coords, axis=0))
    assert np.array_equal(np.floor(building.points / SIZE), building.voxel_coords)
