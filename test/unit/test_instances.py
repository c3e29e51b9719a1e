from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import linear_sum_assignment

from ssen_ros import voxel_keys
from ssen_ros.boxes import fit_box
from ssen_ros.config import InstancesConfig
from ssen_ros.instances import _best, associate, describe, label, update
from ssen_ros.structures import Clusters, Detection, Event, Memory, Segmentation, VoxelSnapshot

NAMES = ("floor", "chair", "table")
CHAIR, TABLE = 1, 2
NAMES_AND_UNKNOWN, UNKNOWN = ("floor", "chair", "unknown"), 2
CONFIG = InstancesConfig()  # min_overlap 0.25, max_missed 3


def snapshot_of(coords, version=1):
    coords = np.unique(np.array(coords, dtype=np.int32).reshape(-1, 3), axis=0)
    points = ((coords + 0.5) * 0.1).astype(np.float32)
    return VoxelSnapshot(coords, points, np.zeros(coords.shape, np.uint8), 0.1, version)


def block(start, stop, y=0):
    """Voxels start..stop-1 of a row of voxels along x."""
    return np.array([(x, y, 0) for x in range(start, stop)], dtype=np.int32).reshape(-1, 3)


def detection(snapshot, coords, class_id=CHAIR, weight=1.0):
    rows = voxel_keys.find(voxel_keys.pack(snapshot.voxel_coords), voxel_keys.pack(coords))
    votes = np.array([-np.inf, -5.0, -5.0]) * weight
    votes[class_id] = -0.1 * weight
    points = snapshot.points[rows]
    return Detection(
        class_id, 0.5, votes, fit_box(points), points.mean(axis=0), rows, np.sort(snapshot.keys[rows])
    )


class Run:
    """One update per call, of blocks of voxels, each with the memory of the one before."""

    def __init__(self, names=NAMES, config=CONFIG):
        self.names, self.config = names, config
        self.tell_unknown = False
        self.memory = Memory()
        self.stamp_ns = 0

    def update(self, *blocks, world=None, **kwargs):
        self.stamp_ns += 10
        snapshot = snapshot_of(
            np.concatenate([block(0, 100), block(0, 100, y=5)] if world is None else world)
        )
        detections = [detection(snapshot, b, **kwargs) for b in blocks]
        self.memory, self.events = update(
            self.memory,
            detections,
            snapshot,
            self.stamp_ns,
            self.names,
            self.config,
            self.tell_unknown,
        )
        return {i.id: i for i in self.instances}

    @property
    def instances(self):
        return self.memory.instances

    def voxels(self, id_):
        (known,) = (k for k in self.memory.known if k.id == id_)
        return voxel_keys.unpack(known.keys)

    def ids(self, state="active"):
        return [i.id for i in self.instances if i.state == state]


def test_new_instances_are_created_in_the_order_of_detections():
    run = Run()
    instances = run.update(block(0, 10), block(20, 30))
    assert list(instances) == [1, 2]
    assert run.events == (Event("created", 1), Event("created", 2))
    first = instances[1]
    assert first.class_name == "chair" and first.class_id == CHAIR and first.score == 0.5
    assert first.state == "active" and first.voxel_count == 10
    assert first.first_seen_ns == first.last_seen_ns == 10
    np.testing.assert_array_equal(run.voxels(1), block(0, 10))
    np.testing.assert_allclose(first.box.size, (0.9, 0, 0), atol=1e-6)


@given(st.permutations(range(5)))
def test_ids_do_not_depend_on_the_order_of_detections(order):
    run = Run()
    run.update(*[block(15 * i, 15 * i + 10) for i in range(5)])
    run.update(*[block(15 * i + 1, 15 * i + 11) for i in order])
    assert [run.voxels(i + 1)[0, 0] for i in range(5)] == [1, 16, 31, 46, 61]
    assert run.events == ()


def test_an_object_seen_a_tenth_and_then_whole_keeps_its_id():
    run = Run()
    run.update(block(0, 5))
    instances = run.update(block(0, 50))  # IoU 0.1
    assert list(instances) == [1] and instances[1].voxel_count == 50
    assert instances[1].first_seen_ns == 10 and instances[1].last_seen_ns == 20


