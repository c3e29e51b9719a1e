"""What people leave on floors: kinds outside the 20 classes; fronts look to -y."""

import numpy as np

from ssen_ros.simulation import materials as mat
from ssen_ros.simulation.furniture.parts import any_color, four_legs, pick, plastic, ring
from ssen_ros.simulation.materials import Material
from ssen_ros.simulation.mesh import Mesh, MeshBuilder


def bicycle(rng: np.random.Generator) -> Mesh:
    """Along x, on its stand."""
    b = MeshBuilder()
    frame, black = b.material(mat.painted(rng)), b.material(Material(mat.black_color(rng)))
    r, reach = rng.uniform(0.28, 0.34), rng.uniform(0.48, 0.54)
    for x in (-reach, reach):
        ring(b, (x, 0, r), r, 0.035, black, axis=1)
        for angle in np.linspace(0, np.pi, 7)[:-1]:
            rim = np.array([np.cos(angle), 0, np.sin(angle)]) * r
            b.bar((x, 0, r) - rim, (x, 0, r) + rim, 0.006, frame)
    crank, saddle, head = (-0.05, 0, r * 0.95), (-0.18, 0, r + 0.5), (reach - 0.17, 0, r + 0.48)
    for start, end in ((crank, saddle), (crank, head), (saddle, head), ((-reach, 0, r), crank),
                       ((-reach, 0, r), (-0.15, 0, r + 0.42)), ((reach, 0, r), head)):  # fmt: skip
        b.bar(start, end, 0.035, frame)
    b.cushion((-0.2, 0, r + 0.53), (0.26, 0.15, 0.07), black)
    b.bar((reach - 0.18, 0, r + 0.45), (reach - 0.2, 0, r + 0.62), 0.03, frame)
    b.bar((reach - 0.2, -0.28, r + 0.62), (reach - 0.2, 0.28, r + 0.62), 0.03, black)
    b.bar((-0.05, -0.12, r * 0.8), (-0.05, 0.12, r * 1.05), 0.03, black)
    b.bar((-0.1, 0, r), (-0.16, 0.12, 0), 0.02, frame)
    if rng.random() < 0.3:
        b.block((reach - 0.08, -0.16, r + 0.35), (reach + 0.2, 0.16, r + 0.58), b.material(mat.wood(rng)))
    return b.build().grounded()


def suitcase(rng: np.random.Generator) -> Mesh:
    b = MeshBuilder()
    w, d, h = rng.uniform(0.35, 0.5), rng.uniform(0.2, 0.3), rng.uniform(0.5, 0.75)
    shell, dark = b.material(any_color(rng)), b.material(Material(mat.black_color(rng)))
    b.cushion((0, 0, h / 2 + 0.04), (w, d, h), shell, squareness=8)
    for x in (-1, 1):
        for y in (-1, 1):
            b.box((x * w * 0.38, y * d * 0.3, 0.035), (0.05, 0.05, 0.07), dark)
    if rng.random() < 0.6:
        top = h + rng.uniform(0.08, 0.42)
        b.pipe([(-0.1, 0, h), (-0.1, 0, top), (0.1, 0, top), (0.1, 0, h)], 0.02, dark)
    return b.build().grounded()


def backpack(rng: np.random.Generator) -> Mesh:
    b = MeshBuilder()
    cloth, second = b.material(mat.fabric(rng)), b.material(mat.fabric(rng))
    w, d, h = rng.uniform(0.28, 0.36), rng.uniform(0.15, 0.24), rng.uniform(0.4, 0.52)
    b.cushion((0, 0, h / 2), (w, d, h), cloth, squareness=3.5)
    b.cushion((0, -d / 2, h * 0.3), (w * 0.75, 0.12, h * 0.45), second, squareness=4)
    for x in (-0.09, 0.09):
        b.pipe(
            [(x, d * 0.4, h * 0.9), (x * 1.2, d / 2 + 0.06, h * 0.6), (x, d * 0.4, h * 0.15)], 0.035, second
        )
    return b.build().grounded()


