"""One loop for both networks."""

import logging
import math
import signal
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor
from tqdm import tqdm

from ssen_ros.errors import ConfigError
from ssen_ros.labels import IGNORE_INDEX
from ssen_ros.models import Checkpoint, NetworkSpec, load_checkpoint, network_of
from ssen_ros.models.minkunet import BasicBlock, MinkUNet
from ssen_ros.sparse.choose import coordinates_on
from ssen_ros.training.background import everything, foreground
from ssen_ros.training.batches import batches, draw_batch
from ssen_ros.training.config import TrainConfig, network_spec
from ssen_ros.training.dataset import Batch, RoomDataset, class_weight
from ssen_ros.training.distributed import Processes
from ssen_ros.training.losses import consistency_loss, embedding_loss, object_loss, semantic_loss
from ssen_ros.training.run_folder import Journal, RunFolder

log = logging.getLogger(__name__)


class Term(NamedTuple):
    """A number of one batch that is a mean, and how much it is the mean of."""

    mean: Tensor  # scalar
    weight: Tensor  # scalar


def train(task: str, config: TrainConfig, out_dir: str | Path, resume: bool = False) -> Path:
    """Train one network; returns the path of its checkpoint. What else `out_dir` receives: see RunFolder.

    Every scene of every step draws from its own generator, seeded by (seed, step, scene): there is no other
    random state. So a run that was killed and resumed does what an uninterrupted one does, bit for bit, and
    the number of processes changes nothing but rounding. SIGINT and SIGTERM wait for the step in hand.

    Raises:
        ConfigError: no data, nothing to resume or another run in the way, or options that do not go together.
        CheckpointError: `start_from` or `background_checkpoint` cannot be read or does not fit.
        KeyboardInterrupt: interrupted; the state is saved.
    """
    if config.num_threads:
        torch.set_num_threads(config.num_threads)
    torch.manual_seed(config.seed)
    spec = network_spec(task, config)
    rooms = RoomDataset(config.data, config.voxel_size)
    with Processes(config.device) as processes, interrupts_noted() as interrupted, ExitStack() as open_files:
        device = processes.device
        scenes = processes.share(config.batch_size)
        if config.consistency and (scenes.start % 2 or scenes.stop % 2):
            raise ConfigError(
                f"consistency = {config.consistency} with batch_size = {config.batch_size} and "
                f"{processes.size} processes: expected an even number of scenes for each process"
            )
        if config.consistency and config.augmentation.mixed_share:
            raise ConfigError(
                f"consistency = {config.consistency} with augmentation.mixed_share = "
                f"{config.augmentation.mixed_share}: expected one of them 0; of two rooms laid over each "
                "other nobody knows which voxels show the same place"
            )
        shown = foreground(config, device) if task == "embedding" else everything
        model = network_of(spec)
        if config.start_from and not resume:
            start_from(model, spec, load_checkpoint(config.start_from))
        model = model.to(device).train()
        processes.share_batch_norms(model)
        model.coordinates = coordinates_on(device, config.precision)
        optimizer = torch.optim.AdamW(
            model.parameters(), config.learning_rate, weight_decay=config.weight_decay
        )
        folder = RunFolder(out_dir, spec, config)
        step, elapsed_before, smooth = 0, 0.0, {}
        if resume:
            state = folder.restore(model, optimizer)
            rooms.restrict(state["rooms"])
            step, elapsed_before, smooth = state["step"], state["elapsed_s"], state["smooth"]
        else:
            folder.check_is_free()
        balance = None
        if task == "semantic":
            shares = rooms.class_shares(classes=spec.out_channels)
            weights = class_weight(shares, config.class_balance)
            balance = torch.tensor(weights, dtype=torch.float32, device=device)
            folder.note_balance(shares, weights)
        journal = None
        if processes.is_first:
            folder.begin()
            journal = open_files.enter_context(Journal(folder.path, step, config.tensorboard))
        bar = open_files.enter_context(
            tqdm(total=config.steps, initial=step, unit="step", disable=None if journal else True)
        )
        draw = partial(draw_batch, rooms, config, spec.features, scenes, shown)
        drawn = batches(draw, range(step, config.steps), config.workers)
        started = saved = time.monotonic()

        def elapsed_s() -> float:
            return elapsed_before + time.monotonic() - started

        def save() -> None:
            if processes.is_first:
                state = {"model": model.state_dict(), "optimizer": optimizer.state_dict(), "step": step}
                state |= {"elapsed_s": elapsed_s(), "rooms": rooms.names, "smooth": smooth}
                folder.save(state, model)

        while True:
            # Clocks and signals differ between processes; what follows from them must not.
            progress, stop = processes.largest(progress_of(config, step, elapsed_s()), bool(interrupted))
            if progress >= 1.0 or stop:
                break
            rate = learning_rate(config, step, progress)
            for group in optimizer.param_groups:
                group["lr"] = rate
            terms = loss_terms(task, model, next(drawn), config, balance)
            loss = terms["loss"]
            optimizer.zero_grad()
            (loss.mean * (loss.weight / processes.sum(loss.weight).clamp(min=1e-12))).backward()
            processes.sum_gradients(model)
            if config.clip_norm:
                torch.nn.utils.clip_grad_norm_(model.parameters(), config.clip_norm)
            optimizer.step()
            step += 1
            for name, value in _over_processes(terms, processes).items():
                smooth[name] = 0.95 * smooth.get(name, value) + 0.05 * value
            bar.update()
            if journal and step % config.log_steps == 0:
                minutes = round(elapsed_s() / 60, 2)
                line = {"step": step, "minutes": minutes, "lr": rate, "rooms": len(rooms), **smooth}
                journal.write(line)
                tell(bar, line)
            if time.monotonic() - saved > 60 * config.checkpoint_minutes:
                save()
                if rooms.refresh():
                    drawn = batches(draw, range(step, config.steps), config.workers)
                saved = time.monotonic()
        save()
        if stop:
            raise KeyboardInterrupt
    return folder.weights


