"""uvicorn's HTTP protocol, with bounds on the head of a request (httptools has none of its own), with
refusals in the one shape that errors have here, and with word of a client that hangs up (`api.hang_up`)."""

import asyncio
from collections.abc import Callable
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from chat2response.api.asgi import error_body
from chat2response.api.hang_up import EXTENSION
from chat2response.errors import BridgeError

MAX_HEAD = 64 * 1024  # bytes of request line and headers
HEAD_SECONDS = 30.0  # from a head's first byte to its last; a new connection has as long for its first head
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
_NOT_HTTP = _refusal(b"400 Bad Request", "invalid_http", "What was sent is not HTTP/1.1.")


class BoundedHeads(HttpToolsProtocol):
    """A head that grows past its bound is answered 431, one that takes too long 408, and the connection ends.

    The clock runs only while a head is awaited in pieces: a request that comes in one read sets no timer.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._unfinished = 0  # bytes of a head that is not whole yet
        self._in_body = False
        self._refused = False
        self._deadline: asyncio.TimerHandle | None = None
        self._lost = False
        self._hung_up: Callable[[], None] | None = None
        self._extensions: dict[str, Any] = {EXTENSION: self._watch}

    def connection_made(self, transport: Any) -> None:
        """A connection is open; its first head is awaited."""
        super().connection_made(transport)
        self._await_head()

    def connection_lost(self, exc: Exception | None) -> None:
        """It is gone."""
        self._head_is_here()
        super().connection_lost(exc)
        self._lost = True
        if self._hung_up is not None:
            self._hung_up()

    def data_received(self, data: bytes) -> None:
        """What was read; it counts as long as the head is not whole."""
        if self._refused:
            return
        self._unfinished += len(data)
        super().data_received(data)
        if self._in_body:
            self._unfinished = 0
        elif self._unfinished > MAX_HEAD:
            self._refuse(_TOO_LARGE)
        elif self._unfinished and self._deadline is None:
            self._await_head()

    def on_message_begin(self) -> None:
        """A head begins."""
        super().on_message_begin()
        self.scope["extensions"] = self._extensions

    def on_headers_complete(self) -> None:
        """A head is whole; what follows is its body."""
        self._unfinished = 0
        self._in_body = True
        self._head_is_here()
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        """A request is whole; what follows is the next head."""
        self._unfinished = 0
        self._in_body = False
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
        return self._forget

    def _forget(self) -> None:
        self._hung_up = None

    def _await_head(self) -> None:
        self._deadline = self.loop.call_later(HEAD_SECONDS, self._late)

    def _head_is_here(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None

    def _late(self) -> None:
        self._deadline = None
        if self._unfinished:
            self._refuse(_TOO_SLOW)
        else:
            self.transport.close()  # it was opened for nothing

    def _refuse(self, refusal: bytes) -> None:
        if self._refused or self.transport.is_closing():
            return
        self._refused = True
        self.transport.write(refusal)
        # Not at once: what the client still sends would reset the connection under our answer.
        self.loop.call_later(_LINGER, self.transport.close)
