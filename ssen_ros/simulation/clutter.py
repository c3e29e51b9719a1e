"""Things without a class of their own: they occlude, they colour, they are never trained on."""

import numpy as np

from ssen_ros.simulation import materials as mat
from ssen_ros.simulation.materials import Material
from ssen_ros.simulation.mesh import Mesh, MeshBuilder


def tabletop(rng: np.random.Generator) -> Mesh:
    """Something small enough for a table, a shelf or a windowsill."""
    options = (box, bottle, bowl, books, lamp, plant, papers)
    return options[rng.choice(len(options), p=[0.24, 0.17, 0.13, 0.14, 0.06, 0.08, 0.18])](rng)


def floor_item(rng: np.random.Generator) -> Mesh:
    options = (carton, bin_, floor_lamp, big_plant, bag)
    return options[rng.choice(len(options), p=[0.3, 0.2, 0.15, 0.15, 0.2])](rng)


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
        [(0.7, 0), (1, pot), (0, pot)], (0, 0, 0), b.material(_color(rng)), (size * 0.28,) * 2, segments=12
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
