"""How long clustering takes, how much memory, and whether the fast way finds what the exact one does."""

import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from functools import cache, partial
from multiprocessing import get_context

import numpy as np
from sklearn.cluster import DBSCAN, KMeans, MeanShift, get_bin_seeds
from sklearn.metrics import adjusted_rand_score

from ssen_ros.benchmarks.memory import peak_mb, resident_mb
from ssen_ros.clustering import NOISE, cluster
from ssen_ros.config import ClusteringConfig, SegmenterConfig
from ssen_ros.smoothing import smooth
from ssen_ros.structures import Clusters

# Beyond these the method takes minutes (exact) or gigabytes (the others).
MOST_POINTS = {"exact": 200_000, "mean_shift": 20_000, "dbscan": 20_000, "k_means": 20_000}
SMALL = 100, 300  # points of an instance that a sample would lose
ROOM_SEED = 3  # one of the largest that training never saw
REPEATS = 3  # the least time counts


def bridged_clusters(points: int, seed: int = 0, width: int = 8) -> tuple[np.ndarray, np.ndarray]:
    """What an embedding network strives for, and what it leaves between.

    30 balls of radius 0.1 (delta_inter) whose centres lie 1.0 (2 delta_intra) or more apart. Each is larger
    than the one before by the same factor, the largest 100 times the smallest; none is below 200 points. 3 %
    of the points are outliers around the straight lines between centres.

    Returns:
        (points, width) float32 embeddings; as many instances, -1 for outliers. Shuffled.
    """
    count, radius, least = 30, 0.1, 200
    rng = np.random.default_rng(seed)
    centers: list[np.ndarray] = []
    while len(centers) < count:
        center = rng.uniform(-1.5, 1.5, width)
        if all(np.linalg.norm(center - other) >= 1.0 for other in centers):
            centers.append(center)
    sizes = np.geomspace(1, 100, count)
    sizes = np.maximum(least, 0.97 * points * sizes / sizes.sum()).astype(int)
    outliers = max(int(0.03 * points), points - sizes.sum())
    truth = np.repeat(np.arange(count), sizes)
    direction = rng.normal(size=(len(truth), width))
    direction /= np.linalg.norm(direction, axis=1, keepdims=True)
    inside = np.array(centers)[truth] + radius * rng.random((len(truth), 1)) ** (1 / width) * direction
    ends = np.array(centers)[rng.integers(0, count, (2, outliers))]
    t = rng.random((ends.shape[1], 1))
    between = ends[0] * t + ends[1] * (1 - t) + rng.normal(scale=0.03, size=ends.shape[1:])
    order = rng.permutation(len(inside) + len(between))[:points]
    embeddings = np.concatenate([inside, between]).astype(np.float32)[order]
    return embeddings, np.concatenate([truth, np.full(len(between), -1)])[order]


def room_embeddings(points: int) -> tuple[np.ndarray, np.ndarray]:
    """The shipped network's embeddings, smoothed, of what it takes for things in a held-out room.

    One pass sees some 25,000 voxels of it. For more, further passes see the room through a shifted grid, as a
    map of finer voxels would be denser.

    Returns:
        (points, 8) float32; as many true instances, -1 where there is none.
    """
    passes, total = [], 0
    rng = np.random.default_rng(0)
    while total < points:
        embeddings, truth = _one_pass(rng.uniform(0, _segmenter().voxel_size, 3) if passes else np.zeros(3))
        passes.append((embeddings, truth))
        total += len(embeddings)
    embeddings, truth = (np.concatenate(arrays) for arrays in zip(*passes))
    kept = np.sort(rng.permutation(total)[:points])
    return embeddings[kept], truth[kept]


