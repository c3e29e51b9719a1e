"""What is in and on walls: doors, windows, curtains, pictures, radiators.

y = 0 is the wall's surface; the room is towards -y. For windows and things that hang z = 0 is the lower edge.
"""

import numpy as np

from ssen_ros.simulation import materials as mat
from ssen_ros.simulation.furniture.parts import pick
from ssen_ros.simulation.materials import Material
from ssen_ros.simulation.mesh import Mesh, MeshBuilder

# --- doors: a frame around an opening of w by h, and what closes it ---------------------------------


def flush_door(rng: np.random.Generator, w: float, h: float) -> Mesh:
    return _hinged(rng, w, h, lambda b, panel: None)


def panelled_door(rng: np.random.Generator, w: float, h: float) -> Mesh:
    rows, columns = int(rng.integers(1, 5)), int(rng.integers(1, 3))

    def relief(b, panel):
        for j in range(rows):
            for i in range(columns):
                x0, x1 = 0.12 + 0.76 * i / columns, 0.12 + 0.76 * (i + 1) / columns - 0.05
                z0, z1 = 0.08 + 0.86 * j / rows, 0.08 + 0.86 * (j + 1) / rows - 0.04
                b.block((w * x0, -0.014, h * z0), (w * x1, 0.0, h * z1), panel)

    return _hinged(rng, w, h, relief)


def glazed_door(rng: np.random.Generator, w: float, h: float) -> Mesh:
    low, columns = rng.uniform(0.12, 0.5), int(rng.integers(1, 4))

    def relief(b, panel):
        pane = b.material(mat.glass(rng))
        b.block((w * 0.14, -0.006, h * low), (w * 0.86, 0.046, h * 0.93), pane)
        for k in range(1, columns):
            x = w * (0.14 + 0.72 * k / columns)
            b.block((x - 0.012, -0.012, h * low), (x + 0.012, 0.05, h * 0.93), panel)

    return _hinged(rng, w, h, relief)


def sliding_door(rng: np.random.Generator, w: float, h: float) -> Mesh:
    """Hangs from a rail before the wall, partly pushed aside."""
    b = MeshBuilder()
    leaf, rail = b.material(mat.door_finish(rng)), b.material(mat.metal(rng))
    _frame(b, rng, w, h, b.material(mat.door_finish(rng)))
    shift = pick(rng, (0.0, rng.uniform(0.2, 0.6)), [0.6, 0.4]) * w
    b.block((-w / 2 - 0.03 - shift, -0.085, 0.01), (w / 2 + 0.03 - shift, -0.045, h + 0.02), leaf)
    for z in np.arange(0.3, h - 0.1, 0.5):
        b.block((-w / 2 - shift, -0.095, z), (w / 2 - shift, -0.085, z + 0.1), leaf)
    b.block((-w / 2 - 0.06 - shift, -0.09, h + 0.01), (w / 2 + 0.06, -0.0, h + 0.05), rail)
    return b.build()


def folding_door(rng: np.random.Generator, w: float, h: float) -> Mesh:
    """Narrow leaves in a zigzag, as of a wardrobe in a wall."""
    b = MeshBuilder()
    material = mat.door_finish(rng)
    leaf = b.material(material)
    _frame(b, rng, w, h, leaf)
    count = 4 if w > 0.7 else 2
    open_ = rng.uniform(0.0, 0.1)
    x = np.linspace(-w / 2, w / 2, count + 1)
    y = np.array([0.02 - open_ * (k % 2) for k in range(count + 1)])
    for k in range(count):
        corners = [(x[k], y[k]), (x[k + 1], y[k + 1]), (x[k + 1], y[k + 1] + 0.03), (x[k], y[k] + 0.03)]
        b.prism(corners, 0.01, h - 0.01, leaf)
    for side in (-1, 1):
        b.box((side * w * 0.03, -0.03 - open_ * 0.1, 1.0), (0.03, 0.06, 0.03), b.material(mat.metal(rng)))
    return b.build()


def louvred_door(rng: np.random.Generator, w: float, h: float) -> Mesh:
    """Slats in a frame."""

    def relief(b, panel):
        for z in np.arange(0.12, h - 0.12, 0.055):
            if abs(z - h / 2) > 0.08:
                b.box((w / 2, -0.012, z), (w * 0.76, 0.05, 0.012), panel, tilt=-0.6)

    return _hinged(rng, w, h, relief)


