"""Objects corrected by hand: what is asked for, what it makes of them, and how each update keeps to it.

A correction speaks of voxels. They keep what a hand has said of them while they last, whatever the networks
say later; what the networks find to be one cluster with them, and no hand has touched, goes with them.
"""

from collections.abc import Callable, Container, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from scipy.sparse import csr_array
from scipy.sparse.csgraph import dijkstra
from scipy.spatial import KDTree

from ssen_ros import instances, voxel_keys
from ssen_ros.errors import CorrectionError
from ssen_ros.labels import IGNORE_INDEX, STUFF_NAMES, is_thing
from ssen_ros.structures import (
    Clusters,
    Correction,
    Corrections,
    Detection,
    Event,
    Hand,
    Known,
    Memory,
    Segmentation,
    StepResult,
    VoxelSnapshot,
)

UNTOUCHED = np.iinfo(np.int64).min  # of a voxel that no correction speaks of

# Share of a cluster's voxels that a hand must have touched for the others to go with them: an object grows,
# and SLAM moves it by a voxel; but a small one shall not take along a large cluster that has swallowed it.
CLUSTER_SHARE = 0.25

# An object of whose voxels a smaller share is still in the map has moved away from the clusters in which it
# has less than the share above. It goes on by its id.
LEAST_PRESENT = 0.5

MAX_NAME = 40  # characters

_REACH = 1.8  # voxels: a voxel's 26 neighbours, and none farther


@dataclass(frozen=True)
class Edit:
    """What is asked for. It may come from anywhere: `correct` checks all of it."""

    kind: str  # of KINDS
    ids: tuple[int, ...] = ()  # the objects; a merged one keeps the id of the first
    class_name: str = ""  # rename, paint, box
    points: np.ndarray | None = None  # (n, 3) m, see KINDS


KINDS = {
    "rename": "give the object a class by any name, 'unknown' too; a wall, floor or ceiling is no object",
    "merge": "make one object of several, with the id of the first",
    "delete": "there is no object: its voxels are of no class",
    "split": "part the object along its surface: one point on each of the two parts",
    "cut": "part the object by an upright plane through two points",
    "paint": "the voxels at the points join the object; without one they are a new object of the class, or "
    "of none: those of a wall, floor or ceiling, and of no class",
    "box": "the object is all things in the upright box with two points as opposite corners; without one "
    "they are a new object",
    "undo": "take the last correction back",
}


def correct(
    result: StepResult, edit: Edit, class_names: Sequence[str], tell_unknown: bool = False
) -> tuple[Memory, tuple[Event, ...]]:
    """What is known after the edit of the objects that `result` tells of, and what it has changed of them.

    Raises CorrectionError, with what to do about it, for what cannot be done.
    """
    memory = result.memory
    if edit.kind == "undo":
        known, log = _undone(memory, class_names)
        return _with(memory, known, log, memory.next_id)
    if edit.kind not in KINDS:
        raise CorrectionError(f"kind = {edit.kind!r}: expected one of {', '.join(KINDS)}")
    before = _chosen(memory, edit)
    correction = _DO[edit.kind](_Desk(result, class_names), before, edit)
    after = instances.telling(correction.after, tell_unknown)
    correction = replace(correction, after=after)
    ids = {k.id for k in correction.before}
    known = (*after, *(k for k in memory.known if k.id not in ids))
    next_id = max([memory.next_id, *(k.id + 1 for k in after)])
    return _with(memory, known, (*memory.corrections.log, correction), next_id)


def by_row(
    snapshot: VoxelSnapshot, segmentation: Segmentation, clusters: Clusters, hand: Hand
) -> np.ndarray | None:
    """(V,) int64: what the hand says of each voxel of a map, as `Hand.ids`; UNTOUCHED where it says nothing.

    A cluster of which it has touched enough goes with it, each voxel with the nearest one; of another, what
    is left there of an object that has moved away is not spoken of.
    None where it says nothing at all.
    """
    row = voxel_keys.find(snapshot.keys, hand.keys)
    here = row >= 0
    if not here.any():
        return None
    said = np.full(len(snapshot), UNTOUCHED)
    said[row[here]] = hand.ids[here]
    told, count = np.unique(hand.ids, return_counts=True)
    present = np.bincount(np.searchsorted(told, hand.ids[here]), minlength=len(told))
    moved = told[(told > 0) & (present < LEAST_PRESENT * count)]
    things = segmentation.thing_rows
    touched = said[things] != UNTOUCHED
    for k in np.unique(clusters.instance_label[touched & (clusters.instance_label >= 0)]):
        member = clusters.instance_label == k
        known, rest = things[member & touched], things[member & ~touched]
        if touched[member].mean() >= CLUSTER_SHARE:
            said[rest] = said[known[KDTree(snapshot.points[known]).query(snapshot.points[rest])[1]]]
        else:
            said[known[np.isin(said[known], moved)]] = UNTOUCHED
    return said


