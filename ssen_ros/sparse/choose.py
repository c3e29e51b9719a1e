"""Which engine computes a network on a device."""

from collections.abc import Callable
from functools import partial

import torch
from torch import Tensor

from ssen_ros.sparse.convolution import default_engine
from ssen_ros.sparse.coordinates import CoordinateManager
from ssen_ros.sparse.interfaces import Coordinates, Engine
from ssen_ros.sparse.minkowski import minkowski_coordinates
from ssen_ros.sparse.native_engine import best_instruction_set


def engine_on(device: torch.device, precision: str = "float32") -> Engine:
    """The fastest of ours there; precision and errors as for `coordinates_on`."""
    if precision == "auto" and device.type == "cuda":
        precision = "float16"
    elif precision == "auto":
        precision = "bfloat16" if best_instruction_set(torch.bfloat16) else "float32"
    return default_engine(device, getattr(torch, precision))


def coordinates_on(
    device: torch.device, precision: str = "float32", engine: str = "auto"
) -> Callable[[Tensor], Coordinates]:
    """What `MinkUNet.coordinates` is set to: the fastest of our engines there (`auto`), or `minkowski`.

    Precision `auto` is float16 on a GPU, bfloat16 on a CPU that multiplies it, else float32.
    Raises ConfigError where that precision is not fast there, EngineError where the GPU fails a trial, or
    MinkowskiEngine is missing.
    """
    if engine == "minkowski":
        dtype = torch.float32 if precision == "auto" else getattr(torch, precision)
        return minkowski_coordinates(device.type, dtype)
    return partial(CoordinateManager, engine=engine_on(device, precision))
