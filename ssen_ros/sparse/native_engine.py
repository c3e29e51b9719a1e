"""The engine of the compiled library: CPU, float32 or bfloat16, for the instruction set of this CPU.

It multiplies only pairs of voxels that exist, and reuses the memory of earlier passes.
"""

import ctypes
import logging
import os
import sys
import threading
import time
from collections.abc import Callable, Sequence
from ctypes import POINTER, Structure, byref, c_float, c_int32, c_int64, c_void_p
from dataclasses import dataclass
from functools import cache
from weakref import WeakSet

import numpy as np
import torch
from torch import Tensor

from ssen_ros import native, stopping
from ssen_ros.errors import ConfigError
from ssen_ros.native import address
from ssen_ros.sparse.kernel_map import KernelMap

log = logging.getLogger(__name__)


class _Convolution(Structure):
    _fields_ = [
        *((name, c_void_p) for name in ("input", "table", "order", "packed", "bias", "shortcut", "output")),
        *((name, c_int64) for name in ("num_inputs", "num_outputs")),
        *((name, c_int32) for name in ("volume", "in_channels", "out_channels", "relu", "threads")),
    ]


class _KernelGradient(Structure):
    _fields_ = [
        *((name, c_void_p) for name in ("input", "table", "gradient", "kernel")),
        *((name, c_int64) for name in ("num_inputs", "num_outputs")),
        *((name, c_int32) for name in ("volume", "in_channels", "out_channels", "threads")),
    ]


_SIGNATURES = {
    "ssen_isa_name": (ctypes.c_char_p, [c_int32]),
    "ssen_isa_supported": (c_int32, [c_int32]),
    "ssen_packed_bytes": (c_int64, [c_int32] * 4),
    "ssen_pack": (None, [c_int32, c_void_p, c_int32, c_int32, c_int32, c_void_p]),
    "ssen_convolve": (c_int32, [c_int32, POINTER(_Convolution)]),
    "ssen_kernel_gradient": (None, [c_int32, POINTER(_KernelGradient)]),
    "ssen_find_neighbours": (
        None,
        [c_void_p, c_int64, c_void_p, c_int64, c_void_p, c_int32, c_int32, c_void_p, c_int32],
    ),
    "ssen_settle": (
        c_int64,
        [c_int32, c_void_p, c_void_p, c_int64, c_int32, c_void_p, c_float, c_void_p, c_int64, c_void_p],
    ),
    "ssen_transpose": (None, [c_void_p, c_int64, c_int64, c_int32, c_void_p, c_int32]),
}


@cache
def _library() -> ctypes.CDLL | None:
    return native.declared(_SIGNATURES)


@cache
def instruction_sets() -> dict[str, int]:
    """Those that this CPU can run, by the library's number; the best float32 set comes last but for tiles.

    `portable`, `avx2`, `avx512` compute in float32; `avx512_bf16`, `amx` and `plain_tiles` (slow, any CPU)
    in bfloat16.
    """
    library, found, number = _library(), {}, 0
    while library is not None and (name := library.ssen_isa_name(number)) is not None:
        if library.ssen_isa_supported(number):
            found[name.decode()] = number
        number += 1
    return found


TILED_SETS = ("amx", "plain_tiles")  # they want rows with the same neighbours together
BFLOAT16_SETS = ("avx512_bf16", *TILED_SETS)


CHOICE = "SSEN_INSTRUCTION_SET"  # environment variable: the one to take in its number format


@cache
def best_instruction_set(dtype: torch.dtype) -> str | None:
    """The fastest that this CPU has for float32 or bfloat16, None where there is none; found once a process.

    For float32 a trial of some milliseconds decides, for it depends on the compiler too: GCC 12 once made
    AVX-512 1.7 times as slow as AVX2. Between these two the choice changes no bit of any result.
    Raises ConfigError where SSEN_INSTRUCTION_SET names one that is not here.
    """
    asked = os.environ.get(CHOICE)
    if asked and asked not in instruction_sets():
        raise ConfigError(f"{CHOICE}={asked}: expected one of {', '.join(instruction_sets()) or 'none'}")
    if asked and (asked in BFLOAT16_SETS) == (dtype == torch.bfloat16):
        return asked
    vectors = [name for name in ("avx512", "avx2") if name in instruction_sets()]
    if dtype == torch.float32 and len(vectors) > 1:
        return fastest(vectors, _trial)
    preferred = ("amx", "avx512_bf16") if dtype == torch.bfloat16 else (*vectors, "portable")
    return next((name for name in preferred if name in instruction_sets()), None)


