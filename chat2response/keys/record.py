"""A key as it is kept: one JSON document per key, the fields that the Rust edition wrote to Redis, and ours.

`id`, `label`, `created_at`, `expires_at`, `revoked_at` (epoch seconds or null), `salt_hex`, `hash_hex`,
`scopes` (array of strings or null) are always there. Ours are there when they say something: `owner`,
`metadata` (strings by name), `limits` (see `limits`), `pepper` (the version that went into the hash),
`rotated_at`, and `previous`: the secret before the last rotation, as `salt_hex`, `hash_hex`, `pepper` and the
`expires_at` until which it opens. Fields that are not ours are skipped when reading; whoever changes a record
changes the document that was read, so they survive.
"""

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, TypeVar

from chat2response.keys.limits import KeyLimits
from chat2response.stores import Entry

T = TypeVar("T")

KIND = "keys"
"""Where records are in the store."""

State = Literal["active", "revoked", "expired"]
STATES: tuple[State, ...] = ("active", "revoked", "expired")

_SHOWN = ("id", "label", "created_at", "expires_at", "revoked_at", "scopes")
_NEWER = ("owner", "metadata", "limits", "pepper", "rotated_at", "previous")  # not in the Rust edition

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Digest:
    """What is kept of a secret. `pepper`: the version of the pepper in it, None for a salted hash alone."""

    salt_hex: str = field(repr=False)
    hash_hex: str = field(repr=False)
    pepper: str | None = None

    @classmethod
    def read(cls, doc: Mapping[str, Any]) -> "Digest":
        """Raises ValueError."""
        return cls(_text(doc, "salt_hex"), _text(doc, "hash_hex"), _optional(doc, "pepper", _text))

    def document(self) -> dict[str, Any]:
        """Its fields in a record."""
        return {"salt_hex": self.salt_hex, "hash_hex": self.hash_hex, "pepper": self.pepper}


NO_DIGEST = Digest(salt_hex="0" * 32, hash_hex="0" * 64)
"""That of no secret."""


@dataclass(frozen=True, slots=True)
class Retired:
    """The secret before the last rotation; it opens until `expires_at`."""

    digest: Digest
    expires_at: int

    @classmethod
    def read(cls, doc: Any) -> "Retired":
        """Raises ValueError."""
        if not isinstance(doc, Mapping):
            raise ValueError("previous is no object")
        return cls(Digest.read(doc), _moment(doc, "expires_at"))

    def document(self) -> dict[str, Any]:
        """As a record holds it."""
        return compact(self.digest.document() | {"expires_at": self.expires_at})


