"""The 20 ScanNet classes, in the order of the output channels of the public checkpoints, and two of ours.

Source: the ScanNet v2 benchmark (class list and the palette of its figures).
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

# (22, 3) uint8, RGB, of LABEL_NAMES: ScanNet's, and what is of none of its classes stays in the background
PALETTE = np.array(
    [
        (174, 199, 232), (152, 223, 138), (31, 119, 180), (255, 187, 120), (188, 189, 34),
        (140, 86, 75), (255, 152, 150), (214, 39, 40), (197, 176, 213), (148, 103, 189),
        (196, 156, 148), (23, 190, 207), (247, 182, 210), (219, 219, 141), (255, 127, 14),
        (158, 218, 229), (44, 160, 44), (112, 128, 144), (227, 119, 194), (82, 84, 163),
        (105, 112, 80), (214, 214, 205),
    ],
    dtype=np.uint8,
)  # fmt: skip

UNLABELLED_COLOR = np.array((60, 60, 60), dtype=np.uint8)

NO_COLOR = 128  # grey given to a cloud that carries no colour


def is_thing(class_names: tuple[str, ...] = CLASS_NAMES) -> np.ndarray:
    """(C,) bool: True where the class is made of countable objects."""
    return np.array([name not in STUFF_NAMES for name in class_names])


def of_the_twenty(label: np.ndarray) -> np.ndarray:
    """Bool: True where a label is one of the 20 classes; neither unknown, nor a ceiling, nor unannotated."""
    return (label >= 0) & (label < NUM_CLASSES)


def semantic_colors(semantic_label: np.ndarray) -> np.ndarray:
    """(V, 3) uint8 colours of (V,) class indices; below zero is dark grey.

    Classes beyond the palette take the hues of `instance_colors`.
    """
    label = np.asarray(semantic_label, dtype=np.int64)
    beyond = np.arange(len(PALETTE), label.max(initial=0) + 1)
    return np.vstack([PALETTE, instance_colors(beyond), UNLABELLED_COLOR])[np.maximum(label, -1)]


def instance_colors(instance_id: np.ndarray) -> np.ndarray:
    """(V, 3) uint8 colours of (V,) persistent ids: the same id has the same colour in every frame.

    Ids below zero (noise, stuff) are dark grey. Hues advance by the golden ratio, so ids that
    follow each other are easy to tell apart.
    """
    ids = np.asarray(instance_id, dtype=np.int64)
    hue = (ids * 0.618033988749895) % 1.0
    value = 1.0 - 0.25 * ((ids // 7) % 2)
    saturation = 0.9 - 0.35 * ((ids // 3) % 2)
    k = (np.array([5.0, 3.0, 1.0]) + hue[:, None] * 6.0) % 6.0
    ramp = np.clip(np.minimum(k, 4.0 - k), 0.0, 1.0)
    rgb = value[:, None] * (1.0 - saturation[:, None] * ramp)
    return np.where(ids[:, None] < 0, UNLABELLED_COLOR, (rgb * 255).astype(np.uint8))
