"""config/ssen.yaml says what the code says: names, defaults, types, units, meanings, in full."""

import importlib.util
import re
from pathlib import Path

import pytest
import yaml

pytest.importorskip("rclpy", reason="NodeConfig belongs to the ROS side")

CHECKOUT = Path(__file__).resolve().parents[2]


def flatten(tree: dict, prefix: str = "") -> dict:
    leaves = {}
    for key, value in tree.items():
        leaves |= flatten(value, f"{prefix}{key}.") if isinstance(value, dict) else {prefix + key: value}
    return leaves


def test_file_holds_every_parameter_of_the_node_at_its_default():
    from ssen_ros.config import parameters
    from ssen_ros.ros.parameters import NodeConfig

    document = yaml.safe_load((CHECKOUT / "config" / "ssen.yaml").read_text(encoding="utf-8"))
    in_file = flatten(document["/**"]["ros__parameters"])
    in_code = {leaf.name: leaf.default for leaf in parameters(NodeConfig())}
    assert in_file == in_code
    assert {n: type(v) for n, v in in_file.items()} == {n: type(v) for n, v in in_code.items()}


def test_readme_lists_every_parameter_with_when_it_may_change():
    from ssen_ros.config import parameters
    from ssen_ros.ros.parameters import NodeConfig

    section = (
        (CHECKOUT / "README.md").read_text(encoding="utf-8").split("\n## Parameters\n")[1].split("\n## ")[0]
    )
    listed = {}
    for row in re.findall(r"^\| (`.*?) \|$", section, re.MULTILINE):
        names, _, changes, _ = row.split(" | ")
        group = ""
        for name in re.findall("`(.+?)`", names):  # `.this` is in the group of the one before
            listed[group + name.lstrip(".") if name.startswith(".") else name] = changes
            group = group if name.startswith(".") else name[: name.rfind(".") + 1]
    assert listed == {leaf.name: leaf.changes for leaf in parameters(NodeConfig())}


def test_file_is_the_one_its_script_writes():
    spec = importlib.util.spec_from_file_location(
        "parameters_file", CHECKOUT / "scripts" / "parameters_file.py"
    )
    script = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(script)
    written = script.PARAMETERS_FILE.read_text(encoding="utf-8")
    assert written == script.render(), "run `python scripts/parameters_file.py`"
