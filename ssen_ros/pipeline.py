"""The method, from a snapshot of the map to instances that last (paper, Fig. 2)."""

import time
from abc import abstractmethod
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Any, Protocol

import numpy as np

from ssen_ros import corrections, headroom, instances, stopping, voxel_keys
from ssen_ros.closure import follow
from ssen_ros.clustering import cluster_things
from ssen_ros.config import PassesConfig, SsenConfig
from ssen_ros.corrections import Edit
from ssen_ros.errors import ConfigError, EngineError, missing_module
from ssen_ros.exposure import shift_of, shifted
from ssen_ros.features import Anchor
from ssen_ros.floor import Ground, above_floor, steady
from ssen_ros.fusion import corrected_since, fuse, having_told, tell, told
from ssen_ros.heading import heading_of
from ssen_ros.labels import UNKNOWN_NAME, is_thing
from ssen_ros.object_head import ObjectHead
from ssen_ros.regions import Patched
from ssen_ros.structures import (
    Clusters,
    Evidence,
    Floor,
    Kept,
    Known,
    Memory,
    Segmentation,
    StepResult,
    VoxelSnapshot,
)

_BYTES_PER_VOXEL = 400  # of a pass without its networks, which see to themselves
_STAGES = ("semantic", "embedding", "cluster", "instances")  # in the order in which they are told


class Networks(Protocol):
    """What answers for the voxels of one snapshot."""

    @abstractmethod
    def semantic(self, snapshot: VoxelSnapshot, floor: float) -> np.ndarray | Patched:
        """(V, C) float32 log-probabilities of the classes; `floor` is the z of the map's floor, m."""

    @abstractmethod
    def embed(self, snapshot: VoxelSnapshot, thing_rows: np.ndarray, floor: float) -> np.ndarray:
        """(T, d) float32 embeddings of the rows of the snapshot that are things."""


class Segmenting(Networks, Protocol):
    """What pipeline and node ask of a segmenter; `ssen_ros.segmenter.Segmenter` is the real one.

    One that runs on the CPU alone inherits this class, and with it how to do without devices.
    """

    @property
    @abstractmethod
    def voxel_size(self) -> float:
        """m, of the maps it was trained on."""

    @property
    @abstractmethod
    def class_names(self) -> tuple[str, ...]: ...

    @property
    def object_head(self) -> ObjectHead | None:
        """What tells of a whole cluster what it is; None: its voxels' votes do."""
        return None

    def continued(self, kept: Kept | None, voxels: int, config: PassesConfig) -> Any:
        """`Networks` for one pass over so many voxels that go on from what was kept; None: nothing is kept.

        They have `passes` and `share` too, for the next `Kept`.
        """
        return None

    def recalled(self, evidence: Evidence, anchor: Anchor, config: PassesConfig) -> Kept | None:
        """What a pass over a map that was loaded goes on from; None: nothing."""
        return None

    def turned(self, turn: int) -> Networks | None:
        """The same networks, with other views of the map for each turn from 1 on; None: there are none."""
        return None

    @property
    def device(self) -> Any:
        """A torch.device, or its name."""
        return "cpu"

    @property
    def fallback(self) -> str:
        """Why the CPU computes although there is a GPU; empty: it was meant to."""
        return ""

    def to(self, device: str) -> Any:
        """Move to another device; to the CPU without a word from the one before, which may have failed."""

    @staticmethod
    def release_memory() -> None:
        """Give back what is kept from pass to pass; called when the segmenter itself is gone, or when
        memory is short: then it goes on without keeping any."""


