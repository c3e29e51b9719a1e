"""A corrected map as a labelled room: to train on, and for other programs."""

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from ssen_ros.io.clouds import write_labelled_ply
from ssen_ros.io.replacing import replace_text
from ssen_ros.io.samples import Sample, save_sample
from ssen_ros.labelled_map import LabelledMap
from ssen_ros.labels import IGNORE_INDEX, LABEL_NAMES, UNKNOWN


def to_sample(labelled: LabelledMap) -> Sample:
    """The room as `ssen train` and `ssen evaluate` read it: classes by LABEL_NAMES, objects counted from 1.

    All voxels of an object are of its class, though the map may leave some of them another one
    (`instances.relabel`): the object is what the user has looked over. One of a class that is none of
    LABEL_NAMES is `unknown`, and keeps its name; what else is of such a class is not annotated.
    """
    index = [LABEL_NAMES.index(n) if n in LABEL_NAMES else IGNORE_INDEX for n in labelled.class_names]
    label = np.array([*index, IGNORE_INDEX], np.int8)[labelled.semantic_label]
    _, number = np.unique(labelled.instance_id, return_inverse=True)
    none = int((labelled.instance_id < 0).any())
    instance = np.where(labelled.instance_id < 0, -1, number + 1 - none).astype(np.int16)
    own_names: dict[int, str] = {}
    for known in labelled.instances:
        rows = labelled.instance_id == known.id
        own = known.class_name not in LABEL_NAMES
        label[rows] = UNKNOWN if own else LABEL_NAMES.index(known.class_name)
        if own and rows.any():
            own_names[int(instance[rows][0])] = known.class_name
    return Sample(labelled.points, labelled.colors, label, instance, own_names)


def export_room(labelled: LabelledMap, folder: Path, name: str) -> Sequence[Path]:
    """Write `name`.room.npz (see `to_sample`), `name`.ply (labels, ids and confidence of each voxel) and
    `name`.json (the objects)."""
    folder.mkdir(parents=True, exist_ok=True)
    room, ply, objects = (folder / f"{name}{suffix}" for suffix in (".room.npz", ".ply", ".json"))
    sample = to_sample(labelled)
    save_sample(room, sample)
    write_labelled_ply(
        ply,
        labelled.points,
        labelled.colors,
        sample.semantic_label,
        labelled.instance_id,
        labelled.confidence,
    )
    replace_text(objects, json.dumps(labelled.to_json(), indent=2) + "\n")
    return room, ply, objects
