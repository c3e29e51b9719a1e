"""Cabinets, bookshelves and cupboards on the wall; doors and drawers look to -y."""

import numpy as np

from ssen_ros.simulation import materials as mat
from ssen_ros.simulation.furniture.parts import (
    book_colors,
    carcass,
    four_legs,
    fronts,
    pick,
    row_of_books,
)
from ssen_ros.simulation.materials import Material
from ssen_ros.simulation.mesh import Mesh, MeshBuilder


def cabinet_body(
    rng: np.random.Generator, w: float, d: float, h: float, plinth: float = 0.08, rows: int = 0
) -> Mesh:
    b = MeshBuilder()
    body = b.material(mat.wood_or_paint(rng, axis=2))
    front = body if rng.random() < 0.7 else b.material(mat.wood_or_paint(rng, axis=2))
    b.block((-w / 2, -d / 2 + 0.018, plinth), (w / 2, d / 2, h), body)
    if plinth:
        b.block((-w / 2 + 0.02, -d / 2 + 0.06, 0), (w / 2 - 0.02, d / 2, plinth), body)
    fronts(b, rng, -w / 2, w / 2, plinth, h - 0.02, -d / 2 + 0.018, front, rows)
    return b.build()


# --- cabinets --------------------------------------------------------------------------------------


def sideboard(rng: np.random.Generator) -> Mesh:
    return cabinet_body(rng, rng.uniform(0.9, 2.0), rng.uniform(0.35, 0.52), rng.uniform(0.6, 0.95))


def chest_of_drawers(rng: np.random.Generator) -> Mesh:
    w, d, h = rng.uniform(0.5, 1.1), rng.uniform(0.4, 0.52), rng.uniform(0.7, 1.25)
    return cabinet_body(rng, w, d, h, rows=int(rng.integers(3, 6)))


def cupboard(rng: np.random.Generator) -> Mesh:
    """Tall doors, of clothes or of files."""
    return cabinet_body(rng, rng.uniform(0.6, 2.0), rng.uniform(0.4, 0.62), rng.uniform(1.6, 2.25), rows=1)


def legged_sideboard(rng: np.random.Generator) -> Mesh:
    """On four slim legs, with an open niche beside the doors."""
    w, d, h, foot = (
        rng.uniform(1.1, 1.9),
        rng.uniform(0.38, 0.46),
        rng.uniform(0.62, 0.85),
        rng.uniform(0.12, 0.25),
    )
    b = MeshBuilder()
    body = b.material(mat.wood_or_paint(rng, 0.7))
    four_legs(b, w - 0.06, d - 0.06, foot + 0.01, 0.035, b.material(mat.wood_or_paint(rng)))
    carcass(b, w, d, foot, h, body)
    split = -w / 2 + w * rng.uniform(0.25, 0.45)
    b.box((split, 0, (foot + h) / 2), (0.02, d, h - foot), body)
    b.box(((split - w / 2) / 2, 0.01, (foot + h) / 2), (split + w / 2, d - 0.03, 0.018), body)
    b.block((split, -d / 2 + 0.018, foot), (w / 2, d / 2, h), body)
    fronts(b, rng, split, w / 2, foot + 0.01, h - 0.01, -d / 2 + 0.018, body)
    return b.build().grounded()


def file_cabinet(rng: np.random.Generator) -> Mesh:
    """Sheet steel, drawers one above the other, alone or in a row."""
    w, d, drawers = 0.46, rng.uniform(0.45, 0.65), int(rng.integers(2, 5))
    h = 0.06 + 0.32 * drawers
    b = MeshBuilder()
    steel = b.material(Material(pick(rng, (mat.grey_color, mat.white_color, mat.black_color))(rng)))
    count = int(rng.integers(1, 4))
    for k in range(count):
        x = w * (k - (count - 1) / 2)
        b.block((x - w / 2 + 0.002, -d / 2 + 0.02, 0.02), (x + w / 2 - 0.002, d / 2, h), steel)
        fronts(b, rng, x - w / 2, x + w / 2, 0.04, h - 0.02, -d / 2 + 0.02, steel, rows=drawers)
    b.block((-w * count / 2, -d / 2 + 0.03, h - 0.01), (w * count / 2, d / 2, h + 0.008), steel)
    return b.build().grounded()


