"""Converted requests as the upstream receives them, field by field."""

import base64
from typing import Any

import pytest

from tests.e2e.conftest import Start
from tests.support.e2e.client_calls import CLIENT_MODEL
from tests.support.e2e.scripted_model import CHAT, PATHS, RESPONSES, ModelReply, speaking
from tests.support.scripted_upstream import ScriptedUpstream

PNG = "data:image/png;base64," + base64.b64encode(b"\x89PNG").decode()
PDF = "data:application/pdf;base64," + base64.b64encode(b"%PDF-1.7").decode()
LOOK: dict[str, Any] = {
    "name": "look",
    "description": "Looks.",
    "parameters": {"type": "object", "properties": {"at": {"type": "string"}}},
}
NESTED_TOOL = {"type": "function", "function": LOOK}
FLAT_TOOL = {"type": "function", **LOOK}
SAYING = {"messages": [{"role": "user", "content": "Hi"}]}
REPLY = ModelReply(text=("Done.",))
AB = ("call_a", "call_b")


async def test_a_chat_request_arrives_as_a_responses_request(
    start: Start, upstream: ScriptedUpstream
) -> None:
    upstream.play_for(RESPONSES, speaking("responses", REPLY))
    gateway = await start("responses")

    completion = await gateway.sdk().chat.completions.create(
        model=CLIENT_MODEL,
        messages=[
            {"role": "system", "content": "Be brief."},
            {
                "role": "user",
                "content": [
                    {"type": "text", "text": "See:"},
                    {"type": "image_url", "image_url": {"url": PNG, "detail": "low"}},
                    {"type": "file", "file": {"filename": "a.pdf", "file_data": PDF}},
                ],
            },
            {"role": "assistant", "content": "Looking.", "tool_calls": [_chat_call(x) for x in AB]},
            {"role": "tool", "tool_call_id": "call_a", "content": "a cat"},
            {"role": "tool", "tool_call_id": "call_b", "content": "a dog"},
            {"role": "assistant", "tool_calls": [_chat_call("call_c")]},
            {"role": "tool", "tool_call_id": "call_c", "content": "a cow"},
        ],
        tools=[{"type": "function", "function": LOOK}],
        tool_choice={"type": "function", "function": {"name": "look"}},
        parallel_tool_calls=True,
        max_completion_tokens=100,
        reasoning_effort="low",
        temperature=0.5,
        metadata={"k": "v"},
        user="ann",
        extra_body={"top_k": 5},
    )

    assert completion.choices[0].message.content == "Done."
    assert upstream.last.json() == {
        "model": CLIENT_MODEL,
        "store": False,
        "input": [
            {"type": "message", "role": "system", "content": "Be brief."},
            {
                "type": "message", "role": "user",
                "content": [
                    {"type": "input_text", "text": "See:"},
                    {"type": "input_image", "image_url": PNG, "detail": "low"},
                    {"type": "input_file", "filename": "a.pdf", "file_data": PDF},
                ],
            },
            {
                "type": "message", "role": "assistant",
                "content": [{"type": "output_text", "text": "Looking.", "annotations": []}],
            },
            {"type": "function_call", "call_id": "call_a", "name": "look", "arguments": '{"at": "x"}'},
            {"type": "function_call", "call_id": "call_b", "name": "look", "arguments": '{"at": "x"}'},
            {"type": "function_call_output", "call_id": "call_a", "output": "a cat"},
            {"type": "function_call_output", "call_id": "call_b", "output": "a dog"},
            {"type": "function_call", "call_id": "call_c", "name": "look", "arguments": '{"at": "x"}'},
            {"type": "function_call_output", "call_id": "call_c", "output": "a cow"},
        ],
        "tools": [{"type": "function", **LOOK, "strict": False}],
        "tool_choice": {"type": "function", "name": "look"},
        "parallel_tool_calls": True,
        "max_output_tokens": 100,
        "reasoning": {"effort": "low"},
        "temperature": 0.5,
        "metadata": {"k": "v"},
        "user": "ann",
        "top_k": 5,
    }  # fmt: skip


