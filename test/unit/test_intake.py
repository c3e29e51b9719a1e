"""The thread that works clouds in, without any ROS process."""

import threading
import time

import pytest

from ssen_ros.live.intake import Intake

TIMEOUT_S = 10.0


class Mill:
    """Works in what an intake hands on, one item for each `release`."""

    def __init__(self, depth=2, newest_only=False):
        self.worked, self.skipped = [], []
        self._started, self._may_end = threading.Semaphore(0), threading.Semaphore(0)
        self.intake = Intake(self._work, self.skipped.append, depth, newest_only)

    def _work(self, item):
        self._started.release()
        assert self._may_end.acquire(timeout=TIMEOUT_S)
        self.worked.append(item)

    def begins_one(self):
        assert self._started.acquire(timeout=TIMEOUT_S)

    def release(self, count):
        self._may_end.release(count)


@pytest.fixture
def mill(request):
    mill = Mill(**request.param)
    yield mill
    mill.release(100)
    assert mill.intake.stop(TIMEOUT_S)


@pytest.mark.parametrize("mill", [{"newest_only": True}], indirect=True)
def test_of_whole_maps_the_newest_is_worked_in_and_no_put_waits(mill):
    mill.intake.put(0)
    mill.begins_one()
    for item in range(1, 5):
        mill.intake.put(item)
    assert mill.skipped == [1, 2, 3] and mill.worked == []
    mill.release(2)
    mill.begins_one()
    assert mill.intake.stop(TIMEOUT_S)
    assert mill.worked == [0, 4]


@pytest.mark.parametrize("mill", [{"depth": 2}], indirect=True)
def test_of_parts_of_a_map_none_is_skipped_and_a_put_beyond_the_depth_waits(mill):
    mill.intake.put(0)
    mill.begins_one()
    mill.intake.put(1)
    mill.intake.put(2)
    waiting = threading.Thread(target=mill.intake.put, args=(3,))
    waiting.start()
    waiting.join(0.2)
    assert waiting.is_alive()
    mill.release(4)
    waiting.join(TIMEOUT_S)
    for _ in range(3):
        mill.begins_one()
    assert mill.intake.stop(TIMEOUT_S)
    assert mill.worked == [0, 1, 2, 3] and mill.skipped == []


@pytest.mark.parametrize("mill", [{"depth": 2}], indirect=True)
def test_after_clearing_nothing_that_came_before_is_worked_in(mill):
    for item in range(3):
        mill.intake.put(item)
        if item == 0:
            mill.begins_one()
    clearing = threading.Thread(target=mill.intake.clear)
    clearing.start()
    clearing.join(0.2)
    assert clearing.is_alive()  # the first is still being worked in
    mill.release(1)
    clearing.join(TIMEOUT_S)
    assert mill.worked == [0] and mill.skipped == [1, 2]
    mill.release(1)
    mill.intake.put(3)
    mill.begins_one()
    mill.intake.clear()
    assert mill.worked == [0, 3] and mill.skipped == [1, 2]


def test_what_raises_is_logged_and_the_next_cloud_is_worked_in(caplog):
    worked, done = [], threading.Event()

    def work(item):
        if item == 0:
            raise RuntimeError("nobody thought of it")
        worked.append(item)
        done.set()

    intake = Intake(work, worked.append, depth=2, newest_only=False)
    intake.put(0)
    intake.put(1)
    assert done.wait(TIMEOUT_S) and intake.stop(TIMEOUT_S)
    assert worked == [1] and "nobody thought of it" in caplog.text


@pytest.mark.parametrize("mill", [{"depth": 1}], indirect=True)
def test_stopping_frees_a_put_that_waits_and_says_when_a_cloud_is_still_worked_in(mill):
    mill.intake.put(0)
    mill.begins_one()
    mill.intake.put(1)
    waiting = threading.Thread(target=mill.intake.put, args=(2,))
    waiting.start()
    assert not mill.intake.stop(0.1)
    waiting.join(TIMEOUT_S)
    assert not waiting.is_alive()
    mill.release(1)
    assert mill.intake.stop(TIMEOUT_S)
    mill.intake.put(3)
    time.sleep(0.1)
    assert mill.worked == [0]
