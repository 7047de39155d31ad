"""The pepper file, and hashes with a pepper."""

import hashlib
import hmac
from pathlib import Path
from typing import Any

import pytest

from chat2response.keys.record import Digest
from chat2response.keys.tokens.hashing import Hasher, digest_text, parse_digest
from chat2response.keys.tokens.pepper import PepperError, Peppers, read_peppers

ONE, TWO = "11" * 32, "22" * 32
SECRET = "ab" * 32


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "pepper"
    path.touch(0o600)
    return path


def peppers(file: Path, text: str) -> Peppers:
    file.write_text(text)
    return read_peppers(file)


def test_the_first_line_is_what_new_hashes_are_made_with(file: Path) -> None:
    parsed = peppers(file, f"# ours\n\nv2:{TWO}  # since March\nv1:{ONE}\n")
    assert parsed == Peppers("v2", {"v1": bytes.fromhex(ONE), "v2": bytes.fromhex(TWO)})
    assert ONE not in repr(parsed) and "x11" not in repr(parsed)


def test_a_pepper_can_be_known_before_it_is_used(file: Path) -> None:
    assert peppers(file, f"none\nv1:{ONE}").current is None


@pytest.mark.parametrize(
    "text",
    [
        *("", "# nothing\n", "none", "v1", "v1:xyz", f"v1:{ONE[:-2]}", f"v1:{ONE}0", f"V1:{ONE}"),
        *(f"none:{ONE}", f"v1:{ONE}\nnone", f"v1:{ONE}\nv1:{TWO}", f"a$b:{ONE}", f"v1 :{ONE}"),
    ],
)
def test_what_is_no_file_of_peppers_is_said_without_showing_it(file: Path, text: str) -> None:
    with pytest.raises(PepperError) as caught:
        peppers(file, text)
    assert str(file) in str(caught.value)
    assert ONE[:8] not in str(caught.value)


@pytest.mark.parametrize("mode", [0o604, 0o644, 0o602])
def test_everybodys_file_is_refused(file: Path, mode: int) -> None:
    file.write_text(f"v1:{ONE}")
    file.chmod(mode)
    with pytest.raises(PepperError, match="chmod 600"):
        read_peppers(file)
    file.chmod(0o640)
    assert read_peppers(file).current == "v1"


def test_a_missing_file_and_one_in_no_ascii(file: Path, tmp_path: Path) -> None:
    with pytest.raises(PepperError, match="cannot be read"):
        read_peppers(tmp_path / "none")
    file.write_bytes(b"v1:\xff")
    with pytest.raises(PepperError, match="ASCII"):
        read_peppers(file)


# -- hashes ------------------------------------------------------------------------------------------

V1 = Peppers("v1", {"v1": bytes.fromhex(ONE)})
V2 = Peppers("v2", {"v2": bytes.fromhex(TWO), "v1": bytes.fromhex(ONE)})


def test_it_is_hmac_sha256_over_salt_and_secret() -> None:
    digest = Hasher(V1).make(SECRET)
    raw = bytes.fromhex(digest.salt_hex + SECRET)
    assert digest.hash_hex == hmac.new(bytes.fromhex(ONE), raw, hashlib.sha256).hexdigest()
    assert digest.pepper == "v1"
    assert digest_text(digest) == f"$c2r-hmac-sha256$v1${digest.salt_hex}${digest.hash_hex}"
    assert parse_digest(digest_text(digest)) == digest


def test_each_known_scheme_verifies_and_all_but_the_current_are_outdated() -> None:
    digests = {None: Hasher().make(SECRET), "v1": Hasher(V1).make(SECRET), "v2": Hasher(V2).make(SECRET)}
    hasher = Hasher(V2)
    for version, digest in digests.items():
        assert digest.pepper == version
        assert hasher.matches(SECRET, digest)
        assert not hasher.matches("cd" * 32, digest)
        assert hasher.outdated(digest) is (version != "v2")
    assert not Hasher().outdated(digests[None])


def test_without_its_pepper_a_hash_opens_nothing_and_that_is_said_once(caplog: Any) -> None:
    digest = Hasher(V2).make(SECRET)
    for hasher in (Hasher(), Hasher(V1)):
        caplog.clear()
        for _ in range(3):
            assert not hasher.matches(SECRET, digest)
        assert not hasher.knows(digest)
        messages = [record.getMessage() for record in caplog.records]
        assert [text.count("does not have the pepper 'v2'") for text in messages] == [1]
    assert not Hasher(V2).matches(SECRET, Digest(digest.salt_hex, digest.hash_hex))
    assert not Hasher(V2).matches(SECRET, Digest(digest.salt_hex, digest.hash_hex, "v1"))
    assert not Hasher(V2).matches(SECRET, Digest(digest.salt_hex, digest.hash_hex, "$"))


def test_a_known_pepper_that_is_not_used_yet() -> None:
    hasher = Hasher(Peppers(None, V1.known))
    assert hasher.make(SECRET).pepper is None
    assert hasher.matches(SECRET, Hasher(V1).make(SECRET))
