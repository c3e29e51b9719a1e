"""The kernels in Triton against the reference: on a GPU, or without one interpreted and compiled."""

import json
import os
import subprocess
import sys
from functools import partial
from pathlib import Path

import pytest
import torch
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from ssen_ros.models.minkunet import MinkUNet
from ssen_ros.sparse import CoordinateManager, KernelMap, TorchEngine, convolve
from ssen_ros.sparse.tiles import ROWS, Tiles

DEVICE = "cuda" if torch.cuda.is_available() else "cpu"
if DEVICE == "cpu":
    os.environ["TRITON_INTERPRET"] = "1"  # read when Triton is imported, which nothing else here does
pytest.importorskip("triton", reason="Triton is not installed: its kernels are NOT tested here")
from ssen_ros.sparse.triton_engine import TritonEngine  # noqa: E402

REFERENCE = TorchEngine()
TOLERANCE = {torch.float32: 2e-6, torch.float16: 1.5e-3, torch.bfloat16: 1e-2}  # relative
COMPILED = ["float16:87", "float16:90", "float32:80", "bfloat16:80"]  # type : capability
STEPS = [(1, 1, 3), (1, 2, 2), (1, 2, 3), (2, 1, 2), (2, 1, 3), (2, 2, 3), (1, 1, 1)]


def surface(rows: int, scenes: int = 2) -> torch.Tensor:
    """(rows, 4) unique voxels in a random order, about half of whose neighbours exist."""
    generator = torch.Generator().manual_seed(rows)
    x, y = torch.randint(-9, 9, (2, 12 * rows + 60), generator=generator)
    z = (x // 3 + torch.randint(0, 2, x.shape, generator=generator)).long()
    scene = torch.randint(0, scenes, x.shape, generator=generator)
    coords = torch.unique(torch.stack([scene, x, y, z], 1), dim=0)
    return coords[torch.randperm(len(coords), generator=generator)[:rows]].to(DEVICE)


def randn(*shape: int) -> torch.Tensor:
    """The same at every call."""
    return torch.randn(shape, generator=torch.Generator().manual_seed(sum(shape))).to(DEVICE)


def difference(ours: torch.Tensor, expected: torch.Tensor) -> float:
    assert ours.shape == expected.shape
    return float((ours.double() - expected).norm() / expected.norm().clamp(min=1e-30))


def layers():
    channels = st.sampled_from([(3, 20), (32, 32), (7, 17), (48, 5), (33, 16)])
    rows = st.sampled_from([1, 2, 65])
    dtype = st.sampled_from(list(TOLERANCE))
    return st.tuples(st.sampled_from(STEPS), channels, rows, dtype, st.booleans(), st.booleans())


@settings(max_examples=12, phases=[Phase.generate])  # to shrink what fails takes minutes
@given(layers())
def test_a_layer_equals_the_references(layer):
    (in_stride, out_stride, size), (c_in, c_out), rows, dtype, fused, strided = layer
    engine = TritonEngine(dtype)
    manager = CoordinateManager(surface(rows), engine)
    reference = CoordinateManager(surface(rows), REFERENCE)
    n, m = (len(manager.coords(stride)) for stride in (in_stride, out_stride))
    kernel_map = expected_map = None
    if size > 1:
        kernel_map = manager.kernel_map(in_stride, out_stride, size)
        expected_map = reference.kernel_map(in_stride, out_stride, size)
        assert torch.equal(kernel_map.table, expected_map.table)
    x = randn(n, c_in + 9).to(dtype)[:, 9:] if strided else randn(n, c_in).to(dtype)
    kernel = (randn(size**3, c_in, c_out) / c_in**0.5).to(dtype)
    bias, shortcut = (randn(1, c_out), randn(m, c_out).to(dtype)) if fused else (None, None)
    ours = engine.convolve(x, engine.pack(kernel), kernel_map, bias, shortcut, relu=fused)
    doubled = (None if t is None else t.double() for t in (bias, shortcut))
    expected = REFERENCE.convolve(x.double(), kernel.double(), expected_map, *doubled, relu=fused)
    assert ours.dtype == dtype and difference(ours, expected) < TOLERANCE[dtype]
    gradient = randn(m, c_out).to(dtype)
    ours = engine.kernel_gradient(x, gradient, kernel_map)
    expected = REFERENCE.kernel_gradient(x.double(), gradient.double(), expected_map)
    assert ours.dtype == torch.float32 and difference(ours, expected) < 2e-6
    assert torch.equal(ours, engine.kernel_gradient(x, gradient, kernel_map))  # the same bits


@pytest.mark.parametrize("step", [(1, 1, 3), (1, 2, 2), (2, 1, 2)])
def test_gradients_flow(step):
    engine = TritonEngine(torch.float32)
    coords = surface(70)
    ours, expected = [], []
    for each, dtype, found in ((engine, torch.float32, ours), (REFERENCE, torch.float64, expected)):
        manager = CoordinateManager(coords, each)
        x = randn(len(manager.coords(step[0])), 20).to(dtype).requires_grad_()
        kernel = randn(step[2] ** 3, 20, 33).to(dtype).requires_grad_()
        y = convolve(x, kernel, manager.kernel_map(*step), each)
        found += [y, *torch.autograd.grad(y.square().sum(), (x, kernel))]
    for a, b in zip(ours, expected):
        assert difference(a.detach(), b.detach()) < 5e-6


def test_nothing_in_nothing_out():
    engine = TritonEngine(torch.float16)
    kernel_map = CoordinateManager(surface(0), engine).kernel_map(1, 1, 3)
    x, kernel = randn(0, 32).half(), engine.pack(randn(27, 32, 16))
    assert engine.convolve(x, kernel, kernel_map).shape == (0, 16)
    assert not engine.kernel_gradient(x, x[:, :16], kernel_map).any()
    alone = KernelMap(torch.zeros(5, 27, dtype=torch.int32, device=DEVICE), 0)  # outputs, and no inputs
    assert not engine.convolve(x, kernel, alone).any()


def test_what_would_be_read_beyond_its_end_is_refused():
    engine = TritonEngine(torch.float16)
    table = torch.tensor([[0, 3]], dtype=torch.int32, device=DEVICE)
    kernel_map, x = KernelMap(table, 2), randn(2, 4)
    with pytest.raises(ValueError, match="rows 0 to 3: expected 0 to 2"):
        engine.convolve(x.half(), engine.pack(randn(2, 4, 5)), kernel_map)
    with pytest.raises(ValueError, match="27 offsets and 4 channels do not fit a map of 2 inputs and 2"):
        engine.convolve(x.half(), engine.pack(randn(27, 4, 5)), kernel_map)
    with pytest.raises(ValueError, match="gradient"):
        engine.kernel_gradient(x.half(), randn(3, 5), None)


@given(st.integers(0, 200), st.sampled_from([1, 8, 27, 125]), st.floats(0, 1))
@settings(max_examples=25)
def test_tiles_hold_each_neighbour_once_where_it_belongs(rows, volume, density):
    generator = torch.Generator().manual_seed(rows + volume)
    table = torch.randint(0, 50, (rows, volume), generator=generator, dtype=torch.int32)
    table[torch.rand(rows, volume, generator=generator) > density] = 50
    tiles = Tiles(table, 50)
    found = torch.full((rows + 1, volume), 50, dtype=torch.int32)
    lines, uses = tiles.by_offset
    for tile in range(tiles.count):
        order = tiles.order[tile * ROWS : (tile + 1) * ROWS].long()
        for line in range(int(tiles.used[tile])):
            assert (tiles.lines[tile, line] != 50).any()
            found[order, tiles.offsets[tile, line].long()] = tiles.lines[tile, line]
    assert torch.equal(found[:rows], table)
    for k in range(volume):
        used = lines[k, : int(uses[k])].long()
        assert (tiles.offsets.view(-1)[used] == k).all()
        assert int((tiles.lines.view(-1, ROWS)[used] != 50).sum()) == int((table[:, k] != 50).sum())


class Narrow(MinkUNet):
    """Each kind of layer, as few of them as go together."""

    STEM = 16
    PLANES = (16,) * 8
    LAYERS = (0, 0, 0, 1, 1, 1, 1, 1)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16])
