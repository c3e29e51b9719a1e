"""The compiled HDBSCAN against the hdbscan library."""

import logging

import hdbscan as library
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import adjusted_rand_score

from ssen_ros import hdbscan_native, native
from ssen_ros.hdbscan_native import hdbscan

pytestmark = pytest.mark.skipif(not hdbscan_native.available(), reason="libssen_native.so is not there")


def reference(points, min_cluster_size, min_samples):
    model = library.HDBSCAN(
        min_cluster_size=min_cluster_size,
        min_samples=min_samples,
        approx_min_span_tree=False,
        core_dist_n_jobs=1,
    ).fit(points.astype(np.float64))
    return model.labels_, model.probabilities_


def same_partition(a, b):
    pairs = set(zip(a.tolist(), b.tolist()))
    one_to_one = len(pairs) == len(set(a.tolist())) == len(set(b.tolist()))
    return one_to_one and all((x == -1) == (y == -1) for x, y in pairs)


def blobs(seed, count, width, groups):
    rng = np.random.default_rng(seed)
    centers = rng.normal(scale=3, size=(groups, width))
    spread = rng.uniform(0.1, 1, (groups, 1))
    group = rng.integers(0, groups, count)
    return (centers[group] + spread[group] * rng.normal(size=(count, width))).astype(np.float32)


@given(
    seed=st.integers(0, 10**6),
    count=st.integers(2, 400),
    width=st.sampled_from([1, 2, 3, 7, 8, 9, 20]),
    groups=st.integers(1, 6),
    min_cluster_size=st.integers(2, 30),
    scale=st.sampled_from([1e-12, 1.0, 1e30]),
)
def test_labels_and_probabilities_are_the_librarys(seed, count, width, groups, min_cluster_size, scale):
    """With one neighbour no two edges are equally long, so there is one answer."""
    points = blobs(seed, count, width, groups) * np.float32(scale)
    label, probability = hdbscan(points, min_cluster_size, 1)
    expected_label, expected_probability = reference(points, min_cluster_size, 1)
    assert same_partition(label, expected_label)
    np.testing.assert_allclose(probability, expected_probability, atol=1e-4)


@pytest.mark.parametrize("seed", range(25))
def test_with_more_neighbours_the_answer_is_one_of_the_librarys(seed):
    """A point of low density ties all its edges to one length: which comes first is the order of the rows."""
    rng = np.random.default_rng(seed)
    count, width, min_samples = rng.integers((50, 3, 2), (900, 12, 12)).tolist()
    points = blobs(seed, count, width, 5)
    label, _ = hdbscan(points, 10, min_samples, effort=0)
    for _ in range(20):
        order = rng.permutation(len(points))
        expected = np.empty(len(points), int)
        expected[order] = reference(points[order], 10, min_samples)[0]
        if same_partition(label, expected):
            return
    pytest.fail("none of the library's answers for 20 orders of the rows")


@pytest.mark.parametrize("min_samples", [32, 33, 150])
def test_very_many_neighbours_are_found_as_well(min_samples):
    points = blobs(0, 3000, 8, 6)
    expected, _ = reference(points, 50, min_samples)
    for effort, least in ((0, 0.99), (hdbscan_native.EFFORT, 0.98)):
        label, _ = hdbscan(points, 50, min_samples, effort=effort)
        assert adjusted_rand_score(expected, label) > least


@pytest.mark.parametrize("effort", [0, hdbscan_native.EFFORT])
def test_bounded_effort_moves_few_of_many_points(effort):
    points = blobs(0, 8000, 8, 12)
    label, _ = hdbscan(points, 50, 5, effort=effort)
    expected, _ = reference(points, 50, 5)
    assert label.max() == expected.max()
    assert adjusted_rand_score(expected, label) > 0.99


@given(
    copies=st.lists(st.integers(1, 60), min_size=1, max_size=12),
    min_cluster_size=st.integers(2, 20),
    min_samples=st.integers(1, 30),
)
def test_copies_of_a_point_stay_together(copies, min_cluster_size, min_samples):
    points = np.repeat(blobs(7, len(copies), 3, 1), copies, axis=0)
    place = np.repeat(np.arange(len(copies)), copies)
    label, probability = hdbscan(points, min_cluster_size, min_samples)
    # More copies than neighbours: at distance 0 of each other, and nothing comes between.
    for k, count in enumerate(copies):
        if count > min_samples:
            assert len(set(label[place == k].tolist())) == 1
    assert ((probability >= 0) & (probability <= 1)).all()
    assert (probability[label == -1] == 0).all()


