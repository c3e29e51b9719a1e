"""What TritonEngine runs on the GPU. Nothing is added by atomics: the same input gives the same bits.

Channels and rows are arguments, so that one compilation serves many layers and maps. The one module, with
triton_engine, that imports Triton. With TRITON_INTERPRET=1 in the environment it all runs on the CPU.
"""

import os
from collections.abc import Callable
from typing import Any

import triton
import triton.language as tl

INTERPRETED = os.environ.get("TRITON_INTERPRET") == "1"


def _jit(*changing: str) -> Callable[[Callable], Any]:
    """triton.jit; of the arguments that change from map to map no value is worth a compilation of its own."""
    return triton.jit(do_not_specialize=list(changing))


@_jit()
def _multiply(a, b, total, PRECISION: tl.constexpr, UPCAST: tl.constexpr):
    """The interpreter knows no products of bfloat16; those of float32 are the same."""
    if UPCAST:
        a, b = a.to(tl.float32), b.to(tl.float32)
    return tl.dot(a, b, total, input_precision=PRECISION)


@_jit()
def _finish(
    total, row, n, bias, shortcut, output, num_outputs, c_out,
    HAS_BIAS: tl.constexpr, HAS_SHORTCUT: tl.constexpr, RELU: tl.constexpr,
):  # fmt: skip
    """output[row, n] = relu(total + bias + shortcut)."""
    inside = (row < num_outputs)[:, None] & (n < c_out)[None, :]
    where = row.to(tl.int64)[:, None] * c_out + n[None, :]
    if HAS_BIAS:
        total += tl.load(bias + n, mask=n < c_out, other=0.0)[None, :]
    if HAS_SHORTCUT:
        total += tl.load(shortcut + where, mask=inside, other=0.0).to(tl.float32)
    if RELU:
        total = tl.maximum(total, 0.0)
    tl.store(output + where, total.to(output.dtype.element_ty), mask=inside)


@_jit("num_inputs", "num_outputs")
def convolve(
    features, kernel, lines, offsets, used, order, bias, shortcut, output,
    num_inputs, num_outputs, stride, c_in, c_out, volume,
    ROWS: tl.constexpr, BLOCK_N: tl.constexpr, BLOCK_C: tl.constexpr, EVEN_C: tl.constexpr,
    EVEN_N: tl.constexpr, HAS_MAP: tl.constexpr, HAS_BIAS: tl.constexpr, HAS_SHORTCUT: tl.constexpr,
    RELU: tl.constexpr, PRECISION: tl.constexpr, UPCAST: tl.constexpr,
):  # fmt: skip
    """One of `Tiles` by BLOCK_N channels; without a map ROWS rows in order. Grid (tiles, blocks of c_out).

    features (num_inputs, c_in), rows `stride` apart; kernel (volume, c_in, c_out); bias (c_out,) float32.
    """
    tile = tl.program_id(0)
    n = tl.program_id(1) * BLOCK_N + tl.arange(0, BLOCK_N)
    r = tl.arange(0, ROWS)
    c = tl.arange(0, BLOCK_C)
    total = tl.zeros((ROWS, BLOCK_N), dtype=tl.float32)
    blocks = tl.cdiv(c_in, BLOCK_C)
    count = 1
    if HAS_MAP:
        count = tl.load(used + tile)
        lines += tile.to(tl.int64) * volume * ROWS
        offsets += tile * volume
    for i in range(count * blocks):  # one loop, not two: its loads are fetched ahead
        line = i // blocks
        channel = (i - line * blocks) * BLOCK_C + c
        if HAS_MAP:
            row = tl.load(lines + line * ROWS + r)
            at = tl.load(offsets + line) * c_in + channel
        else:
            row = tile * ROWS + r
            at = channel
        here = (row < num_inputs)[:, None]
        if not EVEN_C:
            here = here & (channel < c_in)[None, :]
        a = tl.load(features + row.to(tl.int64)[:, None] * stride + channel[None, :], mask=here, other=0.0)
        where = at.to(tl.int64)[:, None] * c_out + n[None, :]
        if EVEN_C and EVEN_N:
            b = tl.load(kernel + where)
        else:
            b = tl.load(kernel + where, mask=(channel < c_in)[:, None] & (n < c_out)[None, :], other=0.0)
        total = _multiply(a, b, total, PRECISION, UPCAST)
    row = tl.load(order + tile * ROWS + r) if HAS_MAP else tile * ROWS + r
    _finish(total, row, n, bias, shortcut, output, num_outputs, c_out, HAS_BIAS, HAS_SHORTCUT, RELU)


