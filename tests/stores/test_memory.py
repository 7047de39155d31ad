"""The memory store: the contract, and that what has ended is let go."""

from collections.abc import AsyncIterator

import pytest

from chat2response.stores import MemoryStore, Store, open_store
from tests.doubles import Clock
from tests.stores.contract import Later, StoreContract, moving


class TestMemory(StoreContract):
    @pytest.fixture
    def clock(self) -> Clock:
        return Clock()

    @pytest.fixture
    async def store(self, clock: Clock) -> AsyncIterator[Store]:
        store = open_store("memory", clock=clock)
        await store.open()
        yield store
        await store.close()

    @pytest.fixture
    def later(self, clock: Clock) -> Later:
        return moving(clock)


async def test_expired_documents_are_let_go() -> None:
    clock = Clock()
    store = MemoryStore(clock=clock)
    for n in range(50):
        await store.put("things", f"short{n}", n, ttl=10)
    await store.put("things", "ever", 1)
    clock.advance(120)
    await store.put("things", "new", 1)
    assert sorted(store._rows) == store._names == ["things:ever", "things:new"]
