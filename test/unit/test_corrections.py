"""Corrections by hand: what they change at once is what every later update keeps to."""

from dataclasses import asdict, replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ssen_ros.config import ClusteringConfig, InstancesConfig, SsenConfig
from ssen_ros.corrections import MAX_NAME, Edit
from ssen_ros.errors import CorrectionError, MapFileError
from ssen_ros.io.saved_map import SavedMap, read_map, write_map
from ssen_ros.pipeline import Segmenting, SsenPipeline
from ssen_ros.structures import Event, Memory
from ssen_ros.voxel_map import VoxelMap

SIZE = 0.1
NAMES = ("wall", "floor", "chair", "table", "unknown")
WALL, FLOOR, CHAIR, TABLE, UNKNOWN = range(5)
GREY, RED, BLUE = (100, 100, 100), (200, 0, 0), (0, 0, 200)


class Stub(Segmenting):
    """Floor grey, chairs red, tables blue; what stands within the same metre of x is one cluster."""

    voxel_size, class_names, device = SIZE, NAMES, "cpu"
    classes = {GREY: FLOOR, RED: CHAIR, BLUE: TABLE}

    def semantic(self, snapshot, floor):
        label = np.array([self.classes[tuple(c)] for c in snapshot.colors.tolist()], dtype=int)
        return np.where(np.arange(len(NAMES)) == label[:, None], -0.1, -4.0).astype(np.float32)

    def embed(self, snapshot, thing_rows, floor):
        return np.floor(snapshot.points[thing_rows, :1] + 1e-4) * np.ones((1, 3), np.float32)


def block(low, high, color):
    """One point in each voxel from `low` to `high`, both in voxels."""
    axes = [np.arange(a, b) for a, b in zip(low, high, strict=True)]
    points = (np.stack(np.meshgrid(*axes, indexing="ij"), -1).reshape(-1, 3) + 0.5) * SIZE
    return points, np.tile(np.array(color, np.uint8), (len(points), 1))


GROUND = block((-5, -5, -1), (45, 10, 0), GREY)
FIRST = block((0, 0, 0), (5, 3, 3), RED)  # 45 voxels
SECOND = block((10, 0, 0), (15, 3, 3), RED)
THIRD = block((20, 0, 0), (25, 4, 3), BLUE)  # 60 voxels
ROOM = GROUND, FIRST, SECOND, THIRD


class Room:
    """A map and its updates, as the node has them."""

    def __init__(self, *parts, unknown=False):
        config = SsenConfig(
            clustering=ClusteringConfig(min_cluster_size=20), instances=InstancesConfig(max_missed=1)
        )
        config = replace(config, publish=replace(config.publish, unknown=unknown))
        self.pipeline = SsenPipeline(Stub(), config)
        self.memory, self.stamp_ns = Memory(), 0
        self.update(*(parts or ROOM))

    def update(self, *parts):
        if parts:
            self.map = VoxelMap(SIZE)
            self.map.integrate(*(np.concatenate(arrays) for arrays in zip(*parts, strict=True)))
        self.stamp_ns += 10
        self.result = self.pipeline.step(self.map.snapshot(), self.stamp_ns, self.memory)
        self.memory = self.result.memory

    def correct(self, kind, *ids, class_name="", points=None):
        points = None if points is None else np.array(points, float) * SIZE
        self.result = self.pipeline.correct(self.result, Edit(kind, ids, class_name, points))
        self.memory = self.result.memory

    @property
    def classes(self):
        return {i.id: i.class_name for i in self.result.instances}

    @property
    def voxels(self):
        ids, counts = np.unique(self.result.instance_id, return_counts=True)
        return {int(id): int(count) for id, count in zip(ids, counts) if id > 0}

    def labels(self, part):
        """The classes that the voxels of a block have now."""
        coords = np.floor(part[0] / SIZE).astype(int)
        wanted = (self.result.snapshot.voxel_coords[:, None] == coords).all(axis=2).any(axis=1)
        return set(self.result.semantic_label[wanted].tolist())


@pytest.fixture
def room():
    room = Room()
    assert sorted(room.classes.values()) == ["chair", "chair", "table"]
    return room


def id_of(room, part):
    middle = part[0].mean(axis=0)
    return min(room.result.instances, key=lambda i: np.linalg.norm(i.centroid - middle)).id


