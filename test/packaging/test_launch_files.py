"""The launch files, executed on a stand-in for launch, start what the table of processes says."""

import ast
import importlib.util
import sys
from pathlib import Path

import pytest
import yaml

from ssen_ros.errors import ConfigError

CHECKOUT = Path(__file__).resolve().parents[2]
LAUNCH_FILES = sorted([*CHECKOUT.glob("launch/*.launch.py"), *CHECKOUT.glob("examples/*.launch.py")])


def load(path: Path):
    spec = importlib.util.spec_from_file_location(path.name.replace(".", "_"), path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


fake_launch = load(Path(__file__).with_name("fake_launch.py"))

OTHER_PACKAGE = """
from launch import LaunchDescription
from launch.actions import DeclareLaunchArgument, OpaqueFunction
from launch_ros.actions import Node

def generate_launch_description():
    names = ("namespace", "rviz", "args", "rgb_topic", "camera_model", "use_sim_time")
    names += ("ros_params_override_path",)
    required = REQUIRED
    declared = [
        DeclareLaunchArgument(n, default_value=None if n in required else f"default {n}", description=n)
        for n in names
    ]
    def start(context):
        values = [f"{n}={context.launch_configurations[n]}" for n in names]
        return [Node(package="other", executable="other", arguments=values)]
    return LaunchDescription([*declared, OpaqueFunction(function=start)])
"""


@pytest.fixture
def launch(monkeypatch, tmp_path):
    """launch(file name, argument=value, ...) -> the nodes that are started."""
    for name, module in fake_launch.modules().items():
        monkeypatch.setitem(sys.modules, name, module)
    monkeypatch.delitem(sys.modules, "ssen_ros.ros.launch_actions", raising=False)
    others = {
        "rtabmap_launch": ("rtabmap.launch.py", ()),
        "zed_wrapper": ("zed_camera.launch.py", ("camera_model",)),
    }
    for package, (file, required) in others.items():
        (tmp_path / package / "launch").mkdir(parents=True)
        (tmp_path / package / "launch" / file).write_text(OTHER_PACKAGE.replace("REQUIRED", repr(required)))
    shares = {package: str(tmp_path / package) for package in others} | {"ssen_ros": str(CHECKOUT)}
    monkeypatch.setattr("ament_index_python.packages.get_package_share_directory", shares.__getitem__)

    def run(name: str, **arguments: str):
        (path,) = [path for path in LAUNCH_FILES if path.name == name]
        return fake_launch.nodes(load(path).generate_launch_description(), arguments)

    yield run
    sys.modules.pop("ssen_ros.ros.launch_actions", None)  # it holds the stand-in


@pytest.mark.parametrize("path", LAUNCH_FILES, ids=lambda path: path.name)
def test_file_compiles_and_names_none_of_our_nodes(path):
    source = path.read_text(encoding="utf-8")
    compile(source, path, "exec")
    assert ast.get_docstring(ast.parse(source))
    for name in ("ssen_node", "simulator_node", "player_node"):
        assert f'"{name}"' not in source, f"{name} is named here and in ssen_ros/ros/node_table.py"


def test_ssen_launch_starts_the_node_with_the_parameter_file(launch):
    (node,) = launch("ssen.launch.py")
    assert (node.package, node.executable, node.name, node.namespace) == ("ssen_ros", "ssen_node", "ssen", "")
    assert node.parameters == [str(CHECKOUT / "config" / "ssen.yaml")] and node.remappings == {}
    assert node.ros_arguments == ["--log-level", "info"]


def test_every_argument_of_ssen_launch_reaches_the_node(launch, tmp_path, monkeypatch):
    (tmp_path / "mine.yaml").touch()
    monkeypatch.setenv("HOME", str(tmp_path))
    (node,) = launch(
        "ssen.launch.py", cloud_topic="/rtabmap/cloud_map", namespace="robot1", log_level="debug",
        params_file="~/mine.yaml", weights="taught", semantic_weights="a.safetensors",
        embedding_weights="b.safetensors", device="cuda:1", use_sim_time="true", autostart="false",
        namespaced_tf="true",
    )  # fmt: skip
    assert node.namespace == "robot1"
    assert node.remappings == {
        "cloud_map": "/rtabmap/cloud_map", "/tf": "tf", "/tf_static": "tf_static"
    }  # fmt: skip
    assert node.ros_arguments == ["--log-level", "debug"]
    assert node.parameters == [
        str(tmp_path / "mine.yaml"),
        {
            "segmenter.weights": "taught",
            "segmenter.semantic_checkpoint": "a.safetensors",
            "segmenter.embedding_checkpoint": "b.safetensors",
            "segmenter.device": "cuda:1",
            "use_sim_time": True,
            "autostart": False,
        },
    ]


def test_the_parameters_that_arguments_set_are_the_nodes(launch):
    pytest.importorskip("rclpy", reason="NodeConfig belongs to the ROS side")
    from ssen_ros.config import parameters
    from ssen_ros.ros.node_table import SSEN_ARGUMENTS
    from ssen_ros.ros.parameters import NodeConfig

    named = {argument.parameter for argument in SSEN_ARGUMENTS} - {"", "use_sim_time"}
    assert named and named <= {parameter.name for parameter in parameters(NodeConfig())}


def test_rviz_starts_when_asked_and_shows_what_is_published(launch):
    node, rviz = launch("ssen.launch.py", rviz="true")
    assert (rviz.package, rviz.remappings, rviz.parameters) == ("rviz2", {}, [])
    assert rviz.arguments == ["-d", str(CHECKOUT / "config" / "ssen.rviz"), "-f", "map"]
    node, rviz = launch(
        "ssen.launch.py", rviz="true", namespace="robot1", cloud_topic="rtabmap/cloud_map",
        namespaced_tf="true", use_sim_time="true",
    )  # fmt: skip
    assert rviz.namespace == node.namespace == "robot1" and rviz.remappings == node.remappings
    assert rviz.parameters == [{"use_sim_time": True}]
    _, rviz = launch("ssen.launch.py", rviz="true", cloud_topic="/zed/fused", fixed_frame="odom")
    assert rviz.remappings == {"cloud_map": "/zed/fused"} and rviz.arguments[-1] == "odom"


@pytest.mark.parametrize(
    ("file", "argument", "value", "message"),
    [
        ("ssen.launch.py", "params_file", "/no/such.yaml", "there is no such file"),
        ("ssen.launch.py", "params_file", "~", "a folder"),
        ("ssen.launch.py", "use_sim_time", "yes", "expected true or false"),
        ("ssen.launch.py", "rviz", "on", "expected true or false"),
        ("ssen.launch.py", "autostart", "no", "expected true or false"),
        ("ssen.launch.py", "namespaced_tf", "2", "expected true or false"),
        ("demo.launch.py", "use_sim_time", "yes", "expected true or false"),
        ("robots.launch.py", "robots", "robot1,", "expected names that differ"),
        ("robots.launch.py", "robots", "", "expected names that differ"),
        ("robots.launch.py", "robots", "robot1, robot1", "expected names that differ"),
    ],
)
def test_a_slip_in_an_argument_is_an_error_that_names_it(launch, file, argument, value, message):
    with pytest.raises(ConfigError, match=f"{argument}:={value}: {message}"):
        launch(file, **{argument: value})


@pytest.mark.parametrize("name", ["ssen.launch.py", "demo.launch.py", "robots.launch.py", "slam.launch.py"])
def test_all_arguments_are_listed_for_show_args(launch, name):
    from ssen_ros.ros.node_table import SSEN_ARGUMENTS

    (path,) = [path for path in LAUNCH_FILES if path.name == name]
    shown = {argument.name for argument in fake_launch.arguments_of(load(path).generate_launch_description())}
    each_its_own = {"namespace"} if name == "robots.launch.py" else set()
    assert {argument.name for argument in SSEN_ARGUMENTS} - each_its_own <= shown


@pytest.mark.parametrize("namespace", ["", "robot1"])
def test_demo_launch_adds_a_simulator_that_the_node_hears(launch, namespace):
    node, simulator, frame = launch("demo.launch.py", cloud_topic="walk", namespace=namespace)
    assert (node.executable, simulator.executable) == ("ssen_node", "simulator_node")
    assert node.namespace == simulator.namespace == frame.namespace == namespace
    assert node.remappings == simulator.remappings == {"cloud_map": "walk"}
    assert (frame.package, frame.arguments[:2]) == ("tf2_ros", ["--frame-id", "map"])


def test_several_robots_get_a_node_each(launch):
    nodes = launch("robots.launch.py", robots="robot1, robot2", cloud_topic="rtabmap/cloud_map", device="cpu")
    assert [node.namespace for node in nodes] == ["robot1", "robot2"]
    assert all(node.remappings == {"cloud_map": "rtabmap/cloud_map"} for node in nodes)
    assert all(node.parameters[1]["segmenter.device"] == "cpu" for node in nodes)


def test_rtabmap_is_told_to_map_densely_and_keeps_its_own_namespace(launch):
    slam, node, rviz = launch("slam.launch.py", slam="rtabmap", rgb_topic="/camera/color", rviz="true")
    assert {"namespace=rtabmap", "rviz=false", "rgb_topic=/camera/color"} <= set(slam.arguments)
    assert any("--Grid/CellSize 0.02" in text and "--Grid/3D true" in text for text in slam.arguments)
    assert node.remappings == {"cloud_map": "/rtabmap/cloud_map"} and node.namespace == ""
    assert rviz.executable == "rviz2"


def test_what_is_given_for_rtabmap_wins_and_a_database_to_localize_in_is_kept(launch):
    slam, _ = launch("slam.launch.py", slam="rtabmap", args="--Grid/CellSize 0.03")
    assert "args=--Grid/CellSize 0.03" in slam.arguments
    (kept,) = (
        text
        for text in launch("slam.launch.py", slam="rtabmap", localization="true")[0].arguments
        if text.startswith("args=")
    )
    assert "--delete_db_on_start" not in kept and "--Grid/CellSize 0.02" in kept


@pytest.mark.parametrize(("given", "expected"), [("", None), ("true", True), ("1", True), ("false", False)])
def test_simulated_time_is_the_parameter_files_affair_unless_given(launch, given, expected):
    node, *_ = launch("ssen.launch.py", **({"use_sim_time": given} if given else {}))
    own = node.parameters[1] if len(node.parameters) > 1 else {}
    assert own.get("use_sim_time") is expected


def test_what_the_slam_requires_is_missed_where_it_is_not_given(launch):
    with pytest.raises(RuntimeError, match="camera_model"):
        launch("slam.launch.py", slam="zed")


def test_what_is_given_for_both_reaches_both_and_the_rest_leaves_the_slam_as_it_is(launch):
    slam, node = launch("slam.launch.py", slam="zed", camera_model="zed2", namespace="robot1")
    assert {"use_sim_time=default use_sim_time", "namespace=default namespace"} <= set(slam.arguments)
    assert node.namespace == "robot1"
    slam, node = launch("slam.launch.py", slam="rtabmap", use_sim_time="true", device="cpu")
    assert "use_sim_time=true" in slam.arguments
    assert node.parameters[1] == {"use_sim_time": True, "segmenter.device": "cpu"}


def test_zed_is_told_to_map(launch):
    slam, node = launch("slam.launch.py", slam="zed", camera_model="zed2i")
    assert "camera_model=zed2i" in slam.arguments
    assert node.remappings == {"cloud_map": "/zed/zed_node/mapping/fused_cloud"}
    path = next(text.split("=")[1] for text in slam.arguments if text.startswith("ros_params_override_path"))
    parameters = yaml.safe_load(Path(path).read_text(encoding="utf-8"))["/**"]["ros__parameters"]
    assert parameters["mapping"]["mapping_enabled"] is True and parameters["mapping"]["resolution"] <= 0.03


def test_beside_nvblox_the_cameras_clouds_are_put_together(launch):
    pytest.importorskip("rclpy", reason="NodeConfig belongs to the ROS side")
    from ssen_ros.config import with_values
    from ssen_ros.ros.parameters import NodeConfig

    (node,) = launch("slam.launch.py", slam="nvblox", cloud_topic="/camera0/depth/color/points")
    assert node.remappings == {"cloud_map": "/camera0/depth/color/points"}
    parameters = yaml.safe_load(Path(node.parameters[0]).read_text(encoding="utf-8"))["/**"][
        "ros__parameters"
    ]
    flat = {
        f"{group}.{name}": value for group, leaves in parameters.items() for name, value in leaves.items()
    }
    config = with_values(NodeConfig(), flat)
    assert (config.map.mode, config.frames.target_frame) == ("incremental", "odom")


@pytest.mark.skipif(
    importlib.util.find_spec("launch_ros")
    is None,  # `launch` alone would name the folder of the checkout too
    reason="launch and launch_ros are part of a ROS distribution and not on PyPI",
)
@pytest.mark.parametrize(
    ("name", "executables"),
    [
        ("ssen.launch.py", ["ssen_node", "rviz2"]),
        ("demo.launch.py", ["ssen_node", "rviz2", "simulator_node", "static_transform_publisher"]),
    ],
)
def test_launch_itself_reads_the_files_alike(name, executables):
    from launch import LaunchContext
    from launch_ros.actions import Node

    context = LaunchContext()
    context.launch_configurations.update({"rviz": "true", "cloud_topic": "map"})
    started, pending = [], list(load(CHECKOUT / "launch" / name).generate_launch_description().entities)
    while pending:
        entity = pending.pop(0)
        if not isinstance(entity, Node):
            pending = list(entity.visit(context) or []) + pending
        else:
            started.append(entity.node_executable)
    assert started == executables


def test_every_argument_is_documented():
    from ssen_ros.ros.node_table import SSEN_ARGUMENTS

    page = (CHECKOUT / "docs" / "slam.md").read_text(encoding="utf-8")
    section = page.split("\n## Launch arguments\n")[1].split("\n## ")[0]
    rows = [line for line in section.splitlines() if line.startswith("| `")]
    for argument in SSEN_ARGUMENTS:
        assert any(f"`{argument.name}`" in row.split("|")[1] for row in rows), argument.name
