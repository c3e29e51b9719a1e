"""Where ROS is missing these tests fail, unless somebody said that they are not wanted."""

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]


def collect(tmp_path, **environment):
    (tmp_path / "rclpy.py").write_text("raise ImportError('no rclpy here')")
    path = os.pathsep.join([str(tmp_path), str(ROOT)])
    command = [sys.executable, "-m", "pytest", "-q", "--collect-only", "-p", "no:cacheprovider", "test/ros"]
    environment = {**os.environ, "PYTHONPATH": path, **environment}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=300)
    return done.returncode, done.stdout + done.stderr


def test_a_missing_ros_is_a_failure(tmp_path):
    code, printed = collect(tmp_path, SSEN_SKIP_ROS_TESTS="0")
    assert code not in (0, 5), printed  # 5: no tests
    assert "no rclpy here" in printed and "SSEN_SKIP_ROS_TESTS=1" in printed


def test_unless_it_is_asked_for(tmp_path):
    code, printed = collect(tmp_path, SSEN_SKIP_ROS_TESTS="1")
    assert code == 5, printed
    assert "test/ros SKIPPED" in printed
