"""The native sparse tensor engine, in plain torch: coordinates, kernel maps, convolution."""

from ssen_ros.sparse.convolution import convolve
from ssen_ros.sparse.coordinates import CoordinateManager, KernelMap
from ssen_ros.sparse.modules import BatchNorm, Convolution, SparseTensor, concatenate, relu, sparse_tensor

__all__ = [
    "BatchNorm",
    "Convolution",
    "CoordinateManager",
    "KernelMap",
    "SparseTensor",
    "concatenate",
    "convolve",
    "relu",
    "sparse_tensor",
]
