"""Tables and desks; a desk's back is towards +y."""

import numpy as np

from ssen_ros.simulation import materials as mat
from ssen_ros.simulation.furniture.parts import carcass, disc, four_legs, fronts, pick, splayed_legs
from ssen_ros.simulation.materials import Material
from ssen_ros.simulation.mesh import Mesh, MeshBuilder


def _materials(b: MeshBuilder, rng: np.random.Generator) -> tuple[int, int]:
    """Top and legs."""
    top = b.material(mat.wood(rng) if rng.random() < 0.65 else mat.laminate(rng))
    if rng.random() < 0.55:
        return top, top
    return top, b.material(mat.metal(rng) if rng.random() < 0.5 else mat.painted(rng))


def four_legged(rng: np.random.Generator, w: float, d: float, h: float) -> Mesh:
    b = MeshBuilder()
    top, leg = _materials(b, rng)
    t, inset = rng.uniform(0.02, 0.045), rng.uniform(0.0, 0.08)
    b.box((0, 0, h - t / 2), (w, d, t), top)
    thick = rng.uniform(0.04, 0.09)
    four_legs(b, w - 2 * inset, d - 2 * inset, h - t, thick, leg)
    if rng.random() < 0.6:
        for y in (-1, 1):
            b.box((0, y * (d / 2 - inset - 0.03), h - t - 0.04), (w - 2 * inset - 0.06, 0.02, 0.08), leg)
        for x in (-1, 1):
            b.box((x * (w / 2 - inset - 0.03), 0, h - t - 0.04), (0.02, d - 2 * inset - 0.06, 0.08), leg)
    return b.build()


def splay_legged(rng: np.random.Generator, w: float, d: float, h: float) -> Mesh:
    """Slanting legs under a plate with rounded corners."""
    b = MeshBuilder()
    top, leg = _materials(b, rng)
    profile = [(0.0, h - 0.03), (1.0, h - 0.03), (1.0, h), (0.0, h)]
    b.loft(profile, (0, 0, 0), top, (w / 2, d / 2), squareness=pick(rng, (3, 5, 9)), segments=32)
    splayed_legs(b, (w * 0.44, d * 0.42), (w * 0.33, d * 0.28), h - 0.02, 0.04, leg)
    return b.build()


def trestle(rng: np.random.Generator, w: float, d: float, h: float) -> Mesh:
    """Two broad supports and a beam between them."""
    b = MeshBuilder()
    top, leg = _materials(b, rng)
    b.box((0, 0, h - 0.02), (w, d, 0.04), top)
    x = w / 2 - 0.14
    if rng.random() < 0.5:
        for side in (-x, x):
            b.box((side, 0, h / 2), (0.05, d * 0.8, h - 0.03), leg)
    else:
        for side in (-x, x):
            b.box((side, 0, h / 2), (0.09, 0.09, h - 0.03), leg)
            b.box((side, 0, 0.03), (0.08, d * 0.75, 0.06), leg)
            b.box((side, 0, h - 0.06), (0.08, d * 0.7, 0.05), leg)
    b.box((0, 0, h * 0.4), (2 * x, 0.03, 0.1), leg)
    return b.build()


def round_table(rng: np.random.Generator, w: float, d: float, h: float) -> Mesh:
    """Round or oval, on one column or four legs."""
    b = MeshBuilder()
    top, leg = _materials(b, rng)
    w = min(w, 1.6 * d)
    disc(b, (0, 0, h - 0.03), (w / 2, d / 2), 0.03, top)
    if rng.random() < 0.65:
        _pedestal(b, h - 0.03, min(w, d), leg)
    else:
        splayed_legs(b, (w * 0.34, d * 0.34), (w * 0.26, d * 0.26), h - 0.02, 0.045, leg)
    return b.build()


def cross_legged(rng: np.random.Generator, w: float, d: float, h: float) -> Mesh:
    """An X at each end."""
    b = MeshBuilder()
    top, leg = _materials(b, rng)
    b.box((0, 0, h - 0.02), (w, d, 0.04), top)
    for x in (-1, 1):
        side = x * (w / 2 - 0.12)
        for y in (-1, 1):
            b.bar((side, y * d * 0.4, 0.0), (side, -y * d * 0.4, h - 0.03), 0.05, leg)
    b.bar((-(w / 2 - 0.12), 0, h / 2), (w / 2 - 0.12, 0, h / 2), 0.04, leg)
    return b.build().grounded()