def test_little_overlap_is_another_object():
    run = Run()
    run.update(block(0, 10))
    run.update(block(8, 18))  # IoU 2 / 18
    assert run.ids() == [2] and run.ids("missing") == [1]


def test_half_of_the_smaller_is_enough():
    run = Run(config=InstancesConfig(min_overlap=1.0))
    run.update(block(0, 10))
    run.update(block(5, 45))
    assert run.ids() == [1]
    run.update(block(44, 46))
    assert run.ids() == [1]
    run.update(block(45, 55))  # half of the two
    assert run.ids() == [1]


def test_min_overlap_decides():
    for min_overlap, expected in ((0.05, [1]), (0.25, [2])):
        run = Run(config=InstancesConfig(min_overlap=min_overlap))
        run.update(block(0, 10))
        run.update(block(8, 18))
        assert run.ids() == expected


def test_no_shared_voxel_never_continues():
    run = Run(config=InstancesConfig(min_overlap=0.0))
    run.update(block(0, 10))
    run.update(block(10, 20))
    assert run.ids() == [2]


def test_best_total_iou_decides_between_neighbours():
    run = Run()
    run.update(block(0, 20), block(20, 40))
    run.update(block(12, 32), block(33, 40))
    # the first shares 8 with 1 and 12 with 2; the second can only be 2
    assert run.voxels(1)[0, 0] == 12 and run.voxels(2)[0, 0] == 33


def test_a_missing_instance_keeps_its_voxels_returns_with_its_id_or_is_retired():
    run = Run()
    run.update(block(0, 10), block(20, 30))
    for _ in range(3):
        instances = run.update(block(0, 10))
        assert run.ids() == [1] and run.ids("missing") == [2] and run.events == ()
        assert instances[2].last_seen_ns == 10 and instances[2].voxel_count == 10
    run.update(block(0, 10), block(20, 30))
    assert run.ids() == [1, 2] and run.events == ()
    for _ in range(3):
        run.update(block(0, 10))
    run.update(block(0, 10))
    assert run.ids("missing") == [] and run.events == (Event("retired", 2),)
    run.update(block(0, 10), block(20, 30))
    assert run.ids() == [1, 3]


def test_active_come_before_missing():
    run = Run()
    run.update(block(0, 10), block(20, 30))
    run.update(block(20, 30))
    assert [(i.id, i.state) for i in run.instances] == [(2, "active"), (1, "missing")]


def test_what_has_left_the_map_is_retired_at_once():
    run = Run()
    run.update(block(0, 10), block(20, 30))
    run.update(world=[block(0, 5), block(20, 24)])
    assert run.ids("missing") == [1]  # half of it is still there
    assert run.events == (Event("retired", 2),)


def test_an_empty_map_retires_everything():
    run = Run()
    run.update(block(0, 10))
    run.update(world=[block(0, 0)])
    assert run.instances == () and run.events == (Event("retired", 1),)


def test_a_lasting_blob_absorbs_what_it_covers():
    run = Run()
    run.update(block(0, 30), block(30, 40), block(40, 50))
    for _ in range(3):
        run.update(block(0, 50))
        assert run.ids() == [1] and run.ids("missing") == [2, 3] and run.events == ()
    run.update(block(0, 50))
    assert run.ids() == [1] and run.ids("missing") == []
    assert run.events == (Event("merged", 1, (2, 3)),)


def test_one_blurred_pass_costs_no_id():
    run = Run()
    run.update(block(0, 30), block(30, 40), block(40, 50))
    run.update(block(0, 50))
    run.update(block(0, 30), block(30, 40), block(40, 50))
    assert run.ids() == [1, 2, 3] and run.events == ()


def test_without_patience_a_merge_is_immediate():
    run = Run(config=InstancesConfig(max_missed=0))
    run.update(block(0, 30), block(30, 40))
    run.update(block(0, 40))
    assert run.events == (Event("merged", 1, (2,)),)


