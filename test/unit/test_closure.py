"""SLAM moves the map: what is known of it goes along, and clients see the same objects at other places."""

import numpy as np
import pytest

from ssen_ros import voxel_keys
from ssen_ros.closure import follow
from ssen_ros.config import ClusteringConfig, FusionConfig, InstancesConfig, SsenConfig
from ssen_ros.corrections import Edit
from ssen_ros.io.saved_map import SavedMap, read_map, write_map
from ssen_ros.pipeline import Segmenting, SsenPipeline
from ssen_ros.structures import Memory
from ssen_ros.voxel_map import VoxelMap

SIZE = 0.05
NAMES = ("wall", "floor", "chair", "table", "unknown")
FLOOR, CHAIR, TABLE = 1, 2, 3
GREY, RED, BLUE = (100, 100, 100), (200, 0, 0), (0, 0, 200)
SHIFT = (5, -3, 2)  # voxels; more than any object is thick


class Stub(Segmenting):
    """Floor grey, chairs red, tables blue; a cluster is what is of one colour within the same 2 m of x."""

    voxel_size, class_names = SIZE, NAMES
    classes = {GREY: FLOOR, RED: CHAIR, BLUE: TABLE}

    def semantic(self, snapshot, floor):
        label = np.array([self.classes[tuple(c)] for c in snapshot.colors.tolist()], dtype=int)
        return np.where(np.arange(len(NAMES)) == label[:, None], -0.1, -4.0).astype(np.float32)

    def embed(self, snapshot, thing_rows, floor):
        points = snapshot.points[thing_rows]
        return np.stack([2 * (points[:, 0] // 2), snapshot.colors[thing_rows, 0] / 50], axis=1).astype(
            np.float32
        )


def shell(low, size, color):
    """The surface of a block of voxels, one point each."""
    axes = [np.arange(n) for n in size]
    coords = np.stack(np.meshgrid(*axes, indexing="ij"), -1).reshape(-1, 3)
    coords = coords[((coords == 0) | (coords == np.array(size) - 1)).any(axis=1)]
    return (coords + np.array(low) + 0.5) * SIZE, np.tile(np.array(color, np.uint8), (len(coords), 1))


PARTS = {
    "ground": shell((-10, -10, -2), (150, 40, 1), GREY),
    "first": shell((8, 0, 0), (6, 7, 14), RED),
    "second": shell((50, 4, 0), (7, 6, 12), RED),
    "third": shell((90, 0, 0), (16, 9, 8), BLUE),
}


class Run:
    """Update after update of maps of these parts, some of them moved by voxels."""

    def __init__(self, fused=False, **config):
        config = SsenConfig(
            fusion=FusionConfig() if fused else FusionConfig(hold=0.0, quiet_passes=0),
            clustering=ClusteringConfig(min_cluster_size=20),
            instances=InstancesConfig(**config),
        )
        self.pipeline, self.memory, self.stamp_ns = SsenPipeline(Stub(), config), Memory(), 0
        self.update()
        self.ids = {name: self.at(name) for name in PARTS if name != "ground"}

    def update(self, shift=(0, 0, 0), without=()):
        self.map = VoxelMap(SIZE)
        parts = [(p + np.array(shift) * SIZE, c) for name, (p, c) in PARTS.items() if name not in without]
        self.map.integrate(*(np.concatenate(arrays) for arrays in zip(*parts, strict=True)))
        self.stamp_ns += 10
        self.result = self.pipeline.step(self.map.snapshot(), self.stamp_ns, self.memory)
        self.memory = self.result.memory

    def correct(self, kind, *ids, class_name="", points=None):
        self.result = self.pipeline.correct(self.result, Edit(kind, ids, class_name, points))
        self.memory = self.result.memory

    def at(self, name, shift=(0, 0, 0)):
        """The id of the object at the place of this part."""
        return self.told(name, self.result.instance_id, shift)

    def label(self, name, shift=(0, 0, 0)):
        return self.told(name, self.result.semantic_label, shift)

    def told(self, name, values, shift):
        coords = np.floor(PARTS[name][0] / SIZE).astype(int) + shift
        here = (self.result.snapshot.voxel_coords[:, None] == coords).all(axis=2).any(axis=1)
        (value,) = set(values[here].tolist())
        return value


def test_objects_keep_their_ids_and_nobody_hears_of_new_ones():
    run = Run()
    assert len(set(run.ids.values())) == 3
    before = {i.id: i.centroid for i in run.result.instances}
    run.update(SHIFT)
    assert run.result.events == ()
    assert {name: run.at(name, SHIFT) for name in run.ids} == run.ids
    for one in run.result.instances:
        np.testing.assert_allclose(one.centroid - before[one.id], np.array(SHIFT) * SIZE, atol=1e-4)


def test_an_object_that_is_not_found_at_the_moment_moves_too():
    run = Run(max_missed=5)
    run.pipeline.segmenter.classes = Stub.classes | {BLUE: FLOOR}  # no table is seen any more
    for shift in ((0, 0, 0), SHIFT):
        run.update(shift)
        (table,) = (i for i in run.result.instances if i.id == run.ids["third"])
        assert table.state == "missing"
    np.testing.assert_allclose(
        table.centroid, PARTS["third"][0].mean(axis=0) + np.array(SHIFT) * SIZE, atol=0.02
    )
    assert table.box.center[2] == pytest.approx((4 + SHIFT[2]) * SIZE, abs=0.02)
    run.pipeline.segmenter.classes = Stub.classes
    run.update(SHIFT)
    assert run.at("third", SHIFT) == run.ids["third"] and run.result.events == ()


def test_what_earlier_passes_have_said_goes_along():
    """The networks doubt where the table has gone; nothing around it has changed, and it is held."""
    run = Run(fused=True)
    run.pipeline.segmenter.classes = Stub.classes | {BLUE: FLOOR}
    run.update(SHIFT)
    assert run.label("third", SHIFT) == TABLE and run.at("third", SHIFT) == run.ids["third"]
    known = run.memory.evidence.keys
    assert np.array_equal(known, voxel_keys.pack(run.result.snapshot.voxel_coords))


def test_what_leaves_the_map_is_retired_though_the_others_move():
    run = Run()
    run.update(SHIFT, without=["first"])
    assert [(e.kind, e.id) for e in run.result.events] == [("retired", run.ids["first"])]
    assert run.at("second", SHIFT) == run.ids["second"]


def test_a_deletion_and_a_name_move_with_what_they_speak_of():
    run = Run()
    run.correct("delete", run.ids["first"])
    run.correct("rename", run.ids["third"], class_name="bench")
    for shift in (SHIFT, (0, 0, 0), SHIFT):
        run.update(shift)
        assert run.at("first", shift) == -1 and run.label("first", shift) == -1
        assert {i.id: i.class_name for i in run.result.instances}[run.ids["third"]] == "bench"
        assert run.result.events == () and len(run.result.instances) == 2
    run.correct("undo")
    run.correct("undo")
    run.update(SHIFT)
    assert {name: run.at(name, SHIFT) for name in run.ids} == run.ids
    assert {i.class_name for i in run.result.instances} == {"chair", "table"}


def test_a_merger_and_a_split_move_with_their_objects():
    run = Run()
    first, second, third = run.ids.values()
    run.correct("merge", first, second)
    middle = PARTS["third"][0].mean(axis=0)
    run.correct("cut", third, points=np.array([middle - (0, 1, 0), middle + (0, 1, 0)]))
    voxels = {i.id: i.voxel_count for i in run.result.instances}
    assert len(voxels) == 3
    run.update(SHIFT)
    assert run.at("first", SHIFT) == run.at("second", SHIFT) == first
    assert run.result.events == ()
    for one in run.result.instances:
        assert one.voxel_count == pytest.approx(voxels[one.id], rel=0.05)


def test_a_pass_that_was_corrected_meanwhile_follows_the_map_too():
    run = Run()
    earlier = run.result
    run.update(SHIFT)
    corrected = run.pipeline.correct(earlier, Edit("rename", (run.ids["first"],), "bench"))
    late = run.pipeline.conclude(run.result, corrected.memory)
    assert {i.id: i.class_name for i in late.instances}[run.ids["first"]] == "bench"
    assert late.events == () and {i.id for i in late.instances} == set(run.ids.values())


def test_followed_once_nothing_is_left_to_follow():
    run = Run()
    snapshot = run.map.snapshot()
    memory = follow(run.memory, snapshot)
    assert memory.known is run.memory.known and memory.corrections is run.memory.corrections
    assert follow(memory, snapshot).map is snapshot
    assert follow(Memory(), snapshot).known == ()


def test_a_map_that_was_saved_is_told_of_without_a_pass(tmp_path):
    run = Run(fused=True)
    run.correct("delete", run.ids["first"])
    run.correct("rename", run.ids["third"], class_name="bench")
    path, saved = tmp_path / "a.npz", run.result
    write_map(path, SavedMap("map", 30, SIZE, NAMES, run.map.state, run.memory))
    run.pipeline.segmenter.semantic = None  # nothing is asked of the networks
    read = read_map(path)
    found = run.pipeline.recall(run.map.snapshot(), 30, Memory().begin(read.memory))
    assert found is not None
    for name in ("instance_id", "semantic_label", "thing_rows"):
        np.testing.assert_array_equal(getattr(found, name), getattr(saved, name))
    assert {i.id: i.class_name for i in found.instances} == {i.id: i.class_name for i in saved.instances}
    assert [(e.kind, e.id) for e in found.events] == [("created", i.id) for i in saved.instances]
    again = run.pipeline.recall(run.map.snapshot(), 40, found.memory)
    assert again is not None and again.events == ()
    other = VoxelMap(SIZE)
    other.integrate(*PARTS["ground"])
    assert run.pipeline.recall(other.snapshot(), 50, read.memory) is None, (
        "of another map it knows too little"
    )
    assert run.pipeline.recall(run.map.snapshot(), 50, Memory()) is None


def test_a_map_may_change_after_voxels_of_no_object_were_painted():
    run = Run()
    run.correct("paint", class_name="bench", points=PARTS["ground"][0][:30])
    for without in ("third",), ():
        run.update(without=without)
        assert "bench" in {i.class_name for i in run.result.instances}
