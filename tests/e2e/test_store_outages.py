"""A gateway whose store is removed, replaced, or read-only."""

import asyncio
import shutil
import sqlite3
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.e2e.conftest import Start
from tests.support.cli.process import Command, command
from tests.support.clock_and_ids import Clock
from tests.support.redis_server import RedisServer
from tests.support.scripted_upstream import PATIENCE

ASK = {"model": "demo", "input": "Hi"}


@asynccontextmanager
async def gateway_on(
    folder: Path, store: str, **settings: str
) -> AsyncIterator[tuple[Command, httpx.AsyncClient]]:
    args = ("--bind", "127.0.0.1:0", f"--keys-backend={store}")
    async with command(folder, *args, UPSTREAM_MODE="demo", **settings) as gateway:
        url = await gateway.url()
        async with httpx.AsyncClient(base_url=url, trust_env=False, timeout=PATIENCE) as client:
            yield gateway, client


async def issue(client: httpx.AsyncClient) -> Any:
    answer = await client.post("/keys/generate", json={})
    assert answer.status_code == 200, answer.text
    return answer.json()


async def call(client: Any, token: str) -> int:
    headers = {"authorization": f"Bearer {token}"}
    return int((await client.post("/v1/responses", json=ASK, headers=headers)).status_code)


async def ready(client: Any) -> int:
    return int((await client.get("/readyz")).status_code)


async def until(request: Callable[[], Any], status: int) -> None:
    """Repeats the request until it gets this answer."""
    async with asyncio.timeout(PATIENCE):
        while await request() != status:  # noqa: ASYNC110 - nobody tells us
            await asyncio.sleep(0.02)


async def shell(folder: Path, *args: str) -> tuple[int, str]:
    """Runs a command; returns its exit code and stderr."""
    async with command(folder, *args) as run:
        assert run.process.stderr is not None
        output = (await run.process.stderr.read()).decode()
        return await run.ended(), output


def around(path: Path) -> list[Path]:
    return [path, path.with_name(f"{path.name}-wal"), path.with_name(f"{path.name}-shm")]


def back_up(path: Path) -> Path:
    """A copy, as SQLite makes it of a file in use."""
    copy = path.with_name("backup.db")
    with sqlite3.connect(path) as source, sqlite3.connect(copy) as target:
        source.backup(target)
    source.close()
    target.close()
    return copy


def replace(path: Path, copy: Path) -> None:
    for each in around(path):
        each.unlink(missing_ok=True)
    copy.rename(path)


async def test_a_revocation_in_the_file_that_was_put_in_its_place_reaches_the_gateway(tmp_path: Path) -> None:
    path = tmp_path / "keys.db"
    async with gateway_on(tmp_path, f"sqlite:{path}") as (_, client):
        result, other = await issue(client), await issue(client)
        assert await call(client, result["token"]) == 200
        replace(path, back_up(path))
        code, output = await shell(tmp_path, "keys", "revoke", result["id"], f"--keys-backend=sqlite:{path}")
        assert code == 0, output
        await until(lambda: call(client, result["token"]), 401)
        assert await ready(client) == 200
        assert await call(client, other["token"]) == 200
        await issue(client)


@pytest.mark.parametrize("what", ["file", "all", "folder"])
async def test_without_its_file_a_gateway_is_red_and_opens_to_nobody_until_it_is_back(
    tmp_path: Path, what: str
) -> None:
    path = tmp_path / "data" / "keys.db"
    async with gateway_on(tmp_path, f"sqlite:{path}") as (gateway, client):
        result = await issue(client)
        assert await call(client, result["token"]) == 200
        copy = back_up(path)
        aside = shutil.move(copy, tmp_path / "aside.db")
        if what == "folder":
            shutil.rmtree(path.parent)
        else:
            for each in around(path)[: 1 if what == "file" else None]:
                each.unlink()
        assert await ready(client) == 503
        await until(lambda: call(client, result["token"]), 503)
        refused = await client.post("/keys/revoke", json={"id": result["id"]})
        assert refused.status_code == 503
        assert "Restore the file" in refused.json()["error"]["message"]
        assert "Restore the file" in (await gateway.logged("the store does not work")).string
        code, output = await shell(tmp_path, "keys", "revoke", result["id"], f"--keys-backend=sqlite:{path}")
        assert (code, str(path) in output) == (3, True)
        assert not around(path)[0].exists()
        path.parent.mkdir(exist_ok=True)
        replace(path, Path(aside))
        assert await ready(client) == 200
        assert await call(client, result["token"]) == 200


