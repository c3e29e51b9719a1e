"""What `pip install .` (`make`) leaves in the environment that runs these tests."""

import importlib.metadata
import os
import subprocess
import sys
import sysconfig
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import pytest

CHECKOUT = Path(__file__).resolve().parents[2]
EXECUTABLES = ("ssen", "ssen_node", "simulator_node", "player_node")

ROUND_TRIP = """
from ament_index_python import get_package_share_directory
from rclpy.serialization import deserialize_message, serialize_message
from ssen_ros.msg import Instance, InstanceArray, InstanceEvent

sent = InstanceArray(
    voxel_size=0.5,
    instances=[Instance(id=7, state=Instance.MISSING)],
    events=[InstanceEvent(kind=InstanceEvent.SPLIT, id=7, other_ids=[8, 9])],
)
assert deserialize_message(serialize_message(sent), InstanceArray) == sent
print(get_package_share_directory("ssen_ros"))
"""


@pytest.fixture(scope="module")
def distribution() -> importlib.metadata.Distribution:
    """The installed distribution; a build may have left metadata in the checkout, which is no install."""
    site_packages = [sysconfig.get_path("platlib")]
    for found in importlib.metadata.distributions(name="ssen-ros", path=site_packages):
        return found
    pytest.fail("ssen-ros is not installed in this environment; run `make setup`")


@pytest.fixture(scope="module")
def installed(distribution) -> set[str]:
    """Paths of the distribution's files that exist, relative to the environment's prefix."""
    paths = [Path(os.path.normpath(distribution.locate_file(file))) for file in distribution.files]
    return {os.path.relpath(path, sys.prefix) for path in paths if path.exists()}


def test_every_module_and_weight_of_the_checkout_is_installed(installed):
    site_packages = f"lib/python{sys.version_info.major}.{sys.version_info.minor}/site-packages"
    package = [path for path in (CHECKOUT / "ssen_ros").rglob("*") if path.is_file()]
    expected = {
        f"{site_packages}/{path.relative_to(CHECKOUT)}" for path in package if "__pycache__" not in path.parts
    }
    assert expected
    assert sorted(expected - installed) == [], "run `make setup` to install the checkout anew"


def test_share_holds_what_ros_tools_look_for(installed):
    share = "share/ssen_ros"
    expected = {f"{share}/package.xml", "share/ament_index/resource_index/packages/ssen_ros"}
    expected |= {f"{share}/{p.relative_to(CHECKOUT)}" for p in (CHECKOUT / "launch").glob("*.launch.py")}
    for folder in ("config", "examples"):
        files = (path for path in (CHECKOUT / folder).iterdir() if path.is_file())
        expected |= {f"{share}/{folder}/{path.name}" for path in files}
    expected |= {
        f"{share}/{p.relative_to(CHECKOUT)}" for kind in ("msg", "srv") for p in (CHECKOUT / kind).iterdir()
    }
    assert sorted(expected - installed) == []


def test_executables_start_from_where_ros2_run_looks(installed):
    for name in EXECUTABLES:
        assert {f"lib/ssen_ros/{name}", f"bin/{name}"} <= installed
        launcher = Path(sys.prefix, "lib", "ssen_ros", name)
        assert os.access(launcher, os.X_OK)
        assert (launcher.parent / f"../../bin/{name}").resolve().is_file()


def test_commands_are_those_of_the_table_of_processes(distribution):
    from ssen_ros.ros.node_table import player_process, simulator_process, ssen_node_process

    entry_points = distribution.entry_points
    commands = {entry.name: entry.value for entry in entry_points if entry.group == "console_scripts"}
    assert commands.pop("ssen") == "ssen_ros.cli:main"
    table = [ssen_node_process(), simulator_process(), player_process(cloud="cloud.npz")]
    assert commands == {process.executable: f"{process.module}:main" for process in table}


def test_a_fresh_interpreter_imports_messages_and_finds_the_package(tmp_path):
    hidden = ("PYTHONPATH", "LD_LIBRARY_PATH", "_ROS_WHEELS_BOOTSTRAP_COMPLETE")
    environment = {key: value for key, value in os.environ.items() if key not in hidden}
    environment["AMENT_PREFIX_PATH"] = sys.prefix
    share = subprocess.run(
        [sys.executable, "-c", ROUND_TRIP],
        cwd=tmp_path, env=environment, check=True, capture_output=True, text=True, timeout=60,
    )  # fmt: skip
    assert Path(share.stdout.strip()).resolve() == Path(sys.prefix).resolve() / "share" / "ssen_ros"


def test_version_is_the_same_everywhere(distribution):
    import ssen_ros

    manifest = ElementTree.parse(CHECKOUT / "package.xml").getroot()
    changelog = (CHECKOUT / "CHANGELOG.rst").read_text(encoding="utf-8").splitlines()
    assert manifest.findtext("version") == ssen_ros.__version__
    assert distribution.version == ssen_ros.__version__
    assert any(line.split(" ")[0] == ssen_ros.__version__ for line in changelog)
