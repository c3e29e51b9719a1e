"""Checkpoints come back as they went, or not at all."""

import dataclasses

import pytest
import torch
from safetensors.torch import save_file

from ssen_ros.errors import CheckpointError
from ssen_ros.labels import CLASS_NAMES
from ssen_ros.models import Checkpoint, NetworkSpec, load_checkpoint, save_checkpoint

SPEC = NetworkSpec("semantic", "MinkUNet14S", 0.04, ("rgb", "height"), CLASS_NAMES, first_kernel_size=3)


@pytest.fixture
def saved(tmp_path):
    path = tmp_path / "net.safetensors"
    checkpoint = Checkpoint(SPEC, SPEC.build(), {"seed": 3})
    save_checkpoint(path, checkpoint)
    return path, checkpoint


def test_round_trip(saved):
    path, checkpoint = saved
    loaded = load_checkpoint(path)
    assert loaded.spec == SPEC and loaded.provenance == {"seed": 3} and not loaded.model.training
    for name, tensor in checkpoint.model.state_dict().items():
        assert torch.equal(loaded.model.state_dict()[name], tensor), name


def test_missing_file(tmp_path):
    with pytest.raises(CheckpointError, match="no such file"):
        load_checkpoint(tmp_path / "none.safetensors")


def test_a_place_that_cannot_be_written(tmp_path):
    with pytest.raises(CheckpointError, match="cannot be written .*No such file"):
        save_checkpoint(tmp_path / "none" / "net.safetensors", Checkpoint(SPEC, SPEC.build()))


def test_not_safetensors(tmp_path):
    path = tmp_path / "x.safetensors"
    path.write_bytes(b"pickled, perhaps")
    with pytest.raises(CheckpointError, match="not a safetensors file"):
        load_checkpoint(path)


def test_foreign_safetensors(tmp_path):
    path = tmp_path / "x.safetensors"
    save_file({"a": torch.zeros(1)}, str(path))
    with pytest.raises(CheckpointError, match="no 'ssen' metadata"):
        load_checkpoint(path)


@pytest.mark.parametrize(
    "change, words",
    [
        (dict(architecture="MinkUNet14A"), "does not fit MinkUNet14A"),
        (dict(first_kernel_size=5), r"conv0p1s1.kernel has shape \(27, 4, 32\), expected \(125, 4, 32\)"),
        (dict(class_names=CLASS_NAMES[:5]), r"final.kernel has shape \(32, 20\), expected \(32, 5\)"),
    ],
)
def test_weights_of_another_network(saved, change, words):
    path, checkpoint = saved
    save_checkpoint(path, dataclasses.replace(checkpoint, spec=dataclasses.replace(SPEC, **change)))
    with pytest.raises(CheckpointError, match=words):
        load_checkpoint(path)


@pytest.mark.parametrize(
    "change, words",
    [
        (dict(task="depth"), "'depth'"),
        (dict(architecture="ResNet"), "'ResNet'"),
        (dict(voxel_size=0.0), "more than 0"),
        (dict(features=("rgb", "normals")), "normals"),
        (dict(embedding_width=8), "embedding_width 8"),
        (dict(first_kernel_size=4), "first_kernel_size 4: expected an odd"),
        (dict(first_kernel_size=-1), "first_kernel_size -1: expected an odd"),
    ],
)
def test_impossible_spec(change, words):
    with pytest.raises(CheckpointError, match=words):
        dataclasses.replace(SPEC, **change)
