"""The file of an object head: safetensors, whose metadata says for which classes and how it was made."""

import json
import math
from pathlib import Path

import numpy as np

from ssen_ros.errors import CheckpointError, EngineError, missing_module, shown
from ssen_ros.io.replacing import replacing
from ssen_ros.io.safetensors_file import read_header
from ssen_ros.object_head import SHAPE_FEATURES, ObjectHead

_TASK = "object"
_TENSORS = ("mean", "scale", "hidden", "out")


def save_head(path: Path, head: ObjectHead, provenance: dict) -> None:
    """Write the file whole or not at all. Raises EngineError without the safetensors library."""
    try:
        from safetensors.numpy import save
    except ModuleNotFoundError as error:
        raise EngineError(missing_module(error)) from error
    # Contiguous: safetensors writes the memory of an array, whatever its strides.
    tensors = {name: np.ascontiguousarray(getattr(head, name), np.float32) for name in _TENSORS}
    about = {"task": _TASK, "class_names": head.class_names}
    metadata = {"ssen": json.dumps(about), "provenance": json.dumps(provenance)}
    with replacing(path) as temporary:
        temporary.write_bytes(save(tensors, metadata))


def load_head(path: Path) -> ObjectHead | None:
    """The head of a file; None where there is none.

    Raises CheckpointError for a file that is not one, or whose tensors do not fit each other.
    """
    if not path.is_file():
        return None
    header = read_header(path)
    try:
        about = json.loads(header.metadata.get("ssen", "{}"))
        names = tuple(about["class_names"])
        task = about["task"]
    except (ValueError, TypeError, KeyError) as error:
        raise CheckpointError(f"{path}: metadata 'ssen' names no task and no classes ({error})") from error
    if task != _TASK:
        raise CheckpointError(f"{path}: a network for {shown(task)}, expected one for {_TASK!r}")
    content = path.read_bytes()
    tensors = {}
    for name in _TENSORS:
        stored = header.tensors.get(name)
        if stored is None or stored.dtype != "F32":
            raise CheckpointError(f"{path}: tensor {name!r} is missing, or not of float32")
        count = math.prod(stored.shape)
        tensor = np.frombuffer(content, "<f4", count, stored.begin).reshape(stored.shape).astype(np.float64)
        if not np.isfinite(tensor).all():
            raise CheckpointError(f"{path}: tensor {name!r} has values that are not finite")
        tensors[name] = tensor
    features, hidden = 2 * len(names) + SHAPE_FEATURES, tensors["hidden"].shape[-1]
    expected = {
        "mean": (features,),
        "scale": (features,),
        "hidden": (features + 1, hidden),
        "out": (hidden + 1, len(names) + 1),
    }
    for name, shape in expected.items():
        if tensors[name].shape != shape:
            raise CheckpointError(f"{path}: tensor {name!r} is {tensors[name].shape}, expected {shape}")
    return ObjectHead(names, **tensors)
