"""Parametric furniture: one function per kind, many styles each, drawn from a random generator.

Every mesh stands on z = 0 with its footprint centred on the origin, its back towards +y and its
front towards -y. Things that hang on a wall have the wall's surface at y = 0 and reach into the
room towards -y. Sizes are metres.
"""

from dataclasses import dataclass

import numpy as np

from ssen_ros.simulation import materials as mat
from ssen_ros.simulation.materials import Material
from ssen_ros.simulation.mesh import Mesh, MeshBuilder


@dataclass(frozen=True)
class Part:
    """A labelled piece of a fixture made of several objects, such as a counter with its sink."""

    class_name: str  # a ScanNet class, or "" for unlabelled clutter
    mesh: Mesh
    position: tuple[float, float, float] = (0.0, 0.0, 0.0)  # m, in the fixture's frame


def _pick(rng: np.random.Generator, options, weights=None):
    return options[rng.choice(len(options), p=weights)]


def _four_legs(builder: MeshBuilder, w: float, d: float, h: float, thickness: float, material: int) -> None:
    for x in (-1, 1):
        for y in (-1, 1):
            center = (x * (w - thickness) / 2, y * (d - thickness) / 2, h / 2)
            builder.box(center, (thickness, thickness, h), material)


def _fronts(
    b: MeshBuilder, rng: np.random.Generator, x0: float, x1: float, z0: float, z1: float, y: float, front: int
) -> None:
    """Doors or drawers with handles on the plane `y`, filling x0..x1 by z0..z1."""
    handle = b.material(mat.metal(rng))
    columns = max(1, round((x1 - x0) / rng.uniform(0.4, 0.65)))
    rows = _pick(rng, (1, 2, 3, 4), [0.5, 0.15, 0.2, 0.15]) if z1 - z0 < 1.3 else _pick(rng, (1, 2))
    gap, knob = 0.008, rng.random() < 0.35
    cw, ch = (x1 - x0) / columns, (z1 - z0) / rows
    for i in range(columns):
        for j in range(rows):
            x, z = x0 + cw * (i + 0.5), z0 + ch * (j + 0.5)
            b.box((x, y - 0.009, z), (cw - gap, 0.018, ch - gap), front)
            side = 1 if i % 2 == 0 else -1
            if knob:
                b.box((x + side * cw * (0.38 if rows == 1 else 0), y - 0.03, z), (0.03, 0.025, 0.03), handle)
            elif rows == 1:
                b.box((x + side * cw * 0.4, y - 0.03, z), (0.012, 0.024, min(0.16, ch * 0.5)), handle)
            else:
                b.box((x, y - 0.03, z + ch * 0.2), (min(0.18, cw * 0.5), 0.024, 0.012), handle)


# --- storage ---------------------------------------------------------------------------------------


def cabinet_body(rng: np.random.Generator, w: float, d: float, h: float, plinth: float = 0.08) -> Mesh:
    b = MeshBuilder()
    body = b.material(mat.wood_or_paint(rng, axis=2))
    front = body if rng.random() < 0.7 else b.material(mat.wood_or_paint(rng, axis=2))
    b.block((-w / 2, -d / 2 + 0.018, plinth), (w / 2, d / 2, h), body)
    if plinth:
        b.block((-w / 2 + 0.02, -d / 2 + 0.06, 0), (w / 2 - 0.02, d / 2, plinth), body)
    _fronts(b, rng, -w / 2, w / 2, plinth, h - 0.02, -d / 2 + 0.018, front)
    return b.build()


def cabinet(rng: np.random.Generator) -> Mesh:
    """A free-standing cabinet: sideboard, chest of drawers or tall cupboard."""
    style = rng.choice(3, p=[0.4, 0.3, 0.3])
    if style == 0:
        return cabinet_body(rng, rng.uniform(0.8, 1.9), rng.uniform(0.35, 0.55), rng.uniform(0.45, 0.95))
    if style == 1:
        return cabinet_body(rng, rng.uniform(0.4, 0.9), rng.uniform(0.38, 0.55), rng.uniform(0.6, 1.25))
    return cabinet_body(rng, rng.uniform(0.5, 1.6), rng.uniform(0.38, 0.62), rng.uniform(1.6, 2.2))


def wall_cabinet(rng: np.random.Generator, w: float) -> Mesh:
    """A cupboard that hangs on the wall; z = 0 is its lower edge, y = 0 the wall."""
    d, h = rng.uniform(0.3, 0.38), rng.uniform(0.5, 0.8)
    b = MeshBuilder()
    b.add(cabinet_body(rng, w, d, h, plinth=0.0), (0, -d / 2, 0))
    return b.build()


def bookshelf(rng: np.random.Generator) -> Mesh:
    w, h, d = rng.uniform(0.6, 1.7), rng.uniform(0.8, 2.2), rng.uniform(0.24, 0.4)
    b = MeshBuilder()
    frame = b.material(mat.wood_or_paint(rng, axis=2))
    books = [
        b.material(Material(_pick(rng, (mat.bright_color, mat.muted_color, mat.black_color))(rng)))
        for _ in range(10)
    ]
    t = 0.022
    for x in (-(w - t) / 2, (w - t) / 2):
        b.box((x, 0, h / 2), (t, d, h), frame)
    if rng.random() < 0.8:
        b.block((-w / 2, d / 2 - 0.01, 0), (w / 2, d / 2, h), frame)
    shelves = max(2, int(h / rng.uniform(0.3, 0.42)))
    fill = rng.uniform(0.3, 1.0)
    for i in range(shelves + 1):
        z = 0.05 + (h - 0.08) * i / shelves
        b.box((0, 0, z), (w, d, t), frame)
        if i < shelves:
            _row_of_books(b, rng, -w / 2 + t, w / 2 - t, d, z + t / 2, (h - 0.08) / shelves, fill, books)
    return b.build()


