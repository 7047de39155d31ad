"""Two gateways on one Redis, or on one SQLite file: what one does to a key, the other honours; without Redis
neither opens."""

import asyncio
from collections.abc import Callable
from typing import Any

import httpx2
import pytest

from tests.e2e.conftest import Start
from tests.support.clock_and_ids import Clock
from tests.support.e2e.dialect_pairs import body_for, error_of
from tests.support.e2e.gateway import Running
from tests.support.e2e.scripted_model import CHAT, ModelReply, whole
from tests.support.redis_server import RedisServer
from tests.support.scripted_upstream import ScriptedUpstream


async def call(gateway: Running, token: str) -> httpx2.Response:
    return await gateway.post(CHAT, body_for("chat"), headers={"authorization": f"Bearer {token}"})


async def manage(gateway: Running, path: str, body: dict[str, Any]) -> Any:
    answer = await gateway.post(path, body)
    assert answer.status_code == 200, answer.text
    return answer.json()


@pytest.fixture(params=["redis", "sqlite"])
async def pair(start: Start, upstream: ScriptedUpstream, request: pytest.FixtureRequest) -> Any:
    upstream.play(whole("chat", ModelReply(text=("Hi",))))
    clock = Clock()
    return [await start("chat", store=request.param, clock=clock) for _ in range(2)], clock


async def test_a_key_of_one_opens_the_other_until_either_ends_it(pair: Any) -> None:
    (one, two), clock = pair
    doomed, mortal = [await manage(one, "/keys/generate", {}) for _ in range(2)]
    for result in (doomed, mortal):
        for gateway in (one, two):
            assert (await call(gateway, result["token"])).status_code == 200

    assert await manage(two, "/keys/revoke", {"id": doomed["id"]}) == {"revoked": True, "id": doomed["id"]}
    past = {"id": mortal["id"], "expires_at": 1}
    assert (await manage(two, "/keys/set_expiration", past))["updated"]
    clock.advance(1)  # for so long an answer is remembered

    for gateway in (one, two):
        for result, why in ((doomed, "API key revoked"), (mortal, "API key expired")):
            answer = await call(gateway, result["token"])
            assert (answer.status_code, error_of(answer)["message"]) == (401, why)
    listed = [(await gateway.http.get("/keys")).json() for gateway in (one, two)]
    assert listed[0] == listed[1]
    assert {key["id"] for key in listed[0]} >= {doomed["id"], mortal["id"]}


async def test_a_new_secret_and_what_it_may_do_reach_the_other(pair: Any) -> None:
    (one, two), clock = pair
    result = await manage(one, "/keys/generate", {"label": "l"})
    assert (await call(two, result["token"])).status_code == 200
    renewed = await manage(one, "/keys/rotate", {"id": result["id"], "grace_seconds": 60})
    await manage(two, "/keys/update", {"id": result["id"], "scopes": ["endpoint:chat"]})
    clock.advance(1)
    for token in (result["token"], renewed["token"]):
        for gateway in (one, two):
            assert (await call(gateway, token)).status_code == 200
            headers = {"authorization": f"Bearer {token}"}
            assert (await gateway.http.get("/v1/models", headers=headers)).status_code == 403
    clock.advance(60)
    for gateway in (one, two):
        assert error_of(await call(gateway, result["token"]))["message"] == "API key expired"
        assert (await call(gateway, renewed["token"])).status_code == 200
    shown = [(await gateway.http.get(f"/keys/{result['id']}")).json() for gateway in (one, two)]
    assert shown[0]["rotated_at"] == shown[1]["rotated_at"] == renewed["rotated_at"]


async def test_only_one_of_them_revokes(pair: Any) -> None:
    gateways, _ = pair
    result = await manage(gateways[0], "/keys/generate", {})
    reported = await asyncio.gather(
        *(manage(gateway, "/keys/revoke", {"id": result["id"]}) for gateway in gateways * 5)
    )
    assert [each["revoked"] for each in reported].count(True) == 1


async def test_without_redis_nobody_gets_in_and_with_it_everybody_again(
    start: Start, upstream: ScriptedUpstream, own_redis: Callable[..., RedisServer]
) -> None:
    upstream.play(whole("chat", ModelReply(text=("Hi",))))
    server, clock = own_redis(), Clock()
    gateways = [await start("chat", store=server.unix, clock=clock) for _ in range(2)]
    token = await gateways[0].issue()

    async def states() -> list[list[int]]:
        """For each gateway the statuses of a call, readiness, liveness and a new key."""
        clock.advance(1)
        body = [
            asyncio.gather(
                call(gateway, token),
                gateway.http.get("/readyz"),
                gateway.http.get("/livez"),
                gateway.post("/keys/generate", {}),
            )
            for gateway in gateways
        ]
        return [[answer.status_code for answer in answers] for answers in await asyncio.gather(*body)]

    open_, shut = [[200, 200, 200, 200]] * 2, [[503, 503, 200, 503]] * 2
    assert await states() == open_
    server.pause()
    assert await states() == shut
    server.resume()
    assert await states() == open_
    server.kill()
    assert await states() == shut
    await asyncio.to_thread(server.start)
    assert await states() == open_
