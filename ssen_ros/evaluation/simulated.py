"""How good the networks are on simulated rooms that they were not trained on."""

from collections.abc import Iterable
from dataclasses import replace

import numpy as np

from ssen_ros.evaluation.metrics import average_precision, class_iou, confusion_matrix, match_instances
from ssen_ros.labels import is_thing
from ssen_ros.pipeline import SsenPipeline
from ssen_ros.simulation import Sample
from ssen_ros.training.dataset import LabelledVoxels, voxelize
from ssen_ros.voxel_map import VoxelMap

THRESHOLDS = {"ap50": 0.5, "ap25": 0.25}


def evaluate_simulated(samples: Iterable[Sample], pipeline: SsenPipeline) -> dict:
    """Score one pass of the whole method on each room by itself.

    Returns:
        {"rooms", "semantic": {"miou", "accuracy", "per_class"}, "instance": {"ap50", "ap25", "per_class"}};
        per_class maps names to IoU and to {"ap50", "ap25"}. Classes without ground truth are left out of
        every mean, and are None.
    """
    names = pipeline.segmenter.class_names
    confusion = np.zeros((len(names), len(names)), np.int64)
    truth_count = np.zeros(len(names), np.int64)
    outcomes: dict[str, list] = {name: [] for name in THRESHOLDS}
    rooms = 0
    for sample in samples:
        rooms += 1
        voxels = map_with_truth(sample, pipeline.segmenter.voxel_size)
        pipeline.reset()
        result = pipeline.step(voxels.snapshot, stamp_ns=0)
        confusion += confusion_matrix(voxels.semantic_label, result.semantic_label, len(names))
        truth, truth_class, void = instance_truth(voxels, names)
        truth_count += np.bincount(truth_class, minlength=len(names))
        masks = [d.rows for d in result.detections]
        classes = [d.class_id for d in result.detections]
        scores = [d.score for d in result.detections]
        for name, threshold in THRESHOLDS.items():
            outcomes[name] += match_instances(truth, truth_class, void, masks, classes, scores, threshold)
    iou = class_iou(confusion)
    per_class = {name: _class_ap(rows, truth_count) for name, rows in outcomes.items()}
    return {
        "rooms": rooms,
        "semantic": {
            "miou": _mean(iou),
            "accuracy": float(np.diag(confusion).sum() / max(confusion.sum(), 1)),
            "per_class": {name: _number(value) for name, value in zip(names, iou)},
        },
        "instance": {
            **{name: _mean(values) for name, values in per_class.items()},
            "per_class": {
                name: {metric: _number(values[c]) for metric, values in per_class.items()}
                for c, name in enumerate(names)
                if is_thing(names)[c]
            },
        },
    }


def map_with_truth(sample: Sample, voxel_size: float) -> LabelledVoxels:
    """The map as users have it, `VoxelMap`'s, with the truth that `voxelize` gives the same voxels."""
    voxel_map = VoxelMap(voxel_size)
    voxel_map.integrate(sample.points, sample.colors)
    return replace(voxelize(sample, voxel_size), snapshot=voxel_map.snapshot())


def instance_truth(
    voxels: LabelledVoxels, names: tuple[str, ...]
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(V,) instance index, (I,) class of each, and (V,) void: voxels of no annotated class or of stuff."""
    annotated = (voxels.instance_label >= 0) & (voxels.semantic_label >= 0)
    truth = np.full(len(annotated), -1, np.int64)
    _, first, index = np.unique(voxels.instance_label[annotated], return_index=True, return_inverse=True)
    truth[annotated] = index.reshape(-1)
    return truth, voxels.semantic_label[annotated][first], ~annotated


def _class_ap(outcomes: list[tuple[int, float, bool]], truth_count: np.ndarray) -> np.ndarray:
    table = np.array(outcomes, dtype=np.float64).reshape(-1, 3)
    values = []
    for class_id, count in enumerate(truth_count):
        rows = table[table[:, 0] == class_id]
        values.append(average_precision(rows[:, 1], rows[:, 2] > 0, int(count)))
    return np.array(values)


def _mean(values: np.ndarray) -> float | None:
    return float(np.nanmean(values)) if np.isfinite(values).any() else None


def _number(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None
