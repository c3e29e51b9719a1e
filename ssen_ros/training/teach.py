"""Teach a trained network the rooms of a user, so that it keeps what it knew.

A step shows it a scene of the user's rooms and one of simulated rooms, the replay. Where it knew nothing
better from the user, it shall go on answering as it did before (distillation; Li and Hoiem, Learning without
Forgetting, ECCV 2016). Batch norms keep their statistics, which are of all rooms. In the end the weights are
averaged with those before (see `averaging`): of several shares, that which does best on the part of the user's
rooms that was held back, while what it knew of rooms of the replay that are held back too falls by a point at
most.
"""

import logging
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor
from tqdm import tqdm

from ssen_ros.datasets.labelled_voxels import LabelledVoxels, voxelize
from ssen_ros.evaluation.semantic_iou import class_iou, confusion_matrix
from ssen_ros.features import Anchor
from ssen_ros.floor import find_floor
from ssen_ros.io.samples import Sample
from ssen_ros.labels import IGNORE_INDEX, is_thing
from ssen_ros.models import Checkpoint, Network, NetworkSpec, network_of
from ssen_ros.models.minkunet import MinkUNet
from ssen_ros.sparse.choose import coordinates_on
from ssen_ros.sparse.modules import BatchNorm1d
from ssen_ros.training.averaging import average
from ssen_ros.training.background import everything, imitated
from ssen_ros.training.config import TrainConfig
from ssen_ros.training.dataset import Batch, RoomDataset, collate, draw_scene
from ssen_ros.training.losses import embedding_loss, semantic_loss
from ssen_ros.training.own_rooms import OwnRooms, with_labels_of
from ssen_ros.training.run_folder import Journal, RunFolder
from ssen_ros.training.train import interrupts_noted, learning_rate, progress_of, start_from, tell

log = logging.getLogger(__name__)

SHARES = (1.0, 0.75, 0.5, 0.25, 0.0)  # of the taught weights, which are tried
MAY_FALL = 0.01  # of what was known
_JUDGED = 6  # times in a whole lesson
_PATIENCE = 3  # of them without gain, and the lesson ends
_HELD_REPLAY = 8  # rooms, but no more than a quarter
_OWN, _REPLAY = 0, 1  # scenes of a step
_NEAR = 1.3  # times as many points as a crop needs are cut out before it is drawn


@dataclass(frozen=True)
class Verdict:
    """How good a network is on what it was not taught, 0 to 1.

    Of the semantic network: the mean of accuracy and mIoU on the user's rooms, mIoU on the replay. Of the
    embedding network: how much of an object lies nearer to its own mean than to any other and within
    delta_intra of it, mean over the objects.
    """

    own: float  # NaN where nothing is held
    known: float

    @property
    def both(self) -> float:
        return float(np.nansum([self.own, self.known]))


@dataclass(frozen=True)
class Taught:
    """What became of one network."""

    checkpoint: Checkpoint
    before: Verdict
    after: Verdict
    share: float  # of the taught weights
    steps: int


def lesson_config(checkpoint: Checkpoint, minutes: float, **changes) -> TrainConfig:
    """How a network of this kind is taught: as the shipped ones were trained, in smaller steps."""
    spec = checkpoint.spec
    semantic = spec.task == "semantic"
    config = TrainConfig(
        architecture=spec.architecture, voxel_size=spec.voxel_size, features=",".join(spec.features),
        first_kernel_size=spec.first_kernel_size, embedding_width=spec.embedding_width or 8, p=0.5,
        max_voxels=20_000, crop_share=0.25, batch_size=2, learning_rate=1e-3 if semantic else 5e-4,
        schedule="cosine", weight_decay=1e-4, clip_norm=5.0, steps=100_000, max_minutes=minutes,
        consistency=0.0,
    )  # fmt: skip
    return replace(config, **changes)