def lockers(rng: np.random.Generator) -> Mesh:
    """Narrow steel doors with slots."""
    count, d, h = int(rng.integers(2, 6)), rng.uniform(0.45, 0.52), rng.uniform(1.7, 1.95)
    w, b = 0.31 * count, MeshBuilder()
    body = b.material(Material(mat.grey_color(rng)))
    door = body if rng.random() < 0.4 else b.material(mat.painted(rng))
    dark = b.material(Material(mat.black_color(rng)))
    b.block((-w / 2, -d / 2 + 0.02, 0.0), (w / 2, d / 2, h), body)
    rows = pick(rng, (1, 2, 3))
    for k in range(count):
        x = -w / 2 + 0.31 * (k + 0.5)
        for j in range(rows):
            z0, z1 = 0.1 + (h - 0.12) * j / rows, 0.1 + (h - 0.12) * (j + 1) / rows
            b.block((x - 0.148, -d / 2 + 0.002, z0 + 0.005), (x + 0.148, -d / 2 + 0.02, z1 - 0.005), door)
            for z in (z1 - 0.08, z1 - 0.11, z1 - 0.14):
                b.box((x, -d / 2, z), (0.12, 0.006, 0.01), dark)
            b.box((x + 0.11, -d / 2, (z0 + z1) / 2), (0.02, 0.03, 0.05), dark)
    return b.build()


def media_bench(rng: np.random.Generator) -> Mesh:
    """Long and low, for a television: half open."""
    w, d, h = rng.uniform(1.1, 2.0), rng.uniform(0.35, 0.48), rng.uniform(0.35, 0.58)
    b = MeshBuilder()
    body = b.material(mat.wood_or_paint(rng))
    carcass(b, w, d, 0.04, h, body)
    b.block((-w / 2 + 0.03, -d / 2 + 0.05, 0), (w / 2 - 0.03, d / 2, 0.05), body)
    x0 = w * rng.uniform(-0.1, 0.2)
    b.block((-w / 2, -d / 2 + 0.018, 0.04), (x0, d / 2, h), body)
    fronts(b, rng, -w / 2, x0, 0.05, h - 0.02, -d / 2 + 0.018, body)
    b.box(((x0 + w / 2) / 2, 0.01, h * 0.55), (w / 2 - x0, d - 0.02, 0.018), body)
    dark = b.material(Material(mat.black_color(rng)))
    b.block((x0 + 0.06, -d / 2 + 0.08, h * 0.55), (w / 2 - 0.08, d / 2 - 0.05, h * 0.55 + 0.07), dark)
    return b.build()


def display_cabinet(rng: np.random.Generator) -> Mesh:
    """Glass doors above, wooden ones below, dishes inside."""
    w, d, h = rng.uniform(0.7, 1.4), rng.uniform(0.36, 0.46), rng.uniform(1.6, 2.05)
    b = MeshBuilder()
    body, pane = b.material(mat.wood_or_paint(rng, 0.75, axis=2)), b.material(mat.pane(rng))
    carcass(b, w, d, 0.0, h, body)
    middle = h * rng.uniform(0.3, 0.45)
    b.block((-w / 2, -d / 2 + 0.02, 0.0), (w / 2, d / 2, middle), body)
    fronts(b, rng, -w / 2, w / 2, 0.06, middle - 0.01, -d / 2 + 0.02, body)
    things = book_colors(b, rng)
    for z in np.arange(middle, h - 0.25, 0.34):
        b.box((0, 0, z), (w - 0.02, d - 0.03, 0.02), body)
        row_of_books(b, rng, -w / 2 + 0.05, w / 2 - 0.05, d / 2 - 0.03, d * 0.6, z, 0.3, 0.5, things)
    columns = max(2, round(w / 0.45))
    for k in range(columns + 1):
        x = -w / 2 + 0.02 + (w - 0.04) * k / columns
        b.box((x, -d / 2, (middle + h) / 2), (0.045, 0.02, h - middle), body)
    b.box((0, -d / 2 + 0.004, (middle + h) / 2), (w - 0.05, 0.006, h - middle), pane)
    return b.build().grounded()


