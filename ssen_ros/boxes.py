"""Boxes around points: upright ones, and the smallest of any orientation."""

from dataclasses import dataclass

import numpy as np
from scipy.spatial import ConvexHull, QhullError

from ssen_ros.open3d_extra import open3d
from ssen_ros.rotations import turn_z
from ssen_ros.structures import Box

EDGES = [(i, i | bit) for i in range(8) for bit in (1, 2, 4) if not i & bit]  # rows of `corners`


def corners(box: Box) -> np.ndarray:
    """(8, 3) m; the bits of a row's number choose the side along the box's own x, y and z."""
    signs = np.array([[(i >> axis & 1) - 0.5 for axis in range(3)] for i in range(8)])
    return box.center + (signs * box.size) @ turn_z(box.yaw).T


def fit_box(points: np.ndarray) -> Box:
    """The gravity-aligned box of least footprint around (n, 3) points, m, n >= 1.

    The footprint is the minimum-area rectangle around the convex hull in xy, one side of which lies
    along an edge of the hull (Freeman and Shapira 1975). size x >= size y; yaw in [0, pi).
    Exact: every point is inside, outliers included, for a percentile would cut table legs as
    readily as noise. Points on a line or a spot give sizes of zero.
    Raises ValueError for a wrong shape, no points, or points that are not finite.
    """
    points = np.asarray(points, dtype=np.float64)
    if points.ndim != 2 or points.shape[1] != 3 or len(points) == 0:
        raise ValueError(f"points has shape {points.shape}, expected (n, 3) with n >= 1")
    if not np.isfinite(points).all():
        raise ValueError("points must be finite; remove NaN and infinite rows before fitting a box")
    origin = points.mean(axis=0)  # precision: rotate about the middle, not about a far map origin
    local = points - origin
    outline = _outline(local[:, :2])
    angle, low, high = _least_rectangle(outline, _candidate_angles(outline))
    bottom, top = local[:, 2].min(), local[:, 2].max()
    middle = (low + high) / 2
    center = np.array([*(turn_z(angle)[:2, :2] @ middle), (bottom + top) / 2])
    length, width = high - low
    if width > length:
        length, width, angle = width, length, angle + np.pi / 2
    return Box(center=origin + center, size=np.array([length, width, top - bottom]), yaw=float(angle % np.pi))


@dataclass(frozen=True)
class OrientedBox:
    """A box that may be tilted, map frame."""

    center: np.ndarray  # (3,) float64, m
    size: np.ndarray  # (3,) float64, m, along the axes; the longest first
    rotation: np.ndarray  # (3, 3) float64; its columns are the axes, right-handed


def fit_oriented_box(points: np.ndarray) -> OrientedBox:
    """The box of about the least volume around (n, 3) points, m, n >= 1, by Open3D.

    Where there are too few points, or all in a plane, it is the upright one.
    Raises EngineError where Open3D is missing, and what `fit_box` raises.
    """
    box, library = fit_box(points), open3d("an oriented box")
    try:
        vector = library.utility.Vector3dVector(np.asarray(points, np.float64))
        found = library.geometry.OrientedBoundingBox.create_from_points_minimal(vector)
        center, size, axes = found.center, found.extent, found.R
    except RuntimeError:  # of Qhull: there is no hull
        center, size, axes = box.center, box.size, turn_z(box.yaw)
    order = np.argsort(size, kind="stable")[::-1]
    rotation = np.array(axes)[:, order]
    rotation[:, 2] *= np.sign(np.linalg.det(rotation))
    return OrientedBox(np.array(center), np.array(size)[order], rotation)


def _outline(xy: np.ndarray) -> np.ndarray:
    """(h, 2) corners of the convex hull, in turn; of points on a line, its two ends."""
    try:
        return xy[ConvexHull(xy).vertices]
    except (QhullError, ValueError):  # ValueError: fewer points than the hull of a plane needs
        direction = np.linalg.svd(xy - xy.mean(axis=0), full_matrices=False)[2][0]
        along = xy @ direction
        return xy[[along.argmin(), along.argmax()]]


def _candidate_angles(outline: np.ndarray) -> np.ndarray:
    """(e + 1,) rad in [0, pi/2], ascending: the edges', and 0, never to do worse than the map's axes."""
    edges = np.roll(outline, -1, axis=0) - outline
    edges = edges[(edges != 0).any(axis=1)]
    angles = np.arctan2(edges[:, 1], edges[:, 0]) % (np.pi / 2)
    return np.sort(np.append(angles, 0.0))


def _least_rectangle(outline: np.ndarray, angles: np.ndarray) -> tuple[float, np.ndarray, np.ndarray]:
    """Angle, lower (2,) and upper (2,) corner, in the turned frame, of the smallest rectangle."""
    cos, sin = np.cos(angles)[:, None], np.sin(angles)[:, None]
    x, y = outline[:, 0], outline[:, 1]
    turned = np.stack([cos * x + sin * y, cos * y - sin * x], axis=-1)  # (a, h, 2)
    low, high = turned.min(axis=1), turned.max(axis=1)
    size = high - low
    best = _first_least(size.prod(axis=1), size.sum(axis=1))
    return float(angles[best]), low[best], high[best]


def _first_least(area: np.ndarray, perimeter: np.ndarray) -> int:
    """First of the least areas; where several are equal up to rounding (lines: zero), the least perimeter."""
    tolerance = 1e-9 * perimeter.max() ** 2
    candidates = np.flatnonzero(area <= area.min() + tolerance)
    shortest = perimeter[candidates]
    return int(candidates[np.flatnonzero(shortest <= shortest.min() * (1 + 1e-9))[0]])
