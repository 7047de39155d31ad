"""The expiry policy: the truth table of its docstring."""

from typing import Any

import pytest

from chat2response.errors import InvalidRequest
from chat2response.keys import KeyPolicy
from chat2response.keys.expiry_policy import MAX_TIMESTAMP

NOW = 1_800_000_000
HOUR = {"ttl_seconds": 3600}
NULL = {"expires_at": None}
FUTURE = {"expires_at": NOW + 5}
PAST = {"expires_at": NOW - 5}
REFUSED = "refused"

DEFAULT = KeyPolicy()
NO_DEFAULT = KeyPolicy(default_ttl=0)
ALLOW = KeyPolicy(allow_no_expiration=True)
ALLOW_NO_DEFAULT = KeyPolicy(default_ttl=0, allow_no_expiration=True)
FREE = KeyPolicy(default_ttl=0, require_expiration=False, allow_no_expiration=True)
NOT_REQUIRED = KeyPolicy(default_ttl=0, require_expiration=False)
FORBIDDEN = KeyPolicy(default_ttl=0, require_expiration=False, allow_no_expiration=False)
SHORT = KeyPolicy(default_ttl=60, require_expiration=False, allow_no_expiration=True)

CREATION: list[tuple[KeyPolicy, dict[str, Any], int | str | None]] = [
    (DEFAULT, {}, NOW + 86_400),
    (DEFAULT, NULL, REFUSED),
    (DEFAULT, HOUR, NOW + 3600),
    (DEFAULT, FUTURE, NOW + 5),
    (DEFAULT, HOUR | FUTURE, NOW + 5),
    (DEFAULT, HOUR | NULL, NOW + 3600),
    (DEFAULT, {"ttl_seconds": None}, NOW + 86_400),
    (NO_DEFAULT, {}, REFUSED),
    (NO_DEFAULT, NULL, REFUSED),
    (NO_DEFAULT, HOUR, NOW + 3600),
    (ALLOW, {}, NOW + 86_400),
    (ALLOW, NULL, None),
    (ALLOW, HOUR, NOW + 3600),
    (ALLOW_NO_DEFAULT, {}, REFUSED),
    (ALLOW_NO_DEFAULT, NULL, None),
    (FREE, {}, None),
    (FREE, NULL, None),
    (FREE, FUTURE, NOW + 5),
    (NOT_REQUIRED, {}, None),
    (NOT_REQUIRED, NULL, None),
    (FORBIDDEN, {}, REFUSED),
    (FORBIDDEN, NULL, REFUSED),
    (SHORT, {}, NOW + 60),
    (SHORT, NULL, None),
]

CHANGE: list[tuple[KeyPolicy, dict[str, Any], int | str | None]] = [
    (DEFAULT, {}, REFUSED),
    (DEFAULT, NULL, REFUSED),
    (DEFAULT, HOUR, NOW + 3600),
    (DEFAULT, FUTURE, NOW + 5),
    (DEFAULT, PAST, NOW - 5),
    (DEFAULT, {"expires_at": 0}, 0),
    (DEFAULT, HOUR | PAST, NOW - 5),
    (DEFAULT, HOUR | NULL, NOW + 3600),
    (NOT_REQUIRED, {}, None),
    (FORBIDDEN, {}, REFUSED),
    (ALLOW, {}, None),
    (ALLOW, NULL, None),
    (ALLOW_NO_DEFAULT, NULL, None),
    (FREE, {}, None),
]

WRONG: list[tuple[str, Any]] = [
    ("ttl_seconds", 0),
    ("ttl_seconds", -1),
    ("ttl_seconds", True),
    ("ttl_seconds", 60.0),
    ("ttl_seconds", "60"),
    ("ttl_seconds", [60]),
    ("ttl_seconds", MAX_TIMESTAMP),
    ("ttl_seconds", 2**64),
    ("expires_at", -1),
    ("expires_at", True),
    ("expires_at", float(NOW + 60)),
    ("expires_at", str(NOW + 60)),
    ("expires_at", (NOW + 60) * 1000),
    ("expires_at", 2**64),
]


@pytest.mark.parametrize(("policy", "params", "end"), CREATION)
def test_creation(policy: KeyPolicy, params: dict[str, Any], end: int | str | None) -> None:
    if end is REFUSED:
        with pytest.raises(InvalidRequest, match=r"^Expiration required: ") as caught:
            policy.at_creation(NOW, **params)
        assert (caught.value.status, caught.value.param) == (400, "expires_at")
    else:
        assert policy.at_creation(NOW, **params) == end


@pytest.mark.parametrize(("policy", "params", "end"), CHANGE)
def test_change(policy: KeyPolicy, params: dict[str, Any], end: int | str | None) -> None:
    if end is REFUSED:
        with pytest.raises(InvalidRequest, match=r"^Expiration required: ") as caught:
            policy.at_change(NOW, **params)
        assert (caught.value.status, caught.value.param) == (400, "expires_at")
    else:
        assert policy.at_change(NOW, **params) == end


@pytest.mark.parametrize("end", [0, NOW - 1, NOW])
def test_a_new_key_does_not_end_in_the_past(end: int) -> None:
    with pytest.raises(InvalidRequest, match=r"^expires_at must be in the future$") as caught:
        FREE.at_creation(NOW, expires_at=end)
    assert caught.value.param == "expires_at"


@pytest.mark.parametrize(("param", "value"), WRONG)
@pytest.mark.parametrize("other", [{}, HOUR, FUTURE], ids=["alone", "with a ttl", "with an end"])
def test_wrong_values_are_refused_even_where_another_field_wins(
    param: str, value: Any, other: dict[str, Any]
) -> None:
    for decide in (FREE.at_creation, FREE.at_change):
        with pytest.raises(InvalidRequest) as caught:
            decide(NOW, **{**other, param: value})
        assert caught.value.param == param
        assert caught.value.message.startswith(param)


def test_the_last_moment_can_be_named() -> None:
    assert FREE.at_creation(NOW, expires_at=MAX_TIMESTAMP) == MAX_TIMESTAMP
    assert FREE.at_creation(NOW, ttl_seconds=MAX_TIMESTAMP - NOW) == MAX_TIMESTAMP
