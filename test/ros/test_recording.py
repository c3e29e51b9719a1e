"""`ssen record` and `ssen play`: what was on the wire is there again."""

import json
import signal
import sys

import numpy as np
import pytest
from rclpy.qos import QoSProfile
from rclpy.serialization import deserialize_message, serialize_message
from sensor_msgs.msg import PointCloud2
from std_msgs.msg import Header

from ssen_ros.errors import BagError
from ssen_ros.io.bags import BagReader, BagWriter
from ssen_ros.io.point_cloud2 import CLOUD_TYPE
from ssen_ros.msg import Instance, InstanceArray
from ssen_ros.ros.commands.recorder import message_class, read_definition
from ssen_ros.ros.conversions import CloudWriter, time_from_ns
from ssen_ros.ros.qos import LATCHED

RELIABLE = QoSProfile(depth=20)


def cli(bench, *arguments):
    return bench.start_command([sys.executable, "-m", "ssen_ros.cli", *map(str, arguments)])


def test_what_is_recorded_is_played_again(bench, tmp_path):
    rng = np.random.default_rng(0)
    publish = bench.cloud_publisher(topic="slam/map")
    objects = bench.node.create_publisher(InstanceArray, "ssen/instances", LATCHED)
    recorder = cli(bench, "record", "slam/map", "ssen/instances", "--out", tmp_path / "walk")
    bench.spin_until(lambda: publish.publisher.get_subscription_count() == 1 or not recorder.running)
    bench.spin_until(lambda: objects.get_subscription_count() == 1 or not recorder.running)
    sent = bench.collect(PointCloud2, "slam/map", RELIABLE)
    for k in range(3):
        points = rng.random((100 * (k + 1), 3), np.float32)
        publish(points, rng.integers(0, 256, points.shape, np.uint8), 10**18 + k, frame_id=f"map{k}")
        bench.spin_until(lambda k=k: len(sent) == k + 1)
    objects.publish(InstanceArray(instances=[Instance(id=7, class_name="chair")]))
    bench.spin_for(1.0)
    recorder.signal(signal.SIGINT)
    assert recorder.wait() == 0, recorder.log
    assert recorder.lines("/slam/map: 3 messages") and recorder.lines("/ssen/instances: 1 messages")

    recorded = [deserialize_message(data, PointCloud2) for _, data in BagReader(tmp_path / "walk").raw()]
    assert recorded == sent

    played = bench.collect(PointCloud2, "again", RELIABLE)
    player = cli(bench, "play", tmp_path / "walk", "--topic", "again", "--rate", 10)
    bench.spin_until(lambda: len(played) == 3 or not player.running)
    assert played == sent  # stamps and frames too
    bench.spin_until(lambda: player.lines("done: published 3 maps"))
    player.signal(signal.SIGTERM)
    assert player.wait() == 0


def test_what_the_player_sends_is_recorded_and_examined(bench, tmp_path):
    points = np.random.default_rng(0).random((5000, 3), np.float32) * (4, 4, 0)
    np.savez(tmp_path / "flat.npz", points=points.astype(np.float32))
    recorder = cli(bench, "record", "--out", tmp_path / "flat")
    bench.spin_until(lambda: recorder.lines("waiting for /cloud_map") or not recorder.running)
    player = cli(bench, "play", tmp_path / "flat.npz", "--maps", 2, "--rate", 5)
    bench.spin_until(lambda: player.lines("done: published 2 maps") or not player.running)
    recorder.signal(signal.SIGINT)
    assert recorder.wait() == 0, recorder.log
    player.signal(signal.SIGINT)
    doctor = cli(bench, "doctor", tmp_path / "flat", "--json", "--voxel-size", 0.04)
    assert doctor.wait() == 4
    found = {finding["check"] for finding in json.loads(doctor.log)["findings"]}
    assert found == {"flat", "colours"}


@pytest.mark.parametrize("ending", ["seconds", "signal"])
def test_nothing_to_record_is_an_error_and_leaves_no_folder(bench, tmp_path, ending):
    seconds = ["--seconds", 1] if ending == "seconds" else []
    recorder = cli(bench, "record", "nowhere", "--out", tmp_path / "bag", *seconds)
    if ending == "signal":
        bench.spin_until(lambda: recorder.lines("waiting for /nowhere") or not recorder.running)
        recorder.signal(signal.SIGTERM)
    assert recorder.wait() == 1
    assert recorder.lines("ssen record: nothing came on /nowhere") and "Traceback" not in recorder.log
    assert not (tmp_path / "bag").exists()


def test_a_recording_that_is_damaged_further_on_is_played_until_there(bench, tmp_path):
    rng = np.random.default_rng(0)
    writer = BagWriter(tmp_path / "walk", read_definition)
    writer.add_topic("/cloud_map", CLOUD_TYPE, latched=True)
    points = rng.random((50, 3), np.float32)
    for k in range(3):
        header = Header(stamp=time_from_ns(k), frame_id="map")
        last = serialize_message(CloudWriter().write(header, points, np.zeros(points.shape, np.uint8)))
        writer.write("/cloud_map", k, last)
    writer.close()
    (file,) = (tmp_path / "walk").glob("*.mcap")
    content = bytearray(file.read_bytes())
    length_at = content.rindex(last) + 12  # of frame_id, after the encapsulation and the stamp
    content[length_at : length_at + 4] = b"\xff" * 4
    file.write_bytes(content)
    played = bench.collect(PointCloud2, "cloud_map", RELIABLE)
    player = cli(bench, "play", tmp_path / "walk", "--rate", 10)
    bench.spin_until(lambda: player.lines("done: published") or not player.running)
    assert player.lines("ends before its end") and "Traceback" not in player.log
    bench.spin_until(lambda: len(played) == 2)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["record", "--out", "."], "exists already"),
        (["play", "nowhere.mcap"], "no such recording"),
        (["play", ".", "--maps", "3"], "a recording has maps of its own"),
    ],
)
def test_wrong_recordings_are_one_line(bench, arguments, message):
    command = cli(bench, *arguments)
    assert command.wait() == 1
    assert message in command.log and "Traceback" not in command.log


def test_unknown_messages_name_the_remedy():
    for find in (message_class, read_definition):
        with pytest.raises(BagError, match="nowhere_msgs/msg/Thing.*source the workspace"):
            find("nowhere_msgs/msg/Thing")
    assert message_class("sensor_msgs/msg/PointCloud2") is PointCloud2
    assert "voxel_size" in read_definition("ssen_ros/msg/InstanceArray")
