"""The voxel map of a growing cloud, exact in whatever order, pieces and repetitions the points come.

Each voxel is divided into 2 x 2 x 2 sub-cells, and a sub-cell keeps one representative point: the
one nearest to the sub-cell's centre; ties fall to the smaller position, then the smaller colour.
An observation is one integer, its *rank*, that orders points just so; joining observations of a
sub-cell is the minimum of their ranks. A minimum is commutative, associative and idempotent, hence
so is the map: order cannot matter, a resent point changes nothing, pieces equal the whole, and
colours, which would drift in a running sum of resent points, stay. What is forgotten (`Forgetting`) is as if
it had never been seen.
"""

import logging
import threading
from dataclasses import dataclass, replace

import numpy as np

from ssen_ros import headroom, voxel_keys, voxels_native
from ssen_ros.errors import CloudError, ConfigError
from ssen_ros.forgetting import NEVER, Forgetting, Sightings
from ssen_ros.structures import VoxelSnapshot

log = logging.getLogger(__name__)

MODES = ("accumulated", "incremental")
NO_LIMIT = 1 << 60  # voxels
MAX_STRAY_SHARE = 0.001  # of a cloud's points that may lie out of reach without the cloud being refused

# A point's place in its voxel is 9 bits an axis: the top one says which half (the sub-cell), the
# other 8 where in it. At 4 cm a step is 0.08 mm, far below the noise of any RGB-D sensor.
_STEPS = 512
_HALF_STEPS = 256
OCTANT_BITS = 3

_BYTES_PER_POINT = 130  # of a cloud while it is worked in, at most
_BYTES_PER_CELL = 16  # of a map: its key and rank