def _row_of_books(b, rng, x0, x1, d, z, room, fill, books) -> None:
    x = x0
    while x < x1 - 0.06:
        if rng.random() > fill:
            x += rng.uniform(0.05, 0.3)
            continue
        count = int(rng.integers(2, 10))
        height, depth = room * rng.uniform(0.55, 0.85), d * rng.uniform(0.55, 0.85)
        for _ in range(count):
            thick = rng.uniform(0.018, 0.05)
            if x + thick > x1:
                return
            tall = height * rng.uniform(0.85, 1.05)
            b.block(
                (x, d / 2 - 0.02 - depth, z),
                (x + thick * 0.95, d / 2 - 0.02, z + tall),
                int(_pick(rng, books)),
            )
            x += thick


def refrigerator(rng: np.random.Generator) -> Mesh:
    w, h, d = (
        rng.uniform(0.52, 0.92),
        _pick(rng, (rng.uniform(0.82, 0.95), rng.uniform(1.4, 1.95))),
        rng.uniform(0.58, 0.75),
    )
    b = MeshBuilder()
    color = _pick(
        rng, (mat.white_color, mat.metal_color, mat.black_color, mat.bright_color), [0.5, 0.35, 0.08, 0.07]
    )
    body = b.material(Material(color(rng), dropout=0.05))
    handle = b.material(mat.metal(rng))
    b.block((-w / 2, -d / 2 + 0.06, 0), (w / 2, d / 2, h), body)
    if w > 0.8:
        doors = [(-w / 2, 0.0, 0.03, h), (0.0, w / 2, 0.03, h)]
    elif h < 1.0:
        doors = [(-w / 2, w / 2, 0.03, h)]
    else:
        split = h * rng.uniform(0.3, 0.7)
        doors = [(-w / 2, w / 2, 0.03, split), (-w / 2, w / 2, split, h)]
    for x0, x1, z0, z1 in doors:
        b.block((x0 + 0.004, -d / 2, z0 + 0.004), (x1 - 0.004, -d / 2 + 0.055, z1 - 0.004), body)
        x = x1 - 0.05 if x0 < 0 and x1 <= 0 else x0 + 0.05
        b.box((x, -d / 2 - 0.025, (z0 + z1) / 2), (0.025, 0.035, (z1 - z0) * 0.5), handle)
    return b.build()


# --- beds and seats --------------------------------------------------------------------------------


def bed(rng: np.random.Generator) -> Mesh:
    w, d = _pick(rng, (rng.uniform(0.85, 1.1), rng.uniform(1.35, 1.85))), rng.uniform(1.9, 2.12)
    deck, mattress = rng.uniform(0.2, 0.36), rng.uniform(0.16, 0.26)
    b = MeshBuilder()
    frame = b.material(mat.wood_or_paint(rng, 0.6) if rng.random() < 0.7 else mat.upholstery(rng))
    sheet, cover = b.material(Material(mat.white_color(rng), "fabric")), b.material(mat.fabric(rng))
    if rng.random() < 0.5:
        b.block((-w / 2, -d / 2, 0.02), (w / 2, d / 2, deck), frame)
    else:
        _four_legs(b, w, d, deck, 0.07, frame)
        b.block((-w / 2, -d / 2, deck - 0.14), (w / 2, d / 2, deck), frame)
    top = deck + mattress
    b.cushion((0, 0, deck + mattress / 2), (w - 0.03, d - 0.04, mattress), sheet, squareness=9)
    reach = rng.uniform(0.55, 0.9) * d
    _blanket(b, rng, w, -d / 2 - 0.02, -d / 2 + reach, top, cover)
    if rng.random() < 0.85:
        height = rng.uniform(0.75, 1.25)
        b.block((-w / 2 - 0.03, d / 2, 0), (w / 2 + 0.03, d / 2 + 0.06, height), frame)
    if rng.random() < 0.25:
        b.block((-w / 2, -d / 2 - 0.05, 0), (w / 2, -d / 2 - 0.01, top + rng.uniform(0, 0.15)), frame)
    return b.build().grounded()


def _blanket(b, rng, w, y0, y1, top, material) -> None:
    """A rumpled sheet over the mattress that hangs down both sides."""
    hang = rng.uniform(0.08, 0.3)
    across = np.array(
        [
            -w / 2 - 0.04,
            -w / 2 - 0.02,
            -w / 2 + 0.05,
            *np.linspace(-w / 3, w / 3, 7),
            w / 2 - 0.05,
            w / 2 + 0.02,
            w / 2 + 0.04,
        ]
    )
    along = np.linspace(y0, y1, 14)
    x, y = np.meshgrid(across, along)
    wrinkle = 0.012 * np.sin(7 * x + rng.uniform(0, 6)) * np.sin(9 * y + rng.uniform(0, 6))
    z = np.full_like(x, top + 0.025) + wrinkle
    z[:, [0, -1]] -= hang
    b.grid(np.stack([x, y, z], axis=-1), material)


def chair(rng: np.random.Generator) -> Mesh:
    style = _pick(
        rng, (wooden_chair, office_chair, armchair, stool, shell_chair), [0.42, 0.2, 0.13, 0.1, 0.15]
    )
    return style(rng)


def wooden_chair(rng: np.random.Generator) -> Mesh:
    """Four legs, a flat seat and a back of slats, rails or one panel."""
    w, d, seat, h = (
        rng.uniform(0.38, 0.48),
        rng.uniform(0.38, 0.48),
        rng.uniform(0.43, 0.48),
        rng.uniform(0.8, 1.05),
    )
    b = MeshBuilder()
    frame = b.material(mat.wood(rng, axis=2) if rng.random() < 0.75 else mat.painted(rng))
    top = b.material(mat.upholstery(rng)) if rng.random() < 0.4 else frame
    leg = rng.uniform(0.028, 0.045)
    splay = rng.uniform(0.0, 0.05)
    for x in (-1, 1):
        b.bar(
            (x * (w / 2 + splay), -d / 2 - splay, 0),
            (x * (w / 2 - leg), -d / 2 + leg, seat - 0.02),
            leg,
            frame,
        )
        b.bar(
            (x * (w / 2 - leg / 2), d / 2 - leg + splay, 0),
            (x * (w / 2 - leg / 2), d / 2 - leg, seat),
            leg,
            frame,
        )
    if top == frame:
        b.box((0, 0, seat - 0.012), (w, d, 0.025), top)
    else:
        b.cushion((0, 0, seat - 0.01), (w, d, 0.07), top)
    lean = rng.uniform(0.04, 0.12)
    _chair_back(b, rng, w, d / 2 - leg, seat, h, lean, leg, frame)
    if rng.random() < 0.15:
        for x in (-1, 1):
            b.block((x * w / 2 - 0.02, -d / 2 + 0.05, 0.64), (x * w / 2 + 0.02, d / 2, 0.665), frame)
            b.bar((x * w / 2, -d / 2 + 0.08, seat), (x * w / 2, -d / 2 + 0.08, 0.64), leg, frame)
    return b.build()


