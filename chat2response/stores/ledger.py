"""The arithmetic of a ledger, for the stores that keep it as a document: what is settled, what is on lease.

    {"settled": 120, "leases": {"<id>": [<n>, <end>]}, "until": <end of the window, or null>,
     "tombstones": {"<id>": <end>}}

Times are epoch seconds. A tombstone is of a lease that was settled before it was taken, and is then refused.
Redis does the same in `redis_scripts.py`, one field a lease.
"""

import re
import secrets
from collections.abc import Mapping
from typing import Any, NotRequired, TypedDict

from chat2response.stores.base import Lease, amount, expiry

GRACE = 86_400.0  # seconds for which a lease that has run out can still be settled
TOMBSTONE_SECONDS = 60.0  # how late a lease may come after its settlement: far later than any deadline
TOMBSTONES = 256  # of one ledger at most; beyond it the oldest goes

_ID = re.compile(r"[0-9A-Za-z_-]{8,64}")


class Ledger(TypedDict):
    """As it is kept."""

    settled: int
    leases: dict[str, list[Any]]
    until: float | None
    tombstones: NotRequired[dict[str, float]]


def new_lease_id() -> str:
    """Made by the caller of a store, so that asking twice with the same one grants once."""
    return secrets.token_hex(12)


def lease_id(id: str | None) -> str:
    """The id of a lease, checked; a new one where there is none."""
    if id is None:
        return new_lease_id()
    if not _ID.fullmatch(id):
        raise ValueError(f"the id of a lease is 8 to 64 letters, digits, - and _, not {id!r}")
    return id


def check(n: int, ceiling: int | None, ttl: float, window: float | None) -> None:
    """Raises ValueError for what no ledger takes."""
    amount(n, least=0)
    if ceiling is not None:
        amount(ceiling)
    expiry(ttl, 0.0)
    expiry(window, 0.0)


def lease(
    ledger: Ledger | None,
    id: str,
    n: int,
    ceiling: int | None,
    ttl: float,
    window: float | None,
    now: float,
    wall: float,
) -> tuple[Lease, Ledger | None]:
    """The answer, and the ledger as it is to be written; None where it stays as it is.

    `now`: by which ends are judged; `wall`: by which that of a window is written, which outlives a step.
    An end that is further away than `ttl` was written by a clock that was wrong, and is brought back.
    """
    book = ledger or _new()
    leases = {id: [n, min(end, now + ttl)] for id, (n, end) in book["leases"].items() if end + GRACE > now}
    used = book["settled"] + sum(n for n, end in leases.values() if end > now)
    until = book["until"]
    if until is None and not used:
        until = expiry(window, wall)
    resets_in = None if until is None else until - now
    tombstones = _standing(book, now)
    known = id in leases and leases[id][1] > now
    granted = known or (id not in tombstones and (ceiling is None or used + n <= ceiling))
    if granted and not known:
        leases[id] = [n, now + ttl]
        used += n
    elif all(leases[id] == book["leases"][id] for id in leases):
        return Lease(id if granted else None, used, resets_in), None
    return Lease(id if granted else None, used, resets_in), _book(book["settled"], leases, until, tombstones)


def renew(ledger: Ledger, id: str, n: int, ttl: float, now: float) -> Ledger | None:
    """The ledger with a lease that ends anew; None where there is no such lease."""
    if id not in ledger["leases"]:
        return None
    return {**ledger, "leases": {**ledger["leases"], id: [n, now + ttl]}}


def settle(ledger: Ledger | None, id: str, n: int, now: float) -> Ledger | None:
    """The ledger with a lease settled, or with the tombstone of one that it does not know; None where it
    stays as it is."""
    book = ledger or _new()
    if id in book["leases"]:
        leases = {other: lease for other, lease in book["leases"].items() if other != id}
        return {**book, "settled": book["settled"] + n, "leases": leases}
    tombstones = _standing(book, now)
    if id in tombstones:
        return None
    tombstones[id] = now + TOMBSTONE_SECONDS
    for oldest in list(tombstones)[:-TOMBSTONES]:
        del tombstones[oldest]
    return _book(book["settled"], book["leases"], book["until"], tombstones)


def end(ledger: Ledger) -> float | None:
    """When it can be forgotten; None for never."""
    if ledger["until"] is not None:
        return ledger["until"]
    if ledger["settled"]:
        return None
    ends = [end + GRACE for _, end in ledger["leases"].values()]
    return max([*ends, *ledger.get("tombstones", {}).values()], default=0.0)


def _new() -> Ledger:
    return Ledger(settled=0, leases={}, until=None)


def _standing(ledger: Ledger, now: float) -> dict[str, float]:
    """The tombstones that count still, the oldest first."""
    return {id: end for id, end in ledger.get("tombstones", {}).items() if end > now}


def _book(
    settled: int, leases: dict[str, list[Any]], until: float | None, tombstones: Mapping[str, float]
) -> Ledger:
    book = Ledger(settled=settled, leases=leases, until=until)
    if tombstones:
        book["tombstones"] = dict(tombstones)
    return book
