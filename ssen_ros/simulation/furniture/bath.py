"""Washbasins, toilets, bathtubs; the wall is towards +y."""

import numpy as np

from ssen_ros.simulation import materials as mat
from ssen_ros.simulation.furniture.kitchen import basin, tap, without_lid
from ssen_ros.simulation.furniture.parts import Part, four_legs, pick
from ssen_ros.simulation.furniture.storage import cabinet_body
from ssen_ros.simulation.materials import Material
from ssen_ros.simulation.mesh import Mesh, MeshBuilder

# --- washbasins: fixtures of one or two objects -----------------------------------------------------


def pedestal_sink(rng: np.random.Generator) -> tuple[Part, ...]:
    w, d, h, b, bowl = _bowl(rng)
    _hanging_bowl(b, w, d, h, bowl, pick(rng, (2.3, 3.5)))
    b.loft([(1.3, 0.0), (1.0, 0.05), (0.8, 0.4), (1.1, h - 0.1)], (0, d * 0.12, 0), bowl, (0.085, 0.085))
    tap(b, rng, 0.0, d / 2 - 0.05, h, 0.12)
    return (Part("sink", b.build()),)


def wall_sink(rng: np.random.Generator) -> tuple[Part, ...]:
    w, d, h, b, bowl = _bowl(rng)
    _hanging_bowl(b, w, d, h, bowl, pick(rng, (2.5, 4.0, 8.0)))
    if rng.random() < 0.5:
        b.pipe([(0, 0, h - 0.12), (0, 0, h - 0.3), (0, d / 2, h - 0.3)], 0.035, b.material(mat.metal(rng)))
    tap(b, rng, 0.0, d / 2 - 0.05, h, 0.12)
    return (Part("sink", b.build()),)


def vanity(rng: np.random.Generator) -> tuple[Part, ...]:
    """A cabinet with a wide flat basin lying on all of it."""
    w, d, h = rng.uniform(0.5, 1.3), rng.uniform(0.44, 0.54), rng.uniform(0.72, 0.86)
    base = cabinet_body(rng, w, d, h, plinth=pick(rng, (0.08, 0.25)))
    b = MeshBuilder()
    bowl = b.material(mat.ceramic(rng))
    b.loft([(0.98, h), (1.0, h + 0.05), (0.92, h + 0.05)], (0, -0.01, 0), bowl, (w / 2 + 0.01, d / 2), 20, 32)
    bw = min(w * 0.85, 0.6)
    for x in (-1, 1):
        x0, x1 = sorted((x * bw / 2 * 0.95, x * w / 2))
        b.block((x0, -d / 2, h + 0.03), (x1, d / 2 - 0.01, h + 0.05), bowl)
    b.block((-w / 2, d / 2 - 0.12, h + 0.03), (w / 2, d / 2 - 0.01, h + 0.05), bowl)
    b.block((-w / 2, -d / 2 - 0.01, h + 0.03), (w / 2, -d / 2 + 0.05, h + 0.05), bowl)
    basin(b, (0, -0.04, h + 0.05), bw, d - 0.16, 0.045, bowl, 5.0)
    tap(b, rng, 0.0, d / 2 - 0.06, h + 0.05, 0.12)
    return (Part("cabinet", base), Part("sink", b.build()))


def vessel_vanity(rng: np.random.Generator) -> tuple[Part, ...]:
    """A bowl standing on a cabinet."""
    w, d, h = rng.uniform(0.55, 1.3), rng.uniform(0.44, 0.54), rng.uniform(0.68, 0.8)
    base = cabinet_body(rng, w, d, h, plinth=pick(rng, (0.08, 0.25)))
    b = MeshBuilder()
    bowl = b.material(mat.ceramic(rng))
    bw, bd = min(w * 0.8, rng.uniform(0.42, 0.6)), rng.uniform(0.3, d - 0.1)
    rim, squareness = h + rng.uniform(0.1, 0.16), pick(rng, (2.0, 3.0, 8.0))
    b.loft([(0.7, h), (1.0, rim)], (0, -0.03, 0), bowl, (bw / 2, bd / 2), squareness=squareness, segments=24)
    basin(b, (0, -0.03, rim - 0.012), bw * 0.94, bd * 0.94, rim - h - 0.015, bowl, squareness)
    tap(b, rng, 0.0, d / 2 - 0.05, h, 0.12)
    return (Part("cabinet", base), Part("sink", b.build()))


