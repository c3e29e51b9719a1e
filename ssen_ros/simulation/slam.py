"""A stand-in for SLAM: frames are accumulated into one voxel map, with the truth of every voxel."""

import functools
from collections.abc import Iterable, Iterator
from concurrent.futures import Executor
from dataclasses import replace
from pathlib import Path

import numpy as np

from ssen_ros import voxel_keys
from ssen_ros.datasets.labelled_voxels import majority
from ssen_ros.io.samples import VOXEL_SIZE, Sample, save_sample
from ssen_ros.jobs import write_missing
from ssen_ros.simulation.assets import NO_ASSETS, Assets, write_attribution
from ssen_ros.simulation.camera import DEFAULT_CAMERA, CameraConfig, Frame
from ssen_ros.simulation.rooms import build_room
from ssen_ros.simulation.strays import Strays
from ssen_ros.simulation.walk import walk

_LABEL_CODES = 1 << 15  # instance_label + 1 times 32 plus semantic_label + 1


class AccumulatedMap:
    """Means of all points seen in each 2 cm voxel; a frame costs what it touches, plus one merge of keys."""

    def __init__(self, min_hits: int = 1):
        """Voxels hit by fewer than `min_hits` points are kept back, as SLAM's noise filters do."""
        self._min_hits = min_hits
        self._keys = np.empty(0, np.int64)  # sorted
        self._rows = np.empty(0, np.int64)  # of the sums, in the order of the keys
        self._sums = np.zeros((1024, 7))  # x y z r g b count, in order of first sight
        self._count = 0
        self._votes: list[np.ndarray] = []  # row * _LABEL_CODES + label code, one per point

    def integrate(self, frame: Frame) -> None:
        if not len(frame.points):
            return
        points = frame.points.astype(np.float64)
        keys = voxel_keys.pack(np.floor(points / VOXEL_SIZE).astype(np.int64))
        order = np.argsort(keys, kind="stable")
        keys = keys[order]
        starts = np.flatnonzero(np.diff(keys, prepend=-1))
        rows = self._rows_of(keys[starts])
        values = np.column_stack([points, frame.colors, np.ones(len(points))])
        self._sums[rows] += np.add.reduceat(values[order], starts, axis=0)
        codes = (frame.instance_label.astype(np.int64) + 1) * 32 + frame.semantic_label + 1
        row = np.repeat(rows, np.diff(starts, append=len(keys)))
        self._votes.append(row * _LABEL_CODES + codes[order])

    def __len__(self) -> int:
        """How many voxels the cloud has."""
        return int(np.count_nonzero(self._sums[: self._count, 6] >= self._min_hits))

    def _rows_of(self, keys: np.ndarray) -> np.ndarray:
        """Rows of sorted unique keys; unknown keys get new rows."""
        at = voxel_keys.find(self._keys, keys)
        known = at >= 0
        new_rows = self._count + np.arange(np.count_nonzero(~known))
        rows = np.empty(len(keys), np.int64)
        rows[known] = self._rows[at[known]]
        rows[~known] = new_rows
        place = np.searchsorted(self._keys, keys[~known])
        self._keys = np.insert(self._keys, place, keys[~known])
        self._rows = np.insert(self._rows, place, new_rows)
        self._count += len(new_rows)
        while self._count > len(self._sums):
            self._sums = np.concatenate([self._sums, np.zeros_like(self._sums)])
        return rows

    def cloud(self) -> tuple[np.ndarray, np.ndarray]:
        """Points (V, 3) float32 m and colours (V, 3) uint8, in order of first sight."""
        sums = self._sums[: self._count]
        sums = sums[sums[:, 6] >= self._min_hits]
        means = sums[:, :6] / sums[:, 6:]
        return means[:, :3].astype(np.float32), np.round(means[:, 3:]).astype(np.uint8)

    def truth(self) -> tuple[np.ndarray, np.ndarray]:
        """Majority semantic label (V,) int8 and instance label (V,) int16, rows as in `cloud`."""
        if not self._votes:
            return np.empty(0, np.int8), np.empty(0, np.int16)
        code = majority(*np.divmod(np.concatenate(self._votes), _LABEL_CODES))
        code = code[self._sums[: self._count, 6] >= self._min_hits]
        return (code % 32 - 1).astype(np.int8), (code // 32 - 1).astype(np.int16)


class SimulatedSlam:
    """A room being mapped live: iterate for the growing map, one (points, colors) per camera frame.

    >>> slam = SimulatedSlam(seed=3)
    >>> for points, colors in slam:  # (V, 3) float32 m, (V, 3) uint8; V grows
    ...     publish(points, colors)

    With the frame `loop_closure` the whole map snaps: `cloud()` before and after `advance()` over that
    frame are the two maps.
    """

    def __init__(self, seed: int, config: CameraConfig = DEFAULT_CAMERA, assets: Assets | None = None):
        of_room = assets.for_room(seed) if assets else NO_ASSETS
        room = build_room(seed, of_room)
        self.credits = of_room.credits  # whose models, textures and prints the room is made with
        self._walk = walk(room, config)
        self._frames = iter(self._walk)
        rng = np.random.default_rng((23, seed))
        self._min_hits = 1 if self._walk.is_partial else int(rng.integers(1, 4))
        self._strays, self._rng = Strays.of(seed), rng
        self._map = AccumulatedMap(self._min_hits)
        self._may_move: list[list[Frame]] = []  # what a loop closure to come will move
        self.frames_done = 0

    def __len__(self) -> int:
        """How many frames the walk has."""
        return len(self._walk)

    def __iter__(self) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        while self.advance():
            yield self.cloud()

    @property
    def loop_closure(self) -> int | None:
        """The number of the frame that closes the loop; None in walks without one."""
        return self._walk.loop_closure

    def advance(self, frames: int = 1) -> bool:
        """Take in the next frames; False once the walk is over."""
        before = self.frames_done
        for _ in range(min(frames, len(self) - self.frames_done)):
            frame = next(self._frames)
            if self.frames_done == self.loop_closure:
                self._close_loop()
            known = len(self._map)
            self._map.integrate(frame)
            added = [frame]
            if self._strays.share:
                grown = len(self._map) - known
                added.append(self._strays.of_frame(frame, grown, self._min_hits, self._rng))
                self._map.integrate(added[1])
            if self.loop_closure is not None and self.frames_done < self.loop_closure:
                self._may_move.append(added)
            self.frames_done += 1
        return self.frames_done > before

    def _close_loop(self) -> None:
        self._map = AccumulatedMap(self._min_hits)
        for k, added in enumerate(self._may_move):
            motion = self._walk.correction(k)
            for frame in added:
                points = (frame.points @ motion[:3, :3].T + motion[:3, 3]).astype(np.float32)
                self._map.integrate(replace(frame, points=points, map_T_sensor=motion @ frame.map_T_sensor))
        self._may_move = []

    def cloud(self) -> tuple[np.ndarray, np.ndarray]:
        """The map as it stands: points (V, 3) float32 m, colours (V, 3) uint8."""
        return self._map.cloud()

    def sample(self) -> Sample:
        """The map as it stands, with its truth."""
        return Sample(*self._map.cloud(), *self._map.truth())


def scan(seed: int, config: CameraConfig = DEFAULT_CAMERA) -> Sample:
    """The whole walk through the room of this seed; the same seed always gives the same arrays."""
    slam = SimulatedSlam(seed, config)
    slam.advance(len(slam))
    return slam.sample()


def generate(
    seeds: Iterable[int],
    out_dir: Path | str,
    executor: Executor | None = None,
    progress: bool = True,
    assets: Assets | None = None,
) -> list[Path]:
    """Scan many rooms into `out_dir/{seed:06d}.npz`; files that exist are kept. Returns all the paths.

    `executor` as `write_missing`. With assets they are mixed in; `out_dir/ATTRIBUTION.txt` then names them.
    """
    paths = {seed: Path(out_dir) / f"{seed:06d}.npz" for seed in seeds}
    try:
        return write_missing(paths, functools.partial(_scan_to, assets), executor, progress)
    finally:
        if assets is not None:
            write_attribution(Path(out_dir))


def _scan_to(assets: Assets | None, seed: int, path: Path) -> None:
    slam = SimulatedSlam(seed, assets=assets)
    slam.advance(len(slam))
    save_sample(path, slam.sample(), slam.credits)
