"""Networks that keep their layers' outputs: with threshold 0 every pass answers as a whole one does."""

from functools import partial

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from ssen_ros.models import build_network
from ssen_ros.models.minkunet import ARCHITECTURES
from ssen_ros.sparse import CoordinateManager, TorchEngine, default_engine
from ssen_ros.sparse.incremental import IncrementalCoordinates
from ssen_ros.sparse.native_engine import best_instruction_set

TORCH = TorchEngine()
ENGINES = [TORCH, default_engine("cpu")]
if best_instruction_set(torch.bfloat16):
    ENGINES.append(default_engine("cpu", torch.bfloat16))
CHANNELS, CLASSES = 3, 4


def network(architecture="MinkUNet14S", first_kernel_size=3):
    torch.manual_seed(0)
    return build_network(architecture, CHANNELS, CLASSES, first_kernel_size).eval().for_inference()


def surface(rng, size=24):
    """Voxels of a wavy sheet: {(x, y, z): features}."""
    heights = torch.randint(0, 3, (size, size), generator=rng)
    cells = [(x - 5, y - 9, int(heights[x, y]) - 1) for x in range(size) for y in range(size)]
    return {cell: torch.randn(CHANNELS, generator=rng) for cell in cells}


def changed(voxels, rng):
    """Some have come, even beyond the rim, alone; some have gone, in a hole and here and there; one new."""
    hole = torch.randint(-5, 15, (2,), generator=rng).tolist()
    kept = {
        cell: features
        for cell, features in voxels.items()
        if torch.rand((), generator=rng) > 0.02 and max(abs(cell[0] - hole[0]), abs(cell[1] - hole[1])) > 2
    }
    for cell in torch.randint(-30, 30, (8, 3), generator=rng).tolist():
        kept[tuple(cell)] = torch.randn(CHANNELS, generator=rng)
    some = sorted(kept)[int(torch.randint(len(kept), (), generator=rng))]
    return kept | {some: torch.randn(CHANNELS, generator=rng)}


def tensors(voxels, rng=None):
    """Features and coordinates, in the order of a map or in any."""
    cells = sorted(voxels)
    if rng is not None:
        cells = [cells[i] for i in torch.randperm(len(cells), generator=rng)]
    return torch.stack([voxels[cell] for cell in cells]), torch.tensor([(0, *cell) for cell in cells])


@torch.inference_mode()
def answers(model, voxels, coordinates, rng=None):
    return model(*tensors(voxels, rng), coordinates)


def whole(model, voxels, engine):
    return answers(model, voxels, partial(CoordinateManager, engine=engine))


def assert_equal(ours, expected, engine):
    """To the bit where rows are computed one by one; torch's GEMM rounds by the number of rows."""
    if engine is TORCH:
        torch.testing.assert_close(ours, expected, rtol=1e-4, atol=1e-4)
    else:
        assert torch.equal(ours, expected)


@pytest.mark.parametrize("engine", ENGINES, ids=lambda e: getattr(e, "isa", "torch"))
def test_every_pass_equals_a_whole_one(engine):
    model, rng = network(), torch.Generator().manual_seed(1)
    kept, voxels = IncrementalCoordinates(engine), surface(rng)
    for number in range(3 if engine is TORCH else 6):
        assert_equal(answers(model, voxels, kept), whole(model, voxels, engine), engine)
        assert kept.is_whole == (number == 0)
        voxels = changed(voxels, rng)


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_every_architecture(architecture):
    model, rng, engine = network(architecture, 5), torch.Generator().manual_seed(2), ENGINES[-1]
    kept, voxels = IncrementalCoordinates(engine), surface(rng, 12)
    for _ in range(2):
        assert_equal(answers(model, voxels, kept), whole(model, voxels, engine), engine)
        voxels = changed(voxels, rng)


@settings(max_examples=10, deadline=None)
@given(st.integers(0, 2**30), st.integers(1, 8))
def test_any_sequence_of_maps_equals_a_whole_pass(seed, passes):
    model, rng, engine = network(), torch.Generator().manual_seed(seed), ENGINES[-1]
    kept, voxels = IncrementalCoordinates(engine, whole_share=10.0), {}
    for _ in range(passes):
        few = torch.randint(-6, 6, (30, 3), generator=rng).tolist()
        voxels = {tuple(cell): voxels.get(tuple(cell), torch.randn(CHANNELS, generator=rng)) for cell in few}
        assert_equal(answers(model, voxels, kept), whole(model, voxels, engine), engine)


