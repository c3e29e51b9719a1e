"""Data, augmentation and the loop, on scenes the tests make themselves."""

import json
from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from ssen_ros.errors import ConfigError
from ssen_ros.models import load_checkpoint
from ssen_ros.simulation import Sample, save_sample
from ssen_ros.sparse.native_engine import instruction_sets
from ssen_ros.training.augmentation import augment_colors, augment_points
from ssen_ros.training.dataset import RoomDataset, collate, crop, embedding_input, voxelize
from ssen_ros.training.train import TrainConfig, draw_batch, learning_rate, load_config, train


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


@pytest.fixture
def rooms(tmp_path):
    (tmp_path / "rooms").mkdir()
    for seed in range(2):
        save_sample(tmp_path / "rooms" / f"{seed:06d}.npz", toy_room(seed))
    return tmp_path / "rooms"


def small_config(rooms, **changes) -> TrainConfig:
    values = dict(
        data=str(rooms), voxel_size=0.15, first_kernel_size=3, batch_size=2, steps=10, learning_rate=3e-3
    )
    return TrainConfig(**{**values, "clip_norm": 5.0, "num_threads": 1, "schedule": "cosine", **changes})


def test_voxelize_takes_the_majority():
    points = np.array([[0.01, 0.01, 0.01]] * 3 + [[-0.01, 0.01, 0.01]], np.float32)
    colors = np.array([[0, 0, 0], [3, 0, 0], [6, 0, 0], [9, 9, 9]], np.uint8)
    sample = Sample(points, colors, np.array([4, 6, 4, 1], np.int8), np.array([7, 8, 7, -1], np.int16))
    voxels = voxelize(sample, 0.1)
    assert voxels.snapshot.voxel_coords.tolist() == [[-1, 0, 0], [0, 0, 0]]
    assert voxels.semantic_label.tolist() == [1, 4] and voxels.instance_label.tolist() == [-1, 7]
    assert voxels.snapshot.colors.tolist() == [[9, 9, 9], [3, 0, 0]]


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 2**32))
def test_augmentation_keeps_the_geometry(seed):
    """Distances change by one common factor between 0.8 and 1.2, and up stays within 10 degrees of up."""
    rng = np.random.default_rng(seed)
    points = rng.uniform(-2, 2, (20, 3)).astype(np.float32)
    points[:2] = [[0, 0, 0], [0, 0, 1]]
    moved = augment_points(rng, points).astype(np.float64)
    before = np.linalg.norm(points[1:] - points[0], axis=1)
    ratio = np.linalg.norm(moved[1:] - moved[0], axis=1) / before
    np.testing.assert_allclose(ratio, ratio[0], rtol=1e-3)
    assert 0.799 < ratio[0] < 1.201
    up = (moved[1] - moved[0]) / ratio[0]
    assert up[2] > np.cos(np.deg2rad(10.01))


def test_color_augmentation_varies_and_sometimes_greys():
    colors = toy_room().colors
    results = [augment_colors(np.random.default_rng(seed), colors) for seed in range(100)]
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
        mask = embedding_input(np.random.default_rng(seed), voxels)
        assert mask[~stuff].all()
        shares.append(mask[stuff].mean())
    assert min(shares) == 0.0 and 0.0 < max(shares) < 0.9


def test_rare_classes_weigh_more(rooms):
    dataset = RoomDataset(rooms, 0.1)
    assert dataset.class_weight(0.0).tolist() == [1.0] * 20
    weight = dataset.class_weight(0.5)
    counts = sum(np.bincount(dataset.sample(i).semantic_label + 1, minlength=21)[1:] for i in range(2))
    assert counts[1] > counts[4] > 0
    assert weight[4] / weight[1] == pytest.approx((counts[1] / counts[4]) ** 0.5, rel=1e-4)
    assert (weight.numpy() * counts).sum() == pytest.approx(counts.sum(), rel=1e-4)
    assert weight.max() / weight.min() <= 20.001


