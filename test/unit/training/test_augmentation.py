"""Augmentation: what it changes, and what it leaves."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from training_rooms import OURS, PLAIN, toy_room

from ssen_ros.training.augmentation import augment_colors, draw_placement, kept_points, recolor_objects


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 2**32))
def test_augmentation_keeps_the_geometry(seed):
    """Distances change by one common factor between 0.8 and 1.2, and up stays within 10 degrees of up."""
    rng = np.random.default_rng(seed)
    points = rng.uniform(-2, 2, (20, 3)).astype(np.float32)
    points[:2] = [[0, 0, 0], [0, 0, 1]]
    moved = draw_placement(rng, OURS).apply(points).astype(np.float64)
    before = np.linalg.norm(points[1:] - points[0], axis=1)
    ratio = np.linalg.norm(moved[1:] - moved[0], axis=1) / before
    np.testing.assert_allclose(ratio, ratio[0], rtol=1e-3)
    assert 0.799 < ratio[0] < 1.201
    up = (moved[1] - moved[0]) / ratio[0]
    assert up[2] > np.cos(np.deg2rad(10.01))


def test_color_augmentation_varies_and_sometimes_greys():
    colors = toy_room().colors
    results = [augment_colors(np.random.default_rng(seed), colors, OURS) for seed in range(100)]
    assert all(r.dtype == np.uint8 and r.shape == colors.shape for r in results)
    grey = [r for r in results if (r == 128).all()]
    assert 1 <= len(grey) <= 15 and not np.array_equal(results[0], results[1])


def test_augmentation_turned_off_leaves_the_turn_about_z():
    points = toy_room().points
    moved = draw_placement(np.random.default_rng(0), PLAIN).apply(points)
    np.testing.assert_allclose(moved[:, 2], points[:, 2], atol=1e-5)
    np.testing.assert_allclose(
        np.linalg.norm(moved[:, :2], axis=1), np.linalg.norm(points[:, :2], axis=1), rtol=1e-4
    )
    assert not np.allclose(moved, points, atol=0.1)
    every = np.arange(256, dtype=np.uint8)[:, None].repeat(3, axis=1)
    np.testing.assert_array_equal(augment_colors(np.random.default_rng(0), every, PLAIN), every)
    mirror = replace(PLAIN, mirror=True)
    mirrored = [draw_placement(np.random.default_rng(seed), mirror).apply(np.eye(3)) for seed in range(20)]
    assert {round(float(np.linalg.det(m))) for m in mirrored} == {-1, 1}


def test_sparser_maps_and_maps_without_a_floor_are_drawn():
    rng = np.random.default_rng(0)
    points = rng.uniform(0, 0.8, (4000, 3)).astype(np.float32)

    def kept(spacing, floorless, points=points):
        config = replace(OURS, spacing_share=spacing, floorless_share=floorless)
        return kept_points(rng, points, config)

    assert 0 < len(kept(1.0, 0.0)) < 0.95 * len(points)
    assert points[kept(0.0, 1.0, points * 2), 2].min() * 2 > 0.2
    np.testing.assert_array_equal(kept(0.0, 0.0), np.arange(4000))
    level = points * np.float32([1, 1, 0.01])
    assert len(kept(0.0, 1.0, level)) == 4000, "nothing would be left"


def test_a_stretched_room_keeps_its_heights_and_its_right_angles():
    config = replace(PLAIN, stretch=0.2)
    ratios = []
    for seed in range(40):
        x, y, z = draw_placement(np.random.default_rng(seed), config).matrix.T
        assert abs(x @ y) < 1e-9 and z == pytest.approx([0, 0, 1])
        ratios.append((np.linalg.norm(x), np.linalg.norm(y)))
    assert np.min(ratios) > 0.8 and np.max(ratios) < 1.2
    assert np.std(ratios, axis=0).min() > 0.08 and abs(np.corrcoef(np.transpose(ratios))[0, 1]) < 0.5


def test_some_objects_get_another_colour_and_keep_their_grain():
    room = toy_room()
    grain = np.random.default_rng(0).integers(-8, 9, room.colors.shape)
    colors = np.clip(room.colors.astype(int) + grain, 0, 255).astype(np.uint8)
    config = replace(PLAIN, recolored_share=0.5)
    assert recolor_objects(np.random.default_rng(0), colors, room.instance_label, PLAIN) is colors
    changed, white = 0, 0
    for seed in range(60):
        seen = recolor_objects(np.random.default_rng(seed), colors, room.instance_label, config)
        nobody = room.instance_label < 0
        np.testing.assert_array_equal(seen[nobody], colors[nobody])
        for instance in (1, 2):
            own = room.instance_label == instance
            if not np.array_equal(seen[own], colors[own]):
                changed, white = changed + 1, white + bool((seen[own].mean(axis=0) > 170).all())
                moved = seen[own].astype(int) - colors[own]
                inside = (seen[own] > 0) & (seen[own] < 255)
                assert all(np.ptp(m[i]) <= 1 for m, i in zip(moved.T, inside.T) if i.any())
    assert 40 <= changed <= 80 and 0.3 < white / changed < 0.8


def test_a_scene_is_exposed_as_a_whole():
    colors = np.full((1000, 3), (90, 120, 100), np.uint8)
    config = replace(PLAIN, exposure=0.4)
    shift = []
    for seed in range(80):
        seen = augment_colors(np.random.default_rng(seed), colors, config).astype(int)
        moved = (seen - colors)[0]
        assert np.ptp(seen, axis=0).max() == 0 and np.ptp(moved) <= 1, "no grain, no tint"
        shift.append(moved.mean() / 255)
    assert -0.21 < min(shift) < -0.15 and 0.35 < max(shift) < 0.41
    np.testing.assert_array_equal(augment_colors(np.random.default_rng(0), colors, PLAIN), colors)
