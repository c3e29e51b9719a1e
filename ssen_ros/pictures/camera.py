"""An oblique, orthographic bird's-eye camera that fits a cloud to a picture.

Camera axes: u to the right, v down, depth away from the viewer. Orthographic, so a voxel covers the same
number of pixels everywhere and lengths can be compared across the picture.
"""

from dataclasses import dataclass

import numpy as np

_LEAST_EXTENT = 0.5  # m: no endless zoom on a dot


@dataclass(frozen=True)
class Camera:
    """Maps metres in the map frame to pixels and depth."""

    axes: np.ndarray  # (3, 3) float64, rows: right, down, forward (unit vectors, map frame)
    scale: float  # px per m
    offset: np.ndarray  # (2,) float64, px

    def project(self, points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """(N, 3) m -> ((N, 2) float pixels u, v; (N,) depth in m, smaller is nearer)."""
        local = points.astype(np.float64) @ self.axes.T
        return local[:, :2] * self.scale + self.offset, local[:, 2]

    def zoomed(self, factor: float) -> "Camera":
        """The same view on a picture `factor` times as large."""
        return Camera(self.axes, self.scale * factor, self.offset * factor)


def view_axes(azimuth: float, elevation: float) -> np.ndarray:
    """Axes of a camera that stands at `azimuth` (rad, from +X) and `elevation` (rad) and looks at the map."""
    toward_camera = np.array([np.cos(azimuth), np.sin(azimuth)])
    forward = np.array([*(-toward_camera * np.cos(elevation)), -np.sin(elevation)])
    right = np.array([-toward_camera[1], toward_camera[0], 0.0])
    return np.stack([right, np.cross(forward, right), forward])


def extent(points: np.ndarray, axes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Lowest and highest (2,) coordinates (right, down) of (N, 3) points, m; half a metre apart at least."""
    flat = points.astype(np.float64) @ axes[:2].T
    low, high = flat.min(axis=0), flat.max(axis=0)
    lacking = np.maximum(_LEAST_EXTENT - (high - low), 0.0) / 2.0
    return low - lacking, high + lacking


def fit_camera(points: np.ndarray, axes: np.ndarray, width: int, height: int, margin: int) -> Camera:
    """The camera that shows all `points` (N, 3), centred, at least `margin` px from the picture's edges."""
    low, high = extent(points, axes)
    free = np.array([width - 2 * margin, height - 2 * margin], dtype=np.float64)
    scale = float((free / (high - low)).min())
    offset = np.array([width, height]) / 2.0 - (low + high) / 2.0 * scale
    return Camera(axes, scale, offset)