def test_the_order_of_the_rows_is_the_callers():
    model, rng, engine = network(), torch.Generator().manual_seed(3), ENGINES[-1]
    kept, voxels = IncrementalCoordinates(engine), surface(rng)
    for seed in range(3):
        order = torch.randperm(len(voxels), generator=torch.Generator().manual_seed(seed))
        ours = answers(model, voxels, kept, torch.Generator().manual_seed(seed))
        assert torch.equal(ours, answers(model, voxels, kept)[order])
        voxels = changed(voxels, rng)


def test_work_follows_the_change():
    model, rng, engine = network(), torch.Generator().manual_seed(4), ENGINES[-1]
    voxels = surface(rng, 120)
    kept = IncrementalCoordinates(engine, threshold=0.05)
    before = answers(model, voxels, kept)
    assert torch.equal(answers(model, voxels, kept), before)
    assert kept.work == 0, "the same map costs nothing"
    some = sorted(voxels)[0]
    ours = answers(model, voxels | {some: voxels[some] + 5}, kept)
    assert 0 < kept.work < 0.5 * kept.whole_work
    assert (ours[0] != before[0]).any() and torch.equal(ours[-1], before[-1])


def test_what_only_trembles_is_held():
    model, rng, engine = network(), torch.Generator().manual_seed(5), ENGINES[-1]
    voxels = surface(rng)
    kept = IncrementalCoordinates(engine, tolerance=[0.1, 0.1, 0.0])
    before = answers(model, voxels, kept)
    trembling = {cell: features + torch.tensor([0.09, -0.09, 0.0]) for cell, features in voxels.items()}
    assert torch.equal(answers(model, trembling, kept), before)
    moved = {cell: features + torch.tensor([0.0, 0.0, 0.01]) for cell, features in voxels.items()}
    assert_equal(answers(model, moved, kept), whole(model, moved, engine), engine)


def test_differences_that_are_not_passed_on_do_not_add_up():
    """Ten steps, each too small to be passed on, that together are not."""
    model, rng, engine = network(), torch.Generator().manual_seed(6), default_engine("cpu")
    voxels = surface(rng)
    kept = IncrementalCoordinates(engine, threshold=0.2, tolerance=0.5)
    answers(model, voxels, kept)
    for _ in range(10):
        voxels = {cell: features + 0.3 for cell, features in voxels.items()}
        ours = answers(model, voxels, kept)
    expected = whole(model, voxels, engine)
    assert (ours - expected).abs().max() < (expected - expected.mean(0)).abs().max()


CAUSES = ["asked", "much has changed", "much has come", "outgrown", "unfinished", "forgotten"]


@pytest.mark.parametrize("cause", CAUSES)
def test_when_a_pass_is_whole(cause):
    model, rng, engine = network(), torch.Generator().manual_seed(7), ENGINES[-1]
    voxels = surface(rng)
    kept = IncrementalCoordinates(engine, threshold=0.5, whole_share=10.0 if cause == "outgrown" else 0.4)
    answers(model, voxels, kept)
    if cause == "asked":
        kept.begin(whole=True)
    elif cause == "much has changed":
        voxels = {cell: features + (cell[0] > 2) for cell, features in voxels.items()}
    elif cause == "much has come":
        voxels = voxels | {(x, y, z + 9): f for (x, y, z), f in voxels.items()}
    elif cause == "outgrown":
        voxels = voxels | {(x, y, z + 9 * k): f for (x, y, z), f in voxels.items() for k in (1, 2, 3)}
    elif cause == "unfinished":
        with torch.inference_mode():
            kept(tensors(voxels)[1])
    else:
        kept.forget()
    assert torch.equal(answers(model, voxels, kept), whole(model, voxels, engine))
    assert kept.is_whole
    answers(model, voxels, kept)
    assert not kept.is_whole


def test_memory_is_linear_in_the_map():
    model, rng, engine = network(), torch.Generator().manual_seed(8), ENGINES[-1]
    small, large = (IncrementalCoordinates(engine) for _ in range(2))
    a, b = surface(rng, 40), surface(rng, 80)
    answers(model, a, small)
    answers(model, b, large)
    assert small.nbytes / len(a) == pytest.approx(large.nbytes / len(b), rel=0.2)
