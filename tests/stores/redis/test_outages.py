"""Outages of Redis: it refuses writes, or the network silently drops connections."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
import redis

from chat2response.stores import ABSENT, MISSED, StoreDown
from chat2response.stores.redis import connections
from chat2response.stores.redis.store import RedisStore
from tests.stores.redis.test_store import down, opened
from tests.support import redis_topologies
from tests.support.redis_server import RedisServer, started
from tests.support.stores.contract_changes import next_change
from tests.support.stores.silent_tcp_proxy import black_hole

OwnRedis = Callable[..., RedisServer]
PATIENCE = 20.0


async def until(does: Callable[[], Awaitable[Any]]) -> Any:
    """Retry until the call raises no StoreDown; its result."""
    async with asyncio.timeout(PATIENCE):
        while True:
            try:
                return await does()
            except StoreDown:
                await asyncio.sleep(0.02)


def lose_disk(server: RedisServer, folder: Path) -> None:
    """Remove the folder of the server's snapshots, and wait until a snapshot fails."""
    folder.rmdir()
    deadline = time.monotonic() + PATIENCE
    with server.client() as client:
        client.bgsave()
        while client.info("persistence")["rdb_last_bgsave_status"] == "ok":
            assert time.monotonic() < deadline
            time.sleep(0.02)


