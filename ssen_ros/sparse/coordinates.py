"""Voxel coordinates at every stride, and the kernel maps between them.

A kernel map says, for each output voxel and each kernel offset, which input voxel lies there. Offsets
are enumerated x fastest, as MinkowskiEngine's HYPER_CUBE region does, so that its weights fit unchanged:
odd sizes are centred, even sizes start at the voxel itself.
"""

import torch
from torch import Tensor

from ssen_ros.sparse.convolution import check_shapes, convolve, default_engine, engine_for
from ssen_ros.sparse.interfaces import Engine, Layer
from ssen_ros.sparse.kernel_map import KernelMap


def kernel_offsets(kernel_size: int, device: torch.device | None = None) -> Tensor:
    """(kernel_size³, 3) int64 offsets in x, y, z, x fastest."""
    start = -(kernel_size // 2) if kernel_size % 2 else 0
    steps = torch.arange(start, start + kernel_size, device=device)
    z, y, x = torch.meshgrid(steps, steps, steps, indexing="ij")
    return torch.stack([x, y, z], dim=-1).reshape(-1, 3)


class _Frame:
    """Linear keys over the bounding box of a set of coordinates, in their lexicographic order.

    The margin keeps neighbours that lie outside the box from wrapping around onto voxels inside it.
    """

    def __init__(self, coords: Tensor, margin: int):
        pad = torch.tensor([0, margin, margin, margin], device=coords.device)
        self.low = coords.amin(0) - pad
        self.extent = coords.amax(0) + pad - self.low + 1
        cells = 1
        for n in self.extent.tolist():
            cells *= n
        if cells >= 1 << 63:
            raise ValueError(
                f"coordinates span {self.extent.tolist()} (batch, x, y, z) cells, expected fewer than 2^63 "
                "in all; remove far outliers or split the batch"
            )

    def keys(self, coords: Tensor) -> Tensor:
        b, x, y, z = (coords - self.low).unbind(1)
        return ((b * self.extent[1] + x) * self.extent[2] + y) * self.extent[3] + z

    def coords(self, keys: Tensor) -> Tensor:
        z, rest = keys % self.extent[3], keys // self.extent[3]
        y, rest = rest % self.extent[2], rest // self.extent[2]
        x, b = rest % self.extent[1], rest // self.extent[1]
        return torch.stack([b, x, y, z], dim=1) + self.low


class CoordinateManager:
    """The voxels of one input at strides 1, 2, 4, … and the kernel maps between them, each made once.

    Args:
        coords: (N, 4) integer tensor: batch index, x, y, z; unique, any order, negatives welcome.
        engine: what finds neighbours and multiplies; by default the fastest for the device of `coords`.

    Raises:
        ValueError: for a wrong shape, a floating dtype, or coordinates that occur twice.
    """

    def __init__(self, coords: Tensor, engine: Engine | None = None):
        if coords.ndim != 2 or coords.shape[1] != 4 or coords.is_floating_point():
            raise ValueError(
                f"coords has shape {tuple(coords.shape)} and {coords.dtype}, expected (N, 4) integers"
            )
        coords = coords.long()
        keys = _Frame(coords, 0).keys(coords) if len(coords) else coords.new_empty(0)
        self._order: Tensor | None = None  # sorted row -> caller's row; None: they are sorted, as a map's are
        if not (keys[1:] > keys[:-1]).all():
            keys, self._order = torch.sort(keys)
            repeated = int((keys[1:] == keys[:-1]).sum())
            if repeated:
                raise ValueError(
                    f"{repeated} of {len(coords)} coordinates occur twice; voxelize the points first"
                )
            coords = coords[self._order]
        self._levels = {1: coords}
        self.engine = engine or default_engine(coords.device)
        self._maps: dict[tuple[int, int, int], KernelMap] = {}
        self._frames: dict[tuple[int, int], tuple[_Frame, Tensor]] = {}

    def arrange(self, features: Tensor) -> Tensor:
        """(N, C) features in the caller's order to that of the voxels at stride 1, in the engine's type."""
        if features.dtype == torch.float32 and self.engine.dtype is not None:
            features = features.to(self.engine.dtype)
        return features if self._order is None else features.index_select(0, self._order)

    def restore(self, features: Tensor) -> Tensor:
        """(N, C) features at stride 1 back in the caller's order."""
        if self._order is None:
            return features
        return torch.empty_like(features).index_copy(0, self._order, features)

    def concatenate(self, a: Tensor, b: Tensor) -> Tensor:
        """(N, Ca + Cb)."""
        if torch.is_grad_enabled():
            return torch.cat([a, b], dim=1)
        out = engine_for(a, self.engine).empty(len(a), a.shape[1] + b.shape[1], a)
        return torch.cat([a, b], dim=1, out=out)

    def coords(self, stride: int) -> Tensor:
        """(N, 4) int64, in units of `stride` voxels, in lexicographic order."""
        if stride not in self._levels:
            fine = self.coords(stride // 2)
            parents = torch.cat([fine[:, :1], torch.div(fine[:, 1:], 2, rounding_mode="floor")], dim=1)
            if len(parents):
                frame = _Frame(parents, 0)
                parents = frame.coords(torch.unique(frame.keys(parents)))
            self._levels[stride] = parents
        return self._levels[stride]

    def kernel_map(self, in_stride: int, out_stride: int, kernel_size: int) -> KernelMap:
        """From the voxels at `in_stride` to those at `out_stride`, one of them a multiple of the other."""
        key = (in_stride, out_stride, kernel_size)
        if key not in self._maps:
            if out_stride < in_stride:
                self._maps[key] = self.kernel_map(out_stride, in_stride, kernel_size).transposed(
                    self.engine.transpose
                )
            else:
                self._maps[key] = self._find_neighbours(in_stride, out_stride, kernel_size)
        return self._maps[key]

    def _find_neighbours(self, in_stride: int, out_stride: int, kernel_size: int) -> KernelMap:
        inputs, outputs = self.coords(in_stride), self.coords(out_stride)
        ratio = out_stride // in_stride
        mirrored = ratio == 1 and kernel_size % 2 == 1
        n, volume = len(inputs), kernel_size**3
        if n == 0:
            return KernelMap(inputs.new_empty((len(outputs), volume), dtype=torch.int32), n, mirrored)
        frame, keys = self._keys(in_stride, margin=kernel_size + ratio)
        corner = keys
        if ratio > 1:
            corner = frame.keys(outputs * torch.tensor([1, ratio, ratio, ratio], device=inputs.device))
        x, y, z = kernel_offsets(kernel_size, inputs.device)[: kernel_size**2].unbind(1)
        step = (x * frame.extent[2] + y) * frame.extent[3] + z
        table = self.engine.find_neighbours(keys, corner, step, kernel_size)
        return KernelMap(table, n, mirrored, checked=True, disjoint=ratio == kernel_size)

    def _keys(self, stride: int, margin: int) -> tuple[_Frame, Tensor]:
        """The frame of the voxels at `stride`, and their keys in it."""
        if (stride, margin) not in self._frames:
            frame = _Frame(self.coords(stride), margin)
            self._frames[stride, margin] = frame, frame.keys(self.coords(stride))
        return self._frames[stride, margin]

    def convolve(
        self,
        features: Tensor,
        layer: Layer,
        in_stride: int,
        out_stride: int,
        shortcut: Tensor | None = None,
        relu: bool = False,
    ) -> Tensor:
        """(N, Cin) features at `in_stride` to (M, Cout) at `out_stride`: relu(convolution + bias + shortcut).

        Where gradients are asked for, they flow; else it is one fused step of the engine.
        Raises ValueError for features or a shortcut of another shape.
        """
        size = layer.kernel_size
        kernel_map = None if size == 1 else self.kernel_map(in_stride, out_stride, size)
        check_shapes(features, layer.kernel3d.shape, kernel_map, shortcut)
        if not torch.is_grad_enabled():
            engine = engine_for(features, self.engine)
            packed, bias = layer.packed(engine), layer.bias
            return engine.convolve(features, packed, kernel_map, bias, shortcut, relu)
        output = convolve(features, layer.kernel3d, kernel_map, self.engine)
        output = output if layer.bias is None else output + layer.bias
        output = output if shortcut is None else output + shortcut
        return torch.relu(output) if relu else output