def counter_vanity(rng: np.random.Generator) -> tuple[Part, ...]:
    """One or two basins let into a long worktop over cabinets."""
    return _built_in_basins(rng, int(rng.integers(1, 3)), rng.uniform(0.05, 0.12), 0.0)


def floating_counter(rng: np.random.Generator) -> tuple[Part, ...]:
    """A thick board on the wall with a low rail, nothing but the basins in it."""
    return _built_in_basins(rng, 1, 0.0, rng.uniform(0.1, 0.16))


def _built_in_basins(rng: np.random.Generator, count: int, splash: float, apron: float) -> tuple[Part, ...]:
    w, d, h = rng.uniform(0.8, 1.1) * (1 + 0.5 * (count - 1)), rng.uniform(0.5, 0.58), rng.uniform(0.78, 0.88)
    b = MeshBuilder()
    top, bowl = b.material(mat.worktop(rng)), mat.ceramic(rng)
    each, bw, bd, t = w / count, rng.uniform(0.38, 0.46), 0.3, max(0.035, apron)
    basins = []
    for k in range(count):
        x = -w / 2 + each * (k + 0.5)
        for x0, x1 in ((x - each / 2, x - bw / 2), (x + bw / 2, x + each / 2)):
            b.block((x0, -d / 2, h - t), (x1, d / 2, h), top)
        b.block((x - bw / 2, -d / 2, h - t), (x + bw / 2, -0.03 - bd / 2, h), top)
        b.block((x - bw / 2, bd / 2 - 0.03, h - t), (x + bw / 2, d / 2, h), top)
        hung = MeshBuilder()
        basin(hung, (0, 0, 0), bw * 1.04, bd * 1.06, 0.13, hung.material(bowl), pick(rng, (2.3, 6.0)))
        tap(hung, rng, 0.0, bd / 2 + 0.05, 0.0, 0.12)
        basins.append(Part("sink", hung.build(), (x, -0.03, h)))
    if splash:
        b.block((-w / 2, d / 2 - 0.015, h), (w / 2, d / 2, h + splash), top)
    counter = Part("counter", b.build())
    if apron:
        return (counter, *basins)
    base = cabinet_body(rng, w - 0.02, d - 0.04, h - t, plinth=pick(rng, (0.08, 0.25)))
    lidless = without_lid(base, base.upper[2])
    return (Part("cabinet", lidless, (0, 0.02, 0)), counter, *basins)


def console_sink(rng: np.random.Generator) -> tuple[Part, ...]:
    """A broad basin on a metal or wooden frame with a towel bar."""
    w, d, h = rng.uniform(0.6, 1.0), rng.uniform(0.42, 0.5), rng.uniform(0.8, 0.88)
    b = MeshBuilder()
    bowl, leg = b.material(mat.ceramic(rng)), b.material(mat.metal(rng))
    four_legs(b, w - 0.04, d - 0.04, h - 0.08, 0.035, leg)
    b.loft([(0.9, h - 0.1), (1.0, h - 0.08), (1.0, h)], (0, 0, 0), bowl, (w / 2, d / 2), 14, 32)
    basin(b, (0, -0.02, h - 0.01), w * 0.9, d * 0.82, 0.1, bowl, 6.0)
    b.block((-w / 2, d / 2 - 0.05, h - 0.015), (w / 2, d / 2, h + 0.04), bowl)
    b.bar((-w / 2 + 0.03, -d / 2 + 0.03, h * 0.6), (w / 2 - 0.03, -d / 2 + 0.03, h * 0.6), 0.022, leg)
    tap(b, rng, 0.0, d / 2 - 0.06, h, 0.14)
    return (Part("sink", b.build()),)


