"""What a display shows that gets the marker arrays, also when it misses some."""

import numpy as np
import pytest
from std_msgs.msg import Header
from visualization_msgs.msg import Marker

from ssen_ros.ros.markers import MarkerBoard
from ssen_ros.structures import Box, Instance

HEADER = Header(frame_id="map")


def instance(id_):
    box = Box(np.zeros(3), np.ones(3), 0.0)
    return Instance(
        id=id_, class_id=4, class_name="chair", score=0.5, box=box, centroid=np.zeros(3),
        voxel_count=1, first_seen_ns=0, last_seen_ns=0, state="active",
    )  # fmt: skip


class Display:
    """RViz as far as it matters here: the markers on screen."""

    def __init__(self, *shown):
        self.shown = {(namespace, id_) for id_ in shown for namespace in ("boxes", "labels")}

    def receive(self, array):
        for marker in array.markers:
            if marker.action == Marker.DELETEALL:
                self.shown.clear()
            elif marker.action == Marker.DELETE:
                self.shown.discard((marker.ns, marker.id))
            else:
                self.shown.add((marker.ns, marker.id))

    @property
    def ids(self):
        return {id_ for _, id_ in self.shown}


def test_what_an_earlier_run_of_the_node_has_shown_is_taken_away_once():
    display, board = Display(7, 8), MarkerBoard()
    display.receive(board.update(HEADER, [instance(1)]))
    assert display.ids == {1}
    second = board.update(HEADER, [instance(1), instance(2)])
    assert all(marker.action == Marker.ADD for marker in second.markers)


@pytest.mark.parametrize("missed", [0, 1, 4])
def test_a_vanished_instance_goes_from_a_display_that_misses_arrays(missed):
    display, board = Display(), MarkerBoard()
    display.receive(board.update(HEADER, [instance(1), instance(2)]))
    for _ in range(missed):
        board.update(HEADER, [instance(2)])
    display.receive(board.update(HEADER, [instance(2)]))
    assert display.ids == {2}


def test_deletes_end_and_never_meet_an_instance_that_came_back():
    board = MarkerBoard()
    board.update(HEADER, [instance(1)])
    board.update(HEADER, [])
    back = board.update(HEADER, [instance(1)])
    assert [marker.action for marker in back.markers] == [Marker.ADD, Marker.ADD]
    for _ in range(5):
        assert len(board.update(HEADER, []).markers) == 2
    assert board.update(HEADER, []).markers == []
