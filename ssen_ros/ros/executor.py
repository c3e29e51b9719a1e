"""The executor of a node process: what one callback raises does not end what the others do."""

import logging
import time
import traceback
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from rclpy.context import Context
from rclpy.exceptions import InvalidHandle
from rclpy.executors import (
    Executor,
    ExternalShutdownException,
    ShutdownException,
    TimeoutException,
)
from rclpy.task import Task

from ssen_ros.live.throttle import ErrorThrottle

log = logging.getLogger(__name__)

_ERROR_PERIOD_S = 10.0  # the same kind of error is logged no more often
_LONGEST_PAUSE_S = 1.0
_MOST_FAILURES = 20  # of waiting, one after the other


class WaitingFailed(Exception):
    """The executor cannot even wait for work any more."""


class PatientExecutor(Executor):
    """Runs callbacks in a pool of threads; what one raises is logged and counted, and ends nothing.

    rclpy's own executors raise it in the loop that spins, and leave what failed before its callback was
    called, and the callback group around it, marked as busy for good.
    """

    def __init__(self, threads: int, context: Context):
        super().__init__(context=context)
        self.errors = 0  # raised by callbacks, and by what rclpy does before and after them
        self._pool = ThreadPoolExecutor(threads, "ssen_callback")
        self._throttle = ErrorThrottle(_ERROR_PERIOD_S)
        self._failures = 0  # of waiting, since it last went well

    def spin_once(self, timeout_sec: float | None = None) -> None:
        """Wait for one callback and give it to the pool.

        Raises WaitingFailed where that was not possible many times in a row.
        """
        try:
            task, entity, _ = self.wait_for_ready_callbacks(timeout_sec)
        except (ExternalShutdownException, ShutdownException, TimeoutException):
            pass
        except InvalidHandle:
            # A callback has destroyed what was about to be waited for: a subscription that is replaced, with
            # its event handlers. The next round does without it.
            pass
        except Exception as error:
            self._report(error, "waiting for callbacks")
            self._failures += 1
            if self._failures == _MOST_FAILURES:
                raise WaitingFailed(
                    f"waiting for callbacks failed {_MOST_FAILURES} times: {error!r}"
                ) from error
            time.sleep(min(0.01 * 2**self._failures, _LONGEST_PAUSE_S))
            return
        else:
            self._pool.submit(self._call, task, entity)
        self._failures = 0

    def shutdown(self, timeout_sec: float | None = None) -> bool:
        # rclpy takes away what callbacks that still run are about to use: let them end first.
        self._pool.shutdown(wait=True)
        return super().shutdown(timeout_sec)

    def _call(self, task: Task, entity: Any) -> None:
        if task.done():  # rclpy had handed it out again while it waited for a thread
            return
        task()
        error = task.exception()
        if error is None:
            return
        if getattr(entity, "_executor_event", False):  # it failed before the callback
            entity._executor_event = False
            entity.callback_group.ending_execution(entity)
            self.wake()
        if not isinstance(error, InvalidHandle):  # the callback may have lost what another has destroyed
            self._report(error, f"a callback of {_name(entity)}")

    def _report(self, error: BaseException, where: str) -> None:
        self.errors += 1
        message = f"{where} failed, the node goes on: {type(error).__name__}: {error}"
        if self._throttle.allows(message):
            text = "".join(traceback.format_exception(type(error), error, error.__traceback__))
            log.error("%s\n%s", message, text)


def _name(entity: Any) -> str:
    """Of a subscription, service, client, timer or what else calls back."""
    return getattr(entity, "topic_name", None) or getattr(entity, "srv_name", None) or type(entity).__name__
