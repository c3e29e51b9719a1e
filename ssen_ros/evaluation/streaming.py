"""The method on growing maps, as the node runs it: update after update, each one going by those before it.

Beside each update stands a whole pass over the same map, seen from the same side, that knows of nothing
before it. The labels of the networks are compared with it voxel by voxel; over the last map of a walk it is
the one-shot result.
"""

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import Executor
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median
from time import perf_counter

import numpy as np

from ssen_ros.config import SsenConfig
from ssen_ros.errors import DataError
from ssen_ros.evaluation import tracking
from ssen_ros.evaluation.average_precision import MIN_REGION
from ssen_ros.evaluation.scene_runs import score_scenes
from ssen_ros.evaluation.scenes import SceneResult, save_arrays, score_vertices, summarize_scenes
from ssen_ros.evaluation.vertex_labels import tell_vertices, voxel_rows
from ssen_ros.io.samples import Sample
from ssen_ros.labels import is_thing, of_the_twenty
from ssen_ros.live.live_map import LiveMap, Pass
from ssen_ros.pipeline import SsenPipeline
from ssen_ros.structures import Memory, StepResult
from ssen_ros.voxel_map import VoxelMap

_SCORES = ("streamed", "settled", "one_shot")  # of the last map of a walk
STAGES = ("voxelize", "snapshot", "semantic", "embedding", "cluster", "instances", "total")


@dataclass(frozen=True)
class Moment:
    """The whole map as SLAM has it at one moment of a walk."""

    sample: Sample
    loop_closed: bool = False  # the map has moved since the moment before


Replay = Callable[[int], Iterable[Moment]]  # the moments of the walk with this seed; to be pickled


@dataclass(frozen=True)
class Update:
    """What is measured of one update; a part is always followed by its whole."""

    seconds: dict[str, float]  # of STAGES
    voxels: int  # in the map
    changed: int  # of them new or changed since the update before, and those that are gone
    loop_closed: bool
    agreeing: int  # voxels with the networks' label of a whole pass
    published_agreeing: int  # and with its published one
    compared: int
    flickering: int  # voxels with another published label than before
    held: int  # whose input is what it was
    carried: dict[int, int]  # true object -> its id, or NOT_FOUND
    told: int  # ids that could have been of a true object
    computed: float = 1.0  # of a whole pass's multiplications, how many the networks made


@dataclass(frozen=True)
class WalkResult:
    """What a walk contributes; small, however large its maps."""

    updates: tuple[Update, ...]
    streamed: SceneResult  # the last map, as the last update published it
    settled: SceneResult  # and once the passes that are made in the quiet had been made over it
    one_shot: SceneResult  # the same map as the first that the pipeline sees

    def save(self, path: Path) -> None:
        updates = json.dumps([asdict(update) for update in self.updates])
        scores = [getattr(self, name).arrays(f"{name} ") for name in _SCORES]
        save_arrays(path, {"updates": updates} | {k: v for arrays in scores for k, v in arrays.items()})

    @classmethod
    def load(cls, path: Path) -> "WalkResult":
        with np.load(path) as data:
            rows = json.loads(str(data["updates"]))
            scores = [SceneResult.from_arrays(data, f"{name} ") for name in _SCORES]
        carried = [{int(g): id for g, id in row["carried"].items()} for row in rows]
        return cls(tuple(Update(**{**row, "carried": c}) for row, c in zip(rows, carried)), *scores)

    @property
    def carried(self) -> np.ndarray:
        """(T, G) int64, see `tracking`."""
        objects = sorted(set().union(*(update.carried for update in self.updates)))
        rows = [[update.carried.get(g, tracking.ABSENT) for g in objects] for update in self.updates]
        return np.array(rows, np.int64).reshape(len(self.updates), len(objects))


def evaluate_streaming(
    walks: Sequence[int],
    replay: Replay,
    config: SsenConfig,
    folder: Path | str,
    data: str,
    executor: Executor | None = None,
    progress: bool = True,
) -> dict:
    """Replay the walks with these seeds; returns what `summarize_walks` does.

    `folder` receives a result for each walk in `walks/`, where a later run finds them, `run.json` (see
    `run_scenes`, for the errors too) and `scores.json`.
    """
    folder = Path(folder)
    paths = {seed: folder / "walks" / f"{seed:06d}.npz" for seed in walks}

    def summarize() -> dict:
        return summarize_walks({seed: WalkResult.load(path) for seed, path in paths.items()})

    return score_scenes(paths, replay, _evaluate_to, summarize, config, folder, data, executor, progress)


