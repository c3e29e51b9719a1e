"""Sofas and beds; the back and the headboard are towards +y."""

import numpy as np

from ssen_ros.simulation import materials as mat
from ssen_ros.simulation.furniture.parts import four_legs, pick
from ssen_ros.simulation.mesh import Mesh, MeshBuilder

# --- sofas -----------------------------------------------------------------------------------------


def box_armchair(rng: np.random.Generator) -> Mesh:
    return _upholstered(rng, rng.uniform(0.68, 0.95), 1)


def box_sofa(rng: np.random.Generator) -> Mesh:
    seats = int(rng.integers(2, 4))
    return _upholstered(rng, seats * rng.uniform(0.6, 0.75) + 0.3, seats)


def chaise_sofa(rng: np.random.Generator) -> Mesh:
    """A long seat at one end."""
    seats = int(rng.integers(2, 4))
    return _upholstered(rng, seats * rng.uniform(0.6, 0.75) + 0.3, seats, chaise=rng.uniform(0.5, 0.9))


def _upholstered(rng: np.random.Generator, w: float, seats: int, chaise: float = 0.0) -> Mesh:
    """A padded seat with arms; `chaise` m is how far one end reaches forward."""
    d, seat, h = rng.uniform(0.75, 0.98), rng.uniform(0.38, 0.47), rng.uniform(0.7, 0.98)
    b = MeshBuilder()
    cloth = b.material(mat.upholstery(rng))
    leg = b.material(mat.wood(rng) if rng.random() < 0.6 else mat.metal(rng))
    foot = rng.uniform(0.04, 0.15)
    arm = rng.uniform(0.1, 0.24) if rng.random() < 0.88 else 0.0
    arm_top = seat + rng.uniform(0.1, 0.26)
    four_legs(b, w - 0.06, d - 0.06, foot + 0.02, 0.05, leg)
    b.block((-w / 2, -d / 2 + 0.02, foot), (w / 2, d / 2, seat - 0.1), cloth)
    inner, back = w - 2 * arm, rng.uniform(0.16, 0.24)
    softness = rng.uniform(3.5, 8)
    for i in range(seats):
        x = -inner / 2 + inner * (i + 0.5) / seats
        b.cushion((x, -back / 2, seat - 0.06), (inner / seats, d - back, 0.19), cloth, squareness=softness)
        upright = (inner / seats, back, h - seat + 0.1)
        b.cushion((x, d / 2 - back / 2 - 0.03, (seat + h) / 2), upright, cloth, -0.12, softness)
    b.block((-w / 2, d / 2 - 0.1, foot), (w / 2, d / 2, h - 0.08), cloth)
    for x in (-1, 1):
        if arm:
            center = (x * (w - arm) / 2, 0, (foot + arm_top) / 2)
            b.cushion(center, (arm, d, arm_top - foot), cloth, squareness=8)
    if chaise:
        side, depth = pick(rng, (-1, 1)), inner / seats + arm
        x, y = side * (w - depth) / 2, -d / 2 - chaise
        b.block((x - depth / 2, y, foot), (x + depth / 2, -d / 2 + 0.05, seat - 0.1), cloth)
        pad = (depth, chaise + 0.05, 0.18)
        b.cushion((x, -d / 2 - chaise / 2 + 0.02, seat - 0.06), pad, cloth, squareness=7)
        for dx in (-1, 1):
            b.block(
                (x + dx * (depth / 2 - 0.03) - 0.03, y, 0),
                (x + dx * (depth / 2 - 0.03) + 0.03, y + 0.06, foot),
                leg,
            )
    return b.build().grounded()


