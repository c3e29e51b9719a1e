"""ssen_node in another process, over DDS, with known labels (stub_node)."""

import signal
import time

import numpy as np
import pytest
import rclpy
from diagnostic_msgs.msg import DiagnosticStatus
from lifecycle_msgs.msg import Transition
from lifecycle_msgs.srv import ChangeState
from rclpy.qos import QoSDurabilityPolicy, QoSProfile, QoSReliabilityPolicy
from sensor_msgs.msg import PointCloud2, PointField
from std_srvs.srv import Trigger
from visualization_msgs.msg import Marker, MarkerArray

from ssen_ros.msg import InstanceArray, InstanceEvent
from ssen_ros.ros.conversions import CloudWriter, from_msg
from ssen_ros.ros.main_loop import run
from ssen_ros.ros.qos import LATCHED
from ssen_ros.ros.ssen_node import make_node
from ssen_ros.srv import GetInstances
from ssen_ros.stamps import ns_from_time

SLOW, FAILS = 200, 250  # blue, see stub_node
STAMP_NS = 1_234_567_890_123_456_789


def scene(bench, blue=0):
    """A wall, a chair and a table."""
    return bench.join(
        bench.box_cloud((0.0, 2.0, 0.0), bench.WALL, 0, blue, size=(2.0, 0.1, 1.5), step=0.03),
        bench.box_cloud((0.0, 0.0, 0.0), bench.CHAIR, 1, blue),
        bench.box_cloud((1.5, 0.0, 0.0), bench.TABLE, 2, blue),
    )


def column(msg, name):
    field = next(field for field in msg.fields if field.name == name)
    kind = {PointField.UINT32: "<u4", PointField.INT32: "<i4", PointField.FLOAT32: "<f4"}[field.datatype]
    return np.ndarray((msg.width,), kind, msg.data, field.offset, (msg.point_step,))


def accounted_for(diagnostics) -> bool:
    parts = ("processed", "superseded", "rejected", "failed", "pending")
    return int(diagnostics["clouds_received"]) == sum(int(diagnostics[f"clouds_{part}"]) for part in parts)


def test_all_outputs_arrive_with_the_inputs_stamp_and_frame_and_late_subscribers_get_them(bench):
    publish = bench.cloud_publisher()
    bench.ready(bench.start(), publish)
    clouds = {
        name: bench.collect(PointCloud2, f"/ssen/{name}_cloud")
        for name in ("semantic", "instance", "structure")
    }
    markers, instances = (
        bench.collect(MarkerArray, "/ssen/markers"),
        bench.collect(InstanceArray, "/ssen/instances"),
    )
    publish(*scene(bench), stamp_ns=STAMP_NS, frame_id="world")
    bench.spin_until(lambda: all(clouds.values()) and markers and instances)

    headers = [messages[0].header for messages in (*clouds.values(), instances)]
    headers += [marker.header for marker in markers[0].markers]
    assert all(header.frame_id == "world" for header in headers)
    assert all(ns_from_time(header.stamp) == STAMP_NS for header in headers)

    found = {instance.class_name: instance for instance in instances[0].instances}
    assert set(found) == {"chair", "table"}
    assert sorted(instance.id for instance in found.values()) == [1, 2]
    table = found["table"]
    assert table.class_id == bench.TABLE and table.score > 0.5
    np.testing.assert_allclose(
        [table.box_pose.position.x, table.box_pose.position.y, table.box_pose.position.z],
        [1.8, 0.2, 0.25],
        atol=0.05,
    )
    sizes = [table.box_size.x, table.box_size.y, table.box_size.z]
    np.testing.assert_allclose(sorted(sizes), [0.4, 0.5, 0.6], atol=0.06)
    assert ns_from_time(table.first_seen) == ns_from_time(table.last_seen) == STAMP_NS
    assert {event.kind for event in instances[0].events} == {InstanceEvent.CREATED}

    semantic, instance, structure = (clouds[name][0] for name in ("semantic", "instance", "structure"))
    assert semantic.width == instance.width + structure.width
    assert set(column(semantic, "label")) == {bench.WALL, bench.CHAIR, bench.TABLE}
    assert set(column(structure, "label")) == {bench.WALL}
    ids_of_chair = column(instance, "instance_id")[column(instance, "label") == bench.CHAIR]
    assert set(ids_of_chair) <= {-1, found["chair"].id} and (ids_of_chair > 0).mean() > 0.9
    confidence = column(semantic, "confidence")
    assert confidence.min() >= 0.0 and confidence.max() <= 1.0
    assert table.voxel_count == (column(instance, "instance_id") == table.id).sum()

    added = [marker for marker in markers[0].markers if marker.action == Marker.ADD]
    assert {(marker.ns, marker.id) for marker in added} == {
        (ns, instance.id) for ns in ("boxes", "labels") for instance in found.values()
    }
    assert any(marker.text.startswith(f"chair #{found['chair'].id} ") for marker in added)

    late = [bench.collect(PointCloud2, f"/ssen/{name}_cloud") for name in clouds]
    late += [bench.collect(MarkerArray, "/ssen/markers"), bench.collect(InstanceArray, "/ssen/instances")]
    bench.spin_until(lambda: all(late))
    assert late[0][0] == semantic and late[-1][0] == instances[0]


