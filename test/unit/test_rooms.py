"""`ssen evaluate rooms`: known answers of every figure, and a method that knows all scores 1 everywhere."""

import json

import numpy as np
import pytest

from ssen_ros.cli import main
from ssen_ros.evaluation.room_scores import (
    PointLabels,
    RoomScore,
    overlaps,
    score_room,
    summarize_rooms,
    touching,
    true_objects,
)
from ssen_ros.evaluation.rooms import (
    evaluate_room,
    floor_of,
    label_points,
    nearest_rows,
    turn_about_middle,
    with_strays,
)
from ssen_ros.io.samples import Sample
from ssen_ros.labels import CEILING, CLASS_NAMES, UNKNOWN
from ssen_ros.pipeline import Segmenting, SsenPipeline
from ssen_ros.structures import Floor
from ssen_ros.voxel_map import VoxelMap

WALL, FLOOR, BED, CHAIR, TABLE, DESK = (
    CLASS_NAMES.index(name) for name in ("wall", "floor", "bed", "chair", "table", "desk")
)


def scored(truth, instance, published, objects=None, object_label=(), network=None, **more) -> RoomScore:
    """A score of points in a row, 1 cm apart, each value for 100 of them: smaller objects do not count."""
    truth, instance, published = (np.repeat(a, 100).astype(np.int64) for a in (truth, instance, published))
    objects = np.full(len(truth), -1) if objects is None else np.repeat(objects, 100)
    network = published if network is None else np.repeat(network, 100)
    points = np.zeros((len(truth), 3))
    points[:, 0] = 0.01 * np.arange(len(truth))
    found = PointLabels(network, published, objects, np.array(object_label, np.int64))
    views = {name: [np.repeat(view, 100) for view in more.pop(name, ())] for name in ("turned", "strayed")}
    return score_room(points, truth, instance, found, **views)


def test_accuracy_recall_and_precision():
    truth = [WALL, WALL, CHAIR, CHAIR, UNKNOWN, CEILING, -1]
    network = [WALL, BED, CHAIR, BED, CHAIR, WALL, BED]
    published = [WALL, BED, CHAIR, CHAIR, CHAIR, WALL, BED]
    scores = summarize_rooms({"a": scored(truth, [-1] * 7, published, network=network)})
    assert scores["network_accuracy"] == 0.5 and scores["published_accuracy"] == 0.75
    wall, bed, chair = (scores["rows"][c] for c in (WALL, BED, CHAIR))
    assert (wall["recall"], wall["precision"]) == (0.5, 0.5), "a ceiling called wall counts against wall"
    assert (chair["recall"], chair["precision"]) == (1.0, pytest.approx(2 / 3))
    assert (bed["recall"], bed["precision"], bed["predicted"]) == (None, 0.0, 100), "not the unannotated"
    assert (wall["points"], chair["predicted"]) == (200, 300)
    assert scores["unknown_as_things"] == 1.0
    assert scores["same_label_in_yaws"] is None and scores["strays"] == {"0.005": None, "0.02": None}


def test_unknown_that_stays_unknown_or_becomes_structure_is_no_thing():
    truth = [UNKNOWN, UNKNOWN, UNKNOWN, UNKNOWN]
    scores = summarize_rooms({"a": scored(truth, [-1] * 4, [UNKNOWN, WALL, -1, BED])})
    assert scores["unknown_as_things"] == 0.25 and scores["network_accuracy"] is None


def test_alternatives_are_right_where_they_are_allowed_and_nowhere_else():
    room = scored([DESK, TABLE], [1, 2], [TABLE, DESK], objects=[0, 1], object_label=[TABLE, DESK])
    strict, lenient = summarize_rooms({"a": room}), summarize_rooms({"a": room}, {"desk": ["table"]})
    assert strict["published_accuracy"] == 0.0 and lenient["published_accuracy"] == 0.5
    assert strict["objects"]["found"] == 0 and lenient["objects"]["found"] == 1
    assert lenient["rows"][DESK]["recall"] == 1.0 and lenient["rows"][TABLE]["precision"] == 1.0
    assert lenient["rows"][TABLE]["recall"] == 0.0 and lenient["published_right"] == 0.5


