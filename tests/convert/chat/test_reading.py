"""With every wrapper in play: one end to any stream, whatever its cuts, and whole answers as the fold."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chat2response.convert.chat.reading import Reading
from chat2response.convert.chat.toolmap import ToolMap
from chat2response.convert.echo import Echo
from chat2response.convert.hub import HubRequest
from chat2response.convert.quirks import Quirks
from chat2response.convert.responses.write import ResponsesEncoder
from chat2response.convert.writer import ResponseWriter
from chat2response.errors import UpstreamError
from tests.convert.test_sealer import Plain
from tests.convert.test_stream_properties import CHUNK, CUTS, FORMS, frames, messages, split
from tests.doubles import Clock, Ids
from tests.scripts import chat, checked_events, chunk, pieces, response_of, sse

HUB = HubRequest(body={"model": "m", "input": "hi"}, dialect="responses")
EVERY = Quirks(
    think_tags=(("<think>", "</think>"),),
    carried=frozenset({"reasoning_details", "thinking_blocks", "extra_content"}),
)
TOOLS = ToolMap.of(
    HubRequest(body={"tools": [{"type": "custom", "name": "f"}, {"type": "shell"}]}, dialect="responses"),
    EVERY,
)


def through(reading: Reading, reads: list[bytes]) -> Any:
    """The events of a stream, checked."""
    writer = ResponseWriter(Echo.of(HUB), Ids(), Clock())
    reader = reading.reader(writer)
    writer.begin()
    for data in reads:
        reader.feed(data)
    if not reader.done:
        reader.close()
    writer.finish()
    return checked_events(ResponsesEncoder().encode(writer.take()))


@settings(max_examples=200)
@given(frames(CHUNK), CUTS, FORMS)
def test_anything_anywhere_in_a_chunk_has_one_end(data: bytes, cuts: list[int], form: Any):
    reading = Reading(form, EVERY, Plain(), TOOLS)
    assert through(reading, pieces(data, cuts)) == through(reading, [data])


@given(st.data(), messages(), FORMS, st.sampled_from(["", "<think>a</think>", "<think>\nb\n</think>\n\n"]))
def test_a_whole_answer_is_the_fold_of_its_stream(
    data: st.DataObject, message: dict[str, Any], form: Any, thought: str
):
    message = {**message, "content": thought + (message["content"] or "") or None}
    if message.get("annotations"):
        del message["annotations"]  # their places are those of a text without thoughts
    calls = [{"index": number, **call} for number, call in enumerate(message.get("tool_calls", ()))]
    deltas: list[dict[str, Any]] = [
        {"reasoning_content": piece} for piece in data.draw(split(message.get("reasoning_content") or ""))
    ]
    deltas += [{"content": piece} for piece in data.draw(split(message["content"] or ""))]
    deltas += [{"refusal": piece} for piece in data.draw(split(message["refusal"] or ""))]
    deltas += [{"tool_calls": [call]} for call in calls]
    reading = Reading(form, EVERY, Plain())
    streamed = response_of(through(reading, [sse(chat(*map(chunk, deltas)))]))
    completion = {"choices": [{"index": 0, "message": message, "finish_reason": "stop"}]}
    whole = reading.response(completion, Echo.of(HUB), Ids(), Clock())
    assert whole == streamed


@pytest.mark.parametrize(
    "completion", [None, [], {}, {"choices": []}, {"choices": [None]}, {"error": {"message": "No."}}]
)
def test_what_is_no_completion_is_an_error_on_either_way(completion: Any):
    for reading in (Reading(), Reading("content", EVERY, Plain())):
        with pytest.raises(UpstreamError):
            reading.response(completion, Echo.of(HUB), Ids(), Clock())


def test_only_what_changes_words_leaves_the_direct_way():
    assert Reading().plain
    assert not Reading(quirks=EVERY).plain
    assert not Reading(seal=Plain()).plain
