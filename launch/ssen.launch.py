"""The segmenting node, and RViz if asked for.

ros2 launch ssen_ros ssen.launch.py cloud_topic:=/rtabmap/cloud_map rviz:=true
"""

from pathlib import Path

from ament_index_python.packages import get_package_share_directory
from launch import LaunchContext, LaunchDescription
from launch.actions import OpaqueFunction
from launch_ros.actions import Node

from ssen_ros.ros.launch_actions import declare, node_action, values_of
from ssen_ros.ros.node_table import SSEN_ARGUMENTS, existing_file, is_true, rviz_remappings, ssen_node_from

CONFIG = Path(get_package_share_directory("ssen_ros")) / "config"


def generate_launch_description() -> LaunchDescription:
    return LaunchDescription([*declare(SSEN_ARGUMENTS), OpaqueFunction(function=_nodes)])


def _nodes(context: LaunchContext) -> list[Node]:
    values = values_of(SSEN_ARGUMENTS, context)
    given = values["params_file"]
    node = ssen_node_from(values)
    started = [node_action(node, [existing_file("params_file", given) if given else CONFIG / "ssen.yaml"])]
    if is_true("rviz", values["rviz"]):
        started.append(_rviz(values, {n: v for n, v in node.parameters.items() if n == "use_sim_time"}))
    return started


def _rviz(values: dict[str, str], parameters: dict[str, bool]) -> Node:
    return Node(
        package="rviz2",
        executable="rviz2",
        name="ssen_rviz",
        namespace=values["namespace"],
        arguments=["-d", str(CONFIG / "ssen.rviz"), "-f", values["fixed_frame"]],
        parameters=[parameters] if parameters else [],
        remappings=list(rviz_remappings(values).items()),
    )
