"""The stream sender with a fake clock: when it sends keepalives, and when it reports a stall."""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from chat2response.api.bridge.stream_sender import StreamSender, StreamTimeouts

COMMENT, EVENT = b": OPENROUTER PROCESSING\n\n", b'data: {"x": 1}\n\n'


class Turned:
    """Timers with a clock that the test sets."""

    def __init__(self) -> None:
        self.now = 0.0
        self.due: list[tuple[float, Any]] = []

    def time(self) -> float:
        return self.now

    def call_later(self, delay: float, callback: Callable[[], None], /) -> Any:
        handle = _Handle(self, self.now + delay, callback)
        self.due.append((handle.at, handle))
        return handle

    async def to(self, moment: float) -> None:
        """Advances the clock timer by timer, then lets pending tasks run."""
        while self.due and min(self.due, key=lambda each: each[0])[0] <= moment:
            at, handle = min(self.due, key=lambda each: each[0])
            self.due.remove((at, handle))
            self.now = at
            handle.callback()
            await asyncio.sleep(0)
        self.now = moment
        await asyncio.sleep(0)


class _Handle:
    def __init__(self, timers: Turned, at: float, callback: Callable[[], None]) -> None:
        self.timers, self.at, self.callback = timers, at, callback

    def cancel(self) -> None:
        self.timers.due = [each for each in self.timers.due if each[1] is not self]


class Client:
    """Records what is sent; `gate` blocks sending."""

    def __init__(self) -> None:
        self.got: list[bytes] = []
        self.open = asyncio.Event()
        self.open.set()

    async def send(self, message: Any) -> None:
        await self.open.wait()
        self.got.append(message["body"])


class Scene:
    def __init__(self, keepalive: float = 15.0, stall: float = 60.0) -> None:
        self.timers, self.client = Turned(), Client()
        self.beats = self.stalls = 0
        self.silent = False
        timeouts = StreamTimeouts(keepalive, stall)
        self.sender = StreamSender(self.client.send, self.keepalive, self.stalled, timeouts, self.timers)

    def keepalive(self) -> bytes:
        self.beats += 1
        return b"" if self.silent else b"beat %d" % self.beats

    def stalled(self) -> None:
        self.stalls += 1


async def test_row_5_a_silence_is_broken_every_fifteen_seconds() -> None:
    """Row 5: also before the first event."""
    scene = Scene()
    await scene.timers.to(14.9)
    assert scene.client.got == []
    await scene.timers.to(15)
    assert scene.client.got == [b"beat 1"]
    await scene.timers.to(45.5)
    assert scene.client.got == [b"beat 1", b"beat 2", b"beat 3"]


async def test_who_hears_something_needs_no_beat() -> None:
    scene = Scene()
    for second in range(10, 100, 10):
        await scene.timers.to(second)
        await scene.sender.send(EVENT)
    assert scene.beats == 0
    await scene.timers.to(105)
    assert scene.client.got[-1] == b"beat 1"


async def test_row_5_an_upstream_without_events_is_given_up_once() -> None:
    """Row 5: keepalives satisfy the client, and do not count for the upstream."""
    scene = Scene()
    await scene.timers.to(59.9)
    assert (scene.beats, scene.stalls) == (3, 0)
    await scene.timers.to(300)
    assert (scene.beats, scene.stalls) == (3, 1)


async def test_row_5_comments_are_no_events() -> None:
    """Row 5: an upstream that only sends comments has stalled."""
    scene = Scene(stall=30)
    for second in (10, 20, 29):
        await scene.timers.to(second)
        await scene.sender.send(COMMENT)
    assert scene.beats == 0, "but the client has heard something"
    await scene.timers.to(30)
    assert scene.stalls == 1

    scene = Scene(stall=30)
    await scene.timers.to(29)
    await scene.sender.send(COMMENT + EVENT)
    await scene.timers.to(58)
    assert scene.stalls == 0


async def test_a_client_that_does_not_read_is_the_silent_one() -> None:
    scene = Scene()
    scene.client.open.clear()
    passing = asyncio.ensure_future(scene.sender.send(EVENT))
    await asyncio.sleep(0)
    await scene.timers.to(500)
    assert (scene.beats, scene.stalls) == (0, 0)
    scene.client.open.set()
    await passing


async def test_a_beat_goes_before_what_was_said_after_it() -> None:
    """A keepalive that drew its sequence number first is sent before the later event."""
    scene = Scene()
    scene.client.open.clear()
    await scene.timers.to(15)
    passing = asyncio.ensure_future(scene.sender.send(EVENT))
    await scene.timers.to(31)
    assert scene.beats == 1, "one on its way is enough"
    scene.client.open.set()
    await passing
    assert scene.client.got == [b"beat 1", EVENT]


async def test_nothing_to_say_is_nothing_sent() -> None:
    scene = Scene()
    scene.silent = True
    await scene.timers.to(31)
    assert (scene.beats, scene.client.got) == (2, [])


@pytest.mark.parametrize("over", ["end", "cancel"])
async def test_after_the_end_it_is_still(over: str) -> None:
    scene = Scene()
    await scene.timers.to(15)
    if over == "end":
        await scene.sender.end()
    scene.sender.cancel()
    await scene.timers.to(500)
    assert (scene.beats, scene.stalls, scene.timers.due) == (1, 0, [])


async def test_zero_is_never() -> None:
    scene = Scene(keepalive=0, stall=0)
    await scene.timers.to(10_000)
    assert (scene.beats, scene.stalls, scene.timers.due) == (0, 0, [])
    scene = Scene(keepalive=0)
    await scene.timers.to(60)
    assert (scene.beats, scene.stalls) == (0, 1)