def test_a_split_leaves_the_id_with_the_largest_part():
    run = Run()
    run.update(block(0, 50), block(60, 70))
    instances = run.update(block(0, 15), block(15, 40), block(40, 50), block(60, 70), block(80, 90))
    assert instances[1].voxel_count == 25
    created = [Event("created", i) for i in (3, 4, 5)]
    assert run.events == (*created, Event("split", 1, (3, 4)))


def test_votes_settle_the_class_and_later_passes_can_overrule_it():
    run = Run()
    for _ in range(5):
        run.update(block(0, 10), class_id=CHAIR)
    assert run.update(block(0, 10), class_id=TABLE)[1].class_name == "chair"
    for _ in range(12):
        instances = run.update(block(0, 10), class_id=TABLE)
    assert instances[1].class_name == "table"


def test_a_map_begun_anew_forgets_but_never_gives_an_id_again():
    run = Run()
    run.update(block(0, 10))
    run.memory = run.memory.begin(Memory())
    assert run.instances == ()
    run.update(block(0, 10))
    assert run.ids() == [2] and run.events == (Event("retired", 1), Event("created", 2))


def test_what_another_memory_brings_is_created_and_what_was_there_before_retired():
    earlier, run = Run(), Run()
    earlier.update(block(0, 10), block(20, 30))
    run.update(block(50, 60))
    run.memory = run.memory.begin(earlier.memory)
    run.update(block(0, 10), block(20, 30))
    assert run.events == (Event("retired", 1), Event("created", 1), Event("created", 2))
    run.update(block(0, 10), block(20, 30))
    assert run.events == ()


def test_an_update_takes_nothing_from_the_memory_it_was_given():
    run = Run(config=InstancesConfig(max_missed=1))
    run.update(block(0, 10))
    before = run.memory
    for _ in range(3):  # one more update with the memory of the one before would retire it
        run.update()
        assert run.ids("missing") == [1] and run.events == ()
        run.memory = before
    run.update(block(0, 10))
    assert run.ids() == [1] and run.events == ()


def test_an_object_of_no_class_is_known_but_not_told_of_unless_asked_for():
    run = Run(NAMES_AND_UNKNOWN)
    run.update(block(0, 10), block(20, 30), class_id=UNKNOWN)
    assert run.instances == () and run.events == () and len(run.memory.known) == 2
    run.tell_unknown = True
    run.update(block(0, 10), block(20, 30), class_id=UNKNOWN)
    assert [i.class_name for i in run.instances] == ["unknown"] * 2
    assert run.events == (Event("created", 1), Event("created", 2))
    run.tell_unknown = False
    run.update(block(0, 10), block(20, 30), class_id=UNKNOWN)
    assert run.instances == () and run.events == (Event("retired", 1), Event("retired", 2))


def test_an_object_that_turns_out_to_be_of_no_class_is_retired_and_comes_back_under_its_id():
    run = Run(NAMES_AND_UNKNOWN)
    run.update(block(0, 10), class_id=CHAIR)
    run.update(block(0, 10), class_id=UNKNOWN, weight=3)
    assert run.instances == () and run.events == (Event("retired", 1),)
    run.update(block(0, 10), class_id=CHAIR, weight=9)
    assert run.ids() == [1] and run.events == (Event("created", 1),)


def test_mergers_and_splits_with_objects_of_no_class_are_told_as_what_they_are_to_others():
    run = Run(NAMES_AND_UNKNOWN, InstancesConfig(max_missed=0))
    run.update(block(0, 10), class_id=CHAIR)
    run.update(block(0, 10), block(10, 40), class_id=UNKNOWN, weight=9)
    run.update(block(0, 10), class_id=CHAIR, weight=99)
    run.update(block(0, 40), class_id=UNKNOWN, weight=999)  # swallows the chair
    assert run.instances == () and run.events == (Event("retired", 1),)
    run.update(block(0, 6), block(6, 40), class_id=CHAIR, weight=9999)
    assert run.events == tuple(Event("created", id) for id in sorted(run.ids()))


intervals = st.lists(st.tuples(st.integers(0, 60), st.integers(1, 25)), max_size=6)


