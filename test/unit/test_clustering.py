from dataclasses import replace

import numpy as np
import pytest

from ssen_ros.clustering import cluster, clustering_space
from ssen_ros.config import ClusteringConfig
from ssen_ros.errors import SsenError

CONFIG = ClusteringConfig(min_cluster_size=40, min_samples=5)
DELTA = CONFIG.confidence_radius
both_ways = pytest.mark.parametrize("config", [CONFIG, replace(CONFIG, mode="exact")], ids=["fast", "exact"])


def ball(rng, center, count, radius=0.1):
    direction = rng.normal(size=(count, len(center)))
    direction /= np.linalg.norm(direction, axis=1, keepdims=True)
    return center + radius * rng.random((count, 1)) ** (1 / 3) * direction


def centers_apart(rng, count, width=8, least=2 * DELTA):
    centers = []
    while len(centers) < count:
        center = rng.uniform(-1.5, 1.5, width)
        if all(np.linalg.norm(center - other) >= least for other in centers):
            centers.append(center)
    return np.array(centers)


def bridged(seed, count, outliers=0.03):
    """Balls of the trained radius, and outliers on the straight lines between their centres."""
    rng = np.random.default_rng(seed)
    centers = centers_apart(rng, count)
    sizes = rng.integers(60, 600, count)
    points = np.concatenate([ball(rng, c, n) for c, n in zip(centers, sizes, strict=True)])
    truth = np.repeat(np.arange(count), sizes)
    bridges = int(outliers * len(points))
    ends = centers[rng.integers(0, count, (2, bridges))]
    t = rng.random((bridges, 1))
    between = ends[0] * t + ends[1] * (1 - t) + rng.normal(scale=0.03, size=(bridges, 8))
    order = rng.permutation(len(points) + bridges)
    embeddings = np.concatenate([points, between]).astype(np.float32)[order]
    return embeddings, np.concatenate([truth, np.full(bridges, -1)])[order]


@both_ways
@pytest.mark.parametrize("count", [2, 3, 8])
@pytest.mark.parametrize("seed", range(4))
def test_bridged_objects_come_apart(config, seed, count):
    embeddings, truth = bridged(seed, count)
    clusters = cluster(embeddings, config)
    assert clusters.count == count
    for k in range(count):
        labels, sizes = np.unique(clusters.instance_label[truth == k], return_counts=True)
        assert sizes.max() >= 0.98 * sizes.sum() and labels[sizes.argmax()] >= 0
    sizes = np.bincount(clusters.instance_label[clusters.instance_label >= 0])
    assert (np.diff(sizes) <= 0).all()


@both_ways
@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("count", [40, 700])
def test_a_lone_object_is_one_cluster_and_outliers_are_noise(config, seed, count):
    rng = np.random.default_rng(seed)
    center = rng.normal(size=8)
    far = center + 3 * DELTA * np.eye(8)
    clusters = cluster(np.concatenate([ball(rng, center, count), far]).astype(np.float32), config)
    assert clusters.count == 1
    assert (clusters.instance_label[:count] == 0).all()
    assert (clusters.instance_label[count:] == -1).all()


@both_ways
def test_a_lone_object_with_two_modes_stays_one(config):
    """Modes 0.25 apart, where training leaves objects 1.0 apart: HDBSCAN alone says two."""
    rng = np.random.default_rng(0)
    shift = np.eye(8)[0] * 0.25
    modes = np.concatenate([ball(rng, np.zeros(8), 300, 0.05), ball(rng, shift, 300, 0.05)])
    assert cluster(modes.astype(np.float32), config).count == 1


@both_ways
def test_parts_nearer_than_two_objects_can_be_are_one(config):
    rng = np.random.default_rng(0)
    centers = (np.zeros(8), np.eye(8)[0] * 0.4, np.eye(8)[1] * 2)
    embeddings = np.concatenate([ball(rng, c, 200, 0.05) for c in centers]).astype(np.float32)
    assert cluster(embeddings, config).instance_label.tolist() == [0] * 400 + [1] * 200
    strict = replace(config, confidence_radius=0.3)
    assert cluster(embeddings, strict).count == 3


