"""Things that touch: how deep two of them are in each other, and places that they may share.

Footprints keep things apart; rooms people live in are full of things under, on and against each other.
Here a place is judged by the boxes about the shapes that things are made of: a roller cabinet fits between
the legs of a desk, a chair under a table, a bag between both.
"""

import numpy as np

from ssen_ros.labels import LABEL_NAMES, STUFF_NAMES
from ssen_ros.rotations import turn_z
from ssen_ros.simulation.layout import Layout, Placed, footprint, overlap
from ssen_ros.simulation.mesh import Mesh

TOUCH = 0.03  # m that things which lean on each other may share
_GIVES_WAY = STUFF_NAMES | {"curtain", "shower curtain"}


def depth(a: Placed, b: Placed) -> float:
    """How far, m, one of two things would have to move to leave the other; 0 where they are apart.

    Never less than the truth: each connected shape counts as the box about it in its thing's own frame.
    """
    turn = turn_z(b.yaw - a.yaw)[:2, :2]
    shift = turn_z(-a.yaw) @ (b.position - a.position)
    (middle_a, half_a), (middle_b, half_b) = (_boxes(placed.mesh) for placed in (a, b))
    middle_b = np.column_stack([middle_b[:, :2] @ turn.T, middle_b[:, 2]]) + shift  # in the frame of a
    spread_b = np.column_stack([half_b[:, :2] @ np.abs(turn).T, half_b[:, 2]])
    low, high = (middle_b - spread_b).min(axis=0), (middle_b + spread_b).max(axis=0)
    near = ((middle_a + half_a > low) & (middle_a - half_a < high)).all(axis=1)
    middle_a, half_a = middle_a[near], half_a[near]
    apart = middle_b[None] - middle_a[:, None]
    shared = half_a[:, None] + spread_b[None] - np.abs(apart)  # along x, y, z of a
    rows, columns = np.nonzero((shared > 0).all(axis=2))
    if not len(rows):
        return 0.0
    in_b = half_b[columns, :2] + half_a[rows, :2] @ np.abs(turn) - np.abs(apart[rows, columns, :2] @ turn)
    return float(max(np.minimum(shared[rows, columns].min(axis=1), in_b.min(axis=1)).max(), 0.0))


def _boxes(mesh: Mesh) -> tuple[np.ndarray, np.ndarray]:
    """(k, 3) middles and half extents of a mesh's shapes, m, in its own frame."""
    lower, upper = mesh.boxes
    return (lower + upper) / 2, (upper - lower) / 2


def fits(layout: Layout, placed: Placed, touch: float = TOUCH, cleared: bool = False) -> bool:
    """Whether a thing may be here: inside the room and at most `touch` m in any other thing.

    What is kept free, as before doors, is open to it only if `cleared` says so.
    """
    middle = (placed.mesh.lower + placed.mesh.upper) / 2
    outline = footprint(placed.at(middle), placed.yaw, *placed.mesh.size[:2])
    furniture = tuple(o for o in layout.obstacles if o.top < layout.height)
    if placed.position[2] + placed.mesh.upper[2] > layout.height:
        return False
    if not (_is_inside(layout, outline) if cleared else layout.is_free(outline, furniture)):
        return False
    at, reach = placed.at(middle), np.linalg.norm(placed.mesh.size) / 2
    for other in layout.objects:
        if LABEL_NAMES[other.class_id] in _GIVES_WAY:
            continue
        apart = other.at((other.mesh.lower + other.mesh.upper) / 2) - at
        if (
            np.linalg.norm(apart) < reach + np.linalg.norm(other.mesh.size) / 2
            and depth(other, placed) > touch
        ):
            return False
    return True


def _is_inside(layout: Layout, outline: np.ndarray) -> bool:
    """Whether an outline, (4, 2) m, is within the walls and in no column."""
    if (outline < 0).any() or (outline > (layout.width, layout.depth)).any():
        return False
    return not any(overlap(outline, o.outline) for o in layout.obstacles if o.top >= layout.height)


def settle(
    layout: Layout,
    mesh: Mesh,
    class_name: str,
    position,
    yaw: float,
    away=(0.0, 0.0),
    reach: float = 0.0,
    touch: float = TOUCH,
    cleared: bool = False,
) -> Placed | None:
    """Put a thing down at (x, y, z) m, or up to `reach` m further along the unit vector `away`, in steps."""
    for step in np.arange(0.0, reach + 1e-6, 0.06):
        at = np.asarray(position, float) + step * np.append(away, 0.0)
        if fits(layout, Placed(mesh, 0, 0, at, float(yaw)), touch, cleared):
            placed = layout.add(mesh, class_name, at, yaw)
            if at[2] < 0.3:
                middle = placed.at((mesh.lower + mesh.upper) / 2)
                layout.block(footprint(middle, yaw, *mesh.size[:2]), float(mesh.upper[2]))
            return placed
    return None
