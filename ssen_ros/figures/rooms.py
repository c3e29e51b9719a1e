"""Figures 1, 4 and 5: rooms with what was found in them, and with the truth beside it."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np
from scipy.spatial import KDTree

from ssen_ros.evaluation.vertex_labels import segment_once, voxel_rows
from ssen_ros.figures.figure import Figure
from ssen_ros.io.samples import Sample
from ssen_ros.labelled_map import LabelledMap
from ssen_ros.labels import of_the_twenty
from ssen_ros.palettes import NOISE_COLOR, STUFF_COLOR, colors_of, instance_colors
from ssen_ros.pictures.render import Panel, arranged, stacked
from ssen_ros.pictures.shot import take
from ssen_ros.pipeline import SsenPipeline
from ssen_ros.structures import Cloud, VoxelSnapshot

CONTACT = 0.1  # m from another object, within which a voxel counts as near it
PART = 0.1  # of an object's voxels, that a cluster holds to count as a part of it
LEAST = 60  # voxels of an object; smaller ones are not told of
AROUND = 0.6  # m that Fig. 4 shows round an object


@dataclass(frozen=True)
class SeenRoom:
    """A labelled room after one pass."""

    found: LabelledMap
    truth: np.ndarray  # (V,) int64: the true object of each voxel, -1 for none

    def near(self, objects: int) -> "SeenRoom":
        """What lies within AROUND of a true object, above its floor plan."""
        points = self.found.points[self.truth == objects]
        low, high = points.min(axis=0) - AROUND, points.max(axis=0) + AROUND
        inside = ((self.found.points >= low) & (self.found.points <= high))[:, :2].all(axis=1)
        return SeenRoom(part_of(self.found, np.flatnonzero(inside)), self.truth[inside])


def part_of(labelled: LabelledMap, rows: np.ndarray) -> LabelledMap:
    """These rows of the map alone, with the objects that have a voxel among them."""
    ids = np.unique(labelled.instance_id[rows])
    return replace(
        labelled,
        points=labelled.points[rows],
        colors=labelled.colors[rows],
        semantic_label=labelled.semantic_label[rows],
        instance_id=labelled.instance_id[rows],
        confidence=labelled.confidence[rows],
        instances=tuple(one for one in labelled.instances if one.id in ids),
        embedding_rgb=None if labelled.embedding_rgb is None else labelled.embedding_rgb[rows],
    )


def look(sample: Sample, pipeline: SsenPipeline) -> SeenRoom:
    """One pass over the room."""
    result = segment_once(sample.points, sample.colors, pipeline)
    found = LabelledMap.from_step(result, tuple(pipeline.segmenter.class_names))
    return SeenRoom(found, truth_of(sample, result.snapshot))


def truth_of(sample: Sample, snapshot: VoxelSnapshot) -> np.ndarray:
    """(V,) int64: the true object of each voxel, that of most of its points; -1 for none.

    As in the evaluation, neither structure nor what is of none of the twenty classes is an object.
    """
    truth = np.where(of_the_twenty(sample.semantic_label), sample.instance_label, -1).astype(np.int64)
    row = voxel_rows(snapshot, sample.points)
    pairs, counts = np.unique(np.stack([row, truth], axis=1)[row >= 0], axis=0, return_counts=True)
    of_voxel = np.full(len(snapshot), -1, np.int64)
    order = np.argsort(counts, kind="stable")  # the most frequent is written last
    of_voxel[pairs[order, 0]] = pairs[order, 1]
    return of_voxel


def look_at_cloud(cloud: Cloud, pipeline: SsenPipeline) -> LabelledMap:
    result = segment_once(cloud.points, cloud.colors_or_grey, pipeline)
    return LabelledMap.from_step(result, tuple(pipeline.segmenter.class_names), cloud.frame_id)


# --- Fig. 1 ----------------------------------------------------------------------------------------


def confidence_by_contact(found: LabelledMap) -> dict[str, Any]:
    """Whether voxels far from their cluster's mean lie where objects touch, as the paper says of Fig. 1.

    Returns:
        {"objects", "voxels" of them, and of those nearer than `contact_m` to another object and of the
        others: how many, their median confidence, and the share that is below one half ("black")}.
    """
    rows = np.flatnonzero(found.instance_id >= 0)
    points, ids, confidence = found.points[rows], found.instance_id[rows], found.confidence[rows]
    near = np.zeros(len(rows), bool)
    for one in np.unique(ids):
        own, others = ids == one, ids != one
        if others.any():
            distance, _ = KDTree(points[others]).query(points[own], distance_upper_bound=CONTACT)
            near[own] = np.isfinite(distance)

    def told(values: np.ndarray) -> dict[str, Any]:
        if len(values) == 0:
            return {"voxels": 0, "median_confidence": None, "black": None}
        return {
            "voxels": len(values),
            "median_confidence": round(float(np.median(values)), 3),
            "black": round(float((values < 0.5).mean()), 3),
        }

    return {
        "objects": len(np.unique(ids)),
        "voxels": len(rows),
        "contact_m": CONTACT,
        "near_another": told(confidence[near]),
        "alone": told(confidence[~near]),
    }


def figure_1(name: str, found: LabelledMap) -> Figure:
    """Input, objects, and the distance to the cluster's mean: black is far."""
    panels = [
        Panel("input", colors_of(found, "colour"), name),
        Panel("objects", colors_of(found, "instances"), f"{len(found.instances)} objects"),
        Panel("distance to the cluster's mean", colors_of(found, "confidence"), "black: far"),
    ]
    data = {"room": name} | confidence_by_contact(found)
    return Figure(1, data, arranged(take(found), panels))


