"""What `make` promises beyond building."""

import subprocess
import sys
from pathlib import Path

import pytest
import yaml

CHECKOUT = Path(__file__).resolve().parents[2]

OLD_PYTHON = """
import runpy, sys
sys.modules["tomllib"] = None  # as before Python 3.11: importing it raises ModuleNotFoundError
runpy.run_path("scripts/requirements.py", run_name="__main__")
"""


@pytest.fixture(scope="module")
def cleaned() -> list[str]:
    """What `make clean` removes."""
    told = subprocess.run(
        ["make", "-s", "-n", "clean"], cwd=CHECKOUT, capture_output=True, text=True, timeout=60, check=True
    )
    command, option, *paths = told.stdout.split()
    assert (command, option) == ("rm", "-rf")
    return paths


def test_clean_takes_what_the_demo_wrote_and_leaves_rooms_and_runs(cleaned):
    configs = sorted((CHECKOUT / "config" / "training").glob("*.yaml"))
    kept = ["runs", *(yaml.safe_load(path.read_text(encoding="utf-8"))["data"] for path in configs)]
    assert configs and "out/demo" in cleaned
    for folder in kept:
        assert not any(Path(folder).is_relative_to(path) for path in cleaned), folder


def test_an_old_python_is_told_which_one_is_needed():
    told = subprocess.run(
        [sys.executable, "-c", OLD_PYTHON], cwd=CHECKOUT, capture_output=True, text=True, timeout=60
    )
    assert told.returncode == 1
    assert "expected 3.11 or newer" in told.stderr and "Traceback" not in told.stderr