def blocks(spans):
    ends = np.cumsum([0] + [length for _, length in spans])
    return [block(a, b) for a, b in zip(ends[:-1], ends[1:], strict=True) if b <= 100]


@given(st.lists(st.tuples(intervals, st.sampled_from([CHAIR, UNKNOWN]), st.booleans()), max_size=8))
def test_the_events_tell_the_whole_story_of_those_that_are_told_of(passes):
    """Whatever turns into an object of no class and back, and whether these are told of or not."""
    run = Run(NAMES_AND_UNKNOWN, InstancesConfig(max_missed=1))
    living = set()
    for spans, class_id, run.tell_unknown in passes:
        run.update(*blocks(spans), class_id=class_id, weight=len(spans))
        for event in run.events:
            if event.kind == "created":
                assert event.id not in living
                living.add(event.id)
            elif event.kind == "retired":
                living.remove(event.id)
            else:
                assert {event.id, *event.other_ids} <= living and event.other_ids
                living -= set(event.other_ids) if event.kind == "merged" else set()
        assert {i.id for i in run.instances} == living
        assert run.tell_unknown or all(i.class_name == "chair" for i in run.instances)


@given(st.lists(intervals, max_size=8))
def test_the_events_tell_the_whole_story(passes):
    """Ids are unique and new ones rise; the living are the created less the retired and the merged."""
    run = Run(config=InstancesConfig(max_missed=1))
    living, highest = set(), 0
    for spans in passes:
        run.update(*blocks(spans))
        for event in run.events:
            if event.kind == "created":
                assert event.id == highest + 1
                highest = event.id
                living.add(event.id)
            elif event.kind == "retired":
                living.remove(event.id)
            elif event.kind == "merged":
                living -= set(event.other_ids)
                assert event.id in living
            else:
                assert {event.id, *event.other_ids} <= living
        ids = [i.id for i in run.instances]
        assert len(ids) == len(set(ids)) and set(ids) == living


def test_label_gives_rows_their_id_and_the_active_win():
    run = Run()
    run.update(block(0, 10))
    run.update(block(8, 18))
    world = snapshot_of(np.concatenate([block(-3, 25), block(0, 3, y=2)]), version=2)
    ids = label(world.keys, run.memory.known)
    assert ids.dtype == np.int32
    expected = [
        2 if 8 <= x < 18 and y == 0 else 1 if 0 <= x < 8 and y == 0 else -1 for x, y, _ in world.voxel_coords
    ]
    assert ids.tolist() == expected
    assert label(world.keys, run.memory.known[::-1]).tolist() == expected
    assert label(snapshot_of([]).keys, run.memory.known).shape == (0,)


def test_association_says_which_detection_continues_what_and_what_they_share():
    run = Run()
    run.update(block(0, 10), block(20, 40))
    snapshot = snapshot_of(block(0, 35))
    found = [detection(snapshot, b) for b in (block(22, 30), block(5, 15), block(15, 19))]
    joined = associate(run.memory.known, found, voxel_keys.pack(snapshot.voxel_coords), min_overlap=0.25)
    assert joined.continued.tolist() == [1, 0, -1]
    assert joined.shared.toarray().tolist() == [[0, 8], [5, 0], [0, 0]]
    assert joined.known_size.tolist() == [10, 20] and joined.known_present.tolist() == [10, 15]


@given(
    st.lists(st.tuples(*[st.integers(0, 7)] * 2, st.integers(1, 100)), unique_by=lambda pair: pair[:2]),
)
def test_pairs_are_worth_together_what_the_assignment_of_all_to_all_is(pairs):
    table = np.zeros((8, 8))
    for row, column, worth in pairs:
        table[row, column] = worth
    row, column, worth = (np.array([pair[k] for pair in pairs], int) for k in range(3))
    best = _best(row, column, worth / 1, (8, 8))
    chosen = np.flatnonzero(best >= 0)
    assert len(np.unique(best[chosen])) == len(chosen)
    assert (table[chosen, best[chosen]] > 0).all()
    assert table[chosen, best[chosen]].sum() == table[linear_sum_assignment(table, maximize=True)].sum()


