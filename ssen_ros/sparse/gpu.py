"""Which engine computes on a GPU. Each is tried out against the CPU before it is used."""

import logging

import torch

from ssen_ros.errors import EngineError
from ssen_ros.sparse.interfaces import Engine
from ssen_ros.sparse.kernel_map import KernelMap
from ssen_ros.sparse.torch_engine import TorchEngine

log = logging.getLogger(__name__)

LEAST_CAPABILITY = (8, 0)  # Ampere: the first with asynchronous copies, tf32 and bfloat16
_TOLERANCE = {torch.float32: 1e-4, torch.float16: 1e-2, torch.bfloat16: 5e-2}  # relative


def gpu_engine(device: torch.device, dtype: torch.dtype) -> Engine:
    """The fastest one that computes rightly there. Raises EngineError, which says why, where none does.

    From then on cuBLAS sums products of halves in float32 for the whole process.
    """
    torch.backends.cuda.matmul.allow_fp16_reduced_precision_reduction = False
    torch.backends.cuda.matmul.allow_bf16_reduced_precision_reduction = False
    try:
        engine = _triton_engine(device, dtype)
        try_out(engine, device)
        return engine
    except Exception as error:  # no Triton, an old card, no C compiler, a driver too old for its code, ...
        reason = str(error).strip().partition("\n")[0] or type(error).__name__
    engine = TorchEngine(dtype)
    try_out(engine, device)
    log.warning("%s: plain PyTorch computes the networks, for Triton cannot: %s", device, reason)
    return engine


def _triton_engine(device: torch.device, dtype: torch.dtype) -> Engine:
    capability = torch.cuda.get_device_capability(device)
    if capability < LEAST_CAPABILITY:
        raise EngineError(f"compute capability {capability}, expected {LEAST_CAPABILITY} or more")
    from ssen_ros.sparse.triton_engine import TritonEngine  # late: Triton is optional, and slow to import

    return TritonEngine(dtype)


def try_out(engine: Engine, device: torch.device) -> None:
    """Convolutions over a few voxels, and the gradient of a kernel, there and by plain torch on the CPU.

    Raises EngineError where they differ, and where the device or what is compiled for it fails.
    """
    dtype = engine.dtype or torch.float32
    expected = _answers(TorchEngine(), torch.device("cpu"), torch.float32)
    try:
        found = _answers(engine, device, dtype)
    except Exception as error:
        raise EngineError(f"a small convolution on {device} failed: {error}") from error
    for ours, theirs in zip(found, expected):
        difference = float((ours - theirs).norm() / theirs.norm())
        if not difference <= _TOLERANCE[dtype]:
            raise EngineError(
                f"a small convolution on {device} is off by {difference:.1e}, expected "
                f"{_TOLERANCE[dtype]:.0e} at most in {dtype}"
            )


def _answers(engine: Engine, device: torch.device, dtype: torch.dtype) -> list[torch.Tensor]:
    """Of a layer of each kind: with neighbours, transposed, and 1³; float32, on the CPU."""
    generator = torch.Generator().manual_seed(0)

    def random(*shape: int) -> torch.Tensor:
        return torch.randn(shape, generator=generator).to(device)

    keys = torch.arange(0, 2000, 7, device=device)  # of a seventh of the voxels of a box
    step = torch.tensor([400 * x + 20 * y - 1 for y in (-1, 0, 1) for x in (-1, 0, 1)], device=device)
    with torch.no_grad():
        kernel_map = KernelMap(engine.find_neighbours(keys, keys, step, 3), len(keys), checked=True)
        turned = kernel_map.transposed(engine.transpose)
        features, shortcut, bias = (
            random(len(keys), 32).to(dtype),
            random(len(keys), 48).to(dtype),
            random(1, 48),
        )
        answers = [
            engine.convolve(features, engine.pack(random(volume, 32, 48)), where, bias, shortcut, True)
            for volume, where in ((27, kernel_map), (27, turned), (1, None))
        ]
        answers.append(engine.kernel_gradient(features, shortcut, kernel_map))
    return [answer.float().cpu() for answer in answers]
