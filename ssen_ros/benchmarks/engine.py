"""`ssen bench engine`: one network through every engine that is installed, on one device, in one run.

Each engine runs in a process of its own, so that neither memory nor thread pools mix; they take turns,
so that whatever else the machine does falls on all of them.
"""

import multiprocessing
import os
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from importlib.util import find_spec
from statistics import median

import numpy as np
import torch

from ssen_ros.benchmarks import device as devices
from ssen_ros.benchmarks.rooms import room
from ssen_ros.devices import device_of
from ssen_ros.errors import EngineError
from ssen_ros.io.samples import VOXEL_SIZE
from ssen_ros.models import build_network
from ssen_ros.sparse import CoordinateManager, NativeEngine, TorchEngine, default_engine
from ssen_ros.sparse.native_engine import BFLOAT16_SETS, instruction_sets

IN_CHANNELS, CLASSES, KERNEL_SIZE = 3, 20, 5  # of MinkowskiEngine's example network
PEERS = ("torch", "minkowski", "spconv", "spconv-triton")
BACKENDS = ("native", "triton", *PEERS)


@dataclass(frozen=True)
class Contender:
    """One way to compute the network."""

    backend: str  # one of BACKENDS
    isa: str = ""  # of native
    dtype: str = "float32"
    threads: int = 0  # 0: torch's default

    def coordinates(self):
        """What `MinkUNet.coordinates` is set to."""
        if self.backend == "minkowski":
            from ssen_ros.sparse.minkowski import MinkowskiCoordinates

            return MinkowskiCoordinates
        if self.is_spconv:
            from ssen_ros.benchmarks.spconv_peer import SpconvCoordinates

            return partial(SpconvCoordinates, package=self.backend.replace("-", "_"))
        if self.backend == "native":
            return partial(CoordinateManager, engine=NativeEngine(self.isa))
        dtype = getattr(torch, self.dtype)
        if self.backend == "triton":
            from ssen_ros.sparse.triton_engine import TritonEngine

            return partial(CoordinateManager, engine=TritonEngine(dtype))
        return partial(CoordinateManager, engine=TorchEngine(dtype))

    @property
    def is_spconv(self) -> bool:
        """It computes in the type of the weights, and has no gradients here."""
        return self.backend.startswith("spconv")


def contenders(training: bool = False, device: str = "cpu") -> list[Contender]:
    """Everything that can compute there; `plain_tiles`, an emulation, is left out."""
    if torch.device(device).type == "cuda":
        return _gpu_contenders(training)
    found = [
        Contender("native", isa, "bfloat16" if isa in BFLOAT16_SETS else "float32")
        for isa in instruction_sets()
        if isa != "plain_tiles"
    ]
    found.append(Contender("torch"))
    if find_spec("MinkowskiEngine"):
        found.append(Contender("minkowski"))
    if find_spec("spconv") and not training:
        found.append(Contender("spconv", threads=1))  # more give wrong results: spconv issue 679
    return found


def _gpu_contenders(training: bool) -> list[Contender]:
    dtypes = ("float32", "bfloat16") if training else ("float32", "float16", "bfloat16")
    found = [Contender("torch", dtype=dtype) for dtype in dtypes]
    if find_spec("triton"):
        found += [Contender("triton", dtype=dtype) for dtype in dtypes]
    for package in () if training else ("spconv", "spconv_triton"):
        if find_spec(package):
            found += [Contender(package.replace("_", "-"), dtype=d) for d in ("float32", "float16")]
    return found


