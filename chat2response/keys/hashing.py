"""How a secret is kept: SHA-256 over a 16-byte salt and the 32 raw bytes of the secret.

A fast hash is right here: the secret is 256 random bits, so there is no dictionary to try, and a slow
hash would only hand out denial of service. It stands in a passlib CryptContext, so that a newer scheme
can join it; the records of the Rust edition verify as they are.

Importing this costs 60 ms (passlib): the ring does so on the first check.
"""

import hashlib
import re
from typing import Any

from passlib.context import CryptContext
from passlib.utils import handlers

_IDENT = "$c2r-sha256$"
_STORED = re.compile(re.escape(_IDENT) + r"([0-9a-f]{32})\$([0-9a-f]{64})")


class SaltedSha256(handlers.HasRawSalt, handlers.HasRawChecksum, handlers.GenericHandler):  # type: ignore[misc]
    """`$c2r-sha256$<salt, 32 hex>$<hash, 64 hex>`, as a passlib scheme."""

    name = "c2r_sha256"
    ident = _IDENT
    setting_kwds = ("salt",)
    min_salt_size = max_salt_size = default_salt_size = 16
    checksum_size = 32

    @classmethod
    def from_string(cls, hash: str, **context: Any) -> "SaltedSha256":
        # Strict, since bytes.fromhex alone would take white space as part of a hash.
        found = _STORED.fullmatch(hash)
        if found is None:
            raise ValueError("not a salted SHA-256")
        return cls(salt=bytes.fromhex(found[1]), checksum=bytes.fromhex(found[2]), **context)

    def to_string(self) -> str:
        return f"{_IDENT}{self.salt.hex()}${self.checksum.hex()}"

    def _calc_checksum(self, secret: str | bytes) -> bytes:
        raw = secret.encode() if isinstance(secret, str) else secret
        return hashlib.sha256(self.salt + raw).digest()


_context = CryptContext(schemes=[SaltedSha256])


def make(secret_hex: str) -> tuple[str, str]:
    """(salt_hex, hash_hex) for a new secret, with a fresh random salt."""
    _, _, salt_hex, hash_hex = _context.hash(bytes.fromhex(secret_hex)).split("$")
    return salt_hex, hash_hex


def matches(secret_hex: str, salt_hex: str, hash_hex: str) -> bool:
    """Whether this is the secret, compared in constant time. False for a hash that is not well formed."""
    try:
        return bool(_context.verify(bytes.fromhex(secret_hex), f"{_IDENT}{salt_hex}${hash_hex}"))
    except ValueError:
        return False
