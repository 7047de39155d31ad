"""Streams as they came off the wire: taken apart, every event validated against the SDK's own types, and
those of our own making held to the whole grammar (`tests/support/stream_grammar.py`).

An upstream's own stream, relayed, is its own affair: it may end without `[DONE]`, or say less than we do.
"""

import json
from functools import cache
from typing import Any

from openai.types.chat import ChatCompletionChunk
from openai.types.responses import Response, ResponseStreamEvent
from pydantic import TypeAdapter

from tests.support import stream_grammar

TERMINAL = ("response.completed", "response.incomplete", "response.failed")


def assert_ours(path: str, stream: bytes) -> None:
    """Checks a stream that the gateway generated with the whole grammar."""
    events = stream_grammar.parse_sse(stream)
    if path.endswith("/chat/completions"):
        for chunk in events:
            stream_grammar.validate_chunk(chunk)
        stream_grammar.assert_chat_stream(events)
        return
    for event in events:
        stream_grammar.validate_event(event)
    stream_grammar.assert_well_formed(events)


def events_of(stream: bytes) -> list[dict[str, Any]]:
    """The events of a whole Responses stream: numbered from 0, with one end. Checks `[DONE]`."""
    frames = stream.decode().split("\n\n")
    assert frames.pop() == "", "the stream ends with a whole frame"
    if frames[-1] == "data: [DONE]":
        frames.pop()
    events = []
    for frame in frames:
        if frame.startswith(":"):
            continue
        name, data = frame.split("\n")
        event = json.loads(data.removeprefix("data: "))
        assert name == f"event: {event['type']}"
        validated(ResponseStreamEvent, event)
        events.append(event)
    assert [event["sequence_number"] for event in events] == list(range(len(events)))
    assert events[0]["type"] == "response.created"
    ends = [event["type"] for event in events if event["type"] in TERMINAL]
    assert len(ends) == 1 and events[-1]["type"] == ends[0], f"one terminal event, and the last: {ends}"
    validated(Response, events[-1]["response"])
    return events


def chunks_of(stream: bytes) -> list[dict[str, Any]]:
    """The chunks of a whole Chat stream, including an error chunk; `[DONE]` ends it."""
    frames = stream.decode().split("\n\n")
    assert frames.pop() == ""
    assert frames.pop() == "data: [DONE]"
    chunks = [json.loads(frame.removeprefix("data: ")) for frame in frames if not frame.startswith(":")]
    for chunk in chunks:
        if "error" not in chunk:
            validated(ChatCompletionChunk, chunk)
    return chunks


def last_response(stream: bytes) -> dict[str, Any]:
    """The response in the terminal event of a Responses stream."""
    response: dict[str, Any] = events_of(stream)[-1]["response"]
    return response


def validated(shape: Any, value: Any) -> Any:
    """`value` as the SDK's type. Raises if it does not validate."""
    return _adapter(shape).validate_python(value)


@cache
def _adapter(shape: Any) -> TypeAdapter[Any]:
    return TypeAdapter(shape)
