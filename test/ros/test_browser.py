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

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(PROGRAM is None, reason="THE VIEW IS NOT TESTED: apt install chromium"),
    pytest.mark.skipif(find_spec("viser") is None, reason="THE VIEW IS NOT TESTED: pip install viser"),
]


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
