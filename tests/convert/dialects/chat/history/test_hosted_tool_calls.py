"""Calls of hosted tools in the history for a Chat backend; hosted tools are dropped or refused."""

import json
from typing import Any

import pytest

from chat2response.convert.policy import Policy
from tests.support.convert.requests import Json, messages_of, refused, resp_body, to_chat

USER: Json = {"role": "user", "content": "hi"}
REFUSE = Policy(hosted="refuse")
HOSTED = [
    "web_search",
    "web_search_2025_08_26",
    "web_search_preview",
    "file_search",
    "code_interpreter",
    "computer",
    "computer_use_preview",
    "image_generation",
    "mcp",
    "programmatic_tool_calling",
    "acme:tool",
]


@pytest.mark.parametrize("kind", HOSTED)
def test_row_13_a_hosted_tool_is_dropped_with_a_loss_or_refused_by_its_place(kind: str):
    """Row 13: its choice is dropped too. Row 37: without tools, no field about tools is sent."""
    choice = {"type": kind}
    body, losses = to_chat(resp_body(tools=[{"type": kind}], tool_choice=choice, parallel_tool_calls=True))
    assert not body.keys() & {"tools", "tool_choice", "parallel_tool_calls"}
    assert losses == [f"tools[0]; dropped: {kind}", "tool_choice; dropped"]
    function = {"type": "function", "name": "f"}
    request = resp_body(tools=[function, {"type": kind}])
    error = refused(lambda body: to_chat(body, policy=REFUSE), request, "tools[1].type")
    assert kind in error.message
    assert to_chat(resp_body(tools=[function]), policy=REFUSE)[1] == []


@pytest.mark.parametrize(
    ("item", "name", "arguments", "content"),
    [
        (
            {
                "type": "mcp_call",
                "id": "mcp_1",
                "server_label": "docs",
                "name": "find",
                "arguments": '{"q":1}',
                "output": "x",
            },
            "docs__find",
            {"q": 1},
            "x",
        ),
        (
            {
                "type": "mcp_call",
                "id": "mcp_1",
                "server_label": "docs",
                "name": "find",
                "arguments": "{}",
                "error": {"type": "http_error", "code": 500},
            },
            "docs__find",
            {},
            'Error: {"type":"http_error","code":500}',
        ),
        (
            {
                "type": "code_interpreter_call",
                "id": "ci_1",
                "code": "1+1",
                "container_id": "c",
                "status": "completed",
                "outputs": [{"type": "logs", "logs": "2"}],
            },
            "code_interpreter",
            {"code": "1+1"},
            "2",
        ),
        (
            {
                "type": "file_search_call",
                "id": "fs_1",
                "queries": ["q"],
                "status": "completed",
                "results": [{"filename": "a.txt", "text": "A"}, {"file_id": "file_2", "text": "B"}],
            },
            "file_search",
            {"queries": ["q"]},
            "a.txt:\nA\n\nfile_2:\nB",
        ),
    ],
)
def test_a_call_that_holds_its_output_is_told_as_both(item: Json, name: str, arguments: Any, content: str):
    messages, losses = messages_of(USER, item)
    (called,) = messages[1]["tool_calls"]
    assert called["id"] == item["id"] == messages[2]["tool_call_id"]
    assert called["function"]["name"] == name
    assert json.loads(called["function"]["arguments"]) == arguments
    assert messages[2]["content"] == content
    assert losses == []


def test_row_40_a_generated_image_is_shown_as_a_users():
    """Row 40: an assistant message cannot hold an image."""
    item = {"type": "image_generation_call", "id": "ig_1", "result": "AAAA", "status": "completed"}
    messages, losses = messages_of(USER, item, {"role": "user", "content": "nice"})
    assert messages[1]["content"][1] == {
        "type": "image_url",
        "image_url": {"url": "data:image/png;base64,AAAA"},
    }
    assert losses == ["input[1]; moved to a user message"]


@pytest.mark.parametrize(("form", "mime"), [("webp", "webp"), ("bmp", "png"), ([None], "png"), (None, "png")])
def test_a_generated_image_is_of_the_form_that_is_said(form: Any, mime: str):
    item = {"type": "image_generation_call", "id": "ig_1", "result": "AAAA", "output_format": form}
    messages, _ = messages_of(USER, item)
    assert messages[1]["content"][1]["image_url"]["url"] == f"data:image/{mime};base64,AAAA"


def test_row_40_a_screenshot_follows_its_call():
    """Row 40: images of outputs follow in a user message."""
    items = [
        {
            "type": "computer_call",
            "id": "cu_1",
            "call_id": "1",
            "action": {"type": "screenshot"},
            "status": "completed",
        },
        {
            "type": "computer_call_output",
            "call_id": "1",
            "output": {"type": "computer_screenshot", "image_url": "data:x"},
        },
    ]
    messages, _ = messages_of(USER, *items)
    assert [message["role"] for message in messages] == ["user", "assistant", "tool", "user"]
    assert messages[3]["content"][1] == {"type": "image_url", "image_url": {"url": "data:x"}}


@pytest.mark.parametrize(
    "item",
    [
        {
            "type": "web_search_call",
            "id": "ws_1",
            "status": "completed",
            "action": {"type": "search", "query": "q"},
        },
        {"type": "file_search_call", "id": "fs_1", "queries": ["q"], "status": "completed"},
        {"type": "image_generation_call", "id": "ig_1", "result": None, "status": "failed"},
        {"type": "mcp_list_tools", "id": "mcpl_1", "server_label": "docs", "tools": []},
        {
            "type": "mcp_approval_request",
            "id": "mcpr_1",
            "server_label": "docs",
            "name": "f",
            "arguments": "{}",
        },
        {"type": "program", "id": "p", "call_id": "1", "code": "x", "fingerprint": "f"},
        {"type": "program_output", "id": "p", "call_id": "1", "result": "x", "status": "completed"},
        {"type": "acme:note", "text": "x"},
        {"type": "from_the_future"},
    ],
)
def test_what_says_nothing_to_chat_is_a_loss(item: Json):
    messages, losses = messages_of(USER, item)
    assert messages == [USER]
    assert losses == ["input[1]; dropped"]


@pytest.mark.parametrize(
    "item",
    [
        {"type": "compaction", "encrypted_content": "x"},
        {"type": "compaction_trigger"},
        {"type": "item_reference", "id": "msg_1"},
        {"id": "msg_1"},
        {"type": "mcp_approval_response", "approval_request_id": "mcpr_1", "approve": True},
        {"type": "agent_message"},
        {"type": "multi_agent_call"},
        {"type": "multi_agent_call_output"},
    ],
)
def test_what_must_not_be_lost_is_a_400_that_says_why(item: Json):
    error = refused(to_chat, resp_body(input=[USER, item]), "input[1].type")
    assert item.get("type", "item_reference") in error.message


def test_a_changed_configuration_counts_from_the_last():
    items = [
        {"type": "configuration_update", "reasoning": {"effort": "low"}},
        USER,
        {
            "type": "configuration_update",
            "reasoning": {"effort": "high"},
            "text": {"format": {"type": "json_object"}},
        },
    ]
    body, losses = to_chat(resp_body(input=items, reasoning={"effort": "medium"}))
    assert body["reasoning_effort"] == "high"
    assert body["response_format"] == {"type": "json_object"}
    assert body["messages"] == [USER]
    assert losses == []
    refused(
        to_chat, resp_body(input=[{"type": "configuration_update", "reasoning": 1}]), "input[0].reasoning"
    )
