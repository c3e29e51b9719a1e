"""The networks: upstream's layout, and the invariants of a U-Net over voxels."""

import pytest
import torch

from ssen_ros.errors import CheckpointError
from ssen_ros.models import ARCHITECTURES, build_network

NAMES = sorted(ARCHITECTURES)


def scene(n: int = 500, seed: int = 0) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    xyz = torch.unique(torch.randint(-12, 12, (n, 3), generator=generator), dim=0)
    coords = torch.cat([torch.zeros(len(xyz), 1, dtype=torch.long), xyz], dim=1)
    return torch.randn(len(xyz), 3, generator=generator), coords


def with_statistics(model):
    """Batch norms as after training, so that folding them has something to do."""
    torch.manual_seed(1)
    for module in model.modules():
        if isinstance(module, torch.nn.BatchNorm1d):
            module.running_mean.normal_(0, 0.2)
            module.running_var.uniform_(0.5, 2.0)
            torch.nn.init.uniform_(module.weight, 0.5, 1.5)
            torch.nn.init.normal_(module.bias, 0, 0.2)
    return model.eval()


def test_layout_is_upstreams():
    """Counts and shapes of MinkowskiEngine's MinkUNet34C: 374 entries, conv0 5³, kernels (K, in, out)."""
    state = build_network("MinkUNet34C", 3, 20).state_dict()
    assert len(state) == 374
    shapes = {
        "conv0p1s1.kernel": (125, 3, 32),
        "bn0.bn.weight": (32,),
        "conv4p8s2.kernel": (8, 128, 128),
        "block4.5.conv2.kernel": (27, 256, 256),
        "block2.0.downsample.0.kernel": (32, 64),
        "block2.0.downsample.1.bn.running_var": (64,),
        "convtr4p16s2.kernel": (8, 256, 256),
        "bntr7.bn.bias": (96,),
        "block8.0.conv1.kernel": (27, 128, 96),
        "final.kernel": (96, 20),
        "final.bias": (1, 20),
    }
    assert {name: tuple(state[name].shape) for name in shapes} == shapes


@pytest.mark.parametrize("name", NAMES)
def test_inference_copy_equals_the_network(name):
    model = with_statistics(build_network(name, 3, 5, 3)).double()
    features, coords = scene(200)
    with torch.no_grad():
        expected = model(features.double(), coords)
        torch.testing.assert_close(model.for_inference()(features.double(), coords), expected)
    assert expected.shape == (len(coords), 5) and expected.std() > 1e-3


def test_batched_scenes_equal_single_ones():
    model = with_statistics(build_network("MinkUNet14S", 3, 5, 3))
    (fa, ca), (fb, cb) = scene(seed=0), scene(seed=1)
    with torch.no_grad():
        both = model(torch.cat([fa, fb]), torch.cat([ca, cb + torch.tensor([1, 0, 0, 0])]))
        torch.testing.assert_close(both, torch.cat([model(fa, ca), model(fb, cb)]), rtol=1e-4, atol=1e-4)


def test_shift_by_the_coarsest_stride_changes_nothing():
    model = with_statistics(build_network("MinkUNet14S", 3, 5, 3))
    features, coords = scene()
    with torch.no_grad():
        here = model(features, coords)
        there = model(features, coords + torch.tensor([0, -16, 160, 32]))
    torch.testing.assert_close(there, here, rtol=1e-4, atol=1e-4)


def test_every_parameter_learns():
    model = build_network("MinkUNet14S", 3, 5, 3)
    features, coords = scene()
    model(features, coords).square().sum().backward()
    still = [name for name, p in model.named_parameters() if p.grad is None or not p.grad.any()]
    assert not still


def test_unknown_architecture_is_named():
    with pytest.raises(CheckpointError, match="'MinkUNet99'.*MinkUNet34C"):
        build_network("MinkUNet99", 3, 20)