def roller_cabinet(rng: np.random.Generator) -> Mesh:
    """Slatted shutters that run to the side, as in offices."""
    w, d, h = (
        rng.uniform(0.8, 1.2),
        rng.uniform(0.42, 0.48),
        pick(rng, (rng.uniform(0.7, 1.1), rng.uniform(1.5, 2.0))),
    )
    b = MeshBuilder()
    body = b.material(mat.laminate(rng))
    slats = b.material(Material(mat.grey_color(rng)))
    carcass(b, w, d, 0.04, h, body)
    b.block((-w / 2 + 0.03, -d / 2 + 0.04, 0), (w / 2 - 0.03, d / 2, 0.05), body)
    open_to = w * pick(rng, (0.0, rng.uniform(0.3, 0.7)), [0.6, 0.4])
    for x in np.arange(-w / 2 + 0.03, w / 2 - 0.04 - open_to, 0.035):
        b.block((x, -d / 2 + 0.015, 0.06), (x + 0.03, -d / 2 + 0.03, h - 0.02), slats)
    binders = book_colors(b, rng)
    for z in np.arange(0.06, h - 0.3, 0.36):
        b.box((0, 0.01, z), (w - 0.03, d - 0.06, 0.02), body)
        row_of_books(
            b, rng, -w / 2 + 0.04, w / 2 - 0.04, d / 2 - 0.03, d * 0.65, z + 0.01, 0.33, 0.8, binders
        )
    return b.build().grounded()


def hutch(rng: np.random.Generator) -> Mesh:
    """A deep base with a shallower cupboard standing back on it."""
    w, d, low, h = (
        rng.uniform(0.9, 1.5),
        rng.uniform(0.45, 0.55),
        rng.uniform(0.8, 0.95),
        rng.uniform(1.7, 2.1),
    )
    b = MeshBuilder()
    body = b.material(mat.wood_or_paint(rng, 0.65, axis=2))
    b.block((-w / 2, -d / 2 + 0.02, 0.0), (w / 2, d / 2, low), body)
    b.block((-w / 2 - 0.02, -d / 2, low), (w / 2 + 0.02, d / 2, low + 0.03), body)
    fronts(b, rng, -w / 2, w / 2, 0.08, low * 0.75, -d / 2 + 0.02, body, rows=1)
    fronts(b, rng, -w / 2, w / 2, low * 0.77, low - 0.01, -d / 2 + 0.02, body, rows=1)
    upper = d * 0.55
    things = book_colors(b, rng)
    for x in (-1, 1):
        b.box((x * (w / 2 - 0.03), d / 2 - upper / 2, (low + h) / 2), (0.025, upper, h - low), body)
    b.block((-w / 2, d / 2 - 0.015, low), (w / 2, d / 2, h), body)
    for z in np.arange(low + 0.35, h - 0.1, 0.3):
        b.box((0, d / 2 - upper / 2, z), (w - 0.06, upper, 0.02), body)
        row_of_books(
            b, rng, -w / 2 + 0.05, w / 2 - 0.05, d / 2 - 0.02, upper * 0.8, z + 0.01, 0.25, 0.4, things
        )
    b.block((-w / 2 - 0.03, d / 2 - upper - 0.03, h), (w / 2 + 0.03, d / 2, h + 0.06), body)
    return b.build().grounded()


def apothecary(rng: np.random.Generator) -> Mesh:
    """Many small drawers on turned feet."""
    w, d, h = rng.uniform(0.6, 1.3), rng.uniform(0.36, 0.45), rng.uniform(0.75, 1.3)
    b = MeshBuilder()
    body, knob = b.material(mat.wood_or_paint(rng, 0.7)), b.material(mat.metal(rng))
    front = body if rng.random() < 0.6 else b.material(mat.wood_or_paint(rng))
    for x in (-1, 1):
        for y in (-1, 1):
            b.loft(
                [(0.6, 0), (1.2, 0.05), (1.0, 0.13)],
                (x * (w / 2 - 0.05), y * (d / 2 - 0.05), 0),
                body,
                (0.04, 0.04),
            )
    b.block((-w / 2, -d / 2 + 0.02, 0.12), (w / 2, d / 2, h), body)
    columns, rows = int(rng.integers(3, 6)), int(rng.integers(4, 7))
    cw, ch = (w - 0.04) / columns, (h - 0.16) / rows
    for i in range(columns):
        for j in range(rows):
            x, z = -w / 2 + 0.02 + cw * (i + 0.5), 0.14 + ch * (j + 0.5)
            b.box((x, -d / 2 + 0.012, z), (cw - 0.012, 0.018, ch - 0.012), front)
            b.box((x, -d / 2 - 0.01, z), (0.028, 0.028, 0.028), knob)
    b.block((-w / 2 - 0.02, -d / 2, h), (w / 2 + 0.02, d / 2 + 0.0, h + 0.03), body)
    return b.build().grounded()


