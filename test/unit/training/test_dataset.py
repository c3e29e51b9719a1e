"""Scenes drawn from labelled rooms, cropped and put together."""

from dataclasses import replace

import numpy as np
import pytest
from training_rooms import PLAIN, small_config, toy_room

from ssen_ros.datasets.labelled_voxels import voxelize
from ssen_ros.errors import ConfigError
from ssen_ros.labels import LABEL_NAMES
from ssen_ros.training.background import everything
from ssen_ros.training.batches import draw_batch
from ssen_ros.training.config import TrainConfig
from ssen_ros.training.dataset import RoomDataset, class_weight, collate, crop, laid_over
from ssen_ros.training.train import train


def test_twins_show_the_same_place_of_a_room_under_two_augmentations(rooms):
    config = small_config(rooms, consistency=1.0, batch_size=4)
    batch = draw_batch(RoomDataset(rooms, 0.05), config, ("rgb",), range(4), everything, 0)
    one, other = batch.twins.T
    assert set(zip(batch.scene[one].tolist(), batch.scene[other].tolist())) == {(0, 1), (2, 3)}
    assert len(one) > 0.3 * min(batch.scene.bincount())
    same = (batch.instance_label[one] == batch.instance_label[other]).double().mean()
    assert same > 0.9  # voxels on an edge between two things have the label of either
    assert not batch.features[one].equal(batch.features[other])
    alone = draw_batch(RoomDataset(rooms, 0.05), config, ("rgb",), range(2, 4), everything, 0)
    assert len(alone.twins) == (batch.scene[one] == 2).sum()  # whoever draws them


def test_crop_is_local_and_bounded():
    voxels = voxelize(toy_room(), 0.05)
    for seed in range(10):
        part = crop(np.random.default_rng(seed), voxels, 300)
        assert len(part.snapshot) <= 300
        extent = np.ptp(part.snapshot.points[:, :2], axis=0)
        assert (extent < 1.5).all()


def test_rare_classes_weigh_more(rooms):
    dataset = RoomDataset(rooms, 0.1)
    shares = dataset.class_shares()
    assert shares.sum() == pytest.approx(1.0)
    assert class_weight(shares, 0.0).tolist() == pytest.approx([1.0] * len(LABEL_NAMES))
    weight = class_weight(shares, 0.5)
    counts = sum(
        np.bincount(dataset.sample(i).semantic_label + 1, minlength=len(LABEL_NAMES) + 1)[1:]
        for i in range(2)
    )
    assert counts[1] > counts[4] > 0
    assert weight[4] / weight[1] == pytest.approx((counts[1] / counts[4]) ** 0.5, rel=1e-4)
    assert (weight * counts).sum() == pytest.approx(counts.sum(), rel=1e-4)
    assert weight.max() / weight.min() <= 20.001


def test_collate_keeps_scenes_apart(rooms):
    dataset = RoomDataset(rooms, 0.1)
    scenes = [voxelize(dataset.sample(i), 0.1) for i in range(2)]
    masks = [np.ones(len(s.snapshot), bool) for s in scenes]
    batch = collate(scenes, masks, ("rgb", "height"))
    assert batch.features.shape == (len(batch.coords), 4)
    assert batch.scene.tolist() == batch.coords[:, 0].tolist()
    assert batch.scene.bincount().tolist() == [len(s.snapshot) for s in scenes]


def test_rooms_that_are_gone_are_named(rooms, tmp_path):
    config = small_config(rooms, steps=1)
    train("semantic", config, tmp_path / "run")
    (rooms / "000001.npz").unlink()
    with pytest.raises(ConfigError, match="lacks 1 of 2 rooms .* the first 000001.npz"):
        train("semantic", config, tmp_path / "run", resume=True)


def test_scenes_may_stay_whole(rooms):
    config = TrainConfig(augmentation=PLAIN, crop_share=0.0, max_voxels=0)
    dataset = RoomDataset(rooms, 0.05)
    sizes = {len(dataset.scene(np.random.default_rng(seed), config)[0].snapshot) for seed in range(6)}
    assert min(sizes) > 0.9 * max(sizes)  # other turns cut other voxels


def test_two_rooms_laid_over_each_other():
    """On one floor, middle on middle; nothing of either is lost but where both have a voxel."""
    room = toy_room()
    one = voxelize(room, 0.05)
    other = voxelize(
        replace(room, points=room.points * np.float32((-1, 1, 1)) + np.float32((7.3, -2.1, 1.4))), 0.05
    )
    both = laid_over(one, other)
    a, b = one.snapshot, both.snapshot
    np.testing.assert_allclose(np.ptp(b.points, axis=0), np.ptp(a.points, axis=0), atol=0.06)
    assert abs(b.points[:, 2].min() - a.points[:, 2].min()) < 0.06
    assert len(a) < len(b) < 2 * len(a)
    things = both.instance_label >= 0
    found = set(zip(both.semantic_label[things].tolist(), both.instance_label[things].tolist()))
    assert found == {(4, 1), (6, 2), (4, 4), (6, 5)}  # two chairs and two tables, each an object of its own


def test_a_share_of_the_scenes_is_two_rooms(rooms):
    dataset = RoomDataset(rooms, 0.05)
    config = TrainConfig(augmentation=replace(PLAIN, mixed_share=0.5), crop_share=0.0, max_voxels=3001)
    scenes = [dataset.scene(np.random.default_rng(seed), config)[0] for seed in range(24)]
    assert max(len(scene.snapshot) for scene in scenes) <= 3002
    mixed = [scene.instance_label.max() > 2 for scene in scenes]
    assert 4 <= sum(mixed) <= 20


def test_mixed_scenes_have_no_twins(rooms, tmp_path):
    config = small_config(rooms, consistency=1.0, augmentation=replace(PLAIN, mixed_share=0.1))
    with pytest.raises(ConfigError, match="mixed_share = 0.1: expected one of them 0"):
        train("semantic", config, tmp_path / "run")
