"""Labelled scenes at the networks' resolution, and batches of them."""

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from ssen_ros import voxel_keys
from ssen_ros.errors import ConfigError
from ssen_ros.features import floor_height, voxel_features
from ssen_ros.grouping import majority
from ssen_ros.labels import LABEL_NAMES
from ssen_ros.simulation import Sample, load_sample
from ssen_ros.structures import VoxelSnapshot
from ssen_ros.training.augmentation import augment_colors, augment_points
from ssen_ros.training.config import TrainConfig


def class_weight(shares: np.ndarray, balance: float) -> np.ndarray:
    """(C,) float64 loss weights, share^-balance, with mean 1 over the voxels of these (C,) shares.

    balance 0 weighs voxels alike, 1 would weigh classes alike; no class gets more than 20 times another.
    """
    weight = np.maximum(shares, 1e-6) ** -balance
    weight = np.minimum(weight, 20 * weight.min())
    return weight / (weight @ shares)


@dataclass(frozen=True)
class LabelledVoxels:
    """A snapshot with its ground truth."""

    snapshot: VoxelSnapshot
    semantic_label: np.ndarray  # (V,) int64, IGNORE_INDEX where not annotated
    instance_label: np.ndarray  # (V,) int64, -1 where of no instance

    def rows(self, keep: np.ndarray) -> "LabelledVoxels":
        """The voxels where the (V,) bool mask is set."""
        s = self.snapshot
        snapshot = VoxelSnapshot(
            s.voxel_coords[keep], s.points[keep], s.colors[keep], s.voxel_size, s.version
        )
        return LabelledVoxels(snapshot, self.semantic_label[keep], self.instance_label[keep])


@dataclass(frozen=True)
class Batch:
    """Several scenes for one step; rows of all scenes follow each other."""

    coords: Tensor  # (N, 4) int32: scene, x, y, z
    features: Tensor  # (N, C) float32
    semantic_label: Tensor  # (N,) int64
    instance_label: Tensor  # (N,) int64, unique within a scene
    scene: Tensor  # (N,) int64


def voxelize(sample: Sample, voxel_size: float) -> LabelledVoxels:
    """Mean position and colour of each voxel, and the label most of its points carry."""
    coords = np.floor(sample.points.astype(np.float64) / voxel_size).astype(np.int32)
    keys, inverse, count = np.unique(voxel_keys.pack(coords), return_inverse=True, return_counts=True)
    voxel_coords = voxel_keys.unpack(keys)
    points = _group_mean(sample.points, inverse, count)
    colors = np.floor(_group_mean(sample.colors, inverse, count) + 0.5)
    # One code a (class, instance) pair, so that both come from the same points.
    pair = (sample.semantic_label.astype(np.int64) + 1) << 32 | (sample.instance_label.astype(np.int64) + 1)
    winner = majority(inverse, pair)
    snapshot = VoxelSnapshot(voxel_coords, points.astype(np.float32), colors.astype(np.uint8), voxel_size)
    return LabelledVoxels(snapshot, (winner >> 32) - 1, (winner & 0xFFFFFFFF) - 1)


def _group_mean(values: np.ndarray, group: np.ndarray, count: np.ndarray) -> np.ndarray:
    sums = [np.bincount(group, weights=column, minlength=len(count)) for column in values.T]
    return np.stack(sums, axis=1) / count[:, None]


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

    def class_shares(self, rooms: int = 60) -> np.ndarray:
        """(C,) float64: of the annotated voxels of the first rooms, those of each class."""
        labels = [self.sample(i).semantic_label for i in range(min(rooms, len(self)))]
        counts = sum(np.bincount(label[label >= 0], minlength=len(LABEL_NAMES)) for label in labels)
        return counts / max(counts.sum(), 1)

    def scene(self, rng: np.random.Generator, config: TrainConfig) -> LabelledVoxels:
        """One random room, augmented, voxelized, and cropped as a map still growing would be."""
        sample = self.sample(int(rng.integers(len(self))))
        points = augment_points(rng, sample.points, config.augmentation)
        colors = augment_colors(rng, sample.colors, config.augmentation)
        augmented = Sample(points, colors, sample.semantic_label, sample.instance_label)
        return crop(rng, voxelize(augmented, self.voxel_size), config.max_voxels, config.crop_share)


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
    """One batch of the masked voxels; heights are measured from the floor of the whole scene."""
    columns = []
    for index, (voxels, mask) in enumerate(zip(scenes, masks)):
        floor = floor_height(voxels.snapshot.points)
        part = voxels.rows(mask)
        s = part.snapshot
        scene = np.full((len(s), 1), index)
        columns.append(
            (
                np.concatenate([scene, s.voxel_coords], axis=1).astype(np.int32),
                voxel_features(names, s.points, s.colors, floor),
                part.semantic_label,
                part.instance_label,
                scene[:, 0],
            )
        )
    return Batch(*[torch.from_numpy(np.concatenate(c)) for c in zip(*columns)])
