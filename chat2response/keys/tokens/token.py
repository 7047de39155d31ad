"""The token a client presents: `sk_<32 hex: the key's id>.<64 hex: its secret>`, in lower case.

The id is public: it appears in lists and logs, and names the tenant. The secret is shown once, at creation;
only its hash is stored.
256 random bits need no slow hash and no checksum: the form alone tells a token from other text.
"""

import re
import secrets
from dataclasses import dataclass, field

TOKEN_LENGTH = 100

_TOKEN = re.compile(r"sk_([0-9a-f]{32})\.([0-9a-f]{64})")
_TOKEN_IN_TEXT = re.compile(r"\s*(?:bearer\s+)?sk_([0-9a-f]{1,32})(?:\.\S*)?\s*", re.IGNORECASE)
_ID = re.compile(r"[0-9a-f]{32}")


@dataclass(frozen=True, slots=True)
class Token:
    """Both halves of a token, in hex. `repr` hides the secret; `text()` shows it."""

    id: str
    secret: str = field(repr=False)

    def text(self) -> str:
        return f"sk_{self.id}.{self.secret}"


def new_token() -> Token:
    """A new random token."""
    return Token(secrets.token_hex(16), secrets.token_hex(32))


def parse(text: str) -> Token | None:
    """The halves of a well-formed token; None for any other text."""
    if len(text) != TOKEN_LENGTH:
        return None
    match = _TOKEN.fullmatch(text)
    return Token(match[1], match[2]) if match else None


def id_in(text: str) -> str:
    """The id in a token, which may be truncated or follow `Bearer`; any other text is returned unchanged."""
    match = _TOKEN_IN_TEXT.fullmatch(text)
    return match[1].lower() if match else text


def is_key_id(text: str) -> bool:
    """Whether the text has the form of a key's id."""
    return _ID.fullmatch(text) is not None