def detections_by_hand(
    snapshot: VoxelSnapshot,
    segmentation: Segmentation,
    said: np.ndarray,
    hand: Hand,
    class_names: Sequence[str],
) -> list[Detection]:
    """One detection for each object of which a hand has told the voxels, `said` being those of `by_row`."""
    thing = is_thing(tuple(class_names))
    found = []
    for id in np.unique(said[said > 0]).tolist():
        rows = np.flatnonzero(said == id)
        detection = instances.detect(snapshot, segmentation.log_probabilities, rows, thing)
        found.append(replace(detection, id=id, class_name=hand.names.get(id, "")))
    return found


def untouched(segmentation: Segmentation, clusters: Clusters, said: np.ndarray) -> Clusters:
    """The clusters without the voxels that a hand has spoken of, those of them that are left."""
    label = np.where(said[segmentation.thing_rows] == UNTOUCHED, clusters.instance_label, -1)
    left, compact = np.unique(label, return_inverse=True)
    return replace(clusters, instance_label=(compact - (left[:1] == -1).sum()).astype(np.int32))


def free_labels(said: np.ndarray, hand: Hand, class_names: Sequence[str]) -> np.ndarray:
    """(n,) int32 class of each of (n,) voxels that a hand has put into no object: `said` <= 0."""
    names = list(class_names)
    index = [names.index(name) if name in names else IGNORE_INDEX for name in hand.free_classes]
    return np.array(index, np.int32)[-said]


# --- what each kind does ----------------------------------------------------------------------------


@dataclass(frozen=True)
class _Desk:
    """What a correction is made with."""

    result: StepResult
    class_names: Sequence[str]

    @cached_property
    def map_keys(self) -> np.ndarray:
        return self.result.snapshot.keys

    def present(self, keys: np.ndarray) -> np.ndarray:
        """Those of the keys that are in the map."""
        return keys[voxel_keys.find(self.map_keys, keys) >= 0]

    def known(self, id: int, keys: np.ndarray, *parts: Known) -> Known:
        """An object of these voxels, which has been `parts`, or parts of them; the first name counts."""
        result, names = self.result, self.result.memory.corrections.hand.names
        row = voxel_keys.find(self.map_keys, self.present(keys))
        if len(row) == 0:
            raise CorrectionError(f"no voxel of object {id} is in the map any more: wait for an update")
        log_probabilities = result.segmentation.log_probabilities
        detection = instances.detect(
            result.snapshot, log_probabilities, row, is_thing(tuple(self.class_names))
        )
        name = next((names[k.id] for k in parts if k.id in names), "")
        made = instances.detected(
            replace(detection, class_name=name), None, id, result.stamp_ns, self.class_names
        )
        seen_ns = min((k.instance.first_seen_ns for k in parts), default=result.stamp_ns)
        return replace(made, instance=replace(made.instance, first_seen_ns=seen_ns), keys=np.sort(keys))

    def without(self, keys: np.ndarray, ids: Container[int]) -> tuple[tuple[Known, ...], tuple[Known, ...]]:
        """The objects, but those of `ids`, that have some of the voxels; and what is left of them."""
        touched = [k for k in self.result.memory.known if k.id not in ids and np.isin(k.keys, keys).any()]
        left = [(k, np.setdiff1d(k.keys, keys)) for k in touched]
        return tuple(touched), tuple(self.known(k.id, rest, k) for k, rest in left if len(self.present(rest)))


def _rename(desk: _Desk, before: tuple[Known, ...], edit: Edit) -> Correction:
    name = check_name(edit.class_name)
    if name in STUFF_NAMES:
        return Correction("rename", before, (), name)
    active = [replace(k, instance=replace(k.instance, state="active"), missed=0) for k in before]
    after = tuple(replace(k, instance=instances.named(k.instance, name, desk.class_names)) for k in active)
    return Correction("rename", before, after, name)


def _delete(desk: _Desk, before: tuple[Known, ...], edit: Edit) -> Correction:
    return Correction("delete", before, ())


