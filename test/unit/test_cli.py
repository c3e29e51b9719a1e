import json
import logging
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from ssen_ros.cli import main
from ssen_ros.cli.options import parse_settings
from ssen_ros.config import SsenConfig
from ssen_ros.errors import ConfigError
from ssen_ros.io.ply import read_ply_vertices
from ssen_ros.labels import CLASS_NAMES
from ssen_ros.network_spec import chosen_weights, shipped_weights
from ssen_ros.structures import Cloud

CHECKOUT = Path(__file__).resolve().parents[2]
FLOOR, CHAIR = CLASS_NAMES.index("floor"), CLASS_NAMES.index("chair")


def block(x: tuple, y: tuple, z: tuple, step: float) -> np.ndarray:
    axes = [np.arange(low + step / 2, high, step) for low, high in (x, y, z)]
    return np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1).reshape(-1, 3)


def two_chairs(step: float = 0.025) -> np.ndarray:
    parts = [
        block((0, 3), (0, 3), (0, 0.05), step),
        block((0.5, 0.9), (0.5, 0.9), (0.05, 0.5), step),
        block((2.0, 2.4), (2.0, 2.4), (0.05, 0.5), step),
    ]
    return np.vstack(parts).astype(np.float32)


def test_segment_writes_the_three_files_and_prints_json(stub_networks, tmp_path, capsys, caplog):
    points = two_chairs()
    colors = np.random.default_rng(0).integers(0, 256, points.shape, np.uint8)
    np.savez(tmp_path / "room.npz", points=points, colors=colors)
    code = main(["segment", str(tmp_path / "room.npz"), "--out", str(tmp_path / "out"), "--json"])
    content = json.loads(capsys.readouterr().out)
    assert code == 0
    assert [i["class_name"] for i in content["instances"]] == ["chair", "chair"]
    assert content == {
        **json.loads((tmp_path / "out" / "instances.json").read_text()),
        "timings_ms": content["timings_ms"],
        "files": content["files"],
    }
    assert {"semantic", "embedding", "cluster", "instances", "total"} <= set(content["timings_ms"])
    assert all(Path(path).is_file() for path in content["files"].values())
    assert not caplog.records


def test_segment_prints_a_table_by_class(stub_networks, tmp_path, capsys):
    np.savez(tmp_path / "room.npz", points=two_chairs())
    assert main(["segment", str(tmp_path / "room.npz"), "--out", str(tmp_path)]) == 0
    out = capsys.readouterr().out
    row = next(line for line in out.splitlines() if "chair" in line)
    assert "2" in row.replace("│", " ").split()
    assert str(tmp_path / "map.png") in out


def test_segment_names_the_extra_that_oriented_boxes_need(stub_networks, tmp_path, capsys, monkeypatch):
    np.savez(tmp_path / "room.npz", points=two_chairs())
    monkeypatch.setitem(sys.modules, "open3d", None)
    assert main(["segment", str(tmp_path / "room.npz"), "--out", str(tmp_path), "--oriented-boxes"]) == 1
    assert "pip install 'ssen-ros[open3d]'" in capsys.readouterr().err


def test_segment_passes_settings_on(stub_networks, tmp_path):
    np.savez(tmp_path / "room.npz", points=two_chairs())
    arguments = ["segment", str(tmp_path / "room.npz"), "--out", str(tmp_path), "--device", "cpu"]
    assert (
        main([*arguments, "--set", "clustering.min_cluster_size=60", "--set", "instances.min_score=0.5"]) == 0
    )
    config = stub_networks[0].config
    assert config.clustering.min_cluster_size == 60
    assert config.instances.min_score == 0.5
    assert config.segmenter.device == "cpu"


def test_weights_is_short_for_a_parameter_and_one_checkpoint_may_differ(stub_networks, tmp_path):
    np.savez(tmp_path / "room.npz", points=two_chairs())
    arguments = ["segment", str(tmp_path / "room.npz"), "--out", str(tmp_path), "--weights", "taught"]
    assert main([*arguments, "--set", "segmenter.embedding_checkpoint=other.safetensors"]) == 0
    chosen = stub_networks[0].config.segmenter
    assert chosen_weights(chosen, "semantic") == str(Path("taught") / "semantic.safetensors")
    assert chosen_weights(chosen, "embedding") == "other.safetensors"
    assert chosen_weights(SsenConfig().segmenter, "semantic") == shipped_weights("semantic")


