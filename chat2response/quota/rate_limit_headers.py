"""How a key stands with its limits, told: headers on every answer, and the 429 when a limit is reached."""

from collections.abc import Iterable
from dataclasses import dataclass
from math import ceil

from chat2response.errors import RateLimited
from chat2response.quota.windows import Ledger

HeaderList = list[tuple[bytes, bytes]]

_SOON = 1.0  # seconds: when a slot may be free again, nobody knows
_UNITS = {
    "requests": "requests",
    "slots": "requests at the same time",
    "tokens": "tokens",
    "cost": "micro-dollars",
}
_TYPES = {"requests": "requests", "slots": "requests", "tokens": "tokens", "cost": "insufficient_quota"}


@dataclass(frozen=True, slots=True)
class Standing:
    """What of a limit is used, this call's reservation included."""

    ledger: Ledger
    used: int

    @property
    def left(self) -> int:
        """What is left of it."""
        return max(self.ledger.ceiling - self.used, 0)


def headers(standings: Iterable[Standing]) -> HeaderList:
    """`x-ratelimit-*`, as OpenAI names them: of requests, and of the token limit that has the least left."""
    told: dict[str, Standing] = {}
    for standing in standings:
        measure = standing.ledger.measure
        if measure in ("requests", "tokens") and (measure not in told or standing.left < told[measure].left):
            told[measure] = standing
    rows: HeaderList = []
    for name, standing in told.items():
        ledger, word = standing.ledger, name.encode()
        rows += [
            (b"x-ratelimit-limit-" + word, b"%d" % ledger.ceiling),
            (b"x-ratelimit-remaining-" + word, b"%d" % standing.left),
            (b"x-ratelimit-reset-" + word, duration(ledger.resets_in or 0).encode()),
        ]
    return rows


def refusal(standing: Standing, wanted: int, told: HeaderList) -> RateLimited:
    """The 429. `standing` is without the refused call; `told`: the headers of the limits so far."""
    ledger = standing.ledger
    never = wanted > ledger.ceiling
    budget = ledger.limit.endswith(("_day", "_month"))
    wait = max(1, ceil(ledger.resets_in if ledger.resets_in is not None else _SOON))
    more = {} if never else {"retry-after": str(wait)}
    if never or budget:  # an SDK would wait for it, twice
        more["x-should-retry"] = "false"
    return RateLimited(
        _sentence(standing, wanted, never=never, wait=wait),
        type="insufficient_quota" if budget else _TYPES[ledger.measure],
        code="insufficient_quota" if budget else "rate_limit_exceeded",
        headers={**{name.decode(): value.decode() for name, value in told}, **more},
    )


def duration(seconds: float) -> str:
    """As OpenAI writes it: `1s`, `6m0s`, `23h59m1s`."""
    whole = ceil(seconds)
    hours, minutes, rest = whole // 3600, whole % 3600 // 60, whole % 60
    if hours:
        return f"{hours}h{minutes}m{rest}s"
    return f"{minutes}m{rest}s" if minutes else f"{rest}s"


def _sentence(standing: Standing, wanted: int, *, never: bool, wait: int) -> str:
    ledger = standing.ledger
    unit = _UNITS[ledger.measure]
    what = f"{ledger.limit} of this key is {ledger.ceiling}"
    if never:
        return (
            f"Request too large: {what}, and this request alone may use {wanted} {unit}. "
            "Shorten its input or name a smaller maximum of output tokens; the key's "
            "default_output_tokens is what counts where a request names none."
        )
    if ledger.resets_in is None:
        return f"Rate limit reached: {what}, and all are in use. Please try again when one has ended."
    reached = "Quota exceeded" if ledger.limit.endswith(("_day", "_month")) else "Rate limit reached"
    return (
        f"{reached}: {what}; {standing.used} used or reserved, and this request may use {wanted} {unit}. "
        f"Please try again in {duration(wait)}."
    )
