"""What a training leaves on disk, and goes on from."""

import json
import logging
import pickle
import shutil
import subprocess
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import torch
import yaml

from ssen_ros.errors import ConfigError
from ssen_ros.io.replacing import replace_text, replacing
from ssen_ros.io.samples import ATTRIBUTION
from ssen_ros.models import Checkpoint, NetworkSpec, save_checkpoint
from ssen_ros.models.minkunet import MinkUNet
from ssen_ros.training.config import TrainConfig

log = logging.getLogger(__name__)

STATE = ("model", "optimizer", "step", "elapsed_s", "rooms", "smooth")


class RunFolder:
    """`config.yaml` (every option, and the commit), `state.pt` (to resume), `weights.safetensors` and, for
    people, its metadata as `weights.json`; `log.jsonl`; ATTRIBUTION.txt where the rooms have one.

    State, weights and log are replaced in one step: whenever the process is killed, the last whole one is
    there.
    """

    def __init__(self, path: str | Path, spec: NetworkSpec, config: TrainConfig):
        self.path, self._spec, self._config = Path(path), spec, config
        self._commit = _commit()  # of the code that runs: the checkout may move on below it
        self._balance: dict[str, dict[str, float]] = {}

    @property
    def weights(self) -> Path:
        return self.path / "weights.safetensors"

    @property
    def has_state(self) -> bool:
        """Whether there is something to resume."""
        return (self.path / "state.pt").is_file()

    def check_is_free(self) -> None:
        """Raises ConfigError where another run has left its state: it would be lost."""
        state = self.path / "state.pt"
        if state.exists():
            raise ConfigError(
                f"{state} is the state of another run: expected a folder without one; --resume goes on from "
                "it, another --out keeps it, or remove it"
            )

    def note_balance(self, shares: np.ndarray, weights: np.ndarray) -> None:
        """Tell with the weights how common the C classes are, and what each weighed in the loss.

        `segmenter.prior` undoes that balance by the shares; where all weighed alike, nothing is told.
        """
        if np.ptp(weights) > 0:
            names = self._spec.class_names
            self._balance = {"class_shares": dict(zip(names, shares.tolist())),
                             "class_weight": dict(zip(names, weights.tolist()))}  # fmt: skip

    def begin(self) -> None:
        self.path.mkdir(parents=True, exist_ok=True)
        options = yaml.safe_dump(asdict(self._config), sort_keys=False)
        text = f"# ssen train {self._spec.task}, commit {self._commit}\n{options}"
        replace_text(self.path / "config.yaml", text)

    def restore(self, model: MinkUNet, optimizer: torch.optim.Optimizer) -> dict[str, Any]:
        """Go on with the last state, which is returned.

        Raises ConfigError where there is none of this version, or one of another network.
        """
        path = self.path / "state.pt"
        if not path.is_file():
            raise ConfigError(f"nothing to resume: {path} does not exist; start without --resume")
        try:
            state = torch.load(path, weights_only=True, map_location="cpu")
        except (RuntimeError, pickle.UnpicklingError) as error:
            raise ConfigError(f"{path} cannot be read ({error}); start without --resume") from error
        missing = set(STATE) - state.keys()
        if missing:
            raise ConfigError(
                f"{path} lacks {sorted(missing)}: expected a state of this version; start anew with "
                f"start_from: {self.weights}"
            )
        try:
            model.load_state_dict(state["model"])
            optimizer.load_state_dict(state["optimizer"])
        except (RuntimeError, ValueError) as error:
            raise ConfigError(
                f"{path} is of another network than {self._spec} ({error}); expected the task and the "
                "options that the run began with, which config.yaml beside it has"
            ) from error
        return state

    def save(self, state: dict[str, Any], model: MinkUNet) -> None:
        """Keep the state, whose keys are STATE, and the weights with their provenance."""
        with replacing(self.path / "state.pt") as temporary:
            torch.save(state, temporary)
        provenance = {
            "config": {name: value for name, value in asdict(self._config).items() if name != "data"},
            "steps": state["step"],
            "minutes": round(state["elapsed_s"] / 60, 1),
            "rooms": len(state["rooms"]),
            "commit": self._commit,
            **self._balance,
        }
        save_checkpoint(self.weights, Checkpoint(self._spec, model, provenance))
        content = json.dumps({**asdict(self._spec), "training": provenance}, indent=2) + "\n"
        replace_text(self.path / "weights.json", content)
        attribution = Path(self._config.data) / ATTRIBUTION
        if attribution.is_file():  # whoever passes the weights on has to pass it on too
            shutil.copy(attribution, self.path)


class Journal:
    """`log.jsonl`, one object a line, and on request the same as TensorBoard scalars.

    Args:
        first_step: what a resumed run goes on from; later lines are of steps that will be done again.

    Raises ConfigError where TensorBoard is asked for and missing.
    """

    def __init__(self, path: Path, first_step: int, tensorboard: bool):
        self._board = _summary_writer(path, first_step) if tensorboard else None
        file = path / "log.jsonl"
        kept = read_log(path, first_step) if first_step and file.is_file() else []
        replace_text(file, "".join(json.dumps(line) + "\n" for line in kept))
        self._file = open(file, "a", encoding="utf-8")

    def __enter__(self) -> "Journal":
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()
        if self._board:
            self._board.close()

    def write(self, line: dict[str, float]) -> None:
        self._file.write(json.dumps(line) + "\n")
        self._file.flush()
        if self._board:
            for name, value in line.items():
                self._board.add_scalar(name, value, line["step"])


def read_log(run: Path | str, last_step: int | None = None) -> list[dict[str, float]]:
    """The lines of a run's log, up to a step; a line cut off by a kill is left out."""
    lines = []
    for text in (Path(run) / "log.jsonl").read_text(encoding="utf-8").splitlines():
        try:
            line = json.loads(text)
        except json.JSONDecodeError:
            continue
        if last_step is None or line["step"] <= last_step:
            lines.append(line)
    return lines


def _summary_writer(path: Path, first_step: int):
    try:
        from torch.utils.tensorboard import SummaryWriter  # late: optional, and slow to import
    except ImportError as error:
        raise ConfigError(
            f"tensorboard = True: it cannot be imported ({error}); pip install 'ssen-ros[training]', or do "
            "without: log.jsonl says the same, `ssen curves` draws it"
        ) from error
    return SummaryWriter(str(path), purge_step=first_step + 1 if first_step else None)


def _commit() -> str:
    try:
        command = ["git", "describe", "--always", "--dirty", "--exclude", "*"]
        found = subprocess.run(command, cwd=Path(__file__).parent, capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return "unknown"
    return found.stdout.strip()
