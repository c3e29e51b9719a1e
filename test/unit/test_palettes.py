"""Colours: every class and object has its own, also for those who do not see red or green."""

import argparse

import numpy as np
import pytest

from ssen_ros.cli.options import add_palette
from ssen_ros.labels import LABEL_NAMES
from ssen_ros.palettes import (
    DEFAULT,
    PALETTES,
    UNLABELLED_COLOR,
    class_legend,
    instance_colors,
    semantic_colors,
)

PALETTE = PALETTES[DEFAULT]

# What is met most in rooms, structure included.
FREQUENT = (
    "wall", "floor", "cabinet", "bed", "chair", "sofa", "table", "door", "window", "bookshelf", "counter",
    "desk", "otherfurniture", "unknown",
)  # fmt: skip

# How linear RGB looks without red or green cones: Machado, Oliveira, Fernandes, IEEE TVCG 15 (2009).
VISION = {
    "normal": np.eye(3),
    "protanopia": np.array(
        [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]]
    ),
    "deuteranopia": np.array(
        [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]]
    ),
}
TO_XYZ = np.array(
    [[0.4124564, 0.3575761, 0.1804375], [0.2126729, 0.7151522, 0.0721750], [0.0193339, 0.1191920, 0.9503041]]
)


def lab(colors: np.ndarray, vision: np.ndarray) -> np.ndarray:
    """(n, 3) CIELAB of (n, 3) sRGB bytes as one with this vision sees them."""
    srgb = colors / 255.0
    linear = np.where(srgb <= 0.04045, srgb / 12.92, ((srgb + 0.055) / 1.055) ** 2.4)
    xyz = np.clip(linear @ vision.T, 0, 1) @ TO_XYZ.T / TO_XYZ.sum(axis=1)
    f = np.where(xyz > 0.008856, np.cbrt(xyz), 7.787 * xyz + 16 / 116)
    return np.stack([116 * f[:, 1] - 16, 500 * (f[:, 0] - f[:, 1]), 200 * (f[:, 1] - f[:, 2])], axis=1)


def nearest(palette: np.ndarray, names, vision: str) -> float:
    """Smallest CIELAB distance of two of the classes; 2.3 is just noticeable."""
    colors = lab(palette[[LABEL_NAMES.index(name) for name in names]], VISION[vision])
    distance = np.linalg.norm(colors[:, None] - colors, axis=2)
    return float(distance[np.triu_indices(len(names), 1)].min())


@pytest.mark.parametrize("vision", VISION)
def test_frequent_classes_stay_apart_in_every_vision(vision):
    assert nearest(PALETTES["safe"], FREQUENT, vision) > 20
    assert nearest(PALETTES["safe"], LABEL_NAMES, vision) > 12, "and all of them are told apart"


def test_the_check_sees_a_palette_that_is_not_safe():
    assert min(nearest(PALETTES["scannet"], FREQUENT, vision) for vision in VISION) < 8


@pytest.mark.parametrize("palette", PALETTES)
def test_every_palette_has_a_colour_for_every_class(palette):
    assert PALETTES[palette].shape == (len(LABEL_NAMES), 3)
    assert len(np.unique(semantic_colors(np.arange(-1, len(LABEL_NAMES)), palette), axis=0)) == 23


def test_the_command_line_knows_the_palettes():
    parser = argparse.ArgumentParser()
    add_palette(parser)
    assert parser.parse_args([]).palette == DEFAULT
    assert {parser.parse_args(["--palette", name]).palette for name in PALETTES} == set(PALETTES)


def test_neighbouring_ids_are_easy_to_tell_apart():
    colors = lab(instance_colors(np.arange(1, 200)), VISION["normal"])
    assert np.linalg.norm(np.diff(colors, axis=0), axis=1).min() > 20


def test_the_legend_has_what_occurs_the_most_frequent_first():
    legend = class_legend(np.array([4, 4, 1, -1, 4, 1]))
    assert [name for name, _ in legend] == ["chair", "floor", "unlabelled"]
    assert legend[0][1] == tuple(PALETTE[4].tolist()) and legend[2][1] == tuple(UNLABELLED_COLOR.tolist())


def test_known_classes_have_the_palette_and_unlabelled_is_grey():
    colors = semantic_colors(np.array([-1, 0, 19, -5, 3], np.int32))
    assert colors.dtype == np.uint8
    assert colors.tolist() == [
        UNLABELLED_COLOR.tolist(),
        PALETTE[0].tolist(),
        PALETTE[19].tolist(),
        UNLABELLED_COLOR.tolist(),
        PALETTE[3].tolist(),
    ]


def test_classes_beyond_the_palette_have_colours_of_their_own():
    colors = semantic_colors(np.arange(-1, 60))
    assert len(np.unique(colors, axis=0)) == 61
    alone = [semantic_colors(np.array([i]))[0].tolist() for i in (20, 59)]
    assert alone == colors[[21, 60]].tolist(), "a colour depends on the class alone"


def test_nothing_to_colour():
    assert semantic_colors(np.empty(0, np.int32)).shape == instance_colors(np.empty(0)).shape == (0, 3)
