"""`LogThrottle`: limits the log lines of a fault that may occur thousands of times a second."""

import logging
import time
from collections.abc import Callable

_SECONDS = 60.0


class LogThrottle:
    """Logs a warning at once, then at most once a minute with the number of occurrences."""

    def __init__(
        self, log: logging.Logger, message: str, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._log = log
        self._message = message
        self._clock = clock
        self._next = 0.0
        self._count = 0

    def __call__(self, *values: object) -> None:
        """Counts an occurrence, and may log it. `values`: one for each `%s` of the message."""
        self._count += 1
        now = self._clock()
        if self._next and now < self._next:
            return
        self._next = now + _SECONDS
        count, self._count = self._count, 0
        times = f" ({count} times since the last such line)" * (count > 1)
        self._log.warning(f"{self._message}%s", *values, times)
