"""The Redis store on a cluster, behind Sentinels, and with a password and TLS."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

from chat2response.stores import MISSED, Store, StoreDown, open_store
from chat2response.stores.redis.store import RedisStore
from tests.support import redis_topologies
from tests.support.redis_server import RedisServer
from tests.support.stores.contract import Later, StoreContract
from tests.support.stores.contract_changes import ChangesContract, next_change
from tests.support.stores.contract_counting import CountingContract
from tests.support.stores.contract_logs import LogContract
from tests.support.stores.processes import count_together
from tests.support.stores.redis_tls import tls_address, tls_in_front

DEADLINE = 15.0  # sixteen TLS handshakes at once take seconds on a busy machine


class Contracts(StoreContract, CountingContract, LogContract, ChangesContract):
    """Subclasses provide `address` and the empty `servers`."""

    @pytest.fixture
    async def store(self, address: str) -> AsyncIterator[Store]:
        store = open_store(address, deadline=DEADLINE)
        await store.open()
        yield store
        await store.close()

    @pytest.fixture
    async def other(self, address: str) -> AsyncIterator[Store]:
        store = open_store(address, deadline=DEADLINE)
        yield store
        await store.close()

    @pytest.fixture
    def later(self, servers: list[RedisServer]) -> Later:
        async def later(seconds: float) -> None:
            for server in servers:
                server.age(seconds)

        return later


@pytest.fixture
def cluster(shared_cluster: list[RedisServer]) -> list[RedisServer]:
    return redis_topologies.emptied(shared_cluster)


class TestCluster(Contracts):
    @pytest.fixture
    def servers(self, cluster: list[RedisServer]) -> list[RedisServer]:
        return cluster

    @pytest.fixture
    def address(self, servers: list[RedisServer]) -> str:
        return redis_topologies.cluster_address(servers[:2])  # startup nodes; they know the third server

    async def test_documents_lie_on_all_of_them(self, store: Store, servers: list[RedisServer]) -> None:
        for n in range(60):
            await store.put("things", f"k{n}", n)
        sizes = []
        for server in servers:
            with server.client() as client:
                sizes.append(client.dbsize())
        assert sum(sizes) == 60
        assert all(sizes)
        assert await self.docs(store, "things", 7) == {f"k{n}": n for n in range(60)}

    async def test_processes_get_together_exactly_what_there_is(
        self, servers: list[RedisServer], address: str
    ) -> None:
        await count_together(address)

    async def test_one_that_is_away_takes_only_its_own_along(
        self, servers: list[RedisServer], address: str
    ) -> None:
        store = RedisStore(address, deadline=2.0)
        for n in range(30):
            await store.put("things", f"k{n}", n)
        servers[2].pause()
        try:
            answers = await asyncio.gather(
                *(store.get("things", f"k{n}") for n in range(30)), return_exceptions=True
            )
        finally:
            servers[2].resume()
        assert {type(answer).__name__ for answer in answers} == {"Entry", "StoreDown"}
        entries = await store.get_many("things", [f"k{n}" for n in range(30)])
        assert [entry and entry.doc for entry in entries] == list(range(30))
        await store.close()


class TestSentinel(Contracts):
    @pytest.fixture
    def servers(self, shared_sentinel: redis_topologies.SentinelSetup) -> list[RedisServer]:
        return redis_topologies.emptied([shared_sentinel.master])

    @pytest.fixture
    def address(self, servers: list[RedisServer], shared_sentinel: redis_topologies.SentinelSetup) -> str:
        return shared_sentinel.url


async def test_a_new_master_is_found() -> None:
    with redis_topologies.sentinel_setup() as setup:
        store, other = RedisStore(setup.url), RedisStore(setup.url)
        changes = store.changes("things")
        assert await next_change(changes) is MISSED
        await store.put("things", "k", 1)
        setup.master.kill()
        async with asyncio.timeout(60):
            while not await _written(other):  # noqa: ASYNC110 - nobody tells us
                await asyncio.sleep(0.1)
        assert await next_change(changes) is MISSED
        await other.put("things", "after", 1)
        assert await next_change(changes) == "after"
        with setup.replica.client() as client:
            assert client.exists("chat2response:things:after")
        await changes.aclose()  # type: ignore[attr-defined]
        await store.close()
        await other.close()


async def _written(store: Store) -> bool:
    try:
        return await store.put("things", "k", 2)
    except StoreDown:
        return False


class TestPasswordAndTls(Contracts):
    @pytest.fixture
    def servers(self, locked_server: Any) -> list[RedisServer]:
        return redis_topologies.emptied([locked_server[0]])

    @pytest.fixture
    async def address(self, servers: list[RedisServer], locked_server: Any) -> AsyncIterator[str]:
        _, cert, key = locked_server
        async with tls_in_front(servers[0].socket, cert, key) as port:
            yield tls_address(port, cert)
