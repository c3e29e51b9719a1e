"""The table of processes, and that rcl reads its command lines as meant."""

import sys

import pytest
import rclpy
from rclpy.context import Context
from rclpy.node import Node
from sensor_msgs.msg import PointCloud2

from ssen_ros.errors import ConfigError
from ssen_ros.ros.node_table import NodeProcess, player_process, simulator_process, ssen_node_process
from ssen_ros.ros.parameters import check_sections


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


def test_a_file_with_parameters_for_the_executables_name_is_an_error(bench, tmp_path):
    file = tmp_path / "ssen.yaml"
    file.write_text("ssen_node:\n  ros__parameters:\n    update_period_s: 5.0\n")
    node = bench.start_command(ssen_node_process().command(file))
    assert node.wait() == 1
    (line,) = node.lines("cannot start")
    assert f"{file} has parameters for /ssen_node, none for this node: name a section /ssen or /**" in line


SECTIONS = "/** ** ssen /ssen ssen_node /* /**/ssen /*/ssen /robot1/ssen robot1/ssen robot1 /robot1/*"


@pytest.mark.parametrize("section", SECTIONS.split())
@pytest.mark.parametrize("namespace", ["", "/robot1"])
def test_a_section_is_taken_for_this_nodes_as_rcl_takes_it(bench, tmp_path, section, namespace):
    file = tmp_path / "ssen.yaml"
    file.write_text(f'"{section}":\n  ros__parameters:\n    seen: true\n')
    arguments = ["--ros-args", "--params-file", str(file)]
    context = Context()
    rclpy.init(args=arguments, context=context, domain_id=bench.domain)
    node = Node(
        "ssen", namespace=namespace, context=context, automatically_declare_parameters_from_overrides=True
    )
    applies = node.has_parameter("seen")
    name = node.get_fully_qualified_name()
    node.destroy_node()
    context.try_shutdown()
    if applies:
        check_sections(arguments, name)
    else:
        with pytest.raises(ConfigError, match="none for this node"):
            check_sections(arguments, name)


def test_a_file_in_which_one_of_many_sections_is_ours_will_do(tmp_path):
    file = tmp_path / "robot.yaml"
    file.write_text(
        "amcl: {ros__parameters: {a: 1}}\nrobot1:\n  ssen: {ros__parameters: {update_period_s: 2.0}}\n"
    )
    check_sections(["--params-file", str(file)], "/robot1/ssen")
    (tmp_path / "empty.yaml").touch()
    check_sections(["--params-file", str(tmp_path / "empty.yaml")], "/ssen")
