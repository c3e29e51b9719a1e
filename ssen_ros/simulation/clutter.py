"""Things of no class of their own: they occlude and colour, and are labelled unknown."""

import numpy as np

from ssen_ros.simulation import materials as mat
from ssen_ros.simulation.materials import Material
from ssen_ros.simulation.mesh import Mesh, MeshBuilder


def tabletop(rng: np.random.Generator) -> Mesh:
    """Something small enough for a table, a shelf or a windowsill."""
    options = (box, bottle, bowl, books, lamp, plant, papers, machine, rack, folded, mug)
    shares = [0.18, 0.15, 0.1, 0.12, 0.05, 0.07, 0.12, 0.05, 0.03, 0.06, 0.07]
    return options[rng.choice(len(options), p=shares)](rng)


def floor_item(rng: np.random.Generator) -> Mesh:
    options = (carton, bin_, floor_lamp, big_plant, bag, shoes, basket, heap, crate_stack, bottle)
    shares = [0.2, 0.16, 0.08, 0.1, 0.14, 0.08, 0.08, 0.06, 0.06, 0.04]
    return options[rng.choice(len(options), p=shares)](rng)


def wall_item(rng: np.random.Generator) -> tuple[Mesh, float]:
    """Something that hangs on a wall (y = 0), and the height of its lower edge, m."""
    options = (notices, whiteboard, clock, switch, coats, wall_shelf, flat_screen)
    pick = rng.choice(len(options), p=[0.25, 0.12, 0.08, 0.2, 0.12, 0.15, 0.08])
    low, high = ((1.1, 1.4), (0.9, 1.1), (1.7, 1.9), (0.25, 1.2), (0.8, 1.0), (1.2, 1.6), (0.9, 1.3))[pick]
    return options[pick](rng), rng.uniform(low, high)


def _color(rng: np.random.Generator) -> Material:
    return Material(
        (mat.bright_color, mat.muted_color, mat.white_color, mat.black_color)[rng.integers(4)](rng)
    )


def box(rng: np.random.Generator) -> Mesh:
    b = MeshBuilder()
    w, d, h = rng.uniform(0.06, 0.3), rng.uniform(0.05, 0.22), rng.uniform(0.03, 0.24)
    b.block((-w / 2, -d / 2, 0), (w / 2, d / 2, h), b.material(_color(rng)))
    return b.build()


def bottle(rng: np.random.Generator) -> Mesh:
    b = MeshBuilder()
    r, h = rng.uniform(0.03, 0.055), rng.uniform(0.1, 0.32)
    neck = rng.uniform(0.3, 1.0)
    b.loft(
        [(0, 0), (1, 0), (1, 0.65 * h), (neck, 0.8 * h), (neck, h), (0, h)],
        (0, 0, 0),
        b.material(_color(rng)),
        (r, r),
        segments=10,
    )
    return b.build()


def bowl(rng: np.random.Generator) -> Mesh:
    b = MeshBuilder()
    r, h = rng.uniform(0.07, 0.17), rng.uniform(0.015, 0.1)
    b.loft(
        [(0.5, 0), (1, h), (0.92, h), (0.45, 0.01), (0, 0.01)],
        (0, 0, 0),
        b.material(_color(rng)),
        (r, r),
        segments=16,
    )
    return b.build()


def books(rng: np.random.Generator) -> Mesh:
    b = MeshBuilder()
    z = 0.0
    for _ in range(int(rng.integers(1, 6))):
        t = rng.uniform(0.01, 0.045)
        b.box(
            (0, 0, z + t / 2),
            (rng.uniform(0.15, 0.3), rng.uniform(0.12, 0.22), t),
            b.material(_color(rng)),
            rng.normal(0, 0.2),
        )
        z += t
    return b.build()


def papers(rng: np.random.Generator) -> Mesh:
    """Sheets, newspapers and place mats lying flat."""
    b = MeshBuilder()
    for k in range(int(rng.integers(1, 4))):
        sheet = mat.artwork(rng) if rng.random() < 0.35 else _color(rng)
        center = (*rng.normal(0, 0.05, 2), 0.003 + 0.003 * k)
        b.box(
            center,
            (rng.uniform(0.2, 0.42), rng.uniform(0.15, 0.3), 0.004),
            b.material(sheet),
            rng.uniform(0, 3.14),
        )
    return b.build()