@dataclass(frozen=True, slots=True)
class ApiKey:
    """One key. Times are epoch seconds. Its `repr` shows neither salt nor hash."""

    id: str
    created_at: int
    digest: Digest
    label: str | None = None
    expires_at: int | None = None
    revoked_at: int | None = None
    scopes: tuple[str, ...] | None = None
    owner: str | None = None
    metadata: Mapping[str, str] | None = None
    limits: KeyLimits | None = None
    rotated_at: int | None = None
    previous: Retired | None = None

    @classmethod
    def read(cls, doc: Any) -> "ApiKey":
        """From a stored document. Raises ValueError for one that is not a key's."""
        if not isinstance(doc, Mapping):
            raise ValueError("a key record is an object")
        return cls(
            id=_text(doc, "id"),
            created_at=_moment(doc, "created_at"),
            digest=Digest.read(doc),
            label=_optional(doc, "label", _text),
            expires_at=_optional(doc, "expires_at", _moment),
            revoked_at=_optional(doc, "revoked_at", _moment),
            scopes=_optional(doc, "scopes", _texts),
            owner=_optional(doc, "owner", _text),
            metadata=_optional(doc, "metadata", _pairs),
            limits=_optional(doc, "limits", lambda doc, name: KeyLimits.read(doc[name])),
            rotated_at=_optional(doc, "rotated_at", _moment),
            previous=_optional(doc, "previous", lambda doc, name: Retired.read(doc[name])),
        )

    def document(self) -> dict[str, Any]:
        """The record to store."""
        return compact(
            {
                "id": self.id,
                "label": self.label,
                "created_at": self.created_at,
                "expires_at": self.expires_at,
                "revoked_at": self.revoked_at,
                **self.digest.document(),
                "scopes": None if self.scopes is None else list(self.scopes),
                "owner": self.owner,
                "metadata": self.metadata,
                "limits": self.limits and self.limits.document(),
                "rotated_at": self.rotated_at,
                "previous": self.previous and self.previous.document(),
            }
        )

    def public(self) -> dict[str, Any]:
        """What may be shown, under the names of the Rust edition: nothing of a secret."""
        document = self.document()
        return {name: document[name] for name in _SHOWN}

    def details(self, now: float) -> dict[str, Any]:
        """All that may be shown. `grace_expires_at`: until when the secret before the last one opens too."""
        grace = self.previous.expires_at if self.previous is not None else None
        return {
            **self.public(),
            "state": self.state(now),
            "owner": self.owner,
            "metadata": self.metadata,
            "limits": None if self.limits is None else self.limits.document(),
            "rotated_at": self.rotated_at,
            "grace_expires_at": grace if grace is not None and grace > now else None,
        }

    def age(self) -> tuple[int, str]:
        """What lists are sorted by."""
        return self.created_at, self.id

    def state(self, now: float) -> State:
        """What has become of it; a key that is both was revoked."""
        if self.revoked_at is not None:
            return "revoked"
        return "expired" if self.expired(now) else "active"

    def expired(self, now: float) -> bool:
        """Whether the key has ended at `now`; it ends with the second that `expires_at` names."""
        return self.expires_at is not None and now >= self.expires_at

    def dead_since(self, now: float) -> int | None:
        """When it stopped opening; None while it opens."""
        ends = [self.revoked_at, self.expires_at if self.expired(now) else None]
        return min((end for end in ends if end is not None), default=None)


@dataclass(frozen=True, slots=True)
class Issued:
    """A key with a new secret, and its token: this is the only time it is seen."""

    key: ApiKey
    token: str = field(repr=False)


def compact(document: Mapping[str, Any]) -> dict[str, Any]:
    """A record without those of our own fields that say nothing."""
    return {name: value for name, value in document.items() if value is not None or name not in _NEWER}


def read_entry(id: str, entry: Entry) -> ApiKey | None:
    """The key of an entry; None, and a warning in the log, for one that is no key's."""
    try:
        return ApiKey.read(entry.doc)
    except ValueError as error:
        _log.warning("the record of key %s cannot be read and opens nothing: %s", id, error)
        return None


def _text(doc: Mapping[str, Any], name: str) -> str:
    value = doc.get(name)
    if not isinstance(value, str):
        raise ValueError(f"{name} is no string")
    return value


def _moment(doc: Mapping[str, Any], name: str) -> int:
    value = doc.get(name)
    if type(value) is not int:  # True is an int to Python
        raise ValueError(f"{name} is no whole number")
    return value


def _texts(doc: Mapping[str, Any], name: str) -> tuple[str, ...]:
    value = doc.get(name)
    if not isinstance(value, list) or not all(type(each) is str for each in value):
        raise ValueError(f"{name} is no list of strings")
    return tuple(value)


def _pairs(doc: Mapping[str, Any], name: str) -> Mapping[str, str]:
    value = doc.get(name)
    if not isinstance(value, dict) or not all(type(each) is str for each in value.values()):
        raise ValueError(f"{name} is no object of strings")
    return value


def _optional(doc: Mapping[str, Any], name: str, read: Callable[[Mapping[str, Any], str], T]) -> T | None:
    return None if doc.get(name) is None else read(doc, name)
