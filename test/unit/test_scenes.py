"""`ssen evaluate` and `ssen export`: many scenes, resumed and shared out, and a submission read back."""

import json
from pathlib import Path

import numpy as np
import pytest

from ssen_ros.cli import main
from ssen_ros.config import SsenConfig, with_values
from ssen_ros.errors import ConfigError, DataError
from ssen_ros.evaluation.average_precision import Prediction
from ssen_ros.evaluation.scene_runs import run_scenes
from ssen_ros.evaluation.scenes import SceneResult, evaluate_scene, evaluate_scenes, summarize_scenes
from ssen_ros.evaluation.submission import write_scene
from ssen_ros.evaluation.tables import PAPER_COLUMNS, class_table, paper_table, size_table
from ssen_ros.evaluation.vertex_labels import VertexLabels
from ssen_ros.io.samples import Sample, save_sample
from ssen_ros.labels import CLASS_NAMES
from ssen_ros.models import Checkpoint, NetworkSpec, network_of, save_checkpoint
from ssen_ros.pipeline import SsenPipeline

FLOOR, CHAIR = CLASS_NAMES.index("floor"), CLASS_NAMES.index("chair")


def chairs(count: int = 2) -> Sample:
    """Chairs in a row on a floor; what the HeightSegmenter says of them is right."""
    rng = np.random.default_rng(count)
    floor = rng.uniform([0, 0, 0], [2 * count, 1, 0.049], (2000, 3))
    seats = [rng.uniform([2 * i, 0.2, 0.051], [2 * i + 0.5, 0.7, 0.5], (2500, 3)) for i in range(count)]
    points = np.concatenate([floor, *seats]).astype(np.float32)
    instance = np.concatenate([np.full(2000, -1), np.repeat(np.arange(count) + 1, 2500)]).astype(np.int16)
    semantic = np.where(instance < 0, FLOOR, CHAIR).astype(np.int8)
    return Sample(points, np.full(points.shape, 128, np.uint8), semantic, instance)


def test_a_perfect_method_scores_1_and_its_result_survives_the_file(height_segmenter, tmp_path):
    result = evaluate_scene(chairs(), SsenPipeline(height_segmenter))
    result.save(tmp_path / "scene.npz")
    scores = summarize_scenes([SceneResult.load(tmp_path / "scene.npz")])
    assert scores == summarize_scenes([result])
    assert scores["semantic"]["miou"] == scores["semantic"]["accuracy"] == 1.0
    assert scores["instance"]["ap"] == scores["instance"]["ap50"] == scores["instance"]["ap25"] == 1.0
    assert scores["semantic"]["per_class"]["wall"] is None
    assert scores["instance"]["per_class"]["chair"] == {"ap": 1.0, "ap50": 1.0, "ap25": 1.0}
    assert scores["instance"]["per_class"]["table"] == {"ap": None, "ap50": None, "ap25": None}
    assert "floor" not in scores["instance"]["per_class"]
    assert scores["rows"][CHAIR] == {"class": "chair", "iou": 1.0, "ap": 1.0, "ap50": 1.0, "ap25": 1.0}
    assert scores["rows"][FLOOR] == {"class": "floor", "iou": 1.0, "ap": None, "ap50": None, "ap25": None}
    assert len(scores["instance"]["thresholds"]) == 9 and json.dumps(scores, allow_nan=False)


def test_tables(height_segmenter):
    scores = summarize_scenes([evaluate_scene(chairs(), SsenPipeline(height_segmenter))])
    header, ruler, row = paper_table({"p = 1": scores}).splitlines()
    assert [cell.strip() for cell in header.split("|")[2:-1]] == ["AP", *PAPER_COLUMNS]
    cells = dict(zip((c.strip() for c in header.split("|")), (c.strip() for c in row.split("|"))))
    assert cells["AP"] == cells["chair"] == "1.000" and cells["table"] == "-"
    assert sorted(PAPER_COLUMNS.values()) == sorted(set(CLASS_NAMES) - {"wall", "floor"})
    assert "| chair" in class_table(scores) and "100.0" in class_table(scores)
    assert "| 1,000 to 2,999  |     2 |    100.0 |" in size_table(scores)


