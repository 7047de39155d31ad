"""`Exchange`: one answer as it arrives: its head, then its body by what each read brought."""

import asyncio
from collections.abc import Coroutine, Iterator
from typing import Any, Protocol

from chat2response.errors import UpstreamError, UpstreamTimeout, UpstreamUnreachable
from chat2response.wire.content_encoding import CodingError, Decoder, decoder_for, split_pieces
from chat2response.wire.machine import RESET, Fault

Headers = tuple[tuple[bytes, bytes], ...]
"""As received: bytes, in order, names in the sender's case."""

MAX_BODY = 64 * 1024 * 1024  # bytes of an answer that is read whole
_HIGH = 16 * 1024  # bytes held, with which the connection is told to wait until they are taken
_TURN = 64 * 1024  # plain bytes handed on in one turn of the loop: as many as a read brings uncoded
_DRAIN_SECONDS = 0.25  # how long the end of a finished stream is awaited, to keep its connection


class Cut(Exception):
    """The body ended early."""

    def __init__(self, fault: Fault) -> None:
        super().__init__(fault.message)
        self.fault = fault


class Line(Protocol):
    """The connection under an exchange."""

    def hold(self) -> None:
        """Read no more for now."""
        ...

    def go_on(self) -> None:
        """Read again."""
        ...

    def abort(self) -> None:
        """Close it at once."""
        ...


