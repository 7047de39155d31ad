"""The file of a SQLite store, and the two beside it (-wal, -shm): whether they are still what was opened.

SQLite goes on with a file that was removed or replaced: it writes to one that nobody else sees. So each
connection remembers what it has opened (`look`), and asks before each use (`DatabaseFile.moved`). What then
is done is `DatabaseFile.admit`'s to say: open anew, or refuse with a sentence that tells what to do.

The main file is only looked at, never opened here: closing a descriptor of it would drop the locks that
SQLite holds on it in this process.
"""

import logging
import os
import sqlite3
import time
from contextlib import closing, suppress
from pathlib import Path
from threading import Lock
from typing import NamedTuple

_log = logging.getLogger(__name__)

CHECK_SECONDS = 1.0  # for which a file is checked at most when it is opened; of a bigger one the rest is not
_STEPS = 2000  # of SQLite's machine between two looks at the time

Inode = tuple[int, int]


class Files(NamedTuple):
    """Device and inode of the file, of its -wal and its -shm; None for one that is not there."""

    main: Inode | None
    wal: Inode | None
    shm: Inode | None


class FileUnusable(OSError):
    """The file at the path is not to be used as it is. The text says why, `advice` what to do."""

    def __init__(self, text: str, advice: str) -> None:
        super().__init__(text)
        self.advice = advice


class DatabaseFile:
    """One file, as the connections of a store share it; for several threads."""

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        self._names = (str(path), f"{path}-wal", f"{path}-shm")
        self._lock = Lock()
        self._opened: Files | None = None  # by this store, the last time
        self._open: list[Files] = []  # by connections that are not closed yet
        self._seen: tuple[int, int] | None = None  # size and time of the file, while it was as it was opened
        self._is_another = False  # the file that was opened is gone, whatever is at its path now
        self.suspect = False
        """Whether the feed has seen that it moved."""
        self._sound: Inode | None = None  # the one that was checked
        self._pin: int | None = None
        self.fault: FileUnusable | None = None
        """Why it is not used although it is open: what a check has found since then."""

    def look(self) -> Files:
        """What is at the path now."""
        main, wal, shm = self._names
        return Files(_inode(main), _inode(wal), _inode(shm))

    def moved(self, opened: Files) -> bool:
        """Whether that is not what was opened: nothing may be read or written through it any more."""
        found = self.look()
        if found == opened:
            return False
        self.suspect = True
        if found.main != opened.main:
            self._is_another = True
        return True

    def may_have_moved(self, opened: Files) -> bool:
        """A shorter look, for before each call; the -shm alone is the feed's to look at."""
        if self.suspect:
            return True
        main, wal, _ = self._names
        try:
            found, beside = os.stat(main), os.stat(wal)  # noqa: PTH116 - a Path costs as much again
        except OSError:
            return True
        if (found.st_dev, found.st_ino) == opened.main and (beside.st_dev, beside.st_ino) == opened.wal:
            self._seen = found.st_size, found.st_mtime_ns
            return False
        return True

    @property
    def may_be_made(self) -> bool:
        """A file that was in use and is gone is not made anew: every key would be gone without a word."""
        return self._opened is None

    def admit(self) -> None:
        """Called before it is opened. Raises FileUnusable."""
        with self._lock:
            if self._opened is None:
                return
            self._judge(self.look(), self._opened)

    def _judge(self, found: Files, opened: Files) -> None:
        if found.main is None:
            self._is_another = True
            raise FileUnusable(
                f"the file {self.path} was removed while it was in use",
                "Put it back, or a copy of it; or restart every gateway to begin without keys.",
            )
        state = _state(self._names[0])
        self._is_another = found.main != opened.main or (self._is_another and state != self._seen)
        if self._is_another and found.wal == opened.wal and _state(self._names[1]) != (0, 0):
            raise FileUnusable(
                f"the file {self.path} was replaced, and the -wal beside it is of the file before",
                f"Remove {self.path.name}-wal and {self.path.name}-shm, and the new file is opened.",
            )
        if not self._is_another and state[0] == 0:
            raise damaged(self.path, "it is empty")
        # Within a process SQLite has one -shm for a file: with an old one open, a new -wal would not fit it.
        if any(each.main == found.main and each != found for each in self._open):
            raise FileUnusable(
                f"what is beside the file {self.path} was removed while it was in use",
                "It is opened anew in a moment.",
            )

    def opened(self, files: Files) -> None:
        """A connection has opened these; `closed` is to follow."""
        with self._lock:
            self._open.append(files)
            if self._opened != files:
                self._hold_number(self._names[1])
            self._opened, self._is_another, self._seen = files, False, _state(self._names[0])
            self.suspect = False

    def closed(self, files: Files) -> None:
        """That connection is closed."""
        with self._lock:
            self._open.remove(files)

    def check_once(self, *, patience: float) -> None:
        """`check`, unless it has had one since it is at the path."""
        main = self.look().main
        if self._sound == main and self.fault is None:
            return
        if not check(self.path, patience=patience):
            _log.info("%s is big: it was checked in part", self.path)
        self._sound, self.fault = main, None

    def check_again(self, *, patience: float, seconds: float) -> None:
        """After somebody wrote into it. What is wrong stops the store, until a later check finds it right."""
        try:
            if _state(self._names[0])[0] == 0:  # SQLite would take it for a new one, and remove the -wal
                raise damaged(self.path, "it is empty")
            check(self.path, patience=patience, seconds=seconds)
        except FileUnusable as fault:
            _log.error("%s. %s", fault, fault.advice)
            self.fault = fault
            raise

    def close(self) -> None:
        """Nobody uses it any more."""
        with self._lock:
            self._let_go()

    def _hold_number(self, wal: str) -> None:
        """While it is open, no other file gets the inode number of this -wal. SQLite has no locks on it."""
        self._let_go()
        with suppress(OSError):
            self._pin = os.open(wal, os.O_RDONLY | os.O_CLOEXEC)

    def _let_go(self) -> None:
        pin, self._pin = self._pin, None
        if pin is not None:
            os.close(pin)