def segmented(probabilities, thing_rows):
    log_probabilities = np.log(np.array(probabilities, dtype=np.float32))
    label = log_probabilities.argmax(axis=1).astype(np.int32)
    embeddings = np.zeros((len(thing_rows), 2), np.float32)
    return Segmentation(log_probabilities, label, np.array(thing_rows, dtype=np.int64), embeddings)


def clustered(label, adopted=()):
    """`adopted`: which rows were."""
    return Clusters(
        np.array(label, np.int32),
        np.isin(np.arange(len(label)), adopted),
        np.ones(len(label), np.float32),
    )


def test_describe_votes_by_summed_log_probability():
    """Two voxels lean to chair, one is sure of table: the sum of logs says table, a count would not."""
    snapshot = snapshot_of(block(0, 5))
    segmentation = segmented(
        [[0.9, 0.05, 0.05], [0.1, 0.5, 0.4], [0.1, 0.5, 0.4], [0.01, 0.01, 0.98], [0.01, 0.98, 0.01]],
        [1, 2, 3, 4],
    )
    clusters = clustered([0, 0, 0, -1], adopted=[1])
    (found,) = describe(snapshot, segmentation, clusters, NAMES).detections
    assert found.class_id == TABLE and found.rows.tolist() == [1, 2, 3]
    assert found.class_log_votes[0] == -np.inf
    assert found.class_log_votes[TABLE] == pytest.approx(np.log(0.4 * 0.4 * 0.98), rel=1e-6)
    surface = 3 * snapshot.voxel_size**2
    assert found.score == pytest.approx((0.4 + 0.4 + 0.98) / 3 * 2 / 3 * surface / (surface + 0.08), rel=1e-6)
    np.testing.assert_allclose(found.centroid, (0.25, 0.05, 0.05), atol=1e-6)
    np.testing.assert_allclose(found.box.size, (0.2, 0, 0), atol=1e-6)


def test_a_voxel_that_is_too_sure_does_not_outvote_the_others():
    """Four lean to chair by 0.9 to 0.09; one is sure of table, by 1 to 1e-9."""
    segmentation = segmented([[0.01, 0.9, 0.09]] * 4 + [[1e-9, 1e-9, 1.0]], range(5))
    (found,) = describe(snapshot_of(block(0, 5)), segmentation, clustered([0] * 5), NAMES).detections
    assert found.class_id == CHAIR
    assert found.class_log_votes[CHAIR] == pytest.approx(4 * np.log(0.9) + np.log(0.01), rel=1e-6)


def test_describe_never_votes_for_stuff():
    segmentation = segmented([[0.9, 0.04, 0.06]] * 3, [0, 1, 2])
    (found,) = describe(snapshot_of(block(0, 3)), segmentation, clustered([0, 0, 0]), NAMES).detections
    assert found.class_id == TABLE


def test_describe_keeps_the_order_of_labels():
    segmentation = segmented([[0.1, 0.8, 0.1]] * 4, [0, 1, 2, 3])
    clusters = clustered([1, 0, 1, 0], adopted=[2])
    found = describe(snapshot_of(block(0, 4)), segmentation, clusters, NAMES).detections
    assert [d.rows.tolist() for d in found] == [[1, 3], [0, 2]] and found[0].score > found[1].score


def test_describe_without_clusters():
    segmentation = segmented([[0.1, 0.8, 0.1]], [0])
    assert describe(snapshot_of(block(0, 1)), segmentation, clustered([-1]), NAMES).detections == ()


def test_describe_refuses_classes_that_do_not_fit():
    segmentation = segmented([[0.1, 0.8, 0.1]], [0])
    snapshot, clusters = snapshot_of(block(0, 1)), clustered([0])
    with pytest.raises(ValueError, match="3 classes .* 2 class names"):
        describe(snapshot, segmentation, clusters, NAMES[:2])
    with pytest.raises(ValueError, match="no countable class"):
        describe(snapshot, segmentation, clusters, ("floor", "wall", "floor"))


