"""uvicorn's HTTP protocol with the limits that a public server needs.

It limits the size of a request's head and body framing and the time for each (httptools has no limits),
validates heads, answers errors in the gateway's usual format, and offers extensions to the application.
Trailers are dropped: nothing that follows a head changes it.
"""

import logging
from typing import Any

import httptools
from uvicorn.protocols.http.flow_control import HIGH_WATER_LIMIT

from chat2response.observe.log_throttle import LogThrottle
from chat2response.server import error_answers
from chat2response.server.asgi_extensions import AsgiExtensions
from chat2response.server.coalescing_transport import CoalescingTransport
from chat2response.server.error_answers import MAX_HEAD, MAX_WAITING, RequestRejected
from chat2response.server.lingering_close import LingeringClose
from chat2response.server.request_head import check_head, head_size, head_without_upgrade
from chat2response.server.time_limits import TimedHttpProtocol
from chat2response.server.unread_watch import UnreadWatch
from chat2response.wire.headers import HeaderList

WRITE_HIGH_WATER = 32 * 1024  # unsent bytes above which writing pauses; one read more may be written
_TLS = b"\x16"  # the first byte of a TLS handshake, and of no HTTP request

_warn_tls = LogThrottle(
    logging.getLogger("chat2response"),
    "A client uses TLS (https://), but this port serves plain HTTP. Call it with http://, or put a "
    "proxy that terminates TLS in front of it.",
)


