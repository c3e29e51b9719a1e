"""What stands on worktops: kinds outside the 20 classes; fronts look to -y."""

import numpy as np

from ssen_ros.simulation import materials as mat
from ssen_ros.simulation.furniture.parts import any_color, pick, plastic
from ssen_ros.simulation.materials import Material
from ssen_ros.simulation.mesh import Mesh, MeshBuilder


def dish_rack(rng: np.random.Generator) -> Mesh:
    """Plates and bowls upright between wires."""
    b = MeshBuilder()
    w, d = rng.uniform(0.32, 0.48), rng.uniform(0.26, 0.36)
    wire = b.material(mat.metal(rng) if rng.random() < 0.6 else plastic(rng))
    b.block((-w / 2, -d / 2, 0), (w / 2, d / 2, 0.02), wire)
    for y in (-d / 2, d / 2):
        b.bar((-w / 2, y, 0.1), (w / 2, y, 0.1), 0.012, wire)
    for x in np.linspace(-w / 2, w / 2, 6):
        for y in (-d / 2, d / 2):
            b.bar((x, y, 0.0), (x, y, 0.105), 0.009, wire)
    angle = np.linspace(0, 2 * np.pi, 15)[:-1]
    for x in np.arange(-w / 2 + 0.04, w / 2 - 0.03, rng.uniform(0.035, 0.06)):
        if rng.random() < 0.8:
            r = rng.uniform(0.08, 0.13)
            plate = b.material(Material(mat.white_color(rng)) if rng.random() < 0.6 else any_color(rng))
            outline = np.stack([r * np.cos(angle), 0.02 + r + r * np.sin(angle)], axis=-1)
            b.prism(outline, x - 0.008, x + 0.008, plate, axis=0)
    return b.build()


def kettle(rng: np.random.Generator) -> Mesh:
    b = MeshBuilder()
    body = b.material(mat.metal(rng) if rng.random() < 0.5 else plastic(rng))
    grip = b.material(Material(mat.black_color(rng)))
    h = rng.uniform(0.18, 0.24)
    b.loft([(1.0, 0), (0.95, 0.02), (0.7, h), (0.0, h + 0.02)], (0, 0, 0), body, (0.085, 0.085))
    b.pipe([(0.06, 0, h), (0.13, 0, h - 0.02), (0.12, 0, 0.05), (0.07, 0, 0.04)], 0.022, grip)
    b.bar((-0.05, 0, h * 0.7), (-0.1, 0, h * 0.95), 0.03, body)
    return b.build()


def microwave(rng: np.random.Generator) -> Mesh:
    b = MeshBuilder()
    w, d, h = rng.uniform(0.43, 0.54), rng.uniform(0.3, 0.4), rng.uniform(0.25, 0.31)
    case = b.material(Material(pick(rng, (mat.white_color, mat.black_color, mat.metal_color))(rng)))
    dark = b.material(Material(mat.black_color(rng), dropout=0.15))
    b.block((-w / 2, -d / 2, 0), (w / 2, d / 2, h), case)
    b.block((-w / 2 + 0.02, -d / 2 - 0.012, 0.03), (w * 0.22, -d / 2, h - 0.03), dark)
    b.box((w * 0.25, -d / 2 - 0.025, h / 2), (0.018, 0.03, h * 0.7), case)
    for z in np.linspace(h * 0.25, h * 0.8, 4):
        b.box((w * 0.38, -d / 2 - 0.004, z), (0.06, 0.008, 0.025), dark)
    return b.build()


def toaster(rng: np.random.Generator) -> Mesh:
    b = MeshBuilder()
    body = b.material(mat.metal(rng) if rng.random() < 0.5 else any_color(rng))
    dark = b.material(Material(mat.black_color(rng)))
    b.cushion((0, 0, 0.1), (0.28, 0.18, 0.2), body, squareness=7)
    for y in (-0.035, 0.035):
        b.box((0, y, 0.198), (0.2, 0.025, 0.01), dark)
    b.box((0.145, 0, 0.12), (0.03, 0.04, 0.02), dark)
    return b.build().grounded()


def coffee_machine(rng: np.random.Generator) -> Mesh:
    b = MeshBuilder()
    w, d, h = rng.uniform(0.16, 0.3), rng.uniform(0.25, 0.38), rng.uniform(0.28, 0.4)
    body, dark = b.material(plastic(rng)), b.material(Material(mat.black_color(rng)))
    b.block((-w / 2, 0.0, 0), (w / 2, d / 2, h), body)
    b.block((-w / 2, -d / 2, h * 0.72), (w / 2, 0.0, h), body)
    b.block((-w / 2, -d / 2, 0), (w / 2, 0.0, 0.03), dark)
    b.cylinder((0, -d / 4, 0.03), 0.055, h * 0.35, dark)
    return b.build()


