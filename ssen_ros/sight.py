"""What a depth camera has seen through: the voxels in its view behind which all rays near them end.

A voxel in the map says that something was there once. That it is there no longer is seen only by looking at
the place again: a ray that ends well behind it has passed through it. Where no ray goes nothing is known,
and where one ends in front of it the voxel is hidden.
"""

from itertools import product

import numpy as np

from ssen_ros import voxel_keys

REACH_M = 4.0  # from the camera; beyond it depths are too coarse to speak against anything
BEHIND_VOXELS, BEHIND_SHARE = 2, 0.03  # that rays must end behind a voxel, the latter of its distance

# Cells to a unit by which directions are told apart: a degree far away, and never less than a voxel's width.
_BEAMS = (57, 28, 14, 7)
_AROUND = voxel_keys.steps(np.array([*product((-1, 0, 1), repeat=3)]))


def seen_through(voxels: np.ndarray, points: np.ndarray, camera: np.ndarray, voxel_size: float) -> np.ndarray:
    """(V,) bool of the (V,) ascending keys of a map: a view shows that nothing is there.

    points: (N, 3), m, map frame, of the one view that a camera at `camera` (3,), m, has. A ray ends in the
    direction of the voxel and on all sides of it, and those there and beside all end well behind it.
    """
    through = np.zeros(len(voxels), bool)
    if len(points) == 0:
        return through
    low, high = (int((camera[0] + reach) // voxel_size) for reach in (-REACH_M, REACH_M))
    ends = (np.array([low, high + 1]) + voxel_keys.AXIS_LIMIT) << 2 * voxel_keys.AXIS_BITS
    begin, end = np.searchsorted(voxels, ends)  # they are sorted by x
    direction, distance = _directions((voxel_keys.unpack(voxels[begin:end]) + 0.5) * voxel_size - camera)
    ray, length = _directions(points - camera)
    behind = distance + np.maximum(BEHIND_VOXELS * voxel_size, BEHIND_SHARE * distance)
    farthest = REACH_M
    for beams in _BEAMS:
        nearest = beams * voxel_size
        rows = np.flatnonzero((distance >= nearest) & (distance < farthest))
        farthest = min(nearest, farthest)
        if not len(rows):
            continue
        cells, free = _free_distances(_cells(ray, beams), length)
        seen = voxel_keys.find(cells, _cells(direction[rows], beams))
        through[begin + rows] = (
            (seen >= 0) & (behind[rows] < free[seen]) & _inside(cells, direction[rows], beams)
        )
    return through


def _inside(cells: np.ndarray, directions: np.ndarray, beams: int) -> np.ndarray:
    """(n,) bool: there are rays on all four sides too, so that this is not the border of the view."""
    inside, near = np.ones(len(directions), bool), np.unique(cells[:, None] + _AROUND)
    across = np.cross(directions, np.eye(3)[np.abs(directions).argmin(axis=1)])
    across /= np.linalg.norm(across, axis=1)[:, None]
    for side in across, np.cross(directions, across):
        for step in (-2 / beams, 2 / beams):  # some cells are but corners, which no ray meets
            beside, _ = _directions(directions + step * side)
            inside &= voxel_keys.find(near, _cells(beside, beams)) >= 0
    return inside


def _free_distances(cell: np.ndarray, length: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The ascending cells of (N,) rays, and as far as all rays in a cell and around it go, m."""
    cells, of_ray = np.unique(cell, return_inverse=True)
    shortest = np.full(len(cells) + 1, np.inf)  # the last: of cells without a ray
    np.minimum.at(shortest, of_ray, length)
    around = [shortest[voxel_keys.find(cells, cells + step)] for step in _AROUND]
    return cells, np.min(around, axis=0)


def _directions(offsets: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(n, 3) directions of (n, 3) offsets, and (n,) their lengths."""
    length = np.linalg.norm(offsets.astype(np.float64), axis=1)
    return offsets / np.maximum(length, 1e-9)[:, None], length


def _cells(directions: np.ndarray, beams: int) -> np.ndarray:
    return voxel_keys.pack(np.floor(directions * beams).astype(np.int64))
