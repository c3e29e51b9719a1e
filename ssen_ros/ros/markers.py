"""The instances as RViz markers: the edges of a box and a line of text each, fainter the lower the score."""

from collections.abc import Sequence
from itertools import product

import numpy as np
from geometry_msgs.msg import Point, Pose, Vector3
from std_msgs.msg import ColorRGBA, Header
from visualization_msgs.msg import Marker, MarkerArray

from ssen_ros.palettes import instance_colors
from ssen_ros.ros.conversions import to_pose, to_size
from ssen_ros.structures import Instance

BOXES, LABELS = "boxes", "labels"  # marker namespaces; the marker id is the instance id

_OPACITY = {"active": 1.0, "missing": 0.4}
_FAINTEST = 0.3  # opacity, and share of the text's height, at score 0
_TEXT_HEIGHT_M = 0.16  # at score 1
_LINE_WIDTH_M = 0.02
# Of a box of size 1: the two ends of each of its twelve edges, which differ in one coordinate.
_CORNERS = list(product((-0.5, 0.5), repeat=3))
_EDGES = [
    (start, end)
    for start, end in product(_CORNERS, repeat=2)
    if start < end and sum(a != b for a, b in zip(start, end)) == 1
]
# The topic keeps one sample, and one that is missed must not leave a ghost.
_DELETIONS = 5


class MarkerBoard:
    """What one marker topic shows now; knows which markers to take away.

    The markers of an object that looks as before are those of the update before, with another header: an
    array is valid until the next update.
    """

    def __init__(self):
        self._started = False
        self._drawn: dict[int, tuple[tuple, list[Marker]]] = {}  # by instance id: its looks, and its markers
        self._shown: frozenset[int] = frozenset()  # instance ids
        self._deletions: dict[int, int] = {}  # id of a vanished instance -> DELETEs still to be sent

    def update(self, header: Header, instances: Sequence[Instance]) -> MarkerArray:
        """ADD for every instance, DELETE for those that vanished in this or one of the last updates.

        The very first update takes away whatever an earlier run of the node has left in the display.
        """
        now = frozenset(int(instance.id) for instance in instances)
        markers = [] if self._started else [Marker(header=header, action=Marker.DELETEALL)]
        self._started = True
        markers += self._delete(header, now)
        self._drawn = {instance.id: self._draw(header, instance) for instance in instances}
        markers += [marker for _, drawn in self._drawn.values() for marker in drawn]
        self._shown = now
        return MarkerArray(markers=markers)

    def _draw(self, header: Header, instance: Instance) -> tuple[tuple, list[Marker]]:
        looks = instance.box, instance.class_name, instance.score, instance.state
        before, markers = self._drawn.get(instance.id, (None, []))
        if before is None or looks[0] is not before[0] or looks[1:] != before[1:]:
            return looks, [_box(header, instance), _text(header, instance)]
        for marker in markers:
            marker.header = header
        return looks, markers

    def _delete(self, header: Header, now: frozenset[int]) -> list[Marker]:
        self._deletions |= dict.fromkeys(self._shown - now, _DELETIONS)
        due = sorted(self._deletions.keys() - now)
        self._deletions = {gone: self._deletions[gone] - 1 for gone in due if self._deletions[gone] > 1}
        return [
            Marker(header=header, ns=namespace, id=gone, action=Marker.DELETE)
            for gone in due
            for namespace in (BOXES, LABELS)
        ]


def _box(header: Header, instance: Instance) -> Marker:
    size = to_size(instance.box)
    red, green, blue = instance_colors(np.array([instance.id]))[0] / 255.0
    return Marker(
        header=header,
        ns=BOXES,
        id=int(instance.id),
        type=Marker.LINE_LIST,
        action=Marker.ADD,
        pose=to_pose(instance.box),
        scale=Vector3(x=_LINE_WIDTH_M),
        points=[Point(x=x * size.x, y=y * size.y, z=z * size.z) for edge in _EDGES for x, y, z in edge],
        color=ColorRGBA(r=float(red), g=float(green), b=float(blue), a=_opacity(instance)),
    )


def _text(header: Header, instance: Instance) -> Marker:
    x, y, z = map(float, instance.box.center)
    top = z + float(instance.box.size[2]) / 2
    height = _TEXT_HEIGHT_M * _strength(instance)
    return Marker(
        header=header,
        ns=LABELS,
        id=int(instance.id),
        type=Marker.TEXT_VIEW_FACING,
        action=Marker.ADD,
        pose=Pose(position=Point(x=x, y=y, z=top + height)),
        scale=Vector3(z=height),
        color=ColorRGBA(r=1.0, g=1.0, b=1.0, a=_opacity(instance)),
        text=f"{instance.class_name} #{instance.id} {instance.score:.2f}",
    )


def _strength(instance: Instance) -> float:
    """From _FAINTEST at score 0 to 1 at score 1."""
    return _FAINTEST + (1.0 - _FAINTEST) * min(max(float(instance.score), 0.0), 1.0)


def _opacity(instance: Instance) -> float:
    return _OPACITY[instance.state] * _strength(instance)
