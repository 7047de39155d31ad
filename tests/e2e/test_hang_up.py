"""A client that disconnects stops the upstream at once, at any point of the response."""

import asyncio
import contextlib
import gzip
import socket
from collections.abc import Awaitable
from typing import Any

import pytest
import uvicorn

from chat2response.api.http import body_decoding, request
from chat2response.app import Gateway
from chat2response.engine.run import Run
from chat2response.wire.json import encode
from tests.e2e.conftest import Start
from tests.support.e2e.client_calls import CLIENT_MODEL, QUESTION, Surface
from tests.support.e2e.dialect_pairs import PATH, Reading, body_for, every_way, json_or_stream, post
from tests.support.e2e.gateway import Running
from tests.support.e2e.scripted_model import PATHS, ModelReply, stream, whole
from tests.support.scripted_upstream import Script, ScriptedUpstream

REPLY = ModelReply(text=("Hello", " there"))


async def _gone(upstream: ScriptedUpstream, gateway: Any) -> None:
    await upstream.until(lambda: upstream.last.gone.is_set())
    await gateway.idle()
    assert len(gateway.runs) == 0


@json_or_stream
@every_way
async def test_row_32_before_the_head(
    start: Start, upstream: ScriptedUpstream, surface: Surface, dialect: str, streamed: bool
) -> None:
    upstream.play(Script(PATHS[dialect], (), framing="raw", end="stall"))
    gateway = await start(dialect)

    call = asyncio.ensure_future(post(gateway, surface, streamed=streamed))
    await upstream.wait_for_request()
    assert len(gateway.runs) == 1
    call.cancel()

    await _gone(upstream, gateway)


@every_way
async def test_after_the_head_before_the_first_event(
    start: Start, upstream: ScriptedUpstream, surface: Surface, dialect: str
) -> None:
    upstream.play(stream(dialect, REPLY).but(steps=(b": thinking\n\n",), end="stall"))
    gateway = await start(dialect)

    call = asyncio.ensure_future(post(gateway, surface, streamed=True))
    await upstream.wait_for_request()
    call.cancel()

    await _gone(upstream, gateway)


@every_way
async def test_in_the_dark_after_the_head_went_out(
    start: Start, upstream: ScriptedUpstream, surface: Surface, dialect: str
) -> None:
    upstream.play(stream(dialect, REPLY).but(steps=(b": thinking\n\n",), end="stall"))
    gateway = await start(dialect, hold=0.01)

    body = body_for(surface, streamed=True)
    async with gateway.http.stream("POST", PATH[surface], json=body) as answer:
        assert answer.status_code == 200
        assert len(gateway.runs) == 1

    await _gone(upstream, gateway)


@every_way
async def test_row_32_in_the_middle_of_a_stream(
    start: Start, upstream: ScriptedUpstream, surface: Surface, dialect: str
) -> None:
    steps = tuple(s for s in stream(dialect, REPLY).steps if isinstance(s, bytes))
    at = next(number for number, step in enumerate(steps) if b"Hello" in step)
    upstream.play(stream(dialect, REPLY).but(steps=steps[: at + 1], end="stall"))
    gateway = await start(dialect)

    body = body_for(surface, streamed=True)
    async with gateway.http.stream("POST", PATH[surface], json=body) as answer:
        await Reading(answer).until(b"Hello")

    await _gone(upstream, gateway)


@every_way
async def test_in_the_middle_of_a_flood(
    start: Start, upstream: ScriptedUpstream, surface: Surface, dialect: str
) -> None:
    """The client stops reading and disconnects while the upstream writes as fast as it can."""
    long = ModelReply(text=tuple(f"word{number} " * 40 for number in range(4000)))
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
    (body,) = whole(dialect, REPLY).steps
    assert isinstance(body, bytes)
    upstream.play(Script(PATHS[dialect], (body[:20],), end="stall"))
    gateway = await start(dialect)

    call = asyncio.ensure_future(post(gateway, surface))
    await upstream.wait_for_request()
    call.cancel()

    await _gone(upstream, gateway)


@every_way
async def test_in_the_middle_of_an_error(
    start: Start, upstream: ScriptedUpstream, surface: Surface, dialect: str
) -> None:
    upstream.play(Script(PATHS[dialect], (b'{"error":',), status=500, end="stall"))
    gateway = await start(dialect)

    call = asyncio.ensure_future(post(gateway, surface))
    await upstream.wait_for_request()
    call.cancel()

    await _gone(upstream, gateway)


@pytest.mark.parametrize("dialect", ["chat", "responses"])
async def test_closing_an_sdk_stream(start: Start, upstream: ScriptedUpstream, dialect: str) -> None:
    steps = tuple(s for s in stream(dialect, REPLY).steps if isinstance(s, bytes))
    at = next(number for number, step in enumerate(steps) if b"Hello" in step)
    upstream.play(stream(dialect, REPLY).but(steps=steps[: at + 1], end="stall"))
    client = (gateway := await start(dialect)).sdk()

    chat = await client.chat.completions.create(
        model=CLIENT_MODEL, messages=[{"role": "user", "content": QUESTION}], stream=True
    )
    await anext(chat)
    await chat.close()
    await _gone(upstream, gateway)

    responses = await client.responses.create(model=CLIENT_MODEL, input=QUESTION, store=False, stream=True)
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