# --- night stands: cabinets beside a bed -----------------------------------------------------------


def drawer_stand(rng: np.random.Generator) -> Mesh:
    w, d, h = rng.uniform(0.35, 0.5), rng.uniform(0.32, 0.42), rng.uniform(0.42, 0.62)
    return cabinet_body(rng, w, d, h, rows=int(rng.integers(1, 4)))


def open_stand(rng: np.random.Generator) -> Mesh:
    """One drawer over an open compartment."""
    w, d, h = rng.uniform(0.35, 0.5), rng.uniform(0.32, 0.42), rng.uniform(0.42, 0.62)
    b = MeshBuilder()
    body = b.material(mat.wood_or_paint(rng))
    carcass(b, w, d, 0.06, h, body)
    four_legs(b, w, d, 0.07, 0.035, body)
    b.block((-w / 2, -d / 2 + 0.02, h - 0.17), (w / 2, d / 2, h), body)
    fronts(b, rng, -w / 2, w / 2, h - 0.16, h - 0.01, -d / 2 + 0.02, body, rows=1)
    return b.build().grounded()


def legged_stand(rng: np.random.Generator) -> Mesh:
    """A small case on four slanting legs."""
    w, d, h = rng.uniform(0.38, 0.5), rng.uniform(0.34, 0.42), rng.uniform(0.45, 0.6)
    b = MeshBuilder()
    body, leg = b.material(mat.wood_or_paint(rng)), b.material(mat.wood(rng))
    b.block((-w / 2, -d / 2 + 0.018, 0.22), (w / 2, d / 2, h), body)
    fronts(b, rng, -w / 2, w / 2, 0.23, h - 0.01, -d / 2 + 0.018, body, rows=int(rng.integers(1, 3)))
    for x in (-1, 1):
        for y in (-1, 1):
            b.bar((x * w * 0.48, y * d * 0.46, 0), (x * w * 0.36, y * d * 0.36, 0.23), 0.03, leg)
    return b.build().grounded()


# --- cupboards on the wall: z = 0 is the lower edge, y = 0 the wall ---------------------------------


def wall_cupboard(rng: np.random.Generator, w: float) -> Mesh:
    d, h = rng.uniform(0.3, 0.38), rng.uniform(0.5, 0.8)
    b = MeshBuilder()
    b.add(cabinet_body(rng, w, d, h, plinth=0.0, rows=1), (0, -d / 2, 0))
    return b.build()


def open_wall_cupboard(rng: np.random.Generator, w: float) -> Mesh:
    """Doors at both ends, open boards with dishes between them."""
    d, h = rng.uniform(0.28, 0.36), rng.uniform(0.5, 0.75)
    b = MeshBuilder()
    body = b.material(mat.wood_or_paint(rng))
    case = MeshBuilder()
    wood = case.material(mat.wood_or_paint(rng))
    carcass(case, w, d, 0.0, h, wood)
    b.add(case.build(), (0, -d / 2, 0))
    third = w / 3
    for x0 in (-w / 2, w / 2 - third):
        b.block((x0, -d + 0.018, 0), (x0 + third, 0, h), body)
        fronts(b, rng, x0, x0 + third, 0.0, h, -d + 0.018, body, rows=1)
    dishes = book_colors(b, rng)
    for z in (0.02, h / 2):
        b.block((-third / 2, -d + 0.02, z - 0.01), (third / 2, 0, z + 0.01), body)
        row_of_books(
            b, rng, -third / 2 + 0.02, third / 2 - 0.02, -0.02, d * 0.7, z + 0.01, h / 2 - 0.05, 0.6, dishes
        )
    return b.build()


def flap_cupboard(rng: np.random.Generator, w: float) -> Mesh:
    """Two rows of wide flaps, the upper ones set back."""
    d, h = rng.uniform(0.3, 0.36), rng.uniform(0.6, 0.85)
    b = MeshBuilder()
    body, handle = b.material(mat.wood_or_paint(rng, 0.35)), b.material(mat.metal(rng))
    b.block((-w / 2, -d, 0), (w / 2, 0, h * 0.52), body)
    b.block((-w / 2, -d + 0.04, h * 0.52), (w / 2, 0, h), body)
    columns = max(1, round(w / 0.8))
    for k in range(columns):
        x, each = -w / 2 + w * (k + 0.5) / columns, w / columns
        b.box((x, -d - 0.009, h * 0.26), (each - 0.01, 0.018, h * 0.5), body)
        b.box((x, -d + 0.031, h * 0.76), (each - 0.01, 0.018, h * 0.46), body)
        b.box((x, -d - 0.03, 0.04), (each * 0.6, 0.025, 0.014), handle)
    return b.build()


