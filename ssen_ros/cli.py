"""The `ssen` command. Every command imports what it needs when it runs, so `ssen --help` is quick.

Exit codes: 0 done, 1 an error (one line on stderr), 2 wrong usage, 130 interrupted.
"""

import argparse
import json
import logging
import sys
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ssen_ros import __version__
from ssen_ros.cli_bench import add_bench
from ssen_ros.cli_options import (
    add_pipeline_options,
    command,
    config_of,
    names,
    parameter_table,
    positive_float,
    positive_int,
    progress,
    seed,
    seed_range,
    settings_of,
)
from ssen_ros.errors import SsenError

if TYPE_CHECKING:
    import numpy as np

    from ssen_ros.cloud_io import Cloud
    from ssen_ros.results import SavedFiles
    from ssen_ros.simulation import Sample
    from ssen_ros.structures import StepResult

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
        _add_play,
        _add_simulate,
        _add_train,
        _add_evaluate,
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
    parser.add_argument("--seed", type=seed, default=7, help="of the simulated room and walk")
    parser.add_argument("--maps", type=positive_int, default=20, help="maps that the walk publishes, about")
    add_pipeline_options(parser)


def _demo(args: argparse.Namespace) -> int:
    settings = settings_of(args)
    _require_ros()
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
    parser.add_argument("cloud", type=Path, metavar="CLOUD", help="a .ply, .pcd or .npz file, metres, +Z up")
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="folder for the results")
    add_pipeline_options(parser)
    parser.add_argument("--json", action="store_true", help="print one JSON object instead of tables")


def _segment(args: argparse.Namespace) -> int:
    from ssen_ros.cloud_io import read_cloud
    from ssen_ros.pipeline import SsenPipeline
    from ssen_ros.results import save_result
    from ssen_ros.voxel_map import VoxelMap

    config = config_of(args)
    cloud = read_cloud(args.cloud)
    pipeline = SsenPipeline.from_config(config)
    colors = _usable_colors(cloud)
    _warn_if_sparse(cloud, pipeline.segmenter.voxel_size)
    voxel_map = VoxelMap(pipeline.segmenter.voxel_size, config.map.mode)
    voxel_map.integrate(cloud.points, colors)
    result = pipeline.step(voxel_map.snapshot(), stamp_ns=time.time_ns())
    saved = save_result(result, args.out, tuple(pipeline.segmenter.class_names))
    if args.json:
        print(json.dumps(_segment_json(result, saved)))
    else:
        _print_segment_tables(result, saved)
    return 0


def _usable_colors(cloud: "Cloud") -> "np.ndarray":
    import numpy as np

    from ssen_ros.labels import NO_COLOR

    if cloud.colors is not None:
        return cloud.colors
    log.warning("the cloud has no colour: taken as grey; the networks learnt from colour and will do worse")
    return np.full((len(cloud), 3), NO_COLOR, np.uint8)


def _warn_if_sparse(cloud: "Cloud", voxel_size: float) -> None:
    from ssen_ros.cloud_io import point_spacing

    spacing = point_spacing(cloud.points)
    if spacing > voxel_size:
        log.warning(
            "the points lie %.3g m apart (median), the networks know voxels of %.3g m: "
            "expect poor labels; export a denser cloud, and check that its unit is the metre",
            spacing,
            voxel_size,
        )


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


# --- ssen play ---------------------------------------------------------------------------------


def _add_play(commands: Any) -> None:
    text = "Publish a stored cloud as a map that grows, for a running ssen_node."
    parser = command(commands, "play", _play, text)
    parser.add_argument("cloud", type=Path, metavar="CLOUD", help="a .ply, .pcd or .npz file, metres, +Z up")
    parser.add_argument(
        "--maps", type=positive_int, default=20, help="maps from the first to the whole cloud"
    )
    parser.add_argument("--rate", type=positive_float, default=1.0, metavar="HZ", help="maps per second")
    parser.add_argument("--topic", default="cloud_map", help="topic to publish on")


def _play(args: argparse.Namespace) -> int:
    _require_ros()
    import signal
    import subprocess

    from ssen_ros.cloud_io import read_cloud
    from ssen_ros.ros.processes import player_process

    read_cloud(args.cloud)  # its errors are clearer here than in the log of another process
    process = player_process(args.cloud, args.topic, {"maps": args.maps, "rate_hz": args.rate})
    with subprocess.Popen(process.command()) as player:
        # Whatever ends this process ends the player, which cleans up and gives the exit code.
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, lambda *_: player.terminate())
        return player.wait()


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


def _simulate(args: argparse.Namespace) -> int:
    from ssen_ros.simulation import HELD_OUT_SEEDS, SMOKE_SEEDS, VOXEL_SIZE, generate, load_sample

    if args.split:
        seeds = {"validation": HELD_OUT_SEEDS, "smoke": SMOKE_SEEDS}[args.split][: args.rooms]
    else:
        seeds = range(args.seed, args.seed + (args.rooms or 100))
        _warn_of_held_out(seeds, "keep them apart from what you train on, or take --seed 1000")
    paths = generate(seeds, args.out, args.workers)
    if args.sheet:
        from ssen_ros.viewer.sheet import contact_sheet

        contact_sheet(map(load_sample, progress(paths)), VOXEL_SIZE).save(args.sheet, optimize=True)
    return 0


