"""`ssen teach`: the networks learn rooms that their user has corrected."""

import argparse
import logging
import os
import sys
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ssen_ros.cli.options import (
    add_pipeline_options,
    command,
    config_of,
    positive_float,
    positive_int,
    print_rows,
    progress,
)
from ssen_ros.config import SsenConfig
from ssen_ros.jobs import workers_of

if TYPE_CHECKING:
    from ssen_ros.io.samples import Sample
    from ssen_ros.training.lesson import Taught

log = logging.getLogger(__name__)

# Of the rooms that are made: training rooms that no shipped network has seen, and validation rooms.
_SEEDS = {"replay": range(900_000, 900_040), "validation": range(6)}


def add_teach(commands: Any) -> None:
    text = (
        "Teach both networks rooms that were corrected in `ssen view` and exported, beside simulated ones, "
        "so that nothing is forgotten. The folder that comes of it is what `--weights` takes, and weights:= "
        "of the launch file. Ctrl-C keeps what is done."
    )
    parser = command(commands, "teach", _teach, text)
    parser.add_argument(
        "rooms", type=Path, nargs="+", metavar="ROOM",
        help="NAME.room.npz of Export, other labelled .npz or .ply maps, or folders of them",
    )  # fmt: skip
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="folder for the networks")
    parser.add_argument("--minutes", type=positive_float, default=30.0, metavar="M", help="for both networks")
    parser.add_argument("--resume", action="store_true", help="go on with what was interrupted in --out")
    parser.add_argument(
        "--replay", type=Path, metavar="DIR",
        help="rooms of `ssen simulate` to teach beside [some are made once, and kept in the cache folder]",
    )  # fmt: skip
    parser.add_argument(
        "--validation", type=Path, metavar="DIR",
        help="rooms of `ssen simulate` to score on before and after [likewise]",
    )  # fmt: skip
    parser.add_argument(
        "--workers", type=positive_int, default=1, metavar="N", help="processes that make these rooms"
    )
    add_pipeline_options(parser)


def _teach(args: argparse.Namespace) -> int:
    from ssen_ros.datasets.labelled_rooms import labelled_files
    from ssen_ros.network_spec import chosen_weights
    from ssen_ros.training.config import TASKS
    from ssen_ros.training.teach import check_teachable, teach

    logging.getLogger("ssen_ros").setLevel(logging.INFO)  # progress is what one wants to see here
    config, files = config_of(args), labelled_files(args.rooms)
    weights = {task: Path(chosen_weights(config.segmenter, task)) for task in TASKS}
    folders = _simulated_rooms(args)
    lesson = files, weights, folders["replay"], args.out, args.minutes, args.resume
    check_teachable(*lesson)  # now: the rooms take minutes
    _make(folders, args)
    try:
        taught = teach(*lesson, config, num_threads=config.segmenter.num_threads)
    except KeyboardInterrupt:
        print(f"\n{args.out} has what is done; the same command with --resume goes on", file=sys.stderr)
        raise
    _print_outcome(taught)
    folder = {"weights": str(args.out), "semantic_checkpoint": "", "embedding_checkpoint": ""}
    after = replace(config, segmenter=replace(config.segmenter, **folder))
    sets, scored = _scored_sets(files, folders["validation"]), [("before", config)]
    if any(t.share for t in taught.values()):  # else there is nothing else to score
        scored.append(("taught", after))
    print_rows([
        {"scored on": name, "networks": which, **row}
        for which, chosen in scored
        for name, row in _score(sets, chosen)
    ])  # fmt: skip
    print(f"{args.out}: ssen segment CLOUD --weights {args.out}; for the node weights:={args.out.absolute()}")
    return 0


def _simulated_rooms(args: argparse.Namespace) -> dict[str, Path]:
    """The folders of the replay and of the validation rooms, those in the cache among them.

    Raises SsenError for one that was given and has no rooms.
    """
    from ssen_ros.io.samples import sample_paths

    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "ssen"
    folders = {}
    for name, given in (("replay", args.replay), ("validation", args.validation)):
        if given is not None:
            sample_paths(given)
        folders[name] = given or cache / f"{name}_{_SEEDS[name].start}"
    return folders


def _make(folders: Mapping[str, Path], args: argparse.Namespace) -> None:
    """Make the rooms that were not given and are not there; those of an interrupted run stay."""
    from ssen_ros.simulation import generate

    with workers_of(args.workers) as executor:
        for name, folder in folders.items():
            missing = [seed for seed in _SEEDS[name] if not (folder / f"{seed:06d}.npz").exists()]
            if getattr(args, name) is None and missing:
                print(f"{name}: {len(missing)} simulated rooms are made, once, in {folder}", flush=True)
                generate(_SEEDS[name], folder, executor)


def _print_outcome(taught: "Mapping[str, Taught]") -> None:
    from ssen_ros.training.lesson import GAIN, MAY_FALL

    print_rows([
        {
            "network": task, "share of the taught weights": share,
            "held part of your rooms": 100 * verdict.own, "held rooms of the replay": 100 * verdict.known,
            "": "chosen" if share == t.share else "",
        }
        for task, t in taught.items()
        for share, verdict in t.judged.items()
    ])  # fmt: skip
    for task, t in taught.items():
        chosen = f"{100 * t.share:g} % of the taught weights" if t.share else "it stays as it was"
        print(f"{task}: {t.steps} steps; {chosen}")
    if not all(t.share for t in taught.values()):
        print(
            f"A share is taken that gains {100 * GAIN:g} points or more on the held part of your rooms, and "
            f"loses {100 * MAY_FALL:g} at most on the held rooms of the replay. Correct more rooms, or give "
            "more --minutes."
        )
    for name, iou in taught["semantic"].new_classes.items():
        print(f"{name}: IoU {iou:.2f} in your rooms, most of which it was taught")


def _scored_sets(files: Mapping[str, Path], validation: Path) -> "dict[str, list[Sample]]":
    from ssen_ros.datasets.labelled_rooms import load_room
    from ssen_ros.io.samples import load_sample, sample_paths
    from ssen_ros.training.own_rooms import held_alone

    own = [load_room(path) for path in files.values()]
    return {
        "your rooms": own,
        "their held part": [held_alone(sample) for sample in own],
        "validation rooms": [load_sample(path) for path in sample_paths(validation)],
    }


def _score(sets: "Mapping[str, Sequence[Sample]]", config: SsenConfig) -> list[tuple[str, dict[str, float]]]:
    from ssen_ros.evaluation.scenes import evaluate_scene, summarize_scenes
    from ssen_ros.pipeline import SsenPipeline

    pipeline = SsenPipeline.from_config(config)
    rows = []
    for name, samples in sets.items():
        scores = summarize_scenes([evaluate_scene(sample, pipeline) for sample in progress(samples)])
        semantic, instance = scores["semantic"], scores["instance"]
        shares = {"right": semantic["accuracy"], "mIoU": semantic["miou"]}
        shares |= {"AP50": instance["ap50"], "AP25": instance["ap25"]}
        rows.append((name, {n: None if value is None else 100 * value for n, value in shares.items()}))
    return rows
