"""Chairs of all kinds; the back is towards +y."""

import numpy as np

from ssen_ros.simulation import materials as mat
from ssen_ros.simulation.furniture.parts import armrests, disc, four_legs, pick, splayed_legs, star_base
from ssen_ros.simulation.materials import Material
from ssen_ros.simulation.mesh import Mesh, MeshBuilder

# --- dining and visitors' chairs -------------------------------------------------------------------


def slat_chair(rng: np.random.Generator) -> Mesh:
    def back(b, at, edge, z0, z1, leg, frame):
        b.bar(at(-edge, z0 + 0.12), at(edge, z0 + 0.12), leg * 0.8, frame)
        for x in np.linspace(-edge, edge, int(rng.integers(4, 8)))[1:-1]:
            b.bar(at(x, z0 + 0.12), at(x, z1 - 0.03), 0.022, frame)

    return _wooden_chair(rng, back)


def ladder_chair(rng: np.random.Generator) -> Mesh:
    def back(b, at, edge, z0, z1, leg, frame):
        for z in np.linspace(z0 + 0.15, z1 - 0.03, int(rng.integers(2, 5)))[:-1]:
            b.box(at(0.0, z), (2 * edge, 0.02, rng.uniform(0.04, 0.08)), frame)

    return _wooden_chair(rng, back)


def panel_chair(rng: np.random.Generator) -> Mesh:
    def back(b, at, edge, z0, z1, leg, frame):
        cover = frame if rng.random() < 0.5 else b.material(mat.upholstery(rng))
        tilt = -np.arctan2(at(0, z1)[1] - at(0, z0)[1], z1 - z0)
        b.box(at(0.0, (z0 + z1) / 2 + 0.05), (2 * edge, 0.025, (z1 - z0) * 0.7), cover, tilt=tilt)

    return _wooden_chair(rng, back)


def cross_chair(rng: np.random.Generator) -> Mesh:
    def back(b, at, edge, z0, z1, leg, frame):
        b.bar(at(-edge, z0 + 0.05), at(edge, z1 - 0.04), 0.022, frame)
        b.bar(at(edge, z0 + 0.05), at(-edge, z1 - 0.04), 0.022, frame)

    return _wooden_chair(rng, back)


def _wooden_chair(rng: np.random.Generator, fill_back) -> Mesh:
    """Four legs, a flat or padded seat, two posts and a top rail; `fill_back` fills in between."""
    w, d = rng.uniform(0.38, 0.48, 2)
    seat, h = rng.uniform(0.43, 0.48), rng.uniform(0.8, 1.05)
    b = MeshBuilder()
    frame = b.material(mat.wood(rng, axis=2) if rng.random() < 0.75 else mat.painted(rng))
    leg, splay = rng.uniform(0.028, 0.045), rng.uniform(0.0, 0.05)
    for x in (-1, 1):
        b.bar(
            (x * (w / 2 + splay), -d / 2 - splay, 0),
            (x * (w / 2 - leg), -d / 2 + leg, seat - 0.02),
            leg,
            frame,
        )
        b.bar(
            (x * (w / 2 - leg / 2), d / 2 - leg + splay, 0),
            (x * (w / 2 - leg / 2), d / 2 - leg, seat),
            leg,
            frame,
        )
    if rng.random() < 0.6:
        b.box((0, 0, seat - 0.012), (w, d, 0.025), frame)
    else:
        b.cushion((0, 0, seat - 0.01), (w, d, 0.07), b.material(mat.upholstery(rng)))
    if rng.random() < 0.35:
        for x in (-1, 1):
            b.bar((x * w * 0.45, -d * 0.45, seat * 0.4), (x * w * 0.45, d * 0.42, seat * 0.4), 0.022, frame)
    lean, y = rng.uniform(0.04, 0.12), d / 2 - leg

    def at(x: float, z: float) -> tuple[float, float, float]:
        return (x, y + lean * (z - seat) / (h - seat), z)

    edge = (w - leg) / 2
    for x in (-edge, edge):
        b.bar(at(x, seat - 0.02), at(x, h), leg, frame)
    b.bar(at(-edge, h - 0.03), at(edge, h - 0.03), leg * 1.2, frame)
    fill_back(b, at, edge, seat, h, leg, frame)
    if rng.random() < 0.15:
        for x in (-1, 1):
            b.block((x * w / 2 - 0.02, -d / 2 + 0.05, 0.64), (x * w / 2 + 0.02, d / 2, 0.665), frame)
            b.bar((x * w / 2, -d / 2 + 0.08, seat - 0.03), (x * w / 2, -d / 2 + 0.08, 0.65), leg, frame)
    return b.build().grounded()


