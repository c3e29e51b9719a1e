"""Instances as clusters of the embedding space (paper, Sec. III-B)."""

import logging
from collections.abc import Callable
from dataclasses import replace

import numpy as np
from scipy.cluster.hierarchy import fcluster, linkage
from scipy.sparse import csr_array
from scipy.spatial import KDTree

from ssen_ros import hdbscan_native, stopping
from ssen_ros.config import ClusteringConfig
from ssen_ros.errors import EngineError, SsenError, missing_module
from ssen_ros.islands import islands
from ssen_ros.smoothing import smooth
from ssen_ros.structures import Clustered, Clusters, Segmentation, VoxelSnapshot
from ssen_ros.unchanged import groups_before, rows_before

log = logging.getLogger(__name__)

NOISE = -1
# Clusters of a pass; the smaller ones beyond it are noise. What follows compares each with each (4,000,000
# pairs: 100 MB, a second), and a setting that calls every few voxels an object must not stop the node.
MOST = 2000
LEVELS = 32  # of clusters within clusters; where each sheds a few points only, there would be thousands

# (T, d) points to (T,) labels counting from 0, NOISE being none of them.
Method = Callable[[np.ndarray, ClusteringConfig], np.ndarray]


def cluster_things(
    snapshot: VoxelSnapshot,
    segmentation: Segmentation,
    config: ClusteringConfig,
    before: Clustered | None = None,
) -> tuple[Clusters, Clustered]:
    """The clusters of the things of one snapshot, one label each of its `thing_rows`, island by island.

    An island that is what it was `before` has the clusters that it had.
    """
    coords = snapshot.voxel_coords.take(segmentation.thing_rows, axis=0)
    parts, island = islands(coords, snapshot.voxel_size), np.empty(len(coords), np.int32)
    for number, member in enumerate(parts):
        island[member] = number
    of_islands, kept, anew = _nothing(len(coords)), np.full(len(parts), -1), 0
    if before and before.config == config:
        was = rows_before(before, snapshot, segmentation, False)
        kept = groups_before(island, np.append(before.island, np.int32(-1))[was], before.island)
        stays = np.flatnonzero(kept[island] >= 0)
        for name, array in vars(of_islands).items():
            array[stays] = getattr(before.clusters, name)[was[stays]]
    for number, member in enumerate(parts):
        if kept[number] < 0 and len(member) >= config.min_cluster_size:
            anew += len(member)
            clusters = _cluster_island(coords[member], segmentation, member, config)
            for name, array in vars(of_islands).items():
                array[member] = getattr(clusters, name)
    own, counts = of_islands.instance_label, np.zeros(len(parts), np.int32)
    np.maximum.at(counts, island, own + 1)
    label = np.where(own > NOISE, own + (np.cumsum(counts, dtype=np.int32) - counts)[island], NOISE)
    found = replace(of_islands, instance_label=_by_size(_largest(label), 1))
    return found, Clustered(snapshot, segmentation, config, island, of_islands, anew)


def _nothing(things: int) -> Clusters:
    """Noise."""
    return Clusters(np.full(things, NOISE, np.int32), np.zeros(things, bool), np.zeros(things, np.float32))


def _cluster_island(
    coords: np.ndarray, segmentation: Segmentation, member: np.ndarray, config: ClusteringConfig
) -> Clusters:
    embeddings = smooth(segmentation.embeddings[member], coords, config.smoothing)
    log_probabilities = segmentation.log_probabilities[segmentation.thing_rows[member]]
    return cluster(clustering_space(embeddings, log_probabilities, config), config)


def clustering_space(
    embeddings: np.ndarray, log_probabilities: np.ndarray, config: ClusteringConfig
) -> np.ndarray:
    """(T, d + C) float32: where the things of one snapshot are clustered.

    The (T, d) embeddings, and the probabilities of the C classes, of which the (T, C) logarithms are given,
    times `class_weight`; with weight 0 the embeddings alone.
    """
    if config.class_weight == 0:
        return embeddings
    probabilities = np.exp(log_probabilities.astype(np.float32, copy=False))
    return np.concatenate([embeddings, np.float32(config.class_weight) * probabilities], axis=1)


