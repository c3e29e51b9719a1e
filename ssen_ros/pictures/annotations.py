"""What is written and drawn on a picture: boxes with their labels, titles, legends."""

from collections.abc import Iterable, Sequence

import numpy as np
import PIL
from PIL import Image, ImageDraw, ImageFont

from ssen_ros.boxes import EDGES, corners
from ssen_ros.errors import SsenError
from ssen_ros.palettes import Legend, instance_colors
from ssen_ros.pictures.shot import BACKGROUND, Shot
from ssen_ros.structures import Instance

TITLE_HEIGHT = 42  # px
LEGEND_LINE = 32  # px
_LABEL, _NOTE, _TITLE = 15, 18, 24  # px, heights of letters
TEXT_COLOR = (40, 42, 48)
_FAINT = (110, 114, 122)
_HIDDEN = 0.06  # m behind what is seen, from which an edge counts as hidden
_ALPHA = {True: 45, False: 235}  # of an edge, hidden or not
_STEP = 3.0  # px, pieces of an edge that are hidden or not by themselves
# Where a label may stand, in its own widths and heights from its place, the nearest first.
_PLACES = sorted(
    [(0.55 * i, 1.1 * j) for i in range(-3, 4) for j in range(-5, 6)],
    key=lambda place: 4 * place[0] ** 2 + place[1] ** 2,
)

Rectangle = tuple[float, float, float, float]  # left, top, right, bottom


def with_objects(image: np.ndarray, shot: Shot, instances: Iterable[Instance]) -> np.ndarray:
    """(H, W, 3) uint8: the panel with boxes, faint where something stands before them, and their labels.

    A label finds a place of its own near its object or, where there is none, is left out; the largest go
    first. A line leads from those that had to move.
    """
    shown = sorted((i for i in instances if i.state == "active"), key=lambda i: -i.voxel_count)
    boxes = Image.new("RGBA", (2 * image.shape[1], 2 * image.shape[0]))
    draw = ImageDraw.Draw(boxes)
    for instance in shown:
        _draw_box(draw, shot, instance)
    canvas = Image.fromarray(image).convert("RGBA")
    canvas.alpha_composite(boxes.resize(canvas.size, Image.Resampling.BOX))
    draw = ImageDraw.Draw(canvas, "RGBA")
    placed = label_places(draw, shot, shown)
    for instance, start, place in placed:  # lines first, so that none crosses a label
        middle = (place[0] + place[2]) / 2, (place[1] + place[3]) / 2
        if not (place[0] <= start[0] <= place[2] and place[1] <= start[1] <= place[3]):
            draw.line([start, middle], fill=(*_dark(instance), 200), width=1)
    for instance, _, place in placed:
        draw.rounded_rectangle(place, radius=3, fill=(255, 255, 255, 230), outline=(*_dark(instance), 255))
        x, y = (place[0] + place[2]) / 2, (place[1] + place[3]) / 2
        draw.text((x, y), _text(instance), fill=TEXT_COLOR, font=font(_LABEL), anchor="mm")
    return np.asarray(canvas.convert("RGB"))


def titled(image: np.ndarray, title: str, note: str = "") -> np.ndarray:
    """The image under a line with a title, and a note at its right."""
    width, middle = image.shape[1], TITLE_HEIGHT / 2
    canvas = Image.new("RGB", (width, TITLE_HEIGHT), BACKGROUND)
    draw = ImageDraw.Draw(canvas)
    draw.text((12, middle), title, fill=TEXT_COLOR, font=font(_TITLE), anchor="lm")
    draw.text((width - 12, middle), note, fill=_FAINT, font=font(_NOTE), anchor="rm")
    return np.vstack([np.asarray(canvas), image])


