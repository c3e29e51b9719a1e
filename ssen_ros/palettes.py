"""The colours of classes, of objects and of what is neither: in pictures, in the browser and in messages."""

from collections.abc import Mapping, Sequence

import numpy as np

from ssen_ros.labelled_map import LabelledMap
from ssen_ros.labels import LABEL_NAMES, STUFF_NAMES, UNKNOWN_NAME

DEFAULT = "safe"

# name -> (22, 3) uint8 RGB, of LABEL_NAMES
PALETTES: Mapping[str, np.ndarray] = {
    # Ours. Structure is pale, what is unknown is dark, and the classes that are met most stay apart for those
    # who do not see red or green too: a test simulates it. Found by a search in CIELAB.
    "safe": np.array(
        [
            (190, 203, 219), (233, 220, 188), (247, 216, 92), (75, 85, 146), (39, 144, 156),
            (146, 69, 5), (67, 141, 106), (203, 169, 249), (193, 131, 20), (77, 138, 250),
            (86, 140, 190), (54, 58, 160), (108, 64, 38), (28, 185, 158), (213, 199, 250),
            (98, 59, 105), (119, 143, 65), (164, 187, 79), (88, 183, 124), (141, 192, 108),
            (72, 72, 76), (240, 240, 240),
        ],
        dtype=np.uint8,
    ),
    # That of the figures of the ScanNet v2 benchmark; what is of none of its classes stays in the background.
    "scannet": np.array(
        [
            (174, 199, 232), (152, 223, 138), (31, 119, 180), (255, 187, 120), (188, 189, 34),
            (140, 86, 75), (255, 152, 150), (214, 39, 40), (197, 176, 213), (148, 103, 189),
            (196, 156, 148), (23, 190, 207), (247, 182, 210), (219, 219, 141), (255, 127, 14),
            (158, 218, 229), (44, 160, 44), (112, 128, 144), (227, 119, 194), (82, 84, 163),
            (105, 112, 80), (214, 214, 205),
        ],
        dtype=np.uint8,
    ),
}  # fmt: skip

UNLABELLED_COLOR = np.array((28, 28, 30), np.uint8)
STUFF_COLOR = np.array((214, 217, 222), np.uint8)  # structure, where objects are what is shown
NOISE_COLOR = np.array((152, 156, 164), np.uint8)  # a thing that is part of no object
UNKNOWN_COLOR = np.array((235, 64, 52), np.uint8)  # what is of no class, where that is what is looked for
_PALE = 0.35  # of the map's colour, that the rest keeps then

MODES = ("colour", "classes", "instances", "confidence", "embedding", "unknown")

_GOLDEN = 0.618033988749895
_CHROMA, _LIGHTNESS = 0.135, np.array((0.72, 0.58, 0.82))  # of objects, in OKLab; three steps in turn
_OKLAB_TO_LMS = np.array(((1, 0.39633778, 0.21580376), (1, -0.10556135, -0.06385417),
                          (1, -0.08948418, -1.29148555)))  # fmt: skip
_LMS_TO_RGB = np.array(((4.07674166, -3.30771159, 0.23096993), (-1.26843800, 2.60975740, -0.34131940),
                        (-0.00419609, -0.70341861, 1.70761470)))  # fmt: skip


def semantic_colors(semantic_label: np.ndarray, palette: str = DEFAULT) -> np.ndarray:
    """(V, 3) uint8 colours of (V,) class indices; below zero is nearly black.

    Classes beyond the palette take the hues of `instance_colors`.
    """
    label, known = np.asarray(semantic_label, dtype=np.int64), PALETTES[palette]
    beyond = np.arange(len(known), label.max(initial=0) + 1)
    return np.vstack([known, instance_colors(beyond), UNLABELLED_COLOR])[np.maximum(label, -1)]


