"""How good the method is on labelled scenes: what is kept of each, and the scores of all together."""

from collections.abc import Mapping, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np

from ssen_ros.config import SsenConfig
from ssen_ros.evaluation.average_precision import (
    PROTOCOLS,
    SceneMatches,
    average_precisions,
    match_scene,
    precision_recall_by_size,
)
from ssen_ros.evaluation.scene_runs import Load, score_scenes
from ssen_ros.evaluation.semantic_iou import class_iou, confusion_matrix
from ssen_ros.evaluation.vertex_labels import VertexLabels, label_vertices
from ssen_ros.io.replacing import replacing
from ssen_ros.io.samples import Sample
from ssen_ros.labels import CLASS_NAMES, NUM_CLASSES, is_thing
from ssen_ros.pipeline import SsenPipeline


@dataclass(frozen=True)
class SceneResult:
    """What a scene contributes; small, whatever the scene's size."""

    confusion: np.ndarray  # (C, C + 1) int64, see confusion_matrix
    matches: SceneMatches

    def arrays(self, prefix: str = "") -> dict[str, np.ndarray]:
        """All of it by names that begin so; `from_arrays` takes it back."""
        named = {"confusion": self.confusion, **vars(self.matches)}
        return {prefix + name: array for name, array in named.items()}

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, np.ndarray], prefix: str = "") -> "SceneResult":
        matches = {f.name: arrays[prefix + f.name] for f in fields(SceneMatches)}
        return cls(arrays[f"{prefix}confusion"], SceneMatches(**matches))

    def save(self, path: Path) -> None:
        save_arrays(path, self.arrays())

    @classmethod
    def load(cls, path: Path) -> "SceneResult":
        with np.load(path) as data:
            return cls.from_arrays(data)


def save_arrays(path: Path, arrays: Mapping[str, Any]) -> None:
    """As an .npz, whole or not at all."""
    with replacing(path) as temporary, open(temporary, "wb") as file:
        np.savez(file, **arrays)


def evaluate_scene(sample: Sample, pipeline: SsenPipeline) -> SceneResult:
    """One pass of the whole method over the scene by itself, scored on the scene's own vertices."""
    return score_vertices(sample, label_vertices(sample, pipeline))


def score_vertices(sample: Sample, found: VertexLabels) -> SceneResult:
    """What was found on the scene's vertices, against the truth."""
    return SceneResult(
        confusion_matrix(sample.semantic_label, found.semantic_label, NUM_CLASSES),
        match_scene(sample.semantic_label, sample.instance_label, found.predictions),
    )


def evaluate_scenes(
    scenes: Mapping[str, Any],
    load: Load,
    config: SsenConfig,
    folder: Path | str,
    data: str,
    protocol: str = "scannet",
    executor: Executor | None = None,
    progress: bool = True,
) -> dict:
    """Evaluate {name: what `load` takes}; returns the scores of `summarize_scenes`.

    `folder` receives a result for each scene in `scenes/`, where a later run finds them, `run.json` (see
    `run_scenes`, for the errors too) and `scores.json`.
    """
    folder = Path(folder)
    paths = {scene: folder / "scenes" / f"{name}.npz" for name, scene in scenes.items()}

    def summarize() -> dict:
        return summarize_scenes([SceneResult.load(path) for path in paths.values()], protocol)

    return score_scenes(paths, load, _evaluate_to, summarize, config, folder, data, executor, progress)


def _evaluate_to(sample: Sample, pipeline: SsenPipeline, path: Path) -> None:
    evaluate_scene(sample, pipeline).save(path)


def summarize_scenes(results: Sequence[SceneResult], protocol: str = "scannet") -> dict:
    """The scores over all scenes, as plain numbers; None for a class that has no value.

    Returns:
        {"scenes", "semantic": {"miou", "accuracy", "per_class": {name: IoU}},
        "instance": {"ap", "ap50", "ap25", "per_class": {name: {"ap", "ap50", "ap25"}}, "protocol",
        "thresholds", "by_size": rows of `precision_recall_by_size`}, "rows": one flat object a class}.
    """
    confusion = np.sum([result.confusion for result in results], axis=0)
    matches = [result.matches for result in results]
    iou, ap = class_iou(confusion), average_precisions(matches, protocol)
    semantic = {name: _number(value) for name, value in zip(CLASS_NAMES, iou)}
    instance = {
        name: {metric: _number(values[c]) for metric, values in ap.items()}
        for c, name in enumerate(CLASS_NAMES)
        if is_thing()[c]
    }
    return {
        "scenes": len(results),
        "semantic": {
            "miou": _mean(iou),
            "accuracy": float(np.trace(confusion) / max(confusion.sum(), 1)),
            "per_class": semantic,
        },
        "instance": {
            **{metric: _mean(values) for metric, values in ap.items()},
            "per_class": instance,
            "protocol": protocol,
            "thresholds": [round(float(t), 2) for t in PROTOCOLS[protocol]],
            "by_size": precision_recall_by_size(matches),
        },
        "rows": [
            {"class": name, "iou": value, **instance.get(name, dict.fromkeys(ap))}
            for name, value in semantic.items()
        ],
    }


def _mean(values: np.ndarray) -> float | None:
    return float(np.nanmean(values)) if np.isfinite(values).any() else None


def _number(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None
