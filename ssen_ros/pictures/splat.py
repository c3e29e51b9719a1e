"""Points to pixels with a z-buffer, in numpy: no GPU, no window, the same picture every time."""

from dataclasses import dataclass

import numpy as np
from scipy.ndimage import uniform_filter

from ssen_ros.pictures.camera import Camera

_ROW_BITS = 32
_DEPTH_STEPS_PER_M = 1e4  # depth is compared in tenths of a millimetre
_EMPTY = np.iinfo(np.int64).max
_MAX_RADIUS = 24  # px
_EDGE_STEP = 0.25  # m; a deeper step looks no darker


@dataclass(frozen=True)
class Frame:
    """For every pixel, the point that is seen there."""

    row: np.ndarray  # (H, W) int64, row of the point, -1 where nothing is
    depth: np.ndarray  # (H, W) float32, m, inf where nothing is

    def colors(self, point_colors: np.ndarray, background: tuple[int, int, int]) -> np.ndarray:
        """(H, W, 3) float32: the colour of the point at each pixel, from (N, 3) uint8."""
        table = np.vstack([point_colors, np.array(background, np.uint8)])
        return table[self.row].astype(np.float32)


def splat(points: np.ndarray, camera: Camera, width: int, height: int, point_size: float) -> Frame:
    """Draw each of (N, 3) points as a disc of `point_size` m; the nearest wins, then the lowest row."""
    pixels, depth = camera.project(points)
    first = float(depth.min(initial=0.0))
    steps = ((depth - first) * _DEPTH_STEPS_PER_M).astype(np.int64)
    packed = (steps << _ROW_BITS) | np.arange(len(points))
    buffer = np.full(width * height, _EMPTY, np.int64)
    corner = np.floor(pixels).astype(np.int64)
    for du, dv in _disc(point_size * camera.scale / 2.0):
        u, v = corner[:, 0] + du, corner[:, 1] + dv
        inside = (u >= 0) & (u < width) & (v >= 0) & (v < height)
        np.minimum.at(buffer, v[inside] * width + u[inside], packed[inside])
    buffer = buffer.reshape(height, width)
    empty = buffer == _EMPTY
    row = np.where(empty, -1, buffer & ((1 << _ROW_BITS) - 1))
    seen = (buffer >> _ROW_BITS) / _DEPTH_STEPS_PER_M + first
    return Frame(row, np.where(empty, np.inf, seen).astype(np.float32))


def _disc(radius: float) -> np.ndarray:
    """(K, 2) pixel offsets of a disc; one pixel at least."""
    radius = min(max(radius, 0.5), _MAX_RADIUS)
    reach = int(np.ceil(radius))
    dv, du = np.mgrid[-reach : reach + 1, -reach : reach + 1]
    inside = du**2 + dv**2 <= radius**2 + 0.25
    return np.stack([du[inside], dv[inside]], axis=1)


def edge_shade(depth: np.ndarray, reach: int, tolerance: float, darkest: float = 0.4) -> np.ndarray:
    """(H, W) float32 in darkest..1: darker where neighbours `reach` px away lie nearer to the viewer.

    Steps below `tolerance` m, the roughness of the voxels, do not count.
    Eye-dome lighting (C. Boucheny, PhD thesis, 2009): shows shape without normals.
    """
    padded = np.pad(depth, reach, constant_values=np.inf)
    height, width = depth.shape
    obscurance = np.zeros_like(depth)
    near = np.where(np.isfinite(depth), depth, 0.0)  # the background is never obscured
    offsets = [(dv, du) for dv in (-reach, 0, reach) for du in (-reach, 0, reach) if (dv, du) != (0, 0)]
    for dv, du in offsets:
        neighbour = padded[reach + dv : reach + dv + height, reach + du : reach + du + width]
        obscurance += np.clip(near - neighbour - tolerance, 0.0, _EDGE_STEP)
    shade = np.exp(-2.5 * obscurance / (len(offsets) * _EDGE_STEP))
    return np.maximum(shade, darkest).astype(np.float32)


def slope_shade(depth: np.ndarray, axes: np.ndarray, scale: float, reach: int) -> np.ndarray:
    """(H, W) float32 in 0.72..1: upright surfaces darker than level ones, by the light from above.

    The normal comes from the depth, smoothed over `reach` px; `axes` are the camera's, `scale` px per m.
    """
    known = np.isfinite(depth)
    weight = uniform_filter(known.astype(np.float32), 2 * reach + 1)
    mean = uniform_filter(np.where(known, depth, 0.0), 2 * reach + 1) / np.maximum(weight, 1e-6)
    slope_v, slope_u = (scale * g for g in np.gradient(mean))  # m per m
    # The normal is slope_u * right + slope_v * down - forward; only its z counts.
    z = slope_u * axes[0, 2] + slope_v * axes[1, 2] - axes[2, 2]
    upward = z / np.sqrt(slope_u**2 + slope_v**2 + 1.0)
    return np.where(known, 0.72 + 0.28 * np.clip(upward, 0.0, 1.0), 1.0).astype(np.float32)


def halved(image: np.ndarray) -> np.ndarray:
    """(2H, 2W, 3) float -> (H, W, 3) uint8: the mean of each 2 x 2 block."""
    h, w = image.shape[0] // 2, image.shape[1] // 2
    mean = image.reshape(h, 2, w, 2, 3).mean(axis=(1, 3))
    return np.clip(np.rint(mean), 0, 255).astype(np.uint8)
