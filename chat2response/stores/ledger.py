"""The arithmetic of a ledger, for the stores that keep it as a document: what is settled, what is on lease.

    {"settled": 120, "leases": {"<id>": [<n>, <end>]}, "until": <end of the window, or null>}

Times are epoch seconds. Redis does the same in `redis_scripts.py`, one field a lease.
"""

import secrets
from typing import Any, TypedDict

from chat2response.stores.base import Lease, amount, expiry

GRACE = 86_400.0  # seconds for which a lease that has run out can still be settled


class Ledger(TypedDict):
    """As it is kept."""

    settled: int
    leases: dict[str, list[Any]]
    until: float | None


def new_lease_id() -> str:
    """Made by the caller of a store, so that asking twice with the same one grants once."""
    return secrets.token_hex(12)


def check(n: int, ceiling: int | None, ttl: float, window: float | None) -> None:
    """Raises ValueError for what no ledger takes."""
    amount(n, least=0)
    if ceiling is not None:
        amount(ceiling)
    expiry(ttl, 0.0)
    expiry(window, 0.0)


def lease(
    ledger: Ledger | None, id: str, n: int, ceiling: int | None, ttl: float, window: float | None, now: float
) -> tuple[Lease, Ledger]:
    """The answer, and the ledger as it is then. `ledger` None: there is none."""
    book = ledger or Ledger(settled=0, leases={}, until=expiry(window, now))
    leases = {id: [n, end] for id, (n, end) in book["leases"].items() if end + GRACE > now}
    used = book["settled"] + sum(n for n, end in leases.values() if end > now)
    resets_in = None if book["until"] is None else book["until"] - now
    granted = ceiling is None or used + n <= ceiling
    if granted:
        leases[id] = [n, now + ttl]
        used += n
    return Lease(id if granted else None, used, resets_in), {**book, "leases": leases}


def settle(ledger: Ledger, id: str, n: int) -> Ledger | None:
    """The ledger with a lease settled; None where there is nothing to settle."""
    if id not in ledger["leases"]:
        return None
    leases = {other: held for other, held in ledger["leases"].items() if other != id}
    return {**ledger, "settled": ledger["settled"] + n, "leases": leases}


def end(ledger: Ledger) -> float | None:
    """When it can be forgotten; None for never."""
    if ledger["until"] is not None:
        return ledger["until"]
    if ledger["settled"]:
        return None
    return max((end + GRACE for _, end in ledger["leases"].values()), default=0.0)