def double_door(rng: np.random.Generator, w: float, h: float) -> Mesh:
    """Two narrow leaves, one of them perhaps open."""
    b = MeshBuilder()
    material = mat.door_finish(rng)
    _frame(b, rng, w, h, b.material(material))
    glazed = rng.random() < 0.5
    for side in (-1, 1):
        angle = pick(rng, (0.0, rng.uniform(0.2, 1.3)), [0.7, 0.3])
        half = MeshBuilder()
        panel, handle = half.material(material), half.material(mat.metal(rng))
        half.block((0, 0, 0), (w / 2 - 0.004, 0.04, h - 0.01), panel)
        for z0, z1 in ((0.08, 0.42), (0.5, 0.94)):
            face = half.material(mat.glass(rng)) if glazed else panel
            half.block((w * 0.09, -0.012, h * z0), (w * 0.41, 0.052, h * z1), face)
        half.block((w * 0.43, -0.06, 0.95), (w * 0.46, 0.0, 1.1), handle)
        leaf = half.build()
        if side > 0:
            leaf = leaf.mirrored()
        b.add(leaf, (side * w / 2, 0.0, 0.005), side * angle)
    return b.build()


def bare_door(rng: np.random.Generator, w: float, h: float) -> Mesh:
    """A leaf flush with the wall: no frame, hardly a handle."""
    b = MeshBuilder()
    leaf = b.material(mat.door_finish(rng))
    inset = rng.uniform(-0.012, 0.05)
    b.block((-w / 2 + 0.006, inset, 0.005), (w / 2 - 0.006, inset + 0.04, h - 0.006), leaf)
    if rng.random() < 0.5:
        b.box((w * 0.42, inset - 0.02, 1.02), (0.03, 0.04, 0.03), b.material(mat.metal(rng)))
    return b.build()


def open_door(rng: np.random.Generator, w: float, h: float) -> Mesh:
    """Wide open, up to flat against the wall; often without a frame."""
    b = MeshBuilder()
    finish = mat.door_finish(rng)
    leaf = b.material(finish)
    if rng.random() < 0.5:
        _frame(b, rng, w, h, leaf)
    else:
        b.block((-w / 2, -0.004, 0), (-w / 2 + 0.02, 0.1, h), leaf)
    wing = MeshBuilder()
    wing.block((0, 0, 0), (w - 0.01, 0.04, h - 0.01), wing.material(finish))
    if rng.random() < 0.7:
        wing.box((w * 0.92, 0.02, 1.02), (0.03, 0.14, 0.03), wing.material(mat.metal(rng)))
    b.add(wing.build(), (-w / 2, -0.005, 0.005), -rng.uniform(1.1, 1.6))
    return b.build()


def glass_door(rng: np.random.Generator, w: float, h: float) -> Mesh:
    """A pane in a thin frame, or none; of two leaves where it is wide."""
    b = MeshBuilder()
    frame, pane = b.material(mat.metal(rng)), b.material(mat.glass(rng))
    t, count = pick(rng, (0.008, 0.05)), 2 if w > 1.2 else 1
    for k in range(count):
        x0, x1 = -w / 2 + w * k / count, -w / 2 + w * (k + 1) / count
        b.block((x0 + t, 0.02, t), (x1 - t, 0.03, h - t), pane)
        _border(b, x0, x1, 0.0, h, t, 0.005, 0.045, frame)
        x = x1 - 0.06 if k == 0 else x0 + 0.06
        b.bar((x, -0.05, 0.8), (x, -0.05, 1.0 + rng.uniform(0.1, 0.5)), 0.03, frame)
        b.box((x, -0.02, 0.9), (0.03, 0.1, 0.03), frame)
    return b.build()


def pair_of_doors(rng: np.random.Generator, w: float, h: float) -> Mesh:
    """Two flat leaves without relief, of one width or not."""
    b = MeshBuilder()
    leaf, handle = b.material(mat.door_finish(rng)), b.material(mat.metal(rng))
    if rng.random() < 0.6:
        _frame(b, rng, w, h, leaf)
    meet = pick(rng, (0.0, w * 0.2))
    for x0, x1, side in ((-w / 2, meet, 1), (meet, w / 2, -1)):
        b.block((x0 + 0.004, 0.0, 0.005), (x1 - 0.004, 0.04, h - 0.005), leaf)
        b.box(((x1 if side > 0 else x0) - side * 0.07, -0.02, 1.02), (0.1, 0.05, 0.025), handle)
    return b.build()


