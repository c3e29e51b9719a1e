"""Frames: transforms from parameters, from tf2 (a stand-in: there is no wheel), and from nowhere."""

import math
import sys
from dataclasses import replace
from types import ModuleType, SimpleNamespace

import numpy as np
import pytest
from geometry_msgs.msg import Quaternion, Transform, Vector3
from sensor_msgs.msg import PointCloud2
from std_msgs.msg import Header

from ssen_ros.errors import ConfigError, FrameError
from ssen_ros.msg import InstanceArray
from ssen_ros.ros.conversions import from_msg, time_from_ns
from ssen_ros.ros.parameters import FramesConfig, StaticTransformConfig
from ssen_ros.ros.transforms import MapFrame

POINTS = np.array([[1.0, 2.0, 3.0], [0.0, 0.0, 1.0]], dtype=np.float32)

# x right, y down, z forward, as cameras have it, in a map of +Z up
OPTICAL = StaticTransformConfig("map", "optical", 10.0, 0.0, 1.0, roll=-np.pi / 2, yaw=-np.pi / 2)


def header(frame_id, stamp_s=1.0):
    return Header(frame_id=frame_id, stamp=time_from_ns(int(stamp_s * 1e9)))


def test_by_default_clouds_stay_as_they_are():
    given = header("anywhere")
    frame, points = MapFrame(None, FramesConfig()).bring(given, POINTS)
    assert frame is given and points is POINTS


def test_a_static_transform_takes_clouds_there_and_back():
    there = MapFrame(None, FramesConfig("map", static_transform=OPTICAL))
    frame, points = there.bring(header("optical", 7.0), POINTS)
    assert frame == header("map", 7.0)
    # forward is the map's +X, right its -Y, down its -Z
    np.testing.assert_allclose(points, [[10 + 3, -1, 1 - 2], [10 + 1, 0, 1]], atol=1e-12)
    back = MapFrame(None, FramesConfig("optical", static_transform=OPTICAL))
    np.testing.assert_allclose(back.bring(frame, points)[1], POINTS, atol=1e-12)
    assert there.bring(header("map"), POINTS)[1] is POINTS


def test_a_frame_that_nobody_places_is_refused_and_never_taken_for_the_map():
    frames = MapFrame(None, FramesConfig("map", static_transform=OPTICAL))
    with pytest.raises(FrameError, match="'lidar' to 'map'.*'optical' in 'map'"):
        frames.bring(header("lidar"), POINTS)


@pytest.mark.parametrize("tilt_deg, accepted", [(0.0, True), (4.9, True), (5.1, False), (180.0, False)])
def test_a_map_that_leans_is_refused(tilt_deg, accepted):
    leaning = StaticTransformConfig("map", "odom", roll=np.radians(tilt_deg), yaw=1.0)
    frames = MapFrame(None, FramesConfig(gravity_frame="map", static_transform=leaning))
    if accepted:
        assert frames.bring(header("odom"), POINTS)[1] is POINTS
    else:
        with pytest.raises(FrameError, match=f"'odom' is {tilt_deg:.1f} deg off.*target_frame"):
            frames.bring(header("odom"), POINTS)
    assert frames.bring(header("map"), POINTS)[1] is POINTS


def test_half_a_static_transform_is_refused():
    with pytest.raises(ConfigError, match="both, or none"):
        MapFrame(None, FramesConfig(static_transform=replace(OPTICAL, frame_id="")))


def test_without_tf2_and_static_transform_a_target_frame_is_refused(monkeypatch):
    monkeypatch.setitem(sys.modules, "tf2_ros", None)
    with pytest.raises(ConfigError, match="tf2_ros_py.*static_transform"):
        MapFrame(None, FramesConfig("map"))


class Buffer:
    """Answers the calls of tf2_ros.Buffer from a table; refuses, as it does, what is not there yet."""

    def __init__(self):
        self.table = {}
        self.refusals = 0  # before the transform arrives
        self.cleared = 0
        self.newest_s = math.inf
        self.srv = "tf2_frames"
        self.jump_handle = SimpleNamespace(unregister=self.table.clear)

    def lookup_transform(self, target, source, time):
        self.refusals -= 1
        too_new = time.nanoseconds > self.newest_s * 1e9
        if self.refusals >= 0 or (target, source) not in self.table or too_new:
            raise TransformException(
                f"{source} passed to lookup_transform does not exist at {time.nanoseconds}"
            )
        return SimpleNamespace(transform=self.table[target, source])

    def clear(self):
        self.cleared += 1


class TransformException(Exception):
    pass


@pytest.fixture
def tf2(monkeypatch):
    """The buffer that the frames under test listen to."""
    module, buffer = ModuleType("tf2_ros"), Buffer()
    module.TransformException = TransformException
    module.Buffer = lambda node: buffer
    module.TransformListener = lambda buffer, node: SimpleNamespace(unregister=lambda: None)
    monkeypatch.setitem(sys.modules, "tf2_ros", module)
    return buffer


