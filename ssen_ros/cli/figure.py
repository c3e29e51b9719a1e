"""`ssen figure`: the paper's figures, of our data."""

import argparse
import json
import shlex
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ssen_ros.cli.options import (
    add_pipeline_options,
    command,
    config_of,
    positive_int,
    progress,
    seed_range,
)

if TYPE_CHECKING:
    from ssen_ros.figures.figure import Figure
    from ssen_ros.io.samples import Sample
    from ssen_ros.pipeline import SsenPipeline

_WHAT = """\
1  input, objects, and black what lies far from its cluster's mean in the embedding space; any cloud will do
3  the time of the whole pipeline a scan and a stage, beside published ones; takes the extra figures
4  objects that are one, and were found in several parts
5  input, truth and prediction of several rooms
6  a chair is moved along an empty row between rows of chairs, and its embedding moves along. An embedding
   of more than 3 numbers is shown in its 3 widest axes; --set segmenter.embedding_checkpoint=F gives another

Tables I and II: ssen evaluate ... --beside.
"""
_SEEDS = {1: range(1), 3: range(4), 4: range(6), 5: range(4), 6: range(1, 2)}


def add_figure(commands: Any) -> None:
    text = (
        "Make a figure of the paper of our data: a picture, and a JSON file with its numbers and its origin."
    )
    parser = command(
        commands, "figure", _figure, text, epilog=_WHAT, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("number", type=int, choices=tuple(_SEEDS), help="of the paper's; see below")
    rooms = parser.add_mutually_exclusive_group()
    rooms.add_argument(
        "--rooms", type=Path, nargs="+", metavar="PATH",
        help="labelled .npz or .ply maps, or folders of them, as `ssen evaluate rooms` takes them",
    )  # fmt: skip
    rooms.add_argument(
        "--seeds", type=seed_range, metavar="A:B",
        help="rooms made on the spot, the last left out [as many validation rooms as the figure takes]",
    )  # fmt: skip
    parser.add_argument("--out", type=Path, default=Path("figures"), metavar="DIR", help="folder to write to")
    parser.add_argument("--steps", type=positive_int, default=24, metavar="N", help="6: places of the chair")
    add_pipeline_options(parser)
    parser.add_argument("--json", action="store_true", help="print the figure's numbers instead of its files")


def _figure(args: argparse.Namespace) -> int:
    from ssen_ros.figures.figure import save_figure
    from ssen_ros.pipeline import SsenPipeline

    make = {1: _confidence, 3: _times, 4: _divided, 5: _truth, 6: _chair}[args.number]
    figure = make(args, SsenPipeline.from_config(config_of(args)))
    files = save_figure(figure, args.out, shlex.join(["ssen", *args.words]))
    if args.json:
        print(json.dumps(figure.data))
    else:
        print(*files, sep="\n")
    return 0


def _confidence(args: argparse.Namespace, pipeline: "SsenPipeline") -> "Figure":
    from ssen_ros.figures.rooms import figure_1, look_at_cloud
    from ssen_ros.io.clouds import read_cloud
    from ssen_ros.structures import Cloud

    if args.rooms and args.rooms[0].is_file():
        name, cloud = args.rooms[0].stem, read_cloud(args.rooms[0])
    else:
        name, sample = next(_samples(args))
        cloud = Cloud(sample.points, sample.colors)
    return figure_1(name, look_at_cloud(cloud, pipeline))


def _times(args: argparse.Namespace, pipeline: "SsenPipeline") -> "Figure":
    import matplotlib  # noqa: F401  where it is missing, one hears of it before minutes are spent

    from ssen_ros.benchmarks.scans import time_scans
    from ssen_ros.figures.timing import figure_3

    return figure_3(time_scans((sample for _, sample in _samples(args)), pipeline))


def _divided(args: argparse.Namespace, pipeline: "SsenPipeline") -> "Figure":
    from ssen_ros.figures.rooms import figure_4, look

    return figure_4({name: look(sample, pipeline) for name, sample in _samples(args)})


def _truth(args: argparse.Namespace, pipeline: "SsenPipeline") -> "Figure":
    from ssen_ros.figures.rooms import figure_5, look

    return figure_5({name: look(sample, pipeline) for name, sample in _samples(args)})


def _chair(args: argparse.Namespace, pipeline: "SsenPipeline") -> "Figure":
    from ssen_ros.figures.moving_chair import a_chair, figure_6, move

    _, sample = next(_samples(args))
    bar = progress(range(args.steps))
    moments = move(*a_chair(sample), pipeline, args.steps, lambda step: next(bar))
    return figure_6(moments, moments[0].embeddings.shape[1])


def _samples(args: argparse.Namespace) -> "Iterator[tuple[str, Sample]]":
    """(name, room), one at a time."""
    if args.rooms:
        from ssen_ros.datasets.labelled_rooms import labelled_files, load_room

        for name, path in labelled_files(args.rooms).items():
            yield name, load_room(path)
        return
    from ssen_ros.simulation import scan

    for seed in args.seeds or _SEEDS[args.number]:
        print(f"ssen figure: room {seed}", file=sys.stderr)
        yield f"room {seed}", scan(seed)
