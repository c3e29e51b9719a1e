"""The view of a running node in a real browser: Chromium, headless, driven over its DevTools protocol."""

import base64
import itertools
import json
import re
import shutil
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
from visualization_msgs.msg import Marker, MarkerArray

from ssen_ros.msg import InstanceArray
from ssen_ros.ros.markers import LABELS

PROGRAMS = "chromium", "chromium-browser", "google-chrome", "chromium-headless-shell"
TIMEOUT_S = 120.0  # of anything that is waited for, on a machine busy with other things


PROGRAM = next((found for name in PROGRAMS if (found := shutil.which(name))), None)

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(PROGRAM is None, reason="THE VIEW IS NOT TESTED: apt install chromium"),
    pytest.mark.skipif(find_spec("viser") is None, reason="THE VIEW IS NOT TESTED: pip install viser"),
]


@contextmanager
def chromium(folder: Path, width: int = 1280, height: int = 800) -> Iterator["Page"]:
    """One page of a browser of its own, whose profile lies in `folder`."""
    from websockets.sync.client import connect

    command = [
        PROGRAM, "--headless=new", "--no-sandbox", "--use-angle=swiftshader", "--enable-unsafe-swiftshader",
        "--disable-gpu-vsync", "--remote-debugging-port=0", f"--user-data-dir={folder}", "--no-first-run",
        f"--window-size={width},{height}", "--hide-scrollbars", "--disable-dev-shm-usage", "about:blank",
    ]  # fmt: skip
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        port_file = folder / "DevToolsActivePort"
        wait_for(lambda: port_file.exists() and port_file.read_text().count("\n") >= 1, "Chromium")
        port = int(port_file.read_text().split()[0])
        pages = json.load(urllib.request.urlopen(f"http://127.0.0.1:{port}/json/list"))
        address = next(p["webSocketDebuggerUrl"] for p in pages if p["type"] == "page")
        with connect(address, max_size=None) as socket:
            page = Page(socket)
            page.send("Page.enable")
            page.send("Runtime.enable")
            page.send("Emulation.setDeviceMetricsOverride", width=width, height=height,
                      deviceScaleFactor=1, mobile=False)  # fmt: skip
            yield page
    finally:
        process.terminate()
        process.wait(20)


class Page:
    def __init__(self, socket: Any):
        self._socket = socket
        self._ids = itertools.count(1)

    def send(self, method: str, **params: Any) -> dict:
        id = next(self._ids)
        self._socket.send(json.dumps({"id": id, "method": method, "params": params}))
        while True:
            answer = json.loads(self._socket.recv(timeout=TIMEOUT_S))
            if answer.get("id") == id:
                assert "error" not in answer, (method, answer["error"])
                return answer["result"]

    def open(self, url: str) -> None:
        self.send("Page.navigate", url=url)

    def run(self, script: str) -> Any:
        """The value of a JavaScript expression."""
        answer = self.send("Runtime.evaluate", expression=script, returnByValue=True, awaitPromise=True)
        assert "exceptionDetails" not in answer, answer["exceptionDetails"]
        return answer["result"].get("value")

    @property
    def text(self) -> str:
        return self.run("document.body?.innerText ?? ''")

    def click(self, x: float, y: float) -> None:
        for kind in ("mouseMoved", "mousePressed", "mouseReleased"):
            button = {} if kind == "mouseMoved" else {"button": "left", "clickCount": 1}
            self.send("Input.dispatchMouseEvent", type=kind, x=x, y=y, **button)
            time.sleep(0.1)

    def click_on(self, text: str) -> None:
        """The button or option of this text."""
        found = (
            "[...document.querySelectorAll('button,[role=option],[role=tab]')]"
            f".filter(e => e.offsetParent !== null).find(e => e.innerText.trim() === {json.dumps(text)})"
        )
        wait_for(lambda: self.run(f"!!{found}"), f"{text!r} on the page")
        self.run(f"{found}.scrollIntoView({{block: 'nearest'}})")
        place = f"(r => [r.x + r.width / 2, r.y + r.height / 2])({found}.getBoundingClientRect())"
        x, y = wait_for(lambda: self._settled(place), f"{text!r} to stand still")
        self.click(x, y)

    def _settled(self, place: str) -> list[float] | None:
        """Where something is, once it no longer moves."""
        before = self.run(place)
        time.sleep(0.3)
        return before if self.run(place) == before else None

    def open_dropdown(self, label: str) -> None:
        """The one behind this label of the panel."""
        field = (
            "[...document.querySelectorAll('label,div,span')].filter(e => e.children.length === 0)"
            f".find(e => e.innerText === {json.dumps(label)})"
        )
        wait_for(lambda: self.run(f"!!{field}"), f"the field {label!r}")
        x, y = self.run(
            f"(e => {{ while (!e.querySelector('input')) e = e.parentElement;"
            " const r = e.querySelector('input').getBoundingClientRect();"
            f" return [r.x + r.width / 2, r.y + r.height / 2]; }})({field})"
        )
        self.click(x, y)

    def type(self, text: str) -> None:
        self.send("Input.insertText", text=text)

    def picture(self, path: Path) -> None:
        path.write_bytes(base64.b64decode(self.send("Page.captureScreenshot", format="png")["data"]))