@contextmanager
def interrupts_noted() -> Iterator[Sequence[int]]:
    """The list fills with the SIGINT and SIGTERM that come. The second of a kind does what it always does."""
    noted: list[int] = []
    if threading.current_thread() is not threading.main_thread():  # only there can signals be caught
        yield noted
        return
    before: dict[int, Any] = {n: signal.getsignal(n) for n in (signal.SIGINT, signal.SIGTERM)}

    def note(number: int, _) -> None:
        noted.append(number)
        signal.signal(number, before[number])

    for number in before:
        signal.signal(number, note)
    try:
        yield noted
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def tell(bar: tqdm, line: dict[str, float]) -> None:
    """On a terminal beside the bar, else as a line of the log."""
    if bar.disable:
        log.info("%s", {name: round(value, 4) for name, value in line.items()})
    else:
        bar.set_postfix({name: f"{line[name]:.4g}" for name in line if name not in ("step", "minutes")})


def start_from(model: MinkUNet, spec: NetworkSpec, checkpoint: Checkpoint) -> list[str]:
    """Take over every tensor that fits; a network of the other task lacks its last layer, or its first.

    Blocks that the checkpoint lacks begin as the identity, and outputs that it lacks beside classes in the
    same order at zero, like inputs that it lacks behind features in the same order: a deeper network, or one
    with more classes or features, begins where the other ended. Returns the names of these blocks.
    """
    own, given = model.state_dict(), dict(checkpoint.model.state_dict())
    if checkpoint.spec.task == spec.task == "semantic":
        known = checkpoint.spec.class_names
        if len(known) < len(spec.class_names) and spec.class_names[: len(known)] == known:
            for name in ("final.kernel", "final.bias"):
                given[name] = _padded(given[name], own[name].shape[-1])
    known = checkpoint.spec.features
    if len(known) < len(spec.features) and spec.features[: len(known)] == known:
        name = "conv0p1s1.kernel"
        given[name] = _padded(given[name].mT, own[name].shape[-2]).mT.contiguous()
    fitting = {
        name: tensor for name, tensor in given.items() if name in own and own[name].shape == tensor.shape
    }
    model.load_state_dict({**own, **fitting})
    added = []
    for name, block in model.named_modules():
        if isinstance(block, BasicBlock) and block.downsample is None:
            if not any(key.startswith(f"{name}.") for key in given):
                torch.nn.init.zeros_(block.norm2.bn.weight)  # what remains is the shortcut
                added.append(name)
    if len(fitting) < len(own):
        log.info("start_from: %d of %d tensors taken over", len(fitting), len(own))
    of_added = tuple(f"{name}." for name in added)
    anew = {name for name in own.keys() - fitting.keys() if not name.startswith(of_added)}
    left = sorted({name.rpartition(".")[0] for name in anew} - {"final"})
    if left:
        log.warning(
            "start_from: %s begin anew, the checkpoint has nothing of their shape; with other features the "
            "first layer has to, for the rest expected the same architecture and first_kernel_size",
            ", ".join(left),
        )
    return added


