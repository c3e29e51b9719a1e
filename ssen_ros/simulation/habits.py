"""How people use a room: what lies on, under and against furniture, who sits on it and stands about.

Where things may touch, `contact` judges and not their footprints.
"""

from collections.abc import Callable

import numpy as np

from ssen_ros.labels import LABEL_NAMES
from ssen_ros.simulation import clutter, groups
from ssen_ros.simulation.contact import settle
from ssen_ros.simulation.dressing import Top
from ssen_ros.simulation.layout import Layout, Placed
from ssen_ros.simulation.mesh import Mesh

_SOFT = 0.07  # m that people sink into what they sit on
_CARRIERS = {"table", "desk", "cabinet", "sofa", "bed", "bookshelf", "counter", "chair", "otherfurniture"}


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
