"""What other processes change in one SQLite file: its commit counter, asked often, and the table `changes`.

`PRAGMA data_version` costs some microseconds and changes with every commit of another connection; only then
the table is read. The connection is the feed's own and only reads, so that it is never behind a writer that
waits for a lock.
"""

import asyncio
import logging
import sqlite3
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor

from chat2response.stores.base import MISSED, Missed
from chat2response.stores.sqlite.connection import CHANGES, prepare
from chat2response.stores.sqlite.file import DatabaseFile, Files

POLL_SECONDS = 0.05
RETRY_SECONDS = 1.0
CHECK_SECONDS = 30.0  # between two checks of a file into which something was written; at once, if it shrinks
CHECK_FOR = 0.1  # seconds, each: of a bigger file the rest is not looked at

# From the last one seen, which must still be there: those after it are all there then, too.
_SINCE = f'SELECT seq, key, writer FROM "{CHANGES}" WHERE seq >= :last ORDER BY seq'
_LAST = f'SELECT coalesce(max(seq), 0) FROM "{CHANGES}"'

_log = logging.getLogger(__name__)


class FileMoved(Exception):
    """What is at the path is not what is open."""


async def follow(
    watch: "Watch", reopen: Callable[[], Awaitable[None]], *, over: Callable[[], bool]
) -> AsyncIterator[str | Missed]:
    """What the watch sees, until it is `over`. `reopen`: what the store does about a file that has moved."""
    loop = asyncio.get_running_loop()
    pool = ThreadPoolExecutor(1, thread_name_prefix="sqlite-feed")
    try:
        while not over():
            nap = POLL_SECONDS
            found: list[str | Missed] = []
            try:
                found = await loop.run_in_executor(pool, watch.look)
            except FileMoved:
                await reopen()  # first: it saves what no other connection sees
                await loop.run_in_executor(pool, watch.close)
                nap = 0.0
            except (OSError, sqlite3.Error) as error:
                _log.debug("changes in %s cannot be followed now: %r", watch.path, error)
                await loop.run_in_executor(pool, watch.close)
                nap = RETRY_SECONDS
            for change in found:
                yield change
            await asyncio.sleep(nap)
    finally:
        pool.submit(watch.close)  # behind a look that is still at it
        pool.shutdown(wait=False)


class Watch:
    """The keys in rows beginning with `start` that others than `writer` change. Blocking, for one thread."""

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
        self._written_at = 0  # nanoseconds, as the file says
        self._checked_at = 0.0

    def look(self) -> list[str | Missed]:
        """What is new. Raises FileMoved, OSError, sqlite3.Error; it is to be closed then, and looks anew."""
        if self._conn is None:
            self._open()
            return [MISSED]
        if self._file.moved(self._opened):
            raise FileMoved
        self._check_content()
        version = int(self._conn.execute("PRAGMA data_version").fetchone()[0])
        if version == self._version:
            return []
        self._version = version
        rows = self._conn.execute(_SINCE, {"last": self._last}).fetchall()
        whole = self._last == 0 or (bool(rows) and rows[0][0] == self._last)
        new = [(key, writer) for seq, key, writer in rows if seq > self._last]
        self._last = rows[-1][0] if rows else self._last
        if not whole:
            return [MISSED]
        keys = (key for key, writer in new if writer != self._writer and key.startswith(self._start))
        return [key.removeprefix(self._start) for key in dict.fromkeys(keys)]

    def close(self) -> None:
        """Lets go of the file."""
        conn, self._conn = self._conn, None
        if conn is not None:
            conn.close()
            self._file.closed(self._opened)

    def _open(self) -> None:
        prepare(self._file, patience=self._patience)
        found = self.path.stat()
        self._size, self._written_at, self._checked_at = found.st_size, found.st_mtime_ns, time.monotonic()
        conn = sqlite3.connect(self.path, timeout=self._patience, isolation_level=None)
        try:
            self._version = int(conn.execute("PRAGMA data_version").fetchone()[0])
            self._last = int(conn.execute(_LAST).fetchone()[0])  # reads: its -wal and -shm are there now
        except BaseException:
            conn.close()
            raise
        self._conn, self._opened = conn, self._file.look()
        self._file.opened(self._opened)

    def _check_content(self) -> None:
        """Somebody may have written past SQLite, which would not see it: it remembers what it has read.

        What is found stops the store, too, until the file is sound again. Raises FileUnusable, sqlite3.Error.
        """
        found = self.path.stat()
        if (found.st_size, found.st_mtime_ns) == (self._size, self._written_at):
            return
        now, shrinks = time.monotonic(), found.st_size < self._size
        if not shrinks and now - self._checked_at < CHECK_SECONDS:
            return
        self._size, self._written_at, self._checked_at = found.st_size, found.st_mtime_ns, now
        self._file.check_again(patience=self._patience, seconds=CHECK_FOR)
