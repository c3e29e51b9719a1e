"""`ssen teach`: the networks learn rooms that their user has corrected."""

import argparse
import logging
import os
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

_REPLAY_SEEDS = range(1000, 1040)  # rooms for training
_VALIDATION_ROOMS = 6


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
    from ssen_ros.training.teach import teach

    logging.getLogger("ssen_ros").setLevel(logging.INFO)  # progress is what one wants to see here
    config, files = config_of(args), labelled_files(args.rooms)
    weights = {task: Path(chosen_weights(config.segmenter, task)) for task in TASKS}
    replay, validation = _simulated_rooms(args)
    taught = teach(
        files, weights, replay, args.out, args.minutes, args.resume, config,
        num_threads=config.segmenter.num_threads,
    )  # fmt: skip
    _print_outcome(taught)
    folder = {"weights": str(args.out), "semantic_checkpoint": "", "embedding_checkpoint": ""}
    after = replace(config, segmenter=replace(config.segmenter, **folder))
    sets = _scored_sets(files, validation)
    print_rows([
        {"scored on": name, "networks": which, **row}
        for which, chosen in (("before", config), ("taught", after))
        for name, row in _score(sets, chosen)
    ])  # fmt: skip
    print(f"{args.out}: ssen segment CLOUD --weights {args.out}; for the node weights:={args.out.absolute()}")
    return 0


def _simulated_rooms(args: argparse.Namespace) -> tuple[Path, Path]:
    """The folders of the replay and of the validation rooms; what is not given is made, once."""
    from ssen_ros.simulation import generate

    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "ssen"
    folders = {"replay": args.replay, "validation": args.validation}
    seeds = {"replay": _REPLAY_SEEDS, "validation": range(_VALIDATION_ROOMS)}
    with workers_of(args.workers) as executor:
        for name, given in folders.items():
            if given is None:
                folders[name] = cache / name
                print(f"{name}: {len(seeds[name])} simulated rooms in {folders[name]}, made on the first use")
                generate(seeds[name], folders[name], executor)
    return folders["replay"], folders["validation"]


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
            f"loses {100 * MAY_FALL:g} at most on the held rooms of the replay."
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
