"""Nodes in processes of their own, for a command that starts them, watches them and ends them."""

import os
import random
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from ssen_ros.errors import SsenError
from ssen_ros.ros.installed import shared_file
from ssen_ros.ros.node_table import NodeProcess

_STOP_TIMEOUT_S = 10.0

# Higher domains use ports that Linux hands to clients; 0 is everybody's.
_DOMAINS = range(20, 100)
# Kilted and later read the first and warn of the second, which is all that Humble and Jazzy know.
_PROFILE_VARIABLES = ("FASTDDS_DEFAULT_PROFILES_FILE", "FASTRTPS_DEFAULT_PROFILES_FILE")
_OLDER_DISTRIBUTIONS = ("humble", "iron", "jazzy")
_SHARED_MEMORY_BYTES = 256 * 2**20  # what the Fast DDS profile may take for three processes, and some
_LOG_TAIL = 15  # lines


@dataclass(frozen=True)
class Running:
    name: str
    process: subprocess.Popen
    log_path: Path

    @property
    def exit_code(self) -> int | None:
        return self.process.poll()

    def stop(self) -> None:
        """SIGINT, and what it takes if that is not heard."""
        for ask in (
            lambda: self.process.send_signal(signal.SIGINT),
            self.process.terminate,
            self.process.kill,
        ):
            if self.exit_code is not None:
                return
            ask()
            try:
                self.process.wait(_STOP_TIMEOUT_S)
            except subprocess.TimeoutExpired:
                continue

    def explain(self) -> None:
        """The end of the log, on stderr."""
        lines = self.log_path.read_text(errors="replace").splitlines()[-_LOG_TAIL:]
        print(f"--- the end of {self.log_path}", *lines, "---", sep="\n", file=sys.stderr)

    def fail_if_dead(self, may_finish: bool = False) -> None:
        """Raises SsenError where the process has ended, save with exit code 0 if it may."""
        code = self.exit_code
        if code is None or (may_finish and code == 0):
            return
        self.explain()
        raise SsenError(f"{self.name} ended with exit code {code}; expected it to run; see {self.log_path}")


@contextmanager
def running(node: NodeProcess, out_dir: Path, params_file: Path | None = None) -> Iterator[Running]:
    """A process of this node, its log in `out_dir`; ended with the context."""
    log_path = out_dir / f"{node.executable}.log"
    with open(log_path, "wb") as log:
        process = subprocess.Popen(
            node.command(params_file),
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,  # Ctrl-C reaches this process alone, which then ends the others in order
        )
    child = Running(node.executable, process, log_path)
    try:
        yield child
    finally:
        child.stop()


def private_environment(out_dir: Path, large_clouds: bool = True) -> dict[str, str]:
    """What this process and the nodes need: this machine only, a domain of their own, big clouds.

    `large_clouds`: by the Fast DDS profile of the package, unless the user has one or /dev/shm is too small.
    """
    own_domain = str(random.SystemRandom().choice(_DOMAINS))
    values = {
        "ROS_AUTOMATIC_DISCOVERY_RANGE": "LOCALHOST",
        "ROS_DOMAIN_ID": os.environ.get("ROS_DOMAIN_ID", own_domain),
        "ROS_LOG_DIR": str((out_dir / "ros_log").resolve()),
        "RCUTILS_COLORIZED_OUTPUT": "0",
        "PYTHONUNBUFFERED": "1",
    }
    profile = shared_file("ssen_ros", "config/fastdds_large_clouds.xml")
    own_profile = any(name in os.environ for name in _PROFILE_VARIABLES)
    if large_clouds and profile and not own_profile and _shared_memory_suffices():
        is_older = os.environ.get("ROS_DISTRO") in _OLDER_DISTRIBUTIONS
        values[_PROFILE_VARIABLES[is_older]] = str(profile)
    return values


def fast_dds_profile() -> str:
    """The name of the profile that processes started now go by; "none" for Fast DDS as it comes."""
    given = [os.environ[name] for name in _PROFILE_VARIABLES if name in os.environ]
    return Path(given[0]).name if given else "none"


def _shared_memory_suffices() -> bool:
    """False in a container with the usual 64 MB of /dev/shm, where the profile's segments do not fit."""
    try:
        return shutil.disk_usage("/dev/shm").free >= _SHARED_MEMORY_BYTES
    except OSError:
        return False


@contextmanager
def environment_set(values: dict[str, str]) -> Iterator[None]:
    before = {name: os.environ.get(name) for name in values}
    os.environ.update(values)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


@contextmanager
def sigterm_as_interrupt() -> Iterator[None]:
    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
