"""Many files by several workers: nothing is lost or done twice, whoever dies."""

import os
import shutil
import sys
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from contextlib import nullcontext
from functools import partial
from multiprocessing import get_context
from types import SimpleNamespace

import numpy as np
import pytest

from ssen_ros.cli import main
from ssen_ros.errors import DataError, JobError
from ssen_ros.io.clouds import write_labelled_ply
from ssen_ros.jobs import Processes, _cores, _write_once, by_name, dask_workers, write_missing

# What other processes run has to be importable there.
WORK = '''
import os, shutil, signal, time

def copy_or_die(deaths, source, path):
    """Source 2 takes its process along, so many times. Writes down what is done."""
    died = source.with_suffix(".died")
    if source.stem == "2" and (not died.exists() or died.stat().st_size < deaths):
        with open(died, "a") as file:
            file.write("x")
        os.kill(os.getpid(), signal.SIGKILL)
    time.sleep(0.1)
    with open(source.parent / "done", "a") as file:
        file.write(source.stem)
    shutil.copyfile(source, path)

def share(_):
    import numpy
    from ssen_ros.jobs import worker_number
    from threadpoolctl import threadpool_info
    time.sleep(1.0)  # for the other process to take the other job
    return worker_number(), max(pool["num_threads"] for pool in threadpool_info())
'''


@pytest.fixture(scope="module")
def work(tmp_path_factory):
    folder = tmp_path_factory.mktemp("work")
    (folder / "work_of_test_jobs.py").write_text(WORK)
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(folder)
        import work_of_test_jobs

        yield work_of_test_jobs


@pytest.fixture
def paths(tmp_path):
    sources = [tmp_path / f"{i}.txt" for i in range(6)]
    for source in sources:
        source.write_text(source.stem)
    return {source: tmp_path / "out" / source.name for source in sources}


def made(paths) -> str:
    """The stems of the files that are there, each with what it should hold; and nothing else."""
    found = [path for path in paths.values() if path.exists()]
    assert all(path.read_text() == path.stem for path in found)
    assert {path.name for path in next(iter(paths.values())).parent.iterdir()} == {p.name for p in found}
    return "".join(path.stem for path in found)


executors = pytest.mark.parametrize(
    "workers",
    [nullcontext, partial(Processes, 2), partial(ThreadPoolExecutor, 2)],
    ids=["here", "processes", "any executor"],
)


@executors
def test_what_is_missing_is_written_and_the_rest_kept(paths, workers):
    first, *others = paths.values()
    first.parent.mkdir()
    first.write_text("kept")
    with workers() as executor:
        assert write_missing(paths, shutil.copyfile, executor, progress=False) == list(paths.values())
    assert first.read_text() == "kept" and [path.read_text() for path in others] == list("12345")


@executors
def test_an_error_ends_the_run_or_is_told_and_costs_no_other_file(paths, workers, tmp_path):
    missing = tmp_path / "missing.txt"
    broken = {missing: tmp_path / "out" / "missing.txt", **paths}
    with workers() as executor:
        with pytest.raises(FileNotFoundError, match=r"missing\.txt"):
            write_missing(broken, shutil.copyfile, executor, progress=False)
        told = []
        write_missing(broken, shutil.copyfile, executor, False, lambda *what: told.append(what))
    assert made(paths) == "012345"
    ((source, error),) = told
    assert source == missing and isinstance(error, FileNotFoundError)


def test_two_sources_of_one_name(tmp_path):
    a, b, other = tmp_path / "a" / "room.ply", tmp_path / "b" / "room.npz", tmp_path / "office.ply"
    assert by_name([a, other], tmp_path.joinpath) == {a: tmp_path / "room", other: tmp_path / "office"}
    with pytest.raises(DataError, match=r"room.ply and .*room.npz would both become .*room; rename one"):
        by_name([a, b], tmp_path.joinpath)


def test_a_job_begun_anew_after_it_was_finished_does_nothing(paths):
    source, path = next(iter(paths.items()))
    with pytest.raises(DataError, match="out: no such folder on the worker .*; expected one on a disk"):
        _write_once(shutil.copyfile, source, path)
    path.parent.mkdir()
    path.write_text("finished")
    _write_once(shutil.copyfile, source, path)
    assert path.read_text() == "finished"


# --- processes of this machine -----------------------------------------------------------------


def test_a_process_that_dies_costs_nothing(paths, work, tmp_path):
    with Processes(2) as executor:
        write_missing(paths, partial(work.copy_or_die, 1), executor, progress=False)
    assert made(paths) == "".join(sorted((tmp_path / "done").read_text())) == "012345"