def test_a_renamed_object_has_its_class_at_once_and_in_every_later_update(room):
    first = id_of(room, FIRST)
    room.correct("rename", first, class_name=" table ")
    for _ in range(3):
        assert room.classes[first] == "table" and room.labels(FIRST) == {TABLE}
        (instance,) = (i for i in room.result.instances if i.id == first)
        assert (instance.class_id, instance.score, instance.voxel_count) == (TABLE, 1.0, 45)
        assert (room.result.confidence[room.result.instance_id == first] == 1.0).all()
        room.update()


def test_a_name_that_the_networks_do_not_know_is_kept_as_a_name(room):
    first = id_of(room, FIRST)
    room.correct("rename", first, class_name="Küchen-Bank 2")
    room.update()
    assert room.classes[first] == "Küchen-Bank 2" and room.labels(FIRST) == {UNKNOWN}
    assert (room.result.instance_id >= 0).sum() == 45 + 45 + 60


@pytest.mark.parametrize("unknown", [False, True])
def test_none_of_these_is_unknown_and_told_of_like_others(unknown):
    room = Room(unknown=unknown)
    first = id_of(room, FIRST)
    room.correct("rename", first, class_name="unknown")
    for _ in range(2):
        assert (first in room.classes) == unknown and room.labels(FIRST) == {UNKNOWN}
        room.update()


def test_what_grows_out_of_a_corrected_object_goes_with_it(room):
    first = id_of(room, FIRST)
    room.correct("rename", first, class_name="table")
    room.update(GROUND, block((0, 0, 0), (8, 3, 3), RED), SECOND, THIRD)
    assert room.classes[first] == "table" and room.voxels[first] == 72
    assert room.labels(block((0, 0, 0), (8, 3, 3), RED)) == {TABLE}


def test_a_name_goes_with_an_object_that_moves_away_from_its_voxels(room):
    first = id_of(room, FIRST)
    room.correct("rename", first, class_name="table")
    for x in range(1, 6):  # of 5 voxels
        room.update(GROUND, block((x, 0, 0), (x + 5, 3, 3), RED), THIRD)
        assert room.classes[first] == "table" and room.voxels[first] == 45


def test_a_small_object_does_not_take_along_a_large_cluster_that_has_swallowed_it(room):
    first = id_of(room, FIRST)
    room.correct("rename", first, class_name="table")
    room.update(GROUND, FIRST, block((5, 0, 0), (10, 9, 9), RED), SECOND, THIRD)
    assert room.classes[first] == "table" and room.voxels[first] == 45
    assert sorted(room.classes.values()) == ["chair", "chair", "table", "table"]


def test_the_hand_beats_the_networks_whatever_they_say_later(room):
    first = id_of(room, FIRST)
    room.correct("rename", first, class_name="table")
    room.update(GROUND, block((0, 0, 0), (5, 3, 3), GREY), SECOND, THIRD)  # now they call it floor
    assert room.classes[first] == "table" and room.voxels[first] == 45 and room.labels(FIRST) == {TABLE}


def test_voxels_that_come_back_have_kept_their_word(room):
    first = id_of(room, FIRST)
    room.correct("rename", first, class_name="table")
    for _ in range(4):
        room.update(GROUND, SECOND, THIRD)
    assert first not in room.classes
    room.update(*ROOM)
    assert room.classes[first] == "table"


def test_an_object_renamed_to_structure_is_none(room):
    first = id_of(room, FIRST)
    room.correct("rename", first, class_name="wall")
    assert room.result.events == (Event("retired", first),)
    for _ in range(2):
        assert first not in room.classes and room.labels(FIRST) == {WALL}
        assert len(room.result.thing_rows) == 45 + 60
        room.update()
    assert room.result.events == ()


def test_a_deleted_object_is_of_no_class_with_all_that_grows_out_of_it(room):
    first = id_of(room, FIRST)
    room.correct("delete", first)
    room.update(GROUND, block((0, 0, 0), (8, 3, 3), RED), SECOND, THIRD)
    assert len(room.classes) == 2 and room.labels(block((0, 0, 0), (8, 3, 3), RED)) == {-1}


