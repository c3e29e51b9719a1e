"""Public checkpoints: every layout, the order of the kernels, and what is refused."""

import os
from argparse import ArgumentTypeError
from itertools import product

import numpy as np
import pytest
import torch

from ssen_ros.cli import main
from ssen_ros.errors import CheckpointError
from ssen_ros.labels import CLASS_NAMES
from ssen_ros.models import build_network, load_checkpoint
from ssen_ros.models.convert import HYBRID_TO_CUBE, convert, hybrid_offsets
from ssen_ros.sparse import CoordinateManager, convolve

NAME = "MinkUNet14A"

# From a comparison of the sources of MinkowskiEngine 0.4.2 and 0.5.4 that was made apart from this code.
PERMUTATION = [
    19, 15, 23, 11, 9, 13, 21, 17, 25, 5, 3, 7, 1, 0, 2, 6, 4, 8, 20, 16, 24, 12, 10, 14, 22, 18, 26,
]  # fmt: skip


def hybrid_row(offset: tuple[int, int, int]) -> int:
    """Where MinkowskiEngine 0.4's HYBRID region has an offset, in closed form.

    Each axis in turn triples the list: the two children of row r, in place of 0 at that axis, lie at
    3^axis + 2 r (before) and + 1 (after).
    """
    axis = max((a for a in range(3) if offset[a]), default=None)
    if axis is None:
        return 0
    parent = tuple(0 if a == axis else offset[a] for a in range(3))
    return 3**axis + 2 * hybrid_row(parent) + (offset[axis] > 0)


def cube() -> list[tuple[int, int, int]]:
    """The order of 0.5: x fastest."""
    return [(x, y, z) for z, y, x in product((-1, 0, 1), repeat=3)]


def test_permutation_joins_both_orders_offset_by_offset():
    by_row = sorted(cube(), key=hybrid_row)
    assert hybrid_offsets() == by_row
    assert HYBRID_TO_CUBE == [hybrid_row(offset) for offset in cube()] == PERMUTATION
    assert [by_row[row] for row in HYBRID_TO_CUBE] == cube()


def test_reordered_kernel_convolves_as_the_hybrid_region_says():
    torch.manual_seed(0)
    coords = torch.unique(torch.randint(-3, 3, (60, 4)) * torch.tensor([0, 1, 1, 1]), dim=0)
    x, hybrid = torch.randn(len(coords), 2), torch.randn(27, 2, 3)
    rows = {tuple(c[1:]): row for row, c in enumerate(coords.tolist())}
    expected = torch.zeros(len(coords), 3)
    for here, row in rows.items():
        for weight, offset in zip(hybrid, sorted(cube(), key=hybrid_row)):
            neighbour = rows.get(tuple(a + b for a, b in zip(here, offset)))
            if neighbour is not None:
                expected[row] += x[neighbour] @ weight
    manager = CoordinateManager(coords)
    ours = convolve(manager.arrange(x), hybrid[HYBRID_TO_CUBE], manager.kernel_map(1, 1, 3))
    torch.testing.assert_close(ours, manager.arrange(expected))


@pytest.fixture(scope="module")
def network():
    torch.manual_seed(0)
    model = build_network(NAME, 3, 20, 3).eval()
    for module in model.modules():
        if isinstance(module, torch.nn.BatchNorm1d):
            module.running_mean.normal_(0, 0.1)
            module.running_var.uniform_(0.5, 1.5)
    return model


def in_order_of_0_4(state: dict) -> dict:
    """The same weights as 0.4 kept them: blocks in the order of HYBRID regions, 1³ kernels of three axes."""
    old = {}
    for name, tensor in state.items():
        if name.startswith("block") and "conv" in name:
            kernel = torch.empty_like(tensor)
            for row, offset in enumerate(cube()):
                kernel[hybrid_row(offset)] = tensor[row]
            tensor = kernel
        elif name.endswith("kernel") and tensor.ndim == 2:
            tensor = tensor[None]
        old[name] = tensor
    return old


