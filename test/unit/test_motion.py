"""Motions of a map that are known, also different ones here and there."""

import numpy as np
import pytest

from ssen_ros import voxel_keys
from ssen_ros.motion import STAY, Piece, find_motion, moved, moves_between
from ssen_ros.rotations import turn_z
from ssen_ros.voxel_map import VoxelMap

SIZE = 0.04
RED, BLUE, WOOD, DARK, GREY = (180, 40, 40), (40, 40, 180), (150, 110, 60), (60, 60, 60), (120, 120, 100)


def box(low, high, color, points=12_000, seed=0):
    """Points on the surface of a box, and their colours."""
    rng = np.random.default_rng(seed)
    low, high = np.array(low, float), np.array(high, float)
    inside, side = rng.uniform(low, high, (points, 3)), rng.integers(0, 6, points)
    inside[np.arange(points), side % 3] = np.where(side < 3, low[side % 3], high[side % 3])
    return inside, np.tile(np.array(color, np.uint8), (points, 1))


def joined(parts):
    return tuple(np.concatenate(arrays) for arrays in zip(*parts, strict=True))


def chair(x, y, color):
    seat = box((x, y, 0.4), (x + 0.45, y + 0.45, 0.46), color)
    back = box((x, y, 0.46), (x + 0.06, y + 0.45, 0.95), color)
    legs = [
        box((x + a, y + b, 0.02), (x + a + 0.05, y + b + 0.05, 0.4), DARK, 3000)
        for a in (0, 0.4)
        for b in (0, 0.4)
    ]
    return joined([seat, back, *legs])


FLOOR = box((-2, -2, -0.02), (4, 3, 0), GREY, 120_000)
OBJECTS = chair(0, 0, RED), chair(1, 0.3, BLUE), box((2, -1, 0.02), (3.4, -0.2, 0.7), WOOD, 40_000)


def snapshot(*parts):
    voxel_map = VoxelMap(SIZE)
    voxel_map.integrate(*joined(parts))
    return voxel_map.snapshot()


def keys_of(points):
    return np.unique(voxel_keys.pack(np.floor(points / SIZE).astype(np.int64)))


def motion(degrees, shift, about):
    """A turn about the upright axis through a point, then a shift, m."""
    made = np.eye(4)
    made[:3, :3] = turn_z(np.radians(degrees))
    made[:3, 3] = about + np.array(shift) - made[:3, :3] @ about
    return made


def apply(one, part, seed=1):
    """Seen again: the points are not the same ones."""
    noise = np.random.default_rng(seed).normal(0, 0.004, part[0].shape)
    return moved(part[0], one) + noise, part[1]


def error_m(found, true, part):
    return np.linalg.norm(moved(part[0], found) - moved(part[0], true), axis=1).mean()


@pytest.mark.parametrize(
    ("degrees", "shift"),
    [(0, (0.1, -0.12, 0.05)), (3, (0.3, -0.2, 0.03)), (-6, (-0.35, 0.3, -0.06)), (5, (0, 0.1, 0))],
)
def test_each_object_is_found_where_it_has_gone_though_each_goes_its_own_way(degrees, shift):
    motions = [
        motion(degrees + k, np.array(shift) * (1 - 0.2 * k), part[0].mean(axis=0))
        for k, part in enumerate(OBJECTS)
    ]
    now = snapshot(FLOOR, *map(apply, motions, OBJECTS))
    objects = [keys_of(part[0]) for part in OBJECTS]
    moves = moves_between(snapshot(FLOOR, *OBJECTS), now, objects)
    assert moves is not None
    for true, part, keys in zip(motions, OBJECTS, objects, strict=True):
        assert error_m(moves.motion_of(keys), true, part) < 0.04
        here, there = moves.carry(keys), keys_of(apply(true, part)[0])
        shared = len(np.intersect1d(here, there))
        assert shared > 0.75 * len(there) and shared > 0.6 * len(here)
    on_the_floor = keys_of(FLOOR[0][FLOOR[0][:, 1] > 2])
    assert np.array_equal(moves.carry(on_the_floor), on_the_floor)


@pytest.mark.parametrize("shift", [(0, 0, 0), (0.01, 0.01, 0)])
def test_nothing_has_moved_where_points_tremble_or_come(shift):
    before = snapshot(FLOOR, *OBJECTS)
    one = motion(0, shift, np.zeros(3))
    now = snapshot(FLOOR, *(apply(one, part) for part in OBJECTS), chair(-1, -1, BLUE))
    assert moves_between(before, now, [keys_of(part[0]) for part in OBJECTS]) is None


def test_what_is_carried_away_has_not_moved_onto_its_neighbour_that_stays():
    pair = chair(0, 0, RED), chair(0, 0.5, RED)
    objects = [keys_of(part[0]) for part in pair]
    assert moves_between(snapshot(FLOOR, *pair), snapshot(FLOOR, pair[1]), objects) is None


def test_what_lies_around_goes_with_the_objects_near_it():
    one = motion(2, (0.1, 0.1, 0.09), np.zeros(3))
    parts = FLOOR, *OBJECTS
    now = snapshot(*(apply(one, part) for part in parts))
    moves = moves_between(snapshot(*parts), now, [keys_of(part[0]) for part in OBJECTS])
    assert moves is not None
    assert (moves.origin >= 0).mean() > 0.9
    near = keys_of(FLOOR[0][np.abs(FLOOR[0] - (1.0, 0.5, 0)).max(axis=1) < 0.5])
    assert error_m(moves.motion_of(near), one, FLOOR) < 0.08


def test_colour_tells_where_shape_does_not():
    """A striped board slides within its own plane."""
    board = box((0, 0, 0), (1.2, 0.8, 0.01), GREY, 40_000)
    stripes = np.where(
        (board[0][:, :1] // 0.15) % 2 == 1, np.uint8([[200, 30, 30]]), np.uint8([[30, 200, 30]])
    )
    board = board[0], stripes
    one = motion(0, (0.13, 0, 0), np.zeros(3))
    before, now = snapshot(board), snapshot(apply(one, board))
    found = find_motion(Piece(before.points, before.colors), Piece(now.points, now.colors), SIZE)
    assert found is not None and error_m(found, one, board) < 0.03


def test_there_is_no_motion_without_a_likeness():
    table = OBJECTS[2]
    piece = Piece(*(array.astype(kind) for array, kind in zip(table, (np.float32, np.uint8), strict=True)))
    floor = Piece(FLOOR[0].astype(np.float32), FLOOR[1])
    assert find_motion(piece, floor, SIZE) is None
    assert find_motion(piece, Piece(floor.points[:0], floor.colors[:0]), SIZE) is None


def test_a_guess_alone_is_taken_where_it_fits():
    one = motion(4, (0.2, 0.1, 0), OBJECTS[0][0].mean(axis=0))
    before, now = snapshot(OBJECTS[0]), snapshot(apply(one, OBJECTS[0]))
    piece, scene = (Piece(s.points, s.colors) for s in (before, now))
    assert find_motion(piece, scene, SIZE, search=False) is None
    found = find_motion(
        piece, scene, SIZE, [STAY, motion(3, (0.18, 0.12, 0.02), OBJECTS[0][0].mean(axis=0))], False
    )
    assert found is not None and error_m(found, one, OBJECTS[0]) < 0.03