@given(st.integers(0, 2**32))
@settings(max_examples=30)
def test_what_is_just_as_it_was_is_joined_as_if_it_were_compared(seed):
    rng = np.random.default_rng(seed)
    snapshot, box = snapshot_of([[x, 0, 0] for x in range(60)]), fit_box(np.zeros((1, 3)))

    def parts(count):
        cuts = np.sort(rng.choice(61, 2 * count, replace=False)).reshape(-1, 2)
        rows = [np.arange(*cut) for cut in cuts.tolist()]
        return [Detection(CHAIR, 0.5, np.zeros(3), box, np.zeros(3), r, snapshot.keys[r]) for r in rows]

    memory, stays = Memory(), []
    for time in range(5):
        free = np.setdiff1d(np.arange(60), np.concatenate([[-1], *(d.rows for d in stays)]))
        detections = [*stays, *(d for d in parts(8) if np.isin(d.rows, free).all())]
        of_copies = replace(memory, known=tuple(replace(k, keys=k.keys.copy()) for k in memory.known))
        found, events = update(memory, detections, snapshot, time, NAMES, CONFIG)
        expected, told = update(of_copies, detections, snapshot, time, NAMES, CONFIG)
        assert events == told and [(k.id, k.missed) for k in found.known] == [
            (k.id, k.missed) for k in expected.known
        ]
        for one, other in zip(found.known, expected.known):
            np.testing.assert_array_equal(one.keys, other.keys)
        memory, stays = found, [d for d in detections if rng.random() < 0.6]


def test_a_hundred_instances_keep_their_ids():
    coords = np.stack(np.meshgrid(np.arange(1000), np.arange(10), np.arange(10), indexing="ij"), -1)
    snapshot = snapshot_of(coords.reshape(-1, 3))
    box = fit_box(np.zeros((1, 3)))
    rows = [np.arange(i * 1000, (i + 1) * 1000) for i in range(100)]
    detections = [Detection(CHAIR, 0.5, np.zeros(3), box, np.zeros(3), r, snapshot.keys[r]) for r in rows]
    first, _ = update(Memory(), detections, snapshot, 0, NAMES, CONFIG)
    again, events = update(first, detections[::-1], snapshot, 1, NAMES, CONFIG)
    assert events == () and [k.id for k in again.known] == [k.id for k in first.known]
    ids = label(snapshot.keys, again.known)
    assert [np.unique(ids[r]).tolist() for r in rows] == [[k.id] for k in first.known]


def test_what_has_not_changed_is_not_described_anew():
    snapshot = snapshot_of(np.concatenate([block(0, 40), block(0, 40, y=5)]))
    answers = np.log(np.random.default_rng(0).dirichlet(np.ones(3), 80)).astype(np.float32)

    def described(snapshot, answers, before=None):
        segmentation = Segmentation(
            answers, answers.argmax(axis=1).astype(np.int32), np.arange(80), np.zeros((80, 2), np.float32)
        )
        clusters = Clusters(
            (np.arange(80) // 40).astype(np.int32), np.arange(80) % 7 == 0, np.ones(80, np.float32)
        )
        return describe(snapshot, segmentation, clusters, NAMES, before)

    first = described(snapshot, answers)
    moved = replace(
        snapshot, points=snapshot.points + np.where(np.arange(80) == 79, 0.01, 0)[:, None].astype("f4")
    )
    for shot, said, same in (
        (snapshot, answers, (True, True)),
        (moved, answers, (True, False)),
        (snapshot, np.where(np.arange(80)[:, None] == 0, answers - 1, answers), (False, True)),
    ):
        again, anew = described(shot, said, first), described(shot, said)
        again, anew = again.detections, anew.detections
        assert tuple(a.box is b.box for a, b in zip(again, first.detections, strict=True)) == same
        for a, b in zip(again, anew, strict=True):
            np.testing.assert_array_equal(a.rows, b.rows)
            assert (a.class_id, a.score) == (b.class_id, b.score)
            np.testing.assert_array_equal(a.class_log_votes, b.class_log_votes)
            np.testing.assert_array_equal(a.box.center, b.box.center)
