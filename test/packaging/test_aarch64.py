"""The compiled library on aarch64: built by a cross compiler, checked in an emulator."""

import shutil
import subprocess
from pathlib import Path

import pytest

CHECKOUT = Path(__file__).resolve().parents[2]
MISSING = [name for name in ("aarch64-linux-gnu-g++", "qemu-aarch64", "cmake") if shutil.which(name) is None]

pytestmark = pytest.mark.slow


@pytest.mark.skipif(bool(MISSING), reason=f"{', '.join(MISSING)}: not installed, aarch64 is NOT tested here")
def test_the_kernels_are_right_on_aarch64(tmp_path):
    command = [CHECKOUT / "scripts" / "check_aarch64.sh", tmp_path / "build"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-2000:]
    for words in ("portable, 64 to 48 channels", "plain_tiles", "NEON multiply-adds", "HDBSCAN", "0 failed"):
        assert words in done.stdout
    assert "FAIL" not in done.stdout and "warning" not in done.stderr
