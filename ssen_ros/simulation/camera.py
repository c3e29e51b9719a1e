"""A virtual RGB-D camera: what one image sees, and how badly.

Frames: room (see `layout`), map (where SLAM puts its origin), sensor (x right, y down, z forward). Depth
behaves like a structured-light camera: noise grows with the square of the distance (Khoshelham & Elberink
2012), values are quantised in disparity, edges and grazing surfaces are lost or fly between front and back,
glass and black surfaces leave holes.
"""

from dataclasses import dataclass

import numpy as np
from scipy.ndimage import gaussian_filter, maximum_filter, minimum_filter, zoom
from scipy.special import ndtr

from ssen_ros.labels import IGNORE_INDEX
from ssen_ros.simulation.light import Lighting
from ssen_ros.simulation.recipe import Recipe
from ssen_ros.simulation.rooms import Room
from ssen_ros.simulation.scene import Scene

_NEAR = 0.4  # m, nearest depth
_PANE = 0.08  # m after which a ray has left the glass it went through
_BASELINE_FOCAL = 43.5  # m px: 580 px x 0.075 m, disparity = this / depth


@dataclass(frozen=True)
class CameraConfig:
    width: int = 152  # px
    height: int = 114  # px
    frames: int = 0  # of the walk; 0: as many as the floor area asks for


DEFAULT_CAMERA = CameraConfig()


@dataclass(frozen=True)
class Frame:
    """What one image adds to the map, with its truth. Only pixels that have depth."""

    points: np.ndarray  # (n, 3) float32, m, map frame
    colors: np.ndarray  # (n, 3) uint8 RGB
    semantic_label: np.ndarray  # (n,) int8
    instance_label: np.ndarray  # (n,) int16
    map_T_sensor: np.ndarray  # (4, 4) float64, the pose SLAM believes in


