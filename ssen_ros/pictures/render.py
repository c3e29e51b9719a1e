"""A picture of a labelled map: colour | semantic | instances, seen from above and outside.

Numpy and Pillow only: no GPU, no window, and the same map gives the same pixels.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import PIL
from PIL import Image, ImageDraw, ImageFont

from ssen_ros.boxes import EDGES, corners
from ssen_ros.errors import SsenError
from ssen_ros.io.replacing import replacing
from ssen_ros.labels import STUFF_NAMES, UNLABELLED_COLOR, instance_colors, semantic_colors
from ssen_ros.pictures.camera import Camera, extent, fit_camera, view_axes
from ssen_ros.pictures.cutaway import make_plan, visible_rows
from ssen_ros.pictures.splat import Frame, edge_shade, halved, slope_shade, splat
from ssen_ros.structures import Instance

if TYPE_CHECKING:
    from ssen_ros.labelled_map import LabelledMap

PANEL_TITLES = "colour", "semantic classes", "instances"
PANEL_WIDTH = 720  # px
PANEL_HEIGHTS = 360, 660  # px, least and most: as high as the map needs
TITLE_HEIGHT = 34  # px
GAP = 6  # px between panels
MARGIN = 30  # px around the map in its panel
ELEVATION = np.radians(52.0)
AZIMUTHS = np.radians(np.arange(30.0, 390.0, 60.0))  # candidates; none looks along a typical wall
POINT_SIZE = 1.45  # voxels; a little overlap closes the gaps between slanted neighbours

BACKGROUND = (250, 250, 251)
TEXT_COLOR = (40, 42, 48)
STUFF_COLOR = (214, 217, 222)
NOISE_COLOR = (160, 164, 172)

# Classes that a wall carries: they are cut away with it.
_WALL_NAMES = frozenset({"wall", "window", "door", "curtain", "shower curtain", "picture"})


@dataclass(frozen=True)
class _View:
    """What the three panels share: the points that are drawn, the camera, the seen point of each pixel."""

    rows: np.ndarray  # (n,) rows of the map that are drawn
    camera: Camera  # of the panel; the frame is twice as large
    frame: Frame
    shade: np.ndarray  # (2H, 2W) float32


def render_map(labelled: "LabelledMap") -> np.ndarray:
    """(H, W, 3) uint8: three panels side by side, titles above, a legend of the classes present below."""
    images = render_panels(labelled)
    active = sum(instance.state == "active" for instance in labelled.instances)  # those with a box
    subtitles = ["", "", f"{active} objects"]
    titled = [
        _titled(image, title, subtitle)
        for image, title, subtitle in zip(images, PANEL_TITLES, subtitles, strict=True)
    ]
    gap = np.full((titled[0].shape[0], GAP, 3), BACKGROUND, np.uint8)
    strip = np.hstack([titled[0], gap, titled[1], gap, titled[2]])
    return np.vstack([strip, _legend(labelled, strip.shape[1])])


def render_panels(labelled: "LabelledMap") -> list[np.ndarray]:
    """The panels of PANEL_TITLES, each (H, PANEL_WIDTH, 3) uint8."""
    things = labelled.instance_id >= 0
    colors = [
        labelled.colors,
        semantic_colors(labelled.semantic_label),
        _instance_panel_colors(labelled, things),
    ]
    if len(labelled) == 0:
        empty = np.full((PANEL_HEIGHTS[0], PANEL_WIDTH, 3), BACKGROUND, np.uint8)
        return [empty] * len(colors)
    view = _make_view(labelled, things)
    images = [_panel(view, c[view.rows]) for c in colors]
    return [*images[:2], _with_boxes(images[2], view, labelled.instances)]


def save_png(path: str | Path, image: np.ndarray) -> None:
    """Write an (H, W, 3) uint8 image as PNG."""
    with replacing(path) as temporary:
        Image.fromarray(image).save(temporary, format="PNG")


def present_classes(labelled: "LabelledMap") -> list[int]:
    """The class indices that occur in the map, most voxels first; unlabelled is left out."""
    known = labelled.semantic_label[labelled.semantic_label >= 0]
    counts = np.bincount(known, minlength=len(labelled.class_names))
    return [int(i) for i in np.argsort(-counts, kind="stable") if counts[i]]


def _instance_panel_colors(labelled: "LabelledMap", things: np.ndarray) -> np.ndarray:
    """(V, 3) uint8: things in the colour of their id, stuff pale, what belongs to nothing grey."""
    stuff_ids = [i for i, name in enumerate(labelled.class_names) if name in STUFF_NAMES]
    colors = instance_colors(labelled.instance_id)
    colors[~things] = NOISE_COLOR
    colors[~things & np.isin(labelled.semantic_label, stuff_ids)] = STUFF_COLOR
    return colors


def _make_view(labelled: "LabelledMap", things: np.ndarray) -> _View:
    wall_ids = [i for i, name in enumerate(labelled.class_names) if name in _WALL_NAMES]
    is_wall = np.isin(labelled.semantic_label, wall_ids)
    plan = make_plan(labelled.points, is_wall & ~things)
    # The best side is the one from which the least has to be cut away.
    masks = [visible_rows(plan, azimuth, keep=things & ~is_wall) for azimuth in AZIMUTHS]
    best = int(np.argmax([mask.sum() for mask in masks]))
    rows = np.flatnonzero(masks[best])
    points = labelled.points[rows]
    axes = view_axes(AZIMUTHS[best], ELEVATION)
    height = _panel_height(points, axes)
    camera = fit_camera(points, axes, PANEL_WIDTH, height, MARGIN)
    double = camera.zoomed(2.0)
    frame = splat(points, double, 2 * PANEL_WIDTH, 2 * height, POINT_SIZE * labelled.voxel_size)
    edges = edge_shade(frame.depth, reach=3, tolerance=labelled.voxel_size)
    reach = max(2, round(1.5 * labelled.voxel_size * double.scale))
    return _View(rows, camera, frame, edges * slope_shade(frame.depth, axes, double.scale, reach))


def _panel_height(points: np.ndarray, axes: np.ndarray) -> int:
    """px, for a map that fills the panel's width."""
    low, high = extent(points, axes)
    width, height = high - low
    wanted = (PANEL_WIDTH - 2 * MARGIN) * height / width + 2 * MARGIN
    return int(np.clip(wanted, *PANEL_HEIGHTS))


