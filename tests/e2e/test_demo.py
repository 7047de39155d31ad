"""The demo upstream behind the whole gateway, through the official SDK, on every surface."""

import json
from typing import Any

import openai
import pytest

import chat2response
from chat2response.upstreams.demo.transport import DemoTransport
from chat2response.wire.fault import DRAINING
from tests.e2e.conftest import Start
from tests.support.e2e.client_calls import Surface
from tests.support.e2e.demo_calls import DemoAnswer, ask, body_for, chat_body, of_chunks, of_completion
from tests.support.e2e.dialect_pairs import PATH, Reading, error_of, failure_of, json_or_stream, text_of
from tests.support.e2e.gateway import Running
from tests.support.e2e.scripted_model import CHAT, RESPONSES
from tests.support.scripted_upstream import ScriptedUpstream

LOSSES = "x-chat2response-losses"
LOOK = {
    "type": "function",
    "function": {
        "name": "look",
        "parameters": {"type": "object", "properties": {"at": {"type": "string"}}, "required": ["at"]},
    },
}
WAIT = {"type": "function", "function": {"name": "wait", "parameters": {"type": "object"}}}
RUN = {"type": "custom", "custom": {"name": "run"}}
SCHEMA = {"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"]}
BEGIN = 'You said: "Hello there" I am the demo model, and repeating that word by word is'  # 16 words
on_every_surface = pytest.mark.parametrize("surface", PATH)


@pytest.fixture
async def demo(start: Start) -> Running:
    gateway = await start("demo", managed=False)  # there is no operator's key, and it is managed all the same
    _set_delay(gateway, 0.0)
    return gateway


def _set_delay(gateway: Running, seconds: float) -> None:
    transport = gateway.services.transport
    assert isinstance(transport, DemoTransport)
    transport.delay = seconds


@pytest.fixture
def client(demo: Running) -> Any:
    token = demo.http.headers["authorization"].removeprefix("Bearer ")
    return demo.sdk(token)


# -- what it says, on every surface --------------------------------------------------------------------


@on_every_surface
@json_or_stream
@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (
            chat_body(),
            DemoAnswer(f"{BEGIN} all I do."),
        ),
        (chat_body(max_tokens=16), DemoAnswer(f"{BEGIN} ", ended="cut")),
        (
            chat_body(
                response_format={"type": "json_schema", "json_schema": {"name": "x", "schema": SCHEMA}}
            ),
            DemoAnswer('{"n":0}'),
        ),
        (
            chat_body("Please look", "demo-reasoner", tools=[LOOK]),
            DemoAnswer(
                reasoning="The user wrote 2 words, so it is time to call a function.",
                calls=(("look", '{"at":"demo"}'),),
            ),
        ),
        (
            chat_body("In parallel", "demo-tools", tools=[LOOK, WAIT]),
            DemoAnswer(calls=(("look", '{"at":"demo"}'), ("wait", "{}"))),
        ),
        (
            chat_body(tools=[LOOK, WAIT], tool_choice={"type": "function", "function": {"name": "wait"}}),
            DemoAnswer(calls=(("wait", "{}"),)),
        ),
        (chat_body("run", tools=[LOOK, RUN]), DemoAnswer(calls=(("run", "demo"),))),
    ],
    ids=["text", "limit", "schema", "reasoning", "parallel", "choice", "custom"],
)
async def test_every_surface_gets_the_same_answer(
    demo: Running,
    upstream: ScriptedUpstream,
    surface: Surface,
    streamed: bool,
    body: dict[str, Any],
    expected: DemoAnswer,
) -> None:
    assert await ask(demo, surface, body, streamed=streamed) == expected
    assert upstream.requests == []


async def test_both_apis_count_alike(client: Any) -> None:
    completion = await client.chat.completions.create(**chat_body(model="demo-reasoner"))
    response = await client.responses.create(model="demo-reasoner", input="Hello there")
    chat, responses = completion.usage, response.usage
    assert chat.prompt_tokens == responses.input_tokens == 2
    assert chat.completion_tokens == responses.output_tokens > 5
    thoughts = chat.completion_tokens_details.reasoning_tokens
    assert thoughts == responses.output_tokens_details.reasoning_tokens > 5


