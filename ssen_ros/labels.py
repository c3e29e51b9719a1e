"""The 20 ScanNet classes, in the order of the output channels of the public checkpoints, and two of ours.

Source: the class list of the ScanNet v2 benchmark. Their colours: palettes.py.
"""

import numpy as np

CLASS_NAMES = (
    "wall", "floor", "cabinet", "bed", "chair", "sofa", "table", "door", "window", "bookshelf",
    "picture", "counter", "desk", "curtain", "refrigerator", "shower curtain", "toilet", "sink",
    "bathtub", "otherfurniture",
)  # fmt: skip

NUM_CLASSES = len(CLASS_NAMES)

# What is neither: labels of training rooms, and further outputs of the shipped networks. Evaluation leaves
# their truth out, as ScanNet's does what it has not annotated.
UNKNOWN_NAME = "unknown"  # a thing of a kind outside the twenty: a plant, a box, a person
UNKNOWN, CEILING = NUM_CLASSES, NUM_CLASSES + 1
LABEL_NAMES = (*CLASS_NAMES, UNKNOWN_NAME, "ceiling")

STUFF_NAMES = frozenset({"wall", "floor", "ceiling"})  # structure: labelled, never an instance

IGNORE_INDEX = -1  # a voxel without annotation: never trained on, never evaluated

NO_COLOR = 128  # grey given to a cloud that carries no colour


def is_thing(class_names: tuple[str, ...] = CLASS_NAMES) -> np.ndarray:
    """(C,) bool: True where the class is made of countable objects."""
    return np.array([name not in STUFF_NAMES for name in class_names])


def of_the_twenty(label: np.ndarray) -> np.ndarray:
    """Bool: True where a label is one of the 20 classes; neither unknown, nor a ceiling, nor unannotated."""
    return (label >= 0) & (label < NUM_CLASSES)
