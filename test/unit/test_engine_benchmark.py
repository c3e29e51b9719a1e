"""The benchmarks measure what they say; how fast anything is is not tested."""

import numpy as np
import pytest
import torch

from ssen_ros.benchmarks.engine import Contender, benchmark_engines, contenders, useful_flops
from ssen_ros.benchmarks.rooms import room
from ssen_ros.benchmarks.update import benchmark_update
from ssen_ros.errors import ConfigError, EngineError
from ssen_ros.io.samples import VOXEL_SIZE

pytestmark = pytest.mark.usefixtures("quick_rooms")


def test_a_room_has_the_voxels_asked_for_one_point_each():
    small_room = room(3000)
    cells = np.floor(small_room.points / VOXEL_SIZE).astype(int)
    assert len(small_room) == 3000 and len(np.unique(cells, axis=0)) == 3000
    assert len(np.unique(small_room.semantic_label)) > 2


def test_useful_work_of_a_lone_voxel_is_the_network_without_neighbours():
    """At every stride one voxel: a centre offset each, one offset down, one up."""
    blocks = [
        (32, 32),
        (32, 64),
        (64, 96),
        (96, 128),
        (96 + 96, 96),
        (64 + 64, 64),
        (48 + 32, 48),
        (32 + 32, 32),
    ]
    down = [32 * 32, 32 * 32, 64 * 64, 96 * 96]
    up = [128 * 96, 96 * 64, 64 * 48, 48 * 32]
    products = 3 * 32 + sum(down) + sum(up) + 32 * 20
    for c_in, c_out in blocks:
        products += c_in * c_out + c_out * c_out + (c_in * c_out if c_in != c_out else 0)
    lone = torch.tensor([[0, 5, -3, 2]])
    assert useful_flops("MinkUNet14S", torch.zeros(1, 3), lone) == 2 * products


@pytest.mark.slow
def test_engines_are_timed_and_agree():
    result = benchmark_engines([3000], "MinkUNet14S", 2, only=("native", "torch"))
    rows = {(row["backend"], row["isa"]): row for row in result["rows"]}
    expected = {(c.backend, c.isa) for c in contenders() if c.backend in ("native", "torch")}
    assert set(rows) == expected and ("native", "portable") in rows
    torch_seconds = rows["torch", ""]["seconds"]
    for row in rows.values():
        assert row["seconds"] > 0 and row["peak_mb"] > 100 and row["gemm_gflops"] > 0
        assert row["over_torch"] == pytest.approx(torch_seconds / row["seconds"])
        assert row["max_difference"] <= (0.05 if row["dtype"] == "bfloat16" else 1e-4)
    assert rows["native", "portable"]["max_difference"] > 0  # the outputs are compared, not one with itself


def test_a_backend_that_is_not_there_is_named():
    with pytest.raises(EngineError, match="backend spconv: not installed here, or not for this pass.*native"):
        benchmark_engines([3000], "MinkUNet14S", training=True, only=("spconv",))


@pytest.mark.slow
def test_a_step_of_training_is_timed():
    (row,) = benchmark_engines([3000], "MinkUNet14S", 1, training=True, only=("torch",))["rows"]
    assert row["seconds"] > 0 and row["over_torch"] == 1 and row["max_difference"] == 0
    assert "spconv" not in {c.backend for c in contenders(training=True)}
    assert {c.isa for c in contenders(training=True)} == {c.isa for c in contenders()}


@pytest.mark.slow
def test_an_update_is_timed_stage_by_stage():
    result = benchmark_update(3000, "MinkUNet14S", repetitions=1)
    seconds = {row["stage"]: row["seconds"] for row in result["rows"]}
    stages = ["voxelize", "snapshot", "semantic", "embedding", "cluster", "instances"]
    assert list(seconds) == [*stages, "total"]
    assert sum(seconds[stage] for stage in stages) <= seconds["total"]
    assert result["objects"] > 0 and 0 < result["things"] < 3000


def test_on_a_gpu_all_number_formats_that_compute_the_pass_take_part(monkeypatch):
    monkeypatch.setattr("ssen_ros.benchmarks.engine.find_spec", lambda name: name != "spconv")
    passes, steps = (contenders(training, "cuda:0") for training in (False, True))
    assert (
        Contender("triton", dtype="float16") in passes
        and Contender("spconv-triton", dtype="float16") in passes
    )
    assert {c.dtype for c in passes if c.backend == "torch"} == {"float32", "float16", "bfloat16"}
    assert {(c.backend, c.dtype) for c in steps} == {
        (backend, dtype) for backend in ("torch", "triton") for dtype in ("float32", "bfloat16")
    }


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_a_gpu_that_is_not_there_is_no_contender():
    with pytest.raises(ConfigError, match="--device = 'cuda': torch finds 0 CUDA GPUs here"):
        benchmark_engines([3000], "MinkUNet14S", device="cuda")