def test_segment_goes_by_the_parameter_file_of_the_node(stub_networks, tmp_path):
    np.savez(tmp_path / "room.npz", points=two_chairs())
    text = (CHECKOUT / "config" / "ssen.yaml").read_text(encoding="utf-8")
    (tmp_path / "mine.yaml").write_text(text.replace("min_cluster_size: 80", "min_cluster_size: 70"))
    arguments = ["segment", str(tmp_path / "room.npz"), "--out", str(tmp_path)]
    arguments += ["--params-file", str(tmp_path / "mine.yaml"), "--set", "instances.min_score=0.5"]
    assert main(arguments) == 0
    config = SsenConfig()
    expected = replace(
        config,
        clustering=replace(config.clustering, min_cluster_size=70),
        instances=replace(config.instances, min_score=0.5),
    )
    assert stub_networks[0].config == expected


@pytest.mark.parametrize("up", ["x", "y", "z", "-x", "-y", "-z"])
def test_segment_turns_a_file_by_the_axis_that_is_up(up, stub_networks, tmp_path):
    half_turn = (1, -1, -1) if up.startswith("-") else (1, 1, 1)
    np.savez(
        tmp_path / "room.npz", points=np.roll(two_chairs() * np.float32(half_turn), "zxy".index(up[-1]), 1)
    )
    assert main(["segment", str(tmp_path / "room.npz"), "--out", str(tmp_path), "--up", up]) == 0
    instances = json.loads((tmp_path / "instances.json").read_text())["instances"]
    assert [one["box"]["center"][2] for one in instances] == pytest.approx([0.275, 0.275], abs=0.05)
    eye = Cloud(np.eye(3, dtype=np.float32), None).turned(up).points
    assert np.linalg.det(eye) == 1 and abs(eye["xyz".index(up[-1]), 2]) == 1  # turned, not mirrored


def test_segment_labels_every_point_where_it_is_asked_to(stub_networks, tmp_path):
    points = two_chairs()
    np.savez(tmp_path / "room.npz", points=points)
    assert main(["segment", str(tmp_path / "room.npz"), "--out", str(tmp_path), "--full"]) == 0
    columns = read_ply_vertices(tmp_path / "labelled.ply")
    np.testing.assert_array_equal(np.stack([columns[axis] for axis in "xyz"], 1), points)
    on_floor = points[:, 2] < 0.05
    assert (columns["instance_id"][on_floor] == -1).mean() > 0.9
    assert len(set(columns["instance_id"][points[:, 2] > 0.1])) == 2
    main(["segment", str(tmp_path / "room.npz"), "--out", str(tmp_path)])
    assert len(read_ply_vertices(tmp_path / "labelled.ply")["x"]) < len(points)


def test_segment_of_many_clouds_keeps_what_is_there_and_goes_on_after_an_error(
    stub_networks, tmp_path, capsys
):
    for name in ("kitchen", "office"):
        np.savez(tmp_path / f"{name}.npz", points=two_chairs())
    (tmp_path / "damaged.ply").write_text("no cloud")
    clouds = [str(tmp_path / name) for name in ("kitchen.npz", "damaged.ply", "office.npz")]
    command = ["segment", *clouds, "--out", str(tmp_path / "out")]
    assert main([*command, "--json"]) == 1
    said = capsys.readouterr()
    told = json.loads(said.out)
    assert said.err.startswith(f"ssen segment: {clouds[1]}: ") and len(said.err.splitlines()) == 1
    assert told.keys() == {"kitchen", "office", "damaged"} and told["damaged"]["error"] in said.err
    for name in ("kitchen", "office"):
        folder = tmp_path / "out" / name
        assert len(told[name]["instances"]) == 2
        assert told[name].items() > json.loads((folder / "instances.json").read_text()).items()
        assert {Path(path).parent for path in told[name]["files"].values()} == {folder}
    (tmp_path / "out" / "office" / "map.png").unlink()  # as if cut short
    before = (tmp_path / "out" / "kitchen" / "map.png").stat().st_mtime_ns
    assert main(["segment", clouds[0], clouds[2], "--out", str(tmp_path / "out")]) == 0
    assert "2 clouds, 1 of them kept from before" in capsys.readouterr().out
    assert (tmp_path / "out" / "kitchen" / "map.png").stat().st_mtime_ns == before
    assert (tmp_path / "out" / "office" / "map.png").is_file()
    assert main([*command, "--set", "instances.min_score=0.5"]) == 1
    assert "holds results with instances.min_score" in capsys.readouterr().err
    assert main([*command, "--full", "--up", "-y"]) == 1
    assert "holds results with data = " in capsys.readouterr().err
    command.insert(1, str(tmp_path / "other" / "office.ply"))
    assert main(command) == 1
    assert "would both become" in capsys.readouterr().err


