"""What is scored is the map that users run, on the vertices of the scene."""

import numpy as np

from ssen_ros.evaluation.vertex_labels import label_vertices
from ssen_ros.io.samples import Sample
from ssen_ros.labels import CLASS_NAMES
from ssen_ros.pipeline import Segmenting, SsenPipeline


class TwoBoxes(Segmenting):
    """Left of x = 1 m a chair, right of it what no benchmark knows; an object's embedding is its place."""

    voxel_size = 0.1
    class_names = ("lamp", "chair")

    def semantic(self, snapshot, floor):
        chair = snapshot.points[:, 0] < 1.0
        return np.where(np.stack([~chair, chair], axis=1), -0.01, -5.0).astype(np.float32)

    def embed(self, snapshot, thing_rows, floor):
        return snapshot.points[thing_rows] * 3


def test_vertices_get_the_labels_of_their_voxels():
    """Several vertices share a voxel; each has its label and is in its instance, in whatever order."""
    rng = np.random.default_rng(0)
    boxes = [rng.uniform([x, 0, 0], [x + 0.6, 0.6, 0.6], (3000, 3)) for x in (0.0, 2.0)]
    points = rng.permutation(np.concatenate(boxes)).astype(np.float32)
    unlabelled = np.full(len(points), -1, np.int8)
    sample = Sample(points, np.zeros(points.shape, np.uint8), unlabelled, unlabelled.astype(np.int16))
    labels = label_vertices(sample, SsenPipeline(TwoBoxes()))
    left = points[:, 0] < 1.0
    chair = CLASS_NAMES.index("chair")
    np.testing.assert_array_equal(labels.semantic_label, np.where(left, chair, -1))
    assert sorted(p.class_id for p in labels.predictions) == [-1, chair]
    for prediction in labels.predictions:
        expected = np.flatnonzero(left if prediction.class_id == chair else ~left)
        np.testing.assert_array_equal(prediction.rows, expected)
