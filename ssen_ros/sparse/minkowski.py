"""MinkowskiEngine 0.5.4 in place of our own engines: the same layers on its coordinate maps and convolutions.

The one module that imports it, and only when it is asked for: it is optional (tools/minkowski builds it).
"""

import warnings
from functools import cache
from types import ModuleType

import torch
from torch import Tensor

from ssen_ros import stopping
from ssen_ros.errors import ConfigError, EngineError
from ssen_ros.sparse.interfaces import Layer


@cache
def minkowski_engine(device_type: str = "cpu") -> ModuleType:
    """The library, able to compute on `cpu` or `cuda`. Raises EngineError where it is missing or cannot."""
    remedy = "build it for this Python and torch with tools/minkowski/build.sh, or use engine native"
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # that it has no CUDA; asked below
            import MinkowskiEngine
    except Exception as error:  # a build for another torch or without its BLAS fails in many ways
        raise EngineError(f"MinkowskiEngine cannot be imported ({error}); {remedy}") from error
    if device_type == "cuda" and not MinkowskiEngine.is_cuda_available():
        raise EngineError(f"MinkowskiEngine here was built for the CPU only, asked for cuda; {remedy}")
    return MinkowskiEngine


def minkowski_coordinates(device_type: str, dtype: torch.dtype) -> "type[MinkowskiCoordinates]":
    """`MinkowskiCoordinates`, if they can compute there. Raises EngineError, or ConfigError for the dtype."""
    minkowski_engine(device_type)
    if dtype != torch.float32:
        name = str(dtype).removeprefix("torch.")
        raise ConfigError(
            f"segmenter.precision = {name!r} with segmenter.engine = 'minkowski': expected float32"
        )
    return MinkowskiCoordinates


class MinkowskiCoordinates:
    """`Coordinates` whose voxels, kernel maps and convolutions are MinkowskiEngine's, gradients included.

    Args:
        coords: (N, 4) integer tensor: batch index, x, y, z; unique, any order, negatives welcome.

    Raises:
        EngineError: MinkowskiEngine is missing, broken, or not built for the device of `coords`.
        ValueError: coordinates that occur twice.
    """

    def __init__(self, coords: Tensor):
        self._library = minkowski_engine(coords.device.type)
        kind = self._library.CoordinateMapType
        self._manager = self._library.CoordinateManager(
            D=3,
            num_threads=torch.get_num_threads(),
            coordinate_map_type=kind.CUDA if coords.is_cuda else kind.CPU,
        )
        self.order = torch.arange(len(coords), device=coords.device)
        self._keys = {}  # stride: coordinate map
        if len(coords):
            self._keys[1], (rows, _) = self._manager.insert_and_map(coords.int().contiguous())
            if len(rows) != len(coords):
                raise ValueError(
                    f"{len(coords) - len(rows)} of {len(coords)} coordinates occur twice; "
                    "voxelize the points first"
                )
            self.order = rows.long()

    def arrange(self, features: Tensor) -> Tensor:
        """(N, C) features in the caller's order to that of the coordinate map."""
        return features.index_select(0, self.order)

    def restore(self, features: Tensor) -> Tensor:
        """The inverse of `arrange`."""
        return torch.empty_like(features).index_copy(0, self.order, features)

    def concatenate(self, a: Tensor, b: Tensor) -> Tensor:
        """(N, Ca + Cb)."""
        return torch.cat([a, b], dim=1)

    def convolve(
        self,
        features: Tensor,
        layer: Layer,
        in_stride: int,
        out_stride: int,
        shortcut: Tensor | None = None,
        relu: bool = False,
    ) -> Tensor:
        """(N, Cin) features at `in_stride` to (M, Cout) at `out_stride`, as CoordinateManager's."""
        stopping.check()
        if layer.kernel_size == 1 or len(features) == 0:  # as its own layers do for 1³; it has no empty maps
            output = features @ layer.kernel3d[0]
        else:
            from MinkowskiEngineBackend._C import ConvolutionMode

            kind = "ConvolutionTranspose" if layer.transposed else "Convolution"
            function = getattr(self._library, f"Minkowski{kind}Function")
            region = self._library.KernelGenerator(layer.kernel_size, layer.stride, dimension=3)
            keys = self._key(in_stride), self._key(out_stride)
            output = function.apply(
                features, layer.kernel, region, ConvolutionMode.DEFAULT, *keys, self._manager
            )
        output = output if layer.bias is None else output + layer.bias
        output = output if shortcut is None else output + shortcut
        return torch.relu(output) if relu else output

    def _key(self, stride: int):
        """The coordinate map at a stride of 1, 2, 4, ..."""
        if stride not in self._keys:
            self._keys[stride] = self._manager.stride(self._key(stride // 2), 2)
        return self._keys[stride]
