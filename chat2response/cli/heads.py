"""uvicorn's HTTP protocol with a bound on the head of a request: httptools has none of its own."""

from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from chat2response.api.asgi import error_body
from chat2response.errors import BridgeError

MAX_HEAD = 64 * 1024  # bytes of request line and headers
_LINGER = 1.0  # seconds that a refused client has to read why

_BODY = error_body(
    BridgeError(
        f"The head of the request is larger than {MAX_HEAD} bytes.",
        type="invalid_request_error",
        code="request_head_too_large",
    )
)
_REFUSAL = (
    b"HTTP/1.1 431 Request Header Fields Too Large\r\ncontent-type: application/json\r\n"
    b"content-length: %d\r\nconnection: close\r\n\r\n%b" % (len(_BODY), _BODY)
)


class BoundedHeads(HttpToolsProtocol):
    """A head that grows past the bound is answered 431, and the connection closed."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._unfinished = 0  # bytes of a head that is not whole yet
        self._in_body = False
        self._refused = False

    def data_received(self, data: bytes) -> None:
        """What was read; it counts as long as the head is not whole."""
        if self._refused:
            return
        self._unfinished += len(data)
        super().data_received(data)
        if self._in_body:
            self._unfinished = 0
        elif self._unfinished > MAX_HEAD and not self.transport.is_closing():
            self._refused = True
            self.transport.write(_REFUSAL)
            # Not at once: what the client still sends would reset the connection under our answer.
            self.loop.call_later(_LINGER, self.transport.close)

    def on_headers_complete(self) -> None:
        """A head is whole; what follows is its body."""
        self._unfinished = 0
        self._in_body = True
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        """A request is whole; what follows is the next head."""
        self._unfinished = 0
        self._in_body = False
        super().on_message_complete()
