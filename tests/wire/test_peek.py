"""The keys that decide a request's way, found without building the rest."""

from collections.abc import Iterator
from typing import Annotated, Any, get_args, get_origin

import pytest
from openai.types.responses import response_input_item

from chat2response.wire.json import JSONError, encode
from chat2response.wire.peek import (
    PLAIN_TYPES,
    ChatPeek,
    ItemPeek,
    ResponsesPeek,
    StatelessPeek,
    peek_chat,
    peek_responses,
)


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
    assert peek_responses(b'{"input":"Hi"}') == StatelessPeek(input="Hi")


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
    items = peek.input if isinstance(peek, ResponsesPeek) else []
    assert isinstance(items, list)
    assert any(each.is_reference for each in items) is is_reference


@pytest.mark.parametrize(
    "body",
    [
        b'{"previous_response_id":"x","previous_response_id":null}',
        b'{"conversation":{"id":"x"},"conversation":null}',
        b'{"input":[{"id":"x"}],"input":"Hi"}',
        b'{"input":[{"type":"item_reference","id":"x","type":"message"}]}',
        b'{"input":[{"id":"x","type":null,"type":"message"}]}',
        b'{"input":[{"id":"x","role":null,"role":"user"}]}',
        b'{"input":[{"type":"message"},{"id":"x","id":null}]}',
        b'{"input":[{"type":"of_a_vendor","id":"x"}]}',
    ],
)
def test_a_request_is_stateless_only_if_no_value_of_any_key_names_anything(body: bytes) -> None:
    assert isinstance(peek_responses(body), ResponsesPeek)


def _types(union: Any) -> Iterator[str]:
    if get_origin(union) is Annotated:
        union = get_args(union)[0]
    if hasattr(union, "model_fields"):
        for each in get_args(union.model_fields["type"].annotation):
            yield from [each] if isinstance(each, str) else get_args(each)  # `Literal | None`
        return
    for each in get_args(union):
        yield from _types(each)


def test_every_item_of_the_api_but_a_reference_is_plain() -> None:
    known = set(_types(response_input_item.ResponseInputItem))
    assert set(PLAIN_TYPES) == known - {"item_reference"}
    items = [{"type": each, "id": "x"} for each in PLAIN_TYPES] + [{"role": "user", "content": "Hi"}]
    assert isinstance(peek_responses(encode({"input": items})), StatelessPeek)


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