def modular_sofa(rng: np.random.Generator) -> Mesh:
    """Blocks pushed together: a row, an L or a U, with a seam between them."""
    unit, seat, h = rng.uniform(0.62, 0.9), rng.uniform(0.36, 0.44), rng.uniform(0.62, 0.8)
    b = MeshBuilder()
    cloth = b.material(mat.upholstery(rng))
    other = cloth if rng.random() < 0.8 else b.material(mat.upholstery(rng))
    row = int(rng.integers(2, 5))
    left, right = rng.integers(0, 3), rng.integers(0, 2)
    if row > 3:
        right = 0
    places = [(k, 0, {"back"}) for k in range(row)]
    places += [(0, -j, {"west"}) for j in range(1, left + 1)] + [
        (row - 1, -j, {"east"}) for j in range(1, right + 1)
    ]
    places[0][2].add("west")
    places[row - 1][2].add("east")
    for x, y, sides in places:
        center = np.array([x * unit, y * unit, 0.0])
        color = cloth if rng.random() < 0.7 else other
        b.block(center + (-unit / 2, -unit / 2, 0.03), center + (unit / 2, unit / 2, seat - 0.14), color)
        b.cushion(center + (0, 0, seat - 0.08), (unit, unit, 0.18), color, squareness=9)
        for name, (dx, dy) in {"back": (0, 1), "west": (-1, 0), "east": (1, 0)}.items():
            if name in sides:
                size = (unit, 0.16, h - 0.03) if dx == 0 else (0.16, unit, h - 0.03)
                at = center + (dx * (unit / 2 - 0.08), dy * (unit / 2 - 0.08), (h + 0.03) / 2)
                b.cushion(at, size, color, squareness=8)
    return b.build().grounded()


def tufted_sofa(rng: np.random.Generator) -> Mesh:
    """Arms and back of one height, rolled outwards: a Chesterfield."""
    w, d, seat, h = (
        rng.uniform(1.5, 2.3),
        rng.uniform(0.85, 0.98),
        rng.uniform(0.4, 0.46),
        rng.uniform(0.66, 0.78),
    )
    b = MeshBuilder()
    cloth = b.material(mat.leather(rng) if rng.random() < 0.6 else mat.upholstery(rng))
    four_legs(b, w - 0.1, d - 0.1, 0.1, 0.05, b.material(mat.wood(rng)))
    b.block((-w / 2 + 0.08, -d / 2 + 0.04, 0.08), (w / 2 - 0.08, d / 2 - 0.06, seat - 0.12), cloth)
    seats = max(2, round((w - 0.4) / 0.65))
    for i in range(seats):
        x = (w - 0.44) * ((i + 0.5) / seats - 0.5)
        b.cushion((x, -0.08, seat - 0.07), ((w - 0.44) / seats, d - 0.26, 0.18), cloth, squareness=5)
    b.block((-w / 2 + 0.1, d / 2 - 0.22, 0.1), (w / 2 - 0.1, d / 2 - 0.06, h - 0.06), cloth)
    b.cushion((0, d / 2 - 0.1, h - 0.08), (w - 0.06, 0.24, 0.18), cloth, squareness=2.6)
    for x in (-1, 1):
        b.block(
            (x * (w / 2 - 0.15) - 0.07, -d / 2 + 0.04, 0.1),
            (x * (w / 2 - 0.15) + 0.07, d / 2 - 0.1, h - 0.06),
            cloth,
        )
        b.cushion((x * (w / 2 - 0.11), 0, h - 0.08), (0.24, d, 0.18), cloth, squareness=2.6)
    return b.build().grounded()


def futon(rng: np.random.Generator) -> Mesh:
    """A thin mattress folded over a wooden or metal frame."""
    w, d, seat, h = (
        rng.uniform(1.6, 2.05),
        rng.uniform(0.8, 0.95),
        rng.uniform(0.36, 0.42),
        rng.uniform(0.75, 0.9),
    )
    b = MeshBuilder()
    frame = b.material(mat.wood(rng) if rng.random() < 0.7 else mat.metal(rng))
    cloth = b.material(mat.fabric(rng))
    for x in (-1, 1):
        side = x * (w / 2 + 0.03)
        for y in (-d / 2 + 0.04, d / 2 - 0.04):
            b.box((side, y, 0.3), (0.05, 0.06, 0.6), frame)
        b.box((side, 0, 0.6), (0.08, d, 0.03), frame)
        b.box((side, 0, seat - 0.16), (0.05, d, 0.08), frame)
    b.box((0, -d / 2 + 0.06, seat - 0.16), (w + 0.06, 0.03, 0.1), frame)
    b.box((0, 0, seat - 0.13), (w + 0.04, d - 0.06, 0.03), frame)
    b.cushion((0, -0.06, seat - 0.04), (w, d - 0.1, 0.16), cloth, squareness=8)
    b.cushion((0, d / 2 - 0.08, (seat + h) / 2 - 0.03), (w, 0.16, h - seat + 0.1), cloth, -0.3, 8)
    return b.build().grounded()


