"""Our engines against MinkowskiEngine: equal outputs and gradients, layer by layer and as a whole network.

`pytest -s` shows the largest differences, each relative to the largest value of what it is compared with.
Without MinkowskiEngine these tests are skipped; `make test-minkowski` gets it.
"""

from functools import partial

import numpy as np
import pytest
import torch

from ssen_ros.config import SegmenterConfig
from ssen_ros.errors import EngineError
from ssen_ros.models import build_network
from ssen_ros.segmenter import Segmenter
from ssen_ros.sparse import (
    Convolution,
    CoordinateManager,
    NativeEngine,
    SparseTensor,
    TorchEngine,
    sparse_tensor,
)
from ssen_ros.sparse.minkowski import MinkowskiCoordinates, minkowski_engine
from ssen_ros.sparse.native_engine import best_instruction_set
from ssen_ros.structures import VoxelSnapshot

try:
    minkowski_engine()
except EngineError as error:
    pytest.skip(f"parity is not tested: {error}", allow_module_level=True)

TOLERANCE = 1e-4  # of float32 sums in another order; measured: 1e-6 for layers

ENGINES = {"torch": TorchEngine()}
if isa := best_instruction_set(torch.float32):
    ENGINES["native"] = NativeEngine(isa)


@pytest.fixture(scope="module", autouse=True)
def heading():
    print(
        f"\nlargest absolute difference / largest absolute value; native: {isa or 'not there, NOT compared'}"
    )


