"""Both networks trained side by side for so many seconds, from the last weights; burst.sh calls it.

--out receives, whole or not at all and again after every checkpoint, `TASK.safetensors` (in float16 where
float32 would be over 15 MiB), `TASK.jsonl` (the run's log) and `training.json` (what each run is and did).
A loss that is no longer finite begins the run anew from the last good weights, in float32.
"""

import argparse
import json
import math
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import torch
import yaml

from ssen_ros.errors import CheckpointError
from ssen_ros.io.replacing import replace_text
from ssen_ros.io.samples import ATTRIBUTION
from ssen_ros.models import Checkpoint, load_checkpoint, save_checkpoint
from ssen_ros.training.config import TASKS
from ssen_ros.training.run_folder import read_log

LARGEST = 15 << 20  # bytes of a file that comes back
CHECKOUT = Path(__file__).resolve().parents[2]
SHIPPED = "ssen_ros/weights/{}.safetensors"


def options_of(task: str, args: argparse.Namespace) -> dict:
    """What `ssen train` is to do, as a mapping of its configuration."""
    options = yaml.safe_load((CHECKOUT / "config/training/simulated.yaml").read_text())
    special = {name: options.pop(name) for name in TASKS}[task]
    options |= special | {
        "data": str(args.rooms),
        "start_from": SHIPPED.format(task),
        "steps": 1_000_000,  # the clock ends it
        "batch_size": 8,
        "log_steps": 20,
        "checkpoint_minutes": min(1.0, args.seconds / 60 / 4),
    }
    if task == "semantic":
        options["architecture"] = "MinkUNet14D"
    for name, value in args.changes:
        owner, _, rest = name.partition(".")
        if owner not in TASKS:
            options[name] = value
        elif owner == task:
            options[rest] = value
    return options


class Run:
    """One network: the process that trains it, watched from here."""

    def __init__(self, task: str, options: dict, runs: Path, out: Path, deadline: float):
        self.task, self.options, self.out, self._deadline = task, options, out, deadline
        self._runs, self._starts, self._brought = runs / task, 0, 0.0
        earlier = filter(is_good, sorted(self._runs.glob("*/weights.safetensors"), reverse=True))
        self.options["start_from"] = str(next(earlier, options["start_from"]))  # a second call goes on
        self._begin()

    def _begin(self) -> None:
        self._starts += 1
        self.folder = self._runs / f"{time.time():.0f}_{self._starts}"
        self.folder.mkdir(parents=True)
        self.options["max_minutes"] = max(self._deadline - time.monotonic(), 1.0) / 60
        config = self.folder / "options.yaml"
        config.write_text(yaml.safe_dump(self.options))
        command = [sys.executable, "-m", "ssen_ros.cli", "train", self.task]
        command += ["--config", str(config), "--out", str(self.folder)]
        self._process = subprocess.Popen(command)

    def look(self) -> bool:
        """Bring back what is new, mend what diverged. Whether it goes on."""
        lines = self._log()
        if lines and not math.isfinite(lines[-1]["loss"]) and self._process.poll() is None:
            self.end(signal.SIGKILL)
            if self.options["precision"] != "float32":
                good = self.folder / "weights.safetensors"
                if is_good(good):
                    self.options["start_from"] = str(good)
                self.options["precision"] = "float32"
                print(f"{self.task}: step {lines[-1]['step']}, the loss is not finite; again in float32")
                self._begin()
            else:
                print(f"{self.task}: step {lines[-1]['step']}, the loss is not finite in float32; given up")
        running = self._process.poll() is None
        self.bring_back()
        return running

    def _log(self) -> list[dict]:
        return read_log(self.folder) if (self.folder / "log.jsonl").is_file() else []

    def bring_back(self) -> None:
        """The last whole weights, if there are newer ones and they are finite."""
        weights = self.folder / "weights.safetensors"
        if not weights.is_file() or weights.stat().st_mtime == self._brought:
            return
        self._brought = weights.stat().st_mtime
        if not is_good(weights):
            return
        checkpoint = load_checkpoint(weights)
        if weights.stat().st_size > LARGEST:
            checkpoint = Checkpoint(checkpoint.spec, checkpoint.model.half(), checkpoint.provenance)
        save_checkpoint(self.out / f"{self.task}.safetensors", checkpoint)
        shutil.copy(self.folder / "log.jsonl", self.out / f"{self.task}.jsonl")

    def end(self, number: int = signal.SIGTERM) -> None:
        """At SIGTERM it saves first, if it can."""
        self._process.send_signal(number)
        try:
            self._process.wait(10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def told(self) -> dict:
        last = (self._log() or [{}])[-1]
        return {
            "architecture": self.options["architecture"],
            "precision": self.options["precision"],
            "start_from": self.options["start_from"],
            "starts": self._starts,
            "steps": last.get("step", 0),
            "scenes": last.get("step", 0) * self.options["batch_size"],
            "minutes": last.get("minutes", 0.0),
            "rooms": last.get("rooms", 0),
            "loss": last.get("loss"),
            "exit": self._process.poll(),
            "weights": (self.out / f"{self.task}.safetensors").is_file(),
        }


def is_good(weights: Path) -> bool:
    """Whether the file is a whole checkpoint of ours, and finite."""
    try:
        load_checkpoint(weights)
    except CheckpointError as error:
        print(error)
        return False
    return True


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("seconds", type=float)
    for name in ("rooms", "runs", "out"):
        parser.add_argument(f"--{name}", type=Path, required=True, metavar="DIR")
    parser.add_argument(
        "--grace", type=float, default=20, metavar="S", help="for a run that began late, and to save, s"
    )
    parser.add_argument(
        "changes", nargs="*", metavar="NAME=VALUE", type=change, help="of TrainConfig; semantic.NAME for one"
    )
    args = parser.parse_intermixed_args()
    device = dict(args.changes).get("device", "cpu")
    if str(device).startswith("cuda"):
        args.changes.insert(0, ("precision", "bfloat16"))
    deadline = time.monotonic() + args.seconds
    options = {task: options_of(task, args) for task in TASKS}
    runs = [Run(task, options[task], args.runs, args.out, deadline) for task in TASKS]
    machine = torch.cuda.get_device_name() if str(device).startswith("cuda") else "CPU"

    def tell() -> None:
        seeds = [int(path.stem) for path in args.rooms.glob("*.npz")]
        told = {"machine": machine, "room_seeds": [min(seeds), max(seeds)]}
        told |= {run.task: run.told() for run in runs}
        replace_text(args.out / "training.json", json.dumps(told, indent=1) + "\n")

    while any([run.look() for run in runs]):
        tell()
        time.sleep(1)
        if time.monotonic() > deadline + args.grace:
            for run in runs:
                run.end()
    tell()
    if (args.rooms / ATTRIBUTION).is_file():
        shutil.copy(args.rooms / ATTRIBUTION, args.out)
    with open(args.out / "summary.txt", "a", encoding="utf-8") as summary:
        for run in runs:
            print(run.task, *(f"{name}={value}" for name, value in run.told().items()), file=summary)
    return 0 if all(run.told()["weights"] and run.told()["exit"] == 0 for run in runs) else 1


def change(text: str) -> tuple[str, object]:
    name, separator, value = text.partition("=")
    if not separator:
        raise argparse.ArgumentTypeError(f"{text}: expected NAME=VALUE, such as batch_size=16")
    return name, yaml.safe_load(value)


if __name__ == "__main__":
    sys.exit(main())
