"""What the method says of the points of a labelled map, counted. Pure functions of arrays.

Labels are indices into LABEL_NAMES; -1 is, in the truth, not annotated, and in an answer, none of them.
Points that are not annotated count nowhere, not even in the size of an object: hand-made labels leave out
borders, and whole objects.

What is counted:
- accuracy: of the points of the twenty classes, those with their label or an alternative that is allowed.
- a true object: a thing of the twenty classes of 100 points and more. It is located where a published object
  of whatever label overlaps it with an IoU above 0.25, found where one of its label does.
- a published object is judged where at least half of its points are annotated, and right where it finds a
  true one.
- unknown as things: of the points of kinds outside the twenty, those published as a thing of the twenty.
- same label in yaws: of all points, annotated or not, those with one label however the map is turned.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path

import numpy as np
from scipy.spatial import KDTree

from ssen_ros.boxes import fit_box
from ssen_ros.evaluation.average_precision import MIN_REGION
from ssen_ros.evaluation.semantic_iou import confusion_matrix
from ssen_ros.io.replacing import replacing
from ssen_ros.labels import CLASS_NAMES, LABEL_NAMES, NUM_CLASSES, UNKNOWN, is_thing, of_the_twenty

YAWS_DEG = (0, 30, 135, 270)  # of the map, in which a point shall have the same label: on the grid and off it
STRAY_SHARES = (0.005, 0.02)  # of the points, below the floor
LOCATED_IOU = 0.25
GOOD_IOU = 0.5

_TOUCH_M = 0.1  # as far apart may the annotated points of two objects be that touch
_THIN_M = 0.04  # of the points, one in a cell of this size is enough to say so
_EXTENT_EDGES_M = (0.0, 0.5, 1.0, 2.0)
_LABELS = len(LABEL_NAMES)


@dataclass(frozen=True)
class PointLabels:
    """What one pass says of N points."""

    network: np.ndarray  # (N,) int64, the network's most probable label
    published: np.ndarray  # (N,) int64, after `instances.relabel`
    object: np.ndarray  # (N,) int64, index into object_label, -1 for none
    object_label: np.ndarray  # (P,) int64, of the objects


@dataclass(frozen=True)
class RoomScore:
    """What one map contributes; small, whatever its size. G true objects, P published ones."""

    network: np.ndarray  # (22, 23) int64, see confusion_matrix
    published: np.ndarray  # (22, 23) int64
    truth_label: np.ndarray  # (G,) int64, a thing of the twenty
    truth_size: np.ndarray  # (G,) int64, points
    truth_extent: np.ndarray  # (G,) float64, m, longest side of the upright box
    truth_touches: np.ndarray  # (G,) bool, another annotated object
    object_label: np.ndarray  # (P,) int64
    object_judged: np.ndarray  # (P,) bool, at least half of its points are annotated
    iou: np.ndarray  # (G, P) float64, over the annotated points, whatever the labels
    same: np.ndarray  # (2, 2) int64: points with the same label in all YAWS_DEG, of how many; all, things
    strayed: np.ndarray  # (S, 22, 23) int64, `published` with each of STRAY_SHARES; S = 0: not measured

    def save(self, path: Path) -> None:
        with replacing(path) as temporary, open(temporary, "wb") as file:
            np.savez(file, **vars(self))

    @classmethod
    def load(cls, path: Path) -> "RoomScore":
        with np.load(path) as data:
            return cls(**{f.name: data[f.name] for f in fields(cls)})


def score_room(
    points: np.ndarray,
    label: np.ndarray,
    instance: np.ndarray,
    found: PointLabels,
    turned: Sequence[np.ndarray] = (),
    strayed: Sequence[np.ndarray] = (),
) -> RoomScore:
    """Compare one map's truth with what was found.

    Args:
        points: (N, 3) float, m.
        label: (N,) truth.
        instance: (N,) true object, negative for none; an object is a pair of label and instance.
        turned: (N,) published labels of the map in each other yaw; none: not measured.
        strayed: (N,) published labels with each of STRAY_SHARES below the floor.
    """
    annotated = label >= 0
    truth_label, truth = true_objects(label, instance)
    sizes = np.bincount(truth[truth >= 0], minlength=len(truth_label))
    extents = [fit_box(points[truth == g]).size.max() for g in range(len(truth_label))]
    of_object = np.bincount(found.object[found.object >= 0], minlength=len(found.object_label))
    judged = np.bincount(found.object[annotated & (found.object >= 0)], minlength=len(found.object_label))
    things = np.append(is_thing(LABEL_NAMES), False)[found.published]
    same = np.all([other == found.published for other in turned], axis=0) & (len(turned) > 0)
    measured = np.full(len(label), len(turned) > 0)
    return RoomScore(
        network=confusion_matrix(label, found.network, _LABELS),
        published=confusion_matrix(label, found.published, _LABELS),
        truth_label=truth_label,
        truth_size=sizes,
        truth_extent=np.array(extents, np.float64),
        truth_touches=touching(points, np.where(instance >= 0, instance, -1), truth, len(truth_label)),
        object_label=found.object_label,
        object_judged=2 * judged >= np.maximum(of_object, 1),
        iou=overlaps(truth[annotated], len(truth_label), found.object[annotated], len(found.object_label)),
        same=np.array([[np.sum(part), np.sum(whole)] for part, whole in
                       ((same, measured), (same & things, measured & things))], np.int64),
        strayed=np.array([confusion_matrix(label, answer, _LABELS) for answer in strayed], np.int64)
        .reshape(-1, _LABELS, _LABELS + 1),
    )  # fmt: skip


def true_objects(label: np.ndarray, instance: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(G,) labels of the annotated things of the twenty classes, and the (N,) object of each point or -1."""
    kept = of_the_twenty(label) & (instance >= 0)
    kept[kept] = is_thing()[label[kept]]
    pairs, number = np.unique(
        label[kept].astype(np.int64) << 32 | instance[kept].astype(np.int64), return_inverse=True
    )
    truth = np.full(len(label), -1)
    truth[kept] = number
    return pairs >> 32, truth