async def _send_and_leave(
    gateway: Running, until: Awaitable[Any], *requests: bytes, headers: str = ""
) -> None:
    """Sends all of `requests` on one connection, and closes it after `until`, before any response."""
    _, writer = await asyncio.open_connection("127.0.0.1", gateway.port)
    for body in requests:
        head = (
            f"POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {gateway.key}\r\n"
            f"Content-Length: {len(body)}\r\n{headers}\r\n"
        )
        writer.write(head.encode() + body)
    await writer.drain()
    await until
    writer.close()
    with contextlib.suppress(OSError):
        await writer.wait_closed()


async def test_with_a_body_that_paused_the_connection(start: Start, upstream: ScriptedUpstream) -> None:
    """uvicorn pauses reading while a large body waits for the application."""
    upstream.play(Script(PATHS["chat"], (), framing="raw", end="stall"))
    gateway = await start("chat")
    body = body_for("chat") | {"user": "x" * 300_000}

    await _send_and_leave(gateway, upstream.wait_for_request(), encode(body))

    await _gone(upstream, gateway)


async def test_with_another_request_behind_it(start: Start, upstream: ScriptedUpstream) -> None:
    upstream.play(Script(PATHS["chat"], (), framing="raw", end="stall"))
    gateway = await start("chat")

    await _send_and_leave(gateway, upstream.wait_for_request(), *[encode(body_for("chat"))] * 2)

    await _gone(upstream, gateway)
    assert len(upstream.requests) == 1


async def test_while_the_call_before_it_is_still_put_away(
    start: Start, upstream: ScriptedUpstream, monkeypatch: pytest.MonkeyPatch
) -> None:
    upstream.play(whole("chat", REPLY), Script(PATHS["chat"], (), framing="raw", end="stall"))
    gateway = await start("chat")
    put_away, leave, left = asyncio.Event(), Run._leave, 0

    async def late(run: Run) -> None:
        nonlocal left
        left += 1
        if left == 1:
            await put_away.wait()
        await leave(run)

    async def second_request() -> None:
        await upstream.wait_for_request(2)
        put_away.set()
        while len(gateway.runs) > 1:  # noqa: ASYNC110 - nothing tells of a run's end
            await asyncio.sleep(0)

    monkeypatch.setattr(Run, "_leave", late)
    await _send_and_leave(gateway, second_request(), *[encode(body_for("chat"))] * 2)

    await _gone(upstream, gateway)


async def test_while_its_key_is_looked_up(
    start: Start, upstream: ScriptedUpstream, monkeypatch: pytest.MonkeyPatch
) -> None:
    gateway = await start("chat")
    gateway.key = await gateway.issue()
    requested, matches, get = asyncio.Event(), asyncio.Event(), gateway.services.store.get

    async def late(kind: str, key: str) -> Any:
        requested.set()
        await matches.wait()
        return await get(kind, key)

    monkeypatch.setattr(gateway.services.store, "get", late)
    await _send_and_leave(gateway, requested.wait(), encode(body_for("chat")))
    assert (await gateway.http.get("/livez")).status_code == 200  # the end has been read before this
    matches.set()

    await gateway.idle()
    assert upstream.requests == []


async def test_while_its_body_is_decoded(
    start: Start, upstream: ScriptedUpstream, monkeypatch: pytest.MonkeyPatch
) -> None:
    gateway = await start("chat")
    requested, gone = asyncio.Event(), asyncio.Event()

    async def late(*args: Any) -> bytes:
        requested.set()
        await gone.wait()
        return await body_decoding.decode(*args)

    monkeypatch.setattr(request, "decode", late)
    body = gzip.compress(encode(body_for("chat")))
    await _send_and_leave(gateway, requested.wait(), body, headers="Content-Encoding: gzip\r\n")
    assert (await gateway.http.get("/livez")).status_code == 200  # the end has been read before this
    gone.set()

    await gateway.idle()
    assert upstream.requests == []


async def test_under_a_server_that_tells_it_only_to_who_waits(
    start: Start, upstream: ScriptedUpstream
) -> None:
    upstream.play(Script(PATHS["chat"], (), framing="raw", end="stall"))
    gateway = await start("chat")
    server = uvicorn.Server(uvicorn.Config(Gateway(gateway.services), lifespan="off", log_config=None))
    with socket.create_server(("127.0.0.1", 0)) as listener:
        serving = asyncio.ensure_future(server.serve(sockets=[listener]))
        gateway.port = listener.getsockname()[1]
        await _send_and_leave(gateway, upstream.wait_for_request(), encode(body_for("chat")))

        await upstream.until(lambda: upstream.last.gone.is_set())
        server.should_exit = True
        await serving
    assert len(gateway.runs) == 0


async def test_the_next_call_is_not_harmed(start: Start, upstream: ScriptedUpstream) -> None:
    upstream.play(Script(PATHS["chat"], (), framing="raw", end="stall"), whole("chat", REPLY))
    gateway = await start("chat")

    call = asyncio.ensure_future(post(gateway, "chat"))
    await upstream.wait_for_request()
    call.cancel()
    answer = await post(gateway, "chat")

    assert answer.json()["choices"][0]["message"]["content"] == "Hello there"
