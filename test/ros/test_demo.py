"""`ssen demo` as a user starts it, and the map it rebuilds from messages."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from builtin_interfaces.msg import Time
from PIL import Image
from rclpy.serialization import deserialize_message, serialize_message
from rich.console import Console
from rich.live import Live
from sensor_msgs.msg import PointCloud2
from std_msgs.msg import Header

from ssen_ros import config
from ssen_ros.errors import SsenError
from ssen_ros.io.clouds import read_ply_vertices
from ssen_ros.labelled_map import LabelledMap
from ssen_ros.labels import LABEL_NAMES
from ssen_ros.msg import InstanceArray
from ssen_ros.ros.commands.demo import _LiveScreen, walk_process
from ssen_ros.ros.commands.listening import MapListener, stage_times_s
from ssen_ros.ros.commands.running import private_environment
from ssen_ros.ros.conversions import CloudWriter, time_from_ns, to_instance_array, to_labelled_map
from ssen_ros.ros.diagnostics import Health, Observation, read_diagnostics, to_diagnostics
from ssen_ros.ros.outputs import instance_cloud, semantic_cloud
from ssen_ros.ros.simulator_node import SimulatorConfig
from ssen_ros.simulation import SimulatedSlam
from ssen_ros.structures import Box, Clusters, Instance, Known, Memory, Segmentation, StepResult
from ssen_ros.voxel_map import VoxelMap

ROOT = Path(__file__).parents[2]
FLOOR, CHAIR = LABEL_NAMES.index("floor"), LABEL_NAMES.index("chair")
STAMP_NS = 1_700_000_000_123_456_789


def ssen(*arguments, timeout_s=300):
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-m", "ssen_ros.cli", *map(str, arguments)]
    return subprocess.run(
        command, capture_output=True, text=True, timeout=timeout_s, env=environment, stdin=subprocess.DEVNULL
    )


@pytest.mark.slow
def test_demo_ends_by_itself_and_leaves_its_files(tmp_path):
    done = ssen("demo", "--out", tmp_path, "--maps", 4)
    assert done.returncode == 0, done.stderr
    content = json.loads((tmp_path / "instances.json").read_text())
    columns = read_ply_vertices(tmp_path / "labelled.ply")
    assert content["voxels"] == len(columns["x"]) > 1000
    assert content["instances"]
    active = {i["id"] for i in content["instances"] if i["state"] == "active"}
    assert active <= set(columns["instance_id"].tolist())
    assert {"wall", "floor"} <= {LABEL_NAMES[i] for i in np.unique(columns["label"])}
    with Image.open(tmp_path / "map.png") as image:
        assert np.asarray(image).std() > 10
    for name in ("map.png", "instances.json", "labelled.ply", "ssen_node.log", "simulator_node.log"):
        assert str(tmp_path / name) in done.stdout
    assert "cycle" in done.stdout


def test_demo_says_why_it_failed(tmp_path):
    missing = tmp_path / "none.safetensors"
    done = ssen("demo", "--out", tmp_path, "--set", f"segmenter.semantic_checkpoint={missing}")
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    assert str(missing) in done.stderr  # from the end of the node's log
    assert done.stderr.splitlines()[-1].startswith("ssen demo: ssen_node ended with exit code 1")
    assert not (tmp_path / "map.png").exists()


def test_play_publishes_what_it_was_asked_for_and_ends_with_its_command(bench, tmp_path):
    np.savez(tmp_path / "a.npz", points=np.random.default_rng(0).random((50, 3)).astype(np.float32))
    maps = bench.collect(PointCloud2, "slam/map")
    arguments = ["play", str(tmp_path / "a.npz"), "--maps", "2", "--rate", "5", "--topic", "slam/map"]
    command = bench.start_command([sys.executable, "-m", "ssen_ros.cli", *arguments])
    bench.spin_until(lambda: command.lines("done: published 2 maps") or not command.running, timeout_s=60.0)
    bench.spin_until(lambda: maps and maps[-1].width == 50)
    assert not command.lines("unknown parameters")
    command.signal(signal.SIGTERM)
    assert command.wait() == 0


def test_the_walk_takes_about_as_many_maps_as_asked_for():
    parameters = walk_process(seed=3, maps=4, rate_hz=0.5).parameters
    maps = -(-len(SimulatedSlam(3)) // parameters["frames_per_map"])
    assert 3 <= maps <= 4
    assert set(parameters) <= {p.name for p in config.parameters(SimulatorConfig())}
    assert parameters["exit_when_done"] is True and parameters["rate_hz"] == 0.5


@pytest.mark.parametrize("own", ["", "FASTDDS_DEFAULT_PROFILES_FILE", "FASTRTPS_DEFAULT_PROFILES_FILE"])
@pytest.mark.parametrize(
    "distribution, name",
    [
        ("", "FASTDDS_DEFAULT_PROFILES_FILE"),
        ("kilted", "FASTDDS_DEFAULT_PROFILES_FILE"),
        ("jazzy", "FASTRTPS_DEFAULT_PROFILES_FILE"),
    ],
)
def test_every_fast_dds_gets_the_profile_unless_the_user_has_one(
    monkeypatch, tmp_path, own, distribution, name
):
    names = {"FASTDDS_DEFAULT_PROFILES_FILE", "FASTRTPS_DEFAULT_PROFILES_FILE"}
    for variable in names:
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setenv("ROS_DISTRO", distribution)
    if own:
        monkeypatch.setenv(own, "/some/profile.xml")
    monkeypatch.setattr("ssen_ros.ros.commands.running._shared_memory_suffices", lambda: True)
    environment = private_environment(tmp_path)
    assert names & set(environment) == (set() if own else {name})
    if not own:
        assert Path(environment[name]).name == "fastdds_large_clouds.xml"


def messages() -> tuple[StepResult, list]:
    """A result, and what the node would have sent of it, once over the wire."""
    raw = np.stack(np.meshgrid(*[np.arange(0.01, 0.5, 0.02)] * 3, indexing="ij"), axis=-1).reshape(-1, 3)
    raw = raw[(raw[:, 2] < 0.05) | (raw[:, 0] < 0.2)].astype(np.float32)
    colors = (raw * 500).astype(np.uint8)
    voxel_map = VoxelMap(0.04)
    voxel_map.integrate(raw, colors)
    snapshot = voxel_map.snapshot()
    label = np.where(snapshot.points[:, 2] < 0.05, FLOOR, CHAIR).astype(np.int32)
    rows = np.flatnonzero(label == CHAIR)
    ids = np.full(len(snapshot), -1, np.int32)
    ids[rows[5:]] = 3
    chair = Instance(
        id=3, class_id=CHAIR, class_name="chair", score=0.5,
        box=Box(np.array([0.1, 0.2, 0.3]), np.array([0.2, 0.4, 0.5]), yaw=2.5),
        centroid=np.array([0.1, 0.2, 0.25]), voxel_count=len(rows),
        first_seen_ns=STAMP_NS - 5, last_seen_ns=STAMP_NS, state="missing",
    )  # fmt: skip
    segmentation = Segmentation(
        np.zeros((len(snapshot), 20), np.float32), label, rows, np.zeros((len(rows), 8), np.float32)
    )
    clusters = Clusters(
        np.zeros(len(rows), np.int32), np.zeros(len(rows), bool), np.ones(len(rows), np.float32)
    )
    confidence = np.linspace(0, 1, len(snapshot), dtype=np.float32)
    memory = Memory((Known(chair, keys=rows, votes=np.zeros(20)),))
    result = StepResult(
        snapshot, segmentation, clusters, (), memory, (), rows, label, ids, confidence, STAMP_NS,
        {"total": 0.1},
    )  # fmt: skip
    header = Header(stamp=time_from_ns(STAMP_NS), frame_id="map")
    to_msgs = semantic_cloud(), instance_cloud(), to_instance_array
    sent = [to_msg(header, result) for to_msg in to_msgs]
    return result, [deserialize_message(serialize_message(msg), type(msg)) for msg in sent]


def test_the_map_rebuilt_from_messages_equals_the_result():
    result, received = messages()
    rebuilt, expected = to_labelled_map(*received), LabelledMap.from_step(result)
    for name in ("points", "colors", "semantic_label", "instance_id", "confidence"):
        np.testing.assert_array_equal(getattr(rebuilt, name), getattr(expected, name), err_msg=name)
    assert (rebuilt.voxel_size, rebuilt.version, rebuilt.stamp_ns) == (0.04, 1, STAMP_NS)
    (got,), (wanted,) = rebuilt.to_json()["instances"], expected.to_json()["instances"]
    assert np.isclose(got["box"].pop("yaw"), wanted["box"].pop("yaw"))
    assert got == wanted


def test_an_instance_cloud_of_another_map_is_refused():
    _, (semantic, things, instances) = messages()
    raw = np.array([[9.0, 9.0, 9.0]], np.float32)
    other = CloudWriter(instance_id="i4").write(
        things.header, raw, np.zeros((1, 3), np.uint8), instance_id=np.array([3])
    )
    with pytest.raises(SsenError, match="off the semantic cloud"):
        to_labelled_map(semantic, other, instances)


@pytest.mark.parametrize("emptied", [(1,), (0, 1)])
def test_a_map_without_things_and_an_empty_one_are_rebuilt_too(emptied):
    _, sent = messages()
    header, none = sent[0].header, np.empty((0, 3), np.float32)
    fields = {"label": "u4", "confidence": "f4", "map_rgb": "u4", "instance_id": "i4", "embedding_rgb": "u4"}
    for k in emptied:
        sent[k] = CloudWriter(**fields).write(
            header, none, none.astype(np.uint8), **dict.fromkeys(fields, none[:, 0])
        )
    rebuilt = to_labelled_map(*sent)
    assert len(rebuilt) == sent[0].width == len(rebuilt.colors) == len(rebuilt.semantic_label)
    assert (rebuilt.instance_id == -1).all()


def test_messages_of_different_maps_are_never_mixed():
    _, (semantic, things, instances) = messages()
    heard = MapListener()
    heard.add("semantic_cloud", semantic)
    later = InstanceArray(header=Header(stamp=time_from_ns(STAMP_NS + 1)))
    heard.add("instances", later)
    heard.add("instance_cloud", things)
    assert heard.messages is heard.labelled_map() is None and not heard.news
    heard.add("instances", instances)
    assert heard.messages == (semantic, things, instances) and heard.news
    heard.add("instances", later)
    assert heard.messages == (semantic, things, instances)  # still the newest complete one


def test_a_correction_takes_the_place_of_what_it_corrects_and_another_run_that_of_all():
    _, (semantic, things, instances) = messages()
    heard = MapListener()
    for topic, msg in zip(("semantic_cloud", "instance_cloud", "instances"), (semantic, things, instances)):
        heard.add(topic, msg)
    heard.news = False
    corrected = InstanceArray(header=instances.header)
    heard.add("instances", corrected)
    assert heard.news and heard.messages == (semantic, things, corrected)
    heard.add("instances", InstanceArray(header=Header(stamp=time_from_ns(STAMP_NS - 1))))
    assert heard.messages == (semantic, things, corrected), "merely late"
    heard.add("instances", InstanceArray(header=Header(stamp=time_from_ns(STAMP_NS - 10**10))))
    assert heard.messages is None, "another run"


def test_the_times_of_a_report_are_those_of_the_last_pass():
    health = Health(timings_s={"semantic": 0.5, "total": 2.0})
    for running_s in (None, 7.0):
        seen = Observation("active", health, running_s=running_s)
        status = read_diagnostics(to_diagnostics(Time(), "/ssen", seen), "/ssen")
        assert stage_times_s(status) == {"semantic": 0.5, "total": 2.0}


def test_the_live_table_shows_what_arrived(tmp_path):
    _, (semantic, things, instances) = messages()
    heard = MapListener()
    for topic, msg in zip(("semantic_cloud", "instance_cloud", "instances"), (semantic, things, instances)):
        heard.add(topic, msg)
    heard.status = {"state": "segmenting", "semantic_ms": "12.3", "total_ms": "45.6"}
    with open(tmp_path / "screen.txt", "w+") as file:
        console = Console(file=file, force_terminal=True, width=80)
        with Live(console=console, auto_refresh=False) as live:
            _LiveScreen(console, live).show(heard)
            live.refresh()
        file.seek(0)
        text = file.read()
    for shown in ("chair", str(semantic.width), "semantic", "12", "46", "segmenting"):
        assert shown in text
