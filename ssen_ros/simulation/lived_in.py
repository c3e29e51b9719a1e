"""Rooms as people leave them: things on, under and against each other, and the people themselves.

Groups and recipes of `Recipe.VARIED`. They share the finding of places with `groups`, but where things may
touch, `contact` judges and not their footprints.
"""

from collections.abc import Callable, Sequence

import numpy as np

from ssen_ros.labels import LABEL_NAMES
from ssen_ros.simulation import belongings, clutter, groups
from ssen_ros.simulation.contact import settle
from ssen_ros.simulation.dressing import Top, litter_floor
from ssen_ros.simulation.furniture import Part
from ssen_ros.simulation.layout import Layout, Placed, Spot
from ssen_ros.simulation.mesh import Mesh

Furnish = Callable[[Layout], object]

_SOFT = 0.07  # m that people sink into what they sit on
_UNEVEN = 0.25  # m, of what pillows and blankets lie on: nothing hangs over a seat from its back
_CARRIERS = {"table", "desk", "cabinet", "sofa", "bed", "bookshelf", "counter", "chair", "otherfurniture"}


def _chance(layout: Layout, *options: tuple[Furnish, float]) -> None:
    for furnish, chance in options:
        if layout.rng.random() < chance:
            furnish(layout)


# --- what lies on things ---------------------------------------------------------------------------


def office_thing(layout: Layout) -> Mesh:
    if layout.rng.random() < 0.5:
        return layout.draw("desk thing")
    makers = (
        clutter.books,
        clutter.papers,
        clutter.papers,
        clutter.mug,
        clutter.bottle,
        clutter.box,
        clutter.plant,
    )
    return makers[layout.rng.integers(len(makers))](layout.rng)


def kitchen_thing(layout: Layout) -> Mesh:
    if layout.rng.random() < 0.6:
        return layout.draw("kitchen thing")
    makers = (clutter.bottle, clutter.bowl, clutter.mug, clutter.box, clutter.plant, clutter.folded)
    return makers[layout.rng.integers(len(makers))](layout.rng)


def home_thing(layout: Layout) -> Mesh:
    return layout.assets.clutter("top") or clutter.tabletop(layout.rng)


def load(layout: Layout, carrier: Placed, thing: Callable[[Layout], Mesh], most: float = 26.0) -> None:
    """Bare, a few things or full: up to `most` a square metre."""
    rng = layout.rng
    density = most * rng.choice([0.0, rng.uniform(0.05, 0.35), rng.uniform(0.4, 1.0)], p=[0.25, 0.4, 0.35])
    count = int(rng.poisson(density * float(np.prod(carrier.mesh.size[:2]))))
    if not count:
        return
    top = Top(layout, carrier)
    for _ in range(count):
        top.put(thing(layout))


# --- people ----------------------------------------------------------------------------------------


def sit_down(layout: Layout, seat: Placed, along: float = 0.0) -> Placed | None:
    """Somebody on a chair, or on a sofa `along` m from its middle, where there is room for knees and arms."""
    mesh = seat.mesh
    heights = mesh.relief(0.04)
    middle = (np.array([along, -0.04]) - mesh.lower[:2]) / 0.04
    x, y = (int(np.clip(m, 2, n - 3)) for m, n in zip(middle, heights.shape))
    height = float(np.median(heights[x - 2 : x + 3, y - 1 : y + 2]))
    if not 0.3 < height < 0.72:
        return None
    back = seat.at((along, 0.1, 0.0))
    forward = (seat.at((0.0, -1.0, 0.0)) - seat.position)[:2]
    for _ in range(3):
        yaw, person = seat.yaw + layout.rng.normal(0.0, 0.06), layout.draw("sitting person", height)
        placed = settle(layout, person, "", back, yaw, forward, reach=0.3, touch=_SOFT, cleared=True)
        if placed:
            return placed
    return None


def stand_about(layout: Layout, most: int) -> None:
    """People standing somewhere, now and then two in talk."""
    rng = layout.rng
    for _ in range(int(rng.integers(min(most, 1), most + 1))):
        person = layout.draw("standing person")
        for _ in range(8):
            at = np.array([*rng.uniform(0.3, np.array([layout.width, layout.depth]) - 0.3), 0.0])
            first = settle(layout, person, "", at, rng.uniform(0, 2 * np.pi))
            if first:
                break
        if first and rng.random() < 0.4:
            opposite = first.at((rng.normal(0, 0.15), -rng.uniform(0.6, 1.0), 0.0))
            yaw = first.yaw + np.pi + rng.normal(0, 0.3)
            settle(layout, layout.draw("standing person"), "", opposite, yaw)


# --- chairs ----------------------------------------------------------------------------------------


