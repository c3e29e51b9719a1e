"""A map as a network sees it: turned about a vertical axis, moved against the grid, and voxelized anew."""

from dataclasses import dataclass, replace
from typing import Any, TypeVar

import numpy as np

from ssen_ros import voxel_keys
from ssen_ros.features import Anchor
from ssen_ros.rotations import turn_z
from ssen_ros.structures import VoxelSnapshot
from ssen_ros.voxel_map import VoxelMap

Values = TypeVar("Values", bound=Any)  # arrays or tensors

_AXES = 1024  # voxels between the axes that views are turned about
# Voxels by which views are moved against the grid along x and y, one after the other. Half a voxel up or down
# too, labels would be no better, and would depend more on how a map lies (docs/results.md).
_SHIFTS = np.array([(0, 0, 0), (0.5, 0.5, 0), (0.5, 0, 0), (0, 0.5, 0)])


@dataclass(frozen=True)
class View:
    """A map as a network sees it."""

    snapshot: VoxelSnapshot
    anchor: Anchor
    row: np.ndarray | None  # (V,) of the snapshot, where the map's voxels lie; None: they are its own

    @classmethod
    def of(cls, snapshot: VoxelSnapshot, anchor: Anchor, turn: float = 0.0, number: int = 0) -> "View":
        """The snapshot lined up, as its anchor says, and turned by `turn` rad further; its anchor with it.

        `number`: of the view among several, each of which lies otherwise to the grid: which points share a
        voxel is chance, and the mean over the views evens it out.
        """
        angle, shift = anchor.heading + turn, _SHIFTS[number % len(_SHIFTS)] * snapshot.voxel_size
        if angle == 0 and not shift.any():
            return cls(snapshot, anchor, None)
        view, row = turned(snapshot, angle, anchor.centre, shift)
        axis = _axis(anchor.centre, snapshot.voxel_size)
        x, y, _ = (_turn(np.array([[*anchor.centre, 0.0]]), angle, axis)[0] + shift).tolist()
        return cls(view, replace(anchor, centre=(x, y)), row)

    def of_map(self, values: Values) -> Values:
        """(V, …) of the map's voxels, of the (n, …) values of the voxels that are seen."""
        return values if self.row is None else values[self.row]


def turned(
    snapshot: VoxelSnapshot,
    angle: float,
    near: tuple[float, float] | None = None,
    shift: np.ndarray = _SHIFTS[0],
) -> tuple[VoxelSnapshot, np.ndarray]:
    """The snapshot turned by `angle` rad about a vertical axis near there, moved by (3,) `shift` m, and
    voxelized anew.

    Without `near`, that is the middle of its points. The axis stays where it is while the map grows, and with
    it what the view shows of the same voxels.

    Returns:
        The view, and the (V,) row of it in which each voxel of the snapshot lies.
    """
    if (angle == 0 and not shift.any()) or len(snapshot) == 0:
        return snapshot, np.arange(len(snapshot))
    near = Anchor.over(0.0, snapshot.points).centre if near is None else near
    points = _turn(snapshot.points, angle, _axis(near, snapshot.voxel_size)) + shift.astype(np.float32)
    voxel_map = VoxelMap(snapshot.voxel_size)
    voxel_map.integrate(points, snapshot.colors)
    view = voxel_map.snapshot()
    coords = np.floor(points.astype(np.float64) / snapshot.voxel_size)
    return view, voxel_keys.find(view.keys, voxel_keys.pack(coords))


def _axis(near: tuple[float, float], voxel_size: float) -> np.ndarray:
    """(3,) float32: a point of the axis near there that views are turned about."""
    step = _AXES * voxel_size
    return np.append(np.round(np.array(near) / step) * step, 0.0).astype(np.float32)


def _turn(points: np.ndarray, angle: float, axis: np.ndarray) -> np.ndarray:
    """(n, 3), about a vertical axis through this point."""
    return (points - axis) @ turn_z(angle).T.astype(np.float32) + axis
