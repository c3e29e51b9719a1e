"""Which way the walls of a map run, so that the networks see every map from the same side.

Where a map's x axis points is where a camera happened to look first, and networks answer differently to the
same room turned. Most walls and furniture stand at right angles: seen along the right direction, a map's
columns of voxels fall into few lines, in others they spread.
"""

import numpy as np

from ssen_ros import voxel_keys

# From the voxels' grid, at which walls are seen: along it, one that lies between two layers of voxels is torn
# into both. Chosen on validation rooms (docs/results.md).
SKEW = np.deg2rad(22.5)
STEADY = np.deg2rad(4.0)  # that a heading may be off before a map is lined up anew

_QUARTER = np.pi / 2
_COARSE, _FINE = np.deg2rad(2.0), np.deg2rad(0.25)  # steps of the search
_UPRIGHT = 4  # voxels of a column, as walls and furniture have; a floor has one
_ENOUGH = 200  # columns to say anything
_MOST = 20_000  # columns that are looked at
_CLEAR = 1.3  # how much sharper than most directions the best has to be: of round walls it is up to 1.2


def find_heading(keys: np.ndarray) -> float | None:
    """Angle, rad, by which a map is to be turned about z (counter-clockwise) to line it up; -pi/2 to pi/2.

    `keys` are those of its V voxels, ascending (`voxel_keys`). Afterwards the walls run along the axes, most
    of them along x. None where no direction stands out.
    """
    starts = np.flatnonzero(np.diff(keys >> voxel_keys.AXIS_BITS, prepend=-1))
    voxels = np.diff(starts, append=len(keys))
    upright = np.flatnonzero(voxels >= _UPRIGHT)
    if len(upright) < _ENOUGH:
        return None
    upright = upright[:: 1 + len(upright) // _MOST]
    columns, weights = voxel_keys.unpack(keys[starts[upright]])[:, :2], voxels[upright].astype(np.float64)
    angles = np.arange(0, _QUARTER, _COARSE)
    sharp = np.array([_sharpness(columns, weights, angle) for angle in angles])
    total = sharp.sum(axis=1)
    if total.max() < _CLEAR * np.median(total):
        return None
    near = angles[total.argmax()] + np.arange(-_COARSE, _COARSE + _FINE / 2, _FINE)
    sharp = np.array([_sharpness(columns, weights, angle) for angle in near])
    best = int(sharp.sum(axis=1).argmax())
    across, along = sharp[best]
    turn = (-near[best] if along >= across else _QUARTER - near[best]) + _QUARTER
    return float(turn % np.pi - _QUARTER)


def heading_of(keys: np.ndarray, before: float | None) -> float:
    """Angle, rad, by which the networks see a map turned: lined up, and SKEW further.

    It stays that of `before` while it is about as good, since all answers hang on it, and where no direction
    stands out; there it is 0 in the beginning.
    """
    found = find_heading(keys)
    if found is None:
        return before or 0.0
    now = found + SKEW
    if before is None:
        return now
    apart = abs((now - before + _QUARTER / 2) % _QUARTER - _QUARTER / 2)
    return before if apart <= STEADY else now


def _sharpness(columns: np.ndarray, weights: np.ndarray, angle: float) -> tuple[float, float]:
    """How few lines the columns fall into that lie across the direction, and along it: the sums of the
    squares of what lies in each, one voxel wide."""
    x, y = columns.T
    c, s = np.cos(angle), np.sin(angle)
    across, along = (
        float((np.bincount((at - at.min()).astype(np.int64), weights) ** 2).sum())
        for at in (c * x + s * y, c * y - s * x)
    )
    return across, along
