"""What holds for every simulated room, whatever furnishes it."""

import numpy as np
import pytest
from scipy.ndimage import label
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components
from scipy.spatial import KDTree

from ssen_ros.labels import CLASS_NAMES, LABEL_NAMES, STUFF_NAMES, UNKNOWN
from ssen_ros.rotations import turn_z
from ssen_ros.simulation import CameraConfig, build_room, scan

QUICK = CameraConfig(width=64, height=48, frames=20)
TOUCH = 0.05  # m that two things may reach into each other
CLOTH = {"curtain", "shower curtain"}  # gives way to what stands behind it
BUILT_IN = {"sink"}  # let into counters and cabinets


@pytest.fixture(scope="module")
def rooms():
    return [build_room(seed) for seed in range(24)]


def things(room) -> list:
    """Of the 20 classes: what lies about may be in pieces, and reach into what it lies on."""
    return [placed for placed in room.objects if placed.instance_id >= 1 and placed.class_id != UNKNOWN]


def surface(mesh, per_square_metre: float) -> np.ndarray:
    """(n, 3) random points on the triangles, at least one on each; m, the object's frame."""
    corner, *others = mesh.vertices[mesh.faces].astype(np.float64).transpose(1, 0, 2)
    sides = [other - corner for other in others]
    area = np.linalg.norm(np.cross(*sides), axis=1) / 2
    row = np.repeat(np.arange(len(area)), np.ceil(area * per_square_metre).astype(int))
    u, v = np.random.default_rng(0).random((2, len(row)))
    u, v = np.where(u + v > 1, 1 - u, u), np.where(u + v > 1, 1 - v, v)
    return corner[row] + u[:, None] * sides[0][row] + v[:, None] * sides[1][row]


def in_room(placed, points: np.ndarray) -> np.ndarray:
    return points @ turn_z(placed.yaw).T + placed.position


# --- the complete scene ----------------------------------------------------------------------------


def test_rooms_are_the_same_every_time(rooms):
    again = build_room(rooms[3].seed)
    assert (again.kind, again.size, len(again.objects)) == (
        rooms[3].kind, rooms[3].size, len(rooms[3].objects)
    )  # fmt: skip
    for one, other in zip(rooms[3].objects, again.objects):
        np.testing.assert_array_equal(one.mesh.vertices, other.mesh.vertices)
        np.testing.assert_array_equal(one.position, other.position)
        assert (one.class_id, one.instance_id, one.yaw) == (other.class_id, other.instance_id, other.yaw)


def test_labels_are_valid(rooms):
    for room in rooms:
        ids = [placed.instance_id for placed in room.objects if placed.instance_id >= 1]
        assert sorted(ids) == list(range(1, len(ids) + 1))
        for placed in room.objects:
            is_thing = LABEL_NAMES[placed.class_id] not in STUFF_NAMES
            assert (placed.instance_id >= 1) == is_thing


def test_an_instance_is_connected(rooms):
    """At 4 cm, the voxels of the shipped networks, one piece holds nearly the whole surface."""
    loose = []
    for room in rooms[:12]:
        for placed in things(room):
            voxels = np.floor(surface(placed.mesh, 8000.0) / 0.04).astype(int)
            voxels -= voxels.min(axis=0)
            grid = np.zeros(voxels.max(axis=0) + 1, bool)
            grid[tuple(voxels.T)] = True
            piece = label(grid, np.ones((3, 3, 3)))[0][tuple(voxels.T)]
            if np.bincount(piece).max() < 0.95 * len(piece):
                loose.append((room.seed, CLASS_NAMES[placed.class_id], np.bincount(piece)[1:].tolist()))
    assert not loose