def overlaps(first: np.ndarray, firsts: int, second: np.ndarray, seconds: int) -> np.ndarray:
    """(firsts, seconds) intersection over union of two sets of objects, (N,) numbers each, -1 for none."""
    both = (first >= 0) & (second >= 0)
    shared = np.bincount(first[both] * seconds + second[both], minlength=firsts * seconds)
    shared = shared.reshape(firsts, seconds)
    sizes = [np.bincount(o[o >= 0], minlength=n) for o, n in ((first, firsts), (second, seconds))]
    return shared / np.maximum(sizes[0][:, None] + sizes[1] - shared, 1)


def touching(points: np.ndarray, instance: np.ndarray, truth: np.ndarray, count: int) -> np.ndarray:
    """(count,) bool: the objects `truth` (N,) that come within 0.1 m of a point of another instance (N,)."""
    touches = np.zeros(count, bool)
    rows = np.flatnonzero(instance >= 0)
    if len(rows) == 0:
        return touches
    cells = np.floor(points[rows].astype(np.float64) / _THIN_M).astype(np.int64)
    cells = np.column_stack([cells, instance[rows]])
    rows = rows[np.unique(cells, axis=0, return_index=True)[1]]  # one point of each object in a cell
    first, second = KDTree(points[rows]).query_pairs(_TOUCH_M, output_type="ndarray").T
    apart = instance[rows[first]] != instance[rows[second]]
    near = truth[rows[np.concatenate([first[apart], second[apart]])]]
    touches[near[near >= 0]] = True
    return touches


# --- all maps together ------------------------------------------------------------------------------


def allowed_labels(alternatives: Mapping[str, Sequence[str]]) -> np.ndarray:
    """(22, 23) bool: which answers, columns, are right for which truth.

    `alternatives`: {class: what else it may be called}.
    """
    allowed = np.eye(_LABELS, _LABELS + 1, dtype=bool)
    for name, others in alternatives.items():
        allowed[CLASS_NAMES.index(name), [CLASS_NAMES.index(other) for other in others]] = True
    return allowed


def summarize_rooms(
    rooms: Mapping[str, RoomScore], alternatives: Mapping[str, Sequence[str]] | None = None
) -> dict:
    """The scores of all maps as plain numbers; None where there is nothing to share out.

    Shares of points are means over the maps, each map counting alike; objects, and the rows of the classes,
    are counted over all.

    Returns:
        {"network_accuracy", "published_accuracy", "objects": {"all", "located", "found", "located_50",
        "found_50", "by_extent": rows, "by_contact": rows}, "published_objects", "published_right",
        "unknown_as_things", "same_label_in_yaws", "same_label_of_things_in_yaws", "strays": {share: published
        accuracy}, "rows": one a class, "rooms": one a map}.
    """
    allowed = allowed_labels(alternatives or {})
    of_room = [{"room": name, **_of_room(room, allowed)} for name, room in rooms.items()]
    objects = [_objects(room, allowed) for room in rooms.values()]
    truth = {name: np.concatenate([o[name] for o in objects]) for name in objects[0]}

    def mean(name: str) -> float | None:
        values = [room[name] for room in of_room if room[name] is not None]
        return float(np.mean(values)) if values else None

    return {
        "maps": len(rooms),
        "network_accuracy": mean("network_accuracy"),
        "published_accuracy": mean("published_accuracy"),
        "objects": {
            **_counts(truth, slice(None)),
            "by_extent": [
                {"extent_from_m": low, "extent_to_m": high if np.isfinite(high) else None,
                 **_counts(truth, (truth["extent"] >= low) & (truth["extent"] < high))}
                for low, high in zip(_EXTENT_EDGES_M, (*_EXTENT_EDGES_M[1:], np.inf))
            ],
            "by_contact": [{"touches": bool(touches), **_counts(truth, truth["touches"] == touches)}
                           for touches in (False, True)],
        },
        "published_objects": sum(room["published_objects"] for room in of_room),
        "published_right": _share(
            sum(np.sum(_right(room, allowed)) for room in rooms.values()),
            sum(room["published_objects"] for room in of_room),
        ),
        "unknown_as_things": mean("unknown_as_things"),
        "same_label_in_yaws": mean("same_label_in_yaws"),
        "same_label_of_things_in_yaws": mean("same_label_of_things_in_yaws"),
        "strays": {f"{share:g}": mean(f"strays_{share:g}") for share in STRAY_SHARES},
        "rows": _class_rows(np.sum([room.published for room in rooms.values()], axis=0), allowed, truth),
        "rooms": of_room,
    }  # fmt: skip


