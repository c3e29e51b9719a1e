"""`ssen play` and `ssen record`: maps from files and recordings onto a topic, and topics into a recording."""

import argparse
from functools import partial
from pathlib import Path
from typing import Any

from ssen_ros.cli.options import CLOUD_HELP, add_bag_topic, command, positive_float, positive_int, require_ros
from ssen_ros.cli.view import add_view_option, open_viewer
from ssen_ros.errors import SsenError

_MAPS = 20


def add_play(commands: Any) -> None:
    text = (
        "Publish a stored cloud as a map that grows, or the clouds of a recording one after the other with "
        "the stamps and frames they have, for a running ssen_node."
    )
    parser = command(commands, "play", _play, text, reads_files=True)
    parser.add_argument("cloud", type=Path, metavar="CLOUD", help=CLOUD_HELP)
    add_bag_topic(parser)
    parser.add_argument(
        "--maps", type=positive_int, metavar="N",
        help=f"of a stored cloud: maps from the first to the whole [{_MAPS}]",
    )  # fmt: skip
    parser.add_argument("--rate", type=positive_float, default=1.0, metavar="HZ", help="maps per second")
    parser.add_argument("--topic", default="cloud_map", help="topic to publish on")
    parser.add_argument("--node", default="/ssen", metavar="NAME", help="with --view: the node to look at")
    add_view_option(parser)


def _play(args: argparse.Namespace) -> int:
    require_ros()
    import signal
    import subprocess

    from ssen_ros.io.bags import BagReader, is_bag
    from ssen_ros.io.clouds import read_cloud
    from ssen_ros.ros.node_table import player_process

    parameters: dict[str, Any] = {"rate_hz": args.rate}
    # The errors of what cannot be read are clearer here than in the log of another process.
    if is_bag(args.cloud):
        if args.maps:
            raise SsenError(f"--maps {args.maps}: a recording has maps of its own; leave it out")
        parameters["bag_topic"] = BagReader(args.cloud, args.bag_topic).topic
    else:
        read_cloud(args.cloud)
        parameters["maps"] = args.maps or _MAPS
    process = player_process(args.cloud, args.topic, parameters)
    with subprocess.Popen(process.command()) as player:
        # Whatever ends this process ends the player, which cleans up and gives the exit code.
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, lambda *_: player.terminate())
        if args.view:
            from ssen_ros.ros.commands.view import view_node

            opening = partial(open_viewer, args=args)
            view_node(args.node, Path("out/view"), opening, wanted=lambda: player.poll() is None)
        return player.wait()


def add_record(commands: Any) -> None:
    text = "Record topics into a rosbag2 folder (MCAP), until Ctrl-C or --seconds; waits for those to come."
    parser = command(commands, "record", _record, text)
    parser.add_argument("topics", nargs="*", default=["cloud_map"], metavar="TOPIC", help="of any type")
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="folder to make")
    parser.add_argument("--seconds", type=positive_float, metavar="S", help="end after this long")


def _record(args: argparse.Namespace) -> int:
    require_ros()
    from ssen_ros.ros.commands.recorder import record

    return record(args.topics, args.out, args.seconds)
