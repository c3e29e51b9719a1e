"""The thread that works clouds in, so that the subscription's callback never waits for one."""

import logging
import threading
from collections import deque
from collections.abc import Callable
from typing import Generic, TypeVar

log = logging.getLogger(__name__)

Cloud = TypeVar("Cloud")


class Intake(Generic[Cloud]):
    """Hands clouds on in the order in which they came.

    With `newest_only` (each cloud is the whole map) a cloud that still waits when the next one comes is
    handed to `skip` instead. Without, each is a part of the map: `put` waits once `depth` clouds wait, and it
    is the middleware's turn to keep them. What `work` raises is logged.
    """

    def __init__(
        self, work: Callable[[Cloud], None], skip: Callable[[Cloud], None], depth: int, newest_only: bool
    ):
        self._work = work
        self._skip = skip
        self._depth = 1 if newest_only else depth
        self._newest_only = newest_only
        self._waiting: deque[Cloud] = deque()
        self._working = False
        self._changed = threading.Condition()  # guards all of this
        self._stopping = False
        self._thread = threading.Thread(target=self._run, name="ssen_intake", daemon=True)
        self._thread.start()

    def put(self, cloud: Cloud) -> None:
        """From any thread; after `stop` nothing happens."""
        skipped = None
        with self._changed:
            if self._newest_only and self._waiting:
                skipped = self._waiting.popleft()
            self._changed.wait_for(lambda: len(self._waiting) < self._depth or self._stopping)
            if self._stopping:
                return
            self._waiting.append(cloud)
            self._changed.notify_all()
        if skipped is not None:
            self._skip(skipped)

    def clear(self) -> None:
        """Hand all that waits to `skip`, and return when nothing that came before is still worked in."""
        with self._changed:
            skipped, self._waiting = self._waiting, deque()
            self._changed.notify_all()
            self._changed.wait_for(lambda: not self._working)
        for cloud in skipped:
            self._skip(cloud)

    def stop(self, timeout_s: float) -> bool:
        """Drop what waits and end the thread; False if it still works a cloud in after `timeout_s`."""
        with self._changed:
            self._stopping = True
            self._changed.notify_all()
        self._thread.join(timeout_s)
        return not self._thread.is_alive()

    def _run(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._waiting or self._stopping)
                if self._stopping:
                    return
                cloud = self._waiting.popleft()
                self._working = True
                self._changed.notify_all()
            try:
                self._work(cloud)
            except Exception:  # the thread has to live
                log.exception("a cloud could not be worked in")
            del cloud  # its megabytes are not to wait for the next one
            with self._changed:
                self._working = False
                self._changed.notify_all()
