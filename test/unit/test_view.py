"""The view without a browser: what is sent of a map, what a click meets, who is let in, what is written."""

import asyncio
import json
import threading
import urllib.error
import urllib.request
from dataclasses import replace
from http import HTTPStatus
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ssen_ros.boxes import fit_box
from ssen_ros.cli.main import main
from ssen_ros.corrections import Edit
from ssen_ros.datasets.labelled_rooms import labelled_files, load_room
from ssen_ros.errors import CorrectionError, SsenError
from ssen_ros.io.clouds import read_cloud
from ssen_ros.io.samples import load_sample
from ssen_ros.io.saved_map import is_map, read_map
from ssen_ros.labelled_map import LabelledMap
from ssen_ros.labels import LABEL_NAMES, UNKNOWN
from ssen_ros.palettes import MODES
from ssen_ros.structures import Event, Instance
from ssen_ros.view import pages
from ssen_ros.view.export import export_room, to_sample
from ssen_ros.view.gate import LET_THROUGH, Gate, check_address, guarding, is_loopback
from ssen_ros.view.scene import Changes, Look, Scene, difference, make_scene, nearest_hit
from ssen_ros.view.story import Story
from ssen_ros.view.tools import JOIN, LEAVE, NONE, Quick

WALL, CHAIR, CEILING = (LABEL_NAMES.index(name) for name in ("wall", "chair", "ceiling"))


def instance(id, points, name="chair", state="active"):
    return Instance(
        id, LABEL_NAMES.index(name), name, 0.8, fit_box(points), points.mean(axis=0), len(points), 1, 2, state
    )


def labelled(seed=0, count=300, objects=(1, 2)):
    """Voxels strewn over 8 x 8 x 3 m, most of them of objects."""
    rng = np.random.default_rng(seed)
    cells = np.unique(rng.integers((0, 0, 0), (200, 200, 75), (count, 3)), axis=0)
    points = ((cells + 0.5) * 0.04).astype(np.float32)
    ids = rng.choice([-1, *objects], len(points)).astype(np.int32)
    label = np.where(ids > 0, CHAIR, rng.choice([WALL, CEILING, UNKNOWN, -1], len(points))).astype(np.int32)
    found = tuple(instance(id, points[ids == id]) for id in objects if (ids == id).any())
    colors = rng.integers(0, 256, (len(points), 3), dtype=np.uint8)
    confidence = rng.random(len(points), dtype=np.float32)
    return LabelledMap(
        points, colors, label, ids, confidence, found, 0.04, 1, 10, LABEL_NAMES, embedding_rgb=colors[::-1]
    )


def applied(scene: Scene, changes: Changes) -> Scene:
    """What the browser has after the changes."""
    tiles = {key: tile for key, tile in scene.tiles.items() if key not in changes.tiles_gone}
    tiles |= changes.tiles
    tiles |= {key: replace(tiles[key], colors=colors) for key, colors in changes.colors.items()}
    labels = {id: label for id, label in scene.labels.items() if id not in changes.labels_gone}
    boxes = scene.boxes if changes.boxes is None else changes.boxes
    return Scene(tiles, boxes, labels | changes.labels)


def flat(scene):
    tiles = {key: (t.origin.tolist(), t.points.tolist(), t.colors.tolist()) for key, t in scene.tiles.items()}
    return tiles, scene.boxes.points.tolist(), scene.boxes.colors.tolist(), scene.labels


LOOKS = st.builds(
    Look,
    st.sampled_from(MODES),
    st.booleans(),
    st.sampled_from([np.inf, 1.0, -1.0]),
    st.booleans(),
    st.booleans(),
)
MAPS = st.builds(
    labelled, st.integers(0, 3), st.sampled_from([0, 1, 300]), st.sampled_from([(), (1,), (1, 2)])
)


