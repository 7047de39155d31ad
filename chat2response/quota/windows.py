"""The ledgers that a key's limits are kept in: one a limit and span of time, all in the store.

A minute, a day and a month are those of UTC, so that every process names the same ledger. What a call may use
is reserved as a lease before it begins, and replaced by what it used when it ends; a lease whose holder died
runs out, and is renewed while its holder lives.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Literal

from chat2response.keys.limits import KeyLimits

KIND = "limits"

MINUTE, DAY = 60, 86_400
LEASE_SECONDS = 60.0
"""How long a lease outlives its holder."""

Measure = Literal["requests", "slots", "tokens", "cost"]


@dataclass(frozen=True, slots=True)
class Window:
    """One limit in force at one moment."""

    limit: str
    """The limit's name, as the operator wrote it."""
    measure: Measure
    ceiling: int
    key: str
    """Of the ledger in the store."""
    resets_in: float | None = None
    """Seconds until a new span begins; None: it is freed as calls end."""
    ttl: float | None = None
    """Seconds that the store keeps it from its first use; calls that end after their span still settle."""


def windows_of(key_id: str, limits: KeyLimits, now: float) -> Iterator[Window]:
    """Those of a key, the ones that refuse soonest first."""
    spans = _spans(now)
    for limit, measure, span in _LIMITS:
        ceiling = getattr(limits, limit)
        if ceiling is None:
            continue
        if span is None:
            yield Window(limit, measure, ceiling, f"{key_id}.slots")
            continue
        name, resets_in, ttl = spans[span]
        yield Window(limit, measure, ceiling, f"{key_id}.{measure}.{name}", resets_in, ttl)


_LIMITS: tuple[tuple[str, Measure, str | None], ...] = (
    ("requests_per_minute", "requests", "minute"),
    ("requests_per_day", "requests", "day"),
    ("concurrent_requests", "slots", None),
    ("tokens_per_minute", "tokens", "minute"),
    ("tokens_per_day", "tokens", "day"),
    ("tokens_per_month", "tokens", "month"),
    ("cost_per_day", "cost", "day"),
    ("cost_per_month", "cost", "month"),
)


def _spans(now: float) -> dict[str, tuple[str, float, float]]:
    """Of each span its name, the seconds that are left of it, and how long its ledgers are kept."""
    moment = datetime.fromtimestamp(now, UTC)
    month_end = (
        moment.replace(day=1, hour=0, minute=0, second=0, microsecond=0) + timedelta(days=32)
    ).replace(day=1)
    return {
        "minute": (f"m{int(now // MINUTE)}", MINUTE - now % MINUTE, 2.0 * MINUTE + LEASE_SECONDS),
        "day": (f"{moment:%Y-%m-%d}", DAY - now % DAY, 2.0 * DAY),
        "month": (f"{moment:%Y-%m}", (month_end - moment).total_seconds(), 33.0 * DAY),
    }
