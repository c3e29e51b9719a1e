"""The segmenting node, and RViz if asked for.

ros2 launch ssen_ros ssen.launch.py cloud_topic:=/rtabmap/cloud_map rviz:=true
"""

from pathlib import Path

from ament_index_python.packages import get_package_share_directory
from launch import LaunchContext, LaunchDescription
from launch.actions import OpaqueFunction
from launch.conditions import IfCondition
from launch.substitutions import LaunchConfiguration
from launch_ros.actions import Node

from ssen_ros.ros.launch_actions import declare, node_action, values_of
from ssen_ros.ros.node_table import SSEN_ARGUMENTS, rviz_remappings, ssen_node_from

CONFIG = Path(get_package_share_directory("ssen_ros")) / "config"


def generate_launch_description() -> LaunchDescription:
    return LaunchDescription([*declare(SSEN_ARGUMENTS), OpaqueFunction(function=_nodes)])


def _nodes(context: LaunchContext) -> list[Node]:
    values = values_of(SSEN_ARGUMENTS, context)
    params_file = values["params_file"] or CONFIG / "ssen.yaml"
    rviz = Node(
        package="rviz2",
        executable="rviz2",
        name="ssen_rviz",
        namespace=values["namespace"],
        arguments=["-d", str(CONFIG / "ssen.rviz"), "-f", values["fixed_frame"]],
        remappings=list(rviz_remappings(values["cloud_topic"], values["namespace"]).items()),
        condition=IfCondition(LaunchConfiguration("rviz")),
    )
    return [node_action(ssen_node_from(values), [params_file]), rviz]
