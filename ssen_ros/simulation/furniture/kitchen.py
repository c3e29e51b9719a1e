"""Counters with their base cabinets and sinks, and refrigerators; fronts look to -y."""

import numpy as np

from ssen_ros.simulation import materials as mat
from ssen_ros.simulation.furniture.parts import Part, pick
from ssen_ros.simulation.furniture.storage import cabinet_body
from ssen_ros.simulation.materials import Material
from ssen_ros.simulation.mesh import Mesh, MeshBuilder

# --- counters --------------------------------------------------------------------------------------


def straight_counter(rng: np.random.Generator, length: float, sink: Mesh | None) -> tuple[Part, ...]:
    """A worktop over one run of base cabinets, with a sink in a cut-out where one is given."""
    d, h, t = rng.uniform(0.58, 0.65), rng.uniform(0.84, 0.94), rng.uniform(0.03, 0.05)
    base = cabinet_body(rng, length, d - 0.04, h - t)
    b = MeshBuilder()
    top = b.material(mat.worktop(rng))
    hole = _worktop(b, rng, length, d, h, t, top, sink)
    if rng.random() < 0.5:
        b.block((-length / 2, d / 2 - 0.015, h), (length / 2, d / 2, h + rng.uniform(0.05, 0.12)), top)
    return _assembled(base, b.build(), sink, (hole, -0.02, h), (0, 0.02, 0))


def panelled_counter(rng: np.random.Generator, length: float, sink: Mesh | None) -> tuple[Part, ...]:
    """Thick, with a cheek at each end down to the floor and a full splashback."""
    d, h, t = rng.uniform(0.6, 0.68), rng.uniform(0.86, 0.95), rng.uniform(0.05, 0.08)
    base = cabinet_body(rng, length - 0.1, d - 0.06, h - t)
    b = MeshBuilder()
    top = b.material(mat.worktop(rng))
    hole = _worktop(b, rng, length, d, h, t, top, sink)
    for x in (-1, 1):
        b.box((x * (length / 2 - 0.02), 0, (h - t) / 2), (0.04, d, h - t), top)
    b.block((-length / 2, d / 2 - 0.02, h), (length / 2, d / 2, h + rng.uniform(0.3, 0.5)), top)
    return _assembled(base, b.build(), sink, (hole, -0.02, h), (0, 0.02, 0))


def open_counter(rng: np.random.Generator, length: float, sink: Mesh | None) -> tuple[Part, ...]:
    """A worktop on legs, open underneath but for one cabinet: tea kitchens, workshops."""
    d, h, t = rng.uniform(0.58, 0.66), rng.uniform(0.84, 0.92), 0.04
    w = length * rng.uniform(0.35, 0.6)
    base = cabinet_body(rng, w, d - 0.06, h - t)
    b = MeshBuilder()
    top = b.material(mat.worktop(rng))
    leg = b.material(mat.metal(rng))
    hole = _worktop(b, rng, length, d, h, t, top, sink)
    for y in (-1, 1):
        b.box((length / 2 - 0.04, y * (d / 2 - 0.04), (h - t) / 2), (0.05, 0.05, h - t), leg)
        b.box((-length / 2 + 0.04, y * (d / 2 - 0.04), (h - t) / 2), (0.05, 0.05, h - t), leg)
    return _assembled(base, b.build(), sink, (hole, -0.02, h), (-length / 2 + w / 2 + 0.08, 0.02, 0))


def bar_counter(rng: np.random.Generator, length: float, sink: Mesh | None) -> tuple[Part, ...]:
    """A worktop with a raised bar along its back."""
    d, h, t = rng.uniform(0.62, 0.7), rng.uniform(0.86, 0.92), 0.04
    base = cabinet_body(rng, length - 0.02, d - 0.12, h - t)
    b = MeshBuilder()
    top = b.material(mat.worktop(rng))
    hole = _worktop(b, rng, length, d - 0.1, h, t, top, sink)
    rise = h + rng.uniform(0.12, 0.2)
    b.block((-length / 2, d / 2 - 0.12, 0.0), (length / 2, d / 2 - 0.04, rise), top)
    b.block((-length / 2 - 0.03, d / 2 - 0.25, rise), (length / 2 + 0.03, d / 2 + 0.08, rise + 0.04), top)
    return _assembled(base, b.build(), sink, (hole, -0.02, h), (0, -0.03, 0))


