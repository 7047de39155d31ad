"""The store contract on fakeredis, in this process: the same scripts without a server, for speed.

The real redis-server is in `test_store.py`. Only a server can show outages, processes and TLS.
"""

from collections.abc import AsyncIterator
from typing import Any

import pytest
from fakeredis import FakeAsyncRedis, FakeRedis, FakeServer

from chat2response.stores import Store
from chat2response.stores.redis import store as redis_store
from tests.support.redis_server import age
from tests.support.stores.contract import Later, StoreContract
from tests.support.stores.contract_changes import ChangesContract
from tests.support.stores.contract_counting import CountingContract
from tests.support.stores.contract_logs import LogContract


class _FakeClient:
    """The `RedisClient` of a fake server in this process."""

    def __init__(self, server: FakeServer) -> None:
        self._server = server
        self.client: Any = FakeAsyncRedis(server=server)

    async def mget(self, rows: list[bytes]) -> list[bytes | None]:
        values: list[bytes | None] = await self.client.mget(rows)
        return values

    async def scan(self, cursor: str | None, pattern: bytes, count: int) -> tuple[str | None, list[bytes]]:
        if cursor is not None and not cursor.isdigit():
            raise ValueError("not a cursor of this server")
        at, rows = await self.client.scan(int(cursor or 0), match=pattern, count=count)
        return str(at) if at else None, rows

    def subscriber(self) -> Any:
        return FakeAsyncRedis(server=self._server)

    async def redial(self) -> None:
        """Do nothing: there are no connections."""

    async def close(self) -> None:
        await self.client.aclose()


@pytest.fixture
def fake_server(monkeypatch: pytest.MonkeyPatch) -> FakeServer:
    server = FakeServer()
    monkeypatch.setattr(redis_store, "create_client", lambda url, **_: _FakeClient(server))
    return server


class TestFakeRedis(StoreContract, CountingContract, LogContract, ChangesContract):
    @pytest.fixture
    async def store(self, fake_server: FakeServer) -> AsyncIterator[Store]:
        store = redis_store.RedisStore("redis://fake")
        await store.open()
        yield store
        await store.close()

    @pytest.fixture
    async def other(self, fake_server: FakeServer) -> AsyncIterator[Store]:
        store = redis_store.RedisStore("redis://fake")
        yield store
        await store.close()

    @pytest.fixture
    def later(self, fake_server: FakeServer) -> Later:
        async def later(seconds: float) -> None:
            age(FakeRedis(server=fake_server), seconds)

        return later
