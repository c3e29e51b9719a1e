"""The engine for GPUs from compute capability 8.0 on: products of the neighbours that exist, none gathered.

Imported late: Triton is optional, and comes with PyTorch for CUDA.
"""

from contextlib import AbstractContextManager, nullcontext

import torch
import triton
from torch import Tensor

from ssen_ros import stopping
from ssen_ros.sparse import triton_kernels as kernels
from ssen_ros.sparse.kernel_map import KernelMap
from ssen_ros.sparse.tiles import ROWS
from ssen_ros.sparse.torch_engine import TorchEngine

_THIN = 16  # input channels below which offset and channel are one axis
_PROGRAMS = 800  # that the sum of a kernel's gradient is shared out to, as far as there are tiles
_MOST_SPLITS = 32
_STAGES = 5  # of the loops: rows are looked up two turns ahead, and so are their features


class TritonEngine(TorchEngine):
    """In float16, bfloat16, or float32 (three tf32 products each, off by 1e-7). Sums are in float32."""

    dtype: torch.dtype

    def __init__(self, dtype: torch.dtype):
        super().__init__(dtype)

    def pack(self, kernel: Tensor) -> Tensor:
        """As TorchEngine's."""
        return kernel.to(self.dtype).contiguous()

    def find_neighbours(self, keys: Tensor, base: Tensor, step: Tensor, depth: int) -> Tensor:
        """As TorchEngine's."""
        columns = len(step)
        table = torch.empty((len(base), depth * columns), dtype=torch.int32, device=keys.device)
        if len(base):
            with _on(keys):
                kernels.find_neighbours[triton.cdiv(len(base), 128), columns](
                    keys.contiguous(), base.contiguous(), step.contiguous(), table,
                    len(keys), len(base), columns, len(keys).bit_length(), DEPTH=depth, ROWS=128,
                )  # fmt: skip
        return table

    def convolve(
        self,
        features: Tensor,
        packed: Tensor,
        kernel_map: KernelMap | None,
        bias: Tensor | None = None,
        shortcut: Tensor | None = None,
        relu: bool = False,
    ) -> Tensor:
        """As TorchEngine's, in one launch."""
        stopping.check()
        volume, c_in, c_out = packed.shape
        features, rows = _checked(features, kernel_map, volume, c_in)
        output = features.new_empty(rows, c_out)
        if rows == 0:
            return output
        flags = {
            "HAS_BIAS": bias is not None,
            "HAS_SHORTCUT": shortcut is not None,
            "RELU": relu,
            **self._arithmetic,
        }
        bias = output if bias is None else bias.float().contiguous()  # never read
        shortcut = output if shortcut is None else shortcut.to(self.dtype).contiguous()
        counts = len(features), rows, features.stride(0)
        with _on(features):
            if kernel_map is not None and c_in < _THIN:
                block_n = _block(c_out, 64)
                kernels.convolve_thin[triton.cdiv(rows, 128), triton.cdiv(c_out, block_n)](
                    features, packed, kernel_map.table, bias, shortcut, output, *counts, c_out, volume,
                    C_IN=c_in, ROWS=128, BLOCK_N=block_n, BLOCK_KC=32,
                    num_warps=4, num_stages=_STAGES, **flags,
                )  # fmt: skip
                return output
            block_n, block_c = self._blocks(c_in, c_out)
            tiles = None if kernel_map is None else kernel_map.tiles
            of_map = (output,) * 4 if tiles is None else (tiles.lines, tiles.offsets, tiles.used, tiles.order)
            kernels.convolve[triton.cdiv(rows, ROWS), triton.cdiv(c_out, block_n)](
                features, packed, *of_map, bias, shortcut, output, *counts, c_in, c_out, volume,
                ROWS=ROWS, BLOCK_N=block_n, BLOCK_C=block_c, EVEN_C=c_in % block_c == 0,
                EVEN_N=c_out % block_n == 0, HAS_MAP=tiles is not None,
                num_warps=4, num_stages=_STAGES, **flags,
            )  # fmt: skip
        return output

    def kernel_gradient(self, features: Tensor, gradient: Tensor, kernel_map: KernelMap | None) -> Tensor:
        """As TorchEngine's, in float32; the same bits every time."""
        c_in, c_out = features.shape[1], gradient.shape[1]
        volume = 1 if kernel_map is None else kernel_map.volume
        features, rows = _checked(features, kernel_map, volume, c_in)
        gradient = gradient.to(self.dtype).contiguous()
        if len(gradient) != rows:
            raise ValueError(f"gradient {tuple(gradient.shape)}: expected {rows} rows")
        if rows == 0 or len(features) == 0:
            return features.new_zeros(volume, c_in, c_out, dtype=torch.float32)
        block_i, block_o = _block(c_in, 64), _block(c_out, 64)
        blocks_out = triton.cdiv(c_out, block_o)
        blocks, count = triton.cdiv(c_in, block_i) * blocks_out, triton.cdiv(rows, ROWS)
        splits = max(1, min(_MOST_SPLITS, _PROGRAMS // (volume * blocks), count))
        partial = features.new_empty(splits, volume, c_in, c_out, dtype=torch.float32)
        tiles = None if kernel_map is None else kernel_map.tiles
        of_map = (partial,) * 4 if tiles is None else (tiles.lines, tiles.order, *tiles.by_offset)
        with _on(features):
            kernels.kernel_gradient[volume, splits, blocks](
                features, gradient, *of_map, partial, len(features), rows, features.stride(0), c_in, c_out,
                volume, count, blocks_out, ROWS=ROWS, BLOCK_I=block_i, BLOCK_O=block_o,
                HAS_MAP=tiles is not None, num_warps=4, num_stages=_STAGES, **self._arithmetic,
            )  # fmt: skip
        return partial.sum(0)

    @property
    def _arithmetic(self) -> dict:
        exact = self.dtype == torch.float32
        return {"PRECISION": "tf32x3" if exact else "ieee", "UPCAST": kernels.INTERPRETED}

    def _blocks(self, c_in: int, c_out: int) -> tuple[int, int]:
        """Channels out and in that are multiplied at once."""
        widest = 32 if self.dtype == torch.float32 else 64
        even = (size for size in (64, 32, 16) if size <= widest and c_in % size == 0)
        return _block(c_out, 2 * widest), next(even, _block(c_in, 32))


def _checked(features: Tensor, kernel_map: KernelMap | None, volume: int, c_in: int) -> tuple[Tensor, int]:
    """(features with adjacent channels, number of outputs). ValueError where kernels would read beyond."""
    inputs, found = (len(features), 1) if kernel_map is None else (kernel_map.num_inputs, kernel_map.volume)
    if tuple(features.shape) != (inputs, c_in) or found != volume:
        raise ValueError(
            f"features {tuple(features.shape)} and a kernel of {volume} offsets and {c_in} channels do not "
            f"fit a map of {inputs} inputs and {found} offsets"
        )
    if kernel_map is not None:
        kernel_map.check()
    features = features if features.stride(1) == 1 else features.contiguous()
    return features, inputs if kernel_map is None else kernel_map.num_outputs


def _block(channels: int, most: int) -> int:
    return max(16, min(most, triton.next_power_of_2(channels)))


def _on(tensor: Tensor) -> AbstractContextManager:
    """Triton launches on the current GPU, whichever the tensors are on."""
    return torch.cuda.device(tensor.device) if tensor.is_cuda else nullcontext()
