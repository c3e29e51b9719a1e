"""The engine in plain torch: any device and dtype. The reference that the others are tested against.

    output[o] = Σ_k  features[table[o, k]] · kernel[k]

Two ways to the same sum. Dense tables (submanifold, strided) gather all K neighbours of a chunk of
outputs and multiply once: large GEMMs that keep every core, or a GPU, busy, at the price of multiplying
zeros where there is no neighbour. Thin tables (transposed: one parent a voxel) go offset by offset.
"""

import torch
from torch import Tensor

from ssen_ros import stopping
from ssen_ros.sparse.kernel_map import KernelMap

_CHUNK_BYTES = {"cpu": 4 << 20, "cuda": 256 << 20}  # of gathered neighbours: last-level cache; a large GEMM
_DENSE = 0.3  # share of present neighbours above which multiplying the absent ones is cheaper than scattering


class TorchEngine:
    """Features and kernels stay in `dtype`; None: as they come. On a GPU float16 or bfloat16 is faster."""

    def __init__(self, dtype: torch.dtype | None = None):
        self.dtype = dtype

    def empty(self, rows: int, channels: int, like: Tensor) -> Tensor:
        return like.new_empty(rows, channels)

    def pack(self, kernel: Tensor) -> Tensor:
        """A (K, Cin, Cout) kernel as `convolve` wants it."""
        return kernel.to(self.dtype or kernel.dtype)

    def find_neighbours(self, keys: Tensor, base: Tensor, step: Tensor, depth: int) -> Tensor:
        """(M, depth · columns) int32 table of the rows whose key is base[o] + step[column] + z.

        Columns run fastest; `len(keys)` where there is none. keys (N,) and base (M,) ascend; step
        (columns,); all int64.
        """
        n = len(keys)
        table = torch.full((len(base), depth * len(step)), n, dtype=torch.int32, device=keys.device)
        for k, offset in enumerate((step + z) for z in range(depth)):
            for c in range(len(step)):
                query = base + offset[c]
                row = torch.searchsorted(keys, query).clamp_max_(n - 1)
                found = keys[row] == query
                table[:, k * len(step) + c] = torch.where(found, row, n)
        return table

    def transpose(self, kernel_map: KernelMap) -> KernelMap:
        shape = (kernel_map.num_inputs, kernel_map.volume)
        table = kernel_map.table.new_full(shape, kernel_map.num_outputs)
        for k, (inputs, outputs) in enumerate(kernel_map.pairs):
            table[inputs, k] = outputs.int()
        return KernelMap(table, kernel_map.num_outputs)

    def convolve(
        self,
        features: Tensor,
        packed: Tensor,
        kernel_map: KernelMap | None,
        bias: Tensor | None = None,
        shortcut: Tensor | None = None,
        relu: bool = False,
    ) -> Tensor:
        """(N, Cin) to (M, Cout): relu(convolution + bias + shortcut). Without a map each row is its own."""
        stopping.check()
        output = features @ packed[0] if kernel_map is None else _sum(features, packed, kernel_map)
        if bias is not None:
            output = output + bias.to(output.dtype)
        if shortcut is not None:
            output = output + shortcut
        return torch.relu(output) if relu else output

    def settle(self, output: Tensor, rows: Tensor, kept: Tensor, is_new: Tensor, tolerance: float) -> Tensor:
        """kept[rows] = output where their squared distance is above `tolerance`, or the row is new.

        output (n, C) and kept (slots, C) of one type; rows (n,) int64; is_new (slots,) bool.
        Returns those of the rows, in their order, that have changed.
        """
        differs = (output.float() - kept[rows].float()).square().sum(1) > tolerance
        differs |= is_new[rows]
        kept[rows[differs]] = output[differs]
        return rows[differs]

    def kernel_gradient(self, features: Tensor, gradient: Tensor, kernel_map: KernelMap | None) -> Tensor:
        """(K, Cin, Cout): of the sum over outputs and channels of `gradient` times the convolution."""
        if kernel_map is None:
            return (features.T @ gradient)[None]
        if kernel_map.density < _DENSE:
            pairs = kernel_map.pairs
            return torch.stack(
                [features.index_select(0, i).T @ gradient.index_select(0, o) for i, o in pairs]
            )
        shape = (kernel_map.volume, features.shape[1], gradient.shape[1])
        exact = torch.promote_types(features.dtype, torch.float32)  # chunks are summed in it
        total = features.new_zeros(shape[0] * shape[1], shape[2], dtype=exact)
        for rows, gathered in _gather(features, kernel_map):
            total += gathered.T @ gradient[rows]
        return total.view(shape).to(features.dtype)


def _sum(features: Tensor, kernel: Tensor, kernel_map: KernelMap) -> Tensor:
    if kernel_map.density < _DENSE:
        output = features.new_zeros(kernel_map.num_outputs, kernel.shape[2])
        for weight, (inputs, outputs) in zip(kernel, kernel_map.pairs):
            output.index_add_(0, outputs, features.index_select(0, inputs) @ weight)
        return output
    output = features.new_empty(kernel_map.num_outputs, kernel.shape[2])
    weight = kernel.reshape(-1, kernel.shape[2])
    for rows, gathered in _gather(features, kernel_map):
        torch.mm(gathered, weight, out=output[rows])
    return output


def _gather(features: Tensor, kernel_map: KernelMap):
    """Chunks of (output rows, (rows, K · C) neighbours' features, zeros where there is no neighbour)."""
    channels = features.shape[1]
    padded = torch.cat([features, features.new_zeros(1, channels)])
    width = kernel_map.volume * channels
    step = max(256, _CHUNK_BYTES[features.device.type] // (width * features.element_size()))
    for start in range(0, kernel_map.num_outputs, step):
        rows = slice(start, min(start + step, kernel_map.num_outputs))
        index = kernel_map.table[rows].reshape(-1)
        yield rows, padded.index_select(0, index).view(-1, width)
