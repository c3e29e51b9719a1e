"""The paper's figures: their numbers have known answers, and their pictures show what the numbers say."""

import json
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image

from ssen_ros.cli.main import main
from ssen_ros.errors import SsenError
from ssen_ros.figures import moving_chair, rooms, timing
from ssen_ros.figures.figure import Figure, save_figure
from ssen_ros.io.samples import VOXEL_SIZE, Sample, save_sample
from ssen_ros.labelled_map import LabelledMap
from ssen_ros.labels import CLASS_NAMES, LABEL_NAMES
from ssen_ros.palettes import NOISE_COLOR, STUFF_COLOR, instance_colors
from ssen_ros.pipeline import SsenPipeline

CHAIR, FLOOR = CLASS_NAMES.index("chair"), CLASS_NAMES.index("floor")
EDGE = 0.04


def block(x: float, y: float = 0.0, cells: int = 4) -> np.ndarray:
    """(cells^3, 3) voxel centres of a cube that begins at x, y."""
    steps = np.arange(cells) + 0.5
    cube = np.stack(np.meshgrid(steps, steps, steps, indexing="ij"), axis=-1).reshape(-1, 3) * EDGE
    return (cube + [x, y, 0.0]).astype(np.float32)


def seen(parts: list[tuple[np.ndarray, int, int]], confidence: float = 1.0) -> rooms.SeenRoom:
    """parts: (points, true object, found object)."""
    sizes = [len(points) for points, _, _ in parts]
    points = np.vstack([points for points, _, _ in parts])
    truth, found = (np.repeat([part[k] for part in parts], sizes) for k in (1, 2))
    labelled = LabelledMap(
        points=points,
        colors=np.full((len(points), 3), 90, np.uint8),
        semantic_label=np.where(truth >= 0, CHAIR, FLOOR).astype(np.int32),
        instance_id=found.astype(np.int32),
        confidence=np.full(len(points), confidence, np.float32),
        instances=(),
        voxel_size=EDGE,
        version=0,
        stamp_ns=0,
        class_names=LABEL_NAMES,
    )
    return rooms.SeenRoom(labelled, truth)


def test_the_best_pairs_are_matched_and_each_object_once():
    truth = np.array([0, 0, 0, 0, 1, 1, 2, -1])
    found = np.array([7, 7, 7, 8, 8, 8, -1, 8])
    assert rooms.matched(truth, found) == {7: (0, 0.75), 8: (1, 0.5)}
    assert rooms.matched(np.array([-1]), np.array([3])) == {} == rooms.matched(np.array([3]), np.array([-1]))
    assert rooms.matched(truth, truth) == {0: (0, 1.0), 1: (1, 1.0), 2: (2, 1.0)}


def test_a_right_prediction_has_the_colours_of_the_truth():
    room = seen([(block(0), 3, 20), (block(1), 5, 11), (block(2), -1, -1), (block(3), 6, -1)])
    truth, prediction = rooms.truth_colors(room), rooms.prediction_colors(room)
    np.testing.assert_array_equal(truth[:128], prediction[:128])
    np.testing.assert_array_equal(truth[64], instance_colors(np.array([5]))[0])
    np.testing.assert_array_equal(truth[128], STUFF_COLOR)
    np.testing.assert_array_equal(prediction[192], NOISE_COLOR), "a true object that nothing was found of"


def test_an_object_that_is_invented_has_a_colour_of_its_own():
    room = seen([(block(0), 3, 20), (block(1), -1, 3)])
    prediction = rooms.prediction_colors(room)
    assert not (prediction[64] == rooms.truth_colors(room)[:64]).all(axis=1).any()


def test_figure_5_counts_what_was_found():
    half = block(1)
    room = seen([(block(0), 1, 4), (half[:40], 2, 5), (half[40:], 2, 6), (block(2), 3, -1)])
    assert rooms.found_and_missed(room) == {
        "true_objects": 3,
        "found_at_iou_0.5": 2,
        "mean_iou_of_matches": round((1 + 40 / 64) / 2, 3),
        "predicted_objects": 3,
    }
    figure = rooms.figure_5({"a": room, "b": room}, width=200)
    assert figure.data["rooms"]["a"]["found_at_iou_0.5"] == 2 and figure.image.shape[1] == 3 * 200 + 2 * 6


def test_figure_4_shows_objects_in_parts_and_no_others():
    whole, parts = block(0, cells=5), block(1, cells=5)
    room = seen([(whole, 1, 4), (parts[:60], 2, 5), (parts[60:120], 2, 6), (parts[120:], 2, 7)])
    (row,) = rooms.divided(room)
    assert row["object"] == 2 and len(row["parts"]) == 2, "five of 125 voxels are no part"
    assert rooms.figure_4({"a": room}, width=200).data["divided"] == 1
    nothing = rooms.figure_4({"a": seen([(whole, 1, 4)])}, width=200)
    assert nothing.data["shown"] == []


