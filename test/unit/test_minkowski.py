"""What is said where MinkowskiEngine is missing or broken; test/minkowski tests what it computes."""

import sys

import pytest
import torch

from ssen_ros.errors import ConfigError, EngineError
from ssen_ros.sparse import minkowski


@pytest.fixture(autouse=True)
def forgotten():
    minkowski.minkowski_engine.cache_clear()
    yield
    minkowski.minkowski_engine.cache_clear()


class FakeEngine:
    @staticmethod
    def is_cuda_available() -> bool:
        return False


def test_missing(monkeypatch):
    monkeypatch.setitem(sys.modules, "MinkowskiEngine", None)
    with pytest.raises(EngineError, match="MinkowskiEngine cannot be imported .*tools/minkowski/build.sh"):
        minkowski.MinkowskiCoordinates(torch.zeros(1, 4, dtype=torch.int32))


def test_built_for_another_torch(monkeypatch, tmp_path):
    (tmp_path / "MinkowskiEngine.py").write_text("raise OSError('undefined symbol: _ZN5torch')")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "MinkowskiEngine", raising=False)
    with pytest.raises(EngineError, match="undefined symbol: _ZN5torch.*tools/minkowski/build.sh"):
        minkowski.minkowski_coordinates("cpu", torch.float32)


def test_built_without_cuda(monkeypatch):
    monkeypatch.setitem(sys.modules, "MinkowskiEngine", FakeEngine)
    with pytest.raises(EngineError, match="built for the CPU only, asked for cuda"):
        minkowski.minkowski_coordinates("cuda", torch.float32)


def test_other_precisions_are_refused(monkeypatch):
    monkeypatch.setitem(sys.modules, "MinkowskiEngine", FakeEngine)
    with pytest.raises(ConfigError, match="'bfloat16' with segmenter.engine = 'minkowski': expected float32"):
        minkowski.minkowski_coordinates("cpu", torch.bfloat16)