def test_the_latched_map_of_a_publisher_that_fell_silent_is_taken(bench):
    publish = bench.cloud_publisher()
    publish(*scene(bench))  # before the node exists
    instances = bench.collect(InstanceArray, "/ssen/instances")
    bench.ready(bench.start())
    bench.spin_until(lambda: instances)
    assert len(instances[0].instances) == 2


@pytest.mark.parametrize("reliability", ["RELIABLE", "BEST_EFFORT"])
def test_a_publisher_that_offers_less_is_heard_too(bench, reliability):
    weak = QoSProfile(
        depth=1, durability=QoSDurabilityPolicy.VOLATILE, reliability=QoSReliabilityPolicy[reliability]
    )
    publish = bench.cloud_publisher(weak)
    node = bench.ready(bench.start(), publish)
    instances = bench.collect(InstanceArray, "/ssen/instances")
    # Fast DDS sends what does not fit its shared memory, 512 KB, as datagrams, and best effort may lose one
    # of every cloud: the whole scene has 640 KB.
    points, colors = (column[::4] for column in scene(bench))
    for stamp_ns in range(60):  # neither kind repeats what was sent before both sides had matched
        publish(points, colors, stamp_ns=stamp_ns)
        bench.spin_for(0.5)
        if instances:
            break
    assert instances, node.log
    assert len(node.lines("offers less durability")) == 1
    assert len(node.lines("offers less reliability")) == (reliability == "BEST_EFFORT")


def test_a_publisher_that_offers_less_than_is_insisted_on_is_reported(bench):
    bench.cloud_publisher(QoSProfile(depth=1, durability=QoSDurabilityPolicy.VOLATILE))
    node = bench.ready(bench.start(cloud_qos__durability="transient_local"))
    words = "a publisher of /cloud_map does not offer the durability asked for"
    assert bench.wait_for(message=words)["level"] == DiagnosticStatus.WARN
    assert len(node.lines("set it to auto")) == 1


def test_ids_persist_and_the_markers_of_vanished_objects_are_deleted(bench):
    publish = bench.cloud_publisher()
    bench.ready(bench.start(instances__max_missed=0), publish)
    markers, instances = (
        bench.collect(MarkerArray, "/ssen/markers"),
        bench.collect(InstanceArray, "/ssen/instances"),
    )
    publish(*scene(bench), stamp_ns=1)
    bench.spin_until(lambda: len(instances) == 1)
    ids = {instance.class_name: instance.id for instance in instances[0].instances}

    publish(*bench.box_cloud((1.5, 0.0, 0.0), bench.TABLE, 2), stamp_ns=2)
    bench.spin_until(lambda: len(instances) == 2 and len(markers) == 2)
    assert [instance.id for instance in instances[1].instances] == [ids["table"]]
    assert [(event.kind, event.id) for event in instances[1].events] == [
        (InstanceEvent.RETIRED, ids["chair"])
    ]
    deleted = {(m.ns, m.id) for m in markers[1].markers if m.action == Marker.DELETE}
    assert deleted == {("boxes", ids["chair"]), ("labels", ids["chair"])}
    assert {m.id for m in markers[1].markers if m.action == Marker.ADD} == {ids["table"]}