def _merge(desk: _Desk, before: tuple[Known, ...], edit: Edit) -> Correction:
    if len(before) < 2:
        raise CorrectionError("merge: one object was given; expected two or more")
    first, *others = before
    keys = np.unique(np.concatenate([k.keys for k in before]))
    return Correction("merge", before, (desk.known(first.id, keys, first, *others),))


def _part(side_of: Callable[[np.ndarray, np.ndarray], np.ndarray]):
    """`side_of` tells of (n, 3) points, m, and the two points of the edit which lie on the second part."""

    def do(desk: _Desk, before: tuple[Known, ...], edit: Edit) -> Correction:
        (whole,) = before
        size = desk.result.snapshot.voxel_size
        centers = (voxel_keys.unpack(whole.keys) + 0.5) * size
        second = side_of(centers / size, _two_points(edit) / size)
        if second.all() or not second.any():
            raise CorrectionError(
                f"{edit.kind}: all of object {whole.id} lies on one side; choose other points on it"
            )
        if second.sum() * 2 > len(second):
            second = ~second  # the larger part keeps the id
        parts = (
            desk.known(whole.id, whole.keys[~second], whole),
            desk.known(desk.result.memory.next_id, whole.keys[second], whole),
        )
        return Correction("split", before, parts)

    return do


def _nearer_to_second(voxels: np.ndarray, points: np.ndarray) -> np.ndarray:
    """(n,) bool: is the way along the surface to the second of (2, 3) points shorter? All in voxels."""
    tree = KDTree(voxels)
    seeds = np.asarray(tree.query(points)[1])
    if seeds[0] == seeds[1]:
        raise CorrectionError("split: both points are on one voxel; choose one on each part")
    a, b = tree.query_pairs(_REACH, output_type="ndarray").T
    lengths = np.linalg.norm(voxels[a] - voxels[b], axis=1)
    graph = csr_array((lengths, (a, b)), shape=(len(voxels), len(voxels)))
    distance, _, source = dijkstra(
        graph, directed=False, indices=seeds, min_only=True, return_predecessors=True
    )
    straight = np.linalg.norm(voxels[:, None] - points, axis=2)
    return np.where(np.isfinite(distance), source == seeds[1], straight[:, 1] < straight[:, 0])


def _left_of_plane(voxels: np.ndarray, points: np.ndarray) -> np.ndarray:
    """(n,) bool: does it lie left of the upright plane through (2, 3) points?"""
    along, to = points[1] - points[0], voxels - points[0]
    if not np.linalg.norm(along[:2]) > 0.5:
        raise CorrectionError("cut: the points lie above each other; choose two apart seen from above")
    return along[0] * to[:, 1] - along[1] * to[:, 0] > 0


def _paint(desk: _Desk, before: tuple[Known, ...], edit: Edit) -> Correction:
    name = _new_name(before, edit)
    keys = desk.present(_voxels_at(edit, desk.result.snapshot.voxel_size))
    if len(keys) == 0:
        raise CorrectionError("paint: no voxel of the map is where the points are; choose points on it")
    touched, left = desk.without(keys, {k.id for k in before})
    if not before and (not name or name in STUFF_NAMES):
        return Correction("paint", touched, left, name, keys)
    made = _made(desk, before, np.union1d(keys, before[0].keys) if before else keys, name)
    return Correction("paint", (*before, *touched), (made, *left), name)


def _box(desk: _Desk, before: tuple[Known, ...], edit: Edit) -> Correction:
    name = _new_name(before, edit)
    if name in STUFF_NAMES:
        raise CorrectionError(f"box: a {name} is no object; paint it")
    low, high = np.sort(_two_points(edit), axis=0)
    things = desk.result.thing_rows
    points = desk.result.snapshot.points[things]
    keys = desk.map_keys[things[((low <= points) & (points <= high)).all(axis=1)]]
    if len(keys) == 0:
        raise CorrectionError("box: no thing is in it; draw a larger one, or paint the object")
    touched, left = desk.without(keys, {k.id for k in before})
    return Correction("box", (*before, *touched), (_made(desk, before, keys, name), *left), name)


def _made(desk: _Desk, before: tuple[Known, ...], keys: np.ndarray, name: str) -> Known:
    """The object that was `before`, if any, or a new one; without a name its class is the networks'."""
    made = desk.known(before[0].id if before else desk.result.memory.next_id, keys, *before)
    if not name:
        return made
    return replace(made, instance=instances.named(made.instance, name, desk.class_names))