def rolled_sofa(rng: np.random.Generator) -> Mesh:
    """Round fat arms, a humped back and a skirt down to the floor."""
    w, d, seat, h = rng.uniform(1.4, 2.1), rng.uniform(0.85, 0.98), 0.45, rng.uniform(0.85, 1.0)
    b = MeshBuilder()
    cloth = b.material(mat.fabric(rng))
    b.block((-w / 2 + 0.05, -d / 2 + 0.05, 0.0), (w / 2 - 0.05, d / 2, seat - 0.1), cloth)
    x = np.linspace(-w / 2 + 0.06, w / 2 - 0.06, 15)
    hump = h - 0.14 * (2 * x / w) ** 2
    outline = [(x[0], seat - 0.2), *zip(x, hump), (x[-1], seat - 0.2)]
    b.prism(outline, d / 2 - 0.2, d / 2, cloth, axis=1)
    seats = 2 if w < 1.75 else 3
    inner = w - 0.46
    for i in range(seats):
        at = inner * ((i + 0.5) / seats - 0.5)
        b.cushion((at, -0.1, seat - 0.06), (inner / seats, d - 0.22, 0.2), cloth, squareness=3.5)
        b.cushion((at, d / 2 - 0.26, seat + 0.2), (inner / seats, 0.2, 0.42), cloth, -0.15, 3.5)
    for side in (-1, 1):
        at = side * (w / 2 - 0.13)
        b.block((at - 0.1, -d / 2 + 0.03, 0.0), (at + 0.1, d / 2 - 0.05, 0.52), cloth)
        b.cushion((at, -0.01, 0.54), (0.27, d, 0.24), cloth, squareness=2.2)
    return b.build().grounded()


def slim_sofa(rng: np.random.Generator) -> Mesh:
    """A thin bench on high splayed legs with loose back cushions and a bolster at each end."""
    w, d, seat = rng.uniform(1.5, 2.2), rng.uniform(0.74, 0.84), rng.uniform(0.4, 0.45)
    b = MeshBuilder()
    wooden, cloth = b.material(mat.wood(rng)), b.material(mat.upholstery(rng))
    for x in (-1, 1):
        for y in (-1, 1):
            b.bar(
                (x * (w / 2 - 0.05), y * (d / 2), 0),
                (x * (w / 2 - 0.2), y * (d / 2 - 0.12), seat - 0.16),
                0.035,
                wooden,
            )
    b.block((-w / 2, -d / 2 + 0.03, seat - 0.19), (w / 2, d / 2, seat - 0.14), wooden)
    b.cushion((0, 0, seat - 0.07), (w, d, 0.15), cloth, squareness=10)
    count = int(rng.integers(2, 4))
    for i in range(count):
        at = w * ((i + 0.5) / count - 0.5)
        b.cushion((at, d / 2 - 0.1, seat + 0.18), (w / count - 0.04, 0.15, 0.42), cloth, -0.2, 5)
    for x in (-1, 1):
        b.loft(
            [(0, -0.3), (1, -0.3), (1, 0.3), (0, 0.3)],
            (x * (w / 2 - 0.1), 0, seat + 0.3),
            cloth,
            (0.09, 0.09),
        )
    return b.build().grounded()


# --- beds ------------------------------------------------------------------------------------------


def platform_bed(rng: np.random.Generator) -> Mesh:
    """A closed box under the mattress, sometimes with drawers."""
    b = MeshBuilder()
    frame = b.material(mat.wood_or_paint(rng, 0.6))
    w, d = _bed_size(rng)
    deck = rng.uniform(0.2, 0.36)
    b.block((-w / 2, -d / 2, 0.02), (w / 2, d / 2, deck), frame)
    if rng.random() < 0.4:
        for x in (-1, 1):
            for y in (-d / 4, d / 4):
                b.box((x * (w / 2 + 0.005), y, deck / 2 + 0.02), (0.02, d * 0.44, deck * 0.7), frame)
    _headboard(b, rng, w, d, frame)
    return _made_up(b, rng, w, d, deck)