def pull_up(layout: Layout, mesh: Mesh, host: Placed, at, out, people: float = 0.0) -> Placed | None:
    """A chair at (x, y) of the edge of a table or counter, as deep under it as it goes or left further out.

    `out` is the direction away from the host; both in the host's frame, m. `people` is the chance of somebody
    on it.
    """
    rng = layout.rng
    taken = rng.random() < people
    deep = rng.uniform(-0.05, 0.95 * mesh.size[1]) if rng.random() < 0.8 else rng.uniform(-0.5, 0.0)
    deep = rng.uniform(0.0, 0.2) if taken else deep
    turn = rng.normal(0.0, 0.08) if taken or rng.random() < 0.7 else rng.normal(0.0, 0.5)
    reach = mesh.size[1] / 2 - deep
    position = host.at((at[0] + out[0] * reach, at[1] + out[1] * reach, 0.0))
    away = (host.at((*out, 0.0)) - host.position)[:2]
    yaw = host.yaw + np.arctan2(out[1], out[0]) - np.pi / 2 + turn
    chair = settle(layout, mesh, "chair", position, yaw, away, reach=0.75, cleared=True)
    if chair and taken:
        sit_down(layout, chair)
    return chair


def seat_round(
    layout: Layout,
    table: Placed,
    share: float,
    sides: str = "nsew",
    kind: str = "dining chair",
    people: float = 0.0,
) -> None:
    """Chairs along the sides of a table, close and touching, mostly of one set; on some are `people`."""
    rng = layout.rng
    middle, (w, d) = (table.mesh.lower + table.mesh.upper) / 2, table.mesh.size[:2]
    design = layout.draw(kind)
    width = design.size[0] + rng.choice([-0.02, 0.02, rng.uniform(0.05, 0.3)])
    slots = []
    for side, length, reach, (dx, dy) in (
        ("n", w, d, (0, 1)), ("s", w, d, (0, -1)), ("e", d, w, (1, 0)), ("w", d, w, (-1, 0))
    ):  # fmt: skip
        if side in sides:
            count = max(1, int(length / width)) if length > 0.6 else 0
            step = rng.choice([length / max(count, 1), width])
            for k in range(count):
                t = (k - (count - 1) / 2) * step
                slots.append(
                    (
                        middle[0] + dx * reach / 2 + abs(dy) * t,
                        middle[1] + dy * reach / 2 + abs(dx) * t,
                        dx,
                        dy,
                    )
                )
    for x, y, dx, dy in slots:
        if rng.random() < share:
            mesh = design if rng.random() < 0.9 else layout.draw(kind)
            pull_up(layout, mesh, table, (x, y), (dx, dy), people)


def row_of_chairs(layout: Layout) -> None:
    """Chairs side by side along a wall, their edges in each other as far as solid things go."""
    rng = layout.rng
    mesh = layout.draw("dining chair")
    w, d, h = mesh.size
    count, pitch = int(rng.integers(2, 7)), w - rng.uniform(0.0, 0.03)
    spot = layout.against_wall((count * pitch + 0.05, d, h))
    people = rng.choice([0.0, 0.3], p=[0.7, 0.3])
    if not spot:
        return
    for k in range(count):
        at = spot.at(((k - (count - 1) / 2) * pitch, 0, 0))
        chair = settle(layout, mesh, "chair", at, spot.yaw + rng.normal(0, 0.02))
        if chair and rng.random() < people:
            sit_down(layout, chair)


def rows_of_chairs(layout: Layout) -> None:
    """A block of chairs as before a speaker, each in touch with the next, some with people."""
    rng = layout.rng
    mesh = layout.draw("dining chair")
    w, d, h = mesh.size
    rows, columns, pitch = (
        int(rng.integers(2, 4)),
        int(rng.integers(2, 6)),
        (w - 0.02, d + rng.uniform(0.1, 0.45)),
    )
    spot = layout.in_the_open((columns * w, rows * pitch[1], 0.02))
    people = rng.choice([0.0, 0.4], p=[0.6, 0.4])
    if not spot:
        return
    for i in range(rows):
        for k in range(columns):
            at = spot.at(((k - (columns - 1) / 2) * pitch[0], (i - (rows - 1) / 2) * pitch[1], 0))
            chair = settle(layout, mesh, "chair", at, spot.yaw + rng.normal(0, 0.03))
            if chair and rng.random() < people:
                sit_down(layout, chair)


def loose_chair(layout: Layout) -> None:
    """A chair left against some piece of furniture, its back or side touching it, or on its own."""
    mesh = layout.draw(groups.chair_kind(layout))
    if layout.rng.random() < 0.5:
        lean_on(layout, mesh, "chair")
    else:
        groups.loose_chair(layout)


# --- things against things -------------------------------------------------------------------------


