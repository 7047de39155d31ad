"""The decoder with all wrappers: a stream has one end wherever it is cut, and equals the whole answer."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chat2response.convert.dialects.chat.answer.answer_decoder import ChatAnswerDecoder
from chat2response.convert.dialects.chat.request.request import write_request
from chat2response.convert.dialects.chat.tools.tool_map import ToolMap
from chat2response.convert.dialects.responses.answer.stream_encoder import ResponsesEncoder
from chat2response.convert.dialects.responses.request.request import read_request
from chat2response.convert.echoed_fields import EchoedFields
from chat2response.convert.event_feed import EventFeed
from chat2response.convert.hub import HubRequest
from chat2response.convert.library.functions import to_response
from chat2response.convert.losses import Losses
from chat2response.convert.quirks.quirks import Quirks
from chat2response.convert.writer.response_writer import ResponseWriter
from chat2response.errors import UpstreamError
from tests.convert.test_stream_properties import CHUNK, CUTS, FORMS, frames, messages, split
from tests.convert.writer.test_reasoning_sealer import Plain
from tests.support.clock_and_ids import Clock, Ids
from tests.support.upstream_streams import (
    chat,
    checked_events,
    chunk,
    pieces,
    response_of,
    sse,
    to_events,
    token,
)

HUB = HubRequest(body={"model": "m", "input": "hi"}, dialect="responses")
EVERY = Quirks(
    think_tags=(("<think>", "</think>"),),
    carried=frozenset({"reasoning_details", "thinking_blocks", "extra_content"}),
)
TOOLS = ToolMap.of(
    HubRequest(body={"tools": [{"type": "custom", "name": "f"}, {"type": "shell"}]}, dialect="responses"),
    EVERY,
)


def through(decoder: ChatAnswerDecoder, reads: list[bytes]) -> Any:
    """The events of a stream, checked."""
    writer = ResponseWriter(EchoedFields.of(HUB), Ids(), Clock())
    reader = EventFeed(decoder.reader(writer))
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
    decoder = ChatAnswerDecoder(form, EVERY, Plain(), TOOLS)
    assert through(decoder, pieces(data, cuts)) == through(decoder, [data])


@given(st.data(), messages(), FORMS, st.sampled_from(["", "<think>a</think>", "<think>\nb\n</think>\n\n"]))
def test_a_whole_answer_is_the_fold_of_its_stream(
    data: st.DataObject, message: dict[str, Any], form: Any, reasoning: str
):
    message = {**message, "content": reasoning + (message["content"] or "") or None}
    if message.get("annotations"):
        del message["annotations"]  # their indices count in a text without reasoning
    calls = [{"index": number, **call} for number, call in enumerate(message.get("tool_calls", ()))]
    deltas: list[dict[str, Any]] = [
        {"reasoning_content": piece} for piece in data.draw(split(message.get("reasoning_content") or ""))
    ]
    deltas += [{"content": piece} for piece in data.draw(split(message["content"] or ""))]
    deltas += [{"refusal": piece} for piece in data.draw(split(message["refusal"] or ""))]
    deltas += [{"tool_calls": [call]} for call in calls]
    decoder = ChatAnswerDecoder(form, EVERY, Plain())
    streamed = response_of(through(decoder, [sse(chat(*map(chunk, deltas)))]))
    completion = {"choices": [{"index": 0, "message": message, "finish_reason": "stop"}]}
    whole = decoder.response(completion, EchoedFields.of(HUB), Ids(), Clock())
    assert whole == streamed


@pytest.mark.parametrize(
    "completion", [None, [], {}, {"choices": []}, {"choices": [None]}, {"error": {"message": "No."}}]
)
def test_what_is_no_completion_is_an_error_on_either_way(completion: Any):
    for decoder in (ChatAnswerDecoder(), ChatAnswerDecoder("content", EVERY, Plain())):
        with pytest.raises(UpstreamError):
            decoder.response(completion, EchoedFields.of(HUB), Ids(), Clock())


def test_only_what_changes_words_leaves_the_direct_way():
    assert ChatAnswerDecoder().plain
    assert not ChatAnswerDecoder(quirks=EVERY).plain
    assert not ChatAnswerDecoder(seal=Plain()).plain


REQUEST: Any = {"model": "m", "include": ["message.output_text.logprobs"]}


@pytest.mark.parametrize(("request_", "shown"), [(None, True), (REQUEST, True), ({"model": "m"}, False)])
def test_row_55_logprobs_are_shown_where_include_asks_for_them(request_: Any, shown: bool):
    """Row 55: streamed and whole; without a request, all that there are."""
    logprobs = {"content": [token("Hi")], "refusal": [token("no")]}
    events = to_events(sse(chat(chunk({"content": "Hi"}, logprobs=logprobs))), request=request_)
    message = {"role": "assistant", "content": "Hi"}
    choice = {"index": 0, "message": message, "finish_reason": "stop", "logprobs": logprobs}
    losses = Losses()
    whole: Any = to_response({"model": "m", "choices": [choice]}, request_, losses=losses)
    for response in (response_of(events), whole):
        assert [len(part["logprobs"]) for part in response["output"][0]["content"]] == [int(shown)]
    assert [loss.field for loss in losses] == (["logprobs.refusal"] if shown else [])
    deltas = [event for event in events if event["type"] == "response.output_text.delta"]
    assert [bool(event["logprobs"]) for event in deltas] == [shown]


def test_row_55_a_backend_is_asked_as_the_answer_is_read():
    for include in ([], ["message.output_text.logprobs"]):
        hub = read_request({"model": "m", "input": "hi", "include": include, "top_logprobs": 2})
        tools = ToolMap.of(hub, EVERY)
        body = write_request(hub, Losses(), EVERY, tools=tools)
        assert ("logprobs" in body) == ("top_logprobs" in body) == bool(include)
        assert ChatAnswerDecoder.from_hub(hub, tools, "content").logprobs == bool(include)