def test_a_network_answers_and_learns_as_with_the_reference(dtype):
    torch.manual_seed(0)
    coords = surface(60)
    features = randn(len(coords), 3)
    model = Narrow(3, 5, 3).to(DEVICE)
    inference = model.for_inference()  # before training moves the statistics of the batch norms
    answers, gradients = [], []
    for engine in (REFERENCE, TritonEngine(dtype)):
        inference.coordinates = model.coordinates = partial(CoordinateManager, engine=engine)
        with torch.inference_mode():
            answers.append(inference(features, coords).double())
        if dtype == torch.float32:
            model.train().zero_grad()
            torch.nn.functional.cross_entropy(model(features, coords), coords[:, 1] % 5).backward()
            gradients.append(torch.cat([p.grad.double().flatten() for p in model.parameters()]))
    assert difference(answers[1], answers[0]) < {torch.float32: 1e-4, torch.float16: 1e-2}[dtype]
    if gradients:
        assert difference(gradients[1], gradients[0]) < 1e-3


@pytest.fixture(scope="module")
def compiled(tmp_path_factory) -> list[dict]:
    """What each kernel takes on each card, of code that is compiled in a process without the interpreter."""
    environment = {name: value for name, value in os.environ.items() if name != "TRITON_INTERPRET"}
    environment["TRITON_CACHE_DIR"] = str(tmp_path_factory.mktemp("triton"))
    command = [sys.executable, str(Path(__file__).parents[1] / "helpers" / "triton_compilation.py")]
    run = subprocess.run([*command, *COMPILED], env=environment, capture_output=True, text=True, timeout=900)
    assert run.returncode == 0, run.stderr[-3000:]
    return json.loads(run.stdout)


def test_compiled_kernels_spill_nothing_and_fit_into_shared_memory(compiled):
    assert len(compiled) == 4 * len(COMPILED)
    for row in compiled:
        assert row["spilled"] == 0, row
        assert row["shared"] <= 99 << 10, row


def test_compiled_products_are_the_tensor_cores(compiled):
    products = [row for row in compiled if row["kernel"] != "find_neighbours"]
    for row in products:
        assert row["tensor_core_products"] > 0, row
