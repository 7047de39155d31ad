"""`HttpResponse`: one response as it arrives: its head, then its body, a piece for each network read."""

import asyncio
from collections.abc import Iterator
from typing import Protocol

from chat2response.errors import UpstreamError, UpstreamTimeout, UpstreamUnreachable
from chat2response.wire.content_encoding import CodingError, Decoder, decoder_for, split_pieces
from chat2response.wire.fault import RESET, Fault
from chat2response.wire.headers import HeaderList

MAX_BODY = 64 * 1024 * 1024  # bytes of a response that is read whole
_HIGH_WATER = 16 * 1024  # buffered bytes at which reading pauses until they are consumed
_BYTES_PER_TURN = 64 * 1024  # decoded bytes returned in one turn of the loop: as many as a read brings
_CONTENT_ENCODING = b"content-encoding"
_DRAIN_SECONDS = 0.25  # how long to wait for the end of a finished stream, to reuse its connection


class StreamInterrupted(Exception):
    """The body ended before it was complete. `fault`: the cause."""

    def __init__(self, fault: Fault) -> None:
        super().__init__(fault.message)
        self.fault = fault


class ConnectionControl(Protocol):
    """The part of a connection that a response controls."""

    def pause_reading(self) -> None:
        """Stops reading until `resume_reading`."""
        ...

    def resume_reading(self) -> None:
        """Continues after `pause_reading`."""
        ...

    def abort(self) -> None:
        """Closes the connection at once."""
        ...


class Filter(Protocol):
    """Changes a body as it passes."""

    def feed(self, data: bytes) -> bytes:
        """Takes a piece; returns what may pass now."""
        ...

    def close(self) -> bytes:
        """Returns the rest."""
        ...


