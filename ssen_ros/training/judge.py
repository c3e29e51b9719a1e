"""How good a network is on maps that it is not taught: a number from 0 to 1 for each of two sorts of them."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from ssen_ros.datasets.labelled_voxels import LabelledVoxels
from ssen_ros.evaluation.semantic_iou import class_iou, confusion_matrix
from ssen_ros.features import Anchor
from ssen_ros.floor import find_floor
from ssen_ros.labels import UNKNOWN_NAME, is_thing
from ssen_ros.models import Checkpoint, Network


@dataclass(frozen=True)
class Verdict:
    """NaN where there is nothing to judge by.

    Of a semantic network both are mIoU over the classes that are there: most voxels are wall and floor, which
    it knew. Of an embedding network both are how much of an object lies nearer to its own mean than to any
    other, and within delta_intra of it; the mean over the objects.
    """

    own: float  # on the user's rooms
    known: float  # on simulated ones

    @property
    def both(self) -> float:
        return float(np.nansum([self.own, self.known]))


@dataclass(frozen=True)
class Judge:
    own: Sequence[LabelledVoxels]
    known: Sequence[LabelledVoxels]
    class_names: tuple[str, ...]  # of the labels
    delta_intra: float
    device: torch.device

    def __call__(self, checkpoint: Checkpoint) -> Verdict:
        """The checkpoint's network is taken as it is; it is not changed."""
        network = Network(checkpoint, self.device)
        if checkpoint.spec.task == "semantic":
            return Verdict(self._classified(network, self.own), self._classified(network, self.known))
        return Verdict(self._grouped(network, self.own), self._grouped(network, self.known))

    def confusion(self, checkpoint: Checkpoint, maps: Sequence[LabelledVoxels]) -> np.ndarray:
        """See confusion_matrix: of a semantic network, over all voxels of the maps."""
        return self._confusion(Network(checkpoint, self.device), maps)

    def _classified(self, network: Network, maps: Sequence[LabelledVoxels]) -> float:
        confusion = self._confusion(network, maps)
        there = confusion.sum(1) > 0
        if not there.any():
            return float("nan")
        return float(class_iou(confusion)[there].mean())

    def _confusion(self, network: Network, maps: Sequence[LabelledVoxels]) -> np.ndarray:
        classes = len(self.class_names)
        confusion = np.zeros((classes, classes + 1), np.int64)
        for voxels in maps:
            answer = _answers(network, voxels, np.arange(len(voxels.snapshot))).argmax(1).numpy()
            confusion += confusion_matrix(voxels.semantic_label, answer, classes)
        return confusion

    def _grouped(self, network: Network, maps: Sequence[LabelledVoxels]) -> float:
        shares = []
        for voxels in maps:
            instance_label = objects_alone(voxels, self.class_names).instance_label
            rows = np.flatnonzero(instance_label >= 0)
            numbers, instance = np.unique(instance_label[rows], return_inverse=True)
            if len(numbers) < 2:
                continue
            embeddings, count = _answers(network, voxels, rows).numpy(), np.bincount(instance)
            sums = np.stack([np.bincount(instance, column) for column in embeddings.T], axis=1)
            distance = np.linalg.norm(embeddings[:, None] - sums / count[:, None], axis=2)
            right = (distance.argmin(1) == instance) & (distance.min(1) < self.delta_intra)
            judged = np.bincount(instance, voxels.semantic_label[rows] >= 0) > 0.5 * count
            shares.extend((np.bincount(instance, right) / count)[judged])
        return float(np.mean(shares)) if shares else float("nan")


def objects_alone(voxels: LabelledVoxels, class_names: Sequence[str]) -> LabelledVoxels:
    """The voxels where things of no class belong to no object: so the embedding networks were trained."""
    named = is_thing(tuple(class_names)) & (np.array(class_names) != UNKNOWN_NAME)
    label = voxels.semantic_label
    nameless = (label >= 0) & ~named[label]
    return replace(voxels, instance_label=np.where(nameless, -1, voxels.instance_label))


def _answers(network: Network, voxels: LabelledVoxels, rows: np.ndarray) -> Tensor:
    snapshot = voxels.snapshot
    anchor = Anchor.over(find_floor(snapshot).height, snapshot.points[rows])
    return network(snapshot, rows, anchor).cpu()
