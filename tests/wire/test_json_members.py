"""Iteration over the members of an object without decoding them."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chat2response.wire.json import JSONError
from chat2response.wire.json_members import elements, first_repeated_key, iterate_members, last_values

KEYS = st.sampled_from(["a", "b", 'c"', "\u00e9", "\\"])
VALUES = st.recursive(
    st.none() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=6),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=3),
    max_leaves=8,
)


@given(st.lists(st.tuples(KEYS, VALUES), max_size=6), st.sampled_from([None, 1]), st.booleans())
def test_each_member_is_found_where_it_stands(
    members: list[tuple[str, Any]], indent: int | None, ascii_only: bool
) -> None:
    texts = [
        f"{json.dumps(key, ensure_ascii=ascii_only)}: {json.dumps(value, indent=indent)}"
        for key, value in members
    ]
    body = ("{ " + " ,".join(texts) + " }").encode()
    last = last_values(body)
    walked = [(key, json.loads(body[start:end])) for key, start, end in iterate_members(body, last)]
    assert walked == members
    keys = [key for key, _ in members]
    doubles = [key for at, key in enumerate(keys) if key in keys[:at]]
    assert first_repeated_key(body, last, set(keys)) == (doubles[0] if doubles else None)
    assert first_repeated_key(body, last, ()) is None


def test_only_the_keys_that_are_asked_for_count() -> None:
    body = b'{"x":1,"x":2,"y":{"z":1,"z":2},"z":3}'
    assert first_repeated_key(body, last_values(body), ("y", "z")) is None
    assert first_repeated_key(body, last_values(body), ("z", "x")) == "x"


def test_a_key_is_the_same_however_it_is_written() -> None:
    body = rb'{"id":1,"\u0069d":2}'
    assert first_repeated_key(body, last_values(body), ("id",)) == "id"


def test_elements_of_arrays_and_of_nothing_else() -> None:
    assert elements(b'[ 1 , {"a": 2},"]"]') == [b"1", b'{"a": 2}', b'"]"']
    assert [elements(value) for value in (b"{}", b"1", b'"x"', b"")] == [[]] * 4


@pytest.mark.parametrize("body", [b"[]", b"", b"{"])
def test_what_is_no_object_is_refused(body: bytes) -> None:
    with pytest.raises(JSONError):
        last_values(body)
