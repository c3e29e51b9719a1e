"""A network on parts of a map when the whole does not fit into memory, with the whole map's answer."""

import logging
import math
from collections.abc import Callable

import torch
from torch import Tensor

from ssen_ros import headroom
from ssen_ros.devices import empty_gpu_cache, is_out_of_memory
from ssen_ros.native import trim
from ssen_ros.sparse.native_engine import release_memory
from ssen_ros.sparse.torch_engine import use_small_buffers

log = logging.getLogger(__name__)

_REMEMBERED = 100  # calls; then the whole is tried again, for memory may have come free


class Fitting:
    """How many voxels did not fit into memory the last time, so that nobody waits for that to fail again."""

    def __init__(self):
        self._too_many, self._calls = math.inf, 0

    def begin(self) -> None:
        """A map is to be computed."""
        self._calls += 1
        if self._calls > _REMEMBERED:
            self._too_many = math.inf

    def expects(self, voxels: int) -> bool:
        """Whether so many at once may fit."""
        return voxels < self._too_many

    def failed(self, voxels: int) -> None:
        self._too_many, self._calls = min(self._too_many, voxels), 0


def run_in_parts(
    run: Callable[[Tensor, Tensor], Tensor],
    features: Tensor,
    coords: Tensor,
    reach: int,
    bytes_per_voxel: float = 0.0,
    fitting: Fitting | None = None,
) -> Tensor:
    """`run(features, coords)`; where that runs out of memory, with smaller buffers, then of halves of the
    map, and of halves of those.

    A half is given all voxels within `reach` of its own, so that its own voxels see what they would see in
    the whole: the result is the same but for the order of sums.

    Args:
        run: (N, C) features and (N, 4) integer coordinates (batch, x, y, z) to (N, D).
        reach: voxels that an output may depend on, along each axis: `MinkUNet.reach`.
        bytes_per_voxel: that `run` takes on a CPU; where fewer are free, it is not even tried.
        fitting: what is known of the calls before; as much as did not fit then is halved at once.

    Raises whatever `run` raised, where a half with its surroundings is not smaller than the whole.
    """
    everything = torch.arange(len(coords), device=coords.device)
    fitting = fitting or Fitting()
    fitting.begin()

    def run_if_it_fits(features: Tensor, coords: Tensor) -> Tensor:
        if coords.device.type == "cpu":
            _require(bytes_per_voxel * len(coords), len(coords))
        return run(features, coords)

    return _run(run_if_it_fits, features, coords, reach, fitting, everything, everything)


def _run(run, features, coords, reach, fitting, own, seen) -> Tensor:
    """The (len(own), D) output on the rows `own` of a map of which the rows `seen` are looked at."""

    def whole() -> Tensor:
        if own is seen:  # the whole map, which nobody needs a copy of
            return run(features, coords)
        return run(features[seen], coords[seen])[torch.searchsorted(seen, own)]

    failure = None
    if fitting.expects(len(seen)):
        try:
            return whole()
        except (RuntimeError, MemoryError) as error:
            if not is_out_of_memory(error):
                raise
            failure = error.with_traceback(None)  # its frames hold the memory that the halves need
        release_memory()  # as does what the engines keep of the whole
        trim()
        empty_gpu_cache()
        if use_small_buffers(coords.device):
            log.warning("out of memory with %d voxels: once more with smaller buffers", len(seen))
            return _run(run, features, coords, reach, fitting, own, seen)
        fitting.failed(len(seen))
    halves = _halves(coords, own, seen, reach)
    if not halves:
        if failure is not None:
            raise failure
        return whole()  # there is no other way
    if failure is not None:
        sizes = " and ".join(str(len(around)) for _, _, around in halves)
        log.warning("out of memory with %d voxels: in two parts of %s", len(seen), sizes)
    parts = [_run(run, features, coords, reach, fitting, half, around) for _, half, around in halves]
    output = parts[0].new_empty(len(own), parts[0].shape[1])
    for (rows, _, _), part in zip(halves, parts):
        output[rows] = part
    return output


def _halves(coords: Tensor, own: Tensor, seen: Tensor, reach: int) -> list[tuple[Tensor, Tensor, Tensor]]:
    """Of each half: which of `own` it has (a mask), their rows, and the rows that they look at.

    None of them where a half would look at as much as the whole.
    """
    xyz = coords[own, 1:]
    axis = int((xyz.amax(0) - xyz.amin(0)).argmax())
    left = xyz[:, axis] <= xyz[:, axis].median()
    if left.all():  # most lie at the far end
        left = xyz[:, axis] < xyz[:, axis].median()
    if not left.any():  # all lie in one plane, along every axis
        return []
    halves = [(mask, own[mask], _surroundings(coords, seen, own[mask], reach)) for mask in (left, ~left)]
    return [] if any(len(around) >= len(seen) for _, _, around in halves) else halves


def _require(needed: float, voxels: int) -> None:
    if headroom.is_short(needed):
        release_memory()  # what engines keep of earlier passes
        headroom.require(needed, f"a network over {voxels:,} voxels")


def _surroundings(coords: Tensor, seen: Tensor, own: Tensor, reach: int) -> Tensor:
    """Rows of `seen` within `reach` of the box around `own`."""
    low, high = coords[own, 1:].amin(0) - reach, coords[own, 1:].amax(0) + reach
    xyz = coords[seen, 1:]
    return seen[((xyz >= low) & (xyz <= high)).all(1)]
