"""The frozen values that join the stages; data flows forward through them and is never written back.

Letters in shapes: N points, V voxels, T thing voxels, C classes, d embedding width.
Everything is in the map frame, metres, +Z up, unless said otherwise.
"""

from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import numpy as np

from ssen_ros import voxel_keys
from ssen_ros.config import ClusteringConfig
from ssen_ros.exposure import shifted
from ssen_ros.labels import NO_COLOR


def _check(name: str, array: np.ndarray, shape: tuple, dtype) -> None:
    expected = tuple("*" if n is None else n for n in shape)
    if array.ndim != len(shape) or any(n is not None and n != m for n, m in zip(shape, array.shape)):
        raise ValueError(f"{name} has shape {array.shape}, expected {expected}")
    if array.dtype != dtype:
        raise ValueError(f"{name} has dtype {array.dtype}, expected {np.dtype(dtype)}")


# Which axis of a file points up -> (old axis, sign) of its new x, y, z, as rotations.
UP_AXES = {
    "x": ((2, 1, 0), (-1, 1, 1)), "-x": ((2, 1, 0), (1, 1, -1)),
    "y": ((0, 2, 1), (1, -1, 1)), "-y": ((0, 2, 1), (1, 1, -1)),
    "z": ((0, 1, 2), (1, 1, 1)), "-z": ((0, 1, 2), (1, -1, -1)),
}  # fmt: skip


@dataclass(frozen=True)
class Cloud:
    """A point cloud as it came from a file or a recording; every row is finite."""

    points: np.ndarray  # (N, 3) float32, m
    colors: np.ndarray | None  # (N, 3) uint8 RGB, None where the file has no colour
    first_frame: np.ndarray | None = None  # (N,) integer: the frame in which the point first appeared
    frame_id: str = ""  # of a recorded message
    stamp_ns: int = 0  # of a recorded message; 0: none

    def __len__(self) -> int:
        return len(self.points)

    @property
    def colors_or_grey(self) -> np.ndarray:
        """(N, 3) uint8 RGB."""
        return np.full((len(self), 3), NO_COLOR, np.uint8) if self.colors is None else self.colors

    def turned(self, up: str) -> "Cloud":
        """The cloud turned so that the axis `up`, one of UP_AXES, becomes +Z."""
        order, signs = UP_AXES[up]
        return replace(self, points=self.points[:, order] * np.array(signs, np.float32))


@dataclass(frozen=True)
class VoxelSnapshot:
    """The map at one moment; immutable, safe to hand to another thread."""

    voxel_coords: np.ndarray  # (V, 3) int32, floor(point / voxel_size), unique, sorted by x, y, z
    points: np.ndarray  # (V, 3) float32, m: mean of the points that represent the voxel, inside it
    colors: np.ndarray  # (V, 3) uint8 RGB: mean of the same points
    voxel_size: float  # m
    version: int = 0  # grows by one with every cloud that changed the map
    heading: float = 0.0  # rad about z, by which the networks see it turned; `ssen_ros.heading`

    def __post_init__(self):
        v = len(self.voxel_coords)
        _check("voxel_coords", self.voxel_coords, (v, 3), np.int32)
        _check("points", self.points, (v, 3), np.float32)
        _check("colors", self.colors, (v, 3), np.uint8)
        for array in (self.voxel_coords, self.points, self.colors):
            array.flags.writeable = False

    def __len__(self) -> int:
        return len(self.voxel_coords)

    def at(self, rows: np.ndarray) -> "VoxelSnapshot":
        """These voxels alone; (n,) ascending rows, or (V,) bool."""
        rows = np.flatnonzero(rows) if rows.dtype == bool else rows  # once for all four
        coords, points, colors, keys = (
            a.take(rows, axis=0) for a in (self.voxel_coords, self.points, self.colors, self.keys)
        )
        return replace(self, voxel_coords=coords, points=points, colors=colors)._keyed(keys)

    def headed(self, heading: float) -> "VoxelSnapshot":
        """The same map, which the networks turn by so many rad about z."""
        return self if heading == self.heading else replace(self, heading=heading)._keyed(self.keys)

    def exposed(self, shift: int) -> "VoxelSnapshot":
        """The same map, so many grey levels brighter."""
        return replace(self, colors=shifted(self.colors, shift))._keyed(self.keys) if shift else self

    def _keyed(self, keys: np.ndarray) -> "VoxelSnapshot":
        keys.flags.writeable = False
        vars(self)["keys"] = keys  # of a large map they take as long as much of a pass
        return self

    @cached_property
    def keys(self) -> np.ndarray:
        """(V,) int64 voxel keys, ascending."""
        keys = voxel_keys.pack(self.voxel_coords)
        keys.flags.writeable = False
        return keys