def trough_sink(rng: np.random.Generator) -> tuple[Part, ...]:
    """A long rectangular trough on a low cabinet, with two taps."""
    w, d, h = rng.uniform(0.8, 1.3), rng.uniform(0.42, 0.5), rng.uniform(0.62, 0.72)
    base = cabinet_body(rng, w * 0.96, d - 0.04, h)
    b = MeshBuilder()
    bowl = b.material(mat.ceramic(rng))
    b.loft(
        [(0.96, h), (1.0, h + 0.15), (0.95, h + 0.15), (0.9, h + 0.02), (0.0, h + 0.015)],
        (0, -0.02, 0),
        bowl,
        (w / 2, d / 2 - 0.02),
        24,
        40,
    )
    for x in (-w / 4, w / 4):
        tap(b, rng, x, d / 2 - 0.045, h + 0.14, 0.14)
    return (Part("cabinet", base), Part("sink", b.build()))


def _bowl(rng: np.random.Generator) -> tuple[float, float, float, MeshBuilder, int]:
    w, d, h = rng.uniform(0.42, 0.65), rng.uniform(0.36, 0.5), rng.uniform(0.78, 0.88)
    b = MeshBuilder()
    return w, d, h, b, b.material(mat.ceramic(rng))


def _hanging_bowl(b: MeshBuilder, w: float, d: float, h: float, bowl: int, squareness: float) -> None:
    outside = [(0.35, h - 0.2), (0.8, h - 0.14), (1.0, h - 0.03), (1.0, h), (0.86, h)]
    b.loft(outside, (0, 0, 0), bowl, (w / 2, d / 2), squareness, 24)
    basin(b, (0, -0.02, h - 0.012), w * 0.86, d * 0.78, 0.13, bowl, squareness)


# --- toilets ---------------------------------------------------------------------------------------


def _pan(b: MeshBuilder, rng: np.random.Generator, squareness: float = 2.4, foot: float = 0.6) -> tuple:
    """Pan and seat, its lid shut or up; returns its sizes, the china and the seat's material."""
    china = b.material(mat.ceramic(rng))
    seat = china if rng.random() < 0.65 else b.material(mat.wood_or_paint(rng, 0.3))
    w, d, h = rng.uniform(0.35, 0.4), rng.uniform(0.46, 0.54), rng.uniform(0.38, 0.43)
    low = 0.0 if foot else 0.12
    profile = [(foot or 0.5, low), ((foot or 0.5) - 0.05, low + 0.12), (0.8, h - 0.12), (1.0, h)]
    b.loft(profile, (0, -0.1, 0), china, (w / 2, d / 2), squareness, 20, (0, -0.05))
    at = (0, -0.1 - 0.05 * h, 0)
    if rng.random() < 0.5:
        b.loft(
            [(1.02, h - 0.01), (1.02, h + 0.025), (0.0, h + 0.03)], at, seat, (w / 2, d / 2), squareness, 20
        )
    else:
        inside = [(1.02, h - 0.01), (1.02, h + 0.02), (0.7, h + 0.02), (0.55, h - 0.05), (0.1, h - 0.2)]
        b.loft(inside, at, seat, (w / 2, d / 2), squareness, 20)
        b.cushion((0, d / 2 - 0.14, h + 0.2), (w, 0.04, 0.42), seat, tilt=-0.1, squareness=3)
    return w, d, h, china


def close_coupled_toilet(rng: np.random.Generator) -> Mesh:
    """The cistern stands on the pan."""
    b = MeshBuilder()
    w, d, h, china = _pan(b, rng)
    b.cushion((0, d / 2 - 0.02, h + 0.18), (rng.uniform(0.36, 0.46), 0.18, 0.38), china, squareness=9)
    b.block((-0.12, d / 2 - 0.2, 0.05), (0.12, d / 2 + 0.05, h), china)
    return b.build().grounded()


def wall_hung_toilet(rng: np.random.Generator) -> Mesh:
    """Nothing touches the floor; the cistern is behind a low ledge."""
    b = MeshBuilder()
    w, d, h, china = _pan(b, rng, foot=0.0)
    b.block((-0.14, d / 2 - 0.25, 0.15), (0.14, d / 2 + 0.02, h), china)
    ledge = b.material(Material(mat.white_color(rng)))
    b.block((-0.45, d / 2, 0.0), (0.45, d / 2 + 0.12, rng.uniform(0.9, 1.15)), ledge)
    b.box((0, d / 2 - 0.005, 0.85), (0.24, 0.02, 0.16), b.material(mat.metal(rng)))
    return b.build().grounded()