def test_merged_objects_are_one_with_the_id_of_the_first(room):
    first, second, third = (id_of(room, part) for part in (FIRST, SECOND, THIRD))
    room.correct("merge", third, first)
    assert room.result.events == (Event("merged", third, (first,)),)
    for _ in range(2):
        assert room.voxels == {third: 105, second: 45}
        (one,) = (i for i in room.result.instances if i.id == third)
        assert one.voxel_count == 105 and one.box.size[0] == pytest.approx(2.4, abs=0.01)
        assert one.first_seen_ns == 10
        room.update()
    assert room.result.events == ()


def test_a_split_object_is_two_and_the_larger_part_keeps_the_id(room):
    third = id_of(room, THIRD)
    new = room.memory.next_id
    room.correct("split", third, points=[(20.5, 2, 1), (24.5, 2, 1)])
    assert room.result.events == (Event("created", new), Event("split", third, (new,)))
    assert room.voxels[third] + room.voxels[new] == 60 and room.voxels[third] >= room.voxels[new] >= 20
    parts = room.voxels
    room.update()
    assert room.voxels == parts and room.memory.next_id == new + 1
    room.correct("rename", new, class_name="chair")
    room.update()
    assert (room.classes[third], room.classes[new]) == ("table", "chair")


def test_a_split_follows_the_surface():
    """A U: its ends are near to each other, and far along it."""
    corners = ((0, 0, 0), (9, 1, 2)), ((8, 1, 0), (9, 2, 2)), ((0, 2, 0), (9, 3, 2))
    u = [block(low, high, RED) for low, high in corners]
    room = Room(GROUND, *u)
    (whole,) = room.classes
    room.correct("split", whole, points=[(0, 0.5, 0.5), (0, 2.5, 0.5)])
    assert sorted(room.voxels.values()) == [18, 20]


def test_a_cut_is_an_upright_plane(room):
    third = id_of(room, THIRD)
    new = room.memory.next_id
    room.correct("cut", third, points=[(23, -1, 0), (23, 9, 2)])
    assert room.voxels[third] == 36 and room.voxels[new] == 24
    of_new = room.result.snapshot.points[room.result.instance_id == new]
    assert of_new[:, 0].min() > 2.3


def middles(part):
    """The middles of a block's voxels, in voxels."""
    return part[0] / SIZE


def test_painted_voxels_join_the_object_and_leave_the_others(room):
    first, second = id_of(room, FIRST), id_of(room, SECOND)
    room.correct("rename", second, class_name="table")
    floor, part = block((0, 4, -1), (5, 6, 0), GREY), block((10, 0, 0), (12, 3, 3), RED)
    room.correct("paint", first, points=np.concatenate([middles(floor), middles(part)]))
    for _ in range(2):
        assert room.voxels[first] == 45 + 10 + 18 and room.voxels[second] == 45 - 18
        assert (room.classes[first], room.classes[second]) == ("chair", "table")
        assert room.labels(floor) == room.labels(part) == {CHAIR}
        room.update()
    assert room.result.events == ()


def test_voxels_painted_with_a_class_are_a_new_object_of_it(room):
    new = room.memory.next_id
    room.correct("paint", class_name="bench", points=middles(block((0, 4, -1), (5, 6, 0), GREY)))
    assert room.result.events == (Event("created", new),)
    room.correct("paint", new, points=middles(block((0, 6, -1), (5, 7, 0), GREY)))
    room.update()
    assert room.classes[new] == "bench" and room.voxels[new] == 15


def test_voxels_painted_as_structure_or_nothing_are_of_no_object(room):
    first, wrong, none = id_of(room, FIRST), FIRST, block((0, 0, 0), (1, 3, 3), RED)
    room.correct("paint", class_name="wall", points=middles(block((-5, -5, -1), (0, 10, 0), GREY)))
    assert room.labels(block((-5, -5, -1), (0, 10, 0), GREY)) == {WALL}
    room.correct("paint", points=middles(none))
    for _ in range(2):
        assert room.labels(none) == {-1} and room.voxels[first] == 36
        room.update()
    room.correct("paint", class_name="floor", points=middles(wrong))
    assert first not in room.classes and room.labels(wrong) == {FLOOR}
    assert room.result.events == (Event("retired", first),)


