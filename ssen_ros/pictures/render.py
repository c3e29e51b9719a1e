"""A picture of a labelled map, seen from above and outside: panels side by side, with any colours.

Numpy and Pillow only: no GPU, no window, and the same map gives the same pixels.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from PIL import Image

from ssen_ros.io.replacing import replacing
from ssen_ros.palettes import DEFAULT, Legend, class_legend, colors_of
from ssen_ros.pictures.annotations import legend_strip, titled, with_objects
from ssen_ros.pictures.shot import BACKGROUND, PANEL_WIDTH, Shot, take
from ssen_ros.structures import Instance

if TYPE_CHECKING:
    from ssen_ros.labelled_map import LabelledMap

GAP = 6  # px between panels


class Panel(NamedTuple):
    """One view of the map; (title, colours) will do."""

    title: str  # empty: no line for titles, unless another panel has one
    colors: np.ndarray  # (V, 3) uint8, of the map's voxels
    note: str = ""  # beside the title
    instances: Sequence[Instance] = ()  # whose boxes and labels are drawn on it


def render_map(labelled: "LabelledMap", palette: str = DEFAULT) -> np.ndarray:
    """(H, W, 3) uint8: colour, classes and objects, and below them a legend of the classes that one sees.

    `palette` is one of `palettes.PALETTES`.
    """
    active = sum(instance.state == "active" for instance in labelled.instances)  # those with a box
    panels = [
        Panel("colour", colors_of(labelled, "colour")),
        Panel("classes", colors_of(labelled, "classes", palette)),
        Panel("objects", colors_of(labelled, "instances"), f"{active} objects", labelled.instances),
    ]
    shot = take(labelled)
    legend = class_legend(labelled.semantic_label[shot.seen], labelled.class_names, palette)
    return arranged(shot, panels, legend)


def render(
    labelled: "LabelledMap",
    panels: Sequence[Panel | tuple[str, np.ndarray]],
    legend: Legend = (),
    width: int = PANEL_WIDTH,
) -> np.ndarray:
    """(H, W, 3) uint8: the map once for each panel, side by side, each `width` px wide, and the legend."""
    return arranged(take(labelled, width), panels, legend)


def arranged(shot: Shot, panels: Sequence[Panel | tuple[str, np.ndarray]], legend: Legend = ()) -> np.ndarray:
    """As `render`, of what a camera has taken already."""
    drawn = [panel if isinstance(panel, Panel) else Panel(*panel) for panel in panels]
    images = [with_objects(shot.panel(p.colors), shot, p.instances) for p in drawn]
    if any(panel.title or panel.note for panel in drawn):
        images = [titled(image, panel.title, panel.note) for image, panel in zip(images, drawn)]
    return stacked([beside(images), *([legend_strip(legend, beside(images).shape[1])] if legend else [])])


def beside(images: Sequence[np.ndarray]) -> np.ndarray:
    """Images of equal height in a row."""
    gap = np.full((images[0].shape[0], GAP, 3), BACKGROUND, np.uint8)
    return np.hstack([part for image in images for part in (gap, image)][1:])


def stacked(images: Sequence[np.ndarray]) -> np.ndarray:
    """Images below each other; the narrower ones are filled up at their right."""
    canvas = np.full((sum(len(i) for i in images), max(i.shape[1] for i in images), 3), BACKGROUND, np.uint8)
    for image, end in zip(images, np.cumsum([len(i) for i in images])):
        canvas[end - len(image) : end, : image.shape[1]] = image
    return canvas


def save_png(path: str | Path, image: np.ndarray) -> None:
    """Write an (H, W, 3) uint8 image as PNG."""
    with replacing(path) as temporary:
        Image.fromarray(image).save(temporary, format="PNG")
