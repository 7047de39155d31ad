"""Conversion: a turn's events in the client's dialect, and exactly one end whatever happens."""

import asyncio
import gc
import logging
from typing import Any

import pytest

from chat2response.convert.hub import HubRequest
from chat2response.convert.outcome import failed, from_fault
from chat2response.engine.respond.question import Question
from chat2response.engine.run import Run
from chat2response.errors import InvalidRequest, UpstreamError
from chat2response.wire.fault import RESET
from chat2response.wire.json import decode
from tests.support.engine.fakes import (
    FakeReply,
    FakeTurn,
    FakeUpstream,
    Ticking,
    comment,
    ends,
    events_of,
    says,
)
from tests.support.engine.frames import CHAT_STREAMS
from tests.support.engine.scene import KEY, Client, Scene, rest, whole

SURFACES = [("responses", "chat"), ("chat", "responses")]
WAYS = [*SURFACES, ("proxy", "chat")]


def open_stream(scene: Scene, surface: Any, dialect: str, *steps: Any, **more: Any) -> Run:
    return scene.open(FakeTurn(*steps), surface, dialect, stream=True, **more)


def end_of(out: bytes, surface: str) -> dict[str, Any]:
    """The error that ends a stream; checks that it is the only one, and that only `[DONE]` follows."""
    *before, end, done = events_of(out)
    assert done == "[DONE]"
    assert not any("error" in each and "choices" not in each and "type" not in each for each in before)
    if surface == "chat":
        return dict(end["error"])
    assert not {each["type"] for each in before} & {"response.completed", "response.failed"}
    assert end["type"] == "response.failed"
    assert [each["sequence_number"] for each in (*before, end)] == list(range(len(before) + 1))
    return dict(end["response"]["error"])


# -- a whole stream ----------------------------------------------------------------------------------


@pytest.mark.parametrize(("surface", "dialect"), WAYS)
async def test_what_the_model_says_comes_out_in_the_clients_dialect(
    scene: Scene, surface: Any, dialect: str
) -> None:
    run = open_stream(scene, surface, dialect, says("Hel"), says("lo"), ends())
    answer, out = await whole(run)
    assert (answer.status, answer.media_type) == (200, "text/event-stream; charset=utf-8")
    *events, done = events_of(out)
    assert done == "[DONE]"
    if surface == "chat":
        assert "".join(each["choices"][0]["delta"].get("content") or "" for each in events) == "Hello"
        assert events[-1]["choices"][0]["finish_reason"] == "stop"
    else:
        assert [each["sequence_number"] for each in events] == list(range(len(events)))
        assert [each["delta"] for each in events if "delta" in each] == ["Hel", "lo"]
        assert events[-1]["type"] == "response.completed"
    assert scene.outcomes == ["completed"]
    assert dict(scene.metrics.token_counts) == {"input": 3, "output": 2}


async def test_each_read_is_a_batch_and_silence_is_none(scene: Scene) -> None:
    steps = (says("a"), lambda writer: None, says("b"), lambda writer: (says("c")(writer), says("d")(writer)))
    async with open_stream(scene, "responses", "chat", *steps, ends()) as answer, Client(answer) as client:
        batches = [batch async for batch in client]
    deltas = [[each["delta"] for each in events_of(batch) if "delta" in each] for batch in batches]
    assert deltas == [["a"], ["b"], ["c", "d"], [], []]
    assert all(batches)
    assert b"response.completed" in batches[-1]


async def test_the_run_is_known_by_its_response_from_the_start(scene: Scene) -> None:
    async with open_stream(scene, "responses", "chat", says("a"), ends()):
        (run,) = scene.engine_.runs
        assert run.response_id is not None
        assert scene.engine_.runs.of_response(run.response_id) == [run]


@pytest.mark.parametrize(
    ("options", "has_usage"),
    [(None, False), ({}, False), ({"include_usage": False}, False), ({"include_usage": True}, True)],
)
async def test_a_chat_client_gets_usage_when_it_asked(scene: Scene, options: Any, has_usage: bool) -> None:
    _, out = await whole(open_stream(scene, "chat", "responses", says("a"), ends(), stream_options=options))
    assert any(each.get("usage") for each in events_of(out)[:-1]) is has_usage


async def test_losses_are_said_in_a_comment_and_counted(scene: Scene) -> None:
    def lossy(writer: Any) -> None:
        writer.losses.add("annotations")

    _, out = await whole(open_stream(scene, "responses", "chat", says("a"), lossy, ends()))
    assert b": x-chat2response-losses: annotations; dropped\n\n" in out
    assert scene.metrics.losses == {"annotations": 1}


async def test_a_client_that_leaves_is_no_failure_of_the_upstream(scene: Scene) -> None:
    run = open_stream(scene, "responses", "chat", says("a"), asyncio.Event(), says("b"), ends())
    async with run as answer, Client(answer) as client:
        await client.next()
    assert scene.outcomes == ["cancel"]


