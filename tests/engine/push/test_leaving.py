"""The client leaves, or the sending task is cancelled, at every moment: nothing is left of the call."""

import asyncio
import gc
import weakref
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from chat2response.errors import release_frames
from chat2response.wire.fault import CANCELLED
from tests.engine.push.conftest import Open
from tests.support.engine.fakes import events_of
from tests.support.engine.hand_driven import WAYS, HandDriven, http_chunk, settle
from tests.support.engine.scene import Scene

EVERY_WAY = pytest.mark.parametrize("way", WAYS)


async def head_is_due(driven: HandDriven) -> None:
    await driven.opened()


async def first_event_is_due(driven: HandDriven) -> None:
    await driven.opened()
    driven.first(driven.opening()[:20])
    await settle()


async def not_sent_yet(driven: HandDriven) -> None:
    await driven.opened()
    driven.first(driven.opening() + driven.delta("a"))
    await driven.entered()


async def between_reads(driven: HandDriven) -> None:
    await driven.begun()


async def in_a_frame(driven: HandDriven) -> None:
    await driven.begun()
    driven.feed(driven.delta("b")[:20])


async def after_a_read(driven: HandDriven) -> None:
    """Before the task has its turn."""
    await driven.begun()
    driven.feed(driven.delta("b"))


async def client_is_full(driven: HandDriven) -> None:
    client = await driven.begun()
    client.full = True
    for _ in range(3):
        for socket in driven.sockets:
            if not socket.paused:
                socket.receive(http_chunk(driven.delta("x" * 16_000)))
    await settle()


async def full_before_it_is_sent(driven: HandDriven) -> None:
    await not_sent_yet(driven)
    driven.client.full = True
    driven.start()
    await settle()


async def at_the_end(driven: HandDriven) -> None:
    """The last frame is here, and the task has not had its turn."""
    await driven.begun()
    driven.feed(driven.delta("b") + driven.ending("ab"))


MOMENTS: list[Callable[[HandDriven], Awaitable[None]]] = [
    head_is_due,
    first_event_is_due,
    not_sent_yet,
    between_reads,
    in_a_frame,
    after_a_read,
    client_is_full,
    full_before_it_is_sent,
    at_the_end,
]


def timers_left() -> list[Any]:
    """The timers of the loop that are not cancelled."""
    loop: Any = asyncio.get_running_loop()
    return [each for each in loop._scheduled if not each.cancelled()]


async def end(driven: HandDriven, *, cancel: bool) -> None:
    """What the bridge does when the client leaves, or when its own task is cancelled."""
    if not cancel:
        driven.run.stop(CANCELLED)
        assert all(socket.closed for socket in driven.sockets) or not driven.entering.done()
    if hasattr(driven, "client"):
        driven.client.drain()  # the connection is lost: nobody waits for it
        sending = driven.start()
        if cancel:
            sending.cancel()
        await asyncio.wait({sending})
        driven.client._task = None  # a cancelled task refers to its frames
        await driven.leave()
    else:
        if cancel:
            driven.entering.cancel()
        await asyncio.wait({driven.entering})
        if not driven.entering.cancelled():
            error = driven.entering.exception()
            assert error is not None
            release_frames(error)  # as whoever answers it does


@EVERY_WAY
@pytest.mark.parametrize("moment", MOMENTS, ids=lambda each: each.__name__)
@pytest.mark.parametrize("cancel", [False, True], ids=["the client leaves", "cancelled"])
async def test_nothing_is_left(drive: Open, scene: Scene, way: str, moment: Any, cancel: bool) -> None:
    gc.collect()
    gc.disable()
    try:
        driven = drive(way)
        await moment(driven)
        sockets, run = list(driven.sockets), weakref.ref(driven.run)
        stream: Any = driven.run.stream
        streams = [] if stream is None else [weakref.ref(stream)]
        del stream
        await end(driven, cancel=cancel)
        sent = driven.client.sent if hasattr(driven, "client") else b""
        del driven
        await settle()
        assert all(socket.closed for socket in sockets)
        assert asyncio.all_tasks() == {asyncio.current_task()}
        assert timers_left() == []
        for socket in sockets:
            assert socket.connection._response is None
        sockets.clear()
        scene.engines.clear()
        scene.upstreams.clear()
        await settle()
        assert run() is None
        assert [each() for each in streams] == [None] * len(streams)
    finally:
        gc.enable()
    assert events_of(sent).count("[DONE]") <= 1
