"""From clusters to detections, and from the detections of each pass to instances that last."""

import threading
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from scipy.optimize import linear_sum_assignment
from scipy.sparse import csr_array

from ssen_ros import voxel_keys
from ssen_ros.boxes import fit_box
from ssen_ros.config import InstancesConfig
from ssen_ros.labels import is_thing
from ssen_ros.structures import Box, Clusters, Detection, Event, Instance, Segmentation, VoxelSnapshot

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


def summarize(
    snapshot: VoxelSnapshot,
    segmentation: Segmentation,
    clusters: Clusters,
    class_names: Sequence[str],
    min_score: float = 0.0,
) -> list[Detection]:
    """One detection per cluster, in the order of the cluster labels.

    Class: the thing class with the largest sum of log-probabilities over the cluster's voxels, as
    if the voxels were independent witnesses, none of them surer than LEAST_PROBABILITY.
    Score: the mean probability of that class over the voxels, times the share of them that HDBSCAN itself
    gave to the cluster; detections below `min_score` are left out.
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
    members = (clusters.instance_label == k for k in range(clusters.count))
    detections = (_detect(snapshot, segmentation, clusters, member, thing) for member in members)
    return [detection for detection in detections if detection.score >= min_score]


def _detect(
    snapshot: VoxelSnapshot,
    segmentation: Segmentation,
    clusters: Clusters,
    member: np.ndarray,  # (T,) bool, the cluster's among the things
    thing: np.ndarray,  # (C,) bool
) -> Detection:
    rows = segmentation.thing_rows[member]
    log_probabilities = segmentation.log_probabilities[rows].astype(np.float64)
    votes = np.maximum(log_probabilities, np.log(LEAST_PROBABILITY)).sum(axis=0)
    votes = np.where(thing, votes, -np.inf)
    class_id = int(votes.argmax())
    # a float32 log-softmax may exceed 0 by its rounding
    probability = np.exp(np.minimum(log_probabilities[:, class_id], 0)).mean()
    membership = 1 - clusters.adopted[member].mean()
    points = snapshot.points[rows].astype(np.float64)
    return Detection(
        class_id=class_id,
        score=float(probability * membership),
        class_log_votes=votes,
        box=fit_box(points),
        centroid=points.mean(axis=0),
        rows=rows,
    )


@dataclass(frozen=True)
class Known:
    """An instance as the map keeps it."""

    id: int
    votes: np.ndarray  # (C,) float64, faded sum of the class votes of all passes
    score: float  # of the last detection
    box: Box
    centroid: np.ndarray
    keys: np.ndarray  # (n,) int64 voxel keys of the last detection, ascending
    first_seen_ns: int
    last_seen_ns: int
    missed: int = 0  # updates since the last detection


@dataclass(frozen=True)
class InstanceMemory:
    """All that an `InstanceMap` goes by from one pass to the next."""

    known: tuple[Known, ...] = ()
    next_id: int = 1  # above all ids ever given


@dataclass(frozen=True)
class _Overlaps:
    """How D detections share voxels with K known instances."""

    shared: np.ndarray  # (D, K) int64, voxels in both
    detection_size: np.ndarray  # (D,) int64
    known_size: np.ndarray  # (K,) int64, voxels when last detected
    known_present: np.ndarray  # (K,) int64, of these, voxels that are still in the map

    def of_union(self) -> np.ndarray:
        """(D, K) intersection over union."""
        return self.shared / (self.detection_size[:, None] + self.known_size[None, :] - self.shared)

    def of_detection(self) -> np.ndarray:
        """(D, K) share of the detection's voxels that were the instance's."""
        return self.shared / self.detection_size[:, None]

    def of_known(self) -> np.ndarray:
        """(D, K) share of the instance's voxels that are the detection's now."""
        return self.shared / self.known_size[None, :]


class InstanceMap:
    """Persistent instances, joined to the detections of each pass by the voxels they share.

    A detection may continue an instance if their IoU reaches `min_overlap`, or if they share half
    of the smaller one (see CONTAINMENT). Which continues which is the assignment of largest summed
    IoU, so that a blob over several objects takes the id it resembles most.

    No id is given up on the word of one pass. An instance that is not detected is kept, as
    "missing" and with its last voxels, for `max_missed` updates; seen again, it has its id back.
    After that it is gone: *merged* if another instance's detection now covers most of it, *retired*
    if not. The one exception is a map that has lost half of its voxels, as happens when a loop
    closes and objects move: what it was is no longer there, and it is retired at once.
    """

    def __init__(self, config: InstancesConfig, class_names: Sequence[str]):
        self.config = config
        self.class_names = tuple(class_names)
        self._known: tuple[Known, ...] = ()
        self._next_id = 1
        self._news: tuple[Event, ...] = ()  # events that belong to the next update
        self._before = self._known, self._news  # the last update
        self._lock = threading.Lock()

    def __len__(self) -> int:
        return len(self._known)

    @property
    def memory(self) -> InstanceMemory:
        with self._lock:
            return InstanceMemory(self._known, self._next_id)

    def restore(self, memory: InstanceMemory) -> None:
        """Know these instances and no others; ids given before, here or there, are given to no new object.

        The next update tells of it: what was known is retired, what is known now is created.
        """
        with self._lock:
            retired = [Event("retired", known.id) for known in self._known]
            self._news += (*retired, *(Event("created", known.id) for known in memory.known))
            self._known = memory.known
            self._next_id = max(self._next_id, memory.next_id)

    def undo(self) -> None:
        """Forget the last update, of which nobody has heard; the ids that it gave are left out."""
        with self._lock:
            self._known, self._news = self._before

    def update(
        self, detections: Sequence[Detection], snapshot: VoxelSnapshot, stamp_ns: int
    ) -> tuple[tuple[Instance, ...], tuple[Event, ...]]:
        """Join one pass's detections, rows of `snapshot`, to the instances known so far.

        Returns the instances, active ones first, each group by id, and what changed: created,
        split, merged, retired. A part that comes off an instance is "created" and also named by
        the "split" event of the instance that kept the id.
        """
        with self._lock:
            snapshot_keys = voxel_keys.pack(snapshot.voxel_coords)
            overlaps = _measure_overlaps(detections, self._known, snapshot_keys)
            continued = _assign(overlaps, self.config.min_overlap)
            active = self._activate(detections, continued, snapshot_keys, stamp_ns)
            missing, gone = self._miss(continued, overlaps, [known.id for known in active])
            created = [Event("created", known.id) for known in active if known.id >= self._next_id]
            events = (*self._news, *created, *_splits(overlaps, continued, active, self._known), *gone)
            self._before = self._known, self._news
            self._news = ()
            self._next_id += len(created)
            self._known = tuple(sorted(active, key=lambda k: k.id)) + tuple(missing)
            return tuple(self._publish(known) for known in self._known), events

    @staticmethod
    def label(snapshot: VoxelSnapshot, instances: Sequence[Instance]) -> np.ndarray:
        """(V,) int32 persistent id per row of the snapshot, -1 where no instance is.

        An active instance wins over a missing one.
        """
        label = np.full(len(snapshot), -1, dtype=np.int32)
        snapshot_keys = voxel_keys.pack(snapshot.voxel_coords)
        for instance in sorted(instances, key=lambda i: i.state == "active"):
            row = voxel_keys.find(snapshot_keys, voxel_keys.pack(instance.voxel_coords))
            label[row[row >= 0]] = instance.id
        return label

    def _activate(
        self, detections: Sequence[Detection], continued: np.ndarray, snapshot_keys: np.ndarray, stamp_ns: int
    ) -> list[Known]:
        """The instance of each detection, continued or new, in the order of the detections."""
        active = []
        next_id = self._next_id
        for detection, column in zip(detections, continued, strict=True):
            before = self._known[column] if column >= 0 else None
            active.append(
                Known(
                    id=before.id if before else next_id,
                    votes=detection.class_log_votes + (VOTE_MEMORY * before.votes if before else 0.0),
                    score=detection.score,
                    box=detection.box,
                    centroid=detection.centroid,
                    keys=snapshot_keys[np.sort(detection.rows)],
                    first_seen_ns=before.first_seen_ns if before else stamp_ns,
                    last_seen_ns=stamp_ns,
                )
            )
            next_id += before is None
        return active

    def _miss(
        self, continued: np.ndarray, overlaps: _Overlaps, active_ids: Sequence[int]
    ) -> tuple[list[Known], list[Event]]:
        """The undetected instances that are kept, by id, and the events of those that are not."""
        kept: list[Known] = []
        absorbed: dict[int, list[int]] = {}
        retired: list[int] = []
        covered = overlaps.of_known()
        undetected = np.setdiff1d(np.arange(len(self._known)), continued)
        for column in undetected:
            known = self._known[column]
            present = overlaps.known_present[column] >= LEAST_PRESENT * overlaps.known_size[column]
            if present and known.missed < self.config.max_missed:
                kept.append(replace(known, missed=known.missed + 1))
            elif (covered[:, column] > CONTAINMENT).any():
                absorbed.setdefault(active_ids[int(covered[:, column].argmax())], []).append(known.id)
            else:
                retired.append(known.id)
        merged = [
            Event("merged", survivor, tuple(sorted(absorbed[survivor]))) for survivor in sorted(absorbed)
        ]
        return sorted(kept, key=lambda k: k.id), merged + [Event("retired", id) for id in sorted(retired)]

    def _publish(self, known: Known) -> Instance:
        class_id = int(known.votes.argmax())
        voxel_coords = voxel_keys.unpack(known.keys)
        voxel_coords.flags.writeable = False
        return Instance(
            id=known.id,
            class_id=class_id,
            class_name=self.class_names[class_id],
            score=known.score,
            box=known.box,
            centroid=known.centroid,
            voxel_coords=voxel_coords,
            first_seen_ns=known.first_seen_ns,
            last_seen_ns=known.last_seen_ns,
            state="missing" if known.missed else "active",
        )


def _measure_overlaps(
    detections: Sequence[Detection], known: Sequence[Known], snapshot_keys: np.ndarray
) -> _Overlaps:
    found = [voxel_keys.find(snapshot_keys, k.keys) for k in known]
    present = [row[row >= 0] for row in found]
    by_detection = _incidence([d.rows for d in detections], len(snapshot_keys))
    by_known = _incidence(present, len(snapshot_keys))
    return _Overlaps(
        shared=(by_detection @ by_known.T).toarray(),
        detection_size=np.array([len(d.rows) for d in detections], dtype=np.int64),
        known_size=np.array([len(k.keys) for k in known], dtype=np.int64),
        known_present=np.array([len(row) for row in present], dtype=np.int64),
    )


def _incidence(sets: Sequence[np.ndarray], columns: int) -> csr_array:
    """(len(sets), columns) int64 matrix with a 1 where the set holds the column."""
    ends = np.cumsum([0, *(len(s) for s in sets)])
    indices = np.concatenate([np.empty(0, dtype=np.int64), *sets])
    return csr_array((np.ones(len(indices), dtype=np.int64), indices, ends), shape=(len(sets), columns))


def _assign(overlaps: _Overlaps, min_overlap: float) -> np.ndarray:
    """(D,) column of the known instance that each detection continues, -1 for none."""
    iou = overlaps.of_union()
    contained = np.maximum(overlaps.of_detection(), overlaps.of_known()) >= CONTAINMENT
    allowed = (overlaps.shared > 0) & ((iou >= min_overlap) | contained)
    rows, columns = linear_sum_assignment(np.where(allowed, iou, 0), maximize=True)
    continued = np.full(len(iou), -1, dtype=np.int64)
    chosen = allowed[rows, columns]
    continued[rows[chosen]] = columns[chosen]
    return continued


def _splits(
    overlaps: _Overlaps, continued: np.ndarray, active: Sequence[Known], known: Sequence[Known]
) -> list[Event]:
    """New detections most of whose voxels were those of an instance that another detection continues."""
    parts: dict[int, list[int]] = {}
    share = overlaps.of_detection()
    for row in np.flatnonzero(continued < 0):
        origin = int(share[row].argmax()) if len(known) else -1
        if origin >= 0 and origin in continued and share[row, origin] > CONTAINMENT:
            parts.setdefault(known[origin].id, []).append(active[row].id)
    return [Event("split", id, tuple(parts[id])) for id in sorted(parts)]
