"""The engine in plain torch: any device and dtype. The reference that the others are tested against.

    output[o] = Σ_k  features[table[o, k]] · kernel[k]

The neighbours of a chunk of outputs are gathered and multiplied at once: few launches and large GEMMs, which
keep every core, or a GPU, busy, at the price of multiplying zeros where there is no neighbour. Where each
output has one neighbour at most (transposed: one parent a voxel), the inputs are multiplied first, by all
offsets, and each output picks its product. Nothing here waits for a GPU's answer.
"""

import torch
from torch import Tensor

from ssen_ros import stopping
from ssen_ros.sparse.kernel_map import KernelMap

_CHUNK_BYTES = {"cpu": 4 << 20, "cuda": 256 << 20}  # of gathered neighbours: last-level cache; a large GEMM
_SMALL_BYTES = 16 << 20  # where memory is short
_QUERIES = {"cpu": 1 << 20, "cuda": 1 << 23}  # neighbours that are looked for at a time: 25 bytes each


def use_small_buffers(device: torch.device) -> bool:
    """Gather less at a time from now on, for memory is short. False where as little was gathered before."""
    before = _CHUNK_BYTES[device.type]
    _CHUNK_BYTES[device.type] = min(before, _SMALL_BYTES)
    return before > _SMALL_BYTES


class TorchEngine:
    """Features and kernels stay in `dtype`; None: as they come. On a GPU float16 or bfloat16 is faster.

    Sums over neighbours, and gradients of kernels, are in float32 at least.
    """

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
        offsets = (step + torch.arange(depth, device=step.device)[:, None]).view(-1)
        table = torch.empty((len(base), len(offsets)), dtype=torch.int32, device=keys.device)
        rows = max(1, _QUERIES[keys.device.type] // len(offsets))
        for part, own in zip(table.split(rows), base.split(rows)):
            query = own[:, None] + offsets
            row = torch.searchsorted(keys, query, out_int32=True).clamp_(max=n - 1)
            found = keys.index_select(0, row.view(-1)).view_as(query)
            part.copy_(row.masked_fill_(found != query, n))
        return table

    def transpose(self, kernel_map: KernelMap) -> KernelMap:
        m, volume, n = kernel_map.num_outputs, kernel_map.volume, kernel_map.num_inputs
        cell = kernel_map.table.long() * volume + torch.arange(volume, device=kernel_map.table.device)
        rows = torch.arange(m, dtype=torch.int32, device=cell.device)[:, None].expand(m, volume)
        table = kernel_map.table.new_full((n + 1, volume), m)  # what points nowhere falls into the last row
        table.view(-1).scatter_(0, cell.view(-1), rows.reshape(-1))
        return KernelMap(table[:n], m)

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
        bias = None if bias is None else bias.to(packed.dtype)
        if kernel_map is None:
            output = _product(features, packed[0], bias)
        elif kernel_map.picks_a_product:
            output = _pick_products(features, packed, kernel_map)
            output = output if bias is None else output.add_(bias)
        else:
            output = features.new_empty(kernel_map.num_outputs, packed.shape[2])
            for rows, gathered in _gather(features, kernel_map):
                _product(gathered, packed.reshape(-1, packed.shape[2]), bias, out=output[rows])
        if shortcut is not None:
            output = output.add_(shortcut)
        return output.relu_() if relu else output

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
        """(K, Cin, Cout), float32 at least: of the sum over outputs and channels of `gradient` times the
        convolution."""
        exact = torch.promote_types(features.dtype, torch.float32)
        if kernel_map is None:
            return (features.T.to(exact) @ gradient.to(exact))[None]
        volume, c_in, c_out = kernel_map.volume, features.shape[1], gradient.shape[1]
        if kernel_map.picks_a_product:
            spread = gradient.new_zeros((kernel_map.num_inputs + 1) * volume, c_out, dtype=exact)
            spread.index_copy_(0, kernel_map.product_row, gradient.to(exact))
            products = features.T.to(exact) @ spread.view(-1, volume * c_out)[:-1]
            return products.view(c_in, volume, c_out).transpose(0, 1)
        total = features.new_zeros(volume * c_in, c_out, dtype=exact)
        for rows, gathered in _gather(features, kernel_map):
            total.addmm_(gathered.T.to(exact), gradient[rows].to(exact))
        return total.view(volume, c_in, c_out)


def _product(a: Tensor, b: Tensor, bias: Tensor | None, out: Tensor | None = None) -> Tensor:
    return torch.mm(a, b, out=out) if bias is None else torch.addmm(bias.view(-1), a, b, out=out)


def _pick_products(features: Tensor, kernel: Tensor, kernel_map: KernelMap) -> Tensor:
    """(M, Cout) of a map on which no output has two neighbours."""
    volume, c_in, c_out = kernel.shape
    products = features.new_empty(kernel_map.num_inputs + 1, volume * c_out)
    products[-1] = 0  # of who has none
    torch.mm(features, kernel.transpose(0, 1).reshape(c_in, volume * c_out), out=products[:-1])
    return products.view(-1, c_out).index_select(0, kernel_map.product_row)


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
