"""When a key ends: what may be asked for, and what holds when nothing is asked.

At creation            no `expires_at`              `expires_at: null`   `expires_at: n`
  no `ttl_seconds`     the default lifetime (1)     never ends (2)       n, refused unless in the future
  `ttl_seconds: t`     t from now                   t from now           n, refused unless in the future

At a change            neither, or `expires_at: null`                    `expires_at: n`
  no `ttl_seconds`     never ends (2)                                    n, the past ends the key at once
  `ttl_seconds: t`     t from now                                        n, the past ends the key at once

(1) where there is none: never ends if (2) holds and not `require_expiration`, else refused
(2) only with `allow_no_expiration`, or, where that is not set, without `require_expiration`; else refused
"""

from dataclasses import dataclass
from enum import Enum
from typing import Final

from chat2response.errors import InvalidRequest

LAST_MOMENT = 253_402_300_799  # the end of the year 9999; milliseconds mistaken for seconds lie beyond

_REQUIRED = "Expiration required: provide expires_at or ttl_seconds (or configure default TTL)."
_ALLOWS = "CHAT2RESPONSE_KEYS_ALLOW_NO_EXPIRATION=1"


class Unset(Enum):
    """The type of `UNSET`: a field that was not sent, where null means something else."""

    UNSET = "unset"


UNSET: Final = Unset.UNSET


@dataclass(frozen=True, slots=True)
class KeyPolicy:
    """Options. `default_ttl`: seconds a key lives when its maker names nothing; 0 for no default."""

    default_ttl: int = 86_400
    require_expiration: bool = True
    allow_no_expiration: bool | None = None
    """Wins over `require_expiration`; None: as that says."""

    @property
    def forbids_never(self) -> str | None:
        """The setting that forbids keys without an end, with its value; None where they are allowed."""
        if self.allow_no_expiration is None:
            return "CHAT2RESPONSE_KEYS_REQUIRE_EXPIRATION=1" if self.require_expiration else None
        return None if self.allow_no_expiration else "CHAT2RESPONSE_KEYS_ALLOW_NO_EXPIRATION=0"

    def at_creation(self, now: int, *, ttl_seconds: object = None, expires_at: object = UNSET) -> int | None:
        """When a new key ends (epoch seconds), None for never. Raises InvalidRequest."""
        end = _asked_end(now, ttl_seconds, expires_at)
        if end is not None:
            if end <= now:
                raise InvalidRequest("expires_at must be in the future", param="expires_at")
            return end
        asked_for_never = expires_at is None
        if self.default_ttl > 0 and not asked_for_never:
            return now + self.default_ttl
        self._check_never(asked=asked_for_never)
        return None

    def at_change(self, now: int, *, ttl_seconds: object = None, expires_at: object = UNSET) -> int | None:
        """When an existing key shall end (epoch seconds), None for never. Raises InvalidRequest."""
        end = _asked_end(now, ttl_seconds, expires_at)
        if end is None:
            self._check_never(asked=True)
        return end

    def _check_never(self, *, asked: bool) -> None:
        setting = self.forbids_never
        if setting is not None:
            why = f"{setting} forbids keys without an end; {_ALLOWS} allows them."
        elif self.require_expiration and not asked:
            why = "A key without an end is allowed here, but has to be asked for: send expires_at as null."
        else:
            return
        raise InvalidRequest(f"{_REQUIRED} {why}", param="expires_at")


def _asked_end(now: int, ttl_seconds: object, expires_at: object) -> int | None:
    """The moment asked for, None where none was. A field that loses is still checked."""
    end = None
    if ttl_seconds is not None:
        end = now + _whole(ttl_seconds, "ttl_seconds", 1, LAST_MOMENT - now)
    if expires_at is not None and expires_at is not UNSET:
        end = _whole(expires_at, "expires_at", 0, LAST_MOMENT)
    return end


def _whole(value: object, param: str, least: int, most: int) -> int:
    if type(value) is not int:  # not isinstance: True is an int to Python
        raise InvalidRequest(f"{param} must be a whole number of seconds", param=param)
    if not least <= value <= most:
        raise InvalidRequest(f"{param} must be between {least} and {most}", param=param)
    return value
