"""Row 5: silence in a stream, over real sockets: keepalives, and an end after the stall timeout."""

import asyncio
from typing import Any

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
    relayed_way,
)
from tests.support.e2e.scripted_model import ModelReply, stream
from tests.support.e2e.sse_streams import chunks_of, events_of
from tests.support.openai_sdk import added_up, followed
from tests.support.scripted_upstream import Script, ScriptedUpstream

REPLY = ModelReply(text=("Hello", ", you", " there."))
SOON = 0.03  # seconds of silence; what is waited for comes however busy the machine is
BEAT = {"chat": b'"delta":{},"finish_reason":null', "responses": b"event: response.in_progress"}


def stalled(dialect: str, gate: asyncio.Event, *, before: int = 1) -> Script:
    """A stream that stalls after its first text."""
    script = stream(dialect, REPLY)
    steps = list(script.steps)
    at = next(number for number, frame in enumerate(steps) if isinstance(frame, bytes) and b"Hello" in frame)
    return script.but(steps=(*script.steps[: at + before], gate, *script.steps[at + before :]))


@pytest.mark.parametrize("before", [0, 1], ids=["before the first word", "after it"])
@converted_way
async def test_row_5_a_converted_stream_beats_with_data(
    start: Start, upstream: ScriptedUpstream, surface: Surface, dialect: str, before: int
) -> None:
    """Row 5: `in_progress` again, with the next number; an empty delta. The SDK takes both."""
    gate = asyncio.Event()
    upstream.play(stalled(dialect, gate, before=before))
    gateway = await start(dialect, hold=SOON, chat2response_heartbeat_seconds=str(SOON))
    spoken = "chat" if surface == "chat" else "responses"

    async with gateway.http.stream("POST", PATH[surface], json=body_for(surface, streamed=True)) as answer:
        reading = Reading(answer)
        await reading.until(BEAT[spoken], 3)
        gate.set()
        data = await reading.rest()

    if spoken == "chat":
        result = added_up(chunks_of(data))
        assert result["choices"][0]["message"]["content"] == "Hello, you there."
    else:
        ended = followed(events_of(data))
        assert ended is not None and ended["output"][0]["content"][0]["text"] == "Hello, you there."


@relayed_way
async def test_row_5_a_relay_beats_with_comments_and_changes_nothing(
    start: Start, upstream: ScriptedUpstream, surface: Surface, dialect: str
) -> None:
    """Row 5: comments come between frames; the upstream's bytes are unchanged."""
    gate = asyncio.Event()
    upstream.play(stalled(dialect, gate))
    gateway = await start(dialect, chat2response_heartbeat_seconds=str(SOON))

    async with gateway.http.stream("POST", PATH[surface], json=body_for(surface, streamed=True)) as answer:
        reading = Reading(answer)
        await reading.until(b": keep-alive\n\n")
        gate.set()
        data = await reading.rest()

    reply = b"".join(step for step in stream(dialect, REPLY).steps if isinstance(step, bytes))
    assert data.replace(b": keep-alive\n\n", b"") == reply


@every_way
async def test_row_5_an_upstream_that_stalls_is_given_up(
    start: Start, upstream: ScriptedUpstream, surface: Surface, dialect: str
) -> None:
    """Row 5: it ends long before the HTTP timeout, and closes the upstream connection."""
    upstream.play(stalled(dialect, asyncio.Event()))
    gateway = await start(dialect, chat2response_stall_seconds=str(SOON))

    answer = await gateway.post(PATH[surface], body_for(surface, streamed=True))

    assert "no data for too long" in failure_of(surface, answer.content)["message"]
    await upstream.until(lambda: upstream.last.gone.is_set())


@every_way
async def test_row_5_comments_do_not_hide_a_stall(
    start: Start, upstream: ScriptedUpstream, surface: Surface, dialect: str
) -> None:
    """Row 5: an upstream that only sends comments."""
    script = stalled(dialect, asyncio.Event())
    first = script.steps[: next(i for i, step in enumerate(script.steps) if not isinstance(step, bytes))]
    comments = (b": OPENROUTER PROCESSING\n\n",) * 20_000
    upstream.play(script.but(steps=(*first, *comments), pause=True, end="stall"))
    gateway = await start(dialect, chat2response_stall_seconds=str(SOON))

    answer = await gateway.post(PATH[surface], body_for(surface, streamed=True))

    assert "no data for too long" in failure_of(surface, answer.content)["message"]


async def test_row_5_a_surface_may_have_limits_of_its_own(start: Start, upstream: ScriptedUpstream) -> None:
    """Row 5: Chat gives up at once, Responses waits longer than the HTTP timeout."""
    gate = asyncio.Event()
    upstream.play(stalled("chat", gate))
    settings: dict[str, Any] = {
        "chat2response_http_timeout_seconds": 10 * SOON,
        "chat2response_stall_seconds": f"{SOON}, responses=60",
        "chat2response_heartbeat_seconds": f"responses={SOON}",
    }
    gateway = await start("chat", **settings)

    async with gateway.http.stream("POST", PATH["responses"], json=body_for("responses", streamed=True)) as a:
        reading = Reading(a)
        await reading.until(BEAT["responses"], 20)  # longer than any other limit here
        chat = await gateway.post(PATH["chat"], body_for("chat", streamed=True))
        gate.set()
        data = await reading.rest()

    assert "no data for too long" in failure_of("chat", chat.content)["message"]
    assert events_of(data)[-1]["type"] == "response.completed"


@every_way
async def test_row_57_no_proxy_may_hold_a_stream_back(
    start: Start, upstream: ScriptedUpstream, surface: Surface, dialect: str
) -> None:
    """Row 57: headers tell nginx not to buffer, and caches not to store or change the stream."""
    upstream.play(stream(dialect, REPLY))
    gateway = await start(dialect)

    answer = await gateway.post(PATH[surface], body_for(surface, streamed=True))

    assert answer.headers["x-accel-buffering"] == "no"
    assert answer.headers["cache-control"] == "no-cache, no-transform"
