"""A transport that sends an answer's head together with what follows it.

uvicorn writes the head, then the body, and uvloop makes a system call of each: the dearest thing that a short
answer costs. A head is held until the next write, or until the event loop has nothing else to run.
"""

import asyncio
from collections.abc import Callable
from typing import Any

_HEAD = b"HTTP/1."


def _nothing() -> None:
    """Nobody wants to know."""


def _never() -> bool:
    return False


class _Closed(asyncio.Transport):
    """What is left of a lost connection: it takes everything, and does nothing."""

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


class JoinedHeads(asyncio.Transport):
    """What uvicorn uses of a transport, over `inner`."""

    __slots__ = ("_closing", "_flushing", "_held", "_inner", "_lingers", "_loop", "_unsent")

    def __init__(
        self,
        inner: asyncio.Transport,
        loop: asyncio.AbstractEventLoop,
        unsent: Callable[[], None] = _nothing,
        lingers: Callable[[], bool] = _never,
    ) -> None:
        """`unsent` is called when the connection was closed and waits for what is not sent yet.

        `lingers` is asked at each close whether to leave the connection open: who says so calls `end` later.
        """
        self._inner = inner
        self._unsent = unsent
        self._lingers = lingers
        self._closing = False
        self._loop = loop
        self._held = b""
        self._flushing: asyncio.Handle | None = None

    def write(self, data: bytes | bytearray | memoryview) -> None:
        """Sends `data`, behind what is held. A body that looks like a head goes out a moment later."""
        if self._flushing is not None:
            self._inner.write(self._taken() + data)
        elif data[:7] == _HEAD:
            self._held = bytes(data)
            self._flushing = self._loop.call_soon(self._flush)
        else:
            self._inner.write(data)

    def write_now(self, data: bytes) -> None:
        """Sends what nothing will follow, behind what is held."""
        self._flush()
        self._inner.write(data)

    def close(self) -> None:
        """Ends the connection when all is sent, and when its client has nothing more to say."""
        self._flush()
        self._closing = True
        if not self._lingers():
            self.end()

    def end(self) -> None:
        """Ends the connection when all is sent."""
        self._closing = True
        self._inner.close()
        if self._inner.get_write_buffer_size():
            self._unsent()

    def abort(self) -> None:
        """Ends it now."""
        self._taken()
        self._inner.abort()

    def release(self) -> None:
        """The connection is lost: nobody is called or asked any more, and what is written is dropped.

        An answer may still come, of a request with another behind it: uvicorn tells only the last of a loss.
        """
        self._taken()
        self._inner, self._unsent, self._lingers = _CLOSED, _nothing, _never

    def is_closing(self) -> bool:
        """Whether it ends, or has ended."""
        return self._closing or self._inner.is_closing()

    def pause_reading(self) -> None:
        """Nothing more is read."""
        self._inner.pause_reading()

    def resume_reading(self) -> None:
        """Reading goes on."""
        self._inner.resume_reading()

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        """What is known of the connection."""
        return self._inner.get_extra_info(name, default)

    def _flush(self) -> None:
        if held := self._taken():
            self._inner.write(held)

    def _taken(self) -> bytes:
        """What was held, no longer."""
        held, self._held = self._held, b""
        if self._flushing is not None:
            self._flushing.cancel()
            self._flushing = None
        return held
