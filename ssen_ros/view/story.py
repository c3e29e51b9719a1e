"""What has happened to which object, and how long each pass took; as far as the view has seen it."""

from collections import deque
from collections.abc import Sequence

import numpy as np

from ssen_ros.labelled_map import LabelledMap
from ssen_ros.structures import Event
from ssen_ros.view import pages

STAGES = ("semantic", "embedding", "cluster", "instances")

_EVENTS = 200  # that are kept
_PASSES = 300


class Story:
    """For one thread at a time."""

    def __init__(self) -> None:
        self._events: deque[tuple[str, str]] = deque(maxlen=_EVENTS)
        self._of_object: dict[int, list[str]] = {}
        self._times: deque[tuple[float, ...]] = deque(maxlen=_PASSES)
        self._last_pass: tuple[int, dict[str, float]] | None = None
        self._last_events: tuple[int, tuple[Event, ...]] | None = None

    def add(self, labelled: LabelledMap) -> tuple[Event, ...]:
        """Returns what has happened since the map that was added before.

        A node's corrected update comes in several messages, and what the view makes of some of them may have
        the events of an update that it has shown.
        """
        these = labelled.stamp_ns, tuple(labelled.events)
        news = () if these == self._last_events else these[1]
        self._last_events = these
        for event in news:
            self.tell(labelled, pages.told(event), (event.id, *event.other_ids))
        this_pass = labelled.stamp_ns, dict(labelled.timings_s)
        if labelled.timings_s and this_pass != self._last_pass:  # else the same one again, with a correction
            times = (labelled.timings_s.get(stage, 0.0) for stage in STAGES)
            self._times.append((float(len(self._times) + 1), *times))
            self._last_pass = this_pass
        return news

    def tell(self, labelled: LabelledMap, text: str, ids: Sequence[int]) -> None:
        """Of what happened to these objects of the map."""
        when = f"map {labelled.version}"
        self._events.append((when, text))
        for id in ids:
            self._of_object.setdefault(id, []).append(f"{when}: {text}")

    @property
    def events(self) -> list[tuple[str, str]]:
        """(when, what), oldest first."""
        return list(self._events)

    def of(self, id: int) -> Sequence[str]:
        return self._of_object.get(id, ())

    @property
    def times(self) -> tuple[np.ndarray, ...]:
        """The numbers of the passes, and their seconds in each of STAGES; (n,) float64 each."""
        rows = np.array(self._times or [(0.0,) * (1 + len(STAGES))])
        return tuple(np.ascontiguousarray(column) for column in rows.T)