def lean_on(layout: Layout, mesh: Mesh, class_name: str = "") -> Placed | None:
    """Stand a thing touching a piece of furniture, at any of its sides."""
    rng = layout.rng
    hosts = [o for o in layout.objects if LABEL_NAMES[o.class_id] in _CARRIERS and o.position[2] < 0.1]
    for _ in range(4 if hosts else 0):
        host = hosts[rng.integers(len(hosts))]
        middle, size = (host.mesh.lower + host.mesh.upper) / 2, host.mesh.size
        dx, dy = ((0, -1), (1, 0), (-1, 0), (0, 1))[rng.integers(4)]
        turned = rng.integers(4) * np.pi / 2
        w, d = mesh.size[:2] if turned % np.pi < 0.1 else mesh.size[1::-1]
        slack = rng.uniform(-0.5, 0.5)
        x = middle[0] + dx * (size[0] + w) / 2 + abs(dy) * slack * size[0]
        y = middle[1] + dy * (size[1] + d) / 2 + abs(dx) * slack * size[1]
        away = (host.at((dx, dy, 0.0)) - host.position)[:2]
        placed = settle(
            layout,
            mesh,
            class_name,
            host.at((x, y, 0.0)),
            host.yaw + turned + rng.normal(0, 0.06),
            away,
            reach=0.2,
        )
        if placed:
            return placed
    return None


def leave_at_home(layout: Layout, count: int) -> None:
    """What stands and lies on the floor: against furniture and walls, or in the way."""
    _leave(layout, count, "household thing", clutter.floor_item)


def leave_at_work(layout: Layout, count: int) -> None:
    _leave(layout, count, "workplace thing", _work_item)


def _work_item(rng: np.random.Generator) -> Mesh:
    makers = (clutter.carton, clutter.bin_, clutter.bin_, clutter.bag, clutter.big_plant, clutter.crate_stack)
    return makers[rng.integers(len(makers))](rng)


def _leave(layout: Layout, count: int, kind: str, common: Callable[[np.random.Generator], Mesh]) -> None:
    rng = layout.rng
    for _ in range(count):
        drawn = str(rng.choice([kind, "plant", "floor lamp", ""], p=[0.4, 0.1, 0.06, 0.44]))
        mesh = layout.draw(drawn) if drawn else common(rng)
        where = rng.random()
        if where < 0.45:
            lean_on(layout, mesh)
            continue
        spot = layout.against_wall(mesh.size) if where < 0.8 else layout.in_the_open(mesh.size)
        if spot:
            offset = (mesh.lower + mesh.upper) / 2 * (1, 1, 0)
            placed = layout.add(mesh, "", spot.at(-offset), spot.yaw)
            if mesh.size[2] < 0.6 and rng.random() < 0.3:
                Top(layout, placed).strew(1)


def plant(layout: Layout) -> None:
    groups.stand(layout, layout.draw("plant"), "")


def other_furniture(layout: Layout) -> None:
    placed = groups.stand(layout, layout.draw("other furniture"), "otherfurniture")
    if placed:
        load(layout, placed, home_thing, 10.0)


# --- offices ---------------------------------------------------------------------------------------


def desk_rows(layout: Layout) -> None:
    """Equal desks side by side, mostly two rows back to back, with partitions between them or without."""
    rng = layout.rng
    w, d, h = rng.uniform(1.1, 1.7), rng.uniform(0.6, 0.82), rng.uniform(0.71, 0.76)
    mesh = layout.draw("bench desk", w, d, h)
    between = str(rng.choice(["none", "low", "high"], p=[0.3, 0.35, 0.35]))
    gap = 0.0 if between == "none" else 0.062
    beside = gap if rng.random() < 0.4 else 0.0
    for columns in range(int(rng.integers(1, 5)), 0, -1):
        for sides in (2, 1) if rng.random() < 0.7 else (1,):
            size = np.array([columns * (w + beside), sides * d + gap, h])
            spot = (
                layout.in_the_open(size, margin=0.7)
                if sides == 2
                else layout.against_wall(size, clearance=0.7)
            )
            if spot:
                _fill_rows(layout, spot, mesh, (columns, sides), (gap, beside), between)
                return


def _fill_rows(
    layout: Layout, spot: Spot, mesh: Mesh, shape: tuple[int, int], gaps: tuple[float, float], between: str
) -> None:
    rng, (w, d, h) = layout.rng, mesh.size
    (columns, sides), (gap, beside) = shape, gaps
    panel_h, foot = (rng.uniform(1.15, 1.6), 0.0) if between == "high" else (rng.uniform(0.4, 0.6), h - 0.15)
    behind = layout.draw("partition", w + beside - 0.004, panel_h) if gap else None
    cheek = layout.draw("partition", d - 0.05, panel_h) if beside else None
    busy = rng.choice([0.0, 0.5], p=[0.45, 0.55])
    y_behind = 0.0 if sides == 2 else d / 2
    desks = []
    for k in range(columns):
        x = (k - (columns - 1) / 2) * (w + beside)
        if behind:
            layout.add(behind, "", spot.at((x, y_behind, foot)), spot.yaw)
        for side in (-1, 1)[:sides]:
            y = side * (d + gap) / 2 if sides == 2 else -gap / 2
            at, yaw = spot.at((x, y, 0.0)), spot.yaw + (0.0 if side < 0 else np.pi)
            desks.append(layout.add(mesh, "desk", at, yaw))
            if cheek and k:
                border = spot.at((x - (w + beside) / 2, y, foot))
                layout.add(cheek, "", border, yaw + np.pi / 2)
    for desk in desks:
        equip_desk(layout, desk, people=busy)