@both_ways
def test_a_cluster_too_wide_for_one_object_is_divided(config):
    """Four fuzzy objects in a row, and one far away that makes HDBSCAN take the row for one."""
    rng = np.random.default_rng(0)
    row = [np.eye(8)[0] * k + rng.normal(scale=0.14, size=(400, 8)) for k in range(4)]
    far = ball(rng, np.eye(8)[1] * 40, 300)
    embeddings = np.concatenate([*row, far]).astype(np.float32)
    assert cluster(embeddings, replace(config, max_spread=100.0)).count == 2
    labels = cluster(embeddings, config).instance_label
    assert labels.max() == 4 and (labels[1600:] == labels[1600]).all()
    for k in range(4):
        part = labels[400 * k : 400 * (k + 1)]
        assert (part == np.bincount(part[part >= 0]).argmax()).mean() > 0.5


@both_ways
def test_scattered_embeddings_are_noise(config):
    scattered = np.random.default_rng(0).uniform(-2, 2, (500, 8)).astype(np.float32)
    clusters = cluster(scattered, config)
    assert clusters.count == 0
    assert not clusters.confidence.any()


@both_ways
def test_equal_embeddings_are_one_object_of_full_confidence(config):
    clusters = cluster(np.full((100, 4), 0.3, dtype=np.float32), config)
    assert (clusters.instance_label == 0).all()
    np.testing.assert_allclose(clusters.confidence, 1, atol=1e-6)


def test_confidence_falls_linearly_from_the_mean_to_the_radius():
    embeddings, _ = bridged(1, 3)
    clusters = cluster(embeddings, CONFIG)
    for k in range(clusters.count):
        member = (clusters.instance_label == k) & ~clusters.adopted
        points = embeddings[member].astype(np.float64)
        distance = np.linalg.norm(points - points.mean(axis=0), axis=1)
        expected = np.maximum(0, 1 - distance / DELTA)
        np.testing.assert_allclose(clusters.confidence[member], expected, atol=1e-6)
    assert (clusters.confidence[clusters.instance_label == -1] == 0).all()
    assert clusters.confidence.dtype == np.float32 and clusters.instance_label.dtype == np.int32


def test_noise_joins_the_nearest_cluster_within_the_radius_and_moves_no_mean():
    rng = np.random.default_rng(6)
    centers = centers_apart(rng, 4)
    stray = centers[rng.integers(0, 4, 40)] + rng.normal(scale=0.8, size=(40, 8))
    embeddings = np.concatenate([*(ball(rng, c, 300) for c in centers), stray]).astype(np.float32)
    kept = cluster(embeddings, replace(CONFIG, adopt_radius=0.0))
    noise = kept.instance_label == -1
    means = np.array([embeddings[kept.instance_label == k].mean(axis=0) for k in range(kept.count)])
    distance = np.linalg.norm(embeddings[noise][:, None] - means, axis=2)
    radius = float(np.median(distance.min(axis=1)))  # half of the noise is nearer to a mean
    clusters = cluster(embeddings, replace(CONFIG, adopt_radius=radius))
    expected = np.where(distance.min(axis=1) < radius, distance.argmin(axis=1), -1)
    assert not kept.adopted.any() and len(set(expected)) > 2
    np.testing.assert_array_equal(clusters.instance_label[noise], expected)
    np.testing.assert_array_equal(clusters.instance_label[~noise], kept.instance_label[~noise])
    np.testing.assert_array_equal(clusters.adopted, kept.instance_label != clusters.instance_label)
    np.testing.assert_array_equal(clusters.confidence[~noise], kept.confidence[~noise])


