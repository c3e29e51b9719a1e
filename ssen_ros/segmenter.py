"""Two networks over one snapshot: what each voxel is, and an embedding in which objects are clusters."""

import logging
import math
import os
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar
from weakref import WeakSet

import numpy as np
import torch

from ssen_ros import headroom
from ssen_ros.config import PassesConfig, SegmenterConfig
from ssen_ros.devices import device_of, empty_gpu_cache, is_gpu_failure, is_out_of_memory, on_host
from ssen_ros.errors import CheckpointError, ConfigError, EngineError, shown, shown_names
from ssen_ros.features import Anchor
from ssen_ros.floor import find_floor
from ssen_ros.models import Checkpoint, Network, load_checkpoint
from ssen_ros.models.head_file import load_head
from ssen_ros.native import trim
from ssen_ros.network_spec import chosen_weights
from ssen_ros.object_head import ObjectHead
from ssen_ros.regions import SPARE, Answers, Patched, Voxels, answer
from ssen_ros.sparse import default_engine
from ssen_ros.sparse.native_engine import native_engine, release_memory
from ssen_ros.structures import Evidence, Kept, VoxelSnapshot
from ssen_ros.views import View
from ssen_ros.voxel_keys import Join

log = logging.getLogger(__name__)

LEAST_SHARE = 1e-6  # of a class that no training room had
FAR = 0.5  # m that the middle of the things may move while what is kept is measured from where it was
_TYPICAL = 10_000  # voxels of a map that tells what a voxel's outputs take up
_KEPT_PER_VOXEL = 2000.0  # bytes, before that is known
_SHOWN = 27  # bytes of a voxel beside a network's answer: key, point, colour, and where the answer lies
_ROWS = 1 << 16  # worked on at once


