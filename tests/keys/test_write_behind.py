"""Counts that are written down from time to time."""

import asyncio
import logging
from collections.abc import Sequence
from typing import Any

import pytest

from chat2response.keys import write_behind
from chat2response.keys.write_behind import WriteBehind
from chat2response.stores import Entry, StoreDown
from chat2response.stores.memory import MemoryStore


class Shaky(MemoryStore):
    """A memory that can be away, or be overtaken by another process."""

    down = False
    overtaken_by: int | None = None

    def __init__(self) -> None:
        super().__init__()
        self.written = asyncio.Event()

    async def get_many(self, kind: str, keys: Sequence[str]) -> list[Entry | None]:
        found = await super().get_many(kind, keys)
        if self.overtaken_by is not None:
            more, self.overtaken_by = self.overtaken_by, None
            await super().put(kind, keys[0], more)
        return found

    async def put(self, kind: str, key: str, doc: Any, **more: Any) -> bool:
        if self.down:
            raise StoreDown("away")
        self.written.set()
        return await super().put(kind, key, doc, **more)


def counting(store: MemoryStore) -> WriteBehind[int]:
    return WriteBehind(store, "counts", read=lambda doc: doc or 0, add=int.__add__, write=lambda count: count)


async def kept(store: MemoryStore, key: str) -> Any:
    entry = await store.get("counts", key)
    return entry.doc if entry else None


async def test_what_is_noted_is_added_to_what_is_kept() -> None:
    store = MemoryStore()
    await store.put("counts", "a", 5)
    counts = counting(store)
    counts.note("a", 1)
    counts.note("a", 2)
    counts.note("b", 4)
    assert (counts.counted("a"), counts.unwritten(), await kept(store, "a")) == (3, ("a", "b"), 5)

    await counts.flush()
    assert (await kept(store, "a"), await kept(store, "b")) == (8, 4)
    assert counts.counted("a") is None

    await counts.flush()
    assert await kept(store, "a") == 8


async def test_another_process_may_count_at_the_same_moment() -> None:
    store = Shaky()
    store.overtaken_by = 10
    counts = counting(store)
    counts.note("a", 1)
    await counts.flush()
    assert await kept(store, "a") == 11


async def test_what_the_store_does_not_take_stays_counted(caplog: pytest.LogCaptureFixture) -> None:
    store = Shaky()
    counts = counting(store)
    counts.note("a", 1)
    store.down = True
    with caplog.at_level(logging.INFO):
        await counts.flush()
    assert "not written down now: away" in caplog.text
    counts.note("a", 1)
    store.down = False
    await counts.flush()
    assert await kept(store, "a") == 2


async def test_more_than_one_batch() -> None:
    store = MemoryStore()
    counts = counting(store)
    for number in range(450):
        counts.note(f"k{number}", number + 1)
    await counts.flush()
    assert [await kept(store, f"k{number}") for number in (0, 200, 449)] == [1, 201, 450]


async def test_it_writes_by_itself_and_at_its_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(write_behind, "FLUSH_SECONDS", 0)
    store = Shaky()
    counts = counting(store)
    counts.start()
    counts.start()
    counts.note("a", 1)
    async with asyncio.timeout(10):
        await store.written.wait()
    counts.note("a", 1)
    await counts.close()
    assert await kept(store, "a") == 2


async def test_a_store_that_is_away_at_the_end_is_said(caplog: pytest.LogCaptureFixture) -> None:
    store = Shaky()
    store.down = True
    counts = counting(store)
    counts.note("a", 1)
    await counts.close()
    assert "1 counts (counts) could not be written down" in caplog.text