@given(MAPS, LOOKS, MAPS, LOOKS)
def test_the_changes_make_the_one_scene_of_the_other(map_before, look_before, map_after, look_after):
    before, after = make_scene(map_before, look_before), make_scene(map_after, look_after)
    assert flat(applied(before, difference(before, after))) == flat(after)
    nothing = difference(after, make_scene(map_after, look_after))
    assert nothing == Changes({}, {}, (), None, {}, ())


def test_the_tiles_hold_every_voxel_that_is_to_be_seen_in_its_place():
    whole = labelled()
    scene = make_scene(whole, Look("classes"))
    points = np.concatenate([t.origin + t.points for t in scene.tiles.values()])
    expected = whole.points[whole.semantic_label != CEILING]
    order, wanted = np.lexsort(np.round(points / 0.04 - 0.5).T), np.lexsort(expected.T)
    np.testing.assert_allclose(points[order], expected[wanted], atol=0.001)


def test_of_a_map_that_is_too_large_fewer_and_larger_points_are_drawn():
    whole = labelled(count=3000)
    look = Look(ceiling=True)
    for most in (len(whole), len(whole) - 1, 200):
        scene = make_scene(whole, replace(look, most_points=most))
        points = np.concatenate([t.origin + t.points for t in scene.tiles.values()])
        assert len(points) <= most and (scene.step == 1) == (most == len(whole))
        cells, count = np.unique(np.floor(points / (0.04 * scene.step)), axis=0, return_counts=True)
        assert (count == 1).all(), "one for each cube"
        assert len(cells) == len(np.unique(np.floor(whole.points / (0.04 * scene.step)), axis=0))


def test_only_the_tile_that_changed_is_sent_and_of_another_mode_only_colours():
    before = labelled()
    points = before.points.copy()
    points[0] += 0.03
    changes = difference(make_scene(before, Look()), make_scene(replace(before, points=points), Look()))
    assert len(changes.tiles) == 1 and not changes.colors and changes.boxes is None
    changes = difference(make_scene(before, Look()), make_scene(before, Look("instances")))
    assert not changes.tiles and changes.colors and changes.points == 0


def test_a_renamed_object_changes_its_label_alone():
    before = labelled()
    renamed = tuple(replace(i, class_name="workbench") if i.id == 1 else i for i in before.instances)
    changes = difference(make_scene(before, Look()), make_scene(replace(before, instances=renamed), Look()))
    assert {id: label.text for id, label in changes.labels.items()} == {1: "workbench #1"}
    assert not changes.tiles and not changes.colors and changes.boxes is None


def test_a_click_meets_the_first_voxel_on_its_way():
    points = np.array([(0, 0, 5), (0, 0.01, 2), (0, 0, -1), (1, 0, 1)], float)
    ray = np.zeros(3), np.array([0, 0, 2.0])
    assert nearest_hit(points, *ray, radius=0.03) == 1
    assert nearest_hit(points[[0, 2, 3]], *ray, radius=0.03) == 0
    assert nearest_hit(points[[2, 3]], *ray, radius=0.03) == -1
    assert nearest_hit(points[:0], *ray, radius=0.03) == -1


def test_what_comes_from_outside_is_escaped():
    evil = "<img src=x onerror=alert(1)>"
    whole = replace(labelled(), frame_id=evil)
    one = replace(whole.instances[0], class_name=evil)
    for page in (
        pages.summary(replace(whole, instances=(one,))), pages.facts(one, [evil], 5), pages.voxel(evil, 0.5),
        pages.timeline([(evil, evil)]), pages.status({evil: evil}), pages.legend([(evil, (0, 0, 0))]),
    ):  # fmt: skip
        assert "<img" not in page and "&lt;img" in page
    assert pages.told(Event("merged", 3, (4, 5))) == "#3 took in #4, #5"


# --- who is let in ------------------------------------------------------------------------------------


HERE = {"host": "127.0.0.1:8080"}