class TestForgotten:
    """Connections that the network has silently dropped."""

    @pytest.fixture
    def idle_at_once(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Every connection counts as idle, so it is pinged before each command."""
        monkeypatch.setattr(connections, "IDLE_SECONDS", 1e-6)
        monkeypatch.setattr("chat2response.stores.redis.client._CHECKS", {"health_check_interval": 1e-6})

    async def test_an_idle_connection_that_was_forgotten_costs_no_call_whatever_the_call(
        self, redis_server: RedisServer, idle_at_once: None
    ) -> None:
        async with (
            black_hole(redis_server.port) as hole,
            opened(f"redis://127.0.0.1:{hole.port}", deadline=8.0) as store,
        ):
            for call in (
                lambda: store.add("counts", "n", 1),
                lambda: store.put("things", "k", 1, expect=ABSENT),
                lambda: store.append("logs", "l", [1]),
                lambda: store.delete("things", "k"),
                lambda: store.get("things", "k"),
                lambda: store.lease("books", "b", 1, ttl=60),
            ):
                await store.get("things", "k")
                hole.swallow()
                await call()
            assert await store.add("counts", "n", 0) == 1
            assert await store.read("logs", "l") == [1]
            assert (await store.lease("books", "b", 0, ttl=60)).used == 1

    async def test_many_of_them_cost_none_of_many_calls(
        self, redis_server: RedisServer, idle_at_once: None
    ) -> None:
        async with (
            black_hole(redis_server.port) as hole,
            opened(f"redis://127.0.0.1:{hole.port}", deadline=8.0) as store,
        ):
            await asyncio.gather(*(store.get("things", "k") for _ in range(16)))
            hole.swallow()
            await asyncio.gather(*(store.add("counts", "n", 1) for _ in range(32)))
            assert await store.add("counts", "n", 0) == 32

    async def test_one_that_is_forgotten_in_use_costs_no_call_that_may_be_repeated(
        self, redis_server: RedisServer
    ) -> None:
        async with (
            black_hole(redis_server.port) as hole,
            opened(f"redis://127.0.0.1:{hole.port}", deadline=4.0) as store,
        ):
            await asyncio.gather(*(store.get("things", "k") for _ in range(4)))
            hole.swallow()
            start = asyncio.get_running_loop().time()
            await asyncio.gather(*(store.lease("books", "k", 1, ttl=60) for _ in range(4)))
            assert asyncio.get_running_loop().time() - start < 4.0
            assert (await store.lease("books", "k", 0, ttl=60)).used == 4

    async def test_what_may_not_be_repeated_is_done_once_at_most(self, redis_server: RedisServer) -> None:
        async with (
            black_hole(redis_server.port) as hole,
            opened(f"redis://127.0.0.1:{hole.port}", deadline=0.5) as store,
        ):
            await store.add("counts", "n", 1)
            hole.swallow()
            await down(store.add("counts", "n", 1))
            assert await store.add("counts", "n", 0) == 1


class TestReadOnly:
    """A replica, a Redis out of memory, a Redis whose disk is full."""

    async def test_after_a_switch_over_calls_go_to_the_new_server_by_themselves(
        self, own_redis: OwnRedis
    ) -> None:
        old, new = own_redis(), own_redis()
        async with (
            black_hole(old.port) as name,
            opened(f"redis://127.0.0.1:{name.port}", deadline=4.0) as store,
        ):
            await asyncio.gather(*(store.add("counts", "n", 1) for _ in range(8)))
            with old.client() as client:
                client.replicaof("127.0.0.1", str(new.port))
            name.target = new.port  # as after a DNS change; existing connections stay
            assert await store.add("counts", "after", 1) == 1
            with new.client() as client:
                assert client.get("chat2response:counts:after") == b"1"

    async def test_a_follower_goes_along_in_a_switch_over(self, own_redis: OwnRedis) -> None:
        old, new = own_redis(), own_redis()
        async with (
            black_hole(old.port) as name,
            opened(f"redis://127.0.0.1:{name.port}", deadline=4.0) as store,
            opened(new.url, deadline=4.0) as other,
        ):
            changes = store.changes("things")
            assert await next_change(changes) is MISSED
            await store.add("counts", "n", 1)
            with old.client() as client:
                client.replicaof("127.0.0.1", "1")
            name.target = new.port
            await store.add("counts", "n", 1)
            assert await next_change(changes) is MISSED
            await other.put("things", "k", 1)
            assert await next_change(changes) == "k"
            await changes.aclose()  # type: ignore[attr-defined]

    async def test_a_server_that_stays_read_only_is_down_with_advice_and_is_not_dialled_for_each_call(
        self, own_redis: OwnRedis
    ) -> None:
        server = own_redis()
        async with (
            black_hole(server.port) as hole,
            opened(f"redis://127.0.0.1:{hole.port}", deadline=4) as store,
        ):
            await store.put("things", "k", 1)
            with server.client() as client:
                client.replicaof("127.0.0.1", "1")
                client.config_set("replica-serve-stale-data", "yes")
            start, dials = asyncio.get_running_loop().time(), hole.dials
            for _ in range(50):
                error = await down(store.put("things", "k", 2))
                assert error.advice is not None
                assert "primary" in error.advice
                assert error.advice in str(error.internal)
                assert "primary" not in str(error)
            spent = asyncio.get_running_loop().time() - start
            assert hole.dials - dials <= spent / 0.2 + 2
            assert await store.get("things", "k") is not None  # it reads
            with server.client() as client:
                client.replicaof("NO", "ONE")
            assert await until(lambda: store.put("things", "k", 3))

    async def test_a_redis_that_is_full_is_down_with_advice(self, own_redis: OwnRedis) -> None:
        server = own_redis()
        async with opened(server.url, deadline=4.0) as store:
            await store.put("things", "k", 1)
            with server.client() as client:
                client.config_set("maxmemory", "1")
            for call in (
                store.put("things", "k", 2),
                store.add("counts", "n", 1),
                store.lease("books", "k", 1, ttl=60),
                store.append("logs", "l", [1]),
            ):
                error = await down(call)
                assert "maxmemory" in str(error.advice)
            assert await store.get("things", "k") is not None
            with server.client() as client:
                client.config_set("maxmemory", "0")
            assert await store.put("things", "k", 2)

    async def test_a_redis_that_cannot_write_its_disk_is_down_with_advice(self, tmp_path: Path) -> None:
        folder = tmp_path / "disk"
        folder.mkdir()
        with started(appendonly="no", save=("3600", "1"), dir=str(folder)) as server:
            async with opened(server.url, deadline=4.0) as store:
                assert await store.put("things", "k", 1, expect=ABSENT)
                await asyncio.to_thread(lose_disk, server, folder)
                error = await down(store.put("things", "k", 2))
                assert "Redis cannot write to its disk" in str(error.advice)
                assert await store.get("things", "k") is not None  # reads still work

    async def test_a_redis_without_enough_replicas_is_down_with_advice(self, own_redis: OwnRedis) -> None:
        server = own_redis()
        async with opened(server.url, deadline=4.0) as store:
            with server.client() as client:
                client.config_set("min-replicas-to-write", "1")
            error = await down(store.put("things", "k", 2))
            assert "min-replicas-to-write" in str(error.advice)

    async def test_a_demoted_master_is_left_for_the_one_that_the_sentinels_name(self) -> None:
        with redis_topologies.sentinel_setup() as setup:
            store = RedisStore(setup.url, deadline=4.0)
            await asyncio.gather(*(store.add("counts", "n", 1) for _ in range(4)))
            with redis.Redis(port=setup.port) as sentinel:
                async with asyncio.timeout(60):
                    while not await asyncio.to_thread(_promotes, sentinel):  # noqa: ASYNC110 - it knows no replica yet
                        await asyncio.sleep(0.1)
            async with asyncio.timeout(60):
                while not _is_master(setup.replica) or _is_master(setup.master):  # noqa: ASYNC110 - nobody tells us
                    await asyncio.sleep(0.1)
            await until(lambda: store.add("counts", "after", 1))
            with setup.replica.client() as client:
                assert client.exists("chat2response:counts:after")
            await store.close()


def _promotes(sentinel: redis.Redis) -> bool:
    """Whether the Sentinel has started to promote the replica."""
    try:
        sentinel.execute_command("SENTINEL FAILOVER main")
    except redis.ResponseError as error:
        if "NOGOODSLAVE" in str(error):
            return False
        raise
    return True


def _is_master(server: RedisServer) -> bool:
    with server.client() as client:
        info: Any = client.info("replication")
    return bool(info["role"] == "master")


@pytest.mark.parametrize("policy", ["allkeys-lru", "volatile-ttl"])
async def test_a_redis_that_evicts_is_warned_of(policy: str) -> None:
    with started(maxmemory_policy=policy) as server:
        async with opened(server.url, deadline=4.0) as store:
            (warning,) = await store.warnings()
    assert policy in warning
    assert "noeviction" in warning


async def test_nothing_is_said_of_a_redis_that_keeps_what_it_was_told_or_is_away(own_redis: OwnRedis) -> None:
    server = own_redis()
    async with opened(server.url) as store:
        assert await store.warnings() == []
        server.kill()
        assert await store.warnings() == []


async def test_two_stores_of_one_process_image_sign_differently(redis_server: RedisServer) -> None:
    """A writer id from before a fork would be the same in each worker."""
    store = RedisStore(redis_server.url)
    assert "_writer" not in vars(store)
    await store.put("things", "k", 1)
    assert "_writer" in vars(store)
    await store.close()
