"""The sparse engine against dense torch on filled grids, and its own invariants."""

import copy
import pickle
import weakref
from functools import partial

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st

from ssen_ros.models import build_network
from ssen_ros.sparse import (
    BatchNorm,
    Convolution,
    CoordinateManager,
    KernelMap,
    TorchEngine,
    convolve,
    default_engine,
    sparse_tensor,
)
from ssen_ros.sparse.coordinates import kernel_offsets
from ssen_ros.sparse.modules import fold_batch_norm


def filled_grid(batches: int, nx: int, ny: int, nz: int) -> torch.Tensor:
    axes = [torch.arange(n) for n in (batches, nx, ny, nz)]
    return torch.stack(torch.meshgrid(*axes, indexing="ij"), dim=-1).reshape(-1, 4)


def dense_kernel(kernel: torch.Tensor, size: int) -> torch.Tensor:
    """(K, Cin, Cout), x fastest, to torch's (Cout, Cin, x, y, z)."""
    k, c_in, c_out = kernel.shape
    return kernel.view(size, size, size, c_in, c_out).permute(4, 3, 2, 1, 0)


def compare(sparse_out, dense_out, leaves):
    """Equal values, and equal gradients of a random weighted sum to every leaf."""
    torch.testing.assert_close(sparse_out, dense_out)
    weight = torch.randn_like(dense_out)
    ours = torch.autograd.grad((sparse_out * weight).sum(), leaves)
    theirs = torch.autograd.grad((dense_out * weight).sum(), leaves)
    for a, b in zip(ours, theirs):
        torch.testing.assert_close(a, b)


