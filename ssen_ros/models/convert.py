"""Public MinkowskiEngine checkpoints of the Minkowski U-Nets, as our own strict ones.

| layout | source | tensors lie | 3³ kernels of the blocks |
| --- | --- | --- | --- |
| `sts` | chrischoy/SpatioTemporalSegmentation | under `state_dict` | order of 0.4 |
| `ssen` | 96lives/ssen | under names that begin with `backbone.` | order of 0.4 |
| `minkowski` | examples/indoor.py of MinkowskiEngine | flat | order of 0.5 |

Names and shapes are the same in all of them, behind a prefix that all names share (`module.` of DataParallel,
`model.` of Lightning) or inside other dictionaries (`model_state_dict`, `net`): those of Lightning count as
`minkowski`. But the first two build their blocks from MinkowskiEngine 0.4's
HYBRID regions, whose offsets come in another order than those of a cube: loaded as they are, such weights fit
and predict nonsense. All other kernels are cubes, x fastest, in both versions.
"""

import hashlib
import logging
import re
from collections.abc import Iterator
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ssen_ros.errors import CheckpointError
from ssen_ros.features import feature_width
from ssen_ros.io.likely import SAFETENSORS, likely
from ssen_ros.io.safetensors_file import read_header
from ssen_ros.labels import CLASS_NAMES
from ssen_ros.models.checkpoint import (
    Checkpoint,
    layout_differences,
    network_of,
    read_tensors,
    require_equal_layout,
    require_finite,
)
from ssen_ros.models.minkunet import ARCHITECTURES
from ssen_ros.network_spec import NetworkSpec
from ssen_ros.sparse.coordinates import kernel_offsets

log = logging.getLogger(__name__)

_FIRST = "conv0p1s1.kernel"  # every Minkowski U-Net begins with it
_COUNTER = ".num_batches_tracked"
_WRAPPERS = ("", "state_dict", "model_state_dict", "model_state", "model", "net", "network", "weights")
_DEEPEST = 3  # dictionaries in dictionaries

KERNEL_ORDER = {"sts": "0.4", "ssen": "0.4", "minkowski": "0.5"}  # of each layout


def convert(
    path: str | Path,
    *,
    architecture: str | None = None,
    class_names: tuple[str, ...] = CLASS_NAMES,
    embedding_width: int = 0,
    features: tuple[str, ...] = ("rgb",),
    voxel_size: float = 0.02,
    kernel_order: str = "auto",
) -> Checkpoint:
    """Read a public checkpoint; tensors only, nothing in the file is executed.

    Args:
        architecture: a key of ARCHITECTURES; None: the one whose layers the file has.
        class_names: what the output channels of a semantic network mean, in order.
        embedding_width: d of an embedding network; 0: it is a semantic network.
        features: what the input channels mean; `rgb` is that of all three sources, RGB / 255 - 0.5.
        voxel_size: m, that it was trained on.
        kernel_order: "0.4", "0.5", or "auto": that of the layout.

    Raises:
        CheckpointError: not a file of tensors, or one that does not fit what was asked for; the message
            names what was found and what was expected.
    """
    path = Path(path)
    state, layout = _state_dict(path, _load(path))
    spec = NetworkSpec(
        task="embedding" if embedding_width else "semantic",
        architecture=architecture or _closest_architecture(state),
        voxel_size=voxel_size,
        features=features,
        class_names=class_names,
        first_kernel_size=_first_kernel_size(path, state),
        embedding_width=embedding_width,
    )
    _require_channels(path, state, spec)
    model = network_of(spec)
    expected = model.state_dict()
    state = {name: _reshaped(tensor, expected.get(name)) for name, tensor in state.items()}
    # How many batches a norm has seen matters to training alone; who saved without them lost nothing.
    state = {name: t for name, t in expected.items() if name.endswith(_COUNTER)} | state
    require_finite(path, state)
    require_equal_layout(path, spec.architecture, state, expected)
    order = KERNEL_ORDER[layout] if kernel_order == "auto" else kernel_order
    if order == "0.4":
        state = {n: t[HYBRID_TO_CUBE] if _in_block_3(n, t) else t for n, t in state.items()}
    model.load_state_dict(state, strict=True)
    source = {"file": path.name, "sha256": hashlib.sha256(path.read_bytes()).hexdigest()}
    provenance = {"converted_from": source | {"layout": layout, "kernel_order": order}}
    return Checkpoint(spec, model.eval(), provenance)