def test_a_box_makes_one_object_of_all_things_in_it(room):
    first, second, third = (id_of(room, part) for part in (FIRST, SECOND, THIRD))
    new = room.memory.next_id
    room.correct("box", class_name="table", points=[(16, 9, 9), (2, -1, -2)])
    for _ in range(2):
        assert room.voxels == {first: 18, third: 60, new: 27 + 45} and room.classes[new] == "table"
        assert room.labels(GROUND) == {FLOOR}
        room.update()
    room.correct("undo")
    room.correct("box", first, points=[(0, 0, 0), (4, 9, 9)])
    assert room.voxels == {first: 36, second: 45, third: 60}
    assert room.labels(block((4, 0, 0), (5, 3, 3), RED)) == {-1}
    room.correct("undo")
    room.correct("box", points=[(0, 0, 0), (4, 9, 9)])
    assert room.classes[room.memory.next_id - 1] == "chair"


EDITS = st.lists(
    st.tuples(
        st.sampled_from(["rename", "merge", "delete", "split", "cut", "paint", "box", "undo", "update"]),
        st.permutations(range(5)),
        st.sampled_from(["chair", "table", "wall", "unknown", "lamp"]),
    ),
    max_size=6,
)


def attempt(room, kind, order, name):
    """The edit, of whichever objects there are; True where it could be made."""
    ids = [id for _, id in sorted(zip(order, room.classes), key=lambda pair: pair[0])]
    if kind == "update":
        return room.update() or False
    if kind == "undo" and not len(room.memory.corrections):
        return False
    if kind != "undo" and len(ids) < (2 if kind == "merge" else 1):
        return False
    ids = () if kind == "undo" else ids[:2] if kind == "merge" else ids[:1]
    points = None
    if kind in ("split", "cut", "box"):
        (one,) = (i for i in room.result.instances if i.id == ids[0])
        points = np.array([one.centroid - (0.11, 0.11, 0), one.centroid + (0.11, 0, 0)]) / SIZE
        points += 0 if kind != "box" else [[0, 0, -1], [9, 9, 9]]
    if kind == "paint":
        low = np.array([order[0] * 5, 0, -1])
        points = middles(block(low, low + (4, 2, 3), GREY))
    if kind in ("paint", "box"):
        ids, name = (ids, "") if order[-1] % 2 else ((), name)
    try:
        room.correct(kind, *ids, class_name=name, points=points)
    except CorrectionError:
        return False
    return True


@given(EDITS)
def test_the_next_update_says_what_the_correction_said_at_once(edits):
    room = Room(unknown=True)
    for edit in edits:
        attempt(room, *edit)
        at_once, classes = room.result, room.classes
        room.update()
        np.testing.assert_array_equal(room.result.instance_id, at_once.instance_id)
        np.testing.assert_array_equal(room.result.semantic_label, at_once.semantic_label)
        np.testing.assert_array_equal(room.result.thing_rows, at_once.thing_rows)
        assert room.classes == classes and room.result.events == ()


@given(EDITS)
def test_undone_one_by_one_all_is_as_it_was(edits):
    room = Room(unknown=True)
    states = [(room.classes, room.voxels)]
    for kind, order, name in edits:
        if kind not in ("undo", "update") and attempt(room, kind, order, name):
            states.append((room.classes, room.voxels))
    while len(room.memory.corrections):
        assert (room.classes, room.voxels) == states.pop()
        room.correct("undo")
    assert [(room.classes, room.voxels)] == states


@given(EDITS)
def test_a_saved_log_replays(tmp_path_factory, edits):
    room = Room(unknown=True)
    for edit in edits:
        attempt(room, *edit)
    path = tmp_path_factory.mktemp("maps") / "a.npz"
    write_map(path, SavedMap("map", room.stamp_ns, SIZE, NAMES, room.map.state, room.memory))
    read = read_map(path).memory
    while True:
        mine, its = ([asdict(k) for k in memory.known] for memory in (room.memory, read))
        np.testing.assert_equal(its, mine)
        np.testing.assert_equal(asdict(read.corrections.hand), asdict(room.memory.corrections.hand))
        if not len(read.corrections):
            break
        read = room.pipeline.correct(replace(room.result, memory=read), Edit("undo")).memory
        room.correct("undo")


def test_a_pass_that_was_running_meanwhile_is_concluded_with_the_correction(room):
    running = room.pipeline.step(room.map.snapshot(), 99, room.memory)
    first = id_of(room, FIRST)
    room.correct("rename", first, class_name="table")
    late = room.pipeline.conclude(running, room.memory)
    assert {i.id: i.class_name for i in late.instances} == room.classes and late.stamp_ns == 99
    np.testing.assert_array_equal(late.semantic_label, room.result.semantic_label)