# rank = squared distance to the sub-cell's centre | place in the sub-cell, 3 x 8 | colour, 3 x 8.
# With k = 0..127 half steps from the centre, the squared distance of an axis is 4k(k+1)+1 in
# quarter steps; k(k+1)/2 orders the sums alike and keeps them, exactly, in 15 bits.
_DISTANCE_SHIFT = 48
_PLACE_SHIFT = 24
_DISTANCE = np.array([k * (k + 1) // 2 for k in (max(i - 128, 127 - i) for i in range(_HALF_STEPS))])


@dataclass(frozen=True)
class MapChange:
    """Between two states of a map: the voxels that differ, as ascending (n,) int64 keys (see voxel_keys)."""

    version: int  # of the map afterwards
    new: np.ndarray  # were not there before
    gone: np.ndarray
    changed: np.ndarray  # stayed, with other points or colours in them
    strays: int = 0  # points of the cloud that were dropped, as they lie out of reach

    def __len__(self) -> int:
        return len(self.new) + len(self.gone) + len(self.changed)


@dataclass(frozen=True)
class MapState:
    """All that a map holds at one moment; immutable, and cheap to keep until it is summarised."""

    keys: np.ndarray  # (S,) int64, voxel key << 3 | octant, ascending and unique
    ranks: np.ndarray  # (S,) int64, the representative of each sub-cell
    voxels: int = 0
    version: int = 0
    seen: Sightings | None = None  # of a map that forgets


_EMPTY_KEYS = np.empty(0, dtype=np.int64)
EMPTY_STATE = MapState(_EMPTY_KEYS, _EMPTY_KEYS)


class VoxelMap:
    """Clouds in, immutable snapshots out; safe to integrate in one thread and snapshot in another.

    mode "accumulated": each cloud is the whole map (RTAB-Map): what it lacks is removed.
    mode "incremental": each cloud adds to the map; an empty one adds nothing. Such a map may forget.
    voxel_size is in metres. No more than `max_voxels` are occupied: what an incremental map has no room for
    is left out, and it is `full`. Raises ConfigError for any other mode, a size that is no length, and a map
    of whole clouds that is to forget.
    """

    def __init__(
        self,
        voxel_size: float,
        mode: str = "accumulated",
        forgetting: Forgetting = NEVER,
        max_voxels: int = NO_LIMIT,
    ):
        if not (np.isfinite(voxel_size) and voxel_size > 0):
            raise ConfigError(f"voxel_size = {voxel_size!r}: expected a length in metres, such as 0.04")
        if mode not in MODES:
            raise ConfigError(f"map.mode = {mode!r}: expected one of {', '.join(MODES)}")
        if forgetting and mode != "incremental":
            raise ConfigError(
                f"map.decay_s = {forgetting.decay_s:g}, map.box_m = {forgetting.box_m:g}, map.see_through = "
                f"{str(forgetting.see_through).lower()}: expected 0, 0 and false with map.mode {mode}, "
                "where each cloud is the whole map; set map.mode: incremental"
            )
        self.voxel_size = float(voxel_size)
        self.mode = mode
        self.max_voxels = max_voxels
        self.full = False  # there was no room for new voxels of the last cloud
        self._forgetting = forgetting
        self._state = EMPTY_STATE
        self._snapshot: VoxelSnapshot | None = None
        self._writing = threading.Lock()  # held while a cloud is worked in
        self._swapping = threading.Lock()  # held for a few assignments only, by readers too

    def __len__(self) -> int:
        """Occupied voxels."""
        return self._current().voxels

    @property
    def version(self) -> int:
        return self._current().version

    def integrate(
        self,
        points: np.ndarray,
        colors: np.ndarray,
        restart: bool = False,
        stamp_ns: int = 0,
        robot: np.ndarray | None = None,
        camera: np.ndarray | None = None,
    ) -> MapChange:
        """Pass one cloud in: points (N, 3) float32 or float64, m, map frame; colors (N, 3) uint8 RGB.

        `restart` forgets what was there before, in either mode; the version goes on counting.
        A map that forgets goes by the stamp of the cloud (0: as old as the newest), the place of the robot,
        and that of the camera that made the cloud, each (3,) m, map frame: first goes what is too old by
        now, too far away or seen through, then the cloud is added, without what is too far away.
        The version grows by one if, and only if, a voxel was added, removed or changed.
        Strays, which are points beyond the range of the keys (+-2^19 voxels an axis), are dropped while they
        are at most MAX_STRAY_SHARE of the cloud. Raises CloudError for more of them, for wrong shapes or
        types, for non-finite points, and for a cloud of more than `max_voxels` by itself; MemoryError where
        memory is short. The map is then as it was.
        """
        _check_arrays(points, colors)
        needed = _BYTES_PER_POINT * len(points) + _BYTES_PER_CELL * len(self.state.keys)
        headroom.require(needed, f"a cloud of {len(points):,} points")
        points, colors, strays = _without_strays(points, colors, self.voxel_size)
        with self._writing:
            before = self._current()
            keys, ranks = _representatives(points, colors, self.voxel_size)
            kept = before if self.mode == "incremental" and not restart else EMPTY_STATE
            if self._forgetting:
                kept = self._remembered(kept, points, stamp_ns, robot, camera)
                near = self._forgetting.near(keys >> OCTANT_BITS, robot, self.voxel_size)
                keys, ranks = keys[near], ranks[near]
            keys, ranks = self._with_room(kept, keys, ranks)
            if kept.seen is not None:
                kept = replace(kept, seen=kept.seen.again(np.unique(keys >> OCTANT_BITS)))
            if kept is EMPTY_STATE:
                voxels = _difference(before, keys, ranks)
            else:
                keys, ranks, voxels = _join(kept, keys, ranks)
                if len(kept.keys) < len(before.keys):
                    voxels = _difference(before, keys, ranks)
            return replace(self._replace(before, keys, ranks, voxels, kept.seen), strays=strays)

    def restore(self, state: MapState) -> MapChange:
        """Hold what another map of the same voxel size held; the version goes on counting.

        Raises CloudError for one of more than `max_voxels`.
        """
        with self._writing:
            self._check_size(state.voxels)
            before = self._current()
            voxels = _difference(before, state.keys, state.ranks)
            return self._replace(before, state.keys, state.ranks, voxels)

    @property
    def state(self) -> MapState:
        """The map now, for a `snapshot` of it later."""
        return self._current()

    def snapshot(self, state: MapState | None = None) -> VoxelSnapshot:
        """A state of this map, by default the map now, summarised: sorted by x, y, z, and per voxel the
        mean place and colour of its representatives.

        Computed once per version; asking again gives the same object while the map stays so.
        """
        with self._swapping:
            state, cached = self._state if state is None else state, self._snapshot
        if cached is None or cached.version != state.version:
            cached = _summarize(state, self.voxel_size)
            with self._swapping:
                if self._state is state:
                    self._snapshot = cached
        return cached

    def _current(self) -> MapState:
        with self._swapping:
            return self._state

    def _remembered(
        self,
        before: MapState,
        points: np.ndarray,
        stamp_ns: int,
        robot: np.ndarray | None,
        camera: np.ndarray | None,
    ) -> MapState:
        """What is kept of a state when a cloud comes."""
        seen = before.seen or Sightings.unknown(np.unique(before.keys >> OCTANT_BITS))
        seen = seen.at(stamp_ns)
        kept = self._forgetting.recent(seen) & self._forgetting.near(seen.voxels, robot, self.voxel_size)
        kept &= self._forgetting.standing(seen.voxels, points, camera, self.voxel_size)
        if not kept.all():
            seen = seen.where(kept)
            rows = voxel_keys.find(seen.voxels, before.keys >> OCTANT_BITS) >= 0
            before = MapState(before.keys[rows], before.ranks[rows], len(seen.voxels), before.version)
        return replace(before, seen=seen)

    def _with_room(
        self, kept: MapState, keys: np.ndarray, ranks: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """Of a cloud's sub-cells those for which there is room beside what is kept; sets `full`."""
        self.full = False
        if len(kept.keys) + len(keys) <= self.max_voxels:
            return keys, ranks
        voxels = np.unique(keys >> OCTANT_BITS)
        known = _occupied(kept.keys, voxels)
        if kept.voxels + len(voxels) - known.sum() <= self.max_voxels:
            return keys, ranks
        if kept.voxels == 0:
            self._check_size(len(voxels))
        log.warning(
            "the map is full: it has %d voxels, map.max_voxels is %d; new places are left out",
            kept.voxels, self.max_voxels,
        )  # fmt: skip
        self.full = True
        known = known[np.searchsorted(voxels, keys >> OCTANT_BITS)]
        return keys[known], ranks[known]

    def _check_size(self, voxels: int) -> None:
        if voxels > self.max_voxels:
            raise CloudError(
                f"a map of {voxels:,} voxels: expected {self.max_voxels:,} at most; send a smaller one, or "
                "raise map.max_voxels where there is memory for it"
            )

    def _replace(
        self,
        before: MapState,
        keys: np.ndarray,
        ranks: np.ndarray,
        voxels: "_Voxels",
        seen: Sightings | None = None,
    ) -> MapChange:
        new, gone, changed = voxels
        if len(new) or len(gone) or len(changed):
            count = before.voxels + len(new) - len(gone)
            after = MapState(keys, ranks, count, before.version + 1, seen)
        else:
            after = replace(before, seen=seen)
        if after.version != before.version or self._forgetting:
            with self._swapping:
                self._state = after
        return MapChange(after.version, new, gone, changed)


_Voxels = voxels_native.Voxels


def ranks_are_ours(ranks: np.ndarray) -> bool:
    """Whether each of the (S,) int64 is a rank that a point may have: its distance follows from its place."""
    distance = ranks >> _DISTANCE_SHIFT
    for shift in (16, 8, 0):
        distance -= _DISTANCE[(ranks >> (_PLACE_SHIFT + shift)) & 255]
    return not distance.any()


def change_between(before: MapState, after: MapState) -> MapChange:
    """The voxels that differ between two states, of one map or of two of the same voxel size."""
    return MapChange(after.version, *_difference(before, after.keys, after.ranks))


def _representatives(
    points: np.ndarray, colors: np.ndarray, voxel_size: float
) -> tuple[np.ndarray, np.ndarray]:
    """Keys (S,) and ranks (S,) of the sub-cells a cloud occupies, keys ascending and unique."""
    if len(points) == 0:
        return _EMPTY_KEYS, _EMPTY_KEYS
    if library := voxels_native.library():
        found = voxels_native.representatives(library, points, colors, voxel_size)
        if found is not None:
            return found  # else a point is out of reach, and what follows says which
    key = np.zeros(len(points), dtype=np.int64)
    octant = np.zeros(len(points), dtype=np.int64)
    distance = np.zeros(len(points), dtype=np.int64)
    place = np.zeros(len(points), dtype=np.int64)
    for axis in range(3):
        cell, step = _divide(points, axis, voxel_size)
        key = (key << voxel_keys.AXIS_BITS) | (cell + voxel_keys.AXIS_LIMIT)
        octant = (octant << 1) | (step >> 8)
        distance += _DISTANCE[step & 255]
        place = (place << 8) | (step & 255)
    r, g, b = colors.T.astype(np.int64)
    rank = (distance << _DISTANCE_SHIFT) | (place << _PLACE_SHIFT) | (r << 16) | (g << 8) | b
    return _least_rank_per_key((key << OCTANT_BITS) | octant, rank)


def _without_strays(
    points: np.ndarray, colors: np.ndarray, voxel_size: float
) -> tuple[np.ndarray, np.ndarray, int]:
    """The cloud without its few points out of reach (depths that were never measured), and their count."""
    reach = voxel_keys.AXIS_LIMIT * voxel_size
    if len(points) == 0 or (points.min() > -reach and points.max() < reach):  # false where there is a NaN
        return points, colors, 0
    stray = ((points < -reach) | (points >= reach)).any(axis=1) & np.isfinite(points).all(axis=1)
    count = int(stray.sum())
    if not 0 < count <= MAX_STRAY_SHARE * len(points):
        return points, colors, 0  # none, or too many: whoever divides them into voxels says so
    first = int(stray.argmax())
    log.warning(
        "%d of %d points lie out of reach and are dropped; the first is point %d at (%g, %g, %g), expected "
        "[-%.6g, %.6g) m",
        count, len(points), first, *points[first], reach, reach,
    )  # fmt: skip
    return points[~stray], colors[~stray], count


def _divide(points: np.ndarray, axis: int, voxel_size: float) -> tuple[np.ndarray, np.ndarray]:
    """Of one coordinate of each point: voxel index (N,) int64 and step in the voxel (N,) int64, 0..511."""
    with np.errstate(over="ignore"):  # a float64 near its limit becomes inf, and is rejected as such
        position = points[:, axis].astype(np.float64) / voxel_size
    cell = np.floor(position)
    # NaN fails both comparisons
    if not (cell.min() >= -voxel_keys.AXIS_LIMIT and cell.max() < voxel_keys.AXIS_LIMIT):
        raise CloudError(_explain_bad_point(points, axis, cell, voxel_size))
    # a hair below zero is 1.0 above its floor when rounded: the last step, not the next voxel
    step = np.minimum((position - cell) * _STEPS, _STEPS - 1)
    return cell.astype(np.int64), step.astype(np.int64)


def _explain_bad_point(points: np.ndarray, axis: int, cell: np.ndarray, voxel_size: float) -> str:
    limit = voxel_keys.AXIS_LIMIT
    row = int(np.flatnonzero(~((cell >= -limit) & (cell < limit)))[0])
    value = points[row, axis]
    where = f"point {row} has {'xyz'[axis]} = {value}"
    if not np.isfinite(value):
        return f"{where}: expected a finite coordinate in metres; remove such rows before integrating"
    reach = limit * voxel_size
    return (
        f"{where} m: expected [-{reach:.6g}, {reach:.6g}) m at voxel_size {voxel_size:g} m; "
        "move the map's origin nearer, or check the unit of the cloud"
    )


def _check_arrays(points: np.ndarray, colors: np.ndarray) -> None:
    if not isinstance(points, np.ndarray) or points.dtype not in (np.float32, np.float64):
        raise CloudError(f"points are {_describe(points)}: expected an array of float32 or float64, metres")
    if points.ndim != 2 or points.shape[1] != 3:
        raise CloudError(f"points are {_describe(points)}: expected shape (N, 3)")
    if not isinstance(colors, np.ndarray) or colors.dtype != np.uint8:
        raise CloudError(f"colors are {_describe(colors)}: expected an array of uint8, RGB in 0..255")
    if colors.shape != points.shape:
        raise CloudError(f"colors are {_describe(colors)}: expected {points.shape}, one row per point")


def _describe(value) -> str:
    return f"{value.dtype} {value.shape}" if isinstance(value, np.ndarray) else f"a {type(value).__name__}"


def _least_rank_per_key(keys: np.ndarray, ranks: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    order = np.argsort(keys)
    keys, ranks = keys[order], ranks[order]
    starts = _run_starts(keys)
    return keys[starts], np.minimum.reduceat(ranks, starts)


def _run_starts(ascending: np.ndarray) -> np.ndarray:
    """Indices at which a new value begins in an ascending, non-empty array."""
    return np.concatenate(([0], np.flatnonzero(ascending[1:] != ascending[:-1]) + 1))


def _join(
    before: MapState, new_keys: np.ndarray, new_ranks: np.ndarray
) -> tuple[np.ndarray, np.ndarray, _Voxels]:
    """The least rank per key of a state and a part, and what `_difference` would find.

    Leaves its arguments as they are.
    """
    if library := voxels_native.library():
        return voxels_native.union(library, (before.keys, before.ranks), (new_keys, new_ranks))
    row = voxel_keys.find(before.keys, new_keys)
    known = row >= 0
    better = known.copy()
    better[known] = new_ranks[known] < before.ranks[row[known]]
    touched = np.unique(new_keys[better | ~known] >> OCTANT_BITS)
    was = _occupied(before.keys, touched)
    voxels = touched[~was], _EMPTY_KEYS, touched[was]
    if len(touched) == 0:
        return before.keys, before.ranks, voxels
    keys, ranks = before.keys, before.ranks.copy()
    ranks[row[better]] = new_ranks[better]
    if not known.all():
        place = np.searchsorted(keys, new_keys[~known])
        keys = np.insert(keys, place, new_keys[~known])
        ranks = np.insert(ranks, place, new_ranks[~known])
    return keys, ranks, voxels


def _difference(before: MapState, keys: np.ndarray, ranks: np.ndarray) -> _Voxels:
    if library := voxels_native.library():
        return voxels_native.difference(library, (before.keys, before.ranks), (keys, ranks))
    row = voxel_keys.find(before.keys, keys)
    same = row >= 0
    same[same] = before.ranks[row[same]] == ranks[same]
    gone = np.ones(len(before.keys), dtype=bool)
    gone[row[row >= 0]] = False
    touched = np.union1d(keys[~same] >> OCTANT_BITS, before.keys[gone] >> OCTANT_BITS)
    was = _occupied(before.keys, touched)
    is_now = _occupied(keys, touched)
    return touched[is_now & ~was], touched[was & ~is_now], touched[was & is_now]


def _occupied(keys: np.ndarray, voxels: np.ndarray) -> np.ndarray:
    """(n,) bool: does any sub-cell of the (n,) voxel keys occur among ascending sub-cell keys?"""
    first = np.searchsorted(keys, voxels << OCTANT_BITS)
    after = np.searchsorted(keys, (voxels << OCTANT_BITS) | ((1 << OCTANT_BITS) - 1), side="right")
    return after > first


def _summarize(state: MapState, voxel_size: float) -> VoxelSnapshot:
    if len(state.keys) == 0:
        return VoxelSnapshot(
            voxel_coords=np.empty((0, 3), dtype=np.int32),
            points=np.empty((0, 3), dtype=np.float32),
            colors=np.empty((0, 3), dtype=np.uint8),
            voxel_size=voxel_size,
            version=state.version,
        )
    if (library := voxels_native.library()) and state.voxels:
        arrays = voxels_native.summary(library, state.keys, state.ranks, state.voxels, voxel_size)
        return VoxelSnapshot(*arrays, voxel_size, state.version)
    voxel = state.keys >> OCTANT_BITS
    starts = _run_starts(voxel)
    count = np.diff(np.append(starts, len(voxel)))[:, None]
    coords = voxel_keys.unpack(voxel[starts])
    place_sum = np.add.reduceat(_decode_steps(state), starts, axis=0)
    color_sum = np.add.reduceat(_decode_colors(state), starts, axis=0)
    fraction = (place_sum / count + 0.5) / _STEPS  # a step stands for its middle
    return VoxelSnapshot(
        voxel_coords=coords,
        points=_inside(coords, fraction, voxel_size),
        colors=((2 * color_sum + count) // (2 * count)).astype(np.uint8),  # floor(mean + 1/2), in integers
        voxel_size=voxel_size,
        version=state.version,
    )


def points_of(state: MapState, voxel_size: float) -> tuple[np.ndarray, np.ndarray]:
    """The points that stand for the sub-cells: (S, 3) float32, m, and (S, 3) uint8 RGB, in the order of keys.

    A map of the same voxel size into which they are integrated is the same map.
    """
    coords = voxel_keys.unpack(state.keys >> OCTANT_BITS)
    points = _inside(coords, (_decode_steps(state) + 0.5) / _STEPS, voxel_size)
    return points, _decode_colors(state).astype(np.uint8)


def _decode_steps(state: MapState) -> np.ndarray:
    """(S, 3) int64 steps 0..511 in the voxel."""
    octants = np.stack([(state.keys >> bit) & 1 for bit in (2, 1, 0)], axis=1)
    places = np.stack([(state.ranks >> (_PLACE_SHIFT + shift)) & 255 for shift in (16, 8, 0)], axis=1)
    return octants * _HALF_STEPS + places


def _decode_colors(state: MapState) -> np.ndarray:
    return np.stack([(state.ranks >> shift) & 255 for shift in (16, 8, 0)], axis=1)


def _inside(coords: np.ndarray, fraction: np.ndarray, voxel_size: float) -> np.ndarray:
    """(V, 3) float32 points, m, that floor to their voxel again in float32 as in float64.

    Far from the origin float32 rounds by more than the distance to the voxel's side: the point is
    then kept off the side by the rounding of the product, of voxel_size and of the division.
    """
    margin = (np.abs(coords) + 1) * (4 * 2.0**-24)
    return ((coords + np.clip(fraction, margin, 1 - margin)) * voxel_size).astype(np.float32)
