"""Answers of a network anew where a map has changed: which voxels, and that the others keep theirs."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from ssen_ros import regions, voxel_keys
from ssen_ros.features import Anchor
from ssen_ros.regions import SPARE, TILE, Answers, Patched, Voxels, answer
from ssen_ros.voxel_keys import Join

HERE = Anchor(0.0, (0.0, 0.0))
SIZE = 0.1


def voxels(coords, shade=100, shift=0.0) -> Voxels:
    """These (n, 3) cells; all of a shade, and their points off the cells' middles by so many metres."""
    keys = np.unique(voxel_keys.pack(np.asarray(coords).reshape(-1, 3)))
    points = ((voxel_keys.unpack(keys) + 0.5) * SIZE + shift).astype(np.float32)
    return Voxels(keys, points, np.full(points.shape, shade, np.uint8))


def cells(*ranges) -> np.ndarray:
    return np.stack(np.meshgrid(*(np.arange(*r) for r in ranges), indexing="ij"), axis=-1).reshape(-1, 3)


class Counting:
    """A network that answers with how many voxels it sees within `reach`, and how bright they are."""

    def __init__(self, seen: Voxels, reach: int = 3):
        self.voxels, self.reach, self.calls = seen, reach, []

    def __call__(self, rows: np.ndarray, anchor: Anchor) -> np.ndarray:
        self.calls.append((rows, anchor))
        coords = voxel_keys.unpack(self.voxels.keys[rows])
        near = (np.abs(coords[:, None] - coords[None]).max(axis=2) <= self.reach).astype(np.float32)
        bright = self.voxels.colors[rows].astype(np.float32)
        return np.concatenate([near.sum(1, keepdims=True), near @ bright], axis=1)


def whole(seen: Voxels) -> Answers:
    return answer(None, seen, HERE, Counting(seen))[0]


def equal(one: Answers, other: Answers) -> None:
    np.testing.assert_array_equal(one.shown.keys, other.shown.keys)
    np.testing.assert_array_equal(one.values, other.values)


def rounds(seed: int, count: int) -> list[Voxels]:
    """Maps, each with a part of the one before and some cells more."""
    rng, found, coords = np.random.default_rng(seed), [], np.empty((0, 3), int)
    for _ in range(count):
        stay = coords[rng.random(len(coords)) < rng.choice([0.3, 0.95, 1])]
        coords = np.concatenate([stay, rng.integers(-40, 40, (rng.integers(0, 30), 3))])
        found.append(voxels(coords, shade=rng.choice([100, 110, 200])))
    return found


@given(st.integers(0, 2**32), st.integers(2, 4))
@settings(max_examples=50)
def test_a_network_that_sees_no_farther_than_the_margin_answers_as_in_whole_passes(seed, count):
    known = None
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(regions, "DIRTY_SHARE", 0.0)
        patch.setattr(regions, "TREMBLE_COLOR", 0)
        for seen in rounds(seed, count):
            known, _ = answer(known, seen, HERE, Counting(seen))
            equal(known, whole(seen))
            assert len(known.gone) == 0 and not np.isnan(known.shown.points).any()


@given(st.integers(0, 2**32))
@example(97)  # all of a tile goes, and what lies around stays
@settings(max_examples=50)
def test_only_the_region_is_answered_anew_and_what_was_known_stays_as_it_was(seed):
    before, now = rounds(seed, 2)
    known, network = whole(before), Counting(now)
    arrays = *vars(known.shown).values(), known.values.place, *known.values.blocks, known.gone
    copies = [array.copy() for array in arrays]
    answers, count = answer(known, now, HERE, network)
    assert all(map(np.array_equal, arrays, copies))
    seen = network.calls[0][0] if network.calls else np.empty(0, int)
    assert count == len(seen)
    row = voxel_keys.find(before.keys, now.keys)
    outside = np.setdiff1d(np.flatnonzero(row >= 0), seen)
    np.testing.assert_array_equal(answers.values[outside], known.values[row[outside]])
    equal(answer(known, now, HERE, Counting(now))[0], answers)  # as if that pass had never been made


@given(st.integers(0, 2**32), st.integers(1, 40))
@settings(max_examples=30)
def test_patched_rows_are_those_of_an_array_and_take_little_more(seed, count):
    rng, keys = np.random.default_rng(seed), np.arange(0, 400, 2)
    array = rng.random((len(keys), 3)).astype(np.float32)
    patched = first = Patched.of(array)
    assert np.asarray(first) is array
    for _ in range(count):
        now = np.union1d(keys[rng.random(len(keys)) < 0.98], rng.integers(0, 400, 3))
        join = Join.of(keys, now)
        split = rng.integers(len(join.new) + 1)
        lent, anew = join.new[:split], np.union1d(join.new[split:], rng.integers(0, len(now), 5))
        lent = np.setdiff1d(lent, anew)
        lender, values = rng.integers(0, len(keys), len(lent)), rng.random((len(anew), 3)).astype(np.float32)
        expected = join.carried(array)
        expected[lent], expected[anew] = array[lender], values
        patched, keys, array = patched.after(join, lent, lender, anew, values), now, expected
        np.testing.assert_array_equal(patched, array)
        some = rng.integers(0, len(now), 9)
        np.testing.assert_array_equal(patched[some], array[some])
        assert patched.shape == array.shape and sum(map(len, patched.blocks)) <= (1 + SPARE) * len(now)
    np.testing.assert_array_equal(first, first.blocks[0])


