"""Replacing one value in the bytes of an object changes nothing else."""

import json
import random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chat2response.wire.json import JSONError
from chat2response.wire.json_edit import with_string


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (b'{"model":"a"}', b'{"model":"NEW"}'),
        (b' \r\n{ "x" : 1.50 ,\t"model"  :  "a"  , "y":[ ] } \n', None),
        (
            b'{"model": "a", "x": 1, "model" :"b", "y": 2}',
            b'{"model": "NEW", "x": 1, "model" :"NEW", "y": 2}',
        ),
        (b'{"x":{"model":"a"},"model":"b"}', b'{"x":{"model":"a"},"model":"NEW"}'),
        (b'{"model":"b","x":[{"model":"a"}]}', b'{"model":"NEW","x":[{"model":"a"}]}'),
        (b'{"x":"model","model":"b"}', b'{"x":"model","model":"NEW"}'),
        (rb'{"x":"\"model\":\"a\"}{[","model":"b"}', rb'{"x":"\"model\":\"a\"}{[","model":"NEW"}'),
        (rb'{"x":{"y":"}\\"},"model":"b\"\\"}', rb'{"x":{"y":"}\\"},"model":"NEW"}'),
        (rb'{"mod\u0065l":"b"}', rb'{"mod\u0065l":"NEW"}'),
        (b'{"model":null}', b'{"model":"NEW"}'),
        (b'{"model":-1.5e3,"x":0}', b'{"model":"NEW","x":0}'),
        (b'{"model":{"a":["}"]} ,"x":0}', b'{"model":"NEW" ,"x":0}'),
        (b'{"model":[],"x":0}', b'{"model":"NEW","x":0}'),
        (b'{"x":true,"model":"\xc3\xbc"}', b'{"x":true,"model":"NEW"}'),
        (
            b'{"x":123456789012345678901234567890,"models":"a"}',
            b'{"x":123456789012345678901234567890,"models":"a"}',
        ),
        (b"{}", b"{}"),
        (
            b'{"x":[1,{"y":"]"}] , "x":{"z":[]},"model":"b"}',
            b'{"x":[1,{"y":"]"}] , "x":{"z":[]},"model":"NEW"}',
        ),
        (b'{"x":[],"x":[[]],"x":[],"model":"b"}', b'{"x":[],"x":[[]],"x":[],"model":"NEW"}'),
        (b'{"x":["\xc3\xbc"],"x":[],"model":"b"}', b'{"x":["\xc3\xbc"],"x":[],"model":"NEW"}'),
        (b'{"x":1,"x":12,"x":1,"model":"b"}', b'{"x":1,"x":12,"x":1,"model":"NEW"}'),
        (b'{"x":[%b],"x":0,"model":"b"}' % (b"9" * 9999), b'{"x":[%b],"x":0,"model":"NEW"}' % (b"9" * 9999)),
    ],
)
def test_only_the_value_changes(before: bytes, after: bytes | None) -> None:
    expected = before.replace(b'"a"', b'"NEW"') if after is None else after
    assert with_string(before, "model", "NEW") == expected


@pytest.mark.parametrize("body", [b"[]", b"{", b"", b'{"a":1} {}'])
def test_what_is_no_object_is_refused(body: bytes) -> None:
    with pytest.raises(JSONError):
        with_string(body, "model", "NEW")


def test_the_value_is_written_as_json() -> None:
    assert with_string(b'{"model":0}', "model", 'a"\\ü') == '{"model":"a\\"\\\\ü"}'.encode()


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8) | st.just('"model":"a"'),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["model", "a", '"', "\\", "}"]), inner, max_size=3)
    ),
    max_leaves=12,
)


@given(
    st.lists(st.tuples(st.sampled_from(["model", "x", '\\"', "{"]), VALUES), max_size=5),
    st.randoms(use_true_random=False),
)
def test_any_object(members: list[tuple[str, Any]], chance: random.Random) -> None:
    def space() -> str:
        return chance.choice(["", " ", "\n\t", "\r\n"])

    def written(value: Any) -> str:
        return json.dumps(value, ensure_ascii=chance.random() < 0.5, indent=chance.choice([None, 1]))

    parts = [
        (f"{space()}{written(key)}{space()}:{space()}", written(value), space()) for key, value in members
    ]
    before = f"{space()}{{{','.join(''.join(part) for part in parts)}}}{space()}"
    inside = [
        head + ('"NEW"' if key == "model" else value) + tail
        for (head, value, tail), (key, _) in zip(parts, members, strict=True)
    ]
    first, _, _ = before.partition("{")
    _, _, last = before.rpartition("}")
    expected = f"{first}{{{','.join(inside)}}}{last}"
    assert with_string(before.encode(), "model", "NEW").decode() == expected
