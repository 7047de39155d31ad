"""A stream that has begun ends once, whatever the upstream does (law 1, one terminal event)."""

import asyncio
import json
from typing import Any

import openai
import pytest

from tests.e2e.conftest import Start
from tests.support.e2e.client_calls import Surface
from tests.support.e2e.dialect_pairs import (
    PATH,
    Reading,
    body_for,
    converted_way,
    every_way,
    failure_of,
    post,
    relayed_way,
    sdk_call,
    text_of,
)
from tests.support.e2e.gateway import OPERATOR_KEY
from tests.support.e2e.scripted_model import ModelReply, stream, whole
from tests.support.scripted_upstream import ScriptedUpstream

REPLY = ModelReply(text=("Hello", ", you", " there."))
BROKEN = {"message": "It broke.", "type": "server_error", "param": None, "code": None}


def _begun(dialect: str) -> tuple[bytes, ...]:
    """The first frames of a stream, up to two text deltas."""
    frames: list[bytes] = []
    for frame in stream(dialect, REPLY).steps:
        assert isinstance(frame, bytes)
        frames.append(frame)
        if b", you" in frame:
            break
    return tuple(frames)


@pytest.mark.parametrize("end", ["cut", "reset", "whole"])
@every_way
async def test_row_1_a_stream_without_its_end_fails(
    start: Start, upstream: ScriptedUpstream, surface: Surface, dialect: str, end: Any
) -> None:
    """Interrupted, reset, or ended without its final events: never an invented success."""
    last = asyncio.Event()
    script = stream(dialect, REPLY)
    upstream.play(script.but(steps=(*_begun(dialect), last), end=end))
    gateway = await start(dialect)

    async with gateway.http.stream("POST", PATH[surface], json=body_for(surface, streamed=True)) as answer:
        reading = Reading(answer)
        await reading.until(b", you")
        last.set()
        data = await reading.rest()

    assert text_of(surface, data) == "Hello, you"
    assert "complete" in failure_of(surface, data)["message"]


@every_way
async def test_an_answer_is_whole_without_the_done_that_some_forget(
    start: Start, upstream: ScriptedUpstream, surface: Surface, dialect: str
) -> None:
    script = stream(dialect, REPLY)
    steps = tuple(step for step in script.steps if isinstance(step, bytes) and b"[DONE]" not in step)
    upstream.play(script.but(steps=steps, framing="close"))
    gateway = await start(dialect)

    data = (await post(gateway, surface, streamed=True)).content

    assert text_of(surface, data) == "Hello, you there."
    if surface == "chat":
        assert b'"finish_reason":"stop"' in data.replace(b" ", b"") and b'"error":{' not in data
    else:
        assert b"event: response.completed" in data


@every_way
async def test_a_stall_ends_with_a_timeout(
    start: Start, upstream: ScriptedUpstream, surface: Surface, dialect: str
) -> None:
    upstream.play(stream(dialect, REPLY).but(steps=_begun(dialect), end="stall"))
    gateway = await start(dialect, chat2response_http_timeout_seconds=0.3)

    data = (await post(gateway, surface, streamed=True)).content

    assert text_of(surface, data) == "Hello, you"
    assert "too long" in failure_of(surface, data)["message"]
    await upstream.until(lambda: upstream.last.gone.is_set())


@every_way
async def test_row_15_an_error_frame_ends_it(
    start: Start, upstream: ScriptedUpstream, surface: Surface, dialect: str
) -> None:
    """Chat: an error chunk. Responses: `response.failed`."""
    last = json.dumps({"error": BROKEN}).encode()
    if dialect == "responses":
        number = len(_begun(dialect))
        resource = REPLY.resource(status="failed", error={"code": "server_error", "message": "It broke."})
        event = {"type": "response.failed", "sequence_number": number, "response": resource}
        last = json.dumps(event).encode()
    frame = b"data: " + last + b"\n\n"
    frame = b"event: response.failed\n" + frame if dialect == "responses" else frame
    upstream.play(stream(dialect, REPLY).but(steps=(*_begun(dialect), frame, b"data: [DONE]\n\n")))
    gateway = await start(dialect)

    data = (await post(gateway, surface, streamed=True)).content

    assert text_of(surface, data) == "Hello, you"
    assert failure_of(surface, data)["message"] == "It broke."


@pytest.mark.parametrize(("surface", "dialect"), [("responses", "responses"), ("chat", "responses")])
async def test_an_error_event_alone_gets_its_end(
    start: Start, upstream: ScriptedUpstream, surface: Surface, dialect: str
) -> None:
    """OpenAI's flat `error` event does not end a stream: clients wait for `response.failed`."""
    begun = _begun(dialect)
    flat = {
        "type": "error",
        "sequence_number": len(begun),
        "code": None,
        "message": "It broke.",
        "param": None,
    }
    frame = b"event: error\ndata: " + json.dumps(flat).encode() + b"\n\n"
    upstream.play(stream(dialect, REPLY).but(steps=(*begun, frame)))
    gateway = await start(dialect)

    data = (await post(gateway, surface, streamed=True)).content

    assert failure_of(surface, data)["message"] == "It broke."


@converted_way
async def test_a_frame_that_cannot_be_read_ends_it(
    start: Start, upstream: ScriptedUpstream, surface: Surface, dialect: str
) -> None:
    upstream.play(
        stream(dialect, REPLY).but(steps=(*_begun(dialect), b"data: {garbage\n\n", b"data: {}\n\n"))
    )
    gateway = await start(dialect)

    data = (await post(gateway, surface, streamed=True)).content

    assert text_of(surface, data) == "Hello, you"
    assert "cannot be read" in failure_of(surface, data)["message"]