class HttpResponse:
    """A response, which its user must close.

    The connection feeds it (`feed_head`, `feed`, `finish`, `fail`); everyone else reads.
    """

    __slots__ = ("_buffered", "_connection", "_decoded", "_decoder", "_error", "_finished", "_pieces",
                 "_since_pause", "_waiter", "filter", "headers", "reading_paused", "status")  # fmt: skip

    def __init__(self, connection: ConnectionControl) -> None:
        self.status = 0
        self.headers: HeaderList = []
        self._connection = connection
        self._pieces: list[bytes] = []
        self._buffered = 0
        self.reading_paused = False
        """Whether the reader is slower than the upstream, so that silence is not the upstream's fault."""
        self.filter: Filter | None = None
        """What every piece passes before the reader gets it."""
        self._finished = False
        self._error: Exception | None = None
        self._waiter: asyncio.Future[None] | None = None
        self._decoder: Decoder | None = None
        self._decoded: Iterator[bytes] = iter(())  # decoded pieces of the bytes that have arrived
        self._since_pause = 0  # decoded bytes returned since the loop last had its turn

    # -- for the reader ------------------------------------------------------------------------------

    def header(self, name: str) -> str | None:
        """The value of a header, by its name in any case."""
        wanted = name.lower().encode("latin-1")
        for each, value in self.headers:
            if each.lower() == wanted:
                return value.decode("latin-1")
        return None

    async def head(self) -> None:
        """Waits for the head. Raises UpstreamUnreachable or UpstreamTimeout."""
        while not self.status:
            if self._error is not None:
                # An error that is raised and stays stored would make a reference cycle.
                error, self._error = self._error, StreamInterrupted(RESET)
                raise _error_before_head(error)
            self._waiter = asyncio.get_running_loop().create_future()
            await self._waiter

    async def chunk(self, *, decoded: bool = True) -> bytes:
        """Returns the bytes that have arrived; empty at the end. `decoded` False: in their content encoding.

        Raises StreamInterrupted; UpstreamError if the content encoding cannot be decoded.
        """
        if self._decoder is not None and decoded:
            return await self._decode_filtered(self._decoder)
        pieces = self._pieces
        while True:
            while not pieces:
                if self._error is not None:
                    raise _copy(self._error)
                if self._finished:
                    return self._close_filter() if decoded else b""
                if self.reading_paused:  # the reader asks for more, so it has handled the rest
                    self.reading_paused = False
                    self._connection.resume_reading()
                self._waiter = asyncio.get_running_loop().create_future()
                await self._waiter
            self._buffered = 0
            if len(pieces) == 1:
                data = pieces.pop()
            else:
                data = b"".join(pieces)
                pieces.clear()
            if self.filter is None or not decoded:
                return data
            data = self.filter.feed(data)
            if data:  # else all of it waits for what follows
                return data

    async def read(self, limit: int = MAX_BODY) -> bytes:
        """Returns the whole body. Raises UpstreamError if it is interrupted, or larger than `limit` bytes."""
        try:
            first = await self.chunk()
            if len(first) > limit:
                raise _too_large()
            if self._finished and self._decoder is None and not self._pieces and self._error is None:
                return first  # nearly every answer: it has arrived whole
            body = bytearray()  # a list of small pieces would need more memory than their bytes
            while piece := await self.chunk():
                if len(first) + len(body) + len(piece) > limit:
                    raise _too_large()
                body += piece
        except StreamInterrupted as cut:
            raise cut_error(cut.fault) from None
        return first + body if body else first

    def stop(self, fault: Fault) -> None:
        """Ends the body now: a pending or later `chunk()` raises StreamInterrupted(fault), even if bytes had
        arrived."""
        self._pieces.clear()
        self._decoded = iter(())
        if self._error is None:
            self._error = StreamInterrupted(fault)
            self._wake()

    async def close(self, *, finished: bool = False) -> None:
        """Closes the connection, unless the body was read to its end: then it serves the next request.

        `finished`: the stream's last event was read; waits briefly for the end of the body.
        """
        try:
            if finished and not self._finished and self._error is None:
                async with asyncio.timeout(_DRAIN_SECONDS):
                    while await self.chunk():
                        continue
        except (TimeoutError, StreamInterrupted, UpstreamError):
            pass
        finally:
            if not self._finished:
                self._connection.abort()

    # -- for the connection --------------------------------------------------------------------------

    def feed_head(self, status: int, headers: HeaderList) -> None:
        """Takes the head. Raises UpstreamError for a content encoding that cannot be decoded."""
        self.headers = headers
        for name, _ in headers:
            if len(name) == len(_CONTENT_ENCODING) and name.lower() == _CONTENT_ENCODING:
                self._decoder = self._decoder_of_body()
                break
        self.status = status
        self._wake()

    def feed(self, data: bytes) -> None:
        """Takes a piece of the body."""
        self._pieces.append(data)
        self._buffered += len(data)
        if self._buffered > _HIGH_WATER and not self.reading_paused:
            self.reading_paused = True
            self._connection.pause_reading()
        waiter = self._waiter
        if waiter is not None and not waiter.done():  # `_wake`, without a call for each read of a stream
            waiter.set_result(None)

    def finish(self) -> None:
        """Marks the body as complete."""
        self._finished = True
        self._wake()

    def fail(self, error: Exception) -> None:
        """Marks the body as interrupted. Bytes that have arrived can still be read."""
        if self._error is None and not self._finished:
            self._error = error
            self._wake()

    # -- inside --------------------------------------------------------------------------------------

    def _decoder_of_body(self) -> Decoder | None:
        """The decoder for the head's content encoding; None for `identity`. Raises UpstreamError."""
        coding = (self.header("content-encoding") or "identity").strip().lower()
        if coding == "identity":
            return None
        decoder = decoder_for(coding)  # some upstreams ignore `Accept-Encoding: identity`
        if decoder is None:
            raise UpstreamError(
                f"The upstream's response has the unsupported content encoding '{coding[:20]}'."
            )
        return decoder

    def _close_filter(self) -> bytes:
        """The bytes that the filter kept back; empty from the second time on."""
        last, self.filter = self.filter, None
        return b"" if last is None else last.close()

    async def _decode_filtered(self, decoder: Decoder) -> bytes:
        while True:
            piece = await self._decode(decoder)
            if self.filter is None:
                return piece
            if not piece:
                return self._close_filter()
            piece = self.filter.feed(piece)
            if piece:
                return piece

    async def _decode(self, decoder: Decoder) -> bytes:
        """Decodes one piece, no larger than a read: a few encoded bytes may expand to megabytes."""
        if self._since_pause >= _BYTES_PER_TURN:
            self._since_pause = 0
            await asyncio.sleep(0)
        try:
            while not (piece := next(self._decoded, b"")):
                data = await self.chunk(decoded=False)
                if data:
                    self._decoded = split_pieces(decoder.pieces(data), _BYTES_PER_TURN)
                elif decoder.incomplete:
                    raise StreamInterrupted(RESET)
                else:
                    return b""
        except CodingError as error:
            raise UpstreamError("The upstream's response cannot be decoded.", internal=str(error)) from None
        self._since_pause += len(piece)
        return piece

    def _wake(self) -> None:
        """Wakes the reader. A waiter that is done has been woken, or its reader was cancelled."""
        waiter = self._waiter
        if waiter is not None and not waiter.done():
            waiter.set_result(None)


def cut_error(fault: Fault) -> UpstreamError:
    """The error of a call whose body was interrupted before any of it was used."""
    if fault.cause == "timeout":
        return UpstreamTimeout(fault.message)
    return UpstreamUnreachable(fault.message)


def _copy(error: Exception) -> Exception:
    """A new exception: a stored one that is raised keeps its traceback's objects alive until a collection."""
    return StreamInterrupted(error.fault) if isinstance(error, StreamInterrupted) else error


def _too_large() -> UpstreamError:
    return UpstreamError("The upstream's response is too large.", code="upstream_too_large")


def _error_before_head(error: Exception) -> Exception:
    if isinstance(error, StreamInterrupted):
        if error.fault.cause == "timeout":
            return UpstreamTimeout("The upstream did not answer in time.")
        message = "The upstream closed the connection without a response."
        return UpstreamUnreachable(message, internal=error.fault.message)
    return error
