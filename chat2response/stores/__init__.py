"""Stores of JSON documents, counters, leases and logs: in memory, in SQLite, in Redis. Contract: `base`.

`open_store` creates one from its address, and imports only that backend. Nothing here knows what is stored.
"""

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

    `clock`: epoch seconds (Redis uses its own); `deadline`: seconds that one call may take. Nothing is opened
    before the first call or `open()`. Raises ValueError for an invalid address; the message repeats only the
    scheme, because an address may contain a password.
    """
    scheme, _, path = url.partition(":")
    if scheme == "memory" and not path:
        return MemoryStore(clock=clock)
    if scheme == "sqlite":
        if path in ("", ":memory:"):
            raise ValueError("sqlite: needs the path of a file. For a store in memory, write `memory`")
        if path.startswith("//"):
            raise ValueError("sqlite: takes a path, not a URL. Write it as in `sqlite:data/keys.db`")
        from chat2response.stores.sqlite.store import SqliteStore  # imported here: it takes 40 ms

        return SqliteStore(path, clock=clock, deadline=deadline)
    if scheme in address.SCHEMES:
        address.check(url)
        from chat2response.stores.redis.store import RedisStore  # imported here: it takes half a second

        return RedisStore(url, deadline=deadline, pool_max=redis_pool_max)
    if scheme == "sled":
        raise ValueError("sled is not supported. Write `sqlite:<path of a new file>` instead")
    raise ValueError(f"there is no store {scheme!r}. Write `memory`, `sqlite:<path>` or `redis://<host>`")


def shown_address(url: str) -> str:
    """A valid store address in printable form: without user and password, a file's path absolute."""
    scheme, _, path = url.partition(":")
    if scheme == "sqlite":
        return f"sqlite:{normpath(Path(path).absolute())}"
    return address.shown(url) if scheme in address.SCHEMES else url