def test_a_run_cut_short_goes_on_and_equals_a_whole_one(stub_networks, tmp_path):
    loaded = []

    def load(count: int) -> Sample:
        if count == 3 and 3 not in loaded:
            loaded.append(3)
            raise KeyboardInterrupt
        loaded.append(count)
        return chairs(count)

    scenes = {f"room{n}": n for n in (1, 2, 3, 4)}
    whole = evaluate_scenes(scenes, chairs, SsenConfig(), tmp_path / "whole", "chairs", progress=False)
    with pytest.raises(KeyboardInterrupt):
        evaluate_scenes(scenes, load, SsenConfig(), tmp_path / "parts", "chairs", progress=False)
    parts = evaluate_scenes(scenes, load, SsenConfig(), tmp_path / "parts", "chairs", progress=False)
    assert loaded == [1, 2, 3, 3, 4]
    assert parts == whole == json.loads((tmp_path / "parts" / "scores.json").read_text())
    assert whole["scenes"] == 4


def test_results_of_another_method_or_other_data_are_not_mixed(tmp_path):
    def run(config=None, data="chairs"):
        run_scenes({}, chairs, lambda *_: None, config or SsenConfig(), tmp_path, data, progress=False)

    run()
    run()
    with pytest.raises(ConfigError, match="data = 'chairs', this run has 'tables'; give another folder"):
        run(data="tables")
    weights = tmp_path / "other.safetensors"
    weights.write_bytes(b"other")
    with pytest.raises(ConfigError, match="segmenter.semantic_checkpoint = '', this run has"):
        run(with_values(SsenConfig(), {"segmenter.semantic_checkpoint": str(weights)}))


def test_several_workers_give_what_one_gives(tmp_path, capsys):
    """Real networks, tiny and untrained, in processes of their own."""
    networks = []
    for task, width in (("semantic", 0), ("embedding", 4)):
        spec = NetworkSpec(task, "MinkUNet14S", 0.1, ("rgb",), CLASS_NAMES, 3, width)
        path = tmp_path / f"{task}.safetensors"
        save_checkpoint(path, Checkpoint(spec, network_of(spec)))
        networks += ["--set", f"segmenter.{task}_checkpoint={path}"]
    (tmp_path / "rooms").mkdir()
    for n in (2, 3):
        save_sample(tmp_path / "rooms" / f"{n}.npz", chairs(n))
    command = [
        "evaluate",
        "simulated",
        "--rooms",
        str(tmp_path / "rooms"),
        "--json",
        "--device",
        "cpu",
        *networks,
    ]
    printed = []
    for workers in ("1", "2"):
        assert main([*command, "--workers", workers]) == 0
        printed.append(json.loads(capsys.readouterr().out))
    assert printed[0] == printed[1] and printed[0]["scenes"] == 2


def test_evaluate_prints_the_runs_beside_each_other(stub_networks, tmp_path, capsys):
    (tmp_path / "rooms").mkdir()
    save_sample(tmp_path / "rooms" / "a.npz", chairs())
    command = ["evaluate", "simulated", "--rooms", str(tmp_path / "rooms"), "--out"]
    assert main([*command, str(tmp_path / "first")]) == 0
    capsys.readouterr()
    assert main([*command, str(tmp_path / "second"), "--beside", str(tmp_path / "first")]) == 0
    out = capsys.readouterr().out
    assert "AP over 9 IoU thresholds 0.50 to 0.90, as ScanNet's script" in out and "ALIKE" not in out
    last = out.splitlines()[-3:]
    assert "---" in last[0] and last[1].startswith("| second ") and last[2].startswith("| first ")
    namesakes = [str(tmp_path / folder / "first") for folder in ("old", "new")]
    assert main([*command, namesakes[0]]) == main([*command, namesakes[1], "--beside", namesakes[0]]) == 0
    last = capsys.readouterr().out.splitlines()[-2:]
    assert [row.split(" ")[1] for row in last] == namesakes[::-1]
    command += [str(tmp_path / "second"), "--thresholds", "paper", "--beside"]
    assert main([*command, str(tmp_path / "first")]) == 0
    out = capsys.readouterr().out
    assert "AP over 10 IoU thresholds 0.50 to 0.95, as the paper says" in out and "NOT ALL ALIKE" in out
    assert main([*command, str(tmp_path / "nothing")]) == 1
    assert "no readable scores.json" in capsys.readouterr().err


# --- ScanNet -----------------------------------------------------------------------------------


