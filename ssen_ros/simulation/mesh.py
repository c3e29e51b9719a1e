"""Triangle meshes: a frozen value and the builder that furniture is made with."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components

from ssen_ros.rotations import turn_x, turn_z
from ssen_ros.simulation.materials import Material

Edge = float | Callable[[np.ndarray], np.ndarray]  # a height, m, or that at each of some angles, rad

_BOX_CORNERS = np.array([(x, y, z) for x in (-1, 1) for y in (-1, 1) for z in (-1, 1)], np.float32) / 2
_BOX_FACES = np.array(
    [
        (0, 1, 3), (0, 3, 2), (4, 6, 7), (4, 7, 5), (0, 4, 5), (0, 5, 1),
        (2, 3, 7), (2, 7, 6), (0, 2, 6), (0, 6, 4), (1, 5, 7), (1, 7, 3),
    ],
    np.int32,
)  # fmt: skip
_STEPS = np.unique(np.geomspace(1, 1024, 31).round().astype(int))  # into how many parts a side is cut


@dataclass(frozen=True)
class Mesh:
    """Triangles in an object's own frame: m, +Z up, origin at the centre of its footprint on the floor."""

    vertices: np.ndarray  # (n, 3) float32, m
    faces: np.ndarray  # (m, 3) int32, rows of vertices
    material: np.ndarray  # (m,) int32, index into materials
    materials: tuple[Material, ...]

    @cached_property
    def lower(self) -> np.ndarray:
        """(3,) least coordinates, m."""
        return self.vertices.min(axis=0)

    @cached_property
    def upper(self) -> np.ndarray:
        """(3,) greatest coordinates, m."""
        return self.vertices.max(axis=0)

    @property
    def size(self) -> np.ndarray:
        """(3,) extent, m."""
        return self.upper - self.lower

    @cached_property
    def boxes(self) -> tuple[np.ndarray, np.ndarray]:
        """(k, 3) least and greatest coordinates, m, of each of the connected shapes it is made of."""
        edges = np.concatenate([self.faces[:, :2], self.faces[:, 1:]])
        count = len(self.vertices)
        graph = coo_matrix((np.ones(len(edges), np.int8), edges.T), shape=(count, count))
        pieces, piece = connected_components(graph, directed=False)
        lower, upper = np.full((pieces, 3), np.inf), np.full((pieces, 3), -np.inf)
        np.minimum.at(lower, piece, self.vertices)
        np.maximum.at(upper, piece, self.vertices)
        return lower, upper

    @cached_property
    def facing(self) -> np.ndarray:
        """(m,) int8: the axis, 0 to 2, that each triangle looks along most."""
        a, b, c = self.vertices[self.faces].transpose(1, 0, 2)
        return np.abs(np.cross(b - a, c - a)).argmax(axis=1).astype(np.int8)

    def surface(self, spacing: float) -> np.ndarray:
        """(n, 3) float32 points all over the triangles, at most `spacing` m apart."""
        corners = self.vertices[self.faces]
        side = np.linalg.norm(np.roll(corners, -1, axis=1) - corners, axis=2)  # from each corner to the next
        # From the corner between the shortest sides, so that slivers get no more points than they need.
        first = (side * np.roll(side, 1, axis=1)).argmin(axis=1)
        origin, u, v = (corners[np.arange(len(first)), (first + k) % 3] for k in range(3))
        u, v = u - origin, v - origin
        lengths = np.stack([np.linalg.norm(u, axis=1), np.linalg.norm(v, axis=1)], axis=1)
        steps = _STEPS[np.searchsorted(_STEPS, np.minimum(lengths / spacing, _STEPS[-1]))]
        clouds = []
        for n, m in np.unique(steps, axis=0):
            rows = (steps == (n, m)).all(axis=1)
            i, j = np.mgrid[0 : n + 1, 0 : m + 1]
            inside = i * m + j * n <= n * m
            a, b = (i[inside] / n)[:, None].astype(np.float32), (j[inside] / m)[:, None].astype(np.float32)
            clouds.append((origin[rows, None] + a * u[rows, None] + b * v[rows, None]).reshape(-1, 3))
        return np.concatenate(clouds)

    def relief(self, cell: float) -> np.ndarray:
        """(a, b) height seen from above in cells of `cell` m from `lower`, m; -inf where nothing is."""
        points = self.surface(0.7 * cell)
        index = ((points[:, :2] - self.lower[:2]) / cell).astype(np.int64)
        heights = np.full(index.max(axis=0) + 1, -np.inf)
        np.maximum.at(heights, tuple(index.T), points[:, 2])
        return heights

    def grounded(self) -> "Mesh":
        """The same mesh with its footprint centred on the origin and its lowest point at z = 0."""
        shift = np.append((self.lower[:2] + self.upper[:2]) / 2, self.lower[2]).astype(np.float32)
        return Mesh(self.vertices - shift, self.faces, self.material, self.materials)

    def scaled(self, by: tuple[float, float, float]) -> "Mesh":
        """Longer by these factors along x, y and z, all of them above 0."""
        return Mesh(self.vertices * np.array(by, np.float32), self.faces, self.material, self.materials)

    def on_its_side(self) -> "Mesh":
        """Turned by a quarter about y, with its lowest point at z = 0: what was wide is high."""
        x, y, z = self.vertices.T
        middle = (self.lower[2] + self.upper[2]) / 2
        vertices = np.stack([z - middle, y, self.upper[0] - x], axis=1).astype(np.float32)
        return Mesh(vertices, self.faces, self.material, self.materials)

    def mirrored(self) -> "Mesh":
        """Left and right exchanged."""
        flip = np.array([-1, 1, 1], np.float32)
        return Mesh(self.vertices * flip, self.faces[:, ::-1], self.material, self.materials)


