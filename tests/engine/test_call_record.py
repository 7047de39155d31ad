"""`CallRecord`: what it says of a call, however the call ends."""

import asyncio
from contextlib import nullcontext
from typing import Any

import pytest

from chat2response.convert.outcome import failed
from chat2response.engine.run import Run
from chat2response.errors import BridgeError, UpstreamError
from chat2response.observe.call_record import CallRecord
from chat2response.wire.fault import CANCELLED, REVOKED
from chat2response.wire.json import encode
from tests.support.engine.fakes import JSON, FakeReply, FakeTurn, ends, says
from tests.support.engine.frames import CHAT_STREAMS, RESPONSES_STREAMS
from tests.support.engine.scene import Scene, rest, whole

RESPONSE: dict[str, Any] = {
    "id": "resp_1",
    "object": "response",
    "status": "completed",
    "output": [],
    "usage": {"input_tokens": 3, "output_tokens": 2, "total_tokens": 5},
}
REFUSAL = b'{"error":{"message":"Slow down.","type":"rate_limit_error"}}'
RELAYED = {"chat": CHAT_STREAMS["text"], "responses": RESPONSES_STREAMS["text"]}
WAYS = [("chat", "chat"), ("responses", "responses"), ("chat", "responses"), ("responses", "chat")]
EVERY_WAY = pytest.mark.parametrize(("surface", "dialect"), [*WAYS, ("proxy", "chat")])


def stream_of(surface: str, dialect: str) -> Any:
    """A whole stream, with usage."""
    if surface == dialect:
        return FakeReply(*RELAYED[dialect])
    return FakeTurn(says("Hel"), says("lo"), ends())


def check_times(record: CallRecord, *, head: bool = True, content: bool = True) -> None:
    """Each time that was reached comes after those before it."""
    assert (bool(record.head_at), bool(record.first_content_at)) == (head, content)
    times = [record.started_at, record.head_at, record.first_content_at, record.ended_at]
    reached = [each for each in times if each]
    assert reached == sorted(reached)
    assert record.started_at and record.ended_at


def check_call(run: Run, surface: str, dialect: str) -> None:
    """What is known of every call."""
    record = run.record
    assert (record.surface, record.target, record.key, record.model) == (surface, dialect, "key-1", "m")


# -- answers -----------------------------------------------------------------------------------------


@EVERY_WAY
async def test_a_stream(scene: Scene, surface: str, dialect: str) -> None:
    run = scene.open(stream_of(surface, dialect), surface, dialect, stream=True)
    await whole(run)
    record = run.record
    check_call(run, surface, dialect)
    assert (record.status, record.outcome, record.cut_by) == (200, "completed", None)
    assert record.usage is not None and record.usage["total_tokens"] in (5, 18)
    assert record.losses == []
    check_times(record)


@pytest.mark.parametrize(("surface", "dialect"), [("responses", "responses"), ("chat", "responses")])
async def test_a_json_answer(scene: Scene, surface: str, dialect: str) -> None:
    answer = FakeReply(encode(RESPONSE), media_type=JSON) if surface == dialect else RESPONSE
    run = scene.open(answer, surface, dialect)
    await whole(run)
    record = run.record
    check_call(run, surface, dialect)
    assert (record.status, record.outcome, record.cut_by) == (200, "completed", None)
    assert record.usage is not None and record.usage["total_tokens"] == 5
    check_times(record, content=False)


async def test_losses_of_the_request_and_of_the_answer(scene: Scene) -> None:
    turn = FakeTurn(says("a"), lambda writer: writer.losses.add("output[0]", "dropped"), ends())
    run = scene.open(turn, "responses", "chat", stream=True, store=True)
    await whole(run)
    assert run.record.losses == ["store", "output[0]"]
    run = scene.open({**RESPONSE, "usage": None}, "responses", "chat", store=True)
    await whole(run)
    assert run.record.losses == ["store"]


@pytest.mark.parametrize("stream", [True, False])
async def test_several_choices_are_one_call(scene: Scene, stream: bool) -> None:
    answers: list[Any] = [FakeTurn(says("a"), ends()) for _ in range(3)] if stream else [RESPONSE] * 3
    run = scene.open(answers, "chat", "responses", stream=stream, n=3)
    await whole(run)
    record = run.record
    check_call(run, "chat", "responses")
    assert (record.status, record.outcome, record.cut_by) == (200, "completed", None)
    assert record.usage is not None and record.usage["total_tokens"] == 15
    check_times(record, content=stream)
    assert scene.outcomes == ["completed"]


