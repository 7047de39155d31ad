"""A key as it is kept: one JSON document per key, the same fields as the Rust edition wrote to Redis.

`id`, `label`, `created_at`, `expires_at`, `revoked_at` (epoch seconds or null), `salt_hex`, `hash_hex`,
`scopes` (array of strings or null). Fields that are not ours are skipped when reading; whoever changes a
record changes the document that was read, so they survive.
"""

import logging
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from chat2response.stores import Entry

KIND = "keys"
"""Where records are in the store."""

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class ApiKey:
    """One key. Times are epoch seconds. Its `repr` shows neither salt nor hash."""

    id: str
    created_at: int
    salt_hex: str = field(repr=False)
    hash_hex: str = field(repr=False)
    label: str | None = None
    expires_at: int | None = None
    revoked_at: int | None = None
    scopes: tuple[str, ...] | None = None

    @classmethod
    def read(cls, doc: Any) -> "ApiKey":
        """From a stored document. Raises ValueError for one that is not a key's."""
        if not isinstance(doc, Mapping):
            raise ValueError("a key record is an object")
        scopes = doc.get("scopes")
        if scopes is not None and not (isinstance(scopes, list) and all(type(s) is str for s in scopes)):
            raise ValueError("scopes is no list of strings")
        return cls(
            id=_text(doc, "id"),
            created_at=_moment(doc, "created_at"),
            salt_hex=_text(doc, "salt_hex"),
            hash_hex=_text(doc, "hash_hex"),
            label=None if doc.get("label") is None else _text(doc, "label"),
            expires_at=None if doc.get("expires_at") is None else _moment(doc, "expires_at"),
            revoked_at=None if doc.get("revoked_at") is None else _moment(doc, "revoked_at"),
            scopes=None if scopes is None else tuple(scopes),
        )

    def document(self) -> dict[str, Any]:
        """The record to store."""
        return {
            "id": self.id,
            "label": self.label,
            "created_at": self.created_at,
            "expires_at": self.expires_at,
            "revoked_at": self.revoked_at,
            "salt_hex": self.salt_hex,
            "hash_hex": self.hash_hex,
            "scopes": None if self.scopes is None else list(self.scopes),
        }

    def public(self) -> dict[str, Any]:
        """What may be shown: the record without salt and hash."""
        return {
            name: value for name, value in self.document().items() if name not in ("salt_hex", "hash_hex")
        }

    def expired(self, now: float) -> bool:
        """Whether the key has ended at `now`; it ends with the second that `expires_at` names."""
        return self.expires_at is not None and now >= self.expires_at


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
