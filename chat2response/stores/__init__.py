"""Stores: where documents live. `open_store` makes one from its address; SQLite loads only when asked for."""

import time
from collections.abc import Callable

from chat2response.stores.base import (
    ABSENT,
    Absent,
    CannotOpen,
    Entry,
    Page,
    Store,
    StoreDown,
    Tag,
)
from chat2response.stores.memory import MemoryStore

__all__ = [
    "ABSENT",
    "Absent",
    "CannotOpen",
    "Entry",
    "MemoryStore",
    "Page",
    "Store",
    "StoreDown",
    "Tag",
    "open_store",
]


def open_store(url: str, *, clock: Callable[[], float] = time.time, deadline: float = 2.0) -> Store:
    """The store at an address: `memory`, or `sqlite:<path>`.

    `clock`: epoch seconds; `deadline`: seconds that one call may take. Nothing is touched yet: the first
    call does that, or `open()`. Raises ValueError for an address that names no store; the text repeats
    only its scheme, for an address can hold a password.
    """
    scheme, _, path = url.partition(":")
    if scheme == "memory" and not path:
        return MemoryStore(clock=clock)
    if scheme == "sqlite":
        if path in ("", ":memory:"):
            raise ValueError("sqlite: needs the path of a file; for a store in memory write `memory`")
        if path.startswith("//"):
            raise ValueError("sqlite: is followed by a path, not by a URL: `sqlite:data/keys.db`")
        from chat2response.stores.sqlite import SqliteStore  # here: 40 ms that memory need not pay

        return SqliteStore(path, clock=clock, deadline=deadline)
    raise ValueError(f"no store is called {scheme!r}: write `memory` or `sqlite:<path>`")
