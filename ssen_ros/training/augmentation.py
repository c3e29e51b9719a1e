"""Augmentation of the paper (Sec. IV, Implementation Details), of its released code, and ours.

Every function takes the random generator first and returns new arrays.
"""

from dataclasses import dataclass

import numpy as np

from ssen_ros import voxel_keys
from ssen_ros.config import param
from ssen_ros.labels import NO_COLOR
from ssen_ros.rotations import turn_x, turn_z

_ASKEW = np.deg2rad(2.0)  # standard deviation of how far from its walls a room is lined up


@dataclass(frozen=True)
class AugmentationConfig:
    """A turn about z is always part of it. The paper's values; 0 or false in what the paper lacks is the
    paper too. The defaults are ours."""

    lined_up_share: float = param(
        0.0,
        "share of scenes that are lined up as the segmenter lines up a map, give or take 2 deg, and "
        "voxelized anew; the others are turned by any angle (paper: all)",
        low=0.0,
        high=1.0,
    )
    mixed_share: float = param(
        0.0,
        "share of scenes that are two rooms, of half the crop each, laid over each other: things are to be "
        "told by themselves, not by the room around them (Mix3D, Nekrasov et al. 2021)",
        low=0.0,
        high=1.0,
    )
    scale: float = param(0.2, "1 ± this (paper; released code: 0.1)", low=0.0, high=0.9)
    stretch: float = param(
        0.0, "1 ± this along the room's x and y, each of its own (ours)", low=0.0, high=0.9
    )
    tilt_deg: float = param(5.0, "standard deviation of the tilt about x (paper)", unit="deg", low=0.0)
    max_tilt_deg: float = param(10.0, "largest tilt (paper)", unit="deg", low=0.0, high=90.0)
    mirror: bool = param(True, "mirror half of the scenes (released code)")
    grid_shift: float = param(
        1.0, "offset against the voxel grid, up to this an axis (released code: 0.02)", unit="m", low=0.0
    )
    spacing_share: float = param(
        0.25, "share of scenes thinned out (ours: SLAM maps are as sparse as that)", low=0.0, high=1.0
    )
    max_spacing: float = param(0.07, "of points in a thinned scene, from 3 cm up to this", unit="m", low=0.03)
    floorless_share: float = param(
        0.06,
        "share of scenes cut off 0.2 to 1 m above z = 0 (ours: not every map has its floor)",
        low=0.0,
        high=1.0,
    )
    color_jitter: float = param(
        0.03, "standard deviation a point and channel, of full scale (paper)", low=0.0, high=1.0
    )
    color_shift: float = param(
        0.1, "offset a scene and channel, ± this of full scale (released code: 0.05)", low=0.0, high=1.0
    )
    exposure: float = param(
        0.0,
        "brighter by up to this of full scale, or darker by up to half of it, all of a scene (ours: cameras "
        "and renderers differ by more than lamps do)",
        low=0.0,
        high=1.0,
    )
    contrast: float = param(
        0.3, "contrast of a scene, 1 ± this (ours: cameras expose differently)", low=0.0, high=1.0
    )
    recolored_share: float = param(
        0.0, "share of objects that get another colour, white as often as not (ours)", low=0.0, high=1.0
    )
    grey_share: float = param(
        0.05, "share of scenes without colour (ours: such maps reach the networks as grey)", low=0.0, high=1.0
    )


def kept_points(rng: np.random.Generator, points: np.ndarray, config: AugmentationConfig) -> np.ndarray:
    """(n,) int64 rows of the (N, 3) points, m, that a sparser map, or one without its floor, would have."""
    kept = np.arange(len(points))
    if rng.random() < config.floorless_share:
        above = np.flatnonzero(points[:, 2] > rng.uniform(0.2, 1.0))
        kept = above if len(above) else kept
    if rng.random() < config.spacing_share:
        cells = np.floor(points[kept] / rng.uniform(0.03, config.max_spacing)).astype(np.int64)
        kept = kept[np.unique(voxel_keys.pack(cells), return_index=True)[1]]
    return kept


@dataclass(frozen=True)
class Placement:
    """How the points of a room are turned, tilted, scaled, mirrored and moved."""

    matrix: np.ndarray  # (3, 3)
    shift: np.ndarray  # (3,) m

    def apply(self, points: np.ndarray) -> np.ndarray:
        """(N, 3) float32, m."""
        moved = np.einsum("ni,ji->nj", points, self.matrix.astype(np.float32))  # `@` wakes every BLAS core
        return (moved + self.shift).astype(np.float32)

    def undo(self, points: np.ndarray) -> np.ndarray:
        """(N, 3) float64, m: where these points of the placed room are in the room itself."""
        return np.einsum("ni,ji->nj", points - self.shift, np.linalg.inv(self.matrix))

    def then(self, other: "Placement") -> "Placement":
        """This one, and the other after it."""
        return Placement(other.matrix @ self.matrix, other.matrix @ self.shift + other.shift)


def draw_placement(rng: np.random.Generator, config: AugmentationConfig) -> Placement:
    """A turn about z by any angle, and what else is asked for."""
    turn = rng.uniform(0, 2 * np.pi)
    tilt = np.clip(rng.normal(0, config.tilt_deg), -config.max_tilt_deg, config.max_tilt_deg)
    scale = rng.uniform(1 - config.scale, 1 + config.scale)
    side = rng.choice([-1.0, 1.0]) if config.mirror else 1.0
    shift = rng.uniform(0, config.grid_shift, 3)
    along = rng.uniform(1 - config.stretch, 1 + config.stretch, 2) if config.stretch else np.ones(2)
    matrix = turn_z(turn) @ turn_x(np.deg2rad(tilt)) * scale @ np.diag([side * along[0], along[1], 1.0])
    return Placement(matrix, shift)


def draw_turn(rng: np.random.Generator, heading: float) -> Placement:
    """A turn about z that lines up a map of this heading, rad, or half a turn further; not quite, as maps are
    lined up."""
    return Placement(turn_z(heading + np.pi * rng.integers(2) + rng.normal(0, _ASKEW)), np.zeros(3))


def recolor_objects(
    rng: np.random.Generator, colors: np.ndarray, instance_label: np.ndarray, config: AugmentationConfig
) -> np.ndarray:
    """(N, 3) uint8 colours in which some of the objects have another mean; their grain stays."""
    if not config.recolored_share:
        return colors
    shade = colors.astype(np.float32)
    for instance in np.unique(instance_label[instance_label >= 0]):
        if rng.random() < config.recolored_share:
            rows = instance_label == instance
            white = rng.uniform(190, 250) + rng.uniform(-12, 12, 3)
            mean = white if rng.random() < 0.5 else rng.uniform(15, 235, 3)
            shade[rows] += mean - shade[rows].mean(axis=0)
    return np.rint(np.clip(shade, 0, 255)).astype(np.uint8)


def augment_colors(rng: np.random.Generator, colors: np.ndarray, config: AugmentationConfig) -> np.ndarray:
    """(N, 3) uint8 colours."""
    if rng.random() < config.grey_share:
        return np.full_like(colors, NO_COLOR)
    shade = colors.astype(np.float32) / 255.0
    mean = shade.mean(axis=0)
    shade = (shade - mean) * rng.uniform(1 - config.contrast, 1 + config.contrast) + mean
    shade += rng.uniform(-config.color_shift, config.color_shift, 3)
    if config.exposure:
        shade += rng.uniform(-config.exposure / 2, config.exposure)
    shade += rng.normal(0, config.color_jitter, shade.shape)
    return np.rint(np.clip(shade, 0, 1) * 255).astype(np.uint8)
