"""Work that takes much memory in small pieces and frees nearly all, as networks do that load and compute."""

import platform
from collections.abc import Callable

import psutil
import pytest

TAKEN = 100_000_000  # bytes

glibc = pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="only glibc is told to give memory back")


def take_and_free(then: Callable[[], object] = lambda: None) -> list[bytes]:
    """Takes TAKEN bytes and frees them, but for a little here and there, which is handed back: what is free
    lies between it, so that the C library by itself gives nothing back. `then` is called at the peak.
    """
    pieces = [b"." * size for _ in range(TAKEN // 100_000) for size in (99_000, 1_000)]
    then()
    return pieces[1::2]


def resident_bytes() -> int:
    """Of this process."""
    return psutil.Process().memory_info().rss
