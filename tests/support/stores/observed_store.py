"""A wrapper around a real store that counts reads, can block them, and can be down."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from typing import Any

from chat2response.stores import Absent, Entry, Lease, Missed, Page, Store, StoreDown, Tag


class ObservedStore:
    """`gets` counts calls of `get`; `down` makes every call fail.

    `gate`, if not None, blocks the results of `get` until it is set; `blocked` is set when one is blocked.
    """

    def __init__(self, inner: Store) -> None:
        self.inner = inner
        self.gets = 0
        self.down = False
        self.gate: asyncio.Event | None = None
        self.blocked = asyncio.Event()
        self.before_put: Callable[[], Awaitable[Any]] | None = None  # runs once, before the next put

    def check(self) -> None:
        if self.down:
            raise StoreDown("switched off")

    async def open(self) -> None:
        await self.inner.open()

    async def warnings(self) -> list[str]:
        return await self.inner.warnings()

    async def get(self, kind: str, key: str) -> Entry | None:
        self.gets += 1
        self.check()
        entry = await self.inner.get(kind, key)
        if self.gate is not None:
            self.blocked.set()
            await self.gate.wait()
        self.check()
        return entry

    async def get_many(self, kind: str, keys: Sequence[str]) -> list[Entry | None]:
        self.check()
        return await self.inner.get_many(kind, keys)

    async def put(
        self, kind: str, key: str, doc: Any, *, ttl: float | None = None, expect: Tag | Absent | None = None
    ) -> bool:
        self.check()
        if (before := self.before_put) is not None:
            self.before_put = None
            await before()
        return await self.inner.put(kind, key, doc, ttl=ttl, expect=expect)

    async def delete(self, kind: str, key: str) -> bool:
        self.check()
        return await self.inner.delete(kind, key)

    async def scan(self, kind: str, *, cursor: str | None = None, limit: int = 100) -> Page:
        self.check()
        return await self.inner.scan(kind, cursor=cursor, limit=limit)

    async def add(
        self, kind: str, key: str, n: int, *, ceiling: int | None = None, ttl: float | None = None
    ) -> int | None:
        self.check()
        return await self.inner.add(kind, key, n, ceiling=ceiling, ttl=ttl)

    async def lease(
        self,
        kind: str,
        key: str,
        n: int,
        *,
        id: str | None = None,
        ceiling: int | None = None,
        ttl: float,
        window: float | None = None,
    ) -> Lease:
        self.check()
        return await self.inner.lease(kind, key, n, id=id, ceiling=ceiling, ttl=ttl, window=window)

    async def renew(self, kind: str, key: str, lease: str, n: int, *, ttl: float) -> bool:
        self.check()
        return await self.inner.renew(kind, key, lease, n, ttl=ttl)

    async def settle(self, kind: str, key: str, lease: str, n: int) -> None:
        self.check()
        await self.inner.settle(kind, key, lease, n)

    async def append(self, kind: str, key: str, docs: Sequence[Any], *, ttl: float | None = None) -> int:
        self.check()
        return await self.inner.append(kind, key, docs, ttl=ttl)

    async def read(self, kind: str, key: str, *, after: int = 0, limit: int = 100) -> list[Any]:
        self.check()
        return await self.inner.read(kind, key, after=after, limit=limit)

    def changes(self, kind: str) -> AsyncIterator[str | Missed]:
        return self.inner.changes(kind)

    async def close(self) -> None:
        await self.inner.close()
