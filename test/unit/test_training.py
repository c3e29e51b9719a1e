"""Data, augmentation and the loop, on scenes the tests make themselves."""

import json
import os
import runpy
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict, replace
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from ssen_ros.cli import main
from ssen_ros.datasets.labelled_voxels import voxelize
from ssen_ros.errors import CheckpointError, CloudError, ConfigError, SsenError
from ssen_ros.io.samples import Sample, save_sample
from ssen_ros.labels import CLASS_NAMES, LABEL_NAMES, UNKNOWN
from ssen_ros.models import (
    ARCHITECTURES,
    Checkpoint,
    NetworkSpec,
    load_checkpoint,
    network_of,
    save_checkpoint,
)
from ssen_ros.sparse import default_engine
from ssen_ros.training.augmentation import AugmentationConfig, augment_colors, draw_placement, kept_points
from ssen_ros.training.background import everything, foreground, imitated, mixed, predicted
from ssen_ros.training.batches import draw_batch
from ssen_ros.training.config import TrainConfig, load_config, network_spec
from ssen_ros.training.curves import draw_curves
from ssen_ros.training.dataset import RoomDataset, class_weight, collate, crop
from ssen_ros.training.distributed import Processes
from ssen_ros.training.run_folder import Journal, RunFolder, read_log
from ssen_ros.training.train import learning_rate, start_from, train

OURS = AugmentationConfig()
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


# A network for these tests alone, in this process and in those that they start.
REGISTER_TINY = """
from ssen_ros.models.minkunet import ARCHITECTURES, MinkUNet
ARCHITECTURES["Tiny"] = type("Tiny", (MinkUNet,), {"PLANES": (8,) * 8, "LAYERS": (1,) * 8, "STEM": 8})
"""


@pytest.fixture(autouse=True, scope="module")
def tiny_network():
    exec(REGISTER_TINY, {})
    yield
    del ARCHITECTURES["Tiny"]


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


def test_consistency_trains_and_needs_scenes_two_and_two(rooms, tmp_path):
    config = small_config(rooms, steps=12, log_steps=1, consistency=0.5)
    run = train("semantic", config, tmp_path / "run").parent
    assert all(0 < line["apart"] < 10 for line in read_log(run))
    with pytest.raises(ConfigError, match="batch_size = 3 and 1 processes: expected an even number"):
        train("semantic", replace(config, batch_size=3), tmp_path / "odd")


def test_without_the_extra_classes_their_voxels_are_not_annotated(rooms, tmp_path):
    for file in rooms.iterdir():
        sample = toy_room()
        label = np.where(sample.semantic_label == 6, UNKNOWN, sample.semantic_label)
        save_sample(file, replace(sample, semantic_label=label))
    config = small_config(rooms, steps=2, extra_classes=False, class_balance=0.5)
    trained = load_checkpoint(train("semantic", config, tmp_path / "run"))
    assert trained.spec.class_names == CLASS_NAMES and trained.spec.out_channels == 20
    shares = trained.provenance["class_shares"]
    assert sum(shares.values()) == pytest.approx(1.0) and shares["table"] == 0.0


@pytest.fixture
def rooms(tmp_path):
    (tmp_path / "rooms").mkdir()
    for seed in range(2):
        save_sample(tmp_path / "rooms" / f"{seed:06d}.npz", toy_room(seed))
    return tmp_path / "rooms"


def small_config(rooms, **changes) -> TrainConfig:
    values = dict(
        data=str(rooms), architecture="Tiny", voxel_size=0.15, batch_size=2, steps=10, learning_rate=1e-2
    )
    return TrainConfig(**{**values, "clip_norm": 5.0, "num_threads": 1, "schedule": "cosine", **changes})


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 2**32))
def test_augmentation_keeps_the_geometry(seed):
    """Distances change by one common factor between 0.8 and 1.2, and up stays within 10 degrees of up."""
    rng = np.random.default_rng(seed)
    points = rng.uniform(-2, 2, (20, 3)).astype(np.float32)
    points[:2] = [[0, 0, 0], [0, 0, 1]]
    moved = draw_placement(rng, OURS).apply(points).astype(np.float64)
    before = np.linalg.norm(points[1:] - points[0], axis=1)
    ratio = np.linalg.norm(moved[1:] - moved[0], axis=1) / before
    np.testing.assert_allclose(ratio, ratio[0], rtol=1e-3)
    assert 0.799 < ratio[0] < 1.201
    up = (moved[1] - moved[0]) / ratio[0]
    assert up[2] > np.cos(np.deg2rad(10.01))