def notices(rng: np.random.Generator) -> Mesh:
    """Paper, cards or a board pinned to the wall: y = 0 is the wall."""
    b = MeshBuilder()
    w, h = rng.uniform(0.4, 1.4), rng.uniform(0.3, 0.9)
    if rng.random() < 0.5:
        b.block((-w / 2, -0.015, 0), (w / 2, 0, h), b.material(Material(mat.white_color(rng))))
    for _ in range(int(rng.integers(2, 9))):
        x, z, sw, sh = *rng.uniform((-w / 2, 0), (w / 2 - 0.1, h - 0.1)), *rng.uniform(0.1, 0.3, 2)
        b.block((x, -0.022, z), (min(x + sw, w / 2), 0, min(z + sh, h)), b.material(_color(rng)))
    return b.build()


def lamp(rng: np.random.Generator) -> Mesh:
    b = MeshBuilder()
    h = rng.uniform(0.3, 0.5)
    b.loft(
        [(1.0, 0), (0.9, 0.02), (0.2, 0.04), (0.2, h * 0.65)],
        (0, 0, 0),
        b.material(_color(rng)),
        (0.07, 0.07),
        segments=10,
    )
    b.loft([(1.0, h * 0.6), (0.6, h)], (0, 0, 0), b.material(Material(mat.white_color(rng))), (0.13, 0.13))
    return b.build()


def plant(rng: np.random.Generator, size: float = 0.3) -> Mesh:
    b = MeshBuilder()
    pot = size * 0.4
    b.loft(
        [(0.7, 0), (1, pot), (0, pot)],
        (0, 0, 0),
        b.material(_color(rng)),
        (size * 0.28, size * 0.28),
        segments=12,
    )
    leaf = b.material(
        Material(mat.hsv(rng.uniform(0.2, 0.38), rng.uniform(0.3, 0.75), rng.uniform(0.15, 0.5)))
    )
    for _ in range(int(rng.integers(10, 24))):
        angle, reach, top = (
            rng.uniform(0, 6.28),
            rng.uniform(0.15, 0.6) * size,
            pot + size * rng.uniform(0.2, 1.3),
        )
        c, s = np.cos(angle), np.sin(angle)
        t = np.linspace(0, 1, 5)[:, None]
        u = np.array([-1.0, 0.0, 1.0])[None, :]
        width = 0.07 * size * np.sin(np.pi * (0.1 + 0.9 * t))
        points = [
            c * reach * t - s * u * width,
            s * reach * t + c * u * width,
            pot + (top - pot) * np.sqrt(t) + 0 * u,
        ]
        b.grid(np.stack(points, axis=-1), leaf)
    return b.build()


def big_plant(rng: np.random.Generator) -> Mesh:
    return plant(rng, rng.uniform(0.5, 0.8))


def carton(rng: np.random.Generator) -> Mesh:
    b = MeshBuilder()
    card = b.material(
        Material(mat.hsv(0.08, rng.uniform(0.3, 0.5), rng.uniform(0.45, 0.7)))
        if rng.random() < 0.6
        else _color(rng)
    )
    w, d, h = rng.uniform(0.2, 0.55, 3)
    b.block((-w / 2, -d / 2, 0), (w / 2, d / 2, h), card)
    return b.build()


def bin_(rng: np.random.Generator) -> Mesh:
    b = MeshBuilder()
    r, h = rng.uniform(0.11, 0.2), rng.uniform(0.25, 0.6)
    b.loft(
        [(0.8, 0), (1, h), (0.95, h), (0.75, 0.02), (0, 0.02)],
        (0, 0, 0),
        b.material(_color(rng)),
        (r, r),
        segments=16,
    )
    return b.build()


def bag(rng: np.random.Generator) -> Mesh:
    b = MeshBuilder()
    w, d, h = rng.uniform(0.25, 0.5), rng.uniform(0.15, 0.35), rng.uniform(0.2, 0.5)
    b.cushion((0, 0, h / 2), (w, d, h), b.material(mat.fabric(rng)), squareness=2.6)
    return b.build()


def floor_lamp(rng: np.random.Generator) -> Mesh:
    b = MeshBuilder()
    h = rng.uniform(1.35, 1.75)
    pole = b.material(mat.metal(rng))
    b.cylinder((0, 0, 0), 0.14, 0.02, pole)
    b.cylinder((0, 0, 0), 0.012, h - 0.1, pole, 8)
    b.loft([(1.0, h - 0.28), (0.7, h)], (0, 0, 0), b.material(Material(mat.white_color(rng))), (0.2, 0.2))
    return b.build()


def pillow(rng: np.random.Generator) -> Mesh:
    b = MeshBuilder()
    w, d, h = rng.uniform(0.38, 0.65), rng.uniform(0.3, 0.45), rng.uniform(0.1, 0.17)
    b.cushion((0, 0, h / 2), (w, d, h), b.material(mat.fabric(rng)), squareness=2.8)
    return b.build()