@pytest.fixture
def scans(write_scannet_scene, tmp_path) -> list[str]:
    """Two scenes of ScanNet's files, and the arguments that name them."""
    names = ["scene0001_00", "scene0002_01"]
    for count, name in enumerate(names, start=2):
        sample = chairs(count)
        segments = np.where(sample.instance_label < 0, 0, sample.instance_label)
        groups = [("floor", [0]), *(("chair", [i]) for i in range(1, count + 1))]
        write_scannet_scene(tmp_path / "scans", name, sample.points, sample.colors, segments, groups)
    (tmp_path / "split.txt").write_text("\n".join(names) + "\n")
    return [str(tmp_path / "scans"), "--split", str(tmp_path / "split.txt")]


def test_evaluate_scannet(stub_networks, scans, scannet_labels, capsys):
    assert main(["evaluate", "scannet", *scans, "--labels", str(scannet_labels), "--json"]) == 0
    scores = json.loads(capsys.readouterr().out)
    assert scores["scenes"] == 2 and scores["semantic"]["miou"] == 1.0
    assert scores["instance"]["ap"] == pytest.approx(1.0)
    assert scores["instance"]["by_size"][2]["truth"] == 5


def read_submission(folder: Path, scene: str) -> list[tuple[int, float, np.ndarray]]:
    """As the benchmark reads it: (nyu40 id, score, mask) of each line, in order."""
    found = {}
    for line in (folder / f"{scene}.txt").read_text().splitlines():
        path, label, score = line.split(" ")
        assert not Path(path).is_absolute() and path not in found
        found[path] = int(label), float(score), np.loadtxt(folder / path, dtype=np.int64) != 0
    return list(found.values())


def test_a_submission_is_what_the_method_found(stub_networks, scans, tmp_path, capsys):
    out = tmp_path / "submission"
    assert main(["export", "scannet", *scans, "--out", str(out)]) == 0
    assert "2 scenes" in capsys.readouterr().out
    for count, scene in enumerate(["scene0001_00", "scene0002_01"], start=2):
        sample = chairs(count)
        semantic = np.loadtxt(out / "semantic" / f"{scene}.txt", dtype=np.int64)
        np.testing.assert_array_equal(semantic, np.where(sample.instance_label < 0, 2, 5))  # nyu40
        instances = read_submission(out / "instance", scene)
        assert [label for label, _, _ in instances] == [5] * count
        expected = {np.flatnonzero(sample.instance_label == i + 1).tobytes() for i in range(count)}
        assert {np.flatnonzero(mask).tobytes() for _, _, mask in instances} == expected
        assert all(0 < score <= 1 for _, score, _ in instances)
    files = {p.relative_to(out).parts[0] for p in out.rglob("*") if p.is_file()}
    assert files == {"semantic", "instance", "run.json"}


def test_a_submission_holds_overlapping_masks_and_leaves_out_what_the_benchmark_lacks(tmp_path):
    desk, other = CLASS_NAMES.index("desk"), CLASS_NAMES.index("otherfurniture")
    labels = VertexLabels(
        np.array([0, -1, desk, desk, other, other]),
        (
            Prediction(desk, 0.123456789, np.array([2, 3])),
            Prediction(-1, 0.9, np.array([1])),
            Prediction(0, 0.9, np.array([0])),
            Prediction(other, 1e-7, np.array([3, 4, 5])),
        ),
    )
    write_scene(tmp_path, "scene0000_00", labels)
    assert (tmp_path / "semantic" / "scene0000_00.txt").read_text() == "1\n0\n14\n14\n39\n39\n"
    first, second = read_submission(tmp_path / "instance", "scene0000_00")
    assert first[:2] == (14, 0.123456789) and first[2].nonzero()[0].tolist() == [2, 3]
    assert second[:2] == (39, 1e-7) and second[2].nonzero()[0].tolist() == [3, 4, 5]
    write_scene(tmp_path, "empty", VertexLabels(np.array([0]), ()))
    assert (tmp_path / "instance" / "empty.txt").read_text() == ""
    with pytest.raises(DataError, match="without spaces"):
        write_scene(tmp_path, "my scene", labels)


def test_a_scene_that_is_not_there_is_named_before_any_work(scans, tmp_path, capsys):
    (tmp_path / "split.txt").write_text("scene0001_00\nscene0009_00\n")
    assert main(["export", "scannet", *scans, "--out", str(tmp_path / "o")]) == 1
    assert "lacks 1 of 2 scenes, the first scene0009_00" in capsys.readouterr().err