def test_a_neighbour_that_swallows_an_object_does_not_divide_it():
    room = seen([(block(0, cells=5), 1, 4), (block(1, cells=8), 2, 4), (block(1, 2, cells=5), 1, 5)])
    assert rooms.divided(room) == []


def test_figure_1_tells_contact_from_what_stands_alone():
    """Two cubes that touch, unsure of themselves, and one far off that is sure."""
    room = seen([(block(0), 1, 1), (block(4 * EDGE), 2, 2)], confidence=0.2)
    far = seen([(block(3), 3, 3)])
    found = rooms.part_of(room.found, np.arange(128))
    both = LabelledMap(
        **{
            **vars(found),
            **{
                name: np.concatenate([getattr(found, name), getattr(far.found, name)])
                for name in ("points", "colors", "semantic_label", "instance_id", "confidence")
            },
        }
    )
    told = rooms.confidence_by_contact(both)
    assert told["objects"] == 3 and told["voxels"] == 192
    assert told["near_another"] == {"voxels": 64, "median_confidence": 0.2, "black": 1.0}
    assert told["alone"]["voxels"] == 128 and told["alone"]["black"] == 0.5
    assert rooms.figure_1("a", both).data["room"] == "a"


def test_figure_3_puts_ours_beside_what_others_published():
    pytest.importorskip("matplotlib")
    stages = {"voxelize": 0.1, "semantic": 1.0, "embedding": 0.5, "cluster": 0.3, "instances": 0.1}
    told = {"scans": 2, "voxels": 9, "device": "cpu", "threads": 1, "clock": "cpu", "stages": stages}
    figure = timing.figure_3(told)
    assert figure.data["ours"]["seconds_a_scan"] == pytest.approx(2.0)
    published = {row["method"]: (row["sign"], row["seconds_a_scan"]) for row in figure.data["published"]}
    # The paper says: 5 minutes for 312 scans, a day with mean shift, ASIS 50 times, 3D-BoNet twice as long.
    assert published["SSEN (paper)"] == ("", pytest.approx(300 / 312, abs=0.01))
    assert published["SSEN with mean shift"] == ("", pytest.approx(86400 / 312, abs=0.01))
    assert published["ASIS"] == ("≈", pytest.approx(50 * 300 / 312, abs=0.01))
    assert published["3D-BoNet"] == ("≥", pytest.approx(2 * 300 / 312, abs=0.01))
    assert figure.image.shape[2] == 3 and (figure.image != 255).any()


# --- Fig. 6 ------------------------------------------------------------------------------------------


def chair() -> tuple[np.ndarray, np.ndarray]:
    points = block(-0.08, -0.08)
    return points, np.full((len(points), 3), 200, np.uint8)


def test_one_chair_moves_and_the_others_stay():
    start, end = (moving_chair.scene(*chair(), along) for along in (0.0, 1.0))
    assert len(np.unique(start.instance_label)) == 2 * moving_chair.PLACES + 2  # and the floor
    moving = start.instance_label == moving_chair.MOVING
    np.testing.assert_array_equal(start.points[~moving], end.points[~moving])
    way = end.points[moving] - start.points[moving]
    np.testing.assert_allclose(way, np.broadcast_to([4.0, 0, 0], way.shape), atol=VOXEL_SIZE)
    assert (start.semantic_label[start.instance_label < 0] == FLOOR).all()


def test_the_fullest_single_chair_is_taken_and_stands_at_the_origin():
    parts = [(block(0), CHAIR, 1), (block(2, cells=9), CHAIR, 2), (block(4, cells=40)[::50], CHAIR, 3)]
    sample = Sample(
        np.vstack([points for points, _, _ in parts]),
        np.full((sum(len(p) for p, _, _ in parts), 3), 9, np.uint8),
        np.repeat([label for _, label, _ in parts], [len(p) for p, _, _ in parts]).astype(np.int8),
        np.repeat([id for _, _, id in parts], [len(p) for p, _, _ in parts]).astype(np.int16),
    )
    points, colors = moving_chair.a_chair(sample)
    assert len(points) == len(colors) == 729
    np.testing.assert_allclose(points[:, :2].min(axis=0) + points[:, :2].max(axis=0), 0, atol=2 * VOXEL_SIZE)
    walls = replace(sample, semantic_label=np.zeros_like(sample.semantic_label))
    with pytest.raises(SsenError, match="no chair"):
        moving_chair.a_chair(walls)


