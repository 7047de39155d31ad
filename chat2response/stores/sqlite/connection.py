"""One connection to a SQLite file, through sqlitedict: blocking, for one thread at a time.

sqlitedict runs the connection in a thread of its own and returns rows through queues. Three of its
behaviours would lose data or hang, so all SQL goes through `rows` here:

* it sets `synchronous=OFF` on every connection: `SqliteConnection` sets FULL and reads it back;
* its `commit()` waits for ever if the commit fails: COMMIT is sent as a statement, which raises;
* its reads wait for ever if its thread has died: each row is awaited with a timeout.
"""

import logging
import os
import sqlite3
import stat
import time
from collections.abc import Callable, Mapping
from contextlib import closing, suppress
from pathlib import Path
from queue import Empty, Queue
from typing import Any, TypeVar

from sqlitedict import SqliteDict

from chat2response.stores.sqlite.file import DatabaseFile, FileUnusable
from chat2response.stores.sqlite.process_queue import WriteQueue
from chat2response.wire.json import decode, encode

T = TypeVar("T")

TABLE = "docs"  # sqlitedict's shape: key TEXT PRIMARY KEY, value BLOB
LOGS = "logs"  # the documents of logs; a log's head is a row of `docs`
CHANGES = "changes"  # the latest puts and deletes, for other processes
END = "json_extract(value, '$.exp')"

_RETRY_SECONDS = 0.01

_SCHEMA = [
    f'CREATE TABLE IF NOT EXISTS "{TABLE}" (key TEXT PRIMARY KEY, value BLOB)',
    f'CREATE INDEX IF NOT EXISTS "{TABLE}_end" ON "{TABLE}" ({END}) WHERE {END} IS NOT NULL',
    f"""CREATE TABLE IF NOT EXISTS "{LOGS}" (key TEXT, at INTEGER, value TEXT, PRIMARY KEY (key, at))
        WITHOUT ROWID""",
    f"""CREATE TABLE IF NOT EXISTS "{CHANGES}"
        (seq INTEGER PRIMARY KEY AUTOINCREMENT, key TEXT, writer TEXT)""",
]

# sqlitedict logs a dozen lines for each failed statement; the exception that is raised says it once.
_silent = logging.getLogger(f"{__name__}.sqlitedict")
_silent.setLevel(logging.CRITICAL + 1)


class ConnectionLost(Exception):
    """The connection's thread does not answer: it has died, or it waits for the disk."""


class SqliteConnection:
    """An open connection in WAL mode. A commit is on disk when it returns.

    `patience`: seconds to wait for a lock or a row. Raises OSError, sqlite3.Error, ConnectionLost.
    """

    def __init__(self, file: DatabaseFile, *, patience: float) -> None:
        prepare(file, patience=patience)
        path = file.path
        self._file = file
        self._patience = patience
        self._table = SqliteDict(
            str(path),
            tablename=TABLE,
            journal_mode="WAL",
            encode=lambda value: encode(value).decode(),
            decode=decode,
            outer_stack=False,
        )
        self._conn = self._table.conn
        self._conn.log = _silent
        try:
            self._make_durable()
            self.rows(f'SELECT 1 FROM "{TABLE}" LIMIT 1')  # from here on its -wal and -shm exist
        except BaseException:
            self._close()
            raise
        self._opened = file.current()
        file.opened(self._opened)
        self._queue = WriteQueue(path, patience=patience / 2)

    @property
    def moved(self) -> bool:
        """Whether the file at the path is not the one that is open here."""
        return self._file.may_have_moved(self._opened) and self._file.moved(self._opened)

    def checkpoint(self) -> None:
        """Copy the content of a removed -wal into the main file, unless the main file was replaced, too."""
        if self._file.current().main == self._opened.main:
            with suppress(sqlite3.Error, ConnectionLost):
                self.rows("PRAGMA wal_checkpoint(FULL)")

    def _make_durable(self) -> None:
        # Shorter than the timeout of `rows`, so that SQLite itself reports "database is locked".
        self.rows(f"PRAGMA busy_timeout={int(self._patience * 900)}")
        self.rows("PRAGMA synchronous=FULL")
        if self.rows("PRAGMA synchronous") != [(2,)] or self.rows("PRAGMA journal_mode") != [("wal",)]:
            raise sqlite3.OperationalError("SQLite did not take WAL with synchronous=FULL")

    def rows(self, sql: str, args: Mapping[str, Any] | None = None) -> list[tuple[Any, ...]]:
        """Run one statement and return all its rows. Raises sqlite3.Error, ConnectionLost."""
        queue: Queue[Any] = Queue()
        self._conn.execute(sql, args, queue)
        rows: list[tuple[Any, ...]] = []
        while isinstance(row := self._next(queue), tuple):  # anything else marks the end
            rows.append(row)
        self._conn.check_raise_error()
        return rows

    def _next(self, queue: "Queue[Any]") -> Any:
        try:
            return queue.get(timeout=self._patience)
        except Empty:
            raise ConnectionLost("the database thread does not answer") from None

    def transact(self, work: Callable[[], T]) -> T:
        """Run reads and writes as one transaction, isolated from other processes and durable on return.

        Raises sqlite3.Error, ConnectionLost, and any exception of `work`; then nothing was written.
        """
        with self._queue.turn():
            try:
                self.rows("BEGIN IMMEDIATE")
                result = work()
                self.rows("COMMIT")
            except ConnectionLost:  # no thread that could roll back
                raise
            except BaseException:
                with suppress(sqlite3.Error, ConnectionLost):  # SQLite may have rolled back by itself
                    self.rows("ROLLBACK")
                raise
        return result

    def close(self) -> None:
        """Close the connection; an open transaction is rolled back. A hung thread is abandoned."""
        self._queue.close()
        self._close()
        self._file.closed(self._opened)

    def _close(self) -> None:
        self._table.close(do_log=False, force=True)
        self._conn.join(self._patience)


