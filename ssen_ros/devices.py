"""Which device a configuration means, how arrays get there and back, and what its errors mean."""

import re
from contextlib import suppress

import numpy as np
import torch

from ssen_ros.errors import ConfigError


def device_of(parameter: str, name: str) -> torch.device:
    """`auto` (the GPU where there is one), `cpu`, `cuda` or `cuda:N`.

    Raises ConfigError, which names the parameter, for any other, and for a GPU that torch does not find.
    """
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(name)
    except RuntimeError as error:
        raise ConfigError(f"{parameter} = {name!r}: expected auto, cpu, cuda or cuda:N") from error
    if device.type not in ("cpu", "cuda"):
        raise ConfigError(f"{parameter} = {name!r}: expected auto, cpu, cuda or cuda:N")
    gpus = torch.cuda.device_count()
    if device.type == "cuda" and (device.index or 0) >= gpus:
        raise ConfigError(f"{parameter} = {name!r}: torch finds {gpus} CUDA GPUs here; use auto or cpu")
    return device


def on_device(array: np.ndarray, device: torch.device) -> torch.Tensor:
    """The array on the device; to a GPU without waiting for it."""
    tensor = torch.from_numpy(array)
    return tensor.pin_memory().to(device, non_blocking=True) if device.type == "cuda" else tensor


def on_host(tensor: torch.Tensor) -> np.ndarray:
    """The tensor's values in main memory; of one that is there already, the same memory."""
    if tensor.device.type != "cuda":
        return tensor.numpy()
    host = torch.empty(tensor.shape, dtype=tensor.dtype, pin_memory=True)
    host.copy_(tensor, non_blocking=True)
    torch.cuda.current_stream(tensor.device).synchronize()
    return host.numpy()


_NO_MEMORY = re.compile(r"out of memory|DefaultCPUAllocator|_ALLOC_FAILED|MemoryAllocation|bad_alloc")
_GPU = re.compile(r"\b(CUDA|CUBLAS|CUDNN|CUSPARSE|CUSOLVER|NVML)|\bcuda[A-Z]|\bcu(BLAS|DNN)|Triton Error")


def is_out_of_memory(error: BaseException) -> bool:
    """Whether memory ran out, a GPU's or the CPU's: torch, cuBLAS, driver and Triton say it in their ways."""
    known = isinstance(error, MemoryError | torch.cuda.OutOfMemoryError)
    return known or (isinstance(error, RuntimeError) and bool(_NO_MEMORY.search(str(error))))


def is_gpu_failure(error: BaseException) -> bool:
    """Whether a GPU, its driver or what is compiled for it failed, or ran out of its memory.

    After some of these errors (an illegal access, a lost card) every later call of the process fails too.
    """
    known = isinstance(error, torch.cuda.OutOfMemoryError) or type(error).__module__.startswith("triton.")
    return known or (isinstance(error, RuntimeError) and bool(_GPU.search(str(error))))


def empty_gpu_cache() -> None:
    """Give back the memory of the GPUs that torch keeps; a GPU that has failed gives nothing back."""
    with suppress(RuntimeError):
        torch.cuda.empty_cache()
