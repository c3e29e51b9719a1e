"""One network taught the rooms of a user, so that it keeps what it knew.

A step shows it a scene of the user's rooms and one of simulated rooms, the replay. Where the user's labels
say nothing better it shall go on answering as it did before (distillation; Li and Hoiem, Learning without
Forgetting, ECCV 2016): a semantic network in all of the replay, where the user annotated nothing, and in the
share that it gave to classes which the user's rooms lack. Batch norms keep their statistics, which are of all
sorts of rooms. In the end the weights are averaged with those before (see `averaging`). Each of several
shares is judged on the part of the user's rooms that was held back, and on rooms of the replay that were held
back too. Of those that gain half a point on the former and lose one and a half at most on the latter, the one
is taken that does best on both together; where there is none, the network stays as it was.
"""

import logging
import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor
from tqdm import tqdm

from ssen_ros.datasets.labelled_voxels import LabelledVoxels, voxelize
from ssen_ros.evaluation.semantic_iou import class_iou
from ssen_ros.io.samples import VOXEL_SIZE, Sample
from ssen_ros.labels import IGNORE_INDEX
from ssen_ros.models import Checkpoint, Network, network_of
from ssen_ros.models.minkunet import MinkUNet
from ssen_ros.sparse.choose import coordinates_on
from ssen_ros.sparse.modules import BatchNorm1d
from ssen_ros.training.averaging import average
from ssen_ros.training.background import everything, imitated
from ssen_ros.training.config import TrainConfig
from ssen_ros.training.dataset import Batch, RoomDataset, collate, draw_scene
from ssen_ros.training.judge import Judge, PipelineOf, Verdict, confusion_of, objects_alone
from ssen_ros.training.losses import corrected_loss, divergence, embedding_loss
from ssen_ros.training.own_rooms import OwnRooms, with_labels_of
from ssen_ros.training.run_folder import Journal, RunFolder
from ssen_ros.training.train import interrupts_noted, learning_rate, progress_of, start_from, tell

log = logging.getLogger(__name__)

SHARES = (1.0, 0.75, 0.5, 0.25, 0.0)  # of the taught weights, which are tried
GAIN = 0.005  # at least, on the user's rooms
MAY_FALL = 0.015  # of what was known: a point, and half of one because twelve rooms tell no better
KEEP = {"semantic": 2.0, "embedding": 1.0}  # weight of answering as before, beside the user's labels

_JUDGED = 6  # times in a whole lesson
_PATIENCE = 3  # of them clearly worse than the best, and the lesson ends
_CLEARLY = 0.01
_HELD_ROOMS = 12  # of the replay, but no more than a third: of few, one object decides
_BELOW = 0.1  # nats
_LEAST = 1e-4  # share of a class
_SPARE = 1.3  # times as many points as a crop needs are cut out of a large room before it is drawn


@dataclass(frozen=True)
class Taught:
    """What became of one network."""

    checkpoint: Checkpoint
    before: Verdict
    judged: Mapping[float, Verdict]  # of each share of the taught weights
    share: float  # that was taken; 0: none
    steps: int
    new_classes: Mapping[str, float]  # IoU of each in the user's rooms, taught or held

    @property
    def after(self) -> Verdict:
        return self.judged[self.share]


def lesson_config(checkpoint: Checkpoint, minutes: float, **changes: Any) -> TrainConfig:
    """How a network like this is taught: as the shipped ones were trained, in smaller steps."""
    spec = checkpoint.spec
    config = TrainConfig(
        architecture=spec.architecture, voxel_size=spec.voxel_size, features=",".join(spec.features),
        first_kernel_size=spec.first_kernel_size, embedding_width=spec.embedding_width or 8, p=0.5,
        max_voxels=20_000, crop_share=0.25, batch_size=2, schedule="cosine", weight_decay=1e-4, clip_norm=5.0,
        learning_rate=1e-3 if spec.task == "semantic" else 5e-4, steps=100_000, max_minutes=minutes,
    )  # fmt: skip
    return replace(config, **changes)


@dataclass
class _State:
    """Where a lesson stands; all of it is kept in its folder."""

    step: int = 0
    elapsed_s: float = 0.0  # of the runs before this one
    smooth: dict[str, float] = field(default_factory=dict)
    marks: int = 0  # how often it was judged
    stale: int = 0  # how often since the best
    best: float = -np.inf
    best_model: dict[str, Tensor] = field(default_factory=dict)