@dataclass(frozen=True)
class Segmentation:
    """What the two networks say about one snapshot, joined to what they said before (`ssen_ros.fusion`)."""

    log_probabilities: np.ndarray  # (V, C) of the classes; float16 where kept for the next pass, else float32
    semantic_label: np.ndarray  # (V,) int32, mostly the likeliest class
    thing_rows: np.ndarray  # (T,) int64, rows of the snapshot that are not stuff, ascending
    embeddings: np.ndarray  # (T, d) float32
    # By this pass alone: (V,) int32 the likeliest class, or the (V, C) answer where it is kept anyway.
    pass_label: Any = None

    @property
    def newest_label(self) -> np.ndarray:
        """(V,) int32: what this pass alone would say."""
        if self.pass_label is None:
            return self.semantic_label
        said = np.asarray(self.pass_label)
        return said if said.ndim == 1 else said.argmax(axis=1).astype(np.int32)

    def __post_init__(self):
        v, t = len(self.semantic_label), len(self.thing_rows)
        kept = self.log_probabilities.dtype == np.float16
        _check("log_probabilities", self.log_probabilities, (v, None), np.float16 if kept else np.float32)
        _check("semantic_label", self.semantic_label, (v,), np.int32)
        _check("thing_rows", self.thing_rows, (t,), np.int64)
        _check("embeddings", self.embeddings, (t, None), np.float32)


@dataclass(frozen=True)
class Clusters:
    """HDBSCAN's answer over the thing voxels of one snapshot."""

    instance_label: np.ndarray  # (T,) int32, 0..K-1, -1 is noise
    adopted: np.ndarray  # (T,) bool, noise to HDBSCAN, given to the cluster of the nearest mean
    # (T,) float32 in 0..1; falls with the distance to the cluster's mean (Fig. 1); 0 for noise
    confidence: np.ndarray

    @property
    def count(self) -> int:
        return int(self.instance_label.max(initial=-1)) + 1


@dataclass(frozen=True, eq=False)
class Clustered:
    """The things that a pass has clustered, island by island (`ssen_ros.islands`), and where it saw them."""

    snapshot: VoxelSnapshot
    segmentation: Segmentation
    config: ClusteringConfig
    island: np.ndarray  # (T,) int32, in which each of the things lies
    clusters: Clusters  # of each island, from 0 on
    anew: int  # things in islands that this pass has clustered, as they had changed


@dataclass(frozen=True)
class Box:
    """A gravity-aligned box: upright, turned about +Z only."""

    center: np.ndarray  # (3,) float64, m
    size: np.ndarray  # (3,) float64, m: along the box's own x, its own y, and z
    yaw: float  # rad, from the map's +X to the box's own x, in [0, pi)


@dataclass(frozen=True)
class Detection:
    """One cluster of one pass: no identity yet."""

    class_id: int  # index into the class list
    score: float  # 0..1
    class_log_votes: np.ndarray  # (C,) float64, log-probabilities summed over the voxels; -inf for stuff
    box: Box
    centroid: np.ndarray  # (3,) float64, m
    rows: np.ndarray  # (n,) int64, rows of the snapshot
    # (n,) int64 their voxel keys, ascending; the array that the pass before had, where it is just as it was
    keys: np.ndarray
    id: int = 0  # of the instance that it is, where a hand has said so; 0: to be found out
    class_name: str = ""  # given by hand; empty: by the votes


@dataclass(frozen=True, eq=False)
class Described:
    """The detections of a pass, and what they were made from."""

    snapshot: VoxelSnapshot
    segmentation: Segmentation
    clusters: Clusters
    class_names: tuple[str, ...]
    detections: tuple[Detection, ...]  # one for each cluster, in their order
    head: Any = None  # `ssen_ros.object_head.ObjectHead` that has told what they are; None: their voxels have
    floor: float = 0.0  # m, from which it counted


@dataclass(frozen=True)
class Instance:
    """One object with an id that lasts.

    Messages, instances.json and saved maps are written from these fields by name: a new fact is a field here,
    its unit in its name or comment, and one in msg/Instance.msg. Give it a default, for older saved maps.
    """

    id: int  # persistent, from 1, never given again
    class_id: int
    class_name: str
    score: float  # 0..1
    box: Box
    centroid: np.ndarray  # (3,) float64, m
    voxel_count: int
    first_seen_ns: int  # stamp of the map in which the object first appeared
    last_seen_ns: int  # stamp of the last map in which it was detected
    state: str = "active"  # "active": detected in the last pass; "missing": not, but kept for now


@dataclass(frozen=True)
class Event:
    """A change in the set of persistent instances."""

    kind: str  # "created" | "merged" | "split" | "retired"
    id: int  # the instance that was created, that survived a merge, that was split, that was retired
    other_ids: tuple[int, ...] = ()  # merged: the ids absorbed; split: the ids that came off


