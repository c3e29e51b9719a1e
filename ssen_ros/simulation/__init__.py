"""A room simulator: parametric rooms of the 20 ScanNet classes seen by a virtual RGB-D camera."""

from ssen_ros.simulation.assets import Assets
from ssen_ros.simulation.camera import CameraConfig, Frame
from ssen_ros.simulation.recipe import Recipe
from ssen_ros.simulation.rooms import Room, build_room
from ssen_ros.simulation.slam import SimulatedSlam, generate, scan
from ssen_ros.simulation.walk import walk

__all__ = [
    "Assets",
    "CameraConfig",
    "Frame",
    "Recipe",
    "Room",
    "SimulatedSlam",
    "build_room",
    "generate",
    "scan",
    "walk",
]
