"""The method over many scenes: in several processes, each scene once, though the run be cut short."""

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import cache, partial
from multiprocessing import current_process
from pathlib import Path
from typing import Any

from ssen_ros.config import SsenConfig, parameters
from ssen_ros.errors import ConfigError
from ssen_ros.io.replacing import replace_text
from ssen_ros.io.samples import Sample
from ssen_ros.jobs import write_missing
from ssen_ros.network_spec import shipped_weights
from ssen_ros.pipeline import SsenPipeline

Load = Callable[[Any], Sample]
Write = Callable[[Sample, SsenPipeline, Path], None]


def run_scenes(
    paths: Mapping[Any, Path],
    load: Load,
    write: Write,
    config: SsenConfig,
    folder: Path,
    data: str,
    workers: int = 1,
    progress: bool = True,
) -> list[Path]:
    """Call `write(load(scene), pipeline, path)` for each scene whose path is not there yet; all paths.

    Args:
        paths: {what `load` takes: what `write` makes}; `write` leaves no file that is not whole.
        folder: receives `run.json`: parameters, weights and data of the results in it.
        data: which scenes these are, for that record.
        workers: processes; `load`, `write` and the scenes are pickled then. Cores and GPUs are shared out.

    Raises:
        ConfigError: the folder holds results of other parameters, weights or data.
    """
    _claim(folder, {"data": data, **_method(config)})
    return write_missing(paths, partial(_run_scene, load, write, config, workers), workers, progress)


def _run_scene(load: Load, write: Write, config: SsenConfig, workers: int, scene: Any, path: Path) -> None:
    write(load(scene), _pipeline(config, workers), path)


@cache
def _pipeline(config: SsenConfig, workers: int) -> SsenPipeline:
    """That of this process."""
    return SsenPipeline.from_config(config if workers == 1 else _share_of_worker(config, workers))


def _share_of_worker(config: SsenConfig, workers: int) -> SsenConfig:
    import torch  # late: slow to import

    segmenter = config.segmenter
    number = int(current_process().name.rpartition("-")[2])  # SpawnProcess-1, -2, ...
    if segmenter.device in ("auto", "cuda") and torch.cuda.is_available():
        segmenter = replace(segmenter, device=f"cuda:{number % torch.cuda.device_count()}")
    if segmenter.num_threads == 0:
        segmenter = replace(segmenter, num_threads=max(1, torch.get_num_threads() // workers))
    return replace(config, segmenter=segmenter)


def _claim(folder: Path, run: dict) -> None:
    """Write down what the results in this folder are of, or raise where they are of something else."""
    folder.mkdir(parents=True, exist_ok=True)
    record = folder / "run.json"
    if not record.exists():
        replace_text(record, json.dumps(run, indent=2) + "\n")
        return
    before = json.loads(record.read_text())
    for name in sorted(run.keys() | before.keys()):
        if run.get(name) != before.get(name):
            raise ConfigError(
                f"{folder} holds results with {name} = {before.get(name)!r}, this run has {run.get(name)!r}; "
                "give another folder, or remove that one"
            )


def _method(config: SsenConfig) -> dict:
    """The parameters that change results, and what the files of the weights hold."""
    method = {p.name: p.default for p in parameters(config)}
    for name in ("segmenter.device", "segmenter.num_threads"):
        del method[name]
    for task in ("semantic", "embedding"):
        weights = Path(method[f"segmenter.{task}_checkpoint"] or shipped_weights(task))
        content = weights.read_bytes() if weights.is_file() else b""  # the segmenter will say what is missing
        method[f"{task} weights, SHA-256"] = hashlib.sha256(content).hexdigest()
    return method
