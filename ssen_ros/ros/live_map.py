"""The map between two threads: clouds come in on one, passes over it are taken on the other. Knows no ROS."""

import threading
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Protocol

import numpy as np

from ssen_ros.structures import VoxelSnapshot
from ssen_ros.voxel_map import VoxelMap


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
    failed: int = 0  # the pass over their map raised
    pending: int = 0  # integrated; waiting, or in the pass that is running
    unchanged: int = 0  # of those processed: changed nothing, so no pass was made


class LiveMap:
    """A voxel map, the header of its newest cloud, and the account of all clouds. The latest cloud wins."""

    def __init__(self, make_map: Callable[[], VoxelMap]):
        self._make_map = make_map
        self._map = make_map()
        self._lock = threading.Lock()
        self._header: Stamped | None = None  # of the newest accepted cloud
        self._waiting = False  # the newest cloud has had no pass yet
        self._taken_version = 0  # of the last snapshot handed out
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
        with self._lock:
            try:
                left_frame = self._start_anew_if_moved(header, points, colors)
                version = self._map.integrate(points, colors).version
            except Exception:
                self._count(received=1, rejected=1)
                raise
            self._header = header
            self._account(version)
            return left_frame

    def take(self) -> Work | None:
        """The newest map that had no pass yet, with the header of its cloud; None if there is none."""
        with self._lock:
            if not self._waiting:
                return None
            snapshot = self._map.snapshot()
            self._waiting = False
            self._taken_version = snapshot.version
            return Work(self._header, snapshot, self._epoch)

    def finish(self) -> None:
        """The pass over the work taken has been published."""
        with self._lock:
            self._count(processed=1, pending=-1)

    def fail(self) -> None:
        """The pass over the work taken has raised; the next changed map gets the next pass."""
        with self._lock:
            self._count(failed=1, pending=-1)

    def _start_anew_if_moved(self, header: Stamped, points: np.ndarray, colors: np.ndarray) -> str | None:
        if self._header is None or header.frame_id == self._header.frame_id:
            return None
        self._make_map().integrate(points, colors)  # raises before the old map is given up
        self._map.clear()
        self._epoch += 1
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
