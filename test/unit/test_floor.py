import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ssen_ros.floor import Ground, _numbered, above_floor, find_floor, steady
from ssen_ros.structures import Floor
from ssen_ros.voxel_map import VoxelMap

VOXEL = 0.04
HEIGHT = -0.63  # m, of the floor: a SLAM's z = 0 is often the camera's first pose


def snapshot(points):
    voxel_map = VoxelMap(VOXEL)
    voxel_map.integrate(points.astype(np.float32), np.full((len(points), 3), 128, np.uint8))
    return voxel_map.snapshot()


def patch(rng, low, high, spacing=0.02, noise=0.004):
    """Points on an axis-aligned rectangle, with noise across it."""
    low, high = np.array(low, float), np.array(high, float)
    size = high - low
    count = int(np.prod(size[size > 0]) / spacing**2)
    return rng.uniform(low, high, (count, 3)) + np.where(size > 0, 0, rng.normal(0, noise, (count, 3)))


def room(rng, floor=True, spacing=0.02):
    """4 x 3 m with two walls, a table of 1.5 x 0.8 m and a chest; the floor at HEIGHT."""
    parts = [
        patch(rng, (0, 0, 0.05), (4, 0, 2.2), spacing),
        patch(rng, (0, 0, 0.05), (0, 3, 2.2), spacing),
        patch(rng, (1.5, 1, 0.74), (3, 1.8, 0.74), spacing),
        patch(rng, (0.1, 0.1, 0.02), (0.1, 1.1, 0.9), spacing),
    ]
    if floor:
        parts.append(patch(rng, (0, 0, 0), (4, 3, 0), spacing))
    return np.concatenate(parts) + (0, 0, HEIGHT)


def strays(rng, points, share):
    """0.2 to 1.2 m below the floor, below what is there, as reflections are."""
    below = points[rng.integers(len(points), size=int(share * len(points)))].copy()
    below[:, 2] = HEIGHT - rng.uniform(0.2, 1.2, len(below))
    return np.concatenate([points, below])


@given(st.integers(0, 2**32 - 1), st.sampled_from([0.0, 0.005, 0.02, 0.04]), st.floats(0, 6.3))
@settings(max_examples=20, deadline=None)
def test_strays_below_the_floor_do_not_move_it(seed, share, yaw):
    rng = np.random.default_rng(seed)
    points = strays(rng, room(rng), share)
    turn = np.array([[np.cos(yaw), -np.sin(yaw), 0], [np.sin(yaw), np.cos(yaw), 0], [0, 0, 1]])
    voxels = snapshot(points @ turn.T)
    floor = find_floor(voxels)
    assert floor.seen and floor.height == pytest.approx(HEIGHT, abs=0.02)
    kept = above_floor(voxels, floor)
    assert (kept == (voxels.points[:, 2] > HEIGHT - 0.18)).mean() > 0.999


@pytest.mark.parametrize("spacing", [0.01, 0.03, 0.05, 0.07])
def test_the_floor_of_a_sparse_map_is_found(spacing):
    floor = find_floor(snapshot(room(np.random.default_rng(1), spacing=spacing)))
    assert floor.seen and floor.height == pytest.approx(HEIGHT, abs=0.02)


def test_a_table_is_no_floor_where_walls_go_on_below():
    rng = np.random.default_rng(2)
    floor = find_floor(snapshot(room(rng, floor=False)))
    assert not floor.seen
    assert floor.height == pytest.approx(HEIGHT + 0.05, abs=0.08)


@given(st.integers(0, 2**32 - 1), st.floats(0.1, 0.8), st.sampled_from([0.0, 0.02]))
@settings(max_examples=10, deadline=None)
def test_a_room_cut_off_level_shows_no_floor(seed, cut, share):
    rng = np.random.default_rng(seed)
    points = room(rng, spacing=0.03)
    points = points[points[:, 2] > HEIGHT + cut]
    floor = find_floor(snapshot(strays(rng, points, share)))
    assert not floor.seen
    assert floor.height == pytest.approx(HEIGHT + cut, abs=0.1)


def test_a_tilted_floor_has_the_height_of_its_lowest_part():
    points = room(np.random.default_rng(4))
    tilt = np.radians(10)
    points[:, 2] += np.tan(tilt) * points[:, 0]
    assert HEIGHT - 0.02 < find_floor(snapshot(points)).height < HEIGHT + 0.15


def test_a_stray_a_kilometre_away_changes_nothing():
    points = room(np.random.default_rng(5), spacing=0.03)
    far = np.concatenate([points, [[1000.0, -1000.0, 0.5]]])
    alone, with_stray = find_floor(snapshot(points)), find_floor(snapshot(far))
    assert with_stray.seen and with_stray.height == pytest.approx(alone.height, abs=1e-9)


@given(st.lists(st.integers(0, 10**6), min_size=1), st.integers(0, 2**40))
def test_pieces_are_numbered_alike_by_table_and_by_sorting(keys, largest):
    keys = np.array([*keys, largest])
    for numbered, expected in zip(_numbered(keys), np.unique(keys, return_inverse=True)):
        np.testing.assert_array_equal(numbered, expected)


def test_the_reflection_of_a_tabletop_is_no_floor():
    rng = np.random.default_rng(3)
    points = np.concatenate([room(rng), patch(rng, (1.5, 1, HEIGHT - 0.74), (2.3, 1.8, HEIGHT - 0.74))])
    floor = find_floor(snapshot(points))
    assert floor.height == pytest.approx(HEIGHT, abs=0.02)


def test_a_map_of_next_to_nothing_has_a_floor_too():
    assert find_floor(snapshot(np.empty((0, 3)))).height == 0.0
    lonely = find_floor(snapshot(np.array([[1.0, 2.0, 0.5]])))
    assert not lonely.seen and lonely.height == pytest.approx(0.5, abs=1e-3)


def test_a_floor_that_trembles_stays_where_it_was():
    before = Floor(0.1, True)
    assert steady(Floor(0.12, True), before) == before
    assert steady(Floor(0.3, False), before) == before, "out of view"
    assert steady(Floor(0.2, True), before) == Floor(0.2, True)
    assert steady(Floor(0.12, True), Floor(0.1, False)) == Floor(0.12, True)
    assert steady(before, None) == before


@given(st.integers(0, 2**32 - 1), st.floats(-30, 30), st.booleans())
@settings(max_examples=10, deadline=None)
def test_slabs_that_are_as_they_were_say_what_they_said_and_the_floor_is_that_of_the_whole_map(seed, x, goes):
    rng = np.random.default_rng(seed)
    points = np.concatenate([room(rng, spacing=0.04) + (9 * k + x, 0, 0.004 * k) for k in range(3)])
    first = points[points[:, 0] > x + 2 * goes]
    before = Ground.of(snapshot(first))
    now = snapshot(points[np.abs(points[:, 0] - x - 11) > 0.3])
    ground, anew = Ground.of(now, before), Ground.of(now)
    assert ground.floor == anew.floor == find_floor(now) and ground.floor.seen
    assert ground.slabs.keys() == anew.slabs.keys()
    for number, slab in ground.slabs.items():
        np.testing.assert_equal(vars(slab), vars(anew.slabs[number]))
    kept = [n for n, slab in ground.slabs.items() if n in before.slabs and slab.foot is before.slabs[n].foot]
    assert 0 < len(kept) < len(ground.slabs)