def surfaces(seed: int, size: int = 20) -> torch.Tensor:
    """(N, 3) voxels of a floor, a wall and a rough ball, around the origin."""
    grid = torch.arange(size) - size // 2
    x, y, z = torch.meshgrid(grid, grid, grid, indexing="ij")
    noise = torch.randint(0, 2, x.shape, generator=torch.Generator().manual_seed(seed))
    ball = (x**2 + y**2 + z**2).float().sqrt().round() == size // 4 + noise
    return torch.stack([x, y, z], dim=-1)[(z == -size // 2 + noise) | (x == 0) | ball]


def scenes(count: int = 3) -> torch.Tensor:
    """(N, 4) coordinates, scenes of a batch at places of their own, rows shuffled."""
    batch = [
        torch.cat([torch.full((len(xyz), 1), i), xyz + torch.tensor([1 - 70 * i, 3, -5])], dim=1)
        for i, xyz in enumerate(map(surfaces, range(count)))
    ]
    coords = torch.cat(batch)
    return coords[torch.randperm(len(coords), generator=torch.Generator().manual_seed(9))]


def difference(ours: torch.Tensor, theirs: torch.Tensor) -> float:
    assert ours.shape == theirs.shape
    scale = theirs.abs().max()
    assert scale > 1e-6, "nothing to compare with"
    return float((ours - theirs).abs().max() / scale)


def report(what: str, engine: str, differences: dict[str, float], tolerance: float = TOLERANCE) -> None:
    table = "  ".join(f"{name} {value:.1e}" for name, value in differences.items())
    print(f"\n{what:<25} {engine:<7} {table}  ", end="")
    assert max(differences.values()) < tolerance


class Chain(torch.nn.Module):
    """A layer that starts at some stride, between plain 2³ ones from the input there and back to it."""

    def __init__(self, start: int, *layer, **options):
        super().__init__()
        depth = start.bit_length() - 1
        self.down = torch.nn.Sequential(*(Convolution(4, 4, 2, stride=2) for _ in range(depth)))
        self.layer = Convolution(4, 6, *layer, **options)
        step = 1 if self.layer.transposed else -1
        depth -= step * (self.layer.stride - 1)
        self.up = torch.nn.Sequential(*(Convolution(6, 6, 2, 2, transposed=True) for _ in range(depth)))

    def forward(self, features, coords, coordinates):
        manager = coordinates(coords)
        x = SparseTensor(manager.arrange(features), 1, manager)
        return self.up(self.layer(self.down(x))).in_callers_order()


def outcome(model, features, *inputs) -> dict[str, torch.Tensor]:
    """The output, and the gradients of a fixed weighted sum of it to the features and each parameter."""
    features = features.detach().requires_grad_()
    output = model(features, *inputs)
    weight = torch.randn(output.shape, generator=torch.Generator().manual_seed(4)).to(output)
    names, parameters = zip(*model.named_parameters())
    gradients = torch.autograd.grad((output * weight).sum(), (features, *parameters))
    return dict(zip(("output", "features", *names), (output.detach(), *gradients)))


LAYERS = {
    "3³": dict(start=1, kernel_size=3),
    "3³ with bias": dict(start=1, kernel_size=3, bias=True),
    "5³": dict(start=1, kernel_size=5),
    "1³": dict(start=1, kernel_size=1),
    "2³ stride 2": dict(start=1, kernel_size=2, stride=2),
    "3³ stride 2": dict(start=1, kernel_size=3, stride=2),
    "2³ transposed": dict(start=2, kernel_size=2, stride=2, transposed=True),
    "3³ transposed": dict(start=2, kernel_size=3, stride=2, transposed=True),
    "3³ at stride 4": dict(start=4, kernel_size=3),
    "5³ at stride 2": dict(start=2, kernel_size=5),
    "1³ at stride 2": dict(start=2, kernel_size=1),
    "2³ stride 2 at stride 4": dict(start=4, kernel_size=2, stride=2),
    "2³ transposed at stride 8": dict(start=8, kernel_size=2, stride=2, transposed=True),
}


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("layer", LAYERS)
def test_layers(layer, engine):
    torch.manual_seed(0)
    options = dict(LAYERS[layer])
    model = Chain(options.pop("start"), options.pop("kernel_size"), **options)
    coords = scenes()
    features = torch.randn(len(coords), 4)
    theirs = outcome(model, features, coords, MinkowskiCoordinates)
    ours = outcome(model, features, coords, partial(CoordinateManager, engine=ENGINES[engine]))
    differences = {name: difference(ours[name], theirs[name]) for name in theirs}
    kernels = max(value for name, value in differences.items() if name not in ("output", "features"))
    report(layer, engine, {k: differences[k] for k in ("output", "features")} | {"parameters": kernels})


def network(mode: str) -> torch.nn.Module:
    torch.manual_seed(0)
    model = build_network("MinkUNet34C", 3, 20)
    for module in model.modules():
        if isinstance(module, torch.nn.BatchNorm1d):
            module.running_mean.normal_(0, 0.1)
            module.running_var.uniform_(0.5, 1.5)
    return getattr(model, mode)()


def compare_networks(model, coords, features, engine, name: str, tolerance: float = TOLERANCE) -> None:
    results = []
    for coordinates in (MinkowskiCoordinates, partial(CoordinateManager, engine=engine)):
        model.coordinates = coordinates
        results.append(outcome(model, features, coords))
    theirs, ours = results
    differences = {key: difference(ours[key], theirs[key]) for key in theirs}
    worst = max((key for key in theirs if key not in ("output", "features")), key=differences.get)
    shown = {key: differences[key] for key in ("output", "features", worst)}
    report("MinkUNet34C, " + ("train" if model.training else "eval"), name, shown, tolerance)


@pytest.mark.parametrize("mode", ["train", "eval"])
def test_minkunet34c_in_float64(mode):
    model, coords = network(mode).double(), scenes(2)
    features = torch.rand(len(coords), 3).double() - 0.5
    compare_networks(model, coords, features, ENGINES["torch"], "float64", tolerance=1e-10)


@pytest.mark.parametrize("engine", ENGINES)
def test_minkunet34c_in_float32(engine, monkeypatch):
    # Where an activation is 0 but for rounding, it is chance whether ReLU passes the gradient on; of millions
    # in float32 some are. So the gradients are those of the same network with a smooth function.
    monkeypatch.setattr(torch, "relu", torch.nn.functional.softplus)
    model, coords = network("train"), scenes(2)
    compare_networks(model, coords, torch.rand(len(coords), 3) - 0.5, ENGINES[engine], engine)


@pytest.mark.parametrize("engine", ENGINES)
def test_minkunet34c_as_the_segmenter_runs_it(engine):
    model, coords = network("eval").for_inference(), scenes(2)
    features = torch.rand(len(coords), 3) - 0.5
    with torch.inference_mode():
        model.coordinates = MinkowskiCoordinates
        theirs = model(features, coords)
        model.coordinates = partial(CoordinateManager, engine=ENGINES[engine])
        ours = model(features, coords)
    report("MinkUNet34C, norms folded", engine, {"output": difference(ours, theirs)})


@pytest.mark.filterwarnings("ignore:.*should not be instantiated:DeprecationWarning")  # by its own layers
def test_weights_and_outputs_are_those_of_its_own_layers():
    library = minkowski_engine()
    torch.manual_seed(0)
    down = [(3, 8, 5), (8, 6, 2, 2), (6, 6, 3)]  # channels in and out, kernel size, stride
    up, last = (6, 5, 2, 2), (5, 4, 1)
    ours = [
        *(Convolution(*a) for a in down),
        Convolution(*up, transposed=True),
        Convolution(*last, bias=True),
    ]
    theirs = [
        *(library.MinkowskiConvolution(*a, dimension=3) for a in down),
        library.MinkowskiConvolutionTranspose(*up, dimension=3),
        library.MinkowskiConvolution(*last, bias=True, dimension=3),
    ]
    ours, theirs = torch.nn.Sequential(*ours), torch.nn.Sequential(*theirs)
    theirs.load_state_dict(ours.state_dict(), strict=True)
    coords, features = scenes(), torch.randn(len(scenes()), 3)
    expected = theirs(library.SparseTensor(features, coords.int())).F
    x = sparse_tensor(features, coords, MinkowskiCoordinates)
    torch.testing.assert_close(ours(x).in_callers_order(), expected)


def test_the_segmenter_computes_with_it(monkeypatch):
    voxels = surfaces(0)[::3].numpy().astype(np.int32)
    colors = np.random.default_rng(0).integers(0, 255, voxels.shape).astype(np.uint8)
    snapshot = VoxelSnapshot(voxels, (voxels * 0.04).astype(np.float32), colors, 0.04)
    theirs, ours = (
        Segmenter.from_config(SegmenterConfig(device="cpu", engine=engine, precision="float32"))
        for engine in ("minkowski", "native")
    )
    rows = np.arange(0, len(voxels), 2)
    np.testing.assert_allclose(ours.semantic(snapshot), theirs.semantic(snapshot), atol=1e-3)
    np.testing.assert_allclose(ours.embed(snapshot, rows), theirs.embed(snapshot, rows), atol=1e-3)
    monkeypatch.setattr(MinkowskiCoordinates, "convolve", None)
    ours.semantic(snapshot)
    with pytest.raises(TypeError):  # so it was MinkowskiEngine
        theirs.semantic(snapshot)


def test_an_empty_map_and_a_single_voxel():
    model = build_network("MinkUNet14S", 3, 5).eval()
    model.coordinates = MinkowskiCoordinates
    assert model(torch.zeros(0, 3), torch.zeros(0, 4, dtype=torch.int32)).shape == (0, 5)
    assert model(torch.ones(1, 3), torch.tensor([[0, -7, 100_000, 3]])).isfinite().all()


def test_repeated_coordinates_are_named():
    with pytest.raises(ValueError, match="1 of 3 coordinates occur twice"):
        MinkowskiCoordinates(torch.tensor([[0, 1, 2, 3], [0, 0, 0, 0], [0, 1, 2, 3]]))
