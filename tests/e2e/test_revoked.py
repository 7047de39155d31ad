"""A revocation, on this or another gateway, ends the running calls of the key, and no others."""

import asyncio
import time
from collections.abc import Callable
from statistics import quantiles
from typing import Any

import pytest

from chat2response.keys import KeyRepository, KeyService
from chat2response.wire.fault import REVOKED
from tests.e2e.conftest import Start
from tests.e2e.test_stop import REPLY, open_ended
from tests.support.clock_and_ids import Clock
from tests.support.e2e.dialect_pairs import Reading, body_for, error_of, failure_of, post
from tests.support.e2e.gateway import Running
from tests.support.e2e.scripted_model import CHAT, PATHS, RESPONSES
from tests.support.redis_server import RedisServer
from tests.support.scripted_upstream import PATIENCE, Script, ScriptedUpstream


async def issued(gateway: Running) -> dict[str, Any]:
    body: dict[str, Any] = (await gateway.post("/keys/generate", {})).json()
    return body


async def revoke(gateway: Running, key: dict[str, Any]) -> None:
    answer = await gateway.post("/keys/revoke", {"id": key["id"]})
    assert answer.json()["revoked"] is True


def bearer(key: dict[str, Any]) -> dict[str, str]:
    return {"authorization": f"Bearer {key['token']}"}


@pytest.mark.parametrize("store", ["memory", "sqlite", "redis"])
@pytest.mark.parametrize("dialect", ["chat", "responses"])
async def test_running_streams_end_with_their_terminal_event(
    start: Start, upstream: ScriptedUpstream, store: str, dialect: str
) -> None:
    upstream.play(open_ended(dialect))
    gateway = await start(dialect, store=store)
    # Where there can be one, another gateway revokes.
    other = gateway if store == "memory" else await start(dialect, store=store)
    doomed = await gateway.issue()

    body = body_for("responses", streamed=True)
    theirs = {"authorization": f"Bearer {doomed}"}
    async with (
        gateway.http.stream("POST", RESPONSES, json=body) as mine,
        gateway.http.stream("POST", RESPONSES, json=body, headers=theirs) as revoked,
    ):
        reading, ending = Reading(mine), Reading(revoked)
        await reading.until(b"Hello")
        await ending.until(b"Hello")
        answer = await other.post("/keys/revoke", {"id": doomed[3:35]})
        assert answer.json()["revoked"] is True
        async with asyncio.timeout(PATIENCE):
            data = await ending.rest()
        assert len(gateway.runs) == 1

    assert failure_of("responses", data)["message"] == REVOKED.message


async def test_a_call_that_has_not_begun_to_answer_is_refused(
    start: Start, upstream: ScriptedUpstream
) -> None:
    upstream.play(Script(PATHS["chat"], (), framing="raw", end="stall"))
    gateway = await start("chat")

    call = asyncio.ensure_future(post(gateway, "chat"))
    await upstream.wait_for_request()
    await gateway.services.keys.revoke(gateway.key[3:35])
    answer = await call

    assert answer.status_code == 401
    assert error_of(answer)["message"] == REVOKED.message
    await upstream.until(lambda: upstream.last.gone.is_set())


async def test_unless_the_operator_lets_them_run_on(start: Start, upstream: ScriptedUpstream) -> None:
    upstream.play(open_ended("responses"))
    gateway = await start("responses", chat2response_keys_end_runs=False)

    body = body_for("responses", streamed=True)
    async with gateway.http.stream("POST", RESPONSES, json=body) as answer:
        reading = Reading(answer)
        await reading.until(b"Hello")
        await gateway.services.keys.revoke(gateway.key[3:35])
        assert (await post(gateway, "responses")).status_code == 401
        assert len(gateway.runs) == 1
    assert REPLY.text[0].encode() in reading.data


