"""A room simulator: parametric rooms of the 20 ScanNet classes seen by a virtual RGB-D camera."""

from ssen_ros.simulation.assets import Assets
from ssen_ros.simulation.camera import CameraConfig, Frame
from ssen_ros.simulation.furniture import HELD_OUT_SEEDS, SMOKE_SEEDS
from ssen_ros.simulation.rooms import Room, build_room
from ssen_ros.simulation.sample import VOXEL_SIZE, Sample, load_sample, save_sample
from ssen_ros.simulation.slam import SimulatedSlam, generate, scan
from ssen_ros.simulation.walk import walk

__all__ = [
    "HELD_OUT_SEEDS",
    "SMOKE_SEEDS",
    "VOXEL_SIZE",
    "Assets",
    "CameraConfig",
    "Frame",
    "Room",
    "Sample",
    "SimulatedSlam",
    "build_room",
    "generate",
    "load_sample",
    "save_sample",
    "scan",
    "walk",
]
