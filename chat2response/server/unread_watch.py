"""Ends a connection whose client takes nothing of what was written to it.

It would hold its answer, and a stream its upstream too, for as long as it liked. A client that reads slowly
is none of those: what the kernel still has to send counts too, and becomes less when the client reads.
"""

import asyncio
import logging
import struct
import sys
from typing import Any

log = logging.getLogger("chat2response")


class UnreadWatch:
    """Watches one connection, only while something waits to be written; 0 seconds: never."""

    __slots__ = ("_loop", "_seconds", "_timer", "_transport", "_unsent")

    def __init__(self, loop: asyncio.AbstractEventLoop, transport: Any, seconds: float) -> None:
        self._loop = loop
        self._transport = transport
        self._seconds = seconds
        self._unsent = 0
        self._timer: asyncio.TimerHandle | None = None

    def start(self) -> None:
        """Bytes wait."""
        if self._seconds and self._timer is None:
            self._look_later()

    def stop(self) -> None:
        """They are on their way, or the connection is gone."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _look_later(self) -> None:
        self._unsent = self._transport.get_write_buffer_size() + _in_kernel(self._transport)
        self._timer = self._loop.call_later(self._seconds, self._look)

    def _look(self) -> None:
        self._timer = None
        before = self._unsent
        self._look_later()
        if self._unsent == before:
            self.stop()
            log.info("a client took nothing of its answer for %g s: its connection is closed", self._seconds)
            self._transport.abort()


def _in_kernel(transport: Any) -> int:
    """Bytes that the peer has not acknowledged; 0 where the system does not tell."""
    if not sys.platform.startswith("linux"):
        return 0
    import fcntl
    import termios

    try:
        told = fcntl.ioctl(transport.get_extra_info("socket").fileno(), termios.TIOCOUTQ, b"\0\0\0\0")
    except (AttributeError, OSError, ValueError):
        return 0
    size: int = struct.unpack("i", told)[0]
    return size
