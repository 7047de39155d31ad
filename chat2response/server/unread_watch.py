"""Closes a connection whose client stops reading its response.

Otherwise such a client keeps its response in memory, and a stream's upstream connection open, for as long as
it likes. A slow reader is safe: the watch also counts the kernel's send buffer, which shrinks with every
read.
"""

import asyncio
import logging
import struct
import sys
from typing import Any

log = logging.getLogger("chat2response")


class UnreadWatch:
    """Watches one connection while unsent bytes wait. `seconds` without progress close it; 0 turns it off."""

    __slots__ = ("_loop", "_seconds", "_timer", "_transport", "_unsent")

    def __init__(self, loop: asyncio.AbstractEventLoop, transport: Any, seconds: float) -> None:
        self._loop = loop
        self._transport = transport
        self._seconds = seconds
        self._unsent = 0
        self._timer: asyncio.TimerHandle | None = None

    def start(self) -> None:
        """Starts the watch: unsent bytes wait."""
        if self._seconds and self._timer is None:
            self._schedule()

    def stop(self) -> None:
        """Stops the watch: the bytes are sent, or the connection is lost."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _schedule(self) -> None:
        self._unsent = self._transport.get_write_buffer_size() + _in_kernel(self._transport)
        self._timer = self._loop.call_later(self._seconds, self._check)

    def _check(self) -> None:
        self._timer = None
        before = self._unsent
        self._schedule()
        if self._unsent == before:
            self.stop()
            log.info("a client did not read its response for %g s: closing its connection", self._seconds)
            self._transport.abort()


def _in_kernel(transport: Any) -> int:
    """Bytes that the peer has not acknowledged; 0 if the system cannot report them."""
    if not sys.platform.startswith("linux"):
        return 0
    import fcntl
    import termios

    try:
        packed = fcntl.ioctl(transport.get_extra_info("socket").fileno(), termios.TIOCOUTQ, b"\0\0\0\0")
    except (AttributeError, OSError, ValueError):
        return 0
    size: int = struct.unpack("i", packed)[0]
    return size