def desk_place(layout: Layout) -> None:
    desk = groups.stand(layout, layout.draw("desk"), "desk", clearance=0.3)
    if desk:
        equip_desk(layout, desk, people=0.15)


def equip_desk(layout: Layout, desk: Placed, people: float) -> None:
    """A chair or two, drawers and a computer under or beside it, a bin, screens, and all that lies about."""
    rng = layout.rng
    d, middle = desk.mesh.size[1], (desk.mesh.lower + desk.mesh.upper) / 2
    first = rng.choice([-1, 1])
    if rng.random() < 0.6:
        _under(layout, desk, layout.draw("desk drawers"), "cabinet", first)
    if rng.random() < 0.4:
        _under(layout, desk, belongings.tower(rng), "", -first)
    if rng.random() < 0.95:
        mesh = layout.draw("office chair" if rng.random() < 0.8 else "dining chair")
        at = (middle[0] + rng.normal(0, 0.08), middle[1] - d / 2)
        pull_up(layout, mesh, desk, at, (0.0, -1.0), people)
    if rng.random() < 0.5:
        thing = (clutter.bin_, clutter.bag, clutter.carton, belongings.backpack)[rng.integers(4)](rng)
        _under(layout, desk, thing, "", rng.choice([-1, 1]))
    _fill_desk(layout, desk)


def _under(layout: Layout, desk: Placed, mesh: Mesh, class_name: str, side: int) -> None:
    """A thing under one end of a desk; where that is taken, beside it."""
    (w, d), middle = desk.mesh.size[:2], (desk.mesh.lower + desk.mesh.upper) / 2
    front = middle[1] - d / 2 + mesh.size[1] / 2
    deep = front + layout.rng.uniform(-0.05, 0.25)
    for x, y in ((w / 2 - mesh.size[0] / 2 - 0.08, deep), (w / 2 + mesh.size[0] / 2 + 0.01, front)):
        at = desk.at((middle[0] + side * x, y, 0.0))
        placed = settle(layout, mesh, class_name, at, desk.yaw + layout.rng.normal(0, 0.02))
        if placed:
            if class_name and x > w / 2:
                load(layout, placed, office_thing, 14.0)
            return


def _fill_desk(layout: Layout, desk: Placed) -> None:
    rng, (w, d) = layout.rng, desk.mesh.size[:2]
    top = Top(layout, desk)
    screens = int(rng.choice(4, p=[0.15, 0.4, 0.33, 0.12]))
    wide = min(rng.uniform(0.42, 0.66), 0.9 * w / max(screens, 1))
    start = rng.uniform(-0.1, 0.1) * w - (screens - 1) * wide / 2
    for k in range(screens):
        top.put(clutter.monitor(rng, wide - 0.02), (start + k * (wide + 0.02), rng.uniform(0.2, 0.3) * d))
    if rng.random() < 0.4:
        top.put(clutter.laptop(rng), (rng.uniform(-0.3, 0.3) * w, rng.uniform(-0.15, 0.1) * d))
    if screens and rng.random() < 0.85:
        top.put(clutter.keyboard(rng), (rng.normal(0, 0.08), -0.22 * d))
    if rng.random() < 0.4:
        top.put(layout.draw("desk thing"), (rng.choice([-0.42, 0.42]) * w, 0.3 * d))
    for _ in range(
        int(rng.choice([rng.integers(0, 4), rng.integers(4, 10), rng.integers(10, 24)], p=[0.3, 0.4, 0.3]))
    ):
        top.put(office_thing(layout))


def partitioned_place(layout: Layout) -> None:
    """A desk in a corner that partitions make in the open: a cubicle."""
    rng = layout.rng
    w, d, h = rng.uniform(1.3, 1.8), rng.uniform(0.65, 0.8), rng.uniform(0.71, 0.76)
    tall = rng.uniform(1.2, 1.7)
    spot = layout.in_the_open((w + 0.14, d + 0.75, h), margin=0.3)
    if not spot:
        return
    y = 0.35
    layout.add(layout.draw("partition", w + 0.13, tall), "", spot.at((0, y + d / 2 + 0.035, 0)), spot.yaw)
    for side in (-1, 1) if rng.random() < 0.6 else (rng.choice([-1, 1]),):
        wing = layout.draw("partition", d + 0.5, tall)
        layout.add(wing, "", spot.at((side * (w / 2 + 0.033), y - 0.255, 0)), spot.yaw + np.pi / 2)
    desk = layout.add(layout.draw("bench desk", w, d, h), "desk", spot.at((0, y, 0)), spot.yaw)
    equip_desk(layout, desk, people=0.3)


