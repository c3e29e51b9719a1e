"""What only a GPU can show: that its answers are the CPU's. SSEN_TEST_DEVICE=cpu rehearses the tests."""

import os
import subprocess
import sys
from functools import partial
from importlib.util import find_spec

import numpy as np
import pytest
import torch

from ssen_ros.config import SegmenterConfig
from ssen_ros.devices import is_gpu_failure, is_out_of_memory, on_device, on_host
from ssen_ros.models import build_network
from ssen_ros.network_spec import shipped_weights
from ssen_ros.segmenter import Segmenter, load_checkpoint
from ssen_ros.sparse import CoordinateManager, TorchEngine
from ssen_ros.sparse.choose import coordinates_on, engine_on
from ssen_ros.sparse.gpu import LEAST_CAPABILITY
from ssen_ros.structures import VoxelSnapshot

DEVICE = torch.device(os.environ.get("SSEN_TEST_DEVICE", "cuda"))
pytestmark = pytest.mark.skipif(
    DEVICE.type == "cuda" and not torch.cuda.is_available(),
    reason="no CUDA GPU: the GPU path of engine, networks and training is NOT tested here",
)
on_a_gpu = pytest.mark.skipif(DEVICE.type == "cpu", reason="a rehearsal on the CPU: NOT tested here")
REFERENCE = partial(CoordinateManager, engine=TorchEngine())


@pytest.fixture(scope="module")
def cells() -> np.ndarray:
    """(V, 3) int64: a floor, a wall and a box on the floor."""
    x, y = np.mgrid[0:24, 0:24].reshape(2, -1)
    floor, wall = np.stack([x, y, 0 * x], axis=1), np.stack([0 * x, x, y], axis=1)
    box = np.stack(np.mgrid[8:14, 9:18, 1:7].reshape(3, -1), axis=1)
    return np.unique(np.concatenate([floor, wall, box]), axis=0)


def inputs(cells: np.ndarray, scenes: int) -> tuple[torch.Tensor, torch.Tensor]:
    columns = [np.column_stack([np.full(len(cells), i), cells]) for i in range(scenes)]
    coords = torch.from_numpy(np.concatenate(columns).astype(np.int32))
    return torch.rand(len(coords), 3, generator=torch.Generator().manual_seed(0)), coords


@pytest.mark.parametrize(("precision", "tolerance"), [("float32", 1e-3), ("bfloat16", 0.06)])
@pytest.mark.parametrize("scenes", [1, 3])
def test_output_and_gradient_are_those_of_the_cpu(cells, precision, tolerance, scenes):
    if DEVICE.type == "cpu" and precision == "bfloat16":
        pytest.skip("bfloat16 is for CPUs that multiply it")
    features, coords = inputs(cells, scenes)
    answers = []
    for device, coordinates in (("cpu", REFERENCE), (DEVICE, coordinates_on(DEVICE, precision))):
        torch.manual_seed(0)
        model = build_network("MinkUNet14S", 3, 20, 3).to(device).train()
        model.coordinates = coordinates
        output = model(features.to(device), coords.to(device))
        torch.nn.functional.cross_entropy(output.float(), coords[:, 1].long().to(device) % 20).backward()
        gradient = torch.cat([p.grad.float().flatten() for p in model.parameters()])
        answers.append((output.detach().float().cpu(), gradient.cpu()))
    (expected, expected_gradient), (ours, our_gradient) = answers
    assert (ours - expected).norm() < tolerance * expected.norm()
    assert (our_gradient - expected_gradient).norm() < 3 * tolerance * expected_gradient.norm()


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_a_network_learns_a_scene_by_heart(cells, precision):
    if DEVICE.type == "cpu" and precision == "bfloat16":
        pytest.skip("bfloat16 is for CPUs that multiply it")
    features, coords = (tensor.to(DEVICE) for tensor in inputs(cells, 1))
    label = (coords[:, 3] > 0).long()
    torch.manual_seed(0)
    model = build_network("MinkUNet14S", 3, 2, 3).to(DEVICE).train()
    model.coordinates = coordinates_on(DEVICE, precision)
    optimizer, losses = torch.optim.AdamW(model.parameters(), 3e-3), []
    for _ in range(8):
        loss = torch.nn.functional.cross_entropy(model(features, coords).float(), label)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert np.isfinite(losses).all() and losses[-1] < 0.5 * losses[0]


