"""The file of a SQLite store, with its -wal and -shm: detects that they were removed or replaced.

SQLite continues with a file that was removed or replaced: it writes to one that nobody else can see. So each
connection remembers the files that it has opened (`current`), and compares before each use
(`DatabaseFile.moved`). Then `DatabaseFile.check_usable` decides whether to open the file again, or to refuse
with a message that tells the operator what to do.

The main file is never opened here, only its metadata is read: closing a descriptor of it would drop the locks
that SQLite has on it in this process.
"""

import logging
import os
import sqlite3
import time
from contextlib import closing, suppress
from pathlib import Path
from threading import Lock
from typing import NamedTuple

log = logging.getLogger(__name__)

CHECK_SECONDS = 1.0  # maximum duration of the check when a file is opened; a larger file is checked in part
_PROGRESS_STEPS = 2000  # of SQLite's virtual machine between two readings of the clock

Inode = tuple[int, int]
State = tuple[int, ...] | None
"""What a commit changes of the main file and its -wal; None if one is missing."""


class Files(NamedTuple):
    """Device and inode of the main file, its -wal and its -shm; None for a missing file."""

    main: Inode | None
    wal: Inode | None
    shm: Inode | None


class FileUnusable(OSError):
    """The file at the path cannot be used. The message says why, `advice` what to do."""

    def __init__(self, text: str, advice: str) -> None:
        super().__init__(text)
        self.advice = advice


class DatabaseFile:
    """A file that the connections of a store share. Thread-safe."""

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        self._names = (str(path), f"{path}-wal", f"{path}-shm")
        self._lock = Lock()
        self._opened: Files | None = None  # by this store, the last time
        self._open: list[Files] = []  # by connections that are not closed yet
        self._last_state: tuple[int, int] | None = None  # size and mtime of the file while it was in place
        self._was_replaced = False  # the opened file is gone, whatever is at its path now
        self.suspect = False
        """Whether the feed has noticed that the file moved."""
        self._intact: Inode | None = None  # the file that passed the check
        self._pin: int | None = None
        self.fault: FileUnusable | None = None
        """Why the open file must not be used: the result of a later check."""

    def current(self) -> Files:
        """The files at the path now."""
        main, wal, shm = self._names
        return Files(_inode(main), _inode(wal), _inode(shm))

    def state(self) -> State:
        """The state of the files at the path now."""
        main, wal, _ = self._names
        try:
            stat, log = os.stat(main), os.stat(wal)  # noqa: PTH116 - a Path doubles the cost
        except OSError:
            return None
        return stat.st_ino, stat.st_size, stat.st_mtime_ns, log.st_ino, log.st_size, log.st_mtime_ns

    def moved(self, opened: Files) -> bool:
        """Whether the path no longer has the opened files: then a connection to them must not be used."""
        current = self.current()
        if current == opened:
            return False
        self.suspect = True
        if current.main != opened.main:
            self._was_replaced = True
        return True

    def may_have_moved(self, opened: Files) -> bool:
        """A faster check before each call; only the feed checks the -shm."""
        if self.suspect:
            return True
        main, wal, _ = self._names
        try:
            stat, wal_stat = os.stat(main), os.stat(wal)  # noqa: PTH116 - a Path doubles the cost
        except OSError:
            return True
        if (stat.st_dev, stat.st_ino) == opened.main and (wal_stat.st_dev, wal_stat.st_ino) == opened.wal:
            self._last_state = stat.st_size, stat.st_mtime_ns
            return False
        return True

    @property
    def may_create(self) -> bool:
        """False for a file that was in use and was removed: a new one would silently be without keys."""
        return self._opened is None

    def check_usable(self) -> None:
        """Called before a connection opens the file. Raises FileUnusable."""
        with self._lock:
            if self._opened is None:
                return
            self._check_replaced(self.current(), self._opened)

    def _check_replaced(self, current: Files, opened: Files) -> None:
        if current.main is None:
            self._was_replaced = True
            raise FileUnusable(
                f"the file {self.path} was removed while it was in use",
                "Restore the file or a backup of it, or restart every gateway to start without keys.",
            )
        state = _state(self._names[0])
        self._was_replaced = current.main != opened.main or (self._was_replaced and state != self._last_state)
        if self._was_replaced and current.wal == opened.wal and _state(self._names[1]) != (0, 0):
            raise FileUnusable(
                f"the file {self.path} was replaced, and its -wal still belongs to the old file",
                f"Remove {self.path.name}-wal and {self.path.name}-shm; then the new file is opened.",
            )
        if not self._was_replaced and state[0] == 0:
            raise damaged(self.path, "it is empty")
        # In one process SQLite shares one -shm per file: while an old one is open, a new -wal does not match.
        if any(each.main == current.main and each != current for each in self._open):
            raise FileUnusable(
                f"the -wal or -shm of the file {self.path} was removed while it was in use",
                "The gateway opens the file again in a moment.",
            )

    def opened(self, files: Files) -> None:
        """Register that a connection has opened these files; it calls `closed` later."""
        with self._lock:
            self._open.append(files)
            if self._opened != files:
                self._pin_inode(self._names[1])
            self._opened, self._was_replaced = files, False
            self._last_state = _state(self._names[0])
            self.suspect = False

    def closed(self, files: Files) -> None:
        """Register that the connection is closed."""
        with self._lock:
            self._open.remove(files)

    def check_once(self, *, patience: float) -> None:
        """`check` the file, unless this very file has already passed."""
        main = self.current().main
        if self._intact == main and self.fault is None:
            return
        if not check(self.path, patience=patience):
            log.info("%s is large, so only a part of it was checked", self.path)
        self._intact, self.fault = main, None

    def check_again(self, *, patience: float, seconds: float) -> None:
        """`check` a file that was modified. An error stops the store until a later check passes."""
        try:
            if _state(self._names[0])[0] == 0:  # SQLite would take it for a new file, and remove the -wal
                raise damaged(self.path, "it is empty")
            check(self.path, patience=patience, seconds=seconds)
        except FileUnusable as fault:
            log.error("%s. %s", fault, fault.advice)
            self.fault = fault
            raise

    def close(self) -> None:
        """Release the file."""
        with self._lock:
            self._unpin()

    def _pin_inode(self, wal: str) -> None:
        """Open the -wal, so that no other file gets its inode number. SQLite has no locks on a -wal."""
        self._unpin()
        with suppress(OSError):
            self._pin = os.open(wal, os.O_RDONLY | os.O_CLOEXEC)

    def _unpin(self) -> None:
        pin, self._pin = self._pin, None
        if pin is not None:
            os.close(pin)


