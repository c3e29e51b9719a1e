"""What is kept of one update, and how it is written to disk.

`LabelledMap` is the one value behind every saved file and picture. It is built from a `StepResult` or,
on the far side of ROS, from the messages: both give the same files.
"""

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ssen_ros.cloud_io import write_labelled_ply
from ssen_ros.labels import CLASS_NAMES
from ssen_ros.structures import Box, Instance, StepResult
from ssen_ros.viewer.render import render_map, save_png


@dataclass(frozen=True)
class InstanceRecord:
    """One object as it is reported: an `Instance` without its voxels."""

    id: int
    class_id: int
    class_name: str
    score: float  # 0..1
    box: Box
    centroid: np.ndarray  # (3,) float64, m
    voxel_count: int
    first_seen_ns: int
    last_seen_ns: int
    state: str  # "active" | "missing"

    @classmethod
    def from_instance(cls, instance: Instance) -> "InstanceRecord":
        return cls(
            id=instance.id,
            class_id=instance.class_id,
            class_name=instance.class_name,
            score=instance.score,
            box=instance.box,
            centroid=instance.centroid,
            voxel_count=instance.voxel_count,
            first_seen_ns=instance.first_seen_ns,
            last_seen_ns=instance.last_seen_ns,
            state=instance.state,
        )

    def to_json(self) -> dict:
        """Plain numbers and lists; the keys are the fields of `Instance`."""
        return {
            "id": int(self.id),
            "class_id": int(self.class_id),
            "class_name": self.class_name,
            "score": float(self.score),
            "box": {
                "center": [float(v) for v in self.box.center],
                "size": [float(v) for v in self.box.size],
                "yaw": float(self.box.yaw),
            },
            "centroid": [float(v) for v in self.centroid],
            "voxel_count": int(self.voxel_count),
            "first_seen_ns": int(self.first_seen_ns),
            "last_seen_ns": int(self.last_seen_ns),
            "state": self.state,
        }


@dataclass(frozen=True)
class LabelledMap:
    """A map with what was found in it; map frame, metres, +Z up."""

    points: np.ndarray  # (V, 3) float32, m
    colors: np.ndarray  # (V, 3) uint8 RGB
    semantic_label: np.ndarray  # (V,) int32, index into class_names, -1 unlabelled
    instance_id: np.ndarray  # (V,) int32, persistent id, -1 for stuff and noise
    confidence: np.ndarray  # (V,) float32, 0..1
    instances: tuple[InstanceRecord, ...]
    voxel_size: float  # m
    version: int  # of the map
    stamp_ns: int  # of the map
    class_names: tuple[str, ...] = CLASS_NAMES

    @classmethod
    def from_step(cls, result: StepResult, class_names: tuple[str, ...] = CLASS_NAMES) -> "LabelledMap":
        return cls(
            points=result.snapshot.points,
            colors=result.snapshot.colors,
            semantic_label=result.segmentation.semantic_label,
            instance_id=result.instance_id,
            confidence=result.confidence,
            instances=tuple(InstanceRecord.from_instance(i) for i in result.instances),
            voxel_size=result.snapshot.voxel_size,
            version=result.snapshot.version,
            stamp_ns=result.stamp_ns,
            class_names=class_names,
        )

    def __len__(self) -> int:
        return len(self.points)

    def to_json(self) -> dict:
        """The content of instances.json."""
        return {
            "map_version": int(self.version),
            "voxel_size": float(self.voxel_size),
            "voxels": len(self),
            "instances": [instance.to_json() for instance in self.instances],
        }


@dataclass(frozen=True)
class SavedFiles:
    """Where `save_map` put everything."""

    labelled_ply: Path
    instances_json: Path
    map_png: Path


def save_result(
    result: StepResult, out_dir: str | Path, class_names: tuple[str, ...] = CLASS_NAMES
) -> SavedFiles:
    """Write labelled.ply, instances.json and map.png of one update into `out_dir` (made if missing)."""
    return save_map(LabelledMap.from_step(result, class_names), out_dir)


def save_map(labelled: LabelledMap, out_dir: str | Path) -> SavedFiles:
    """Write labelled.ply, instances.json and map.png into `out_dir` (made if missing)."""
    out_dir = Path(out_dir)
    out_dir.mkdir(parents=True, exist_ok=True)
    saved = SavedFiles(out_dir / "labelled.ply", out_dir / "instances.json", out_dir / "map.png")
    write_labelled_ply(
        saved.labelled_ply,
        labelled.points,
        labelled.colors,
        labelled.semantic_label,
        labelled.instance_id,
        labelled.confidence,
    )
    saved.instances_json.write_text(json.dumps(labelled.to_json(), indent=2) + "\n", encoding="utf-8")
    save_png(saved.map_png, render_map(labelled))
    return saved
