"""What is kept of one update: the one value behind every saved file and picture.

It is built from a `StepResult` or, on the far side of ROS, from clouds: both give the same files.
"""

from dataclasses import dataclass, field, fields, is_dataclass
from typing import Any

import numpy as np
from scipy.spatial import KDTree

from ssen_ros import voxel_keys
from ssen_ros.boxes import fit_oriented_box
from ssen_ros.errors import SsenError
from ssen_ros.labels import CLASS_NAMES
from ssen_ros.structures import Event, Instance, Segmentation, StepResult

_SAME_POINT_M = 1e-6


@dataclass(frozen=True)
class LabelledMap:
    """A map with what was found in it; map frame, metres, +Z up."""

    points: np.ndarray  # (V, 3) float32, m
    colors: np.ndarray  # (V, 3) uint8 RGB
    semantic_label: np.ndarray  # (V,) int32, index into class_names, -1 unlabelled
    instance_id: np.ndarray  # (V,) int32, persistent id, -1 for stuff and noise
    confidence: np.ndarray  # (V,) float32, 0..1
    instances: tuple[Instance, ...]
    voxel_size: float  # m
    version: int  # of the map
    stamp_ns: int  # of the map; 0: none
    class_names: tuple[str, ...] = CLASS_NAMES
    frame_id: str = ""  # of the map; empty: not known
    embedding_rgb: np.ndarray | None = None  # (V, 3) uint8: see `embedding_colors`; black on what is no thing
    events: tuple[Event, ...] = ()  # what this update changed
    timings_s: dict[str, float] = field(default_factory=dict)  # stage -> s; empty: not known

    @classmethod
    def from_step(
        cls, result: StepResult, class_names: tuple[str, ...] = CLASS_NAMES, frame_id: str = ""
    ) -> "LabelledMap":
        return cls(
            points=result.snapshot.points,
            colors=result.snapshot.colors,
            semantic_label=result.semantic_label,
            instance_id=result.instance_id,
            confidence=result.confidence,
            instances=result.instances,
            voxel_size=result.snapshot.voxel_size,
            version=result.snapshot.version,
            stamp_ns=result.stamp_ns,
            class_names=class_names,
            frame_id=frame_id,
            embedding_rgb=embedding_colors(result.segmentation, len(result.snapshot)),
            events=result.events,
            timings_s=result.timings_s,
        )

    def __len__(self) -> int:
        return len(self.points)

    def labels_at(self, points: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Label, id and confidence at (N, 3) points, m: those of the voxel in which a point lies.

        -1, -1 and 0 where the map has no voxel: out of reach, or left out below the floor.
        """
        here = _voxels(self.points, self.voxel_size)  # a voxel's point lies in it; both ascend
        row = voxel_keys.find(here, _voxels(points, self.voxel_size))  # -1, the last one, where there is none
        return (
            np.append(self.semantic_label, np.int32(-1))[row],
            np.append(self.instance_id, np.int32(-1))[row],
            np.append(self.confidence, np.float32(0))[row],
        )

    def to_json(self, oriented_boxes: bool = False) -> dict:
        """The content of instances.json; lengths in m, times in ns; null what is not known.

        The keys of an instance are the fields of `Instance`, and on request `oriented_box` with those of
        `OrientedBox`, null for an object without a point; that raises EngineError where Open3D is missing.
        """
        return {
            "frame_id": self.frame_id or None,
            "stamp_ns": int(self.stamp_ns) or None,
            "map_version": int(self.version),
            "voxel_size": float(self.voxel_size),
            "voxels": len(self),
            "instances": [
                _plain(instance)
                | ({"oriented_box": self._oriented_box(instance.id)} if oriented_boxes else {})
                for instance in self.instances
            ],
        }

    def _oriented_box(self, id: int) -> dict | None:
        points = self.points[self.instance_id == id]
        return _plain(fit_oriented_box(points)) if len(points) else None


def _voxels(points: np.ndarray, voxel_size: float) -> np.ndarray:
    """(N,) int64 keys of the voxels of (N, 3) points, m; -1 out of reach."""
    coords = np.floor(points.astype(np.float64) / voxel_size)
    inside = ((coords >= -voxel_keys.AXIS_LIMIT) & (coords < voxel_keys.AXIS_LIMIT)).all(axis=1)
    keys = np.full(len(points), -1, np.int64)
    keys[inside] = voxel_keys.pack(coords[inside])
    return keys


def _plain(value: Any) -> Any:
    """Dataclasses and arrays as dictionaries, lists and numbers."""
    if is_dataclass(value):
        return {f.name: _plain(getattr(value, f.name)) for f in fields(value)}
    return value.tolist() if isinstance(value, (np.ndarray, np.generic)) else value


def embedding_colors(segmentation: Segmentation, voxels: int) -> np.ndarray:
    """(V, 3) uint8: where the things lie in the embedding space, along its widest axes; black elsewhere.

    What lies together in the space has like colours, and one colour is one object if the networks are right.
    """
    colors = np.zeros((voxels, 3), np.uint8)
    embeddings = segmentation.embeddings
    if embeddings.size == 0:  # no things, or a map that was loaded
        return colors
    place = embeddings - embeddings.mean(axis=0)
    spread, axes = np.linalg.eigh(place.T @ place / len(place))
    axes = axes[:, ::-1][:, :3]
    axes = axes * np.sign(axes[np.abs(axes).argmax(axis=0), np.arange(axes.shape[1])])  # the same each time
    place = place @ axes
    reach = 2.0 * np.sqrt(np.maximum(spread[::-1][:3], 1e-12))
    shade = np.clip(140.0 + 110.0 * place / reach, 30.0, 255.0)
    colors[segmentation.thing_rows, : shade.shape[1]] = shade.astype(np.uint8)
    return colors


def thing_rows(points: np.ndarray, thing_points: np.ndarray) -> np.ndarray:
    """(T,) int64: which of `points` (V, 3), m, each of `thing_points` (T, 3), m, is.

    Raises:
        SsenError: one of `thing_points` is none of `points`.
    """
    if len(thing_points) == 0:
        return np.empty(0, np.int64)
    nearest = KDTree(points).query(thing_points) if len(points) else (np.full(1, np.inf), np.full(1, -1))
    distance, row = (np.asarray(value) for value in nearest)
    if distance.max() > _SAME_POINT_M:
        raise SsenError(
            f"the instance cloud has a point {distance.max():.3g} m off the semantic cloud; "
            "expected points of that cloud only: take both from one update"
        )
    return row
