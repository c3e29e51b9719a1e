"""The sparse tensor engine: coordinates, kernel maps, convolution; compiled, or in plain torch."""

from ssen_ros.sparse.convolution import convolve, default_engine
from ssen_ros.sparse.coordinates import CoordinateManager
from ssen_ros.sparse.interfaces import Coordinates, Engine
from ssen_ros.sparse.kernel_map import KernelMap
from ssen_ros.sparse.modules import (
    BatchNorm,
    Convolution,
    SparseTensor,
    concatenate,
    convolve_normalize_relu,
    fold_batch_norm,
    relu,
    sparse_tensor,
)
from ssen_ros.sparse.native_engine import NativeEngine
from ssen_ros.sparse.torch_engine import TorchEngine

__all__ = [
    "BatchNorm",
    "Convolution",
    "CoordinateManager",
    "Coordinates",
    "Engine",
    "KernelMap",
    "NativeEngine",
    "SparseTensor",
    "TorchEngine",
    "concatenate",
    "convolve",
    "convolve_normalize_relu",
    "default_engine",
    "fold_batch_norm",
    "relu",
    "sparse_tensor",
]
