"""The demo upstream: what its models answer, streamed and whole, and how a stream ends."""

import asyncio
import json
from typing import Any

import pytest

from chat2response.convert.dialects.chat.request.request import read_request as read_chat
from chat2response.convert.dialects.responses.answer.stream_encoder import ResponsesEncoder
from chat2response.convert.dialects.responses.request.request import read_request as read_responses
from chat2response.convert.echoed_fields import EchoedFields
from chat2response.convert.hub import HubRequest
from chat2response.convert.losses import Losses
from chat2response.convert.reasoning_form import ReasoningForm
from chat2response.convert.writer.response_writer import ResponseWriter
from chat2response.errors import BridgeError, InvalidRequest, NotFound, UpstreamError
from chat2response.upstreams.base import ClientContext, Target
from chat2response.upstreams.demo.script import MODELS
from chat2response.upstreams.demo.upstream import DemoTurn, DemoUpstream
from chat2response.wire.fault import DRAINING, REVOKED
from tests.support.clock_and_ids import Clock, Ids
from tests.support.stream_grammar import assert_well_formed, parse_sse, validate_event, validate_response

TARGET, ORIGIN = Target("demo"), ClientContext()
WEATHER = {
    "type": "function",
    "name": "get_weather",
    "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
}
CLOCK = {"type": "function", "name": "get_time", "parameters": {"type": "object"}}
ANSWERED = [
    {"role": "user", "content": "What does get_weather say?"},
    {"type": "function_call", "call_id": "call_1", "name": "get_weather", "arguments": "{}"},
    {"type": "function_call_output", "call_id": "call_1", "output": "12 degrees"},
]


def ask(model: str = "demo", user_input: Any = "Say hello.", **more: Any) -> HubRequest:
    return read_responses({"model": model, "input": user_input, **more})


def chat(user_input: Any = "Say hello.", **more: Any) -> HubRequest:
    return read_chat({"model": "demo", "messages": [{"role": "user", "content": user_input}], **more})


class Stream:
    """A turn of the demo, with its writer."""

    def __init__(self, hub: HubRequest, form: ReasoningForm = "content", delay: float = 0.0) -> None:
        self.writer = ResponseWriter(EchoedFields.of(hub), Ids(), Clock())
        self.turn: DemoTurn = DemoUpstream(delay=delay).open(hub, TARGET, self.writer, ORIGIN, form)
        self.writer.begin()

    def ended(self) -> tuple[list[dict[str, Any]], dict[str, Any]]:
        """The validated events, and the response, both as sent."""
        self.writer.finish()
        events = parse_sse(ResponsesEncoder().encode(self.writer.take()))
        for event in events:
            validate_event(event)
        return events, assert_well_formed(events)


async def played(
    hub: HubRequest, form: ReasoningForm = "content"
) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    stream = Stream(hub, form)
    async with stream.turn as turn:
        async for _ in turn.reads():
            pass
    return stream.ended()


async def answered(hub: HubRequest, form: ReasoningForm = "content") -> dict[str, Any]:
    return (await played(hub, form))[1]


async def whole(hub: HubRequest, form: ReasoningForm = "content") -> dict[str, Any]:
    reply = await DemoUpstream().once(hub, TARGET, ORIGIN)
    return json.loads(json.dumps(reply.read(EchoedFields.of(hub), Ids(), Clock(), form, Losses())))


def text_of(response: dict[str, Any]) -> str:
    """The text of the only message."""
    (message,) = (item for item in response["output"] if item["type"] == "message")
    return "".join(part["text"] for part in message["content"])


def calls_of(response: dict[str, Any]) -> list[tuple[str, Any]]:
    return [
        (item["name"], json.loads(item["arguments"]))
        for item in response["output"]
        if item["type"] == "function_call"
    ]


# -- what it says --------------------------------------------------------------------------------------


async def test_it_quotes_the_user_word_by_word():
    events, response = await played(ask())
    assert '"Say hello."' in text_of(response)
    deltas = [event["delta"] for event in events if event["type"] == "response.output_text.delta"]
    assert deltas[:4] == ["You ", "said: ", '"Say ', 'hello." ']
    assert len(deltas) == len(text_of(response).split())
    assert response["status"] == "completed"