reads_scalars = pytest.mark.skipif(
    not hasattr(torch.serialization, "safe_globals"), reason="torch before 2.5 reads no scalars of numpy"
)


def sts(state):
    """As SpatioTemporalSegmentation saves: much around the weights, a numpy scalar among it."""
    best = {"best_val": np.float64(72.2), "best_val_iter": 60000}
    return {"iteration": 1, "epoch": 2, "arch": "Res16UNet14A", "state_dict": state, "optimizer": {}} | best


def ssen(state):
    return {f"backbone.{name}": tensor for name, tensor in state.items()}


def outputs(model):
    generator = torch.Generator().manual_seed(5)
    xyz = torch.unique(torch.randint(-8, 8, (400, 3), generator=generator), dim=0)
    coords = torch.cat([torch.zeros(len(xyz), 1, dtype=torch.long), xyz], dim=1)
    with torch.no_grad():
        return model(torch.rand(len(xyz), 3, generator=generator) - 0.5, coords)


@pytest.mark.parametrize(
    "layout, wrapped, order",
    [
        pytest.param("sts", lambda state: sts(in_order_of_0_4(state)), "0.4", marks=reads_scalars),
        ("ssen", lambda state: ssen(in_order_of_0_4(state)), "0.4"),
        ("minkowski", lambda state: state, "0.5"),
    ],
)
def test_every_layout_comes_back_as_the_network_it_was(network, layout, wrapped, order, tmp_path, capsys):
    source, made = tmp_path / "public.pth", tmp_path / "ours.safetensors"
    torch.save(wrapped(network.state_dict()), source)
    assert main(["convert", str(source), "--out", str(made)]) == 0
    assert f"{NAME}, semantic, 20 outputs" in capsys.readouterr().out
    loaded = load_checkpoint(made)
    spec, origin = loaded.spec, loaded.provenance["converted_from"]
    assert (spec.architecture, spec.first_kernel_size, spec.voxel_size) == (NAME, 3, 0.02)
    assert (spec.features, spec.class_names) == (("rgb",), CLASS_NAMES)
    assert (origin["file"], origin["layout"], origin["kernel_order"]) == ("public.pth", layout, order)
    torch.testing.assert_close(outputs(loaded.model), outputs(network), rtol=0, atol=0)


@reads_scalars
def test_the_trap(network, tmp_path):
    """Loaded in its own order, a 0.4 checkpoint fits and predicts something else."""
    torch.save(sts(in_order_of_0_4(network.state_dict())), tmp_path / "old.pth")
    wrong = outputs(convert(tmp_path / "old.pth", kernel_order="0.5").model)
    assert (wrong - outputs(network)).abs().max() > 0.1 * outputs(network).abs().max()


@reads_scalars
def test_older_zip_free_files_with_numpys_older_name(network, tmp_path):
    path = tmp_path / "old.pth"
    torch.save(sts(in_order_of_0_4(network.state_dict())), path, _use_new_zipfile_serialization=False)
    path.write_bytes(path.read_bytes().replace(b"numpy._core.multiarray", b"numpy.core.multiarray"))
    assert convert(path).spec.architecture == NAME


def test_embedding_network(tmp_path):
    model = build_network("MinkUNet14S", 6, 8, 5)
    torch.save(ssen(model.state_dict()), tmp_path / "instance_model.pt")
    spec = convert(tmp_path / "instance_model.pt", embedding_width=8, features=("rgb", "xyz")).spec
    assert (spec.task, spec.architecture, spec.first_kernel_size) == ("embedding", "MinkUNet14S", 5)
    assert spec.out_channels == 8


@pytest.mark.parametrize("name", ["MinkUNet34A", "MinkUNet34C", "MinkUNet18A"])
def test_architecture_is_found(name, tmp_path):
    torch.save(build_network(name, 3, 20).state_dict(), tmp_path / "x.pth")
    spec = convert(tmp_path / "x.pth").spec
    assert (spec.architecture, spec.first_kernel_size) == (name, 5)


