"""The account of clouds: each is counted once, whatever happens."""

import threading
from types import SimpleNamespace

import numpy as np
import pytest
from growing_map import cloud, header, live_map
from hypothesis import given
from hypothesis import strategies as st

from ssen_ros import voxel_keys
from ssen_ros.errors import CloudError
from ssen_ros.forgetting import Forgetting
from ssen_ros.live.live_map import LiveMap
from ssen_ros.structures import Event, Known, Memory
from ssen_ros.voxel_map import VoxelMap


def finish(live, work, memory=None):
    """The pass has been published, and knows this afterwards."""
    live.finish(work, SimpleNamespace(memory=memory or work.memory))


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
            finish(live, taken) if action == "finish" else getattr(live, action)(taken)
            taken = None
        c = live.counters
        assert c.received == c.processed + c.superseded + c.rejected + c.failed + c.pending
        assert min(vars(c).values()) >= 0 and c.pending <= 2
    assert len(live) == (0 if emptied else cells)
    for work in filter(None, [taken, live.take()]):
        finish(live, work)
    assert live.counters.pending == 0 and live.take() is None, "nothing is left that no pass will be made for"


def known(*ids):
    """A memory of these objects."""
    return Memory(tuple(Known(SimpleNamespace(id=i), np.zeros(0), np.zeros(0)) for i in ids), max(ids) + 1)


def test_a_pass_goes_by_what_the_last_published_one_knows():
    live = LiveMap(VoxelMap(1.0), Memory(next_id=3))
    live.receive(header(), *cloud(0))
    dropped = live.take()
    assert dropped.memory == Memory(next_id=3) and live.last is None
    live.put_back(dropped)
    work, told = live.take(), known(3)
    finish(live, work, told)
    assert live.memory is told and live.last[0] is work
    live.receive(header(), *cloud(0, 1))
    assert live.take().memory is told


def test_a_map_started_anew_tells_of_what_was_known_and_keeps_the_ids():
    live = live_map()
    live.receive(header(), *cloud(0))
    finish(live, live.take(), known(1, 2))
    for _ in range(2):  # nobody has heard of the first reset
        live.reset()
        work = live.take()
        assert live.last is None and work.memory.known == () and work.memory.next_id == 3
        assert work.memory.news == (Event("retired", 1), Event("retired", 2))
    state = live._map.state
    live.restore(header(), state, known(2, 7))
    work = live.take()
    assert work.memory.news == (Event("retired", 1), Event("retired", 2))
    assert [one.id for one in work.memory.known] == [2, 7] and work.memory.instances == ()
    assert work.memory.next_id == 8 and live.memory == work.memory
    after = Memory(work.memory.known, work.memory.next_id)
    finish(live, work, after)
    assert live.memory is after


def test_what_was_published_while_the_map_was_started_anew_is_told_as_retired():
    live = live_map()
    live.receive(header("map"), *cloud(0))
    work = live.take()
    live.receive(header("odom"), *cloud(0))  # between the worker's last look and its publishing
    finish(live, work, known(1))
    assert live.last is None
    assert live.take().memory.news == (Event("retired", 1),)


@pytest.mark.parametrize("mode", ["accumulated", "incremental"])
def test_a_pass_knows_what_has_changed_since_the_last_published_one(mode):
    live = live_map(mode)
    live.receive(header(), *cloud(0, 1))
    finish(live, live.take())
    live.receive(header(), *cloud(1, 2))
    live.put_back(live.take())
    live.receive(header(), *cloud(1, 3))
    change = live.take().change
    cells = [voxel_keys.unpack(keys)[:, 0].tolist() for keys in (change.new, change.gone, change.changed)]
    assert cells == ([[3], [0], []] if mode == "accumulated" else [[2, 3], [], []])
    live.reset()
    assert len(live.take().change) == 0
    live.receive(header(), *cloud(5))
    assert len(live.take().change.new) == 1


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
    finish(live, first)
    with pytest.raises(CloudError):
        live.receive(header("odom"), *cloud(1e30))
    assert len(live) == 2
    assert "'map' to 'odom'" in live.receive(header("odom"), *cloud(5))
    work = live.take()
    assert live.is_current(work) and not live.is_current(first)
    assert work.header.frame_id == "odom" and len(work.snapshot) == 1


def test_an_equal_map_in_another_frame_is_another_map():
    live = live_map()
    live.receive(header("map"), *cloud(0))
    first = live.take()
    finish(live, first)
    live.receive(header("odom"), *cloud(0))
    work = live.take()
    assert live.is_current(work) and not live.is_current(first) and work.header.frame_id == "odom"


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
    finish(live, work)
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
    finish(live, work)
    assert live.take() is None


@pytest.mark.parametrize("mode", ["accumulated", "incremental"])
def test_time_that_jumps_back_starts_anew_but_a_late_cloud_or_one_without_a_stamp_does_not(mode):
    live = live_map(mode)
    for stamp in (100, 99, 0, 200, 199):
        assert live.receive(header(stamp=stamp), *cloud(stamp)) is None
    before = live.take()
    assert "by 190.0 s" in live.receive(header(stamp=10), *cloud(7))
    assert not live.is_current(before) and len(live) == 1
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
    assert len(work.snapshot) == 0 and not live.is_current(before) and not work.of_cloud
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
    finish(live, live.take())
    before = live.counters
    assert live.ask()
    finish(live, live.take())
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


def test_what_is_forgotten_is_told_as_gone_to_the_next_pass():
    live = LiveMap(VoxelMap(1.0, "incremental", Forgetting(decay_s=5.0, box_m=20.0)))
    live.receive(header(stamp=10), *cloud(0, 1, 50), np.zeros(3))
    first = live.take()
    assert first.snapshot.voxel_coords[:, 0].tolist() == [0, 1]  # 50 m lies outside the box
    finish(live, first)
    live.receive(header(stamp=14), *cloud(1), np.zeros(3))
    assert live.take() is None  # seen again, and nothing else
    live.receive(header(stamp=16), *cloud(2), np.zeros(3))
    change = live.take().change
    gone, new = (voxel_keys.unpack(keys)[:, 0].tolist() for keys in (change.gone, change.new))
    assert (gone, new) == ([0], [2])