def shapes(placed) -> list[tuple[np.ndarray, np.ndarray]]:
    """The connected shapes of a mesh: corners (k, 3) in the room, and the axes of those that are boxes."""
    faces = placed.mesh.faces
    edges = np.concatenate([faces[:, :2], faces[:, 1:]])
    count = len(placed.mesh.vertices)
    graph = coo_matrix((np.ones(len(edges)), edges.T), shape=(count, count))
    shape_of_face = connected_components(graph, directed=False)[1][faces[:, 0]]
    corners = in_room(placed, placed.mesh.vertices.astype(np.float64))
    order = np.argsort(shape_of_face, kind="stable")
    parts = np.split(faces[order], np.flatnonzero(np.diff(shape_of_face[order])) + 1)
    return [(corners[np.unique(part)], normals(corners[part])) for part in parts]


def normals(triangles: np.ndarray) -> np.ndarray:
    """The axes of a box, (3, 3); (0, 3) for a rounder shape."""
    normal = np.cross(triangles[:, 1] - triangles[:, 0], triangles[:, 2] - triangles[:, 0])
    length = np.linalg.norm(normal, axis=1)
    normal = normal[length > 1e-9] / length[length > 1e-9, None]
    normal *= np.sign(np.take_along_axis(normal, np.abs(normal).argmax(axis=1)[:, None], axis=1))
    normal = np.unique(np.round(normal, 3), axis=0)
    return normal if len(normal) <= 3 else np.empty((0, 3))


def penetration(a, b) -> float:
    """How far, m, one thing would have to move to leave the other: the deepest pair of their shapes.

    Shapes count as convex; of the directions to part them in, the upright axes of both things and the faces
    of box-like shapes are tried (separating axis theorem), so the depth is never underestimated.
    """
    upright = [np.vstack([turn_z(placed.yaw)[:, :2].T, (0.0, 0.0, 1.0)]) for placed in (a, b)]
    deepest = 0.0
    (shapes_a, low_a, high_a), (shapes_b, low_b, high_b) = (bounded(shapes(placed)) for placed in (a, b))
    overlap = np.minimum(high_a[:, None], high_b[None]) - np.maximum(low_a[:, None], low_b[None])
    for i, j in np.argwhere((overlap > TOUCH).all(axis=2)):
        (corners_a, axes_a), (corners_b, axes_b) = shapes_a[i], shapes_b[j]
        axes = np.vstack([*upright, axes_a, axes_b])
        along_a, along_b = corners_a @ axes.T, corners_b @ axes.T
        depth = np.minimum(along_a.max(0) - along_b.min(0), along_b.max(0) - along_a.min(0)).min()
        deepest = max(deepest, float(depth))
    return deepest


def bounded(parts):
    low, high = (np.array([f(corners, axis=0) for corners, _ in parts]) for f in (np.min, np.max))
    return parts, low, high


def interpenetrating(room) -> list[tuple[float, str, str]]:
    """(depth, class, class) of the pairs of things that reach deeper into each other than TOUCH."""
    solid = [placed for placed in things(room) if CLASS_NAMES[placed.class_id] not in CLOTH | BUILT_IN]
    points = [in_room(placed, placed.mesh.vertices) for placed in solid]
    low, high = np.array([p.min(0) for p in points]), np.array([p.max(0) for p in points])
    overlap = np.minimum(high[:, None], high[None]) - np.maximum(low[:, None], low[None])
    found = []
    for i, j in np.argwhere(np.triu((overlap > TOUCH).all(axis=2), 1)):
        depth = penetration(solid[i], solid[j])
        if depth > TOUCH:
            found.append((round(depth, 3), *(CLASS_NAMES[solid[k].class_id] for k in (i, j))))
    return found


def test_things_do_not_stand_in_each_other(rooms):
    """5 cm are touch. Deeper: one pair for 100 things at most (a chair under a table), and none by 15 cm."""
    found = [(room.seed, *pair) for room in rooms for pair in interpenetrating(room)]
    count = sum(len(things(room)) for room in rooms)
    assert len(found) <= count / 100, found
    assert all(depth < 0.15 for _, depth, *_ in found), found