def _evaluate_to(moments: Iterable[Moment], pipeline: SsenPipeline, path: Path) -> None:
    evaluate_walk(moments, pipeline).save(path)


@dataclass(frozen=True)
class _Time:
    sec: int
    nanosec: int = 0


@dataclass(frozen=True)
class _Header:
    stamp: _Time
    frame_id: str = "map"


def evaluate_walk(moments: Iterable[Moment], pipeline: SsenPipeline) -> WalkResult:
    """Make an update of each moment's map, as the node does; one that changed nothing gets none.

    Raises DataError for a walk without a map.
    """
    live_map = LiveMap(VoxelMap(pipeline.segmenter.voxel_size))
    updates: list[Update] = []
    last: tuple[Moment, StepResult, StepResult] | None = None
    loop_closed = False  # since the last update
    for number, moment in enumerate(moments, start=1):
        loop_closed |= moment.loop_closed
        made = _next(live_map, pipeline, _Header(_Time(number)), moment.sample)
        if made is None:
            continue
        work, result, seconds = made
        seen_alike = Memory(heading=result.memory.heading, exposure=result.memory.exposure)
        whole = pipeline.step(work.snapshot, work.stamp_ns, seen_alike)
        before = last and last[1]
        updates.append(_measured(moment.sample, work, before, result, whole, seconds, loop_closed))
        last, loop_closed = (moment, result, whole), False
    if last is None:
        raise DataError("a walk without a point in any of its maps: make it anew")
    moment, result, whole = last
    results = result, _settled(live_map, pipeline, result), whole
    scores = [_score(moment.sample, one, pipeline.segmenter.class_names) for one in results]
    return WalkResult(tuple(updates), *scores)


def _settled(live_map: LiveMap, pipeline: SsenPipeline, result: StepResult) -> StepResult:
    """The update after all passes that are made in the quiet."""
    while not live_map.memory.is_settled and (work := live_map.take(quiet=True)):
        result = pipeline.step(work.snapshot, work.stamp_ns, work.memory)
        live_map.finish(work, result)
    return result


def _next(
    live_map: LiveMap, pipeline: SsenPipeline, header: _Header, sample: Sample
) -> tuple[Pass, StepResult, dict[str, float]] | None:
    """Pass in the cloud and make the update that is due, if one is; with the seconds of its stages."""
    start = perf_counter()
    live_map.receive(header, sample.points, sample.colors)
    received = perf_counter()
    work = live_map.take()
    if work is None:
        return None
    taken = perf_counter()
    result = pipeline.step(work.snapshot, work.stamp_ns, work.memory)
    total = perf_counter() - start
    live_map.finish(work, result)
    own = {"voxelize": received - start, "snapshot": taken - received, "total": total}
    return work, result, {stage: (result.timings_s | own)[stage] for stage in STAGES}


def _measured(
    sample: Sample,
    work: Pass,
    before: StepResult | None,
    result: StepResult,
    whole: StepResult,
    seconds: dict[str, float],
    loop_closed: bool,
) -> Update:
    label, label_of_whole = (one.segmentation.newest_label for one in (result, whole))
    agreeing, compared = tracking.agreement(result.snapshot, label, whole.snapshot, label_of_whole)
    published_agreeing, _ = tracking.agreement(
        result.snapshot, result.semantic_label, whole.snapshot, whole.semantic_label
    )
    flickering, held = _flicker(before, result) if before else (0, 0)
    carried, told = _carried(sample, result)
    return Update(
        seconds=seconds,
        voxels=len(work.snapshot),
        changed=len(work.change),
        loop_closed=loop_closed,
        agreeing=agreeing,
        published_agreeing=published_agreeing,
        compared=compared,
        flickering=flickering,
        held=held,
        carried=carried,
        told=told,
        computed=result.computed_share,
    )


def _flicker(before: StepResult, after: StepResult) -> tuple[int, int]:
    return tracking.flicker(before.snapshot, before.semantic_label, after.snapshot, after.semantic_label)


def _carried(sample: Sample, result: StepResult) -> tuple[dict[int, int], int]:
    """Of the true objects of the twenty classes that are as large as those that AP asks for."""
    counts = of_the_twenty(sample.semantic_label)
    thing = counts & (sample.instance_label >= 0)
    thing[thing] = is_thing()[sample.semantic_label[thing]]
    truth = np.where(thing, sample.instance_label.astype(np.int64), -1)
    large = np.append(np.bincount(truth[thing]) >= MIN_REGION, True)[truth]  # the last: of no object
    told = np.append(result.instance_id, -1)[voxel_rows(result.snapshot, sample.points)]
    return tracking.carried_ids(truth, told, counts & large)


