"""Furniture that belongs together: a table and its chairs, a bed and its stands, a counter and its sink."""

import numpy as np

from ssen_ros.simulation import clutter
from ssen_ros.simulation.dressing import Top, strew
from ssen_ros.simulation.layout import Layout, Placed
from ssen_ros.simulation.mesh import Mesh

# --- single things against a wall ------------------------------------------------------------------


def stand(
    layout: Layout, mesh: Mesh, class_name: str, clearance: float = 0.0, gap: float | None = None
) -> Placed | None:
    """Stand a mesh against a wall, where there is room for it."""
    if mesh.size[2] > layout.height - 0.03:
        return None
    spot = layout.against_wall(mesh.size, gap, clearance)
    if not spot:
        return None
    offset = (mesh.lower + mesh.upper) / 2 * (1, 1, 0)
    return layout.add(mesh, class_name, spot.at(-offset), spot.yaw)


def insist(layout: Layout, kind: str, clearance: float) -> Placed | None:
    """Stand a thing the room is named for against a wall; several designs are tried."""
    for attempt in range(8):
        placed = stand(layout, layout.draw(kind), kind, clearance if attempt < 3 else 0.0)
        if placed:
            return placed
    return None


def cabinet(layout: Layout) -> None:
    placed = stand(layout, layout.draw("cabinet"), "cabinet")
    if placed:
        strew(layout, placed, 7.0)


def bookshelf(layout: Layout) -> None:
    placed = stand(layout, layout.draw("bookshelf"), "bookshelf")
    if placed:
        strew(layout, placed, 6.0)


def odd_thing(layout: Layout) -> None:
    stand(layout, layout.draw("odd thing"), "otherfurniture")


def office_machine(layout: Layout) -> None:
    stand(layout, layout.draw("office machine"), "otherfurniture")


def kitchen_machine(layout: Layout) -> None:
    stand(layout, layout.draw("kitchen machine"), "otherfurniture", gap=0.0)


def refrigerator(layout: Layout) -> None:
    placed = stand(layout, layout.draw("refrigerator"), "refrigerator")
    if placed:
        strew(layout, placed, 6.0)


def side_table(layout: Layout) -> None:
    d = layout.rng.uniform(0.35, 0.55)
    placed = stand(layout, layout.draw("low table", d, d, layout.rng.uniform(0.42, 0.62)), "table")
    if placed:
        strew(layout, placed, 14.0)


def work_table(layout: Layout) -> None:
    """A table with its long side to the wall, laden."""
    rng = layout.rng
    mesh = layout.draw("table", rng.uniform(1.0, 1.8), rng.uniform(0.5, 0.8), rng.uniform(0.7, 0.78))
    placed = stand(layout, mesh, "table")
    if placed:
        strew(layout, placed, 9.0)


def rug(layout: Layout) -> None:
    mesh = layout.assets.clutter("rug") or clutter.rug(layout.rng)
    room = np.array([layout.width, layout.depth])
    half = mesh.size[:2].max() / 2
    if (room > 2 * half + 0.2).all():
        at = layout.rng.uniform(half + 0.05, room - half - 0.05)
        layout.add(mesh, "", (*at, 0.0), layout.rng.integers(2) * np.pi / 2)


# --- chairs ----------------------------------------------------------------------------------------


def chair_kind(layout: Layout) -> str:
    kinds = ("dining chair", "office chair", "armchair", "stool")
    return kinds[layout.rng.choice(4, p=[0.6, 0.15, 0.13, 0.12])]


def chairs_around(
    layout: Layout, table: Placed, share: float, sides: str = "nsew", kind: str = "dining chair"
) -> None:
    """Chairs at a table: mostly one set, pushed in to differing depth, some turned; they may touch."""
    rng, outline = layout.rng, layout.obstacles[-1]
    middle = (table.mesh.lower + table.mesh.upper) / 2
    w, d = table.mesh.size[:2]
    design = layout.draw(kind)
    count = max(1, int(w / max(rng.uniform(0.45, 0.8), design.size[0])))
    slots = []
    for i in range(count):
        x = -w / 2 + w * (i + 0.5) / count
        slots += [(x, d / 2, 0.0, 1.0)] * ("n" in sides) + [(x, -d / 2, 0.0, -1.0)] * ("s" in sides)
    slots += [(w / 2, 0.0, 1.0, 0.0)] * ("e" in sides) + [(-w / 2, 0.0, -1.0, 0.0)] * ("w" in sides)
    for x, y, dx, dy in slots:
        if rng.random() > share:
            continue
        mesh = design if rng.random() < 0.88 else layout.draw(kind)
        deep = rng.uniform(0.0, mesh.size[1] - 0.15) if rng.random() < 0.8 else rng.uniform(-0.5, 0.0)
        reach = mesh.size[1] / 2 - deep
        turn = rng.normal(0.0, 0.06 if deep > 0.2 else 0.35)
        # A chair's back is towards its own +y: it looks at the table.
        heading = table.yaw + np.arctan2(dy, dx) - np.pi / 2 + turn
        at = table.at((middle[0] + x + dx * reach, middle[1] + y + dy * reach, 0.0))
        out = table.at((dx, dy, 0.0)) - table.position
        layout.slide_in(mesh, at, heading, out[:2], table, outline)