def test_tf2_is_asked_and_waited_for(tf2):
    half = float(np.sqrt(0.5))
    tf2.table["map", "odom"] = Transform(
        translation=Vector3(x=1.0, y=0.0, z=0.0), rotation=Quaternion(z=half, w=half)
    )
    tf2.refusals = 3
    destroyed = []
    node = SimpleNamespace(destroy_service=destroyed.append)
    frames = MapFrame(node, FramesConfig("map", tf_timeout_s=3.0))
    _, points = frames.bring(header("odom"), POINTS)
    np.testing.assert_allclose(points, [[1 - 2, 1, 3], [1, 0, 1]], atol=1e-6)
    frames.close()
    assert not tf2.table and destroyed == ["tf2_frames"]


def test_what_tf2_does_not_know_is_refused_with_its_reason(tf2):
    frames = MapFrame(None, FramesConfig("map", tf_timeout_s=0.0))
    with pytest.raises(FrameError, match="'odom' to 'map'.*does not exist at 1000000000.*tf2_echo"):
        frames.bring(header("odom"), POINTS)


def test_the_robot_is_where_its_frame_is_in_the_map(tf2):
    camera = MapFrame(None, FramesConfig("map", static_transform=OPTICAL))
    np.testing.assert_allclose(camera.robot(header("optical")), [10, 0, 1])
    tf2.table["map", "base_link"] = Transform(
        translation=Vector3(x=4.0, y=5.0, z=6.0), rotation=Quaternion(w=1.0)
    )
    base = MapFrame(None, FramesConfig(robot_frame="base_link"))
    np.testing.assert_allclose(base.robot(header("map")), [4, 5, 6])


def test_the_camera_is_where_the_frame_of_its_clouds_is_in_the_map_whatever_the_robots():
    config = FramesConfig("map", robot_frame="base_link", static_transform=OPTICAL)
    np.testing.assert_allclose(MapFrame(None, config).camera(header("optical")), [10, 0, 1])


def test_clouds_of_a_map_do_not_tell_where_robot_and_camera_are():
    with pytest.raises(FrameError, match="map.box_m.*'map'.*frames.robot_frame"):
        MapFrame(None, FramesConfig()).robot(header("map"))
    with pytest.raises(FrameError, match="map.see_through.*'map'.*frames.target_frame"):
        MapFrame(None, FramesConfig()).camera(header("map"))


@pytest.fixture
def placed(tf2):
    """placed(stamps in s): for each cloud, whether it was placed."""
    tf2.table["map", "odom"] = Transform(rotation=Quaternion(w=1.0))
    frames = MapFrame(None, FramesConfig("map", tf_timeout_s=0.0))

    def one(stamp_s):
        try:
            frames.bring(header("odom", stamp_s), POINTS)
        except FrameError:
            return False
        return True

    return lambda *stamps_s: [one(stamp_s) for stamp_s in stamps_s]


def test_a_refused_cloud_leaves_no_trace_in_what_tf2_knows(tf2, placed):
    tf2.newest_s = 110.0
    assert placed(100.0, 160.0, 101.0, 102.0) == [True, False, True, True]  # from the future
    tf2.refusals = 1
    assert placed(3.0, 103.0) == [False, True]  # from long ago
    assert tf2.cleared == 0


def test_tf2_forgets_once_time_has_jumped_back_and_it_refuses_what_it_hears(tf2, placed):
    assert placed(100.0, 99.5, 101.0) == [True] * 3
    tf2.refusals = 2
    assert placed(3.0, 4.0) == [False, False] and tf2.cleared == 1
    assert placed(5.0, 4.5, 6.0) == [True] * 3 and tf2.cleared == 1


def test_the_node_keeps_its_map_in_the_target_frame_and_refuses_what_it_cannot_place(bench):
    publish = bench.cloud_publisher()
    static = {f"frames__static_transform__{name}": value for name, value in vars(OPTICAL).items()}
    node = bench.ready(
        bench.start(frames__target_frame="map", frames__gravity_frame="map", **static), publish
    )
    instances = bench.collect(InstanceArray, "/ssen/instances")
    clouds = bench.collect(PointCloud2, "/ssen/semantic_cloud")
    publish(*bench.box_cloud((0.0, 0.0, 0.0), bench.CHAIR, 1), frame_id="lidar")
    report = bench.wait_for(clouds_rejected=1)
    assert report["message"] == "no cloud could be used so far" and "'lidar' to 'map'" in report["last_error"]
    assert len(node.lines("no transform from 'lidar' to 'map'")) == 1

    publish(*bench.box_cloud((0.0, 0.0, 5.0), bench.CHAIR, 1), frame_id="optical", stamp_ns=5)
    bench.spin_until(lambda: instances and clouds)
    assert instances[0].header.frame_id == clouds[0].header.frame_id == "map"
    assert instances[0].header.stamp.nanosec == 5
    (chair,) = instances[0].instances
    assert chair.box_pose.position.x == pytest.approx(10.0 + 5.25, abs=0.05)
    points = from_msg(clouds[0])[0]
    assert points[:, 0].min() > 14.9 and points[:, 2].max() < 1.0  # ahead, and below the camera