def ironing_board(rng: np.random.Generator) -> Mesh:
    b = MeshBuilder()
    cover, leg = b.material(mat.fabric(rng)), b.material(mat.metal(rng))
    w, h = rng.uniform(1.1, 1.35), rng.uniform(0.75, 0.95)
    t = np.linspace(-1, 1, 11)
    half = 0.18 * np.sqrt(np.clip(1.02 - np.clip(t, 0, 1) ** 2, 0.05, 1))
    b.prism([*zip(t * w / 2, -half), *zip(t[::-1] * w / 2, half[::-1])], h - 0.04, h, cover)
    for y in (-0.12, 0.12):
        b.bar((-w * 0.33, y, 0), (w * 0.25, y * 0.7, h - 0.03), 0.025, leg)
        b.bar((w * 0.33, y, 0), (-w * 0.25, y * 0.7, h - 0.03), 0.025, leg)
    for x in (-w * 0.33, w * 0.33):
        b.bar((x, -0.19, 0.012), (x, 0.19, 0.012), 0.025, leg)
    if rng.random() < 0.6:
        b.cushion((-w * 0.35, 0, h + 0.06), (0.26, 0.12, 0.13), b.material(plastic(rng)), squareness=2.6)
    return b.build().grounded()


def laundry_rack(rng: np.random.Generator) -> Mesh:
    """Wings of wire on crossed legs, hung with clothes."""
    b = MeshBuilder()
    wire, h, d = b.material(mat.metal(rng)), rng.uniform(0.85, 1.05), rng.uniform(0.3, 0.42)
    w = rng.uniform(0.5, 0.6)
    for x in (-w / 2, w / 2):
        b.bar((x, -d, 0), (x, d * 0.8, h), 0.02, wire)
        b.bar((x, d, 0), (x, -d * 0.8, h), 0.02, wire)
        b.bar((x, -d * 1.6, h), (x, d * 1.6, h), 0.02, wire)
    for y in np.linspace(-d * 1.6, d * 1.6, 11):
        b.bar((-w / 2, y, h), (w / 2, y, h), 0.015, wire)
        if rng.random() < 0.65:
            length, half = rng.uniform(0.2, 0.7), rng.uniform(0.08, w / 2)
            x = rng.uniform(-w / 2 + half, w / 2 - half + 1e-6)
            b.box(
                (x, y, h - length / 2),
                (2 * half, rng.uniform(0.015, 0.04), length),
                b.material(mat.fabric(rng)),
            )
    return b.build().grounded()


def vacuum_cleaner(rng: np.random.Generator) -> Mesh:
    """A body on wheels, a hose, a pipe leaning up."""
    b = MeshBuilder()
    body, dark = b.material(any_color(rng)), b.material(Material(mat.black_color(rng)))
    b.cushion((0, 0.12, 0.14), (0.28, 0.4, 0.24), body, squareness=3)
    for x in (-0.14, 0.14):
        b.cushion((x, 0.2, 0.1), (0.05, 0.2, 0.2), dark, squareness=2.5)
    top = rng.uniform(0.7, 0.95)
    b.pipe(
        [(0, -0.05, 0.2), (0.15, -0.2, 0.4), (0.25, -0.12, top), (0.2, -0.3, top), (0.2, -0.45, 0.04)],
        0.04,
        dark,
    )
    b.block((0.05, -0.52, 0), (0.35, -0.4, 0.05), dark)
    return b.build().grounded()


def toys(rng: np.random.Generator) -> Mesh:
    """Blocks and a ball upon a play mat."""
    b = MeshBuilder()
    w = rng.uniform(0.4, 0.8)
    b.block((-w / 2, -w * 0.4, 0), (w / 2, w * 0.4, 0.012), b.material(mat.fabric(rng)))
    for _ in range(int(rng.integers(4, 12))):
        size, at = rng.uniform(0.04, 0.14, 3), rng.uniform(-0.35, 0.35, 2) * (w, 0.8 * w)
        color = b.material(Material(mat.bright_color(rng)))
        if rng.random() < 0.3:
            b.cushion((*at, size[0] / 2), (size[0],) * 3, color, squareness=2)
        else:
            b.box((*at, size[2] / 2 + 0.005), size, color, rng.uniform(0, 3))
    return b.build().grounded()


