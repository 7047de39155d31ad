"""A write to the store that must come before a frame: frames wait in order, reading pauses, one end comes."""

import asyncio
from typing import Any

import pytest

from chat2response.api.bridge.timed_sink import StreamTimeouts, TimedSink
from chat2response.stores.base import StoreDown
from chat2response.wire.fault import REVOKED, STORE_DOWN
from chat2response.wire.json import encode
from tests.engine.push.conftest import Open
from tests.support.engine.client_streams import ends_of, text_of
from tests.support.engine.fakes import events_of
from tests.support.engine.hand_driven import HEAD, LAST_CHUNK, WAYS, HandDriven, http_chunk, settle
from tests.support.engine.scene import Scene
from tests.support.manual_timers import ManualTimers

EVERY_WAY = pytest.mark.parametrize("way", WAYS)
DOWN = pytest.mark.parametrize("down", [False, True], ids=["slow", "down"])
CONTAINER = {"id": "ci_1", "type": "code_interpreter_call", "container_id": "cntr_1"}
NEW_ID = b"data: %b\n\n" % encode(
    {"type": "response.output_item.done", "sequence_number": 5, "output_index": 1, "item": CONTAINER}
)


class Writes:
    """Store writes that a test lets go, one at a time; each fails if `down` is set."""

    def __init__(self) -> None:
        self.pending: list[asyncio.Future[None]] = []
        self.down = False
        self.begun = asyncio.Event()

    async def wait(self, *_: Any, **__: Any) -> None:
        future = asyncio.get_running_loop().create_future()
        self.pending.append(future)
        self.begun.set()
        await future
        if self.down:
            raise StoreDown("it was pulled out")

    def go(self) -> None:
        """Lets the writes go that wait, and those that follow."""
        pending, self.pending = self.pending, []
        for future in pending:
            if not future.done():
                future.set_result(None)


def reading_paused(driven: HandDriven) -> bool:
    """Floods the first connection as far as it reads. The frames that wait are bounded."""
    socket = driven.sockets[0]
    for _ in range(10):
        if socket.paused or socket.closed:
            return True
        socket.receive(http_chunk(driven.delta("x" * 8000)))
    return False


def send_keepalives(driven: HandDriven) -> None:
    """Lets the time of five keepalives pass."""
    stream, timers = driven.answer.stream, ManualTimers()
    assert stream is not None
    sink = TimedSink(driven.client, stream.keepalive, lambda: None, StreamTimeouts(1.0, 0.0), timers)
    timers.advance(5.0)
    sink.close()