@_jit("num_inputs", "num_outputs")
def convolve_thin(
    features, kernel, table, bias, shortcut, output, num_inputs, num_outputs, stride, c_out, volume,
    C_IN: tl.constexpr, ROWS: tl.constexpr, BLOCK_N: tl.constexpr, BLOCK_KC: tl.constexpr,
    HAS_BIAS: tl.constexpr, HAS_SHORTCUT: tl.constexpr, RELU: tl.constexpr, PRECISION: tl.constexpr,
    UPCAST: tl.constexpr,
):  # fmt: skip
    """As `convolve`, of few input channels: offset and channel are one axis of the product.

    table (num_outputs, volume) of input rows. Grid (blocks of ROWS rows, blocks of c_out).
    """
    row = tl.program_id(0) * ROWS + tl.arange(0, ROWS)
    n = tl.program_id(1) * BLOCK_N + tl.arange(0, BLOCK_N)
    total = tl.zeros((ROWS, BLOCK_N), dtype=tl.float32)
    for start in range(0, volume * C_IN, BLOCK_KC):
        kc = start + tl.arange(0, BLOCK_KC)
        k, channel = kc // C_IN, kc % C_IN
        there = (row < num_outputs)[:, None] & (k < volume)[None, :]
        source = tl.load(
            table + row.to(tl.int64)[:, None] * volume + k[None, :], mask=there, other=num_inputs
        )
        at = source.to(tl.int64) * stride + channel[None, :]
        a = tl.load(features + at, mask=source < num_inputs, other=0.0)
        inside = (k < volume)[:, None] & (n < c_out)[None, :]
        b = tl.load(kernel + kc[:, None] * c_out + n[None, :], mask=inside, other=0.0)
        total = _multiply(a, b, total, PRECISION, UPCAST)
    _finish(total, row, n, bias, shortcut, output, num_outputs, c_out, HAS_BIAS, HAS_SHORTCUT, RELU)


@_jit("num_inputs", "num_outputs", "tiles")
def kernel_gradient(
    features, gradient, lines, order, by_offset, uses, partial,
    num_inputs, num_outputs, stride, c_in, c_out, volume, tiles, blocks_out,
    ROWS: tl.constexpr, BLOCK_I: tl.constexpr, BLOCK_O: tl.constexpr, HAS_MAP: tl.constexpr,
    PRECISION: tl.constexpr, UPCAST: tl.constexpr,
):  # fmt: skip
    """partial (splits, volume, c_in, c_out) float32: the sum over every split-th of the tiles with an offset.

    Grid (volume, splits, blocks of c_in and c_out).
    """
    k, split, block = tl.program_id(0), tl.program_id(1), tl.program_id(2)
    ci = (block // blocks_out) * BLOCK_I + tl.arange(0, BLOCK_I)
    co = (block % blocks_out) * BLOCK_O + tl.arange(0, BLOCK_O)
    r = tl.arange(0, ROWS)
    count = tiles
    if HAS_MAP:
        count = tl.load(uses + k)
    splits = tl.num_programs(1)
    total = tl.zeros((BLOCK_I, BLOCK_O), dtype=tl.float32)
    for i in range((count - split + splits - 1) // splits):
        j = split + i * splits
        if HAS_MAP:
            line = tl.load(by_offset + k * tiles + j)
            row = tl.load(lines + line.to(tl.int64) * ROWS + r)
            out_row = tl.load(order + (line // volume) * ROWS + r)
        else:
            row = j * ROWS + r
            out_row = row
        x = tl.load(
            features + row.to(tl.int64)[None, :] * stride + ci[:, None],
            mask=(row < num_inputs)[None, :] & (ci < c_in)[:, None], other=0.0,
        )  # fmt: skip
        g = tl.load(
            gradient + out_row.to(tl.int64)[:, None] * c_out + co[None, :],
            mask=(out_row < num_outputs)[:, None] & (co < c_out)[None, :], other=0.0,
        )  # fmt: skip
        total = _multiply(x, g, total, PRECISION, UPCAST)
    at = ((split * volume + k) * c_in + ci).to(tl.int64)
    inside = (ci < c_in)[:, None] & (co < c_out)[None, :]
    tl.store(partial + at[:, None] * c_out + co[None, :], total, mask=inside)


@_jit("num_keys", "num_rows", "halvings")
def find_neighbours(
    keys, base, step, table, num_keys, num_rows, columns, halvings, DEPTH: tl.constexpr, ROWS: tl.constexpr
):
    """table (num_rows, DEPTH · columns) int32: the row with key base + step[column] + z, else num_keys.

    One search for the lowest z; the others can only follow it. Grid (blocks of ROWS rows, columns).
    """
    row = tl.program_id(0).to(tl.int64) * ROWS + tl.arange(0, ROWS)
    column = tl.program_id(1)
    inside = row < num_rows
    wanted = tl.load(base + row, mask=inside, other=0) + tl.load(step + column)
    low = tl.zeros((ROWS,), dtype=tl.int32)
    high = low + num_keys
    for _ in range(halvings):
        middle = (low + high) // 2
        between = low < high
        less = tl.load(keys + middle, mask=between, other=0) < wanted
        low = tl.where(between & less, middle + 1, low)
        high = tl.where(between & less, high, tl.where(between, middle, high))
    for z in range(DEPTH):
        found = (tl.load(keys + low, mask=low < num_keys, other=0) == wanted + z) & (low < num_keys)
        at = row * (DEPTH * columns) + z * columns + column
        tl.store(table + at, tl.where(found, low, num_keys).to(tl.int32), mask=inside)
        low += found.to(tl.int32)