def _panel(view: _View, colors: np.ndarray) -> np.ndarray:
    return halved(view.frame.colors(colors, BACKGROUND) * view.shade[:, :, None])


def _with_boxes(image: np.ndarray, view: _View, instances: tuple[Instance, ...]) -> np.ndarray:
    """Wireframes, faint where something stands before them, and one label per object where there is room."""
    canvas = Image.fromarray(image)
    draw = ImageDraw.Draw(canvas, "RGBA")
    shown = sorted((i for i in instances if i.state == "active"), key=lambda i: -i.voxel_count)
    for instance in shown:
        _draw_box(draw, view, instance)
    taken: list[tuple[float, float, float, float]] = []
    for instance in shown:
        _draw_label(draw, view, instance, taken)
    return np.asarray(canvas)


def _dark(color: np.ndarray) -> tuple[int, int, int]:
    r, g, b = (color.astype(np.float64) * 0.6).astype(int)
    return int(r), int(g), int(b)


def _draw_box(draw: ImageDraw.ImageDraw, view: _View, instance: Instance) -> None:
    color = _dark(instance_colors(np.array([instance.id]))[0])
    ends = corners(instance.box)
    height, width = view.frame.depth.shape
    for a, b in EDGES:
        steps = max(2, int(np.linalg.norm(ends[b] - ends[a]) * view.camera.scale / 3.0))
        along = np.linspace(0.0, 1.0, steps)[:, None]
        pixels, depth = view.camera.project(ends[a] * (1.0 - along) + ends[b] * along)
        u = np.clip((pixels[:, 0] * 2).astype(int), 0, width - 1)
        v = np.clip((pixels[:, 1] * 2).astype(int), 0, height - 1)
        hidden = view.frame.depth[v, u] < depth - 0.06
        for k in range(steps - 1):
            alpha = 60 if hidden[k] and hidden[k + 1] else 255
            draw.line([tuple(pixels[k]), tuple(pixels[k + 1])], fill=(*color, alpha), width=1)