def _chair_back(b, rng, w, y, z0, z1, lean, leg, frame) -> None:
    def at(x: float, z: float) -> tuple[float, float, float]:
        return (x, y + lean * (z - z0) / (z1 - z0), z)

    edge = (w - leg) / 2
    for x in (-edge, edge):
        b.bar(at(x, z0), at(x, z1), leg, frame)
    b.bar(at(-edge, z1 - 0.03), at(edge, z1 - 0.03), leg * 1.2, frame)
    style = rng.choice(3, p=[0.45, 0.3, 0.25])
    if style == 0:
        b.bar(at(-edge, z0 + 0.12), at(edge, z0 + 0.12), leg * 0.8, frame)
        for x in np.linspace(-edge, edge, int(rng.integers(4, 8)))[1:-1]:
            b.bar(at(x, z0 + 0.12), at(x, z1 - 0.03), 0.022, frame)
    elif style == 1:
        for z in np.linspace(z0 + 0.15, z1 - 0.03, int(rng.integers(2, 5)))[:-1]:
            mid = at(0.0, z)
            b.box(mid, (w - leg, 0.02, 0.05), frame)
    else:
        middle = at(0.0, (z0 + z1) / 2 + 0.05)
        b.box(middle, (w - leg, 0.02, (z1 - z0) * 0.7), frame, tilt=-lean / (z1 - z0))


def office_chair(rng: np.random.Generator) -> Mesh:
    b = MeshBuilder()
    dark = b.material(Material(mat.black_color(rng)) if rng.random() < 0.7 else mat.metal(rng))
    pad = b.material(Material(mat.black_color(rng), "fabric") if rng.random() < 0.5 else mat.upholstery(rng))
    seat, w, d = rng.uniform(0.44, 0.54), rng.uniform(0.46, 0.54), rng.uniform(0.44, 0.52)
    turn = rng.uniform(0, 2)
    for k in range(5):
        angle = turn + 2 * np.pi * k / 5
        tip = 0.3 * np.array([np.cos(angle), np.sin(angle)])
        b.bar((0, 0, 0.11), (*tip, 0.07), 0.045, dark)
        b.box((*tip, 0.03), (0.05, 0.05, 0.06), dark)
    b.cylinder((0, 0, 0.08), 0.03, seat - 0.12, dark)
    b.cushion((0, 0, seat), (w, d, 0.1), pad)
    back_low, back_high = seat + rng.uniform(0.05, 0.18), seat + rng.uniform(0.45, 0.75)
    b.cushion(
        (0, d / 2 + 0.03, (back_low + back_high) / 2), (w * 0.92, 0.09, back_high - back_low), pad, tilt=-0.15
    )
    b.bar((0, d / 2 - 0.12, seat - 0.04), (0, d / 2 + 0.06, back_low + 0.1), 0.05, dark)
    if rng.random() < 0.65:
        for x in (-1, 1):
            b.block(
                (x * (w / 2 + 0.02) - 0.03, -d / 4, seat + 0.17),
                (x * (w / 2 + 0.02) + 0.03, d / 4, seat + 0.2),
                dark,
            )
            b.bar((x * (w / 2 + 0.02), 0, seat - 0.03), (x * (w / 2 + 0.02), 0, seat + 0.18), 0.035, dark)
    return b.build().grounded()


def shell_chair(rng: np.random.Generator) -> Mesh:
    """A moulded seat on thin legs."""
    b = MeshBuilder()
    shell = b.material(Material(_pick(rng, (mat.white_color, mat.bright_color, mat.black_color))(rng)))
    leg = b.material(mat.wood(rng, axis=2) if rng.random() < 0.5 else mat.metal(rng))
    w, seat, h = rng.uniform(0.42, 0.5), rng.uniform(0.43, 0.47), rng.uniform(0.76, 0.88)
    t = np.linspace(0, 1, 12)
    y = np.where(t < 0.5, -0.22 + 0.8 * t, 0.18 + 0.14 * (t - 0.5))
    z = np.where(
        t < 0.5, seat - 0.02 * np.sin(2 * np.pi * t), seat + (h - seat) * np.maximum(2 * t - 1, 0) ** 1.2
    )
    u = np.linspace(-1, 1, 9)
    rim = 0.05 * np.abs(u) ** 3
    points = np.stack(
        [
            np.broadcast_to(u * w / 2, (12, 9)) * (1 - 0.15 * (t[:, None] > 0.8)),
            y[:, None] - (t[:, None] > 0.5) * rim,
            z[:, None] + (t[:, None] <= 0.5) * rim,
        ],
        axis=-1,
    )
    b.grid(points, shell)
    b.grid(points + (0, 0.01, -0.012), shell)
    for x in (-1, 1):
        for side in (-1, 1):
            b.bar((x * w * 0.47, side * 0.23, 0), (x * w * 0.3, side * 0.12, seat), 0.028, leg)
    return b.build().grounded()


def stool(rng: np.random.Generator) -> Mesh:
    b = MeshBuilder()
    frame, top = (
        b.material(mat.wood_or_paint(rng, axis=2)),
        b.material(mat.upholstery(rng) if rng.random() < 0.4 else mat.wood(rng)),
    )
    h, r = _pick(rng, (rng.uniform(0.42, 0.5), rng.uniform(0.6, 0.76))), rng.uniform(0.15, 0.2)
    b.cylinder((0, 0, h - 0.04), r, 0.04, top, segments=20)
    for x in (-1, 1):
        for y in (-1, 1):
            b.bar((x * r * 0.9, y * r * 0.9, 0), (x * r * 0.6, y * r * 0.6, h - 0.03), 0.032, frame)
    b.bar((-r * 0.75, 0, h * 0.4), (r * 0.75, 0, h * 0.4), 0.022, frame)
    return b.build()