def teddy(rng: np.random.Generator) -> Mesh:
    """A soft toy that sits."""
    b = MeshBuilder()
    fur, k = b.material(mat.fabric(rng)), rng.uniform(0.6, 1.6)
    b.cushion((0, 0, 0.12 * k), (0.2 * k, 0.17 * k, 0.24 * k), fur, squareness=2.2)
    b.cushion((0, -0.01, 0.29 * k), (0.17 * k, 0.16 * k, 0.16 * k), fur, squareness=2.1)
    for x in (-1, 1):
        b.cushion((x * 0.08 * k, 0, 0.37 * k), (0.06 * k, 0.04 * k, 0.06 * k), fur, squareness=2)
        b.cushion((x * 0.08 * k, -0.13 * k, 0.045 * k), (0.08 * k, 0.2 * k, 0.09 * k), fur, squareness=2.2)
        b.cushion((x * 0.12 * k, -0.05 * k, 0.17 * k), (0.07 * k, 0.15 * k, 0.08 * k), fur, squareness=2.2)
    return b.build().grounded()


def carton_stack(rng: np.random.Generator) -> Mesh:
    """Boxes on boxes, some open, with tape."""
    b = MeshBuilder()
    z, w, d = 0.0, rng.uniform(0.35, 0.6), rng.uniform(0.3, 0.45)
    for _ in range(int(rng.integers(2, 6))):
        h = rng.uniform(0.16, 0.4)
        card = b.material(
            Material(mat.hsv(rng.uniform(0.06, 0.1), rng.uniform(0.25, 0.5), rng.uniform(0.4, 0.75)))
        )
        tape = b.material(Material(pick(rng, (mat.white_color, mat.muted_color))(rng)))
        yaw, at = rng.normal(0, 0.08), rng.normal(0, 0.02, 2)
        b.box((*at, z + h / 2), (w, d, h), card, yaw)
        b.box((*at, z + h / 2), (w + 0.004, 0.06, h + 0.004), tape, yaw)
        z += h
        w, d = w * rng.uniform(0.75, 1.0), d * rng.uniform(0.8, 1.0)
    return b.build().grounded()


def open_carton(rng: np.random.Generator) -> Mesh:
    """Flaps apart, filled or empty."""
    b = MeshBuilder()
    w, d, h = rng.uniform(0.3, 0.6), rng.uniform(0.25, 0.45), rng.uniform(0.2, 0.42)
    card = b.material(Material(mat.hsv(0.08, rng.uniform(0.25, 0.5), rng.uniform(0.45, 0.75))))
    for x in (-w / 2, w / 2):
        b.block((x - 0.006, -d / 2, 0), (x + 0.006, d / 2, h), card)
        b.bar((x, 0, h), (x + np.sign(x) * 0.14, 0, h - 0.04), 0.02, card)
    for y in (-1, 1):
        b.block((-w / 2, y * d / 2 - 0.006, 0), (w / 2, y * d / 2 + 0.006, h), card)
        b.box((0, y * (d / 2 + 0.08), h - 0.03), (w, 0.18, 0.01), card, tilt=-y * 0.35)
    b.block((-w / 2, -d / 2, 0), (w / 2, d / 2, 0.012), card)
    for _ in range(int(rng.integers(0, 5))):
        x, y = rng.uniform(-0.3, 0.3, 2) * (w, d)
        b.box((x, y, h * 0.45), (*rng.uniform(0.08, 0.3, 2) * (w, d), h * 0.85), b.material(any_color(rng)))
    return b.build().grounded()


def coat_stand(rng: np.random.Generator) -> Mesh:
    """A pole with arms all round, coats and bags on them."""
    b = MeshBuilder()
    pole, h = b.material(mat.wood_or_paint(rng, axis=2)), rng.uniform(1.6, 1.9)
    b.cylinder((0, 0, 0), 0.2, 0.03, pole, 16)
    b.bar((0, 0, 0.02), (0, 0, h), 0.045, pole)
    for k in range(6):
        c, s, z = np.cos(k * 1.05), np.sin(k * 1.05), h - 0.12 * (k % 2)
        b.bar((0, 0, z - 0.08), (0.16 * c, 0.16 * s, z), 0.02, pole)
        if rng.random() < 0.5:
            length = rng.uniform(0.35, 1.0)
            b.cushion(
                (0.15 * c, 0.15 * s, z - length / 2),
                (0.26, 0.22, length),
                b.material(mat.fabric(rng)),
                squareness=3,
            )
    return b.build().grounded()