@dataclass(frozen=True)
class Known:
    """An instance, and what it is recognised by in the next pass."""

    instance: Instance
    keys: np.ndarray  # (n,) int64 voxel keys of the last detection, ascending
    votes: np.ndarray  # (C,) float64, faded sum of the class votes of all passes
    missed: int = 0  # updates since the last detection
    told: bool = True  # the last update told of it; of objects of no class it does if `publish.unknown`

    @property
    def id(self) -> int:
        return self.instance.id


@dataclass(frozen=True)
class Correction:
    """One change to the objects by hand. It holds all that is needed to do it again, and to undo it.

    The voxels of `before` that are none of `after`'s belong to no object from then on, nor do `painted`.
    """

    kind: str  # "rename" | "merge" | "delete" | "split" | "paint" | "box"
    before: tuple[Known, ...]  # the objects that were corrected
    after: tuple[Known, ...]  # what they became
    class_name: str = ""  # rename: the class given; paint, box: of the new object, or of `painted`
    painted: np.ndarray = field(default_factory=lambda: np.empty(0, np.int64))  # (n,) voxel keys, ascending


@dataclass(frozen=True)
class Hand:
    """What all corrections together say of each voxel that they touch; the last word counts."""

    keys: np.ndarray  # (n,) int64 voxel keys, ascending
    # (n,) int64: id of the object that the voxel belongs to; -i: to none, and its class is free_classes[i]
    ids: np.ndarray
    free_classes: tuple[str, ...]  # the first is empty: of no class
    names: dict[int, str]  # id -> class, of the objects that were given one


@dataclass(frozen=True, eq=False)
class Corrections:
    """The log of all corrections, oldest first; from an empty one, replayed, follows all that they say."""

    log: tuple[Correction, ...] = ()

    def __len__(self) -> int:
        return len(self.log)

    @cached_property
    def hand(self) -> Hand:
        free_classes, names = [""], {}
        keys, ids = [np.empty(0, np.int64)], [np.empty(0, np.int64)]
        for one in self.log:
            if one.class_name not in free_classes:
                free_classes.append(one.class_name)
            of_class = -free_classes.index(one.class_name)
            given = {k.id: names.pop(k.id, "") for k in one.before}
            inherited = next((name for name in given.values() if name), "")
            for known in one.before:
                keys.append(known.keys)
                ids.append(np.full(len(known.keys), of_class if one.kind == "rename" else 0))
            for known in one.after:
                own = given.get(known.id, one.class_name)
                if name := {"rename": one.class_name, "paint": own, "box": own}.get(one.kind, inherited):
                    names[known.id] = name
                keys.append(known.keys)
                ids.append(np.full(len(known.keys), known.id))
            keys.append(one.painted)
            ids.append(np.full(len(one.painted), of_class))
        newest_first, id_of = np.concatenate(keys)[::-1], np.concatenate(ids)[::-1]
        unique, first = np.unique(newest_first, return_index=True)
        return Hand(unique, id_of[first].astype(np.int64), tuple(free_classes), names)


@dataclass(frozen=True)
class Floor:
    """The level that heights are measured from."""

    height: float  # m, z in the map frame
    seen: bool  # False: no level surface at the bottom; the height is that of the lowest upright surfaces


@dataclass(frozen=True)
class Kept:
    """What the networks keep from pass to pass (`passes.incremental`).

    What they keep moves on with every pass that is made with it. One whose result was dropped has moved it
    too: `passes` then tells, and the next pass is a whole one.
    """

    networks: Any  # `ssen_ros.segmenter.KeepingNetworks`
    passes: int  # that had been made with them
    share: (
        float  # of a whole pass's multiplications, how many the last pass made; below 1 it was no whole one
    )


@dataclass(frozen=True, eq=False)
class Evidence:
    """What the passes so far have said of each voxel (`ssen_ros.fusion`); about 75 bytes a voxel.

    By key, so that what moves may take along what is known of it.
    """

    keys: np.ndarray  # (V,) int64 voxel keys, ascending
    points: np.ndarray  # (V, 3) float32, m, and
    colors: np.ndarray  # (V, 3) uint8 RGB: what the networks were last given
    mean: np.ndarray  # (V, C) float16 log-probabilities of the classes
    label: np.ndarray  # (V,) int16
    # (V,) float16: since the networks last said so, how much of what lies around has changed; a sum of shares
    meanwhile: np.ndarray
    told: np.ndarray  # (V,) int16 label that the last update told; -1: none, or of what was there before
    doubts: np.ndarray  # (V,) uint8, how many passes in a row have said otherwise since; then it is held
    passes: int = 0  # made in the quiet since the map last changed; the mean is over these, if there are any
    settled: bool = True  # no more of them are due
    quiet: bool = False  # the next pass is one of them