def armchair(rng: np.random.Generator) -> Mesh:
    return _upholstered(rng, rng.uniform(0.65, 0.9), 1)


def sofa(rng: np.random.Generator) -> Mesh:
    seats = int(rng.integers(2, 4))
    return _upholstered(rng, seats * rng.uniform(0.6, 0.75) + 0.3, seats, corner=rng.random() < 0.25)


def _upholstered(rng: np.random.Generator, w: float, seats: int, corner: bool = False) -> Mesh:
    """A padded seat with arms; `corner` adds a chaise that makes it an L."""
    d, seat, h = rng.uniform(0.75, 0.98), rng.uniform(0.38, 0.47), rng.uniform(0.7, 0.98)
    b = MeshBuilder()
    cloth = b.material(mat.upholstery(rng))
    leg = b.material(mat.wood(rng) if rng.random() < 0.6 else mat.metal(rng))
    foot = rng.uniform(0.04, 0.15)
    arm = rng.uniform(0.1, 0.2) if rng.random() < 0.88 else 0.0
    _four_legs(b, w - 0.06, d - 0.06, foot, 0.05, leg)
    b.block((-w / 2, -d / 2 + 0.02, foot), (w / 2, d / 2, seat - 0.1), cloth)
    inner, back = w - 2 * arm, rng.uniform(0.16, 0.24)
    for i in range(seats):
        x = -inner / 2 + inner * (i + 0.5) / seats
        b.cushion((x, -back / 2, seat - 0.06), (inner / seats, d - back, 0.19), cloth, squareness=6)
        b.cushion(
            (x, d / 2 - back / 2 - 0.03, (seat + h) / 2),
            (inner / seats, back, h - seat + 0.1),
            cloth,
            -0.12,
            6,
        )
    b.block((-w / 2, d / 2 - 0.1, foot), (w / 2, d / 2, h - 0.08), cloth)
    for x in (-1, 1):
        if arm:
            b.cushion(
                (x * (w - arm) / 2, 0, (foot + seat + 0.2) / 2),
                (arm, d, seat + 0.2 - foot),
                cloth,
                squareness=8,
            )
    if corner:
        side, depth, length = _pick(rng, (-1, 1)), inner / seats + arm, rng.uniform(0.5, 0.9)
        x = side * (w - depth) / 2
        b.block((x - depth / 2, -d / 2 - length, foot), (x + depth / 2, -d / 2 + 0.05, seat - 0.1), cloth)
        b.cushion(
            (x, -d / 2 - length / 2 + 0.02, seat - 0.06), (depth, length + 0.05, 0.18), cloth, squareness=7
        )
    return b.build().grounded()


# --- tables ----------------------------------------------------------------------------------------


def table(rng: np.random.Generator, w: float, d: float, h: float) -> Mesh:
    """A rectangular or, where w is near d, often a round table."""
    b = MeshBuilder()
    wooden = mat.wood(rng) if rng.random() < 0.7 else mat.painted(rng)
    top = b.material(wooden)
    leg = (
        top if rng.random() < 0.6 else b.material(mat.metal(rng) if rng.random() < 0.5 else mat.painted(rng))
    )
    t = rng.uniform(0.02, 0.045)
    if abs(w - d) < 0.25 and rng.random() < 0.5:
        profile = [(0.0, h - t), (1.0, h - t), (1.0, h), (0.0, h)]
        b.loft(profile, (0, 0, 0), top, (w / 2, d / 2), segments=28)
        _pedestal(b, h - t, min(w, d), leg)
    else:
        b.box((0, 0, h - t / 2), (w, d, t), top)
        _table_legs(b, rng, w, d, h - t, leg)
    return b.build()


def _pedestal(b: MeshBuilder, h: float, reach: float, material: int) -> None:
    b.loft([(2.2, 0.0), (1.0, 0.06), (1.0, h - 0.08), (2.0, h)], (0, 0, 0), material, (0.05, 0.05))
    b.cylinder((0, 0, 0), reach * 0.28, 0.03, material, segments=20)


def _table_legs(b: MeshBuilder, rng: np.random.Generator, w: float, d: float, h: float, leg: int) -> None:
    style = rng.choice(3, p=[0.65, 0.2, 0.15])
    inset = rng.uniform(0.0, 0.08)
    if style == 0 or w < 0.8:
        _four_legs(b, w - 2 * inset, d - 2 * inset, h, rng.uniform(0.04, 0.08), leg)
        if rng.random() < 0.6:
            for y in (-1, 1):
                b.box((0, y * (d / 2 - inset - 0.03), h - 0.04), (w - 2 * inset - 0.06, 0.02, 0.08), leg)
            for x in (-1, 1):
                b.box((x * (w / 2 - inset - 0.03), 0, h - 0.04), (0.02, d - 2 * inset - 0.06, 0.08), leg)
    elif style == 1:
        for x in (-1, 1):
            b.box((x * (w / 2 - 0.12), 0, h / 2), (0.05, d * 0.8, h), leg)
        b.box((0, 0, h * 0.4), (w - 0.24, 0.03, 0.1), leg)
    else:
        for x in (-1, 1):
            b.box((x * w * 0.3, 0, h / 2), (0.09, 0.09, h), leg)
            b.box((x * w * 0.3, 0, 0.02), (0.08, d * 0.75, 0.04), leg)


def dining_table(rng: np.random.Generator) -> Mesh:
    d = rng.uniform(0.75, 1.05)
    w = _pick(rng, (d, rng.uniform(1.1, 2.0)), [0.3, 0.7])
    return table(rng, w, d, rng.uniform(0.71, 0.78))


def coffee_table(rng: np.random.Generator) -> Mesh:
    d = rng.uniform(0.45, 0.75)
    return table(rng, d * rng.uniform(1.0, 2.0), d, rng.uniform(0.33, 0.5))


def side_table(rng: np.random.Generator) -> Mesh:
    d = rng.uniform(0.35, 0.55)
    return table(rng, d, d, rng.uniform(0.42, 0.62))


def meeting_table(rng: np.random.Generator) -> Mesh:
    return table(rng, rng.uniform(1.8, 3.2), rng.uniform(0.95, 1.35), rng.uniform(0.71, 0.76))