def test_on_this_machine_alone_pages_of_others_and_made_up_names_are_turned_away():
    gate = Gate("127.0.0.1")
    assert gate.judge("/", HERE) == LET_THROUGH
    assert gate.judge("/", {"host": "localhost:8080", "origin": "http://localhost:8080"}) == LET_THROUGH
    for headers in (
        HERE | {"origin": "http://evil.example"},
        HERE | {"origin": "http://localhost:9999"},
        HERE | {"origin": "null"},
        {"host": "evil.example:8080"},
        {},
    ):
        assert gate.judge("/", headers).status == HTTPStatus.FORBIDDEN


def test_with_a_token_only_who_has_it_is_let_in_and_keeps_it_as_a_cookie():
    gate = Gate("0.0.0.0", "secret")
    there = {"host": "robot:8080"}
    for path, headers in (
        ("/", {}), ("/?token=", {}), ("/?token=Secret", {}), ("/x?token=secre", {}),
        ("/", {"cookie": "ssen_view_8080=wrong"}), ("/", {"cookie": "ssen_view_8081=secret"}),
        ("/", {"cookie": "ü=;;"}),
    ):  # fmt: skip
        assert gate.judge(path, there | headers).status == HTTPStatus.UNAUTHORIZED
    given = gate.judge("/?token=secret", there)
    assert given.status == HTTPStatus.SEE_OTHER
    cookie = dict(given.headers)["Set-Cookie"]
    assert "HttpOnly" in cookie and "SameSite=Strict" in cookie
    assert gate.judge("/", there | {"cookie": cookie.partition(";")[0]}) == LET_THROUGH
    assert gate.judge("/", there | {"cookie": "ssen_view_8080=secret", "origin": "http://x"}).status == 403


def test_others_are_let_in_with_a_token_or_not_at_all():
    with pytest.raises(SsenError, match="expected a token"):
        Gate("0.0.0.0")
    assert [is_loopback(h) for h in ("127.0.0.1", "::1", "[::1]", "localhost", "0.0.0.0", "robot", "")] == [
        True, True, True, True, False, False, False,
    ]  # fmt: skip
    check_address("127.0.0.1")
    with pytest.raises(SsenError, match="expected an address of this machine"):
        check_address("192.0.2.1")


def test_a_connection_that_asks_for_nothing_is_no_error(caplog):
    """Chromium opens some ahead, and closes them unused."""
    import websockets.asyncio.server as library

    async def handle(connection):
        await connection.wait_closed()

    async def come_and_go():
        with guarding(Gate("127.0.0.1")):
            serving = library.serve(handle, "127.0.0.1", 0)
        async with serving as server:
            for sent in (b"", b"hello\r\n\r\n"):
                port = server.sockets[0].getsockname()[1]
                reader, writer = await asyncio.open_connection("127.0.0.1", port)
                writer.write(sent)
                writer.write_eof()
                await reader.read()
                writer.close()

    asyncio.run(come_and_go())
    assert "handshake" not in caplog.text and "Traceback" not in caplog.text


def test_a_server_that_goes_past_the_gate_is_not_used():
    pytest.importorskip("websockets")
    with pytest.raises(SsenError, match="cannot be guarded"), guarding(Gate("127.0.0.1")):
        pass


class Table:
    """A desk that notes what it is asked for."""

    title, class_names = "test", LABEL_NAMES

    def __init__(self):
        self.edits = []

    def correct(self, edit):
        self.edits.append(edit)
        return "done"

    def export(self, labelled):
        return ()


@pytest.fixture
def viewer():
    pytest.importorskip("viser", reason="viser is not installed: pip install 'ssen-ros[view]'")
    from ssen_ros.view.viewer import Viewer

    made = []

    def make(**options):
        made.append(Viewer(Table(), port=18080, **options))
        return made[-1]

    yield make
    for one in made:
        one.close()


def answer(url, **headers):
    try:
        with urllib.request.urlopen(urllib.request.Request(url, headers=headers), timeout=60) as response:
            return response.status
    except urllib.error.HTTPError as error:
        return error.code


