"""Groups of furniture in use: desks, kitchens, tables, seats and beds with all that people keep there.

They find places as `groups` do; where things may touch, `contact` judges and not their footprints.
"""

from collections.abc import Sequence

import numpy as np

from ssen_ros.simulation import clutter, groups
from ssen_ros.simulation.belongings import desks, floors, kitchens
from ssen_ros.simulation.contact import settle
from ssen_ros.simulation.dressing import Top
from ssen_ros.simulation.furniture import Part
from ssen_ros.simulation.habits import (
    home_thing,
    kitchen_thing,
    lean_on,
    load,
    office_thing,
    pull_up,
    seat_round,
    sit_down,
)
from ssen_ros.simulation.layout import Layout, Placed, Spot
from ssen_ros.simulation.mesh import Mesh

_UNEVEN = 0.25  # m, of what pillows and blankets lie on: nothing hangs over a seat from its back

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
        _under(layout, desk, desks.tower(rng), "", -first)
    if rng.random() < 0.95:
        mesh = layout.draw("office chair" if rng.random() < 0.8 else "dining chair")
        at = (middle[0] + rng.normal(0, 0.08), middle[1] - d / 2)
        pull_up(layout, mesh, desk, at, (0.0, -1.0), people)
    if rng.random() < 0.5:
        thing = (clutter.bin_, clutter.bag, clutter.carton, floors.backpack)[rng.integers(4)](rng)
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
    makers = (clutter.carton, clutter.box, clutter.box, clutter.books, desks.binders, desks.binders,
              desks.paper_stack, clutter.machine, clutter.folded, clutter.bottle)  # fmt: skip
    return makers[rng.integers(len(makers))](rng)


def printer_place(layout: Layout) -> None:
    """A printer on a low cabinet, with paper beside it."""
    rng = layout.rng
    placed = groups.stand(layout, layout.draw("cabinet"), "cabinet")
    if placed and placed.mesh.size[2] < 1.4:
        top = Top(layout, placed)
        top.put(desks.printer(rng), (rng.uniform(-0.3, 0.3) * placed.mesh.size[0], 0.0))
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
                    Top(layout, carrier).put(kitchens.hob(rng), (0.0, 0.0))
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
        for thing in (clutter.carton(rng), floors.carton_stack(rng), clutter.basket(rng))[
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
        makers = (clutter.folded, clutter.folded, clutter.books, floors.teddy, clutter.bag)
        thing = makers[rng.integers(len(makers))](rng)
        top.put(thing, (rng.uniform(-0.35, 0.35) * w, rng.uniform(-0.4, 0.1) * d), level=_UNEVEN)
    for side in (-1, 1):
        if rng.random() < 0.6:
            groups.night_stand(layout, bed, side)
