"""Every parameter of a pass at both ends of its interval: the pass ends, and its result holds together."""

import threading
import time
from dataclasses import replace

import numpy as np
import pytest

from ssen_ros import clustering, stopping
from ssen_ros.config import LIVE, SsenConfig, parameters, with_values
from ssen_ros.errors import SsenError
from ssen_ros.pipeline import SsenPipeline
from ssen_ros.structures import Memory
from ssen_ros.voxel_map import VoxelMap

LONGEST_S = 60.0  # of one pass over the large map; alone each takes a second or two


def snapshot(chairs):
    """A floor and so many chairs on it, 0.4 m wide, of voxels of 5 cm."""
    width = int(np.ceil(np.sqrt(chairs)))
    rng = np.random.default_rng(0)
    block = (np.stack(np.meshgrid(*[np.arange(8)] * 3, indexing="ij"), -1).reshape(-1, 3) + 0.5) * 0.05
    places = np.stack([np.arange(chairs) % width, np.arange(chairs) // width, np.full(chairs, 0.1)], 1)
    objects = (places[:, None] + block).reshape(-1, 3)
    floor = np.concatenate([rng.uniform(0, width, (4000, 2)), np.full((4000, 1), 0.02)], axis=1)
    points = np.concatenate([floor, objects]).astype(np.float32)
    voxel_map = VoxelMap(0.05)
    voxel_map.integrate(points, np.full(points.shape, 128, np.uint8))
    return voxel_map.snapshot()


def extremes():
    for p in parameters(SsenConfig()):
        if p.changes == LIVE:
            for value in p.choices or ((p.low, p.high) if type(p.default) is not bool else (False, True)):
                if (p.name, value) != ("clustering.mode", "exact"):  # the hdbscan library's time is its own
                    yield pytest.param(p.name, value, id=f"{p.name}={value:g}" if p.low is not None else None)


@pytest.fixture(scope="module")
def maps():
    return snapshot(1), snapshot(100)


@pytest.mark.parametrize(("name", "value"), list(extremes()))
def test_a_pass_at_the_end_of_an_interval(height_segmenter, maps, name, value):
    config = with_values(SsenConfig(), {name: value})
    for seen in maps:
        pipeline, flag = SsenPipeline(height_segmenter, config), stopping.Flag()
        timer = threading.Timer(LONGEST_S, flag.set)
        timer.start()
        try:
            with stopping.watching(flag):
                first = pipeline.step(seen, 1)
                second = pipeline.step(replace(seen, version=seen.version + 1), 2, first.memory)
        finally:
            timer.cancel()
        for result in (first, second):
            ids = [instance.id for instance in result.instances]
            assert len(set(ids)) == len(ids) <= clustering.MOST + len(first.instances)
            assert set(result.instance_id[result.instance_id >= 0]) <= set(ids)
            assert np.isfinite(result.confidence).all()


def test_of_too_many_objects_the_largest_are_kept(height_segmenter, monkeypatch, caplog):
    monkeypatch.setattr(clustering, "MOST", 30)
    config = with_values(SsenConfig(), {"clustering.min_cluster_size": 20, "clustering.smoothing": 0.0})
    result = SsenPipeline(height_segmenter, config).step(snapshot(64), 1)
    assert len(result.instances) == 30
    assert "min_cluster_size" in caplog.text


def test_clusters_that_shed_a_few_points_each_time_do_not_exhaust_the_stack(monkeypatch):
    def peel(points, config):
        """HDBSCAN's worst answer: two points come off, the rest is one cluster again."""
        return np.where(np.arange(len(points)) < 2, 1, 0) if len(points) > 2 else np.full(len(points), -1)

    monkeypatch.setitem(clustering._HDBSCAN, "fast", peel)
    points = np.random.default_rng(0).normal(size=(3000, 3)).astype(np.float32)
    config = replace(SsenConfig().clustering, max_spread=1e-6, min_cluster_size=2)
    label = clustering.cluster(points, config).instance_label
    assert len(label) == len(points) and label.max() > 0, "pairs have come off"


def test_an_unusual_pass_can_be_given_up_and_the_memory_is_what_it_was(height_segmenter, maps):
    pipeline, flag = SsenPipeline(height_segmenter), stopping.Flag()
    first = pipeline.step(maps[1], 1, Memory())
    flag.set()
    start = time.monotonic()
    with pytest.raises(SsenError), stopping.watching(flag):
        pipeline.step(maps[1], 2, first.memory)
    assert time.monotonic() - start < 1.0
    again = pipeline.step(maps[1], 2, first.memory)
    assert [i.id for i in again.instances] == [i.id for i in first.instances]
