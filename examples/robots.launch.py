"""One segmenting node for each of several robots, each in a namespace.

ros2 launch ssen_ros robots.launch.py robots:=robot1,robot2 cloud_topic:=rtabmap/cloud_map

Relative topics are the robot's own: robot1's map is /robot1/rtabmap/cloud_map, its objects are
/robot1/ssen/instances. namespaced_tf:=true where each has a tf of its own. Takes the
arguments of ssen.launch.py.
"""

from pathlib import Path

from ament_index_python.packages import get_package_share_directory
from launch import LaunchContext, LaunchDescription
from launch.actions import DeclareLaunchArgument, GroupAction, IncludeLaunchDescription, OpaqueFunction
from launch.launch_description_sources import PythonLaunchDescriptionSource
from launch.substitutions import LaunchConfiguration

from ssen_ros.ros.launch_actions import declare
from ssen_ros.ros.node_table import SSEN_ARGUMENTS, names_in

LAUNCH = Path(get_package_share_directory("ssen_ros")) / "launch"


def generate_launch_description() -> LaunchDescription:
    robots = DeclareLaunchArgument("robots", description="namespaces, with commas between them")
    of_all = [argument for argument in SSEN_ARGUMENTS if argument.name != "namespace"]
    return LaunchDescription([robots, *declare(of_all), OpaqueFunction(function=_robots)])


def _robots(context: LaunchContext) -> list[GroupAction]:
    names = names_in("robots", LaunchConfiguration("robots").perform(context))
    source = PythonLaunchDescriptionSource(str(LAUNCH / "ssen.launch.py"))
    return [
        GroupAction([IncludeLaunchDescription(source, launch_arguments=[("namespace", name)])])
        for name in names
    ]
