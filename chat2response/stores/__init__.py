"""Stores: where documents live. `open_store` makes one from its address, and loads only what it takes."""

import time
from collections.abc import Callable
from os.path import normpath
from pathlib import Path

from chat2response.stores.base import (
    ABSENT,
    MISSED,
    UNREADABLE,
    Absent,
    CannotOpen,
    Entry,
    Lease,
    Missed,
    Page,
    Store,
    StoreDown,
    Tag,
    Unreadable,
)
from chat2response.stores.ledger import new_lease_id
from chat2response.stores.memory import MemoryStore
from chat2response.stores.redis import address

__all__ = [
    "ABSENT",
    "MISSED",
    "UNREADABLE",
    "Absent",
    "CannotOpen",
    "Entry",
    "Lease",
    "MemoryStore",
    "Missed",
    "Page",
    "Store",
    "StoreDown",
    "Tag",
    "Unreadable",
    "new_lease_id",
    "open_store",
    "shown_address",
]


def open_store(
    url: str, *, clock: Callable[[], float] = time.time, deadline: float = 2.0, redis_pool_max: int = 16
) -> Store:
    """The store at an address: `memory`, `sqlite:<path>`, or a URL: `redis://`, `rediss://`, `unix://`.

    `clock`: epoch seconds (Redis goes by its own); `deadline`: seconds that one call may take. Nothing is
    touched yet: the first call does that, or `open()`. Raises ValueError for an address that names no store;
    the text repeats only its scheme, for an address can hold a password.
    """
    scheme, _, path = url.partition(":")
    if scheme == "memory" and not path:
        return MemoryStore(clock=clock)
    if scheme == "sqlite":
        if path in ("", ":memory:"):
            raise ValueError("sqlite: needs the path of a file; for a store in memory write `memory`")
        if path.startswith("//"):
            raise ValueError("sqlite: is followed by a path, not by a URL: `sqlite:data/keys.db`")
        from chat2response.stores.sqlite.store import SqliteStore  # here: 40 ms that memory need not pay

        return SqliteStore(path, clock=clock, deadline=deadline)
    if scheme in address.SCHEMES:
        address.check(url)
        from chat2response.stores.redis.store import RedisStore  # here: half a second

        return RedisStore(url, deadline=deadline, pool_max=redis_pool_max)
    if scheme == "sled":
        raise ValueError("sled is not kept here: write `sqlite:<path of a new file>` in its place")
    raise ValueError(f"no store is called {scheme!r}: write `memory`, `sqlite:<path>` or `redis://<host>`")


def shown_address(url: str) -> str:
    """A store's address, checked by `open_store`, as it may be printed: without user and password.

    Of a file it is the absolute path.
    """
    scheme, _, path = url.partition(":")
    if scheme == "sqlite":
        return f"sqlite:{normpath(Path(path).absolute())}"
    return address.shown(url) if scheme in address.SCHEMES else url
