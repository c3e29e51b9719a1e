"""The `ssen` command. Every command imports what it needs when it runs, so `ssen --help` is quick.

Exit codes: 0 done, 1 an error (one line on stderr), 2 wrong usage, 130 interrupted; `ssen doctor` has more.
"""

import argparse
import json
import logging
import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ssen_ros import __version__
from ssen_ros.cli_bags import add_play, add_record
from ssen_ros.cli_bench import add_bench
from ssen_ros.cli_data import add_import, add_statistics
from ssen_ros.cli_doctor import add_doctor
from ssen_ros.cli_evaluate import add_evaluate, add_export
from ssen_ros.cli_options import (
    CLOUD_HELP,
    add_bag_topic,
    add_pipeline_options,
    command,
    config_of,
    names,
    parameter_table,
    positive_float,
    positive_int,
    require_ros,
    seed,
    settings_of,
    warn_of_held_out,
)
from ssen_ros.cli_train import add_curves, add_train
from ssen_ros.errors import SsenError, missing_module

if TYPE_CHECKING:
    import numpy as np

    from ssen_ros.results import SavedFiles
    from ssen_ros.structures import Cloud, StepResult

log = logging.getLogger(__name__)


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; returns the exit code."""
    args = build_parser().parse_args(argv)
    level = (logging.WARNING, logging.INFO, logging.DEBUG)[min(args.verbose, 2)]
    logging.basicConfig(level=level, format="%(levelname)s %(name)s: %(message)s", stream=sys.stderr)
    try:
        return args.run(args)
    except (SsenError, OSError) as error:
        log.debug("raised here", exc_info=True)
        print(f"ssen {args.command}: {' '.join(str(error).split())}", file=sys.stderr)
        return 1
    except ModuleNotFoundError as error:
        log.debug("raised here", exc_info=True)
        print(f"ssen {args.command}: {missing_module(error)}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print(f"ssen {args.command}: interrupted", file=sys.stderr)
        return 130


def build_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="ssen", description="Segment the live map of an RGB-D SLAM into labelled, identified objects."
    )
    parser.add_argument("--version", action="version", version=f"ssen_ros {__version__}")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for add in (
        _add_demo,
        _add_segment,
        add_doctor,
        add_play,
        add_record,
        _add_simulate,
        add_import,
        add_statistics,
        add_train,
        add_curves,
        add_evaluate,
        add_export,
        _add_convert,
        add_bench,
    ):
        add(commands)
    return parser


# --- ssen demo ---------------------------------------------------------------------------------


def _add_demo(commands: Any) -> None:
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
    from ssen_ros.ros.demo import run_demo

    return run_demo(args.out, args.seconds, args.seed, args.maps, settings)


# --- ssen segment ------------------------------------------------------------------------------


def _add_segment(commands: Any) -> None:
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
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="folder for the results")
    add_pipeline_options(parser)
    parser.add_argument("--json", action="store_true", help="print one JSON object instead of tables")


def _segment(args: argparse.Namespace) -> int:
    from ssen_ros.cloud_io import read_cloud
    from ssen_ros.doctor import examine_cloud
    from ssen_ros.pipeline import SsenPipeline
    from ssen_ros.results import save_result
    from ssen_ros.voxel_map import VoxelMap

    config = config_of(args)
    cloud = read_cloud(args.cloud, args.bag_topic)
    pipeline = SsenPipeline.from_config(config)
    for finding in examine_cloud(cloud, pipeline.segmenter.voxel_size):
        log.warning("%s; %s", finding.seen, finding.remedy)
    voxel_map = VoxelMap(pipeline.segmenter.voxel_size, config.map.mode)
    voxel_map.integrate(cloud.points, _colors_or_grey(cloud))
    result = pipeline.step(voxel_map.snapshot(), stamp_ns=cloud.stamp_ns)
    saved = save_result(result, args.out, tuple(pipeline.segmenter.class_names), cloud.frame_id)
    if args.json:
        print(json.dumps(_segment_json(result, saved)))
    else:
        _print_segment_tables(result, saved)
    return 0


def _colors_or_grey(cloud: "Cloud") -> "np.ndarray":
    import numpy as np

    from ssen_ros.labels import NO_COLOR

    return np.full((len(cloud), 3), NO_COLOR, np.uint8) if cloud.colors is None else cloud.colors


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


# --- ssen simulate -----------------------------------------------------------------------------


def _add_simulate(commands: Any) -> None:
    text = "Make rooms with ground truth, as a virtual RGB-D camera on a walk maps them; one .npz each."
    parser = command(commands, "simulate", _simulate, text)
    parser.add_argument("--rooms", type=positive_int, metavar="N", help="how many [100, or the whole split]")
    rooms = parser.add_mutually_exclusive_group()
    rooms.add_argument("--seed", type=seed, default=1000, help="of the first room; 0 to 99 are validation")
    rooms.add_argument(
        "--split",
        choices=("validation", "smoke"),
        help="fixed rooms that hold furniture models no other room has: seeds 0 to 99; smoke: four of them",
    )
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="folder for the .npz files")
    parser.add_argument("--sheet", type=Path, metavar="PNG", help="draw the rooms on a contact sheet as well")
    parser.add_argument("--workers", type=positive_int, default=1, help="processes")
    parser.add_argument(
        "--models", type=Path, nargs="+", default=[], metavar="DIR",
        help="mix in 3D models: folders with a manifest.json, as docs/training.md describes, or with the "
        ".sh3f archives of Debian's sweethome3d-furniture; ATTRIBUTION.txt in --out names what was used",
    )  # fmt: skip
    parser.add_argument("--textures", type=Path, metavar="DIR", help="likewise tileable images for surfaces")
    parser.add_argument("--prints", type=Path, metavar="DIR", help="likewise images for pictures and boxes")


def _simulate(args: argparse.Namespace) -> int:
    from ssen_ros.simulation import (
        HELD_OUT_SEEDS,
        SMOKE_SEEDS,
        VOXEL_SIZE,
        Assets,
        generate,
        load_sample,
    )

    if args.split:
        seeds = {"validation": HELD_OUT_SEEDS, "smoke": SMOKE_SEEDS}[args.split][: args.rooms]
    else:
        seeds = range(args.seed, args.seed + (args.rooms or 100))
        warn_of_held_out(seeds, "keep them apart from what you train on, or take --seed 1000")
    named = args.models or args.textures or args.prints
    assets = Assets.open(args.models, args.textures, args.prints) if named else None
    paths = generate(seeds, args.out, args.workers, assets=assets)
    if args.sheet:
        from ssen_ros.viewer.sheet import contact_sheet

        contact_sheet(map(load_sample, paths), VOXEL_SIZE).save(args.sheet, optimize=True)
    return 0


# --- ssen convert ------------------------------------------------------------------------------


def _add_convert(commands: Any) -> None:
    text = "Make a checkpoint of ours from a public one of MinkowskiEngine; nothing in the file is executed."
    parser = command(commands, "convert", _convert, text)
    parser.add_argument("checkpoint", type=Path, metavar="CKPT", help=".pth or .pt file of a Minkowski U-Net")
    parser.add_argument("--out", type=Path, required=True, metavar="F", help=".safetensors file to write")
    parser.add_argument("--architecture", metavar="NAME", help="such as MinkUNet34C [the one that fits]")
    task = parser.add_mutually_exclusive_group()
    task.add_argument("--classes", type=names, metavar="A,B,...", help="output classes [ScanNet's 20]")
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


if __name__ == "__main__":
    sys.exit(main())
