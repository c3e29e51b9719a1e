"""Strict checkpoints: a safetensors file whose metadata says what the network is and how it was made.

File format: safetensors (tensors under their state-dict names); metadata key `ssen` holds one JSON object
with the fields of NetworkSpec, and `provenance` one with how the weights came to be.
"""

import json
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path

import torch
from torch import Tensor

from ssen_ros.errors import CheckpointError, EngineError, missing_module
from ssen_ros.features import feature_width
from ssen_ros.io.replacing import replacing
from ssen_ros.io.safetensors_file import Header, read_header
from ssen_ros.models.minkunet import MinkUNet, build_network
from ssen_ros.network_spec import NetworkSpec, spec_of


@dataclass(frozen=True)
class Checkpoint:
    spec: NetworkSpec
    model: MinkUNet
    provenance: dict = field(default_factory=dict)  # how it was trained: data, steps, seed, commit, metrics


def network_of(spec: NetworkSpec) -> MinkUNet:
    """The network, untrained. Raises CheckpointError for an unknown architecture."""
    return build_network(
        spec.architecture, feature_width(spec.features), spec.out_channels, spec.first_kernel_size
    )


def save_checkpoint(path: str | Path, checkpoint: Checkpoint) -> None:
    """Write the file whole or not at all.

    Raises CheckpointError where it cannot be written, EngineError without the safetensors library, which only
    writing needs.
    """
    try:
        from safetensors import SafetensorError
        from safetensors.torch import save
    except ModuleNotFoundError as error:
        raise EngineError(missing_module(error)) from error
    tensors = {
        name: tensor.detach().cpu().contiguous() for name, tensor in checkpoint.model.state_dict().items()
    }
    metadata = {"ssen": json.dumps(asdict(checkpoint.spec)), "provenance": json.dumps(checkpoint.provenance)}
    try:
        with replacing(path) as temporary:
            temporary.write_bytes(
                save(tensors, metadata)
            )  # its save_file makes files that others may not read
    except (SafetensorError, OSError) as error:
        raise CheckpointError(f"checkpoint {path} cannot be written ({error}); give another path") from error


def load_checkpoint(path: str | Path) -> Checkpoint:
    """Read a checkpoint onto the CPU, in evaluation mode.

    Raises:
        CheckpointError: no such file, not a safetensors file of ours, or tensors that do not fit the
            architecture its metadata names, or are not finite; the message names the first of them.
    """
    path = Path(path)
    header = read_header(path)
    spec = spec_of(path, header)
    try:
        with torch.device("meta"):
            model = network_of(spec)
    except CheckpointError as error:
        raise CheckpointError(f"checkpoint {path}: {error}") from error
    require_equal_layout(path, spec.architecture, header.tensors, model.state_dict())
    dtypes = {name: tensor.dtype for name, tensor in model.state_dict().items()}
    state = {name: tensor.to(dtypes[name]) for name, tensor in read_tensors(path, header).items()}
    require_finite(path, state)
    model.load_state_dict(state, strict=True, assign=True)
    return Checkpoint(spec, model.eval(), _provenance(path, header))


def read_tensors(path: Path, header: Header) -> dict[str, Tensor]:
    """All tensors of a file whose header was read, by name."""
    content = bytearray(path.read_bytes())
    return {
        name: torch.frombuffer(content, dtype=_DTYPES[t.dtype], offset=t.begin, count=math.prod(t.shape))
        .reshape(t.shape)
        .clone()
        for name, t in header.tensors.items()
    }


_DTYPES = {
    "F64": torch.float64, "F32": torch.float32, "F16": torch.float16, "BF16": torch.bfloat16,
    "I64": torch.int64, "I32": torch.int32, "I16": torch.int16, "I8": torch.int8, "U8": torch.uint8,
    "BOOL": torch.bool,
}  # fmt: skip


def require_finite(path: Path | str, state: dict[str, Tensor]) -> None:
    """Raises CheckpointError naming the first tensor with a NaN or an infinity: all answers would be NaN."""
    for name, tensor in state.items():
        if tensor.is_floating_point() and not tensor.isfinite().all():
            count = int((~tensor.isfinite()).sum())
            raise CheckpointError(
                f"checkpoint {path}: {name} has {count} of {tensor.numel()} values that are not finite; "
                "the training that made it diverged: take an earlier checkpoint"
            )


def _provenance(path: Path, header: Header) -> dict:
    text = header.metadata.get("provenance", "{}")
    try:
        provenance = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise CheckpointError(f"checkpoint {path}: metadata 'provenance' is no JSON ({error})") from error
    if not isinstance(provenance, dict):
        raise CheckpointError(f"checkpoint {path}: metadata 'provenance' = {text[:60]!r}, expected a mapping")
    return provenance


def layout_differences(found: Mapping, expected: dict[str, Tensor]) -> list[str]:
    """In which names and shapes of their tensors two state dicts differ, one sentence each."""
    differences = [f"{name} is missing" for name in expected if name not in found]
    differences += [f"{name} is not part of it" for name in found if name not in expected]
    differences += [
        f"{name} has shape {tuple(found[name].shape)}, expected {tuple(tensor.shape)}"
        for name, tensor in expected.items()
        if name in found and found[name].shape != tensor.shape
    ]
    return differences


def require_equal_layout(path: Path, architecture: str, found: Mapping, expected: dict) -> None:
    """Raises CheckpointError with the first of the `layout_differences`."""
    wrong = layout_differences(found, expected)
    if wrong:
        more = f" (and {len(wrong) - 1} more)" if len(wrong) > 1 else ""
        raise CheckpointError(f"checkpoint {path} does not fit {architecture}: {wrong[0]}{more}")