async def test_a_change_that_ends_nothing_lets_calls_run_on(start: Start, upstream: ScriptedUpstream) -> None:
    upstream.play(open_ended("responses"))
    gateway = await start("responses")
    doomed = await gateway.issue()

    async def opened(token: str) -> Any:
        headers = {"authorization": f"Bearer {token}"}
        return gateway.http.stream(
            "POST", RESPONSES, json=body_for("responses", streamed=True), headers=headers
        )

    async with await opened(gateway.key) as mine, await opened(doomed) as theirs:
        reading, ending = Reading(mine), Reading(theirs)
        await reading.until(b"Hello")
        await ending.until(b"Hello")
        keys = gateway.services.keys
        await keys.update(gateway.key[3:35], label="x", scopes=["endpoint:models"])
        await keys.rotate(gateway.key[3:35])
        await keys.set_expiration(gateway.key[3:35], expires_at=1)
        await keys.revoke(doomed[3:35])
        await ending.rest()  # what was changed before was looked at before, too
        assert [run.tenant for run in gateway.runs] == [gateway.key[3:35]]


async def test_what_has_shown_its_key_but_not_begun_is_refused(
    start: Start, upstream: ScriptedUpstream
) -> None:
    gateway = await start("chat")
    key = await issued(gateway)
    uploading = asyncio.Event()
    revoked = asyncio.Event()

    async def body() -> Any:
        yield b'{"model": "m", '
        uploading.set()
        await revoked.wait()
        yield b'"messages": [{"role": "user", "content": "Hi"}]}'

    call = asyncio.ensure_future(gateway.http.post(CHAT, content=body(), headers=bearer(key)))
    await uploading.wait()
    await gateway.http.get("/livez")  # a round trip later the key has been checked
    await revoke(gateway, key)
    while not gateway.runs._revoked:  # noqa: ASYNC110 - it is known beside the answer
        await asyncio.sleep(0.005)
    revoked.set()
    answer = await call
    assert (answer.status_code, error_of(answer)["message"]) == (401, REVOKED.message)
    assert upstream.requests == []


# What a machine that is busy with other things still reaches; measured, it is a small part of it.
BOUND = {"sqlite": 5.0, "redis": 5.0}


@pytest.mark.parametrize("store", ["sqlite", "redis"])
async def test_how_long_a_revocation_takes_to_the_next_process(
    start: Start, store: str, record_property: Callable[[str, object], None]
) -> None:
    """From the response of `/keys/revoke` to the first rejection elsewhere; the cache never expires."""
    one, two = [await start("demo", store=store, clock=Clock()) for _ in range(2)]
    took = []
    for _ in range(40):
        key = await issued(one)
        for gateway in (one, two):
            assert (await gateway.http.get("/v1/models", headers=bearer(key))).status_code == 200
        await revoke(one, key)
        begin = time.perf_counter()
        while (await two.http.get("/v1/models", headers=bearer(key))).status_code != 401:
            assert time.perf_counter() - begin < BOUND[store]
        took.append(time.perf_counter() - begin)
    cuts = quantiles(took, n=100)
    figures = f"{store}: p50 {cuts[49] * 1000:.1f} ms, p99 {cuts[98] * 1000:.1f} ms"
    record_property("propagation", figures)
    print("a revocation in the next process after,", figures)  # noqa: T201 - shown by `pytest -rP`


@pytest.mark.parametrize("way", ["pause", "kill"])
async def test_recently_verified_keys_pass_while_redis_is_down_where_that_is_asked_for(
    start: Start, own_redis: Callable[[], RedisServer], way: str
) -> None:
    server = own_redis()
    gateway = await start("demo", store=server.url, chat2response_keys_serve_stale_seconds=3600)
    known, stranger = await issued(gateway), await issued(gateway)

    async def states() -> list[int]:
        """The statuses with the cached key, with another key, and of readiness."""
        answers = [
            await gateway.http.get("/v1/models", headers=bearer(known)),
            await gateway.http.get("/v1/models", headers=bearer(stranger)),
            await gateway.http.get("/readyz"),
        ]
        return [answer.status_code for answer in answers]

    assert (await gateway.http.get("/v1/models", headers=bearer(known))).status_code == 200
    getattr(server, way)()
    assert await states() == [200, 503, 200]
    assert await states() == [200, 503, 200]
    if way == "pause":
        server.resume()
    else:
        await asyncio.to_thread(server.start)
    assert await states() == [200, 200, 200]
    await KeyService(KeyRepository(gateway.services.store)).revoke(known["id"])
    async with asyncio.timeout(20):
        while await states() != [401, 200, 200]:  # noqa: ASYNC110 - within a second it is asked again
            await asyncio.sleep(0.05)
