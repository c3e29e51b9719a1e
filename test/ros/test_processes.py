"""The table of processes, and that rcl reads its command lines as meant."""

import sys

from ssen_ros.ros.processes import NodeProcess, player_process, simulator_process, ssen_node_process


def test_a_command_runs_the_module_in_this_interpreter():
    process = ssen_node_process("/rtabmap/cloud_map", {"segmenter.device": "cpu"})
    command = process.command()
    assert command[:4] == [sys.executable, "-m", "ssen_ros.ros.ssen_node", "--ros-args"]
    assert command[-2:] == ["-r", "cloud_map:=/rtabmap/cloud_map"]
    assert 'ssen:segmenter.device:="cpu"' in command


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
