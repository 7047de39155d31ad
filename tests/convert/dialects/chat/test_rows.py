"""Known ways to break tool calls (`pitfalls`), one test per row."""

import json
from typing import Any

import pytest

from chat2response.convert.library.streams import ChatToResponses, ResponsesToChat
from tests.support.convert.requests import (
    Json,
    chat_body,
    items_of,
    messages_of,
    refused,
    resp_body,
    to_chat,
    to_responses,
)
from tests.support.upstream_streams import (
    Events,
    Numbered,
    arguments,
    call,
    chat,
    checked_events,
    chunk,
    deltas,
    entries,
    entry,
    named,
    now,
    response_of,
    sse,
    text,
    thoughts,
    to_chunks,
    to_events,
)

USER: Json = {"role": "user", "content": "hi"}
OPENING = {"type": "function", "function": {"name": "f", "arguments": ""}}


def calls_of(chunks: list[Json]) -> list[tuple[str, str, str]]:
    output = response_of(to_events(sse(chat(*chunks, finish="tool_calls"))))["output"]
    return [(each["call_id"], each["name"], each["arguments"]) for each in output if "call_id" in each]


def test_row_6_arguments_whose_chunks_have_no_id():
    """Row 6: the index identifies the call; its id may be null, repeated, or late."""
    null = entry(0, id=None, function={"name": None, "arguments": '{"a":'})
    again = entry(0, id="call_a", function={"arguments": "1}"})
    assert calls_of([entry(0, id="call_a", **OPENING), null, again]) == [("call_a", "f", '{"a":1}')]
    late = [entry(0, **OPENING), entry(0, id="call_a", function={"arguments": "{}"})]
    assert calls_of(late) == [("call_a", "f", "{}")]


def test_row_7_parallel_calls_that_all_have_index_0():
    """Row 7: a new id starts a new call."""
    whole = [
        {"index": 0, "id": each, "type": "function", "function": {"name": each, "arguments": "{}"}}
        for each in "ab"
    ]
    assert calls_of([entries(*whole)]) == [("a", "a", "{}"), ("b", "b", "{}")]
    assert calls_of([entries(whole[0]), entries(whole[1])]) == [("a", "a", "{}"), ("b", "b", "{}")]


def test_row_7_interleaved_calls_and_one_count_for_all_items():
    """Row 7: arguments go to the call of their index; reasoning and text are output items too."""
    chunks = chat(
        *thoughts("hm"),
        *text("a"),
        *call(index=0, id="a", name="f"),
        *call(index=1, id="b", name="g"),
        arguments('{"x":', 0),
        arguments('{"y":', 1),
        arguments("1}", 0),
        arguments("2}", 1),
        finish="tool_calls",
    )
    events = to_events(sse(chunks))
    assert [item["type"] for item in response_of(events)["output"]] == [
        "reasoning", "message", "function_call", "function_call",
    ]  # fmt: skip
    assert [each["arguments"] for each in response_of(events)["output"][2:]] == ['{"x":1}', '{"y":2}']
    back = [
        delta["tool_calls"][0]["index"] for delta in deltas(to_chunks(named(events))) if "tool_calls" in delta
    ]
    assert set(back) == {0, 1}, "and from 0 again, whatever the items before them"


def test_row_8_the_calls_of_a_turn_are_one_assistant_message():
    """Row 8: one message with text and reasoning, then the outputs in the order of the calls."""
    items: list[Json] = [
        USER,
        {"type": "reasoning", "summary": [], "content": [{"type": "reasoning_text", "text": "hm"}]},
        {"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": "I ask."}]},
        {"type": "function_call", "call_id": "1", "name": "f", "arguments": "{}"},
        {"type": "custom_tool_call", "call_id": "2", "name": "exec", "input": "x"},
        {"type": "shell_call", "call_id": "3", "action": {"commands": ["ls"]}},
        {"type": "shell_call_output", "call_id": "3", "output": []},
        {"type": "custom_tool_call_output", "call_id": "2", "output": "two"},
        {"type": "function_call_output", "call_id": "1", "output": "one"},
    ]
    messages, _ = messages_of(*items)
    assert [message["role"] for message in messages] == ["user", "assistant", "tool", "tool", "tool"]
    assert messages[1]["content"] == "I ask."
    assert messages[1]["reasoning_content"] == "hm"
    assert [each["id"] for each in messages[1]["tool_calls"]] == ["1", "2", "3"]
    assert [message["content"] for message in messages[2:]] == ["one", "two", ""]


