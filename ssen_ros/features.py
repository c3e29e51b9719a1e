"""What the networks are told about each voxel. Training and inference both come through here.

Sources: RGB normalised as in MinkowskiEngine's ScanNet example; the paper's f = 6 adds the coordinates.
Height is measured from the floor, which is found in the map itself: a SLAM map's z = 0 is often the
camera's first pose.
"""

from dataclasses import dataclass

import numpy as np

FEATURE_WIDTHS = {"rgb": 3, "height": 1, "xyz": 3}

_XYZ_SCALE = 1 / 3.0  # 1/m: a room spans about -1..1

# Wherever a camera looks, the means of the voxels tremble by this much though nothing has changed.
TREMBLE_M = 0.008
TREMBLE_COLOR = 20  # grey levels of a channel


@dataclass(frozen=True)
class Anchor:
    """What heights and positions are measured from; map frame, m."""

    floor: float  # z of the floor, from `ssen_ros.floor.find_floor` of the whole map
    centre: tuple[float, float]  # x and y of the middle of what a network sees
    heading: float = 0.0  # rad about z, by which what it sees is turned; `VoxelSnapshot.heading`

    @classmethod
    def over(cls, floor: float, points: np.ndarray, heading: float = 0.0) -> "Anchor":
        """At the mean of the (n, 3) points that a network sees; at the origin for none."""
        if len(points) == 0:
            return cls(floor, (0.0, 0.0), heading)
        # In float64: a sum in float32 is off by decimetres where the map lies a kilometre from its origin.
        x, y = points[:, :2].mean(axis=0, dtype=np.float64)
        return cls(floor, (float(x), float(y)), heading)


def feature_width(names: tuple[str, ...]) -> int:
    return sum(FEATURE_WIDTHS[name] for name in names)


def tremble(names: tuple[str, ...]) -> list[float]:
    """Of each column of `voxel_features`, by how much it may differ where nothing has changed."""
    by_name = {"rgb": TREMBLE_COLOR / 255.0, "height": TREMBLE_M, "xyz": TREMBLE_M * _XYZ_SCALE}
    return [by_name[name] for name in names for _ in range(FEATURE_WIDTHS[name])]


def voxel_features(
    names: tuple[str, ...], points: np.ndarray, colors: np.ndarray, anchor: Anchor
) -> np.ndarray:
    """(V, feature_width(names)) float32.

    Args:
        points: (V, 3) float, m, map frame.
        colors: (V, 3), RGB 0..255.
    """
    columns = {
        "rgb": lambda: colors.astype(np.float32) / 255.0 - 0.5,
        "height": lambda: points[:, 2:] - (anchor.floor + 1.0),
        "xyz": lambda: (points - np.array([*anchor.centre, anchor.floor + 1.0])) * _XYZ_SCALE,
    }
    return np.concatenate([columns[name]() for name in names], axis=1).astype(np.float32)