def legged_bed(rng: np.random.Generator) -> Mesh:
    b = MeshBuilder()
    frame = b.material(mat.wood_or_paint(rng, 0.75))
    w, d = _bed_size(rng)
    deck = rng.uniform(0.25, 0.4)
    four_legs(b, w, d, deck, 0.07, frame)
    b.block((-w / 2, -d / 2, deck - 0.14), (w / 2, d / 2, deck), frame)
    _headboard(b, rng, w, d, frame)
    if rng.random() < 0.4:
        b.block((-w / 2, -d / 2 - 0.05, 0), (w / 2, -d / 2 - 0.005, deck + rng.uniform(0.1, 0.4)), frame)
    return _made_up(b, rng, w, d, deck)


def metal_bed(rng: np.random.Generator) -> Mesh:
    """Bars at head and foot."""
    b = MeshBuilder()
    frame = b.material(mat.metal(rng) if rng.random() < 0.5 else mat.painted(rng))
    w, d = _bed_size(rng)
    deck = rng.uniform(0.28, 0.4)
    b.block((-w / 2, -d / 2, deck - 0.06), (w / 2, d / 2, deck), frame)
    heights = (rng.uniform(0.9, 1.2), rng.uniform(0.55, 0.8))
    for y, h in zip((d / 2 + 0.02, -d / 2 - 0.02), heights):
        corners = [
            (-w / 2, 0),
            (-w / 2, h - 0.1),
            (-w / 2 + 0.1, h),
            (w / 2 - 0.1, h),
            (w / 2, h - 0.1),
            (w / 2, 0),
        ]
        b.pipe([(x, y, z) for x, z in corners], 0.035, frame)
        b.bar((-w / 2, y, deck - 0.03), (w / 2, y, deck - 0.03), 0.035, frame)
        for x in np.linspace(-w / 2, w / 2, int(w / rng.uniform(0.12, 0.25)) + 2)[1:-1]:
            b.bar((x, y, deck - 0.03), (x, y, h - 0.02), 0.018, frame)
    return _made_up(b, rng, w, d, deck)


def upholstered_bed(rng: np.random.Generator) -> Mesh:
    """Padded all round, with a thick headboard."""
    b = MeshBuilder()
    cloth = b.material(mat.upholstery(rng))
    w, d = max(_bed_size(rng)[0], 1.2), rng.uniform(1.95, 2.1)
    deck, h = rng.uniform(0.25, 0.36), rng.uniform(0.9, 1.35)
    b.cushion((0, 0, deck / 2 + 0.03), (w + 0.08, d + 0.08, deck + 0.02), cloth, squareness=14)
    b.cushion((0, d / 2 + 0.04, h / 2), (w + 0.1, 0.14, h), cloth, squareness=12)
    return _made_up(b, rng, w, d, deck)


def bunk_bed(rng: np.random.Generator) -> Mesh:
    """Two decks, or one high over an empty space."""
    b = MeshBuilder()
    frame = b.material(mat.wood_or_paint(rng, 0.5) if rng.random() < 0.6 else mat.metal(rng))
    w, d, high = rng.uniform(0.85, 1.05), rng.uniform(1.95, 2.08), rng.uniform(1.3, 1.55)
    four_legs(b, w + 0.08, d + 0.08, high + 0.35, 0.06, frame)
    for x in (-1, 1):
        b.box((x * (w / 2 + 0.02), 0, high + 0.3), (0.025, d + 0.02, 0.08), frame)
    for y in (-1, 1):
        for z in (high + 0.3, high + 0.12):
            b.box((0, y * (d / 2 + 0.02), z), (w + 0.02, 0.025, 0.08), frame)
    for z in np.arange(0.25, high + 0.2, 0.28):
        b.box((w / 2 + 0.05, -d / 2 + 0.25, z), (0.04, 0.4, 0.03), frame)
    for y in (0.06, 0.44):
        b.box((w / 2 + 0.05, -d / 2 + y, (high + 0.3) / 2), (0.03, 0.04, high + 0.3), frame)
    for deck in (high, rng.uniform(0.28, 0.4))[: 1 + (rng.random() < 0.7)]:
        b.block((-w / 2 - 0.03, -d / 2 - 0.03, deck - 0.1), (w / 2 + 0.03, d / 2 + 0.03, deck), frame)
        _linen(b, rng, w - 0.04, d, deck, 0.13)
    return b.build().grounded()