@pytest.mark.parametrize("content", [None, ""])
def test_row_23_a_turn_of_calls_alone_opens_no_message(content: str | None):
    """Row 23: each item is added once and done once, under one id; no item is empty."""
    delta = {"content": content}
    called = [chunk(delta), *call("{}", index=0, id="a"), chunk(delta), *call("{}", index=1, id="b")]
    events = to_events(sse(chat(*called, finish="tool_calls")))
    assert {item["type"] for item in response_of(events)["output"]} == {"function_call"}
    for kind in ("added", "done"):
        added = [e for e in events if e["type"] == f"response.output_item.{kind}"]
        assert [e["output_index"] for e in added] == [0, 1]
        assert [e["item"]["id"] for e in added] == [each["id"] for each in response_of(events)["output"]]
    pieces = [e for e in events if ".function_call_arguments." in e["type"]]
    assert all(e["item_id"] == response_of(events)["output"][e["output_index"]]["id"] for e in pieces)


@pytest.mark.parametrize("kind", ["function", "custom"])
@pytest.mark.parametrize("source", ["deltas", "done", "item", "response"])
def test_row_25_what_a_call_is_given_may_come_at_its_end_only(kind: str, source: str):
    """Row 25: arguments come from `.done`, `output_item.done` or the terminal response, and only once."""
    events = Events()
    stream = (events.call('{"a":', "1}") if kind == "function" else events.custom('{"a":', "1}")).end()
    later = {"deltas": (), "done": (".delta",), "item": (".delta", "_arguments.done", "_input.done")}
    if source == "response":
        stream = [event for event in stream if event["type"] == "response.completed"]
    else:
        stream = [event for event in stream if not event["type"].endswith(later[source])]
    machine = ResponsesToChat(model="m", ids=Numbered(), clock=now)
    machine.feed(named(stream))
    (item,) = machine.response["output"]
    assert item.get("arguments", item.get("input")) == '{"a":1}'


@pytest.mark.parametrize("strict", [True, False, None])
def test_row_36_strict_is_explicit_toward_responses_and_never_invented(strict: Any):
    """Row 36: the default is false in Chat and true in Responses."""
    function = {
        "name": "f",
        "parameters": {"type": "object"},
        **({} if strict is None else {"strict": strict}),
    }
    body, _ = to_responses(chat_body(tools=[{"type": "function", "function": function}]))
    assert body["tools"][0]["strict"] is (strict is True)
    down, _ = to_chat(resp_body(tools=[{"type": "function", **function}]))
    assert down["tools"][0]["function"].get("strict") is strict


@pytest.mark.parametrize(
    "tools", [None, [], [{"type": "web_search"}], [{"type": "namespace", "name": "n", "tools": []}]]
)
def test_row_37_without_a_tool_nothing_of_tools_is_sent(tools: Any):
    """Row 37: backends answer 400 to `tools: []`, and to a choice or `parallel_tool_calls` without tools."""
    body, _ = to_chat(resp_body(tools=tools, tool_choice="auto", parallel_tool_calls=True))
    assert not body.keys() & {"tools", "tool_choice", "parallel_tool_calls"}