def slit_door(rng: np.random.Generator, w: float, h: float) -> Mesh:
    """Flush with the wall, a narrow upright pane beside the handle."""
    b = MeshBuilder()
    leaf, pane = b.material(mat.door_finish(rng)), b.material(mat.glass(rng))
    x0, x1, z0, z1 = w * 0.18, w * 0.32, h * 0.25, h * 0.9
    solid = ((-w / 2, 0, x0, h), (x1, 0, w / 2, h), (x0, 0, x1, z0), (x0, z1, x1, h))
    for left, low, right, high in solid:
        b.block((left, 0.0, low), (right, 0.04, high), leaf)
    b.block((x0, 0.015, z0), (x1, 0.025, z1), pane)
    b.box((w * 0.42, -0.02, 1.02), (0.1, 0.06, 0.025), b.material(mat.metal(rng)))
    return b.build()


def _border(b: MeshBuilder, x0, x1, z0, z1, t: float, y0: float, y1: float, material: int) -> None:
    """Four bars `t` m wide inside x0..x1 by z0..z1."""
    for low, high in (((x0, z0), (x0 + t, z1)), ((x1 - t, z0), (x1, z1)), ((x0, z0), (x1, z0 + t)),
                      ((x0, z1 - t), (x1, z1))):  # fmt: skip
        b.block((low[0], y0, low[1]), (high[0], y1, high[1]), material)


def _hinged(rng: np.random.Generator, w: float, h: float, relief) -> Mesh:
    """A frame and one leaf, which may stand ajar into the room; `relief` decorates the leaf."""
    b = MeshBuilder()
    material = mat.door_finish(rng)
    leaf = b.material(material)
    _frame(b, rng, w, h, leaf if rng.random() < 0.5 else b.material(mat.door_finish(rng)))
    angle = -pick(rng, (0.0, rng.uniform(0.1, 1.5)), [0.65, 0.35])
    wing = MeshBuilder()
    panel, handle = wing.material(material), wing.material(mat.metal(rng))
    wing.block((0, 0, 0), (w - 0.01, 0.04, h - 0.01), panel)
    relief(wing, panel)
    for y0, y1 in ((-0.06, 0.0), (0.04, 0.1)):
        edge = y0 if y0 < 0 else y1 - 0.025
        wing.block((w * 0.82, edge, 1.0), (w * 0.95, edge + 0.025, 1.025), handle)
        wing.block((w * 0.91, y0, 1.0), (w * 0.95, y1, 1.025), handle)
    b.add(wing.build(), (-w / 2, 0.0, 0.005), angle)
    return b.build()


def _frame(b: MeshBuilder, rng: np.random.Generator, w: float, h: float, frame: int) -> None:
    trim, proud = rng.uniform(0.05, 0.1), rng.uniform(0.015, 0.03)
    for x in (-1, 1):
        x0, x1 = sorted((x * w / 2, x * (w / 2 + trim)))
        b.block((x0, -proud, 0), (x1, 0.1, h), frame)
    b.block((-w / 2 - trim, -proud, h), (w / 2 + trim, 0.1, h + trim), frame)


# --- windows: frame, bars and panes of an opening of w by h -----------------------------------------


def plain_window(rng: np.random.Generator, w: float, h: float) -> Mesh:
    return _window(rng, w, h, [], [])


def casement_window(rng: np.random.Generator, w: float, h: float) -> Mesh:
    """Wings side by side."""
    count = max(2, round(w / rng.uniform(0.5, 0.8)))
    return _window(rng, w, h, np.linspace(-w / 2, w / 2, count + 1)[1:-1], [], bar=0.08)


def transom_window(rng: np.random.Generator, w: float, h: float) -> Mesh:
    """A narrow light over the wings."""
    return _window(rng, w, h, [0.0] if w > 0.9 else [], [h * rng.uniform(0.65, 0.75)], bar=0.07)


def sash_window(rng: np.random.Generator, w: float, h: float) -> Mesh:
    """Two panes that slide up and down."""
    return _window(rng, w, h, [], [h * 0.5], bar=0.06)


