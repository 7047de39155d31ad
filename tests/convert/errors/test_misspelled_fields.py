"""A refused value in the form of the other API gets a hint."""

from typing import Any

import pytest

from chat2response import InvalidRequest, Losses, to_chat_request, to_responses_request

CALL = {"id": "c", "type": "function", "function": {"name": "f", "arguments": "{}"}}
ASK = {"role": "user", "content": "Hi"}
FLAT = {"type": "function", "name": "f", "parameters": {"type": "object"}}
NESTED = {"type": "function", "function": {"name": "f", "parameters": {"type": "object"}}}

IN_RESPONSES: list[tuple[dict[str, Any], str, str]] = [
    ({"input": "x", "tools": [NESTED]}, "tools[0]", "without a 'function' object"),
    ({"input": "x", "tools": [FLAT], "tool_choice": NESTED}, "tool_choice", "without a 'function' object"),
    (
        {"input": "x", "text": {"format": {"type": "json_schema", "json_schema": {"name": "s"}}}},
        "text.format",
        "without a 'json_schema' object",
    ),
    (
        {"input": [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "data:,x"}}]}]},
        "input[0].content[0]",
        "input_image",
    ),
    (
        {"input": [{"role": "user", "content": [{"type": "file", "file": {"file_id": "f"}}]}]},
        "input[0].content[0]",
        "input_file",
    ),
    (
        {"input": [ASK, {"role": "assistant", "content": None, "tool_calls": [CALL]}]},
        "input[1]",
        '"type": "function_call"',
    ),
    ({"input": [{"role": "tool", "tool_call_id": "c", "content": "x"}]}, "input[0]", "function_call_output"),
]
IN_CHAT: list[tuple[dict[str, Any], str, str]] = [
    ({"messages": [ASK], "tools": [FLAT]}, "tools[0]", "with a 'function' object"),
    ({"messages": [ASK], "tools": [NESTED], "tool_choice": FLAT}, "tool_choice", "with a 'function' object"),
    (
        {"messages": [ASK], "response_format": {"type": "json_schema", "name": "s", "schema": {}}},
        "response_format",
        "with a 'json_schema' object",
    ),
    (
        {"messages": [{"role": "user", "content": [{"type": "image_url", "image_url": "data:,x"}]}]},
        "messages[0].content[0]",
        '"image_url": {"url"',
    ),
    (
        {"messages": [ASK, {"type": "function_call", "call_id": "c", "name": "f", "arguments": "{}"}]},
        "messages[1]",
        '"tool_calls"',
    ),
    (
        {"messages": [ASK, {"type": "function_call_output", "call_id": "c", "output": "x"}]},
        "messages[1]",
        '"role": "tool"',
    ),
    ({"messages": [ASK, {"type": "reasoning", "summary": []}]}, "messages[1]", "/v1/responses"),
]


@pytest.mark.parametrize(("body", "param", "words"), IN_RESPONSES)
def test_chats_spelling_in_a_responses_request(body: dict[str, Any], param: str, words: str) -> None:
    with pytest.raises(InvalidRequest) as refused:
        to_chat_request({"model": "m", **body})
    error = refused.value
    assert str(error.param).startswith(param)
    assert words in error.message and "In Responses" in error.message
    assert str(error) == error.message


@pytest.mark.parametrize(("body", "param", "words"), IN_CHAT)
def test_responses_spelling_in_a_chat_request(body: dict[str, Any], param: str, words: str) -> None:
    with pytest.raises(InvalidRequest) as refused:
        to_responses_request({"model": "m", **body})
    error = refused.value
    assert str(error.param).startswith(param)
    assert words in error.message and "Responses" in error.message


@pytest.mark.parametrize(
    "body",
    [
        {"input": "x", "tools": [{"type": "function"}]},
        {"input": [{"role": "user", "content": [{"type": "hologram"}]}]},
        {"input": 7},
        {"input": [{"type": "function_call"}]},
        {"input": "x", "tools": [{"type": "function", "function": "f"}]},
        {"input": "x", "tools": [7]},
    ],
)
def test_any_other_mistake_keeps_its_words(body: dict[str, Any]) -> None:
    with pytest.raises(InvalidRequest) as refused:
        to_chat_request({"model": "m", **body})
    assert "In Responses" not in refused.value.message


def test_calls_that_a_message_cannot_have_are_lost_with_a_word_about_it() -> None:
    losses = Losses()
    item = {"role": "assistant", "content": "hm", "tool_calls": [CALL]}
    to_chat_request({"model": "m", "input": [ASK, item]}, losses=losses)
    (loss,) = losses
    assert loss.field == "input[1].tool_calls"
    assert loss.effect == "dropped: in Responses a call is an item of type function_call"
