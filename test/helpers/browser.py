"""A real browser: Chromium, headless, driven over its DevTools protocol, its pictures drawn without a GPU."""

import base64
import itertools
import json
import shutil
import subprocess
import time
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

PROGRAMS = "chromium", "chromium-browser", "google-chrome", "chromium-headless-shell"
TIMEOUT_S = 120.0  # of anything that is waited for, on a machine busy with other things


PROGRAM = next((found for name in PROGRAMS if (found := shutil.which(name))), None)


@contextmanager
def chromium(folder: Path, width: int = 1280, height: int = 800, phone: bool = False) -> Iterator["Page"]:
    """One page of a browser of its own, whose profile lies in `folder`; `phone`: for fingers."""
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
        with connect(address, max_size=None, ping_interval=None) as socket:
            page = Page(socket)
            page.send("Page.enable")
            page.send("Runtime.enable")
            page.send("Emulation.setDeviceMetricsOverride", width=width, height=height,
                      deviceScaleFactor=1, mobile=phone)  # fmt: skip
            page.send("Emulation.setTouchEmulationEnabled", enabled=phone)
            yield page
    finally:
        process.terminate()
        process.wait(20)


class Page:
    def __init__(self, socket: Any):
        self._socket = socket
        self._ids = itertools.count(1)
        self.received = 0  # bytes, through websockets; counted from `count_received` on

    def send(self, method: str, **params: Any) -> dict:
        id = next(self._ids)
        self._socket.send(json.dumps({"id": id, "method": method, "params": params}))
        while True:
            answer = json.loads(self._socket.recv(timeout=TIMEOUT_S))
            if answer.get("method") == "Network.webSocketFrameReceived":
                self.received += len(answer["params"]["response"]["payloadData"]) * 3 // 4  # it is base64
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

    def count_received(self) -> None:
        self.send("Network.enable")

    def click(self, x: float, y: float) -> None:
        for kind in ("mouseMoved", "mousePressed", "mouseReleased"):
            self.mouse(kind, x, y)
            time.sleep(0.1)

    def mouse(self, kind: str, x: float, y: float, held: bool = False) -> None:
        """`kind` is mousePressed, mouseMoved or mouseReleased, of the left button."""
        button = {"button": "left", "clickCount": 1} if kind != "mouseMoved" else {}
        buttons = {"button": "left", "buttons": 1} if held else {}
        self.send("Input.dispatchMouseEvent", type=kind, x=x, y=y, **button | buttons)

    def drag(self, places: Sequence[tuple[float, float]]) -> None:
        """With the left button held, from the first of (x, y) to the last."""
        self.mouse("mouseMoved", *places[0])
        self.mouse("mousePressed", *places[0], held=True)
        for place in places[1:]:
            time.sleep(0.15)
            self.mouse("mouseMoved", *place, held=True)
        time.sleep(0.15)
        self.mouse("mouseReleased", *places[-1])

    def press(self, key: str) -> None:
        """A letter, a digit, or a key by its name, such as Enter."""
        code = f"Digit{key}" if key.isdigit() else f"Key{key.upper()}" if len(key) == 1 else key
        number = ord(key.upper()) if len(key) == 1 else {"Enter": 13, "Escape": 27, "Delete": 46}[key]
        for kind in ("keyDown", "keyUp"):
            self.send("Input.dispatchKeyEvent", type=kind, key=key, code=code, windowsVirtualKeyCode=number)

    def click_on(self, text: str) -> None:
        """The button or option of this text."""
        self.click(*self.place_of(text))

    def place_of(self, text: str) -> list[float]:
        """The middle of the button or option of this text, once it is in sight and stands still."""
        found = (
            "[...document.querySelectorAll('button,[role=option],[role=tab]')]"
            f".filter(e => e.offsetParent !== null).find(e => e.innerText.trim() === {json.dumps(text)})"
        )
        wait_for(lambda: self.run(f"!!{found}"), f"{text!r} on the page")
        self.run(f"{found}.scrollIntoView({{block: 'nearest'}})")
        place = f"(r => [r.x + r.width / 2, r.y + r.height / 2])({found}.getBoundingClientRect())"
        return wait_for(lambda: self._settled(place), f"{text!r} to stand still")

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
