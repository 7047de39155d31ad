"""Stops and cancellations at every stage of a call: the right error or end, and nothing left behind."""

import asyncio
import gc
import weakref
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

import pytest

from chat2response.engine.run import Run
from chat2response.errors import BridgeError, Unavailable
from chat2response.wire.fault import (
    CANCELLED,
    DRAINING,
    RESET,
    REVOKED,
    STORE_DOWN,
    TIMEOUT,
    TOO_LARGE,
    Fault,
)
from tests.support.engine.fakes import JSON, FakeReply, FakeTurn, FakeUpstream, comment, ends, events_of, says
from tests.support.engine.frames import CHAT_STREAMS, RESPONSES_STREAMS
from tests.support.engine.scene import Client, Scene, rest, whole

STATUS = {
    CANCELLED: 502,
    DRAINING: 503,
    RESET: 502,
    REVOKED: 401,
    STORE_DOWN: 503,
    TIMEOUT: 504,
    TOO_LARGE: 502,
}
FAULTS = [pytest.param(fault, id=fault.cause) for fault in STATUS]


@dataclass
class Stuck:
    """A call that waits for something that never happens; `waiting` returns once it does."""

    run: Run
    waiting: Callable[[], Awaitable[Any]]
    upstream: FakeUpstream


def before_the_head(surface: str, dialect: str, *, stream: bool) -> Callable[[Scene], Stuck]:
    def make(scene: Scene) -> Stuck:
        upstream = FakeUpstream(FakeReply(), asyncio.Event())
        return Stuck(scene.open(upstream, surface, dialect, stream=stream), upstream.called.wait, upstream)

    return make


def holding(surface: str, dialect: str, *before: Any) -> Callable[[Scene], Stuck]:
    def make(scene: Scene) -> Stuck:
        steps = (*before, asyncio.Event())
        stage = FakeReply(*steps) if surface == dialect else FakeTurn(*steps)
        upstream = FakeUpstream(stage)
        return Stuck(scene.open(upstream, surface, dialect, stream=True), stage.waiting.wait, upstream)

    return make


def whole_body(scene: Scene) -> Stuck:
    stage = FakeReply(b'{"id":', asyncio.Event(), media_type=JSON)
    upstream = FakeUpstream(stage)
    return Stuck(scene.open(upstream, "chat", "chat"), stage.waiting.wait, upstream)


def checking_an_owner(scene: Scene) -> Stuck:
    asking = asyncio.Event()

    async def get_many(*_: Any) -> None:
        asking.set()
        await asyncio.Event().wait()

    scene.store.get_many = get_many  # type: ignore[method-assign, assignment]
    upstream = FakeUpstream(FakeReply())
    run = scene.open(upstream, "responses", "responses", previous_response_id="resp_1")
    return Stuck(run, asking.wait, upstream)


STAGES = {
    "checking an owner": checking_an_owner,
    "relay, before the head": before_the_head("chat", "chat", stream=True),
    "relay, before the head of JSON": before_the_head("responses", "responses", stream=False),
    "conversion, before the head": before_the_head("responses", "chat", stream=True),
    "conversion, waiting for JSON": before_the_head("chat", "responses", stream=False),
    "relay, holding": holding("chat", "chat"),
    "relay, holding after comments": holding("responses", "responses", b": wait\n\n"),
    "conversion, holding": holding("chat", "responses"),
    "conversion, holding after comments": holding("responses", "chat", comment),
    "relay, reading JSON": whole_body,
}
EVERY_STAGE = pytest.mark.parametrize("make", [pytest.param(make, id=name) for name, make in STAGES.items()])


async def entering(stuck: Stuck) -> "asyncio.Task[Any]":
    """Enters the call and waits until it is stuck."""
    task = asyncio.ensure_future(whole(stuck.run))
    await stuck.waiting()
    return task


# -- before the first byte ---------------------------------------------------------------------------


@EVERY_STAGE
@pytest.mark.parametrize("fault", FAULTS)
async def test_a_stop_before_the_first_byte_is_an_error_with_its_name(
    scene: Scene, make: Callable[[Scene], Stuck], fault: Fault
) -> None:
    stuck = make(scene)
    task = await entering(stuck)
    assert len(scene.engine_.runs) == 1, "it is registered from the first moment"
    stuck.run.stop(fault)
    with pytest.raises(BridgeError) as caught:
        await task
    assert (caught.value.status, caught.value.message) == (STATUS[fault], fault.message)
    assert task.cancelling() == 0
    assert scene.outcomes == [fault.cause]


@EVERY_STAGE
async def test_a_cancellation_from_outside_stays_one(scene: Scene, make: Callable[[Scene], Stuck]) -> None:
    task = await entering(make(scene))
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert task.cancelled()
    assert scene.outcomes == ["error"]


@EVERY_STAGE
async def test_a_stop_and_a_cancellation_together_are_a_cancellation(
    scene: Scene, make: Callable[[Scene], Stuck]
) -> None:
    stuck = make(scene)
    task = await entering(stuck)
    stuck.run.stop(DRAINING)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


@EVERY_STAGE
async def test_a_stop_does_not_disturb_a_deadline_around_the_call(
    scene: Scene, make: Callable[[Scene], Stuck]
) -> None:
    stuck = make(scene)

    async def within_a_deadline() -> str:
        try:
            async with asyncio.timeout(60):
                await whole(stuck.run)
        except Unavailable:
            await asyncio.sleep(0)  # a leftover cancellation would surface here
            return "unavailable"
        return "answered"

    task = asyncio.ensure_future(within_a_deadline())
    await stuck.waiting()
    stuck.run.stop(DRAINING)
    assert await task == "unavailable"


