"""tools/gpu rehearsed on the CPU, with rooms and seconds as few as can be."""

import json
import math
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from ssen_ros import native
from ssen_ros.io.samples import Sample, save_sample
from ssen_ros.labels import LABEL_NAMES
from ssen_ros.models import Checkpoint, load_checkpoint, save_checkpoint
from ssen_ros.training.config import TASKS

CHECKOUT = Path(__file__).resolve().parents[2]
pytestmark = pytest.mark.slow


def small_room(seed: int) -> Sample:
    """A floor, a chair and a table."""
    rng = np.random.default_rng(seed)
    parts = [
        (rng.uniform([0, 0, 0], [1.5, 1.5, 0.01], (3000, 3)), 1, -1),
        (rng.uniform([0.2, 0.2, 0.1], [0.6, 0.6, 0.6], (2000, 3)), 4, 1),
        (rng.uniform([0.9, 0.9, 0.1], [1.4, 1.4, 0.7], (2000, 3)), 6, 2),
    ]
    points = np.concatenate([part for part, _, _ in parts]).astype(np.float32)
    cells, first = np.unique(np.floor(points / 0.02).astype(int), axis=0, return_index=True)
    semantic = np.concatenate([np.full(len(p), c, np.int8) for p, c, _ in parts])[first]
    instance = np.concatenate([np.full(len(p), i, np.int16) for p, _, i in parts])[first]
    colors = np.stack([30 * semantic.astype(np.uint8) + 20] * 3, axis=1)
    return Sample(((cells + 0.5) * 0.02).astype(np.float32), colors, semantic, instance)


@pytest.fixture(scope="module")
def place(tmp_path_factory) -> Path:
    """A folder with two rooms that were carried along."""
    folder = tmp_path_factory.mktemp("gpu")
    (folder / "carried" / "rooms").mkdir(parents=True)
    for seed in (3000, 3001):
        save_sample(folder / "carried" / "rooms" / f"{seed:06d}.npz", small_room(seed))
    return folder


def environment(place: Path) -> dict[str, str]:
    variables = {"PYTHON": sys.executable, "DEVICE": "cpu", "TINY": "1", "OMP_NUM_THREADS": "1"}
    folders = {"CARRIED": place / "carried", "SCRATCH": place / "scratch"}
    library = native.library()
    compiled = {"SSEN_NATIVE_LIBRARY": library._name} if library else {}  # else `check` would build it
    return os.environ | variables | {name: str(path) for name, path in folders.items()} | compiled


def burst(place: Path, *arguments: str) -> tuple[Path, str]:
    """The folder of what came back, and the summary."""
    out = place / arguments[0]
    run = subprocess.run(
        ["tools/gpu/burst.sh", *arguments], cwd=CHECKOUT, env=environment(place) | {"OUT": str(out)},
        capture_output=True, text=True, timeout=1500,
    )  # fmt: skip
    assert run.returncode == 0, run.stderr
    assert run.stdout == (out / "summary.txt").read_text()
    return out, run.stdout


def test_the_whole_burst(place):
    out, summary = burst(place, "check")
    logs = (out / "logs.txt").read_text()
    for name in ("machine", "tests", "bench"):
        assert f"{name:<12} exit   0" in summary, logs
    assert f"\n{len(os.sched_getaffinity(0))} cores\n" in logs  # not those that OMP_NUM_THREADS leaves
    figures = json.loads((out / "bench.json").read_text())
    assert figures["machine"] == "CPU" and figures["difference torch float32"] < 1e-4
    assert figures["forward MinkUNet14S 150 torch float32"]["median_ms"] > 0
    assert figures["step of 2 crops, torch float32"]["median_ms"] > 0

    out, summary = burst(place, "train", "6")
    logs = (out / "logs.txt").read_text()
    assert "train        exit   0" in summary, logs
    told = json.loads((out / "training.json").read_text())
    for task, architecture in (("semantic", "MinkUNet14D"), ("embedding", "MinkUNet14S")):
        run = told[task]
        assert run["steps"] > 0 and run["scenes"] == 2 * run["steps"] and math.isfinite(run["loss"])
        assert run["start_from"] == f"ssen_ros/weights/{task}.safetensors" and run["starts"] == 1
        assert f"{task} architecture={architecture} precision=float32" in summary
        weights = out / f"{task}.safetensors"
        checkpoint = load_checkpoint(weights)
        assert checkpoint.spec.task == task and checkpoint.spec.architecture == architecture
        assert checkpoint.spec.class_names == LABEL_NAMES
        assert checkpoint.provenance["steps"] >= run["steps"]
        assert weights.stat().st_size < 16 << 20
    assert len(list(out.iterdir())) <= 8

    # The simulation outlives both commands, and adds a room to the two that were carried.
    third = place / "scratch" / "rooms" / "003002.npz"
    until = time.monotonic() + 600
    while not third.is_file() and time.monotonic() < until:
        time.sleep(0.5)
    assert third.is_file(), (place / "scratch" / "simulating" / "log").read_text()


