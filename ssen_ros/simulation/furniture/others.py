"""Furniture that fits none of the nineteen other classes; fronts look to -y."""

import numpy as np

from ssen_ros.simulation import materials as mat
from ssen_ros.simulation.furniture.parts import four_legs, pick
from ssen_ros.simulation.furniture.tables import four_legged
from ssen_ros.simulation.materials import Material
from ssen_ros.simulation.mesh import Mesh, MeshBuilder


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
        squareness=pick(rng, (3, 8)),
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
        Material(pick(rng, (mat.white_color, mat.metal_color, mat.black_color))(rng), dropout=0.05)
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
    b.bar((0, -0.1, h), (0, 0.1, h), 0.06, body)
    ring = np.linspace(0, 2 * np.pi, 21)
    for y in (-0.06, 0.06):
        rim = np.stack([0.2 * np.cos(ring), 0 * ring + y, h + 0.2 * np.sin(ring)], axis=-1)
        b.grid(np.stack([rim, np.broadcast_to((0.0, 1.6 * y, h), rim.shape)]), body)
    return b.build()


def piano(rng: np.random.Generator) -> Mesh:
    b = MeshBuilder()
    body = b.material(Material(pick(rng, (mat.black_color, mat.wood_color, mat.white_color))(rng)))
    keys = b.material(Material((0.9, 0.9, 0.86)))
    w, d, h = rng.uniform(1.3, 1.5), 0.6, rng.uniform(1.0, 1.25)
    b.block((-w / 2, 0.0, 0), (w / 2, d / 2, h), body)
    b.block((-w / 2, -d / 2, 0.58), (w / 2, 0.0, 0.7), body)
    b.block((-w / 2 + 0.06, -d / 2 + 0.04, 0.7), (w / 2 - 0.06, -d / 2 + 0.19, 0.72), keys)
    for x in (-1, 1):
        b.box((x * (w / 2 - 0.04), -d / 2 + 0.05, 0.29), (0.06, 0.06, 0.58), body)
    return b.build()


def bench(rng: np.random.Generator) -> Mesh:
    return four_legged(rng, rng.uniform(0.9, 1.4), rng.uniform(0.3, 0.4), rng.uniform(0.4, 0.47))


def shoe_rack(rng: np.random.Generator) -> Mesh:
    """Boards of slats with pairs of shoes."""
    w, d, h = rng.uniform(0.6, 1.0), rng.uniform(0.28, 0.34), rng.uniform(0.4, 0.9)
    b = MeshBuilder()
    frame = b.material(mat.wood_or_paint(rng))
    four_legs(b, w, d, h, 0.03, frame)
    for z in np.arange(0.1, h + 0.01, 0.24):
        b.box((0, 0, z), (w, d, 0.018), frame)
        for x in np.arange(-w / 2 + 0.08, w / 2 - 0.08, 0.13):
            if rng.random() < 0.7:
                b.cushion(
                    (x, -0.02, z + 0.05), (0.09, 0.25, 0.09), b.material(mat.leather(rng)), squareness=2.6
                )
    return b.build()


def drying_rack(rng: np.random.Generator) -> Mesh:
    """Crossed legs, two wings, laundry."""
    w, h = rng.uniform(0.9, 1.3), rng.uniform(0.85, 1.05)
    b = MeshBuilder()
    wire = b.material(mat.metal(rng))
    for x in (-w / 2, w / 2):
        b.bar((x, -0.3, 0), (x, 0.28, h), 0.025, wire)
        b.bar((x, 0.3, 0), (x, -0.28, h), 0.025, wire)
    for y in np.linspace(-0.28, 0.28, 9):
        b.bar((-w / 2, y, h), (w / 2, y, h), 0.018, wire)
        if rng.random() < 0.6:
            length, half = rng.uniform(0.25, 0.6), rng.uniform(0.12, 0.25)
            x = rng.uniform(-w / 2 + half, w / 2 - half)
            b.box((x, y, h - length / 2), (2 * half, 0.025, length), b.material(mat.fabric(rng)))
    for x in (-w / 2, w / 2):
        b.bar((x, -0.29, h), (x, 0.29, h), 0.025, wire)
    return b.build().grounded()


