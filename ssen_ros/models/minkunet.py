"""The Minkowski U-Nets (Choy et al., 4D Spatio-Temporal ConvNets, CVPR 2019), as declarations.

Layer names and shapes are those of MinkowskiEngine's `examples/minkunet.py`, so a state dict of one loads
strictly into the other. `pXsY` in a name reads: input at stride X, stride of the layer Y.
"""

import copy
from collections.abc import Callable

from torch import Tensor, nn

from ssen_ros.errors import CheckpointError
from ssen_ros.sparse import (
    BatchNorm,
    Convolution,
    CoordinateManager,
    Coordinates,
    SparseTensor,
    concatenate,
    convolve_normalize_relu,
    fold_batch_norm,
    sparse_tensor,
)


class BasicBlock(nn.Module):
    """Two 3³ convolutions and a shortcut."""

    def __init__(self, in_channels: int, channels: int):
        super().__init__()
        self.conv1 = Convolution(in_channels, channels, 3)
        self.norm1 = BatchNorm(channels)
        self.conv2 = Convolution(channels, channels, 3)
        self.norm2 = BatchNorm(channels)
        self.downsample = None
        if in_channels != channels:
            self.downsample = nn.Sequential(Convolution(in_channels, channels, 1), BatchNorm(channels))

    def forward(self, x: SparseTensor) -> SparseTensor:
        shortcut = x if self.downsample is None else self.downsample(x)
        y = convolve_normalize_relu(self.conv1, self.norm1, x)
        return convolve_normalize_relu(self.conv2, self.norm2, y, shortcut)


class MinkUNet(nn.Module):
    """Four levels down, four up, skip connections between. Subclasses say how wide and how deep.

    Args:
        in_channels: width of the input features.
        out_channels: classes of the semantic network, or the embedding width d.
        first_kernel_size: of `conv0p1s1`: 5 in MinkowskiEngine's example, 3 in some published weights.
    """

    PLANES: tuple[int, ...] = ()
    LAYERS: tuple[int, ...] = ()
    STEM = 32

    _DOWN = ("conv1p1s2", "conv2p2s2", "conv3p4s2", "conv4p8s2")
    _UP = ("convtr4p16s2", "convtr5p8s2", "convtr6p4s2", "convtr7p2s2")

    def __init__(self, in_channels: int, out_channels: int, first_kernel_size: int = 5):
        super().__init__()
        planes, layers = self.PLANES, self.LAYERS
        self.coordinates: Callable[[Tensor], Coordinates] = CoordinateManager  # which engine computes
        self.conv0p1s1 = Convolution(in_channels, self.STEM, first_kernel_size)
        self.bn0 = BatchNorm(self.STEM)
        width, skips = self.STEM, [self.STEM]
        for i, name in enumerate(self._DOWN, start=1):
            setattr(self, name, Convolution(width, width, 2, stride=2))
            setattr(self, f"bn{i}", BatchNorm(width))
            setattr(self, f"block{i}", _blocks(width, planes[i - 1], layers[i - 1]))
            width = planes[i - 1]
            skips.append(width)
        skips.pop()
        for i, name in enumerate(self._UP, start=4):
            setattr(self, name, Convolution(width, planes[i], 2, stride=2, transposed=True))
            setattr(self, f"bntr{i}", BatchNorm(planes[i]))
            setattr(self, f"block{i + 1}", _blocks(planes[i] + skips.pop(), planes[i], layers[i]))
            width = planes[i]
        self.final = Convolution(width, out_channels, 1, bias=True)

    def forward(
        self, features: Tensor, coords: Tensor, coordinates: Callable[[Tensor], Coordinates] | None = None
    ) -> Tensor:
        """(N, in_channels) features on (N, 4) integer coordinates to (N, out_channels), same row order.

        `coordinates` take the place of the network's own.
        """
        x = sparse_tensor(features, coords, coordinates or self.coordinates)
        x = convolve_normalize_relu(self.conv0p1s1, self.bn0, x)
        skips = [x]
        for i, name in enumerate(self._DOWN, start=1):
            x = convolve_normalize_relu(getattr(self, name), getattr(self, f"bn{i}"), x)
            x = getattr(self, f"block{i}")(x)
            skips.append(x)
        skips.pop()
        for i, name in enumerate(self._UP, start=4):
            x = convolve_normalize_relu(getattr(self, name), getattr(self, f"bntr{i}"), x)
            x = concatenate(x, skips.pop())  # takes the name of its first half, whose memory the block uses
            x = getattr(self, f"block{i + 1}")(x)
        return self.final(x).in_callers_order().to(features.dtype)

    @property
    def reach(self) -> int:
        """Voxels along each axis, to either side, beyond which nothing changes an output."""
        reach = self.conv0p1s1.kernel_size // 2
        for level, count in enumerate(self.LAYERS, start=1):
            # Blocks 1..4 lie at strides 2, 4, 8, 16, blocks 5..8 at 8, 4, 2, 1; each has two 3³ convolutions.
            stride = 2 ** (level if level <= 4 else 8 - level)
            reach += 2 * count * stride
        return reach + 15  # a voxel's ancestors at strides 2 to 16 begin, and their children end, so far away

    def for_inference(self) -> "MinkUNet":
        """A copy in evaluation mode with every batch norm folded into the convolution before it.

        Set its `coordinates` to compute with another engine.
        """
        model = copy.deepcopy(self).eval().requires_grad_(False)
        pairs = [("conv0p1s1", "bn0")]
        pairs += [(name, f"bn{i}") for i, name in enumerate(self._DOWN, start=1)]
        pairs += [(name, f"bntr{i}") for i, name in enumerate(self._UP, start=4)]
        owners: list[tuple[nn.Module, str, str]] = [(model, conv, norm) for conv, norm in pairs]
        for block in (m for m in model.modules() if isinstance(m, BasicBlock)):
            owners += [(block, "conv1", "norm1"), (block, "conv2", "norm2")]
            if block.downsample is not None:
                owners.append((block.downsample, "0", "1"))
        for owner, conv, norm in owners:
            fold_batch_norm(getattr(owner, conv), getattr(owner, norm))
            setattr(owner, norm, nn.Identity())
        return model


