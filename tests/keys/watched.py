"""A real store behind a pane of glass: counts reads, can be held up, can be down."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from chat2response.stores import Absent, Entry, Page, Store, StoreDown, Tag


class Watched:
    """`gets` counts look-ups; `down` makes every call fail.

    `gate`, once set, holds the answers of look-ups until it opens; `held` tells that one is being held.
    """

    def __init__(self, inner: Store) -> None:
        self.inner = inner
        self.gets = 0
        self.down = False
        self.gate: asyncio.Event | None = None
        self.held = asyncio.Event()
        self.before_put: Callable[[], Awaitable[Any]] | None = None  # runs once, in front of the next put

    def check(self) -> None:
        if self.down:
            raise StoreDown("switched off")

    async def open(self) -> None:
        await self.inner.open()

    async def get(self, kind: str, key: str) -> Entry | None:
        self.gets += 1
        self.check()
        entry = await self.inner.get(kind, key)
        if self.gate is not None:
            self.held.set()
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

    async def close(self) -> None:
        await self.inner.close()
