"""`ReasoningSealer`: each reasoning item carries its own sealed text, in streams and whole answers."""

import json
from base64 import b64decode, b64encode
from typing import Any

import pytest

from chat2response.convert.dialects.chat.answer.answer_decoder import ChatAnswerDecoder
from chat2response.convert.dialects.responses.answer.stream_encoder import ResponsesEncoder
from chat2response.convert.echoed_fields import EchoedFields
from chat2response.convert.event_feed import EventFeed
from chat2response.convert.hub import HubRequest
from chat2response.convert.quirks.profiles import PROFILES
from chat2response.convert.reasoning.sealed_reasoning import SealedReasoning, open_reasoning, seal_reasoning
from chat2response.convert.writer.response_writer import ResponseWriter
from tests.support.clock_and_ids import Clock, Ids
from tests.support.upstream_streams import (
    CHAT_STREAMS,
    call,
    chat,
    checked_events,
    chunk,
    response_of,
    sse,
    text,
    thoughts,
)

HUB = HubRequest(body={"model": "m", "input": "hi"}, dialect="responses")


class Plain:
    """A seal without encryption, so that tests can read it."""

    def seal(self, plain: bytes) -> str:
        return "plain." + b64encode(plain).decode()

    def open(self, sealed: str) -> bytes | None:
        return b64decode(sealed[6:]) if sealed.startswith("plain.") else None


def streamed(chunks: list[dict[str, Any]], form: Any = "content", quirks: Any = None) -> Any:
    """The events of a stream with sealed reasoning."""
    writer = ResponseWriter(EchoedFields.of(HUB), Ids(), Clock())
    reader = EventFeed(ChatAnswerDecoder(form, quirks or PROFILES["generic"], Plain()).reader(writer))
    writer.begin()
    reader.feed(sse(chunks))
    reader.close()
    writer.finish()
    return checked_events(ResponsesEncoder().encode(writer.take()))


def sealed(response: Any) -> list[Any]:
    """The sealed content of each reasoning item."""
    return [
        json.loads(b64decode(item["encrypted_content"][6:]))
        for item in response["output"]
        if item["type"] == "reasoning"
    ]


def test_each_item_carries_its_own_text():
    chunks = chat(*thoughts("a", "b"), *text("x"), *thoughts("c"), *text("y"))
    response = response_of(streamed(chunks))
    assert sealed(response) == [{"text": "ab"}, {"text": "c", "more": True}]
    assert [item["type"] for item in response["output"]] == ["reasoning", "message"] * 2


def test_it_is_there_when_the_item_is_done_and_not_before():
    events = streamed(chat(*thoughts("a"), *text("x")))
    items = {
        event["type"]: event["item"] for event in events if event.get("output_index") == 0 and "item" in event
    }
    assert "encrypted_content" not in items["response.output_item.added"]
    assert items["response.output_item.done"]["encrypted_content"].startswith("plain.")


@pytest.mark.parametrize("form", ["content", "summary", "hide"])
def test_every_form_carries_it(form: str):
    response = response_of(streamed(chat(*thoughts("a"), *text("x")), form))
    assert sealed(response) == [{"text": "a"}]
    shown = [*response["output"][0]["summary"], *response["output"][0].get("content", ())]
    assert [part["text"] for part in shown] == ([] if form == "hide" else ["a"])


def test_an_answer_that_was_cut_short_is_sealed_and_one_that_failed_is_not():
    assert sealed(response_of(streamed(chat(*thoughts("a"), finish="length")))) == [{"text": "a"}]
    broken = [*chat(*thoughts("a"), finish=None), {"error": {"message": "Broken."}}]
    response = response_of(streamed(broken))
    assert (response["status"], "encrypted_content" in response["output"][0]) == ("failed", False)


@pytest.mark.parametrize("name", [name for name in CHAT_STREAMS if name != "error"])
def test_without_reasoning_nothing_changes(name: str):
    chunks = CHAT_STREAMS[name]
    response = response_of(streamed(chunks))
    if any("reasoning_content" in (each["choices"] or [{}])[0].get("delta", {}) for each in chunks):
        response["output"][0].pop("encrypted_content")
    writer = ResponseWriter(EchoedFields.of(HUB), Ids(), Clock())
    reader = EventFeed(ChatAnswerDecoder(quirks=PROFILES["generic"]).reader(writer))
    reader.feed(sse(chunks))
    reader.close()
    writer.finish()
    assert response == writer.response


def test_a_signature_stands_before_its_call():
    signed = {"google": {"thought_signature": "s"}}
    entry = {
        "index": 0,
        "id": "call_a",
        "extra_content": signed,
        "function": {"name": "f", "arguments": "{}"},
    }
    response = response_of(
        streamed(chat(*text("I ask."), chunk({"tool_calls": [entry]}), finish="tool_calls"))
    )
    assert [item["type"] for item in response["output"]] == ["message", "reasoning", "function_call"]
    assert sealed(response) == [{"carried": {"calls": {"call_a": signed}}}]


def test_what_came_late_goes_on_with_what_was_sealed():
    first = {"type": "reasoning.text", "index": 0, "text": "a"}
    last = {"type": "reasoning.text", "index": 0, "signature": "s"}
    chunks = chat(
        chunk({"reasoning": "a", "reasoning_details": [first]}),
        *text("x"),
        chunk({"reasoning_details": [last]}),
    )
    contents = sealed(response_of(streamed(chunks)))
    assert contents == [
        {"text": "a", "carried": {"details": [first]}},
        {"carried": {"details": [last]}, "more": True},
    ]


def test_a_call_in_pieces_is_not_split_by_what_comes_late():
    late = chunk({"reasoning_content": ""}, extra="x")
    response = response_of(streamed(chat(*call('{"a":', "1}"), late, finish="tool_calls")))
    assert [item["type"] for item in response["output"]] == ["function_call"]


def test_an_envelope_of_another_shape_does_not_open():
    seal = Plain()
    for plain in (b"", b"[]", b'{"words": "x"}', b"null"):
        assert open_reasoning(seal.seal(plain), seal) is None
    thought = SealedReasoning("a", {"calls": {"b": 1}}, more=True)
    assert open_reasoning(seal_reasoning(thought, seal), seal) == thought
    assert open_reasoning(seal_reasoning(SealedReasoning(), seal), seal) == SealedReasoning()
    assert open_reasoning("plain.", None) is None
    assert open_reasoning(7, seal) is None
