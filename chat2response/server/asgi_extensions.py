"""What the server does for the application beyond ASGI, as extensions of the scope.

ASGI takes a coroutine for each message, and a task for each watch of a disconnect. These functions do the
same work at once. The names, and what an application does without them, are in `api.http`.
"""

import re
from collections.abc import Callable
from typing import Any

from uvicorn.protocols.http.flow_control import FlowControl
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, RequestResponseCycle

from chat2response.api.http.disconnect import DISCONNECT
from chat2response.api.http.request import SEND_RESPONSE, SINK, WHOLE_BODY
from chat2response.server.chunked_sink import ChunkedSink
from chat2response.server.coalescing_transport import CoalescingTransport
from chat2response.wire.headers import HeaderList

# Characters that a header's value may not have.
_INVALID_VALUE = re.compile(rb"[\x00-\x08\x0a-\x1f\x7f]").search


class AsgiExtensions:
    """The extensions of one connection: one object per request would form a reference cycle.

    The request's own `receive` or `send` identifies it among the pipelined requests. Where a middleware wraps
    them, the server declines, and the application uses plain ASGI.
    """

    def __init__(self, transport: CoalescingTransport, flow: FlowControl) -> None:
        self._transport = transport
        self._flow = flow
        self._on_disconnect: Callable[[], None] | None = None
        self._lost = False
        self.sink: ChunkedSink | None = None
        """Where the current stream is written. The protocol reports to it when the connection buffers too
        much, and ends it with the response."""

    def table(self) -> dict[str, Any]:
        """The `extensions` of a scope."""
        return {
            DISCONNECT: self._watch,
            SEND_RESPONSE: self._send_response,
            SINK: self._open_sink,
            WHOLE_BODY: whole_body,
        }

    def end_sink(self) -> None:
        """Ends the stream: its response is complete, or the connection is lost."""
        sink, self.sink = self.sink, None
        if sink is not None:
            sink.end()

    def connection_lost(self) -> None:
        """Reports the disconnect; then nobody waits for room any more."""
        self._lost = True
        if self.sink is not None:
            self.sink.mute()
        on_disconnect, self._on_disconnect = self._on_disconnect, None
        if on_disconnect is not None:
            on_disconnect()
        self.end_sink()

    def _watch(self, callback: Callable[[], None]) -> Callable[[], None]:
        """Calls `callback` when the client of the current request disconnects.

        Returns a function that stops it.
        """
        if self._flow.read_paused:  # by a large body; reading also detects the disconnect
            self._flow.resume_reading()
        self._on_disconnect = callback
        if self._lost:
            callback()

        def forget() -> None:
            # A call may still clean up after its answer while the next one is already watched.
            if self._on_disconnect is callback:
                self._on_disconnect = None

        return forget

    def _send_response(self, send: Any, status: int, headers: HeaderList, body: bytes) -> bool:
        """Sends a complete answer in one write. False if uvicorn has to send it step by step."""
        cycle = getattr(send, "__self__", None)
        if (
            not isinstance(cycle, RequestResponseCycle)
            or cycle.response_started
            or cycle.disconnected
            or not cycle.keep_alive
            or cycle.scope["method"] == "HEAD"
            or self._flow.write_paused
        ):
            return False
        lines = [STATUS_LINE[status]]
        for name, value in (*cycle.default_headers, *headers):
            if name == b"connection" or _INVALID_VALUE(value):
                return False
            lines += (name, b": ", value, b"\r\n")
        lines += (b"\r\n", body)
        self._transport.write_now(b"".join(lines))
        cycle.waiting_for_100_continue = False
        cycle.response_started = cycle.response_complete = True
        cycle.message_event.set()
        cycle.on_response()
        return True

    def _open_sink(self, send: Any) -> ChunkedSink | None:
        """The sink of a response whose head is sent. None if uvicorn has to send the stream."""
        cycle = getattr(send, "__self__", None)
        if (
            not isinstance(cycle, RequestResponseCycle)
            or not cycle.chunked_encoding  # or its head is not sent
            or cycle.response_complete
            or cycle.scope["method"] == "HEAD"
            or cycle.scope["http_version"] == "1.0"
            or self._transport.is_closing()  # or the connection is lost
        ):
            return None
        if self.sink is None:
            self.sink = ChunkedSink(self._transport, self._flow.write_paused)
        return self.sink


def whole_body(receive: Any) -> bytes | None:
    """The body of a request that has arrived completely; None if the application has to receive it."""
    cycle = getattr(receive, "__self__", None)
    if not isinstance(cycle, RequestResponseCycle) or cycle.more_body or cycle.disconnected:
        return None
    body, cycle.body = bytes(cycle.body), bytearray()
    cycle.message_event.clear()  # a later `receive` waits for the disconnect
    return body
