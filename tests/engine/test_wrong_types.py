"""An upstream may send any type: no field of an event, chunk, answer or error breaks the gateway.

The streams go through readers, writers, encoders and taps, with one field of one event wrong at a time. A bug
there would be a 500 or a broken stream.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from typing import Any

import pytest

from chat2response.convert.client_profiles import DEFAULT
from chat2response.convert.dialects.chat.answer.answer_decoder import ChatAnswerDecoder
from chat2response.convert.dialects.chat.answer.stream_reader import ChatReader
from chat2response.convert.dialects.chat.answer.tap import ChatTap
from chat2response.convert.dialects.chat.dialect import CHAT
from chat2response.convert.dialects.chat.tools.tool_map import ToolMap
from chat2response.convert.dialects.responses.answer.created_ids import owned_ids
from chat2response.convert.dialects.responses.answer.stream_reader import ResponsesReader
from chat2response.convert.dialects.responses.answer.tap import ResponsesTap
from chat2response.convert.dialects.responses.answer.whole_answer import read_response
from chat2response.convert.dialects.responses.request.strip_reasoning import strip_reasoning
from chat2response.convert.echoed_fields import EchoedFields
from chat2response.convert.event_feed import EventFeed
from chat2response.convert.hub import HubRequest
from chat2response.convert.losses import Losses
from chat2response.convert.quirks.quirks import OPENAI_COMPATIBLE
from chat2response.convert.reader import Reader
from chat2response.convert.writer.response_writer import ResponseWriter
from chat2response.engine.relay.leading_error import leading_error
from chat2response.engine.relay.usage_filter import without_usage
from chat2response.engine.relay.whole_reply import error_as_answer
from chat2response.errors import BridgeError, UpstreamError
from chat2response.quota.answer_usage import reported_usage
from chat2response.upstreams.base import Target
from chat2response.upstreams.catalog import Catalog, ModelDescription
from chat2response.upstreams.error_responses import refusal_error
from chat2response.wire.json import encode
from tests.support.clock_and_ids import Ids
from tests.support.convert.whole_answers import COMPLETION, ERRORS, RESPONSE
from tests.support.engine.scene import DIALECTS
from tests.support.upstream_streams import CHAT_STREAMS, RESPONSES_STREAMS, now
from tests.support.wrong_types import mutations

GONE = UpstreamError("gone")
TARGET = Target(CHAT, "http://inner.example/v1", "sk-operator-0123456789")
HUB = HubRequest(
    {
        "model": "m",
        "include": ["message.output_text.logprobs", "reasoning.encrypted_content"],
        "stream_options": {"include_obfuscation": True},
        "tools": [
            {"type": "custom", "name": "g"},
            {"type": "function", "name": "f", "parameters": {}},
            {"type": "local_shell"},
        ],
    },
    "responses",
)


def frames_of(events: Sequence[Any]) -> list[bytes]:
    return [b"data: %b\n\n" % json.dumps(event).encode() for event in events]


def with_one_wrong(events: Sequence[Mapping[str, Any]], seed: int) -> list[list[bytes]]:
    """The stream with one field of one event wrong, in two ways for every field."""
    frames = frames_of(events)
    return [
        [*frames[:at], *frames_of([wrong]), *frames[at + 1 :]]
        for at, event in enumerate(events)
        for wrong in mutations(event, each=2, seed=seed + at)
    ]


def convert(read: Callable[[ResponseWriter], Any], spoken: str) -> None:
    """Converts what `read` writes into the client's dialect."""
    writer = ResponseWriter(EchoedFields.of(HUB), Ids(), now, Losses().for_answer())
    writer.begin()
    encoder = DIALECTS[spoken].encoder(HUB, DEFAULT, writer.losses)
    reader = read(writer)
    reader.close()
    writer.finish()
    assert encoder.encode(writer.take())


def fed(frames: Sequence[bytes], tap: Any) -> Any:
    for frame in frames:
        tap.feed(frame)
    return tap


def fed_events(frames: Sequence[bytes], reader: Reader) -> Reader:
    fed(frames, EventFeed(reader))
    return reader


