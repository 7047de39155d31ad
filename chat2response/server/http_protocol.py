"""uvicorn's HTTP protocol, where it meets strangers: bounds on a request's head, on what frames its body, and
on how slowly either comes (httptools has none of its own); what a head must be to reach the application;
refusals in the one shape that errors have here; and word of a client that hangs up (`api.hang_up`).

What follows a head never changes it: trailers are dropped.
"""

import asyncio
import logging
import re
from collections.abc import Callable
from typing import Any

import httptools
from uvicorn.protocols.http.flow_control import HIGH_WATER_LIMIT
from uvicorn.protocols.http.httptools_impl import (
    STATUS_LINE,
    HttpToolsProtocol,
    RequestResponseCycle,
)

from chat2response.api.http.disconnect import DISCONNECT
from chat2response.api.http.request import FLOW_CONTROL, SEND_RESPONSE, HeaderPairs
from chat2response.observe.log_throttle import LogThrottle
from chat2response.server import error_answers
from chat2response.server.body_rate import Pace
from chat2response.server.coalescing_transport import JoinedHeads
from chat2response.server.error_answers import MAX_HEAD, MAX_WAITING, Refused
from chat2response.server.lingering_close import Linger
from chat2response.server.request_target import origin_form
from chat2response.server.unread_watch import UnreadWatch

HEAD_SECONDS = 30.0  # from a head's first byte to its last; a new connection has as long for its first head
WRITE_HIGH = 64 * 1024  # bytes that wait to be written, over which nothing is written behind them
_UNFIT = re.compile(rb"[\x00-\x08\x0a-\x1f\x7f]").search  # in a header's value
_TLS = b"\x16"  # how a TLS handshake begins, and no request

_tls_spoken = LogThrottle(
    logging.getLogger("chat2response"),
    "A client speaks TLS (https://) to this port, which serves plain HTTP: call it with http://, or put a "
    "proxy that ends TLS in front of it.",
)