# -- before the head ---------------------------------------------------------------------------------


@pytest.mark.parametrize(("surface", "dialect"), SURFACES)
@pytest.mark.parametrize("before", [[], [comment, comment]])
async def test_an_error_in_place_of_an_answer_is_a_status(
    scene: Scene, surface: Any, dialect: str, before: list[Any]
) -> None:
    error = UpstreamError(f"Slow down, {KEY}.", status=429, code="rate_limit_exceeded")
    with pytest.raises(UpstreamError) as caught:
        await whole(open_stream(scene, surface, dialect, *before, ends(failed(error))))
    assert (caught.value.status, caught.value.message) == (429, "Slow down, [key].")
    assert scene.outcomes == ["error"]


async def test_an_end_before_anything_is_a_502(scene: Scene) -> None:
    with pytest.raises(UpstreamError) as caught:
        await whole(open_stream(scene, "responses", "chat", ends(from_fault(RESET))))
    assert caught.value.status == 502


async def test_an_error_behind_the_first_words_is_an_event(scene: Scene) -> None:
    error = UpstreamError("No more, at inner.example.", status=429)
    _, out = await whole(open_stream(scene, "responses", "chat", says("a"), ends(failed(error))))
    assert end_of(out, "responses") == {"code": "rate_limit_exceeded", "message": "No more, at [upstream]."}
    assert scene.outcomes == ["failed"]


@pytest.mark.parametrize("before", [[], [comment]])
async def test_a_slow_model_does_not_hold_the_head_for_ever(scene: Scene, before: list[Any]) -> None:
    speak = asyncio.Event()
    error = UpstreamError("Too late to be a status.")
    run = open_stream(
        scene, "responses", "chat", *before, speak, ends(failed(error)), first_event_timeout=0.01
    )
    async with run as answer, Client(answer) as client:
        first = events_of(await client.next())
        assert [each["type"] for each in first] == ["response.created", "response.in_progress"]
        speak.set()
        out = await client.rest()
    (event, done) = events_of(out)
    assert (event["type"], event["response"]["error"]["message"], done) == (
        "response.failed",
        "Too late to be a status.",
        "[DONE]",
    )


async def test_an_upstream_that_comments_without_end_lets_the_head_go(scene: Scene) -> None:
    async with scene.open(Ticking(), "responses", "chat", stream=True, first_event_timeout=0.01) as answer:
        assert answer.status == 200


# -- no invented end, no missing end -----------------------------------------------------------------


@pytest.mark.parametrize(("surface", "dialect"), SURFACES)
async def test_a_turn_that_ends_without_an_outcome_did_not_complete(
    scene: Scene, surface: Any, dialect: str
) -> None:
    _, out = await whole(open_stream(scene, surface, dialect, says("a")))
    assert end_of(out, surface)["code"] == "server_error"
    assert scene.outcomes == ["failed"]


@pytest.mark.parametrize(("surface", "dialect"), SURFACES)
async def test_a_bug_in_the_middle_still_ends_the_stream_once(
    scene: Scene, surface: Any, dialect: str, caplog: pytest.LogCaptureFixture
) -> None:
    _, out = await whole(open_stream(scene, surface, dialect, says("a"), RuntimeError("a secret detail")))
    assert end_of(out, surface)["message"] == "The gateway failed to convert the answer."
    assert "secret" not in out.decode()
    assert scene.outcomes == ["failed"]
    (record,) = caplog.get_records("call")
    assert record.levelno == logging.ERROR
    assert record.exc_info is not None


@pytest.mark.parametrize(("surface", "dialect"), SURFACES)
async def test_what_cannot_be_written_still_ends_the_stream_once(
    scene: Scene, surface: Any, dialect: str
) -> None:
    _, out = await whole(open_stream(scene, surface, dialect, says("a"), says("\ud800"), ends()))
    assert end_of(out, surface)["code"] == "server_error"
    assert scene.outcomes == ["failed"]


async def test_a_first_batch_that_cannot_be_written_still_ends_the_stream(scene: Scene) -> None:
    _, out = await whole(open_stream(scene, "responses", "chat", says("\ud800"), ends()))
    assert end_of(out, "responses")["code"] == "server_error"


async def test_an_error_that_reading_raises_late_ends_the_stream_with_its_words(scene: Scene) -> None:
    go = asyncio.Event()
    error = UpstreamError(f"The upstream's answer cannot be read: {KEY}")
    async with open_stream(scene, "responses", "chat", go, error, first_event_timeout=0.01) as answer:
        go.set()
        out = await rest(answer)
    assert end_of(out, "responses")["message"] == "The upstream's answer cannot be read: [key]"


def broken(writer: Any) -> None:
    raise RuntimeError("a secret detail")


