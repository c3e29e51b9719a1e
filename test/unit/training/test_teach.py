"""Networks taught a user's rooms: what they learn, what they keep, and the folder that comes of it."""

import json
import signal
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch
from training_rooms import power_cut, small_config, toy_room, workshop

from ssen_ros.cli import main
from ssen_ros.config import SsenConfig, with_values
from ssen_ros.datasets.labelled_voxels import LabelledVoxels
from ssen_ros.errors import ConfigError
from ssen_ros.io.samples import ATTRIBUTION, save_sample
from ssen_ros.labels import LABEL_NAMES
from ssen_ros.models import load_checkpoint
from ssen_ros.models.head_file import save_head
from ssen_ros.object_head import SHAPE_FEATURES, ObjectHead
from ssen_ros.segmenter import Segmenter
from ssen_ros.structures import VoxelSnapshot
from ssen_ros.training import judge, lesson
from ssen_ros.training.judge import Verdict
from ssen_ros.training.losses import corrected_loss, divergence
from ssen_ros.training.own_rooms import read_own_rooms
from ssen_ros.training.teach import REPORT, teach, used_with
from ssen_ros.training.train import train

TASKS = ("semantic", "embedding")
SMALL = dict(steps=6, max_voxels=500, num_threads=1, log_steps=1, learning_rate=5e-3)


@pytest.fixture(scope="module")
def trained(tmp_path_factory) -> dict[str, Path]:
    """Tiny networks that know the toy rooms."""
    folder = tmp_path_factory.mktemp("trained")
    (folder / "rooms").mkdir()
    for seed in range(2):
        save_sample(folder / "rooms" / f"{seed:06d}.npz", toy_room(seed))
    features = {"semantic": "rgb,height", "embedding": "rgb,height,xyz"}
    return {
        task: train(
            task,
            small_config(folder / "rooms", steps=steps, features=features[task], class_balance=0.5),
            folder / task,
        )
        for task, steps in zip(TASKS, (30, 5))
    }


@pytest.fixture
def replay(tmp_path) -> Path:
    folder = tmp_path / "replay"
    folder.mkdir()
    for seed in range(4):
        save_sample(folder / f"{seed:06d}.npz", toy_room(seed))
    (folder / ATTRIBUTION).write_text("preamble\n\nmodel b\n")
    return folder


@pytest.fixture
def own(tmp_path) -> dict[str, Path]:
    save_sample(tmp_path / "shop.room.npz", workshop())
    return {"shop.room": tmp_path / "shop.room.npz"}


def test_the_networks_learn_a_new_class_and_the_folder_is_what_weights_takes(
    own, trained, replay, tmp_path, monkeypatch
):
    monkeypatch.setattr(lesson, "MAY_FALL", 1.0)
    out = tmp_path / "taught"
    (trained["semantic"].parent / ATTRIBUTION).write_text("preamble\n\nmodel a\n")
    got = teach(own, trained, replay, out, 60, **{**SMALL, "steps": 60, "learning_rate": 1e-2})
    assert got["semantic"].new_classes["workbench"] > 0.5
    assert sorted(p.name for p in out.iterdir()) == sorted(
        [ATTRIBUTION, REPORT, *(f"{task}{end}" for task in TASKS for end in (".json", ".safetensors"))]
    )
    config = with_values(SsenConfig(), {"segmenter.weights": str(out), "segmenter.prior": 0.5})
    segmenter = Segmenter.from_config(config.segmenter)  # the shares of the new class are told too
    assert segmenter.class_names == (*LABEL_NAMES, "workbench")
    told = json.loads((out / "semantic.json").read_text())["training"]
    assert [room["name"] for room in told["taught"]["rooms"]] == ["shop.room"]
    assert told["class_shares"]["workbench"] > 0 and told["start"]["steps"] == 30
    assert str(tmp_path) not in (out / "semantic.json").read_text() + (out / REPORT).read_text()
    assert (out / ATTRIBUTION).read_text() == "preamble\n\nmodel a\nmodel b\n"
    with pytest.raises(ConfigError, match="networks that were taught, or half taught, before"):
        teach(own, trained, replay, out, 60, **SMALL)
    with pytest.raises(ConfigError, match="nothing to resume there"):
        teach(own, trained, replay, out, 60, resume=True, **SMALL)