def floor_mattress(rng: np.random.Generator) -> Mesh:
    b = MeshBuilder()
    w, d = _bed_size(rng)
    return _made_up(b, rng, w, d, 0.0 if rng.random() < 0.5 else _pallet(b, rng, w, d))


def _pallet(b: MeshBuilder, rng: np.random.Generator, w: float, d: float) -> float:
    slats = b.material(mat.wood(rng))
    b.block((-w / 2, -d / 2, 0.08), (w / 2, d / 2, 0.12), slats)
    for y in np.linspace(-d / 2 + 0.05, d / 2 - 0.05, 5):
        b.box((0, y, 0.045), (w, 0.09, 0.09), slats)
    return 0.12


def sleigh_bed(rng: np.random.Generator) -> Mesh:
    """Head and foot curl outwards."""
    b = MeshBuilder()
    frame = b.material(mat.wood_or_paint(rng, 0.85))
    w, d = _bed_size(rng)
    deck = rng.uniform(0.26, 0.36)
    b.block((-w / 2, -d / 2, 0.1), (w / 2, d / 2, deck), frame)
    for side, h in ((1, rng.uniform(0.95, 1.2)), (-1, rng.uniform(0.6, 0.8))):
        t = np.linspace(0, 1, 10)
        y = side * (d / 2 - 0.01 + 0.16 * t**2 + 0.06 * (t > 0.85))
        z = h * t
        sheet = np.stack([np.stack([np.full(10, x), y, z], axis=-1) for x in (-w / 2 - 0.02, w / 2 + 0.02)])
        b.grid(sheet, frame)
        b.grid(sheet + (0, side * 0.045, 0), frame)
        b.cushion((0, y[-1], h), (w + 0.06, 0.1, 0.09), frame, squareness=2.5)
    return _made_up(b, rng, w, d, deck)


def four_poster_bed(rng: np.random.Generator) -> Mesh:
    """Posts at the corners joined by rails overhead."""
    b = MeshBuilder()
    frame = b.material(mat.wood_or_paint(rng, 0.7, axis=2) if rng.random() < 0.7 else mat.metal(rng))
    w, d = max(_bed_size(rng)[0], 1.3), rng.uniform(1.95, 2.1)
    deck, h, t = rng.uniform(0.3, 0.42), rng.uniform(1.85, 2.1), 0.055
    four_legs(b, w + 0.06, d + 0.06, h, t, frame)
    for x in (-1, 1):
        b.box((x * w / 2, 0, h - t / 2), (t * 0.8, d, t * 0.8), frame)
        b.box((x * w / 2, 0, deck - 0.08), (t * 0.8, d, 0.14), frame)
    for y in (-1, 1):
        b.box((0, y * d / 2, h - t / 2), (w, t * 0.8, t * 0.8), frame)
        b.box((0, y * d / 2, deck - 0.08), (w, t * 0.8, 0.14), frame)
    b.block((-w / 2, -d / 2, deck - 0.06), (w / 2, d / 2, deck), frame)
    for z in np.linspace(deck + 0.1, 1.05, 4):
        b.box((0, d / 2, z), (w, 0.02, 0.06), frame)
    return _made_up(b, rng, w, d, deck)


def day_bed(rng: np.random.Generator) -> Mesh:
    """A single bed with a low back along its length and both ends alike."""
    b = MeshBuilder()
    frame = b.material(mat.wood_or_paint(rng, 0.4) if rng.random() < 0.6 else mat.metal(rng))
    w, d, deck, h = (
        rng.uniform(0.85, 1.0),
        rng.uniform(1.95, 2.08),
        rng.uniform(0.3, 0.4),
        rng.uniform(0.8, 0.95),
    )
    b.block((-w / 2, -d / 2, deck - 0.18), (w / 2, d / 2, deck), frame)
    four_legs(b, w, d, deck, 0.06, frame)
    rails = rng.random() < 0.5
    for y in (-1, 1):
        _panel_or_rails(b, (-w / 2, y * (d / 2 + 0.02)), (w / 2, y * (d / 2 + 0.02)), h, frame, rails)
    _panel_or_rails(b, (-w / 2 - 0.02, -d / 2 - 0.02), (-w / 2 - 0.02, d / 2 + 0.02), h, frame, rails)
    return _made_up(b, rng, w, d, deck)


