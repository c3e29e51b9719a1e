"""YAML of mappings: plain values, nothing that grows when it is read."""

import time

import pytest

from ssen_ros.cli.options import read_params_file
from ssen_ros.errors import ConfigError
from ssen_ros.io.yaml_file import read_mapping
from ssen_ros.training.config import load_config

LAUGHS = "a: &a [x,x,x,x,x,x,x,x,x]\n" + "".join(
    f"{after}: &{after} [{','.join(['*' + before] * 9)}]\n" for before, after in zip("abcdefg", "bcdefgh")
)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (LAUGHS + "ssen: {ros__parameters: {clustering: {mode: *h}}}\n", "aliases"),
        ("[" * 5000, "a list|recursion|nested"),
        ("[1, 2]", "a list"),
        ("text", "a str"),
        ("1: 2", "mapping of names"),
        ("a: !!python/object/apply:os.system ['false']", "python/object"),
        ("a: {b", "expected"),
        ("a: 1\n" * 300_000, "at most"),
        ("a: 2001-99-99", "month"),
    ],
)
def test_what_is_no_mapping_of_values_is_refused(tmp_path, text, words):
    path = tmp_path / "a.yaml"
    path.write_text(text)
    begin = time.process_time()  # a busy machine is not a failure
    with pytest.raises(ValueError, match=f"(?i){words}"):
        read_mapping(path)
    with pytest.raises(ConfigError) as refusal:
        read_params_file(path)
    assert len(str(refusal.value)) < 1000
    with pytest.raises(ConfigError) as refusal:
        load_config(path, "semantic")
    assert len(str(refusal.value)) < 1000 and time.process_time() - begin < 20


def test_bytes_that_are_no_text_are_refused(tmp_path):
    (tmp_path / "a.yaml").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ValueError):
        read_mapping(tmp_path / "a.yaml")


@pytest.mark.parametrize(("text", "mapping"), [("", {}), ("# nothing\n", {}), ("a: {b: 1}", {"a": {"b": 1}})])
def test_a_mapping_is_read(tmp_path, text, mapping):
    (tmp_path / "a.yaml").write_text(text)
    assert read_mapping(tmp_path / "a.yaml") == mapping


@pytest.mark.parametrize("value", ["x" * 10_000_000, ["x"] * 1_000_000, {"a": "y" * 1_000_000}])
def test_a_value_in_a_message_is_shortened(value):
    from ssen_ros.config import SsenConfig, with_values

    with pytest.raises(ConfigError) as refusal:
        with_values(SsenConfig(), {"clustering.min_samples": value})
    assert len(str(refusal.value)) < 1000
    if isinstance(value, str):
        with pytest.raises(ConfigError) as refusal:
            with_values(SsenConfig(), {value: 1})
        assert len(str(refusal.value)) < 5000
