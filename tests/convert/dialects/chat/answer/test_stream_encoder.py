"""ChatEncoder: the chunks of each event, and what an SDK sees that adds the chunks up."""

from typing import Any

import pytest

from chat2response.convert.dialects.chat.answer.stream_encoder import ChatEncoder
from chat2response.convert.echoed_fields import EchoedFields
from chat2response.convert.hub import HubRequest
from chat2response.convert.losses import Losses
from chat2response.convert.outcome import Outcome, failed
from chat2response.convert.usage import read
from chat2response.convert.writer.call_delta import CallDelta
from chat2response.convert.writer.response_writer import ResponseWriter
from chat2response.errors import BridgeError, UpstreamError
from tests.support.upstream_streams import Numbered, checked_chunks, deltas, joined_field, now

USED = read({"input_tokens": 1, "output_tokens": 2, "input_tokens_details": {"cached_tokens": 1}})


class Script(ResponseWriter):
    """A writer whose `chunks()` returns its events as checked chunks."""

    def __init__(self) -> None:
        super().__init__(EchoedFields.of(HubRequest(body={"model": "m"}, dialect="chat")), Numbered(), now)
        self.begin()

    def chunks(self, outcome: Outcome | None = None, **options: Any) -> list[dict[str, Any]]:
        self.end_turn(USED, outcome or Outcome())
        self.finish()
        return checked_chunks(ChatEncoder(**options).encode(self.take()))


def finish(chunks: list[dict[str, Any]]) -> str | None:
    return next(c["choices"][0]["finish_reason"] for c in reversed(chunks) if c.get("choices"))


def test_the_first_chunk_is_the_role_and_all_bear_the_same_head():
    writer = Script()
    writer.text("a")
    chunks = writer.chunks()
    assert chunks[0] == {
        "id": "chatcmpl-1",
        "object": "chat.completion.chunk",
        "created": int(now()),
        "model": "m",
        "choices": [
            {
                "index": 0,
                "delta": {"role": "assistant", "content": "", "refusal": None},
                "finish_reason": None,
                "logprobs": None,
            }
        ],
    }
    assert {(chunk["id"], chunk["created"], chunk["model"]) for chunk in chunks} == {
        ("chatcmpl-1", int(now()), "m")
    }


def test_one_delta_is_one_chunk():
    writer = Script()
    for word in ("Hel", "lo ", "“€\n"):
        writer.text(word)
    assert deltas(writer.chunks()) == [{"content": "Hel"}, {"content": "lo "}, {"content": "“€\n"}]


def test_calls_are_numbered_from_zero_whatever_stands_before_them():
    writer = Script()
    writer.reasoning("hm")
    writer.text("a")
    writer.call(CallDelta("x", call_id="call_x", name="f", delta='{"a":'))
    writer.call(CallDelta("x", delta="1}"))
    writer.call(CallDelta("y", call_id="call_y", name="g"))
    chunks = writer.chunks()
    assert [delta["tool_calls"] for delta in deltas(chunks) if "tool_calls" in delta] == [
        [{"index": 0, "id": "call_x", "type": "function", "function": {"name": "f", "arguments": ""}}],
        [{"index": 0, "function": {"arguments": '{"a":'}}],
        [{"index": 0, "function": {"arguments": "1}"}}],
        [{"index": 1, "id": "call_y", "type": "function", "function": {"name": "g", "arguments": ""}}],
        [{"index": 1, "function": {"arguments": "{}"}}],
    ]
    assert finish(chunks) == "tool_calls"


def test_interleaved_calls_keep_their_numbers():
    writer = Script()
    writer.call(CallDelta(0, call_id="a", name="f", delta="{"))
    writer.call(CallDelta(1, call_id="b", name="g", delta="{"))
    writer.call(CallDelta(0, delta="}"))
    writer.call(CallDelta(1, delta="}"))
    numbers = [call["index"] for delta in deltas(writer.chunks()) for call in delta["tool_calls"]]
    assert numbers == [0, 0, 1, 1, 0, 1]


@pytest.mark.parametrize("summary", [True, False])
def test_reasoning_is_one_field_and_a_blank_line_parts_its_runs(summary):
    writer = Script()
    writer.reasoning("one", summary=summary)
    writer.reasoning("!", summary=summary)
    writer.close_item(part=True)
    writer.reasoning("two", summary=summary)
    writer.text("a")
    writer.reasoning("three", summary=summary)
    chunks = writer.chunks()
    assert joined_field(chunks, "reasoning_content") == "one!\n\ntwo\n\nthree"
    assert joined_field(chunks, "content") == "a"


def test_the_reasoning_field_has_the_name_that_was_asked_for():
    writer = Script()
    writer.reasoning("hm")
    assert joined_field(writer.chunks(reasoning_field="reasoning"), "reasoning") == "hm"


def test_of_raw_reasoning_and_its_summary_one_is_shown():
    writer = Script()
    writer.reasoning("raw one")
    writer.reasoning("summary one", summary=True)
    writer.close_item(part=True)
    writer.reasoning("more summary", summary=True)
    writer.close_item()
    writer.reasoning("only a summary", summary=True)
    assert joined_field(writer.chunks(), "reasoning_content") == "raw one\n\nonly a summary"