def rug(rng: np.random.Generator) -> Mesh:
    b = MeshBuilder()
    w, d = rng.uniform(0.6, 2.4), rng.uniform(0.5, 1.7)
    b.block(
        (-w / 2, -d / 2, 0.002),
        (w / 2, d / 2, 0.014),
        b.material(mat.artwork(rng) if rng.random() < 0.5 else mat.fabric(rng)),
    )
    return b.build()


def monitor(rng: np.random.Generator, w: float | None = None) -> Mesh:
    """A screen on a foot: a monitor, or a television when `w` m says so."""
    b = MeshBuilder()
    w = w or rng.uniform(0.42, 0.68)
    h, lift = w * rng.uniform(0.55, 0.63), rng.uniform(0.06, 0.14)
    case = b.material(Material(mat.black_color(rng), dropout=0.15))
    glow = (
        b.material(
            Material(mat.muted_color(rng), "print", second=mat.white_color(rng), scale=0.2, dropout=0.1)
        )
        if rng.random() < 0.35
        else case
    )
    b.box((0, 0, lift + h / 2), (w, 0.035, h), case)
    b.box((0, -0.02, lift + h / 2), (w - 0.03, 0.006, h - 0.03), glow)
    b.box((0, 0.03, (lift + h / 2) / 2), (0.06, 0.03, lift + h / 2), case)
    b.box((0, 0.01, 0.008), (w * 0.4, 0.18, 0.016), case)
    return b.build()


def laptop(rng: np.random.Generator) -> Mesh:
    b = MeshBuilder()
    case = b.material(mat.metal(rng))
    b.block((-0.17, -0.12, 0), (0.17, 0.12, 0.018), case)
    b.box((0, 0.155, 0.115), (0.34, 0.012, 0.23), b.material(Material(mat.black_color(rng))), tilt=-0.3)
    return b.build()


def keyboard(rng: np.random.Generator) -> Mesh:
    b = MeshBuilder()
    b.block((-0.22, -0.07, 0), (0.22, 0.07, 0.022), b.material(_color(rng)))
    return b.build()


def mirror(rng: np.random.Generator, w: float) -> Mesh:
    """Hangs on the wall: y = 0 is the wall."""
    b = MeshBuilder()
    h = rng.uniform(0.5, 0.95)
    b.block((-w / 2, -0.02, 0), (w / 2, 0, h), b.material(mat.painted(rng)))
    b.block(
        (-w / 2 + 0.02, -0.025, 0.02),
        (w / 2 - 0.02, -0.02, h - 0.02),
        b.material(Material(mat.metal_color(rng), dropout=0.6)),
    )
    return b.build()


def mug(rng: np.random.Generator) -> Mesh:
    b = MeshBuilder()
    r, h = rng.uniform(0.035, 0.05), rng.uniform(0.07, 0.13)
    b.loft(
        [(0, 0), (0.9, 0), (1, h), (0.85, h), (0.8, 0.01)],
        (0, 0, 0),
        b.material(_color(rng)),
        (r, r),
        segments=10,
    )
    return b.build()


def machine(rng: np.random.Generator) -> Mesh:
    """A coffee machine, a microwave, a printer, a toaster: a case with a dark opening."""
    b = MeshBuilder()
    w, d, h = rng.uniform(0.2, 0.5), rng.uniform(0.2, 0.38), rng.uniform(0.18, 0.36)
    case = b.material(Material((mat.black_color, mat.metal_color, mat.white_color)[rng.integers(3)](rng)))
    dark = b.material(Material(mat.black_color(rng), dropout=0.2))
    b.block((-w / 2, -d / 2, 0), (w / 2, d / 2, h), case)
    b.block((-w * 0.4, -d / 2 - 0.008, h * 0.2), (w * rng.uniform(0.1, 0.4), -d / 2, h * 0.85), dark)
    return b.build()


def rack(rng: np.random.Generator) -> Mesh:
    """Plates drying, letters sorted: upright sheets in a tray."""
    b = MeshBuilder()
    w, d = rng.uniform(0.25, 0.45), rng.uniform(0.2, 0.32)
    b.block((-w / 2, -d / 2, 0), (w / 2, d / 2, 0.03), b.material(mat.metal(rng)))
    sheet = b.material(_color(rng))
    for x in np.arange(-w / 2 + 0.04, w / 2 - 0.03, rng.uniform(0.03, 0.07)):
        b.box((x, 0, rng.uniform(0.1, 0.14)), (0.012, d * 0.8, 0.2), sheet, rng.normal(0, 0.1))
    return b.build()


