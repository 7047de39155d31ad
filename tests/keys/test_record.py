"""The record of a key."""

from typing import Any

import pytest

from chat2response.keys import ApiKey

DOC: dict[str, Any] = {
    "id": "0123456789abcdef0123456789abcdef",
    "label": "laptop",
    "created_at": 1_700_000_000,
    "expires_at": 1_700_086_400,
    "revoked_at": None,
    "salt_hex": "5a" * 16,
    "hash_hex": "a5" * 32,
    "scopes": ["chat", "responses"],
}


def test_a_record_comes_back_as_it_was() -> None:
    assert ApiKey.read(DOC).document() == DOC
    assert list(ApiKey.read(DOC).document()) == list(DOC)


def test_what_may_be_missing() -> None:
    bare = {name: DOC[name] for name in ("id", "created_at", "salt_hex", "hash_hex")}
    key = ApiKey.read(bare)
    assert (key.label, key.expires_at, key.revoked_at, key.scopes) == (None, None, None, None)


def test_fields_of_others_are_skipped() -> None:
    assert ApiKey.read({**DOC, "plan": {"name": "gold"}}) == ApiKey.read(DOC)


@pytest.mark.parametrize("name", ["id", "created_at", "salt_hex", "hash_hex"])
def test_what_may_not_be_missing(name: str) -> None:
    with pytest.raises(ValueError, match=name):
        ApiKey.read({key: value for key, value in DOC.items() if key != name})


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("id", 1),
        ("label", 1),
        ("created_at", "1700000000"),
        ("expires_at", True),
        ("expires_at", 1.5),
        ("revoked_at", "never"),
        ("revoked_at", False),
        ("salt_hex", None),
        ("hash_hex", ["a5"]),
        ("scopes", "chat"),
        ("scopes", [1]),
    ],
)
def test_a_wrong_type_is_refused_not_guessed(name: str, value: Any) -> None:
    with pytest.raises(ValueError, match=name):
        ApiKey.read({**DOC, name: value})


@pytest.mark.parametrize("doc", [None, [], "text", 1])
def test_only_an_object_is_a_record(doc: Any) -> None:
    with pytest.raises(ValueError, match="object"):
        ApiKey.read(doc)


def test_the_public_view_has_no_hash() -> None:
    key = ApiKey.read(DOC)
    assert key.public() == {name: DOC[name] for name in DOC if name not in ("salt_hex", "hash_hex")}
    for hidden in (DOC["salt_hex"], DOC["hash_hex"]):
        assert hidden not in repr(key)
        assert hidden not in str(key.public())


def test_a_key_ends_with_its_second() -> None:
    key = ApiKey.read(DOC)
    assert not key.expired(1_700_086_399.999)
    assert key.expired(1_700_086_400)
    assert not ApiKey.read({**DOC, "expires_at": None}).expired(9e12)