# --- bookshelves -----------------------------------------------------------------------------------


def full_bookshelf(rng: np.random.Generator) -> Mesh:
    return _shelving(rng, rng.uniform(0.6, 1.2), rng.uniform(1.6, 2.25), rng.uniform(0.24, 0.4))


def low_bookshelf(rng: np.random.Generator) -> Mesh:
    return _shelving(rng, rng.uniform(0.7, 1.8), rng.uniform(0.75, 1.2), rng.uniform(0.25, 0.38))


def library(rng: np.random.Generator) -> Mesh:
    """Several bays side by side."""
    return _shelving(rng, rng.uniform(1.6, 2.8), rng.uniform(1.8, 2.3), rng.uniform(0.26, 0.36))


def _shelving(rng: np.random.Generator, w: float, h: float, d: float) -> Mesh:
    b = MeshBuilder()
    frame, books = b.material(mat.wood_or_paint(rng, axis=2)), book_colors(b, rng)
    bays = max(1, round(w / rng.uniform(0.75, 1.1)))
    if rng.random() < 0.8:
        b.block((-w / 2, d / 2 - 0.01, 0), (w / 2, d / 2, h), frame)
    edges = np.linspace(-w / 2 + 0.011, w / 2 - 0.011, bays + 1)
    for x in edges:
        b.box((x, 0, h / 2), (0.022, d, h), frame)
    fill = rng.uniform(0.3, 1.0)
    for x0, x1 in zip(edges, edges[1:]):
        shelves = max(2, int(h / rng.uniform(0.3, 0.42)))
        for i in range(shelves + 1):
            z = 0.05 + (h - 0.061) * i / shelves
            b.box(((x0 + x1) / 2, 0, z), (x1 - x0, d, 0.022), frame)
            if i < shelves:
                row_of_books(
                    b,
                    rng,
                    x0 + 0.011,
                    x1 - 0.011,
                    d / 2 - 0.02,
                    d * 0.9,
                    z + 0.011,
                    (h - 0.08) / shelves,
                    fill,
                    books,
                )
    return b.build()


def cube_shelf(rng: np.random.Generator) -> Mesh:
    """Square compartments with thick edges, some with boxes or doors."""
    columns, rows = int(rng.integers(1, 5)), int(rng.integers(2, 6))
    cell, d, t = rng.uniform(0.34, 0.39), 0.38, 0.035
    w, h = columns * cell + t, rows * cell + t
    b = MeshBuilder()
    frame, books = b.material(mat.wood_or_paint(rng, 0.35)), book_colors(b, rng)
    for i in range(columns + 1):
        b.box((-w / 2 + t / 2 + i * cell, 0, h / 2), (t, d, h), frame)
    for j in range(rows + 1):
        b.box((0, 0, t / 2 + j * cell), (w, d, t), frame)
    basket = b.material(mat.fabric(rng))
    for i in range(columns):
        for j in range(rows):
            x0, z0 = -w / 2 + t + i * cell, t + j * cell
            kind = rng.random()
            if kind < 0.25:
                b.block(
                    (x0 + 0.01, -d / 2 + 0.02, z0),
                    (x0 + cell - t - 0.01, d / 2 - 0.02, z0 + cell * 0.78),
                    basket,
                )
            elif kind < 0.35:
                b.block((x0, -d / 2, z0), (x0 + cell - t, -d / 2 + 0.02, z0 + cell - t), frame)
            else:
                row_of_books(b, rng, x0, x0 + cell - t, d / 2 - 0.03, d * 0.75, z0, cell - t, 0.7, books)
    return b.build()