@dataclass(frozen=True)
class Memory:
    """All that one update knows of those before it. By default nothing: the first map.

    A step takes one and yields another. Who drops a result, and hands the memory from before it to the next
    step, has never made that step.
    """

    known: tuple[Known, ...] = ()  # active first, then missing, each by id
    next_id: int = 1  # above all ids ever given
    news: tuple[Event, ...] = ()  # what happened between two updates: the next one tells of it
    floor: Floor | None = None  # that the last update went by
    ground: Any = None  # `ssen_ros.floor.Ground` of the last update's map; never saved
    heading: float | None = None  # likewise, of the snapshot; None: it was not looked for
    exposure: int | None = None  # grey levels by which the networks saw it brighter; None: not looked for
    corrections: Corrections = Corrections()  # made by hand; every update keeps to them
    kept: Kept | None = None  # by the networks; never saved
    evidence: Evidence | None = None  # None: nothing is fused, or no pass was made
    map: VoxelSnapshot | None = None  # that all this is known of; None: not known. Never saved
    clustered: Clustered | None = None  # by the last update; never saved
    described: Described | None = None  # by the last update; never saved

    @property
    def instances(self) -> tuple[Instance, ...]:
        """Those that the last update told of."""
        return tuple(known.instance for known in self.known if known.told)

    @property
    def is_settled(self) -> bool:
        """A further pass over the same map is not called for."""
        if self.evidence is not None and not self.evidence.settled:
            return False
        return self.kept is None or self.kept.share >= 1

    @property
    def turn(self) -> int:
        """From which of its sides the next pass sees the map; 0: as it lies."""
        return self.evidence.passes if self.evidence and self.evidence.quiet else 0

    @property
    def nbytes(self) -> int:
        """Bytes that passes keep for the next ones, beside the map and the objects themselves."""
        parts: list[Any] = [self.evidence, *(one for one in (self.clustered, self.described) if one)]
        parts += [part for one in parts[1:] for part in (one.segmentation, one.clusters)]
        arrays = {
            id(a): a for part in parts if part for a in vars(part).values() if isinstance(a, np.ndarray)
        }
        return sum(a.nbytes for a in arrays.values()) + (
            0 if self.kept is None else self.kept.networks.nbytes
        )

    def for_whole_pass(self) -> "Memory":
        """The same, but the next pass, over the same map, shall compute and decide everything anew."""
        kept = self.kept and replace(self.kept, passes=-1)
        evidence = self.evidence and replace(self.evidence, quiet=True, passes=0)
        return replace(self, kept=kept, evidence=evidence)

    def in_the_quiet(self) -> "Memory":
        """The same, for one more pass over the same map, from another side each time."""
        if self.evidence is None or self.evidence.passes == 0:
            return self.for_whole_pass()
        return replace(self, evidence=replace(self.evidence, quiet=True))

    def begin(self, other: "Memory") -> "Memory":
        """Know what `other` knows, and nothing else; no id that either has given is given to a new object.

        The next update tells that what was known is retired, and what is known now created.
        """
        retired = [Event("retired", instance.id) for instance in self.instances]
        known = tuple(replace(one, told=False) for one in other.known)
        next_id = max(self.next_id, other.next_id)
        return replace(other, known=known, next_id=next_id, news=(*self.news, *retired))


@dataclass(frozen=True)
class StepResult:
    """All that one update yields; the node publishes it, the CLI saves it, the evaluator scores it."""

    snapshot: VoxelSnapshot  # the map without the strays below its floor
    segmentation: Segmentation
    clusters: Clusters
    detections: tuple[Detection, ...]
    memory: Memory  # for the next step
    events: tuple[Event, ...]
    thing_rows: np.ndarray  # (n,) int64, rows that are things: those of the segmentation, but for corrections
    semantic_label: np.ndarray  # (V,) int32, of the segmentation; within an object mostly the object's
    instance_id: np.ndarray  # (V,) int32, persistent id, -1 for stuff, noise and what is of no class
    # (V,) float32 in 0..1: semantic probability on stuff, cluster confidence on things
    confidence: np.ndarray
    stamp_ns: int  # of the map that was segmented
    timings_s: dict[str, float]  # stage -> seconds: "semantic", "embedding", "cluster", "instances", "total"
    strays: int = 0  # voxels of the map that lie below its floor, and were left out

    @property
    def computed_share(self) -> float:
        """Of a whole pass's multiplications, how many the networks made."""
        return 1.0 if self.memory.kept is None else self.memory.kept.share

    @property
    def instances(self) -> tuple[Instance, ...]:
        """Active first, then missing."""
        return self.memory.instances
