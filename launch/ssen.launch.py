"""The segmenting node, and RViz if asked for.

ros2 launch ssen_ros ssen.launch.py cloud_topic:=/rtabmap/cloud_map rviz:=true
"""

from pathlib import Path

from ament_index_python.packages import get_package_share_directory
from launch import LaunchContext, LaunchDescription
from launch.actions import DeclareLaunchArgument, OpaqueFunction
from launch.conditions import IfCondition
from launch.substitutions import LaunchConfiguration
from launch_ros.actions import Node

from ssen_ros.ros.processes import ssen_node_process

CONFIG = Path(get_package_share_directory("ssen_ros")) / "config"

ARGUMENTS = (
    ("cloud_topic", "cloud_map", "sensor_msgs/PointCloud2 topic of the map"),
    ("params_file", str(CONFIG / "ssen.yaml"), "parameters of the node"),
    ("device", "", "auto, cpu, cuda or cuda:N; empty: as params_file says"),
    ("rviz", "false", "start RViz with the node's topics shown"),
    ("use_sim_time", "false", "take the time from /clock, for bags and simulators"),
)


def generate_launch_description() -> LaunchDescription:
    arguments = [
        DeclareLaunchArgument(name, default_value=default, description=text)
        for name, default, text in ARGUMENTS
    ]
    return LaunchDescription([*arguments, OpaqueFunction(function=_segmenting_node), _rviz()])


def _segmenting_node(context: LaunchContext) -> list[Node]:
    argument = {name: LaunchConfiguration(name).perform(context) for name, _, _ in ARGUMENTS}
    parameters = {"use_sim_time": argument["use_sim_time"].lower() == "true"}
    if argument["device"]:
        parameters["segmenter.device"] = argument["device"]
    process = ssen_node_process(cloud_topic=argument["cloud_topic"], parameters=parameters)
    return [
        Node(
            package="ssen_ros",
            executable=process.executable,
            name=process.name,
            parameters=[argument["params_file"], process.parameters],
            remappings=list(process.remappings.items()),
            output="screen",
        )
    ]


def _rviz() -> Node:
    return Node(
        package="rviz2",
        executable="rviz2",
        name="ssen_rviz",
        arguments=["-d", str(CONFIG / "ssen.rviz")],
        condition=IfCondition(LaunchConfiguration("rviz")),
    )
