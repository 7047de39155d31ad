"""The SQLite store: documents in one file, shared by any number of processes on one machine.

A document is one row of the table `docs`: key `<kind>:<key>`, value the JSON text of an envelope,
`{"doc": <the document>}` or `{"exp": <epoch seconds>, "doc": <the document>}`. The text itself is the tag:
compare-and-set is one UPDATE that compares it, so processes need no other lock. A counter is such a document,
a ledger too; a log has a head there, with the number of its documents, which are in the table `logs`. Each
put and delete adds a row to the table `changes` (see `feed.py`).

Nothing is opened before the first call, and then in the calling process: workers may be forked after the
store was created. All SQL runs in one thread. When a caller is cancelled or out of time, a transaction that
has not started is dropped, and one that has started runs to its COMMIT or ROLLBACK. Writes that wait for the
thread at the same time share a transaction (`group_commit.py`).
"""

import asyncio
import logging
import secrets
import time
from collections import deque
from collections.abc import AsyncIterator, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import cached_property
from pathlib import Path
from typing import Any, TypeVar

from chat2response.stores import ledger
from chat2response.stores.base import (
    ABSENT,
    UNREADABLE,
    Absent,
    CannotOpen,
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
from chat2response.stores.sqlite.connection import CHANGES, END, LOGS, TABLE, SqliteConnection
from chat2response.stores.sqlite.errors import advice, describe
from chat2response.stores.sqlite.feed import ChangePoller, follow
from chat2response.stores.sqlite.file import DatabaseFile
from chat2response.stores.sqlite.group_commit import Write, commit, take_batch
from chat2response.stores.steady_clock import SteadyClock, monotonic_of
from chat2response.wire.json import JSONError, decode, encode

T = TypeVar("T")

SWEEP_SECONDS = 60.0
SWEEP_ROWS = 500  # expired rows in one transaction, because other processes wait for its lock
SWEEP_PAUSE = 0.05  # seconds between two such transactions

log = logging.getLogger(__name__)

MAX_CHANGES = 1000  # rows of `changes`; a feed that is further behind reports MISSED

# Values are read as bytes, because Python's sqlite3 cannot return text that is not UTF-8.
_GET = f'SELECT CAST(value AS BLOB) FROM "{TABLE}" WHERE key = :row'
_GET_MANY = f"""SELECT key, CAST(value AS BLOB) FROM "{TABLE}"
    WHERE key IN (SELECT value FROM json_each(:rows))"""
_SCAN = f"""SELECT key, CAST(value AS BLOB) FROM "{TABLE}"
    WHERE key > :after AND key < :end ORDER BY key LIMIT :limit"""
_PUT = f"""INSERT INTO "{TABLE}" (key, value) VALUES (:row, :text)
    ON CONFLICT (key) DO UPDATE SET value = excluded.value RETURNING key"""
_PUT_IF_ABSENT = f"""INSERT INTO "{TABLE}" (key, value) VALUES (:row, :text)
    ON CONFLICT (key) DO UPDATE SET value = excluded.value WHERE {END} <= :now RETURNING key"""
_PUT_IF_SAME = f"""UPDATE "{TABLE}" SET value = :text
    WHERE key = :row AND CAST(value AS BLOB) = :tag AND coalesce({END} > :now, 1) RETURNING key"""
_DELETE = f'DELETE FROM "{TABLE}" WHERE key = :row RETURNING coalesce({END} > :now, 1)'
# `changes()`: the number of rows that the previous statement has changed.
_ANNOUNCE = f'INSERT INTO "{CHANGES}" (key, writer) SELECT :row, :writer WHERE changes() > 0'
_DELETE_LOG = f'DELETE FROM "{LOGS}" WHERE key = :row'
_APPEND = f"""INSERT INTO "{LOGS}" (key, at, value)
    SELECT :row, :last + 1 + key, value FROM json_each(:texts)"""
_READ = f"""SELECT CAST(value AS BLOB) FROM "{LOGS}"
    WHERE key = :row AND at > :after ORDER BY at LIMIT :limit"""
_EXPIRED = f'SELECT key FROM "{TABLE}" WHERE {END} <= :now ORDER BY {END} LIMIT {SWEEP_ROWS}'
_SWEEP_LOGS = f'DELETE FROM "{LOGS}" WHERE key IN ({_EXPIRED})'
_SWEEP = f'DELETE FROM "{TABLE}" WHERE key IN ({_EXPIRED})'
_SWEEP_CHANGES = f'DELETE FROM "{CHANGES}" WHERE seq <= (SELECT max(seq) FROM "{CHANGES}") - :max'


class SqliteStore:
    """The `Store` contract on a file. `clock`: epoch seconds; `deadline`: seconds that a call may take;
    `monotonic`: seconds, to detect clock jumps."""

    def __init__(
        self,
        path: str | Path,
        *,
        clock: Callable[[], float] = time.time,
        deadline: float = 2.0,
        monotonic: Callable[[], float] | None = None,
    ) -> None:
        self._file = DatabaseFile(path)
        self._wall = clock  # expiry times are computed from this clock
        self._clock = SteadyClock(clock, monotonic or monotonic_of(clock))  # and compared with this one
        self._deadline = deadline
        self._pool = ThreadPoolExecutor(
            1, thread_name_prefix="sqlite-store"
        )  # its thread starts on first use
        self._waiting: deque[Write[Any]] = deque()
        self._connection: SqliteConnection | None = None  # used in the pool's thread only
        self._sweep_at = 0.0  # used in the pool's thread only
        self._unswept = False  # whether there are more expired rows; set in the pool's thread
        self._sweeping: asyncio.Task[None] | None = None
        self._closed = False

    @cached_property
    def _writer(self) -> str:
        """Identifies this process's changes. Created on first use, because workers are forked before."""
        return secrets.token_hex(8)

    async def open(self) -> None:
        try:
            await self._run(lambda connection: None)
        except StoreDown as down:
            raise CannotOpen(
                f"cannot open the SQLite file {self._file.path.absolute()}: {down.internal}"
            ) from down

    async def get(self, kind: str, key: str) -> Entry | None:
        row, now = row_name(kind, key), self._clock()
        return await self._run(lambda connection: _first(connection.rows(_GET, {"row": row}), now))

    async def get_many(self, kind: str, keys: Sequence[str]) -> list[Entry | None]:
        names, now = [row_name(kind, key) for key in keys], self._clock()
        rows = encode(names).decode()

        def read(connection: SqliteConnection) -> list[Entry | None]:
            texts = dict(connection.rows(_GET_MANY, {"rows": rows}))
            return [_entry(texts[name], now) if name in texts else None for name in names]

        return await self._run(read)

    async def put(
        self, kind: str, key: str, doc: Any, *, ttl: float | None = None, expect: Tag | Absent | None = None
    ) -> bool:
        row, now = row_name(kind, key), self._clock()
        args: dict[str, Any] = {"row": row, "text": _envelope(doc, expiry(ttl, self._wall())), "now": now}
        if expect is None:
            sql = _PUT
        elif expect is ABSENT:
            sql = _PUT_IF_ABSENT
        else:
            sql, args["tag"] = _PUT_IF_SAME, expect.encode("utf-8", "surrogateescape")

        def write(connection: SqliteConnection) -> bool:
            written = connection.rows(sql, args)
            self._announce(connection, row)
            return bool(written)

        return await self._commit(write)

    async def delete(self, kind: str, key: str) -> bool:
        row, now = row_name(kind, key), self._clock()

        def remove(connection: SqliteConnection) -> bool:
            removed = connection.rows(_DELETE, {"row": row, "now": now})
            self._announce(connection, row)
            connection.rows(_DELETE_LOG, {"row": row})
            return removed == [(1,)]

        return await self._commit(remove)

    async def add(
        self, kind: str, key: str, n: int, *, ceiling: int | None = None, ttl: float | None = None
    ) -> int | None:
        now = self._clock()
        row, end, by = row_name(kind, key), expiry(ttl, self._wall()), amount(n)

        def count(connection: SqliteConnection) -> int | None:
            current, current_end = _live(connection, row, now)
            value = by if current is None else current + by
            if ceiling is not None and by > 0 and value > ceiling:
                return None
            _write(connection, row, _envelope(value, end if current is None else current_end))
            return int(value)

        return await self._commit(count)

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
        now, wall, row, name = self._clock(), self._wall(), row_name(kind, key), ledger.lease_id(id)

        def reserve(connection: SqliteConnection) -> Lease:
            current, _ = _live(connection, row, now)
            result, changed = ledger.lease(current, name, n, ceiling, ttl, window, now, wall)
            _write_ledger(connection, row, changed)
            return result

        return await self._commit(reserve)

    async def renew(self, kind: str, key: str, lease: str, n: int, *, ttl: float) -> bool:
        ledger.check(n, None, ttl, None)
        now, row, name = self._clock(), row_name(kind, key), ledger.lease_id(lease)

        def extend(connection: SqliteConnection) -> bool:
            current, _ = _live(connection, row, now)
            changed = None if current is None else ledger.renew(current, name, n, ttl, now)
            _write_ledger(connection, row, changed)
            return changed is not None

        return await self._commit(extend)

    async def settle(self, kind: str, key: str, lease: str, n: int) -> None:
        now, row, name, used = (
            self._clock(),
            row_name(kind, key),
            ledger.lease_id(lease),
            amount(n, minimum=0),
        )

        def replace(connection: SqliteConnection) -> None:
            current, _ = _live(connection, row, now)
            _write_ledger(connection, row, ledger.settle(current, name, used, now))

        await self._commit(replace)

    async def append(self, kind: str, key: str, docs: Sequence[Any], *, ttl: float | None = None) -> int:
        now = self._clock()
        row, end, texts = (
            row_name(kind, key),
            expiry(ttl, self._wall()),
            [encode(doc).decode() for doc in docs],
        )

        def extend(connection: SqliteConnection) -> int:
            last = _live(connection, row, now)[0]
            if last is None:
                connection.rows(_DELETE_LOG, {"row": row})  # the documents of an expired log
                last = 0
            if texts:
                connection.rows(_APPEND, {"row": row, "last": last, "texts": encode(texts).decode()})
                _write(connection, row, _envelope(last + len(texts), end))
            return int(last) + len(texts)

        return await self._commit(extend)

    async def read(self, kind: str, key: str, *, after: int = 0, limit: int = 100) -> list[Any]:
        row, now = row_name(kind, key), self._clock()
        args = {"row": row, "after": after, "limit": limit}

        def read(connection: SqliteConnection) -> list[Any]:
            if _live(connection, row, now)[0] is None:
                return []
            return [_document(text) for (text,) in connection.rows(_READ, args)]

        return await self._run(read)

    async def scan(self, kind: str, *, cursor: str | None = None, limit: int = 100) -> Page:
        start, now = prefix(kind), self._clock()
        args = {"after": start + (cursor or ""), "end": start[:-1] + ";", "limit": limit}  # ";" follows ":"

        def read(connection: SqliteConnection) -> Page:
            rows = connection.rows(_SCAN, args)
            entries = [(row.removeprefix(start), entry) for row, text in rows if (entry := _entry(text, now))]
            return Page(entries, rows[-1][0].removeprefix(start) if len(rows) == limit else None)

        return await self._run(read)

    def changes(self, kind: str) -> AsyncIterator[str | Missed]:
        start = prefix(kind)
        poller = ChangePoller(self._file, start, self._writer, self._deadline)
        return follow(poller, self._reopen, is_closed=lambda: self._closed)

    async def warnings(self) -> list[str]:
        return []

    async def close(self) -> None:
        if self._closed:
            return
        self._closed = True
        if self._sweeping is not None:
            self._sweeping.cancel()
            await asyncio.wait({self._sweeping})
        await asyncio.get_running_loop().run_in_executor(self._pool, self._drop)
        self._file.close()
        self._pool.shutdown(wait=False)

    async def _reopen(self) -> None:
        """Open a file that was replaced now, without waiting for a call."""
        with suppress(StoreDown):
            await self._run(lambda connection: None)

    async def _run(self, job: Callable[[SqliteConnection], T]) -> T:
        """Run a job that only reads, in the store's thread, within the deadline."""
        self._check_open()
        return await self._in_time(asyncio.wrap_future(self._pool.submit(self._work, job)))

    async def _commit(self, job: Callable[[SqliteConnection], T]) -> T:
        """Run a job that writes, in a transaction that is durable on return, within the deadline."""
        self._check_open()
        write = Write(job)
        self._waiting.append(write)
        self._pool.submit(self._commit_waiting)
        result = await self._in_time(asyncio.wrap_future(write.result))
        if self._unswept and not self._closed and (self._sweeping is None or self._sweeping.done()):
            self._sweeping = asyncio.create_task(self._sweep_more())
        return result

    def _check_open(self) -> None:
        if self._closed:
            raise StoreDown("the SQLite store is closed")

    async def _in_time(self, result: "asyncio.Future[T]") -> T:
        try:
            async with asyncio.timeout(self._deadline):
                # A timeout cancels a job that still waits for its turn, not one that runs.
                return await result
        except TimeoutError:
            raise StoreDown(f"no answer from SQLite within {self._deadline} s") from None

    async def _sweep_more(self) -> None:
        """Remove the remaining expired rows in steps. If the store is down, the next sweep continues."""
        with suppress(StoreDown):
            while self._unswept:
                await asyncio.sleep(SWEEP_PAUSE)
                await self._commit(self._sweep)

    # -- in the store's thread -----------------------------------------------------------------------

    def _work(self, job: Callable[[SqliteConnection], T]) -> T:
        try:
            return job(self._current_connection())
        except Exception as error:
            self._drop()  # the next call opens the file again: the disk or the file may be repaired by then
            raise _down(error) from error

    def _current_connection(self) -> SqliteConnection:
        """A connection to the file that is at the path now. Raises FileUnusable."""
        if self._file.fault is not None:
            raise self._file.fault
        if self._connection is not None and self._connection.moved:
            log.warning("the SQLite file %s was removed or replaced; opening it again", self._file.path)
            self._connection.checkpoint()
            self._drop()
        if self._connection is None:
            self._connection = SqliteConnection(self._file, patience=self._deadline)
        return self._connection

    def _commit_waiting(self) -> None:
        """Commit all waiting writes in one transaction; none wait if an earlier run has taken them."""
        writes = take_batch(self._waiting)
        if not writes:
            return
        if not self._sweep_at - SWEEP_SECONDS <= self._clock() < self._sweep_at:
            writes.append(Write(self._sweep))
        try:
            outcomes = self._work(lambda connection: commit(connection, writes))
        except StoreDown as down:
            for write in writes:
                write.result.set_exception(down.copy())
            return
        for write, outcome in zip(writes, outcomes, strict=True):
            if isinstance(outcome, Exception):
                self._drop()
                write.result.set_exception(_down(outcome))
            else:
                write.result.set_result(outcome)

    def _drop(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()

    def _announce(self, connection: SqliteConnection, row: str) -> None:
        """Tell other processes what the previous statement has changed."""
        connection.rows(_ANNOUNCE, {"row": row, "writer": self._writer})

    def _sweep(self, connection: SqliteConnection) -> None:
        """Remove some expired rows, and old changes."""
        now = self._clock()
        self._sweep_at = now + SWEEP_SECONDS
        connection.rows(_SWEEP_LOGS, {"now": now})
        connection.rows(_SWEEP, {"now": now})
        self._unswept = connection.rows("SELECT changes()") == [(SWEEP_ROWS,)]
        connection.rows(_SWEEP_CHANGES, {"max": MAX_CHANGES})


def _write(connection: SqliteConnection, row: str, text: str) -> None:
    connection.rows(_PUT, {"row": row, "text": text})


def _write_ledger(connection: SqliteConnection, row: str, changed: ledger.Ledger | None) -> None:
    """Write a changed ledger; None: it is unchanged."""
    if changed is not None:
        _write(connection, row, _envelope(changed, ledger.end(changed)))


def _down(error: Exception) -> StoreDown:
    return StoreDown(describe(error), advice=advice(error))


def _envelope(doc: Any, end: float | None) -> str:
    return encode({"doc": doc} if end is None else {"exp": end, "doc": doc}).decode()


def _live(connection: SqliteConnection, row: str, now: float) -> tuple[Any, float | None]:
    """A row's document and expiry; (None, None) if there is none or it has expired."""
    rows = connection.rows(_GET, {"row": row})
    if not rows:
        return None, None
    envelope = decode(rows[0][0])
    end = envelope.get("exp")
    return (None, None) if end is not None and end <= now else (envelope["doc"], end)


def _first(rows: list[tuple[Any, ...]], now: float) -> Entry | None:
    return _entry(rows[0][0], now) if rows else None


def _entry(text: bytes | None, now: float) -> Entry | None:
    tag = Tag((text or b"").decode("utf-8", "surrogateescape"))
    envelope = _document(text)
    if type(envelope) is not dict or "doc" not in envelope:
        return Entry(UNREADABLE, tag)
    end = envelope.get("exp")
    if end is not None and type(end) is not float and type(end) is not int:
        return Entry(UNREADABLE, tag)
    return None if end is not None and end <= now else Entry(envelope["doc"], tag)


def _document(text: bytes | None) -> Any:
    try:
        return decode(text or b"")
    except JSONError:
        return UNREADABLE
