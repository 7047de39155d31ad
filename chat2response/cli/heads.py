"""uvicorn's HTTP protocol, with bounds on a request's head (httptools has none of its own) and on the pauses
in its body, with refusals in the one shape that errors have here, and with word of a client that hangs up
(`api.hang_up`)."""

import asyncio
import re
from collections.abc import Callable
from typing import Any

from uvicorn.protocols.http.httptools_impl import (
    STATUS_LINE,
    HttpToolsProtocol,
    RequestResponseCycle,
)

from chat2response.api.asgi import ANSWER, FLOW, HeaderPairs, error_body
from chat2response.api.hang_up import HANG_UP
from chat2response.cli.joined import JoinedHeads
from chat2response.cli.unread import UnreadWatch
from chat2response.errors import BridgeError

MAX_HEAD = 64 * 1024  # bytes of request line and headers
HEAD_SECONDS = 30.0  # from a head's first byte to its last; a new connection has as long for its first head
WRITE_HIGH = 64 * 1024  # bytes that wait to be written, over which nothing is written behind them
_UNFIT = re.compile(rb"[\x00-\x08\x0a-\x1f\x7f]").search  # in a header's value
_LINGER = 1.0  # seconds that a refused client has to read why


def _refusal(line: bytes, code: str, message: str) -> bytes:
    body = error_body(BridgeError(message, type="invalid_request_error", code=code))
    return (
        b"HTTP/1.1 %b\r\ncontent-type: application/json\r\ncontent-length: %d\r\nconnection: close\r\n\r\n%b"
        % (line, len(body), body)
    )


_TOO_LARGE = _refusal(
    b"431 Request Header Fields Too Large",
    "request_head_too_large",
    f"The head of the request is larger than {MAX_HEAD} bytes.",
)
_TOO_SLOW = _refusal(
    b"408 Request Timeout", "request_head_too_slow", "The head of the request was not sent in time."
)
_PAUSED = _refusal(
    b"408 Request Timeout", "request_body_too_slow", "The body of the request paused for too long."
)
_NOT_HTTP = _refusal(b"400 Bad Request", "invalid_http", "What was sent is not HTTP/1.1.")


class BoundedHeads(HttpToolsProtocol):
    """A head that grows past its bound is answered 431, one that takes too long 408, and the connection ends.

    So does one whose body says nothing for `body_seconds`. The clock runs only while the rest of a head or a
    body is awaited: a request that comes in one read sets no timer.
    """

    def __init__(self, *args: Any, body_seconds: float, write_seconds: float = 0.0, **kwargs: Any) -> None:
        """`write_seconds`: in which a client takes nothing of its answer; then its connection ends."""
        super().__init__(*args, **kwargs)
        self._body_seconds = body_seconds
        self._write_seconds = write_seconds
        self._heard = 0.0  # when the body was last read, by the loop's clock
        self._unfinished = 0  # bytes of a head that is not whole yet
        self._in_body = False
        self._refused = False
        self._deadline: asyncio.TimerHandle | None = None
        self._lost = False
        self._hung_up: Callable[[], None] | None = None
        # Of the connection: made for each request, it would be a cycle that only the collector finds.
        self._extensions: Any = {HANG_UP: self._watch, ANSWER: self._answer}

    def connection_made(self, transport: Any) -> None:
        """A connection is open; its first head is awaited."""
        self._unread = UnreadWatch(self.loop, transport, self._write_seconds)
        self._joined = JoinedHeads(transport, self.loop, self._unread.start)
        transport.set_write_buffer_limits(WRITE_HIGH)
        super().connection_made(self._joined)
        self._extensions[FLOW] = self.flow
        self._await_head()

    def connection_lost(self, exc: Exception | None) -> None:
        """It is gone."""
        self._stop_clock()
        self._unread.stop()
        super().connection_lost(exc)
        self._lost = True
        if self._hung_up is not None:
            self._hung_up()

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
            return
        self._unfinished += len(data)
        super().data_received(data)
        if self._in_body:
            self._unfinished = 0
            self._heard = self.loop.time()
            if self._deadline is None:
                self._await_body(self._body_seconds)
        elif self._unfinished > MAX_HEAD:
            self._refuse(_TOO_LARGE)
        elif self._unfinished and self._deadline is None:
            self._await_head()

    def on_headers_complete(self) -> None:
        """A head is whole; what follows is its body."""
        self._unfinished = 0
        self._in_body = True
        self._stop_clock()
        super().on_headers_complete()
        self.scope["extensions"] = self._extensions

    def on_message_complete(self) -> None:
        """A request is whole; what follows is the next head."""
        self._unfinished = 0
        self._in_body = False
        self._stop_clock()
        super().on_message_complete()

    def send_400_response(self, msg: str) -> None:
        """What was read cannot be parsed."""
        self._refuse(_NOT_HTTP)

    def _unsupported_upgrade_warning(self) -> None:
        """Who asks for another protocol is answered as anybody else is; the log need not advise anything."""

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

    def _await_head(self) -> None:
        self._deadline = self.loop.call_later(HEAD_SECONDS, self._late)

    def _await_body(self, seconds: float) -> None:
        self._deadline = self.loop.call_later(seconds, self._paused)

    def _stop_clock(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None

    def _late(self) -> None:
        self._deadline = None
        if self._unfinished:
            self._refuse(_TOO_SLOW)
        else:
            self.transport.close()  # it was opened for nothing

    def _paused(self) -> None:
        """The time is up, unless something came in between.

        It rests while we do not read, and while an earlier request of the connection is being answered.
        """
        self._deadline = None
        now = self.loop.time()
        if self.flow.read_paused or self.pipeline:
            self._heard = now
        left = self._heard + self._body_seconds - now
        if left > 0:
            self._await_body(left)
        elif self.cycle.response_started:
            self.transport.close()  # it was answered before it was whole, and goes on without end
        else:
            self.cycle.disconnected = True  # whoever waits for the body is told, and cannot answer after us
            self.cycle.message_event.set()
            self._refuse(_PAUSED)

    def _refuse(self, refusal: bytes) -> None:
        if self._refused or self.transport.is_closing():
            return
        self._refused = True
        self.transport.write(refusal)
        # Not at once: what the client still sends would reset the connection under our answer.
        self.loop.call_later(_LINGER, self.transport.close)
