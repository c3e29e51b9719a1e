"""Metrics as pure functions of arrays.

`average_precision` follows ScanNet's rules where they matter for a first measure: same class, IoU strictly
above the threshold, unmatched predictions that lie mostly on void are not counted. It is not yet the
official script (its assignment order and minimum sizes): compare its figures only with each other.
"""

import numpy as np


def confusion_matrix(truth: np.ndarray, prediction: np.ndarray, num_classes: int) -> np.ndarray:
    """(C, C) int64 counts, rows truth, columns prediction; voxels with negative truth are left out."""
    valid = truth >= 0
    code = truth[valid].astype(np.int64) * num_classes + prediction[valid]
    return np.bincount(code, minlength=num_classes**2).reshape(num_classes, num_classes)


def class_iou(confusion: np.ndarray) -> np.ndarray:
    """(C,) intersection over union; NaN for a class that never occurs in the truth."""
    hits = np.diag(confusion)
    union = confusion.sum(0) + confusion.sum(1) - hits
    return np.where(confusion.sum(1) > 0, hits / np.maximum(union, 1), np.nan)


def average_precision(scores: np.ndarray, correct: np.ndarray, num_truth: int) -> float:
    """Area under the precision-recall curve of predictions; NaN without ground truth.

    Args:
        scores: (P,) confidence of each counted prediction.
        correct: (P,) bool, whether it matched a ground-truth instance.
    """
    if num_truth == 0:
        return float("nan")
    order = np.argsort(-scores, kind="stable")
    hits = np.cumsum(correct[order])
    precision = hits / np.arange(1, len(hits) + 1)
    recall = hits / num_truth
    envelope = np.maximum.accumulate(precision[::-1])[::-1]
    steps = np.diff(recall, prepend=0.0)
    return float((steps * envelope).sum())


def match_instances(
    truth: np.ndarray,
    truth_class: np.ndarray,
    void: np.ndarray,
    masks: list[np.ndarray],
    classes,
    scores,
    threshold,
) -> list[tuple[int, float, bool]]:
    """(class, score, matched) of each prediction that counts, in one scene.

    Args:
        truth: (V,) instance index 0..I-1, negative where of none.
        truth_class: (I,) class of each ground-truth instance.
        void: (V,) bool, voxels that no ground-truth class claims.
        masks: P arrays of rows; `classes`, `scores`: P values each.
        threshold: a match needs an IoU strictly above it.
    """
    sizes = np.bincount(truth[truth >= 0], minlength=len(truth_class))
    taken = np.zeros(len(truth_class), bool)
    outcome = []
    for i in np.argsort(-np.asarray(scores), kind="stable"):
        rows = masks[i]
        overlap = np.bincount(truth[rows][truth[rows] >= 0], minlength=len(truth_class))
        iou = overlap / np.maximum(sizes + len(rows) - overlap, 1)
        iou[(truth_class != classes[i]) | taken] = 0.0
        best = int(iou.argmax()) if len(iou) else -1
        matched = best >= 0 and iou[best] > threshold
        if matched:
            taken[best] = True
        elif void[rows].mean() > threshold:
            continue
        outcome.append((int(classes[i]), float(scores[i]), bool(matched)))
    return outcome
