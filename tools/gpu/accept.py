"""Whether networks that a training brought back beat the shipped ones; --write ships those that do.

Four figures are compared: mIoU and AP50 of all validation rooms (`ssen evaluate simulated`), and on labelled
maps of others (`ssen evaluate rooms`) the published accuracy and the share of objects found. A network is
accepted where none falls and one rises: first the semantic network, then, with the better one, the embedding.
The commit that the training ran from is written into the weights: that machine may not have known it.
"""

import argparse
import json
import subprocess
import sys
from dataclasses import asdict
from pathlib import Path

from ssen_ros.io.replacing import replace_text
from ssen_ros.io.safetensors_file import read_header
from ssen_ros.models import Checkpoint, load_checkpoint, save_checkpoint
from ssen_ros.training.config import TASKS

WEIGHTS = Path(__file__).resolve().parents[2] / "ssen_ros" / "weights"


def ssen(*arguments: object) -> dict:
    command = [sys.executable, "-m", "ssen_ros.cli", *map(str, arguments), "--json"]
    return json.loads(subprocess.run(command, stdout=subprocess.PIPE, check=True).stdout)


def figures(networks: dict[str, Path], args: argparse.Namespace) -> dict[str, float]:
    chosen = [f"--set=segmenter.{task}_checkpoint={path}" for task, path in networks.items()]
    rooms = ("--rooms", args.rooms) if args.rooms else ("--seeds", "0:100")
    simulated = ssen("evaluate", "simulated", *rooms, "--workers", args.workers, *chosen)
    maps = ssen("evaluate", "rooms", *args.maps, "--once", "--workers", args.workers, *chosen)
    return {
        "miou": simulated["semantic"]["miou"],
        "ap50": simulated["instance"]["ap50"],
        "published_accuracy": maps["published_accuracy"],
        "found": maps["objects"]["found"] / max(maps["objects"]["all"], 1),
    }


def is_better(before: dict[str, float], after: dict[str, float]) -> bool:
    changes = [after[name] - value for name, value in before.items()]
    return min(changes) >= 0 and max(changes) > 0


def with_origin(weights: Path, start: Path, training: dict, commit: str) -> Checkpoint:
    """The checkpoint as it came, its provenance completed: commit, machine, rooms, and what it began from."""
    found, (first, last) = load_checkpoint(weights), training["room_seeds"]
    origin = found.provenance | {
        "machine": training["machine"],
        "data": f"{training[found.spec.task]['rooms']} rooms of ssen_ros.simulation, seeds {first} to {last}",
        "start": load_checkpoint(start).provenance,
    }
    if origin["commit"] == "unknown":
        origin["commit"] = commit
    halved = any(tensor.dtype == "F16" for tensor in read_header(weights).tensors.values())
    return Checkpoint(found.spec, found.model.half() if halved else found.model, origin)


def write(checkpoint: Checkpoint, room_seeds: list[int], folder: Path) -> None:
    task = checkpoint.spec.task
    save_checkpoint(folder / f"{task}.safetensors", checkpoint)
    told = {**asdict(checkpoint.spec), "licence": "Apache-2.0", "room_seeds": room_seeds}
    told["training"] = checkpoint.provenance
    replace_text(folder / f"{task}.json", json.dumps(told, indent=2) + "\n")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("brought", type=Path, metavar="DIR", help="what `burst.sh train` left in OUT")
    parser.add_argument("--commit", required=True, help="that the training ran from")
    parser.add_argument("--maps", type=Path, nargs="+", required=True, metavar="PATH", help="labelled maps")
    parser.add_argument("--rooms", type=Path, metavar="DIR", help="of `ssen simulate --split validation`")
    parser.add_argument("--workers", type=int, default=1, metavar="N")
    parser.add_argument("--write", action="store_true", help=f"put what is better into {WEIGHTS.name}/")
    args = parser.parse_args()
    training = json.loads((args.brought / "training.json").read_text())
    networks = {task: WEIGHTS / f"{task}.safetensors" for task in TASKS}
    best = figures(networks, args)
    print("shipped", json.dumps(best), flush=True)
    accepted = []
    for task in TASKS:
        weights = args.brought / f"{task}.safetensors"
        if not weights.is_file():
            print(task, "did not come back")
            continue
        found = figures(networks | {task: weights}, args)
        better = is_better(best, found)
        print(task, json.dumps(found), "is accepted" if better else "is not accepted", flush=True)
        if better:
            best, networks[task] = found, weights
            accepted.append(with_origin(weights, WEIGHTS / f"{task}.safetensors", training, args.commit))
    for checkpoint in accepted if args.write else []:
        write(checkpoint, training["room_seeds"], WEIGHTS)


if __name__ == "__main__":
    main()
