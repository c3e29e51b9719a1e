"""Networks see a map about as bright as the rooms they know, whatever camera it is from."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ssen_ros.config import SsenConfig, with_values
from ssen_ros.exposure import STEADY, USUAL, shift_of, shifted
from ssen_ros.labels import CLASS_NAMES, NO_COLOR
from ssen_ros.pipeline import Segmenting, SsenPipeline
from ssen_ros.structures import Memory
from ssen_ros.voxel_map import VoxelMap


def colors_around(median: float, spread: int = 12) -> np.ndarray:
    return (
        np.tile(np.arange(-spread, spread + 1)[:, None] + round(median), (5, 3)).clip(0, 255).astype(np.uint8)
    )


@pytest.mark.parametrize("median, shift", [(230, -80), (151, -1), (150, 0), (NO_COLOR, 0), (85, 0), (40, 45)])
def test_the_median_comes_to_what_is_usual(median, shift):
    colors = colors_around(median)
    assert shift_of(colors, None) == shift
    assert USUAL[0] <= np.median(shifted(colors, shift)) <= USUAL[1]
    assert len(np.unique(shifted(colors, shift))) == 25, "differences stay"


def test_a_shift_stays_while_it_is_about_as_good():
    assert shift_of(colors_around(200), -50 + STEADY) == -50 + STEADY
    assert shift_of(colors_around(200), -51 - STEADY) == -50
    assert shift_of(colors_around(120), -STEADY) == -STEADY and shift_of(colors_around(120), -40) == 0
    assert shift_of(np.empty((0, 3), np.uint8), None) == 0 and shift_of(np.empty((0, 3), np.uint8), 7) == 7


@given(st.integers(-255, 255), st.lists(st.integers(0, 255), min_size=3, max_size=3))
def test_no_colour_leaves_its_range(levels, color):
    colors = np.array([color], np.uint8)
    expected = np.clip(colors.astype(int) + levels, 0, 255)
    np.testing.assert_array_equal(shifted(colors, levels), expected)


class Noting(Segmenting):
    """Notes what it is shown."""

    voxel_size, class_names = 0.1, CLASS_NAMES

    def semantic(self, snapshot, floor):
        self.shown = snapshot.colors
        return np.where(np.arange(20) == 4, -0.1, -5.0).astype(np.float32) * np.ones(
            (len(snapshot), 1), np.float32
        )

    def embed(self, snapshot, thing_rows, floor):
        self.shown_of_things = snapshot.colors[thing_rows]
        return np.zeros((len(thing_rows), 3), np.float32)


def map_of(colors: np.ndarray):
    made, places = VoxelMap(0.1), np.arange(len(colors))
    made.integrate(np.stack([places % 25, places // 25, 0 * places], 1) * 0.1 + 0.05, colors)
    return made.snapshot()


def test_networks_see_a_bright_map_darker_and_all_others_its_own_colours():
    snapshot, segmenter = map_of(colors_around(220)), Noting()
    result = SsenPipeline(segmenter).step(snapshot, 0)
    np.testing.assert_array_equal(segmenter.shown, shifted(snapshot.colors, -70))
    np.testing.assert_array_equal(segmenter.shown_of_things, segmenter.shown[result.segmentation.thing_rows])
    np.testing.assert_array_equal(result.snapshot.colors, snapshot.colors)
    assert result.memory.exposure == -70 and result.memory.evidence is not None
    np.testing.assert_array_equal(result.memory.evidence.colors, snapshot.colors)
    later = SsenPipeline(segmenter).step(map_of(colors_around(225)), 1, result.memory)
    assert later.memory.exposure == -70, "within what is steady"


def test_a_map_is_seen_as_it_is_where_that_is_asked_for():
    snapshot, segmenter = map_of(colors_around(220)), Noting()
    config = with_values(SsenConfig(), {"segmenter.even_exposure": False})
    result = SsenPipeline(segmenter, config).step(snapshot, 0, replace(Memory(), exposure=-30))
    np.testing.assert_array_equal(segmenter.shown, snapshot.colors)
    assert result.memory.exposure is None
