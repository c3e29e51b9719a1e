"""`ssen view` of a running node: its topics go to the view, the view's corrections to its service."""

import os
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, cast

from geometry_msgs.msg import Point
from rclpy.node import Node

from ssen_ros.corrections import Edit
from ssen_ros.errors import CorrectionError, SsenError, StateError
from ssen_ros.labelled_map import LabelledMap
from ssen_ros.labels import LABEL_NAMES
from ssen_ros.ros.commands.listening import MapListener, stage_times_s
from ssen_ros.ros.commands.observing import observer
from ssen_ros.ros.commands.running import sigterm_as_interrupt
from ssen_ros.srv import Correct
from ssen_ros.view.export import export_room

if TYPE_CHECKING:
    from ssen_ros.view.desk import Desk
    from ssen_ros.view.viewer import Viewer

    OpenViewer = Callable[[Desk], Viewer]
else:
    OpenViewer = Callable

_ANSWER_TIMEOUT_S = 30.0  # of a node that is publishing a large map
_QUIET_S = 0.05  # the messages of one update come one after the other: it is shown when no more do,
_LONGEST_S = 0.5  # or after this long
_STATUS_PERIOD_S = 0.5


class NodeDesk:
    """The map of a node over DDS; somebody else spins `node`."""

    class_names: tuple[str, ...] = LABEL_NAMES  # of the networks: these, or the first twenty

    def __init__(self, node: Node, name: str, out_dir: Path):
        self.title = name
        self._out_dir = out_dir
        self._client = node.create_client(Correct, f"{name}/correct")

    def correct(self, edit: Edit) -> str:
        if not self._client.service_is_ready():
            raise StateError(f"no node offers {self._client.srv_name}: is {self.title} running?")
        points = () if edit.points is None else edit.points.tolist()
        request = Correct.Request(
            kind=edit.kind,
            ids=list(edit.ids),
            class_name=edit.class_name,
            points=[Point(x=x, y=y, z=z) for x, y, z in points],
        )
        future, answered = self._client.call_async(request), threading.Event()
        future.add_done_callback(lambda _: answered.set())
        if not answered.wait(_ANSWER_TIMEOUT_S):
            raise StateError(
                f"{self.title} has not answered within {_ANSWER_TIMEOUT_S:g} s; it may still do it"
            )
        response = cast(Correct.Response, future.result())
        if not response.success:
            raise CorrectionError(response.message)
        return response.message

    def export(self, labelled: LabelledMap) -> Sequence[Path]:
        return export_room(labelled, self._out_dir, self.title.strip("/").replace("/", "_"))


class NodeView:
    """A view of what a `MapListener` hears; `refresh` it after each message."""

    def __init__(self, node: Node, name: str, out_dir: Path, open_viewer: OpenViewer):
        self._name = name
        self._viewer = open_viewer(NodeDesk(node, name, out_dir))
        self._news_s = 0.0  # since when there is some; monotonic clock, as all of these
        self._heard_s = 0.0
        self._status_s = 0.0
        self._status: dict[str, str] | None = None

    def refresh(self, heard: MapListener) -> None:
        """Show what is new, once it is all there."""
        now_s = time.monotonic()
        if now_s > self._status_s + _STATUS_PERIOD_S and heard.status is not self._status:
            self._status, self._status_s = heard.status, now_s
            self._viewer.status(heard.status)
        if heard.news:
            heard.news, self._heard_s = False, now_s
            self._news_s = self._news_s or now_s
        waited = now_s > self._heard_s + _QUIET_S or now_s > self._news_s + _LONGEST_S
        if not (self._news_s and waited):
            return
        self._news_s = 0.0
        try:
            labelled = heard.labelled_map()
        except SsenError as error:  # of an older node
            self._viewer.status({"not shown": str(error)})
            return
        if labelled is not None:
            self._viewer.show(replace(labelled, timings_s=stage_times_s(heard.status)))


def view_node(
    name: str, out_dir: Path, open_viewer: OpenViewer, wanted: Callable[[], bool] = lambda: True
) -> None:
    """Show the map of the node of this fully qualified name, until interrupted or no longer wanted."""
    with sigterm_as_interrupt(), observer(f"ssen_view_{os.getpid()}") as (node, executor):
        heard = MapListener.of(node, name)
        view = NodeView(node, name, out_dir, open_viewer)
        while wanted():
            executor.spin_once(timeout_sec=_QUIET_S)
            view.refresh(heard)
