"""The loop: learning, starting from other networks, resuming."""

import json
import runpy
import signal
from dataclasses import replace
from functools import partial

import numpy as np
import pytest
import torch
from training_rooms import (
    CHECKOUT,
    assert_equal_weights,
    interrupted_at,
    losses,
    power_cut,
    small_config,
    start,
    toy_room,
    wait_for_lines,
)

from ssen_ros.errors import ConfigError
from ssen_ros.io.samples import Sample, save_sample
from ssen_ros.labels import CLASS_NAMES, LABEL_NAMES, UNKNOWN
from ssen_ros.models import (
    Checkpoint,
    NetworkSpec,
    load_checkpoint,
    network_of,
)
from ssen_ros.sparse import default_engine
from ssen_ros.training.config import TrainConfig
from ssen_ros.training.run_folder import read_log
from ssen_ros.training.train import learning_rate, start_from, train


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


def test_learning_rates():
    paper = TrainConfig()
    assert learning_rate(paper, 0, 0) == 1e-4
    assert learning_rate(paper, 25_000, 0.5) == pytest.approx(1e-4 * 0.8**2)
    cosine = TrainConfig(schedule="cosine")
    rates = [learning_rate(cosine, 0, x) for x in (0.0, 0.05, 0.5, 1.0)]
    assert rates[1] == pytest.approx(1e-4) and rates[3] == pytest.approx(0, abs=1e-9)
    assert rates[0] < rates[1] > rates[2] > rates[3]


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


def test_more_features_begin_at_zero(rooms, tmp_path):
    """So a network that is shown more begins where the other ended."""
    config = small_config(rooms, steps=1, learning_rate=0.0, weight_decay=0.0)
    before = train("semantic", config, tmp_path / "before")
    more = replace(config, start_from=str(before), features="rgb,height,offset")
    after = load_checkpoint(train("semantic", more, tmp_path / "after")).model.conv0p1s1.kernel
    assert torch.equal(after[..., :4, :], load_checkpoint(before).model.conv0p1s1.kernel)
    assert after.shape[-2] == 7 and not after[..., 4:, :].any()
