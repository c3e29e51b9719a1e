"""Where things stand: walls with openings, collision of footprints, spots against walls and in the open.

Room frame: metres, +Z up, floor at z = 0, axis-aligned walls.
"""

from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

from ssen_ros import voxel_keys
from ssen_ros.labels import IGNORE_INDEX, LABEL_NAMES, STUFF_NAMES, UNKNOWN_NAME
from ssen_ros.rotations import turn_z
from ssen_ros.simulation.assets import NO_ASSETS, RoomAssets
from ssen_ros.simulation.furniture import Part, pick
from ssen_ros.simulation.materials import Material
from ssen_ros.simulation.mesh import Mesh, MeshBuilder
from ssen_ros.simulation.recipe import Recipe

WALL_THICKNESS = 0.12  # m
_OUTLINE_SLACK = 0.01  # m a footprint may reach into a wall
_CELL = 0.03  # m, cells in which interlocking things are compared
_SHARED_CELLS = 6  # that two things may both go through where they touch


@dataclass(frozen=True)
class Placed:
    """A mesh in the room with its truth."""

    mesh: Mesh
    class_id: int  # index into LABEL_NAMES
    instance_id: int  # 1.. for things, clutter among them; IGNORE_INDEX for stuff
    position: np.ndarray  # (3,) float64, m, room frame
    yaw: float  # rad, room frame

    def at(self, offset) -> np.ndarray:
        """(3,) room position of an offset (m) given in the mesh's frame."""
        return self.position + turn_z(self.yaw) @ np.asarray(offset, float)

    @cached_property
    def cells(self) -> np.ndarray:
        """(n,) int64 keys of the cells of 3 cm that the surface goes through, room frame."""
        points = self.mesh.surface(0.02) @ turn_z(self.yaw).T + self.position
        return np.unique(voxel_keys.pack(np.floor(points / _CELL).astype(np.int64)))


@dataclass
class Wall:
    """One straight wall: points are `origin + t * along`, t in 0..length; `inward` points into the room."""

    origin: np.ndarray  # (2,) m
    along: np.ndarray  # (2,) unit
    inward: np.ndarray  # (2,) unit
    length: float  # m
    material: Material
    taken: list[tuple[float, float, float, float]] = field(default_factory=list)  # (t0, t1, z0, z1) m
    openings: list[tuple[float, float, float, float]] = field(default_factory=list)  # (t0, t1, z0, z1) m

    @property
    def yaw(self) -> float:
        """Heading of a thing whose back is to this wall, rad."""
        return float(np.arctan2(self.inward[0], -self.inward[1]))

    def point(self, t: float, distance: float) -> np.ndarray:
        """(2,) the point at t along the wall, `distance` m into the room."""
        return self.origin + t * self.along + distance * self.inward

    def is_free(self, t0: float, t1: float, z0: float, z1: float) -> bool:
        return all(t1 <= a or t0 >= b or z1 <= c or z0 >= d for a, b, c, d in self.taken)

    def mesh(self, height: float) -> Mesh:
        """The wall with its openings, room frame."""
        ts = sorted({0.0, self.length, *(t for o in self.openings for t in o[:2])})
        zs = sorted({0.0, height, *(z for o in self.openings for z in o[2:])})
        b = MeshBuilder()
        surface = b.material(self.material)
        for t0, t1 in zip(ts, ts[1:]):
            for z0, z1 in zip(zs, zs[1:]):
                t, z = (t0 + t1) / 2, (z0 + z1) / 2
                if any(a < t < e and c < z < f for a, e, c, f in self.openings):
                    continue
                near, far = self.point(t0, 0.0), self.point(t1, -WALL_THICKNESS)
                b.block((*np.minimum(near, far), z0), (*np.maximum(near, far), z1), surface)
        return b.build()


@dataclass(frozen=True)
class Spot:
    """A place found for something."""

    position: np.ndarray  # (3,) m
    yaw: float  # rad

    def at(self, offset) -> np.ndarray:
        """(3,) room position of an offset (m) given in the spot's own frame."""
        return self.position + turn_z(self.yaw) @ np.asarray(offset, float)


@dataclass(frozen=True)
class WallSpot(Spot):
    """One against a wall, or on it."""

    wall: Wall
    t: float  # m along the wall


def footprint(position, yaw: float, w: float, d: float) -> np.ndarray:
    """(4, 2) corners of a w by d rectangle about `position`, turned by `yaw`."""
    c, s = np.cos(yaw), np.sin(yaw)
    corners = np.array([(-w, -d), (w, -d), (w, d), (-w, d)]) / 2
    return corners @ np.array([[c, s], [-s, c]]) + np.asarray(position)[:2]