def test_very_many_copies_are_quick_and_one_cluster_each():
    points = np.repeat(np.eye(3, dtype=np.float32), 40_000, axis=0)
    label, probability = hdbscan(points, 100, 10)
    assert [len(set(label[k * 40_000 : (k + 1) * 40_000].tolist())) for k in range(3)] == [1, 1, 1]
    assert label.max() == 2 and label.min() == 0
    assert (probability == 1).all()


@pytest.mark.parametrize("min_samples", [5, 40])
@pytest.mark.parametrize(("places", "width"), [(2, 8), (4, 4), (6, 3)])
def test_copies_stay_together_where_boxes_touch(places, width, min_samples):
    """Of a grid, no box of the tree is at a distance from its neighbours."""
    points = np.random.default_rng(0).integers(0, places, (20_000, width)).astype(np.float32)
    label, _ = hdbscan(points, 20, min_samples)
    of_place = np.ravel_multi_index(points.T.astype(int), (places,) * width)
    assert len(np.unique(np.stack([of_place, label]), axis=1).T) == len(np.unique(of_place))
    assert label.max() + 1 == len(np.unique(of_place)) and label.min() == 0


@pytest.mark.parametrize("far", [1e10, 1e20, 1e30])
def test_a_far_outlier_takes_no_structure_away(far):
    points = np.concatenate([blobs(2, 900, 2, 3) / 3, [[far, 0]]]).astype(np.float32)
    label, probability = hdbscan(points, 20, 5)
    expected_label, expected_probability = reference(points, 20, 5)
    assert same_partition(label, expected_label) and expected_label.max() > 0
    np.testing.assert_allclose(probability, expected_probability, atol=1e-4)


@pytest.mark.parametrize("count", [0, 1, 2, 3, 33])
def test_too_few_for_two_clusters_are_noise(count):
    label, probability = hdbscan(blobs(0, count, 4, 1), 20, 5)
    assert label.tolist() == [-1] * count and probability.tolist() == [0] * count


@pytest.mark.parametrize("effort", [0, hdbscan_native.EFFORT])
def test_the_number_of_threads_changes_nothing(effort):
    points = np.concatenate([blobs(3, 20_000, 8, 9), np.repeat(blobs(4, 5, 8, 1), 300, axis=0)])
    label, probability = hdbscan(points, 60, 5, effort=effort, threads=1)
    assert label.max() > 3
    for threads in (2, 3, 8):
        other_label, other_probability = hdbscan(points, 60, 5, effort=effort, threads=threads)
        np.testing.assert_array_equal(other_label, label)
        np.testing.assert_array_equal(other_probability, probability)


@pytest.mark.parametrize("arguments", [(1, 5), (20, 0), (20, 2**32 + 5)])
def test_arguments_out_of_range_are_refused(arguments):
    with pytest.raises(ValueError, match="expected .* min_cluster_size from 2, min_samples from 1"):
        hdbscan(np.zeros((50, 3)), *arguments)


def test_without_the_compiled_library_the_hdbscan_library_answers(monkeypatch, tmp_path, caplog):
    from ssen_ros.clustering import cluster
    from ssen_ros.config import ClusteringConfig

    config = ClusteringConfig(min_cluster_size=40)
    points = blobs(1, 900, 8, 3) / 10
    expected = cluster(points, ClusteringConfig(min_cluster_size=40, mode="exact"))
    monkeypatch.setenv("SSEN_NATIVE_LIBRARY", str(tmp_path / "none.so"))
    caches = native.library, hdbscan_native._function
    for cached in caches:
        cached.cache_clear()
    try:
        with caplog.at_level(logging.WARNING):
            for _ in range(2):
                clusters = cluster(points, config)
    finally:
        for cached in caches:
            cached.cache_clear()
    np.testing.assert_array_equal(clusters.instance_label, expected.instance_label)
    assert clusters.count == 3
    assert len([r for r in caplog.records if "none.so" in r.message or "not found" in r.message]) == 1


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_points_that_are_not_finite_are_refused(value):
    points = np.zeros((50, 3), np.float32)
    points[7, 1] = value
    with pytest.raises(ValueError, match="finite points"):
        hdbscan(points, 5, 2)
