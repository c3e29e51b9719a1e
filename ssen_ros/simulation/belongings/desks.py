"""What lies and stands on desks: kinds outside the 20 classes; fronts look to -y."""

import numpy as np

from ssen_ros.simulation import materials as mat
from ssen_ros.simulation.furniture.parts import any_color, pick, plastic, ring
from ssen_ros.simulation.materials import Material
from ssen_ros.simulation.mesh import Mesh, MeshBuilder


def desk_lamp(rng: np.random.Generator) -> Mesh:
    """A jointed arm on a foot."""
    b = MeshBuilder()
    body = b.material(plastic(rng))
    h, reach = rng.uniform(0.32, 0.5), rng.uniform(0.12, 0.28)
    b.cylinder((0, 0, 0), rng.uniform(0.07, 0.1), 0.025, body)
    b.pipe([(0, 0, 0.02), (0, 0.08, h * 0.6), (0, -reach, h)], 0.02, body)
    b.loft([(0.5, 0.05), (1.0, -0.04), (0.0, -0.03)], (0, -reach, h), body, (0.07, 0.07), segments=12)
    return b.build().grounded()


def telephone(rng: np.random.Generator) -> Mesh:
    b = MeshBuilder()
    body, keys = b.material(plastic(rng)), b.material(Material(mat.grey_color(rng)))
    b.box((0, 0, 0.03), (0.17, 0.19, 0.035), body, tilt=0.15)
    b.box((-0.055, 0, 0.06), (0.05, 0.2, 0.03), body, tilt=0.15)
    b.box((0.035, -0.02, 0.048), (0.08, 0.1, 0.012), keys, tilt=0.15)
    return b.build().grounded()


def headphones(rng: np.random.Generator) -> Mesh:
    b = MeshBuilder()
    body = b.material(plastic(rng))
    angle = np.linspace(0, np.pi, 9)
    b.pipe(np.stack([0.085 * np.cos(angle), 0.085 * np.sin(angle), 0 * angle + 0.04], axis=-1), 0.02, body)
    for x in (-0.085, 0.085):
        b.cushion((x, -0.01, 0.04), (0.05, 0.09, 0.08), body)
    return b.build().grounded()


def pen_cup(rng: np.random.Generator) -> Mesh:
    b = MeshBuilder()
    b.cylinder((0, 0, 0), 0.04, 0.1, b.material(any_color(rng)))
    for _ in range(int(rng.integers(2, 6))):
        tip = (*rng.normal(0, 0.03, 2), rng.uniform(0.15, 0.2))
        b.bar((*rng.normal(0, 0.01, 2), 0.05), tip, 0.009, b.material(any_color(rng)))
    return b.build()


def letter_tray(rng: np.random.Generator) -> Mesh:
    """Trays one over the other, with paper."""
    b = MeshBuilder()
    body, paper = b.material(plastic(rng)), b.material(Material(mat.white_color(rng)))
    levels = int(rng.integers(2, 5))
    for x in (-0.125, 0.125):
        b.block((x - 0.004, -0.15, 0), (x + 0.004, 0.16, 0.065 * levels), body)
    for k in range(levels):
        b.block((-0.125, -0.16, 0.065 * k), (0.125, 0.16, 0.065 * k + 0.006), body)
        if rng.random() < 0.7:
            b.block(
                (-0.105, -0.15, 0.065 * k + 0.006),
                (0.105, 0.147, 0.065 * k + rng.uniform(0.01, 0.045)),
                paper,
            )
    return b.build()


def binders(rng: np.random.Generator) -> Mesh:
    """Files upright in a row."""
    b = MeshBuilder()
    each, count = rng.uniform(0.05, 0.08), int(rng.integers(2, 8))
    label = b.material(Material(mat.white_color(rng)))
    same = any_color(rng)
    for k in range(count):
        x = (k - (count - 1) / 2) * each
        color = same if rng.random() < 0.6 else any_color(rng)
        b.box((x, 0, 0.157), (each - 0.004, rng.uniform(0.26, 0.29), 0.315), b.material(color))
        b.box((x, -0.146, 0.2), (each * 0.6, 0.006, 0.12), label)
    return b.build().grounded()


def paper_stack(rng: np.random.Generator) -> Mesh:
    b = MeshBuilder()
    z = 0.0
    for _ in range(int(rng.integers(2, 6))):
        t = rng.uniform(0.006, 0.04)
        sheet = b.material(Material(mat.white_color(rng)) if rng.random() < 0.75 else any_color(rng))
        b.box((*rng.normal(0, 0.012, 2), z + t / 2), (0.21, 0.297, t), sheet, rng.normal(0, 0.12))
        z += t
    return b.build()


