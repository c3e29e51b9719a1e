"""Files that are written whole or not at all."""

import os
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def replacing(path: Path | str) -> Iterator[Path]:
    """Gives the name of an empty file to be written; it takes the place of `path` when the block ends.

    Whoever reads `path` meanwhile, or after a power cut, finds the old file or the whole new one. If the
    block raises, `path` stays as it was. The new file lies in the folder of `path`, under a hidden name that
    nobody can have prepared. A link at `path` stays and leads to the new file; what is no regular file, such
    as /dev/stdout, is written directly.

    Raises OSError where the folder is missing or cannot be written.
    """
    path = Path(path).resolve()
    if path.exists() and not path.is_file():
        yield path
        return
    temporary = path.parent / f".{secrets.token_hex(8)}.partial"
    os.close(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o666))
    try:
        yield temporary
        _to_disk(temporary)
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)
    _to_disk(path.parent)


@contextmanager
def replacing_folder(path: Path | str) -> Iterator[Path]:
    """Gives a new, empty folder to be filled; it takes the place of `path` when the block ends.

    If the block raises, `path` stays as it was. A folder that is there is moved aside and, once the new one
    has its place, removed with all that it holds; the two moves are not one, so that a power cut between them
    leaves the old one under a hidden name. Raises OSError as `replacing`.
    """
    path = Path(path).resolve()
    temporary, old = (path.parent / f".{secrets.token_hex(8)}.partial" for _ in range(2))
    temporary.mkdir()
    try:
        yield temporary
        _to_disk(temporary)
        if path.exists():
            os.rename(path, old)
        os.rename(temporary, path)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
        if old.exists() and not path.exists():
            os.rename(old, path)
        shutil.rmtree(old, ignore_errors=True)
    _to_disk(path.parent)


def replace_text(path: Path | str, text: str) -> None:
    """Write a text file as UTF-8, whole or not at all. Raises OSError as `replacing`."""
    with replacing(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def _to_disk(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
