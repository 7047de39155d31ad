"""The reference block does all that a gateway must do: a cheaper reference would move every target."""

from __future__ import annotations

import json
from typing import Any

from openai.types.responses import Response, ResponseStreamEvent
from pydantic import TypeAdapter

from bench.block import Events, to_chat, to_response
from bench.bodies import http_request

REQUEST = json.loads(http_request("bridge", "json", True, "key").partition(b"\r\n\r\n")[2])
USAGE = {
    "prompt_tokens": 412,
    "completion_tokens": 2,
    "total_tokens": 414,
    "prompt_tokens_details": {"cached_tokens": 0},
    "completion_tokens_details": {"reasoning_tokens": 0},
}


def chunk(delta: dict[str, Any], usage: dict[str, Any] | None = None) -> dict[str, Any]:
    return {"choices": [] if usage else [{"index": 0, "delta": delta}], "usage": usage}


def test_its_request_is_the_conversation_in_chat_form():
    chat = to_chat(REQUEST)

    assert [message["role"] for message in chat["messages"]] == [
        "system", "user", "assistant", "user", "assistant", "user",
    ]  # fmt: skip
    assert chat["tools"][0]["function"]["name"] == "get_weather"
    assert chat["max_completion_tokens"] == REQUEST["max_output_tokens"]
    assert chat["stream_options"] == {"include_usage": True}


def test_its_answer_is_a_response():
    completion = {"choices": [{"message": {"content": "3 degrees"}}], "usage": USAGE}

    response = TypeAdapter(Response).validate_json(json.dumps(to_response(completion, REQUEST)), strict=True)

    assert response.output_text == "3 degrees"
    assert response.usage is not None
    assert response.usage.total_tokens == 414


def test_its_stream_is_a_stream_of_events():
    events = Events(REQUEST)
    events.begin()
    for delta in ({"role": "assistant", "content": ""}, {"content": "3 "}, {"content": "degrees"}, {}):
        events.chunk(chunk(delta))
    events.chunk(chunk({}, USAGE))
    events.end()

    frames = [frame.split(b"\ndata: ") for frame in events.take().split(b"\n\n")[:-1]]
    adapter: TypeAdapter[ResponseStreamEvent] = TypeAdapter(ResponseStreamEvent)
    parsed = [adapter.validate_json(data) for _, data in frames]

    assert [event.sequence_number for event in parsed] == list(range(len(parsed)))
    assert [event.type for event in parsed] == [name.removeprefix(b"event: ").decode() for name, _ in frames]
    assert [event.type.removeprefix("response.") for event in parsed] == [
        "created", "in_progress", "output_item.added", "content_part.added", "output_text.delta",
        "output_text.delta", "output_text.done", "content_part.done", "output_item.done", "completed",
    ]  # fmt: skip