@pytest.mark.parametrize("batches", [1, 3])
@pytest.mark.parametrize("size", [3, 5])
def test_submanifold_equals_dense(size, batches):
    torch.manual_seed(0)
    shape = (5, 6, 7)
    coords = filled_grid(batches, *shape)
    x = torch.randn(len(coords), 4, dtype=torch.float64, requires_grad=True)
    kernel = torch.randn(size**3, 4, 6, dtype=torch.float64, requires_grad=True)
    ours = convolve(x, kernel, CoordinateManager(coords).kernel_map(1, 1, size))
    grid = x.view(batches, *shape, 4).permute(0, 4, 1, 2, 3)
    theirs = F.conv3d(grid, dense_kernel(kernel, size), padding=size // 2)
    compare(ours, theirs.permute(0, 2, 3, 4, 1).reshape(-1, 6), (x, kernel))


@pytest.mark.parametrize("batches", [1, 3])
@pytest.mark.parametrize("size", [2, 3, 5])
def test_strided_equals_dense(size, batches):
    torch.manual_seed(1)
    shape = (6, 4, 8)
    coords = filled_grid(batches, *shape)
    x = torch.randn(len(coords), 3, dtype=torch.float64, requires_grad=True)
    kernel = torch.randn(size**3, 3, 5, dtype=torch.float64, requires_grad=True)
    ours = convolve(x, kernel, CoordinateManager(coords).kernel_map(1, 2, size))
    grid = x.view(batches, *shape, 3).permute(0, 4, 1, 2, 3)
    theirs = F.conv3d(grid, dense_kernel(kernel, size), stride=2, padding=size // 2 if size % 2 else 0)
    compare(ours, theirs.permute(0, 2, 3, 4, 1).reshape(-1, 5), (x, kernel))


@pytest.mark.parametrize("batches", [1, 3])
@pytest.mark.parametrize("size", [2, 3])
def test_transposed_equals_dense(size, batches):
    torch.manual_seed(2)
    shape = (6, 4, 8)
    manager = CoordinateManager(filled_grid(batches, *shape))
    half = [n // 2 for n in shape]
    x = torch.randn(len(manager.coords(2)), 3, dtype=torch.float64, requires_grad=True)
    kernel = torch.randn(size**3, 3, 5, dtype=torch.float64, requires_grad=True)
    ours = convolve(x, kernel, manager.kernel_map(2, 1, size))
    grid = x.view(batches, *half, 3).permute(0, 4, 1, 2, 3)
    weight = dense_kernel(kernel, size).transpose(0, 1)
    # An odd kernel is centred on its parent; output_padding fills the grid's last plane again.
    edge = dict(padding=size // 2, output_padding=1) if size % 2 else {}
    theirs = F.conv_transpose3d(grid, weight, stride=2, **edge)
    compare(ours, theirs.permute(0, 2, 3, 4, 1).reshape(-1, 5), (x, kernel))


def test_a_training_step_transposes_each_map_once_and_leaves_nothing_behind():
    made = []

    class Counting(TorchEngine):
        def transpose(self, kernel_map):
            made.append(super().transpose(kernel_map))
            return made[-1]

    model = build_network("MinkUNet14S", 3, 4, 3).train()
    model.coordinates = partial(CoordinateManager, engine=Counting())
    coords = filled_grid(1, 16, 16, 16)
    model(torch.randn(len(coords), 3), coords).sum().backward()
    assert len(made) == 4  # one for each change of stride, down and up again
    gone = [weakref.ref(kernel_map) for kernel_map in made]
    made.clear()
    assert all(reference() is None for reference in gone)  # no circle that keeps their memory


def sparse_coords(span: int = 6):
    voxel = st.tuples(st.integers(0, 2), *[st.integers(-span, span)] * 3)
    return st.lists(voxel, min_size=1, max_size=60, unique=True).map(torch.tensor)


@settings(max_examples=60, deadline=None)
@given(
    sparse_coords(),
    st.sampled_from([(1, 1, 3), (1, 1, 5), (1, 2, 2), (1, 2, 3), (2, 1, 2), (2, 2, 3), (4, 2, 2)]),
)
def test_kernel_map_equals_naive_search(coords, key):
    manager = CoordinateManager(coords)
    in_stride, out_stride, size = key
    inputs = [tuple(c) for c in manager.coords(in_stride).tolist()]
    outputs = [tuple(c) for c in manager.coords(out_stride).tolist()]
    kernel_map = manager.kernel_map(*key)
    present = (kernel_map.table != kernel_map.num_inputs).nonzero().tolist()
    found = {(k, int(kernel_map.table[o, k]), o) for o, k in present}
    expected = set()
    for k, offset in enumerate(kernel_offsets(size).tolist()):
        for coarse_rows, fine_rows, swap in ((outputs, inputs, False), (inputs, outputs, True)):
            if swap != (out_stride < in_stride):
                continue
            ratio = max(out_stride // in_stride, in_stride // out_stride)
            index = {c: row for row, c in enumerate(fine_rows)}
            for coarse, (b, *xyz) in enumerate(coarse_rows):
                fine = index.get((b, *[v * ratio + d for v, d in zip(xyz, offset)]))
                if fine is not None:
                    expected.add((k, coarse, fine) if swap else (k, fine, coarse))
    assert found == expected


@settings(max_examples=30, deadline=None)
@given(sparse_coords())
def test_parents_floor_and_are_unique(coords):
    manager = CoordinateManager(coords)
    parents = {(b, x // 2, y // 2, z // 2) for b, x, y, z in coords.tolist()}
    ours = [tuple(c) for c in manager.coords(2).tolist()]
    assert len(ours) == len(set(ours)) and set(ours) == parents


@settings(max_examples=20, deadline=None)
@given(sparse_coords(), st.randoms(use_true_random=False))
def test_order_of_the_input_does_not_matter(coords, random):
    torch.manual_seed(0)
    layer = Convolution(2, 3, 3)
    x = torch.randn(len(coords), 2)
    shuffle = torch.tensor(random.sample(range(len(coords)), len(coords)))
    with torch.no_grad():
        a = layer(sparse_tensor(x, coords)).in_callers_order()
        b = layer(sparse_tensor(x[shuffle], coords[shuffle])).in_callers_order()
    torch.testing.assert_close(a[shuffle], b)


def test_scenes_of_a_batch_do_not_see_each_other():
    torch.manual_seed(0)
    layer = Convolution(2, 3, 5)
    coords = filled_grid(1, 3, 3, 3)
    x = torch.randn(27, 2)
    both = torch.cat([coords, coords + torch.tensor([1, 0, 0, 0])])
    with torch.no_grad():
        alone = layer(sparse_tensor(x, coords)).features
        batched = layer(sparse_tensor(torch.cat([x, -x]), both)).features
    torch.testing.assert_close(batched, torch.cat([alone, -alone]))


def test_both_ways_to_the_sum_agree():
    """Products picked, or neighbours gathered, where each output has one neighbour at most, or none."""
    torch.manual_seed(0)
    coords = torch.unique(torch.randint(-8, 8, (400, 4)) * torch.tensor([0, 1, 1, 1]), dim=0)
    picked = CoordinateManager(coords, TorchEngine()).kernel_map(2, 1, 2)
    picked.table[::7] = picked.num_inputs  # who has none
    gathered = KernelMap(picked.table, picked.num_inputs)
    x = torch.randn(picked.num_inputs, 4, dtype=torch.float64, requires_grad=True)
    kernel = torch.randn(8, 4, 5, dtype=torch.float64, requires_grad=True)
    results = []
    for kernel_map in (picked, gathered):
        y = convolve(x, kernel, kernel_map, TorchEngine())
        results.append((y, *torch.autograd.grad(y.square().sum(), (x, kernel))))
    assert picked.picks_a_product and not gathered.picks_a_product
    for a, b in zip(*results):
        torch.testing.assert_close(a, b)


def test_folding_the_batch_norm_changes_nothing():
    torch.manual_seed(0)
    coords = filled_grid(1, 4, 4, 4)
    x = sparse_tensor(torch.randn(64, 3), coords)
    layer, norm = Convolution(3, 5, 3, bias=True), BatchNorm(5)
    norm.bn.running_mean.normal_()
    norm.bn.running_var.uniform_(0.5, 2.0)
    with torch.no_grad():
        norm.bn.weight.uniform_(0.5, 2.0)
        norm.bn.bias.normal_()
        expected = norm.eval()(layer(x)).features
        torch.testing.assert_close(fold_batch_norm(layer, norm)(x).features, expected)


def test_empty_and_single_voxel():
    layer = Convolution(2, 3, 3)
    empty = layer(sparse_tensor(torch.zeros(0, 2), torch.zeros(0, 4, dtype=torch.int32)))
    assert empty.features.shape == (0, 3)
    one = sparse_tensor(torch.ones(1, 2), torch.tensor([[0, -7, 1_000_000, 3]]))
    torch.testing.assert_close(layer(one).features, torch.ones(1, 2) @ layer.kernel[13])


@pytest.mark.parametrize(
    "coords, words",
    [
        (torch.zeros(2, 4, dtype=torch.int32), "1 of 2 coordinates occur twice"),
        (torch.zeros(2, 3, dtype=torch.int32), r"shape \(2, 3\)"),
        (torch.zeros(1, 4), "float32"),
        (torch.tensor([[0, 0, 0, 0], [9, 2**30, 2**30, 2**30]]), "far outliers"),
    ],
)
def test_bad_coordinates_are_named(coords, words):
    with pytest.raises(ValueError, match=words):
        CoordinateManager(coords)


@pytest.mark.parametrize("size, stride", [(1, 2), (0, 1), (2, 1), (4, 1), (3, 3), (3, 0)])
def test_a_convolution_that_the_engine_has_not_is_named(size, stride):
    with pytest.raises(ValueError, match=f"kernel size {size} at stride {stride}"):
        Convolution(2, 3, size, stride=stride)


def test_mismatched_features_are_named():
    kernel_map = KernelMap(torch.zeros(1, 27, dtype=torch.int32), 1)
    with pytest.raises(ValueError, match=r"kernel \(8, 2, 3\) do not fit"):
        convolve(torch.zeros(1, 2), torch.zeros(8, 2, 3), kernel_map)


@pytest.mark.parametrize("grad", [True, False])
@pytest.mark.parametrize("channels, shortcut", [(3, None), (1, None), (2, (27, 1)), (2, (26, 4))])
def test_wrong_shapes_are_named_with_gradients_and_without(grad, channels, shortcut):
    layer, x = Convolution(2, 4, 3), sparse_tensor(torch.zeros(27, channels), filled_grid(1, 3, 3, 3))
    added = None if shortcut is None else x.with_features(torch.zeros(shortcut))
    with torch.set_grad_enabled(grad), pytest.raises(ValueError, match="do not fit|shortcut"):
        layer(x, added)


def changed_by_optimizer(layer):
    layer.kernel.grad = torch.ones_like(layer.kernel)
    torch.optim.AdamW(layer.parameters(), lr=1.0, fused=torch.__version__ >= "2.4").step()


@pytest.mark.parametrize(
    "change",
    [
        changed_by_optimizer,
        lambda layer: layer.kernel.data.mul_(2),
        lambda layer: setattr(layer, "kernel", torch.nn.Parameter(layer.kernel.detach() * 2)),
        lambda layer: layer.requires_grad_(False).kernel.mul_(2),
    ],
)
def test_no_change_of_the_weights_is_missed(change):
    layer, x = Convolution(2, 4, 3).eval(), sparse_tensor(torch.randn(27, 2), filled_grid(1, 3, 3, 3))
    with torch.no_grad():
        before = layer(x).features
        change(layer)
        after = layer(x).features
    assert not torch.allclose(before, after, atol=1e-2)
    torch.testing.assert_close(after, layer(x).features)  # by the way that packs each time


@pytest.mark.parametrize("copied", [copy.deepcopy, lambda model: pickle.loads(pickle.dumps(model))])
def test_a_network_that_has_run_can_be_copied(copied):
    model = build_network("MinkUNet14S", 2, 5, 3).for_inference()
    model.coordinates = partial(CoordinateManager, engine=default_engine("cpu"))
    x, coords = torch.randn(27, 2), filled_grid(1, 3, 3, 3)
    with torch.no_grad():
        torch.testing.assert_close(copied(model)(x, coords), model(x, coords))
        again = copied(model)
        torch.testing.assert_close(again(x, coords), model(x, coords))
    assert again.coordinates.keywords["engine"] is default_engine("cpu")  # one engine, one memory


def test_a_frozen_kernel_is_packed_once_and_again_after_a_change():
    layer, x = Convolution(2, 4, 3).eval(), sparse_tensor(torch.randn(27, 2), filled_grid(1, 3, 3, 3))
    layer.requires_grad_(False)
    with torch.no_grad():
        before = layer(x).features
        packed = layer.packed(x.manager.engine)
        assert layer.packed(x.manager.engine) is packed
        layer.kernel.mul_(2)
        torch.testing.assert_close(layer(x).features, 2 * before)
        layer.kernel = torch.nn.Parameter(layer.kernel / 4, requires_grad=False)
        torch.testing.assert_close(layer(x).features, before / 2)
