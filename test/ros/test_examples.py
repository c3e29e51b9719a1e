"""The examples, run as a user runs them, beside a real node."""

import importlib.util
import json
import signal
import sys
import time
from pathlib import Path
from types import ModuleType, SimpleNamespace

import numpy as np
import pytest
import rclpy
from geometry_msgs.msg import PolygonInstanceStamped, Pose
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node
from rclpy.qos import qos_profile_sensor_data

from ssen_ros.io.clouds import read_cloud
from ssen_ros.msg import InstanceArray
from ssen_ros.stamps import ns_from_time

EXAMPLES = Path(__file__).parents[2] / "examples"


@pytest.fixture
def room(bench):
    """Two chairs and a table as a node knows them; publishes on demand; gives the parts by name."""
    parts = {
        "near chair": bench.box_cloud((0.0, 0.0, 0.0), bench.CHAIR, 1),
        "far chair": bench.box_cloud((3.0, 0.0, 0.0), bench.CHAIR, 2),
        "table": bench.box_cloud((0.0, 2.0, 0.0), bench.TABLE, 3),
    }
    publish = bench.cloud_publisher()
    bench.ready(bench.start(instances__max_missed=0), publish)
    updates = bench.collect(InstanceArray, "ssen/instances")

    def show(*names, stamp_ns):
        count = len(updates)
        publish(*bench.join(*(parts[name] for name in names)), stamp_ns=stamp_ns)
        bench.spin_until(lambda: len(updates) > count)
        return {i.id: i for i in updates[-1].instances}

    return parts, show


def grasp_target(bench, *arguments):
    node = bench.start_command([sys.executable, str(EXAMPLES / "grasp_target.py"), *map(str, arguments)])
    return node.wait(), node.log


def test_the_nearest_chair_is_given_with_its_box_and_cloud(bench, room, tmp_path):
    parts, show = room
    show(*parts, stamp_ns=1)
    code, out = grasp_target(bench, "--class", "chair", "--near", 4, 0, 0, "--out", tmp_path / "target.npz")
    assert code == 0, out
    target = json.loads(out)
    assert (target["class_name"], target["frame_id"]) == ("chair", "map")
    np.testing.assert_allclose(target["box"]["center"], (3.3, 0.2, 0.25), atol=0.06)
    np.testing.assert_allclose(sorted(target["box"]["size"]), (0.4, 0.5, 0.6), atol=0.06)
    cloud = read_cloud(tmp_path / "target.npz")
    assert len(cloud) == target["points"] > 100
    low, high = parts["far chair"][0].min(axis=0) - 0.05, parts["far chair"][0].max(axis=0) + 0.05
    assert ((cloud.points >= low) & (cloud.points <= high)).all()
    assert target["distance_m"] == pytest.approx(0.4, abs=0.1)


def test_an_id_is_found_whatever_is_nearer(bench, room):
    parts, show = room
    objects = show(*parts, stamp_ns=1)
    table = next(i.id for i in objects.values() if i.class_name == "table")
    code, out = grasp_target(bench, "--id", table)
    assert code == 0 and json.loads(out)["class_name"] == "table"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--id", 99], "no object has id 99"),
        (["--class", "dragon"], "no class 'dragon'"),
        (["--class", "sofa"], "0 of 3 objects"),
    ],
)
def test_what_is_not_there_is_said_in_one_line(bench, room, arguments, message):
    parts, show = room
    show(*parts, stamp_ns=1)
    code, out = grasp_target(bench, *arguments)
    assert code == 1 and message in out and "Traceback" not in out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--id", -1], "--id"),
        (["--id", 2**32], "is no id"),
        (["--class", "chair", "--out", "/no/a"], "/no/a"),
    ],
)
def test_a_slip_costs_no_traceback(bench, room, arguments, message):
    room[1]("near chair", stamp_ns=1)
    code, out = grasp_target(bench, *arguments)
    assert code and message in out and "Traceback" not in out


def inside(polygon, points):
    """Whether every (n, 2) point is left of every edge."""
    corners = np.array([(p.x, p.y) for p in polygon.points])
    edges = np.roll(corners, -1, axis=0) - corners
    to_points = points[:, None] - corners
    return bool((edges[:, 0] * to_points[..., 1] - edges[:, 1] * to_points[..., 0] > 0).all())


