"""Prints what pyproject.toml asks for, one requirement a line: `scripts/requirements.py build run test`.

Groups: `build` (build-system), `run` (dependencies), or the name of an extra; `--distro jazzy`: with the
wheels of that ROS 2 distribution. pip cannot be told to install a project's requirements without building the
project, which here needs them installed.
"""

import argparse
import re
import sys
from pathlib import Path

try:
    import tomllib
except ModuleNotFoundError:
    raise SystemExit(
        f"Python {sys.version.split()[0]}: expected 3.11 or newer, which has tomllib; "
        "remove .venv and name another interpreter, such as `make PYTHON=python3.12`"
    ) from None

PYPROJECT = Path(__file__).resolve().parents[1] / "pyproject.toml"

# The wheels of Kilted, which pyproject.toml names, are called `ros-...`, those of Jazzy `ros-jazzy-...`.
PREFIXES = {"kilted": "ros-", "jazzy": "ros-jazzy-"}
RENAMED = {"jazzy": {"ros-ament-cmake-ros-core": "ros-ament-cmake-ros"}}
# The metadata of Jazzy's wheels leave out what their CMake files look for.
FORGOTTEN = {
    "jazzy": [
        "ros-ament-cmake-gmock",
        "ros-ament-cmake-gtest",
        "ros-ament-cmake-pytest",
        "ros-domain-coordinator",
        "ros-python-cmake-module",
        "ros-rmw-implementation-cmake",
    ]
}


def requirements(group: str) -> list[str]:
    """The requirements of one group."""
    pyproject = tomllib.loads(PYPROJECT.read_text(encoding="utf-8"))
    groups = {
        "build": pyproject["build-system"]["requires"],
        "run": pyproject["project"]["dependencies"],
        **pyproject["project"]["optional-dependencies"],
    }
    if group not in groups:
        raise SystemExit(f"unknown group {group!r}; known: {', '.join(groups)}")
    return groups[group]


def of_distribution(distribution: str, lines: list[str]) -> list[str]:
    """The same requirements with the ROS packages of `distribution`."""
    renamed = RENAMED.get(distribution, {})
    if any(line.startswith("ros-ament") for line in lines):
        lines = lines + FORGOTTEN.get(distribution, [])
    return [re.sub("^ros-", PREFIXES[distribution], renamed.get(line, line)) for line in lines]


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--distro", choices=PREFIXES, default="kilted")
    parser.add_argument("groups", nargs="+")
    given = parser.parse_args()
    wanted = [line for group in given.groups for line in requirements(group)]
    print(*dict.fromkeys(of_distribution(given.distro, wanted)), sep="\n")