def island(rng: np.random.Generator, length: float, sink: Mesh | None) -> tuple[Part, ...]:
    """Free in the room: drawers on one side, a plain back, room for knees under an overhang."""
    d, h, t = rng.uniform(0.75, 1.1), rng.uniform(0.86, 0.95), rng.uniform(0.03, 0.06)
    overhang = rng.uniform(0.05, 0.32)
    base = cabinet_body(rng, length - 0.06, d - overhang - 0.04, h - t)
    b = MeshBuilder()
    hole = _worktop(b, rng, length, d, h, t, b.material(mat.worktop(rng)), sink)
    return _assembled(base, b.build(), sink, (hole, -0.02, h), (0, -overhang / 2, 0))


def peninsula(rng: np.random.Generator, length: float, sink: Mesh | None) -> tuple[Part, ...]:
    """A narrow high bar: a board on one broad panel, to sit at from both sides."""
    d, h, t = rng.uniform(0.45, 0.7), rng.uniform(0.95, 1.12), rng.uniform(0.03, 0.06)
    b = MeshBuilder()
    top, panel = b.material(mat.worktop(rng)), b.material(mat.wood_or_paint(rng, axis=2))
    b.block((-length / 2, -d / 2, h - t), (length / 2, d / 2, h), top)
    b.block((-length / 2 + 0.1, -0.06, 0.0), (length / 2 - 0.1, 0.06, h - t), panel)
    for x in (-length / 2 + 0.1, length / 2 - 0.14):
        b.block((x, -d * 0.3, 0.0), (x + 0.04, d * 0.3, h - t), panel)
    return (Part("counter", b.build()),)


def waterfall_island(rng: np.random.Generator, length: float, sink: Mesh | None) -> tuple[Part, ...]:
    """The slab runs down to the floor at both ends."""
    d, h, t = rng.uniform(0.8, 1.1), rng.uniform(0.88, 0.94), rng.uniform(0.04, 0.08)
    base = cabinet_body(rng, length - 2 * t - 0.02, d - 0.3, h - t)
    b = MeshBuilder()
    top = b.material(mat.worktop(rng))
    hole = _worktop(b, rng, length - 2 * t, d, h, t, top, sink)
    for x in (-length / 2, length / 2 - t):
        b.block((x, -d / 2, 0.0), (x + t, d / 2, h), top)
    return _assembled(base, b.build(), sink, (hole, -0.02, h), (0, -0.1, 0))


def reception(rng: np.random.Generator, length: float, sink: Mesh | None) -> tuple[Part, ...]:
    """A front towards the guests (-y) with a shelf on it, and a lower top to work at behind."""
    d, h, low = rng.uniform(0.65, 0.85), rng.uniform(1.02, 1.18), rng.uniform(0.7, 0.76)
    b = MeshBuilder()
    top = b.material(mat.worktop(rng))
    front = b.material(mat.wood_or_paint(rng, axis=2))
    b.block((-length / 2, -d / 2 + 0.06, 0.0), (length / 2, -d / 2 + 0.1, h), front)
    b.block((-length / 2 - 0.02, -d / 2, h), (length / 2 + 0.02, -d / 2 + 0.28, h + 0.04), top)
    b.block((-length / 2, -d / 2 + 0.1, low - 0.03), (length / 2, d / 2, low), top)
    for x in (-length / 2, length / 2 - 0.03):
        b.block((x, -d / 2 + 0.06, 0.0), (x + 0.03, d / 2 - 0.05, low - 0.02), front)
        b.block((x, -d / 2 + 0.06, low), (x + 0.03, -d / 2 + 0.26, h), front)
    return (Part("counter", b.build()),)


