"""Instances as clusters of the embedding space (paper, Sec. III-B)."""

import hdbscan
import numpy as np
from scipy.cluster.hierarchy import fcluster, linkage

from ssen_ros.config import ClusteringConfig
from ssen_ros.errors import SsenError
from ssen_ros.structures import Clusters

NOISE = -1


def cluster(embeddings: np.ndarray, config: ClusteringConfig) -> Clusters:
    """HDBSCAN over the (T, d) float32 embeddings of the things of one snapshot.

    Labels count from 0 by falling size; equal sizes by their first row. Confidence falls linearly
    with the distance to the cluster's mean (Fig. 1): 1 at the mean, 0 at `confidence_radius`.
    Fewer embeddings than `min_cluster_size` are all noise.
    Raises SsenError for embeddings that are not finite.
    """
    _check(embeddings)
    points = embeddings.astype(np.float64)
    label = _label(points, config)
    return Clusters(instance_label=label, confidence=_confidence(points, label, config.confidence_radius))


def _check(embeddings: np.ndarray) -> None:
    if embeddings.ndim != 2:
        raise ValueError(f"embeddings has shape {embeddings.shape}, expected (T, d)")
    bad = ~np.isfinite(embeddings).all(axis=1)
    if bad.any():
        raise SsenError(
            f"{int(bad.sum())} of {len(embeddings)} embeddings are not finite, the first in row "
            f"{int(bad.argmax())}: expected finite values; the embedding checkpoint or its input is damaged"
        )


def _label(points: np.ndarray, config: ClusteringConfig) -> np.ndarray:
    """HDBSCAN, corrected by what training fixes: the scale of the space.

    The loss gathers an object's embeddings and pushes the means of objects 2 delta_intra apart (Eq. 2, 4).
    HDBSCAN knows no scale: of a hierarchy without sharp levels it may select one cluster that holds most
    of a room, or several within one object.
    """
    if len(points) < config.min_cluster_size:
        return np.full(len(points), NOISE, dtype=np.int32)
    label = _merge_near(points, _divide_wide(points, config), config.confidence_radius)
    if label.max(initial=NOISE) <= 0:
        label = _as_one_object(points, label, config)
    return _by_size(label)


def _divide_wide(points: np.ndarray, config: ClusteringConfig) -> np.ndarray:
    """HDBSCAN's labels; a cluster too wide to be one object is clustered again by itself, as far as it goes.

    By itself a cluster is the root of the tree, which HDBSCAN never selects, so it has to come apart.
    """
    label = hdbscan.HDBSCAN(
        min_cluster_size=config.min_cluster_size,
        min_samples=config.min_samples,
        core_dist_n_jobs=1,  # threads would sum in another order each time
    ).fit_predict(points)
    divided = np.full(len(points), NOISE, dtype=np.int64)
    for k in range(int(label.max(initial=NOISE)) + 1):
        member = label == k
        parts = np.zeros(int(member.sum()), dtype=np.int64)
        if _spread(points[member]) > config.max_spread:
            found = _divide_wide(points[member], config)
            parts = found if found.max() > NOISE else parts
        divided[member] = np.where(parts > NOISE, parts + divided.max() + 1, NOISE)
    return divided


def _spread(points: np.ndarray) -> float:
    """Mean distance to the mean."""
    return float(np.linalg.norm(points - points.mean(axis=0), axis=1).mean())


def _merge_near(points: np.ndarray, label: np.ndarray, distance: float) -> np.ndarray:
    """Clusters whose means are, by average linkage, nearer than `distance` become one."""
    count = int(label.max(initial=NOISE)) + 1
    if count < 2:
        return label
    means = np.array([points[label == k].mean(axis=0) for k in range(count)])
    group = fcluster(linkage(means, "average"), distance, "distance") - 1
    return np.where(label > NOISE, group[label], NOISE)


def _as_one_object(points: np.ndarray, label: np.ndarray, config: ClusteringConfig) -> np.ndarray:
    """Everything within the radius of the median as one cluster, provided that it is most of the points.

    A lone object is the root of HDBSCAN's tree and comes out as noise or in pieces.
    `allow_single_cluster=True`, as in the authors' code, is no remedy: it keeps only the densest
    `min_cluster_size` points of a lone object (97 % of a ball of 1,400 became noise).
    """
    distance = np.linalg.norm(points - np.median(points, axis=0), axis=1)
    member = distance <= config.confidence_radius
    if member.sum() < max(config.min_cluster_size, len(points) / 2):
        return label
    return np.where(member, 0, NOISE)


def _by_size(label: np.ndarray) -> np.ndarray:
    """The same clusters, numbered by falling size, then by first row; int32."""
    old, first, size = np.unique(label[label >= 0], return_index=True, return_counts=True)
    order = np.lexsort((first, -size))
    renumbered = np.full(len(label), NOISE, dtype=np.int32)
    for new, position in enumerate(order):
        renumbered[label == old[position]] = new
    return renumbered


def _confidence(points: np.ndarray, label: np.ndarray, radius: float) -> np.ndarray:
    confidence = np.zeros(len(points), dtype=np.float32)
    for k in range(int(label.max(initial=NOISE)) + 1):
        member = label == k
        distance = np.linalg.norm(points[member] - points[member].mean(axis=0), axis=1)
        confidence[member] = np.clip(1 - distance / radius, 0, 1)
    return confidence
