"""`chat2response` as a process: it serves, and stops gracefully."""

import asyncio
import json
import signal
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import httpx
import pytest

from chat2response.compose import compose
from chat2response.server.server import Server, _concurrently
from chat2response.settings import Settings
from chat2response.wire.fault import DRAINING
from tests.support.cli.process import Command, command
from tests.support.scripted_upstream import PATIENCE, Script, ScriptedUpstream

LOCAL = ("--bind", "127.0.0.1:0", "--keys-backend=memory")
WAITING = r"running calls to finish: 1"
GOT = ("/readyz", "/health", "/v1/models")


def event(kind: str, **fields: Any) -> bytes:
    return f"event: {kind}\ndata: {json.dumps({'type': kind, **fields})}\n\n".encode()


CREATED = event("response.created", sequence_number=0, response={"id": "resp_1", "status": "in_progress"})
COMPLETED = event("response.completed", sequence_number=1, response={"id": "resp_1", "status": "completed"})
STREAM = Script("/v1/responses", (CREATED,), media_type="text/event-stream", framing="chunked")


@pytest.fixture
async def upstream() -> AsyncIterator[ScriptedUpstream]:
    async with ScriptedUpstream() as scripted:
        yield scripted


class Calling:
    """A client in the middle of a stream."""

    def __init__(self, url: str) -> None:
        self._client = httpx.AsyncClient(base_url=url, trust_env=False, timeout=PATIENCE)
        body = {"model": "m", "input": "x", "stream": True}
        headers = {"authorization": "Bearer upstreams-own"}
        self._stream = self._client.stream("POST", "/v1/responses", json=body, headers=headers)

    async def __aenter__(self) -> "Calling":
        answer = await self._stream.__aenter__()
        assert answer.status_code == 200
        self._chunks = answer.aiter_raw()
        assert b"response.created" in await anext(self._chunks)
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._stream.__aexit__(None, None, None)
        await self._client.aclose()

    async def rest(self) -> bytes:
        return b"".join([chunk async for chunk in self._chunks])


async def closed(host: str, port: int) -> None:
    """Waits until the port is closed."""
    while True:
        try:
            _, writer = await asyncio.open_connection(host, port)
        except (ConnectionRefusedError, ConnectionResetError):
            return  # reset: the connection waited in the queue of a closing listener
        writer.close()


async def get(gateway: Command, path: str) -> httpx.Response:
    async with httpx.AsyncClient(trust_env=False, timeout=PATIENCE) as client:
        return await client.get(await gateway.url() + path)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
async def test_it_serves_until_a_signal_and_ends_with_0(tmp_path: Path, number: int):
    async with command(tmp_path, *LOCAL) as gateway:
        answer = await get(gateway, "/healthz")
        assert answer.status_code == 200
        assert not {"server", "date"} & answer.headers.keys()
        gateway.signal(number)
        assert await gateway.ended() == 0


async def test_while_running_streams_finish_nothing_new_is_let_in(tmp_path: Path, upstream: ScriptedUpstream):
    go_on = asyncio.Event()
    upstream.play(STREAM.but(steps=(CREATED, go_on, COMPLETED)))
    async with command(tmp_path, "start", *LOCAL, OPENAI_BASE_URL=upstream.url) as gateway:
        url = await gateway.url()
        client = httpx.AsyncClient(base_url=url, trust_env=False, timeout=PATIENCE)
        async with client, Calling(url) as calling:
            assert (await client.get("/readyz")).status_code == 200  # over a connection that stays open
            gateway.signal()
            await gateway.logged(WAITING)

            for path in (
                "/v1/responses",
                "/v1/chat/completions",
                "/proxy",
                "/readyz",
                "/health",
                "/v1/models",
            ):
                answer = await (client.get(path) if path in GOT else client.post(path, json={}))
                assert (path, answer.status_code) == (path, 503)
                assert answer.headers["connection"] == "close"
            assert answer.json()["error"]["message"] == DRAINING.message
            assert (await client.get("/livez")).status_code == 200
            assert (await client.get("/metrics")).status_code == 200

            go_on.set()
            assert await calling.rest() == COMPLETED
        assert await gateway.ended() == 0
    assert len(upstream.requests) == 1


async def test_what_still_runs_when_the_time_is_up_ends_with_a_terminal_event(
    tmp_path: Path, upstream: ScriptedUpstream
):
    upstream.play(STREAM.but(end="stall"))
    settings = {"OPENAI_BASE_URL": upstream.url, "CHAT2RESPONSE_DRAIN_SECONDS": "0.3"}
    async with command(tmp_path, *LOCAL, **settings) as gateway:
        async with Calling(await gateway.url()) as calling:
            gateway.signal()
            await gateway.logged(WAITING + ", at most 0.3 seconds")
            rest = await calling.rest()
        assert b"event: response.failed" in rest
        assert b"shutting down" in rest
        assert await gateway.ended() == 0


async def test_what_waits_for_an_answer_when_the_time_is_up_gets_503(
    tmp_path: Path, upstream: ScriptedUpstream
):
    upstream.play(STREAM.but(steps=(), end="stall", framing="raw"))
    settings = {"OPENAI_BASE_URL": upstream.url, "CHAT2RESPONSE_DRAIN_SECONDS": "0"}
    async with command(tmp_path, *LOCAL, **settings) as gateway:
        client = httpx.AsyncClient(base_url=await gateway.url(), trust_env=False, timeout=PATIENCE)
        async with client:
            call = asyncio.ensure_future(client.post("/v1/responses", json={"model": "m", "input": "x"}))
            await upstream.wait_for_request()
            gateway.signal()
            answer = await call
        assert (answer.status_code, answer.json()["error"]["message"]) == (503, DRAINING.message)
        assert await gateway.ended() == 0


