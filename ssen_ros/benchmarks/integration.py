"""`ssen bench integrate`: a cloud into the map, beside the usual ways of dividing it into voxels.

Ours keeps a representative point a sub-cell and says which voxels changed; Open3D's `voxel_down_sample` and
`numpy.unique` over packed keys give the mean place and colour of each voxel.
"""

import time
from collections.abc import Callable, Sequence
from statistics import median

import numpy as np

from ssen_ros import voxel_keys
from ssen_ros.benchmarks.rooms import room
from ssen_ros.io.samples import VOXEL_SIZE
from ssen_ros.open3d_extra import open3d
from ssen_ros.voxel_map import VoxelMap

PEERS = ("open3d", "unique")
_COPIES = 4  # points in each 2 cm voxel of a room
_CHANGED = 0.02  # share of a growing map's points that are others than in the cloud before


def benchmark_integration(
    points: int, voxel_size: float = 2 * VOXEL_SIZE, repetitions: int = 3, peers: Sequence[str] = PEERS
) -> dict:
    """Returns {"points", "voxel_size", "rows", "integrate_over_open3d", "integrate_over_unique"}.

    A row: `way` (first: ours into an empty map; integrate: ours into the map of the cloud before, as a live
    map's; the peers), `voxels`, `seconds` (median of the repetitions, in turns). The last two are the
    seconds of `integrate` over those of the peer, None for one that is not among `peers`.
    Raises EngineError where Open3D is asked for and missing.
    """
    positions, colors = cloud(points)
    ways = {
        "first": lambda k: len(_integrated(VoxelMap(voxel_size), positions, colors)),
        "integrate": _growing(positions, colors, voxel_size),
        **{peer: _PEERS[peer](positions, colors, voxel_size) for peer in peers},
    }
    seconds: dict[str, list[float]] = {way: [] for way in ways}
    voxels: dict[str, int] = {}
    for repetition in range(repetitions + 1):
        for way, run in ways.items():
            start = time.perf_counter()
            voxels[way] = run(repetition)
            if repetition:  # the first warms up
                seconds[way].append(time.perf_counter() - start)
    taken = {way: median(of_way) for way, of_way in seconds.items()}
    return {
        "points": len(positions),
        "voxel_size": voxel_size,
        "rows": [{"way": way, "voxels": voxels[way], "seconds": taken[way]} for way in ways],
        **{f"integrate_over_{p}": taken["integrate"] / taken[p] if p in taken else None for p in PEERS},
    }


def cloud(points: int) -> tuple[np.ndarray, np.ndarray]:
    """Positions (N, 3) float32, m, and colors (N, 3) uint8 of so many points of rooms, in no order."""
    rng = np.random.default_rng(0)
    sample = room(-(-points // _COPIES))
    row = rng.permutation(np.repeat(np.arange(len(sample)), _COPIES))[:points]
    astray = rng.uniform(-VOXEL_SIZE / 2, VOXEL_SIZE / 2, (len(row), 3))
    return (sample.points[row] + astray).astype(np.float32), sample.colors[row]


def _integrated(voxel_map: VoxelMap, points: np.ndarray, colors: np.ndarray) -> VoxelMap:
    voxel_map.integrate(points, colors)
    return voxel_map


def _growing(points: np.ndarray, colors: np.ndarray, voxel_size: float) -> Callable[[int], int]:
    """Into one map, in turns, two clouds of which a part differs."""
    other = points.copy()
    other[: int(_CHANGED * len(points))] += np.float32(voxel_size / 4)
    voxel_map = _integrated(VoxelMap(voxel_size), other, colors)
    return lambda k: len(_integrated(voxel_map, points if k % 2 == 0 else other, colors))


def _open3d(points: np.ndarray, colors: np.ndarray, voxel_size: float) -> Callable[[int], int]:
    library = open3d("the peer open3d")
    given = library.geometry.PointCloud(library.utility.Vector3dVector(points.astype(np.float64)))
    given.colors = library.utility.Vector3dVector(colors / 255.0)
    return lambda k: len(given.voxel_down_sample(voxel_size).points)


def _unique(points: np.ndarray, colors: np.ndarray, voxel_size: float) -> Callable[[int], int]:
    return lambda k: len(means_by_unique(points, colors, voxel_size)[0])


def means_by_unique(
    points: np.ndarray, colors: np.ndarray, voxel_size: float
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Keys (V,) int64 of the voxels, ascending, and their mean (V, 3) places, m, and (V, 3) colours."""
    keys, row = np.unique(
        voxel_keys.pack(np.floor(points / voxel_size).astype(np.int64)), return_inverse=True
    )
    count = np.bincount(row)
    places, looks = (
        np.stack([np.bincount(row, column) / count for column in values.T], axis=1)
        for values in (points, colors)
    )
    return keys, places, looks


_PEERS = {"open3d": _open3d, "unique": _unique}
