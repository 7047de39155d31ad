"""From the upstream's socket to the client's, both driven by hand: through our own server's sink, and through
any server's `send`."""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from chat2response.api.bridge.bridge import deliver
from chat2response.api.bridge.timed_sink import StreamTimeouts
from chat2response.api.http.request import Request
from tests.engine.push.conftest import Open
from tests.support.chunked_body import chunked_body, is_complete
from tests.support.cli.server_protocol import Served, Wire
from tests.support.engine.client_streams import ends_of, text_of
from tests.support.engine.hand_driven import HEAD, LAST_CHUNK, WAYS, HandDriven, http_chunk, settle

EVERY_WAY = pytest.mark.parametrize("way", WAYS)
EVERY_SERVER = pytest.mark.parametrize("own", [True, False], ids=["own server", "any server"])
REQUEST = b"POST /v1/responses HTTP/1.1\r\nHost: h\r\nContent-Length: 2\r\n\r\n{}"
LIMIT = 64 * 1024


class HookedWire(Wire):
    """Calls `on_write` inside the next write."""

    on_write: Callable[[], None] | None = None

    def write(self, data: Any) -> None:
        super().write(data)
        on_write, self.on_write = self.on_write, None
        if on_write is not None:
            on_write()


class Connected(Served):
    """A client whose request is delivered by a hand-driven call."""

    def __init__(self, driven: HandDriven, *, own: bool = True) -> None:
        """`own`: the server offers its extensions."""
        self.driven = driven
        self.own = own
        self.ended = asyncio.Event()
        self.hooked = HookedWire()
        super().__init__(wire=self.hooked)

    async def _app(self, scope: Any, receive: Any, send: Any) -> None:
        request = Request(scope if self.own else {**scope, "extensions": None}, receive, send)
        await request.body(1000)
        try:
            await deliver(self.driven.run, request, StreamTimeouts())
        finally:
            self.ended.set()

    @property
    def body(self) -> bytes:
        """The body, without the framing of its chunks."""
        return chunked_body(self.wire.out)

    @property
    def complete(self) -> bool:
        return is_complete(self.wire.out)

    def pause_inside(self) -> None:
        """The connection pauses writing inside the next write."""
        self.hooked.on_write = self.protocol.pause_writing

    def disconnect_inside(self) -> None:
        """The connection is lost inside the next write."""
        self.hooked.on_write = lambda: self.protocol.connection_lost(None)


async def begun(drive: Open, way: str, *, own: bool = True) -> Connected:
    driven = drive(way)
    client = await Connected(driven, own=own).send(REQUEST)
    await settle()
    driven.first(driven.opening() + driven.delta("a"))
    await settle()
    assert text_of(client.body) == "a"
    return client


async def end_well(driven: HandDriven) -> None:
    for socket in driven.sockets[: driven.way.requests]:
        socket.receive(http_chunk(driven.ending("a")) + LAST_CHUNK)
    await settle()
    if driven.way.turns > 1:
        driven.sockets[-1].receive(HEAD + http_chunk(driven.stream()) + LAST_CHUNK)
    await settle()


@EVERY_WAY
async def test_a_stream(drive: Open, way: str) -> None:
    client = await begun(drive, way)
    client.driven.feed(client.driven.delta("b"))
    assert text_of(client.body) == "ab", "in the same call stack"
    await end_well(client.driven)
    assert client.complete and client.ended.is_set()
    client.end()


@EVERY_WAY
@EVERY_SERVER
async def test_a_client_that_pauses_inside_a_write_gets_all(drive: Open, way: str, own: bool) -> None:
    client = await begun(drive, way, own=own)
    driven, texts, written = client.driven, ["a"], 0
    client.pause_inside()
    for number in range(60):
        for socket in driven.sockets:
            for _ in range(3):
                if socket.paused:
                    client.protocol.resume_writing()
                    await settle()
            assert not socket.paused
        before = len(client.wire.out)
        text = f"<{number}>" + "x" * 2000
        driven.feed(driven.delta(text))
        if not own:
            await settle()
        texts.append(text)
        written = max(written, len(client.wire.out) - before)
        if number % 7 == 0:
            client.pause_inside()
    assert written < LIMIT
    await settle()
    client.hooked.on_write = None
    if client.protocol.flow.write_paused:
        client.protocol.resume_writing()
    await end_well(driven)
    assert text_of(client.body) == "".join(texts)
    assert client.complete
    client.end()


@EVERY_WAY
@pytest.mark.parametrize("full", [False, True], ids=["", "full"])
@pytest.mark.parametrize("inside", [False, True], ids=["between reads", "inside a write"])
@EVERY_SERVER
async def test_a_client_that_disconnects(drive: Open, way: str, own: bool, full: bool, inside: bool) -> None:
    client = await begun(drive, way, own=own)
    driven = client.driven
    if full:
        client.pause_inside()
        driven.feed(driven.delta("b"))
        await settle()
        assert client.protocol.flow.write_paused
    if inside and not full:
        client.disconnect_inside()
        driven.sockets[0].receive(http_chunk(driven.delta("b")))
    else:
        client.protocol.connection_lost(None)
    if not own:  # a task watches
        await settle()
    assert all(socket.closed for socket in driven.sockets)
    async with asyncio.timeout(2):
        await client.ended.wait()
    await settle()
    assert asyncio.all_tasks() == {asyncio.current_task()}
    assert driven.upstream.idle == []


@EVERY_WAY
@EVERY_SERVER
async def test_an_upstream_that_breaks_off_while_the_client_is_full(drive: Open, way: str, own: bool) -> None:
    """What was read before passes, then one terminal event, once the client reads again."""
    client = await begun(drive, way, own=own)
    driven = client.driven
    client.pause_inside()
    driven.feed(driven.delta("b"))
    driven.feed(driven.delta("c"))
    await settle()
    assert client.protocol.flow.write_paused
    for socket in driven.sockets:
        socket.lose(ConnectionResetError())
    await settle()
    client.protocol.resume_writing()
    async with asyncio.timeout(2):
        await client.ended.wait()
    await settle()
    assert text_of(client.body) == "abc"
    assert len(ends_of(client.body)) == 1
    assert client.complete
    client.end()
