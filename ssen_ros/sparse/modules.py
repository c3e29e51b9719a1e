"""Layers over sparse tensors. Parameter names and shapes are MinkowskiEngine's, so its checkpoints fit."""

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor, nn

from ssen_ros.sparse.coordinates import CoordinateManager
from ssen_ros.sparse.interfaces import Coordinates, Engine


@dataclass(frozen=True)
class SparseTensor:
    """Features on the voxels of one stride."""

    features: Tensor  # (N, C), rows in the order of the manager's voxels at this stride
    stride: int
    manager: Coordinates

    def with_features(self, features: Tensor) -> "SparseTensor":
        return replace(self, features=features)

    def in_callers_order(self) -> Tensor:
        """(N, C) features of a stride-1 tensor, rows as in the coordinates the manager was made from."""
        if self.stride != 1:
            raise ValueError(f"stride is {self.stride}, expected 1: only input voxels have a caller's order")
        return self.manager.restore(self.features)


def sparse_tensor(
    features: Tensor, coords: Tensor, coordinates: Callable[[Tensor], Coordinates] = CoordinateManager
) -> SparseTensor:
    """(N, C) features on (N, 4) integer coordinates (batch, x, y, z), in any order."""
    if len(features) != len(coords):
        raise ValueError(f"{len(features)} feature rows for {len(coords)} coordinates")
    manager = coordinates(coords)
    return SparseTensor(manager.arrange(features), 1, manager)


def relu(x: SparseTensor) -> SparseTensor:
    return x.with_features(torch.relu(x.features))


def concatenate(a: SparseTensor, b: SparseTensor) -> SparseTensor:
    """Channels of both, on the same voxels."""
    return a.with_features(a.manager.concatenate(a.features, b.features))


class Convolution(nn.Module):
    """Submanifold (stride 1), strided, or transposed convolution.

    Args:
        kernel_size: any odd size at stride 1; any size from 2 on at stride 2.
        stride: 1 or 2; the output lies on the voxels of `input stride * stride`.
        transposed: back to the voxels of `input stride / stride`, which the input was made from.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: int,
        stride: int = 1,
        bias: bool = False,
        transposed: bool = False,
    ):
        super().__init__()
        if stride not in (1, 2) or kernel_size < stride or (stride == 1 and kernel_size % 2 == 0):
            raise ValueError(
                f"kernel size {kernel_size} at stride {stride}: expected an odd size at stride 1, or a size "
                "of 2 or more at stride 2"
            )
        self.kernel_size, self.stride, self.transposed = kernel_size, stride, transposed
        volume = kernel_size**3
        shape = (in_channels, out_channels) if volume == 1 else (volume, in_channels, out_channels)
        # He initialisation. About half of a surface voxel's neighbours exist; upsampling has one parent.
        fan_in = in_channels * (1 if transposed or volume == 1 else volume / 2)
        self.kernel = nn.Parameter(torch.randn(shape) * math.sqrt(2.0 / fan_in))
        self.bias = nn.Parameter(torch.zeros(1, out_channels)) if bias else None
        self._packed: tuple[Tensor, tuple, Any] | None = None

    def forward(
        self, x: SparseTensor, shortcut: SparseTensor | None = None, relu: bool = False
    ) -> SparseTensor:
        """The convolution; on request plus a shortcut on the same voxels, and ReLU, in one step."""
        stride = x.stride // self.stride if self.transposed else x.stride * self.stride
        added = None if shortcut is None else shortcut.features
        return SparseTensor(
            x.manager.convolve(x.features, self, x.stride, stride, added, relu), stride, x.manager
        )

    @property
    def kernel3d(self) -> Tensor:
        """(K, Cin, Cout), for 1³ too."""
        return self.kernel[None] if self.kernel.ndim == 2 else self.kernel

    def packed(self, engine: Engine) -> Any:
        """The kernel as `engine` wants it; kept where it is frozen, as `MinkUNet.for_inference` leaves it."""
        kernel = self.kernel
        if self.training or kernel.requires_grad or kernel.is_inference():
            return engine.pack(self.kernel3d)
        key = engine, kernel.device, kernel._version
        if self._packed is None or self._packed[0] is not kernel or self._packed[1] != key:
            self._packed = kernel, key, engine.pack(self.kernel3d)
        return self._packed[2]

    def __getstate__(self) -> dict:
        """What is copied and pickled: all but the packed kernel."""
        return {**self.__dict__, "_packed": None}

    def extra_repr(self) -> str:
        kind = "transposed " if self.transposed else ""
        return f"{kind}kernel={tuple(self.kernel.shape)}, stride={self.stride}, bias={self.bias is not None}"


class BatchNorm1d(nn.BatchNorm1d):
    """torch's raises for a single row, and a coarse level may have one: without a variance of its own it is
    normalised by the running statistics, and teaches them nothing."""

    running_mean: Tensor  # torch's may be without, where they are not tracked
    running_var: Tensor
    num_batches_tracked: Tensor
    momentum: float

    def forward(self, x: Tensor) -> Tensor:
        return self.by_running_statistics(x) if self.training and len(x) < 2 else super().forward(x)

    def by_running_statistics(self, x: Tensor) -> Tensor:
        mean, variance = self.running_mean, self.running_var
        return nn.functional.batch_norm(x, mean, variance, self.weight, self.bias, eps=self.eps)


class BatchNorm(nn.Module):
    """Batch normalisation over all voxels of all scenes in the batch."""

    def __init__(self, channels: int, momentum: float = 0.1):
        super().__init__()
        self.bn = BatchNorm1d(channels, momentum=momentum)

    def forward(self, x: SparseTensor) -> SparseTensor:
        return x.with_features(self.bn(x.features))


def convolve_normalize_relu(
    convolution: Convolution, norm: nn.Module, x: SparseTensor, shortcut: SparseTensor | None = None
) -> SparseTensor:
    """relu(norm(convolution(x)) + shortcut); one step of the engine where the norm has been folded away."""
    if isinstance(norm, nn.Identity):
        return convolution(x, shortcut, relu=True)
    y = norm(convolution(x))
    return relu(y if shortcut is None else y.with_features(y.features + shortcut.features))


@torch.no_grad()
def fold_batch_norm(convolution: Convolution, norm: BatchNorm) -> Convolution:
    """One convolution that equals `norm(convolution(x))` in evaluation mode, exactly up to rounding."""
    scale = norm.bn.weight / torch.sqrt(norm.bn.running_var + norm.bn.eps)
    bias = norm.bn.bias - norm.bn.running_mean * scale
    if convolution.bias is not None:
        bias = bias + convolution.bias * scale
    convolution.kernel.copy_(convolution.kernel * scale)
    convolution.bias = nn.Parameter(bias.reshape(1, -1).clone(), requires_grad=False)
    return convolution
