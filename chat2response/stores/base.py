"""What a store is: JSON documents by kind and key, changed by compare-and-set; counters, ledgers and logs;
what other processes change of it. Each call has a deadline.

Nothing here knows what is stored. The contract suites in `tests/support/stores/` test this page; a backend
is done when it passes them. Every call raises `StoreDown` for any failure or missed deadline, and never
waits longer. A write that ends in `StoreDown`, or whose caller was cancelled, may or may not have happened;
whatever it was, it happened whole.

A kind holds documents and counters, or ledgers, or logs; only `delete` is for all of them.
"""

import re
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Any, Final, NewType, Protocol

from chat2response.errors import Unavailable

Tag = NewType("Tag", str)
"""The state a document was read in. Opaque: only to be handed back to `put`. The same content may have
the same tag again; a compare-and-set loop does not mind."""


class Absent(Enum):
    """The type of `ABSENT`: `put(..., expect=ABSENT)` writes only where there is no document."""

    ABSENT = "absent"


ABSENT: Final = Absent.ABSENT


class Missed(Enum):
    """The type of `MISSED`: from here on changes are told; what changed before may not have been."""

    MISSED = "missed"


MISSED: Final = Missed.MISSED


class Unreadable(Enum):
    """The type of `UNREADABLE`: what stands in place of a document, or in a log, is no JSON of ours."""

    UNREADABLE = "unreadable"


UNREADABLE: Final = Unreadable.UNREADABLE


@dataclass(frozen=True, slots=True)
class Entry:
    """One document, freshly decoded (the caller may change it), and the tag of what was read.

    `doc` is `UNREADABLE` for what some other program has left there: one bad row is no failure of the store.
    """

    doc: Any
    tag: Tag


@dataclass(frozen=True, slots=True)
class Page:
    """A part of a scan: (key, entry) pairs, and where to go on; `cursor` None ends the scan."""

    entries: Sequence[tuple[str, Entry]]
    cursor: str | None


@dataclass(frozen=True, slots=True)
class Lease:
    """The answer to `lease`: `id` to settle it by, None where it was refused.

    `used`: what is settled and on lease, with this lease if there is one. `resets_in`: seconds until the
    window ends and nothing is used any more; None without a window.
    """

    id: str | None
    used: int
    resets_in: float | None = None


class StoreDown(Unavailable):
    """503: the store failed, did not answer in time, or is closed. `internal` says which.

    `advice`: what the operator can do, a sentence; it is part of `internal`, and for no client's eyes.
    """

    code = "store_unavailable"
    label = "store_down"

    def __init__(self, internal: str, *, advice: str | None = None, message: str = "") -> None:
        told = internal if advice is None else f"{internal}. {advice}"
        super().__init__(message or "The store is unavailable", internal=told)
        self.advice = advice

    def again(self) -> "StoreDown":
        """The same, for one more caller: an exception is raised once."""
        copy = StoreDown(self.internal or "", message=self.message)
        copy.advice = self.advice
        return copy


class CannotOpen(Exception):
    """A store that can never work as configured. Raised by `open()` at start, for the operator's eyes."""


