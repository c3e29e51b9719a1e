"""A map is lined up with its walls, whichever way its frame points."""

import dataclasses

import numpy as np
import pytest
from scipy.spatial import KDTree
from training_rooms import PLAIN

from ssen_ros import voxel_keys
from ssen_ros.heading import SKEW, STEADY, find_heading, heading_of
from ssen_ros.io.samples import Sample
from ssen_ros.rotations import turn_z
from ssen_ros.training.config import TrainConfig
from ssen_ros.training.dataset import draw_scene

VOXEL = 0.04


def keys_of(points):
    return np.unique(voxel_keys.pack(np.floor(points / VOXEL).astype(np.int64)))


def room(yaw: float, noise: float = 0.01) -> np.ndarray:
    """(N, 3) points, m: a floor, four walls of which those along x are the longer, and a cupboard askew."""
    rng = np.random.default_rng(0)
    floor = rng.uniform([0, 0, 0], [6, 4, 0], (20_000, 3))
    long = rng.uniform([0, 0, 0], [6, 0, 2.4], (30_000, 3))
    short = rng.uniform([0, 0, 0], [0, 4, 2.4], (20_000, 3))
    cupboard = rng.uniform([0, 0, 0], [0.8, 0, 1.8], (3_000, 3)) @ turn_z(0.5).T + (3, 2, 0)
    points = np.concatenate([floor, long, long + (0, 4, 0), short, short + (6, 0, 0), cupboard])
    return (points + rng.normal(0, noise, points.shape)) @ turn_z(yaw).T


@pytest.mark.parametrize("degrees", [0, 7, 30, 45, 60, 89, 135, 200, 270, 359])
def test_walls_lie_along_the_axes_the_longer_ones_along_x(degrees):
    turn = find_heading(keys_of(room(np.deg2rad(degrees))))
    assert turn is not None and -np.pi / 2 <= turn <= np.pi / 2
    off = (degrees + np.rad2deg(turn) + 90) % 180 - 90
    assert abs(off) < 1


def test_where_nothing_stands_out_there_is_no_heading():
    angle = np.random.default_rng(0).uniform(0, 2 * np.pi, 40_000)
    height = np.random.default_rng(1).uniform(0, 2, 40_000)
    silo = np.stack([3 * np.cos(angle), 3 * np.sin(angle), height], axis=1)
    floor = room(0.3)[:20_000] * (1, 1, 0)
    for points in (silo, floor, np.empty((0, 3))):
        assert find_heading(keys_of(points)) is None
        assert heading_of(keys_of(points), None) == 0.0
        assert heading_of(keys_of(points), 0.7) == 0.7


@pytest.mark.parametrize("quarters", [-1, 0, 1])
def test_a_heading_stays_while_it_is_about_as_good(quarters):
    """A quarter turn off is as good, too: all answers hang on it."""
    keys = keys_of(room(0.2))
    found = find_heading(keys)
    assert found is not None
    near, far = (found + SKEW + quarters * np.pi / 2 + k * STEADY for k in (0.8, 1.3))
    assert heading_of(keys, near) == near
    assert heading_of(keys, far) == found + SKEW == heading_of(keys, None)


@pytest.mark.parametrize("mirror", [False, True])
def test_training_may_see_rooms_as_the_segmenter_sees_maps(mirror):
    """But for a half turn, and for some degrees."""
    points = room(0.4)
    tree = KDTree(points)
    label = np.zeros(len(points), np.int16)
    sample = Sample(points.astype(np.float32), np.full(points.shape, 128, np.uint8), label, label)
    for share, spread in ((1.0, (0.5, 5)), (0.0, (10, 45))):
        augmentation = dataclasses.replace(PLAIN, lined_up_share=share, mirror=mirror)
        config = TrainConfig(augmentation=augmentation, crop_share=0.0)
        off = []
        for seed in range(8):
            seen, placement = draw_scene(np.random.default_rng(seed), sample, config, VOXEL)
            again = heading_of(seen.snapshot.keys, None)  # 0: as it is seen already
            off.append((np.rad2deg(again) + 45) % 90 - 45)
            whence = placement.undo(seen.snapshot.points[::50])
            assert tree.query(whence)[0].max() < VOXEL
        assert spread[0] < np.std(off) < spread[1]