def table_with_chairs(layout: Layout, mesh: Mesh, kind: str | None = None) -> None:
    spot = layout.in_the_open(mesh.size, margin=0.5) or layout.in_the_open(mesh.size)
    if not spot:
        return
    offset = (mesh.lower + mesh.upper) / 2 * (1, 1, 0)
    table = layout.add(mesh, "table", spot.at(-offset), spot.yaw)
    chairs_around(layout, table, layout.rng.uniform(0.5, 1.0), kind=kind or chair_kind(layout))
    strew(layout, table, 9.0)


def dining_place(layout: Layout) -> None:
    rng = layout.rng
    d = rng.uniform(0.75, 1.05)
    w = d if rng.random() < 0.3 else rng.uniform(1.1, 2.2)
    table_with_chairs(layout, layout.draw("table", w, d, rng.uniform(0.71, 0.78)), "dining chair")


def meeting_place(layout: Layout) -> None:
    rng = layout.rng
    short, long = sorted((layout.width, layout.depth))
    w, d = min(rng.uniform(1.8, 3.4), long - 1.6), min(rng.uniform(0.95, 1.35), short - 1.6)
    kind = "dining chair" if rng.random() < 0.5 else "office chair"
    table_with_chairs(layout, layout.draw("meeting table", w, d, rng.uniform(0.71, 0.76)), kind)


def loose_chair(layout: Layout) -> None:
    """A chair on its own: by a wall, or left standing somewhere at any angle."""
    rng = layout.rng
    mesh = layout.draw(chair_kind(layout))
    if rng.random() < 0.5:
        placed = stand(layout, mesh, "chair")
    else:
        spot = layout.in_the_open(mesh.size * (1.2, 1.2, 1.0))
        placed = spot and layout.add(mesh, "chair", spot.position, spot.yaw + rng.normal(0.0, 0.5))
    if placed and rng.random() < 0.25:
        Top(layout, placed).put(clutter.folded(rng), (0.0, -0.05), level=np.inf)


def row_of_chairs(layout: Layout) -> None:
    """Chairs of one design side by side along a wall, touching or nearly."""
    rng = layout.rng
    mesh = layout.draw("dining chair" if rng.random() < 0.7 else chair_kind(layout))
    w, d, h = mesh.size
    count = int(rng.integers(2, 6))
    gap = rng.choice([0.0, rng.uniform(0.0, 0.1)])
    spot = layout.against_wall((count * (w + gap), d, h))
    if not spot:
        return
    for k in range(count):
        position = spot.at(((k - (count - 1) / 2) * (w + gap), rng.normal(0, 0.4 * gap), 0))
        layout.add(mesh, "chair", position, spot.yaw + rng.normal(0.0, 0.5 * gap))


def rows_of_chairs(layout: Layout) -> None:
    """A block of chairs in rows, as before a speaker."""
    rng = layout.rng
    mesh = layout.draw("dining chair")
    w, d, h = mesh.size
    rows, columns, pitch = int(rng.integers(2, 4)), int(rng.integers(2, 6)), d + rng.uniform(0.2, 0.45)
    gap = rng.uniform(0.0, 0.06)
    spot = layout.in_the_open((columns * (w + gap), rows * pitch, h))
    if not spot:
        return
    for i in range(rows):
        for k in range(columns):
            x = (k - (columns - 1) / 2) * (w + gap)
            y = (i - (rows - 1) / 2) * pitch + rng.normal(0.0, 0.02)
            layout.add(mesh, "chair", spot.at((x, y, 0)), spot.yaw + rng.normal(0.0, 0.4 * gap))


def circle_of_chairs(layout: Layout) -> None:
    """Chairs facing inwards, close together."""
    rng = layout.rng
    mesh = layout.draw("dining chair" if rng.random() < 0.6 else "armchair")
    w, d, h = mesh.size
    count = int(rng.integers(4, 9))
    r = count * (w + rng.uniform(0.05, 0.2)) / (2 * np.pi) + d / 2
    spot = layout.in_the_open((2 * r + d, 2 * r + d, h))
    if not spot:
        return
    for k in range(count):
        if rng.random() < 0.9:
            angle = 2 * np.pi * k / count + rng.normal(0, 0.03)
            at = spot.at((r * np.cos(angle), r * np.sin(angle), 0))
            layout.add(mesh, "chair", at, spot.yaw + angle - np.pi / 2 + rng.normal(0, 0.08))