def test_row_59_a_refusal_is_a_refusal_and_stops():
    writer = Script()
    writer.refusal("I can")
    writer.refusal("not.")
    chunks = writer.chunks()
    assert deltas(chunks) == [{"refusal": "I can"}, {"refusal": "not."}]
    assert finish(chunks) == "stop"


def test_row_42_citations_are_nested_and_their_places_count_over_all_text():
    writer = Script()
    flat = {
        "type": "url_citation",
        "url": "https://a.example",
        "title": "A",
        "start_index": 4,
        "end_index": 5,
    }
    writer.text("See a")
    writer.annotation(flat)
    writer.reasoning("hm")
    writer.text("See a")
    writer.annotation(flat)
    indices = [
        (each["url_citation"]["start_index"], each["url_citation"]["end_index"])
        for delta in deltas(writer.chunks())
        for each in delta.get("annotations", ())
    ]
    assert indices == [(4, 5), (9, 10)]


TOKENS = [{"token": "a", "logprob": -0.1, "bytes": [97], "top_logprobs": []}]


def test_row_55_logprobs_are_shown_to_who_asked_for_them():
    for requested in (True, False):
        writer = Script()
        writer.text("a", TOKENS)
        writer.text("b")
        chunks = writer.chunks(logprobs=requested, include_usage=True)
        shown = [
            c["choices"][0]["logprobs"]
            for c in chunks
            if c["choices"] and c["choices"][0]["delta"].get("content")
        ]
        assert shown == [{"content": TOKENS, "refusal": None} if requested else None, None]
        assert all("usage" in chunk for chunk in chunks)


def test_usage_is_one_more_chunk_for_who_asked_for_it():
    writer = Script()
    writer.text("a")
    chunks = writer.chunks(include_usage=True)
    assert [chunk["usage"] for chunk in chunks[:-1]] == [None] * (len(chunks) - 1)
    assert chunks[-1]["choices"] == []
    assert chunks[-1]["usage"]["prompt_tokens_details"]["cached_tokens"] == 1
    writer = Script()
    writer.text("a")
    assert all("usage" not in chunk for chunk in writer.chunks())


@pytest.mark.parametrize(
    ("outcome", "reason"),
    [
        (Outcome(), "stop"),
        (Outcome("incomplete", "max_output_tokens"), "length"),
        (Outcome("incomplete", "content_filter"), "content_filter"),
        (Outcome("incomplete", "steered"), "length"),
        (Outcome("incomplete"), "length"),
    ],
)
def test_the_end_is_a_finish_reason(outcome, reason):
    writer = Script()
    writer.text("a")
    assert finish(writer.chunks(outcome)) == reason


def test_the_service_tier_stands_at_the_end():
    writer = Script()
    writer.text("a")
    assert writer.chunks(Outcome(service_tier="flex"))[-1]["service_tier"] == "flex"


@pytest.mark.parametrize(
    ("error", "type_", "code"),
    [
        (UpstreamError("m"), "server_error", "server_error"),
        (UpstreamError("m", status=429), "rate_limit_error", "rate_limit_exceeded"),
        (
            UpstreamError("m", code="context_length_exceeded"),
            "invalid_request_error",
            "context_length_exceeded",
        ),
        (UpstreamError("m", code="insufficient_quota"), "insufficient_quota", "insufficient_quota"),
        (BridgeError("m", status=503), "server_error", "server_error"),
    ],
)
def test_a_failure_is_an_error_chunk_and_no_finish(error, type_, code):
    writer = Script()
    writer.text("a")
    chunks = writer.chunks(failed(error), include_usage=True)
    assert chunks[-1] == {"error": {"message": "m", "type": type_, "param": None, "code": code}}


def test_what_chat_cannot_say_is_a_loss():
    writer = Script()
    losses = Losses()
    writer.item({"type": "web_search_call", "id": "ws_1", "status": "completed"})
    writer.text("a")
    writer.annotation({"type": "file_citation", "file_id": "f", "filename": "n", "index": 0})
    writer.item({"type": "web_search_call", "id": "ws_2", "status": "completed"})
    assert joined_field(writer.chunks(losses=losses), "content") == "a"
    assert [loss.field for loss in losses] == ["output[web_search_call]", "output.annotations[file_citation]"]


def test_batches_may_be_cut_anywhere():
    def speak(batched: bool) -> bytes:
        writer, encoder, out = Script(), ChatEncoder(include_usage=True), b""
        for say in (
            lambda: writer.reasoning("one"),
            lambda: writer.text("a", TOKENS),
            lambda: writer.text("b"),
            lambda: writer.call(CallDelta(0, call_id="c", name="f", delta="{")),
            lambda: writer.call(CallDelta(0, delta="}")),
            lambda: writer.end_turn(USED, Outcome()),
            writer.finish,
        ):
            say()
            if batched:
                out += encoder.encode(writer.take())
        return out + encoder.encode(writer.take())

    assert speak(batched=True) == speak(batched=False)
    assert ChatEncoder().encode([]) == b""
