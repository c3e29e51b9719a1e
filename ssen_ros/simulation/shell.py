"""What a room is made of before it is furnished: walls, floor, ceiling, doors, windows."""

import numpy as np

from ssen_ros.simulation import clutter, materials
from ssen_ros.simulation.layout import Layout, Wall, footprint
from ssen_ros.simulation.materials import Material
from ssen_ros.simulation.mesh import Mesh, MeshBuilder


def wall_materials(rng: np.random.Generator, wet: bool) -> list[Material]:
    """One for each of up to six walls, mostly the same."""
    common, accent = materials.wall_material(rng, wet), materials.wall_material(rng, wet)
    return [accent if rng.random() < 0.12 else common for _ in range(6)]


def build_shell(layout: Layout, wet: bool) -> None:
    """Walls with the openings cut so far, floor and ceiling; last of all, when every opening is known."""
    rng = layout.rng
    skirted = rng.random() < 0.6
    for wall in layout.walls:
        layout.add(wall.mesh(layout.height), "wall", (0, 0, 0))
        if skirted and not wet:
            _skirting(layout, wall)
    layout.add(_slab(layout, -0.05, 0.0, materials.floor_material(rng, wet)), "floor", (0, 0, 0))
    ceiling = Material(materials.white_color(rng))
    layout.add(_slab(layout, layout.height, layout.height + 0.05, ceiling), "ceiling", (0, 0, 0))
    for _ in range(int(rng.integers(0, 3))):
        lamp = layout.assets.clutter("ceiling") or clutter.ceiling_lamp(rng)
        at = rng.uniform(0.25, 0.75, 2) * (layout.width, layout.depth)
        layout.add(lamp, "", (*at, layout.height - lamp.upper[2]))


def _slab(layout: Layout, z0: float, z1: float, material: Material) -> Mesh:
    b = MeshBuilder()
    b.block((-0.06, -0.06, z0), (layout.width + 0.06, layout.depth + 0.06, z1), b.material(material))
    return b.build()


def _skirting(layout: Layout, wall: Wall) -> None:
    b = MeshBuilder()
    board = b.material(Material(materials.white_color(layout.rng)))
    gaps = sorted((o[0] - 0.1, o[1] + 0.1) for o in wall.openings if o[2] < 0.1)
    start, count = 0.0, 0
    for low, high in [*gaps, (wall.length, wall.length)]:
        if low - start > 0.0:
            a, e = wall.point(start, 0.0), wall.point(low, 0.012)
            b.block((*np.minimum(a, e), 0.0), (*np.maximum(a, e), 0.08), board)
            count += 1
        start = max(start, high)
    if count:
        layout.add(b.build(), "wall", (0, 0, 0))


def add_doors(layout: Layout, count: int) -> None:
    for _ in range(count):
        w, h = layout.rng.uniform(0.75, 0.95), layout.rng.uniform(1.95, 2.1)
        spot = layout.on_wall(w, 0.0, h + 0.1, margin=0.12)
        if spot:
            add_door(layout, spot.wall, spot.t, w, h)


def add_door(layout: Layout, wall: Wall, t: float, w: float, h: float) -> None:
    """A door in a stretch of wall that is taken for it; the floor before it stays free."""
    wall.openings.append((t - w / 2, t + w / 2, 0.0, h))
    layout.add(layout.draw("door", w, h), "door", (*wall.point(t, 0.0), 0.0), wall.yaw)
    layout.reserve(footprint(wall.point(t, 0.45), wall.yaw, w, 0.9))


def add_windows(layout: Layout, count: int) -> None:
    rng = layout.rng
    for _ in range(count):
        w, z = rng.uniform(0.6, 2.0), rng.uniform(0.7, 1.1)
        h = min(rng.uniform(0.7, 1.5), layout.height - z - 0.25)
        spot = layout.on_wall(w, z - 0.05, z + h + 0.1, margin=0.15)
        if not spot:
            continue
        spot.wall.openings.append((spot.t - w / 2, spot.t + w / 2, z, z + h))
        layout.add(layout.draw("window", w, h), "window", spot.at((0, 0, 0.05)), spot.yaw)
        pick = rng.random()
        if pick < 0.6:
            hem = 0.04 if rng.random() < 0.55 else z - 0.12
            top = min(layout.height - 0.06, z + h + 0.14)
            cloth = layout.draw("curtain", w + rng.uniform(0.25, 0.6), top - hem)
            layout.add(cloth, "curtain", (*spot.wall.point(spot.t, 0.14), hem), spot.yaw)
        elif pick < 0.8:
            blind = clutter.blind(rng, w, h)
            layout.add(blind, "", spot.at((0, -0.03, 0.05 + h)), spot.yaw)


def add_radiators(layout: Layout) -> None:
    for wall in layout.walls:
        for t0, t1, z0, _ in list(wall.openings):
            if z0 > 0.5 and layout.rng.random() < 0.5:
                mesh = layout.draw("radiator")
                spot = layout.on_wall_at(wall, (t0 + t1) / 2, mesh.size[0] + 0.1, 0.12, 0.12 + mesh.size[2])
                if spot:
                    layout.add(mesh, "otherfurniture", spot.at((0, 0, -mesh.lower[2])), spot.yaw)