async def test_it_quotes_the_newest_user_message():
    items = [
        {"role": "user", "content": "first"},
        {"role": "assistant", "content": "x"},
        {"role": "user", "content": "second"},
    ]
    response = await answered(ask(user_input=items))
    assert '"second"' in text_of(response)
    assert "first" not in text_of(response)


async def test_parts_without_text_are_named():
    parts = [{"type": "input_text", "text": "Look:"}, {"type": "input_image", "image_url": "data:,x"}]
    response = await answered(ask(user_input=[{"type": "message", "role": "user", "content": parts}]))
    assert '"Look: [input_image]"' in text_of(response)


async def test_a_novel_is_not_repeated_whole():
    response = await answered(ask(user_input="word " * 100_000))
    assert len(text_of(response)) < 3000
    assert response["usage"]["input_tokens"] == 100_000


async def test_the_same_request_has_the_same_answer():
    assert (await played(ask("demo-reasoner")))[0] == (await played(ask("demo-reasoner")))[0]


async def test_words_are_counted():
    response = await answered(ask("demo-reasoner", "two words", instructions="Be brief please"))
    usage = response["usage"]
    thought, user_input = response["output"]
    thoughts = len(thought["content"][0]["text"].split())
    assert usage["input_tokens"] == 5
    assert usage["output_tokens_details"]["reasoning_tokens"] == thoughts
    assert usage["output_tokens"] == thoughts + len(user_input["content"][0]["text"].split())
    assert usage["total_tokens"] == usage["input_tokens"] + usage["output_tokens"]


@pytest.mark.parametrize("limit", [1, 6, 18])
async def test_the_limit_cuts(limit):
    events, response = await played(ask("demo-reasoner", max_output_tokens=limit))
    assert response["status"] == "incomplete"
    assert response["incomplete_details"] == {"reason": "max_output_tokens"}
    assert response["usage"]["output_tokens"] == limit
    assert sum(event["type"].endswith(".delta") for event in events) == limit


async def test_a_limit_that_is_not_reached_changes_nothing():
    assert (await answered(ask(max_output_tokens=1000)))["status"] == "completed"


@pytest.mark.parametrize(("form", "holder"), [("content", "content"), ("summary", "summary")])
async def test_reasoning_comes_first_and_in_the_form_asked_for(form, holder):
    response = await answered(ask("demo-reasoner"), form)
    reasoning, message = response["output"]
    assert reasoning["type"] == "reasoning"
    assert "2 words" in reasoning[holder][0]["text"]
    assert message["type"] == "message"


async def test_hidden_reasoning_is_counted_but_not_shown():
    response = await answered(ask("demo-reasoner"), "hide")
    assert [item["type"] for item in response["output"]] == ["message"]
    assert response["usage"]["output_tokens_details"]["reasoning_tokens"] > 0


async def test_logprobs_of_every_word():
    hub = ask(include=["message.output_text.logprobs"], top_logprobs=1)
    part = (await answered(hub))["output"][0]["content"][0]
    assert "".join(token["token"] for token in part["logprobs"]) == part["text"]
    first = part["logprobs"][0]
    assert first["bytes"] == list(b"You ")
    assert [each["token"] for each in first["top_logprobs"]] == ["You "]


async def test_a_stop_string_ends_the_answer():
    response = await answered(chat("Say hello.", stop=["hello", "never"]))
    assert text_of(response) == 'You said: "Say '
    assert response["status"] == "completed"


# -- functions -----------------------------------------------------------------------------------------


async def test_it_calls_the_function_that_the_user_names():
    response = await answered(ask(user_input="Use get_weather now", tools=[CLOCK, WEATHER]))
    assert calls_of(response) == [("get_weather", {"city": "demo"})]


async def test_functions_that_nobody_names_are_left_alone():
    response = await answered(ask(user_input="Use get_weathers or my-get_weather", tools=[WEATHER]))
    assert calls_of(response) == []


