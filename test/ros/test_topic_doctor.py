"""`ssen doctor --topic` as a process of its own, on topics that real publishers offer."""

import json
import signal
import sys

import numpy as np
import pytest
from rclpy.qos import QoSDurabilityPolicy, QoSProfile, QoSReliabilityPolicy
from sensor_msgs.msg import PointCloud2
from std_msgs.msg import String

from ssen_ros.ros.commands.topic_doctor import lost_clouds
from ssen_ros.ros.qos import SubscriptionEventCallbacks
from ssen_ros.simulation import scan

BEST_EFFORT = QoSProfile(
    depth=1, reliability=QoSReliabilityPolicy.BEST_EFFORT, durability=QoSDurabilityPolicy.VOLATILE
)


@pytest.fixture(scope="module")
def room():
    sample = scan(seed=3)
    return sample.points[::3], sample.colors[::3]


def doctor(bench, *arguments, publish=lambda: None, starved=False):
    """(exit code, {check: finding}) of a doctor who listens while `publish` is called time and again.

    `starved`: it gets no processor meanwhile.
    """
    command = [sys.executable, "-m", "ssen_ros.cli", "doctor", "--json", "--voxel-size", "0.04", *arguments]
    node = bench.start_command(command)
    while node.running:
        if starved:
            node.signal(signal.SIGSTOP)
        publish()
        bench.spin_for(0.2)
        if starved:
            node.signal(signal.SIGCONT)
            bench.spin_for(0.2)
    (line,) = [line for line in node.log.splitlines() if line.startswith("{")] or [node.log]
    findings = json.loads(line)["findings"]
    return node.wait(), {finding["check"]: finding for finding in findings}


def now_ns(bench):
    return bench.node.get_clock().now().nanoseconds


def test_a_healthy_topic_has_nothing_wrong(bench, room):
    publish = bench.cloud_publisher(topic="slam/map")
    sent = lambda: publish(*room, stamp_ns=now_ns(bench))  # noqa: E731
    assert doctor(bench, "--topic", "slam/map", publish=sent) == (0, {})


def test_nobody_publishes_and_what_is_there_instead_is_named(bench):
    other = bench.cloud_publisher(topic="/rtabmap/cloud_map")
    code, found = doctor(bench, "--seconds", "4")
    assert code == 4 and set(found) == {"publisher"}
    assert "/cloud_map" in found["publisher"]["seen"]
    assert other.publisher.topic_name in found["publisher"]["seen"]
    assert "ROS_DOMAIN_ID" in found["publisher"]["remedy"]


def test_a_topic_of_another_type_is_named(bench):
    bench.node.create_publisher(String, "mesh", 1)
    code, found = doctor(bench, "--topic", "mesh", "--seconds", "4")
    assert code == 4 and set(found) == {"type"}
    assert "std_msgs/msg/String" in found["type"]["seen"]


def test_a_silent_publisher_is_named(bench):
    bench.cloud_publisher()
    code, found = doctor(bench, "--seconds", "4")
    assert code == 4 and set(found) == {"silent"}
    assert "/bench" in found["silent"]["seen"] and "mapping_enabled" in found["silent"]["remedy"]


def test_a_subscriber_that_asks_for_more_than_is_offered_is_named(bench, room):
    publish = bench.cloud_publisher(BEST_EFFORT)
    quiet = SubscriptionEventCallbacks(use_default_callbacks=False)  # rclpy's own calls something deprecated
    bench.node.create_subscription(
        PointCloud2, "cloud_map", lambda _: None, QoSProfile(depth=1), event_callbacks=quiet
    )
    some = [array[::2] for array in room]  # within the default shared memory
    sent = lambda: publish(*some, stamp_ns=now_ns(bench))  # noqa: E731
    code, found = doctor(bench, publish=sent)
    assert code == 4
    assert "est effort publisher and reliable subscription" in found["qos"]["seen"]
    assert "cloud_qos" in found["qos"]["remedy"]


# As on a machine whose sockets hold too little: of a large cloud's datagrams some are lost every time.
SMALL_SOCKETS = """<dds xmlns="http://www.eprosima.com"><profiles>
  <transport_descriptors><transport_descriptor>
    <transport_id>small</transport_id><type>UDPv4</type><receiveBufferSize>65536</receiveBufferSize>
  </transport_descriptor></transport_descriptors>
  <participant profile_name="small" is_default_profile="true"><rtps>
    <userTransports><transport_id>small</transport_id></userTransports>
    <useBuiltinTransports>false</useBuiltinTransports>
  </rtps></participant>
</profiles></dds>"""


def test_large_clouds_that_are_lost_are_counted_and_the_profile_is_named(bench, monkeypatch, tmp_path):
    profile = tmp_path / "small_sockets.xml"
    profile.write_text(SMALL_SOCKETS)
    for variable in ("FASTDDS_DEFAULT_PROFILES_FILE", "FASTRTPS_DEFAULT_PROFILES_FILE"):  # Kilted's, Jazzy's
        monkeypatch.setenv(variable, str(profile))  # the doctor's: this process has begun
    publish = bench.cloud_publisher(BEST_EFFORT)
    points = np.random.default_rng(0).random((1_000_000, 3), np.float32)  # 16 MB
    colors = np.zeros((len(points), 3), np.uint8)
    # a quiet machine's reader would empty even this socket in time
    code, found = doctor(bench, "--seconds", "8", publish=lambda: publish(points, colors), starved=True)
    assert code == {"error": 4, "warning": 3}[found["lost"]["severity"]]
    assert "lost" in found["lost"]["seen"] and "fastdds_large_clouds.xml" in found["lost"]["remedy"]


def test_a_coarse_map_with_old_stamps_of_two_publishers_has_all_three_faults(bench, room):
    points, colors = room
    cells, rows = np.unique(np.floor(points / 0.1).astype(int), axis=0, return_index=True)
    publish = bench.cloud_publisher()
    bench.cloud_publisher()  # another SLAM
    sent = lambda: publish(points[rows], colors[rows], stamp_ns=now_ns(bench) - 60_000_000_000)  # noqa: E731
    code, found = doctor(bench, publish=sent)
    assert code == 3 and set(found) == {"publishers", "stamps", "spacing"}
    assert "60 s before" in found["stamps"]["seen"]


@pytest.mark.parametrize(
    ("received", "lost", "size", "severity"),
    [(3, 2, 2_000_000, "warning"), (0, 2, 0, "error"), (3, 0, 2_000_000, None), (3, 2, 100_000, None)],
)
def test_what_is_lost_is_reported_where_the_size_explains_it(received, lost, size, severity):
    found = lost_clouds(received, lost, size)
    assert [finding.severity for finding in found] == ([severity] if severity else [])
    assert all(f"{lost} of {lost + received} clouds" in finding.seen for finding in found)
