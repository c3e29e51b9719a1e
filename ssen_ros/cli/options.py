"""What the commands of `ssen` share: how they are declared, options of the method, arguments, tables."""

import argparse
import logging
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from ssen_ros.config import SsenConfig, parameters, with_values
from ssen_ros.errors import ConfigError, SsenError
from ssen_ros.io.limits import OPTION

log = logging.getLogger(__name__)
CLOUD_HELP = (
    "a .ply, .pcd or .npz file, metres, +Z up; or a recording: folder of rosbag2, .mcap, .db3 or .bag"
)


_PALETTES = ("safe", "scannet")  # of palettes.PALETTES, which would bring numpy
_UP = ("z", "-z", "y", "-y", "x", "-x")  # of structures.UP_AXES, which would bring numpy


def command(
    commands: Any, name: str, run: Any, text: str, reads_files: bool = False, **options: Any
) -> argparse.ArgumentParser:
    options.setdefault("formatter_class", argparse.ArgumentDefaultsHelpFormatter)
    parser = commands.add_parser(name, help=text, description=text, **options)
    parser.add_argument("-v", "--verbose", action="count", default=0, help="log more; twice for debugging")
    if reads_files:
        parser.add_argument(
            OPTION, type=positive_int, metavar="N",
            help="bytes that a file may unpack to, if you trust it [40 MB, or 50 times its own size]",
        )  # fmt: skip
    parser.set_defaults(run=run, max_bytes=None)
    return parser


def add_pipeline_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--device", help="auto, cpu, cuda or cuda:N; short for --set segmenter.device=...")
    parser.add_argument(
        "--weights", metavar="DIR",
        help="folder of both networks, as `ssen teach` writes it; short for --set segmenter.weights=...",
    )  # fmt: skip
    parser.add_argument(
        "--set",
        dest="settings",
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help="a parameter of the method, such as clustering.min_cluster_size=60; repeatable",
    )
    parser.add_argument(
        "--params-file",
        type=Path,
        metavar="F",
        help="parameters of ssen_node, as config/ssen.yaml has them; --set wins",
    )


def add_workers(parser: argparse.ArgumentParser) -> None:
    workers = parser.add_mutually_exclusive_group()
    workers.add_argument(
        "--workers", type=positive_int, default=1, metavar="N",
        help="processes; cores, and GPUs where there are several, are shared out among them",
    )  # fmt: skip
    workers.add_argument(
        "--dask", metavar="ADDRESS",
        help="of the scheduler of a Dask cluster, whose workers see the same folders; they work instead",
    )  # fmt: skip


def add_bag_topic(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--bag-topic", default="", metavar="T", help="topic of a recording [the only one with point clouds]"
    )


def add_up(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--up", choices=_UP, default="z", help="axis of the file that points up; the map is turned by it [z]"
    )


def add_palette(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--palette", choices=_PALETTES, default=_PALETTES[0],
        help="colours of the classes: told apart by the colour-blind, or ScanNet's [safe]",
    )  # fmt: skip


def joined_up(arguments: Sequence[str]) -> list[str]:
    """With `--up -y` as `--up=-y`: argparse takes a word that begins with a dash for an option."""
    words: list[str] = []
    for word in arguments:
        if words and words[-1] == "--up" and word in _UP:
            words[-1] = f"--up={word}"
        else:
            words.append(word)
    return words


def parameter_table() -> str:
    leaves = parameters(SsenConfig())
    return "\n".join(f"  {p.name:<32} {p.doc} [{p.default!r}]" for p in leaves)


def parse_settings(settings: Sequence[str]) -> dict[str, Any]:
    """{dotted name: value} of `NAME=VALUE` texts. Raises ConfigError for what does not fit."""
    kinds = {p.name: type(p.default) for p in parameters(SsenConfig())}
    values: dict[str, Any] = {}
    for setting in settings:
        name, separator, text = setting.partition("=")
        if not separator:
            raise ConfigError(f"--set {setting}: expected NAME=VALUE, such as clustering.min_cluster_size=60")
        values[name] = _parse_value(text, kinds.get(name, str))
    with_values(SsenConfig(), values)  # checks them
    return values


def _parse_value(text: str, kind: type) -> Any:
    """The text as `kind`, or unchanged where it is none: the check of the parameter names it then."""
    if kind is bool:
        return {"true": True, "false": False}.get(text.lower(), text)
    try:
        return kind(text)
    except ValueError:
        return text


def settings_of(args: argparse.Namespace) -> dict[str, Any]:
    short = {"segmenter.device": args.device, "segmenter.weights": args.weights}
    named = [f"{name}={value}" for name, value in short.items() if value]
    filed = read_params_file(args.params_file) if args.params_file else {}
    return filed | parse_settings([*args.settings, *named])


