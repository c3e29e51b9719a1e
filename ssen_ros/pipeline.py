"""The method, from a snapshot of the map to instances that last (paper, Fig. 2)."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol

import numpy as np

from ssen_ros.clustering import cluster_things
from ssen_ros.config import SsenConfig
from ssen_ros.errors import ConfigError, EngineError, missing_module
from ssen_ros.instances import InstanceMap, InstanceMemory, summarize
from ssen_ros.labels import is_thing
from ssen_ros.structures import Clusters, Instance, Segmentation, StepResult, VoxelSnapshot


class Segmenting(Protocol):
    """What the pipeline asks of a segmenter; `ssen_ros.segmenter.Segmenter` is the real one."""

    voxel_size: float  # m, of the maps it was trained on
    class_names: tuple[str, ...]

    def semantic(self, snapshot: VoxelSnapshot) -> np.ndarray:
        """(V, C) float32 log-probabilities of the classes."""

    def embed(self, snapshot: VoxelSnapshot, thing_rows: np.ndarray) -> np.ndarray:
        """(T, d) float32 embeddings of the rows of the snapshot that are things."""


class SsenPipeline:
    """Both networks, the clustering, and the instances known so far; one `step` per map.

    Only the instances outlast a step. Not for two threads at once, save that `config.clustering` and
    `config.instances` may be changed, by another `config`, from any: the next step goes by it.
    """

    def __init__(self, segmenter: Segmenting, config: SsenConfig | None = None):
        self.segmenter = segmenter
        self.config = config or SsenConfig()
        self.instance_map = InstanceMap(self.config.instances, segmenter.class_names)
        self._is_thing = is_thing(tuple(segmenter.class_names))

    @classmethod
    def from_config(cls, config: SsenConfig | None = None) -> "SsenPipeline":
        """With the networks that the configuration names.

        Raises CheckpointError where they do not load, EngineError where torch or another module is missing.
        """
        try:
            from ssen_ros.segmenter import Segmenter  # late: torch is slow to import, and stubs need none
        except ModuleNotFoundError as error:
            raise EngineError(missing_module(error)) from error

        config = config or SsenConfig()
        return cls(Segmenter.from_config(config.segmenter), config)

    def step(self, snapshot: VoxelSnapshot, stamp_ns: int) -> StepResult:
        """Segment the whole snapshot, cluster its things, and join the clusters to the known instances.

        An empty map, or one without things, yields a valid result without detections.
        Raises ConfigError if the snapshot's voxels are not of the size that the networks know.
        """
        self._check_voxel_size(snapshot)
        config = self.config  # read once: another thread may put another in its place
        self.instance_map.config = config.instances
        timings_s: dict[str, float] = {}
        with _timed(timings_s, "total"):
            with _timed(timings_s, "semantic"):
                log_probabilities, semantic_label = self._classify(snapshot)
            with _timed(timings_s, "embedding"):
                thing_rows = np.flatnonzero(self._is_thing[semantic_label])
                segmentation = Segmentation(
                    log_probabilities, semantic_label, thing_rows, self._embed(snapshot, thing_rows)
                )
            with _timed(timings_s, "cluster"):
                clusters = cluster_things(snapshot, segmentation, config.clustering)
            with _timed(timings_s, "instances"):
                detections = summarize(
                    snapshot,
                    segmentation,
                    clusters,
                    self.segmenter.class_names,
                    config.instances.min_score,
                )
                instances, events = self.instance_map.update(detections, snapshot, stamp_ns)
                instance_id = _instance_id(snapshot, segmentation, instances)
                if config.instances.relabel:
                    share = config.instances.relabel_share
                    semantic_label = _relabel(semantic_label, instance_id, instances, share)
        return StepResult(
            snapshot=snapshot,
            segmentation=segmentation,
            clusters=clusters,
            detections=tuple(detections),
            instances=instances,
            events=events,
            semantic_label=semantic_label,
            instance_id=instance_id,
            confidence=_confidence(segmentation, clusters),
            stamp_ns=stamp_ns,
            timings_s=timings_s,
        )

    def reset(self, memory: InstanceMemory | None = None) -> None:
        """Forget all instances, or go on from those remembered; no new object gets an id that was given."""
        self.instance_map.restore(memory or InstanceMemory())

    def undo(self) -> None:
        """As if the last step had not been made: its result was not published, and its events not heard."""
        self.instance_map.undo()

    def _check_voxel_size(self, snapshot: VoxelSnapshot) -> None:
        if not np.isclose(snapshot.voxel_size, self.segmenter.voxel_size, rtol=1e-6, atol=0):
            raise ConfigError(
                f"the map's voxel_size is {snapshot.voxel_size:g} m, the networks were trained at "
                f"{self.segmenter.voxel_size:g} m: build the VoxelMap with segmenter.voxel_size"
            )

    def _classify(self, snapshot: VoxelSnapshot) -> tuple[np.ndarray, np.ndarray]:
        """(V, C) log-probabilities and (V,) labels; an empty map never reaches the network."""
        if len(snapshot) == 0:
            return np.empty((0, len(self._is_thing)), dtype=np.float32), np.empty(0, dtype=np.int32)
        log_probabilities = self.segmenter.semantic(snapshot)
        return log_probabilities, log_probabilities.argmax(axis=1).astype(np.int32)

    def _embed(self, snapshot: VoxelSnapshot, thing_rows: np.ndarray) -> np.ndarray:
        if len(thing_rows) == 0:
            return np.empty((0, 0), dtype=np.float32)
        return self.segmenter.embed(snapshot, thing_rows)


@contextmanager
def _timed(timings_s: dict[str, float], stage: str) -> Iterator[None]:
    start = time.perf_counter()
    yield
    timings_s[stage] = time.perf_counter() - start


def _relabel(
    semantic_label: np.ndarray, instance_id: np.ndarray, instances: tuple[Instance, ...], share: float
) -> np.ndarray:
    """(V,) int32: the votes of an object outweigh a voxel's own where `share` of its voxels are of one class.

    A cluster that has swallowed its neighbours shall not paint them over.
    """
    label = semantic_label.copy()
    for instance in instances:
        member = np.flatnonzero(instance_id == instance.id)
        if np.bincount(semantic_label[member]).max(initial=0) >= share * len(member):
            label[member] = instance.class_id
    return label


def _instance_id(
    snapshot: VoxelSnapshot, segmentation: Segmentation, instances: tuple[Instance, ...]
) -> np.ndarray:
    """(V,) int32: the ids on this pass's things.

    A missing instance keeps its id on what are still things, so that an object that one pass calls
    noise does not flicker; what has become stuff belongs to no instance.
    """
    label = InstanceMap.label(snapshot, instances)
    instance_id = np.full(len(snapshot), -1, dtype=np.int32)
    instance_id[segmentation.thing_rows] = label[segmentation.thing_rows]
    return instance_id


def _confidence(segmentation: Segmentation, clusters: Clusters) -> np.ndarray:
    """(V,) float32: the probability of the label on stuff, the clusters' confidence on things."""
    best = segmentation.log_probabilities.max(axis=1, initial=-np.inf)
    confidence = np.exp(np.minimum(best, 0))
    confidence[segmentation.thing_rows] = clusters.confidence
    return confidence