def instance_colors(instance_id: np.ndarray) -> np.ndarray:
    """(V, 3) uint8 colours of (V,) persistent ids: the same id has the same colour in every frame.

    Ids below zero (noise, stuff) are nearly black. Hues advance by the golden ratio and lightness changes
    with each id, so ids that follow each other are easy to tell apart. The space is OKLab (B. Ottosson).
    """
    ids = np.asarray(instance_id, dtype=np.int64)
    if ids.max(initial=0) + 2 < ids.size:
        return instance_colors(np.arange(-1, ids.max() + 1))[np.maximum(ids, -1) + 1]
    hue = 2.0 * np.pi * ((ids * _GOLDEN) % 1.0)
    oklab = np.stack([_LIGHTNESS[ids % 3], _CHROMA * np.cos(hue), _CHROMA * np.sin(hue)], axis=-1)
    light = np.clip((oklab @ _OKLAB_TO_LMS.T) ** 3 @ _LMS_TO_RGB.T, 0.0, 1.0)
    rgb = np.where(light <= 0.0031308, 12.92 * light, 1.055 * light ** (1 / 2.4) - 0.055)  # sRGB
    return np.where(ids[..., None] < 0, UNLABELLED_COLOR, np.rint(255.0 * rgb).astype(np.uint8))


def colors_of(labelled: LabelledMap, mode: str, palette: str = DEFAULT) -> np.ndarray:
    """(V, 3) uint8. Raises ValueError for what is none of MODES."""
    things = labelled.instance_id >= 0
    if mode == "colour":
        return labelled.colors
    if mode == "classes":
        return semantic_colors(labelled.semantic_label, palette)
    if mode == "instances":
        stuff = [i for i, name in enumerate(labelled.class_names) if name in STUFF_NAMES]
        colors = instance_colors(labelled.instance_id)
        colors[~things] = NOISE_COLOR
        colors[~things & np.isin(labelled.semantic_label, stuff)] = STUFF_COLOR
        return colors
    if mode == "confidence":  # black where nothing is known, or far from the cluster's mean (Fig. 1)
        base = np.where(things[:, None], instance_colors(labelled.instance_id), STUFF_COLOR)
        return (base * np.clip(labelled.confidence, 0, 1)[:, None]).astype(np.uint8)
    if mode == "embedding":
        if labelled.embedding_rgb is None:
            return np.broadcast_to(UNLABELLED_COLOR, labelled.colors.shape)
        rgb = np.asarray(labelled.embedding_rgb)
        return np.where(rgb.any(axis=1, keepdims=True), rgb, STUFF_COLOR)
    if mode == "unknown":
        unknown = labelled.semantic_label < 0
        if UNKNOWN_NAME in labelled.class_names:
            unknown |= labelled.semantic_label == labelled.class_names.index(UNKNOWN_NAME)
        pale = 255 - ((255 - labelled.colors) * _PALE).astype(np.uint8)
        return np.where(unknown[:, None], UNKNOWN_COLOR, pale)
    raise ValueError(f"mode = {mode!r}: expected one of {', '.join(MODES)}")


Legend = Sequence[tuple[str, tuple[int, int, int]]]  # (what it means, its colour)


def legend_of(labelled: LabelledMap, mode: str, palette: str = DEFAULT) -> Legend:
    """What is to be seen in a mode, the most voxels first; none: no legend."""
    if mode == "classes":
        return class_legend(labelled.semantic_label, labelled.class_names, palette)
    if mode == "confidence":
        return [("sure: its own colour", _rgb(STUFF_COLOR)), ("unsure: black", (0, 0, 0))]
    if mode == "unknown":
        return [("of no class", _rgb(UNKNOWN_COLOR))]
    return []


def class_legend(
    semantic_label: np.ndarray, class_names: tuple[str, ...] = LABEL_NAMES, palette: str = DEFAULT
) -> Legend:
    """The classes that occur among (V,) labels, the most frequent first; last what is unlabelled."""
    counts = np.bincount(semantic_label[semantic_label >= 0], minlength=len(class_names))
    present = [i for i in np.argsort(-counts, kind="stable") if counts[i]]
    legend = [(class_names[i], _rgb(semantic_colors(np.array([i]), palette)[0])) for i in present]
    return legend + [("unlabelled", _rgb(UNLABELLED_COLOR))] * bool((semantic_label < 0).any())


def _rgb(color: np.ndarray) -> tuple[int, int, int]:
    red, green, blue = color.tolist()
    return red, green, blue