def test_color_augmentation_varies_and_sometimes_greys():
    colors = toy_room().colors
    results = [augment_colors(np.random.default_rng(seed), colors, OURS) for seed in range(100)]
    assert all(r.dtype == np.uint8 and r.shape == colors.shape for r in results)
    grey = [r for r in results if (r == 128).all()]
    assert 1 <= len(grey) <= 15 and not np.array_equal(results[0], results[1])


def test_crop_is_local_and_bounded():
    voxels = voxelize(toy_room(), 0.05)
    for seed in range(10):
        part = crop(np.random.default_rng(seed), voxels, 300)
        assert len(part.snapshot) <= 300
        extent = np.ptp(part.snapshot.points[:, :2], axis=0)
        assert (extent < 1.5).all()


def test_embedding_sees_the_unannotated_but_little_background():
    voxels = voxelize(toy_room(), 0.05)
    stuff = voxels.semantic_label == 1
    shares = []
    for seed in range(20):
        mask = imitated(np.random.default_rng(seed), voxels)
        assert mask[~stuff].all()
        shares.append(mask[stuff].mean())
    assert min(shares) == 0.0 and 0.0 < max(shares) < 0.9


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


def test_the_same_scene_of_a_step_is_drawn_whoever_draws_it(rooms):
    config = small_config(rooms)
    draw = partial(draw_batch, RoomDataset(rooms, 0.1), config, ("rgb",))
    first, again, other = (draw((0, 1), everything, step) for step in (3, 3, 4))
    assert first.features.equal(again.features)
    assert first.features.shape != other.features.shape or not first.features.equal(other.features)
    alone = draw((1,), everything, 3)
    assert alone.features.equal(first.features[first.scene == 1])
    assert not first.features[first.scene == 0].equal(alone.features)


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


@pytest.mark.parametrize("task", ["semantic", "embedding"])
def test_training_learns_and_resumes_exactly(task, rooms, tmp_path, monkeypatch):
    """Interrupted by Ctrl-C in one step, and by a failure in a later one, two past the last checkpoint."""
    config = small_config(rooms, log_steps=1)
    whole = train(task, config, tmp_path / "whole")
    for step, how, raised in [
        (3, partial(signal.raise_signal, signal.SIGINT), KeyboardInterrupt),
        (6, power_cut, RuntimeError),
    ]:
        with monkeypatch.context() as patch:
            patch.setattr("ssen_ros.training.train.draw_batch", interrupted_at(step, how))
            with pytest.raises(raised):
                train(task, config, tmp_path / "parts", resume=step > 3)
    assert json.loads((tmp_path / "parts" / "weights.json").read_text())["training"]["steps"] == 4
    parts = train(task, config, tmp_path / "parts", resume=True)
    assert_equal_weights(whole, parts)
    assert losses(whole.parent) == losses(parts.parent) and len(losses(whole.parent)) == 10
    untrained = train(task, replace(config, learning_rate=0.0), tmp_path / "untrained")
    assert losses(whole.parent)[-1][1] < losses(untrained.parent)[-1][1]


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


def test_a_killed_run_resumes_exactly(rooms, tmp_path):
    """SIGKILL at whatever moment it is, with a checkpoint after every step."""
    config = small_config(rooms, steps=10_000, schedule="step", log_steps=1, checkpoint_minutes=0.0)
    run = tmp_path / "killed" / "embedding"
    with start(["embedding"], config, run.parent) as process:
        wait_for_lines(process, run, 3)
        process.kill()
    assert process.returncode == -signal.SIGKILL
    config = replace(config, steps=torch.load(run / "state.pt")["step"] + 3)
    killed = train("embedding", config, run, resume=True)
    whole = train("embedding", config, tmp_path / "whole")
    assert_equal_weights(whole, killed)
    assert losses(whole.parent) == losses(run)


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


def test_rooms_that_are_gone_are_named(rooms, tmp_path):
    config = small_config(rooms, steps=1)
    train("semantic", config, tmp_path / "run")
    (rooms / "000001.npz").unlink()
    with pytest.raises(ConfigError, match="lacks 1 of 2 rooms .* the first 000001.npz"):
        train("semantic", config, tmp_path / "run", resume=True)


# --- options -----------------------------------------------------------------------------------


PLAIN = AugmentationConfig(
    scale=0.0, tilt_deg=0.0, mirror=False, grid_shift=0.0,
    color_jitter=0.0, color_shift=0.0, contrast=0.0, grey_share=0.0,
    spacing_share=0.0, floorless_share=0.0,
)  # fmt: skip


