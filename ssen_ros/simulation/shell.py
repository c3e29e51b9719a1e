"""What a room is made of before it is furnished: walls, floor, ceiling, doors, windows."""

from dataclasses import replace

import numpy as np

from ssen_ros.simulation import clutter, fittings, materials
from ssen_ros.simulation.furniture import fittings as make
from ssen_ros.simulation.layout import Layout, Wall, WallSpot, footprint
from ssen_ros.simulation.materials import Material
from ssen_ros.simulation.mesh import Mesh, MeshBuilder
from ssen_ros.simulation.recipe import Recipe


def wall_materials(rng: np.random.Generator, wet: bool) -> list[Material]:
    """One for each of up to six walls, mostly the same."""
    common, accent = materials.wall_material(rng, wet), materials.wall_material(rng, wet)
    return [accent if rng.random() < 0.12 else common for _ in range(6)]


def varied_wall_materials(rng: np.random.Generator, wet: bool) -> list[Material]:
    """As above, but mostly paint without a pattern, now and then in the colours of furniture."""
    use = "wall" if rng.random() < 0.4 else ""  # the others stay bare, whatever textures there are
    common, accent = (replace(_paint(rng, wet), use=use) for _ in range(2))
    share = rng.choice([0.0, 0.15, 0.4])
    return [accent if rng.random() < share else common for _ in range(6)]


def _paint(rng: np.random.Generator, wet: bool) -> Material:
    if rng.random() < (0.45 if wet else 0.06):
        return materials.wall_material(rng, wet)
    pick = rng.choice(6, p=[0.45, 0.15, 0.16, 0.1, 0.1, 0.04])
    grey = materials.hsv(rng.uniform(), rng.uniform(0.0, 0.06), rng.uniform(0.4, 0.85))
    pale = materials.hsv(rng.uniform(), rng.uniform(0.05, 0.3), rng.uniform(0.6, 0.95))
    like_furniture = materials.wood_color(rng) if rng.random() < 0.6 else materials.painted(rng).color
    if pick == 5:
        return materials.wood(rng, axis=2)
    return Material(
        (materials.white_color(rng), grey, pale, materials.muted_color(rng), like_furniture)[pick]
    )


def build_shell(layout: Layout, wet: bool, kind: str) -> None:
    """Walls with the openings cut so far, floor and ceiling; last of all, when every opening is known."""
    rng = layout.rng
    skirted = rng.random() < 0.6
    for wall in layout.walls:
        layout.add(wall.mesh(layout.height), "wall", (0, 0, 0))
        if skirted and not wet:
            _skirting(layout, wall)
    layout.add(_slab(layout, -0.05, 0.0, materials.floor_material(rng, wet)), "floor", (0, 0, 0))
    varied = layout.recipe is Recipe.VARIED
    ceiling = _ceiling_material(layout, kind) if varied else Material(materials.white_color(rng))
    layout.add(_slab(layout, layout.height, layout.height + 0.05, ceiling), "ceiling", (0, 0, 0))
    if varied:
        return fittings.fit_ceiling(layout, kind)
    for _ in range(int(rng.integers(0, 3))):
        lamp = layout.assets.clutter("ceiling") or clutter.ceiling_lamp(rng)
        at = rng.uniform(0.25, 0.75, 2) * (layout.width, layout.depth)
        layout.add(lamp, "", (*at, layout.height - lamp.upper[2]))


def _ceiling_material(layout: Layout, kind: str) -> Material:
    """White, as the walls, tiles of a false ceiling, boards, or bare concrete."""
    rng = layout.rng
    white = Material(materials.white_color(rng))
    tiled = 0.4 if kind in ("office", "meeting", "lounge") else 0.05
    pick = rng.choice(5, p=[0.84 - tiled, 0.08, tiled, 0.04, 0.04])
    grid = replace(white, pattern="tiles", second=white.color, scale=float(rng.choice([0.3, 0.6, 0.625])))
    boards = Material(
        materials.wood_color(rng), "planks", scale=rng.uniform(0.08, 0.2), axis=int(rng.integers(2))
    )
    return (white, layout.walls[0].material, grid, boards, Material(materials.grey_color(rng)))[pick]


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
    if layout.recipe is Recipe.VARIED:
        return _add_varied_doors(layout, count)
    for _ in range(count):
        w, h = layout.rng.uniform(0.75, 0.95), layout.rng.uniform(1.95, 2.1)
        spot = layout.on_wall(w, 0.0, h + 0.1, margin=0.12)
        if spot:
            add_door(layout, spot.wall, spot.t, w, h)


def add_door(layout: Layout, wall: Wall, t: float, w: float, h: float) -> None:
    """A door in a stretch of wall that is taken for it; the floor before it stays free."""
    wall.openings.append((t - w / 2, t + w / 2, 0.0, h))
    mesh = layout.draw("door" if w < 1.15 else "wide door", w, h)
    if layout.recipe is Recipe.VARIED:
        mesh = _reglazed(layout.rng, mesh)
        if layout.rng.random() < 0.35:
            mesh = _in_color(layout.rng, mesh, wall.material)
    layout.add(mesh, "door", (*wall.point(t, 0.0), 0.0), wall.yaw)
    layout.reserve(footprint(wall.point(t, 0.45), wall.yaw, w, 0.9))


def _add_varied_doors(layout: Layout, count: int) -> None:
    """Narrow to wide, low to high; now and then an opening without a door."""
    rng = layout.rng
    for _ in range(count):
        wide = rng.random() < 0.15
        w = rng.uniform(1.2, 1.8) if wide else rng.uniform(0.65, 1.05)
        h = min(rng.uniform(1.9, 2.35), layout.height - 0.15)
        spot = layout.on_wall(w, 0.0, h + 0.1, margin=0.12)
        if spot and rng.random() < 0.1:
            spot.wall.openings.append((spot.t - w / 2, spot.t + w / 2, 0.0, h))
            layout.reserve(footprint(spot.wall.point(spot.t, 0.45), spot.wall.yaw, w, 0.9))
        elif spot:
            add_door(layout, spot.wall, spot.t, w, h)


