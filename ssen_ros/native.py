"""The compiled library `libssen_native.so` (sources in src/, built by CMakeLists.txt), called through ctypes.

Whoever uses it has a slower way in plain Python for where it is missing; `library` says so once.
Its threads are OpenMP's and do not survive a fork: once they have worked, start processes by spawn.
"""

import ctypes
import logging
import os
import sys
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

import ssen_ros

log = logging.getLogger(__name__)

NAME = "libssen_native.so"
INTERFACE = 5  # of src/native.cpp: `ssen_interface`


@cache
def library() -> ctypes.CDLL | None:
    """The library, or None with one warning where it cannot be used.

    It lies beside the modules of an installed package. The environment variable SSEN_NATIVE_LIBRARY names
    another file; empty, it turns the library off.
    """
    override = os.environ.get("SSEN_NATIVE_LIBRARY")
    if override == "":
        return None
    folders = [Path(folder) for folder in ssen_ros.__path__]
    candidates = [Path(override)] if override else [folder / NAME for folder in folders]
    path = next((p for p in candidates if p.is_file()), None)
    if path is None:
        return _without(f"not found in {', '.join(str(p.parent) for p in candidates)}")
    try:
        loaded = ctypes.CDLL(str(path))
        found = loaded.ssen_interface()
    except (OSError, AttributeError) as error:
        return _without(str(error))
    if found != INTERFACE:
        return _without(f"{path} has interface {found}, expected {INTERFACE}")
    loaded.ssen_watch.restype, loaded.ssen_watch.argtypes = None, [ctypes.c_void_p]
    return loaded


def declared(signatures: Mapping[str, tuple[Any, list]]) -> ctypes.CDLL | None:
    """The library, told the (result, arguments) of these functions of it; None where it is missing."""
    loaded = library()
    if loaded is not None:
        for name, (result, arguments) in signatures.items():
            function = getattr(loaded, name)
            function.restype, function.argtypes = result, arguments
    return loaded


def _without(reason: str) -> None:
    log.warning(
        "%s is not used, networks and clustering will run several times slower (%s); "
        "`pip install .` or `colcon build` makes it",
        NAME,
        reason,
    )


def trim() -> None:
    """Give memory that was freed back to the system, where the C library is glibc and knows how."""
    if give_back := _of_glibc("malloc_trim"):
        give_back(0)


def bound_arenas() -> None:
    """Have all threads share two pools of freed memory, in glibc; to be called before there are any.

    It makes eight for each core, and gives a new thread the next one: networks that are loaded and let go
    again and again, each time by another thread, would fill them all.
    """
    if set_option := _of_glibc("mallopt"):
        set_option(_M_ARENA_MAX, 2)


_M_ARENA_MAX = -8  # of malloc.h


def _of_glibc(name: str):
    return getattr(ctypes.CDLL(None), name, None) if sys.platform == "linux" else None


def address(array) -> ctypes.c_void_p:
    """Where the memory of a numpy array or a torch tensor begins; null for None.

    Raises ValueError for memory that the library cannot walk through: on a GPU, or with gaps.
    """
    if array is None:
        return ctypes.c_void_p()
    if hasattr(array, "data_ptr"):
        if array.device.type != "cpu" or not array.is_contiguous():
            found = f"{array.device}, strides {array.stride()}"
            raise ValueError(f"a tensor on {found}: expected one on the CPU without gaps")
        return ctypes.c_void_p(array.data_ptr())
    if not array.flags.c_contiguous:
        raise ValueError(f"an array of strides {array.strides}: expected one without gaps")
    return ctypes.c_void_p(array.ctypes.data)
