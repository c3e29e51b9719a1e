"""Voxels to pixels with a z-buffer, in numpy: no GPU, no window, the same picture every time."""

from dataclasses import dataclass

import numpy as np
from scipy.ndimage import uniform_filter

from ssen_ros.pictures.camera import Camera

_ROW_BITS, _SIDE_BITS = 32, 2
_DEPTH_STEPS_PER_M = 1e3  # depth is compared in millimetres
_EMPTY = np.iinfo(np.int64).max
_MAX_RADIUS = 24  # px
_EDGE_STEP = 0.25  # m; a deeper step looks no darker
_SIDES = np.array((0.84, 0.92, 1.0), np.float32)  # how bright the sides of a cube are: facing x, y, up
_UP = 2


@dataclass(frozen=True)
class Frame:
    """For every pixel, the point that is seen there."""

    row: np.ndarray  # (H, W) int64, row of the point, -1 where nothing is
    depth: np.ndarray  # (H, W) float32, m, inf where nothing is
    shade: np.ndarray  # (H, W) float32 in 0..1: how bright the side is that is seen; 1 where nothing is

    def colors(self, point_colors: np.ndarray, background: tuple[int, int, int]) -> np.ndarray:
        """(H, W, 3) float32: the colour of the point at each pixel, from (N, 3) uint8."""
        table = np.vstack([point_colors, np.array(background, np.uint8)])
        return table[self.row].astype(np.float32)


@dataclass(frozen=True)
class Stamp:
    """What each point leaves on the picture; orthographic, so it is the same for all."""

    offset: np.ndarray  # (K, 2) int64 px: u, v from the point's own pixel
    depth: np.ndarray  # (K,) float64 m, from the point's own
    side: np.ndarray  # (K,) int64, of _SIDES


def ball(camera: Camera, size: float) -> Stamp:
    """A flat disc of `size` m; one pixel at least."""
    radius = min(max(size * camera.scale / 2.0, 0.5), _MAX_RADIUS)
    dv, du = _around(radius)
    inside = du**2 + dv**2 <= radius**2 + 0.25
    offset = np.stack([du[inside], dv[inside]], axis=1)
    return Stamp(offset, np.zeros(len(offset)), np.full(len(offset), _UP))


def cube(camera: Camera, edge: float) -> Stamp:
    """A cube of `edge` m, its sides along the axes of the map, each evenly lit."""
    half = min(edge / 2.0, _MAX_RADIUS / camera.scale / 2.0)
    dv, du = _around(min(half * camera.scale * 3**0.5 + 1.0, _MAX_RADIUS))
    right, down, forward = camera.axes
    start = (du[..., None] * right + dv[..., None] * down) / camera.scale
    with np.errstate(divide="ignore", invalid="ignore"):
        near = (-np.sign(forward) * half - start) / forward  # where the ray enters each pair of sides
        far = (np.sign(forward) * half - start) / forward
    near, far = np.where(np.isfinite(near), near, -np.inf), np.where(np.isfinite(far), far, np.inf)
    enters, side = near.max(axis=-1), near.argmax(axis=-1)
    hit = enters < far.min(axis=-1)
    if not hit.any():
        return ball(camera, edge)
    return Stamp(np.stack([du[hit], dv[hit]], axis=1), enters[hit], side[hit])


