"""A key's record: one JSON document per key, with the fields of the Rust edition and newer ones.

`id`, `label`, `created_at`, `expires_at`, `revoked_at` (epoch seconds or null), `salt_hex`, `hash_hex`,
`scopes` (array of strings or null) are always there. The newer fields are there unless they are null:
`owner`, `metadata` (strings by name), `limits` (see `limits.py`), `pepper` (the version of the pepper in the
hash), `rotated_at`, and `previous`: the secret before the last rotation, as `salt_hex`, `hash_hex`, `pepper`
and the `expires_at` until which it is valid. Unknown fields are skipped on reading; they survive, because a
change is applied to the stored document.
"""

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, TypeVar

from chat2response.keys.limits import KeyLimits
from chat2response.stores import Entry

T = TypeVar("T")

KIND = "keys"
"""The records' kind in the store."""

State = Literal["active", "revoked", "expired"]
STATES: tuple[State, ...] = ("active", "revoked", "expired")

_PUBLIC = ("id", "label", "created_at", "expires_at", "revoked_at", "scopes")
_NEWER = ("owner", "metadata", "limits", "pepper", "rotated_at", "previous")  # not in the Rust edition

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Digest:
    """The hash of a secret. `pepper`: the version of the pepper in it, None for a salted hash alone."""

    salt_hex: str = field(repr=False)
    hash_hex: str = field(repr=False)
    pepper: str | None = None

    @classmethod
    def read(cls, doc: Mapping[str, Any]) -> "Digest":
        """Reads a digest from a record. Raises ValueError."""
        return cls(_text(doc, "salt_hex"), _text(doc, "hash_hex"), _optional(doc, "pepper", _text))

    def document(self) -> dict[str, Any]:
        """The digest's fields, as a record stores them."""
        return {"salt_hex": self.salt_hex, "hash_hex": self.hash_hex, "pepper": self.pepper}


NO_DIGEST = Digest(salt_hex="0" * 32, hash_hex="0" * 64)
"""A digest that no secret matches."""


@dataclass(frozen=True, slots=True)
class PreviousSecret:
    """The secret before the last rotation; it is valid until `expires_at`."""

    digest: Digest
    expires_at: int

    @classmethod
    def read(cls, doc: Any) -> "PreviousSecret":
        """Reads the field `previous` of a record. Raises ValueError."""
        if not isinstance(doc, Mapping):
            raise ValueError("previous is not an object")
        return cls(Digest.read(doc), _timestamp(doc, "expires_at"))

    def document(self) -> dict[str, Any]:
        """The record's field `previous`."""
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
    previous: PreviousSecret | None = None

    @classmethod
    def read(cls, doc: Any) -> "ApiKey":
        """From a stored document. Raises ValueError if it is not a key's."""
        if not isinstance(doc, Mapping):
            raise ValueError("a key record must be an object")
        return cls(
            id=_text(doc, "id"),
            created_at=_timestamp(doc, "created_at"),
            digest=Digest.read(doc),
            label=_optional(doc, "label", _text),
            expires_at=_optional(doc, "expires_at", _timestamp),
            revoked_at=_optional(doc, "revoked_at", _timestamp),
            scopes=_optional(doc, "scopes", _texts),
            owner=_optional(doc, "owner", _text),
            metadata=_optional(doc, "metadata", _pairs),
            limits=_optional(doc, "limits", lambda doc, name: KeyLimits.read(doc[name])),
            rotated_at=_optional(doc, "rotated_at", _timestamp),
            previous=_optional(doc, "previous", lambda doc, name: PreviousSecret.read(doc[name])),
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
        """The Rust edition's fields without the secret's hash."""
        document = self.document()
        return {name: document[name] for name in _PUBLIC}

    def details(self, now: float) -> dict[str, Any]:
        """All fields without the hash. `grace_expires_at`: until when the previous secret is valid, too."""
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

    def sort_key(self) -> tuple[int, str]:
        """The order of lists: by age, then by id."""
        return self.created_at, self.id

    def state(self, now: float) -> State:
        """A key that is both revoked and expired counts as revoked."""
        if self.revoked_at is not None:
            return "revoked"
        return "expired" if self.expired(now) else "active"

    def expired(self, now: float) -> bool:
        """Whether the key has expired at `now`; in the second `expires_at` it already has."""
        return self.expires_at is not None and now >= self.expires_at

    def inactive_since(self, now: float) -> int | None:
        """When the key was revoked or expired, whichever was first; None while it is active."""
        ends = [self.revoked_at, self.expires_at if self.expired(now) else None]
        return min((end for end in ends if end is not None), default=None)


@dataclass(frozen=True, slots=True)
class IssuedKey:
    """A key with a new secret, and the token, which only this answer shows."""

    key: ApiKey
    token: str = field(repr=False)


def compact(document: Mapping[str, Any]) -> dict[str, Any]:
    """A record without the newer fields that are null."""
    return {name: value for name, value in document.items() if value is not None or name not in _NEWER}


def read_entry(id: str, entry: Entry) -> ApiKey | None:
    """The entry's key; None, and a warning in the log, if the record is invalid."""
    try:
        return ApiKey.read(entry.doc)
    except ValueError as error:
        log.warning("the record of key %s is invalid, so the key is rejected: %s", id, error)
        return None


def _text(doc: Mapping[str, Any], name: str) -> str:
    value = doc.get(name)
    if not isinstance(value, str):
        raise ValueError(f"{name} is not a string")
    return value


def _timestamp(doc: Mapping[str, Any], name: str) -> int:
    value = doc.get(name)
    if type(value) is not int:  # not isinstance: Python's True is an int
        raise ValueError(f"{name} is not a whole number")
    return value


def _texts(doc: Mapping[str, Any], name: str) -> tuple[str, ...]:
    value = doc.get(name)
    if not isinstance(value, list) or not all(type(each) is str for each in value):
        raise ValueError(f"{name} is not a list of strings")
    return tuple(value)


def _pairs(doc: Mapping[str, Any], name: str) -> Mapping[str, str]:
    value = doc.get(name)
    if not isinstance(value, dict) or not all(type(each) is str for each in value.values()):
        raise ValueError(f"{name} is not an object of strings")
    return value


def _optional(doc: Mapping[str, Any], name: str, read: Callable[[Mapping[str, Any], str], T]) -> T | None:
    return None if doc.get(name) is None else read(doc, name)
