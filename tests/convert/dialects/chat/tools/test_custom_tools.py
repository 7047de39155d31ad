"""Custom tools in both directions: functions for a backend without them, unchanged for one that has them."""

import json
from typing import Any

import pytest

from chat2response.convert.library.functions import to_chat_completion
from chat2response.convert.quirks.quirks import Quirks
from tests.support.convert.requests import (
    Json,
    assert_official_chat,
    assert_official_responses,
    chat_body,
    resp_body,
    to_chat,
    to_responses,
)
from tests.support.upstream_streams import CHAT_STREAMS, Events, deltas, named, sse, to_chunks, to_events

DEFINITION = 'start: "x"'
GRAMMAR = {"type": "grammar", "syntax": "lark", "definition": DEFINITION}
NESTED = {"type": "grammar", "grammar": {"syntax": "lark", "definition": DEFINITION}}
TOOL: Json = {"type": "custom", "name": "exec", "description": "Runs.", "format": GRAMMAR}
NATIVE = Quirks(custom_tools=True)
HISTORY: list[Json] = [
    {"role": "user", "content": "go"},
    {
        "type": "custom_tool_call",
        "id": "ctc_1",
        "status": "completed",
        "call_id": "1",
        "name": "exec",
        "input": "a\n",
    },
    {
        "type": "custom_tool_call_output",
        "id": "ctco_1",
        "call_id": "1",
        "output": [{"type": "input_text", "text": "ok"}],
    },
]


def test_a_custom_tool_becomes_a_function_with_one_string():
    body, losses = to_chat(resp_body(tools=[TOOL, {"type": "custom", "name": "free"}]))
    assert_official_chat(body)
    function, free = (tool["function"] for tool in body["tools"])
    assert function["name"] == "exec"
    assert function["strict"] is True
    assert function["parameters"] == {
        "type": "object",
        "properties": {"input": {"type": "string"}},
        "required": ["input"],
        "additionalProperties": False,
    }
    assert function["description"].startswith("Runs.\n\n")
    assert function["description"].endswith(DEFINITION)
    assert "grammar" not in free["description"]
    assert losses == ["tools[0].format; described, not enforced"]


def test_row_36_strict_is_written_only_where_the_backend_takes_it():
    """Row 36: no field is invented for a backend that does not have it."""
    body, _ = to_chat(resp_body(tools=[TOOL]), Quirks(strict_tools=False))
    assert "strict" not in body["tools"][0]["function"]


def test_a_backend_with_custom_tools_gets_them_as_they_are():
    """Chat nests the grammar one level deeper."""
    body, losses = to_chat(
        resp_body(tools=[TOOL], input=HISTORY, tool_choice={"type": "custom", "name": "exec"}), NATIVE
    )
    assert_official_chat(body)
    assert body["tools"] == [
        {"type": "custom", "custom": {"name": "exec", "description": "Runs.", "format": NESTED}}
    ]
    assert body["tool_choice"] == {"type": "custom", "custom": {"name": "exec"}}
    assert body["messages"][1]["tool_calls"] == [
        {"id": "1", "type": "custom", "custom": {"name": "exec", "input": "a\n"}}
    ]
    assert losses == []


def test_the_history_of_a_custom_tool_replays_as_that_of_its_function():
    body, losses = to_chat(resp_body(tools=[{"type": "custom", "name": "exec"}], input=HISTORY))
    assert_official_chat(body)
    (called,) = body["messages"][1]["tool_calls"]
    assert called["function"] == {
        "name": "exec",
        "arguments": json.dumps({"input": "a\n"}, separators=(",", ":")),
    }
    assert body["messages"][2] == {"role": "tool", "tool_call_id": "1", "content": "ok"}
    assert losses == []


def test_a_choice_of_a_custom_tool_is_one_of_its_function():
    body, _ = to_chat(resp_body(tools=[TOOL], tool_choice={"type": "custom", "name": "exec"}))
    assert body["tool_choice"] == {"type": "function", "function": {"name": "exec"}}


def test_chats_custom_tools_calls_and_choices_toward_responses():
    called = {"id": "1", "type": "custom", "custom": {"name": "exec", "input": "a"}}
    function = {"id": "2", "type": "function", "function": {"name": "f", "arguments": "{}"}}
    body, losses = to_responses(
        chat_body(
            messages=[
                {"role": "user", "content": "go"},
                {"role": "assistant", "content": None, "tool_calls": [called, function]},
                {"role": "tool", "tool_call_id": "1", "content": "ok"},
                {"role": "tool", "tool_call_id": "2", "content": "ok"},
            ],
            tools=[{"type": "custom", "custom": {"name": "exec", "description": "Runs.", "format": NESTED}}],
            tool_choice={"type": "custom", "custom": {"name": "exec"}},
        )
    )
    assert_official_responses(body)
    assert body["tools"] == [TOOL]
    assert body["tool_choice"] == {"type": "custom", "name": "exec"}
    assert [item.get("type") for item in body["input"][1:]] == [
        "custom_tool_call", "function_call", "custom_tool_call_output", "function_call_output",
    ]  # fmt: skip
    assert body["input"][1] == {"type": "custom_tool_call", "call_id": "1", "name": "exec", "input": "a"}
    assert losses == []


def _calls(chunks: list[Json]) -> list[Json]:
    return [delta["tool_calls"][0] for delta in deltas(chunks) if "tool_calls" in delta]


SILENT = {
    "response.custom_tool_call_input.delta",
    "response.custom_tool_call_input.done",
    "response.output_item.done",
}


@pytest.mark.parametrize("left_out", [set(), set(sorted(SILENT)[:1]), set(sorted(SILENT)[:2]), SILENT])
def test_row_25_a_custom_tool_call_of_responses_in_chats_words(left_out: set[str]):
    """Row 25: the input may come in deltas or only in a `done` event; it is never repeated."""
    events = Events().custom("a", "b", call_id="1").end()
    chunks = to_chunks(named([event for event in events if event["type"] not in left_out]))
    calls = _calls(chunks)
    assert calls[0] == {"index": 0, "id": "1", "type": "custom", "custom": {"name": "exec", "input": ""}}
    assert "".join(call["custom"]["input"] for call in calls) == "ab"
    assert chunks[-2]["choices"][0]["finish_reason"] == "tool_calls"


def test_a_whole_response_with_calls_of_namespaces_and_custom_tools():
    output: list[Any] = [
        {"type": "custom_tool_call", "id": "ctc_1", "call_id": "1", "name": "exec", "input": "a"},
        {
            "type": "function_call",
            "id": "fc_1",
            "call_id": "2",
            "namespace": "ns",
            "name": "f",
            "arguments": "{}",
        },
    ]
    head = {"id": "resp_1", "object": "response", "status": "completed", "model": "m", "created_at": 1}
    response = {**head, "output": output}
    choice: Any = to_chat_completion(response)["choices"][0]
    assert choice["finish_reason"] == "tool_calls"
    assert choice["message"]["tool_calls"] == [
        {"id": "1", "type": "custom", "custom": {"name": "exec", "input": "a"}},
        {"id": "2", "type": "function", "function": {"name": "ns__f", "arguments": "{}"}},
    ]


def test_the_way_there_and_back_keeps_a_custom_call():
    """A native custom call of a Chat stream, converted to Responses and back, stays the same."""
    chunks = CHAT_STREAMS["native custom call"]
    assert _calls(to_chunks(named(to_events(sse(chunks))))) == _calls(chunks)