def check(path: Path, *, patience: float, seconds: float = CHECK_SECONDS) -> bool:
    """SQLite's quick_check, through a connection of its own, for so many seconds; whether it came to its end.

    Raises FileUnusable where something is wrong, sqlite3.Error where it cannot be checked now.
    """
    end = time.monotonic() + seconds
    with closing(sqlite3.connect(f"{path.resolve().as_uri()}?mode=rw", uri=True, timeout=patience)) as conn:
        conn.set_progress_handler(lambda: time.monotonic() > end, _STEPS)
        try:
            found = [str(text) for (text,) in conn.execute("PRAGMA quick_check(1)")]
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode == sqlite3.SQLITE_INTERRUPT:
                return False
            raise
        except sqlite3.DatabaseError as error:
            if error.sqlite_errorcode & 0xFF not in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB):
                raise
            found = [str(error)]
    if found != ["ok"]:
        raise damaged(path, found[0])
    return True


def damaged(path: Path, why: str) -> FileUnusable:
    """What is said of a file whose content is wrong."""
    return FileUnusable(
        f"the file {path} is damaged: {why}",
        "Stop every gateway, move it away with its -wal and -shm, and put a copy back; "
        f"or save what can be read: sqlite3 {path.name} .recover | sqlite3 new.db",
    )


def _inode(path: str) -> Inode | None:
    try:
        found = os.stat(path)  # noqa: PTH116 - before each call of the store: a Path costs as much again
    except OSError:
        return None
    return found.st_dev, found.st_ino


def _state(path: str) -> tuple[int, int]:
    """Size, and when it was written to; nothing, where there is no file."""
    try:
        found = os.stat(path)  # noqa: PTH116 - as above
    except OSError:
        return 0, 0
    return found.st_size, found.st_mtime_ns if found.st_size else 0