# --- truth and prediction --------------------------------------------------------------------------


class Overlaps(NamedTuple):
    """Which voxels true and found objects have in common."""

    true_ids: np.ndarray  # (A,)
    found_ids: np.ndarray  # (B,)
    common: np.ndarray  # (A, B) int64, voxels
    true_sizes: np.ndarray  # (A,) int64, voxels
    found_sizes: np.ndarray  # (B,)


def overlaps(truth: np.ndarray, found: np.ndarray) -> Overlaps:
    """Of the (V,) true and found objects of each voxel; below zero is none."""
    true_ids, true_row = np.unique(np.append(truth, -1), return_inverse=True)
    found_ids, found_row = np.unique(np.append(found, -1), return_inverse=True)
    table = np.zeros((len(true_ids), len(found_ids)), np.int64)
    np.add.at(table, (true_row[:-1], found_row[:-1]), 1)
    a, b = true_ids >= 0, found_ids >= 0
    return Overlaps(
        true_ids[a], found_ids[b], table[np.ix_(a, b)], table.sum(axis=1)[a], table.sum(axis=0)[b]
    )


def matched(truth: np.ndarray, found: np.ndarray) -> dict[int, tuple[int, float]]:
    """{found object: (the true one, IoU)} of pairs, the best IoU first, each object once."""
    true_ids, found_ids, common, true_sizes, found_sizes = overlaps(truth, found)
    iou = common / (true_sizes[:, None] + found_sizes - common)
    pairs: dict[int, tuple[int, float]] = {}
    taken: set[int] = set()
    for flat in np.argsort(-iou, axis=None, kind="stable"):
        i, j = divmod(int(flat), len(found_ids))
        if iou[i, j] <= 0:
            break
        if i not in taken and int(found_ids[j]) not in pairs:
            taken.add(i)
            pairs[int(found_ids[j])] = int(true_ids[i]), float(iou[i, j])
    return pairs


def truth_colors(room: SeenRoom) -> np.ndarray:
    """(V, 3) uint8: each true object in the colour of its number."""
    return np.where((room.truth >= 0)[:, None], instance_colors(room.truth), _without_objects(room))


def prediction_colors(room: SeenRoom) -> np.ndarray:
    """(V, 3) uint8: each found object in the colour of the true one that it is matched with, or its own.

    So a right answer has the colours of the truth.
    """
    pairs = matched(room.truth, room.found.instance_id)
    own = int(room.truth.max(initial=0)) + 1
    number = np.array(
        [pairs[id][0] if id in pairs else own + id for id in room.found.instance_id.tolist()], np.int64
    )
    things = room.found.instance_id >= 0
    return np.where(things[:, None], instance_colors(number), _without_objects(room))


def faded(colors: np.ndarray, confidence: np.ndarray) -> np.ndarray:
    """(V, 3) uint8: the colours, black where the (V,) confidence is none."""
    return (colors * np.clip(confidence, 0.0, 1.0)[:, None]).astype(np.uint8)


def _without_objects(room: SeenRoom) -> np.ndarray:
    """(V, 3) uint8: structure, and what is part of no object."""
    nothing = replace(room.found, instance_id=np.full(len(room.found), -1, np.int32))
    return colors_of(nothing, "instances")