def loaded_shelf(layout: Layout) -> None:
    """Boards full of boxes, binders and devices that are things of their own; a printer on a low one."""
    rng = layout.rng
    shelf = groups.stand(layout, layout.draw("loading shelf"), "bookshelf")
    if not shelf:
        return
    lower, upper = shelf.mesh.boxes
    (w, d), size = shelf.mesh.size[:2], upper - lower
    flat = (size[:, 0] > 0.85 * w) & (size[:, 1] > 0.8 * d) & (size[:, 2] < 0.06)
    boards = np.unique(np.round(upper[flat, 2], 3))
    full = rng.uniform(0.2, 1.0)
    for z, ceiling in zip(boards, [*boards[1:], boards[-1] + 0.45]):
        x = shelf.mesh.lower[0] + 0.06
        while x < shelf.mesh.upper[0] - 0.2 and z < 1.9:
            mesh = _good(layout)
            x_next = x + mesh.size[0] + rng.uniform(0.005, 0.06)
            fits = (
                mesh.size[2] < ceiling - z - 0.05 and mesh.size[1] < d and x_next < shelf.mesh.upper[0] - 0.05
            )
            if fits and rng.random() < full:
                middle = (mesh.lower + mesh.upper) / 2
                at = (
                    x + mesh.size[0] / 2 - middle[0],
                    -middle[1] + rng.uniform(-0.5, 0.5) * (d - mesh.size[1]) * 0.8,
                    z,
                )
                layout.add(mesh, "", shelf.at(at), shelf.yaw)
            x = x_next if fits else x + 0.12


def _good(layout: Layout) -> Mesh:
    rng = layout.rng
    makers = (clutter.carton, clutter.box, clutter.box, clutter.books, belongings.binders, belongings.binders,
              belongings.paper_stack, clutter.machine, clutter.folded, clutter.bottle)  # fmt: skip
    return makers[rng.integers(len(makers))](rng)


def printer_place(layout: Layout) -> None:
    """A printer on a low cabinet, with paper beside it."""
    rng = layout.rng
    placed = groups.stand(layout, layout.draw("cabinet"), "cabinet")
    if placed and placed.mesh.size[2] < 1.4:
        top = Top(layout, placed)
        top.put(belongings.printer(rng), (rng.uniform(-0.3, 0.3) * placed.mesh.size[0], 0.0))
        for _ in range(int(rng.integers(0, 6))):
            top.put(office_thing(layout))


def reception(layout: Layout) -> None:
    """A counter that guests stand before, somebody behind it."""
    rng = layout.rng
    parts = layout.draw("reception", rng.uniform(1.4, 2.4), None)
    size = parts[0].mesh.size
    spot = layout.in_the_open(size + (0, 0.5, 0), margin=0.4)
    if not spot:
        return
    desk = layout.add_parts(parts, spot)[0]
    load(layout, desk, office_thing, 12.0)
    pull_up(layout, layout.draw("office chair"), desk, (0.0, size[1] / 2), (0.0, 1.0))
    if rng.random() < 0.4:
        settle(
            layout,
            layout.draw("standing person"),
            "",
            desk.at((0.3, -size[1] / 2 - 0.35, 0)),
            desk.yaw + np.pi,
        )


# --- kitchens --------------------------------------------------------------------------------------


def kitchen_run(layout: Layout) -> None:
    """Counters, stove, refrigerator and tall cabinets side by side without gaps, cupboards above."""
    rng = layout.rng
    for attempt in range(6):
        modules = _modules(layout, few=attempt > 2)
        widths = np.array([_span(parts)[0] for parts in modules]) + 0.004
        spot = layout.against_wall((widths.sum(), 0.7, 0.95), gap=0.0, clearance=0.4 if attempt < 4 else 0.0)
        if spot:
            break
    else:
        return
    left = np.cumsum(widths) - widths / 2 - widths.sum() / 2
    styles = kitchen_thing, float(rng.uniform(10, 34))
    cupboards, style = rng.random() < 0.85, rng.bit_generator.state
    for parts, x, w in zip(modules, left, widths):
        depth, tall = _span(parts)[1:]
        t = spot.t - x
        if tall > 1.2:
            if not spot.wall.is_free(t - w / 2, t + w / 2, 0.96, tall) or tall > layout.height - 0.03:
                continue
            spot.wall.taken.append((t - w / 2, t + w / 2, 0.95, tall))
        at = Spot(spot.at((x, 0.35 - depth / 2, 0.0)), spot.yaw)
        placed = layout.add_parts(parts, at)
        for carrier, part in zip(placed, parts):
            if part.class_name == "counter":
                if rng.random() < 0.35 and not any(p.class_name == "sink" for p in parts):
                    Top(layout, carrier).put(belongings.hob(rng), (0.0, 0.0))
                load(layout, carrier, *styles)
            elif tall < 1.9 and part.class_name in ("refrigerator", "cabinet") and len(parts) == 1:
                load(layout, carrier, home_thing, 8.0)
        if cupboards and len(parts) > 1 and w > 0.4:
            rest, rng.bit_generator.state = rng.bit_generator.state, style
            hung = layout.draw("wall cupboard", w)
            rng.bit_generator.state = rest
            above = layout.on_wall_at(spot.wall, t, hung.size[0], 1.4, 1.4 + hung.size[2])
            if above:
                layout.add(hung, "cabinet", above.position, above.yaw)