class SsenPipeline:
    """Both networks, the clustering, and the instances that last; one `step` per map.

    Nothing outlasts a step but what its result holds. Not for two threads at once, save that `config` may be
    replaced from any, in what is not of the networks: the next step goes by it.
    """

    def __init__(self, segmenter: Segmenting, config: SsenConfig | None = None):
        self.segmenter = segmenter
        self.config = config or SsenConfig()
        self._is_thing = is_thing(tuple(segmenter.class_names))

    @classmethod
    def from_config(cls, config: SsenConfig | None = None) -> "SsenPipeline":
        """With the networks that the configuration names.

        Raises CheckpointError where they do not load, EngineError where torch or another module is missing or
        too old.
        """
        try:
            import torch  # late: it is slow to import, and stubs need none

            _check_torch(torch.__version__, np.__version__)
            from ssen_ros.segmenter import Segmenter
        except ModuleNotFoundError as error:
            raise EngineError(missing_module(error)) from error

        config = config or SsenConfig()
        return cls(Segmenter.from_config(config.segmenter), config)

    def step(self, snapshot: VoxelSnapshot, stamp_ns: int, memory: Memory = Memory()) -> StepResult:
        """Segment the whole snapshot, cluster its things, and join the clusters to the known instances.

        `memory` is that of the result before; without it this is the first map. An empty map, or one without
        things, yields a valid result without detections.
        Raises ConfigError if the snapshot's voxels are not of the size that the networks know, GivenUp where
        the flag that this thread watches is set meanwhile (`stopping.watching`), MemoryError where memory is
        short.
        """
        self._check_voxel_size(snapshot)
        headroom.require(_BYTES_PER_VOXEL * len(snapshot), f"a pass over {len(snapshot):,} voxels")
        config = self.config  # read once: another thread may put another in its place
        sides = config.fusion.quiet_passes if self.segmenter.turned(1) else 0
        timings_s: dict[str, float] = dict.fromkeys(_STAGES, 0.0)
        with _timed(timings_s, "total"):
            whole, ground = snapshot, Ground.of(snapshot, memory.ground)
            floor = steady(ground.floor, memory.floor)
            snapshot = _without_strays(whole, floor)
            heading = heading_of(snapshot.keys, memory.heading) if config.segmenter.line_up else None
            snapshot = snapshot.headed(heading or 0.0)
            evens = config.segmenter.even_exposure
            exposure = shift_of(snapshot.colors, memory.exposure) if evens else None
            shown = snapshot.exposed(exposure or 0)  # to the networks
            with _timed(timings_s, "instances"):
                memory = follow(memory, snapshot)
            keeping = None
            if config.passes.incremental != "off":
                keeping = self.segmenter.continued(memory.kept, len(snapshot), config.passes)
            networks = keeping or self.segmenter
            with _timed(timings_s, "semantic"):
                side = self.segmenter.turned(memory.turn) if memory.turn else None
                answer = self._classify(side or networks, shown, floor.height)
                fused = fuse(memory.evidence, snapshot, answer, config.fusion.hold, sides)
                del answer  # of a large map it is large, and what follows needs the memory
            with _timed(timings_s, "embedding"):
                thing_rows = np.flatnonzero(self._is_thing[fused.label])
                segmentation = Segmentation(
                    fused.log_probabilities,
                    fused.label,
                    thing_rows,
                    _embed(networks, shown, thing_rows, floor.height),
                    fused.pass_label,
                )
            with _timed(timings_s, "cluster"):
                clusters, clustered = cluster_things(
                    snapshot, segmentation, config.clustering, memory.clustered
                )
            with _timed(timings_s, "instances"):
                kept = keeping and Kept(keeping, keeping.passes, 1.0 if memory.turn else keeping.share)
                memory = replace(
                    memory,
                    floor=floor,
                    ground=ground,
                    heading=heading,
                    exposure=exposure,
                    kept=kept,
                    evidence=fused.evidence,
                    clustered=clustered,
                )
                seen = _seen(snapshot, segmentation, clusters, memory, stamp_ns, len(whole) - len(snapshot))
                return self.conclude(replace(seen, timings_s=timings_s), memory)

    def recall(self, snapshot: VoxelSnapshot, stamp_ns: int, memory: Memory) -> StepResult | None:
        """The update of a map of which `memory` knows all, as of one that was loaded; None where it does not.

        No network runs, so there are no embeddings.
        """
        if memory.evidence is None or memory.floor is None:
            return None
        start = time.perf_counter()
        whole, known = snapshot, memory.evidence
        snapshot = _without_strays(whole, memory.floor)
        if not np.array_equal(snapshot.keys, known.keys):
            return None
        label = known.label.astype(np.int32)
        thing_rows = np.flatnonzero(self._is_thing[label])
        embeddings = np.empty((len(thing_rows), 0), np.float32)
        segmentation = Segmentation(known.mean, label, thing_rows, embeddings, label)
        ids, cluster = np.unique(
            np.append(instances.label(snapshot.keys[thing_rows], memory.known), np.int32(-1)),
            return_inverse=True,
        )
        clusters = Clusters(
            (cluster[:-1] - 1).astype(np.int32),  # -1 is the least of the ids
            np.zeros(len(thing_rows), bool),
            _sureness(segmentation.log_probabilities[thing_rows]),
        )
        now = instances.telling(memory.known, self.config.publish.unknown)
        events = *memory.news, *instances.story(memory.known, now, (), ())
        anchor = Anchor.over(memory.floor.height, known.points, memory.heading or 0.0)
        shown = replace(known, colors=shifted(known.colors, memory.exposure or 0))
        kept = self.segmenter.recalled(shown, anchor, self.config.passes)
        memory = replace(memory, known=now, news=(), map=snapshot, kept=kept)
        seen = _seen(snapshot, segmentation, clusters, memory, stamp_ns, len(whole) - len(snapshot))
        said = corrections.by_row(snapshot, segmentation, clusters, memory.corrections.hand)
        result = self._label(seen, memory, said, events=events)
        return replace(result, timings_s={"total": time.perf_counter() - start})

    def conclude(self, seen: StepResult, memory: Memory) -> StepResult:
        """A step from what the networks have seen on: its objects, joined to those that `memory` knows.

        What passes keep for the next ones is that of the step. No network runs. For any thread.
        """
        config, names = self.config, self.segmenter.class_names
        snapshot, segmentation, clusters = seen.snapshot, seen.segmentation, seen.clusters
        now = follow(memory, snapshot)
        memory = replace(
            seen.memory,
            known=now.known,
            next_id=now.next_id,
            news=now.news,
            corrections=now.corrections,
            evidence=corrected_since(seen.memory.evidence, now.evidence),
        )
        hand = memory.corrections.hand
        said = corrections.by_row(snapshot, segmentation, clusters, hand)
        if said is not None:
            clusters = corrections.untouched(segmentation, clusters, said)
        head = self.segmenter.object_head if config.instances.object_head else None
        floor = memory.floor.height if head and memory.floor else 0.0
        described = instances.describe(snapshot, segmentation, clusters, names, memory.described, head, floor)
        detections = [one for one in described.detections if one.score >= config.instances.min_score]
        if said is not None:
            detections += corrections.detections_by_hand(snapshot, segmentation, said, hand, names)
        memory, events = instances.update(
            memory, detections, snapshot, seen.stamp_ns, names, config.instances, config.publish.unknown
        )
        memory = replace(memory, described=described)
        return self._label(seen, memory, said, now.known, detections=tuple(detections), events=events)

    def correct(self, result: StepResult, edit: Edit) -> StepResult:
        """The same update, corrected by hand. No network runs. For any thread.

        Raises CorrectionError for what cannot be done.
        """
        names, tell_unknown = self.segmenter.class_names, self.config.publish.unknown
        memory, events = corrections.correct(result, edit, names, tell_unknown)
        said = corrections.by_row(
            result.snapshot, result.segmentation, result.clusters, memory.corrections.hand
        )
        return self._label(result, memory, said, events=events)

    def _label(
        self,
        seen: StepResult,
        memory: Memory,
        said: np.ndarray | None,
        before: Sequence[Known] | None = None,
        **rest: Any,
    ) -> StepResult:
        """What the objects make of the voxels; `said` (V,) is what a hand has said of them, if anything.

        `before`: the objects before the pass that this is; None: no pass was made since the last labels.
        """
        thing_rows = seen.segmentation.thing_rows
        owner = np.full(
            len(seen.snapshot), -1, dtype=np.int32
        )  # which of the objects has each voxel; -1: none
        if said is not None:
            thing = said > 0
            thing[thing_rows] |= said[thing_rows] <= corrections.UNTOUCHED
            thing_rows = np.flatnonzero(thing)
        owner[thing_rows] = instances.owner(seen.snapshot.keys[thing_rows], memory.known)
        semantic_label = seen.segmentation.semantic_label
        if self.config.instances.relabel:
            share = self.config.instances.relabel_share
            semantic_label = _relabel(semantic_label, owner, memory.known, share)
        evidence = memory.evidence
        if evidence is not None:
            if before is not None:
                renamed = _by_owner(_of_another_class(before, memory.known), False, owner)
                evidence = tell(evidence, semantic_label, renamed, self.config.fusion.confirm)
            semantic_label = told(evidence, semantic_label)
        confidence = _confidence(seen.segmentation, seen.clusters, memory.evidence)
        if said is not None:
            owner = np.where(said > 0, _numbers(said, memory.known), owner)
            names = self.segmenter.class_names
            semantic_label = _labelled_by_hand(semantic_label, said, memory, names)
            confidence[said > corrections.UNTOUCHED] = 1.0
        if evidence is not None:
            by_hand = None if said is None else said > corrections.UNTOUCHED
            memory = replace(memory, evidence=having_told(evidence, semantic_label, by_hand))
        return replace(
            seen,
            memory=memory,
            thing_rows=thing_rows,
            semantic_label=semantic_label,
            instance_id=self._told_id(owner, semantic_label, memory.known),
            confidence=confidence,
            **rest,
        )

    def _check_voxel_size(self, snapshot: VoxelSnapshot) -> None:
        if not np.isclose(snapshot.voxel_size, self.segmenter.voxel_size, rtol=1e-6, atol=0):
            raise ConfigError(
                f"the map's voxel_size is {snapshot.voxel_size:g} m, the networks were trained at "
                f"{self.segmenter.voxel_size:g} m: build the VoxelMap with segmenter.voxel_size"
            )

    def _told_id(self, owner: np.ndarray, semantic_label: np.ndarray, known: Sequence[Known]) -> np.ndarray:
        """(V,) int32: -1 where the object is not told of, or is of a class and the voxel of none."""
        ids = np.array([k.id if k.told else -1 for k in known], np.int32)
        told = _by_owner(ids, -1, owner)
        names = tuple(self.segmenter.class_names)
        if UNKNOWN_NAME in names:
            unknown = names.index(UNKNOWN_NAME)
            free = np.flatnonzero(semantic_label == unknown)
            of_class = _by_owner([k.instance.class_id != unknown for k in known], False, owner[free])
            told[free[of_class]] = -1
        return told

    def _classify(self, networks: Networks, snapshot: VoxelSnapshot, floor: float) -> np.ndarray | Patched:
        """(V, C) log-probabilities; an empty map never reaches the network."""
        if len(snapshot) == 0:
            return np.empty((0, len(self._is_thing)), dtype=np.float32)
        return networks.semantic(snapshot, floor)


