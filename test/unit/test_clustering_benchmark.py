import json

import numpy as np
import pytest

from ssen_ros.benchmarks import clustering as clustering_benchmark
from ssen_ros.benchmarks.clustering import DATA, REJECTED, bridged_clusters, cluster_by, small_recall
from ssen_ros.cli import main
from ssen_ros.config import ClusteringConfig
from ssen_ros.datasets.splits import HELD_OUT_SEEDS


def test_bridged_clusters_are_what_they_claim():
    embeddings, truth = bridged_clusters(100_000)
    again, _ = bridged_clusters(100_000)
    np.testing.assert_array_equal(embeddings, again)
    assert embeddings.shape == (100_000, 8) and embeddings.dtype == np.float32
    sizes = np.bincount(truth[truth >= 0])
    assert len(sizes) == 30 and sizes.min() >= 190 and sizes.max() < 20_000
    assert 0.02 < (truth < 0).mean() < 0.04
    means = np.array([embeddings[truth == k].mean(axis=0) for k in range(30)])
    assert np.linalg.norm(embeddings - means[truth], axis=1)[truth >= 0].max() < 0.12
    apart = np.linalg.norm(means[:, None] - means[None], axis=2) + 9 * np.eye(30)
    assert apart.min() > 0.95


def test_small_recall_counts_the_small_instances_that_are_found():
    sizes = [99, 100, 300, 150, 301]
    truth = np.concatenate([np.repeat(np.arange(5), sizes), [-1] * 50])
    assert small_recall(truth, truth) == 1
    lost = np.where(truth == 3, -1, truth)
    assert small_recall(truth, lost) == pytest.approx(2 / 3)
    swallowed = np.where(truth == 1, 2, truth)  # the larger of the two is still most of the cluster
    assert small_recall(truth, swallowed) == pytest.approx(2 / 3)
    halved = np.where((truth == 3) & (np.arange(len(truth)) % 2 == 0), 7, truth)
    assert small_recall(truth, halved) == 1
    assert small_recall(truth[truth == 4], truth[truth == 4]) is None


def balls(sizes, radius):
    """(N, 8) points about places that are far apart."""
    rng = np.random.default_rng(0)
    return np.concatenate(
        [2 * np.eye(8)[k] + rng.uniform(-radius, radius, (n, 8)) for k, n in enumerate(sizes)]
    ).astype(np.float32)


@pytest.mark.parametrize("method", REJECTED)
def test_what_the_paper_rejects_finds_well_separated_objects(method):
    config = ClusteringConfig(min_cluster_size=40, min_samples=5)
    label = cluster_by(method, 4, balls((60, 90, 150, 200), 0.02), config).instance_label
    assert label.tolist() == [3] * 60 + [2] * 90 + [1] * 150 + [0] * 200


@pytest.mark.parametrize("method", REJECTED)
def test_groups_too_small_for_an_object_are_noise(method):
    config = ClusteringConfig(min_cluster_size=40, min_samples=5)
    label = cluster_by(method, 2, balls((100, 39), 0.02), config).instance_label
    assert label.tolist() == [0] * 100 + [-1] * 39


def test_mean_shift_without_a_dense_cell_finds_noise():
    points = np.random.default_rng(0).uniform(-5, 5, (100, 8)).astype(np.float32)
    clusters = cluster_by("mean_shift", 0, points, ClusteringConfig(adopt_radius=0.0))
    assert (clusters.instance_label == -1).all()


@pytest.mark.slow
def test_the_command_prints_rows(capsys):
    methods = ["--methods", "fast", "exact", "k_means"]
    assert main(["bench", "clustering", "--data", "bridged", "--points", "7000", "--json", *methods]) == 0
    rows = json.loads(capsys.readouterr().out)["rows"]
    assert [row["method"] for row in rows] == ["exact", "fast", "k_means"]
    for row in rows:
        assert row["data"] == "bridged" and row["points"] == 7000
        assert row["seconds"] > 0 and row["peak_mb"] >= 0
    exact, fast, _ = rows
    assert exact["ari_to_exact"] == 1 and exact["ari_to_truth"] > 0.99
    assert fast["ari_to_exact"] > 0.98 and fast["ari_to_truth"] > 0.99
    assert exact["small_recall"] == fast["small_recall"] == 1


def test_without_the_exact_method_nothing_is_compared_with_it(capsys):
    main(["bench", "clustering", "--data", "bridged", "--points", "6000", "--methods", "fast", "--json"])
    (row,) = json.loads(capsys.readouterr().out)["rows"]
    assert row["ari_to_exact"] is None
    main(["bench", "clustering", "--data", "bridged", "--points", "6000", "--methods", "fast"])
    table = capsys.readouterr().out
    assert "bridged" in table and "fast" in table and "6000" in table


def test_the_room_is_held_out_and_seen_again_where_more_points_are_wanted(monkeypatch):
    assert clustering_benchmark.ROOM_SEED in HELD_OUT_SEEDS
    shifts = []

    def one_pass(shift):
        shifts.append(shift)
        return np.full((40, 8), len(shifts), np.float32), np.repeat([-1, 4, 7], [10, 10, 20])

    monkeypatch.setattr(clustering_benchmark, "_one_pass", one_pass)
    embeddings, truth = DATA["room"](100)
    assert embeddings.shape == (100, 8) and len(truth) == 100
    assert len(shifts) == 3 and not shifts[0].any() and len(np.unique(np.concatenate(shifts[1:]))) == 6
    assert (np.bincount(embeddings[:, 0].astype(int), minlength=4)[1:] >= 20).all()
    assert set(truth.tolist()) == {-1, 4, 7}
