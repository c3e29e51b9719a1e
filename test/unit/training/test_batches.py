"""Batches are the same whoever draws them, and when."""

import shutil
from dataclasses import replace
from functools import partial

import numpy as np
import pytest
from training_rooms import assert_equal_weights, losses, small_config

from ssen_ros.errors import CloudError
from ssen_ros.training.background import everything
from ssen_ros.training.batches import draw_batch
from ssen_ros.training.dataset import RoomDataset
from ssen_ros.training.run_folder import RunFolder, read_log
from ssen_ros.training.train import train


def test_the_same_scene_of_a_step_is_drawn_whoever_draws_it(rooms):
    config = small_config(rooms)
    draw = partial(draw_batch, RoomDataset(rooms, 0.1), config, ("rgb",))
    first, again, other = (draw((0, 1), everything, step) for step in (3, 3, 4))
    assert first.features.equal(again.features)
    assert first.features.shape != other.features.shape or not first.features.equal(other.features)
    alone = draw((1,), everything, 3)
    assert alone.features.equal(first.features[first.scene == 1])
    assert not first.features[first.scene == 0].equal(alone.features)


@pytest.mark.parametrize("task", ["semantic", "embedding"])
def test_batches_drawn_ahead_by_others_are_the_same(task, rooms, tmp_path):
    config = small_config(rooms, log_steps=1, checkpoint_minutes=0.0)  # looks for new rooms after each step
    paths = [train(task, replace(config, workers=n), tmp_path / str(n)) for n in (0, 2)]
    assert_equal_weights(*paths)
    assert losses(paths[0].parent) == losses(paths[1].parent)


def test_rooms_that_come_later_are_drawn_from_by_the_workers_too(rooms, tmp_path, monkeypatch):
    def lines(workers: int) -> list[dict]:
        """Of a run whose second room comes after the first step."""
        growing, run = tmp_path / f"growing{workers}", tmp_path / f"run{workers}"
        growing.mkdir()
        shutil.copy(rooms / "000000.npz", growing)
        monkeypatch.setattr(RunFolder, "save", lambda *_: shutil.copy(rooms / "000001.npz", growing))
        train("semantic", small_config(growing, log_steps=1, workers=workers, checkpoint_minutes=0.0), run)
        return [{name: line[name] for name in ("rooms", "loss")} for line in read_log(run)]

    assert lines(2) == lines(0)
    assert [line["rooms"] for line in lines(1)] == [1] + 9 * [2]


def test_an_error_in_a_worker_is_the_callers(rooms, tmp_path):
    for path in rooms.glob("*.npz"):
        np.savez(path, first_voxel=np.zeros(3))
    with pytest.raises(CloudError, match="make it anew"):
        train("embedding", small_config(rooms, workers=1), tmp_path / "run")
