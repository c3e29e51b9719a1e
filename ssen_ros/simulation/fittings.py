"""What stands, hangs and is built into varied rooms beside furniture: columns, boards, partitions, lamps.

Structure is labelled "wall" or "ceiling"; all else here is of no class.
"""

import numpy as np

from ssen_ros.simulation import clutter, materials
from ssen_ros.simulation.furniture import fittings as make
from ssen_ros.simulation.layout import WALL_THICKNESS, Layout, Wall
from ssen_ros.simulation.materials import Material
from ssen_ros.simulation.mesh import Mesh, MeshBuilder

_HEADROOM = 2.25  # m under beams and ducts
_LIT_BY_PANELS = {"office": 0.6, "meeting": 0.6, "lounge": 0.3, "storage": 0.3, "kitchen": 0.2}
_BOARDS = {"office": 0.6, "meeting": 0.8, "lounge": 0.25, "storage": 0.15, "dining": 0.1}
_SCREENS = {"meeting": 0.5, "living": 0.35, "lounge": 0.35, "office": 0.2, "bedroom": 0.2}
_PARTITIONS = {"office": 0.55, "meeting": 0.2, "lounge": 0.2, "storage": 0.15}
_MIRRORS = {"bedroom": 0.4, "bathroom": 0.35, "living": 0.15, "lounge": 0.1}


def clear_walls(layout: Layout) -> None:
    """Keep some walls bare: whole ones, or all above a table's height."""
    rng, area = layout.rng, layout.width * layout.depth
    order = rng.permutation(len(layout.walls))
    whole = int(rng.choice(3, p=[0.5, 0.38, 0.12])) if area > 11.0 else 0
    above = int(rng.choice(3, p=[0.4, 0.35, 0.25]))
    for k in order[:whole]:
        _take(layout.walls[k], 0.0, layout.height)
    for k in order[whole : whole + above]:
        _take(layout.walls[k], rng.uniform(0.9, 1.4), layout.height)


def build_in(layout: Layout, kind: str) -> None:
    """Structure that furniture has to go round, and boards, which hang before cupboards come."""
    rng = layout.rng
    if layout.alone and len(layout.walls) == 4 and rng.random() < 0.08:
        _slope(layout)
    if layout.alone and rng.random() < 0.12:
        _niche(layout)
    for _ in range(int(rng.integers(1, 3)) if rng.random() < 0.25 else 0):
        _pier(layout)
    if rng.random() < 0.12 and min(layout.width, layout.depth) > 3.2:
        for _ in range(int(rng.integers(1, 3))):
            _column(layout)
    if rng.random() < 0.2:
        radius = rng.uniform(0.015, 0.06)
        spot = layout.against_wall((2 * radius, 2 * radius, layout.height), gap=rng.uniform(0.0, 0.06))
        if spot:
            layout.add(make.standpipe(rng, radius, layout.height), "", spot.position)
    for _ in range(2):
        if rng.random() < _BOARDS.get(kind, 0.03):
            _board(layout)


def fit_out(layout: Layout, kind: str) -> None:
    """What finds its place between and above the furniture."""
    rng = layout.rng
    if rng.random() < _PARTITIONS.get(kind, 0.04):
        for _ in range(int(rng.integers(1, 5))):
            _partition(layout)
    if rng.random() < _SCREENS.get(kind, 0.05):
        _hang(layout, make.wall_screen(rng), rng.uniform(0.8, 1.4))
    if rng.random() < _MIRRORS.get(kind, 0.03):
        w, h = rng.uniform(0.35, 1.3), rng.uniform(0.7, 1.9)
        _hang(layout, make.wall_mirror(rng, w, h), rng.uniform(0.02, 1.1) if h < 1.2 else 0.05)
    if rng.random() < 0.15:
        _hang(layout, make.air_conditioner(rng), layout.height - rng.uniform(0.4, 0.6))


