"""The segmenting node on a simulated map: `ros2 launch ssen_ros demo.launch.py rviz:=true`.

Takes the arguments of ssen.launch.py.
"""

from pathlib import Path

from ament_index_python.packages import get_package_share_directory
from launch import LaunchContext, LaunchDescription
from launch.actions import DeclareLaunchArgument, IncludeLaunchDescription, OpaqueFunction
from launch.launch_description_sources import PythonLaunchDescriptionSource
from launch.substitutions import LaunchConfiguration
from launch_ros.actions import Node

from ssen_ros.ros.processes import simulator_process

LAUNCH = Path(get_package_share_directory("ssen_ros")) / "launch"


def generate_launch_description() -> LaunchDescription:
    return LaunchDescription(
        [
            DeclareLaunchArgument(
                "cloud_topic", default_value="cloud_map", description="topic that joins simulator and node"
            ),
            IncludeLaunchDescription(PythonLaunchDescriptionSource(str(LAUNCH / "ssen.launch.py"))),
            OpaqueFunction(function=_simulator),
        ]
    )


def _simulator(context: LaunchContext) -> list[Node]:
    # On wall time even with use_sim_time: the simulator is the source of the stamps.
    process = simulator_process(cloud_topic=LaunchConfiguration("cloud_topic").perform(context))
    return [
        Node(
            package="ssen_ros",
            executable=process.executable,
            name=process.name,
            parameters=[process.parameters],
            remappings=list(process.remappings.items()),
            output="screen",
        )
    ]
