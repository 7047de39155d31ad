"""When a key expires: which values a request may set, and the default.

At creation            no `expires_at`              `expires_at: null`   `expires_at: n`
  no `ttl_seconds`     the default lifetime (1)     never ends (2)       n, refused unless in the future
  `ttl_seconds: t`     t from now                   t from now           n, refused unless in the future

At a change            neither, or `expires_at: null`                    `expires_at: n`
  no `ttl_seconds`     never ends (2)                                    n, the past ends the key at once
  `ttl_seconds: t`     t from now                                        n, the past ends the key at once

(1) if the default is 0: never ends if (2) allows it and `require_expiration` is off, else refused
(2) only with `allow_no_expiration`, or, if that is not set, without `require_expiration`; else refused
"""

from dataclasses import dataclass
from enum import Enum
from typing import Final

from chat2response.errors import InvalidRequest

MAX_TIMESTAMP = 253_402_300_799  # epoch seconds, the end of the year 9999; milliseconds are larger

_REQUIRED = "Expiration required: provide expires_at or ttl_seconds (or configure default TTL)."
_ALLOWS = "CHAT2RESPONSE_KEYS_ALLOW_NO_EXPIRATION=1"


class Unset(Enum):
    """The type of `UNSET`: a field that the request does not have, which differs from null."""

    UNSET = "unset"


UNSET: Final = Unset.UNSET


@dataclass(frozen=True, slots=True)
class KeyPolicy:
    """The operator's settings. `default_ttl`: seconds a key lives if none are requested; 0: no default."""

    default_ttl: int = 86_400
    require_expiration: bool = True
    allow_no_expiration: bool | None = None
    """Overrides `require_expiration`; None: `require_expiration` decides."""

    @property
    def forbids_never(self) -> str | None:
        """The setting, with its value, that forbids keys without an expiry; None if they are allowed."""
        if self.allow_no_expiration is None:
            return "CHAT2RESPONSE_KEYS_REQUIRE_EXPIRATION=1" if self.require_expiration else None
        return None if self.allow_no_expiration else "CHAT2RESPONSE_KEYS_ALLOW_NO_EXPIRATION=0"

    def at_creation(self, now: int, *, ttl_seconds: object = None, expires_at: object = UNSET) -> int | None:
        """When a new key expires (epoch seconds), None for never. Raises InvalidRequest."""
        end = _requested_end(now, ttl_seconds, expires_at)
        if end is not None:
            if end <= now:
                raise InvalidRequest("expires_at must be in the future", param="expires_at")
            return end
        requests_never = expires_at is None
        if self.default_ttl > 0 and not requests_never:
            return now + self.default_ttl
        self._check_never(explicit=requests_never)
        return None

    def at_change(self, now: int, *, ttl_seconds: object = None, expires_at: object = UNSET) -> int | None:
        """When an existing key will expire (epoch seconds), None for never. Raises InvalidRequest."""
        end = _requested_end(now, ttl_seconds, expires_at)
        if end is None:
            self._check_never(explicit=True)
        return end

    def _check_never(self, *, explicit: bool) -> None:
        setting = self.forbids_never
        if setting is not None:
            why = f"{setting} forbids keys that never expire; {_ALLOWS} allows them."
        elif self.require_expiration and not explicit:
            why = "To create a key that never expires, send expires_at as null."
        else:
            return
        raise InvalidRequest(f"{_REQUIRED} {why}", param="expires_at")


def _requested_end(now: int, ttl_seconds: object, expires_at: object) -> int | None:
    """The requested expiry, None if there is none. `expires_at` wins; `ttl_seconds` is validated anyway."""
    end = None
    if ttl_seconds is not None:
        end = now + _integer(ttl_seconds, "ttl_seconds", 1, MAX_TIMESTAMP - now)
    if expires_at is not None and expires_at is not UNSET:
        end = _integer(expires_at, "expires_at", 0, MAX_TIMESTAMP)
    return end


def _integer(value: object, param: str, minimum: int, maximum: int) -> int:
    if type(value) is not int:  # not isinstance: Python's True is an int
        raise InvalidRequest(f"{param} must be a whole number of seconds", param=param)
    if not minimum <= value <= maximum:
        raise InvalidRequest(f"{param} must be between {minimum} and {maximum}", param=param)
    return value
