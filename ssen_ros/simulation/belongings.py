"""What people keep on desks, worktops and floors: kinds outside the 20 classes; fronts look to -y.

`clutter` holds the things of all rooms; these furnish those of `Recipe.VARIED`, some of them held out.
"""

import numpy as np

from ssen_ros.simulation import materials as mat
from ssen_ros.simulation.furniture.parts import four_legs, pick, splayed_legs
from ssen_ros.simulation.materials import Material
from ssen_ros.simulation.mesh import Mesh, MeshBuilder


def _plastic(rng: np.random.Generator) -> Material:
    return Material(
        pick(
            rng, (mat.black_color, mat.white_color, mat.grey_color, mat.bright_color), [0.4, 0.25, 0.2, 0.15]
        )(rng)
    )


def _any_color(rng: np.random.Generator) -> Material:
    return Material(pick(rng, (mat.bright_color, mat.muted_color, mat.white_color, mat.black_color))(rng))


def _ring(b: MeshBuilder, center, radius: float, thickness: float, material: int, axis: int = 0) -> None:
    """A hoop about an axis through `center`, m."""
    angle = np.linspace(0.0, 2.0 * np.pi, 17)
    u, v = radius * np.cos(angle), radius * np.sin(angle)
    b.pipe(np.insert(np.stack([u, v], axis=-1), axis, 0.0, axis=1) + np.asarray(center), thickness, material)


# --- on desks --------------------------------------------------------------------------------------


def desk_lamp(rng: np.random.Generator) -> Mesh:
    """A jointed arm on a foot."""
    b = MeshBuilder()
    body = b.material(_plastic(rng))
    h, reach = rng.uniform(0.32, 0.5), rng.uniform(0.12, 0.28)
    b.cylinder((0, 0, 0), rng.uniform(0.07, 0.1), 0.025, body)
    b.pipe([(0, 0, 0.02), (0, 0.08, h * 0.6), (0, -reach, h)], 0.02, body)
    b.loft([(0.5, 0.05), (1.0, -0.04), (0.0, -0.03)], (0, -reach, h), body, (0.07, 0.07), segments=12)
    return b.build().grounded()


def telephone(rng: np.random.Generator) -> Mesh:
    b = MeshBuilder()
    body, keys = b.material(_plastic(rng)), b.material(Material(mat.grey_color(rng)))
    b.box((0, 0, 0.03), (0.17, 0.19, 0.035), body, tilt=0.15)
    b.box((-0.055, 0, 0.06), (0.05, 0.2, 0.03), body, tilt=0.15)
    b.box((0.035, -0.02, 0.048), (0.08, 0.1, 0.012), keys, tilt=0.15)
    return b.build().grounded()


def headphones(rng: np.random.Generator) -> Mesh:
    b = MeshBuilder()
    body = b.material(_plastic(rng))
    angle = np.linspace(0, np.pi, 9)
    b.pipe(np.stack([0.085 * np.cos(angle), 0.085 * np.sin(angle), 0 * angle + 0.04], axis=-1), 0.02, body)
    for x in (-0.085, 0.085):
        b.cushion((x, -0.01, 0.04), (0.05, 0.09, 0.08), body)
    return b.build().grounded()


def pen_cup(rng: np.random.Generator) -> Mesh:
    b = MeshBuilder()
    b.cylinder((0, 0, 0), 0.04, 0.1, b.material(_any_color(rng)))
    for _ in range(int(rng.integers(2, 6))):
        tip = (*rng.normal(0, 0.03, 2), rng.uniform(0.15, 0.2))
        b.bar((*rng.normal(0, 0.01, 2), 0.05), tip, 0.009, b.material(_any_color(rng)))
    return b.build()


