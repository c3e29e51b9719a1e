"""Parts of a map against the whole."""

import pytest
import torch

from ssen_ros.models import build_network
from ssen_ros.models.tiling import run_in_tiles


def corridor(length: int) -> tuple[torch.Tensor, torch.Tensor]:
    """A long floor and wall, a little rough, starting at odd negative coordinates."""
    torch.manual_seed(0)
    x, y = torch.meshgrid(torch.arange(-37, length - 37), torch.arange(6), indexing="ij")
    floor = torch.stack([x, y, torch.randint(0, 2, x.shape)], -1).reshape(-1, 3)
    wall = torch.stack([x, torch.full_like(x, 7), y], -1).reshape(-1, 3)
    xyz = torch.unique(torch.cat([floor, wall]), dim=0)
    xyz = xyz[torch.randperm(len(xyz))]
    return torch.randn(len(xyz), 3), torch.cat([torch.zeros(len(xyz), 1, dtype=torch.long), xyz], 1)


class Small:
    """A network in a memory that holds `most` voxels."""

    def __init__(self, model, most: int):
        self.model, self.most, self.sizes = model, most, []

    def __call__(self, features, coords):
        if len(coords) > self.most:
            raise torch.cuda.OutOfMemoryError("too many")
        self.sizes.append(len(coords))
        return self.model(features, coords)


@pytest.fixture(scope="module")
def model():
    torch.manual_seed(1)
    model = build_network("MinkUNet14S", 3, 5, 3)
    for norm in (m for m in model.modules() if isinstance(m, torch.nn.BatchNorm1d)):
        norm.running_var.uniform_(0.5, 2)
    return model.eval().for_inference()


def test_parts_equal_the_whole(model):
    features, coords = corridor(1000)
    with torch.no_grad():
        whole = model(features, coords)
        small = Small(model, len(coords) * 2 // 5)
        parts = run_in_tiles(small, features, coords, model.reach)
    assert len(small.sizes) > 2 and whole.std() > 1e-3
    torch.testing.assert_close(parts, whole, rtol=0, atol=1e-5 * float(whole.abs().max()))


def test_nothing_is_changed_beyond_the_reach_and_something_just_within(model):
    """The reach is enough, and not several times too much."""
    features, coords = corridor(1000)
    changed = features.clone()
    changed[coords[:, 1] == 400] += 10
    with torch.no_grad():
        difference = (model(changed, coords) - model(features, coords)).abs().amax(1)
    distance = (coords[:, 1] - 400).abs()
    touched = distance[difference > 0]
    assert model.reach * 0.6 < touched.max() <= model.reach


def test_a_map_that_no_half_is_smaller_than_raises_what_was_raised(model):
    features, coords = corridor(60)
    with torch.no_grad(), pytest.raises(torch.cuda.OutOfMemoryError, match="too many"):
        run_in_tiles(Small(model, 10), features, coords, model.reach)