def standing_toilet(rng: np.random.Generator) -> Mesh:
    """A pan on the floor whose cistern hangs on the wall above."""
    b = MeshBuilder()
    w, d, h, china = _pan(b, rng, foot=0.65)
    b.block((-0.11, d / 2 - 0.22, 0.0), (0.11, d / 2 + 0.04, h), china)
    z = rng.uniform(0.62, 0.8)
    b.block((-0.22, d / 2 - 0.1, z), (0.22, d / 2 + 0.05, z + 0.34), china)
    b.bar((0, d / 2, h - 0.05), (0, d / 2, z + 0.02), 0.045, china)
    return b.build().grounded()


def square_toilet(rng: np.random.Generator) -> Mesh:
    """A block: straight sides down to the floor."""
    b = MeshBuilder()
    w, d, h, china = _pan(b, rng, squareness=7.0, foot=0.9)
    b.block((-w / 2, d / 2 - 0.22, 0.0), (w / 2, d / 2 + 0.06, h), china)
    b.block((-w / 2, d / 2 - 0.12, h - 0.01), (w / 2, d / 2 + 0.06, h + rng.uniform(0.34, 0.45)), china)
    return b.build().grounded()


def high_tank_toilet(rng: np.random.Generator) -> Mesh:
    """The cistern high on the wall, a pipe down to the pan."""
    b = MeshBuilder()
    w, d, h, china = _pan(b, rng)
    pipe = b.material(mat.metal(rng))
    b.block((-0.1, d / 2 - 0.22, 0.0), (0.1, d / 2 + 0.02, h), china)
    b.block((-0.24, d / 2 - 0.14, 1.55), (0.24, d / 2 + 0.04, 1.85), china)
    b.bar((0, d / 2 - 0.02, h - 0.05), (0, d / 2 - 0.02, 1.57), 0.04, pipe)
    return b.build().grounded()


# --- bathtubs --------------------------------------------------------------------------------------


def _tub_size(rng: np.random.Generator) -> tuple[float, float, float]:
    return rng.uniform(1.4, 1.8), rng.uniform(0.68, 0.85), rng.uniform(0.45, 0.62)


def built_in_tub(rng: np.random.Generator) -> Mesh:
    """An apron all round, sometimes tiled."""
    w, d, h = _tub_size(rng)
    b = MeshBuilder()
    tub = b.material(mat.ceramic(rng))
    apron = b.material(mat.wall_material(rng, wet=True)) if rng.random() < 0.4 else tub
    _apron(b, w, d, h, apron)
    _rim(b, w, d, h, tub, 0.88, 0.82)
    basin(b, (0, 0, h - 0.008), w * 0.88, d * 0.82, h * 0.78, tub, pick(rng, (3.0, 4.0, 8.0)))
    tap(b, rng, -w / 2 + 0.1, d / 2 - 0.04, h, 0.12)
    return b.build()


def oval_tub(rng: np.random.Generator) -> Mesh:
    """Stands free."""
    w, d, h = _tub_size(rng)
    b = MeshBuilder()
    tub = b.material(mat.ceramic(rng))
    b.loft([(0.75, 0.0), (0.9, 0.25), (1.0, h), (0.93, h)], (0, 0, 0), tub, (w / 2, d / 2), 2.4, 32)
    basin(b, (0, 0, h - 0.012), w * 0.93, d * 0.92, h * 0.75, tub, 2.4)
    return b.build()


