"""What stands beside the map: fields, buttons and keys. What they do is the viewer's business."""

import threading
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import numpy as np

from ssen_ros.labelled_map import LabelledMap
from ssen_ros.palettes import MODES
from ssen_ros.structures import Instance
from ssen_ros.view import pages
from ssen_ros.view.scene import class_choices
from ssen_ros.view.story import STAGES
from ssen_ros.view.tools import JOIN, LEAVE, NONE

_STAGE_COLORS = ("#4477aa", "#ee6677", "#228833", "#ccbb44")  # P. Tol's, told apart by the colour-blind

# Button -> its key and what it does, a row each. W, A, S, D, Q and E move the camera: they are viser's.
CORRECT = {"None of these": ("N", "none"), "Delete": ("X", "delete"), "Undo": ("Z", "undo")}
SHAPE = {"Merge": ("M", "merge"), "Split": ("P", "split"), "Cut": ("C", "cut")}
PAINT = {"Brush": ("B", "brush"), "Box": ("V", "box")}
MAKE = {"Make the box": ("enter", "make"), "Stop": ("escape", "stop")}
LOOK = {"Previous": ("K", "previous"), "Next": ("J", "next"), "Go to it": ("G", "go")}
BRUSH_SIZES = {"larger": "R", "smaller": "F"}

FIRST_QUICK = ("chair", "table", "sofa", "bed", "cabinet", "desk", "bookshelf", "door", "window")
NOTHING = ""  # what a field stands at that one chooses in, but which shows no choice


class Choice:
    """A dropdown, which is made anew once a user has chosen in it.

    Else it would keep the keyboard: the keys that follow would be letters to search for. For the same reason
    a field with NOTHING among its options goes back to that: what one types is added to what stands there.
    """

    def __init__(
        self,
        gui: Any,
        container: AbstractContextManager,
        making: threading.Lock,  # one for all: viser puts handles into a container one by one
        label: str,
        options: Sequence[str],
    ):
        self._add, self._container, self._making = gui.add_dropdown, container, making
        self._told: Callable[[str, Any], None] = lambda value, client: None
        self._handle = self._add(label, tuple(options))
        self._handle.on_update(self._updated)

    @property
    def value(self) -> str:
        return self._handle.value

    @value.setter
    def value(self, value: str) -> None:
        with self._making:
            if value != self.value:
                self._handle.value = value

    @property
    def options(self) -> tuple[str, ...]:
        return tuple(self._handle.options)

    def offer(self, options: Sequence[str], disabled: bool = False) -> None:
        """The first one takes the place of a choice that is no longer offered."""
        with self._making:
            if tuple(options) != self.options:
                self._handle.options = tuple(options)
            if disabled != self._handle.disabled:
                self._handle.disabled = disabled

    def on_choice(self, do: Callable[[str, Any], None]) -> None:
        """Call `do` with the value and the client that chose it; what is set from here is not told."""
        self._told = do

    def _updated(self, event: Any) -> None:
        if event.client is None:
            return
        value = event.target.value
        self._renew()
        if value != NOTHING:
            self._told(value, event.client)

    def _renew(self) -> None:
        with self._making, self._container:
            old = self._handle
            value = NOTHING if NOTHING in self.options else old.value
            self._handle = self._add(
                old.label, self.options, initial_value=value, disabled=old.disabled, order=old.order
            )
            self._handle.on_update(self._updated)
            old.remove()


