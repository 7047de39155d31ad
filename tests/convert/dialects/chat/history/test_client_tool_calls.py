"""Responses' client-run tools on a Chat backend: as functions, in the answer, and in the history."""

import json
from typing import Any

import pytest

from chat2response.convert.library.functions import to_response
from chat2response.convert.library.streams import ChatToResponses
from chat2response.convert.policy import Policy
from chat2response.errors import UpstreamError
from tests.support.convert.requests import (
    Json,
    assert_official_chat,
    messages_of,
    refused,
    resp_body,
    to_chat,
)
from tests.support.upstream_streams import Numbered, call, chat, checked_events, now, response_of, sse, text

USER: Json = {"role": "user", "content": "hi"}
SEARCH: Json = {
    "type": "tool_search",
    "execution": "client",
    "description": "Finds.",
    "parameters": {"type": "object"},
}
TOOLS: list[Json] = [{"type": "local_shell"}, {"type": "shell"}, {"type": "apply_patch"}, SEARCH]
UPDATE = {"type": "update_file", "path": "a", "diff": "@@\n-x\n+y"}


def answered(
    arguments: Any, name: str, *, finish: str = "tool_calls", tools: list[Json] | None = None
) -> list[Json]:
    """The output items of a stream with one call."""
    encoded = arguments if type(arguments) is str else json.dumps(arguments)
    machine = ChatToResponses({"model": "m", "tools": tools or TOOLS}, ids=Numbered(), clock=now)
    stream = sse(chat(*text("a"), *call(*encoded, name=name), finish=finish))
    events = checked_events(machine.feed(stream) + machine.close())
    output: list[Json] = response_of(events)["output"]
    return output


def test_each_is_a_function_of_its_name():
    body, losses = to_chat(resp_body(tools=TOOLS, tool_choice={"type": "shell"}))
    assert_official_chat(body)
    functions = [tool["function"] for tool in body["tools"]]
    assert [each["name"] for each in functions] == ["local_shell", "shell", "apply_patch", "tool_search"]
    assert functions[3] == {"name": "tool_search", "description": "Finds.", "parameters": {"type": "object"}}
    assert all(each["parameters"]["required"] for each in functions[:3])
    assert body["tool_choice"] == {"type": "function", "function": {"name": "shell"}}
    assert losses == []


def test_a_function_of_the_same_name_keeps_it():
    tools = [{"type": "shell"}, {"type": "function", "name": "shell"}]
    body, _ = to_chat(resp_body(tools=tools))
    first, second = (tool["function"]["name"] for tool in body["tools"])
    assert second == "shell"
    assert first.startswith("shell_")
    assert answered({"commands": ["ls"]}, first, tools=tools)[1]["type"] == "shell_call"
    assert answered({"commands": ["ls"]}, "shell", tools=tools)[1]["type"] == "function_call"


@pytest.mark.parametrize(
    ("name", "arguments", "fields"),
    [
        (
            "local_shell",
            {"command": ["ls", "-l"], "timeout_ms": 5, "working_directory": "/tmp"},
            {
                "type": "local_shell_call",
                "action": {
                    "type": "exec",
                    "command": ["ls", "-l"],
                    "env": {},
                    "timeout_ms": 5,
                    "working_directory": "/tmp",
                },
            },
        ),
        (
            "local_shell",
            {"command": "ls | wc"},
            {
                "type": "local_shell_call",
                "action": {"type": "exec", "command": ["bash", "-lc", "ls | wc"], "env": {}},
            },
        ),
        (
            "shell",
            {"commands": ["ls"], "timeout_ms": 5},
            {
                "type": "shell_call",
                "action": {"commands": ["ls"], "timeout_ms": 5, "max_output_length": None},
                "environment": {"type": "local"},
            },
        ),
        ("apply_patch", UPDATE, {"type": "apply_patch_call", "operation": UPDATE}),
        (
            "apply_patch",
            {"type": "delete_file", "path": "a", "diff": ""},
            {"type": "apply_patch_call", "operation": {"type": "delete_file", "path": "a"}},
        ),
        (
            "tool_search",
            {"query": "q"},
            {"type": "tool_search_call", "execution": "client", "arguments": {"query": "q"}},
        ),
    ],
)
def test_a_call_comes_back_as_an_item_of_its_own(name: str, arguments: Json, fields: Json):
    message, item = answered(arguments, name)
    assert message["type"] == "message"
    assert item.pop("id")
    assert item == {"status": "completed", "call_id": "call_a", **fields}


@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        ("local_shell", {}),
        ("local_shell", {"command": [1]}),
        ("shell", {"commands": []}),
        ("shell", '{"commands": ["ls"'),
        ("apply_patch", {"type": "update_file", "path": "a"}),
        ("apply_patch", {"type": "move_file", "path": "a", "diff": ""}),
        ("tool_search", "[]"),
    ],
)
def test_a_call_that_cannot_be_read_fails_the_answer(name: str, arguments: Any):
    """A truncated command must not run."""
    machine = ChatToResponses({"model": "m", "tools": TOOLS}, ids=Numbered(), clock=now)
    encoded = arguments if type(arguments) is str else json.dumps(arguments)
    machine.feed(sse(chat(*call(encoded, name=name), finish="tool_calls")))
    assert machine.response["status"] == "failed"
    called = {"id": "1", "type": "function", "function": {"name": name, "arguments": encoded}}
    choice = {"message": {"role": "assistant", "tool_calls": [called]}, "finish_reason": "tool_calls"}
    with pytest.raises(UpstreamError, match=name):
        to_response({"choices": [choice]}, {"tools": TOOLS})