async def test_it_streams_words(client: Any) -> None:
    events = [e async for e in await client.responses.create(model="demo", input="Hello there", stream=True)]
    words = [event.delta for event in events if event.type == "response.output_text.delta"]
    assert len(words) > 5 and all(len(word.split()) == 1 for word in words)


async def test_a_conversation_goes_on_after_a_call(client: Any) -> None:
    tools = chat2response.to_responses_request(chat_body(tools=[LOOK]))["tools"]
    items: list[Any] = [{"role": "user", "content": "Please look"}]
    include: Any = ["reasoning.encrypted_content"]
    first = await client.responses.create(
        model="demo-reasoner", input=items, tools=tools, include=include, store=False
    )
    items += [item.to_dict() for item in first.output]
    items.append({"type": "function_call_output", "call_id": first.output[-1].call_id, "output": "a tree"})
    second = await client.responses.create(
        model="demo-reasoner", input=items, tools=tools, include=include, store=False
    )
    assert [item.type for item in second.output] == ["reasoning", "message"]
    assert '"a tree"' in second.output_text


@json_or_stream
async def test_a_namespaced_and_a_client_run_tool_can_be_called(client: Any, streamed: bool) -> None:
    tools: Any = [
        {
            "type": "namespace",
            "name": "agents",
            "description": "",
            "tools": [{"type": "function", "name": "wait"}],
        },
        {"type": "apply_patch"},
    ]
    answer = await client.responses.create(
        model="demo", input="agents__wait, then apply_patch", tools=tools, stream=streamed
    )
    response = [event async for event in answer][-1].response if streamed else answer
    assert [item.type for item in response.output] == ["function_call", "apply_patch_call"]
    assert (response.output[0].namespace, response.output[0].name) == ("agents", "wait")


# -- only on the Chat surface --------------------------------------------------------------------------


@json_or_stream
async def test_it_answers_with_several_choices(demo: Running, client: Any, streamed: bool) -> None:
    answer = await client.chat.completions.create(**chat_body(n=2), stream=streamed)
    if streamed:
        chunks = [chunk.to_dict() async for chunk in answer]
        choices = [of_chunks(chunks, index) for index in (0, 1)]
    else:
        choices = [of_completion(answer.to_dict(), index) for index in (0, 1)]
    assert choices[0] == choices[1] == await ask(demo, "responses", chat_body(), streamed=streamed)
    rejected = await demo.post("/proxy", chat_body(n=2, stream=streamed))
    assert (rejected.status_code, error_of(rejected)["param"]) == (400, "n")


@json_or_stream
@pytest.mark.parametrize("surface", ["chat", "proxy"])
async def test_a_stop_string_ends_its_answer(demo: Running, surface: Surface, streamed: bool) -> None:
    answer = await ask(demo, surface, chat_body(stop="there"), streamed=streamed)
    assert answer == DemoAnswer('You said: "Hello ')


@json_or_stream
async def test_deprecated_functions_are_called(client: Any, streamed: bool) -> None:
    body = chat_body("look", functions=[LOOK["function"]])
    answer = await client.chat.completions.create(**body, stream=streamed)
    if streamed:
        deltas = [chunk.choices[0].delta.function_call async for chunk in answer]
        calls = [call for call in deltas if call]
        name, arguments = calls[0].name, "".join(call.arguments for call in calls)
    else:
        call = answer.choices[0].message.function_call
        name, arguments = call.name, call.arguments
    assert (name, json.loads(arguments)) == ("look", {"at": "demo"})


async def test_the_usage_of_a_stream_is_that_of_the_whole_answer(client: Any) -> None:
    options: Any = {"include_usage": True}
    stream = await client.chat.completions.create(**chat_body(), stream=True, stream_options=options)
    *before, last = [chunk async for chunk in stream]
    assert all(chunk.usage is None for chunk in before)
    assert last.usage == (await client.chat.completions.create(**chat_body())).usage


# -- who may call it, and how it is named --------------------------------------------------------------


async def test_it_needs_one_of_our_keys(demo: Running, client: Any) -> None:
    with pytest.raises(openai.AuthenticationError):
        await demo.sdk("sk-something-else").models.list()
    assert "demo" in [model.id for model in (await client.models.list()).data]