async def test_a_choice_that_fails_fails_the_call(scene: Scene) -> None:
    going_on = asyncio.Event()
    broken = failed(UpstreamError("It broke.", status=500))
    turns = [FakeTurn(says("a"), asyncio.Event()), FakeTurn(says("b"), going_on, ends(broken))]
    run = scene.open(turns, "chat", "responses", stream=True, n=2)
    async with run as answer:
        going_on.set()
        await rest(answer)
    record = run.record
    assert (record.status, record.outcome, record.cut_by) == (200, "failed", None)
    check_times(record)


# -- errors ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("stream", [True, False])
@pytest.mark.parametrize(("surface", "dialect"), WAYS)
async def test_a_refusal(scene: Scene, surface: str, dialect: str, stream: bool) -> None:
    run = scene.open(FakeReply(REFUSAL, status=429, media_type=JSON), surface, dialect, stream=stream)
    relayed = surface == dialect  # with its own bytes; else as an error
    with nullcontext() if relayed else pytest.raises(BridgeError):
        await whole(run)
    record = run.record
    check_call(run, surface, dialect)
    assert (record.status, record.outcome, record.cut_by, record.usage) == (429, "error", None, None)
    check_times(record, head=relayed, content=False)


async def test_a_request_that_is_refused(scene: Scene) -> None:
    run = scene.open(RESPONSE, "responses", "chat", input=5)
    with pytest.raises(BridgeError):
        await whole(run)
    record = run.record
    assert (record.status, record.outcome, record.target) == (400, "error", "chat")
    check_times(record, head=False, content=False)


@pytest.mark.parametrize(("surface", "dialect"), WAYS)
async def test_an_error_in_place_of_the_first_event(scene: Scene, surface: str, dialect: str) -> None:
    reply = FakeReply(b'data: {"error":{"message":"No.","code":429}}\n\n')
    if surface != dialect:
        reply = FakeTurn(ends(failed(UpstreamError("No.", status=429))))
    run = scene.open(reply, surface, dialect, stream=True)
    with pytest.raises(BridgeError):
        await whole(run)
    assert (run.record.status, run.record.outcome) == (429, "error")
    check_times(run.record, head=False, content=False)


# -- stops -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("fault", [CANCELLED, REVOKED])
@pytest.mark.parametrize(("surface", "dialect"), WAYS)
async def test_a_stop_while_streaming(scene: Scene, surface: str, dialect: str, fault: Any) -> None:
    steps = RELAYED[dialect][:3] if surface == dialect else [says("a")]
    reply = (FakeReply if surface == dialect else FakeTurn)(*steps, asyncio.Event())
    run = scene.open(reply, surface, dialect, stream=True)
    async with run as answer:
        reading = asyncio.ensure_future(rest(answer))
        await reply.waiting.wait()
        run.stop(fault)
        await reading
    record = run.record
    check_call(run, surface, dialect)
    assert (record.status, record.outcome, record.cut_by) == (200, fault.cause, fault.cause)
    check_times(record)


@pytest.mark.parametrize("fault", [CANCELLED, REVOKED])
@pytest.mark.parametrize(("surface", "dialect"), WAYS)
async def test_a_stop_before_the_head(scene: Scene, surface: str, dialect: str, fault: Any) -> None:
    run = scene.open(stream_of(surface, dialect), surface, dialect, gate=asyncio.Event(), stream=True)
    entering = asyncio.ensure_future(whole(run))
    await scene.upstream.called.wait()
    run.stop(fault)
    with pytest.raises(BridgeError) as caught:
        await entering
    record = run.record
    assert (record.status, record.outcome, record.cut_by) == (caught.value.status, fault.cause, fault.cause)
    check_times(record, head=False, content=False)


async def test_a_client_that_leaves_without_a_word(scene: Scene) -> None:
    turn = FakeTurn(says("a"), asyncio.Event())
    run = scene.open(turn, "responses", "chat", stream=True)
    reading = asyncio.ensure_future(whole(run))
    await turn.waiting.wait()
    reading.cancel()
    with pytest.raises(asyncio.CancelledError):
        await reading
    assert (run.record.status, run.record.outcome, run.record.cut_by) == (200, "cancel", None)


async def test_a_stop_after_the_end_has_cut_nothing(scene: Scene) -> None:
    run = scene.open(FakeTurn(says("a"), ends()), "responses", "chat", stream=True)
    async with run as answer:
        await rest(answer)
        run.stop(CANCELLED)
    assert (run.record.outcome, run.record.cut_by) == ("completed", None)
