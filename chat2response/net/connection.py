"""`Connection`: HTTP/1.1 over one socket, a request at a time. httptools parses; asyncio or uvloop does I/O.

All connections read into one shared buffer, whose bytes are parsed before the next read. This bounds the size
of a read (uvloop's own buffer is four times as large), and an idle connection needs no buffer of its own.

One timer per connection bounds every wait. It is re-armed when it fires, not at each read. While a response
is in progress it limits silence; while the connection is idle it closes it.
"""

import asyncio
import sys
from collections.abc import Callable
from typing import cast

import httptools

from chat2response.errors import UpstreamError, UpstreamUnreachable
from chat2response.net.http_response import HttpResponse
from chat2response.net.receiver import StreamInterrupted
from chat2response.wire.fault import RESET, TIMEOUT
from chat2response.wire.headers import HeaderList

_MAX_HEAD = 64 * 1024  # bytes of a response head, and of chunk framing between two bytes of a body
_RACE_SECONDS = (
    1.0  # if the server had already closed an idle connection, its FIN or RST arrives within this time
)
_TLS_ALERT = b"\x15\x03"  # the first bytes with which a TLS server answers a plain-text request
_SPEAKS_TLS = "The upstream expects TLS on this port. Write https:// in OPENAI_BASE_URL."
_MAX_JOINED_BODY = 64 * 1024  # bytes; a body up to this size is written together with its head


READ = 64 * 1024
"""The size of the read buffer in bytes: the most that one read brings."""
_BUFFER = memoryview(bytearray(READ))


def _read_buffer() -> memoryview:
    """The shared buffer: the loop reads and parses in one call. On Windows the reads of several connections
    overlap, so each connection gets a buffer of its own."""
    return memoryview(bytearray(READ)) if sys.platform == "win32" else _BUFFER


