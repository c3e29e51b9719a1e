"""One pass over each of several scans, stage by stage: the time of the whole pipeline (paper, Fig. 3)."""

import time
from collections.abc import Iterable
from statistics import mean, median

import torch

from ssen_ros.io.samples import Sample
from ssen_ros.pipeline import SsenPipeline
from ssen_ros.voxel_map import VoxelMap


def time_scans(samples: Iterable[Sample], pipeline: SsenPipeline, repetitions: int = 1) -> dict:
    """Each scan as the first map of a pipeline that is warm.

    With one thread on a CPU the CPU's time counts, which others on the machine do not lengthen by making it
    wait; else that of the wall.

    Returns:
        {"scans", "voxels" of one (mean), "device", "threads", "clock": "cpu" or "wall", "stages": {stage:
        seconds a scan}}. The stages are voxelize, semantic, embedding, cluster, instances; of the repetitions
        the median counts, of the scans the mean.
    """
    alone = str(pipeline.segmenter.device) == "cpu" and torch.get_num_threads() == 1
    scans: list[dict[str, float]] = []
    voxels = []
    for sample in samples:
        runs = [_run(sample, pipeline, alone) for _ in range(repetitions + (not scans))]
        runs = runs[-repetitions:]  # the very first warms up
        scans.append({stage: median(stages[stage] for _, stages in runs) for stage in runs[0][1]})
        voxels.append(runs[0][0])
    return {
        "scans": len(scans),
        "voxels": round(mean(voxels)),
        "device": str(pipeline.segmenter.device),
        "threads": torch.get_num_threads(),
        "clock": "cpu" if alone else "wall",
        "stages": {stage: mean(scan[stage] for scan in scans) for stage in scans[0]},
    }


def _run(sample: Sample, pipeline: SsenPipeline, alone: bool) -> tuple[int, dict[str, float]]:
    """How many voxels, and the seconds of each stage."""
    start, worked = time.perf_counter(), time.process_time()
    voxel_map = VoxelMap(pipeline.segmenter.voxel_size)
    voxel_map.integrate(sample.points, sample.colors)
    snapshot = voxel_map.snapshot()
    stages = {"voxelize": time.perf_counter() - start}
    stages |= pipeline.step(snapshot, stamp_ns=0).timings_s
    del stages["total"]
    share = (time.process_time() - worked) / (time.perf_counter() - start) if alone else 1.0
    return len(snapshot), {stage: share * seconds for stage, seconds in stages.items()}