def shell_chair(rng: np.random.Generator) -> Mesh:
    """A moulded seat on thin legs."""
    b = MeshBuilder()
    shell = b.material(Material(pick(rng, (mat.white_color, mat.bright_color, mat.black_color))(rng)))
    leg = b.material(mat.wood(rng, axis=2) if rng.random() < 0.5 else mat.metal(rng))
    w, seat, h = rng.uniform(0.42, 0.5), rng.uniform(0.43, 0.47), rng.uniform(0.76, 0.88)
    t = np.linspace(0, 1, 12)
    y = np.where(t < 0.5, -0.22 + 0.8 * t, 0.18 + 0.14 * (t - 0.5))
    z = np.where(
        t < 0.5, seat - 0.02 * np.sin(2 * np.pi * t), seat + (h - seat) * np.maximum(2 * t - 1, 0) ** 1.2
    )
    u = np.linspace(-1, 1, 9)
    rim = 0.05 * np.abs(u) ** 3
    points = np.stack(
        [
            np.broadcast_to(u * w / 2, (12, 9)) * (1 - 0.15 * (t[:, None] > 0.8)),
            y[:, None] - (t[:, None] > 0.5) * rim,
            z[:, None] + (t[:, None] <= 0.5) * rim,
        ],
        axis=-1,
    )
    b.grid(points, shell)
    b.grid(points + (0, 0.01, -0.012), shell)
    splayed_legs(b, (w * 0.47, 0.23), (w * 0.3, 0.12), seat, 0.028, leg)
    return b.build().grounded()


def parsons_chair(rng: np.random.Generator) -> Mesh:
    """Covered all over, with a tall flat back."""
    w, d = rng.uniform(0.42, 0.5), rng.uniform(0.42, 0.5)
    seat, h = rng.uniform(0.45, 0.5), rng.uniform(0.9, 1.08)
    b = MeshBuilder()
    cloth, leg = b.material(mat.upholstery(rng)), b.material(mat.wood(rng, axis=2))
    skirt = rng.uniform(0.1, 0.3)
    four_legs(b, w - 0.02, d - 0.02, seat, 0.045, leg)
    b.block((-w / 2, -d / 2, seat - skirt), (w / 2, d / 2, seat - 0.04), cloth)
    b.cushion((0, 0, seat - 0.04), (w, d, 0.1), cloth, squareness=7)
    middle = (seat + h) / 2 - 0.04
    b.cushion((0, d / 2 - 0.01, middle), (w, 0.09, h - seat + 0.1), cloth, tilt=-0.1, squareness=8)
    return b.build().grounded()