class MeshBuilder:
    """Collects shapes; every shape names a material that `material` has registered."""

    def __init__(self):
        self._vertices: list[np.ndarray] = []
        self._faces: list[np.ndarray] = []
        self._material: list[np.ndarray] = []
        self._materials: list[Material] = []
        self._count = 0

    def material(self, material: Material) -> int:
        self._materials.append(material)
        return len(self._materials) - 1

    def triangles(self, vertices: np.ndarray, faces: np.ndarray, material: int) -> None:
        self._vertices.append(np.asarray(vertices, np.float32))
        self._faces.append(np.asarray(faces, np.int32) + self._count)
        self._material.append(np.full(len(faces), material, np.int32))
        self._count += len(vertices)

    def box(self, center, size, material: int, yaw: float = 0.0, tilt: float = 0.0) -> None:
        """A box of `size` m about `center`, first tilted about its own x, then turned about z (rad)."""
        corners = _BOX_CORNERS * np.asarray(size, np.float32)
        if yaw or tilt:
            corners = corners @ (turn_z(yaw) @ turn_x(tilt)).T
        self.triangles(corners + np.asarray(center), _BOX_FACES, material)

    def block(self, lower, upper, material: int) -> None:
        """The axis-aligned box between two corners, m."""
        lower, upper = np.asarray(lower, float), np.asarray(upper, float)
        self.box((lower + upper) / 2, upper - lower, material)

    def grid(self, points: np.ndarray, material: int) -> None:
        """A sheet through an (a, b, 3) lattice of points, m."""
        a, b = points.shape[:2]
        index = np.arange(a * b).reshape(a, b)
        quads = np.stack([index[:-1, :-1], index[1:, :-1], index[1:, 1:], index[:-1, 1:]], axis=-1).reshape(
            -1, 4
        )
        self.triangles(points.reshape(-1, 3), np.vstack([quads[:, (0, 1, 2)], quads[:, (0, 2, 3)]]), material)

    def loft(
        self,
        profile: Sequence[tuple[float, float]],
        center,
        material: int,
        radii: tuple[float, float] = (1.0, 1.0),
        squareness: float = 2.0,
        segments: int = 16,
        lean: tuple[float, float] = (0.0, 0.0),
    ) -> None:
        """Rings of relative radius r at height z for each (r, z) of `profile`, joined into a surface.

        `radii` (m) stretch the rings along x and y; `squareness` 2 is an ellipse, larger tends to a
        rectangle; `lean` moves the rings in x and y per metre of height.
        """
        angle = np.linspace(0.0, 2.0 * np.pi, segments + 1)
        unit = np.stack(
            [_superellipse(np.cos(angle), squareness), _superellipse(np.sin(angle), squareness)], axis=-1
        )
        r, z = np.array(profile, float).T
        ring = r[:, None, None] * unit * np.asarray(radii) + z[:, None, None] * np.asarray(lean)
        points = np.concatenate([ring, np.broadcast_to(z[:, None, None], ring.shape[:2] + (1,))], axis=-1)
        self.grid(points + np.asarray(center), material)

    def cylinder(self, center, radius: float, height: float, material: int, segments: int = 12) -> None:
        """A capped upright cylinder standing on `center`, m."""
        profile = [(0.0, 0.0), (1.0, 0.0), (1.0, height), (0.0, height)]
        self.loft(profile, center, material, (radius, radius), segments=segments)

    def cushion(self, center, size, material: int, tilt: float = 0.0, squareness: float = 4.0) -> None:
        """A padded box: a superellipsoid of `size` m about `center`, tilted about x (rad)."""
        latitude = np.linspace(-np.pi / 2, np.pi / 2, 7)[:, None]
        longitude = np.linspace(0.0, 2.0 * np.pi, 17)[None, :]
        x = _superellipse(np.cos(latitude), squareness) * _superellipse(np.cos(longitude), squareness)
        y = _superellipse(np.cos(latitude), squareness) * _superellipse(np.sin(longitude), squareness)
        z = _superellipse(np.sin(latitude), squareness) * np.ones_like(longitude)
        points = np.stack([x, y, z], axis=-1) * (np.asarray(size) / 2)
        self.grid(points @ turn_x(tilt).T + np.asarray(center), material)

    def bar(self, start, end, thickness: float, material: int) -> None:
        """A square bar between two points, m."""
        start, end = np.asarray(start, float), np.asarray(end, float)
        along = (end - start) / np.linalg.norm(end - start)
        side = np.cross(along, (0.0, 0.0, 1.0) if abs(along[2]) < 0.9 else (0.0, 1.0, 0.0))
        side /= np.linalg.norm(side)
        frame = np.stack([side, np.cross(along, side), along])
        corners = _BOX_CORNERS * np.array([thickness, thickness, np.linalg.norm(end - start)])
        self.triangles(corners @ frame + (start + end) / 2, _BOX_FACES, material)

    def pipe(self, points, thickness: float, material: int) -> None:
        """Square bars from each point to the next, m."""
        for start, end in zip(points, points[1:]):
            self.bar(start, end, thickness, material)

    def prism(self, outline, low: float, high: float, material: int, axis: int = 2) -> None:
        """A solid of one cross-section from `low` to `high` along an axis, m.

        `outline` (k, 2) goes round a shape that is star-shaped about its mean; its columns are x, y for
        axis 2, y, z for axis 0 and x, z for axis 1.
        """
        outline = np.asarray(outline, float)
        closed = np.vstack([outline, outline[:1]])
        middle = np.broadcast_to(outline.mean(axis=0), closed.shape)
        rings = np.stack([middle, closed, closed, middle])
        heights = np.broadcast_to(np.array([low, low, high, high])[:, None], rings.shape[:2])
        points = np.insert(rings, axis, heights, axis=-1)
        self.grid(points, material)

    def arc(self, center, radii, span, low: Edge, high: Edge, thickness: float, material: int) -> None:
        """A wall `thickness` m thick bent along an ellipse about `center` (x, y), m.

        `span` are its first and last angle (rad, from +x); `low` and `high` its lower and upper edge, each a
        height or a function of the angles.
        """
        first, last = span
        angle = np.linspace(first, last, 17)
        unit = np.stack([np.cos(angle), np.sin(angle)], axis=-1)
        outer = unit * np.asarray(radii) + np.asarray(center)[:2]
        inner = unit * (np.asarray(radii) - thickness) + np.asarray(center)[:2]
        edges = [edge(angle) if callable(edge) else np.full(len(angle), edge) for edge in (low, high)]
        corners = [(outer, 0), (outer, 1), (inner, 1), (inner, 0), (outer, 0)]
        self.grid(np.stack([np.column_stack([xy, edges[k]]) for xy, k in corners]), material)

    def add(self, mesh: Mesh, position=(0.0, 0.0, 0.0), yaw: float = 0.0) -> None:
        """Put a copy of a finished mesh at `position` m, turned by `yaw` rad."""
        vertices = mesh.vertices @ turn_z(yaw).T + np.asarray(position)
        self._vertices.append(vertices.astype(np.float32))
        self._faces.append(mesh.faces + self._count)
        self._material.append(mesh.material + len(self._materials))
        self._materials += mesh.materials
        self._count += len(vertices)

    def build(self) -> Mesh:
        return Mesh(
            np.concatenate(self._vertices),
            np.concatenate(self._faces),
            np.concatenate(self._material),
            tuple(self._materials),
        )


def _superellipse(value: np.ndarray, squareness: float) -> np.ndarray:
    return np.sign(value) * np.abs(value) ** (2.0 / squareness)
