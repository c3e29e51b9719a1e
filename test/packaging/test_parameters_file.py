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


def test_page_lists_every_parameter_with_when_it_may_change():
    from ssen_ros.config import parameters
    from ssen_ros.ros.parameters import NodeConfig

    page = (CHECKOUT / "docs" / "node.md").read_text(encoding="utf-8")
    section = page.split("\n## Parameters\n")[1].split("\n## ")[0]
    rows = [row.split(" | ") for row in re.findall(r"^\| (`.*?) \|$", section, re.MULTILINE)]
    assert all(len(row) == 5 for row in rows), "a text with a vertical bar would break the table"
    listed = [(name.strip("`"), changes, meaning) for name, _, _, changes, meaning in rows]
    in_code = [(leaf.name, leaf.changes, leaf.doc) for leaf in parameters(NodeConfig())]
    assert sorted(listed) == sorted(in_code)


@pytest.fixture(scope="module")
def script():
    path = CHECKOUT / "scripts" / "parameters_file.py"
    spec = importlib.util.spec_from_file_location("parameters_file", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_file_and_page_are_those_that_the_script_writes(script):
    written = script.PARAMETERS_FILE.read_text(encoding="utf-8")
    assert written == script.render(), "run `python scripts/parameters_file.py`"
    page = script.PARAMETERS_PAGE.read_text(encoding="utf-8")
    assert page == script.with_table(page), "run `python scripts/parameters_file.py`"


def test_a_page_without_its_marks_is_refused_and_one_with_an_old_table_gets_the_new_one(script):
    page = f"before\n{script.BEGIN}old\n{script.END}after\n"
    assert script.with_table(page) == f"before\n{script.BEGIN}{script.table()}{script.END}after\n"
    for spoilt in ("before\n", f"{script.END}{script.BEGIN}"):
        with pytest.raises(ValueError, match="parameters"):
            script.with_table(spoilt)
