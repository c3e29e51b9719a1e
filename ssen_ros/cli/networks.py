"""`ssen train`, `ssen train-objects`, `ssen curves` to look on, `ssen convert` for networks of others."""

import argparse
import logging
from pathlib import Path
from typing import Any

from ssen_ros.cli.options import (
    add_pipeline_options,
    class_names,
    command,
    config_of,
    names,
    positive_float,
    positive_int,
    progress,
    warn_of_held_out,
)


def add_train(commands: Any) -> None:
    text = (
        "Train one of the two networks. Several processes share each batch when started by torchrun: "
        "torchrun --nproc-per-node N --no-python ssen train ..."
    )
    parser = command(commands, "train", _train, text, reads_files=True)
    parser.add_argument("task", choices=("semantic", "embedding"))
    parser.add_argument("--config", type=Path, required=True, metavar="F", help="YAML file of the run")
    parser.add_argument("--out", type=Path, metavar="DIR", help="folder of the run [runs/TASK]")
    parser.add_argument("--resume", action="store_true", help="go on from the state in --out")


def _train(args: argparse.Namespace) -> int:
    from ssen_ros.training.config import load_config
    from ssen_ros.training.train import train

    logging.getLogger("ssen_ros").setLevel(logging.INFO)  # progress is what one wants to see here
    config = load_config(args.config, args.task)
    _warn_of_held_out_in(config.data)
    print(train(args.task, config, args.out or Path("runs") / args.task, args.resume))
    return 0


def _warn_of_held_out_in(folder: str | Path) -> None:
    """`ssen simulate` names a file after its seed."""
    seeds = [int(path.stem) for path in Path(folder).glob("*.npz") if path.stem.isdecimal()]
    warn_of_held_out(seeds, f"take them out of {folder}, or no score on them means anything")


def add_train_objects(commands: Any) -> None:
    text = (
        "Train what names whole objects and scores them, on the clusters that both networks' method finds in "
        "labelled rooms which these networks have not seen. The file that comes of it belongs beside the "
        "semantic network's."
    )
    parser = command(commands, "train-objects", _train_objects, text, reads_files=True)
    parser.add_argument("rooms", type=Path, metavar="DIR", help="rooms, as `ssen simulate` makes them")
    parser.add_argument(
        "--out", type=Path, default=Path("object.safetensors"), metavar="F", help="[object.safetensors]"
    )
    parser.add_argument(
        "--draws", type=positive_int, default=3, metavar="N", help="ways in which each room is shown [3]"
    )
    parser.add_argument("--seed", type=int, default=0, metavar="N", help="of the ways [0]")
    add_pipeline_options(parser)


def _train_objects(args: argparse.Namespace) -> int:
    from ssen_ros.models.head_file import save_head
    from ssen_ros.pipeline import SsenPipeline
    from ssen_ros.training.dataset import RoomDataset
    from ssen_ros.training.object_head import collect, fit, joined, told

    config = config_of(args)
    pipeline = SsenPipeline.from_config(config)
    rooms = RoomDataset(args.rooms, pipeline.segmenter.voxel_size)
    _warn_of_held_out_in(args.rooms)
    maps = collect(pipeline, rooms, args.draws, args.seed)
    truth = joined(progress(maps, args.draws * len(rooms)))
    head = fit(truth, pipeline.segmenter.class_names)
    save_head(args.out, head, told(truth, rooms.names, args.draws, args.seed, config.segmenter))
    print(f"{args.out}: of {len(truth.whole)} clusters on {args.draws * len(rooms)} maps")
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


def add_convert(commands: Any) -> None:
    text = "Make a checkpoint of ours from a public one of MinkowskiEngine; nothing in the file is executed."
    parser = command(commands, "convert", _convert, text, reads_files=True)
    parser.add_argument("checkpoint", type=Path, metavar="CKPT", help=".pth or .pt file of a Minkowski U-Net")
    parser.add_argument("--out", type=Path, required=True, metavar="F", help=".safetensors file to write")
    parser.add_argument("--architecture", metavar="NAME", help="such as MinkUNet34C [the one that fits]")
    task = parser.add_mutually_exclusive_group()
    task.add_argument(
        "--classes", type=class_names, metavar="A,B,...|FILE",
        help="output classes in order, or a text file with one a line [ScanNet's 20]",
    )  # fmt: skip
    task.add_argument(
        "--embedding-width", type=positive_int, default=0, metavar="D", help="it is an embedding network"
    )
    parser.add_argument("--features", type=names, default="rgb", metavar="A,B,...", help="input channels")
    parser.add_argument("--voxel-size", type=positive_float, default=0.02, metavar="M", help="trained on")
    parser.add_argument(
        "--kernel-order",
        choices=("auto", "0.4", "0.5"),
        default="auto",
        help="MinkowskiEngine's version whose order its block kernels have; auto: 0.4 for tensors under "
        "'state_dict' or 'backbone.', 0.5 for flat ones",
    )


def _convert(args: argparse.Namespace) -> int:
    from ssen_ros.labels import CLASS_NAMES
    from ssen_ros.models import save_checkpoint
    from ssen_ros.models.convert import convert

    checkpoint = convert(
        args.checkpoint,
        architecture=args.architecture,
        class_names=args.classes or CLASS_NAMES,
        embedding_width=args.embedding_width,
        features=args.features,
        voxel_size=args.voxel_size,
        kernel_order=args.kernel_order,
    )
    save_checkpoint(args.out, checkpoint)
    spec, source = checkpoint.spec, checkpoint.provenance["converted_from"]
    print(
        f"{args.out}: {spec.architecture}, {spec.task}, {spec.out_channels} outputs, voxels of "
        f"{spec.voxel_size:g} m, first kernel {spec.first_kernel_size}³; from layout {source['layout']}, "
        f"block kernels in the order of {source['kernel_order']}"
    )
    return 0