async def test_a_bug_before_the_head_is_raised_as_it_is(scene: Scene) -> None:
    with pytest.raises(RuntimeError):
        await whole(open_stream(scene, "responses", "chat", broken))


# -- whole answers -----------------------------------------------------------------------------------


def response(**more: Any) -> dict[str, Any]:
    text = {"type": "output_text", "text": "Hello", "annotations": []}
    message = {"id": "msg_1", "type": "message", "role": "assistant", "content": [text]}
    own = {"id": "resp_1", "object": "response", "status": "completed", "model": "theirs"}
    return {**own, "output": [message], **more}


async def test_a_whole_answer_in_the_clients_dialect_under_the_name_it_asked_for(scene: Scene) -> None:
    used = {"input_tokens": 4, "output_tokens": 1}
    answer, body = await whole(scene.open(response(usage=used), "chat", "responses"))
    assert (answer.status, answer.media_type) == (200, "application/json")
    completion = decode(body)
    assert completion["model"] == "m"
    assert completion["choices"][0]["message"]["content"] == "Hello"
    assert scene.outcomes == ["completed"]
    assert dict(scene.metrics.token_counts) == {"input": 4, "output": 1}


@pytest.mark.parametrize("usage", [None, "12", [1], {"input_tokens": "12", "output_tokens": None}])
async def test_usage_that_is_none_is_not_counted(scene: Scene, usage: Any) -> None:
    await whole(scene.open(response(usage=usage), "chat", "responses"))
    assert scene.metrics.token_counts.total() == 0


async def test_an_incomplete_answer_is_counted_as_one(scene: Scene) -> None:
    cut = response(status="incomplete", incomplete_details={"reason": "max_output_tokens"})
    _, body = await whole(scene.open(cut, "chat", "responses"))
    assert decode(body)["choices"][0]["finish_reason"] == "length"
    assert scene.outcomes == ["incomplete"]


async def test_an_error_in_a_200_answer_is_masked(scene: Scene) -> None:
    error = {"error": {"message": f"Not with {KEY}", "code": 429}}
    with pytest.raises(UpstreamError) as caught:
        await whole(scene.open(error, "chat", "responses"))
    assert (caught.value.status, caught.value.message) == (429, "Not with [key]")


async def test_what_the_gateway_does_not_keep_is_a_loss(scene: Scene) -> None:
    answer, _ = await whole(scene.open(response(), "responses", "chat", store=True))
    assert [loss.field for loss in answer.losses] == ["store"]
    assert scene.metrics.losses == {"store": 1}
    answer, _ = await whole(open_stream(scene, "responses", "chat", says("a"), ends(), store=True))
    assert [loss.field for loss in answer.losses] == ["store"]
    answer, _ = await whole(scene.open(response(), "responses", "chat"))
    assert list(answer.losses) == []


# -- what a Chat upstream cannot do for /proxy -------------------------------------------------------


@pytest.mark.parametrize("field", [{"previous_response_id": "resp_1"}, {"conversation": "conv_1"}, {"n": 2}])
async def test_what_a_converted_answer_cannot_have_is_refused(scene: Scene, field: dict[str, Any]) -> None:
    upstream = FakeUpstream(FakeReply())
    with pytest.raises(InvalidRequest) as caught:
        await whole(scene.open(upstream, "proxy", "chat", stream=True, **field))
    assert caught.value.param == next(iter(field))
    assert upstream.requests == []


async def test_an_overlay_adds_only_usage(scene: Scene) -> None:
    upstream = FakeUpstream(FakeReply(*CHAT_STREAMS["text"]))
    await whole(scene.open(upstream, "proxy", "chat", stream=True, vendor={"z": 1, "a": 2}, n=1))
    body = (
        b'{"model":"m","messages":[{"role":"user","content":"Hi"}],"stream":true,"vendor":{"z":1,"a":2},"n":1'
    )
    assert upstream.requests == [body + b',"stream_options":{"include_usage":true}}']


# -- memory ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("fields", [{}, {"n": 2}, {"stop": "STOP"}], ids=["one", "choices", "stop strings"])
@pytest.mark.parametrize(("surface", "dialect"), WAYS)
async def test_the_request_is_dropped_once_it_is_sent(
    scene: Scene, surface: str, dialect: str, fields: dict[str, Any]
) -> None:
    """A stream may stay open for long, and a history takes megabytes."""
    if surface != "chat":
        fields = {}
    turns = [FakeTurn(says("a"), asyncio.Event(), ends()) for _ in range(2)]
    run = scene.open(turns, surface, dialect, stream=True, user="who is this", **fields)
    async with run as answer, Client(answer) as client:
        await client.next()
        alive = [each for each in gc.get_objects() if isinstance(each, HubRequest | Question)]
        requests = [each.hub if isinstance(each, Question) else each for each in alive]
        assert not [each for each in requests if "who is this" in str((each.body, each.extra))]