def test_objects_located_and_found():
    truth = [CHAIR, CHAIR, CHAIR, TABLE, TABLE, TABLE, TABLE, BED, WALL, UNKNOWN, -1]
    instance = [1, 1, 2, 3, 3, 3, 3, -1, 5, 6, -1]
    objects = [0, 0, 0, 1, -1, -1, -1, -1, -1, 2, 2]
    scores = summarize_rooms({"a": scored(truth, instance, truth, objects, [CHAIR, BED, BED])})
    found = scores["objects"]
    # The first chair shares 2/3, the second 1/3 with object 0; the table exactly 1/4, which is not above.
    assert (found["all"], found["located"], found["found"]) == (3, 2, 2), "bed: no instance; wall: no thing"
    assert (found["located_50"], found["found_50"]) == (1, 1)
    assert scores["published_objects"] == 3 and scores["published_right"] == pytest.approx(1 / 3)
    assert (scores["rows"][CHAIR]["all"], scores["rows"][CHAIR]["found"]) == (2, 2)
    assert scores["rows"][TABLE]["located"] == 0


def test_published_objects_are_judged_where_it_is_known_what_is_there():
    truth, instance = [CHAIR, -1, -1, -1, -1, UNKNOWN], [1, -1, -1, -1, -1, -1]
    labels = [CHAIR, CHAIR, UNKNOWN, -1]
    scores = summarize_rooms({"a": scored(truth, instance, truth, [0, 0, 1, 1, 2, 3], labels)})
    assert scores["published_objects"] == 1 and scores["published_right"] == 1.0
    assert scores["objects"]["found_50"] == 1, "what lies on points without annotation is not held against it"


def test_small_truth_is_not_asked_for_but_right_to_find():
    label, instance = np.array([CHAIR] * 60), np.ones(60, int)
    found = PointLabels(label, label, np.zeros(60, int), np.array([CHAIR]))
    score = score_room(np.random.default_rng(0).random((60, 3)), label, instance, found)
    scores = summarize_rooms({"a": score})
    assert scores["objects"]["all"] == 0 and scores["published_right"] == 1.0


def test_yaws_strays_and_means_over_maps():
    truth = [WALL, CHAIR, CHAIR, -1]
    a = scored(
        truth, [-1] * 4, truth[:3] + [BED],
        turned=[[WALL, CHAIR, BED, BED], [WALL, CHAIR, CHAIR, BED], [BED, CHAIR, CHAIR, BED]],
        strayed=[[WALL, CHAIR, BED, BED], [BED, BED, BED, BED]],
    )  # fmt: skip
    scores = summarize_rooms({"a": a})
    assert scores["same_label_in_yaws"] == 0.5
    assert scores["same_label_of_things_in_yaws"] == pytest.approx(2 / 3)
    assert scores["strays"] == {"0.005": pytest.approx(2 / 3), "0.02": 0.0}
    b = scored([WALL] * 30, [-1] * 30, [BED] * 30)
    both = summarize_rooms({"a": a, "b": b})
    assert both["published_accuracy"] == 0.5, "each map counts alike, whatever its points"
    assert both["strays"] == scores["strays"], "of the maps where it was measured"
    assert [row["room"] for row in both["rooms"]] == ["a", "b"] and json.dumps(both, allow_nan=False)


def test_by_extent_and_contact():
    points = np.concatenate([np.linspace((x, 0, 0), (x + length, 0, 0), 200)
                             for x, length in ((0, 0.4), (0.45, 0.4), (5, 3))])  # fmt: skip
    label, instance = np.full(600, CHAIR), np.repeat([1, 2, 3], 200)
    found = PointLabels(label, label, np.where(instance == 3, 0, -1), np.array([CHAIR]))
    objects = summarize_rooms({"a": score_room(points, label, instance, found)})["objects"]
    assert [(row["all"], row["found_50"]) for row in objects["by_extent"]] == [(2, 0), (0, 0), (0, 0), (1, 1)]
    assert [(row["touches"], row["all"], row["located"]) for row in objects["by_contact"]] == [
        (False, 1, 1),
        (True, 2, 0),
    ]