def test_row_39_only_known_fields_of_items_go_up():
    """Row 39: `status`, `id` and `phase` are dropped silently; unknown fields are losses."""
    items: list[Json] = [
        {"type": "message", "role": "user", "content": "hi", "id": "msg_1", "vendor": 1},
        {
            "type": "custom_tool_call", "id": "ctc_1", "status": "completed", "call_id": "1", "name": "exec",
            "input": "x", "created_by": "me", "caller": {"type": "direct"}, "vendor": 1,
        },
        {"type": "custom_tool_call_output", "id": "ctco_1", "call_id": "1", "output": "ok", "vendor": 1},
        {"type": "message", "role": "assistant", "content": "a", "phase": "final_answer"},
    ]  # fmt: skip
    messages, losses = messages_of(*items)
    assert messages[0].keys() == {"role", "content"}
    assert messages[1].keys() == {"role", "content", "tool_calls"}
    assert messages[1]["tool_calls"][0].keys() == {"id", "type", "function"}
    assert messages[2].keys() == {"role", "tool_call_id", "content"}
    assert messages[3] == {"role": "assistant", "content": "a"}
    assert losses == [f"input[{index}].vendor; dropped" for index in range(3)]


@pytest.mark.parametrize(
    ("kind", "fields"),
    [("function_call", {"arguments": "{}"}), ("custom_tool_call", {"input": "x"})],
)
def test_row_40_an_output_with_an_image_is_a_text_and_a_users_image(kind: str, fields: Json):
    """Row 40: the output is a string; the image follows in a user message, with a loss."""
    image = {"type": "input_image", "image_url": "data:image/png;base64,AAAA", "detail": "high"}
    items: list[Json] = [
        USER,
        {"type": kind, "call_id": "1", "name": "view", **fields},
        {"type": f"{kind}_output", "call_id": "1", "output": [{"type": "input_text", "text": "seen"}, image]},
    ]
    messages, losses = messages_of(*items)
    assert messages[2]["content"] == "seen"
    assert messages[3]["role"] == "user"
    assert messages[3]["content"][1]["image_url"]["detail"] == "high"
    assert losses == ["input[2].output[1]; moved to a user message"]
    assert "AAAA" not in json.dumps(messages[:3])


def test_row_2_a_custom_call_is_never_a_function_call_nor_the_other_way():
    """Row 2: Codex refuses both with "incompatible payload"."""
    tools = [{"type": "custom", "name": "exec"}, {"type": "function", "name": "f"}]
    machine = ChatToResponses({"model": "m", "tools": tools}, ids=Numbered(), clock=now)
    stream = chat(
        *call('{"input": "x"}', index=0, id="1", name="exec"),
        *call('{"input": "x"}', index=1, id="2", name="f"),
        finish="tool_calls",
    )
    events = checked_events(machine.feed(sse(stream)) + machine.close())
    assert [item["type"] for item in response_of(events)["output"]] == ["custom_tool_call", "function_call"]


FILES: list[Json] = [
    {"file_data": "data:application/pdf;base64,eA==", "filename": "a.pdf"},
    {"file_id": "file_1"},
]


@pytest.mark.parametrize("file", FILES)
def test_row_41_a_file_crosses_both_ways(file: Json):
    """Row 41: it stays a separate part with all its fields."""
    there = {"type": "input_file", **file}
    here = {"type": "file", "file": file}
    messages, losses = messages_of({"role": "user", "content": [there]})
    assert (messages, losses) == ([{"role": "user", "content": [here]}], [])
    items, losses = items_of({"role": "user", "content": [here]})
    assert (items[0]["content"], losses) == ([there], [])


@pytest.mark.parametrize(("file", "named_by"), [({"file_url": "https://x"}, "file_url"), ({}, "file_data")])
def test_row_41_a_file_that_chat_cannot_name_is_a_400_that_names_the_part(file: Json, named_by: str):
    turn = {"role": "user", "content": [{"type": "input_text", "text": "a"}, {"type": "input_file", **file}]}
    refused(to_chat, resp_body(input=[turn]), f"input[0].content[1].{named_by}")