def pot(rng: np.random.Generator) -> Mesh:
    """A pot or a pan, with a lid or without."""
    b = MeshBuilder()
    body = b.material(mat.metal(rng) if rng.random() < 0.6 else any_color(rng))
    r, h = rng.uniform(0.09, 0.16), pick(rng, (rng.uniform(0.04, 0.06), rng.uniform(0.1, 0.2)))
    lid = (
        [(0.3, h + 0.03), (0.0, h + 0.035)] if rng.random() < 0.4 else [(0.94, h), (0.9, 0.012), (0.0, 0.012)]
    )
    b.loft([(0.0, 0.0), (0.95, 0.0), (1.0, h), *lid], (0, 0, 0), body, (r, r), segments=20)
    b.bar((r * 0.95, 0, h * 0.8), (r + (0.18 if h < 0.08 else 0.04), 0, h * 0.85), 0.022, body)
    return b.build().grounded()


def knife_block(rng: np.random.Generator) -> Mesh:
    b = MeshBuilder()
    b.box((0, 0, 0.11), (0.1, 0.13, 0.2), b.material(mat.wood(rng)), tilt=0.3)
    grip = b.material(Material(mat.black_color(rng)))
    for x in (-0.03, 0.0, 0.03):
        for y in (0.0, 0.04):
            b.bar((x, y - 0.05, 0.2), (x, y - 0.1, 0.2 + rng.uniform(0.06, 0.11)), 0.016, grip)
    return b.build().grounded()


def cutting_board(rng: np.random.Generator) -> Mesh:
    """With what has been cut on it."""
    b = MeshBuilder()
    w, d = rng.uniform(0.25, 0.42), rng.uniform(0.18, 0.28)
    b.block((-w / 2, -d / 2, 0), (w / 2, d / 2, 0.02), b.material(mat.wood(rng)))
    for _ in range(int(rng.integers(0, 5))):
        x, y = rng.uniform(-0.35, 0.35, 2) * (w, d)
        b.cushion(
            (x, y, 0.045),
            rng.uniform(0.05, 0.11, 3),
            b.material(Material(mat.bright_color(rng))),
            squareness=2,
        )
    return b.build()


def kitchen_roll(rng: np.random.Generator) -> Mesh:
    b = MeshBuilder()
    b.cylinder((0, 0, 0), 0.075, 0.015, b.material(plastic(rng)))
    b.cylinder((0, 0, 0.012), rng.uniform(0.04, 0.065), 0.24, b.material(Material(mat.white_color(rng))))
    return b.build()


def jars(rng: np.random.Generator) -> Mesh:
    """Tins, jars and bottles in a row on a tray."""
    b = MeshBuilder()
    count = int(rng.integers(3, 7))
    b.block((-0.05 * count, -0.06, 0), (0.05 * count, 0.06, 0.012), b.material(mat.wood_or_paint(rng)))
    for k in range(count):
        r, h, color = rng.uniform(0.03, 0.047), rng.uniform(0.08, 0.28), b.material(any_color(rng))
        at = ((k - (count - 1) / 2) * 0.098, rng.normal(0, 0.008), 0.01)
        b.loft(
            [(0, 0), (1, 0), (1, h * 0.7), (0.6, h * 0.8), (0.6, h), (0, h)], at, color, (r, r), segments=10
        )
    return b.build()


def fruit_bowl(rng: np.random.Generator) -> Mesh:
    b = MeshBuilder()
    r, h = rng.uniform(0.12, 0.18), rng.uniform(0.06, 0.1)
    b.loft(
        [(0.5, 0), (1, h), (0.92, h), (0.45, 0.012), (0, 0.012)],
        (0, 0, 0),
        b.material(any_color(rng)),
        (r, r),
    )
    for _ in range(int(rng.integers(3, 8))):
        color = Material(mat.hsv(pick(rng, (0.02, 0.08, 0.13, 0.25)), 0.75, rng.uniform(0.5, 0.85)))
        size = rng.uniform(0.06, 0.09)
        b.cushion(
            (*rng.uniform(-0.4, 0.4, 2) * r, h * 0.8), (size, size, size), b.material(color), squareness=2
        )
    return b.build()


def hob(rng: np.random.Generator) -> Mesh:
    """Four rings on a plate let into a worktop, perhaps a pot on one."""
    b = MeshBuilder()
    w, d = rng.uniform(0.52, 0.6), rng.uniform(0.46, 0.5)
    glass = b.material(Material(mat.black_color(rng), dropout=0.15) if rng.random() < 0.7 else mat.metal(rng))
    ring = b.material(Material(mat.grey_color(rng)))
    b.block((-w / 2, -d / 2, 0), (w / 2, d / 2, 0.012), glass)
    for x in (-w / 4, w / 4):
        for y in (-d / 4, d / 4):
            b.cylinder((x, y, 0.01), rng.uniform(0.07, 0.1), 0.008, ring)
    if rng.random() < 0.5:
        b.add(pot(rng), (-w / 4, d / 4, 0.018))
    return b.build()