def legend_strip(legend: Legend, width: int) -> np.ndarray:
    """(H, width, 3) uint8: a swatch and a name for each entry; as many lines as it takes."""
    letters = font(_NOTE)
    swatch, pad = 18, 12
    places, x, y = [], pad, 4
    for name, _ in legend:
        advance = swatch + 7 + int(np.ceil(letters.getlength(name))) + 20
        if x + advance > width and x > pad:
            x, y = pad, y + LEGEND_LINE
        places.append((x, y))
        x += advance
    canvas = Image.new("RGB", (width, y + LEGEND_LINE + 4), BACKGROUND)
    draw = ImageDraw.Draw(canvas)
    for (name, color), (x, y) in zip(legend, places, strict=True):
        draw.rectangle((x, y + 6, x + swatch, y + 6 + swatch), fill=color, outline=TEXT_COLOR)
        draw.text((x + swatch + 7, y + 15), name, fill=TEXT_COLOR, font=letters, anchor="lm")
    return np.asarray(canvas)


def font(size: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    """Pillow's own. Raises SsenError where Pillow is too old to have one of any size."""
    try:
        return ImageFont.load_default(size=size)
    except TypeError as error:
        raise SsenError(
            f"pictures need Pillow 10.1 or newer, and {PIL.__version__} is installed: `pip install "
            "'pillow>=10.1'`"
        ) from error


def _text(instance: Instance) -> str:
    return f"{instance.class_name} #{instance.id}"


def _dark(instance: Instance) -> tuple[int, int, int]:
    red, green, blue = (instance_colors(np.array([instance.id]))[0] * 0.6).astype(int).tolist()
    return red, green, blue


def _draw_box(draw: ImageDraw.ImageDraw, shot: Shot, instance: Instance) -> None:
    ends, camera = corners(instance.box), shot.camera.zoomed(2.0)
    height, width = shot.frame.depth.shape
    for a, b in EDGES:
        steps = max(2, int(np.linalg.norm(ends[b] - ends[a]) * camera.scale / _STEP))
        along = np.linspace(0.0, 1.0, steps)[:, None]
        pixels, depth = camera.project(ends[a] * (1.0 - along) + ends[b] * along)
        u = np.clip(pixels[:, 0].astype(int), 0, width - 1)
        v = np.clip(pixels[:, 1].astype(int), 0, height - 1)
        hidden = shot.frame.depth[v, u] < depth - _HIDDEN
        piece = hidden[:-1] & hidden[1:]
        starts = np.flatnonzero(np.r_[True, piece[1:] != piece[:-1]])
        for start, end in zip(starts, [*starts[1:], len(piece)]):
            color = (*_dark(instance), _ALPHA[bool(piece[start])])
            draw.line([tuple(pixels[start]), tuple(pixels[end])], fill=color, width=3)


def label_places(
    draw: ImageDraw.ImageDraw, shot: Shot, instances: Sequence[Instance]
) -> list[tuple[Instance, tuple[float, float], Rectangle]]:
    """(object, where it is, where its label goes), px, of those that find a place."""
    panel_width, panel_height = shot.size
    placed: list[tuple[Instance, tuple[float, float], Rectangle]] = []
    for instance in instances:
        left, top, right, bottom = draw.textbbox((0, 0), _text(instance), font=font(_LABEL), anchor="mm")
        width, height = right - left + 8, bottom - top + 6
        above = instance.box.center + np.array([0.0, 0.0, instance.box.size[2] / 2.0])
        (pixel,), _ = shot.camera.project(above[None])
        u, v = float(pixel[0]), float(pixel[1])
        for across, down in _PLACES:
            x = float(np.clip(u + (across - 0.5) * width, 2, max(2, panel_width - width - 2)))
            y = float(np.clip(v + (down - 0.5) * height, 2, max(2, panel_height - height - 2)))
            place = (x, y, x + width, y + height)
            if not any(_overlap(place, other) for _, _, other in placed):
                placed.append((instance, (u, v), place))
                break
    return placed


def _overlap(a: Rectangle, b: Rectangle) -> bool:
    return a[0] < b[2] + 1 and b[0] < a[2] + 1 and a[1] < b[3] + 1 and b[1] < a[3] + 1
