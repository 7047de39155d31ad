"""The contract of a store: JSON documents by kind and key, changed by compare-and-set; counters, ledgers and
logs; a feed of other processes' changes. Each call has a deadline.

Nothing here knows what is stored. The contract suites in `tests/support/stores/` test this module; a backend
is complete when it passes them. Every call raises `StoreDown` for any failure or missed deadline, and never
waits longer. A write that ends in `StoreDown`, or whose caller was cancelled, may or may not have happened,
but never in part.

A kind has documents and counters, or ledgers, or logs; only `delete` works for all of them.
"""

import re
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Any, Final, NewType, Protocol

from chat2response.errors import Unavailable

Tag = NewType("Tag", str)
"""The version of a document that was read, for `put(expect=)`. Opaque. Equal content may have an equal tag
again, which is harmless in a compare-and-set loop."""


class Absent(Enum):
    """The type of `ABSENT`: `put(..., expect=ABSENT)` writes only if there is no document."""

    ABSENT = "absent"


ABSENT: Final = Absent.ABSENT


class Missed(Enum):
    """The type of `MISSED`: the feed reports changes from now on; earlier ones may have been missed."""

    MISSED = "missed"


MISSED: Final = Missed.MISSED


class Unreadable(Enum):
    """The type of `UNREADABLE`: the row or log entry is not JSON in the store's form."""

    UNREADABLE = "unreadable"


UNREADABLE: Final = Unreadable.UNREADABLE


@dataclass(frozen=True, slots=True)
class Entry:
    """A document, freshly decoded (the caller may change it), and the tag of the version that was read.

    `doc` is `UNREADABLE` if another program wrote the row: one bad row is not a failure of the store.
    """

    doc: Any
    tag: Tag


@dataclass(frozen=True, slots=True)
class Page:
    """A part of a scan: (key, entry) pairs; `cursor` continues it, None ends it."""

    entries: Sequence[tuple[str, Entry]]
    cursor: str | None


@dataclass(frozen=True, slots=True)
class Lease:
    """The result of `lease`: `id` identifies the lease for `settle`, None if it was refused.

    `used`: the sum of what is settled and leased, including this lease. `resets_in`: seconds until the window
    ends and `used` becomes 0; None without a window.
    """

    id: str | None
    used: int
    resets_in: float | None = None


class StoreDown(Unavailable):
    """503: the store failed, did not answer in time, or is closed. `internal` says which.

    `advice`: a sentence that tells the operator what to do. It is part of `internal`; no client sees it.
    """

    code = "store_unavailable"
    label = "store_down"

    def __init__(self, internal: str, *, advice: str | None = None, message: str = "") -> None:
        text = internal if advice is None else f"{internal}. {advice}"
        super().__init__(message or "The store is unavailable", internal=text)
        self.advice = advice

    def copy(self) -> "StoreDown":
        """An equal exception for another caller: each instance is raised once."""
        copy = StoreDown(self.internal or "", message=self.message)
        copy.advice = self.advice
        return copy


class CannotOpen(Exception):
    """A store that can never work as configured. `open()` raises it at start, for the operator."""