def frame_table(rng: np.random.Generator, w: float, d: float, h: float) -> Mesh:
    """A thin plate on a metal frame: a closed hoop at each end."""
    b = MeshBuilder()
    top, leg = b.material(mat.laminate(rng)), b.material(mat.metal(rng))
    b.box((0, 0, h - 0.0125), (w, d, 0.025), top)
    for x in (-(w / 2 - 0.05), w / 2 - 0.05):
        hoop = [
            (x, -d / 2 + 0.05, h - 0.04),
            (x, -d / 2 + 0.05, 0.02),
            (x, d / 2 - 0.05, 0.02),
            (x, d / 2 - 0.05, h - 0.04),
        ]
        b.pipe([*hoop, hoop[0]], 0.04, leg)
    for y in (-d / 2 + 0.05, d / 2 - 0.05):
        b.bar((-w / 2 + 0.05, y, h - 0.04), (w / 2 - 0.05, y, h - 0.04), 0.03, leg)
    return b.build().grounded()


def plain_table(rng: np.random.Generator, w: float, d: float, h: float) -> Mesh:
    """White or light and square-edged, on thin square legs flush with its corners."""
    b = MeshBuilder()
    light = (
        mat.white_color(rng)
        if rng.random() < 0.6
        else mat.hsv(0.1, rng.uniform(0.1, 0.3), rng.uniform(0.7, 0.9))
    )
    top = b.material(Material(light))
    t = rng.uniform(0.02, 0.06)
    b.box((0, 0, h - t / 2), (w, d, t), top)
    four_legs(
        b, w, d, h - t, rng.uniform(0.035, 0.06), top if rng.random() < 0.6 else b.material(mat.metal(rng))
    )
    return b.build()


def tulip_table(rng: np.random.Generator, w: float, d: float, h: float) -> Mesh:
    """Round, on one waisted foot."""
    b = MeshBuilder()
    top, r = b.material(mat.laminate(rng)), min(w, d) / 2
    disc(b, (0, 0, h - 0.025), (min(w, 1.5 * d) / 2, r), 0.025, top)
    foot = top if rng.random() < 0.6 else b.material(mat.metal(rng))
    waist = [(0.0, 0.0), (1.0, 0.01), (0.5, 0.05), (0.12, 0.3 * h), (0.12, 0.75 * h), (0.4, h - 0.02)]
    b.loft(waist, (0, 0, 0), foot, (0.62 * r, 0.62 * r))
    return b.build().grounded()


def cafe_table(rng: np.random.Generator, w: float, d: float, h: float) -> Mesh:
    """A square or long plate on iron columns with crossed feet."""
    b = MeshBuilder()
    top, iron = (
        b.material(mat.wood(rng) if rng.random() < 0.5 else mat.laminate(rng)),
        b.material(mat.metal(rng)),
    )
    b.box((0, 0, h - 0.0125), (w, d, 0.025), top)
    for x in (0.0,) if w < 1.3 * d else (-w * 0.3, w * 0.3):
        b.box((x, 0, h / 2), (0.06, 0.06, h - 0.03), iron)
        for z, reach in ((0.02, 0.36), (h - 0.04, 0.3)):
            b.box((x, 0, z), (2 * reach * min(w, d), 0.05, 0.04), iron)
            b.box((x, 0, z), (0.05, 2 * reach * min(w, d), 0.04), iron)
    return b.build().grounded()


def side_board_table(rng: np.random.Generator, w: float, d: float, h: float) -> Mesh:
    """A plate carried at one long side by a panel, at the other by two posts."""
    b = MeshBuilder()
    top, leg = _materials(b, rng)
    b.box((0, 0, h - 0.02), (w, d, 0.04), top)
    b.box((-w / 2 + 0.02, 0, (h - 0.03) / 2), (0.04, d, h - 0.03), top)
    for y in (-1, 1):
        b.box((w / 2 - 0.03, y * (d / 2 - 0.03), (h - 0.03) / 2), (0.05, 0.05, h - 0.03), leg)
    return b.build().grounded()


