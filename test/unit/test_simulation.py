import sys
from collections import Counter, defaultdict
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage

from ssen_ros.errors import CloudError, SsenError
from ssen_ros.io.samples import COLOR_ERROR, VOXEL_SIZE, Sample, load_sample, save_sample
from ssen_ros.labels import CLASS_NAMES, LABEL_NAMES, STUFF_NAMES, UNKNOWN
from ssen_ros.simulation import CameraConfig, Frame, SimulatedSlam, build_room, generate, scan, walk
from ssen_ros.simulation.layout import footprint, overlap
from ssen_ros.simulation.rooms import kind_of
from ssen_ros.simulation.scene import Scene
from ssen_ros.simulation.slam import AccumulatedMap
from ssen_ros.simulation.walk import Drift, free_cells, motion

QUICK = CameraConfig(width=64, height=48, frames=12)
SEED = 3


@pytest.fixture(scope="module")
def sample():
    return scan(SEED, QUICK)


@pytest.fixture(scope="module")
def rooms():
    return [build_room(seed) for seed in range(30)]


def arrays(sample):
    return (sample.points, sample.colors, sample.semantic_label, sample.instance_label)


def test_same_seed_gives_identical_arrays(sample):
    for first, second in zip(arrays(sample), arrays(scan(SEED, QUICK)), strict=True):
        np.testing.assert_array_equal(first, second)


def test_another_seed_gives_another_room(sample):
    assert not np.array_equal(scan(SEED + 1, QUICK).points, sample.points)


def test_every_class_appears_in_a_handful_of_rooms(rooms):
    seen = {LABEL_NAMES[o.class_id] for room in rooms for o in room.objects}
    assert seen == set(LABEL_NAMES)


def test_instances_are_numbered_things_of_one_class(rooms):
    for room in rooms:
        ids = [o.instance_id for o in room.objects if LABEL_NAMES[o.class_id] not in STUFF_NAMES]
        assert sorted(ids) == list(range(1, len(ids) + 1))
        assert all(o.instance_id == -1 for o in room.objects if o.instance_id not in ids)


def test_furniture_stays_inside_the_room(rooms):
    for room in rooms:
        for placed in room.objects:
            if LABEL_NAMES[placed.class_id] in ("bed", "sofa", "desk", "toilet", "bathtub"):
                c, s = np.cos(placed.yaw), np.sin(placed.yaw)
                xy = placed.mesh.vertices[:, :2] @ np.array([[c, s], [-s, c]]) + placed.position[:2]
                assert (xy > -0.08).all() and (xy < np.array(room.size[:2]) + 0.08).all()
                assert placed.mesh.lower[2] + placed.position[2] > -0.02


def test_types_and_labels_are_valid(sample):
    assert [a.dtype for a in arrays(sample)] == [np.float32, np.uint8, np.int8, np.int16]
    assert len({len(a) for a in arrays(sample)}) == 1
    assert sample.semantic_label.min() >= -1 and sample.semantic_label.max() < len(LABEL_NAMES)
    stuff = np.isin(sample.semantic_label, [-1, *(LABEL_NAMES.index(name) for name in STUFF_NAMES)])
    assert (sample.instance_label[stuff] == -1).all()
    assert (sample.instance_label[~stuff] >= 1).all()


def test_an_instance_has_one_class(sample):
    things = sample.instance_label >= 1
    pairs = np.unique(np.column_stack([sample.instance_label[things], sample.semantic_label[things]]), axis=0)
    assert len(np.unique(pairs[:, 0])) == len(pairs)


def test_floor_is_the_bottom_near_zero(sample):
    floor = sample.points[sample.semantic_label == CLASS_NAMES.index("floor"), 2]
    assert abs(np.median(floor)) < 0.05
    assert np.percentile(sample.points[:, 2], 1) > -0.15


def test_at_most_one_point_per_voxel(sample):
    voxels = np.floor(sample.points.astype(np.float64) / VOXEL_SIZE)
    # float32 rounding of a mean may cross a voxel border now and then
    assert len(np.unique(voxels, axis=0)) > 0.999 * len(sample)


def frame_of(points, colors, semantic, instance):
    return Frame(points, colors, semantic.astype(np.int8), instance.astype(np.int16), np.eye(4))


