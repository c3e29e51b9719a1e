"""What /diagnostics says of the states of a node."""

import time
from collections import deque
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
from builtin_interfaces.msg import Time
from diagnostic_msgs.msg import DiagnosticStatus

from ssen_ros.live.live_map import Counters
from ssen_ros.ros.diagnostics import Health, Observation, summarize, to_diagnostics
from ssen_ros.structures import Floor, Kept, Memory, VoxelSnapshot

OK, WARN, ERROR = DiagnosticStatus.OK, DiagnosticStatus.WARN, DiagnosticStatus.ERROR
WORKING = Observation(
    "active", counters=Counters(received=3, processed=3), cloud_topic="/map", cloud_publishers=("/slam",)
)


START_S = time.monotonic()


def health(age_s=0.0, rejected_age_s=1000.0, **fields):
    return Health(received_at_s=START_S - age_s, rejected_at_s=START_S - rejected_age_s, **fields)


@pytest.fixture
def standing_clock(monkeypatch):
    monkeypatch.setattr(time, "monotonic", lambda: START_S)


@pytest.mark.parametrize(
    "seen, level, words",
    [
        (Observation("unconfigured"), OK, "unconfigured"),
        (replace(WORKING, lifecycle="inactive", health=health(pass_failed=True)), OK, "inactive"),
        (WORKING, OK, "up to date"),
        (replace(WORKING, counters=Counters(received=3, processed=2, pending=1)), OK, "segmenting"),
        (replace(WORKING, running_s=1.5), OK, "segmenting"),
        (replace(WORKING, running_s=59.0), OK, "segmenting"),
        (replace(WORKING, running_s=61.0), WARN, "running for 61 s, the first one"),
        (replace(WORKING, running_s=4.0, health=health(totals_s=deque([0.5]))), OK, "segmenting"),
        (
            replace(WORKING, running_s=6.0, health=health(totals_s=deque([9.0, 0.5, 0.5]))),
            WARN,
            "usually 0.5 s",
        ),
        (replace(WORKING, running_s=1.9, health=health(totals_s=deque([0.01]))), OK, "segmenting"),
        (replace(WORKING, other_types=("sensor_msgs/msg/Image",)), WARN, "/map sends sensor_msgs/msg/Image"),
        (replace(WORKING, health=health(has_frame=False)), WARN, "no frame_id"),
        (replace(WORKING, health=health(has_color=False)), WARN, "no colour"),
        (replace(WORKING, enabled=False), OK, "disabled by ~/enable"),
        (replace(WORKING, counters=Counters()), OK, "waiting for a map"),
        (replace(WORKING, counters=Counters(), cloud_publishers=()), WARN, "nobody publishes /map"),
        (replace(WORKING, cloud_publishers=()), OK, "up to date"),  # the map is there
        (replace(WORKING, cloud_publishers=("/b", "/a")), WARN, "2 publishers of /map send whole maps"),
        (replace(WORKING, cloud_publishers=("/b", "/a")), WARN, "replace each other: /a, /b"),
        (replace(WORKING, cloud_publishers=("/b", "/a"), whole_maps=False), OK, "up to date"),
        (replace(WORKING, degraded="no memory"), WARN, "degraded to the CPU: no memory"),
        (replace(WORKING, map_full=True), WARN, "the map is full (map.max_voxels)"),
        (replace(WORKING, health=health(short_for_cloud=True)), ERROR, "memory is short, see last_error"),
        (replace(WORKING, health=health(short_for_pass=True)), ERROR, "memory is short, see last_error"),
        (replace(WORKING, qos_mismatch="durability"), WARN, "does not offer the durability asked for"),
        (replace(WORKING, health=health(rejected_age_s=1.0)), WARN, "a cloud was rejected"),
        (replace(WORKING, health=health(rejected_age_s=60.0)), OK, "up to date"),
        (replace(WORKING, health=health(90.0)), OK, "up to date"),
        (replace(WORKING, health=health(90.0), stale_cloud_s=60.0), WARN, "no cloud for 90 s"),
        (replace(WORKING, health=health(90.0), stale_cloud_s=120.0), OK, "up to date"),
        (replace(WORKING, counters=Counters(received=2, rejected=2)), ERROR, "no cloud could be used so far"),
        (replace(WORKING, health=health(pass_failed=True)), ERROR, "the last pass failed"),
    ],
)
def test_the_level_is_that_of_what_is_amiss(standing_clock, seen, level, words):
    found_level, message = summarize(seen)
    assert found_level == level and words in message


