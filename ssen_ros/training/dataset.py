"""Labelled rooms drawn for training: augmented, cropped, and put together in batches."""

from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path

import numpy as np
import torch
from scipy.spatial import KDTree
from torch import Tensor

from ssen_ros.datasets.labelled_voxels import LabelledVoxels, voxelize
from ssen_ros.errors import ConfigError
from ssen_ros.features import Anchor, voxel_features
from ssen_ros.floor import above_floor, find_floor
from ssen_ros.heading import heading_of
from ssen_ros.io.samples import Sample, load_sample
from ssen_ros.labels import LABEL_NAMES
from ssen_ros.structures import VoxelSnapshot
from ssen_ros.training.augmentation import (
    Placement,
    augment_colors,
    draw_placement,
    draw_turn,
    kept_points,
    recolor_objects,
)
from ssen_ros.training.config import TrainConfig


def class_weight(shares: np.ndarray, balance: float) -> np.ndarray:
    """(C,) float64 loss weights, share^-balance, with mean 1 over the voxels of these (C,) shares.

    balance 0 weighs voxels alike, 1 would weigh classes alike; no class gets more than 20 times another.
    """
    weight = np.maximum(shares, 1e-6) ** -balance
    weight = np.minimum(weight, 20 * weight.min())
    return weight / (weight @ shares)


@dataclass(frozen=True)
class Batch:
    """Several scenes for one step; rows of all scenes follow each other."""

    coords: Tensor  # (N, 4) int32: scene, x, y, z
    features: Tensor  # (N, C) float32
    semantic_label: Tensor  # (N,) int64
    instance_label: Tensor  # (N,) int64, unique within a scene
    scene: Tensor  # (N,) int64
    twins: Tensor  # (P, 2) int64 rows of two scenes that show the same place of a room, see `twin_rows`


@lru_cache(maxsize=500)  # some 3 MB each, 40 ms to read
def _load(path: Path) -> Sample:
    return load_sample(path)


