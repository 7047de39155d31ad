"""`Connection`: HTTP/1.1 over one socket, a request at a time. httptools parses; asyncio, or uvloop, carries.

All connections read into one buffer, whose bytes are parsed before the next read: what one read can bring is
bounded (uvloop's own buffer takes four times as much), and an idle connection has no buffer of its own.

Every wait is bounded by one timer per connection, which is re-armed when it fires and not at each read: in
use it guards against silence, idle it ends the connection.
"""

import asyncio
import sys
from collections.abc import Callable
from typing import cast

import httptools

from chat2response.errors import UpstreamError, UpstreamUnreachable
from chat2response.net.http_response import Cut, Exchange
from chat2response.wire.machine import RESET, TIMEOUT

_MAX_HEAD = 64 * 1024  # bytes of a head; and of what frames a body, between two bytes of it
_RACE_SECONDS = 1.0  # a server that had closed an idle connection says so within a round trip
_TLS_ALERT = b"\x15\x03"  # how a TLS server answers what is no TLS
_SPEAKS_TLS = "The upstream speaks TLS at this port: write https:// in OPENAI_BASE_URL."
_JOINED = 64 * 1024  # a body up to this size goes out in one write with its head


READ = 64 * 1024
"""The most bytes that one read brings."""
_BUFFER = memoryview(bytearray(READ))


def _read_buffer() -> memoryview:
    """The one that all share: a read and its parsing are one call from the loop. Windows alone reads while
    other connections do."""
    return memoryview(bytearray(READ)) if sys.platform == "win32" else _BUFFER


