"""`ssen evaluate` and `ssen export`: the whole method over many scenes, scored or written for a benchmark."""

import argparse
import json
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ssen_ros.cli.options import (
    add_pipeline_options,
    add_workers,
    alternatives,
    command,
    config_of,
    positive_int,
    seed_range,
)
from ssen_ros.errors import ConfigError, SsenError
from ssen_ros.jobs import workers_of

if TYPE_CHECKING:
    from ssen_ros.evaluation.streaming import Moment
    from ssen_ros.io.samples import Sample


def add_evaluate(commands: Any) -> None:
    text = "Score the whole method against ground truth."
    parser = commands.add_parser("evaluate", help=text, description=text)
    benchmarks = parser.add_subparsers(dest="benchmark", required=True, metavar="BENCHMARK")
    _add_evaluate_simulated(benchmarks)
    _add_evaluate_rooms(benchmarks)
    _add_evaluate_streaming(benchmarks)
    _add_evaluate_scannet(benchmarks)


def add_export(commands: Any) -> None:
    text = "Write results in the format of a benchmark."
    parser = commands.add_parser("export", help=text, description=text)
    benchmarks = parser.add_subparsers(dest="benchmark", required=True, metavar="BENCHMARK")
    _add_export_scannet(benchmarks)


# --- ssen evaluate simulated -------------------------------------------------------------------


def _add_evaluate_simulated(benchmarks: Any) -> None:
    text = "Rooms of the simulator, or others in the same files; scored on their points, one per 2 cm voxel."
    parser = command(benchmarks, "simulated", _evaluate_simulated, text, reads_files=True)
    rooms = parser.add_mutually_exclusive_group()
    rooms.add_argument(
        "--rooms", type=Path, metavar="DIR", help=".npz files of `ssen simulate` or `ssen import`"
    )
    rooms.add_argument(
        "--seeds", type=seed_range, default="0:20", metavar="A:B",
        help="rooms made on the spot, the last left out",
    )  # fmt: skip
    _add_evaluation_options(parser)


def _evaluate_simulated(args: argparse.Namespace) -> int:
    from ssen_ros.io.samples import load_sample, sample_paths
    from ssen_ros.simulation import scan

    if args.rooms is None:
        scenes = {f"{seed:06d}": seed for seed in args.seeds}
        return _evaluate(args, scenes, scan, "rooms of the simulator by seed")
    scenes = {path.stem: path for path in sample_paths(args.rooms)}
    return _evaluate(args, scenes, load_sample, str(args.rooms.resolve()))


# --- ssen evaluate rooms -----------------------------------------------------------------------


def _add_evaluate_rooms(benchmarks: Any) -> None:
    text = (
        "Labelled maps of any origin, as a user sees them: labels, objects, what becomes of unknown kinds, "
        "the same map turned, and with strays below its floor."
    )
    parser = command(
        benchmarks, "rooms", _evaluate_rooms, text, reads_files=True, epilog=_ROOM_FILES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )  # fmt: skip
    parser.add_argument(
        "rooms", type=Path, nargs="+", metavar="PATH", help="labelled .npz or .ply maps, or folders of them"
    )
    parser.add_argument(
        "--points", type=Path, nargs="+", default=[], metavar="CLOUD",
        help="clouds that files without points label the rows of; each takes the one with as many rows",
    )  # fmt: skip
    parser.add_argument(
        "--alternatives", type=alternatives, nargs="+", default=[], metavar="A=B,C",
        help="what a class may be called too, such as desk=table",
    )  # fmt: skip
    parser.add_argument(
        "--once", action="store_true",
        help="score each map as it is alone: not turned, and without strays, a sixth of the time",
    )  # fmt: skip
    parser.add_argument(
        "--out", type=Path, metavar="DIR",
        help="folder that keeps the score of each map, where a run cut short goes on [none is kept]",
    )  # fmt: skip
    _add_shared_options(parser)
    parser.add_argument("--json", action="store_true", help="print one JSON object instead of tables")


_ROOM_FILES = """\
arrays of an .npz map, N rows each; a sample of `ssen simulate` will do as well:
  points    (N, 3) float metres, or int16/int32 millimetres; +Z up
  colors    (N, 3) uint8; all grey where there are none
  label     0 to 19 the ScanNet-20 classes in their order, 20 a kind outside them, 21 a ceiling,
            -1 not annotated
  instance  the same number at all points of an object, -1 for none
a file without points labels the rows of another cloud: that of --points, or room_labels.npz those of room.npz
or *_room.npz, beside it or one folder up. A .ply map is as `ssen import ply` takes it.
"""


