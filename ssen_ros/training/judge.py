"""How good a network is on maps that it is not taught: a number from 0 to 1 for each of two sorts of them.

It is judged by what is published of a map: a network that answers otherwise at few voxels may change by them
the class or the extent of whole objects.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from torch import Tensor

from ssen_ros import voxel_keys
from ssen_ros.datasets.labelled_voxels import LabelledVoxels
from ssen_ros.evaluation.semantic_iou import class_iou, confusion_matrix
from ssen_ros.features import Anchor
from ssen_ros.floor import find_floor
from ssen_ros.labels import UNKNOWN_NAME, is_thing
from ssen_ros.models import Checkpoint, Network
from ssen_ros.pipeline import SsenPipeline

PipelineOf = Callable[[Checkpoint], SsenPipeline]  # the whole method with this network

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
    own: Sequence[LabelledVoxels]
    known: Sequence[LabelledVoxels]
    class_names: tuple[str, ...]  # of the labels; the networks' are these, or the first of them
    pipeline_of: PipelineOf

    def __call__(self, checkpoint: Checkpoint) -> Verdict:
        """The checkpoint's network is taken as it is; it is not changed."""
        pipeline = self.pipeline_of(checkpoint)
        return Verdict(self._score(pipeline, self.own), self._score(pipeline, self.known))

    def _score(self, pipeline: SsenPipeline, maps: Sequence[LabelledVoxels]) -> float:
        """The mean of two: of the maps' mIoU over the classes that are there, and of how well what was found
        fits each object.

        Were all maps' voxels taken together, a class that is on one map would count as much as one on all;
        what class an object has, mIoU counts: here it would be all or nothing.
        """
        classes, fits = [], [np.empty(0)]
        for voxels in maps:
            result = pipeline.step(voxels.snapshot, stamp_ns=0)
            row = voxel_keys.find(result.snapshot.keys, voxels.snapshot.keys)  # -1, the last: strays
            label, found = (np.append(a, -1)[row] for a in (result.semantic_label, result.instance_id))
            confusion = confusion_matrix(voxels.semantic_label, label, len(self.class_names))
            there = confusion.sum(1) > 0
            if there.any():
                classes.append(class_iou(confusion)[there].mean())
            alone = objects_alone(voxels, self.class_names)
            fits.append(best_fits(alone, found, self.class_names))
        parts = [np.mean(part) for part in (classes, np.concatenate(fits)) if len(part)]
        return float(np.mean(parts)) if parts else float("nan")


def confusion_of(network: Network, maps: Sequence[LabelledVoxels], classes: int) -> np.ndarray:
    """See confusion_matrix: of a semantic network alone, over all voxels of the maps."""
    confusion = np.zeros((classes, classes + 1), np.int64)
    for voxels in maps:
        answer = _answers(network, voxels).argmax(1).numpy()
        confusion += confusion_matrix(voxels.semantic_label, answer, classes)
    return confusion


def best_fits(voxels: LabelledVoxels, found: np.ndarray, class_names: Sequence[str]) -> np.ndarray:
    """(n,) IoU of each true object with the one found, of whatever class, that fits it best.

    `found` is the (V,) id of the object found at each voxel, -1 for none. Voxels that are not annotated, or
    are of a thing of no class, count nowhere; nor do objects of next to no voxels.
    """
    label = voxels.semantic_label
    counted = (label >= 0) & (np.array(class_names) != UNKNOWN_NAME)[label]
    truth, found = voxels.instance_label[counted], found[counted]
    fits = []
    for number, size in zip(*np.unique(truth[truth >= 0], return_counts=True)):
        if size >= _LEAST_VOXELS:
            ids, shared = np.unique(found[(truth == number) & (found >= 0)], return_counts=True)
            iou = [s / (size + np.count_nonzero(found == id) - s) for id, s in zip(ids, shared)]
            fits.append(max(iou, default=0.0))
    return np.array(fits)


def objects_alone(voxels: LabelledVoxels, class_names: Sequence[str]) -> LabelledVoxels:
    """The voxels where things of no class belong to no object: so the embedding networks were trained."""
    named = is_thing(tuple(class_names)) & (np.array(class_names) != UNKNOWN_NAME)
    label = voxels.semantic_label
    nameless = (label >= 0) & ~named[label]
    return replace(voxels, instance_label=np.where(nameless, -1, voxels.instance_label))


def _answers(network: Network, voxels: LabelledVoxels) -> Tensor:
    snapshot = voxels.snapshot
    anchor = Anchor.over(find_floor(snapshot).height, snapshot.points)
    return network(snapshot, anchor).cpu()