def muntin_window(rng: np.random.Generator, w: float, h: float) -> Mesh:
    """Many small panes."""
    columns, rows = max(2, round(w / 0.28)), max(2, round(h / 0.35))
    xs = np.linspace(-w / 2, w / 2, columns + 1)[1:-1]
    return _window(rng, w, h, xs, np.linspace(0, h, rows + 1)[1:-1], bar=0.03)


def shuttered_window(rng: np.random.Generator, w: float, h: float) -> Mesh:
    """Wooden shutters folded back into the reveal on both sides, a bar across."""
    b = MeshBuilder()
    shutter = b.material(mat.wood_or_paint(rng, 0.4))
    for side in (-1, 1):
        x0, x1 = sorted((side * w / 2, side * (w / 2 + w * 0.3)))
        b.block((x0, -0.05, 0), (x1, -0.02, h), shutter)
        for z in np.arange(0.06, h - 0.06, 0.07):
            b.block((x0 + 0.04, -0.062, z), (x1 - 0.04, -0.05, z + 0.03), shutter)
    b.add(_window(rng, w, h, [0.0], [], bar=0.06))
    return b.build()


def ribbon_window(rng: np.random.Generator, w: float, h: float) -> Mesh:
    """Panes side by side in thin metal, without a sill."""
    return _glazing(rng, w, h, max(1, round(w / rng.uniform(0.9, 1.6))), [], rng.uniform(0.025, 0.05))


def frameless_window(rng: np.random.Generator, w: float, h: float) -> Mesh:
    """A pane set into the wall and nothing else."""
    return _glazing(rng, w, h, 1, [], 0.008)


def balcony_window(rng: np.random.Generator, w: float, h: float) -> Mesh:
    """Wings with stout frames, as of windows down to the floor."""
    return _glazing(rng, w, h, max(1, round(w / 0.8)), [], rng.uniform(0.06, 0.1))


def spandrel_window(rng: np.random.Generator, w: float, h: float) -> Mesh:
    """Office front: panes over a low row of panes."""
    return _glazing(rng, w, h, max(2, round(w / rng.uniform(1.0, 1.4))), [h * rng.uniform(0.2, 0.35)], 0.045)


def _glazing(rng: np.random.Generator, w: float, h: float, columns: int, zs, bar: float) -> Mesh:
    """Panes in bars twice `bar` m wide, set back into the wall."""
    b = MeshBuilder()
    finish = pick(
        rng, (mat.white_color, mat.grey_color, mat.black_color, mat.metal_color), [0.45, 0.2, 0.2, 0.15]
    )
    frame, y = b.material(Material(finish(rng))), rng.uniform(0.01, 0.06)
    b.box((0, y, h / 2), (w, 0.008, h), b.material(mat.glass(rng)))
    for x in np.linspace(-w / 2, w / 2, columns + 1):
        b.block((max(x - bar, -w / 2), y - 0.03, 0), (min(x + bar, w / 2), y + 0.03, h), frame)
    for z in (0.0, *zs, h):
        b.block((-w / 2, y - 0.03, max(z - bar, 0)), (w / 2, y + 0.03, min(z + bar, h)), frame)
    return b.build()


def _window(rng: np.random.Generator, w: float, h: float, xs, zs, bar: float = 0.05) -> Mesh:
    b = MeshBuilder()
    frame = b.material(Material(mat.white_color(rng)) if rng.random() < 0.7 else mat.wood_or_paint(rng))
    t, proud = rng.uniform(0.05, 0.09), rng.uniform(0.015, 0.03)
    for x in (-1, 1):
        b.box((x * w / 2, 0.02, h / 2), (t, 0.04 + 2 * proud, h + t), frame)
    for z in (0, h):
        b.box((0, 0.02, z), (w + t, 0.04 + 2 * proud, t), frame)
    for x in xs:
        b.box((x, 0.03, h / 2), (bar, 0.05, h), frame)
    for z in zs:
        b.box((0, 0.03, z), (w, 0.045, bar), frame)
    if rng.random() < 0.6:
        b.block((-w / 2 - 0.06, -rng.uniform(0.06, 0.16), -0.05), (w / 2 + 0.06, 0.02, -0.02), frame)
    b.box((0, 0.045, h / 2), (w, 0.008, h), b.material(mat.glass(rng)))
    return b.build()


