"""Ends a connection whose client still sends.

Closed at once, what comes would reset the connection, and the client might never read its last answer. So
what comes is dropped for a while, and the connection ends when the client is silent.
"""

import asyncio
from collections.abc import Callable

SILENCE = 1.0  # seconds after which a client has read its last answer
MOST = 10.0  # seconds for a client that goes on sending


class Linger:
    """The last seconds of one connection. `end` closes it."""

    __slots__ = ("_at_last", "_end", "_heard", "_loop", "_timer")

    def __init__(self, loop: asyncio.AbstractEventLoop, end: Callable[[], None]) -> None:
        self._loop = loop
        self._end = end
        self._heard = False
        self._at_last = 0.0
        self._timer: asyncio.TimerHandle | None = None

    def start(self) -> None:
        """The last answer is written."""
        self._at_last = self._loop.time() + MOST
        self._wait()

    def hear(self) -> None:
        """Something came that nobody reads."""
        self._heard = True

    def stop(self) -> None:
        """The connection is gone."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _wait(self) -> None:
        self._heard = False
        self._timer = self._loop.call_later(SILENCE, self._look)

    def _look(self) -> None:
        self._timer = None
        if self._heard and self._loop.time() < self._at_last:
            self._wait()
        else:
            self._end()
