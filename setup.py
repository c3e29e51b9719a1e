"""The pip front end of the ament_cmake package: `pip install .` runs the CMakeLists.txt that colcon runs.

colcon never calls this file (package.xml says ament_cmake). CMake builds and installs into a staging
prefix; the wheel is that prefix: Python modules and messages go to site-packages; `share/`, `include/`
and `lib/` go to the environment's prefix, where the ros-* wheels keep theirs and where ament_index,
the loader and the rosidl tools look.
"""

import os
import shutil
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

from setuptools import Distribution, setup
from setuptools.command.build_py import build_py
from setuptools.errors import ExecError

ROOT = Path(__file__).resolve().parent
PACKAGE = "ssen_ros"

# The console script beside it carries the interpreter's path, written by pip for the environment.
LAUNCHER = '#!/bin/sh\nexec "$(dirname "$0")/../../bin/{name}" "$@"\n'


class PlatformDistribution(Distribution):
    """Tags the wheel for this interpreter and platform: the messages are compiled."""

    def has_ext_modules(self) -> bool:
        return True


class CMakeBuild(build_py):
    """Replaces setuptools' copying of modules by `cmake --target install` into a staging prefix."""

    def run(self) -> None:
        if self.editable_mode:
            raise ExecError(
                "pip install -e cannot build the messages; use `pip install .` with PYTHONPATH at the "
                "checkout, or `colcon build --symlink-install`"
            )
        build_dir = Path(self.get_finalized_command("build").build_temp).resolve() / "cmake"
        stage = build_dir / "stage"
        cmake_install(build_dir, stage)

        python_package = _python_package(stage)
        target = Path(self.build_lib) / PACKAGE
        shutil.rmtree(target, ignore_errors=True)
        shutil.copytree(python_package, target, ignore=shutil.ignore_patterns("__pycache__"))
        self.distribution.data_files = _prefix_files(stage, python_package)

    def get_outputs(self, include_bytecode: bool = True) -> list[str]:
        return [str(path) for path in (Path(self.build_lib) / PACKAGE).rglob("*") if path.is_file()]


def cmake_install(build_dir: Path, stage: Path) -> None:
    """Configure, build and install the package into an empty `stage`."""
    prefixes = _ament_prefixes()
    _forget_other_environment(build_dir, [sys.executable, str(ROOT), *prefixes])
    shutil.rmtree(stage, ignore_errors=True)
    joined = os.pathsep.join(prefixes)
    libraries = [f"{prefix}/lib" for prefix in prefixes] + [os.environ.get("LD_LIBRARY_PATH", "")]
    env = {
        **os.environ,
        "AMENT_PREFIX_PATH": joined,
        "CMAKE_PREFIX_PATH": joined,
        "LD_LIBRARY_PATH": os.pathsep.join(filter(None, libraries)),
    }
    configure = [
        "cmake", "-S", str(ROOT), "-B", str(build_dir), "-Wno-dev",
        "-DBUILD_TESTING=OFF", "-DCMAKE_BUILD_TYPE=Release",
        f"-DCMAKE_INSTALL_PREFIX={stage}", f"-DPython3_EXECUTABLE={sys.executable}",
    ]  # fmt: skip
    jobs = str(os.cpu_count() or 1)
    subprocess.run(configure, check=True, env=env)
    subprocess.run(
        ["cmake", "--build", str(build_dir), "--target", "install", "--parallel", jobs], check=True, env=env
    )


def _ament_prefixes() -> list[str]:
    """Prefixes that hold ROS packages: those of a sourced distribution first, then those of the wheels."""
    prefixes = [prefix for prefix in os.environ.get("AMENT_PREFIX_PATH", "").split(os.pathsep) if prefix]
    generator = find_spec("rosidl_generator_py")
    if generator is None:
        raise ExecError(
            "rosidl_generator_py cannot be imported; source a ROS 2 distribution, or install the build "
            "requirements listed in pyproject.toml"
        )
    # <prefix>/lib/python3.X/site-packages/rosidl_generator_py/__init__.py
    of_wheels = str(Path(generator.origin).resolve().parents[4])
    for prefix in (of_wheels, sys.prefix):
        if prefix not in prefixes and Path(prefix, "share", "ament_cmake").is_dir():
            prefixes.append(prefix)
    return prefixes


def _forget_other_environment(build_dir: Path, environment: list[str]) -> None:
    """Empty `build_dir` if its CMake cache belongs to another interpreter or other ROS packages."""
    record = build_dir / "environment.txt"
    content = "\n".join(environment)
    if not record.is_file() or record.read_text() != content:
        shutil.rmtree(build_dir, ignore_errors=True)
        build_dir.mkdir(parents=True)
        record.write_text(content)


def _python_package(stage: Path) -> Path:
    """The staged ssen_ros package; distributions differ in the name of the folder above it."""
    for folder in ("site-packages", "dist-packages"):
        for path in stage.glob(f"**/{folder}/{PACKAGE}"):
            return path
    raise ExecError(f"CMake installed no Python package {PACKAGE} below {stage}")


def _prefix_files(stage: Path, python_package: Path) -> list[tuple[str, list[str]]]:
    """setuptools' data_files: [(folder relative to the environment's prefix, files)]."""
    for executable in (stage / "lib" / PACKAGE).iterdir():
        executable.write_text(LAUNCHER.format(name=executable.name))
    folders: dict[str, list[str]] = {}
    for path in sorted(stage.rglob("*")):
        in_python = path.is_relative_to(python_package.parent)
        if path.is_file() and not in_python:
            folders.setdefault(str(path.parent.relative_to(stage)), []).append(str(path))
    return sorted(folders.items())


setup(distclass=PlatformDistribution, cmdclass={"build_py": CMakeBuild})