def test_classes_divide_what_the_embedding_does_not():
    """One ball of two classes of thing, and another ball; with weight 0 the space is the embedding's."""
    rng = np.random.default_rng(5)
    embeddings = np.concatenate([ball(rng, np.zeros(8), 600), ball(rng, 3 * np.eye(8)[0], 300)])
    logs = np.log(np.eye(20) + 1e-9)[np.repeat([4, 6, 4], 300)].astype(np.float32)
    alone = replace(CONFIG, class_weight=0.0)
    assert clustering_space(embeddings, logs, alone) is embeddings
    assert cluster(clustering_space(embeddings, logs, alone), alone).count == 2
    both = replace(CONFIG, class_weight=0.5)
    label = cluster(clustering_space(embeddings, logs, both), both).instance_label
    assert [set(label[300 * k : 300 * (k + 1)].tolist()) for k in range(3)] == [{0}, {1}, {2}]


def test_order_of_rows_decides_no_more_than_a_point_on_a_bridge():
    embeddings, truth = bridged(2, 5)
    order = np.random.default_rng(0).permutation(len(embeddings))
    there, back = cluster(embeddings, CONFIG), cluster(embeddings[order], CONFIG)
    inside = truth[order] >= 0
    np.testing.assert_array_equal(there.instance_label[order][inside], back.instance_label[inside])


@both_ways
def test_same_embeddings_same_clusters(config):
    embeddings, _ = bridged(3, 5)
    first, second = cluster(embeddings, config), cluster(embeddings, config)
    np.testing.assert_array_equal(first.instance_label, second.instance_label)
    np.testing.assert_array_equal(first.confidence, second.confidence)


@pytest.mark.parametrize("count", [0, 1, 39])
def test_too_few_are_noise(count):
    clusters = cluster(np.zeros((count, 8), dtype=np.float32), CONFIG)
    assert clusters.count == 0
    assert len(clusters.instance_label) == len(clusters.confidence) == count


def test_no_things_of_unknown_width():
    assert cluster(np.empty((0, 0), dtype=np.float32), CONFIG).count == 0


@both_ways
@pytest.mark.parametrize("count", [2, 3, 6])
def test_smallest_sizes_do_not_break_hdbscan(config, count):
    config = replace(config, min_cluster_size=2)
    assert cluster(np.zeros((count, 3), dtype=np.float32), config).count == 1


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_embeddings_that_are_not_finite_are_refused(value):
    embeddings = np.zeros((50, 8), dtype=np.float32)
    embeddings[7, 3] = value
    with pytest.raises(SsenError, match="1 of 50 .* row 7"):
        cluster(embeddings, CONFIG)


def test_embeddings_are_left_as_they_were():
    embeddings, _ = bridged(0, 2)
    before = embeddings.copy()
    cluster(embeddings, CONFIG)
    np.testing.assert_array_equal(embeddings, before)


@both_ways
def test_groups_too_small_for_an_object_are_noise(config):
    rng = np.random.default_rng(0)
    sizes = 100, CONFIG.min_cluster_size - 1
    groups = [ball(rng, c, n, 0.02) for c, n in zip(centers_apart(rng, 2), sizes)]
    label = cluster(np.concatenate(groups).astype(np.float32), config).instance_label
    assert label.tolist() == [0] * sizes[0] + [-1] * sizes[1]


def test_another_method_may_be_given():
    points = np.zeros((100, 3), np.float32)
    halves = cluster(points, CONFIG, lambda points, config: np.repeat([0, 1], 50))
    assert halves.instance_label.tolist() == [0] * 50 + [1] * 50


def test_small_objects_among_large_ones_survive():
    rng = np.random.default_rng(0)
    sizes = [100, 150, 200, 6000, 6000, 6000]
    points = np.concatenate([ball(rng, c, n) for c, n in zip(centers_apart(rng, len(sizes)), sizes)])
    clusters = cluster(points.astype(np.float32), replace(CONFIG, min_cluster_size=80))
    found = np.bincount(clusters.instance_label[clusters.instance_label >= 0])
    assert len(found) == len(sizes)
    np.testing.assert_allclose(np.sort(found), sizes, rtol=0.05)