def slab_table(rng: np.random.Generator, w: float, d: float, h: float) -> Mesh:
    """Plate and ends of one thick board, folded down like a waterfall."""
    b = MeshBuilder()
    top, _ = _materials(b, rng)
    t = rng.uniform(0.04, 0.08)
    b.box((0, 0, h - t / 2), (w, d, t), top)
    for x in (-1, 1):
        b.box((x * (w - t) / 2, 0, (h - t) / 2), (t, d, h - t), top)
    if rng.random() < 0.5:
        b.box((0, 0, h * 0.35), (w - t, d * 0.9, 0.02), top)
    return b.build()


def drop_leaf_table(rng: np.random.Generator, w: float, d: float, h: float) -> Mesh:
    """Gate legs; leaves with rounded ends, one of them perhaps hanging down."""
    b = MeshBuilder()
    top, leg = _materials(b, rng)
    core = w * 0.4
    four_legs(b, core, d * 0.8, h - 0.03, 0.05, leg)
    for y in (-1, 1):
        b.box((0, y * d * 0.38, 0.18), (core, 0.04, 0.04), leg)
    b.box((0, 0, h - 0.0125), (core, d, 0.025), top)
    angle = np.linspace(-np.pi / 2, np.pi / 2, 13)
    reach = (w - core) / 2
    for side in (-1, 1):
        outline = np.stack([reach * np.cos(angle), d / 2 * np.sin(angle)], axis=-1)
        if rng.random() < 0.35:  # hangs down
            outline = np.stack([outline[:, 1], h - 0.02 - outline[:, 0]], axis=-1)
            low, high = sorted((side * core / 2, side * (core / 2 + 0.022)))
            b.prism(outline, low, high, top, axis=0)
        else:
            b.prism(outline * (side, 1) + (side * core / 2, 0), h - 0.025, h, top)
            b.bar((side * core / 2, 0, h * 0.5), (side * (core / 2 + reach * 0.6), 0, h * 0.5), 0.04, leg)
            foot = side * (core / 2 + reach * 0.6)
            b.bar((foot, 0, 0), (foot, 0, h - 0.02), 0.045, leg)
            b.bar((side * core / 2, -d * 0.4, h * 0.5), (side * core / 2, d * 0.4, h * 0.5), 0.04, leg)
    return b.build().grounded()


def hourglass_table(rng: np.random.Generator, w: float, d: float, h: float) -> Mesh:
    """A turned body, waisted in the middle."""
    b = MeshBuilder()
    top, body = _materials(b, rng)
    disc(b, (0, 0, h - 0.03), (w / 2, d / 2), 0.03, top)
    z = np.linspace(0.0, h - 0.02, 9)
    r = 0.3 + 0.38 * (2 * z / h - 1) ** 2
    b.loft(list(zip(r, z)), (0, 0, 0), body, (d * 0.55, d * 0.55))
    return b.build().grounded()


def _pedestal(b: MeshBuilder, h: float, reach: float, material: int) -> None:
    b.loft([(2.2, 0.0), (1.0, 0.06), (1.0, h - 0.08), (2.0, h)], (0, 0, 0), material, (0.05, 0.05))
    b.cylinder((0, 0, 0), reach * 0.28, 0.03, material, segments=20)


# --- low tables ------------------------------------------------------------------------------------


def shelf_table(rng: np.random.Generator, w: float, d: float, h: float) -> Mesh:
    """A second board under the top."""
    b = MeshBuilder()
    top, leg = _materials(b, rng)
    b.box((0, 0, h - 0.015), (w, d, 0.03), top)
    four_legs(b, w, d, h - 0.02, 0.05, leg)
    b.box((0, 0, h * 0.3), (w - 0.05, d - 0.05, 0.02), top)
    return b.build()


def glass_table(rng: np.random.Generator, w: float, d: float, h: float) -> Mesh:
    """A pane on a metal frame, which a depth camera hardly sees."""
    b = MeshBuilder()
    frame, pane = b.material(mat.metal(rng)), b.material(mat.pane(rng))
    four_legs(b, w, d, h - 0.01, 0.035, frame)
    for x in (-1, 1):
        b.box((x * (w - 0.035) / 2, 0, h - 0.02), (0.035, d, 0.03), frame)
    for y in (-1, 1):
        b.box((0, y * (d - 0.035) / 2, h - 0.02), (w, 0.035, 0.03), frame)
    b.box((0, 0, h - 0.005), (w, d, 0.01), pane)
    return b.build()


