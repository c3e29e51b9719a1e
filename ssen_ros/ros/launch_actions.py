"""What the launch files share: processes of the table as actions of launch, and values of their arguments."""

from collections.abc import Iterable, Sequence
from pathlib import Path

from launch import LaunchContext  # pyright: ignore[reportAttributeAccessIssue]  # finds the folder launch/
from launch.actions import DeclareLaunchArgument
from launch.substitutions import LaunchConfiguration
from launch_ros.actions import Node

from ssen_ros.ros.node_table import Argument, NodeProcess


def declare(arguments: Iterable[Argument]) -> list[DeclareLaunchArgument]:
    return [
        DeclareLaunchArgument(argument.name, default_value=argument.default, description=argument.text)
        for argument in arguments
    ]


def values_of(arguments: Iterable[Argument], context: LaunchContext) -> dict[str, str]:
    return {argument.name: LaunchConfiguration(argument.name).perform(context) for argument in arguments}


def node_action(process: NodeProcess, params_files: Sequence[str | Path] = ()) -> Node:
    """The process as launch starts it; its own parameters win over the files."""
    own = [process.parameters] if process.parameters else []
    return Node(
        package="ssen_ros",
        executable=process.executable,
        name=process.name,
        namespace=process.namespace,
        parameters=[*map(str, params_files), *own],
        remappings=list(process.remappings.items()),
        ros_arguments=["--log-level", process.log_level],
        output="screen",
    )
