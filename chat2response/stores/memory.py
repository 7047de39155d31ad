"""Documents in this process's memory: for tests, demos and a single worker that may forget.

Documents are kept as JSON text, so that this store refuses what the others refuse and nobody can change
a stored document by holding on to it.
"""

import time
from bisect import bisect_left, bisect_right, insort
from collections.abc import Callable, Sequence
from typing import Any

from chat2response.stores.base import ABSENT, Absent, Entry, Page, StoreDown, Tag, expiry, prefix, row_name
from chat2response.wire.json import decode, encode

SWEEP_SECONDS = 60.0


class MemoryStore:
    """The `Store` contract on a dict. `clock`: epoch seconds."""

    def __init__(self, *, clock: Callable[[], float] = time.time) -> None:
        self._clock = clock
        self._rows: dict[str, tuple[str, float | None]] = {}  # row name -> text, expiry
        self._names: list[str] = []  # sorted, so that a scan goes on where it stopped
        self._swept = clock()
        self._closed = False

    async def open(self) -> None:
        """Nothing to make ready."""

    async def get(self, kind: str, key: str) -> Entry | None:
        return self._entry(row_name(kind, key))

    async def get_many(self, kind: str, keys: Sequence[str]) -> list[Entry | None]:
        return [self._entry(row_name(kind, key)) for key in keys]

    async def put(
        self, kind: str, key: str, doc: Any, *, ttl: float | None = None, expect: Tag | Absent | None = None
    ) -> bool:
        now = self._clock()
        row, text, end = row_name(kind, key), encode(doc).decode(), expiry(ttl, now)
        self._sweep(now)
        held = self._live(row, now)
        if expect is ABSENT and held is not None:
            return False
        if expect is not None and expect is not ABSENT and (held is None or held != expect):
            return False
        if row not in self._rows:
            insort(self._names, row)
        self._rows[row] = (text, end)
        return True

    async def delete(self, kind: str, key: str) -> bool:
        row = row_name(kind, key)
        there = self._live(row, self._clock()) is not None
        self._drop(row)
        return there

    async def scan(self, kind: str, *, cursor: str | None = None, limit: int = 100) -> Page:
        self._check_open()
        start = prefix(kind)
        first = (
            bisect_left(self._names, start) if cursor is None else bisect_right(self._names, start + cursor)
        )
        names = [name for name in self._names[first : first + limit] if name.startswith(start)]
        found = [(name.removeprefix(start), entry) for name in names if (entry := self._entry(name))]
        return Page(found, names[-1].removeprefix(start) if len(names) == limit else None)

    async def close(self) -> None:
        self._closed = True
        self._rows.clear()
        self._names.clear()

    def _check_open(self) -> None:
        if self._closed:
            raise StoreDown("the memory store is closed")

    def _live(self, row: str, now: float) -> str | None:
        self._check_open()
        text, end = self._rows.get(row, (None, None))
        return None if end is not None and end <= now else text

    def _entry(self, row: str) -> Entry | None:
        text = self._live(row, self._clock())
        return None if text is None else Entry(decode(text), Tag(text))

    def _drop(self, row: str) -> None:
        if self._rows.pop(row, None) is not None:
            del self._names[bisect_left(self._names, row)]

    def _sweep(self, now: float) -> None:
        if 0 <= now - self._swept < SWEEP_SECONDS:
            return
        self._swept = now
        for row in [row for row, (_, end) in self._rows.items() if end is not None and end <= now]:
            self._drop(row)
