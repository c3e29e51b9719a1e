"""The compiled engine against plain torch in float64, on every instruction set that this CPU has."""

import logging
import os
import re
import shutil
import subprocess
import sys
from functools import partial

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from ssen_ros import native
from ssen_ros.errors import ConfigError
from ssen_ros.models import build_network
from ssen_ros.sparse import CoordinateManager, NativeEngine, TorchEngine, convolve, default_engine
from ssen_ros.sparse.convolution import REFERENCE
from ssen_ros.sparse.kernel_map import KernelMap
from ssen_ros.sparse.native_engine import (
    BFLOAT16_SETS,
    Workspace,
    best_instruction_set,
    fastest,
    instruction_sets,
)


def each(names):
    """A test for each of these instruction sets; one that is not here is skipped, and says so."""
    reason = "{}: neither this CPU nor this library has it, its kernels are NOT tested here"
    return [
        pytest.param(
            name, marks=pytest.mark.skipif(name not in instruction_sets(), reason=reason.format(name))
        )
        for name in names
    ]


FLOAT32, BFLOAT16 = each(("portable", "avx2", "avx512")), each(BFLOAT16_SETS)
STEPS = [(1, 1, 1), (1, 1, 3), (1, 1, 5), (1, 2, 2), (1, 2, 3), (2, 1, 2), (2, 1, 3), (2, 2, 3), (4, 2, 2)]


def voxels(span: int, most: int):
    voxel = st.tuples(st.integers(0, 2), *[st.integers(-span, span)] * 3)
    return st.lists(voxel, min_size=1, max_size=most, unique=True)


COORDS = st.one_of(
    voxels(5, 120),
    voxels(0, 3),  # a single voxel in up to three scenes
    voxels(3, 40)
    .map(lambda rows: [(0, x + 10**6, y - 10**6, z + 10**6) for _, x, y, z in set(rows)])
    .map(lambda rows: sorted(set(rows))),
).map(torch.tensor)


@st.composite
def cases(draw):
    """Coordinates, a step between strides, and everything that a fused convolution takes."""
    coords, step = draw(COORDS), draw(st.sampled_from(STEPS))
    c_in, c_out = draw(st.integers(1, 40)), draw(st.integers(1, 40))
    torch.manual_seed(draw(st.integers(0, 1000)))
    manager = CoordinateManager(coords, REFERENCE)
    rows_in, rows_out = (len(manager.coords(stride)) for stride in step[:2])
    features = torch.randn(rows_in, c_in)
    kernel = torch.randn(step[2] ** 3, c_in, c_out)
    bias = torch.randn(1, c_out) if draw(st.booleans()) else None
    shortcut = torch.randn(rows_out, c_out) if draw(st.booleans()) else None
    kernel_map = None if step[2] == 1 else manager.kernel_map(*step)
    return features, kernel, kernel_map, bias, shortcut, draw(st.booleans())


def double(tensor):
    return None if tensor is None else tensor.double()


def assert_near(ours, expected, tolerance):
    """Largest difference, relative to the largest value."""
    assert ours.shape == expected.shape
    if len(ours):
        scale = float(expected.abs().max().clamp(min=1))
        assert float((ours.double() - expected).abs().max()) <= tolerance * scale


@pytest.mark.parametrize("isa", FLOAT32)
@settings(max_examples=80, deadline=None)
@given(case=cases())
def test_fused_convolution_equals_the_reference(isa, case):
    features, kernel, kernel_map, bias, shortcut, relu = case
    engine = NativeEngine(isa)
    ours = engine.convolve(features, engine.pack(kernel), kernel_map, bias, shortcut, relu)
    expected = REFERENCE.convolve(
        features.double(), kernel.double(), kernel_map, double(bias), double(shortcut), relu
    )
    assert_near(ours, expected, 1e-5)