@pytest.mark.parametrize("name", RESPONSES_STREAMS)
def test_any_field_of_a_responses_event_may_be_wrong(name: str) -> None:
    for frames in with_one_wrong(RESPONSES_STREAMS[name], len(name)):
        for spoken in ("chat", "responses"):
            convert(lambda writer, frames=frames: fed_events(frames, ResponsesReader(writer)), spoken)  # type: ignore[misc]
        tap = fed(frames, ResponsesTap(stored=True))
        tap.close(GONE)
        assert tap.ended


@pytest.mark.parametrize("name", CHAT_STREAMS)
def test_any_field_of_a_chat_chunk_may_be_wrong(name: str) -> None:
    for frames in with_one_wrong(CHAT_STREAMS[name], len(name)):
        for spoken in ("chat", "responses"):
            convert(lambda writer, frames=frames: fed_events(frames, ChatReader(writer)), spoken)  # type: ignore[misc]
        tap = fed([without_usage(frame) for frame in frames], ChatTap(stored=True, choices=2))
        tap.close(GONE)
        assert tap.ended


@pytest.mark.parametrize("kind", [["response.completed"], {"a": 1}, 7, True, None])
@pytest.mark.parametrize(
    "more", [{"response": {"id": "resp_1"}}, {"item": {"id": "x"}}, {"error": {"message": "x"}}]
)
def test_an_event_whose_type_is_no_string_is_passed_by(kind: Any, more: dict[str, Any]) -> None:
    noted = {"type": kind, "note": {"type": "response.completed"}, **more}  # matches the tap's search
    tap = ResponsesTap(stored=True)
    assert list(tap.feed(b"data: %b\n\n" % encode(noted))) == []
    assert not tap.ended


def test_any_field_of_a_whole_completion_may_be_wrong() -> None:
    how = ChatAnswerDecoder.from_hub(HUB, ToolMap.of(HUB, OPENAI_COMPATIBLE), "content")
    for wrong in mutations(COMPLETION):
        losses = Losses().for_answer()
        with suppress(BridgeError):
            response = how.response(wrong, EchoedFields.of(HUB), Ids(), now, losses)
            for spoken in ("chat", "responses"):
                assert DIALECTS[spoken].write_response(response, "m", DEFAULT, losses)
        _look_at(wrong)
    for wrong in mutations(COMPLETION, each=2):
        convert(lambda writer, wrong=wrong: with_value(wrong, how.reader(writer)), "responses")  # type: ignore[misc]


def test_any_field_of_a_whole_response_may_be_wrong() -> None:
    for wrong in mutations(RESPONSE):
        losses = Losses().for_answer()
        with suppress(BridgeError):
            response = read_response(wrong)
            for spoken in ("chat", "responses"):
                assert DIALECTS[spoken].write_response(response, "m", DEFAULT, losses)
        _look_at(wrong)
    for wrong in mutations(RESPONSE, each=2):
        for spoken in ("chat", "responses"):
            convert(lambda writer, wrong=wrong: with_value(wrong, ResponsesReader(writer)), spoken)  # type: ignore[misc]


def with_value(answer: Any, reader: Reader) -> Reader:
    reader.value(answer)
    return reader


def _look_at(answer: Any) -> None:
    body = encode(answer)
    reported_usage(body)
    error_as_answer(body)
    if type(answer) is dict:
        assert all(type(each) is str for each in owned_ids(answer))


def test_any_field_of_a_refusal_may_be_wrong() -> None:
    body_with_seal = b'{"input":[{"type":"reasoning","encrypted_content":"x"},{"\xff":1}]}'
    for error in ERRORS:
        for wrong in mutations(error):
            body = encode(wrong)
            for status in (301, 400, 401, 422, 500):
                refused = refusal_error(body, status, [], TARGET)
                assert 400 <= refused.status <= 599
                assert all(type(each) is str for each in (refused.message, refused.type))
                assert all(each is None or type(each) is str for each in (refused.code, refused.param))
            strip_reasoning(body_with_seal, body, Losses())
            error_as_answer(body)
            leading_error(body)


def test_any_field_of_a_list_of_models_may_be_wrong() -> None:
    catalog = Catalog({"m": ModelDescription(), "x*": ModelDescription(), "y": ModelDescription()})
    for wrong in mutations([{"id": "m", "object": "model"}, {"id": "xy"}]):
        entries = [each for each in wrong if type(each) is dict] if type(wrong) is list else []
        assert catalog.model_list(entries)["data"]
