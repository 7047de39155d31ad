"""What a key may spend: the object `limits` of its record.

Each limit is a whole number; absent or null means unlimited. Days and months are in UTC.

  requests_per_minute, tokens_per_minute     rate
  requests_per_day                           number of requests
  concurrent_requests                        calls at the same time
  tokens_per_day, tokens_per_month           input and output together
  cost_per_day, cost_per_month               in millionths of the price list's currency: 2500000 is 2.50
  max_output_tokens                          the maximum that one call may request
  default_output_tokens                      reserved for a call that requests no maximum
"""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from difflib import get_close_matches
from typing import Any

from chat2response.errors import InvalidRequest

MAX_LIMIT = 2**53 - 1  # JSON parsers disagree about larger integers


@dataclass(frozen=True, slots=True)
class KeyLimits:
    """The limits of one key; None: unlimited."""

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
    def check(cls, values: Any) -> "KeyLimits":
        """From a request. Raises InvalidRequest, whose `param` names the limit."""
        if not isinstance(values, Mapping):
            raise InvalidRequest("limits must be an object", param="limits", code="invalid_type")
        for name, value in values.items():
            param = f"limits.{name}"[:100]
            if name not in NAMES:
                near = get_close_matches(str(name)[:100], NAMES, n=1)
                hint = f" Did you mean '{near[0]}'?" if near else f" Use one of: {', '.join(NAMES)}."
                raise InvalidRequest(f"Unknown limit '{param}'.{hint}", param=param, code="unknown_parameter")
            if value is not None and not _is_valid(name, value):
                raise InvalidRequest(
                    f"{param} must be a whole number between {_minimum(name)} and {MAX_LIMIT}, or null",
                    param=param,
                )
        limits = cls(**values)
        maximum, default = limits.max_output_tokens, limits.default_output_tokens
        if maximum is not None and default is not None and default > maximum:
            raise InvalidRequest(
                "limits.default_output_tokens must not be larger than limits.max_output_tokens",
                param="limits.default_output_tokens",
            )
        return limits

    @classmethod
    def read(cls, doc: Any) -> "KeyLimits":
        """From a stored record; unknown fields are skipped. Raises ValueError."""
        if not isinstance(doc, Mapping):
            raise ValueError("limits is not an object")
        known = {name: value for name, value in doc.items() if name in NAMES and value is not None}
        for name, value in known.items():
            if not _is_valid(name, value):
                raise ValueError(f"limits.{name} is not a valid limit")
        return cls(**known)

    def document(self) -> dict[str, int]:
        """The limits that are set."""
        values = ((name, getattr(self, name)) for name in NAMES)
        return {name: value for name, value in values if value is not None}

    def of_requests(self) -> "KeyLimits":
        """Only the limits that count requests."""
        return KeyLimits(requests_per_minute=self.requests_per_minute, requests_per_day=self.requests_per_day)

    def wider_than(self, other: "KeyLimits") -> str | None:
        """The first limit in which this allows more than `other`; None if there is none."""
        for name, maximum in other.document().items():
            own = getattr(self, name)
            if name != "default_output_tokens" and (own is None or own > maximum):
                return name
        return None


NAMES = tuple(field.name for field in fields(KeyLimits))


def _minimum(name: str) -> int:
    return 0 if name.startswith("cost") else 1  # a budget of 0 still allows calls that cost nothing


def _is_valid(name: str, value: Any) -> bool:
    return type(value) is int and _minimum(name) <= value <= MAX_LIMIT
