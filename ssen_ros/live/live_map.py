"""The map between two threads: clouds come in on one, passes over it are taken on the other."""

import threading
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, Protocol

import numpy as np

from ssen_ros.stamps import jump_back_s, ns_from_time
from ssen_ros.structures import Memory, StepResult, VoxelSnapshot
from ssen_ros.voxel_map import EMPTY_STATE, MapChange, MapState, VoxelMap, change_between


class Stamped(Protocol):
    """What is needed of std_msgs/Header."""

    @property
    def frame_id(self) -> str: ...

    @property
    def stamp(self) -> Any:
        """With sec and nanosec."""


@dataclass(frozen=True)
class Pass:
    """One pass to be made: a snapshot with the header of the cloud that made it, and what is known."""

    header: Stamped
    state: MapState  # what the snapshot summarises
    snapshot: VoxelSnapshot
    memory: Memory  # what is known before it
    before: MapState  # the map that this is known of; empty where the map was started anew
    start: Memory | None  # what the map was started anew with; None: a pass was published since
    of_cloud: bool  # a cloud is waiting for it; else it was asked for

    @property
    def stamp_ns(self) -> int:
        return ns_from_time(self.header.stamp)

    @cached_property
    def change(self) -> MapChange:
        """What has become of the map since the last published pass; computed for whoever asks first."""
        return change_between(self.before, self.state)


@dataclass(frozen=True)
class Counters:
    """What became of the clouds: received = processed + superseded + rejected + failed + pending."""

    received: int = 0
    processed: int = 0  # their map was published, or they changed nothing
    superseded: int = 0  # a newer cloud, or a reset, came before they were integrated, or passed over
    rejected: int = 0  # could not be used; the map stayed as it was
    failed: int = 0  # the pass over their map raised, and so did the second one if there was time for it
    pending: int = 0  # integrated; waiting, or in the pass that is running
    unchanged: int = 0  # of those processed: changed nothing, so no pass was made