def test_an_object_touches_an_unknown_one_too_but_not_the_floor():
    points = np.array([[0, 0, 0], [0.09, 0, 0], [0.5, 0, 0], [0.55, 0, 0.0]])
    instance = np.array([1, 9, 2, -1])
    assert touching(points, instance, np.array([0, -1, 1, -1]), 2).tolist() == [True, False]
    assert touching(points, np.full(4, -1), np.full(4, -1), 0).shape == (0,)


def test_true_objects_are_pairs_and_overlaps_are_of_the_union():
    label = np.array([CHAIR, CHAIR, TABLE, WALL, UNKNOWN, -1])
    names, number = true_objects(label, np.array([1, 1, 1, 2, 3, 4]))
    assert names.tolist() == [CHAIR, TABLE] and number.tolist() == [0, 0, 1, -1, -1, -1]
    iou = overlaps(number, 2, np.array([0, 1, 1, 1, -1, -1]), 3)
    np.testing.assert_allclose(iou, [[1 / 2, 1 / 4, 0], [0, 1 / 3, 0]])


def test_a_score_survives_its_file(tmp_path):
    score = scored([CHAIR, WALL], [1, -1], [CHAIR, BED], [0, -1], [CHAIR], strayed=[[WALL, WALL]] * 2)
    score.save(tmp_path / "a.npz")
    again = summarize_rooms({"a": RoomScore.load(tmp_path / "a.npz")})
    assert again == summarize_rooms({"a": score})


# --- the whole method ---------------------------------------------------------------------------


def chairs() -> Sample:
    """Two chairs on a floor; what the HeightSegmenter says of them is right, however they are turned."""
    rng = np.random.default_rng(0)
    floor = rng.uniform([0, 0, 0], [4, 1, 0.049], (2000, 3))
    seats = [rng.uniform([2 * i, 0.2, 0.051], [2 * i + 0.5, 0.7, 0.5], (2500, 3)) for i in range(2)]
    instance = np.concatenate([np.full(2000, -1), np.repeat([1, 2], 2500)]).astype(np.int16)
    label = np.where(instance < 0, FLOOR, CHAIR).astype(np.int8)
    points = np.concatenate([floor, *seats]).astype(np.float32)
    return Sample(points, np.full(points.shape, 128, np.uint8), label, instance)


def test_a_method_that_knows_all_scores_1(height_segmenter):
    scores = summarize_rooms({"a": evaluate_room(chairs(), SsenPipeline(height_segmenter))})
    assert scores["network_accuracy"] == scores["published_accuracy"] == scores["published_right"] == 1.0
    assert scores["same_label_in_yaws"] == scores["same_label_of_things_in_yaws"] == 1.0
    assert scores["strays"] == {"0.005": 1.0, "0.02": 1.0}
    found = scores["objects"]
    assert found["all"] == found["located"] == found["found"] == found["found_50"] == 2


class Fooled(Segmenting):
    """Measures height from the lowest voxel, and takes what is more than 1 m up for a bed."""

    voxel_size = 0.05
    class_names = ("bed", "lamp", "floor", "unknown")

    def semantic(self, snapshot, floor):
        height = snapshot.points[:, 2] - snapshot.points[:, 2].min()
        label = np.select([height < 0.1, height < 0.3, height < 0.55], [2, 1, 3], 0)
        return np.where(np.arange(4) == label[:, None], -0.1, -6.0).astype(np.float32)

    def embed(self, snapshot, thing_rows, floor):
        return np.zeros((len(thing_rows), 2), np.float32)


