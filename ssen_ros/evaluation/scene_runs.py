"""The method over many scenes: by several workers, each scene once, though the run be cut short."""

import hashlib
import json
from collections.abc import Callable, Mapping
from concurrent.futures import Executor
from dataclasses import replace
from functools import lru_cache, partial
from pathlib import Path
from typing import Any

from ssen_ros.config import SsenConfig, parameters
from ssen_ros.errors import ConfigError
from ssen_ros.io.replacing import replace_text
from ssen_ros.jobs import worker_number, write_missing
from ssen_ros.network_spec import chosen_weights
from ssen_ros.pipeline import SsenPipeline

Load = Callable[[Any], Any]  # a Sample, or what else `Write` takes
Write = Callable[[Any, SsenPipeline, Path], None]


def run_scenes(
    paths: Mapping[Any, Path],
    load: Load,
    write: Write,
    config: SsenConfig,
    folder: Path,
    data: str,
    executor: Executor | None = None,
    progress: bool = True,
    failed: Callable[[Any, Exception], None] | None = None,
) -> list[Path]:
    """Call `write(load(scene), pipeline, path)` for each scene whose path is not there yet; all paths.

    Args:
        paths: {what `load` takes: what `write` makes}; `write` leaves no file that is not whole.
        folder: receives `run.json`: parameters, weights and data of the results in it.
        data: which scenes these are, for that record.
        executor, failed: as `write_missing`; `load` is pickled too. `Processes` share out the GPUs.

    Raises:
        ConfigError: the folder holds results of other parameters, weights or data.
    """
    method = _method(config)
    _claim(folder, {"data": data, **method})
    weights = tuple(text for name, text in method.items() if name.endswith("SHA-256"))
    job = partial(_run_scene, load, write, _for_any_folder(config), weights)
    return write_missing(paths, job, executor, progress, failed)


def score_scenes(
    paths: Mapping[Any, Path],
    load: Load,
    write: Write,
    summarize: Callable[[], dict],
    config: SsenConfig,
    folder: Path,
    data: str,
    executor: Executor | None = None,
    progress: bool = True,
) -> dict:
    """What `summarize` makes of all the files of `run_scenes`, kept in the folder as `scores.json` too."""
    run_scenes(paths, load, write, config, folder, data, executor, progress)
    scores = summarize()
    replace_text(folder / "scores.json", json.dumps(scores, indent=2) + "\n")
    return scores


def _run_scene(
    load: Load, write: Write, config: SsenConfig, weights: tuple[str, ...], scene: Any, path: Path
) -> None:
    write(load(scene), _pipeline(config, weights), path)


@lru_cache(maxsize=1)
def _pipeline(config: SsenConfig, weights: tuple[str, ...]) -> SsenPipeline:
    """That of this process, on the GPU that is its share, until a run comes with other weights."""
    import torch  # late: slow to import

    segmenter = config.segmenter
    if segmenter.device in ("auto", "cuda") and torch.cuda.device_count() > 1:
        segmenter = replace(segmenter, device=f"cuda:{worker_number() % torch.cuda.device_count()}")
    return SsenPipeline.from_config(replace(config, segmenter=segmenter))


def _for_any_folder(config: SsenConfig) -> SsenConfig:
    """The same with absolute paths: a worker may have been started in another folder."""
    names = ("weights", "semantic_checkpoint", "embedding_checkpoint")
    paths = {name: getattr(config.segmenter, name) for name in names}
    absolute = {name: str(Path(path).absolute()) for name, path in paths.items() if path}
    return replace(config, segmenter=replace(config.segmenter, **absolute))


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
    for task in ("semantic", "embedding", "object"):
        weights = Path(chosen_weights(config.segmenter, task))
        content = weights.read_bytes() if weights.is_file() else b""  # the segmenter says what is missing
        method[f"weights of {task}, SHA-256"] = hashlib.sha256(content).hexdigest()
    return method