def letter_tray(rng: np.random.Generator) -> Mesh:
    """Trays one over the other, with paper."""
    b = MeshBuilder()
    body, paper = b.material(_plastic(rng)), b.material(Material(mat.white_color(rng)))
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
    same = _any_color(rng)
    for k in range(count):
        x = (k - (count - 1) / 2) * each
        color = same if rng.random() < 0.6 else _any_color(rng)
        b.box((x, 0, 0.157), (each - 0.004, rng.uniform(0.26, 0.29), 0.315), b.material(color))
        b.box((x, -0.146, 0.2), (each * 0.6, 0.006, 0.12), label)
    return b.build().grounded()


def paper_stack(rng: np.random.Generator) -> Mesh:
    b = MeshBuilder()
    z = 0.0
    for _ in range(int(rng.integers(2, 6))):
        t = rng.uniform(0.006, 0.04)
        sheet = b.material(Material(mat.white_color(rng)) if rng.random() < 0.75 else _any_color(rng))
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
    case, dark = b.material(_plastic(rng)), b.material(Material(mat.black_color(rng)))
    b.block((-w / 2, -d / 2, 0), (w / 2, d / 2, h), case)
    b.block((-w * 0.4, -d / 2 - 0.008, h * 0.6), (w * 0.4, -d / 2, h * 0.9), dark)
    return b.build()


def printer(rng: np.random.Generator) -> Mesh:
    """Paper sticks out behind and in front."""
    b = MeshBuilder()
    w, d, h = rng.uniform(0.36, 0.52), rng.uniform(0.3, 0.44), rng.uniform(0.15, 0.36)
    case, dark = b.material(_plastic(rng)), b.material(Material(mat.grey_color(rng)))
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
    case, cone = b.material(mat.wood(rng) if rng.random() < 0.3 else _plastic(rng)), b.material(_plastic(rng))
    b.block((-w / 2, -w / 2, 0), (w / 2, w / 2, h), case)
    angle = np.linspace(0, 2 * np.pi, 13)[:-1]
    for z, r in ((h * 0.35, 0.38 * w), (h * 0.75, 0.22 * w)):
        outline = np.stack([r * np.cos(angle), z + r * np.sin(angle)], axis=-1)
        b.prism(outline, -w / 2 - 0.006, -w / 2, cone, axis=1)
    return b.build()


def desk_fan(rng: np.random.Generator) -> Mesh:
    b = MeshBuilder()
    body, r = b.material(_plastic(rng)), rng.uniform(0.1, 0.16)
    b.cylinder((0, 0, 0), 0.08, 0.025, body)
    b.bar((0, 0.03, 0.02), (0, 0.03, r + 0.12), 0.025, body)
    for y in (-0.03, 0.03):
        _ring(b, (0, y, r + 0.12), r, 0.012, body, axis=1)
    b.box((0, 0, r + 0.12), (0.05, 0.1, 0.05), body)
    for angle in np.linspace(0, np.pi, 7)[:-1]:
        rim = np.array([np.cos(angle), 0, np.sin(angle)]) * r
        b.bar((0, -0.03, r + 0.12) - rim, (0, -0.03, r + 0.12) + rim, 0.01, body)
    return b.build()


# --- in kitchens -----------------------------------------------------------------------------------


def dish_rack(rng: np.random.Generator) -> Mesh:
    """Plates and bowls upright between wires."""
    b = MeshBuilder()
    w, d = rng.uniform(0.32, 0.48), rng.uniform(0.26, 0.36)
    wire = b.material(mat.metal(rng) if rng.random() < 0.6 else _plastic(rng))
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
            plate = b.material(Material(mat.white_color(rng)) if rng.random() < 0.6 else _any_color(rng))
            outline = np.stack([r * np.cos(angle), 0.02 + r + r * np.sin(angle)], axis=-1)
            b.prism(outline, x - 0.008, x + 0.008, plate, axis=0)
    return b.build()


