"""`ssen bench`: how fast engines, clustering, updates, the map and the transport are on this machine."""

import argparse
import json
import logging
from typing import Any

from ssen_ros.cli.options import (
    add_pipeline_options,
    command,
    config_of,
    positive_float,
    positive_int,
    print_rows,
    progress,
    require_ros,
)
from ssen_ros.config import SsenConfig, parameters

log = logging.getLogger(__name__)


def add_bench(commands: Any) -> None:
    text = "Measure speed and memory on this machine."
    parser = commands.add_parser("bench", help=text, description=text)
    benchmarks = parser.add_subparsers(dest="benchmark", required=True, metavar="BENCHMARK")
    _add_bench_engine(benchmarks)
    _add_bench_clustering(benchmarks)
    _add_bench_update(benchmarks)
    _add_bench_integrate(benchmarks)
    _add_bench_streaming(benchmarks)
    _add_bench_transport(benchmarks)


def _add_bench_engine(benchmarks: Any) -> None:
    text = (
        "One network through every engine that is installed, each in a process of its own, in turns: our "
        "compiled one in each instruction set of this CPU, plain torch, MinkowskiEngine, spconv; on a GPU "
        "plain torch, Triton, spconv and spconv-triton, in each number format."
    )
    parser = command(benchmarks, "engine", _bench_engine, text)
    parser.add_argument(
        "--voxels", type=positive_int, nargs="+", default=[50_000, 100_000, 200_000], metavar="N",
        help="of simulated rooms, 2 cm",
    )  # fmt: skip
    parser.add_argument("--arch", default="MinkUNet34C", help="architecture, with random weights")
    parser.add_argument("--repetitions", type=positive_int, default=3, metavar="N", help="the median counts")
    parser.add_argument("--training", action="store_true", help="a training step instead of a forward pass")
    parser.add_argument("--device", default="cpu", help="cpu, cuda or cuda:N; on a GPU its own memory counts")
    parser.add_argument(
        "--backends", nargs="+", default=[],
        choices=("native", "triton", "torch", "minkowski", "spconv", "spconv-triton"),
        help="these alone [all that are installed]",
    )  # fmt: skip
    parser.add_argument("--json", action="store_true", help="print one JSON object instead of a table")


def _bench_engine(args: argparse.Namespace) -> int:
    from ssen_ros.benchmarks.engine import benchmark_engines

    result = benchmark_engines(
        args.voxels, args.arch, args.repetitions, args.training, args.backends, progress, args.device
    )
    _print_benchmark(result, args.json)
    return 0


def _add_bench_update(benchmarks: Any) -> None:
    text = "One whole update of a map, stage by stage, on networks with random weights."
    parser = command(benchmarks, "update", _bench_update, text)
    parser.add_argument("--voxels", type=positive_int, default=150_000, metavar="N", help="of a room, 2 cm")
    parser.add_argument("--arch", default="MinkUNet18A", help="architecture of both networks")
    parser.add_argument("--repetitions", type=positive_int, default=3, metavar="N", help="the median counts")
    add_pipeline_options(parser)
    parser.add_argument("--json", action="store_true", help="print one JSON object instead of a table")


def _bench_update(args: argparse.Namespace) -> int:
    from ssen_ros.benchmarks.update import benchmark_update

    result = benchmark_update(args.voxels, args.arch, config_of(args), args.repetitions)
    _print_benchmark(result, args.json)
    return 0


def _add_bench_streaming(benchmarks: Any) -> None:
    text = (
        "What an update costs as the map grows, both networks, if they keep what they computed "
        "(passes.incremental), and all else: changes of several kinds in a building of simulated flats."
    )
    parser = command(benchmarks, "streaming", _bench_streaming, text)
    parser.add_argument(
        "--voxels", type=positive_int, nargs="+", default=[100_000, 400_000, 1_600_000], metavar="N",
        help="of the building, 4 cm, in whole flats",
    )  # fmt: skip
    parser.add_argument("--repetitions", type=positive_int, default=3, metavar="N", help="the median counts")
    add_pipeline_options(parser)
    parser.add_argument("--json", action="store_true", help="print one JSON object instead of a table")


def _bench_streaming(args: argparse.Namespace) -> int:
    from ssen_ros.benchmarks.streaming import benchmark_streaming

    _print_benchmark(benchmark_streaming(args.voxels, config_of(args), args.repetitions), args.json)
    return 0


