"""The page in the browser: viser shows what `scene.py` says, and hands on what the user asks for.

All who have it open see the same: mode, selection and map. What they send are choices and clicks; nothing of
it is executed, and names are checked by the core before they reach a page.
"""

import io
import logging
import threading
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from contextlib import redirect_stdout
from dataclasses import replace
from typing import Any

import numpy as np

from ssen_ros.corrections import Edit
from ssen_ros.errors import SsenError, missing_module
from ssen_ros.labelled_map import LabelledMap
from ssen_ros.labels import UNKNOWN_NAME
from ssen_ros.palettes import MODES, legend_of
from ssen_ros.structures import Instance
from ssen_ros.view import pages, tools
from ssen_ros.view.canvas import Canvas
from ssen_ros.view.desk import Desk
from ssen_ros.view.gate import LOOPBACK, Gate, check_address, guarding, is_loopback
from ssen_ros.view.panel import BRUSH_SIZES, FIRST_QUICK, Panel
from ssen_ros.view.scene import (
    Look,
    Scene,
    box_lines,
    box_of,
    difference,
    lines_of,
    make_scene,
    nearest_hit,
    shown,
)  # fmt: skip
from ssen_ros.view.story import Story
from ssen_ros.view.tools import Quick, Tool

log = logging.getLogger(__name__)

PORT = 8080
_REACH = 0.75  # voxels off the ray of a click at which a voxel is hit
_CHOSEN_COLOR = (255, 214, 0)
_BRUSH_STEP = 1.25  # from one size of the brush to the next
_CHOOSE_FIRST = "choose an object first: click it, or find it by its name"