def _warn_of_held_out(seeds: Iterable[int], remedy: str) -> None:
    from ssen_ros.simulation import HELD_OUT_SEEDS

    held_out = sorted(set(seeds) & set(HELD_OUT_SEEDS))
    if held_out:
        log.warning(
            "%d of the rooms (seeds %d to %d) are held out for evaluation; %s",
            len(held_out), held_out[0], held_out[-1], remedy,
        )  # fmt: skip


# --- ssen train --------------------------------------------------------------------------------


def _add_train(commands: Any) -> None:
    text = "Train one of the two networks on simulated rooms."
    parser = command(commands, "train", _train, text)
    parser.add_argument("task", choices=("semantic", "embedding"))
    parser.add_argument("--config", type=Path, required=True, metavar="F", help="YAML file of the run")
    parser.add_argument("--out", type=Path, metavar="DIR", help="folder of the run [runs/TASK]")
    parser.add_argument("--resume", action="store_true", help="go on from the state in --out")


def _train(args: argparse.Namespace) -> int:
    from ssen_ros.training.train import load_config, train

    logging.getLogger("ssen_ros").setLevel(logging.INFO)  # progress is what one wants to see here
    config = load_config(args.config)
    # `ssen simulate` names a file after its seed.
    seeds = [int(path.stem) for path in Path(config.data).glob("*.npz") if path.stem.isdecimal()]
    _warn_of_held_out(seeds, f"take them out of {config.data}, or no score on them means anything")
    print(train(args.task, config, args.out or Path("runs") / args.task, args.resume))
    return 0


# --- ssen evaluate -----------------------------------------------------------------------------


def _add_evaluate(commands: Any) -> None:
    text = "Score the whole method against ground truth."
    parser = command(commands, "evaluate", _evaluate, text)
    parser.add_argument("benchmark", choices=("simulated",), help="simulated: rooms of the simulator")
    rooms = parser.add_mutually_exclusive_group()
    rooms.add_argument("--rooms", type=Path, metavar="DIR", help=".npz samples made by `ssen simulate`")
    rooms.add_argument(
        "--seeds",
        type=seed_range,
        default="0:20",
        metavar="A:B",
        help="rooms made on the spot, the last left out",
    )
    add_pipeline_options(parser)
    parser.add_argument("--json", action="store_true", help="print one JSON object instead of a table")


def _evaluate(args: argparse.Namespace) -> int:
    from ssen_ros.evaluation.simulated import evaluate_simulated
    from ssen_ros.pipeline import SsenPipeline

    config = config_of(args)
    samples = _stored_samples(args.rooms) if args.rooms else _fresh_samples(args.seeds)
    scores = evaluate_simulated(samples, SsenPipeline.from_config(config))
    if args.json:
        print(json.dumps(scores))
    else:
        _print_scores(scores)
    return 0


def _stored_samples(folder: Path) -> "Iterator[Sample]":
    from ssen_ros.simulation import load_sample

    paths = sorted(folder.glob("*.npz"))
    if not paths:
        raise SsenError(
            f"--rooms {folder}: no .npz file there; make some with `ssen simulate --out {folder}`"
        )
    return (load_sample(path) for path in progress(paths))


def _fresh_samples(seeds: range) -> "Iterator[Sample]":
    from ssen_ros.simulation import scan

    return (scan(seed) for seed in progress(seeds))


def _print_scores(scores: dict) -> None:
    from rich.console import Console
    from rich.table import Table

    def percent(value: float | None) -> str:
        return "-" if value is None else f"{100 * value:.1f}"

    semantic, instance = scores["semantic"], scores["instance"]
    table = Table("class", "IoU", "AP50", "AP25", title=f"{scores['rooms']} rooms, %")
    for name, iou in semantic["per_class"].items():
        ap = instance["per_class"].get(name, {})
        table.add_row(name, percent(iou), percent(ap.get("ap50")), percent(ap.get("ap25")))
    table.add_section()
    table.add_row("mean", percent(semantic["miou"]), percent(instance["ap50"]), percent(instance["ap25"]))
    Console().print(table)


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


# --- shared ------------------------------------------------------------------------------------


def _require_ros() -> None:
    from importlib.util import find_spec

    remedy = "source a ROS 2 workspace that has ssen_ros, or run `pip install '.[ros]'` in the checkout"
    if find_spec("rclpy") is None:
        raise SsenError(f"rclpy is not installed, this command needs ROS 2; {remedy}")
    if find_spec("ssen_ros.msg") is None:
        raise SsenError(f"the messages of ssen_ros are not built; {remedy}")


if __name__ == "__main__":
    sys.exit(main())
