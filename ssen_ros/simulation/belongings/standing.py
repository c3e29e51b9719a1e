"""Plants, lamps, fans and partitions, which stand about in rooms: kinds outside the 20 classes."""

import numpy as np

from ssen_ros.simulation import materials as mat
from ssen_ros.simulation.furniture.parts import any_color, pick, plastic, ring, splayed_legs
from ssen_ros.simulation.materials import Material
from ssen_ros.simulation.mesh import Mesh, MeshBuilder


def _foliage(b: MeshBuilder, rng: np.random.Generator) -> int:
    return b.material(
        Material(mat.hsv(rng.uniform(0.2, 0.38), rng.uniform(0.3, 0.7), rng.uniform(0.15, 0.45)), "fabric")
    )


def _planter(b: MeshBuilder, rng: np.random.Generator, r: float, h: float) -> None:
    outer = b.material(pick(rng, (mat.painted, mat.ceramic, any_color))(rng))
    b.loft([(0.75, 0), (1, h), (0.0, h - 0.01)], (0, 0, 0), outer, (r, r), pick(rng, (2, 8), [0.75, 0.25]))


def bushy_tree(rng: np.random.Generator) -> Mesh:
    """A stem and a crown of round clumps."""
    b = MeshBuilder()
    h, r, pot_h = rng.uniform(1.0, 1.9), rng.uniform(0.14, 0.2), rng.uniform(0.2, 0.35)
    _planter(b, rng, r, pot_h)
    b.bar((0, 0, pot_h - 0.03), (*rng.normal(0, 0.03, 2), h * 0.75), 0.035, b.material(mat.wood(rng)))
    leaf = _foliage(b, rng)
    for _ in range(int(rng.integers(5, 12))):
        size = rng.uniform(0.2, 0.45, 3)
        b.cushion((*rng.normal(0, 0.12, 2), h * rng.uniform(0.6, 0.95)), size, leaf, squareness=2)
    b.cushion((0, 0, h * 0.75), (0.35, 0.35, 0.4), leaf, squareness=2)
    return b.build().grounded()


def palm(rng: np.random.Generator) -> Mesh:
    """Long leaves arching from a stem."""
    b = MeshBuilder()
    h, pot_h = rng.uniform(0.4, 1.0), rng.uniform(0.2, 0.32)
    _planter(b, rng, rng.uniform(0.14, 0.2), pot_h)
    b.bar((0, 0, pot_h - 0.03), (0, 0, h), 0.05, b.material(mat.wood(rng)))
    leaf, t = _foliage(b, rng), np.linspace(0, 1, 8)[:, None]
    for k in range(int(rng.integers(7, 14))):
        angle, reach, rise = 2.4 * k, rng.uniform(0.35, 0.7), rng.uniform(0.2, 0.6)
        c, s, across = (
            np.cos(angle),
            np.sin(angle),
            np.array([[-1.0, 1.0]]) * 0.05 * np.sin(np.pi * (0.1 + 0.88 * t)),
        )
        z = h - 0.02 + rise * np.sin(2.6 * t) - 0.1 * t + 0 * across
        b.grid(np.stack([c * reach * t - s * across, s * reach * t + c * across, z], axis=-1), leaf)
    return b.build().grounded()


def snake_plant(rng: np.random.Generator) -> Mesh:
    """Stiff blades straight up, or a cactus's columns."""
    b = MeshBuilder()
    pot_h = rng.uniform(0.14, 0.3)
    _planter(b, rng, rng.uniform(0.11, 0.18), pot_h)
    leaf = _foliage(b, rng)
    for _ in range(int(rng.integers(4, 12))):
        x, y = rng.normal(0, 0.04, 2)
        h, r = rng.uniform(0.25, 0.8), rng.uniform(0.018, 0.045)
        b.loft(
            [(1, 0), (1, 0.7 * h), (0, h)],
            (x, y, pot_h - 0.02),
            leaf,
            (r, r),
            segments=6,
            lean=(2 * x, 2 * y),
        )
    return b.build().grounded()


def hanging_plant(rng: np.random.Generator) -> Mesh:
    """A planter on a stool of three legs, its shoots hanging down."""
    b = MeshBuilder()
    h, leaf = rng.uniform(0.4, 0.8), _foliage(b, rng)
    b.cylinder((0, 0, h - 0.02), 0.15, 0.02, b.material(mat.wood(rng)))
    splayed_legs(b, (0.14, 0.14), (0.08, 0.08), h - 0.01, 0.025, b.material(mat.wood_or_paint(rng)))
    b.loft([(0.7, h), (1, h + 0.16), (0, h + 0.15)], (0, 0, 0), b.material(any_color(rng)), (0.13, 0.13))
    for _ in range(int(rng.integers(8, 16))):
        angle, drop = rng.uniform(0, 6.28), rng.uniform(0.1, h - 0.05)
        c, s = np.cos(angle), np.sin(angle)
        b.pipe([(0.05 * c, 0.05 * s, h + 0.14), (0.15 * c, 0.15 * s, h + 0.2), (0.21 * c, 0.21 * s, h + 0.1),
                (0.23 * c, 0.23 * s, h + 0.12 - drop)], 0.04, leaf)  # fmt: skip
    return b.build().grounded()


