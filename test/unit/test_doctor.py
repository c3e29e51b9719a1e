"""Every diagnosis of a map finds its own fault, made in a healthy room, and none in the room as it is."""

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from scipy.spatial import KDTree

from ssen_ros.doctor import (
    ERROR,
    WARNING,
    examine_cloud,
    examine_message,
    examine_recording,
    examine_stamps,
    neighbour_distances,
)
from ssen_ros.io.clouds import read_cloud
from ssen_ros.simulation import SimulatedSlam, scan
from ssen_ros.structures import Cloud

VOXEL_SIZE = 0.04
KITCHEN = Path(__file__).resolve().parents[3] / "shared" / "data" / "real_kitchen.npz"
SECOND = 1_000_000_000


@pytest.fixture(scope="module")
def room() -> Cloud:
    sample = scan(seed=3)
    return Cloud(sample.points, sample.colors)


def checks(cloud: Cloud, voxel_size: float = VOXEL_SIZE) -> dict[str, str]:
    return {finding.check: finding.severity for finding in examine_cloud(cloud, voxel_size)}


def moved(cloud: Cloud, points: np.ndarray) -> Cloud:
    return Cloud(np.asarray(points, np.float32), cloud.colors)


def grid(cloud: Cloud, cell: float) -> Cloud:
    """As PCL's VoxelGrid leaves it, so as rtabmap publishes it: a mean a cell."""
    keys = np.floor(cloud.points / cell).astype(np.int64)
    _, row, count = np.unique(keys, axis=0, return_inverse=True, return_counts=True)
    row = row.ravel()
    means = [np.bincount(row, channel) / count for channel in (*cloud.points.T, *cloud.colors.T)]
    return Cloud(np.stack(means[:3], axis=1).astype(np.float32), np.stack(means[3:], axis=1).astype(np.uint8))


def turned(cloud: Cloud, axis: int, degrees: float) -> Cloud:
    i, j = [k for k in range(3) if k != axis]
    cos, sin = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
    turn = np.eye(3)
    turn[[i, j], [i, j]], turn[i, j], turn[j, i] = cos, -sin, sin
    return moved(cloud, cloud.points @ turn.T)


def features(cloud: Cloud) -> Cloud:
    """Corners come in clusters, with errors in depth; without colour: ORB-SLAM's all_points."""
    rng = np.random.default_rng(0)
    corners = cloud.points[rng.choice(len(cloud), 400, replace=False)]
    points = [corner + rng.normal(0, 0.03, (rng.geometric(0.1), 3)) for corner in corners]
    return Cloud(np.concatenate(points).astype(np.float32), None)


def painted(cloud: Cloud, *palette: tuple[int, int, int]) -> Cloud:
    return Cloud(cloud.points, np.array(palette, np.uint8)[np.arange(len(cloud)) % len(palette)])


def test_a_healthy_room_has_nothing_wrong(room):
    assert examine_cloud(room, VOXEL_SIZE) == ()


