"""Calls of a Chat backend become calls of the client's tools, in streams and in whole answers."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chat2response.convert.dialects.chat.tools.tool_choice import allowed_names
from chat2response.convert.dialects.chat.tools.tool_map import ToolMap
from chat2response.convert.hub import HubRequest
from chat2response.convert.library.functions import to_response
from chat2response.convert.library.streams import ChatToResponses
from chat2response.convert.losses import Losses
from chat2response.convert.quirks.quirks import Quirks
from chat2response.errors import UpstreamError
from tests.support import openai_sdk
from tests.support.upstream_streams import (
    Numbered,
    call,
    chat,
    checked_events,
    chunk,
    entry,
    now,
    pieces,
    response_of,
    sse,
    text,
)

Json = dict[str, Any]

PATCH = "*** Begin Patch\n*** Add File: a\n+€ 😀\n*** End Patch\n"
GRAMMAR = {"type": "grammar", "syntax": "lark", "definition": 'start: "x"'}
TOOLS: list[Json] = [
    {"type": "custom", "name": "apply_patch", "description": "Edits.", "format": GRAMMAR},
    {"type": "function", "name": "f", "parameters": {}},
    {"type": "namespace", "name": "agents", "description": "Agents.", "tools": [
        {"type": "function", "name": "wait", "parameters": {}},
        {"type": "custom", "name": "run"},
    ]},
]  # fmt: skip
REQUEST: Json = {"model": "m", "tools": TOOLS}
ARGUMENTS = json.dumps({"input": PATCH})


def events_of(
    *chunks: Json, finish: str = "tool_calls", cuts: tuple[int, ...] = (), **quirks: Any
) -> list[Json]:
    """The events of the converted stream, checked against the grammar and the SDK's types."""
    machine = ChatToResponses(REQUEST, quirks=Quirks(**quirks), ids=Numbered(), clock=now)
    reads = pieces(sse(chat(*chunks, finish=finish)), cuts)
    return checked_events(b"".join([machine.feed(read) for read in reads]) + machine.close())


def calls_of(events: list[Json]) -> list[tuple[Any, ...]]:
    """The calls of the finished response."""
    output = response_of(events)["output"]
    return [
        (item["type"], item.get("namespace"), item["name"], item.get("input", item.get("arguments")))
        for item in output
        if "call_id" in item
    ]


def kinds(events: list[Json]) -> list[str]:
    return [event["type"].removeprefix("response.") for event in events]


def test_row_2_a_custom_tool_is_called_with_its_raw_input():
    """Row 2: `custom_tool_call` with `custom_tool_call_input` events, decoded while it streams."""
    events = events_of(*call(*ARGUMENTS, name="apply_patch"))
    assert calls_of(events) == [("custom_tool_call", None, "apply_patch", PATCH)]
    assert kinds(events)[2] == "output_item.added"
    assert events[2]["item"]["input"] == ""
    assert events[2]["item"]["id"].startswith("ctc_")
    assert kinds(events)[3 : 3 + len(PATCH)] == ["custom_tool_call_input.delta"] * len(PATCH)
    assert kinds(events)[3 + len(PATCH) :] == ["custom_tool_call_input.done", "output_item.done", "completed"]


def test_row_11_a_tool_of_a_namespace_is_called_by_both_its_names():
    """Row 11: `namespace` and `name` are separate fields, for functions and custom tools."""
    events = events_of(
        *call('{"a":1}', index=0, id="1", name="agents__wait"),
        *call('{"input":"x"}', index=1, id="2", name="agents__run"),
        *call("{}", index=2, id="3", name="f"),
    )
    assert calls_of(events) == [
        ("function_call", "agents", "wait", '{"a":1}'),
        ("custom_tool_call", "agents", "run", "x"),
        ("function_call", None, "f", "{}"),
    ]
    assert events[2]["item"]["namespace"] == "agents"


def test_a_name_in_pieces_and_a_name_that_comes_late():
    opening = {"id": "1", "type": "function"}
    split = [
        entry(0, **opening, function={"name": "agents__"}),
        entry(0, function={"name": "run"}),
        entry(0, function={"arguments": '{"input":'}),
        entry(0, function={"arguments": '"x"}'}),
    ]
    late = [
        entry(0, **opening, function={"arguments": '{"input":'}),
        entry(0, function={"name": "agents__run", "arguments": '"x"}'}),
    ]
    for chunks in (split, late):
        assert calls_of(events_of(*chunks)) == [("custom_tool_call", "agents", "run", "x")]


