"""The compliance tests of Open Responses 2026-04-24, those over HTTP: their requests and their assertions,
before a Chat and a Responses upstream, for both client profiles. (Compaction, continuation: with state.)

The suite's checks: status 200; A: something in `output`; B: completed; C: events; D: every event valid.
"""

import base64
import json
from typing import Any

import pytest

from tests.e2e.conftest import Start
from tests.support.e2e.gateway import Running
from tests.support.e2e.scripted_model import PATHS, RESPONSES, STREAM, Call, ModelReply, frames, sse
from tests.support.open_responses import check_event, check_response
from tests.support.scripted_upstream import Received, Script, ScriptedUpstream

MODEL = "gpt-4o-mini"
PROFILES = ("default", "open-responses")
WEATHER = {
    "type": "function",
    "name": "get_weather",
    "description": "Get the current weather for a location",
    "parameters": {
        "type": "object",
        "properties": {"location": {"type": "string"}},
        "required": ["location"],
    },
}
PIXEL = "data:image/png;base64," + base64.b64encode(b"\x89PNG\r\n\x1a\n").decode()
LOGO = "https://www.google.com/images/branding/googlelogo/2x/googlelogo_color_272x92dp.png"


def user(text: Any) -> dict[str, Any]:
    return {"type": "message", "role": "user", "content": text}


BASIC: dict[str, list[Any]] = {
    "basic-response": [user("Say hello in exactly 3 words.")],
    "assistant-phase": [
        {"type": "message", "role": "assistant", "phase": "commentary", "content": "Let me think."},
        {"type": "message", "role": "assistant", "phase": "final_answer", "content": "It is 4."},
        user("And one more?"),
    ],
    "system-prompt": [
        {"type": "message", "role": "system", "content": "You are a pirate. Always answer as one."},
        user("Say hello."),
    ],
    "image-input": [
        user(
            [
                {"type": "input_text", "text": "What do you see?"},
                {"type": "input_image", "image_url": PIXEL},
            ]
        )
    ],
    "image-input, by address": [
        user([{"type": "input_text", "text": "What is it?"}, {"type": "input_image", "image_url": LOGO}])
    ],
    "file-input": [
        user(
            [
                {"type": "input_text", "text": "Summarise."},
                {
                    "type": "input_file",
                    "filename": "a.pdf",
                    "file_data": "data:application/pdf;base64,JVBERi0xLjQ=",
                },
            ]
        )
    ],
    "multi-turn": [
        user("My name is Alice."),
        {"type": "message", "role": "assistant", "content": "Hello Alice!"},
        user("What is my name?"),
    ],
}


class Complete(ModelReply):
    """A Responses upstream that conforms to Open Responses itself, because a relay changes nothing."""

    def resource(self, **changes: Any) -> dict[str, Any]:
        more = {
            "previous_response_id": None, "presence_penalty": 0, "frequency_penalty": 0, "top_logprobs": 0,
            "reasoning": None, "max_output_tokens": None, "max_tool_calls": None, "store": False,
            "background": False, "service_tier": "default", "safety_identifier": None,
            "prompt_cache_key": None,
        }  # fmt: skip
        return super().resource(**{**more, **changes})


def model(dialect: str, *, reasoning: bool = False) -> Any:
    """A backend that calls the tool of the request, and without one answers a greeting."""

    def answer(request: Received) -> Script:
        requested = request.json()
        thoughts = ("The user ", "greets.") if reasoning else ()
        reply = Complete(text=("Hello ", "there, friend."), reasoning=thoughts, summarised=True)
        if requested.get("tools"):
            reply = Complete(calls=(Call("get_weather", ('{"location": ', '"San Francisco"}')),))
        if not requested.get("stream"):
            body = reply.completion() if dialect == "chat" else reply.resource()
            return Script(PATHS[dialect], (json.dumps(body).encode(),))
        events = reply.chunks() if dialect == "chat" else reply.events()
        return frames(dialect, *sse(*events))

    return answer


