"""`kill -9` of the gateway or its Redis during commits: acknowledged changes survive."""

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
"""The maximum seconds for a start on a busy machine."""


@dataclass
class Acknowledged:
    """The acknowledged changes.

    A key whose revocation was requested but not acknowledged may be revoked or not.
    """

    issued: dict[str, str] = field(default_factory=dict)  # token by id
    revoked: set[str] = field(default_factory=set)
    requested: set[str] = field(default_factory=set)


@asynccontextmanager
async def gateway_on(folder: Path, store: str) -> AsyncIterator[tuple[Command, httpx.AsyncClient]]:
    args = ("--bind", "127.0.0.1:0", f"--keys-backend={store}")
    async with command(folder, *args, UPSTREAM_MODE="demo") as gateway:
        url = await gateway.url()
        async with httpx.AsyncClient(base_url=url, trust_env=False, timeout=PATIENCE) as client:
            yield gateway, client


async def work(client: httpx.AsyncClient, acknowledged: Acknowledged, rng: random.Random) -> None:
    """Issues keys and revokes some, until the gateway dies or fails."""
    while True:
        answer = await client.post("/keys/generate", json={"label": "soak"})
        if answer.status_code != 200:
            return
        created = answer.json()
        acknowledged.issued[created["id"]] = created["token"]
        if rng.random() < 0.3:
            acknowledged.requested.add(created["id"])
            if (await client.post("/keys/revoke", json={"id": created["id"]})).status_code != 200:
                return
            acknowledged.revoked.add(created["id"])


async def until_killed(
    client: httpx.AsyncClient, acknowledged: Acknowledged, rng: random.Random, kill: Callable[[], None]
) -> None:
    """Lets clients work, and calls `kill` in the middle, after a random number of issued keys."""
    enough = len(acknowledged.issued) + rng.randrange(1, 40)

    async def one() -> None:
        # A connection that dies while it is made is an AttributeError of anyio's, not a TransportError.
        with contextlib.suppress(httpx.TransportError, AttributeError):
            await work(client, acknowledged, rng)

    async def watch() -> None:
        while len(acknowledged.issued) < enough:  # noqa: ASYNC110 - other tasks of this loop make it true
            await asyncio.sleep(0)
        kill()

    async with asyncio.timeout(PATIENCE * 2):
        await asyncio.gather(watch(), *(one() for _ in range(CLIENTS)))


async def check(client: httpx.AsyncClient, acknowledged: Acknowledged) -> None:
    """Checks that every acknowledged key works, unless its revocation was acknowledged."""
    for id, token in acknowledged.issued.items():
        answer = await client.get("/v1/models", headers={"authorization": f"Bearer {token}"})
        if id in acknowledged.revoked:
            assert (answer.status_code, answer.json()["error"]["message"]) == (401, "API key revoked")
        elif id not in acknowledged.requested:
            assert answer.status_code == 200, f"the acknowledged key {id} is lost: {answer.text}"


async def test_a_gateway_that_is_killed(loop: Loop, tmp_path: Path) -> None:
    async def attack(number: int, rng: random.Random) -> str:
        acknowledged, folder = Acknowledged(), tmp_path / str(number)
        folder.mkdir()
        async with gateway_on(folder, "sqlite:keys.db") as (gateway, client):
            await until_killed(client, acknowledged, rng, lambda: gateway.signal(signal.SIGKILL))
            assert await gateway.ended() == -signal.SIGKILL
        async with gateway_on(folder, "sqlite:keys.db") as (_, client):
            await check(client, acknowledged)
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
            acknowledged = Acknowledged()
            await until_killed(client, acknowledged, rng, server.kill)
            assert (await client.get("/readyz")).status_code == 503
            server.start()
            async with asyncio.timeout(TO_START):
                while (await client.get("/readyz")).status_code != 200:  # noqa: ASYNC110
                    await asyncio.sleep(0.05)
            await check(client, acknowledged)
            return "killed, and all there"

        await loop.run(attack, per_round=1, at_once=1, seconds=TO_START)
