"""Tools of every kind, over real sockets: what the model is offered, and what the client gets back."""

import json
from typing import Any

import pytest

from tests.e2e.conftest import Start
from tests.support.e2e.dialect_pairs import error_of, json_or_stream, post
from tests.support.e2e.scripted_model import CHAT, RESPONSES, STREAM, Call, ModelReply, speaking
from tests.support.e2e.sse_streams import events_of
from tests.support.scripted_upstream import Script, ScriptedUpstream
from tests.support.upstream_streams import Events, named

PATCH = "*** Begin Patch\n*** Add File: a\n+\u20ac \U0001f600\n*** End Patch\n"
TOOLS: list[dict[str, Any]] = [
    {"type": "custom", "name": "apply_patch", "format": {"type": "text"}},
    {
        "type": "namespace",
        "name": "agents",
        "description": "Agents.",
        "tools": [{"type": "function", "name": "wait", "parameters": {"type": "object"}, "strict": False}],
    },
    {"type": "shell"},
    {"type": "web_search"},
]
CALLS = ModelReply(
    text=("I ask.",),
    calls=(
        Call("apply_patch", tuple(json.dumps({"input": PATCH})), id="call_1"),
        Call("agents__wait", ('{"id":', "1}"), id="call_2"),
        Call("shell", ('{"commands": ["ls"]}',), id="call_3"),
    ),
)


def streaming(data: bytes) -> Script:
    return Script(RESPONSES, (data,), media_type=STREAM, framing="chunked")


def calls_in(answer: Any, streamed: bool) -> list[dict[str, Any]]:
    """The calls of the completed response."""
    response = events_of(answer.content)[-1]["response"] if streamed else answer.json()
    return [item for item in response["output"] if "call_id" in item]


@json_or_stream
async def test_calls_come_back_as_those_of_the_clients_tools(
    start: Start, upstream: ScriptedUpstream, streamed: bool
) -> None:
    upstream.play_for(CHAT, speaking("chat", CALLS))
    gateway = await start("chat")
    answer = await post(gateway, "responses", streamed=streamed, tools=TOOLS)

    assert answer.status_code == 200
    assert answer.headers["x-chat2response-losses"] == "tools[3]; dropped: web_search"
    assert [tool["function"]["name"] for tool in upstream.last.json()["tools"]] == [
        "apply_patch", "agents__wait", "shell",
    ]  # fmt: skip
    custom, function, shell = sorted(calls_in(answer, streamed), key=lambda item: item["call_id"])
    assert (custom["type"], custom["input"]) == ("custom_tool_call", PATCH)
    assert (function["namespace"], function["name"], function["arguments"]) == ("agents", "wait", '{"id":1}')
    assert (shell["type"], shell["action"]["commands"]) == ("shell_call", ["ls"])


async def test_the_official_client_knows_every_call(start: Start, upstream: ScriptedUpstream) -> None:
    upstream.play_for(CHAT, speaking("chat", CALLS))
    gateway = await start("chat")
    tools: Any = TOOLS
    response = await gateway.sdk().responses.create(model="m", input="Go.", tools=tools)
    assert {item.type for item in response.output} == {
        "message", "custom_tool_call", "function_call", "shell_call",
    }  # fmt: skip


@json_or_stream
async def test_half_an_input_is_an_error(start: Start, upstream: ScriptedUpstream, streamed: bool) -> None:
    half = ModelReply(calls=(Call("apply_patch", ('{"input": "*** Beg',)),))
    upstream.play_for(CHAT, speaking("chat", half))
    answer = await post(await start("chat"), "responses", streamed=streamed, tools=TOOLS)
    if streamed:
        ended = events_of(answer.content)[-1]
        assert ended["type"] == "response.failed"
        assert "apply_patch" in ended["response"]["error"]["message"]
    else:
        assert answer.status_code == 502
        assert "apply_patch" in error_of(answer)["message"]