def block_table(rng: np.random.Generator, w: float, d: float, h: float) -> Mesh:
    """A cube, a drum or a chest to put things on."""
    b = MeshBuilder()
    body, _ = _materials(b, rng)
    if rng.random() < 0.4:
        b.cylinder((0, 0, 0), d / 2, h, body, segments=24)
    else:
        b.block((-w / 2, -d / 2, 0), (w / 2, d / 2, h), body)
        for y in (-1, 1):
            b.box((0, y * d / 2, h * 0.72), (w, 0.012, 0.012), body)
    return b.build().grounded()


def nesting_tables(rng: np.random.Generator, w: float, d: float, h: float) -> Mesh:
    """Smaller ones half under the largest, touching it."""
    b = MeshBuilder()
    top, leg = _materials(b, rng)
    for k in range(int(rng.integers(2, 4))):
        scale, lower = 1.0 - 0.2 * k, h - 0.028 * k
        y = -0.12 * k * d
        b.box((0, y, lower - 0.0125), (w * scale, d * scale, 0.025), top)
        for x in (-1, 1):
            b.box((x * (w * scale / 2 - 0.02), y, lower / 2), (0.035, d * scale * 0.95, lower - 0.02), leg)
    b.box((0, d * 0.3, h * 0.3), (w, 0.02, 0.05), leg)
    return b.build().grounded()


# --- meeting tables --------------------------------------------------------------------------------


def boat_table(rng: np.random.Generator, w: float, d: float, h: float) -> Mesh:
    """Bulging sides, on two columns."""
    b = MeshBuilder()
    top, leg = _materials(b, rng)
    x = np.linspace(-w / 2, w / 2, 13)
    bulge = d / 2 * (1.0 - 0.3 * (2 * x / w) ** 2)
    b.prism([*zip(x, -bulge), *zip(x[::-1], bulge[::-1])], h - 0.035, h, top)
    for side in (-w * 0.28, w * 0.28):
        b.box((side, 0, h / 2), (0.12, d * 0.45, h - 0.03), leg)
        b.box((side, 0, 0.02), (0.3, d * 0.55, 0.04), leg)
    b.box((0, 0, h * 0.6), (w * 0.56, 0.03, 0.25), leg)
    return b.build()


def joined_tables(rng: np.random.Generator, w: float, d: float, h: float) -> Mesh:
    """Equal tables pushed together to one."""
    b = MeshBuilder()
    top, leg = b.material(mat.laminate(rng)), b.material(mat.metal(rng))
    count = max(2, round(w / 1.3))
    each = w / count
    for k in range(count):
        x = -w / 2 + each * (k + 0.5)
        b.box((x, 0, h - 0.0125), (each - 0.004, d, 0.025), top)
        for dx in (-1, 1):
            for y in (-1, 1):
                b.box(
                    (x + dx * (each / 2 - 0.06), y * (d / 2 - 0.06), h / 2 - 0.01),
                    (0.04, 0.04, h - 0.02),
                    leg,
                )
    return b.build().grounded()


def racetrack_table(rng: np.random.Generator, w: float, d: float, h: float) -> Mesh:
    """Straight sides and round ends on panel feet, with a box for cables on top."""
    b = MeshBuilder()
    top, leg = _materials(b, rng)
    angle = np.linspace(-np.pi / 2, np.pi / 2, 11)
    end = np.stack([(w - d) / 2 + d / 2 * np.cos(angle), d / 2 * np.sin(angle)], axis=-1)
    b.prism([*end, *(-end)], h - 0.04, h, top)
    for side in (-1, 1):
        b.arc(
            (side * (w - d) / 2, 0),
            (d * 0.3, d * 0.3),
            (-1.2, 1.2) if side > 0 else (1.9, 4.3),
            0.0,
            h - 0.03,
            0.04,
            leg,
        )
    b.box((0, 0, h / 2), (w - d * 0.9, 0.04, h - 0.06), leg)
    b.box((0, 0, h + 0.01), (w * 0.2, 0.14, 0.02), leg)
    return b.build().grounded()


# --- desks -----------------------------------------------------------------------------------------


