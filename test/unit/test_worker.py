"""The worker: passes that fail, are asked for, put back, or not to be published."""

import logging
import threading
import time
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
from appetite import TAKEN, glibc, resident_bytes, take_and_free
from growing_map import cloud, header, live_map

from ssen_ros import stopping
from ssen_ros.corrections import Edit
from ssen_ros.errors import StateError
from ssen_ros.live.worker import InferenceWorker
from ssen_ros.structures import Corrections, Evidence, Kept, Known, Memory


def raise_(error):
    raise error


class Pipeline:
    """Raises the errors it is given, one per step; then answers with the stamp."""

    def __init__(self, errors=()):
        self.errors = list(errors)
        self.devices = []
        self.segmenter = SimpleNamespace(device="cuda:0", to=self.devices.append)

    def step(self, snapshot, stamp_ns, memory):
        if self.errors:
            raise self.errors.pop(0)
        return Result(stamp_ns, memory)


class Result(int):
    """A stamp, ns, with the memory of one step more: its objects are as many as the steps it knows of."""

    def __new__(cls, stamp_ns, memory):
        self = super().__new__(cls, stamp_ns)
        known = Known(SimpleNamespace(id=memory.next_id), np.zeros(0), np.zeros(0))
        self.memory = replace(memory, known=(*memory.known, known), next_id=memory.next_id + 1)
        return self


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


def test_networks_that_have_nowhere_to_move_fail_the_pass():
    error = out_of_memory()
    pipeline = Pipeline([out_of_memory(), error])
    pipeline.segmenter.device = "cpu"
    published, reported, worker, _ = run_worker(pipeline, "map")
    assert reported == [error] and published == [1_000_000_000]  # by the second pass over the map
    assert not worker.degraded and pipeline.devices == []


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


def test_a_pass_knows_what_those_before_it_over_the_same_map_have_found():
    published, _, _, _ = run_worker(Pipeline(), "map", "map", "odom", "odom")
    assert [[known.id for known in result.memory.known] for result in published] == [[1], [1, 2], [3], [3, 4]]


def test_a_result_that_cannot_be_published_leaves_no_trace_and_the_second_pass_is_published():
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
    assert live.memory == Memory() and live.last is None and not published
    result = worker.request().result(60)
    assert worker.stop(60.0)
    assert live.memory is result.memory and live.memory.next_id == 2
    assert len(published) == 1 and len(reported) == 1


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

    def step(snapshot, stamp_ns, memory):
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
        self.pipeline = pipeline = Pipeline()
        pipeline.step = self._step
        self.live, self.published, self.reported = live_map(), [], []
        self.worker = InferenceWorker(self.live, pipeline, self._publish, self.reported.append)

    def _step(self, snapshot, stamp_ns, memory):
        self.inside.release()
        assert self.release.acquire(timeout=60)
        return Result(stamp_ns, memory)

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


def corrected_by(passes, corrections):
    """Have the pipeline of `passes` correct a result into a memory with these corrections."""

    def correct(result, edit):
        made = Result(result, result.memory)
        made.memory = replace(result.memory, corrections=corrections)
        return made

    def conclude(result, memory):
        made = Result(int(result) + 1, memory)
        made.memory = replace(made.memory, corrections=memory.corrections)
        return made

    passes.pipeline.correct, passes.pipeline.conclude = correct, conclude


def test_a_correction_is_published_at_once_and_a_pass_that_runs_meanwhile_keeps_to_it():
    passes, corrections = Passes(), Corrections()
    corrected_by(passes, corrections)
    with pytest.raises(StateError, match="no map has been segmented"):
        passes.worker.correct(Edit("undo"))
    passes.live.receive(header(stamp=1), *cloud(0))
    passes.begin()
    passes.end()
    passes.wait_until_published()
    passes.live.receive(header(stamp=2), *cloud(0, 1))
    passes.begin()
    passes.worker.correct(Edit("undo"))
    assert passes.published == [1_000_000_000] * 2, "the running pass was waited for"
    assert passes.live.last[1].memory.corrections is corrections
    passes.end()
    deadline = time.monotonic() + 60
    while len(passes.published) < 3 and time.monotonic() < deadline:
        time.sleep(0.005)
    assert passes.published[2] == 2_000_000_001, "concluded anew"
    assert passes.worker.stop(60.0) and passes.live.memory.corrections is corrections
    with pytest.raises(StateError, match="not active"):
        passes.worker.correct(Edit("undo"))


def test_a_pass_that_raises_tells_who_asked_for_it():
    live, reported, error = live_map(), [], RuntimeError("shape")
    live.receive(header(), *cloud(0))
    worker = InferenceWorker(live, Pipeline([error]), lambda *_: None, reported.append)
    with pytest.raises(RuntimeError, match="shape"):
        worker.request().result(60)
    assert worker.stop(60.0) and reported == [error]


class Endless(Pipeline):
    """Its first `times` steps run until they are given up."""

    def __init__(self, times=1):
        super().__init__()
        self.times, self.begun = times, threading.Semaphore(0)

    def step(self, snapshot, stamp_ns, memory):
        self.begun.release()
        self.times -= 1
        while self.times >= 0:
            stopping.check()
            time.sleep(0.001)
        return super().step(snapshot, stamp_ns, memory)