def splat(points: np.ndarray, camera: Camera, width: int, height: int, stamp: Stamp) -> Frame:
    """Stamp each of (N, 3) points, m, on the picture; the nearest wins, then the lowest row."""
    pixels, depth = camera.project(points)
    first = float(depth.min(initial=0.0) + stamp.depth.min())
    reach = int(np.abs(stamp.offset).max())  # the buffer has a margin, so that no stamp is cut
    width, height = width + 2 * reach, height + 2 * reach
    corner = np.floor(pixels).astype(np.int64) + reach
    steps = ((depth - first) * _DEPTH_STEPS_PER_M).astype(np.int64)
    row = np.lexsort((np.arange(len(points)), steps))[::-1]  # the nearest last: of those that are assigned
    steps, (u, v) = steps[row], corner[row].T  # to one pixel at once the last stays
    near = (u >= reach) & (u < width - reach) & (v >= reach) & (v < height - reach)
    row, steps, pixel = row[near], steps[near], (v * width + u)[near]
    buffer = np.full(width * height, _EMPTY, np.int64)
    for (du, dv), deeper, side in zip(stamp.offset, stamp.depth, stamp.side):
        deeper = round(float(deeper) * _DEPTH_STEPS_PER_M)
        packed = ((((steps + deeper) << _SIDE_BITS) | int(side)) << _ROW_BITS) | row
        at = pixel + int(dv * width + du)
        nearer = packed < buffer[at]
        buffer[at[nearer]] = packed[nearer]
    buffer = buffer.reshape(height, width)[reach : height - reach, reach : width - reach]
    empty, high = buffer == _EMPTY, buffer >> _ROW_BITS
    seen = (high >> _SIDE_BITS) / _DEPTH_STEPS_PER_M + first
    return Frame(
        row=np.where(empty, -1, buffer & ((1 << _ROW_BITS) - 1)),
        depth=np.where(empty, np.inf, seen).astype(np.float32),
        shade=np.where(empty, np.float32(1.0), _SIDES[np.minimum(high & ((1 << _SIDE_BITS) - 1), _UP)]),
    )


def _around(radius: float) -> tuple[np.ndarray, np.ndarray]:
    reach = int(np.ceil(radius))
    dv, du = np.mgrid[-reach : reach + 1, -reach : reach + 1]
    return dv, du


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


def nook_shade(depth: np.ndarray, reach: int, strength: float = 1.6, darkest: float = 0.6) -> np.ndarray:
    """(H, W) float32 in darkest..1: darker where the surroundings, `reach` px wide, lie nearer to the viewer.

    Unsharp masking of the depth (T. Luft, C. Colditz, O. Deussen, SIGGRAPH 2006): a soft shadow where things
    stand on the floor or by a wall.
    """
    known, mean = _blurred(depth, reach, times=2)
    shade = 1.0 - strength * np.clip(np.where(known, depth, 0.0) - mean, 0.0, 1.0)
    return np.where(known, np.clip(shade, darkest, 1.0), 1.0).astype(np.float32)


def slope_shade(depth: np.ndarray, axes: np.ndarray, scale: float, reach: int) -> np.ndarray:
    """(H, W) float32 in 0.72..1: upright surfaces darker than level ones, by the light from above.

    The normal comes from the depth, smoothed over `reach` px; `axes` are the camera's, `scale` px per m.
    """
    known, mean = _blurred(depth, reach)
    slope_v, slope_u = (scale * g for g in np.gradient(mean))  # m per m
    # The normal is slope_u * right + slope_v * down - forward; only its z counts.
    z = slope_u * axes[0, 2] + slope_v * axes[1, 2] - axes[2, 2]
    upward = z / np.sqrt(slope_u**2 + slope_v**2 + 1.0)
    return np.where(known, 0.72 + 0.28 * np.clip(upward, 0.0, 1.0), 1.0).astype(np.float32)


def _blurred(depth: np.ndarray, reach: int, times: int = 1) -> tuple[np.ndarray, np.ndarray]:
    """Where anything is, and the mean depth of that within `reach` px around each pixel."""
    known = np.isfinite(depth)
    weight, total = known.astype(np.float32), np.where(known, depth, np.float32(0.0))
    for _ in range(times):  # boxes: as fast for any reach
        weight, total = (uniform_filter(image, 2 * reach + 1) for image in (weight, total))
    return known, total / np.maximum(weight, 1e-6)


def halved(image: np.ndarray) -> np.ndarray:
    """(2H, 2W, 3) float -> (H, W, 3) uint8: the mean of each 2 x 2 block."""
    h, w = image.shape[0] // 2, image.shape[1] // 2
    mean = image.reshape(h, 2, w, 2, 3).mean(axis=(1, 3))
    return np.clip(np.rint(mean), 0, 255).astype(np.uint8)
