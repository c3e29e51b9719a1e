"""The memory of this process, in MB of 2^20 bytes."""

import psutil


def resident_mb() -> float:
    return psutil.Process().memory_info().rss / 2**20


def peak_mb() -> float:
    """The most that was ever resident. Linux alone tells it of this process by itself.

    `getrusage`, which other systems have too, begins with the peak of the process that started this one.
    """
    with open("/proc/self/status", encoding="ascii") as status:
        line = next(line for line in status if line.startswith("VmHWM"))
    return int(line.split()[1]) / 1024
