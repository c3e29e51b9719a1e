"""What a network is, as its checkpoint says it; known without loading torch."""

import json
from dataclasses import dataclass, fields
from importlib.resources import files
from pathlib import Path
from typing import Any

from ssen_ros.errors import CheckpointError
from ssen_ros.features import FEATURE_WIDTHS
from ssen_ros.io.safetensors_file import Header, read_header


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
        if self.task not in ("semantic", "embedding"):
            raise CheckpointError(f"task {self.task!r}: expected 'semantic' or 'embedding'")
        if not self.voxel_size > 0:
            raise CheckpointError(f"voxel_size {self.voxel_size!r}: expected metres, more than 0")
        unknown = [name for name in self.features if name not in FEATURE_WIDTHS]
        if unknown or not self.features:
            raise CheckpointError(f"features {self.features!r}: expected some of {', '.join(FEATURE_WIDTHS)}")
        if self.first_kernel_size < 1 or self.first_kernel_size % 2 == 0:
            raise CheckpointError(
                f"first_kernel_size {self.first_kernel_size}: expected an odd number, as 3 or 5"
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
    except (ValueError, TypeError, AttributeError) as error:
        names = ", ".join(f.name for f in fields(NetworkSpec))
        raise CheckpointError(f"checkpoint {path}: metadata 'ssen' = {text!r}, expected {names}") from error


def shipped_weights(task: str) -> str:
    """Path of the weights that come with the package; their provenance lies beside them as JSON."""
    return str(files("ssen_ros") / "weights" / f"{task}.safetensors")