def test_the_gate_stands_before_the_real_server(viewer):
    from websockets.exceptions import InvalidStatus
    from websockets.sync.client import connect

    open_to_all = viewer()
    open_to_all.show(labelled())
    open_to_all.show(labelled(count=0))
    assert answer(open_to_all.url) == 200
    assert answer(open_to_all.url, Host="evil.example") == 403
    socket = open_to_all.url.replace("http", "ws")
    with connect(socket, subprotocols=["viser-v0"]):
        pass
    with pytest.raises(InvalidStatus, match="403"):
        connect(socket, origin="http://evil.example")

    shut = viewer(token="secret")
    address = shut.url.partition("/?")[0]
    assert answer(address) == 401 and answer(shut.url) in (200, 401)  # urllib keeps no cookies
    with pytest.raises(InvalidStatus, match="401"):
        connect(address.replace("http", "ws"))


def test_no_client_can_have_the_map_sent_to_the_internet(viewer, monkeypatch):
    import viser

    monkeypatch.setattr(viser._viser, "ViserTunnel", lambda *_: pytest.fail("a tunnel"), raising=False)
    assert viewer()._server.request_share_url() is None


def test_many_threads_may_show_at_once(viewer):
    view = viewer()
    maps = [labelled(seed, objects=objects) for seed in range(3) for objects in ((1,), (1, 2), ())]
    threads = [threading.Thread(target=view.show, args=(one,)) for one in maps]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    view.show(maps[0])
    assert set(view._canvas.tiles) == set(view._scene.tiles) and set(view._canvas.labels) == {1}


def test_the_camera_follows_a_map_that_grows_until_somebody_moves_it(viewer, monkeypatch):
    view = viewer()
    start = np.array(view._server.initial_camera.position)
    still, moved = (SimpleNamespace(camera=SimpleNamespace(position=start, look_at=None)) for _ in range(2))
    monkeypatch.setattr(view._server, "get_clients", lambda: {1: still, 2: moved})
    small = labelled(0)
    view.show(small)
    at_first = still.camera.position
    assert not np.allclose(at_first, start)
    moved.camera.position = at_first + 1.0
    for scale in (2, 3):
        still.camera.position = at_first  # what a slow browser says of itself comes late
        view.show(replace(small, points=small.points * scale, version=scale))
        assert np.linalg.norm(still.camera.position) > np.linalg.norm(at_first)
        np.testing.assert_array_equal(still.camera.position, view._server.initial_camera.position)
    np.testing.assert_array_equal(moved.camera.position, at_first + 1.0)


def clicking(view, row):
    """A click from above on a voxel of the map; nobody stands between."""
    x, y, z = view._labelled.points[row].tolist()
    return SimpleNamespace(ray_origin=(x, y, z + 0.05), ray_direction=(0, 0, -1), client=None)


BUTTON = SimpleNamespace(client=None)


def dragging(view, phase, row):
    """The brush over a voxel, seen from straight above the map's middle."""
    position = np.array([0.4, 0.2, 5.0])
    client = SimpleNamespace(
        camera=SimpleNamespace(position=position), add_notification=lambda *_, **__: None
    )
    onward = position + 3 * (view._labelled.points[row] - position)
    return SimpleNamespace(phase=phase, client=client, client_id=7, end_position=tuple(onward))


def brick():
    """A floor of 20 x 10 voxels, and on its first 10 x 10 an object, 2 high."""
    cells = np.argwhere(np.ones((20, 10, 3)))
    cells = cells[(cells[:, 2] == 0) | (cells[:, 0] < 10)]
    points = ((cells + 0.5) * 0.04).astype(np.float32)
    things = cells[:, 2] > 0
    label = np.where(things, CHAIR, LABEL_NAMES.index("floor")).astype(np.int32)
    ids = np.where(things, 1, -1).astype(np.int32)
    return LabelledMap(
        points, np.zeros((len(points), 3), np.uint8), label, ids, np.ones(len(points), np.float32),
        (instance(1, points[things]),), 0.04, 1, 10, LABEL_NAMES,
    )  # fmt: skip