# --- Fig. 5 ----------------------------------------------------------------------------------------


def found_and_missed(room: SeenRoom) -> dict[str, Any]:
    """How many true objects there are, and how many were found at an IoU of 0.5, whatever their class."""
    true_ids, counts = np.unique(room.truth[room.truth >= 0], return_counts=True)
    large = set(true_ids[counts >= LEAST].tolist())
    hits = [iou for true, iou in matched(room.truth, room.found.instance_id).values() if true in large]
    return {
        "true_objects": len(large),
        "found_at_iou_0.5": sum(iou >= 0.5 for iou in hits),
        "mean_iou_of_matches": round(float(np.mean(hits)), 3) if hits else None,
        "predicted_objects": len(np.unique(room.found.instance_id[room.found.instance_id >= 0])),
    }


def figure_5(rooms: Mapping[str, SeenRoom], width: int = 500) -> Figure:
    """Input, truth and prediction, a row a room."""
    data = {name: found_and_missed(room) for name, room in rooms.items()}
    strips = []
    for name, room in rooms.items():
        told = data[name]
        note = f"{told['found_at_iou_0.5']} of {told['true_objects']} at IoU 0.5"
        titles = ("input", "truth", "prediction") if not strips else ("", "", "")
        panels = [
            Panel(titles[0], room.found.colors, name),
            Panel(titles[1], truth_colors(room)),
            Panel(titles[2], prediction_colors(room), note),
        ]
        strips.append(arranged(take(room.found, width), panels))
    return Figure(5, {"rooms": data}, stacked(strips))


# --- Fig. 4 ----------------------------------------------------------------------------------------


def divided(room: SeenRoom) -> list[dict[str, Any]]:
    """True objects that were found in several parts, the most parts first, then the largest.

    A part is a found object that holds a tenth of the true one's voxels, and more of it than of any other.
    """
    true_ids, found_ids, common, sizes, _ = overlaps(room.truth, room.found.instance_id)
    names = {one.id: one.class_name for one in room.found.instances}
    rows = []
    for true, of_it, size in zip(true_ids.tolist(), common, sizes.tolist()):
        own = of_it == common.max(axis=0, initial=0)
        parts = found_ids[own & (of_it >= PART * size)].tolist()
        if size >= LEAST and len(parts) > 1:
            rows.append({"object": true, "voxels": size, "parts": [names.get(part, "?") for part in parts]})
    return sorted(rows, key=lambda row: (-len(row["parts"]), -row["voxels"]))


def figure_4(rooms: Mapping[str, SeenRoom], most: int = 3, width: int = 540) -> Figure:
    """Failures: objects that were taken apart. Input, truth, prediction, and the distance to the mean."""
    cases = [(name, room, row) for name, room in rooms.items() for row in divided(room)]
    cases.sort(key=lambda case: (-len(case[2]["parts"]), -case[2]["voxels"]))
    chosen: list[tuple[str, SeenRoom, dict[str, Any]]] = []
    for case in cases:
        if sum(name == case[0] for name, _, _ in chosen) < max(1, most // len(rooms)):
            chosen.append(case)
    strips = []
    for name, room, row in chosen[:most]:
        near = room.near(row["object"])
        titles = ("input", "truth", "prediction", "distance to the mean") if not strips else ("",) * 4
        notes = name, "one object", f"{len(row['parts'])} parts", "black: far"
        truth, prediction = _alone(near, row["object"]), prediction_colors(near)
        colors = near.found.colors, truth, prediction, faded(prediction, near.found.confidence)
        strips.append(arranged(take(near.found, width), list(map(Panel, titles, colors, notes))))
    data = {
        "objects": sum(found_and_missed(room)["true_objects"] for room in rooms.values()),
        "divided": len(cases),
        "shown": [{"room": name} | row for name, _, row in chosen[:most]],
    }
    return Figure(4, data, stacked(strips) if strips else np.full((1, 1, 3), 255, np.uint8))


def _alone(room: SeenRoom, object: int) -> np.ndarray:
    """(V, 3) uint8: the truth, its other objects grey."""
    colors = truth_colors(room)
    colors[(room.truth >= 0) & (room.truth != object)] = NOISE_COLOR
    colors[(room.truth < 0) & (room.found.instance_id >= 0)] = STUFF_COLOR
    return colors
