"""Compiles TritonEngine's kernels for cards that are not here; prints what they take, as JSON.

It needs no GPU: the compiler and the disassembler come with Triton.
"""

import json
import re
import subprocess
import tempfile
from pathlib import Path

import triton
from triton.backends.compiler import GPUTarget
from triton.compiler import ASTSource

from ssen_ros.sparse import triton_kernels as kernels

BINARIES = Path(triton.__file__).parent / "backends/nvidia/bin"
INTEGERS = {"num_inputs", "num_outputs", "stride", "c_in", "c_out", "volume", "tiles", "blocks_out"}
INTEGERS |= {"num_keys", "num_rows", "columns", "halvings"}
INDICES = {"lines", "offsets", "used", "order", "table", "by_offset", "uses"}
EVEN = {"stride", "c_in", "c_out"}
FUSED = {"HAS_BIAS": True, "HAS_SHORTCUT": True, "RELU": True}
MAP = {"ROWS": 64, "HAS_MAP": True}


def variants():
    """(kernel, type, constants, warps and stages) as TritonEngine launches them, the largest of each."""
    for dtype, n, c in (("fp16", 128, 64), ("bf16", 128, 64), ("fp32", 64, 32)):
        arithmetic = {"PRECISION": "tf32x3" if dtype == "fp32" else "ieee", "UPCAST": False}
        blocks = {"BLOCK_N": n, "BLOCK_C": c, "EVEN_C": True, "EVEN_N": True}
        yield "convolve", dtype, MAP | FUSED | blocks | arithmetic, 4
        thin = {"C_IN": 3, "ROWS": 128, "BLOCK_N": 32, "BLOCK_KC": 32}
        yield "convolve_thin", dtype, thin | FUSED | arithmetic, 3
        yield "kernel_gradient", dtype, MAP | {"BLOCK_I": 64, "BLOCK_O": 64} | arithmetic, 3
    yield "find_neighbours", "fp32", {"DEPTH": 3, "ROWS": 128}, 3


def compiled(name: str, dtype: str, constants: dict, stages: int, capability: int) -> dict:
    function = getattr(kernels, name)
    types = {}
    for parameter in function.params:
        argument = parameter.name
        if argument in constants:
            types[argument] = "constexpr"
        elif argument in INTEGERS:
            types[argument] = "i32"
        elif argument in INDICES:
            types[argument] = "*i32"
        elif argument in ("keys", "base", "step"):
            types[argument] = "*i64"
        else:
            types[argument] = "*fp32" if argument in ("bias", "partial") else f"*{dtype}"
    aligned = [
        a for a, kind in types.items() if kind.startswith("*") or (a in EVEN and name != "convolve_thin")
    ]
    places = {argument: place for place, argument in enumerate(types)}
    attributes = {(places[argument],): [["tt.divisibility", 16]] for argument in aligned}
    source = ASTSource(fn=function, signature=types, constexprs=constants, attrs=attributes)
    target, options = GPUTarget("cuda", capability, 32), {"num_warps": 4, "num_stages": stages}
    kernel = triton.compile(source, target=target, options=options)
    with tempfile.NamedTemporaryFile(suffix=".cubin") as file:
        file.write(kernel.asm["cubin"])
        file.flush()
        usage, code = (
            subprocess.run(
                [BINARIES / tool, option, file.name], capture_output=True, text=True, check=True
            ).stdout
            for tool, option in (("cuobjdump", "-res-usage"), ("nvdisasm", "-c"))
        )
    _, stack, local = map(int, re.search(r"REG:(\d+) STACK:(\d+) SHARED:\d+ LOCAL:(\d+)", usage).groups())
    return {
        "kernel": name,
        "dtype": dtype,
        "capability": capability,
        "spilled": stack + local + len(re.findall(r"\b(?:LDL|STL)\b", code)),
        "shared": kernel.metadata.shared,
        "tensor_core_products": len(re.findall(r"\bH(?:G?MMA)\b", code)),
    }


if __name__ == "__main__":
    print(json.dumps([compiled(*v, capability) for capability in (80, 87, 90) for v in variants()]))
