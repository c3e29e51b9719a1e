"""A stand-in for SLAM: frames are accumulated into one voxel map, with the truth of every voxel."""

import functools
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ssen_ros import voxel_keys
from ssen_ros.errors import CloudError
from ssen_ros.grouping import majority
from ssen_ros.jobs import write_missing
from ssen_ros.simulation.camera import DEFAULT_CAMERA, CameraConfig, Frame, walk
from ssen_ros.simulation.models import ModelLibrary, write_attribution
from ssen_ros.simulation.rooms import build_room

VOXEL_SIZE = 0.02  # m, of the accumulated map and of the files

_LABEL_CODES = 1 << 15  # instance_label + 1 times 32 plus semantic_label + 1


@dataclass(frozen=True)
class Sample:
    """An accumulated map with its truth; map frame, m, gravity along -Z."""

    points: np.ndarray  # (V, 3) float32, m; at most one per 2 cm voxel
    colors: np.ndarray  # (V, 3) uint8 RGB
    semantic_label: np.ndarray  # (V,) int8, class index or IGNORE_INDEX
    instance_label: np.ndarray  # (V,) int16, 1.. within this sample, -1 for stuff and unlabelled

    def __len__(self) -> int:
        return len(self.points)


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
    """

    def __init__(self, seed: int, config: CameraConfig = DEFAULT_CAMERA, library: ModelLibrary | None = None):
        room = build_room(seed)
        self.models: tuple[str, ...] = ()  # ids of those of the library that stand in the room
        if library is not None:
            room, self.models = library.furnish(room)
        self._walk = walk(room, config)
        self._frames = iter(self._walk)
        self._map = AccumulatedMap(min_hits=int(np.random.default_rng((23, seed)).integers(1, 3)))
        self.frames_done = 0

    def __len__(self) -> int:
        """How many frames the walk has."""
        return len(self._walk)

    def __iter__(self) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        while self.advance():
            yield self.cloud()

    def advance(self, frames: int = 1) -> bool:
        """Take in the next frames; False once the walk is over."""
        before = self.frames_done
        for _ in range(min(frames, len(self) - self.frames_done)):
            self._map.integrate(next(self._frames))
            self.frames_done += 1
        return self.frames_done > before

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


def save_sample(path: Path | str, sample: Sample, models: Sequence[str] = ()) -> None:
    """Write a compressed .npz; positions are kept to their 2 cm voxel, colours to 4 of 255.

    `models` names whose work is in it. Column by column, without the noise of the last three bits of a
    colour, a voxel takes less than 2 bytes instead of 5.

    Raises CloudError for points too far from the origin.
    """
    check_extent(path, sample.points)
    voxels = np.floor(sample.points.astype(np.float64) / VOXEL_SIZE).astype(np.int16)
    order = np.lexsort(voxels.T[::-1])
    path = Path(path)
    partial = path.with_suffix(".partial")
    with open(partial, "wb") as file:
        np.savez_compressed(
            file,
            voxel_coords=np.asfortranarray(voxels[order]),
            colors=np.asfortranarray(sample.colors[order] & 0xF8 | 4),
            semantic_label=sample.semantic_label[order],
            instance_label=sample.instance_label[order],
            **({"models": np.array(models)} if models else {}),
        )
    partial.replace(path)


def check_extent(path: Path | str, points: np.ndarray) -> None:
    """Raises CloudError where (N, 3) points in m lie too far from the origin for a sample's file."""
    extent, limit = np.abs(points).max(initial=0), np.iinfo(np.int16).max * VOXEL_SIZE
    if extent > limit:
        raise CloudError(
            f"{path}: points up to {extent:.6g} m from the origin; expected less than {limit:.0f} m; check "
            "that the unit is the metre, and move the map to the origin"
        )


def load_sample(path: Path | str) -> Sample:
    """Read what `save_sample` wrote; points are voxel centres, sorted by x, y, z.

    Raises CloudError where an array is missing.
    """
    with np.load(path) as data:
        missing = {"voxel_coords", "colors", "semantic_label", "instance_label"} - set(data.files)
        if missing:
            raise CloudError(
                f"{path} lacks {sorted(missing)}: expected a file written by `ssen simulate` or `ssen import`"
            )
        points = ((data["voxel_coords"].astype(np.float64) + 0.5) * VOXEL_SIZE).astype(np.float32)
        return Sample(points, data["colors"], data["semantic_label"], data["instance_label"])


def generate(
    seeds: Iterable[int],
    out_dir: Path | str,
    workers: int = 1,
    progress: bool = True,
    library: ModelLibrary | None = None,
) -> list[Path]:
    """Scan many rooms into `out_dir/{seed:06d}.npz`; files that exist are kept. Returns all the paths.

    With a library some of the furniture is its models; `out_dir/ATTRIBUTION.txt` then names them.
    """
    paths = {seed: Path(out_dir) / f"{seed:06d}.npz" for seed in seeds}
    try:
        return write_missing(paths, functools.partial(_scan_to, library), workers, progress)
    finally:
        if library is not None:
            write_attribution(Path(out_dir), library)


def _scan_to(library: ModelLibrary | None, seed: int, path: Path) -> None:
    slam = SimulatedSlam(seed, library=library)
    slam.advance(len(slam))
    save_sample(path, slam.sample(), slam.models)
