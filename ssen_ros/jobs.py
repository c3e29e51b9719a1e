"""Many files, made side by side; what is finished stays when a run is cut short.

Who makes them is any `concurrent.futures.Executor`: `Processes` of this machine, the workers of a Dask
cluster (`dask_workers`), or one that you bring. A file is there whole or not at all; so a job whose worker
died is simply begun anew.
"""

import logging
import os
import socket
import threading
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping
from concurrent.futures import (
    BrokenExecutor,
    CancelledError,
    Executor,
    Future,
    ProcessPoolExecutor,
    ThreadPoolExecutor,
    as_completed,
)
from contextlib import AbstractContextManager, closing, contextmanager, nullcontext
from functools import partial
from itertools import count
from multiprocessing import get_context
from pathlib import Path
from typing import Any

from ssen_ros.errors import DataError, JobError

log = logging.getLogger(__name__)
_TRIES = 2  # of a job whose process dies
_number = 0  # of this process among those of `Processes`
_alone = threading.Lock()  # a worker of Dask may have several threads, what works here is made for one


def write_missing(
    paths: Mapping[Any, Path],
    write: Callable[[Any, Path], None],
    executor: Executor | None = None,
    progress: bool = True,
    failed: Callable[[Any, Exception], None] | None = None,
) -> list[Path]:
    """Call `write(source, path)` for each source whose file does not exist yet. Returns all the paths.

    Args:
        write: leaves no file behind that is not whole. With an executor, it and the sources are pickled, and
            paths are made absolute; the workers need to see the same folders.
        executor: who works; None: this process. It stays the caller's.
        failed: told of a source whose `write` raised; None: the first error ends the run.

    Raises JobError where the executor has lost its workers; what is finished is kept then too.
    """
    from tqdm import tqdm

    for folder in {path.parent for path in paths.values()}:
        folder.mkdir(parents=True, exist_ok=True)
    missing = {source: path for source, path in paths.items() if not path.exists()}
    with (
        tqdm(total=len(paths), initial=len(paths) - len(missing), unit="file", disable=not progress) as bar,
        closing(_outcomes(missing, write, executor)) as outcomes,
    ):
        for source, result in outcomes:
            try:
                result()
            except (BrokenExecutor, CancelledError) as error:
                raise JobError(
                    f"the workers are gone ({str(error) or type(error).__name__}); what is finished is kept, "
                    "start the command again for the rest"
                ) from error
            except Exception as error:
                if failed is None:
                    raise
                failed(source, error)
            bar.update()
    return list(paths.values())


def _outcomes(
    missing: Mapping[Any, Path], write: Callable[[Any, Path], None], executor: Executor | None
) -> Generator[tuple[Any, Callable[[], None]]]:
    """(source, what returns when its file is there or raises what went wrong), as they come."""
    if executor is None:
        for source, path in missing.items():
            yield source, partial(write, source, path)
        return
    jobs: dict[Future, Any] = {}
    try:
        for source, path in missing.items():
            found = source.absolute() if isinstance(source, Path) else source
            jobs[executor.submit(_write_once, write, found, path.absolute())] = source
        for job in as_completed(jobs):
            yield jobs[job], job.result
    finally:
        for job in jobs:  # after an error: not the hundreds that wait
            job.cancel()


def _write_once(write: Callable[[Any, Path], None], source: Any, path: Path) -> None:
    """What a worker does."""
    if not path.parent.is_dir():
        raise DataError(
            f"{path.parent}: no such folder on the worker {socket.gethostname()}; expected one on a disk "
            "that all workers share"
        )
    with _alone:
        if not path.exists():  # whoever began it before may have finished it
            write(source, path)


def by_name(sources: Iterable[Path], target: Callable[[str], Path]) -> dict[Path, Path]:
    """{source: target(its name without suffix)}. Raises DataError for two sources of one name."""
    source_of: dict[Path, Path] = {}
    for source in sources:
        path = target(source.resolve().stem)
        if path in source_of:
            raise DataError(f"{source_of[path]} and {source} would both become {path}; rename one of them")
        source_of[path] = source
    return {source: path for path, source in source_of.items()}


def workers_of(workers: int = 1, dask: str | None = None) -> AbstractContextManager[Executor | None]:
    """The executor that `--workers` and `--dask` ask for; None for this process. Raises JobError."""
    if dask:
        return dask_workers(dask)
    return Processes(workers) if workers > 1 else nullcontext()


class Processes(Executor):
    """So many processes of this machine, which share its cores.

    A process that dies takes only its own job along. That is begun once more, then its future has a JobError.
    """

    def __init__(self, workers: int):
        self._workers, self._numbers, self._ended = workers, count(), False
        self._own = threading.local()  # of the thread that looks after a process
        self._processes: dict[int, ProcessPoolExecutor] = {}
        self._threads = ThreadPoolExecutor(workers, "process", self._begin)

    def submit(self, fn: Callable, /, *args: Any, **kwargs: Any) -> Future:
        return self._threads.submit(self._run, partial(fn, *args, **kwargs))

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        self._ended = True
        self._threads.shutdown(wait, cancel_futures=cancel_futures)
        for process in self._processes.values():
            process.shutdown(wait)

    def _begin(self) -> None:
        self._own.number = next(self._numbers)
        self._start()

    def _start(self) -> None:
        """By spawn: OpenMP's threads do not survive a fork."""
        number = self._own.number
        share = (number, max(1, _cores() // self._workers))
        self._processes[number] = ProcessPoolExecutor(1, get_context("spawn"), _enter, share)

    def _run(self, job: Callable[[], Any]) -> Any:
        for _ in range(_TRIES):
            try:
                return self._processes[self._own.number].submit(job).result()
            except BrokenExecutor:
                if self._ended:
                    raise
                self._start()
        raise JobError(
            f"the process that worked on it died, {_TRIES} times: it was killed, or memory ran out; fewer "
            "workers need less"
        )


def _cores() -> int:
    """Those that this process may use, where the system tells."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _enter(number: int, threads: int) -> None:
    """In a new process, before numpy and torch are there: its number, and its share of the cores."""
    global _number
    _number = number
    os.environ.setdefault("OMP_NUM_THREADS", str(threads))  # of OpenBLAS, MKL and torch too


def worker_number() -> int:
    """0, 1, ... of this process among those of `Processes`; 0 in any other."""
    return _number


@contextmanager
def dask_workers(address: str) -> Iterator[Executor]:
    """The workers of the Dask cluster whose scheduler is at this address, such as tcp://10.0.0.1:8786.

    A job whose worker dies is begun anew by another. Raises JobError where Dask is missing, where nobody
    answers, and for a job that killed several workers.
    """
    try:
        from distributed import Client, KilledWorker
    except ModuleNotFoundError as error:
        raise JobError(
            f"--dask needs the Python module {error.name!r}: `pip install distributed`, or `pip install "
            "'.[dask]'` in the checkout"
        ) from error
    try:
        client = Client(address)
    except (OSError, ValueError) as error:
        raise JobError(
            f"--dask {address}: no scheduler answers ({error}); expected the address that `dask scheduler` "
            "prints, such as tcp://10.0.0.1:8786"
        ) from error
    with client, client.get_executor(pure=False) as executor:
        if not client.ncores():
            log.warning("%s has no workers yet; `dask worker %s` starts some", address, address)
        try:
            yield executor
        except KilledWorker as error:
            raise JobError(f"--dask {address}: {error}") from error
