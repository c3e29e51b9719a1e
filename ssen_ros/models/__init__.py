"""The networks and their checkpoints."""

from ssen_ros.models.checkpoint import Checkpoint, load_checkpoint, network_of, save_checkpoint
from ssen_ros.models.minkunet import ARCHITECTURES, MinkUNet, build_network
from ssen_ros.models.network import Network
from ssen_ros.network_spec import NetworkSpec

__all__ = [
    "ARCHITECTURES",
    "Checkpoint",
    "MinkUNet",
    "Network",
    "NetworkSpec",
    "build_network",
    "load_checkpoint",
    "network_of",
    "save_checkpoint",
]
