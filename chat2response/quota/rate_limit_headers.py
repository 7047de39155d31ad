"""The rate limit headers of every answer, and the 429 when a limit is reached."""

from collections.abc import Iterable
from dataclasses import dataclass
from math import ceil

from chat2response.errors import RateLimited
from chat2response.quota.windows import Window
from chat2response.wire.headers import HeaderList

_SLOT_RETRY_SECONDS = 1.0  # it is unknown when a slot becomes free
_UNITS = {
    "requests": "requests",
    "slots": "concurrent requests",
    "tokens": "tokens",
    "cost": "micro-dollars",
}
_TYPES = {"requests": "requests", "slots": "requests", "tokens": "tokens", "cost": "insufficient_quota"}


@dataclass(frozen=True, slots=True)
class WindowUsage:
    """What is used of a window, this call's reservation included."""

    window: Window
    used: int

    @property
    def remaining(self) -> int:
        """What is left of the limit."""
        return max(self.window.ceiling - self.used, 0)


def headers(window_usages: Iterable[WindowUsage]) -> HeaderList:
    """`x-ratelimit-*`, as OpenAI names them, for requests and for the token limit with the least left."""
    by_measure: dict[str, WindowUsage] = {}
    for window_usage in window_usages:
        measure = window_usage.window.measure
        if measure in ("requests", "tokens") and (
            measure not in by_measure or window_usage.remaining < by_measure[measure].remaining
        ):
            by_measure[measure] = window_usage
    result: HeaderList = []
    for name, window_usage in by_measure.items():
        window, suffix = window_usage.window, name.encode()
        result += [
            (b"x-ratelimit-limit-" + suffix, b"%d" % window.ceiling),
            (b"x-ratelimit-remaining-" + suffix, b"%d" % window_usage.remaining),
            (b"x-ratelimit-reset-" + suffix, duration(window.resets_in or 0).encode()),
        ]
    return result


def refusal(window_usage: WindowUsage, requested: int, headers: HeaderList) -> RateLimited:
    """The 429. `window_usage` excludes the refused call; `headers`: the rate limit headers so far."""
    window = window_usage.window
    impossible = requested > window.ceiling
    budget = window.limit.endswith(("_day", "_month"))
    wait = max(1, ceil(window.resets_in if window.resets_in is not None else _SLOT_RETRY_SECONDS))
    retry_headers = {} if impossible else {"retry-after": str(wait)}
    if impossible or budget:  # an SDK would wait and retry twice
        retry_headers["x-should-retry"] = "false"
    return RateLimited(
        _message(window_usage, requested, impossible=impossible, wait=wait),
        type="insufficient_quota" if budget else _TYPES[window.measure],
        code="insufficient_quota" if budget else "rate_limit_exceeded",
        headers={**{name.decode(): value.decode() for name, value in headers}, **retry_headers},
    )


def duration(seconds: float) -> str:
    """A duration as OpenAI writes it: `1s`, `6m0s`, `23h59m1s`."""
    total = ceil(seconds)
    hours, minutes, seconds_left = total // 3600, total % 3600 // 60, total % 60
    if hours:
        return f"{hours}h{minutes}m{seconds_left}s"
    return f"{minutes}m{seconds_left}s" if minutes else f"{seconds_left}s"


def _message(window_usage: WindowUsage, requested: int, *, impossible: bool, wait: int) -> str:
    window = window_usage.window
    unit = _UNITS[window.measure]
    limit = f"this key's {window.limit} is {window.ceiling}"
    if impossible:
        return (
            f"Request too large: {limit}, and this request alone may use {requested} {unit}. "
            "Shorten its input or request fewer output tokens. If a request names no maximum, the key's "
            "default_output_tokens counts."
        )
    if window.resets_in is None:
        return f"Rate limit reached: {limit}, and all are in use. Try again when a call has ended."
    reached = "Quota exceeded" if window.limit.endswith(("_day", "_month")) else "Rate limit reached"
    return (
        f"{reached}: {limit}. {window_usage.used} {unit} are used or reserved, and this request may use "
        f"{requested} more. Try again in {duration(wait)}."
    )