def test_strays_show_what_they_spoil_and_classes_are_matched_by_name(monkeypatch):
    sample = chairs()
    labels = label_points(sample.points, sample.colors, SsenPipeline(Fooled()))
    assert set(labels.network[sample.points[:, 2] < 0.05]) == {FLOOR}
    assert set(labels.network[(sample.points[:, 2] > 0.1) & (sample.points[:, 2] < 0.25)]) == {-1}, "a lamp"
    assert set(labels.network[(sample.points[:, 2] > 0.35)]) == {UNKNOWN}
    scores = summarize_rooms({"a": evaluate_room(sample, SsenPipeline(Fooled()))})
    assert scores["strays"]["0.02"] == scores["published_accuracy"] > 0.25, "the pipeline leaves them out"
    monkeypatch.setattr("ssen_ros.floor.Ground.floor", Floor(0.0, seen=False))
    spoilt = summarize_rooms({"a": evaluate_room(sample, SsenPipeline(Fooled()))})
    assert spoilt["published_accuracy"] > 0.25 and spoilt["strays"]["0.02"] == 0.0


def test_strays_lie_below_the_floor_and_are_the_same_each_time():
    sample = chairs()
    floor = floor_of(sample.points, sample.semantic_label)
    assert floor == np.median(sample.points[:2000, 2])
    points, colors = with_strays(sample.points, sample.colors, floor, 0.02)
    assert len(points) == len(colors) == 7000 + 140
    np.testing.assert_array_equal(points[:7000], sample.points)
    depth = floor - points[7000:, 2]
    assert 0.2 <= depth.min() < 0.3 and 1.1 < depth.max() <= 1.2
    np.testing.assert_array_equal(with_strays(sample.points, sample.colors, floor, 0.02)[0], points)
    unlabelled = np.full(7000, -1)
    assert floor_of(sample.points, unlabelled) == pytest.approx(np.percentile(sample.points[:, 2], 5))


def test_a_map_is_turned_about_its_middle():
    points = np.array([[100, 50, 1], [104, 50, 2], [102, 53, 3]], np.float32)
    np.testing.assert_allclose(
        turn_about_middle(points, np.pi / 2),
        [[103.5, 49.5, 1], [103.5, 53.5, 2], [100.5, 51.5, 3]],
        atol=1e-5,
    )


def test_a_point_whose_voxel_is_gone_takes_the_nearest_within_6_cm():
    voxel_map = VoxelMap(0.04)
    voxel_map.integrate(
        np.array([[0.02, 0.02, 0.02], [0.5, 0.5, 0.5]], np.float32), np.zeros((2, 3), np.uint8)
    )
    points = np.array(
        [[0.03, 0.01, 0.0], [0.07, 0.02, 0.02], [0.09, 0.02, 0.02], [0.5, 0.5, 0.45]], np.float32
    )
    assert nearest_rows(voxel_map.snapshot(), points).tolist() == [0, 0, -1, 1]


def test_the_command(stub_networks, tmp_path, capsys):
    (tmp_path / "in").mkdir()
    room = chairs()
    np.savez(
        tmp_path / "in" / "a.npz", points=np.rint(1000 * room.points).astype(np.int16), colors=room.colors,
        label=room.semantic_label, instance=room.instance_label,
    )  # fmt: skip
    command = ["evaluate", "rooms", str(tmp_path / "in"), "--alternatives", "desk=table,counter"]
    assert main([*command, "--json"]) == 0
    scores = json.loads(capsys.readouterr().out)
    assert scores["published_accuracy"] == 1.0 and scores["objects"]["found"] == 2
    assert set(scores["strays"]) == {"0.005", "0.02"} and len(scores["rows"]) == 20
    assert main([*command, "--once", "--out", str(tmp_path / "out")]) == 0
    out = capsys.readouterr().out
    assert "| map | network % |" in out and "| touches another |" in out and "| chair |" in out
    made = len(stub_networks)
    assert main([*command, "--once", "--out", str(tmp_path / "out")]) == 0
    assert capsys.readouterr().out == out and len(stub_networks) == made, "what is kept is not made again"
    assert main([*command, "--out", str(tmp_path / "out")]) == 1, "once is not what was turned"
    assert "give another folder" in capsys.readouterr().err
    with pytest.raises(SystemExit):
        main(["evaluate", "rooms", str(tmp_path), "--alternatives", "desk=tabel"])
    assert "'tabel' is no class" in capsys.readouterr().err
