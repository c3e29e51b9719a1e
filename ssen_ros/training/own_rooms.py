"""The rooms that a user teaches: their labels by the classes of the network, and the part held back of each.

A part of each room is never taught, so that there is something to judge by. It lies at one end of the room,
and no object is cut: each is held or taught as a whole.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from hashlib import sha256
from pathlib import Path

import numpy as np

from ssen_ros.datasets.labelled_rooms import load_room
from ssen_ros.datasets.labelled_voxels import LabelledVoxels, voxelize
from ssen_ros.errors import DataError
from ssen_ros.exposure import shift_of, shifted
from ssen_ros.io.samples import Sample
from ssen_ros.labels import IGNORE_INDEX, LABEL_NAMES, UNKNOWN

HELD = -2  # label of what is annotated but not taught, beside IGNORE_INDEX of what nobody annotated

_HELD_SHARE = 0.2  # of what is annotated
_AROUND_M = 2.0  # of the map about the held part is shown when that is judged


@dataclass(frozen=True)
class OwnRoom:
    """One room; labels are indices into the names of the network that is taught."""

    name: str
    sha256: str  # of the file
    whole: Sample
    taught: Sample  # the whole room; what is held back has the label HELD
    judged: LabelledVoxels  # the held part and what is about it, which has the label IGNORE_INDEX


@dataclass(frozen=True)
class OwnRooms:
    rooms: tuple[OwnRoom, ...]
    class_names: tuple[str, ...]  # those of the network before, then the new ones

    def class_shares(self) -> np.ndarray:
        """(C,) float64: of the taught voxels that are annotated, those of each class."""
        labels = np.concatenate([room.taught.semantic_label for room in self.rooms])
        counts = np.bincount(labels[labels >= 0], minlength=len(self.class_names))
        return counts / max(counts.sum(), 1)


def read_own_rooms(files: Mapping[str, Path], known: Sequence[str], voxel_size: float) -> OwnRooms:
    """Read {name: labelled map}, as `labelled_files` finds them, for a network of the `known` classes.

    Raises CloudError or DataError for a file that cannot be read, and where nothing is annotated.
    """
    samples = {name: _as_seen(load_room(path)) for name, path in files.items()}
    new = sorted({own for sample in samples.values() for own in sample.own_names.values()} - set(known))
    class_names = (*known, *new)
    samples = {name: with_labels_of(sample, class_names) for name, sample in samples.items()}
    for name, sample in samples.items():
        if not (sample.semantic_label >= 0).any():
            raise DataError(
                f"{files[name]}: none of its {len(sample)} points is annotated; correct it in `ssen view` "
                "and export it"
            )
    held = {name: held_part(sample) for name, sample in samples.items()}
    judged = np.unique(np.concatenate([s.semantic_label[held[name]] for name, s in samples.items()]))
    unheld = np.setdiff1d(np.arange(len(known), len(class_names)), judged)
    rooms = [
        _own_room(files[name], name, sample, held[name], unheld, voxel_size)
        for name, sample in samples.items()
    ]
    return OwnRooms(tuple(rooms), class_names)


def _as_seen(sample: Sample) -> Sample:
    """As bright as the networks will see it when it is a map."""
    return replace(sample, colors=shifted(sample.colors, shift_of(sample.colors, None)))


def _own_room(
    file: Path, name: str, sample: Sample, held: np.ndarray, unheld: np.ndarray, voxel_size: float
) -> OwnRoom:
    """`unheld` are new classes of which nothing is held: by what is taught of them they are judged too."""
    taught = replace(
        sample,
        semantic_label=np.where(held, np.int8(HELD), sample.semantic_label),
        instance_label=np.where(held, np.int16(-1), sample.instance_label),
    )
    judged = _about(sample, held | np.isin(sample.semantic_label, unheld), voxel_size)
    return OwnRoom(name, sha256(file.read_bytes()).hexdigest(), sample, taught, judged)


def with_labels_of(sample: Sample, class_names: Sequence[str]) -> Sample:
    """The sample with indices into these names as labels; what has none of them is not annotated."""
    index = [class_names.index(n) if n in class_names else IGNORE_INDEX for n in LABEL_NAMES]
    label = np.array([*index, IGNORE_INDEX], np.int8)[sample.semantic_label]
    for instance, own in sample.own_names.items():
        rows = (sample.instance_label == instance) & (sample.semantic_label == UNKNOWN)
        label[rows] = class_names.index(own) if own in class_names else IGNORE_INDEX
    return replace(sample, semantic_label=label, own_names={})


def held_part(sample: Sample) -> np.ndarray:
    """(N,) bool: a fifth of what is annotated, at the end of the room where more classes can be judged.

    What is the only one of its class is taught.
    """
    annotated = sample.semantic_label >= 0
    axis = int(np.argmax(np.ptp(sample.points[annotated, :2], axis=0)))
    along = sample.points[:, axis]
    ends = [
        _whole_objects(
            sample, annotated & (sign * along >= np.quantile(sign * along[annotated], 1 - _HELD_SHARE))
        )
        for sign in (1, -1)
    ]
    return max(ends, key=lambda held: len(np.unique(sample.semantic_label[held])))


def held_alone(sample: Sample) -> Sample:
    """The room with the labels of its held part alone."""
    label = np.where(held_part(sample), sample.semantic_label, np.int8(IGNORE_INDEX))
    return replace(sample, semantic_label=label)


def _whole_objects(sample: Sample, held: np.ndarray) -> np.ndarray:
    """The part, with or without each object that it has some of; and without classes that are only there."""
    annotated = sample.semantic_label >= 0
    for instance in np.unique(sample.instance_label[held & (sample.instance_label >= 0)]):
        rows = annotated & (sample.instance_label == instance)
        held = np.where(rows, held[rows].mean() > 0.5, held)
    elsewhere = np.unique(sample.semantic_label[annotated & ~held])
    return held & np.isin(sample.semantic_label, elsewhere)


def _about(sample: Sample, judged: np.ndarray, voxel_size: float) -> LabelledVoxels:
    rows = np.zeros(len(sample), bool)
    if judged.any():
        low, high = (edge(sample.points[judged, :2], axis=0) for edge in (np.min, np.max))
        ground = sample.points[:, :2]
        rows = ((ground >= low - _AROUND_M) & (ground <= high + _AROUND_M)).all(axis=1)
    label = np.where(judged, sample.semantic_label, np.int8(IGNORE_INDEX))[rows]
    part = Sample(sample.points[rows], sample.colors[rows], label, sample.instance_label[rows])
    return voxelize(part, voxel_size)
