"""Voxel coordinates at every stride, and the kernel maps between them.

A kernel map says, for each output voxel and each kernel offset, which input voxel lies there. Offsets
are enumerated x fastest, as MinkowskiEngine's HYPER_CUBE region does, so that its weights fit unchanged:
odd sizes are centred, even sizes start at the voxel itself.
"""

from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor


@dataclass(frozen=True)
class KernelMap:
    """Neighbours of every output voxel."""

    table: Tensor  # (M, K) int32: row of the input voxel at each offset; `num_inputs` where there is none
    num_inputs: int

    @property
    def num_outputs(self) -> int:
        return self.table.shape[0]

    @property
    def volume(self) -> int:
        return self.table.shape[1]

    @cached_property
    def pairs(self) -> list[tuple[Tensor, Tensor]]:
        """For each offset, the (input rows, output rows) that meet there, int64."""
        hit = self.table != self.num_inputs
        outputs = [column.nonzero().squeeze(1) for column in hit.T]
        return [(self.table[rows, k].long(), rows) for k, rows in enumerate(outputs)]

    @cached_property
    def density(self) -> float:
        """Share of the table that points at a voxel."""
        if self.table.numel() == 0:
            return 1.0
        return float((self.table != self.num_inputs).float().mean())

    @cached_property
    def transposed(self) -> "KernelMap":
        """The map of the transposed convolution, which is also that of the gradient to the input."""
        shape = (self.num_inputs, self.volume)
        table = torch.full(shape, self.num_outputs, dtype=torch.int32, device=self.table.device)
        for k, (inputs, outputs) in enumerate(self.pairs):
            table[inputs, k] = outputs.int()
        return KernelMap(table, self.num_outputs)


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

    Raises:
        ValueError: for a wrong shape, a floating dtype, or coordinates that occur twice.
    """

    def __init__(self, coords: Tensor):
        if coords.ndim != 2 or coords.shape[1] != 4 or coords.is_floating_point():
            raise ValueError(
                f"coords has shape {tuple(coords.shape)} and {coords.dtype}, expected (N, 4) integers"
            )
        coords = coords.long()
        keys = _Frame(coords, 0).keys(coords) if len(coords) else coords.new_empty(0)
        keys, self.order = torch.sort(keys)  # sorted row -> caller's row
        repeated = int((keys[1:] == keys[:-1]).sum())
        if repeated:
            raise ValueError(
                f"{repeated} of {len(coords)} coordinates occur twice; voxelize the points first"
            )
        self._levels = {1: coords[self.order]}
        self._maps: dict[tuple[int, int, int], KernelMap] = {}

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
                self._maps[key] = self.kernel_map(out_stride, in_stride, kernel_size).transposed
            else:
                self._maps[key] = self._find_neighbours(in_stride, out_stride, kernel_size)
        return self._maps[key]

    def _find_neighbours(self, in_stride: int, out_stride: int, kernel_size: int) -> KernelMap:
        inputs, outputs = self.coords(in_stride), self.coords(out_stride)
        ratio = out_stride // in_stride
        offsets = kernel_offsets(kernel_size, inputs.device)
        volume, n = len(offsets), len(inputs)
        table = torch.full((len(outputs), volume), n, dtype=torch.int32, device=inputs.device)
        if n == 0:
            return KernelMap(table, n)
        frame = _Frame(inputs, margin=kernel_size + ratio)
        keys = frame.keys(inputs)
        corner = outputs * torch.tensor([1, ratio, ratio, ratio], device=inputs.device)
        base = frame.keys(corner)
        step = (offsets[:, 0] * frame.extent[2] + offsets[:, 1]) * frame.extent[3] + offsets[:, 2]
        # At equal strides, i sees o at offset k just where o sees i at the mirrored offset: half the search.
        mirrored = ratio == 1 and kernel_size % 2 == 1
        for k in range(volume // 2 if mirrored else volume):
            query = base + step[k]
            row = torch.searchsorted(keys, query).clamp_max_(n - 1)
            found = (keys[row] == query).nonzero().squeeze(1)
            neighbour = row[found]
            table[found, k] = neighbour.int()
            if mirrored:
                table[neighbour, volume - 1 - k] = found.int()
        if mirrored:
            table[:, volume // 2] = torch.arange(n, dtype=torch.int32, device=inputs.device)
        kernel_map = KernelMap(table, n)
        if mirrored:
            kernel_map.__dict__["transposed"] = KernelMap(table.flip(1), n)
        return kernel_map