@converted_way
async def test_errors_in_the_middle_are_masked(
    start: Start, upstream: ScriptedUpstream, surface: Surface, dialect: str
) -> None:
    gateway = await start(dialect)
    secret = f"It broke: {OPERATOR_KEY} at {upstream.url}"
    frame = b"data: " + json.dumps({"error": {**BROKEN, "message": secret}}).encode() + b"\n\n"
    upstream.play(stream(dialect, REPLY).but(steps=(*_begun(dialect), frame)))

    data = (await post(gateway, surface, streamed=True)).content

    assert failure_of(surface, data)["message"].startswith("It broke: ")
    assert OPERATOR_KEY.encode() not in data and str(upstream.port).encode() not in data


@every_way
async def test_the_sdk_raises_on_a_broken_stream(
    start: Start, upstream: ScriptedUpstream, surface: Surface, dialect: str
) -> None:
    upstream.play(stream(dialect, REPLY).but(steps=_begun(dialect), end="cut"))
    gateway = await start(dialect)

    if surface == "chat":
        with pytest.raises(openai.APIError):
            await sdk_call(gateway, surface, streamed=True)
    elif surface == "responses":
        events = await sdk_call(gateway, surface, streamed=True)
        assert events[-1].type == "response.failed"
        assert events[-1].response.error.code == "server_error"
        assert events[-1].sequence_number == len(events) - 1


@pytest.mark.parametrize("surface", ["responses", "proxy"])
async def test_what_was_seen_is_in_the_end_that_a_relay_adds(
    start: Start, upstream: ScriptedUpstream, surface: Surface
) -> None:
    """The end has the upstream's id, its completed items and its next number."""
    two = ModelReply(reasoning=("I think.",), text=("Hello",))
    steps = stream("responses", two).steps
    cut = next(
        at for at, step in enumerate(steps) if isinstance(step, bytes) and b"output_text.delta" in step
    )
    upstream.play(stream("responses", two).but(steps=steps[:cut], end="cut"))
    gateway = await start("responses")

    data = (await post(gateway, surface, streamed=True)).content

    last = json.loads(data.split(b"\n\n")[-3].split(b"data: ")[1])
    assert last["sequence_number"] == cut
    assert last["response"]["id"] == two.response_id
    assert [item["type"] for item in last["response"]["output"]] == ["reasoning"]


@converted_way
async def test_a_json_answer_where_a_stream_was_asked_is_streamed(
    start: Start, upstream: ScriptedUpstream, surface: Surface, dialect: str
) -> None:
    upstream.play(whole(dialect, ModelReply(reasoning=("I think.",), text=("Hello, you there.",))))
    gateway = await start(dialect)

    answer = await post(gateway, surface, streamed=True)

    assert answer.headers["content-type"].startswith("text/event-stream")
    assert text_of(surface, answer.content) == "Hello, you there."
    assert b"I think." in answer.content


@relayed_way
async def test_a_json_answer_where_a_stream_was_asked_is_relayed_as_it_is(
    start: Start, upstream: ScriptedUpstream, surface: Surface, dialect: str
) -> None:
    script = whole(dialect, REPLY)
    upstream.play(script)
    gateway = await start(dialect)

    answer = await post(gateway, surface, streamed=True)

    assert answer.headers["content-type"] == "application/json"
    assert (answer.content,) == script.steps


@every_way
async def test_a_slow_model_does_not_keep_the_client_in_the_dark(
    start: Start, upstream: ScriptedUpstream, surface: Surface, dialect: str
) -> None:
    """The head waits for the first event only for a limited time; after it, an error is an event."""
    thinking = asyncio.Event()
    error = b"data: " + json.dumps({"error": BROKEN}).encode() + b"\n\n"
    script = stream(dialect, REPLY)
    upstream.play(script.but(steps=(b": thinking\n\n", thinking, *script.steps)))
    gateway = await start(dialect, hold=0.01)

    body = body_for(surface, streamed=True)
    async with gateway.http.stream("POST", PATH[surface], json=body) as answer:
        assert answer.status_code == 200  # and the model has not said a word yet
        thinking.set()
        assert text_of(surface, await Reading(answer).rest()) == "Hello, you there."

    thinking.clear()
    upstream.play(script.but(steps=(b": thinking\n\n", thinking, error)))
    async with gateway.http.stream("POST", PATH[surface], json=body) as answer:
        assert answer.status_code == 200
        thinking.set()
        data = await Reading(answer).rest()
    if surface == "chat" or dialect == "chat":
        assert failure_of(surface, data)["message"] == "It broke."
    else:  # the upstream never said `created`: what it did say is passed on, and an end is put behind it
        gateway.recorder.judged = False
        assert data.count(b"event: response.failed") == 1 and data.endswith(b"data: [DONE]\n\n")


@pytest.mark.parametrize("surface", ["chat", "responses"])
async def test_an_event_without_end_is_bounded(
    start: Start, upstream: ScriptedUpstream, surface: Surface
) -> None:
    """A frame above sixteen megabytes ends with an error, and does not fill the memory."""
    endless = (*_begun("chat"), b'data: {"choices":[{"delta":{"content":"', b"x" * 17 * 1024 * 1024)
    upstream.play(stream("chat", REPLY).but(steps=endless, end="stall"))
    gateway = await start("chat")

    data = (await post(gateway, surface, streamed=True)).content

    assert "too large" in failure_of(surface, data)["message"]
    assert len(data) < 10_000
    await upstream.until(lambda: upstream.last.gone.is_set())
