"""What the extra `open3d` serves, and what is said where it is missing."""

import sys

import numpy as np
import pytest

from ssen_ros.benchmarks import integration
from ssen_ros.benchmarks.integration import benchmark_integration, cloud, means_by_unique
from ssen_ros.boxes import fit_box, fit_oriented_box
from ssen_ros.errors import EngineError
from ssen_ros.io.samples import VOXEL_SIZE, Sample
from ssen_ros.rotations import turn_x, turn_z


@pytest.fixture
def open3d():
    return pytest.importorskip(
        "open3d", reason="the extra `open3d` is not installed", exc_type=(ImportError, OSError)
    )


def test_an_oriented_box_of_a_tilted_block_is_the_block(open3d):
    turn, size = turn_z(0.7) @ turn_x(0.5), np.array([1.2, 0.6, 0.3])
    corners = np.array([(x, y, z) for x in (-1, 1) for y in (-1, 1) for z in (-1, 1)]) / 2
    points = (corners * size) @ turn.T + (5.0, -3.0, 1.0)
    box = fit_oriented_box(points)
    assert box.size == pytest.approx(size, abs=1e-3) and box.center == pytest.approx([5.0, -3.0, 1.0])
    assert np.abs(np.diag(box.rotation.T @ turn)) == pytest.approx([1.0, 1.0, 1.0], abs=1e-4)
    assert np.linalg.det(box.rotation) == pytest.approx(1.0)
    assert box.size.prod() < 0.9 * fit_box(points).size.prod(), "the upright one is larger"


def test_without_a_hull_it_is_the_upright_box(open3d):
    points = np.array([[0.0, 0.0, 1.0], [0.0, 2.0, 1.0]])
    box = fit_oriented_box(points)
    assert box.size == pytest.approx([2.0, 0.0, 0.0]) and box.center == pytest.approx([0.0, 1.0, 1.0])
    assert np.abs(box.rotation[:, 0]) == pytest.approx([0.0, 1.0, 0.0])


def test_a_missing_open3d_names_the_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, "open3d", None)
    with pytest.raises(EngineError, match=r"ssen-ros\[open3d\]"):
        fit_oriented_box(np.zeros((1, 3)))


@pytest.fixture
def rooms_at_once(monkeypatch):
    """In place of rooms, which take seconds: a floor of so many 2 cm voxels."""

    def floor(voxels):
        cells = np.stack([np.arange(voxels) % 100, np.arange(voxels) // 100, np.zeros(voxels)], axis=1)
        looks = np.full(cells.shape, 100, np.uint8)
        label = np.zeros(voxels, np.int32)
        return Sample(((cells + 0.5) * VOXEL_SIZE).astype(np.float32), looks, label, label)

    monkeypatch.setattr(integration, "room", floor)


def test_the_peers_of_the_map_find_as_many_voxels(open3d, rooms_at_once):
    result = benchmark_integration(20_000, repetitions=1)
    rows = {row["way"]: row for row in result["rows"]}
    assert result["points"] == 20_000 and list(rows) == ["first", "integrate", "open3d", "unique"]
    assert rows["first"]["voxels"] == rows["unique"]["voxels"]
    assert rows["open3d"]["voxels"] == pytest.approx(rows["unique"]["voxels"], rel=0.1)  # its grid is offset
    for peer in ("open3d", "unique"):
        over = rows["integrate"]["seconds"] / rows[peer]["seconds"]
        assert result[f"integrate_over_{peer}"] == pytest.approx(over)
    assert benchmark_integration(1000, repetitions=1, peers=["unique"])["integrate_over_open3d"] is None


def test_means_by_unique_by_hand():
    points = np.array([[0.1, 0.1, 0.1], [2.5, 0.5, 0.5], [0.3, 0.5, 0.7]], np.float32)
    colors = np.array([[0, 0, 0], [9, 9, 9], [100, 50, 10]], np.uint8)
    keys, places, looks = means_by_unique(points, colors, 1.0)
    assert len(keys) == 2 and (np.diff(keys) > 0).all()
    assert places == pytest.approx(np.array([[0.2, 0.3, 0.4], [2.5, 0.5, 0.5]]))
    assert looks.tolist() == [[50.0, 25.0, 5.0], [9.0, 9.0, 9.0]]


def test_a_cloud_has_the_points_asked_for(rooms_at_once):
    points, colors = cloud(1001)
    assert points.shape == colors.shape == (1001, 3) and colors.dtype == np.uint8
