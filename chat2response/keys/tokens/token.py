"""The token a client presents: `sk_<32 hex: the key's id>.<64 hex: its secret>`, lower case.

The id is public (lists, logs, tenants); the secret is shown once, at creation, and kept nowhere.
256 random bits need no slow hash and no checksum: the shape alone tells a token from garbage.
"""

import re
import secrets
from dataclasses import dataclass, field

TOKEN_LENGTH = 100

_TOKEN = re.compile(r"sk_([0-9a-f]{32})\.([0-9a-f]{64})")
_LIKE_A_TOKEN = re.compile(r"\s*(?:bearer\s+)?sk_([0-9a-f]{1,32})(?:\.\S*)?\s*", re.IGNORECASE)
_ID = re.compile(r"[0-9a-f]{32}")


@dataclass(frozen=True, slots=True)
class Token:
    """Both halves of a token, in hex. Its `repr` does not show the secret; `text()` does."""

    id: str
    secret: str = field(repr=False)

    def text(self) -> str:
        return f"sk_{self.id}.{self.secret}"


def new_token() -> Token:
    """A token nobody has had before."""
    return Token(secrets.token_hex(16), secrets.token_hex(32))


def parse(text: str) -> Token | None:
    """The halves of a well-formed token; None for anything else, whatever its length or characters."""
    if len(text) != TOKEN_LENGTH:
        return None
    found = _TOKEN.fullmatch(text)
    return Token(found[1], found[2]) if found else None


def id_in(text: str) -> str:
    """The id in a token, whole or cut short, also with `Bearer` before it; other text as it is."""
    found = _LIKE_A_TOKEN.fullmatch(text)
    return found[1].lower() if found else text


def is_key_id(text: str) -> bool:
    """Whether this can be a key's id at all."""
    return _ID.fullmatch(text) is not None
