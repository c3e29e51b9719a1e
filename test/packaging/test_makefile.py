"""What `make` promises beyond building."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

CHECKOUT = Path(__file__).resolve().parents[2]

OLD_PYTHON = """
import runpy, sys
sys.modules["tomllib"] = None  # as before Python 3.11: importing it raises ModuleNotFoundError
runpy.run_path("scripts/requirements.py", run_name="__main__")
"""


@pytest.fixture(scope="module")
def cleaned() -> list[str]:
    """What `make clean` removes."""
    told = subprocess.run(
        ["make", "-s", "-n", "clean"], cwd=CHECKOUT, capture_output=True, text=True, timeout=60, check=True
    )
    command, option, *paths = told.stdout.split()
    assert (command, option) == ("rm", "-rf")
    return paths


def test_clean_takes_what_the_demo_wrote_and_leaves_rooms_and_runs(cleaned):
    configs = sorted((CHECKOUT / "config" / "training").glob("*.yaml"))
    kept = ["runs", *(yaml.safe_load(path.read_text(encoding="utf-8"))["data"] for path in configs)]
    assert configs and "out/demo" in cleaned
    for folder in kept:
        assert not any(Path(folder).is_relative_to(path) for path in cleaned), folder


def test_an_old_python_is_told_which_one_is_needed():
    told = subprocess.run(
        [sys.executable, "-c", OLD_PYTHON], cwd=CHECKOUT, capture_output=True, text=True, timeout=60
    )
    assert told.returncode == 1
    assert "expected 3.11 or newer" in told.stderr and "Traceback" not in told.stderr


def requirements(*arguments: str) -> list[str]:
    command = [sys.executable, "scripts/requirements.py", *arguments]
    told = subprocess.run(command, cwd=CHECKOUT, capture_output=True, text=True, timeout=60, check=True)
    return told.stdout.splitlines()


def test_another_distribution_means_other_ros_packages_and_the_same_rest():
    kilted, jazzy = (
        requirements("--distro", name, "build", "run", "ros", "bags", "test") for name in ("kilted", "jazzy")
    )
    assert requirements("build", "run", "ros", "bags", "test") == kilted
    ros = {name for name in jazzy if name.startswith("ros-")}
    assert all(name.startswith("ros-jazzy-") for name in ros)
    assert {name for name in kilted if not name.startswith("ros-")} == set(jazzy) - ros
    assert {"ros-jazzy-rclpy", "ros-jazzy-ament-cmake-ros"} <= ros
    assert not any(name.startswith("ros-") for name in requirements("--distro", "jazzy", "run", "test"))


@pytest.mark.parametrize(("distro", "venv"), [("kilted", ".venv"), ("jazzy", ".venv-jazzy")])
def test_each_distribution_has_a_virtual_environment_of_its_own(distro, venv):
    told = subprocess.run(
        ["make", "-n", "test", f"DISTRO={distro}", "TESTS=test/ros"],
        cwd=CHECKOUT, capture_output=True, text=True, timeout=60, check=True,
    )  # fmt: skip
    assert f"{venv}/bin/pytest test/ros" in told.stdout


@pytest.mark.parametrize(("tests", "workers"), [("", str(len(os.sched_getaffinity(0)))), ("test/ros", "0")])
def test_the_whole_suite_runs_on_every_core_and_some_tests_in_one_process(tests, workers):
    told = subprocess.run(
        ["make", "-n", "test", f"TESTS={tests}"],
        cwd=CHECKOUT, capture_output=True, text=True, timeout=60, check=True,
        env={"PATH": os.environ["PATH"], "OMP_NUM_THREADS": "1"},  # no word of a make around it
    )  # fmt: skip
    (command,) = (line for line in told.stdout.splitlines() if "/bin/pytest" in line)
    assert command.split()[-2:] == ["-n", workers]