def slowly(driven: HandDriven, writes: Writes, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each settlement waits."""
    inner = driven.run.meter.settle

    async def settle_slowly(*args: Any, **more: Any) -> None:
        await writes.wait()
        await inner(*args, **more)

    monkeypatch.setattr(driven.run.meter, "settle", settle_slowly)


async def finish(driven: HandDriven) -> None:
    async with asyncio.timeout(2):
        await driven.start()
    await driven.leave()


# -- owners: only a relay of stored responses waits for them -------------------------------------------


@DOWN
async def test_an_owner_before_the_first_event(drive: Open, scene: Scene, down: bool) -> None:
    driven = await drive("relay responses").opened()
    writes = Writes()
    scene.store.before = writes.wait
    driven.first(driven.opening() + driven.delta("a"))
    await settle()
    assert len(writes.pending) == 1 and not driven.entering.done()
    assert reading_paused(driven)
    writes.down = down
    writes.go()
    if down:
        with pytest.raises(StoreDown):
            await driven.entering
        assert driven.sockets[0].closed
        return
    client = await driven.entered()
    driven.start()
    await settle()
    assert text_of(client.sent).startswith("ax")
    driven.run.stop(REVOKED)
    await finish(driven)


@DOWN
async def test_an_owner_before_a_later_id(drive: Open, scene: Scene, down: bool) -> None:
    driven = drive("relay responses")
    client = await driven.begun()
    writes = Writes()
    scene.store.before = writes.wait
    sent = client.sent
    driven.feed(driven.delta("b") + NEW_ID + driven.delta("c"))
    assert client.sent == sent, "the whole read waits"
    await settle()
    assert len(writes.pending) == 1
    assert reading_paused(driven)
    send_keepalives(driven)
    assert client.sent == sent, "no heartbeat while frames wait"
    writes.down = down
    writes.go()
    scene.store.before = None
    await settle()
    if down:
        await finish(driven)
        assert text_of(client.sent) == "a"
        assert STORE_DOWN.message in str(ends_of(client.sent))
        assert len(ends_of(client.sent)) == 1
        return
    assert text_of(client.sent).startswith("abcx")
    driven.feed(driven.ending("abc"))
    driven.sockets[0].receive(LAST_CHUNK)
    await finish(driven)
    assert [each["type"] for each in ends_of(client.sent)] == ["response.completed"]


@DOWN
@pytest.mark.parametrize("at_end", [False, True], ids=["an id", "the end"])
async def test_a_stop_while_a_write_is_pending(drive: Open, scene: Scene, down: bool, at_end: bool) -> None:
    """The write may finish; its frames are dropped, unless they are the end."""
    driven = drive("relay responses")
    client = await driven.begun()
    writes = Writes()
    scene.store.before = writes.wait
    driven.feed(driven.ending("a") if at_end else driven.delta("b") + NEW_ID)
    await settle()
    assert len(writes.pending) == 1
    driven.run.stop(REVOKED)
    assert driven.sockets[0].closed, "although the write goes on"
    await settle()
    assert len(writes.pending) == 1, "it is not cancelled"
    writes.down = down
    writes.go()
    scene.store.before = None
    await finish(driven)
    (end,) = ends_of(client.sent)
    assert text_of(client.sent) == "a"
    if at_end and not down:
        assert end["type"] == "response.completed"
    else:
        assert end["type"] == "response.failed"
        assert (STORE_DOWN if down else REVOKED).message in str(end)
    assert events_of(client.sent).count("[DONE]") == 1


async def test_a_client_that_drains_after_the_store_failed_gets_only_the_end(
    drive: Open, scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The head went out by the time; then an id came, whose write fails; the settlement takes long."""
    driven = await drive("relay responses", limited=True).opened()
    driven.sockets[0].receive(HEAD)
    await settle()
    first: Any = driven.run.stream._first  # type: ignore[union-attr]
    scene.store.down = True
    first.give_up()
    driven.feed(driven.opening() + driven.delta("a"))
    driven.feed(driven.delta("b"))
    client = await driven.entered()
    client.full = True
    writes = Writes()
    slowly(driven, writes, monkeypatch)
    driven.start()
    await writes.begun.wait()
    client.drain()
    assert client.sent == b"", "nothing of what could not be recorded"
    writes.go()
    monkeypatch.undo()
    await finish(driven)
    assert [each["type"] for each in ends_of(client.sent)] == ["response.failed"]
    assert text_of(client.sent) == ""


# -- keep, and settle: before every end --------------------------------------------------------------


async def to_the_end(driven: HandDriven) -> None:
    """The end of every answer arrives."""
    for socket in driven.sockets[: driven.way.requests]:
        socket.receive(http_chunk(driven.delta("b") + driven.ending("ab")) + LAST_CHUNK)
    await settle()
    if driven.way.turns > 1:
        driven.sockets[-1].receive(HEAD + http_chunk(driven.stream("c")) + LAST_CHUNK)
    await settle()


@pytest.mark.parametrize("what", ["keep", "settle", "down"])
@pytest.mark.parametrize("stopped", [False, True], ids=["", "stopped"])
@EVERY_WAY
async def test_a_write_before_the_end(
    drive: Open, monkeypatch: pytest.MonkeyPatch, way: str, what: str, stopped: bool
) -> None:
    """`down`: `keep` fails. A settlement never does."""
    writes = Writes()
    settles = what == "settle"
    driven = drive(way, limited=settles, keep=None if settles else writes.wait, store=True)
    client = await driven.begun()
    if settles:
        slowly(driven, writes, monkeypatch)
    await to_the_end(driven)
    await writes.begun.wait()  # `keep` of a relay begins in a thread
    sent = client.sent
    send_keepalives(driven)
    if way != "choices":  # its keepalive is a comment, which fits between the ends of two choices
        assert client.sent == sent, "no heartbeat while the end waits"
    if stopped:
        driven.run.stop(REVOKED)
    await settle()
    assert ends_of(client.sent) == []
    writes.down = what == "down"
    while not driven.start().done():
        writes.go()
        await settle()
    monkeypatch.undo()
    await driven.leave()
    ends = ends_of(client.sent)
    assert events_of(client.sent)[-1] == "[DONE]"
    assert events_of(client.sent).count("[DONE]") == 1
    if writes.down:
        assert len(ends) == 1 and STORE_DOWN.message in str(ends)
    elif driven.way.surface == "chat":
        assert ends == []
    else:
        assert [each["type"] for each in ends] == ["response.completed"]