def armchairs(layout: Layout, most: int) -> None:
    for _ in range(int(layout.rng.integers(0, most + 1))):
        mesh = layout.draw("armchair")
        spot = layout.in_the_open(mesh.size * (1.1, 1.1, 1.0))
        if spot:
            chair = layout.add(mesh, "chair", spot.position, spot.yaw + layout.rng.normal(0, 0.1))
            if layout.rng.random() < 0.4:
                Top(layout, chair).put(clutter.pillow(layout.rng), (0.0, 0.0), level=np.inf)


# --- desks -----------------------------------------------------------------------------------------


def desk_place(layout: Layout) -> None:
    placed = stand(layout, layout.draw("desk"), "desk")
    if placed:
        _equip_desk(layout, placed)


def desk_island(layout: Layout) -> None:
    """Two or four equal desks front to front in the open."""
    rng = layout.rng
    mesh = layout.draw("desk")
    w, d, h = mesh.size
    columns = int(rng.integers(1, 3))
    spot = layout.in_the_open((columns * w, 2 * d, h), margin=1.0)
    if not spot:
        return
    middle = (mesh.lower + mesh.upper) / 2 * (1, 1, 0)
    for k in range(columns):
        for side in (-1, 1):
            center = np.array([(k - (columns - 1) / 2) * w, side * d / 2, 0.0])
            turned = 0.0 if side < 0 else np.pi
            at = spot.at(center - np.array([np.cos(turned), np.cos(turned), 1]) * middle)
            _equip_desk(layout, layout.add(mesh, "desk", at, spot.yaw + turned))


def _equip_desk(layout: Layout, desk: Placed) -> None:
    rng = layout.rng
    if rng.random() < 0.92:
        kind = "office chair" if rng.random() < 0.8 else "dining chair"
        chairs_around(layout, desk, 1.0, sides="s", kind=kind)
    w, d = desk.mesh.size[:2]
    top = Top(layout, desk)
    for _ in range(int(rng.choice(4, p=[0.15, 0.45, 0.3, 0.1]))):
        screen = clutter.monitor(rng) if rng.random() < 0.75 else clutter.laptop(rng)
        top.put(screen, (rng.uniform(-0.35, 0.35) * w, rng.uniform(0.0, 0.3) * d))
    if rng.random() < 0.65:
        top.put(clutter.keyboard(rng), (rng.normal(0, 0.08), -0.25 * d))
    top.strew(int(rng.integers(1, 12)))


# --- sofas and beds --------------------------------------------------------------------------------


def seating(layout: Layout) -> None:
    """A sofa with pillows and, mostly, a coffee table before it."""
    rng = layout.rng
    sofa = insist(layout, "sofa", clearance=0.25)
    if not sofa:
        return
    top = Top(layout, sofa)
    w, d = sofa.mesh.size[:2]
    for _ in range(int(rng.integers(0, 6))):
        top.put(
            clutter.pillow(rng), (rng.uniform(-0.38, 0.38) * w, rng.uniform(-0.2, 0.15) * d), level=np.inf
        )
    for _ in range(int(rng.integers(0, 3))):
        top.put(clutter.folded(rng), (rng.uniform(-0.4, 0.4) * w, rng.uniform(-0.3, 0.1) * d), level=np.inf)
    if rng.random() < 0.8:
        depth = rng.uniform(0.45, 0.75)
        low = layout.draw("low table", depth * rng.uniform(1.0, 2.0), depth, rng.uniform(0.33, 0.5))
        front = sofa.mesh.lower[1] - low.size[1] / 2 - rng.uniform(0.2, 0.5)
        position, yaw = sofa.at((rng.normal(0, 0.15), front, 0)), sofa.yaw + rng.normal(0, 0.05)
        if layout.place_at(position, yaw, low.size):
            strew(layout, layout.add(low, "table", position, yaw), 10.0)


