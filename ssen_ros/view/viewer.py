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
from functools import partial
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from ssen_ros.corrections import Edit
from ssen_ros.errors import SsenError, missing_module
from ssen_ros.labelled_map import LabelledMap
from ssen_ros.labels import UNKNOWN_NAME
from ssen_ros.palettes import MODES, legend_of
from ssen_ros.structures import Instance
from ssen_ros.view import pages
from ssen_ros.view.gate import LOOPBACK, Gate, check_address, guarding, is_loopback
from ssen_ros.view.scene import (
    Changes,
    Lines,
    Look,
    Scene,
    TileKey,
    box_lines,
    class_choices,
    difference,
    make_scene,
    nearest_hit,
    shown,
)

log = logging.getLogger(__name__)

PORT = 8080
_POINT_SIZE = 0.9  # of a voxel's edge
_REACH = 0.75  # voxels off the ray of a click at which a voxel is hit
_EVENTS = 200  # that the timeline keeps
_PASSES = 300  # of which it keeps the times
_STAGES = ("semantic", "embedding", "cluster", "instances")
_STAGE_COLORS = ("#4477aa", "#ee6677", "#228833", "#ccbb44")  # P. Tol's, told apart by the colour-blind
_NONE = "(none)"
_CHOSEN_COLOR = (255, 214, 0)
_STEPS = {  # what a click is asked for, and what for
    "merge": "Click the object that belongs to #{id}.",
    "split": "Click one point on each of the two parts of #{id}.",
    "cut": "Click two points of #{id}: it is cut by the upright plane through them.",
}