class BoundedHttpProtocol(TimedHttpProtocol):
    """Answers a head that is too large with 431, one that is too slow with 408, and closes the connection.

    A rejection waits for the answers to earlier pipelined requests.
    """

    def __init__(
        self,
        *args: Any,
        body_seconds: float,
        body_rate: int = 0,
        write_seconds: float = 0.0,
        **kwargs: Any,
    ) -> None:
        """`write_seconds`: disconnects a client that has read nothing of its answer for so long; 0: never."""
        super().__init__(*args, body_seconds=body_seconds, body_rate=body_rate, **kwargs)
        self._write_seconds = write_seconds
        self._large_read = False  # the current read is so large that a head inside it may be too large
        self._upgrading = False  # the head asks for another protocol, and is parsed again without that
        self._upgrade_headers: HeaderList = []  # the headers that the second parse leaves out
        self._rejected = False  # no further bytes are parsed
        self._pending_rejection: bytes | None = None  # waits for the answers to earlier requests

    # -- asyncio.Protocol ----------------------------------------------------------------------------

    def connection_made(self, transport: Any) -> None:
        """Starts to wait for the first head of a new connection."""
        self._unread = UnreadWatch(self.loop, transport, self._write_seconds)
        self._coalescing = CoalescingTransport(transport, self.loop, self._unread.start, self._should_linger)
        self._linger = LingeringClose(self.loop, self._coalescing.end)
        transport.set_write_buffer_limits(WRITE_HIGH_WATER)
        super().connection_made(self._coalescing)
        self._extensions = AsgiExtensions(self._coalescing, self.flow)
        self._scope_extensions: Any = self._extensions.table()
        self._await_head()

    def connection_lost(self, exc: Exception | None) -> None:
        """Stops all timers, reports the disconnect, and breaks reference cycles."""
        self._stop_timer()
        self._unread.stop()
        self._linger.stop()
        super().connection_lost(exc)
        self._release()
        self._extensions.connection_lost()

    def pause_writing(self) -> None:
        """Watches a client that reads more slowly than the server writes."""
        super().pause_writing()
        self._unread.start()
        if self._extensions.sink is not None:
            self._extensions.sink.full = True

    def resume_writing(self) -> None:
        """Stops watching: the client has caught up."""
        super().resume_writing()
        self._unread.stop()
        if self._extensions.sink is not None:
            self._extensions.sink.drain()

    def data_received(self, data: bytes) -> None:
        """Parses what was read, then checks the size limits and sets the timers."""
        if self._rejected:
            self._linger.touch()
            return
        if len(data) + self._unfinished <= MAX_HEAD:
            self._feed(data)
        else:
            self._feed_large(data)
        if self._rejected:
            return
        if self._unfinished > MAX_HEAD:
            self._reject(error_answers.FRAMING_TOO_LARGE if self._in_body else error_answers.HEAD_TOO_LARGE)
        elif self._in_body:
            self._await_body()
        elif self._unfinished and self._deadline is None:
            self._await_head()

    # -- httptools -----------------------------------------------------------------------------------

    def on_header(self, name: bytes, value: bytes) -> None:
        """Stores a header; drops a trailer, which is a header after the head."""
        if not self._in_body:
            self.headers.append((name.lower(), value))
        elif name.lower() == b"connection" and b"close" in value.lower():
            self.cycle.keep_alive = False  # the parser obeys it as if it stood in the head

    def on_headers_complete(self) -> None:
        """Validates a complete head and starts the request."""
        self._unfinished = 0
        self.url, self.expect_100_continue = check_head(
            self.parser.get_http_version(), self.url, self.headers
        )
        if self._large_read and head_size(self.url, self.headers) > MAX_HEAD:
            raise RequestRejected(error_answers.HEAD_TOO_LARGE)
        if len(self.pipeline) >= MAX_WAITING:
            raise RequestRejected(error_answers.TOO_MANY_PIPELINED)
        if self.parser.should_upgrade():
            if self.parser.get_method() == b"CONNECT":
                raise RequestRejected(error_answers.INVALID_TARGET)
            self._upgrading = True
            return
        self._in_body = True
        if self._deadline is not None:
            self._stop_timer()
        if self._upgrade_headers:
            self.headers += self._upgrade_headers
            self._upgrade_headers = []
        super().on_headers_complete()
        self.scope["extensions"] = self._scope_extensions

    def on_body(self, body: bytes) -> None:
        """Passes a part of the body on."""
        self._unfinished = 0
        if self._rate is not None:
            self._rate.add(len(body))
        cycle = self.cycle
        if cycle.response_complete:
            return
        cycle.body += body
        if len(cycle.body) > HIGH_WATER_LIMIT:
            self.flow.pause_reading()
        cycle.message_event.set()

    def on_message_complete(self) -> None:
        """Ends the body of a complete request."""
        self._unfinished = 0
        if self._upgrading:
            return
        self._in_body = False
        if self._deadline is not None:
            self._stop_timer()
        cycle = self.cycle
        if not cycle.response_complete:
            cycle.more_body = False
            cycle.message_event.set()
        elif not cycle.keep_alive:
            self.transport.close()  # a trailer asked for it after the answer was sent

    def on_response_complete(self) -> None:
        """Starts the next pipelined request, or sends a pending rejection, or waits for the next request."""
        self.server_state.total_requests += 1
        if self._extensions.sink is not None:
            self._extensions.end_sink()
        if self.transport.is_closing():
            return
        if self.flow.read_paused:
            self.flow.resume_reading()
        if self.pipeline:
            self._start_asgi_task(*self.pipeline.pop())
            if self._rate is not None:
                self._rate.restart(self.loop.time())
        elif self._pending_rejection is not None:
            self._send_rejection(self._pending_rejection)
        else:
            self._idle_since = self.loop.time()
            if self.timeout_keep_alive_task is None:
                self._await_request(self.timeout_keep_alive)

    def _release(self) -> None:
        """Breaks the reference cycles of a lost connection, which otherwise wait for the garbage collector.

        A call that still runs keeps its own cycle, and the extensions in its scope.
        """
        self._unset_keepalive_if_required()  # uvicorn forgets this after a reset
        self._coalescing.release()
        self.pipeline.clear()
        self.cycle = self.scope = self._scope_extensions = None  # type: ignore[assignment]

    # -- reading -------------------------------------------------------------------------------------

    def _feed(self, data: bytes) -> None:
        self._unfinished += len(data)
        try:
            while data:
                try:
                    self.parser.feed_data(data)
                    return
                except httptools.HttpParserUpgrade as upgrade:
                    data = data[upgrade.args[0] :]
                self._parse_without_upgrade()
                self._unfinished = len(data)
        except httptools.HttpParserError as error:
            if self.cycle is None and data[:1] == _TLS:
                _warn_tls()
            cause = error.__context__
            self._reject(cause.answer if isinstance(cause, RequestRejected) else error_answers.NOT_HTTP)

    def _feed_large(self, data: bytes) -> None:
        """Parses a read that exceeds the limit of a head: the limit holds however the bytes are split."""
        self._large_read = True
        if not self._in_body:
            remaining = MAX_HEAD - self._unfinished
            self._feed(data[:remaining])
            data = data[remaining:]
            if self._unfinished >= MAX_HEAD:  # still the same head
                self._reject(error_answers.HEAD_TOO_LARGE)
        if not self._rejected:
            self._feed(data)
        self._large_read = False

    def _parse_without_upgrade(self) -> None:
        """Parses a head that asks for another protocol again, without its upgrade headers.

        After an upgrade the parser would stop reading HTTP. The application still sees all headers.
        """
        head = head_without_upgrade(
            self.parser.get_method(), self.url, self.parser.get_http_version(), self.headers
        )
        self._upgrade_headers = [header for header in self.headers if header[0] == b"upgrade"]
        self._upgrading = False
        self.parser = httptools.HttpRequestParser(self)
        self.parser.set_dangerous_leniencies(lenient_data_after_close=True)
        self.parser.feed_data(head)

    # -- rejecting -----------------------------------------------------------------------------------

    def _reject(self, answer: bytes) -> None:
        """Stops parsing, and closes the connection with `answer` after the answers to earlier requests."""
        if self._rejected or self.transport.is_closing():
            return
        self._rejected = True
        self._stop_timer()
        cycle = self.cycle
        if not self._in_body:
            if self._answering():
                self._pending_rejection = answer
            else:
                self._send_rejection(answer)
        elif cycle.response_started:
            self.transport.close()  # the answer has begun before the body ended
        else:
            cycle.disconnected = True  # wakes whoever waits for the body, and drops its answer
            cycle.message_event.set()
            if self.pipeline:  # the rejected request is the last in the queue, and has not started
                self.pipeline.popleft()
                self._pending_rejection = answer
            else:
                self._send_rejection(answer)

    def _send_rejection(self, answer: bytes) -> None:
        if self.transport.is_closing():
            return
        self.transport.write(answer)
        self._linger.start()

    def _should_linger(self) -> bool:
        """Whether to delay the close, because the client has its answer but still sends a body."""
        if self._extensions.sink is not None:
            self._extensions.sink.mute()  # its response remains incomplete
        if self._rejected or not self._in_body:
            return False
        self._rejected = True
        self._stop_timer()
        self.flow.resume_reading()
        self._linger.start()
        return True