class LiveMap:
    """A voxel map, the header of its newest cloud, and the account of all clouds. The latest cloud wins.

    It also keeps what the last published pass knows, and hands it to the next one. A pass that is not
    `finish`ed, as it failed or its map has been started anew, is never heard of again.

    Safe with any thread in any method. Only those that work on points (`receive`, `take`, `reset`, `restore`)
    do so for long; `take` waits for none of the others, and nothing else waits for any: `_lock` is held for
    assignments alone.

    A map whose pass failed gets one more at the next `take`, unless a newer map has come by then.
    If that fails too, the map is given up until a cloud, be it the same one, is received.
    """

    def __init__(self, voxel_map: VoxelMap, memory: Memory = Memory()):
        self._map = voxel_map
        self._receiving = threading.Lock()  # one cloud is worked in at a time
        self._lock = threading.Lock()  # of all that follows
        self._header: Stamped | None = None  # of the newest accepted cloud
        self._newest_ns = 0  # its stamp; 0: none to compare with
        self._state: MapState = voxel_map.state  # what that cloud made of the map
        self._waiting = False  # that state is to be passed over
        self._cloud_waits = False  # and stands for a cloud that is not yet accounted for
        self._taken_version = voxel_map.version  # of the last state handed out; -1 if it has no result
        self._failed_version = -1  # of the last state over which a pass failed
        self._memory = memory  # of the last published pass
        self._last: tuple[Pass, StepResult] | None = None  # that pass, if it is of this map
        self._start: Memory | None = None  # what the map was started anew with since
        self._counters = Counters()

    def __len__(self) -> int:
        """Voxels in the map."""
        return len(self._map)

    @property
    def full(self) -> bool:
        """There was no room in the map for new voxels of the last cloud."""
        return self._map.full

    @property
    def counters(self) -> Counters:
        with self._lock:
            return self._counters

    @property
    def memory(self) -> Memory:
        """What the next pass goes by."""
        with self._lock:
            return self._memory if self._start is None else self._memory.begin(self._start)

    @property
    def last(self) -> tuple[Pass, StepResult] | None:
        """The last published pass over this map; None where there is none since it was started anew."""
        with self._lock:
            return self._last

    def reject(self) -> None:
        """Account for a cloud that could not even be read."""
        with self._lock:
            self._count(received=1, rejected=1)

    def skip(self) -> None:
        """Account for a cloud that is not integrated: a newer one is, or a reset came first."""
        with self._lock:
            self._count(received=1, superseded=1)

    def receive(
        self,
        header: Stamped,
        points: np.ndarray,
        colors: np.ndarray,
        robot: np.ndarray | None = None,
        camera: np.ndarray | None = None,
    ) -> str | None:
        """Integrate a cloud of (N, 3) points [m] and (N, 3) uint8 colours; `robot` and `camera`: (3,) [m].

        A cloud in another frame, or from before the newest one by more than TIME_JUMP_S, starts the map anew;
        a stamp of 0 is no time. Returns why the map started anew, if it did. If integrating raises, the error
        is passed on, the cloud counts as rejected and the map is as it was.
        """
        with self._receiving:
            stamp_ns = ns_from_time(header.stamp)
            why_anew = self._why_anew(header.frame_id, stamp_ns)
            try:
                self._map.integrate(points, colors, why_anew is not None, stamp_ns, robot, camera)
            except Exception:
                self.reject()
                raise
            with self._lock:
                if why_anew is not None:
                    self._begin(Memory())
                self._header, self._state = header, self._map.state
                self._newest_ns = max(self._newest_ns, stamp_ns)
                self._account(self._state.version)
            return why_anew

    def reset(self) -> bool:
        """Forget map and objects; the next pass is over an empty map. False where there was no map."""
        with self._receiving:
            if self._header is None:
                return False
            empty = np.empty((0, 3))
            self._map.integrate(empty, empty.astype(np.uint8), restart=True)
            with self._lock:
                self._begin(Memory())
                self._waiting = True
            return True

    def restore(self, header: Stamped, state: MapState, memory: Memory) -> None:
        """Go on from this map and what is known of it instead; a pass over it is due."""
        with self._receiving:
            self._map.restore(state)
            snapshot = self._map.snapshot()
            with self._lock:
                self._header = header
                self._begin(replace(memory, map=snapshot))
                self._waiting = True

    def ask(self) -> bool:
        """Have a pass made over the map as it is, changed or not. False where there is no map."""
        with self._lock:
            if self._header is None:
                return False
            self._waiting = True
            return True

    def take(self, quiet: bool = False) -> Pass | None:
        """The newest map that had no pass yet, with the header of its cloud; None if there is none.

        `quiet`: if there is none, one more over the map that had the last, unless one over it has failed.
        If summarising the map raises, the error is passed on, and counts as a failed pass.
        """
        with self._lock:
            quiet &= self._failed_version != self._state.version
            if self._header is None or not (self._waiting or quiet):
                return None
            quiet = not self._waiting
            header, state, memory, start = self._header, self._state, self._memory, self._start
            before = self._last[0].state if self._last else EMPTY_STATE
            of_cloud = self._cloud_waits
            self._waiting = self._cloud_waits = False
            self._taken_version = state.version
        try:
            snapshot = self._map.snapshot(state)
        except Exception:
            self._fail(state.version, start, of_cloud)
            raise
        if quiet:
            memory = memory.in_the_quiet()
        elif start is not None:
            memory = memory.begin(start)
        elif not of_cloud:  # it was asked for
            memory = memory.for_whole_pass()
        return Pass(header, state, snapshot, memory, before, start, of_cloud)

    def is_current(self, work: Pass) -> bool:
        """The map has not been started anew since the pass was taken."""
        with self._lock:
            return work.start is self._start

    def finish(self, work: Pass, result: StepResult) -> None:
        """The pass has been published: the next one goes by what it knows."""
        with self._lock:
            self._memory = result.memory  # whatever has become of the map meanwhile: this was told
            if work.start is self._start:
                self._last, self._start = (work, result), None
            self._count(processed=work.of_cloud, pending=-work.of_cloud)

    def correct(self, work: Pass, result: StepResult) -> None:
        """The result of the last published pass has been corrected by hand, and published again."""
        with self._lock:
            if self._last is not None and self._last[0] is work:
                self._last, self._memory = (work, result), result.memory

    def fail(self, work: Pass) -> None:
        """The pass has raised."""
        self._fail(work.state.version, work.start, work.of_cloud)

    def put_back(self, work: Pass) -> None:
        """The pass is not to be published; it has to be made again, or over what has come since."""
        with self._lock:
            if self._cloud_waits or work.start is not self._start:
                self._count(superseded=work.of_cloud, pending=-work.of_cloud)
            else:
                self._waiting, self._cloud_waits = True, work.of_cloud

    def _fail(self, version: int, start: Memory | None, of_cloud: bool) -> None:
        with self._lock:
            again = version != self._failed_version and start is self._start and not self._cloud_waits
            self._failed_version = version
            self._taken_version = -1  # the same map, sent again, is to get a pass
            if again:
                self._waiting, self._cloud_waits = True, of_cloud  # still pending: it takes its place again
            else:
                self._count(failed=of_cloud, pending=-of_cloud)

    def _why_anew(self, frame_id: str, stamp_ns: int) -> str | None:
        if self._header is None:
            return None
        if frame_id != self._header.frame_id:
            return f"the map's frame changed from {self._header.frame_id!r} to {frame_id!r}"
        if back_s := jump_back_s(self._newest_ns, stamp_ns):
            return f"time jumped back by {back_s:.1f} s"
        return None

    def _begin(self, start: Memory) -> None:
        """Another map, of which this is known: what was taken before has no meaning in it."""
        if self._cloud_waits:
            self._count(superseded=1, pending=-1)
        self._waiting = self._cloud_waits = False
        self._state = self._map.state
        self._start = replace(start)  # an object of its own: it tells one start from another
        self._last = None
        self._newest_ns = 0
        self._taken_version = -1  # another map, equal or not

    def _account(self, version: int) -> None:
        if self._cloud_waits:
            self._count(received=1, superseded=1)  # this cloud waits in place of the one before
        elif self._waiting or version != self._taken_version:
            self._waiting = self._cloud_waits = True
            self._count(received=1, pending=1)
        else:
            self._count(received=1, processed=1, unchanged=1)

    def _count(self, **steps: int) -> None:
        changed = {name: getattr(self._counters, name) + step for name, step in steps.items()}
        self._counters = replace(self._counters, **changed)
