"""Closes a connection whose client still sends.

Bytes that arrive after a close reset the connection, and the client may then never read its last answer. So
the server drops what arrives for a while, and closes the connection when the client falls silent.
"""

import asyncio
from collections.abc import Callable

SILENCE = 1.0  # seconds of silence after which the connection is closed
MAX_SECONDS = 10.0  # for a client that keeps sending


class LingeringClose:
    """Delays the close of one connection; `close` then closes it."""

    __slots__ = ("_close", "_deadline", "_loop", "_received", "_timer")

    def __init__(self, loop: asyncio.AbstractEventLoop, close: Callable[[], None]) -> None:
        self._loop = loop
        self._close = close
        self._received = False
        self._deadline = 0.0
        self._timer: asyncio.TimerHandle | None = None

    def start(self) -> None:
        """Starts to wait, after the last answer was written."""
        self._deadline = self._loop.time() + MAX_SECONDS
        self._wait()

    def touch(self) -> None:
        """Notes that the client sent something."""
        self._received = True

    def stop(self) -> None:
        """Stops waiting: the connection is lost."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _wait(self) -> None:
        self._received = False
        self._timer = self._loop.call_later(SILENCE, self._check)

    def _check(self) -> None:
        self._timer = None
        if self._received and self._loop.time() < self._deadline:
            self._wait()
        else:
            self._close()