class Desk(Protocol):
    """Where the view's map comes from, and where corrections go. Methods are called from any thread."""

    @property
    def title(self) -> str: ...

    @property
    def class_names(self) -> tuple[str, ...]: ...

    def correct(self, edit: Edit) -> str:
        """Do it, see to it that the corrected map is shown, and tell what was done. Raises SsenError."""
        ...

    def export(self, labelled: LabelledMap) -> Sequence[Path]:
        """Write the map as files for other programs, and tell their names. Raises SsenError, OSError."""
        ...


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
        self._chosen = 0  # id; 0: none
        self._asking = ""  # of _STEPS: what the next clicks are for
        self._clicked: list[np.ndarray] = []  # (3,) m
        self._events: deque[tuple[str, str]] = deque(maxlen=_EVENTS)
        self._history: dict[int, list[str]] = {}
        self._passes: deque[tuple[float, ...]] = deque(maxlen=_PASSES)
        self._tiles: dict[TileKey, Any] = {}  # viser's handles
        self._labels: dict[int, Any] = {}
        with guarding(gate), redirect_stdout(io.StringIO()):  # it prints an address without token
            self._server = server_class(host=host, port=port, label=desk.title, verbose=False)
        shown_host = "localhost" if is_loopback(host) else host
        query = f"/?token={token}" if token else ""
        self.url = f"http://{shown_host}:{self._server.get_port()}{query}"
        self._build()

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
            first, self._labelled = self._labelled is None, labelled
            for event in labelled.events:
                self._tell(labelled, pages.told(event), (event.id, *event.other_ids))
            if labelled.timings_s and not self._is_known_pass(labelled):
                times = (labelled.timings_s.get(stage, 0.0) for stage in _STAGES)
                self._passes.append((float(len(self._passes) + 1), *times))
                self._shown_pass = (labelled.stamp_ns, dict(labelled.timings_s))
            if len(labelled):
                self._place_camera(labelled.points, first)
            self._refresh()

    def status(self, values: Mapping[str, str]) -> None:
        """What the node reports of itself."""
        with self._lock:
            self._status.content = pages.status(values)

    # --- the page -------------------------------------------------------------------------------

    def _build(self) -> None:
        server, gui = self._server, self._server.gui
        gui.configure_theme(show_logo=False, show_share_button=False, control_width="medium")
        server.scene.set_up_direction("+z")
        self._mode = gui.add_dropdown("Show", MODES)
        self._legend = gui.add_html("")
        tabs = gui.add_tab_group()
        with tabs.add_tab("Object"):
            self._facts = gui.add_html(pages.note("Waiting for the first map."))
            self._object = gui.add_dropdown("Object", (_NONE,))
            self._class = gui.add_dropdown("Class", (_NONE, *class_choices(self._desk.class_names)))
            with gui.add_folder("Correct"):
                self._hint = gui.add_html("")
                self._own_name = gui.add_text("Own class", "")
                self._set_name = gui.add_button("Give it this class", hint="the name in 'Own class'")
                self._buttons = {
                    "none": gui.add_button("None of these", hint=f"the class becomes {UNKNOWN_NAME!r} (N)"),
                    "merge": gui.add_button("Merge with...", hint="then click the other object (M)"),
                    "split": gui.add_button("Split...", hint="then click one point on each part (S)"),
                    "cut": gui.add_button("Cut...", hint="then click two points (C)"),
                    "delete": gui.add_button("Delete", hint="there is no object (D)"),
                    "undo": gui.add_button("Undo", hint="take the last correction back (Z)"),
                }
            self._go = gui.add_button("Go to it", hint="move the camera (G)")
            self._export = gui.add_button("Export the labelled room")
        with tabs.add_tab("Timeline"):
            series: tuple[Any, ...] = (
                {"label": "pass"},
                *({"label": s, "stroke": c, "width": 2} for s, c in zip(_STAGES, _STAGE_COLORS)),
            )
            self._plot = gui.add_uplot(
                self._plot_data(), series, title="seconds of each stage", scales={"x": {"time": False}},
                aspect=1.6,
            )  # fmt: skip
            self._timeline = gui.add_html(pages.timeline([]))
        with tabs.add_tab("Display"):
            self._show_boxes = gui.add_checkbox("Boxes", True)
            self._show_labels = gui.add_checkbox("Labels", True)
            self._show_ceiling = gui.add_checkbox("Ceiling", False)
            self._height = gui.add_slider("Height shown", 0.0, 1.0, 0.01, 1.0, hint="cut the map from above")
            self._point_size = gui.add_slider("Point size", 0.3, 2.0, 0.1, 1.0)
        with tabs.add_tab("Status"):
            self._status = gui.add_html(pages.status({}))
        for handle in (
            self._mode, self._show_boxes, self._show_labels, self._show_ceiling, self._height,
        ):  # fmt: skip
            handle.on_update(lambda _: self._change_look())
        self._point_size.on_update(lambda _: self._resize_points())
        self._object.on_update(self._on_object_chosen)
        self._class.on_update(self._on_class_chosen)
        self._set_name.on_click(lambda event: self._rename(self._own_name.value, event.client))
        self._go.on_click(lambda event: self._go_to(event.client))
        self._export.on_click(lambda event: self._guarded(self._write, event.client))
        for name, button in self._buttons.items():
            button.on_click(partial(self._on_button, name))
        server.scene.on_click()(self._on_click)
        for name, key in (("none", "N"), ("merge", "M"), ("split", "S"), ("cut", "C"), ("delete", "D"),
                          ("undo", "Z")):  # fmt: skip
            gui.add_command(name, hotkey=key).on_trigger(partial(self._on_button, name))
        gui.add_command("go to", hotkey="G").on_trigger(lambda event: self._go_to(event.client))

    def _refresh(self) -> None:
        labelled = self._labelled
        if labelled is None:
            return
        scene = make_scene(labelled, self._look)
        changes, self._scene = difference(self._scene, scene), scene
        with self._server.atomic():
            self._send(changes, labelled.voxel_size)
            self._legend.content = pages.legend(legend_of(labelled, self._look.mode))
            self._timeline.content = pages.timeline(list(self._events))
            self._plot.data = self._plot_data()
            self._refresh_object()

    def _send(self, changes: Changes, voxel_size: float) -> None:
        scene = self._server.scene
        for key in changes.tiles_gone:
            self._tiles.pop(key).remove()
        for key, tile in changes.tiles.items():
            self._tiles[key] = scene.add_point_cloud(
                f"/map/{'_'.join(map(str, key))}",
                tile.points,
                tile.colors,
                point_size=_POINT_SIZE * self._point_size.value * voxel_size,
                point_shading="flat",
                position=tuple(tile.origin.tolist()),
            )
        for key, colors in changes.colors.items():
            self._tiles[key].colors = colors
        if changes.boxes is not None:
            self._draw_lines("/boxes", changes.boxes, 2.0)
        for id in changes.labels_gone:
            self._labels.pop(id).remove()
        for id, label in changes.labels.items():
            if id in self._labels:
                self._labels[id].text, self._labels[id].position = label.text, label.position
            else:
                self._labels[id] = scene.add_label(
                    f"/labels/{id}",
                    label.text,
                    position=label.position,
                    anchor="bottom-center",
                    font_screen_scale=0.8,
                )

    def _draw_lines(self, name: str, lines: Lines, thickness: float) -> None:
        if len(lines.points):
            self._server.scene.add_line_segments(
                name, lines.points, lines.colors, thickness=thickness, thickness_units="screen"
            )
        else:
            self._server.scene.remove_by_name(name)

    def _refresh_object(self) -> None:
        """All that depends on which object is chosen."""
        labelled = self._labelled
        if labelled is None:
            return
        names = {i.id: f"{i.class_name} #{i.id}" for i in labelled.instances}
        one = self._instance(self._chosen)
        if one is None:
            self._chosen, self._asking = 0, ""
            self._facts.content = pages.summary(labelled)
        else:
            self._facts.content = pages.facts(one, self._history.get(one.id, ()), labelled.stamp_ns)
        _choose(self._object, (_NONE, *names.values()), names.get(self._chosen, _NONE))
        known = class_choices(labelled.class_names)
        own = sorted({i.class_name for i in labelled.instances} - set(known))
        _choose(self._class, (_NONE, *known, *own), one.class_name if one else _NONE)
        step = _STEPS.get(self._asking, "").format(id=self._chosen)
        self._hint.content = pages.note(step) if step else ""
        for handle in (self._class, self._set_name, self._go, *self._buttons.values()):
            handle.disabled = one is None and handle is not self._buttons["undo"]
        chosen = () if one is None else (one,)
        lines = box_lines(replace(labelled, instances=chosen))
        lines = replace(lines, colors=np.full_like(lines.colors, _CHOSEN_COLOR))
        self._draw_lines("/chosen", lines, 5.0)

    def _plot_data(self) -> tuple[np.ndarray, ...]:
        rows = np.array(self._passes or [(0.0,) * (1 + len(_STAGES))])
        return tuple(np.ascontiguousarray(column) for column in rows.T)

    _shown_pass: tuple[int, dict[str, float]] | None = None

    def _is_known_pass(self, labelled: LabelledMap) -> bool:
        """The same one again, with a correction."""
        return self._shown_pass == (labelled.stamp_ns, labelled.timings_s)

    def _tell(self, labelled: LabelledMap, text: str, ids: Sequence[int]) -> None:
        when = f"map {labelled.version}"
        self._events.append((when, text))
        for id in ids:
            self._history.setdefault(id, []).append(f"{when}: {text}")

    def _place_camera(self, points: np.ndarray, first: bool) -> None:
        """Where the map is seen from by those who come, and at the `first` by those who are there."""
        low, high = np.percentile(points, (2, 98), axis=0)
        middle, reach = (low + high) / 2, float(np.linalg.norm(high - low))
        position = middle + reach * np.array([-0.3, -0.42, 0.55])
        self._server.initial_camera.position = position
        self._server.initial_camera.look_at = middle
        for client in self._server.get_clients().values() if first else ():
            client.camera.position, client.camera.look_at = position, middle

    # --- what the user does ---------------------------------------------------------------------

    def _change_look(self) -> None:
        with self._lock:
            top_m = np.inf
            if self._labelled is not None and len(self._labelled) and self._height.value < 1.0:
                low, high = np.percentile(self._labelled.points[:, 2], (1, 99.5))
                top_m = float(low + self._height.value * (high - low))
            mode = self._mode.value if self._mode.value in MODES else MODES[0]
            self._look = Look(
                mode, self._show_ceiling.value, top_m, self._show_boxes.value, self._show_labels.value
            )
            self._refresh()

    def _resize_points(self) -> None:
        with self._lock:
            if self._labelled is not None:
                for handle in self._tiles.values():
                    handle.point_size = _POINT_SIZE * self._point_size.value * self._labelled.voxel_size

    def _on_object_chosen(self, event: Any) -> None:
        if event.client is not None:  # else it was ourselves
            name = self._object.value
            self._choose_object(int(name.rpartition("#")[2]) if "#" in name else 0)

    def _on_class_chosen(self, event: Any) -> None:
        if event.client is not None and self._class.value != _NONE:
            self._rename(self._class.value, event.client)

    def _on_click(self, event: Any) -> None:
        with self._lock:
            edit = self._meant_by(event.ray_origin, event.ray_direction)
        if edit is not None:  # without the lock: the answer may come through `show`
            self._edit(edit, event.client)

    def _meant_by(self, origin: np.ndarray, direction: np.ndarray) -> Edit | None:
        """What a click along this ray, m, asks for; none where it chooses, or more clicks are needed."""
        labelled, chosen = self._labelled, self._chosen
        if labelled is None:
            return None
        rows = shown(labelled, self._look)
        hit = nearest_hit(labelled.points[rows], origin, direction, _REACH * labelled.voxel_size)
        if hit < 0:
            self._choose_object(0)
            return None
        row = rows[hit]
        id = int(labelled.instance_id[row])
        if self._asking == "merge":
            return Edit("merge", (chosen, id)) if id > 0 and id != chosen else None
        if self._asking:
            self._clicked.append(labelled.points[row].astype(np.float64))
            whole = len(self._clicked) == 2
            return Edit(self._asking, (chosen,), points=np.array(self._clicked)) if whole else None
        self._choose_object(max(id, 0))
        if id < 0:
            label = int(labelled.semantic_label[row])
            name = labelled.class_names[label] if label >= 0 else "none"
            self._facts.content = pages.voxel(name, float(labelled.confidence[row]))
        return None

    def _choose_object(self, id: int) -> None:
        with self._lock:
            self._chosen, self._asking = id, ""
            self._clicked.clear()
            self._refresh_object()

    def _on_button(self, name: str, event: Any) -> None:
        if name == "undo":
            self._edit(Edit("undo"), event.client)
            return
        with self._lock:
            chosen = self._chosen
            if not chosen:
                return
            if name in _STEPS:
                self._asking = "" if self._asking == name else name
                self._clicked.clear()
                self._refresh_object()
                return
        if name == "none":
            self._rename(UNKNOWN_NAME, event.client)
        elif name == "delete":
            self._edit(Edit("delete", (chosen,)), event.client)

    def _rename(self, name: str, client: Any) -> None:
        one = self._instance(self._chosen)
        if one is not None and name != one.class_name:
            self._edit(Edit("rename", (one.id,), name), client)

    def _edit(self, edit: Edit, client: Any) -> None:
        def do() -> str:
            done = self._desk.correct(edit)
            with self._lock:
                if self._labelled is not None:
                    what = f"by hand: {edit.kind} {edit.class_name}".rstrip()
                    self._tell(self._labelled, f"{what} {', '.join(f'#{id}' for id in edit.ids)}", edit.ids)
                    self._timeline.content = pages.timeline(list(self._events))
            return done

        self._guarded(do, client)
        with self._lock:
            self._asking = ""
            self._clicked.clear()
            self._refresh_object()

    def _write(self) -> str:
        if self._labelled is None:
            raise SsenError("there is no map yet")
        return "written: " + ", ".join(map(str, self._desk.export(self._labelled)))

    def _guarded(self, do: Callable[[], str], client: Any) -> None:
        """Do it, and tell the one who asked how it went."""
        try:
            title, text, color = "Done", do(), "green"
        except (SsenError, OSError) as error:
            title, text, color = "Not done", str(error), "red"
        log.info("%s: %s", title, text)
        if client is not None:
            client.add_notification(title, text, color=color, auto_close_seconds=6.0)

    def _go_to(self, client: Any) -> None:
        one = self._instance(self._chosen)
        if one is None or client is None:
            return
        middle = np.asarray(one.box.center, np.float64)
        away = client.camera.position - middle
        flat = away[:2] / (np.linalg.norm(away[:2]) or 1.0)
        reach = 1.0 + float(np.linalg.norm(one.box.size))
        with client.atomic():
            client.camera.position = middle + reach * np.array([*flat * 0.5, 1.0])  # over the walls
            client.camera.look_at = middle

    def _instance(self, id: int) -> Instance | None:
        found = self._labelled.instances if self._labelled is not None else ()
        return next((i for i in found if i.id == id), None)


def _choose(dropdown: Any, options: tuple[str, ...], value: str) -> None:
    """Set a dropdown without asking for what its choice stands for."""
    if tuple(dropdown.options) != options:
        dropdown.options = options
    if dropdown.value != value:
        dropdown.value = value


def _server_class() -> Any:
    try:
        import viser  # late: slow, and an extra
    except ModuleNotFoundError as error:
        raise SsenError(f"{missing_module(error)}; `pip install 'ssen-ros[view]'` has it") from error

    class Server(viser.ViserServer):
        def request_share_url(self, verbose: bool = True) -> None:
            """Any client may ask for a tunnel to the Internet. There is none."""

    return Server
