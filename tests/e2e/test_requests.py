"""What a converted request is when it arrives, and what only the SDK's richer calls ask for."""

import base64
from typing import Any

from pydantic import BaseModel

from tests.e2e.conftest import Start
from tests.e2e.listen import ASKED
from tests.e2e.said import CHAT, PATHS, RESPONSES, Call, Said, speaking
from tests.upstream import ScriptedUpstream

PNG = "data:image/png;base64," + base64.b64encode(b"\x89PNG").decode()
PDF = "data:application/pdf;base64," + base64.b64encode(b"%PDF-1.7").decode()
SCHEMA = {
    "type": "object",
    "properties": {"b": {"type": "integer"}, "a": {"type": "string"}},
    "required": ["b", "a"],
    "additionalProperties": False,
}
LOOK: dict[str, Any] = {
    "name": "look",
    "description": "Looks.",
    "parameters": {"type": "object", "properties": {"at": {"type": "string"}}},
}
SAID = Said(text=("Done.",))
AB = ("call_a", "call_b")


async def test_a_chat_request_arrives_as_a_responses_request(
    start: Start, upstream: ScriptedUpstream
) -> None:
    upstream.play_for(RESPONSES, speaking("responses", SAID))
    gateway = await start("responses")

    made = await gateway.sdk().chat.completions.create(
        model=ASKED,
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

    assert made.choices[0].message.content == "Done."
    assert upstream.last.json() == {
        "model": ASKED,
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
    upstream.play_for(CHAT, speaking("chat", SAID))
    gateway = await start("chat")

    made = await gateway.sdk().responses.create(
        model=ASKED,
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

    assert made.output_text == "Done."
    assert (made.model, made.instructions, made.temperature) == (ASKED, "Be brief.", 0.5)
    assert upstream.last.json() == {
        "model": ASKED,
        "messages": [
            {"role": "developer", "content": "Be brief."},
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
        "max_completion_tokens": 100,
        "reasoning_effort": "low",
        "temperature": 0.5,
        "top_k": 5,
    }  # fmt: skip


async def test_a_converted_stream_always_asks_for_its_usage(start: Start, upstream: ScriptedUpstream) -> None:
    upstream.play_for(CHAT, speaking("chat", SAID))
    gateway = await start("chat")

    async for _ in await gateway.sdk().responses.create(model=ASKED, input="Hi", stream=True):
        pass

    assert upstream.last.json()["stream_options"] == {"include_usage": True}


async def test_usage_reaches_a_chat_client_only_when_it_asks(
    start: Start, upstream: ScriptedUpstream
) -> None:
    for dialect in ("chat", "responses"):
        upstream.play_for(PATHS[dialect], speaking(dialect, SAID))
        gateway = await start(dialect)
        chat = gateway.sdk().chat.completions
        messages: Any = [{"role": "user", "content": "Hi"}]

        quiet = [c async for c in await chat.create(model=ASKED, messages=messages, stream=True)]
        options: Any = {"include_usage": True}
        asked = await chat.create(model=ASKED, messages=messages, stream=True, stream_options=options)
        told = [chunk async for chunk in asked]

        assert all(chunk.usage is None and chunk.choices for chunk in quiet)
        assert [bool(chunk.usage) for chunk in told] == [False] * (len(told) - 1) + [True]
        assert told[-1].choices == []


class Pair(BaseModel):
    b: int
    a: str


async def test_structured_output_parses_on_every_upstream(start: Start, upstream: ScriptedUpstream) -> None:
    said = Said(text=('{"b": 1, ', '"a": "x"}'))
    for dialect in ("chat", "responses"):
        upstream.play_for(PATHS[dialect], speaking(dialect, said))
        client = (await start(dialect)).sdk()

        messages: Any = [{"role": "user", "content": "Hi"}]
        completion = await client.chat.completions.parse(model=ASKED, messages=messages, response_format=Pair)
        response = await client.responses.parse(model=ASKED, input="Hi", text_format=Pair)
        async with client.responses.stream(model=ASKED, input="Hi", text_format=Pair) as stream:
            streamed = await stream.get_final_response()
        async with client.chat.completions.stream(
            model=ASKED, messages=messages, response_format=Pair
        ) as chat_stream:
            chat_streamed = await chat_stream.get_final_completion()

        assert completion.choices[0].message.parsed == Pair(b=1, a="x")
        assert response.output_parsed == Pair(b=1, a="x")
        assert streamed.output_parsed == Pair(b=1, a="x")
        assert chat_streamed.choices[0].message.parsed == Pair(b=1, a="x")
        for request in upstream.requests[-4:]:
            assert _schema_of(request.json()) == ("Pair", True, ["b", "a"])


async def test_a_schema_crosses_both_ways_in_its_order(start: Start, upstream: ScriptedUpstream) -> None:
    flat = {"type": "json_schema", "name": "pair", "description": "Two.", "schema": SCHEMA, "strict": True}
    nested = {"type": "json_schema", "json_schema": {k: v for k, v in flat.items() if k != "type"}}

    upstream.play_for(RESPONSES, speaking("responses", SAID))
    client = (await start("responses")).sdk()
    messages: Any = [{"role": "user", "content": "Hi"}]
    await client.chat.completions.create(model=ASKED, messages=messages, response_format=nested)
    assert upstream.last.json()["text"] == {"format": flat}
    assert list(upstream.last.json()["text"]["format"]["schema"]["properties"]) == ["b", "a"]

    upstream.play_for(CHAT, speaking("chat", SAID))
    client = (await start("chat")).sdk()
    made = await client.responses.create(model=ASKED, input="Hi", text={"format": flat})
    assert upstream.last.json()["response_format"] == nested
    assert made.text is not None and made.text.to_dict() == {"format": flat}


async def test_a_tool_loop_goes_round_on_every_upstream(start: Start, upstream: ScriptedUpstream) -> None:
    """The SDK calls, answers the call, and calls again with what it was given."""
    for dialect in ("chat", "responses"):
        upstream.play_for(PATHS[dialect], speaking(dialect, Said(calls=(Call("look", ('{"at":"x"}',)),))))
        client = (await start(dialect)).sdk()

        messages: Any = [{"role": "user", "content": "Look."}]
        tools: Any = [{"type": "function", "function": LOOK}]
        first = await client.chat.completions.create(model=ASKED, messages=messages, tools=tools)
        message = first.choices[0].message
        assert message.tool_calls is not None
        messages += [message, {"role": "tool", "tool_call_id": message.tool_calls[0].id, "content": "a cat"}]
        await client.chat.completions.create(model=ASKED, messages=messages, tools=tools)

        flat: Any = [{"type": "function", **LOOK, "strict": False}]
        asked: Any = [{"role": "user", "content": "Look."}]
        response = await client.responses.create(model=ASKED, input=asked, tools=flat, store=False)
        (call,) = response.output
        assert call.type == "function_call"
        asked += [call, {"type": "function_call_output", "call_id": call.call_id, "output": "a cat"}]
        await client.responses.create(model=ASKED, input=asked, tools=flat, store=False)

        for request in (upstream.requests[-3], upstream.requests[-1]):
            assert _calls_of(request.json()) == [("call_a", "look", '{"at":"x"}', "a cat")]


async def test_reasoning_is_a_summary_where_one_was_asked_for(
    start: Start, upstream: ScriptedUpstream
) -> None:
    upstream.play_for(CHAT, speaking("chat", Said(reasoning=("I ", "think."), text=("So.",))))
    client = (await start("chat")).sdk()

    summed = await client.responses.create(model=ASKED, input="Hi", reasoning={"summary": "auto"})
    raw = await client.responses.create(model=ASKED, input="Hi")
    async with client.responses.stream(model=ASKED, input="Hi", reasoning={"summary": "auto"}) as stream:
        streamed = await stream.get_final_response()

    for made in (summed, streamed):
        item = made.output[0]
        assert item.type == "reasoning" and not item.content
        assert [part.text for part in item.summary] == ["I think."]
    item = raw.output[0]
    assert item.type == "reasoning" and not item.summary
    assert item.content is not None and [part.text for part in item.content] == ["I think."]


async def test_a_summary_of_a_responses_upstream_reaches_a_chat_client(
    start: Start, upstream: ScriptedUpstream
) -> None:
    said = Said(reasoning=("I ", "think."), text=("So.",), summarised=True)
    upstream.play_for(RESPONSES, speaking("responses", said))
    chat = (await start("responses")).sdk().chat.completions
    messages: Any = [{"role": "user", "content": "Hi"}]

    made = await chat.create(model=ASKED, messages=messages)
    chunks = [chunk async for chunk in await chat.create(model=ASKED, messages=messages, stream=True)]

    assert made.choices[0].message.reasoning_content == "I think."
    deltas = [getattr(chunk.choices[0].delta, "reasoning_content", None) for chunk in chunks]
    assert [delta for delta in deltas if delta] == ["I ", "think."]


def _chat_call(call_id: str) -> Any:
    return {"id": call_id, "type": "function", "function": {"name": "look", "arguments": '{"at": "x"}'}}


def _call(call_id: str) -> Any:
    return {"type": "function_call", "call_id": call_id, "name": "look", "arguments": '{"at": "x"}'}


def _schema_of(body: dict[str, Any]) -> tuple[Any, Any, Any]:
    wanted = body["text"]["format"] if "text" in body else body["response_format"]["json_schema"]
    return wanted["name"], wanted["strict"], list(wanted["schema"]["properties"])


def _calls_of(body: dict[str, Any]) -> list[tuple[str, str, str, str]]:
    """Calls and their outputs, in either dialect."""
    if "messages" in body:
        outputs = {m["tool_call_id"]: m["content"] for m in body["messages"] if m["role"] == "tool"}
        calls = [call for m in body["messages"] for call in m.get("tool_calls") or ()]
        return [(c["id"], c["function"]["name"], c["function"]["arguments"], outputs[c["id"]]) for c in calls]
    items = [item for item in body["input"] if "call_id" in item]
    outputs = {i["call_id"]: i["output"] for i in items if i["type"] == "function_call_output"}
    calls = [item for item in items if item["type"] == "function_call"]
    return [(c["call_id"], c["name"], c["arguments"], outputs[c["call_id"]]) for c in calls]