def _blocks(in_channels: int, channels: int, count: int) -> nn.Sequential:
    return nn.Sequential(*[BasicBlock(in_channels if i == 0 else channels, channels) for i in range(count)])


class MinkUNet14S(MinkUNet):
    """Ours, not upstream's: MinkUNet14 narrowed until it trains and runs on two CPU cores."""

    PLANES = (32, 64, 96, 128, 96, 64, 48, 32)
    LAYERS = (1, 1, 1, 1, 1, 1, 1, 1)


class MinkUNet14D(MinkUNet):
    """Ours: MinkUNet14S, deeper at strides 8 and 16, where a block costs little and sees far."""

    PLANES = MinkUNet14S.PLANES
    LAYERS = (1, 1, 2, 2, 2, 1, 1, 1)


class MinkUNet14A(MinkUNet):
    PLANES = (32, 64, 128, 256, 128, 128, 96, 96)
    LAYERS = (1, 1, 1, 1, 1, 1, 1, 1)


class MinkUNet18A(MinkUNet):
    PLANES = (32, 64, 128, 256, 128, 128, 96, 96)
    LAYERS = (2, 2, 2, 2, 2, 2, 2, 2)


class MinkUNet34A(MinkUNet):
    PLANES = (32, 64, 128, 256, 256, 128, 64, 64)
    LAYERS = (2, 3, 4, 6, 2, 2, 2, 2)


class MinkUNet34C(MinkUNet):
    PLANES = (32, 64, 128, 256, 256, 128, 96, 96)
    LAYERS = (2, 3, 4, 6, 2, 2, 2, 2)


_ALL = (MinkUNet14S, MinkUNet14D, MinkUNet14A, MinkUNet18A, MinkUNet34A, MinkUNet34C)
ARCHITECTURES = {c.__name__: c for c in _ALL}


def build_network(name: str, in_channels: int, out_channels: int, first_kernel_size: int = 5) -> MinkUNet:
    """Raises CheckpointError for an unknown architecture."""
    if name not in ARCHITECTURES:
        raise CheckpointError(f"architecture {name!r}: expected one of {', '.join(ARCHITECTURES)}")
    return ARCHITECTURES[name](in_channels, out_channels, first_kernel_size)
