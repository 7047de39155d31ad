"""The memory store: the contract, and that expired documents are removed."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from chat2response.stores import MISSED, MemoryStore, Store, open_store
from tests.support.clock_and_ids import Clock
from tests.support.stores.contract import Later, StoreContract, moving
from tests.support.stores.contract_counting import CountingContract
from tests.support.stores.contract_logs import LogContract


class TestMemory(StoreContract, CountingContract, LogContract):
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
    await store.append("logs", "short", [1], ttl=10)
    clock.advance(120)
    await store.put("things", "new", 1)
    assert sorted(store._rows) == store._names == ["things:ever", "things:new"]
    assert not store._logs


async def test_there_are_no_others_whose_changes_could_be_told() -> None:
    store = MemoryStore()
    changes = store.changes("things")
    assert await anext(changes) is MISSED
    waiting = asyncio.ensure_future(anext(changes))
    await store.put("things", "k", 1)
    await asyncio.sleep(0)
    assert not waiting.done()
    await store.close()
    with pytest.raises(StopAsyncIteration):
        await waiting
    assert [change async for change in store.changes("things")] == []
