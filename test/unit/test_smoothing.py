import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from ssen_ros.smoothing import smooth
from ssen_ros.voxel_keys import AXIS_LIMIT


def every_pair(values, coords, weight):
    """The same by looking at every pair of voxels."""
    steps = np.abs(coords[:, None] - coords[None])
    weights = np.where(steps.max(axis=2) <= 1, np.float64(weight) ** steps.sum(axis=2), 0)
    return weights @ values / weights.sum(axis=1, keepdims=True)


@settings(max_examples=60, deadline=None)
@given(
    coords=arrays(np.int32, st.tuples(st.integers(1, 60), st.just(3)), elements=st.integers(-3, 3)),
    far=st.sampled_from([0, 100_000, AXIS_LIMIT - 4, 4 - AXIS_LIMIT]),
    weight=st.sampled_from([0.25, 0.5, 1.0]),
    seed=st.integers(0, 100),
)
def test_a_voxel_takes_the_weighted_mean_of_those_around(coords, far, weight, seed):
    coords = np.unique(coords, axis=0) + np.int32(far)
    values = np.random.default_rng(seed).normal(size=(len(coords), 4)).astype(np.float32)
    smoothed = smooth(values, coords, weight)
    assert smoothed.dtype == np.float32
    np.testing.assert_allclose(smoothed, every_pair(values, coords, weight), atol=1e-5)


def test_weights_fall_with_each_axis_and_end_after_one_voxel():
    coords = np.array(
        [(0, 0, 0), (0, 0, 1), (5, 0, 0), (5, 1, 1), (9, 0, 0), (10, 1, 1), (20, 0, 0), (20, 0, 2)]
    )
    values = np.array([1, 0] * 4, dtype=np.float32)[:, None]
    half = smooth(values, coords, 0.5)[:, 0]
    np.testing.assert_allclose(half[::2], [2 / 3, 4 / 5, 8 / 9, 1], rtol=1e-6)


@pytest.mark.parametrize("count", [0, 3])
def test_with_weight_0_and_without_voxels_nothing_happens(count):
    values = np.ones((count, 8), dtype=np.float32)
    coords = np.arange(3 * count, dtype=np.int32).reshape(count, 3)
    assert smooth(values, coords, 0.0) is values
    assert smooth(values, coords, 0.5).shape == values.shape
