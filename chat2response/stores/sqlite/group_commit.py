"""Group commit: writes that wait for the SQL thread share one transaction, and so one wait for the disk.

All results are set after the COMMIT, none before. If one write fails, all are rolled back, and each runs
again in a transaction of its own, so that only its own caller sees a failure. A write that is cancelled while
it waits is left out; a write that has started runs to its end.
"""

import sqlite3
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from functools import partial
from typing import Any, Generic, TypeVar

from chat2response.stores.sqlite.connection import ConnectionLost, SqliteConnection

T = TypeVar("T")

MAX_BATCH = 64  # writes in one transaction, because other processes wait for its lock


class Write(Generic[T]):
    """A waiting write. `job`: its statements; it may run twice, and then only the second run counts."""

    def __init__(self, job: Callable[[SqliteConnection], T]) -> None:
        self.job = job
        self.result: Future[T] = Future()


def take_batch(waiting: deque[Write[Any]]) -> list[Write[Any]]:
    """Remove the next batch from the queue; its callers can no longer cancel it."""
    batch: list[Write[Any]] = []
    while waiting and len(batch) < MAX_BATCH:
        write = waiting.popleft()
        if write.result.set_running_or_notify_cancel():
            batch.append(write)
    return batch


def commit(connection: SqliteConnection, writes: Sequence[Write[Any]]) -> list[Any]:
    """The return value of each write, or its exception; durable on return.

    Raises sqlite3.Error, ConnectionLost if nothing was written.
    """
    try:
        return connection.transact(lambda: [write.job(connection) for write in writes])
    except Exception as error:
        if len(writes) == 1 or _is_shared(error):
            raise
    return _one_by_one(connection, writes)


def _one_by_one(connection: SqliteConnection, writes: Sequence[Write[Any]]) -> list[Any]:
    outcomes: list[Any] = []
    for write in writes:
        try:
            outcomes.append(connection.transact(partial(write.job, connection)))
        except Exception as error:
            outcomes.append(error)
            if _is_shared(error):  # each of the other writes would wait as long
                return [*outcomes, *[error] * (len(writes) - len(outcomes))]
    return outcomes


def _is_shared(error: Exception) -> bool:
    """Whether the error would meet every write: another process has the lock, or the thread hangs."""
    return isinstance(error, ConnectionLost) or getattr(error, "sqlite_errorcode", 0) & 0xFF in (
        sqlite3.SQLITE_BUSY,
        sqlite3.SQLITE_LOCKED,
    )
