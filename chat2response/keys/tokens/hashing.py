"""How a secret is kept: SHA-256 over a 16-byte salt and the 32 raw bytes of the secret, or, where the gateway
has a pepper, HMAC-SHA-256 with it over the same bytes.

A fast hash is right here: the secret is 256 random bits, so there is no dictionary to try, and a slow
hash would only hand out denial of service. Each scheme, and each pepper, is one of a passlib CryptContext;
the records of the Rust edition verify as they are.

Importing this costs 60 ms (passlib): who hashes does so when there is something to hash.
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


_log = logging.getLogger(__name__)


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
        found = _VALUES.fullmatch(hash.removeprefix(cls.ident))
        if found is None or not hash.startswith(cls.ident):
            raise ValueError("not a hash of this scheme")
        return cls(salt=bytes.fromhex(found[1]), checksum=bytes.fromhex(found[2]), **context)

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
    """Makes and checks hashes, with the peppers it is given."""

    def __init__(self, peppers: Peppers | None = None) -> None:
        self._peppers = peppers or Peppers()
        schemes = {None: SaltedSha256} | {
            version: _peppered(version, pepper) for version, pepper in self._peppers.known.items()
        }
        self._missed: set[str | None] = set()
        current = schemes.pop(self._peppers.current)
        self.context = CryptContext(
            schemes=[current, *schemes.values()], deprecated=[scheme.name for scheme in schemes.values()]
        )

    def make(self, secret_hex: str) -> Digest:
        """What to keep of a new secret: hashed with the current pepper and a fresh random salt."""
        return parse_digest(self.context.hash(bytes.fromhex(secret_hex)))

    def matches(self, secret_hex: str, digest: Digest) -> bool:
        """Whether this is the secret, compared in constant time.

        False for a hash that is not well formed, or was made with a pepper that is not known here.
        """
        if not self.knows(digest):
            if digest.pepper not in self._missed:
                self._missed.add(digest.pepper)
                _log.warning(
                    "there are keys that nothing opens here: their pepper %r is missing", digest.pepper
                )
            digest = NO_DIGEST  # it takes its time like any other
        try:
            return bool(self.context.verify(bytes.fromhex(secret_hex), digest_text(digest)))
        except ValueError:
            return False

    def outdated(self, digest: Digest) -> bool:
        """Whether a hash that matched is to be made anew, with the current pepper."""
        return bool(self.context.needs_update(digest_text(digest)))

    def knows(self, digest: Digest) -> bool:
        """Whether a secret can be held against it at all."""
        return digest.pepper is None or digest.pepper in self._peppers.known


def digest_text(digest: Digest) -> str:
    """As passlib writes it."""
    ident = _IDENT if digest.pepper is None else f"{_PEPPERED}{digest.pepper}$"
    return f"{ident}{digest.salt_hex}${digest.hash_hex}"


def parse_digest(text: str) -> Digest:
    """Of its text. Raises ValueError."""
    scheme, _, rest = text.removeprefix("$").partition("$")
    version = None
    if scheme == _PEPPERED.strip("$"):
        version, _, rest = rest.partition("$")
    elif scheme != _IDENT.strip("$"):
        raise ValueError("no scheme of ours")
    found = _VALUES.fullmatch(rest)
    if found is None or not text.startswith("$") or version == "":
        raise ValueError("not a hash of this scheme")
    return Digest(found[1], found[2], version)