def test_the_shipped_networks_say_the_same(cells):
    checkpoints = [load_checkpoint(shipped_weights(task)) for task in ("semantic", "embedding")]
    voxel_size = checkpoints[0].spec.voxel_size
    points = ((cells + 0.5) * voxel_size).astype(np.float32)
    snapshot = VoxelSnapshot(
        cells.astype(np.int32), points, np.full((len(cells), 3), 150, np.uint8), voxel_size
    )
    answers = [Segmenter(*checkpoints, device=device).semantic(snapshot) for device in ("cpu", DEVICE)]
    assert (answers[0].argmax(1) == answers[1].argmax(1)).mean() > 0.99


@on_a_gpu
@pytest.mark.parametrize("precision", ["auto", "float32", "float16", "bfloat16"])
def test_triton_computes_where_it_can(precision):
    engine = engine_on(DEVICE, precision)
    able = bool(find_spec("triton")) and torch.cuda.get_device_capability(DEVICE) >= LEAST_CAPABILITY
    assert type(engine).__name__ == ("TritonEngine" if able else "TorchEngine")
    assert engine.dtype == (torch.float16 if precision == "auto" else getattr(torch, precision))


@on_a_gpu
@pytest.mark.parametrize("precision", ["float32", "float16", "bfloat16"])
def test_the_same_bits_every_time(cells, precision):
    features, coords = (tensor.to(DEVICE) for tensor in inputs(cells, 2))
    torch.manual_seed(0)
    model = build_network("MinkUNet14S", 3, 20, 3).to(DEVICE).for_inference()
    model.coordinates = coordinates_on(DEVICE, precision)
    with torch.inference_mode():
        assert torch.equal(model(features, coords), model(features, coords))


@on_a_gpu
@pytest.mark.parametrize("precision", ["float32", "float16", "bfloat16"])
def test_what_is_kept_from_pass_to_pass_is_a_whole_passes_answer(cells, precision):
    from ssen_ros.sparse.incremental import IncrementalCoordinates

    features, coords = (tensor.to(DEVICE) for tensor in inputs(cells, 1))
    torch.manual_seed(0)
    model = build_network("MinkUNet14S", 3, 20, 3).to(DEVICE).for_inference()
    model.coordinates = coordinates_on(DEVICE, precision)
    kept = IncrementalCoordinates(engine_on(DEVICE, precision))
    with torch.inference_mode():
        model(features[:-40], coords[:-40], kept)
        ours, whole = model(features, coords, kept), model(features, coords)
    tolerance = {"float32": 1e-4, "float16": 1e-2, "bfloat16": 0.06}[precision]
    assert (ours - whole).norm() < tolerance * whole.norm()


def test_arrays_come_back_as_they_went():
    array = np.random.default_rng(0).normal(size=(1000, 7)).astype(np.float32)
    there = on_device(array, DEVICE)
    assert there.device.type == DEVICE.type
    np.testing.assert_array_equal(on_host(there * 2), array * 2)


@on_a_gpu
def test_memory_that_does_not_suffice_is_known():
    with pytest.raises(RuntimeError) as caught:
        torch.empty(1 << 45, dtype=torch.uint8, device=DEVICE)
    assert is_out_of_memory(caught.value) and is_gpu_failure(caught.value)


_STICKY = """
import torch
from ssen_ros.config import SegmenterConfig
from ssen_ros.devices import is_gpu_failure
from ssen_ros.segmenter import Segmenter

segmenter = Segmenter.from_config(SegmenterConfig(device="cuda"))
try:
    torch.zeros(3, device="cuda")[torch.tensor([7], device="cuda")].cpu()
except RuntimeError as error:
    assert is_gpu_failure(error), error
segmenter.to("cpu").warm_up()
Segmenter.release_memory()
again = Segmenter.from_config(SegmenterConfig(device="auto"))
again.warm_up()
print(again.device, again.fallback)
"""


@on_a_gpu
def test_an_error_after_which_every_call_fails_leaves_the_cpu():
    run = subprocess.run([sys.executable, "-c", _STICKY], capture_output=True, text=True, timeout=120)
    assert run.returncode == 0, run.stderr[-3000:]
    assert run.stdout.startswith("cpu cuda cannot compute the networks")


@on_a_gpu
def test_auto_is_the_gpu():
    segmenter = Segmenter.from_config(SegmenterConfig())
    assert segmenter.device.type == "cuda" and not segmenter.fallback
