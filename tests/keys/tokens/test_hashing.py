"""The hash of a secret, compared with digests of another program (`sha256sum`)."""

import os
import re
import subprocess
import sys

import pytest

from chat2response.keys.record import Digest
from chat2response.keys.tokens.hashing import Hasher, SaltedSha256, digest_text, parse_digest
from tests.support.stores.processes import ROOT

# salt, secret, and `(salt bytes; secret bytes) | sha256sum`, which is the Rust edition's hash.
VECTORS = [
    (
        "000102030405060708090a0b0c0d0e0f",
        "202122232425262728292a2b2c2d2e2f303132333435363738393a3b3c3d3e3f",
        "2d9321773e79c1120423c9ac6dfe0b77dfba2342e6ddc018e1349d34e9c513dd",
    ),
    (  # raw bytes: zeros, and bytes that are not text
        "f0e1d2c3b4a5968778695a4b3c2d1e0f",
        "00ff" * 16,
        "3bf275391225030bd92a6386389159bbd4eab4854f14f2acc6d2e8191df6e0e5",
    ),
]
SALT, SECRET, HASH = VECTORS[0]
PLAIN = Hasher()


def matches(secret: str, salt: str, digest: str) -> bool:
    return PLAIN.matches(secret, Digest(salt, digest))


@pytest.mark.parametrize(("salt", "secret", "digest"), VECTORS)
def test_records_of_the_rust_edition_verify(salt: str, secret: str, digest: str) -> None:
    assert matches(secret, salt, digest)


@pytest.mark.parametrize(("salt", "secret", "digest"), VECTORS)
def test_anything_else_does_not(salt: str, secret: str, digest: str) -> None:
    assert not matches(secret[:-1] + "0", salt, digest)
    assert not matches(secret, salt[:-1] + "0", digest)
    assert not matches(secret, salt, digest[:-1] + "0")


def test_a_new_secret_gets_a_fresh_salt() -> None:
    digests = [PLAIN.make(SECRET) for _ in range(20)]
    assert len({digest.salt_hex for digest in digests}) == 20
    for digest in digests:
        assert re.fullmatch(r"[0-9a-f]{32}", digest.salt_hex)
        assert re.fullmatch(r"[0-9a-f]{64}", digest.hash_hex)
        assert digest.pepper is None
        assert PLAIN.matches(SECRET, digest)
        assert parse_digest(digest_text(digest)) == digest


@pytest.mark.parametrize(
    ("salt", "digest"),
    [
        ("", ""),
        (SALT, ""),
        ("", HASH),
        (SALT, HASH + "\n"),
        (SALT + " ", HASH),
        (SALT, " " + HASH),
        (SALT[:-2], HASH),
        (SALT, HASH[:-2]),
        (SALT.upper(), HASH),
        (SALT, HASH.upper()),
        (SALT, "z" * 64),
        (SALT, "٣" * 64),
        (SALT, "\ud800" * 64),
        (SALT, f"{HASH}${HASH}"),
        (SALT * 1000, HASH),
    ],
)
def test_a_stored_hash_that_is_not_well_formed_matches_nothing(salt: str, digest: str) -> None:
    assert not matches(SECRET, salt, digest)


def test_it_is_a_scheme_that_a_context_knows() -> None:
    stored = SaltedSha256.using(salt=bytes.fromhex(SALT)).hash(bytes.fromhex(SECRET))
    assert stored == f"$c2r-sha256${SALT}${HASH}"
    assert PLAIN.context.identify(stored) == "c2r_sha256"
    assert PLAIN.context.verify_and_update(bytes.fromhex(SECRET), stored) == (True, None)
    assert PLAIN.context.verify(bytes.fromhex(SECRET), None) is False


def test_passlib_is_not_loaded_with_the_package() -> None:
    script = "import sys, chat2response.keys; assert not {m for m in sys.modules if 'passlib' in m}"
    env = {**os.environ, "PYTHONPATH": str(ROOT)}
    subprocess.run([sys.executable, "-W", "error", "-c", script], check=True, env=env)
