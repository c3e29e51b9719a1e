"""The segmenter: what it refuses, and what it hands back."""

import dataclasses
import gc
import weakref

import numpy as np
import pytest
import torch

from ssen_ros import sparse
from ssen_ros.config import SegmenterConfig
from ssen_ros.errors import CheckpointError, ConfigError
from ssen_ros.features import Anchor, voxel_features
from ssen_ros.labels import CLASS_NAMES
from ssen_ros.models import Checkpoint, NetworkSpec, network_of
from ssen_ros.segmenter import Segmenter
from ssen_ros.sparse import default_engine
from ssen_ros.sparse.choose import coordinates_on
from ssen_ros.sparse.native_engine import best_instruction_set, instruction_sets, native_engine
from ssen_ros.structures import VoxelSnapshot
from ssen_ros.views import View, turned
from ssen_ros.voxel_map import VoxelMap

SEMANTIC = NetworkSpec("semantic", "MinkUNet14S", 0.05, ("rgb", "height"), CLASS_NAMES, 3)
EMBEDDING = NetworkSpec("embedding", "MinkUNet14S", 0.05, ("rgb", "xyz"), CLASS_NAMES, 3, embedding_width=8)
MULTIPLIED = best_instruction_set(torch.bfloat16) is not None


def checkpoint(spec: NetworkSpec) -> Checkpoint:
    torch.manual_seed(0)
    return Checkpoint(spec, network_of(spec).eval())


@pytest.fixture(scope="module")
def segmenter():
    return Segmenter(checkpoint(SEMANTIC), checkpoint(EMBEDDING))


def snapshot(n=300) -> VoxelSnapshot:
    rng = np.random.default_rng(0)
    coords = np.unique(rng.integers(-10, 10, (n, 3)), axis=0).astype(np.int32)
    points = ((coords + 0.5) * 0.05).astype(np.float32)
    return VoxelSnapshot(coords, points, rng.integers(0, 255, coords.shape).astype(np.uint8), 0.05)


def test_outputs(segmenter):
    s = snapshot()
    log_probabilities = segmenter.semantic(s)
    assert log_probabilities.shape == (len(s), 20) and log_probabilities.dtype == np.float32
    np.testing.assert_allclose(np.exp(log_probabilities).sum(1), 1, rtol=1e-4)
    rows = np.arange(0, len(s), 2)
    embeddings = segmenter.embed(s, rows)
    assert embeddings.shape == (len(rows), 8) and embeddings.dtype == np.float32


@pytest.mark.parametrize("offset", [0.0, 300.0])
def test_a_turned_view_holds_every_voxel_where_it_went(offset):
    here = snapshot()
    here = dataclasses.replace(here, points=here.points + np.float32(offset))
    there, row = turned(here, 0.7)
    assert len(there) <= len(here) and set(row) == set(range(len(there)))
    middle = np.round((here.points[:, :2].min(0) + here.points[:, :2].max(0)) / 2 / (1024 * here.voxel_size))
    middle *= 1024 * here.voxel_size  # one of the axes that stay where they are while a map grows
    x, y = (here.points[:, :2] - middle).T
    c, s = np.cos(0.7), np.sin(0.7)
    went = np.stack([c * x - s * y + middle[0], s * x + c * y + middle[1], here.points[:, 2]], axis=1)
    assert np.abs(went - there.points[row]).max() < here.voxel_size
    same, all_rows = turned(here, 0.0)
    assert same is here and all_rows.tolist() == list(range(len(here)))


def test_probabilities_are_averaged_over_the_rotations(segmenter):
    """Each view lies otherwise to the grid, by half a voxel: along x and y, then along x alone."""
    here, floor, expected = snapshot(), -0.3, 0.0
    for k, half_voxels in enumerate([(0, 0, 0), (1, 1, 0), (1, 0, 0)]):
        view, row = turned(here, 2 * np.pi * k / 3, shift=np.array(half_voxels) * here.voxel_size / 2)
        expected += np.exp(segmenter.semantic(view, floor))[row] / 3
    threefold = Segmenter(checkpoint(SEMANTIC), checkpoint(EMBEDDING), rotations=3)
    np.testing.assert_allclose(np.exp(threefold.semantic(here, floor)), expected, rtol=1e-4, atol=1e-5)


def test_turned_networks_see_no_view_twice(segmenter):
    """They are a quarter turned, so that walls lie to the grid alike, or moved otherwise."""
    twofold = Segmenter(checkpoint(SEMANTIC), checkpoint(EMBEDDING), rotations=2)
    here, anchor = snapshot(), Anchor(0.0, (0.0, 0.0))
    points = [
        twofold.view(here, anchor, k, turn).snapshot.points.astype(np.float64)
        for turn in range(8)
        for k in range(2)
    ]
    assert len({view.tobytes() for view in points}) == 16
    first, row = turned(here, np.pi / 2, shift=np.array([0.5, 0, 0]) * here.voxel_size)
    second, other = turned(here, 3 * np.pi / 2, shift=np.array([0, 0.5, 0]) * here.voxel_size)
    both = np.exp(segmenter.semantic(first, 0.0))[row], np.exp(segmenter.semantic(second, 0.0))[other]
    found = np.exp(twofold.turned(1).semantic(here, 0.0))
    np.testing.assert_allclose(found, np.mean(both, axis=0), rtol=1e-4, atol=1e-5)


