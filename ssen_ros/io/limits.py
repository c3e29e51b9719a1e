"""How much a small file may ask for: what it declares is checked before any of it is believed."""

import os
from collections.abc import Iterator
from contextlib import contextmanager

OPTION = "--max-bytes"  # of the commands that read files
VARIABLE = "SSEN_MAX_BYTES"  # environment: bytes that a file or message may unpack to, in place of the rule
REMEDY = f"allow more with {OPTION} or the environment variable {VARIABLE}"
_ALWAYS = 40_000_000  # bytes; what any file may unpack to
_RATIO = 50  # times its own size; maps and samples reach 10


def require_affordable(unpacked: int, packed: int, what: str) -> None:
    """Raises ValueError where `packed` bytes of a file or message promise more than they may."""
    most = most_bytes(packed)
    if unpacked > most:
        raise ValueError(
            f"{what} would be {unpacked:,} bytes, unpacked from {packed:,}; expected {most:,} at most; if "
            f"you trust it, {REMEDY}"
        )


def most_bytes(packed: int) -> int:
    """What so many bytes may unpack to: 40 MB, or 50 times as much; or what SSEN_MAX_BYTES says."""
    allowed = os.environ.get(VARIABLE, "")
    return int(allowed) if allowed.isdigit() else max(_ALWAYS, _RATIO * packed)


@contextmanager
def allowing(most: int | None) -> Iterator[None]:
    """Within the block, files and messages may unpack to so many bytes, in processes that it starts too.

    None: as before.
    """
    before = os.environ.get(VARIABLE)
    if most is not None:
        os.environ[VARIABLE] = str(most)
    try:
        yield
    finally:
        if before is None:
            os.environ.pop(VARIABLE, None)
        else:
            os.environ[VARIABLE] = before