@pytest.mark.parametrize("isa", BFLOAT16)
@settings(max_examples=60, deadline=None)
@given(case=cases())
def test_bfloat16_rounds_nothing_but_input_and_output(isa, case):
    features, kernel, kernel_map, bias, shortcut, relu = case
    features, kernel = features.bfloat16(), kernel.bfloat16()
    shortcut = None if shortcut is None else shortcut.bfloat16()
    engine = NativeEngine(isa)
    ours = engine.convolve(features, engine.pack(kernel.float()), kernel_map, bias, shortcut, relu)
    expected = REFERENCE.convolve(
        features.double(), kernel.double(), kernel_map, double(bias), double(shortcut), relu
    )
    assert ours.dtype == torch.bfloat16
    assert_near(ours, expected, 2**-8)


@pytest.mark.parametrize("isa", FLOAT32)
@settings(max_examples=60, deadline=None)
@given(case=cases())
def test_gradients_equal_the_references(isa, case):
    features, kernel, kernel_map, *_ = case
    results = []
    for engine, dtype in ((NativeEngine(isa), torch.float32), (REFERENCE, torch.float64)):
        x, w = features.to(dtype).requires_grad_(), kernel.to(dtype).requires_grad_()
        y = convolve(x, w, kernel_map, engine)
        weight = torch.linspace(-1, 1, y.numel(), dtype=dtype).view_as(y)
        results.append(torch.autograd.grad((y * weight).sum(), (x, w)))
    for ours, expected in zip(*results):
        assert_near(ours, expected, 1e-5)


@pytest.mark.parametrize("isa", BFLOAT16)
@settings(max_examples=60, deadline=None)
@given(case=cases())
def test_bfloat16_gradients_sum_in_float32(isa, case):
    features, kernel, kernel_map, *_ = case
    features, kernel = features.bfloat16().float(), kernel.bfloat16().float()
    results = []
    for engine, dtype in ((NativeEngine(isa), torch.bfloat16), (REFERENCE, torch.float64)):
        x, w = features.to(dtype).requires_grad_(), kernel.double().requires_grad_()
        y = convolve(x, w.float() if dtype == torch.bfloat16 else w, kernel_map, engine)
        weight = torch.linspace(-1, 1, y.numel()).bfloat16().to(dtype).view_as(y)
        results.append(torch.autograd.grad((y * weight).sum(), (x, w)))
    (x_ours, w_ours), (x_expected, w_expected) = results
    assert x_ours.dtype == torch.bfloat16
    assert_near(x_ours, x_expected, 2**-8)
    assert_near(w_ours, w_expected, 1e-5)  # nothing is rounded on the way


@settings(max_examples=80, deadline=None)
@given(COORDS, st.sampled_from([s for s in STEPS if s[2] > 1]))
def test_tables_equal_the_references(coords, step):
    ours = CoordinateManager(coords, NativeEngine("portable")).kernel_map(*step)
    expected = CoordinateManager(coords, REFERENCE).kernel_map(*step)
    assert ours.num_inputs == expected.num_inputs
    assert torch.equal(ours.table, expected.table)


@pytest.mark.parametrize("isa", [*FLOAT32, *BFLOAT16])
@pytest.mark.parametrize("channels", [3, 16])
def test_threads_change_no_bit(isa, channels):
    coords, engine = surface(3000), NativeEngine(isa)
    kernel_map = CoordinateManager(coords).kernel_map(1, 1, 3)
    torch.manual_seed(0)
    x = torch.randn(len(coords), channels).to(engine.dtype)
    kernel, gradient = torch.randn(27, channels, 32), torch.randn(len(coords), 32)
    before, results = torch.get_num_threads(), []
    try:
        for threads in (1, 2, 5):
            torch.set_num_threads(threads)
            output = engine.convolve(x, engine.pack(kernel), kernel_map)
            results.append((output, engine.kernel_gradient(x, gradient, kernel_map)))
    finally:
        torch.set_num_threads(before)
    for other in results[1:]:
        assert all(torch.equal(a, b) for a, b in zip(results[0], other))


def surface(count: int) -> torch.Tensor:
    """A wavy sheet: about half of the 27 neighbours exist."""
    side = int(count**0.5)
    x, y = torch.meshgrid(torch.arange(side), torch.arange(side), indexing="ij")
    z = (4 * torch.sin(x / 6) * torch.cos(y / 5)).round().long()
    return torch.stack([torch.zeros_like(x), x, y, z], dim=-1).reshape(-1, 4)


