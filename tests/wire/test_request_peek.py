"""The keys that decide how a request is handled are read without decoding the others."""

import json
from collections.abc import Iterator
from typing import Annotated, Any, get_args, get_origin

import pytest
from openai.types.responses import ResponseInputItem, Tool, response_input_item
from openai.types.responses.response_create_params import ResponseCreateParamsBase
from pydantic import BaseModel

from chat2response.wire import reference_scan
from chat2response.wire.json import JSONError, encode
from chat2response.wire.reference_scan import ITEM_PAYLOADS
from chat2response.wire.request_peek import ChatPeek, ResponsesPeek, peek_chat, peek_responses


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
    assert peek_responses(encode(body)) == ResponsesPeek("m", True, None, None)
    assert peek_responses(b'{"input":"Hi"}') == ResponsesPeek(ids=[])


@pytest.mark.parametrize("value", [7, "x", None, [1], {"a": 1}, True, 1.5])
def test_odd_values_are_handed_on_for_the_upstream_to_judge(value: Any) -> None:
    fields = ("model", "stream", "store")
    peek = peek_responses(encode(dict.fromkeys(fields, value)))
    assert [getattr(peek, field) for field in fields] == [value] * len(fields)
    chat = peek_chat(encode(dict.fromkeys(("model", "stream", "store", "n"), value)))
    assert chat == ChatPeek(value, value, value, value)


@pytest.mark.parametrize("odd", [7, True, {"a": 1}, [7], ["text"], [["nested"]]])
def test_an_input_of_another_shape_is_read_closely(odd: Any) -> None:
    assert peek_responses(encode({"model": "m", "input": odd})) == ResponsesPeek("m", ids=None)


@pytest.mark.parametrize(
    "body",
    [
        b'{"previous_response_id":"x","previous_response_id":null}',
        b'{"conversation":{"id":"x"},"conversation":null}',
        b'{"prompt_cache_options":{"comparison_response_id":"x"}}',
        b'{"tools":[{"type":"code_interpreter","container":"cntr_x"}]}',
        b'{"tools":[{"type":"code_interpreter","container":"cntr_x"}],"tools":[]}',
        b'{"tools":[{"type":"code_interpreter","container":{"type":"auto","id":"cntr_x"}}]}',
        b'{"tools":[{"type":"shell","environment":{"type":"container_reference","container_id":"x"}}]}',
        b'{"tools":[{"type":"namespace","tools":[{"container":"cntr_x"}]}]}',
        b'{"input":[{"id":"x"}],"input":"Hi"}',
        b'{"input":[{"type":"item_reference","id":"x","type":"message","content":"Hi"}]}',
        b'{"input":[{"id":"x","type":null,"type":"message","content":"Hi"}]}',
        b'{"input":[{"id":"x","role":null,"role":"user","content":"Hi"}]}',
        b'{"input":[{"type":"message","content":"Hi"},{"id":"x","id":null}]}',
        b'{"input":[{"type":"of_a_vendor","id":"x"}]}',
        b'{"input":[{"type":"message","id":["x"],"content":"Hi"}]}',
        b'{"input":[{"type":"message","id":["x"],"id":"y","content":"Hi"}]}',
        b'{"input":[{"type":"mcp_approval_response","approve":true,"approval_request_id":"x"}]}',
        b'{"input":[{"type":"code_interpreter_call","code":"1","container_id":"x"}]}',
        b'{"input":[{"type":"shell_call","action":{"commands":["x"]},"environment":{"container_id":"x"}}]}',
        b'{"input":[{"type":"additional_tools","tools":[{"container":"x"}]}]}',
    ],
)
def test_a_request_is_plain_only_if_no_value_of_any_key_names_more(body: bytes) -> None:
    assert peek_responses(body).ids is None


@pytest.mark.parametrize(
    "fields",
    [
        {"Previous_response_id": "resp_1"},
        {"unheard_of": 1},
        {"input": [{"type": "message", "role": "user", "content": "x", "Id": "msg_1"}]},
        {"tools": [{"type": "function", "name": "f", "Container": "c"}]},
    ],
)
def test_a_request_with_a_key_that_nobody_knows_is_read_closely(fields: dict[str, Any]) -> None:
    assert peek_responses(json.dumps({"model": "m", "input": "x", **fields}).encode()).ids is None