def fastest(names: Sequence[str], seconds: Callable[[str], float]) -> str:
    """The first of the names that takes at most a tenth longer than the quickest. Of five trials in turn the
    shortest counts: whatever else the machine does only adds to it."""
    trials = [[seconds(name) for name in names] for _ in range(5)]
    taken = dict(zip(names, map(min, zip(*trials))))
    log.debug("trial of instruction sets: %s", {name: f"{1e3 * t:.2f} ms" for name, t in taken.items()})
    return next(name for name in names if taken[name] <= 1.1 * min(taken.values()))


def _trial(isa: str) -> float:
    """Seconds that one layer takes over voxels that have themselves for a neighbour."""
    engine, rows = NativeEngine(isa), torch.ones(4096, 64)
    packed = engine.pack(torch.ones(1, 64, 64))
    start = time.perf_counter()
    engine.convolve(rows, packed, None)
    return time.perf_counter() - start


@dataclass(frozen=True)
class Packed:
    """A kernel in the order in which an instruction set reads it."""

    memory: Tensor  # (bytes,) uint8
    volume: int
    in_channels: int
    out_channels: int


class NativeEngine:
    """Args:
        isa: one of `instruction_sets()`.

    Raises ValueError for an instruction set that this CPU or this library does not have.
    """

    def __init__(self, isa: str):
        library = _library()
        if library is None or isa not in instruction_sets():
            raise ValueError(
                f"instruction set {isa!r}: this CPU and the library have "
                f"{', '.join(instruction_sets()) or 'none'}"
            )
        self.isa = isa
        self.dtype = torch.bfloat16 if isa in BFLOAT16_SETS else torch.float32
        self._set = instruction_sets()[isa]
        self._library = library
        self._workspace = Workspace()

    def __reduce__(self):
        """A copy, or what a pickle holds, is the engine of the process where it is made."""
        return native_engine, (self.isa,)

    def empty(self, rows: int, channels: int, like: Tensor) -> Tensor:
        return self._workspace.empty(rows, channels, self.dtype)

    def pack(self, kernel: Tensor) -> Packed:
        """A (K, Cin, Cout) float32 kernel in this instruction set's order."""
        kernel = kernel.detach().float().contiguous()
        shape = tuple(kernel.shape)
        memory = torch.empty(self._library.ssen_packed_bytes(self._set, *shape), dtype=torch.uint8)
        self._library.ssen_pack(self._set, address(kernel), *shape, address(memory))
        return Packed(memory, *shape)

    def find_neighbours(self, keys: Tensor, base: Tensor, step: Tensor, depth: int) -> Tensor:
        """As TorchEngine's."""
        table = self._workspace.empty(len(base), depth * len(step), torch.int32)
        keys, base, step = (_checked("keys", t, (len(t),), torch.int64) for t in (keys, base, step))
        self._library.ssen_find_neighbours(
            address(keys), len(keys), address(base), len(base), address(step), len(step), depth,
            address(table), torch.get_num_threads(),
        )  # fmt: skip
        return table

    def transpose(self, kernel_map: KernelMap) -> KernelMap:
        """As TorchEngine's."""
        inputs, outputs, volume = kernel_map.num_inputs, kernel_map.num_outputs, kernel_map.volume
        table = self._workspace.empty(inputs, volume, torch.int32)
        source = _table(kernel_map)
        self._library.ssen_transpose(
            address(source), outputs, inputs, volume, address(table), torch.get_num_threads()
        )
        return KernelMap(table, outputs, checked=True)

    def convolve(
        self,
        features: Tensor,
        packed: Packed,
        kernel_map: KernelMap | None,
        bias: Tensor | None = None,
        shortcut: Tensor | None = None,
        relu: bool = False,
    ) -> Tensor:
        """As TorchEngine's; features and shortcut in this engine's dtype, bias in float32."""
        inputs, rows, volume, table = _map(kernel_map, len(features))
        if volume != packed.volume:
            raise ValueError(f"a map of {volume} offsets, a kernel of {packed.volume}: expected as many")
        features = _checked("features", features.to(self.dtype), (inputs, packed.in_channels))
        output = self.empty(rows, packed.out_channels, features)
        order = kernel_map.row_order if self.isa in TILED_SETS and kernel_map is not None else None
        if bias is not None:
            bias = _checked("bias", bias.detach().float().flatten(), (packed.out_channels,))
        if shortcut is not None:
            shortcut = _checked("shortcut", shortcut.to(self.dtype), (rows, packed.out_channels))
        arguments = _Convolution(
            *map(address, (features, table, order, packed.memory, bias, shortcut, output)),
            len(features), rows, packed.volume, packed.in_channels, packed.out_channels,
            relu, torch.get_num_threads(),
        )  # fmt: skip
        status = self._library.ssen_convolve(self._set, byref(arguments))
        stopping.check()
        if status:
            raise MemoryError(f"a thread's own memory for a layer of {rows} rows")
        return output

    def settle(self, output: Tensor, rows: Tensor, kept: Tensor, is_new: Tensor, tolerance: float) -> Tensor:
        """As TorchEngine's."""
        changed = torch.empty_like(rows)
        count = self._library.ssen_settle(
            output.element_size(), address(output), address(rows), *output.shape, address(is_new),
            tolerance, c_void_p(kept.data_ptr()), kept.stride(0), address(changed),
        )  # fmt: skip
        return changed[:count]

    def kernel_gradient(self, features: Tensor, gradient: Tensor, kernel_map: KernelMap | None) -> Tensor:
        """As TorchEngine's, in float32; features and gradient in this engine's dtype."""
        inputs, rows, volume, table = _map(kernel_map, len(features))
        features = _checked("features", features.to(self.dtype), (inputs, features.shape[1]))
        gradient = _checked("gradient", gradient.to(self.dtype), (rows, gradient.shape[1]))
        kernel = torch.empty(volume, features.shape[1], gradient.shape[1])
        arguments = _KernelGradient(
            *map(address, (features, table, gradient, kernel)),
            len(features), len(gradient), *kernel.shape, torch.get_num_threads(),
        )  # fmt: skip
        self._library.ssen_kernel_gradient(self._set, byref(arguments))
        return kernel


