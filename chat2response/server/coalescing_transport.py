"""A transport that sends a response head together with the first bytes of its body.

uvicorn writes the head, then the body, and uvloop makes a system call for each: the largest cost of a short
response. The transport buffers a head until the next write, or until the event loop has nothing else to run.
"""

import asyncio
from collections.abc import Callable
from typing import Any

_HEAD = b"HTTP/1."


def _nothing() -> None:
    """The callback of a transport that nobody observes."""


def _never() -> bool:
    return False


class _Closed(asyncio.Transport):
    """Stands in for a lost connection: every call does nothing."""

    def write(self, data: bytes | bytearray | memoryview) -> None: ...
    def close(self) -> None: ...
    def abort(self) -> None: ...
    def pause_reading(self) -> None: ...
    def resume_reading(self) -> None: ...
    def is_closing(self) -> bool:
        return True

    def get_write_buffer_size(self) -> int:
        return 0


_CLOSED = _Closed()


class CoalescingTransport(asyncio.Transport):
    """Wraps `inner`, with the methods that uvicorn uses."""

    __slots__ = ("_buffered", "_closing", "_flush_handle", "_inner", "_loop", "_on_unsent", "_should_linger")

    def __init__(
        self,
        inner: asyncio.Transport,
        loop: asyncio.AbstractEventLoop,
        on_unsent: Callable[[], None] = _nothing,
        should_linger: Callable[[], bool] = _never,
    ) -> None:
        """`on_unsent` is called when a closed connection still has bytes to send.

        `should_linger` is called at each close; True leaves the connection open until somebody calls `end`.
        """
        self._inner = inner
        self._on_unsent = on_unsent
        self._should_linger = should_linger
        self._closing = False
        self._loop = loop
        self._buffered = b""
        self._flush_handle: asyncio.Handle | None = None

    def write(self, data: bytes | bytearray | memoryview) -> None:
        """Sends `data` after the buffered head.

        A body that looks like a head is delayed for one loop turn.
        """
        if self._flush_handle is not None:
            self._inner.write(self._take_buffered() + data)
        elif data[:7] == _HEAD:
            self._buffered = bytes(data)
            self._flush_handle = self._loop.call_soon(self._flush)
        else:
            self._inner.write(data)

    @property
    def write_after_head(self) -> Callable[[bytes], None]:
        """The fastest way to send a response's body once its head is out; not after the response."""
        return self._inner.write

    def write_now(self, data: bytes) -> None:
        """Sends a complete response, after the buffered head."""
        if self._flush_handle is not None:
            self._flush()
        self._inner.write(data)

    def close(self) -> None:
        """Closes the connection once all bytes are sent, unless it has to linger."""
        self._flush()
        self._closing = True
        if not self._should_linger():
            self.end()

    def end(self) -> None:
        """Closes the connection once all bytes are sent."""
        self._closing = True
        self._inner.close()
        if self._inner.get_write_buffer_size():
            self._on_unsent()

    def abort(self) -> None:
        """Drops unsent bytes and closes the connection at once."""
        self._take_buffered()
        self._inner.abort()

    def release(self) -> None:
        """Drops the callbacks and all further writes: the connection is lost.

        Pipelined requests may still write their responses: uvicorn reports the loss only to the last one.
        """
        self._take_buffered()
        self._inner, self._on_unsent, self._should_linger = _CLOSED, _nothing, _never

    def is_closing(self) -> bool:
        """Whether the connection is closing or closed."""
        return self._closing or self._inner.is_closing()

    def pause_reading(self) -> None:
        """Stops reading from the socket."""
        self._inner.pause_reading()

    def resume_reading(self) -> None:
        """Reads from the socket again."""
        self._inner.resume_reading()

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        """Information about the connection, such as its peer's address."""
        return self._inner.get_extra_info(name, default)

    def _flush(self) -> None:
        if buffered := self._take_buffered():
            self._inner.write(buffered)

    def _take_buffered(self) -> bytes:
        """Returns the buffered head and cancels its flush."""
        buffered, self._buffered = self._buffered, b""
        if self._flush_handle is not None:
            self._flush_handle.cancel()
            self._flush_handle = None
        return buffered
