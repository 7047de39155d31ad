"""The SDK's advanced calls: parsed output, stream helpers, a tool loop, summaries."""

from typing import Any

from pydantic import BaseModel

from tests.e2e.conftest import Start
from tests.support.e2e.client_calls import CLIENT_MODEL
from tests.support.e2e.scripted_model import CHAT, PATHS, RESPONSES, Call, ModelReply, speaking
from tests.support.scripted_upstream import ScriptedUpstream

REPLY = ModelReply(text=("Done.",))
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


class Pair(BaseModel):
    b: int
    a: str


async def test_structured_output_parses_on_every_upstream(start: Start, upstream: ScriptedUpstream) -> None:
    reply = ModelReply(text=('{"b": 1, ', '"a": "x"}'))
    for dialect in ("chat", "responses"):
        upstream.play_for(PATHS[dialect], speaking(dialect, reply))
        client = (await start(dialect)).sdk()

        messages: Any = [{"role": "user", "content": "Hi"}]
        completion = await client.chat.completions.parse(
            model=CLIENT_MODEL, messages=messages, response_format=Pair
        )
        response = await client.responses.parse(model=CLIENT_MODEL, input="Hi", text_format=Pair)
        async with client.responses.stream(model=CLIENT_MODEL, input="Hi", text_format=Pair) as stream:
            streamed = await stream.get_final_response()
        async with client.chat.completions.stream(
            model=CLIENT_MODEL, messages=messages, response_format=Pair
        ) as chat_stream:
            chat_streamed = await chat_stream.get_final_completion()

        assert completion.choices[0].message.parsed == Pair(b=1, a="x")
        assert response.output_parsed == Pair(b=1, a="x")
        assert streamed.output_parsed == Pair(b=1, a="x")
        assert chat_streamed.choices[0].message.parsed == Pair(b=1, a="x")
        for request in upstream.requests[-4:]:
            assert _schema_of(request.json()) == ("Pair", True, ["b", "a"])


async def test_row_14_a_schema_crosses_both_ways_in_its_order(
    start: Start, upstream: ScriptedUpstream
) -> None:
    flat = {"type": "json_schema", "name": "pair", "description": "Two.", "schema": SCHEMA, "strict": True}
    nested = {"type": "json_schema", "json_schema": {k: v for k, v in flat.items() if k != "type"}}

    upstream.play_for(RESPONSES, speaking("responses", REPLY))
    client = (await start("responses")).sdk()
    messages: Any = [{"role": "user", "content": "Hi"}]
    await client.chat.completions.create(model=CLIENT_MODEL, messages=messages, response_format=nested)
    assert upstream.last.json()["text"] == {"format": flat}
    assert list(upstream.last.json()["text"]["format"]["schema"]["properties"]) == ["b", "a"]

    upstream.play_for(CHAT, speaking("chat", REPLY))
    client = (await start("chat")).sdk()
    response = await client.responses.create(model=CLIENT_MODEL, input="Hi", text={"format": flat})
    assert upstream.last.json()["response_format"] == nested
    assert response.text is not None and response.text.to_dict() == {"format": flat}


async def test_a_tool_loop_goes_round_on_every_upstream(start: Start, upstream: ScriptedUpstream) -> None:
    """The SDK calls, runs the tool, and calls again with the result."""
    for dialect in ("chat", "responses"):
        upstream.play_for(
            PATHS[dialect], speaking(dialect, ModelReply(calls=(Call("look", ('{"at":"x"}',)),)))
        )
        client = (await start(dialect)).sdk()

        messages: Any = [{"role": "user", "content": "Look."}]
        tools: Any = [{"type": "function", "function": LOOK}]
        first = await client.chat.completions.create(model=CLIENT_MODEL, messages=messages, tools=tools)
        message = first.choices[0].message
        assert message.tool_calls is not None
        messages += [message, {"role": "tool", "tool_call_id": message.tool_calls[0].id, "content": "a cat"}]
        await client.chat.completions.create(model=CLIENT_MODEL, messages=messages, tools=tools)

        flat: Any = [{"type": "function", **LOOK, "strict": False}]
        body: Any = [{"role": "user", "content": "Look."}]
        response = await client.responses.create(model=CLIENT_MODEL, input=body, tools=flat, store=False)
        (call,) = response.output
        assert call.type == "function_call"
        body += [call, {"type": "function_call_output", "call_id": call.call_id, "output": "a cat"}]
        await client.responses.create(model=CLIENT_MODEL, input=body, tools=flat, store=False)

        for request in (upstream.requests[-3], upstream.requests[-1]):
            assert _calls_of(request.json()) == [("call_a", "look", '{"at":"x"}', "a cat")]


async def test_reasoning_is_a_summary_whether_or_not_one_was_asked_for(
    start: Start, upstream: ScriptedUpstream
) -> None:
    upstream.play_for(CHAT, speaking("chat", ModelReply(reasoning=("I ", "think."), text=("So.",))))
    client = (await start("chat")).sdk()

    body = await client.responses.create(model=CLIENT_MODEL, input="Hi", reasoning={"summary": "auto"})
    unasked = await client.responses.create(model=CLIENT_MODEL, input="Hi")
    async with client.responses.stream(model=CLIENT_MODEL, input="Hi") as stream:
        streamed = await stream.get_final_response()

    for result in (body, unasked, streamed):
        item = result.output[0]
        assert item.type == "reasoning" and not item.content
        assert [part.text for part in item.summary] == ["I think."]


async def test_reasoning_is_content_where_the_operator_says_so(
    start: Start, upstream: ScriptedUpstream
) -> None:
    upstream.play_for(CHAT, speaking("chat", ModelReply(reasoning=("I ", "think."), text=("So.",))))
    client = (await start("chat", chat2response_reasoning="content")).sdk()

    raw = await client.responses.create(model=CLIENT_MODEL, input="Hi", reasoning={"summary": "auto"})

    item = raw.output[0]
    assert item.type == "reasoning" and not item.summary
    assert item.content is not None and [part.text for part in item.content] == ["I think."]


async def test_a_summary_of_a_responses_upstream_reaches_a_chat_client(
    start: Start, upstream: ScriptedUpstream
) -> None:
    reply = ModelReply(reasoning=("I ", "think."), text=("So.",), summarised=True)
    upstream.play_for(RESPONSES, speaking("responses", reply))
    chat = (await start("responses")).sdk().chat.completions
    messages: Any = [{"role": "user", "content": "Hi"}]

    result = await chat.create(model=CLIENT_MODEL, messages=messages)
    chunks = [chunk async for chunk in await chat.create(model=CLIENT_MODEL, messages=messages, stream=True)]

    assert result.choices[0].message.reasoning_content == "I think."
    deltas = [getattr(chunk.choices[0].delta, "reasoning_content", None) for chunk in chunks]
    assert [delta for delta in deltas if delta] == ["I ", "think."]


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
