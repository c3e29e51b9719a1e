"""What is to be seen of a labelled map, as a value; and what has changed between two, which alone is sent.

The voxels are divided into tiles. A tile that has not changed is not sent again, and of one whose colours
alone have changed, as when another mode is chosen, only they are.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from ssen_ros import voxel_keys
from ssen_ros.boxes import EDGES, corners
from ssen_ros.labelled_map import LabelledMap
from ssen_ros.labels import LABEL_NAMES, STUFF_NAMES
from ssen_ros.palettes import colors_of, instance_colors
from ssen_ros.structures import Box

TILE_VOXELS = 64  # along an edge
_MISSING_SHADE = 0.45  # of the colour of a box, while its object is missing

TileKey = tuple[int, int, int]


@dataclass(frozen=True)
class Look:
    """What the user wants to see."""

    mode: str = "colour"  # of palettes.MODES
    ceiling: bool = False  # show it
    top_m: float = np.inf  # m, z in the map frame: nothing above it is shown
    boxes: bool = True
    labels: bool = True
    most_points: int = 1_500_000  # of a larger map, fewer and larger points are drawn


@dataclass(frozen=True)
class Tile:
    origin: np.ndarray  # (3,) float64, m: the middle of the tile
    points: np.ndarray  # (n, 3) float16, m from the origin: to 1 mm in a tile of 2.56 m
    colors: np.ndarray  # (n, 3) uint8


@dataclass(frozen=True)
class Label:
    text: str
    position: tuple[float, float, float]  # m


@dataclass(frozen=True)
class Lines:
    """The edges of all boxes."""

    points: np.ndarray  # (n, 2, 3) float32, m: the two ends of each
    colors: np.ndarray  # (n, 2, 3) uint8


@dataclass(frozen=True)
class Scene:
    tiles: dict[TileKey, Tile] = field(default_factory=dict)
    boxes: Lines = Lines(np.empty((0, 2, 3), np.float32), np.empty((0, 2, 3), np.uint8))
    labels: dict[int, Label] = field(default_factory=dict)  # by the id of the object
    step: int = 1  # voxels along the edge of a point


@dataclass(frozen=True)
class Changes:
    """What makes one scene of another."""

    tiles: dict[TileKey, Tile]  # new or moved
    colors: dict[TileKey, np.ndarray]  # of tiles whose points have stayed
    tiles_gone: tuple[TileKey, ...]
    boxes: Lines | None  # None: as they were
    labels: dict[int, Label]
    labels_gone: tuple[int, ...]

    @property
    def points(self) -> int:
        """That have to be sent, with their colours."""
        return sum(len(tile.points) for tile in self.tiles.values())


def make_scene(labelled: LabelledMap, look: Look) -> Scene:
    rows = shown(labelled, look)
    rows, step = thinned(labelled, rows, look.most_points)
    size = TILE_VOXELS * labelled.voxel_size
    points, colors = labelled.points[rows], colors_of(labelled, look.mode)[rows]
    return Scene(
        tiles=_tiles(points, colors, size),
        step=step,
        boxes=box_lines(labelled) if look.boxes else Scene().boxes,
        labels=_labels(labelled) if look.labels else {},
    )


def shown(labelled: LabelledMap, look: Look) -> np.ndarray:
    """Rows of the map that are to be seen, ascending."""
    keep = labelled.points[:, 2] <= look.top_m
    if not look.ceiling and "ceiling" in labelled.class_names:
        keep &= labelled.semantic_label != labelled.class_names.index("ceiling")
    return np.flatnonzero(keep)


def thinned(labelled: LabelledMap, rows: np.ndarray, most: int) -> tuple[np.ndarray, int]:
    """One of the rows for each cube of so many voxels along an edge that no more than `most` are left."""
    coords = np.floor(labelled.points[rows] / labelled.voxel_size).astype(np.int64)
    step, kept = 1, rows
    while len(kept) > most:
        step += 1
        kept = rows[np.sort(np.unique(voxel_keys.pack(coords // step), return_index=True)[1])]
    return kept, step


def difference(before: Scene, after: Scene) -> Changes:
    tiles, colors = {}, {}
    for key, tile in after.tiles.items():
        old = before.tiles.get(key)
        if old is None or not np.array_equal(old.points, tile.points):
            tiles[key] = tile
        elif not np.array_equal(old.colors, tile.colors):
            colors[key] = tile.colors
    same_boxes = all(np.array_equal(a, b) for a, b in zip(_arrays(before), _arrays(after), strict=True))
    return Changes(
        tiles=tiles,
        colors=colors,
        tiles_gone=tuple(key for key in before.tiles if key not in after.tiles),
        boxes=None if same_boxes else after.boxes,
        labels={id: label for id, label in after.labels.items() if before.labels.get(id) != label},
        labels_gone=tuple(id for id in before.labels if id not in after.labels),
    )


def nearest_hit(points: np.ndarray, origin: np.ndarray, direction: np.ndarray, radius: float) -> int:
    """Which of (n, 3) points, m, a ray meets first, within `radius` m of it; -1: none."""
    direction = np.asarray(direction, np.float64) / np.linalg.norm(direction)
    to = points - np.asarray(origin, np.float64)
    along = to @ direction
    off = np.einsum("ij,ij->i", to, to) - along**2
    near = np.flatnonzero((off < radius**2) & (along > 0))
    if len(near) == 0:
        return -1
    behind = along[near] - along[near].min()
    front = behind < 2 * radius
    return int(near[front][(off[near] + behind**2)[front].argmin()])


def box_lines(labelled: LabelledMap) -> Lines:
    """The boxes of all objects, each in the colour of its id, darker where it is missing.

    A box goes round the middles of its voxels; here, where voxels have a size, it is larger by one.
    """
    boxes = [replace(i.box, size=i.box.size + labelled.voxel_size) for i in labelled.instances]
    shade = [1.0 if i.state == "active" else _MISSING_SHADE for i in labelled.instances]
    colors = instance_colors(np.array([i.id for i in labelled.instances], np.int64))
    return lines_of(boxes, (colors * np.array(shade).reshape(-1, 1)).astype(np.uint8))


def lines_of(boxes: Sequence[Box], colors: Any) -> Lines:
    """`colors`: one for all, or (n, 3) uint8."""
    points = np.array([corners(box)[EDGES] for box in boxes], np.float32).reshape(-1, 2, 3)
    each = np.broadcast_to(np.asarray(colors, np.uint8), (len(boxes), 3))
    return Lines(points, np.repeat(each, 2 * len(EDGES), axis=0).reshape(-1, 2, 3))


def box_of(low: np.ndarray, high: np.ndarray) -> Box:
    """The upright box between its lowest and its highest corner, (3,) m each."""
    return Box((low + high) / 2, high - low, 0.0)


def _tiles(points: np.ndarray, colors: np.ndarray, size: float) -> dict[TileKey, Tile]:
    tile_of = voxel_keys.pack(np.floor(points / size).astype(np.int64))
    order = np.argsort(tile_of, kind="stable")
    points, colors = points[order], colors[order]
    found, starts = np.unique(tile_of[order], return_index=True)
    tiles = {}
    for cell, start, end in zip(voxel_keys.unpack(found), starts, [*starts[1:], len(points)]):
        origin = (cell + 0.5) * size
        local = (points[start:end] - origin.astype(np.float32)).astype(np.float16)
        x, y, z = cell.tolist()
        tiles[x, y, z] = Tile(origin, local, colors[start:end])
    return tiles


def _labels(labelled: LabelledMap) -> dict[int, Label]:
    labels = {}
    for one in labelled.instances:
        x, y, z = (float(v) for v in one.box.center)
        missing = "" if one.state == "active" else " (missing)"
        top = round(z + float(one.box.size[2]) / 2 + 0.05, 3)
        labels[one.id] = Label(f"{one.class_name} #{one.id}{missing}", (round(x, 3), round(y, 3), top))
    return labels


def _arrays(scene: Scene) -> tuple[np.ndarray, np.ndarray]:
    return scene.boxes.points, scene.boxes.colors


def class_choices(class_names: tuple[str, ...]) -> list[str]:
    """Classes to choose from, those of things first."""
    names = [name for name in class_names if name in LABEL_NAMES or name]
    return sorted(set(names), key=lambda name: (name in STUFF_NAMES, name))