def round_reception(rng: np.random.Generator, length: float, sink: Mesh | None) -> tuple[Part, ...]:
    """Bent round whoever sits behind."""
    d, h, low = rng.uniform(0.7, 0.9), rng.uniform(1.0, 1.15), rng.uniform(0.7, 0.76)
    b = MeshBuilder()
    top, front = b.material(mat.worktop(rng)), b.material(mat.wood_or_paint(rng, axis=2))
    span, middle = (np.pi, 2 * np.pi), (0.0, d / 2)
    b.arc(middle, (length / 2, d), span, 0.0, h, 0.04, front)
    b.arc(middle, (length / 2 + 0.03, d + 0.03), span, h, h + 0.04, 0.24, top)
    b.arc(middle, (length / 2 - 0.03, d - 0.03), span, low - 0.03, low, 0.4, top)
    return (Part("counter", b.build()),)


def _worktop(
    b: MeshBuilder,
    rng: np.random.Generator,
    length: float,
    d: float,
    h: float,
    t: float,
    top: int,
    sink: Mesh | None,
) -> float:
    """A slab with an opening for the sink; returns where along it the opening is."""
    if sink is None:
        b.block((-length / 2, -d / 2, h - t), (length / 2, d / 2, h), top)
        return 0.0
    w, depth = sink.size[0] - 0.05, min(sink.size[1] - 0.06, d - 0.14)
    x = rng.uniform(-1, 1) * max(length - w - 0.2, 0.0) / 2
    x0, x1, y0, y1 = x - w / 2, x + w / 2, -0.02 - depth / 2, -0.02 + depth / 2
    b.block((-length / 2, -d / 2, h - t), (x0, d / 2, h), top)
    b.block((x1, -d / 2, h - t), (length / 2, d / 2, h), top)
    b.block((x0, -d / 2, h - t), (x1, y0, h), top)
    b.block((x0, y1, h - t), (x1, d / 2, h), top)
    return x


def _assembled(base: Mesh, top: Mesh, sink: Mesh | None, hole, base_at) -> tuple[Part, ...]:
    """The sink hangs at `hole`, where base and worktop are open."""
    if sink is None:
        return (Part("cabinet", base, base_at), Part("counter", top))
    lidless = without_lid(base, base.upper[2])
    return (Part("cabinet", lidless, base_at), Part("counter", top), Part("sink", sink, hole))


def without_lid(mesh: Mesh, height: float) -> Mesh:
    """The cabinet without its topmost faces, so that a basin in the worktop stays visible."""
    lid = (mesh.vertices[mesh.faces][..., 2] > height - 1e-3).all(axis=1)
    return Mesh(mesh.vertices, mesh.faces[~lid], mesh.material[~lid], mesh.materials)


# --- sinks to hang into a worktop: z = 0 is its surface ---------------------------------------------


def single_sink(rng: np.random.Generator) -> Mesh:
    b = MeshBuilder()
    w, d = rng.uniform(0.42, 0.6), rng.uniform(0.38, 0.44)
    basin(b, (0, 0, 0), w, d, rng.uniform(0.14, 0.2), b.material(_bowl(rng)), pick(rng, (2.5, 6.0)))
    tap(b, rng, 0.0, d / 2 + 0.035, 0.0, d * 0.4)
    return b.build()


def double_sink(rng: np.random.Generator) -> Mesh:
    b = MeshBuilder()
    bowl = b.material(_bowl(rng))
    w, d, depth = rng.uniform(0.34, 0.4), rng.uniform(0.38, 0.44), rng.uniform(0.14, 0.18)
    for x in (-1, 1):
        basin(b, (x * w * 0.53, 0, 0), w, d, depth, bowl, 6.0)
    b.box((0, 0, 0.006), (0.08, d, 0.01), bowl)
    tap(b, rng, 0.0, d / 2 + 0.035, 0.0, d * 0.45)
    return b.build()


