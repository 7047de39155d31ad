"""An upstream over HTTP whose sockets a test drives by hand: real replies, responses and connections.

A call is `opened`: its requests are sent. `first` is the read that brings the head of each answer, `feed` a
later one; `entered` is the client, once the head of its answer is decided; `start` begins to send.
"""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field, replace
from typing import Any

from chat2response.convert.hub import HubRequest
from chat2response.engine.answer_call import answer_call
from chat2response.engine.call import Answer
from chat2response.engine.respond.hub_call import hub_call
from chat2response.engine.respond.respond import respond
from chat2response.engine.run import Run
from chat2response.keys.limits import KeyLimits
from chat2response.keys.record import NO_DIGEST, ApiKey
from chat2response.net.connection import READ, Connection
from chat2response.net.transport import Transport, TransportOptions
from chat2response.upstreams.http_reply import HttpReply
from chat2response.wire.json import encode
from chat2response.wire.responses import Response
from tests.support.engine.fakes import FakeUpstream
from tests.support.engine.frames import DONE, RESPONSES_STREAMS, ROLE, USAGE_CHUNK, chunk, responses
from tests.support.engine.scene import BODIES, Client, Scene, call_of

HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
LIMITED = ApiKey(id="key-1", created_at=0, digest=NO_DIGEST, limits=KeyLimits(tokens_per_minute=10**6))
LAST_CHUNK = b"0\r\n\r\n"


async def settle() -> None:
    """Lets every task run until it waits."""
    for _ in range(20):
        await asyncio.sleep(0)


def http_chunk(data: bytes) -> bytes:
    """One chunk of HTTP/1.1."""
    return b"%x\r\n%b\r\n" % (len(data), data) if data else b""


class Socket(asyncio.Transport):
    """The transport of one connection. It records what is done with it, and calls nothing by itself."""

    def __init__(self, connection: Connection) -> None:
        super().__init__()
        self.connection = connection
        self.out = b""
        self.paused = False
        self.pauses = 0
        self.closed = False
        self.reading = False

    def write(self, data: Any) -> None:
        assert not self.reading, "no request is sent inside a read"
        self.out += bytes(data)

    def pause_reading(self) -> None:
        self.paused = True
        self.pauses += 1

    def resume_reading(self) -> None:
        self.paused = False

    def is_closing(self) -> bool:
        return self.closed

    def close(self) -> None:
        self.abort()

    def abort(self) -> None:
        if not self.closed:
            self.closed = True
            asyncio.get_running_loop().call_soon(self.connection.connection_lost, None)

    # -- for the test ------------------------------------------------------------------------------

    def receive(self, data: bytes) -> None:
        """One read, which raises what leaves the protocol's callback."""
        assert not self.paused and not self.closed and len(data) <= READ
        self.connection.get_buffer(-1)[: len(data)] = data
        self.reading = True
        try:
            self.connection.buffer_updated(len(data))
        finally:
            self.reading = False

    def lose(self, error: Exception | None = None) -> None:
        """The upstream closes the connection."""
        self.closed = True
        self.connection.connection_lost(error)


class HandUpstream(FakeUpstream):
    """Sends every request over a `Socket`, pooled as in production."""

    def __init__(self) -> None:
        super().__init__(None)
        self.sockets: list[Socket] = []
        self.transport = Transport(TransportOptions())
        self.transport._connector = self  # type: ignore[assignment]

    async def connect(self, create: Callable[[], Connection], endpoint: Any) -> Connection:
        """The connector's only method."""
        connection = create()
        self.sockets.append(Socket(connection))
        connection.connection_made(self.sockets[-1])
        return connection

    def send(self, body: bytes, target: Any, context: Any) -> Any:
        self.requests.append(body)
        return HttpReply(self.transport, target, context, body)

    @property
    def idle(self) -> list[Connection]:
        """The connections in the pool."""
        return [each for free in self.transport._free.values() for each in free]


@dataclass(frozen=True)
class Way:
    """A way of a stream through the engine."""

    surface: str
    dialect: str
    fields: dict[str, Any] = field(default_factory=dict)
    requests: int = 1
    """Requests that are sent upstream at once."""
    turns: int = 1


