"""Stores that become read-only: no change is acknowledged falsely, and no restart is needed.

During the outage changes get a 503 with Retry-After, readiness is red, and valid keys work or get a 503.
Afterwards everything recovers by itself, and acknowledged changes are there.
"""

import asyncio
import random
import resource
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from typing import Any

from tests.support.e2e.dialect_pairs import body_for
from tests.support.e2e.scripted_model import CHAT, ModelReply, whole
from tests.support.free_ports import free_port
from tests.support.redis_server import RedisServer
from tests.support.scripted_upstream import ScriptedUpstream
from tests.support.soak.gateway import Gateway, gateway
from tests.support.soak.laws import judge
from tests.support.soak.loops import Loop

ANSWER = ModelReply(text=("Hi",))
SEEN_WITHIN = 10.0
"""Seconds within which readiness reports that the store is read-only, or writable again."""


async def outage(
    running: Gateway, rng: random.Random, begin: Callable[[], Any], end: Callable[[], Any]
) -> str:
    """An outage with calls and changes, which are checked during and after it."""
    key = await running.issue(limits={"requests_per_minute": 1000, "concurrent_requests": 3})
    acknowledged = [key]
    begin()
    try:
        for _ in range(rng.randrange(4, 12)):
            await act(running, key, rng, acknowledged)
        await until(running, 503)
        await act(running, key, rng, acknowledged)
    finally:
        end()
    await until(running, 200)
    acknowledged.append(await running.issue())
    for token in acknowledged:
        answer = await running.call(CHAT, body_for("chat"), token)
        assert answer.status == 200, f"an acknowledged key does not open: {answer}"
    return "red, then as before"


async def act(running: Gateway, key: str, rng: random.Random, acknowledged: list[str]) -> None:
    """Makes a call or a change during the outage."""
    if rng.random() < 0.5:
        answer = await running.call(CHAT, body_for("chat"), rng.choice((key, running.key)))
        assert judge(answer) in ("200", "429", "503"), str(answer)
        return
    answer = await running.admin("POST", "/keys/generate", {"label": "in vain"})
    assert judge(answer) in ("200", "503"), str(answer)
    if answer.status == 200:  # written after all, so it must be there afterwards
        acknowledged.append(answer.json()["token"])


async def until(running: Gateway, status: int) -> None:
    """Waits until readiness has this status."""
    loop = asyncio.get_running_loop()
    end = loop.time() + SEEN_WITHIN
    while (now := await running.readiness()) != status:
        assert loop.time() < end, f"readiness stays {now} for {SEEN_WITHIN:g} s"
        await asyncio.sleep(0.1)


async def test_read_only_redis(
    loop: Loop, upstream: ScriptedUpstream, tmp_path: Path, own_redis: Callable[..., RedisServer]
) -> None:
    """A replica after a failover; no memory left; too few replicas."""
    upstream.play(whole("chat", ANSWER))
    server = own_redis()
    with server.client() as client:
        failures: tuple[tuple[tuple[Any, ...], tuple[Any, ...]], ...] = (
            (("REPLICAOF", "127.0.0.1", free_port()), ("REPLICAOF", "NO", "ONE")),
            (("CONFIG", "SET", "maxmemory", "1"), ("CONFIG", "SET", "maxmemory", "0")),
            (
                ("CONFIG", "SET", "min-replicas-to-write", "1"),
                ("CONFIG", "SET", "min-replicas-to-write", "0"),
            ),
        )
        async with gateway(tmp_path, upstream, "chat", f"{server.url}/0", apart=loop.dose.long) as running:

            async def attack(number: int, rng: random.Random) -> str:
                begin, end = failures[number % len(failures)]
                try:
                    return await outage(
                        running,
                        rng,
                        lambda: client.execute_command(*begin),
                        lambda: client.execute_command(*end),
                    )
                except AssertionError as error:
                    raise AssertionError(f"{error}, during {begin[:3]}") from None

            await loop.run(attack, per_round=2, at_once=1, most=60, seconds=SEEN_WITHIN * 2)


async def test_read_only_sqlite(loop: Loop, upstream: ScriptedUpstream, tmp_path: Path) -> None:
    """A full disk, imitated by a limit on file sizes; another process's endless transaction."""
    upstream.play(whole("chat", ANSWER))
    path = tmp_path / "keys.db"
    async with gateway(tmp_path, upstream, "chat", f"sqlite:{path}", apart=True) as running:

        async def attack(number: int, rng: random.Random) -> str:
            with ExitStack() as stack:
                failure = (full, locked)[number % 2]
                return await outage(
                    running, rng, lambda: stack.enter_context(failure(running, path)), stack.close
                )

        await loop.run(attack, per_round=1, at_once=1, most=60, seconds=SEEN_WITHIN * 3)


@contextmanager
def full(running: Gateway, path: Path) -> Iterator[None]:
    """Prevents all file writes of the gateway."""
    before = resource.prlimit(running.pid, resource.RLIMIT_FSIZE)
    resource.prlimit(running.pid, resource.RLIMIT_FSIZE, (0, before[1]))
    try:
        yield
    finally:
        resource.prlimit(running.pid, resource.RLIMIT_FSIZE, before)


@contextmanager
def locked(running: Gateway, path: Path) -> Iterator[None]:
    """Keeps a write transaction open in another connection."""
    with closing(sqlite3.connect(path, isolation_level=None, timeout=10)) as other:
        other.execute("BEGIN IMMEDIATE")
        try:
            yield
        finally:
            other.execute("ROLLBACK")
