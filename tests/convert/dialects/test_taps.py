"""Taps over whole streams of every kind, cut between any two frames: what they learn, and the added end."""

from typing import Any

import pytest

from chat2response.convert.dialects.chat.answer.tap import ChatTap
from chat2response.convert.dialects.responses.answer.created_ids import owned_ids
from chat2response.convert.dialects.responses.answer.tap import ResponsesTap
from chat2response.errors import UpstreamError
from tests.support.engine.fakes import events_of
from tests.support.engine.frames import (
    CHAT_STREAMS,
    DONE,
    RESPONSES_STREAMS,
    ROLE,
    USAGE,
    call,
    chunk,
    item_events,
    message,
    responses,
)

GONE = UpstreamError("It is gone.", code="gone")
TERMINAL = {"response.completed", "response.incomplete", "response.failed"}


def parts(streams: dict[str, list[bytes]]) -> list[Any]:
    """Every stream, cut at every boundary between frames."""
    return [
        pytest.param(frames[:number], id=f"{name}, {number} of {len(frames)}")
        for name, frames in streams.items()
        for number in range(len(frames) + 1)
    ]


def seen(frames: list[bytes]) -> list[dict[str, Any]]:
    return [event for event in events_of(b"".join(frames)) if event != "[DONE]"]


# -- Responses ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("frames", parts(RESPONSES_STREAMS))
@pytest.mark.parametrize("reads", ["frame by frame", "in one read"])
def test_a_responses_stream_gets_exactly_the_end_it_lacks(frames: list[bytes], reads: str) -> None:
    tap = ResponsesTap(stored=True)
    for data in frames if reads == "frame by frame" else [b"".join(frames)]:
        tap.feed(data)
    events = seen(frames)
    ended = any(event["type"] in TERMINAL for event in events)
    assert tap.ended is ended
    added = events_of(tap.close(GONE))
    if ended:
        assert added == []
        return
    failed, done = added
    assert done == "[DONE]"
    assert failed["type"] == "response.failed"
    assert failed["sequence_number"] == max((event["sequence_number"] for event in events), default=-1) + 1
    response = failed["response"]
    assert response["status"] == "failed"
    assert response["error"] == {"code": "server_error", "message": "It is gone."}
    assert response.get("id") == ("resp_up" if events else None)
    items = [event["item"] for event in events if event["type"] == "response.output_item.done"]
    assert response["output"] == items
    assert tap.status == "failed"


@pytest.mark.parametrize("name", RESPONSES_STREAMS)
def test_a_whole_responses_stream_teaches_its_usage_status_and_ids_once(name: str) -> None:
    frames = RESPONSES_STREAMS[name]
    tap = ResponsesTap(stored=True)
    ids = [each for frame in frames for each in tap.feed(frame)]
    terminal = next(event for event in seen(frames) if event["type"] in TERMINAL)
    assert tap.status == terminal["type"].removeprefix("response.")
    assert tap.usage is not None
    assert (tap.usage["input_tokens"], tap.usage["output_tokens"]) == (11, 7)
    assert ids == ["resp_up", *(item["id"] for item in terminal["response"]["output"])]
    assert tap.response_id == "resp_up"
    assert tap.close(GONE) == b""


def test_ids_are_told_before_the_frame_that_brings_them_passes_and_never_twice() -> None:
    resource = {"id": "resp_1", "conversation": {"id": "conv_1"}, "output": []}
    created = responses({"type": "response.created", "response": resource}, terminal=None)[1]
    ended = {**resource, "output": [message("x"), call("{}")]}
    completed = responses({"type": "response.completed", "response": ended}, terminal=None)[1]
    tap = ResponsesTap(stored=True)
    assert tap.feed(created) == ["resp_1", "conv_1"]
    assert list(tap.feed(created)) == []
    assert tap.feed(completed) == ["msg_1", "fc_1"]


def test_nothing_is_told_of_what_the_upstream_does_not_keep() -> None:
    tap = ResponsesTap(stored=False)
    assert [each for frame in RESPONSES_STREAMS["text"] for each in tap.feed(frame)] == []
    assert tap.response_id == "resp_up"


def test_an_error_event_is_no_end_but_the_reason_of_the_one_that_is_added() -> None:
    error = {"type": "error", "code": "rate_limit_exceeded", "message": "Slow down."}
    frames = responses(*item_events(message("Hi"), "Hi"), error, terminal=None)
    tap = ResponsesTap(stored=False)
    for frame in frames:
        tap.feed(frame)
    assert not tap.ended
    failed, _ = events_of(tap.close(GONE))
    assert failed["response"]["error"] == {"code": "rate_limit_exceeded", "message": "Slow down."}
    assert failed["sequence_number"] == len(frames)


def test_an_error_without_a_type_is_the_reason_too() -> None:
    tap = ResponsesTap(stored=False)
    tap.feed(b'data: {"error": {"message": "Overloaded."}}\n\n')
    failed, _ = events_of(tap.close(GONE))
    assert failed["response"]["error"]["message"] == "Overloaded."


def test_comments_after_the_last_number_do_not_start_the_count_anew() -> None:
    tap = ResponsesTap(stored=False)
    tap.feed(b"".join(RESPONSES_STREAMS["text"][:3]))
    tap.feed(b": still there\n\n")
    failed, _ = events_of(tap.close(GONE))
    assert failed["sequence_number"] == 3