def test_segment_warns_of_grey_and_of_sparse_clouds(stub_networks, tmp_path, caplog):
    np.savez(tmp_path / "room.npz", points=two_chairs(step=0.1))
    with caplog.at_level(logging.WARNING):
        assert main(["segment", str(tmp_path / "room.npz"), "--out", str(tmp_path)]) == 0
    assert "no colour" in caplog.text
    assert "0.1 m apart" in caplog.text


@pytest.mark.parametrize(
    ("step", "height", "code", "checks"),
    [
        (0.025, 1.0, 0, []),
        (0.05, 1.0, 3, ["spacing"]),
        (0.025, 0.0, 4, ["flat"]),
    ],
)
def test_doctor_says_what_is_wrong_and_the_exit_code_tells(step, height, code, checks, tmp_path, capsys):
    points = two_chairs(step) * np.float32((1, 1, height))
    colors = np.random.default_rng(0).integers(0, 256, points.shape, np.uint8)
    np.savez(tmp_path / "room.npz", points=points, colors=colors)
    arguments = ["doctor", str(tmp_path / "room.npz")]
    assert main([*arguments, "--json"]) == code
    content = json.loads(capsys.readouterr().out)
    assert [finding["check"] for finding in content["findings"]] == checks
    assert content["voxel_size"] == 0.04  # of the shipped networks
    assert main([*arguments, "--voxel-size", "0.04"]) == code
    out = capsys.readouterr().out
    assert all(check in out for check in checks) if checks else "nothing is wrong" in out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["doctor", "none.ply"], "none.ply: no such file"),
        (["doctor", "none.mcap"], "none.mcap: no such recording"),
        (["segment", "none.ply", "--out", "x"], "none.ply: no such file"),
        (["segment", "none.ply", "--out", "x", "--set", "nonsense=1"], "unknown parameter 'nonsense'"),
        (["segment", "none.ply", "--out", "x", "--set", "map.mode"], "expected NAME=VALUE"),
        (["segment", "none.ply", "--out", "x", "--set", "clustering.min_samples=ten"], "'ten': expected int"),
        (["segment", "none.ply", "--out", "x", "--params-file", "none.yaml"], "none.yaml"),
        (
            ["segment", "none.ply", "--out", "x", "--params-file", str(CHECKOUT / "package.xml")],
            "package.xml",
        ),
        (["train", "semantic", "--config", "none.yaml"], "none.yaml"),
        (["evaluate", "simulated", "--rooms", "nowhere"], "nowhere: no .npz file there"),
    ],
)
def test_errors_are_one_line_and_exit_code_1(
    arguments, message, stub_networks, capsys, tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    assert main(arguments) == 1
    captured = capsys.readouterr()
    assert captured.out == ""
    assert len(captured.err.splitlines()) == 1
    assert captured.err.startswith(f"ssen {arguments[0]}: ")
    assert message in captured.err


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["nonsense"],
        ["segment", "a.ply"],
        ["simulate", "--rooms", "0", "--out", "x"],
        ["train", "everything", "--config", "f"],
        ["evaluate"],
        ["evaluate", "simulated", "--seeds", "5:5"],
        ["evaluate", "scannet", "scans"],
        ["evaluate", "simulated", "--workers", "0"],
        ["export", "scannet", "scans", "--split", "f"],
        ["evaluate", "simulated", "--seeds", "0:2", "--rooms", "x"],
        ["demo", "--seconds", "-1"],
        ["demo", "--seed", "-3"],
        ["doctor", "a.ply", "--topic", "t"],
        ["record", "t"],
        ["simulate", "--rooms", "1", "--seed", "-5", "--out", "x"],
    ],
)
def test_wrong_usage_is_exit_code_2(arguments, capsys):
    with pytest.raises(SystemExit) as exit_:
        main(arguments)
    assert exit_.value.code == 2
    assert "usage: ssen" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("first", "told"), [(98, "3 of the rooms (seeds 98 to 100) are held out"), (200, ""), (1000, "")]
)
def test_simulate_warns_of_held_out_rooms(first, told, monkeypatch, caplog, tmp_path):
    made = []
    monkeypatch.setattr("ssen_ros.simulation.generate", lambda seeds, *_, **__: made.extend(seeds))
    assert main(["simulate", "--rooms", "3", "--seed", str(first), "--out", str(tmp_path)]) == 0
    assert made == [first, first + 1, first + 2]
    assert told in caplog.text and bool(told) == bool(caplog.records)


