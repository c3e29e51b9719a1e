"""Labelled maps scored as a user sees them: once as they are, turned, and with strays below the floor."""

from collections.abc import Mapping, Sequence
from concurrent.futures import Executor
from functools import partial
from pathlib import Path

import numpy as np
from scipy.spatial import KDTree

from ssen_ros.config import SsenConfig
from ssen_ros.evaluation.room_scores import (
    STRAY_SHARES,
    YAWS_DEG,
    PointLabels,
    RoomScore,
    score_room,
    summarize_rooms,
)
from ssen_ros.evaluation.scene_runs import Load, run_scenes
from ssen_ros.evaluation.vertex_labels import segment_once, voxel_rows
from ssen_ros.io.samples import Sample
from ssen_ros.labels import CLASS_NAMES, LABEL_NAMES
from ssen_ros.pipeline import SsenPipeline
from ssen_ros.rotations import turn_z
from ssen_ros.structures import VoxelSnapshot

_REACH_M = 0.06  # a point whose voxel is not in the answer takes the label of the nearest within this
_STRAY_DEPTH_M = (0.2, 1.2)  # below the floor


def evaluate_rooms(
    rooms: Mapping[str, Path],
    load: Load,
    config: SsenConfig,
    folder: Path | str,
    alternatives: Mapping[str, Sequence[str]],
    executor: Executor | None = None,
    progress: bool = True,
    perturbed: bool = True,
) -> dict:
    """Score {name: file, as `load` takes it}; returns what `summarize_rooms` does.

    `folder` receives a score for each map in `rooms/`, where a later run finds them, and `run.json`; see
    `run_scenes`, for the errors too. `perturbed`: the map turned and with strays too, five more passes.
    """
    files = {name: file.resolve() for name, file in rooms.items()}
    paths = {file: Path(folder) / "rooms" / f"{name}.npz" for name, file in files.items()}
    data = f"{', '.join(map(str, files.values()))}; {'as they are, turned, strays' if perturbed else 'once'}"
    run_scenes(paths, load, partial(_score_to, perturbed), config, Path(folder), data, executor, progress)
    scores = {name: RoomScore.load(paths[file]) for name, file in files.items()}
    return summarize_rooms(scores, alternatives)


def _score_to(perturbed: bool, sample: Sample, pipeline: SsenPipeline, path: Path) -> None:
    evaluate_room(sample, pipeline, perturbed).save(path)


def evaluate_room(sample: Sample, pipeline: SsenPipeline, perturbed: bool = True) -> RoomScore:
    """One pass over the map as the first that the pipeline sees, and with `perturbed` five more."""
    points, colors, label = sample.points, sample.colors, sample.semantic_label.astype(np.int64)
    found = label_points(points, colors, pipeline)
    turned, strayed = [], []
    if perturbed:
        for yaw in YAWS_DEG[1:]:
            view = turn_about_middle(points, np.radians(yaw))
            turned.append(label_points(view, colors, pipeline).published)
        for share in STRAY_SHARES:
            stray_points, stray_colors = with_strays(points, colors, floor_of(points, label), share)
            strayed.append(label_points(stray_points, stray_colors, pipeline).published[: len(points)])
    return score_room(points, label, sample.instance_label.astype(np.int64), found, turned, strayed)


def label_points(points: np.ndarray, colors: np.ndarray, pipeline: SsenPipeline) -> PointLabels:
    """What one pass over the (N, 3) points, m, says of each; classes are matched by their names."""
    result = segment_once(points, colors, pipeline)
    names = (*pipeline.segmenter.class_names, None)  # the last: no class
    labels = np.array([LABEL_NAMES.index(name) if name in LABEL_NAMES else -1 for name in names])
    of_row = np.full(len(result.snapshot), -1)
    for number, detection in enumerate(result.detections):
        of_row[detection.rows] = number
    row = nearest_rows(result.snapshot, points)

    def told(of_voxel: np.ndarray) -> np.ndarray:
        return np.append(of_voxel, -1)[row]

    return PointLabels(
        network=labels[told(result.segmentation.semantic_label)],
        published=labels[told(result.semantic_label)],
        object=told(of_row),
        object_label=labels[np.array([d.class_id for d in result.detections], np.int64)],
    )


def nearest_rows(snapshot: VoxelSnapshot, points: np.ndarray) -> np.ndarray:
    """(N,) row of the voxel that each of the (N, 3) points, m, lies in, or the nearest within 6 cm, or -1."""
    row = voxel_rows(snapshot, points)
    lost = np.flatnonzero(row < 0)
    if len(lost) and len(snapshot):
        distance, nearest = KDTree(snapshot.points).query(points[lost], distance_upper_bound=_REACH_M)
        row[lost] = np.where(np.isfinite(distance), nearest, -1)
    return row


def turn_about_middle(points: np.ndarray, yaw: float) -> np.ndarray:
    """(N, 3) float32: the points turned by `yaw` rad about a vertical axis in the middle of their bounds."""
    middle = (points.min(axis=0) + points.max(axis=0)).astype(np.float64) * (0.5, 0.5, 0.0)
    return ((points - middle) @ turn_z(yaw).T + middle).astype(np.float32)


def floor_of(points: np.ndarray, label: np.ndarray) -> float:
    """z, m: the median of what is annotated as floor or, without any, what 5 % of the points lie below."""
    floor = points[label == CLASS_NAMES.index("floor"), 2]
    return float(np.median(floor) if len(floor) else np.percentile(points[:, 2], 5))


def with_strays(
    points: np.ndarray, colors: np.ndarray, floor: float, share: float, seed: int = 0
) -> tuple[np.ndarray, np.ndarray]:
    """The map, followed by `share` as many points 0.2 to 1.2 m below the floor, as reflections in it are.

    Each lies below a random point of the map, and has its colour.
    """
    rng = np.random.default_rng(seed)
    above = rng.integers(len(points), size=round(share * len(points)))
    strays = points[above].copy()
    strays[:, 2] = floor - rng.uniform(*_STRAY_DEPTH_M, len(above))
    return np.concatenate([points, strays]), np.concatenate([colors, colors[above]])
