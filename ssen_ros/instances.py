"""From clusters to detections, and from the detections of each pass to instances that last."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from hashlib import blake2b
from itertools import pairwise
from types import MappingProxyType

import numpy as np
from scipy.optimize import linear_sum_assignment
from scipy.sparse import csr_array

from ssen_ros import stopping, voxel_keys
from ssen_ros.boxes import fit_box
from ssen_ros.config import InstancesConfig
from ssen_ros.labels import IGNORE_INDEX, UNKNOWN_NAME, is_thing
from ssen_ros.structures import (
    Clusters,
    Detection,
    Event,
    Instance,
    Known,
    Memory,
    Segmentation,
    VoxelSnapshot,
)

# Share of the smaller of detection and instance that, shared, continues the instance whatever the
# IoU: an object half seen and then seen whole has a small IoU, but lies inside what it becomes.
CONTAINMENT = 0.5
# Share of an instance's voxels that must still be in the map for it to be kept while undetected.
LEAST_PRESENT = 0.5
# Weight of past class votes at each new pass: about ten passes decide, so the class settles, yet a
# class given to the first sliver of an object does not outlive the sight of the whole.
VOTE_MEMORY = 0.9
# A voxel's vote against a class is no stronger than this probability's: networks are surer than they are
# right, and a few voxels shall not veto what all others say.
LEAST_PROBABILITY = 0.01
# m2 of surface at which a cluster has half the score of a large one: small ones are more often pieces.
PIECE = 0.08
# Undetected instances that are kept; the longest missed go first. Each pass compares all with all.
MOST_MISSING = 4000


def summarize(
    snapshot: VoxelSnapshot,
    segmentation: Segmentation,
    clusters: Clusters,
    class_names: Sequence[str],
    min_score: float = 0.0,
    before: Sequence[Detection] = (),
) -> list[Detection]:
    """One detection per cluster, in the order of the cluster labels.

    What nothing has changed of since the detections `before` is not computed anew.

    Class: the thing class with the largest sum of log-probabilities over the cluster's voxels, as
    if the voxels were independent witnesses, none of them surer than LEAST_PROBABILITY.
    Score: the mean probability of that class over the voxels, times the share of them that HDBSCAN itself
    gave to the cluster, times a / (a + PIECE) for a surface a, m2, of one voxel's square for each of them;
    detections below `min_score` are left out.
    Raises ValueError where the classes do not fit the segmentation or hold no thing.
    """
    thing = is_thing(tuple(class_names))
    classes = segmentation.log_probabilities.shape[1]
    if classes != len(thing):
        raise ValueError(
            f"{classes} classes of log-probabilities, {len(thing)} class names: "
            "expected as many; take class_names from the segmenter"
        )
    if clusters.count and not thing.any():
        raise ValueError(f"clusters found, but no countable class among {', '.join(class_names)}")
    by_cluster = np.argsort(clusters.instance_label, kind="stable")  # noise, -1, first
    ends = np.searchsorted(clusters.instance_label[by_cluster], np.arange(clusters.count + 1))
    members = (by_cluster[begin:end] for begin, end in pairwise(ends))
    rows, adopted = segmentation.thing_rows, clusters.adopted
    known = {one.digest: one for one in before if not (one.id or one.class_name)}  # nor said by hand
    detections = (
        detect(snapshot, segmentation.log_probabilities, rows[member], thing, adopted[member], known)
        for member in members
    )
    return [detection for detection in detections if detection.score >= min_score]


def detect(
    snapshot: VoxelSnapshot,
    log_probabilities: np.ndarray,  # (V, C) float32
    rows: np.ndarray,  # (n,) int64 of the snapshot
    thing: np.ndarray,  # (C,) bool
    adopted: np.ndarray | None = None,  # (n,) bool
    known: Mapping[bytes, Detection] = MappingProxyType({}),  # by digest
) -> Detection:
    """What `summarize` says of one cluster, which has these rows."""
    stopping.check()
    points, own, membership = snapshot.points[rows], log_probabilities[rows], 1.0
    if adopted is not None:
        membership -= adopted.mean()
    digest = blake2b(points.tobytes(), digest_size=16)
    for part in own, thing, np.float64(membership):
        digest.update(part.tobytes())
    if before := known.get(digest.digest()):
        return replace(before, rows=rows)
    log_probabilities = own.astype(np.float64)
    votes = np.maximum(log_probabilities, np.log(LEAST_PROBABILITY)).sum(axis=0)
    votes = np.where(thing, votes, -np.inf)
    class_id = int(votes.argmax())
    # a float32 log-softmax may exceed 0 by its rounding
    probability = np.exp(np.minimum(log_probabilities[:, class_id], 0)).mean()
    surface = len(rows) * snapshot.voxel_size**2
    points = points.astype(np.float64)
    return Detection(
        class_id=class_id,
        score=float(probability * membership * surface / (surface + PIECE)),
        class_log_votes=votes,
        box=fit_box(points),
        centroid=points.mean(axis=0),
        rows=rows,
        digest=digest.digest(),
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
        if before and not detection.class_name:  # the name goes with an object that has moved
            detection = replace(detection, class_name=names.get(before.id, ""))
        id, hold = detection.id or next_id, config.class_hold
        active.append(detected(detection, before, id, keys, stamp_ns, class_names, hold))
        next_id += before is None and not detection.id
    missing, merged = _miss(known, found, [k.id for k in active], config.max_missed)
    splits = _splits(known, found, active)
    now = (*sorted(active, key=lambda k: k.id), *missing)
    now = tuple(replace(k, told=tell_unknown or k.instance.class_name != UNKNOWN_NAME) for k in now)
    after = replace(memory, known=now, next_id=next_id, news=())
    return after, (*memory.news, *story(known, now, splits, merged))


def label(voxel_coords: np.ndarray, known: Sequence[Known]) -> np.ndarray:
    """(V,) int32 id of the instance at each of (V, 3) voxel indices, sorted by x, y, z; -1 where none is.

    An active instance wins over a missing one.
    """
    ids = np.full(len(voxel_coords), -1, dtype=np.int32)
    keys = voxel_keys.pack(voxel_coords)
    for one in sorted(known, key=lambda k: k.missed == 0):
        row = voxel_keys.find(keys, one.keys)
        ids[row[row >= 0]] = one.id
    return ids


@dataclass(frozen=True)
class Association:
    """Which of K known instances each of D detections continues, and how they share voxels."""

    continued: np.ndarray  # (D,) int64, column of the known instance; -1: none, the detection is new
    shared: np.ndarray  # (D, K) int64, voxels in both
    detection_size: np.ndarray  # (D,) int64
    known_size: np.ndarray  # (K,) int64, voxels when last detected
    known_present: np.ndarray  # (K,) int64, of these, voxels that are still in the map

    def of_detection(self) -> np.ndarray:
        """(D, K) share of the detection's voxels that were the instance's."""
        return self.shared / self.detection_size[:, None]

    def of_known(self) -> np.ndarray:
        """(D, K) share of the instance's voxels that are the detection's now."""
        return self.shared / self.known_size[None, :]


def associate(
    known: Sequence[Known], detections: Sequence[Detection], snapshot_keys: np.ndarray, min_overlap: float
) -> Association:
    """Join detections, rows of the (V,) ascending voxel keys of a map, to instances by the voxels they share.

    A detection whose id a hand has given continues that one and no other. Any other
    may continue an instance if their IoU reaches `min_overlap`, or if they share half
    of the smaller one (see CONTAINMENT). Which continues which is the assignment of largest summed
    IoU, so that a blob over several objects takes the id it resembles most.
    """
    rows = [voxel_keys.find(snapshot_keys, k.keys) for k in known]
    present = [row[row >= 0] for row in rows]
    by_detection = _incidence([d.rows for d in detections], len(snapshot_keys))
    by_known = _incidence(present, len(snapshot_keys))
    overlaps = Association(
        continued=np.full(len(detections), -1, dtype=np.int64),
        shared=(by_detection @ by_known.T).toarray(),
        detection_size=np.array([len(d.rows) for d in detections], dtype=np.int64),
        known_size=np.array([len(k.keys) for k in known], dtype=np.int64),
        known_present=np.array([len(row) for row in present], dtype=np.int64),
    )
    given = np.array([d.id for d in detections], dtype=np.int64)
    ids = np.array([k.id for k in known], dtype=np.int64)
    return replace(overlaps, continued=_assign(overlaps, min_overlap, given, ids))


def _incidence(sets: Sequence[np.ndarray], columns: int) -> csr_array:
    """(len(sets), columns) int64 matrix with a 1 where the set holds the column."""
    ends = np.cumsum([0, *(len(s) for s in sets)])
    indices = np.concatenate([np.empty(0, dtype=np.int64), *sets])
    return csr_array((np.ones(len(indices), dtype=np.int64), indices, ends), shape=(len(sets), columns))


def _assign(overlaps: Association, min_overlap: float, given: np.ndarray, ids: np.ndarray) -> np.ndarray:
    """(D,) column of the known instance that each detection continues, -1 for none.

    `given` (D,) int64 are the detections' ids, 0 for none; `ids` (K,) int64 those of the known instances.
    """
    union = overlaps.detection_size[:, None] + overlaps.known_size[None, :] - overlaps.shared
    iou = overlaps.shared / union
    contained = np.maximum(overlaps.of_detection(), overlaps.of_known()) >= CONTAINMENT
    allowed = (overlaps.shared > 0) & ((iou >= min_overlap) | contained)
    allowed &= (given == 0)[:, None] & ~np.isin(ids, given)
    by_hand = given[:, None] == ids
    allowed, iou = allowed | by_hand, np.where(by_hand, 2.0, iou)  # more than any IoU
    rows, columns = linear_sum_assignment(np.where(allowed, iou, 0), maximize=True)
    continued = overlaps.continued.copy()
    chosen = allowed[rows, columns]
    continued[rows[chosen]] = columns[chosen]
    return continued


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
    snapshot_keys: np.ndarray,
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
    return Known(instance, snapshot_keys[np.sort(detection.rows)], votes)


def _miss(
    known: Sequence[Known], found: Association, active_ids: Sequence[int], max_missed: int
) -> tuple[list[Known], list[Event]]:
    """The undetected instances that are kept, by id, and the mergers of those that are not."""
    kept: list[Known] = []
    absorbed: dict[int, list[int]] = {}
    covered = found.of_known()
    for column in np.setdiff1d(np.arange(len(known)), found.continued):
        one = known[column]
        present = found.known_present[column] >= LEAST_PRESENT * found.known_size[column]
        if present and one.missed < max_missed:
            missing = replace(one.instance, state="missing")
            kept.append(replace(one, instance=missing, missed=one.missed + 1))
        elif (covered[:, column] > CONTAINMENT).any():
            absorbed.setdefault(active_ids[int(covered[:, column].argmax())], []).append(one.id)
    merged = [Event("merged", survivor, tuple(sorted(absorbed[survivor]))) for survivor in sorted(absorbed)]
    kept = sorted(kept, key=lambda k: k.missed)[:MOST_MISSING]
    return sorted(kept, key=lambda k: k.id), merged


def _splits(known: Sequence[Known], found: Association, active: Sequence[Known]) -> list[Event]:
    """New detections most of whose voxels were those of an instance that another detection continues."""
    parts: dict[int, list[int]] = {}
    share = found.of_detection()
    for row in np.flatnonzero(found.continued < 0).tolist():
        origin = int(share[row].argmax()) if len(known) else -1
        if origin >= 0 and origin in found.continued and share[row, origin] > CONTAINMENT:
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
