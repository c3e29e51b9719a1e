"""Both networks taught a user's rooms: the folder that comes of it, and how an interrupted run goes on."""

import hashlib
import json
import shutil
from collections.abc import Mapping
from dataclasses import asdict
from math import isfinite
from pathlib import Path
from typing import Any

from ssen_ros.config import SsenConfig
from ssen_ros.errors import ConfigError
from ssen_ros.io.replacing import replace_text
from ssen_ros.io.samples import ATTRIBUTION, sample_paths
from ssen_ros.models import Checkpoint, load_checkpoint, save_checkpoint
from ssen_ros.models.head_file import load_head
from ssen_ros.object_head import ObjectHead
from ssen_ros.pipeline import SsenPipeline
from ssen_ros.segmenter import Segmenter
from ssen_ros.training.config import TASKS
from ssen_ros.training.judge import PipelineOf, Verdict
from ssen_ros.training.lesson import Taught, give_lesson, lesson_config
from ssen_ros.training.own_rooms import read_own_rooms

REPORT = "teach.json"
_UNDER_WAY = "lessons"  # folder of what is not finished; it goes when all is done
_TIME_SHARE = {"semantic": 0.65, "embedding": 0.25}  # of the minutes; the rest is for the scores


def teach(
    files: Mapping[str, Path],
    weights: Mapping[str, Path],
    replay: Path,
    out_dir: Path,
    minutes: float,
    resume: bool = False,
    config: SsenConfig | None = None,
    **changes: Any,
) -> dict[str, Taught]:
    """Teach the networks {task: checkpoint} the rooms {name: labelled map}; returns {task: what came of it}.

    `out_dir` receives semantic.safetensors and embedding.safetensors, which `segmenter.weights` takes, their
    provenance as .json, the object head of the networks before where it knows all classes, ATTRIBUTION.txt
    with what the weights before and the rooms of `replay` owe others, and the record of this run, teach.json.
    Of the rooms themselves it keeps their names and hashes.

    Args:
        replay: folder of .npz samples of simulated rooms.
        config: what the networks are used with; which weights it names does not matter. None: the defaults.
        changes: of the `lesson_config` of both networks.

    Raises ConfigError where `out_dir` has another run, or none to resume; see also `read_own_rooms`,
    `load_checkpoint` and `give_lesson`. KeyboardInterrupt: interrupted, `resume` goes on.
    """
    before = {task: load_checkpoint(weights[task]) for task in TASKS}
    head_path = weights["semantic"].with_name("object.safetensors")
    head = load_head(head_path)
    record = _record(files, weights, replay, minutes)
    check_teachable(files, weights, replay, out_dir, minutes, resume)
    sample_paths(replay)  # raises, before anything is written
    if not resume:
        (out_dir / _UNDER_WAY).mkdir(parents=True, exist_ok=True)
        replace_text(out_dir / REPORT, json.dumps(record, indent=2) + "\n")
    taught: dict[str, Taught] = {}
    for task, checkpoint in before.items():
        own = read_own_rooms(files, checkpoint.spec.class_names, checkpoint.spec.voxel_size)
        lesson = lesson_config(checkpoint, minutes * _TIME_SHARE[task], data=str(replay), **changes)
        folder = out_dir / _UNDER_WAY / task
        networks = before | {t: result.checkpoint for t, result in taught.items()}
        taught[task] = give_lesson(
            checkpoint, own, used_with(networks, config or SsenConfig(), head), lesson, folder, resume
        )
    for task, result in taught.items():
        _write(out_dir, task, result.checkpoint)
    if head and head.class_names == taught["semantic"].checkpoint.spec.class_names:
        shutil.copy(head_path, out_dir)
    _attribute(out_dir, [path.parent for path in weights.values()] + [replay])
    told = {task: _told(result) for task, result in taught.items()}
    replace_text(out_dir / REPORT, json.dumps({**record, "networks": told}, indent=2) + "\n")
    shutil.rmtree(out_dir / _UNDER_WAY)
    return taught


def check_teachable(
    files: Mapping[str, Path],
    weights: Mapping[str, Path],
    replay: Path,
    out_dir: Path,
    minutes: float,
    resume: bool = False,
) -> None:
    """Raise what would stop `teach`, before anything is written; `replay` need not be there yet."""
    _check_out(out_dir, _record(files, weights, replay, minutes), resume)
    for task in TASKS:
        spec = load_checkpoint(weights[task]).spec
        read_own_rooms(files, spec.class_names, spec.voxel_size)


def used_with(
    networks: Mapping[str, Checkpoint], config: SsenConfig, head: ObjectHead | None = None
) -> PipelineOf:
    """The whole method with any one network in the place of that of its task."""

    def pipeline_of(checkpoint: Checkpoint) -> SsenPipeline:
        both = {**networks, checkpoint.spec.task: checkpoint}
        segmenter = Segmenter.from_checkpoints(both["semantic"], both["embedding"], config.segmenter, head)
        return SsenPipeline(segmenter, config)

    return pipeline_of


def _record(files: Mapping[str, Path], weights: Mapping[str, Path], replay: Path, minutes: float) -> dict:
    return {
        "rooms": {name: file_hash(path) for name, path in files.items()},
        "start": {task: file_hash(path) for task, path in weights.items()},
        "replay": replay.name,
        "minutes": minutes,
    }


def file_hash(path: Path) -> str:
    """SHA-256."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _check_out(out_dir: Path, record: dict, resume: bool) -> None:
    path = out_dir / REPORT
    there = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else None
    if resume:
        if there is None or not (out_dir / _UNDER_WAY).is_dir():
            raise ConfigError(f"{out_dir}: nothing to resume there; start without --resume")
        for name, value in record.items():
            if there[name] != value:
                raise ConfigError(
                    f"{out_dir} was begun with {name} = {there[name]}, this run has {value}; expected the "
                    "same; give another --out to start anew"
                )
    elif there is not None:
        raise ConfigError(
            f"{out_dir} has networks that were taught, or half taught, before; --resume goes on, another "
            "--out keeps them"
        )


def _write(out_dir: Path, task: str, checkpoint: Checkpoint) -> None:
    save_checkpoint(out_dir / f"{task}.safetensors", checkpoint)
    content = {**asdict(checkpoint.spec), "training": checkpoint.provenance}
    replace_text(out_dir / f"{task}.json", json.dumps(content, indent=2) + "\n")


def _told(taught: Taught) -> dict[str, Any]:
    return {
        "steps": taught.steps,
        "share": taught.share,
        "before": _scores(taught.before),
        "after": _scores(taught.after),
        "judged": [{"share": share, **_scores(verdict)} for share, verdict in taught.judged.items()],
        "new_classes": dict(taught.new_classes),
    }


def _scores(verdict: Verdict) -> dict[str, float | None]:
    return {name: value if isfinite(value) else None for name, value in vars(verdict).items()}


def _attribute(out_dir: Path, folders: list[Path]) -> None:
    """Whoever passes the weights on has to name those whose works are in the rooms that taught them."""
    texts = [path.read_text(encoding="utf-8") for f in folders if (path := f / ATTRIBUTION).is_file()]
    lines = dict.fromkeys(line for text in texts for line in text.splitlines())  # each once, in their order
    if lines:
        replace_text(out_dir / ATTRIBUTION, "\n".join(lines) + "\n")
