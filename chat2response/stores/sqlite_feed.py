"""What other processes change in one SQLite file: its commit counter, asked often, and the table `changes`.

`PRAGMA data_version` costs some microseconds and changes with every commit of another connection; only then
the table is read. The connection is the feed's own and only reads, so that it is never behind a writer that
waits for a lock.
"""

import asyncio
import logging
import sqlite3
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from chat2response.stores.base import MISSED, Missed
from chat2response.stores.sqlite_link import CHANGES, prepare

POLL_SECONDS = 0.1
RETRY_SECONDS = 1.0

# From the last one seen, which must still be there: those after it are all there then, too.
_SINCE = f'SELECT seq, key, writer FROM "{CHANGES}" WHERE seq >= :last ORDER BY seq'
_LAST = f'SELECT coalesce(max(seq), 0) FROM "{CHANGES}"'

_log = logging.getLogger(__name__)


async def follow(
    path: Path, start: str, writer: str, *, patience: float, over: Callable[[], bool]
) -> AsyncIterator[str | Missed]:
    """The keys in rows beginning with `start` that others than `writer` change, until it is `over`."""
    loop = asyncio.get_running_loop()
    pool = ThreadPoolExecutor(1, thread_name_prefix="sqlite-feed")
    watch = _Watch(path, start, writer, patience)
    try:
        while not over():
            nap = POLL_SECONDS
            try:
                found = await loop.run_in_executor(pool, watch.look)
            except (OSError, sqlite3.Error) as error:
                _log.debug("changes in %s cannot be followed now: %r", path, error)
                await loop.run_in_executor(pool, watch.close)
                found, nap = [], RETRY_SECONDS
            for change in found:
                yield change
            await asyncio.sleep(nap)
    finally:
        pool.submit(watch.close)  # behind a look that is still at it
        pool.shutdown(wait=False)


class _Watch:
    """Blocking, for one thread."""

    def __init__(self, path: Path, start: str, writer: str, patience: float) -> None:
        self._path = path
        self._start = start
        self._writer = writer
        self._patience = patience
        self._conn: sqlite3.Connection | None = None
        self._version = self._last = 0

    def look(self) -> list[str | Missed]:
        """What is new. Raises OSError, sqlite3.Error; then it is closed, and looks anew."""
        if self._conn is None:
            self._conn = self._open()
            self._version = self._number("PRAGMA data_version")
            self._last = self._number(_LAST)
            return [MISSED]
        version = self._number("PRAGMA data_version")
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

    def _open(self) -> sqlite3.Connection:
        prepare(self._path, patience=self._patience)
        return sqlite3.connect(self._path, timeout=self._patience, isolation_level=None)

    def _number(self, sql: str) -> int:
        assert self._conn is not None
        return int(self._conn.execute(sql).fetchone()[0])
