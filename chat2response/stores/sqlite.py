"""Documents in one SQLite file, shared by any number of processes on one machine.

A document is one row of the table `docs`: key `<kind>:<key>`, value the JSON text of an envelope,
`{"doc": <the document>}` or `{"exp": <epoch seconds>, "doc": <the document>}`. The text itself is the tag:
compare-and-set is one UPDATE that compares it, so processes agree without a lock of ours.

Nothing is opened before the first call, and then in the process that calls: workers may be forked after
the store was made. All SQL runs in one thread; a caller that is cancelled or out of time leaves a
transaction that has not begun undone, and one that has begun runs to its COMMIT or ROLLBACK.
"""

import asyncio
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, TypeVar

from chat2response.stores.base import (
    ABSENT,
    Absent,
    CannotOpen,
    Entry,
    Page,
    StoreDown,
    Tag,
    expiry,
    prefix,
    row_name,
)
from chat2response.stores.sqlite_link import END, TABLE, Link
from chat2response.wire.json import decode, encode

T = TypeVar("T")

SWEEP_SECONDS = 60.0
SWEEP_ROWS = 500  # at most so many expired rows are removed by one write

_GET = f'SELECT value FROM "{TABLE}" WHERE key = :row'
_GET_MANY = f'SELECT key, value FROM "{TABLE}" WHERE key IN (SELECT value FROM json_each(:rows))'
_SCAN = f'SELECT key, value FROM "{TABLE}" WHERE key > :after AND key < :end ORDER BY key LIMIT :limit'
_PUT = f"""INSERT INTO "{TABLE}" (key, value) VALUES (:row, :text)
    ON CONFLICT (key) DO UPDATE SET value = excluded.value RETURNING key"""
_PUT_IF_ABSENT = f"""INSERT INTO "{TABLE}" (key, value) VALUES (:row, :text)
    ON CONFLICT (key) DO UPDATE SET value = excluded.value WHERE {END} <= :now RETURNING key"""
_PUT_IF_SAME = f"""UPDATE "{TABLE}" SET value = :text
    WHERE key = :row AND value = :tag AND coalesce({END} > :now, 1) RETURNING key"""
_DELETE = f'DELETE FROM "{TABLE}" WHERE key = :row RETURNING coalesce({END} > :now, 1)'
_SWEEP = f"""DELETE FROM "{TABLE}" WHERE key IN
    (SELECT key FROM "{TABLE}" WHERE {END} <= :now LIMIT {SWEEP_ROWS})"""


class SqliteStore:
    """The `Store` contract on a file. `clock`: epoch seconds; `deadline`: seconds that a call may take."""

    def __init__(
        self, path: str | Path, *, clock: Callable[[], float] = time.time, deadline: float = 2.0
    ) -> None:
        self._path = Path(path)
        self._clock = clock
        self._deadline = deadline
        self._pool = ThreadPoolExecutor(
            1, thread_name_prefix="sqlite-store"
        )  # its thread starts on first use
        self._link: Link | None = None  # touched in that thread only
        self._sweep_at = 0.0  # likewise
        self._closed = False

    async def open(self) -> None:
        try:
            await self._run(lambda link: None)
        except StoreDown as down:
            raise CannotOpen(f"cannot open the SQLite file {self._path}: {down.internal}") from down

    async def get(self, kind: str, key: str) -> Entry | None:
        row, now = row_name(kind, key), self._clock()
        return await self._run(lambda link: _first(link.rows(_GET, {"row": row}), now))

    async def get_many(self, kind: str, keys: Sequence[str]) -> list[Entry | None]:
        names, now = [row_name(kind, key) for key in keys], self._clock()
        rows = encode(names).decode()

        def read(link: Link) -> list[Entry | None]:
            texts = dict(link.rows(_GET_MANY, {"rows": rows}))
            return [_entry(texts[name], now) if name in texts else None for name in names]

        return await self._run(read)

    async def put(
        self, kind: str, key: str, doc: Any, *, ttl: float | None = None, expect: Tag | Absent | None = None
    ) -> bool:
        now = self._clock()
        args = {"row": row_name(kind, key), "text": _envelope(doc, expiry(ttl, now)), "now": now}
        if expect is None:
            sql = _PUT
        elif expect is ABSENT:
            sql = _PUT_IF_ABSENT
        else:
            sql, args["tag"] = _PUT_IF_SAME, expect
        return bool(await self._run(lambda link: link.write(sql, args, *self._sweep(now))))

    async def delete(self, kind: str, key: str) -> bool:
        args = {"row": row_name(kind, key), "now": self._clock()}
        return await self._run(lambda link: link.write(_DELETE, args) == [(1,)])

    async def scan(self, kind: str, *, cursor: str | None = None, limit: int = 100) -> Page:
        start, now = prefix(kind), self._clock()
        args = {"after": start + (cursor or ""), "end": start[:-1] + ";", "limit": limit}  # ";" follows ":"

        def read(link: Link) -> Page:
            rows = link.rows(_SCAN, args)
            found = [(row.removeprefix(start), entry) for row, text in rows if (entry := _entry(text, now))]
            return Page(found, rows[-1][0].removeprefix(start) if len(rows) == limit else None)

        return await self._run(read)

    async def close(self) -> None:
        if self._closed:
            return
        self._closed = True
        await asyncio.get_running_loop().run_in_executor(self._pool, self._drop)
        self._pool.shutdown(wait=False)

    async def _run(self, job: Callable[[Link], T]) -> T:
        """Run a job in the store's thread, for as long as the deadline allows."""
        if self._closed:
            raise StoreDown("the SQLite store is closed")
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(self._deadline):
                # Leaving early cancels the job where it still waits for its turn, and only there.
                return await loop.run_in_executor(self._pool, self._work, job)
        except TimeoutError:
            raise StoreDown(f"no answer from SQLite within {self._deadline} s") from None

    def _work(self, job: Callable[[Link], T]) -> T:
        try:
            if self._link is None:
                self._link = Link(self._path, patience=self._deadline)
            return job(self._link)
        except Exception as error:
            self._drop()  # the next call begins anew: a disk that was full, a file that was put back
            raise StoreDown(f"{type(error).__name__}: {error}") from error

    def _drop(self) -> None:
        link, self._link = self._link, None
        if link is not None:
            link.close()

    def _sweep(self, now: float) -> list[tuple[str, dict[str, float]]]:
        """The statement that removes expired rows, when it is time for it."""
        if self._sweep_at - SWEEP_SECONDS <= now < self._sweep_at:
            return []
        self._sweep_at = now + SWEEP_SECONDS
        return [(_SWEEP, {"now": now})]


def _envelope(doc: Any, end: float | None) -> str:
    return encode({"doc": doc} if end is None else {"exp": end, "doc": doc}).decode()


def _first(rows: list[tuple[Any, ...]], now: float) -> Entry | None:
    return _entry(rows[0][0], now) if rows else None


def _entry(text: str, now: float) -> Entry | None:
    envelope = decode(text)
    end = envelope.get("exp")
    return None if end is not None and end <= now else Entry(envelope["doc"], Tag(text))
