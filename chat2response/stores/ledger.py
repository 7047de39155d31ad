"""The arithmetic of a ledger, for the stores that save it as a document: what is settled, what is leased.

    {"settled": 120, "leases": {"<id>": [<n>, <end>]}, "until": <end of the window, or null>,
     "tombstones": {"<id>": <end>}}

Times are epoch seconds. A tombstone belongs to a lease that was settled before it was taken; it refuses that
lease. Redis does the same in `redis/scripts.py`, with a hash field per lease.
"""

import re
import secrets
from collections.abc import Mapping
from typing import Any, NotRequired, TypedDict

from chat2response.stores.base import Lease, amount, expiry

GRACE = 86_400.0  # seconds for which an expired lease can still be settled
TOMBSTONE_SECONDS = 60.0  # how late a lease may arrive after its settlement: far later than any deadline
TOMBSTONES = 256  # maximum per ledger; then the oldest is removed

_ID = re.compile(r"[0-9A-Za-z_-]{8,64}")


class Ledger(TypedDict):
    """The stored document."""

    settled: int
    leases: dict[str, list[Any]]
    until: float | None
    tombstones: NotRequired[dict[str, float]]


def new_lease_id() -> str:
    """A new id; the caller creates it, so that a repeated `lease` with the same id reserves once."""
    return secrets.token_hex(12)


def lease_id(id: str | None) -> str:
    """The lease id, or a new one for None. Raises ValueError for an invalid one."""
    if id is None:
        return new_lease_id()
    if not _ID.fullmatch(id):
        raise ValueError(f"a lease id must be 8 to 64 letters, digits, - and _, not {id!r}")
    return id


def check(n: int, ceiling: int | None, ttl: float, window: float | None) -> None:
    """Raises ValueError for invalid arguments of a lease."""
    amount(n, minimum=0)
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
    """The result, and the changed ledger to write; None if it is unchanged.

    `now`: the steady clock, for comparisons; `wall`: the wall clock, from which a window's end is computed.
    A lease end later than `now + ttl` was written by a clock that was wrong, and is corrected.
    """
    current = ledger or _new()
    leases = {id: [n, min(end, now + ttl)] for id, (n, end) in current["leases"].items() if end + GRACE > now}
    used = current["settled"] + sum(n for n, end in leases.values() if end > now)
    until = current["until"]
    if until is None and not used:
        until = expiry(window, wall)
    resets_in = None if until is None else until - now
    tombstones = _valid_tombstones(current, now)
    known = id in leases and leases[id][1] > now
    granted = known or (id not in tombstones and (ceiling is None or used + n <= ceiling))
    if granted and not known:
        leases[id] = [n, now + ttl]
        used += n
    elif all(leases[id] == current["leases"][id] for id in leases):
        return Lease(id if granted else None, used, resets_in), None
    result = Lease(id if granted else None, used, resets_in)
    return result, _ledger(current["settled"], leases, until, tombstones)


def renew(ledger: Ledger, id: str, n: int, ttl: float, now: float) -> Ledger | None:
    """The ledger with the lease extended; None if there is no such lease."""
    if id not in ledger["leases"]:
        return None
    return {**ledger, "leases": {**ledger["leases"], id: [n, now + ttl]}}


def settle(ledger: Ledger | None, id: str, n: int, now: float) -> Ledger | None:
    """The ledger with the lease settled, or with a tombstone if the lease is unknown; None if it is
    unchanged."""
    current = ledger or _new()
    if id in current["leases"]:
        leases = {other: lease for other, lease in current["leases"].items() if other != id}
        return {**current, "settled": current["settled"] + n, "leases": leases}
    tombstones = _valid_tombstones(current, now)
    if id in tombstones:
        return None
    tombstones[id] = now + TOMBSTONE_SECONDS
    for oldest in list(tombstones)[:-TOMBSTONES]:
        del tombstones[oldest]
    return _ledger(current["settled"], current["leases"], current["until"], tombstones)


def end(ledger: Ledger) -> float | None:
    """When the ledger expires; None for never."""
    if ledger["until"] is not None:
        return ledger["until"]
    if ledger["settled"]:
        return None
    ends = [end + GRACE for _, end in ledger["leases"].values()]
    return max([*ends, *ledger.get("tombstones", {}).values()], default=0.0)


def _new() -> Ledger:
    return Ledger(settled=0, leases={}, until=None)


def _valid_tombstones(ledger: Ledger, now: float) -> dict[str, float]:
    """The tombstones that have not expired, the oldest first."""
    return {id: end for id, end in ledger.get("tombstones", {}).items() if end > now}


def _ledger(
    settled: int, leases: dict[str, list[Any]], until: float | None, tombstones: Mapping[str, float]
) -> Ledger:
    ledger = Ledger(settled=settled, leases=leases, until=until)
    if tombstones:
        ledger["tombstones"] = dict(tombstones)
    return ledger