def test_nothing_runs_where_nothing_changes():
    seen = voxels(cells((0, 20), (0, 20), (1,)))
    network, known = Counting(seen), whole(seen)
    again, count = answer(known, voxels(cells((0, 20), (0, 20), (1,)), shift=0.004), HERE, network)
    assert count == 0 and again is known and not network.calls


def test_what_is_answered_anew_is_a_tile_wider_than_the_change_and_what_is_seen_two_more():
    corridor = cells((0, 20 * TILE), (1,), (1,))
    before = voxels(corridor)
    now = voxels(np.concatenate([corridor, cells((10 * TILE + 3, 10 * TILE + 6), (1,), (1, 3))]))
    network = Counting(now)
    answers, _ = answer(whole(before), now, HERE, network)
    ((rows, _),) = network.calls
    x = voxel_keys.unpack(now.keys[rows])[:, 0]
    assert (x.min(), x.max()) == (7 * TILE, 14 * TILE - 1)
    network.reach = 0
    anew, _ = answer(
        replace(whole(before), values=Patched.of(np.full((len(corridor), 4), -1.0))), now, HERE, network
    )
    x = voxel_keys.unpack(now.keys[(np.asarray(anew.values) != -1).all(1)])[:, 0]
    assert (x.min(), x.max()) == (9 * TILE, 12 * TILE - 1)
    equal(answers, whole(now))


def test_small_changes_of_a_tile_wait_until_they_are_enough():
    floor = cells((0, TILE), (0, TILE), (4,))
    known, runs = whole(voxels(floor)), []
    for k in range(1, 9):  # of 256 voxels, 8 are 3 %
        now = voxels(floor[k:])
        known, count = answer(known, now, HERE, Counting(now))
        runs.append(count)
    assert runs == [0] * 7 + [256 - 8]
    equal(known, whole(now))


def test_what_trembles_is_compared_with_what_the_network_was_shown():
    floor = cells((0, TILE), (0, TILE), (4,))
    known, runs = whole(voxels(floor)), []
    for k in range(1, 4):
        now = voxels(floor, shade=100 + 8 * k)
        known, count = answer(known, now, HERE, Counting(now))
        runs.append(count)
    assert runs == [0, 0, 256], "24 levels are a change, though each step was of 8"


def test_a_few_new_voxels_take_what_was_answered_beside_them():
    floor = cells((0, TILE), (0, TILE), (4,))
    before, now = voxels(floor), voxels([*floor, (3, 4, 4)])
    known = replace(whole(before), values=Patched.of(np.arange(256, dtype=np.float32)[:, None]))
    answers, count = answer(known, now, HERE, Counting(now))
    row = {tuple(cell): k for k, cell in enumerate(voxel_keys.unpack(now.keys).tolist())}
    below = known.values[voxel_keys.find(before.keys, voxel_keys.pack(np.array([[3, 4, 3]])))]
    assert count == 0 and answers.values[np.array([row[3, 4, 4]])] == below
    assert np.isnan(answers.shown.points).any(axis=1).sum() == 1
    back, count = answer(answers, before, HERE, Counting(before))
    assert count == len(back.gone) == 0, "the network was never shown what has gone again"
    np.testing.assert_array_equal(back.values, known.values)


def test_a_new_voxel_with_nothing_beside_it_is_answered():
    floor = cells((0, TILE), (0, TILE), (1,))
    now = voxels([*floor, (3, 4, 5)])
    answers, count = answer(whole(voxels(floor)), now, HERE, Counting(now))
    assert count == len(now.keys)
    equal(answers, whole(now))


def test_where_the_network_would_be_given_more_than_a_share_the_pass_is_whole():
    corridor = cells((0, 14 * TILE), (1,), (1,))
    before = voxels(corridor)
    now = voxels(np.concatenate([corridor, cells((3, 6), (1,), (1, 3))]))
    known, there = whole(before), Anchor(0.0, (5.0, 0.0))
    for share, is_whole in ((0.2, True), (0.4, False)):  # 4 of 14 tiles
        network = Counting(now)
        answers, count = answer(known, now, there, network, share)
        assert (count == len(now.keys)) == is_whole
        assert network.calls[0][1] is answers.anchor is (there if is_whole else HERE)


def test_after_an_empty_map_all_is_answered():
    nothing, seen = voxels(np.empty((0, 3), int)), voxels([(0, 0, 0)])
    known, _ = answer(None, nothing, HERE, Counting(nothing))
    equal(answer(known, seen, HERE, Counting(seen))[0], whole(seen))
    gone, count = answer(whole(seen), nothing, HERE, Counting(nothing))
    assert count == len(gone.values) == 0