def top_of(whole, x, y):
    """The row of the highest voxel of a column."""
    cells = np.floor(whole.points / 0.04).astype(int)
    return int(np.flatnonzero((cells[:, 0] == x) & (cells[:, 1] == y))[-1])


def test_clicks_and_keys_become_what_is_asked_of_the_desk(viewer):
    view, whole = viewer(), labelled()
    view.show(whole)
    first, second = (int(np.flatnonzero(whole.instance_id == id)[0]) for id in (1, 2))
    others = np.flatnonzero(whole.instance_id == 1)[[1, 2]]
    wall = int(np.flatnonzero((whole.instance_id < 0) & (whole.semantic_label == WALL))[0])
    edits = view._desk.edits

    view._on_action("delete", BUTTON)
    view._on_action("merge", BUTTON)
    assert not edits, "nothing is chosen"
    view._on_click(clicking(view, first))
    assert view._chosen == 1 and "chair #1" in view._panel.chosen.content
    assert "chair" in view._panel.facts.content
    view._on_action("merge", BUTTON)
    view._on_click(clicking(view, wall))
    view._on_click(clicking(view, others[0]))
    assert not edits, "neither the wall nor the object itself"
    view._on_click(clicking(view, second))
    assert edits.pop() == Edit("merge", (1, 2)) and not view._tool.kind
    for kind in ("split", "cut"):
        view._on_action(kind, BUTTON)
        for row in others:
            view._on_click(clicking(view, row))
        edit = edits.pop()
        assert (edit.kind, edit.ids) == (kind, (1,))
        np.testing.assert_allclose(edit.points, whole.points[others])
    view._on_action("none", BUTTON)
    view._rename("workbench", None)
    view._on_action("delete", BUTTON)
    view._on_action("undo", BUTTON)
    assert edits == [
        Edit("rename", (1,), "unknown"), Edit("rename", (1,), "workbench"),
        Edit("delete", (1,)), Edit("undo"),
    ]  # fmt: skip
    view._on_click(clicking(view, wall))
    assert view._chosen == 0 and "wall" in view._panel.facts.content
    view.show(labelled(objects=(2,)))
    assert view._panel.object.options == ("", "chair #2")


def test_the_brush_paints_what_is_shown_around_a_click_or_along_a_drag(viewer):
    view, whole = viewer(), brick()
    view.show(whole)
    edits, panel = view._desk.edits, view._panel
    panel.radius.value = 0.1
    view._on_action("brush", BUTTON)
    view._on_click(clicking(view, top_of(whole, 5, 5)))
    assert not edits, "it adds to the chosen object, and none is chosen"
    panel.gives.value = NONE
    view._on_click(clicking(view, top_of(whole, 5, 5)))
    dot = edits.pop()
    assert (dot.kind, dot.ids, dot.class_name) == ("paint", (), "unknown") and view._tool.kind == "brush"
    center = whole.points[top_of(whole, 5, 5)]
    expected = whole.points[np.linalg.norm(whole.points - center, axis=1) <= 0.1]
    np.testing.assert_array_equal(dot.points.astype(np.float32), expected)

    panel.gives.value = "table"
    for phase, x in ("start", 2), ("update", 6), ("end", 12):
        view._on_drag(dragging(view, phase, top_of(whole, x, 5)))
    line = edits.pop()
    assert (line.kind, line.class_name) == ("paint", "table") and not edits and not view._canvas._stroke
    xs = np.unique(np.floor(line.points[:, 0] / 0.04).astype(int))
    np.testing.assert_array_equal(xs, np.arange(0, 15))

    view._on_action("stop", BUTTON)
    view._on_click(clicking(view, top_of(whole, 5, 5)))
    view._on_action("brush", BUTTON)
    assert view._chosen == 1
    panel.gives.value = LEAVE
    view._on_click(clicking(view, top_of(whole, 9, 5)))
    taken = edits.pop()
    assert taken.ids == () and taken.class_name == "" and (whole.labels_at(taken.points)[1] == 1).all()
    panel.gives.value = JOIN
    view._on_click(clicking(view, top_of(whole, 10, 5)))
    given = edits.pop()
    assert given.ids == (1,) and (whole.labels_at(given.points)[1] == -1).all()
    panel.gives.value = "chair"  # as the chosen object is: it goes on
    view._on_click(clicking(view, top_of(whole, 10, 5)))
    assert edits.pop().ids == (1,)


