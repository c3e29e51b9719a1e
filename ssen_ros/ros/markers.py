"""The instances as RViz markers: a translucent box and a line of text each."""

from collections.abc import Sequence

from geometry_msgs.msg import Point, Pose, Vector3
from std_msgs.msg import ColorRGBA, Header
from visualization_msgs.msg import Marker, MarkerArray

from ssen_ros.labels import instance_colors
from ssen_ros.ros.conversions import to_pose, to_size
from ssen_ros.structures import Instance

BOXES, LABELS = "boxes", "labels"  # marker namespaces; the marker id is the instance id

_ALPHA = {"active": 0.35, "missing": 0.12}
_TEXT_HEIGHT_M = 0.15
# The topic keeps one sample, and one that is missed must not leave a ghost.
_DELETIONS = 5
_LEAST_EDGE_M = 0.01  # RViz refuses a scale of zero


class MarkerBoard:
    """What one marker topic shows now; knows which markers to take away."""

    def __init__(self):
        self._started = False
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
        for instance in instances:
            markers += [_box(header, instance), _text(header, instance)]
        self._shown = now
        return MarkerArray(markers=markers)

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
    red, green, blue = instance_colors([instance.id])[0] / 255.0
    return Marker(
        header=header,
        ns=BOXES,
        id=int(instance.id),
        type=Marker.CUBE,
        action=Marker.ADD,
        pose=to_pose(instance.box),
        scale=Vector3(**{axis: max(getattr(size, axis), _LEAST_EDGE_M) for axis in "xyz"}),
        color=ColorRGBA(r=float(red), g=float(green), b=float(blue), a=_ALPHA[instance.state]),
    )


def _text(header: Header, instance: Instance) -> Marker:
    x, y, z = map(float, instance.box.center)
    top = z + float(instance.box.size[2]) / 2
    return Marker(
        header=header,
        ns=LABELS,
        id=int(instance.id),
        type=Marker.TEXT_VIEW_FACING,
        action=Marker.ADD,
        pose=Pose(position=Point(x=x, y=y, z=top + _TEXT_HEIGHT_M)),
        scale=Vector3(z=_TEXT_HEIGHT_M),
        color=ColorRGBA(r=1.0, g=1.0, b=1.0, a=1.0),
        text=f"{instance.class_name} #{instance.id} {instance.score:.2f}",
    )