@pytest.mark.parametrize("min_hits", [1, 2])
def test_accumulated_map_equals_a_dictionary(min_hits):
    rng = np.random.default_rng(0)
    cells, accumulated = defaultdict(list), AccumulatedMap(min_hits)
    for _ in range(4):
        points = rng.uniform(-0.05, 0.05, (150, 3)).astype(np.float32)
        colors = rng.integers(0, 256, (150, 3), np.uint8)
        semantic = rng.integers(-1, 20, 150)
        instance = np.where(semantic < 2, -1, semantic)
        accumulated.integrate(frame_of(points, colors, semantic, instance))
        for row in zip(points, colors, semantic, instance, strict=True):
            cells[tuple(np.floor(row[0].astype(np.float64) / VOXEL_SIZE).astype(int))].append(row)
    expected = {cell: rows for cell, rows in cells.items() if len(rows) >= min_hits}
    points, colors = accumulated.cloud()
    semantic, instance = accumulated.truth()
    assert len(points) == len(expected)
    for point, color, label, identity in zip(points, colors, semantic, instance, strict=True):
        rows = expected[tuple(np.floor(point.astype(np.float64) / VOXEL_SIZE).astype(int))]
        np.testing.assert_allclose(point, np.mean([r[0] for r in rows], axis=0), atol=1e-6)
        np.testing.assert_allclose(color, np.mean([r[1] for r in rows], axis=0), atol=0.51)
        votes = Counter((r[2], r[3]) for r in rows)
        assert votes[(label, identity)] == max(votes.values())


def test_live_map_grows_to_the_scanned_map(sample):
    slam = SimulatedSlam(SEED, QUICK)
    sizes = [len(points) for points, _ in slam]
    assert len(sizes) == len(slam) == QUICK.frames
    assert sizes[0] > 0 and sizes == sorted(sizes) and sizes[-1] > 2 * sizes[0]
    points, colors = slam.cloud()
    np.testing.assert_array_equal(points, sample.points)
    np.testing.assert_array_equal(colors, sample.colors)
    assert not slam.advance()


def test_without_embreex_the_walk_does_not_begin(monkeypatch):
    monkeypatch.setitem(sys.modules, "embreex", None)
    monkeypatch.setitem(sys.modules, "embreex.mesh_construction", None)
    with pytest.raises(SsenError, match="pip install embreex"):
        SimulatedSlam(SEED, QUICK)


def by_voxel(sample):
    """The sample's arrays in one order, its points as voxels."""
    voxels = np.floor(sample.points.astype(np.float64) / VOXEL_SIZE).astype(int)
    order = np.lexsort(voxels.T[::-1])
    return voxels[order], *(array[order] for array in arrays(sample)[1:])


def test_sample_round_trips_through_a_file(sample, tmp_path):
    save_sample(tmp_path / "a.npz", sample)
    stored, loaded = by_voxel(sample), by_voxel(load_sample(tmp_path / "a.npz"))
    for k in (0, 2, 3):
        np.testing.assert_array_equal(loaded[k], stored[k])
    assert np.abs(loaded[1].astype(int) - stored[1]).max() <= COLOR_ERROR
    save_sample(tmp_path / "b.npz", load_sample(tmp_path / "a.npz"))
    assert (tmp_path / "a.npz").read_bytes() == (tmp_path / "b.npz").read_bytes()


@given(st.integers(0, 2**32 - 1), st.integers(0, 300), st.integers(1, 400_000))
@settings(max_examples=30, deadline=None)
def test_any_sample_round_trips(seed, count, reach):
    """Maps of any extent, also those of other scanners."""
    rng = np.random.default_rng(seed)
    voxels = np.unique(rng.integers(-reach, reach, (count, 3)), axis=0)
    made = Sample(
        ((voxels + 0.5) * VOXEL_SIZE).astype(np.float32),
        rng.integers(0, 256, voxels.shape, np.uint8),
        rng.integers(-1, 20, len(voxels)).astype(np.int8),
        rng.integers(-1, 2**15, len(voxels)).astype(np.int16),
    )
    with TemporaryDirectory() as folder:
        save_sample(Path(folder) / "a.npz", made)
        loaded = load_sample(Path(folder) / "a.npz")
    for k, (first, second) in enumerate(zip(by_voxel(made), by_voxel(loaded), strict=True)):
        np.testing.assert_allclose(first.astype(int), second.astype(int), atol=COLOR_ERROR if k == 1 else 0)


def test_a_stored_room_takes_two_bytes_a_voxel_at_most(tmp_path):
    room = scan(first_of("bathroom"), CameraConfig(frames=40))
    save_sample(tmp_path / "a.npz", room)
    assert (tmp_path / "a.npz").stat().st_size <= 2.0 * len(room)


def test_a_foreign_file_is_refused_by_name(tmp_path):
    np.savez(tmp_path / "b.npz", points=np.zeros((3, 3)))
    with pytest.raises(CloudError, match="semantic_label"):
        load_sample(tmp_path / "b.npz")


