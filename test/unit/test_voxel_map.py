"""VoxelMap against a naive oracle: a dict of sub-cells, one Python number at a time."""

import math
import threading
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ssen_ros import voxel_keys, voxels_native
from ssen_ros.errors import CloudError, ConfigError
from ssen_ros.forgetting import Forgetting
from ssen_ros.voxel_map import MODES, VoxelMap, change_between, points_of

VOXEL_SIZE = 0.04


def naive_subcells(points, colors, voxel_size):
    """{(voxel, octant): the best (distance, steps, colour)}, as the module's docstring words it."""
    best = {}
    for point, color in zip(points.astype(np.float64).tolist(), colors.tolist(), strict=True):
        voxel, octant, place = [], [], []
        for coordinate in point:
            cell = math.floor(coordinate / voxel_size)
            step = min(int((coordinate / voxel_size - cell) * 512), 511)
            voxel.append(cell)
            octant.append(step // 256)
            place.append(step % 256)
        distance = sum((Fraction(p) + Fraction(1, 2) - 128) ** 2 for p in place)
        key = (tuple(voxel), tuple(octant))
        rank = (distance, tuple(place), tuple(color))
        best[key] = min(best.get(key, rank), rank)
    return best


def naive_voxels(subcells):
    """{voxel: (mean position as exact fractions of the voxel, rounded mean colour)}."""
    members = {}
    for (voxel, octant), (_, place, color) in subcells.items():
        steps = [Fraction(256 * o + p) + Fraction(1, 2) for o, p in zip(octant, place, strict=True)]
        members.setdefault(voxel, []).append((steps, color))
    voxels = {}
    for voxel, kept in members.items():
        position = [sum(steps[a] for steps, _ in kept) / len(kept) / 512 for a in range(3)]
        color = [
            math.floor(Fraction(sum(c[a] for _, c in kept), len(kept)) + Fraction(1, 2)) for a in range(3)
        ]
        voxels[voxel] = (position, tuple(color))
    return voxels


def assert_equals_naive(snapshot, subcells):
    voxels = naive_voxels(subcells)
    assert [tuple(c) for c in snapshot.voxel_coords.tolist()] == sorted(voxels)
    for coords, point, color in zip(snapshot.voxel_coords, snapshot.points, snapshot.colors, strict=True):
        position, expected_color = voxels[tuple(coords.tolist())]
        assert tuple(color.tolist()) == expected_color
        expected = [
            (c + float(p)) * snapshot.voxel_size for c, p in zip(coords.tolist(), position, strict=True)
        ]
        np.testing.assert_allclose(point, expected, rtol=2e-7, atol=1e-9)


def assert_same_map(a, b):
    np.testing.assert_array_equal(a.voxel_coords, b.voxel_coords)
    np.testing.assert_array_equal(a.points, b.points)
    np.testing.assert_array_equal(a.colors, b.colors)


def counts(change):
    return change.version, len(change.new), len(change.gone), len(change.changed)


def as_cloud(rows, dtype=np.float32):
    table = np.array(rows, dtype=np.float64).reshape(-1, 6)
    return table[:, :3].astype(dtype), table[:, 3:].astype(np.uint8)


# Few voxels and many coincidences: collisions are where a map goes wrong. Sides of voxels and of
# sub-cells, and hairs around zero, come up on purpose.
coordinate = st.one_of(
    st.floats(-0.125, 0.125, width=32),
    st.integers(-6, 6).map(lambda i: i * VOXEL_SIZE / 2),
    st.sampled_from([0.0, -0.0, 1e-30, -1e-30, -1e-9]),
)
row = st.tuples(coordinate, coordinate, coordinate, *[st.integers(0, 255)] * 3)
cloud = st.builds(as_cloud, st.lists(row, max_size=40), st.sampled_from([np.float32, np.float64]))
nonempty_cloud = st.builds(as_cloud, st.lists(row, min_size=1, max_size=40))


def map_of(mode, *clouds, voxel_size=VOXEL_SIZE):
    voxel_map = VoxelMap(voxel_size, mode)
    for points, colors in clouds:
        voxel_map.integrate(points, colors)
    return voxel_map


@given(cloud, st.sampled_from(["accumulated", "incremental"]))
def test_equals_the_naive_oracle(cloud, mode):
    assert_equals_naive(map_of(mode, cloud).snapshot(), naive_subcells(*cloud, VOXEL_SIZE))


@given(cloud)
def test_occupied_voxels_are_the_floors(cloud):
    floors = {tuple(math.floor(x / VOXEL_SIZE) for x in p) for p in cloud[0].astype(np.float64).tolist()}
    voxel_map = map_of("accumulated", cloud)
    assert {tuple(c) for c in voxel_map.snapshot().voxel_coords.tolist()} == floors
    assert len(voxel_map) == len(floors)


@given(cloud, st.randoms(use_true_random=False), st.sampled_from(["accumulated", "incremental"]))
def test_order_cannot_matter(cloud, random, mode):
    order = random.sample(range(len(cloud[0])), len(cloud[0]))
    shuffled = cloud[0][order], cloud[1][order]
    assert_same_map(map_of(mode, cloud).snapshot(), map_of(mode, shuffled).snapshot())


@given(cloud, st.lists(st.integers(0, 40), max_size=4))
def test_pieces_equal_the_whole(cloud, cuts):
    pieces = zip(np.split(cloud[0], sorted(cuts)), np.split(cloud[1], sorted(cuts)), strict=True)
    whole = map_of("accumulated", cloud).snapshot()
    assert_same_map(map_of("incremental", *pieces).snapshot(), whole)


@given(nonempty_cloud, st.sampled_from(["accumulated", "incremental"]))
def test_sending_again_changes_nothing(cloud, mode):
    voxel_map = map_of(mode, cloud)
    before = voxel_map.snapshot()
    assert counts(voxel_map.integrate(*cloud)) == (1, 0, 0, 0)
    assert voxel_map.snapshot() is before


@given(nonempty_cloud, cloud, st.integers(1, 5))
def test_colours_do_not_drift_when_points_are_resent(cloud, other, times):
    """A running mean would lean towards the cloud that is sent most often."""
    once = map_of("incremental", cloud, other).snapshot()
    often = map_of("incremental", cloud, other, *[cloud] * times).snapshot()
    assert_same_map(once, often)


@given(cloud, cloud, st.sampled_from(["accumulated", "incremental"]))
def test_what_a_cloud_changes(first, second, mode):
    before = naive_subcells(*first, VOXEL_SIZE)
    after = naive_subcells(*second, VOXEL_SIZE)
    if mode == "incremental":
        after = {k: min(s[k] for s in (before, after) if k in s) for k in {*before, *after}}
    was, is_now = ({k[0] for k in s} for s in (before, after))
    differing = {k[0] for k in {*before, *after} if before.get(k) != after.get(k)}

    voxel_map = map_of(mode, first)
    version = voxel_map.version
    state = voxel_map.state
    change = voxel_map.integrate(*second)
    expected = {"new": is_now - was, "gone": was - is_now, "changed": differing & was & is_now}
    for told in (change, change_between(state, voxel_map.state)):
        for name, voxels in expected.items():
            keys = getattr(told, name)
            assert list(map(tuple, voxel_keys.unpack(keys).tolist())) == sorted(voxels)
            assert keys.dtype == np.int64
        assert len(told) == len(differing)
        assert told.version == voxel_map.version == version + bool(differing)
    assert_equals_naive(voxel_map.snapshot(), after)


def assert_told(change, before, after):
    """`change` is what differs between two maps of the naive oracle."""
    was, is_now = ({k[0] for k in s} for s in (before, after))
    differing = {k[0] for k in {*before, *after} if before.get(k) != after.get(k)}
    expected = {"new": is_now - was, "gone": was - is_now, "changed": differing & was & is_now}
    for name, voxels in expected.items():
        keys = getattr(change, name)
        assert list(map(tuple, voxel_keys.unpack(keys).tolist())) == sorted(voxels)


DECAY_S, BOX_M = 2.0, 0.14
# Tenths of a second from one cloud to the next; what is late, or has no stamp, comes when the newest did.
walk = st.lists(
    st.tuples(cloud, st.sampled_from([0, 10, 20, 25]), st.sampled_from(["ok", "late", "none"]), coordinate),
    max_size=6,
)


@given(walk, st.sampled_from([(DECAY_S, 0.0), (0.0, BOX_M), (DECAY_S, BOX_M)]))
def test_what_is_old_or_far_is_forgotten_as_if_never_seen(walk, rule):
    """The oracle holds {sub-cell: best} and the time at which each voxel was last seen."""
    decay_s, box_m = rule
    voxel_map = VoxelMap(VOXEL_SIZE, "incremental", Forgetting(decay_s, box_m))
    kept, seen, now, version = {}, {}, 0, 0  # times are whole tenths: floats would round at the edge
    for points_colors, step, stamp, x in walk:
        stamped = 0 if stamp == "none" else 100 if not now else now + step
        late = 9 if stamp == "late" and now else 0
        now = max(now, stamped - late)

        def near(voxel, x=x):
            middle = [(c + 0.5) * VOXEL_SIZE - r for c, r in zip(voxel, (x, 0.0, 0.0), strict=True)]
            return not box_m or max(map(abs, middle)) <= box_m / 2

        before, state = kept, voxel_map.state
        seen = {v: s or now for v, s in seen.items()}
        seen = {v: s for v, s in seen.items() if near(v) and (not decay_s or now - s <= 10 * decay_s)}
        coming = {k: b for k, b in naive_subcells(*points_colors, VOXEL_SIZE).items() if near(k[0])}
        kept = {k: b for k, b in before.items() if k[0] in seen}
        kept = {k: min(s[k] for s in (kept, coming) if k in s) for k in {*kept, *coming}}
        seen |= {k[0]: now for k in coming}

        stamp_ns = (stamped - late) * 100_000_000 if stamped else 0
        change = voxel_map.integrate(*points_colors, stamp_ns=stamp_ns, robot=np.array([x, 0.0, 0.0]))
        version += before != kept
        assert change.version == voxel_map.version == version
        assert_told(change, before, kept)
        assert_told(change_between(state, voxel_map.state), before, kept)
        assert_equals_naive(voxel_map.snapshot(), kept)
        assert len(voxel_map) == len(seen)


@given(nonempty_cloud, cloud, st.floats(0, 5), st.lists(st.floats(0, 1), max_size=3))
def test_clouds_that_show_other_places_do_not_change_what_is_forgotten(first, second, gap_s, between):
    voxel_map, other = (VoxelMap(VOXEL_SIZE, "incremental", Forgetting(decay_s=DECAY_S)) for _ in range(2))
    for one in (voxel_map, other):
        one.integrate(*first, stamp_ns=10**9)
    for share in sorted(between):
        other.integrate(*as_cloud([]), stamp_ns=10**9 + round(share * gap_s * 1e9))
    for one in (voxel_map, other):
        one.integrate(*second, stamp_ns=10**9 + round(gap_s * 1e9))
    assert_same_map(voxel_map.snapshot(), other.snapshot())


def test_a_loaded_map_is_as_old_as_the_first_cloud_after_it():
    cloud, empty = as_cloud([(0, 0, 0, 1, 2, 3)]), as_cloud([])
    voxel_map = VoxelMap(VOXEL_SIZE, "incremental", Forgetting(decay_s=DECAY_S))
    voxel_map.integrate(*as_cloud([(1, 1, 1, 1, 2, 3)]), stamp_ns=10**9)
    voxel_map.restore(map_of("incremental", cloud).state)
    days_later = 10**15
    assert counts(voxel_map.integrate(*empty, stamp_ns=days_later)) == (2, 0, 0, 0)
    assert counts(voxel_map.integrate(*empty, stamp_ns=days_later + 2 * 10**9)) == (2, 0, 0, 0)
    assert counts(voxel_map.integrate(*empty, stamp_ns=days_later + 2 * 10**9 + 1)) == (3, 0, 1, 0)


def test_a_map_started_anew_has_no_old_time():
    cloud = as_cloud([(0, 0, 0, 1, 2, 3)])
    voxel_map = VoxelMap(VOXEL_SIZE, "incremental", Forgetting(decay_s=DECAY_S))
    voxel_map.integrate(*cloud, stamp_ns=100 * 10**9)
    voxel_map.integrate(*cloud, restart=True, stamp_ns=5 * 10**9)
    assert counts(voxel_map.integrate(*as_cloud([]), stamp_ns=8 * 10**9)) == (2, 0, 1, 0)


@pytest.mark.parametrize("rule", [Forgetting(decay_s=1.0), Forgetting(box_m=1.0)])
def test_a_map_of_whole_clouds_has_nothing_to_forget(rule):
    with pytest.raises(ConfigError, match="map.decay_s = .*map.box_m = .*map.mode: incremental"):
        VoxelMap(VOXEL_SIZE, "accumulated", rule)


@settings(max_examples=50)
@given(
    st.lists(st.tuples(*[st.integers(-voxel_keys.AXIS_LIMIT, voxel_keys.AXIS_LIMIT - 1)] * 3), min_size=1),
    st.floats(0, 1, exclude_max=True),
    st.floats(0.003, 0.5),
)
def test_points_stay_in_their_voxel_even_in_float32(voxels, fraction, voxel_size):
    """Up to the ends of the range, where float32 steps are a good part of a voxel."""
    points = (np.array(voxels, dtype=np.float64) + fraction) * voxel_size
    limit = voxel_keys.AXIS_LIMIT
    points = points[
        ((np.floor(points / voxel_size) >= -limit) & (np.floor(points / voxel_size) < limit)).all(1)
    ]
    snapshot = map_of(
        "accumulated", (points, np.zeros(points.shape, np.uint8)), voxel_size=voxel_size
    ).snapshot()
    for dtype in (np.float32, np.float64):
        again = np.floor(snapshot.points.astype(dtype) / dtype(voxel_size))
        np.testing.assert_array_equal(again, snapshot.voxel_coords)


@pytest.mark.parametrize("mode", MODES)
def test_the_last_voxel_of_the_range_is_one_like_others(mode):
    voxel_map = VoxelMap(1.0, mode)
    corner = np.full((1, 3), 2.0**19 - 0.5)
    change = voxel_map.integrate(corner, np.zeros((1, 3), np.uint8))
    assert (len(change.new), len(voxel_map), len(voxel_map.snapshot())) == (1, 1, 1)


def test_large_coordinates_are_divided_in_float64():
    points = np.array([[15_000.0, -15_000.0, 0.0]], dtype=np.float32)
    snapshot = map_of("accumulated", (points, np.zeros((1, 3), np.uint8)), voxel_size=0.04).snapshot()
    assert snapshot.voxel_coords.tolist() == [[375_000, -375_000, 0]]


def test_representative_is_the_point_nearest_the_sub_cell_centre():
    points = np.array([[0.001, 0.001, 0.001], [0.011, 0.010, 0.010], [0.031, 0.010, 0.010]])
    colors = np.array([[255, 0, 0], [0, 100, 0], [0, 0, 101]], dtype=np.uint8)
    snapshot = map_of("accumulated", (points, colors)).snapshot()
    np.testing.assert_allclose(snapshot.points, [[0.021, 0.010, 0.010]], atol=0.04 / 512)
    assert snapshot.colors.tolist() == [[0, 50, 51]]  # the mean of the two sub-cells; 50.5 rounds up


def test_empty_cloud_clears_an_accumulated_map_and_adds_nothing_to_an_incremental_one():
    cloud = as_cloud([(0, 0, 0, 1, 2, 3), (1, 0, 0, 1, 2, 3)])
    empty = as_cloud([])
    accumulated = map_of("accumulated", cloud)
    assert counts(accumulated.integrate(*empty)) == (2, 0, 2, 0)
    assert len(accumulated) == len(accumulated.snapshot()) == 0
    incremental = map_of("incremental", cloud)
    assert counts(incremental.integrate(*empty)) == (1, 0, 0, 0)
    assert len(incremental) == len(incremental.snapshot()) == 2


@pytest.mark.parametrize("mode", ["accumulated", "incremental"])
def test_anew_forgets_and_counts_on(mode):
    voxel_map = map_of(mode, as_cloud([(0, 0, 0, 1, 2, 3), (1, 0, 0, 1, 2, 3)]))
    other = as_cloud([(1, 0, 0, 1, 2, 3), (9, 9, 9, 4, 5, 6), (8, 8, 8, 4, 5, 6)])
    assert counts(voxel_map.integrate(*other, restart=True)) == (2, 2, 1, 0)
    assert voxel_map.integrate(*other, restart=True).version == 2
    assert_same_map(voxel_map.snapshot(), map_of(mode, other).snapshot())


def test_a_state_is_summarised_as_it_was_then():
    voxel_map = map_of("accumulated", as_cloud([(0, 0, 0, 1, 2, 3)]))
    then, state = voxel_map.snapshot(), voxel_map.state
    voxel_map.integrate(*as_cloud([(5, 5, 5, 1, 2, 3)]))
    now = voxel_map.snapshot()
    assert_same_map(voxel_map.snapshot(state), then)
    assert voxel_map.snapshot(state).version == 1
    assert voxel_map.snapshot() is now  # the past does not take its place


POINTS = np.zeros((2, 3), np.float32)
COLORS = np.zeros((2, 3), np.uint8)


@pytest.mark.parametrize(
    "points, colors, words",
    [
        (np.array([[0, 0, 0], [0, np.nan, 0]], np.float32), COLORS, ["point 1", "y = nan", "finite"]),
        (np.array([[0, 0, np.inf], [0, 0, 0]]), COLORS, ["point 0", "z = inf", "finite"]),
        (np.array([[0, 0, 0], [-30_000.0, 0, 0]]), COLORS, ["x = -30000.0 m", "20971.5", "0.04", "unit"]),
        (np.array([[0, 0, 0], [1e308, 0, 0]]), COLORS, ["1e+308", "20971.5"]),
        (POINTS.astype(np.int32), COLORS, ["int32", "float32"]),
        (POINTS.tolist(), COLORS, ["list", "float32"]),
        (POINTS[:, :2], COLORS, ["(2, 2)", "(N, 3)"]),
        (POINTS.ravel(), COLORS, ["(6,)", "(N, 3)"]),
        (POINTS, COLORS.astype(np.float32), ["float32", "uint8"]),
        (POINTS, COLORS[:1], ["(1, 3)", "(2, 3)"]),
        (POINTS, None, ["NoneType", "uint8"]),
    ],
)
@pytest.mark.parametrize("mode", ["accumulated", "incremental"])
def test_a_bad_cloud_is_refused_and_leaves_the_map_as_it_was(mode, points, colors, words):
    voxel_map = map_of(mode, as_cloud([(0.5, 0.5, 0.5, 9, 9, 9)]))
    before = voxel_map.snapshot()
    with pytest.raises(CloudError) as error:
        voxel_map.integrate(points, colors)
    assert all(word in str(error.value) for word in words), error.value
    assert voxel_map.snapshot() is before and voxel_map.version == 1


@pytest.mark.parametrize(
    "size, mode", [(0, "accumulated"), (-0.1, "accumulated"), (np.nan, "accumulated"), (1, "x")]
)
def test_a_bad_configuration_is_refused(size, mode):
    with pytest.raises(ConfigError):
        VoxelMap(size, mode)


def test_snapshots_taken_while_clouds_come_in_are_whole():
    """Each cloud paints the map one colour; no snapshot may show two."""
    points = np.random.default_rng(0).uniform(-1, 1, (2000, 3))
    voxel_map = VoxelMap(0.2)
    done = threading.Event()

    def write():
        for value in range(60):
            voxel_map.integrate(points, np.full(points.shape, value, np.uint8))
        done.set()

    writer = threading.Thread(target=write)
    writer.start()
    versions = []
    while not done.is_set():
        snapshot = voxel_map.snapshot()
        versions.append(snapshot.version)
        assert len(np.unique(snapshot.colors)) <= 1
        assert snapshot.version == 0 or snapshot.colors[0, 0] == snapshot.version - 1
    writer.join()
    assert versions == sorted(versions)
    assert voxel_map.snapshot().version == 60


@given(st.lists(st.tuples(*[st.integers(-voxel_keys.AXIS_LIMIT, voxel_keys.AXIS_LIMIT - 1)] * 3), min_size=1))
def test_packing_keeps_order_and_loses_nothing(coords):
    for dtype in (np.int32, np.int64, np.float64):  # whole numbers may come from np.floor
        keys = voxel_keys.pack(np.array(coords, dtype=dtype))
        assert [tuple(c) for c in voxel_keys.unpack(keys).tolist()] == coords
    assert [coords[i] for i in np.argsort(keys, kind="stable")] == sorted(coords)


def test_packing_refuses_what_does_not_fit():
    with pytest.raises(ValueError, match="524288"):
        voxel_keys.pack(np.array([[voxel_keys.AXIS_LIMIT, 0, 0]], dtype=np.int32))


def test_find_gives_positions_or_minus_one():
    found = voxel_keys.find(np.array([2, 5, 9]), np.array([9, 1, 5, 10]))
    assert found.tolist() == [2, -1, 1, -1]
    assert voxel_keys.find(np.empty(0, np.int64), np.array([1])).tolist() == [-1]


@given(st.sets(st.integers(0, 60)), st.lists(st.integers(-5, 65)), st.booleans())
def test_find_finds_the_same_in_whatever_order_and_without_the_library(there, wanted, in_order):
    keys, wanted = (
        np.array(sorted(there), np.int64),
        np.array(sorted(wanted) if in_order else wanted, np.int64),
    )
    expected = [sorted(there).index(key) if key in there else -1 for key in wanted.tolist()]
    assert voxel_keys.find(keys, wanted).tolist() == expected
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(voxels_native, "library", lambda: None)
        assert voxel_keys.find(keys, wanted).tolist() == expected


def test_a_stray_that_is_no_number_either_is_not_dropped_but_refused():
    points = np.zeros((5000, 3), np.float32)
    points[7] = 1e6, np.nan, 0
    with pytest.raises(CloudError, match="point 7"):
        VoxelMap(0.04).integrate(points, np.zeros(points.shape, np.uint8))


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("stray", [1e6, -1e6, np.float32(3e38)])
def test_a_few_points_out_of_reach_are_dropped_and_counted(mode, stray, caplog):
    rng = np.random.default_rng(0)
    points, colors = rng.random((2000, 3), np.float32), rng.integers(0, 256, (2000, 3)).astype(np.uint8)
    clean, dirty = VoxelMap(VOXEL_SIZE, mode), VoxelMap(VOXEL_SIZE, mode)
    assert clean.integrate(points[2:], colors[2:]).strays == 0
    points[0, 1] = points[1, 0] = stray
    assert dirty.integrate(points, colors).strays == 2
    assert_same_map(clean.snapshot(), dirty.snapshot())
    assert "2 of 2000 points lie out of reach and are dropped; the first is point 0" in caplog.text
    points[2, 2] = stray  # more than one in a thousand
    with pytest.raises(CloudError, match="point"):
        dirty.integrate(points, colors)
    assert_same_map(clean.snapshot(), dirty.snapshot())


@given(st.lists(cloud, min_size=1, max_size=3), st.sampled_from(MODES))
def test_the_compiled_library_and_numpy_make_the_same_map(clouds, mode):
    def maps():
        voxel_map = VoxelMap(VOXEL_SIZE, mode)
        changes = [vars(voxel_map.integrate(*cloud)) for cloud in clouds]
        state, snapshot = voxel_map.state, voxel_map.snapshot()
        arrays = [state.keys, state.ranks, snapshot.voxel_coords, snapshot.points, snapshot.colors]
        return [*arrays, *(change[name] for change in changes for name in ("new", "gone", "changed"))]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(voxels_native, "library", lambda: None)
        by_numpy = maps()
    for ours, expected in zip(maps(), by_numpy, strict=True):
        assert ours.dtype == expected.dtype
        np.testing.assert_array_equal(ours, expected)


def test_the_points_that_stand_for_a_map_make_the_same_map():
    rng = np.random.default_rng(3)
    first, second = VoxelMap(0.04), VoxelMap(0.04)
    first.integrate(
        rng.normal(size=(2000, 3)).astype(np.float32), rng.integers(0, 256, (2000, 3), dtype=np.uint8)
    )
    second.integrate(*points_of(first.state, 0.04))
    np.testing.assert_array_equal(second.state.keys, first.state.keys)
    np.testing.assert_array_equal(second.state.ranks, first.state.ranks)