def check(path: Path, *, patience: float, seconds: float = CHECK_SECONDS) -> bool:
    """SQLite's quick_check on a separate connection, for `seconds` at most; False if it did not finish.

    Raises FileUnusable if the file is damaged, sqlite3.Error if it cannot be checked now.
    """
    end = time.monotonic() + seconds
    with closing(sqlite3.connect(f"{path.resolve().as_uri()}?mode=rw", uri=True, timeout=patience)) as conn:
        conn.set_progress_handler(lambda: time.monotonic() > end, _PROGRESS_STEPS)
        try:
            results = [str(text) for (text,) in conn.execute("PRAGMA quick_check(1)")]
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode == sqlite3.SQLITE_INTERRUPT:
                return False
            raise
        except sqlite3.DatabaseError as error:
            if error.sqlite_errorcode & 0xFF not in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB):
                raise
            results = [str(error)]
    if results != ["ok"]:
        raise damaged(path, results[0])
    return True


def damaged(path: Path, why: str) -> FileUnusable:
    """The error for a file whose content is damaged."""
    return FileUnusable(
        f"the file {path} is damaged: {why}",
        "Stop every gateway, move the file away with its -wal and -shm, and restore a backup. "
        f"Or save what is readable: sqlite3 {path.name} .recover | sqlite3 new.db",
    )


def _inode(path: str) -> Inode | None:
    try:
        stat = os.stat(path)  # noqa: PTH116 - before each call of the store: a Path doubles the cost
    except OSError:
        return None
    return stat.st_dev, stat.st_ino


def _state(path: str) -> tuple[int, int]:
    """Size and mtime; (0, 0) if the file is missing or empty."""
    try:
        stat = os.stat(path)  # noqa: PTH116 - as in _inode
    except OSError:
        return 0, 0
    return stat.st_size, stat.st_mtime_ns if stat.st_size else 0
