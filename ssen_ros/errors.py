"""The errors this package raises on purpose. Each message gives the value, the expectation and the remedy."""

import lzma
import reprlib
import zipfile
import zlib
from collections.abc import Collection, Iterable
from difflib import get_close_matches
from itertools import islice

# What numpy, zipfile and the decompressors raise on a damaged .npz; MemoryError: a size that is nonsense.
DAMAGED_NPZ = (
    OSError, EOFError, MemoryError, ValueError, KeyError, TypeError,
    zipfile.BadZipFile, zlib.error, lzma.LZMAError,
)  # fmt: skip


# Module -> the packages of pip and of Debian that have it, where the names differ or there are both.
_PACKAGES = {
    "PIL": ("pillow", "python3-pil"),
    "hdbscan": ("hdbscan", ""),
    "lzf": ("python-neo-lzf", ""),
    "matplotlib": ("matplotlib", "python3-matplotlib"),
    "numpy": ("numpy", "python3-numpy"),
    "psutil": ("psutil", "python3-psutil"),
    "rich": ("rich", "python3-rich"),
    "scipy": ("scipy", "python3-scipy"),
    "sklearn": ("scikit-learn", "python3-sklearn"),
    "torch": ("torch", "python3-torch"),
    "tqdm": ("tqdm", "python3-tqdm"),
    "yaml": ("pyyaml", "python3-yaml"),
}


def missing_module(error: ModuleNotFoundError) -> str:
    """What to do about it, in words."""
    name = (error.name or "").partition(".")[0]
    pip, apt = _PACKAGES.get(name, (name, ""))
    how = f"`sudo apt install {apt}` or `pip install {pip}`" if apt else f"`pip install {pip}`"
    return f"the Python module {error.name!r} is missing: {how}, or activate the environment that has it"


_LONGEST_NAME = 200  # characters; comparing longer ones takes long
_REPR = reprlib.Repr()
_REPR.maxstring = _REPR.maxother = _REPR.maxlong = 100


def shown(value: object) -> str:
    """Its repr, shortened: a message names a value and does not repeat a megabyte of it."""
    return _REPR.repr(value)


def shown_names(names: Collection[object], most: int = 10) -> str:
    """The first of them with commas between, and how many more there are; `none` for none."""
    first = [str(name)[:100] for name in islice(names, most)]
    more = [f"and {len(names) - most} more"] if len(names) > most else []
    return ", ".join([*first, *more]) or "none"


def nearest(name: str, known: Iterable[str]) -> str:
    """A question after the name that is meant, where one of the known names resembles it; else nothing."""
    if len(name) > _LONGEST_NAME:
        return ""
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