def overlap(a: np.ndarray, b: np.ndarray) -> bool:
    """Whether two convex (k, 2) outlines share area (separating axis theorem)."""
    if (a.max(0) <= b.min(0)).any() or (b.max(0) <= a.min(0)).any():
        return False
    for outline in (a, b):
        edges = np.roll(outline, -1, axis=0) - outline
        normals = np.stack([-edges[:, 1], edges[:, 0]], axis=1)
        pa, pb = a @ normals.T, b @ normals.T
        if ((pa.max(0) <= pb.min(0)) | (pb.max(0) <= pa.min(0))).any():
            return False
    return True


@dataclass(frozen=True)
class Obstacle:
    outline: np.ndarray  # (4, 2) m
    top: float  # m: a camera above it may pass


class Layout:
    """A room being furnished. Search methods return a Spot, or None where nothing was free."""

    def __init__(
        self,
        seed: int,
        rng: np.random.Generator,
        size: tuple[float, float],
        height: float,
        wall_materials: list[Material],
        may_bend: bool = True,
        assets: RoomAssets = NO_ASSETS,
    ):
        """`seed` decides what furniture may be drawn, and the recipe; `may_bend` rooms are sometimes an L."""
        self.rng = rng
        self.assets = assets
        self.seed = seed
        self.recipe = Recipe.of(seed)
        self.width, self.depth = size
        self.height = height
        self.alone = may_bend  # not a room of a flat: behind its walls is nothing
        self.sloped = False  # whether the ceiling comes down over a wall
        self.objects: list[Placed] = []
        self.obstacles: list[Obstacle] = []
        self._reserved: list[np.ndarray] = []
        self._instances = 0
        corners = self._outline(may_bend)
        self.walls = [
            _wall(start, end, material)
            for start, end, material in zip(corners, np.roll(corners, -1, 0), wall_materials)
        ]

    def _outline(self, may_bend: bool) -> np.ndarray:
        """(k, 2) corners, counter-clockwise: a rectangle, or an L in one larger room of four."""
        w, d = self.width, self.depth
        if not may_bend or min(w, d) < 3.2 or self.rng.random() > 0.3:
            return np.array([(0, 0), (w, 0), (w, d), (0, d)], float)
        cut_w, cut_d = self.rng.uniform(0.5, 0.35 * w), self.rng.uniform(0.5, 0.35 * d)
        x, y = w - cut_w, d - cut_d
        self.obstacles.append(Obstacle(np.array([(x, y), (w, y), (w, d), (x, d)]), self.height))
        return np.array([(0, 0), (w, 0), (w, y), (x, y), (x, d), (0, d)], float)

    def draw(self, kind: str, *sizes):
        """A model of this kind, of a design that this room may use: a Mesh, or Parts of a fixture."""
        return self.assets.stand_in(kind, sizes) or pick(self.rng, kind, self.seed)(self.rng, *sizes)

    def add(self, mesh: Mesh, class_name: str, position, yaw: float = 0.0) -> Placed:
        """Put a mesh down without any check; `class_name` "" is clutter: a thing outside the 20 classes."""
        class_name = class_name or UNKNOWN_NAME
        class_id, instance_id = LABEL_NAMES.index(class_name), IGNORE_INDEX
        if class_name not in STUFF_NAMES:
            self._instances += 1
            instance_id = self._instances
        placed = Placed(mesh, class_id, instance_id, np.asarray(position, float), float(yaw))
        self.objects.append(placed)
        return placed

    def add_parts(self, parts: tuple[Part, ...], spot: Spot) -> list[Placed]:
        return [self.add(part.mesh, part.class_name, spot.at(part.position), spot.yaw) for part in parts]

    def block(self, outline: np.ndarray, top: float) -> None:
        self.obstacles.append(Obstacle(outline, top))

    def reserve(self, outline: np.ndarray) -> None:
        """Keep furniture off this outline; the camera may walk there."""
        self._reserved.append(outline)

    def is_free(self, outline: np.ndarray, ignore: tuple[Obstacle, ...] = ()) -> bool:
        low, high = outline.min(0), outline.max(0)
        if (low < -_OUTLINE_SLACK).any() or (
            high > np.array([self.width, self.depth]) + _OUTLINE_SLACK
        ).any():
            return False
        others = [o.outline for o in self.obstacles if all(o is not i for i in ignore)] + self._reserved
        if not others:
            return True
        corners = np.stack(others)
        near = ((corners.min(axis=1) < high) & (corners.max(axis=1) > low)).all(axis=1)
        return not any(overlap(outline, corners[k]) for k in np.flatnonzero(near))

    def against_wall(
        self, size, gap: float | None = None, clearance: float = 0.0, tries: int = 40
    ) -> WallSpot | None:
        """A free stretch of wall for a thing of `size` (w, d, h) m, which is then taken.

        `clearance` m are kept free in front of it.
        """
        w, d, h = size
        for _ in range(tries):
            wall = self.walls[self.rng.integers(len(self.walls))]
            if w > wall.length - 0.02:
                continue
            t = self._along(wall, w)
            distance = self.rng.uniform(0.0, 0.05) if gap is None else gap
            position, yaw = wall.point(t, distance + d / 2), wall.yaw
            if not wall.is_free(t - w / 2, t + w / 2, 0.0, h):
                continue
            if not self.is_free(
                footprint(wall.point(t, distance + (d + clearance) / 2), yaw, w, d + clearance)
            ):
                continue
            wall.taken.append((t - w / 2, t + w / 2, 0.0, h))
            self.block(footprint(position, yaw, w, d), h)
            if clearance:
                self.reserve(footprint(wall.point(t, distance + d + clearance / 2), yaw, w * 0.8, clearance))
            return WallSpot(np.append(position, 0.0), yaw, wall, t)
        return None

    def on_wall(
        self, w: float, z0: float, z1: float, margin: float = 0.05, tries: int = 25
    ) -> WallSpot | None:
        """A free patch of wall surface between two heights, m, which is then taken."""
        for _ in range(tries):
            wall = self.walls[self.rng.integers(len(self.walls))]
            if w + 2 * margin > wall.length:
                continue
            t = self.rng.uniform(w / 2 + margin, wall.length - w / 2 - margin)
            spot = self.on_wall_at(wall, t, w + 2 * margin, z0, z1)
            if spot:
                return spot
        return None

    def on_wall_at(self, wall: Wall, t: float, w: float, z0: float, z1: float) -> WallSpot | None:
        if z1 > self.height - 0.02 or not wall.is_free(t - w / 2, t + w / 2, z0, z1):
            return None
        wall.taken.append((t - w / 2, t + w / 2, z0, z1))
        return WallSpot(np.append(wall.point(t, 0.0), z0), wall.yaw, wall, t)

    def in_the_open(self, size, tries: int = 30, margin: float = 0.0) -> Spot | None:
        """A free place away from the walls, roughly aligned with them, which is then taken."""
        w, d, h = size
        room = np.array([self.width, self.depth])
        for _ in range(tries):
            yaw = self.rng.integers(4) * np.pi / 2 + self.rng.normal(0.0, 0.08)
            half = np.ptp(footprint((0.0, 0.0), yaw, w, d), axis=0) / 2
            if (half > room / 2).any():
                continue
            inset = np.minimum(half + 0.3, room / 2)
            position = self.rng.uniform(inset, room - inset)
            if self.is_free(footprint(position, yaw, w + margin, d + margin)):
                self.block(footprint(position, yaw, w, d), h)
                return Spot(np.append(position, 0.0), float(yaw))
        return None

    def place_at(
        self, position, yaw: float, size, ignore: tuple[Obstacle, ...] = (), shrink: float = 1.0
    ) -> bool:
        """Take exactly this place if it is free; `shrink` below 1 lets neighbours touch."""
        outline = footprint(position, yaw, size[0] * shrink, size[1] * shrink)
        if not self.is_free(outline, ignore):
            return False
        self.block(outline, size[2])
        return True

    def slide_in(
        self, mesh: Mesh, position, yaw: float, back_off, host: Placed, host_outline: Obstacle
    ) -> Placed | None:
        """Place a chair at a table: as far in as meshes allow, moved along `back_off` (m, 2) until it fits.

        Footprints may overlap the host's: chairs go under tables.
        """
        taken = host.cells
        for step in np.arange(0.0, 0.7, 0.09):
            at = np.append(np.asarray(position)[:2] + step * np.asarray(back_off), 0.0)
            outline = footprint(at, yaw, *(0.95 * mesh.size[:2]))
            if not self.is_free(outline, ignore=(host_outline,)):
                continue
            chair = Placed(mesh, 0, 0, at, yaw)
            if len(np.intersect1d(chair.cells, taken, assume_unique=True)) <= _SHARED_CELLS:
                self.block(outline, mesh.size[2])
                return self.add(mesh, "chair", at, yaw)
        return None

    def _along(self, wall: Wall, w: float) -> float:
        """Centre of a thing w wide: anywhere, or in a corner."""
        low, high = w / 2 + 0.01, wall.length - w / 2 - 0.01
        if self.rng.random() < 0.6:
            return self.rng.uniform(low, high)
        return low if self.rng.random() < 0.5 else high


def _wall(start: np.ndarray, end: np.ndarray, material: Material) -> Wall:
    length = float(np.linalg.norm(end - start))
    along = (end - start) / length
    return Wall(start, along, np.array([-along[1], along[0]]), length, material)