def _add_bench_integrate(benchmarks: Any) -> None:
    text = (
        "A cloud into the map, the first and the next of a growing one, beside Open3D's voxel_down_sample "
        "and numpy.unique over the same points."
    )
    parser = command(benchmarks, "integrate", _bench_integrate, text)
    parser.add_argument("--points", type=positive_int, default=1_000_000, metavar="N", help="of rooms")
    parser.add_argument("--voxel-size", type=positive_float, default=0.04, metavar="M", help="of the map")
    parser.add_argument("--repetitions", type=positive_int, default=3, metavar="N", help="the median counts")
    parser.add_argument(
        "--peers", nargs="*", choices=("open3d", "unique"), default=["open3d", "unique"],
        help="what to compare with; open3d takes the extra of that name",
    )  # fmt: skip
    parser.add_argument("--json", action="store_true", help="print one JSON object instead of a table")


def _bench_integrate(args: argparse.Namespace) -> int:
    from ssen_ros.benchmarks.integration import benchmark_integration

    result = benchmark_integration(args.points, args.voxel_size, args.repetitions, args.peers)
    _print_benchmark(result, args.json)
    return 0


def _add_bench_transport(benchmarks: Any) -> None:
    text = (
        "Large clouds of a room, published at a rate for a while to a ssen_node in another process: how many "
        "arrive, and how long its subscription is held up."
    )
    parser = command(benchmarks, "transport", _bench_transport, text)
    parser.add_argument("--megabytes", type=positive_float, default=16.0, metavar="MB", help="of each cloud")
    parser.add_argument("--rate", type=positive_float, default=3.0, metavar="HZ", help="clouds a second")
    parser.add_argument("--seconds", type=positive_float, default=120.0, help="how long")
    parser.add_argument(
        "--reliability", nargs="+", choices=("best_effort", "reliable"), default=["best_effort"],
        help="that the publisher offers",
    )  # fmt: skip
    parser.add_argument(
        "--profile", nargs="+", choices=("shipped", "none"), default=["shipped"],
        help="of Fast DDS, for both processes: config/fastdds_large_clouds.xml, or none",
    )  # fmt: skip
    parser.add_argument("--json", action="store_true", help="print one JSON object instead of a table")


def _bench_transport(args: argparse.Namespace) -> int:
    require_ros()
    from ssen_ros.ros.commands.transport_benchmark import benchmark_transport

    rows = [
        benchmark_transport(args.megabytes, args.rate, args.seconds, reliability, profile)
        for profile in args.profile
        for reliability in args.reliability
    ]
    _print_benchmark({"rows": rows}, args.json)
    return 0


def _print_benchmark(result: dict, as_json: bool) -> None:
    if as_json:
        print(json.dumps(result))
        return
    print_rows(result["rows"])
    print(*(f"{name}: {value}" for name, value in result.items() if name != "rows"), sep=", ")


def _add_bench_clustering(benchmarks: Any) -> None:
    text = (
        "Clustering: seconds, memory, agreement with the hdbscan library and with the truth. Takes minutes, "
        "which are the hdbscan library's; methods are left out where they take too long or too much memory."
    )
    parser = command(benchmarks, "clustering", _bench_clustering, text)
    parser.add_argument(
        "--points",
        type=positive_int,
        nargs="+",
        default=[20_000, 100_000, 200_000, 500_000],
        metavar="N",
        help="embeddings",
    )
    parser.add_argument(
        "--data",
        nargs="+",
        choices=("bridged", "room"),
        default=["bridged", "room"],
        help="bridged: made-up clusters with outliers between them; room: the shipped network's embeddings "
        "of a simulated room that it was not trained on",
    )
    modes = next(p.choices for p in parameters(SsenConfig()) if p.name == "clustering.mode")
    methods = (*modes, "mean_shift", "dbscan", "k_means")
    parser.add_argument(
        "--methods", nargs="+", choices=methods, default=methods,
        help="values of clustering.mode, and what the paper rejects",
    )  # fmt: skip
    parser.add_argument("--json", action="store_true", help="print one JSON object instead of a table")


def _bench_clustering(args: argparse.Namespace) -> int:
    from ssen_ros.benchmarks.clustering import benchmark
    from ssen_ros.config import ClusteringConfig

    rows = []
    for data in args.data:
        for points in args.points:
            for row in benchmark(data, points, args.methods, ClusteringConfig()):
                log.info("%s", row)
                rows.append(row)
    if args.json:
        print(json.dumps({"rows": rows}))
    elif rows:
        print_rows(rows)
    return 0