class Connection(asyncio.BufferedProtocol):
    """Calls `on_free(connection)` when it can take the next request, and never after it is lost.

    `silence`, `idle`: seconds without a byte during a response, and without a request.
    """

    def __init__(self, silence: float, idle: float, on_free: Callable[["Connection"], None]) -> None:
        self._buffer = _read_buffer()
        self._silence = silence
        self._idle = idle
        self._stall = 0.0
        self._on_free = on_free
        self._loop = asyncio.get_running_loop()
        self._body: list[bytes] = []  # body bytes in the read that is being parsed
        self.on_body: Callable[[bytes], None] = self._body.append  # called for each chunk
        self._parser = httptools.HttpResponseParser(self)  # looks up its callbacks here, once
        self._transport: asyncio.Transport | None = None
        self._response: HttpResponse | None = None
        self._headers: HeaderList = []
        self._unread = 0  # bytes received since the request was sent, or since the last byte of the body
        self._until_close = False  # the body has no length: it ends when the connection closes
        self._last = self._loop.time()  # when bytes were last sent or received
        self._sent = self._last
        self._begun = False  # the first byte of a response has arrived
        self.lost_race = False
        """Whether the peer closed the connection while the last request was on its way to it."""
        self._timer: asyncio.TimerHandle | None = None

    # -- for the pool --------------------------------------------------------------------------------

    @property
    def usable(self) -> bool:
        """Whether the connection still appears to be open."""
        return self._transport is not None and not self._transport.is_closing()

    def send(self, head: bytes, body: bytes, stall: float = 0.0) -> HttpResponse:
        """Sends a request and returns the response, which is filled as bytes arrive.

        `stall`: seconds of silence allowed in the body, if more than the usual limit.
        """
        transport = self._transport
        assert transport is not None and self._response is None
        response = self._response = HttpResponse(self)
        self._headers = []
        self._unread = 0
        self._until_close = True
        self._stall = stall
        self._sent = self._last = self._loop.time()
        self._begun = False
        if self._timer is None:
            self._timer = self._loop.call_later(min(self._silence, self._idle), self._check)
        if len(body) <= _MAX_JOINED_BODY:
            transport.write(head + body)
        else:
            transport.write(head)
            transport.write(body)
        return response

    # -- for the response ----------------------------------------------------------------------------

    def pause_reading(self) -> None:
        """Stops reading until `resume_reading`."""
        if self.usable:
            assert self._transport is not None
            self._transport.pause_reading()

    def resume_reading(self) -> None:
        """Continues after `pause_reading`."""
        self._last = self._loop.time()
        if self.usable:
            assert self._transport is not None
            self._transport.resume_reading()

    def abort(self) -> None:
        """Closes the connection at once and discards unsent bytes."""
        self._stop_timer()
        if self._transport is not None:
            self._transport.abort()

    # -- asyncio.BufferedProtocol --------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)

    def get_buffer(self, sizehint: int) -> memoryview:
        return self._buffer

    def buffer_updated(self, nbytes: int) -> None:
        self._last = self._loop.time()
        if nbytes == READ:
            self._yield()
        if self._response is None:  # no request is open: these bytes must not answer a later one
            self.abort()
            return
        data = self._buffer[:nbytes]
        self._unread += nbytes
        try:
            if self._unread > _MAX_HEAD:
                self._feed_past_limit(data)
            else:
                self._parser.feed_data(data)
            pieces, response = self._body, self._response
            if len(pieces) == 1 and response is not None:  # `_deliver`, without a call for each read
                self._unread = 0
                response.feed(pieces.pop())
            elif pieces:
                self._deliver()
        except (httptools.HttpParserError, httptools.HttpParserUpgrade, UpstreamError) as error:
            self._deliver()
            self._fail(error, data)

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop_timer()
        self._transport = None
        del self._parser  # breaks a reference cycle
        response, self._response = self._response, None
        if response is None:
            return
        if response.status and self._until_close and exc is None:
            response.finish()
        else:
            self.lost_race = not self._begun and self._loop.time() - self._sent < _RACE_SECONDS
            response.fail(StreamInterrupted(RESET))

    # -- httptools -----------------------------------------------------------------------------------

    def on_message_begin(self) -> None:
        """Rejects bytes after the end of a response: they must not answer the next request."""
        if self._response is None:
            raise UpstreamError("The upstream sent a response without a request.")
        self._begun = True

    def on_header(self, name: bytes, value: bytes) -> None:
        """Collects a header. Ignores trailers."""
        if self._response is None or self._response.status:
            return
        self._headers.append((name, value))
        if len(name) in (14, 17) and name.lower() in (b"content-length", b"transfer-encoding"):
            self._until_close = False

    def on_headers_complete(self) -> None:
        """Passes the head to the response. A head with status 1xx is followed by another one.

        Raises UpstreamError for a status outside 100 to 599 (RFC 9110, 15), which cannot be passed on.
        """
        status = self._parser.get_status_code()
        if not 100 <= status <= 599:
            raise UpstreamError(
                f"The upstream answered with status {status:03}, which is not an HTTP status."
            )
        if status >= 200 and self._response is not None:
            self._unread = 0
            self._response.feed_head(status, self._headers)

    def on_message_complete(self) -> None:
        """Ends the response, and frees or closes the connection."""
        if self._body:
            self._deliver()
        response, transport = self._response, self._transport
        if response is None or not response.status:
            self._headers = []
            return
        self._response = None
        response.finish()
        if response.reading_paused:
            self.resume_reading()  # for the next response
        if self._parser.should_keep_alive() and transport is not None and not transport.is_closing():
            self._on_free(self)
        else:
            self.abort()

    # -- inside --------------------------------------------------------------------------------------

    def _yield(self) -> None:
        """Reads on in the next turn of the loop: libuv reads up to 32 times while more has arrived, and each
        read is converted at once."""
        if self.usable:
            assert self._transport is not None
            self._transport.pause_reading()
            self._loop.call_soon(self._continue)

    def _continue(self) -> None:
        response = self._response
        if self.usable and not (response is not None and response.reading_paused):
            assert self._transport is not None
            self._transport.resume_reading()

    def _deliver(self) -> None:
        """Passes the body bytes of a read to the response at once, without their chunked framing."""
        pieces = self._body
        if not pieces:
            return
        data = pieces[0] if len(pieces) == 1 else b"".join(pieces)
        pieces.clear()
        self._unread = 0
        if self._response is not None:
            self._response.feed(data)

    def _feed_past_limit(self, data: memoryview) -> None:
        """Feeds a read that passes the limit of a head, so that the limit does not depend on the chunking."""
        response = self._response
        if response is not None and not response.status:
            room = _MAX_HEAD - (self._unread - len(data))
            self._parser.feed_data(data[:room])
            if not response.status:
                raise UpstreamError("The headers of the upstream's response are too large.")
            data = data[room:]
        self._parser.feed_data(data)
        self._deliver()
        if self._unread > _MAX_HEAD and self._response is not None:
            raise UpstreamError("The chunk framing of the upstream's response is too large.")

    def _fail(self, error: Exception, data: memoryview) -> None:
        cause = error.__context__ if isinstance(error, httptools.HttpParserCallbackError) else error
        response, self._response = self._response, None
        if response is not None:
            if response.status:
                response.fail(StreamInterrupted(RESET))
            elif isinstance(cause, UpstreamError):
                response.fail(cause)
            else:
                speaks_tls = bytes(data[:2]) == _TLS_ALERT
                message = _SPEAKS_TLS if speaks_tls else "The upstream's response is not HTTP."
                response.fail(UpstreamUnreachable(message, internal=repr(error)))
        self.abort()

    def _check(self) -> None:
        """Runs when the timer fires: closes the connection if it was silent for too long, else re-arms."""
        self._timer = None
        response, since = self._response, self._last
        if response is None:
            limit = self._idle
        elif response.status:
            limit = max(self._silence, self._stall)
        else:
            limit, since = self._silence, self._sent  # a head that trickles in does not extend the limit
        left = since + limit - self._loop.time()
        if response is not None and response.reading_paused:
            left = limit
        if left > 0:
            self._timer = self._loop.call_later(min(left, self._idle), self._check)
            return
        self._response = None
        if response is not None:
            response.fail(StreamInterrupted(TIMEOUT))
        self.abort()

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