def test_collate_keeps_scenes_apart(rooms):
    dataset = RoomDataset(rooms, 0.1)
    scenes = [voxelize(dataset.sample(i), 0.1) for i in range(2)]
    masks = [np.ones(len(s.snapshot), bool) for s in scenes]
    batch = collate(scenes, masks, ("rgb", "height"))
    assert batch.features.shape == (len(batch.coords), 4)
    assert batch.scene.tolist() == batch.coords[:, 0].tolist()
    assert batch.scene.bincount().tolist() == [len(s.snapshot) for s in scenes]


def test_the_same_step_draws_the_same_batch(rooms):
    config = small_config(rooms)
    first, again, other = (
        draw_batch("semantic", RoomDataset(rooms, 0.1), config, ("rgb",), s) for s in (3, 3, 4)
    )
    assert first.features.equal(again.features)
    assert first.features.shape != other.features.shape or not first.features.equal(other.features)


def interrupted_at(last_step: int):
    def draw(task, rooms, config, names, step):
        if step == last_step:
            raise KeyboardInterrupt
        return draw_batch(task, rooms, config, names, step)

    return draw


@pytest.mark.parametrize("task", ["semantic", "embedding"])
def test_training_learns_and_resumes_exactly(task, rooms, tmp_path, monkeypatch):
    whole = train(task, small_config(rooms), tmp_path / "whole")
    with monkeypatch.context() as patch:
        patch.setattr("ssen_ros.training.train.draw_batch", interrupted_at(6))
        with pytest.raises(KeyboardInterrupt):
            train(task, small_config(rooms), tmp_path / "parts")
    parts = train(task, small_config(rooms), tmp_path / "parts", resume=True)
    a, b = load_checkpoint(whole), load_checkpoint(parts)
    assert a.provenance["steps"] == b.provenance["steps"] == 10 and a.spec.task == task
    for name, tensor in a.model.state_dict().items():
        assert tensor.equal(b.model.state_dict()[name]), name
    log = [json.loads(line) for line in (tmp_path / "whole" / "log.jsonl").read_text().splitlines()]
    untrained = train(task, small_config(rooms, learning_rate=0.0), tmp_path / "untrained")
    still = json.loads((untrained.parent / "log.jsonl").read_text().splitlines()[0])
    assert log[0]["loss"] < still["loss"]


def test_learning_rates():
    paper = TrainConfig()
    assert learning_rate(paper, 0, 0) == 1e-4
    assert learning_rate(paper, 25_000, 0.5) == pytest.approx(1e-4 * 0.8**2)
    cosine = TrainConfig(schedule="cosine")
    rates = [learning_rate(cosine, 0, x) for x in (0.0, 0.05, 0.5, 1.0)]
    assert rates[1] == pytest.approx(1e-4) and rates[3] == pytest.approx(0, abs=1e-9)
    assert rates[0] < rates[1] > rates[2] > rates[3]


def test_no_data_and_nothing_to_resume(rooms, tmp_path):
    with pytest.raises(ConfigError, match="ssen simulate"):
        train("semantic", small_config(tmp_path / "nowhere"), tmp_path / "out")
    with pytest.raises(ConfigError, match="nothing to resume"):
        train("semantic", small_config(rooms), tmp_path / "out", resume=True)


def test_config_file(tmp_path):
    path = tmp_path / "c.yaml"
    path.write_text("p: 0.5\nsteps: 3\n")
    assert load_config(path) == TrainConfig(p=0.5, steps=3)
    for text, words in [
        ("p: 2.0", r"p = 2.0.*\[0.0, 1.0\]"),
        ("lr: 1", "unknown parameter 'lr'"),
        ("- 1", "mapping"),
    ]:
        path.write_text(text)
        with pytest.raises(ConfigError, match=words):
            load_config(path)


@pytest.mark.skipif("amx" in instruction_sets(), reason="this CPU has AMX: bfloat16 is welcome")
def test_bfloat16_training_is_refused_where_it_would_be_slower(rooms, tmp_path):
    with pytest.raises(ConfigError, match="expected a CPU with AMX"):
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
