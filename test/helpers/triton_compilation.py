"""Compiles what TritonEngine launches for cards that are not here; prints what it takes, as JSON.

The launches are recorded, with small layers on the CPU, instead of made. It needs no GPU: the compiler and
the disassembler come with Triton.
"""

import json
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import torch
import triton
from triton.backends.compiler import GPUTarget
from triton.compiler import ASTSource

from ssen_ros.sparse import CoordinateManager, triton_kernels
from ssen_ros.sparse.triton_engine import TritonEngine

BINARIES = Path(triton.__file__).parent / "backends/nvidia/bin"
POINTERS = {
    torch.float32: "*fp32", torch.float16: "*fp16", torch.bfloat16: "*bf16",
    torch.int32: "*i32", torch.int64: "*i64",
}  # fmt: skip
KERNELS = ("convolve", "convolve_thin", "kernel_gradient", "find_neighbours")


class Recorded:
    """In place of a kernel: what it is launched with."""

    def __init__(self, name: str, launches: dict):
        self._name, self._launches = name, launches

    def __getitem__(self, grid):
        return lambda *arguments, **options: self._launches.setdefault(self._name, (arguments, options))


def launches(dtype: torch.dtype) -> dict:
    """The arguments and options of each kernel, for wide layers and one with few channels."""
    found, engine = {}, TritonEngine(dtype)
    functions = {name: getattr(triton_kernels, name) for name in KERNELS}
    for name in KERNELS:
        setattr(triton_kernels, name, Recorded(name, found))
    coords = torch.stack(torch.meshgrid(*[torch.arange(n) for n in (1, 5, 5, 5)], indexing="ij"), -1).view(
        -1, 4
    )
    kernel_map = CoordinateManager(coords, engine).kernel_map(1, 1, 3)
    kernel_map.table.zero_()  # nothing has been searched for
    for c_in, c_out in ((128, 128), (3, 32)):
        x, y = torch.zeros(len(coords), c_in, dtype=dtype), torch.zeros(len(coords), c_out, dtype=dtype)
        kernel = engine.pack(torch.zeros(27, c_in, c_out))
        engine.convolve(x, kernel, kernel_map, torch.zeros(1, c_out), y, True)
        engine.kernel_gradient(x, y, kernel_map)
    for name, function in functions.items():
        setattr(triton_kernels, name, function)
    return found


def compiled(name: str, launch: tuple, capability: int) -> dict:
    """As Triton compiles it at that launch: what divides by 16 is known to do so."""
    function, (arguments, options) = getattr(triton_kernels, name), launch
    options = dict(options)
    chosen = {option: options.pop(option) for option in ("num_warps", "num_stages") if option in options}
    types, aligned = {}, {}
    for place, (parameter, argument) in enumerate(zip(function.params, arguments)):
        is_tensor = isinstance(argument, torch.Tensor)
        types[parameter.name] = POINTERS[argument.dtype] if is_tensor else "i32"
        if is_tensor or (argument % 16 == 0 and not parameter.do_not_specialize):
            aligned[(place,)] = [["tt.divisibility", 16]]
    types |= dict.fromkeys(options, "constexpr")
    source = ASTSource(fn=function, signature=types, constexprs=options, attrs=aligned)
    kernel = triton.compile(source, target=GPUTarget("cuda", capability, 32), options=chosen)
    with tempfile.NamedTemporaryFile(suffix=".cubin") as file:
        file.write(kernel.asm["cubin"])
        file.flush()
        usage, code = (
            subprocess.run([BINARIES / tool, option, file.name], capture_output=True, text=True, check=True)
            for tool, option in (("cuobjdump", "-res-usage"), ("nvdisasm", "-c"))
        )
    stack, local = map(int, re.search(r"STACK:(\d+) SHARED:\d+ LOCAL:(\d+)", usage.stdout).groups())
    return {
        "kernel": name,
        "capability": capability,
        "spilled": stack + local + len(re.findall(r"\b(?:LDL|STL)\b", code.stdout)),
        "shared": kernel.metadata.shared,
        "tensor_core_products": len(re.findall(r"\bHG?MMA\b", code.stdout)),
    }


def rows(asked: list[str]) -> Iterator[dict]:
    """Of each type of number and compute capability that is asked for, such as `float16:87`."""
    for each in asked:
        dtype, capability = each.split(":")
        for name, launch in launches(getattr(torch, dtype)).items():
            yield {"dtype": dtype, **compiled(name, launch, int(capability))}


if __name__ == "__main__":
    print(json.dumps(list(rows(sys.argv[1:]))))
