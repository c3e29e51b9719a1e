"""Rooms, a network and a configuration small enough to train on in tests; found through `pythonpath`."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

import numpy as np

from ssen_ros.io.samples import Sample
from ssen_ros.labels import UNKNOWN
from ssen_ros.models import (
    load_checkpoint,
)
from ssen_ros.training.augmentation import AugmentationConfig
from ssen_ros.training.batches import draw_batch
from ssen_ros.training.config import TrainConfig
from ssen_ros.training.run_folder import read_log

OURS = AugmentationConfig()


PLAIN = AugmentationConfig(
    lined_up_share=0.0, scale=0.0, tilt_deg=0.0, mirror=False, grid_shift=0.0,
    color_jitter=0.0, color_shift=0.0, contrast=0.0, grey_share=0.0,
    spacing_share=0.0, floorless_share=0.0,
)  # fmt: skip


CHECKOUT = Path(__file__).resolve().parents[2]


def toy_room(seed: int = 0) -> Sample:
    """A floor, a chair (instance 1), a table (instance 2) and a box that nobody annotated."""
    rng = np.random.default_rng(seed)
    floor = rng.uniform([0, 0, 0], [2, 2, 0.01], (4000, 3))
    chair = rng.uniform([0.2, 0.2, 0.1], [0.7, 0.7, 0.6], (3000, 3))
    table = rng.uniform([1.2, 1.2, 0.1], [1.8, 1.8, 0.8], (3000, 3))
    clutter = rng.uniform([0.2, 1.5, 0.0], [0.4, 1.7, 0.2], (500, 3))
    parts = [(floor, 1, -1), (chair, 4, 1), (table, 6, 2), (clutter, -1, -1)]
    points = np.concatenate([p for p, _, _ in parts]).astype(np.float32)
    semantic = np.concatenate([np.full(len(p), c) for p, c, _ in parts]).astype(np.int8)
    instance = np.concatenate([np.full(len(p), i) for p, _, i in parts]).astype(np.int16)
    palette = np.array([[90, 160, 60], [200, 40, 40], [120, 80, 40], [30, 30, 200]], np.uint8)
    colors = palette[np.repeat(np.arange(4), [len(p) for p, _, _ in parts])]
    return Sample(points, colors, semantic, instance)


BENCH = 3  # instance


def workshop() -> Sample:
    """The toy room with a yellow thing in it that somebody has called a workbench."""
    room, count = toy_room(), 3000
    bench = np.random.default_rng(7).uniform([1.2, 0.2, 0.1], [1.8, 0.8, 0.8], (count, 3))
    return Sample(
        np.concatenate([room.points, bench.astype(np.float32)]),
        np.concatenate([room.colors, np.full((count, 3), (250, 230, 20), np.uint8)]),
        np.concatenate([room.semantic_label, np.full(count, UNKNOWN, np.int8)]),
        np.concatenate([room.instance_label, np.full(count, BENCH, np.int16)]),
        {BENCH: "workbench"},
    )


# A network for these tests alone, in this process and in those that they start.
REGISTER_TINY = """
from ssen_ros.models.minkunet import ARCHITECTURES, MinkUNet
ARCHITECTURES["Tiny"] = type("Tiny", (MinkUNet,), {"PLANES": (8,) * 8, "LAYERS": (1,) * 8, "STEM": 8})
"""


def small_config(rooms, **changes) -> TrainConfig:
    values = dict(
        data=str(rooms), architecture="Tiny", voxel_size=0.15, batch_size=2, steps=10, learning_rate=1e-2
    )
    return TrainConfig(**{**values, "clip_norm": 5.0, "num_threads": 1, "schedule": "cosine", **changes})


def interrupted_at(last_step: int, how):
    def draw(*args):
        if args[-1] == last_step:
            how()
        return draw_batch(*args)

    return draw


def power_cut():
    raise RuntimeError("power cut")


def losses(run: Path) -> list[tuple[int, float]]:
    return [(line["step"], line["loss"]) for line in read_log(run)]


def assert_equal_weights(a: Path, b: Path) -> None:
    a, b = load_checkpoint(a), load_checkpoint(b)
    assert a.provenance["steps"] == b.provenance["steps"]
    for name, tensor in a.model.state_dict().items():
        assert tensor.equal(b.model.state_dict()[name]), name


def start(
    tasks: Sequence[str], config: TrainConfig, out: Path, launcher: Sequence[str] = ()
) -> subprocess.Popen:
    """A process that trains these networks, in turn, each into `out/task`."""
    out.mkdir()
    (out / "given.json").write_text(json.dumps(asdict(config)))  # JSON is YAML
    commands = [["train", t, "--config", str(out / "given.json"), "--out", str(out / t)] for t in tasks]
    program = ["import sys", "from ssen_ros.cli import main", REGISTER_TINY]
    if launcher:  # torchrun's processes can meet only once: the first training's group stays for the second
        program += ["import torch.distributed", "torch.distributed.destroy_process_group = lambda: None"]
    program += ["sys.exit(any([main(command) for command in %s]))"]
    (out / "program.py").write_text("\n".join(program) % commands)
    environment = {**os.environ, "PYTHONPATH": str(CHECKOUT), "OMP_NUM_THREADS": "1"}
    command = [sys.executable, *launcher, str(out / "program.py")]
    return subprocess.Popen(command, env=environment, start_new_session=True)


def wait_for_lines(process: subprocess.Popen, run: Path, count: int) -> None:
    """Until the log has as many."""
    while not (run / "log.jsonl").exists() or (run / "log.jsonl").read_text().count("\n") < count:
        assert process.poll() is None, "ended before it could be killed"
        time.sleep(0.01)