def test_a_topic_of_another_type_is_not_said_to_have_no_publisher(standing_clock):
    seen = replace(WORKING, counters=Counters(), cloud_publishers=(), other_types=("std_msgs/msg/String",))
    assert summarize(seen) == (WARN, "a publisher of /map sends std_msgs/msg/String, not PointCloud2")


def test_all_reasons_are_given_the_worst_first(standing_clock):
    seen = replace(WORKING, degraded="lost", health=health(rejected_age_s=1.0, pass_failed=True))
    assert summarize(seen) == (ERROR, "the last pass failed; a cloud was rejected; degraded to the CPU: lost")


def test_a_status_bears_the_name_of_its_robot_and_the_age_of_the_newest_cloud(standing_clock):
    array = to_diagnostics(Time(), "/robot1/ssen", replace(WORKING, health=health(30.0, device="cpu")))
    (status,) = array.status
    values = {value.key: value.value for value in status.values}
    assert status.name == "robot1/ssen: segmentation of the map" and status.hardware_id == "cpu"
    assert values["last_cloud_age_s"] == "30.0"
    assert values["lifecycle"] == "active" and float(values["memory_mb"]) > 10.0
    assert values["device_memory_mb"] == "0"


def test_networks_that_had_to_leave_the_gpu_are_reported_where_they_are(standing_clock):
    moved = replace(WORKING, degraded="lost", health=health(device="cuda:0"))
    (status,) = to_diagnostics(Time(), "/ssen", moved).status
    assert status.hardware_id == "cpu" and {v.key: v.value for v in status.values}["device"] == "cpu"


def test_the_age_of_the_oldest_answer_is_that_of_the_last_whole_pass(monkeypatch):
    snapshot = VoxelSnapshot(
        np.zeros((1, 3), np.int32), np.zeros((1, 3), np.float32), np.zeros((1, 3), np.uint8), 0.1
    )
    health, now_s = Health(), [START_S]
    monkeypatch.setattr(time, "monotonic", lambda: now_s[0])
    for share, oldest_s in ((1.0, "1.0"), (0.3, "2.0"), (1.0, "1.0")):
        kept = Kept(SimpleNamespace(nbytes=7_000_000), 1, share)
        memory = Memory(kept=kept, floor=Floor(0.0, True))
        health.passed(
            SimpleNamespace(
                instances=(), memory=memory, strays=0, snapshot=snapshot, timings_s={}, computed_share=share
            )
        )
        now_s[0] += 1.0
        (status,) = to_diagnostics(Time(), "/ssen", replace(WORKING, health=health)).status
        values = {value.key: value.value for value in status.values}
        assert values["oldest_answer_s"] == oldest_s and values["kept_mb"] == "7"
        assert values["voxels_computed"] == str(round(share))


def test_memory_is_short_until_there_was_enough_for_the_same_thing():
    seen = health()
    seen.failed("a pass needs more", memory_short=True)
    seen.received(has_color=True, has_frame=True)
    assert seen.short_for_pass and not seen.short_for_cloud
    seen.rejected("a cloud needs more", memory_short=True)
    seen.failed("of something else")
    assert seen.short_for_cloud and not seen.short_for_pass
    seen.received(has_color=True, has_frame=True)
    assert not seen.short_for_cloud


def test_a_map_that_is_full_is_told_and_goes_on(bench):
    node = bench.start(map__mode="incremental", map__max_voxels=1000)
    publish = bench.cloud_publisher()
    bench.ready(node, publish)
    publish(*bench.box_cloud((0, 0, 0), bench.CHAIR, 1), stamp_ns=10**9)
    before = bench.wait_for(clouds_processed=1)
    assert int(before["map_voxels"]) == 960 and before["level"] == OK
    publish(*bench.box_cloud((2, 0, 0), bench.TABLE, 2), stamp_ns=2 * 10**9)
    full = bench.wait_for(clouds_received=2, map_voxels=960)
    assert full["level"] == WARN and "the map is full (map.max_voxels)" in full["message"]
    publish(*bench.box_cloud((0, 0, 0), bench.CHAIR, 3), stamp_ns=3 * 10**9)
    assert "full" not in bench.wait_for(clouds_received=3)["message"], "all of it is known"
    assert len(node.lines("the map is full")) == 1