def wrong_clouds(bench):
    """name -> (cloud, what the error must say)"""
    from std_msgs.msg import Header

    points, colors = bench.box_cloud((0.0, 0.0, 0.0), bench.CHAIR, 1)

    def good():
        return CloudWriter().write(Header(frame_id="map"), points, colors)

    clouds = {name: good() for name in ("no_z", "unknown_datatype", "small_step", "short", "nan")}
    clouds["no_z"].fields = [field for field in clouds["no_z"].fields if field.name != "z"]
    clouds["unknown_datatype"].fields = [
        PointField(name=f.name, offset=f.offset, datatype=99 if f.name == "x" else f.datatype, count=1)
        for f in clouds["unknown_datatype"].fields
    ]
    clouds["small_step"].point_step = 8
    clouds["short"].data = clouds["short"].data[:-100]
    clouds["nan"] = CloudWriter().write(Header(frame_id="map"), np.full_like(points, np.nan), colors)
    return {
        "no_z": (clouds["no_z"], ["'z'", "publish"]),
        "unknown_datatype": (clouds["unknown_datatype"], ["'x'", "99", "FLOAT32", "convert"]),
        "small_step": (clouds["small_step"], ["'z'", "point_step = 8", "correct"]),
        "short": (clouds["short"], ["data holds", str(len(clouds["short"].data)), "cut short"]),
        "nan": (clouds["nan"], ["NaN", str(len(points)), "check"]),
    }


def test_each_wrong_cloud_gives_one_error_and_the_map_stays(bench):
    publish = bench.cloud_publisher()
    node = bench.ready(bench.start(), publish)
    instances = bench.collect(InstanceArray, "/ssen/instances")
    publish(*scene(bench))
    bench.spin_until(lambda: instances)
    bench.wait_for(clouds_processed=1)
    before = bench.diagnostics()

    cases = wrong_clouds(bench)
    for k, (cloud, _) in enumerate(cases.values()):
        for rejected in (2 * k + 1, 2 * k + 2):
            publish.publisher.publish(cloud)
            after = bench.wait_for(clouds_rejected=rejected)
    assert after["message"] == "a cloud was rejected" and "NaN" in after["last_error"]
    assert accounted_for(after)
    assert (after["map_voxels"], after["map_version"]) == (before["map_voxels"], before["map_version"])
    assert len(instances) == 1
    errors = node.lines("cloud rejected")
    assert len(errors) == len(cases), errors
    for (_, words), line in zip(cases.values(), errors):
        assert all(word in line for word in words), (words, line)

    points, colors = bench.join(scene(bench), bench.box_cloud((0.0, -1.5, 0.0), bench.CHAIR, 3))
    publish(points, colors)
    bench.spin_until(lambda: len(instances) == 2)
    assert len(instances[1].instances) == 3  # the map still grows


def test_clouds_are_taken_while_a_pass_runs_and_the_latest_wins(bench):
    publish = bench.cloud_publisher()
    node = bench.ready(bench.start(), publish)
    instances = bench.collect(InstanceArray, "/ssen/instances")
    publish(*scene(bench, blue=SLOW), stamp_ns=0)
    bench.spin_until(lambda: node.lines("inside a slow pass"))
    for k in range(1, 6):
        extra = bench.box_cloud((0.0, -1.5 * k, 0.0), bench.CHAIR, 2 + k)
        publish(*bench.join(scene(bench), extra), stamp_ns=k)
        during = bench.wait_for(clouds_received=1 + k)
    assert (during["clouds_superseded"], during["clouds_pending"]) == ("4", "2") and accounted_for(during)
    assert not instances  # all five were taken while that pass ran
    bench.release()
    bench.spin_until(lambda: len(instances) == 2)
    assert [message.header.stamp.nanosec for message in instances] == [0, 5]
    after = bench.wait_for(clouds_pending=0)
    assert (after["clouds_processed"], after["clouds_superseded"]) == ("2", "4")
    assert after["clouds_received"] == "6" and accounted_for(after)


