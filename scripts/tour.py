"""The tour at the head of the README, docs/tour.webp: a map grows, objects appear, and one is corrected.

    python scripts/tour.py docs/tour.webp [--seconds 30] [--rate 0.2]

`ssen demo --view` maps a room with the shipped networks, and Chromium looks on: one picture is kept of each
map that was seen, so the slower the machine, the slower the walk has to be. At the end the largest of the
chairs is given a name of its own by hand, and the map is shown by class.
"""

import argparse
import io
import json
import re
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from PIL import Image

sys.path.insert(0, str(Path(__file__).parents[1] / "test" / "helpers"))

from browser import Page, chromium, wait_for

SIZE = 880, 550  # of the film
AFTER_S = 3.0  # from what is done to its picture
PICTURES = 2  # of each step at the end
OWN_CLASS = "[...document.querySelectorAll('div')].filter(e => e.innerText.trim() === 'Own class').at(-1)"


def picture(page: Page, folder: Path) -> Image.Image:
    path = folder / "page.png"
    page.picture(path)
    return Image.open(io.BytesIO(path.read_bytes())).convert("RGB").resize(SIZE, Image.Resampling.LANCZOS)


def film(page: Page, folder: Path, demo: subprocess.Popen, done: Path) -> list[Image.Image]:
    """A picture of each map until the demo is done, and of each step after it."""
    page.run("document.querySelector('.mantine-Notification-closeButton')?.click()")  # it draws without a GPU
    frames, seen = [], ""
    while not done.exists():
        assert demo.poll() is None, (folder / "log").read_text()
        version = "".join(re.findall(r"version \d+", page.text))  # in the view's summary
        if version != seen:
            seen = version
            time.sleep(AFTER_S)
            frames.append(picture(page, folder))
        time.sleep(0.2)
    instances = json.loads(done.read_text())["instances"]
    chair = max((i for i in instances if i["class_name"] == "chair"), key=lambda i: i["voxel_count"])
    steps = [
        lambda: select(page, "Find object", f"chair #{chair['id']}"),
        lambda: page.press("G"),  # go there
        lambda: page.run(f"{OWN_CLASS}.click()"),
        lambda: write(page, "Name", "armchair"),
        lambda: page.click_on("Give it this class"),
        lambda: select(page, "Show", "classes"),
    ]
    for step in steps:
        step()
        time.sleep(AFTER_S)
        frames += [picture(page, folder)] * PICTURES
    return frames


def select(page: Page, dropdown: str, choice: str) -> None:
    page.open_dropdown(dropdown)
    page.click_on(choice)


def write(page: Page, field: str, text: str) -> None:
    page.open_dropdown(field)  # a click into it
    page.type(text)


def main() -> None:
    raw = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=raw)
    parser.add_argument("film", type=Path)
    parser.add_argument("--seconds", type=float, default=30.0, help="how long it is to last")
    parser.add_argument("--rate", type=float, default=1.0, help="maps of the walk, a second")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder, log = Path(name), Path(name) / "log"
        command = [sys.executable, "-m", "ssen_ros.cli", "demo", "--view", "--no-browser", "--out", name]
        command += ["--rate", str(args.rate)]
        with open(log, "w") as file, subprocess.Popen(command, stdout=file, stderr=file) as demo:
            try:
                url = wait_for(lambda: re.findall(r"http://localhost:\d+", log.read_text()), "the view")[0]
                with chromium(folder / "profile") as page:
                    page.open(url)
                    wait_for(lambda: "Object" in page.text, "the page")
                    frames = film(page, folder, demo, done=folder / "instances.json")
            finally:
                demo.send_signal(signal.SIGINT)
    duration_ms = int(args.seconds * 1000 / len(frames))
    frames[0].save(
        args.film, save_all=True, append_images=frames[1:], duration=duration_ms, loop=0, quality=60, method=6
    )
    print(f"{args.film}: {len(frames)} pictures, {args.film.stat().st_size / 1e6:.2f} MB")


if __name__ == "__main__":
    main()
