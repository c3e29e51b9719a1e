"""What the engines take on a GPU, in milliseconds; every figure is in --out as soon as it is known.

`--device cpu --tiny` rehearses it. `forward`: one pass of a network over one map, kernel maps included.
`step`: a step of training over so many crops of a room. Beside them stand the card's own limits: a copy, and
matrix products.
"""

import argparse
import json
import statistics
import time
import traceback
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch

from ssen_ros.benchmarks import device
from ssen_ros.benchmarks.rooms import side_by_side
from ssen_ros.benchmarks.spconv_peer import SpconvCoordinates
from ssen_ros.io.replacing import replace_text
from ssen_ros.io.samples import VOXEL_SIZE, load_sample, sample_paths
from ssen_ros.models import build_network
from ssen_ros.sparse import CoordinateManager, TorchEngine, default_engine

SPCONV = partial(SpconvCoordinates, package="spconv_triton")

Inputs = tuple[torch.Tensor, torch.Tensor]  # (N, 3) float32 features, (N, 4) int32 coordinates
BUDGET_S = 60  # no figure is begun later


class Bench:
    def __init__(self, place: str, tiny: bool, rooms: Path, out: Path):
        self.device, self.tiny, self._out = torch.device(place), tiny, out
        self._end, self._results = time.monotonic() + BUDGET_S, {}
        self._rooms = [load_sample(path) for path in sample_paths(rooms)[:8]]

    def item(self, name: str, measure: Callable[[], Any]) -> None:
        """One that fails is an entry too; the others go on."""
        try:
            found = measure() if time.monotonic() < self._end else "no time left"
        except Exception as error:
            traceback.print_exc()
            found = f"{type(error).__name__}: {str(error)[:300]}"
        self._results[name] = found
        print(name, found, flush=True)
        replace_text(self._out, json.dumps(self._results, indent=1) + "\n")

    def milliseconds(self, work: Callable[[], Any], repetitions: int = 10, warm: int = 3) -> dict[str, float]:
        """Each repetition with the device at rest before and after it."""
        repetitions, warm = (1, 0) if self.tiny else (repetitions, warm)
        times = []
        for _ in range(warm + repetitions):
            device.wait(self.device)
            start = time.perf_counter()
            work()
            device.wait(self.device)
            times.append(1e3 * (time.perf_counter() - start))
        times = times[warm:]
        return {"median_ms": round(statistics.median(times), 3), "least_ms": round(min(times), 3)}

    def machine(self) -> str:
        return device.name(self.device)

    def copy(self) -> dict:
        return {"gb_s": round(device.copy_gb_s(self.device, 4 << 20 if self.tiny else 0), 1)}

    def product(self, dtype: torch.dtype) -> dict:
        size = 256 if self.tiny else 0
        return {"tflop_s": round(device.gemm_gflops(dtype, self.device, size) / 1000, 3)}

    def map(self, voxels: int) -> Inputs:
        sample = side_by_side(self._rooms, voxels)
        cells = np.floor(sample.points / VOXEL_SIZE).astype(np.int32)
        coords = np.concatenate([np.zeros((len(cells), 1), np.int32), cells], axis=1)
        features = sample.colors.astype(np.float32) / 255 - 0.5
        return torch.from_numpy(features).to(self.device), torch.from_numpy(coords).to(self.device)

    def forward(self, architecture: str, inputs: Inputs, coordinates: Callable, half: bool = False) -> dict:
        model = network(architecture).for_inference().to(self.device)
        features, coords = inputs
        if half:
            model, features = model.half(), features.half()
        model.coordinates = coordinates
        with torch.inference_mode():
            return self._with_memory(lambda: model(features, coords))

    def step(self, architecture: str, inputs: Inputs, scenes: int, coordinates: Callable) -> dict:
        model = network(architecture).to(self.device).train()
        model.coordinates = coordinates
        features, coords = inputs[0].repeat(scenes, 1), inputs[1].repeat(scenes, 1)
        coords[:, 0] = torch.arange(scenes, device=self.device).repeat_interleave(len(inputs[1]))
        label = torch.arange(len(coords), device=self.device) % 20

        def work() -> None:
            model.zero_grad()
            torch.nn.functional.cross_entropy(model(features, coords).float(), label).backward()

        return self._with_memory(work, repetitions=5)

    def _with_memory(self, work: Callable[[], Any], **options: int) -> dict:
        if self.device.type != "cuda":
            return self.milliseconds(work, **options)
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats()
        return self.milliseconds(work, **options) | {"peak_mb": round(device.most_mb(self.device))}

    def difference(self, inputs: Inputs, coordinates: Callable) -> float:
        """From the reference on the CPU, over the largest output."""
        features, coords = inputs
        model = network("MinkUNet14S").for_inference()
        model.coordinates = partial(CoordinateManager, engine=TorchEngine())
        with torch.inference_mode():
            expected = model(features.cpu(), coords.cpu())
            model = model.to(self.device)
            model.coordinates = coordinates
            found = model(features, coords).float().cpu()
        return float((found - expected).abs().max() / expected.abs().max())