def drainer_sink(rng: np.random.Generator) -> Mesh:
    """A basin with a grooved board beside it."""
    b = MeshBuilder()
    bowl = b.material(_bowl(rng))
    w, d, side = rng.uniform(0.36, 0.42), rng.uniform(0.38, 0.44), pick(rng, (-1, 1))
    x = -side * 0.19  # of the basin: it and its board lie in the middle of their opening
    basin(b, (x, 0, 0), w, d, rng.uniform(0.14, 0.18), bowl, 6.0)
    x0, x1 = sorted((x + side * w * 0.53, x + side * (w * 0.53 + 0.38)))
    b.block((x0, -d / 2, 0.0), (x1, d / 2, 0.012), bowl)
    for y in np.linspace(-d * 0.4, d * 0.4, 8):
        b.block((x0 + 0.02, y - 0.008, 0.012), (x1 - 0.02, y + 0.008, 0.02), bowl)
    tap(b, rng, x, d / 2 + 0.035, 0.0, d * 0.4)
    return b.build()


def butler_sink(rng: np.random.Generator) -> Mesh:
    """A deep ceramic trough with a thick rim that stands above the worktop."""
    b = MeshBuilder()
    w, d = rng.uniform(0.5, 0.62), rng.uniform(0.4, 0.45)
    bowl = b.material(mat.ceramic(rng))
    b.loft(
        [(1.06, 0.0), (1.06, 0.05), (0.93, 0.05), (0.92, -0.2), (0.0, -0.21)],
        (0, 0, 0),
        bowl,
        (w / 2, d / 2),
        10,
        32,
    )
    tap(b, rng, 0.0, d / 2 + 0.05, 0.0, d * 0.45)
    return b.build()


def round_sink(rng: np.random.Generator) -> Mesh:
    b = MeshBuilder()
    r = rng.uniform(0.36, 0.44)
    basin(b, (0, 0, 0), r, r, rng.uniform(0.14, 0.18), b.material(_bowl(rng)), 2.0)
    tap(b, rng, r * 0.3, r / 2 + 0.03, 0.0, r * 0.45)
    return b.build()


def _bowl(rng: np.random.Generator) -> Material:
    return Material(mat.metal_color(rng), dropout=0.1) if rng.random() < 0.6 else mat.ceramic(rng)


def basin(b: MeshBuilder, center, w: float, d: float, depth: float, material: int, squareness: float) -> None:
    """A hollow with a low rim; `center` is the middle of the surface it is let into, m."""
    profile = [
        (1.06, 0.0),
        (1.06, 0.012),
        (1.0, 0.014),
        (0.95, -0.02),
        (0.86, -0.7 * depth),
        (0.6, -0.97 * depth),
        (0.03, -depth),
    ]
    b.loft(profile, center, material, (w / 2, d / 2), squareness=squareness, segments=28)


def tap(b: MeshBuilder, rng: np.random.Generator, x: float, y: float, z: float, reach: float) -> None:
    chrome = b.material(Material(mat.metal_color(rng), dropout=0.25))
    h = rng.uniform(0.1, 0.28)
    b.cylinder((x, y, z - 0.01), 0.02, h, chrome, segments=8)
    b.bar((x, y, z + h - 0.02), (x, y - reach, z + h - 0.04), 0.028, chrome)
    b.box((x, y, z + 0.004), (0.07, 0.05, 0.012), chrome)


# --- refrigerators ---------------------------------------------------------------------------------


def single_fridge(rng: np.random.Generator) -> Mesh:
    """One tall door."""
    h = rng.uniform(1.35, 1.9)
    return _fridge(rng, rng.uniform(0.54, 0.64), h, lambda w: [(-w / 2, w / 2, 0.03, h)])


def two_door_fridge(rng: np.random.Generator) -> Mesh:
    """A freezer above or below."""
    h = rng.uniform(1.5, 2.0)
    split = h * rng.uniform(0.3, 0.72)
    return _fridge(
        rng, rng.uniform(0.55, 0.78), h, lambda w: [(-w / 2, w / 2, 0.03, split), (-w / 2, w / 2, split, h)]
    )