def test_corrections_go_with_their_map(room):
    room.correct("rename", 1, class_name="table")
    assert len(Memory().begin(room.memory).corrections) == 1
    assert len(room.memory.begin(Memory()).corrections) == 0


@pytest.mark.parametrize(
    ("kind", "ids", "more", "why"),
    [
        ("tint", (1,), {}, "kind = 'tint': expected one of rename, merge"),
        ("paint", (1,), {"points": [(0, 0, 0)], "class_name": "table"}, "expected one of them"),
        ("paint", (1, 2), {"points": [(0, 0, 0)]}, "2 objects were given; expected one"),
        ("paint", (1,), {}, "no voxel of the map is where the points are"),
        ("paint", (), {"points": [(0, 0, 1e30)], "class_name": "table"}, "no voxel of the map"),
        ("paint", (), {"points": [(0, 0, np.inf)]}, "expected some, x y z in m"),
        ("paint", (), {"points": [(0, 0, 0)], "class_name": "<b>"}, "expected letters, digits"),
        ("box", (1,), {"points": [(0, 0, 0)]}, "1 points were given; expected two"),
        ("box", (1,), {"points": [(0, 0, 0), (1, 1, 1)], "class_name": "table"}, "expected one of them"),
        ("box", (), {"points": [(0, 0, 50), (1, 1, 60)]}, "no thing is in it"),
        ("box", (), {"points": [(0, 0, 0), (1, 1, 1)], "class_name": "wall"}, "a wall is no object"),
        ("rename", (77,), {"class_name": "table"}, "no object has id 77"),
        ("rename", (), {"class_name": "table"}, "0 objects were given; expected one"),
        ("rename", (1,), {}, "class_name = '': expected letters"),
        ("rename", (1,), {"class_name": "<img onerror=alert(1)>"}, "expected letters, digits"),
        ("rename", (1,), {"class_name": "{alert(1)}"}, "expected letters, digits"),
        ("rename", (1,), {"class_name": "x" * (MAX_NAME + 1)}, "1 to 40"),
        ("merge", (1,), {}, "one object was given; expected two or more"),
        ("merge", (1, 1), {}, "one object was given; expected two or more"),
        ("split", (1, 2), {"points": [(0, 0, 0), (1, 1, 1)]}, "2 objects were given; expected one"),
        ("split", (1,), {}, "0 points were given; expected two"),
        ("split", (1,), {"points": [(0, 0, 0), (np.nan, 1, 1)]}, "expected two, x y z in m"),
        ("split", (1,), {"points": [(0, 0, 0), (0, 0, 0)]}, "both points are on one voxel"),
        ("cut", (1,), {"points": [(0, 0, 0), (0, 0, 9)]}, "lie above each other"),
        ("cut", (1,), {"points": [(-90, 0, 0), (-90, 9, 0)]}, "lies on one side"),
        ("undo", (), {}, "nothing has been corrected"),
    ],
)
def test_what_cannot_be_done_is_refused_and_changes_nothing(room, kind, ids, more, why):
    before = room.result
    with pytest.raises(CorrectionError, match=why.replace("(", r"\(")):
        room.correct(kind, *ids, **more)
    assert room.result is before


@pytest.mark.parametrize(
    ("name", "value", "why"),
    [
        ("log_kind", ["tint"], "log_kind"),
        ("painted_end", [1], "painted_end"),
        ("log_class_name", ["<img src=x>"], "log_class_name"),
        ("before_log_end", [2], "before_log_end"),
        ("after_log_end", [-1], "after_log_end"),
        ("after_id", [0], "ids"),
    ],
)
def test_a_log_that_is_damaged_or_made_up_is_refused(room, tmp_path, name, value, why):
    room.correct("rename", 1, class_name="lamp")
    path = tmp_path / "a.npz"
    write_map(path, SavedMap("map", room.stamp_ns, SIZE, NAMES, room.map.state, room.memory))
    with np.load(path) as archive:
        arrays = dict(archive)
    np.savez(path, **arrays | {name: np.array(value)})
    with pytest.raises(MapFileError, match=why):
        read_map(path)
