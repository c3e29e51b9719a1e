"""What a GPU may fail in, and that nothing gets stuck on it."""

import time
from dataclasses import replace
from functools import partial

import numpy as np
import pytest
import torch
from growing_map import cloud, header, live_map

from ssen_ros import devices, sparse
from ssen_ros.config import FusionConfig, SegmenterConfig, SsenConfig
from ssen_ros.devices import is_gpu_failure, is_out_of_memory
from ssen_ros.errors import ConfigError, EngineError
from ssen_ros.labels import CLASS_NAMES
from ssen_ros.live.worker import InferenceWorker
from ssen_ros.models import Checkpoint, NetworkSpec, network_of
from ssen_ros.pipeline import SsenPipeline
from ssen_ros.segmenter import Segmenter
from ssen_ros.sparse import CoordinateManager, TorchEngine
from ssen_ros.sparse.gpu import gpu_engine, try_out

SEMANTIC = NetworkSpec("semantic", "MinkUNet14S", 1.0, ("rgb",), CLASS_NAMES, 3)
EMBEDDING = replace(SEMANTIC, task="embedding", features=("rgb", "xyz"), embedding_width=8)

# Each as the library of that name words it.
NO_MEMORY = [
    torch.cuda.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB"),
    RuntimeError("CUDA error: out of memory\nCUDA kernel errors might be asynchronously reported"),
    RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`"),
    RuntimeError("CUDA driver error: out of memory"),
    RuntimeError("Triton Error [CUDA]: out of memory"),
    RuntimeError("cuDNN error: CUDNN_STATUS_ALLOC_FAILED"),
]
FAILED = [
    RuntimeError("CUDA error: no kernel image is available for execution on the device"),
    RuntimeError("CUDA error: an illegal memory access was encountered"),
    RuntimeError("CUDA error: CUDA-capable device(s) is/are busy or unavailable"),
    RuntimeError("CUDA error: unspecified launch failure"),
    RuntimeError("CUDA error: CUBLAS_STATUS_NOT_INITIALIZED when calling `cublasCreate(handle)`"),
    RuntimeError("Triton Error [CUDA]: device kernel image is invalid"),
    RuntimeError('NVML_SUCCESS == r INTERNAL ASSERT FAILED at "CUDACachingAllocator.cpp":1154'),
    RuntimeError("cuDNN error: CUDNN_STATUS_EXECUTION_FAILED"),
]
OTHERS = [
    RuntimeError("mat1 and mat2 shapes cannot be multiplied (3x4 and 5x6)"),
    RuntimeError("Expected all tensors to be on the same device, but found at least two, cuda:0 and cpu!"),
    ValueError("CUDA out of memory"),
    KeyError("cuda"),
]


def words(error: Exception) -> str:
    return str(error)[:50]


@pytest.mark.parametrize("error", NO_MEMORY, ids=words)
def test_a_gpus_memory_that_does_not_suffice_is_known_in_all_words(error):
    assert is_out_of_memory(error) and is_gpu_failure(error)


@pytest.mark.parametrize("error", FAILED, ids=words)
def test_a_gpu_that_fails_is_known_in_all_words(error):
    assert is_gpu_failure(error) and not is_out_of_memory(error)


@pytest.mark.parametrize("error", OTHERS, ids=words)
def test_other_errors_are_not_the_gpus(error):
    assert not is_gpu_failure(error) and not is_out_of_memory(error)


def test_the_cpus_memory_is_not_the_gpus():
    for error in (MemoryError(), RuntimeError("DefaultCPUAllocator: can't allocate memory")):
        assert is_out_of_memory(error) and not is_gpu_failure(error)


class Failing(TorchEngine):
    """Raises at every convolution, as a GPU does from its first sticky error on."""

    def __init__(self, error: Exception):
        super().__init__()
        self.error = error

    def convolve(self, *_, **__):
        raise self.error


class Wrong(TorchEngine):
    """A GPU that computes, but not that."""

    def convolve(self, *arguments, **options):
        return super().convolve(*arguments, **options) * 1.01


def test_an_engine_is_tried_out_against_the_cpu():
    cpu = torch.device("cpu")
    for engine in (TorchEngine(), TorchEngine(torch.float16), TorchEngine(torch.bfloat16)):
        try_out(engine, cpu)
    with pytest.raises(EngineError, match="off by 1.0e-02, expected 1e-04 at most in torch.float32"):
        try_out(Wrong(), cpu)
    with pytest.raises(EngineError, match="a small convolution on cpu failed: CUDA error: no kernel image"):
        try_out(Failing(FAILED[0]), cpu)


@pytest.mark.parametrize("why", ["capability", "missing", "wrong"])
def test_where_triton_cannot_plain_torch_computes_and_one_line_says_why(monkeypatch, caplog, why):
    reason = {
        "capability": "capability (7, 5), expected (8, 0)",
        "missing": "no C compiler",
        "wrong": "is off by",
    }

    def triton(device, dtype):
        if why == "missing":
            raise RuntimeError("no C compiler\nPlease install one")
        return Wrong()

    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda device: (7, 5))
    if why != "capability":
        monkeypatch.setattr(sparse.gpu, "_triton_engine", triton)
    engine = gpu_engine(torch.device("cpu"), torch.float32)
    assert type(engine) is TorchEngine
    (record,) = caplog.records
    assert reason[why] in record.getMessage() and "plain PyTorch computes" in record.getMessage()
    assert "\n" not in record.getMessage()


@pytest.fixture(scope="module")
def checkpoints() -> list[Checkpoint]:
    torch.manual_seed(0)
    return [Checkpoint(spec, network_of(spec).eval()) for spec in (SEMANTIC, EMBEDDING)]


@pytest.fixture
def broken_gpu(monkeypatch):
    """As on a machine with a GPU for which torch has no code."""

    def refuse(device, dtype):
        raise EngineError(f"a small convolution on {device} failed: {FAILED[0]}")

    monkeypatch.setattr("ssen_ros.segmenter.device_of", lambda parameter, name: torch.device("cuda"))
    monkeypatch.setattr(sparse.convolution, "gpu_engine", refuse)


def test_auto_goes_without_a_gpu_that_fails_and_says_why(checkpoints, broken_gpu, caplog):
    config = SegmenterConfig(device="auto", precision="float16")
    segmenter = Segmenter.from_checkpoints(*checkpoints, config)
    assert str(segmenter.device) == "cpu" and "no kernel image" in segmenter.fallback
    assert "segmenter.device = 'auto': cuda cannot compute the networks" in caplog.text


def test_a_gpu_that_was_asked_for_and_fails_is_refused(checkpoints, broken_gpu):
    with pytest.raises(ConfigError, match="'cuda': cuda cannot .*no kernel image.*; use auto or cpu"):
        Segmenter.from_checkpoints(*checkpoints, SegmenterConfig(device="cuda"))


def test_other_errors_of_loading_are_no_reason_for_the_cpu(checkpoints, monkeypatch, broken_gpu):
    monkeypatch.setattr(Segmenter, "warm_up", lambda self: None)
    monkeypatch.setattr(sparse.convolution, "gpu_engine", lambda device, dtype: {}["a fault of ours"])
    with pytest.raises(KeyError):
        Segmenter.from_checkpoints(*checkpoints, SegmenterConfig(device="auto"))


def test_float16_is_for_a_gpu(checkpoints):
    with pytest.raises(ConfigError, match="'float16' on the CPU: expected a GPU"):
        Segmenter.from_checkpoints(*checkpoints, SegmenterConfig(device="cpu", precision="float16"))


def test_answers_that_are_not_finite_are_found_at_the_warm_up(checkpoints):
    """As those of a network whose activations are beyond float16."""
    segmenter = Segmenter(*checkpoints)
    segmenter.warm_up()
    with torch.no_grad():
        segmenter.networks[1].model.final.bias[0, 0] = torch.inf
    with pytest.raises(EngineError, match="in precision float32 are not finite"):
        segmenter.warm_up()


class OnBrokenGpu(Segmenter):
    """Computes on the CPU, but until it moves there every convolution raises, as on a GPU that fails."""

    def __init__(self, checkpoints, error: Exception):
        super().__init__(*checkpoints)
        for network in self.networks:
            network.device, network.precision = torch.device("cuda:0"), "float16"
            network.model.coordinates = partial(CoordinateManager, engine=Failing(error))


@pytest.mark.parametrize("error", [*NO_MEMORY[:3], FAILED[1]], ids=words)
def test_a_gpu_that_fails_in_a_pass_is_left_for_the_cpu(checkpoints, monkeypatch, caplog, error):
    monkeypatch.setattr("ssen_ros.models.network.on_device", lambda array, device: torch.from_numpy(array))
    segmenter = OnBrokenGpu(checkpoints, error)
    live, published, reported = live_map(), [], []
    worker = InferenceWorker(
        live,
        SsenPipeline(segmenter, SsenConfig(fusion=FusionConfig(hold=0.0, quiet_passes=0))),  # as it answers
        lambda _, result: published.append(result),
        reported.append,
    )
    live.receive(header(), *cloud(*range(30)))
    deadline = time.monotonic() + 60
    while live.counters.pending and time.monotonic() < deadline:
        worker.trigger()
        time.sleep(0.005)
    assert worker.stop(60.0)
    (result,) = published
    shown = result.snapshot.exposed(result.memory.exposure)
    expected = Segmenter(*checkpoints).semantic(shown, result.memory.floor.height)
    np.testing.assert_allclose(result.segmentation.log_probabilities, expected, atol=1e-5)
    assert not reported and str(segmenter.device) == "cpu"
    assert worker.degraded == str(error).splitlines()[0]
    assert "the networks move to the CPU and stay there" in caplog.text


def test_a_gpu_that_has_failed_does_not_stop_the_end(monkeypatch):
    def lost():
        raise FAILED[2]

    monkeypatch.setattr(torch.cuda, "empty_cache", lost)
    devices.empty_gpu_cache()
    Segmenter.release_memory()