class Exchange:
    """An answer. Close it in any case.

    The connection feeds it (`take_head`, `take`, `finish`, `fail`); everyone else reads.
    """

    __slots__ = ("_decoded", "_decoder", "_error", "_finished", "_held", "_holding", "_line", "_pieces",
                 "_unpaused", "_waiter", "headers", "status")  # fmt: skip

    def __init__(self, line: Line) -> None:
        self.status = 0
        self.headers: Headers = ()
        self._line = line
        self._pieces: list[bytes] = []
        self._held = 0
        self._holding = False
        self._finished = False
        self._error: Exception | None = None
        self._waiter: asyncio.Future[None] | None = None
        self._decoder: Decoder | None = None
        self._decoded: Iterator[bytes] = iter(())  # what more there is in coded bytes that have arrived
        self._unpaused = 0  # plain bytes that were handed on since the loop had its turn

    # -- for the reader ------------------------------------------------------------------------------

    def header(self, name: str) -> str | None:
        """One header's value, by its name in any case."""
        wanted = name.lower().encode("latin-1")
        for each, value in self.headers:
            if each.lower() == wanted:
                return value.decode("latin-1")
        return None

    @property
    def holding(self) -> bool:
        """Whether the reader is the slow one: the silence is not the upstream's."""
        return self._holding

    async def head(self) -> None:
        """Waits for it. Raises UpstreamUnreachable or UpstreamTimeout."""
        while not self.status:
            if self._error is not None:
                error, self._error = self._error, Cut(RESET)  # kept and raised, it would be a cycle
                raise _before_the_head(error)
            await self._wait()

    def chunk(self) -> Coroutine[Any, Any, bytes]:
        """What has arrived, as one run of bytes; empty at the end. Raises Cut; UpstreamError for a coding."""
        return self._received() if self._decoder is None else self._unpacked(self._decoder)

    async def read(self, limit: int = MAX_BODY) -> bytes:
        """The whole body. Raises UpstreamError where it is cut, or larger than `limit` bytes."""
        try:
            first = await self.chunk()
            if len(first) > limit:
                raise _too_large()
            body = bytearray()  # pieces would cost more than what is in them, where they are small
            while piece := await self.chunk():
                if len(first) + len(body) + len(piece) > limit:
                    raise _too_large()
                body += piece
        except Cut as cut:
            raise cut_error(cut.fault) from None
        return first + body if body else first

    def stop(self, fault: Fault) -> None:
        """Ends the body now: a pending or later `chunk()` raises Cut(fault), even where bytes had arrived."""
        self._pieces.clear()
        self._decoded = iter(())
        if self._error is None:
            self._error = Cut(fault)
            self._wake()

    async def close(self, *, finished: bool = False) -> None:
        """Leaves the connection to the next when the body was read to its end, else closes it.

        `finished`: all that matters was read; the few bytes of the end may still be on their way.
        """
        try:
            if finished and not self._finished and self._error is None:
                async with asyncio.timeout(_DRAIN_SECONDS):
                    while await self.chunk():
                        continue
        except (TimeoutError, Cut, UpstreamError):
            pass
        finally:
            if not self._finished:
                self._line.abort()

    # -- for the connection --------------------------------------------------------------------------

    def take_head(self, status: int, headers: Headers) -> None:
        """The head is here."""
        self.headers = headers
        coding = (self.header("content-encoding") or "identity").strip().lower()
        if coding != "identity":
            self._decoder = decoder_for(coding)  # not asked for; some answer so all the same
            if self._decoder is None:
                raise UpstreamError(f"The upstream's answer is coded as '{coding[:20]}', unasked.")
        self.status = status
        self._wake()

    def take(self, data: bytes) -> None:
        """Some of the body."""
        self._pieces.append(data)
        self._held += len(data)
        if self._held > _HIGH and not self._holding:
            self._holding = True
            self._line.hold()
        self._wake()

    def finish(self) -> None:
        """The body is whole."""
        self._finished = True
        self._wake()

    def fail(self, error: Exception) -> None:
        """It will not be. What had arrived can still be read."""
        if self._error is None and not self._finished:
            self._error = error
            self._wake()

    # -- inside --------------------------------------------------------------------------------------

    async def _received(self) -> bytes:
        while not self._pieces:
            if self._error is not None:
                raise _again(self._error)
            if self._finished:
                return b""
            if self._holding:  # not when they were taken: who asks again has passed them on
                self._holding = False
                self._line.go_on()
            await self._wait()
        return self._arrived()

    async def _unpacked(self, decoder: Decoder) -> bytes:
        """A piece no larger than a read: a few coded bytes may stand for megabytes, and others wait."""
        if self._unpaused >= _TURN:
            self._unpaused = 0
            await asyncio.sleep(0)
        try:
            while not (piece := next(self._decoded, b"")):
                data = await self._received()
                if data:
                    self._decoded = split_pieces(decoder.pieces(data), _TURN)
                elif decoder.incomplete:
                    raise Cut(RESET)
                else:
                    return b""
        except CodingError as error:
            raise UpstreamError("The upstream's answer cannot be read.", internal=str(error)) from None
        self._unpaused += len(piece)
        return piece

    def _arrived(self) -> bytes:
        pieces = self._pieces
        data = pieces[0] if len(pieces) == 1 else b"".join(pieces)
        pieces.clear()
        self._held = 0
        return data

    async def _wait(self) -> None:
        waiter = self._waiter = asyncio.get_running_loop().create_future()
        try:
            await waiter
        finally:
            self._waiter = None

    def _wake(self) -> None:
        waiter = self._waiter
        if waiter is not None and not waiter.done():
            waiter.set_result(None)


def cut_error(fault: Fault) -> UpstreamError:
    """A body cut before anything of it was used, as the error of the whole call."""
    if fault.cause == "timeout":
        return UpstreamTimeout(fault.message)
    return UpstreamUnreachable(fault.message)


def _again(error: Exception) -> Exception:
    """A new one: an error that is stored and raised holds what its traceback saw until the collector runs."""
    return Cut(error.fault) if isinstance(error, Cut) else error


def _too_large() -> UpstreamError:
    return UpstreamError("The upstream's answer is too large.", code="upstream_too_large")


def _before_the_head(error: Exception) -> Exception:
    if isinstance(error, Cut):
        if error.fault.cause == "timeout":
            return UpstreamTimeout("The upstream did not answer in time.")
        closed = "The upstream closed the connection without an answer."
        return UpstreamUnreachable(closed, internal=error.fault.message)
    return error
