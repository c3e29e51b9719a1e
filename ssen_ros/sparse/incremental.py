"""A network over a growing map, computed anew only where something has changed.

Every layer's outputs are kept by voxel from pass to pass. In the next pass a row is computed anew only if one
of the rows that it is computed from has changed, come or gone; and what comes out counts as changed only if
its distance to what is kept is more than `threshold` times the layer's spread (the root of the sum of its
channels' variances). What is kept is what the layers behind were given, so that small differences do not add
up unnoticed. With threshold 0 the answer is that of a whole pass; above it, the work follows the change.
(The idea: INS-Conv, L. Liu et al., CVPR 2022.)

A voxel has the same slot, which is a row of every tensor of its stride, for as long as it is in the map:
tables of neighbours grow and shrink with the map, and nothing is moved.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from ssen_ros.sparse.coordinates import kernel_offsets
from ssen_ros.sparse.interfaces import Engine, Layer
from ssen_ros.sparse.kernel_map import KernelMap

_SLACK = 2  # slots for each voxel; memory that is never written to takes up none
_FEWEST_SLOTS = 1024
_AT_STRIDE_1 = 0.1  # of the threshold: little lies behind these layers but the answer itself
_SAMPLE = 4096  # rows from which the spread of a layer is taken
_BITS = 21  # of an axis in a key: one more than a map's, for neighbours beyond its rim
_LIMIT = 1 << (_BITS - 1)
_HALVED = sum(((1 << (_BITS - 1)) - 1) << (axis * _BITS) for axis in range(3))  # a key's bits, shifted by one


class IncrementalCoordinates:
    """`Coordinates` that keep the outputs of one network's layers; set as its `coordinates`.

    Each pass calls it with the voxels that are in the map now. The first pass is a whole one, and so is that
    after `forget`, after one that was not finished, and after the map has outgrown its slots.

    Args:
        engine: what finds neighbours and multiplies.
        threshold: in spreads of a layer, up to which a change is not passed on.
        tolerance: (C,) or one number for all: up to which an input feature counts as unchanged.
        whole_share: of the voxels; where more have come, gone or changed, all rows are computed anew.
    """

    def __init__(
        self,
        engine: Engine,
        threshold: float = 0.0,
        tolerance: float | Sequence[float] = 0.0,
        whole_share: float = 1.0,
    ):
        self.engine, self.threshold, self.whole_share = engine, threshold, whole_share
        self.tolerance = torch.as_tensor(tolerance, dtype=torch.float32)
        self.answers_all = True  # else the network's answer is empty, and `outputs` gives what is asked for
        self.forget()

    def forget(self) -> None:
        """Let all memory go."""
        self._levels: dict[int, _Level] = {}  # by stride
        self._kept: list[_Kept] = []  # in the order in which the network makes them
        self._made = 0  # of those, in this pass
        self._changed: dict[int, Tensor] = {}  # of kept values, by id: the slots that this pass changed
        self._slots = torch.empty(0, dtype=torch.int64)  # of the caller's rows
        self._finished = False
        self.is_due = True  # the next pass is a whole one, as far as one knows before it
        self.is_whole = True  # this pass, or the last one, computes or computed all rows
        self.work = self.whole_work = 0  # multiplications of this pass, and of the last whole one

    def begin(self, whole: bool) -> None:
        """The next pass is still to come, as far as `work` is concerned; a whole one on request."""
        self.work, self.is_due = 0, self.is_due or whole

    @property
    def nbytes(self) -> int:
        """Memory that is written to, bytes."""
        kept = sum(one.nbytes_per_slot * self._levels[one.stride].used for one in self._kept)
        return kept + sum(level.nbytes for level in self._levels.values())

    def __call__(self, coords: Tensor) -> "IncrementalCoordinates":
        """Begin a pass over (N, 4) integer coordinates (batch, x, y, z): unique, any order, one batch."""
        fresh, self._finished = not self._finished, False
        keys = _keys(coords)
        order = None if bool((keys[1:] > keys[:-1]).all()) else keys.argsort()
        keys = keys if order is None else keys[order]
        self._made, self._changed, self.work = 0, {}, 0
        if fresh or not self._follow(keys):
            self.forget()
            self._levels = {1: _Level(keys, self.engine)}
        self.is_whole, self.is_due = self.is_due, False
        if self.is_whole:
            self.whole_work = 0
        self._slots = self._levels[1].slots
        if order is not None:
            self._slots = torch.empty_like(self._slots).index_copy_(0, order, self._slots)
        return self

    def _follow(self, keys: Tensor) -> bool:
        """Bring all strides to these voxels. False where too many changed, or there are too few slots."""
        level = self._levels[1]
        row = level.rows_of(keys)
        gone, new = level.difference(keys, row)
        if len(gone) + len(new) > self.whole_share * len(keys):
            return False
        for stride in sorted(self._levels):
            level = self._levels[stride]
            if len(level.keys) + len(new) - len(gone) > level.none:
                return False
            after = (keys, row) if stride == 1 else None
            gone, new = level.change(gone, new, self._levels.get(2 * stride), after)
        return True

    def arrange(self, features: Tensor) -> Tensor:
        """(N, C) features in the caller's order to slots; those that do no more than tremble are held."""
        level = self._level(1)
        inputs = self._next(1, features.shape[1], features.dtype)
        if not self.is_whole:
            differs = ((features - inputs.values[self._slots]).abs() > self.tolerance.to(features)).any(1)
            differs |= level.is_new[self._slots]
            changed = self._slots[differs]
            if len(changed) + level.gone > self.whole_share * len(features):
                self.is_whole, self.whole_work = True, 0
            else:
                inputs.values[changed] = features[differs]
        if self.is_whole:
            inputs.values[self._slots], changed = features, level.all
        dtype = self.engine.dtype or features.dtype
        if dtype != features.dtype:
            given = self._next(1, features.shape[1], dtype)
            given.values[changed] = inputs.values[changed].to(dtype)
            inputs = given
        return self._told(inputs, changed)

    def convolve(
        self,
        features: Tensor,
        layer: Layer,
        in_stride: int,
        out_stride: int,
        shortcut: Tensor | None = None,
        relu: bool = False,
    ) -> Tensor:
        """As CoordinateManager's, with a row for each slot, of which those are computed that must be."""
        rows = self._affected(features, layer, in_stride, out_stride, shortcut)
        packed, bias = layer.packed(self.engine), layer.bias
        added = None if shortcut is None else shortcut[rows]
        if layer.kernel_size == 1:
            output = self.engine.convolve(features[rows], packed, None, bias, added, relu)
        else:
            table = self._table(layer.kernel_size, in_stride, out_stride, rows)
            single = out_stride < in_stride
            kernel_map = KernelMap(table, len(features), checked=True, single=single)
            output = self.engine.convolve(features, packed, kernel_map, bias, added, relu)
        work = len(output) * layer.kernel3d.numel()
        self.work += work
        self.whole_work += work if self.is_whole else 0
        return self._settle(output, rows, out_stride)

    def concatenate(self, a: Tensor, b: Tensor) -> Tensor:
        """Channels of both. From then on `a` is a part of the result: nothing else looks at it."""
        part = next(one for one in self._kept if one.values is a)
        level, width = self._level(part.stride), a.shape[1]
        both = self._next(part.stride, width + b.shape[1], a.dtype)
        if part.owns:
            both.values[level.all, :width] = a[level.all]
            part.values, part.owns = both.values[:, :width], False
        if self.is_whole:
            both.values[level.all, width:] = b[level.all]
            return self._told(both, level.all)
        rows = self._changed[id(b)]
        both.values[rows, width:] = b[rows]
        return self._told(both, level.union([self._changed[id(a)], rows]))

    def restore(self, features: Tensor) -> Tensor:
        """(N, C) features in the caller's order."""
        self._finished, self._last = True, features
        return features[self._slots] if self.answers_all else features[:0]

    @property
    def slots(self) -> Tensor:
        """(N,) int64 of the caller's rows in this pass."""
        return self._slots

    @property
    def capacity(self) -> int:
        """Slots are below this; where it is another, they are other slots."""
        return self._levels[1].none

    @property
    def used(self) -> int:
        """Slots that are or were in use."""
        return self._levels[1].used if self._levels else 0

    @property
    def changed(self) -> Tensor:
        """(N,) bool, of the caller's rows: the network's output may be another than in the pass before."""
        if self.is_whole:
            return torch.ones_like(self._slots, dtype=torch.bool)
        changed = torch.zeros(self.capacity, dtype=torch.bool, device=self._slots.device)
        changed[self._changed[id(self._last)]] = True
        return changed[self._slots]

    def outputs(self, slots: Tensor) -> Tensor:
        """(n, C) of the network, in the type that is computed in."""
        return self._last[slots]

    def _level(self, stride: int) -> "_Level":
        if stride not in self._levels:
            self._levels[stride] = self._level(stride // 2).coarser()
        return self._levels[stride]

    def _affected(self, features, layer, in_stride, out_stride, shortcut) -> "_Slots":
        """The slots whose outputs may be other than those kept."""
        fine, level = self._level(min(in_stride, out_stride)), self._level(out_stride)
        if self.is_whole:
            return level.all
        changed = self._changed[id(features)]
        rows = [] if shortcut is None else [self._changed[id(shortcut)]]
        if out_stride > in_stride:
            rows += [fine.parent[changed], level.orphaned]
        elif out_stride < in_stride:
            rows += [self._level(in_stride).children[changed].view(-1), level.new]
        elif layer.kernel_size == 1:
            rows += [changed]
        else:
            table, bereft = level.neighbours(layer.kernel_size)
            rows += [table[changed].view(-1), bereft]
        return level.union(rows)

    def _table(self, kernel_size: int, in_stride: int, out_stride: int, rows: "_Slots") -> Tensor:
        """(n, kernel_size³) int32 slots at `in_stride` that these rows at `out_stride` are computed from."""
        level = self._level(out_stride)
        if out_stride == in_stride:
            return level.neighbours(kernel_size)[0][rows]
        if out_stride > in_stride:
            return level.children[rows]
        octant, parent = level.octant[rows, None], level.parent[rows, None]
        return parent.new_full((len(parent), 8), self._level(in_stride).none).scatter_(1, octant, parent)

    def _settle(self, output: Tensor, rows: "_Slots", stride: int) -> Tensor:
        """Keep (n, C) outputs of these slots; of those that are nearly what they were, the old ones."""
        kept = self._next(stride, output.shape[1], output.dtype)
        if isinstance(rows, slice):
            kept.values[rows] = output
            sample = output[:: max(1, len(output) // _SAMPLE)].float()
            threshold = self.threshold * (_AT_STRIDE_1 if stride == 1 else 1.0)
            kept.tolerance = threshold**2 * float(sample.var(0, correction=0).sum())
        else:
            is_new = self._level(stride).is_new
            rows = self.engine.settle(output, rows, kept.values, is_new, kept.tolerance)
        return self._told(kept, rows)

    def _next(self, stride: int, channels: int, dtype: torch.dtype) -> "_Kept":
        """Where the next of the values that a pass makes are kept."""
        if self._made == len(self._kept):
            level = self._level(stride)
            values = torch.empty(level.none, channels, dtype=dtype, device=level.keys.device)
            self._kept.append(_Kept(stride, values))
        self._made += 1
        return self._kept[self._made - 1]

    def _told(self, kept: "_Kept", changed: "_Slots") -> Tensor:
        if not isinstance(changed, slice):
            self._changed[id(kept.values)] = changed
        return kept.values


_Slots = Tensor | slice  # (n,) int64, or in a whole pass all


@dataclass(eq=False)
class _Kept:
    stride: int
    values: Tensor  # (slots, C)
    tolerance: float = 0.0  # squared distance that counts as none
    owns: bool = True  # its memory; else it is part of a concatenation

    @property
    def nbytes_per_slot(self) -> int:
        return self.values.shape[1] * self.values.element_size() if self.owns else 0


class _Level:
    """The voxels at one stride, each in a slot of its own, and who lies beside, above and below them.

    `none` is the number of slots, and in all tables stands for nobody.
    """

    def __init__(self, keys: Tensor, engine: Engine, shift: int = 0):
        """keys: (n,) int64, ascending."""
        n, device = len(keys), keys.device
        self.engine, self.shift, self.none = engine, shift, max(_SLACK * n, _FEWEST_SLOTS)
        self.keys, self.slots = keys, torch.arange(n, device=device)
        self.used, self.gone = n, 0
        self._free = self.slots[:0]  # below `used`
        self._tables: dict[int, _Table] = {}
        self.octant = torch.empty(self.none, dtype=torch.int64, device=device)
        self.octant[:n] = _octant(keys)
        self.parent = torch.empty(self.none, dtype=torch.int32, device=device)
        self.children: Tensor = self.parent[:0]
        self.is_new = torch.zeros(self.none, dtype=torch.bool, device=device)
        self.new = self.orphaned = self.slots[:0]  # slots that came in this pass; that lost a child in it
        self._marks = torch.zeros(self.none + 1, dtype=torch.bool, device=device)

    @property
    def all(self) -> slice:
        """The slots of all voxels, and the free ones between them, where whatever is computed is lost."""
        return slice(0, self.used)

    @property
    def nbytes(self) -> int:
        tables = sum(table.slots.shape[1] for table in self._tables.values())
        return self.used * (4 * tables + 4 * self.children.shape[-1] + 4 + 8 + 1) + 16 * len(self.keys)

    def coarser(self) -> "_Level":
        """The level of twice the stride, with a slot for each parent."""
        keys, row = torch.unique(_parent(self.keys), return_inverse=True)
        level = _Level(keys, self.engine, self.shift + 1)
        self.parent[self.slots] = row.int()
        level.children = self.parent.new_empty(level.none, 8)
        level.children[: level.used] = self.none
        level.children[row, self.octant[self.slots]] = self.slots.int()
        return level

    def find(self, keys: Tensor) -> Tensor:
        """(n,) int32 slots of ascending keys; `none` where there is no such voxel."""
        return self._slot_of(self.rows_of(keys))

    def rows_of(self, keys: Tensor) -> Tensor:
        """(n,) int32 places of ascending keys among those of this level; their number where there is none."""
        return self._rows(keys, self.keys.new_zeros(1), 1).view(-1)

    def _rows(self, base: Tensor, step: Tensor, depth: int) -> Tensor:
        if len(self.keys) == 0 or len(base) == 0:
            return self.parent.new_full((len(base), depth * len(step)), len(self.keys))
        return self.engine.find_neighbours(self.keys, base, step, depth)

    def _slot_of(self, rows: Tensor) -> Tensor:
        slots = torch.cat([self.slots, self.slots.new_tensor([self.none])]).int()
        return slots.index_select(0, rows.reshape(-1)).view(rows.shape)

    def difference(self, keys: Tensor, row: Tensor) -> tuple[Tensor, Tensor]:
        """The slots of the voxels that are not among these keys, and those keys that are none's.

        row: what `rows_of` the keys says.
        """
        stays = torch.zeros(len(self.keys) + 1, dtype=torch.bool, device=keys.device)
        stays[row.long()] = True
        return self.slots[~stays[:-1]], keys[row == len(self.keys)]

    def change(
        self, gone: Tensor, new: Tensor, parents: "_Level | None", after: tuple[Tensor, Tensor] | None
    ) -> tuple[Tensor, Tensor]:
        """Free these slots, give slots to these ascending keys. Returns what this asks of the parents.

        after: all keys as they are to be, and what `rows_of` them says now; None: not known.
        """
        self.is_new[self.new] = False
        self.gone = len(gone)
        parent_of_gone = self.parent[gone].long()
        if parents is not None:
            parents.children[parent_of_gone, self.octant[gone]] = self.none
        for table in self._tables.values():
            table.remove(gone, self)
        self.new = self._next_slots(gone, len(new))
        self._free = torch.cat([gone, self._free])[len(new) :]
        self.used = max(self.used, int(self.new.max()) + 1) if len(new) else self.used
        if after is not None:
            self.keys, slots = after[0], self._slot_of(after[1]).long()
            slots[slots == self.none] = self.new
            self.slots = slots
        elif len(gone) or len(new):
            self._merge(gone, new)
        self.is_new[self.new] = True
        self.octant[self.new] = _octant(new)
        for table in self._tables.values():
            table.add(self.new, new, self)
        if parents is None:
            return self.slots[:0], new[:0]
        return self._change_parents(parent_of_gone, new, parents)

    def _change_parents(self, parent_of_gone: Tensor, new: Tensor, parents: "_Level"):
        parent_keys, child = torch.unique(_parent(new), return_inverse=True)
        slot = parents.find(parent_keys)
        missing = slot == parents.none
        # The parents that come get their slots in `parents.change`, and these are the ones that it will take.
        candidates = torch.unique(parent_of_gone)
        known = ~missing[child]
        linked = self.new[known]
        self.parent[linked] = slot[child[known]]
        parents.children[self.parent[linked].long(), self.octant[linked]] = linked.int()
        empty = (parents.children[candidates] == self.none).all(1)
        parents.orphaned = candidates[~empty]
        gone, come = candidates[empty], parent_keys[missing]
        slots = parents._next_slots(gone, len(come))
        if len(slots) < len(come):  # there are too few, and it will be begun anew
            return gone, come
        parents.children[slots] = self.none
        place = torch.empty_like(slot, dtype=torch.int64)
        place[missing] = slots
        linked = self.new[~known]
        above = place[child[~known]]
        self.parent[linked] = above.int()
        parents.children[above, self.octant[linked]] = linked.int()
        return gone, come

    def _next_slots(self, gone: Tensor, count: int) -> Tensor:
        """Those that `change` gives to so many new voxels; fewer, if there are too few."""
        free = torch.cat([gone, self._free])
        end = min(self.none, self.used + max(0, count - len(free)))
        return torch.cat([free, torch.arange(self.used, end, device=free.device)])[:count]

    def _merge(self, gone: Tensor, new: Tensor) -> None:
        """The ascending keys, and their slots."""
        self._marks[gone] = True
        stay = ~self._marks[self.slots]
        self._marks[gone] = False
        keys, slots = self.keys[stay], self.slots[stay]
        at = torch.searchsorted(keys, new) + torch.arange(len(new), device=new.device)
        old = torch.ones(len(keys) + len(new), dtype=torch.bool, device=new.device)
        old[at] = False
        self.keys, self.slots = (torch.empty(len(old), dtype=torch.int64, device=new.device) for _ in "ab")
        self.keys[old], self.keys[at] = keys, new
        self.slots[old], self.slots[at] = slots, self.new

    def neighbours(self, kernel_size: int) -> tuple[Tensor, Tensor]:
        """(slots, kernel_size³) int32 table, and the slots that lost a neighbour in this pass."""
        if kernel_size not in self._tables:
            self._tables[kernel_size] = _Table(kernel_size, self)
        table = self._tables[kernel_size]
        return table.slots, table.bereft

    def union(self, slots: Sequence[Tensor]) -> Tensor:
        """The slots that occur in any of these, ascending, without `none`."""
        for some in slots:
            self._marks.index_fill_(0, some.long(), True)
        self._marks[-1] = False
        marked = self._marks[: self.used].nonzero().view(-1)
        self._marks[marked] = False
        return marked


class _Table:
    """Neighbours at the K offsets of a centred kernel: i is at k of o just where o is at K - 1 - k of i."""

    def __init__(self, kernel_size: int, level: _Level):
        x, y, z = kernel_offsets(kernel_size, level.keys.device)[: kernel_size**2].unbind(1)
        self._step, self._depth = (x << 2 * _BITS) + (y << _BITS) + z, kernel_size
        self.slots = level.parent.new_empty(level.none, kernel_size**3)
        self.slots[level.slots] = self._found(level.keys, level)
        self.bereft = level.new

    def _found(self, keys: Tensor, level: _Level) -> Tensor:
        return level._slot_of(level._rows(keys, self._step, self._depth))

    def remove(self, gone: Tensor, level: _Level) -> None:
        self.bereft = self._tell(gone, self.slots[gone], level.none, level.none)
        self.slots[gone] = level.none
        self.bereft = self.bereft[self.slots[self.bereft, self._centre] != level.none]

    def add(self, new: Tensor, keys: Tensor, level: _Level) -> None:
        neighbours = self._found(keys, level)
        self.slots[new] = neighbours
        self._tell(new, neighbours, new[:, None].int(), level.none)

    def _tell(self, own: Tensor, neighbours: Tensor, what, none: int) -> Tensor:
        """Write into the tables of the neighbours who lies here; returns the neighbours."""
        volume = neighbours.shape[1]
        there = neighbours != none
        k = torch.arange(volume - 1, -1, -1, device=own.device).expand_as(neighbours)[there]
        beside = neighbours[there].long()
        value = what if isinstance(what, int) else what.expand_as(neighbours)[there]
        self.slots.view(-1)[beside * volume + k] = value
        return beside

    @property
    def _centre(self) -> int:
        return self.slots.shape[1] // 2


def _keys(coords: Tensor) -> Tensor:
    """(N,) int64, ordered as (x, y, z)."""
    x, y, z = (coords[:, 1:].long() + _LIMIT).unbind(1)
    return (x << 2 * _BITS) | (y << _BITS) | z


def _parent(keys: Tensor) -> Tensor:
    """The keys at twice the stride: `_LIMIT` is halved too."""
    return (keys >> 1) & _HALVED


def _octant(keys: Tensor) -> Tensor:
    """(n,) int64: which child of its parent a voxel is, x fastest, as in `kernel_offsets`."""
    x, y, z = ((keys >> (axis * _BITS)) & 1 for axis in (2, 1, 0))
    return x + 2 * y + 4 * z