def ledge_tub(rng: np.random.Generator) -> Mesh:
    """Let into a tiled platform with a broad ledge behind."""
    w, d, h = _tub_size(rng)
    b = MeshBuilder()
    tub, tiles = b.material(mat.ceramic(rng)), b.material(mat.wall_material(rng, wet=True))
    ledge = rng.uniform(0.12, 0.25)
    _apron(b, w, d, h, tiles)
    b.block((-w / 2, d / 2 - 0.01, 0), (w / 2, d / 2 + ledge, h), tiles)
    _rim(b, w, d, h, tub, 0.86, 0.84)
    basin(b, (0, 0, h - 0.008), w * 0.86, d * 0.84, h * 0.75, tub, 5.0)
    tap(b, rng, 0.0, d / 2 + 0.02, h, 0.12)
    return b.build().grounded()


def slipper_tub(rng: np.random.Generator) -> Mesh:
    """One end raised, on four feet."""
    w, d, h = _tub_size(rng)
    b = MeshBuilder()
    tub, foot = b.material(mat.ceramic(rng)), b.material(mat.metal(rng))
    rise = rng.uniform(0.12, 0.22)
    angle = np.linspace(0, 2 * np.pi, 33)
    unit = np.stack([w / 2 * np.cos(angle), d / 2 * np.sin(angle)], axis=-1)
    edge = h + rise * (0.5 + 0.5 * np.cos(angle)) ** 2
    rings = []
    for scale, level in (
        (0.0, 0.14),
        (0.6, 0.15),
        (0.88, 0.3),
        (1.0, 1.0),
        (0.93, 1.0),
        (0.8, 0.35),
        (0.0, 0.2),
    ):
        rings.append(
            np.column_stack([unit * scale, edge * level if level > 0.9 else np.full(33, level * h / 0.5)])
        )
    b.grid(np.stack(rings), tub)
    for x in (-1, 1):
        for y in (-1, 1):
            b.bar((x * w * 0.26, y * d * 0.26, 0.0), (x * w * 0.24, y * d * 0.22, 0.2 * h / 0.5), 0.06, foot)
    return b.build().grounded()


def corner_tub(rng: np.random.Generator) -> Mesh:
    """A quarter round with a bowed front."""
    w, h = rng.uniform(1.25, 1.5), rng.uniform(0.48, 0.6)
    b = MeshBuilder()
    tub = b.material(mat.ceramic(rng))
    angle = np.linspace(np.pi, 1.5 * np.pi, 13)
    bow = np.stack([w / 2 + w * np.cos(angle), w / 2 + w * np.sin(angle)], axis=-1)
    outline = np.vstack([bow, [(w / 2, w / 2)]])
    closed = np.vstack([outline, outline[:1]])
    middle = closed[:-1].mean(axis=0) + 0.04 * w
    inner = middle + 0.82 * (closed - middle)
    rings = [np.column_stack([ring, np.full(len(ring), z)]) for ring, z in (
        (closed, 0.0), (closed, h), (inner, h),
        (middle + 0.9 * (inner - middle), h * 0.35), (0 * inner + middle, h * 0.3),
    )]  # fmt: skip
    b.grid(np.stack(rings), tub)
    tap(b, rng, w / 2 - 0.2, w / 2 - 0.08, h, 0.12)
    return b.build().grounded()


def _apron(b: MeshBuilder, w: float, d: float, h: float, material: int) -> None:
    for y in (-1, 1):
        b.box((0, y * (d / 2 - 0.01), h / 2), (w, 0.02, h), material)
    for x in (-1, 1):
        b.box((x * (w / 2 - 0.01), 0, h / 2), (0.02, d, h), material)


def _rim(b: MeshBuilder, w: float, d: float, h: float, material: int, across: float, along: float) -> None:
    """The flat edge between a rectangular tub and its rounded basin, of those shares of w and d."""
    for side in (-1, 1):
        y0, y1 = sorted((side * d / 2 * along * 0.93, side * d / 2))
        b.block((-w / 2, y0, h - 0.01), (w / 2, y1, h), material)
        x0, x1 = sorted((side * w / 2 * across * 0.96, side * w / 2))
        b.block((x0, -d / 2, h - 0.01), (x1, d / 2, h), material)
    for x in (-1, 1):  # the corners of a rounded basin
        for y in (-1, 1):
            b.box(
                (x * w / 2 * across * 0.94, y * d / 2 * along * 0.92, h - 0.006), (0.1, 0.08, 0.01), material
            )