class Connection(asyncio.BufferedProtocol):
    """`on_free(connection)` is called when it can take the next request; a lost one calls nobody."""

    def __init__(self, silence: float, idle: float, on_free: Callable[["Connection"], None]) -> None:
        self._buffer = _read_buffer()
        self._silence = silence
        self._idle = idle
        self._stall = 0.0
        self._on_free = on_free
        self._loop = asyncio.get_running_loop()
        self._body: list[bytes] = []  # what the read that is being parsed holds of one
        self.on_body: Callable[[bytes], None] = self._body.append  # a stream's deltas are a piece each
        self._parser = httptools.HttpResponseParser(self)  # looks its callbacks up now
        self._transport: asyncio.Transport | None = None
        self._exchange: Exchange | None = None
        self._headers: list[tuple[bytes, bytes]] = []
        self._unread = 0  # bytes since the request was sent, or since the last byte of a body
        self._until_close = False  # the body has no length: the end of the connection is its end
        self._last = self._loop.time()  # when something was last sent or received
        self._sent = self._last
        self._begun = False  # the first byte of an answer is here
        self.raced = False
        """Whether the last request crossed with the peer's closing: lost at once, unanswered."""
        self._timer: asyncio.TimerHandle | None = None

    # -- for the pool --------------------------------------------------------------------------------

    @property
    def usable(self) -> bool:
        """Whether the peer still seems to be there."""
        return self._transport is not None and not self._transport.is_closing()

    def send(self, head: bytes, body: bytes, stall: float = 0.0) -> Exchange:
        """Sends a request; the exchange gets what comes back.

        `stall`: seconds that its body may be silent, where that is more than usual.
        """
        transport = self._transport
        assert transport is not None and self._exchange is None
        exchange = self._exchange = Exchange(self)
        self._headers = []
        self._unread = 0
        self._until_close = True
        self._stall = stall
        self._sent = self._last = self._loop.time()
        self._begun = False
        if self._timer is None:
            self._timer = self._loop.call_later(min(self._silence, self._idle), self._check)
        if len(body) <= _JOINED:
            transport.write(head + body)
        else:
            transport.write(head)
            transport.write(body)
        return exchange

    # -- for the exchange ----------------------------------------------------------------------------

    def hold(self) -> None:
        """Read no more for now."""
        if self.usable:
            assert self._transport is not None
            self._transport.pause_reading()

    def go_on(self) -> None:
        """Read again."""
        self._last = self._loop.time()
        if self.usable:
            assert self._transport is not None
            self._transport.resume_reading()

    def abort(self) -> None:
        """Closes it at once; what was not sent yet is not sent."""
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
        if self._exchange is None:  # nothing was asked: whatever this is, it answers no later request
            self.abort()
            return
        data = self._buffer[:nbytes]
        self._unread += nbytes
        try:
            if self._unread > _MAX_HEAD:
                self._feed_much(data)
            else:
                self._parser.feed_data(data)
            self._hand_on()
        except (httptools.HttpParserError, httptools.HttpParserUpgrade, UpstreamError) as error:
            self._hand_on()
            self._broken(error, data)

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop_timer()
        self._transport = None
        del self._parser  # it knows the connection, which would wait for the garbage collector
        exchange, self._exchange = self._exchange, None
        if exchange is None:
            return
        if exchange.status and self._until_close and exc is None:
            exchange.finish()
        else:
            self.raced = not self._begun and self._loop.time() - self._sent < _RACE_SECONDS
            exchange.fail(Cut(RESET))

    # -- httptools -----------------------------------------------------------------------------------

    def on_message_begin(self) -> None:
        """An answer, if one is awaited; bytes behind the last one must not become the next one."""
        if self._exchange is None:
            raise UpstreamError("The upstream answered what nobody asked.")
        self._begun = True

    def on_header(self, name: bytes, value: bytes) -> None:
        """One header; behind the head it is a trailer, which nobody reads."""
        if self._exchange is None or self._exchange.status:
            return
        self._headers.append((name, value))
        if len(name) in (14, 17) and name.lower() in (b"content-length", b"transfer-encoding"):
            self._until_close = False

    def on_headers_complete(self) -> None:
        """The head; one with status 1xx only announces another.

        A status that is none (RFC 9110, 15: 100 to 599) could not be passed on. Raises UpstreamError.
        """
        status = self._parser.get_status_code()
        if not 100 <= status <= 599:
            raise UpstreamError(f"The upstream answered with status {status:03}, which HTTP does not have.")
        if status >= 200 and self._exchange is not None:
            self._unread = 0
            self._exchange.take_head(status, tuple(self._headers))

    def on_message_complete(self) -> None:
        """The answer is whole."""
        self._hand_on()
        exchange = self._exchange
        if exchange is None or not exchange.status:
            self._headers = []
            return
        self._exchange = None
        exchange.finish()
        if exchange.holding:
            self.go_on()  # the next answer's reader is another one
        if self._parser.should_keep_alive() and self.usable:
            self._on_free(self)
        else:
            self.abort()

    # -- inside --------------------------------------------------------------------------------------

    def _hand_on(self) -> None:
        """What of a body was parsed, its chunked framing taken off: all of a read at once."""
        pieces = self._body
        if not pieces:
            return
        data = pieces[0] if len(pieces) == 1 else b"".join(pieces)
        pieces.clear()
        self._unread = 0
        if self._exchange is not None:
            self._exchange.take(data)

    def _feed_much(self, data: memoryview) -> None:
        """A read that goes past the bound of a head: it holds however the bytes are cut."""
        exchange = self._exchange
        if exchange is not None and not exchange.status:
            room = _MAX_HEAD - (self._unread - len(data))
            self._parser.feed_data(data[:room])
            if not exchange.status:
                raise UpstreamError("The head of the upstream's answer is too large.")
            data = data[room:]
        self._parser.feed_data(data)
        self._hand_on()
        if self._unread > _MAX_HEAD and self._exchange is not None:
            raise UpstreamError("What frames the body of the upstream's answer is too large.")

    def _broken(self, error: Exception, data: memoryview) -> None:
        cause = error.__context__ if isinstance(error, httptools.HttpParserCallbackError) else error
        exchange, self._exchange = self._exchange, None
        if exchange is not None:
            if exchange.status:
                exchange.fail(Cut(RESET))
            elif isinstance(cause, UpstreamError):
                exchange.fail(cause)
            else:
                what = _SPEAKS_TLS if bytes(data[:2]) == _TLS_ALERT else "The upstream's answer is not HTTP."
                exchange.fail(UpstreamUnreachable(what, internal=repr(error)))
        self.abort()

    def _check(self) -> None:
        """The timer: how long has it been quiet?"""
        self._timer = None
        exchange, since = self._exchange, self._last
        if exchange is None:
            limit = self._idle
        elif exchange.status:
            limit = max(self._silence, self._stall)
        else:
            limit, since = self._silence, self._sent  # the whole head: drops of it win no time
        left = since + limit - self._loop.time()
        if exchange is not None and exchange.holding:
            left = limit
        if left > 0:
            self._timer = self._loop.call_later(min(left, self._idle), self._check)
            return
        self._exchange = None
        if exchange is not None:
            exchange.fail(Cut(TIMEOUT))
        self.abort()

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