def test_an_unchanged_map_is_not_segmented_again(bench):
    publish = bench.cloud_publisher()
    bench.ready(bench.start(), publish)
    instances = bench.collect(InstanceArray, "/ssen/instances")
    publish(*scene(bench), stamp_ns=1)
    bench.spin_until(lambda: instances)
    publish(*scene(bench), stamp_ns=2)
    bench.wait_for(clouds_received=2)
    bench.spin_for(0.5)
    assert len(instances) == 1
    diagnostics = bench.diagnostics()
    assert diagnostics["clouds_unchanged"] == "1" and accounted_for(diagnostics)


def test_a_pass_that_raises_does_not_end_the_node(bench):
    publish = bench.cloud_publisher()
    node = bench.ready(bench.start(), publish)
    instances = bench.collect(InstanceArray, "/ssen/instances")
    publish(*scene(bench, blue=FAILS), stamp_ns=1)
    failed = bench.wait_for(clouds_failed=1)
    assert failed["message"] == "the last pass failed" and accounted_for(failed)
    assert len(node.lines("told to fail")) == 1
    publish(*scene(bench), stamp_ns=2)
    bench.spin_until(lambda: instances)
    assert instances[0].header.stamp.nanosec == 2
    bench.wait_for(message="up to date")


def test_another_frame_starts_the_map_anew(bench):
    publish = bench.cloud_publisher()
    node = bench.ready(bench.start(map__mode="incremental"), publish)
    instances = bench.collect(InstanceArray, "/ssen/instances")
    publish(*scene(bench))
    bench.spin_until(lambda: len(instances) == 1)
    publish(*bench.box_cloud((5.0, 5.0, 0.0), bench.TABLE, 2), frame_id="odom")
    bench.spin_until(lambda: len(instances) == 2)
    (table,) = instances[1].instances
    assert table.box_pose.position.x > 5.0 and instances[1].header.frame_id == "odom"
    assert table.id > 2  # ids of the old map are not given again
    assert len(node.lines("'map' to 'odom'")) == 1


def test_what_is_not_seen_again_is_forgotten_and_its_object_retired(bench):
    publish = bench.cloud_publisher()
    bench.ready(bench.start(map__mode="incremental", map__decay_s=10.0), publish)
    instances = bench.collect(InstanceArray, "/ssen/instances")
    for k, second in enumerate((100, 111)):
        publish(*bench.box_cloud((3.0 * k, 0.0, 0.0), bench.TABLE, k), stamp_ns=second * 10**9)
        bench.spin_until(lambda k=k: len(instances) == k + 1)
    (first,), (second,) = (message.instances for message in instances)
    assert second.box_pose.position.x > 2.0
    events = {(event.kind, event.id) for event in instances[1].events}
    assert events == {(InstanceEvent.RETIRED, first.id), (InstanceEvent.CREATED, second.id)}


@pytest.mark.parametrize(
    ("rule", "remedy"), [({"box_m": 10.0}, "robot_frame"), ({"see_through": True}, "target_frame")]
)
def test_where_nobody_knows_the_place_of_robot_or_camera_clouds_are_refused_with_the_remedy(
    bench, rule, remedy
):
    publish = bench.cloud_publisher()
    parameters = {f"map__{name}": value for name, value in rule.items()}
    node = bench.ready(bench.start(map__mode="incremental", **parameters), publish)
    publish(*bench.box_cloud((0.0, 0.0, 0.0), bench.TABLE, 1))
    bench.wait_for(clouds_rejected=1)
    assert f"frames.{remedy}" in node.log