@pytest.mark.parametrize(
    "change, options, words",
    [
        ({}, dict(architecture="MinkUNet34C"), "does not fit MinkUNet34C: block1.1.conv1.kernel is missing"),
        ({}, dict(architecture="ResNet"), "'ResNet': expected one of MinkUNet"),
        ({}, dict(class_names=("wall", "floor")), "20 outputs, expected 2, the number of classes"),
        ({}, dict(embedding_width=8), "20 outputs, expected 8, the embedding width"),
        ({}, dict(features=("rgb", "xyz")), r"takes 3 input channels, expected 6 \(rgb, xyz\)"),
        ({"conv0p1s1.kernel": (64, 3, 32)}, {}, "64 offsets, expected those of an odd kernel size"),
        (
            {"block2.0.conv1.kernel": (125, 32, 64)},
            {},
            r"block2.0.conv1.kernel has shape \(125, 32, 64\), expected \(27, 32, 64\)",
        ),
        ({"block2.0.conv3.kernel": (1, 1)}, {}, "block2.0.conv3.kernel is not part of it"),
        ({"bn0.bn.weight": None}, {}, "bn0.bn.weight is missing"),
        ({"conv0p1s1.kernel": None}, {}, "no kernel conv0p1s1.kernel, found .*expected a Minkowski U-Net"),
    ],
)
def test_what_does_not_fit_is_named(network, change, options, words, tmp_path):
    state = network.state_dict()
    for name, shape in change.items():
        if shape is None:
            del state[name]
        else:
            state[name] = torch.zeros(shape)
    torch.save(state, tmp_path / "x.pth")
    with pytest.raises(CheckpointError, match=words):
        convert(tmp_path / "x.pth", **options)


class Executed:
    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return os.mkdir, (str(self.path),)


def test_nothing_in_the_file_is_executed(tmp_path):
    torch.save(
        {"state_dict": {"a": torch.zeros(1)}, "config": Executed(tmp_path / "made")}, tmp_path / "x.pth"
    )
    with pytest.raises(CheckpointError, match="cannot be read as tensors alone .it holds a posix.mkdir"):
        convert(tmp_path / "x.pth")
    assert not (tmp_path / "made").exists()


@pytest.mark.parametrize(
    "content", [[torch.zeros(1)], {}, {"epoch": 3}, {"state_dict": {"a": 1}}, torch.ones(2)]
)
def test_other_contents_are_named(content, tmp_path):
    torch.save(content, tmp_path / "x.pth")
    with pytest.raises(CheckpointError, match="expected tensors by name"):
        convert(tmp_path / "x.pth")


@pytest.mark.parametrize("damage", [b"", b"not a checkpoint"])
def test_damaged_files_are_named(damage, tmp_path, capsys):
    (tmp_path / "x.pth").write_bytes(damage)
    assert main(["convert", str(tmp_path / "x.pth"), "--out", str(tmp_path / "y")]) == 1
    assert "cannot be read as tensors alone" in capsys.readouterr().err
    assert not (tmp_path / "y").exists()


def test_missing_file_is_named(tmp_path):
    with pytest.raises(CheckpointError, match="no such file"):
        convert(tmp_path / "x.pth")


def prefixed(prefix, state):
    return {prefix + name: tensor for name, tensor in state.items()}