@pytest.mark.parametrize("room", [toy_room, workshop])
def test_the_object_head_goes_along_unless_a_class_is_new(room, trained, replay, tmp_path):
    path, width = trained["semantic"].with_name("object.safetensors"), 2 * len(LABEL_NAMES) + SHAPE_FEATURES
    flat = np.zeros(width), np.ones(width), np.zeros((width + 1, 1)), np.zeros((2, len(LABEL_NAMES) + 1))
    save_head(path, ObjectHead(LABEL_NAMES, *flat), {})
    save_sample(tmp_path / "own.npz", room())
    try:
        teach({"own": tmp_path / "own.npz"}, trained, replay, tmp_path / "out", 60, **{**SMALL, "steps": 1})
        handed_on = tmp_path / "out" / path.name
        assert handed_on.exists() == (room is toy_room)
        if handed_on.exists():
            assert handed_on.read_bytes() == path.read_bytes()
    finally:
        path.unlink()


def test_interrupted_and_killed_it_goes_on_exactly(own, trained, replay, tmp_path, monkeypatch):
    monkeypatch.setattr(lesson, "_PATIENCE", 99)
    teach(own, trained, replay, tmp_path / "whole", 60, **SMALL)
    draw = lesson._Lesson.draw
    ctrl_c, term = (partial(signal.raise_signal, number) for number in (signal.SIGINT, signal.SIGTERM))
    tasks = [
        ("semantic", 2, ctrl_c, KeyboardInterrupt),
        ("semantic", 4, power_cut, RuntimeError),
        ("embedding", 2, term, KeyboardInterrupt),
    ]
    out, resume = tmp_path / "parts", False
    for task, step, how, raised in tasks:

        def drawing(self, number, task=task, step=step, how=how):
            if (self.spec.task, number) == (task, step):
                how()
            return draw(self, number)

        with monkeypatch.context() as patch:
            patch.setattr(lesson._Lesson, "draw", drawing)
            with pytest.raises(raised):
                teach(own, trained, replay, out, 60, resume=resume, **SMALL)
        resume = True
    with pytest.raises(ConfigError, match="begun with minutes = 60, this run has 30"):
        teach(own, trained, replay, out, 30, resume=True, **SMALL)
    teach(own, trained, replay, out, 60, resume=True, **SMALL)
    for task in TASKS:
        folders = (tmp_path / "whole", tmp_path / "parts")
        one, other = (load_checkpoint(folder / f"{task}.safetensors") for folder in folders)
        assert one.provenance == other.provenance
        for name, tensor in one.model.state_dict().items():
            assert tensor.equal(other.model.state_dict()[name]), name


@pytest.mark.parametrize(
    ("known", "gain", "share"),
    [
        ([0.5, 0.5, 0.5, 0.5], 0.1, 1.0),  # nothing is lost
        ([0.4, 0.48, 0.491, 0.5], 0.1, 0.5),  # no more than a point
        ([0.4, 0.4, 0.4, 0.4], 0.1, 0.0),  # nothing can be had
        ([0.5, 0.5, 0.5, 0.5], 0.004, 0.0),  # too little is gained to be more than luck
        ([0.492, 0.5, 0.5, 0.5], 0.02, 0.75),  # more is lost by the last quarter than gained
        ([0.5, 0.5, 0.5, 0.5], np.nan, 0.0),  # nothing tells a gain
        ([np.nan] * 4, 0.1, 1.0),  # nothing tells a loss
    ],
)
def test_of_the_averages_that_keep_what_was_known_the_best_is_taken(known, gain, share):
    before = Verdict(0.6 + 0 * gain, 0.5 + 0 * known[0])  # NaN as well
    shares = dict(zip(lesson.SHARES, [*known, before.known]))
    verdicts = {s: Verdict(0.6 + gain * s, known) for s, known in shares.items()}
    assert lesson.best_share(verdicts, before) == share


def test_the_chosen_share_is_what_comes_of_a_lesson(own, trained, replay, tmp_path, monkeypatch):
    verdicts = iter(Verdict(0.5 + 0.1 * (s == 0.25), 0.5) for s in lesson.SHARES)

    class Judge(lesson.Judge):
        def __call__(self, checkpoint):
            return next(verdicts) if "averaged" in checkpoint.provenance else Verdict(0.5, 0.5)

    monkeypatch.setattr(lesson, "Judge", Judge)
    before, *method = lesson_of(trained, own)
    config = lesson.lesson_config(before, 60, data=str(replay), **{**SMALL, "steps": 1})
    got = lesson.give_lesson(before, *method, config, tmp_path / "lesson")
    share = got.share
    assert share == 0.25 and got.before == Verdict(0.5, 0.5) and got.after == Verdict(0.6, 0.5)
    tuned = load_checkpoint(tmp_path / "lesson" / "weights.safetensors").model.state_dict()
    for name, tensor in got.checkpoint.model.state_dict().items():
        expected = share * tuned[name] + (1 - share) * before.model.state_dict()[name]
        torch.testing.assert_close(tensor.float(), expected.float(), atol=1e-6, rtol=0)


