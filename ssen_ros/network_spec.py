"""What a network is, as its checkpoint says it; known without loading torch."""

import json
from dataclasses import dataclass, fields
from importlib.resources import files
from pathlib import Path
from typing import Any

from ssen_ros.config import SegmenterConfig
from ssen_ros.errors import CheckpointError, shown
from ssen_ros.features import FEATURE_WIDTHS
from ssen_ros.io.safetensors_file import Header, read_header

MOST_KERNEL_SIZE = 9
MOST_OUTPUTS = 4096  # classes, or embedding width
MOST_VOXEL_SIZE = 10.0  # m
_KINDS = {
    "task": str, "architecture": str, "voxel_size": int | float, "first_kernel_size": int,
    "embedding_width": int, "features": tuple, "class_names": tuple,
}  # fmt: skip


@dataclass(frozen=True)
class NetworkSpec:
    """All that fixes a network's shape and the meaning of its input and output."""

    task: str  # "semantic": outputs are class logits; "embedding": outputs are embeddings
    architecture: str  # a key of ssen_ros.models.ARCHITECTURES
    voxel_size: float  # m
    features: tuple[str, ...]  # input channels, names of ssen_ros.features, in order
    class_names: tuple[str, ...]  # semantic: one an output; embedding: what its scenes were labelled with
    first_kernel_size: int = 5
    embedding_width: int = 0  # d; 0 for the semantic network

    def __post_init__(self):
        for name, kind in _KINDS.items():
            if not isinstance(value := getattr(self, name), kind) or isinstance(value, bool):
                raise CheckpointError(f"{name} {shown(value)}: a {type(value).__name__} is not expected")
        if not all(isinstance(name, str) for name in (*self.features, *self.class_names)):
            raise CheckpointError("features and class_names: expected names")
        if self.task not in ("semantic", "embedding"):
            raise CheckpointError(f"task {shown(self.task)}: expected 'semantic' or 'embedding'")
        if not 0 < self.voxel_size <= MOST_VOXEL_SIZE:
            raise CheckpointError(
                f"voxel_size {shown(self.voxel_size)}: expected metres, more than 0 and up to "
                f"{MOST_VOXEL_SIZE}"
            )
        unknown = [name for name in self.features if name not in FEATURE_WIDTHS]
        if unknown or not self.features:
            raise CheckpointError(
                f"features {shown(self.features)}: expected some of {', '.join(FEATURE_WIDTHS)}"
            )
        if self.first_kernel_size not in range(1, MOST_KERNEL_SIZE + 1, 2):
            raise CheckpointError(
                f"first_kernel_size {shown(self.first_kernel_size)}: expected an odd number up to "
                f"{MOST_KERNEL_SIZE}, as 3 or 5"
            )
        if len(self.class_names) > MOST_OUTPUTS or not 0 <= self.embedding_width <= MOST_OUTPUTS:
            raise CheckpointError(
                f"{len(self.class_names)} classes, embedding_width {shown(self.embedding_width)}: expected "
                f"{MOST_OUTPUTS} at most"
            )
        if (self.task == "embedding") != (self.embedding_width > 0):
            raise CheckpointError(
                f"embedding_width {self.embedding_width} does not fit the task {self.task!r}"
            )

    @property
    def out_channels(self) -> int:
        return self.embedding_width or len(self.class_names)


def read_spec(path: str | Path) -> NetworkSpec:
    """The spec of a checkpoint; its tensors are not read.

    Raises CheckpointError for a file that is none, or not one of ours.
    """
    return spec_of(path, read_header(path))


def spec_of(path: str | Path, header: Header) -> NetworkSpec:
    """Raises CheckpointError where the header of the file at `path` names no network."""
    text = header.metadata.get("ssen")
    if text is None:
        raise CheckpointError(
            f"checkpoint {path} has no 'ssen' metadata (found: {sorted(header.metadata) or 'none'}); "
            "write it with ssen_ros.models.save_checkpoint"
        )
    try:
        read: dict[str, Any] = json.loads(text)
        values: dict[str, Any] = {k: tuple(v) if isinstance(v, list) else v for k, v in read.items()}
        return NetworkSpec(**values)
    except CheckpointError as error:
        raise CheckpointError(f"checkpoint {path}: {error}") from error
    except (ValueError, TypeError, AttributeError, RecursionError) as error:
        names = ", ".join(f.name for f in fields(NetworkSpec))
        raise CheckpointError(
            f"checkpoint {path}: metadata 'ssen' = {shown(text)}, expected {names}"
        ) from error


def chosen_weights(config: SegmenterConfig, task: str) -> str:
    """Path of the checkpoint of this task that the configuration asks for.

    "object", of the object head, lies beside the semantic one, if there is any.
    """
    if task == "object":
        return str(Path(chosen_weights(config, "semantic")).with_name(f"{task}.safetensors"))
    named = {"semantic": config.semantic_checkpoint, "embedding": config.embedding_checkpoint}[task]
    folder = config.weights
    return named or (str(Path(folder) / f"{task}.safetensors") if folder else shipped_weights(task))


def shipped_weights(task: str) -> str:
    """Path of the weights that come with the package; their provenance lies beside them as JSON."""
    return str(files("ssen_ros") / "weights" / f"{task}.safetensors")
