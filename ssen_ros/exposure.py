"""How bright a map is, so that networks see none that is much brighter or darker than the rooms they know.

Cameras expose as they like, and a renderer need not expose at all: half of the points of a white house
without shadows are lighter than 230 grey levels. All colours are shifted alike: their differences stay.
"""

import numpy as np

USUAL = 85, 150  # grey levels: the medians of two training rooms in three lie between these
STEADY = 12  # grey levels that a shift may be off before a map is seen otherwise

_MOST = 20_000  # voxels that are looked at


def shift_of(colors: np.ndarray, before: int | None) -> int:
    """Grey levels to be added to (V, 3) uint8 colours so that their median, of all channels, is USUAL.

    It stays that of `before` while it is about as good, since all answers hang on it.
    """
    if len(colors) == 0:
        return before or 0
    median = float(np.median(colors[:: 1 + len(colors) // _MOST]))
    now = round(float(np.clip(median, *USUAL)) - median)
    return before if before is not None and abs(now - before) <= STEADY else now


def shifted(colors: np.ndarray, levels: int) -> np.ndarray:
    """(V, 3) uint8 colours, so many grey levels brighter, or darker where it is negative."""
    if not levels:
        return colors
    by = np.uint8(abs(levels))
    return np.minimum(colors, 255 - by) + by if levels > 0 else np.maximum(colors, by) - by
