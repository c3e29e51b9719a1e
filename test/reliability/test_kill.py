"""Writers that are killed at any moment: nothing is lost, nothing is half, and nothing is left behind.

`make kill` kills 200 of them, `make test` one of each kind and a few more (SSEN_KILLS).
"""

import os
import random
import sys
import time
from multiprocessing import get_context
from multiprocessing.forkserver import ensure_running

import pytest
from writers import WRITERS, write_until_killed

from ssen_ros.io import replacing

KILLS = int(os.environ.get("SSEN_KILLS", "10"))


@pytest.fixture(scope="module")
def processes():
    """Of a server that has loaded everything: each starts in milliseconds."""
    context = get_context("forkserver")
    context.set_forkserver_preload(["writers"])
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", os.pathsep.join(sys.path))  # else the server does not find them
        ensure_running()
        yield context


@pytest.mark.slow
@pytest.mark.parametrize("writer", WRITERS, ids=lambda w: w.name)
def test_what_is_written_survives_its_writer(tmp_path, processes, writer, monkeypatch):
    monkeypatch.setattr(replacing, "_YOUNG_S", -1.0)  # what is begun now has been killed already
    rng, known, number = random.Random(0), -1, 0
    for _ in range(max(1, KILLS // len(WRITERS))):
        told, telling = processes.Pipe(duplex=False)
        process = processes.Process(
            target=write_until_killed, args=(writer.name, tmp_path, number, telling), daemon=True
        )
        process.start()
        assert told.poll(120)
        begin = time.monotonic()
        told.recv()
        if rng.random() < 0.7:  # else within the first one
            while writer.name != "recording" and time.monotonic() - begin < 60 and not told.poll(0.01):
                assert process.is_alive(), "it ended by itself"
        time.sleep(rng.random() * 0.3)
        process.kill()
        process.join()
        assert process.exitcode == -9, "it ended by itself"
        while told.poll():
            try:
                number = told.recv() + 1
            except EOFError:
                break
        found = writer.read(tmp_path)
        assert found >= known, f"{writer.name}: number {found}, but {known} was there before"
        known = -1 if writer.name == "recording" else found
        number += 1
    folders = [tmp_path, *(path for path in tmp_path.iterdir() if path.is_dir())]
    for folder in folders:
        replacing.sweep(folder)
    left = [str(path) for folder in folders for path in folder.glob(".*") if path.name != ".reserve"]
    assert not left