def cluster(embeddings: np.ndarray, config: ClusteringConfig, method: Method | None = None) -> Clusters:
    """Cluster the (T, d) float32 embeddings of the things of one snapshot.

    The method is HDBSCAN, computed as `config.mode` says and corrected by what training fixes, the scale of
    the space; benchmarks may give another. Noise joins the nearest cluster within `adopt_radius`.

    Labels count from 0 by falling size; equal sizes by their first row. Confidence falls linearly
    with the distance to the cluster's mean (Fig. 1): 1 at the mean, 0 at `confidence_radius`.
    Fewer embeddings than `min_cluster_size` are all noise.

    Raises SsenError for embeddings that are not finite.
    """
    _check(embeddings)
    points = np.ascontiguousarray(embeddings, dtype=np.float32)
    if len(points) < config.min_cluster_size:
        label = np.full(len(points), NOISE, dtype=np.int32)
    elif method is None and config.mode == "exact" and stopping.watched() is not None:
        label = stopping.in_a_process(_at_scale, points, config)  # the hdbscan library holds up all threads
    else:
        label = (method or _at_scale)(points, config)
    label = _largest(_by_size(label, config.min_cluster_size))
    means = _means(points, label)  # what is adopted shall not move them
    adopting = _adopt(points, label, means, config.adopt_radius)
    return Clusters(
        instance_label=adopting,
        adopted=adopting != label,
        confidence=_confidence(_distance_to_mean(points, adopting, means), config),
    )


def _check(embeddings: np.ndarray) -> None:
    if embeddings.ndim != 2:
        raise ValueError(f"embeddings has shape {embeddings.shape}, expected (T, d)")
    if not np.isfinite(embeddings).all():
        bad = ~np.isfinite(embeddings).all(axis=1)
        raise SsenError(
            f"{int(bad.sum())} of {len(embeddings)} embeddings are not finite, the first in row "
            f"{int(bad.argmax())}: expected finite values; the embedding checkpoint or its input is damaged"
        )


# --- HDBSCAN -----------------------------------------------------------------------------------


def _fast(points: np.ndarray, config: ClusteringConfig) -> np.ndarray:
    """HDBSCAN by the compiled library, or by the hdbscan library where that is missing."""
    if not hdbscan_native.available():
        return _exact(points, config)
    return hdbscan_native.hdbscan(points, config.min_cluster_size, config.min_samples)[0]


def _exact(points: np.ndarray, config: ClusteringConfig) -> np.ndarray:
    try:
        from hdbscan import HDBSCAN  # late: it is slow to import
    except ModuleNotFoundError as error:
        raise EngineError(
            f"clustering.mode exact, and fast where the compiled library is missing: {missing_module(error)}"
        ) from error

    return HDBSCAN(
        min_cluster_size=config.min_cluster_size,
        min_samples=config.min_samples,
        approx_min_span_tree=False,  # its default cuts corners: other clusters in some rooms, and no faster
        core_dist_n_jobs=1,  # threads would sum in another order each time
    ).fit_predict(points.astype(np.float64))


_HDBSCAN: dict[str, Method] = {"fast": _fast, "exact": _exact}


def _at_scale(points: np.ndarray, config: ClusteringConfig) -> np.ndarray:
    """HDBSCAN, corrected by the scale of the space.

    The loss gathers an object's embeddings and pushes the means of objects 2 delta_intra apart (Eq. 2, 4).
    HDBSCAN knows no scale: of a hierarchy without sharp levels it may select one cluster that holds most
    of a room, or several within one object.
    """
    label = _merge_near(points, _largest(_divide_wide(points, config)), config.confidence_radius)
    if label.max(initial=NOISE) <= 0:
        label = _as_one_object(points, label, config)
    return label