def read_params_file(path: Path) -> dict[str, Any]:
    """{dotted name: value} of the method's parameters in a ROS 2 parameter file for `ssen`.

    Raises ConfigError for a file that is none, and for parameters of the method that do not fit.
    """
    from ssen_ros.io.yaml_file import read_mapping

    try:
        nodes = read_mapping(path)
    except (OSError, ValueError) as error:
        raise ConfigError(f"--params-file {path}: {' '.join(str(error).split())}") from error
    values: dict[str, Any] = {}
    for node in ("/**", "ssen", "/ssen"):  # the later and more special wins
        found = nodes.get(node)
        of_node = found.get("ros__parameters") if isinstance(found, dict) else None
        if isinstance(of_node, dict):
            values |= _flat(of_node)
    if not values:
        raise ConfigError(
            f"--params-file {path}: no ros__parameters of ssen, expected a file like config/ssen.yaml"
        )
    known = {p.name for p in parameters(SsenConfig())}
    # Of the method, slips included; of `publish` the node has more, its topics.
    groups = {name.partition(".")[0] for name in known} - {"publish"}
    values = {n: value for n, value in values.items() if n in known or n.partition(".")[0] in groups}
    with_values(SsenConfig(), values)  # checks them
    return values


def _flat(tree: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for name, value in tree.items():
        flat |= _flat(value, f"{prefix}{name}.") if isinstance(value, dict) else {f"{prefix}{name}": value}
    return flat


def config_of(args: argparse.Namespace) -> SsenConfig:
    return with_values(SsenConfig(), settings_of(args))


def require_ros() -> None:
    from importlib.util import find_spec

    remedy = "source a ROS 2 workspace that has ssen_ros, or run `pip install '.[ros]'` in the checkout"
    if find_spec("rclpy") is None:
        raise SsenError(f"rclpy is not installed, this command needs ROS 2; {remedy}")
    if find_spec("ssen_ros.msg") is None:
        raise SsenError(f"the messages of ssen_ros are not built; {remedy}")


def progress(items: Iterable, total: int | None = None) -> Iterator:
    """The items, counted on a terminal; `total` is how many there are, where they have no length."""
    from tqdm import tqdm

    return iter(tqdm(items, total=total, unit="room", disable=None))  # None: only where stderr is a terminal


def print_rows(rows: list[dict]) -> None:
    """One row and more, of equal keys."""
    from rich.console import Console
    from rich.table import Table

    def text(value: Any) -> str:
        return "-" if value is None else f"{value:.4g}" if isinstance(value, float) else str(value)

    table = Table(*(name.replace("_", " ") for name in rows[0]))
    for row in rows:
        table.add_row(*(text(value) for value in row.values()))
    Console().print(table)


def positive_int(text: str) -> int:
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError(f"{text}: expected 1 or more")
    return value


def seed(text: str) -> int:
    value = int(text)
    if value < 0:
        raise argparse.ArgumentTypeError(f"{text}: expected 0 or more")
    return value


def positive_float(text: str) -> float:
    value = float(text)
    if not 0.0 < value < float("inf"):
        raise argparse.ArgumentTypeError(f"{text}: expected a number above 0")
    return value


def names(text: str) -> tuple[str, ...]:
    return tuple(name.strip() for name in text.split(","))


def class_names(text: str) -> tuple[str, ...]:
    """Names between commas, or those of a text file, one a line; what begins with # is a comment."""
    path = Path(text)
    if not path.is_file():
        if path.suffix.lower() in (".txt", ".csv", ".names", ".list") or "/" in text and "," not in text:
            raise argparse.ArgumentTypeError(f"{text}: no such file; expected one class a line, or A,B,...")
        return names(text)
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise argparse.ArgumentTypeError(f"{text}: not a readable text file ({error})") from error
    found = tuple(line.strip().rstrip(",").strip() for line in lines)
    found = tuple(name for name in found if name and not name.startswith("#"))
    twice = next((name for name in found if found.count(name) > 1), None)
    if not found or twice:
        what = f"{twice!r} occurs more than once" if twice else "no class in it"
        raise argparse.ArgumentTypeError(f"{text}: {what}; expected one class a line")
    return found


def alternatives(text: str) -> tuple[str, tuple[str, ...]]:
    """(class, what it may be called too) of A=B,C."""
    from ssen_ros.labels import CLASS_NAMES  # late: it brings numpy

    name, _, others = text.partition("=")
    for given in (name, *others.split(",")):
        if given not in CLASS_NAMES:
            raise argparse.ArgumentTypeError(
                f"{text}: {given!r} is no class; expected CLASS=CLASS,... such as desk=table, of "
                f"{', '.join(CLASS_NAMES)}"
            )
    return name, tuple(others.split(","))


def seed_range(text: str) -> range:
    first, separator, last = text.partition(":")
    if not separator or not (first + last).isdigit() or int(first) >= int(last):
        raise argparse.ArgumentTypeError(f"{text}: expected FIRST:LAST with LAST left out, such as 0:20")
    return range(int(first), int(last))


def warn_of_held_out(seeds: Iterable[int], remedy: str) -> None:
    from ssen_ros.datasets.splits import HELD_OUT_SEEDS

    held_out = sorted(set(seeds) & set(HELD_OUT_SEEDS))
    if held_out:
        log.warning(
            "%d of the rooms (seeds %d to %d) are held out for evaluation; %s",
            len(held_out), held_out[0], held_out[-1], remedy,
        )  # fmt: skip