class Camera:
    """One camera in one room: its lens, its noise, its exposure."""

    def __init__(self, room: Room, config: CameraConfig, rng: np.random.Generator):
        self._scene = Scene(room)
        self._lighting = Lighting(room, rng)
        self._rng = rng
        self._shape = (config.height, config.width)
        self._focal = config.width / 2 / np.tan(np.radians(rng.uniform(56.0, 70.0)) / 2)
        self._range = rng.uniform(2.6, 4.6 if Recipe.of(room.seed) is Recipe.PLAIN else 5.5)
        self._noise_scale = rng.uniform(0.25, 1.2)
        self._depth_scale = 1.0 + rng.normal(0.0, 0.003)
        self._blind_to_black = rng.uniform(0.1, 0.6)
        self._gain = rng.uniform(0.8, 1.15) if rng.random() < 0.8 else rng.uniform(1.25, 1.8)  # over-exposed
        self._warmth = rng.normal(0.06, 0.07)  # of the white balance, which wanders
        self._blur = rng.uniform(0.3, 1.1)
        self._shutter = rng.uniform(0.01, 0.08)  # share of the motion between two frames that blurs
        self._misfit = np.clip(np.round(rng.normal(0.0, 1.0, 2)), -2, 2)  # px, between colour and depth
        self._saturation = rng.uniform(0.8, 1.4)
        self._shoulder = rng.uniform(0.15, 1.0)  # how softly highlights clip
        self._exposure = 0.0
        self._last_rotation: np.ndarray | None = None

    def capture(self, rotation: np.ndarray, position: np.ndarray, map_T_room: np.ndarray) -> Frame:
        """The image from a room-frame pose: rotation (3, 3) sensor to room, position (3,) m.

        `map_T_room` (4, 4) is where SLAM believes the room to be at this moment.
        """
        rng, (rows, columns) = self._rng, self._shape
        rays = self._rays()
        directions = rays @ rotation.T.astype(np.float32)
        origins = np.ascontiguousarray(np.broadcast_to(position, directions.shape), np.float32)
        triangle, depth, normal = self._scene.cast(origins, directions)
        depth = np.where(triangle >= 0, depth, np.float32(12.0))
        points = origins + directions * depth[:, None]
        travel, reflected = directions, np.zeros(len(depth), bool)
        if self._scene.has_optics:
            triangle, depth, normal, points, travel, reflected = self._beyond(
                triangle, depth, normal, points, directions
            )
        measured, seen = self._measure(depth.reshape(rows, columns))

        near = np.flatnonzero((triangle >= 0) & (depth < self._range + 0.3))  # the rest cannot be measured
        triangle, normal, points, travel = triangle[near], normal[near], points[near], travel[near]
        slant = np.einsum("ij,ij->i", normal, travel)
        normal *= -np.sign(slant)[:, None]
        cosine = np.abs(slant) / np.sqrt(np.einsum("ij,ij->i", travel, travel))
        albedo, dropout = self._scene.surface(triangle, points)
        radiance = np.full((rows * columns, 3), 0.35, np.float32)
        radiance[near] = albedo * self._lighting.shade(self._scene, points, normal)
        colors = self._expose(radiance, rotation)

        black = self._blind_to_black * np.clip((0.12 - albedo.mean(axis=1)) / 0.06, 0.0, 1.0)
        grazing = 1.0 / (1.0 + np.exp((cosine - 0.13) / 0.03))
        keep = near[seen.reshape(-1)[near] & (rng.random(len(near)) > dropout + black + grazing)]
        owner = self._scene.owner(triangle[np.searchsorted(near, keep)])
        semantic, instance = self._scene.semantic_label[owner], self._scene.instance_label[owner]
        semantic[reflected[keep]] = instance[reflected[keep]] = IGNORE_INDEX
        map_T_sensor = np.eye(4)
        map_T_sensor[:3, :3] = map_T_room[:3, :3] @ rotation
        map_T_sensor[:3, 3] = map_T_room[:3, :3] @ position + map_T_room[:3, 3]
        in_sensor = rays[keep] * measured.reshape(-1)[keep, None]
        return Frame(
            points=(in_sensor @ map_T_sensor[:3, :3].T + map_T_sensor[:3, 3]).astype(np.float32),
            colors=colors[keep],
            semantic_label=semantic,
            instance_label=instance,
            map_T_sensor=map_T_sensor,
        )

    def _beyond(self, triangle, depth, normal, points, directions):
        """Follow rays (n,) that hit glass or a mirror to what the camera sees there.

        Gives the triangle, depth and normal found, where that is (n, 3), the direction of arrival (n, 3), and
        whether it is a reflection: its depth is that of its image behind the mirror.
        """
        clear, mirror = self._scene.optics(triangle)
        chance = ndtr(1.3 * _smooth_noise(self._rng, self._shape, 9)).reshape(-1)
        on = np.flatnonzero(chance < clear + mirror)
        reflected, travel = np.zeros(len(depth), bool), directions.copy()
        reflected[on] = chance[on] >= clear[on]
        back = on[reflected[on]]
        travel[back] -= 2.0 * np.einsum("ij,ij->i", travel[back], normal[back])[:, None] * normal[back]
        skip = np.where(reflected[on], np.float32(0.005), np.float32(_PANE))
        origins = np.ascontiguousarray(points[on] + skip[:, None] * travel[on], np.float32)
        hit, further, faces = self._scene.cast(origins, np.ascontiguousarray(travel[on], np.float32))
        further = np.where(hit >= 0, further, np.float32(12.0))
        points = points.copy()
        points[on] = origins + travel[on] * further[:, None]
        triangle, depth, normal = triangle.copy(), depth.copy(), normal.copy()
        triangle[on], depth[on], normal[on] = hit, depth[on] + skip + further, faces
        return triangle, depth, normal, points, travel, reflected

    def _rays(self) -> np.ndarray:
        """(n, 3) float32 viewing directions of the pixels, z = 1, each somewhere within its pixel."""
        rows, columns = self._shape
        v, u = np.mgrid[0:rows, 0:columns].astype(np.float32) + self._rng.random(
            (2, rows, columns), np.float32
        )
        focal = np.float32(self._focal)
        rays = np.stack([(u - columns / 2) / focal, (v - rows / 2) / focal, np.ones_like(u)], axis=-1)
        return rays.reshape(-1, 3)

    def _expose(self, radiance: np.ndarray, rotation: np.ndarray) -> np.ndarray:
        """(n, 3) uint8 of (n, 3) light: automatic exposure, white balance, blur, misfit to depth, noise."""
        rng, (rows, columns) = self._rng, self._shape
        target = np.clip(np.log(0.45 / (float(radiance.mean()) + 0.05)), -0.8, 0.8)
        self._exposure = 0.85 * self._exposure + 0.15 * target + rng.normal(0, 0.02)
        self._warmth += rng.normal(0.0, 0.006)
        white = np.array([1.0 + self._warmth, 1.0, 1.0 - self._warmth])
        image = radiance.reshape(rows, columns, 3) * (self._gain * np.exp(self._exposure) * white).astype(
            np.float32
        )
        grey = image.mean(axis=2, keepdims=True)
        image = grey + np.float32(self._saturation) * (image - grey)
        shift = (self._misfit + rng.integers(-1, 2, 2) * (rng.random(2) < 0.3)).astype(int)
        image = np.roll(image, tuple(shift), axis=(0, 1))
        image = gaussian_filter(image, (*(self._blur + self._smear(rotation)), 0.0))
        image = image / (1.0 + np.float32(self._shoulder) * np.maximum(image - 0.7, 0.0))
        image += np.float32(0.015) * rng.standard_normal(image.shape, np.float32)
        return (np.clip(image, 0.0, 1.0) * 255).astype(np.uint8).reshape(-1, 3)

    def _smear(self, rotation: np.ndarray) -> np.ndarray:
        """(2,) px: how far, down and across, the turn since the last frame blurs the colours."""
        last, self._last_rotation = self._last_rotation, rotation
        if last is None:
            return np.zeros(2)
        forward = last.T @ rotation[:, 2]
        return self._shutter * self._focal * np.abs(forward[[1, 0]]) / max(forward[2], 0.3)

    def _measure(self, depth: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Depth (rows, columns) m as the sensor reports it, and where it reports anything."""
        rng, shape = self._rng, depth.shape
        near, far = minimum_filter(depth, 3), maximum_filter(depth, 3)
        edge = far - near > 0.06 * depth
        sigma = self._noise_scale * (0.001 + 0.0019 * (depth - _NEAR) ** 2)
        noise = 0.6 * rng.standard_normal(shape, np.float32) + 0.8 * _smooth_noise(rng, shape, 7)
        measured = depth * self._depth_scale + sigma * noise
        chance = rng.random(shape)
        flying = edge & (chance < 0.05)
        measured = np.where(flying, near + (np.minimum(far, near + 1.0) - near) * rng.random(shape), measured)
        disparity = _BASELINE_FOCAL / np.clip(measured, 0.2, 20.0)
        measured = _BASELINE_FOCAL / np.maximum(np.round(disparity * 8.0) / 8.0, 0.5)
        hole = _smooth_noise(rng, shape, 12) > 2.1
        seen = (measured > _NEAR) & (measured < self._range) & ~hole & ~(edge & (chance > 0.5))
        return measured, seen


def _smooth_noise(rng: np.random.Generator, shape: tuple[int, int], cell: int) -> np.ndarray:
    """Noise of unit deviation at lattice points `cell` px apart, interpolated."""
    coarse = rng.standard_normal((shape[0] // cell + 2, shape[1] // cell + 2), np.float32)
    return np.asarray(zoom(coarse, cell, order=1))[: shape[0], : shape[1]]
