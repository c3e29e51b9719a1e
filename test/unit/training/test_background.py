"""What the embedding network is shown of the background."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from training_rooms import small_config, toy_room

from ssen_ros.datasets.labelled_voxels import voxelize
from ssen_ros.errors import CheckpointError, ConfigError
from ssen_ros.labels import CLASS_NAMES
from ssen_ros.models import (
    Checkpoint,
    NetworkSpec,
    load_checkpoint,
    network_of,
    save_checkpoint,
)
from ssen_ros.training.background import foreground, imitated, mixed, predicted
from ssen_ros.training.config import TrainConfig
from ssen_ros.training.dataset import RoomDataset
from ssen_ros.training.train import train


def test_embedding_sees_the_unannotated_but_little_background():
    voxels = voxelize(toy_room(), 0.05)
    stuff = voxels.semantic_label == 1
    shares = []
    for seed in range(20):
        mask = imitated(np.random.default_rng(seed), voxels)
        assert mask[~stuff].all()
        shares.append(mask[stuff].mean())
    assert min(shares) == 0.0 and 0.0 < max(shares) < 0.9


class Predicts:
    """Whoever lies right of x = 1 m is a thing."""

    def __call__(self, snapshot):
        return snapshot.points[:, 0] > 1.0


def test_backgrounds():
    voxels = voxelize(toy_room(), 0.05)
    right, instances = voxels.snapshot.points[:, 0] > 1.0, voxels.instance_label >= 0
    np.testing.assert_array_equal(predicted(Predicts(), np.random.default_rng(0), voxels), right)
    nothing = predicted(lambda s: np.zeros(len(s), bool), np.random.default_rng(0), voxels)
    np.testing.assert_array_equal(nothing, instances)
    expected = {mask.tobytes(): 0 for mask in (right | instances, instances, right)}
    for seed in range(60):
        expected[mixed(Predicts(), np.random.default_rng(seed), voxels).tobytes()] += 1
    assert sorted(expected) and min(expected.values()) >= 10


def test_training_on_what_a_semantic_network_calls_things(rooms, tmp_path):
    spec = NetworkSpec("semantic", "Tiny", 0.15, ("rgb", "height"), CLASS_NAMES, 3)
    torch.manual_seed(0)
    network = Checkpoint(spec, network_of(spec))
    save_checkpoint(tmp_path / "semantic.safetensors", network)
    config = small_config(
        rooms, steps=1, background="predicted", background_checkpoint=str(tmp_path / "semantic.safetensors")
    )
    voxels = RoomDataset(rooms, 0.15).scene(np.random.default_rng(0), config)[0]
    mask = foreground(config, torch.device("cpu"))(np.random.default_rng(0), voxels)
    assert mask.dtype == bool and mask.shape == (len(voxels.snapshot),) and mask.any()
    assert load_checkpoint(train("embedding", config, tmp_path / "run")).provenance["steps"] == 1
    with pytest.raises(ConfigError, match="background = 'mixed' with background_checkpoint = ''"):
        foreground(TrainConfig(background="mixed"), torch.device("cpu"))
    with pytest.raises(CheckpointError, match="voxel_size 0.15, expected 0.1"):
        foreground(replace(config, voxel_size=0.1), torch.device("cpu"))