class Store(Protocol):
    """Documents by kind (a namespace: lower-case letters, digits, `_`) and key (any text, not empty)."""

    async def open(self) -> None:
        """Make ready now rather than on the first call, so that a bad configuration fails at start.

        Raises CannotOpen. A backend that can come back by itself does not raise for being away.
        """
        ...

    async def get(self, kind: str, key: str) -> Entry | None:
        """The document, or None when there is none or it has expired."""
        ...

    async def get_many(self, kind: str, keys: Sequence[str]) -> list[Entry | None]:
        """One answer per key, in the order asked."""
        ...

    async def put(
        self, kind: str, key: str, doc: Any, *, ttl: float | None = None, expect: Tag | Absent | None = None
    ) -> bool:
        """Write the document; True once it will survive the death of this process.

        `expect`: None writes anyway; a tag writes only if the document is still in that state; `ABSENT`
        only if there is none. False: somebody else was faster, nothing was written. `ttl` is in seconds
        and counts from now; None means for ever, whatever the document had before.
        """
        ...

    async def delete(self, kind: str, key: str) -> bool:
        """Remove the document; False when there was none."""
        ...

    async def add(
        self, kind: str, key: str, n: int, *, ceiling: int | None = None, ttl: float | None = None
    ) -> int | None:
        """Add to a counter, which begins at 0; returns its new value. None: refused, it would pass `ceiling`.

        An `n` of 0 or less is never refused. `ttl` is in seconds and counts from the call that makes the
        counter; later ones leave its end as it is. A counter is a document that is a whole number.
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
        """Reserve `n` of a ledger if what is settled and on lease then does not pass `ceiling`.

        `id`: of the lease, made by the caller (`new_lease_id`), who then can settle it though he never heard
        the answer; None makes one. A lease that is there already is granted again and takes nothing; one
        that was settled before it came is refused.

        A lease that is not settled within `ttl` seconds counts no more, so that nothing leaks through the
        death of its holder; all leases of a ledger have the same. `window`: the ledger ends so many seconds
        after the lease that began it, with all that is settled and on lease; a later lease begins it anew.
        Without one it lasts.
        """
        ...

    async def renew(self, kind: str, key: str, lease: str, n: int, *, ttl: float) -> bool:
        """Let a lease of `n` end `ttl` seconds from now, even one that has run out. No ceiling refuses it.

        False: the ledger has no such lease (it was settled, say), and nothing is taken.
        """
        ...

    async def settle(self, kind: str, key: str, lease: str, n: int) -> None:
        """Replace a lease by what was really used, which may be more than it or nothing.

        Settling twice counts once. A lease that has run out is settled all the same, for a day at
        least; one whose window is over is not, for it belongs to that window. A lease that is not there is
        not counted: for a minute, and of the newest 256 of a ledger, it is remembered that it must not come.
        """
        ...

    async def append(self, kind: str, key: str, docs: Sequence[Any], *, ttl: float | None = None) -> int:
        """Add documents to the end of a log, all or none; returns the position of its last (the first has 1).

        `ttl` is the whole log's, in seconds from now; None means for ever, whatever it had before.
        """
        ...

    async def read(self, kind: str, key: str, *, after: int = 0, limit: int = 100) -> list[Any]:
        """The documents of a log that follow position `after`, in order, `limit` at most.

        `UNREADABLE` keeps the place of one that cannot be read.
        """
        ...

    async def scan(self, kind: str, *, cursor: str | None = None, limit: int = 100) -> Page:
        """Walk all documents of a kind, in no promised order.

        A document that is there from the first page to the last is met at least once. A page may hold
        fewer than `limit`, even none, and a little more: only `cursor` None means the end.
        """
        ...

    def changes(self, kind: str) -> AsyncIterator[str | Missed]:
        """The keys of documents that others put or deleted, as it happens; our own changes are not told.

        `MISSED` comes first, once it follows, and again whenever something may have been lost. It never
        raises: while the store is away nothing is told. Counters, ledgers, logs and expiry are not told of,
        nor may be what programs write that announce nothing. Ends when the store is closed.
        """
        ...

    async def warnings(self) -> list[str]:
        """What an operator should know of how the store is set up, a sentence each; never raises.

        None where there is nothing to tell, or the store is away.
        """
        ...

    async def close(self) -> None:
        """Let go of files and connections. Calls after it raise StoreDown; closing twice is harmless."""
        ...


_KIND = re.compile(r"[a-z][a-z0-9_]*")


def prefix(kind: str) -> str:
    """What the row names of a kind begin with. A kind has no `:`, so no kind's rows hold another's."""
    if not _KIND.fullmatch(kind):
        raise ValueError(f"not a kind: {kind!r}")
    return f"{kind}:"


def row_name(kind: str, key: str) -> str:
    """`<kind>:<key>`. Without empty keys the bare prefix sorts before every row of its kind."""
    if not key:
        raise ValueError("a key is not empty")
    return prefix(kind) + key


def expiry(ttl: float | None, now: float) -> float | None:
    """When a document written `now` with this `ttl` ends, in epoch seconds."""
    if ttl is None:
        return None
    if not ttl > 0:
        raise ValueError(f"a ttl is more than 0 seconds, not {ttl!r}")
    return now + ttl


def amount(n: int, *, least: int = -(2**53)) -> int:
    """A number that every backend can count with."""
    if type(n) is not int or not least <= n <= 2**53:
        raise ValueError(f"a whole number between {least} and 2**53, not {n!r}")
    return n
