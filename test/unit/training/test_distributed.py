"""Several processes train as one does."""

import os
import signal

import pytest
import torch
from training_rooms import small_config, start, wait_for_lines

from ssen_ros.errors import ConfigError
from ssen_ros.models import (
    load_checkpoint,
)
from ssen_ros.training.distributed import Processes
from ssen_ros.training.run_folder import read_log
from ssen_ros.training.train import train


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_to_all_processes_of_a_run_saves_its_state(number, rooms, tmp_path):
    """As a terminal and a batch system send them."""
    config = small_config(rooms, steps=10_000, log_steps=1, workers=2)
    run = tmp_path / "stopped" / "semantic"
    with start(["semantic"], config, run.parent) as process:
        wait_for_lines(process, run, 3)
        os.killpg(process.pid, number)
        process.wait(60)
    assert torch.load(run / "state.pt")["step"] >= 3


def test_two_processes_have_the_loss_curve_of_one(rooms, tmp_path):
    """torchrun with gloo; three scenes a step, so that the shares differ in size."""
    config = small_config(rooms, batch_size=3, steps=6, log_steps=1, class_balance=0.5, learning_rate=1e-3)
    launcher = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2"]
    with start(["semantic", "embedding"], config, tmp_path / "two", launcher) as process:
        assert process.wait() == 0
    for task in ("semantic", "embedding"):
        one, two = train(task, config, tmp_path / task), tmp_path / "two" / task / "weights.safetensors"
        a, b = read_log(one.parent), read_log(two.parent)
        assert len(a) == len(b) == 6
        for x, y in zip(a, b):
            assert y == pytest.approx(x | {"minutes": y["minutes"]}, rel=2e-3), (task, x["step"])
        other = load_checkpoint(two).model.state_dict()
        for name, tensor in load_checkpoint(one).model.state_dict().items():
            assert torch.allclose(tensor.double(), other[name].double(), atol=5e-3, rtol=5e-3), name


def test_processes_share_the_scenes_of_a_batch(monkeypatch):
    monkeypatch.setenv("WORLD_SIZE", "3")
    shares = []
    for rank in range(3):
        monkeypatch.setenv("RANK", str(rank))
        shares.append(list(Processes("cpu").share(8)))
    assert sorted(sum(shares, [])) == list(range(8)) and {len(share) for share in shares} == {2, 3}
    with pytest.raises(ConfigError, match="batch_size = 2 for 3 processes: expected a scene for each"):
        Processes("cpu").share(2)


@pytest.mark.skipif(torch.cuda.is_available(), reason="this machine has a GPU")
def test_a_gpu_that_is_not_there_is_refused(rooms, tmp_path):
    with pytest.raises(ConfigError, match="device = 'cuda': torch finds 0 CUDA GPUs"):
        train("semantic", small_config(rooms, device="cuda"), tmp_path)


def test_a_device_of_another_kind_is_refused(rooms, tmp_path):
    with pytest.raises(ConfigError, match="device = 'gpu': expected auto, cpu, cuda or cuda:N"):
        train("semantic", small_config(rooms, device="gpu"), tmp_path)
