"""Clutter: what lies on furniture and floors and hangs on walls; unknown but for pictures."""

from collections.abc import Callable

import numpy as np

from ssen_ros.simulation import clutter
from ssen_ros.simulation.layout import Layout, Placed
from ssen_ros.simulation.mesh import Mesh

_CELL = 0.03  # m, of the relief things are put down on
_LEVEL = 0.02  # m a level top may vary
_HIGHEST = 1.9  # m, out of reach above


class Top:
    """The upper side of a placed thing. What is put down becomes part of it: things lie on things."""

    def __init__(self, layout: Layout, placed: Placed):
        self._layout, self._placed = layout, placed
        self._heights = placed.mesh.relief(_CELL)
        self._origin = placed.mesh.lower[:2]

    def strew(self, count: int, make: Callable[[np.random.Generator], Mesh] = clutter.tabletop) -> None:
        for _ in range(count):
            model = self._layout.assets.clutter("top") if make is clutter.tabletop else None
            self.put(model or make(self._layout.rng))

    def put(self, mesh: Mesh, at: tuple[float, float] | None = None, level: float = _LEVEL) -> bool:
        """Put a thing down level: where `at` (x, y in the carrier's frame, m) says, or anywhere.

        `level` m is how uneven it may be there: beds and sofas are.
        """
        rng = self._layout.rng
        yaw = rng.normal(0.0, 0.2) if at is None else rng.normal(0.0, 0.05)
        c, s = abs(np.cos(yaw)), abs(np.sin(yaw))
        w, d = mesh.size[0] * c + mesh.size[1] * s, mesh.size[0] * s + mesh.size[1] * c
        cells = np.maximum(np.ceil(np.array([w, d]) / _CELL).astype(int), 1)
        room = np.array(self._heights.shape) - cells
        if (room < 0).any():
            return False
        for _ in range(1 if at is not None else 6):
            corner = rng.integers(0, room + 1)
            if at is not None:
                corner = ((np.asarray(at) - self._origin) / _CELL - cells / 2).astype(int).clip(0, room)
            window = tuple(slice(a, a + n) for a, n in zip(corner, cells))
            patch = self._heights[window]
            top = patch.max()
            if not 0.05 < top < _HIGHEST or patch.min() < top - level:
                continue
            center = self._origin + (corner + cells / 2) * _CELL
            middle = (mesh.lower + mesh.upper)[:2] / 2
            offset = np.array([*(center - middle), top - mesh.lower[2]])
            self._layout.add(mesh, "", self._placed.at(offset), self._placed.yaw + yaw)
            self._heights[window] = top + mesh.size[2]
            return True
        return False


def strew(layout: Layout, placed: Placed, density: float) -> None:
    """Clutter on top of a thing: `density` pieces per square metre of its outline on average."""
    area = float(placed.mesh.size[0] * placed.mesh.size[1])
    count = int(layout.rng.poisson(density * area * layout.rng.uniform(0.2, 1.8)))
    if count:
        Top(layout, placed).strew(count)


def hang_pictures(layout: Layout, count: int) -> None:
    for _ in range(count):
        mesh = layout.draw("picture")
        z = layout.rng.uniform(1.1, 1.6)
        spot = layout.on_wall(mesh.size[0], z, z + mesh.size[2])
        if spot:
            layout.add(mesh, "picture", spot.position, spot.yaw)


def hang_varied_pictures(layout: Layout, count: int) -> None:
    """Upright as often as not, flat or stout, alone or in a row; most at eye level, others anywhere."""
    rng = layout.rng
    while count > 0:
        row = min(count, int(rng.choice([1, 2, 3], p=[0.7, 0.2, 0.1])))
        size, is_upright = rng.uniform(0.75, 1.35), rng.random() < 0.5
        meshes = [_picture(layout, size, is_upright) for _ in range(row)]
        width, height = (max(mesh.size[axis] for mesh in meshes) for axis in (0, 2))
        gap, count = rng.uniform(0.04, 0.25), count - row
        at_eye_level = rng.random() < 0.65
        z = rng.normal(1.55, 0.15) - height / 2 if at_eye_level else rng.uniform(0.0, layout.height - height)
        spot = layout.on_wall(row * width + (row - 1) * gap, max(z, 0.02), z + height)
        if spot is None:
            continue
        for k, mesh in enumerate(meshes):
            along = spot.wall.point(spot.t + (k - (row - 1) / 2) * (width + gap), 0.0)
            layout.add(mesh, "picture", np.append(along, spot.position[2]), spot.yaw)


def _picture(layout: Layout, size: float, is_upright: bool) -> Mesh:
    mesh = layout.draw("picture").scaled((size, layout.rng.uniform(0.15, 1.2), size))
    return mesh.on_its_side() if is_upright != (mesh.size[2] > mesh.size[0]) else mesh


def hang_things(layout: Layout, count: int) -> None:
    """Notices, boards, clocks, switches, coats, shelves with things on them."""
    for _ in range(count):
        mesh, z = layout.assets.hanging() or clutter.wall_item(layout.rng)
        spot = layout.on_wall(mesh.size[0], z, z + mesh.size[2])
        if spot:
            layout.add(mesh, "", spot.position, spot.yaw)


def litter_floor(layout: Layout, count: int) -> None:
    rng = layout.rng
    for _ in range(count):
        mesh = layout.assets.clutter("floor") or clutter.floor_item(rng)
        spot = layout.against_wall(mesh.size) if rng.random() < 0.6 else layout.in_the_open(mesh.size)
        if not spot:
            continue
        placed = layout.add(mesh, "", spot.position, rng.uniform(0, 6.28) if mesh.size[2] > 0.9 else spot.yaw)
        if mesh.size[2] < 0.6 and rng.random() < 0.3:
            Top(layout, placed).strew(1)