def cantilever_chair(rng: np.random.Generator) -> Mesh:
    """Bent steel tube without hind legs."""
    w, d, seat, h = (
        rng.uniform(0.42, 0.5),
        rng.uniform(0.42, 0.5),
        rng.uniform(0.43, 0.47),
        rng.uniform(0.78, 0.9),
    )
    b = MeshBuilder()
    tube, pad = b.material(mat.metal(rng)), b.material(mat.upholstery(rng))
    for x in (-w / 2, w / 2):
        corners = [(d / 2, 0.015), (-d / 2, 0.015), (-d / 2, seat), (d / 2 - 0.04, seat), (d / 2 + 0.06, h)]
        b.pipe([(x, y, z) for y, z in corners], 0.028, tube)
    b.bar((-w / 2, d / 2, 0.015), (w / 2, d / 2, 0.015), 0.028, tube)
    b.cushion((0, -0.02, seat), (w, d - 0.03, 0.05), pad, squareness=6)
    b.cushion((0, d / 2 + 0.035, h - 0.16), (w, 0.05, 0.3), pad, tilt=-0.2, squareness=6)
    if rng.random() < 0.4:
        for x in (-w / 2, w / 2):
            b.bar((x, -d / 2, seat), (x, -d / 2, 0.66), 0.028, tube)
            b.bar((x, -d / 2, 0.66), (x, d / 2 + 0.02, 0.66), 0.034, tube)
    return b.build().grounded()


def stacking_chair(rng: np.random.Generator) -> Mesh:
    """Four thin tubes, a seat and a separate back: canteens, waiting and meeting rooms."""
    w, d, seat, h = rng.uniform(0.44, 0.54), rng.uniform(0.42, 0.5), 0.45, rng.uniform(0.78, 0.88)
    b = MeshBuilder()
    tube = b.material(mat.metal(rng))
    pad = b.material(
        mat.fabric(rng)
        if rng.random() < 0.5
        else Material(pick(rng, (mat.bright_color, mat.grey_color))(rng))
    )
    for x in (-w / 2, w / 2):
        b.bar((x, -d / 2, 0), (x, -d / 2 + 0.03, seat), 0.025, tube)
        b.pipe([(x, d / 2 + 0.05, 0), (x, d / 2 - 0.06, seat), (x, d / 2 + 0.02, h)], 0.025, tube)
        b.bar((x, -d / 2 + 0.03, seat - 0.02), (x, d / 2 - 0.06, seat - 0.02), 0.025, tube)
    b.cushion((0, -0.02, seat), (w + 0.01, d, 0.05), pad, squareness=6)
    b.cushion((0, d / 2 - 0.0, h - 0.12), (w + 0.01, 0.045, 0.26), pad, tilt=-0.2, squareness=6)
    if rng.random() < 0.4:
        for x in (-w / 2, w / 2):
            b.bar((x, -d / 2 + 0.03, seat - 0.02), (x, -d / 2 + 0.02, 0.65), 0.025, tube)
            b.bar((x, -d / 2 + 0.02, 0.65), (x, d / 2, 0.66), 0.035, tube)
    return b.build().grounded()


def folding_chair(rng: np.random.Generator) -> Mesh:
    """Two crossing frames, a thin seat and back."""
    w, d, seat, h = rng.uniform(0.4, 0.46), rng.uniform(0.4, 0.46), 0.44, rng.uniform(0.76, 0.84)
    b = MeshBuilder()
    frame = b.material(mat.metal(rng) if rng.random() < 0.6 else mat.wood(rng, axis=2))
    board = frame if rng.random() < 0.4 else b.material(mat.painted(rng))
    for x in (-w / 2, w / 2):
        b.bar((x, -d / 2 - 0.02, 0), (x, d / 2 + 0.02, h), 0.026, frame)
        b.bar((x * 0.93, d / 2 + 0.02, 0), (x * 0.93, -d / 2 + 0.05, seat - 0.01), 0.026, frame)
    b.bar((-w / 2, 0, 0.22), (w / 2, 0, 0.22), 0.02, frame)
    b.box((0, -0.03, seat), (w, d - 0.06, 0.025), board)
    b.box((0, d / 2 - 0.03, h - 0.1), (w, 0.02, 0.2), board, tilt=-0.45)
    return b.build().grounded()