def wait_for(condition: Callable[[], Any], what: str, timeout_s: float = TIMEOUT_S) -> Any:
    give_up_s = time.monotonic() + timeout_s
    while not (value := condition()):
        assert time.monotonic() < give_up_s, f"{what} did not come within {timeout_s:g} s"
        time.sleep(0.1)
    return value


@pytest.fixture
def viewed(bench, tmp_path):
    """A stub node with two chairs and a table in its map, the view of it, and the view's page."""
    publish = bench.cloud_publisher()
    bench.ready(bench.start(map_directory=str(tmp_path)), publish)
    view = bench.start_command(
        [sys.executable, "-m", "ssen_ros.cli", "view", "--no-browser", "--port", "0", "--out", str(tmp_path)]
    )
    bench.spin_until(lambda: view.lines("the map is at") or not view.running, TIMEOUT_S)
    (url,) = re.findall(r"http://localhost:\d+", view.log)
    publish(
        *bench.join(
            bench.box_cloud((0.0, 0.0, 0.0), bench.CHAIR, 1),
            bench.box_cloud((1.5, 0.0, 0.0), bench.TABLE, 2),
            bench.box_cloud((3.0, 0.0, 0.0), bench.CHAIR, 3),
        )
    )
    with chromium(tmp_path / "profile") as page:
        page.open(url)
        wait_for(lambda: "3: 2 chair, 1 table" in page.text, "the objects")
        yield page, view


def marker_texts(messages) -> set[str]:
    """The names on the newest markers, without ids and scores."""
    texts = [m.text for m in messages[-1].markers if m.ns == LABELS and m.action == Marker.ADD]
    return {text.partition(" #")[0] for text in texts}


def test_an_object_is_clicked_renamed_and_published_so(bench, viewed, tmp_path):
    page, view = viewed
    markers = bench.collect(MarkerArray, "/ssen/markers")
    instances = bench.collect(InstanceArray, "/ssen/instances")
    bench.spin_until(lambda: markers and instances)
    (found,) = (i for i in instances[-1].instances if i.class_name == "table")
    table = found.id

    wait_for(lambda: page.run("!!document.querySelector('canvas')"), "the map")
    time.sleep(3.0)  # for the first picture, drawn without a GPU
    page.click(640, 400)  # the middle of the map, where the table stands
    wait_for(lambda: f"table #{table}" in page.text, "what is known of the table")
    assert f"voxels\t{found.voxel_count}" in page.text
    page.picture(tmp_path / "chosen.png")

    page.open_dropdown("Class")
    page.click_on("desk")
    bench.spin_until(lambda: marker_texts(markers) == {"chair", "desk"}, TIMEOUT_S)
    bench.spin_until(lambda: any(i.class_name == "desk" for i in instances[-1].instances))
    assert {i.id: i.class_name for i in instances[-1].instances}[table] == "desk"
    wait_for(lambda: f"desk #{table}" in page.text, "the new class on the page")

    page.click_on("Delete")
    bench.spin_until(lambda: len(instances[-1].instances) == 2, TIMEOUT_S)
    page.click_on("Undo")
    bench.spin_until(lambda: len(instances[-1].instances) == 3, TIMEOUT_S)
    bench.spin_until(lambda: marker_texts(markers) == {"chair", "desk"}, TIMEOUT_S)
    page.click_on("Timeline")
    wait_for(lambda: f"by hand: rename desk #{table}" in page.text, "the timeline")
    page.click_on("Status")
    wait_for(lambda: "up to date" in page.text, "the report of the node")
    assert view.running and not view.lines("Traceback"), view.log
