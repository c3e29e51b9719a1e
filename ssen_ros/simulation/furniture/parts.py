"""What several kinds of furniture are made of: legs, fronts with handles, padded seats, books."""

from dataclasses import dataclass

import numpy as np

from ssen_ros.simulation import materials as mat
from ssen_ros.simulation.materials import Material
from ssen_ros.simulation.mesh import Mesh, MeshBuilder


@dataclass(frozen=True)
class Part:
    """A labelled piece of a fixture made of several objects, such as a counter with its sink."""

    class_name: str  # a ScanNet class, or "" for unlabelled clutter
    mesh: Mesh
    position: tuple[float, float, float] = (0.0, 0.0, 0.0)  # m, in the fixture's frame


def pick(rng: np.random.Generator, options, weights=None):
    return options[rng.choice(len(options), p=weights)]


def four_legs(b: MeshBuilder, w: float, d: float, h: float, thickness: float, material: int) -> None:
    for x in (-1, 1):
        for y in (-1, 1):
            center = (x * (w - thickness) / 2, y * (d - thickness) / 2, h / 2)
            b.box(center, (thickness, thickness, h), material)


def splayed_legs(
    b: MeshBuilder, foot: tuple[float, float], top: tuple[float, float], h: float, thickness: float, leg: int
) -> None:
    """Four legs from half extents `foot` on the floor to half extents `top` at height h, m."""
    for x in (-1, 1):
        for y in (-1, 1):
            b.bar((x * foot[0], y * foot[1], 0), (x * top[0], y * top[1], h), thickness, leg)


def star_base(b: MeshBuilder, rng: np.random.Generator, h: float, reach: float, material: int) -> None:
    """A column on five feet with castors."""
    turn = rng.uniform(0, 2)
    for k in range(5):
        angle = turn + 2 * np.pi * k / 5
        tip = reach * np.array([np.cos(angle), np.sin(angle)])
        b.bar((0, 0, 0.11), (*tip, 0.07), 0.045, material)
        b.box((*tip, 0.035), (0.05, 0.05, 0.07), material)
    b.cylinder((0, 0, 0.08), 0.03, h - 0.08, material)


def armrests(b: MeshBuilder, w: float, depth: float, seat: float, h: float, material: int) -> None:
    """Two bars beside a seat of width w, their tops at height h, m."""
    for x in (-1, 1):
        side = x * (w / 2 + 0.02)
        b.block((side - 0.03, -depth / 2, h - 0.03), (side + 0.03, depth / 2, h), material)
        b.bar((side, 0, seat - 0.05), (side, 0, h - 0.02), 0.035, material)
        b.bar((side, 0, seat - 0.04), (0, 0, seat - 0.04), 0.03, material)


def fronts(
    b: MeshBuilder,
    rng: np.random.Generator,
    x0: float,
    x1: float,
    z0: float,
    z1: float,
    y: float,
    front: int,
    rows: int = 0,
) -> None:
    """Doors or drawers with handles on the plane `y`, filling x0..x1 by z0..z1; `rows` 0: any number."""
    handle = b.material(mat.metal(rng))
    columns = max(1, round((x1 - x0) / rng.uniform(0.4, 0.65)))
    drawn = pick(rng, (1, 2, 3, 4), [0.5, 0.15, 0.2, 0.15]) if z1 - z0 < 1.3 else pick(rng, (1, 2))
    rows = rows or drawn
    gap, grip = 0.008, pick(rng, ("bar", "knob", "none"), [0.5, 0.3, 0.2])
    cw, ch = (x1 - x0) / columns, (z1 - z0) / rows
    for i in range(columns):
        for j in range(rows):
            x, z = x0 + cw * (i + 0.5), z0 + ch * (j + 0.5)
            b.box((x, y - 0.009, z), (cw - gap, 0.018, ch - gap), front)
            side = 1 if i % 2 == 0 else -1
            if grip == "knob":
                b.box((x + side * cw * (0.38 if rows == 1 else 0), y - 0.03, z), (0.03, 0.025, 0.03), handle)
            elif grip == "bar" and rows == 1:
                b.box((x + side * cw * 0.4, y - 0.03, z), (0.012, 0.024, min(0.16, ch * 0.5)), handle)
            elif grip == "bar":
                b.box((x, y - 0.03, z + ch * 0.2), (min(0.18, cw * 0.5), 0.024, 0.012), handle)


def carcass(b: MeshBuilder, w: float, d: float, z0: float, z1: float, body: int, back: bool = True) -> None:
    """Sides, floor, top and back of an open case, its front at -d / 2."""
    t = 0.02
    for x in (-1, 1):
        b.box((x * (w - t) / 2, 0, (z0 + z1) / 2), (t, d, z1 - z0), body)
    for z in (z0 + t / 2, z1 - t / 2):
        b.box((0, 0, z), (w, d, t), body)
    if back:
        b.block((-w / 2, d / 2 - 0.012, z0), (w / 2, d / 2, z1), body)


def book_colors(b: MeshBuilder, rng: np.random.Generator) -> list[int]:
    palettes = (mat.bright_color, mat.muted_color, mat.black_color, mat.white_color)
    return [b.material(Material(pick(rng, palettes, [0.3, 0.35, 0.15, 0.2])(rng))) for _ in range(10)]


def row_of_books(
    b: MeshBuilder,
    rng: np.random.Generator,
    x0: float,
    x1: float,
    back: float,
    depth: float,
    z: float,
    room: float,
    fill: float,
    books: list[int],
) -> None:
    """Books, boxes and gaps from x0 to x1 on a board at height z with `room` m above; `fill` in 0..1."""
    x = x0
    while x < x1 - 0.06:
        if rng.random() > fill:
            x += rng.uniform(0.05, 0.3)
            continue
        if rng.random() < 0.2:  # a file box, a basket
            w = min(rng.uniform(0.1, 0.35), x1 - x)
            b.block(
                (x, back - depth * 0.9, z), (x + w, back, z + room * rng.uniform(0.4, 0.8)), pick(rng, books)
            )
            x += w + 0.01
            continue
        tall, deep = room * rng.uniform(0.55, 0.85), depth * rng.uniform(0.55, 0.9)
        for _ in range(int(rng.integers(2, 10))):
            thick = rng.uniform(0.018, 0.05)
            if x + thick > x1:
                return
            top = z + tall * rng.uniform(0.85, 1.05)
            b.block((x, back - deep, z), (x + thick * 0.95, back, top), int(pick(rng, books)))
            x += thick


def disc(b: MeshBuilder, center, radii: tuple[float, float], t: float, material: int) -> None:
    """A flat round plate whose lower side is at `center`, m."""
    b.loft([(0.0, 0.0), (1.0, 0.0), (1.0, t), (0.0, t)], center, material, radii, segments=28)


def plastic(rng: np.random.Generator) -> Material:
    return Material(
        pick(
            rng, (mat.black_color, mat.white_color, mat.grey_color, mat.bright_color), [0.4, 0.25, 0.2, 0.15]
        )(rng)
    )


def any_color(rng: np.random.Generator) -> Material:
    return Material(pick(rng, (mat.bright_color, mat.muted_color, mat.white_color, mat.black_color))(rng))


def ring(b: MeshBuilder, center, radius: float, thickness: float, material: int, axis: int = 0) -> None:
    """A hoop about an axis through `center`, m."""
    angle = np.linspace(0.0, 2.0 * np.pi, 17)
    u, v = radius * np.cos(angle), radius * np.sin(angle)
    b.pipe(np.insert(np.stack([u, v], axis=-1), axis, 0.0, axis=1) + np.asarray(center), thickness, material)