# --- curtains: folded cloth on a rail, w by h -------------------------------------------------------


def paired_curtain(rng: np.random.Generator, w: float, h: float) -> Mesh:
    panel = w * rng.uniform(0.15, 0.46)
    return hanging(rng, w, h, [(-w / 2, -w / 2 + panel), (w / 2 - panel, w / 2)], mat.curtain_cloth(rng))


def single_curtain(rng: np.random.Generator, w: float, h: float) -> Mesh:
    end = w / 2 * rng.uniform(-0.4, 1.0)
    panel = (-w / 2, end) if rng.random() < 0.5 else (-end, w / 2)
    return hanging(rng, w, h, [panel], mat.curtain_cloth(rng))


def closed_curtain(rng: np.random.Generator, w: float, h: float) -> Mesh:
    """Drawn shut, two cloths meeting somewhere."""
    meet = w * rng.uniform(-0.15, 0.15)
    return hanging(rng, w, h, [(-w / 2, meet), (meet - 0.03, w / 2)], mat.curtain_cloth(rng))


def cafe_curtain(rng: np.random.Generator, w: float, h: float) -> Mesh:
    """A short valance above and open sides gathered to the frame."""
    b = MeshBuilder()
    cloth = mat.curtain_cloth(rng)
    valance = hanging(rng, w, min(0.35, h * 0.3), [(-w / 2, w / 2)], cloth)
    b.add(valance, (0, -0.03, h - min(0.35, h * 0.3)))
    b.add(_tied(rng, w, h, cloth))
    return b.build()


def tied_curtain(rng: np.random.Generator, w: float, h: float) -> Mesh:
    return _tied(rng, w, h, mat.curtain_cloth(rng))


def aside_curtain(rng: np.random.Generator, w: float, h: float) -> Mesh:
    """Pushed aside in deep folds, to one end or both; mostly nothing but a rail before the window."""
    share = rng.uniform(0.06, 0.18)
    ends = [(-w / 2, -w / 2 + share * w), (w / 2 - share * w, w / 2)]
    return hanging(rng, w, h, pick(rng, (ends, ends[:1], ends[1:]), [0.6, 0.2, 0.2]), mat.curtain_cloth(rng))


def net_curtain(rng: np.random.Generator, w: float, h: float) -> Mesh:
    """Thin white cloth all over, which the depth camera sees half through."""
    cloth = Material(
        mat.white_color(rng), "fabric", dropout=rng.uniform(0.1, 0.4), clear=rng.uniform(0.1, 0.4)
    )
    return hanging(rng, w, h, [(-w / 2, w / 2)], cloth)


def panel_curtain(rng: np.random.Generator, w: float, h: float) -> Mesh:
    """Flat panels that slide before each other."""
    b = MeshBuilder()
    cloth, rail = b.material(mat.curtain_cloth(rng)), b.material(mat.metal(rng))
    count = max(2, round(w / 0.6))
    for k in range(int(rng.integers(1, count + 1))):
        x0 = -w / 2 + k * w / count * rng.uniform(0.8, 1.0)
        b.block((x0, -0.02 * (k % 2), 0), (x0 + w / count, 0.004 - 0.02 * (k % 2), h), cloth)
    b.box((0, -0.01, h + 0.005), (w + 0.05, 0.05, 0.03), rail)
    return b.build()


def _tied(rng: np.random.Generator, w: float, h: float, material: Material) -> Mesh:
    """Two cloths held to the sides at half height."""
    b = MeshBuilder()
    cloth, rail = b.material(material), b.material(mat.metal(rng))
    wide, narrow = w * rng.uniform(0.32, 0.48), rng.uniform(0.1, 0.18)
    z = np.linspace(0.0, h, 16)[:, None]
    tie = h * rng.uniform(0.35, 0.5)
    u = np.linspace(0, 1, 40)[None, :]
    width = np.where(
        z > tie,
        narrow + (wide - narrow) * ((z - tie).clip(0.0) / (h - tie)) ** 0.7,
        narrow + 0.12 * (tie - z),
    )
    fold = 0.035 * np.sin(u * 2 * np.pi * rng.uniform(6, 10) + rng.uniform(0, 6))
    for side in (-1, 1):
        x = side * (w / 2 - u * width)
        b.grid(np.stack(np.broadcast_arrays(x, fold + 0 * x, z + 0 * x), axis=-1), cloth)
    b.box((0, 0, h + 0.005), (w + 0.1, 0.03, 0.03), rail)
    return b.build()