def prepare(file: DatabaseFile, *, patience: float) -> None:
    """Create the folder (0700), file (0600) and tables, with plain sqlite3: its errors are clear and timely.

    sqlitedict then has nothing to create. A file that was in use and was removed is not created again; an
    existing file that is opened for the first time, or replaces another, is checked. Raises OSError (one is
    FileUnusable), sqlite3.Error.
    """
    path = file.path
    file.check_usable()
    if file.may_create:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    _refuse_foreign(path, patience)
    _make_private(path)
    file.check_once(patience=patience)
    with closing(sqlite3.connect(path, timeout=patience)) as conn:
        mode = _enable_wal(conn, patience)
        if mode != "wal":
            raise sqlite3.OperationalError(f"this file system does not support WAL (journal mode is {mode})")
        _create_tables(conn)


def _create_tables(conn: sqlite3.Connection) -> None:
    """In one transaction, so that only one commit waits for the disk."""
    existing = {name for (name,) in conn.execute("SELECT name FROM sqlite_master")}
    if existing.issuperset((TABLE, f"{TABLE}_end", LOGS, CHANGES)):
        return
    conn.execute("BEGIN IMMEDIATE")
    for sql in _SCHEMA:
        conn.execute(sql)
    conn.commit()


def _enable_wal(conn: sqlite3.Connection, patience: float) -> str:
    """Switch the file to WAL; returns the resulting journal mode. Raises sqlite3.Error.

    If two processes create the same file, each has a lock that the other needs. SQLite then reports "locked"
    to one of them at once, whatever its timeout (https://sqlite.org/c3ref/busy_handler.html); a retry helps.
    """
    end = time.monotonic() + patience
    while True:
        try:
            return str(conn.execute("PRAGMA journal_mode=WAL").fetchone()[0])
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode != sqlite3.SQLITE_BUSY or time.monotonic() > end:
                raise
            time.sleep(_RETRY_SECONDS)


def _refuse_foreign(path: Path, patience: float) -> None:
    """Raises sqlite3.Error for another program's database, before anything of it is changed."""
    if not path.is_file() or path.stat().st_size == 0:
        return
    with closing(sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro", uri=True, timeout=patience)) as conn:
        names = {name for (name,) in conn.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
    if names and TABLE not in names:
        raise sqlite3.DatabaseError("it is another program's database")


def _make_private(path: Path) -> None:
    """Readable by the owner only. SQLite gives -wal and -shm the same mode."""
    try:
        # O_EXCL: an existing file is not opened here, because closing it would drop the locks that
        # SQLite has on it in this process.
        os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600))
    except FileExistsError:
        mode = path.stat().st_mode
        if not stat.S_ISREG(mode):
            raise FileUnusable(
                f"{path} is not a regular file",
                "Choose another path with CHAT2RESPONSE_SQLITE_PATH or --keys-backend sqlite:<path>.",
            ) from None
        if mode & 0o077:
            with suppress(PermissionError):  # the file belongs to another user
                path.chmod(0o600)
