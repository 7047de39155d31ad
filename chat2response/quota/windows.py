"""The windows in which a key's limits are counted: one per limit and time span, in the store.

Minutes, days and months are those of UTC, so that every process names the same window. What a call may use is
reserved as a lease, and replaced by its actual use when it ends. A lease is renewed while its call runs, and
expires if its process dies.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Literal

from chat2response.keys.limits import KeyLimits

KIND = "limits"

MINUTE, DAY = 60, 86_400
LEASE_SECONDS = 60.0
"""How long a lease outlives its process."""

Measure = Literal["requests", "slots", "tokens", "cost"]


@dataclass(frozen=True, slots=True)
class Window:
    """One limit in its current time span."""

    limit: str
    """The name of the limit in the key's settings."""
    measure: Measure
    ceiling: int
    key: str
    """The key of its counter in the store."""
    resets_in: float | None = None
    """Seconds until the next window; None for slots, which are freed as calls end."""
    ttl: float | None = None
    """Seconds that the store keeps the counter: calls that end after their window still settle."""


def windows_of(key_id: str, limits: KeyLimits, now: float) -> Iterator[Window]:
    """The windows of a key, those that refuse soonest first."""
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
    """The name of each current span, the seconds left of it, and the `ttl` of its counters."""
    moment = datetime.fromtimestamp(now, UTC)
    month_end = (
        moment.replace(day=1, hour=0, minute=0, second=0, microsecond=0) + timedelta(days=32)
    ).replace(day=1)
    return {
        "minute": (f"m{int(now // MINUTE)}", MINUTE - now % MINUTE, 2.0 * MINUTE + LEASE_SECONDS),
        "day": (f"{moment:%Y-%m-%d}", DAY - now % DAY, 2.0 * DAY),
        "month": (f"{moment:%Y-%m}", (month_end - moment).total_seconds(), 33.0 * DAY),
    }
