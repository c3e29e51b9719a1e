"""What is fixed to walls and ceilings, or divides rooms, and belongs to none of the 20 classes.

For things on walls y = 0 is the wall's surface and the room is towards -y; what hangs from a ceiling has its
top at z = 0.
"""

import numpy as np

from ssen_ros.simulation import materials as mat
from ssen_ros.simulation.furniture.parts import pick
from ssen_ros.simulation.materials import Material
from ssen_ros.simulation.mesh import Mesh, MeshBuilder

# --- on walls --------------------------------------------------------------------------------------


def board(rng: np.random.Generator, w: float, h: float) -> Mesh:
    """A whiteboard, blackboard or notice board, perhaps with writing or papers on it."""
    b = MeshBuilder()
    kind = pick(rng, ("white", "black", "cork", "felt"), [0.55, 0.15, 0.15, 0.15])
    cork = mat.hsv(rng.uniform(0.06, 0.1), rng.uniform(0.3, 0.6), rng.uniform(0.4, 0.75))
    face = {
        "white": Material(mat.white_color(rng), dropout=rng.uniform(0.0, 0.3)),
        "black": Material(mat.hsv(rng.uniform(0.3, 0.65), rng.uniform(0.0, 0.4), rng.uniform(0.1, 0.3))),
        "cork": Material(cork, "speckle", second=mat.wood_color(rng)),
        "felt": Material(mat.muted_color(rng), "fabric"),
    }[kind]
    frame, thick, border = b.material(mat.metal(rng)), rng.uniform(0.008, 0.035), rng.uniform(0.008, 0.04)
    b.block((-w / 2, -thick, 0), (w / 2, 0, h), frame)
    b.block((-w / 2 + border, -thick - 0.004, border), (w / 2 - border, -thick, h - border), b.material(face))
    for _ in range(int(rng.integers(0, 12)) if rng.random() < 0.6 else 0):
        ink = kind in ("white", "black")
        u, v = rng.uniform(0.03, 0.4), rng.uniform(0.02, 0.06) if ink else rng.uniform(0.15, 0.35)
        x, z = rng.uniform(-w / 2 + 0.05, w / 2 - 0.05 - u), rng.uniform(0.05, max(h - 0.05 - v, 0.06))
        color = mat.bright_color(rng) if rng.random() < 0.4 else mat.white_color(rng)
        b.block((x, -thick - 0.007, z), (x + u, -thick, z + v), b.material(Material(color)))
    if kind in ("white", "black") and rng.random() < 0.7:
        b.block((-w * 0.35, -0.08, 0.0), (w * 0.35, 0, 0.015), frame)
    return b.build()


def wall_screen(rng: np.random.Generator) -> Mesh:
    """A television or display, close to the wall or on an arm; off, or showing something."""
    b = MeshBuilder()
    w, out = rng.uniform(0.7, 1.9), rng.uniform(0.03, 0.12)
    h = w * 0.57
    shown = mat.artwork(rng) if rng.random() < 0.25 else Material(mat.black_color(rng), dropout=0.35)
    b.block((-w / 2, -out, 0), (w / 2, -out + 0.03, h), b.material(Material(mat.black_color(rng))))
    b.block((-w / 2 + 0.012, -out - 0.002, 0.012), (w / 2 - 0.012, -out, h - 0.012), b.material(shown))
    b.block((-w * 0.2, -out + 0.03, h * 0.3), (w * 0.2, 0, h * 0.7), b.material(mat.metal(rng)))
    return b.build()


def air_conditioner(rng: np.random.Generator) -> Mesh:
    b = MeshBuilder()
    w, d, h = rng.uniform(0.7, 1.1), rng.uniform(0.18, 0.26), rng.uniform(0.25, 0.33)
    body, slot = b.material(Material(mat.white_color(rng))), b.material(Material(mat.grey_color(rng)))
    b.prism([(0, 0), (0, h), (-d * 0.9, h), (-d, h * 0.4), (-d * 0.6, 0)], -w / 2, w / 2, body, axis=0)
    b.box((0, -d * 0.82, h * 0.16), (w * 0.85, 0.02, 0.05), slot, tilt=-0.6)
    return b.build()


