"""The core logs through stdlib `logging`; here its records reach the ROS log (console and /rosout)."""

import logging

from rclpy.impl.rcutils_logger import RcutilsLogger


class RosLogHandler(logging.Handler):
    """Forwards records to a ROS logger at the level they have."""

    def __init__(self, logger: RcutilsLogger):
        super().__init__()
        self._logger = logger

    def emit(self, record: logging.LogRecord) -> None:
        text = self.format(record)
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
