"""The player and the simulator as processes, watched over DDS; and how the player's map grows."""

import numpy as np
import pytest
from rclpy.qos import QoSProfile
from sensor_msgs.msg import PointCloud2

from ssen_ros.errors import ConfigError
from ssen_ros.labels import NO_COLOR
from ssen_ros.ros.conversions import from_msg
from ssen_ros.ros.player_node import growing_maps, resolve_growth
from ssen_ros.structures import Cloud

RELIABLE = QoSProfile(depth=20)


def stored(frames=True, colors=True, count=300):
    rng = np.random.default_rng(0)
    return Cloud(
        rng.uniform((0, 0, 0), (1, 8, 2), (count, 3)).astype(np.float32),
        rng.integers(0, 256, (count, 3), np.uint8) if colors else None,
        rng.integers(0, 40, count) if frames else None,
    )


@pytest.mark.parametrize("growth", ["frames", "sweep", "whole"])
@pytest.mark.parametrize("maps", [1, 7])
def test_each_map_holds_the_one_before_and_the_last_is_whole(growth, maps):
    cloud = stored()
    steps = list(growing_maps(cloud, maps, growth))
    assert len(steps) == maps
    rows = [set(map(tuple, points)) for points, _ in steps]
    assert all(before <= after for before, after in zip(rows, rows[1:]))
    np.testing.assert_array_equal(steps[-1][0], cloud.points)
    np.testing.assert_array_equal(steps[-1][1], cloud.colors)
    assert growth == "whole" or maps == 1 or len(rows[0]) < len(cloud) / 3


def test_frames_grow_in_the_order_they_were_seen():
    cloud = stored()
    for points, _ in growing_maps(cloud, 4, "frames"):
        seen = np.isin(cloud.points[:, 0], points[:, 0])
        assert seen.all() or cloud.first_frame[seen].max() < cloud.first_frame[~seen].min()


def test_growth_is_chosen_by_what_the_file_has():
    assert resolve_growth("auto", stored(frames=True)) == "frames"
    assert resolve_growth("auto", stored(frames=False)) == "sweep"
    with pytest.raises(ConfigError, match="first_frame"):
        resolve_growth("frames", stored(frames=False))


def test_a_cloud_without_colour_is_played_as_grey():
    for _, colors in growing_maps(stored(colors=False), 2, "sweep"):
        assert (colors == NO_COLOR).all()


def test_the_player_publishes_every_map_and_ends_when_told_to(bench, tmp_path):
    cloud = stored()
    np.savez(tmp_path / "cloud.npz", points=cloud.points, colors=cloud.colors, first_frame=cloud.first_frame)
    clouds = bench.collect(PointCloud2, "cloud_map", RELIABLE)
    node = bench.start(
        "ssen_ros.ros.player_node",
        cloud=tmp_path / "cloud.npz",
        maps=4,
        rate_hz=10.0,
        exit_when_done="true",
        frame_id="world",
    )
    bench.spin_until(lambda: len(clouds) == 4)
    assert node.wait() == 0
    assert len(node.lines("done: published 4 maps")) == 1
    for msg, (points, colors) in zip(clouds, growing_maps(cloud, 4, "frames")):
        got_points, got_colors, _ = from_msg(msg)
        np.testing.assert_array_equal(got_points, points)
        np.testing.assert_array_equal(got_colors, colors)
    stamps = [(msg.header.stamp.sec, msg.header.stamp.nanosec) for msg in clouds]
    assert stamps == sorted(stamps) and len(set(stamps)) == 4
    assert {msg.header.frame_id for msg in clouds} == {"world"}


def test_the_player_says_why_it_cannot_play(bench):
    node = bench.start("ssen_ros.ros.player_node", cloud="nowhere.ply")
    assert node.wait() == 1
    (line,) = node.lines("cannot start")
    assert "nowhere.ply" in line


def test_the_simulators_map_grows_and_the_last_one_stays_for_late_subscribers(bench):
    import signal

    clouds = bench.collect(PointCloud2, "cloud_map", RELIABLE)
    node = bench.start("ssen_ros.ros.simulator_node", seed=3, max_maps=3, frames_per_map=1, rate_hz=20.0)
    bench.spin_until(lambda: node.lines("done: published 3 maps"), timeout_s=60.0)
    bench.spin_until(lambda: len(clouds) == 3)
    assert 0 < clouds[0].width < clouds[2].width
    late = bench.collect(PointCloud2, "cloud_map")
    bench.spin_until(lambda: late)
    assert late[0] == clouds[-1]
    node.signal(signal.SIGINT)
    assert node.wait() == 0
