"""ResponsesEncoder: frames whose bytes are the events."""

from typing import Any

import pytest

from chat2response.convert.dialects.responses.answer.stream_encoder import ResponsesEncoder
from chat2response.convert.echoed_fields import EchoedFields
from chat2response.convert.hub import HubRequest
from chat2response.convert.outcome import Outcome, failed
from chat2response.convert.usage import read
from chat2response.convert.writer.call_delta import CallDelta
from chat2response.convert.writer.response_writer import ResponseWriter
from chat2response.errors import UpstreamError
from tests.support.convert.event_dicts import as_dicts
from tests.support.stream_grammar import parse_sse
from tests.support.upstream_streams import DONE, Numbered, checked_events, now

TOKENS = [{"token": "a", "logprob": -0.1, "bytes": [97], "top_logprobs": []}]


def writer() -> ResponseWriter:
    echo = EchoedFields.of(HubRequest(body={"model": "m", "metadata": {"k": "wörld"}}, dialect="responses"))
    started = ResponseWriter(echo, Numbered(), now)
    started.begin()
    return started


def write_everything(writer: ResponseWriter) -> None:
    """Writes something of every kind."""
    writer.reasoning("hm")
    writer.reasoning("short", summary=True)
    writer.text('Hel "lo"\n\u2028€', TOKENS)
    writer.text("!")
    writer.annotation(
        {"type": "url_citation", "url": "https://a.example", "title": "", "start_index": 0, "end_index": 1}
    )
    writer.refusal("no")
    writer.call(CallDelta(0, call_id="c", name="f", namespace="n", delta='{"a":'))
    writer.call(CallDelta(0, delta="1}"))
    writer.item({"type": "compaction", "id": "cmp_1", "encrypted_content": "x"})
    writer.end_turn(read({"input_tokens": 1, "output_tokens": 2**70}), Outcome())


def test_the_bytes_say_what_the_events_say():
    response_writer = writer()
    write_everything(response_writer)
    response_writer.finish()
    events = response_writer.take()
    output = ResponsesEncoder().encode(events)
    assert checked_events(output) == as_dicts(events)


def test_every_frame_is_named_and_the_last_is_done():
    response_writer = writer()
    write_everything(response_writer)
    response_writer.finish()
    output = ResponsesEncoder().encode(response_writer.take())
    assert output.endswith(b"\n\n" + DONE)
    frames = output.removesuffix(DONE).removesuffix(b"\n\n").split(b"\n\n")
    assert all(frame.startswith(b"event: response.") and frame.count(b"\n") == 1 for frame in frames)


@pytest.mark.parametrize(
    "outcome", [Outcome(), Outcome("incomplete", "content_filter"), failed(UpstreamError("m"))]
)
def test_each_end_is_followed_by_done(outcome: Outcome):
    response_writer = writer()
    response_writer.end_turn(None, outcome)
    response_writer.finish()
    assert ResponsesEncoder().encode(response_writer.take()).endswith(DONE)


def test_batches_may_be_cut_anywhere():
    whole = writer()
    write_everything(whole)
    whole.finish()
    events = whole.take()
    together = ResponsesEncoder().encode(events)

    again = writer()
    write_everything(again)
    again.finish()
    encoder = ResponsesEncoder()
    assert b"".join(encoder.encode([event]) for event in again.take()) == together
    assert encoder.encode([]) == b""


def test_snapshots_of_one_resource_are_not_mixed_up():
    response_writer = writer()
    created: list[Any] = response_writer.take()
    encoder = ResponsesEncoder()
    first, second = (parse_sse(encoder.encode([event]) + DONE)[0] for event in created)
    assert first["response"] == second["response"] == created[0]["response"]
    write_everything(response_writer)
    response_writer.finish()
    last = parse_sse(encoder.encode(response_writer.take()))[-1]
    assert last["response"]["status"] == "completed"
    assert len(last["response"]["output"]) == 4