def side_by_side_fridge(rng: np.random.Generator) -> Mesh:
    h, part = rng.uniform(1.7, 1.82), rng.uniform(-0.15, 0.05)
    return _fridge(
        rng, rng.uniform(0.84, 0.96), h, lambda w: [(-w / 2, w * part, 0.03, h), (w * part, w / 2, 0.03, h)]
    )


def french_door_fridge(rng: np.random.Generator) -> Mesh:
    """Two doors over one or two wide drawers."""
    h = rng.uniform(1.7, 1.85)
    low = h * rng.uniform(0.35, 0.45)
    drawers = [(0.03, low)] if rng.random() < 0.5 else [(0.03, low / 2), (low / 2, low)]
    return _fridge(
        rng,
        rng.uniform(0.84, 0.96),
        h,
        lambda w: [(-w / 2, 0.0, low, h), (0.0, w / 2, low, h), *((-w / 2, w / 2, *z) for z in drawers)],
    )


def round_fridge(rng: np.random.Generator) -> Mesh:
    """All edges rounded, on feet, as in the fifties, in a colour."""
    w, d, h = rng.uniform(0.55, 0.64), rng.uniform(0.6, 0.68), rng.uniform(1.2, 1.75)
    b = MeshBuilder()
    color = pick(rng, (mat.bright_color, mat.white_color, mat.muted_color))
    body, handle = b.material(Material(color(rng), dropout=0.05)), b.material(mat.metal(rng))
    b.cushion((0, 0.03, h / 2 + 0.03), (w, d - 0.1, h), body, squareness=10)
    split = h * rng.uniform(0.65, 0.78)
    for z0, z1 in ((0.06, split), (split, h + 0.02)):
        b.cushion((0, -d / 2 + 0.04, (z0 + z1) / 2), (w, 0.1, z1 - z0), body, squareness=8)
        b.pipe(
            [
                (w * 0.35, -d / 2, z0 + 0.1),
                (w * 0.35, -d / 2 - 0.05, z0 + 0.14),
                (w * 0.35, -d / 2 - 0.05, z0 + 0.28),
                (w * 0.35, -d / 2, z0 + 0.32),
            ],
            0.022,
            handle,
        )
    for x in (-1, 1):
        for y in (-1, 1):
            b.cylinder((x * w * 0.38, y * d * 0.3, 0), 0.025, 0.08, handle, 8)
    return b.build().grounded()


def _fridge(rng: np.random.Generator, w: float, h: float, doors) -> Mesh:
    d = rng.uniform(0.56, 0.75) if h > 1 else rng.uniform(0.46, 0.58)
    b = MeshBuilder()
    body, handle = b.material(mat.appliance(rng)), b.material(mat.metal(rng))
    b.block((-w / 2, -d / 2 + 0.05, 0), (w / 2, d / 2, h), body)
    recessed = rng.random() < 0.3
    for x0, x1, z0, z1 in doors(w):
        b.block((x0 + 0.004, -d / 2, z0 + 0.004), (x1 - 0.004, -d / 2 + 0.055, z1 - 0.004), body)
        if recessed:
            continue
        if x1 - x0 > 1.2 * (z1 - z0):  # a drawer
            b.box(((x0 + x1) / 2, -d / 2 - 0.02, z1 - 0.06), ((x1 - x0) * 0.8, 0.045, 0.025), handle)
        else:
            x = x1 - 0.05 if x0 < 0 and x1 <= 0.06 else x0 + 0.05
            b.box((x, -d / 2 - 0.02, (z0 + z1) / 2), (0.025, 0.045, (z1 - z0) * 0.5), handle)
    if rng.random() < 0.2:  # a water dispenser, magnets
        dark = b.material(Material(mat.black_color(rng)))
        b.box((-w * 0.25, -d / 2 - 0.002, h * 0.62), (0.16, 0.01, 0.24), dark)
    return b.build().grounded()
