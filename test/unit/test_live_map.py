"""The account of clouds and the worker, without any ROS process."""

import logging
import threading
import time
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ssen_ros.errors import CloudError, StateError
from ssen_ros.live.live_map import LiveMap
from ssen_ros.live.throttle import ErrorThrottle
from ssen_ros.live.worker import InferenceWorker
from ssen_ros.voxel_map import VoxelMap


def header(frame_id="map", stamp=0):
    return SimpleNamespace(frame_id=frame_id, stamp=SimpleNamespace(sec=stamp, nanosec=0))


def cloud(*cells):
    points = np.array(cells, dtype=np.float32).reshape(-1, 1) * [1.0, 0.0, 0.0] + 0.5
    return points.astype(np.float32), np.zeros(points.shape, np.uint8)


def live_map(mode="accumulated"):
    return LiveMap(VoxelMap(1.0, mode))


ACTIONS = ["new", "same", "bad", "unreadable", "ask", "reset", "take", "finish", "fail", "put_back"]


@given(st.lists(st.sampled_from(ACTIONS), max_size=40))
def test_every_cloud_is_accounted_for_whatever_happens(actions):
    live, taken, cells, emptied = live_map(), None, 0, False
    for action in actions:
        if action == "new":
            cells += 1
        emptied = live.reset() if action == "reset" else emptied and action not in ("new", "same")
        if action in ("new", "same"):
            live.receive(header(), *cloud(*range(cells)))
        elif action == "bad":
            with pytest.raises(CloudError):
                live.receive(header(), *cloud(1e30))
        elif action == "unreadable":
            live.reject()
        elif action == "ask":
            assert live.ask() == (live.counters.received > live.counters.rejected)
        elif action == "take" and taken is None:
            taken = live.take()
        elif taken is not None and action in ("finish", "fail", "put_back"):
            getattr(live, action)(taken)
            taken = None
        c = live.counters
        assert c.received == c.processed + c.superseded + c.rejected + c.failed + c.pending
        assert min(vars(c).values()) >= 0 and c.pending <= 2
    assert len(live) == (0 if emptied else cells)
    for work in filter(None, [taken, live.take()]):
        live.finish(work)
    assert live.counters.pending == 0 and live.take() is None, "nothing is left that no pass will be made for"


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
    first = live.take()
    live.finish(first)
    with pytest.raises(CloudError):
        live.receive(header("odom"), *cloud(1e30))
    assert len(live) == 2
    assert "'map' to 'odom'" in live.receive(header("odom"), *cloud(5))
    work = live.take()
    assert work.epoch > first.epoch and work.header.frame_id == "odom" and len(work.snapshot) == 1


def test_an_equal_map_in_another_frame_is_another_map():
    live = live_map()
    live.receive(header("map"), *cloud(0))
    first = live.take()
    live.finish(first)
    live.receive(header("odom"), *cloud(0))
    work = live.take()
    assert work.epoch > first.epoch and work.header.frame_id == "odom"


def test_a_failed_map_gets_a_second_pass_and_then_another_only_when_sent_again():
    live = live_map()
    live.receive(header(stamp=1), *cloud(0))
    for _ in range(2):
        assert live.counters.pending == 1 and live.counters.failed == 0
        live.fail(live.take())
    assert live.take() is None
    assert live.counters.pending == 0 and live.counters.failed == 1

    live.receive(header(stamp=2), *cloud(0))
    work = live.take()
    assert work.header.stamp.sec == 2
    live.fail(work)
    assert live.take() is None and live.counters.failed == 2

    live.receive(header(stamp=3), *cloud(0))
    work = live.take()
    assert work.header.stamp.sec == 3
    live.finish(work)
    live.receive(header(stamp=4), *cloud(0))
    assert live.take() is None
    assert (live.counters.processed, live.counters.unchanged) == (2, 1)