def _in_color(rng: np.random.Generator, mesh: Mesh, like: Material) -> Mesh:
    """Painted as something else: a white door in a white wall. The first material is the leaf's."""
    leaf = mesh.materials[0]
    color = tuple(np.clip(np.array(like.color) * rng.normal(1.0, 0.03), 0.02, 0.98).tolist())
    materials_ = tuple(Material(color) if m == leaf else m for m in mesh.materials)
    return replace(mesh, materials=materials_)


def _reglazed(rng: np.random.Generator, mesh: Mesh) -> Mesh:
    """All panes alike: seen through, bright, dark and reflecting, or pale and nearly solid."""
    sky = materials.glass(rng).color
    night = materials.hsv(rng.uniform(0.5, 0.7), rng.uniform(0.0, 0.4), rng.uniform(0.03, 0.2))
    panes = (
        Material(sky, dropout=rng.uniform(0.6, 0.98), clear=rng.uniform(0.5, 0.95)),
        Material(materials.white_color(rng), dropout=rng.uniform(0.5, 0.95)),
        Material(night, dropout=rng.uniform(0.5, 0.95), mirror=rng.uniform(0.0, 0.4)),
        Material(materials.white_color(rng), dropout=rng.uniform(0.05, 0.4)),
    )
    pane = panes[rng.choice(4, p=[0.4, 0.22, 0.23, 0.15])]
    is_glass = [m.dropout >= 0.55 and not m.mirror for m in mesh.materials]
    return replace(mesh, materials=tuple(pane if g else m for g, m in zip(is_glass, mesh.materials)))


def add_windows(layout: Layout, count: int) -> None:
    if layout.recipe is Recipe.VARIED:
        return _add_varied_windows(layout, count)
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


def _add_varied_windows(layout: Layout, count: int) -> None:
    """Of one sort in a room: usual, from wall to wall, down to the floor, or high under the ceiling."""
    rng, top = layout.rng, layout.height - 0.12
    sort = ("usual", "band", "tall", "high")[rng.choice(4, p=[0.42, 0.28, 0.22, 0.08])]
    deep = rng.uniform(0.08, 0.35) if layout.alone and rng.random() < 0.4 else 0.0
    for _ in range(count):
        if sort == "band":
            w = max(wall.length for wall in layout.walls) * rng.uniform(0.5, 0.97) - 0.1
            z, h = rng.uniform(0.35, 1.0), rng.uniform(1.0, 2.2)
        elif sort == "tall":
            w, z, h = rng.uniform(0.7, 3.0), rng.uniform(0.0, 0.3), rng.uniform(1.8, 2.9)
        elif sort == "high":
            w, z, h = rng.uniform(0.5, 2.5), rng.uniform(1.3, 1.7), rng.uniform(0.3, 0.8)
        else:
            w, z, h = rng.uniform(0.6, 2.0), rng.uniform(0.7, 1.1), rng.uniform(0.7, 1.5)
        h = min(h, top - z)
        spot = layout.on_wall(w, z - 0.05, z + h + 0.1, margin=0.04)
        if not spot:
            continue
        wall, t = spot.wall, spot.t
        wall.openings.append((t - w / 2, t + w / 2, z, z + h))
        mesh = _reglazed(rng, layout.draw("wide window" if w > 2.0 or sort == "tall" else "window", w, h))
        if rng.random() < 0.2:
            mesh = _in_color(rng, mesh, wall.material)
        layout.add(mesh, "window", (*wall.point(t, -deep), z), spot.yaw)
        if deep:
            fittings.recess(layout, wall, t, w, z, h, deep + 0.1, closed=False)
        _cover(layout, spot, w, z, h)


def _cover(layout: Layout, spot: WallSpot, w: float, z: float, h: float) -> None:
    """A curtain, a blind or a shutter before a window w by h whose lower edge is at z, or nothing."""
    rng, wall, t = layout.rng, spot.wall, spot.t
    pick = rng.choice(4, p=[0.38, 0.36, 0.2, 0.06])
    if pick == 1:
        hem = 0.04 if rng.random() < 0.6 else max(0.04, z - 0.12)
        top = layout.height - 0.06 if rng.random() < 0.35 else min(layout.height - 0.06, z + h + 0.14)
        reach = 2.0 * min(t, wall.length - t) - 0.04  # to the nearer corner
        wide = min(w + (rng.uniform(0.25, 0.6) if rng.random() < 0.75 else 9.0), reach)
        cloth = layout.draw("curtain", wide, top - hem)
        layout.add(cloth, "curtain", (*wall.point(t, 0.14), hem), spot.yaw)
    elif pick > 1:
        sorts = (clutter.blind, make.vertical_blind, make.roller_shutter)
        mesh = (sorts[rng.integers(2)] if pick == 2 else sorts[2])(rng, w, h)
        layout.add(mesh, "", (*wall.point(t, 0.03), z + h), spot.yaw)


def add_radiators(layout: Layout) -> None:
    for wall in layout.walls:
        for t0, t1, z0, _ in list(wall.openings):
            if z0 > 0.5 and layout.rng.random() < 0.5:
                mesh = layout.draw("radiator")
                spot = layout.on_wall_at(wall, (t0 + t1) / 2, mesh.size[0] + 0.1, 0.12, 0.12 + mesh.size[2])
                if spot:
                    layout.add(mesh, "otherfurniture", spot.at((0, 0, -mesh.lower[2])), spot.yaw)