def ladder_shelf(rng: np.random.Generator) -> Mesh:
    """Leans on the wall, the boards growing deeper downwards."""
    w, h, d = rng.uniform(0.5, 0.9), rng.uniform(1.6, 2.0), rng.uniform(0.4, 0.5)
    b = MeshBuilder()
    frame, books = b.material(mat.wood_or_paint(rng, 0.7)), book_colors(b, rng)
    for x in (-w / 2, w / 2):
        b.bar((x, -d / 2, 0), (x, d / 2 - 0.02, h), 0.035, frame)
    for z in np.linspace(0.25, h - 0.2, int(rng.integers(4, 6))):
        front = -d / 2 + (d - 0.02) * z / h - 0.02
        b.block((-w / 2, front, z - 0.012), (w / 2, d / 2, z + 0.012), frame)
        b.block((-w / 2, d / 2 - 0.012, z), (w / 2, d / 2, z + 0.06), frame)
        row_of_books(
            b, rng, -w / 2 + 0.03, w / 2 - 0.03, d / 2 - 0.02, d / 2 - front, z + 0.012, 0.28, 0.6, books
        )
    return b.build().grounded()


def metal_rack(rng: np.random.Generator) -> Mesh:
    """Perforated posts and steel boards, loaded with boxes."""
    w, h, d = rng.uniform(0.8, 1.4), rng.uniform(1.6, 2.1), rng.uniform(0.35, 0.5)
    b = MeshBuilder()
    steel, load = b.material(mat.metal(rng)), book_colors(b, rng)
    four_legs(b, w, d, h, 0.035, steel)
    for z in np.linspace(0.12, h - 0.03, int(rng.integers(4, 6))):
        b.box((0, 0, z), (w, d, 0.03), steel)
        if z < h - 0.1:
            row_of_books(
                b, rng, -w / 2 + 0.04, w / 2 - 0.04, d / 2 - 0.03, d * 0.95, z + 0.015, 0.36, 0.8, load
            )
    return b.build()


def staggered_shelf(rng: np.random.Generator) -> Mesh:
    """Compartments of unequal width without a common post; no back."""
    w, h, d = rng.uniform(0.8, 1.4), rng.uniform(1.3, 2.0), rng.uniform(0.26, 0.34)
    b = MeshBuilder()
    frame, books = b.material(mat.wood_or_paint(rng, 0.6)), book_colors(b, rng)
    rows = int(rng.integers(4, 7))
    for j in range(rows + 1):
        b.box((0, 0, 0.012 + (h - 0.024) * j / rows), (w, d, 0.024), frame)
    for j in range(rows):
        z0, z1 = 0.012 + (h - 0.024) * j / rows, 0.012 + (h - 0.024) * (j + 1) / rows
        shift = rng.uniform(0.05, 0.3) * w * (1 if j % 2 else -1)
        posts = sorted(
            {-w / 2 + 0.012 + (0.2 * w if j % 2 else 0), shift, w / 2 - 0.012 - (0 if j % 2 else 0.2 * w)}
        )
        for x in posts:
            b.box((x, 0, (z0 + z1) / 2), (0.024, d, z1 - z0), frame)
        for x0, x1 in zip(posts, posts[1:]):
            row_of_books(
                b, rng, x0 + 0.012, x1 - 0.012, d / 2 - 0.01, d * 0.85, z0 + 0.012, z1 - z0, 0.55, books
            )
    return b.build()


def etagere(rng: np.random.Generator) -> Mesh:
    """Thin round posts and boards of glass or wood, oval or square: a tower."""
    w, h = rng.uniform(0.4, 0.65), rng.uniform(1.3, 1.8)
    d = w * rng.uniform(0.6, 1.0)
    b = MeshBuilder()
    post, board = b.material(mat.metal(rng)), b.material(mat.wood(rng))
    books, squareness = book_colors(b, rng), pick(rng, (3, 8))
    for x in (-1, 1):
        for y in (-1, 1):
            b.cylinder((x * w * 0.4, y * d * 0.4, 0), 0.014, h + 0.04, post, 8)
    for z in np.linspace(0.1, h, int(rng.integers(4, 6))):
        b.loft([(0, z), (1, z), (1, z + 0.022), (0, z + 0.022)], (0, 0, 0), board, (w / 2, d / 2), squareness)
        if z < h - 0.1:
            row_of_books(b, rng, -w * 0.36, w * 0.36, d * 0.3, d * 0.55, z + 0.022, 0.28, 0.7, books)
    return b.build().grounded()


# --- under and beside desks -------------------------------------------------------------------------