class RoomDataset:
    """Every `*.npz` sample of a folder, the last ones kept in memory; later ones are found on `refresh`."""

    def __init__(self, folder: str | Path, voxel_size: float):
        self.folder, self.voxel_size = Path(folder), voxel_size
        self.paths: list[Path] = []
        self.refresh()
        if not self.paths:
            raise ConfigError(
                f"data = {str(folder)!r}: no .npz samples; make some with `ssen simulate --out {folder}`"
            )

    def refresh(self) -> bool:
        """Whether the rooms are others now."""
        before, self.paths = self.paths, sorted(self.folder.glob("*.npz"))
        return self.paths != before

    @property
    def names(self) -> list[str]:
        """Which rooms are drawn from, in their order."""
        return [path.name for path in self.paths]

    def restrict(self, names: list[str]) -> None:
        """Draw from these rooms alone, as a run did before. Raises ConfigError where one is gone."""
        self.paths = [self.folder / name for name in names]
        gone = [path.name for path in self.paths if not path.is_file()]
        if gone:
            raise ConfigError(
                f"data = {str(self.folder)!r} lacks {len(gone)} of {len(names)} rooms that the run has drawn "
                f"from, the first {gone[0]}; expected all; make them again, or start anew without --resume"
            )

    def __len__(self) -> int:
        return len(self.paths)

    def sample(self, index: int) -> Sample:
        return _load(self.paths[index])

    def class_shares(self, rooms: int = 60, classes: int = len(LABEL_NAMES)) -> np.ndarray:
        """(C,) float64: of the first rooms' voxels that are annotated as one of the first C labels, those of
        each."""
        labels = [self.sample(i).semantic_label for i in range(min(rooms, len(self)))]
        of_room = [np.bincount(label[label >= 0], minlength=len(LABEL_NAMES)) for label in labels]
        counts = np.sum(of_room, axis=0)[:classes]
        return counts / max(counts.sum(), 1)

    def scene(
        self, rng: np.random.Generator, config: TrainConfig, room: int | None = None
    ) -> tuple[LabelledVoxels, Placement]:
        """A room, any or this one, as `draw_scene` has it; in `mixed_share` of the cases with another laid
        over it, which the placement says nothing of."""
        sample = self.sample(int(rng.integers(len(self))) if room is None else room)
        if not config.augmentation.mixed_share or rng.random() >= config.augmentation.mixed_share:
            return draw_scene(rng, sample, config, self.voxel_size)
        half = replace(config, max_voxels=(config.max_voxels + 1) // 2)
        voxels, placement = draw_scene(rng, sample, half, self.voxel_size)
        other, _ = draw_scene(rng, self.sample(int(rng.integers(len(self)))), half, self.voxel_size)
        return laid_over(voxels, other), placement


def draw_scene(
    rng: np.random.Generator, sample: Sample, config: TrainConfig, voxel_size: float
) -> tuple[LabelledVoxels, Placement]:
    """The room augmented, voxelized, and cropped as a map still growing would be; in a share of the cases
    lined up and voxelized anew, as the segmenter sees a map. And how its points were placed."""
    kept = kept_points(rng, sample.points, config.augmentation)
    placement = draw_placement(rng, config.augmentation)
    points = placement.apply(sample.points[kept])
    semantic, instance = sample.semantic_label[kept], sample.instance_label[kept]
    colors = recolor_objects(rng, sample.colors[kept], instance, config.augmentation)
    augmented = Sample(points, augment_colors(rng, colors, config.augmentation), semantic, instance)
    voxels = crop(rng, voxelize(augmented, voxel_size), config.max_voxels, config.crop_share)
    if rng.random() >= config.augmentation.lined_up_share:
        return voxels, placement
    turn = draw_turn(rng, heading_of(voxels.snapshot.keys, None))
    s = voxels.snapshot
    seen = Sample(turn.apply(s.points), s.colors, voxels.semantic_label, voxels.instance_label)
    return voxelize(seen, voxel_size), placement.then(turn)


def laid_over(one: LabelledVoxels, other: LabelledVoxels) -> LabelledVoxels:
    """Both scenes in one place, their middles and floors together; instances of the other are counted on."""
    a, b, size = one.snapshot, other.snapshot, one.snapshot.voxel_size
    shift = np.rint((_middle(a) - _middle(b)) / size) * size
    count = one.instance_label.max(initial=-1) + 1
    instance = np.where(other.instance_label >= 0, other.instance_label + count, other.instance_label)
    both = Sample(
        np.concatenate([a.points, (b.points + shift).astype(np.float32)]),
        np.concatenate([a.colors, b.colors]),
        np.concatenate([one.semantic_label, other.semantic_label]),
        np.concatenate([one.instance_label, instance]),
    )
    return voxelize(both, size)


def _middle(snapshot: VoxelSnapshot) -> np.ndarray:
    """(3,) m, of its extent seen from above, on its floor."""
    ground = snapshot.points[:, :2]
    return np.append((ground.min(axis=0) + ground.max(axis=0)) / 2, find_floor(snapshot).height)


def crop(
    rng: np.random.Generator, voxels: LabelledVoxels, max_voxels: int, share: float = 0.5
) -> LabelledVoxels:
    """A part of the room, as of a map still growing: the voxels nearest, seen from above, to one of them.

    In a `share` of the cases 30 to 100 %, else all; never more than `max_voxels`, where that is not 0.
    """
    total = len(voxels.snapshot)
    keep = int(total * rng.uniform(0.3, 1.0)) if rng.random() < share else total
    keep = min(keep, max_voxels or total)
    if keep >= total:
        return voxels
    ground = voxels.snapshot.points[:, :2]
    distance = np.abs(ground - ground[rng.integers(total)]).max(axis=1)
    mask = np.zeros(total, bool)
    mask[np.argpartition(distance, keep)[:keep]] = True
    return voxels.rows(mask)


def collate(scenes: list[LabelledVoxels], masks: list[np.ndarray], names: tuple[str, ...]) -> Batch:
    """One batch of the masked voxels, without strays below the floor of the whole scene, from which heights
    are measured."""
    columns = []
    for index, (voxels, mask) in enumerate(zip(scenes, masks)):
        floor = find_floor(voxels.snapshot)
        part = voxels.rows(mask & above_floor(voxels.snapshot, floor))
        s = part.snapshot
        scene = np.full((len(s), 1), index)
        columns.append(
            (
                np.concatenate([scene, s.voxel_coords], axis=1).astype(np.int32),
                voxel_features(names, s, Anchor.over(floor.height, s.points)),
                part.semantic_label,
                part.instance_label,
                scene[:, 0],
            )
        )
    columns = [torch.from_numpy(np.concatenate(column)) for column in zip(*columns)]
    return Batch(*columns, twins=torch.zeros(0, 2, dtype=torch.int64))


def twin_rows(coords: np.ndarray, placements: list[Placement], voxel_size: float) -> np.ndarray:
    """(P, 2) int64 rows that show the same place: of scenes 0 and 1, of 2 and 3, and so on.

    The (N, 4) coords are a batch's. Scenes are two and two the same room, each placed in its own way; every
    voxel of the second that lies within one voxel of one of the first, in the room, makes a pair.
    """
    pairs = []
    for first in range(0, len(placements), 2):
        rows = [np.flatnonzero(coords[:, 0] == scene) for scene in (first, first + 1)]
        one, other = (
            placement.undo((coords[own, 1:] + 0.5) * voxel_size)
            for own, placement in zip(rows, placements[first : first + 2])
        )
        if len(one) and len(other):
            distance, nearest = KDTree(one).query(other, distance_upper_bound=voxel_size)
            near = np.isfinite(distance)
            pairs.append(np.column_stack([rows[0][np.asarray(nearest)[near]], rows[1][near]]))
    return np.concatenate(pairs) if pairs else np.zeros((0, 2), np.int64)