def benchmark_engines(
    sizes: Iterable[int],
    architecture: str = "MinkUNet34C",
    repetitions: int = 3,
    training: bool = False,
    only: Iterable[str] = (),
    progress=iter,
    device: str = "cpu",
) -> dict:
    """Time the whole forward pass, kernel maps included; with `training` a step: forward and backward.

    Returns {"architecture", "pass", "device", "threads", "copy_gb_s", "rows"}. A row: `backend`, `isa`,
    `dtype`, `arch`, `voxels`, `seconds` (median), `peak_mb` (of the whole process; on a GPU of its tensors),
    `gemm_gflops` (the device's matrix product in that dtype, measured between the runs, as is `copy_gb_s`),
    `peak_fraction` (useful arithmetic of the pass, over seconds, over that), `max_difference` (to torch in
    float32, over its largest output), and `over_torch`, `over_minkowski`, ...: how many times faster than
    each, in the same dtype if it has that.

    Raises ConfigError for a device that is not there, EngineError for a backend that is not.
    """
    place = device_of("--device", device)
    entrants = [c for c in contenders(training, device) if not only or c.backend in only]
    if missing := set(only) - {c.backend for c in entrants}:
        raise EngineError(
            f"backend {', '.join(sorted(missing))}: not installed here, or not for this pass or device; "
            f"there are {', '.join(dict.fromkeys(c.backend for c in contenders(training, device)))}"
        )
    rows, copies = [], []
    for voxels in progress(list(sizes)):
        inputs = _inputs(voxels)
        work = useful_flops(architecture, *inputs) * (3 if training else 1)
        with _processes(entrants, architecture, inputs, training, device) as processes:
            seconds: dict[Contender, list[float]] = {c: [] for c in entrants}
            gemm: dict[str, list[float]] = {c.dtype: [] for c in entrants}
            for repetition in range(repetitions + 1):
                for contender, process in processes.items():
                    elapsed = process.ask("run")
                    if repetition:  # the first one warms up
                        seconds[contender].append(elapsed)
                for dtype, found in gemm.items():
                    found.append(devices.gemm_gflops(getattr(torch, dtype), place))
                copies.append(devices.copy_gb_s(place))
            outputs = {c: p.ask("output") for c, p in processes.items()}
            peaks = {c: p.ask("peak_mb") for c, p in processes.items()}
        typical = {c: median(s) for c, s in seconds.items()}
        peers = {(c.backend, c.dtype): typical[c] for c in entrants if c.backend in PEERS}
        exact = (outputs[c] for c in entrants if (c.backend, c.dtype) == ("torch", "float32"))
        reference = next(exact, None)
        for contender in entrants:
            gflops = max(gemm[contender.dtype])
            rows.append(
                {
                    "backend": contender.backend,
                    "isa": contender.isa,
                    "dtype": contender.dtype,
                    "arch": architecture,
                    "voxels": voxels,
                    "seconds": typical[contender],
                    "peak_mb": peaks[contender],
                    "gemm_gflops": gflops,
                    "peak_fraction": work / typical[contender] / 1e9 / gflops,
                    "max_difference": _difference(outputs[contender], reference),
                    **_ratios(contender.dtype, typical[contender], peers),
                }
            )
    kind = "training" if training else "forward"
    return {
        "architecture": architecture,
        "pass": kind,
        "device": devices.name(place),
        "threads": torch.get_num_threads(),
        "copy_gb_s": max(copies),
        "rows": rows,
    }


def _ratios(dtype: str, seconds: float, peers: dict[tuple[str, str], float]) -> dict[str, float]:
    """How many times faster than each peer, in this dtype, else in float32."""
    theirs = {peer: peers.get((peer, dtype), peers.get((peer, "float32"))) for peer in PEERS}
    return {f"over_{peer}": t / seconds for peer, t in theirs.items() if t is not None}


class _CountingEngine(TorchEngine):
    """Multiplies nothing; counts two operations for each pair of voxels and of channels that meet."""

    def __init__(self):
        super().__init__()
        self.find_neighbours = default_engine("cpu").find_neighbours
        self.transpose = default_engine("cpu").transpose
        self.flops = 0

    def convolve(self, features, packed, kernel_map, bias=None, shortcut=None, relu=False):
        pairs = rows = len(features)
        if kernel_map is not None:
            pairs = int((kernel_map.table != kernel_map.num_inputs).sum())
            rows = kernel_map.num_outputs
        self.flops += 2 * pairs * packed.shape[1] * packed.shape[2]
        return features.new_zeros(rows, packed.shape[2])