def _desk_size(rng: np.random.Generator) -> tuple[float, float, float]:
    return rng.uniform(1.0, 1.8), rng.uniform(0.55, 0.85), rng.uniform(0.7, 0.77)


def panel_desk(rng: np.random.Generator) -> Mesh:
    """Closed ends, mostly a modesty panel."""
    w, d, h = _desk_size(rng)
    b = MeshBuilder()
    top = b.material(mat.wood(rng) if rng.random() < 0.5 else mat.laminate(rng))
    b.box((0, 0, h - 0.015), (w, d, 0.03), top)
    for x in (-1, 1):
        b.box((x * (w / 2 - 0.015), 0, (h - 0.03) / 2), (0.03, d - 0.04, h - 0.03), top)
    if rng.random() < 0.75:
        b.block((-w / 2 + 0.02, d / 2 - 0.06, h - 0.45), (w / 2 - 0.02, d / 2 - 0.045, h - 0.02), top)
    if rng.random() < 0.3:
        b.block((-w / 2 + 0.03, -d / 2 + 0.03, h - 0.14), (w / 2 - 0.03, d / 2 - 0.05, h - 0.03), top)
        fronts(b, rng, -w / 2 + 0.03, w / 2 - 0.03, h - 0.14, h - 0.03, -d / 2 + 0.03, top, rows=1)
    return b.build()


def pedestal_desk(rng: np.random.Generator) -> Mesh:
    """Drawers on one or both sides."""
    w, d, h = _desk_size(rng)
    b = MeshBuilder()
    top = b.material(mat.wood(rng) if rng.random() < 0.65 else mat.laminate(rng))
    b.box((0, 0, h - 0.015), (w, d, 0.03), top)
    both, first = rng.random() < 0.4 and w > 1.3, pick(rng, (-1, 1))
    for x in (first, -first):
        if x == first or both:
            x0 = x * (w / 2 - 0.21)
            b.block((x0 - 0.2, -d / 2 + 0.05, 0.02), (x0 + 0.2, d / 2 - 0.03, h - 0.03), top)
            fronts(
                b, rng, x0 - 0.2, x0 + 0.2, 0.04, h - 0.04, -d / 2 + 0.05, top, rows=int(rng.integers(1, 5))
            )
        else:
            b.box((x * (w / 2 - 0.02), 0, (h - 0.03) / 2), (0.035, d - 0.04, h - 0.03), top)
    if rng.random() < 0.6:
        b.block((-w / 2 + 0.05, d / 2 - 0.06, h - 0.4), (w / 2 - 0.05, d / 2 - 0.045, h - 0.03), top)
    return b.build().grounded()


def legged_desk(rng: np.random.Generator) -> Mesh:
    """A plain plate on four legs, perhaps with a drawer or a container under it."""
    w, d, h = _desk_size(rng)
    b = MeshBuilder()
    top, leg = _materials(b, rng)
    b.box((0, 0, h - 0.0125), (w, d, 0.025), top)
    four_legs(b, w - 0.04, d - 0.04, h - 0.02, rng.uniform(0.035, 0.06), leg)
    for y in (-1, 1):
        b.box((0, y * (d / 2 - 0.04), h - 0.05), (w - 0.1, 0.025, 0.05), leg)
    if rng.random() < 0.4:
        x = pick(rng, (-1, 1)) * (w / 2 - 0.3)
        b.block((x - 0.21, -d / 2 + 0.08, 0.06), (x + 0.21, d / 2 - 0.06, h - 0.02), top)
        fronts(b, rng, x - 0.21, x + 0.21, 0.08, h - 0.05, -d / 2 + 0.08, top, rows=3)
    return b.build()


def lift_desk(rng: np.random.Generator) -> Mesh:
    """Two telescopic columns on long feet, at sitting or standing height."""
    w, d, h = (
        rng.uniform(1.2, 1.8),
        rng.uniform(0.65, 0.82),
        pick(rng, (rng.uniform(0.68, 0.78), rng.uniform(0.95, 1.15)), [0.8, 0.2]),
    )
    b = MeshBuilder()
    top, leg = (
        b.material(mat.wood(rng) if rng.random() < 0.5 else mat.laminate(rng)),
        b.material(mat.metal(rng)),
    )
    b.box((0, 0, h - 0.0125), (w, d, 0.025), top)
    for x in (-1, 1):
        side = x * (w / 2 - 0.2)
        b.box((side, 0.05, h / 2), (0.08, 0.06, h - 0.02), leg)
        b.box((side, 0, 0.02), (0.08, d - 0.08, 0.04), leg)
        b.box((side, 0, h - 0.04), (0.06, d - 0.1, 0.04), leg)
    b.box((0, 0.05, h - 0.06), (w - 0.4, 0.05, 0.06), leg)
    return b.build().grounded()


