"""Where the camera goes, and where SLAM believes it to be.

A person carries the camera at eye height and looks down at things; a robot holds it low and level. The
estimated pose drifts; some walks close a loop, and all earlier poses snap back towards the truth.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
from scipy.ndimage import binary_erosion, gaussian_filter
from scipy.sparse import csr_matrix
from scipy.sparse.csgraph import dijkstra

from ssen_ros.rotations import turn_x, turn_z
from ssen_ros.simulation.camera import DEFAULT_CAMERA, Camera, CameraConfig, Frame
from ssen_ros.simulation.recipe import Recipe
from ssen_ros.simulation.rooms import Room

_CELL = 0.1  # m, of the plan that paths are searched on
_BODY = 2  # cells that a walker keeps from tall things
_FEW = 5  # frames of a partial map, at most
_CLOSED = 0.9  # share of the drift that a loop closure takes away


@dataclass(frozen=True)
class Trajectory:
    """Camera poses in the room frame."""

    rotations: np.ndarray  # (F, 3, 3) sensor to room
    positions: np.ndarray  # (F, 3) m


def plan_trajectory(room: Room, config: CameraConfig, rng: np.random.Generator) -> Trajectory:
    """A walk through the room; a varied one may see little of it, or the ceiling, or no floor."""
    if Recipe.of(room.seed) is Recipe.PLAIN:
        return _tour(room, config, rng)
    pick = rng.choice(4, p=[0.17, 0.13, 0.35, 0.35])
    if pick == 0 and not config.frames:
        return _glance(room, rng)
    tour = _tour(room, config, rng)
    if pick == 1:  # stands, and turns round
        sway = gaussian_filter(rng.normal(0.0, 0.35, tour.positions.shape), (4.0, 0.0))
        here = tour.positions[rng.integers(len(tour.positions))]
        return replace(tour, positions=here + sway * (1.0, 1.0, 0.3))
    if pick == 2:  # looks up: always a little, or now and then
        steps = np.arange(len(tour.rotations))
        up = rng.uniform(0.2, 0.85) + rng.uniform(0.0, 0.6) * np.sin(steps / rng.uniform(3.0, 12.0))
        return replace(tour, rotations=np.stack([r @ turn_x(a) for r, a in zip(tour.rotations, up)]))
    return tour


def _glance(room: Room, rng: np.random.Generator) -> Trajectory:
    """One to five frames from nearly one place, towards somewhere else in the room."""
    frames, eye = int(rng.integers(1, _FEW + 1)), rng.uniform(0.6, 1.7)
    path = _path(room, eye - 0.25, 60, rng)
    here = path[rng.integers(len(path))]
    apart = np.linalg.norm(path - here, axis=1)
    ahead = path[np.abs(apart - rng.uniform(1.0, 2.5)).argmin()] - here
    yaw = np.arctan2(ahead[1], ahead[0]) + np.cumsum(rng.normal(0.0, 0.25, frames))
    pitch = rng.uniform(-0.65, 0.2) + np.cumsum(rng.normal(0.0, 0.06, frames))
    steps = np.cumsum(rng.normal(0.0, 0.06, (frames, 3)), axis=0)
    rotations = np.stack([_look(a, b, rng.normal(0.0, 0.04)) for a, b in zip(yaw, pitch)])
    return Trajectory(rotations, np.append(here, eye) + steps)


def _tour(room: Room, config: CameraConfig, rng: np.random.Generator) -> Trajectory:
    area = sum(float(np.prod(np.ptp(floor, axis=0))) for floor in room.floors)
    whole = int(np.clip((60 + 2.2 * area) * rng.uniform(0.8, 1.2), 64, 170))
    frames = config.frames or int(whole * (rng.uniform(0.35, 0.8) if rng.random() < 0.2 else 1.0))
    is_robot = rng.random() < 0.25
    eye = rng.uniform(0.35, 1.1) if is_robot else rng.uniform(1.0, 1.7)
    path = _path(room, 0.3 if is_robot else eye - 0.25, frames, rng)
    step = np.arange(frames)
    if is_robot:
        yaw = _driven_headings(path, rng)
        pitch = rng.uniform(-0.3, 0.15) + rng.normal(0.0, 0.005, frames)
        roll = rng.normal(0.0, 0.004, frames)
        height = np.full(frames, eye)
    else:
        yaw = _headings(frames, rng)
        lean = 0.35 * np.clip((3.4 - min(room.size[:2])) / 1.4, 0.0, 1.0)  # in a small room one looks down
        tilt, swing = rng.uniform(-0.55, -0.12) - lean, rng.uniform(0.12, 0.36)
        sway = swing * np.sin(step / rng.uniform(3.0, 7.0) + rng.uniform(0, 6))
        pitch, roll = tilt + sway + rng.normal(0, 0.03, frames), rng.normal(0.0, 0.04, frames)
        height = eye + 0.06 * np.sin(step / rng.uniform(5, 11)) + rng.normal(0, 0.01, frames)
    rotations = np.stack([_look(*angles) for angles in zip(yaw, pitch, roll)])
    return Trajectory(rotations, np.column_stack([path, height]))


def _driven_headings(path: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """(F,) rad: along the way, with turns on the spot to look round."""
    ahead = np.gradient(gaussian_filter(path, (2.0, 0.0)), axis=0)
    heading = np.unwrap(np.arctan2(ahead[:, 1], ahead[:, 0] + 1e-9))
    spins = np.zeros(len(path))
    for _ in range(int(rng.integers(1, 4))):
        start, length = int(rng.integers(0, len(path))), int(rng.integers(12, 30))
        spins[start : start + length] += rng.choice([-1, 1]) * rng.uniform(0.12, 0.25)
    return heading + np.cumsum(spins)


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


def _path(room: Room, clear: float, frames: int, rng: np.random.Generator) -> np.ndarray:
    """(F, 2) m: a tour of free places, around everything that is taller than `clear` m."""
    free = free_cells(room, clear)
    cells = np.argwhere(free)
    graph = _neighbours(free)
    stops = int(rng.integers(6, 11)) + 2 * (len(room.floors) > 1)
    tour, at = [], int(rng.integers(len(cells)))
    visited = [at]
    for _ in range(stops):
        distance, before = dijkstra(graph, indices=at, return_predecessors=True)
        options = rng.choice(np.flatnonzero(np.isfinite(distance)), 24)
        apart = np.linalg.norm(cells[options][:, None] - cells[visited], axis=2).min(axis=1)
        goal = int(options[apart.argmax()])
        leg = [goal]
        while leg[-1] != at:
            leg.append(int(before[leg[-1]]))
        tour += leg[::-1]
        visited.append(goal)
        at = goal
    places = (cells[tour] + 0.5) * _CELL
    places = gaussian_filter(places, (3.0, 0.0), mode="nearest")
    distance = np.append(0.0, np.cumsum(np.linalg.norm(np.diff(places, axis=0), axis=1)))
    along = np.linspace(0.0, distance[-1], frames)
    return np.column_stack([np.interp(along, distance, places[:, k]) for k in (0, 1)])


def free_cells(room: Room, clear: float) -> np.ndarray:
    """(X, Y) bool: where one can walk; at least one cell."""
    shape = np.ceil(np.array(room.size[:2]) / _CELL).astype(int)
    x, y = (np.indices(tuple(shape)) + 0.5) * _CELL
    centers = np.stack([x, y], axis=-1)
    floor = np.any([_within(centers, outline) for outline in room.floors], axis=0)
    blocked = [_within(centers, o.outline) for o in room.obstacles if o.top > clear]
    free = floor & ~np.any(blocked, axis=0) if blocked else floor
    for body in range(_BODY, -1, -1):
        roomy = binary_erosion(free, iterations=body) if body else free
        if roomy.any():
            return roomy
    return floor


def _within(centers: np.ndarray, outline: np.ndarray) -> np.ndarray:
    """(...,) bool: points (..., 2) in a convex counter-clockwise outline (k, 2)."""
    inside = np.ones(centers.shape[:-1], bool)
    for a, b in zip(outline, np.roll(outline, -1, axis=0)):
        edge, to = b - a, centers - a
        inside &= edge[0] * to[..., 1] - edge[1] * to[..., 0] >= 0
    return inside


def _neighbours(free: np.ndarray) -> csr_matrix:
    """Distances between free cells side by side or corner to corner."""
    index = np.full_like(free, -1, np.int64)
    index[free] = np.arange(np.count_nonzero(free))
    rows, columns, lengths = [], [], []
    for dx, dy in ((1, 0), (0, 1), (1, 1), (1, -1)):
        a = index[: len(index) - dx, max(-dy, 0) : index.shape[1] - max(dy, 0)]
        b = index[dx:, max(dy, 0) : index.shape[1] - max(-dy, 0)]
        both = (a >= 0) & (b >= 0)
        rows += [a[both], b[both]]
        columns += [b[both], a[both]]
        lengths += [np.full(2 * np.count_nonzero(both), np.hypot(dx, dy))]
    total = np.count_nonzero(free)
    return csr_matrix(
        (np.concatenate(lengths), (np.concatenate(rows), np.concatenate(columns))), (total, total)
    )


# --- where SLAM believes the camera to be ----------------------------------------------------------


@dataclass(frozen=True)
class Drift:
    """The error of the estimated pose: a random walk, of which a loop closure takes most away."""

    errors: np.ndarray  # (F, 6) as first estimated: shift in m, rotation vector in rad
    corrected: np.ndarray  # (F, 6) after the loop closure
    loop_closure: int | None  # the frame that brings it about

    @classmethod
    def draw(cls, frames: int, rng: np.random.Generator) -> "Drift":
        scale = rng.uniform(0.0, 1.0) ** 2
        steps = rng.normal(0.0, scale, (frames, 6)) * [0.006, 0.006, 0.003, 0.0008, 0.0008, 0.002]
        if rng.random() < 0.5:  # small loops all the time: the error is pulled back
            errors = np.zeros((frames, 6))
            for k in range(1, frames):
                errors[k] = 0.97 * errors[k - 1] + steps[k]
            return cls(errors, errors, None)
        errors = np.cumsum(steps, axis=0)
        closure = int(frames * rng.uniform(0.6, 0.95))
        share = np.minimum(np.arange(frames) / max(closure, 1), 1.0)[:, None]
        return cls(errors, errors - _CLOSED * share * errors[closure], closure)

    def at(self, frame: int) -> np.ndarray:
        """(4, 4) the error of this frame when it was taken."""
        late = self.loop_closure is not None and frame >= self.loop_closure
        return motion((self.corrected if late else self.errors)[frame])

    def correction(self, frame: int) -> np.ndarray:
        """(4, 4) what the loop closure does to what this earlier frame had added."""
        return motion(self.corrected[frame]) @ np.linalg.inv(motion(self.errors[frame]))


def motion(vector: np.ndarray) -> np.ndarray:
    """(4, 4) of a shift in m and a small rotation vector in rad."""
    a, b, c = vector[3:]
    skew = np.array([[0.0, -c, b], [c, 0.0, -a], [-b, a, 0.0]])
    motion = np.eye(4)
    motion[:3, :3] += skew + skew @ skew / 2
    motion[:3, 3] = vector[:3]
    return motion


def walk(room: Room, config: CameraConfig = DEFAULT_CAMERA) -> "Walk":
    """The walk that belongs to a room: iterate it for frames, `len` says how many."""
    return Walk(room, config)


class Walk:
    """A planned walk; every iteration starts anew and gives identical frames."""

    def __init__(self, room: Room, config: CameraConfig):
        self._room, self._config = room, config
        rng = np.random.default_rng((21, room.seed))
        self._trajectory = plan_trajectory(room, config, rng)
        if (
            self.is_partial and not config.frames
        ):  # every voxel in view is hit, as by a camera of full resolution
            self._config = replace(config, width=2 * config.width, height=2 * config.height)
        self._drift = Drift.draw(len(self), rng)
        # SLAM's origin: the room turned and shifted, its floor nearly at zero.
        center = np.array([room.size[0] / 2, room.size[1] / 2, 0.0])
        self._room_T_center = np.eye(4)
        self._room_T_center[:3, 3] = center
        self._map_T_center = np.eye(4)
        self._map_T_center[:3, :3] = turn_z(rng.uniform(0.0, 2.0 * np.pi))
        self._map_T_center[:3, 3] = np.append(rng.uniform(-3.0, 3.0, 2), rng.normal(0.0, 0.005))

    def __len__(self) -> int:
        return len(self._trajectory.positions)

    @property
    def is_partial(self) -> bool:
        """Whether the camera took so few frames that the map ends in mid-wall."""
        return len(self) <= _FEW

    def __iter__(self) -> Iterator[Frame]:
        # Made here, not at the first frame: what the camera lacks is told before the walk begins.
        camera = Camera(self._room, self._config, np.random.default_rng((22, self._room.seed)))
        poses = zip(self._trajectory.rotations, self._trajectory.positions)
        return (camera.capture(*pose, self._map_T_room(k)) for k, pose in enumerate(poses))

    @property
    def loop_closure(self) -> int | None:
        """The frame with which the loop closes, if it does: earlier frames move by `correction`."""
        return self._drift.loop_closure

    def correction(self, frame: int) -> np.ndarray:
        """(4, 4) motion in the map frame of what an earlier frame had added, once the loop has closed."""
        return self._map_T_center @ self._drift.correction(frame) @ np.linalg.inv(self._map_T_center)

    def _map_T_room(self, frame: int) -> np.ndarray:
        return self._map_T_center @ self._drift.at(frame) @ np.linalg.inv(self._room_T_center)
