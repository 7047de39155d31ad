"""A client that hangs up stops the upstream at once, wherever the answer stands, and leaves nothing."""

import asyncio
import contextlib
from typing import Any

import pytest

from tests.e2e.conftest import Start
from tests.e2e.listen import ASKED, QUESTION, Surface
from tests.e2e.pairs import PATH, Reading, body_for, every_way, json_or_stream, post
from tests.e2e.said import PATHS, Said, stream, whole
from tests.upstream import Script, ScriptedUpstream

SAID = Said(text=("Hello", " there"))


async def _gone(upstream: ScriptedUpstream, gateway: Any) -> None:
    await upstream.until(lambda: upstream.last.gone.is_set())
    await gateway.idle()
    assert len(gateway.runs) == 0


@json_or_stream
@every_way
async def test_before_the_head(
    start: Start, upstream: ScriptedUpstream, surface: Surface, dialect: str, streamed: bool
) -> None:
    upstream.play(Script(PATHS[dialect], (), framing="raw", end="stall"))
    gateway = await start(dialect)

    call = asyncio.ensure_future(post(gateway, surface, streamed=streamed))
    await upstream.asked()
    assert len(gateway.runs) == 1
    call.cancel()

    await _gone(upstream, gateway)


@every_way
async def test_after_the_head_before_the_first_event(
    start: Start, upstream: ScriptedUpstream, surface: Surface, dialect: str
) -> None:
    upstream.play(stream(dialect, SAID).but(steps=(b": thinking\n\n",), end="stall"))
    gateway = await start(dialect)

    call = asyncio.ensure_future(post(gateway, surface, streamed=True))
    await upstream.asked()
    call.cancel()

    await _gone(upstream, gateway)


@every_way
async def test_in_the_dark_after_the_head_went_out(
    start: Start, upstream: ScriptedUpstream, surface: Surface, dialect: str
) -> None:
    upstream.play(stream(dialect, SAID).but(steps=(b": thinking\n\n",), end="stall"))
    gateway = await start(dialect, hold=0.01)

    body = body_for(surface, streamed=True)
    async with gateway.http.stream("POST", PATH[surface], json=body) as answer:
        assert answer.status_code == 200
        assert len(gateway.runs) == 1

    await _gone(upstream, gateway)


@every_way
async def test_in_the_middle_of_a_stream(
    start: Start, upstream: ScriptedUpstream, surface: Surface, dialect: str
) -> None:
    steps = tuple(s for s in stream(dialect, SAID).steps if isinstance(s, bytes))
    at = next(number for number, step in enumerate(steps) if b"Hello" in step)
    upstream.play(stream(dialect, SAID).but(steps=steps[: at + 1], end="stall"))
    gateway = await start(dialect)

    body = body_for(surface, streamed=True)
    async with gateway.http.stream("POST", PATH[surface], json=body) as answer:
        await Reading(answer).until(b"Hello")

    await _gone(upstream, gateway)


@every_way
async def test_in_the_middle_of_a_flood(
    start: Start, upstream: ScriptedUpstream, surface: Surface, dialect: str
) -> None:
    """The client stops reading and leaves while the upstream writes as fast as it can."""
    long = Said(text=tuple(f"word{number} " * 40 for number in range(4000)))
    upstream.play(stream(dialect, long).but(end="stall"))
    gateway = await start(dialect)

    body = body_for(surface, streamed=True)
    async with gateway.http.stream("POST", PATH[surface], json=body) as answer:
        await Reading(answer).until(b"word0")

    await _gone(upstream, gateway)


@every_way
async def test_in_the_middle_of_a_json_answer(
    start: Start, upstream: ScriptedUpstream, surface: Surface, dialect: str
) -> None:
    (body,) = whole(dialect, SAID).steps
    assert isinstance(body, bytes)
    upstream.play(Script(PATHS[dialect], (body[:20],), end="stall"))
    gateway = await start(dialect)

    call = asyncio.ensure_future(post(gateway, surface))
    await upstream.asked()
    call.cancel()

    await _gone(upstream, gateway)


@every_way
async def test_in_the_middle_of_an_error(
    start: Start, upstream: ScriptedUpstream, surface: Surface, dialect: str
) -> None:
    upstream.play(Script(PATHS[dialect], (b'{"error":',), status=500, end="stall"))
    gateway = await start(dialect)

    call = asyncio.ensure_future(post(gateway, surface))
    await upstream.asked()
    call.cancel()

    await _gone(upstream, gateway)


@pytest.mark.parametrize("dialect", ["chat", "responses"])
async def test_closing_an_sdk_stream(start: Start, upstream: ScriptedUpstream, dialect: str) -> None:
    steps = tuple(s for s in stream(dialect, SAID).steps if isinstance(s, bytes))
    at = next(number for number, step in enumerate(steps) if b"Hello" in step)
    upstream.play(stream(dialect, SAID).but(steps=steps[: at + 1], end="stall"))
    client = (gateway := await start(dialect)).sdk()

    chat = await client.chat.completions.create(
        model=ASKED, messages=[{"role": "user", "content": QUESTION}], stream=True
    )
    await anext(chat)
    await chat.close()
    await _gone(upstream, gateway)

    responses = await client.responses.create(model=ASKED, input=QUESTION, store=False, stream=True)
    await anext(responses)
    await responses.close()
    await _gone(upstream, gateway)


async def test_while_the_request_is_still_being_sent(start: Start, upstream: ScriptedUpstream) -> None:
    gateway = await start("chat")
    head = (
        f"POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {gateway.key}\r\n"
        "Content-Length: 1000\r\n\r\n"
    )
    _, writer = await asyncio.open_connection("127.0.0.1", gateway.port)
    writer.write(head.encode() + b'{"model": ')
    await writer.drain()
    writer.close()
    with contextlib.suppress(OSError):
        await writer.wait_closed()

    assert (await gateway.http.get("/livez")).status_code == 200
    await gateway.idle()
    assert upstream.requests == []


async def test_the_next_call_is_not_harmed(start: Start, upstream: ScriptedUpstream) -> None:
    upstream.play(Script(PATHS["chat"], (), framing="raw", end="stall"), whole("chat", SAID))
    gateway = await start("chat")

    call = asyncio.ensure_future(post(gateway, "chat"))
    await upstream.asked()
    call.cancel()
    answer = await post(gateway, "chat")

    assert answer.json()["choices"][0]["message"]["content"] == "Hello there"
