"""Light in a room: what reaches the corners, several lamps, the sun through the windows."""

import numpy as np

from ssen_ros.labels import CLASS_NAMES
from ssen_ros.simulation.recipe import Recipe
from ssen_ros.simulation.rooms import Room
from ssen_ros.simulation.scene import Scene

_NEARBY = 0.5  # m within which surroundings take away ambient light
_SHADOWING_LAMPS = 2  # the brightest; the others only fill


class Lighting:
    """Every shadow ray goes to a random point of its lamp: soft shadows once voxels average them."""

    def __init__(self, room: Room, rng: np.random.Generator):
        w, d, h = room.size
        area = sum(float(np.ptp(floor[:, 0]) * np.ptp(floor[:, 1])) for floor in room.floors)
        count = int(rng.integers(1, 4)) + int(area / 14.0)
        inside = [_somewhere(room.floors[rng.integers(len(room.floors))], rng) for _ in range(count)]
        heights = np.where(rng.random(count) < 0.75, h - 0.15, rng.uniform(1.0, 1.8, count))
        self._lamps = np.column_stack([inside, heights]).astype(np.float32)
        self._power = -np.sort(-rng.uniform(0.4, 1.3, count)).astype(np.float32)
        self._tint = (1.0 + rng.normal(0.0, 0.06, (count, 3))).astype(np.float32)
        self._size = rng.uniform(0.03, 0.3)  # m
        self._ambient = np.float32(rng.uniform(0.3, 0.65))
        is_plain = Recipe.of(room.seed) is Recipe.PLAIN
        self._bounce = np.float32(0.0 if is_plain else rng.uniform(0.1, 0.6))  # from the floor to the ceiling
        self._rng = rng
        self._windows = _openings(room)
        self._sun = np.float32(rng.uniform(1.0, 3.0) if rng.random() < 0.4 else 0.0)
        height, heading = rng.uniform(0.3, 1.0), rng.uniform(0.0, 2.0 * np.pi)
        self._to_sun = np.array(
            [np.cos(height) * np.cos(heading), np.cos(height) * np.sin(heading), np.sin(height)], np.float32
        )

    def shade(self, scene: Scene, points: np.ndarray, normals: np.ndarray) -> np.ndarray:
        """(n, 3) light falling on (n, 3) points with unit normals facing the viewer."""
        origins = np.ascontiguousarray(points + 0.01 * normals, np.float32)
        around = normals + 0.9 * self._unit_vectors(len(points))
        closed = scene.is_blocked(origins, origins + np.float32(_NEARBY) * around)
        ambient = self._ambient * (0.85 + 0.15 * normals[:, 2]) * np.where(closed, np.float32(0.6), 1.0)
        ambient += self._bounce * np.clip(-normals[:, 2], 0.0, 1.0)
        light = np.repeat(ambient[:, None], 3, axis=1)
        for k, lamp in enumerate(self._lamps):
            ray = lamp - points
            distance = np.sqrt(np.einsum("ij,ij->i", ray, ray))
            lambert = np.clip(np.einsum("ij,ij->i", normals, ray) / distance, 0.0, 1.0)
            level = self._power[k] * lambert / (0.6 + (distance / 2.2) ** 2)
            if k < _SHADOWING_LAMPS:
                lit = np.flatnonzero(level > 0.02)
                spread = lamp + self._size * self._unit_vectors(len(lit))
                level[lit] *= np.where(
                    scene.is_blocked(origins[lit], spread), np.float32(0.2), np.float32(1.0)
                )
            light += level[:, None] * self._tint[k]
        if self._sun:
            lit = self._sunny(scene, origins, normals)
            light[lit] += self._sun * np.clip(normals[lit] @ self._to_sun, 0.0, 1.0)[:, None]
        return light

    def _sunny(self, scene: Scene, origins: np.ndarray, normals: np.ndarray) -> np.ndarray:
        """Rows of the points that see the sun through a window."""
        facing = np.flatnonzero(normals @ self._to_sun > 0.05)
        seen = np.zeros(len(facing), bool)
        for center, along, inward, half_width, half_height in self._windows:
            approach = float(self._to_sun @ inward)
            if approach > -0.1:  # the sun stands on the other side of that wall
                continue
            reach = (center - origins[facing]) @ inward / approach
            at = origins[facing] + reach[:, None] * self._to_sun - center
            inside = (np.abs(at @ along) < half_width) & (np.abs(at[:, 2]) < half_height) & (reach > 0)
            rows = np.flatnonzero(inside)
            target = origins[facing[rows]] + (reach[rows, None] - 0.25) * self._to_sun
            seen[rows] |= ~scene.is_blocked(origins[facing[rows]], target)
        return facing[seen]

    def _unit_vectors(self, count: int) -> np.ndarray:
        vectors = self._rng.standard_normal((count, 3), np.float32)
        return vectors / np.sqrt(np.einsum("ij,ij->i", vectors, vectors))[:, None]


def _somewhere(floor: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    low, high = floor.min(axis=0), floor.max(axis=0)
    return low + rng.uniform(0.15, 0.85, 2) * (high - low)


def _openings(room: Room) -> list[tuple]:
    """Centre, unit vectors along and into the room (float32), half width and height, m, of each window."""
    openings = []
    for placed in room.objects:
        if placed.class_id == CLASS_NAMES.index("window"):
            middle = (placed.mesh.lower + placed.mesh.upper) / 2
            along = placed.at((1.0, 0.0, 0.0)) - placed.position
            inward = placed.at((0.0, -1.0, 0.0)) - placed.position
            center = placed.at((middle[0], 0.0, middle[2]))
            half = placed.mesh.size / 2
            openings.append((*(a.astype(np.float32) for a in (center, along, inward)), half[0], half[2]))
    return openings