def fit_ceiling(layout: Layout, kind: str) -> None:
    rng = layout.rng
    if rng.random() < _LIT_BY_PANELS.get(kind, 0.06):
        _grid_of_lights(layout)
    else:
        for _ in range(int(rng.integers(0, 3))):
            lamp = layout.assets.clutter("ceiling") or clutter.ceiling_lamp(rng)
            _under_ceiling(layout, lamp, rng.uniform(0.25, 0.75, 2), -lamp.upper[2])
    if layout.sloped:
        return
    if rng.random() < 0.15:
        _beams(layout)
    if rng.random() < (0.25 if kind in ("office", "storage", "meeting") else 0.05):
        along = 0 if layout.width > layout.depth else 1
        mesh = make.duct(rng, (layout.width, layout.depth)[along] - 0.02)
        if layout.height + mesh.lower[2] > _HEADROOM:
            at = np.full(2, 0.5)
            at[1 - along] = rng.choice([0.12, 0.88, 0.5])
            _under_ceiling(layout, mesh, at, 0.0, along * np.pi / 2)


def _take(wall: Wall, z0: float, z1: float) -> None:
    wall.taken.append((0.0, wall.length, z0, z1))


def _hang(layout: Layout, mesh: Mesh, z: float) -> None:
    spot = layout.on_wall(mesh.size[0], z, z + mesh.size[2])
    if spot:
        layout.add(mesh, "", spot.position, spot.yaw)


def _board(layout: Layout) -> None:
    rng = layout.rng
    longest = max(wall.length for wall in layout.walls)
    w = min(rng.uniform(0.9, 4.0), longest * rng.uniform(0.3, 0.9))
    h = rng.uniform(0.8, min(1.5, layout.height - 1.0))
    _hang(layout, make.board(rng, w, h), rng.uniform(0.5, min(1.1, layout.height - h - 0.05)))


def _partition(layout: Layout) -> None:
    """A screen or panes of glass: in the open, or at right angles from a wall."""
    rng = layout.rng
    w = rng.uniform(0.8, 2.6)
    if rng.random() < 0.65:
        h = rng.uniform(1.0, 1.8)
        mesh = make.office_screen(rng, w, h)
    else:
        h = layout.height - 0.01 if rng.random() < 0.5 else rng.uniform(1.6, 2.2)
        mesh = make.glass_partition(rng, w, min(h, layout.height - 0.01))
    h = mesh.size[2]
    if rng.random() < 0.5:
        spot = layout.against_wall((0.08, w, h), gap=0.0, tries=15)
        turn = np.pi / 2
    else:
        spot = layout.in_the_open((w, 0.08, h), tries=15)
        turn = 0.0
    if spot:
        layout.add(mesh, "", spot.position, spot.yaw + turn)


# --- structure -------------------------------------------------------------------------------------


def _shaft(layout: Layout, w: float, d: float, is_round: bool) -> Mesh:
    b = MeshBuilder()
    surface = b.material(layout.walls[layout.rng.integers(len(layout.walls))].material)
    if is_round:
        b.cylinder((0, 0, 0), w / 2, layout.height, surface, segments=20)
    else:
        b.block((-w / 2, -d / 2, 0), (w / 2, d / 2, layout.height), surface)
    return b.build()


def _pier(layout: Layout) -> None:
    """A flat pier, or what boxes in pipes, at a wall or in a corner."""
    w, d = layout.rng.uniform(0.2, 0.8), layout.rng.uniform(0.1, 0.4)
    spot = layout.against_wall((w, d, layout.height), gap=0.0)
    if spot:
        layout.add(_shaft(layout, w, d, False), "wall", spot.position, spot.yaw)


def _column(layout: Layout) -> None:
    rng = layout.rng
    w = rng.uniform(0.25, 0.55)
    spot = layout.in_the_open((w, w, layout.height))
    if spot:
        layout.add(_shaft(layout, w, w, rng.random() < 0.4), "wall", spot.position, spot.yaw)


