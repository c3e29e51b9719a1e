"""`ssen bench streaming`: what an update costs as the map grows, the networks and all that is beside them.

The map is a building: the flat of one simulated walk, many times side by side. In one of the flats something
changes, and the others stay as they are.
"""

import time
from collections.abc import Sequence
from statistics import median
from typing import Any

import numpy as np

from ssen_ros import voxel_keys
from ssen_ros.benchmarks.integration import PEERS, benchmark_integration
from ssen_ros.clustering import cluster_things
from ssen_ros.config import SsenConfig
from ssen_ros.errors import EngineError
from ssen_ros.floor import find_floor
from ssen_ros.labels import is_thing
from ssen_ros.pipeline import Networks, Segmenting, SsenPipeline
from ssen_ros.regions import Patched
from ssen_ros.segmenter import Segmenter
from ssen_ros.simulation import SimulatedSlam
from ssen_ros.structures import Kept, Memory, Segmentation, VoxelSnapshot
from ssen_ros.voxel_map import VoxelMap

WALK = 3  # seed of the walk through a flat of 12 by 9 m
UPDATES = 30  # of the whole walk
FIXED_M = 0.4  # half the edge of the cube that comes and goes in the change `fixed`
_GAP = 20  # voxels between two flats
_CAMERA = range(15, 19)  # moments of the walk between which the change `camera` lies


def benchmark_streaming(
    voxels: Sequence[int], config: SsenConfig | None = None, repetitions: int = 3, points: int = 1_000_000
) -> dict:
    """Returns {"rows", "kept_bytes_per_voxel", "integrate_over_open3d", "integrate_over_unique"}.

    A row: `map_voxels`; `change`: whole (a pass that keeps nothing), fixed (a cube of it goes and comes),
    share_0.02 (a fiftieth of it does), camera (one of UPDATES updates of a walk); `voxels_computed`, by
    the multiplications made, as many voxels of a whole pass; `seconds` of both networks (median);
    `things_clustered` anew, and `cluster_seconds`; `step_seconds`, CPU, of all of a step but the networks
    (medians).
    The last two are those of `benchmark_integration` with so many points; None where Open3D is missing.
    """
    config = config or SsenConfig()
    segmenter = Segmenter.from_config(config.segmenter)
    moments = _walk(segmenter.voxel_size)
    rows, kept, size = [], None, 1
    for count in voxels:
        kept = None
        for change, maps in _changes(moments, max(1, round(count / len(moments[-1])))).items():
            found, kept = _measured(segmenter, kept, config, maps, repetitions, keep=change != "whole")
            size = len(maps[-1])
            rows.append({"map_voxels": size, "change": change, **found})
    held = kept.networks.nbytes / size if kept else 0.0
    return {"kept_bytes_per_voxel": held, **_integration(points, repetitions), "rows": rows}


def _integration(points: int, repetitions: int) -> dict:
    try:
        found = benchmark_integration(points, repetitions=repetitions)
    except EngineError:
        found = benchmark_integration(points, repetitions=repetitions, peers=["unique"])
    return {f"integrate_over_{peer}": found[f"integrate_over_{peer}"] for peer in PEERS}