def network(architecture: str):
    torch.manual_seed(0)
    return build_network(architecture, 3, 20, 5)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--device", default="cuda", help="cuda or cpu")
    parser.add_argument("--tiny", action="store_true", help="as little as shows that it runs")
    parser.add_argument("--rooms", type=Path, required=True, metavar="DIR", help="samples of `ssen simulate`")
    parser.add_argument("--out", type=Path, required=True, metavar="JSON")
    args = parser.parse_args()
    bench = Bench(args.device, args.tiny, args.rooms, args.out)
    bench.item("machine", bench.machine)
    bench.item("copy", bench.copy)
    for dtype in (torch.float32, torch.float16, torch.bfloat16):
        bench.item(f"product {dtype}", partial(bench.product, dtype))
    sizes, scenes, crop = ((150,), (2,), 150) if args.tiny else ((150_000, 50_000, 400_000), (8, 2), 30_000)
    ours = {"float32": None, "bfloat16": torch.bfloat16, "float16": torch.float16}
    engines = {f"torch {name}": TorchEngine(dtype) for name, dtype in ours.items()}
    if args.device != "cpu":  # Triton, where it can compute
        for name, dtype in ours.items():
            engine = default_engine(args.device, dtype or torch.float32)
            if type(engine) is not TorchEngine:
                engines[f"triton {name}"] = engine
    coordinates = {name: partial(CoordinateManager, engine=engine) for name, engine in engines.items()}
    small, maps = bench.map(crop), {voxels: bench.map(voxels) for voxels in sizes}
    for name, kind in coordinates.items():
        bench.item(f"difference {name}", partial(bench.difference, small, kind))
    for count in scenes:
        for name, kind in coordinates.items():
            if not name.endswith(" float16"):  # nothing is trained in it
                step = partial(bench.step, "MinkUNet14S" if args.tiny else "MinkUNet14D", small, count, kind)
                bench.item(f"step of {count} crops, {name}", step)
    for architecture in ("MinkUNet14S",) if args.tiny else ("MinkUNet34C", "MinkUNet14D"):
        for voxels, inputs in maps.items():
            for name, kind in coordinates.items():
                forward = partial(bench.forward, architecture, inputs, kind)
                bench.item(f"forward {architecture} {voxels} {name}", forward)
    if args.device == "cpu":
        return
    bench.item("difference spconv-triton", partial(bench.difference, small, SPCONV))
    for voxels, inputs in maps.items():  # last: it tunes itself for long
        for half in (True, False):
            peer = partial(bench.forward, "MinkUNet34C", inputs, SPCONV, half)
            bench.item(f"forward MinkUNet34C {voxels} spconv-triton float{16 if half else 32}", peer)


if __name__ == "__main__":
    main()
