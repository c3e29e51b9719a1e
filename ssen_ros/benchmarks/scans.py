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

    Returns:
        {"scans", "voxels" of one (mean), "device", "threads", "stages": {stage: seconds a scan}}. The stages
        are voxelize, semantic, embedding, cluster, instances; of the repetitions the median counts, of the
        scans the mean.
    """
    scans: list[dict[str, float]] = []
    voxels = []
    for sample in samples:
        runs = [_run(sample, pipeline) for _ in range(repetitions + (not scans))]
        runs = runs[-repetitions:]  # the very first warms up
        scans.append({stage: median(run[stage] for run in runs) for stage in runs[0]})
        voxels.append(len(_map(sample, pipeline).snapshot()))
    return {
        "scans": len(scans),
        "voxels": round(mean(voxels)),
        "device": str(pipeline.segmenter.device),
        "threads": torch.get_num_threads(),
        "stages": {stage: mean(scan[stage] for scan in scans) for stage in scans[0]},
    }


def _map(sample: Sample, pipeline: SsenPipeline) -> VoxelMap:
    voxel_map = VoxelMap(pipeline.segmenter.voxel_size)
    voxel_map.integrate(sample.points, sample.colors)
    return voxel_map


def _run(sample: Sample, pipeline: SsenPipeline) -> dict[str, float]:
    start = time.perf_counter()
    snapshot = _map(sample, pipeline).snapshot()
    voxelized = time.perf_counter()
    timings = dict(pipeline.step(snapshot, stamp_ns=0).timings_s)
    del timings["total"]
    return {"voxelize": voxelized - start, **timings}