def test_a_box_is_drawn_by_two_corners_and_its_height(viewer):
    view, whole = viewer(), brick()
    view.show(whole)
    edits, panel = view._desk.edits, view._panel
    view._on_action("box", BUTTON)
    for corner in ((2, 2), (9, 6)):
        view._on_action("make", BUTTON)
        assert not edits, "it has no second corner yet"
        view._on_click(clicking(view, top_of(whole, *corner)))
    assert panel.box_height.value == pytest.approx(3 * 0.04), "as high as what stands there"
    panel.box_height.value = 1.0
    view._on_action("make", BUTTON)
    made = edits.pop()
    assert (made.kind, made.ids, made.class_name) == ("box", (), "") and not view._tool.kind
    np.testing.assert_allclose(made.points, [(0.08, 0.08, 0), (0.4, 0.28, 1.0)], atol=1e-6)
    events = (Event("created", 2),)
    view.show(replace(whole, events=events, instances=(*whole.instances, instance(2, whole.points[:9]))))
    assert view._chosen == 2, "what has been made is chosen"


def test_what_happened_is_told_once_however_often_its_map_is_shown():
    """A corrected update comes in three messages, each of which may be shown with the others' old ones."""
    story, whole = Story(), labelled()
    made, painted = (Event("created", 1), Event("created", 2)), (Event("created", 3),)
    took_in = (Event("merged", 1, (3,)),)
    shown = [made, made, painted, painted, (), took_in]
    news = [story.add(replace(whole, events=events)) for events in shown]
    assert news == [made, (), painted, (), (), took_in]
    assert [text for _, text in story.events] == ["#1 created", "#2 created", "#3 created", "#1 took in #3"]
    assert [text.split(": ")[1] for text in story.of(3)] == ["#3 created", "#1 took in #3"]
    later = replace(whole, stamp_ns=20, events=took_in)
    assert story.add(later) == took_in, "of another map it is another time"


def test_keys_go_through_the_objects_and_give_classes(viewer):
    view, whole = viewer(), labelled()
    view.show(whole)
    edits = view._desk.edits
    for key, chosen in ("next", 1), ("next", 2), ("next", 1), ("previous", 2), ("previous", 1):
        view._on_action(key, BUTTON)
        assert view._chosen == chosen
    view.show(replace(whole, instances=whole.instances[1:]))
    view._on_action("next", BUTTON)
    assert view._chosen == 2, "one goes on from where the object was that is gone"
    view.show(whole)
    view._on_action("previous", BUTTON)
    view._on_action("2", BUTTON)
    assert edits.pop() == Edit("rename", (1,), "table")
    view._rename("workbench", None)
    assert view._quick.names[-1] == "workbench" and edits.pop().class_name == "workbench"
    view._on_action("brush", BUTTON)
    view._on_action("9", BUTTON)
    assert view._panel.gives.value == "workbench" and not edits


def test_a_choice_of_a_user_is_told_once_and_leaves_the_keyboard(viewer):
    view, whole = viewer(), labelled()
    view.show(whole)
    view._choose_object(1)
    edits, panel = view._desk.edits, view._panel
    client = SimpleNamespace(add_notification=lambda *_, **__: None)

    def choose(choice, value):
        before = choice._handle
        choice._updated(SimpleNamespace(target=SimpleNamespace(value=value), client=client))
        assert choice._handle is not before, "the field that had the keyboard is gone"

    choose(panel.object, "chair #2")
    assert view._chosen == 2 and panel.object.value == "", "there is room to type the next one"
    choose(panel.name, "table")
    assert edits == [Edit("rename", (2,), "table")] and panel.name.value == ""
    choose(panel.name, "table")
    assert len(edits) == 2, "the same class for another object is a choice as well"
    choose(panel.gives, NONE)
    assert panel.gives.options[:3] == (JOIN, LEAVE, NONE)


