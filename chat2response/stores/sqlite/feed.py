"""The change feed of a SQLite file: it polls the commit counter and then reads the table `changes`.

`PRAGMA data_version` costs some microseconds and changes with every commit of another connection; only then
the table is read. The feed has its own connection, which only reads, so that it never waits behind a writer
that waits for a lock.
"""

import asyncio
import logging
import sqlite3
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from threading import Event

from chat2response.stores.base import MISSED, Missed
from chat2response.stores.sqlite.connection import CHANGES, prepare
from chat2response.stores.sqlite.file import DatabaseFile, Files, State

POLL_SECONDS = 0.05
MAX_QUIET = 5  # polls of a file that does not change, of which one is whole
RETRY_SECONDS = 1.0
CHECK_SECONDS = 30.0  # between two checks of a file that changes; a file that shrinks is checked at once
CHECK_FOR = 0.1  # seconds per check; a larger file is checked in part

# Starts with the last change that was read: while it is still there, no later one has been removed.
_SINCE = f'SELECT seq, key, writer FROM "{CHANGES}" WHERE seq >= :last ORDER BY seq'
_LAST = f'SELECT coalesce(max(seq), 0) FROM "{CHANGES}"'

log = logging.getLogger(__name__)


class FileMoved(Exception):
    """The file at the path is not the open one."""


async def follow(
    poller: "ChangePoller", reopen: Callable[[], Awaitable[None]], *, is_closed: Callable[[], bool]
) -> AsyncIterator[str | Missed]:
    """The poller's changes, until `is_closed`. `reopen` makes the store open a file that has moved.

    Only a change wakes the event loop: a thread polls.
    """
    loop = asyncio.get_running_loop()
    pool = ThreadPoolExecutor(1, thread_name_prefix="sqlite-feed")
    left = Event()

    def wait() -> list[str | Missed]:
        while not (left.is_set() or is_closed()):
            if changes := poller.poll():
                return changes
            time.sleep(POLL_SECONDS)
        return []

    try:
        while not is_closed():
            changes: list[str | Missed] = []
            try:
                changes = await loop.run_in_executor(pool, wait)
            except FileMoved:
                await reopen()  # first, because it saves data that only the open connection can see
                await loop.run_in_executor(pool, poller.close)
            except (OSError, sqlite3.Error) as error:
                log.debug("changes in %s cannot be followed now: %r", poller.path, error)
                await loop.run_in_executor(pool, poller.close)
                await asyncio.sleep(RETRY_SECONDS)
            for change in changes:
                yield change
    finally:
        left.set()
        pool.submit(poller.close)  # after a poll that is still running
        pool.shutdown(wait=False)


class ChangePoller:
    """Finds keys of rows with the prefix `start` that other writers than `writer` change. Blocking, for one
    thread."""

    def __init__(self, file: DatabaseFile, start: str, writer: str, patience: float) -> None:
        self.path = file.path
        self._file = file
        self._start = start
        self._writer = writer
        self._patience = patience
        self._conn: sqlite3.Connection | None = None
        self._opened = Files(None, None, None)
        self._version = self._last = 0
        self._size = 0
        self._modified_at = 0  # the file's mtime in nanoseconds
        self._checked_at = 0.0
        self._state: State = None
        self._quiet_polls = 0  # since the last whole one

    def poll(self) -> list[str | Missed]:
        """The new changes. Raises FileMoved, OSError, sqlite3.Error; then call `close` and poll again."""
        if self._conn is None:
            self._open()
            return [MISSED]
        if self._is_quiet():
            return []
        if self._file.moved(self._opened):
            raise FileMoved
        self._check_content()
        version = int(self._conn.execute("PRAGMA data_version").fetchone()[0])
        if version == self._version:
            return []
        self._version = version
        rows = self._conn.execute(_SINCE, {"last": self._last}).fetchall()
        is_complete = self._last == 0 or (bool(rows) and rows[0][0] == self._last)
        new = [(key, writer) for seq, key, writer in rows if seq > self._last]
        self._last = rows[-1][0] if rows else self._last
        if not is_complete:
            return [MISSED]
        keys = (key for key, writer in new if writer != self._writer and key.startswith(self._start))
        return [key.removeprefix(self._start) for key in dict.fromkeys(keys)]

    def _is_quiet(self) -> bool:
        """Whether the file and its -wal are as the last poll saw them.

        Not every time: two commits may leave the same state, and only a whole poll looks at the -shm.
        """
        state = self._file.state()  # before the poll reads: a later commit changes it again
        self._quiet_polls += 1
        if state is not None and state == self._state and self._quiet_polls < MAX_QUIET:
            return True
        self._state, self._quiet_polls = state, 0
        return False

    def close(self) -> None:
        """Close the connection."""
        conn, self._conn = self._conn, None
        if conn is not None:
            conn.close()
            self._file.closed(self._opened)

    def _open(self) -> None:
        prepare(self._file, patience=self._patience)
        stat = self.path.stat()
        self._size, self._modified_at, self._checked_at = stat.st_size, stat.st_mtime_ns, time.monotonic()
        conn = sqlite3.connect(self.path, timeout=self._patience, isolation_level=None)
        try:
            self._version = int(conn.execute("PRAGMA data_version").fetchone()[0])
            self._last = int(conn.execute(_LAST).fetchone()[0])  # after this read its -wal and -shm exist
        except BaseException:
            conn.close()
            raise
        self._conn, self._opened = conn, self._file.current()
        self._file.opened(self._opened)

    def _check_content(self) -> None:
        """Check a file that has changed: SQLite caches pages, and does not notice other programs' writes.

        A damaged file stops the store, too, until it is intact again. Raises FileUnusable, sqlite3.Error.
        """
        stat = self.path.stat()
        if (stat.st_size, stat.st_mtime_ns) == (self._size, self._modified_at):
            return
        now, shrinks = time.monotonic(), stat.st_size < self._size
        if not shrinks and now - self._checked_at < CHECK_SECONDS:
            return
        self._size, self._modified_at, self._checked_at = stat.st_size, stat.st_mtime_ns, now
        self._file.check_again(patience=self._patience, seconds=CHECK_FOR)
