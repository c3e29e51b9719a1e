"""One loop for both networks. Beside its weights it leaves the resolved configuration and a log."""

import json
import logging
import math
import shutil
import subprocess
import time
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path

import numpy as np
import torch
import yaml

from ssen_ros.config import param, parameters, with_values
from ssen_ros.errors import ConfigError
from ssen_ros.labels import CLASS_NAMES
from ssen_ros.models import Checkpoint, NetworkSpec, load_checkpoint, save_checkpoint
from ssen_ros.simulation.models import ATTRIBUTION
from ssen_ros.sparse import CoordinateManager, default_engine
from ssen_ros.training.dataset import Batch, RoomDataset, collate, embedding_input
from ssen_ros.training.losses import embedding_loss, semantic_loss

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class TrainConfig:
    """One training run. The paper's own: MinkUNet34C, 0.02 m, batch 8, lr 1e-4, schedule step, p 1."""

    data: str = param("", "folder of .npz samples, see `ssen simulate`")
    start_from: str = param(
        "",
        "checkpoint whose tensors are taken over where name and shape are the same; empty: none",
    )
    architecture: str = param("MinkUNet14S", "see ssen_ros.models.ARCHITECTURES")
    voxel_size: float = param(0.04, "", unit="m", low=1e-3)
    features: str = param("rgb,height", "input channels, comma-separated: rgb, height, xyz")
    first_kernel_size: int = param(3, "edge of conv0p1s1", low=1)
    embedding_width: int = param(8, "d of the embedding network", low=1)
    p: float = param(1.0, "weight of an instance by |E|^p (Eq. 3)", low=0.0, high=1.0)
    gamma_intra: float = param(10.0, "Eq. 1", low=0.0)
    delta_inter: float = param(0.1, "Eq. 4", low=0.0)
    delta_intra: float = param(0.5, "Eq. 2", low=0.0)
    class_balance: float = param(
        0.0, "semantic loss: classes weigh share^-this; 0: every voxel alike (paper)", low=0.0, high=1.0
    )
    batch_size: int = param(8, "scenes a step", low=1)
    max_voxels: int = param(100_000, "largest crop of a scene", unit="voxels", low=100)
    learning_rate: float = param(1e-4, "peak", low=0.0)
    schedule: str = param(
        "step",
        "step: 0.8 every 10,000 steps (paper); cosine: warm-up, then down to 0",
        choices=("step", "cosine"),
    )
    weight_decay: float = param(0.0, "decoupled (AdamW)", low=0.0)
    clip_norm: float = param(0.5, "gradient norm is cut to this (released code)", low=0.0)
    steps: int = param(50_000, "", low=1)
    max_minutes: float = param(
        0.0, "stop, and finish the cosine, after this long; 0: never", unit="min", low=0.0
    )
    checkpoint_minutes: float = param(3.0, "between checkpoints", unit="min", low=0.0)
    seed: int = param(0, "")
    precision: str = param(
        "float32",
        "of activations and their gradients; sums, weights and optimizer stay in float32; bfloat16: on a "
        "CPU with AMX, or a GPU",
        choices=("float32", "bfloat16"),
    )
    num_threads: int = param(0, "CPU threads; 0: torch's default", low=0)
    device: str = param("cpu", "cpu, cuda or cuda:N")


def load_config(path: str | Path) -> TrainConfig:
    """Read a YAML file of TrainConfig's fields; those left out keep their defaults."""
    try:
        values = yaml.safe_load(Path(path).read_text()) or {}
    except (OSError, yaml.YAMLError) as error:
        raise ConfigError(f"training configuration {path}: {error}") from error
    if not isinstance(values, dict):
        names = ", ".join(p.name for p in parameters(TrainConfig()))
        raise ConfigError(f"training configuration {path}: expected a mapping of {names}")
    return with_values(TrainConfig(), values)


