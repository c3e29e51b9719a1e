"""From clusters to detections, and from the detections of each pass to instances that last."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np
from scipy.optimize import linear_sum_assignment
from scipy.sparse import coo_array, csr_array
from scipy.sparse.csgraph import connected_components

from ssen_ros import stopping, voxel_keys
from ssen_ros.boxes import fit_box
from ssen_ros.config import InstancesConfig
from ssen_ros.labels import IGNORE_INDEX, UNKNOWN_NAME, is_thing
from ssen_ros.object_head import LEAST_PROBABILITY, ObjectHead, cluster_features
from ssen_ros.structures import (
    Clusters,
    Described,
    Detection,
    Event,
    Instance,
    Known,
    Memory,
    Segmentation,
    VoxelSnapshot,
)
from ssen_ros.unchanged import groups_before, rows_before

# Share of the smaller of detection and instance that, shared, continues the instance whatever the
# IoU: an object half seen and then seen whole has a small IoU, but lies inside what it becomes.
CONTAINMENT = 0.5
# Share of an instance's voxels that must still be in the map for it to be kept while undetected.
LEAST_PRESENT = 0.5
# Weight of past class votes at each new pass: about ten passes decide, so the class settles, yet a
# class given to the first sliver of an object does not outlive the sight of the whole.
VOTE_MEMORY = 0.9
# m2 of surface at which a cluster has half the score of a large one: small ones are more often pieces.
PIECE = 0.08
# Undetected instances that are kept; the longest missed go first. Each pass compares all with all.
MOST_MISSING = 4000


def describe(
    snapshot: VoxelSnapshot,
    segmentation: Segmentation,
    clusters: Clusters,
    class_names: Sequence[str],
    before: Described | None = None,
    head: ObjectHead | None = None,
    floor: float = 0.0,
) -> Described:
    """One detection per cluster, in the order of the cluster labels; see `detect`.

    A cluster of which nothing has changed since `before` has the detection that it had. `floor` is the z of
    the map's floor, m, from which `head` counts.
    Raises ValueError where the classes do not fit the segmentation or hold no thing.
    """
    class_names = tuple(class_names)
    thing = is_thing(class_names)
    classes = segmentation.log_probabilities.shape[1]
    if classes != len(thing):
        raise ValueError(
            f"{classes} classes of log-probabilities, {len(thing)} class names: "
            "expected as many; take class_names from the segmenter"
        )
    if clusters.count and not thing.any():
        raise ValueError(f"clusters found, but no countable class among {', '.join(class_names)}")
    label = clusters.instance_label
    by_cluster = voxel_keys.in_order(label + 1)  # noise, -1, first
    ends = np.searchsorted(label[by_cluster], np.arange(clusters.count + 1))
    if before and (before.class_names, before.head, before.floor) != (class_names, head, floor):
        before = None
    old = _clusters_before(before, snapshot, segmentation, clusters)
    rows, adopted = segmentation.thing_rows[by_cluster], clusters.adopted[by_cluster]
    detections = []
    for number, (begin, end) in enumerate(pairwise(ends.tolist())):
        one = slice(begin, end)
        if before and old[number] >= 0:
            detections.append(replace(before.detections[old[number]], rows=rows[one]))
        else:
            votes = segmentation.log_probabilities
            detections.append(detect(snapshot, votes, rows[one], thing, adopted[one], head, floor))
    return Described(snapshot, segmentation, clusters, class_names, tuple(detections), head, floor)


def _clusters_before(
    before: Described | None, snapshot: VoxelSnapshot, segmentation: Segmentation, clusters: Clusters
) -> np.ndarray:
    """(K,) which of those before each cluster is, just as it was; -1: none."""
    if before is None:
        return np.full(clusters.count, -1)
    row = rows_before(before, snapshot, segmentation, place=True)
    row[np.append(before.clusters.adopted, False)[row] != clusters.adopted] = -1
    label = before.clusters.instance_label
    return groups_before(clusters.instance_label, np.append(label, np.int32(-1))[row], label)


def detect(
    snapshot: VoxelSnapshot,
    log_probabilities: np.ndarray,  # (V, C) float32 or float16
    rows: np.ndarray,  # (n,) int64 of the snapshot
    thing: np.ndarray,  # (C,) bool
    adopted: np.ndarray | None = None,  # (n,) bool, given to the cluster by another than HDBSCAN
    head: ObjectHead | None = None,
    floor: float = 0.0,
) -> Detection:
    """One cluster, which has these rows, as an object.

    With a head, its class and score are what that makes of the whole cluster, as if each voxel had voted so;
    things of no class are whole, for nobody has said where one of them ends. Without:

    Class: the thing class with the largest sum of log-probabilities over the cluster's voxels, as
    if the voxels were independent witnesses, none of them surer than LEAST_PROBABILITY.
    Score: the mean probability of that class over the voxels, times the share of them that HDBSCAN itself
    gave to the cluster, times a / (a + PIECE) for a surface a, m2, of one voxel's square for each of them.
    """
    stopping.check()
    points = snapshot.points[rows].astype(np.float64)
    box, strange = fit_box(points), 0.0 if adopted is None else float(adopted.mean())
    if head:
        seen, whole = head(cluster_features(snapshot, log_probabilities, rows, box, floor, strange))
        votes = np.where(thing, np.maximum(seen, np.log(LEAST_PROBABILITY)) * len(rows), -np.inf)
        class_id = int(np.where(thing, seen, -np.inf).argmax())
        named = head.class_names[class_id] != UNKNOWN_NAME
        score = np.exp(seen[class_id]) * (whole if named else 1.0)
    else:
        of_class = log_probabilities[rows].astype(np.float64)
        votes = np.maximum(of_class, np.log(LEAST_PROBABILITY)).sum(axis=0)
        votes = np.where(thing, votes, -np.inf)
        class_id = int(votes.argmax())
        # a float32 log-softmax may exceed 0 by its rounding
        probability = np.exp(np.minimum(of_class[:, class_id], 0)).mean()
        surface = len(rows) * snapshot.voxel_size**2
        score = probability * (1 - strange) * surface / (surface + PIECE)
    return Detection(
        class_id=class_id,
        score=float(score),
        class_log_votes=votes,
        box=box,
        centroid=points.mean(axis=0),
        rows=rows,
        keys=snapshot.keys[np.sort(rows)],
    )


def update(
    memory: Memory,
    detections: Sequence[Detection],
    snapshot: VoxelSnapshot,
    stamp_ns: int,
    class_names: Sequence[str],
    config: InstancesConfig,
    tell_unknown: bool = False,
) -> tuple[Memory, tuple[Event, ...]]:
    """Join one pass's detections, rows of `snapshot`, to the instances known so far.

    No id is given up on the word of one pass. An instance that is not detected is kept, as "missing" and with
    its last voxels, for `max_missed` updates; seen again, it has its id back. After that it is gone: *merged*
    if another instance's detection now covers most of it, *retired* if not. The one exception is a map that
    has lost half of its voxels, as happens when a loop closes and objects move: what it was is no longer
    there, and it is retired at once.

    Objects of no class (UNKNOWN_NAME) are known like others, but told of only if `tell_unknown`: without it
    nobody hears of their ids, and an object that turns into one is told as retired.

    Returns what is known now, and what changed: the memory's news, then created, split, merged, retired. A
    part that comes off an instance is "created" and also named by the "split" event of the instance that kept
    the id.
    """
    known, keys = memory.known, snapshot.keys
    names = memory.corrections.hand.names
    found = associate(known, detections, keys, config.min_overlap)
    active: list[Known] = []  # in the order of the detections
    next_id = memory.next_id
    for detection, column in zip(detections, found.continued, strict=True):
        before = known[column] if column >= 0 else None
        if before and before.id in names and not detection.class_name:  # it goes with one that has moved
            detection = replace(detection, class_name=names[before.id])
        id, hold = detection.id or next_id, config.class_hold
        active.append(detected(detection, before, id, stamp_ns, class_names, hold))
        next_id += before is None and not detection.id
    missing, merged = _miss(known, found, [k.id for k in active], config.max_missed)
    splits = _splits(known, found, active)
    now = telling((*sorted(active, key=lambda k: k.id), *missing), tell_unknown)
    after = replace(memory, known=now, next_id=next_id, news=())
    return after, (*memory.news, *story(known, now, splits, merged))


def telling(known: Sequence[Known], tell_unknown: bool) -> tuple[Known, ...]:
    """The same instances, those of no class told of only if `tell_unknown`."""
    told = (tell_unknown or one.instance.class_name != UNKNOWN_NAME for one in known)
    return tuple(
        one if one.told == is_told else replace(one, told=is_told) for one, is_told in zip(known, told)
    )


def owner(keys: np.ndarray, known: Sequence[Known]) -> np.ndarray:
    """(V,) int32: which of the known instances has each of (V,) ascending voxel keys; -1 where none does.

    An active instance wins over a missing one.
    """
    order = sorted(range(len(known)), key=lambda number: known[number].missed == 0)
    return np.array([*order, -1], np.int32)[voxel_keys.owner(keys, [known[k].keys for k in order])]


def label(keys: np.ndarray, known: Sequence[Known]) -> np.ndarray:
    """(V,) int32: the id of the instance at each of (V,) ascending voxel keys; -1 where none is."""
    return np.array([*(one.id for one in known), -1], np.int32)[owner(keys, known)]


@dataclass(frozen=True)
class Association:
    """Which of K known instances each of D detections continues, and how they share voxels."""

    continued: np.ndarray  # (D,) int64, column of the known instance; -1: none, the detection is new
    shared: csr_array  # (D, K) int64, voxels in both; none of a pair that is one and the same
    detection_size: np.ndarray  # (D,) int64
    known_size: np.ndarray  # (K,) int64, voxels when last detected
    known_present: np.ndarray  # (K,) int64, of these, voxels that are still in the map

    def origins(self, detection: int) -> tuple[np.ndarray, np.ndarray]:
        """The known instances that had some of its voxels, and which share of them."""
        row = self.shared[[detection]]
        return row.indices, row.data / self.detection_size[detection]

    def heirs(self, known: int) -> tuple[np.ndarray, np.ndarray]:
        """The detections that have some of its voxels now, and which share of them."""
        column = self.shared[:, [known]].tocoo()
        return column.row, column.data / self.known_size[known]


def associate(
    known: Sequence[Known], detections: Sequence[Detection], snapshot_keys: np.ndarray, min_overlap: float
) -> Association:
    """Join detections, rows of the (V,) ascending voxel keys of a map, to instances by the voxels they share.

    A detection whose id a hand has given continues that one and no other. Any other
    may continue an instance if their IoU reaches `min_overlap`, or if they share half
    of the smaller one (see CONTAINMENT). Which continues which is the assignment of largest summed
    IoU, so that a blob over several objects takes the id it resembles most. A detection that is just as it
    was continues what it was: no other has any of those voxels.
    """
    given = np.array([d.id for d in detections], dtype=np.int64)
    ids = np.array([k.id for k in known], dtype=np.int64)
    by_hand = set(given.tolist())
    column = {id(k.keys): number for number, k in enumerate(known) if k.id not in by_hand}
    same = np.array([-1 if d.id else column.get(id(d.keys), -1) for d in detections], dtype=np.int64)
    is_same, none = np.isin(np.arange(len(known)), same), np.empty(0, np.int64)
    rows = voxel_keys.find_each(snapshot_keys, [none if so else k.keys for k, so in zip(known, is_same)])
    present = [row[row >= 0] for row in rows]
    there = np.concatenate([none, *present])
    first, last = snapshot_keys[[there.min(), there.max()]] if len(there) else (0, -1)
    near = [d.rows if len(d.keys) and d.keys[0] <= last and d.keys[-1] >= first else none for d in detections]
    by_detection = _incidence(near, len(snapshot_keys))
    by_known = _incidence(present, len(snapshot_keys))
    shared = (by_detection @ by_known.T).tocsr()
    shared.sort_indices()
    overlaps = Association(
        continued=np.full(len(detections), -1, dtype=np.int64),
        shared=shared,
        detection_size=np.array([len(d.rows) for d in detections], dtype=np.int64),
        known_size=(size := np.array([len(k.keys) for k in known], dtype=np.int64)),
        known_present=np.where(is_same, size, [len(row) for row in present]),
    )
    return replace(overlaps, continued=_assign(overlaps, min_overlap, given, ids, same))


def _incidence(sets: Sequence[np.ndarray], columns: int) -> csr_array:
    """(len(sets), columns) int64 matrix with a 1 where the set holds the column."""
    ends = np.cumsum([0, *(len(s) for s in sets)])
    indices = np.concatenate([np.empty(0, dtype=np.int64), *sets]).astype(np.int32)
    return csr_array((np.ones(len(indices), dtype=np.int64), indices, ends), shape=(len(sets), columns))


def _assign(
    overlaps: Association, min_overlap: float, given: np.ndarray, ids: np.ndarray, same: np.ndarray
) -> np.ndarray:
    """(D,) column of the known instance that each detection continues, -1 for none.

    `given` (D,) int64 are the detections' ids, 0 for none; `ids` (K,) int64 those of the known instances;
    `same` (D,) int64 the columns of what is one and the same, -1 for none.
    """
    pairs = overlaps.shared.tocoo()
    row, column, shared = pairs.row, pairs.col, pairs.data
    iou = shared / (overlaps.detection_size[row] + overlaps.known_size[column] - shared)
    smaller = np.minimum(overlaps.detection_size[row], overlaps.known_size[column])
    allowed = (iou >= min_overlap) | (shared / smaller >= CONTAINMENT)
    allowed &= (given[row] == 0) & (same[row] < 0) & ~np.isin(ids, given)[column]
    by_hand = np.flatnonzero(given)
    of_hand, its = np.nonzero(given[by_hand, None] == ids)
    best = _best(
        np.append(row[allowed], by_hand[of_hand]),
        np.append(column[allowed], its),
        np.append(iou[allowed], np.full(len(its), 2.0)),  # more than any IoU
        (len(given), len(ids)),
    )
    return np.where(same < 0, best, same)


def _best(row: np.ndarray, column: np.ndarray, worth: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
    """(shape[0],) the column of each row, -1 for none: of (n,) pairs those that are worth the most together.

    Most pairs compete with no other. Those that do are few together, and each such part is looked at alone.
    """
    best = np.full(shape[0], -1, dtype=np.int64)
    graph = coo_array((np.ones(len(row), bool), (row, shape[0] + column)), shape=(sum(shape),) * 2)
    part = connected_components(graph, directed=False)[1][row]
    alone = np.bincount(part, minlength=1)[part] == 1
    best[row[alone]] = column[alone]
    rest = np.flatnonzero(~alone)
    for pairs in voxel_keys.grouped(rest, part[rest]):
        (rows, r), (columns, c) = (np.unique(side[pairs], return_inverse=True) for side in (row, column))
        table = np.zeros((len(rows), len(columns)))
        table[r, c] = worth[pairs]
        r, c = linear_sum_assignment(table, maximize=True)
        chosen = table[r, c] > 0
        best[rows[r[chosen]]] = columns[c[chosen]]
    return best


def named(instance: Instance, class_name: str, class_names: Sequence[str]) -> Instance:
    """The instance with the class that a hand has given it.

    One that the networks do not know counts as UNKNOWN_NAME among their classes, or as none.
    """
    names = list(class_names)
    index = next((names.index(name) for name in (class_name, UNKNOWN_NAME) if name in names), IGNORE_INDEX)
    return replace(instance, class_id=index, class_name=class_name, score=1.0)


def detected(
    detection: Detection,
    before: Known | None,
    new_id: int,
    stamp_ns: int,
    class_names: Sequence[str],
    hold: float = 0.0,
) -> Known:
    """The instance of a detection: the one `before`, which it continues, or a new one.

    It keeps the class that it had until another leads in its votes by `hold` for each of its voxels.
    """
    votes = detection.class_log_votes + (VOTE_MEMORY * before.votes if before else 0.0)
    class_id = int(votes.argmax())
    if before and before.instance.class_id >= 0:
        had = before.instance.class_id
        class_id = had if votes[class_id] - votes[had] < hold * len(detection.rows) else class_id
    instance = Instance(
        id=before.id if before else new_id,
        class_id=class_id,
        class_name=class_names[class_id],
        score=detection.score,
        box=detection.box,
        centroid=detection.centroid,
        voxel_count=len(detection.rows),
        first_seen_ns=before.instance.first_seen_ns if before else stamp_ns,
        last_seen_ns=stamp_ns,
    )
    if detection.class_name:
        instance = named(instance, detection.class_name, class_names)
    return Known(instance, detection.keys, votes)


def _miss(
    known: Sequence[Known], found: Association, active_ids: Sequence[int], max_missed: int
) -> tuple[list[Known], list[Event]]:
    """The undetected instances that are kept, by id, and the mergers of those that are not."""
    kept: list[Known] = []
    absorbed: dict[int, list[int]] = {}
    for column in np.setdiff1d(np.arange(len(known)), found.continued):
        one = known[column]
        present = found.known_present[column] >= LEAST_PRESENT * found.known_size[column]
        if present and one.missed < max_missed:
            missing = replace(one.instance, state="missing")
            kept.append(replace(one, instance=missing, missed=one.missed + 1))
            continue
        heirs, covered = found.heirs(column)
        if covered.max(initial=0) > CONTAINMENT:
            absorbed.setdefault(active_ids[heirs[covered.argmax()]], []).append(one.id)
    merged = [Event("merged", survivor, tuple(sorted(absorbed[survivor]))) for survivor in sorted(absorbed)]
    kept = sorted(kept, key=lambda k: k.missed)[:MOST_MISSING]
    return sorted(kept, key=lambda k: k.id), merged


def _splits(known: Sequence[Known], found: Association, active: Sequence[Known]) -> list[Event]:
    """New detections most of whose voxels were those of an instance that another detection continues."""
    parts: dict[int, list[int]] = {}
    for row in np.flatnonzero(found.continued < 0).tolist():
        origins, share = found.origins(row)
        if share.max(initial=0) > CONTAINMENT and (origin := origins[share.argmax()]) in found.continued:
            parts.setdefault(known[origin].id, []).append(active[row].id)
    return [Event("split", id, tuple(parts[id])) for id in sorted(parts)]


def story(
    before: Sequence[Known], now: Sequence[Known], splits: Sequence[Event], merged: Sequence[Event]
) -> list[Event]:
    """What of all this concerns those who were told of `before`, and are told of `now`."""
    heard, living = ({k.id for k in known if k.told} for known in (before, now))
    created = [Event("created", id) for id in sorted(living - heard)]
    splits, merged = _among(splits, heard & living, living), _among(merged, living, heard)
    absorbed = {id for event in merged for id in event.other_ids}
    retired = [Event("retired", id) for id in sorted(heard - living - absorbed)]
    return [*created, *splits, *merged, *retired]


def _among(events: Sequence[Event], ids: set[int], other_ids: set[int]) -> list[Event]:
    """Those about one of `ids` and some of `other_ids`, which they name alone."""
    kept = [replace(e, other_ids=tuple(id for id in e.other_ids if id in other_ids)) for e in events]
    return [event for event in kept if event.id in ids and event.other_ids]