def desk(rng: np.random.Generator) -> Mesh:
    w, d, h = rng.uniform(1.0, 1.8), rng.uniform(0.55, 0.85), rng.uniform(0.7, 0.77)
    b = MeshBuilder()
    top = b.material(mat.wood(rng) if rng.random() < 0.6 else mat.painted(rng))
    leg = b.material(mat.metal(rng)) if rng.random() < 0.5 else top
    b.box((0, 0, h - 0.015), (w, d, 0.03), top)
    for x in (-1, 1):
        if rng.random() < 0.4:
            x0 = x * (w / 2 - 0.21)
            b.block((x0 - 0.2, -d / 2 + 0.05, 0.02), (x0 + 0.2, d / 2 - 0.03, h - 0.03), top)
            _fronts(b, rng, x0 - 0.2, x0 + 0.2, 0.04, h - 0.04, -d / 2 + 0.05, top)
        elif leg == top:
            b.block(
                (x * (w / 2 - 0.015) - 0.015, -d / 2 + 0.02, 0),
                (x * (w / 2 - 0.015) + 0.015, d / 2 - 0.02, h - 0.03),
                top,
            )
        else:
            for y in (-1, 1):
                b.box((x * (w / 2 - 0.05), y * (d / 2 - 0.05), (h - 0.03) / 2), (0.045, 0.045, h - 0.03), leg)
    if rng.random() < 0.5:
        b.block((-w / 2 + 0.05, d / 2 - 0.06, h - 0.4), (w / 2 - 0.05, d / 2 - 0.045, h - 0.03), top)
    return b.build()


# --- kitchen and bathroom --------------------------------------------------------------------------


def _basin(
    b: MeshBuilder, center, w: float, d: float, depth: float, material: int, squareness: float
) -> None:
    profile = [
        (1.06, 0.0),
        (1.06, 0.012),
        (1.0, 0.014),
        (0.95, -0.02),
        (0.86, -0.7 * depth),
        (0.6, -0.97 * depth),
        (0.03, -depth),
    ]
    b.loft(profile, center, material, (w / 2, d / 2), squareness=squareness, segments=28)


def _tap(b: MeshBuilder, rng: np.random.Generator, x: float, y: float, z: float, reach: float) -> None:
    chrome = b.material(Material(mat.metal_color(rng), dropout=0.25))
    h = rng.uniform(0.1, 0.28)
    b.cylinder((x, y, z), 0.02, h, chrome, segments=8)
    b.bar((x, y, z + h - 0.01), (x, y - reach, z + h - 0.03), 0.028, chrome)


def sink_basin(rng: np.random.Generator, w: float, d: float) -> Mesh:
    """A basin to hang in a cut-out: z = 0 is the worktop's surface."""
    b = MeshBuilder()
    steel = rng.random() < 0.55
    bowl = b.material(Material(mat.metal_color(rng), dropout=0.1) if steel else mat.ceramic(rng))
    _basin(b, (0, 0, 0), w, d, rng.uniform(0.12, 0.2), bowl, _pick(rng, (2.5, 6.0)))
    _tap(b, rng, 0.0, d / 2 + 0.035, 0.0, d * 0.4)
    return b.build()


def counter_run(rng: np.random.Generator, length: float, with_sink: bool) -> tuple[Part, ...]:
    """A worktop over one run of base cabinets, with a sink in a cut-out where asked."""
    d, h, t = rng.uniform(0.58, 0.65), rng.uniform(0.84, 0.94), rng.uniform(0.03, 0.05)
    base = cabinet_body(rng, length, d - 0.04, h - t)
    b = MeshBuilder()
    top = b.material(_pick(rng, (mat.stone, mat.wood, mat.painted), [0.45, 0.35, 0.2])(rng))
    if not with_sink:
        b.block((-length / 2, -d / 2, h - t), (length / 2, d / 2, h), top)
        _splashback(b, rng, length, d, h, top)
        return (Part("cabinet", base, (0, 0.02, 0)), Part("counter", b.build()))
    w, depth = min(rng.uniform(0.42, 0.75), length - 0.3), rng.uniform(0.36, 0.42)
    x = rng.uniform(-1, 1) * (length - w - 0.2) / 2
    x0, x1, y0, y1 = x - w / 2, x + w / 2, -0.02 - depth / 2, -0.02 + depth / 2
    b.block((-length / 2, -d / 2, h - t), (x0, d / 2, h), top)
    b.block((x1, -d / 2, h - t), (length / 2, d / 2, h), top)
    b.block((x0, -d / 2, h - t), (x1, y0, h), top)
    b.block((x0, y1, h - t), (x1, d / 2, h), top)
    _splashback(b, rng, length, d, h, top)
    sink = sink_basin(rng, w, depth)
    hollow = _without_lid(base, h - t)
    return (
        Part("cabinet", hollow, (0, 0.02, 0)),
        Part("counter", b.build()),
        Part("sink", sink, (x, -0.02, h)),
    )


def _splashback(
    b: MeshBuilder, rng: np.random.Generator, length: float, d: float, h: float, top: int
) -> None:
    if rng.random() < 0.5:
        b.block((-length / 2, d / 2 - 0.015, h), (length / 2, d / 2, h + rng.uniform(0.05, 0.12)), top)


def _without_lid(mesh: Mesh, height: float) -> Mesh:
    """The cabinet without its topmost faces, so that a basin in the worktop stays visible."""
    lid = (mesh.vertices[mesh.faces][..., 2] > height - 1e-3).all(axis=1)
    return Mesh(mesh.vertices, mesh.faces[~lid], mesh.material[~lid], mesh.materials)