def exercise_bike(rng: np.random.Generator) -> Mesh:
    b = MeshBuilder()
    frame, dark = b.material(mat.painted(rng)), b.material(Material(mat.black_color(rng)))
    for y in (-0.42, 0.42):
        b.box((0, y, 0.03), (0.5, 0.07, 0.06), dark)
    b.bar((0, -0.42, 0.05), (0, 0.42, 0.05), 0.07, frame)
    b.pipe([(0, 0.3, 0.06), (0, 0.22, 0.75)], 0.06, frame)
    b.cushion((0, 0.2, 0.8), (0.24, 0.28, 0.1), dark)
    b.pipe([(0, -0.3, 0.06), (0, -0.36, 1.1)], 0.06, frame)
    b.bar((-0.24, -0.32, 1.12), (0.24, -0.32, 1.12), 0.035, dark)
    ring = np.linspace(0, 2 * np.pi, 21)
    for x in (-0.05, 0.05):
        rim = np.stack([0 * ring + x, -0.15 + 0.22 * np.cos(ring), 0.3 + 0.22 * np.sin(ring)], axis=-1)
        b.grid(np.stack([rim, np.broadcast_to((x, -0.15, 0.3), rim.shape)]), dark)
    b.bar((-0.18, -0.15, 0.3), (0.18, -0.15, 0.3), 0.04, dark)
    b.bar((0, -0.15, 0.3), (0, 0.2, 0.45), 0.05, frame)
    return b.build().grounded()


def folding_screen(rng: np.random.Generator) -> Mesh:
    """Panels in a zigzag."""
    count, each, h = int(rng.integers(3, 5)), rng.uniform(0.38, 0.5), rng.uniform(1.5, 1.8)
    b = MeshBuilder()
    frame, cloth = b.material(mat.wood_or_paint(rng)), b.material(mat.fabric(rng))
    fold = rng.uniform(0.25, 0.6)
    corners = [np.array([0.0, 0.0])]
    for k in range(count):
        corners.append(corners[-1] + each * np.array([np.cos(fold), np.sin(fold) * (-1) ** k]))
    for start, end in zip(corners, corners[1:]):
        across = np.array([start[1] - end[1], end[0] - start[0]]) / each * 0.012
        b.prism([start - across, end - across, end + across, start + across], 0.08, h - 0.03, cloth)
    for corner in corners:
        b.box((*corner, h / 2), (0.035, 0.035, h), frame)
    return b.build().grounded()


def copier(rng: np.random.Generator) -> Mesh:
    """A printer on its own cabinet, paper tray at the side."""
    w, d, h = rng.uniform(0.55, 0.7), rng.uniform(0.55, 0.68), rng.uniform(0.9, 1.15)
    b = MeshBuilder()
    body, dark = b.material(Material(mat.white_color(rng))), b.material(Material(mat.grey_color(rng)))
    b.block((-w / 2, -d / 2, 0.03), (w / 2, d / 2, h * 0.72), body)
    b.block((-w / 2, 0.0, h * 0.72), (w / 2, d / 2, h * 0.82), dark)
    b.block((-w / 2, -d / 2, h * 0.82), (w / 2, d / 2, h), body)
    b.block((-w / 2, -d / 2, h * 0.7), (-w / 2 + 0.05, d / 2, h * 0.84), body)
    for z in np.arange(0.1, h * 0.6, 0.15):
        b.block((-w / 2 + 0.03, -d / 2 - 0.012, z), (w / 2 - 0.03, -d / 2, z + 0.13), dark)
    b.block((w / 2 - 0.01, -d / 4, h * 0.55), (w / 2 + 0.25, d / 4, h * 0.57), dark)
    b.box((w * 0.25, -d / 2 - 0.05, h - 0.02), (0.25, 0.14, 0.04), dark)
    return b.build().grounded()


def dishwasher(rng: np.random.Generator) -> Mesh:
    w, d, h = 0.6, rng.uniform(0.55, 0.62), rng.uniform(0.82, 0.88)
    b = MeshBuilder()
    body, dark = b.material(mat.appliance(rng)), b.material(Material(mat.black_color(rng)))
    b.block((-w / 2, -d / 2 + 0.02, 0.08), (w / 2, d / 2, h), body)
    b.block((-w / 2 + 0.03, -d / 2 + 0.08, 0.0), (w / 2 - 0.03, d / 2, 0.09), dark)
    b.block((-w / 2 + 0.005, -d / 2, 0.12), (w / 2 - 0.005, -d / 2 + 0.025, h - 0.13), body)
    b.block((-w / 2 + 0.005, -d / 2, h - 0.12), (w / 2 - 0.005, -d / 2 + 0.025, h - 0.005), dark)
    b.block(
        (-w * 0.35, -d / 2 - 0.04, h - 0.17), (w * 0.35, -d / 2 + 0.01, h - 0.145), b.material(mat.metal(rng))
    )
    return b.build()


