"""Documents in one SQLite file, shared by any number of processes on one machine.

A document is one row of the table `docs`: key `<kind>:<key>`, value the JSON text of an envelope,
`{"doc": <the document>}` or `{"exp": <epoch seconds>, "doc": <the document>}`. The text itself is the tag:
compare-and-set is one UPDATE that compares it, so processes agree without a lock of ours. A counter is such a
document, a ledger too; a log is a head there, which counts them, and its documents in the table `logs`. Each
put and delete leaves a line in the table `changes` (see `sqlite_feed`).

Nothing is opened before the first call, and then in the process that calls: workers may be forked after
the store was made. All SQL runs in one thread; a caller that is cancelled or out of time leaves a
transaction that has not begun undone, and one that has begun runs to its COMMIT or ROLLBACK. Writes that wait
for that thread at the same time share one (`sqlite_writes`).
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
from chat2response.stores.sqlite.errors import advice, words
from chat2response.stores.sqlite.feed import Watch, follow
from chat2response.stores.sqlite.file import DatabaseFile
from chat2response.stores.sqlite.writes import Write, commit, taken
from chat2response.stores.steady_clock import SteadyClock, monotonic_of
from chat2response.wire.json import JSONError, decode, encode

T = TypeVar("T")

SWEEP_SECONDS = 60.0
SWEEP_ROWS = 500  # at most so many expired rows are removed at once: others wait for the lock
SWEEP_PAUSE = 0.05  # seconds between two times, while there are more

_log = logging.getLogger(__name__)

CHANGES_KEPT = 1000  # a follower that was away for more is told that it has missed something

# Values are read as bytes: of one that is no UTF-8, SQLite's module would make no text.
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
# `changes()`: rows that the statement before it has changed.
_TELL = f'INSERT INTO "{CHANGES}" (key, writer) SELECT :row, :writer WHERE changes() > 0'
_DELETE_LOG = f'DELETE FROM "{LOGS}" WHERE key = :row'
_APPEND = f"""INSERT INTO "{LOGS}" (key, at, value)
    SELECT :row, :last + 1 + key, value FROM json_each(:texts)"""
_READ = f"""SELECT CAST(value AS BLOB) FROM "{LOGS}"
    WHERE key = :row AND at > :after ORDER BY at LIMIT :limit"""
_EXPIRED = f'SELECT key FROM "{TABLE}" WHERE {END} <= :now ORDER BY {END} LIMIT {SWEEP_ROWS}'
_SWEEP_LOGS = f'DELETE FROM "{LOGS}" WHERE key IN ({_EXPIRED})'
_SWEEP = f'DELETE FROM "{TABLE}" WHERE key IN ({_EXPIRED})'
_SWEEP_CHANGES = f'DELETE FROM "{CHANGES}" WHERE seq <= (SELECT max(seq) FROM "{CHANGES}") - :kept'


class SqliteStore:
    """The `Store` contract on a file. `clock`: epoch seconds; `deadline`: seconds that a call may take;
    `monotonic`: what the steps of the clock are judged by."""

    def __init__(
        self,
        path: str | Path,
        *,
        clock: Callable[[], float] = time.time,
        deadline: float = 2.0,
        monotonic: Callable[[], float] | None = None,
    ) -> None:
        self._file = DatabaseFile(path)
        self._wall = clock  # by which ends are written
        self._clock = SteadyClock(clock, monotonic or monotonic_of(clock))  # by which they are judged
        self._deadline = deadline
        self._pool = ThreadPoolExecutor(
            1, thread_name_prefix="sqlite-store"
        )  # its thread starts on first use
        self._waiting: deque[Write[Any]] = deque()
        self._link: SqliteConnection | None = None  # touched in that thread only
        self._sweep_at = 0.0  # likewise
        self._unswept = False  # there is more to remove; set in that thread
        self._sweeping: asyncio.Task[None] | None = None
        self._closed = False

    @cached_property
    def _writer(self) -> str:
        """Signs our changes. Drawn when it is first needed: workers are forked before, and differ."""
        return secrets.token_hex(8)

    async def open(self) -> None:
        try:
            await self._run(lambda link: None)
        except StoreDown as down:
            raise CannotOpen(
                f"cannot open the SQLite file {self._file.path.absolute()}: {down.internal}"
            ) from down

    async def get(self, kind: str, key: str) -> Entry | None:
        row, now = row_name(kind, key), self._clock()
        return await self._run(lambda link: _first(link.rows(_GET, {"row": row}), now))

    async def get_many(self, kind: str, keys: Sequence[str]) -> list[Entry | None]:
        names, now = [row_name(kind, key) for key in keys], self._clock()
        rows = encode(names).decode()

        def read(link: SqliteConnection) -> list[Entry | None]:
            texts = dict(link.rows(_GET_MANY, {"rows": rows}))
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

        def write(link: SqliteConnection) -> bool:
            written = link.rows(sql, args)
            self._tell(link, row)
            return bool(written)

        return await self._commit(write)

    async def delete(self, kind: str, key: str) -> bool:
        row, now = row_name(kind, key), self._clock()

        def remove(link: SqliteConnection) -> bool:
            removed = link.rows(_DELETE, {"row": row, "now": now})
            self._tell(link, row)
            link.rows(_DELETE_LOG, {"row": row})
            return removed == [(1,)]

        return await self._commit(remove)

    async def add(
        self, kind: str, key: str, n: int, *, ceiling: int | None = None, ttl: float | None = None
    ) -> int | None:
        now = self._clock()
        row, end, by = row_name(kind, key), expiry(ttl, self._wall()), amount(n)

        def count(link: SqliteConnection) -> int | None:
            held, held_end = _held(link, row, now)
            value = by if held is None else held + by
            if ceiling is not None and by > 0 and value > ceiling:
                return None
            _write(link, row, _envelope(value, end if held is None else held_end))
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

        def reserve(link: SqliteConnection) -> Lease:
            held, _ = _held(link, row, now)
            answer, book = ledger.lease(held, name, n, ceiling, ttl, window, now, wall)
            _keep(link, row, book)
            return answer

        return await self._commit(reserve)

    async def renew(self, kind: str, key: str, lease: str, n: int, *, ttl: float) -> bool:
        ledger.check(n, None, ttl, None)
        now, row, name = self._clock(), row_name(kind, key), ledger.lease_id(lease)

        def extend(link: SqliteConnection) -> bool:
            held, _ = _held(link, row, now)
            book = None if held is None else ledger.renew(held, name, n, ttl, now)
            _keep(link, row, book)
            return book is not None

        return await self._commit(extend)

    async def settle(self, kind: str, key: str, lease: str, n: int) -> None:
        now, row, name, used = (
            self._clock(),
            row_name(kind, key),
            ledger.lease_id(lease),
            amount(n, least=0),
        )

        def replace(link: SqliteConnection) -> None:
            held, _ = _held(link, row, now)
            _keep(link, row, ledger.settle(held, name, used, now))

        await self._commit(replace)

    async def append(self, kind: str, key: str, docs: Sequence[Any], *, ttl: float | None = None) -> int:
        now = self._clock()
        row, end, texts = (
            row_name(kind, key),
            expiry(ttl, self._wall()),
            [encode(doc).decode() for doc in docs],
        )

        def extend(link: SqliteConnection) -> int:
            last = _held(link, row, now)[0]
            if last is None:
                link.rows(_DELETE_LOG, {"row": row})  # of a log that has ended
                last = 0
            if texts:
                link.rows(_APPEND, {"row": row, "last": last, "texts": encode(texts).decode()})
                _write(link, row, _envelope(last + len(texts), end))
            return int(last) + len(texts)

        return await self._commit(extend)

    async def read(self, kind: str, key: str, *, after: int = 0, limit: int = 100) -> list[Any]:
        row, now = row_name(kind, key), self._clock()
        args = {"row": row, "after": after, "limit": limit}

        def read(link: SqliteConnection) -> list[Any]:
            if _held(link, row, now)[0] is None:
                return []
            return [_document(text) for (text,) in link.rows(_READ, args)]

        return await self._run(read)

    async def scan(self, kind: str, *, cursor: str | None = None, limit: int = 100) -> Page:
        start, now = prefix(kind), self._clock()
        args = {"after": start + (cursor or ""), "end": start[:-1] + ";", "limit": limit}  # ";" follows ":"

        def read(link: SqliteConnection) -> Page:
            rows = link.rows(_SCAN, args)
            found = [(row.removeprefix(start), entry) for row, text in rows if (entry := _entry(text, now))]
            return Page(found, rows[-1][0].removeprefix(start) if len(rows) == limit else None)

        return await self._run(read)

    def changes(self, kind: str) -> AsyncIterator[str | Missed]:
        start = prefix(kind)
        watch = Watch(self._file, start, self._writer, self._deadline)
        return follow(watch, self._reopen, over=lambda: self._closed)

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
        """The file was moved: see to it now, whether anybody calls or not."""
        with suppress(StoreDown):
            await self._run(lambda link: None)

    async def _run(self, job: Callable[[SqliteConnection], T]) -> T:
        """Run a job that only reads in the store's thread, for as long as the deadline allows."""
        self._check_open()
        return await self._in_time(asyncio.wrap_future(self._pool.submit(self._work, job)))

    async def _commit(self, job: Callable[[SqliteConnection], T]) -> T:
        """The same for one that writes, as a transaction that is durable on return."""
        self._check_open()
        write = Write(job)
        self._waiting.append(write)
        self._pool.submit(self._commit_waiting)
        done = await self._in_time(asyncio.wrap_future(write.answer))
        if self._unswept and not self._closed and (self._sweeping is None or self._sweeping.done()):
            self._sweeping = asyncio.create_task(self._sweep_on())
        return done

    def _check_open(self) -> None:
        if self._closed:
            raise StoreDown("the SQLite store is closed")

    async def _in_time(self, answer: "asyncio.Future[T]") -> T:
        try:
            async with asyncio.timeout(self._deadline):
                # Leaving early cancels the job where it still waits for its turn, and only there.
                return await answer
        except TimeoutError:
            raise StoreDown(f"no answer from SQLite within {self._deadline} s") from None

    async def _sweep_on(self) -> None:
        """The rest, step by step; where the store is away, the next time."""
        with suppress(StoreDown):
            while self._unswept:
                await asyncio.sleep(SWEEP_PAUSE)
                await self._commit(self._sweep)

    # -- in the store's thread -----------------------------------------------------------------------

    def _work(self, job: Callable[[SqliteConnection], T]) -> T:
        try:
            return job(self._current_link())
        except Exception as error:
            self._drop()  # the next call begins anew: a disk that was full, a file that was put back
            raise _down(error) from error

    def _current_link(self) -> SqliteConnection:
        """Of the file that is at the path now. Raises FileUnusable where that is not to be used."""
        if self._file.fault is not None:
            raise self._file.fault
        if self._link is not None and self._link.moved:
            _log.warning("the SQLite file %s was removed or replaced; it is opened anew", self._file.path)
            self._link.save()
            self._drop()
        if self._link is None:
            self._link = SqliteConnection(self._file, patience=self._deadline)
        return self._link

    def _commit_waiting(self) -> None:
        """All writes that wait, in one transaction; none, where one of them has taken the others along."""
        writes = taken(self._waiting)
        if not writes:
            return
        if not self._sweep_at - SWEEP_SECONDS <= self._clock() < self._sweep_at:
            writes.append(Write(self._sweep))
        try:
            outcomes = self._work(lambda link: commit(link, writes))
        except StoreDown as down:
            for write in writes:
                write.answer.set_exception(down.again())
            return
        for write, outcome in zip(writes, outcomes, strict=True):
            if isinstance(outcome, Exception):
                self._drop()
                write.answer.set_exception(_down(outcome))
            else:
                write.answer.set_result(outcome)

    def _drop(self) -> None:
        link, self._link = self._link, None
        if link is not None:
            link.close()

    def _tell(self, link: SqliteConnection, row: str) -> None:
        """Others, of what the statement before has changed."""
        link.rows(_TELL, {"row": row, "writer": self._writer})

    def _sweep(self, link: SqliteConnection) -> None:
        """Removes some of what has expired."""
        now = self._clock()
        self._sweep_at = now + SWEEP_SECONDS
        link.rows(_SWEEP_LOGS, {"now": now})
        link.rows(_SWEEP, {"now": now})
        self._unswept = link.rows("SELECT changes()") == [(SWEEP_ROWS,)]
        link.rows(_SWEEP_CHANGES, {"kept": CHANGES_KEPT})


def _write(link: SqliteConnection, row: str, text: str) -> None:
    link.rows(_PUT, {"row": row, "text": text})


def _keep(link: SqliteConnection, row: str, book: ledger.Ledger | None) -> None:
    """A ledger that has changed; None: it has not."""
    if book is not None:
        _write(link, row, _envelope(book, ledger.end(book)))


def _down(error: Exception) -> StoreDown:
    return StoreDown(words(error), advice=advice(error))


def _envelope(doc: Any, end: float | None) -> str:
    return encode({"doc": doc} if end is None else {"exp": end, "doc": doc}).decode()


def _held(link: SqliteConnection, row: str, now: float) -> tuple[Any, float | None]:
    """(document, its end) of a row; (None, None) where there is none, or it has expired."""
    rows = link.rows(_GET, {"row": row})
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