def folded(rng: np.random.Generator) -> Mesh:
    """A towel, a pullover, a cloth left in a heap."""
    b = MeshBuilder()
    w, d, h = rng.uniform(0.15, 0.4), rng.uniform(0.15, 0.35), rng.uniform(0.03, 0.12)
    b.cushion((0, 0, h / 2), (w, d, h), b.material(mat.fabric(rng)), squareness=rng.uniform(2.2, 6))
    return b.build()


def throw(rng: np.random.Generator, w: float | None = None) -> Mesh:
    """A blanket laid across a bed or a sofa, `w` m wide, in soft folds."""
    b = MeshBuilder()
    w, d, h = w or rng.uniform(0.45, 1.0), rng.uniform(0.4, 0.75), rng.uniform(0.03, 0.07)
    cloth = b.material(mat.fabric(rng))
    for k in range(3):
        b.cushion((0, (k - 1) * d / 3, h / 2), (w, d / 2.4, h * rng.uniform(0.7, 1.0)), cloth, squareness=5)
    return b.build().grounded()


def shoes(rng: np.random.Generator) -> Mesh:
    b = MeshBuilder()
    pair = b.material(_color(rng))
    for x in (-0.07, 0.07):
        b.cushion((x, rng.normal(0, 0.03), 0.05), (0.1, 0.27, rng.uniform(0.08, 0.14)), pair, squareness=2.8)
    return b.build().grounded()


def basket(rng: np.random.Generator) -> Mesh:
    """Laundry or toys in a wide open basket."""
    b = MeshBuilder()
    r, h = rng.uniform(0.2, 0.3), rng.uniform(0.25, 0.55)
    weave = b.material(mat.wood(rng) if rng.random() < 0.5 else mat.painted(rng))
    b.loft(
        [(0.8, 0), (1, h), (0.93, h), (0.8, h * 0.7)], (0, 0, 0), weave, (r, r * rng.uniform(0.7, 1)), 3, 20
    )
    b.cushion((0, 0, h * 0.75), (1.5 * r, 1.1 * r, h * 0.5), b.material(mat.fabric(rng)), squareness=2.4)
    return b.build()


def heap(rng: np.random.Generator) -> Mesh:
    """Clothes on the floor."""
    b = MeshBuilder()
    for _ in range(int(rng.integers(2, 5))):
        w, d, h = rng.uniform(0.2, 0.45), rng.uniform(0.2, 0.4), rng.uniform(0.06, 0.16)
        b.cushion((*rng.normal(0, 0.1, 2), h / 2), (w, d, h), b.material(mat.fabric(rng)), squareness=2.3)
    return b.build().grounded()


def crate_stack(rng: np.random.Generator) -> Mesh:
    b = MeshBuilder()
    w, d, z = rng.uniform(0.3, 0.6), rng.uniform(0.28, 0.42), 0.0
    for _ in range(int(rng.integers(2, 5))):
        h = rng.uniform(0.15, 0.35)
        b.box(
            (*rng.normal(0, 0.015, 2), z + h / 2),
            (w, d, h - 0.005),
            b.material(_color(rng)),
            rng.normal(0, 0.06),
        )
        z += h
    return b.build()


def whiteboard(rng: np.random.Generator) -> Mesh:
    b = MeshBuilder()
    w, h = rng.uniform(0.8, 2.2), rng.uniform(0.7, 1.1)
    frame, face = b.material(mat.metal(rng)), Material(mat.white_color(rng), dropout=0.1)
    if rng.random() < 0.3:
        face = Material(mat.hsv(rng.uniform(0.3, 0.6), 0.3, 0.25))
    b.block((-w / 2, -0.02, 0), (w / 2, 0, h), frame)
    b.block((-w / 2 + 0.02, -0.026, 0.02), (w / 2 - 0.02, -0.02, h - 0.02), b.material(face))
    b.block((-w * 0.3, -0.09, 0.0), (w * 0.3, -0.02, 0.015), frame)
    return b.build()


def clock(rng: np.random.Generator) -> Mesh:
    b = MeshBuilder()
    angle, r = np.linspace(0, 2 * np.pi, 17)[:-1], rng.uniform(0.12, 0.2)
    edge = np.stack([r * np.cos(angle), r + r * np.sin(angle)], axis=-1)
    b.prism(edge, -0.04, 0.0, b.material(_color(rng)), axis=1)
    b.prism(
        0.85 * (edge - (0, r)) + (0, r), -0.045, -0.04, b.material(Material(mat.white_color(rng))), axis=1
    )
    return b.build()