def lectern(rng: np.random.Generator) -> Mesh:
    w, d, h = rng.uniform(0.45, 0.65), rng.uniform(0.4, 0.5), rng.uniform(1.0, 1.15)
    b = MeshBuilder()
    body = b.material(mat.wood_or_paint(rng, 0.8, axis=2))
    b.block((-w / 2 + 0.03, -d / 2 + 0.05, 0), (w / 2 - 0.03, d / 2 - 0.05, h - 0.05), body)
    b.box((0, 0, h), (w, d, 0.03), body, tilt=-0.25)
    b.box((0, -d / 2 + 0.02, h - 0.02), (w, 0.03, 0.05), body)
    return b.build().grounded()


def water_dispenser(rng: np.random.Generator) -> Mesh:
    b = MeshBuilder()
    body, bottle = (
        b.material(Material(mat.white_color(rng))),
        b.material(Material((0.45, 0.6, 0.75), dropout=0.35)),
    )
    h = rng.uniform(0.9, 1.05)
    b.block((-0.16, -0.16, 0), (0.16, 0.16, h), body)
    b.block((-0.12, -0.2, h * 0.62), (0.12, -0.15, h * 0.66), body)
    b.loft(
        [(0.4, h - 0.02), (0.45, h + 0.05), (1.0, h + 0.12), (1.0, h + 0.4), (0.0, h + 0.41)],
        (0, 0, 0),
        bottle,
        (0.14, 0.14),
    )
    return b.build().grounded()


def storage_chest(rng: np.random.Generator) -> Mesh:
    """A trunk, its lid shut or ajar."""
    w, d, h = rng.uniform(0.7, 1.2), rng.uniform(0.4, 0.55), rng.uniform(0.38, 0.52)
    b = MeshBuilder()
    body, iron = b.material(mat.wood_or_paint(rng, 0.7)), b.material(mat.metal(rng))
    b.block((-w / 2, -d / 2, 0), (w / 2, d / 2, h - 0.06), body)
    b.block((-w / 2 - 0.01, -d / 2 - 0.01, h - 0.06), (w / 2 + 0.01, d / 2 + 0.01, h), body)
    for x in (-w * 0.3, w * 0.3):
        b.box((x, -d / 2 - 0.008, h / 2), (0.05, 0.02, h), iron)
    return b.build()


def tall_oven(rng: np.random.Generator) -> Mesh:
    """Built in at eye level over a drawer."""
    w, d, h = 0.6, 0.6, rng.uniform(1.4, 2.1)
    b = MeshBuilder()
    body, dark = b.material(mat.appliance(rng)), b.material(Material(mat.black_color(rng), dropout=0.15))
    b.block((-w / 2, -d / 2 + 0.02, 0), (w / 2, d / 2, h), body)
    b.block((-w / 2 + 0.02, -d / 2, 0.75), (w / 2 - 0.02, -d / 2 + 0.02, 1.3), dark)
    b.box((0, -d / 2 - 0.03, 1.24), (w * 0.8, 0.03, 0.03), body)
    for x in (-w * 0.35, w * 0.35):
        b.box((x, -d / 2 - 0.012, 1.24), (0.03, 0.03, 0.03), body)
    b.block((-w / 2 + 0.01, -d / 2, 0.1), (w / 2 - 0.01, -d / 2 + 0.02, 0.7), body)
    return b.build()


def laundry_hamper(rng: np.random.Generator) -> Mesh:
    """A tall box of wicker or cloth with a lid."""
    w, d, h = rng.uniform(0.38, 0.5), rng.uniform(0.3, 0.42), rng.uniform(0.5, 0.65)
    b = MeshBuilder()
    weave = b.material(mat.fabric(rng) if rng.random() < 0.6 else mat.wood(rng))
    b.loft([(0.0, 0.0), (0.9, 0.0), (1.0, h)], (0, 0, 0), weave, (w / 2, d / 2), pick(rng, (2.5, 12)), 20)
    b.loft([(1.03, h - 0.05), (1.03, h), (0.0, h + 0.02)], (0, 0, 0), weave, (w / 2, d / 2), 12, 20)
    return b.build().grounded()