def _padded(tensor: Tensor, width: int) -> Tensor:
    return torch.nn.functional.pad(tensor, (0, width - tensor.shape[-1]))


def learning_rate(config: TrainConfig, step: int, progress: float) -> float:
    """Of one step; `progress` is the share of the run that is over."""
    if config.schedule == "step":
        return config.learning_rate * 0.8 ** (step // 10_000)
    warm_up = 0.05
    if progress < warm_up:
        return config.learning_rate * max(progress, 1e-3) / warm_up
    return config.learning_rate * 0.5 * (1 + math.cos(math.pi * (progress - warm_up) / (1 - warm_up)))


def loss_terms(
    task: str, model: torch.nn.Module, batch: Batch, config: TrainConfig, class_weight: Tensor | None
) -> dict[str, Term]:
    """`loss`, to be minimised, and what else is worth a look."""
    device = next(model.parameters()).device
    output = model(batch.features.to(device), batch.coords.to(device))
    if task == "semantic":
        label = batch.semantic_label.to(device)
        label = label.masked_fill(label >= output.shape[1], IGNORE_INDEX)  # without extra_classes
        annotated = label >= 0
        count = annotated.sum()
        right = (output.argmax(1) == label)[annotated].sum() / count.clamp(min=1)
        loss, terms = semantic_loss(output, label, class_weight), {"accuracy": Term(right, count)}
        if config.objects:
            named = object_loss(output, label, batch.instance_label.to(device), batch.scene.to(device))
            loss = loss + config.objects * named
            terms["objects"] = Term(named, count)
        if config.consistency:
            twins = batch.twins.to(device)
            apart = consistency_loss(output, twins)
            loss = loss + config.consistency * apart
            terms["apart"] = Term(apart, torch.tensor(float(len(twins)), device=device))
        weight = count if class_weight is None else class_weight[label[annotated]].sum()
        return {"loss": Term(loss, weight), **terms}
    loss = embedding_loss(
        output,
        batch.instance_label.to(device),
        batch.scene.to(device),
        p=config.p,
        gamma_intra=config.gamma_intra,
        delta_inter=config.delta_inter,
        delta_intra=config.delta_intra,
        intra_pairs=config.intra_pairs,
    )
    weight = torch.tensor(float(loss.scenes), device=device)
    return {name: Term(getattr(loss, key), weight) for name, key in _EMBEDDING_TERMS.items()}


_EMBEDDING_TERMS = {"loss": "total", "inter": "inter", "intra": "intra"}


def _over_processes(terms: dict[str, Term], processes: Processes) -> dict[str, float]:
    """The means over the whole batch."""
    weights = torch.stack([term.weight.double() for term in terms.values()])
    means = torch.stack([term.mean.detach().double() for term in terms.values()])
    sums, total = processes.sum(torch.stack([means * weights, weights]))
    return dict(zip(terms, (sums / total.clamp(min=1e-12)).tolist()))


def progress_of(config: TrainConfig, step: int, elapsed_s: float) -> float:
    by_time = elapsed_s / (60 * config.max_minutes) if config.max_minutes else 0.0
    return max(step / config.steps, by_time)