def _evaluate_rooms(args: argparse.Namespace) -> int:
    from ssen_ros.datasets.labelled_rooms import labelled_files, load_room
    from ssen_ros.evaluation.rooms import evaluate_rooms

    config, rooms = config_of(args), labelled_files(args.rooms)
    load = partial(load_room, clouds=tuple(path.absolute() for path in args.points))
    with _results_folder(args) as folder, workers_of(args.workers, args.dask) as executor:
        scores = evaluate_rooms(
            rooms, load, config, folder, dict(args.alternatives), executor,
            progress=sys.stderr.isatty(), perturbed=not args.once,
        )  # fmt: skip
    if args.json:
        print(json.dumps(scores))
    else:
        _print_room_scores(scores)
    return 0


def _print_room_scores(scores: dict) -> None:
    from ssen_ros.evaluation.tables import objects_table, rooms_class_table, rooms_table

    print(rooms_table(scores), objects_table(scores), rooms_class_table(scores), sep="\n\n")


# --- ssen evaluate streaming -------------------------------------------------------------------


def _add_evaluate_streaming(benchmarks: Any) -> None:
    text = (
        "Walks of the simulator, map by growing map, loop closures included: how steady labels and ids are, "
        "and what the last map is worth beside one pass over it alone."
    )
    parser = command(benchmarks, "streaming", _evaluate_streaming, text)
    parser.add_argument(
        "--seeds", type=seed_range, default="0:20", metavar="A:B", help="of the walks, the last left out"
    )
    parser.add_argument(
        "--updates", type=positive_int, default=12, metavar="K", help="maps a walk, evenly spaced in time"
    )
    parser.add_argument(
        "--out", type=Path, metavar="DIR",
        help="folder that keeps the result of each walk, where a run cut short goes on, and scores.json "
        "[none is kept]",
    )  # fmt: skip
    _add_shared_options(parser)
    parser.add_argument("--json", action="store_true", help="print one JSON object instead of a table")


def _evaluate_streaming(args: argparse.Namespace) -> int:
    from ssen_ros.evaluation.streaming import evaluate_streaming
    from ssen_ros.evaluation.tables import streaming_table

    config = config_of(args)
    data = f"walks of the simulator by seed, {args.updates} maps each"
    with _results_folder(args) as folder, workers_of(args.workers, args.dask) as executor:
        scores = evaluate_streaming(
            args.seeds, partial(_replay, args.updates), config, folder, data, executor,
            progress=sys.stderr.isatty(),
        )  # fmt: skip
    if args.json:
        print(json.dumps(scores))
        return 0
    stages = ", ".join(f"{stage} {seconds:.3f}" for stage, seconds in scores["seconds"].items())
    note = f"In %, but for counts and s, the median seconds of an update: {stages}"
    print(streaming_table(scores), note, sep="\n\n")
    return 0


def _replay(updates: int, seed: int) -> Iterator["Moment"]:
    """The walk of this seed as so many maps, or as many as it has frames."""
    from ssen_ros.evaluation.streaming import Moment
    from ssen_ros.simulation import SimulatedSlam

    slam = SimulatedSlam(seed)
    updates = min(updates, len(slam))
    for number in range(1, updates + 1):
        before = slam.frames_done
        slam.advance(number * len(slam) // updates - before)
        closed = slam.loop_closure is not None and before <= slam.loop_closure < slam.frames_done
        yield Moment(slam.sample(), closed)


# --- ssen evaluate scannet, ssen export scannet ------------------------------------------------


def _add_evaluate_scannet(benchmarks: Any) -> None:
    text = "Annotated scenes of ScanNet v2, scored on the vertices of their meshes as the benchmark does."
    parser = command(benchmarks, "scannet", _evaluate_scannet, text, reads_files=True)
    _add_scans(parser, "scannetv2_val.txt")
    parser.add_argument(
        "--labels", type=Path, required=True, metavar="TSV", help="scannetv2-labels.combined.tsv"
    )
    _add_evaluation_options(parser)


def _evaluate_scannet(args: argparse.Namespace) -> int:
    from ssen_ros.datasets.scannet import read_label_map

    load = partial(_load_scannet, read_label_map(args.labels))
    return _evaluate(args, _scannet_scenes(args), load, str(args.scans.resolve()))


def _add_export_scannet(benchmarks: Any) -> None:
    text = (
        "A submission to ScanNet's 3D benchmark: semantic/ and instance/ in --out, each zipped by itself. "
        "Labels are those of the original mesh's vertices; scenes already written are kept."
    )
    parser = command(benchmarks, "scannet", _export_scannet, text, reads_files=True)
    _add_scans(parser, "scannetv2_test.txt")
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="folder of the submission")
    _add_shared_options(parser)


