"""`ssen segment`: one cloud or many, each once. `ssen demo`: the node on a simulated map."""

import argparse
import json
import logging
import sys
from collections import Counter
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ssen_ros.cli.options import (
    CLOUD_HELP,
    add_bag_topic,
    add_palette,
    add_pipeline_options,
    add_up,
    add_workers,
    command,
    config_of,
    parameter_table,
    positive_float,
    positive_int,
    require_ros,
    seed,
    settings_of,
)
from ssen_ros.cli.view import add_view_option, open_viewer, view_desk
from ssen_ros.errors import CheckpointError, ConfigError, EngineError, SsenError
from ssen_ros.jobs import by_name, workers_of

if TYPE_CHECKING:
    from ssen_ros.pipeline import SsenPipeline
    from ssen_ros.results import SavedFiles
    from ssen_ros.structures import Cloud, StepResult
    from ssen_ros.view.file_desk import FileDesk

log = logging.getLogger(__name__)


def add_segment(commands: Any) -> None:
    text = "Segment clouds, each by itself; writes labelled.ply, instances.json and map.png."
    parser = command(
        commands,
        "segment",
        _segment,
        text,
        reads_files=True,
        epilog=f"parameters for --set:\n{parameter_table()}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("clouds", type=Path, nargs="+", metavar="CLOUD", help=CLOUD_HELP)
    add_bag_topic(parser)
    parser.add_argument(
        "--at", type=positive_float, default=float("inf"), metavar="S",
        help="of a recording: the map as it was S seconds after the first cloud [the last one]",
    )  # fmt: skip
    add_up(parser)
    parser.add_argument(
        "--full", action="store_true",
        help="every point of the cloud in labelled.ply, in its order, with the label of its voxel",
    )  # fmt: skip
    parser.add_argument(
        "--out", type=Path, required=True, metavar="DIR",
        help="folder for the results; of several clouds one folder in it for each, and what is there is kept",
    )  # fmt: skip
    parser.add_argument(
        "--oriented-boxes", action="store_true",
        help="instances.json also has each object's smallest box of any orientation; takes the extra open3d",
    )  # fmt: skip
    add_palette(parser)
    add_workers(parser)
    add_pipeline_options(parser)
    add_view_option(parser)
    parser.add_argument("--json", action="store_true", help="print one JSON object instead of tables")


def _segment(args: argparse.Namespace) -> int:
    from ssen_ros.io.clouds import read_cloud
    from ssen_ros.pipeline import SsenPipeline

    if len(args.clouds) > 1 or args.dask:
        if args.view:
            raise SsenError(f"--view: {len(args.clouds)} clouds were given, expected one; use `ssen view`")
        return _segment_many(args)
    config = config_of(args)
    cloud = read_cloud(args.clouds[0], args.bag_topic, args.at).turned(args.up)
    pipeline = SsenPipeline.from_config(config)
    result, saved = _segment_to(cloud, pipeline, args.out, args.full, args.oriented_boxes, args.palette)
    if args.json:
        print(json.dumps(_segment_json(result, saved)))
    else:
        _print_segment_tables(result, saved)
    return view_desk(_desk(cloud, pipeline, result, args), args) if args.view else 0


def _desk(
    cloud: "Cloud", pipeline: "SsenPipeline", result: "StepResult", args: argparse.Namespace
) -> "FileDesk":
    from ssen_ros.io.saved_map import SavedMap
    from ssen_ros.view.file_desk import FileDesk
    from ssen_ros.voxel_map import VoxelMap

    voxel_map = VoxelMap(pipeline.segmenter.voxel_size)
    voxel_map.integrate(cloud.points, cloud.colors_or_grey)
    names = tuple(pipeline.segmenter.class_names)
    saved = SavedMap(
        cloud.frame_id, result.stamp_ns, voxel_map.voxel_size, names, voxel_map.state, result.memory
    )
    return FileDesk(pipeline, result, saved, args.out / f"{args.clouds[0].stem}.npz")


def _segment_to(
    cloud: "Cloud",
    pipeline: "SsenPipeline",
    folder: Path,
    full: bool,
    oriented_boxes: bool,
    palette: str,
) -> "tuple[StepResult, SavedFiles]":
    from ssen_ros.doctor import examine_cloud
    from ssen_ros.results import save_result
    from ssen_ros.voxel_map import VoxelMap

    for finding in examine_cloud(cloud, pipeline.segmenter.voxel_size):
        log.warning("%s; %s", finding.seen, finding.remedy)
    voxel_map = VoxelMap(
        pipeline.segmenter.voxel_size,
        pipeline.config.map.mode,
        max_voxels=pipeline.config.map.max_voxels,
    )
    voxel_map.integrate(cloud.points, cloud.colors_or_grey)
    result = pipeline.step(voxel_map.snapshot(), stamp_ns=cloud.stamp_ns)
    names = tuple(pipeline.segmenter.class_names)
    points = cloud if full else None
    return result, save_result(result, folder, names, cloud.frame_id, points, oriented_boxes, palette)


# --- many clouds -------------------------------------------------------------------------------


def _segment_many(args: argparse.Namespace) -> int:
    """Each in a folder of its name; one that fails is told, and the exit code is 1."""
    from ssen_ros.evaluation.scene_runs import run_scenes
    from ssen_ros.results import SavedFiles

    paths = by_name(args.clouds, lambda name: SavedFiles.in_folder(args.out / name).map_png)  # written last
    errors: dict[Path, str] = {}

    def failed(cloud: Path, error: Exception) -> None:
        if isinstance(error, (ConfigError, CheckpointError, EngineError, ModuleNotFoundError)):
            raise error  # not this cloud's: every other would fail as well
        errors[cloud] = " ".join((str(error) or repr(error)).split())
        print(f"ssen segment: {cloud}: {errors[cloud]}", file=sys.stderr)
        log.info("raised here", exc_info=error)

    kept = sum(path.exists() for path in paths.values())
    load = partial(_read_turned, args.bag_topic, args.at, args.up)
    write = partial(_segment_into, args.full, args.oriented_boxes, args.palette)
    how = ["every point"] * args.full + ["oriented boxes"] * args.oriented_boxes
    how += [f"{args.up} is up"] * (args.up != "z") + [f"palette {args.palette}"] * (args.palette != "safe")
    data = ", ".join(["clouds by their names", *how])
    with workers_of(args.workers, args.dask) as executor:
        run_scenes(
            paths, load, write, config_of(args), args.out, data, executor,
            progress=sys.stderr.isatty(), failed=failed,
        )  # fmt: skip
    done = {path.parent.name: path.parent for cloud, path in paths.items() if cloud not in errors}
    if args.json:
        files = {name: SavedFiles.in_folder(folder) for name, folder in done.items()}
        told = {name: {**_content(of), "files": _names(of)} for name, of in files.items()}
        told |= {paths[cloud].parent.name: {"error": error} for cloud, error in errors.items()}
        print(json.dumps(told))
    else:
        failures = f", {len(errors)} failed" if errors else ""
        print(f"{args.out}: {len(done)} clouds, {kept} of them kept from before{failures}")
    return 1 if errors else 0


def _read_turned(bag_topic: str, until_s: float, up: str, path: Path) -> "Cloud":
    from ssen_ros.io.clouds import read_cloud

    return read_cloud(path, bag_topic, until_s).turned(up)


def _segment_into(
    full: bool, oriented_boxes: bool, palette: str, cloud: "Cloud", pipeline: "SsenPipeline", path: Path
) -> None:
    _segment_to(cloud, pipeline, path.parent, full, oriented_boxes, palette)


# --- what is told ------------------------------------------------------------------------------


def _segment_json(result: "StepResult", saved: "SavedFiles") -> dict:
    timings_ms = {stage: 1000.0 * seconds for stage, seconds in result.timings_s.items()}
    return {**_content(saved), "timings_ms": timings_ms, "files": _names(saved)}


def _content(saved: "SavedFiles") -> dict:
    return json.loads(saved.instances_json.read_text(encoding="utf-8"))


def _names(saved: "SavedFiles") -> dict[str, str]:
    return {name: str(path) for name, path in vars(saved).items()}


def _print_segment_tables(result: "StepResult", saved: "SavedFiles") -> None:
    from rich.console import Console
    from rich.table import Table

    console = Console()
    found = Table("class", "objects", "voxels", title=f"{len(result.instances)} objects")
    voxels: Counter[str] = Counter()
    for instance in result.instances:
        voxels[instance.class_name] += instance.voxel_count
    for name, count in Counter(i.class_name for i in result.instances).most_common():
        found.add_row(name, str(count), str(voxels[name]))
    stages = Table("stage", "ms", title=f"{len(result.snapshot)} voxels of {result.snapshot.voxel_size:g} m")
    for stage, seconds in result.timings_s.items():
        stages.add_row(stage, f"{1000 * seconds:.0f}")
    console.print(found, stages)
    for path in vars(saved).values():
        print(path)


def add_demo(commands: Any) -> None:
    text = "Simulator and segmenting node as two processes over ROS 2; results of the final map in --out."
    parser = command(commands, "demo", _demo, text)
    parser.add_argument("--out", type=Path, default=Path("out/demo"), help="folder for results and logs")
    parser.add_argument("--seconds", type=positive_float, help="end after this long at the latest")
    parser.add_argument("--seed", type=seed, default=8, help="of the simulated room and walk")
    parser.add_argument("--maps", type=positive_int, default=20, help="maps that the walk publishes, about")
    parser.add_argument("--rate", type=positive_float, default=1.0, metavar="HZ", help="maps a second")
    add_view_option(parser)
    add_pipeline_options(parser)


def _demo(args: argparse.Namespace) -> int:
    settings = settings_of(args)
    require_ros()
    from ssen_ros.ros.commands.demo import run_demo

    opening = partial(open_viewer, args=args) if args.view else None
    return run_demo(args.out, args.seconds, args.seed, args.maps, args.rate, settings, opening)
