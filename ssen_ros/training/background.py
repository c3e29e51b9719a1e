"""Which voxels of a scene the embedding network is shown in training.

The paper shows it what the semantic network does not call background (Sec. III). Voxels of no instance that
slip through carry no loss.
"""

from collections.abc import Callable
from functools import partial

import numpy as np
import torch

from ssen_ros.datasets.labelled_voxels import LabelledVoxels
from ssen_ros.errors import CheckpointError, ConfigError
from ssen_ros.features import Anchor
from ssen_ros.floor import find_floor
from ssen_ros.labels import LABEL_NAMES, is_thing
from ssen_ros.models import Checkpoint, Network, load_checkpoint
from ssen_ros.structures import VoxelSnapshot
from ssen_ros.training.config import TrainConfig

_STRUCTURE = np.flatnonzero(~is_thing(LABEL_NAMES))

Foreground = Callable[[np.random.Generator, LabelledVoxels], np.ndarray]  # (V,) bool: what is shown


def everything(rng: np.random.Generator, voxels: LabelledVoxels) -> np.ndarray:
    """What the semantic network is shown."""
    return np.ones(len(voxels.snapshot), bool)


def foreground(config: TrainConfig, device: torch.device) -> Foreground:
    """As `config.background` says. Raises ConfigError where it needs a network that is not named."""
    if config.background == "imitated":
        return imitated
    if not config.background_checkpoint:
        raise ConfigError(
            f"background = {config.background!r} with background_checkpoint = '': expected the semantic "
            "network that tells the background; train or convert one, or use background imitated"
        )
    if config.workers:
        raise ConfigError(
            f"workers = {config.workers} with background = {config.background!r}: expected workers = 0; its "
            "semantic network runs in the process that trains"
        )
    predict = PredictedThings(load_checkpoint(config.background_checkpoint), config.voxel_size, device)
    return partial({"predicted": predicted, "mixed": mixed}[config.background], predict)


def imitated(rng: np.random.Generator, voxels: LabelledVoxels) -> np.ndarray:
    """What is not annotated as structure, and half the time a few balls of those, as a semantic network
    would leave them.
    """
    label, points = voxels.semantic_label, voxels.snapshot.points
    keep = ~np.isin(label, _STRUCTURE)
    if rng.random() < 0.5 and len(points):
        for _ in range(rng.integers(1, 8)):
            center = points[rng.integers(len(points))]
            keep |= np.square(points - center).sum(axis=1) < rng.uniform(0.1, 0.4) ** 2
    return keep


def predicted(
    predict: Callable[[VoxelSnapshot], np.ndarray], rng: np.random.Generator, voxels: LabelledVoxels
) -> np.ndarray:
    """What the semantic network calls a thing; the annotated instances where it finds none."""
    things = predict(voxels.snapshot)
    return things if things.any() else voxels.instance_label >= 0


def mixed(
    predict: Callable[[VoxelSnapshot], np.ndarray], rng: np.random.Generator, voxels: LabelledVoxels
) -> np.ndarray:
    """As the released code: a third each of the predicted things with the instances, these, and those."""
    choice, instances = rng.integers(3), voxels.instance_label >= 0
    if choice == 0:
        return predict(voxels.snapshot) | instances
    return instances if choice == 1 else predicted(predict, rng, voxels)


class PredictedThings:
    """Raises CheckpointError for a network of another task or voxel size."""

    def __init__(self, checkpoint: Checkpoint, voxel_size: float, device: torch.device):
        for name, expected in (("task", "semantic"), ("voxel_size", voxel_size)):
            found = getattr(checkpoint.spec, name)
            if found != expected:
                raise CheckpointError(f"background_checkpoint: {name} {found!r}, expected {expected!r}")
        self._network = Network(checkpoint, device)
        self._is_thing = is_thing(checkpoint.spec.class_names)

    def __call__(self, snapshot: VoxelSnapshot) -> np.ndarray:
        """(V,) bool."""
        anchor = Anchor.over(find_floor(snapshot).height, snapshot.points)
        logits = self._network(snapshot, anchor)
        return self._is_thing[logits.argmax(1).cpu().numpy()]
