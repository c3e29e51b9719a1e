"""Errors that repeat with every cloud are told once in a while."""

import re
import time
from collections.abc import Callable

_MAX_REMEMBERED = 100  # kinds of messages


class ErrorThrottle:
    """Lets each kind of message through once in a while; numbers in it do not make a new kind."""

    def __init__(self, period_s: float, clock: Callable[[], float] = time.monotonic):
        self._period_s = period_s
        self._clock = clock  # s
        self._last_s: dict[str, float] = {}

    def allows(self, message: str) -> bool:
        kind = re.sub(r"\d+", "#", message)
        now_s = self._clock()
        if now_s - self._last_s.get(kind, -self._period_s) < self._period_s:
            return False
        if len(self._last_s) >= _MAX_REMEMBERED:
            self._last_s.clear()
        self._last_s[kind] = now_s
        return True
