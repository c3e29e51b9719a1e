"""The life of a node process: start, spin, and a clean end with a meaningful exit code."""

import gc
import logging
import os
import signal
import sys
import threading
from collections.abc import Callable, Sequence

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


def run(name: str, make_node: MakeNode, args: Sequence[str] | None = None) -> int:
    """Run one node until SIGINT, SIGTERM or its own end; returns the exit code.

    `make_node(context, stop)` builds the node; setting `stop` ends the process. An `SsenError` while
    building is fatal: it is logged and gives exit code 1. Signals ask for the same orderly end,
    exit code 0, however often they come.
    """
    stop = threading.Event()
    for number in _SIGNALS:
        signal.signal(number, lambda *_: stop.set())
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


def finish(code: int) -> int:
    """Last act of `main`: returns `code`, or leaves at once where the way out would take long.

    A pass through the networks cannot be interrupted, taking the interpreter down under it may crash, and
    taking torch down lasts seconds on a busy machine. Everything that needs closing is closed by now. A
    further SIGINT changes nothing.
    """
    for number in _SIGNALS:
        signal.signal(number, signal.SIG_IGN)
    if threading.active_count() > 1 or "torch" in sys.modules:
        gc.collect()  # a node is in circles; while one is left, DDS leaves its shared memory behind
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)
    return code


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