def stepladder(rng: np.random.Generator) -> Mesh:
    b = MeshBuilder()
    metal, steps = b.material(mat.metal(rng)), int(rng.integers(2, 6))
    h = 0.26 * (steps + 0.3)
    for x in (-0.2, 0.2):
        b.bar((x, -0.3 * h, 0), (x * 0.8, 0, h), 0.035, metal)
        b.bar((x, 0.28 * h, 0), (x * 0.8, 0.03, h), 0.03, metal)
    for k in range(1, steps + 1):
        y = -0.3 * h * (1 - 0.26 * k / h)
        b.box((0, y, 0.26 * k), (0.36, 0.09, 0.03), metal)
    b.bar((-0.2, 0.14 * h, h * 0.5), (0.2, 0.14 * h, h * 0.5), 0.025, metal)
    b.box((0, 0.01, h), (0.34, 0.12, 0.03), metal)
    return b.build().grounded()


def guitar(rng: np.random.Generator) -> Mesh:
    """On its stand."""
    b = MeshBuilder()
    body, dark = b.material(mat.wood(rng, axis=2)), b.material(Material(mat.black_color(rng)))
    angle = np.linspace(0, 2 * np.pi, 25)[:-1]
    r = 0.17 + 0.035 * np.cos(2 * angle)
    b.prism(
        np.stack([0.9 * r * np.cos(angle), 0.32 + 1.35 * r * np.sin(angle)], axis=-1),
        -0.045,
        0.045,
        body,
        axis=1,
    )
    b.box((0, -0.03, 0.76), (0.055, 0.03, 0.5), dark)
    b.box((0, -0.02, 1.05), (0.08, 0.025, 0.16), body)
    b.bar((0, 0.0, 0.6), (0, 0.25, 0), 0.025, dark)
    for x in (-0.14, 0.14):
        b.bar((0, 0.05, 0.4), (x, -0.12, 0), 0.025, dark)
    b.bar((-0.1, -0.05, 0.12), (0.1, -0.05, 0.12), 0.03, dark)
    return b.build().grounded()


def pram(rng: np.random.Generator) -> Mesh:
    b = MeshBuilder()
    cloth, frame = b.material(mat.fabric(rng)), b.material(mat.metal(rng))
    dark = b.material(Material(mat.black_color(rng)))
    b.cushion((0, 0, 0.62), (0.42, 0.8, 0.28), cloth, squareness=4)
    b.cushion((0, 0.22, 0.82), (0.44, 0.4, 0.32), cloth, squareness=2.4)
    for x in (-0.24, 0.24):
        b.bar((x, -0.38, 0.14), (x, 0.45, 1.0), 0.03, frame)
        b.bar((x, 0.36, 0.14), (x, -0.2, 0.6), 0.03, frame)
        for y in (-0.38, 0.36):
            ring(b, (x, y, 0.14), 0.13, 0.03, dark, axis=0)
            b.bar((x, y - 0.12, 0.14), (x, y + 0.12, 0.14), 0.02, frame)
    for y, z in ((0.45, 1.0), (0.36, 0.14), (-0.38, 0.14), (-0.1, 0.5)):
        b.bar((-0.24, y, z), (0.24, y, z), 0.03, frame)
    return b.build().grounded()


def bottle_crates(rng: np.random.Generator) -> Mesh:
    """Drinks in crates one on the other."""
    b = MeshBuilder()
    color = b.material(any_color(rng))
    for k in range(int(rng.integers(1, 4))):
        b.block((-0.2, -0.15, 0.3 * k), (0.2, 0.15, 0.3 * k + 0.24), color)
        for x in np.linspace(-0.15, 0.15, 4):
            for y in (-0.09, 0.0, 0.09):
                b.cylinder((x, y, 0.3 * k + 0.23), 0.03, 0.07, b.material(any_color(rng)), 6)
    return b.build().grounded()


