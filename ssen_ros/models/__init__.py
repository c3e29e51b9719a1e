"""The networks and their checkpoints."""

from ssen_ros.models.checkpoint import Checkpoint, NetworkSpec, load_checkpoint, save_checkpoint
from ssen_ros.models.minkunet import ARCHITECTURES, MinkUNet, build_network

__all__ = [
    "ARCHITECTURES",
    "Checkpoint",
    "MinkUNet",
    "NetworkSpec",
    "build_network",
    "load_checkpoint",
    "save_checkpoint",
]
