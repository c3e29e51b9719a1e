"""The script that compares the results of two versions of the code."""

import copy
import json
import runpy
from pathlib import Path

import numpy as np
import pytest

CHECKOUT = Path(__file__).resolve().parents[2]
RUNS = {
    "room_0": {"map": "aa", "labels": "bb", "objects": [[1, "chair", 0.5, 200], [2, "desk", 0.7, 900]]},
    "update_1": {"map": "cc", "labels": "dd", "objects": [], "events": [["created", 1]]},
}


@pytest.fixture(scope="module")
def script():
    return runpy.run_path(str(CHECKOUT / "scripts" / "same_results.py"))


def compared(script, tmp_path, after) -> int:
    paths = tmp_path / "before.json", tmp_path / "after.json"
    for path, runs in zip(paths, (RUNS, after)):
        path.write_text(json.dumps(runs))
    return script["compare"](*paths)


def test_equal_results_are_the_same(script, tmp_path, capsys):
    assert compared(script, tmp_path, RUNS) == 0
    assert capsys.readouterr().out == "SAME: 2 results\n"


def test_each_difference_is_told(script, tmp_path, capsys):
    after = copy.deepcopy(RUNS)
    after["room_0"]["labels"] = "xx"
    after["room_0"]["objects"][1][2] = 0.7000001
    after["update_1"]["events"] = []
    after["update_2"] = {}
    assert compared(script, tmp_path, after) == 1
    assert capsys.readouterr().out.splitlines() == [
        "update_2: only in one of the files",
        "room_0: labels differ",
        "room_0: objects differ, first [2, 'desk', 0.7, 900] before, [2, 'desk', 0.7000001, 900] after",
        "update_1: 1 events before, 0 after",
        "DIFFERENT in 4 things",
    ]


def test_a_digest_knows_value_type_and_shape(script):
    array = np.arange(6, dtype=np.int32)
    others = [array.astype(np.int64), array.reshape(2, 3), array + (array == 5)]
    digest = script["digest"]
    assert digest(array) == digest(array.copy()) and digest(array) not in map(digest, others)