def test_clouds_without_colour_are_grey_and_warned_of_once(bench):
    from std_msgs.msg import Header

    publish = bench.cloud_publisher()
    node = bench.ready(bench.start(), publish)
    for k in range(3):
        points, colors = bench.box_cloud((0.0, 0.0, float(k)), bench.CHAIR, 1)
        cloud = CloudWriter().write(Header(frame_id="map"), points, colors)
        cloud.fields = cloud.fields[:3]
        publish.publisher.publish(cloud)
        # 128 is no class of the stub: the pass fails, and that, too, is survived
        bench.wait_for(clouds_received=k + 1)
    assert len(node.lines("carry no colour")) == 1
    bench.spin_until(lambda: "the clouds have no colour" in bench.diagnostics()["state"])


def test_another_type_on_the_topic_is_said_to_be_no_cloud(bench):
    from sensor_msgs.msg import Image

    images = bench.node.create_publisher(Image, "cloud_map", 1)
    bench.ready(bench.start())
    seen = "a publisher of /cloud_map sends sensor_msgs/msg/Image, not PointCloud2"
    bench.spin_until(lambda: bench.diagnostics()["state"] == seen)
    bench.node.destroy_publisher(images)
    bench.spin_until(lambda: bench.diagnostics()["state"] == "nobody publishes /cloud_map")


def test_an_emptied_map_takes_its_instances_away(bench):
    publish = bench.cloud_publisher()
    bench.ready(bench.start(instances__max_missed=0), publish)
    instances = bench.collect(InstanceArray, "/ssen/instances")
    clouds = bench.collect(PointCloud2, "/ssen/semantic_cloud")
    publish(*scene(bench))
    bench.spin_until(lambda: len(instances) == 1)
    publish(np.empty((0, 3), np.float32), np.empty((0, 3), np.uint8))
    bench.spin_until(lambda: len(instances) == 2 and len(clouds) == 2)
    assert not instances[1].instances and len(instances[1].events) == 2
    assert len(from_msg(clouds[1])[0]) == 0


def test_a_signal_ends_the_node_cleanly(bench):
    node = bench.ready(bench.start())
    node.signal(signal.SIGINT)
    assert node.wait() == 0
    assert "Traceback" not in node.log


@pytest.mark.parametrize("numbers", [[signal.SIGINT] * 4, [signal.SIGTERM]], ids=["ints", "term"])
def test_signals_during_a_pass_end_the_node_before_the_pass_and_leave_no_shared_memory(bench, numbers):
    publish = bench.cloud_publisher()
    node = bench.ready(bench.start(), publish)
    publish(*scene(bench, blue=SLOW))
    bench.spin_until(lambda: node.lines("inside a slow pass"))
    waiting = bench.node.create_client(Trigger, "/ssen/segment_now")
    bench.spin_until(waiting.service_is_ready)
    waiting.call_async(Trigger.Request())  # will never be answered, and holds nothing up
    bench.spin_for(0.3)
    shared_memory = node.shared_memory()
    assert shared_memory
    for number in numbers:
        node.signal(number)
        bench.spin_for(0.1)
    assert node.wait() == 0  # the pass lasts until it is released
    assert "Traceback" not in node.log and len(node.lines("a pass is still running")) == 1
    left = [path for path in shared_memory if path.exists()]
    assert all("_port" in path.name for path in left)  # of ports the last user, here the bench, disposes


def test_a_wrong_parameter_ends_the_process_with_an_error(bench):
    node = bench.start(update_period_s="0.0")
    assert node.wait() == 1
    (line,) = node.lines("cannot start")
    assert "update_period_s = 0.0" in line and "[0.01, 3600.0]" in line
    assert "Traceback" not in node.log


@pytest.mark.parametrize(
    "override, words",
    [
        ("map.mode:=sideways", ["map.mode = 'sideways'", "accumulated, incremental"]),
        ("clustering.min_cluster_size:=many", ["clustering.min_cluster_size = 'many'", "int"]),
        ("segmenter.semantic_checkpoint:=/no/such/file", ["/no/such/file"]),
    ],
)
def test_what_cannot_start_says_why(bench, handlers, capfd, override, words):
    assert run("ssen", make_node, ["--ros-args", "-p", override]) == 1
    printed = "".join(capfd.readouterr())
    assert "cannot start" in printed and all(word in printed for word in words), printed