def test_a_loss_that_is_not_finite_begins_anew_in_float32(place, monkeypatch, tmp_path):
    monkeypatch.syspath_prepend(str(CHECKOUT / "tools" / "gpu"))
    import train

    class Process:
        """A training that does nothing."""

        def __init__(self, command):
            self.command, self.signals = command, []

        def poll(self):
            return -signal.SIGKILL if self.signals else None

        def send_signal(self, number):
            self.signals.append(number)

        def wait(self, _=None):
            return self.poll()

    monkeypatch.setattr(train.subprocess, "Popen", Process)
    options = {
        "precision": "bfloat16",
        "start_from": "first.safetensors",
        "batch_size": 2,
        "architecture": "A",
    }
    run = train.Run("semantic", options, tmp_path / "runs", tmp_path, time.monotonic() + 60)
    log = run.folder / "log.jsonl"
    log.write_text('{"step": 20, "loss": 1.5}\n')
    assert run.look() and run.told()["precision"] == "bfloat16"
    log.write_text('{"step": 20, "loss": NaN}\n')
    assert run.look()
    assert run.told()["precision"] == "float32" and run.told()["starts"] == 2
    assert run.options["start_from"] == "first.safetensors" and run.options["max_minutes"] <= 1
    (run.folder / "log.jsonl").write_text('{"step": 20, "loss": Infinity}\n')
    assert not run.look() and run.told()["exit"] == -signal.SIGKILL and run.told()["starts"] == 2


def test_tasks_have_their_own_options(place, monkeypatch):
    monkeypatch.syspath_prepend(str(CHECKOUT / "tools" / "gpu"))
    import argparse

    import train

    changes = [train.change(text) for text in ("batch_size=4", "semantic.seed=7", "augmentation.scale=0.1")]
    args = argparse.Namespace(rooms=place, seconds=60, changes=changes)
    semantic, embedding = (train.options_of(task, args) for task in TASKS)
    assert semantic["seed"] == 7 and embedding["seed"] == 1
    assert semantic["batch_size"] == embedding["batch_size"] == 4
    assert semantic["augmentation.scale"] == 0.1


def test_what_is_accepted_tells_where_it_comes_from(monkeypatch, tmp_path):
    monkeypatch.syspath_prepend(str(CHECKOUT / "tools" / "gpu"))
    import accept

    shipped = accept.WEIGHTS / "semantic.safetensors"
    before = load_checkpoint(shipped)
    trained = before.provenance | {"commit": "unknown", "steps": 9000, "minutes": 7.0}
    save_checkpoint(tmp_path / "new.safetensors", Checkpoint(before.spec, before.model.half(), trained))
    training = {"machine": "a card", "room_seeds": [3000, 4100], "semantic": {"rooms": 1100}}
    checkpoint = accept.with_origin(tmp_path / "new.safetensors", shipped, training, "abc1234")
    accept.write(checkpoint, training["room_seeds"], tmp_path)
    found = load_checkpoint(tmp_path / "semantic.safetensors")
    told = json.loads((tmp_path / "semantic.json").read_text())
    assert found.provenance == told["training"] and told["room_seeds"] == [3000, 4100]
    assert found.provenance["commit"] == "abc1234" and found.provenance["machine"] == "a card"
    assert found.provenance["start"] == before.provenance and found.provenance["steps"] == 9000
    size = (tmp_path / "semantic.safetensors").stat().st_size
    assert size < 0.6 * shipped.stat().st_size  # in float16 as it came


def test_better_is_nothing_worse_and_something_better(monkeypatch):
    monkeypatch.syspath_prepend(str(CHECKOUT / "tools" / "gpu"))
    import accept

    before = {"miou": 0.5, "ap50": 0.4}
    assert accept.is_better(before, {"miou": 0.5, "ap50": 0.41})
    assert not accept.is_better(before, before)
    assert not accept.is_better(before, {"miou": 0.6, "ap50": 0.39})
