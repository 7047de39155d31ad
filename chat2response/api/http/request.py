"""`Request`: an ASGI request without a framework. Reads the body within limits, sends responses and errors.

This is the one place that turns errors into bodies.
"""

from collections.abc import Awaitable, Callable, Iterable, MutableMapping
from typing import Any

from chat2response.api.http.asgi_sink import AsgiSink
from chat2response.api.http.body_buffers import Allocation
from chat2response.api.http.body_decoding import decode, decoder_of, too_large
from chat2response.engine.sink import Sink
from chat2response.errors import BridgeError, LoopDetected
from chat2response.observe.call_record import CallRecord
from chat2response.wire.headers import HeaderList
from chat2response.wire.ids import new_id
from chat2response.wire.json import encode

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

JSON = b"application/json"
CLOSE = (b"connection", b"close")
"""A header after which the server closes the connection."""
SEND_RESPONSE = "chat2response.send_response"
"""In the `extensions` of a scope, under our own server: takes `send`, status, headers and body of a whole
response, and returns whether it has sent them. If not, they are sent as under any other server."""
SINK = "chat2response.sink"
"""In the same `extensions`: takes `send` of a response whose head is sent, and returns a `Sink` for its body.
None: it has to be sent, as under any other server. The empty last `http.response.body` ends the response."""
WHOLE_BODY = "chat2response.whole_body"
"""In the same `extensions`: takes `receive`, and returns the body of a request that has arrived completely.
None: it has to be received, as under any other server."""
HOPS = b"x-chat2response-hops"
_MAX_ID = 128
_MAX_HOPS = 4  # gateways in a chain; a longer chain is taken for a loop


class ClientDisconnected(Exception):
    """The client disconnected before its request was complete; there is nobody to answer."""