def vanity(rng: np.random.Generator) -> tuple[Part, ...]:
    """A bathroom cabinet with a basin: set into a top, or standing on it."""
    w = rng.uniform(0.5, 1.3)
    d, h = rng.uniform(0.44, 0.54), rng.uniform(0.72, 0.86)
    base = cabinet_body(rng, w, d, h, plinth=_pick(rng, (0.08, 0.25)))
    b = MeshBuilder()
    bowl = b.material(mat.ceramic(rng))
    bw, bd = min(w * 0.8, rng.uniform(0.42, 0.6)), rng.uniform(0.3, d - 0.1)
    rim = h + rng.uniform(0.1, 0.16)
    b.loft([(0.75, h), (1.0, rim)], (0, -0.03, 0), bowl, (bw / 2, bd / 2), squareness=3, segments=24)
    _basin(b, (0, -0.03, rim - 0.012), bw * 0.94, bd * 0.94, 0.1, bowl, 3.0)
    _tap(b, rng, 0.0, d / 2 - 0.05, h, 0.12)
    return (Part("cabinet", base), Part("sink", b.build()))


def sink(rng: np.random.Generator) -> Mesh:
    """A free basin: on a pedestal, or fixed to the wall."""
    w, d, h = rng.uniform(0.42, 0.65), rng.uniform(0.36, 0.5), rng.uniform(0.78, 0.88)
    b = MeshBuilder()
    bowl = b.material(mat.ceramic(rng))
    squareness = _pick(rng, (2.3, 3.5, 7.0))
    b.loft(
        [(0.35, h - 0.2), (0.8, h - 0.14), (1.0, h - 0.03), (1.0, h)],
        (0, 0, 0),
        bowl,
        (w / 2, d / 2),
        squareness,
        24,
    )
    _basin(b, (0, -0.02, h - 0.012), w * 0.86, d * 0.78, 0.13, bowl, squareness)
    if rng.random() < 0.6:
        b.loft(
            [(1.3, 0.0), (1.0, 0.05), (0.8, 0.4), (1.1, h - 0.15)],
            (0, d * 0.15, 0),
            bowl,
            (0.08, 0.08),
            2.0,
            16,
        )
    _tap(b, rng, 0.0, d / 2 - 0.05, h, 0.12)
    return b.build()


def toilet(rng: np.random.Generator) -> Mesh:
    b = MeshBuilder()
    china = b.material(mat.ceramic(rng))
    seat = china if rng.random() < 0.6 else b.material(mat.wood_or_paint(rng, 0.3))
    w, d, h = rng.uniform(0.35, 0.4), rng.uniform(0.46, 0.54), rng.uniform(0.38, 0.43)
    b.loft(
        [(0.6, 0.0), (0.55, 0.15), (0.8, h - 0.12), (1.0, h)],
        (0, -0.1, 0),
        china,
        (w / 2, d / 2),
        2.4,
        20,
        (0, -0.05),
    )
    if rng.random() < 0.5:
        b.loft([(1.02, h), (1.02, h + 0.025), (0.0, h + 0.03)], (0, -0.1, 0), seat, (w / 2, d / 2), 2.4, 20)
    else:
        b.loft(
            [(1.02, h), (1.02, h + 0.02), (0.7, h + 0.02), (0.55, h - 0.05), (0.1, h - 0.2)],
            (0, -0.1, 0),
            seat,
            (w / 2, d / 2),
            2.4,
            20,
        )
        b.cushion((0, d / 2 - 0.12, h + 0.22), (w, 0.04, 0.42), seat, tilt=-0.1, squareness=3)
    if rng.random() < 0.85:
        b.cushion((0, d / 2 - 0.02, h + 0.18), (rng.uniform(0.36, 0.46), 0.18, 0.38), china, squareness=9)
        b.block((-0.12, d / 2 - 0.2, 0.05), (0.12, d / 2 + 0.05, h), china)
    return b.build().grounded()


def bathtub(rng: np.random.Generator) -> Mesh:
    w, d, h = rng.uniform(1.4, 1.8), rng.uniform(0.68, 0.85), rng.uniform(0.45, 0.62)
    b = MeshBuilder()
    tub = b.material(mat.ceramic(rng))
    if rng.random() < 0.2:
        b.loft([(0.75, 0.0), (0.9, 0.25), (1.0, h)], (0, 0, 0), tub, (w / 2, d / 2), 2.4, 32)
        _basin(b, (0, 0, h - 0.012), w * 0.93, d * 0.92, h * 0.75, tub, 2.4)
    else:
        apron = b.material(mat.wall_material(rng, wet=True)) if rng.random() < 0.3 else tub
        for y in (-1, 1):
            b.box((0, y * (d / 2 - 0.01), h / 2), (w, 0.02, h), apron)
        for x in (-1, 1):
            b.box((x * (w / 2 - 0.01), 0, h / 2), (0.02, d, h), apron)
        _rim(b, w, d, h, tub)
        _basin(b, (0, 0, h - 0.008), w * 0.88, d * 0.82, h * 0.78, tub, 4.0)
    _tap(b, rng, -w / 2 + 0.12, d / 2 - 0.05, h, 0.12)
    return b.build()


def _rim(b: MeshBuilder, w: float, d: float, h: float, material: int) -> None:
    """The flat edge between a rectangular tub and its rounded basin."""
    inner, outer, t = 0.88 * 0.93, 1.0, 0.01
    for side in (-1, 1):
        b.block(
            (-w / 2, min(side * d / 2 * inner, side * d / 2 * outer), h - t),
            (w / 2, max(side * d / 2 * inner, side * d / 2 * outer), h),
            material,
        )
        b.block(
            (min(side * w / 2 * 0.88, side * w / 2), -d / 2, h - t),
            (max(side * w / 2 * 0.88, side * w / 2), d / 2, h),
            material,
        )


def shower_curtain(rng: np.random.Generator, w: float, h: float) -> Mesh:
    return _hanging(rng, w, h, [(-w / 2, -w / 2 + w * rng.uniform(0.4, 1.0))])


# --- on the walls ----------------------------------------------------------------------------------


def curtain(rng: np.random.Generator, w: float, h: float) -> Mesh:
    """One or two panels of folded cloth on a rail; z = 0 is the hem."""
    if rng.random() < 0.25:
        return _hanging(rng, w, h, [(-w / 2, w / 2 * rng.uniform(-0.3, 1.0))])
    panel = w * rng.uniform(0.15, 0.46)
    return _hanging(rng, w, h, [(-w / 2, -w / 2 + panel), (w / 2 - panel, w / 2)])