def test_augmentation_turned_off_leaves_the_turn_about_z():
    points = toy_room().points
    moved = draw_placement(np.random.default_rng(0), PLAIN).apply(points)
    np.testing.assert_allclose(moved[:, 2], points[:, 2], atol=1e-5)
    np.testing.assert_allclose(
        np.linalg.norm(moved[:, :2], axis=1), np.linalg.norm(points[:, :2], axis=1), rtol=1e-4
    )
    assert not np.allclose(moved, points, atol=0.1)
    every = np.arange(256, dtype=np.uint8)[:, None].repeat(3, axis=1)
    np.testing.assert_array_equal(augment_colors(np.random.default_rng(0), every, PLAIN), every)
    mirror = replace(PLAIN, mirror=True)
    mirrored = [draw_placement(np.random.default_rng(seed), mirror).apply(np.eye(3)) for seed in range(20)]
    assert {round(float(np.linalg.det(m))) for m in mirrored} == {-1, 1}


def test_the_paper_and_its_code_as_configured():
    paper = load_config(CHECKOUT / "config/training/paper.yaml", "embedding")
    assert (paper.architecture, paper.voxel_size, paper.features) == ("MinkUNet34C", 0.02, "rgb,xyz")
    assert (paper.gamma_intra, paper.delta_inter, paper.delta_intra) == (10, 0.1, 0.5)
    assert (paper.embedding_width, paper.p) == (8, 1.0)
    assert (paper.intra_pairs, paper.background) == ("present", "predicted")
    assert (paper.batch_size, paper.steps, paper.weight_decay, paper.clip_norm) == (8, 50_000, 0, 0)
    assert (paper.max_voxels, paper.crop_share, paper.start_from) == (0, 0, "")
    assert network_spec("semantic", paper).class_names == CLASS_NAMES
    assert paper.augmentation.spacing_share == paper.augmentation.floorless_share == 0.0
    rates = [learning_rate(paper, step, step / paper.steps) for step in (0, 9_999, 10_000, 49_999)]
    np.testing.assert_allclose(rates, [1e-4, 1e-4, 0.8e-4, 0.8**4 * 1e-4])
    assert paper.augmentation == replace(PLAIN, color_jitter=0.03, scale=0.2, tilt_deg=5.0, max_tilt_deg=10.0)

    code = load_config(CHECKOUT / "config/training/released_code.yaml", "embedding")
    extras = dict(
        features="rgb",
        intra_pairs="largest_id",
        background="mixed",
        start_from="semantic.safetensors",
        clip_norm=0.5,
        first_kernel_size=5,
        augmentation=replace(paper.augmentation, scale=0.1, mirror=True, grid_shift=0.02, color_shift=0.05),
    )
    assert code == replace(paper, **extras)


def test_our_configuration_has_a_part_for_each_network():
    path = CHECKOUT / "config/training/simulated.yaml"
    semantic, embedding = load_config(path, "semantic"), load_config(path, "embedding")
    assert semantic.class_balance == 0.5 and semantic.start_from == ""
    assert embedding.start_from == "runs/semantic/weights.safetensors" and "xyz" in embedding.features
    assert semantic.voxel_size == embedding.voxel_size


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


def test_scenes_may_stay_whole(rooms):
    config = TrainConfig(augmentation=PLAIN, crop_share=0.0, max_voxels=0)
    dataset = RoomDataset(rooms, 0.05)
    sizes = {len(dataset.scene(np.random.default_rng(seed), config)[0].snapshot) for seed in range(6)}
    assert min(sizes) > 0.9 * max(sizes)  # other turns cut other voxels


# --- what a run leaves -------------------------------------------------------------------------


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
    script = runpy.run_path(str(Path(__file__).parents[2] / "scripts" / "class_shares.py"))
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


def test_curves_of_several_runs(tmp_path, capsys):
    pytest.importorskip("matplotlib")
    for run, height in (("a", 1.0), ("b", 2.0)):
        (tmp_path / run).mkdir()
        with Journal(tmp_path / run, 0, tensorboard=False) as journal:
            for step in range(10, 60, 10):
                journal.write({"step": step, "minutes": 0.1, "lr": 1e-3, "rooms": 2, "loss": height / step})
    assert main(["curves", str(tmp_path / "a"), str(tmp_path / "b"), "--out", str(tmp_path / "c.png")]) == 0
    from PIL import Image

    with Image.open(tmp_path / "c.png") as picture:
        assert picture.width > 600 and len(picture.convert("RGB").getcolors(10**6)) > 10
    with pytest.raises(SsenError, match="no log.jsonl"):
        draw_curves([tmp_path], tmp_path / "d.png")