def arc_lamp(rng: np.random.Generator) -> Mesh:
    """Bent over from a heavy foot."""
    b = MeshBuilder()
    steel, reach, h = b.material(mat.metal(rng)), rng.uniform(0.4, 0.8), rng.uniform(1.5, 1.9)
    b.cylinder((0, 0, 0), 0.16, 0.05, b.material(plastic(rng)))
    angle = np.linspace(0, np.pi * 0.85, 10)
    x, z = reach / 2 * (1 - np.cos(angle)), h - 0.3 + 0.3 * np.sin(angle)
    b.pipe([(0, 0, 0.04), *np.stack([x, 0 * angle, z], axis=-1)], 0.022, steel)
    b.loft(
        [(0.0, 0.03), (0.6, 0.0), (1.0, -0.15)], (x[-1], 0, z[-1]), b.material(any_color(rng)), (0.16, 0.16)
    )
    return b.build().grounded()


def tripod_lamp(rng: np.random.Generator) -> Mesh:
    b = MeshBuilder()
    leg, h = b.material(mat.wood_or_paint(rng)), rng.uniform(1.2, 1.6)
    for k in range(3):
        angle = 2.1 * k
        b.bar((0.26 * np.cos(angle), 0.26 * np.sin(angle), 0), (0, 0, h - 0.02), 0.03, leg)
    b.loft(
        [(1.0, h - 0.3), (0.8, h), (0.0, h)],
        (0, 0, 0),
        b.material(Material(mat.white_color(rng))),
        (0.22, 0.22),
    )
    return b.build().grounded()


def reading_lamp(rng: np.random.Generator) -> Mesh:
    """An uplighter, perhaps with a second arm to read by."""
    b = MeshBuilder()
    steel, h = b.material(plastic(rng)), rng.uniform(1.5, 1.85)
    b.cylinder((0, 0, 0), rng.uniform(0.11, 0.15), 0.03, steel)
    b.cylinder((0, 0, 0), 0.015, h - 0.05, steel, 8)
    b.loft([(0.1, h - 0.1), (1.0, h), (0.0, h - 0.02)], (0, 0, 0), steel, (0.16, 0.16))
    if rng.random() < 0.5:
        b.pipe([(0, 0, h * 0.6), (0.12, -0.2, h * 0.72)], 0.02, steel)
        b.cushion((0.13, -0.22, h * 0.7), (0.1, 0.1, 0.1), steel, squareness=2.5)
    return b.build().grounded()


def standing_fan(rng: np.random.Generator) -> Mesh:
    b = MeshBuilder()
    body, h, r = b.material(plastic(rng)), rng.uniform(0.9, 1.25), rng.uniform(0.18, 0.24)
    b.cylinder((0, 0, 0), 0.2, 0.03, body, 16)
    b.bar((0, 0.03, 0.02), (0, 0.03, h), 0.035, body)
    b.bar((0, -0.07, h), (0, 0.13, h), 0.08, body)
    for y in (-0.07, 0.05):
        ring(b, (0, y, h), r, 0.012, body, axis=1)
        for angle in np.linspace(0, np.pi, 9)[:-1]:
            rim = np.array([np.cos(angle), 0, np.sin(angle)]) * r
            b.bar((0, y, h) - rim, (0, y, h) + rim, 0.008, body)
    return b.build().grounded()


def screen_partition(rng: np.random.Generator, w: float, h: float) -> Mesh:
    """A padded panel in a frame, on two feet."""
    b = MeshBuilder()
    cloth, frame = (
        b.material(mat.fabric(rng) if rng.random() < 0.7 else mat.laminate(rng)),
        b.material(mat.metal(rng)),
    )
    b.block((-w / 2, -0.02, 0.1), (w / 2, 0.02, h), cloth)
    for x in (-w / 2, w / 2 - 0.025):
        b.block((x, -0.024, 0.0), (x + 0.025, 0.024, h), frame)
    b.block((-w / 2, -0.024, h - 0.02), (w / 2, 0.024, h), frame)
    return b.build()


def glazed_partition(rng: np.random.Generator, w: float, h: float) -> Mesh:
    """Closed below, a pane above."""
    b = MeshBuilder()
    panel, frame, pane = b.material(mat.laminate(rng)), b.material(mat.metal(rng)), b.material(mat.pane(rng))
    middle = h * rng.uniform(0.55, 0.75)
    b.block((-w / 2, -0.025, 0.02), (w / 2, 0.025, middle), panel)
    b.block((-w / 2, -0.004, middle), (w / 2, 0.004, h), pane)
    for x in np.linspace(-w / 2 + 0.015, w / 2 - 0.015, max(2, round(w / 0.9) + 1)):
        b.box((x, 0, h / 2), (0.03, 0.05, h), frame)
    b.block((-w / 2, -0.02, h - 0.02), (w / 2, 0.02, h), frame)
    return b.build()


def acoustic_partition(rng: np.random.Generator, w: float, h: float) -> Mesh:
    """Tiles of felt in several colours, with round edges."""
    b = MeshBuilder()
    count = max(2, round(w / 0.55))
    felts = [b.material(mat.fabric(rng)) for _ in range(2)]
    for k in range(count):
        x = -w / 2 + w * (k + 0.5) / count
        b.cushion((x, 0, h / 2), (w / count + 0.01, 0.06, h), felts[k % 2], squareness=12)
    b.block((-w / 2, -0.02, 0), (w / 2, 0.02, 0.08), felts[0])
    return b.build().grounded()