class BoundedHeads(HttpToolsProtocol):
    """A head that grows past its bound is answered 431, one that takes too long 408, and the connection ends.

    So does one whose body says nothing for `body_seconds`, or comes at fewer than `body_rate` bytes a second.
    The clock runs only while the rest of a head or a body is awaited: a request that comes in one read sets
    no timer. A refusal waits for the answers to the requests before it.
    """

    def __init__(
        self,
        *args: Any,
        body_seconds: float,
        body_rate: int = 0,
        write_seconds: float = 0.0,
        **kwargs: Any,
    ) -> None:
        """`write_seconds`: in which a client takes nothing of its answer; then its connection ends."""
        super().__init__(*args, **kwargs)
        self._body_seconds = body_seconds
        self._body_rate = body_rate
        self._write_seconds = write_seconds
        self._pace: Pace | None = None  # while the rest of a body is awaited
        self._unfinished = 0  # bytes since the last one of a body, or the end of a head or request
        self._crowded = False  # a read brought so much that a head inside it may be too large
        self._in_body = False
        self._upgrading = False  # the head asks for another protocol, and is read again without that
        self._hidden: list[tuple[bytes, bytes]] = []  # of that head, what the parser is not shown again
        self._refused = False  # nothing that comes is read any more
        self._last_word: bytes | None = None  # a refusal that waits for the answers before it
        self._deadline: asyncio.TimerHandle | None = None
        self._lost = False
        self._hung_up: Callable[[], None] | None = None
        # Of the connection: made for each request, it would be a cycle that only the collector finds.
        self._extensions: Any = {DISCONNECT: self._watch, SEND_RESPONSE: self._answer}

    # -- asyncio.Protocol ----------------------------------------------------------------------------

    def connection_made(self, transport: Any) -> None:
        """A connection is open; its first head is awaited."""
        self._unread = UnreadWatch(self.loop, transport, self._write_seconds)
        self._joined = JoinedHeads(transport, self.loop, self._unread.start, self._lingers)
        self._linger = Linger(self.loop, self._joined.end)
        transport.set_write_buffer_limits(WRITE_HIGH)
        super().connection_made(self._joined)
        self._extensions[FLOW_CONTROL] = self.flow
        self._await_head()

    def connection_lost(self, exc: Exception | None) -> None:
        """It is gone."""
        self._stop_clock()
        self._unread.stop()
        self._linger.stop()
        super().connection_lost(exc)
        self._lost = True
        hung_up, self._hung_up = self._hung_up, None
        self._release()
        if hung_up is not None:
            hung_up()

    def pause_writing(self) -> None:
        """The client does not read as fast as it is written to."""
        super().pause_writing()
        self._unread.start()

    def resume_writing(self) -> None:
        """It does again."""
        super().resume_writing()
        self._unread.stop()

    def data_received(self, data: bytes) -> None:
        """What was read; it counts as long as the head is not whole."""
        if self._refused:
            self._linger.hear()
            return
        if self.timeout_keep_alive_task is not None:
            self._unset_keepalive_if_required()
        if len(data) + self._unfinished <= MAX_HEAD:
            self._feed(data)
        else:
            self._feed_much(data)
        if self._refused:
            return
        if self._unfinished > MAX_HEAD:
            self._refuse(error_answers.FRAMING_TOO_LARGE if self._in_body else error_answers.TOO_LARGE)
        elif self._in_body:
            self._await_body()
        elif self._unfinished and self._deadline is None:
            self._await_head()

    # -- httptools -----------------------------------------------------------------------------------

    def on_header(self, name: bytes, value: bytes) -> None:
        """One header; behind the head it is a trailer, which nobody reads."""
        if not self._in_body:
            self.headers.append((name.lower(), value))
        elif name.lower() == b"connection" and b"close" in value.lower():
            self.cycle.keep_alive = False  # the parser takes it for the head's, and reads no further request

    def on_headers_complete(self) -> None:
        """A head is whole; what follows is its body."""
        self._unfinished = 0
        self._check_head()
        if self.parser.should_upgrade():
            if self.parser.get_method() == b"CONNECT":
                raise Refused(error_answers.TARGET)
            self._upgrading = True
            return
        self._in_body = True
        self._stop_clock()
        if self._hidden:
            self.headers += self._hidden
            self._hidden = []
        super().on_headers_complete()
        self.scope["extensions"] = self._extensions

    def on_body(self, body: bytes) -> None:
        """Some of the body."""
        self._unfinished = 0
        if self._pace is not None:
            self._pace.take(len(body))
        cycle = self.cycle
        if cycle.response_complete:
            return
        cycle.body += body
        if len(cycle.body) > HIGH_WATER_LIMIT:
            self.flow.pause_reading()
        cycle.message_event.set()

    def on_message_complete(self) -> None:
        """A request is whole; what follows is the next head."""
        self._unfinished = 0
        if self._upgrading:
            return
        self._in_body = False
        self._stop_clock()
        cycle = self.cycle
        if not cycle.response_complete:
            cycle.more_body = False
            cycle.message_event.set()
        elif not cycle.keep_alive:
            self.transport.close()  # a trailer said so, behind the answer

    def on_response_complete(self) -> None:
        """An answer is sent; the next request in line is begun, or a refusal that waited is sent."""
        waiting = bool(self.pipeline)
        super().on_response_complete()
        if waiting:
            if self._pace is not None:
                self._pace.restart(self.loop.time())
        elif self._last_word is not None:
            self._say(self._last_word)

    # -- for the application -------------------------------------------------------------------------

    def _watch(self, act: Callable[[], None]) -> Callable[[], None]:
        """Of the request that is being answered: those behind it in the same connection wait for it."""
        self.flow.resume_reading()  # a large body has paused it, and the end is read like anything else
        self._hung_up = act
        if self._lost:
            act()

        def forget() -> None:
            # An answered call may still be putting its things away when the next one is watched for.
            if self._hung_up is act:
                self._hung_up = None

        return forget

    def _answer(self, send: Any, status: int, headers: HeaderPairs, body: bytes) -> bool:
        """Sends a whole answer at once, as uvicorn would in two steps; False for one that needs its care.

        `send`: the request's own, by which it is told from those behind it in the same connection.
        """
        cycle = getattr(send, "__self__", None)
        if (
            not isinstance(cycle, RequestResponseCycle)  # somebody in between wants to see what is sent
            or cycle.response_started
            or cycle.disconnected
            or not cycle.keep_alive
            or cycle.scope["method"] == "HEAD"
            or self.flow.write_paused
        ):
            return False
        lines = [STATUS_LINE[status]]
        for name, value in (*cycle.default_headers, *headers):
            if name == b"connection" or _UNFIT(value):
                return False
            lines += (name, b": ", value, b"\r\n")
        lines += (b"\r\n", body)
        self._joined.write_now(b"".join(lines))
        cycle.waiting_for_100_continue = False
        cycle.response_started = cycle.response_complete = True
        cycle.message_event.set()
        cycle.on_response()
        return True

    def _release(self) -> None:
        """Lets go of all that knows this connection, or both would wait for the garbage collector.

        A call that is not over yet still has its own cycle, and what our server added to its scope.
        """
        self._unset_keepalive_if_required()  # uvicorn leaves it where the connection was reset
        self._joined.release()
        self.pipeline.clear()
        self.cycle = self.scope = self._extensions = None  # type: ignore[assignment]

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
                self._read_again()
                self._unfinished = len(data)
        except httptools.HttpParserError as error:
            if self.cycle is None and data[:1] == _TLS:
                _tls_spoken()
            fault = error.__context__
            self._refuse(fault.answer if isinstance(fault, Refused) else error_answers.NOT_HTTP)

    def _feed_much(self, data: bytes) -> None:
        """A read that goes past the bound of a head: it holds however the bytes are cut."""
        self._crowded = True
        if not self._in_body:
            room = MAX_HEAD - self._unfinished
            self._feed(data[:room])
            data = data[room:]
            if self._unfinished >= MAX_HEAD:  # still the same head
                self._refuse(error_answers.TOO_LARGE)
        if not self._refused:
            self._feed(data)
        self._crowded = False

    def _read_again(self) -> None:
        """The head asked for another protocol, and behind it the parser would read that one.

        A new parser gets the head without what asks so, and goes on with the body. The application sees all.
        """
        version = self.parser.get_http_version().encode()
        lines = [b"%b %b HTTP/%b" % (self.parser.get_method(), self.url, version)]
        lines += [b"%b: %b" % header for header in self.headers if header[0] != b"upgrade"]
        self._hidden = [header for header in self.headers if header[0] == b"upgrade"]
        self._upgrading = False
        self.parser = httptools.HttpRequestParser(self)
        self.parser.set_dangerous_leniencies(lenient_data_after_close=True)
        self.parser.feed_data(b"\r\n".join((*lines, b"", b"")))

    def _check_head(self) -> None:
        """Raises Refused for a head that no request of ours has."""
        version, headers = self.parser.get_http_version(), self.headers
        seen = dict(headers)
        if version not in ("1.1", "1.0"):
            raise Refused(error_answers.VERSION)
        if b"host" not in seen:
            if version == "1.1":
                raise Refused(error_answers.HOST)
        elif len(seen) != len(headers) and sum(name == b"host" for name, _ in headers) > 1:
            raise Refused(error_answers.HOST)
        if b"transfer-encoding" in seen:
            codings = {value.strip().lower() for name, value in headers if name == b"transfer-encoding"}
            if version == "1.0" or codings != {b"chunked"}:
                raise Refused(error_answers.CODING)
        self.expect_100_continue = seen.get(b"expect", b"").lower() == b"100-continue"
        if self.url[:1] != b"/" and self.url != b"*":
            target = origin_form(self.url, seen.get(b"host"))
            if target is None:
                raise Refused(error_answers.TARGET)
            self.url = target
        if self._crowded and _size(self.url, self.headers) > MAX_HEAD:
            raise Refused(error_answers.TOO_LARGE)
        if len(self.pipeline) >= MAX_WAITING:
            raise Refused(error_answers.TOO_MANY)

    # -- the clock -----------------------------------------------------------------------------------

    def _await_head(self) -> None:
        self._deadline = self.loop.call_later(HEAD_SECONDS, self._late)

    def _await_body(self) -> None:
        now = self.loop.time()
        if self._pace is not None:
            self._pace.hear(now)
            return
        self._pace = Pace(self._body_seconds, self._body_rate, now)
        self._deadline = self.loop.call_later(self._pace.due(now), self._look)

    def _stop_clock(self) -> None:
        self._pace = None
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None

    def _late(self) -> None:
        self._deadline = None
        if self._unfinished:
            self._refuse(error_answers.TOO_SLOW)
        else:
            self.transport.close()  # it was opened for nothing

    def _look(self) -> None:
        """Whether the body comes fast enough.

        The clock rests while we do not read, and while an earlier request of the connection is answered.
        """
        self._deadline = None
        pace, now = self._pace, self.loop.time()
        if pace is None:
            return
        if self.flow.read_paused or self.pipeline:
            pace.restart(now)
        fault = pace.fault(now)
        if fault is None:
            self._deadline = self.loop.call_later(pace.due(now), self._look)
        else:
            self._refuse(fault)

    # -- refusing ------------------------------------------------------------------------------------

    def _refuse(self, answer: bytes) -> None:
        """Reads no more of the connection, and ends it with `answer`, behind the answers due before it."""
        if self._refused or self.transport.is_closing():
            return
        self._refused = True
        self._stop_clock()
        cycle = self.cycle
        if not self._in_body:
            if self._answering():
                self._last_word = answer
            else:
                self._say(answer)
        elif cycle.response_started:
            self.transport.close()  # it was answered before it was whole
        else:
            cycle.disconnected = True  # whoever waits for the body is told, and cannot answer after us
            cycle.message_event.set()
            if self.pipeline:  # it is the last in line, and nobody has looked at it yet
                self.pipeline.popleft()
                self._last_word = answer
            else:
                self._say(answer)

    def _answering(self) -> bool:
        cycle: RequestResponseCycle | None = self.cycle
        return cycle is not None and not cycle.response_complete

    def _say(self, answer: bytes) -> None:
        if self.transport.is_closing():
            return
        self.transport.write(answer)
        self._linger.start()

    def _lingers(self) -> bool:
        """Whether the connection may not be closed yet: its client has its answer, and still sends a body."""
        if self._refused or not self._in_body:
            return False
        self._refused = True
        self._stop_clock()
        self.flow.resume_reading()
        self._linger.start()
        return True


def _size(url: bytes, headers: HeaderPairs) -> int:
    """Bytes of a head that is written without waste."""
    return len(url) + sum(len(name) + len(value) + 4 for name, value in headers)