def test_a_number_inside_an_item_is_not_the_events() -> None:
    item = {"id": "x", "type": "vendor", "held": {"sequence_number": 99}}
    frames = responses({"type": "response.output_item.done", "output_index": 0, "item": item}, terminal=None)
    tap = ResponsesTap(stored=False)
    for frame in frames:
        tap.feed(frame)
    failed, _ = events_of(tap.close(GONE))
    assert failed["sequence_number"] == 2


def test_what_was_withheld_counts_as_not_said() -> None:
    frames = RESPONSES_STREAMS["text"]
    tap = ResponsesTap(stored=True)
    for frame in frames[:-1]:
        tap.feed(frame)
    assert tap.ended
    tap.withhold()
    failed, _ = events_of(tap.close(GONE))
    assert failed["sequence_number"] == seen(frames)[-1]["sequence_number"]
    assert tap.status == "failed"


@pytest.mark.parametrize(
    "junk", [b"data: \xff\xfe\n\n", b'data: {"type":"response.created"\n\n', b"data: 7\n\n", b"data\n\n"]
)
def test_what_cannot_be_read_is_passed_by(junk: bytes) -> None:
    for tap in (ResponsesTap(stored=True), ChatTap(stored=True)):
        assert list(tap.feed(junk)) == []
        assert not tap.ended


def test_ids_that_are_none_are_not_owned() -> None:
    odd = {"id": 7, "conversation": "conv", "output": [None, {"id": None}, {"id": ""}, {"id": "msg_1"}]}
    assert owned_ids(odd) == ["msg_1"]
    assert owned_ids({"output": "no list"}) == []


# -- Chat --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("frames", parts(CHAT_STREAMS))
@pytest.mark.parametrize("reads", ["frame by frame", "in one read"])
def test_a_chat_stream_gets_exactly_the_end_it_lacks(frames: list[bytes], reads: str) -> None:
    tap = ChatTap(stored=False)
    for data in frames if reads == "frame by frame" else [b"".join(frames)]:
        tap.feed(data)
    events = events_of(b"".join(frames))
    added = events_of(tap.close(GONE))
    finished = any(
        choice["finish_reason"] for event in events if event != "[DONE]" for choice in event["choices"]
    )
    if "[DONE]" in events:
        assert added == []
    elif finished:
        assert added == ["[DONE]"]
    else:
        assert added == [{"error": GONE.fields()}, "[DONE]"]
        assert tap.status == "failed"


@pytest.mark.parametrize("name", CHAT_STREAMS)
def test_a_whole_chat_stream_teaches_its_usage_status_and_id_once(name: str) -> None:
    tap = ChatTap(stored=True)
    ids = [each for frame in CHAT_STREAMS[name] for each in tap.feed(frame)]
    assert ids == ["chatcmpl-up"]
    assert tap.usage is not None
    assert (tap.usage["input_tokens"], tap.usage["output_tokens"]) == (11, 7)
    assert tap.status == ("incomplete" if name == "cut short" else "completed")
    assert tap.response_id is None


def test_an_error_chunk_ends_a_chat_stream_that_then_lacks_only_done() -> None:
    tap = ChatTap(stored=False)
    tap.feed(ROLE + b'data: {"error": {"message": "Overloaded."}}\n\n')
    assert tap.close(GONE) == DONE
    assert tap.status == "failed"


def test_of_several_choices_each_must_have_finished() -> None:
    tap = ChatTap(stored=False, choices=2)
    tap.feed(chunk({"content": "a"}) + chunk({"content": "b"}, index=1) + chunk(finish="stop"))
    assert events_of(tap.close(GONE)) == [{"error": GONE.fields()}, "[DONE]"]

    tap = ChatTap(stored=False, choices=2)
    tap.feed(chunk(finish="stop") + chunk(finish="length", index=1))
    assert tap.close(GONE) == DONE


def test_usage_may_come_in_every_chunk_and_the_last_counts() -> None:
    tap = ChatTap(stored=False)
    tap.feed(chunk({"content": "a"}, usage={**USAGE, "completion_tokens": 1}))
    tap.feed(chunk({"content": "b"}, usage=USAGE) + chunk({}, usage=None))
    assert tap.usage is not None
    assert tap.usage["output_tokens"] == 7


def test_a_whole_chat_answer_that_was_withheld_is_not_said_to_be_complete() -> None:
    tap = ChatTap(stored=True)
    assert tap.feed(b"".join(CHAT_STREAMS["text"])) == ("chatcmpl-up",)
    tap.withhold()
    assert events_of(tap.close(GONE)) == [{"error": GONE.fields()}, "[DONE]"]
    assert tap.status == "failed"


def test_zeros_after_a_count_hold_a_place_and_no_count() -> None:
    tap = ChatTap(stored=False)
    zero = {"prompt_tokens": 0, "completion_tokens": 0, "total_tokens": 0}
    tap.feed(chunk({"content": "a"}, usage=USAGE) + chunk({}, usage=zero))
    assert tap.usage is not None
    assert tap.usage["output_tokens"] == USAGE["completion_tokens"]