def switch(rng: np.random.Generator) -> Mesh:
    b = MeshBuilder()
    w = rng.choice([0.08, 0.15, 0.22])
    b.block((-w / 2, -0.012, 0), (w / 2, 0, 0.08), b.material(Material(mat.white_color(rng))))
    return b.build()


def coats(rng: np.random.Generator) -> Mesh:
    """Coats, towels and bags on a row of hooks; z = 0 is their lowest end."""
    b = MeshBuilder()
    w, top = rng.uniform(0.4, 1.2), rng.uniform(0.75, 1.0)
    b.block((-w / 2, -0.025, top - 0.08), (w / 2, 0, top), b.material(mat.wood_or_paint(rng)))
    for x in np.arange(-w / 2 + 0.1, w / 2 - 0.05, 0.17):
        if rng.random() < 0.75:
            length, wide = rng.uniform(0.3, top), rng.uniform(0.14, 0.3)
            b.cushion(
                (x, -0.09, top - length / 2), (wide, 0.14, length), b.material(mat.fabric(rng)), squareness=3
            )
    return b.build()


def wall_shelf(rng: np.random.Generator) -> Mesh:
    """A board with things on it."""
    b = MeshBuilder()
    w, d = rng.uniform(0.5, 1.3), rng.uniform(0.16, 0.26)
    b.block((-w / 2, -d, 0), (w / 2, 0, 0.025), b.material(mat.wood_or_paint(rng)))
    x = -w / 2 + 0.03
    while x < w / 2 - 0.12:
        thing = (box, bottle, bowl, books, plant, mug)[rng.integers(6)](rng)
        if thing.size[0] < w / 2 - x and thing.size[1] < d + 0.08 and rng.random() < 0.75:
            b.add(thing, (x - thing.lower[0], -max(d, thing.size[1]) / 2, 0.025))
        x += thing.size[0] + rng.uniform(0.01, 0.12)
    return b.build()


def flat_screen(rng: np.random.Generator) -> Mesh:
    """A television on the wall."""
    b = MeshBuilder()
    w = rng.uniform(0.7, 1.3)
    b.block((-w / 2, -0.06, 0), (w / 2, 0, w * 0.58), b.material(Material(mat.black_color(rng), dropout=0.3)))
    return b.build()


def ceiling_lamp(rng: np.random.Generator) -> Mesh:
    """A bowl close to the ceiling, or a shade on a cord; its top is the ceiling."""
    b = MeshBuilder()
    shade = b.material(Material(mat.white_color(rng)) if rng.random() < 0.7 else mat.painted(rng))
    r = rng.uniform(0.14, 0.28)
    if rng.random() < 0.5:
        b.loft([(0, 0), (0.7, 0.02), (1, 0.1), (0, 0.11)], (0, 0, 0), shade, (r, r))
        return b.build()
    cord = rng.uniform(0.3, 0.8)
    b.loft([(1.0, 0), (0.3, 0.2), (0.0, 0.21)], (0, 0, 0), shade, (r, r))
    b.bar((0, 0, 0.2), (0, 0, 0.2 + cord), 0.012, b.material(Material(mat.black_color(rng))))
    return b.build()


def blind(rng: np.random.Generator, w: float, h: float) -> Mesh:
    """Slats or a roll let down before a window; z = 0 is its upper edge, y = 0 the window's front."""
    b = MeshBuilder()
    cloth = b.material(Material(mat.white_color(rng)) if rng.random() < 0.6 else mat.fabric(rng))
    drop = h * rng.uniform(0.2, 1.0)
    b.block((-w / 2, -0.06, 0), (w / 2, 0, 0.06), cloth)
    if rng.random() < 0.5:
        b.block((-w / 2 + 0.02, -0.035, -drop), (w / 2 - 0.02, -0.028, 0), cloth)
        return b.build()
    for z in np.arange(0.03, drop, 0.035):
        b.box((0, -0.03, -z), (w - 0.04, 0.035, 0.003), cloth, tilt=0.5)
    return b.build()


def shower_tray(rng: np.random.Generator, w: float) -> Mesh:
    """A low tray, its wall towards +y, with a rail and a head on the wall."""
    b = MeshBuilder()
    tray, chrome = b.material(mat.ceramic(rng)), b.material(mat.metal(rng))
    b.block((-w / 2, -w / 2, 0), (w / 2, w / 2, rng.uniform(0.03, 0.15)), tray)
    b.bar((0, w / 2 - 0.04, 1.0), (0, w / 2 - 0.04, 1.9), 0.025, chrome)
    b.box((0, w / 2 - 0.12, 1.88), (0.1, 0.16, 0.04), chrome)
    return b.build()
