"""Files and messages that are nearly right: read, or refused by an error of ours, soon and for little.

`make fuzz` tries for ten minutes, `make test` for some seconds. A case is made by its number alone:
`SSEN_FUZZ_CASES=17,4711 pytest test/reliability/test_fuzz.py` tries those. What has once failed stands in
REGRESSIONS.
"""

import logging
import os
import random
import time
import warnings

import pytest
from doors import doors
from mutators import mutated

from ssen_ros.errors import SsenError

SECONDS = float(os.environ.get("SSEN_FUZZ_S", "10"))
FIRST = int(os.environ.get("SSEN_FUZZ_FIRST", "0"))
LONGEST_S, MOST_MB = 5.0, 500  # of CPU, its own and that of its processes
HANGS_S = 60.0  # on a busy machine nothing takes so long that does not hang
REGRESSIONS = (50161,)


def resident_mb(name="VmRSS"):
    with open("/proc/self/status") as status:
        return next(int(line.split()[1]) for line in status if line.startswith(name)) / 1024


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("fuzz")


@pytest.fixture(scope="module")
def entrances(folder):
    return doors(folder)


@pytest.fixture(scope="module")
def case(folder, entrances):
    """A function that tries one case and returns what is wrong with it, or nothing."""
    weights = [door.weight for door in entrances]
    everything = [good for door in entrances for good in door.good]
    logging.disable(logging.CRITICAL)  # a hundred warnings a second

    def attempt(number: int) -> str:
        rng = random.Random(number)
        door = rng.choices(entrances, weights)[0]
        good = rng.choice(door.good)
        path = folder / door.file
        begin, cpu_s = time.perf_counter(), sum(os.times()[:4])
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                path.write_bytes(mutated(good, rng, everything))
                door.read(path)
        except SsenError as error:
            if len(str(error)) > 5000:
                return f"{door.name}: a message of {len(str(error))} characters"
        except Exception as error:
            return f"{door.name}: {type(error).__name__}: {str(error)[:200]}"
        finally:
            if "/" in door.file:
                path.write_bytes(good)  # of several files in one folder, one is wrong at a time
        seconds, cpu_s = time.perf_counter() - begin, sum(os.times()[:4]) - cpu_s
        too_long = cpu_s > LONGEST_S or seconds > HANGS_S
        return f"{door.name}: {seconds:.1f} s, {cpu_s:.1f} s of CPU" if too_long else ""

    yield attempt
    logging.disable(logging.NOTSET)


def test_what_is_right_is_read(folder, entrances):
    for door in entrances:
        for good in door.good:
            (folder / door.file).write_bytes(good)
            try:
                door.read(folder / door.file)
            except SsenError as error:  # the networks in it are none; all else was right
                assert "checkpoint" in door.name and "a.safetensors" in str(error) or "a.pth" in str(error)


@pytest.mark.parametrize(
    "number", [*REGRESSIONS, *map(int, filter(None, os.environ.get("SSEN_FUZZ_CASES", "").split(",")))]
)
def test_a_case_that_once_failed(case, number):
    assert case(number) == ""


@pytest.mark.slow
def test_nothing_that_is_nearly_right_gets_through(case):
    end, number, wrong = time.monotonic() + SECONDS, FIRST, {}
    for _ in range(20):
        case(number)  # what is loaded late is there now
    before = resident_mb()
    while time.monotonic() < end:
        if told := case(number):
            kind = told.split(":")[0] + told.split(":")[1][:30]
            wrong.setdefault(kind, []).append((number, told))
        number += 1
    grown = resident_mb("VmHWM") - before
    print(f"{number - FIRST} cases in {SECONDS:.0f} s, {grown:.0f} MB more at most")
    summary = "\n".join(f"{len(cases)} x {cases[0][1]} (case {cases[0][0]})" for cases in wrong.values())
    assert not wrong, f"{sum(map(len, wrong.values()))} of {number - FIRST} cases:\n{summary}"
    assert grown < MOST_MB