def test_a_click_that_does_nothing_says_why(viewer):
    view, whole = viewer(), labelled()
    view.show(whole)
    told = []
    client = SimpleNamespace(add_notification=lambda title, text, **_: told.append((title, text)))
    first = int(np.flatnonzero(whole.instance_id == 1)[0])
    wall = int(np.flatnonzero((whole.instance_id < 0) & (whole.semantic_label == WALL))[0])
    sky = SimpleNamespace(ray_origin=(0, 0, 9), ray_direction=(0, 0, 1), client=client)

    def click(row):
        view._on_click(SimpleNamespace(**vars(clicking(view, row)) | {"client": client}))

    button = SimpleNamespace(client=client)
    for ask in ("merge", "delete", "make"):
        view._on_action(ask, button)
    view._choose_object(1)
    view._on_action("merge", button)
    click(wall)
    click(first)
    view._on_click(sky)
    assert not view._desk.edits and [title for title, _ in told] == ["Not done"] * 6
    for (_, text), words in zip(told, ("choose", "choose", "no box", "no object", "itself", "nothing")):
        assert words in text
    assert view._tool.kind == "merge", "it stays in the hand"
    view._on_action("split", button)
    hints = [view._panel.hint.content]
    click(first)
    hints.append(view._panel.hint.content)
    assert "one of the two parts of #1" in hints[0] and "other part" in hints[1]
    click(int(np.flatnonzero(whole.instance_id == 1)[5]))
    assert told[-1] == ("Done", "split #1: done") and view._panel.hint.content == ""


def test_a_further_quick_class_takes_the_place_of_the_longest_unused():
    quick = Quick(("a", "b", "c"))
    for used, names in ("a", "abc"), ("d", "abd"), ("e", "aed"), ("a", "aed"), ("f", "aef"), ("g", "agf"):
        quick = quick.with_used(used)
        assert "".join(quick.names) == names


def test_a_desk_that_answers_through_the_page_is_not_waited_for_with_the_page_locked(viewer):
    view, whole = viewer(), labelled()
    view.show(whole)

    def correct(edit):
        other = threading.Thread(target=view.show, args=(whole,), daemon=True)
        other.start()
        other.join(60)
        assert not other.is_alive(), "the page is locked"
        return "done"

    view._desk.correct = correct
    first, second = (int(np.flatnonzero(whole.instance_id == id)[0]) for id in (1, 2))
    view._on_click(clicking(view, first))
    view._on_action("merge", BUTTON)
    view._on_click(clicking(view, second))
    view._on_action("undo", BUTTON)


# --- files --------------------------------------------------------------------------------------------


def test_the_exported_room_has_what_the_map_says():
    whole = labelled()
    custom = replace(whole, class_names=("workbench", *LABEL_NAMES[1:]))
    sample = to_sample(custom)
    np.testing.assert_array_equal(sample.points, whole.points)
    expected = np.where(whole.semantic_label == WALL, -1, whole.semantic_label)
    np.testing.assert_array_equal(sample.semantic_label, expected)
    np.testing.assert_array_equal(sample.instance_label, whole.instance_id)


def test_an_object_keeps_a_name_of_ones_own_in_the_exported_room():
    whole = labelled()
    first, *others = whole.instances
    sample = to_sample(replace(whole, instances=(replace(first, class_name="workbench"), *others)))
    rows = whole.instance_id == first.id
    assert rows.any() and (sample.semantic_label[rows] == UNKNOWN).all()
    assert sample.own_names == {int(sample.instance_label[rows][0]): "workbench"}
    assert sample.semantic_label[~rows].tolist() == to_sample(whole).semantic_label[~rows].tolist()