def test_calls_between_text_and_calls_without_arguments():
    events = events_of(
        *text("a"),
        *call(index=0, id="1", name="agents__wait"),
        *text("b"),
        *call(index=1, id="2", name="apply_patch"),
    )
    assert calls_of(events) == [
        ("function_call", "agents", "wait", "{}"),
        ("custom_tool_call", None, "apply_patch", ""),
    ]
    assert [item["type"] for item in response_of(events)["output"]] == [
        "message", "function_call", "message", "custom_tool_call",
    ]  # fmt: skip


def test_row_2_half_an_input_fails_the_answer():
    """Row 2: a tool must not run on a truncated input, whatever `finish_reason` the backend sends."""
    events = events_of(*call('{"input": "*** Beg', name="apply_patch"))
    assert kinds(events)[-1] == "failed"
    assert "apply_patch" in response_of(events)["error"]["message"]
    with pytest.raises(UpstreamError, match="truncated"):
        to_response(_completion('{"input": "*** Beg', "apply_patch"), REQUEST)


def test_an_input_that_the_limit_cuts_is_incomplete():
    events = events_of(*call('{"input": "*** Beg', name="apply_patch"), finish="length")
    assert kinds(events)[-1] == "incomplete"
    assert response_of(events)["output"][0]["status"] == "incomplete"
    assert response_of(events)["output"][0]["input"] == "*** Beg"


def test_what_stands_beside_the_input_is_a_loss():
    machine = ChatToResponses(REQUEST, ids=Numbered(), clock=now)
    machine.feed(sse(chat(*call('{"input": "x", "why": 1}', name="apply_patch"), finish="tool_calls")))
    assert [loss.field for loss in machine.losses] == ["message.tool_calls.arguments"]


def test_a_tool_that_nobody_gave_is_called_as_it_stands():
    assert calls_of(events_of(*call("{}", name="agents__other"))) == [
        ("function_call", None, "agents__other", "{}")
    ]


NATIVE = [
    entry(0, id="1", type="custom", custom={"name": "apply_patch", "input": ""}),
    entry(0, custom={"input": PATCH[:9]}),
    entry(0, custom={"input": PATCH[9:]}),
    entry(1, id="2", type="custom", custom={"name": "agents__run", "input": "x"}),
]


def test_native_custom_calls_pass():
    """OpenAI's Chat API has custom tools itself."""
    expected = [("custom_tool_call", None, "apply_patch", PATCH), ("custom_tool_call", "agents", "run", "x")]
    assert calls_of(events_of(*NATIVE, custom_tools=True)) == expected


def _completion(arguments: str, name: str) -> Json:
    called = {"id": "1", "type": "function", "function": {"name": name, "arguments": arguments}}
    message = {"role": "assistant", "content": None, "tool_calls": [called]}
    return {
        "id": "c",
        "model": "up",
        "choices": [{"index": 0, "message": message, "finish_reason": "tool_calls"}],
    }


@pytest.mark.parametrize("name", ["apply_patch", "agents__wait", "agents__run", "f", "other"])
def test_a_whole_answer_is_the_fold_of_its_stream(name: str):
    whole: Any = to_response(_completion(ARGUMENTS, name), REQUEST, ids=Numbered(), clock=now)
    streamed = response_of(events_of(*call(ARGUMENTS, id="1", name=name)))
    drop = {"id", "created_at", "completed_at", "output"}
    assert {key: whole[key] for key in whole.keys() - drop} == {
        key: streamed[key] for key in streamed.keys() - drop
    }
    assert [{**item, "id": ""} for item in whole["output"]] == [
        {**item, "id": ""} for item in streamed["output"]
    ]


@given(st.lists(st.integers(0, 2000), max_size=12), st.text(max_size=20))
def test_the_bytes_may_be_cut_anywhere(cuts: list[int], tool_input: str):
    chunks = [
        *text("a"),
        *call(json.dumps({"input": tool_input}), index=0, id="1", name="agents__run"),
        *call("{}", index=1, id="2", name="agents__wait"),
    ]
    events = events_of(*chunks, cuts=tuple(cuts))
    assert events == events_of(*chunks)
    assert calls_of(events)[0] == ("custom_tool_call", "agents", "run", tool_input)


def test_an_answer_with_nothing_to_restore_is_read_directly():
    assert calls_of(events_of(chunk({"content": "hi"}), finish="stop")) == []


# -- allowed_tools ------------------------------------------------------------------------------------