def spindle_chair(rng: np.random.Generator) -> Mesh:
    """A Windsor: a solid seat, splayed legs, a bow filled with thin spindles."""
    w, seat, h = rng.uniform(0.42, 0.5), rng.uniform(0.43, 0.47), rng.uniform(0.85, 1.05)
    b = MeshBuilder()
    frame = b.material(mat.wood(rng, axis=2) if rng.random() < 0.6 else mat.painted(rng))
    disc(b, (0, 0, seat - 0.04), (w / 2, 0.21), 0.04, frame)
    splayed_legs(b, (w / 2, 0.23), (w * 0.28, 0.12), seat - 0.02, 0.032, frame)
    b.bar((-w * 0.4, 0, seat * 0.45), (w * 0.4, 0, seat * 0.45), 0.022, frame)
    for x in (-w * 0.4, w * 0.4):
        b.bar((x, -0.18, seat * 0.45), (x, 0.18, seat * 0.45), 0.022, frame)
    angle = np.linspace(0.15, np.pi - 0.15, 11)
    foot = np.stack([0.42 * w * np.cos(angle), 0.17 * np.sin(angle), 0 * angle + seat - 0.02], axis=-1)
    bow = foot + np.stack([0 * angle, 0.1 * np.sin(angle), (h - seat) * np.sin(angle) ** 0.5], axis=-1)
    b.pipe([foot[0], *bow, foot[-1]], 0.028, frame)
    for low, high in zip(foot[1:-1], bow[1:-1]):
        b.bar(low, high, 0.016, frame)
    return b.build().grounded()


def tub_chair(rng: np.random.Generator) -> Mesh:
    """A padded seat in a low back that runs round into the arms, on four legs."""
    r, seat, h = rng.uniform(0.26, 0.31), rng.uniform(0.44, 0.48), rng.uniform(0.72, 0.84)
    b = MeshBuilder()
    cloth, leg = b.material(mat.upholstery(rng)), b.material(mat.wood(rng, axis=2))
    b.loft([(0.0, 0), (0.95, 0), (1.0, 0.08), (0.9, 0.12), (0, 0.13)], (0, 0, seat - 0.12), cloth, (r, r))
    arms = rng.uniform(0.62, h)

    def top(angle):
        return arms + (h - arms) * np.sin(angle).clip(0.0)

    b.arc((0, 0), (r + 0.04, r + 0.04), (-0.5, np.pi + 0.5), seat - 0.1, top, 0.06, cloth)
    splayed_legs(b, (0.24, 0.24), (0.17, 0.17), seat - 0.1, 0.03, leg)
    return b.build().grounded()


# --- office chairs ---------------------------------------------------------------------------------


def _office_materials(b: MeshBuilder, rng: np.random.Generator) -> tuple[int, int]:
    dark = b.material(Material(mat.black_color(rng)) if rng.random() < 0.7 else mat.metal(rng))
    pad = Material(mat.black_color(rng), "fabric") if rng.random() < 0.5 else mat.upholstery(rng)
    return dark, b.material(pad)


def task_chair(rng: np.random.Generator) -> Mesh:
    b = MeshBuilder()
    dark, pad = _office_materials(b, rng)
    seat, w, d = rng.uniform(0.44, 0.54), rng.uniform(0.46, 0.54), rng.uniform(0.44, 0.52)
    star_base(b, rng, seat - 0.02, 0.3, dark)
    b.cushion((0, 0, seat), (w, d, 0.1), pad)
    low, high = seat + rng.uniform(0.05, 0.18), seat + rng.uniform(0.42, 0.6)
    b.cushion((0, d / 2 + 0.03, (low + high) / 2), (w * 0.92, 0.09, high - low), pad, tilt=-0.15)
    b.pipe(
        [(0, d / 2 - 0.15, seat - 0.04), (0, d / 2 + 0.05, seat - 0.02), (0, d / 2 + 0.06, low + 0.12)],
        0.05,
        dark,
    )
    if rng.random() < 0.65:
        armrests(b, w, d / 2, seat, seat + 0.2, dark)
    return b.build().grounded()


