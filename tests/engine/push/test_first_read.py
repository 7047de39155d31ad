"""What comes with the head waits for the sink, and all of it passes in order."""

import asyncio

import pytest

from tests.engine.push.conftest import Open
from tests.support.engine.client_streams import text_of
from tests.support.engine.fakes import events_of
from tests.support.engine.hand_driven import HEAD, LAST_CHUNK, WAYS, http_chunk, settle

EVERY_WAY = pytest.mark.parametrize("way", WAYS)


@EVERY_WAY
async def test_a_stream_that_came_with_its_head_waits_for_the_sink(drive: Open, way: str) -> None:
    driven = await drive(way).opened()
    for socket in driven.sockets:
        socket.receive(HEAD + http_chunk(driven.stream("Hel", "lo")) + LAST_CHUNK)
    client = await driven.entered()
    await settle()
    assert client.sent == b"", "nobody takes it yet"
    sending = driven.start()
    await settle()
    if driven.way.turns > 1:
        driven.sockets[-1].receive(HEAD + http_chunk(driven.stream("Hel", "lo")) + LAST_CHUNK)
    await sending
    assert text_of(client.sent) == "Hello" * driven.way.turns
    assert events_of(client.sent)[-1] == "[DONE]"
    await driven.leave()
    assert len(driven.upstream.idle) == len(driven.sockets)


@EVERY_WAY
async def test_half_a_frame_that_came_with_the_head_is_completed(drive: Open, way: str) -> None:
    driven = await drive(way).opened()
    stream = driven.stream("Hel", "lo")
    half = len(driven.opening()) + 20
    driven.first(stream[:half])
    client = await driven.entered()
    sending = driven.start()
    await settle()
    driven.feed(stream[half:])
    for socket in driven.sockets:
        socket.receive(LAST_CHUNK)
    await settle()
    if driven.way.turns > 1:
        driven.sockets[-1].receive(HEAD + http_chunk(driven.stream("Hel", "lo")) + LAST_CHUNK)
    await sending
    assert text_of(client.sent) == "Hello" * driven.way.turns
    await driven.leave()


@EVERY_WAY
async def test_a_client_that_is_full_from_the_start_gets_all_once_it_reads(drive: Open, way: str) -> None:
    """It has not read the answer before this one, on the same connection."""
    driven = await drive(way).opened()
    driven.first(driven.opening() + driven.delta("a"))
    client = await driven.entered()
    client.full = True
    sending = driven.start()
    await settle()
    driven.feed(driven.delta("b"))
    await settle()
    client.drain()
    await settle()
    assert text_of(client.sent) == "ab"
    driven.feed(driven.ending("ab"))
    for socket in driven.sockets:
        socket.receive(LAST_CHUNK)
    await settle()
    if driven.way.turns > 1:
        driven.sockets[-1].receive(HEAD + http_chunk(driven.stream("c")) + LAST_CHUNK)
    async with asyncio.timeout(2):
        await sending
    await driven.leave()
