"""For each output voxel and each kernel offset, which input voxel lies there."""

import weakref
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property

import torch
from torch import Tensor

from ssen_ros.sparse.tiles import Tiles


@dataclass(eq=False)
class KernelMap:
    """Neighbours of every output voxel."""

    table: Tensor  # (M, K) int32: row of the input voxel at each offset; `num_inputs` where there is none
    num_inputs: int
    mirrored: bool = False  # i lies at offset k of o just where o lies at offset K - 1 - k of i
    checked: bool = False  # no entry of the table is out of range
    single: bool = False  # no output has more than one neighbour
    disjoint: bool = False  # no input is the neighbour of more than one output
    _transposed: "KernelMap | None" = field(default=None, init=False, repr=False)
    # Of what this is the transposed; weak, for a circle would keep the tables' memory from the next pass.
    _source: "weakref.ref[KernelMap] | None" = field(default=None, init=False, repr=False)

    def transposed(self, transpose: Callable[["KernelMap"], "KernelMap"]) -> "KernelMap":
        """The map of the transposed convolution, which is also that of the gradient to the input; made once,
        by an engine's `transpose`."""
        if self._source is not None and (source := self._source()) is not None:
            return source
        if self._transposed is None:
            self._transposed = transpose(self)
            self._transposed.single, self._transposed.disjoint = self.disjoint, self.single
            self._transposed._source = weakref.ref(self)
        return self._transposed

    @property
    def num_outputs(self) -> int:
        return self.table.shape[0]

    @property
    def volume(self) -> int:
        return self.table.shape[1]

    def check(self) -> None:
        """Raises ValueError where the table points at rows that are not there: they would be read all the
        same.

        Tables that our own coordinates have found are not looked through again.
        """
        if not self.checked and self.table.numel():
            low, high = (int(end) for end in self.table.aminmax())
            if low < 0 or high > self.num_inputs:
                raise ValueError(f"a table of rows {low} to {high}: expected 0 to {self.num_inputs}")
            self.checked = True

    @property
    def picks_a_product(self) -> bool:
        """It takes fewer products to multiply all inputs by all offsets than to gather neighbours."""
        return self.single and self.num_outputs > self.num_inputs

    @cached_property
    def product_row(self) -> Tensor:
        """(M,) int64 of a `single` map: input · K + offset of each output's neighbour."""
        row, offset = self.table.min(1)  # `num_inputs`, which stands for none, is the largest
        return row.long() * self.volume + offset

    @cached_property
    def tiles(self) -> Tiles:
        return Tiles(self.table, self.num_inputs)

    @cached_property
    def row_order(self) -> Tensor:
        """(M,) int32: rows of one stretch of the map, those with the same neighbours together."""
        rarest_first = (self.table != self.num_inputs).sum(0).argsort().tolist()
        code = torch.arange(self.num_outputs, device=self.table.device) // _STRETCH
        for k in rarest_first[:_CODE_BITS]:
            code = code * 2 + (self.table[:, k] != self.num_inputs)
        return code.argsort(stable=True).int()


_STRETCH = 4096  # rows: they share most of their neighbours, which stay in the cache
_CODE_BITS = 32  # of a neighbourhood; a stretch's number has the rest of an int64
