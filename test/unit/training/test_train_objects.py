"""The object head learns from the clusters of labelled rooms."""

import numpy as np
import pytest
from training_rooms import toy_room

from ssen_ros.cli import main
from ssen_ros.config import SsenConfig, with_values
from ssen_ros.datasets.labelled_voxels import voxelize
from ssen_ros.errors import ConfigError
from ssen_ros.io.safetensors_file import read_header
from ssen_ros.io.samples import save_sample
from ssen_ros.labels import CLASS_NAMES, LABEL_NAMES
from ssen_ros.models.head_file import load_head, save_head
from ssen_ros.pipeline import Segmenting, SsenPipeline
from ssen_ros.training.object_head import ClusterTruth, fit, joined, truth_of

CHAIR, TABLE = CLASS_NAMES.index("chair"), CLASS_NAMES.index("table")
CLASSES = len(LABEL_NAMES)


class Told(Segmenting):
    """Has the true labels by voxel, but calls each chair a table; objects are where they are in truth."""

    voxel_size, class_names = 0.05, LABEL_NAMES

    def __init__(self, voxels):
        self.voxels = voxels

    def semantic(self, snapshot, floor):
        label = np.where(self.voxels.semantic_label == CHAIR, TABLE, self.voxels.semantic_label)
        answer = np.full((len(label), CLASSES), np.log(0.01), np.float32)
        answer[np.arange(len(label)), label] = np.log(0.8)
        return answer

    def embed(self, snapshot, thing_rows, floor):
        return np.eye(8, dtype=np.float32)[self.voxels.instance_label[thing_rows] % 8]


def test_what_clusters_are_in_truth():
    voxels = voxelize(toy_room(), 0.05)
    pipeline = SsenPipeline(Told(voxels), with_values(SsenConfig(), {"segmenter.line_up": False}))
    result = pipeline.step(voxels.snapshot, 0)
    truth = truth_of(result, voxels, LABEL_NAMES)
    of_class = truth.shares.argmax(axis=1)
    assert {CHAIR, TABLE} <= set(of_class.tolist())
    for cluster, detection in zip(truth.shares, result.detections):
        assert cluster.sum() == pytest.approx(1)
        assert detection.class_id == TABLE  # by their votes all are tables
    assert truth.whole[np.isin(of_class, (CHAIR, TABLE))].all()
    assert truth.features.shape == (len(truth.whole), 2 * CLASSES + 25)


def clusters(count: int, seed: int = 0) -> ClusterTruth:
    """Two classes whose votes are the same and whose length is not; those with few voxels are pieces."""
    rng = np.random.default_rng(seed)
    features = rng.normal(size=(count, 2 * CLASSES + 25))
    features[:, : 2 * CLASSES] *= 0.01
    long, piece = rng.random(count) < 0.4, rng.random(count) < 0.3
    features[:, 2 * CLASSES] = np.where(long, 2.0, 0.6) + rng.normal(0, 0.1, count)
    features[:, 2 * CLASSES + 7] = np.where(piece, -3.0, 0.5) + rng.normal(0, 0.2, count)
    shares = np.zeros((count, CLASSES))
    shares[np.arange(count), np.where(long, TABLE, CHAIR)] = 1.0
    return ClusterTruth(features, shares, np.where(piece, 0.0, 1.0))


def test_the_head_learns_what_tells_classes_and_pieces_apart(tmp_path):
    head, unseen = fit(clusters(400), LABEL_NAMES, steps=150), clusters(200, seed=1)
    save_head(tmp_path / "object.safetensors", head, {"rooms": "toys"})
    again = load_head(tmp_path / "object.safetensors")
    answers = [again(one) for one in unseen.features]
    named = np.array([seen.argmax() for seen, _ in answers])
    whole = np.array([chance > 0.5 for _, chance in answers])
    assert (named == unseen.shares.argmax(axis=1)).mean() > 0.95
    assert (whole == (unseen.whole > 0.5)).mean() > 0.95
    np.testing.assert_array_equal(fit(clusters(400), LABEL_NAMES, steps=150).hidden, head.hidden)


def test_without_a_cluster_nothing_is_learned():
    none = ClusterTruth(np.array([]), np.array([]), np.array([]))
    with pytest.raises(ConfigError, match="no annotated cluster"):
        joined([none])
    part = clusters(3)
    assert len(joined([none, part, part]).whole) == 6


def test_the_command_writes_a_head_that_tells_how_it_was_made(tmp_path, capsys):
    rooms, out = tmp_path / "rooms", tmp_path / "object.safetensors"
    rooms.mkdir()
    for seed in range(2):
        save_sample(rooms / f"{seed + 5000:06d}.npz", toy_room(seed))
    assert main(["train-objects", str(rooms), "--out", str(out), "--draws", "1"]) == 0
    assert "on 2 maps" in capsys.readouterr().out
    assert load_head(out).class_names == LABEL_NAMES
    provenance = read_header(out).metadata["provenance"]
    assert '"rooms": "2, 005000.npz to 005001.npz"' in provenance and "SHA-256" in provenance
