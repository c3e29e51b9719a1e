"""IoU with answers known by hand."""

import numpy as np

from ssen_ros.evaluation.semantic_iou import class_iou, confusion_matrix


def test_iou_by_hand():
    truth = np.array([0, 0, 0, 1, 1, -1])
    prediction = np.array([0, 0, 1, 1, 1, 2])
    confusion = confusion_matrix(truth, prediction, 3)
    assert confusion.tolist() == [[2, 1, 0, 0], [0, 2, 0, 0], [0, 0, 0, 0]]
    np.testing.assert_allclose(class_iou(confusion), [2 / 3, 2 / 3, np.nan])


def test_a_prediction_of_no_class_is_missed_and_nothing_more():
    confusion = confusion_matrix(np.array([0, 0, 1]), np.array([0, -1, 1]), 2)
    np.testing.assert_allclose(class_iou(confusion), [1 / 2, 1])


def test_a_class_only_predicted_has_iou_0():
    np.testing.assert_allclose(
        class_iou(confusion_matrix(np.array([0, 0]), np.array([0, 1]), 3)), [0.5, 0, np.nan]
    )
