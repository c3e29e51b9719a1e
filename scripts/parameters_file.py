"""Writes config/ssen.yaml and the table in docs/node.md from the fields of NodeConfig:
`python scripts/parameters_file.py`.

Both document every parameter at its default; a test holds them equal to what this script writes.
"""

import os
import textwrap
from pathlib import Path

import yaml

from ssen_ros.config import Parameter, parameters
from ssen_ros.ros.parameters import NodeConfig

CHECKOUT = Path(__file__).resolve().parents[1]
PARAMETERS_FILE = CHECKOUT / "config" / "ssen.yaml"
PARAMETERS_PAGE = CHECKOUT / "docs" / "node.md"

# The lines of the page between which the table stands.
BEGIN = "<!-- begin parameters: written by scripts/parameters_file.py -->\n"
END = "<!-- end parameters -->\n"

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


def table() -> str:
    """The parameters as a table in Markdown, in the order of the file."""
    rows = [
        f"| `{p.name}` | {_default(p)} | {_allowed(p)} | {p.changes} | {p.doc} |"
        for p in _groups_last(parameters(NodeConfig()))
    ]
    heads = ["| Parameter | Default | Allowed | Change | Meaning |", "| --- | --- | --- | --- | --- |"]
    return "\n".join([*heads, *rows]) + "\n"


def with_table(page: str) -> str:
    """The page with the table of today between its two marks."""
    before, begin, rest = page.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not (begin and end):
        raise ValueError(f"the page lacks {BEGIN!r} or, after it, {END!r}: put them where the table belongs")
    return before + begin + table() + end + after


def _default(parameter: Parameter) -> str:
    return f"`{_scalar(parameter.default)}` {parameter.unit}".rstrip()


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
    page = PARAMETERS_PAGE.read_text(encoding="utf-8")
    PARAMETERS_PAGE.write_text(with_table(page), encoding="utf-8")