def _of_room(room: RoomScore, allowed: np.ndarray) -> dict:
    unknown = room.published[UNKNOWN]
    things = is_thing()
    strayed = [_accuracy(answer, allowed) for answer in room.strayed] or [None] * len(STRAY_SHARES)
    judged = _judged(room)
    return {
        "network_accuracy": _accuracy(room.network, allowed),
        "published_accuracy": _accuracy(room.published, allowed),
        **_counts(_objects(room, allowed), slice(None)),
        "published_objects": int(judged.sum()),
        "published_right": _share(_right(room, allowed).sum(), judged.sum()),
        "unknown_as_things": _share(unknown[:NUM_CLASSES][things].sum(), unknown.sum()),
        "same_label_in_yaws": _share(*room.same[0]),
        "same_label_of_things_in_yaws": _share(*room.same[1]),
        **{f"strays_{share:g}": value for share, value in zip(STRAY_SHARES, strayed)},
    }


def _accuracy(confusion: np.ndarray, allowed: np.ndarray) -> float | None:
    """Of the points of the twenty classes, those with an answer that is allowed."""
    return _share((confusion * allowed)[:NUM_CLASSES].sum(), confusion[:NUM_CLASSES].sum())


def _judged(room: RoomScore) -> np.ndarray:
    """(P,) bool: objects of the twenty that lie where it is known what is there."""
    return room.object_judged & of_the_twenty(room.object_label)


def _right(room: RoomScore, allowed: np.ndarray) -> np.ndarray:
    """(P,) bool: judged objects that find a true one of their label."""
    fits = allowed[room.truth_label[:, None], room.object_label]
    return _judged(room) & ((room.iou > LOCATED_IOU) & fits).any(axis=0)


def _objects(room: RoomScore, allowed: np.ndarray) -> dict[str, np.ndarray]:
    """Of the true objects that are large enough: what they are, and how well they are met."""
    large = room.truth_size >= MIN_REGION
    fits = allowed[room.truth_label[:, None], room.object_label]
    best = room.iou.max(axis=1, initial=0)[large]
    best_right = np.where(fits, room.iou, 0).max(axis=1, initial=0)[large]
    return {
        "label": room.truth_label[large],
        "extent": room.truth_extent[large],
        "touches": room.truth_touches[large],
        "located": best > LOCATED_IOU,
        "found": best_right > LOCATED_IOU,
        "located_50": best > GOOD_IOU,
        "found_50": best_right > GOOD_IOU,
    }


def _counts(objects: Mapping[str, np.ndarray], chosen) -> dict[str, int]:
    names = ("located", "found", "located_50", "found_50")
    counts = {name: int(objects[name][chosen].sum()) for name in names}
    return {"all": len(objects["label"][chosen]), **counts}


def _class_rows(confusion: np.ndarray, allowed: np.ndarray, objects: Mapping[str, np.ndarray]) -> list[dict]:
    """A class's precision counts against it the points of unknown kinds and ceilings that it was given."""
    hits = confusion * allowed
    return [
        {
            "class": name,
            "points": int(confusion[c].sum()),
            "predicted": int(confusion[:, c].sum()),
            "recall": _share(hits[c].sum(), confusion[c].sum()),
            "precision": _share(hits[:, c].sum(), confusion[:, c].sum()),
            **_counts(objects, objects["label"] == c),
        }
        for c, name in enumerate(CLASS_NAMES)
    ]


def _share(part: float, whole: float) -> float | None:
    return float(part / whole) if whole else None
