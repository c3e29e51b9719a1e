"""`ssen evaluate streaming`: growing maps of which is known what the stub networks say."""

import json
from dataclasses import replace

import numpy as np
import pytest

from ssen_ros.cli import main
from ssen_ros.cli.evaluate import _replay
from ssen_ros.errors import DataError
from ssen_ros.evaluation.streaming import Moment, WalkResult, evaluate_walk, summarize_walks
from ssen_ros.evaluation.tables import streaming_table
from ssen_ros.io.samples import Sample
from ssen_ros.labels import CLASS_NAMES
from ssen_ros.pipeline import SsenPipeline
from ssen_ros.structures import Memory

FLOOR, CHAIR, TABLE = (CLASS_NAMES.index(name) for name in ("floor", "chair", "table"))


def chairs(count: int, shift_m: float = 0.0) -> Sample:
    """So many chairs in a row on a floor, each with the same points however many there are."""
    parts = []
    for chair in range(count):
        rng = np.random.default_rng(chair)
        floor = rng.uniform([2 * chair, 0, 0], [2 * chair + 2, 1, 0.049], (2000, 3))
        seat = rng.uniform([2 * chair, 0.2, 0.051], [2 * chair + 0.5, 0.7, 0.5], (2500, 3))
        parts += [floor, seat]
    points = np.concatenate(parts).astype(np.float32) + np.float32([shift_m, 0, 0])
    instance = np.concatenate([np.repeat([-1, chair + 1], [2000, 2500]) for chair in range(count)])
    semantic = np.where(instance < 0, FLOOR, CHAIR)
    colors = np.full(points.shape, 128, np.uint8)
    return Sample(points, colors, semantic.astype(np.int8), instance.astype(np.int16))


def scores(moments, pipeline) -> dict:
    return summarize_walks({3: evaluate_walk(moments, pipeline)})


def test_a_perfect_method_on_a_growing_map(height_segmenter, tmp_path):
    maps = [Moment(chairs(2)), Moment(chairs(3)), Moment(chairs(3)), Moment(chairs(4))]
    result = evaluate_walk(maps, SsenPipeline(height_segmenter))
    result.save(tmp_path / "walk.npz")
    found = summarize_walks({3: WalkResult.load(tmp_path / "walk.npz")})
    assert found == summarize_walks({3: result}) and json.dumps(found, allow_nan=False)
    assert (found["walks"], found["updates"]) == (1, 3), "a map that did not change gets no update"
    assert found["agreement"] == found["agreement_published"] == found["idf1"] == found["found"] == 1.0
    assert found["flicker"] == found["id_switches"] == found["fragmentation"] == 0.0
    assert found["id_switches_loop_closure"] is None
    assert found["miou"] == found["miou_one_shot"] == found["ap50"] == found["ap50_one_shot"] == 1.0
    assert (found["object_updates"], found["found_again"]) == (2 + 3 + 4, 2 + 3)
    assert result.carried.tolist() == [[1, 2, -2, -2], [1, 2, 3, -2], [1, 2, 3, 4]]
    first, second, _ = found["update_rows"]
    assert first["flicker"] is None and second["changed"] == second["voxels"] - first["voxels"] > 0
    stages = ("voxelize", "snapshot", "semantic", "embedding", "cluster", "instances")
    assert 0 < sum(second[f"{stage}_s"] for stage in stages) <= second["total_s"]


@pytest.mark.parametrize("loop_closed", [True, False])
def test_an_id_that_a_moved_map_costs_is_told_apart(height_segmenter, loop_closed):
    maps = [Moment(chairs(2)), Moment(chairs(3)), Moment(chairs(3, 1.0), loop_closed), Moment(chairs(4, 1.0))]
    found = scores(maps, SsenPipeline(height_segmenter))
    # 2 chairs found again in the second map, 3 in the third, all of them lost by overlap; 3 in the fourth
    assert found["id_switches"] == (0 if loop_closed else pytest.approx(3 / 8))
    assert found["id_switches_loop_closure"] == (1 if loop_closed else None)
    assert found["loop_closures"] == loop_closed
    counts = found["found_again"], found["found_again_loop_closure"]
    assert counts == ((5, 3) if loop_closed else (8, 0))
    assert [row["id_switches"] for row in found["update_rows"]] == [0, 0, 3, 0]
    assert found["ap50"] == 1.0