def _export_scannet(args: argparse.Namespace) -> int:
    from ssen_ros.evaluation.submission import export_scenes

    scenes = _scannet_scenes(args)
    data, bar = str(args.scans.resolve()), sys.stderr.isatty()
    load = partial(_load_scannet, None)
    with workers_of(args.workers, args.dask) as executor:
        export_scenes(scenes, load, config_of(args), args.out, data, executor, bar)
    print(f"{args.out}: {len(scenes)} scenes")
    return 0


def _add_scans(parser: argparse.ArgumentParser, split: str) -> None:
    parser.add_argument("scans", type=Path, metavar="SCANS", help="folder with a folder for each scene")
    parser.add_argument(
        "--split", type=Path, required=True, metavar="FILE",
        help=f"names of the scenes, one a line, such as {split}",
    )  # fmt: skip


def _scannet_scenes(args: argparse.Namespace) -> dict[str, Path]:
    from ssen_ros.datasets.scannet import read_split, scene_folders

    return scene_folders(args.scans, read_split(args.split))


def _load_scannet(label_map: dict[str, int] | None, folder: Path) -> "Sample":
    from ssen_ros.datasets.scannet import load_scene

    return load_scene(folder, label_map)


# --- shared ------------------------------------------------------------------------------------


def _add_evaluation_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--out", type=Path, metavar="DIR",
        help="folder that keeps the result of each scene, where a run cut short goes on, and scores.json "
        "[none is kept]",
    )  # fmt: skip
    parser.add_argument(
        "--thresholds", choices=("scannet", "paper"), default="scannet",
        help="IoU thresholds that AP averages: the 9 of ScanNet's script, 0.50 to 0.90, or the 10 that the "
        "paper names, 0.50 to 0.95",
    )  # fmt: skip
    parser.add_argument(
        "--beside", type=Path, nargs="+", default=[], metavar="DIR",
        help="folders of earlier runs (--out), as further rows of the paper's table",
    )  # fmt: skip
    _add_shared_options(parser)
    parser.add_argument("--json", action="store_true", help="print one JSON object instead of tables")


def _add_shared_options(parser: argparse.ArgumentParser) -> None:
    add_workers(parser)
    add_pipeline_options(parser)


def _results_folder(args: argparse.Namespace) -> AbstractContextManager[str | Path]:
    """That of --out, or one of which nothing is kept."""
    if args.out:
        return nullcontext(args.out)
    if args.dask:
        raise ConfigError("--dask without --out: expected --out DIR, a folder that all workers see")
    return tempfile.TemporaryDirectory(prefix="ssen_evaluate_")


def _evaluate(args: argparse.Namespace, scenes: dict, load: Any, data: str) -> int:
    from ssen_ros.evaluation.scenes import evaluate_scenes

    config, earlier = config_of(args), [_read_scores(folder) for folder in args.beside]
    with _results_folder(args) as folder, workers_of(args.workers, args.dask) as executor:
        scores = evaluate_scenes(
            scenes, load, config, folder, data, args.thresholds, executor,
            progress=sys.stderr.isatty(),
        )  # fmt: skip
    if args.json:
        print(json.dumps(scores))
    else:
        names = _names([args.out or Path("this run"), *args.beside])
        _print_scores(scores, dict(zip(names, [scores, *earlier])))
    return 0


def _names(folders: Sequence[Path]) -> list[str]:
    """A name for each: its own, or its whole path where two have the same."""
    names = [folder.name for folder in folders]
    return names if len(set(names)) == len(names) else [str(folder) for folder in folders]


def _read_scores(folder: Path) -> dict:
    try:
        return json.loads((folder / "scores.json").read_text())
    except (FileNotFoundError, json.JSONDecodeError) as error:
        raise SsenError(
            f"--beside {folder}: no readable scores.json ({error}); expected a folder that an earlier run of "
            "`ssen evaluate` was given as --out"
        ) from error


def _print_scores(scores: dict, runs: dict[str, dict]) -> None:
    from ssen_ros.evaluation.tables import class_table, paper_table, protocol_text, size_table

    def section(title: str, table: str) -> Sequence[str]:
        return title, "", table, ""

    protocols = {name: run["instance"]["protocol"] for name, run in runs.items()}
    differing = "" if len(set(protocols.values())) == 1 else f"; NOT ALL ALIKE: {protocols}"
    accuracy = scores["semantic"]["accuracy"]
    what = protocol_text(scores["instance"]["protocol"])
    print(
        *section(f"{scores['scenes']} scenes, {100 * accuracy:.1f} % of the vertices right; {what}",
                 class_table(scores)),
        *section("At IoU 0.50, by size:", size_table(scores)),
        *section(f"As the paper's Tables I and II; {what}{differing}:", paper_table(runs)),
        sep="\n", end="",
    )  # fmt: skip
