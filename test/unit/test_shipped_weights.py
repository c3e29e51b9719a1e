"""The weights in the package: they load, say how they came to be, and know a simulated room."""

import json
from pathlib import Path

import numpy as np
import pytest

from ssen_ros.config import SsenConfig
from ssen_ros.evaluation.simulated import evaluate_simulated
from ssen_ros.models import load_checkpoint
from ssen_ros.pipeline import SsenPipeline
from ssen_ros.segmenter import shipped_weights
from ssen_ros.simulation import HELD_OUT_SEEDS, scan


@pytest.mark.parametrize("task", ["semantic", "embedding"])
def test_provenance_lies_beside_the_weights(task):
    path = Path(shipped_weights(task))
    checkpoint = load_checkpoint(path)
    told = json.loads(path.with_suffix(".json").read_text())
    assert checkpoint.spec.task == task
    assert told["training"]["steps"] == checkpoint.provenance["steps"]
    assert told["architecture"] == checkpoint.spec.architecture
    assert told["licence"] == "Apache-2.0"
    first, last = told["room_seeds"]
    assert not set(range(first, last + 1)) & set(HELD_OUT_SEEDS)


def test_a_held_out_room_is_mostly_right():
    """Far above chance, well below the figures in the README: guards against broken weights or features."""
    pipeline = SsenPipeline.from_config(SsenConfig())
    result = evaluate_simulated([scan(7)], pipeline)
    assert result["semantic"]["accuracy"] > 0.6
    assert result["semantic"]["per_class"]["floor"] > 0.7
    assert result["semantic"]["per_class"]["wall"] > 0.5
    assert np.isfinite(result["instance"]["ap25"]) and result["instance"]["ap25"] > 0.05