WAYS = {
    "relay chat": Way("chat", "chat"),
    "relay responses": Way("responses", "responses"),
    "responses from chat": Way("responses", "chat"),
    "chat from responses": Way("chat", "responses"),
    "proxy from chat": Way("proxy", "chat"),
    "choices": Way("chat", "responses", {"n": 2}, requests=2),
    "turns": Way("responses", "chat", turns=2),
}


def several_turns(count: int) -> Callable[[Run], Awaitable[Answer]]:
    """Answers a call in `count` turns."""
    left = count - 1

    async def next_turn(response: Response) -> HubRequest | None:
        nonlocal left
        left -= 1
        return HubRequest({"model": "m", "input": "again"}, "responses") if left >= 0 else None

    async def answer_in_turns(run: Run) -> Answer:
        return await respond(run, await hub_call(run), next_turn)

    return answer_in_turns


class HandDriven:
    """One streamed call on a way. `limited`: its key has limits, so that it is settled before its end."""

    def __init__(
        self,
        scene: Scene,
        way: str,
        *,
        upstream: HandUpstream | None = None,
        keep: Any = None,
        limited: bool = False,
        first_event_timeout: float = 5.0,
        **fields: Any,
    ) -> None:
        self.way = WAYS[way]
        self.upstream = upstream or HandUpstream()
        engine = scene.engine(self.upstream, self.way.dialect, first_event_timeout=first_event_timeout)
        engine = replace(engine, keep=keep)
        scene.engines[-1] = engine
        scene.opened += 1
        body = encode({**BODIES[self.way.surface], "stream": True, **self.way.fields, **fields})
        call = call_of(self.way.surface, body, "key-1", key=LIMITED if limited else None)
        self.run = Run(engine, call, several_turns(self.way.turns) if self.way.turns > 1 else answer_call)
        self.answer: Answer
        self.client: Client
        self.first_socket = len(self.upstream.sockets)

    # -- what the upstream sends ---------------------------------------------------------------------

    @property
    def sockets(self) -> list[Socket]:
        """The connections that were opened."""
        return self.upstream.sockets

    def delta(self, text: str) -> bytes:
        """The event of a piece of text."""
        if self.way.dialect == "chat":
            return chunk({"content": text})
        place = {"item_id": "msg_1", "output_index": 0, "content_index": 0}
        data = encode({"type": "response.output_text.delta", **place, "delta": text})
        return b"event: response.output_text.delta\ndata: %b\n\n" % data

    def opening(self) -> bytes:
        """The events before the first delta."""
        if self.way.dialect == "chat":
            return ROLE
        return b"".join(RESPONSES_STREAMS["text"][:2])

    def ending(self, text: str) -> bytes:
        """The events after the last delta."""
        if self.way.dialect == "chat":
            return chunk(finish="stop") + USAGE_CHUNK + DONE
        item = {"id": "msg_1", "type": "message", "content": [{"type": "output_text", "text": text}]}
        done = {"type": "response.output_item.done", "output_index": 0, "item": item}
        return b"".join(responses(done)[1:])

    def stream(self, *texts: str) -> bytes:
        """A whole stream."""
        deltas = b"".join(self.delta(text) for text in texts)
        return self.opening() + deltas + self.ending("".join(texts))

    # -- what happens --------------------------------------------------------------------------------

    async def opened(self) -> "HandDriven":
        """Enters the call until its first requests are sent."""
        self.entering = asyncio.ensure_future(self.run.__aenter__())
        await settle()
        assert len(self.upstream.requests) >= self.way.requests
        return self

    def first(self, data: bytes) -> None:
        """The head of each answer and the beginning of its body, in one read."""
        for socket in self.sockets[self.first_socket :]:
            socket.receive(HEAD + http_chunk(data))

    def feed(self, data: bytes) -> None:
        """One read of each answer."""
        for socket in self.sockets[self.first_socket :]:
            if not socket.closed:
                socket.receive(http_chunk(data))

    async def entered(self) -> Client:
        """The client, once the head of the answer is decided."""
        self.answer = await self.entering
        self.client = Client(self.answer)
        return self.client

    def start(self) -> "asyncio.Task[None]":
        """Starts to send."""
        return self.client._start()

    async def leave(self) -> None:
        """Leaves the call."""
        await self.run.__aexit__(None, None, None)

    async def begun(self, text: str = "a") -> Client:
        """A stream whose client has its first delta, and nothing more arrives."""
        await self.opened()
        self.first(self.opening() + self.delta(text))
        client = await self.entered()
        self.start()
        await settle()
        return client
