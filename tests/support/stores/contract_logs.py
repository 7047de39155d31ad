"""The part of the `Store` contract on logs: `append`, `read`."""

import asyncio
from typing import Any

import pytest

from chat2response.stores import Store
from tests.support.stores.contract import Later


class LogContract:
    """Subclasses provide the fixtures `store` and `later`, as for `StoreContract`."""

    async def test_a_log_is_read_from_a_position_on(self, store: Store) -> None:
        assert await store.read("logs", "k") == []
        assert await store.append("logs", "k", []) == 0
        assert await store.append("logs", "k", ["a", {"b": [1, "\u2028"]}, None]) == 3
        assert await store.append("logs", "k", [4]) == 4
        assert await store.append("logs", "k", []) == 4
        assert await store.read("logs", "k") == ["a", {"b": [1, "\u2028"]}, None, 4]
        assert await store.read("logs", "k", after=1, limit=2) == [{"b": [1, "\u2028"]}, None]
        assert await store.read("logs", "k", after=3) == [4]
        assert await store.read("logs", "k", after=4) == []
        assert await store.read("logs", "k", after=99) == []

    async def test_logs_do_not_meet(self, store: Store) -> None:
        await store.append("logs", "a", [1])
        await store.append("logs", "a:b", [2])
        await store.append("log", "s:a", [3])
        assert await store.read("logs", "a") == [1]
        assert await store.read("logs", "a:b") == [2]

    async def test_a_log_is_deleted_whole(self, store: Store) -> None:
        await store.append("logs", "k", [1, 2])
        await store.append("logs", "other", [1])
        assert await store.delete("logs", "k") is True
        assert await store.delete("logs", "k") is False
        assert await store.read("logs", "k") == []
        assert await store.append("logs", "k", [3]) == 1
        assert await store.read("logs", "k") == [3]
        assert await store.read("logs", "other") == [1]

    async def test_a_log_ends_as_its_newest_entry_said(self, store: Store, later: Later) -> None:
        for key, first, second in (("short", 10, 10), ("ever", 10, None), ("bounded", None, 10)):
            await store.append("logs", key, [1], ttl=first)
            await store.append("logs", key, [2], ttl=second)
        await store.append("logs", "moved", [1], ttl=10)
        await later(6)
        await store.append("logs", "moved", [2], ttl=10)
        await later(6)
        logs = {key: await store.read("logs", key) for key in ("short", "ever", "bounded", "moved")}
        assert logs == {"short": [], "ever": [1, 2], "bounded": [], "moved": [1, 2]}
        assert await store.append("logs", "short", []) == 0
        assert await store.append("logs", "short", [3]) == 1
        assert await store.read("logs", "short") == [3]

    async def test_all_or_none(self, store: Store) -> None:
        with pytest.raises(TypeError):
            await store.append("logs", "k", [1, object()])
        with pytest.raises(ValueError, match="ttl"):
            await store.append("logs", "k", [1], ttl=0)
        assert await store.read("logs", "k") == []

    async def test_many_at_once_take_turns(self, store: Store) -> None:
        async def write(n: int) -> int:
            return await store.append("logs", "k", [[n, 0], [n, 1]])

        lasts = await asyncio.gather(*(write(n) for n in range(20)))
        logs: list[Any] = await store.read("logs", "k", limit=1000)
        assert len(logs) == 40
        for n, last in enumerate(lasts):
            assert logs[last - 2 : last] == [[n, 0], [n, 1]]
