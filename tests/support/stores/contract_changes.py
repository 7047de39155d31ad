"""The part of the `Store` contract on the change feed."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from chat2response.stores import ABSENT, MISSED, Missed, Store, Tag

PATIENCE = 20.0


async def next_change(changes: AsyncIterator[str | Missed]) -> str | Missed:
    async with asyncio.timeout(PATIENCE):
        return await anext(changes)


class ChangesContract:
    """Subclasses provide `store`, and `other`: another store on the same documents."""

    async def test_what_others_put_and_delete_is_told(self, store: Store, other: Store) -> None:
        changes = store.changes("things")
        assert await next_change(changes) is MISSED
        await other.put("things", "a:b", 1)
        assert await next_change(changes) == "a:b"
        assert await other.put("things", "ï\n", 1, expect=ABSENT)
        assert await next_change(changes) == "ï\n"
        assert await other.put("things", "a:b", 2, expect=Tag(await self.tag(other, "a:b")))
        assert await next_change(changes) == "a:b"
        assert await other.delete("things", "a:b")
        assert await next_change(changes) == "a:b"
        await changes.aclose()  # type: ignore[attr-defined]

    async def test_nothing_else_is_told(self, store: Store, other: Store) -> None:
        changes = store.changes("things")
        assert await next_change(changes) is MISSED
        await store.put("things", "own", 1)
        await other.put("thing", "s:another kind's", 1)
        await other.put("things2", "another kind's", 1)
        assert not await other.put("things", "own", 2, expect=ABSENT)
        assert not await other.put("things", "own", 2, expect=Tag("made up"))
        assert not await other.delete("things", "nobody")
        await other.add("things", "counter", 1)
        await other.put("things", "last", 1)
        assert await next_change(changes) == "last"
        await changes.aclose()  # type: ignore[attr-defined]

    async def test_each_follower_is_told(self, store: Store, other: Store) -> None:
        followers = [store.changes("things"), store.changes("things"), other.changes("things")]
        for each in followers:
            assert await next_change(each) is MISSED
        await other.put("things", "k", 1)
        await store.put("things", "l", 1)
        assert [await next_change(each) for each in followers] == ["k", "k", "l"]
        for each in followers:
            await each.aclose()  # type: ignore[attr-defined]

    async def test_following_ends_with_the_store(self, store: Store) -> None:
        changes = store.changes("things")
        assert await next_change(changes) is MISSED
        await store.close()
        with pytest.raises(StopAsyncIteration):
            await next_change(changes)
        assert [change async for change in store.changes("things")] == []

    async def tag(self, store: Store, key: str) -> str:
        entry = await store.get("things", key)
        assert entry is not None
        return entry.tag
