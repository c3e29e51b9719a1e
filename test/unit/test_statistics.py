import json
import math

import numpy as np
import pytest

from ssen_ros.cli import main
from ssen_ros.datasets.statistics import (
    SCANNET_INSTANCE_PERCENT,
    SCANNET_VOXEL_PERCENT,
    count_room,
    statistics,
)
from ssen_ros.io.samples import Sample, save_sample
from ssen_ros.labels import CLASS_NAMES

FLOOR, CHAIR, TABLE = (CLASS_NAMES.index(name) for name in ("floor", "chair", "table"))


@pytest.fixture
def rooms(tmp_path):
    """Two rooms; of each (class, instance) so many voxels."""
    contents = [
        {(FLOOR, -1): 300, (CHAIR, 1): 100, (CHAIR, 2): 99, (-1, -1): 101},
        {(FLOOR, -1): 100, (CHAIR, 5): 50, (TABLE, 1): 250, (TABLE, -1): 1},
    ]
    for number, content in enumerate(contents):
        pairs = np.repeat(list(content), list(content.values()), axis=0)
        count = len(pairs)
        points = np.column_stack([np.arange(count) * 0.02 + 0.01, np.zeros((count, 2)) + 0.01])
        colors = np.zeros((count, 3), np.uint8)
        sample = Sample(points, colors, pairs[:, 0].astype(np.int8), pairs[:, 1].astype(np.int16))
        credits = ["model a: A, by B; CC0 1.0", f"print {number}; public domain"]
        save_sample(tmp_path / f"{number}.npz", sample, credits)
    return tmp_path


def test_known_counts(rooms):
    paths = sorted(rooms.glob("*.npz"))
    result = statistics([count_room(path) for path in paths])
    assert result["rooms"] == 2 and result["voxels_per_room"] == 1001 / 2
    assert result["annotated_percent"] == pytest.approx(100 * 900 / 1001)
    assert result["instances_per_room"] == 2.0
    assert result["evaluated_instances_per_room"] == 1.0, "of 100 points and more: one chair, one table"
    assert result["bytes_per_voxel"] == sum(path.stat().st_size for path in paths) / 1001
    assert [result[f"{kind}s_of_others"] for kind in ("model", "texture", "print")] == [1, 0, 2]
    rows = {row["class"]: row for row in result["rows"]}
    assert list(rows) == list(CLASS_NAMES)
    assert rows["floor"]["voxels_percent"] == pytest.approx(100 * 400 / 900)
    assert rows["floor"]["instances"] is None and rows["floor"]["scannet_instances_percent"] is None
    assert (rows["chair"]["instances"], rows["chair"]["evaluated_instances"]) == (3, 1)
    assert rows["chair"]["instances_percent"] == 75.0 and rows["table"]["instances_percent"] == 25.0
    assert rows["bed"]["instances"] == 0 and rows["bed"]["voxels_percent"] == 0.0


def test_scannet_shares_are_those_of_the_published_weights():
    # A few of mmdetection3d's class weights, 1 / ln(1.2 + share).
    weights = {"wall": 2.389689, "floor": 2.7215734, "chair": 4.096086, "shower curtain": 5.4023647}
    for name, weight in weights.items():
        share = 100 * (math.exp(1 / weight) - 1.2)
        assert SCANNET_VOXEL_PERCENT[CLASS_NAMES.index(name)] == pytest.approx(share, abs=0.006)
    assert SCANNET_VOXEL_PERCENT.sum() == pytest.approx(100.0, abs=0.05)
    assert SCANNET_INSTANCE_PERCENT.sum() == pytest.approx(100.0) and SCANNET_INSTANCE_PERCENT[0] == 0.0


def test_the_command_prints_a_table_or_json(rooms, capsys):
    assert main(["statistics", str(rooms)]) == 0
    text = capsys.readouterr().out
    assert "shower curtain" in text and "evaluated instances per room: 1" in text
    assert main(["statistics", str(rooms), "--json"]) == 0
    assert len(json.loads(capsys.readouterr().out)["rows"]) == 20
    assert main(["statistics", str(rooms / "nothing")]) == 1
    assert "no .npz file there" in capsys.readouterr().err
