"""Everything at random: cuts, a client that pauses, heartbeats, a slow store, a stop or a cut at any moment.

Whatever happens: the client's text is a beginning of the upstream's, numbers go up, one end comes, and
nothing is left.
"""

import asyncio
import random
from typing import Any

import pytest

from chat2response.api.bridge.timed_sink import StreamTimeouts, TimedSink
from chat2response.wire.fault import DRAINING, REVOKED, STORE_DOWN
from tests.engine.push.conftest import Open
from tests.support.engine.client_streams import ends_of, text_of
from tests.support.engine.fakes import events_of
from tests.support.engine.hand_driven import HEAD, LAST_CHUNK, WAYS, HandDriven, Socket, http_chunk, settle
from tests.support.engine.scene import Client, Scene
from tests.support.manual_timers import ManualTimers
from tests.support.stream_grammar import assert_well_formed

SEEDS = range(12)
TEXTS = [f"<{number}>" + "é\u2028" * (number % 40) for number in range(150)]
MESSAGES = (REVOKED.message, DRAINING.message, STORE_DOWN.message, "closed the connection")


class Chance:
    """One stream, driven by chance."""

    def __init__(self, driven: HandDriven, scene: Scene, seed: int) -> None:
        self.driven, self.scene = driven, scene
        self.chance = random.Random(seed)
        self.timers = ManualTimers()
        self.ending = self.chance.choice(["whole", "whole", "cut", "stop", "store"])
        stream = driven.stream(*TEXTS)
        framed, at = HEAD, 0
        while at < len(stream):
            size = self.chance.choice([10, 1000, 40_000])
            framed += http_chunk(stream[at : at + size])
            at += size
        self.data = framed + LAST_CHUNK
        whole = self.ending in ("whole", "store")
        self.until = len(self.data) if whole else self.chance.randrange(len(HEAD) + 2000, len(self.data))
        self.read: dict[tuple[Socket, int], int] = {}  # of each answer on a connection
        self.sending: asyncio.Task[None] | None = None

    async def play(self) -> None:
        driven, chance = self.driven, self.chance
        self.scene.store.before = self._store
        await driven.opened()
        for _ in range(3000):
            self._step()
            if chance.random() < 0.5:
                await asyncio.sleep(0)
            if self.sending is None and driven.entering.done():
                await self._begin()
            if self.sending is not None and self.sending.done():
                break
        self._drain()
        await settle()
        if self.ending == "stop":
            driven.run.stop(chance.choice([REVOKED, DRAINING]))
        elif self.ending == "cut":
            for socket in driven.sockets:
                if not socket.closed:
                    socket.lose(ConnectionResetError())
        async with asyncio.timeout(5):
            if self.sending is None:
                await self._begin()
            assert self.sending is not None
            await self.sending
        self.timed.close()
        await driven.leave()

    async def _begin(self) -> None:
        """The head is decided: the stream is sent."""
        client = await self.driven.entered()
        answer: Any = self.driven.answer.stream
        inner = client.write

        def write(data: bytes, /) -> None:
            client.full = client.full or self.chance.random() < 0.2
            inner(data)
            if self.chance.random() < 0.2:
                client.drain()

        client.write = write  # type: ignore[method-assign]
        self.timed = TimedSink(client, answer.keepalive, lambda: None, StreamTimeouts(1.0, 0.0), self.timers)
        self.sending = asyncio.ensure_future(answer.send(self.timed))

    def _step(self) -> None:
        chance = self.chance
        if chance.random() < 0.3:
            self._drain()
        if chance.random() < 0.05:
            self.timers.advance(self.timers.now + 1.5)
        for socket in self.driven.sockets:
            if not socket.paused and not socket.closed and chance.random() < 0.6:
                answer = (socket, socket.out.count(b"POST "))
                at = self.read.get(answer, 0)
                size = min(chance.choice([1, 100, 3000, 60_000]), self.until - at)
                if size > 0:
                    self.read[answer] = at + size
                    socket.receive(self.data[at : at + size])

    def _drain(self) -> None:
        client: Client | None = getattr(self.driven, "client", None)
        if client is not None:
            client.drain()

    async def _store(self) -> None:
        for _ in range(self.chance.randrange(30)):
            await asyncio.sleep(0)
        self.scene.store.down = self.ending == "store" and self.sending is not None


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("seed", SEEDS)
async def test_whatever_happens(drive: Open, scene: Scene, way: str, seed: int) -> None:
    driven = drive(way)
    played = Chance(driven, scene, seed)
    await played.play()
    out = driven.client.sent
    events = events_of(out)
    assert events[-1] == "[DONE]" and events.count("[DONE]") == 1
    text, whole = text_of(out), "".join(TEXTS) * driven.way.turns
    assert whole.startswith(text)
    ends = ends_of(out)
    if driven.way.surface != "chat":
        assert len(ends) == 1
        if not way.startswith("relay"):
            assert_well_formed(events[:-1])
    if text != whole or played.ending in ("stop", "cut"):
        assert len(ends) == 1
        assert any(message in str(ends) for message in MESSAGES)
    assert len(driven.upstream.idle) == sum(not socket.closed for socket in driven.sockets)