def test_an_exported_object_is_of_one_class_whatever_the_map_says_of_its_voxels(tmp_path):
    """Else its PLY is refused as a labelled map, and what was looked over is not what is taught."""
    whole, table = labelled(), LABEL_NAMES.index("table")
    label = np.where(whole.points[:, 2] < 1, table, whole.semantic_label).astype(np.int32)
    mixed = replace(whole, semantic_label=label)
    assert len(np.unique(label[whole.instance_id == 1])) == 2
    room, ply, _ = export_room(mixed, tmp_path, "room")
    for path in room, ply:
        sample = load_room(path)
        of_objects = sample.instance_label >= 0
        assert set(sample.semantic_label[of_objects]) == {CHAIR} and of_objects.any(), path
        assert table in sample.semantic_label[~of_objects], "of no object: as the map says"
    assert labelled_files([tmp_path]) == {"room.room": room}, "the folder has this room once"


@pytest.fixture
def desk(stub_networks, tmp_path, monkeypatch):
    """A function that opens what `ssen view` with these arguments puts on the desk."""
    opened = []

    class Viewer:
        def __init__(self, desk):
            opened.append(desk)

        def show(self, labelled):
            opened[-1].shown = labelled

        def wait(self):
            pass

    monkeypatch.setattr("ssen_ros.cli.view.open_viewer", lambda desk, args: Viewer(desk))

    def open_desk(*args):
        assert main(["view", *map(str, args)]) == 0
        return opened[-1]

    return open_desk


def write_room(path):
    """Two boxes on a floor, for the HeightSegmenter of conftest."""
    axes = np.meshgrid(np.arange(60), np.arange(60), indexing="ij")
    floor = np.stack([*axes, np.zeros_like(axes[0])], -1).reshape(-1, 3)
    boxes = [np.argwhere(np.ones((8, 8, 8))) + offset for offset in ((5, 5, 2), (40, 40, 2))]
    points = ((np.concatenate([floor, *boxes]) + 0.5) * 0.05).astype(np.float32)
    np.savez(path, points=points, colors=np.full(points.shape, 90, np.uint8))
    return path


def test_a_file_is_corrected_kept_opened_again_and_exported(desk, tmp_path, capsys):
    room, out = write_room(tmp_path / "room.npz"), tmp_path / "out"
    first = desk(room, "--out", out)
    one, other = (i.id for i in first.shown.instances)
    assert first.correct(Edit("rename", (one,), "table")) == "1 correction in room.npz"
    assert {i.id: i.class_name for i in first.shown.instances} == {one: "table", other: "chair"}
    with pytest.raises(CorrectionError):
        first.correct(Edit("rename", (99,), "table"))
    assert is_map(out / "room.npz") and not is_map(room)
    assert len(read_map(out / "room.npz").memory.corrections) == 1

    capsys.readouterr()
    again = desk(room, "--out", out)
    assert "going on with the 1 corrections" in capsys.readouterr().out
    assert {i.id: i.class_name for i in again.shown.instances} == {one: "table", other: "chair"}
    saved = desk(out / "room.npz")
    saved.correct(Edit("merge", (one, other)))
    assert [i.id for i in saved.shown.instances] == [one]

    files = saved.export(saved.shown)
    assert {path.name for path in files} == {"room.room.npz", "room.ply", "room.json"}
    assert len(load_sample(files[0])) == len(read_cloud(files[1])) == len(saved.shown)
    assert len(json.loads(files[2].read_text())["instances"]) == 1


def test_a_map_of_another_cloud_is_not_gone_on_with(desk, tmp_path, capsys):
    room, out = write_room(tmp_path / "room.npz"), tmp_path / "out"
    desk(room, "--out", out).correct(Edit("delete", (1,)))
    points = np.load(room)["points"][:-60]
    np.savez(room, points=points, colors=np.zeros(points.shape, np.uint8))
    assert main(["view", str(room), "--out", str(out)]) == 1
    assert "of another cloud" in capsys.readouterr().err
