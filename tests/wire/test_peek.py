"""The keys that decide a request's way, found without building the rest."""

from typing import Any

import pytest

from chat2response.wire.json import JSONError, encode
from chat2response.wire.peek import ChatPeek, ItemPeek, ResponsesPeek, peek_chat, peek_responses


def test_the_keys_of_a_chat_request() -> None:
    body = {
        "model": "m",
        "messages": [{"role": "user"}],
        "stream": True,
        "store": False,
        "n": 2,
        "x": {"y": 1},
    }
    assert peek_chat(encode(body)) == ChatPeek("m", True, False, 2)
    assert peek_chat(b"{}") == ChatPeek()


def test_the_keys_of_a_responses_request() -> None:
    body = {
        "model": "m",
        "input": [
            {"role": "user", "content": [{"type": "input_text"}]},
            {"type": "item_reference", "id": "msg_1"},
        ],
        "stream": True,
        "store": None,
        "previous_response_id": "resp_1",
        "conversation": {"id": "conv_1"},
        "tools": [{"type": "function"}],
    }
    items = [ItemPeek(role="user"), ItemPeek(type="item_reference", id="msg_1")]
    assert peek_responses(encode(body)) == ResponsesPeek("m", True, None, "resp_1", {"id": "conv_1"}, items)
    assert peek_responses(b'{"input":"Hi"}') == ResponsesPeek(input="Hi")


@pytest.mark.parametrize("value", [7, "x", None, [1], {"a": 1}, True, 1.5])
def test_odd_values_are_handed_on_for_the_upstream_to_judge(value: Any) -> None:
    fields = ("model", "stream", "store", "previous_response_id", "conversation")
    peek = peek_responses(encode(dict.fromkeys(fields, value)))
    assert [getattr(peek, field) for field in fields] == [value] * len(fields)
    chat = peek_chat(encode(dict.fromkeys(("model", "stream", "store", "n"), value)))
    assert chat == ChatPeek(value, value, value, value)


@pytest.mark.parametrize("odd", [7, True, {"a": 1}, [7], ["text"], [["nested"]]])
def test_an_input_of_another_shape_hides_nothing(odd: Any) -> None:
    peek = peek_responses(encode({"model": "m", "previous_response_id": "resp_1", "input": odd}))
    assert (peek.model, peek.previous_response_id, list(peek.input or ())) == ("m", "resp_1", [])


def test_references_are_found_among_items_of_another_shape() -> None:
    peek = peek_responses(encode({"input": ["text", 7, {"type": "item_reference", "id": "msg_1"}]}))
    assert peek.input == [ItemPeek("item_reference", "msg_1")]


@pytest.mark.parametrize(
    ("item", "is_reference"),
    [
        ({"type": "item_reference", "id": "x"}, True),
        ({"type": "item_reference"}, True),
        ({"type": None, "id": "x"}, True),
        ({"id": "x"}, True),
        ({}, False),
        ({"id": "x", "role": "user"}, False),
        ({"id": "x", "type": "message"}, False),
        ({"type": "function_call_output", "id": "x", "call_id": "c"}, False),
    ],
)
def test_what_is_a_reference(item: dict[str, Any], is_reference: bool) -> None:
    peek = peek_responses(encode({"input": [item]}))
    assert isinstance(peek.input, list)
    assert peek.input[0].is_reference is is_reference


@pytest.mark.parametrize("peek", [peek_chat, peek_responses])
@pytest.mark.parametrize(
    "body", [b"", b"{", b'{"model":}', b'{"model":"\xff"}', b'{"input":' + b"[" * 100_000]
)
def test_what_is_no_json_is_said(peek: Any, body: bytes) -> None:
    with pytest.raises(JSONError):
        peek(body)


@pytest.mark.parametrize("peek", [peek_chat, peek_responses])
@pytest.mark.parametrize("body", [b"[]", b'"x"', b"null", b"7"])
def test_what_is_no_object_is_said(peek: Any, body: bytes) -> None:
    with pytest.raises(TypeError):
        peek(body)