@pytest.fixture(params=[(dialect, profile) for dialect in PATHS for profile in PROFILES], ids="-".join)
async def served(
    request: pytest.FixtureRequest, start: Start, upstream: ScriptedUpstream
) -> tuple[Running, ScriptedUpstream, str, str]:
    """A gateway for an upstream dialect and a client profile."""
    dialect, profile = request.param
    upstream.play_for(PATHS[dialect], model(dialect))
    gateway = await start(dialect, chat2response_client_profile=profile)
    gateway.recorder.judged = False  # judged here, by another schema
    return gateway, upstream, dialect, profile


Served = tuple[Running, ScriptedUpstream, str, str]


async def answered(gateway: Running, body: dict[str, Any]) -> dict[str, Any]:
    """The suite's default checks on a JSON answer."""
    answer = await gateway.post(RESPONSES, {"model": MODEL, **body})
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"].startswith("application/json")
    result: dict[str, Any] = answer.json()
    check_response(result)
    assert result["output"], "A"
    assert result["status"] == "completed", "B"
    return result


async def streamed(gateway: Running, body: dict[str, Any]) -> list[dict[str, Any]]:
    """The events of a stream; checks their names, numbers and types, and the final [DONE]."""
    answer = await gateway.post(RESPONSES, {"model": MODEL, "stream": True, **body})
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"].startswith(STREAM)
    *blocks, done = answer.content.decode().removesuffix("\n\n").split("\n\n")
    assert done == "data: [DONE]"
    events = []
    for block in blocks:
        if block.startswith(":"):
            continue
        name, data = block.split("\n")
        event = json.loads(data.removeprefix("data: "))
        assert name == f"event: {event['type']}"
        assert not block.startswith("id:")
        events.append(event)
    assert events, "C"
    for event in events:
        check_event(event)
    numbers = [event["sequence_number"] for event in events]
    assert numbers == sorted(set(numbers))
    return events


@pytest.mark.parametrize("test", BASIC)
async def test_an_answer_to_each_kind_of_input(served: Served, test: str) -> None:
    """basic-response, assistant-phase, system-prompt, image-input, file-input, multi-turn."""
    await answered(served[0], {"input": BASIC[test]})


async def test_streaming_response(served: Served) -> None:
    events = await streamed(served[0], {"input": [user("Count from 1 to 5.")]})
    assert events[-1]["type"] == "response.completed"
    check_response(events[-1]["response"])
    assert events[-1]["response"]["status"] == "completed"


async def test_tool_calling(served: Served) -> None:
    body = {"input": [user("What is the weather in San Francisco?")], "tools": [WEATHER]}
    result = await answered(served[0], body)
    assert any(item["type"] == "function_call" for item in result["output"])


async def test_tool_calling_streaming(served: Served) -> None:
    body = {"input": [user("What is the weather in San Francisco?")], "tools": [WEATHER]}
    events = await streamed(served[0], body)
    kinds = [event["type"] for event in events]
    for end in ("delta", "done"):
        assert f"response.function_call_arguments.{end}" in kinds
    for end in ("added", "done"):
        of_items = [each for each in events if each["type"] == f"response.output_item.{end}"]
        assert any(each["item"]["type"] == "function_call" for each in of_items)


async def test_response_output_phase_schema() -> None:
    """The suite's own fixture, with both phases."""
    reply = Complete(text=("x",)).resource()
    (message,) = reply["output"]
    reply["output"] = [{**message, "phase": phase} for phase in ("commentary", "final_answer")]
    check_response(reply)
    with pytest.raises(AssertionError):
        check_response({**reply, "output": [{**message, "phase": None}]})


async def test_function_call_roundtrip_with_the_whole_history(served: Served) -> None:
    """The part of function-call-roundtrip that needs no stored response."""
    gateway = served[0]
    question = user("What is the weather in San Francisco?")
    choice = {"type": "function", "name": "get_weather"}
    first = await answered(gateway, {"input": [question], "tools": [WEATHER], "tool_choice": choice})
    (call,) = [item for item in first["output"] if item["type"] == "function_call"]
    assert call["call_id"]
    output = {"type": "function_call_output", "call_id": call["call_id"], "output": '{"temperature": 20}'}
    await answered(gateway, {"input": [question, call, output]})