def hybrid_offsets() -> list[tuple[int, ...]]:
    """The 27 offsets of a 3³ HYBRID region in MinkowskiEngine 0.4's order: the centre, then axis by axis
    what lies before and after each of those so far.

    Source: `convert_region_type` in MinkowskiEngine/Common.py of v0.4.2.
    """
    offsets: list[tuple[int, ...]] = [(0, 0, 0)]
    for axis in range(3):
        offsets += [(*o[:axis], step, *o[axis + 1 :]) for o in offsets for step in (-1, 1)]
    return offsets


# Row of the 0.4 kernel for each row of the 0.5 kernel.
HYBRID_TO_CUBE = [hybrid_offsets().index(tuple(offset)) for offset in kernel_offsets(3).tolist()]


def _in_block_3(name: str, tensor: Tensor) -> bool:
    return name.startswith("block") and name.endswith(".kernel") and len(tensor) == 27 and tensor.ndim == 3


def _load(path: Path) -> Any:
    if not path.is_file():
        raise CheckpointError(f"checkpoint {path}: no such file; give the path of a .pth or .pt file")
    if likely(path) == SAFETENSORS:
        header = read_header(path)
        if "ssen" in header.metadata:
            raise CheckpointError(f"checkpoint {path} is one of ours already: use it as it is")
        return read_tensors(path, header)
    # STS stores its best score among the tensors, as a numpy scalar; reading one runs no code of the file.
    scalar = np.float64(0).__reduce__()[0]
    allowed = [(scalar, "numpy.core.multiarray.scalar"), scalar, np.dtype, type(np.dtype(np.float64))]
    safe_globals = getattr(torch.serialization, "safe_globals", nullcontext)  # torch 2.5 brought it
    try:
        with safe_globals(allowed):
            return torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # pickle, zip and tensor storage each fail in their own ways
        # Not torch's own advice, which is to load it all the same.
        blocked = re.search(r"(?:GLOBAL|Unsupported class) (\S+)", str(error))
        if blocked:
            newer = "torch 2.5 or newer reads it; or, " if blocked[1].startswith("numpy") else ""
            raise CheckpointError(
                f"checkpoint {path} cannot be read as tensors alone (it holds a {blocked[1]}); expected what "
                f"torch.save writes of a state dict; {newer}if you trust what else is in it, save its state "
                "dict alone"
            ) from error
        raise CheckpointError(
            f"checkpoint {path} cannot be read as tensors alone ({type(error).__name__} while reading); "
            f"expected what torch.save writes of a state dict; {_seems(path)}"
        ) from error


def _seems(path: Path) -> str:
    seems = likely(path)
    if seems.startswith(("a zip archive", "a pickle")):
        return "it begins as a checkpoint of PyTorch does: was it copied or downloaded whole?"
    return f"it seems to be {seems}" if seems else "was it cut off, or is it something else?"


def _state_dict(path: Path, content: Any) -> tuple[dict[str, Tensor], str]:
    """The tensors under the names of `MinkUNet`, and the layout that they came in."""
    found = sorted(_networks(content), key=lambda one: _rank(one[0]))
    if not found:
        keys = ", ".join(map(str, list(content)[:5])) if isinstance(content, dict) else "no names"
        raise CheckpointError(
            f"checkpoint {path} holds a {type(content).__name__} with {keys or 'nothing'}; expected tensors "
            "by name, or such under 'state_dict'"
        )
    (place, state), *others = found
    if others:
        log.warning(
            "checkpoint %s holds several networks; that under %s is taken, not those under %s",
            path, place, ", ".join(name for name, _ in others),
        )  # fmt: skip
    first = next((name for name in state if name.endswith(_FIRST)), _FIRST)
    prefix = first.removesuffix(_FIRST)
    outside = [name for name in state if not name.startswith(prefix)]
    if prefix:
        log.info("checkpoint %s: %r is dropped from the names of its tensors", path, prefix)
    if outside:
        log.warning(
            "checkpoint %s: %d tensors are no part of the network under %r and left out, such as %s",
            path, len(outside), prefix, outside[0],
        )  # fmt: skip
    state = {name.removeprefix(prefix): t for name, t in state.items() if name.startswith(prefix)}
    layout = "minkowski"
    if "backbone." in prefix:
        layout = "ssen"
    elif place == "state_dict" and not any(
        "lightning" in key or key == "hyper_parameters" for key in content
    ):
        layout = "sts"
    return {n: t.float() if t.is_floating_point() else t for n, t in state.items()}, layout