def corner_desk(rng: np.random.Generator) -> Mesh:
    """An L: a return on one side."""
    w, d, h = rng.uniform(1.4, 1.9), rng.uniform(0.6, 0.75), rng.uniform(0.71, 0.76)
    b = MeshBuilder()
    top = b.material(mat.wood(rng) if rng.random() < 0.5 else mat.laminate(rng))
    leg = top if rng.random() < 0.5 else b.material(mat.metal(rng))
    side, reach, wide = pick(rng, (-1, 1)), rng.uniform(0.5, 0.9), rng.uniform(0.45, 0.65)
    b.box((0, 0, h - 0.015), (w, d, 0.03), top)
    x = side * (w - wide) / 2
    b.box((x, -d / 2 - reach / 2, h - 0.015), (wide, reach + 0.002, 0.03), top)
    for px, py in ((-side * (w / 2 - 0.03), 0), (side * (w / 2 - 0.03), 0)):
        b.box((px, py, (h - 0.03) / 2), (0.04, d - 0.06, h - 0.02), leg)
    b.box((x, -d / 2 - reach + 0.03, (h - 0.03) / 2), (wide - 0.06, 0.04, h - 0.02), leg)
    b.block((-w / 2 + 0.02, d / 2 - 0.06, h - 0.4), (w / 2 - 0.02, d / 2 - 0.045, h - 0.02), top)
    return b.build().grounded()


def hutch_desk(rng: np.random.Generator) -> Mesh:
    """A desk with compartments standing on its rear edge."""
    w, d, h = rng.uniform(0.9, 1.4), rng.uniform(0.55, 0.7), 0.74
    b = MeshBuilder()
    body = b.material(mat.wood_or_paint(rng))
    b.box((0, 0, h - 0.015), (w, d, 0.03), body)
    for x in (-1, 1):
        b.box((x * (w / 2 - 0.015), 0, (h - 0.03) / 2), (0.03, d - 0.03, h - 0.02), body)
    b.block((-w / 2 + 0.02, d / 2 - 0.04, 0.2), (w / 2 - 0.02, d / 2 - 0.025, h - 0.02), body)
    top, deep = h + rng.uniform(0.35, 0.65), 0.24
    b.block((-w / 2, d / 2 - 0.012, h), (w / 2, d / 2, top), body)
    for x in np.linspace(-w / 2 + 0.01, w / 2 - 0.01, int(rng.integers(3, 5))):
        b.box((x, d / 2 - deep / 2, (h + top) / 2), (0.02, deep, top - h), body)
    for z in (top - 0.01, (h + top) / 2):
        b.box((0, d / 2 - deep / 2, z), (w, deep, 0.02), body)
    return b.build().grounded()


def secretary_desk(rng: np.random.Generator) -> Mesh:
    """A tall case with a flap let down to write on."""
    w, d, h = rng.uniform(0.7, 1.0), rng.uniform(0.36, 0.45), rng.uniform(1.05, 1.4)
    b = MeshBuilder()
    body = b.material(mat.wood(rng, axis=2) if rng.random() < 0.8 else mat.painted(rng))
    carcass(b, w, d, 0.0, h, body)
    b.box((0, 0, 0.72), (w, d, 0.025), body)
    for z in (0.86, 1.0):
        if z < h - 0.05:
            b.box((0, 0.05, z), (w, d - 0.12, 0.015), body)
    for x in np.linspace(-w / 4, w / 4, 3):
        b.box((x, 0.05, (0.72 + h) / 2), (0.012, d - 0.12, h - 0.74), body)
    fronts(b, rng, -w / 2, w / 2, 0.06, 0.7, -d / 2 + 0.01, body, rows=int(rng.integers(2, 4)))
    reach = rng.uniform(0.3, 0.42)
    b.block((-w / 2 + 0.01, -d / 2 - reach, 0.71), (w / 2 - 0.01, -d / 2 + 0.02, 0.733), body)
    return b.build().grounded()


