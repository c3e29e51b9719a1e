"""Files of tensors in the safetensors format: the length of a JSON header, the header, raw data.

They are read without the safetensors library, so that a robot needs no more than torch. Nothing in a file is
executed, and what its header promises is checked against the file's size before any of it is believed.
Source: github.com/huggingface/safetensors, README.
"""

import json
import math
from dataclasses import dataclass
from pathlib import Path

from ssen_ros.errors import CheckpointError, shown
from ssen_ros.io.likely import SAFETENSORS, likely

ITEM_BYTES = {
    "F64": 8, "F32": 4, "F16": 2, "BF16": 2, "I64": 8, "I32": 4, "I16": 2, "I8": 1, "U8": 1, "BOOL": 1,
}  # fmt: skip

_LENGTH_BYTES = 8
_MOST_AXES = 8
_LONGEST_HEADER = 16 * 2**20  # bytes; a network of a thousand tensors has 0.1 MB


@dataclass(frozen=True)
class StoredTensor:
    """One tensor in the file."""

    dtype: str  # a key of ITEM_BYTES
    shape: tuple[int, ...]
    begin: int  # of its bytes, counted from the start of the file
    end: int


@dataclass(frozen=True)
class Header:
    """What a file says of itself."""

    metadata: dict[str, str]
    tensors: dict[str, StoredTensor]


def read_header(path: Path | str) -> Header:
    """Read the header alone, whatever the size of the file.

    Raises CheckpointError with the path and what is wrong: no such file, another format, or a header that
    does not fit the file.
    """
    path = Path(path)
    if not path.is_file():
        raise CheckpointError(f"checkpoint {path}: no such file; give the path of a .safetensors file")
    size = path.stat().st_size
    with open(path, "rb") as stream:
        length = int.from_bytes(stream.read(_LENGTH_BYTES), "little")
        if not 2 <= length <= min(size - _LENGTH_BYTES, _LONGEST_HEADER):
            raise _foreign(path, f"its header would have {length} bytes, the file has {size}")
        text = stream.read(length)
    try:
        entries = json.loads(text)
        if not isinstance(entries, dict):
            raise ValueError(f"a {type(entries).__name__}, expected a mapping")
        metadata = entries.pop("__metadata__", {})
        if not (isinstance(metadata, dict) and all(isinstance(value, str) for value in metadata.values())):
            raise ValueError("metadata that is no mapping of texts")
        start = _LENGTH_BYTES + length
        tensors = {name: _stored(name, entry, start, size) for name, entry in entries.items()}
    except (ValueError, RecursionError) as error:
        raise _foreign(path, f"header: {error}") from error
    return Header(metadata, tensors)


def _stored(name: str, entry: object, start: int, size: int) -> StoredTensor:
    """Raises ValueError where the entry contradicts itself or the file's size."""
    if not isinstance(entry, dict) or entry.keys() != {"dtype", "shape", "data_offsets"}:
        raise ValueError(f"{name}: expected dtype, shape and data_offsets")
    dtype, shape, offsets = entry["dtype"], entry["shape"], entry["data_offsets"]
    if not isinstance(dtype, str) or dtype not in ITEM_BYTES:
        raise ValueError(f"{name}: dtype {shown(dtype)}, expected one of {', '.join(ITEM_BYTES)}")
    if not all(isinstance(numbers, list) for numbers in (shape, offsets)) or len(offsets) != 2:
        raise ValueError(f"{name}: shape and data_offsets are not lists of numbers")
    if len(shape) > _MOST_AXES:
        raise ValueError(f"{name}: {len(shape)} axes, expected {_MOST_AXES} at most")
    if not all(type(number) is int and number >= 0 for number in (*shape, *offsets)):
        raise ValueError(
            f"{name}: shape {shown(shape)}, data_offsets {shown(offsets)}: expected whole numbers from 0"
        )
    begin, end = (start + offset for offset in offsets)
    expected = math.prod(shape) * ITEM_BYTES[dtype]
    if end - begin != expected or end > size:
        raise ValueError(
            f"{name}: {dtype} of shape {shape} takes {expected} bytes, found bytes {begin} to {end} of {size}"
        )
    return StoredTensor(dtype, tuple(shape), begin, end)


def _foreign(path: Path, reason: str) -> CheckpointError:
    """What a file seems to be that is taken for a checkpoint by mistake."""
    seems = likely(path)
    if seems.startswith(("a zip archive", "a pickle")):
        told = "it seems to be a checkpoint of PyTorch: bring it over with `ssen convert`"
    elif seems and seems != SAFETENSORS:
        told = f"it is {seems}"
    else:
        told = "was it cut off, or is it something else?"
    return CheckpointError(f"checkpoint {path} is not a safetensors file ({reason}); {told}")