def _draw_label(
    draw: ImageDraw.ImageDraw, view: _View, instance: Instance, taken: list[tuple[float, ...]]
) -> None:
    """Write "class #id" near the top of the box, inside the panel and clear of the labels already there."""
    text = f"{instance.class_name} #{instance.id}"
    font = _font(12)
    left, top, right, bottom = draw.textbbox((0, 0), text, font=font)
    width, height = right - left + 8, bottom - top + 6
    anchor = instance.box.center + np.array([0.0, 0.0, instance.box.size[2] / 2.0])
    (u, v), _ = (a[0] for a in view.camera.project(anchor[None]))
    panel_height = view.frame.depth.shape[0] // 2
    for shift in (0, -1, 1, -2, 2, -3, 3):
        x = float(np.clip(u - width / 2.0, 2, PANEL_WIDTH - width - 2))
        y = float(np.clip(v - height / 2.0 + shift * (height + 1), 2, panel_height - height - 2))
        place = (x, y, x + width, y + height)
        if not any(_overlap(place, other) for other in taken):
            taken.append(place)
            color = _dark(instance_colors(np.array([instance.id]))[0])
            draw.rounded_rectangle(place, radius=3, fill=(255, 255, 255, 225), outline=(*color, 255))
            draw.text((x + 4 - left, y + 3 - top), text, fill=TEXT_COLOR, font=font)
            return


def _font(size: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    try:
        return ImageFont.load_default(size=size)
    except TypeError as error:
        raise SsenError(
            f"pictures need Pillow 10.1 or newer, and {PIL.__version__} is installed: `pip install "
            "'pillow>=10.1'`"
        ) from error


def _overlap(a: tuple[float, ...], b: tuple[float, ...]) -> bool:
    return a[0] < b[2] and b[0] < a[2] and a[1] < b[3] and b[1] < a[3]


def _titled(image: np.ndarray, title: str, subtitle: str) -> np.ndarray:
    width, middle = image.shape[1], TITLE_HEIGHT / 2
    canvas = Image.new("RGB", (width, TITLE_HEIGHT), BACKGROUND)
    draw = ImageDraw.Draw(canvas)
    draw.text((12, middle), title, fill=TEXT_COLOR, font=_font(18), anchor="lm")
    draw.text((width - 12, middle), subtitle, fill=TEXT_COLOR, font=_font(14), anchor="rm")
    return np.vstack([np.asarray(canvas), image])


def _legend(labelled: "LabelledMap", width: int) -> np.ndarray:
    """A strip with a swatch and a name for each class in the map; as many lines as it takes."""
    font = _font(14)
    classes = present_classes(labelled)
    names = [labelled.class_names[i] for i in classes]
    entries = list(zip(names, semantic_colors(np.array(classes, dtype=np.int64)), strict=True))
    if (labelled.semantic_label < 0).any():
        entries.append(("unlabelled", UNLABELLED_COLOR))
    line_height, swatch, pad = 24, 14, 12
    places, x, y = [], pad, 4
    for name, _ in entries:
        advance = swatch + 6 + int(np.ceil(font.getlength(name))) + 18
        if x + advance > width and x > pad:
            x, y = pad, y + line_height
        places.append((x, y))
        x += advance
    canvas = Image.new("RGB", (width, y + line_height + 4), BACKGROUND)
    draw = ImageDraw.Draw(canvas)
    for (name, color), (x, y) in zip(entries, places, strict=True):
        square = (x, y + 5, x + swatch, y + 5 + swatch)
        draw.rectangle(square, fill=tuple(int(c) for c in color), outline=TEXT_COLOR)
        draw.text((x + swatch + 6, y + 12), name, fill=TEXT_COLOR, font=font, anchor="lm")
    return np.asarray(canvas)