def _one_pass(shift: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    from ssen_ros.datasets.labelled_voxels import map_with_truth
    from ssen_ros.labels import is_thing, of_the_twenty

    segmenter, sample = _segmenter(), _room()
    shifted = replace(sample, points=(sample.points + shift).astype(np.float32))
    voxels = map_with_truth(shifted, segmenter.voxel_size)
    thing = is_thing(segmenter.class_names)[segmenter.semantic(voxels.snapshot).argmax(axis=1)]
    truth = np.where(of_the_twenty(voxels.semantic_label), voxels.instance_label, -1)
    embeddings = segmenter.embed(voxels.snapshot, np.flatnonzero(thing))
    return smooth(embeddings, voxels.snapshot.voxel_coords[thing], ClusteringConfig().smoothing), truth[thing]


@cache
def _segmenter():
    from ssen_ros.segmenter import Segmenter  # late: torch is slow to import

    return Segmenter.from_config(SegmenterConfig())


@cache
def _room():
    from ssen_ros.simulation import scan

    return scan(ROOM_SEED)


DATA = {"bridged": bridged_clusters, "room": room_embeddings}


def benchmark(data: str, points: int, methods: Sequence[str], config: ClusteringConfig) -> Iterator[dict]:
    """Rows of one set of `DATA`, for each method that can take as many points.

    Keys: `data`, `method`, `points`, `seconds` of the whole `cluster`, `peak_mb` over what the process held
    before, `ari_to_exact`, `ari_to_truth` over the points that have one, `small_recall`; None where there is
    nothing to compare with.
    """
    embeddings, truth = DATA[data](points)
    known = truth >= 0
    count = len(np.unique(truth[known]))
    exact = None
    for method in sorted(methods, key=lambda method: method != "exact"):  # the others are compared with it
        if len(embeddings) > MOST_POINTS.get(method, len(embeddings)):
            continue
        # Noise stays noise, so that what is compared is the methods' own.
        config = replace(config, adopt_radius=0.0)
        label, seconds, peak_mb = _measure(partial(cluster_by, method, count, config=config), embeddings)
        exact = label if method == "exact" else exact
        yield {
            "data": data,
            "method": method,
            "points": len(embeddings),
            "seconds": seconds,
            "peak_mb": peak_mb,
            "ari_to_exact": None if exact is None else float(adjusted_rand_score(exact, label)),
            "ari_to_truth": float(adjusted_rand_score(truth[known], label[known])) if known.any() else None,
            "small_recall": small_recall(truth, label),
        }


def small_recall(truth: np.ndarray, label: np.ndarray) -> float | None:
    """Of the instances of 100 to 300 points, the share that some cluster meets with an IoU of 0.5 or more."""
    sizes, cluster_sizes = np.bincount(truth[truth >= 0]), np.bincount(label[label >= 0])
    small = np.flatnonzero((sizes >= SMALL[0]) & (sizes <= SMALL[1]))
    found = 0
    for instance in small:
        members = label[truth == instance]
        shared = np.bincount(members[members >= 0], minlength=len(cluster_sizes))
        found += int((2 * shared >= sizes[instance] + cluster_sizes - shared).any())
    return found / len(small) if len(small) else None


def cluster_by(method: str, count: int, embeddings: np.ndarray, config: ClusteringConfig) -> Clusters:
    """By a `clustering.mode`, or by one of `REJECTED`; k_means has to be told the number of objects."""
    if method in REJECTED:
        return cluster(embeddings, config, partial(REJECTED[method], count=count))
    return cluster(embeddings, replace(config, mode=method))


def _mean_shift(points: np.ndarray, config: ClusteringConfig, count: int) -> np.ndarray:
    # Cells of a grid as wide as the window are the seeds: one from each point would take hours.
    seeds = get_bin_seeds(points, config.confidence_radius, config.min_samples)
    if len(seeds) == 0:
        return np.full(len(points), NOISE)
    shift = MeanShift(bandwidth=config.confidence_radius, seeds=seeds, cluster_all=False)
    return shift.fit_predict(points)


def _dbscan(points: np.ndarray, config: ClusteringConfig, count: int) -> np.ndarray:
    # The radius delta_inter, within which training gathers an object (Eq. 4); the paper's is delta_intra / 5.
    return DBSCAN(eps=config.confidence_radius / 5, min_samples=config.min_samples).fit_predict(points)


def _k_means(points: np.ndarray, config: ClusteringConfig, count: int) -> np.ndarray:
    # scikit-learn has no annotations: that of n_init is guessed from its default, "auto".
    k_means = KMeans(min(count, len(points)), n_init=3, random_state=0)  # pyright: ignore[reportArgumentType]
    return k_means.fit_predict(points)


# What the paper compares HDBSCAN with, as it comes: not corrected by the scale of the space.
REJECTED = {"mean_shift": _mean_shift, "dbscan": _dbscan, "k_means": _k_means}

Clusterer = Callable[[np.ndarray], Clusters]


def _measure(clusterer: Clusterer, embeddings: np.ndarray) -> tuple[np.ndarray, float, float]:
    """Labels, least seconds, and peak memory in MB; in a process of its own, for the memory's sake."""
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        return pool.submit(_run, clusterer, embeddings).result()


def _run(clusterer: Clusterer, embeddings: np.ndarray) -> tuple[np.ndarray, float, float]:
    clusterer(embeddings[:1000])  # imports what the method needs
    before = resident_mb()
    times = []
    while len(times) < REPEATS and sum(times) < 5:  # what takes long is not repeated
        start = time.perf_counter()
        label = clusterer(embeddings).instance_label
        times.append(time.perf_counter() - start)
    return label, min(times), max(0.0, peak_mb() - before)
