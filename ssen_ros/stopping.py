"""Work that can be given up, such as a pass over a map: it looks at a flag between its steps.

Whoever begins the work watches a flag in the thread that does it; whoever wants it to end sets the flag, from
any thread. Nothing has to be handed through: the steps ask `check`, and the compiled library looks at the
same four bytes within its loops.
"""

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from ctypes import addressof, c_int32
from multiprocessing import get_context
from multiprocessing.connection import Connection
from typing import Any

from ssen_ros import native
from ssen_ros.errors import SsenError


class GivenUp(SsenError):
    """The work was given up before it ended, as its flag was set; nothing of it counts."""


class Flag:
    """Set once, for one piece of work. Safe with any thread."""

    def __init__(self):
        self._raised = c_int32(0)

    def set(self) -> None:
        self._raised.value = 1

    def is_set(self) -> bool:
        return bool(self._raised.value)

    @property
    def address(self) -> int:
        """Of the int32 that is not 0 once the flag is set; lives as long as the flag."""
        return addressof(self._raised)


_thread = threading.local()  # its `flag`


@contextmanager
def watching(flag: Flag) -> Iterator[None]:
    """What this thread does inside the block ends with GivenUp soon after the flag is set."""
    before = watched()
    _watch(flag)
    try:
        yield
    finally:
        _watch(before)


def watched() -> Flag | None:
    """The flag that this thread's work looks at."""
    return getattr(_thread, "flag", None)


def check() -> None:
    """Raises GivenUp where the flag that is watched is set; costs a tenth of a microsecond."""
    flag = watched()
    if flag is not None and flag.is_set():
        raise GivenUp("the work was given up before it ended")


def in_a_process(function: Callable, *arguments: Any) -> Any:
    """What the function returns or raises, in a process of its own, which is killed when the flag is set.

    For what looks at no flag and lets no other thread work meanwhile; it costs a second or two. Function,
    arguments and result are pickled.
    Raises GivenUp, and SsenError where the process dies.
    """
    context = get_context("spawn")
    mine, theirs = context.Pipe()
    process = context.Process(target=_answer, args=(theirs,), daemon=True)
    process.start()
    theirs.close()
    try:
        _receive(mine)  # it has begun: megabytes sent before would be waited for as long
        mine.send((function, arguments))
        done, outcome = _receive(mine)
    except (EOFError, BrokenPipeError, ConnectionResetError) as error:
        raise SsenError(
            f"the process for {function.__name__} died: it was killed, or memory ran out"
        ) from error
    finally:
        process.kill()
        process.join()
        mine.close()
    if not done:
        raise outcome
    return outcome


_POLL_S = 0.05


def _receive(other: Connection) -> Any:
    while not other.poll(_POLL_S):
        check()
    return other.recv()


def _answer(asker: Connection) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for who asked
    asker.send(None)
    function, arguments = asker.recv()
    try:
        outcome = True, function(*arguments)
    except Exception as error:
        outcome = False, error
    asker.send(outcome)


def _watch(flag: Flag | None) -> None:
    _thread.flag = flag
    library = native.library()
    if library is not None:
        library.ssen_watch(None if flag is None else flag.address)
