"""Hashes of secrets: SHA-256 over a 16-byte salt and the 32 raw bytes of the secret, or, if the gateway has a
pepper, HMAC-SHA-256 with it over the same bytes.

A fast hash is right here: the secret is 256 random bits, so there is no dictionary to try, and a slow hash
would only invite denial of service. Each scheme, and each pepper, is a scheme of one passlib CryptContext;
the Rust edition's records verify without a change.

Importing this module costs 60 ms (passlib), so callers import it when they have something to hash.
"""

import hashlib
import hmac
import logging
import re
from typing import Any

from passlib.context import CryptContext
from passlib.utils import handlers

from chat2response.keys.record import NO_DIGEST, Digest
from chat2response.keys.tokens.pepper import Peppers

_IDENT = "$c2r-sha256$"
_PEPPERED = "$c2r-hmac-sha256$"  # followed by the pepper's version
_VALUES = re.compile(r"([0-9a-f]{32})\$([0-9a-f]{64})")


log = logging.getLogger(__name__)


class SaltedSha256(handlers.HasRawSalt, handlers.HasRawChecksum, handlers.GenericHandler):  # type: ignore[misc]
    """`$c2r-sha256$<salt, 32 hex>$<hash, 64 hex>`, as a passlib scheme."""

    name = "c2r_sha256"
    ident = _IDENT
    setting_kwds = ("salt",)
    min_salt_size = max_salt_size = default_salt_size = 16
    checksum_size = 32

    @classmethod
    def from_string(cls, hash: str, **context: Any) -> "SaltedSha256":
        # Strict, since bytes.fromhex alone would accept white space in a hash.
        match = _VALUES.fullmatch(hash.removeprefix(cls.ident))
        if match is None or not hash.startswith(cls.ident):
            raise ValueError("not a hash of this scheme")
        return cls(salt=bytes.fromhex(match[1]), checksum=bytes.fromhex(match[2]), **context)

    def to_string(self) -> str:
        return f"{self.ident}{self.salt.hex()}${self.checksum.hex()}"

    def _calc_checksum(self, secret: str | bytes) -> bytes:
        return hashlib.sha256(self._salted(secret)).digest()

    def _salted(self, secret: str | bytes) -> bytes:
        raw = secret.encode() if isinstance(secret, str) else secret
        return bytes(self.salt) + raw


def _peppered(version: str, pepper: bytes) -> type[SaltedSha256]:
    """The scheme of one pepper: `$c2r-hmac-sha256$<version>$<salt>$<hash>`."""

    class PepperedSha256(SaltedSha256):
        name = f"c2r_hmac_sha256_{version}"
        ident = f"{_PEPPERED}{version}$"

        def _calc_checksum(self, secret: str | bytes) -> bytes:
            return hmac.digest(pepper, self._salted(secret), "sha256")

    return PepperedSha256


class Hasher:
    """Makes and verifies hashes with the gateway's peppers."""

    def __init__(self, peppers: Peppers | None = None) -> None:
        self._peppers = peppers or Peppers()
        schemes = {None: SaltedSha256} | {
            version: _peppered(version, pepper) for version, pepper in self._peppers.known.items()
        }
        self._unknown: set[str | None] = set()  # peppers; each is logged once
        current = schemes.pop(self._peppers.current)
        self.context = CryptContext(
            schemes=[current, *schemes.values()], deprecated=[scheme.name for scheme in schemes.values()]
        )

    def make(self, secret_hex: str) -> Digest:
        """Hash a new secret with the current pepper and a random salt."""
        return parse_digest(self.context.hash(bytes.fromhex(secret_hex)))

    def matches(self, secret_hex: str, digest: Digest) -> bool:
        """Whether this is the secret, compared in constant time.

        False for a malformed hash, or one whose pepper this gateway does not have.
        """
        if not self.knows(digest):
            if digest.pepper not in self._unknown:
                self._unknown.add(digest.pepper)
                log.warning(
                    "this gateway does not have the pepper %r, so it rejects the keys hashed with it",
                    digest.pepper,
                )
            digest = NO_DIGEST  # takes as long as any other comparison
        try:
            return bool(self.context.verify(bytes.fromhex(secret_hex), digest_text(digest)))
        except ValueError:
            return False

    def outdated(self, digest: Digest) -> bool:
        """Whether a hash that matched must be replaced by one with the current pepper."""
        return bool(self.context.needs_update(digest_text(digest)))

    def knows(self, digest: Digest) -> bool:
        """Whether the gateway has the digest's pepper, or it needs none."""
        return digest.pepper is None or digest.pepper in self._peppers.known


def digest_text(digest: Digest) -> str:
    """The digest in passlib's text form."""
    ident = _IDENT if digest.pepper is None else f"{_PEPPERED}{digest.pepper}$"
    return f"{ident}{digest.salt_hex}${digest.hash_hex}"


def parse_digest(text: str) -> Digest:
    """From passlib's text form. Raises ValueError."""
    scheme, _, values = text.removeprefix("$").partition("$")
    version = None
    if scheme == _PEPPERED.strip("$"):
        version, _, values = values.partition("$")
    elif scheme != _IDENT.strip("$"):
        raise ValueError("unknown hash scheme")
    match = _VALUES.fullmatch(values)
    if match is None or not text.startswith("$") or version == "":
        raise ValueError("not a hash of this scheme")
    return Digest(match[1], match[2], version)
