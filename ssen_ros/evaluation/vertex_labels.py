"""One pass of the whole method over a labelled scene, told on the scene's own vertices."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from ssen_ros import voxel_keys
from ssen_ros.evaluation.average_precision import Prediction
from ssen_ros.io.samples import Sample
from ssen_ros.labels import CLASS_NAMES
from ssen_ros.pipeline import SsenPipeline
from ssen_ros.structures import StepResult, VoxelSnapshot
from ssen_ros.voxel_map import VoxelMap


@dataclass(frozen=True)
class VertexLabels:
    """What the method says of a scene's N vertices: of each, what it says of the voxel it lies in."""

    semantic_label: np.ndarray  # (N,) int64, index into CLASS_NAMES, -1 for any other class of the network's
    predictions: tuple[Prediction, ...]  # instances, in the order of the detections


def label_vertices(sample: Sample, pipeline: SsenPipeline) -> VertexLabels:
    """Segment the scene as the first map."""
    result = segment_once(sample.points, sample.colors, pipeline)
    objects = [(d.class_id, d.score, d.rows) for d in result.detections]
    return tell_vertices(sample.points, result, objects, pipeline.segmenter.class_names)


def tell_vertices(
    points: np.ndarray,
    result: StepResult,
    objects: Iterable[tuple[int, float, np.ndarray]],
    class_names: Sequence[str],
) -> VertexLabels:
    """What a pass says of the (N, 3) points, m, that its map was made of.

    Args:
        objects: (class_id, score, rows of the snapshot) of each.
        class_names: of the network.
    """
    names = (*class_names, None)  # the last: no class
    benchmark_class = np.array([CLASS_NAMES.index(n) if n in CLASS_NAMES else -1 for n in names])
    row = voxel_rows(result.snapshot, points)  # -1, the last, for strays below the floor
    predictions = []
    for class_id, score, rows in objects:
        inside = np.zeros(len(result.snapshot) + 1, bool)
        inside[rows] = True
        vertices = np.flatnonzero(inside[row])
        predictions.append(Prediction(int(benchmark_class[class_id]), float(score), vertices))
    return VertexLabels(benchmark_class[np.append(result.semantic_label, -1)[row]], tuple(predictions))


def segment_once(points: np.ndarray, colors: np.ndarray, pipeline: SsenPipeline) -> StepResult:
    """The (N, 3) points, m, and their (N, 3) uint8 colours as the first map that the pipeline sees."""
    voxel_map = VoxelMap(pipeline.segmenter.voxel_size)
    voxel_map.integrate(points, colors)
    return pipeline.step(voxel_map.snapshot(), stamp_ns=0)


def voxel_rows(snapshot: VoxelSnapshot, points: np.ndarray) -> np.ndarray:
    """(N,) row of the snapshot's voxel that each of the (N, 3) points, m, lies in; -1 where it has none."""
    cells = np.floor(points.astype(np.float64) / snapshot.voxel_size).astype(np.int64)
    return voxel_keys.find(snapshot.keys, voxel_keys.pack(cells))
