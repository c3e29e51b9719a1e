"""How much a small file may ask for: what it declares is checked before any of it is believed."""

import os

VARIABLE = "SSEN_MAX_BYTES"  # environment: bytes that a file or message may unpack to, in place of the rule
_ALWAYS = 40_000_000  # bytes; what any file may unpack to
_RATIO = 50  # times its own size; maps and samples reach 10


def require_affordable(unpacked: int, packed: int, what: str) -> None:
    """Raises ValueError where `packed` bytes of a file or message promise more than they may."""
    most = most_bytes(packed)
    if unpacked > most:
        raise ValueError(
            f"{what} would be {unpacked:,} bytes, unpacked from {packed:,}; expected {most:,} at most; if "
            f"you trust it, allow more with the environment variable {VARIABLE}"
        )


def most_bytes(packed: int) -> int:
    """What so many bytes may unpack to: 40 MB, or 50 times as much; or what SSEN_MAX_BYTES says."""
    allowed = os.environ.get(VARIABLE, "")
    return int(allowed) if allowed.isdigit() else max(_ALWAYS, _RATIO * packed)