def _panel_or_rails(b: MeshBuilder, start, end, h: float, material: int, rails: bool) -> None:
    start, end = np.array(start), np.array(end)
    for corner in (start, end):
        b.box((*corner, h / 2), (0.05, 0.05, h), material)
    if not rails:
        size = np.abs(end - start) + 0.025
        b.box((*(start + end) / 2, h * 0.62), (*size, h * 0.66), material)
        return
    for z in (h - 0.03, h * 0.4):
        b.bar((*start, z), (*end, z), 0.035, material)
    for t in np.linspace(0, 1, int(np.linalg.norm(end - start) / 0.13) + 2)[1:-1]:
        foot = start + t * (end - start)
        b.bar((*foot, h * 0.4), (*foot, h - 0.03), 0.02, material)


def _bed_size(rng: np.random.Generator) -> tuple[float, float]:
    return pick(rng, (rng.uniform(0.85, 1.1), rng.uniform(1.35, 1.85))), rng.uniform(1.9, 2.12)


def _headboard(b: MeshBuilder, rng: np.random.Generator, w: float, d: float, frame: int) -> None:
    h, y = rng.uniform(0.75, 1.25), d / 2
    kind = rng.choice(4, p=[0.15, 0.4, 0.25, 0.2])
    if kind == 1:
        b.block((-w / 2 - 0.03, y, 0), (w / 2 + 0.03, y + 0.06, h), frame)
    elif kind == 2:  # boards between posts
        for x in (-1, 1):
            b.box((x * w / 2, y + 0.03, h / 2), (0.06, 0.06, h), frame)
        for z in np.arange(0.4, h, 0.16):
            b.box((0, y + 0.03, z), (w, 0.03, 0.11), frame)
    elif kind == 3:  # an arch
        x = np.linspace(-w / 2, w / 2, 13)
        arch = h - 0.25 * (2 * x / w) ** 2
        b.prism([(x[0], 0.1), *zip(x, arch), (x[-1], 0.1)], y, y + 0.05, frame, axis=1)


def _made_up(b: MeshBuilder, rng: np.random.Generator, w: float, d: float, deck: float) -> Mesh:
    _linen(b, rng, w - 0.03, d - 0.04, deck, rng.uniform(0.16, 0.28))
    return b.build().grounded()


def _linen(b: MeshBuilder, rng: np.random.Generator, w: float, d: float, deck: float, thick: float) -> None:
    """Mattress, sheet and, mostly, a blanket drawn up or left in a heap."""
    sheet = b.material(mat.linen(rng))
    b.cushion((0, 0, deck + thick / 2 - 0.005), (w, d, thick + 0.01), sheet, squareness=9)
    kind = rng.choice(3, p=[0.15, 0.7, 0.15])
    if kind == 0:
        return
    cover = b.material(mat.linen(rng) if rng.random() < 0.4 else mat.fabric(rng))
    top = deck + thick
    if kind == 1:
        _blanket(b, rng, w, -d / 2 - 0.02, -d / 2 + rng.uniform(0.5, 0.92) * d, top, cover)
        return
    size = (w * rng.uniform(0.5, 0.9), d * rng.uniform(0.3, 0.5), rng.uniform(0.12, 0.25))
    b.cushion(
        (rng.uniform(-0.1, 0.1), -d / 2 + size[1] * 0.7, top + size[2] * 0.3), size, cover, squareness=2.2
    )


def _blanket(b, rng, w, y0, y1, top, material) -> None:
    """A rumpled sheet over the mattress that hangs down both sides."""
    hang = rng.uniform(0.08, 0.3)
    edge = w / 2
    across = [
        -edge - 0.04,
        -edge - 0.02,
        -edge + 0.05,
        *np.linspace(-w / 3, w / 3, 9),
        edge - 0.05,
        edge + 0.02,
        edge + 0.04,
    ]
    along = np.linspace(y0, y1, 18)
    x, y = np.meshgrid(across, along)
    rough = rng.uniform(0.006, 0.025)
    wrinkle = rough * np.sin(7 * x + rng.uniform(0, 6)) * np.sin(9 * y + rng.uniform(0, 6))
    wrinkle += rough * np.sin(17 * (x + 0.6 * y) + rng.uniform(0, 6))
    z = np.full_like(x, top + 0.02) + wrinkle
    z[:, [0, -1]] -= hang
    b.grid(np.stack([x, y, z], axis=-1), material)