def test_obstacles_become_polygons_that_are_repeated_and_vanish_with_them(bench, room):
    parts, show = room
    polygons = bench.collect(PolygonInstanceStamped, "keep_out", qos_profile_sensor_data)  # as nav2 listens
    node = bench.start(EXAMPLES / "keep_out.py", classes="chair", margin_m=0.2, period_s=0.1)
    objects = show(*parts, stamp_ns=1)
    bench.spin_until(lambda: len(polygons) >= 8 or not node.running)
    assert {objects[msg.polygon.id].class_name for msg in polygons} == {"chair"}
    assert {msg.header.frame_id for msg in polygons} == {"map"}
    stamps_ns = [ns_from_time(msg.header.stamp) for msg in polygons]
    assert len(set(stamps_ns)) == len(stamps_ns) and time.time_ns() - stamps_ns[-1] < 5e9
    ids = {msg.polygon.id for msg in polygons}
    assert len(ids) == 2 and all(sum(msg.polygon.id == id_ for msg in polygons) > 2 for id_ in ids)
    near = next(msg for msg in polygons if abs(msg.polygon.polygon.points[0].x) < 1.5)
    footprint = parts["near chair"][0][:, :2]
    assert inside(near.polygon.polygon, footprint)
    assert not inside(near.polygon.polygon, footprint + (0.5, 0.0))

    show("far chair", "table", stamp_ns=2)  # the near one is carried away
    bench.spin_until(lambda: any(not msg.polygon.polygon.points for msg in polygons))
    assert [msg.polygon.id for msg in polygons if not msg.polygon.polygon.points] == [near.polygon.id]
    polygons.clear()
    bench.spin_until(lambda: len(polygons) > 3)
    assert {msg.polygon.id for msg in polygons} == ids - {near.polygon.id}
    node.signal(signal.SIGINT)
    assert node.wait() == 0 and "Traceback" not in node.log, node.log


def test_what_hangs_high_is_passed_under(bench, room):
    parts, show = room
    polygons = bench.collect(PolygonInstanceStamped, "keep_out", qos_profile_sensor_data)
    node = bench.start(EXAMPLES / "keep_out.py", clearance_m=-1)  # all is higher than that
    updates = show(*parts, stamp_ns=1)
    bench.spin_for(2.0)
    assert updates and not polygons and node.running


class Message:
    """A stand-in for a message of MoveIt, of which there are no wheels."""

    ADD, REMOVE, BOX = b"\x00", b"\x01", 1  # of CollisionObject and SolidPrimitive

    def __init__(self, **fields):
        vars(self).update(fields)


@pytest.fixture
def moveit(monkeypatch):
    """The example for MoveIt as a module; what it would send lies in its `sent`."""
    for package, names in {
        "moveit_msgs": ("CollisionObject", "PlanningScene", "PlanningSceneWorld"),
        "shape_msgs": ("SolidPrimitive",),
    }.items():
        module = ModuleType(f"{package}.msg")
        for name in names:
            setattr(module, name, type(name, (Message,), {}))
        monkeypatch.setitem(sys.modules, package, ModuleType(package))
        monkeypatch.setitem(sys.modules, f"{package}.msg", module)
    spec = importlib.util.spec_from_file_location("moveit_objects", EXAMPLES / "moveit_objects.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    module.sent = []
    create = Node.create_publisher
    monkeypatch.setattr(
        Node,
        "create_publisher",
        lambda node, kind, name, qos, **more: (
            SimpleNamespace(publish=module.sent.append)
            if name == "planning_scene"
            else create(node, kind, name, qos, **more)
        ),
    )
    return module


def test_objects_become_boxes_in_moveits_scene_and_go_with_them(bench, room, moveit):
    parts, show = room
    rclpy.init(args=["--ros-args", "-p", "period_s:=3600", "-p", "padding_m:=0.1"], domain_id=bench.domain)
    node = moveit.MoveItObjects()
    executor = SingleThreadedExecutor()
    executor.add_node(node)

    def shown(*names, stamp_ns):
        moveit.sent.clear()
        objects = show(*names, stamp_ns=stamp_ns)
        deadline_s = time.monotonic() + 30.0
        while not moveit.sent and time.monotonic() < deadline_s:
            executor.spin_once(timeout_sec=0.1)
        (scene,) = moveit.sent
        assert scene.is_diff
        return objects, {box.id: box for box in scene.world.collision_objects}

    try:
        objects, boxes = shown(*parts, stamp_ns=1)
        assert set(boxes) == {f"{found.class_name}_{id_}" for id_, found in objects.items()}
        for id_, found in objects.items():
            box = boxes[f"{found.class_name}_{id_}"]
            assert box.operation == Message.ADD and box.header.frame_id == "map"
            assert box.pose == found.box_pose and box.primitive_poses == [Pose()]
            size = found.box_size
            expected = np.array([size.x, size.y, size.z]) + 0.2
            np.testing.assert_allclose(box.primitives[0].dimensions, expected)
        _, boxes = shown("far chair", "table", stamp_ns=2)
        (gone,) = [box for box in boxes.values() if box.operation == Message.REMOVE]
        assert gone.id.startswith("chair_") and len(boxes) == 3
    finally:
        executor.shutdown()
        node.destroy_node()
        rclpy.shutdown()