def network_spec(task: str, config: TrainConfig) -> NetworkSpec:
    return NetworkSpec(
        task=task,
        architecture=config.architecture,
        voxel_size=config.voxel_size,
        features=tuple(name.strip() for name in config.features.split(",")),
        class_names=CLASS_NAMES,
        first_kernel_size=config.first_kernel_size,
        embedding_width=config.embedding_width if task == "embedding" else 0,
    )


def train(task: str, config: TrainConfig, out_dir: str | Path, resume: bool = False) -> Path:
    """Train one network; returns the path of its checkpoint.

    `out_dir` receives `weights.safetensors` and, for people, its metadata as `weights.json`; `state.pt` (to
    resume), `config.yaml` and `log.jsonl`; ATTRIBUTION.txt where the rooms have one.
    Every step draws from its own generator, seeded by (seed, step): a resumed run sees what an
    uninterrupted one would have seen.

    Raises:
        ConfigError: no data, or nothing to resume.
        CheckpointError: `start_from` cannot be read.
    """
    if config.num_threads:
        torch.set_num_threads(config.num_threads)
    torch.manual_seed(config.seed)
    spec = network_spec(task, config)
    rooms = RoomDataset(config.data, config.voxel_size)
    model = spec.build()
    if config.start_from and not resume:
        _start_from(model, load_checkpoint(config.start_from))
    model = model.to(config.device).train()
    engine = default_engine(torch.device(config.device).type, getattr(torch, config.precision))
    model.coordinates = partial(CoordinateManager, engine=engine)
    optimizer = torch.optim.AdamW(model.parameters(), config.learning_rate, weight_decay=config.weight_decay)
    out = Path(out_dir)
    out.mkdir(parents=True, exist_ok=True)
    (out / "config.yaml").write_text(yaml.safe_dump(asdict(config), sort_keys=False))
    class_weight = rooms.class_weight(config.class_balance).to(config.device) if task == "semantic" else None
    first, elapsed_before = _restore(out / "state.pt", model, optimizer) if resume else (0, 0.0)
    started = saved = time.monotonic()
    commit = _commit()  # of the code that runs: the checkout may move on below it

    def checkpoint(step: int) -> None:
        elapsed = elapsed_before + time.monotonic() - started
        state = {
            "model": model.state_dict(),
            "optimizer": optimizer.state_dict(),
            "step": step,
            "elapsed": elapsed,
        }
        torch.save(state, out / "state.tmp")
        (out / "state.tmp").rename(out / "state.pt")
        provenance = _provenance(config, step, elapsed, len(rooms), commit)
        save_checkpoint(out / "weights.safetensors", Checkpoint(spec, model, provenance))
        (out / "weights.json").write_text(
            json.dumps({**asdict(spec), "training": provenance}, indent=2) + "\n"
        )
        if (rooms.folder / ATTRIBUTION).is_file():  # whoever passes the weights on has to pass it on too
            shutil.copy(rooms.folder / ATTRIBUTION, out)

    step = first
    smooth: dict[str, float] = {}
    try:
        with open(out / "log.jsonl", "a" if resume else "w") as journal:
            while step < config.steps:
                elapsed = elapsed_before + time.monotonic() - started
                progress = _progress(config, step, elapsed)
                if progress >= 1.0:
                    break
                rate = learning_rate(config, step, progress)
                for group in optimizer.param_groups:
                    group["lr"] = rate
                batch = draw_batch(task, rooms, config, spec.features, step)
                terms = _loss_terms(task, model, batch, config, class_weight)
                optimizer.zero_grad()
                terms["loss"].backward()
                torch.nn.utils.clip_grad_norm_(model.parameters(), config.clip_norm)
                optimizer.step()
                step += 1
                for name, value in terms.items():
                    smooth[name] = 0.95 * smooth.get(name, value.item()) + 0.05 * value.item()
                if step % 10 == 0:
                    line = {
                        "step": step,
                        "minutes": round(elapsed / 60, 2),
                        "lr": rate,
                        "rooms": len(rooms),
                        **smooth,
                    }
                    journal.write(json.dumps(line) + "\n")
                    journal.flush()
                    log.info("%s", {k: round(v, 4) for k, v in line.items()})
                if time.monotonic() - saved > 60 * config.checkpoint_minutes:
                    checkpoint(step)
                    rooms.refresh()
                    saved = time.monotonic()
    finally:  # an interrupted run can be resumed from its last step
        checkpoint(step)
    return out / "weights.safetensors"


