"""`pip install .` of a copy of the checkout, from nothing, into an empty prefix."""

import os
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest

CHECKOUT = Path(__file__).resolve().parents[2]
SOURCES = (
    "CMakeLists.txt", "LICENSE", "README.md", "package.xml", "pyproject.toml", "setup.py",
    "cmake", "config", "examples", "launch", "msg", "scripts", "src", "srv", "ssen_ros",
)  # fmt: skip

pytestmark = pytest.mark.slow

USE = """
import sys
import ssen_ros, ssen_ros.cli, ssen_ros.msg, ssen_ros.srv
from ament_index_python import get_package_share_directory
from rclpy.serialization import deserialize_message, serialize_message

sent = ssen_ros.msg.InstanceArray(instances=[ssen_ros.msg.Instance(id=7, class_name="chair")])
assert deserialize_message(serialize_message(sent), ssen_ros.msg.InstanceArray) == sent
assert ssen_ros.srv.GetInstances.Response(instances=sent).instances == sent
print(ssen_ros.cli.__file__, ssen_ros.msg.__file__, get_package_share_directory("ssen_ros"), sep="\\n")
"""


@pytest.fixture(scope="module")
def prefix(tmp_path_factory) -> Path:
    """Holds the installed package alone; the libraries it needs are those of this environment."""
    root = tmp_path_factory.mktemp("pip")
    source, prefix = root / "source", root / "prefix"
    source.mkdir()
    for name in SOURCES:
        path = CHECKOUT / name
        if path.is_dir():
            shutil.copytree(path, source / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(path, source / name)
    install = _python(
        prefix, "-m", "pip", "install", "-q", "--disable-pip-version-check", "--no-index", "--no-deps",
        "--no-build-isolation", "--ignore-installed", "--prefix", prefix, source, timeout=500,
    )  # fmt: skip
    assert install.returncode == 0, install.stdout[-3000:] + install.stderr[-6000:]
    return prefix


def test_a_fresh_interpreter_imports_command_line_and_messages_from_there(prefix):
    used = _python(prefix, "-c", USE)
    assert used.returncode == 0, used.stderr
    paths = [Path(line) for line in used.stdout.splitlines()]
    assert len(paths) == 3 and all(path.is_relative_to(prefix) for path in paths), paths


@pytest.mark.parametrize("command", ["ssen", "ssen_node", "simulator_node", "player_node"])
def test_commands_are_installed_for_the_interpreter(prefix, command):
    script = prefix / "bin" / command
    assert os.access(script, os.X_OK)
    assert sys.executable in script.read_text(encoding="utf-8")


def test_the_command_line_answers(prefix):
    answer = _python(prefix, prefix / "bin" / "ssen", "--version")
    assert answer.returncode == 0 and answer.stdout.startswith("ssen_ros "), answer.stderr


def test_the_compiled_library_is_installed_and_loads(prefix):
    program = "from ssen_ros import native; print(native.library()._name)"
    answer = _python(prefix, "-c", program)
    assert answer.returncode == 0, answer.stderr
    assert Path(answer.stdout.strip()).resolve().is_relative_to(prefix.resolve())


def _python(prefix: Path, *arguments: str | Path, timeout: float = 100) -> subprocess.CompletedProcess:
    """This interpreter with the prefix before its own packages, and nothing of the checkout."""
    hidden = ("PYTHONHOME", "_ROS_WHEELS_BOOTSTRAP_COMPLETE")
    variables = {key: value for key, value in os.environ.items() if key not in hidden}
    site_packages = sysconfig.get_path("platlib", vars={"base": str(prefix), "platbase": str(prefix)})
    outer = [sys.prefix] if "AMENT_PREFIX_PATH" not in os.environ else []
    for name, first, others in [
        ("PYTHONPATH", site_packages, _without_checkout("PYTHONPATH")),
        ("LD_LIBRARY_PATH", str(prefix / "lib"), _without_checkout("LD_LIBRARY_PATH")),
        ("AMENT_PREFIX_PATH", str(prefix), [*_without_checkout("AMENT_PREFIX_PATH"), *outer]),
        ("PATH", str(Path(sys.executable).parent), _without_checkout("PATH")),
    ]:
        variables[name] = os.pathsep.join([first, *others])
    return subprocess.run(
        [sys.executable, *arguments],
        cwd=prefix.parent, env=variables, capture_output=True, text=True, timeout=timeout,
    )  # fmt: skip


def _without_checkout(variable: str) -> list[str]:
    folders = [folder for folder in os.environ.get(variable, "").split(os.pathsep) if folder]
    return [folder for folder in folders if Path(folder).resolve() != CHECKOUT]