@pytest.mark.parametrize("isa", BFLOAT16)
def test_a_backward_pass_in_bfloat16_strays_no_further_than_torchs(isa):
    coords = surface(4000)
    torch.manual_seed(0)
    features, label = torch.randn(len(coords), 3), coords[:, 3] % 5
    model = build_network("MinkUNet14S", 3, 5, 3).train()
    gradients = []
    for engine in (default_engine("cpu"), NativeEngine(isa), TorchEngine(torch.bfloat16)):
        model.coordinates = partial(CoordinateManager, engine=engine)
        model.zero_grad()
        output = model(features, coords)
        torch.nn.functional.cross_entropy(output, label).backward()
        assert output.dtype == torch.float32
        gradients.append(torch.cat([p.grad.flatten() for p in model.parameters()]))
    full, ours, torchs = gradients
    assert (ours - full).norm() < 1.3 * (torchs - full).norm() < 0.5 * full.norm()


@pytest.mark.parametrize("isa", FLOAT32)
def test_not_a_number_goes_through(isa):
    engine = NativeEngine(isa)
    y = engine.convolve(
        torch.tensor([[float("nan")], [1.0]]), engine.pack(torch.ones(1, 1, 2)), None, relu=True
    )
    assert y[0].isnan().all() and (y[1] == 1).all()


@pytest.mark.parametrize("isa", [*FLOAT32, *BFLOAT16])
def test_nothing_in_nothing_out(isa):
    engine = NativeEngine(isa)
    manager = CoordinateManager(torch.zeros(0, 4, dtype=torch.int32), engine)
    packed = engine.pack(torch.randn(27, 16, 8))
    assert engine.convolve(
        torch.zeros(0, 16, dtype=engine.dtype), packed, manager.kernel_map(1, 1, 3)
    ).shape == (0, 8)


@pytest.mark.skipif(
    not {"avx2", "avx512"} <= {*instruction_sets()}, reason="only one of AVX2 and AVX-512 here"
)
def test_the_choice_between_vectors_changes_no_bit():
    torch.manual_seed(0)
    coords = surface(900)
    kernel_map = CoordinateManager(coords).kernel_map(1, 1, 3)
    x, kernel, gradient = torch.randn(900, 40), torch.randn(27, 40, 48), torch.randn(900, 48)
    narrow, wide = NativeEngine("avx2"), NativeEngine("avx512")
    ours, theirs = (engine.convolve(x, engine.pack(kernel), kernel_map) for engine in (narrow, wide))
    assert torch.equal(ours, theirs)
    ours, theirs = (engine.kernel_gradient(x, gradient, kernel_map) for engine in (narrow, wide))
    assert torch.equal(ours, theirs)


@pytest.mark.parametrize("slow, chosen", [(0.9, "wide"), (1.05, "wide"), (1.7, "narrow")])
def test_the_faster_of_two_is_chosen_whatever_else_the_machine_does(slow, chosen):
    disturbances = iter([5.0, 0.0, 0.0, 9.0, 0.0, 0.0, 3.0, 0.0, 0.0, 0.0])
    seconds = {"wide": slow, "narrow": 1.0}
    assert fastest(["wide", "narrow"], lambda name: seconds[name] + next(disturbances)) == chosen


def test_the_environment_chooses_the_instruction_set(monkeypatch, request):
    request.addfinalizer(best_instruction_set.cache_clear)
    best_instruction_set.cache_clear()
    monkeypatch.setenv("SSEN_INSTRUCTION_SET", "portable")
    assert best_instruction_set(torch.float32) == "portable"
    assert best_instruction_set(torch.bfloat16) in (None, "amx", "avx512_bf16")  # of another number format
    best_instruction_set.cache_clear()
    monkeypatch.setenv("SSEN_INSTRUCTION_SET", "neon9")
    with pytest.raises(ConfigError, match="SSEN_INSTRUCTION_SET=neon9: expected one of portable"):
        best_instruction_set(torch.float32)