async def test_several_named_functions_are_called_in_the_order_of_their_names():
    user_input = "get_time, then get_weather"
    assert [
        name for name, _ in calls_of(await answered(ask(user_input=user_input, tools=[WEATHER, CLOCK])))
    ] == [
        "get_time",
        "get_weather",
    ]
    alone = await answered(ask(user_input=user_input, tools=[WEATHER, CLOCK], parallel_tool_calls=False))
    assert [name for name, _ in calls_of(alone)] == ["get_time"]


@pytest.mark.parametrize(
    ("choice", "called"),
    [
        ("required", ["get_weather"]),
        ({"type": "function", "name": "get_time"}, ["get_time"]),
        (
            {
                "type": "allowed_tools",
                "mode": "required",
                "tools": [{"type": "function", "name": "get_time"}],
            },
            ["get_time"],
        ),
        ({"type": "allowed_tools", "mode": "auto", "tools": [{"type": "function", "name": "get_time"}]}, []),
        ("auto", []),
        ("none", []),
    ],
)
async def test_the_choice_decides(choice, called):
    response = await answered(ask(tools=[WEATHER, CLOCK], tool_choice=choice))
    assert [name for name, _ in calls_of(response)] == called


async def test_demo_tools_calls_the_first_function_unasked():
    assert calls_of(await answered(ask("demo-tools", tools=[WEATHER, CLOCK])))[0][0] == "get_weather"
    assert calls_of(await answered(ask("demo-tools", tools=[WEATHER], tool_choice="none"))) == []


@pytest.mark.parametrize("tools", [[WEATHER, CLOCK], [WEATHER]])
async def test_demo_tools_makes_two_calls_where_the_user_says_parallel(tools):
    response = await answered(ask("demo-tools", "In parallel!", tools=tools))
    assert len(calls_of(response)) == 2
    alone = await answered(ask("demo-tools", "In parallel!", tools=tools, parallel_tool_calls=False))
    assert len(calls_of(alone)) == 1


@pytest.mark.parametrize("model", ["demo", "demo-tools", "demo-reasoner"])
async def test_an_output_is_told_and_nothing_called_again(model):
    response = await answered(ask(model, ANSWERED, tools=[WEATHER]))
    assert calls_of(response) == []
    assert '"12 degrees"' in text_of(response)


async def test_all_outputs_of_a_batch_are_told():
    second = {"type": "function_call_output", "call_id": "call_2", "output": "noon"}
    response = await answered(ask(user_input=[*ANSWERED, second]))
    assert '"12 degrees" and "noon"' in text_of(response)


async def test_a_function_may_be_called_again_after_the_user_spoke_again():
    response = await answered(
        ask(user_input=[*ANSWERED, {"role": "user", "content": "get_weather"}], tools=[WEATHER])
    )
    assert len(calls_of(response)) == 1


async def test_a_tool_of_another_kind_is_a_loss():
    losses = Stream(ask(tools=[WEATHER, {"type": "web_search"}])).turn.losses
    assert [(loss.field, loss.effect) for loss in losses] == [("tools[1]", "dropped: web_search")]


EVERY_KIND = [
    {"type": "custom", "name": "run"},
    {
        "type": "namespace",
        "name": "agents",
        "description": "",
        "tools": [{"type": "function", "name": "wait"}],
    },
    {"type": "apply_patch"},
]


@pytest.mark.parametrize(
    ("named", "kind"),
    [("run", "custom_tool_call"), ("agents__wait", "function_call"), ("apply_patch", "apply_patch_call")],
)
async def test_tools_of_every_kind_can_be_called(named: str, kind: str):
    hub = ask(user_input=f"Call {named}.", tools=EVERY_KIND)
    (call,) = (await answered(hub))["output"]
    assert call["type"] == kind
    assert (call.get("namespace"), call.get("name")) == {
        "run": (None, "run"), "agents__wait": ("agents", "wait"), "apply_patch": (None, None),
    }[named]  # fmt: skip
    whole = (await DemoUpstream().once(hub, TARGET, ORIGIN)).read(
        EchoedFields.of(hub), Ids(), Clock(), "content", Losses()
    )
    assert whole["output"] == [call]