def _map(kernel_map: KernelMap | None, rows: int) -> tuple[int, int, int, Tensor | None]:
    """(inputs, outputs, offsets, table) of a map; without one each of the rows is its own."""
    if kernel_map is None:
        return rows, rows, 1, None
    return kernel_map.num_inputs, kernel_map.num_outputs, kernel_map.volume, _table(kernel_map)


def _table(kernel_map: KernelMap) -> Tensor:
    kernel_map.check()
    return _checked("table", kernel_map.table, (kernel_map.num_outputs, kernel_map.volume), torch.int32)


def _checked(name: str, tensor: Tensor, shape: tuple[int, ...], dtype: torch.dtype | None = None) -> Tensor:
    """The tensor without gaps. Raises ValueError for another shape or type: memory would be misread."""
    if tuple(tensor.shape) != shape or dtype not in (None, tensor.dtype):
        expected = f"{shape} {dtype or tensor.dtype}"
        raise ValueError(f"{name} {tuple(tensor.shape)} {tensor.dtype}: expected {expected}")
    return tensor.contiguous()


@cache
def native_engine(isa: str) -> NativeEngine:
    """The one engine of that instruction set, so that all networks share its memory."""
    return NativeEngine(isa)


class Workspace:
    """Memory for activations and tables that outlives them: fresh pages cost ten times a write to used ones.

    A buffer is free again when no tensor looks into it any more, views included. Once `release`d, nothing is
    kept any more.
    """

    _SMALL = 1 << 18  # bytes: below, torch's own memory is as good
    _SLACK = 1.25  # a live map grows; its buffers should serve the next passes too
    _KEPT = 512  # requests that a free buffer is kept for without being used

    def __init__(self):
        self._buffers: list[_Buffer] = []
        self._requests = 0
        self._keeps = True
        self._lock = threading.Lock()
        _workspaces.add(self)

    def release(self) -> None:
        """Give back what is free, the rest when its tensors are gone."""
        with self._lock:
            self._keeps, self._buffers = False, []

    def empty(self, rows: int, channels: int, dtype: torch.dtype) -> Tensor:
        """A (rows, channels) tensor of undefined content."""
        needed = rows * channels * dtype.itemsize
        if needed < self._SMALL or not self._keeps:
            return torch.empty(rows, channels, dtype=dtype)
        with self._lock:
            memory = self._take(needed)
            return torch.from_numpy(memory[:needed]).view(dtype).view(rows, channels)

    def _take(self, needed: int) -> np.ndarray:
        self._requests += 1
        fitting = [b for b in self._buffers if needed <= len(b.memory) <= 4 * needed and b.is_free()]
        if fitting:
            buffer = min(fitting, key=lambda b: len(b.memory))
        else:
            oldest = self._requests - self._KEPT
            self._buffers = [b for b in self._buffers if b.last_request > oldest or not b.is_free()]
            buffer = _Buffer(np.empty(int(needed * self._SLACK), np.uint8))
            self._buffers.append(buffer)
        buffer.last_request = self._requests
        return buffer.memory


_workspaces: "WeakSet[Workspace]" = WeakSet()


def release_memory() -> None:
    """Give back the memory that engines keep for the next passes, and keep none from now on: it is short.

    Passes take longer then, for each asks the system for its memory anew.
    """
    for workspace in list(_workspaces):
        workspace.release()


@dataclass(eq=False)
class _Buffer:
    memory: np.ndarray
    last_request: int = 0

    def references(self) -> int:
        return sys.getrefcount(self.memory)

    def is_free(self) -> bool:
        return self.references() == _REFERENCES_WHEN_FREE


_REFERENCES_WHEN_FREE = _Buffer(np.empty(0, np.uint8)).references()