def _score(sample: Sample, result: StepResult, class_names: Sequence[str]) -> SceneResult:
    """Of the objects as they are published, those that are missing at the moment among them."""
    objects = [(i.class_id, i.score, np.flatnonzero(result.instance_id == i.id)) for i in result.instances]
    return score_vertices(sample, tell_vertices(sample.points, result, objects, class_names))


def summarize_walks(results: Mapping[int, WalkResult]) -> dict:
    """The scores over all walks, as plain numbers; None for what has no value.

    Returns:
        {"walks": how many, what `_summary` has of all together, "rows": the same of each "walk",
        "update_rows": one flat object an update of a walk}.
    """
    return {
        "walks": len(results),
        **_summary(list(results.values())),
        "rows": [{"walk": seed, **_summary([result])} for seed, result in results.items()],
        "update_rows": [row for seed, result in results.items() for row in _update_rows(seed, result)],
    }


def _summary(walks: Sequence[WalkResult]) -> dict:
    updates = [update for walk in walks for update in walk.updates]
    again = [_again(walk) for walk in walks]
    rows = np.concatenate([rows for rows, _ in again])
    closed = np.concatenate([closed for _, closed in again])
    carried = [walk.carried for walk in walks]
    objects = sum(int((ids != tracking.ABSENT).sum()) for ids in carried)
    scores = {name: summarize_scenes([getattr(walk, name) for walk in walks]) for name in _SCORES}
    return {
        "updates": len(updates),
        "loop_closures": sum(update.loop_closed for update in updates),
        "agreement": _ratio(updates, "agreeing", "compared"),
        "agreement_published": _ratio(updates, "published_agreeing", "compared"),
        "flicker": _ratio(updates, "flickering", "held"),
        "id_switches": _mean(rows[~closed, 2]),
        "id_switches_loop_closure": _mean(rows[closed, 2]),
        "fragmentation": _share(tracking.fragmentations(rows), len(rows)),
        "idf1": tracking.idf1(sum(map(tracking.identified, carried)), objects, sum(u.told for u in updates)),
        "found": _share(sum(int((ids >= 0).sum()) for ids in carried), objects),
        "object_updates": objects,
        "found_again": int((~closed).sum()),
        "found_again_loop_closure": int(closed.sum()),
        **{
            metric if name == "streamed" else f"{metric}_{name}": scores[name][kind][metric]
            for kind, metric in (
                ("semantic", "miou"),
                ("instance", "ap"),
                ("instance", "ap50"),
                ("instance", "ap25"),
            )
            for name in _SCORES
        },
        "changed": _ratio(updates, "changed", "voxels"),
        "computed": median(update.computed for update in updates),
        "seconds": {stage: median(update.seconds[stage] for update in updates) for stage in STAGES},
    }


def _again(walk: WalkResult) -> tuple[np.ndarray, np.ndarray]:
    """`found_again`, and (n,) bool where the map moved between the last time and this time."""
    rows = tracking.found_again(walk.carried)
    closures = np.cumsum([update.loop_closed for update in walk.updates])
    return rows, closures[rows[:, 1]] > closures[rows[:, 0]]


def _update_rows(seed: int, walk: WalkResult) -> list[dict]:
    again, _ = _again(walk)
    return [
        {
            "walk": seed,
            "update": number,
            "loop_closed": update.loop_closed,
            "voxels": update.voxels,
            "changed": update.changed,
            "computed": update.computed,
            "agreement": _ratio([update], "agreeing", "compared"),
            "flicker": _ratio([update], "flickering", "held"),
            "objects": len(update.carried),
            "found": sum(id >= 0 for id in update.carried.values()),
            "ids": update.told,
            "id_switches": int(again[again[:, 1] == number, 2].sum()),
            **{f"{stage}_s": seconds for stage, seconds in update.seconds.items()},
        }
        for number, update in enumerate(walk.updates)
    ]


def _ratio(updates: Sequence[Update], part: str, whole: str) -> float | None:
    return _share(*(sum(getattr(update, name) for update in updates) for name in (part, whole)))


def _share(part: float, whole: float) -> float | None:
    return float(part / whole) if whole else None


def _mean(values: np.ndarray) -> float | None:
    return _share(values.sum(), len(values))