def test_every_key_of_the_api_is_known() -> None:
    """Otherwise requests with that key would be decoded whole, which is slow."""
    for shape, names in _sdk_keys().items():
        known = set(shape.__struct_encode_fields__)
        assert names <= known, f"{shape.__name__} does not know {sorted(names - known)}"


def _sdk_keys() -> dict[Any, set[str]]:
    return {
        reference_scan._Request: set(ResponseCreateParamsBase.__annotations__) | {"stream"},
        reference_scan._Item: _fields_of(ResponseInputItem),
        reference_scan._Tool: _fields_of(Tool),
    }


def _fields_of(union: Any) -> set[str]:
    names: set[str] = set()
    for each in get_args(union):
        if isinstance(each, type) and issubclass(each, BaseModel):
            names |= {field.alias or name for name, field in each.model_fields.items()}
        else:
            names |= _fields_of(each)
    return names


def test_the_ids_of_whole_items_are_told() -> None:
    body = (
        b'{"input":[{"type":"message","id":"a","role":"user","content":"Hi"},{"role":"user","content":"Hi"},'
        b'{"role":"assistant","id":"b","content":[{"type":"output_text","text":"","id":"inner"}]},'
        b'{"type":"reasoning","id":"","summary":[]},{"type":"compaction_trigger","id":"c"},'
        b'{"type":"function_call_output","call_id":"x","id":"d","id":"e","output":""}],'
        b'"tools":[{"type":"code_interpreter","container":{"type":"auto","file_ids":["f"]}},'
        b'{"type":"computer_use_preview","environment":"browser"}],"input":[{"role":"user","id":"f","content":"x"}]}'
    )
    assert peek_responses(body).ids == ["a", "b", "c", "d", "e", "f"]


def test_the_ids_of_one_request_are_not_told_of_the_next() -> None:
    assert peek_responses(b'{"input":[{"type":"message","id":"a","content":"x"},7]}').ids is None
    assert peek_responses(b'{"input":[{"type":"message","id":"b","content":"x"}]}').ids == ["b"]


@pytest.mark.parametrize("kind", [kind for kind, names in ITEM_PAYLOADS.items() if names])
@pytest.mark.parametrize("more", [b"", b',"status":null', b',"role":"assistant"'])
def test_an_item_without_its_payload_is_read_closely(kind: str, more: bytes) -> None:
    hollow = b"".join(
        b',"%b":%b' % (name.encode(), hollow)
        for name, hollow in zip(ITEM_PAYLOADS[kind], (b"null", b" null", b"null"), strict=False)
    )
    item = b'{"type":"%b","id":"x"%b%b}' % (kind.encode(), more, hollow)
    assert peek_responses(b'{"input":[%b]}' % item).ids is None


@pytest.mark.parametrize(
    "item",
    [
        b'{"type":"message","id":"x","role":"assistant","content":null}',
        b'{"type":"reasoning","id":"x","summary":[ ],"encrypted_content":""}',
        b'{"role":"assistant","id":"x"}',
        b'{"type":"reasoning","id":"x","summary":[],"encrypted_content":null}',
        b'{"type":"image_generation_call","id":"x","status":"completed","result":null}',
    ],
)
def test_an_empty_payload_is_none(item: bytes) -> None:
    assert peek_responses(b'{"input":[%b]}' % item).ids is None


def _types(union: Any) -> Iterator[str]:
    if get_origin(union) is Annotated:
        union = get_args(union)[0]
    if hasattr(union, "model_fields"):
        for each in get_args(union.model_fields["type"].annotation):
            yield from [each] if isinstance(each, str) else get_args(each)  # `Literal | None`
        return
    for each in get_args(union):
        yield from _types(each)


def test_the_payload_of_every_item_of_the_api_is_known() -> None:
    known = set(_types(response_input_item.ResponseInputItem))
    assert set(ITEM_PAYLOADS) == known - {"item_reference"}


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
