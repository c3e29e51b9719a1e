import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ssen_ros.boxes import fit_box


def turn(points, yaw):
    cos, sin = np.cos(yaw), np.sin(yaw)
    return points @ np.array([[cos, sin, 0], [-sin, cos, 0], [0, 0, 1]])


def in_box_frame(box, points):
    return turn(points - box.center, -box.yaw)


def corners(size):
    return np.stack(np.meshgrid(*[(-s / 2, s / 2) for s in size], indexing="ij"), axis=-1).reshape(-1, 3)


length = st.floats(0.05, 5)
yaws = st.floats(0, np.pi, exclude_max=True)
place = st.tuples(*[st.floats(-100, 100)] * 3)


@given(st.tuples(length, length, length), yaws, place, st.integers(0, 2**32 - 1))
def test_recovers_a_known_box(size, yaw, center, seed):
    long, short = max(size[:2]) * 1.05, min(size[:2])
    filling = np.random.default_rng(seed).uniform(-0.5, 0.5, (30, 3)) * (long, short, size[2])
    points = turn(np.concatenate([corners((long, short, size[2])), filling]), yaw) + center
    box = fit_box(points)
    np.testing.assert_allclose(box.size, (long, short, size[2]), atol=1e-6)
    np.testing.assert_allclose(box.center, center, atol=1e-6)
    assert abs((box.yaw - yaw + np.pi / 2) % np.pi - np.pi / 2) < 1e-5


# on a coarse grid too: many points on a line, or in one spot
number = st.one_of(st.floats(-10, 10), st.integers(-2, 2).map(float))
clouds = st.lists(st.tuples(number, number, number), min_size=1, max_size=30).map(np.array)


@given(clouds)
def test_holds_every_point_and_no_more_ground_than_the_axes_would(points):
    box = fit_box(points)
    assert (np.abs(in_box_frame(box, points)) <= box.size / 2 + 1e-7).all()
    assert box.size[0] * box.size[1] <= np.ptp(points, axis=0)[:2].prod() + 1e-6
    assert box.size[0] >= box.size[1] >= 0 and box.size[2] >= 0
    assert 0 <= box.yaw < np.pi


@given(clouds)
def test_no_turned_rectangle_covers_less_ground(points):
    area = fit_box(points).size[:2].prod()
    for yaw in np.linspace(0, np.pi / 2, 46):
        assert area <= np.ptp(turn(points, yaw), axis=0)[:2].prod() + 1e-6


@given(clouds, yaws)
def test_area_does_not_depend_on_the_heading_of_the_map(points, yaw):
    area = fit_box(points).size[:2].prod()
    assert fit_box(turn(points, yaw)).size[:2].prod() == pytest.approx(area, abs=1e-6)


def test_one_point():
    box = fit_box(np.array([[1.0, 2.0, 3.0]]))
    assert box.center.tolist() == [1, 2, 3] and box.size.tolist() == [0, 0, 0] and box.yaw == 0


@given(yaws, st.integers(2, 20), st.booleans())
def test_points_on_a_line(yaw, count, upright):
    along = np.linspace(-1, 1, count)[:, None] * (np.cos(yaw), np.sin(yaw), 1.0 if upright else 0.0)
    box = fit_box(along + (5, 5, 1))
    np.testing.assert_allclose(box.size, (2, 0, 2 if upright else 0), atol=1e-7)
    np.testing.assert_allclose(box.center, (5, 5, 1), atol=1e-7)
    assert abs(np.sin(box.yaw - yaw)) < 1e-6


def test_a_pole_has_height_only():
    box = fit_box(np.array([[1.0, 1.0, 0.0], [1.0, 1.0, 2.0], [1.0, 1.0, 0.7]]))
    assert box.size.tolist() == [0, 0, 2] and box.center.tolist() == [1, 1, 1]


def test_a_horizontal_plate_has_no_height():
    box = fit_box(turn(corners((2.0, 1.0, 0.0)), 0.3))
    np.testing.assert_allclose(box.size, (2, 1, 0), atol=1e-12)
    assert box.yaw == pytest.approx(0.3)


def test_float32_voxels_far_from_the_origin():
    points = (turn(corners((2.0, 1.0, 0.5)), 0.4) + (1000, -1000, 3)).astype(np.float32)
    np.testing.assert_allclose(fit_box(points).size, (2, 1, 0.5), atol=1e-3)


@pytest.mark.parametrize(
    "points", [np.empty((0, 3)), np.zeros(3), np.zeros((2, 2)), np.array([[0, np.nan, 0]])]
)
def test_what_is_no_set_of_points_is_refused(points):
    with pytest.raises(ValueError, match="points"):
        fit_box(points)