def _modules(layout: Layout, few: bool) -> list[tuple[Part, ...]]:
    """What stands in a run, from one end to the other."""
    rng = layout.rng
    lengths, sink = rng.uniform(0.5, 1.0 if few else 1.9, 2), layout.draw("kitchen sink")
    style = rng.bit_generator.state  # of the first counter, and of the second: they are of one make
    modules = [layout.draw("counter", max(lengths[0], 0.85), sink)]
    if rng.random() < 0.7:
        modules.append((Part("otherfurniture", layout.draw("oven")),))
    if rng.random() < (0.3 if few else 0.75):
        rest, rng.bit_generator.state = rng.bit_generator.state, style
        modules.append(layout.draw("counter", lengths[1], None))
        rng.bit_generator.state = rest
    modules = [modules[k] for k in rng.permutation(len(modules))]
    if rng.random() < (0.4 if few else 0.75):
        modules.insert(
            int(rng.choice([0, len(modules)])), (Part("refrigerator", layout.draw("refrigerator")),)
        )
    if not few and rng.random() < 0.3:
        modules.append((Part("otherfurniture", layout.draw("kitchen machine")),))
    return modules


def _span(parts: Sequence[Part]) -> np.ndarray:
    """(3,) extent of a fixture, m: about its origin along x and y, from the floor along z."""
    lower = np.min([part.mesh.lower + part.position for part in parts], axis=0)
    upper = np.max([part.mesh.upper + part.position for part in parts], axis=0)
    return np.append(2 * np.maximum(-lower, upper)[:2], upper[2])


def island(layout: Layout) -> None:
    """A counter free in the room, stools at one side."""
    rng = layout.rng
    length = rng.uniform(1.1, 2.2)
    sink = layout.draw("kitchen sink") if rng.random() < 0.25 and length > 1.3 else None
    parts = layout.draw("island", length, sink)
    spot = layout.in_the_open(_span(parts), margin=0.7)
    if not spot:
        return
    placed = layout.add_parts(parts, spot)
    counter = next(p for p, part in zip(placed, parts) if part.class_name == "counter")
    load(layout, counter, kitchen_thing, 24.0)
    if rng.random() < 0.7:
        seat_round(layout, counter, rng.uniform(0.4, 1.0), sides="n", kind="stool")


# --- tables ----------------------------------------------------------------------------------------


def _table(layout: Layout, mesh: Mesh, at_wall: float, kind: str, things, people: float) -> None:
    rng = layout.rng
    middle = (mesh.lower + mesh.upper) / 2 * (1, 1, 0)
    if rng.random() < at_wall:
        table, sides = groups.stand(layout, mesh, "table", gap=0.02), "sew"
    else:
        spot = layout.in_the_open(mesh.size, margin=0.5) or layout.in_the_open(mesh.size)
        table, sides = spot and layout.add(mesh, "table", spot.at(-middle), spot.yaw), "nsew"
    if table:
        seat_round(layout, table, rng.uniform(0.5, 1.1), sides, kind, people)
        load(layout, table, things)


def dining_place(layout: Layout) -> None:
    rng = layout.rng
    d = rng.uniform(0.6, 1.05)
    w = d if rng.random() < 0.4 else rng.uniform(1.0, 2.2)
    kind = groups.chair_kind(layout) if rng.random() < 0.2 else "dining chair"
    mesh = layout.draw("table", w, d, rng.uniform(0.7, 0.78))
    _table(layout, mesh, 0.3, kind, home_thing, float(rng.choice([0.0, 0.4], p=[0.7, 0.3])))


def meeting_place(layout: Layout) -> None:
    rng = layout.rng
    short, long = sorted((layout.width, layout.depth))
    w, d = min(rng.uniform(1.8, 3.4), long - 1.6), min(rng.uniform(0.95, 1.35), short - 1.6)
    kind = "dining chair" if rng.random() < 0.5 else "office chair"
    mesh = layout.draw("meeting table", w, d, rng.uniform(0.71, 0.76))
    _table(layout, mesh, 0.0, kind, office_thing, float(rng.choice([0.0, 0.5], p=[0.5, 0.5])))


def side_table(layout: Layout) -> None:
    """A small table against a sofa, a chair, a wall."""
    rng = layout.rng
    d = rng.uniform(0.35, 0.6)
    mesh = layout.draw("low table", d, d, rng.uniform(0.42, 0.62))
    placed = lean_on(layout, mesh, "table") if rng.random() < 0.6 else groups.stand(layout, mesh, "table")
    if placed:
        load(layout, placed, home_thing)