def cables(rng: np.random.Generator) -> Mesh:
    """A lead lying in loops, perhaps with a block of sockets."""
    b = MeshBuilder()
    wire = b.material(Material(pick(rng, (mat.black_color, mat.white_color, mat.grey_color))(rng)))
    t, turns = np.linspace(0, 1, 30), rng.uniform(1, 3)
    r = rng.uniform(0.08, 0.25) * (0.5 + 0.5 * t)
    angle = 2 * np.pi * turns * t + rng.uniform(0, 6)
    x, y = r * np.cos(angle) + rng.uniform(-0.2, 0.2) * t, r * np.sin(angle) * rng.uniform(0.4, 1.0)
    b.pipe(np.stack([x, y, 0 * t + 0.006], axis=-1), 0.011, wire)
    if rng.random() < 0.5:
        b.box((x[-1], y[-1], 0.02), (0.28, 0.06, 0.04), wire, rng.uniform(0, 3))
    return b.build().grounded()


def tower(rng: np.random.Generator) -> Mesh:
    """A computer's case."""
    b = MeshBuilder()
    w, d, h = rng.uniform(0.1, 0.21), rng.uniform(0.3, 0.46), rng.uniform(0.3, 0.46)
    case, dark = b.material(plastic(rng)), b.material(Material(mat.black_color(rng)))
    b.block((-w / 2, -d / 2, 0), (w / 2, d / 2, h), case)
    b.block((-w * 0.4, -d / 2 - 0.008, h * 0.6), (w * 0.4, -d / 2, h * 0.9), dark)
    return b.build()


def printer(rng: np.random.Generator) -> Mesh:
    """Paper sticks out behind and in front."""
    b = MeshBuilder()
    w, d, h = rng.uniform(0.36, 0.52), rng.uniform(0.3, 0.44), rng.uniform(0.15, 0.36)
    case, dark = b.material(plastic(rng)), b.material(Material(mat.grey_color(rng)))
    paper = b.material(Material(mat.white_color(rng)))
    b.block((-w / 2, -d / 2, 0), (w / 2, d / 2, h * 0.6), case)
    b.block((-w / 2, -d * 0.35, h * 0.6), (w / 2, d / 2, h), case)
    b.box((w * 0.2, -d * 0.4, h * 0.65), (w * 0.4, 0.09, 0.02), dark, tilt=0.5)
    b.block((-w * 0.36, -d / 2 - 0.01, h * 0.2), (w * 0.36, -d / 2, h * 0.45), dark)
    if rng.random() < 0.6:
        b.block((-0.11, -d / 2 - 0.12, h * 0.2), (0.11, -d / 2, h * 0.2 + 0.012), paper)
    if rng.random() < 0.4:
        b.box((0, d * 0.42, h + 0.05), (0.22, 0.012, 0.16), paper, tilt=-0.3)
    return b.build()


def speaker(rng: np.random.Generator) -> Mesh:
    b = MeshBuilder()
    w, h = rng.uniform(0.09, 0.2), rng.uniform(0.16, 0.36)
    case, cone = b.material(mat.wood(rng) if rng.random() < 0.3 else plastic(rng)), b.material(plastic(rng))
    b.block((-w / 2, -w / 2, 0), (w / 2, w / 2, h), case)
    angle = np.linspace(0, 2 * np.pi, 13)[:-1]
    for z, r in ((h * 0.35, 0.38 * w), (h * 0.75, 0.22 * w)):
        outline = np.stack([r * np.cos(angle), z + r * np.sin(angle)], axis=-1)
        b.prism(outline, -w / 2 - 0.006, -w / 2, cone, axis=1)
    return b.build()


def desk_fan(rng: np.random.Generator) -> Mesh:
    b = MeshBuilder()
    body, r = b.material(plastic(rng)), rng.uniform(0.1, 0.16)
    b.cylinder((0, 0, 0), 0.08, 0.025, body)
    b.bar((0, 0.03, 0.02), (0, 0.03, r + 0.12), 0.025, body)
    for y in (-0.03, 0.03):
        ring(b, (0, y, r + 0.12), r, 0.012, body, axis=1)
    b.box((0, 0, r + 0.12), (0.05, 0.1, 0.05), body)
    for angle in np.linspace(0, np.pi, 7)[:-1]:
        rim = np.array([np.cos(angle), 0, np.sin(angle)]) * r
        b.bar((0, -0.03, r + 0.12) - rim, (0, -0.03, r + 0.12) + rim, 0.01, body)
    return b.build()
