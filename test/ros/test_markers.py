"""What a display shows that gets the marker arrays, also when it misses some."""

from dataclasses import replace

import numpy as np
import pytest
from std_msgs.msg import Header
from visualization_msgs.msg import Marker

from ssen_ros.ros.markers import MarkerBoard
from ssen_ros.structures import Box, Instance

HEADER = Header(frame_id="map")


def instance(id_, score=0.5, size=(1.0, 1.0, 1.0), state="active"):
    box = Box(np.zeros(3), np.array(size), 0.0)
    return Instance(
        id=id_, class_id=4, class_name="chair", score=score, box=box, centroid=np.zeros(3),
        voxel_count=1, first_seen_ns=0, last_seen_ns=0, state=state,
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


def test_a_box_is_its_twelve_edges():
    size = np.array((2.0, 1.0, 0.5))
    box = MarkerBoard().update(HEADER, [instance(1, size=size)]).markers[1]
    ends = np.array([(p.x, p.y, p.z) for p in box.points]).reshape(-1, 2, 3)
    assert (
        box.type == Marker.LINE_LIST and box.scale.x > 0 and len({tuple(edge.ravel()) for edge in ends}) == 12
    )
    np.testing.assert_allclose(np.abs(ends), np.broadcast_to(size / 2, ends.shape))
    lengths = np.linalg.norm(ends[:, 1] - ends[:, 0], axis=1)
    np.testing.assert_allclose(np.sort(lengths), np.repeat(np.sort(size), 4))


def test_text_and_box_fade_with_the_score_and_while_missing():
    shown = [instance(1, 0.0), instance(2, 0.5), instance(3, 1.0), instance(4, 1.0, state="missing")]
    markers = MarkerBoard().update(HEADER, shown).markers[1:]
    for drawn in (markers[::2], markers[1::2]):
        none, half, full, missing = (marker.color.a for marker in drawn)
        assert 0.0 < none < half < full == 1.0 and 0.0 < missing < full
    heights = [marker.scale.z for marker in markers[1::2]]
    assert 0.03 < heights[0] < heights[1] < heights[2] == heights[3]


def test_an_object_that_looks_as_before_keeps_its_markers_under_the_new_header():
    board, later = MarkerBoard(), Header(frame_id="odom")
    same, other = instance(1), instance(2)
    first = board.update(HEADER, [same, other]).markers
    found = board.update(later, [replace(same, last_seen_ns=9), replace(other, score=0.75)]).markers
    assert [a is b for a, b in zip(found, first[1:], strict=True)] == [True, True, False, False]
    assert {marker.header.frame_id for marker in found} == {"odom"}
    assert [marker.text for marker in found[1::2]] == ["chair #1 0.50", "chair #2 0.75"]
    assert found == MarkerBoard().update(later, [same, replace(other, score=0.75)]).markers[1:]
