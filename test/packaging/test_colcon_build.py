"""`colcon build` of a copy of the checkout, from nothing, and what its workspace then offers."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

CHECKOUT = Path(__file__).resolve().parents[2]
NOT_SOURCE = (
    ".git",
    ".venv*",
    ".*_cache",
    ".hypothesis",
    "__pycache__",
    "build",
    "install",
    "log",
    "out",
    "runs",
)

pytestmark = pytest.mark.slow

HEAVY = ("torch", "scipy")

USE = """
import sys
from pathlib import Path
from ament_index_python import get_package_prefix, get_package_share_directory
from rclpy.serialization import deserialize_message, serialize_message
import ssen_ros.ros.node_table
for module in ("torch", "scipy"):
    sys.modules[module] = None  # whoever has the messages alone has none of these
from ssen_ros.msg import Instance, InstanceArray
from ssen_ros.srv import GetInstances

sent = InstanceArray(instances=[Instance(id=7, class_name="chair")])
assert deserialize_message(serialize_message(sent), InstanceArray) == sent
assert GetInstances.Response(instances=sent).instances == sent
print(ssen_ros.ros.node_table.__file__, sys.modules["ssen_ros.msg"].__file__)
print(get_package_prefix("ssen_ros"), get_package_share_directory("ssen_ros"))
"""


@pytest.fixture(scope="module")
def workspace(tmp_path_factory) -> Path:
    """A colcon workspace that holds only this package, built where PyTorch and SciPy cannot be imported."""
    colcon = shutil.which("colcon", path=_environment()["PATH"])
    if colcon is None:
        pytest.fail("colcon is not installed; run `make setup`")
    workspace = tmp_path_factory.mktemp("workspace")
    shutil.copytree(CHECKOUT, workspace / "src" / "ssen_ros", ignore=shutil.ignore_patterns(*NOT_SOURCE))
    missing = tmp_path_factory.mktemp("missing")
    for module in HEAVY:
        (missing / f"{module}.py").write_text(f"raise ModuleNotFoundError({module!r})")
    build = subprocess.run(
        [colcon, "build", "--event-handlers", "console_direct+"],
        cwd=workspace, env={**_environment(), "PYTHONPATH": str(missing)}, capture_output=True, text=True,
        timeout=600,
    )  # fmt: skip
    assert build.returncode == 0, build.stdout[-6000:] + build.stderr[-3000:]
    return workspace


def test_a_sourced_workspace_offers_modules_messages_and_package(workspace):
    used = _in_workspace(workspace, "python", "-c", USE)
    install = workspace / "install" / "ssen_ros"
    processes, messages, prefix, share = map(Path, used.split())
    assert processes.is_relative_to(install) and messages.is_relative_to(install)
    assert prefix == install and share == install / "share" / "ssen_ros"


def test_executables_and_shared_files_are_where_ros2_run_and_launch_look(workspace):
    install = workspace / "install" / "ssen_ros"
    for name in ("ssen", "ssen_node", "simulator_node", "player_node"):
        assert os.access(install / "lib" / "ssen_ros" / name, os.X_OK)
    share = install / "share" / "ssen_ros"
    for folder in ("launch", "config", "examples"):
        names = {path.name for path in (CHECKOUT / folder).iterdir() if path.name != "__pycache__"}
        assert {path.name for path in (share / folder).iterdir()} == names


def test_weights_are_installed(workspace):
    weights = {path.name for path in (CHECKOUT / "ssen_ros" / "weights").glob("*")}
    installed = {path.name for path in (workspace / "install").rglob("ssen_ros/weights/*")}
    assert weights and installed == weights


def test_the_compiled_library_is_installed_and_loads(workspace):
    program = "from ssen_ros import native; print(native.library()._name)"
    library = Path(_in_workspace(workspace, sys.executable, "-c", program).strip())
    assert library.is_relative_to(workspace / "install")


def test_the_node_starts_from_its_executable(workspace):
    executable = workspace / "install" / "ssen_ros" / "lib" / "ssen_ros" / "ssen_node"
    refused = _in_workspace(
        workspace, executable, "--ros-args", "-p", "clustering.min_cluster_size:=0", expect_success=False
    )
    # It has found modules, messages and parameters if it gets as far as naming the wrong value.
    assert "clustering.min_cluster_size = 0" in refused


def _environment() -> dict[str, str]:
    """A shell in this Python environment that knows nothing of the checkout."""
    hidden = ("PYTHONPATH", "LD_LIBRARY_PATH", "_ROS_WHEELS_BOOTSTRAP_COMPLETE")
    environment = {key: value for key, value in os.environ.items() if key not in hidden}
    environment["PATH"] = os.pathsep.join([str(Path(sys.executable).parent), environment["PATH"]])
    if "AMENT_PREFIX_PATH" not in os.environ:  # no distribution is sourced: the ROS wheels' prefix
        environment |= {"AMENT_PREFIX_PATH": sys.prefix, "CMAKE_PREFIX_PATH": sys.prefix}
    return environment


def _in_workspace(workspace: Path, *command: str | Path, expect_success: bool = True) -> str:
    """Output of a command run in a shell that has sourced the workspace."""
    setup = workspace / "install" / "local_setup.bash"
    done = subprocess.run(
        ["bash", "-c", 'source "$0" && exec "$@"', setup, *command],
        cwd=workspace, env=_environment(), capture_output=True, text=True, timeout=120,
    )  # fmt: skip
    assert (done.returncode == 0) == expect_success, done.stdout + done.stderr
    return done.stdout if expect_success else done.stdout + done.stderr
