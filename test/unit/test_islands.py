"""Islands of things, and clusters that stay where nothing has changed."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial import KDTree

from ssen_ros import clustering, voxels_native
from ssen_ros.clustering import cluster_things
from ssen_ros.config import ClusteringConfig
from ssen_ros.islands import WIDE_M, islands
from ssen_ros.structures import Segmentation, VoxelSnapshot

SIZE = 0.1
CONFIG = ClusteringConfig(min_cluster_size=20, min_samples=5)


def sorted_coords(coords):
    return np.unique(np.asarray(coords, np.int32).reshape(-1, 3), axis=0)


def blob(x, y, seed, edge=5):
    rng = np.random.default_rng(seed)
    return np.array([x, y, 0]) + rng.integers(0, edge, (200, 3))


@given(st.lists(st.tuples(st.integers(-400, 400), st.integers(-90, 90)), max_size=12))
def test_islands_are_all_of_the_voxels_and_never_part_neighbours(places):
    coords = sorted_coords(np.concatenate([np.empty((0, 3)), *(blob(*p, k) for k, p in enumerate(places))]))
    found = islands(coords, SIZE)
    together = np.sort(np.concatenate([np.empty(0, int), *found]))
    assert np.array_equal(together, np.arange(len(coords)))
    assert all(np.array_equal(rows, np.sort(rows)) for rows in found)
    assert [rows[0] for rows in found] == sorted(rows[0] for rows in found)
    island = np.full(len(coords), -1)
    for k, rows in enumerate(found):
        island[rows] = k
    for a, b in KDTree(coords).query_pairs(1.8) if len(coords) else ():
        assert island[a] == island[b]


def test_a_room_is_one_island_and_a_building_is_parted_at_its_widest_gaps():
    room = sorted_coords([blob(x, y, x + y) for x in (0, 20, 40, 60) for y in (0, 15)])
    assert len(islands(room, SIZE)) == 1
    near = np.concatenate([room + (x, 0, 0) for x in (0, 100, 200)])  # 2.5 m of nothing between rooms
    assert [len(rows) for rows in islands(near, SIZE)] == [len(room)] * 3
    row = sorted_coords([(x, 0, 0) for x in range(300)])  # nowhere parted
    assert len(islands(row, SIZE)) == 1 and 300 * SIZE > WIDE_M


def building(rooms, shift=0.0, changed=None):
    """In each room two objects, whose embeddings are those of the objects in every other room."""
    parts = [sorted_coords([blob(120 * k, 0, 1), blob(120 * k, 30, 2)]) for k in range(rooms)]
    coords = np.concatenate(parts)
    points = ((coords + 0.5) * SIZE).astype(np.float32)
    snapshot = VoxelSnapshot(coords, points, np.zeros(coords.shape, np.uint8), SIZE)
    embeddings = np.where(coords[:, 1:2] < 15, [[0.0, 0.0]], [[3.0, 0.0]]).astype(np.float32)
    embeddings += np.random.default_rng(0).normal(0, 0.05, embeddings.shape).astype(np.float32)
    room = np.repeat(np.arange(rooms), [len(p) for p in parts])
    embeddings[room == changed] += np.float32(shift)
    log_probabilities = np.full((len(coords), 3), np.log(1 / 3), np.float32)
    label = np.full(len(coords), 2, np.int32)
    return snapshot, Segmentation(log_probabilities, label, np.arange(len(coords)), embeddings), room


def test_objects_of_different_rooms_are_never_one_though_their_embeddings_coincide():
    snapshot, segmentation, room = building(3)
    clusters, found = cluster_things(snapshot, segmentation, CONFIG)
    assert clusters.count == 6 and found.island.max() == 2
    assert all(len(np.unique(room[clusters.instance_label == k])) == 1 for k in range(6))
    sizes = np.bincount(clusters.instance_label)
    assert np.array_equal(sizes, np.sort(sizes)[::-1]), "numbered by falling size"


def test_only_islands_that_have_changed_are_clustered_anew_and_the_answer_is_the_same(monkeypatch):
    clustered = []
    cluster = clustering.cluster
    monkeypatch.setattr(clustering, "cluster", lambda e, c: clustered.append(len(e)) or cluster(e, c))
    snapshot, segmentation, room = building(4)
    _, before = cluster_things(snapshot, segmentation, CONFIG)
    assert len(clustered) == 4
    snapshot, segmentation, room = building(4, shift=0.3, changed=2)
    clustered.clear()
    clusters, now = cluster_things(snapshot, segmentation, CONFIG, before)
    assert clustered == [(room == 2).sum()]
    assert now.anew == (room == 2).sum() and before.anew == len(room)
    anew, _ = cluster_things(snapshot, segmentation, CONFIG)
    for name in ("instance_label", "adopted", "confidence"):
        np.testing.assert_array_equal(getattr(clusters, name), getattr(anew, name))
    clustered.clear()
    cluster_things(snapshot, segmentation, replace(CONFIG, min_samples=6), now)
    assert len(clustered) == 4, "by another configuration all are clustered anew"
    clustered.clear()
    fewer, segmentation, room = building(3)
    cluster_things(fewer, segmentation, CONFIG, before)
    assert clustered == [], "a room that is gone is missed by no other"


@given(st.lists(st.tuples(st.integers(-400, 400), st.integers(-90, 90)), max_size=12))
def test_the_compiled_library_finds_the_same_islands(places):
    coords = sorted_coords(np.concatenate([np.empty((0, 3)), *(blob(*p, k) for k, p in enumerate(places))]))
    found = islands(coords, SIZE)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(voxels_native, "library", lambda: None)
        expected = islands(coords, SIZE)
    assert len(found) == len(expected)
    for one, other in zip(found, expected):
        np.testing.assert_array_equal(one, other)


CHANGES = st.lists(
    st.tuples(st.sampled_from(["gone", "back", "embedding", "answer"]), st.integers(0, 4)), max_size=5
)


@settings(max_examples=12)
@given(CHANGES)
def test_after_any_changes_the_clusters_are_those_of_a_map_never_seen_before(changes):
    whole, said, room = building(5)
    there, shift, doubt = np.ones(5, bool), np.zeros(5), np.zeros(5)
    before = None
    for what, where in [("back", 0), *changes]:
        there[where] = what != "gone"
        shift[where] += what == "embedding"
        doubt[where] += what == "answer"
        rows = np.flatnonzero(there[room])
        snapshot = VoxelSnapshot(whole.voxel_coords[rows], whole.points[rows], whole.colors[rows], SIZE)
        embeddings = said.embeddings + (shift[room] * (np.arange(len(room)) % 2))[:, None].astype(np.float32)
        answers = said.log_probabilities - doubt[room][:, None].astype(np.float32)
        segmentation = Segmentation(
            answers[rows], said.semantic_label[rows], np.arange(len(rows)), embeddings[rows]
        )
        clusters, before = cluster_things(snapshot, segmentation, CONFIG, before)
        anew, _ = cluster_things(snapshot, segmentation, CONFIG)
        for name in ("instance_label", "adopted", "confidence"):
            np.testing.assert_array_equal(getattr(clusters, name), getattr(anew, name))
        assert before.anew <= np.count_nonzero(room[rows] == where) or what == "back"