async def test_a_responses_request_arrives_as_a_chat_request(
    start: Start, upstream: ScriptedUpstream
) -> None:
    upstream.play_for(CHAT, speaking("chat", REPLY))
    gateway = await start("chat")

    response = await gateway.sdk().responses.create(
        model=CLIENT_MODEL,
        instructions="Be brief.",
        input=[
            {
                "role": "user",
                "content": [
                    {"type": "input_text", "text": "See:"},
                    {"type": "input_image", "image_url": PNG, "detail": "low"},
                    {"type": "input_file", "filename": "a.pdf", "file_data": PDF},
                ],
            },
            {"role": "assistant", "content": "Looking."},
            _call("call_a"),
            _call("call_b"),
            {"type": "function_call_output", "call_id": "call_b", "output": "a dog"},
            {"type": "function_call_output", "call_id": "call_a", "output": "a cat"},
            _call("call_c"),
            {"type": "function_call_output", "call_id": "call_c", "output": "a cow"},
        ],
        tools=[{"type": "function", **LOOK, "strict": True}],
        tool_choice={"type": "function", "name": "look"},
        max_output_tokens=100,
        reasoning={"effort": "low"},
        temperature=0.5,
        extra_body={"top_k": 5},
    )

    assert response.output_text == "Done."
    assert (response.model, response.instructions, response.temperature) == (CLIENT_MODEL, "Be brief.", 0.5)
    assert upstream.last.json() == {
        "model": CLIENT_MODEL,
        "messages": [
            {"role": "system", "content": "Be brief."},
            {
                "role": "user",
                "content": [
                    {"type": "text", "text": "See:"},
                    {"type": "image_url", "image_url": {"url": PNG, "detail": "low"}},
                    {"type": "file", "file": {"filename": "a.pdf", "file_data": PDF}},
                ],
            },
            {"role": "assistant", "content": "Looking.", "tool_calls": [_chat_call(x) for x in AB]},
            {"role": "tool", "tool_call_id": "call_a", "content": "a cat"},
            {"role": "tool", "tool_call_id": "call_b", "content": "a dog"},
            {"role": "assistant", "content": None, "tool_calls": [_chat_call("call_c")]},
            {"role": "tool", "tool_call_id": "call_c", "content": "a cow"},
        ],
        "tools": [{"type": "function", "function": {**LOOK, "strict": True}}],
        "tool_choice": {"type": "function", "function": {"name": "look"}},
        "max_tokens": 100,
        "reasoning_effort": "low",
        "temperature": 0.5,
        "top_k": 5,
    }  # fmt: skip


async def test_a_converted_stream_always_asks_for_its_usage(start: Start, upstream: ScriptedUpstream) -> None:
    upstream.play_for(CHAT, speaking("chat", REPLY))
    gateway = await start("chat")

    async for _ in await gateway.sdk().responses.create(model=CLIENT_MODEL, input="Hi", stream=True):
        pass

    assert upstream.last.json()["stream_options"] == {"include_usage": True}


async def test_usage_reaches_a_chat_client_only_when_it_asks(
    start: Start, upstream: ScriptedUpstream
) -> None:
    for dialect in ("chat", "responses"):
        upstream.play_for(PATHS[dialect], speaking(dialect, REPLY))
        gateway = await start(dialect)
        chat = gateway.sdk().chat.completions
        messages: Any = [{"role": "user", "content": "Hi"}]

        quiet = [c async for c in await chat.create(model=CLIENT_MODEL, messages=messages, stream=True)]
        options: Any = {"include_usage": True}
        stream = await chat.create(model=CLIENT_MODEL, messages=messages, stream=True, stream_options=options)
        result = [chunk async for chunk in stream]

        assert all(chunk.usage is None and chunk.choices for chunk in quiet)
        assert [bool(chunk.usage) for chunk in result] == [False] * (len(result) - 1) + [True]
        assert result[-1].choices == []


def _chat_call(call_id: str) -> Any:
    return {"id": call_id, "type": "function", "function": {"name": "look", "arguments": '{"at": "x"}'}}


def _call(call_id: str) -> Any:
    return {"type": "function_call", "call_id": call_id, "name": "look", "arguments": '{"at": "x"}'}


@pytest.mark.parametrize(
    ("path", "upstream_mode", "body", "words"),
    [
        ("/v1/responses", "chat", {"input": "x", "tools": [NESTED_TOOL]}, "without a 'function' object"),
        ("/v1/chat/completions", "responses", {**SAYING, "tools": [FLAT_TOOL]}, "with a 'function' object"),
        ("/proxy", "chat", {**SAYING, "tools": [FLAT_TOOL]}, "with a 'function' object"),
        ("/convert?to=chat", "chat", {"input": "x", "tools": [NESTED_TOOL]}, "without a 'function' object"),
    ],
)
async def test_a_tool_in_the_other_apis_form_is_named_as_such(
    start: Start, path: str, upstream_mode: str, body: dict[str, Any], words: str
) -> None:
    gateway = await start(upstream_mode)
    answer = await gateway.post(path, {"model": "m", **body})
    assert answer.status_code == 400
    assert words in answer.json()["error"]["message"]