def _start_from(model: torch.nn.Module, checkpoint: Checkpoint) -> None:
    """Take over every tensor that fits; a network of the other task lacks its last layer, or its first."""
    own = model.state_dict()
    fitting = {
        name: tensor
        for name, tensor in checkpoint.model.state_dict().items()
        if name in own and own[name].shape == tensor.shape
    }
    model.load_state_dict({**own, **fitting})
    log.info("start_from: %d of %d tensors taken over", len(fitting), len(own))


def learning_rate(config: TrainConfig, step: int, progress: float) -> float:
    """Of one step; `progress` is the share of the run that is over."""
    if config.schedule == "step":
        return config.learning_rate * 0.8 ** (step // 10_000)
    warm_up = 0.05
    if progress < warm_up:
        return config.learning_rate * max(progress, 1e-3) / warm_up
    return config.learning_rate * 0.5 * (1 + math.cos(math.pi * (progress - warm_up) / (1 - warm_up)))


def draw_batch(
    task: str, rooms: RoomDataset, config: TrainConfig, names: tuple[str, ...], step: int
) -> Batch:
    rng = np.random.default_rng([config.seed, step])
    scenes = [rooms.scene(rng, config.max_voxels) for _ in range(config.batch_size)]
    if task == "embedding":
        masks = [embedding_input(rng, scene) for scene in scenes]
    else:
        masks = [np.ones(len(scene.snapshot), bool) for scene in scenes]
    return collate(scenes, masks, names)


def _loss_terms(
    task: str, model, batch: Batch, config: TrainConfig, class_weight: torch.Tensor | None
) -> dict[str, torch.Tensor]:
    device = config.device
    output = model(batch.features.to(device), batch.coords.to(device))
    if task == "semantic":
        label = batch.semantic_label.to(device)
        accuracy = (output.argmax(1) == label)[label >= 0].float().mean()
        return {"loss": semantic_loss(output, label, class_weight), "accuracy": accuracy}
    loss = embedding_loss(
        output,
        batch.instance_label.to(device),
        batch.scene.to(device),
        p=config.p,
        gamma_intra=config.gamma_intra,
        delta_inter=config.delta_inter,
        delta_intra=config.delta_intra,
    )
    return {"loss": loss.total, "inter": loss.inter, "intra": loss.intra}


def _progress(config: TrainConfig, step: int, elapsed: float) -> float:
    by_time = elapsed / (60 * config.max_minutes) if config.max_minutes else 0.0
    return max(step / config.steps, by_time)


def _restore(path: Path, model, optimizer) -> tuple[int, float]:
    if not path.is_file():
        raise ConfigError(f"nothing to resume: {path} does not exist; start without --resume")
    state = torch.load(path, weights_only=True)
    model.load_state_dict(state["model"])
    optimizer.load_state_dict(state["optimizer"])
    return state["step"], state["elapsed"]


def _provenance(config: TrainConfig, step: int, elapsed: float, rooms: int, commit: str) -> dict:
    settings = {k: v for k, v in asdict(config).items() if k != "data"}
    return {
        "config": settings,
        "steps": step,
        "minutes": round(elapsed / 60, 1),
        "rooms": rooms,
        "commit": commit,
    }


def _commit() -> str:
    try:
        command = ["git", "rev-parse", "--short", "HEAD"]
        found = subprocess.run(command, cwd=Path(__file__).parent, capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return "unknown"
    return found.stdout.strip()