def _embed(networks: Networks, snapshot: VoxelSnapshot, thing_rows: np.ndarray, floor: float) -> np.ndarray:
    if len(thing_rows) == 0:
        return np.empty((0, 0), dtype=np.float32)
    return networks.embed(snapshot, thing_rows, floor)


def _seen(
    snapshot: VoxelSnapshot,
    segmentation: Segmentation,
    clusters: Clusters,
    memory: Memory,
    stamp_ns: int,
    strays: int,
) -> StepResult:
    """What a step knows before its objects are."""
    return StepResult(
        snapshot=snapshot,
        segmentation=segmentation,
        clusters=clusters,
        detections=(),
        memory=memory,
        events=(),
        thing_rows=segmentation.thing_rows,
        semantic_label=segmentation.semantic_label,
        instance_id=np.full(len(snapshot), -1, dtype=np.int32),
        confidence=np.zeros(len(snapshot), dtype=np.float32),
        stamp_ns=stamp_ns,
        timings_s={},
        strays=strays,
    )


def _without_strays(snapshot: VoxelSnapshot, floor: Floor) -> VoxelSnapshot:
    """The map as the networks are to see it; of a map without a floor nobody can say what lies below it."""
    kept = above_floor(snapshot, floor)
    return snapshot if kept.all() or not floor.seen else snapshot.at(kept)


