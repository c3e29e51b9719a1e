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


# Of examples/minkunet.py in MinkowskiEngine: width of each block's output, and its number of residual blocks.
UPSTREAM = {
    "MinkUNet14A": ((32, 64, 128, 256, 128, 128, 96, 96), (1, 1, 1, 1, 1, 1, 1, 1)),
    "MinkUNet18A": ((32, 64, 128, 256, 128, 128, 96, 96), (2, 2, 2, 2, 2, 2, 2, 2)),
    "MinkUNet34A": ((32, 64, 128, 256, 256, 128, 64, 64), (2, 3, 4, 6, 2, 2, 2, 2)),
    "MinkUNet34C": ((32, 64, 128, 256, 256, 128, 96, 96), (2, 3, 4, 6, 2, 2, 2, 2)),
}


def upstream_layout(name: str, in_channels: int, classes: int) -> dict[str, tuple[int, ...]]:
    """State-dict names and shapes, layer by layer: kernels are (K, in, out), those of 1³ (in, out)."""
    (a, b, c, d, e, f, g, h), blocks = UPSTREAM[name]
    layout: dict[str, tuple[int, ...]] = {}

    def norm(name, width):
        for entry in ("weight", "bias", "running_mean", "running_var"):
            layout[f"{name}.bn.{entry}"] = (width,)
        layout[f"{name}.bn.num_batches_tracked"] = ()

    for conv, bn, shape in [
        ("conv0p1s1", "bn0", (125, in_channels, 32)),
        ("conv1p1s2", "bn1", (8, 32, 32)),
        ("conv2p2s2", "bn2", (8, a, a)),
        ("conv3p4s2", "bn3", (8, b, b)),
        ("conv4p8s2", "bn4", (8, c, c)),
        ("convtr4p16s2", "bntr4", (8, d, e)),
        ("convtr5p8s2", "bntr5", (8, e, f)),
        ("convtr6p4s2", "bntr6", (8, f, g)),
        ("convtr7p2s2", "bntr7", (8, g, h)),
    ]:
        layout[f"{conv}.kernel"] = shape
        norm(bn, shape[-1])
    # Going up, a block's input is joined to the output of the block of its stride on the way down.
    widths = [(32, a), (a, b), (b, c), (c, d), (e + c, e), (f + b, f), (g + a, g), (h + 32, h)]
    for number, ((width_in, width), count) in enumerate(zip(widths, blocks), start=1):
        for k in range(count):
            block, first = f"block{number}.{k}", width_in if k == 0 else width
            layout[f"{block}.conv1.kernel"] = (27, first, width)
            layout[f"{block}.conv2.kernel"] = (27, width, width)
            norm(f"{block}.norm1", width)
            norm(f"{block}.norm2", width)
            if first != width:
                layout[f"{block}.downsample.0.kernel"] = (first, width)
                norm(f"{block}.downsample.1", width)
    return layout | {"final.kernel": (h, classes), "final.bias": (1, classes)}


@pytest.mark.parametrize("name", sorted(UPSTREAM))
def test_layout_is_upstreams(name):
    state = build_network(name, 3, 20).state_dict()
    assert {key: tuple(tensor.shape) for key, tensor in state.items()} == upstream_layout(name, 3, 20)


def test_upstreams_largest_has_374_entries():
    assert len(upstream_layout("MinkUNet34C", 3, 20)) == 374


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
