"""A fair queue for processes that write to one SQLite file.

If the file is locked, SQLite sleeps and retries at growing intervals; a process that comes in between wins.
So a busy writer could keep another process waiting for seconds. Here two lock files decide the order before
SQLite does: the process that has locked `-turn` writes next, and waits for `-write`, which the current writer
has locked. So a process that has just written comes after the one that waits. The kernel releases both locks
when a process dies.

The queue only decides the order. SQLite's own lock separates the writers, so a process that waits too long
continues without a turn, and programs that do not use the queue are safe.
"""

import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

FIRST_PAUSE, LONGEST_PAUSE = 0.0002, 0.002  # seconds between two attempts


class WriteQueue:
    """The queue in one process, for one thread. `patience`: seconds before it continues without a turn."""

    def __init__(self, path: Path, *, patience: float) -> None:
        self._patience = patience
        self._turn, self._write = _open(f"{path}-turn"), _open(f"{path}-write")

    @contextmanager
    def turn(self) -> Iterator[None]:
        """A context in which no other process that uses the queue writes."""
        locked = self._wait()
        try:
            yield
        finally:
            if locked:
                fcntl.flock(self._write, fcntl.LOCK_UN)

    def close(self) -> None:
        """Close the lock files; they stay for the other processes."""
        for file in (self._turn, self._write):
            with suppress(OSError):
                os.close(file)
        self._turn = self._write = -1

    def _wait(self) -> bool:
        """Wait for the turn; False if it does not come in time."""
        if self._turn < 0 or self._write < 0:
            return False
        end = time.monotonic() + self._patience
        if not _lock(self._turn, end):
            return False
        try:
            return _lock(self._write, end)
        finally:
            fcntl.flock(self._turn, fcntl.LOCK_UN)


def _lock(file: int, end: float) -> bool:
    """Poll for the lock, because a blocking flock has no timeout if its owner hangs."""
    pause = FIRST_PAUSE
    while True:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() > end:
                return False
            time.sleep(pause)
            pause = min(pause * 1.5, LONGEST_PAUSE)
        except OSError:  # a file system without locks
            return False
        else:
            return True


def _open(path: str) -> int:
    """The file descriptor; -1 if the file cannot be created: a read-only folder still allows reads."""
    try:
        return os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError:
        return -1
