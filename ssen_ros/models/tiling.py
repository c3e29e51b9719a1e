"""A network on parts of a map when the whole does not fit into memory, with the whole map's answer."""

import logging
from collections.abc import Callable

import torch
from torch import Tensor

from ssen_ros import headroom
from ssen_ros.native import trim
from ssen_ros.sparse.native_engine import release_memory

log = logging.getLogger(__name__)


def is_out_of_memory(error: Exception) -> bool:
    """On the CPU torch has no type of its own for it."""
    known = isinstance(error, torch.cuda.OutOfMemoryError | MemoryError)
    return known or "DefaultCPUAllocator" in str(error)


def run_in_parts(
    run: Callable[[Tensor, Tensor], Tensor],
    features: Tensor,
    coords: Tensor,
    reach: int,
    bytes_per_voxel: float = 0.0,
) -> Tensor:
    """`run(features, coords)`; where that runs out of memory, of halves of the map, and of halves of those.

    A half is given all voxels within `reach` of its own, so that its own voxels see what they would see in
    the whole: the result is the same but for the order of sums.

    Args:
        run: (N, C) features and (N, 4) integer coordinates (batch, x, y, z) to (N, D).
        reach: voxels that an output may depend on, along each axis: `MinkUNet.reach`.
        bytes_per_voxel: that `run` takes on a CPU; where fewer are free, it is not even tried.

    Raises whatever `run` raised, where a half with its surroundings is not smaller than the whole.
    """
    everything = torch.arange(len(coords), device=coords.device)

    def run_if_it_fits(features: Tensor, coords: Tensor) -> Tensor:
        if coords.device.type == "cpu":
            _require(bytes_per_voxel * len(coords), len(coords))
        return run(features, coords)

    return _run(run_if_it_fits, features, coords, reach, everything, everything)


def _run(run, features, coords, reach, own, seen) -> Tensor:
    """The (len(own), D) output on the rows `own` of a map of which the rows `seen` are looked at."""
    try:
        if own is seen:  # the whole map, which nobody needs a copy of
            return run(features, coords)
        output = run(features[seen], coords[seen])
        return output[torch.searchsorted(seen, own)]
    except (RuntimeError, MemoryError) as error:
        if not is_out_of_memory(error):
            raise
        failure = error.with_traceback(None)  # its frames hold the memory that the halves need
    release_memory()  # as does what the engines keep of the whole
    trim()
    xyz = coords[own, 1:]
    axis = int((xyz.amax(0) - xyz.amin(0)).argmax())
    left = xyz[:, axis] <= xyz[:, axis].median()
    if left.all():  # most lie at the far end
        left = xyz[:, axis] < xyz[:, axis].median()
    if not left.any():  # all lie in one plane, along every axis
        raise failure
    halves = [(half, _surroundings(coords, seen, half, reach)) for half in (own[left], own[~left])]
    if any(len(around) >= len(seen) for _, around in halves):
        raise failure
    log.warning(
        "out of memory with %d voxels: in two parts of %s",
        len(seen),
        " and ".join(str(len(h[1])) for h in halves),
    )
    parts = [_run(run, features, coords, reach, half, around) for half, around in halves]
    output = parts[0].new_empty(len(own), parts[0].shape[1])
    output[left], output[~left] = parts
    return output


def _require(needed: float, voxels: int) -> None:
    if headroom.is_short(needed):
        release_memory()  # what engines keep of earlier passes
        headroom.require(needed, f"a network over {voxels:,} voxels")


def _surroundings(coords: Tensor, seen: Tensor, own: Tensor, reach: int) -> Tensor:
    """Rows of `seen` within `reach` of the box around `own`."""
    low, high = coords[own, 1:].amin(0) - reach, coords[own, 1:].amax(0) + reach
    xyz = coords[seen, 1:]
    return seen[((xyz >= low) & (xyz <= high)).all(1)]
