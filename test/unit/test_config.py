"""The configuration tree: its dotted names, its checks, and the parameter file that documents it."""

from dataclasses import FrozenInstanceError
from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from ssen_ros.config import SsenConfig, parameters, with_values
from ssen_ros.errors import ConfigError

CHECKOUT = Path(__file__).resolve().parents[2]
LEAVES = {leaf.name: leaf for leaf in parameters(SsenConfig())}


def allowed_values(leaf):
    if leaf.choices:
        return st.sampled_from(leaf.choices)
    if isinstance(leaf.default, str):
        return st.text(max_size=20)
    if isinstance(leaf.default, bool):
        return st.booleans()
    if isinstance(leaf.default, int):
        return st.integers(leaf.low, leaf.high if leaf.high is not None else 2**31)
    return st.floats(leaf.low, leaf.high, allow_nan=False, allow_infinity=False)


def flatten(tree: dict, prefix: str = "") -> dict:
    leaves = {}
    for key, value in tree.items():
        leaves |= flatten(value, f"{prefix}{key}.") if isinstance(value, dict) else {prefix + key: value}
    return leaves


def test_names_are_paths_through_the_tree():
    config = SsenConfig()
    assert LEAVES["clustering.min_cluster_size"].default == config.clustering.min_cluster_size
    assert {name.split(".")[0] for name in LEAVES} == {
        "map",
        "segmenter",
        "passes",
        "fusion",
        "clustering",
        "instances",
        "publish",
    }


@given(st.fixed_dictionaries({}, optional={name: allowed_values(leaf) for name, leaf in LEAVES.items()}))
def test_values_put_in_are_the_values_read_out(values):
    changed = {leaf.name: leaf.default for leaf in parameters(with_values(SsenConfig(), values))}
    assert changed == {name: values.get(name, leaf.default) for name, leaf in LEAVES.items()}


def test_defaults_pass_their_own_checks():
    assert with_values(SsenConfig(), {n: leaf.default for n, leaf in LEAVES.items()}) == SsenConfig()


def test_an_integer_is_taken_where_a_float_is_meant():
    config = with_values(SsenConfig(), {"instances.min_score": 1})
    assert config.instances.min_score == 1.0 and type(config.instances.min_score) is float


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("clustering.min_cluster_sise", 40, ["clustering.min_cluster_sise", "clustering.min_cluster_size"]),
        ("clustering", 40, ["clustering", "unknown"]),
        ("clustering.min_cluster_size", 40.0, ["40.0", "int"]),
        ("clustering.min_cluster_size", True, ["True", "int"]),
        ("clustering.min_cluster_size", 1, ["1", "[2, 1000000]", "voxels"]),
        ("instances.min_overlap", 1.5, ["1.5", "[0.0, 1.0]"]),
        ("instances.min_overlap", float("nan"), ["nan", "[0.0, 1.0]"]),
        ("clustering.max_spread", float("inf"), ["inf", "100.0]"]),
        ("clustering.mode", "k_means", ["'k_means'", "fast, exact"]),
        ("map.mode", "growing", ["'growing'", "accumulated", "incremental"]),
        ("segmenter.device", 0, ["0", "str"]),
    ],
)
def test_a_wrong_value_is_refused_with_value_and_expectation(name, value, words):
    with pytest.raises(ConfigError) as refusal:
        with_values(SsenConfig(), {name: value})
    assert all(word in str(refusal.value) for word in [name, *words])


def test_the_tree_is_frozen_and_with_values_leaves_it_alone():
    config = SsenConfig()
    with_values(config, {"map.mode": "incremental"})
    assert config == SsenConfig()
    with pytest.raises(FrozenInstanceError):
        config.map.mode = "incremental"


def test_parameter_file_holds_every_parameter_of_the_method_at_its_default():
    document = yaml.safe_load((CHECKOUT / "config" / "ssen.yaml").read_text(encoding="utf-8"))
    in_file = flatten(document["/**"]["ros__parameters"])
    of_method = {name: value for name, value in in_file.items() if name in LEAVES}
    assert of_method == {name: leaf.default for name, leaf in LEAVES.items()}
    # rclpy is strict about types, and 1 == 1.0 == True in Python
    assert {n: type(v) for n, v in of_method.items()} == {n: type(p.default) for n, p in LEAVES.items()}


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("clustering.min_cluster_sise", "clustering.min_cluster_size"),
        ("min_cluster_size", "clustering.min_cluster_size"),
        ("cluster.min_samples", "clustering.min_samples"),
    ],
)
def test_an_unknown_parameter_is_answered_with_the_nearest(name, meant):
    with pytest.raises(ConfigError, match=f"unknown parameter '{name}', did you mean '{meant}'"):
        with_values(SsenConfig(), {name: 1})
    with pytest.raises(ConfigError, match="unknown parameter 'qqq'; known: map.mode"):
        with_values(SsenConfig(), {"qqq": 1})


def test_every_number_has_two_bounds():
    numbers = [p for p in parameters(SsenConfig()) if type(p.default) in (int, float)]
    assert [p.name for p in numbers if p.low is None or p.high is None] == []