def teach(
    checkpoint: Checkpoint,
    own: OwnRooms,
    config: TrainConfig,
    out_dir: Path,
    resume: bool = False,
    keep: float = 1.0,
) -> Taught:
    """Teach one network; `out_dir` receives what a training leaves there, see RunFolder.

    Args:
        checkpoint: the network before; `own` is labelled by its classes and new ones, of which a semantic
            network gets an output each.
        config: `data` is the folder of the replay; see `lesson_config`.
        keep: weight of answering as before.

    Raises ConfigError as `train`; KeyboardInterrupt: interrupted, the state is saved.
    """
    if config.num_threads:
        torch.set_num_threads(config.num_threads)
    torch.manual_seed(config.seed)
    device = torch.device(config.device)
    spec = checkpoint.spec
    if spec.task == "semantic":
        spec = replace(spec, class_names=own.class_names)
    lesson = _Lesson(checkpoint, spec, own, config, keep)
    model = network_of(spec)
    start_from(model, spec, checkpoint)
    model = _train_mode(model.to(device))
    model.coordinates = coordinates_on(device, config.precision)
    optimizer = torch.optim.AdamW(model.parameters(), config.learning_rate, weight_decay=config.weight_decay)
    folder = RunFolder(out_dir, spec, config)
    state: dict = {"step": 0, "elapsed_s": 0.0, "smooth": {}, "marks": 0, "stale": 0, "best": None}
    if resume and (folder.path / "state.pt").is_file():
        state = folder.restore(model, optimizer)
    else:
        folder.check_is_free()
    folder.begin()
    with interrupts_noted() as interrupted, ExitStack() as open_files:
        journal = open_files.enter_context(Journal(folder.path, state["step"], False))
        bar = open_files.enter_context(
            tqdm(total=100, unit="%", desc=spec.task, disable=None, bar_format="{l_bar}{bar}| {elapsed}{postfix}")
        )
        step, smooth = state["step"], state["smooth"]
        marks, stale, best = state["marks"], state["stale"], state["best"]
        elapsed_before, started = state["elapsed_s"], time.monotonic()
        saved = started

        def elapsed_s() -> float:
            return elapsed_before + time.monotonic() - started

        def save() -> None:
            folder.save(
                {"model": model.state_dict(), "optimizer": optimizer.state_dict(), "step": step,
                 "elapsed_s": elapsed_s(), "rooms": lesson.replay.names, "smooth": smooth,
                 "marks": marks, "stale": stale, "best": best},
                model,
            )  # fmt: skip

        while True:
            progress = progress_of(config, step, elapsed_s())
            bar.n = round(100 * min(progress, 1.0))
            if progress * _JUDGED >= marks + 1 or progress >= 1.0:
                marks = int(progress * _JUDGED)
                verdict = lesson.judge(Checkpoint(spec, model))
                gain = best is None or verdict.both > best["both"]
                stale = 0 if gain else stale + 1
                if gain:
                    weights = {name: tensor.clone() for name, tensor in model.state_dict().items()}
                    best = {"both": verdict.both, "model": weights}
                line = {"step": step, "minutes": round(elapsed_s() / 60, 2), **vars(verdict)}
                journal.write(line)
                tell(bar, line)
                save()
            if interrupted:
                save()
                raise KeyboardInterrupt
            if progress >= 1.0 or stale >= _PATIENCE:
                break
            rate = learning_rate(config, step, progress)
            for group in optimizer.param_groups:
                group["lr"] = rate
            terms = lesson.loss(model, lesson.draw(step))
            optimizer.zero_grad()
            terms["loss"].backward()
            torch.nn.utils.clip_grad_norm_(model.parameters(), config.clip_norm)
            optimizer.step()
            step += 1
            for name, value in terms.items():
                smooth[name] = 0.95 * smooth.get(name, value.item()) + 0.05 * value.item()
            if step % config.log_steps == 0:
                line = {"step": step, "minutes": round(elapsed_s() / 60, 2), "lr": rate, **smooth}
                journal.write(line)
                tell(bar, line)
            if time.monotonic() - saved > 60 * config.checkpoint_minutes:
                save()
                saved = time.monotonic()
    model.load_state_dict(best["model"])
    return lesson.averaged(Checkpoint(spec, model.eval(), _provenance(checkpoint, lesson, config, step)), step)


