"""`ssen segment`: one cloud, once. `ssen demo`: the node on a simulated map."""

import argparse
import json
import logging
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ssen_ros.cli.options import (
    CLOUD_HELP,
    add_bag_topic,
    add_pipeline_options,
    command,
    config_of,
    parameter_table,
    positive_float,
    positive_int,
    require_ros,
    seed,
    settings_of,
)

if TYPE_CHECKING:
    from ssen_ros.results import SavedFiles
    from ssen_ros.structures import StepResult

log = logging.getLogger(__name__)


def add_segment(commands: Any) -> None:
    text = "Segment one cloud; writes labelled.ply, instances.json and map.png."
    parser = command(
        commands,
        "segment",
        _segment,
        text,
        epilog=f"parameters for --set:\n{parameter_table()}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("cloud", type=Path, metavar="CLOUD", help=CLOUD_HELP)
    add_bag_topic(parser)
    parser.add_argument(
        "--at", type=positive_float, default=float("inf"), metavar="S",
        help="of a recording: the map as it was S seconds after the first cloud [the last one]",
    )  # fmt: skip
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="folder for the results")
    add_pipeline_options(parser)
    parser.add_argument("--json", action="store_true", help="print one JSON object instead of tables")


def _segment(args: argparse.Namespace) -> int:
    from ssen_ros.doctor import examine_cloud
    from ssen_ros.io.clouds import read_cloud
    from ssen_ros.pipeline import SsenPipeline
    from ssen_ros.results import save_result
    from ssen_ros.voxel_map import VoxelMap

    config = config_of(args)
    cloud = read_cloud(args.cloud, args.bag_topic, args.at)
    pipeline = SsenPipeline.from_config(config)
    for finding in examine_cloud(cloud, pipeline.segmenter.voxel_size):
        log.warning("%s; %s", finding.seen, finding.remedy)
    voxel_map = VoxelMap(pipeline.segmenter.voxel_size, config.map.mode)
    voxel_map.integrate(cloud.points, cloud.colors_or_grey)
    result = pipeline.step(voxel_map.snapshot(), stamp_ns=cloud.stamp_ns)
    saved = save_result(result, args.out, tuple(pipeline.segmenter.class_names), cloud.frame_id)
    if args.json:
        print(json.dumps(_segment_json(result, saved)))
    else:
        _print_segment_tables(result, saved)
    return 0


def _segment_json(result: "StepResult", saved: "SavedFiles") -> dict:
    content = json.loads(saved.instances_json.read_text(encoding="utf-8"))
    content["timings_ms"] = {stage: 1000.0 * seconds for stage, seconds in result.timings_s.items()}
    content["files"] = {name: str(path) for name, path in vars(saved).items()}
    return content


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
    add_pipeline_options(parser)


def _demo(args: argparse.Namespace) -> int:
    settings = settings_of(args)
    require_ros()
    from ssen_ros.ros.commands.demo import run_demo

    return run_demo(args.out, args.seconds, args.seed, args.maps, settings)