def executive_chair(rng: np.random.Generator) -> Mesh:
    """High, thickly padded, often leather."""
    b = MeshBuilder()
    dark, _ = _office_materials(b, rng)
    pad = b.material(mat.leather(rng) if rng.random() < 0.75 else mat.upholstery(rng))
    seat, w, d = rng.uniform(0.46, 0.54), rng.uniform(0.5, 0.58), rng.uniform(0.48, 0.54)
    high = seat + rng.uniform(0.62, 0.78)
    star_base(b, rng, seat - 0.04, 0.32, dark)
    b.cushion((0, 0, seat), (w, d, 0.15), pad, squareness=5)
    b.cushion((0, d / 2, (seat + high) / 2), (w, 0.14, high - seat), pad, tilt=-0.14, squareness=5)
    b.cushion((0, d / 2 + 0.02, high - 0.1), (w * 0.7, 0.13, 0.16), pad, tilt=-0.14)
    armrests(b, w + 0.02, d * 0.7, seat, seat + 0.21, dark)
    return b.build().grounded()


def conference_chair(rng: np.random.Generator) -> Mesh:
    """A thin curved shell on a star or sled, with slim arms."""
    b = MeshBuilder()
    dark, pad = _office_materials(b, rng)
    seat, w, high = 0.45, rng.uniform(0.46, 0.54), rng.uniform(0.85, 1.0)
    t = np.linspace(0.0, 1.0, 14)[:, None]
    x = np.linspace(-w / 2, w / 2, 7)[None, :]
    y = np.where(t < 0.5, -0.23 + 0.92 * t, 0.23 + 0.2 * (t - 0.5)) + 0 * x
    z = np.where(t < 0.5, seat, seat + (high - seat) * (2 * t - 1).clip(0) ** 1.1) + 0 * x
    sheet = np.stack([x + 0 * t, y, z], axis=-1)
    b.grid(sheet, pad)
    b.grid(sheet + (0, 0.03, -0.03), pad)
    if rng.random() < 0.6:
        star_base(b, rng, seat, 0.3, dark)
    else:
        for side in (-w / 2, w / 2):
            b.pipe(
                [
                    (side, 0.1, seat - 0.02),
                    (side, 0.22, 0.02),
                    (side, -0.24, 0.02),
                    (side, -0.1, seat - 0.02),
                ],
                0.026,
                dark,
            )
    for side in (-w / 2, w / 2):
        b.pipe([(side, -0.15, seat), (side, -0.2, 0.65), (side, 0.24, 0.65), (side, 0.29, 0.72)], 0.026, dark)
    return b.build().grounded()


def mesh_chair(rng: np.random.Generator) -> Mesh:
    """A net stretched in a frame, with a lumbar bar and a separate headrest."""
    b = MeshBuilder()
    dark, pad = _office_materials(b, rng)
    net = b.material(Material(mat.grey_color(rng), "fabric", dropout=0.25))
    seat, w, d = rng.uniform(0.45, 0.53), rng.uniform(0.46, 0.52), rng.uniform(0.46, 0.5)
    high = seat + rng.uniform(0.5, 0.62)
    star_base(b, rng, seat - 0.02, 0.33, dark)
    b.cushion((0, 0, seat), (w, d, 0.08), pad, squareness=3)
    x = np.linspace(-w / 2, w / 2, 9)[None, :]
    t = np.linspace(0, 1, 9)[:, None]
    bow = d / 2 + 0.08 - 1.1 * x**2 + 0.06 * np.sin(np.pi * t * 1.3)
    z = seat + 0.1 + (high - seat - 0.1) * t + 0 * x
    net_points = np.stack([x * (1 - 0.25 * t), bow + 0 * z, z], axis=-1)
    b.grid(net_points, net)
    edge = [*net_points[:, 0], *net_points[-1, 1:], *net_points[::-1, -1], *net_points[0, ::-1]]
    b.pipe([p for k, p in enumerate(edge) if k == 0 or np.linalg.norm(p - edge[k - 1]) > 1e-6], 0.028, dark)
    b.pipe([(0, 0.1, seat - 0.03), (0, d / 2 + 0.12, seat), (0, d / 2 + 0.13, high + 0.12)], 0.05, dark)
    b.cushion((0, d / 2 + 0.11, high + 0.12), (0.3, 0.06, 0.14), pad)
    armrests(b, w, d / 2, seat, seat + 0.22, dark)
    return b.build().grounded()


