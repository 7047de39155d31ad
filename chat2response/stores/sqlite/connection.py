"""One connection to a SQLite file, through sqlitedict: blocking, for one thread at a time.

sqlitedict runs the connection in a thread of its own and answers through queues. Three of its habits
would lose data or hang, so all SQL goes through `rows` here:

* it sets `synchronous=OFF` on every connection: we set FULL and read it back;
* its `commit()` waits for ever when the commit fails: we send COMMIT as a statement, which raises;
* its reads wait for ever when its thread has died: we wait for each row with a limit.
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
from chat2response.stores.sqlite.write_queue import WriteQueue
from chat2response.wire.json import decode, encode

T = TypeVar("T")

TABLE = "docs"  # sqlitedict's shape: key TEXT PRIMARY KEY, value BLOB
LOGS = "logs"  # the documents of a log, whose head is a row of `docs`
CHANGES = "changes"  # the newest puts and deletes, for the other processes
END = "json_extract(value, '$.exp')"

_BETWEEN_TRIES = 0.01  # seconds

_MAKE = [
    f'CREATE TABLE IF NOT EXISTS "{TABLE}" (key TEXT PRIMARY KEY, value BLOB)',
    f'CREATE INDEX IF NOT EXISTS "{TABLE}_end" ON "{TABLE}" ({END}) WHERE {END} IS NOT NULL',
    f"""CREATE TABLE IF NOT EXISTS "{LOGS}" (key TEXT, at INTEGER, value TEXT, PRIMARY KEY (key, at))
        WITHOUT ROWID""",
    f"""CREATE TABLE IF NOT EXISTS "{CHANGES}"
        (seq INTEGER PRIMARY KEY AUTOINCREMENT, key TEXT, writer TEXT)""",
]

# sqlitedict logs a dozen lines for each failed statement; the exception says it once, and we raise that.
_silent = logging.getLogger(f"{__name__}.sqlitedict")
_silent.setLevel(logging.CRITICAL + 1)


class ConnectionLost(Exception):
    """The connection's thread does not answer: it has died, or the disk holds it."""


