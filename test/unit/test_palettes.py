import numpy as np

from ssen_ros.palettes import DEFAULT, PALETTES, UNLABELLED_COLOR, instance_colors, semantic_colors

PALETTE = PALETTES[DEFAULT]


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
