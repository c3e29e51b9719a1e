"""What a large map asks of the view: bytes and processor time of each update, memory, and frames a second.

    python scripts/view_load.py [--voxels 1000000] [--objects 60] [--points 300] [--frames]

Bytes and the view's processor time do not depend on the graphics: they are measured with a client that draws
nothing. With --frames Chromium turns the map without a GPU: its frames are SwiftShader's.
"""

import argparse
import multiprocessing
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import psutil

sys.path.insert(0, str(Path(__file__).parents[1] / "test" / "helpers"))

from browser import Page, chromium, wait_for

from ssen_ros.boxes import fit_box
from ssen_ros.corrections import Edit
from ssen_ros.labelled_map import LabelledMap
from ssen_ros.labels import CLASS_NAMES, LABEL_NAMES, STUFF_NAMES
from ssen_ros.structures import Instance
from ssen_ros.view.viewer import Viewer

VOXEL_SIZE = 0.04  # m
THINGS = [name for name in CLASS_NAMES if name not in STUFF_NAMES]


def made_up(voxels: int, objects: int) -> LabelledMap:
    """A square hall with walls, and boxes in rows on its floor, of so many voxels in all."""
    side = int(np.sqrt(voxels / 1.6))  # voxels: the floor and its walls, then the boxes
    floor = np.stack([*np.meshgrid(np.arange(side), np.arange(side), indexing="ij")], -1).reshape(-1, 2)
    floor = np.column_stack([floor, np.zeros(len(floor), int)])
    up = np.arange(1, 65)
    wall = np.array([(*at, z) for i in range(side) for at in ((0, i), (i, 0)) for z in up])[64:]  # one corner
    rest = max(0, voxels - len(floor) - len(wall))
    edge = max(4, int(np.sqrt(rest / objects / 5)))  # five faces
    rows = int(np.ceil(np.sqrt(objects)))
    box = [(x, y, z) for x in range(edge) for y in range(edge) for z in range(edge)
           if x in (0, edge - 1) or y in (0, edge - 1) or z == edge - 1]  # fmt: skip
    places = [(np.array(divmod(i, rows)) + 0.3) * side / rows for i in range(objects)]
    things = [np.array(box) + (*place.astype(int), 1) for place in places]
    parts = [floor, wall, *things]
    number = np.repeat(np.arange(len(parts)), [len(part) for part in parts])
    cells = np.concatenate(parts)
    order = np.lexsort(cells.T[::-1])
    cells, number = cells[order], number[order]
    points = ((cells + 0.5) * VOXEL_SIZE).astype(np.float32)
    names = "floor", "wall", *(THINGS[i % len(THINGS)] for i in range(objects))
    label_of = [LABEL_NAMES.index(name) for name in names]
    label = np.array(label_of, np.int32)[number]
    id = np.where(number > 1, number - 1, -1).astype(np.int32)
    found = []
    for i in range(1, objects + 1):
        of_it = points[id == i]
        name = LABEL_NAMES[label_of[i + 1]]
        found.append(
            Instance(i, label_of[i + 1], name, 0.8, fit_box(of_it), of_it.mean(axis=0), len(of_it), 1, 2)
        )
    colors = np.random.default_rng(0).integers(60, 220, (len(points), 3), dtype=np.uint8)
    confidence = np.full(len(points), 0.9, np.float32)
    return LabelledMap(points, colors, label, id, confidence, tuple(found), VOXEL_SIZE, 1, 2, LABEL_NAMES)


class Table:
    """A desk where nothing is corrected."""

    title, class_names = "made up", LABEL_NAMES

    def correct(self, edit: Edit) -> str:
        return ""

    def export(self, labelled: LabelledMap) -> tuple:
        return ()


def updates(labelled: LabelledMap) -> Iterator[tuple[str, LabelledMap]]:
    """What a node may publish after the map itself."""
    yield "the same again", replace(labelled, version=2)
    first = replace(labelled.instances[0], class_name="workbench")
    yield "an object renamed", replace(labelled, instances=(first, *labelled.instances[1:]))
    grown = labelled.points.copy()
    grown[labelled.instance_id == 1] += 0.004
    yield "an object moved", replace(labelled, points=grown)
    order = np.random.default_rng(1).permutation(len(labelled)) < len(labelled) // 20
    label = np.where(order, 0, labelled.semantic_label).astype(np.int32)
    yield "a pass: every 20th label is another", replace(labelled, semantic_label=label)


