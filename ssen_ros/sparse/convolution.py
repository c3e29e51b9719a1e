"""Sparse convolution by whichever engine, with gradients."""

from functools import cache

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from ssen_ros.errors import ConfigError
from ssen_ros.sparse.gpu import gpu_engine
from ssen_ros.sparse.interfaces import Engine
from ssen_ros.sparse.kernel_map import KernelMap
from ssen_ros.sparse.native_engine import best_instruction_set, native_engine
from ssen_ros.sparse.torch_engine import TorchEngine

REFERENCE = TorchEngine()


@cache
def default_engine(device: str | torch.device, dtype: torch.dtype = torch.float32) -> Engine:
    """The fastest in float32, float16 or bfloat16 for `cpu` or a GPU.

    Raises ConfigError for a half precision that is not faster on this CPU, EngineError for a GPU that fails.
    """
    device = torch.device(device)
    if device.type == "cuda":
        return gpu_engine(device, dtype)
    if dtype == torch.float16:
        raise ConfigError("precision = 'float16' on the CPU: expected a GPU; use auto, the fastest one here")
    if isa := best_instruction_set(dtype):
        return native_engine(isa)
    if dtype == torch.float32:
        return REFERENCE
    raise ConfigError(
        "precision = 'bfloat16' on the CPU: expected a CPU with AVX512_BF16 or AMX, and the compiled "
        "library built by GCC 11 or newer; use float32, which is the faster one here"
    )


def convolve(
    features: Tensor,
    kernel: Tensor,
    kernel_map: KernelMap | None,
    engine: Engine | None = None,
) -> Tensor:
    """(N, Cin) features and a (K, Cin, Cout) kernel to (M, Cout); differentiable in both.

    Without a kernel map (K = 1) each voxel is its own neighbour.
    Raises ValueError where the shapes do not fit the map.
    """
    check_shapes(features, kernel.shape, kernel_map)
    engine = engine_for(features, engine or default_engine(features.device))
    return _Convolve.apply(features, kernel, kernel_map, engine)


def engine_for(features: Tensor, engine: Engine) -> Engine:
    """The engine, or the reference for a type that the engine does not compute in."""
    return engine if engine.dtype in (None, features.dtype) else REFERENCE


def check_shapes(
    features: Tensor,
    kernel_shape: tuple[int, ...],
    kernel_map: KernelMap | None,
    shortcut: Tensor | None = None,
) -> None:
    """Raises ValueError where they do not fit: the compiled engine would read what is not there."""
    inputs, volume = (len(features), 1) if kernel_map is None else (kernel_map.num_inputs, kernel_map.volume)
    if tuple(features.shape) != (inputs, kernel_shape[1]) or kernel_shape[0] != volume:
        raise ValueError(
            f"features {tuple(features.shape)} and kernel {tuple(kernel_shape)} do not fit a map of "
            f"{inputs} inputs and {volume} offsets"
        )
    outputs = inputs if kernel_map is None else kernel_map.num_outputs
    if shortcut is not None and tuple(shortcut.shape) != (outputs, kernel_shape[2]):
        raise ValueError(f"shortcut {tuple(shortcut.shape)}, expected {(outputs, kernel_shape[2])}")


class _Convolve(torch.autograd.Function):
    @staticmethod
    def forward(ctx, features, kernel, kernel_map, engine):
        ctx.save_for_backward(features, kernel)
        ctx.kernel_map, ctx.engine = kernel_map, engine
        return engine.convolve(features, engine.pack(kernel), kernel_map)

    @staticmethod
    @once_differentiable
    def backward(ctx, gradient):
        features, kernel = ctx.saved_tensors
        kernel_map, engine = ctx.kernel_map, ctx.engine
        gradient = gradient.contiguous()
        to_features = to_kernel = None
        if ctx.needs_input_grad[0]:
            turned = kernel.transpose(1, 2)
            if kernel_map is None:
                back = None
            elif kernel_map.mirrored:  # the same table, read from its other end
                turned, back = turned.flip(0), kernel_map
            else:
                back = kernel_map.transposed(engine.transpose)
            to_features = engine.convolve(gradient, engine.pack(turned), back)
        if ctx.needs_input_grad[1]:
            to_kernel = engine.kernel_gradient(features, gradient, kernel_map)
        return to_features, to_kernel, None, None