def kettle(rng: np.random.Generator) -> Mesh:
    b = MeshBuilder()
    body = b.material(mat.metal(rng) if rng.random() < 0.5 else _plastic(rng))
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
    body = b.material(mat.metal(rng) if rng.random() < 0.5 else _any_color(rng))
    dark = b.material(Material(mat.black_color(rng)))
    b.cushion((0, 0, 0.1), (0.28, 0.18, 0.2), body, squareness=7)
    for y in (-0.035, 0.035):
        b.box((0, y, 0.198), (0.2, 0.025, 0.01), dark)
    b.box((0.145, 0, 0.12), (0.03, 0.04, 0.02), dark)
    return b.build().grounded()


def coffee_machine(rng: np.random.Generator) -> Mesh:
    b = MeshBuilder()
    w, d, h = rng.uniform(0.16, 0.3), rng.uniform(0.25, 0.38), rng.uniform(0.28, 0.4)
    body, dark = b.material(_plastic(rng)), b.material(Material(mat.black_color(rng)))
    b.block((-w / 2, 0.0, 0), (w / 2, d / 2, h), body)
    b.block((-w / 2, -d / 2, h * 0.72), (w / 2, 0.0, h), body)
    b.block((-w / 2, -d / 2, 0), (w / 2, 0.0, 0.03), dark)
    b.cylinder((0, -d / 4, 0.03), 0.055, h * 0.35, dark)
    return b.build()


def pot(rng: np.random.Generator) -> Mesh:
    """A pot or a pan, with a lid or without."""
    b = MeshBuilder()
    body = b.material(mat.metal(rng) if rng.random() < 0.6 else _any_color(rng))
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
    b.cylinder((0, 0, 0), 0.075, 0.015, b.material(_plastic(rng)))
    b.cylinder((0, 0, 0.012), rng.uniform(0.04, 0.065), 0.24, b.material(Material(mat.white_color(rng))))
    return b.build()


def jars(rng: np.random.Generator) -> Mesh:
    """Tins, jars and bottles in a row on a tray."""
    b = MeshBuilder()
    count = int(rng.integers(3, 7))
    b.block((-0.05 * count, -0.06, 0), (0.05 * count, 0.06, 0.012), b.material(mat.wood_or_paint(rng)))
    for k in range(count):
        r, h, color = rng.uniform(0.03, 0.047), rng.uniform(0.08, 0.28), b.material(_any_color(rng))
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
        b.material(_any_color(rng)),
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


# --- on floors -------------------------------------------------------------------------------------


def bicycle(rng: np.random.Generator) -> Mesh:
    """Along x, on its stand."""
    b = MeshBuilder()
    frame, black = b.material(mat.painted(rng)), b.material(Material(mat.black_color(rng)))
    r, reach = rng.uniform(0.28, 0.34), rng.uniform(0.48, 0.54)
    for x in (-reach, reach):
        _ring(b, (x, 0, r), r, 0.035, black, axis=1)
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
    shell, dark = b.material(_any_color(rng)), b.material(Material(mat.black_color(rng)))
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
        b.cushion((-w * 0.35, 0, h + 0.06), (0.26, 0.12, 0.13), b.material(_plastic(rng)), squareness=2.6)
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
    body, dark = b.material(_any_color(rng)), b.material(Material(mat.black_color(rng)))
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
        b.box((x, y, h * 0.45), (*rng.uniform(0.08, 0.3, 2) * (w, d), h * 0.85), b.material(_any_color(rng)))
    return b.build().grounded()


def _foliage(b: MeshBuilder, rng: np.random.Generator) -> int:
    return b.material(
        Material(mat.hsv(rng.uniform(0.2, 0.38), rng.uniform(0.3, 0.7), rng.uniform(0.15, 0.45)), "fabric")
    )


