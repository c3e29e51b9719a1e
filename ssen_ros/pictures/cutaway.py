"""Which points of an indoor map to leave out so that one can look into its rooms from outside.

Works on a plan of square columns, a few decimetres wide: what reaches to the ceiling is wall, whatever it
was labelled; a wall with room behind it (seen from the camera) is cut down to a stub.
"""

from dataclasses import dataclass

import numpy as np
from scipy.ndimage import binary_closing, binary_fill_holes, binary_opening

COLUMN = 0.1  # m, edge of a plan cell
MOST_COLUMNS = 2000  # along an axis; of a larger map (strays, or millimetres taken for metres) they are wider
CEILING_CUT = 2.1  # m over the floor; above it are ceiling, lamps and the tops of walls
STUB = 0.1  # m that is left of a wall that is cut
WALL_REACH = 1.9  # m over the floor; a column that has points above it is a wall
LOOK_BEHIND = np.arange(0.3, 1.25, 0.1)  # m behind a wall, where room is looked for
ROOM_BEHIND = 2  # occupied columns behind a wall that make it hide a room
_ENOUGH = 5000  # columns that tell how a map is turned
GAP = 0.5  # m, gaps between what stands in a room that are part of its ground


@dataclass(frozen=True)
class Plan:
    """The map from above."""

    origin: np.ndarray  # (2,) float64, m
    column: float  # m, edge of a cell
    cells: np.ndarray  # (N, 2) int64, the column of each point
    floor: float  # m, z in the map frame
    height: np.ndarray  # (N,) float64, m over the floor
    wall: np.ndarray  # (X, Y) bool
    room: np.ndarray  # (X, Y) bool: something stands or lies there, and it is no wall


def make_plan(points: np.ndarray, is_wall: np.ndarray) -> Plan:
    """The plan of (N, 3) points; `is_wall` (N,) bool are those known to be walls, doors or windows."""
    floor = float(np.percentile(points[:, 2], 2.0))
    height = points[:, 2].astype(np.float64) - floor
    origin = points[:, :2].min(axis=0).astype(np.float64)
    column = max(COLUMN, float((points[:, :2].max(axis=0) - origin).max()) / MOST_COLUMNS)
    cells = np.floor((points[:, :2] - origin) / column).astype(np.int64)
    shape = tuple(cells.max(axis=0) + 1)
    occupied, wall = np.zeros(shape, bool), np.zeros(shape, bool)
    below_ceiling = height < CEILING_CUT
    tall = (height > WALL_REACH) & below_ceiling
    occupied[tuple(cells[below_ceiling].T)] = True
    wall[tuple(cells[tall | is_wall].T)] = True
    return Plan(origin, column, cells, floor, height, wall, occupied & ~wall)


def direction(plan: Plan) -> float:
    """rad in [0, pi/2): how the map is turned, by the narrowest rectangle round what stands in it."""
    columns = np.argwhere(plan.wall | plan.room).astype(np.float64)
    columns = columns[:: len(columns) // _ENOUGH + 1]
    angles = np.radians(np.arange(0.0, 90.0, 2.0))
    across = np.stack([np.cos(angles), np.sin(angles)]), np.stack([-np.sin(angles), np.cos(angles)])
    widths = [np.diff(np.percentile(columns @ axes, (2.0, 98.0), axis=0), axis=0)[0] + 1.0 for axes in across]
    return float(angles[np.argmin(widths[0] * widths[1])])


def ground(plan: Plan, spacing: float) -> np.ndarray:
    """(G, 3) float32 m, `spacing` m apart: the level of the floor below all of the map, seen or not."""
    reach = max(1, round(GAP / plan.column))
    inside = np.pad(plan.wall | plan.room, reach)
    inside = binary_opening(binary_fill_holes(binary_closing(inside, iterations=reach)), iterations=1)
    inside = inside[reach:-reach, reach:-reach].astype(bool)
    if plan.column > COLUMN:  # of a map so wide nobody sees its voxels, and they would be millions
        spacing = plan.column
    corners = plan.origin + np.argwhere(inside) * plan.column
    first, last = (np.ceil((c - spacing / 2) / spacing) for c in (corners, corners + plan.column))
    steps = np.arange(np.ceil(plan.column / spacing) + 1)
    within = np.stack(np.meshgrid(steps, steps, indexing="ij"), axis=-1).reshape(-1, 2)
    places = first[:, None] + within
    places = (places[(places < last[:, None]).all(axis=-1)] + 0.5) * spacing  # each in the column it lies in
    return np.column_stack([places, np.full(len(places), plan.floor)]).astype(np.float32)


def visible_rows(plan: Plan, azimuth: float, keep: np.ndarray) -> np.ndarray:
    """(N,) bool: the points left when the camera stands at `azimuth` (rad, from +X).

    `keep` (N,) bool marks points of objects, which are never cut with the wall they touch.
    """
    cut = _hiding_walls(plan, azimuth)[tuple(plan.cells.T)] & ~keep
    return (plan.height < CEILING_CUT) & ~(cut & (plan.height > STUB))


def _hiding_walls(plan: Plan, azimuth: float) -> np.ndarray:
    """(X, Y) bool: wall columns with room behind them."""
    away = -np.array([np.cos(azimuth), np.sin(azimuth)])
    columns = np.argwhere(plan.wall)
    behind = np.zeros(len(columns), np.int64)
    for distance in LOOK_BEHIND:
        cells = np.rint(columns + away * (distance / plan.column)).astype(np.int64)
        inside = ((cells >= 0) & (cells < plan.room.shape)).all(axis=1)
        behind[inside] += plan.room[tuple(cells[inside].T)]
    hiding = np.zeros_like(plan.wall)
    hiding[tuple(columns[behind >= ROOM_BEHIND].T)] = True
    return hiding