def lesson_of(trained, own, task="embedding"):
    """The network, the rooms, and the method that it is judged in."""
    networks = {task: load_checkpoint(path) for task, path in trained.items()}
    spec, config = networks[task].spec, with_values(SsenConfig(), {"segmenter.num_threads": 1})
    rooms = read_own_rooms(own, spec.class_names, spec.voxel_size)
    return networks[task], rooms, used_with(networks, config)


def test_what_is_wrong_is_said_before_rooms_are_made_and_leaves_nothing(
    own, trained, tmp_path, monkeypatch, capsys
):
    made = []

    def generate(seeds, folder, executor):
        made.append((folder.name, len(seeds)))
        folder.mkdir(parents=True)
        for seed in seeds[:4]:
            save_sample(folder / f"{seed:06d}.npz", toy_room(seed % 4))

    monkeypatch.setattr("ssen_ros.simulation.generate", generate)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    bare = replace(workshop(), semantic_label=np.full(len(workshop()), -1, np.int8))
    save_sample(tmp_path / "bare.room.npz", bare)
    out = tmp_path / "taught"
    networks = [a for t in TASKS for a in ("--set", f"segmenter.{t}_checkpoint={trained[t]}")]
    for room, options, words in (
        (tmp_path / "bare.room.npz", [], "is annotated; correct it in `ssen view`"),
        (own["shop.room"], ["--resume"], "nothing to resume there"),
        (own["shop.room"], ["--replay", str(tmp_path / "cache")], "no .npz file there"),
    ):
        assert main(["teach", str(room), "--out", str(out), *networks, *options]) == 1
        assert words in capsys.readouterr().err
    assert not made and not out.exists()

    def interrupted(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr("ssen_ros.training.teach.give_lesson", interrupted)
    assert main(["teach", str(own["shop.room"]), "--out", str(out), *networks]) == 130
    assert "--resume goes on" in capsys.readouterr().err and (out / REPORT).is_file()
    assert [(name.partition("_")[0], count) for name, count in made] == [("replay", 40), ("validation", 6)]


def test_a_true_object_is_found_as_well_as_the_best_fits():
    chair, table, wall, unknown = (LABEL_NAMES.index(n) for n in ("chair", "table", "wall", "unknown"))
    parts = [  # voxels, class, object, id found there
        (60, chair, 7, 1), (40, chair, 7, 2), (50, table, 8, 2), (30, wall, -1, 3), (30, unknown, 9, 1),
        (20, -1, -1, 1), (24, chair, 10, 4), (30, chair, 11, -1), (30, chair, 12, 3),
    ]  # fmt: skip
    count, label, instance, found = np.array(parts).T
    label, instance, found = (np.repeat(column, count) for column in (label, instance, found))
    coords = np.stack([np.arange(len(label)), *np.zeros((2, len(label)), int)], axis=1).astype(np.int32)
    points, colors = coords.astype(np.float32), np.zeros(coords.shape, np.uint8)
    voxels = LabelledVoxels(VoxelSnapshot(coords, points, colors, 0.04), label, instance)
    alone = judge.objects_alone(voxels, LABEL_NAMES)
    fits = judge.best_fits(alone, found, LABEL_NAMES)
    assert fits.tolist() == [60 / 100, 50 / 90, 0.0, 30 / 60], "10 is too small, 9 of no class"
    assert len(judge.best_fits(alone.rows(instance == -1), found[instance == -1], LABEL_NAMES)) == 0


def test_it_ends_when_nothing_is_gained(own, trained, replay, tmp_path, monkeypatch):
    verdicts = iter([0.5, 0.495, 0.47, 0.48, 0.48, *[0.5] * 6])
    monkeypatch.setattr(lesson.Judge, "__call__", lambda self, checkpoint: Verdict(next(verdicts), 0.5))
    before, *method = lesson_of(trained, own)
    config = lesson.lesson_config(before, 60, data=str(replay), **{**SMALL, "steps": 12})
    got = lesson.give_lesson(before, *method, config, tmp_path / "lesson")
    assert got.steps == 10, "of six looks the third to the fifth are clearly worse than the first"


def test_batch_norms_keep_their_statistics(own, trained, replay, tmp_path):
    before, *method = lesson_of(trained, own)
    config = lesson.lesson_config(before, 60, data=str(replay), **SMALL)
    lesson.give_lesson(before, *method, config, tmp_path / "lesson")
    after = load_checkpoint(tmp_path / "lesson" / "weights.safetensors").model.state_dict()
    changed = {name for name, tensor in before.model.state_dict().items() if not tensor.equal(after[name])}
    assert changed and not any("running" in name or "tracked" in name for name in changed)


def test_the_divergence_is_that_of_the_old_classes():
    rng = torch.Generator().manual_seed(0)
    before = torch.randn(5, 3, generator=rng)
    assert divergence(before, before).item() == pytest.approx(0.0, abs=1e-6)
    wider = torch.cat([before, torch.zeros(5, 1)], dim=1)
    old, new = before.softmax(1), wider.softmax(1)[:, :3]
    expected = (old * (old / new).log()).sum(1).mean()
    assert divergence(before, wider).item() == pytest.approx(expected.item(), rel=1e-5) and expected > 0
    assert divergence(before[:0], wider[:0]).item() == 0.0


def test_what_labels_do_not_name_keeps_its_share():
    rng = torch.Generator().manual_seed(0)
    before, label = torch.randn(6, 4, generator=rng), torch.tensor([0, 1, 1, 4, 0, 4])
    logits, weight = torch.randn(6, 5, generator=rng), torch.tensor([1.0, 2.0, 3.0, 4.0, 5.0])
    nothing, two = torch.zeros(5, dtype=torch.bool), torch.tensor([False, False, True, True, False])
    plain = corrected_loss(logits, before, label, nothing, class_weight=weight)
    torch.testing.assert_close(plain, torch.nn.functional.cross_entropy(logits, label, weight))
    before[0, 2], before[1, 3] = -9.0, 9.0  # next to nothing, and nearly all
    share = before.softmax(1)[:, 2:4]
    share = share * (0.3 / share.sum(1, keepdim=True)).clamp(max=1.0)
    best = torch.full((6, 5), 1e-9)
    best[:, 2:4] = share
    best[range(6), label] = 1.0 - share.sum(1)
    assert best[1, 1] == pytest.approx(0.7)
    answer = best.log().requires_grad_()
    corrected_loss(answer, before, label, two).backward()
    assert answer.grad.abs().max() < 1e-6, "there is nothing better"
    assert corrected_loss(logits[:0], before[:0], label[:0], two) == 0.0


def test_labels_of_the_replay_teach_a_semantic_network_nothing(own, trained, replay):
    before, *method = lesson_of(trained, own, "semantic")
    config = lesson.lesson_config(before, 60, data=str(replay), **SMALL)
    given = lesson._Lesson(before, *method, config)
    model, batch = lesson._in_training(given.network()), given.draw(0)
    first = given.loss(model, batch)
    for scene, changes in ((0, True), (1, False)):
        label = torch.where((batch.scene == scene) & (batch.semantic_label >= 0), 0, batch.semantic_label)
        second = given.loss(model, lesson.replace(batch, semantic_label=label))
        assert (second["loss"] != first["loss"]) == changes


def test_a_large_room_is_cut_about_one_of_its_points(own, trained):
    rng, room = np.random.default_rng(0), workshop()
    config = lesson.lesson_config(load_checkpoint(trained["semantic"]), 1, max_voxels=20)
    part = lesson.nearby(rng, room, config)
    assert len(part) == int(1.3 * 20 * (0.15 / 0.02) ** 2) < len(room)
    assert np.ptp(part.points[:, 0]) < np.ptp(room.points[:, 0])
    assert lesson.nearby(rng, room, lesson.replace(config, max_voxels=0)) is room


def test_the_command_teaches_and_tells_before_and_after(own, trained, replay, tmp_path, capsys):
    out = tmp_path / "taught"
    arguments = ["teach", str(own["shop.room"]), "--out", str(out), "--replay", str(replay)]
    arguments += ["--validation", str(replay), "--minutes", "0.05", "--set", "segmenter.num_threads=1"]
    arguments += [a for t in TASKS for a in ("--set", f"segmenter.{t}_checkpoint={trained[t]}")]
    assert main(arguments) == 0
    told = capsys.readouterr().out
    words = ("your rooms", "their held part", "validation rooms", "before", "taught", "workbench: IoU")
    for word in (*words, "chosen", "semantic: ", "embedding: "):
        assert word in told, word
    assert f"weights:={out}" in told
    assert (out / "embedding.safetensors").is_file() and (out / "semantic.safetensors").is_file()
    assert main(arguments) == 1
    assert "--resume goes on, another --out keeps them" in capsys.readouterr().err