def orbit(page: Page, browser: psutil.Process, seconds: float) -> tuple[float, float]:
    """Frames a second while the map is turned with the mouse; the browser's processor seconds for each."""
    page.run("window.frames_ = 0; (f = () => { window.frames_++; requestAnimationFrame(f); })()")
    page.mouse("mousePressed", 500, 400)
    start, i, before_s = time.monotonic(), 0, processor_s(browser)
    first = page.run("window.frames_")
    while time.monotonic() - start < seconds:
        i += 1
        page.mouse("mouseMoved", 500 + 5 * (i % 40), 400, held=True)
        time.sleep(0.05)
    frames = page.run("window.frames_") - first
    took, spent_s = time.monotonic() - start, processor_s(browser) - before_s
    page.mouse("mouseReleased", 500, 400)
    return frames / took, spent_s / max(frames, 1)


def processor_s(process: psutil.Process) -> float:
    """Of a process and all that it started."""
    times = [one.cpu_times() for one in [process, *process.children(recursive=True)] if one.is_running()]
    return sum(t.user + t.system for t in times)


def memory_mb(process: psutil.Process) -> float:
    """Unique memory of a process and all that it started."""
    family = [process, *process.children(recursive=True)]
    return sum(one.memory_full_info().uss for one in family if one.is_running()) / 1e6


def client(port: int, received: Any) -> None:
    """Receives what a browser would, and draws nothing."""
    import viser
    from websockets.sync.client import connect

    protocol = f"viser-v{viser.__version__}"
    with connect(
        f"ws://127.0.0.1:{port}", subprotocols=[protocol], max_size=None, compression=None
    ) as socket:
        for message in socket:
            with received.get_lock():
                received.value += len(message)


def settled(received: Any) -> int:
    """Bytes in all, once no more come."""
    before = -1
    while before != received.value:
        before = received.value
        time.sleep(2.0)
    return before


def show(viewer: Viewer, mode: str) -> None:
    viewer._panel.mode.value = mode
    viewer._change_look()


def measure_updates(viewer: Viewer, labelled: LabelledMap) -> None:
    received = multiprocessing.get_context("spawn").Value("q", 0)
    args = (int(viewer.url.rpartition(":")[2]), received)
    process = multiprocessing.get_context("spawn").Process(target=client, args=args, daemon=True)
    process.start()
    wait_for(lambda: received.value > 0, "the client")
    for name, update in [("the map", labelled), *updates(labelled)]:
        show(viewer, "classes" if "label" in name else "colour")
        bytes_before = settled(received)
        before = time.process_time()
        viewer.show(update)
        total = settled(received)
        spent_s = time.process_time() - before
        print(f"{name}: {spent_s:.2f} s of processor, {(total - bytes_before) / 1e6:.3f} MB sent", flush=True)
    bytes_before = settled(received)
    show(viewer, "instances")
    total = settled(received)
    print(f"another mode: {(total - bytes_before) / 1e6:.3f} MB sent")
    process.terminate()


def measure_frames(viewer: Viewer, seconds: float) -> None:
    with tempfile.TemporaryDirectory() as folder, chromium(Path(folder)) as page:
        page.open(viewer.url)
        wait_for(lambda: page.run("!!document.querySelector('canvas')"), "the page")
        time.sleep(15.0)
        browser = next(p for p in psutil.Process().children() if "chrom" in p.name())
        rate, each_s = orbit(page, browser, seconds)
        print(f"turning it: {rate:.2f} frames/s, {each_s:.2f} s of processor each (SwiftShader)", flush=True)
        print(f"Chromium has {memory_mb(browser):.0f} MB")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--voxels", type=int, default=1_000_000)
    parser.add_argument("--objects", type=int, default=60)
    parser.add_argument("--frames", action="store_true", help="have Chromium draw it, too")
    parser.add_argument("--points", type=int, default=1500, help="thousands, that are drawn at most")
    parser.add_argument("--seconds", type=float, default=20.0, help="of turning the map")
    args = parser.parse_args()
    labelled = made_up(args.voxels, args.objects)
    before_mb = memory_mb(psutil.Process())
    viewer = Viewer(Table(), port=18090)
    viewer._panel.most_points.value = args.points
    viewer._change_look()
    print(f"{len(labelled)} voxels, {len(labelled.instances)} objects")
    measure_updates(viewer, labelled)
    print(f"{len(viewer._canvas.tiles)} tiles; the view has {memory_mb(psutil.Process()) - before_mb:.0f} MB")
    if args.frames:
        measure_frames(viewer, args.seconds)
    viewer.close()


if __name__ == "__main__":
    main()
