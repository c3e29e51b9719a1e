"""Rotation matrices about one axis."""

import numpy as np


def turn_z(angle: float) -> np.ndarray:
    """(3, 3) rotation by `angle` rad about +Z."""
    c, s = np.cos(angle), np.sin(angle)
    return np.array([[c, -s, 0.0], [s, c, 0.0], [0.0, 0.0, 1.0]])


def turn_x(angle: float) -> np.ndarray:
    """(3, 3) rotation by `angle` rad about +X."""
    c, s = np.cos(angle), np.sin(angle)
    return np.array([[1.0, 0.0, 0.0], [0.0, c, -s], [0.0, s, c]])
