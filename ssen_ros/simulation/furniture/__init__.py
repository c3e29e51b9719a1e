"""Parametric furniture of the 20 ScanNet classes, each model drawn from a random generator.

Every mesh stands on z = 0 with its footprint centred on the origin, its back towards +y and its front
towards -y. Things that hang on a wall have the wall's surface at y = 0 and reach into the room towards
-y. Sizes are metres.
"""

from ssen_ros.simulation.furniture.catalogue import KINDS, Kind, pick
from ssen_ros.simulation.furniture.parts import Part

__all__ = ["KINDS", "Kind", "Part", "pick"]
