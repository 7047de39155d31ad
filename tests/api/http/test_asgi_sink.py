"""The sink over ASGI's `send`, which a test lets through message by message."""

import asyncio
import gc
import weakref
from typing import Any

import pytest

from chat2response.api.http.asgi_sink import MAX_QUEUED, AsgiSink

LARGE = b"x" * (MAX_QUEUED + 1)


class Send:
    """Records the messages; `blocked` holds them back, and `error` is raised instead."""

    def __init__(self) -> None:
        self.messages: list[Any] = []
        self.open = asyncio.Event()
        self.open.set()
        self.error: BaseException | None = None

    async def __call__(self, message: Any) -> None:
        await self.open.wait()
        if self.error is not None:
            raise self.error
        self.messages.append(message)

    @property
    def bodies(self) -> list[bytes]:
        assert all(
            message == {"type": "http.response.body", "body": message["body"], "more_body": True}
            for message in self.messages
        )
        return [message["body"] for message in self.messages]


@pytest.fixture
async def send() -> Send:
    return Send()


@pytest.fixture
async def sink(send: Send) -> AsgiSink:
    return AsgiSink(send)


async def settle() -> None:
    for _ in range(5):
        await asyncio.sleep(0)


async def test_writes_are_sent_in_order(send: Send, sink: AsgiSink) -> None:
    sink.write(b"a")
    assert send.messages == [], "the write does not wait"
    await settle()
    sink.write(b"b")
    sink.write(b"")
    await sink.finish()
    assert send.bodies == [b"a", b"b"]


async def test_what_waits_is_one_message(send: Send, sink: AsgiSink) -> None:
    send.open.clear()
    for data in (b"a", b"b", b"c"):
        sink.write(data)
        await settle()
    send.open.set()
    await sink.finish()
    assert send.bodies == [b"a", b"bc"]


async def test_empty_data_is_no_message_and_needs_no_task(send: Send, sink: AsgiSink) -> None:
    before = asyncio.all_tasks()
    sink.write(b"")
    assert asyncio.all_tasks() == before
    await sink.finish()
    assert send.messages == []


async def test_a_task_exists_only_while_something_waits(send: Send, sink: AsgiSink) -> None:
    before = asyncio.all_tasks()
    for _ in range(2):
        sink.write(b"a")
        sink.write(b"b")
        assert len(asyncio.all_tasks() - before) == 1
        await settle()
        assert asyncio.all_tasks() == before


async def test_a_full_sink_takes_writes_and_drains(send: Send, sink: AsgiSink) -> None:
    calls: list[str] = []
    sink.on_drained(lambda: calls.append("not full"))
    assert calls == ["not full"]
    send.open.clear()
    sink.write(LARGE[:-1])
    assert not sink.full
    sink.write(b"x")
    assert sink.full
    for name in "ab":
        sink.on_drained(lambda name=name: calls.append(name))
    sink.write(b"more")
    await settle()
    assert sink.full
    assert calls == ["not full"]
    send.open.set()
    await sink.finish()
    assert (sink.full, calls) == (False, ["not full", "a", "b"])
    assert b"".join(send.bodies) == LARGE + b"more"


async def test_what_is_being_sent_counts_as_queued(send: Send, sink: AsgiSink) -> None:
    send.open.clear()
    sink.write(LARGE)
    await settle()
    assert sink.full
    send.open.set()
    await sink.finish()
    assert not sink.full


async def test_a_drained_callback_may_write(send: Send, sink: AsgiSink) -> None:
    sink.write(LARGE)
    sink.on_drained(lambda: sink.write(b"next"))
    await sink.finish()
    assert send.bodies == [LARGE, b"next"]


@pytest.mark.parametrize("error", [OSError("the client has disconnected"), RuntimeError("a bug")])
async def test_an_error_of_send_ends_the_sink_and_stays_inside(
    send: Send, sink: AsgiSink, error: Exception, caplog: pytest.LogCaptureFixture
) -> None:
    """ASGI: `send` raises OSError after a disconnect. Any other error is a fault, and is logged."""
    calls: list[str] = []
    send.error = error
    sink.write(LARGE)
    sink.on_drained(lambda: calls.append("drained"))
    await sink.finish()
    send.error = None
    sink.write(LARGE)
    sink.on_drained(lambda: calls.append("at once"))
    await sink.finish()
    assert (send.messages, sink.full, calls) == ([], False, ["drained", "at once"])
    assert len(caplog.records) == (0 if isinstance(error, OSError) else 1)


@pytest.mark.parametrize("started", [True, False])
async def test_a_cancelled_sink_sends_nothing_more(send: Send, sink: AsgiSink, started: bool) -> None:
    before = asyncio.all_tasks()
    calls: list[str] = []
    send.open.clear()
    sink.write(LARGE)
    sink.on_drained(lambda: calls.append("drained"))
    if started:
        await settle()
    sink.cancel()
    sink.cancel()
    assert (sink.full, calls) == (False, ["drained"])
    send.open.set()
    sink.write(b"more")
    await sink.finish()
    await settle()
    assert send.messages == []
    assert asyncio.all_tasks() == before


@pytest.mark.parametrize("end", ["finish", "cancel", "error"])
async def test_it_leaves_nothing_for_the_garbage_collector(send: Send, end: str) -> None:
    class Observed(AsgiSink):
        """Can be referred to weakly."""

    gc.disable()
    try:
        sink = Observed(send)
        gone = weakref.ref(sink)
        if end == "error":
            send.error = OSError()
        sink.write(LARGE)
        sink.on_drained(lambda sink=sink: None)  # type: ignore[misc]
        if end == "cancel":
            sink.cancel()
        await sink.finish()
        del sink
        send.error = None
        await settle()
        assert gone() is None
    finally:
        gc.enable()