async def test_of_two_faults_the_first_counts(scene: Scene) -> None:
    stuck = STAGES["relay, before the head"](scene)
    task = await entering(stuck)
    stuck.run.stop(REVOKED)
    stuck.run.stop(DRAINING)
    with pytest.raises(BridgeError) as caught:
        await task
    assert caught.value.status == 401
    assert stuck.upstream.cancelled == 1


async def test_a_call_that_was_stopped_before_it_began_asks_nobody(scene: Scene) -> None:
    upstream = FakeUpstream(FakeReply())
    run = scene.open(upstream, "chat", "chat")
    run.stop(CANCELLED)
    with pytest.raises(BridgeError):
        await whole(run)
    assert upstream.requests == []
    assert scene.outcomes == ["cancel"]


async def test_an_upstream_that_refuses_is_left_out_of_what_is_closed(scene: Scene) -> None:
    with pytest.raises(RuntimeError):
        await whole(scene.open(RuntimeError("a bug of the upstream"), "chat", "chat"))
    assert (scene.upstream.entered, scene.upstream.left) == (0, 0)


# -- after the first byte ----------------------------------------------------------------------------

RELAYED = {"chat": CHAT_STREAMS["text"][0], "responses": RESPONSES_STREAMS["text"][0]}
RUNNING: dict[str, tuple[str, str]] = {
    "relay of Chat": ("chat", "chat"),
    "relay of Responses": ("responses", "responses"),
    "conversion to Responses": ("responses", "chat"),
    "conversion to Chat": ("chat", "responses"),
}
EVERY_STREAM = pytest.mark.parametrize(
    ("surface", "dialect"), [pytest.param(*way, id=name) for name, way in RUNNING.items()]
)


def running(scene: Scene, surface: str, dialect: str) -> tuple[Run, Any]:
    """A call that has sent its first event and then waits for ever."""
    stage = (
        FakeReply(RELAYED[surface], asyncio.Event())
        if surface == dialect
        else FakeTurn(says("a"), asyncio.Event(), ends())
    )
    return scene.open(stage, surface, dialect, stream=True), stage


@EVERY_STREAM
@pytest.mark.parametrize("fault", FAULTS)
async def test_a_stop_after_the_first_byte_is_an_event(
    scene: Scene, surface: str, dialect: str, fault: Fault
) -> None:
    run, stage = running(scene, surface, dialect)
    async with run as answer, Client(answer) as client:
        await client.next()
        reading = asyncio.ensure_future(client.rest())
        await stage.waiting.wait()
        run.stop(fault)
        end, done = events_of(await reading)
    assert done == "[DONE]"
    error = end["error"] if surface == "chat" else end["response"]["error"]
    assert error["message"] == fault.message
    if surface == "responses":
        assert end["type"] == "response.failed"
        assert end["response"]["id"]
    assert scene.outcomes == [fault.cause]


@EVERY_STREAM
async def test_a_stop_between_two_reads_is_seen_by_the_next(scene: Scene, surface: str, dialect: str) -> None:
    run, _ = running(scene, surface, dialect)
    async with run as answer:
        run.stop(REVOKED)
        *_, end, _done = events_of(await rest(answer))
    assert REVOKED.message in str(end)


@EVERY_STREAM
async def test_a_cancellation_while_streaming_stays_one(scene: Scene, surface: str, dialect: str) -> None:
    run, stage = running(scene, surface, dialect)
    task = asyncio.ensure_future(whole(run))
    await stage.waiting.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert scene.outcomes == ["cancel"]


@EVERY_STREAM
async def test_a_consumer_that_fails_leaves_nothing_open(scene: Scene, surface: str, dialect: str) -> None:
    run, _ = running(scene, surface, dialect)
    with pytest.raises(ConnectionResetError):
        async with run as answer, Client(answer) as client:
            await client.next()
            raise ConnectionResetError
    assert scene.upstream.left == 1


async def test_a_stop_of_a_call_that_was_complete_changes_nothing(scene: Scene) -> None:
    run = scene.open(FakeTurn(says("a"), ends()), "responses", "chat", stream=True)
    async with run as answer:
        await rest(answer)
        run.stop(CANCELLED)
    assert scene.outcomes == ["completed"]


async def test_a_shutdown_stops_every_run(scene: Scene) -> None:
    tasks = [await entering(make(scene)) for make in STAGES.values()]
    for engine in scene.engines:
        engine.runs.stop_all(DRAINING)
    ended = await asyncio.gather(*tasks, return_exceptions=True)
    assert [type(each) for each in ended] == [Unavailable] * len(STAGES)


@EVERY_STREAM
async def test_a_stream_that_was_left_is_freed_at_once(scene: Scene, surface: str, dialect: str) -> None:
    """It may hold megabytes, and no collection should have to find them."""
    gc.collect()
    gc.disable()
    try:
        call_run, _ = running(scene, surface, dialect)
        async with call_run as answer, Client(answer) as client:
            await client.next()
        alive = weakref.ref(call_run)
        del call_run, answer, client
        for _ in range(10):
            await asyncio.sleep(0)
        assert alive() is None
    finally:
        gc.enable()