async def test_a_redis_that_takes_no_writes_is_red_and_a_revocation_says_what_to_do(
    tmp_path: Path, own_redis: Callable[..., RedisServer]
) -> None:
    server = own_redis()
    async with gateway_on(tmp_path, server.url) as (gateway, client):
        result = await issue(client)
        assert await ready(client) == 200
        with server.client() as inside:
            inside.replicaof("127.0.0.1", "1")
        await until(lambda: ready(client), 503)
        assert "primary" in (await gateway.logged("the store does not work")).string
        assert (await client.get("/livez")).status_code == 200
        refused = await client.post("/keys/revoke", json={"id": result["id"]})
        assert refused.status_code == 503
        body = refused.json()["error"]["message"]
        assert "did not save the change" in body
        assert "primary" in body
        code, output = await shell(tmp_path, "keys", "revoke", result["id"], f"--keys-backend={server.url}")
        assert code == 3
        assert "did not save the change" in output
        assert "primary" in output
        assert await call(client, result["token"]) == 200  # it was not revoked
        with server.client() as inside:
            inside.replicaof("NO", "ONE")
        await until(lambda: ready(client), 200)
        assert (await client.post("/keys/revoke", json={"id": result["id"]})).json()["revoked"] is True
        assert await call(client, result["token"]) == 401


async def test_a_redis_that_is_full_is_red(tmp_path: Path, own_redis: Callable[..., RedisServer]) -> None:
    server = own_redis()
    async with gateway_on(tmp_path, server.url) as (_, client):
        with server.client() as inside:
            inside.config_set("maxmemory", "1")
        await until(lambda: ready(client), 503)
        refused = await client.post("/keys/generate", json={})
        assert "maxmemory" in refused.json()["error"]["message"]
        with server.client() as inside:
            inside.config_set("maxmemory", "0")
        await until(lambda: ready(client), 200)


async def test_a_full_disk_is_red_and_a_revocation_says_what_to_do(tmp_path: Path) -> None:
    prlimit = shutil.which("prlimit")
    assert prlimit is not None
    path = tmp_path / "keys.db"
    async with gateway_on(tmp_path, f"sqlite:{path}") as (gateway, client):
        result = await issue(client)
        assert await ready(client) == 200
        full = str(max(each.stat().st_size for each in around(path)))
        await limit(prlimit, gateway, f"{full}:")  # the kernel refuses every byte beyond that
        await until(lambda: ready(client), 503)
        refused = await client.post("/keys/revoke", json={"id": result["id"]})
        assert refused.status_code == 503
        assert "Free disk space" in refused.json()["error"]["message"]
        await limit(prlimit, gateway, "unlimited:")
        await until(lambda: ready(client), 200)
        assert (await client.post("/keys/revoke", json={"id": result["id"]})).json()["revoked"] is True


async def limit(prlimit: str, gateway: Command, size: str) -> None:
    pid = str(gateway.process.pid)
    run = await asyncio.create_subprocess_exec(prlimit, "--pid", pid, f"--fsize={size}")
    assert await run.wait() == 0


async def test_readiness_is_green_while_keys_are_served_without_the_store_and_red_after(
    start: Start, own_redis: Callable[..., RedisServer]
) -> None:
    server, clock = own_redis(), Clock()
    gateway = await start("demo", store=server.unix, clock=clock, chat2response_keys_serve_stale_seconds=30)

    async def states() -> list[int]:
        return [await call(gateway.http, gateway.key), await ready(gateway.http)]

    async def count() -> str:
        lines = (await gateway.http.get("/metrics")).text.splitlines()
        return next(line for line in lines if line.startswith("chat2response_stale_key_checks_total"))

    async with asyncio.timeout(PATIENCE):  # what the feed missed before it followed empties the memory
        while not gateway.services.verifier._changes:  # noqa: ASYNC110 - nothing tells of it
            await asyncio.sleep(0.02)
    assert await states() == [200, 200]
    server.kill()
    clock.advance(2)
    assert await states() == [200, 200]
    assert (await count()).endswith(" 1.0")
    clock.advance(27)
    assert await states() == [200, 200]
    clock.advance(2)
    assert await states() == [503, 503]
    await asyncio.to_thread(server.start)
    assert await states() == [200, 200]


async def test_a_start_and_a_check_of_the_settings_warn_of_a_redis_that_evicts(
    tmp_path: Path, own_redis: Callable[..., RedisServer]
) -> None:
    server = own_redis()
    with server.client() as inside:
        inside.config_set("maxmemory-policy", "allkeys-lru")
    async with gateway_on(tmp_path, server.url) as (gateway, _):
        assert "noeviction" in (await gateway.logged("allkeys-lru")).string
    code, output = await shell(tmp_path, "check-config", f"--keys-backend={server.url}")
    assert code == 0, output
    assert "allkeys-lru" in output
    with server.client() as inside:
        inside.config_set("maxmemory-policy", "noeviction")
    _, output = await shell(tmp_path, "check-config", f"--keys-backend={server.url}")
    assert "evict" not in output
    assert "maxmemory" not in output


async def test_a_damaged_file_refuses_the_start(tmp_path: Path) -> None:
    path = tmp_path / "keys.db"
    async with gateway_on(tmp_path, f"sqlite:{path}") as (gateway, client):
        for _ in range(40):
            await issue(client)
        gateway.signal()
        assert await gateway.ended() == 0
    with path.open("r+b") as file:
        file.seek(path.stat().st_size // 2 // 4096 * 4096)
        file.write(b"\xff" * 8192)
    args = ("--bind", "127.0.0.1:0", f"--keys-backend=sqlite:{path}")
    async with command(tmp_path, *args, UPSTREAM_MODE="demo") as gateway:
        await gateway.logged(rf"{path} is damaged")
        assert await gateway.ended() == 3
