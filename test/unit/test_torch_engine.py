"""The plain engine: how often it calls a GPU and waits for it, and in what it sums."""

from functools import partial

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from ssen_ros.models import build_network
from ssen_ros.sparse import CoordinateManager, TorchEngine

VIEWS = set(
    "view view_as as_strided slice select t expand expand_as unbind alias detach unsqueeze permute transpose "
    "squeeze split empty new_empty empty_like reshape _unsafe_view _reshape_alias lift_fresh".split()
)
WAITING = set("item _local_scalar_dense is_nonzero nonzero _unique2 unique_consecutive equal".split())


class Calls(TorchDispatchMode):
    """Counts what would be kernels of a GPU, and what waits for its answer."""

    def __init__(self):
        super().__init__()
        self.launches = self.waits = 0

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        name = function.overloadpacket.__name__
        self.launches += name not in VIEWS
        self.waits += name in WAITING
        return function(*args, **(kwargs or {}))


def plane(side: int) -> torch.Tensor:
    """(side², 4) voxels of a wavy floor, in lexicographic order."""
    x, y = torch.meshgrid(torch.arange(side), torch.arange(side), indexing="ij")
    return torch.stack([0 * x, x, y, (x // 3) % 4], -1).reshape(-1, 4)


def test_a_pass_makes_a_third_of_the_launches_that_offset_by_offset_it_made():
    model = build_network("MinkUNet14S", 3, 20, 3).for_inference()
    model.coordinates = partial(CoordinateManager, engine=TorchEngine())
    coords = plane(20)
    with torch.inference_mode(), Calls() as calls:
        model(torch.zeros(len(coords), 3), coords)
    assert calls.launches <= 2169 / 3
    assert calls.waits <= 30  # sizes of levels and their boxes; none for each map or layer


def test_rows_that_are_in_order_are_not_gathered():
    coords = plane(10)
    features = torch.rand(len(coords), 3)
    in_order, shuffled = CoordinateManager(coords), CoordinateManager(coords.flip(0))
    assert in_order.arrange(features) is features and in_order.restore(features) is features
    assert torch.equal(shuffled.arrange(features.flip(0)), features)
    assert torch.equal(shuffled.restore(features), features.flip(0))


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
@pytest.mark.parametrize("step", [(1, 1, 3), (1, 2, 2), (2, 1, 2), (1, 1, 1)])
def test_gradients_of_kernels_are_summed_in_float32(dtype, step):
    torch.manual_seed(0)
    engine, manager = TorchEngine(dtype), CoordinateManager(plane(30), TorchEngine())
    kernel_map = None if step[2] == 1 else manager.kernel_map(*step)
    x = (torch.rand(len(manager.coords(step[0])), 8) + 1).to(dtype)
    gradient = torch.ones(len(manager.coords(step[1])), 4, dtype=dtype)  # no rounding but that of the sum
    ours = engine.kernel_gradient(x, gradient, kernel_map)
    expected = engine.kernel_gradient(x.double(), gradient.double(), kernel_map)
    assert ours.dtype == torch.float32
    torch.testing.assert_close(ours.double(), expected, rtol=1e-6, atol=1e-6)
