"""Files that are written whole or not at all."""

import ctypes
import fcntl
import os
import secrets
import shutil
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_SUFFIX = ".partial"
_NAME_BYTES = 8
_TEMPORARY = f".{'[0-9a-f]' * 2 * _NAME_BYTES}{_SUFFIX}"
_HERE, _RENAME_EXCHANGE = -100, 2  # AT_FDCWD of fcntl.h, of linux/fs.h
_YOUNG_S = 1.0  # a file that was begun just now may not be locked yet


@contextmanager
def replacing(path: Path | str) -> Iterator[Path]:
    """Gives the name of an empty file to be written; it takes the place of `path` when the block ends.

    Whoever reads `path` meanwhile, or after a power cut, finds the old file or the whole new one. If the
    block raises, `path` stays as it was. The new file lies in the folder of `path`, under a hidden name that
    nobody can have prepared; what a killed writer left there is taken away. A link at `path` stays and leads
    to the new file; what is no regular file, such as /dev/stdout, and what a block like this gave, is written
    directly.

    Raises OSError where the folder is missing or cannot be written.
    """
    path = Path(path).resolve()
    if path.exists() and (not path.is_file() or path.match(_TEMPORARY)):
        yield path
        return
    sweep(path.parent)
    temporary = path.parent / f".{secrets.token_hex(_NAME_BYTES)}{_SUFFIX}"
    # Open, and locked, as long as its writer lives: so others know.
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o666)
    try:
        with _naming(path.parent):
            _lock(descriptor)
            yield temporary
            _to_disk(temporary)
            os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)
        os.close(descriptor)
    _to_disk(path.parent)


@contextmanager
def _naming(folder: Path) -> Iterator[None]:
    """An error of the system that names no file, as of a full disk, gets the folder's name."""
    try:
        yield
    except OSError as error:
        if error.errno and not error.filename:
            error.filename = str(folder)
        raise


def sweep(folder: Path) -> None:
    """Take away the files and folders that writers have left there that were killed."""
    for left in folder.glob(_TEMPORARY):
        try:
            descriptor = os.open(left, os.O_RDONLY | os.O_NOFOLLOW)
        except OSError:  # gone meanwhile, or another user's
            continue
        try:
            if time.time() - os.fstat(descriptor).st_mtime > _YOUNG_S and _lock(descriptor):
                shutil.rmtree(left) if left.is_dir() else left.unlink(missing_ok=True)
        finally:
            os.close(descriptor)


def _lock(descriptor: int) -> bool:
    """Whether nobody else holds the file; on a disk that knows no locks, false."""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True


@contextmanager
def replacing_folder(path: Path | str) -> Iterator[Path]:
    """Gives a new, empty folder to be filled; it takes the place of `path` when the block ends.

    If the block raises, `path` stays as it was. A folder that is there changes places with the new one, and
    is then removed with all that it holds. Where the system cannot do that in one step, it is moved aside
    first: a power cut between the two steps leaves the old one under a hidden name. Raises OSError as
    `replacing`.
    """
    path = Path(path).resolve()
    sweep(path.parent)
    temporary, old = (path.parent / f".{secrets.token_hex(_NAME_BYTES)}{end}" for end in (_SUFFIX, ".moved"))
    temporary.mkdir()
    descriptor = os.open(temporary, os.O_RDONLY)
    try:
        with _naming(path.parent):
            _lock(descriptor)
            yield temporary
            _to_disk(temporary)
            if not _exchange(temporary, path):
                if path.exists():
                    os.rename(path, old)
                os.rename(temporary, path)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
        if old.exists() and not path.exists():
            os.rename(old, path)
        shutil.rmtree(old, ignore_errors=True)
        os.close(descriptor)
    _to_disk(path.parent)


def _exchange(a: Path, b: Path) -> bool:
    """Have two paths change places in one step; false where they cannot, or one is missing."""
    rename = getattr(ctypes.CDLL(None), "renameat2", None) if sys.platform == "linux" else None
    return rename is not None and rename(_HERE, bytes(a), _HERE, bytes(b), _RENAME_EXCHANGE) == 0


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
