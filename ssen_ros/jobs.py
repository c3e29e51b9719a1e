"""Many files, made side by side; what is finished stays when a run is cut short."""

from collections.abc import Callable, Mapping
from concurrent.futures import ProcessPoolExecutor, as_completed
from multiprocessing import get_context
from pathlib import Path
from typing import Any


def write_missing(
    paths: Mapping[Any, Path],
    write: Callable[[Any, Path], None],
    workers: int = 1,
    progress: bool = True,
) -> list[Path]:
    """Call `write(source, path)` for each source whose file does not exist yet. Returns all the paths.

    `write` has to leave no file behind that is not whole. With several workers it runs in other processes, so
    it and the sources are pickled. The first error ends the run.
    """
    from tqdm import tqdm

    for folder in {path.parent for path in paths.values()}:
        folder.mkdir(parents=True, exist_ok=True)
    missing = {source: path for source, path in paths.items() if not path.exists()}
    with tqdm(total=len(paths), initial=len(paths) - len(missing), unit="room", disable=not progress) as bar:
        if workers <= 1:
            for source, path in missing.items():
                write(source, path)
                bar.update()
        else:
            with ProcessPoolExecutor(workers, mp_context=get_context("spawn")) as pool:
                jobs = [pool.submit(write, source, path) for source, path in missing.items()]
                try:
                    for done in as_completed(jobs):
                        done.result()
                        bar.update()
                except BaseException:
                    pool.shutdown(wait=False, cancel_futures=True)  # not the hundreds that wait
                    raise
    return list(paths.values())
