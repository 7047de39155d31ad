"""The Redis store: the contract on a real server, and what only Redis can show."""

from collections.abc import AsyncIterator

import pytest

from chat2response.stores import Store, open_store
from tests.redis_server import RedisServer
from tests.stores.contract import Later, StoreContract


@pytest.mark.parametrize("way", ["url", "unix"])
class TestRedis(StoreContract):
    @pytest.fixture
    async def store(self, redis_server: RedisServer, way: str) -> AsyncIterator[Store]:
        store = open_store(getattr(redis_server, way))
        await store.open()
        yield store
        await store.close()

    @pytest.fixture
    def later(self, redis_server: RedisServer) -> Later:
        async def later(seconds: float) -> None:
            redis_server.age(seconds)

        return later