@pytest.mark.skipif(
    not shutil.which("objdump"), reason="no objdump: where kernels keep weights is NOT tested"
)
@pytest.mark.skipif(not instruction_sets(), reason="no compiled library")
def test_register_tiles_keep_their_weights_in_registers():
    """Products that read the stack take 1.7 times as long: GCC 12 made such of eight rows of AVX-512."""
    command = ["objdump", "--disassemble", "--no-show-raw-insn", native.library()._name]
    lines = subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()
    if any("__asan" in line or "__ubsan" in line for line in lines):
        pytest.skip("a library with sanitizers, which keep everything on the stack")
    products = [line for line in lines if re.search(r"\b(vfmadd\w+ps|vdpbf16ps)\b.*%[yz]mm", line)]
    assert len(products) > 100 or "avx2" not in instruction_sets()
    on_stack = [line for line in products if re.search(r"\((%rsp|%rbp)\),", line)]
    assert len(on_stack) <= 2, "\n".join(on_stack)  # one or two are no loop over rows


def test_an_instruction_set_that_is_not_there_is_named():
    with pytest.raises(ValueError, match="'neon9': this CPU and the library have .*portable"):
        NativeEngine("neon9")


def test_the_default_is_compiled_and_double_precision_goes_to_the_reference():
    assert isinstance(default_engine("cpu"), NativeEngine)
    x, kernel = torch.randn(4, 2, dtype=torch.float64), torch.randn(1, 2, 3, dtype=torch.float64)
    torch.testing.assert_close(convolve(x, kernel, None), x @ kernel[0])


def test_memory_is_used_again_once_no_view_of_it_is_left():
    workspace = Workspace()
    first = workspace.empty(1000, 100, torch.float32)
    address, view = first.data_ptr(), first[10:20]
    assert workspace.empty(1000, 100, torch.float32).data_ptr() != address
    del first
    assert workspace.empty(1000, 100, torch.float32).data_ptr() != address  # the view still looks into it
    del view
    assert workspace.empty(1000, 90, torch.float32).data_ptr() == address


def test_memory_that_nobody_asks_for_any_more_is_given_back(monkeypatch):
    monkeypatch.setattr(Workspace, "_KEPT", 3)
    workspace = Workspace()
    for rows in (1000, 10_000, 100_000, 1_000_000, 4_000_000):
        workspace.empty(rows, 100, torch.bfloat16)
    assert len(workspace._buffers) == 3


@pytest.fixture
def fresh_library():
    native.library.cache_clear()
    yield
    native.library.cache_clear()


def test_a_missing_library_is_said_once(fresh_library, monkeypatch, tmp_path, caplog):
    monkeypatch.setenv("SSEN_NATIVE_LIBRARY", str(tmp_path / "gone.so"))
    with caplog.at_level(logging.WARNING):
        assert native.library() is None and native.library() is None
    assert [r.message for r in caplog.records if "not found" in r.message and "pip install" in r.message] == [
        caplog.messages[0]
    ]


@pytest.mark.slow
def test_without_the_library_networks_run_in_torch_with_one_warning():
    program = """
import torch
from ssen_ros.models import build_network
from ssen_ros.sparse import default_engine
model = build_network("MinkUNet14S", 3, 5, 3).eval()
with torch.no_grad():
    y = model(torch.randn(2, 3), torch.tensor([[0, 0, 0, 0], [0, 1, 0, 0]]))
print(type(default_engine("cpu")).__name__, tuple(y.shape))
"""
    environment = {**os.environ, "SSEN_NATIVE_LIBRARY": "/nowhere/gone.so"}
    command = [sys.executable, "-c", program]
    run = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "TorchEngine (2, 5)"
    assert run.stderr.count("libssen_native.so is not used") == 1


def test_a_library_that_does_not_load_is_said(fresh_library, monkeypatch, tmp_path, caplog):
    broken = tmp_path / "libssen_native.so"
    broken.write_bytes(b"no library")
    monkeypatch.setenv("SSEN_NATIVE_LIBRARY", str(broken))
    assert native.library() is None
    assert len(caplog.records) == 1 and "libssen_native.so" in caplog.text


def test_the_library_can_be_turned_off_without_a_word(fresh_library, monkeypatch, caplog):
    monkeypatch.setenv("SSEN_NATIVE_LIBRARY", "")
    assert native.library() is None and not caplog.records