class Segmenter:
    """The semantic and the embedding network, batch norms folded, on one device.

    Raises:
        CheckpointError: the two networks differ in voxel size or classes, or do not do these two tasks.
        ConfigError: the device or engine has no fast arithmetic of that precision.
        EngineError: the engine cannot compute on this device: the GPU answers wrongly or not at all, or
            MinkowskiEngine was asked for and is missing.
    """

    fallback = ""  # why the CPU computes although `auto` found a GPU

    def __init__(
        self,
        semantic: Checkpoint,
        embedding: Checkpoint,
        device: str | torch.device = "cpu",
        precision: str = "float32",
        engine: str = "auto",
        rotations: int = 1,
        prior: float = 0.0,
        object_head: ObjectHead | None = None,
    ):
        for checkpoint, task in ((semantic, "semantic"), (embedding, "embedding")):
            if checkpoint.spec.task != task:
                raise CheckpointError(
                    f"segmenter.{task}_checkpoint: a network for {checkpoint.spec.task!r} was given, "
                    f"expected one for {task!r}; are the two files swapped?"
                )
        a, b = semantic.spec, embedding.spec
        if a.voxel_size != b.voxel_size:
            raise CheckpointError(
                f"voxel_size: semantic network {a.voxel_size}, embedding network {b.voxel_size}; "
                "expected equal"
            )
        if any(one != other for one, other in zip(a.class_names, b.class_names)):  # one may know more
            raise CheckpointError(
                f"class_names: semantic network {a.class_names}, embedding network {b.class_names}; expected "
                "the same, as far as both go"
            )
        self.rotations, self._offset = rotations, prior * log_shares(semantic)
        # One for other classes says nothing: networks that were taught a class go by their voxels' votes.
        fits = object_head is not None and object_head.class_names == a.class_names
        self.object_head = object_head if fits else None
        self.kept_per_voxel = _KEPT_PER_VOXEL  # bytes of each of `KeepingNetworks`
        self.too_many_to_keep = math.inf  # voxels of the smallest map for which memory did not suffice
        self._semantic, self._embedding = (
            Network(checkpoint, device, precision, engine) for checkpoint in (semantic, embedding)
        )

    @classmethod
    def from_config(cls, config: SegmenterConfig) -> "Segmenter":
        semantic, embedding = (
            load_checkpoint(chosen_weights(config, task)) for task in ("semantic", "embedding")
        )
        head = load_head(Path(chosen_weights(config, "object")))
        return cls.from_checkpoints(semantic, embedding, config, head)

    @classmethod
    def from_checkpoints(
        cls,
        semantic: Checkpoint,
        embedding: Checkpoint,
        config: SegmenterConfig,
        object_head: ObjectHead | None = None,
    ) -> "Segmenter":
        """These two networks, whatever checkpoints the configuration names, and the rest as it says.

        A GPU is tried out with them. Raises ConfigError where it fails and was asked for by name; where
        `auto` has found it, the CPU computes instead, and `fallback` says why.
        """
        if config.num_threads:  # more than there are CPUs would only wait for each other
            torch.set_num_threads(min(config.num_threads, os.cpu_count() or 1))
        device = device_of("segmenter.device", config.device)
        rest = config.engine, config.rotations, config.prior, object_head
        try:
            segmenter = cls(semantic, embedding, device, config.precision, *rest)
            if device.type != "cpu":
                segmenter.warm_up()
            return segmenter
        except Exception as error:  # a GPU fails in many ways
            if device.type == "cpu" or not (isinstance(error, EngineError) or is_gpu_failure(error)):
                raise
            asked = f"segmenter.device = {config.device!r}"
            reason = f"{device} cannot compute the networks: {error}"
            if config.device != "auto":
                raise ConfigError(f"{asked}: {reason}; use auto or cpu") from error
        log.warning("%s: %s; the CPU computes them", asked, reason)
        empty_gpu_cache()
        segmenter = cls(semantic, embedding, "cpu", "auto", *rest)
        segmenter.fallback = reason
        return segmenter

    @staticmethod
    def release_memory() -> None:
        """Give back what is kept from pass to pass. Segmenters that live on keep nothing of such a map."""
        for networks in list(_keeping):
            networks.let_go()
        release_memory()
        default_engine.cache_clear()  # it would keep the engine that the next line lets go
        native_engine.cache_clear()
        trim()
        empty_gpu_cache()

    @property
    def voxel_size(self) -> float:
        """m, of the maps the networks were trained on."""
        return self._semantic.spec.voxel_size

    @property
    def class_names(self) -> tuple[str, ...]:
        return self._semantic.spec.class_names

    @property
    def device(self) -> torch.device:
        return self._semantic.device

    @property
    def networks(self) -> tuple[Network, Network]:
        """The semantic one and the embedding one."""
        return self._semantic, self._embedding

    def warm_up(self) -> None:
        """Answer for a few voxels, so that what is loaded and compiled at the first call is there."""
        coords = np.mgrid[0:8, 0:8, 0:3].reshape(3, -1).T.astype(np.int32)
        points = ((coords + 0.5) * self.voxel_size).astype(np.float32)
        snapshot = VoxelSnapshot(coords, points, np.full(coords.shape, 128, np.uint8), self.voxel_size)
        answers = self.semantic(snapshot, 0.0), self.embed(snapshot, np.arange(len(snapshot)), 0.0)
        if not all(np.isfinite(answer).all() for answer in answers):
            raise EngineError(f"the networks' answers in precision {self._semantic.precision} are not finite")

    def to(self, device: str | torch.device) -> "Segmenter":
        """Move the networks; in float32 where the device is not fast in the precision asked for."""
        for network in self.networks:
            try:
                network.to(device, network.precision)
            except ConfigError as error:
                if network.precision == "float32":
                    raise
                log.warning("%s: going on in float32", error)
                network.to(device, "float32")
        return self

    def continued(
        self, kept: Kept | None, voxels: int, config: PassesConfig
    ) -> "KeepingNetworks | RegionNetworks | None":
        """The networks for one pass over so many voxels, going on from what was kept of the passes before.

        With `auto` all layers are kept, of as many of them as there is memory for: each view is one, and the
        embedding network is the last. Where it suffices for none, where MinkowskiEngine computes, and with
        `regions` they keep their answers. None where there is no memory for these either. What was kept in
        another way is let go.
        """
        before: Any = kept.networks if kept else None
        is_whole = kept is None or kept.passes != before.passes
        allowed = min(config.memory_mb * 1e6, headroom.free_bytes() + (before.nbytes if before else 0))
        affordable = int(allowed / max(1.0, voxels * self.kept_per_voxel))
        keeps_layers = config.incremental == "auto" and self._embedding.engine != "minkowski"
        networks = None
        if keeps_layers and affordable >= 1 and voxels < self.too_many_to_keep:
            goes_on = isinstance(before, KeepingNetworks) and before.fit(self, config)
            networks = before if goes_on else KeepingNetworks(self, config)
            networks.keep(affordable)
            networks.begin(voxels, is_whole)
        elif allowed >= voxels * sum(map(_bytes_of_answer, self.networks)):
            goes_on = isinstance(before, RegionNetworks) and before.segmenter is self and not is_whole
            networks = RegionNetworks(self, config.whole_share, *(before.answers if goes_on else ()))
        if isinstance(before, KeepingNetworks) and before is not networks:
            before.forget()
        return networks

    def recalled(self, evidence: Evidence, anchor: Anchor, config: PassesConfig) -> Kept | None:
        """What a pass over a map that was loaded goes on from: what was said of its voxels.

        No embeddings are saved, so the embedding network's first pass is a whole one.
        """
        if config.incremental == "off":
            return None
        shown = Voxels(evidence.keys, evidence.points, evidence.colors)
        values = Patched.of(evidence.mean.astype(np.float32))
        classes = Answers(shown, values, np.empty(0, np.int64), anchor)
        return Kept(RegionNetworks(self, config.whole_share, classes), RegionNetworks.passes, share=1.0)

    @torch.inference_mode()
    def semantic(self, snapshot: VoxelSnapshot, floor: float | None = None, turn: int = 0) -> np.ndarray:
        """(V, C) float32 log-probabilities of the classes: of the mean over rotations (paper, Table II).

        `floor` is the z of the map's floor, m; without it, it is looked for. `turn`: see `turned`.
        """
        floor = find_floor(snapshot).height if floor is None else floor
        return self.semantic_from(Anchor.over(floor, snapshot.points, snapshot.heading), snapshot, turn)

    @torch.inference_mode()
    def semantic_from(self, anchor: Anchor, snapshot: VoxelSnapshot, turn: int = 0) -> np.ndarray:
        """As `semantic`; heights and positions are measured from there, and near there views are turned."""
        views = (self.view(snapshot, anchor, k, turn) for k in range(self.rotations))
        return on_host(self.mean(map(self._log_probabilities, views)))

    def view(self, snapshot: VoxelSnapshot, anchor: Anchor, k: int, turn: int = 0) -> View:
        """The map as it is seen for the k-th of the rotations.

        Every other turn stands a quarter further, where walls lie to the grid as the networks know them.
        """
        angle = 2 * np.pi * k / self.rotations + turn % 2 * np.pi / 2
        return View.of(snapshot, anchor, angle, k + turn * self.rotations + turn // 2)

    def turned(self, turn: int) -> "TurnedNetworks":
        """The same networks, with other views than in the turns before: turned otherwise, or moved against
        the grid; with two rotations no view comes twice in eight turns. Turn 0 is as ever."""
        return TurnedNetworks(self, turn)

    def mean(self, by_view: Iterable[torch.Tensor]) -> torch.Tensor:
        """Log-probabilities (n, C) of the mean over the rotations; the first takes it up."""
        views = iter(by_view)
        total = next(views)
        for other in views:  # one at a time: a hundred of a large map are gigabytes
            torch.logaddexp(total, other, out=total)
        return total.sub_(math.log(self.rotations))

    def classify(self, logits: torch.Tensor) -> torch.Tensor:
        """(n, C) log-probabilities of the semantic network's (n, C) float32 outputs, in their place."""
        offset = self._offset.to(logits)
        for rows in logits.split(_ROWS):  # of a large map each copy is a hundred megabytes
            rows.copy_(torch.log_softmax(rows + offset, dim=1))
        return logits

    def embed(
        self, snapshot: VoxelSnapshot, thing_rows: np.ndarray, floor: float | None = None
    ) -> np.ndarray:
        """(T, d) float32 embeddings of the rows that are things (paper, Sec. III: no background)."""
        floor = find_floor(snapshot).height if floor is None else floor
        anchor = Anchor.over(floor, snapshot.points[thing_rows], snapshot.heading)
        return self.embed_from(anchor, snapshot, thing_rows)

    def embed_from(self, anchor: Anchor, snapshot: VoxelSnapshot, thing_rows: np.ndarray) -> np.ndarray:
        """As `embed`; heights and positions are measured from there."""
        return _embeddings(self._embedding, snapshot, thing_rows, anchor)

    def _log_probabilities(self, view: View) -> torch.Tensor:
        """(V, C) of the voxels of the map."""
        found = self._semantic(view.snapshot, view.anchor)
        return view.of_map(self.classify(found))


_keeping: "WeakSet[KeepingNetworks]" = WeakSet()
Answer = TypeVar("Answer")


@dataclass(frozen=True)
class TurnedNetworks:
    """A segmenter's networks, of which the semantic one sees other views of the map."""

    segmenter: Segmenter
    turn: int

    def semantic(self, snapshot: VoxelSnapshot, floor: float) -> np.ndarray:
        """As Segmenter's."""
        return self.segmenter.semantic(snapshot, floor, self.turn)

    def embed(self, snapshot: VoxelSnapshot, thing_rows: np.ndarray, floor: float) -> np.ndarray:
        """Segmenter's."""
        return self.segmenter.embed(snapshot, thing_rows, floor)


class KeepingNetworks:
    """A segmenter's networks for pass after pass, each going on from what it computed before.

    Where memory runs out they let go of all that they keep, and the segmenter makes the rest of the pass.
    """

    def __init__(self, segmenter: Segmenter, config: PassesConfig):
        self._segmenter, self._config, self._device = segmenter, config, segmenter.device
        semantic, embedding = segmenter.networks
        self._views = [_Keeping(semantic, config) for _ in range(segmenter.rotations)]
        self._embedding = _Keeping(embedding, config)
        for view in self._views:
            view.kept.answers_all = False
        self._networks = [*self._views, self._embedding]
        # Of the map's voxels, by their keys: the mean's log-probabilities, and their slots in the views.
        self._keys = np.empty(0, np.int64)
        self._answers: torch.Tensor | None = None
        self._slots = torch.empty(0)
        self._voxels = 0  # of the map of this pass, or of the last one
        self._keeps = True  # in this pass
        self.passes = 0
        _keeping.add(self)

    def fit(self, segmenter: Segmenter, config: PassesConfig) -> bool:
        """Whether they are this segmenter's, as it is now, and keep what this configuration says."""
        return segmenter is self._segmenter and (config, segmenter.device) == (self._config, self._device)

    def keep(self, count: int) -> None:
        """Keep what so many of the networks compute; let go what the others have kept."""
        for number, network in enumerate(self._networks):
            network.keep(number < count)

    def begin(self, voxels: int, whole: bool) -> None:
        """The next pass, over so many voxels."""
        self.passes += 1
        self._voxels, self._keeps = voxels, True
        for network in self._networks:
            network.begin(whole)

    def forget(self) -> None:
        """Give back all that is kept; the next pass is a whole one."""
        self._keys, self._answers, self._slots = np.empty(0, np.int64), None, torch.empty(0)
        for network in self._networks:
            network.kept.forget()

    def let_go(self) -> None:
        """As `forget`, for good: of maps as large as this one nothing is kept any more, memory is short."""
        self._keeps = False
        self._segmenter.too_many_to_keep = min(self._segmenter.too_many_to_keep, self._voxels)
        self.forget()

    @property
    def share(self) -> float:
        """Of a whole pass's multiplications, how many this pass made.

        A network that has never kept anything counts as much as the first.
        """
        if not self._keeps:
            return 1.0
        asked = [network for network in self._networks if network.asked]
        whole = [network.whole_work or self._views[0].whole_work for network in asked]
        made = sum(one.kept.work if one.keeps else work for one, work in zip(asked, whole))
        return made / max(1, sum(whole))

    @property
    def nbytes(self) -> int:
        answers = 0 if self._answers is None else self._answers.nbytes + self._slots.nbytes
        return sum(n.kept.nbytes for n in self._networks) + answers + self._keys.nbytes

    def semantic(self, snapshot: VoxelSnapshot, floor: float) -> np.ndarray:
        """As Segmenter's; what no view has changed is looked up."""
        return self._while_memory_lasts(
            lambda: self._semantic(snapshot, floor), lambda: self._segmenter.semantic(snapshot, floor)
        )

    def embed(self, snapshot: VoxelSnapshot, thing_rows: np.ndarray, floor: float) -> np.ndarray:
        """As Segmenter's."""
        embeddings = self._while_memory_lasts(
            lambda: _embeddings(
                self._embedding,
                snapshot,
                thing_rows,
                Anchor.over(floor, snapshot.points[thing_rows], snapshot.heading),
            ),
            lambda: self._segmenter.embed(snapshot, thing_rows, floor),
        )
        if self._keeps and len(snapshot) > _TYPICAL:
            keeping = sum(network.keeps for network in self._networks)
            self._segmenter.kept_per_voxel = self.nbytes / keeping / len(snapshot)
        return embeddings

    def _while_memory_lasts(self, keeping: Callable[[], Answer], without: Callable[[], Answer]) -> Answer:
        if self._keeps:
            try:
                return keeping()
            except (RuntimeError, MemoryError) as error:
                if not is_out_of_memory(error):
                    self.forget()
                    raise
            log.warning("out of memory: of maps of %d voxels and more, nothing is kept now", self._voxels)
            self.let_go()
            trim()
        return without()

    @torch.inference_mode()
    def _semantic(self, snapshot: VoxelSnapshot, floor: float) -> np.ndarray:
        anchor = Anchor.over(floor, snapshot.points, snapshot.heading)
        by_view = []
        for k, network in enumerate(self._views):
            view = self._segmenter.view(snapshot, anchor, k)
            found = network(view.snapshot, view.anchor)
            if network.keeps:
                kept = network.kept
                by_view.append((kept.outputs, view.of_map(kept.slots), view.of_map(kept.changed)))
            else:
                rows = view.of_map(torch.arange(len(view.snapshot), device=self._device))
                by_view.append((found.__getitem__, rows, torch.ones_like(rows, dtype=torch.bool)))
        slots = torch.stack([slots for _, slots, _ in by_view])
        changed = torch.stack([changed for _, _, changed in by_view]).any(0)
        if self._answers is None:
            answers = torch.empty(len(snapshot), len(self._segmenter.class_names), device=self._device)
            changed[:] = True
        else:
            before = torch.from_numpy(Join.of(self._keys, snapshot.keys).rows).to(self._device)
            answers, of_old = self._answers[before], self._slots[:, before]  # those of new voxels are any
            # A voxel of the map may have come to another one of the view, whose answer is as it was.
            changed |= (before < 0) | (of_old != slots).any(0)
        rows = changed.nonzero().view(-1)
        logits = (outputs(slots[rows]).float() for outputs, slots, _ in by_view)
        answers[rows] = self._segmenter.mean(map(self._segmenter.classify, logits))
        self._keys, self._answers, self._slots = snapshot.keys, answers, slots
        return on_host(answers.clone())


class RegionNetworks:
    """A segmenter's networks for one pass: they run where the map is another than they have answered for.

    Each pass has its own, which begin with the `answers` of those before and leave them as they are. Without
    any, the pass is a whole one. So it is for a network that would be given more than `whole_share` of its
    voxels, and for one that has to measure heights or positions from elsewhere (`has_moved`).
    """

    passes = 1

    def __init__(
        self,
        segmenter: Segmenter,
        whole_share: float,
        classes: Answers | None = None,
        embeddings: Answers | None = None,
    ):
        self.segmenter, self._whole_share = segmenter, whole_share
        self._classes, self._embeddings = classes, embeddings
        self._asked = self._run = 0  # voxels, once for each view

    @property
    def answers(self) -> tuple[Answers | None, Answers | None]:
        """Of the semantic and the embedding network; None: it has not answered yet."""
        return self._classes, self._embeddings

    @property
    def share(self) -> float:
        """Of the voxels that whole passes give to the networks, how many this pass gave them."""
        return self._run / self._asked if self._asked else 1.0

    @property
    def nbytes(self) -> int:
        return sum(one.nbytes for one in self.answers if one)

    def semantic(self, snapshot: VoxelSnapshot, floor: float) -> np.ndarray | Patched:
        """As Segmenter's; what no change reaches is neither computed nor copied."""
        segmenter = self.segmenter

        def run(rows: np.ndarray, anchor: Anchor) -> np.ndarray:
            return segmenter.semantic_from(
                anchor, snapshot if len(rows) == len(snapshot) else snapshot.at(rows)
            )

        voxels = Voxels(snapshot.keys, snapshot.points, snapshot.colors)
        network, views = segmenter.networks[0], segmenter.rotations
        anchor = Anchor.over(floor, snapshot.points, snapshot.heading)
        self._classes = self._answered(self._classes, voxels, anchor, network, views, run)
        values = self._classes.values
        return values if len(values.blocks) > 1 else np.asarray(values)

    def embed(self, snapshot: VoxelSnapshot, thing_rows: np.ndarray, floor: float) -> np.ndarray:
        """As Segmenter's; what no change reaches is looked up."""

        def run(rows: np.ndarray, anchor: Anchor) -> np.ndarray:
            return self.segmenter.embed_from(anchor, snapshot, thing_rows[rows])

        shown = snapshot.keys, snapshot.points, snapshot.colors
        voxels = Voxels(*(array.take(thing_rows, axis=0) for array in shown))
        network = self.segmenter.networks[1]
        anchor = Anchor.over(floor, voxels.points, snapshot.heading)
        self._embeddings = self._answered(self._embeddings, voxels, anchor, network, 1, run)
        return np.asarray(self._embeddings.values)

    def _answered(
        self,
        known: Answers | None,
        voxels: Voxels,
        anchor: Anchor,
        network: Network,
        views: int,
        run: Callable[[np.ndarray, Anchor], np.ndarray],
    ) -> Answers:
        if known and has_moved(known.anchor, anchor, network, FAR):
            known = None
        answers, count = answer(known, voxels, anchor, run, self._whole_share)
        self._asked += views * len(voxels.keys)
        self._run += views * count
        return answers


class _Keeping:
    """One network, and the anchor that holds for as long as what it keeps."""

    def __init__(self, network: Network, config: PassesConfig):
        self._network, self._anchor = network, Anchor(0.0, (0.0, 0.0))
        self.kept = network.incremental(config.threshold, config.whole_share)
        self.asked, self.keeps = False, True
        self.whole_work = 0  # multiplications of the last whole pass whose outputs were kept
        self._far = FAR if config.threshold else 0.0

    def keep(self, keeps: bool) -> None:
        if self.keeps and not keeps:
            self.kept.forget()
        self.keeps = keeps

    def begin(self, whole: bool) -> None:
        self.asked = False  # in this pass
        self.kept.begin(whole)

    def __call__(self, snapshot: VoxelSnapshot, now: Anchor) -> torch.Tensor:
        self.asked = True
        if not self.keeps:
            return self._network(snapshot, now)
        if self.kept.is_due or has_moved(self._anchor, now, self._network, self._far):
            self._anchor = now
            self.kept.begin(whole=True)
        found = self._network(snapshot, self._anchor, self.kept)
        self.whole_work = self.kept.whole_work
        return found


def _embeddings(
    network: "Network | _Keeping", snapshot: VoxelSnapshot, thing_rows: np.ndarray, anchor: Anchor
) -> np.ndarray:
    """(T, d) float32 embeddings of these rows, of which the network sees a view of their own."""
    things = snapshot if len(thing_rows) == len(snapshot) else snapshot.at(thing_rows)
    view = View.of(things, anchor)
    return view.of_map(on_host(network(view.snapshot, view.anchor)))


def _bytes_of_answer(network: Network) -> float:
    """For each voxel of the map, by regions."""
    return _SHOWN + 4 * network.spec.out_channels * (1 + SPARE)


def log_shares(checkpoint: Checkpoint) -> torch.Tensor:
    """(C,) logarithms of the classes' shares of the training rooms, or zeros where the checkpoint has none.

    Raises CheckpointError where it has those of other classes.
    """
    shares = checkpoint.provenance.get("class_shares")
    names = checkpoint.spec.class_names
    if shares is None:
        return torch.zeros(checkpoint.spec.out_channels)
    if not isinstance(shares, dict) or set(shares) != set(names):
        found = shown_names(shares) if isinstance(shares, dict) else shown(shares)
        raise CheckpointError(
            f"the checkpoint's class_shares are of {found}, expected {', '.join(names)}; "
            "write them anew with scripts/class_shares.py"
        )
    wrong = [n for n in names if not isinstance(shares[n], int | float) or not 0 <= shares[n] <= 1]
    if wrong:
        raise CheckpointError(f"the checkpoint's class share of {wrong[0]}: expected a number from 0 to 1")
    return torch.tensor([shares[name] for name in names]).clamp(min=LEAST_SHARE).log()


def has_moved(before: Anchor, now: Anchor, network: Network, far: float) -> bool:
    """Whether what a network said from the one anchor is not what it says from the other."""
    placed = "xyz" in network.spec.features  # else what it sees lies nowhere
    moved = before.floor != now.floor or before.heading != now.heading
    return moved or (placed and math.dist(before.centre, now.centre) > far)