def test_penetration_of_known_boxes():
    from ssen_ros.simulation.layout import Placed
    from ssen_ros.simulation.materials import Material
    from ssen_ros.simulation.mesh import MeshBuilder

    def table(position, yaw=0.0):
        b = MeshBuilder()
        wood = b.material(Material((0.5, 0.5, 0.5)))
        b.block((-0.5, -0.5, 0.7), (0.5, 0.5, 0.8), wood)
        b.block((-0.5, -0.5, 0.0), (-0.4, -0.4, 0.7), wood)
        return Placed(b.build(), 6, 1, np.array(position, float), yaw)

    assert penetration(table((0, 0, 0)), table((0.9, 0, 0))) == pytest.approx(0.1, abs=1e-6)
    assert penetration(table((0, 0, 0)), table((0, 0, 0.8))) == 0.0, "one on the other"
    assert penetration(table((0, 0, 0)), table((0.02, 0.02, -0.4))) == pytest.approx(0.08, abs=1e-6), "legs"
    corner = penetration(table((0, 0, 0)), table((0.5 + 0.5 * 2**0.5 - 0.06, 0, 0), np.pi / 4))
    assert corner == pytest.approx(0.06, abs=1e-6), "turned by 45 degrees, a corner reaches in"


# --- the map ---------------------------------------------------------------------------------------


def fit_to_room(points: list[np.ndarray], trees: list[KDTree], middles: np.ndarray) -> np.ndarray:
    """(n,) distances of an instance's points to its own surface, once the map is laid over the room.

    The map is turned and shifted against the room; both are found from the instances alone (ICP).
    """
    center = np.array([p.mean(0) for p in points])

    def distances(turn, shift):
        near = [tree.query(p @ turn.T + shift) for p, tree in zip(points, trees)]
        return np.concatenate([d for d, _ in near]), np.concatenate(
            [t.data[i] for (_, i), t in zip(near, trees)]
        )

    def refine(turn, shift, rounds):
        cloud = np.concatenate(points)
        for _ in range(rounds):
            distance, target = distances(turn, shift)
            weight = 1.0 / (0.05 + distance)[:, None]
            a, b = (np.sum(weight * x, axis=0) / weight.sum() for x in (cloud, target))
            cross = ((cloud - a) * weight)[:, :2].T @ (target - b)[:, :2]
            turn = turn_z(np.arctan2(cross[0, 1] - cross[1, 0], cross[0, 0] + cross[1, 1]))
            shift = b - turn @ a
        return turn, shift

    starts = []
    for yaw in np.linspace(0.0, 2.0 * np.pi, 24, endpoint=False):
        turn = turn_z(yaw)
        start = refine(turn, np.median(middles - center @ turn.T, axis=0), 4)
        starts.append((np.mean(np.minimum(distances(*start)[0], 0.3)), start))
    return distances(*refine(*min(starts, key=lambda s: s[0])[1], 15))[0]


@pytest.mark.parametrize("seed", [0, 2])
def test_truth_is_aligned_with_the_voxels(rooms, seed):
    """Voxels lie on the surface of the object that they are labelled with, but for noise and drift."""
    sample = scan(seed, QUICK)
    placed = {p.instance_id: p for p in rooms[seed].objects}
    rng = np.random.default_rng(0)
    points, trees, middles = [], [], []
    for instance in np.unique(sample.instance_label[sample.instance_label >= 1]):
        rows = np.flatnonzero(sample.instance_label == instance)
        assert (sample.semantic_label[rows] == placed[instance].class_id).all()
        if len(rows) >= 30:
            points.append(
                sample.points[rng.choice(rows, min(len(rows), 120), replace=False)].astype(np.float64)
            )
            on_surface = in_room(placed[instance], surface(placed[instance].mesh, 4000.0))
            trees.append(KDTree(on_surface))
            middles.append(on_surface.mean(axis=0))
    distance = fit_to_room(points, trees, np.array(middles))
    assert np.median(distance) < 0.03 and np.percentile(distance, 95) < 0.12
