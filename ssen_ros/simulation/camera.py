"""A hand-held RGB-D camera on a walk through a room: where it goes, what it sees, how badly.

Frames: room (see `layout`), map (where SLAM puts its origin: room turned and shifted), sensor
(x right, y down, z forward). Depth behaves like a structured-light camera: noise grows with the
square of the distance (Khoshelham & Elberink 2012), values are quantised in disparity, edges and
grazing surfaces are lost or fly between front and back.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from scipy.ndimage import gaussian_filter, maximum_filter, minimum_filter, zoom

from ssen_ros.errors import SsenError
from ssen_ros.rotations import turn_z
from ssen_ros.simulation.layout import footprint, overlap
from ssen_ros.simulation.materials import MaterialTable
from ssen_ros.simulation.rooms import Room

_NEAR = 0.4  # m, nearest depth
_BASELINE_FOCAL = 43.5  # m px: 580 px x 0.075 m, disparity = this / depth
_BODY = 0.3  # m, side of the square the walker needs


@dataclass(frozen=True)
class CameraConfig:
    width: int = 112  # px
    height: int = 84  # px
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


class Scene:
    """The room as triangles that rays can be cast at; room frame. Raises SsenError without embreex."""

    def __init__(self, room: Room):
        objects = room.objects
        vertices, faces, materials, material, owner = [], [], [], [], []
        count = 0
        for row, placed in enumerate(objects):
            mesh = placed.mesh
            vertices.append(mesh.vertices @ turn_z(placed.yaw).T + placed.position)
            faces.append(mesh.faces + count)
            material.append(mesh.material + len(materials))
            materials += mesh.materials
            owner.append(np.full(len(mesh.faces), row))
            count += len(mesh.vertices)
        corners = np.concatenate(vertices).astype(np.float32)[np.concatenate(faces)]
        self._embree = _embree_scene(corners)
        self._material = np.concatenate(material)
        self._table = MaterialTable(materials)
        self._owner = np.concatenate(owner)
        self._position = np.array([o.position for o in objects], np.float32)
        self._cos = np.cos([o.yaw for o in objects]).astype(np.float32)
        self._sin = np.sin([o.yaw for o in objects]).astype(np.float32)
        self.semantic_label = np.array([o.class_id for o in objects], np.int8)
        self.instance_label = np.array([o.instance_id for o in objects], np.int16)

    def cast(self, origins: np.ndarray, directions: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Triangle (n,) or -1, distance (n,) in direction lengths and unit normal (n, 3) of (n, 3) rays."""
        hit = self._embree.run(origins, directions, output=1)
        normal = hit["Ng"]
        length = np.maximum(np.linalg.norm(normal, axis=1, keepdims=True), 1e-12)
        return hit["primID"].astype(np.int64), hit["tfar"], normal / length

    def is_blocked(self, origins: np.ndarray, targets: np.ndarray) -> np.ndarray:
        """(n,) bool: something stands between two points, (n, 3) m each."""
        hit = self._embree.run(origins, np.ascontiguousarray(targets - origins, np.float32), output=1)
        return (hit["primID"] >= 0) & (hit["tfar"] < 0.98)

    def owner(self, triangle: np.ndarray) -> np.ndarray:
        """(n,) row of the room's objects that each triangle belongs to."""
        return self._owner[triangle]

    def surface(self, triangle: np.ndarray, points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Albedo (n, 3) in 0..1 and chance (n,) of losing the depth, at (n, 3) points on (n,) triangles."""
        row, material = self._owner[triangle], self._material[triangle]
        d = points - self._position[row]
        c, s = self._cos[row], self._sin[row]
        local = np.stack([c * d[:, 0] + s * d[:, 1], c * d[:, 1] - s * d[:, 0], d[:, 2]], axis=1)
        return self._table.colors(material, local), self._table.dropout[material]


def _embree_scene(corners: np.ndarray):
    """An embreex scene of (m, 3, 3) triangle corners."""
    try:
        from embreex.mesh_construction import TriangleMesh
        from embreex.rtcore_scene import EmbreeScene
    except ImportError as error:
        raise SsenError(
            f"the simulator casts its rays with embreex, which does not import here ({error}); "
            "`pip install embreex`, whose wheels are for x86-64 only"
        ) from error
    scene = EmbreeScene()
    TriangleMesh(scene, np.ascontiguousarray(corners))
    return scene


class Lighting:
    """Ambient light and a few lamps; the first one casts shadows."""

    def __init__(self, room: Room, rng: np.random.Generator):
        w, d, h = room.size
        count = int(rng.integers(1, 4))
        fraction = rng.uniform(0.15, 0.85, (count, 2))
        heights = np.where(rng.random(count) < 0.75, h - 0.1, rng.uniform(1.0, 1.8, count))
        self._lamps = np.column_stack([fraction * (w, d), heights]).astype(np.float32)
        self._power = rng.uniform(0.5, 1.2, count).astype(np.float32)
        self._tint = (1.0 + rng.normal(0.0, 0.05, (count, 3))).astype(np.float32)
        self._ambient = rng.uniform(0.35, 0.65)

    def shade(self, scene: Scene, points: np.ndarray, normals: np.ndarray) -> np.ndarray:
        """(n, 3) light falling on (n, 3) points with unit normals facing the viewer."""
        light = np.repeat(self._ambient * (0.85 + 0.15 * normals[:, 2:]), 3, axis=1)
        origins = np.ascontiguousarray(points + 0.01 * normals, np.float32)
        for k, lamp in enumerate(self._lamps):
            ray = lamp - points
            distance = np.linalg.norm(ray, axis=1)
            lambert = np.clip((normals * ray).sum(axis=1) / distance, 0.0, 1.0)
            level = self._power[k] * lambert / (0.6 + (distance / 2.2) ** 2)
            if k == 0:
                shadow = scene.is_blocked(origins, np.broadcast_to(lamp, points.shape))
                level *= np.where(shadow, np.float32(0.25), np.float32(1.0))
            light += level[:, None] * self._tint[k]
        return light


class Drift:
    """The slowly wandering error of the estimated pose; pulled back as loop closures would."""

    def __init__(self, rng: np.random.Generator):
        self._rng = rng
        self._scale = rng.uniform(0.0, 1.0) ** 2
        self._shift = np.zeros(3)
        self._angles = np.zeros(3)

    def step(self) -> tuple[np.ndarray, np.ndarray]:
        """Rotation (3, 3) and translation (3,) m of the next frame's error."""
        self._shift = 0.985 * self._shift + self._rng.normal(0.0, 0.0025 * self._scale, 3)
        self._angles = 0.985 * self._angles + self._rng.normal(0.0, 0.0011 * self._scale, 3)
        a, b, c = self._angles
        skew = np.array([[0.0, -c, b], [c, 0.0, -a], [-b, a, 0.0]])
        return np.eye(3) + skew + skew @ skew / 2, self._shift


class Camera:
    """One camera in one room: its lens, its noise, its exposure."""

    def __init__(self, room: Room, config: CameraConfig, rng: np.random.Generator):
        self._scene = Scene(room)
        self._lighting = Lighting(room, rng)
        self._drift = Drift(rng)
        self._rng = rng
        self._shape = (config.height, config.width)
        self._focal = config.width / 2 / np.tan(np.radians(rng.uniform(56.0, 68.0)) / 2)
        self._range = rng.uniform(2.8, 4.6)
        self._noise_scale = rng.uniform(0.25, 1.1)
        self._depth_scale = 1.0 + rng.normal(0.0, 0.003)
        self._gain = rng.uniform(0.8, 1.15)
        self._white = 1.0 + rng.normal(0.0, 0.06, 3)
        self._blur = rng.uniform(0.3, 1.1)
        self._misfit = np.clip(np.round(rng.normal(0.0, 0.9, 2)), -2, 2)  # px, between colour and depth
        self._saturation = rng.uniform(0.8, 1.5)
        self._exposure = 0.25
        self._room_center = np.array([room.size[0] / 2, room.size[1] / 2, 0.0])
        self._map_R_room = turn_z(rng.uniform(0.0, 2.0 * np.pi))
        self._map_t_room = np.append(rng.uniform(-3.0, 3.0, 2), rng.normal(0.0, 0.005))

    def capture(self, rotation: np.ndarray, position: np.ndarray) -> Frame:
        """The image from a room-frame pose: rotation (3, 3) sensor to room, position (3,) m."""
        rng, (rows, columns) = self._rng, self._shape
        rays = self._rays()
        directions = rays @ rotation.T.astype(np.float32)
        origins = np.ascontiguousarray(np.broadcast_to(position, directions.shape), np.float32)
        triangle, depth, normal = self._scene.cast(origins, directions)
        hit = triangle >= 0
        triangle = np.where(hit, triangle, 0)
        depth = np.where(hit, depth, 12.0)
        points = origins + directions * depth[:, None]
        slant = (normal * directions).sum(axis=1)
        normal *= -np.sign(slant)[:, None]
        cosine = np.abs(slant) / np.linalg.norm(directions, axis=1)

        albedo, dropout = self._scene.surface(triangle, points)
        colors = self._expose(albedo * self._lighting.shade(self._scene, points, normal))
        measured, seen = self._measure(depth.reshape(rows, columns))
        dark = albedo.mean(axis=1) < 0.06
        lost = rng.random(len(depth)) < dropout + 0.25 * dark + 1.0 / (1.0 + np.exp((cosine - 0.13) / 0.03))
        keep = hit & seen.reshape(-1) & ~lost
        owner = self._scene.owner(triangle[keep])
        map_T_sensor = self._believed_pose(rotation, position)
        in_sensor = rays[keep] * measured.reshape(-1)[keep, None]
        return Frame(
            points=(in_sensor @ map_T_sensor[:3, :3].T + map_T_sensor[:3, 3]).astype(np.float32),
            colors=colors[keep],
            semantic_label=self._scene.semantic_label[owner],
            instance_label=self._scene.instance_label[owner],
            map_T_sensor=map_T_sensor,
        )

    def _rays(self) -> np.ndarray:
        """(n, 3) float32 viewing directions of the pixels, z = 1, each somewhere within its pixel."""
        rows, columns = self._shape
        v, u = np.mgrid[0:rows, 0:columns].astype(np.float32) + self._rng.random(
            (2, rows, columns), np.float32
        )
        focal = np.float32(self._focal)
        rays = np.stack([(u - columns / 2) / focal, (v - rows / 2) / focal, np.ones_like(u)], axis=-1)
        return rays.reshape(-1, 3)

    def _expose(self, radiance: np.ndarray) -> np.ndarray:
        """(n, 3) uint8 of (n, 3) light: automatic exposure, white balance, blur, misfit to depth, noise."""
        rng, (rows, columns) = self._rng, self._shape
        mean = float(radiance.mean()) + 0.05
        self._exposure = (
            0.85 * self._exposure + 0.15 * np.clip(np.log(0.55 / mean), -0.6, 0.6) + rng.normal(0, 0.02)
        )
        level = (self._gain * np.exp(self._exposure) * self._white).astype(np.float32)
        image = radiance.reshape(rows, columns, 3) * level
        grey = image.mean(axis=2, keepdims=True)
        image = grey + np.float32(self._saturation) * (image - grey)
        shift = (self._misfit + rng.integers(-1, 2, 2) * (rng.random(2) < 0.3)).astype(int)
        image = np.roll(image, tuple(shift), axis=(0, 1))
        image = gaussian_filter(image, (self._blur, self._blur, 0.0))
        image = image / (1.0 + np.maximum(image - 0.7, 0.0))  # soft shoulder instead of hard clipping
        image += np.float32(0.015) * rng.standard_normal(image.shape, np.float32)
        return (np.clip(image, 0.0, 1.0) * 255).astype(np.uint8).reshape(-1, 3)

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

    def _believed_pose(self, rotation: np.ndarray, position: np.ndarray) -> np.ndarray:
        turn, shift = self._drift.step()
        pose = np.eye(4)
        pose[:3, :3] = self._map_R_room @ turn @ rotation
        pose[:3, 3] = self._map_R_room @ (turn @ (position - self._room_center) + shift) + self._map_t_room
        return pose


def _smooth_noise(rng: np.random.Generator, shape: tuple[int, int], cell: int) -> np.ndarray:
    """Noise of unit deviation at lattice points `cell` px apart, interpolated."""
    coarse = rng.standard_normal((shape[0] // cell + 2, shape[1] // cell + 2), np.float32)
    return zoom(coarse, cell, order=1)[: shape[0], : shape[1]]


def plan_walk(room: Room, config: CameraConfig, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Camera poses in the room frame: rotations (F, 3, 3) sensor to room and positions (F, 3) m."""
    area = room.size[0] * room.size[1]
    frames = config.frames or int(np.clip((60 + 2.2 * area) * rng.uniform(0.8, 1.2), 64, 120))
    eye = rng.uniform(1.0, 1.65)
    path = _path(room, eye, frames, rng)
    step = np.arange(frames)
    position = np.column_stack(
        [path, eye + 0.06 * np.sin(step / rng.uniform(5, 11)) + rng.normal(0, 0.01, frames)]
    )
    yaw = _headings(frames, rng)
    lean = 0.35 * np.clip((3.4 - min(room.size[:2])) / 1.4, 0.0, 1.0)  # in a small room one looks down
    tilt, swing = rng.uniform(-0.42, -0.12) - lean, rng.uniform(0.12, 0.36)
    pitch = (
        tilt + swing * np.sin(step / rng.uniform(3.0, 7.0) + rng.uniform(0, 6)) + rng.normal(0, 0.03, frames)
    )
    roll = rng.normal(0.0, 0.04, frames)
    return np.stack([_look(*angles) for angles in zip(yaw, pitch, roll)]), position


def _headings(frames: int, rng: np.random.Generator) -> np.ndarray:
    """(F,) rad: all round, or, one time in three, only over one part of the room."""
    start = rng.uniform(0.0, 2.0 * np.pi)
    if rng.random() < 0.67:
        return start + np.cumsum(_turn_rates(frames, rng))
    reach, pace = rng.uniform(0.8, 1.7), rng.uniform(5.0, 10.0)
    return start + reach * np.sin(np.arange(frames) / pace) + rng.normal(0.0, 0.05, frames)


def _turn_rates(frames: int, rng: np.random.Generator) -> np.ndarray:
    """(F,) rad per frame: steady sweeps that now and then change direction."""
    sign, rates = rng.choice([-1.0, 1.0]), np.empty(frames)
    rate = rng.uniform(0.13, 0.26)
    for k in range(frames):
        if rng.random() < 0.035:
            sign = -sign
        rates[k] = sign * rate
    return gaussian_filter(rates, 1.5) + rng.normal(0.0, 0.04, frames)


def _look(yaw: float, pitch: float, roll: float) -> np.ndarray:
    """(3, 3) sensor to room: heading, elevation and roll, rad."""
    forward = np.array([np.cos(yaw) * np.cos(pitch), np.sin(yaw) * np.cos(pitch), np.sin(pitch)])
    right = np.array([np.sin(yaw), -np.cos(yaw), 0.0])
    down = np.cross(forward, right)
    c, s = np.cos(roll), np.sin(roll)
    return np.stack([c * right + s * down, c * down - s * right, forward], axis=1)


def _path(room: Room, eye: float, frames: int, rng: np.random.Generator) -> np.ndarray:
    """(F, 2) m: a tour of free places; legs that would cross tall things are avoided where possible."""
    tall = [o.outline for o in room.obstacles if o.top > eye - 0.25]

    def is_clear(start: np.ndarray, end: np.ndarray) -> bool:
        heading = end - start
        length = float(np.linalg.norm(heading))
        outline = footprint((start + end) / 2, np.arctan2(heading[1], heading[0]), length + _BODY, _BODY)
        return not any(overlap(outline, other) for other in tall)

    low, high = np.full(2, 0.35), np.array(room.size[:2]) - 0.35
    places = [p for p in rng.uniform(low, high, (300, 2)) if is_clear(p, p)] or [np.array(room.size[:2]) / 2]
    tour = [places[0]]
    for _ in range(int(rng.integers(6, 11))):
        options = [places[i] for i in rng.integers(0, len(places), 24)]
        reachable = [p for p in options if is_clear(tour[-1], p)] or [tour[-1]]
        tour.append(max(reachable, key=lambda p: min(float(np.linalg.norm(p - q)) for q in tour)))
    tour = np.array(tour)
    distance = np.append(0.0, np.cumsum(np.linalg.norm(np.diff(tour, axis=0), axis=1)))
    at = np.linspace(0.0, distance[-1], frames)
    return np.column_stack([np.interp(at, distance, tour[:, k]) for k in (0, 1)])


def walk(room: Room, config: CameraConfig = DEFAULT_CAMERA) -> "Walk":
    """The walk that belongs to a room: iterate it for frames, `len` says how many."""
    return Walk(room, config)


class Walk:
    """A planned walk; every iteration starts anew and gives identical frames."""

    def __init__(self, room: Room, config: CameraConfig):
        self._room, self._config = room, config
        self._rotations, self._positions = plan_walk(room, config, np.random.default_rng((21, room.seed)))

    def __len__(self) -> int:
        return len(self._positions)

    def __iter__(self) -> Iterator[Frame]:
        # Made here, not at the first frame: what the camera lacks is told before the walk begins.
        camera = Camera(self._room, self._config, np.random.default_rng((22, self._room.seed)))
        return (camera.capture(*pose) for pose in zip(self._rotations, self._positions))
