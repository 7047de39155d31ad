"""The memory store: documents in this process's memory, for tests, demos and a single worker that may lose
its data.

Documents are saved as JSON text, so that this store refuses what the others refuse, and no caller changes a
stored document through a reference to it.
"""

import asyncio
import time
from bisect import bisect_left, bisect_right, insort
from collections.abc import AsyncIterator, Callable, Sequence
from typing import Any

from chat2response.stores import ledger
from chat2response.stores.base import (
    ABSENT,
    MISSED,
    Absent,
    Entry,
    Lease,
    Missed,
    Page,
    StoreDown,
    Tag,
    amount,
    expiry,
    prefix,
    row_name,
)
from chat2response.stores.steady_clock import SteadyClock, monotonic_of
from chat2response.wire.json import decode, encode

SWEEP_SECONDS = 60.0


class MemoryStore:
    """The `Store` contract on a dict. `clock`: epoch seconds; `monotonic`: seconds, to detect clock jumps."""

    def __init__(
        self,
        *,
        clock: Callable[[], float] = time.time,
        monotonic: Callable[[], float] | None = None,
    ) -> None:
        self._wall = clock  # expiry times are computed from this clock
        self._clock = SteadyClock(clock, monotonic or monotonic_of(clock))  # and compared with this one
        self._rows: dict[str, tuple[str, float | None]] = {}  # row name -> text, expiry
        self._names: list[str] = []  # sorted, so that a scan continues where it stopped
        self._logs: dict[str, tuple[list[str], float | None]] = {}
        self._swept = self._clock()
        self._closed = asyncio.Event()

    async def open(self) -> None:
        """Do nothing."""

    async def get(self, kind: str, key: str) -> Entry | None:
        return self._entry(row_name(kind, key))

    async def get_many(self, kind: str, keys: Sequence[str]) -> list[Entry | None]:
        return [self._entry(row_name(kind, key)) for key in keys]

    async def put(
        self, kind: str, key: str, doc: Any, *, ttl: float | None = None, expect: Tag | Absent | None = None
    ) -> bool:
        now = self._clock()
        row, text, end = row_name(kind, key), encode(doc).decode(), expiry(ttl, self._wall())
        current = self._live(row, now)
        if expect is ABSENT and current is not None:
            return False
        if expect is not None and expect is not ABSENT and (current is None or current != expect):
            return False
        self._write(row, text, end, now)
        return True

    async def delete(self, kind: str, key: str) -> bool:
        row = row_name(kind, key)
        now = self._clock()
        exists = self._live(row, now) is not None or bool(self._log(row, now))
        self._drop(row)
        return exists

    async def add(
        self, kind: str, key: str, n: int, *, ceiling: int | None = None, ttl: float | None = None
    ) -> int | None:
        now = self._clock()
        row, end = row_name(kind, key), expiry(ttl, self._wall())
        current = self._live(row, now)
        value = amount(n) if current is None else decode(current) + amount(n)
        if ceiling is not None and n > 0 and value > ceiling:
            return None
        self._write(row, encode(value).decode(), end if current is None else self._rows[row][1], now)
        return int(value)

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
        ledger.check(n, ceiling, ttl, window)
        now = self._clock()
        row, id = row_name(kind, key), ledger.lease_id(id)
        current = self._ledger(row, now)
        result, changed = ledger.lease(current, id, n, ceiling, ttl, window, now, self._wall())
        self._write_ledger(row, changed, now)
        return result

    async def renew(self, kind: str, key: str, lease: str, n: int, *, ttl: float) -> bool:
        ledger.check(n, None, ttl, None)
        now = self._clock()
        row, id = row_name(kind, key), ledger.lease_id(lease)
        current = self._ledger(row, now)
        changed = None if current is None else ledger.renew(current, id, n, ttl, now)
        self._write_ledger(row, changed, now)
        return changed is not None

    async def settle(self, kind: str, key: str, lease: str, n: int) -> None:
        now = self._clock()
        row, id, used = row_name(kind, key), ledger.lease_id(lease), amount(n, minimum=0)
        self._write_ledger(row, ledger.settle(self._ledger(row, now), id, used, now), now)

    async def append(self, kind: str, key: str, docs: Sequence[Any], *, ttl: float | None = None) -> int:
        now = self._clock()
        row, end = row_name(kind, key), expiry(ttl, self._wall())
        texts = [encode(doc).decode() for doc in docs]
        log = self._log(row, now)
        if texts:
            self._sweep(now)
            log.extend(texts)
            self._logs[row] = (log, end)
        return len(log)

    async def read(self, kind: str, key: str, *, after: int = 0, limit: int = 100) -> list[Any]:
        log = self._log(row_name(kind, key), self._clock())
        return [decode(text) for text in log[after : after + limit]]

    async def scan(self, kind: str, *, cursor: str | None = None, limit: int = 100) -> Page:
        self._check_open()
        start = prefix(kind)
        first = (
            bisect_left(self._names, start) if cursor is None else bisect_right(self._names, start + cursor)
        )
        names = [name for name in self._names[first : first + limit] if name.startswith(start)]
        entries = [(name.removeprefix(start), entry) for name in names if (entry := self._entry(name))]
        return Page(entries, names[-1].removeprefix(start) if len(names) == limit else None)

    async def changes(self, kind: str) -> AsyncIterator[str | Missed]:
        """No other process can change this store: the feed yields MISSED and then waits for the end."""
        prefix(kind)
        if not self._closed.is_set():
            yield MISSED
        await self._closed.wait()

    async def warnings(self) -> list[str]:
        return []

    async def close(self) -> None:
        self._closed.set()
        self._rows.clear()
        self._names.clear()
        self._logs.clear()

    def _check_open(self) -> None:
        if self._closed.is_set():
            raise StoreDown("the memory store is closed")

    def _live(self, row: str, now: float) -> str | None:
        self._check_open()
        text, end = self._rows.get(row, (None, None))
        return None if end is not None and end <= now else text

    def _log(self, row: str, now: float) -> list[str]:
        self._check_open()
        log, end = self._logs.get(row, ([], None))
        return [] if end is not None and end <= now else log

    def _entry(self, row: str) -> Entry | None:
        text = self._live(row, self._clock())
        return None if text is None else Entry(decode(text), Tag(text))

    def _ledger(self, row: str, now: float) -> ledger.Ledger | None:
        text = self._live(row, now)
        return None if text is None else decode(text)

    def _write_ledger(self, row: str, changed: ledger.Ledger | None, now: float) -> None:
        """Write a changed ledger; None: it is unchanged."""
        if changed is not None:
            self._write(row, encode(changed).decode(), ledger.end(changed), now)

    def _write(self, row: str, text: str, end: float | None, now: float) -> None:
        self._sweep(now)
        if row not in self._rows:
            insort(self._names, row)
        self._rows[row] = (text, end)

    def _drop(self, row: str) -> None:
        self._logs.pop(row, None)
        if self._rows.pop(row, None) is not None:
            del self._names[bisect_left(self._names, row)]

    def _sweep(self, now: float) -> None:
        if 0 <= now - self._swept < SWEEP_SECONDS:
            return
        self._swept = now
        ends = [(row, end) for row, (_, end) in (*self._rows.items(), *self._logs.items())]
        for row, end in ends:
            if end is not None and end <= now:
                self._drop(row)
