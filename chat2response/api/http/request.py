"""ASGI without a framework: a request's facts, its body within bounds, answers, and the one place that turns
errors into bodies."""

from collections.abc import Awaitable, Callable, Iterable, MutableMapping
from typing import Any, Protocol

from chat2response.api.http.body_buffers import Hold
from chat2response.api.http.content_encoding import decoder_of, too_large, unpacked
from chat2response.convert.losses import Loss
from chat2response.errors import BridgeError, LoopDetected
from chat2response.wire.ids import new_id
from chat2response.wire.json import encode

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]
HeaderPairs = list[tuple[bytes, bytes]]

JSON = b"application/json"
CLOSE = (b"connection", b"close")
"""A header after which the server closes the connection."""
ANSWER = "chat2response.answer"
"""In the `extensions` of a scope that our own server made: takes `send`, status, headers and body of a whole
answer, and says whether they are sent. Where not, they are sent as under any other server."""
FLOW = "chat2response.flow"
"""In the same `extensions`: how fast the client reads, a `Flow`. Another server's `send` waits by itself."""
_MAX_ID = 128
_MAX_HOPS = 4  # a chain of gateways is a choice; a longer one is a loop


class Flow(Protocol):
    """Of one connection."""

    write_paused: bool
    """More waits to be written than should; whoever has more to write waits in `drain`."""

    async def drain(self) -> None:
        """Returns when that is written, or the client is gone."""
        ...


class CallRecord(Protocol):
    """What the access log tells of a call that got as far as the engine."""

    @property
    def model(self) -> str | None:
        """The model that the client asked for."""
        ...

    @property
    def outcome(self) -> str:
        """How it ended: completed, incomplete, failed, error, or a fault's cause."""
        ...

    @property
    def lost(self) -> Iterable[Loss]:
        """What could not cross, of the request and of the answer."""
        ...


class ClientGone(Exception):
    """The client hung up before its request was whole: there is nobody to answer."""


class Request:
    """One HTTP request. `headers` has names in lower case; of a repeated one, the last."""

    __slots__ = (
        "added", "error", "headers", "hold", "id", "receive", "record", "scope", "send", "size", "status",
        "tenant",
    )  # fmt: skip

    def __init__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.scope = scope
        self.receive = receive
        self.send = send
        self.headers: dict[bytes, bytes] = dict(scope["headers"])
        self.id = request_id(self.headers.get(b"x-request-id"))
        self.status = 0
        """The status that was sent; 0 before."""
        self.added: HeaderPairs | tuple[()] = ()
        """Headers of whatever answer it gets."""
        self.hold: Hold | None = None
        """The room that its body takes; None: it is not counted (small ones of the admin plane)."""
        self.size = 0
        """Bytes of the answer's body; signs of life in a stream are not counted."""
        self.tenant: str | None = None
        self.record: CallRecord | None = None
        self.error: str | None = None
        """For the access log: whose call it is, the call, and the code of what it is refused with."""

    def header(self, name: bytes) -> str | None:
        """One header's value."""
        value = self.headers.get(name)
        return None if value is None else value.decode("latin-1")

    @property
    def hops(self) -> int:
        """Gateways like this one that the call has come through. Raises LoopDetected."""
        told = self.headers.get(b"x-chat2response-hops")
        if told is None:
            return 0
        hops = int(told) if told.isdigit() and len(told) < 4 else _MAX_HOPS
        if hops >= _MAX_HOPS:
            raise LoopDetected("The gateway is its own upstream: OPENAI_BASE_URL leads back to it.")
        return hops

    async def body(self, limit: int) -> bytes:
        """The whole body, its coding undone, `limit` bytes at most both as sent and as read.

        Raises PayloadTooLarge (before reading, where the length says so), UnsupportedMedia for a coding that
        is none of ours, InvalidRequest for a body that is not so coded, Unavailable where it finds no room,
        ClientGone.
        """
        coding = self.headers.get(b"content-encoding")
        decoder = None if coding is None else decoder_of(coding)
        length = self.headers.get(b"content-length", b"")
        if length.isdigit() and int(length) > limit:
            raise too_large(limit)
        message = await self.receive()
        if message["type"] == "http.request" and not message.get("more_body"):
            whole: bytes = message.get("body", b"")
            if len(whole) > limit:
                raise too_large(limit)
            if self.hold is not None:
                self.hold.add(len(whole))
        else:
            whole = await self._long_body(message, limit)
        return whole if decoder is None else await unpacked(whole, decoder, limit, self.hold)

    async def _long_body(self, message: Message, limit: int) -> bytes:
        pieces: list[bytes] = []
        size = 0
        while True:
            if message["type"] == "http.disconnect":
                raise ClientGone
            piece = message.get("body", b"")
            size += len(piece)
            if size > limit:
                raise too_large(limit)
            if self.hold is not None:
                self.hold.add(len(piece))
            pieces.append(piece)
            if not message.get("more_body"):
                return b"".join(pieces)
            message = await self.receive()

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

    def _head(self, media_type: bytes, headers: Iterable[tuple[bytes, bytes]]) -> HeaderPairs:
        ours = ((b"content-type", media_type), (b"x-request-id", self.id.encode("latin-1")))
        return [*ours, *self.added, *headers]

    async def answer(
        self, status: int, body: bytes, media_type: bytes = JSON, headers: Iterable[tuple[bytes, bytes]] = ()
    ) -> None:
        """Sends a whole answer."""
        self.size = len(body)
        headers = (*headers, (b"content-length", b"%d" % len(body)))
        extensions = self.scope.get("extensions")
        at_once = extensions.get(ANSWER) if extensions else None
        if at_once is not None and at_once(self.send, status, self._head(media_type, headers), body):
            self.status = status
            return
        await self.start(status, media_type, headers)
        await self.send({"type": "http.response.body", "body": body})

    async def empty(self, headers: HeaderPairs) -> None:
        """Sends 204."""
        self.status = 204
        given = [(b"x-request-id", self.id.encode("latin-1")), *headers]
        await self.send({"type": "http.response.start", "status": 204, "headers": given})
        await self.send({"type": "http.response.body", "body": b""})

    async def refuse(self, error: BridgeError) -> None:
        """Sends an error, in the shape both OpenAI APIs share."""
        self.error = error.code or error.label
        await self.answer(error.status, error_body(error), headers=error_headers(error))


def error_body(error: BridgeError) -> bytes:
    """`{"error": {message, type, param, code}}`."""
    return encode({"error": error.fields()})


def error_headers(error: BridgeError) -> HeaderPairs:
    """The error's own headers (`Retry-After`, `WWW-Authenticate`), as ASGI wants them."""
    return [
        (name.encode("latin-1"), value.encode("latin-1", "replace")) for name, value in error.headers.items()
    ]


def request_id(given: bytes | None) -> str:
    """The client's id where it is printable and short, else one of ours."""
    if given and len(given) <= _MAX_ID and all(0x21 <= byte <= 0x7E for byte in given):
        return given.decode("ascii")
    return new_id("req")