@pytest.mark.parametrize(
    ("options", "made"),
    [
        (["--split", "smoke"], range(4)),
        (["--split", "validation", "--rooms", "7"], range(7)),
        (["--split", "validation"], range(100)),
        (["--split", "validation_hard"], range(100, 200)),
        (["--rooms", "2"], range(1000, 1002)),
    ],
)
def test_simulate_knows_the_splits(options, made, monkeypatch, caplog, tmp_path):
    asked = []
    monkeypatch.setattr("ssen_ros.simulation.generate", lambda seeds, *_, **__: asked.extend(seeds))
    assert main(["simulate", "--out", str(tmp_path), *options]) == 0
    assert asked == list(made)
    assert not caplog.records


@pytest.mark.parametrize(("name", "is_held_out"), [("000007", True), ("001000", False), ("kitchen", False)])
def test_train_warns_of_held_out_rooms(name, is_held_out, monkeypatch, caplog, tmp_path):
    monkeypatch.setattr("ssen_ros.training.train.train", lambda *_: tmp_path / "weights")
    (tmp_path / f"{name}.npz").touch()
    (tmp_path / "c.yaml").write_text(f"data: {tmp_path}\n")
    assert main(["train", "semantic", "--config", str(tmp_path / "c.yaml")]) == 0
    assert ("1 of the rooms (seeds 7 to 7) are held out" in caplog.text) == is_held_out
    assert bool(caplog.records) == is_held_out


def test_settings_take_the_type_of_the_default():
    values = parse_settings(["instances.min_score=1", "clustering.min_samples=7", "map.mode=incremental"])
    assert values == {"instances.min_score": 1.0, "clustering.min_samples": 7, "map.mode": "incremental"}
    assert type(values["instances.min_score"]) is float
    with pytest.raises(ConfigError, match="clustering.min_cluster_size = 1"):
        parse_settings(["clustering.min_cluster_size=1"])


@pytest.mark.parametrize(
    "command",
    ["", "demo", "segment", "play", "record", "doctor", "simulate", "train", "curves", "evaluate", "export"],
)
def test_help_needs_neither_torch_nor_ros(command):
    code = (
        "import sys\nfrom ssen_ros.cli import main\n"
        f"try:\n    main({[command, '--help'] if command else ['--help']})\n"
        "except SystemExit as end:\n    assert end.code == 0\n"
        "heavy = {'torch', 'rclpy', 'open3d', 'hdbscan', 'numpy'} & set(sys.modules)\n"
        "sys.exit(f'imported {heavy}' if heavy else 0)\n"
    )
    root = Path(__file__).parents[2]
    environment = {**os.environ, "PYTHONPATH": str(root)}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=environment)
    assert done.returncode == 0, done.stderr
    assert "usage: ssen" in done.stdout


@pytest.mark.parametrize(
    "error", [ZeroDivisionError("nobody thought\nof this"), RecursionError("x" * 10_000)]
)
def test_what_nobody_thought_of_is_one_line_to_report(error, monkeypatch, capsys, caplog):
    def fail(*_, **__):
        raise error

    monkeypatch.setattr("ssen_ros.simulation.generate", fail)
    assert main(["simulate", "--out", "none"]) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert f"unexpected {type(error).__name__}" in line and "please report" in line and len(line) < 1000
    caplog.set_level("INFO", "ssen_ros")  # as -v does
    assert main(["simulate", "--out", "none", "-v"]) == 1
    assert "in fail" in caplog.text


def test_memory_that_is_short_is_told_as_such(monkeypatch, capsys):
    def fail(*_, **__):
        raise MemoryError

    monkeypatch.setattr("ssen_ros.simulation.generate", fail)
    assert main(["simulate", "--out", "none"]) == 1
    assert "memory is short" in capsys.readouterr().err


def test_what_a_file_may_unpack_to_is_an_option(stub_networks, tmp_path, capsys, monkeypatch):
    monkeypatch.delenv("SSEN_MAX_BYTES", raising=False)
    np.savez_compressed(tmp_path / "room.npz", points=two_chairs())
    segment = ["segment", str(tmp_path / "room.npz"), "--out", str(tmp_path / "out"), "--max-bytes"]
    assert main([*segment, "1000"]) == 1
    assert "expected 1,000 at most; if you trust it, allow more with --max-bytes" in capsys.readouterr().err
    assert main([*segment, "100000000"]) == 0 and "SSEN_MAX_BYTES" not in os.environ
    with pytest.raises(SystemExit):
        main([*segment, "0"])
    assert "--max-bytes" in capsys.readouterr().err


def test_a_map_larger_than_the_parameter_is_refused(stub_networks, tmp_path, capsys):
    np.savez(tmp_path / "room.npz", points=two_chairs())
    segment = ["segment", str(tmp_path / "room.npz"), "--out", str(tmp_path / "out"), "--set"]
    assert main([*segment, "map.max_voxels=1000"]) == 1
    assert "expected 1,000 at most" in capsys.readouterr().err and not (tmp_path / "out").exists()
