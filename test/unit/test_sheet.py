"""The contact sheet shows every room, each as three panels."""

import numpy as np

from ssen_ros.io.samples import VOXEL_SIZE, Sample
from ssen_ros.pictures.sheet import contact_sheet


def corner(color) -> Sample:
    """A floor and two walls of one colour with a red table in the middle."""
    u, v = (a.reshape(-1) * VOXEL_SIZE for a in np.mgrid[0:60, 0:60])
    flat = np.zeros_like(u)
    sides = [np.stack(s, axis=1) for s in ((u, v, flat), (u, flat - 0.02, v), (flat - 0.02, u, v))]
    points = np.concatenate([*sides, np.stack([0.4 * u + 0.4, 0.4 * v + 0.4, flat + 0.5], axis=1)])
    label = np.repeat([1, 0, 0, 6], len(u)).astype(np.int8)
    colors = np.where((label == 6)[:, None], (250, 10, 10), color).astype(np.uint8)
    return Sample(points.astype(np.float32), colors, label, np.where(label == 6, 1, -1).astype(np.int16))


def test_three_rooms_stand_in_two_columns():
    sheet = contact_sheet([corner((20, 200, 40)), corner((30, 60, 220)), corner((20, 200, 40))], VOXEL_SIZE)
    pixels = np.asarray(sheet.convert("RGB")).astype(int)
    height, width = pixels.shape[0] // 2, pixels.shape[1] // 2

    def shown(row, column):
        """The colour panel of a room, the first third of its strip."""
        return pixels[row * height : (row + 1) * height, column * width : column * width + width // 3]

    def share(panel, channel):
        others = [c for c in range(3) if c != channel]
        return (panel[..., channel] > 60 + panel[..., others].max(axis=-1)).mean()

    assert share(shown(0, 0), 1) > 0.05 and share(shown(0, 1), 2) > 0.05 and share(shown(1, 0), 1) > 0.05
    assert share(shown(0, 0), 2) < 0.01 and share(shown(0, 0), 0) > 0.002
    assert (shown(1, 1) > 240).all(), "no fourth room"
