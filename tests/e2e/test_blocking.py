"""No call waits for another: neither for a slow client nor for a silent store."""

import asyncio
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import httpx2
import pytest

from tests.e2e.conftest import Start
from tests.support.clock_and_ids import Clock
from tests.support.e2e.dialect_pairs import PATH, body_for, error_of, failure_of, post, relayed_way
from tests.support.e2e.gateway import Running
from tests.support.e2e.scripted_model import RESPONSES, STREAM, ModelReply, frames, speaking, sse, stream
from tests.support.e2e.stateful_upstream import ask, keeping
from tests.support.redis_server import RedisServer
from tests.support.scripted_upstream import PATIENCE, Received, Script, ScriptedUpstream

REPLY = ModelReply(text=("Hi",))
FRAME = b'data: {"type":"vendor.filler","x":"%b"}\n\n' % (b"x" * 65_536)
FLOOD = [FRAME] * 512  # 32 MiB: more than all buffers on the way hold
SMALL = [(socket.SOL_SOCKET, socket.SO_RCVBUF, 65_536)]


@asynccontextmanager
async def open_stream(gateway: Running, path: str, body: Any) -> AsyncIterator[httpx2.Response]:
    """Opens a stream without reading it: only its head has arrived."""
    headers = {"authorization": f"Bearer {gateway.key}"}
    transport = httpx2.AsyncHTTPTransport(socket_options=SMALL)
    async with (
        httpx2.AsyncClient(base_url=gateway.url, transport=transport, timeout=PATIENCE) as client,
        client.stream("POST", path, json=body, headers=headers) as answer,
    ):
        yield answer


def unsent(upstream: ScriptedUpstream) -> int:
    """The bytes that the upstream has written and the gateway has not read yet."""
    return sum(connection.unsent for connection in upstream.open)


@relayed_way
async def test_a_client_that_does_not_read_holds_back_its_own_upstream_and_no_other_call(
    start: Start, upstream: ScriptedUpstream, surface: Any, dialect: str
) -> None:
    """When the client reads again, it gets every byte."""
    whole_stream = [step for step in stream(dialect, REPLY).steps if isinstance(step, bytes)]
    sent = [whole_stream[0], *FLOOD, *whole_stream[1:]]

    def answer(request: Received) -> Script:
        if b"flood" in request.body:
            return Script(request.path, tuple(sent), media_type=STREAM, framing="chunked")
        return speaking(dialect, REPLY)(request)

    for path in set(PATH.values()) - {"/proxy"}:
        upstream.play_for(path, answer)
    gateway = await start(dialect)

    body = body_for(surface, streamed=True, metadata={"a": "flood"})
    async with open_stream(gateway, PATH[surface], body) as slow:
        before = 0
        async with asyncio.timeout(PATIENCE):
            while not (left := unsent(upstream)) or left != before:  # until nothing moves any more
                before = left
                for streamed in (False, True):
                    assert (await post(gateway, surface, streamed=streamed)).status_code == 200
        got = [data async for data in slow.aiter_bytes()]
    assert b"".join(got) == b"".join(sent)


# -- stores --------------------------------------------------------------------------------------------


def hang(gateway: Running, monkeypatch: pytest.MonkeyPatch) -> asyncio.Event:
    """Blocks all calls of the store until the returned event is set."""
    answering = asyncio.Event()
    store = gateway.services.store

    def waiting(does: Callable[..., Any]) -> Callable[..., Any]:
        async def wait(*args: Any, **more: Any) -> Any:
            await answering.wait()
            return await does(*args, **more)

        return wait

    for name in ("get", "get_many", "put", "delete", "add", "lease", "settle", "append", "read", "scan"):
        monkeypatch.setattr(store, name, waiting(getattr(store, name)))
    return answering


@pytest.mark.parametrize("streamed", [False, True], ids=["json", "stream"])
async def test_a_store_that_does_not_answer_delays_only_who_needs_a_record(
    start: Start, upstream: ScriptedUpstream, monkeypatch: pytest.MonkeyPatch, streamed: bool
) -> None:
    upstream.play_for(RESPONSES, keeping)
    gateway = await start("responses", clock=Clock())  # the key, once checked, stays so
    assert (await post(gateway, "responses")).status_code == 200
    answering = hang(gateway, monkeypatch)

    async with asyncio.TaskGroup() as group:
        stored = group.create_task(ask(gateway, gateway.key, {"stream": streamed}))
        await upstream.wait_for_request(2)
        for surface in ("responses", "chat", "proxy"):
            answer = await post(gateway, surface, streamed=streamed)
            assert answer.status_code == 200
        assert not stored.done()
        answering.set()
    assert stored.result().status_code == 200


async def test_a_frozen_redis_stops_records_and_nothing_else_and_recovers(
    start: Start, upstream: ScriptedUpstream, own_redis: Callable[..., RedisServer]
) -> None:
    """A call without a record fails: before the first byte with a status, after it with a terminal event."""
    server = own_redis()
    notified = asyncio.Event()
    *begun, last = sse(*REPLY.events(), done=False)
    upstream.play_for(RESPONSES, keeping)
    gateway = await start("responses", store=server.url, clock=Clock())
    assert (await ask(gateway, gateway.key, {})).status_code == 200

    body = {**body_for("responses", streamed=True), "store": True}
    upstream.play(frames("responses", *begun, notified, last))
    async with gateway.http.stream("POST", RESPONSES, json=body) as answer:
        lines = answer.aiter_bytes()
        received = await anext(lines)
        server.pause()
        notified.set()
        received += b"".join([data async for data in lines])
    assert b"response.completed" not in received
    assert failure_of("responses", received)["message"].startswith("The gateway could not record")

    upstream.play_for(RESPONSES, keeping)
    for streamed in (False, True):
        refused = await ask(gateway, gateway.key, {"stream": streamed})
        assert (refused.status_code, error_of(refused)["code"]) == (503, "store_unavailable")
        assert (await post(gateway, "responses", streamed=streamed)).status_code == 200
    server.resume()
    assert (await ask(gateway, gateway.key, {"stream": True})).status_code == 200
    again = await ask(gateway, gateway.key, {"previous_response_id": "resp_a"})
    assert again.status_code == 200
