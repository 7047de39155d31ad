"""Processes that write to one SQLite file take turns.

SQLite lets who finds the file locked sleep, and try again ever more rarely; whoever comes by in between is
first. A process that writes much could keep another one out for seconds. Here two lock files decide before
SQLite does: who holds `-turn` is the next to write, and waits for `-write`, which the writer holds. So a
process that has just written is behind the one that waits. The kernel gives both back when a process dies.

They are for order alone. SQLite's own lock is what keeps writers apart, so who waits too long goes on without
a turn, and programs that know nothing of this are safe.
"""

import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

FIRST_PAUSE, LONGEST_PAUSE = 0.0002, 0.002  # seconds between two tries


class WriteQueue:
    """One process's place in it, for one thread. `patience`: seconds after which it goes without a turn."""

    def __init__(self, path: Path, *, patience: float) -> None:
        self._patience = patience
        self._turn, self._write = _open(f"{path}-turn"), _open(f"{path}-write")

    @contextmanager
    def turn(self) -> Iterator[None]:
        """Inside it, nobody else who queues writes."""
        taken = self._wait()
        try:
            yield
        finally:
            if taken:
                fcntl.flock(self._write, fcntl.LOCK_UN)

    def close(self) -> None:
        """Lets go of the files; they stay, for the others."""
        for file in (self._turn, self._write):
            with suppress(OSError):
                os.close(file)
        self._turn = self._write = -1

    def _wait(self) -> bool:
        """Whether the turn came in time."""
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
    """By trying: a wait in the kernel has no end where its holder hangs."""
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
    """-1 where it cannot be made: the folder may be read-only, and reading needs no turn."""
    try:
        return os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError:
        return -1
