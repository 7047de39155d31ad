"""The form of a token."""

import re
import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chat2response.keys.tokens.token import TOKEN_LENGTH, Token, id_in, is_key_id, new_token, parse

ID, SECRET = "0123456789abcdef" * 2, "fedcba9876543210" * 4

hex_32 = st.text("0123456789abcdef", min_size=32, max_size=32)
hex_64 = st.text("0123456789abcdef", min_size=64, max_size=64)


def test_a_new_token_has_the_shape_and_is_never_the_same() -> None:
    tokens = [new_token() for _ in range(100)]
    for token in tokens:
        assert re.fullmatch(r"sk_[0-9a-f]{32}\.[0-9a-f]{64}", token.text())
        assert len(token.text()) == TOKEN_LENGTH
        assert parse(token.text()) == token
    assert len({token.id for token in tokens}) == len({token.secret for token in tokens}) == 100


@given(hex_32, hex_64)
def test_well_formed_tokens_are_read(id: str, secret: str) -> None:
    assert parse(f"sk_{id}.{secret}") == Token(id, secret)


@given(st.text())
def test_other_text_is_not_a_token(text: str) -> None:
    assert parse(text) is None


@given(hex_32, hex_64, st.integers(0, TOKEN_LENGTH - 1), st.characters())
def test_one_wrong_character_spoils_it(id: str, secret: str, at: int, wrong: str) -> None:
    text = f"sk_{id}.{secret}"
    spoiled = text[:at] + wrong + text[at + 1 :]
    still_fine = spoiled == text or (at not in (0, 1, 2, 35) and wrong in "0123456789abcdef")
    assert (parse(spoiled) is not None) == still_fine


@pytest.mark.parametrize(
    "text",
    [
        "",
        "sk_",
        f"sk_{ID}.{SECRET} ",
        f"sk_{ID}.{SECRET}\n",
        f" sk_{ID}.{SECRET}",
        f"sk_{ID}.{SECRET[:-1]}\n",
        f"sk_{ID}{SECRET}.",
        f"sk-{ID}.{SECRET}",
        f"SK_{ID}.{SECRET}",
        f"sk_{ID.upper()}.{SECRET}",
        f"sk_{ID}.{SECRET.upper()}",
        f"sk_{ID}.{SECRET}00",
        f"sk_{ID[:-1]}.{SECRET}0",
        f"sk_{ID}.{'٣' * 64}",
        "\ud800" * TOKEN_LENGTH,
        "\x00" * TOKEN_LENGTH,
        "sk_" + "a" * 5_000_000,
        "." * 5_000_000,
    ],
    ids=range(18),
)
def test_garbage_is_refused_without_a_word(text: str) -> None:
    assert parse(text) is None


def test_a_token_does_not_show_its_secret() -> None:
    token = Token(ID, SECRET)
    assert SECRET not in repr(token)
    assert SECRET not in str(token)


def test_ids() -> None:
    assert is_key_id(ID)
    for wrong in ("", ID[:-1], ID + "0", ID.upper(), ID[:-1] + "\n", "*" * 32, *string.printable):
        assert not is_key_id(wrong)


@pytest.mark.parametrize(
    ("text", "id"),
    [
        (f"sk_{ID}.{SECRET}", ID),
        (f" Bearer sk_{ID}.{SECRET}\n", ID),
        (f"sk_{ID}", ID),
        (f"sk_{ID}.", ID),
        (f"sk_{ID}.{SECRET[:7]}...", ID),
        (f"sk_{ID[:6]}", ID[:6]),
        (f"sk_{ID.upper()}.{SECRET.upper()}", ID),
        (ID, ID),
        ("", ""),
        ("sk-proj-x", "sk-proj-x"),
        (f"sk_{ID}0.{SECRET}", f"sk_{ID}0.{SECRET}"),
        (f"sk_{ID}.{SECRET} x", f"sk_{ID}.{SECRET} x"),
    ],
)
def test_the_id_in_a_token_however_it_was_copied(text: str, id: str) -> None:
    assert id_in(text) == id
