"""A client that does not read: reading pauses, memory is bounded, nothing is lost, repeated or reordered."""

import asyncio
import random

import pytest

from tests.engine.push.conftest import Open
from tests.support.engine.client_streams import text_of
from tests.support.engine.hand_driven import HEAD, LAST_CHUNK, WAYS, HandDriven, http_chunk, settle

EVERY_WAY = pytest.mark.parametrize("way", WAYS)
READ = 16 * 1024  # bytes of the body in one read


def reads(driven: HandDriven, count: int) -> tuple[list[bytes], str]:
    """Reads of many deltas, each of which may end inside a frame; and their text."""
    texts = [f"<{number}>" for number in range(count * 100)]
    data = b"".join(driven.delta(text) for text in texts)
    return [data[at : at + READ] for at in range(0, len(data), READ)], "".join(texts)


async def finish(driven: HandDriven) -> None:
    """Ends each turn of the stream."""
    driven.feed(driven.ending(""))
    for socket in driven.sockets[: driven.way.requests]:
        socket.receive(LAST_CHUNK)
    await settle()
    if driven.way.turns > 1:
        driven.sockets[-1].receive(HEAD + http_chunk(driven.stream()) + LAST_CHUNK)
    async with asyncio.timeout(2):
        await driven.start()
    await driven.leave()


@EVERY_WAY
async def test_reading_pauses_until_the_client_reads(drive: Open, way: str) -> None:
    driven = drive(way)
    client = await driven.begun("")
    pieces, text = reads(driven, 12)
    client.full = True
    sent = 0
    for socket in driven.sockets:  # each is read as long as it does not pause
        number = 0
        while not socket.paused:
            socket.receive(http_chunk(pieces[number]))
            number += 1
            await asyncio.sleep(0)
        assert number <= 4, "a read that is passed on, and those that wait"
        sent = number
    written = len(client.sent)
    await settle()
    assert len(client.sent) == written
    assert written < 10 * READ * driven.way.requests
    for piece in pieces[sent:]:
        client.drain()
        await settle()
        assert not any(socket.paused for socket in driven.sockets)
        client.full = True
        driven.feed(piece)
        await settle()
    client.drain()
    await settle()
    await finish(driven)
    assert text_of(client.sent) == text


@EVERY_WAY
async def test_a_client_that_drains_inside_a_write_stops_nothing(drive: Open, way: str) -> None:
    driven = drive(way)
    client = await driven.begun("")
    inner = client.write

    def write(data: bytes, /) -> None:
        client.full = True
        inner(data)
        client.drain()

    client.write = write  # type: ignore[method-assign]
    pieces, text = reads(driven, 5)
    for piece in pieces:
        driven.feed(piece)
    await finish(driven)
    assert text_of(client.sent) == text
    assert not any(socket.pauses for socket in driven.sockets)


@EVERY_WAY
@pytest.mark.parametrize("seed", range(5))
async def test_a_client_that_is_full_at_random(drive: Open, way: str, seed: int) -> None:
    chance = random.Random(seed)
    driven = drive(way)
    client = await driven.begun("")
    inner = client.write

    def write(data: bytes, /) -> None:
        client.full = client.full or chance.random() < 0.5
        inner(data)
        if chance.random() < 0.3:
            client.drain()

    client.write = write  # type: ignore[method-assign]
    pieces, text = reads(driven, 5)
    stream = b"".join(pieces)
    positions = [0 for _ in driven.sockets]
    while min(positions) < len(stream):
        for number, socket in enumerate(driven.sockets):
            if positions[number] < len(stream) and not socket.paused and chance.random() < 0.7:
                size = chance.choice([1, 50, 5000, 60_000])
                socket.receive(http_chunk(stream[positions[number] : positions[number] + size]))
                positions[number] += size
        if chance.random() < 0.5:
            client.drain()
        await asyncio.sleep(0)
    client.write = inner  # type: ignore[method-assign]
    client.drain()
    await settle()
    await finish(driven)
    assert text_of(client.sent) == text


@EVERY_WAY
async def test_a_slow_client_is_no_silence_of_the_upstream(drive: Open, way: str) -> None:
    """The connection's timer does not fire while reading pauses."""
    driven = drive(way)
    client = await driven.begun("")
    pieces, _ = reads(driven, 6)
    client.full = True
    for socket in driven.sockets:
        for piece in pieces:
            if not socket.paused:
                socket.receive(http_chunk(piece))
        socket.connection._last -= 1000.0
        socket.connection._check()
        assert not socket.closed
    client.drain()
    await settle()
    await finish(driven)
