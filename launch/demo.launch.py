"""The segmenting node on a simulated map: `ros2 launch ssen_ros demo.launch.py rviz:=true`.

Takes the arguments of ssen.launch.py.
"""

from pathlib import Path

from ament_index_python.packages import get_package_share_directory
from launch import LaunchContext, LaunchDescription
from launch.actions import IncludeLaunchDescription, OpaqueFunction
from launch.launch_description_sources import PythonLaunchDescriptionSource
from launch.substitutions import LaunchConfiguration
from launch_ros.actions import Node

from ssen_ros.ros.launch_actions import declare, node_action, values_of
from ssen_ros.ros.node_table import COMMON_ARGUMENTS, SSEN_ARGUMENTS, simulator_process, tf_remappings

LAUNCH = Path(get_package_share_directory("ssen_ros")) / "launch"


def generate_launch_description() -> LaunchDescription:
    return LaunchDescription(
        [
            *declare(COMMON_ARGUMENTS),
            IncludeLaunchDescription(PythonLaunchDescriptionSource(str(LAUNCH / "ssen.launch.py"))),
            OpaqueFunction(function=_simulator),
        ]
    )


def _simulator(context: LaunchContext) -> list[Node]:
    # On wall time even with use_sim_time: the simulator is the source of the stamps.
    simulator = node_action(simulator_process(**values_of(COMMON_ARGUMENTS, context)))
    # RViz knows a frame only once some transform names it, and warns of all that lies in it until then.
    frame = Node(
        package="tf2_ros",
        executable="static_transform_publisher",
        name="ssen_simulator_frame",
        namespace=LaunchConfiguration("namespace").perform(context),
        arguments=["--frame-id", "map", "--child-frame-id", "ssen_simulator"],
        remappings=list(tf_remappings(values_of(SSEN_ARGUMENTS, context)).items()),
    )
    return [simulator, frame]
