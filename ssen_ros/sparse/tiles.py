"""A table of neighbours, cut into tiles for a GPU's matrix products."""

from functools import cached_property

import torch
from torch import Tensor

ROWS = 64  # of a tile
_CODE_BITS = 62  # of a neighbourhood, in an int64


class Tiles:
    """Tiles of outputs with the same neighbours, as far as there are such, and what each tile multiplies.

    An offset at which no output of a tile has a neighbour costs the tile nothing. Made without waiting for
    the GPU: what is empty comes last, and its size need not be known.
    """

    def __init__(self, table: Tensor, num_inputs: int):
        """(M, K) int32 table of rows below `num_inputs`, which stands for none."""
        m, self.volume = table.shape
        self.count = max(1, -(-m // ROWS))
        there = table != num_inputs
        rarest_first = there.sum(0).argsort()[:_CODE_BITS]
        bit = torch.arange(len(rarest_first) - 1, -1, -1, device=table.device)
        code = (there.index_select(1, rarest_first).long() << bit).sum(1)
        # (count · ROWS,) int32 outputs; M beyond the last
        self.order = table.new_full((self.count * ROWS,), m)
        self.order[:m] = code.argsort(stable=True)
        padded = torch.cat([table, table.new_full((1, self.volume), num_inputs)])
        lines = padded.index_select(0, self.order).view(self.count, ROWS, self.volume).transpose(1, 2)
        self._occurs = (lines != num_inputs).any(2)
        offsets = (~self._occurs).byte().argsort(dim=1, stable=True)
        # (count, K, ROWS) int32 inputs: a line for each offset, first those that occur in the tile
        self.lines = lines.gather(1, offsets[:, :, None].expand_as(lines))
        self.offsets = offsets.int()  # (count, K) of the lines
        self.used = self._occurs.sum(1, dtype=torch.int32)  # (count,) lines that hold an input

    @cached_property
    def by_offset(self) -> tuple[Tensor, Tensor]:
        """(K, count) int32 lines (tile · K + line) of each offset, first those that hold an input; and (K,)
        int32, how many do."""
        tile = torch.arange(self.count, device=self.order.device)[:, None]
        line = tile * self.volume + self.offsets.argsort(1)
        first = (~self._occurs).T.byte().argsort(dim=1, stable=True)
        return line.T.gather(1, first).int(), self._occurs.sum(0, dtype=torch.int32)