def drafting_chair(rng: np.random.Generator) -> Mesh:
    """Tall, with a ring for the feet and a small low back."""
    b = MeshBuilder()
    dark, pad = _office_materials(b, rng)
    seat, r = rng.uniform(0.6, 0.72), rng.uniform(0.18, 0.22)
    star_base(b, rng, seat, 0.3, dark)
    b.loft([(1.0, 0.0), (1.0, 0.02)], (0, 0, 0.25), dark, (0.2, 0.2))
    for angle in np.arange(3) * 2.1:
        b.bar((0, 0, 0.26), (0.2 * np.cos(angle), 0.2 * np.sin(angle), 0.26), 0.02, dark)
    b.loft([(0, 0), (1, 0), (1.0, 0.06), (0, 0.08)], (0, 0, seat - 0.02), pad, (r, r))
    b.pipe([(0, 0, seat - 0.02), (0, r + 0.04, seat - 0.02), (0, r + 0.06, seat + 0.3)], 0.035, dark)
    b.cushion((0, r + 0.04, seat + 0.3), (0.34, 0.07, 0.18), pad)
    return b.build().grounded()


# --- armchairs -------------------------------------------------------------------------------------


def club_chair(rng: np.random.Generator) -> Mesh:
    """A low padded barrel."""
    r, seat, h = rng.uniform(0.34, 0.42), rng.uniform(0.38, 0.44), rng.uniform(0.66, 0.78)
    b = MeshBuilder()
    cloth = b.material(mat.upholstery(rng))
    foot = rng.uniform(0.03, 0.12)
    four_legs(b, r * 1.3, r * 1.3, foot + 0.02, 0.05, b.material(mat.wood(rng, axis=2)))
    b.loft(
        [(0, foot), (0.9, foot), (0.9, seat - 0.1), (0, seat - 0.1)], (0, 0, 0), cloth, (r, r), squareness=2.6
    )
    b.cushion((0, -0.06, seat - 0.06), (1.35 * r, 1.5 * r, 0.17), cloth, squareness=3)
    b.arc((0, 0), (r + 0.05, r + 0.03), (-0.7, np.pi + 0.7), foot, h, 0.14, cloth)
    return b.build().grounded()


def lounge_chair(rng: np.random.Generator) -> Mesh:
    """Loose cushions in a wooden frame with open arms."""
    w, d, seat, h = (
        rng.uniform(0.6, 0.72),
        rng.uniform(0.65, 0.8),
        rng.uniform(0.36, 0.42),
        rng.uniform(0.72, 0.92),
    )
    b = MeshBuilder()
    frame, cloth = b.material(mat.wood(rng, axis=2)), b.material(mat.upholstery(rng))
    arm = seat + rng.uniform(0.16, 0.24)
    for x in (-1, 1):
        side = x * (w / 2 - 0.02)
        b.bar((side, -d / 2 + 0.04, 0), (side, -d / 2 + 0.08, arm), 0.045, frame)
        b.bar((side, d / 2 - 0.02, 0), (side, d / 2 - 0.12, arm), 0.045, frame)
        b.block((side - 0.035, -d / 2, arm), (side + 0.035, d / 2 - 0.05, arm + 0.03), frame)
        b.bar((side, -d / 2 + 0.06, seat - 0.1), (side, d / 2 - 0.06, seat - 0.14), 0.05, frame)
    b.box((0, 0, seat - 0.12), (w - 0.06, d - 0.14, 0.04), frame, tilt=-0.06)
    b.cushion((0, -0.04, seat - 0.03), (w - 0.1, d - 0.14, 0.15), cloth, tilt=-0.06, squareness=6)
    b.cushion(
        (0, d / 2 - 0.1, (seat + h) / 2), (w - 0.1, 0.14, h - seat + 0.05), cloth, tilt=-0.3, squareness=6
    )
    return b.build().grounded()


