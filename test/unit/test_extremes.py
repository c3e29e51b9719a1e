"""Every parameter of the method at both ends of its interval: the pass ends, and its result holds together.

Those of the node itself: test/ros/test_parameter_ends.py.
"""

import threading
import time
from dataclasses import replace

import numpy as np
import pytest
import torch

from ssen_ros import clustering, stopping
from ssen_ros.config import CONFIGURE, LIVE, SsenConfig, parameters, with_values
from ssen_ros.errors import ConfigError, EngineError, SsenError
from ssen_ros.forgetting import Forgetting
from ssen_ros.labels import CLASS_NAMES
from ssen_ros.models import Checkpoint, NetworkSpec, network_of
from ssen_ros.pipeline import SsenPipeline
from ssen_ros.segmenter import Segmenter
from ssen_ros.structures import Memory
from ssen_ros.voxel_map import VoxelMap

LONGEST_S = 60.0  # of one pass over the large map; alone each takes a second or two


def cloud(chairs):
    """Points on a floor and on so many chairs, 0.4 m wide, one in each voxel of 5 cm; and their colours."""
    width = int(np.ceil(np.sqrt(chairs)))
    rng = np.random.default_rng(0)
    block = (np.stack(np.meshgrid(*[np.arange(8)] * 3, indexing="ij"), -1).reshape(-1, 3) + 0.5) * 0.05
    places = np.stack([np.arange(chairs) % width, np.arange(chairs) // width, np.full(chairs, 0.1)], 1)
    objects = (places[:, None] + block).reshape(-1, 3)
    floor = np.concatenate([rng.uniform(0, width, (4000, 2)), np.full((4000, 1), 0.02)], axis=1)
    points = np.concatenate([floor, objects]).astype(np.float32)
    return points, np.full(points.shape, 128, np.uint8)


def snapshot(chairs):
    voxel_map = VoxelMap(0.05)
    voxel_map.integrate(*cloud(chairs))
    return voxel_map.snapshot()


def ends(changes, section=""):
    """(name, value) of the parameters of a section, or of all, that may change then, at both ends of each."""
    for p in parameters(SsenConfig()):
        values = p.choices or ((False, True) if type(p.default) is bool else (p.low, p.high))
        if p.changes == changes and p.name.startswith(section) and None not in values:
            for value in values:
                if (p.name, value) != ("clustering.mode", "exact"):  # the hdbscan library's time is its own
                    yield pytest.param(p.name, value, id=f"{p.name}={value}")


@pytest.fixture(scope="module")
def maps():
    return snapshot(1), snapshot(100)


@pytest.mark.parametrize(("name", "value"), list(ends(LIVE)))
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


@pytest.fixture(scope="module")
def checkpoints():
    """Small networks that have learnt nothing, for both tasks."""
    torch.manual_seed(0)
    specs = (
        NetworkSpec("semantic", "MinkUNet14S", 0.05, ("rgb",), CLASS_NAMES, 3),
        NetworkSpec("embedding", "MinkUNet14S", 0.05, ("rgb",), CLASS_NAMES, 3, embedding_width=8),
    )
    threads = torch.get_num_threads()
    yield [Checkpoint(spec, network_of(spec).eval()) for spec in specs]
    torch.set_num_threads(threads)


@pytest.mark.parametrize(("name", "value"), list(ends(CONFIGURE, "segmenter.")))
def test_networks_at_the_end_of_an_interval(checkpoints, name, value):
    """A hundred views of a large map take a hundred times as long: a few voxels show as much."""
    few = VoxelMap(0.05)
    few.integrate(*(rows[-512:] for rows in cloud(1)))
    config = with_values(SsenConfig(), {name: value})
    try:
        segmenter = Segmenter.from_checkpoints(*checkpoints, config.segmenter)
    except (ConfigError, EngineError) as error:
        assert value in ("minkowski", "float16", "bfloat16") and value in str(error).lower()
    else:
        result = SsenPipeline(segmenter, config).step(few.snapshot(), 1)
        assert len(result.semantic_label) == 512 and np.isfinite(result.confidence).all()


@pytest.mark.parametrize(("name", "value"), list(ends(CONFIGURE, "map.")))
@pytest.mark.parametrize("mode", ["accumulated", "incremental"])
def test_a_map_at_the_end_of_an_interval(mode, name, value):
    config = with_values(SsenConfig(), {"map.mode": mode, name: value}).map
    forgetting = Forgetting(config.decay_s, config.box_m)
    for chairs in (1, 100):
        if forgetting and config.mode == "accumulated":
            with pytest.raises(ConfigError, match=name):
                VoxelMap(0.05, config.mode, forgetting, config.max_voxels)
            continue
        voxel_map = VoxelMap(0.05, config.mode, forgetting, config.max_voxels)
        points, colors = cloud(chairs)
        for second, part in enumerate((slice(None, 900), slice(900, None), slice(None))):
            stamp_ns, robot = (1 + second) * 10**9, np.zeros(3, np.float32)
            try:
                voxel_map.integrate(points[part], colors[part], False, stamp_ns, robot)
            except SsenError as error:  # a cloud that is more than the whole map may be
                assert "map.max_voxels" in str(error) and len(points[part]) > config.max_voxels
            assert len(voxel_map.snapshot()) == len(voxel_map) <= config.max_voxels
        assert len(voxel_map) > 0


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
    start = time.process_time()
    with pytest.raises(SsenError), stopping.watching(flag):
        pipeline.step(maps[1], 2, first.memory)
    assert time.process_time() - start < 1.0
    again = pipeline.step(maps[1], 2, first.memory)
    assert [i.id for i in again.instances] == [i.id for i in first.instances]