def test_generate_keeps_files_that_exist(tmp_path):
    kept = tmp_path / f"{SEED:06d}.npz"
    kept.write_bytes(b"finished before")
    assert generate([SEED], tmp_path, progress=False) == [kept]
    assert kept.read_bytes() == b"finished before"


def test_any_run_of_seeds_has_every_kind_of_room():
    for start in (0, 1000, 54321):
        kinds = Counter(kind_of(seed) for seed in range(start, start + 100))
        assert len(kinds) == 10
        assert kinds["bathroom"] >= 14 and kinds["flat"] >= 11


def first_of(kind):
    return next(seed for seed in range(100, 400) if kind_of(seed) == kind)


def test_one_can_walk_through_every_room_of_a_flat():
    room = build_room(first_of("flat"))
    inside = [floor for floor in room.floors if np.ptp(floor, axis=0).min() > 0.5]  # the others are doorways
    assert len(inside) >= 2
    free = free_cells(room, clear=1.3)
    region, count = ndimage.label(free, np.ones((3, 3)))
    assert count >= 1
    main = np.argwhere(region == np.bincount(region[free]).argmax())
    at = (main + 0.5) * 0.1
    for floor in inside:
        assert ((at > floor.min(axis=0)) & (at < floor.max(axis=0))).all(axis=1).any()


def test_walls_of_a_flat_open_where_its_doorways_are():
    room = build_room(first_of("flat"))
    scene = Scene(room)
    doorways = [floor for floor in room.floors if np.ptp(floor, axis=0).min() < 0.5]
    walls = scene.semantic_label == CLASS_NAMES.index("wall")
    for doorway in doorways:
        middle = np.append(doorway.mean(axis=0), 1.2).astype(np.float32)
        if not (0.2 < middle[:2]).all() or not (middle[:2] < np.array(room.size[:2]) - 0.2).all():
            continue  # the door of the flat itself
        thin = int(np.ptp(doorway, axis=0).argmin())
        step = np.zeros(3, np.float32)
        step[thin] = 0.15
        triangle, reach, _ = scene.cast((middle - step)[None], (2 * step)[None])
        assert triangle[0] < 0 or reach[0] > 1 or not walls[scene.owner(triangle)[0]]


def test_a_loop_closure_moves_the_map_towards_the_truth():
    rng = np.random.default_rng(3)
    drifts = [Drift.draw(100, rng) for _ in range(40)]
    closing = [d for d in drifts if d.loop_closure is not None]
    assert 8 < len(closing) < 32
    for drift in closing:
        k = drift.loop_closure
        assert np.linalg.norm(drift.corrected[k]) < 0.2 * np.linalg.norm(drift.errors[k])
        np.testing.assert_allclose(
            drift.correction(k - 1) @ drift.at(k - 1), motion(drift.corrected[k - 1]), atol=1e-9
        )
        np.testing.assert_allclose(drift.at(k), motion(drift.corrected[k]))


def test_before_and_after_a_loop_closure_the_same_room_stands_elsewhere():
    seed = next(s for s in range(100, 200) if SimulatedSlam(s, QUICK).loop_closure)
    slam = SimulatedSlam(seed, QUICK)
    slam.advance(slam.loop_closure)
    before, route = slam.cloud()[0], walk(build_room(seed), QUICK)
    slam.advance()
    after, _ = slam.cloud()
    moved = [route.correction(k) for k in range(slam.loop_closure)]
    assert max(np.abs(m - np.eye(4)).max() for m in moved) > 1e-4
    assert len(before) and len(after)
    assert not np.array_equal(before[:50], after[:50])


def test_chairs_pushed_under_tables_do_not_go_through_them(rooms):
    chairs = under = 0
    for room in rooms[:15]:
        tables = [o for o in room.objects if o.class_id == CLASS_NAMES.index("table")]
        for chair in (o for o in room.objects if o.class_id == CLASS_NAMES.index("chair")):
            chairs += 1
            for table in tables:
                if np.linalg.norm(table.position[:2] - chair.position[:2]) < 2.5:
                    assert len(np.intersect1d(table.cells, chair.cells)) <= 6
                    outlines = [
                        footprint(o.at((o.mesh.lower + o.mesh.upper) / 2), o.yaw, *o.mesh.size[:2])
                        for o in (table, chair)
                    ]
                    under += overlap(*outlines)
    assert chairs > 30 and under > 3


def test_things_stand_on_things():
    room = build_room(first_of("office"))
    heights = [o.position[2] for o in room.objects if o.class_id == UNKNOWN]
    assert sum(0.4 < h < 1.9 for h in heights) > 10
