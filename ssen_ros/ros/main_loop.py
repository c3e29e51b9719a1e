"""The life of a node process: start, spin, and a clean end with a meaningful exit code."""

import gc
import logging
import os
import signal
import sys
import threading
from collections.abc import Callable, Sequence
from typing import NoReturn

import rclpy
from rclpy.context import Context
from rclpy.impl.rcutils_logger import RcutilsLogger
from rclpy.logging import get_logger
from rclpy.node import Node
from rclpy.signals import SignalHandlerOptions

from ssen_ros.errors import SsenError
from ssen_ros.live.throttle import ErrorThrottle
from ssen_ros.ros.executor import PatientExecutor, WaitingFailed

MakeNode = Callable[[Context, threading.Event], Node]

_EXECUTOR_THREADS = 6  # clouds, timers, parameters and states, a pass asked for, services, transforms
_SPIN_TIMEOUT_S = 0.2
_WARNING_PERIOD_S = 30.0
_LONGEST_LINE = 10_000  # characters
_SIGNALS = (signal.SIGINT, signal.SIGTERM)
_END_WITHIN_S = 3.5  # of a signal, and so much more for the last act:
_FINISH_WITHIN_S = 1.0


def run(
    name: str,
    make_node: MakeNode,
    args: Sequence[str] | None = None,
    end_within_s: float | None = _END_WITHIN_S,
) -> int:
    """Run one node until SIGINT, SIGTERM or its own end; returns the exit code.

    `make_node(context, stop)` builds the node; setting `stop` ends the process. An `SsenError` while
    building is fatal: it is logged and gives exit code 1. Signals ask for the same orderly end,
    exit code 0, however often they come. What has not ended `end_within_s` later, as the machine leaves it no
    time, is left as it is, exit code 0 too; None: it is waited for.
    """
    stop, signalled, ended = threading.Event(), threading.Event(), threading.Event()

    def leave_in_time() -> None:
        signalled.wait()
        if not ended.wait(end_within_s):
            os.write(2, f"{name}: there was no time for an orderly end\n".encode())
            os._exit(0)

    def ask_to_end(*_) -> None:
        stop.set()
        signalled.set()

    threading.Thread(target=leave_in_time, name="ssen_end", daemon=True).start()
    for number in _SIGNALS:
        signal.signal(number, ask_to_end)
    try:
        return _run(name, make_node, args, stop)
    finally:
        ended.set()
        signalled.set()  # nobody waits for it any more


def _run(name: str, make_node: MakeNode, args: Sequence[str] | None, stop: threading.Event) -> int:
    context = Context()
    try:
        # rclpy's own handlers would tear the context down under the publishers.
        own = None if args is None else list(args)
        rclpy.init(args=own, context=context, signal_handler_options=SignalHandlerOptions.NO)
    except RuntimeError as error:  # unreadable arguments or parameter file
        print(f"{name}: {error}", file=sys.stderr)
        return 1
    handler = forward_logs(get_logger(name))
    try:
        return _run_node(name, make_node, context, stop)
    finally:
        stop_forwarding(handler)
        context.try_shutdown()


def finish(code: int) -> NoReturn:
    """Last act of `main`: leaves at once, with this exit code.

    A pass through the networks cannot be interrupted, taking the interpreter down under it may crash, and
    takes seconds on a busy machine. Everything that needs closing is closed by now. A further SIGINT changes
    nothing.
    """
    for number in _SIGNALS:
        signal.signal(number, signal.SIG_IGN)
    last = threading.Timer(_FINISH_WITHIN_S, os._exit, (code,))
    last.daemon = True
    last.start()
    gc.collect()  # a node is in circles; while one is left, DDS leaves its shared memory behind
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


def _run_node(name: str, make_node: MakeNode, context: Context, stop: threading.Event) -> int:
    try:
        node = make_node(context, stop)
    except SsenError as error:
        if stop.is_set():  # by a signal, which is why
            return 0
        get_logger(name).fatal(f"cannot start: {error}")
        return 1
    executor = PatientExecutor(_EXECUTOR_THREADS, context)
    executor.add_node(node)
    try:
        while not stop.is_set():
            executor.spin_once(timeout_sec=_SPIN_TIMEOUT_S)  # returns in time for Python to see a signal
    except WaitingFailed as error:
        get_logger(name).fatal(f"cannot go on: {error}")
        return 1
    finally:
        executor.shutdown()
        node.destroy_node()
    return 0


class RosLogHandler(logging.Handler):
    """Forwards what the core logs through `logging` to a ROS logger (console, /rosout), at its level.

    Warnings that repeat with every cloud are told once in a while.
    """

    def __init__(self, logger: RcutilsLogger):
        super().__init__()
        self._logger = logger
        self._throttle = ErrorThrottle(_WARNING_PERIOD_S)

    def emit(self, record: logging.LogRecord) -> None:
        text = self.format(record)[:_LONGEST_LINE]
        if record.levelno == logging.WARNING and not self._throttle.allows(text):
            return
        # One call per level: rclpy ties the place of a call to the severity it first had.
        if record.levelno >= logging.CRITICAL:
            self._logger.fatal(text)
        elif record.levelno >= logging.ERROR:
            self._logger.error(text)
        elif record.levelno >= logging.WARNING:
            self._logger.warning(text)
        elif record.levelno >= logging.INFO:
            self._logger.info(text)
        else:
            self._logger.debug(text)


def forward_logs(logger: RcutilsLogger) -> RosLogHandler:
    """Send what `ssen_ros` logs, INFO and above, to `logger`."""
    handler = RosLogHandler(logger)
    core = logging.getLogger("ssen_ros")
    core.addHandler(handler)
    core.setLevel(logging.INFO)
    return handler


def stop_forwarding(handler: RosLogHandler) -> None:
    logging.getLogger("ssen_ros").removeHandler(handler)