@pytest.mark.parametrize("device", ["cpu", "cuda"])
def test_half_precision_in_torch_stays_near(device):
    if device == "cuda" and not torch.cuda.is_available():
        pytest.skip("no CUDA GPU: the GPU path of the engine is NOT tested here")
    torch.manual_seed(0)
    coords = surface(900).to(device)
    x, kernel = torch.randn(len(coords), 16, device=device), torch.randn(27, 16, 24, device=device) / 20
    kernel_map = CoordinateManager(coords).kernel_map(1, 1, 3)
    half = TorchEngine(torch.bfloat16)
    ours = half.convolve(x.bfloat16(), half.pack(kernel), kernel_map)
    expected = REFERENCE.convolve(x.double(), kernel.double(), kernel_map)
    assert ours.dtype == torch.bfloat16
    assert_near(ours.cpu(), expected.cpu(), 0.02)


@pytest.mark.parametrize("bad", [torch.zeros(4, 3).T, torch.zeros(2, device="meta"), np.zeros((4, 3)).T])
def test_memory_that_cannot_be_walked_through_is_refused(bad):
    with pytest.raises(ValueError, match="without gaps"):
        native.address(bad)


def test_a_bias_of_another_type_is_converted():
    engine, kernel = default_engine("cpu"), torch.randn(1, 4, 8)
    x, bias = torch.randn(5, 4), torch.randn(1, 8)
    ours = engine.convolve(x, engine.pack(kernel), None, bias.double(), torch.ones(5, 8, dtype=torch.float64))
    torch.testing.assert_close(ours, x @ kernel[0] + bias + 1)


def broken_arguments():
    features = torch.ones(3, 4)
    table = torch.tensor([[0, 3], [1, 2], [2, 3], [3, 3]], dtype=torch.int32)
    good = dict(features=features, table=table, inputs=3, bias=torch.zeros(1, 5), shortcut=torch.zeros(4, 5))
    yield good | {"table": table.clone().index_fill_(0, torch.tensor([1]), 4)}, "rows 0 to 4"
    yield good | {"table": table.clone().index_fill_(0, torch.tensor([1]), -1)}, "rows -1 to 3"
    yield good | {"table": table.long()}, "int64"
    yield good | {"table": table[:, :1]}, "1 offsets, a kernel of 2"
    yield good | {"features": torch.ones(2, 4)}, "features"
    yield good | {"features": torch.ones(3, 3)}, "features"
    yield good | {"features": torch.ones(3, 4, 1)}, "features"
    yield good | {"bias": torch.zeros(1, 4)}, "bias"
    yield good | {"shortcut": torch.zeros(3, 5)}, "shortcut"
    yield good | {"shortcut": torch.zeros(4, 6)}, "shortcut"
    yield good | {"inputs": 4}, "features"


@pytest.mark.parametrize(("arguments", "words"), list(broken_arguments()))
@pytest.mark.parametrize("isa", FLOAT32 + BFLOAT16)
def test_arguments_that_would_be_read_beyond_their_end_are_refused(isa, arguments, words):
    engine = NativeEngine(isa)
    packed = engine.pack(torch.ones(2, 4, 5))
    with pytest.raises(ValueError, match=words):
        engine.convolve(
            arguments["features"], packed, KernelMap(arguments["table"], arguments["inputs"]),
            arguments["bias"], arguments["shortcut"],
        )  # fmt: skip


@pytest.mark.parametrize("isa", FLOAT32)
def test_a_gradient_of_another_length_and_keys_of_another_type_are_refused(isa):
    engine, table = NativeEngine(isa), torch.zeros(4, 2, dtype=torch.int32)
    with pytest.raises(ValueError, match="gradient"):
        engine.kernel_gradient(torch.ones(3, 4), torch.ones(3, 5), KernelMap(table, 3))
    with pytest.raises(ValueError, match="rows 0 to 9"):
        engine.transpose(KernelMap(table.index_fill(0, torch.tensor([2]), 9), 3))
    with pytest.raises(ValueError, match="keys"):
        engine.find_neighbours(torch.zeros(3), torch.zeros(3), torch.zeros(1), 1)
