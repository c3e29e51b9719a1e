"""Furnished rooms: seven kinds, each a short recipe over `Layout`."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from ssen_ros.simulation import clutter, materials
from ssen_ros.simulation.layout import Layout, Obstacle, Placed, Spot, footprint
from ssen_ros.simulation.materials import Material
from ssen_ros.simulation.mesh import Mesh, MeshBuilder


@dataclass(frozen=True)
class Room:
    """A furnished room before anybody has looked at it. Room frame: m, +Z up, floor at z = 0."""

    seed: int
    kind: str
    size: tuple[float, float, float]  # m: width (x), depth (y), height
    objects: tuple[Placed, ...]
    obstacles: tuple[Obstacle, ...]  # what a walking camera must avoid


@dataclass(frozen=True)
class _Recipe:
    share: float  # of all rooms
    width: tuple[float, float]  # m
    depth: tuple[float, float]  # m
    wet: bool  # tiles
    furnish: Callable[[Layout], None]
    windows: tuple[int, int]  # least, most
    pictures: int  # most


def build_room(seed: int) -> Room:
    """The room of this seed: the same seed always gives the same room."""
    rng = np.random.default_rng((20, seed))
    kind = list(_RECIPES)[rng.choice(len(_RECIPES), p=[r.share for r in _RECIPES.values()])]
    recipe = _RECIPES[kind]
    size = (rng.uniform(*recipe.width), rng.uniform(*recipe.depth))
    layout = Layout(seed, rng, size, rng.uniform(2.3, 2.9), _wall_materials(rng, recipe.wet))
    _doors(layout)
    _windows(layout, int(rng.integers(recipe.windows[0], recipe.windows[1] + 1)))
    recipe.furnish(layout)
    _fill(layout, kind)
    _radiators(layout)
    _pictures(layout, int(rng.integers(0, recipe.pictures + 1)))
    _notices(layout, int(rng.choice(3, p=[0.5, 0.35, 0.15])))
    _floor_clutter(layout, int(rng.integers(0, 8)))
    _shell(layout, recipe.wet)
    return Room(seed, kind, (*size, layout.height), tuple(layout.objects), tuple(layout.obstacles))


# --- shell -----------------------------------------------------------------------------------------


def _wall_materials(rng: np.random.Generator, wet: bool) -> list[Material]:
    common = materials.wall_material(rng, wet)
    accent = materials.wall_material(rng, wet)
    return [accent if rng.random() < 0.12 else common for _ in range(6)]


def _shell(layout: Layout, wet: bool) -> None:
    for wall in layout.walls:
        layout.add(wall.mesh(layout.height), "wall", (0, 0, 0))
        if layout.rng.random() < 0.5:
            _skirting(layout, wall)
    layout.add(_slab(layout, -0.05, 0.0, materials.floor_material(layout.rng, wet)), "floor", (0, 0, 0))
    ceiling = Material(materials.white_color(layout.rng))
    layout.add(_slab(layout, layout.height, layout.height + 0.05, ceiling), "", (0, 0, 0))


def _slab(layout: Layout, z0: float, z1: float, material: Material) -> Mesh:
    b = MeshBuilder()
    b.block((-0.1, -0.1, z0), (layout.width + 0.1, layout.depth + 0.1, z1), b.material(material))
    return b.build()


def _skirting(layout: Layout, wall) -> None:
    b = MeshBuilder()
    board = b.material(Material(materials.white_color(layout.rng)))
    gaps = sorted((o[0] - 0.1, o[1] + 0.1) for o in wall.openings if o[2] < 0.1)
    start = 0.0
    for low, high in [*gaps, (wall.length, wall.length)]:
        if low - start > 0.0:
            a, e = wall.point(start, 0.0), wall.point(low, 0.012)
            b.block((*np.minimum(a, e), 0.0), (*np.maximum(a, e), 0.08), board)
        start = max(start, high)
    layout.add(b.build(), "wall", (0, 0, 0))


def _doors(layout: Layout) -> None:
    rng = layout.rng
    for _ in range(1 + (rng.random() < 0.35 and min(layout.width, layout.depth) > 2.6)):
        w, h = rng.uniform(0.75, 0.95), rng.uniform(1.95, 2.1)
        spot = layout.on_wall(w, 0.0, h + 0.1, margin=0.12)
        if not spot:
            continue
        spot.wall.openings.append((spot.t - w / 2, spot.t + w / 2, 0.0, h))
        layout.add(layout.draw("door", w, h), "door", spot.position, spot.yaw)
        layout.reserve(footprint(spot.wall.point(spot.t, 0.45), spot.yaw, w, 0.9))


def _windows(layout: Layout, count: int) -> None:
    rng = layout.rng
    for _ in range(count):
        w, z = rng.uniform(0.6, 1.9), rng.uniform(0.75, 1.1)
        h = min(rng.uniform(0.7, 1.5), layout.height - z - 0.25)
        spot = layout.on_wall(w, z - 0.05, z + h + 0.1, margin=0.15)
        if not spot:
            continue
        spot.wall.openings.append((spot.t - w / 2, spot.t + w / 2, z, z + h))
        base = spot.at((0, 0, 0.05))
        layout.add(layout.draw("window", w, h), "window", base, spot.yaw)
        if rng.random() < 0.55:
            hem = 0.04 if rng.random() < 0.55 else z - 0.12
            cloth = layout.draw(
                "curtain", w + rng.uniform(0.25, 0.6), min(layout.height - 0.06, z + h + 0.14) - hem
            )
            layout.add(cloth, "curtain", (*spot.wall.point(spot.t, 0.14), hem), spot.yaw)


def _radiators(layout: Layout) -> None:
    for wall in layout.walls:
        for t0, t1, z0, _ in wall.openings:
            if z0 > 0.5 and layout.rng.random() < 0.4:
                mesh = layout.draw("radiator")
                spot = layout.on_wall_at(wall, (t0 + t1) / 2, mesh.size[0], 0.12, 0.12 + mesh.size[2])
                if spot:
                    layout.add(mesh, "otherfurniture", spot.position, spot.yaw)


def _pictures(layout: Layout, count: int) -> None:
    for _ in range(count):
        mesh = layout.draw("picture")
        z = layout.rng.uniform(1.15, 1.6)
        spot = layout.on_wall(mesh.size[0], z, z + mesh.size[2])
        if spot:
            layout.add(mesh, "picture", spot.position, spot.yaw)


def _notices(layout: Layout, count: int) -> None:
    for _ in range(count):
        mesh = clutter.notices(layout.rng)
        z = layout.rng.uniform(1.1, 1.4)
        spot = layout.on_wall(mesh.size[0], z, z + mesh.size[2])
        if spot:
            layout.add(mesh, "", spot.position, spot.yaw)


def _floor_clutter(layout: Layout, count: int) -> None:
    for _ in range(count):
        mesh = clutter.floor_item(layout.rng)
        spot = layout.against_wall(mesh.size) if layout.rng.random() < 0.6 else layout.in_the_open(mesh.size)
        if spot:
            layout.add(
                mesh, "", spot.position, layout.rng.uniform(0, 6.28) if mesh.size[2] > 0.7 else spot.yaw
            )


# --- groups ----------------------------------------------------------------------------------------


def _against(
    layout: Layout, mesh: Mesh, class_name: str, clearance: float = 0.0, gap: float | None = None
) -> Spot | None:
    """Stand a mesh against a wall; tops of low furniture collect clutter."""
    if mesh.size[2] > layout.height - 0.03:
        return None
    spot = layout.against_wall(mesh.size, gap, clearance)
    if not spot:
        return None
    offset = (mesh.lower + mesh.upper) / 2 * (1, 1, 0)
    layout.add(mesh, class_name, spot.at(-offset), spot.yaw)
    return spot


def _insist(layout: Layout, kind: str, clearance: float) -> tuple[Mesh, Spot | None]:
    """Stand a thing the room is named for against a wall; several designs are tried."""
    for attempt in range(8):
        mesh = layout.draw(kind)
        spot = _against(layout, mesh, kind, clearance if attempt < 3 else 0.0)
        if spot:
            break
    return mesh, spot


def _tops(layout: Layout, spot: Spot, w: float, d: float, z: float, most: int, y: float = 0.0) -> None:
    """Scatter small things over a top of w by d at height z, m."""
    placed: list[np.ndarray] = []
    for _ in range(int(layout.rng.integers(0, most + 1))):
        mesh = clutter.tabletop(layout.rng)
        half = np.maximum((np.array([w, d]) - mesh.size[:2]) / 2 - 0.01, 0.0)
        x, dy = layout.rng.uniform(-half, half)
        outline = footprint((x, dy), 0.0, *mesh.size[:2])
        if (mesh.size[:2] > (w, d)).any() or any(_boxes_overlap(outline, o) for o in placed):
            continue
        placed.append(outline)
        layout.add(mesh, "", spot.at((x, y + dy, z)), spot.yaw + layout.rng.normal(0.0, 0.15))


def _boxes_overlap(a: np.ndarray, b: np.ndarray) -> bool:
    return bool((a.min(0) < b.max(0)).all() and (b.min(0) < a.max(0)).all())


def _storage(layout: Layout) -> None:
    mesh = layout.draw("cabinet")
    spot = _against(layout, mesh, "cabinet")
    if spot and mesh.size[2] < 1.35:
        _tops(layout, spot, mesh.size[0], mesh.size[1] * 0.8, mesh.size[2], 5)


def _shelf(layout: Layout) -> None:
    _against(layout, layout.draw("bookshelf"), "bookshelf")


def _odd_thing(layout: Layout) -> None:
    _against(layout, layout.draw("odd thing"), "otherfurniture")


def _chairs_around(
    layout: Layout, spot: Spot, w: float, d: float, share: float, sides: str = "nsew", kind: str | None = None
) -> None:
    """Chairs at a table: mostly one set, pushed in to differing depth, some turned."""
    rng = layout.rng
    table = layout.obstacles[-1]
    kind = _chair_kind(layout) if kind is None else kind
    design = layout.draw(kind)
    slots = []
    count = max(1, int(w / rng.uniform(0.5, 0.75)))
    for i in range(count):
        x = -w / 2 + w * (i + 0.5) / count
        slots += [(x, 1, 0.0)] * ("n" in sides) + [(x, -1, np.pi)] * ("s" in sides)
    slots += [(1, None, -np.pi / 2)] * ("e" in sides) + [(-1, None, np.pi / 2)] * ("w" in sides)
    for along, side, heading in slots:
        if rng.random() > share:
            continue
        mesh = design if rng.random() < 0.85 else layout.draw(kind)
        under = (
            rng.uniform(-0.15, max(0.0, mesh.size[1] - 0.2))
            if rng.random() < 0.75
            else rng.uniform(-0.5, -0.1)
        )
        reach = mesh.size[1] / 2 - under
        if side is None:
            offset = (along * (w / 2 + reach), rng.normal(0, 0.05), 0)
        else:
            offset = (along + rng.normal(0, 0.05), side * (d / 2 + reach), 0)
        position, yaw = spot.at(offset), spot.yaw + heading + rng.normal(0.0, 0.2)
        if layout.place_at(position, yaw, mesh.size, ignore=(table,), shrink=0.86):
            layout.add(mesh, "chair", position, yaw)


def _chair_kind(layout: Layout) -> str:
    kinds = ("dining chair", "office chair", "armchair", "stool")
    return kinds[layout.rng.choice(4, p=[0.6, 0.15, 0.13, 0.12])]


def _dining_table(layout: Layout) -> Mesh:
    d = layout.rng.uniform(0.75, 1.05)
    w = d if layout.rng.random() < 0.3 else layout.rng.uniform(1.1, 2.0)
    return layout.draw("table", w, d, layout.rng.uniform(0.71, 0.78))


def _low_table(layout: Layout, d: float, h: float, stretch: float) -> Mesh:
    return layout.draw("low table", d * layout.rng.uniform(1.0, stretch), d, h)


def _table_with_chairs(layout: Layout, mesh: Mesh) -> None:
    w, d, h = mesh.size
    spot = layout.in_the_open(mesh.size, margin=0.5) or layout.in_the_open(mesh.size)
    if not spot:
        return
    layout.add(mesh, "table", spot.position, spot.yaw)
    _chairs_around(layout, spot, w, d, layout.rng.uniform(0.5, 1.0))
    _tops(layout, spot, w * 0.8, d * 0.8, h, 10)


def _desk_place(layout: Layout) -> None:
    rng = layout.rng
    mesh = layout.draw("desk")
    w, d, h = mesh.size
    spot = _against(layout, mesh, "desk")
    if not spot:
        return
    _chairs_around(
        layout, spot, w * 0.6, d, 0.95 if rng.random() < 0.9 else 0.0, sides="s", kind="office chair"
    )
    for _ in range(int(rng.choice(3, p=[0.2, 0.55, 0.25]))):
        screen = clutter.monitor(rng) if rng.random() < 0.75 else clutter.laptop(rng)
        layout.add(
            screen,
            "",
            spot.at((rng.uniform(-0.3, 0.3) * w, rng.uniform(0.0, 0.12), h)),
            spot.yaw + rng.normal(0, 0.2),
        )
    if rng.random() < 0.6:
        layout.add(clutter.keyboard(rng), "", spot.at((rng.normal(0, 0.08), -0.15, h)), spot.yaw)
    for x in (-1, 1):
        _tops(layout, Spot(spot.at((x * w * 0.38, 0, 0)), spot.yaw), w * 0.2, d * 0.8, h, 2)


def _seating(layout: Layout) -> Spot | None:
    """A sofa with pillows and, mostly, a coffee table before it."""
    rng = layout.rng
    mesh, spot = _insist(layout, "sofa", clearance=0.25)
    if not spot:
        return None
    for _ in range(int(rng.integers(0, 4))):
        x = rng.uniform(-0.4, 0.4) * mesh.size[0]
        layout.add(
            clutter.pillow(rng),
            "",
            spot.at((x, mesh.size[1] / 2 - 0.45, 0.46)),
            spot.yaw + rng.normal(0, 0.3),
        )
    if rng.random() < 0.75:
        low = _low_table(layout, rng.uniform(0.45, 0.75), rng.uniform(0.33, 0.5), 2.0)
        position = spot.at(
            (rng.normal(0, 0.15), -(mesh.size[1] + low.size[1]) / 2 - rng.uniform(0.28, 0.5), 0)
        )
        yaw = spot.yaw + rng.normal(0, 0.05)
        if layout.place_at(position, yaw, low.size):
            layout.add(low, "table", position, yaw)
            _tops(layout, Spot(position, yaw), low.size[0] * 0.7, low.size[1] * 0.7, low.size[2], 4)
    return spot


def _armchairs(layout: Layout, most: int) -> None:
    for _ in range(int(layout.rng.integers(0, most + 1))):
        mesh = layout.draw("armchair")
        spot = layout.in_the_open(mesh.size)
        if spot:
            layout.add(mesh, "chair", spot.position, spot.yaw + layout.rng.normal(0, 0.1))


def _television(layout: Layout) -> None:
    rng = layout.rng
    mesh = layout.draw("media bench")
    spot = _against(layout, mesh, "cabinet")
    if spot:
        layout.add(clutter.monitor(rng, rng.uniform(0.7, 1.2)), "", spot.at((0, 0, mesh.size[2])), spot.yaw)


def _rug(layout: Layout) -> None:
    mesh = clutter.rug(layout.rng)
    room = np.array([layout.width, layout.depth])
    half = mesh.size[:2].max() / 2
    if (room < 2 * half + 0.2).any():
        return
    layout.add(
        mesh,
        "",
        (*layout.rng.uniform(half + 0.05, room - half - 0.05), 0.0),
        layout.rng.integers(2) * np.pi / 2,
    )


def _loose_chair(layout: Layout) -> None:
    """A chair on its own: by a wall, or left standing somewhere at any angle."""
    rng = layout.rng
    mesh = layout.draw(_chair_kind(layout))
    if rng.random() < 0.5:
        _against(layout, mesh, "chair")
        return
    spot = layout.in_the_open(mesh.size)
    if spot:
        layout.add(mesh, "chair", spot.position, spot.yaw + rng.normal(0.0, 0.5))


def _row_of_chairs(layout: Layout) -> None:
    """Chairs of one design side by side along a wall, nearly touching."""
    rng = layout.rng
    mesh = layout.draw(_chair_kind(layout))
    w, d, h = mesh.size
    count = int(rng.integers(2, 5))
    pitch = w + rng.uniform(0.0, 0.08)
    spot = layout.against_wall((count * pitch, d, h))
    if spot:
        for k in range(count):
            position = spot.at(((k - (count - 1) / 2) * pitch, rng.normal(0, 0.02), 0))
            layout.add(mesh, "chair", position, spot.yaw + rng.normal(0.0, 0.06))


def _side_table(layout: Layout) -> None:
    mesh = _low_table(layout, layout.rng.uniform(0.35, 0.55), layout.rng.uniform(0.42, 0.62), 1.0)
    spot = _against(layout, mesh, "table")
    if spot:
        _tops(layout, spot, mesh.size[0], mesh.size[1] * 0.8, mesh.size[2], 3)


def _fill(layout: Layout, kind: str) -> None:
    """What gathers in a room over the years, in proportion to its floor."""
    rng = layout.rng
    options = _FILLINGS.get(kind, _FILLINGS[""])
    count = layout.width * layout.depth * rng.uniform(0.05, 0.32)
    for _ in range(round(count)):
        options[rng.integers(len(options))](layout)


# --- recipes ---------------------------------------------------------------------------------------


def _living(layout: Layout) -> None:
    _seating(layout)
    if layout.rng.random() < 0.4:
        _seating(layout)
    if layout.rng.random() < 0.8:
        _television(layout)
    for furnish, chance in (
        (_shelf, 0.75),
        (_storage, 0.6),
        (_odd_thing, 0.55),
        (_shelf, 0.3),
        (_desk_place, 0.3),
    ):
        if layout.rng.random() < chance:
            furnish(layout)
    if layout.rng.random() < 0.45:
        _table_with_chairs(layout, _dining_table(layout))
    _armchairs(layout, 2)
    if layout.rng.random() < 0.6:
        _rug(layout)


def _bedroom(layout: Layout) -> None:
    rng = layout.rng
    mesh, spot = _insist(layout, "bed", clearance=0.2)
    if spot:
        for k in range(int(rng.integers(1, 5))):
            x = (k % 2 - 0.5) * mesh.size[0] * 0.48 + rng.normal(0, 0.04)
            at = spot.at((x, mesh.size[1] / 2 - 0.38, 0.55 + 0.07 * (k // 2)))
            layout.add(clutter.pillow(rng), "", at, spot.yaw + rng.normal(0, 0.15))
        for side in (-1, 1):
            _nightstand(layout, spot, mesh, side)
    for furnish, chance in (
        (_storage, 0.8),
        (_odd_thing, 0.7),
        (_desk_place, 0.5),
        (_storage, 0.4),
        (_shelf, 0.35),
    ):
        if rng.random() < chance:
            furnish(layout)
    if rng.random() < 0.25:
        _insist(layout, "bed", clearance=0.0)
    _armchairs(layout, 1)
    if rng.random() < 0.5:
        _rug(layout)


def _nightstand(layout: Layout, spot: Spot, bed: Mesh, side: int) -> None:
    if layout.rng.random() < 0.4:
        return
    mesh = layout.draw("night stand")
    w, d, h = mesh.size
    position = spot.at((side * (bed.size[0] / 2 + w / 2 + 0.04), bed.size[1] / 2 - d / 2 - 0.03, 0))
    if layout.place_at(position, spot.yaw, (w, d, h)):
        layout.add(mesh, "cabinet", position, spot.yaw)
        _tops(layout, Spot(position, spot.yaw), w, d * 0.8, h, 2)


def _kitchen(layout: Layout) -> None:
    rng = layout.rng
    _counter(layout, rng.uniform(1.4, 3.2), with_sink=True)
    if rng.random() < 0.85:
        _against(layout, layout.draw("refrigerator"), "refrigerator")
    if rng.random() < 0.75:
        _against(layout, layout.draw("kitchen machine"), "otherfurniture", gap=0.0)
    if rng.random() < 0.6:
        _counter(layout, rng.uniform(0.7, 2.2), with_sink=False)
    if rng.random() < 0.4:
        _storage(layout)
    if rng.random() < 0.8:
        _table_with_chairs(layout, _dining_table(layout))
    if rng.random() < 0.25:
        _odd_thing(layout)


def _counter(layout: Layout, length: float, with_sink: bool) -> None:
    rng = layout.rng
    length = min(length, max(wall.length for wall in layout.walls) - 0.1)
    parts = layout.draw("counter", length, layout.draw("kitchen sink") if with_sink else None)
    size = next(part.mesh for part in parts if part.class_name == "counter").size
    taken = (length, size[1], 0.95)
    spot = layout.against_wall(taken, gap=0.0, clearance=0.4) or layout.against_wall(taken, gap=0.0)
    if not spot:
        return
    layout.add_parts(parts, spot)
    top = float(max(part.mesh.upper[2] for part in parts if part.class_name == "cabinet")) + 0.05
    sink = next((part for part in parts if part.class_name == "sink"), None)
    blocked = (
        (sink.position[0] - sink.mesh.size[0] / 2, sink.position[0] + sink.mesh.size[0] / 2)
        if sink
        else (length / 2,) * 2
    )
    for x0, x1 in ((-length / 2, blocked[0]), (blocked[1], length / 2)):
        if x1 - x0 > 0.3:
            _tops(layout, Spot(spot.at(((x0 + x1) / 2, 0, 0)), spot.yaw), x1 - x0, size[1] * 0.75, top, 9)
    if rng.random() < 0.75:
        hung = layout.draw("wall cupboard", length * rng.uniform(0.6, 1.0))
        above = layout.on_wall_at(spot.wall, spot.t, hung.size[0], 1.4, 1.4 + hung.size[2])
        if above:
            layout.add(hung, "cabinet", above.position, above.yaw)


def _bathroom(layout: Layout) -> None:
    rng = layout.rng
    if rng.random() < 0.75:
        _tub(layout)
    _insist(layout, "toilet", clearance=0.2)
    _washplace(layout)
    if rng.random() < 0.3:
        _washplace(layout)
    for furnish, chance in ((_storage, 0.35), (_odd_thing, 0.3)):
        if rng.random() < chance:
            furnish(layout)
    if rng.random() < 0.5:
        _rug(layout)


def _tub(layout: Layout) -> None:
    rng = layout.rng
    mesh, spot = _insist(layout, "bathtub", clearance=0.0)
    if spot and rng.random() < 0.7:
        hem = rng.uniform(0.15, 0.5)
        cloth = layout.draw("shower curtain", mesh.size[0], rng.uniform(1.85, 2.1) - hem)
        layout.add(cloth, "shower curtain", spot.at((0, -mesh.size[1] / 2 - 0.03, hem)), spot.yaw)


def _washplace(layout: Layout) -> None:
    rng = layout.rng
    parts = layout.draw("washbasin")
    size = np.max([part.mesh.size for part in parts], axis=0)
    spot = layout.against_wall((*size[:2], 1.0), gap=0.0)
    if not spot:
        return
    layout.add_parts(parts, spot)
    if rng.random() < 0.7:
        w = size[0] * rng.uniform(0.6, 1.0)
        glass = clutter.mirror(rng, w)
        above = layout.on_wall_at(spot.wall, spot.t, w, 1.15, 1.15 + glass.size[2])
        if above:
            layout.add(glass, "", above.position, above.yaw)


def _office(layout: Layout) -> None:
    rng = layout.rng
    for _ in range(int(rng.integers(2, 5))):
        _desk_place(layout)
    for furnish, chance in (
        (_shelf, 0.8),
        (_storage, 0.8),
        (_storage, 0.4),
        (_shelf, 0.4),
        (_odd_thing, 0.4),
    ):
        if rng.random() < chance:
            furnish(layout)
    if rng.random() < 0.5:
        _table_with_chairs(layout, _dining_table(layout))
    if rng.random() < 0.2:
        _seating(layout)


def _dining(layout: Layout) -> None:
    _table_with_chairs(layout, _dining_table(layout))
    for furnish, chance in ((_storage, 0.9), (_shelf, 0.5), (_storage, 0.5), (_odd_thing, 0.6)):
        if layout.rng.random() < chance:
            furnish(layout)
    if layout.rng.random() < 0.4:
        _counter(layout, layout.rng.uniform(1.2, 2.4), with_sink=layout.rng.random() < 0.5)
    if layout.rng.random() < 0.4:
        _rug(layout)


def _meeting(layout: Layout) -> None:
    _table_with_chairs(
        layout,
        layout.draw("meeting table", layout.rng.uniform(1.8, 3.2), layout.rng.uniform(0.95, 1.35), 0.74),
    )
    for furnish, chance in ((_storage, 0.6), (_shelf, 0.5), (_odd_thing, 0.3), (_seating, 0.25)):
        if layout.rng.random() < chance:
            furnish(layout)


_RECIPES = {
    "living": _Recipe(0.19, (3.3, 6.0), (3.5, 6.5), False, _living, (0, 3), 5),
    "bedroom": _Recipe(0.19, (2.8, 4.8), (2.9, 5.0), False, _bedroom, (0, 2), 4),
    "kitchen": _Recipe(0.17, (2.5, 4.8), (2.8, 5.6), True, _kitchen, (0, 2), 2),
    "bathroom": _Recipe(0.2, (1.8, 3.0), (2.0, 3.4), True, _bathroom, (0, 1), 1),
    "office": _Recipe(0.13, (3.0, 6.0), (3.0, 6.5), False, _office, (0, 3), 4),
    "dining": _Recipe(0.07, (2.9, 4.6), (3.0, 5.2), False, _dining, (0, 2), 4),
    "meeting": _Recipe(0.05, (3.5, 5.5), (4.0, 6.8), False, _meeting, (0, 3), 2),
}

_FILLINGS = {
    "": (_loose_chair, _loose_chair, _storage, _shelf, _odd_thing, _side_table, _row_of_chairs),
    "office": (_loose_chair, _desk_place, _desk_place, _storage, _shelf, _odd_thing, _row_of_chairs),
    "bathroom": (_storage, _odd_thing, _washplace),
    "kitchen": (_loose_chair, _storage, _odd_thing, _side_table),
}
