"""What the parts of the engine ask of each other: who multiplies, where the voxels lie, what a layer is."""

from typing import Any, Protocol

import torch
from torch import Tensor
from torch.nn import Parameter

from ssen_ros.sparse.kernel_map import KernelMap


class Engine(Protocol):
    """What finds neighbours and multiplies; `TorchEngine` documents each method."""

    @property
    def dtype(self) -> torch.dtype | None:
        """Of the features that it takes; None: any."""

    def empty(self, rows: int, channels: int, like: Tensor) -> Tensor: ...

    def find_neighbours(self, keys: Tensor, base: Tensor, step: Tensor, depth: int) -> Tensor: ...

    def transpose(self, kernel_map: KernelMap) -> KernelMap: ...

    def pack(self, kernel: Tensor) -> Any: ...

    def convolve(
        self,
        features: Tensor,
        packed: Any,
        kernel_map: KernelMap | None,
        bias: Tensor | None,
        shortcut: Tensor | None,
        relu: bool,
    ) -> Tensor: ...

    def settle(
        self, output: Tensor, rows: Tensor, kept: Tensor, is_new: Tensor, tolerance: float
    ) -> Tensor: ...

    def kernel_gradient(self, features: Tensor, gradient: Tensor, kernel_map: KernelMap | None) -> Tensor: ...


class Layer(Protocol):
    """A convolution: `modules.Convolution`."""

    kernel_size: int
    stride: int
    transposed: bool
    kernel: Parameter  # as checkpoints have it
    bias: Parameter | None  # (1, Cout)

    @property
    def kernel3d(self) -> Tensor:
        """(kernel_size³, Cin, Cout)."""
        ...

    def packed(self, engine: Engine) -> Any:
        """The kernel as `engine` wants it."""


class Coordinates(Protocol):
    """The voxels of one input at every stride, and convolution between them: `CoordinateManager`, or another
    library's."""

    def arrange(self, features: Tensor) -> Tensor:
        """(N, C) features in the caller's order to the order, type and memory that are computed in."""
        ...

    def restore(self, features: Tensor) -> Tensor:
        """(N, C) features at stride 1 back in the caller's order."""
        ...

    def convolve(
        self,
        features: Tensor,
        layer: Layer,
        in_stride: int,
        out_stride: int,
        shortcut: Tensor | None = None,
        relu: bool = False,
    ) -> Tensor:
        """relu(layer(features) + shortcut)."""
        ...

    def concatenate(self, a: Tensor, b: Tensor) -> Tensor:
        """Channels of both."""
        ...