class Panel:
    """The handles of it all."""

    def __init__(self, gui: Any, class_names: tuple[str, ...]):
        self._class_names = class_names
        self._making = threading.Lock()
        gui.configure_theme(show_logo=False, show_share_button=False, control_width="medium")
        gui.add_html(pages.STYLE)
        self.mode = Choice(gui, nullcontext(), self._making, "Show", MODES)
        self.legend = gui.add_html("")
        tabs = gui.add_tab_group()
        with tabs.add_tab("Object") as tab:
            self._build_object(gui, tab)
        with tabs.add_tab("Timeline"):
            series: tuple[Any, ...] = (
                {"label": "pass"},
                *({"label": s, "stroke": c, "width": 2} for s, c in zip(STAGES, _STAGE_COLORS)),
            )
            empty = (np.zeros(1),) * (1 + len(STAGES))
            self.plot = gui.add_uplot(
                empty, series, title="seconds of each stage", scales={"x": {"time": False}}, aspect=1.6
            )
            self.timeline = gui.add_html(pages.timeline([]))
        with tabs.add_tab("Display"):
            self.boxes = gui.add_checkbox("Boxes", True)
            self.labels = gui.add_checkbox("Labels", True)
            self.ceiling = gui.add_checkbox("Ceiling", False)
            self.height = gui.add_slider("Height shown", 0.0, 1.0, 0.01, 1.0, hint="cut the map from above")
            self.most_points = gui.add_slider(
                "Points, thousand", 50, 3000, 50, 1500, hint="of a larger map fewer and larger ones are drawn"
            )
            self.point_size = gui.add_slider("Point size", 0.3, 2.0, 0.1, 1.0)
        with tabs.add_tab("Status"):
            self.status = gui.add_html(pages.status({}))

    def _build_object(self, gui: Any, tab: Any) -> None:
        """What changes its height stands below: a button shall not move away from the hand."""
        self.chosen = gui.add_html(pages.heading(None))
        self.object = Choice(gui, tab, self._making, "Find object", (NOTHING,))
        self.groups = [(gui.add_button_group("", tuple(LOOK), hint="keys K, J, G"), LOOK)]
        known = class_choices(self._class_names)
        self.name = Choice(gui, tab, self._making, "Give class", (NOTHING, *known))
        self.quick = gui.add_button_group("Quick", _numbered(FIRST_QUICK), hint="the class; keys 1 to 9")
        self.groups += [
            (gui.add_button_group("Correct", tuple(CORRECT), hint="keys N, X, Z"), CORRECT),
            (gui.add_button_group("Shape", tuple(SHAPE), hint="keys M, P, C; then click"), SHAPE),
            (gui.add_button_group("Paint", tuple(PAINT), hint="keys B, V; then click or drag"), PAINT),
        ]
        self.hint = gui.add_html("")
        with gui.add_folder("Brush and box") as self.paint_folder:
            self.gives = Choice(gui, self.paint_folder, self._making, "Gives", (JOIN, LEAVE, NONE, *known))
            self.radius = gui.add_slider("Radius, m", 0.04, 1.0, 0.02, 0.16, hint="keys R, F")
            self.box_height = gui.add_slider("Height, m", 0.04, 3.0, 0.02, 1.0, hint="of the box")
            self.groups.append((gui.add_button_group("", tuple(MAKE), hint="keys Enter, Escape"), MAKE))
        self.paint_folder.visible = False
        self.facts = gui.add_html(pages.note("Waiting for the first map."))
        with gui.add_folder("Own class", expand_by_default=False):
            self.own_name = gui.add_text("Name", "")
            self.set_name = gui.add_button("Give it this class")
        self.export = gui.add_button("Export the labelled room")
        with gui.add_folder("Keys", expand_by_default=False):
            gui.add_html(pages.table(_keys()))

    def on_action(self, gui: Any, do: Callable[[str, Any], None]) -> None:
        """Call `do` with the name of what a button or a key stands for, and with viser's event."""
        for group, actions in self.groups:
            group.on_click(lambda event, actions=actions: do(actions[event.target.value][1], event))
            for label, (key, name) in actions.items():
                command = gui.add_command(label, hotkey=key)
                command.on_trigger(lambda event, name=name: do(name, event))
        for name, key in BRUSH_SIZES.items():
            gui.add_command(f"{name} brush", hotkey=key).on_trigger(lambda event, name=name: do(name, event))
        for number in range(1, len(FIRST_QUICK) + 1):
            command = gui.add_command(f"quick class {number}", hotkey=str(number))
            command.on_trigger(lambda event, number=number: do(str(number), event))
        self.quick.on_click(lambda event: do(event.target.value.partition(" ")[0], event))

    def show_object(self, labelled: LabelledMap, one: Instance | None, history: Sequence[str]) -> None:
        """All that depends on which object is chosen."""
        self.chosen.content = pages.heading(one)
        if one is None:
            self.facts.content = pages.summary(labelled)
        else:
            self.facts.content = pages.facts(one, history, labelled.stamp_ns)
        self.object.offer((NOTHING, *map(pages.title, labelled.instances)))
        known = class_choices(labelled.class_names)
        own = sorted({i.class_name for i in labelled.instances} - set(known))
        self.name.offer((NOTHING, *known, *own), disabled=one is None)
        self.gives.offer((JOIN, LEAVE, NONE, *known, *own))
        self.set_name.disabled = one is None

    def show_quick(self, names: Sequence[str]) -> None:
        if self.quick.options != _numbered(names):
            self.quick.options = _numbered(names)


def _numbered(names: Sequence[str]) -> tuple[str, ...]:
    return tuple(f"{number} {name}" for number, name in enumerate(names, 1))


def _keys() -> list[tuple[str, str]]:
    actions = {**LOOK, **CORRECT, **SHAPE, **PAINT, **MAKE}
    rows = [(key.title(), label) for label, (key, _) in actions.items()]
    sizes = [(key, f"{name} brush") for name, key in BRUSH_SIZES.items()]
    return [("1 to 9", "class"), *rows, *sizes, ("W A S D Q E", "move the camera")]
