"""Checkpoints come back as they went, or not at all."""

import dataclasses
import json
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import save_file

from ssen_ros.errors import CheckpointError
from ssen_ros.labels import CLASS_NAMES
from ssen_ros.models import Checkpoint, NetworkSpec, load_checkpoint, network_of, save_checkpoint
from ssen_ros.network_spec import read_spec

SPEC = NetworkSpec("semantic", "MinkUNet14S", 0.04, ("rgb", "height"), CLASS_NAMES, first_kernel_size=3)


@pytest.fixture
def saved(tmp_path):
    path = tmp_path / "net.safetensors"
    checkpoint = Checkpoint(SPEC, network_of(SPEC), {"seed": 3})
    save_checkpoint(path, checkpoint)
    return path, checkpoint


def test_round_trip(saved):
    path, checkpoint = saved
    loaded = load_checkpoint(path)
    assert loaded.spec == SPEC and loaded.provenance == {"seed": 3} and not loaded.model.training
    for name, tensor in checkpoint.model.state_dict().items():
        assert torch.equal(loaded.model.state_dict()[name], tensor), name


def test_others_may_read_it_as_the_umask_says(saved, tmp_path):
    (tmp_path / "plain").write_text("")
    assert saved[0].stat().st_mode == (tmp_path / "plain").stat().st_mode


def test_missing_file(tmp_path):
    with pytest.raises(CheckpointError, match="no such file"):
        load_checkpoint(tmp_path / "none.safetensors")


def test_a_place_that_cannot_be_written(tmp_path):
    with pytest.raises(CheckpointError, match="cannot be written .*No such file"):
        save_checkpoint(tmp_path / "none" / "net.safetensors", Checkpoint(SPEC, network_of(SPEC)))


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


def test_an_unknown_architecture_is_refused_where_it_is_built():
    with pytest.raises(CheckpointError, match="'ResNet': expected one of MinkUNet"):
        network_of(dataclasses.replace(SPEC, architecture="ResNet"))


def test_the_spec_is_read_without_the_tensors(saved):
    path, _ = saved
    assert read_spec(path) == SPEC
    with open(path, "r+b") as stream:  # what follows the header may be anything of that size
        header = 8 + int.from_bytes(stream.read(8), "little")
        stream.seek(header)
        stream.write(b"\xff" * (path.stat().st_size - header))
    assert read_spec(path) == SPEC
    with pytest.raises(CheckpointError, match=r"\.kernel has (\d+) of \1 values that are not finite"):
        load_checkpoint(path)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
def test_tensors_of_other_types_become_those_of_the_network(saved, tmp_path, dtype):
    path, checkpoint = saved
    tensors = {
        n: t.to(dtype) if t.is_floating_point() else t for n, t in checkpoint.model.state_dict().items()
    }
    metadata = {"ssen": json.dumps(dataclasses.asdict(SPEC))}
    save_file(tensors, str(tmp_path / "other.safetensors"), metadata)
    loaded = load_checkpoint(tmp_path / "other.safetensors").model.state_dict()
    for name, tensor in tensors.items():
        assert torch.equal(loaded[name], tensor.to(loaded[name].dtype)), name
    assert loaded["final.kernel"].dtype == torch.float32


@given(st.integers(0, 2**32 - 1))
@settings(max_examples=60, deadline=None)
def test_damaged_files_are_refused_by_name(seed):
    """Whatever bytes change: a checkpoint of other numbers, or a CheckpointError."""
    rng = np.random.default_rng(seed)
    with TemporaryDirectory() as folder:
        path = Path(folder) / "net.safetensors"
        tensors = {"a": torch.ones(3), "b": torch.zeros(2, 2, dtype=torch.int64)}
        save_file(tensors, str(path), {"ssen": json.dumps(dataclasses.asdict(SPEC))})
        content = bytearray(path.read_bytes())
        header = int.from_bytes(content[:8], "little")
        for _ in range(rng.integers(1, 4)):
            content[rng.integers(8 + header)] = rng.integers(256)
        path.write_bytes(content[: rng.integers(len(content) + 1)] if rng.random() < 0.5 else content)
        with pytest.raises(CheckpointError, match="net.safetensors"):
            load_checkpoint(path)


@pytest.mark.parametrize(
    "content, words",
    [
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:00\n", "Git LFS pointer"),
        (b"<!DOCTYPE html><html><body>Not found</body></html>", "a web page"),
        (b"PK\x03\x04" + bytes(60), "ssen convert"),
        (b"", "header would have 0 bytes"),
        (
            (10**15).to_bytes(8, "little") + bytes(60),
            "header would have 1000000000000000 bytes, the file has 68",
        ),
    ],
)
def test_what_a_file_seems_to_be_is_said(tmp_path, content, words):
    path = tmp_path / "net.safetensors"
    path.write_bytes(content)
    with pytest.raises(CheckpointError, match=words):
        load_checkpoint(path)


@pytest.mark.parametrize(
    "change, words",
    [
        (dict(task="depth"), "'depth'"),
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