class _Lesson:
    """What is drawn, what is to be minimised, and how it is judged."""

    def __init__(self, before: Checkpoint, spec: NetworkSpec, own: OwnRooms, config: TrainConfig, keep: float):
        self.spec, self.own, self.config, self.keep = spec, own, config, keep
        self._before = before
        self._device = torch.device(config.device)
        self._teacher = Network(before, self._device, config.precision).model
        self._names = own.class_names
        self._things = is_thing(self._names)
        self._named = np.append(self._things, False)  # by label; the last: none
        if "unknown" in self._names:
            self._named[self._names.index("unknown")] = False
        self.replay = RoomDataset(config.data, config.voxel_size)
        held = min(_HELD_REPLAY, len(self.replay) // 4)
        paths = self.replay.paths
        self._held_replay = [self.replay.sample(len(paths) - 1 - k) for k in range(held)]
        self.replay.restrict([path.name for path in paths[: len(paths) - held]])
        self.shares, weights = _balance(before, own)
        self._weights = None if weights is None else torch.tensor(weights, dtype=torch.float32)
        self._shown = everything if spec.task == "semantic" else imitated

    def draw(self, step: int) -> Batch:
        drawn, masks = [], []
        for scene in range(self.config.batch_size):
            rng = np.random.default_rng([self.config.seed, step, scene])
            if scene % 2 == _OWN:
                room = self.own.rooms[rng.integers(len(self.own.rooms))].taught
                room = nearby(rng, room, self.config)
            else:
                room = self._by_own_names(self.replay.sample(int(rng.integers(len(self.replay)))))
            voxels, _ = draw_scene(rng, room, self.config)
            drawn.append(self._without_nameless(voxels))
            masks.append(self._shown(rng, voxels))
        return collate(drawn, masks, self.spec.features)

    def loss(self, model: MinkUNet, batch: Batch) -> dict[str, Tensor]:
        features, coords = batch.features.to(self._device), batch.coords.to(self._device)
        output = model(features, coords)
        with torch.no_grad():
            before = self._teacher(features, coords)
        replayed = batch.scene % 2 == _REPLAY
        if self.spec.task == "semantic":
            taught = semantic_loss(output, batch.semantic_label.clamp(min=IGNORE_INDEX), self._weights)
            rows = replayed | (batch.semantic_label == IGNORE_INDEX)
            apart = _divergence(before[rows], output[rows])
        else:
            c = self.config
            taught = embedding_loss(
                output, batch.instance_label, batch.scene, p=c.p, gamma_intra=c.gamma_intra,
                delta_inter=c.delta_inter, delta_intra=c.delta_intra,
            ).total  # fmt: skip
            apart = (output - before)[replayed].square().sum(1).mean() if replayed.any() else output.sum() * 0.0
        return {"loss": taught + self.keep * apart, "taught": taught, "apart": apart}

    def judge(self, checkpoint: Checkpoint) -> Verdict:
        network = Network(Checkpoint(checkpoint.spec, checkpoint.model.eval()), self._device)
        _train_mode(checkpoint.model)
        size = self.config.voxel_size
        own = [room.held for room in self.own.rooms]
        known = [voxelize(self._by_own_names(sample), size) for sample in self._held_replay]
        if self.spec.task == "semantic":
            accuracy, iou = self._classified(network, own)
            return Verdict((accuracy + iou) / 2, self._classified(network, known)[1])
        return Verdict(self._grouped(network, own), self._grouped(network, known))

    def averaged(self, tuned: Checkpoint, steps: int) -> Taught:
        """The average of the network with the one before that is best by the rule at the top."""
        mixed = {share: average(tuned, self._before, share) for share in SHARES}
        verdicts = {share: self.judge(checkpoint) for share, checkpoint in mixed.items()}
        before = verdicts[0.0]
        allowed = [s for s in SHARES if not verdicts[s].known < before.known - MAY_FALL]
        share = max(allowed, key=lambda s: np.nan_to_num(verdicts[s].own))
        for s, verdict in verdicts.items():
            log.info("%s: share %g: own %.4f, known %.4f", self.spec.task, s, verdict.own, verdict.known)
        return Taught(mixed[share], before, verdicts[share], share, steps)

    def _classified(self, network: Network, maps: list[LabelledVoxels]) -> tuple[float, float]:
        """Accuracy, and mIoU over the classes that are there."""
        classes = self.spec.out_channels
        confusion = np.zeros((classes, classes + 1), np.int64)
        for voxels in maps:
            output = _answers(network, voxels, np.arange(len(voxels.snapshot)))
            confusion += confusion_matrix(voxels.semantic_label, output.argmax(1).numpy(), classes)
        there = confusion.sum(1) > 0
        if not there.any():
            return float("nan"), float("nan")
        return float(np.trace(confusion) / confusion.sum()), float(class_iou(confusion)[there].mean())

    def _grouped(self, network: Network, maps: list[LabelledVoxels]) -> float:
        shares = []
        for voxels in map(self._without_nameless, maps):
            rows = np.flatnonzero((voxels.semantic_label < 0) | self._things[voxels.semantic_label])
            instance = voxels.instance_label[rows]
            rows, instance = rows[instance >= 0], instance[instance >= 0]
            numbers, instance = np.unique(instance, return_inverse=True)
            if len(numbers) < 2:
                continue
            embeddings = _answers(network, voxels, rows).numpy()
            count = np.bincount(instance)
            means = np.stack([np.bincount(instance, column) for column in embeddings.T], axis=1) / count[:, None]
            distance = np.linalg.norm(embeddings[:, None] - means, axis=2)
            right = (distance.argmin(1) == instance) & (distance.min(1) < self.config.delta_intra)
            judged = np.bincount(instance, voxels.semantic_label[rows] >= 0) > 0.5 * count
            shares.extend((np.bincount(instance, right) / count)[judged])
        return float(np.mean(shares)) if shares else float("nan")

    def _by_own_names(self, sample: Sample) -> Sample:
        return with_labels_of(sample, self._names)

    def _without_nameless(self, voxels: LabelledVoxels) -> LabelledVoxels:
        """Things of no class are no objects to the embedding network; it was trained so."""
        if self.spec.task == "semantic":
            return voxels
        nameless = (voxels.semantic_label >= 0) & ~self._named[voxels.semantic_label]
        return replace(voxels, instance_label=np.where(nameless, -1, voxels.instance_label))


def nearby(rng: np.random.Generator, sample: Sample, config: TrainConfig) -> Sample:
    """What lies about a random point of a large map: somewhat more than a crop has; the rest need not be
    augmented."""
    most = int(_NEAR * config.max_voxels * (config.voxel_size / 0.02) ** 2)
    if not config.max_voxels or len(sample) <= most:
        return sample
    ground = sample.points[:, :2]
    distance = np.abs(ground - ground[rng.integers(len(sample))]).max(axis=1)
    rows = np.argpartition(distance, most)[:most]
    return Sample(sample.points[rows], sample.colors[rows], sample.semantic_label[rows], sample.instance_label[rows])


def _train_mode(model: MinkUNet) -> MinkUNet:
    """Batch norms stay as they are: a step sees two scenes, and one of them is not like the rooms to come."""
    model.train()
    for module in model.modules():
        if isinstance(module, BatchNorm1d):
            module.eval()
    return model


def _divergence(before: Tensor, now: Tensor) -> Tensor:
    """Mean Kullback-Leibler divergence, nats, from (n, C) logits to (n, C + new) ones."""
    if not len(before):
        return now.sum() * 0.0
    old = F.log_softmax(before, dim=1)
    return (old.exp() * (old - F.log_softmax(now, dim=1)[:, : before.shape[1]])).sum(1).mean()


def _answers(network: Network, voxels: LabelledVoxels, rows: np.ndarray) -> Tensor:
    snapshot = voxels.snapshot
    anchor = Anchor.over(find_floor(snapshot).height, snapshot.points[rows])
    return network(snapshot, rows, anchor).cpu()


def _balance(before: Checkpoint, own: OwnRooms) -> tuple[dict[str, float], np.ndarray | None]:
    """Shares of the classes, and their (C,) weights in the loss: those of the training before.

    A new class has half the share that it has in the user's rooms, as a step shows one of two scenes from
    there, and the weight that its share had before.
    """
    weight, share = (before.provenance.get(name) for name in ("class_weight", "class_shares"))
    if before.spec.task != "semantic" or not weight or not share:
        return {}, None
    shares, weights = dict(share), dict(weight)
    factor = np.median([weight[n] * max(share[n], 1e-6) ** 0.5 for n in weight])
    for name, found in zip(own.class_names, own.class_shares()):
        if name not in weight:
            shares[name] = float(max(found / 2, 1e-4))
            weights[name] = float(min(factor * shares[name] ** -0.5, max(weight.values())))
    return shares, np.array([weights[name] for name in own.class_names])


def _provenance(before: Checkpoint, lesson: _Lesson, config: TrainConfig, steps: int) -> dict:
    told = {
        "taught": {
            "rooms": [{"name": room.name, "sha256": room.sha256} for room in lesson.own.rooms],
            "replay": len(lesson.replay), "steps": steps, "learning_rate": config.learning_rate,
            "keep": lesson.keep,
        },
        "start": before.provenance,
    }  # fmt: skip
    if lesson.shares:
        weights = lesson._weights.tolist() if lesson._weights is not None else []
        told |= {"class_shares": lesson.shares, "class_weight": dict(zip(lesson.own.class_names, weights))}
    return told