@pytest.mark.parametrize(
    "wrapped, layout",
    [
        (lambda state: prefixed("module.", state), "minkowski"),
        (lambda state: prefixed("module.model.", state), "minkowski"),
        (lambda state: prefixed("module.backbone.", in_order_of_0_4(state)), "ssen"),
        (lambda state: {"state_dict": prefixed("module.", in_order_of_0_4(state))}, "sts"),
        (lambda state: {"state_dict": prefixed("model.", state), "hyper_parameters": {}}, "minkowski"),
        (lambda state: {"model_state_dict": state, "epoch": 3}, "minkowski"),
        (
            lambda state: {"model": state, "optimizer": {"state": {0: {"exp_avg": torch.ones(2)}}}},
            "minkowski",
        ),
        (lambda state: {"net": {"weights": state}}, "minkowski"),
        (lambda state: {"ema": {n: t * 0 for n, t in state.items()}, "model": state}, "minkowski"),
        (lambda state: state | {"criterion.weight": torch.ones(20)}, "minkowski"),
        (lambda state: prefixed("model.", state) | {"loss.weight": torch.ones(20)}, "minkowski"),
        (lambda state: {n: t for n, t in state.items() if "num_batches" not in n}, "minkowski"),
        (
            lambda state: {n: t.double() if t.is_floating_point() else t for n, t in state.items()},
            "minkowski",
        ),
    ],
)
def test_wrappers_and_prefixes_are_opened(network, wrapped, layout, tmp_path):
    torch.save(wrapped(network.state_dict()), tmp_path / "x.pth")
    if "criterion.weight" in wrapped(network.state_dict()):  # without a prefix nobody knows what is whose
        with pytest.raises(CheckpointError, match="criterion.weight is not part of it"):
            convert(tmp_path / "x.pth")
        return
    made = convert(tmp_path / "x.pth")
    assert made.provenance["converted_from"]["layout"] == layout
    for name, tensor in network.state_dict().items():
        if "num_batches" not in name:
            torch.testing.assert_close(made.model.state_dict()[name], tensor, rtol=0, atol=0)


def test_tensors_of_others_in_safetensors(network, tmp_path):
    from safetensors.torch import save_file

    save_file(network.state_dict(), tmp_path / "x.safetensors")
    assert convert(tmp_path / "x.safetensors").spec.architecture == NAME


def test_weights_that_are_not_finite_are_refused(network, tmp_path):
    state = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    state["block1.0.conv1.kernel"].view(-1)[5] = float("nan")
    torch.save(prefixed("module.", state), tmp_path / "x.pth")
    with pytest.raises(CheckpointError, match="block1.0.conv1.kernel has 1 of .* not finite"):
        convert(tmp_path / "x.pth")


@pytest.mark.parametrize(
    "content, words",
    [
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:00\n", "Git LFS pointer"),
        (b"\n<!DOCTYPE html><html>", "a web page"),
        (b'<?xml version="1.0"?><Error><Code>AccessDenied</Code></Error>', "an XML text"),
        (b'{"message": "Not Found"}', "a JSON text"),
        (b"\x1f\x8b\x08\0", "compressed by gzip: unpack it"),
        (b"\0" * 600, "nothing but zeros"),
        (b"", "an empty file"),
        (None, "copied or downloaded whole"),
    ],
)
def test_what_is_no_checkpoint_is_called_what_it_is(network, content, words, tmp_path):
    torch.save(network.state_dict(), tmp_path / "x.pth")
    content = (tmp_path / "x.pth").read_bytes()[:90000] if content is None else content
    (tmp_path / "x.pth").write_bytes(content)
    with pytest.raises(CheckpointError, match=f"x.pth cannot be read as tensors alone .*{words}"):
        convert(tmp_path / "x.pth")


def test_classes_from_a_file(tmp_path):
    from ssen_ros.cli.options import class_names

    (tmp_path / "classes.txt").write_text("# ScanNet\nwall\noffice chair,\n\nbed\n")
    assert class_names(str(tmp_path / "classes.txt")) == ("wall", "office chair", "bed")
    assert class_names("wall, bed") == ("wall", "bed")
    for text, words in (("a\nb\na\n", "'a' occurs more than once"), ("\n", "no class in it")):
        (tmp_path / "classes.txt").write_text(text)
        with pytest.raises(ArgumentTypeError, match=words):
            class_names(str(tmp_path / "classes.txt"))
    with pytest.raises(ArgumentTypeError, match="no such file"):
        class_names("missing.txt")