class Request:
    """One HTTP request. `headers`: names in lower case, the last value of a repeated one."""

    __slots__ = (
        "allocation",
        "error",
        "extra_headers",
        "headers",
        "id",
        "receive",
        "record",
        "scope",
        "send",
        "size",
        "status",
        "tenant",
    )  # fmt: skip

    def __init__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.scope = scope
        self.receive = receive
        self.send = send
        self.headers: dict[bytes, bytes] = dict(scope["headers"])
        client_id = self.headers.get(b"x-request-id")
        self.id = new_id("req") if client_id is None else request_id(client_id)
        self.status = 0
        """The status that was sent; 0 before."""
        self.extra_headers: HeaderList | tuple[()] = ()
        """Headers that every response to this request gets."""
        self.allocation: Allocation | None = None
        """The memory of the body; None: not counted (the small bodies of the admin plane)."""
        self.size = 0
        """Bytes of the response's body, without keepalives."""
        self.tenant: str | None = None
        self.record: CallRecord | None = None
        self.error: str | None = None
        """For the access log: the tenant, the call, and the code of the error response."""

    def header(self, name: bytes) -> str | None:
        """The value of a header."""
        value = self.headers.get(name)
        return None if value is None else value.decode("latin-1")

    @property
    def hops(self) -> int:
        """The number of gateways like this one that the call has passed. Raises LoopDetected."""
        value = self.headers.get(HOPS)
        if value is None:
            return 0
        hops = int(value) if value.isdigit() and len(value) < 4 else _MAX_HOPS
        if hops >= _MAX_HOPS:
            raise LoopDetected("The gateway is its own upstream: OPENAI_BASE_URL points back to it.")
        return hops

    async def body(self, limit: int) -> bytes:
        """Reads and decodes the whole body: at most `limit` bytes, both encoded and decoded.

        Raises PayloadTooLarge (before reading, if Content-Length exceeds the limit), UnsupportedMedia for an
        unsupported encoding, InvalidRequest for a damaged one, Unavailable if there is no memory for the
        body, ClientDisconnected.
        """
        coding = self.headers.get(b"content-encoding")
        decoder = None if coding is None else decoder_of(coding)
        extensions = self.scope.get("extensions")
        take = extensions.get(WHOLE_BODY) if extensions else None
        whole: bytes | None = None if take is None else take(self.receive)
        if whole is None:
            whole = await self._received_body(limit)
        elif len(whole) > limit:
            raise too_large(limit)
        elif self.allocation is not None:
            self.allocation.add(len(whole))
        return whole if decoder is None else await decode(whole, decoder, limit, self.allocation)

    async def _received_body(self, limit: int) -> bytes:
        length = self.headers.get(b"content-length", b"")
        if length.isdigit() and int(length) > limit:
            raise too_large(limit)
        pieces: list[bytes] = []
        size = 0
        while True:
            message = await self.receive()
            if message["type"] == "http.disconnect":
                raise ClientDisconnected
            piece = message.get("body", b"")
            size += len(piece)
            if size > limit:
                raise too_large(limit)
            if self.allocation is not None:
                self.allocation.add(len(piece))
            pieces.append(piece)
            if not message.get("more_body"):
                return piece if len(pieces) == 1 else b"".join(pieces)

    async def start(
        self, status: int, media_type: bytes, headers: Iterable[tuple[bytes, bytes]] = ()
    ) -> None:
        """Sends the head."""
        self.status = status
        await self.send(
            {
                "type": "http.response.start",
                "status": status,
                "headers": self._head(media_type, headers),
            }
        )

    def _head(self, media_type: bytes, headers: Iterable[tuple[bytes, bytes]]) -> HeaderList:
        common = ((b"content-type", media_type), (b"x-request-id", self.id.encode("latin-1")))
        return [*common, *self.extra_headers, *headers]

    def sink(self) -> Sink:
        """The sink for the body of a stream, after `start`. The caller finishes an `AsgiSink`."""
        extensions = self.scope.get("extensions")
        open_sink = extensions.get(SINK) if extensions else None
        sink: Sink | None = None if open_sink is None else open_sink(self.send)
        return AsgiSink(self.send) if sink is None else sink

    async def respond(
        self, status: int, body: bytes, media_type: bytes = JSON, headers: Iterable[tuple[bytes, bytes]] = ()
    ) -> None:
        """Sends a whole response."""
        self.size = len(body)
        headers = (*headers, (b"content-length", b"%d" % len(body)))
        extensions = self.scope.get("extensions")
        send_response = extensions.get(SEND_RESPONSE) if extensions else None
        if send_response is not None and send_response(
            self.send, status, self._head(media_type, headers), body
        ):
            self.status = status
            return
        await self.start(status, media_type, headers)
        await self.send({"type": "http.response.body", "body": body})

    async def send_no_content(self, headers: HeaderList) -> None:
        """Sends 204."""
        self.status = 204
        head = [(b"x-request-id", self.id.encode("latin-1")), *headers]
        await self.send({"type": "http.response.start", "status": 204, "headers": head})
        await self.send({"type": "http.response.body", "body": b""})

    async def send_error(self, error: BridgeError) -> None:
        """Sends an error response, in the format that both OpenAI APIs share."""
        self.error = error.code or error.label
        await self.respond(error.status, error_body(error), headers=error_headers(error))


def error_body(error: BridgeError) -> bytes:
    """`{"error": {message, type, param, code}}`."""
    return encode({"error": error.fields()})


def error_headers(error: BridgeError) -> HeaderList:
    """The error's own headers (`Retry-After`, `WWW-Authenticate`) as ASGI headers."""
    return [
        (name.encode("latin-1"), value.encode("latin-1", "replace")) for name, value in error.headers.items()
    ]


def request_id(client_id: bytes | None) -> str:
    """The client's `x-request-id` if it is printable and short, else a new id."""
    if client_id and len(client_id) <= _MAX_ID and all(0x21 <= byte <= 0x7E for byte in client_id):
        return client_id.decode("ascii")
    return new_id("req")