def broom(rng: np.random.Generator) -> Mesh:
    """A broom or a mop in a bucket."""
    b = MeshBuilder()
    r, h = rng.uniform(0.13, 0.17), rng.uniform(0.24, 0.3)
    b.loft(
        [(0.75, 0), (1, h), (0.94, h), (0.72, 0.02), (0, 0.02)],
        (0, 0, 0),
        b.material(any_color(rng)),
        (r, r),
    )
    b.bar((0.02, 0, 0.02), (0.1, 0.02, rng.uniform(1.1, 1.4)), 0.028, b.material(mat.wood_or_paint(rng)))
    b.cushion((0.02, 0, 0.13), (0.16, 0.16, 0.22), b.material(mat.fabric(rng)), squareness=2.4)
    return b.build().grounded()


def cat_tree(rng: np.random.Generator) -> Mesh:
    b = MeshBuilder()
    cover, post = b.material(mat.fabric(rng)), b.material(mat.wood(rng))
    b.block((-0.25, -0.25, 0), (0.25, 0.25, 0.06), cover)
    z = 0.05
    for k in range(int(rng.integers(2, 4))):
        x, h = 0.1 * (-1) ** k, rng.uniform(0.35, 0.55)
        b.cylinder((x, 0, z), 0.05, h, post, 10)
        z += h
        b.block((-0.22, -0.18, z - 0.01), (0.22, 0.18, z + 0.04), cover)
    b.cushion((0.05, 0, z + 0.12), (0.34, 0.32, 0.22), cover, squareness=4)
    return b.build().grounded()


def pet_bed(rng: np.random.Generator) -> Mesh:
    b = MeshBuilder()
    cloth, w = b.material(mat.fabric(rng)), rng.uniform(0.45, 0.8)
    b.loft(
        [(0.0, 0.05), (0.7, 0.06), (0.8, 0.16), (0.95, 0.18), (1.0, 0.05), (0.95, 0.0)],
        (0, 0, 0), cloth, (w / 2, w * 0.4), squareness=3,
    )  # fmt: skip
    return b.build().grounded()


def dumbbells(rng: np.random.Generator) -> Mesh:
    """Weights on a rolled-out mat."""
    b = MeshBuilder()
    b.block((-0.85, -0.3, 0), (0.85, 0.3, 0.012), b.material(any_color(rng)))
    iron = b.material(Material(mat.grey_color(rng)))
    for x in (-0.5, -0.25)[: int(rng.integers(1, 3))]:
        b.bar((x, -0.15, 0.07), (x, 0.15, 0.07), 0.03, iron)
        for y in (-0.13, 0.13):
            b.cushion((x, y, 0.07), (0.13, 0.07, 0.13), iron, squareness=3)
    return b.build().grounded()


def trash_bags(rng: np.random.Generator) -> Mesh:
    b = MeshBuilder()
    for k in range(int(rng.integers(1, 4))):
        color = b.material(Material(pick(rng, (mat.black_color, mat.grey_color, mat.white_color))(rng)))
        w, h = rng.uniform(0.3, 0.45), rng.uniform(0.3, 0.5)
        b.loft(
            [(0.0, 0), (0.8, 0.01), (1.0, h * 0.35), (0.7, h * 0.75), (0.12, h * 0.88), (0.3, h)],
            (0.22 * k, rng.normal(0, 0.05), 0), color, (w / 2, w * 0.45), squareness=2.3,
        )  # fmt: skip
    return b.build().grounded()


def trolley(rng: np.random.Generator) -> Mesh:
    """Three trays on castors, full of things."""
    b = MeshBuilder()
    frame, w, d, h = (
        b.material(plastic(rng)),
        rng.uniform(0.35, 0.5),
        rng.uniform(0.28, 0.36),
        rng.uniform(0.7, 0.85),
    )
    four_legs(b, w, d, h, 0.025, frame)
    for z in (0.12, h / 2, h - 0.06):
        b.block((-w / 2, -d / 2, z - 0.012), (w / 2, d / 2, z), frame)
        for y in (-d / 2, d / 2):
            b.box((0, y, z + 0.03), (w, 0.01, 0.08), frame)
        for _ in range(int(rng.integers(1, 5))):
            x, y, r, top = (
                *rng.uniform(-0.32, 0.32, 2) * (w, d),
                rng.uniform(0.03, 0.06),
                rng.uniform(0.08, 0.22),
            )
            b.loft(
                [(0, 0), (1, 0), (1, top), (0, top)],
                (x, y, z - 0.005),
                b.material(any_color(rng)),
                (r, r),
                segments=8,
            )
    return b.build().grounded()