def _divide_wide(points: np.ndarray, config: ClusteringConfig, levels: int = LEVELS) -> np.ndarray:
    """HDBSCAN's labels; a cluster too wide to be one object is clustered again by itself, as far as it goes.

    By itself a cluster is the root of the tree, which HDBSCAN never selects, so it has to come apart.
    """
    label = _HDBSCAN[config.mode](points, config)
    if levels == 0:
        return label
    inside = label > NOISE
    sizes = np.bincount(label[inside])
    distances = np.bincount(label[inside], _distance_to_mean(points, label, _means(points, label))[inside])
    for k in np.flatnonzero(distances > config.max_spread * sizes):
        member = np.flatnonzero(label == k)
        parts = _divide_wide(points[member], config, levels - 1)
        if parts.max() > NOISE:
            # The first part keeps the cluster's number, the others get new ones.
            numbers = np.arange(parts.max() + 1) + label.max()
            numbers[0] = k
            label[member] = np.where(parts > NOISE, numbers[parts], NOISE)
    return label


def _merge_near(points: np.ndarray, label: np.ndarray, distance: float) -> np.ndarray:
    """Clusters whose means are, by average linkage, nearer than `distance` become one."""
    means = _means(points, label)
    if len(means) < 2:
        return label
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


def _adopt(points: np.ndarray, label: np.ndarray, means: np.ndarray, radius: float) -> np.ndarray:
    """Noise nearer than `radius` to one of the (K, d) means of the clusters joins the nearest."""
    noise = np.flatnonzero(label == NOISE)
    if len(means) == 0 or len(noise) == 0 or radius == 0:
        return label
    distance, nearest = KDTree(means.astype(np.float32)).query(points[noise], distance_upper_bound=radius)
    adopting = label.copy()
    adopting[noise] = np.where(np.isfinite(distance), nearest, NOISE)
    return adopting


# --- labelled points ---------------------------------------------------------------------------


def _means(points: np.ndarray, label: np.ndarray) -> np.ndarray:
    """(K, d) float64 means of the clusters; each number below the largest is in use."""
    group = label + 1  # noise is counted too, and dropped
    size, ends = np.bincount(group, minlength=1), np.arange(len(label) + 1)
    member = csr_array((np.ones(len(label)), group, ends), shape=(len(label), len(size)))
    return (member.T @ points)[1:] / size[1:, None]


def _distance_to_mean(points: np.ndarray, label: np.ndarray, means: np.ndarray) -> np.ndarray:
    """(T,) float32: of each point to the mean of its cluster; infinite for noise."""
    means = np.vstack([means, np.full(points.shape[1], np.inf)]).astype(np.float32)
    offset = points - means[label]  # noise, -1, takes the last row
    return np.sqrt(np.einsum("nd,nd->n", offset, offset))


def _confidence(distance: np.ndarray, config: ClusteringConfig) -> np.ndarray:
    return np.clip(1 - distance / np.float32(config.confidence_radius), 0, 1)


def _largest(label: np.ndarray) -> np.ndarray:
    """The labels as they are, or where there are more than MOST clusters, the largest of them."""
    count = label.max(initial=NOISE) + 1
    if count <= MOST:
        return label
    log.warning("%d clusters, the %d largest are kept: raise clustering.min_cluster_size", count, MOST)
    label = _by_size(label, 1)
    return np.where(label < MOST, label, np.int32(NOISE))


def _by_size(label: np.ndarray, least: int) -> np.ndarray:
    """The clusters of `least` points and more, numbered by falling size, then by first row; int32."""
    inside = np.flatnonzero(label > NOISE)
    size = np.bincount(label[inside])
    first = np.full(len(size), len(label))
    first[label[inside[::-1]]] = inside[::-1]  # the last assignment stays
    order = np.lexsort((first, -size))
    number = np.full(len(size) + 1, NOISE, dtype=np.int32)
    number[order] = np.where(size[order] >= least, np.arange(len(size)), NOISE)
    return number[label]  # noise, -1, takes the last
