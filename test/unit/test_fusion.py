"""What passes say together: labels that are held, answers that fade, a map that settles in the quiet."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ssen_ros import voxel_keys, voxels_native
from ssen_ros.config import SsenConfig, with_values
from ssen_ros.fusion import (
    FREE_SHARE,
    REACH,
    STALE_SHARE,
    TILE,
    changed_share,
    corrected_since,
    fuse,
    having_told,
    tell,
    told,
)
from ssen_ros.labels import CLASS_NAMES
from ssen_ros.pipeline import Segmenting, SsenPipeline
from ssen_ros.regions import Patched
from ssen_ros.structures import Memory, VoxelSnapshot
from ssen_ros.voxel_map import VoxelMap

SIZE, HOLD, SIDES = 0.1, 0.5, 4
FAR = TILE * (REACH + 1)  # voxels: beyond what counts as the surroundings


def snapshot_of(coords, colors=100) -> VoxelSnapshot:
    coords = np.asarray(coords, np.int32)
    coords = coords[np.argsort(voxel_keys.pack(coords))]
    colors = np.full(coords.shape, colors, np.uint8)
    return VoxelSnapshot(coords, ((coords + 0.5) * SIZE).astype(np.float32), colors, SIZE)


def row(count, start=0):
    """So many voxels in a row."""
    return [(start + x, 0, 0) for x in range(count)]


def answer(*leads) -> np.ndarray:
    """By so much class 1 leads class 0, in log-probability, at each voxel."""
    odds = np.exp(np.float32(leads))
    return np.log(np.stack([1 / (1 + odds), odds / (1 + odds)], axis=1)).astype(np.float32)


def test_a_label_is_held_where_another_leads_but_a_little_and_nothing_has_changed():
    shot = snapshot_of(row(4))
    before = fuse(None, shot, answer(-1, -1, 1, 1), HOLD, SIDES)
    assert before.label.tolist() == [0, 0, 1, 1]
    # of one voxel in the row far away the colour changes: it has other surroundings than the first four
    longer = snapshot_of([*row(4), *row(100, FAR)])
    known = fuse(None, longer, answer(*[-1] * 104), HOLD, SIDES).evidence
    colors = np.where(np.arange(104)[:, None] == 103, 0, longer.colors).astype(np.uint8)
    repainted = replace(longer, colors=colors)
    after = fuse(known, repainted, answer(*[0.4] * 104), HOLD, SIDES)
    assert after.pass_label.tolist() == [1] * 104
    assert after.label[:4].tolist() == [0] * 4, "what was said of them is not even heard"
    assert after.label[103] == 1, "the voxel itself has changed"
    near = slice(4 + 100 - TILE, 103)
    assert after.label[near].tolist() == [0] * (TILE - 1), "the lead is too small"
    again = fuse(after.evidence, longer, answer(*[5] * 104), HOLD, SIDES)
    assert (again.label[near] == 0).sum() == 0, "the lead is large enough"


def test_less_is_asked_for_as_more_has_changed_around_since():
    count, part = 100, 3  # voxels; so many of them change each time
    shot = snapshot_of([(x % 10, x // 10, 0) for x in range(count)])
    known = fuse(None, shot, answer(*[-1] * count), HOLD, SIDES).evidence
    passes, dark = 0, np.zeros(count, bool)
    while True:
        passes += 1
        dark[-part:] = ~dark[-part:]
        now = replace(shot, colors=np.where(dark[:, None], 0, shot.colors).astype(np.uint8))
        fused = fuse(known, now, answer(*[0.3] * count), HOLD, SIDES)
        if fused.label[0] == 1:
            break
        known = fused.evidence
    # 0.3 < 0.5 * (1 - changed / FREE_SHARE), until so much has changed:
    assert passes == int(np.ceil((1 - 0.3 / HOLD) * FREE_SHARE / (part / count)))


def test_what_is_known_fades_with_what_changes_around_it():
    count = 200
    coords = [(x % 15, x // 15, 0) for x in range(count)]
    shot = snapshot_of(coords)
    first, second = answer(*[-2] * count), answer(*[2] * count)
    known = fuse(None, shot, first, HOLD, SIDES).evidence
    for changed in (1, 3, 30):
        colors = np.where(np.arange(count)[:, None] < changed, 0, shot.colors).astype(np.uint8)
        found = fuse(known, replace(shot, colors=colors), second.copy(), HOLD, SIDES)
        weight = min(1, changed / count / STALE_SHARE)
        expected = np.log((1 - weight) * np.exp(first) + weight * np.exp(second))
        np.testing.assert_allclose(found.log_probabilities[changed:], expected[changed:], atol=2e-3)
        kept = second[:changed].astype(np.float16)
        np.testing.assert_array_equal(found.log_probabilities[:changed], kept)


def test_nothing_that_did_not_change_is_said_anew():
    shot = snapshot_of(row(50))
    known = fuse(None, shot, answer(*[-1] * 50), HOLD, SIDES).evidence
    trembling = replace(shot, points=shot.points + np.float32(0.003), colors=shot.colors + np.uint8(10))
    found = fuse(known, trembling, answer(*[3] * 50), HOLD, SIDES)
    np.testing.assert_array_equal(found.evidence.mean, known.mean)
    assert found.label.tolist() == [0] * 50


def test_of_an_answer_that_is_patched_all_is_fused_that_would_be_of_the_whole():
    shot, whole = snapshot_of([*row(20), *row(20, FAR)]), answer(*np.linspace(-2, 2, 40))
    known = fuse(None, shot, answer(*[-1] * 40), HOLD, SIDES).evidence
    longer = snapshot_of([*row(20), *row(21, FAR)])
    join, last = voxel_keys.Join.of(shot.keys, longer.keys), np.array([40])
    patched = Patched.of(whole).after(join, last[:0], last[:0], last, answer(3))
    expected = fuse(known, longer, np.array(patched), HOLD, SIDES)
    found = fuse(known, longer, patched, HOLD, SIDES)
    np.testing.assert_equal(vars(found.evidence), vars(expected.evidence))
    assert (
        found.pass_label is patched and np.asarray(patched).argmax(1).tolist() == expected.pass_label.tolist()
    )
    for afresh in (None, replace(known, quiet=True, keys=longer.keys[:0])):
        assert fuse(afresh, longer, patched, HOLD, SIDES).label.tolist() == expected.pass_label.tolist()


def test_in_the_quiet_every_pass_counts_alike_and_none_before_it():
    shot = snapshot_of(row(3))
    memory = Memory(evidence=fuse(None, shot, answer(5, 5, 5), HOLD, SIDES).evidence)
    sides = [answer(-1, 2, 0.1), answer(3, -1, 0.1), answer(-1, -3, -0.5), answer(-1, 1, 0.1)]
    for number, side in enumerate(sides):
        memory = memory.in_the_quiet()
        assert memory.turn == number and not memory.is_settled
        found = fuse(memory.evidence, shot, side, HOLD, SIDES)
        memory = replace(memory, evidence=found.evidence)
        mean = np.log(np.mean(np.exp(sides[: number + 1]), axis=0))
        np.testing.assert_allclose(found.log_probabilities, mean, atol=5e-3)
        assert found.label.tolist() == mean.argmax(axis=1).tolist()
    assert memory.is_settled and memory.turn == 0
    update = fuse(memory.evidence, shot, answer(9, 9, 9), HOLD, SIDES)
    assert update.evidence.settled and update.label.tolist() == found.label.tolist(), "it stays so"
    grown = fuse(memory.evidence, snapshot_of(row(4)), answer(1, 1, 1, 1), HOLD, SIDES)
    assert not grown.evidence.settled and grown.evidence.passes == 0


def test_without_it_each_pass_is_its_own():
    shot = snapshot_of(row(2))
    found = fuse(fuse(None, shot, answer(-1, 1), HOLD, SIDES).evidence, shot, answer(0.1, -0.1), 0.0, 0)
    assert found.evidence is None and found.label.tolist() == [1, 0]
    np.testing.assert_array_equal(found.log_probabilities, answer(0.1, -0.1))


CELLS = st.lists(st.tuples(*[st.integers(-70, 70)] * 2, st.integers(-2, 2)), unique=True, max_size=30)


@settings(max_examples=40)
@given(CELLS, CELLS, st.randoms(use_true_random=False))
def test_the_share_that_changed_around_a_voxel_is_counted_in_tiles(there, gone, random):
    keys = np.sort(voxel_keys.pack(np.reshape(there, (-1, 3)).astype(int)))
    changed = np.array([random.random() < 0.3 for _ in keys], bool)
    gone = np.setdiff1d(voxel_keys.pack(np.reshape(gone, (-1, 3)).astype(int)), keys)
    tile = np.floor_divide(voxel_keys.unpack(np.append(keys, gone)), TILE)
    differs = np.append(changed, np.ones(len(gone), bool))
    expected = np.ones(len(keys))
    for k in np.flatnonzero(~changed):
        near = (np.abs(tile - tile[k]) <= REACH).all(axis=1)
        expected[k] = differs[near].mean()
    np.testing.assert_allclose(changed_share(keys, changed, gone), expected, rtol=1e-6)


@settings(max_examples=40)
@given(st.lists(st.tuples(CELLS, st.booleans()), min_size=2, max_size=4))
def test_maps_may_become_anything(maps):
    known = None
    for cells, quiet in maps:
        shot = snapshot_of(np.reshape(cells, (-1, 3)))
        known = known and replace(known, quiet=quiet)
        found = fuse(known, shot, answer(*range(len(shot))).reshape(-1, 2), HOLD, SIDES)
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(voxels_native, "library", lambda: None)
            by_numpy = fuse(known, shot, answer(*range(len(shot))).reshape(-1, 2), HOLD, SIDES)
        np.testing.assert_equal(vars(found.evidence), vars(by_numpy.evidence))
        known = found.evidence
        assert len(found.label) == len(found.log_probabilities) == len(known.keys) == len(shot)
        assert np.isfinite(known.mean).all() and (known.meanwhile >= 0).all()


class FourSided(Segmenting):
    """Each side of the map shows every voxel right with a probability of 0.6, and what it shows stays so."""

    voxel_size = SIZE
    class_names = CLASS_NAMES

    def __init__(self, side=0):
        self.side = side

    def turned(self, turn):
        return FourSided(turn)

    def semantic(self, snapshot, floor):
        rng = np.random.default_rng(self.side)
        label = np.where(rng.random(len(snapshot)) < 0.6, 0, rng.integers(1, 20, len(snapshot)))
        return np.where(np.arange(20) == label[:, None], -0.7, -3.7).astype(np.float32)

    def embed(self, snapshot, thing_rows, floor):
        return np.zeros((len(thing_rows), 3), np.float32)


@pytest.fixture
def plain() -> VoxelSnapshot:
    made = VoxelMap(SIZE)
    made.integrate(np.stack(np.meshgrid(*[np.arange(60) * SIZE + 0.05] * 2, [0.05]), -1).reshape(-1, 3),
                   np.full((3600, 3), 100, np.uint8))  # fmt: skip
    return made.snapshot()


def test_a_map_that_stands_still_gets_better_and_then_stays_the_same(plain):
    pipeline = SsenPipeline(FourSided(), with_values(SsenConfig(), {"fusion.quiet_passes": 6}))
    result = pipeline.step(plain, 0)
    right = [(result.segmentation.semantic_label == 0).mean()]
    while not result.memory.is_settled:
        result = pipeline.step(plain, 0, result.memory.in_the_quiet())
        right.append((result.segmentation.semantic_label == 0).mean())
    assert len(right) == 1 + 6 and right[0] == right[1] < 0.7 < 0.9 < right[-1]
    again = pipeline.step(plain, 0, result.memory)
    np.testing.assert_array_equal(again.segmentation.semantic_label, result.segmentation.semantic_label)
    assert again.memory.is_settled


def test_networks_that_see_no_other_side_have_settled_at_once(plain, height_segmenter):
    height_segmenter.__dict__["voxel_size"] = SIZE
    result = SsenPipeline(height_segmenter).step(plain, 0)
    assert result.memory.is_settled and result.memory.evidence is not None


def told_after(*labels, confirm=2, at_once=(False, False)):
    """What was told of two voxels after each of these labels, by passes over the same map."""
    evidence = fuse(None, snapshot_of(row(2)), answer(-1, -1), HOLD, SIDES).evidence
    for label in labels:
        evidence = tell(evidence, np.array(label), np.array(at_once), confirm)
        yield told(evidence, np.array(label)).tolist()


def test_a_label_that_was_told_stays_until_passes_in_a_row_say_otherwise():
    blinking = [0, 0], [1, 0], [0, 1], [1, 1], [1, 2], [0, 2]
    assert [*told_after(*blinking)] == [[0, 0], [0, 0], [0, 0], [0, 1], [1, 1], [1, 2]]
    assert [*told_after(*blinking, confirm=1)] == [*map(list, blinking)]
    assert [*told_after(*blinking, confirm=3)] == [[0, 0]] * 4 + [[0, 2]] * 2
    assert [*told_after(*blinking, at_once=(True, False))][1:3] == [[1, 0], [0, 0]]


def test_of_a_voxel_that_has_changed_the_newest_label_is_told():
    shot, label = snapshot_of(row(3)), np.zeros(3, int)
    evidence = tell(fuse(None, shot, answer(-1, -1, -1), HOLD, SIDES).evidence, label, label > 0, 2)
    colors = np.where(np.arange(3)[:, None] == 1, 0, shot.colors).astype(np.uint8)
    after = fuse(evidence, replace(shot, colors=colors), answer(1, 1, 1), HOLD, SIDES).evidence
    assert after.told.tolist() == [0, -1, 0]
    assert tell(after, label + 1, label > 0, 2).told.tolist() == [0, 1, 0]
    quiet = fuse(replace(after, quiet=True), shot, answer(1, 1, 1), HOLD, SIDES).evidence
    assert tell(quiet, label + 1, label > 0, 2).told.tolist() == [1, 1, 1], "what is seen in the quiet counts"


def test_what_a_hand_has_said_is_told_and_never_doubted_even_while_a_pass_runs():
    shot, label = snapshot_of(row(3)), np.zeros(3, int)
    first = tell(fuse(None, shot, answer(-1, -1, -1), HOLD, SIDES).evidence, label, label > 0, 3)
    colors = np.where(np.arange(3)[:, None] == 2, 0, shot.colors).astype(np.uint8)
    running = fuse(first, replace(shot, colors=colors), answer(-1, -1, -1), HOLD, SIDES).evidence
    doubted = tell(first, label + 1, label > 0, 3)
    corrected = having_told(doubted, np.array([1, 0, 1]), np.array([True, False, True]))
    assert corrected.doubts.tolist() == [0, 1, 0] and told(corrected, label + 1).tolist() == [1, 0, 1]
    seen = corrected_since(running, corrected)
    assert seen.told.tolist() == [1, 0, -1] and seen.doubts.tolist()[:2] == [0, 1]
    assert corrected_since(running, running) is running and corrected_since(None, corrected) is None
