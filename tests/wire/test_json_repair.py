"""JSON that strict decoders reject is repaired and reported, in linear time."""

import time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chat2response.wire.json import (
    JSONError,
    decode,
    decode_as_written,
    decode_leniently,
    decode_with_repairs,
    encode,
)
from chat2response.wire.json_repair import (
    HALF_CHARACTER,
    MAX_REPAIRS,
    NOT_JSON_NUMBER,
    ends_in_half_character,
    join_halves,
    make_strict,
)

FACE = "\U0001f600"


@pytest.mark.parametrize(
    ("body", "value", "repairs"),
    [
        (rb'{"a":["x\ud83d"]}', {"a": ["x\ufffd"]}, [("a[0]", HALF_CHARACTER)]),
        (rb'{"a":{"b":"\ude00\ud83d"}}', {"a": {"b": "\ufffd\ufffd"}}, [("a.b", HALF_CHARACTER)]),
        (rb'{"\ud83d":1}', {"\ufffd": 1}, [("key", HALF_CHARACTER)]),
        (rb'["\ud83d\ude00", NaN]', [FACE, None], [("[1]", NOT_JSON_NUMBER)]),
        (
            b'{"a":[NaN,Infinity,-Infinity]}',
            {"a": [None] * 3},
            [(f"a[{at}]", NOT_JSON_NUMBER) for at in range(3)],
        ),
        (b"\xef\xbb\xbf{}", {}, []),
        (b'{"a":"\xff"}', {"a": "\ufffd"}, [("a", HALF_CHARACTER)]),
    ],
)
def test_what_strict_readers_refuse_is_mended_and_named(body, value, repairs):
    with pytest.raises(JSONError):
        decode(body)
    assert decode_with_repairs(body) == (value, repairs)
    assert decode_leniently(body) == value
    assert decode(encode(value)) == value


def test_json_is_left_as_it_is():
    body = rb'{"a":"\ud83d\ude00 \\ud83d NaN","b":-1.5e3,"c":"Infinity"}'
    assert decode_with_repairs(body) == (decode(body), ())
    assert make_strict(body) == body


@pytest.mark.parametrize(
    ("body", "plain"),
    [
        (rb'{"a":"\ud83d","a":"\ude00"}', rb'{"a":"\ufffd","a":"\ufffd"}'),
        (rb'{"a":"\\\ud83d \" NaN", "b": NaN}', rb'{"a":"\\\ufffd \" NaN", "b": null}'),
        (b"\xef\xbb\xbf[-Infinity,Infinity]", b"[null,null]"),
        (b'{"a":', b'{"a":'),
        (b'{"a":"NaN', b'{"a":"NaN'),
        (b'"\\', b'"\\'),
    ],
)
def test_a_document_keeps_its_members_however_often_they_are_there(body, plain):
    assert make_strict(body) == plain


@given(st.text(st.characters(exclude_categories=())) | st.floats(), st.text())
def test_the_two_ways_of_mending_agree(value, other):
    import json

    body = json.dumps([value, {other: value}]).encode()
    assert decode(make_strict(body)) == decode_leniently(body)


def test_halves_are_joined_where_they_belong():
    def delta(content, **more):
        return {"choices": [{"index": 0, "delta": {"content": content, **more}}]}

    assert ends_in_half_character(delta("a\ud83d")) and not ends_in_half_character(delta("a\ude00"))
    assert join_halves(delta("a\ud83d"), delta("\ude00b")) == (delta("a" + FACE), delta("b"))
    other = {"choices": [{"index": 1, "delta": {"content": "\ude00b"}}]}
    others: tuple[Any, ...] = (other, delta("b\ude00"), delta(None), None, [], {})
    for second in others:
        assert join_halves(delta("a\ud83d"), second) == (delta("a\ud83d"), second)


@pytest.mark.parametrize(
    "body",
    [
        b'"' + rb"\"" * 1_000_000,
        rb'"\ud83d' * 200_000,
        b"[" * 1_000_000,
        b'{"a":' + b"1" * 1_000_000 + b',"b":NaN}',
        b'{"' + b"k" * 500_000 + rb'":[' + rb'"\ud83d",' * 50_000 + b"1]}",
    ],
)
def test_it_takes_linear_time_and_little_room(body):
    begun = time.process_time()
    make_strict(body)
    try:
        assert len(decode_with_repairs(body)[1]) <= MAX_REPAIRS
    except JSONError:
        pass
    assert time.process_time() - begun < 10


def test_what_nests_too_deeply_is_an_error():
    for depth in (200, 5000, 1_000_000):
        with pytest.raises(JSONError):
            decode_with_repairs(b"[NaN," + b"[" * depth + b"]" * depth + b"]")
    with pytest.raises(JSONError):
        decode_as_written(b"[" * 1_000_000)