def _check_torch(torch_version: str, numpy_version: str) -> None:
    """Raises EngineError for versions that do not work, or not together."""
    major, minor = (int(part) for part in torch_version.split(".")[:2])
    if (major, minor) < (2, 1):
        raise EngineError(
            f"torch is {torch_version}: expected 2.1 or newer, as Ubuntu 24.04's python3-torch is; `pip "
            "install torch`"
        )
    if (major, minor) < (2, 3) and int(numpy_version.split(".")[0]) > 1:
        raise EngineError(
            f"torch {torch_version} was built for NumPy 1, and NumPy is {numpy_version}: `pip install "
            "'numpy<2'`, or torch 2.3 or newer"
        )


@contextmanager
def _timed(timings_s: dict[str, float], stage: str) -> Iterator[None]:
    stopping.check()
    start = time.perf_counter()
    yield
    timings_s[stage] = timings_s.get(stage, 0.0) + time.perf_counter() - start


def _by_owner(values: Sequence | np.ndarray, none: Any, owner: np.ndarray) -> np.ndarray:
    """(V,) of the (K,) values of the objects, that of each voxel's; `none` where it has none."""
    return np.append(np.asarray(values, np.asarray(none).dtype), none)[owner]


def _numbers(ids: np.ndarray, known: Sequence[Known]) -> np.ndarray:
    """(V,) which of the objects has each of these ids; -1 where none has."""
    own = np.array([k.id for k in known], np.int64)
    order = np.argsort(own)
    row = voxel_keys.find(own[order], ids)
    return np.append(order, -1)[row]