def test_curves_without_matplotlib(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    with pytest.raises(SsenError, match=r"pip install 'ssen-ros\[training\]'"):
        draw_curves([tmp_path], tmp_path / "c.png")


def test_learning_rates():
    paper = TrainConfig()
    assert learning_rate(paper, 0, 0) == 1e-4
    assert learning_rate(paper, 25_000, 0.5) == pytest.approx(1e-4 * 0.8**2)
    cosine = TrainConfig(schedule="cosine")
    rates = [learning_rate(cosine, 0, x) for x in (0.0, 0.05, 0.5, 1.0)]
    assert rates[1] == pytest.approx(1e-4) and rates[3] == pytest.approx(0, abs=1e-9)
    assert rates[0] < rates[1] > rates[2] > rates[3]


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


def test_a_room_of_one_voxel_is_trained_on(tmp_path):
    """Its coarse levels have one voxel each, which has no variance."""
    one = Sample(np.full((1, 3), 0.5, np.float32), np.full((1, 3), 90, np.uint8), np.int8([4]), np.int16([1]))
    save_sample(tmp_path / "000000.npz", one)
    for task in ("semantic", "embedding"):
        weights = train(task, small_config(tmp_path, steps=2, batch_size=1), tmp_path / task)
        assert all(tensor.isfinite().all() for tensor in load_checkpoint(weights).model.state_dict().values())


def test_a_deeper_network_with_more_classes_begins_where_the_other_ended():
    torch.manual_seed(0)
    small = NetworkSpec("semantic", "MinkUNet14S", 0.04, ("rgb", "height"), CLASS_NAMES, 3)
    deep = replace(small, architecture="MinkUNet14D", class_names=LABEL_NAMES)
    given, begun = network_of(small), network_of(deep)
    start_from(begun, deep, Checkpoint(small, given))
    rng = np.random.default_rng(0)
    coords = np.unique(rng.integers(0, 24, (3000, 3)), axis=0)
    coords = torch.from_numpy(np.column_stack([np.zeros(len(coords)), coords]).astype(np.int32))
    features = torch.from_numpy(rng.normal(size=(len(coords), 4)).astype(np.float32))
    with torch.inference_mode():
        before, after = given.eval()(features, coords), begun.eval()(features, coords)
    torch.testing.assert_close(after[:, : len(CLASS_NAMES)], before, rtol=1e-4, atol=1e-4)
    assert (after[:, len(CLASS_NAMES) :] == 0).all()


def test_averaged_weights_lie_between_those_of_both_networks():
    torch.manual_seed(0)
    small = NetworkSpec("semantic", "MinkUNet14S", 0.04, ("rgb", "height"), CLASS_NAMES, 3)
    deep = replace(small, architecture="MinkUNet14D", class_names=LABEL_NAMES)
    start, tuned = Checkpoint(small, network_of(small)), Checkpoint(deep, network_of(deep), {"steps": 3})
    rng = np.random.default_rng(0)
    coords = np.unique(rng.integers(0, 16, (1500, 3)), axis=0)
    coords = torch.from_numpy(np.column_stack([np.zeros(len(coords)), coords]).astype(np.int32))
    features = torch.from_numpy(rng.normal(size=(len(coords), 4)).astype(np.float32))
    script = runpy.run_path(str(CHECKOUT / "scripts" / "average_weights.py"))
    all_old, half, all_new = (script["average"](tuned, start, share) for share in (0.0, 0.5, 1.0))
    with torch.inference_mode():
        old, new = start.model.eval()(features, coords), tuned.model.eval()(features, coords)
        found = all_old.model(features, coords)[:, : len(CLASS_NAMES)]
        torch.testing.assert_close(found, old, rtol=1e-4, atol=1e-4)
        torch.testing.assert_close(all_new.model(features, coords), new, rtol=1e-4, atol=1e-4)
    kernels = (c.model.state_dict()["block8.0.conv1.kernel"] for c in (start, half, tuned))
    before, between, after = kernels
    torch.testing.assert_close(between, (before + after) / 2)
    assert half.provenance["steps"] == 3 and half.provenance["averaged"]["share"] == 0.5


def test_sparser_maps_and_maps_without_a_floor_are_drawn():
    rng = np.random.default_rng(0)
    points = rng.uniform(0, 0.8, (4000, 3)).astype(np.float32)

    def kept(spacing, floorless, points=points):
        config = replace(OURS, spacing_share=spacing, floorless_share=floorless)
        return kept_points(rng, points, config)

    assert 0 < len(kept(1.0, 0.0)) < 0.95 * len(points)
    assert points[kept(0.0, 1.0, points * 2), 2].min() * 2 > 0.2
    np.testing.assert_array_equal(kept(0.0, 0.0), np.arange(4000))
    level = points * np.float32([1, 1, 0.01])
    assert len(kept(0.0, 1.0, level)) == 4000, "nothing would be left"


def test_what_a_checkpoint_does_not_have_is_said(rooms, tmp_path, caplog):
    weights = train("semantic", small_config(rooms, steps=1), tmp_path / "semantic")
    changed = small_config(rooms, steps=1, start_from=str(weights), first_kernel_size=5)
    train("embedding", changed, tmp_path / "embedding")
    (warning,) = (record.getMessage() for record in caplog.records if record.levelname == "WARNING")
    assert warning.startswith("start_from: conv0p1s1 begin anew")


def test_no_data_and_nothing_to_resume(rooms, tmp_path):
    with pytest.raises(ConfigError, match="ssen simulate"):
        train("semantic", small_config(tmp_path / "nowhere"), tmp_path / "out")
    with pytest.raises(ConfigError, match="nothing to resume"):
        train("semantic", small_config(rooms), tmp_path / "out", resume=True)


def test_config_file(tmp_path):
    path = tmp_path / "c.yaml"
    path.write_text("p: 0.5\nsteps: 3\naugmentation: {scale: 0.1}\nembedding: {p: 0.0}\n")
    expected = TrainConfig(p=0.5, steps=3, augmentation=replace(OURS, scale=0.1))
    assert load_config(path, "semantic") == expected
    assert load_config(path, "embedding") == replace(expected, p=0.0)
    path.write_bytes(bytes(range(256)))
    with pytest.raises(ConfigError, match="c.yaml: .*codec"):
        load_config(path, "semantic")
    for text, words in [
        ("seed: -1", r"seed = -1: expected a value in \[0, inf\]"),
        ("p: 2.0", r"p = 2.0.*\[0.0, 1.0\]"),
        ("lr: 1", "unknown parameter 'lr'"),
        ("- 1", "mapping"),
        ("semantic: 3", "mapping"),
        ("semantic: {lr: 1}", "unknown parameter 'lr'"),
        ("augmentation: 3", "augmentation = 3: expected a mapping"),
        ("augmentation: {size: 3}", "unknown parameter 'augmentation.size'"),
    ]:
        path.write_text(text)
        with pytest.raises(ConfigError, match=words):
            load_config(path, "embedding")


def test_bfloat16_training_is_refused_where_it_would_be_slower(rooms, tmp_path, monkeypatch):
    default_engine.cache_clear()
    monkeypatch.setattr("ssen_ros.sparse.convolution.best_instruction_set", lambda dtype: None)
    with pytest.raises(ConfigError, match="expected a CPU with AVX512_BF16 or AMX"):
        train("semantic", small_config(rooms, precision="bfloat16"), tmp_path / "run")


def test_an_embedding_network_starts_from_a_semantic_one(rooms, tmp_path):
    config = small_config(rooms, steps=1, learning_rate=0.0, weight_decay=0.0)
    semantic = train("semantic", config, tmp_path / "semantic")
    both = replace(config, start_from=str(semantic), features="rgb,height,xyz")
    embedding = load_checkpoint(train("embedding", both, tmp_path / "embedding")).model.state_dict()
    source = load_checkpoint(semantic).model.state_dict()
    taken = [name for name in source if torch.equal(source[name], embedding.get(name, torch.empty(0)))]
    assert "block4.0.conv1.kernel" in taken and "block8.0.conv2.kernel" in taken
    assert "conv0p1s1.kernel" not in taken and "final.kernel" not in taken  # other inputs, other outputs


def test_the_authors_of_models_are_named_beside_the_weights(rooms, tmp_path):
    (rooms / "ATTRIBUTION.txt").write_text("Chair, by somebody; CC BY 3.0")
    train("semantic", small_config(rooms, steps=1), tmp_path / "run")
    assert (tmp_path / "run" / "ATTRIBUTION.txt").read_text() == "Chair, by somebody; CC BY 3.0"
