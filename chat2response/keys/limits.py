"""What a key may spend: the object `limits` of its record.

Each limit is a whole number; one that is absent or null does not limit. Days and months are those of UTC.

  requests_per_minute, tokens_per_minute     how fast
  requests_per_day                           how often
  concurrent_requests                        calls at the same time
  tokens_per_day, tokens_per_month           input and output together
  cost_per_day, cost_per_month               in millionths of the price list's currency: 2500000 is 2.50
  max_output_tokens                          the most that one call may ask for
  default_output_tokens                      what is set aside for a call that names no maximum
"""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from difflib import get_close_matches
from typing import Any

from chat2response.errors import InvalidRequest

MOST = 2**53 - 1  # beyond it JSON readers disagree


@dataclass(frozen=True, slots=True)
class KeyLimits:
    """The limits of one key; None does not limit."""

    requests_per_minute: int | None = None
    requests_per_day: int | None = None
    tokens_per_minute: int | None = None
    concurrent_requests: int | None = None
    tokens_per_day: int | None = None
    tokens_per_month: int | None = None
    cost_per_day: int | None = None
    cost_per_month: int | None = None
    max_output_tokens: int | None = None
    default_output_tokens: int | None = None

    @classmethod
    def check(cls, given: Any) -> "KeyLimits":
        """What a caller asks for. Raises InvalidRequest, whose `param` names the limit."""
        if not isinstance(given, Mapping):
            raise InvalidRequest("limits must be an object", param="limits", code="invalid_type")
        for name, value in given.items():
            param = f"limits.{name}"[:100]
            if name not in NAMES:
                near = get_close_matches(str(name)[:100], NAMES, n=1)
                hint = f" Did you mean '{near[0]}'?" if near else f" There are: {', '.join(NAMES)}."
                raise InvalidRequest(f"Unknown limit '{param}'.{hint}", param=param, code="unknown_parameter")
            if value is not None and not _fits(name, value):
                raise InvalidRequest(
                    f"{param} must be a whole number between {_least(name)} and {MOST}, or null", param=param
                )
        made = cls(**given)
        most, default = made.max_output_tokens, made.default_output_tokens
        if most is not None and default is not None and default > most:
            raise InvalidRequest(
                "limits.default_output_tokens must not be larger than limits.max_output_tokens",
                param="limits.default_output_tokens",
            )
        return made

    @classmethod
    def read(cls, doc: Any) -> "KeyLimits":
        """From a stored record. Raises ValueError; fields that are not ours are skipped."""
        if not isinstance(doc, Mapping):
            raise ValueError("limits is no object")
        ours = {name: value for name, value in doc.items() if name in NAMES and value is not None}
        for name, value in ours.items():
            if not _fits(name, value):
                raise ValueError(f"limits.{name} is no limit")
        return cls(**ours)

    def document(self) -> dict[str, int]:
        """Those that limit."""
        values = ((name, getattr(self, name)) for name in NAMES)
        return {name: value for name, value in values if value is not None}

    def of_requests(self) -> "KeyLimits":
        """Those that count requests alone."""
        return KeyLimits(requests_per_minute=self.requests_per_minute, requests_per_day=self.requests_per_day)

    def wider_than(self, other: "KeyLimits") -> str | None:
        """The first limit in which this allows more than `other`; None where it never does."""
        for name, most in other.document().items():
            own = getattr(self, name)
            if name != "default_output_tokens" and (own is None or own > most):
                return name
        return None


NAMES = tuple(field.name for field in fields(KeyLimits))


def _least(name: str) -> int:
    return 0 if name.startswith("cost") else 1  # a budget of nothing still allows what costs nothing


def _fits(name: str, value: Any) -> bool:
    return type(value) is int and _least(name) <= value <= MOST
