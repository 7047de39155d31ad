"""`chat2response --workers N`: the processes share a port and the keys, and stop together."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest

from tests.cli.test_start import COMPLETED, CREATED, STREAM, Calling, closed
from tests.support.cli.process import Command, command
from tests.support.scripted_upstream import PATIENCE, ScriptedUpstream

TWO = ("--workers", "2", "--bind", "127.0.0.1:0", "--keys-backend=sqlite:keys.db")


@pytest.fixture
async def upstream() -> AsyncIterator[ScriptedUpstream]:
    async with ScriptedUpstream() as scripted:
        yield scripted


def workers_of(parent: Command) -> set[int]:
    """The worker processes."""
    tasks = Path(f"/proc/{parent.process.pid}/task/{parent.process.pid}/children")
    return {int(pid) for pid in tasks.read_text().split()}


def exists(pid: int) -> bool:
    return Path(f"/proc/{pid}").exists()


async def until_gone(pid: int) -> None:
    async with asyncio.timeout(PATIENCE):
        while exists(pid):  # noqa: ASYNC110 - the process is no child of ours, so its end cannot be awaited
            await asyncio.sleep(0.01)


async def test_they_serve_at_one_address_with_the_same_keys(tmp_path: Path):
    async with command(tmp_path, *TWO, UPSTREAM_MODE="demo") as gateway:
        url = await gateway.url()
        assert gateway.lines[-1].rstrip().endswith(" (2 workers)")
        assert len(workers_of(gateway)) == 2
        async with httpx.AsyncClient(base_url=url, trust_env=False, timeout=PATIENCE) as client:
            token = (await client.post("/keys/generate", json={})).json()["token"]
        for _ in range(8):  # one connection each, so either worker may take it
            async with httpx.AsyncClient(base_url=url, trust_env=False, timeout=PATIENCE) as client:
                headers = {"authorization": f"Bearer {token}"}
                answer = await client.post(
                    "/v1/responses", json={"model": "demo", "input": "Hi"}, headers=headers
                )
                assert answer.status_code == 200, answer.text
        gateway.signal()
        assert await gateway.ended() == 0


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
async def test_all_of_them_drain(upstream: ScriptedUpstream, tmp_path: Path, number: int):
    done = asyncio.Event()
    upstream.play(STREAM.but(steps=(CREATED, done, COMPLETED)))
    async with command(tmp_path, *TWO, OPENAI_BASE_URL=upstream.url) as gateway:
        url = await gateway.url()
        async with Calling(url) as calling:
            pids = workers_of(gateway)
            gateway.signal(number)
            await gateway.logged("running calls to finish: 1")
            done.set()
            assert b"response.completed" in await calling.rest()
        assert await gateway.ended() == 0
        async with asyncio.timeout(PATIENCE):
            await closed("127.0.0.1", httpx.URL(url).port or 0)
        for pid in pids:
            await until_gone(pid)


async def test_a_second_signal_ends_the_calls(upstream: ScriptedUpstream, tmp_path: Path):
    upstream.play(STREAM.but(end="stall"))
    async with command(tmp_path, *TWO, OPENAI_BASE_URL=upstream.url) as gateway:
        async with Calling(await gateway.url()) as calling:
            gateway.signal()
            await gateway.logged("running calls to finish: 1")
            gateway.signal()
            assert b"response.failed" in await calling.rest()
        assert await gateway.ended() == 0


async def test_one_that_is_killed_is_replaced(tmp_path: Path):
    async with command(tmp_path, *TWO, UPSTREAM_MODE="demo") as gateway:
        url = await gateway.url()
        first, second = workers_of(gateway)
        os.kill(first, signal.SIGKILL)
        await gateway.logged(rf"worker {first} died \(signal 9\); starting another")
        async with asyncio.timeout(PATIENCE):
            while len(workers_of(gateway)) < 2:  # noqa: ASYNC110
                await asyncio.sleep(0.01)
        assert second in workers_of(gateway) and first not in workers_of(gateway)
        async with httpx.AsyncClient(base_url=url, trust_env=False, timeout=PATIENCE) as client:
            assert (await client.get("/readyz")).status_code == 200
        gateway.signal()
        assert await gateway.ended() == 0


async def test_no_orphan_keeps_the_port(tmp_path: Path):
    async with command(tmp_path, *TWO, UPSTREAM_MODE="demo") as gateway:
        url = await gateway.url()
        pids = workers_of(gateway)
        gateway.signal(signal.SIGKILL)
        await gateway.ended()
        for pid in pids:
            await until_gone(pid)
        async with asyncio.timeout(PATIENCE):
            await closed("127.0.0.1", httpx.URL(url).port or 0)


async def test_a_start_that_fails_ends_all_with_its_code(tmp_path: Path):
    (tmp_path / "keys.db").write_text("no database, but some text that is long enough to look at" * 20)
    async with command(tmp_path, *TWO, UPSTREAM_MODE="demo") as gateway:
        await gateway.logged(r"chat2response: .*keys\.db")
        assert await gateway.ended() == 3


async def test_keys_in_memory_are_one_processs_own(tmp_path: Path):
    args = ("--workers=2", "--bind", "127.0.0.1:0", "--keys-backend", "memory")
    async with command(tmp_path, *args, UPSTREAM_MODE="demo") as gateway:
        await gateway.logged("2 workers cannot share keys in memory")
        assert await gateway.ended() == 3


async def test_the_setting_does_the_same(tmp_path: Path):
    async with command(tmp_path, *TWO[2:], UPSTREAM_MODE="demo", CHAT2RESPONSE_WORKERS="3") as gateway:
        await gateway.until(r" \(3 workers\)")
        assert len(workers_of(gateway)) == 3
        gateway.signal()
        assert await gateway.ended() == 0
