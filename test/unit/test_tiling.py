"""Parts of a map against the whole."""

import pytest
import torch

from ssen_ros.models import build_network
from ssen_ros.models.tiling import Fitting, run_in_parts
from ssen_ros.sparse import torch_engine


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
        parts = run_in_parts(small, features, coords, model.reach)
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
        run_in_parts(Small(model, 10), features, coords, model.reach)


class Stub:
    """Answers with the x of each voxel, in a memory that holds `most`, and says so as `error` does."""

    def __init__(self, most: int, error: Exception):
        self.most, self.error, self.sizes = most, error, []

    def __call__(self, features, coords):
        self.sizes.append(len(coords))
        if len(coords) > self.most:
            raise self.error
        return coords[:, 1:2].double()


@pytest.mark.parametrize(
    "error", [MemoryError(), RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory")]
)
def test_a_wall_at_the_far_end_does_not_stop_the_halving(error):
    strip = torch.stack([torch.arange(300), torch.zeros(300), torch.zeros(300)], 1)
    wall = torch.stack(
        torch.meshgrid(torch.tensor([300]), torch.arange(20), torch.arange(20), indexing="ij"), -1
    )
    xyz = torch.cat([strip, wall.reshape(-1, 3)]).long()
    coords = torch.cat([torch.zeros(len(xyz), 1, dtype=torch.long), xyz], 1)
    output = run_in_parts(Stub(450, error), torch.zeros(len(xyz), 1), coords, reach=10)
    assert torch.equal(output[:, 0], xyz[:, 0].double())


def test_one_plane_and_other_errors_raise_what_was_raised():
    lone = torch.zeros(1, 4, dtype=torch.long)
    with pytest.raises(MemoryError):
        run_in_parts(Stub(0, MemoryError()), torch.zeros(1, 1), lone, reach=10)
    with pytest.raises(RuntimeError, match="something else"):
        run_in_parts(Stub(0, RuntimeError("something else")), torch.zeros(1, 1), lone, reach=10)


def test_what_did_not_fit_is_not_tried_again_for_a_while():
    coords = torch.stack([torch.zeros(800), torch.arange(800), torch.zeros(800), torch.zeros(800)], 1).long()
    stub, fitting = Stub(250, MemoryError()), Fitting()
    tried = []
    for _ in range(103):
        stub.sizes = []
        output = run_in_parts(stub, torch.zeros(800, 1), coords, 10, fitting=fitting)
        assert torch.equal(output[:, 0], coords[:, 1].double())
        tried.append(stub.sizes)
    assert tried[0][0] == 800 and max(tried[1]) <= stub.most and tried[1:101] == [tried[1]] * 100
    assert tried[101] == tried[0] and tried[102] == tried[1]  # memory might have come free


def test_where_halves_do_not_help_what_did_not_fit_is_tried_all_the_same():
    fitting, lone = Fitting(), torch.zeros(1, 4, dtype=torch.long)
    with pytest.raises(MemoryError):
        run_in_parts(Stub(0, MemoryError()), torch.zeros(1, 1), lone, 10, fitting=fitting)
    assert run_in_parts(Stub(1, MemoryError()), torch.zeros(1, 1), lone, 10, fitting=fitting).tolist() == [
        [0]
    ]


def test_smaller_buffers_come_before_smaller_parts(monkeypatch):
    monkeypatch.setitem(torch_engine._CHUNK_BYTES, "cpu", 256 << 20)
    coords = torch.stack([torch.zeros(800), torch.arange(800), torch.zeros(800), torch.zeros(800)], 1).long()
    sizes = []

    def run(features, coords):
        sizes.append(len(coords))
        if torch_engine._CHUNK_BYTES["cpu"] > 20 << 20:
            raise MemoryError
        return coords[:, 1:2]

    assert torch.equal(run_in_parts(run, torch.zeros(800, 1), coords, 10)[:, 0], coords[:, 1])
    assert sizes == [800, 800]
