"""How good a network is on maps that it is not taught: a number from 0 to 1 for each of two sorts of them."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from ssen_ros.clustering import cluster_things
from ssen_ros.config import ClusteringConfig
from ssen_ros.datasets.labelled_voxels import LabelledVoxels
from ssen_ros.evaluation.semantic_iou import class_iou, confusion_matrix
from ssen_ros.features import Anchor
from ssen_ros.floor import find_floor
from ssen_ros.labels import UNKNOWN_NAME, is_thing
from ssen_ros.models import Checkpoint, Network
from ssen_ros.structures import Segmentation

Exam = Callable[[Network], float]  # 0 to 1; NaN where its maps have nothing to judge by
Exams = Callable[[Sequence[LabelledVoxels]], Exam]  # by what is on these maps

_LEAST_VOXELS = 25  # of an object that is asked for; at 4 cm what 100 vertices of 2 cm are


@dataclass(frozen=True)
class Verdict:
    """NaN where there is nothing to judge by."""

    own: float  # on the user's rooms
    known: float  # on simulated ones

    @property
    def both(self) -> float:
        return float(np.nansum([self.own, self.known]))


@dataclass(frozen=True)
class Judge:
    own: Exam
    known: Exam
    device: torch.device

    def __call__(self, checkpoint: Checkpoint) -> Verdict:
        """The checkpoint's network is taken as it is; it is not changed."""
        network = Network(checkpoint, self.device)
        return Verdict(self.own(network), self.known(network))


def class_exam(maps: Sequence[LabelledVoxels], class_names: Sequence[str]) -> Exam:
    """Of a semantic network: mIoU over the classes that are there. Most voxels are wall and floor, which any
    network knows."""

    def exam(network: Network) -> float:
        confusion = confusion_of(network, maps, len(class_names))
        there = confusion.sum(1) > 0
        return float(class_iou(confusion)[there].mean()) if there.any() else float("nan")

    return exam


def confusion_of(network: Network, maps: Sequence[LabelledVoxels], classes: int) -> np.ndarray:
    """See confusion_matrix: of a semantic network, over all voxels of the maps."""
    confusion = np.zeros((classes, classes + 1), np.int64)
    for voxels in maps:
        answer = _answers(network, voxels, np.arange(len(voxels.snapshot))).argmax(1).numpy()
        confusion += confusion_matrix(voxels.semantic_label, answer, classes)
    return confusion


def object_exam(
    maps: Sequence[LabelledVoxels],
    class_names: Sequence[str],
    semantic: Network,
    clustering: ClusteringConfig,
) -> Exam:
    """Of an embedding network: the IoU of an object and the cluster that fits it best; mean over the objects.

    The clusters are those that the map is published with: of what the semantic network calls things.
    """
    thing = is_thing(semantic.spec.class_names)
    told = []
    for voxels in maps:
        logits = _answers(semantic, voxels, np.arange(len(voxels.snapshot)))
        label = logits.argmax(1).numpy().astype(np.int32)
        told.append((logits.log_softmax(1).numpy(), label, np.flatnonzero(thing[label])))

    def exam(network: Network) -> float:
        fits = []
        for voxels, (log_probabilities, label, rows) in zip(maps, told):
            embeddings = _answers(network, voxels, rows).numpy()
            segmentation = Segmentation(log_probabilities, label, rows, embeddings)
            clusters, _ = cluster_things(voxels.snapshot, segmentation, clustering)
            found = np.full(len(label), -1)
            found[rows] = clusters.instance_label
            fits.append(best_fits(objects_alone(voxels, class_names), found, _named(class_names)))
        every = np.concatenate([np.empty(0), *fits])
        return float(every.mean()) if len(every) else float("nan")

    return exam


def best_fits(voxels: LabelledVoxels, found: np.ndarray, named: np.ndarray) -> np.ndarray:
    """(n,) IoU of each object with the one of the clusters, (V,) numbers and -1 for none, that fits it best.

    Voxels that are not annotated, or of no class that is (C,) bool `named`, count nowhere; nor do objects of
    next to no voxels.
    """
    counted = (voxels.semantic_label >= 0) & named[voxels.semantic_label]
    _, truth = np.unique(np.append(voxels.instance_label[counted], -1), return_inverse=True)
    shape = truth.max() + 1, found.max(initial=-1) + 2  # the first of each: none
    shared = np.bincount(truth[:-1] * shape[1] + found[counted] + 1, minlength=shape[0] * shape[1])
    shared = shared.reshape(shape)
    size, cluster_size = shared.sum(1)[1:, None], shared.sum(0)[None, 1:]
    iou = shared[1:, 1:] / np.maximum(size + cluster_size - shared[1:, 1:], 1)
    return iou.max(1, initial=0.0)[size[:, 0] >= _LEAST_VOXELS]


def objects_alone(voxels: LabelledVoxels, class_names: Sequence[str]) -> LabelledVoxels:
    """The voxels where things of no class belong to no object: so the embedding networks were trained."""
    named = is_thing(tuple(class_names)) & _named(class_names)
    label = voxels.semantic_label
    nameless = (label >= 0) & ~named[label]
    return replace(voxels, instance_label=np.where(nameless, -1, voxels.instance_label))


def _named(class_names: Sequence[str]) -> np.ndarray:
    return np.array(class_names) != UNKNOWN_NAME


def _answers(network: Network, voxels: LabelledVoxels, rows: np.ndarray) -> Tensor:
    snapshot = voxels.snapshot
    anchor = Anchor.over(find_floor(snapshot).height, snapshot.points[rows])
    return network(snapshot, rows, anchor).cpu()