def test_a_job_that_kills_its_process_again_is_named_and_costs_no_other(paths, work, tmp_path):
    told = {}
    with Processes(2) as executor:
        write_missing(paths, partial(work.copy_or_die, 9), executor, False, told.__setitem__)
    assert made(paths) == "".join(sorted((tmp_path / "done").read_text())) == "01345"
    ((source, error),) = told.items()
    assert source.stem == "2" and isinstance(error, JobError) and "died, 2 times" in str(error)


def test_a_pool_that_breaks_is_an_error_and_what_is_finished_is_kept(paths, work, tmp_path):
    job = partial(work.copy_or_die, 1)
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as executor:
        with pytest.raises(JobError, match="the workers are gone .*start the command again for the rest"):
            write_missing(paths, job, executor, progress=False)
    assert made(paths) == "01"
    write_missing(paths, job, progress=False)
    assert made(paths) == "".join(sorted((tmp_path / "done").read_text())) == "012345"


def test_processes_are_numbered_and_share_the_cores(work, monkeypatch):
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    with Processes(2) as executor:
        shares = sorted(executor.map(work.share, range(2)))
    assert shares == [(0, max(1, _cores() // 2)), (1, max(1, _cores() // 2))]
    assert "OMP_NUM_THREADS" not in os.environ


# --- a Dask cluster ----------------------------------------------------------------------------


@pytest.fixture(scope="module")
def cluster(work):
    """The address of one on this machine: two processes, which are started anew when they die."""
    pytest.importorskip("distributed")
    from distributed import LocalCluster

    options = {"n_workers": 2, "threads_per_worker": 1, "host": "127.0.0.1", "dashboard_address": None}
    with LocalCluster(silence_logs=50, **options) as found:
        yield found.scheduler_address


def test_the_command_line_works_on_a_cluster_that_was_started_elsewhere(
    cluster, tmp_path, monkeypatch, capsys
):
    points = np.random.default_rng(0).uniform(0, 1, (500, 3)).astype(np.float32)
    for name in ("kitchen", "office"):
        write_labelled_ply(
            tmp_path / f"{name}.ply", points, np.zeros((500, 3), np.uint8), np.zeros(500, np.int64),
            np.full(500, -1), np.ones(500, np.float32),
        )  # fmt: skip
    monkeypatch.chdir(tmp_path)  # the workers are in another folder: paths are made absolute
    assert main(["import", "ply", "kitchen.ply", "office.ply", "--out", "rooms", "--dask", cluster]) == 0
    assert {path.name for path in (tmp_path / "rooms").iterdir()} == {"kitchen.npz", "office.npz"}
    assert main(["evaluate", "simulated", "--rooms", "rooms", "--dask", cluster]) == 1
    assert "--dask without --out: expected --out DIR" in capsys.readouterr().err


def test_a_job_that_kills_workers_one_after_another_is_an_error(cluster):
    from distributed import KilledWorker

    with pytest.raises(JobError, match=f"--dask {cluster}: .* died while running it"):
        with dask_workers(cluster):
            raise KilledWorker("job", SimpleNamespace(address="tcp://127.0.0.1:1"), 1)


def test_a_worker_of_a_cluster_that_dies_half_way_costs_nothing(paths, work, cluster, tmp_path):
    with dask_workers(cluster) as executor:
        write_missing(paths, partial(work.copy_or_die, 1), executor, progress=False)
    assert (tmp_path / "2.died").read_text() == "x"
    assert made(paths) == "".join(sorted((tmp_path / "done").read_text())) == "012345"


def test_a_cluster_that_does_not_answer_and_dask_that_is_missing(tmp_path, monkeypatch, capsys):
    command = ["simulate", "--rooms", "1", "--out", str(tmp_path), "--dask", "tcp://127.0.0.1:9"]
    dask = pytest.importorskip("dask")
    with dask.config.set({"distributed.comm.timeouts.connect": "1s"}):
        assert main(command) == 1
        error = capsys.readouterr().err
        assert error.startswith("ssen simulate: --dask tcp://127.0.0.1:9: no scheduler answers")
        assert main([*command[:-1], "nonsense://x"]) == 1
        assert "no scheduler answers" in capsys.readouterr().err
    monkeypatch.setitem(sys.modules, "distributed", None)
    assert main(command) == 1
    assert "--dask needs the Python module 'distributed': `pip install" in capsys.readouterr().err
    with pytest.raises(SystemExit):
        main([*command, "--workers", "2"])
    assert "not allowed with argument" in capsys.readouterr().err
