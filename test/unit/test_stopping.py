"""Work that is given up: it ends soon, says so, and leaves everything fit for the next."""

import threading
import time

import numpy as np
import pytest
import torch

from ssen_ros import hdbscan_native, stopping
from ssen_ros.clustering import cluster
from ssen_ros.config import ClusteringConfig
from ssen_ros.instances import detect
from ssen_ros.models.minkunet import build_network
from ssen_ros.sparse import CoordinateManager
from ssen_ros.sparse.native_engine import instruction_sets, native_engine
from ssen_ros.structures import VoxelSnapshot

SOON_S = 2.0  # for machines that are busy; alone it takes milliseconds


def given_up_after(seconds, work):
    """How long `work` goes on after its flag is set."""
    flag, set_at = stopping.Flag(), []
    timer = threading.Timer(seconds, lambda: (flag.set(), set_at.append(time.monotonic())))
    with pytest.raises(stopping.GivenUp), stopping.watching(flag):
        timer.start()
        while True:  # however fast the machine is
            work()
    return time.monotonic() - set_at[0]


def things(n, width=8):
    rng = np.random.default_rng(0)
    means = rng.normal(size=(20, width))[rng.integers(0, 20, n)]
    return (means + 0.1 * rng.normal(size=(n, width))).astype(np.float32)


needs_library = pytest.mark.skipif(not hdbscan_native.available(), reason="the compiled library is not there")


def test_no_further_cluster_is_looked_at():
    points = np.zeros((5, 3), np.float32)
    snapshot = VoxelSnapshot(points.astype(np.int32), points, np.zeros((5, 3), np.uint8), 0.1, 1)
    flag = stopping.Flag()
    flag.set()
    with stopping.watching(flag), pytest.raises(stopping.GivenUp):
        detect(snapshot, np.zeros((5, 2), np.float32), np.arange(5), np.array([False, True]))


@needs_library
@pytest.mark.parametrize("min_samples", [10, 1000])
def test_a_clustering_ends_soon(min_samples):
    points = things(60_000)
    assert given_up_after(0.05, lambda: hdbscan_native.hdbscan(points, 80, min_samples)) < SOON_S
    label, _ = hdbscan_native.hdbscan(points[:2000], 20, 5)
    assert label.max() > 0  # and the next one runs


def test_the_hdbscan_library_ends_soon_although_it_looks_at_nothing():
    pytest.importorskip("hdbscan")
    points, config = things(30_000), ClusteringConfig(mode="exact")
    assert given_up_after(0.5, lambda: cluster(points, config)) < SOON_S


def test_the_hdbscan_library_answers_the_same_in_a_process_of_its_own():
    pytest.importorskip("hdbscan")
    points, config = things(2_000), ClusteringConfig(mode="exact", min_cluster_size=20)
    here = cluster(points, config)
    with stopping.watching(stopping.Flag()):
        there = cluster(points, config)
    np.testing.assert_array_equal(there.instance_label, here.instance_label)


def test_what_fails_in_a_process_of_its_own_raises_here():
    with pytest.raises(ZeroDivisionError):
        stopping.in_a_process(divmod, 1, 0)


@pytest.mark.parametrize("isa", [None, *instruction_sets()])
def test_a_network_ends_soon_and_computes_as_before_afterwards(isa):
    n = {None: 2_000, "plain_tiles": 200}.get(isa, 10_000)
    coords = torch.randint(0, 60, (n, 4), generator=torch.manual_seed(0))
    coords[:, 0] = 0
    coords = torch.unique(coords, dim=0)
    features = torch.ones(len(coords), 3)
    model = build_network("MinkUNet14S", 3, 20).for_inference()
    engine = native_engine(isa) if isa else None
    if engine is not None:
        model.coordinates = lambda rows: CoordinateManager(rows, engine)
    with torch.inference_mode():
        before = model(features, coords)
        assert given_up_after(0.02, lambda: model(features, coords)) < SOON_S
        torch.testing.assert_close(model(features, coords), before)


def test_a_flag_holds_for_its_thread_and_its_block_alone():
    flag = stopping.Flag()
    flag.set()
    stopping.check()
    with pytest.raises(stopping.GivenUp), stopping.watching(flag):
        raised = []
        other = threading.Thread(target=lambda: raised.append(stopping.watched()))
        other.start()
        other.join()
        assert raised == [None]
        with stopping.watching(stopping.Flag()):
            stopping.check()
        stopping.check()
    stopping.check()
