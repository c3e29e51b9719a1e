"""A device at rest, its memory, and what it can do at most: a copy and a product of matrices."""

import time
from collections.abc import Callable

import torch

from ssen_ros.benchmarks.memory import peak_mb

_SIDE = {"cpu": 1536, "cuda": 8192}  # of the matrices
_COPIED = {"cpu": 64 << 20, "cuda": 1 << 30}  # bytes


def wait(device: torch.device) -> None:
    """Until all that was asked of the device is done."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def name(device: torch.device) -> str:
    """`CPU`, or that of the GPU."""
    return torch.cuda.get_device_name(device) if device.type == "cuda" else "CPU"


def most_mb(device: torch.device) -> float:
    """The most that a GPU's tensors have taken; of the CPU, that this process has."""
    return torch.cuda.max_memory_allocated(device) / 2**20 if device.type == "cuda" else peak_mb()


def least_seconds(work: Callable[[], object], device: torch.device, repetitions: int = 3) -> float:
    """Of a call, with the device at rest before and after it."""
    best = float("inf")
    for _ in range(repetitions):
        wait(device)
        start = time.perf_counter()
        work()
        wait(device)
        best = min(best, time.perf_counter() - start)
    return best


def gemm_gflops(dtype: torch.dtype, device: torch.device, size: int = 0) -> float:
    """10⁹ operations a second of torch's product of two square matrices."""
    size = size or _SIDE[device.type]
    a = torch.randn(size, size, device=device).to(dtype)
    return 2 * size**3 / least_seconds(lambda: torch.mm(a, a), device) / 1e9


def copy_gb_s(device: torch.device, size: int = 0) -> float:
    """10⁹ bytes a second, read and written, of a copy in the device's memory."""
    a = torch.zeros(size or _COPIED[device.type], dtype=torch.uint8, device=device)
    b = torch.empty_like(a)
    return 2 * len(a) / least_seconds(lambda: b.copy_(a), device) / 1e9
