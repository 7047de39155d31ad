"""`HttpResponse`: one response as it arrives: its head, then its body, pushed to a receiver."""

import asyncio
from typing import Protocol

from chat2response.errors import UpstreamError, UpstreamTimeout, UpstreamUnreachable, release_frames
from chat2response.net.received_bytes import SLICE, ReceivedBytes
from chat2response.net.receiver import Receiver, StreamInterrupted
from chat2response.net.whole_body import Discard, WholeBody
from chat2response.wire.content_encoding import decoder_for
from chat2response.wire.fault import RESET, Fault
from chat2response.wire.headers import HeaderList

MAX_BODY = 64 * 1024 * 1024  # bytes of a response that is read whole
_HIGH_WATER = 16 * 1024  # bytes nobody has taken at which reading pauses until they are
_BYTES_PER_TURN = 64 * 1024  # decoded bytes passed on in one turn of the loop: as many as a read brings
_CONTENT_ENCODING = b"content-encoding"
_DRAIN_SECONDS = 0.25  # how long to wait for the end of a finished stream, to reuse its connection


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


class HttpResponse:
    """A response, which its user must close.

    The connection feeds it (`feed_head`, `feed`, `finish`, `fail`); everyone else awaits the head and gets
    the body through a receiver. Bytes that arrive without a receiver, or while it pauses, wait.
    """

    __slots__ = ("_connection", "_error", "_finished", "_passing_on", "_paused", "_received", "_receiver",
                 "_waiter", "_yielding", "headers", "reading_paused", "status")  # fmt: skip

    def __init__(self, connection: ConnectionControl) -> None:
        self.status = 0
        self.headers: HeaderList = []
        self.reading_paused = False
        """Whether the receiver is slower than the upstream, so that silence is not the upstream's fault."""
        self._connection = connection
        self._received = ReceivedBytes()
        self._receiver: Receiver | None = None
        self._paused = False
        self._passing_on = False  # inside `_pass_on`, which a receiver may lead back to
        self._yielding = False  # the loop has its turn before more is passed on
        self._finished = False
        self._error: StreamInterrupted | UpstreamError | None = None
        self._waiter: asyncio.Future[None] | None = None  # for the head

    # -- for the user --------------------------------------------------------------------------------

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
                raise self._take(self._error)
            self._waiter = asyncio.get_running_loop().create_future()
            await self._waiter

    def push(self, receiver: Receiver, slice_size: int = SLICE) -> None:
        """Passes what has arrived, and what will, to `receiver`, which replaces an earlier one.

        `slice_size`: the most bytes that it gets at once.
        """
        self._receiver = receiver
        self._received.slice_size = slice_size
        self._paused = False
        self._pass_on()

    def pause(self) -> None:
        """Passes nothing on until `resume`."""
        self._paused = True

    def resume(self) -> None:
        """Continues after `pause`."""
        if self._paused:
            self._paused = False
            self._pass_on()

    def put_back(self, data: bytes) -> None:
        """Returns bytes that a receiver has got: the next one gets them first."""
        self._received.put_back(data)

    async def read(self, limit: int = MAX_BODY) -> bytes:
        """Returns the whole body. Raises UpstreamError if it is interrupted, or larger than `limit` bytes."""
        received = self._received
        whole = self._finished and self._error is None and not received.encoded
        if whole and received.size <= min(limit, received.slice_size):
            self._receiver = None
            return received.take()  # nearly every answer
        body = WholeBody(limit)
        self.push(body)
        return await body.wait()

    def stop(self, fault: Fault) -> None:
        """Ends the body now, even if bytes had arrived, or an interruption that has not passed.

        The connection closes at once: whoever uses the response may still wait for something else.
        """
        if not self._finished:
            self._connection.abort()
        self._received.clear()
        self._paused = False
        self._end(self._error or StreamInterrupted(fault))

    async def close(self, *, finished: bool = False) -> None:
        """Closes the connection, unless the whole body has arrived: then it serves the next request.

        `finished`: the stream's last event was read; waits briefly for the end of the body.
        """
        self._receiver = None
        try:
            if finished and not self._finished and self._error is None:
                rest = Discard()
                self.push(rest)
                async with asyncio.timeout(_DRAIN_SECONDS):
                    await rest.ended
        except TimeoutError:
            pass
        finally:
            self._receiver = None
            if not self._finished:
                self._connection.abort()

    # -- for the connection --------------------------------------------------------------------------

    def feed_head(self, status: int, headers: HeaderList) -> None:
        """Takes the head. Raises UpstreamError for a content encoding that cannot be decoded."""
        self.headers = headers
        for name, _ in headers:
            if len(name) == len(_CONTENT_ENCODING) and name.lower() == _CONTENT_ENCODING:
                self._decode_body()
                break
        self.status = status
        self._wake()

    def feed(self, data: bytes) -> None:
        """Takes a piece of the body."""
        received = self._received
        receiver = self._receiver
        if (
            receiver is not None
            and len(data) <= received.slice_size
            and not (self._paused or received.size or received.encoded)
        ):
            receiver.on_data(data)  # nearly every read of a stream
            return
        if self._error is not None:  # stopped, or broken: nothing more passes
            return
        received.add(data)
        if receiver is not None:
            self._pass_on()
        if received.size > _HIGH_WATER and not self.reading_paused:
            self.reading_paused = True
            self._connection.pause_reading()

    def finish(self) -> None:
        """Marks the body as complete."""
        self._finished = True
        if self._receiver is not None:
            self._pass_on()

    def fail(self, error: StreamInterrupted | UpstreamError) -> None:
        """Marks the body as interrupted. Bytes that have arrived still pass."""
        if self._error is None and not self._finished:
            self._error = error
            self._wake()
            self._pass_on()

    # -- inside --------------------------------------------------------------------------------------

    def _decode_body(self) -> None:
        """Decodes the body by the head's content encoding. Raises UpstreamError."""
        coding = (self.header("content-encoding") or "identity").strip().lower()
        if coding == "identity":
            return
        decoder = decoder_for(coding)  # some upstreams ignore `Accept-Encoding: identity`
        if decoder is None:
            raise UpstreamError(
                f"The upstream's response has the unsupported content encoding '{coding[:20]}'."
            )
        self._received.decode_with(decoder)

    def _pass_on(self) -> None:
        """Passes bytes to the receiver until it pauses or none are left, then the end."""
        if self._passing_on or self._yielding:
            return
        self._passing_on, passed = True, 0
        received = self._received
        try:
            while (receiver := self._receiver) is not None and not self._paused:
                if passed >= _BYTES_PER_TURN and received.encoded:  # a few bytes may decode to megabytes
                    self._yielding = True
                    asyncio.get_running_loop().call_soon(self._continue)
                    return
                try:
                    data = received.take()
                except UpstreamError as error:
                    received.clear()
                    release_frames(error)
                    data, self._error = b"", error
                if data:
                    passed += len(data)
                    receiver.on_data(data)
                    continue
                self._pass_end()
                if self._receiver is receiver:  # else it is gone, or another one took its place at the end
                    return
        finally:
            self._passing_on = False

    def _continue(self) -> None:
        self._yielding = False
        self._pass_on()

    def _pass_end(self) -> None:
        """All bytes have passed: the end follows, or else more bytes are read."""
        if self._error is not None:
            self._end(self._error)
        elif self._finished:
            receiver, self._receiver = self._receiver, None
            if receiver is not None:
                receiver.on_end(StreamInterrupted(RESET) if self._received.incomplete else None)
        elif self.reading_paused:
            self.reading_paused = False
            self._connection.resume_reading()

    def _end(self, error: StreamInterrupted | UpstreamError) -> None:
        self._error = error
        self._wake()
        receiver, self._receiver = self._receiver, None
        if receiver is not None:
            receiver.on_end(error)

    def _take(self, error: StreamInterrupted | UpstreamError) -> Exception:
        """The error in place of a head. One that stays in an attribute or a variable while it is raised would
        make a reference cycle."""
        self._error = StreamInterrupted(RESET)
        if not isinstance(error, StreamInterrupted):
            return error
        if error.fault.cause == "timeout":
            return UpstreamTimeout("The upstream did not answer in time.")
        message = "The upstream closed the connection without a response."
        return UpstreamUnreachable(message, internal=error.fault.message)

    def _wake(self) -> None:
        """Wakes who awaits the head. A waiter that is done has been woken, or its task was cancelled."""
        waiter = self._waiter
        if waiter is not None and not waiter.done():
            waiter.set_result(None)
