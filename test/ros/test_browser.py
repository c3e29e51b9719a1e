"""The view of a running node in a real browser: Chromium, headless, driven over its DevTools protocol."""

import re
import sys
import time
from importlib.util import find_spec

import pytest
from browser import PROGRAM, TIMEOUT_S, chromium, wait_for
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
        page.url = url
        wait_for(lambda: page.run("!!document.querySelector('canvas')"), "the map")
        time.sleep(3.0)  # for the first picture, drawn without a GPU
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

    page.click(640, 400)  # the middle of the map, where the table stands
    wait_for(lambda: f"table #{table}" in page.text, "what is known of the table")
    assert f"voxels\t{found.voxel_count}" in page.text
    page.picture(tmp_path / "chosen.png")

    page.open_dropdown("Give class")
    page.type("des")  # a few letters find it
    page.click_on("desk")
    bench.spin_until(lambda: marker_texts(markers) == {"chair", "desk"}, TIMEOUT_S)
    bench.spin_until(lambda: any(i.class_name == "desk" for i in instances[-1].instances))
    assert {i.id: i.class_name for i in instances[-1].instances}[table] == "desk"
    wait_for(lambda: f"desk #{table}" in page.text, "the new class on the page")

    page.press("X")  # the list does not keep the keyboard
    bench.spin_until(lambda: len(instances[-1].instances) == 2, TIMEOUT_S)
    page.click_on("Undo")
    bench.spin_until(lambda: len(instances[-1].instances) == 3, TIMEOUT_S)
    bench.spin_until(lambda: marker_texts(markers) == {"chair", "desk"}, TIMEOUT_S)
    page.click_on("Timeline")
    wait_for(lambda: f"by hand: rename desk #{table}" in page.text, "the timeline")
    page.click_on("Status")
    wait_for(lambda: "up to date" in page.text, "the report of the node")
    assert view.running and not view.lines("Traceback"), view.log


def test_with_brush_and_box_objects_are_made_and_keys_do_it(bench, viewed):
    page, view = viewed
    instances = bench.collect(InstanceArray, "/ssen/instances")

    def found() -> dict[int, tuple[str, int]]:
        return {i.id: (i.class_name, i.voxel_count) for i in instances[-1].instances}

    bench.spin_until(lambda: instances)
    before = found()
    (table,) = (id for id, (name, _) in before.items() if name == "table")

    page.press("B")
    wait_for(lambda: "drag over what is to be painted" in page.text, "the brush")
    page.press("3")  # of the quick classes: sofa
    page.drag([(630 + 10 * i, 400) for i in range(4)])
    bench.spin_until(lambda: len(found()) == 4, TIMEOUT_S)
    sofa = max(found())
    assert found()[sofa][0] == "sofa" and found()[sofa][1] + found()[table][1] == before[table][1]
    wait_for(lambda: f"sofa #{sofa}" in page.text, "the new object chosen")
    page.press("Z")
    bench.spin_until(lambda: found() == before, TIMEOUT_S)

    page.press("V")
    wait_for(lambda: "opposite corners" in page.text, "the box")
    page.click(625, 395)
    page.click(650, 410)
    wait_for(lambda: "Set its height" in page.text, "both corners")
    page.press("Enter")
    bench.spin_until(lambda: len(set(found()) - set(before)) == 1, TIMEOUT_S)
    (made,) = set(found()) - set(before)
    assert made > sofa and 0 < found()[made][1] <= before[table][1]
    wait_for(lambda: f"sofa #{made}" in page.text and "Set its height" not in page.text, "the box put down")
    page.press("2")
    bench.spin_until(lambda: found()[made][0] == "table", TIMEOUT_S)

    page.press("K")  # back through the objects, to the one before
    previous = max(id for id in found() if id < made)
    wait_for(lambda: f"{found()[previous][0]} #{previous}" in page.text, "the object before")
    page.press("N")
    bench.spin_until(lambda: previous not in found(), TIMEOUT_S)  # unknown: not told of
    assert view.running and not view.lines("Traceback"), view.log


def test_a_phone_has_room_for_map_and_fingers_and_each_sees_what_the_other_corrects(viewed, tmp_path):
    page, view = viewed
    with chromium(tmp_path / "phone", 390, 844, phone=True) as phone:
        phone.open(page.url)
        wait_for(lambda: "3: 2 chair, 1 table" in phone.text, "the objects")
        time.sleep(3.0)
        sheet = "document.querySelector('#ssen-style').closest('.mantine-Paper-root').getBoundingClientRect()"
        left, top, width = phone.run(f"(r => [r.x, r.y, r.width])({sheet})")
        assert left == 0 and width == 390 and top > 844 / 2, "below the map, and as wide"
        phone.click_on("Next")
        wait_for(lambda: "class\tchair" in phone.text, "what is known of the first object")
        phone.click_on("Next")
        wait_for(lambda: "class\ttable" in phone.text, "what is known of the table")
        (id,) = re.findall(r"table #(\d+)", phone.text)
        wait_for(lambda: f"table #{id}" in page.text, "the same on the other page")
        sizes = phone.run(
            "[...document.querySelectorAll('.mantine-Button-root')].filter(e => e.offsetParent !== null)"
            ".map(e => e.getBoundingClientRect()).map(r => [r.width, r.height])"
        )
        assert len(sizes) >= 20 and all(w >= 40 and h >= 40 for w, h in sizes), sizes
        phone.click_on("6 desk")
        wait_for(lambda: f"desk #{id}" in page.text, "the phone's correction")
        page.click_on("1 chair")
        wait_for(lambda: f"chair #{id}" in phone.text, "the other's correction")
        phone.click_on("Undo")
        wait_for(lambda: f"desk #{id}" in page.text, "what the phone has undone")
        phone.picture(tmp_path / "phone.png")
    assert view.running and not view.lines("Traceback"), view.log