class Placed:
    """A pipeline whose embedding of a thing is where its object stands, in a space that is turned."""

    segmenter = SimpleNamespace(voxel_size=EDGE, class_names=LABEL_NAMES, device="cpu")

    def __init__(self, width: int):
        self.turn = np.linalg.qr(np.random.default_rng(0).normal(size=(width, width)))[0][:3]

    def step(self, snapshot, stamp_ns):
        things = np.flatnonzero(snapshot.points[:, 2] > 0)
        cell = np.round(snapshot.points[things, :2] / moving_chair.APART).astype(int) * moving_chair.APART
        objects = np.unique(cell, axis=0, return_inverse=True)[1]
        ids = np.full(len(snapshot), -1, np.int32)
        ids[things] = objects
        nearly = np.random.default_rng(1).normal(0, 0.02, (len(things), 3))
        embeddings = ((np.column_stack([cell, np.zeros(len(cell))]) + nearly) @ self.turn).astype(np.float32)
        return SimpleNamespace(
            snapshot=snapshot, semantic_label=np.where(ids < 0, FLOOR, CHAIR).astype(np.int32),
            instance_id=ids,
            confidence=np.ones(len(ids), np.float32), instances=(), stamp_ns=0, events=(),
            timings_s={"semantic": 0.2, "total": 0.2},
            segmentation=SimpleNamespace(thing_rows=things, embeddings=embeddings),
        )  # fmt: skip


@pytest.mark.parametrize("width", [3, 8])
def test_an_embedding_that_tells_the_place_is_seen_to(width):
    moments = moving_chair.move(*chair(), Placed(width), 3, told=lambda step: None)
    figure = moving_chair.figure_6(moments, width, column=120)
    data = figure.data
    assert data["variance_in_three_axes"] == pytest.approx(1.0, abs=0.01)
    assert (
        data["r2_of_place_in_row"] > 0.99 and data["r2_of_row"] > 0.99 and data["r2_of_moving_chair"] > 0.99
    )
    assert data["found_at_iou_0.5"] == {"least": 13, "mean": 13.0}
    assert len(figure.frames) == 4, "there and back"
    # Turned as the scene lies: neither stretched nor mirrored, so every object is where it stands.
    placed = moving_chair.project(moments)(moments[0].embeddings)
    stands = moments[0].room.found.points[moments[0].thing_rows]
    for axis in range(2):
        assert np.corrcoef(placed[:, axis], stands[:, axis])[0, 1] > 0.95


# --- files -------------------------------------------------------------------------------------------


def test_a_figure_is_written_with_its_command_and_its_frames(tmp_path):
    red, green = (np.full((8, 8, 3), color, np.uint8) for color in ((200, 0, 0), (0, 200, 0)))
    files = save_figure(Figure(6, {"chairs": 13}, red, (red, green)), tmp_path, "ssen figure 6")
    assert [file.name for file in files] == ["figure6.webp", "figure6_moving.webp", "figure6.json"]
    told = json.loads(files[2].read_text())
    assert told["command"] == "ssen figure 6" and told["chairs"] == 13 and told["date"] and told["machine"]
    with Image.open(files[0]) as still, Image.open(files[1]) as moving:
        assert still.size == (8, 8) and getattr(moving, "n_frames", 1) == 2
    assert len(save_figure(Figure(5, {}, red), tmp_path, "ssen figure 5")) == 2


def test_another_number_is_refused(capsys):
    with pytest.raises(SystemExit) as end:
        main(["figure", "2"])
    assert end.value.code == 2 and "invalid choice: 2" in capsys.readouterr().err


@pytest.mark.parametrize("number", [1, 3, 4, 5, 6])
def test_the_command_makes_each_figure(number, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(SsenPipeline, "from_config", lambda config: Placed(8))
    points, _ = chair()
    parts = [points, block(-0.16, -0.2, cells=9) + np.float32([moving_chair.APART[0], 0, 0])]
    sizes = [len(part) for part in parts]
    labels = np.full(sum(sizes), CHAIR, np.int8), np.repeat(np.int16([1, 2]), sizes)
    room = Sample(np.vstack(parts), np.full((sum(sizes), 3), 120, np.uint8), *labels)
    save_sample(tmp_path / "room.npz", room)
    words = ["figure", str(number), "--rooms", str(tmp_path / "room.npz"), "--out", str(tmp_path / "out")]
    assert main([*words, "--steps", "2", "--json"]) == 0
    printed = json.loads(capsys.readouterr().out)
    written = json.loads((tmp_path / "out" / f"figure{number}.json").read_text())
    assert written["command"] == " ".join(["ssen", *words, "--steps", "2", "--json"])
    assert printed.items() <= written.items()
    told = {
        1: lambda data: data["objects"] == 2,
        3: lambda data: data["ours"]["scans"] == 1 and data["ours"]["voxels"] > 0,
        4: lambda data: data["objects"] == 2 and data["divided"] == 0,
        5: lambda data: data["rooms"]["room"]["found_at_iou_0.5"] == 2,
        6: lambda data: data["chairs"] == 13 and data["steps"] == 2,
    }
    assert told[number](printed)
    with Image.open(tmp_path / "out" / f"figure{number}.webp") as picture:
        assert min(picture.size) > 0
