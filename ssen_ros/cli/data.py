"""`ssen simulate`: rooms with ground truth.
`ssen import`: labelled rooms of others, and one's own, as the samples that `ssen train` takes.
`ssen statistics`: what a folder of samples holds.
"""

import argparse
import json
from pathlib import Path
from typing import Any

from ssen_ros.cli.options import (
    add_workers,
    command,
    positive_int,
    print_rows,
    progress,
    seed,
    warn_of_held_out,
)
from ssen_ros.jobs import workers_of


def add_simulate(commands: Any) -> None:
    text = "Make rooms with ground truth, as a virtual RGB-D camera on a walk maps them; one .npz each."
    parser = command(commands, "simulate", _simulate, text)
    parser.add_argument("--rooms", type=positive_int, metavar="N", help="how many [100, or the whole split]")
    rooms = parser.add_mutually_exclusive_group()
    rooms.add_argument("--seed", type=seed, default=1000, help="of the first room; 0 to 199 are validation")
    rooms.add_argument(
        "--split",
        choices=("validation", "validation_hard", "smoke"),
        help="fixed rooms that hold furniture models no other room has: seeds 0 to 99; validation_hard: 100 "
        "to 199, put together and seen as training rooms are; smoke: four of the first",
    )
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="folder for the .npz files")
    parser.add_argument("--sheet", type=Path, metavar="PNG", help="draw the rooms on a contact sheet as well")
    add_workers(parser)
    parser.add_argument(
        "--models", type=Path, nargs="+", default=[], metavar="DIR",
        help="mix in 3D models: folders with a manifest.json, as docs/training.md describes, or with the "
        ".sh3f archives of Debian's sweethome3d-furniture; ATTRIBUTION.txt in --out names what was used",
    )  # fmt: skip
    parser.add_argument("--textures", type=Path, metavar="DIR", help="likewise tileable images for surfaces")
    parser.add_argument("--prints", type=Path, metavar="DIR", help="likewise images for pictures and boxes")


def _simulate(args: argparse.Namespace) -> int:
    from ssen_ros.datasets.splits import HARD_SEEDS, SMOKE_SEEDS, VALIDATION_SEEDS
    from ssen_ros.io.samples import VOXEL_SIZE, load_sample
    from ssen_ros.simulation import Assets, generate

    if args.split:
        splits = {"validation": VALIDATION_SEEDS, "validation_hard": HARD_SEEDS, "smoke": SMOKE_SEEDS}
        seeds = splits[args.split][: args.rooms]
    else:
        seeds = range(args.seed, args.seed + (args.rooms or 100))
        warn_of_held_out(seeds, "keep them apart from what you train on, or take --seed 1000")
    named = args.models or args.textures or args.prints
    models = [folder.absolute() for folder in args.models]  # workers may have been started in other folders
    textures, prints = (folder and folder.absolute() for folder in (args.textures, args.prints))
    assets = Assets.open(models, textures, prints) if named else None
    with workers_of(args.workers, args.dask) as executor:
        paths = generate(seeds, args.out, executor, assets=assets)
    if args.sheet:
        from ssen_ros.io.replacing import replacing
        from ssen_ros.pictures.sheet import contact_sheet

        with replacing(args.sheet) as temporary:
            contact_sheet(map(load_sample, paths), VOXEL_SIZE).save(temporary, format="PNG", optimize=True)
    return 0


def add_import(commands: Any) -> None:
    text = "Make .npz samples for `ssen train` from labelled rooms; files that exist are kept."
    parser = commands.add_parser("import", help=text, description=text)
    sources = parser.add_subparsers(dest="source", required=True, metavar="SOURCE")
    _add_import_scannet(sources)
    _add_import_ply(sources)


def _add_import_scannet(sources: Any) -> None:
    text = "Scenes of ScanNet v2, on the 20 classes of its benchmark; what is not annotated stays unlabelled."
    parser = command(sources, "scannet", _import_scannet, text, reads_files=True)
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
    with workers_of(args.workers, args.dask) as executor:
        written = import_scannet(args.scans, read_label_map(args.labels), names, args.out, executor)
    print(f"{args.out}: {len(written)} rooms")
    return 0


def _add_import_ply(sources: Any) -> None:
    text = (
        "Rooms of one's own: metres, +Z up, x y z red green blue and two properties at each vertex. label: 0 "
        "to 19 in the order of ssen_ros/labels.py, -1 or 255 where not annotated. instance: a number from 0 "
        "for each object, -1 for none."
    )
    parser = command(sources, "ply", _import_ply, text, reads_files=True)
    parser.add_argument("files", type=Path, nargs="+", metavar="FILE", help="a .ply file, one a room")
    _add_target(parser)


def _import_ply(args: argparse.Namespace) -> int:
    from ssen_ros.datasets.labelled_ply import import_ply

    with workers_of(args.workers, args.dask) as executor:
        written = import_ply(args.files, args.out, executor)
    print(f"{args.out}: {len(written)} rooms")
    return 0


def _add_target(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="folder for the .npz files")
    add_workers(parser)


def add_statistics(commands: Any) -> None:
    text = "Class shares, instances and sizes of a folder of samples, beside ScanNet's as published."
    parser = command(commands, "statistics", _statistics, text, reads_files=True)
    parser.add_argument(
        "rooms", type=Path, metavar="DIR", help=".npz samples of `ssen simulate` or `ssen import`"
    )
    parser.add_argument("--json", action="store_true", help="print one JSON object instead of a table")


def _statistics(args: argparse.Namespace) -> int:
    from ssen_ros.datasets.statistics import count_room, statistics
    from ssen_ros.io.samples import sample_paths

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