def test_a_view_that_is_moved_against_the_grid_sees_other_voxels():
    """Two points of neighbouring voxels meet; heights stay."""
    points = np.array([[0.03, 0.03, 0.03], [0.05, 0.05, 0.03], [0.09, 0.09, 0.09]], np.float32)
    voxel_map = VoxelMap(0.04)
    voxel_map.integrate(points, np.zeros((3, 3), np.uint8))
    view = View.of(voxel_map.snapshot(), Anchor(0.01, (0.0, 0.0)), number=1)
    assert view.row.tolist() == [0, 0, 1] and view.anchor.floor == 0.01
    np.testing.assert_allclose(view.snapshot.points, [[0.06, 0.06, 0.03], [0.11, 0.11, 0.09]], atol=1e-4)


def test_a_map_is_seen_lined_up(segmenter):
    """What a heading does: the networks see the map turned, and answer for its own voxels."""
    here = dataclasses.replace(snapshot(), heading=0.5)
    view, row = turned(here, 0.5)
    np.testing.assert_array_equal(segmenter.semantic(here, 0.0), segmenter.semantic(view, 0.0)[row])
    rows = np.arange(0, len(here), 3)
    view, row = turned(here.at(rows), 0.5)
    expected = segmenter.embed(view, np.arange(len(view)), 0.0)[row]
    # Positions are measured from the middle of the map's voxels, which is not quite that of the view's.
    np.testing.assert_allclose(segmenter.embed(here, rows, 0.0), expected, atol=1e-3)


def test_the_prior_adds_the_logarithms_of_the_shares(segmenter):
    shares = dict(zip(CLASS_NAMES, np.arange(20) / 190))  # of the first, none
    semantic = dataclasses.replace(checkpoint(SEMANTIC), provenance={"class_shares": shares})
    s = snapshot()
    plain = segmenter.semantic(s).astype(np.float64)
    for prior in (0.0, 0.5, 1.0):
        found = np.exp(Segmenter(semantic, checkpoint(EMBEDDING), prior=prior).semantic(s).astype(np.float64))
        expected = np.exp(plain) * np.maximum(list(shares.values()), 1e-6) ** prior
        np.testing.assert_allclose(
            found, expected / expected.sum(axis=1, keepdims=True), rtol=1e-3, atol=1e-7
        )


def test_the_prior_of_a_network_that_tells_no_shares_changes_nothing(segmenter):
    s = snapshot()
    found = Segmenter(checkpoint(SEMANTIC), checkpoint(EMBEDDING), prior=1.0).semantic(s)
    np.testing.assert_array_equal(found, segmenter.semantic(s))


def test_shares_of_other_classes_are_refused():
    semantic = dataclasses.replace(
        checkpoint(SEMANTIC), provenance={"class_shares": {"wall": 0.5, "lamp": 0.5}}
    )
    with pytest.raises(CheckpointError, match="class_shares are of wall, lamp, expected wall, floor"):
        Segmenter(semantic, checkpoint(EMBEDDING), prior=0.5)


def test_background_does_not_reach_the_embedding_network(segmenter):
    s = snapshot()
    rows = np.flatnonzero(s.voxel_coords[:, 0] < 0)
    repainted = np.where(s.voxel_coords[:, :1] < 0, s.colors, 255 - s.colors)
    other = VoxelSnapshot(s.voxel_coords, s.points, repainted, s.voxel_size)
    np.testing.assert_array_equal(segmenter.embed(s, rows), segmenter.embed(other, rows))


@pytest.mark.skipif(not instruction_sets(), reason="plain PyTorch keeps nothing from pass to pass")
def test_networks_that_are_gone_leave_no_memory_behind():
    short_lived = Segmenter(checkpoint(SEMANTIC), checkpoint(EMBEDDING))
    short_lived.semantic(snapshot())
    network = weakref.ref(short_lived._semantic)
    isa = best_instruction_set(torch.float32)
    engine = native_engine(isa)  # keeps buffers for the next pass
    del short_lived
    gc.collect()
    assert network() is None
    Segmenter.release_memory()
    assert native_engine(isa) is not engine  # so it goes with its last network
    assert default_engine("cpu") is native_engine(isa)  # and the next networks share one again