def _hanging(rng: np.random.Generator, w: float, h: float, panels) -> Mesh:
    b = MeshBuilder()
    cloth, rail = b.material(mat.fabric(rng)), b.material(mat.metal(rng))
    depth, pitch = rng.uniform(0.02, 0.05), rng.uniform(0.09, 0.2)
    for x0, x1 in panels:
        x = np.linspace(x0, x1, max(12, int((x1 - x0) / 0.02)))[None, :]
        z = np.linspace(0.0, h, 8)[:, None]
        fold = depth * np.sin(2 * np.pi * x / pitch + rng.uniform(0, 6)) * (1.2 - 0.5 * z / h)
        sway = 0.02 * np.sin(3 * x + 2 * z)
        b.grid(np.stack(np.broadcast_arrays(x + 0 * z, fold + sway, z + 0 * x), axis=-1), cloth)
    b.box((0, 0, h + 0.01), (w + 0.1, 0.025, 0.025), rail)
    return b.build()


def picture(rng: np.random.Generator) -> Mesh:
    w, h, t = rng.uniform(0.2, 1.1), rng.uniform(0.2, 0.85), rng.uniform(0.015, 0.045)
    b = MeshBuilder()
    frame, art = b.material(mat.wood_or_paint(rng)), b.material(mat.artwork(rng))
    mount = rng.uniform(0.015, 0.05)
    b.block((-w / 2, -t, 0), (w / 2, 0, h), frame)
    b.block((-w / 2 + mount, -t - 0.004, mount), (w / 2 - mount, -t, h - mount), art)
    return b.build()


def door(rng: np.random.Generator, w: float, h: float) -> Mesh:
    """A leaf in a frame around an opening of w by h; the leaf may stand ajar into the room."""
    b = MeshBuilder()
    leaf_material = mat.wood_or_paint(rng, 0.5, axis=2)
    leaf = b.material(leaf_material)
    frame = leaf if rng.random() < 0.5 else b.material(mat.wood_or_paint(rng, 0.3, axis=2))
    trim, proud = rng.uniform(0.05, 0.1), rng.uniform(0.02, 0.04)
    for x in (-1, 1):
        b.block(
            (min(x * w / 2, x * (w / 2 + trim)), -proud, 0),
            (max(x * w / 2, x * (w / 2 + trim)), 0.1, h),
            frame,
        )
    b.block((-w / 2 - trim, -proud, h), (w / 2 + trim, 0.1, h + trim), frame)
    angle = -_pick(rng, (0.0, rng.uniform(0.1, 1.5)), [0.65, 0.35])
    b.add(_leaf(rng, w - 0.01, h - 0.01, leaf_material), (-w / 2, 0.0, 0.005), angle)
    return b.build()


def _leaf(rng: np.random.Generator, w: float, h: float, material: Material) -> Mesh:
    """A door leaf hinged at x = 0, its room side at y = 0."""
    b = MeshBuilder()
    panel, handle = b.material(material), b.material(mat.metal(rng))
    b.block((0, 0, 0), (w, 0.04, h), panel)
    for k in range(int(rng.integers(0, 4))):
        z = h * (0.12 + 0.28 * k)
        b.block((w * 0.15, -0.012, z), (w * 0.85, 0.0, z + h * 0.22), panel)
    b.block((w * 0.84, -0.06, 1.0), (w * 0.97, -0.035, 1.025), handle)
    b.block((w * 0.92, -0.06, 1.0), (w * 0.95, 0.0, 1.025), handle)
    return b.build()


def window(rng: np.random.Generator, w: float, h: float) -> Mesh:
    """Frame, bars and panes of an opening of w by h; z = 0 is its lower edge."""
    b = MeshBuilder()
    frame = b.material(Material(mat.white_color(rng)) if rng.random() < 0.7 else mat.wood_or_paint(rng))
    pane = b.material(mat.glass(rng))
    t, proud = rng.uniform(0.05, 0.09), rng.uniform(0.02, 0.04)
    for x in (-1, 1):
        b.box((x * w / 2, 0.02, h / 2), (t, 0.04 + 2 * proud, h + t), frame)
    for z in (0, h):
        b.box((0, 0.02, z), (w + t, 0.04 + 2 * proud, t), frame)
    for k in range(1, int(rng.integers(1, 4))):
        b.box((-w / 2 + w * k / 3, 0.03, h / 2), (0.05, 0.05, h), frame)
    if rng.random() < 0.3:
        b.box((0, 0.03, h * 0.6), (w, 0.045, 0.04), frame)
    if rng.random() < 0.6:
        b.block((-w / 2 - 0.06, -rng.uniform(0.06, 0.16), -0.05), (w / 2 + 0.06, 0.02, -0.02), frame)
    b.box((0, 0.045, h / 2), (w, 0.008, h), pane)
    return b.build()


# --- other furniture: fits none of the nineteen other classes ---------------------------------------


def other_furniture(rng: np.random.Generator) -> Mesh:
    return _pick(rng, (wardrobe, ottoman, coat_rack, stove, washing_machine, fan, bench, piano))(rng)


def wardrobe(rng: np.random.Generator) -> Mesh:
    """A rack of clothes behind an open front."""
    w, d, h = rng.uniform(0.8, 1.7), rng.uniform(0.5, 0.62), rng.uniform(1.7, 2.1)
    b = MeshBuilder()
    body = b.material(mat.wood_or_paint(rng, axis=2))
    for x in (-1, 1):
        b.box((x * (w / 2 - 0.012), 0, h / 2), (0.024, d, h), body)
    for z in (0.08, h - 0.012):
        b.box((0, 0, z), (w, d, 0.024), body)
    b.block((-w / 2, d / 2 - 0.012, 0), (w / 2, d / 2, h), body)
    b.bar((-w / 2, 0, h - 0.12), (w / 2, 0, h - 0.12), 0.025, b.material(mat.metal(rng)))
    for x in np.arange(-w / 2 + 0.08, w / 2 - 0.06, 0.07):
        if rng.random() < 0.7:
            length = rng.uniform(0.6, 1.2)
            b.box(
                (x, 0, h - 0.15 - length / 2),
                (rng.uniform(0.02, 0.06), d * 0.75, length),
                b.material(mat.fabric(rng)),
                0.1,
            )
    return b.build()