def hanging(rng: np.random.Generator, w: float, h: float, panels, material: Material) -> Mesh:
    b = MeshBuilder()
    cloth, rail = b.material(material), b.material(mat.metal(rng))
    depth, pitch = rng.uniform(0.02, 0.05), rng.uniform(0.09, 0.2)
    for x0, x1 in panels:
        x = np.linspace(x0, x1, max(12, int((x1 - x0) / 0.02)))[None, :]
        z = np.linspace(0.0, h, 8)[:, None]
        fold = depth * np.sin(2 * np.pi * x / pitch + rng.uniform(0, 6)) * (1.2 - 0.5 * z / h)
        sway = 0.02 * np.sin(3 * x + 2 * z)
        b.grid(np.stack(np.broadcast_arrays(x + 0 * z, fold + sway, z + 0 * x), axis=-1), cloth)
    b.box((0, 0, h + 0.005), (w + 0.1, 0.03, 0.03), rail)
    return b.build()


# --- shower curtains: w by h along the tub's edge ---------------------------------------------------


def drawn_shower_curtain(rng: np.random.Generator, w: float, h: float) -> Mesh:
    span = w * rng.uniform(0.55, 1.0)
    panel = (-w / 2, -w / 2 + span) if rng.random() < 0.5 else (w / 2 - span, w / 2)
    return hanging(rng, w, h, [panel], mat.shower_cloth(rng))


def gathered_shower_curtain(rng: np.random.Generator, w: float, h: float) -> Mesh:
    """Pushed to one end, in deep folds."""
    b = MeshBuilder()
    cloth, rail = b.material(mat.shower_cloth(rng)), b.material(mat.metal(rng))
    span, side = rng.uniform(0.25, 0.45), pick(rng, (-1, 1))
    u = np.linspace(0, 1, 60)[None, :]
    z = np.linspace(0, h, 10)[:, None]
    y = 0.06 * np.sin(2 * np.pi * u * rng.uniform(5, 8)) * (1.15 - 0.3 * z / h)
    x = side * (w / 2 - span * u * (1.1 - 0.2 * z / h))
    b.grid(np.stack(np.broadcast_arrays(x, y, z + 0 * x), axis=-1), cloth)
    b.box((0, 0, h + 0.005), (w + 0.1, 0.03, 0.03), rail)
    return b.build()


def curved_shower_curtain(rng: np.random.Generator, w: float, h: float) -> Mesh:
    """On a rail that bows outwards."""
    b = MeshBuilder()
    cloth, rail = b.material(mat.shower_cloth(rng)), b.material(mat.metal(rng))
    bow = rng.uniform(0.12, 0.22)

    def y(x):
        return -bow * (1 - (2 * x / w) ** 2)

    x = np.linspace(-w / 2, w * rng.uniform(0.1, 0.5), 80)[None, :]
    z = np.linspace(0, h, 8)[:, None]
    fold = rng.uniform(0.015, 0.035) * np.sin(2 * np.pi * x / rng.uniform(0.1, 0.16))
    b.grid(np.stack(np.broadcast_arrays(x, y(x) + fold, z + 0 * x), axis=-1), cloth)
    ends = np.linspace(-w / 2, w / 2, 13)
    b.pipe([(e, y(e), h + 0.005) for e in ends], 0.03, rail)
    return b.build()


# --- pictures --------------------------------------------------------------------------------------


def _picture_size(rng: np.random.Generator) -> tuple[float, float, float]:
    return rng.uniform(0.22, 1.1), rng.uniform(0.22, 0.85), rng.uniform(0.015, 0.045)


def framed_picture(rng: np.random.Generator) -> Mesh:
    w, h, t = _picture_size(rng)
    b = MeshBuilder()
    frame, art = b.material(mat.wood_or_paint(rng)), b.material(mat.artwork(rng))
    mount = rng.uniform(0.015, 0.05)
    b.block((-w / 2, -t, 0), (w / 2, 0, h), frame)
    b.block((-w / 2 + mount, -t - 0.004, mount), (w / 2 - mount, -t, h - mount), art)
    return b.build()