def wall_mirror(rng: np.random.Generator, w: float, h: float) -> Mesh:
    """A large mirror: the depth camera sees the reflected room behind the wall, if anything."""
    b = MeshBuilder()
    border = pick(rng, (0.003, rng.uniform(0.02, 0.07)))
    silver = Material(mat.metal_color(rng), dropout=0.6, mirror=rng.uniform(0.25, 0.75))
    b.block((-w / 2, -0.02, 0), (w / 2, 0, h), b.material(mat.wood_or_paint(rng)))
    b.block((-w / 2 + border, -0.024, border), (w / 2 - border, -0.02, h - border), b.material(silver))
    return b.build()


def vertical_blind(rng: np.random.Generator, w: float, h: float) -> Mesh:
    """Upright slats from a rail, turned and drawn as it happens; z = 0 is the upper edge."""
    b = MeshBuilder()
    cloth = b.material(Material(mat.white_color(rng)) if rng.random() < 0.6 else mat.fabric(rng))
    drop, turn, shown = h * rng.uniform(0.9, 1.05), rng.uniform(-1.2, 1.2), rng.uniform(0.2, 1.0)
    pitch = 0.11 if shown > 0.5 else 0.03
    b.block((-w / 2, -0.06, -0.01), (w / 2, -0.02, 0.03), cloth)
    for x in np.arange(-w / 2 + 0.05, -w / 2 + shown * w, pitch):
        b.box((x, -0.04, -drop / 2), (0.12, 0.003, drop), cloth, yaw=turn)
    return b.build()


def roller_shutter(rng: np.random.Generator, w: float, h: float) -> Mesh:
    """Close slats in rails under a box, let down wholly or in part; z = 0 is the upper edge."""
    b = MeshBuilder()
    slat = b.material(Material(pick(rng, (mat.white_color, mat.grey_color))(rng)))
    drop = h * pick(rng, (1.0, rng.uniform(0.3, 1.0)))
    b.block((-w / 2, -0.06, -0.14), (w / 2, 0.0, 0.02), slat)
    for z in np.arange(0.14, drop, 0.045):
        b.block((-w / 2 + 0.01, -0.024, -z - 0.042), (w / 2 - 0.01, -0.012, -z), slat)
        b.block((-w / 2 + 0.01, -0.018, -z - 0.046), (w / 2 - 0.01, -0.012, -z), slat)
    return b.build()


# --- what divides a room: w m long, h m high, standing on the floor ----------------------------------


def office_screen(rng: np.random.Generator, w: float, h: float) -> Mesh:
    """A panel of cloth or board on feet, as between desks; sometimes of several panels."""
    b = MeshBuilder()
    face = mat.fabric(rng) if rng.random() < 0.65 else mat.laminate(rng)
    panel, frame = b.material(face), b.material(mat.metal(rng))
    t, gap = rng.uniform(0.025, 0.07), pick(rng, (0.0, rng.uniform(0.05, 0.25)))
    count = max(1, round(w / rng.uniform(0.8, 1.4)))
    for k in range(count):
        x0, x1 = -w / 2 + w * k / count, -w / 2 + w * (k + 1) / count
        b.block((x0, -t / 2, gap), (x1 - 0.012, t / 2, h), panel)
        b.block((x1 - 0.03, -t / 2 - 0.004, 0), (x1, t / 2 + 0.004, h + 0.004), frame)
    for x in (-w / 2 + 0.05, w / 2 - 0.05):
        b.block((x - 0.02, -0.2, 0), (x + 0.02, 0.2, 0.03), frame)
        b.block((x - 0.02, -t / 2, 0), (x + 0.02, t / 2, gap + 0.02), frame)
    return b.build()