def useful_flops(architecture: str, features: torch.Tensor, coords: torch.Tensor) -> int:
    """Of one forward pass: pairs of voxels that exist, no padding."""
    engine = _CountingEngine()
    model = _network(architecture, partial(CoordinateManager, engine=engine))
    with torch.inference_mode():
        model(features, coords)
    return engine.flops


def _inputs(voxels: int) -> tuple[torch.Tensor, torch.Tensor]:
    sample = room(voxels)
    xyz = np.floor(sample.points / VOXEL_SIZE).astype(np.int32)
    coords = torch.from_numpy(np.concatenate([np.zeros((voxels, 1), np.int32), xyz], axis=1))
    return torch.from_numpy(sample.colors.astype(np.float32) / 255 - 0.5), coords


def _network(architecture: str, coordinates, training: bool = False):
    """With random weights, the same every time."""
    torch.manual_seed(0)
    model = build_network(architecture, IN_CHANNELS, CLASSES, KERNEL_SIZE)
    model = model.train() if training else model.for_inference()
    model.coordinates = coordinates
    return model


def _difference(output: torch.Tensor, reference: torch.Tensor | None) -> float | None:
    if reference is None:
        return None
    return float((output - reference).abs().max() / reference.abs().max())


@contextmanager
def _processes(entrants, architecture, inputs, training, device) -> Iterator[dict]:
    started = {}
    try:
        for contender in entrants:
            started[contender] = _Process(contender, architecture, inputs, training, device)
        yield started
    finally:
        for process in started.values():
            process.end()


class _Process:
    """A contender in a process of its own."""

    def __init__(self, contender: Contender, architecture: str, inputs, training: bool, device: str):
        self._contender = contender
        context = multiprocessing.get_context("spawn")
        self._connection, other = context.Pipe()
        arrays = [tensor.numpy() for tensor in inputs]
        arguments = (other, contender, architecture, arrays, training, device)
        self._process = context.Process(target=_serve, args=arguments, daemon=True)
        with _environment("OMP_NUM_THREADS", str(contender.threads) if contender.threads else None):
            self._process.start()
        other.close()

    def ask(self, question: str):
        try:
            self._connection.send(question)
            answer = self._connection.recv()
        except (EOFError, BrokenPipeError) as error:
            raise EngineError(
                f"{self._contender} ended early, its error stands above; leave it out with --backends"
            ) from error
        return torch.from_numpy(answer) if isinstance(answer, np.ndarray) else answer

    def end(self) -> None:
        self._connection.close()
        self._process.join()


@contextmanager
def _environment(name: str, value: str | None) -> Iterator[None]:
    """A variable of the environment, set for a while; None: left alone."""
    before = dict(os.environ)
    os.environ.update({} if value is None else {name: value})
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)


def _serve(connection, contender: Contender, architecture: str, arrays, training: bool, device: str) -> None:
    if contender.threads:
        torch.set_num_threads(contender.threads)
    place = torch.device(device)
    features, coords = (torch.from_numpy(array).to(place) for array in arrays)
    model = _network(architecture, contender.coordinates(), training).to(place)
    if contender.is_spconv and contender.dtype == "float16":
        model, features = model.half(), features.half()
    label = torch.arange(len(coords), device=place) % CLASSES
    output = torch.empty(0)
    while True:
        try:
            question = connection.recv()
        except EOFError:
            return
        if question == "run":
            devices.wait(place)
            start = time.perf_counter()
            if training:
                model.zero_grad()
                output = model(features, coords)
                torch.nn.functional.cross_entropy(output.float(), label).backward()
            else:
                with torch.inference_mode():
                    output = model(features, coords)
            devices.wait(place)
            connection.send(time.perf_counter() - start)
        elif question == "output":
            connection.send(output.detach().float().cpu().numpy())
        else:
            connection.send(devices.most_mb(place))
