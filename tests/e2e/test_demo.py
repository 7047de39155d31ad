"""The demo upstream behind the whole gateway, through the official SDK."""

from typing import Any

import openai
import pytest

from chat2response.upstreams.demo.upstream import DemoUpstream
from tests.e2e.conftest import Start
from tests.support.e2e.dialect_pairs import failure_of, json_or_stream
from tests.support.e2e.gateway import Running
from tests.support.e2e.scripted_model import CHAT, RESPONSES
from tests.support.scripted_upstream import ScriptedUpstream

MESSAGES: Any = [{"role": "user", "content": "Hello there"}]
TOOLS = [{"name": "look", "parameters": {"type": "object", "properties": {"at": {"type": "string"}}}}]


@pytest.fixture
async def demo(start: Start) -> Running:
    gateway = await start("demo", managed=False)  # there is no operator's key, and it is managed all the same
    gateway.services.engine.upstreams["demo"] = DemoUpstream(delay=0)
    return gateway


@pytest.fixture
def client(demo: Running) -> Any:
    token = demo.http.headers["authorization"].removeprefix("Bearer ")
    return demo.sdk(token)


async def test_it_needs_one_of_our_keys(demo: Running, client: Any) -> None:
    with pytest.raises(openai.AuthenticationError):
        await demo.sdk("sk-something-else").models.list()
    assert "demo" in [model.id for model in (await client.models.list()).data]


async def test_it_answers_both_apis_alike(client: Any, upstream: ScriptedUpstream) -> None:
    completion = await client.chat.completions.create(model="demo", messages=MESSAGES)
    response = await client.responses.create(model="demo", input="Hello there")
    async with client.responses.stream(model="demo", input="Hello there") as stream:
        streamed = await stream.get_final_response()
    async with client.chat.completions.stream(model="demo", messages=MESSAGES) as chat:
        chat_streamed = await chat.get_final_completion()

    text = completion.choices[0].message.content
    assert "Hello there" in text
    assert text == response.output_text == streamed.output_text == chat_streamed.choices[0].message.content
    assert response.usage.output_tokens == completion.usage.completion_tokens > 5
    assert upstream.requests == []


async def test_it_streams_words(client: Any) -> None:
    events = [e async for e in await client.responses.create(model="demo", input="Hello there", stream=True)]
    words = [event.delta for event in events if event.type == "response.output_text.delta"]
    assert len(words) > 5 and all(len(word.split()) == 1 for word in words)


async def test_it_thinks_and_calls(client: Any) -> None:
    tools: Any = [{"type": "function", "strict": False, **tool} for tool in TOOLS]
    async with client.responses.stream(model="demo-reasoner", input="Please look", tools=tools) as stream:
        response = await stream.get_final_response()
    nested: Any = [{"type": "function", "function": tool} for tool in TOOLS]
    completion = await client.chat.completions.create(
        model="demo-reasoner", messages=[{"role": "user", "content": "Please look"}], tools=nested
    )

    assert [item.type for item in response.output] == ["reasoning", "function_call"]
    (call,) = completion.choices[0].message.tool_calls
    assert (call.function.name, completion.choices[0].finish_reason) == ("look", "tool_calls")
    assert completion.choices[0].message.reasoning_content


@json_or_stream
async def test_it_fails_on_request(client: Any, streamed: bool) -> None:
    for create in (
        client.chat.completions.create(model="demo-error", messages=MESSAGES, stream=streamed),
        client.responses.create(model="demo-error", input="x", stream=streamed),
    ):
        with pytest.raises(openai.RateLimitError) as raised:
            await create
        assert raised.value.response.headers["retry-after"] == "1"
    with pytest.raises(openai.NotFoundError):
        await client.responses.create(model="gpt-x", input="x", stream=streamed)


async def test_it_breaks_off_on_request(demo: Running, client: Any) -> None:
    chat = await demo.post(CHAT, {"model": "demo-broken", "messages": MESSAGES, "stream": True})
    responses = await demo.post(RESPONSES, {"model": "demo-broken", "input": "x", "stream": True})
    assert (
        failure_of("chat", chat.content)["message"] == failure_of("responses", responses.content)["message"]
    )