def give_lesson(
    checkpoint: Checkpoint,
    own: OwnRooms,
    pipeline_of: PipelineOf,
    config: TrainConfig,
    out_dir: Path,
    resume: bool = False,
) -> Taught:
    """Teach one network; `out_dir` receives what a training leaves there, see RunFolder.

    Args:
        checkpoint: the network before; `own` is labelled by its classes and new ones, of which a semantic
            network gets an output each.
        pipeline_of: what the network is used in, by which it is judged.
        config: see `lesson_config`; `data` is the folder of the replay.
        resume: go on from what is in `out_dir`, if anything.

    Raises ConfigError as `train`; KeyboardInterrupt: interrupted, the state is saved.
    """
    if config.num_threads:
        torch.set_num_threads(config.num_threads)
    torch.manual_seed(config.seed)
    lesson = _Lesson(checkpoint, own, pipeline_of, config)
    model = lesson.network()
    _in_training(model.to(lesson.device)).coordinates = coordinates_on(lesson.device, config.precision)
    optimizer = torch.optim.AdamW(model.parameters(), config.learning_rate, weight_decay=config.weight_decay)
    folder, state = RunFolder(out_dir, lesson.spec, config), _State()
    if resume and folder.has_state:
        kept = folder.restore(model, optimizer)
        state = _State(**{name: kept[name] for name in vars(state)})
    else:
        folder.check_is_free()
    folder.begin()
    with interrupts_noted() as interrupted, ExitStack() as open_files:
        journal = open_files.enter_context(Journal(folder.path, state.step, config.tensorboard))
        look = "{l_bar}{bar}| {elapsed}{postfix}"
        bar = open_files.enter_context(tqdm(total=100, desc=lesson.spec.task, disable=None, bar_format=look))
        elapsed_before, started, saved = state.elapsed_s, time.monotonic(), time.monotonic()

        def note(line: dict[str, float]) -> None:
            line = {"step": state.step, "minutes": round(state.elapsed_s / 60, 2), **line}
            journal.write(line)
            tell(bar, line)

        def save() -> None:
            networks = {"model": model.state_dict(), "optimizer": optimizer.state_dict()}
            folder.save({**networks, "rooms": lesson.replay.names, **vars(state)}, model)

        while True:
            state.elapsed_s = elapsed_before + time.monotonic() - started
            progress = progress_of(config, state.step, state.elapsed_s)
            bar.update(round(100 * min(progress, 1.0)) - bar.n)
            if progress * _JUDGED >= state.marks + 1:
                _look_back(lesson.judge, Checkpoint(lesson.spec, model), state, progress, note)
                save()
            if interrupted:
                save()
                raise KeyboardInterrupt
            if progress >= 1.0 or state.stale >= _PATIENCE:
                break
            rate = learning_rate(config, state.step, progress)
            for group in optimizer.param_groups:
                group["lr"] = rate
            terms = lesson.loss(model, lesson.draw(state.step))
            optimizer.zero_grad()
            terms["loss"].backward()
            torch.nn.utils.clip_grad_norm_(model.parameters(), config.clip_norm)
            optimizer.step()
            state.step += 1
            for name, term in terms.items():
                state.smooth[name] = 0.95 * state.smooth.get(name, term.item()) + 0.05 * term.item()
            if state.step % config.log_steps == 0:
                note({"lr": rate, **state.smooth})
            if time.monotonic() - saved > 60 * config.checkpoint_minutes:
                save()
                saved = time.monotonic()
    model.load_state_dict(state.best_model)
    return lesson.averaged(model.eval(), state.step)


def _look_back(judge: Judge, checkpoint: Checkpoint, state: _State, progress: float, note: Any) -> None:
    """Judge the network as it is, and keep it unless one before was clearly better."""
    verdict = judge(Checkpoint(checkpoint.spec, checkpoint.model.eval()))
    _in_training(checkpoint.model)
    state.marks, state.stale = int(progress * _JUDGED), state.stale + 1
    if verdict.both > state.best - _CLEARLY:
        model = checkpoint.model.state_dict()
        state.best, state.stale = max(verdict.both, state.best), 0
        state.best_model = {name: tensor.clone() for name, tensor in model.items()}
    note(vars(verdict))


