"""`kill -9` in the middle of commits, of the gateway and of its Redis: what was acknowledged stays so."""

import asyncio
import contextlib
import random
import signal
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import httpx

from tests.support.cli.process import Command, command
from tests.support.redis_server import RedisServer
from tests.support.scripted_upstream import PATIENCE
from tests.support.soak.loops import Loop

CLIENTS = 6
TO_START = 20.0
"""Seconds that a start takes at most, on a busy machine."""


@dataclass
class Acknowledged:
    """What a gateway has answered for. A key whose revocation was not answered may be either."""

    issued: dict[str, str] = field(default_factory=dict)  # token by id
    revoked: set[str] = field(default_factory=set)
    tried: set[str] = field(default_factory=set)


@asynccontextmanager
async def gateway_on(folder: Path, store: str) -> AsyncIterator[tuple[Command, httpx.AsyncClient]]:
    args = ("--bind", "127.0.0.1:0", f"--keys-backend={store}")
    async with command(folder, *args, UPSTREAM_MODE="demo") as gateway:
        url = await gateway.url()
        async with httpx.AsyncClient(base_url=url, trust_env=False, timeout=PATIENCE) as client:
            yield gateway, client


async def work(client: httpx.AsyncClient, done: Acknowledged, rng: random.Random) -> None:
    """Issues keys and revokes some, until the gateway is gone or cannot."""
    while True:
        answer = await client.post("/keys/generate", json={"label": "soak"})
        if answer.status_code != 200:
            return
        body = answer.json()
        done.issued[body["id"]] = body["token"]
        if rng.random() < 0.3:
            done.tried.add(body["id"])
            if (await client.post("/keys/revoke", json={"id": body["id"]})).status_code != 200:
                return
            done.revoked.add(body["id"])


async def until_killed(
    client: httpx.AsyncClient, done: Acknowledged, rng: random.Random, kill: Callable[[], None]
) -> None:
    """Clients work; when so many keys were issued, `kill`, in the middle of whatever goes on."""
    enough = len(done.issued) + rng.randrange(1, 40)

    async def one() -> None:
        # A connection that dies while it is made is an AttributeError of anyio's, not a TransportError.
        with contextlib.suppress(httpx.TransportError, AttributeError):
            await work(client, done, rng)

    async def watch() -> None:
        while len(done.issued) < enough:  # noqa: ASYNC110 - other tasks of this loop make it true
            await asyncio.sleep(0)
        kill()

    async with asyncio.timeout(PATIENCE * 2):
        await asyncio.gather(watch(), *(one() for _ in range(CLIENTS)))


async def check(client: httpx.AsyncClient, done: Acknowledged) -> None:
    """Every acknowledged key opens, unless its revocation was acknowledged; then it does not."""
    for id, token in done.issued.items():
        answer = await client.get("/v1/models", headers={"authorization": f"Bearer {token}"})
        if id in done.revoked:
            assert (answer.status_code, answer.json()["error"]["message"]) == (401, "API key revoked")
        elif id not in done.tried:
            assert answer.status_code == 200, f"the acknowledged key {id} is lost: {answer.text}"


async def test_a_gateway_that_is_killed(loop: Loop, tmp_path: Path) -> None:
    async def attack(number: int, rng: random.Random) -> str:
        done, folder = Acknowledged(), tmp_path / str(number)
        folder.mkdir()
        async with gateway_on(folder, "sqlite:keys.db") as (gateway, client):
            await until_killed(client, done, rng, lambda: gateway.signal(signal.SIGKILL))
            assert await gateway.ended() == -signal.SIGKILL
        async with gateway_on(folder, "sqlite:keys.db") as (_, client):
            await check(client, done)
        return "killed, and all there"

    # A start takes a second of a core: one is enough for a short run.
    most = None if loop.dose.long else 1
    await loop.run(attack, per_round=1, at_once=1, most=most, seconds=TO_START)


async def test_a_redis_that_is_killed(
    loop: Loop, tmp_path: Path, own_redis: Callable[..., RedisServer]
) -> None:
    server = own_redis()
    async with gateway_on(tmp_path, f"{server.url}/0") as (_, client):

        async def attack(number: int, rng: random.Random) -> str:
            done = Acknowledged()
            await until_killed(client, done, rng, server.kill)
            assert (await client.get("/readyz")).status_code == 503
            server.start()
            async with asyncio.timeout(TO_START):
                while (await client.get("/readyz")).status_code != 200:  # noqa: ASYNC110
                    await asyncio.sleep(0.05)
            await check(client, done)
            return "killed, and all there"

        await loop.run(attack, per_round=1, at_once=1, seconds=TO_START)
