"""What the networks are told about each voxel. Training and inference both come through here.

Sources: RGB normalised as in MinkowskiEngine's ScanNet example; the paper's f = 6 adds the coordinates.
Height is measured from the floor, which is found in the map itself: a SLAM map's z = 0 is often the
camera's first pose. The offset of a voxel's mean point from the voxel's middle shows surfaces as they are
between the steps of the grid: a wall at an angle, a picture that stands out from it by two centimetres.
"""

from dataclasses import dataclass

import numpy as np

from ssen_ros.structures import VoxelSnapshot

FEATURE_WIDTHS = {"rgb": 3, "height": 1, "xyz": 3, "offset": 3}

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
        # One axis at a time: over both at once NumPy takes twelve times as long.
        x, y = (float(points[:, axis].mean(dtype=np.float64)) for axis in (0, 1))
        return cls(floor, (x, y), heading)


def feature_width(names: tuple[str, ...]) -> int:
    return sum(FEATURE_WIDTHS[name] for name in names)


def tremble(names: tuple[str, ...], voxel_size: float) -> list[float]:
    """Of each column of `voxel_features`, by how much it may differ where nothing has changed."""
    by_name = {
        "rgb": TREMBLE_COLOR / 255.0,
        "height": TREMBLE_M,
        "xyz": TREMBLE_M * _XYZ_SCALE,
        "offset": TREMBLE_M / voxel_size,
    }
    return [by_name[name] for name in names for _ in range(FEATURE_WIDTHS[name])]


def voxel_features(names: tuple[str, ...], snapshot: VoxelSnapshot, anchor: Anchor) -> np.ndarray:
    """(V, feature_width(names)) float32 of the snapshot's voxels."""
    points = snapshot.points
    columns = {
        "rgb": lambda: snapshot.colors.astype(np.float32) / 255.0 - 0.5,
        "height": lambda: points[:, 2:] - (anchor.floor + 1.0),
        "xyz": lambda: (points - np.array([*anchor.centre, anchor.floor + 1.0])) * _XYZ_SCALE,
        "offset": lambda: points / snapshot.voxel_size - snapshot.voxel_coords - 0.5,
    }
    return np.concatenate([columns[name]() for name in names], axis=1).astype(np.float32)