def trestle_desk(rng: np.random.Generator) -> Mesh:
    """A plate laid on two A-shaped trestles with a low shelf."""
    w, d, h = rng.uniform(1.2, 1.9), rng.uniform(0.65, 0.85), rng.uniform(0.71, 0.76)
    b = MeshBuilder()
    top, leg = (
        b.material(mat.wood(rng) if rng.random() < 0.5 else mat.pane(rng)),
        b.material(mat.wood_or_paint(rng)),
    )
    b.box((0, 0, h - 0.0125), (w, d, 0.025), top)
    for x in (-1, 1):
        mid = x * (w / 2 - 0.3)
        for dx in (-0.16, 0.16):
            for y in (-1, 1):
                b.bar(
                    (mid + dx, y * (d / 2 - 0.06), 0),
                    (mid + dx * 0.3, y * (d / 2 - 0.1), h - 0.03),
                    0.035,
                    leg,
                )
        b.box((mid, 0, h - 0.04), (0.12, d - 0.1, 0.035), leg)
        b.box((mid, 0, 0.22), (0.28, d - 0.16, 0.02), leg)
    return b.build().grounded()


# --- desks for rows: plain rectangles of a given size ------------------------------------------------


def bench_desk(rng: np.random.Generator, w: float, d: float, h: float) -> Mesh:
    """A plate on closed metal frames, a tray for cables under it."""
    b = MeshBuilder()
    top, leg = (
        b.material(mat.laminate(rng)),
        b.material(mat.metal(rng) if rng.random() < 0.6 else mat.painted(rng)),
    )
    b.box((0, 0, h - 0.0125), (w, d, 0.025), top)
    for x in (-w / 2 + 0.04, w / 2 - 0.04):
        for y in (-1, 1):
            b.box((x, y * (d / 2 - 0.05), (h - 0.02) / 2), (0.05, 0.05, h - 0.02), leg)
        b.box((x, 0, h - 0.045), (0.05, d - 0.1, 0.04), leg)
    b.block((-w / 2 + 0.05, d / 2 - 0.16, h - 0.12), (w / 2 - 0.05, d / 2 - 0.05, h - 0.02), leg)
    return b.build().grounded()


def cheek_desk(rng: np.random.Generator, w: float, d: float, h: float) -> Mesh:
    """Boards at both ends and a screen before the knees."""
    b = MeshBuilder()
    top = b.material(mat.laminate(rng) if rng.random() < 0.7 else mat.wood(rng))
    b.box((0, 0, h - 0.0125), (w, d, 0.025), top)
    for x in (-1, 1):
        b.box((x * (w / 2 - 0.0125), 0, (h - 0.02) / 2), (0.025, d - 0.02, h - 0.02), top)
    b.block(
        (-w / 2 + 0.02, d / 2 - 0.06, h * rng.uniform(0.1, 0.6)), (w / 2 - 0.02, d / 2 - 0.04, h - 0.02), top
    )
    return b.build().grounded()


def column_desk(rng: np.random.Generator, w: float, d: float, h: float) -> Mesh:
    """Two columns on long feet; the plate's front edge may be hollowed for the body."""
    b = MeshBuilder()
    top, leg = b.material(mat.laminate(rng)), b.material(mat.metal(rng))
    x = np.linspace(-w / 2, w / 2, 13)
    front = -d / 2 + 0.08 * np.cos(np.pi * x / w) ** 2 * rng.random()
    b.prism([*zip(x, front), (w / 2, d / 2), (-w / 2, d / 2)], h - 0.025, h, top)
    for side in (-w / 2 + 0.14, w / 2 - 0.14):
        b.box((side, 0.05, h / 2), (0.08, 0.07, h - 0.03), leg)
        b.box((side, 0, 0.02), (0.07, d - 0.1, 0.04), leg)
        b.box((side, 0, h - 0.045), (0.06, d - 0.12, 0.04), leg)
    b.box((0, 0.05, h - 0.06), (w - 0.28, 0.05, 0.05), leg)
    return b.build().grounded()