def test_unreadable_arguments_say_why(handlers, capfd):
    assert run("ssen", make_node, ["--ros-args", "--params-file", "/no/such/file.yaml"]) == 1
    assert "/no/such/file.yaml" in "".join(capfd.readouterr())


def test_parameters_take_integers_warn_of_slips_and_describe_themselves(bench):
    from rcl_interfaces.srv import DescribeParameters

    node = bench.ready(bench.start(update_period_s="1", update_perod="3"))
    slip = "unknown parameters are ignored: update_perod, did you mean 'update_period_s'?;"
    assert len(node.lines(slip)) == 1
    names = ["update_period_s", "map_directory", "map.mode"]
    period, directory, mode = bench.call(DescribeParameters, "describe_parameters", names=names).descriptors
    assert period.description.endswith("[s]") and period.floating_point_range[0].to_value == 3600.0
    assert [period.read_only, directory.read_only, mode.read_only] == [False, True, False]
    assert "unconfigured" in mode.additional_constraints and "incremental" in mode.additional_constraints


def test_parameters_change_together_or_not_at_all_and_a_refusal_says_why(bench):
    from rcl_interfaces.srv import GetParameters

    def values(*names):
        answer = bench.call(GetParameters, "get_parameters", names=names).values
        return [value.integer_value or value.double_value for value in answer]

    publish = bench.cloud_publisher()
    bench.ready(bench.start(clustering__min_cluster_size=80), publish)
    instances = bench.collect(InstanceArray, "/ssen/instances")
    publish(*scene(bench))
    bench.spin_until(lambda: len(instances) == 1)

    both = {"clustering__min_cluster_size": 100_000, "instances__min_score": 1.5}
    assert "instances.min_score" in bench.set_parameters(**both)
    assert "type" in bench.set_parameters(clustering__min_cluster_size=100_000, instances__min_score="high")
    assert "expected one of fast, exact" in bench.set_parameters(
        clustering__mode="k_means", clustering__min_cluster_size=100_000
    )
    reason = bench.set_parameters(clustering__min_cluster_size=100_000, map__mode="incremental")
    assert "map.mode" in reason and "configured" in reason
    assert "read-only" in bench.set_parameters(clustering__min_cluster_size=100_000, map_directory="/tmp")
    assert values("clustering.min_cluster_size", "instances.max_missed") == [80, 3]

    # Of the unchanged map, at once: with the whole set, no cluster is large enough for an object.
    assert not bench.set_parameters(clustering__min_cluster_size=100_000, instances__max_missed=0)
    bench.spin_until(lambda: len(instances) == 2)
    assert not instances[1].instances
    assert values("clustering.min_cluster_size") == [100_000]


def test_the_period_and_the_topics_change_while_the_node_runs(bench):
    publish = bench.cloud_publisher()
    bench.ready(bench.start(update_period_s=3600.0, publish__markers=False), publish)
    instances = bench.collect(InstanceArray, "/ssen/instances")
    assert bench.node.count_publishers("/ssen/markers") == 0
    publish(*scene(bench))
    bench.wait_for(clouds_received=1)
    assert not instances  # the next update would be due in an hour
    assert not bench.set_parameters(update_period_s=0.1, publish__markers=True, publish__instance_cloud=False)
    bench.spin_until(lambda: instances)
    markers = bench.collect(MarkerArray, "/ssen/markers")
    bench.spin_until(lambda: markers and not bench.node.count_publishers("/ssen/instance_cloud"))


def test_two_publishers_of_whole_maps_are_named_until_one_goes(bench):
    publish = bench.cloud_publisher()
    other = rclpy.create_node("other_slam", context=bench.context, namespace="robot2")
    other.create_publisher(PointCloud2, "/cloud_map", LATCHED)
    node = bench.ready(bench.start(), publish)
    bench.spin_until(lambda: bench.diagnostics()["level"] == DiagnosticStatus.WARN)
    report = bench.wait_for(cloud_publishers=2)
    assert "replace each other: /bench, /robot2/other_slam" in report["message"]
    bench.diagnostics()
    assert len(node.lines("several nodes publish whole maps on /cloud_map")) == 1
    other.destroy_node()
    bench.wait_for(cloud_publishers=1, message="waiting for a map")


