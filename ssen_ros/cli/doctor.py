"""`ssen doctor`: what is wrong with a map or its topic, and what to change.

Exit codes beside those of every command: 3 warnings, 4 errors.
"""

import argparse
import json
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ssen_ros.cli.options import CLOUD_HELP, add_bag_topic, command, positive_float, require_ros

if TYPE_CHECKING:
    from ssen_ros.doctor import Finding

_WARNINGS, _ERRORS = 3, 4


def add_doctor(commands: Any) -> None:
    text = (
        "Say in plain words what is wrong with a stored map, a recording or a live topic, and which "
        "parameter of which SLAM to change. Exit code 0: nothing is wrong, 3: warnings, 4: errors."
    )
    parser = command(commands, "doctor", _doctor, text, reads_files=True)
    source = parser.add_mutually_exclusive_group()
    source.add_argument("cloud", type=Path, nargs="?", metavar="CLOUD", help=CLOUD_HELP)
    source.add_argument(
        "--topic", default="cloud_map", metavar="T", help="live topic, where there is no CLOUD"
    )
    add_bag_topic(parser)
    parser.add_argument(
        "--seconds",
        type=positive_float,
        default=10.0,
        metavar="S",
        help="listen so long to a topic, at most",
    )
    parser.add_argument(
        "--voxel-size", type=positive_float, metavar="M", help="of your networks [that of the shipped ones]"
    )
    parser.add_argument("--json", action="store_true", help="print one JSON object instead of sentences")


def _doctor(args: argparse.Namespace) -> int:
    from ssen_ros.network_spec import read_spec, shipped_weights

    voxel_size = args.voxel_size or read_spec(shipped_weights("semantic")).voxel_size
    if args.cloud is None:
        require_ros()
        from ssen_ros.ros.commands.topic_doctor import examine_topic

        source, findings = args.topic, examine_topic(args.topic, args.seconds, voxel_size)
    else:
        source, findings = str(args.cloud), _examine_stored(args.cloud, args.bag_topic, voxel_size)
    if args.json:
        rows = [asdict(finding) for finding in findings]
        print(json.dumps({"source": source, "voxel_size": voxel_size, "findings": rows}))
    else:
        _print_findings(source, findings)
    return _exit_code(findings)


def _examine_stored(path: Path, bag_topic: str, voxel_size: float) -> "Sequence[Finding]":
    from ssen_ros.doctor import examine_cloud, examine_recording
    from ssen_ros.io.bags import BagReader, is_bag
    from ssen_ros.io.clouds import read_cloud

    if is_bag(path):
        return examine_recording(BagReader(path, bag_topic).messages(), voxel_size)
    return examine_cloud(read_cloud(path), voxel_size)


def _print_findings(source: str, findings: "Sequence[Finding]") -> None:
    from textwrap import TextWrapper

    wrapper = TextWrapper(width=100, initial_indent="  ", subsequent_indent="  ", break_on_hyphens=False)
    for finding in findings:
        print(f"{finding.severity}: {finding.check}")
        print(wrapper.fill(finding.seen), wrapper.fill(f"→ {finding.remedy}"), sep="\n")
    if not findings:
        print(f"{source}: nothing is wrong")
    sys.stdout.flush()


def _exit_code(findings: "Sequence[Finding]") -> int:
    severities = {finding.severity for finding in findings}
    return _ERRORS if "error" in severities else _WARNINGS if severities else 0