async def test_what_a_custom_tool_answered_is_told():
    user_input = [
        {"role": "user", "content": "run"},
        {"type": "custom_tool_call", "call_id": "1", "name": "run", "input": "x"},
        {"type": "custom_tool_call_output", "call_id": "1", "output": [{"type": "input_text", "text": "ok"}]},
    ]
    assert '"ok"' in text_of(await answered(ask(user_input=user_input, tools=EVERY_KIND)))


# -- structured output -----------------------------------------------------------------------------------


async def test_a_schema_is_filled():
    schema = {
        "type": "object",
        "properties": {"n": {"type": "integer", "minimum": 3}, "tags": {"type": "array", "minItems": 2}},
        "required": ["n", "tags"],
    }
    wanted = {"format": {"type": "json_schema", "name": "x", "schema": schema}}
    events, response = await played(ask(text=wanted))
    assert json.loads(text_of(response)) == {"n": 3, "tags": ["demo", "demo"]}
    assert sum(event["type"] == "response.output_text.delta" for event in events) > 1


async def test_json_mode_has_the_answer_in_an_object():
    response = await answered(ask(user_input='a "quote"', text={"format": {"type": "json_object"}}))
    assert 'a "quote"' in json.loads(text_of(response))["answer"]


@pytest.mark.parametrize(
    ("hub", "param"),
    [
        (
            ask(text={"format": {"type": "json_schema", "name": "x", "schema": {"$ref": "#/none"}}}),
            "text.format.schema",
        ),
        (
            chat(
                response_format={
                    "type": "json_schema",
                    "json_schema": {"name": "x", "schema": {"$ref": "#/none"}},
                }
            ),
            "response_format.json_schema.schema",
        ),
        (
            ask("demo-tools", tools=[{**WEATHER, "parameters": {"$ref": "#"}}]),
            "tools[0].parameters",
        ),
    ],
)
async def test_an_impossible_schema_is_refused_by_the_clients_name(hub, param):
    with pytest.raises(InvalidRequest) as refused:
        await whole(hub)
    assert refused.value.param == param


# -- refusals --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("hub", "param"),
    [
        (ask(previous_response_id="resp_1"), "previous_response_id"),
        (ask(conversation="conv_1"), "conversation"),
        (ask(background=True), "background"),
        (ask(user_input=[{"type": "item_reference", "id": "msg_1"}]), "input[0]"),
        (ask(user_input=[]), "input"),
        (ask(max_output_tokens=0), "max_output_tokens"),
        (ask(tool_choice="maybe", tools=[WEATHER]), "tool_choice"),
        (ask(tool_choice={"type": "function", "name": "x"}), "tool_choice"),
        (ask(tool_choice={"type": "function", "name": "x"}, tools=[WEATHER]), "tool_choice"),
        (ask(text={"format": {"type": "xml"}}), "text.format.type"),
        (chat(n=2), "n"),
        (chat(logit_bias={"1": 1}), "logit_bias"),
        (chat(modalities=["text", "audio"]), "modalities"),
        (chat(max_tokens=0), "max_tokens"),
        (read_responses({"input": "x"}), "model"),
        (read_responses({"model": "demo"}), "input"),
    ],
)
async def test_what_it_cannot_do_is_refused_by_the_clients_name(hub, param):
    with pytest.raises(InvalidRequest) as refused:
        await whole(hub)
    assert refused.value.param == param
    with pytest.raises(InvalidRequest):
        Stream(hub)


async def test_what_changes_nothing_is_taken():
    hub = chat(n=1, seed=7, temperature=0, modalities=["text"], logit_bias={}, stop=None)
    assert '"Say hello."' in text_of(await answered(hub))


async def test_an_unknown_model_is_named_beside_those_there_are():
    with pytest.raises(NotFound) as refused:
        await whole(ask("gpt-9"))
    assert refused.value.code == "model_not_found"
    assert all(model in refused.value.message for model in (*MODELS, "gpt-9"))


async def test_demo_error_refuses_before_the_first_byte():
    for refusing in (lambda: whole(ask("demo-error")), lambda: answered(ask("demo-error"))):
        with pytest.raises(UpstreamError) as refused:
            await refusing()
        assert refused.value.status == 429
        assert refused.value.code == "rate_limit_exceeded"
        assert refused.value.headers["retry-after"] == "1"