def work_table(layout: Layout) -> None:
    rng = layout.rng
    mesh = layout.draw("table", rng.uniform(1.0, 1.8), rng.uniform(0.5, 0.8), rng.uniform(0.7, 0.78))
    placed = groups.stand(layout, mesh, "table")
    if placed:
        load(layout, placed, (office_thing, home_thing)[rng.integers(2)], 34.0)
        for thing in (clutter.carton(rng), belongings.carton_stack(rng), clutter.basket(rng))[
            : rng.integers(0, 4)
        ]:
            _under(layout, placed, thing, "", rng.choice([-1, 1]))


# --- living and sleeping ---------------------------------------------------------------------------


def seating(layout: Layout) -> None:
    """A sofa with pillows and throws, a low table close before it, perhaps people on it."""
    rng = layout.rng
    sofa = groups.insist(layout, "sofa", clearance=0.25)
    if not sofa:
        return
    w, d = sofa.mesh.size[:2]
    people = int(rng.integers(1, 3)) if rng.random() < 0.35 else 0
    for side in (-1, 1)[:people]:
        sit_down(layout, sofa, side * w * 0.24)
    if not people:
        top = Top(layout, sofa)
        for _ in range(int(rng.integers(0, 6))):
            top.put(
                clutter.pillow(rng),
                (rng.uniform(-0.38, 0.38) * w, rng.uniform(-0.2, 0.15) * d),
                level=_UNEVEN,
            )
        for _ in range(int(rng.integers(0, 3))):
            top.put(
                clutter.throw(rng), (rng.uniform(-0.3, 0.3) * w, rng.uniform(-0.3, 0.0) * d), level=_UNEVEN
            )
    if rng.random() < 0.8:
        depth = rng.uniform(0.45, 0.8)
        low = layout.draw("low table", depth * rng.uniform(1.0, 2.0), depth, rng.uniform(0.33, 0.5))
        front = sofa.mesh.lower[1] - low.size[1] / 2 - rng.uniform(0.0, 0.45)
        at, yaw = sofa.at((rng.normal(0, 0.15), front, 0)), sofa.yaw + rng.normal(0, 0.05)
        ahead = (sofa.at((0, -1, 0)) - sofa.position)[:2]
        table = settle(layout, low, "table", at, yaw, ahead, reach=0.3)
        if table:
            load(layout, table, home_thing)


