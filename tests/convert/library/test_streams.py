"""The two stream machines: cut at every byte, chained, and read by the official SDK."""

import json
from typing import Any

import pytest

from chat2response.convert.dialects.chat.answer.whole_answer import write_response
from chat2response.convert.dialects.chat.request.request_fields_in import LOGPROBS
from chat2response.convert.library.streams import ChatToResponses, ResponsesToChat
from chat2response.wire.fault import DRAINING, RESET, Fault
from tests.support import openai_sdk
from tests.support.upstream_streams import (
    CHAT_STREAMS,
    RESPONSES_STREAMS,
    Numbered,
    arguments,
    call,
    chat,
    checked_chunks,
    chunk,
    deltas,
    named,
    now,
    pieces,
    response_of,
    sse,
    text,
    thoughts,
    to_chunks,
    to_events,
    usage_chunk,
)

# -- cut at every byte --------------------------------------------------------------------------------


def lean_chat(stream: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """A shortened stream, because each byte of it is a test."""
    short = []
    for each in stream:
        choices = [
            {key: value for key, value in choice.items() if value is not None and key != "index"}
            for choice in each.get("choices", ())
        ]
        shortened: dict[str, Any] = {key: each[key] for key in ("usage", "error") if key in each}
        if "choices" in each:
            shortened["choices"] = choices
        short.append(shortened)
    return short


def lean_responses(stream: list[dict[str, Any]]) -> list[dict[str, Any]]:
    short = []
    for event in stream:
        event = {key: value for key, value in event.items() if key != "sequence_number"}
        if event["type"] in ("response.created", "response.in_progress"):
            event["response"] = {}
        elif "response" in event:
            response = event["response"]
            event["response"] = {
                key: value
                for key, value in response.items()
                if key in ("status", "error", "incomplete_details")
            }
        short.append(event)
    return short


def cuts(data: bytes) -> list[tuple[int, Fault | None]]:
    """Cuts at every byte, alternating a clean end and a fault; both around the end of each event."""
    every = [(at, RESET if at % 2 else None) for at in range(len(data) + 1)]
    ends = [at + end for at in range(len(data)) if data[at : at + 2] == b"\n\n" for end in (-1, 0, 1, 2)]
    return every + [(at, None if at % 2 else RESET) for at in ends]


def arrives_in_time(data: bytes, marker: bytes, at: int, fault: Fault | None) -> bool:
    """Whether the event with `marker` was complete at the cut; before a fault it needs its blank line too."""
    where = data.find(marker)
    end = data.find(b"\n\n", where)
    return where >= 0 and at >= (end if fault is None else end + 2)


@pytest.mark.parametrize("name", CHAT_STREAMS)
def test_row_1_a_chat_stream_cut_at_every_byte_has_one_end_and_no_invented_one(name: str):
    data = sse(lean_chat(CHAT_STREAMS[name]))
    full = response_of(to_events(data))
    for at, fault in cuts(data):
        response = response_of(to_events(data[:at], fault=fault))
        finished = arrives_in_time(data, b'"finish_reason"', at, fault)
        broken = arrives_in_time(data, b'"error"', at, fault)
        expected = full["status"] if finished or broken else "failed"
        assert response["status"] == expected, (at, fault)
        assert text_of(full).startswith(text_of(response)), (at, fault)


def text_of(response: dict[str, Any]) -> str:
    return "".join(part.get("text", "") for item in response["output"] for part in item.get("content", ()))


@pytest.mark.parametrize("name", RESPONSES_STREAMS)
def test_row_1_a_responses_stream_cut_at_every_byte_has_one_end_and_no_invented_one(name: str):
    data = named(lean_responses(RESPONSES_STREAMS[name]))
    terminal = b'{"type": "' + RESPONSES_STREAMS[name][-1]["type"].encode()
    full = to_chunks(data)
    for at, fault in cuts(data):
        chunks = to_chunks(data[:at], fault=fault)
        if arrives_in_time(data, terminal, at, fault):
            assert chunks == full, (at, fault)
        else:
            assert chunks[-1]["error"]["message"] == RESET.message, (at, fault)
            assert full[: len(chunks) - 1] == chunks[:-1], "what was said before is what is always said"


def test_a_fault_before_the_first_byte_is_a_whole_failed_stream():
    (*_, end) = to_events([], fault=DRAINING)
    assert end["response"]["error"]["message"] == DRAINING.message
    assert to_chunks([], fault=DRAINING)[-1]["error"]["message"] == DRAINING.message


@pytest.mark.parametrize("name", CHAT_STREAMS)
def test_the_same_events_byte_by_byte(name: str):
    data = sse(CHAT_STREAMS[name])
    assert to_events(pieces(data, range(len(data)))) == to_events(data)


@pytest.mark.parametrize("name", RESPONSES_STREAMS)
def test_the_same_chunks_byte_by_byte(name: str):
    data = named(RESPONSES_STREAMS[name])
    assert to_chunks(pieces(data, range(len(data)))) == to_chunks(data)


# -- face to face -------------------------------------------------------------------------------------


def face_to_face(chunks: list[dict[str, Any]], *, logprobs: bool = True) -> list[dict[str, Any]]:
    """A Chat stream converted to Responses and back, read by read."""
    there = ChatToResponses({"model": "m", "include": [LOGPROBS]}, ids=Numbered(), clock=now)
    back = ResponsesToChat(model="m", include_usage=True, logprobs=logprobs, ids=Numbered(), clock=now)
    data = sse(chunks)
    output = b"".join(back.feed(there.feed(read)) for read in pieces(data, range(0, len(data), 99)))
    return checked_chunks(output + back.feed(there.close()) + back.close())


NAME = {"index": 0, "id": "call_a", "type": "function", "function": {"name": "f", "arguments": ""}}


@pytest.mark.parametrize(
    ("sent", "canonical"),
    [
        (text("a", "b"), [{"content": "a"}, {"content": "b"}]),
        ([chunk({"content": ""}), chunk({}), *text("a")], [{"content": "a"}]),
        (
            [chunk({"content": "a", "reasoning": "hm"})],
            [{"reasoning_content": "hm"}, {"content": "a"}],
        ),
        (
            [*thoughts("one", "!"), *text("a"), *thoughts("two")],
            [
                {"reasoning_content": "one"},
                {"reasoning_content": "!"},
                {"content": "a"},
                {"reasoning_content": "\n\n"},
                {"reasoning_content": "two"},
            ],
        ),
        (
            call("{", "}"),
            [
                {"tool_calls": [NAME]},
                {"tool_calls": [{"index": 0, "function": {"arguments": "{"}}]},
                {"tool_calls": [{"index": 0, "function": {"arguments": "}"}}]},
            ],
        ),
        (
            [*call(index=7), *text("a"), arguments("{}", 7)],
            [
                {"tool_calls": [NAME]},
                {"content": "a"},
                {"tool_calls": [{"index": 0, "function": {"arguments": "{}"}}]},
            ],
        ),
        (
            [chunk({"content": "a", "refusal": "no", "tool_calls": [{**NAME, "function": {"name": "f"}}]})],
            [
                {"content": "a"},
                {"refusal": "no"},
                {"tool_calls": [NAME]},
                {"tool_calls": [{"index": 0, "function": {"arguments": "{}"}}]},
            ],
        ),
    ],
)
def test_face_to_face_a_stream_comes_back_in_its_canonical_form(sent, canonical):
    chunks = face_to_face([*chat(*sent), usage_chunk()])
    assert deltas(chunks) == canonical
    assert chunks[-1]["usage"]["total_tokens"] == 21


# The SDK's accumulator raises for the chunks of a custom tool call.
@pytest.mark.parametrize("name", [name for name in CHAT_STREAMS if "custom" not in name])
def test_face_to_face_nothing_is_lost(name: str):
    chunks = face_to_face(CHAT_STREAMS[name])
    if name == "error":
        assert chunks[-1]["error"]["message"] == "Broken."
        return
    there, back = openai_sdk.added_up(CHAT_STREAMS[name]), openai_sdk.added_up(chunks)
    (first,), (second,) = there["choices"], back["choices"]
    assert plain(second["message"]) == plain(first["message"])
    assert second["finish_reason"] == first["finish_reason"]
    assert (second.get("logprobs") or {}).get("content") == (first.get("logprobs") or {}).get("content")
    if name == "usage":
        assert back["usage"]["total_tokens"] == there["usage"]["total_tokens"]


def plain(message: dict[str, Any]) -> dict[str, Any]:
    """The output without empty parts; empty arguments are an empty object."""
    for each in message.get("tool_calls") or ():
        each["function"]["arguments"] = each["function"]["arguments"] or "{}"
    return {key: value for key, value in message.items() if value}


# -- before the SDK -----------------------------------------------------------------------------------


@pytest.mark.parametrize("name", CHAT_STREAMS)
def test_the_sdk_follows_our_responses_stream(name: str):
    events = to_events(sse(CHAT_STREAMS[name]))
    response = response_of(events)
    followed = openai_sdk.followed(events)
    if response["status"] == "completed":
        assert followed is not None
        assert [item["id"] for item in followed["output"]] == [item["id"] for item in response["output"]]
    else:
        assert followed is None


@pytest.mark.parametrize(
    "name", [name for name in RESPONSES_STREAMS if name not in ("failed", "custom call")]
)
def test_the_chunks_of_a_response_add_up_to_its_completion(name: str):
    machine = ResponsesToChat(model="m", include_usage=True, logprobs=True, ids=Numbered(), clock=now)
    output = machine.feed(named(RESPONSES_STREAMS[name])) + machine.close()
    summed = openai_sdk.added_up(checked_chunks(output))
    whole = json.loads(json.dumps(write_response(machine.response)))
    assert plain(summed["choices"][0].pop("message")) == plain(whole["choices"][0].pop("message"))
    assert {**summed, "system_fingerprint": None, "service_tier": "default"} == {
        **whole,
        "system_fingerprint": None,
    }


# -- the machines -------------------------------------------------------------------------------------


def test_what_was_said_is_passed_on_at_once():
    machine = ChatToResponses()
    assert b"response.created" in machine.feed(b": ping\n\n")
    assert b'"delta":"a"' in machine.feed(sse(text("a"), done=False))
    assert b"response.completed" in machine.feed(sse([chunk({}, "stop")]))
    assert machine.done


def test_the_response_can_be_asked_for_after_the_end():
    machine = ChatToResponses({"model": "m", "metadata": {"a": "b"}})
    machine.feed(sse(CHAT_STREAMS["text"]))
    assert machine.response["status"] == "completed"
    assert dict(machine.response)["metadata"] == {"a": "b"}
    assert machine.response["model"] == "m"


def test_losses_of_both_directions_can_be_asked_for():
    there = ChatToResponses()
    there.feed(sse(chat(chunk({"audio": {"id": "a"}}))))
    assert [loss.field for loss in there.losses] == ["message.audio"]
    back = ResponsesToChat()
    item = {"type": "compaction", "id": "cmp_1", "encrypted_content": "x"}
    back.feed(named([{"type": "response.output_item.done", "output_index": 0, "item": item}]))
    assert [loss.field for loss in back.losses] == ["output[compaction]"]


def test_usage_is_given_to_who_asked_for_it():
    data = named(RESPONSES_STREAMS["text"])
    assert to_chunks(data, usage=True)[-1]["usage"]["total_tokens"] == 12
    assert all("usage" not in each for each in to_chunks(data, usage=False))
