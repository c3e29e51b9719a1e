"""What only a GPU can show: that its answers are the CPU's. SSEN_TEST_DEVICE=cpu rehearses the tests."""

import os
from functools import partial

import numpy as np
import pytest
import torch

from ssen_ros.models import build_network
from ssen_ros.network_spec import shipped_weights
from ssen_ros.segmenter import Segmenter, load_checkpoint
from ssen_ros.sparse import CoordinateManager, TorchEngine
from ssen_ros.sparse.choose import coordinates_on
from ssen_ros.structures import VoxelSnapshot

DEVICE = torch.device(os.environ.get("SSEN_TEST_DEVICE", "cuda"))
pytestmark = pytest.mark.skipif(
    DEVICE.type == "cuda" and not torch.cuda.is_available(),
    reason="no CUDA GPU: the GPU path of engine, networks and training is NOT tested here",
)
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