def glass_partition(rng: np.random.Generator, w: float, h: float) -> Mesh:
    """Panes between posts; one sees what is behind, the depth camera mostly as well."""
    b = MeshBuilder()
    frame = b.material(Material(pick(rng, (mat.black_color, mat.metal_color, mat.white_color))(rng)))
    tint = mat.hsv(rng.uniform(0.35, 0.6), rng.uniform(0.0, 0.2), rng.uniform(0.3, 0.8))
    clear = rng.uniform(0.3, 0.85)
    pane = b.material(Material(tint, dropout=0.8, clear=clear, mirror=rng.uniform(0.0, 0.15)))
    t, count = rng.uniform(0.015, 0.05), max(1, round(w / rng.uniform(0.8, 1.3)))
    b.block((-w / 2, -0.005, 0.01), (w / 2, 0.005, h), pane)
    for x in np.linspace(-w / 2 + t / 2, w / 2 - t / 2, count + 1):
        b.block((x - t / 2, -0.025, 0), (x + t / 2, 0.025, h), frame)
    for z in (0.0, h - t, *([rng.uniform(0.8, 1.1)] if rng.random() < 0.3 else [])):
        b.block((-w / 2, -0.025, z), (w / 2, 0.025, z + t), frame)
    return b.build()


# --- on ceilings -----------------------------------------------------------------------------------


def flat_light(rng: np.random.Generator, w: float, d: float) -> Mesh:
    """A panel let into the ceiling or just below it, with a rim."""
    b = MeshBuilder()
    t = pick(rng, (0.008, rng.uniform(0.02, 0.09)))
    b.block((-w / 2, -d / 2, -t), (w / 2, d / 2, 0), b.material(mat.metal(rng)))
    glow = b.material(Material(mat.white_color(rng), dropout=pick(rng, (0.0, 0.5))))
    b.block((-w / 2 + 0.015, -d / 2 + 0.015, -t - 0.003), (w / 2 - 0.015, d / 2 - 0.015, -t), glow)
    return b.build()


def hanging_tube(rng: np.random.Generator, w: float) -> Mesh:
    """A long lamp on two cords."""
    b = MeshBuilder()
    cord, body = b.material(mat.metal(rng)), b.material(Material(mat.white_color(rng)))
    drop = rng.uniform(0.15, 0.9)
    b.block((-w / 2, -0.06, -drop - 0.06), (w / 2, 0.06, -drop), body)
    for x in (-w * 0.4, w * 0.4):
        b.bar((x, 0, -drop), (x, 0, 0), 0.012, cord)
    return b.build()


def duct(rng: np.random.Generator, length: float) -> Mesh:
    """A round or square duct, or a bundle of pipes, along y = 0 below the ceiling, with its hangers."""
    b = MeshBuilder()
    skin = b.material(Material(pick(rng, (mat.metal_color, mat.white_color, mat.grey_color))(rng)))
    kind = pick(rng, ("round", "square", "pipes"))
    r = rng.uniform(0.1, 0.22)
    if kind == "round":
        angle = np.linspace(0, 2 * np.pi, 13)[:-1]
        edge = np.stack([r * np.cos(angle), r * np.sin(angle) - r - 0.05], axis=-1)
        b.prism(edge, -length / 2, length / 2, skin, axis=0)
    elif kind == "square":
        b.block((-length / 2, -r, -1.4 * r - 0.05), (length / 2, r, -0.05), skin)
    else:
        for k in range(int(rng.integers(1, 4))):
            y = 0.12 * k - 0.12
            b.bar((-length / 2, y, -0.09), (length / 2, y, -0.09), rng.uniform(0.03, 0.08), skin)
    for x in np.arange(-length / 2 + 0.1, length / 2, 1.2):
        b.block((x - 0.015, -r, -0.06), (x + 0.015, r, 0), skin)
    return b.build()


def standpipe(rng: np.random.Generator, radius: float, h: float) -> Mesh:
    """From the floor to the ceiling, in a corner or along a wall."""
    b = MeshBuilder()
    skin = Material(pick(rng, (mat.white_color, mat.metal_color, mat.muted_color), [0.6, 0.25, 0.15])(rng))
    b.cylinder((0, 0, 0), radius, h, b.material(skin))
    return b.build()