async def test_a_hosted_tool_is_refused_where_the_operator_says_so(
    start: Start, upstream: ScriptedUpstream
) -> None:
    gateway = await start("chat", chat2response_hosted_tools="refuse")
    answer = await post(gateway, "responses", tools=TOOLS)
    assert answer.status_code == 400
    assert error_of(answer)["param"] == "tools[3].type"
    body = {"model": "m", "input": "Go.", "tools": TOOLS}
    converted = await gateway.post("/convert?to=chat", body)
    assert error_of(converted)["param"] == "tools[3].type"
    assert not upstream.requests


@pytest.mark.parametrize("policy", ["refuse", "repair"])
async def test_an_orphan_is_refused_or_repaired(
    start: Start, upstream: ScriptedUpstream, policy: str
) -> None:
    upstream.play_for(CHAT, speaking("chat", ModelReply(text=("Hi",))))
    gateway = await start("chat", chat2response_orphans=policy)
    items = [
        {"role": "user", "content": "hi"},
        {"type": "custom_tool_call", "call_id": "call_1", "name": "apply_patch", "input": PATCH},
    ]
    answer = await post(gateway, "responses", input=items, tools=TOOLS[:1])
    if policy == "refuse":
        assert answer.status_code == 400
        assert "call_1" in error_of(answer)["message"]
        assert "input[1]" in error_of(answer)["message"]
    else:
        assert answer.status_code == 200
        assert "input[1]; answered here" in answer.headers["x-chat2response-losses"]


@json_or_stream
async def test_a_chat_client_calls_a_custom_tool_of_its_own(
    start: Start, upstream: ScriptedUpstream, streamed: bool
) -> None:
    """Through a Responses upstream and back, in Chat's format."""
    events = Events().custom(*PATCH, name="apply_patch", call_id="call_1").end()
    whole = Script(RESPONSES, (json.dumps(events[-1]["response"]).encode(),))
    upstream.play(streaming(named(events)) if streamed else whole)
    tool = {"type": "custom", "custom": {"name": "apply_patch", "format": {"type": "text"}}}
    answer = await post(await start("responses"), "chat", streamed=streamed, tools=[tool])
    assert upstream.last.json()["tools"] == [TOOLS[0]]
    if streamed:
        assert b'"custom":{"name":"apply_patch","input":""}' in answer.content
        assert b'"finish_reason":"tool_calls"' in answer.content
    else:
        (called,) = answer.json()["choices"][0]["message"]["tool_calls"]
        assert called == {
            "id": "call_1", "type": "custom", "custom": {"name": "apply_patch", "input": PATCH},
        }  # fmt: skip


@json_or_stream
@pytest.mark.parametrize("profile", ["openai", "vllm", "ollama"])
async def test_allowed_tools_are_a_hard_limit(
    start: Start, upstream: ScriptedUpstream, streamed: bool, profile: str
) -> None:
    """Also where the backend takes them for advice. What is declared does not change with what is allowed,
    where the backend can be told: its prompt cache holds."""
    upstream.play_for(CHAT, speaking("chat", CALLS))
    gateway = await start("chat", chat2response_upstream_profile=profile)
    allowed = [{"type": "shell"}, {"type": "custom", "name": "apply_patch"}]
    choice = {"type": "allowed_tools", "mode": "auto", "tools": allowed}
    tools = TOOLS[:3]

    answer = await post(gateway, "responses", streamed=streamed, tools=tools, tool_choice=choice)
    sent = upstream.last.json()
    await post(gateway, "responses", streamed=streamed, tools=tools, tool_choice="auto")

    assert {item["type"] for item in calls_in(answer, streamed)} == {"custom_tool_call", "shell_call"}
    named = b"message.tool_calls; dropped: agents__wait is not an allowed tool"
    assert named in (answer.content if streamed else answer.headers["x-chat2response-losses"].encode())
    if profile != "ollama":
        assert sent["tool_choice"]["type"] == "allowed_tools"
        assert sent["tools"] == upstream.last.json()["tools"]
    else:
        assert len(sent["tools"]) == 2
