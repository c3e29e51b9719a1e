"""A node under load: large clouds that come fast, many that listen, and others that take all the CPU.

`make load` sends 3 million points ten times a second to a node with the real networks and 20 listeners for a
minute; `make test` a tenth of that for some seconds to one with the stub (SSEN_LOAD_S).
"""

import os
import signal
import subprocess
import sys
import time
from itertools import count
from pathlib import Path

import numpy as np
import psutil
import pytest
from diagnostic_msgs.msg import DiagnosticArray
from rclpy.qos import QoSProfile

from ssen_ros.ros.diagnostics import read_diagnostics

SECONDS = float(os.environ.get("SSEN_LOAD_S", "4"))
LONG = SECONDS >= 60
POINTS, LISTENERS = (3_000_000, 20) if LONG else (300_000, 3)
PERIOD_S = 0.1
PATIENCE_S = 900 if LONG else 60
MOST_CPU_S = 1.0  # from SIGINT to the end, 0.3 on a quiet machine: a fifth of a CPU gives it in five seconds
LISTENER = Path(__file__).parent / "listener.py"


def hall(bench, points):
    """So many points, of a floor and of boxes of the stub's classes on it: 60,000 to 100,000 voxels."""
    rng = np.random.default_rng(0)
    place = rng.random((points, 3), dtype=np.float32) * np.float32((12.0, 8.0, 0.05))
    color = np.full((points, 3), (1, 0, 0), np.uint8)  # a floor
    for k in range(8):
        rows = slice(k * points // 16, (k + 1) * points // 16)
        place[rows] = (1.5 * k, 2.0, 0.1) + rng.random((len(place[rows]), 3)) * (0.6, 0.6, 0.8)
        color[rows] = (bench.CHAIR, k + 1, 0)
    return place, color


def counters(report):
    return {name: int(report[f"clouds_{name}"]) for name in ("received", "pending", "failed", "rejected")}


@pytest.mark.slow
def test_large_clouds_come_fast_and_many_listen(bench, tmp_path):
    node = bench.start("ssen_ros.ros.ssen_node") if LONG else bench.start()
    heard = [tmp_path / f"heard{k}" for k in range(LISTENERS)]
    listeners = [
        bench.start_command([sys.executable, str(LISTENER), f"listener{k}", str(path)])
        for k, path in enumerate(heard)
    ]
    publish = bench.cloud_publisher()
    reports = bench.collect(DiagnosticArray, "/diagnostics", QoSProfile(depth=10))
    bench.spin_until(lambda: all(path.exists() for path in heard) and "listening to" in node.log, PATIENCE_S)
    bench.ready(node, publish)
    listeners[0].signal(signal.SIGSTOP)  # one that hangs holds nobody up
    (points, colors), stamps = hall(bench, POINTS), count(1)
    process, most, sent = psutil.Process(node._process.pid), 0, 0
    end = time.monotonic() + SECONDS
    while time.monotonic() < end:
        begin, sent = time.monotonic(), next(stamps)
        colors[:: max(1, POINTS // 1000), 2] = sent % 100  # else nothing has changed
        publish(points, colors, stamp_ns=sent * 10**9)
        most = max(most, process.memory_info().rss)
        bench.spin_for(max(0.001, PERIOD_S - (time.monotonic() - begin)))
    began_s = time.monotonic()
    last = f"{sent * 10**9}"
    bench.spin_until(lambda: all(last in path.read_text().split() for path in heard[1:]), PATIENCE_S)
    late_s = time.monotonic() - began_s
    report = bench.wait_for(clouds_pending=0)
    found = counters(report)
    updates = min(len(path.read_text().split()) for path in heard[1:])
    print(
        f"{sent} clouds of {POINTS:,} points in {SECONDS:.0f} s, {found['received']} received, {updates} "
        f"updates at each of {LISTENERS - 1} listeners, the last one {late_s:.1f} s after its cloud; "
        f"{report['map_voxels']} voxels, {most / 1e6:.0f} MB at most, {len(reports)} reports"
    )
    assert found["failed"] == found["rejected"] == 0 and int(report["callback_errors"]) == 0
    assert most < 1.5e9 + 12 * POINTS * 16  # clouds that wait are few, however many come
    assert all(read_diagnostics(one, "/ssen") for one in reports)
    listeners[0].signal(signal.SIGCONT)
    bench.spin_until(lambda: last in heard[0].read_text().split())
    node.signal(signal.SIGINT)
    assert node.wait() == 0


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="no way to tie processes to a CPU here")
def test_a_node_that_gets_hardly_any_cpu_ends_in_time(bench):
    """Two that never rest, on the one CPU that it may use, leave it a twentieth of that."""
    node = bench.start("ssen_ros.ros.ssen_node") if LONG else bench.start()
    publish = bench.cloud_publisher()
    bench.spin_until(lambda: "listening to" in node.log, PATIENCE_S)
    bench.ready(node, publish)
    publish(*hall(bench, 20_000))
    cpu = {min(os.sched_getaffinity(0))}
    busy = [
        subprocess.Popen(
            [sys.executable, "-c", f"import os; os.sched_setaffinity(0, {cpu})\nwhile True: pass"]
        )
        for _ in range(2)
    ]
    try:
        for thread in Path(f"/proc/{node._process.pid}/task").iterdir():
            os.sched_setaffinity(int(thread.name), cpu)
            os.setpriority(os.PRIO_PROCESS, int(thread.name), os.getpriority(os.PRIO_PROCESS, 0) + 10)
        bench.spin_for(0.5)
        begin = time.monotonic()
        cpu_s = node.end()
        took_s = time.monotonic() - begin
    finally:
        for one in busy:
            one.kill()
            one.wait()
    orderly = "no time for an orderly end" not in node.log
    print(f"ended {took_s:.1f} s after SIGINT, {cpu_s:.2f} s of CPU, {'in order' if orderly else 'at once'}")
    assert cpu_s < MOST_CPU_S