def test_a_newer_map_goes_before_the_second_pass():
    live = live_map()
    live.receive(header(stamp=1), *cloud(0))
    work = live.take()
    live.receive(header(stamp=2), *cloud(0, 1))
    live.fail(work)
    assert live.counters.failed == 1
    work = live.take()
    assert work.header.stamp.sec == 2
    live.finish(work)
    assert live.take() is None


@pytest.mark.parametrize("mode", ["accumulated", "incremental"])
def test_time_that_jumps_back_starts_anew_but_a_late_cloud_or_one_without_a_stamp_does_not(mode):
    live = live_map(mode)
    for stamp in (100, 99, 0, 200, 199):
        assert live.receive(header(stamp=stamp), *cloud(stamp)) is None
    epoch = live.epoch
    assert "by 190.0 s" in live.receive(header(stamp=10), *cloud(7))
    assert live.epoch > epoch and len(live) == 1
    assert live.receive(header(stamp=11), *cloud(7)) is None


def test_after_a_reset_the_next_pass_is_over_an_empty_map_and_any_time_may_follow():
    live = live_map("incremental")
    assert not live.reset() and live.take() is None
    live.receive(header(stamp=100), *cloud(0, 1))
    before = live.take()
    live.receive(header(stamp=101), *cloud(2))
    assert live.reset()
    assert live.counters.superseded == 1  # its map is gone
    work = live.take()
    assert len(work.snapshot) == 0 and work.epoch > before.epoch and not work.of_cloud
    live.put_back(before)  # a pass from before the reset is not to be made again
    assert live.take() is None and live.counters.superseded == 2 and live.counters.pending == 0
    assert live.receive(header(stamp=5), *cloud(4)) is None
    assert len(live.take().snapshot) == 1


def test_a_pass_put_back_is_made_again_unless_a_newer_cloud_waits():
    live = live_map()
    live.receive(header(stamp=1), *cloud(0))
    live.put_back(live.take())
    work = live.take()
    assert work.header.stamp.sec == 1 and live.counters.pending == 1
    live.receive(header(stamp=2), *cloud(0, 1))
    live.put_back(work)
    assert live.counters.superseded == 1
    assert live.take().header.stamp.sec == 2 and live.take() is None


def test_a_pass_asked_for_is_made_over_an_unchanged_map_and_counts_no_cloud():
    live = live_map()
    assert not live.ask()
    live.receive(header(stamp=1), *cloud(0))
    live.finish(live.take())
    before = live.counters
    assert live.ask()
    live.finish(live.take())
    assert live.take() is None and live.counters == before


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
        self.resets = self.undone = 0
        self.segmenter = SimpleNamespace(to=self.devices.append)

    def step(self, snapshot, stamp_ns):
        if self.errors:
            raise self.errors.pop(0)
        return stamp_ns

    def reset(self, memory):
        self.resets += 1

    def undo(self):
        self.undone += 1


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


def test_a_result_that_cannot_be_published_is_undone_and_published_by_the_second_pass():
    pipeline, live, published, reported = Pipeline(), live_map(), [], []
    errors = [OSError("no shared memory")]
    worker = InferenceWorker(
        live,
        pipeline,
        lambda *out: raise_(errors.pop()) if errors else published.append(out),
        reported.append,
    )
    live.receive(header(), *cloud(0))
    with pytest.raises(OSError):
        worker.request().result(60)
    assert pipeline.undone == 1 and not published
    worker.request().result(60)
    assert worker.stop(60.0)
    assert pipeline.undone == 1 and len(published) == 1 and len(reported) == 1


def test_a_report_that_raises_costs_neither_the_thread_nor_the_answer(caplog):
    live = live_map()
    worker = InferenceWorker(live, Pipeline([RuntimeError("shape")]), lambda *_: None, raise_)
    live.receive(header(), *cloud(0))
    with caplog.at_level(logging.ERROR), pytest.raises(RuntimeError, match="shape"):
        worker.request().result(60)
    assert "could not be reported" in caplog.text
    assert worker.request().result(60) == 0
    assert worker.stop(60.0)