class Store(Protocol):
    """Documents by kind (a namespace: lower-case letters, digits, `_`) and key (any text, not empty)."""

    async def open(self) -> None:
        """Open now rather than on the first call, so that a bad configuration fails at start.

        Raises CannotOpen. A backend that can recover by itself does not raise while it is down.
        """
        ...

    async def get(self, kind: str, key: str) -> Entry | None:
        """The document, or None if there is none or it has expired."""
        ...

    async def get_many(self, kind: str, keys: Sequence[str]) -> list[Entry | None]:
        """One result per key, in the order of `keys`."""
        ...

    async def put(
        self, kind: str, key: str, doc: Any, *, ttl: float | None = None, expect: Tag | Absent | None = None
    ) -> bool:
        """Write the document; True once it survives the death of this process.

        `expect`: None writes unconditionally; a tag only if the document is still that version; `ABSENT` only
        if there is no document. False: somebody else was faster, nothing was written. `ttl`: seconds from
        now; None: the document does not expire, whatever its expiry was before.
        """
        ...

    async def delete(self, kind: str, key: str) -> bool:
        """Remove the document; False if there was none."""
        ...

    async def add(
        self, kind: str, key: str, n: int, *, ceiling: int | None = None, ttl: float | None = None
    ) -> int | None:
        """Add to a counter, which starts at 0; returns its new value, None if that would exceed `ceiling`.

        An `n` of 0 or less is never refused. `ttl`: seconds from the call that creates the counter; later
        calls do not change its expiry. A counter is a document that is a whole number.
        """
        ...

    async def lease(
        self,
        kind: str,
        key: str,
        n: int,
        *,
        id: str | None = None,
        ceiling: int | None = None,
        ttl: float,
        window: float | None = None,
    ) -> Lease:
        """Reserve `n` of a ledger if the sum of what is settled and leased then does not exceed `ceiling`.

        `id`: the lease's id, created by the caller (`new_lease_id`), who can then settle it even if the
        answer was lost; None creates one. An existing lease is granted again and reserves nothing more; a
        lease that was settled before it arrived is refused.

        A lease that is not settled within `ttl` seconds no longer counts, so that nothing leaks if its
        process dies; all leases of a ledger have the same `ttl`. `window`: the ledger expires so many seconds
        after its first lease, with all that is settled and leased; a later lease starts a new one. Without a
        window the ledger does not expire.
        """
        ...

    async def renew(self, kind: str, key: str, lease: str, n: int, *, ttl: float) -> bool:
        """Extend a lease of `n` to `ttl` seconds from now, even an expired one. No ceiling applies.

        False: the ledger has no such lease (it was settled, for example), and nothing is reserved.
        """
        ...

    async def settle(self, kind: str, key: str, lease: str, n: int) -> None:
        """Replace a lease by what was actually used, which may be more than it, or nothing.

        Settling twice counts once. An expired lease can be settled for at least a day; a lease of a past
        window is not counted, for it belongs to that window. An unknown lease is not counted and leaves a
        tombstone, which refuses it if it arrives within a minute; a ledger has 256 tombstones at most.
        """
        ...

    async def append(self, kind: str, key: str, docs: Sequence[Any], *, ttl: float | None = None) -> int:
        """Append documents to a log, all or none; returns the position of its last one (the first has 1).

        `ttl`: of the whole log, in seconds from now; None: it does not expire, whatever its expiry was.
        """
        ...

    async def read(self, kind: str, key: str, *, after: int = 0, limit: int = 100) -> list[Any]:
        """Up to `limit` documents of a log after position `after`, in order.

        A document that is not valid is `UNREADABLE`.
        """
        ...

    async def scan(self, kind: str, *, cursor: str | None = None, limit: int = 100) -> Page:
        """Iterate over all documents of a kind, in no particular order.

        A document that exists from the first page to the last is returned at least once. A page may have
        fewer than `limit` documents, even none, or a few more: only `cursor` None means the end.
        """
        ...

    def changes(self, kind: str) -> AsyncIterator[str | Missed]:
        """The change feed: keys of documents that others put or delete, as it happens; not this store's own.

        `MISSED` comes first, once the feed follows, and again whenever a change may have been lost. The feed
        never raises: while the store is down, it is silent. It does not report counters, ledgers, logs or
        expiry, nor, maybe, programs that announce no changes. It ends when the store is closed.
        """
        ...

    async def warnings(self) -> list[str]:
        """Problems of the store's configuration for the operator, a sentence each; never raises.

        Empty if there are none, or the store is down.
        """
        ...

    async def close(self) -> None:
        """Close files and connections. Later calls raise StoreDown; closing twice is harmless."""
        ...


_KIND = re.compile(r"[a-z][a-z0-9_]*")


def prefix(kind: str) -> str:
    """The prefix of a kind's row names. A kind has no `:`, so no prefix matches another kind's rows."""
    if not _KIND.fullmatch(kind):
        raise ValueError(f"not a kind: {kind!r}")
    return f"{kind}:"


def row_name(kind: str, key: str) -> str:
    """`<kind>:<key>`. A key is not empty, so that the bare prefix sorts before every row of its kind."""
    if not key:
        raise ValueError("a key must not be empty")
    return prefix(kind) + key


def expiry(ttl: float | None, now: float) -> float | None:
    """When a document that is written `now` expires, in epoch seconds; None: never."""
    if ttl is None:
        return None
    if not ttl > 0:
        raise ValueError(f"a ttl must be more than 0 seconds, not {ttl!r}")
    return now + ttl


def amount(n: int, *, minimum: int = -(2**53)) -> int:
    """`n`, if every backend can count with it. Raises ValueError."""
    if type(n) is not int or not minimum <= n <= 2**53:
        raise ValueError(f"an amount must be a whole number between {minimum} and 2**53, not {n!r}")
    return n
