"""`functions` and `function_call`, deprecated and still used: answered in their own format."""

import json
from typing import Any

import pytest

from tests.e2e.conftest import Start
from tests.support.e2e.client_calls import CLIENT_MODEL
from tests.support.e2e.scripted_model import RESPONSES, Call, ModelReply, speaking
from tests.support.scripted_upstream import ScriptedUpstream

F = {"name": "look", "description": "Looks.", "parameters": {"type": "object"}}
HI = {"role": "user", "content": "Hi"}
REPLY = ModelReply(calls=(Call("look", ('{"at":', '"x"}')),))


async def test_the_sdk_gets_its_function_call(start: Start, upstream: ScriptedUpstream) -> None:
    upstream.play_for(RESPONSES, speaking("responses", REPLY))
    client = (await start("responses")).sdk()
    body: Any = {"model": CLIENT_MODEL, "messages": [HI], "functions": [F], "function_call": {"name": "look"}}

    whole = (await client.chat.completions.create(**body)).choices[0]
    assert whole.finish_reason == "function_call"
    assert whole.message.tool_calls is None
    assert (whole.message.function_call.name, whole.message.function_call.arguments) == ("look", '{"at":"x"}')
    sent = upstream.last.json()
    assert [(tool["type"], tool["name"], tool["strict"]) for tool in sent["tools"]] == [
        ("function", "look", False)
    ]
    assert sent["tool_choice"] == {"type": "function", "name": "look"}
    assert sent["parallel_tool_calls"] is False
    assert {"functions", "function_call"}.isdisjoint(sent)

    chunks = [chunk async for chunk in await client.chat.completions.create(**body, stream=True)]
    calls = [call for chunk in chunks if (call := chunk.choices[0].delta.function_call)]
    assert "".join(call.name or "" for call in calls) == "look"
    assert "".join(call.arguments or "" for call in calls) == '{"at":"x"}'
    assert not any(chunk.choices[0].delta.tool_calls for chunk in chunks)
    assert chunks[-1].choices[0].finish_reason == "function_call"


async def test_one_of_several_calls_has_room(start: Start, upstream: ScriptedUpstream) -> None:
    two = ModelReply(calls=(Call("look", ("{}",)), Call("peek", ('{"at":2}',), "call_b")))
    upstream.play_for(RESPONSES, speaking("responses", two))
    gateway = await start("responses")
    body = {"model": CLIENT_MODEL, "messages": [HI], "functions": [F]}
    whole = await gateway.post("/v1/chat/completions", body)
    assert whole.json()["choices"][0]["message"]["function_call"]["arguments"] == "{}"
    assert whole.headers["x-chat2response-losses"].startswith("output[function_call]; dropped")
    stream = await gateway.post("/v1/chat/completions", {**body, "stream": True})
    assert b"output[function_call]; dropped" in stream.content and b'{\\"at\\"' not in stream.content


async def test_the_history_has_calls_and_their_answers(start: Start, upstream: ScriptedUpstream) -> None:
    upstream.play_for(RESPONSES, speaking("responses", ModelReply(text=("Yes.",))))
    gateway = await start("responses")

    def called(at: int) -> list[dict[str, Any]]:
        call = {"name": "look", "arguments": json.dumps({"at": at})}
        return [
            {"role": "assistant", "content": None, "function_call": call},
            {"role": "function", "name": "look", "content": f"saw {at}"},
        ]

    body = {"model": CLIENT_MODEL, "functions": [F], "messages": [HI, *called(1), *called(2)]}
    assert (await gateway.post("/v1/chat/completions", body)).status_code == 200
    items = upstream.last.json()["input"][1:]
    assert [item["type"] for item in items] == ["function_call", "function_call_output"] * 2
    assert [item["call_id"] for item in items[::2]] == [item["call_id"] for item in items[1::2]]
    assert items[0]["call_id"] != items[2]["call_id"]
    assert [item["output"] for item in items[1::2]] == ["saw 1", "saw 2"]


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"functions": [F], "tools": [{"type": "function", "function": F}]}, "functions"),
        ({"functions": [1]}, "functions[0]"),
        ({"function_call": {"name": "look"}}, "tool_choice"),
        ({"messages": [HI, {"role": "function", "name": "look", "content": "x"}]}, "messages[1].name"),
    ],
)
async def test_what_cannot_be_meant(
    start: Start, upstream: ScriptedUpstream, fields: dict[str, Any], param: str
) -> None:
    gateway = await start("responses")
    refused = await gateway.post("/v1/chat/completions", {"model": CLIENT_MODEL, "messages": [HI], **fields})
    assert (refused.status_code, refused.json()["error"]["param"]) == (400, param)
    assert not upstream.requests
