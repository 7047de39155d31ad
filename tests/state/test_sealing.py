"""Sealing: only the same key and binding open a seal; a process opens seals of all its keys."""

import base64
import stat
from itertools import product
from pathlib import Path

import pytest

from chat2response.state.sealing import FILE_NAME, Sealing, SealKeyError, parse_keys, read_or_create

OLD, NEW = "old-key-" * 4, "new-key-" * 4
PLAIN = "Hm, “so” it is.".encode()
BOUND = ("key_a", "http://a/v1", "m")


def test_what_was_sealed_opens():
    seal = Sealing([OLD]).seal_for(*BOUND)
    sealed = seal.seal(PLAIN)
    assert sealed.isascii()
    encoded = sealed.rpartition(".")[2]
    decoded = base64.urlsafe_b64decode(encoded + "=" * (-len(encoded) % 4))
    assert PLAIN not in decoded and b"it is." not in decoded  # encrypted, not only encoded
    assert seal.open(sealed) == PLAIN
    assert Sealing([OLD]).seal_for(*BOUND).open(sealed) == PLAIN
    assert seal.seal(PLAIN) != sealed


@pytest.mark.parametrize(
    "other",
    [
        ("key_b", "http://a/v1", "m"),
        (None, "http://a/v1", "m"),
        ("key_a", "http://b/v1", "m"),
        ("key_a", "http://a/v1", "n"),
        ("key_ahttp://a/v1", "", "m"),
    ],
)
def test_no_other_tenant_upstream_or_model_opens_it(other: tuple[str | None, str, str]):
    sealing = Sealing([OLD])
    sealed = sealing.seal_for(*BOUND).seal(PLAIN)
    assert sealing.seal_for(*other).open(sealed) is None
    assert sealing.seal_for(*BOUND).open(sealed) == PLAIN


def test_the_first_key_seals_and_all_open():
    before, during, after = Sealing([OLD]), Sealing([NEW, OLD]), Sealing([NEW])
    old = before.seal_for(*BOUND).seal(PLAIN)
    new = during.seal_for(*BOUND).seal(PLAIN)
    opens = {
        (sealing, sealed): sealing.seal_for(*BOUND).open(sealed) == PLAIN
        for sealing, sealed in product((before, during, after), (old, new))
    }
    assert [key for key, opened in opens.items() if not opened] == [(before, new), (after, old)]


def test_an_altered_seal_does_not_open():
    seal = Sealing([OLD]).seal_for(*BOUND)
    sealed = seal.seal(b"Hm")
    for at in range(len(sealed)):
        for letter in "A-":
            if sealed[at] != letter:
                assert seal.open(sealed[:at] + letter + sealed[at + 1 :]) is None
        assert seal.open(sealed[:at]) is None
        assert seal.open(f"{sealed[:at]} {sealed[at:]}") is None
    assert seal.open(sealed + "A") is None


@pytest.mark.parametrize(
    "foreign", ["", "c2r1.", "c2r1.AAAA", "gAAAAABlabcdef==", "c2r2.AAAA", "é", "c2r1.é"]
)
def test_what_is_none_does_not_open(foreign: str):
    assert Sealing([OLD]).seal_for(*BOUND).open(foreign) is None


# -- keys ----------------------------------------------------------------------------------------------


def test_keys_are_split_at_commas_and_lines():
    assert parse_keys(f" {NEW} , {OLD}\n") == (NEW, OLD)
    assert parse_keys(f"{NEW}\n\n{OLD}") == (NEW, OLD)


@pytest.mark.parametrize("text", ["", ",", "short", f"{NEW},short", "é" * 40])
def test_a_key_that_can_be_guessed_is_refused(text: str):
    with pytest.raises(ValueError, match="openssl rand -hex 32"):
        parse_keys(text)


def test_a_key_file_is_made_once(tmp_path: Path):
    first, again = read_or_create(tmp_path / "state"), read_or_create(tmp_path / "state")
    assert (first.created, again.created, first.value) == (True, False, again.value)
    assert len(first.value) == 64
    assert stat.S_IMODE((tmp_path / "state" / FILE_NAME).stat().st_mode) == 0o600


def test_an_operator_rotates_in_the_file(tmp_path: Path):
    old = read_or_create(tmp_path).value
    (tmp_path / FILE_NAME).write_text(f"{NEW}\n{old}\n")
    assert parse_keys(read_or_create(tmp_path).value) == (NEW, old)


def test_a_file_that_cannot_be_used_is_an_error_that_says_what_to_do(tmp_path: Path):
    (tmp_path / "file").write_text("")
    with pytest.raises(SealKeyError, match=r"CHAT2RESPONSE_STATE_DIR.*CHAT2RESPONSE_SEAL_KEY"):
        read_or_create(tmp_path / "file")
    (tmp_path / FILE_NAME).write_text("short")
    with pytest.raises(SealKeyError, match=r"Delete it.*CHAT2RESPONSE_SEAL_KEY"):
        read_or_create(tmp_path)
