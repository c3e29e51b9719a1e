"""Memory that may still be asked for before the system ends a process to get some back.

Linux grants memory that it does not have, and kills somebody once it is used. A MemoryError can be dealt
with, a killed process cannot: so whatever is about to take much asks here first.
"""

from collections.abc import Iterator
from pathlib import Path

import psutil

from ssen_ros.native import trim

RESERVE = 0.05  # of all memory, which is left to others and to what is not counted
_LITTLE = 32e6  # bytes

_OWN_GROUPS = Path("/proc/self/cgroup")
_ALL_GROUPS = Path("/sys/fs/cgroup")
# Of control groups of version 2, and of version 1: where they lie; limit; use; files that can be read again.
_V2 = ("", "memory.max", "memory.current", "inactive_file")
_V1 = ("memory", "memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file")


def free_bytes() -> float:
    """Of the machine, and of each control group around this process, whichever leaves least; below 0: none.

    Swap does not count, nor does RESERVE.
    """
    machine = psutil.virtual_memory()
    return min([machine.available - RESERVE * machine.total, *_free_in_groups()])


def is_short(needed: float) -> bool:
    """Fewer bytes are free than are needed; of little, nobody asks."""
    return needed > _LITTLE and needed > free_bytes()


def require(needed: float, what: str) -> None:
    """Raises MemoryError where `what` needs more bytes than are free."""
    if is_short(needed):
        trim()  # what this process has freed may not have gone back yet
        if is_short(needed):
            raise MemoryError(
                f"{what} needs about {needed / 1e6:,.0f} MB, {max(0.0, free_bytes()) / 1e6:,.0f} MB are free "
                f"beside a reserve of {100 * RESERVE:g} %"
            )


def _free_in_groups() -> Iterator[float]:
    """Containers and services are such groups; one inside another has the limits of both."""
    try:
        lines = _OWN_GROUPS.read_text().splitlines()
    except OSError:  # no Linux
        return
    for line in lines:
        _, kinds, path = line.split(":", 2)
        if kinds and "memory" not in kinds.split(","):
            continue
        folder, *files = _V1 if kinds else _V2
        root, own = _ALL_GROUPS / folder, Path(path.lstrip("/"))
        for group in (root / own, *(root / parent for parent in own.parents)):
            try:
                yield _free_in(group, *files)
            except (OSError, ValueError):  # not seen from inside a container, or without a limit
                continue


def _free_in(group: Path, limit: str, use: str, files: str) -> float:
    most = int((group / limit).read_text())
    told = dict(line.split() for line in (group / "memory.stat").read_text().splitlines())
    return (1 - RESERVE) * most - (int((group / use).read_text()) - int(told.get(files, 0)))
