"""`ssen bench engine`: one network through every engine that is installed, in one run.

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

from ssen_ros.benchmarks.memory import peak_mb
from ssen_ros.benchmarks.rooms import room
from ssen_ros.errors import EngineError
from ssen_ros.io.samples import VOXEL_SIZE
from ssen_ros.models import build_network
from ssen_ros.sparse import CoordinateManager, NativeEngine, TorchEngine, default_engine
from ssen_ros.sparse.native_engine import BFLOAT16_SETS, instruction_sets

IN_CHANNELS, CLASSES, KERNEL_SIZE = 3, 20, 5  # of MinkowskiEngine's example network
PEERS = ("torch", "minkowski", "spconv")


@dataclass(frozen=True)
class Contender:
    """One way to compute the network."""

    backend: str  # native | torch | minkowski | spconv
    isa: str = ""  # of native
    dtype: str = "float32"
    threads: int = 0  # 0: torch's default

    def coordinates(self):
        """What `MinkUNet.coordinates` is set to."""
        if self.backend == "minkowski":
            from ssen_ros.sparse.minkowski import MinkowskiCoordinates

            return MinkowskiCoordinates
        if self.backend == "spconv":
            from ssen_ros.benchmarks.spconv_peer import SpconvCoordinates

            return SpconvCoordinates
        engine = NativeEngine(self.isa) if self.backend == "native" else TorchEngine()
        return partial(CoordinateManager, engine=engine)


def contenders(training: bool = False) -> list[Contender]:
    """Everything that can compute here; `plain_tiles`, an emulation, is left out."""
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


def benchmark_engines(
    sizes: Iterable[int],
    architecture: str = "MinkUNet34C",
    repetitions: int = 3,
    training: bool = False,
    only: Iterable[str] = (),
    progress=iter,
) -> dict:
    """Time the whole forward pass, kernel maps included; with `training` a step: forward and backward.

    Returns {"architecture", "pass", "threads", "rows"}. A row: `backend`, `isa`, `dtype`, `arch`, `voxels`,
    `seconds` (median), `peak_mb` (of the whole process), `gemm_gflops` (the machine's matrix product in
    that dtype, measured between the runs), `peak_fraction` (useful arithmetic of the pass, over seconds,
    over that), `max_difference` (to torch, over torch's largest output), and `over_torch`,
    `over_minkowski`, `over_spconv`: how many times faster than each.
    """
    entrants = [c for c in contenders(training) if not only or c.backend in only]
    if missing := set(only) - {c.backend for c in entrants}:
        raise EngineError(
            f"backend {', '.join(sorted(missing))}: not installed here, or not for this pass; "
            f"there are {', '.join(dict.fromkeys(c.backend for c in contenders(training)))}"
        )
    rows = []
    for voxels in progress(list(sizes)):
        inputs = _inputs(voxels)
        work = useful_flops(architecture, *inputs) * (3 if training else 1)
        with _processes(entrants, architecture, inputs, training) as processes:
            seconds: dict[Contender, list[float]] = {c: [] for c in entrants}
            gemm: dict[str, list[float]] = {c.dtype: [] for c in entrants}
            for repetition in range(repetitions + 1):
                for contender, process in processes.items():
                    elapsed = process.ask("run")
                    if repetition:  # the first one warms up
                        seconds[contender].append(elapsed)
                for dtype, found in gemm.items():
                    found.append(gemm_gflops(getattr(torch, dtype)))
            outputs = {c: p.ask("output") for c, p in processes.items()}
            peaks = {c: p.ask("peak_mb") for c, p in processes.items()}
        typical = {c: median(s) for c, s in seconds.items()}
        peer_seconds = {c.backend: typical[c] for c in entrants if c.backend in PEERS}
        reference = next((outputs[c] for c in entrants if c.backend == "torch"), None)
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
                    **{f"over_{peer}": s / typical[contender] for peer, s in peer_seconds.items()},
                }
            )
    kind = "training" if training else "forward"
    return {"architecture": architecture, "pass": kind, "threads": torch.get_num_threads(), "rows": rows}


def gemm_gflops(dtype: torch.dtype, size: int = 1536) -> float:
    """10⁹ operations a second of torch's product of two square matrices."""
    a = torch.randn(size, size).to(dtype)
    best = float("inf")
    for _ in range(3):
        start = time.perf_counter()
        torch.mm(a, a)
        best = min(best, time.perf_counter() - start)
    return 2 * size**3 / best / 1e9


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
def _processes(entrants, architecture, inputs, training) -> Iterator[dict]:
    started = {}
    try:
        for contender in entrants:
            started[contender] = _Process(contender, architecture, inputs, training)
        yield started
    finally:
        for process in started.values():
            process.end()


class _Process:
    """A contender in a process of its own."""

    def __init__(self, contender: Contender, architecture: str, inputs, training: bool):
        self._contender = contender
        context = multiprocessing.get_context("spawn")
        self._connection, other = context.Pipe()
        arrays = [tensor.numpy() for tensor in inputs]
        arguments = (other, contender, architecture, arrays, training)
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


def _serve(connection, contender: Contender, architecture: str, arrays, training: bool) -> None:
    if contender.threads:
        torch.set_num_threads(contender.threads)
    features, coords = map(torch.from_numpy, arrays)
    model = _network(architecture, contender.coordinates(), training)
    label = torch.arange(len(coords)) % CLASSES
    output = torch.empty(0)
    while True:
        try:
            question = connection.recv()
        except EOFError:
            return
        if question == "run":
            start = time.perf_counter()
            if training:
                model.zero_grad()
                output = model(features, coords)
                torch.nn.functional.cross_entropy(output, label).backward()
            else:
                with torch.inference_mode():
                    output = model(features, coords)
            connection.send(time.perf_counter() - start)
        elif question == "output":
            connection.send(output.detach().float().numpy())
        else:
            connection.send(peak_mb())