@pytest.mark.parametrize("seed", [0, 7])
def test_a_room_that_is_being_mapped_has_nothing_wrong(seed):
    slam = SimulatedSlam(seed)
    slam.advance(len(slam) // 4)
    assert examine_cloud(Cloud(*slam.cloud()), VOXEL_SIZE) == ()


@pytest.mark.skipif(not KITCHEN.is_file(), reason="the kitchen is not part of the repository")
def test_a_real_kitchen_has_nothing_wrong_as_it_is_and_too_few_points_at_5_cm():
    kitchen = read_cloud(KITCHEN)
    assert examine_cloud(kitchen, VOXEL_SIZE) == ()
    assert checks(grid(kitchen, 0.05)) == {"spacing": WARNING}


@pytest.mark.parametrize(("cell", "voxel_size"), [(0.05, 0.04), (0.1, 0.04), (0.03, 0.02)])
def test_a_grid_coarser_than_the_voxels_is_called_so(room, cell, voxel_size):
    (finding,) = examine_cloud(grid(room, cell), voxel_size)
    assert (finding.check, finding.severity) == ("spacing", WARNING)
    assert f"Grid/CellSize {voxel_size / 2:g}" in finding.remedy and "DepthDecimation" in finding.remedy
    assert f"{voxel_size:g} m" in finding.seen


@pytest.mark.parametrize("cell", [0.03, 0.04])
def test_a_grid_as_fine_as_the_voxels_is_not(room, cell):
    assert checks(grid(room, cell)) == {}


@pytest.mark.parametrize("step", [0.02, 0.25])
def test_the_fourth_neighbour_in_a_grid_is_a_step_away(step):
    wall = np.stack(np.meshgrid(np.arange(40.0), np.arange(40.0), [0.0]), axis=-1).reshape(-1, 3)
    assert np.isclose(np.median(neighbour_distances(KDTree(wall * step))), step)


def test_distances_of_too_few_points_are_infinite():
    assert np.isinf(neighbour_distances(KDTree(np.zeros((4, 3))))).all()


def test_strays_below_the_floor_are_named_and_a_few_are_forgiven(room):
    rng = np.random.default_rng(0)
    for share, expected in ((0.02, {"below_floor": WARNING}), (0.0002, {})):
        rows = rng.choice(len(room), round(share * len(room)))
        strays = room.points[rows].copy()
        strays[:, 2] = -rng.uniform(0.2, 1.2, len(rows))
        points = np.concatenate([room.points, strays])
        assert checks(Cloud(points, np.concatenate([room.colors, room.colors[rows]]))) == expected


def test_a_map_without_a_floor_is_called_so():
    """Two walls and a table between them, from a camera that is held level."""
    rng = np.random.default_rng(2)
    corners = [((0, 0, 0.05), (4, 0, 2.2)), ((0, 0, 0.05), (0, 3, 2.2)), ((1.5, 1, 0.74), (3, 1.8, 0.74))]
    parts = [rng.uniform(low, high, (10_000, 3)) for low, high in corners]
    points = (np.concatenate(parts) + rng.normal(0, 0.003, (30_000, 3))).astype(np.float32)
    assert checks(Cloud(points, rng.integers(0, 256, points.shape, dtype=np.uint8))) == {"no_floor": WARNING}


def room_with_ceiling(height: float) -> Cloud:
    """4 x 3 m with two walls, a floor, a ceiling and a table."""
    rng = np.random.default_rng(4)
    patches = [
        ((0, 0, 0), (4, 0, height), 10), ((0, 0, 0), (0, 3, height), 8), ((0, 0, 0), (4, 3, 0), 12),
        ((0, 0, height), (4, 3, height), 12), ((1, 1, 0.74), (2.8, 2, 0.74), 2),
    ]  # fmt: skip
    parts = [rng.uniform(low, high, (2500 * area, 3)) for low, high, area in patches]
    points = np.concatenate(parts)
    points = (points + rng.normal(0, 0.003, points.shape)).astype(np.float32)
    return Cloud(points, rng.integers(0, 256, points.shape, dtype=np.uint8))


@pytest.mark.parametrize(("scale", "factor"), [(1 / 0.3048, "0.3048"), (10.0, "0.1")])
def test_a_room_in_another_unit_is_doubted(scale, factor):
    cloud = room_with_ceiling(2.5)
    found = {finding.check: finding for finding in examine_cloud(moved(cloud, cloud.points * scale), 0.04)}
    assert found["scale"].severity == WARNING
    assert f"multiplied by {factor} they would be 2.5 and 0.74 m" in found["scale"].seen


@pytest.mark.parametrize(("height", "scale"), [(2.5, 1.0), (2.3, 0.85), (3.9, 1.15), (8.0, 1.0)])
def test_rooms_and_halls_of_usual_scale_are_not(height, scale):
    cloud = room_with_ceiling(height)
    assert "scale" not in checks(moved(cloud, cloud.points * scale))


def test_a_room_in_feet_without_a_ceiling_is_not_judged():
    cloud = room_with_ceiling(2.5)
    below = cloud.points[:, 2] < 2.4
    assert "scale" not in checks(Cloud(cloud.points[below] / np.float32(0.3048), cloud.colors[below]))


def test_a_flat_map_is_called_so_and_nothing_else(room):
    flat = moved(room, room.points * (1, 1, 0))
    (finding,) = examine_cloud(flat, VOXEL_SIZE)
    assert (finding.check, finding.severity) == ("flat", ERROR)
    assert "Grid/3D true" in finding.remedy


@pytest.mark.parametrize(
    ("scale", "unit"), [(1000, "millimetres"), (100, "centimetres"), (1e-3, "kilometres")]
)
def test_a_wrong_unit_is_named(room, scale, unit):
    (finding,) = examine_cloud(moved(room, room.points * scale), VOXEL_SIZE)
    assert (finding.check, finding.severity) == ("unit", ERROR)
    assert unit in finding.seen and "depth_scale" in finding.remedy


@pytest.mark.parametrize(
    ("axis", "degrees", "severity"),
    [(0, 15, ERROR), (1, -25, ERROR), (0, 90, ERROR), (0, -90, ERROR), (1, 90, ERROR), (0, 180, WARNING)],
)
def test_an_axis_other_than_z_that_points_up_is_noticed(room, axis, degrees, severity):
    (finding,) = examine_cloud(turned(room, axis, degrees), VOXEL_SIZE)
    assert (finding.check, finding.severity) == ("gravity", severity)
    assert "+Z" in finding.seen and "optical frame" in finding.remedy


@pytest.mark.parametrize("degrees", [30, 45, 90, 200])
def test_the_heading_of_a_map_does_not_matter(room, degrees):
    assert checks(turned(room, 2, degrees)) == {}


def test_a_map_of_features_is_called_so_and_not_a_coarse_grid(room):
    found = examine_cloud(features(room), VOXEL_SIZE)
    assert [(finding.check, finding.severity) for finding in found] == [
        ("features", ERROR),
        ("colours", WARNING),
    ]
    assert "all_points" in found[0].remedy


@pytest.mark.parametrize(
    ("paint", "seen", "remedy"),
    [
        (lambda cloud: painted(cloud, (0, 255, 0), (255, 0, 0)), "#00ff00 and #ff0000", "Grid/Sensor 1"),
        (lambda cloud: painted(cloud, (200, 200, 200)), "#c8c8c8", "colour camera"),
        (lambda cloud: painted(cloud, *((v, v, v) for v in range(200))), "grey", "rgb_topic"),
        (lambda cloud: Cloud(cloud.points, None), "no colour", "rgb_topic"),
    ],
)
def test_colours_that_tell_nothing_are_noticed(room, paint: Callable, seen, remedy):
    (finding,) = examine_cloud(paint(room), VOXEL_SIZE)
    assert (finding.check, finding.severity) == ("colours", WARNING)
    assert seen in finding.seen and remedy in finding.remedy


@pytest.mark.parametrize(
    ("shift", "strays", "severity", "words"),
    [
        ((5e5, 5.4e6, 300), 0, ERROR, "local origin"),
        ((3e4, 0, 0), 0, ERROR, "local origin"),
        ((0, 0, 0), 1, WARNING, "strays"),
        ((0, 0, 0), 5000, ERROR, "strays"),
    ],
)
def test_points_beyond_the_nodes_reach_are_counted(room, shift, strays, severity, words):
    points = room.points + np.array(shift, np.float32)
    points[:strays] = 1e8
    (found,) = examine_cloud(moved(room, points), VOXEL_SIZE)
    assert (found.severity, found.check) == (severity, "extent") and words in found.remedy
    assert found.seen.startswith(f"{strays or len(room)} of {len(room)} points")


@pytest.mark.parametrize("count", [1, 4, 99])
def test_almost_nothing_is_called_empty(count):
    points = np.random.default_rng(0).random((count, 3), np.float32)
    assert checks(Cloud(points, None)) == {"empty": ERROR}


def message(cloud: Cloud, stamp_s: float = 1.0, frame_id: str = "map") -> SimpleNamespace:
    """The attributes of a sensor_msgs/PointCloud2 of x, y, z and packed rgb."""
    columns = np.zeros(len(cloud), [("x", "<f4"), ("y", "<f4"), ("z", "<f4"), ("rgb", "<u4")])
    for axis, name in enumerate("xyz"):
        columns[name] = cloud.points[:, axis]
    columns["rgb"] = cloud.colors.astype(np.uint32) @ (1 << np.array([16, 8, 0], np.uint32))
    seconds, rest = divmod(round(stamp_s * SECOND), SECOND)
    return SimpleNamespace(
        header=SimpleNamespace(frame_id=frame_id, stamp=SimpleNamespace(sec=seconds, nanosec=rest)),
        height=1, width=len(cloud), is_bigendian=False, point_step=16, row_step=16 * len(cloud),
        fields=[
            SimpleNamespace(name=name, offset=4 * k, datatype=7 if k < 3 else 6, count=1)
            for k, name in enumerate(("x", "y", "z", "rgb"))
        ],
        data=columns.tobytes(),
    )  # fmt: skip


def test_a_healthy_message_has_nothing_wrong(room):
    assert examine_message(message(room), VOXEL_SIZE) == ()


def test_a_slash_in_front_of_a_frame_is_warned_of(room):
    (finding,) = examine_message(message(room, frame_id="/map"), VOXEL_SIZE)
    assert (finding.check, finding.severity) == ("frame", WARNING)
    assert "'/map'" in finding.seen and "'map'" in finding.remedy


@pytest.mark.parametrize("frame_id", ["", "camera_color_optical_frame", "camera_link"])
def test_a_frame_that_is_no_fixed_one_is_noticed(room, frame_id):
    (finding,) = examine_message(message(room, frame_id=frame_id), VOXEL_SIZE)
    assert (finding.check, finding.severity) == ("frame", ERROR)


def test_a_message_that_cannot_be_read_is_a_finding(room):
    damaged = message(room)
    damaged.data = damaged.data[:100]
    (finding,) = examine_message(damaged, VOXEL_SIZE)
    assert (finding.check, finding.severity) == ("layout", ERROR)
    assert "data holds 100 bytes" in finding.seen


@pytest.mark.parametrize(
    ("stamps_s", "seen"),
    [
        ([(0, 100), (0, 101)], "are 0"),
        ([(100, 100), (100, 101), (100, 102)], "do not increase"),
        ([(100, 100), (99, 101)], "do not increase"),
        ([(20, 100), (21, 101)], "80 s before"),
        ([(100, 20)], "80 s after"),
    ],
)
def test_stamps_that_are_not_the_time_of_the_map_are_noticed(stamps_s, seen):
    stamps = [(stamp * SECOND, published * SECOND) for stamp, published in stamps_s]
    (finding,) = examine_stamps(stamps)
    assert (finding.check, finding.severity) == ("stamps", WARNING)
    assert seen in finding.seen and "use_sim_time" in finding.remedy


def test_stamps_in_order_are_fine_and_of_a_simulated_clock_too():
    assert examine_stamps([]) == ()
    assert examine_stamps([(100 * SECOND, 101 * SECOND), (102 * SECOND, 103 * SECOND)]) == ()
    assert examine_stamps([(100 * SECOND, 100 * SECOND), (100 * SECOND, 101 * SECOND)]) == ()  # sent again
    assert examine_stamps([(5 * SECOND, 900 * SECOND), (6 * SECOND, 901 * SECOND)], simulated_time=True) == ()


def test_of_a_recording_the_last_cloud_and_all_stamps_count(room):
    flat = moved(room, room.points * (1, 1, 0))
    recorded = [(1 * SECOND, message(flat, 1.0)), (2 * SECOND, message(room, 2.0))]
    assert examine_recording(recorded, VOXEL_SIZE) == ()
    backwards = [(1 * SECOND, message(room, 1.0)), (2 * SECOND, message(flat, 0.5))]
    assert [finding.check for finding in examine_recording(backwards, VOXEL_SIZE)] == ["flat", "stamps"]
