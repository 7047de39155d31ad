"""Write-behind counters: pending counts, flushes, and a store that is down."""

import asyncio
import logging
from collections.abc import Sequence
from typing import Any

import pytest

from chat2response.keys import write_behind
from chat2response.keys.write_behind import WriteBehind
from chat2response.stores import Entry, StoreDown
from chat2response.stores.memory import MemoryStore


class UnreliableStore(MemoryStore):
    """A memory store that can be down, or change between a read and a write as by another process."""

    down = False
    concurrent_doc: int | None = None

    def __init__(self) -> None:
        super().__init__()
        self.written = asyncio.Event()

    async def get_many(self, kind: str, keys: Sequence[str]) -> list[Entry | None]:
        entries = await super().get_many(kind, keys)
        if self.concurrent_doc is not None:
            more, self.concurrent_doc = self.concurrent_doc, None
            await super().put(kind, keys[0], more)
        return entries

    async def put(self, kind: str, key: str, doc: Any, **more: Any) -> bool:
        if self.down:
            raise StoreDown("away")
        self.written.set()
        return await super().put(kind, key, doc, **more)


def create_counts(store: MemoryStore) -> WriteBehind[int]:
    return WriteBehind(store, "counts", read=lambda doc: doc or 0, add=int.__add__, write=lambda count: count)


async def stored(store: MemoryStore, key: str) -> Any:
    entry = await store.get("counts", key)
    return entry.doc if entry else None


async def test_what_is_noted_is_added_to_what_is_kept() -> None:
    store = MemoryStore()
    await store.put("counts", "a", 5)
    counts = create_counts(store)
    counts.add("a", 1)
    counts.add("a", 2)
    counts.add("b", 4)
    assert (counts.pending("a"), counts.pending_keys(), await stored(store, "a")) == (3, ("a", "b"), 5)

    await counts.flush()
    assert (await stored(store, "a"), await stored(store, "b")) == (8, 4)
    assert counts.pending("a") is None

    await counts.flush()
    assert await stored(store, "a") == 8


async def test_another_process_may_count_at_the_same_moment() -> None:
    store = UnreliableStore()
    store.concurrent_doc = 10
    counts = create_counts(store)
    counts.add("a", 1)
    await counts.flush()
    assert await stored(store, "a") == 11


async def test_what_the_store_does_not_take_stays_counted(caplog: pytest.LogCaptureFixture) -> None:
    store = UnreliableStore()
    counts = create_counts(store)
    counts.add("a", 1)
    store.down = True
    with caplog.at_level(logging.INFO):
        await counts.flush()
    assert "cannot be written now; they stay pending: away" in caplog.text
    counts.add("a", 1)
    store.down = False
    await counts.flush()
    assert await stored(store, "a") == 2


async def test_more_than_one_batch() -> None:
    store = MemoryStore()
    counts = create_counts(store)
    for number in range(450):
        counts.add(f"k{number}", number + 1)
    await counts.flush()
    assert [await stored(store, f"k{number}") for number in (0, 200, 449)] == [1, 201, 450]


async def test_it_writes_by_itself_and_at_its_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(write_behind, "FLUSH_SECONDS", 0)
    store = UnreliableStore()
    counts = create_counts(store)
    counts.start()
    counts.start()
    counts.add("a", 1)
    async with asyncio.timeout(10):
        await store.written.wait()
    counts.add("a", 1)
    await counts.close()
    assert await stored(store, "a") == 2


async def test_a_store_that_is_away_at_the_end_is_said(caplog: pytest.LogCaptureFixture) -> None:
    store = UnreliableStore()
    store.down = True
    counts = create_counts(store)
    counts.add("a", 1)
    await counts.close()
    assert "1 counts (counts) were lost" in caplog.text