def test_a_call_that_the_limit_cuts_is_lost_and_said():
    machine = ChatToResponses({"model": "m", "tools": TOOLS}, ids=Numbered(), clock=now)
    machine.feed(sse(chat(*text("a"), *call('{"commands": ["l', name="shell"), finish="length")))
    assert machine.response["status"] == "incomplete"
    assert [item["type"] for item in machine.response["output"]] == ["message"]
    assert [loss.field for loss in machine.losses] == ["message.tool_calls"]


LOCAL: Json = {
    "type": "local_shell_call",
    "id": "lsh_1",
    "call_id": "1",
    "status": "completed",
    "action": {"type": "exec", "command": ["ls"], "env": {}},
}


@pytest.mark.parametrize(
    ("call", "output", "name", "arguments", "content"),
    [
        (
            LOCAL,
            {"type": "local_shell_call_output", "id": "1", "output": "a.txt"},
            "local_shell",
            {"command": ["ls"]},
            "a.txt",
        ),
        (
            LOCAL,
            {"type": "local_shell_call_output", "id": "lsh_1", "output": "a.txt"},
            "local_shell",
            {"command": ["ls"]},
            "a.txt",
        ),
        (
            {"type": "shell_call", "call_id": "1", "action": {"commands": ["ls", "x"], "timeout_ms": None}},
            {
                "type": "shell_call_output",
                "call_id": "1",
                "output": [
                    {"stdout": "a.txt", "stderr": "", "outcome": {"type": "exit", "exit_code": 0}},
                    {"stdout": "", "stderr": "no x", "outcome": {"type": "timeout"}},
                ],
            },
            "shell",
            {"commands": ["ls", "x"]},
            "a.txt\n[exit code 0]\nno x\n[timed out]",
        ),
        (
            {"type": "apply_patch_call", "call_id": "1", "status": "completed", "operation": UPDATE},
            {"type": "apply_patch_call_output", "call_id": "1", "status": "failed", "output": "no such file"},
            "apply_patch",
            UPDATE,
            "failed\nno such file",
        ),
    ],
)
def test_the_history_of_each_replays(call: Json, output: Json, name: str, arguments: Json, content: str):
    messages, losses = messages_of(USER, call, output)
    (called,) = messages[1]["tool_calls"]
    assert called["function"]["name"] == name
    assert json.loads(called["function"]["arguments"]) == arguments
    assert messages[2]["content"] == content
    assert messages[2]["tool_call_id"] == called["id"] == "1"
    assert losses == []


SEARCH_RESULTS: list[Json] = [
    {"type": "function", "name": "f", "parameters": {}},
    {"type": "namespace", "name": "ns", "tools": [{"type": "function", "name": "g", "defer_loading": True}]},
]


def test_row_12_a_search_of_the_clients_own_is_a_call_and_what_it_finds_can_be_called():
    """Row 12: the search is a function, and the tools of its output are sent."""
    items = [
        USER,
        {"type": "tool_search_call", "call_id": "1", "execution": "client", "arguments": {"query": "q"}},
        {"type": "tool_search_output", "call_id": "1", "execution": "client", "tools": SEARCH_RESULTS},
    ]
    body, losses = to_chat(resp_body(tools=[SEARCH], input=items))
    assert_official_chat(body)
    assert [tool["function"]["name"] for tool in body["tools"]] == ["tool_search", "f", "ns__g"]
    assert json.loads(body["messages"][1]["tool_calls"][0]["function"]["arguments"]) == {"query": "q"}
    assert body["messages"][2]["content"] == "Found: f, ns__g"
    assert losses == []


def test_row_12_a_search_of_the_vendors_is_not_needed_where_all_tools_are_sent():
    """Row 12: deferred tools are sent at once; the items of a hosted search only add tools."""
    items = [
        USER,
        {"type": "tool_search_call", "call_id": None, "execution": "server", "arguments": {"paths": ["f"]}},
        {"type": "tool_search_output", "call_id": None, "execution": "server", "tools": SEARCH_RESULTS[:1]},
        {"type": "function_call", "call_id": "1", "name": "f", "arguments": "{}"},
        {"type": "function_call_output", "call_id": "1", "output": "ok"},
    ]
    tools = [
        {"type": "function", "name": "h", "defer_loading": True},
        {"type": "tool_search", "execution": "server"},
    ]
    body, losses = to_chat(resp_body(tools=tools, input=items))
    assert [tool["function"]["name"] for tool in body["tools"]] == ["h", "f"]
    assert [message["role"] for message in body["messages"]] == ["user", "assistant", "tool"]
    assert losses == []


def test_row_13_a_shell_in_a_container_is_a_vendors_tool():
    """Row 13: dropped with a loss, or refused with its path."""
    tool = {"type": "shell", "environment": {"type": "container_auto"}}
    body, losses = to_chat(resp_body(tools=[tool], tool_choice="required"))
    assert "tools" not in body
    assert losses == ["tools[0]; dropped: shell", "tool_choice; dropped"]
    refuse = Policy(hosted="refuse")
    refused(lambda body: to_chat(body, policy=refuse), resp_body(tools=[tool]), "tools[0].type")
