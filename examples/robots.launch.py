"""One segmenting node for each of several robots, each in a namespace.

ros2 launch ssen_ros robots.launch.py robots:=robot1,robot2 cloud_topic:=rtabmap/cloud_map

Relative topics are the robot's own: robot1's map is /robot1/rtabmap/cloud_map, its objects are
/robot1/ssen/instances. Takes the arguments of ssen.launch.py.
"""

from pathlib import Path

from ament_index_python.packages import get_package_share_directory
from launch import LaunchContext, LaunchDescription
from launch.actions import DeclareLaunchArgument, GroupAction, IncludeLaunchDescription, OpaqueFunction
from launch.launch_description_sources import PythonLaunchDescriptionSource
from launch.substitutions import LaunchConfiguration

LAUNCH = Path(get_package_share_directory("ssen_ros")) / "launch"


def generate_launch_description() -> LaunchDescription:
    robots = DeclareLaunchArgument("robots", description="namespaces, with commas between them")
    return LaunchDescription([robots, OpaqueFunction(function=_robots)])


def _robots(context: LaunchContext) -> list[GroupAction]:
    names = LaunchConfiguration("robots").perform(context).split(",")
    source = PythonLaunchDescriptionSource(str(LAUNCH / "ssen.launch.py"))
    return [
        GroupAction([IncludeLaunchDescription(source, launch_arguments=[("namespace", name.strip())])])
        for name in names
    ]
