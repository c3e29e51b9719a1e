"""The launch files start what the table of processes says, with what their arguments say."""

import ast
import importlib.util
from pathlib import Path

import pytest

CHECKOUT = Path(__file__).resolve().parents[2]
LAUNCH_FILES = sorted((CHECKOUT / "launch").glob("*.launch.py"))

# `launch` alone would also name the folder launch/ of the checkout.
needs_launch = pytest.mark.skipif(
    importlib.util.find_spec("launch_ros") is None,
    reason="launch and launch_ros are part of a ROS distribution and not on PyPI",
)


@pytest.mark.parametrize("path", LAUNCH_FILES, ids=lambda path: path.name)
def test_file_compiles_and_takes_its_nodes_from_the_table(path):
    source = path.read_text(encoding="utf-8")
    compile(source, path, "exec")
    imported = {
        alias.name
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.ImportFrom) and node.module == "ssen_ros.ros.processes"
        for alias in node.names
    }
    assert imported and all(name.endswith("_process") for name in imported)
    for name in ("ssen_node", "simulator_node", "player_node"):
        assert f'"{name}"' not in source, f"{name} is named here and in ssen_ros/ros/processes.py"


def load(name: str):
    spec = importlib.util.spec_from_file_location(name.replace(".", "_"), CHECKOUT / "launch" / name)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def nodes_of(description, arguments: dict[str, str]) -> list:
    """The launch_ros nodes a description starts, with the arguments given on the command line."""
    from launch import LaunchContext
    from launch_ros.actions import Node

    context = LaunchContext()
    context.launch_configurations.update(arguments)
    started = []
    pending = list(description.entities)
    while pending:
        entity = pending.pop(0)
        if isinstance(entity, Node):
            if entity.condition is None or entity.condition.evaluate(context):
                started.append(entity)
        else:
            pending = list(entity.visit(context) or []) + pending
    return started


@needs_launch
def test_ssen_launch_starts_the_node_and_rviz_only_when_asked():
    description = load("ssen.launch.py").generate_launch_description()
    assert [node.node_executable for node in nodes_of(description, {})] == ["ssen_node"]
    assert [node.node_executable for node in nodes_of(description, {"rviz": "true"})] == [
        "ssen_node",
        "rviz2",
    ]


@needs_launch
def test_ssen_launch_documents_its_arguments():
    declared = load("ssen.launch.py").generate_launch_description().get_launch_arguments()
    names = {argument.name for argument in declared}
    assert names == {"cloud_topic", "params_file", "device", "rviz", "use_sim_time"}
    assert all(argument.description for argument in declared)


@needs_launch
def test_demo_launch_adds_the_simulator():
    description = load("demo.launch.py").generate_launch_description()
    started = [node.node_executable for node in nodes_of(description, {"cloud_topic": "map"})]
    assert sorted(started) == ["simulator_node", "ssen_node"]