def _walk(voxel_size: float) -> list[VoxelSnapshot]:
    """The maps of the moments of _CAMERA, and that of the end."""
    slam, found = SimulatedSlam(WALK), []
    for number in (*_CAMERA, UPDATES):
        slam.advance(number * len(slam) // UPDATES - slam.frames_done)
        sample, voxel_map = slam.sample(), VoxelMap(voxel_size)
        voxel_map.integrate(sample.points, sample.colors)
        found.append(voxel_map.snapshot())
    return found


def _changes(moments: Sequence[VoxelSnapshot], flats: int) -> dict[str, list[VoxelSnapshot]]:
    """By change, maps that it leads through and back."""
    whole = _building(moments[-1], moments[-1], flats)
    middle = whole.points[len(whole) // 2]
    distance = np.abs(whole.points - middle)
    near = distance[:, :2].max(axis=1)
    without = {
        "fixed": distance.max(axis=1) > FIXED_M,
        "share_0.02": near > np.quantile(near, 0.02),
    }
    walked = [_building(moments[-1], moment, flats) for moment in moments[:-1]]
    changes = {name: [whole.at(kept), whole] for name, kept in without.items()}
    return {"whole": [whole], **changes, "camera": walked}


def _building(flat: VoxelSnapshot, first: VoxelSnapshot, flats: int) -> VoxelSnapshot:
    """So many flats in a square, the first of them as it was at another time."""
    side = int(np.ceil(np.sqrt(flats)))
    step = np.append(np.ptp(flat.voxel_coords[:, :2], axis=0) + _GAP, 0)
    places = [np.array([k % side, k // side, 0]) * step for k in range(flats)]
    parts = [(first if k == 0 else flat, place) for k, place in enumerate(places)]
    coords = np.concatenate([part.voxel_coords + place for part, place in parts]).astype(np.int32)
    points = np.concatenate([part.points + place * flat.voxel_size for part, place in parts])
    colors = np.concatenate([part.colors for part, _ in parts])
    order = np.argsort(voxel_keys.pack(coords))
    return VoxelSnapshot(coords[order], points[order].astype(np.float32), colors[order], flat.voxel_size)


def _measured(
    segmenter: Segmenter,
    kept: Kept | None,
    config: SsenConfig,
    maps: list[VoxelSnapshot],
    repetitions: int,
    keep: bool,
) -> tuple[dict, Kept | None]:
    floor = find_floor(maps[-1]).height
    things = is_thing(tuple(segmenter.class_names))
    said, memory, clustered, rows = _Said(segmenter), Memory(), None, []
    pipeline = SsenPipeline(said, config)
    there_and_back = maps[1:] + maps[-2::-1] if len(maps) > 1 else maps
    for snapshot in maps[:1] + there_and_back * repetitions:
        networks = segmenter.continued(kept, len(snapshot), config.passes) if keep else None
        answer, segmentation, seconds = _run(networks or segmenter, snapshot, floor, things)
        kept = Kept(networks, networks.passes, networks.share) if networks else None
        start = time.perf_counter()
        _, clustered = cluster_things(snapshot, segmentation, config.clustering, clustered if keep else None)
        clustering = time.perf_counter() - start
        said.says(snapshot, answer, segmentation)
        step_seconds, memory = _step(pipeline, said, snapshot, memory if keep else Memory())
        computed = round((kept.share if kept else 1.0) * len(snapshot))
        rows.append((computed, seconds, clustered.anew, clustering, step_seconds))
    computed, seconds, anew, cluster_seconds, step_seconds = map(
        median, zip(*rows[1:])
    )  # the first leads there
    found = {
        "voxels_computed": int(computed),
        "seconds": seconds,
        "things_clustered": int(anew),
        "cluster_seconds": cluster_seconds,
        "step_seconds": step_seconds,
    }
    return found, kept


class _Said(Segmenting):
    """Says what the networks have said of a snapshot, or of the part of it that the pipeline asks of."""

    def __init__(self, segmenter: Segmenter):
        self._segmenter = segmenter
        self.seconds = 0.0  # CPU, that saying it took

    def says(self, snapshot: VoxelSnapshot, answer: np.ndarray | Patched, segmentation: Segmentation) -> None:
        self._keys, self._log_probabilities = snapshot.keys, answer
        self._embeddings = np.zeros((len(snapshot), segmentation.embeddings.shape[1]), np.float32)
        self._embeddings[segmentation.thing_rows] = segmentation.embeddings
        self.seconds = 0.0

    def _said(self, answers: Any, keys: np.ndarray) -> Any:
        start = time.process_time()
        found = answers if len(keys) == len(self._keys) else answers[voxel_keys.find(self._keys, keys)]
        self.seconds += time.process_time() - start
        return found

    @property
    def voxel_size(self) -> float:
        return self._segmenter.voxel_size

    @property
    def class_names(self) -> tuple[str, ...]:
        return self._segmenter.class_names

    def semantic(self, snapshot: VoxelSnapshot, floor: float) -> np.ndarray | Patched:
        return self._said(self._log_probabilities, snapshot.keys)

    def embed(self, snapshot: VoxelSnapshot, thing_rows: np.ndarray, floor: float) -> np.ndarray:
        return self._said(self._embeddings, snapshot.keys[thing_rows])


def _step(
    pipeline: SsenPipeline, said: _Said, snapshot: VoxelSnapshot, memory: Memory
) -> tuple[float, Memory]:
    """CPU seconds of an update of which the networks have said this, and what is known after it."""
    start = time.process_time()
    memory = pipeline.step(snapshot, 0, memory).memory
    return time.process_time() - start - said.seconds, memory


def _run(
    networks: Networks, snapshot: VoxelSnapshot, floor: float, things: np.ndarray
) -> tuple[np.ndarray | Patched, Segmentation, float]:
    """Both networks, as the pipeline asks them: what the semantic one said, both, and their seconds."""
    start = time.perf_counter()
    answer = networks.semantic(snapshot, floor)
    seconds = time.perf_counter() - start
    log_probabilities = np.asarray(answer)  # which a step of the pipeline makes of what has changed alone
    label = log_probabilities.argmax(axis=1).astype(np.int32)
    rows = np.flatnonzero(things[label])
    start = time.perf_counter()
    embeddings = networks.embed(snapshot, rows, floor)
    seconds += time.perf_counter() - start
    return answer, Segmentation(log_probabilities, label, rows, embeddings), seconds