def _relabel(
    semantic_label: np.ndarray, owner: np.ndarray, known: Sequence[Known], share: float
) -> np.ndarray:
    """(V,) int32: the votes of an object outweigh a voxel's own where `share` of its voxels are of one class.

    A cluster that has swallowed its neighbours shall not paint them over.
    """
    label, member = semantic_label.copy(), np.flatnonzero(owner >= 0)
    own, voted = owner[member], semantic_label[member]
    classes = int(voted.max(initial=0)) + 1
    votes = np.bincount(own * classes + voted, minlength=len(known) * classes).reshape(len(known), classes)
    agree = (votes.max(axis=1, initial=0) >= share * votes.sum(axis=1))[own]
    class_id = np.array([k.instance.class_id for k in known], np.int32)
    label[member[agree]] = class_id[own[agree]]
    return label


def _of_another_class(before: Sequence[Known], now: Sequence[Known]) -> list[bool]:
    """Of each object, whether it was of another class."""
    was = {k.id: k.instance.class_id for k in before}
    return [was.get(k.id, k.instance.class_id) != k.instance.class_id for k in now]


def _labelled_by_hand(
    semantic_label: np.ndarray, said: np.ndarray, memory: Memory, class_names: Sequence[str]
) -> np.ndarray:
    """(V,) int32: a hand's word for each voxel of which it has spoken; of an object's, the object's class."""
    label = semantic_label.copy()
    for one in memory.known:
        label[said == one.id] = one.instance.class_id
    free = (said <= 0) & (said > corrections.UNTOUCHED)
    label[free] = corrections.free_labels(said[free], memory.corrections.hand, class_names)
    return label


def _confidence(segmentation: Segmentation, clusters: Clusters, evidence: Evidence | None) -> np.ndarray:
    """(V,) float32: the probability of the likeliest class on stuff, the clusters' confidence on things."""
    label, of_class = segmentation.semantic_label, segmentation.log_probabilities
    confidence, is_stuff = np.empty(len(label), np.float32), np.ones(len(label), bool)
    confidence[segmentation.thing_rows], is_stuff[segmentation.thing_rows] = clusters.confidence, False
    held = np.zeros(len(label), bool) if evidence is None else is_stuff & (evidence.meanwhile > 0)
    stuff, held = np.flatnonzero(is_stuff), np.flatnonzero(held)
    of_label = of_class.ravel().take(stuff * of_class.shape[1] + label[stuff])
    confidence[stuff] = _sureness(of_label[:, None])
    confidence[held] = _sureness(of_class[held])  # there another class may be likelier than the label
    return confidence


def _sureness(log_probabilities: np.ndarray) -> np.ndarray:
    """(n,) float32: the probability of the likeliest class, of (n, C) log-probabilities."""
    best = log_probabilities.astype(np.float32, copy=False).max(axis=1, initial=-np.inf)
    return np.exp(np.minimum(best, 0))
