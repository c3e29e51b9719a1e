"""A SLAM and the segmenting node together, with the parameters that fit them to each other.

ros2 launch ssen_ros slam.launch.py slam:=rtabmap rgb_topic:=... depth_topic:=... camera_info_topic:=...
ros2 launch ssen_ros slam.launch.py slam:=zed camera_model:=zed2i
ros2 launch ssen_ros slam.launch.py slam:=nvblox cloud_topic:=/camera0/depth/color/points

Arguments of the SLAM's own launch file and of ssen.launch.py are handed on, and win over those here. Written
after the launch files of rtabmap_ros and zed-ros2-wrapper; run with stand-ins for them only.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from pathlib import Path

from ament_index_python.packages import get_package_share_directory
from launch import LaunchContext, LaunchDescription
from launch.actions import (
    DeclareLaunchArgument,
    GroupAction,
    IncludeLaunchDescription,
    OpaqueFunction,
    UnsetLaunchConfiguration,
)
from launch.launch_description_sources import PythonLaunchDescriptionSource
from launch.substitutions import LaunchConfiguration

from ssen_ros.ros.launch_actions import declare
from ssen_ros.ros.node_table import SSEN_ARGUMENTS

EXAMPLES = Path(get_package_share_directory("ssen_ros")) / "examples"


@dataclass(frozen=True)
class Slam:
    ssen_arguments: dict[str, str]  # of ssen.launch.py, where the command line has no others
    package: str = ""  # empty: started elsewhere
    launch_file: str = ""
    arguments: dict[str, str] = field(default_factory=dict)  # of its launch file


SLAMS = {
    # Points every 2 cm, in three dimensions; a new database, so that the 5 cm of an old one do not stay. The
    # old one is kept where localization:=true is to find its way in it.
    "rtabmap": Slam(
        {"cloud_topic": "/rtabmap/cloud_map"},
        "rtabmap_launch",
        "rtabmap.launch.py",
        {
            "namespace": "rtabmap",
            "args": "--delete_db_on_start --Grid/3D true --Grid/Sensor 1 --Grid/CellSize 0.02 "
            "--Grid/DepthDecimation 2 --Grid/RangeMax 4",
            "rtabmap_viz": "false",
            "rviz": "false",
        },
    ),
    "zed": Slam(
        {"cloud_topic": "/zed/zed_node/mapping/fused_cloud"},
        "zed_wrapper",
        "zed_camera.launch.py",
        {"camera_name": "zed", "ros_params_override_path": str(EXAMPLES / "zed_mapping.yaml")},
    ),
    # nvblox has no coloured point cloud of its map: mesh and color_layer are messages of its own. So the
    # clouds of its camera (realsense2_camera: pointcloud.enable true) are put together, by cuVSLAM's tf.
    "nvblox": Slam(
        {
            "cloud_topic": "/camera/camera/depth/color/points",
            "params_file": str(EXAMPLES / "camera_clouds.yaml"),
            "fixed_frame": "odom",
        }
    ),
}


OURS = {argument.name: argument.default for argument in SSEN_ARGUMENTS}
OF_BOTH = {"use_sim_time", "log_level"}  # mean the same to any SLAM's launch file that has them


def generate_launch_description() -> LaunchDescription:
    slam = DeclareLaunchArgument("slam", choices=list(SLAMS), description="which SLAM to start")
    fitting = {name for slam in SLAMS.values() for name in slam.ssen_arguments}
    arguments = [
        replace(argument, default="", text=f"{argument.text}; empty: as fits the SLAM")
        if argument.name in fitting
        else argument
        for argument in SSEN_ARGUMENTS
    ]
    return LaunchDescription([slam, *declare(arguments), OpaqueFunction(function=_both)])


def _both(context: LaunchContext) -> list[GroupAction]:
    given = {name: value for name, value in context.launch_configurations.items() if value}
    slam = SLAMS[LaunchConfiguration("slam").perform(context)]
    ssen_arguments = {**OURS, **slam.ssen_arguments, **{name: given[name] for name in OURS if name in given}}
    ssen = _include("ssen_ros", "ssen.launch.py", ssen_arguments)
    if not slam.package:
        return [ssen]
    # All are named, not only left in scope: what an included file requires is looked for among these.
    of_slam = {name: value for name, value in given.items() if name not in OURS or name in OF_BOTH}
    arguments = {**slam.arguments, **of_slam}
    if given.get("localization", "").lower() in ("true", "1"):
        arguments["args"] = arguments.get("args", "").replace("--delete_db_on_start", "").strip()
    return [_include(slam.package, slam.launch_file, arguments, without=OURS), ssen]


def _include(
    package: str, launch_file: str, arguments: dict[str, str], without: Iterable[str] = ()
) -> GroupAction:
    """In a scope of its own: both have arguments named namespace, rviz and log_level."""
    path = Path(get_package_share_directory(package)) / "launch" / launch_file
    source = PythonLaunchDescriptionSource(str(path))
    unset = [UnsetLaunchConfiguration(name) for name in without]
    return GroupAction([*unset, IncludeLaunchDescription(source, launch_arguments=list(arguments.items()))])
