"""Writes config/ssen.yaml from the fields of NodeConfig: `python scripts/parameters_file.py`.

The file documents every parameter at its default; a test holds it equal to what this script writes.
"""

import os
import textwrap
from pathlib import Path

import yaml

from ssen_ros.config import Parameter, parameters
from ssen_ros.ros.parameters import NodeConfig

PARAMETERS_FILE = Path(__file__).resolve().parents[1] / "config" / "ssen.yaml"

HEADER = """\
# Every parameter of ssen_node, at its default. Written by scripts/parameters_file.py.
#
# To use other values, copy this file (what is left out keeps its default):
#   ros2 launch ssen_ros ssen.launch.py params_file:=/path/to/the/copy.yaml
# The topic of the map is not a parameter: remap `cloud_map`, or launch with cloud_topic:=...
# Voxel size, classes and embedding width are not either: the networks' checkpoints carry them.
#
# The last word in brackets says when a value may be changed (`ros2 param set`). live: at any time, the
# next update goes by it; configure: while the node is unconfigured; start: never.

/**:
  ros__parameters:
"""

INDENT = "  "
WIDTH = 100  # columns


def render() -> str:
    """The text of the parameter file."""
    lines = []
    group: tuple[str, ...] = ()
    for parameter in _groups_last(parameters(NodeConfig())):
        *path, name = parameter.name.split(".")
        if tuple(path) != group:
            lines += ["", *_headings(tuple(path), len(os.path.commonprefix([group, tuple(path)])))]
            group = tuple(path)
        lines += _entry(name, parameter, INDENT * (2 + len(group)))
    return HEADER + "\n".join(lines).strip("\n") + "\n"


def _groups_last(leaves: list[Parameter]) -> list[Parameter]:
    """Ungrouped parameters first: YAML cannot return to the outer level and stay readable."""
    return sorted(leaves, key=lambda leaf: "." in leaf.name)


def _headings(group: tuple[str, ...], given: int) -> list[str]:
    """Of a group of which the first `given` levels are open already."""
    return [INDENT * (2 + depth) + name + ":" for depth, name in enumerate(group) if depth >= given]


def _entry(name: str, parameter: Parameter, indent: str) -> list[str]:
    comment = textwrap.wrap(parameter.doc, WIDTH - len(indent))
    facts = [parameter.unit, _allowed(parameter), parameter.changes]
    comment.append(f"[{', '.join(filter(None, facts))}]")
    return [*(f"{indent}# {line}" for line in comment), f"{indent}{name}: {_scalar(parameter.default)}"]


def _allowed(parameter: Parameter) -> str:
    low, high = parameter.low, parameter.high
    if parameter.choices:
        return "one of " + ", ".join(parameter.choices)
    if low is not None and high is not None:
        return f"from {low:g} to {high:g}"
    if low is not None:
        return f"at least {low:g}"
    return f"at most {high:g}" if high is not None else ""


def _scalar(value: bool | int | float | str) -> str:
    text = yaml.safe_dump(value).splitlines()[0]
    return '""' if value == "" else text


if __name__ == "__main__":
    PARAMETERS_FILE.write_text(render(), encoding="utf-8")