def matted_picture(rng: np.random.Generator) -> Mesh:
    """A small print in a broad pale mat."""
    w, h, t = _picture_size(rng)
    b = MeshBuilder()
    frame, art = b.material(mat.wood_or_paint(rng)), b.material(mat.artwork(rng))
    paper = b.material(Material(mat.white_color(rng)))
    b.block((-w / 2, -t, 0), (w / 2, 0, h), frame)
    b.block((-w / 2 + 0.02, -t - 0.003, 0.02), (w / 2 - 0.02, -t, h - 0.02), paper)
    b.block((-w * 0.28, -t - 0.006, h * 0.25), (w * 0.28, -t, h * 0.75), art)
    return b.build()


def canvas(rng: np.random.Generator) -> Mesh:
    """Without a frame, the picture running over the edges."""
    w, h, t = _picture_size(rng)
    b = MeshBuilder()
    b.block((-w / 2, -t, 0), (w / 2, 0, h), b.material(mat.artwork(rng)))
    return b.build()


def poster(rng: np.random.Generator) -> Mesh:
    """Paper pinned to the wall, its edges lifting a little."""
    w, h, _ = _picture_size(rng)
    b = MeshBuilder()
    x, z = np.meshgrid(np.linspace(-w / 2, w / 2, 7), np.linspace(0, h, 7))
    y = -0.004 - 0.012 * (2 * np.abs(x) / w) ** 4
    b.grid(np.stack([x, y, z], axis=-1), b.material(mat.artwork(rng)))
    b.grid(np.stack([x, y - 0.003, z], axis=-1), b.material(mat.artwork(rng)))
    return b.build()


def oval_picture(rng: np.random.Generator) -> Mesh:
    w, h, t = _picture_size(rng)
    b = MeshBuilder()
    angle = np.linspace(0, 2 * np.pi, 25)[:-1]
    edge = np.stack([w / 2 * np.cos(angle), h / 2 + h / 2 * np.sin(angle)], axis=-1)
    b.prism(edge, -t, 0.0, b.material(mat.wood_or_paint(rng)), axis=1)
    middle = np.array([0.0, h / 2])
    b.prism(middle + 0.86 * (edge - middle), -t - 0.005, -t + 0.002, b.material(mat.artwork(rng)), axis=1)
    return b.build()


def triptych(rng: np.random.Generator) -> Mesh:
    """One motif over three panels hung on a common bar."""
    w, h, t = rng.uniform(0.8, 1.4), rng.uniform(0.35, 0.8), 0.035
    b = MeshBuilder()
    art = b.material(mat.artwork(rng))
    for k in range(3):
        x0 = -w / 2 + w * k / 3
        b.block((x0 + 0.008, -t, 0), (x0 + w / 3 - 0.008, 0, h), art)
    b.block((-w / 2 + 0.02, -0.01, h * 0.45), (w / 2 - 0.02, 0, h * 0.55), art)
    return b.build()


# --- radiators: otherfurniture ---------------------------------------------------------------------


def ribbed_radiator(rng: np.random.Generator) -> Mesh:
    w, h = rng.uniform(0.5, 1.4), rng.uniform(0.35, 0.6)
    b = MeshBuilder()
    body = b.material(Material(mat.white_color(rng)))
    b.block((-w / 2, -0.06, 0.03), (w / 2, -0.03, h - 0.03), body)
    for x in np.arange(-w / 2, w / 2, 0.055):
        b.block((x, -0.1, 0), (x + 0.035, -0.02, h), body)
    return b.build()


def panel_radiator(rng: np.random.Generator) -> Mesh:
    w, h = rng.uniform(0.6, 1.6), rng.uniform(0.4, 0.65)
    b = MeshBuilder()
    body = b.material(Material(mat.white_color(rng)))
    b.block((-w / 2, -0.11, 0), (w / 2, -0.03, h), body)
    for x in np.arange(-w / 2 + 0.02, w / 2 - 0.03, 0.045):
        b.block((x, -0.118, 0.03), (x + 0.02, -0.11, h - 0.03), body)
    b.pipe(
        [(w / 2 - 0.02, -0.07, 0.04), (w / 2 + 0.06, -0.07, 0.04), (w / 2 + 0.06, -0.07, -0.06)], 0.03, body
    )
    return b.build()
