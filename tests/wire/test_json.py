"""The codec: strict decoding, exact numbers, stable bytes, and only its own errors."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chat2response.wire import json
from chat2response.wire.chat import DeltaShape, delta_of, read_chunk
from chat2response.wire.json import (
    DECODE_ERRORS,
    JSONError,
    convert_to,
    decode,
    decoder,
    encode,
    is_complete_object,
    too_deep,
    value_end_finder,
)

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)


def nested(depth: int) -> list:
    value: list = []
    for _ in range(depth - 1):
        value = [value]
    return value


@given(VALUES)
def test_what_is_written_is_read_back(value):
    assert decode(encode(value)) == value


@given(st.binary(max_size=60) | st.text(max_size=60))
def test_reading_fails_with_its_own_error_only(data):
    for read in (decode, decoder(dict)):
        try:
            read(data)
        except JSONError:
            pass


@pytest.mark.parametrize(
    "bad",
    [b"", b"{", b"NaN", b"Infinity", b"1e999", b'"\xff"', b'"\\ud800"', b"\xef\xbb\xbf{}", b"[1,]", "\ud800"],
)
def test_what_is_not_json_is_refused(bad):
    with pytest.raises(JSONError):
        decode(bad)


def test_nesting_that_cannot_be_read_is_an_error_and_no_crash():
    with pytest.raises(JSONError):
        decode(b"[" * 100_000 + b"]" * 100_000)


@pytest.mark.parametrize("number", [2**63, 2**64 - 1, 2**64, -(2**63) - 1, 10**40])
def test_integers_are_exact(number):
    assert decode(str(number).encode()) == number
    assert encode({"n": number}) == b'{"n":%d}' % number


def test_keys_keep_their_order():
    assert encode(decode(b'{"b":1,"a":{"d":2,"c":3}}')) == b'{"b":1,"a":{"d":2,"c":3}}'


def test_text_is_written_as_utf8():
    assert encode("wörld \u2028 €") == '"wörld \u2028 €"'.encode()


@pytest.mark.parametrize("value", [object(), "\ud800", {"a": "\udfff"}])
def test_what_json_cannot_say_is_a_type_error(value):
    with pytest.raises(TypeError):
        encode(value)


def test_fragments_are_embedded_as_they_are():
    assert encode({"a": json.Fragment(b'{"x" : 1}')}) == b'{"a":{"x" : 1}}'


def test_depth_is_counted_level_by_level():
    assert not too_deep(nested(128))
    assert too_deep(nested(129))
    assert not too_deep({"a": {"b": [1, 2, {"c": 3}]}}, 4)
    assert too_deep({"a": {"b": [1, 2, {"c": 3}]}}, 3)
    assert not too_deep("text")
    assert encode(nested(128))


@pytest.mark.parametrize(
    ("text", "whole"),
    [
        ("{}", True),
        (' {"a": {"b": "}"}} \n', True),
        ("", False),
        ("{", False),
        ('{"a": "}', False),
        ("{}{}", False),
        ("[]", False),
        ("null", False),
        ('{"a":' + "[" * 50_000 + "]" * 50_000 + "}", False),  # deeper than any interpreter reads
        ('{"a":"\ud800"}', False),
    ],
)
def test_a_complete_object_is_one_that_nothing_can_follow(text, whole):
    assert is_complete_object(text) is whole


def test_a_chunk_is_read_by_shape():
    chunk = read_chunk(b'{"id":"x","new":[1],"choices":[{"index":0,"delta":{"content":"a","other":1}}]}')
    assert chunk.choices is not None
    assert chunk.choices[0].delta == DeltaShape(content="a")
    assert chunk.choices[0].finish_reason is None
    with pytest.raises(DECODE_ERRORS):
        read_chunk(b'{"choices":[{"delta":"text"}]}')


def test_a_message_is_the_delta_that_says_the_same():
    assert delta_of({"role": "assistant", "content": "a", "refusal": None, "tool_calls": [1]}) == DeltaShape(
        content="a", tool_calls=[1]
    )


def test_a_value_says_where_it_ends():
    data = '{"ü": [1, {"x": "]"}, 9999999999999999999999, -1.5e300, NaN] , "y": 2}'.encode()
    start = data.index(b"[1")
    assert data[start : value_end_finder(data)(start)] == data[start : data.index(b" , ")]


def test_a_value_that_nests_too_deeply_is_said_to():
    with pytest.raises(JSONError):
        value_end_finder(b"[" * 100_000)(0)


def test_a_value_is_given_the_shape_of_a_type_or_says_what_was_expected():
    assert convert_to(["a", "b"], tuple[str, ...]) == ("a", "b")
    with pytest.raises(JSONError, match=r"Expected `str`, got `int` - at `\$\[1\]`"):
        convert_to(["a", 1], tuple[str, ...])