def recliner(rng: np.random.Generator) -> Mesh:
    """Fat cushions, leaning back, sometimes with the footrest out."""
    w, seat = rng.uniform(0.8, 0.95), rng.uniform(0.42, 0.48)
    b = MeshBuilder()
    cloth = b.material(mat.leather(rng) if rng.random() < 0.6 else mat.upholstery(rng))
    d, out = 0.8, rng.random() < 0.3
    for x in (-1, 1):
        b.cushion((x * (w / 2 - 0.1), 0, 0.32), (0.2, d, 0.6), cloth, squareness=5)
    b.block((-w / 2 + 0.1, -d / 2 + 0.06, 0.04), (w / 2 - 0.1, d / 2 - 0.05, seat - 0.1), cloth)
    b.cushion((0, -0.05, seat - 0.05), (w - 0.36, d - 0.12, 0.2), cloth, squareness=4)
    lean = -0.5 if out else -0.25
    for z in (0.55, 0.78, 1.0):
        y = d / 2 - 0.12 + (z - 0.5) * -np.tan(lean)
        b.cushion((0, y, z), (w - 0.3, 0.2, 0.27), cloth, tilt=lean)
    if out:
        b.cushion((0, -d / 2 - 0.2, seat - 0.08), (w - 0.36, 0.5, 0.12), cloth)
    return b.build().grounded()


def wing_chair(rng: np.random.Generator) -> Mesh:
    """A tall back with wings at the head, on short legs."""
    w, d, seat, h = rng.uniform(0.68, 0.8), rng.uniform(0.7, 0.8), 0.44, rng.uniform(1.0, 1.15)
    b = MeshBuilder()
    cloth, leg = b.material(mat.upholstery(rng)), b.material(mat.wood(rng, axis=2))
    four_legs(b, w - 0.06, d - 0.06, 0.18, 0.045, leg)
    b.block((-w / 2 + 0.03, -d / 2 + 0.03, 0.16), (w / 2 - 0.03, d / 2, seat - 0.08), cloth)
    b.cushion((0, -0.05, seat - 0.04), (w - 0.2, d - 0.15, 0.16), cloth, squareness=5)
    b.cushion((0, d / 2 - 0.08, (seat + h) / 2), (w - 0.1, 0.16, h - seat + 0.1), cloth, -0.1, 6)
    side = [
        (-d / 2, 0.2),
        (-d / 2, 0.6),
        (-d / 2 + 0.3, 0.62),
        (d / 2 - 0.28, h - 0.15),
        (d / 2, h),
        (d / 2, 0.2),
    ]
    for x in (-1, 1):
        low, high = sorted((x * w / 2, x * (w / 2 - 0.09)))
        b.prism(side, low, high, cloth, axis=0)
    return b.build().grounded()


def swivel_chair(rng: np.random.Generator) -> Mesh:
    """A deep egg on one foot."""
    r, h = rng.uniform(0.36, 0.42), rng.uniform(0.85, 1.15)
    b = MeshBuilder()
    cloth, foot = b.material(mat.upholstery(rng)), b.material(mat.metal(rng))
    disc(b, (0, 0, 0), (0.26, 0.26), 0.025, foot)
    b.cylinder((0, 0, 0.02), 0.035, 0.24, foot)

    def top(angle):
        return 0.5 + (h - 0.5) * ((np.sin(angle) + 0.4) / 1.4).clip(0.0) ** 0.8

    b.loft([(0, 0.24), (0.55, 0.26), (0.85, 0.34), (0.93, 0.42), (0, 0.43)], (0, 0, 0), cloth, (r, r))
    b.arc((0, 0.0), (r, r), (-0.9, np.pi + 0.9), 0.33, top, 0.08, cloth)
    return b.build().grounded()


