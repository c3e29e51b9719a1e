"""The `ssen` command. Every command imports what it needs when it runs, so `ssen --help` is quick.

Exit codes: 0 done, 1 an error (one line on stderr), 2 wrong usage, 130 interrupted; `ssen doctor` has more.
"""

import argparse
import logging
import sys
from collections.abc import Sequence

from ssen_ros import __version__
from ssen_ros.cli.bags import add_play, add_record
from ssen_ros.cli.bench import add_bench
from ssen_ros.cli.data import add_import, add_simulate, add_statistics
from ssen_ros.cli.doctor import add_doctor
from ssen_ros.cli.evaluate import add_evaluate, add_export
from ssen_ros.cli.figure import add_figure
from ssen_ros.cli.networks import add_convert, add_curves, add_train, add_train_objects
from ssen_ros.cli.options import joined_up
from ssen_ros.cli.segment import add_demo, add_segment
from ssen_ros.cli.teach import add_teach
from ssen_ros.cli.view import add_view
from ssen_ros.errors import SsenError, missing_module
from ssen_ros.io.limits import allowing

log = logging.getLogger(__name__)
_LONGEST = 500  # characters of what was raised


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; returns the exit code."""
    words = joined_up(sys.argv[1:] if argv is None else argv)
    args = build_parser().parse_args(words, argparse.Namespace(words=words))
    level = (logging.WARNING, logging.INFO, logging.DEBUG)[min(args.verbose, 2)]
    logging.basicConfig(level=level, format="%(levelname)s %(name)s: %(message)s", stream=sys.stderr)
    try:
        with allowing(args.max_bytes):
            return args.run(args)
    except (SsenError, OSError) as error:
        log.debug("raised here", exc_info=True)
        print(f"ssen {args.command}: {' '.join(str(error).split())[: 4 * _LONGEST]}", file=sys.stderr)
        return 1
    except ModuleNotFoundError as error:
        log.debug("raised here", exc_info=True)
        print(f"ssen {args.command}: {missing_module(error)}", file=sys.stderr)
        return 1
    except MemoryError as error:
        log.debug("raised here", exc_info=True)
        print(f"ssen {args.command}: memory is short ({error or 'no more to be had'})", file=sys.stderr)
        return 1
    except Exception as error:  # the last net: what nobody thought of
        log.info("raised here", exc_info=True)
        told = " ".join(f"{type(error).__name__}: {error}".split())[:_LONGEST]
        print(
            f"ssen {args.command}: unexpected {told}; this is a fault of ssen, please report it with what -v "
            "shows",
            file=sys.stderr,
        )
        return 1
    except KeyboardInterrupt:
        print(f"ssen {args.command}: interrupted", file=sys.stderr)
        return 130


def build_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="ssen", description="Segment the live map of an RGB-D SLAM into labelled, identified objects."
    )
    parser.add_argument("--version", action="version", version=f"ssen_ros {__version__}")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for add in (
        add_demo,
        add_segment,
        add_view,
        add_doctor,
        add_play,
        add_record,
        add_simulate,
        add_import,
        add_statistics,
        add_train,
        add_train_objects,
        add_teach,
        add_curves,
        add_evaluate,
        add_export,
        add_figure,
        add_convert,
        add_bench,
    ):
        add(commands)
    return parser
