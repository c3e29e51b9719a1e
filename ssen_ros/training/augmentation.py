"""Augmentation, as in the paper (Sec. IV, Implementation Details) and, where noted, its released code.

Every function takes the random generator first and returns new arrays.
"""

import numpy as np

from ssen_ros.labels import NO_COLOR
from ssen_ros.rotations import turn_x, turn_z

COLOR_JITTER = 0.03  # paper: Gaussian, of full scale
SCALE_RANGE = (0.8, 1.2)  # paper
TILT_DEG, MAX_TILT_DEG = 5.0, 10.0  # paper: Gaussian about x, clipped
COLOR_SHIFT = 0.1  # released code: one offset a scene and channel, of full scale
CONTRAST_RANGE = (0.7, 1.3)  # ours: cameras expose differently
GREY_SHARE = 0.05  # ours: maps without colour reach the networks as plain grey


def augment(
    rng: np.random.Generator, points: np.ndarray, colors: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """(N, 3) points in m and (N, 3) uint8 colours, both changed at random."""
    return augment_points(rng, points), augment_colors(rng, colors)


def augment_points(rng: np.random.Generator, points: np.ndarray) -> np.ndarray:
    """Any turn about z, a slight tilt about x, one scale; mirrored half the time (released code).

    A random offset of up to 1 m moves the scene against the voxel grid.
    """
    turn = turn_z(rng.uniform(0, 2 * np.pi))
    tilt = np.clip(rng.normal(0, TILT_DEG), -MAX_TILT_DEG, MAX_TILT_DEG)
    transform = turn @ turn_x(np.deg2rad(tilt)) * rng.uniform(*SCALE_RANGE)
    transform = transform @ np.diag([rng.choice([-1.0, 1.0]), 1.0, 1.0])
    return (points @ transform.T + rng.uniform(0, 1, 3)).astype(np.float32)


def augment_colors(rng: np.random.Generator, colors: np.ndarray) -> np.ndarray:
    if rng.random() < GREY_SHARE:
        return np.full_like(colors, NO_COLOR)
    shade = colors.astype(np.float32) / 255.0
    mean = shade.mean(axis=0)
    shade = (shade - mean) * rng.uniform(*CONTRAST_RANGE) + mean + rng.uniform(-COLOR_SHIFT, COLOR_SHIFT, 3)
    shade += rng.normal(0, COLOR_JITTER, shade.shape)
    return (np.clip(shade, 0, 1) * 255).astype(np.uint8)