class SqliteConnection:
    """An open connection in WAL mode whose commits are on disk when they return.

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
            self.rows(f'SELECT 1 FROM "{TABLE}" LIMIT 1')  # from here on its -wal and -shm are there
        except BaseException:
            self._close()
            raise
        self._opened = file.look()
        file.opened(self._opened)
        self._queue = WriteQueue(path, patience=patience / 2)

    @property
    def moved(self) -> bool:
        """Whether the file at the path is not the one that is open here."""
        return self._file.may_have_moved(self._opened) and self._file.moved(self._opened)

    def save(self) -> None:
        """Bring what stands in a -wal that was removed into the file, if that is still the same."""
        if self._file.look().main == self._opened.main:
            with suppress(sqlite3.Error, ConnectionLost):
                self.rows("PRAGMA wal_checkpoint(FULL)")

    def _make_durable(self) -> None:
        # Less than our own wait for the answer, so that "database is locked" is told by SQLite itself.
        self.rows(f"PRAGMA busy_timeout={int(self._patience * 900)}")
        self.rows("PRAGMA synchronous=FULL")
        if self.rows("PRAGMA synchronous") != [(2,)] or self.rows("PRAGMA journal_mode") != [("wal",)]:
            raise sqlite3.OperationalError("SQLite did not take WAL with synchronous=FULL")

    def rows(self, sql: str, args: Mapping[str, Any] | None = None) -> list[tuple[Any, ...]]:
        """Run one statement and return all its rows. Raises sqlite3.Error, ConnectionLost."""
        answer: Queue[Any] = Queue()
        self._conn.execute(sql, args, answer)
        found: list[tuple[Any, ...]] = []
        while isinstance(got := self._next(answer), tuple):  # what is no row is the end mark
            found.append(got)
        self._conn.check_raise_error()
        return found

    def _next(self, answer: "Queue[Any]") -> Any:
        try:
            return answer.get(timeout=self._patience)
        except Empty:
            raise ConnectionLost("the database thread does not answer") from None

    def transact(self, work: Callable[[], T]) -> T:
        """Run reads and writes as one transaction that no other process gets between, durable on return.

        Raises what `work` does, sqlite3.Error, ConnectionLost; then nothing of it was written.
        """
        with self._queue.turn():
            try:
                self.rows("BEGIN IMMEDIATE")
                done = work()
                self.rows("COMMIT")
            except ConnectionLost:  # nobody there to roll back
                raise
            except BaseException:
                with suppress(sqlite3.Error, ConnectionLost):  # SQLite may have rolled back by itself
                    self.rows("ROLLBACK")
                raise
        return done

    def close(self) -> None:
        """Close the connection; an open transaction is rolled back. A thread that hangs is left behind."""
        self._queue.close()
        self._close()
        self._file.closed(self._opened)

    def _close(self) -> None:
        self._table.close(do_log=False, force=True)
        self._conn.join(self._patience)


def prepare(file: DatabaseFile, *, patience: float) -> None:
    """Make folder (0700), file (0600) and table, by plain sqlite3, whose errors are clear and in time.

    What sqlitedict then finds needs no more writing. A file that was in use and is gone is not made; one that
    is there when it is opened, for the first time or in another's place, is checked. Raises OSError (one is
    FileUnusable), sqlite3.Error.
    """
    path = file.path
    file.admit()
    if file.may_be_made:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    _refuse_foreign(path, patience)
    _make_private(path)
    file.check_once(patience=patience)
    with closing(sqlite3.connect(path, timeout=patience)) as conn:
        mode = _into_wal(conn, patience)
        if mode != "wal":
            raise sqlite3.OperationalError(f"this file system cannot do WAL (journal mode is {mode})")
        _make_tables(conn)


def _make_tables(conn: sqlite3.Connection) -> None:
    """In one transaction: each by itself would wait for the disk."""
    made = {name for (name,) in conn.execute("SELECT name FROM sqlite_master")}
    if made.issuperset((TABLE, f"{TABLE}_end", LOGS, CHANGES)):
        return
    conn.execute("BEGIN IMMEDIATE")
    for sql in _MAKE:
        conn.execute(sql)
    conn.commit()


def _into_wal(conn: sqlite3.Connection, patience: float) -> str:
    """Switch the file to WAL; returns the journal mode it has then. Raises sqlite3.Error.

    Where two processes make the same file, each holds what the other needs: SQLite then says "locked" to one
    of them at once, whatever its timeout (https://sqlite.org/c3ref/busy_handler.html), and a second try does.
    """
    end = time.monotonic() + patience
    while True:
        try:
            return str(conn.execute("PRAGMA journal_mode=WAL").fetchone()[0])
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode != sqlite3.SQLITE_BUSY or time.monotonic() > end:
                raise
            time.sleep(_BETWEEN_TRIES)


def _refuse_foreign(path: Path, patience: float) -> None:
    """A file that is not ours is not changed, not even its mode. Raises sqlite3.Error."""
    if not path.is_file() or path.stat().st_size == 0:
        return
    with closing(sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro", uri=True, timeout=patience)) as conn:
        names = {name for (name,) in conn.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
    if names and TABLE not in names:
        raise sqlite3.DatabaseError("it is another program's database")


def _make_private(path: Path) -> None:
    """Owner only. SQLite gives the files beside it (-wal, -shm) the same mode."""
    try:
        # O_EXCL: a file that exists is not opened here, for closing it would drop the locks that
        # SQLite holds on it in this process.
        os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600))
    except FileExistsError:
        mode = path.stat().st_mode
        if not stat.S_ISREG(mode):
            raise FileUnusable(
                f"{path} is not a regular file",
                "Choose a file with CHAT2RESPONSE_SQLITE_PATH, or --keys-backend sqlite:<path>.",
            ) from None
        if mode & 0o077:
            with suppress(PermissionError):  # another user's file is that user's affair
                path.chmod(0o600)
