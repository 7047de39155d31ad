"""Receivers of a whole body: `WholeBody` collects it, `Discard` waits for its end."""

import asyncio

from chat2response.errors import UpstreamError, UpstreamTimeout, UpstreamUnreachable
from chat2response.net.receiver import StreamInterrupted
from chat2response.wire.fault import Fault


class WholeBody:
    """Collects a body of at most `limit` bytes."""

    __slots__ = ("_body", "_ended", "_error", "_first", "_limit", "_waiter")

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._first = b""
        self._body: bytearray | None = None  # what follows the first piece; nearly every answer is one piece
        self._ended = False
        self._error: StreamInterrupted | UpstreamError | None = None
        self._waiter: asyncio.Future[None] | None = None

    def on_data(self, data: bytes, /) -> None:
        """Adds a piece."""
        body = self._body
        size = len(data) + len(self._first) + (0 if body is None else len(body))
        if size > self._limit:
            self.on_end(UpstreamError("The upstream's response is too large.", code="upstream_too_large"))
        elif not self._first:
            self._first = data
        else:
            if body is None:
                body = self._body = bytearray()
            body += data

    def on_end(self, error: StreamInterrupted | UpstreamError | None, /) -> None:
        """Ends the wait."""
        if self._ended:
            return
        self._ended = True
        self._error = error
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    async def wait(self) -> bytes:
        """Returns the body when all of it is here. Raises UpstreamError if it is interrupted or too large."""
        if not self._ended:
            self._waiter = asyncio.get_running_loop().create_future()
            await self._waiter
        if self._error is not None:
            raise self._take(self._error)
        return self._first if self._body is None else self._first + self._body

    def _take(self, error: StreamInterrupted | UpstreamError) -> UpstreamError:
        """The error to raise. One that stays in an attribute or a variable would make a reference cycle."""
        self._error = None
        return cut_error(error.fault) if isinstance(error, StreamInterrupted) else error


class Discard:
    """Drops a body. `ended` is done at its end."""

    __slots__ = ("ended",)

    def __init__(self) -> None:
        self.ended: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def on_data(self, data: bytes, /) -> None:
        """Drops a piece."""

    def on_end(self, error: StreamInterrupted | UpstreamError | None, /) -> None:
        """Ends the wait."""
        if not self.ended.done():
            self.ended.set_result(None)


def cut_error(fault: Fault) -> UpstreamError:
    """The error of a call whose body was interrupted before any of it was used."""
    if fault.cause == "timeout":
        return UpstreamTimeout(fault.message)
    return UpstreamUnreachable(fault.message)
