"""Curves of several runs."""

import sys

import pytest

from ssen_ros.cli import main
from ssen_ros.errors import SsenError
from ssen_ros.training.curves import draw_curves
from ssen_ros.training.run_folder import Journal


def test_curves_of_several_runs(tmp_path, capsys):
    pytest.importorskip("matplotlib")
    for run, height in (("a", 1.0), ("b", 2.0)):
        (tmp_path / run).mkdir()
        with Journal(tmp_path / run, 0, tensorboard=False) as journal:
            for step in range(10, 60, 10):
                journal.write({"step": step, "minutes": 0.1, "lr": 1e-3, "rooms": 2, "loss": height / step})
    assert main(["curves", str(tmp_path / "a"), str(tmp_path / "b"), "--out", str(tmp_path / "c.png")]) == 0
    from PIL import Image

    with Image.open(tmp_path / "c.png") as picture:
        assert picture.width > 600 and len(picture.convert("RGB").getcolors(10**6)) > 10
    with pytest.raises(SsenError, match="no log.jsonl"):
        draw_curves([tmp_path], tmp_path / "d.png")


def test_curves_without_matplotlib(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    with pytest.raises(SsenError, match=r"pip install 'ssen-ros\[training\]'"):
        draw_curves([tmp_path], tmp_path / "c.png")
