"""Metrics with answers known by hand."""

import numpy as np
import pytest

from ssen_ros.evaluation.metrics import average_precision, class_iou, confusion_matrix, match_instances


def test_iou_by_hand():
    truth = np.array([0, 0, 0, 1, 1, -1])
    prediction = np.array([0, 0, 1, 1, 1, 2])
    confusion = confusion_matrix(truth, prediction, 3)
    assert confusion.tolist() == [[2, 1, 0], [0, 2, 0], [0, 0, 0]]
    np.testing.assert_allclose(class_iou(confusion), [2 / 3, 2 / 3, np.nan])


def test_average_precision_by_hand():
    # hit, miss, hit of three objects: precision 1, 1/2, 2/3 at recall 1/3, 1/3, 2/3; envelope 1, 2/3, 2/3
    value = average_precision(np.array([0.9, 0.8, 0.7]), np.array([True, False, True]), 3)
    assert value == pytest.approx(1 / 3 * 1 + 1 / 3 * 2 / 3)
    assert average_precision(np.array([]), np.array([], bool), 2) == 0.0
    assert np.isnan(average_precision(np.array([]), np.array([], bool), 0))


TRUTH = np.array([0] * 10 + [1] * 10 + [-1] * 10)
CLASSES = np.array([4, 5])


def match(rows, classes, scores, threshold=0.5):
    return match_instances(TRUTH, CLASSES, TRUTH < 0, rows, classes, scores, threshold)


def test_truth_against_itself_is_perfect():
    outcome = match([np.arange(10), np.arange(10, 20)], [4, 5], [0.9, 0.8])
    assert outcome == [(4, 0.9, True), (5, 0.8, True)]


def test_a_second_match_is_a_false_positive():
    outcome = match([np.arange(10), np.arange(9)], [4, 4], [0.5, 0.9])
    assert outcome == [(4, 0.9, True), (4, 0.5, False)]


def test_the_class_must_agree_and_the_iou_exceed():
    assert match([np.arange(10)], [5], [0.9]) == [(5, 0.9, False)]
    assert match([np.arange(5)], [4], [0.9]) == [(4, 0.9, False)]  # IoU is exactly the threshold
    assert match([np.arange(6)], [4], [0.9]) == [(4, 0.9, True)]


def test_predictions_on_void_are_free():
    assert match([np.arange(20, 30)], [4], [0.9]) == []