def ottoman(rng: np.random.Generator) -> Mesh:
    w, h = rng.uniform(0.4, 0.7), rng.uniform(0.32, 0.46)
    b = MeshBuilder()
    b.cushion(
        (0, 0, h / 2),
        (w, w * rng.uniform(0.7, 1.0), h),
        b.material(mat.upholstery(rng)),
        squareness=_pick(rng, (3, 8)),
    )
    return b.build()


def coat_rack(rng: np.random.Generator) -> Mesh:
    b = MeshBuilder()
    pole = b.material(mat.wood_or_paint(rng, axis=2))
    h = rng.uniform(1.6, 1.85)
    b.cylinder((0, 0, 0), 0.025, h, pole)
    b.cylinder((0, 0, 0), 0.2, 0.03, pole, 16)
    for k in range(4):
        angle = k * np.pi / 2
        tip = 0.16 * np.array([np.cos(angle), np.sin(angle)])
        b.bar((0, 0, h - 0.12), (*tip, h), 0.02, pole)
        if rng.random() < 0.55:
            length = rng.uniform(0.5, 1.0)
            b.cushion(
                (*(tip * 1.1), h - 0.05 - length / 2),
                (0.28, 0.2, length),
                b.material(mat.fabric(rng)),
                squareness=3,
            )
    return b.build()


def stove(rng: np.random.Generator) -> Mesh:
    w, d, h = rng.uniform(0.5, 0.65), 0.6, rng.uniform(0.85, 0.92)
    b = MeshBuilder()
    body = b.material(
        Material(_pick(rng, (mat.white_color, mat.metal_color, mat.black_color))(rng), dropout=0.05)
    )
    dark = b.material(Material(mat.black_color(rng), dropout=0.1))
    b.block((-w / 2, -d / 2 + 0.03, 0.02), (w / 2, d / 2, h), body)
    b.block((-w / 2 + 0.05, -d / 2, 0.2), (w / 2 - 0.05, -d / 2 + 0.03, h - 0.2), dark)
    b.block((-w / 2 + 0.05, -d / 2 - 0.04, h - 0.17), (w / 2 - 0.05, -d / 2 - 0.02, h - 0.15), body)
    for x in (-1, 1):
        for y in (-1, 1):
            b.cylinder((x * w / 4, y * d / 4, h), 0.085, 0.015, dark, 14)
    for x in np.linspace(-w / 3, w / 3, 5):
        b.box((x, -d / 2 + 0.015, h - 0.07), (0.035, 0.04, 0.035), dark)
    if rng.random() < 0.4:
        b.block((-w / 2, d / 2 - 0.05, h), (w / 2, d / 2, h + 0.2), body)
    return b.build()


def washing_machine(rng: np.random.Generator) -> Mesh:
    w, d, h = 0.6, rng.uniform(0.5, 0.62), rng.uniform(0.83, 0.88)
    b = MeshBuilder()
    body, dark = (
        b.material(Material(mat.white_color(rng))),
        b.material(Material(mat.black_color(rng), dropout=0.2)),
    )
    b.block((-w / 2, -d / 2, 0.01), (w / 2, d / 2, h), body)
    ring = np.linspace(0, 2 * np.pi, 21)
    for radius, depth, material in ((0.2, 0.03, body), (0.15, 0.035, dark)):
        edge = np.stack(
            [radius * np.cos(ring), 0 * ring - d / 2 - depth, radius * np.sin(ring) + h * 0.48], axis=-1
        )
        rear = edge + (0, depth, 0)
        middle = np.broadcast_to((0.0, -d / 2 - depth, h * 0.48), edge.shape)
        b.grid(np.stack([rear, edge, middle]), material)
    b.block((-w / 2 + 0.02, -d / 2 - 0.01, h - 0.12), (w / 2 - 0.02, -d / 2, h - 0.03), dark)
    return b.build()


def fan(rng: np.random.Generator) -> Mesh:
    b = MeshBuilder()
    body = b.material(mat.painted(rng))
    h = rng.uniform(0.9, 1.3)
    b.cylinder((0, 0, 0), 0.2, 0.03, body, 16)
    b.cylinder((0, 0, 0), 0.02, h, body)
    ring = np.linspace(0, 2 * np.pi, 21)
    for y in (-0.06, 0.06):
        rim = np.stack([0.2 * np.cos(ring), 0 * ring + y, h + 0.2 * np.sin(ring)], axis=-1)
        b.grid(np.stack([rim, np.broadcast_to((0.0, 1.6 * y, h), rim.shape)]), body)
    return b.build()


def bench(rng: np.random.Generator) -> Mesh:
    return table(rng, rng.uniform(0.9, 1.4), rng.uniform(0.3, 0.4), rng.uniform(0.4, 0.47))


def piano(rng: np.random.Generator) -> Mesh:
    b = MeshBuilder()
    body = b.material(Material(_pick(rng, (mat.black_color, mat.wood_color, mat.white_color))(rng)))
    keys = b.material(Material((0.9, 0.9, 0.86)))
    w, d, h = rng.uniform(1.3, 1.5), 0.6, rng.uniform(1.0, 1.25)
    b.block((-w / 2, 0.0, 0), (w / 2, d / 2, h), body)
    b.block((-w / 2, -d / 2, 0.58), (w / 2, 0.0, 0.7), body)
    b.block((-w / 2 + 0.06, -d / 2 + 0.04, 0.7), (w / 2 - 0.06, -d / 2 + 0.19, 0.72), keys)
    for x in (-1, 1):
        b.box((x * (w / 2 - 0.04), -d / 2 + 0.05, 0.29), (0.06, 0.06, 0.58), body)
    return b.build()


def radiator(rng: np.random.Generator) -> Mesh:
    """Hangs on the wall near the floor; z = 0 is its lower edge, y = 0 the wall."""
    w, h = rng.uniform(0.5, 1.4), rng.uniform(0.35, 0.6)
    b = MeshBuilder()
    body = b.material(Material(mat.white_color(rng)))
    b.block((-w / 2, -0.06, 0.03), (w / 2, -0.03, h - 0.03), body)
    for x in np.arange(-w / 2, w / 2, 0.055):
        b.block((x, -0.1, 0), (x + 0.035, -0.02, h), body)
    return b.build()