async def test_it_has_its_own_name_in_scopes_and_metrics(demo: Running) -> None:
    allowed, other = await demo.issue(scopes=["upstream:demo"]), await demo.issue(scopes=["upstream:chat"])
    for surface in PATH:
        path, body = PATH[surface], body_for(surface, chat_body())
        passed = await demo.post(path, body, headers={"authorization": f"Bearer {allowed}"})
        assert passed.status_code == 200
        denied = await demo.post(path, body, headers={"authorization": f"Bearer {other}"})
        assert (denied.status_code, error_of(denied)["code"]) == (403, "insufficient_scope")
    assert {upstream for _, upstream, _ in demo.services.metrics.calls} == {"demo"}


async def test_a_hosted_tool_is_dropped_with_a_loss_where_the_call_is_converted(demo: Running) -> None:
    answer = await demo.post(RESPONSES, {"model": "demo", "input": "x", "tools": [{"type": "web_search"}]})
    assert (answer.status_code, answer.headers[LOSSES]) == (200, "tools[0]; dropped: web_search")
    relayed = await demo.post(CHAT, chat_body(web_search_options={}))
    assert relayed.status_code == 200
    assert LOSSES not in relayed.headers


# -- failures ------------------------------------------------------------------------------------------


@on_every_surface
@json_or_stream
async def test_it_fails_on_request(demo: Running, client: Any, surface: Surface, streamed: bool) -> None:
    def sent(model: str) -> dict[str, Any]:
        return {**body_for(surface, chat_body(model=model)), "stream": streamed}

    limited = await demo.post(PATH[surface], sent("demo-error"))
    assert (limited.status_code, limited.headers["retry-after"]) == (429, "1")
    assert error_of(limited)["code"] == "rate_limit_exceeded"
    unknown = await demo.post(PATH[surface], sent("gpt-x"))
    assert (unknown.status_code, error_of(unknown)["code"]) == (404, "model_not_found")
    assert error_of(unknown)["message"].startswith("The model 'gpt-x' does not exist. The demo upstream has")


@json_or_stream
async def test_the_sdk_raises_its_own_errors(client: Any, streamed: bool) -> None:
    for create in (
        client.chat.completions.create(**chat_body(model="demo-error"), stream=streamed),
        client.responses.create(model="demo-error", input="x", stream=streamed),
    ):
        with pytest.raises(openai.RateLimitError) as raised:
            await create
        assert raised.value.response.headers["retry-after"] == "1"
    with pytest.raises(openai.NotFoundError):
        await client.responses.create(model="gpt-x", input="x", stream=streamed)


@on_every_surface
async def test_it_breaks_off_on_request(demo: Running, surface: Surface) -> None:
    body = body_for(surface, chat_body(model="demo-broken"))
    stream = await demo.post(PATH[surface], {**body, "stream": True})
    dialect: Surface = "chat" if surface == "chat" else "responses"
    assert failure_of(dialect, stream.content)["message"] == "The demo-broken model always fails."
    assert b"there" in stream.content
    whole = await demo.post(PATH[surface], body)
    assert (whole.status_code, error_of(whole)["message"]) == (500, "The demo-broken model always fails.")


@json_or_stream
async def test_what_it_cannot_do_is_rejected_by_the_clients_name(demo: Running, streamed: bool) -> None:
    audio = await demo.post(CHAT, chat_body(modalities=["text", "audio"], stream=streamed))
    assert (audio.status_code, error_of(audio)["param"]) == (400, "modalities")
    stored = await demo.post(
        RESPONSES, {"model": "demo", "input": "x", "previous_response_id": "resp_1", "stream": streamed}
    )
    assert (stored.status_code, error_of(stored)["param"]) == (400, "previous_response_id")


@on_every_surface
async def test_a_shutdown_ends_its_stream_between_two_words(demo: Running, surface: Surface) -> None:
    _set_delay(demo, 3600.0)
    body = {**body_for(surface, chat_body()), "stream": True}
    async with demo.http.stream("POST", PATH[surface], json=body) as response:
        reading = Reading(response)
        await reading.until(b"You ")
        demo.runs.stop_all(DRAINING)
        out = await reading.rest()
    dialect: Surface = "chat" if surface == "chat" else "responses"
    assert failure_of(dialect, out)["message"] == DRAINING.message
    assert text_of(dialect, out) == "You "
