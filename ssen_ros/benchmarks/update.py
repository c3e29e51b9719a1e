"""`ssen bench update`: one whole update of a map, stage by stage, on networks of any size.

The networks run with random weights, for their time. What they would say comes from the truth instead, so
that clustering and instances have the work that a trained network would give them: an object's embeddings
lie around their mean as the training's loss wants them, and some lie astray between two objects.
"""

import time
from dataclasses import replace
from statistics import median

import numpy as np
import torch

from ssen_ros.benchmarks import device
from ssen_ros.benchmarks.rooms import room
from ssen_ros.config import SsenConfig
from ssen_ros.io.samples import VOXEL_SIZE, Sample
from ssen_ros.labels import LABEL_NAMES
from ssen_ros.models import Checkpoint, NetworkSpec, network_of
from ssen_ros.pipeline import Segmenting, SsenPipeline
from ssen_ros.segmenter import Segmenter
from ssen_ros.structures import Memory, VoxelSnapshot
from ssen_ros.voxel_map import VoxelMap

_WIDTH, _DELTA_INTER, _DELTA_INTRA = 8, 0.1, 0.5  # of the embeddings and of the training
_ASTRAY = 0.03  # share of an object's embeddings that lie on the way to another object's


def benchmark_update(
    voxels: int, architecture: str = "MinkUNet18A", config: SsenConfig | None = None, repetitions: int = 3
) -> dict:
    """Returns {"architecture", "device", "threads", "things", "objects", "peak_mb" (of the device), "rows"}.

    A row: `voxels`, `stage` (voxelize, snapshot, semantic, embedding, cluster, instances, total), `seconds`
    (median). The clouds of the repetitions differ by a point, as a live map's do.
    """
    config = config or SsenConfig()
    sample = room(voxels)
    segmenter = _Segmenter(architecture, config, sample)
    pipeline = SsenPipeline(segmenter, config)
    voxel_map = VoxelMap(VOXEL_SIZE)
    memory = Memory()
    stages: dict[str, list[float]] = {}
    for repetition in range(repetitions + 1):
        points = sample.points.copy()
        points[0, 2] += 0.1 * repetition * VOXEL_SIZE / (repetitions + 1)
        start = time.perf_counter()
        voxel_map.integrate(points, sample.colors)
        integrated = time.perf_counter()
        snapshot = voxel_map.snapshot()
        taken = time.perf_counter()
        result = pipeline.step(snapshot, repetition, memory)
        memory = result.memory
        if repetition == 0:  # warms up
            continue
        timings = {"voxelize": integrated - start, "snapshot": taken - integrated, **result.timings_s}
        timings["total"] = time.perf_counter() - start
        for stage, seconds in timings.items():
            stages.setdefault(stage, []).append(seconds)
    return {
        "architecture": architecture,
        "device": device.name(segmenter.device),
        "threads": torch.get_num_threads(),
        "things": len(result.segmentation.thing_rows),
        "objects": len(result.instances),
        "peak_mb": device.most_mb(segmenter.device),
        "rows": [{"voxels": voxels, "stage": stage, "seconds": median(s)} for stage, s in stages.items()],
    }


class _Segmenter(Segmenting):
    """Runs two untrained networks, and answers with the truth of one sample."""

    def __init__(self, architecture: str, config: SsenConfig, sample: Sample):
        semantic = NetworkSpec("semantic", architecture, VOXEL_SIZE, ("rgb",), LABEL_NAMES)
        embedding = replace(semantic, task="embedding", features=("rgb", "xyz"), embedding_width=_WIDTH)
        torch.manual_seed(0)
        first, second = (Checkpoint(spec, network_of(spec).eval()) for spec in (semantic, embedding))
        self._networks = Segmenter.from_checkpoints(first, second, config.segmenter)
        cells = np.floor(sample.points / VOXEL_SIZE).astype(np.int32)
        order = np.lexsort(cells.T[::-1])  # of a snapshot
        self._label = sample.semantic_label[order]
        self._embedding = _embeddings(np.unique(sample.instance_label[order], return_inverse=True)[1])

    @property
    def voxel_size(self) -> float:
        return VOXEL_SIZE

    @property
    def class_names(self) -> tuple[str, ...]:
        return LABEL_NAMES

    @property
    def device(self) -> torch.device:
        return self._networks.device

    def semantic(self, snapshot: VoxelSnapshot, floor: float) -> np.ndarray:
        self._networks.semantic(snapshot, floor)
        logits = np.full((len(snapshot), len(LABEL_NAMES)), -8.0, np.float32)
        logits[np.arange(len(snapshot)), np.maximum(self._label, 0)] = (
            0  # what is not annotated is called wall
        )
        return logits

    def embed(self, snapshot: VoxelSnapshot, thing_rows: np.ndarray, floor: float) -> np.ndarray:
        self._networks.embed(snapshot, thing_rows, floor)
        return self._embedding[thing_rows]


def _embeddings(instance: np.ndarray) -> np.ndarray:
    """(V, d) float32 embeddings of (V,) objects, numbered from 0."""
    rng = np.random.default_rng(0)
    count = int(instance.max()) + 1
    means = rng.normal(size=(count, _WIDTH))
    means *= 2 * _DELTA_INTRA * count ** (1 / _WIDTH) / np.linalg.norm(means, axis=1, keepdims=True)
    points = means[instance] + rng.normal(scale=_DELTA_INTER / _WIDTH**0.5, size=(len(instance), _WIDTH))
    astray = rng.random(len(instance)) < _ASTRAY
    other = means[rng.integers(count, size=int(astray.sum()))]
    points[astray] += rng.random((len(other), 1)) * (other - points[astray])
    return points.astype(np.float32)
