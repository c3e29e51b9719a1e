"""A contact sheet: many rooms with their ground truth in one picture."""

from collections.abc import Iterable
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

from ssen_ros.labelled_map import LabelledMap
from ssen_ros.palettes import colors_of
from ssen_ros.pictures.render import render
from ssen_ros.pictures.shot import BACKGROUND

if TYPE_CHECKING:
    from ssen_ros.io.samples import Sample

_STRIP = 900  # px, width of the three panels of a room
_MODES = ("colour", "classes", "instances")
_COLUMNS = 2
_COLORS = 255  # of the palette: a sheet of photographs in true colour would be four times as large


def contact_sheet(samples: Iterable["Sample"], voxel_size: float) -> Image.Image:
    """Two rooms a row, each as colour | classes | instances; a picture with a palette, small as a PNG."""
    strips = [_strip(sample, voxel_size) for sample in samples]
    rows = [strips[k : k + _COLUMNS] for k in range(0, len(strips), _COLUMNS)]
    heights = [max(strip.height for strip in row) for row in rows]
    sheet = Image.new("RGB", (_COLUMNS * _STRIP, sum(heights)), BACKGROUND)
    for row, top in zip(rows, np.cumsum([0, *heights])):
        for column, strip in enumerate(row):
            sheet.paste(strip, (column * _STRIP, int(top)))
    return sheet.quantize(_COLORS, Image.Quantize.MEDIANCUT, dither=Image.Dither.NONE)


def _strip(sample: "Sample", voxel_size: float) -> Image.Image:
    labelled = _as_map(sample, voxel_size)
    panels = render(labelled, [("", colors_of(labelled, mode)) for mode in _MODES])
    height = round(panels.shape[0] * _STRIP / panels.shape[1])
    return Image.fromarray(panels).resize((_STRIP, height), Image.Resampling.LANCZOS)


def _as_map(sample: "Sample", voxel_size: float) -> LabelledMap:
    return LabelledMap(
        points=sample.points,
        colors=sample.colors,
        semantic_label=sample.semantic_label.astype(np.int32),
        instance_id=sample.instance_label.astype(np.int32),
        confidence=np.ones(len(sample), np.float32),
        instances=(),
        voxel_size=voxel_size,
        version=0,
        stamp_ns=0,
    )
