"""The account of clouds and the worker, without any ROS process."""

import threading
import time
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ssen_ros.errors import CloudError
from ssen_ros.ros.diagnostics import ErrorThrottle
from ssen_ros.ros.live_map import LiveMap
from ssen_ros.ros.worker import InferenceWorker
from ssen_ros.voxel_map import VoxelMap


def header(frame_id="map", stamp=0):
    return SimpleNamespace(frame_id=frame_id, stamp=SimpleNamespace(sec=stamp, nanosec=0))


def cloud(*cells):
    points = np.array(cells, dtype=np.float32).reshape(-1, 1) * [1.0, 0.0, 0.0] + 0.5
    return points.astype(np.float32), np.zeros(points.shape, np.uint8)


def live_map(mode="accumulated"):
    return LiveMap(lambda: VoxelMap(1.0, mode))


@given(st.lists(st.sampled_from(["new", "same", "bad", "unreadable", "take", "finish", "fail"]), max_size=40))
def test_every_cloud_is_accounted_for_whatever_happens(actions):
    live, taken, cells = live_map(), None, 0
    for action in actions:
        if action == "new":
            cells += 1
        if action in ("new", "same"):
            live.receive(header(), *cloud(*range(cells)))
        elif action == "bad":
            with pytest.raises(CloudError):
                live.receive(header(), *cloud(1e30))
        elif action == "unreadable":
            live.reject()
        elif action == "take" and taken is None:
            taken = live.take()
        elif taken is not None and action in ("finish", "fail"):
            (live.finish if action == "finish" else live.fail)()
            taken = None
        c = live.counters
        assert c.received == c.processed + c.superseded + c.rejected + c.failed + c.pending
        assert min(vars(c).values()) >= 0 and c.pending <= 2
    assert len(live) == cells


def test_work_carries_the_header_of_the_cloud_that_made_the_map():
    live = live_map()
    live.receive(header(stamp=1), *cloud(0))
    live.receive(header(stamp=2), *cloud(0, 1))
    work = live.take()
    assert work.header.stamp.sec == 2 and len(work.snapshot) == 2
    assert live.take() is None
    assert live.counters.superseded == 1


def test_another_frame_starts_anew_but_a_bad_cloud_in_it_does_not():
    live = live_map("incremental")
    live.receive(header("map"), *cloud(0, 1))
    epoch = live.take().epoch
    with pytest.raises(CloudError):
        live.receive(header("odom"), *cloud(1e30))
    assert len(live) == 2
    assert live.receive(header("odom"), *cloud(5)) == "map"
    work = live.take()
    assert work.epoch > epoch and work.header.frame_id == "odom" and len(work.snapshot) == 1


class Pipeline:
    """Raises the errors it is given, one per step; then answers with the stamp."""

    def __init__(self, errors=()):
        self.errors = list(errors)
        self.devices = []
        self.resets = 0
        self.segmenter = SimpleNamespace(to=self.devices.append)

    def step(self, snapshot, stamp_ns):
        if self.errors:
            raise self.errors.pop(0)
        return stamp_ns

    def reset(self):
        self.resets += 1


def run_worker(pipeline, *frames):
    """Passes over one cloud per frame; returns (published, reported, worker, live map)."""
    live, published, reported = live_map(), [], []
    worker = InferenceWorker(live, pipeline, lambda head, result: published.append(result), reported.append)
    for stamp, frame in enumerate(frames, start=1):
        live.receive(header(frame, stamp), *cloud(*range(stamp)))
        worker.trigger()
        deadline = time.monotonic() + 5
        while live.counters.pending and time.monotonic() < deadline:
            time.sleep(0.005)
    assert worker.stop(5.0)
    return published, reported, worker, live


def out_of_memory():
    import torch

    return torch.cuda.OutOfMemoryError("tried to allocate")


def test_out_of_gpu_memory_once_is_retried_in_place():
    pipeline = Pipeline([out_of_memory()])
    published, reported, worker, _ = run_worker(pipeline, "map")
    assert published == [1_000_000_000] and not reported
    assert not worker.degraded and pipeline.devices == []


def test_out_of_gpu_memory_twice_moves_to_the_cpu():
    pipeline = Pipeline([out_of_memory(), out_of_memory()])
    published, reported, worker, _ = run_worker(pipeline, "map")
    assert published == [1_000_000_000] and not reported
    assert worker.degraded and pipeline.devices == ["cpu"]


def test_any_other_error_is_reported_and_the_next_map_gets_its_turn():
    error = RuntimeError("shape")
    published, reported, worker, live = run_worker(Pipeline([error]), "map", "map")
    assert reported == [error] and published == [2_000_000_000]
    assert live.counters.failed == 1 and live.counters.processed == 1


def test_instances_are_forgotten_with_the_map_they_were_in():
    pipeline = Pipeline()
    run_worker(pipeline, "map", "map", "odom", "odom")
    assert pipeline.resets == 1


def test_stop_says_so_when_a_pass_is_still_running():
    release = threading.Event()
    pipeline = Pipeline()
    pipeline.step = lambda snapshot, stamp_ns: release.wait(5)
    live, published = live_map(), []
    worker = InferenceWorker(live, pipeline, lambda *result: published.append(result), print)
    live.receive(header(), *cloud(0))
    worker.trigger()
    time.sleep(0.05)
    assert not worker.stop(0.05)
    release.set()
    assert worker.stop(5.0)
    assert not published  # after stop nothing may be published: the publishers are gone


def test_throttle_lets_each_kind_of_message_through_once_per_period():
    throttle = ErrorThrottle(period_s=0.1)
    assert throttle.allows("data holds 12 bytes")
    assert not throttle.allows("data holds 99 bytes")
    assert throttle.allows("no field 'x'")
    time.sleep(0.12)
    assert throttle.allows("data holds 12 bytes")