# --- stools ----------------------------------------------------------------------------------------


def _stool_materials(b: MeshBuilder, rng: np.random.Generator) -> tuple[int, int]:
    top = mat.upholstery(rng) if rng.random() < 0.4 else mat.wood(rng)
    return b.material(mat.wood_or_paint(rng, axis=2)), b.material(top)


def round_stool(rng: np.random.Generator) -> Mesh:
    b = MeshBuilder()
    frame, top = _stool_materials(b, rng)
    h, r = pick(rng, (rng.uniform(0.42, 0.5), rng.uniform(0.6, 0.76))), rng.uniform(0.15, 0.2)
    b.cylinder((0, 0, h - 0.04), r, 0.04, top, segments=20)
    splayed_legs(b, (r * 0.9, r * 0.9), (r * 0.6, r * 0.6), h - 0.02, 0.032, frame)
    for side in (-1, 1):
        b.bar((-r * 0.78, side * r * 0.78, h * 0.4), (r * 0.78, side * r * 0.78, h * 0.4), 0.022, frame)
    return b.build()


def square_stool(rng: np.random.Generator) -> Mesh:
    b = MeshBuilder()
    frame, top = _stool_materials(b, rng)
    h, w = pick(rng, (rng.uniform(0.42, 0.5), rng.uniform(0.6, 0.7))), rng.uniform(0.3, 0.4)
    b.cushion((0, 0, h - 0.02), (w, w * 0.85, 0.05), top, squareness=9)
    four_legs(b, w, w * 0.85, h - 0.02, 0.035, frame)
    for x in (-1, 1):
        b.box((x * (w - 0.035) / 2, 0, h * 0.3), (0.025, w * 0.8, 0.03), frame)
    return b.build()


def bar_chair(rng: np.random.Generator) -> Mesh:
    """A bar stool with a low back."""
    b = MeshBuilder()
    frame, top = _stool_materials(b, rng)
    h, w = rng.uniform(0.62, 0.76), rng.uniform(0.36, 0.42)
    splayed_legs(b, (w / 2 + 0.03, w / 2 + 0.03), (w / 2 - 0.04, w / 2 - 0.04), h, 0.03, frame)
    b.cushion((0, 0, h), (w, w, 0.06), top, squareness=5)
    for x in (-1, 1):
        b.bar((x * (w / 2 - 0.05), w / 2 - 0.05, h), (x * (w / 2 - 0.05), w / 2, h + 0.3), 0.028, frame)
        b.bar((x * w / 2, -w / 2, h * 0.35), (x * w / 2, w / 2, h * 0.35), 0.024, frame)
    b.bar((-w / 2, -w / 2, h * 0.35), (w / 2, -w / 2, h * 0.35), 0.024, frame)
    b.cushion((0, w / 2, h + 0.22), (w - 0.04, 0.04, 0.16), top, tilt=-0.1, squareness=6)
    return b.build().grounded()


def pedestal_stool(rng: np.random.Generator) -> Mesh:
    """A seat with a curled rim on one column."""
    b = MeshBuilder()
    foot, top = b.material(mat.metal(rng)), b.material(mat.upholstery(rng))
    h, r = rng.uniform(0.5, 0.78), rng.uniform(0.18, 0.22)
    disc(b, (0, 0, 0), (0.2, 0.2), 0.02, foot)
    b.cylinder((0, 0, 0), 0.03, h, foot)
    b.loft([(0, 0), (0.8, 0), (1.0, 0.03), (1.0, 0.09), (0.8, 0.06), (0, 0.05)], (0, 0, h), top, (r, r * 0.9))
    b.bar((0, 0, h * 0.35), (0, -0.18, h * 0.35), 0.025, foot)
    b.bar((-0.15, -0.18, h * 0.35), (0.15, -0.18, h * 0.35), 0.025, foot)
    return b.build().grounded()