# -- what the profiles differ in -----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("setting", "profile", "name"),
    [
        ("auto", "default", "reasoning_summary_text"),
        ("auto", "open-responses", "reasoning"),
        ("content", "default", "reasoning_text"),
        ("content", "open-responses", "reasoning"),
        ("summary", "open-responses", "reasoning_summary_text"),
    ],
)
async def test_reasoning_is_streamed_where_each_client_reads_it(
    start: Start, upstream: ScriptedUpstream, setting: str, profile: str, name: str
) -> None:
    upstream.play_for(PATHS["chat"], model("chat", reasoning=True))
    gateway = await start("chat", chat2response_reasoning=setting)
    gateway.recorder.judged = profile == "default"
    body = {"model": MODEL, "stream": True, "input": "Hi"}

    answer = await gateway.post(RESPONSES, body, headers={"x-chat2response-client-profile": profile})

    assert answer.content.count(f"event: response.{name}.delta".encode()) == 2
    if profile == "open-responses":
        gateway.http.headers["x-chat2response-client-profile"] = profile
        await streamed(gateway, {"input": "Hi"})


@pytest.mark.parametrize("dialect", PATHS)
async def test_row_15_a_stream_that_fails_has_an_error_event_and_then_its_end(
    start: Start, upstream: ScriptedUpstream, dialect: str
) -> None:
    reply = Complete(text=("Hello ", "there."))
    events = list(reply.chunks()) if dialect == "chat" else reply.events()
    upstream.play(frames(dialect, *sse(*events[:-4], done=False)).but(end="cut"))
    gateway = await start(dialect, chat2response_client_profile="open-responses")
    gateway.recorder.judged = False

    result = await streamed(gateway, {"input": "Hi", "store": False})

    error, end = result[-2:]
    assert (error["type"], end["type"]) == ("error", "response.failed")
    assert error["error"]["message"] == end["response"]["error"]["message"]
    assert error["error"]["code"] == end["response"]["error"]["code"] == "server_error"
    assert (error["code"], error["message"], error["param"]) == (
        "server_error",
        error["error"]["message"],
        None,
    )
    assert [each["type"] for each in result].count("error") == 1


async def test_what_only_that_schema_refuses_is_not_shown_to_it(
    start: Start, upstream: ScriptedUpstream
) -> None:
    """An unlisted effort, a tool that is not a function, instructions as items."""
    upstream.play_for(PATHS["chat"], model("chat"))
    gateway = await start("chat")
    gateway.recorder.judged = False
    body = {
        "model": MODEL,
        "input": "Hi",
        "reasoning": {"effort": "minimal"},
        "tools": [WEATHER, {"type": "custom", "name": "patch"}],
        "tool_choice": {"type": "custom", "name": "patch"},
    }

    plain = (await gateway.post(RESPONSES, body)).json()
    gateway.http.headers["x-chat2response-client-profile"] = "Open-Responses"
    suited = (await gateway.post(RESPONSES, body)).json()

    assert plain["reasoning"]["effort"] == "minimal" and len(plain["tools"]) == 2
    check_response(suited)
    assert suited["reasoning"]["effort"] is None
    assert [tool["name"] for tool in suited["tools"]] == ["get_weather"]
    assert suited["tool_choice"] == "auto"


async def test_a_profile_that_nobody_knows_is_400(start: Start, upstream: ScriptedUpstream) -> None:
    gateway = await start("chat")
    answer = await gateway.post(
        RESPONSES, {"model": MODEL, "input": "Hi"}, headers={"x-chat2response-client-profile": "codex2"}
    )
    assert answer.status_code == 400
    assert answer.json()["error"]["param"] == "x-chat2response-client-profile"
    assert "open-responses" in answer.json()["error"]["message"]
    assert upstream.requests == []