class Viewer:
    """A server of one page. `show` and `status` may be called from any thread, as often as there is news.

    Raises SsenError where viser is missing, the address cannot be had, or others could reach it without a
    token.
    """

    def __init__(self, desk: Desk, host: str = LOOPBACK, port: int = PORT, token: str = ""):
        gate = Gate(host, token)
        check_address(host)
        server_class = _server_class()
        self._desk = desk
        self._lock = threading.RLock()  # of all that follows; callbacks come from many threads
        self._labelled: LabelledMap | None = None
        self._look = Look()
        self._scene = Scene()
        self._rows = np.empty(0, np.int64)  # of the map, that are shown
        self._points = np.empty((0, 3), np.float32)  # theirs, m
        self._chosen = 0  # id; 0: none
        self._last_chosen = 0  # from where Next and Previous go on if it is gone
        self._choose_new = False  # the object that the correction just asked for makes
        self._tool = Tool()
        self._quick = Quick(FIRST_QUICK)
        self._strokes: dict[int, list[np.ndarray]] = {}  # by client: centres of a brush that is down, (3,) m
        self._story = Story()
        self._placed: deque[np.ndarray] = deque(maxlen=20)  # cameras, (3,) m; a browser may answer late
        with guarding(gate), redirect_stdout(io.StringIO()):  # it prints an address without token
            self._server = server_class(host=host, port=port, label=desk.title, verbose=False)
        shown_host = "localhost" if is_loopback(host) else host
        query = f"/?token={token}" if token else ""
        self.url = f"http://{shown_host}:{self._server.get_port()}{query}"
        self._canvas = Canvas(self._server.scene)
        self._panel = Panel(self._server.gui, desk.class_names)
        self._connect()

    def close(self) -> None:
        self._server.stop()

    def wait(self) -> None:
        """Until interrupted."""
        threading.Event().wait()

    @property
    def clients(self) -> int:
        return len(self._server.get_clients())

    def show(self, labelled: LabelledMap) -> None:
        """Show this map instead; only what differs from the one before is sent."""
        with self._lock:
            before, self._labelled = self._labelled, labelled
            made = [event.id for event in self._story.add(labelled) if event.kind == "created"]
            if self._choose_new and made and before and before.stamp_ns == labelled.stamp_ns:
                self._chosen = self._last_chosen = made[-1]
                self._choose_new = False
            if len(labelled):
                self._place_camera(labelled.points)
            self._refresh()

    def status(self, values: Mapping[str, str]) -> None:
        """What the node reports of itself."""
        with self._lock:
            self._panel.status.content = pages.status(values)

    # --- what is shown --------------------------------------------------------------------------

    def _connect(self) -> None:
        """Have the viewer told of all that the user does."""
        panel, gui = self._panel, self._server.gui
        panel.mode.on_choice(lambda *_: self._change_look())
        for handle in (panel.boxes, panel.labels, panel.ceiling, panel.height, panel.most_points):
            handle.on_update(lambda _: self._change_look())
        panel.point_size.on_update(lambda _: self._resize_points())
        panel.object.on_choice(lambda title, _: self._choose_object(int(title.rpartition("#")[2])))
        panel.name.on_choice(self._rename)
        panel.gives.on_choice(lambda *_: self._refresh_object())
        panel.box_height.on_update(lambda event: event.client and self._refresh_object())
        panel.set_name.on_click(lambda event: self._rename(panel.own_name.value, event.client))
        panel.export.on_click(lambda event: self._guarded(self._write, event.client))
        panel.on_action(gui, self._on_action)
        self._server.scene.on_click()(self._on_click)

    def _refresh(self) -> None:
        labelled = self._labelled
        if labelled is None:
            return
        self._rows = shown(labelled, self._look)
        self._points = labelled.points[self._rows]
        scene = make_scene(labelled, self._look)
        changes, before, self._scene = difference(self._scene, scene), self._scene, scene
        panel = self._panel
        with self._server.atomic():
            self._canvas.apply(changes, self._point_size())
            if scene.step != before.step:
                self._canvas.resize_points(self._point_size())
            panel.legend.content = pages.legend(legend_of(labelled, self._look.mode))
            panel.timeline.content = pages.timeline(self._story.events)
            panel.plot.data = self._story.times
            self._refresh_object()

    def _refresh_object(self) -> None:
        """All that depends on which object is chosen, and with which tool."""
        labelled, panel = self._labelled, self._panel
        if labelled is None:
            return
        one = self._instance(self._chosen)
        if one is None:
            self._chosen = 0
            if self._tool.kind not in tools.OF_NO_OBJECT:
                self._tool = Tool()
        panel.show_object(labelled, one, self._story.of(self._chosen))
        panel.show_quick(self._quick.names)
        panel.hint.content = pages.hint(self._tool.hint(self._chosen, panel.gives.value))
        self._canvas.draw_clicked(self._tool.clicked, self._point_size())
        panel.paint_folder.visible = self._tool.kind in tools.OF_NO_OBJECT
        lines = box_lines(replace(labelled, instances=() if one is None else (one,)))
        self._canvas.draw_lines(
            "/chosen", replace(lines, colors=np.full_like(lines.colors, _CHOSEN_COLOR)), 5.0
        )
        corners = self._box_corners()
        drawn = lines_of([] if corners is None else [box_of(*corners)], _CHOSEN_COLOR)
        self._canvas.draw_lines("/drawn", drawn, 3.0)

    def _point_size(self) -> float:
        """m"""
        size = self._labelled.voxel_size if self._labelled else 0.0
        return self._panel.point_size.value * self._scene.step * size

    def _resize_points(self) -> None:
        with self._lock:
            self._canvas.resize_points(self._point_size())

    def _place_camera(self, points: np.ndarray) -> None:
        """Where the map is seen from by those who come, and by those who have not moved since they came."""
        low, high = np.percentile(points, (2, 98), axis=0)
        middle, reach = (low + high) / 2, float(np.linalg.norm(high - low))
        position = middle + reach * np.array([-0.3, -0.42, 0.55])
        camera = self._server.initial_camera
        self._placed.append(np.asarray(camera.position))
        for client in self._server.get_clients().values():
            stands = client.camera.position
            if len(self._placed) == 1 or any(np.allclose(stands, one, atol=0.01) for one in self._placed):
                client.camera.position, client.camera.look_at = position, middle
        camera.position, camera.look_at = position, middle

    # --- what the user does ---------------------------------------------------------------------

    def _change_look(self) -> None:
        with self._lock:
            panel, top_m = self._panel, np.inf
            if self._labelled is not None and len(self._labelled) and panel.height.value < 1.0:
                low, high = np.percentile(self._labelled.points[:, 2], (1, 99.5))
                top_m = float(low + panel.height.value * (high - low))
            mode = panel.mode.value if panel.mode.value in MODES else MODES[0]
            self._look = Look(
                mode, panel.ceiling.value, top_m, panel.boxes.value, panel.labels.value,
                int(panel.most_points.value * 1000),
            )  # fmt: skip
            self._refresh()

    def _on_click(self, event: Any) -> None:
        def do() -> Edit | None:
            with self._lock:
                return self._meant_by(event.ray_origin, event.ray_direction)

        self._ask(do, event.client)

    def _meant_by(self, origin: np.ndarray, direction: np.ndarray) -> Edit | None:
        """What a click along this ray, m, asks for; none where it chooses, or more clicks are needed.

        Raises SsenError where the tool in hand wants another place.
        """
        labelled, chosen, tool = self._labelled, self._chosen, self._tool
        if labelled is None:
            return None
        row = self._hit(origin, direction)
        if row is None:
            if tool.kind:
                raise SsenError("there is nothing of the map; Esc puts the tool down")
            self._choose_object(0)
            return None
        id, point = int(labelled.instance_id[row]), labelled.points[row].astype(np.float64)
        if tool.kind == "brush":
            return self._painted([point])
        if tool.kind == "merge":
            if id <= 0 or id == chosen:
                met = f"that is #{id} itself" if id > 0 else "that belongs to no object"
                raise SsenError(f"{met}: click another object, or Esc")
            return Edit("merge", (chosen, id))
        if tool.kind:
            self._tool = tool.click(point)
            if tool.kind == "box" and self._tool.complete:
                low, high = tools.box_between(labelled, *self._tool.clicked)
                self._panel.box_height.value = float(high[2] - low[2])
            self._refresh_object()
            if self._tool.complete and tool.kind != "box":
                return Edit(tool.kind, (chosen,), points=np.array(self._tool.clicked))
            return None
        self._choose_object(max(id, 0))
        if id < 0:
            label = int(labelled.semantic_label[row])
            name = labelled.class_names[label] if label >= 0 else "none"
            self._panel.facts.content = pages.voxel(name, float(labelled.confidence[row]))
        return None

    def _hit(self, origin: Any, direction: Any) -> int | None:
        """The row of the map that a ray meets first."""
        if self._labelled is None:
            return None
        hit = nearest_hit(self._points, origin, direction, _REACH * self._labelled.voxel_size)
        return int(self._rows[hit]) if hit >= 0 else None

    def _on_drag(self, event: Any) -> None:
        """The brush goes over the map: from its start to its end it is one stroke."""

        def do() -> Edit | None:
            with self._lock:
                if event.phase == "start":
                    self._strokes[event.client_id] = []
                centers = self._strokes.get(event.client_id)
                if centers is None or self._labelled is None:
                    return None
                origin = np.asarray(event.client.camera.position)
                row = self._hit(origin, np.asarray(event.end_position) - origin)
                if row is not None:
                    self._go_on(centers, self._labelled.points[row].astype(np.float64))
                if event.phase != "end":
                    return None
                del self._strokes[event.client_id]
                return self._painted(centers)

        self._ask(do, event.client)

    def _go_on(self, centers: list[np.ndarray], to: np.ndarray) -> None:
        radius = self._panel.radius.value
        added = tools.between(centers[-1], to, radius) if centers else [to]
        centers += added
        self._canvas.draw_stroke(self._points[tools.reached(self._points, added, radius)], self._point_size())

    def _painted(self, centers: Sequence[np.ndarray]) -> Edit | None:
        """What a stroke of the brush asks for."""
        self._canvas.clear_stroke()
        if self._labelled is None or not centers:
            return None
        rows = self._rows[tools.reached(self._points, centers, self._panel.radius.value)]
        return tools.paint_edit(self._labelled, rows, self._chosen, self._panel.gives.value)

    def _box_corners(self) -> np.ndarray | None:
        """(2, 3) m, of the box that is being drawn."""
        if self._labelled is None or self._tool.kind != "box" or not self._tool.complete:
            return None
        low, high = tools.box_between(self._labelled, *self._tool.clicked)
        return np.array([low, (*high[:2], low[2] + self._panel.box_height.value)])

    def _choose_object(self, id: int) -> None:
        with self._lock:
            self._chosen, self._last_chosen = id, id or self._last_chosen
            if self._tool.kind not in tools.OF_NO_OBJECT:
                self._take(Tool())
            self._refresh_object()

    def _take(self, tool: Tool) -> None:
        """Take a tool into the hand; it puts the other one down."""
        if (tool.kind == "brush") != (self._tool.kind == "brush"):
            self._canvas.catch_drags(self._on_drag if tool.kind == "brush" else None)
        self._tool = tool
        self._refresh_object()

    def _put_down(self, tool: Tool) -> None:
        """Unless another one has been taken meanwhile."""
        with self._lock:
            if self._tool is tool:
                self._take(Tool())

    def _on_action(self, name: str, event: Any) -> None:
        """A button or a key."""
        if name in BRUSH_SIZES:
            radius = self._panel.radius
            size = radius.value * (_BRUSH_STEP if name == "larger" else 1 / _BRUSH_STEP)
            radius.value = float(np.clip(size, radius.min, radius.max))
        elif name in ("next", "previous"):
            self._step(1 if name == "next" else -1, event.client)
        elif name == "go":
            self._go_to(event.client)
        elif name.isdigit():
            self._give(self._quick.names[int(name) - 1], event.client)
        elif name in tools.HINTS or name == "stop":
            with self._lock:
                if self._chosen or name in (*tools.OF_NO_OBJECT, "stop"):
                    self._take(Tool() if name in ("stop", self._tool.kind) else Tool(name))
                    return
            self._notify(event.client, _CHOOSE_FIRST)
        else:
            self._ask(lambda: self._asked(name), event.client)

    def _asked(self, name: str) -> Edit | None:
        with self._lock:
            chosen, corners = self._chosen, self._box_corners()
            if name == "undo":
                return Edit("undo")
            if name == "make":
                if corners is None:
                    raise SsenError("there is no box yet: V, then click two opposite corners")
                return tools.box_edit(corners, chosen, self._panel.gives.value)
            if not chosen:
                raise SsenError(_CHOOSE_FIRST)
            return Edit("delete", (chosen,)) if name == "delete" else Edit("rename", (chosen,), UNKNOWN_NAME)

    def _give(self, name: str, client: Any) -> None:
        """A quick class: to what is painted, or to the chosen object."""
        if self._tool.kind in tools.OF_NO_OBJECT:
            self._panel.gives.value = name
            self._refresh_object()
        else:
            self._rename(name, client)

    def _rename(self, name: str, client: Any) -> None:
        one = self._instance(self._chosen)
        if one is None:
            self._notify(client, _CHOOSE_FIRST)
        elif name != one.class_name:
            self._ask(lambda: Edit("rename", (one.id,), name), client)

    def _ask(self, what: Callable[[], Edit | None], client: Any) -> None:
        """Have corrected what is asked for, if anything is, without the lock: `show` may bring the answer."""

        def do() -> str:
            edit = what()
            return self._corrected(edit) if edit else ""

        self._guarded(do, client)

    def _corrected(self, edit: Edit) -> str:
        """Tells what was done."""
        self._choose_new = edit.kind in ("paint", "box") and not edit.ids
        tool = self._tool
        try:
            done = self._desk.correct(edit)
        finally:
            if tool.kind not in tools.OF_NO_OBJECT:
                self._put_down(tool)
        said = f"{edit.kind} {edit.class_name}".rstrip()
        said = " ".join((said, ", ".join(f"#{id}" for id in edit.ids))).rstrip()
        with self._lock:
            if edit.kind == "box":
                self._put_down(tool)
            if edit.kind == "rename":
                self._quick = self._quick.with_used(edit.class_name)
            if self._labelled is not None:
                self._story.tell(self._labelled, f"by hand: {said}", edit.ids)
                self._panel.timeline.content = pages.timeline(self._story.events)
                self._refresh_object()
        return f"{said}: {done}"

    def _write(self) -> str:
        if self._labelled is None:
            raise SsenError("there is no map yet")
        room, *others = self._desk.export(self._labelled)
        return (
            f"written: {room}, which `ssen teach {room} --out taught` teaches; {', '.join(map(str, others))}"
        )

    def _guarded(self, do: Callable[[], str], client: Any) -> None:
        """Do it, and tell the one who asked how it went."""
        try:
            title, text, color = "Done", do(), "green"
        except (SsenError, OSError) as error:
            title, text, color = "Not done", str(error), "red"
        if text:
            self._notify(client, text, title, color)

    def _notify(self, client: Any, text: str, title: str = "Not done", color: str = "red") -> None:
        log.info("%s: %s", title, text)
        if client is not None:
            client.add_notification(title, text, color=color, auto_close_seconds=6.0)

    def _step(self, by: int, client: Any) -> None:
        """To the next object, or the one before, by their ids; and there with the camera."""
        with self._lock:
            ids = sorted(one.id for one in self._labelled.instances) if self._labelled else []
            if not ids:
                return
            at = np.searchsorted(ids, self._last_chosen, side="right" if by > 0 else "left")
            self._choose_object(ids[(at if by > 0 else at - 1) % len(ids)])
        self._go_to(client)

    def _go_to(self, client: Any) -> None:
        one = self._instance(self._chosen)
        if one is None or client is None:
            return
        middle = np.asarray(one.box.center, np.float64)
        away = client.camera.position - middle
        flat = away[:2] / (np.linalg.norm(away[:2]) or 1.0)
        reach = 2.0 + 1.2 * float(np.linalg.norm(one.box.size))
        with client.atomic():
            client.camera.position = middle + reach * np.array([*flat * 0.5, 1.0])  # over the walls
            client.camera.look_at = middle

    def _instance(self, id: int) -> Instance | None:
        found = self._labelled.instances if self._labelled is not None else ()
        return next((i for i in found if i.id == id), None)


def _server_class() -> Any:
    try:
        import viser  # late: slow, and an extra
    except ModuleNotFoundError as error:
        raise SsenError(f"{missing_module(error)}; `pip install 'ssen-ros[view]'` has it") from error

    class Server(viser.ViserServer):
        def request_share_url(self, verbose: bool = True) -> None:
            """Any client may ask for a tunnel to the Internet. There is none."""

    return Server