FLAT: list[Json] = [{"type": "function", "name": name, "parameters": {}} for name in ("f", "g")]
ONLY_F: Json = {"type": "allowed_tools", "mode": "auto", "tools": [{"type": "function", "name": "f"}]}
BOTH = (*call('{"a":', "1}", index=0, id="a", name="f"), *call("{}", index=1, id="b", name="g"))


def limited(choice: Json, *chunks: Json, tools: list[Json] = FLAT) -> tuple[list[Json], list[str]]:
    """The calls of the answer to this choice (streamed and whole must agree), and the losses."""
    request = {"model": "m", "tools": tools, "tool_choice": choice}
    machine = ChatToResponses(request, ids=Numbered(), clock=now)
    data = sse(chat(*chunks, finish="tool_calls"))
    events = checked_events(b"".join(map(machine.feed, pieces(data, range(len(data))))) + machine.close())
    streamed, losses = response_of(events), Losses()
    whole = to_response(as_completion(chunks), request, losses=losses, ids=Numbered(), clock=now)
    assert whole == streamed
    assert list(losses) == list(machine.losses)
    return streamed["output"], [f"{loss.field}; {loss.effect}" for loss in losses]


def as_completion(chunks: tuple[Json, ...]) -> Json:
    """The chunks as a completion, accumulated by the SDK."""
    return openai_sdk.added_up(chat(*chunks, finish="tool_calls"))


def test_a_call_outside_the_allowed_tools_is_left_out_and_named():
    output, losses = limited(ONLY_F, *BOTH)
    assert [(item["name"], item["arguments"]) for item in output] == [("f", '{"a":1}')]
    assert losses == ["message.tool_calls; dropped: g is not an allowed tool"]


def test_an_answer_that_has_nothing_else_is_an_empty_text():
    output, losses = limited({**ONLY_F, "tools": [{"type": "function", "name": "g"}]}, *BOTH[:3])
    assert [(item["type"], item["content"][0]["text"]) for item in output] == [("message", "")]
    assert losses == ["message.tool_calls; dropped: f is not an allowed tool"]


def test_a_name_that_nobody_declared_is_outside_too():
    output, losses = limited(ONLY_F, *call("{}", name="h, as I am told"))
    assert output[0]["type"] == "message"
    assert losses == ["message.tool_calls; dropped: h, as I am told is not an allowed tool"]


def test_what_is_allowed_is_all_there_is_to_every_other_choice():
    for choice in ("auto", "required", {"type": "function", "name": "f"}):
        request = {"model": "m", "tools": FLAT, "tool_choice": choice}
        machine = ChatToResponses(request, ids=Numbered(), clock=now)
        events = checked_events(machine.feed(sse(chat(*BOTH, finish="tool_calls"))) + machine.close())
        assert [item["name"] for item in response_of(events)["output"]] == ["f", "g"]


def test_tools_of_every_kind_are_allowed_by_what_the_client_calls_them():
    """The model calls them by their backend names."""
    tools = [*TOOLS, {"type": "shell"}]
    allowed = [
        {"type": "custom", "name": "run", "namespace": "agents"},
        {"type": "custom", "name": "apply_patch"},
        {"type": "shell"},
    ]
    choice = {"type": "allowed_tools", "mode": "auto", "tools": allowed}
    named_by_the_backend = {
        "agents__run": '{"input": "x"}',
        "agents__wait": "{}",
        "apply_patch": ARGUMENTS,
        "shell": '{"commands": ["ls"]}',
        "f": "{}",
    }
    chunks = [
        each
        for index, (name, arguments) in enumerate(named_by_the_backend.items())
        for each in call(arguments, index=index, id=f"call_{index}", name=name)
    ]
    output, losses = limited(choice, *chunks, tools=tools)
    called = sorted((item["type"], item.get("name", "")) for item in output)
    assert called == [("custom_tool_call", "apply_patch"), ("custom_tool_call", "run"), ("shell_call", "")]
    assert losses == [
        "message.tool_calls; dropped: agents__wait is not an allowed tool",
        "message.tool_calls; dropped: f is not an allowed tool",
    ]


NOTHING: list[Any] = [None, 7, [], [7], [{"type": []}], [{"type": "function"}]]


@pytest.mark.parametrize("fields", [{"mode": "none"}, *({"tools": odd} for odd in NOTHING)])
def test_a_choice_that_allows_no_tool_allows_no_call(fields: Json):
    """Mode `none`, and choices that the request reader rejects, allow nothing."""
    tools = ToolMap.of(HubRequest(body={"tools": FLAT}, dialect="responses"), Quirks())
    assert allowed_names(ONLY_F, tools) == frozenset({"f"})
    assert allowed_names({**ONLY_F, **fields}, tools) == frozenset()
