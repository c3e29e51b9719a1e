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
    return LiveMap(VoxelMap(1.0, mode))


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
            live.finish() if action == "finish" else live.fail(taken.snapshot.version)
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
    live.finish()
    with pytest.raises(CloudError):
        live.receive(header("odom"), *cloud(1e30))
    assert len(live) == 2
    assert live.receive(header("odom"), *cloud(5)) == "map"
    work = live.take()
    assert work.epoch > epoch and work.header.frame_id == "odom" and len(work.snapshot) == 1


def test_an_equal_map_in_another_frame_is_another_map():
    live = live_map()
    live.receive(header("map"), *cloud(0))
    epoch = live.take().epoch
    live.finish()
    live.receive(header("odom"), *cloud(0))
    work = live.take()
    assert work.epoch > epoch and work.header.frame_id == "odom"


def test_a_failed_map_gets_a_second_pass_and_then_another_only_when_sent_again():
    live = live_map()
    live.receive(header(stamp=1), *cloud(0))
    for _ in range(2):
        assert live.counters.pending == 1 and live.counters.failed == 0
        live.fail(live.take().snapshot.version)
    assert live.take() is None
    assert live.counters.pending == 0 and live.counters.failed == 1

    live.receive(header(stamp=2), *cloud(0))
    work = live.take()
    assert work.header.stamp.sec == 2
    live.fail(work.snapshot.version)
    assert live.take() is None and live.counters.failed == 2

    live.receive(header(stamp=3), *cloud(0))
    assert live.take().header.stamp.sec == 3
    live.finish()
    live.receive(header(stamp=4), *cloud(0))
    assert live.take() is None
    assert (live.counters.processed, live.counters.unchanged) == (2, 1)


def test_a_newer_map_goes_before_the_second_pass():
    live = live_map()
    live.receive(header(stamp=1), *cloud(0))
    work = live.take()
    live.receive(header(stamp=2), *cloud(0, 1))
    live.fail(work.snapshot.version)
    assert live.counters.failed == 1
    assert live.take().header.stamp.sec == 2
    live.finish()
    assert live.take() is None


class HeldMap(VoxelMap):
    """Stops inside `integrate` or `snapshot` while held, as a million points would."""

    def __init__(self):
        super().__init__(1.0)
        self.inside, self.release = threading.Event(), threading.Event()
        self.held = ""

    def _hold(self, name):
        if self.held == name:
            self.held = ""
            self.inside.set()
            assert self.release.wait(60)

    def integrate(self, *args, **kwargs):
        change = super().integrate(*args, **kwargs)
        self._hold("integrate")
        return change

    def snapshot(self, *args):
        self._hold("snapshot")
        return super().snapshot(*args)


def in_thread(function):
    """The thread it runs in, and a list that will hold its answer."""
    answers = []
    thread = threading.Thread(target=lambda: answers.append(function()), daemon=True)
    thread.start()
    return thread, answers


def test_a_cloud_is_received_and_counted_while_the_map_is_summarised():
    held = HeldMap()
    live = LiveMap(held)
    live.receive(header(stamp=1), *cloud(0))
    held.held = "snapshot"
    taking, works = in_thread(live.take)
    assert held.inside.wait(60)
    meanwhile, _ = in_thread(lambda: live.receive(header(stamp=2), *cloud(0, 1)))
    meanwhile.join(60)
    counting, counted = in_thread(lambda: live.counters)
    counting.join(60)
    held.release.set()
    assert not meanwhile.is_alive() and counted[0].received == 2
    taking.join(60)
    (work,) = works
    assert work.header.stamp.sec == 1 and len(work.snapshot) == 1  # they belong together
    later = live.take()
    assert later.header.stamp.sec == 2 and len(later.snapshot) == 2


def test_the_map_is_taken_and_counted_while_a_cloud_is_integrated():
    held = HeldMap()
    live = LiveMap(held)
    live.receive(header(stamp=1), *cloud(0))
    held.held = "integrate"
    receiving, _ = in_thread(lambda: live.receive(header(stamp=2), *cloud(0, 1)))
    assert held.inside.wait(60)
    taking, works = in_thread(live.take)
    taking.join(60)
    held.release.set()
    assert works, "take waited for integrate"
    assert works[0].header.stamp.sec == 1 and len(works[0].snapshot) == 1
    receiving.join(60)
    assert live.take().header.stamp.sec == 2


def test_a_snapshot_that_raises_counts_as_a_failed_pass():
    voxel_map = VoxelMap(1.0)
    live = LiveMap(voxel_map)
    live.receive(header(), *cloud(0))
    errors, summarise = [MemoryError(), MemoryError()], voxel_map.snapshot
    voxel_map.snapshot = lambda state: summarise(state) if not errors else raise_(errors.pop())
    for _ in range(2):
        with pytest.raises(MemoryError):
            live.take()
    assert live.take() is None
    assert live.counters.failed == 1 and live.counters.pending == 0


def raise_(error):
    raise error


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
        deadline = time.monotonic() + 60
        while live.counters.pending and time.monotonic() < deadline:
            worker.trigger()  # as the node's timer does
            time.sleep(0.005)
    assert worker.stop(60.0)
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


def test_after_any_other_error_the_same_map_gets_a_second_pass():
    error = RuntimeError("shape")
    published, reported, _, live = run_worker(Pipeline([error]), "map")
    assert reported == [error] and published == [1_000_000_000]
    assert live.counters.failed == 0 and live.counters.processed == 1


def test_after_two_errors_the_next_map_gets_its_turn():
    errors = [RuntimeError("shape"), RuntimeError("again")]
    published, reported, _, live = run_worker(Pipeline(errors), "map", "map")
    assert [str(error) for error in reported] == ["shape", "again"] and published == [2_000_000_000]
    assert live.counters.failed == 1 and live.counters.processed == 1


def test_instances_are_forgotten_with_the_map_they_were_in():
    pipeline = Pipeline()
    run_worker(pipeline, "map", "map", "odom", "odom")
    assert pipeline.resets == 1


def test_stop_says_so_when_a_pass_is_still_running():
    inside, release = threading.Event(), threading.Event()

    def step(snapshot, stamp_ns):
        inside.set()
        return release.wait(60)

    pipeline = Pipeline()
    pipeline.step = step
    live, published = live_map(), []
    worker = InferenceWorker(live, pipeline, lambda *result: published.append(result), print)
    live.receive(header(), *cloud(0))
    worker.trigger()
    assert inside.wait(60)
    assert not worker.stop(0.05)
    release.set()
    assert worker.stop(60.0)
    assert not published  # after stop nothing may be published: the publishers are gone


def test_throttle_lets_each_kind_of_message_through_once_per_period():
    now_s = 1000.0
    throttle = ErrorThrottle(period_s=10.0, clock=lambda: now_s)
    assert throttle.allows("data holds 12 bytes")
    assert not throttle.allows("data holds 99 bytes")
    assert throttle.allows("no field 'x'")
    now_s += 9.9
    assert not throttle.allows("data holds 12 bytes")
    now_s += 0.2
    assert throttle.allows("data holds 12 bytes")
