"""The errors this package raises on purpose. Each message gives the value, the expectation and the remedy."""

import lzma
import zipfile
import zlib
from collections.abc import Iterable
from difflib import get_close_matches

# What numpy, zipfile and the decompressors raise on a damaged .npz; MemoryError: a size that is nonsense.
DAMAGED_NPZ = (
    OSError, EOFError, MemoryError, ValueError, KeyError, TypeError,
    zipfile.BadZipFile, zlib.error, lzma.LZMAError,
)  # fmt: skip


def missing_module(error: ModuleNotFoundError) -> str:
    """What to do about it, in words."""
    return (
        f"the Python module {error.name!r} is missing: activate the virtual environment that has it, or pip "
        "install what docs/slam.md lists"
    )


def nearest(name: str, known: Iterable[str]) -> str:
    """A question after the name that is meant, where one of the known names resembles it; else nothing."""
    known = list(known)
    last = {one.rpartition(".")[2]: one for one in known}  # who forgot a group means its member
    close = get_close_matches(name, known, n=1) or get_close_matches(name.rpartition(".")[2], last, n=1)
    return f", did you mean {last.get(close[0], close[0])!r}?" if close else ""


class SsenError(Exception):
    """Base of all errors raised on purpose by ssen_ros."""


class CloudError(SsenError):
    """A point cloud that cannot be used; the map it was meant for is left as it was."""


class DataError(SsenError):
    """A file of a data set that is missing, damaged, or does not fit the others."""


class CheckpointError(SsenError):
    """A checkpoint that does not fit the architecture, the classes or the voxel size asked for."""


class ConfigError(SsenError):
    """A parameter with an unknown name, a wrong type or a value outside its interval."""


class EngineError(SsenError):
    """A sparse engine that was asked for and cannot compute here."""


class BagError(SsenError):
    """A recording that cannot be read or written."""


class FrameError(SsenError):
    """A frame whose place is not known, or in which up is not +Z."""


class MapFileError(SsenError):
    """A saved map that cannot be written, read, or used with the networks that are loaded."""


class CorrectionError(SsenError):
    """A correction by hand that cannot be made: another object, name or place is needed."""


class JobError(SsenError):
    """Workers that cannot be had, or that died over a job."""


class StateError(SsenError):
    """A request that the node cannot meet in the state that it is in."""
