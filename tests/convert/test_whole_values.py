"""A whole answer in place of a stream is read like the stream of one event that has the same value."""

import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from chat2response.convert.dialects.chat.answer.answer_decoder import ChatAnswerDecoder
from chat2response.convert.dialects.chat.answer.whole_answer import as_chunk
from chat2response.convert.dialects.chat.tools.tool_map import ToolMap
from chat2response.convert.dialects.responses.answer.stream_reader import ResponsesReader
from chat2response.convert.dialects.responses.answer.whole_answer import as_event
from chat2response.convert.echoed_fields import EchoedFields
from chat2response.convert.event_feed import EventFeed
from chat2response.convert.hub import HubRequest
from chat2response.convert.losses import Losses
from chat2response.convert.quirks.profiles import PROFILES
from chat2response.convert.reader import Reader
from chat2response.convert.writer.events import Delta
from chat2response.convert.writer.response_writer import ResponseWriter
from chat2response.errors import UpstreamError
from tests.support.convert.whole_answers import COMPLETION, ERRORS, RESPONSE
from tests.support.upstream_streams import CHAT_STREAMS, RESPONSES_STREAMS, Numbered, now
from tests.support.wrong_types import mutations

HUB = HubRequest(
    {
        "model": "m",
        "include": ["message.output_text.logprobs"],
        "tools": [{"type": "custom", "name": "g"}, {"type": "function", "name": "f", "parameters": {}}],
    },
    "responses",
)
THINKING = PROFILES["generic"]
Make = Callable[[ResponseWriter], Reader]
Read = Callable[[Reader], None]

NO_ANSWERS: list[Any] = [
    None, [], {}, 7, "x", {"choices": []}, {"choices": [None]}, {"choices": [{"error": {"message": "No."}}]},
    {"output": {}}, {"object": "response"}, {"object": "response", "status": "failed", "error": None},
    {"output": [], "status": "in_progress"}, {"choices": [{"message": {"content": "a"}}], "error": "odd"},
    {"choices": [{"message": {"content": "a"}}], "error": [7]}, *ERRORS,
]  # fmt: skip


def completions() -> Iterator[Any]:
    """Completions, with one wrong field, and what the streams of the samples have as messages."""
    yield COMPLETION
    yield from mutations(COMPLETION, each=3)
    for chunks in CHAT_STREAMS.values():
        for chunk in chunks:
            for choice in chunk.get("choices") or ():
                yield {"choices": [{**choice, "message": choice.get("delta"), "delta": None}]}
                yield {**chunk, "choices": [choice, {**choice, "index": 1}]}
    yield from NO_ANSWERS


def responses() -> Iterator[Any]:
    """Responses, with one wrong field, and those at the end of the samples."""
    yield RESPONSE
    yield from mutations(RESPONSE, each=3)
    for events in RESPONSES_STREAMS.values():
        for event in events:
            if "response" in event:
                yield event["response"]
    yield from NO_ANSWERS


def result(make: Make, read: Read) -> Any:
    """Everything that a client or the engine sees of a turn."""
    writer = ResponseWriter(EchoedFields.of(HUB), Numbered(), now, Losses().for_answer())
    writer.begin()
    reader = make(writer)
    read(reader)
    state = (reader.done, reader.started, reader.output_chars)
    reader.close()
    outcome = writer.outcome
    writer.finish()
    events = [event.as_dict() if isinstance(event, Delta) else event for event in writer.take()]
    losses = [(loss.field, loss.effect) for loss in writer.losses]
    error = None if outcome is None or outcome.error is None else repr(vars(outcome.error))
    return json.dumps(events), losses, state, error, writer.weight, outcome and outcome.status


def as_stream(as_event: Callable[[Any], Any], answer: Any) -> Read:
    """Reads the answer from the bytes of a stream."""

    def read(reader: Reader) -> None:
        try:
            event = as_event(answer)
        except UpstreamError as error:
            reader.fail(error)
        else:
            EventFeed(reader).feed(b"data: %b\n\n" % json.dumps(event).encode())

    return read


@pytest.mark.parametrize(
    "decoder",
    [
        ChatAnswerDecoder(),
        ChatAnswerDecoder("summary", THINKING, None, ToolMap.of(HUB, THINKING), False),
    ],
    ids=["plain", "wrapped"],
)
def test_a_completion_is_read_like_its_chunk(decoder: ChatAnswerDecoder) -> None:
    for answer in completions():
        whole = result(decoder.reader, lambda reader, answer=answer: reader.value(answer))  # type: ignore[misc]
        assert whole == result(decoder.reader, as_stream(as_chunk, answer)), answer


def test_a_response_is_read_like_its_terminal_event() -> None:
    for answer in responses():
        whole = result(ResponsesReader, lambda reader, answer=answer: reader.value(answer))  # type: ignore[misc]
        assert whole == result(ResponsesReader, as_stream(as_event, answer)), answer
