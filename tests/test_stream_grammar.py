"""The checkers themselves: a good stream passes, and each way of breaking it is noticed."""

import copy
from typing import Any

import pytest
from pydantic import ValidationError

from tests.support.stream_grammar import (
    assert_chat_stream,
    assert_well_formed,
    parse_sse,
    validate_chunk,
    validate_completion,
    validate_event,
    validate_response,
)
from tests.support.upstream_streams import (
    CHAT_STREAMS,
    RESPONSES_STREAMS,
    named,
    response_of,
    sse,
    to_chunks,
    to_events,
)

TEXT = to_events(sse(CHAT_STREAMS["text"]))
CALLS = to_events(sse(CHAT_STREAMS["parallel calls"]))
FAILED = to_events(sse(CHAT_STREAMS["error"]))
CHUNKS = to_chunks(named(RESPONSES_STREAMS["parallel calls"]))


def renumbered(events: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [{**event, "sequence_number": number} for number, event in enumerate(events)]


def at(events: list[dict[str, Any]], kind: str) -> int:
    return next(number for number, event in enumerate(events) if event["type"] == f"response.{kind}")


def without(events: list[dict[str, Any]], kind: str) -> list[dict[str, Any]]:
    number = at(events, kind)
    return renumbered(events[:number] + events[number + 1 :])


def changed(events: list[dict[str, Any]], kind: str, **fields: Any) -> list[dict[str, Any]]:
    events = copy.deepcopy(events)
    for path, value in fields.items():
        *keys, last = path.split("__")
        target: Any = events[at(events, kind)]
        for key in keys:
            target = target[int(key) if key.isdigit() else key]
        target[last] = value
    return events


BROKEN = {
    "a gap in the numbers": [*TEXT[:3], *TEXT[4:]],
    "no created": without(TEXT, "created"),
    "no in_progress": without(TEXT, "in_progress"),
    "no terminal event": TEXT[:-1],
    "two terminal events": renumbered([*TEXT, TEXT[-1]]),
    "something after the end": renumbered([*TEXT, TEXT[1]]),
    "no item.added": without(TEXT, "output_item.added"),
    "no part.added": without(TEXT, "content_part.added"),
    "no text.done": without(TEXT, "output_text.done"),
    "no part.done": without(TEXT, "content_part.done"),
    "an item that never ends": without(TEXT, "output_item.done"),
    "a delta lost": without(TEXT, "output_text.delta"),
    "another id on a delta": changed(TEXT, "output_text.delta", item_id="msg_x"),
    "another id when done": changed(TEXT, "output_item.done", item__id="msg_x"),
    "another text when done": changed(TEXT, "output_text.done", text="x"),
    "another text in the response": changed(TEXT, "completed", response__output__0__content=[]),
    "no output": changed(TEXT, "completed", response__output=[]),
    "another status": changed(TEXT, "completed", response__status="incomplete"),
    "no time of completion": changed(TEXT, "completed", response__completed_at=None),
    "an item that is incomplete": changed(TEXT, "completed", response__output__0__status="incomplete"),
    "another model": changed(TEXT, "completed", response__model="x"),
    "an index used twice": changed(CALLS, "output_item.added", output_index=1),
    "no arguments.done": without(CALLS, "function_call_arguments.done"),
    "arguments without the name": changed(CALLS, "function_call_arguments.done", name="x"),
    "a failure that closes its item": renumbered(
        [*FAILED[:-1], TEXT[at(TEXT, "output_text.done")], FAILED[-1]]
    ),
    "a failure without its error": changed(FAILED, "failed", response__error=None),
    "a failure whose item is complete": changed(FAILED, "failed", response__output__0__status="completed"),
}


@pytest.mark.parametrize("stream", BROKEN)
def test_row_23_a_broken_stream_is_noticed(stream):
    with pytest.raises((AssertionError, LookupError)):
        assert_well_formed(BROKEN[stream])


@pytest.mark.parametrize("stream", [TEXT, CALLS, FAILED])
def test_a_good_one_gives_its_response(stream):
    assert assert_well_formed(stream) == response_of(stream)


@pytest.mark.parametrize(
    ("kind", "fields"),
    [
        ("output_text.delta", {"delta": 1}),
        ("output_text.delta", {"output_index": "0"}),
        ("output_text.delta", {"type": "response.output_text.news"}),
        ("output_item.done", {"item__role": "user"}),
        ("output_item.done", {"item__phase": None}),
        ("completed", {"response__usage": {"input_tokens": 1}}),
        ("completed", {"response__temperature": None}),
        ("completed", {"response__created_at": 1.5}),
        ("completed", {"response__output_text": "x"}),
    ],
)
def test_a_wrong_shape_is_noticed(kind, fields):
    events = changed(TEXT, kind, **fields)
    with pytest.raises((ValidationError, AssertionError)):
        for event in events:
            validate_event(event)


def test_row_24_a_resource_that_lacks_what_open_responses_requires_is_noticed():
    response = dict(response_of(TEXT))
    validate_response(response)
    del response["presence_penalty"]
    with pytest.raises(AssertionError):
        validate_response(response)


@pytest.mark.parametrize(
    "chunks",
    [
        CHUNKS[1:],
        [CHUNKS[0], *CHUNKS],
        CHUNKS[:-2] + CHUNKS[-1:],
        [*CHUNKS, CHUNKS[-1]],
        [*CHUNKS, {"error": {}}],
        [*CHUNKS[:-1], {**CHUNKS[-1], "id": "other"}],
        [chunk for chunk in CHUNKS if "call_1" not in str(chunk)],
    ],
)
def test_a_broken_chat_stream_is_noticed(chunks):
    assert_chat_stream(CHUNKS)
    with pytest.raises((AssertionError, LookupError)):
        assert_chat_stream(chunks)


def test_wrong_chunks_and_completions_are_noticed():
    with pytest.raises(ValidationError):
        validate_chunk({**CHUNKS[0], "created": "1"})
    with pytest.raises(AssertionError):
        validate_chunk({"error": {"message": "no type"}})
    with pytest.raises(ValidationError):
        validate_completion({"id": "x", "object": "chat.completion", "choices": []})


@pytest.mark.parametrize(
    "data",
    [
        b'data: {"type":"a"}\n\n',
        b'data: {"type":"a"}\n\ndata: [DONE]\n',
        b"data: [DONE]\n\ndata: [DONE]\n\n",
        b'event: b\ndata: {"type":"a"}\n\ndata: [DONE]\n\n',
        b"data: [DONE]\r\n\r\n",
    ],
)
def test_wrong_frames_are_noticed(data):
    with pytest.raises(AssertionError):
        parse_sse(data)
