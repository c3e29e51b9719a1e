"""The weights in the package: they load, say how they came to be, and know a simulated room."""

import hashlib
import json
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pytest

from ssen_ros.config import SsenConfig
from ssen_ros.datasets.labelled_voxels import voxelize
from ssen_ros.datasets.splits import HELD_OUT_SEEDS
from ssen_ros.evaluation.scenes import evaluate_scene, summarize_scenes
from ssen_ros.models import load_checkpoint
from ssen_ros.models.head_file import load_head
from ssen_ros.network_spec import shipped_weights
from ssen_ros.pipeline import SsenPipeline
from ssen_ros.segmenter import Segmenter
from ssen_ros.simulation import scan
from ssen_ros.sparse import CoordinateManager, NativeEngine
from ssen_ros.training.dataset import crop


@pytest.mark.parametrize("task", ["semantic", "embedding"])
def test_provenance_lies_beside_the_weights(task):
    path = Path(shipped_weights(task))
    checkpoint = load_checkpoint(path)
    told = json.loads(path.with_suffix(".json").read_text())
    assert checkpoint.spec.task == task
    assert told["training"]["steps"] == checkpoint.provenance["steps"]
    assert told["architecture"] == checkpoint.spec.architecture
    runs, run = [], told["training"]
    while run:  # the last first; each began with the weights of the next
        runs.append((run["steps"], run["minutes"]))
        run = run.get("start")
    assert len(set(runs)) == len(runs), "a run is told twice"
    assert told["licence"] == "Apache-2.0"
    first, last = told["room_seeds"]
    assert not set(range(first, last + 1)) & set(HELD_OUT_SEEDS)


def test_the_object_head_is_for_the_shipped_networks():
    """Where they are others by now, `ssen train-objects` has to be run anew."""
    path = Path(shipped_weights("object"))
    head, told = load_head(path), json.loads(path.with_suffix(".json").read_text())
    assert head.class_names == load_checkpoint(shipped_weights("semantic")).spec.class_names
    assert told["licence"] == "Apache-2.0" and told["training"]["clusters"] > 5000
    first, last = told["room_seeds"]
    assert not set(range(first, last + 1)) & set(HELD_OUT_SEEDS)
    for task, known in told["training"]["networks, SHA-256"].items():
        assert hashlib.sha256(Path(shipped_weights(task)).read_bytes()).hexdigest() == known, task
    assert Segmenter.from_config(SsenConfig().segmenter).object_head is not None


def test_the_semantic_network_tells_the_shares_of_its_classes():
    """Without them `segmenter.prior` would quietly do nothing."""
    path = Path(shipped_weights("semantic"))
    checkpoint = load_checkpoint(path)
    shares = checkpoint.provenance["class_shares"]
    assert shares == json.loads(path.with_suffix(".json").read_text())["training"]["class_shares"]
    assert set(shares) == set(checkpoint.spec.class_names)
    assert sum(shares.values()) == pytest.approx(1.0, abs=0.01) and shares["wall"] > 50 * shares["sink"]


def test_a_held_out_room_is_mostly_right():
    """Far above chance, well below the figures in the README: guards against broken weights or features."""
    pipeline = SsenPipeline.from_config(SsenConfig())
    result = summarize_scenes([evaluate_scene(scan(7), pipeline)])
    assert result["semantic"]["accuracy"] > 0.6
    assert result["semantic"]["per_class"]["floor"] > 0.7
    assert result["semantic"]["per_class"]["wall"] > 0.5
    assert np.isfinite(result["instance"]["ap25"]) and result["instance"]["ap25"] > 0.05


def test_bfloat16_changes_few_labels():
    """On the tiles of any CPU, which compute as AMX does; measured on whole rooms: 0.2 %."""
    segmenter = Segmenter.from_config(replace(SsenConfig().segmenter, precision="float32"))
    corner = crop(np.random.default_rng(0), voxelize(scan(3), segmenter.voxel_size), max_voxels=6000)
    full = segmenter.semantic(corner.snapshot).argmax(axis=1)
    segmenter._semantic.model.coordinates = partial(CoordinateManager, engine=NativeEngine("plain_tiles"))
    half = segmenter.semantic(corner.snapshot).argmax(axis=1)
    assert 0 < (half != full).mean() < 0.005
