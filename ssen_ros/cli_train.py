"""`ssen train`, and `ssen curves` to look at what it is doing."""

import argparse
import logging
from pathlib import Path
from typing import Any

from ssen_ros.cli_options import command, warn_of_held_out


def add_train(commands: Any) -> None:
    text = (
        "Train one of the two networks. Several processes share each batch when started by torchrun: "
        "torchrun --nproc-per-node N --no-python ssen train ..."
    )
    parser = command(commands, "train", _train, text)
    parser.add_argument("task", choices=("semantic", "embedding"))
    parser.add_argument("--config", type=Path, required=True, metavar="F", help="YAML file of the run")
    parser.add_argument("--out", type=Path, metavar="DIR", help="folder of the run [runs/TASK]")
    parser.add_argument("--resume", action="store_true", help="go on from the state in --out")


def _train(args: argparse.Namespace) -> int:
    from ssen_ros.training.config import load_config
    from ssen_ros.training.train import train

    logging.getLogger("ssen_ros").setLevel(logging.INFO)  # progress is what one wants to see here
    config = load_config(args.config, args.task)
    # `ssen simulate` names a file after its seed.
    seeds = [int(path.stem) for path in Path(config.data).glob("*.npz") if path.stem.isdecimal()]
    warn_of_held_out(seeds, f"take them out of {config.data}, or no score on them means anything")
    print(train(args.task, config, args.out or Path("runs") / args.task, args.resume))
    return 0


def add_curves(commands: Any) -> None:
    text = "Draw the training curves of one run, or of several on the same axes; needs matplotlib."
    parser = command(commands, "curves", _curves, text)
    parser.add_argument("runs", type=Path, nargs="+", metavar="RUN", help="folder that `ssen train` writes")
    parser.add_argument("--out", type=Path, default=Path("curves.png"), metavar="PNG", help="file to write")


def _curves(args: argparse.Namespace) -> int:
    from ssen_ros.training.curves import draw_curves

    print(draw_curves(args.runs, args.out))
    return 0