def rolling_drawers(rng: np.random.Generator) -> Mesh:
    """Three or four drawers on castors, low enough for a desk."""
    w, d, h = rng.uniform(0.38, 0.45), rng.uniform(0.45, 0.6), rng.uniform(0.5, 0.62)
    b = MeshBuilder()
    body = b.material(mat.laminate(rng) if rng.random() < 0.7 else Material(mat.grey_color(rng)))
    front = body if rng.random() < 0.7 else b.material(mat.painted(rng))
    b.block((-w / 2, -d / 2 + 0.018, 0.05), (w / 2, d / 2, h), body)
    fronts(b, rng, -w / 2, w / 2, 0.06, h - 0.02, -d / 2 + 0.018, front, rows=int(rng.integers(2, 5)))
    dark = b.material(Material(mat.black_color(rng)))
    for x in (-1, 1):
        for y in (-1, 1):
            b.box((x * (w / 2 - 0.05), y * (d / 2 - 0.07), 0.03), (0.04, 0.04, 0.06), dark)
    return b.build().grounded()


def low_drawers(rng: np.random.Generator) -> Mesh:
    """As high as the desk that they stand beside."""
    return cabinet_body(rng, rng.uniform(0.4, 0.8), rng.uniform(0.45, 0.6), rng.uniform(0.55, 0.75), 0.04, 3)


def caddy(rng: np.random.Generator) -> Mesh:
    """An open niche over one deep drawer, a cushion on top."""
    w, d, h = rng.uniform(0.38, 0.45), rng.uniform(0.4, 0.55), rng.uniform(0.48, 0.58)
    b = MeshBuilder()
    body = b.material(mat.laminate(rng))
    carcass(b, w, d, 0.04, h, body)
    b.block((-w / 2 + 0.04, -d / 2 + 0.04, 0), (w / 2 - 0.04, d / 2 - 0.04, 0.05), body)
    b.block((-w / 2, -d / 2 + 0.02, 0.04), (w / 2, d / 2, h * 0.62), body)
    fronts(b, rng, -w / 2, w / 2, 0.06, h * 0.6, -d / 2 + 0.02, body, rows=1)
    b.cushion((0, 0, h + 0.015), (w, d, 0.05), b.material(mat.fabric(rng)), squareness=8)
    return b.build().grounded()


# --- shelves to be loaded: their boards are empty ----------------------------------------------------


def steel_shelf(rng: np.random.Generator) -> Mesh:
    """Posts and plain boards, open on all sides."""
    w, d, h = rng.uniform(0.8, 1.6), rng.uniform(0.35, 0.55), rng.uniform(1.5, 2.1)
    b = MeshBuilder()
    steel = b.material(mat.metal(rng) if rng.random() < 0.6 else mat.painted(rng))
    board = steel if rng.random() < 0.5 else b.material(mat.wood(rng))
    boards = np.linspace(0.1, h - 0.03, int(rng.integers(4, 6)))
    four_legs(b, w, d, h, 0.04, steel)
    for z in boards:
        b.box((0, 0, z - 0.012), (w, d, 0.025), board)
    return b.build()


def office_shelf(rng: np.random.Generator) -> Mesh:
    """A closed case with a back and boards for binders, low or high."""
    w, d = rng.uniform(0.7, 1.2), rng.uniform(0.32, 0.42)
    rows = int(rng.integers(2, 6))
    h = 0.06 + 0.37 * rows
    b = MeshBuilder()
    body = b.material(mat.laminate(rng) if rng.random() < 0.7 else mat.wood_or_paint(rng))
    carcass(b, w, d, 0.0, h, body)
    boards = 0.04 + 0.37 * np.arange(rows)
    for z in boards:
        b.block((-w / 2, -d / 2 + 0.01, z - 0.025), (w / 2, d / 2, z), body)
    return b.build().grounded()


def plank_shelf(rng: np.random.Generator) -> Mesh:
    """Thick planks between two ladders."""
    w, d, h = rng.uniform(0.9, 1.5), rng.uniform(0.3, 0.45), rng.uniform(1.2, 2.0)
    b = MeshBuilder()
    wood = b.material(mat.wood(rng))
    boards = np.linspace(0.14, h - 0.1, int(rng.integers(3, 6)))
    for x in (-w / 2 + 0.06, w / 2 - 0.06):
        for y in (-d / 2 + 0.03, d / 2 - 0.03):
            b.box((x, y, h / 2), (0.035, 0.05, h), wood)
        for z in boards:
            b.box((x, 0, z - 0.06), (0.03, d, 0.05), wood)
    for z in boards:
        b.box((0, 0, z - 0.02), (w, d, 0.04), wood)
    return b.build().grounded()
