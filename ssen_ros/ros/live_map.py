"""The map between two threads: clouds come in on one, passes over it are taken on the other. Knows no ROS."""

import threading
from dataclasses import dataclass, replace
from typing import Any, Protocol

import numpy as np

from ssen_ros.structures import VoxelSnapshot
from ssen_ros.voxel_map import MapState, VoxelMap


class Stamped(Protocol):
    """What is needed of std_msgs/Header."""

    frame_id: str
    stamp: Any


@dataclass(frozen=True)
class Work:
    """One pass to be made: a snapshot and the header of the cloud that brought the map to it."""

    header: Stamped
    snapshot: VoxelSnapshot
    epoch: int  # grows when the map starts anew; ids of another epoch mean nothing


@dataclass(frozen=True)
class Counters:
    """What became of the clouds: received = processed + superseded + rejected + failed + pending."""

    received: int = 0
    processed: int = 0  # their map was published, or they changed nothing
    superseded: int = 0  # integrated; a newer cloud came before their turn
    rejected: int = 0  # could not be used; the map stayed as it was
    failed: int = 0  # the pass over their map raised, and so did the second one if there was time for it
    pending: int = 0  # integrated; waiting, or in the pass that is running
    unchanged: int = 0  # of those processed: changed nothing, so no pass was made


class LiveMap:
    """A voxel map, the header of its newest cloud, and the account of all clouds. The latest cloud wins.

    Safe with any thread in any method. Only `receive` and `take` work for long, on points; they do not
    wait for each other, and nothing else waits for either: `_lock` is held for assignments alone.

    A map whose pass failed gets one more at the next `take`, unless a newer map has come by then.
    If that fails too, the map is given up until a cloud, be it the same one, is received.
    """

    def __init__(self, voxel_map: VoxelMap):
        self._map = voxel_map
        self._receiving = threading.Lock()  # one cloud is worked in at a time
        self._lock = threading.Lock()  # of all that follows
        self._header: Stamped | None = None  # of the newest accepted cloud
        self._state: MapState = voxel_map.state  # what that cloud made of the map
        self._waiting = False  # that state is to be passed over
        self._taken_version = voxel_map.version  # of the last state handed out; -1 if it has no result
        self._failed_version = -1  # of the last state over which a pass failed
        self._epoch = 0
        self._counters = Counters()

    def __len__(self) -> int:
        """Voxels in the map."""
        return len(self._map)

    @property
    def counters(self) -> Counters:
        with self._lock:
            return self._counters

    def reject(self) -> None:
        """Account for a cloud that could not even be read."""
        with self._lock:
            self._count(received=1, rejected=1)

    def receive(self, header: Stamped, points: np.ndarray, colors: np.ndarray) -> str | None:
        """Integrate a cloud of (N, 3) points [m] and (N, 3) uint8 colours.

        A cloud in another frame starts the map anew. Returns the frame that was left behind then,
        else None. If integrating raises, the error is passed on, the cloud counts as rejected and
        the map is as it was.
        """
        with self._receiving:
            left_frame = self._left_frame(header)
            try:
                self._map.integrate(points, colors, anew=left_frame is not None)
            except Exception:
                self.reject()
                raise
            with self._lock:
                self._header, self._state = header, self._map.state
                if left_frame is not None:
                    self._epoch += 1
                    self._taken_version = -1  # a map in another frame is another map, equal or not
                self._account(self._state.version)
            return left_frame

    def take(self) -> Work | None:
        """The newest map that had no pass yet, with the header of its cloud; None if there is none.

        If summarising the map raises, the error is passed on, and counts as a failed pass.
        """
        with self._lock:
            if not self._waiting:
                return None
            header, state, epoch = self._header, self._state, self._epoch
            self._waiting = False
            self._taken_version = state.version
        try:
            return Work(header, self._map.snapshot(state), epoch)
        except Exception:
            self.fail(state.version)
            raise

    def finish(self) -> None:
        """The pass over the work taken has been published."""
        with self._lock:
            self._count(processed=1, pending=-1)

    def fail(self, version: int) -> None:
        """The pass over the work taken, a map of `version`, has raised."""
        with self._lock:
            first = version != self._failed_version
            self._failed_version = version
            self._taken_version = -1  # the same map, sent again, is to get a pass
            if first and not self._waiting:
                self._waiting = True  # still pending: it takes its place again
            else:
                self._count(failed=1, pending=-1)

    def _left_frame(self, header: Stamped) -> str | None:
        if self._header is None or header.frame_id == self._header.frame_id:
            return None
        return self._header.frame_id

    def _account(self, version: int) -> None:
        if self._waiting:
            self._count(received=1, superseded=1)  # this cloud waits in place of the one before
        elif version != self._taken_version:
            self._waiting = True
            self._count(received=1, pending=1)
        else:
            self._count(received=1, processed=1, unchanged=1)

    def _count(self, **steps: int) -> None:
        changed = {name: getattr(self._counters, name) + step for name, step in steps.items()}
        self._counters = replace(self._counters, **changed)