@pytest.fixture
def without_bfloat16(monkeypatch):
    """As on a CPU that does not multiply it."""
    best = best_instruction_set(torch.float32)
    default_engine.cache_clear()
    for module in (sparse.convolution, sparse.choose):
        monkeypatch.setattr(
            module, "best_instruction_set", lambda dtype: best if dtype == torch.float32 else None
        )
    yield
    default_engine.cache_clear()


def test_bfloat16_is_refused_where_it_would_be_slower(without_bfloat16):
    with pytest.raises(ConfigError, match="'bfloat16' on the CPU.* AVX512_BF16 or AMX.*use float32"):
        Segmenter(checkpoint(SEMANTIC), checkpoint(EMBEDDING), precision="bfloat16")


def test_auto_is_float32_where_bfloat16_would_be_slower(without_bfloat16):
    assert coordinates_on(torch.device("cpu"), "auto").keywords["engine"].dtype == torch.float32


def test_auto_is_bfloat16_where_the_cpu_multiplies_it():
    cpu = torch.device("cpu")
    chosen = coordinates_on(cpu, "auto").keywords["engine"].dtype
    assert chosen == (torch.bfloat16 if MULTIPLIED else torch.float32)
    assert coordinates_on(cpu, "float32").keywords["engine"].dtype == torch.float32


@pytest.mark.skipif(not MULTIPLIED, reason="this CPU multiplies no bfloat16, which is NOT tested here")
def test_bfloat16_changes_few_labels(segmenter):
    half = Segmenter(checkpoint(SEMANTIC), checkpoint(EMBEDDING), precision="bfloat16")
    a, b = segmenter.semantic(snapshot()).argmax(1), half.semantic(snapshot()).argmax(1)
    assert (a == b).mean() > 0.97


def test_a_move_to_a_device_without_bfloat16_goes_on_in_float32(segmenter, caplog, without_bfloat16):
    """As from a GPU that has run out of memory to the CPU."""
    moved = Segmenter(checkpoint(SEMANTIC), checkpoint(EMBEDDING))
    moved._semantic.precision = "bfloat16"
    moved.to("cpu")
    assert "going on in float32" in caplog.text
    np.testing.assert_array_equal(moved.semantic(snapshot()), segmenter.semantic(snapshot()))


def test_empty_map(segmenter):
    empty = VoxelSnapshot(
        np.zeros((0, 3), np.int32), np.zeros((0, 3), np.float32), np.zeros((0, 3), np.uint8), 0.05
    )
    assert segmenter.semantic(empty).shape == (0, 20)
    assert segmenter.embed(snapshot(), np.zeros(0, np.int64)).shape == (0, 8)


@pytest.mark.parametrize("change", [dict(voxel_size=0.02), dict(class_names=CLASS_NAMES[::-1])])
def test_networks_must_agree(change):
    other = dataclasses.replace(EMBEDDING, **change)
    with pytest.raises(CheckpointError, match=next(iter(change))):
        Segmenter(checkpoint(SEMANTIC), checkpoint(other))


def test_tasks_must_not_be_swapped():
    with pytest.raises(CheckpointError, match="expected one for 'semantic'"):
        Segmenter(checkpoint(EMBEDDING), checkpoint(SEMANTIC))


@pytest.mark.parametrize("device", ["gpu", "meta", "cuda:77"])
def test_bad_device(device):
    with pytest.raises(ConfigError, match=f"segmenter.device = '{device}'"):
        Segmenter.from_config(SegmenterConfig(device=device))


def test_features_by_hand():
    points = np.array([[-0.01, 0.0, 0.2], [1.99, 0.0, 1.21]], np.float32)
    colors = np.array([[255, 0, 0], [0, 255, 51]], np.uint8)
    here = VoxelSnapshot(np.array([[-1, 0, 5], [49, 0, 30]], np.int32), points, colors, 0.04)
    rows = voxel_features(("rgb", "height", "xyz", "offset"), here, Anchor.over(0.2, points))
    expected = [
        [0.5, -0.5, -0.5, -1.0, -1 / 3, 0, -1 / 3, 0.25, -0.5, -0.5],
        [-0.5, 0.5, -0.3, 0.01, 1 / 3, 0, 0.01 / 3, 0.25, -0.5, -0.25],
    ]
    np.testing.assert_allclose(rows, expected, atol=1e-5)


def test_positions_are_those_of_the_room_however_far_from_the_origin():
    room = np.random.default_rng(0).uniform(0, 5, (100_000, 3)).astype(np.float32)
    far = room + np.float32(4096)
    flat, grey = np.zeros(room.shape, np.int32), np.zeros(room.shape, np.uint8)
    snapshots = (VoxelSnapshot(flat, points, grey, 0.04) for points in (room, far))
    near, there = (voxel_features(("xyz",), s, Anchor.over(0.0, s.points)) for s in snapshots)
    np.testing.assert_allclose(there[:, :2], near[:, :2], atol=1e-3)
