"""Writes that wait for the SQL thread together share one transaction, and so one wait for the disk.

All are answered after the COMMIT, none before. Where one of them fails nothing of them is kept, and each runs
again in a transaction of its own: a failure is its caller's alone. Whoever goes away while it waits is left
out; what has begun runs to its end.
"""

import sqlite3
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from functools import partial
from typing import Any, Generic, TypeVar

from chat2response.stores.sqlite.connection import ConnectionLost, SqliteConnection

T = TypeVar("T")

AT_ONCE = 64  # writes in one transaction at most: other processes wait for its lock


class Write(Generic[T]):
    """One that waits. `job`: its statements; it may run twice, and only the second run counts then."""

    def __init__(self, job: Callable[[SqliteConnection], T]) -> None:
        self.job = job
        self.answer: Future[T] = Future()


def taken(waiting: deque[Write[Any]]) -> list[Write[Any]]:
    """The next of those that wait; from now on their callers cannot cancel them."""
    found: list[Write[Any]] = []
    while waiting and len(found) < AT_ONCE:
        write = waiting.popleft()
        if write.answer.set_running_or_notify_cancel():
            found.append(write)
    return found


def commit(link: SqliteConnection, writes: Sequence[Write[Any]]) -> list[Any]:
    """What each has returned, or the exception that it has raised; durable on return.

    Raises sqlite3.Error, ConnectionLost where nothing of them was written.
    """
    try:
        return link.transact(lambda: [write.job(link) for write in writes])
    except Exception as error:
        if len(writes) == 1 or _has_waited(error):
            raise
    return _one_by_one(link, writes)


def _one_by_one(link: SqliteConnection, writes: Sequence[Write[Any]]) -> list[Any]:
    outcomes: list[Any] = []
    for write in writes:
        try:
            outcomes.append(link.transact(partial(write.job, link)))
        except Exception as error:
            outcomes.append(error)
            if _has_waited(error):  # the others would wait as long, each
                return [*outcomes, *[error] * (len(writes) - len(outcomes))]
    return outcomes


def _has_waited(error: Exception) -> bool:
    """Whether it is no job's own: another process holds the lock, or the disk holds the thread."""
    return isinstance(error, ConnectionLost) or getattr(error, "sqlite_errorcode", 0) & 0xFF in (
        sqlite3.SQLITE_BUSY,
        sqlite3.SQLITE_LOCKED,
    )