def _beams(layout: Layout) -> None:
    rng, short = layout.rng, int(layout.width > layout.depth)  # beams run along the shorter side
    size = np.array([layout.width, layout.depth])
    deep = min(rng.uniform(0.1, 0.4), layout.height - _HEADROOM)
    if deep < 0.08:
        return
    wide = rng.uniform(0.08, 0.35)
    material = materials.wood(rng, axis=short) if rng.random() < 0.4 else layout.walls[0].material
    for at in np.arange(rng.uniform(0.4, 1.0), size[1 - short] - 0.3, rng.uniform(0.7, 2.5)):
        b = MeshBuilder()
        low, high = np.zeros(2), size.copy()
        low[1 - short], high[1 - short] = at - wide / 2, at + wide / 2
        b.block((*low, layout.height - deep), (*high, layout.height), b.material(material))
        layout.add(b.build(), "wall", (0, 0, 0))


def _slope(layout: Layout) -> None:
    """The ceiling comes down over one wall, as under a roof."""
    rng = layout.rng
    k = int(rng.integers(4))
    wall, before, after = (layout.walls[(k + step) % 4] for step in (0, -1, 1))
    low, run = rng.uniform(1.35, 2.0), rng.uniform(0.5, 0.45 * before.length)
    if any(opening[3] > low - 0.05 for opening in wall.openings):
        return
    _take(wall, low - 0.05, layout.height)
    before.taken.append((before.length - run, before.length, low, layout.height))
    after.taken.append((0.0, run, low, layout.height))
    edges = ((0.0, low), (run, layout.height))
    ends = [np.array([*wall.point(t, d), z]) for d, z in edges for t in (0.0, wall.length)]
    material = wall.material if rng.random() < 0.5 else Material(materials.white_color(rng))
    b = MeshBuilder()
    b.grid(np.array(ends).reshape(2, 2, 3), b.material(material))
    layout.add(b.build(), "ceiling", (0, 0, 0))
    layout.sloped = True


def _niche(layout: Layout) -> None:
    """A recess in a wall, at any height."""
    rng = layout.rng
    w, z = rng.uniform(0.3, 1.4), rng.choice([0.0, rng.uniform(0.4, 1.3)])
    h = rng.uniform(0.4, max(0.5, layout.height - z - 0.3))
    spot = layout.on_wall(w, z, z + h, margin=0.1)
    if spot:
        recess(layout, spot.wall, spot.t, w, z, h, rng.uniform(0.13, 0.4), closed=True)
        spot.wall.openings.append((spot.t - w / 2, spot.t + w / 2, z, z + h))


def recess(
    layout: Layout, wall: Wall, t: float, w: float, z: float, h: float, depth: float, closed: bool
) -> None:
    """The sides of an opening beyond the wall's thickness, to `depth` m behind its surface, and its back."""
    b = MeshBuilder()
    surface, slab, near = b.material(wall.material), 0.02, WALL_THICKNESS - 0.01
    far = depth + slab
    wide = w / 2 + slab
    sides = ((-wide, -w / 2, 0, h), (w / 2, wide, 0, h), (-wide, wide, -slab, 0), (-wide, wide, h, h + slab))
    for x0, x1, z0, z1 in sides:
        b.block((x0, near, z0), (x1, far, z1), surface)
    if closed:
        b.block((-w / 2, depth, 0), (w / 2, far, h), surface)
    layout.add(b.build(), "wall", (*wall.point(t, 0.0), z), wall.yaw)


# --- ceilings --------------------------------------------------------------------------------------


def _grid_of_lights(layout: Layout) -> None:
    rng = layout.rng
    w, d = ((0.6, 0.6), (1.2, 0.3), (1.2, 0.6), (1.5, 0.12))[rng.integers(4)]
    mesh = make.flat_light(rng, w, d) if rng.random() < 0.75 else make.hanging_tube(rng, w)
    turn = rng.integers(2) * np.pi / 2
    pitch = rng.uniform(1.4, 2.6, 2)
    for x in np.arange(0.8, layout.width - 0.6, pitch[0]):
        for y in np.arange(0.8, layout.depth - 0.6, pitch[1]):
            _under_ceiling(layout, mesh, np.array([x / layout.width, y / layout.depth]), 0.0, turn)


def _under_ceiling(layout: Layout, mesh: Mesh, share: np.ndarray, z: float, yaw: float = 0.0) -> None:
    at = share * (layout.width, layout.depth)
    layout.add(mesh, "", (*at, layout.height + z), yaw)