def _in_training(model: MinkUNet) -> MinkUNet:
    """Batch norms stay as they are: a step sees two scenes, and not those that the network will meet."""
    model.train()
    for module in model.modules():
        if isinstance(module, BatchNorm1d):
            module.eval()
    return model


class _Lesson:
    """What is drawn, what is to be minimised, and what is made of it."""

    def __init__(self, before: Checkpoint, own: OwnRooms, pipeline_of: PipelineOf, config: TrainConfig):
        self.device = torch.device(config.device)
        self._before, self._own, self._config = before, own, config
        semantic = before.spec.task == "semantic"
        self.spec = replace(before.spec, class_names=own.class_names) if semantic else before.spec
        self._teacher = Network(before, self.device, config.precision).model
        self._shown = everything if semantic else imitated
        self._shares, self._weights = _balance(before, own)
        self._balance = torch.tensor([*self._weights.values()], device=self.device) if self._weights else None
        self._absent = torch.tensor(own.class_shares() == 0, device=self.device)
        self.replay = RoomDataset(config.data, config.voxel_size)
        held = min(_HELD_ROOMS, len(self.replay) // 3)
        names = self.replay.names
        known = [self._replayed(len(names) - 1 - k) for k in range(held)]
        self.replay.restrict(names[: len(names) - held])
        self.judge = Judge(
            [room.judged for room in own.rooms],
            [voxelize(room, config.voxel_size) for room in known],
            own.class_names,
            pipeline_of,
        )

    def _replayed(self, index: int) -> Sample:
        return with_labels_of(self.replay.sample(index), self._own.class_names)

    def network(self) -> MinkUNet:
        """The network before; a new class begins as what its voxels were taken for, and a little below."""
        model = network_of(self.spec)
        start_from(model, self.spec, self._before)
        new = range(self._before.spec.out_channels, self.spec.out_channels)
        if new:
            rooms = [voxelize(room.taught, self._config.voxel_size) for room in self._own.rooms]
            taken_for = self._confusion(self._before, rooms)
            state = model.state_dict()  # shares its memory with the model
            for c in new:
                old = int(taken_for[c, : new.start].argmax())
                state["final.kernel"][:, c] = state["final.kernel"][:, old]
                state["final.bias"][:, c] = state["final.bias"][:, old] - _BELOW
        return model

    def draw(self, step: int) -> Batch:
        """Scenes of the user's rooms and of the replay, in turn."""
        drawn, masks = [], []
        for scene in range(self._config.batch_size):
            rng = np.random.default_rng([self._config.seed, step, scene])
            if scene % 2 == 0:
                room = self._own.rooms[rng.integers(len(self._own.rooms))].taught
                room = nearby(rng, room, self._config)
            else:
                room = self._replayed(int(rng.integers(len(self.replay))))
            voxels, _ = draw_scene(rng, room, self._config, self._config.voxel_size)
            masks.append(self._shown(rng, voxels))
            drawn.append(voxels)
        if self.spec.task == "embedding":
            drawn = [objects_alone(voxels, self._own.class_names) for voxels in drawn]
        return collate(drawn, masks, self.spec.features)

    def loss(self, model: MinkUNet, batch: Batch) -> dict[str, Tensor]:
        """`loss`, to be minimised, and its two parts."""
        features, coords = batch.features.to(self.device), batch.coords.to(self.device)
        output = model(features, coords)
        with torch.no_grad():
            before = self._teacher(features, coords)
        kept = batch.scene % 2 == 1
        if self.spec.task == "semantic":
            label = batch.semantic_label.to(self.device)
            corrected = ~kept & (label >= 0)
            taught = corrected_loss(
                output[corrected], before[corrected], label[corrected], self._absent,
                class_weight=self._balance,
            )  # fmt: skip
            kept |= label == IGNORE_INDEX
            apart = divergence(before[kept], output[kept])
        else:
            c = self._config
            taught = embedding_loss(
                output, batch.instance_label, batch.scene, p=c.p, gamma_intra=c.gamma_intra,
                delta_inter=c.delta_inter, delta_intra=c.delta_intra,
            ).total  # fmt: skip
            apart = (output - before)[kept].square().sum(1).mean() if kept.any() else output.sum() * 0.0
        return {"loss": taught + KEEP[self.spec.task] * apart, "taught": taught, "apart": apart}

    def averaged(self, model: MinkUNet, steps: int) -> Taught:
        """The best average of the network with the one before, by the rule at the top."""
        tuned = Checkpoint(self.spec, model, self._provenance(steps))
        mixed = {share: average(tuned, self._before, share) for share in SHARES}
        verdicts = {}
        for share, candidate in mixed.items():
            verdicts[share] = verdict = self.judge(candidate)
            log.info(
                "%s, %g %% of the taught weights: %.1f on your held rooms, %.1f on those of the replay",
                self.spec.task, 100 * share, 100 * verdict.own, 100 * verdict.known,
            )  # fmt: skip
        before = verdicts[0.0] if self.spec == self._before.spec else self.judge(self._before)
        share = best_share(verdicts, before)
        checkpoint, new = mixed[share], set(self._own.class_names) - set(self._before.spec.class_names)
        iou: dict[str, float] = {}
        if new and self.spec.task == "semantic":
            rooms = [voxelize(room.whole, self._config.voxel_size) for room in self._own.rooms]
            iou = dict(zip(self._own.class_names, class_iou(self._confusion(checkpoint, rooms)).tolist()))
        return Taught(checkpoint, before, verdicts, share, steps, {n: iou[n] for n in iou if n in new})

    def _confusion(self, checkpoint: Checkpoint, maps: Sequence[LabelledVoxels]) -> np.ndarray:
        network = Network(checkpoint, self.device)
        return confusion_of(network, maps, len(self._own.class_names))

    def _provenance(self, steps: int) -> dict[str, Any]:
        taught = {
            "rooms": [{"name": room.name, "sha256": room.sha256} for room in self._own.rooms],
            "replay": len(self.replay), "steps": steps, "learning_rate": self._config.learning_rate,
            "keep": KEEP[self.spec.task],
        }  # fmt: skip
        balance = {"class_shares": self._shares, "class_weight": self._weights} if self._weights else {}
        return {"taught": taught, **balance, "start": self._before.provenance}


def best_share(verdicts: Mapping[float, Verdict], before: Verdict) -> float:
    """The share of the taught weights to take, by the rule at the top; 0: none."""
    allowed = [
        share
        for share, verdict in verdicts.items()
        if verdict.own >= before.own + GAIN and not verdict.known < before.known - MAY_FALL
    ]
    return max(allowed, key=lambda share: verdicts[share].both, default=0.0)


def nearby(rng: np.random.Generator, sample: Sample, config: TrainConfig) -> Sample:
    """What lies about a random point of a large room, somewhat more than a crop needs: the rest need not be
    augmented."""
    most = int(_SPARE * config.max_voxels * (config.voxel_size / VOXEL_SIZE) ** 2)
    if not config.max_voxels or len(sample) <= most:
        return sample
    ground = sample.points[:, :2]
    distance = np.abs(ground - ground[rng.integers(len(sample))]).max(axis=1)
    rows = np.argpartition(distance, most)[:most]
    label, instance = sample.semantic_label[rows], sample.instance_label[rows]
    return Sample(sample.points[rows], sample.colors[rows], label, instance)


def _balance(before: Checkpoint, own: OwnRooms) -> tuple[dict[str, float], dict[str, float]]:
    """Shares of the classes, and their weights in the loss, in the order of the classes: as before.

    A new class has half the share that it has in the user's rooms, as half of the scenes are from there, and
    the weight that a class of this share had before. Both are empty where all classes weigh alike.
    """
    shares, weights = (dict(before.provenance.get(n) or {}) for n in ("class_shares", "class_weight"))
    if before.spec.task != "semantic" or not shares or not weights:
        return {}, {}
    factor = np.median([weights[name] * share**0.5 for name, share in shares.items() if share > _LEAST])
    most = max(weights.values())
    for name, found in zip(own.class_names, own.class_shares()):
        if name not in weights:
            shares[name] = max(float(found) / 2, _LEAST)
            weights[name] = min(float(factor) * shares[name] ** -0.5, most)
    ordered = [{name: of[name] for name in own.class_names} for of in (shares, weights)]
    return ordered[0], ordered[1]