async def test_demo_broken_fails_after_some_words():
    events, response = await played(ask("demo-broken"))
    assert response["status"] == "failed"
    assert response["error"]["code"] == "server_error"
    assert text_of(response) == 'You said: "Say hello." '
    assert events[-1]["type"] == "response.failed"
    with pytest.raises(UpstreamError) as refused:
        await whole(ask("demo-broken"))
    assert refused.value.status == 502


def test_bytes_are_nothing_for_it():
    demo = DemoUpstream()
    for misuse in (
        lambda: demo.body(ask(), TARGET, Losses()),
        lambda: demo.relay(b"{}", TARGET, ORIGIN),
        lambda: demo.open(b"{}", TARGET, Stream(ask()).writer, ORIGIN, "content"),
    ):
        with pytest.raises(BridgeError) as error:
            misuse()
        assert error.value.status == 500
        assert error.value.internal is not None


async def test_models_are_listed_as_openai_lists_them():
    listed = json.loads(await DemoUpstream().models(TARGET, ORIGIN))
    assert listed["object"] == "list"
    assert [model["id"] for model in listed["data"]] == list(MODELS)
    assert all(model.keys() == {"id", "object", "created", "owned_by"} for model in listed["data"])


# -- whole and streamed, paced and stopped ---------------------------------------------------------------


@pytest.mark.parametrize("form", ["content", "summary", "hide"])
@pytest.mark.parametrize(
    "hub",
    [
        ask(),
        ask("demo-reasoner"),
        ask("demo-tools", "parallel", tools=[WEATHER]),
        ask("demo-reasoner", max_output_tokens=20),
        ask(user_input=ANSWERED),
        chat(logprobs=True, stop="hello"),
    ],
)
async def test_the_whole_answer_is_the_fold_of_the_stream(hub, form):
    response = await whole(hub, form)
    validate_response(response)
    assert response == await answered(hub, form)


async def test_words_come_one_by_one_and_the_first_at_once():
    stream = Stream(ask(), delay=3600.0)
    reads = stream.turn.reads()
    assert not stream.turn.started
    async with asyncio.timeout(5):
        await anext(reads)
    assert stream.turn.started
    waiting = asyncio.ensure_future(anext(reads))
    await asyncio.wait({waiting}, timeout=0.02)
    assert not waiting.done()
    waiting.cancel()


@pytest.mark.parametrize(("fault", "code"), [(DRAINING, "server_error"), (REVOKED, "server_error")])
async def test_stop_wakes_a_pause_and_the_turn_fails_with_the_fault(fault, code):
    stream = Stream(ask(), delay=3600.0)
    reads = stream.turn.reads()
    await anext(reads)
    waiting = asyncio.ensure_future(anext(reads))
    await asyncio.wait({waiting}, timeout=0.01)
    stream.turn.stop(fault)
    async with asyncio.timeout(5):
        with pytest.raises(StopAsyncIteration):
            await waiting
    _, response = stream.ended()
    assert response["error"] == {"code": code, "message": fault.message}
    assert response["usage"]["output_tokens"] == 1


async def test_stop_between_reads_ends_the_turn_too():
    stream = Stream(ask())
    async for _ in stream.turn.reads():
        stream.turn.stop(DRAINING)
    _, response = stream.ended()
    assert response["status"] == "failed"
    assert text_of(response) == "You "


async def test_what_was_said_to_its_end_stays_said():
    stream = Stream(ask(max_output_tokens=1))
    reads = stream.turn.reads()
    await anext(reads)
    stream.turn.stop(DRAINING)
    with pytest.raises(StopAsyncIteration):
        await anext(reads)
    assert stream.ended()[1]["status"] == "incomplete"


async def test_a_writer_that_wants_no_more_ends_the_turn():
    stream = Stream(ask())
    async for _ in stream.turn.reads():
        stream.writer.done = True
    _, response = stream.ended()
    assert response["status"] == "completed"
    assert text_of(response) == "You "
