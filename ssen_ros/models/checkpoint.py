"""Strict checkpoints: a safetensors file whose metadata says what the network is and how it was made.

File format: safetensors (tensors under their state-dict names); metadata key `ssen` holds one JSON object
with the fields of NetworkSpec, and `provenance` one with how the weights came to be.
"""

import json
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path

from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from ssen_ros.errors import CheckpointError
from ssen_ros.features import FEATURE_WIDTHS, feature_width
from ssen_ros.io.replacing import replacing
from ssen_ros.models.minkunet import ARCHITECTURES, MinkUNet, build_network


@dataclass(frozen=True)
class NetworkSpec:
    """All that fixes a network's shape and the meaning of its input and output."""

    task: str  # "semantic": outputs are class logits; "embedding": outputs are embeddings
    architecture: str  # a key of ARCHITECTURES
    voxel_size: float  # m
    features: tuple[str, ...]  # input channels, names of ssen_ros.features, in order
    class_names: tuple[
        str, ...
    ]  # semantic: one an output; embedding: the classes its scenes were labelled with
    first_kernel_size: int = 5
    embedding_width: int = 0  # d; 0 for the semantic network

    def __post_init__(self):
        if self.task not in ("semantic", "embedding"):
            raise CheckpointError(f"task {self.task!r}: expected 'semantic' or 'embedding'")
        if self.architecture not in ARCHITECTURES:
            raise CheckpointError(
                f"architecture {self.architecture!r}: expected one of {', '.join(ARCHITECTURES)}"
            )
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

    def build(self) -> MinkUNet:
        """The network, untrained."""
        return build_network(
            self.architecture, feature_width(self.features), self.out_channels, self.first_kernel_size
        )


@dataclass(frozen=True)
class Checkpoint:
    spec: NetworkSpec
    model: MinkUNet
    provenance: dict = field(default_factory=dict)  # how it was trained: data, steps, seed, commit, metrics


def save_checkpoint(path: str | Path, checkpoint: Checkpoint) -> None:
    """Write the file whole or not at all. Raises CheckpointError where it cannot be written."""
    tensors = {
        name: tensor.detach().cpu().contiguous() for name, tensor in checkpoint.model.state_dict().items()
    }
    metadata = {"ssen": json.dumps(asdict(checkpoint.spec)), "provenance": json.dumps(checkpoint.provenance)}
    try:
        with replacing(path) as temporary:
            save_file(tensors, str(temporary), metadata)
    except (SafetensorError, OSError) as error:
        raise CheckpointError(f"checkpoint {path} cannot be written ({error}); give another path") from error


def load_checkpoint(path: str | Path) -> Checkpoint:
    """Read a checkpoint onto the CPU, in evaluation mode.

    Raises:
        CheckpointError: no such file, not a safetensors file of ours, or tensors that do not fit the
            architecture its metadata names; the message lists the first of them.
    """
    path = Path(path)
    if not path.is_file():
        raise CheckpointError(f"checkpoint {path}: no such file; give the path of a .safetensors file")
    try:
        with safe_open(str(path), framework="pt") as file:
            metadata = file.metadata() or {}
            state = {name: file.get_tensor(name) for name in file.keys()}
    except SafetensorError as error:
        raise CheckpointError(f"checkpoint {path} is not a safetensors file ({error})") from error
    if "ssen" not in metadata:
        raise CheckpointError(
            f"checkpoint {path} has no 'ssen' metadata (found: {sorted(metadata) or 'none'}); "
            "write it with ssen_ros.models.save_checkpoint"
        )
    spec = _spec_from_json(path, metadata["ssen"])
    model = spec.build()
    require_equal_layout(path, spec.architecture, state, model.state_dict())
    model.load_state_dict(state, strict=True)
    return Checkpoint(spec, model.eval(), json.loads(metadata.get("provenance", "{}")))


def _spec_from_json(path: Path, text: str) -> NetworkSpec:
    try:
        values = json.loads(text)
        return NetworkSpec(**{k: tuple(v) if isinstance(v, list) else v for k, v in values.items()})
    except (ValueError, TypeError) as error:
        names = ", ".join(f.name for f in fields(NetworkSpec))
        raise CheckpointError(f"checkpoint {path}: metadata 'ssen' = {text!r}, expected {names}") from error


def layout_differences(found: dict[str, Tensor], expected: dict[str, Tensor]) -> list[str]:
    """In which names and shapes of their tensors two state dicts differ, one sentence each."""
    differences = [f"{name} is missing" for name in expected if name not in found]
    differences += [f"{name} is not part of it" for name in found if name not in expected]
    differences += [
        f"{name} has shape {tuple(found[name].shape)}, expected {tuple(tensor.shape)}"
        for name, tensor in expected.items()
        if name in found and found[name].shape != tensor.shape
    ]
    return differences


def require_equal_layout(path: Path, architecture: str, found: dict, expected: dict) -> None:
    """Raises CheckpointError with the first of the `layout_differences`."""
    wrong = layout_differences(found, expected)
    if wrong:
        more = f" (and {len(wrong) - 1} more)" if len(wrong) > 1 else ""
        raise CheckpointError(f"checkpoint {path} does not fit {architecture}: {wrong[0]}{more}")