async def test_a_call_that_was_let_in_may_still_send_its_body(tmp_path: Path, upstream: ScriptedUpstream):
    upstream.play(Script("/v1/responses", (b"{}",)))
    body = b'{"model": "m", "input": "x"}'
    async with command(tmp_path, *LOCAL, OPENAI_BASE_URL=upstream.url) as gateway:
        host, port = (await gateway.url()).removeprefix("http://").split(":")
        reader, writer = await asyncio.open_connection(host, int(port))
        head = f"POST /v1/responses HTTP/1.1\r\nHost: x\r\nContent-Length: {len(body)}\r\n"
        writer.write(f"{head}Expect: 100-continue\r\n\r\n".encode())
        async with asyncio.timeout(PATIENCE):
            assert b" 100 " in await reader.readuntil(b"\r\n\r\n")  # the gateway waits for the body
            gateway.signal()
            await closed(host, int(port))
            writer.write(body)
            answer = await reader.read()
        writer.close()
        assert answer.startswith(b"HTTP/1.1 200 ")
        assert answer.endswith(b"\r\n\r\n{}")
        assert await gateway.ended() == 0


@pytest.mark.parametrize(("level", "logged"), [("Info", True), ("warning", False)])
async def test_the_log_says_no_less_than_is_asked(
    tmp_path: Path, upstream: ScriptedUpstream, level: str, logged: bool
):
    upstream.play(STREAM.but(end="stall"))
    settings = {"OPENAI_BASE_URL": upstream.url, "CHAT2RESPONSE_DRAIN_SECONDS": "0"}
    async with command(tmp_path, *LOCAL, CHAT2RESPONSE_LOG_LEVEL=level, **settings) as gateway:
        async with Calling(await gateway.url()) as calling:
            gateway.signal()
            await calling.rest()
        assert await gateway.ended() == 0
        assert gateway.process.stderr is not None
        assert (b"running calls to finish: 1" in await gateway.process.stderr.read()) is logged


@pytest.mark.parametrize("again", [signal.SIGTERM, signal.SIGINT])
async def test_a_second_signal_ends_streams_with_a_terminal_event(
    tmp_path: Path, upstream: ScriptedUpstream, again: int
):
    upstream.play(STREAM.but(end="stall"))
    async with command(tmp_path, *LOCAL, OPENAI_BASE_URL=upstream.url) as gateway:
        async with Calling(await gateway.url()) as calling:
            gateway.signal()
            await gateway.logged(WAITING)
            gateway.signal(again)
            rest = await calling.rest()
        assert b"event: response.failed" in rest
        assert b"shutting down" in rest
        assert await gateway.ended() == 0


async def test_who_does_not_read_is_cut_off_a_while_after_the_second(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("chat2response.server.server._TERMINAL_EVENT_SECONDS", 0.0)
    aborted = asyncio.Event()
    connection: Any = Mock(**{"transport.abort.side_effect": aborted.set})
    server = Server(compose(Settings.model_validate({}), store_url="memory"))
    server.server_state.connections.add(connection)
    server.handle_stop_signal()
    await asyncio.sleep(0)
    assert server.should_exit
    assert not aborted.is_set()
    server.handle_stop_signal()
    async with asyncio.timeout(PATIENCE):
        await aborted.wait()


async def test_a_third_signal_does_so_at_once(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("chat2response.server.server._TERMINAL_EVENT_SECONDS", 3600.0)
    connection: Any = Mock()
    server = Server(compose(Settings.model_validate({}), store_url="memory"))
    server.server_state.connections.add(connection)
    server.handle_stop_signal()
    server.handle_stop_signal()
    connection.transport.abort.assert_not_called()
    server.handle_stop_signal()
    connection.transport.abort.assert_called_once()


async def test_a_third_signal_cuts_off_who_does_not_read(tmp_path: Path, upstream: ScriptedUpstream):
    flood = event("response.output_text.delta", delta="x" * 1_000_000)
    upstream.play(STREAM.but(steps=(CREATED, *[flood] * 32), end="stall"))
    async with command(tmp_path, *LOCAL, OPENAI_BASE_URL=upstream.url) as gateway:
        async with Calling(await gateway.url()):
            gateway.signal()
            await gateway.logged(WAITING)
            gateway.signal(signal.SIGINT)
            gateway.signal(signal.SIGTERM)
            assert await gateway.ended() == 0
        assert gateway.process.stderr is not None
        assert b"Traceback" not in await gateway.process.stderr.read()


@pytest.mark.parametrize("stopped", [True, False])
async def test_what_fails_beside_the_server_counts_unless_it_was_told_to_stop(stopped: bool):
    server = Server(compose(Settings.model_validate({}), store_url="memory"))
    server.serving.set()
    failed = asyncio.Event()

    async def fails() -> None:
        failed.set()
        raise ValueError("refused")

    async def serve() -> None:
        async with _concurrently(server, fails):
            if stopped:
                server.handle_stop_signal()
            await failed.wait()
            await asyncio.sleep(0)

    if stopped:
        await serve()
    else:
        with pytest.raises(ValueError, match="refused"):
            await serve()
    assert server.should_exit