def sleeping_place(layout: Layout, clearance: float = 0.2) -> None:
    rng = layout.rng
    bed = insist(layout, "bed", clearance)
    if not bed:
        return
    top, (w, d) = Top(layout, bed), bed.mesh.size[:2]
    head = bed.mesh.upper[1] - 0.36
    for k in range(int(rng.integers(1, 6))):
        top.put(clutter.pillow(rng), ((k % 2 - 0.5) * w * 0.48, head - 0.12 * (k // 2)), level=np.inf)
    for _ in range(int(rng.integers(0, 5))):
        thing = (clutter.folded, clutter.books, clutter.bag, clutter.laptop)[rng.integers(4)](rng)
        top.put(thing, (rng.uniform(-0.35, 0.35) * w, rng.uniform(-0.4, 0.1) * d), level=np.inf)
    for side in (-1, 1):
        if rng.random() < 0.6:
            night_stand(layout, bed, side)


def night_stand(layout: Layout, bed: Placed, side: int) -> None:
    mesh = layout.draw("night stand")
    w, d, h = mesh.size
    edge = bed.mesh.upper[0] if side > 0 else -bed.mesh.lower[0]
    position = bed.at(
        (side * (edge + w / 2 + layout.rng.uniform(0.0, 0.1)), bed.mesh.upper[1] - d / 2 - 0.03, 0)
    )
    if layout.place_at(position, bed.yaw, (w, d, h)):
        strew(layout, layout.add(mesh, "cabinet", position, bed.yaw), 18.0)


def television(layout: Layout) -> None:
    placed = stand(layout, layout.draw("media bench"), "cabinet")
    if placed:
        top = Top(layout, placed)
        top.put(clutter.monitor(layout.rng, layout.rng.uniform(0.6, 1.2)), (0.0, 0.0))
        top.strew(int(layout.rng.integers(0, 6)))


# --- kitchens and bathrooms ------------------------------------------------------------------------


def counter(layout: Layout, length: float, with_sink: bool) -> None:
    rng = layout.rng
    length = min(length, max(wall.length for wall in layout.walls) - 0.1)
    parts = layout.draw("counter", length, layout.draw("kitchen sink") if with_sink else None)
    size = next(part.mesh for part in parts if part.class_name == "counter").size
    taken = (size[0], size[1], 0.95)
    spot = layout.against_wall(taken, gap=0.0, clearance=0.4) or layout.against_wall(taken, gap=0.0)
    if not spot:
        return
    for placed, part in zip(layout.add_parts(parts, spot), parts):
        if part.class_name == "counter":
            strew(layout, placed, 12.0)
    if rng.random() < 0.75:
        hung = layout.draw("wall cupboard", length * rng.uniform(0.6, 1.0))
        above = layout.on_wall_at(spot.wall, spot.t, hung.size[0], 1.4, 1.4 + hung.size[2])
        if above:
            layout.add(hung, "cabinet", above.position, above.yaw)


def counter_here(layout: Layout) -> None:
    """A short counter anywhere, with a sink or without."""
    counter(layout, layout.rng.uniform(0.8, 2.2), with_sink=layout.rng.random() < 0.3)


def tub(layout: Layout) -> None:
    rng = layout.rng
    placed = insist(layout, "bathtub", clearance=0.0)
    if placed and rng.random() < 0.85:
        w, hem = placed.mesh.size[0], rng.uniform(0.15, 0.5)
        cloth = layout.draw("shower curtain", w, rng.uniform(1.85, 2.1) - hem)
        at = placed.at((0.0, placed.mesh.lower[1] - 0.09, 0.0)) + (0, 0, hem)
        layout.add(cloth, "shower curtain", at, placed.yaw)


def shower(layout: Layout) -> None:
    """A tray in a corner behind a curtain."""
    rng = layout.rng
    w = rng.uniform(0.8, 1.0)
    tray = clutter.shower_tray(rng, w)
    spot = layout.against_wall((w, w, 2.0), gap=0.0)
    if spot:
        layout.add(tray, "", spot.position, spot.yaw)
        hem = rng.uniform(0.05, 0.2)
        cloth = layout.draw("shower curtain", w, rng.uniform(1.85, 2.05) - hem)
        layout.add(cloth, "shower curtain", spot.at((0, -w / 2 + 0.02, hem)), spot.yaw)


def washplace(layout: Layout) -> None:
    rng = layout.rng
    parts = layout.draw("washbasin")
    size = np.max([part.mesh.size for part in parts], axis=0)
    spot = layout.against_wall((*size[:2], 1.0), gap=0.0)
    if not spot:
        return
    placed = layout.add_parts(parts, spot)
    counters = [p for p, part in zip(placed, parts) if part.class_name == "counter"]
    Top(layout, (counters or placed)[-1]).strew(int(rng.integers(0, 4)), clutter.bottle)
    if rng.random() < 0.7:
        w = size[0] * rng.uniform(0.6, 1.0)
        glass = clutter.mirror(rng, w)
        above = layout.on_wall_at(spot.wall, spot.t, w, 1.15, 1.15 + glass.size[2])
        if above:
            layout.add(glass, "", above.position, above.yaw)
