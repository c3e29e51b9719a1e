"""Intersection over union of the classes, counted as ScanNet's benchmark counts it.

Source: github.com/ScanNet/ScanNet, BenchmarkScripts/3d_evaluation/evaluate_semantic_label.py.
"""

import numpy as np


def confusion_matrix(truth: np.ndarray, prediction: np.ndarray, num_classes: int) -> np.ndarray:
    """(C, C + 1) int64 counts, rows truth, columns prediction; the last column is of no class.

    Args:
        truth: (N,) class indices; where negative, or beyond the classes, the vertex is left out.
        prediction: (N,) class indices, negative for none: missed by its class, held against no other.
    """
    valid = (truth >= 0) & (truth < num_classes)
    column = np.where(prediction < 0, num_classes, prediction)[valid]
    code = truth[valid].astype(np.int64) * (num_classes + 1) + column
    return np.bincount(code, minlength=num_classes * (num_classes + 1)).reshape(num_classes, -1)


def class_iou(confusion: np.ndarray) -> np.ndarray:
    """(C,) intersection over union of a `confusion_matrix`; NaN for a class neither there nor predicted."""
    hits = np.diag(confusion)  # of the square part
    union = confusion.sum(1) + confusion[:, : len(confusion)].sum(0) - hits
    return np.where(union > 0, hits / np.maximum(union, 1), np.nan)