def sleeping_place(layout: Layout) -> None:
    """A bed with pillows and blankets, now and then a garment, a book, a toy; no office on it."""
    rng = layout.rng
    bed = groups.insist(layout, "bed", 0.2)
    if not bed:
        return
    top, (w, d) = Top(layout, bed), bed.mesh.size[:2]
    head = bed.mesh.upper[1] - 0.36
    for k in range(int(rng.integers(0, 6))):
        top.put(clutter.pillow(rng), ((k % 2 - 0.5) * w * 0.48, head - 0.12 * (k // 2)), level=_UNEVEN)
    if rng.random() < 0.45:
        top.put(clutter.throw(rng, 0.92 * w), (0.0, -rng.uniform(0.15, 0.4) * d), level=_UNEVEN)
    for _ in range(int(rng.choice(4, p=[0.55, 0.25, 0.13, 0.07]))):
        makers = (clutter.folded, clutter.folded, clutter.books, belongings.teddy, clutter.bag)
        thing = makers[rng.integers(len(makers))](rng)
        top.put(thing, (rng.uniform(-0.35, 0.35) * w, rng.uniform(-0.4, 0.1) * d), level=_UNEVEN)
    for side in (-1, 1):
        if rng.random() < 0.6:
            groups.night_stand(layout, bed, side)


# --- recipes ---------------------------------------------------------------------------------------


def _living(layout: Layout) -> None:
    seating(layout)
    _chance(layout, (seating, 0.5), (groups.television, 0.8), (groups.bookshelf, 0.6), (loaded_shelf, 0.25))
    _chance(layout, (groups.cabinet, 0.6), (other_furniture, 0.5), (desk_place, 0.25), (dining_place, 0.5))
    groups.armchairs(layout, 3)
    _chance(layout, (groups.rug, 0.6), (side_table, 0.6), (plant, 0.5), (island, 0.1))
    stand_about(layout, int(layout.rng.random() < 0.3))


def _bedroom(layout: Layout) -> None:
    sleeping_place(layout)
    _chance(layout, (sleeping_place, 0.4), (groups.cabinet, 0.9), (other_furniture, 0.6), (desk_place, 0.4))
    _chance(layout, (groups.cabinet, 0.5), (groups.bookshelf, 0.4), (groups.rug, 0.5), (side_table, 0.3))
    groups.armchairs(layout, 1)


def _kitchen(layout: Layout) -> None:
    kitchen_run(layout)
    _chance(layout, (kitchen_run, 0.45), (island, 0.4), (groups.refrigerator, 0.3), (groups.cabinet, 0.5))
    _chance(layout, (dining_place, 0.8), (groups.kitchen_machine, 0.3))
    stand_about(layout, int(layout.rng.random() < 0.4))


def _bathroom(layout: Layout) -> None:
    if layout.rng.random() < 0.9:
        groups.tub(layout)
    groups.insist(layout, "toilet", clearance=0.2)
    groups.washplace(layout)
    _chance(layout, (groups.shower, 0.5), (groups.washplace, 0.3), (groups.cabinet, 0.4), (groups.rug, 0.5))
    _chance(layout, (groups.kitchen_machine, 0.2))


def _office(layout: Layout) -> None:
    rng = layout.rng
    _chance(layout, (desk_rows, 0.75), (desk_rows, 0.45), (partitioned_place, 0.3), (reception, 0.12))
    for _ in range(int(rng.integers(2, 6))):
        desk_place(layout)
    _chance(layout, (loaded_shelf, 0.7), (printer_place, 0.6), (groups.bookshelf, 0.5), (groups.cabinet, 0.8))
    _chance(layout, (groups.office_machine, 0.35), (dining_place, 0.2), (seating, 0.15), (plant, 0.5))
    if rng.random() < 0.5:
        stand_about(layout, 3)


def _dining(layout: Layout) -> None:
    dining_place(layout)
    _chance(layout, (groups.cabinet, 0.9), (groups.bookshelf, 0.4), (kitchen_run, 0.4), (island, 0.3))
    _chance(layout, (groups.rug, 0.4), (other_furniture, 0.4), (dining_place, 0.4), (plant, 0.5))
    stand_about(layout, int(layout.rng.random() < 0.3))


def _meeting(layout: Layout) -> None:
    rng = layout.rng
    _chance(layout, (meeting_place, 0.8), (groups.circle_of_chairs, 0.2), (rows_of_chairs, 0.4))
    _chance(layout, (row_of_chairs, 0.5), (groups.cabinet, 0.6), (loaded_shelf, 0.3), (plant, 0.5))
    _chance(layout, (groups.bookshelf, 0.3), (seating, 0.2), (groups.counter_here, 0.3))
    if rng.random() < 0.5:
        stand_about(layout, 3)


def _storage(layout: Layout) -> None:
    rng = layout.rng
    for _ in range(int(rng.integers(3, 8))):
        _chance(layout, (loaded_shelf, 0.55), (groups.cabinet, 0.35), (other_furniture, 0.25))
    _chance(
        layout, (work_table, 0.8), (groups.refrigerator, 0.4), (desk_place, 0.2), (groups.counter_here, 0.3)
    )
    leave_at_work(layout, int(rng.integers(5, 18)))


def _lounge(layout: Layout) -> None:
    rng = layout.rng
    for _ in range(int(rng.integers(1, 4))):
        seating(layout)
    _chance(
        layout, (reception, 0.5), (groups.circle_of_chairs, 0.3), (row_of_chairs, 0.8), (kitchen_run, 0.35)
    )
    _chance(
        layout,
        (groups.refrigerator, 0.2),
        (groups.bookshelf, 0.5),
        (groups.office_machine, 0.3),
        (plant, 0.7),
    )
    groups.armchairs(layout, 3)
    if rng.random() < 0.5:
        stand_about(layout, 4)


_HOME = (loose_chair, loose_chair, groups.cabinet, groups.bookshelf, other_furniture, side_table, plant)
_WORK = (
    loose_chair,
    loose_chair,
    desk_place,
    groups.cabinet,
    loaded_shelf,
    work_table,
    printer_place,
    row_of_chairs,
)

# kind of room: what furnishes it, what gathers there over the years, what lies on its floor
RECIPES: dict[str, tuple[Furnish, tuple[Furnish, ...], Callable[[Layout, int], None]]] = {
    "living": (_living, (*_HOME, seating), leave_at_home),
    "bedroom": (_bedroom, _HOME, leave_at_home),
    "kitchen": (_kitchen, (loose_chair, loose_chair, groups.cabinet, groups.kitchen_machine, side_table,
                           groups.counter_here, island), leave_at_home),
    "bathroom": (_bathroom, (groups.cabinet, groups.washplace, other_furniture), litter_floor),
    "office": (_office, (*_WORK, desk_place), leave_at_work),
    "dining": (_dining, (*_HOME, groups.counter_here), leave_at_home),
    "meeting": (_meeting, (loose_chair, groups.cabinet, loaded_shelf, work_table, row_of_chairs, plant),
                leave_at_work),
    "storage": (_storage, (loaded_shelf, work_table, groups.cabinet, other_furniture), leave_at_work),
    "lounge": (_lounge, (loose_chair, loose_chair, side_table, plant, groups.cabinet, row_of_chairs),
               leave_at_work),
}  # fmt: skip
