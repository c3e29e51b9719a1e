"""What a run leaves, and what it goes on from."""

import json
import runpy
import sys
from dataclasses import replace

import pytest
import torch
from training_rooms import CHECKOUT, assert_equal_weights, losses, small_config

from ssen_ros.errors import ConfigError
from ssen_ros.labels import CLASS_NAMES, LABEL_NAMES
from ssen_ros.models import (
    Checkpoint,
    NetworkSpec,
    load_checkpoint,
    network_of,
    save_checkpoint,
)
from ssen_ros.training.config import load_config
from ssen_ros.training.dataset import RoomDataset, class_weight
from ssen_ros.training.run_folder import Journal, read_log
from ssen_ros.training.train import train


def test_a_checkpoint_cut_off_leaves_the_one_before(rooms, tmp_path, monkeypatch):
    config = small_config(rooms, steps=4, checkpoint_minutes=0.0)
    whole = train("semantic", config, tmp_path / "whole")
    real, saved = torch.save, []

    def save(state, path):
        saved.append(path)
        if len(saved) == 3:
            path.write_bytes(b"half a state")
            raise OSError("disk full")
        real(state, path)

    with monkeypatch.context() as patch:
        patch.setattr(torch, "save", save)
        with pytest.raises(OSError):
            train("semantic", config, tmp_path / "parts")
    assert_equal_weights(whole, train("semantic", config, tmp_path / "parts", resume=True))


def test_config_and_commit_stand_beside_the_results(rooms, tmp_path):
    config = small_config(rooms, steps=1, seed=4)
    train("semantic", config, tmp_path / "run")
    text = (tmp_path / "run" / "config.yaml").read_text()
    assert text.startswith("# ssen train semantic, commit ")
    assert load_config(tmp_path / "run" / "config.yaml", "semantic") == config
    provenance = json.loads((tmp_path / "run" / "weights.json").read_text())["training"]
    assert provenance["config"]["seed"] == 4 and provenance["commit"] in text
    assert provenance["config"]["augmentation"]["scale"] == 0.2


def test_the_balance_that_the_prior_undoes_stands_in_the_checkpoint(rooms, tmp_path):
    config = small_config(rooms, steps=1)
    alike = load_checkpoint(train("semantic", replace(config, class_balance=0.0), tmp_path / "alike"))
    assert not {"class_shares", "class_weight"} & alike.provenance.keys(), "nothing to undo"
    path = train("semantic", replace(config, class_balance=0.5), tmp_path / "balanced")
    told = load_checkpoint(path).provenance
    shares = RoomDataset(rooms, 0.1).class_shares()
    assert list(told["class_shares"]) == list(LABEL_NAMES)
    assert list(told["class_shares"].values()) == shares.tolist()
    assert list(told["class_weight"].values()) == class_weight(shares, 0.5).tolist()


def test_shares_are_written_into_a_checkpoint_that_has_none(rooms, tmp_path):
    spec = NetworkSpec("semantic", "MinkUNet14S", 0.1, ("rgb",), CLASS_NAMES, 3)
    path = tmp_path / "old.safetensors"
    model = network_of(spec)
    save_checkpoint(path, Checkpoint(spec, model, {"steps": 3}))
    path.with_suffix(".json").write_text(json.dumps({"task": "semantic", "training": {"steps": 3}}))
    script = runpy.run_path(str(CHECKOUT / "scripts" / "class_shares.py"))
    shares = script["write_shares"](path, rooms)
    again = load_checkpoint(path)
    assert again.provenance == {"steps": 3, "class_shares": shares}
    assert json.loads(path.with_suffix(".json").read_text())["training"] == again.provenance
    assert list(shares) == list(CLASS_NAMES) and sum(shares.values()) == pytest.approx(1.0)
    counted = RoomDataset(rooms, 0.1).class_shares()
    assert shares["floor"] / shares["chair"] == pytest.approx(counted[1] / counted[4])
    assert again.model.state_dict()["final.kernel"].equal(model.state_dict()["final.kernel"])


def test_a_state_of_another_version_is_refused(rooms, tmp_path):
    config = small_config(rooms, steps=1)
    train("semantic", config, tmp_path / "run")
    torch.save({"model": {}, "step": 3}, tmp_path / "run" / "state.pt")
    with pytest.raises(ConfigError, match="lacks .*'rooms'.* start_from: "):
        train("semantic", config, tmp_path / "run", resume=True)
    (tmp_path / "run" / "state.pt").write_bytes(b"no state")
    with pytest.raises(ConfigError, match="cannot be read"):
        train("semantic", config, tmp_path / "run", resume=True)


def test_a_resumed_log_has_each_step_once(tmp_path):
    with Journal(tmp_path, 0, tensorboard=False) as journal:
        for step in (10, 20, 30):
            journal.write({"step": step, "loss": 1.0 / step})
    with open(tmp_path / "log.jsonl", "a") as file:
        file.write('{"step": 40, "lo')  # killed while writing
    with Journal(tmp_path, 20, tensorboard=False) as journal:
        journal.write({"step": 30, "loss": 0.5})
    assert [line["step"] for line in read_log(tmp_path)] == [10, 20, 30]
    assert read_log(tmp_path)[-1]["loss"] == 0.5


def test_tensorboard_gets_what_the_log_gets(rooms, tmp_path):
    accumulator = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    train("semantic", small_config(rooms, steps=3, log_steps=1, tensorboard=True), tmp_path)
    events = accumulator.EventAccumulator(str(tmp_path)).Reload()
    assert {"loss", "accuracy", "lr"} <= set(events.Tags()["scalars"])
    assert [(e.step, pytest.approx(e.value)) for e in events.Scalars("loss")] == losses(tmp_path)


def test_without_tensorboard_the_remedy_is_named(rooms, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", None)
    with pytest.raises(ConfigError, match=r"pip install 'ssen-ros\[training\]'"):
        train("semantic", small_config(rooms, tensorboard=True), tmp_path)


def test_a_run_is_not_overwritten_nor_resumed_as_another(rooms, tmp_path):
    config = small_config(rooms, steps=2)
    weights = train("semantic", config, tmp_path / "run")
    before = {path.name: path.read_bytes() for path in weights.parent.iterdir()}
    for task in ("semantic", "embedding"):
        with pytest.raises(ConfigError, match="state.pt is the state of another run.*--resume.*--out"):
            train(task, config, tmp_path / "run")
    for task, options in (("embedding", config), ("semantic", replace(config, features="rgb"))):
        with pytest.raises(
            ConfigError, match="(?s)state.pt is of another network than NetworkSpec.*config.yaml"
        ):
            train(task, options, tmp_path / "run", resume=True)
    assert {path.name: path.read_bytes() for path in weights.parent.iterdir()} == before


def test_the_authors_of_models_are_named_beside_the_weights(rooms, tmp_path):
    (rooms / "ATTRIBUTION.txt").write_text("Chair, by somebody; CC BY 3.0")
    train("semantic", small_config(rooms, steps=1), tmp_path / "run")
    assert (tmp_path / "run" / "ATTRIBUTION.txt").read_text() == "Chair, by somebody; CC BY 3.0"