def test_a_loop_that_closes_in_a_map_without_an_update_counts_for_the_next(height_segmenter):
    maps = [Moment(chairs(2)), Moment(chairs(2), loop_closed=True), Moment(chairs(3))]
    found = scores(maps, SsenPipeline(height_segmenter))
    assert found["id_switches_loop_closure"] == 0 and found["id_switches"] is None


class Fickle:
    """Calls the first chair's voxels tables in every second version of the map."""

    def __init__(self, steady):
        self.steady, self.voxel_size, self.class_names = steady, steady.voxel_size, steady.class_names
        self.embed, self.turned, self.continued = steady.embed, steady.turned, steady.continued
        self.object_head = steady.object_head

    def semantic(self, snapshot, floor):
        told = self.steady.semantic(snapshot, floor)
        first = (snapshot.points[:, 0] < 1) & (told.argmax(axis=1) == CHAIR)
        if snapshot.version % 2:
            told[first] = np.where(np.arange(20) == TABLE, -0.1, -6.0)
        return told


def test_labels_that_change_though_the_map_did_not_are_flicker(height_segmenter):
    result = evaluate_walk([Moment(chairs(1)), Moment(chairs(2))], SsenPipeline(Fickle(height_segmenter)))
    before, after = result.updates
    in_chair = np.unique(np.floor(chairs(1).points[2000:] / 0.05).astype(int), axis=0)
    assert after.held == before.voxels, "the floor and the first chair stayed as they were"
    assert after.flickering == len(in_chair)
    assert after.agreeing == after.compared, "a whole pass says so too"


class Stale(SsenPipeline):
    """Once it knows something, the networks' answer is off by one class in every tenth voxel."""

    def step(self, snapshot, stamp_ns, memory=Memory()):
        result = super().step(snapshot, stamp_ns, memory)
        if not memory.known:
            return result
        off = np.arange(len(result.snapshot)) % 10 == 0
        label = result.segmentation.semantic_label + off.astype(np.int32)
        segmentation = replace(result.segmentation, semantic_label=label, pass_label=label)
        return replace(result, segmentation=segmentation, semantic_label=label)


def test_what_differs_from_a_whole_pass_shows_in_agreement_and_scores(height_segmenter):
    found = scores([Moment(chairs(2)), Moment(chairs(3))], Stale(height_segmenter))
    rows = found["update_rows"]
    off = -(-rows[1]["voxels"] // 10)
    assert [row["agreement"] for row in rows] == [1.0, 1 - off / rows[1]["voxels"]]
    assert found["agreement"] == pytest.approx(1 - off / (rows[0]["voxels"] + rows[1]["voxels"]))
    assert found["miou"] < found["miou_one_shot"] == 1.0


def test_a_walk_without_a_map_is_an_error(height_segmenter):
    some = chairs(1)
    nothing = Sample(some.points[:0], some.colors[:0], some.semantic_label[:0], some.instance_label[:0])
    with pytest.raises(DataError, match="without a point"):
        evaluate_walk([Moment(nothing)], SsenPipeline(height_segmenter))


class StubSlam:
    """Eight frames, a chair more every second; with the sixth the loop closes, and the map moves by 1 m."""

    loop_closure = 5

    def __init__(self, seed):
        self.frames_done = 0

    def __len__(self):
        return 8

    def advance(self, frames):
        self.frames_done += frames

    def sample(self):
        return chairs((self.frames_done + 1) // 2, 1.0 * (self.frames_done > self.loop_closure))


def test_walks_are_replayed_from_the_command_line(monkeypatch, stub_networks, tmp_path, capsys):
    monkeypatch.setattr("ssen_ros.simulation.SimulatedSlam", StubSlam)
    assert [moment.loop_closed for moment in _replay(3, 0)] == [False, False, True]
    assert [len(moment.sample) for moment in _replay(100, 0)] == [4500 * n for n in (1, 1, 2, 2, 3, 3, 4, 4)]
    command = ["evaluate", "streaming", "--seeds", "0:2", "--updates", "4", "--out", str(tmp_path)]
    assert main([*command, "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found == json.loads((tmp_path / "scores.json").read_text())
    assert (found["walks"], found["updates"], found["loop_closures"]) == (2, 8, 2)
    assert found["id_switches"] == 0 and found["id_switches_loop_closure"] == 1
    assert [row["walk"] for row in found["rows"]] == [0, 1]
    assert main(command) == 0 and len(stub_networks) == 2
    out = capsys.readouterr().out
    assert out.startswith(streaming_table(found)) and "median seconds of an update: voxelize" in out