_DO = {
    "paint": _paint,
    "box": _box,
    "rename": _rename,
    "merge": _merge,
    "delete": _delete,
    "split": _part(_nearer_to_second),
    "cut": _part(_left_of_plane),
}


def _undone(memory: Memory, class_names: Sequence[str]) -> tuple[tuple[Known, ...], tuple[Correction, ...]]:
    if not memory.corrections.log:
        raise CorrectionError("undo: nothing has been corrected")
    *log, last = memory.corrections.log
    names = Corrections(tuple(log)).hand.names
    back = tuple(
        replace(k, instance=instances.named(k.instance, names[k.id], class_names)) if k.id in names else k
        for k in last.before
    )
    gone = {k.id for k in (*last.after, *last.before)}
    return (*back, *(k for k in memory.known if k.id not in gone)), tuple(log)


def _with(
    memory: Memory, known: Sequence[Known], log: tuple[Correction, ...], next_id: int
) -> tuple[Memory, tuple[Event, ...]]:
    now = tuple(sorted(known, key=lambda k: (k.missed > 0, k.id)))
    was, are = {k.id: k for k in memory.known}, {k.id: k for k in now}
    parted = [
        Event("split", old, tuple(id for id in are.keys() - was.keys() if _inside(are[id], was[old])))
        for old in was.keys() & are.keys()
    ]
    joined = [
        Event("merged", id, tuple(old for old in was.keys() - are.keys() if _inside(was[old], are[id])))
        for id in was.keys() & are.keys()
    ]
    events = instances.story(
        memory.known, now, [e for e in parted if e.other_ids], [e for e in joined if e.other_ids]
    )
    return replace(memory, known=now, next_id=next_id, corrections=Corrections(log)), tuple(events)


def _inside(part: Known, whole: Known) -> bool:
    return bool(np.isin(part.keys, whole.keys).mean() > instances.CONTAINMENT)


# --- what is refused ------------------------------------------------------------------------------------


def check_name(name: str) -> str:
    """The name of a class, without spaces around it. Raises CorrectionError for what could be none.

    Letters, digits, spaces, - and _ alone: a name goes into pages, files and messages.
    """
    name = " ".join(name.split())
    if not is_name(name):
        raise CorrectionError(
            f"class_name = {name[:MAX_NAME]!r}: expected letters, digits, spaces, - and _, 1 to {MAX_NAME}"
        )
    return name


def is_name(name: str) -> bool:
    return 0 < len(name) <= MAX_NAME and all(c.isalnum() or c in " -_" for c in name)


def _chosen(memory: Memory, edit: Edit) -> tuple[Known, ...]:
    told = {k.id: k for k in memory.known if k.told}
    ids = tuple(dict.fromkeys(edit.ids))
    strange = [id for id in ids if id not in told]
    if strange:
        raise CorrectionError(
            f"no object has id {', '.join(map(str, strange))}: retired, merged, or never given"
        )
    one_at_most = edit.kind in ("split", "cut", "paint", "box")
    if (not ids and edit.kind not in ("paint", "box")) or (one_at_most and len(ids) > 1):
        raise CorrectionError(f"{edit.kind}: {len(ids)} objects were given; expected one")
    return tuple(told[id] for id in ids)


def _new_name(before: tuple[Known, ...], edit: Edit) -> str:
    """The class of what is new; empty: none was given."""
    if before and edit.class_name:
        raise CorrectionError(f"{edit.kind}: an object and a class were given; expected one of them")
    return check_name(edit.class_name) if edit.class_name else ""


def _two_points(edit: Edit) -> np.ndarray:
    points = _points(edit, "two")
    if len(points) != 2:
        raise CorrectionError(f"{edit.kind}: {len(points)} points were given; expected two, x y z in m")
    return points


def _points(edit: Edit, expected: str = "some") -> np.ndarray:
    """(n, 3) float64, m."""
    points = np.asarray(edit.points if edit.points is not None else np.empty((0, 3)), dtype=np.float64)
    if points.ndim != 2 or points.shape[1] != 3 or not np.isfinite(points).all():
        raise CorrectionError(
            f"{edit.kind}: {len(points)} points were given; expected {expected}, x y z in m"
        )
    return points


def _voxels_at(edit: Edit, voxel_size: float) -> np.ndarray:
    """(n,) int64 keys, ascending, of the voxels in which the points of the edit lie."""
    coords = np.floor(_points(edit) / voxel_size)
    near = (np.abs(coords) < voxel_keys.AXIS_LIMIT).all(axis=1)
    return np.unique(voxel_keys.pack(coords[near].astype(np.int64)))
