"""Ten objects of a map corrected in a real browser, by keys and by buttons: how long the page takes for it.

    python scripts/ten_corrections.py kitchen.npz [--picture docs/view.webp]

A person takes longer: 0.28 s a key, 1.1 s to point, and the time to make up one's mind (the keystroke-level
model of Card, Moran and Newell). This is the rest: how long one has to wait for what one has done.
"""

import argparse
import re
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from PIL import Image

sys.path.insert(0, str(Path(__file__).parents[1] / "test" / "helpers"))

from browser import Page, chromium, wait_for

OBJECTS = 10
QUICK = ("chair", "table")  # keys 1 and 2
LOADING_S = 600.0  # for a file to be segmented, on a machine busy with other things


def fact(page: Page, name: str) -> str:
    """What the page says of the chosen object."""
    return "".join(re.findall(rf"^{name}\t(.*)$", page.text, re.MULTILINE))


def correct(page: Page, go_on: Callable[[], None], give: Callable[[int], None]) -> float:
    """Seconds until one more object has another class."""
    start, before = time.monotonic(), fact(page, "middle")
    go_on()
    wait_for(lambda: fact(page, "middle") not in ("", before), "the next object")
    quick = int(fact(page, "class").startswith(QUICK[0]))
    give(quick)
    wait_for(lambda: fact(page, "class").startswith(QUICK[quick]), "its new class")
    return time.monotonic() - start


def measure(page: Page, url: str, picture: Path | None) -> None:
    page.open(url)
    wait_for(lambda: "version" in page.text, "the map", LOADING_S)
    page.run("document.querySelector('.mantine-Notification-closeButton')?.click()")  # it draws without a GPU
    if picture:
        page.click(640, 400)  # what lies in the middle is chosen
        time.sleep(20.0)  # labels come last
        with tempfile.NamedTemporaryFile(suffix=".png") as file:
            page.picture(Path(file.name))
            Image.open(file.name).convert("RGB").save(picture, quality=80, method=6)
    ways: dict[str, tuple[Callable[[], None], Callable[[int], None]]] = {
        "keys": (lambda: page.press("J"), lambda quick: page.press(str(1 + quick))),
        "buttons": (
            lambda: page.click_on("Next"),
            lambda quick: page.click_on(f"{1 + quick} {QUICK[quick]}"),
        ),
    }
    for way, (go_on, give) in ways.items():
        seconds = [correct(page, go_on, give) for _ in range(OBJECTS)]
        print(
            f"{way}: {OBJECTS} objects in {sum(seconds):.1f} s, {max(seconds):.1f} s the longest", flush=True
        )


def main() -> None:
    raw = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=raw)
    parser.add_argument("map", type=Path, help="a file, as `ssen view` takes it, with more than ten objects")
    parser.add_argument("--picture", type=Path, help="of the page before that")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        log = Path(name) / "log"
        command = [sys.executable, "-m", "ssen_ros.cli", "view", str(args.map), "--no-browser", "--out", name]
        with open(log, "w") as file, subprocess.Popen(command, stdout=file, stderr=file) as view:
            try:
                addresses = re.compile(r"http://localhost:\d+")
                url = wait_for(lambda: addresses.search(log.read_text()), "the view", LOADING_S).group()
                with chromium(Path(name) / "profile") as page:
                    measure(page, url, args.picture)
            finally:
                view.send_signal(signal.SIGINT)


if __name__ == "__main__":
    main()
