"""Augmentation: what it changes, and what it leaves."""

from dataclasses import replace

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from training_rooms import OURS, PLAIN, toy_room

from ssen_ros.training.augmentation import augment_colors, draw_placement, kept_points


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
