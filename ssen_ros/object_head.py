"""What a cluster is, told from all of it at once: its voxels' votes, its size, and how high it stands.

A voxel sees some metres of the map, and votes. That a thing of two by two metres is no chair, or that what
hangs flat on a wall is half of a picture, none of its voxels can say. So a small network reads the cluster as
a whole and answers what it is and whether it is one whole object, as the second stage of detectors does
(Mask Scoring R-CNN, Huang et al. 2019; in 3D: PointGroup's ScoreNet, Jiang et al. 2020). The paper has none:
there the voxels' votes decide.
"""

import math
from dataclasses import dataclass

import numpy as np

from ssen_ros.structures import Box, VoxelSnapshot

# A voxel's vote against a class is no stronger than this probability's: networks are surer than they are
# right, and a few voxels shall not veto what all others say.
LEAST_PROBABILITY = 0.01

_LEVELS_M = (0.15, 0.35, 0.55, 0.8, 1.0, 1.3, 1.7, 2.1)  # above the floor: borders of what is counted apart
_QUANTILES = (0.02, 0.25, 0.5, 0.75, 0.98)
SHAPE_FEATURES = 11 + len(_QUANTILES) + len(_LEVELS_M) + 1  # all but those of the classes
_FAR = 4.0  # standard deviations; what lies further from the clusters of the training is read as this


def cluster_features(
    snapshot: VoxelSnapshot,
    log_probabilities: np.ndarray,  # (V, C) of the classes
    rows: np.ndarray,  # (n,) int64 of the snapshot, the cluster's, n >= 1
    box: Box,  # around them
    floor: float,  # m
    adopted: float,  # share of the rows that HDBSCAN itself did not give to the cluster
) -> np.ndarray:
    """(2 C + 25,) float64: votes, probabilities, extents, fullness, heights."""
    of_class, size = log_probabilities[rows].astype(np.float64), snapshot.voxel_size
    votes = np.maximum(of_class, math.log(LEAST_PROBABILITY)).mean(axis=0)
    probability = np.exp(np.minimum(of_class, 0)).mean(axis=0)
    points = snapshot.points[rows].astype(np.float64)
    height = points[:, 2] - floor
    levels = np.bincount(np.digitize(height, _LEVELS_M), minlength=len(_LEVELS_M) + 1) / len(rows)
    length, width, up = np.maximum(box.size, size)
    surface, faces = len(rows) * size**2, 2 * (length * width + length * up + width * up)
    x, y = snapshot.voxel_coords[rows, :2].T.astype(np.int64)
    seen_from_above = len(np.unique(x << 32 | y & 0xFFFFFFFF)) * size**2
    extents = [length, width, up, *np.log([length, width, up, width / length, surface, surface / faces])]
    fullness = [seen_from_above / (length * width), adopted]
    return np.concatenate([votes, probability, extents, fullness, np.quantile(height, _QUANTILES), levels])


@dataclass(frozen=True, eq=False)
class ObjectHead:
    """Two layers over `cluster_features`, in float64."""

    class_names: tuple[str, ...]  # of the semantic network whose votes it reads, in order
    mean: np.ndarray  # (F,) of the features of its training,
    scale: np.ndarray  # (F,) and their spread
    hidden: np.ndarray  # (F + 1, H), the last row is the bias
    out: np.ndarray  # (H + 1, C + 1): what is added to the mean votes of the classes; logit of being whole

    def __call__(self, features: np.ndarray) -> tuple[np.ndarray, float]:
        """Of one cluster's (F,) features: (C,) log-probabilities of what it is, and the probability that it
        is one object, found with an IoU above 0.5."""
        seen = np.clip((features - self.mean) / self.scale, -_FAR, _FAR)
        middle = np.maximum(seen @ self.hidden[:-1] + self.hidden[-1], 0.0)
        answer = middle @ self.out[:-1] + self.out[-1]
        logits = features[: len(self.class_names)] + answer[:-1]
        return logits - np.logaddexp.reduce(logits), float(1 / (1 + np.exp(-answer[-1])))