@pytest.fixture
def endless():
    pipeline, live, published = Endless(), live_map(), []
    worker = InferenceWorker(live, pipeline, lambda head, result: published.append(result), raise_)
    live.receive(header(stamp=1), *cloud(0))
    future = worker.request()
    assert pipeline.begun.acquire(timeout=60)
    yield SimpleNamespace(pipeline=pipeline, live=live, published=published, worker=worker, future=future)
    assert worker.stop(60.0)


def test_a_pass_that_is_given_up_is_made_again_for_those_who_asked(endless):
    assert endless.worker.running_s >= 0
    endless.worker.give_up()
    assert endless.future.result(timeout=60) == 1_000_000_000
    assert endless.published == [1_000_000_000]
    assert endless.live.counters.processed == 1 and endless.live.counters.failed == 0


def test_a_pause_ends_the_pass_and_the_map_gets_one_afterwards(endless):
    endless.worker.pause()
    with pytest.raises(StateError):
        endless.future.result(timeout=60)
    assert not endless.published and endless.live.counters.pending == 1
    endless.worker.resume()
    endless.worker.trigger()
    deadline = time.monotonic() + 60
    while not endless.published and time.monotonic() < deadline:
        time.sleep(0.005)
    assert endless.published == [1_000_000_000] and endless.live.counters.processed == 1


def test_a_stop_does_not_wait_for_an_endless_pass(endless):
    start = time.monotonic()
    assert endless.worker.stop(60.0)
    assert time.monotonic() - start < 5.0 and endless.worker.running_s is None


class Approximate(Pipeline):
    """Its networks keep what they computed; a pass over a cloud computes half of a whole one."""

    def step(self, snapshot, stamp_ns, memory):
        result = super().step(snapshot, stamp_ns, memory)
        asked = memory.kept is None or memory.kept.passes < 0
        result.memory = replace(result.memory, kept=Kept(None, 1, 1.0 if asked else 0.5))
        return result


def test_in_the_quiet_an_approximate_map_gets_a_whole_pass_once():
    live, published = live_map(), []
    worker = InferenceWorker(live, Approximate(), lambda head, result: published.append(result), raise_)
    for stamp in (1, 2):
        live.receive(header("map", stamp), *cloud(*range(stamp)))
        trigger_until(worker, published, stamp)
    trigger_until(worker, published, 3)
    assert [result.memory.kept.share for result in published] == [1.0, 0.5, 1.0]
    for _ in range(10):
        worker.trigger()
        time.sleep(0.01)
    assert worker.stop(60.0)
    assert len(published) == 3


class Settling(Pipeline):
    """Its map has settled after three passes in the quiet; it notes the turn of each pass."""

    def __init__(self, errors=()):
        super().__init__(errors)
        self.turns = []

    def step(self, snapshot, stamp_ns, memory):
        self.turns.append(memory.turn)
        result = super().step(snapshot, stamp_ns, memory)
        passes = memory.evidence.passes + 1 if memory.evidence and memory.evidence.quiet else 0
        evidence = Evidence(*[np.zeros(0)] * 8, passes=passes, settled=passes >= 3)
        result.memory = replace(result.memory, evidence=evidence)
        return result


def test_in_the_quiet_a_map_is_seen_from_other_sides_until_it_has_settled():
    live, published, pipeline = live_map(), [], Settling()
    worker = InferenceWorker(live, pipeline, lambda head, result: published.append(result), raise_)
    for stamp in (1, 2):
        live.receive(header("map", stamp), *cloud(*range(stamp)))
        trigger_until(worker, published, 4 * stamp)
        for _ in range(10):
            worker.trigger()
            time.sleep(0.01)
        assert len(published) == 4 * stamp and live.memory.is_settled
    future = worker.request()
    worker.trigger()
    assert future.result(60).memory.evidence.passes == 1, "what is asked for is a whole pass"
    assert worker.stop(60.0)
    assert pipeline.turns[:8] == [0, 0, 1, 2] * 2


def test_a_pass_in_the_quiet_that_fails_is_not_made_for_ever():
    errors = [RuntimeError("no room to turn") for _ in range(20)]
    live, published, reported, pipeline = live_map(), [], [], Settling()
    worker = InferenceWorker(live, pipeline, lambda head, result: published.append(result), reported.append)
    live.receive(header("map", 1), *cloud(0))
    trigger_until(worker, published, 1)
    pipeline.errors = errors
    for _ in range(20):
        worker.trigger()
        time.sleep(0.01)
    assert worker.stop(60.0)
    assert 1 <= len(reported) <= 2 and len(published) == 1


def trigger_until(worker, published, count):
    deadline = time.monotonic() + 60
    while len(published) < count and time.monotonic() < deadline:
        worker.trigger()
        time.sleep(0.005)


@glibc
def test_what_a_pass_has_freed_goes_back_to_the_system():
    kept, resident = [], [resident_bytes()]

    class Hungry(Pipeline):
        def step(self, snapshot, stamp_ns, memory):
            kept.extend(take_and_free(lambda: resident.append(resident_bytes())))
            return super().step(snapshot, stamp_ns, memory)

    run_worker(Hungry(), "map")
    before, most = resident
    assert most > before + 0.8 * TAKEN and resident_bytes() < before + 0.3 * TAKEN
