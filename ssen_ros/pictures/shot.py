"""A map as one camera sees it: which of its voxels are drawn, where each of them is, and how bright."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from ssen_ros.pictures.camera import Camera, extent, fit_camera, view_axes
from ssen_ros.pictures.cutaway import direction, ground, make_plan, visible_rows
from ssen_ros.pictures.splat import Frame, cube, edge_shade, halved, nook_shade, slope_shade, splat

if TYPE_CHECKING:
    from ssen_ros.labelled_map import LabelledMap

PANEL_WIDTH = 720  # px
PANEL_HEIGHTS = 360, 660  # px, least and most: as high as the map needs
MARGIN = 30  # px around the map in its panel
ELEVATION = np.radians(50.0)
ASIDE = np.radians((28.0, 62.0))  # from a wall's direction; from there one sees two walls, none edge-on

BACKGROUND = (250, 250, 251)
GROUND_COLOR = np.array((235, 237, 240), np.uint8)  # of the floor that was never seen

# Classes that a wall carries: they are cut away with it.
_WALL_NAMES = frozenset({"wall", "window", "door", "curtain", "shower curtain", "picture"})
_CEILING_FROM = 1.2  # m over the floor; what is called ceiling below it is an error that one should see


@dataclass(frozen=True)
class Shot:
    """The panels of one picture share it."""

    rows: np.ndarray  # (n,) rows of the map that are drawn
    camera: Camera  # of the panel; the frame is twice as large
    frame: Frame  # its rows count from 0: those of `rows`, and after them the ground
    light: np.ndarray  # (2H, 2W) float32 in 0..1

    @property
    def size(self) -> tuple[int, int]:
        """Width and height of a panel, px."""
        height, width = self.frame.depth.shape
        return width // 2, height // 2

    @property
    def seen(self) -> np.ndarray:
        """Row of the map at each pixel of the frame in which a voxel of it is seen."""
        row = self.frame.row
        return self.rows[row[(row >= 0) & (row < len(self.rows))]]

    def panel(self, colors: np.ndarray) -> np.ndarray:
        """(H, W, 3) uint8: the map in these (V, 3) uint8 colours."""
        ground = np.broadcast_to(GROUND_COLOR, (int(self.frame.row.max(initial=-1)) + 1, 3))
        table = np.vstack([colors[self.rows], ground])
        return halved(self.frame.colors(table, BACKGROUND) * self.light[:, :, None])


def take(labelled: "LabelledMap", width: int = PANEL_WIDTH, azimuth: float | None = None) -> Shot:
    """Look down into the map; `width` px wide.

    The camera stands at `azimuth` (rad, from +X), by default where the least has to be cut away. The ceiling,
    and the walls between the camera and a room, are left out.
    """
    heights = PANEL_HEIGHTS[0] * width // PANEL_WIDTH, PANEL_HEIGHTS[1] * width // PANEL_WIDTH
    if len(labelled) == 0:
        nothing = np.full((2 * heights[0], 2 * width), np.inf, np.float32)
        frame = Frame(np.full(nothing.shape, -1), nothing, np.ones_like(nothing))
        camera = fit_camera(np.zeros((1, 3)), view_axes(0.0, ELEVATION), width, heights[0], MARGIN)
        return Shot(np.empty(0, np.int64), camera, frame, frame.shade)
    things = labelled.instance_id >= 0
    is_wall = _is_of(labelled, _WALL_NAMES)
    plan = make_plan(labelled.points, is_wall & ~things)
    turned = direction(plan)
    around = [turned + quarter + aside for quarter in np.arange(4) * np.pi / 2 for aside in ASIDE]
    azimuths = around if azimuth is None else [azimuth]
    masks = [visible_rows(plan, azimuth, keep=things & ~is_wall) for azimuth in azimuths]
    best = int(np.argmax([mask.sum() for mask in masks]))
    ceiling = _is_of(labelled, frozenset({"ceiling"})) & (plan.height > _CEILING_FROM)
    rows = np.flatnonzero(masks[best] & ~ceiling)
    size = labelled.voxel_size
    points = np.vstack([labelled.points[rows], ground(plan, size) - np.array([0, 0, size], np.float32)])
    axes = view_axes(azimuths[best], ELEVATION)
    height = _height(points, axes, width, heights)
    camera = fit_camera(points, axes, width, height, round(MARGIN * width / PANEL_WIDTH))
    double = camera.zoomed(2.0)
    centres = (np.floor(points / size) + 0.5) * size  # on their grid, cubes join without a seam
    stamp = cube(double, size + 1.0 / double.scale)  # a pixel more: rounding leaves no gaps
    frame = splat(centres, double, 2 * width, 2 * height, stamp)
    reach = max(2, round(1.5 * size * double.scale))
    light = (
        frame.shade
        * edge_shade(frame.depth, reach=2, tolerance=2.0 * size)
        * nook_shade(frame.depth, round(0.12 * double.scale))
        * slope_shade(frame.depth, axes, double.scale, reach)
    )
    return Shot(rows, camera, frame, light)


def _is_of(labelled: "LabelledMap", names: frozenset[str]) -> np.ndarray:
    """(V,) bool: the voxels of these classes."""
    return np.isin(labelled.semantic_label, [i for i, n in enumerate(labelled.class_names) if n in names])


def _height(points: np.ndarray, axes: np.ndarray, width: int, heights: tuple[int, int]) -> int:
    """px, for a map that fills the panel's width."""
    low, high = extent(points, axes)
    across, down = high - low
    margin = MARGIN * width / PANEL_WIDTH
    return int(np.clip((width - 2 * margin) * down / across + 2 * margin, *heights))