def _networks(content: Any, place: str = "") -> Iterator[tuple[str, dict[str, Tensor]]]:
    """(where, its tensors by name) of every network in a checkpoint; of other tensors where there is none."""
    if not isinstance(content, dict):
        return
    tensors = {name: t for name, t in content.items() if isinstance(name, str) and isinstance(t, Tensor)}
    inner = [
        one
        for name, value in content.items()
        if place.count(".") < _DEEPEST
        for one in _networks(value, f"{place}.{name}".lstrip("."))
    ]
    of_unets = [one for one in inner if any(name.endswith(_FIRST) for name in one[1])]
    if tensors and (not of_unets or any(name.endswith(_FIRST) for name in tensors)):
        yield place, tensors
    yield from of_unets or (() if tensors else inner)


def _rank(place: str) -> int:
    """Which network of several is meant, by the usual names of what holds weights; the plain one first."""
    last = place.rpartition(".")[2]
    return _WRAPPERS.index(last) if last in _WRAPPERS else len(_WRAPPERS)


def _closest_architecture(state: dict[str, Tensor]) -> str:
    """The one with the fewest differences in the layers between the first and the last."""
    inner = _inner(state)

    def distance(name: str) -> int:
        with torch.device("meta"):
            expected = _inner(ARCHITECTURES[name](3, 20).state_dict())
        return len(layout_differences({n: _reshaped(t, expected.get(n)) for n, t in inner.items()}, expected))

    return min(ARCHITECTURES, key=distance)


def _inner(state: dict[str, Tensor]) -> dict[str, Tensor]:
    return {name: t for name, t in state.items() if not name.startswith(("conv0p1s1.", "final."))}


def _first_kernel_size(path: Path, state: dict[str, Tensor]) -> int:
    kernel = _tensor(path, state, "conv0p1s1.kernel")
    volume = kernel.shape[0] if kernel.ndim == 3 else 1
    size = round(volume ** (1 / 3))
    if size**3 != volume or size % 2 == 0:
        raise CheckpointError(
            f"checkpoint {path}: conv0p1s1.kernel has {volume} offsets, expected those of an odd kernel "
            "size, such as 27 (3³) or 125 (5³)"
        )
    return size


def _require_channels(path: Path, state: dict[str, Tensor], spec: NetworkSpec) -> None:
    found, expected = _tensor(path, state, "conv0p1s1.kernel").shape[-2], feature_width(spec.features)
    if found != expected:
        raise CheckpointError(
            f"checkpoint {path} takes {found} input channels, expected {expected} "
            f"({', '.join(spec.features)}); name the features that it was trained on"
        )
    found = _tensor(path, state, "final.kernel").shape[-1]
    if found != spec.out_channels:
        kind = "embedding width" if spec.embedding_width else "number of classes"
        raise CheckpointError(
            f"checkpoint {path} has {found} outputs, expected {spec.out_channels}, the {kind}; name its "
            "classes in order, or the width if it is an embedding network"
        )


def _tensor(path: Path, state: dict[str, Tensor], name: str) -> Tensor:
    if name not in state or state[name].ndim < 2:
        raise CheckpointError(
            f"checkpoint {path} has no kernel {name}, found {', '.join(list(state)[:3])}, ...; expected a "
            f"Minkowski U-Net: {', '.join(ARCHITECTURES)}"
        )
    return state[name]


def _reshaped(tensor: Tensor, expected: Tensor | None) -> Tensor:
    """Axes of length 1 as in `expected`: a 1³ kernel is (1, in, out) in one version, (in, out) in another."""
    if expected is None or [n for n in tensor.shape if n != 1] != [n for n in expected.shape if n != 1]:
        return tensor
    return tensor.reshape(expected.shape)