def test_nothing_is_published_during_a_change_and_nothing_old_after_it():
    passes = Passes()
    passes.live.receive(header(stamp=1), *cloud(0))
    passes.worker.trigger()
    passes.begin()

    def change():
        passes.end()
        time.sleep(0.2)  # the pass is over and waits
        assert not passes.published
        return passes.live.reset()

    assert passes.worker.between_updates(change)
    passes.worker.trigger()
    passes.begin()
    passes.end()
    passes.wait_until_published()
    assert passes.worker.stop(60.0) and passes.live.counters.superseded == 1


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


class Passes:
    """A worker whose passes begin and end when the test says so."""

    def __init__(self):
        self.inside, self.release = threading.Semaphore(0), threading.Semaphore(0)
        pipeline = Pipeline()
        pipeline.step = self._step
        self.live, self.published, self.reported = live_map(), [], []
        self.worker = InferenceWorker(self.live, pipeline, self._publish, self.reported.append)

    def _step(self, snapshot, stamp_ns):
        self.inside.release()
        assert self.release.acquire(timeout=60)
        return stamp_ns

    def _publish(self, work, result):
        self.published.append(result)

    def begin(self):
        self.worker.trigger()
        assert self.inside.acquire(timeout=60)

    def end(self):
        self.release.release()

    def wait_until_published(self):
        deadline = time.monotonic() + 60
        while not self.published and time.monotonic() < deadline:
            time.sleep(0.005)


def test_who_asks_during_a_pass_gets_the_next_one():
    passes = Passes()
    passes.live.receive(header(stamp=1), *cloud(0))
    passes.begin()
    future = passes.worker.request()
    passes.end()
    assert passes.inside.acquire(timeout=60)
    assert not future.done()
    passes.end()
    assert future.result(60) == 1_000_000_000
    assert passes.worker.stop(60.0) and len(passes.published) == 2


def test_without_a_map_there_is_no_pass_to_ask_for():
    passes = Passes()
    with pytest.raises(StateError, match="no map"):
        passes.worker.request()
    assert passes.worker.stop(60.0)
    with pytest.raises(StateError, match="not active"):
        passes.worker.request()


def test_a_pass_that_is_running_when_paused_is_not_published_but_made_again():
    passes = Passes()
    passes.live.receive(header(stamp=1), *cloud(0))
    future = passes.worker.request()
    passes.begin()
    waiting = passes.worker.request()
    passes.worker.pause()
    with pytest.raises(StateError, match="deactivated"):
        waiting.result(60)
    passes.end()
    with pytest.raises(StateError, match="deactivated"):
        future.result(60)
    passes.worker.trigger()
    assert not passes.inside.acquire(timeout=0.2) and not passes.published
    passes.worker.resume()
    passes.begin()
    passes.end()
    passes.wait_until_published()
    assert passes.worker.stop(60.0) and passes.published == [1_000_000_000]
    assert passes.live.counters.processed == 1 and passes.live.counters.pending == 0


def test_a_pass_over_a_map_that_has_been_reset_is_not_published():
    passes = Passes()
    passes.live.receive(header(stamp=1), *cloud(0))
    passes.begin()
    passes.live.reset()
    passes.worker.trigger()
    passes.end()
    assert passes.inside.acquire(timeout=60)  # over the empty map
    assert not passes.published
    passes.end()
    passes.wait_until_published()
    assert passes.worker.stop(60.0) and passes.live.counters.superseded == 1


def test_a_pass_that_raises_tells_who_asked_for_it():
    live, reported, error = live_map(), [], RuntimeError("shape")
    live.receive(header(), *cloud(0))
    worker = InferenceWorker(live, Pipeline([error]), lambda *_: None, reported.append)
    with pytest.raises(RuntimeError, match="shape"):
        worker.request().result(60)
    assert worker.stop(60.0) and reported == [error]


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
