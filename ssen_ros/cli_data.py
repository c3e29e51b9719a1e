"""`ssen import`: labelled rooms of others, and one's own, as the samples that `ssen train` takes.
`ssen statistics`: what a folder of samples holds.
"""

import argparse
import json
from pathlib import Path
from typing import Any

from ssen_ros.cli_options import command, positive_int, print_rows, progress, sample_paths


def add_import(commands: Any) -> None:
    text = "Make .npz samples for `ssen train` from labelled rooms; files that exist are kept."
    parser = commands.add_parser("import", help=text, description=text)
    sources = parser.add_subparsers(dest="source", required=True, metavar="SOURCE")
    _add_import_scannet(sources)
    _add_import_ply(sources)


def _add_import_scannet(sources: Any) -> None:
    text = "Scenes of ScanNet v2, on the 20 classes of its benchmark; what is not annotated stays unlabelled."
    parser = command(sources, "scannet", _import_scannet, text)
    parser.add_argument("scans", type=Path, metavar="SCANS", help="folder with a folder for each scene")
    parser.add_argument(
        "--labels", type=Path, required=True, metavar="TSV", help="scannetv2-labels.combined.tsv"
    )
    parser.add_argument(
        "--split", type=Path, required=True, metavar="FILE",
        help="names of the scenes, one a line, such as scannetv2_train.txt; a folder for each split",
    )  # fmt: skip
    _add_target(parser)


def _import_scannet(args: argparse.Namespace) -> int:
    from ssen_ros.datasets.scannet import import_scannet, read_label_map, read_split

    names = read_split(args.split)
    written = import_scannet(args.scans, read_label_map(args.labels), names, args.out, args.workers)
    print(f"{args.out}: {len(written)} rooms")
    return 0


def _add_import_ply(sources: Any) -> None:
    text = (
        "Rooms of one's own: metres, +Z up, x y z red green blue and two properties at each vertex. label: 0 "
        "to 19 in the order of ssen_ros/labels.py, -1 or 255 where not annotated. instance: a number from 0 "
        "for each object, -1 for none."
    )
    parser = command(sources, "ply", _import_ply, text)
    parser.add_argument("files", type=Path, nargs="+", metavar="FILE", help="a .ply file, one a room")
    _add_target(parser)


def _import_ply(args: argparse.Namespace) -> int:
    from ssen_ros.datasets.labelled_ply import import_ply

    written = import_ply(args.files, args.out, args.workers)
    print(f"{args.out}: {len(written)} rooms")
    return 0


def _add_target(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="folder for the .npz files")
    parser.add_argument("--workers", type=positive_int, default=1, help="processes")


def add_statistics(commands: Any) -> None:
    text = "Class shares, instances and sizes of a folder of samples, beside ScanNet's as published."
    parser = command(commands, "statistics", _statistics, text)
    parser.add_argument(
        "rooms", type=Path, metavar="DIR", help=".npz samples of `ssen simulate` or `ssen import`"
    )
    parser.add_argument("--json", action="store_true", help="print one JSON object instead of a table")


def _statistics(args: argparse.Namespace) -> int:
    from ssen_ros.datasets.statistics import count_room, statistics

    result = statistics([count_room(path) for path in progress(sample_paths(args.rooms))])
    if args.json:
        print(json.dumps(result))
        return 0
    headings = ("class", "% of\nvoxels", "ScanNet\n% of\nvoxels", "objects", "evaluated", "% of\nobjects",
                "ScanNet\n% of\nobjects")  # fmt: skip
    print_rows([dict(zip(headings, row.values())) for row in result.pop("rows")])
    for name, value in result.items():
        print(f"{name.replace('_', ' ')}: {value:.4g}")
    return 0