def _planter(b: MeshBuilder, rng: np.random.Generator, r: float, h: float) -> None:
    outer = b.material(pick(rng, (mat.painted, mat.ceramic, _any_color))(rng))
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
    b.loft([(0.7, h), (1, h + 0.16), (0, h + 0.15)], (0, 0, 0), b.material(_any_color(rng)), (0.13, 0.13))
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
    b.cylinder((0, 0, 0), 0.16, 0.05, b.material(_plastic(rng)))
    angle = np.linspace(0, np.pi * 0.85, 10)
    x, z = reach / 2 * (1 - np.cos(angle)), h - 0.3 + 0.3 * np.sin(angle)
    b.pipe([(0, 0, 0.04), *np.stack([x, 0 * angle, z], axis=-1)], 0.022, steel)
    b.loft(
        [(0.0, 0.03), (0.6, 0.0), (1.0, -0.15)], (x[-1], 0, z[-1]), b.material(_any_color(rng)), (0.16, 0.16)
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
    steel, h = b.material(_plastic(rng)), rng.uniform(1.5, 1.85)
    b.cylinder((0, 0, 0), rng.uniform(0.11, 0.15), 0.03, steel)
    b.cylinder((0, 0, 0), 0.015, h - 0.05, steel, 8)
    b.loft([(0.1, h - 0.1), (1.0, h), (0.0, h - 0.02)], (0, 0, 0), steel, (0.16, 0.16))
    if rng.random() < 0.5:
        b.pipe([(0, 0, h * 0.6), (0.12, -0.2, h * 0.72)], 0.02, steel)
        b.cushion((0.13, -0.22, h * 0.7), (0.1, 0.1, 0.1), steel, squareness=2.5)
    return b.build().grounded()


def standing_fan(rng: np.random.Generator) -> Mesh:
    b = MeshBuilder()
    body, h, r = b.material(_plastic(rng)), rng.uniform(0.9, 1.25), rng.uniform(0.18, 0.24)
    b.cylinder((0, 0, 0), 0.2, 0.03, body, 16)
    b.bar((0, 0.03, 0.02), (0, 0.03, h), 0.035, body)
    b.bar((0, -0.07, h), (0, 0.13, h), 0.08, body)
    for y in (-0.07, 0.05):
        _ring(b, (0, y, h), r, 0.012, body, axis=1)
        for angle in np.linspace(0, np.pi, 9)[:-1]:
            rim = np.array([np.cos(angle), 0, np.sin(angle)]) * r
            b.bar((0, y, h) - rim, (0, y, h) + rim, 0.008, body)
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
            _ring(b, (x, y, 0.14), 0.13, 0.03, dark, axis=0)
            b.bar((x, y - 0.12, 0.14), (x, y + 0.12, 0.14), 0.02, frame)
    for y, z in ((0.45, 1.0), (0.36, 0.14), (-0.38, 0.14), (-0.1, 0.5)):
        b.bar((-0.24, y, z), (0.24, y, z), 0.03, frame)
    return b.build().grounded()


def bottle_crates(rng: np.random.Generator) -> Mesh:
    """Drinks in crates one on the other."""
    b = MeshBuilder()
    color = b.material(_any_color(rng))
    for k in range(int(rng.integers(1, 4))):
        b.block((-0.2, -0.15, 0.3 * k), (0.2, 0.15, 0.3 * k + 0.24), color)
        for x in np.linspace(-0.15, 0.15, 4):
            for y in (-0.09, 0.0, 0.09):
                b.cylinder((x, y, 0.3 * k + 0.23), 0.03, 0.07, b.material(_any_color(rng)), 6)
    return b.build().grounded()


def broom(rng: np.random.Generator) -> Mesh:
    """A broom or a mop in a bucket."""
    b = MeshBuilder()
    r, h = rng.uniform(0.13, 0.17), rng.uniform(0.24, 0.3)
    b.loft(
        [(0.75, 0), (1, h), (0.94, h), (0.72, 0.02), (0, 0.02)],
        (0, 0, 0),
        b.material(_any_color(rng)),
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
    b.block((-0.85, -0.3, 0), (0.85, 0.3, 0.012), b.material(_any_color(rng)))
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
        b.material(_plastic(rng)),
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
                b.material(_any_color(rng)),
                (r, r),
                segments=8,
            )
    return b.build().grounded()


# --- that stands in the way ------------------------------------------------------------------------


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