def test_a_slash_in_front_of_a_frame_is_dropped_and_warned_of_once(bench):
    publish = bench.cloud_publisher()
    node = bench.ready(bench.start(), publish)
    instances = bench.collect(InstanceArray, "/ssen/instances")
    for number in (1, 2):
        publish(*bench.box_cloud((0.0, 0.1 * number, 0.0), bench.CHAIR, 1), frame_id="/map")
        bench.spin_until(lambda number=number: len(instances) == number)
    assert {msg.header.frame_id for msg in instances} == {"map"}
    assert len(node.lines("'/map' begins with a slash")) == 1 and not node.lines("starting anew")


def test_of_many_updates_one_line_tells(bench):
    publish = bench.cloud_publisher()
    node = bench.ready(bench.start(), publish)
    instances = bench.collect(InstanceArray, "/ssen/instances")
    for number in (1, 2, 3):
        publish(*bench.box_cloud((0.0, 0.1 * number, 0.0), bench.CHAIR, 1))
        bench.spin_until(lambda number=number: len(instances) == number)
    (line,) = node.lines("at most one such line a minute")
    assert "[INFO]" in line and "1 chair in " in line


@pytest.mark.parametrize("led", [False, True], ids=["by itself", "by a manager"])
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_while_networks_load_ends_the_node(bench, number, led):
    """In the main thread as the node starts, or in a callback where a manager leads it."""
    node = bench.start(segmenter__semantic_checkpoint="slow", autostart=not led)
    if led:
        bench.spin_until(lambda: node.lines("waiting to be configured"))
        client = bench.node.create_client(ChangeState, "/ssen/change_state")
        bench.spin_until(client.service_is_ready)
        client.call_async(ChangeState.Request(transition=Transition(id=Transition.TRANSITION_CONFIGURE)))
    bench.spin_until(lambda: node.lines("loading slowly"))
    shared = node.shared_memory()
    start_s = time.monotonic()
    node.signal(number)
    assert node.wait() == 0
    assert time.monotonic() - start_s < 5.0  # a second on a machine that has time
    assert "Traceback" not in node.log and not node.lines("[ERROR]")
    assert node.lines("asked to end while the networks load")
    left = [path for path in shared if path.exists() and "_port" not in path.name]
    assert shared and not left


def test_objects_of_the_classes_asked_for_are_published_and_others_are_not(bench):
    publish = bench.cloud_publisher()
    bench.ready(bench.start(publish__classes="table"), publish)
    instances = bench.collect(InstanceArray, "/ssen/instances")
    clouds = bench.collect(PointCloud2, "/ssen/instance_cloud")
    markers = bench.collect(MarkerArray, "/ssen/markers")
    publish(*scene(bench))
    bench.spin_until(lambda: instances and clouds and markers)
    (table,) = instances[0].instances
    assert table.class_name == "table" and [event.id for event in instances[0].events] == [table.id]
    assert set(column(clouds[0], "instance_id")) <= {-1, table.id}
    assert set(column(clouds[0], "label")) == {bench.CHAIR, bench.TABLE}
    assert {m.id for m in markers[0].markers if m.action == Marker.ADD} == {table.id}
    assert len(bench.call(GetInstances, "get_instances").instances.instances) == 2

    refusal = bench.set_parameters(publish__classes="table,dragon")
    assert "no class 'dragon'; the networks know wall" in refusal
    assert not bench.set_parameters(publish__classes="chair, table")
    bench.spin_until(lambda: len(instances) > 1)
    assert {i.class_name for i in instances[-1].instances} == {"chair", "table"}


def test_classes_that_the_networks_do_not_know_end_the_start(bench):
    node = bench.start(publish__classes="dragon")
    assert node.wait() == 1
    assert len(node.lines("publish.classes: no class 'dragon'")) == 2  # configure failed; cannot start
