"""The table of processes, and that rcl reads its command lines as meant."""

import sys

from sensor_msgs.msg import PointCloud2

from ssen_ros.ros.node_table import NodeProcess, player_process, simulator_process, ssen_node_process


def test_a_command_runs_the_module_in_this_interpreter():
    process = ssen_node_process("/rtabmap/cloud_map", {"segmenter.device": "cpu"})
    command = process.command()
    assert command[:4] == [sys.executable, "-m", "ssen_ros.ros.ssen_node", "--ros-args"]
    assert command[-2:] == ["-r", "cloud_map:=/rtabmap/cloud_map"]
    assert 'ssen:segmenter.device:="cpu"' in command


def test_a_namespace_and_a_log_level_reach_the_command():
    process = ssen_node_process(namespace="robot1", log_level="debug")
    command = process.command()
    assert "__ns:=/robot1" in command and command[command.index("--log-level") + 1] == "debug"


def test_in_a_namespace_parameters_reach_the_node_and_relative_topics_are_its_own(bench):
    node = bench.start_command(
        simulator_process("walk", {"seed": 3, "max_maps": 1, "rate_hz": 20.0}, namespace="robot1").command()
    )
    clouds = bench.collect(PointCloud2, "/robot1/walk")
    bench.spin_until(lambda: node.lines("done: published 1 maps") and clouds)
    assert ("ssen_simulator", "/robot1") in bench.node.get_node_names_and_namespaces()


def test_the_default_topic_needs_no_remapping():
    assert simulator_process().remappings == {}
    assert player_process("a.ply").parameters == {"cloud": "a.ply"}


def test_parameters_reach_the_node_and_win_over_the_file(bench, tmp_path):
    file = tmp_path / "ssen.yaml"
    file.write_text(
        "/**:\n  ros__parameters:\n    map: {mode: sideways}\n"
        "watcher:\n  ros__parameters:\n    update_period_s: 5.0\n"
    )
    module = NodeProcess(
        "ssen_node", "ssen_ros.ros.ssen_node", "watcher", {"update_period_s": 0.0, "map.mode": "accumulated"}
    )
    node = bench.start_command(module.command(file))
    assert node.wait() == 1
    (line,) = node.lines("cannot start")
    assert "update_period_s = 0.0" in line  # ours, not the file's; and map.mode is ours, else it were named
