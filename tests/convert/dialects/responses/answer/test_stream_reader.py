"""ResponsesReader: streams by the book, with parts missing, and with errors."""

import copy
from typing import Any

import pytest

from chat2response.convert.dialects.responses.answer.stream_encoder import ResponsesEncoder
from chat2response.convert.dialects.responses.answer.stream_reader import ResponsesReader
from chat2response.convert.dialects.responses.answer.whole_answer import as_event
from chat2response.convert.echoed_fields import EchoedFields
from chat2response.convert.event_feed import EventFeed
from chat2response.convert.hub import HubRequest
from chat2response.convert.library.streams import ResponsesToChat
from chat2response.convert.writer.response_writer import ResponseWriter
from chat2response.wire.fault import RESET, TIMEOUT, Fault
from chat2response.wire.json import encode
from tests.support.upstream_streams import (
    CUT,
    DONE,
    RESPONSES_STREAMS,
    Events,
    Numbered,
    checked_events,
    named,
    now,
    pieces,
    response_of,
)


def read(data: bytes | list[bytes], fault: Fault | None = None) -> list[dict[str, Any]]:
    """The stream through reader, writer and the Responses encoder: events again, checked."""
    writer = ResponseWriter(EchoedFields.of(HubRequest(body={}, dialect="responses")), Numbered(), now)
    machine = EventFeed(ResponsesReader(writer))
    writer.begin()
    for each in [data] if isinstance(data, bytes) else data:
        machine.feed(each)
    machine.close(fault)
    assert machine.done
    writer.finish()
    return checked_events(ResponsesEncoder().encode(writer.take()))


def answer(events: list[dict[str, Any]], fault: Fault | None = None) -> dict[str, Any]:
    return response_of(read(named(events), fault))


def shown(response: dict[str, Any]) -> list[Any]:
    short: list[Any] = []
    for item in response["output"]:
        if item["type"] == "function_call":
            short.append((item["call_id"], item["name"], item["arguments"]))
        elif item["type"] in ("message", "reasoning"):
            parts = [*item.get("content", ()), *item.get("summary", ())]
            short.append((item["type"], *(part.get("text", part.get("refusal")) for part in parts)))
        else:
            short.append(item["type"])
    return short


def without(events: list[dict[str, Any]], *kinds: str) -> list[dict[str, Any]]:
    """The stream without events of these types."""
    return [event for event in events if event["type"].removeprefix("response.") not in kinds]


# -- by the book --------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", RESPONSES_STREAMS)
def test_what_is_read_is_what_was_sent(name):
    sent = RESPONSES_STREAMS[name][-1]["response"]
    response = answer(RESPONSES_STREAMS[name])
    assert response["status"] == sent["status"]
    if sent["status"] == "completed" and sent["output"]:
        assert response["output"] == [filled(item) for item in sent["output"]]
        assert response["usage"]["total_tokens"] == 12


def filled(item: Any) -> Any:
    """The item, its arguments an empty object if they are empty."""
    return {**item, "arguments": item["arguments"] or "{}"} if "arguments" in item else item


def test_ids_of_items_are_the_upstreams():
    events = read(named(RESPONSES_STREAMS["parallel calls"]))
    ids = [item["id"] for item in response_of(events)["output"]]
    assert ids == ["msg_up0", "fc_up1", "fc_up2"]
    assert [event["item_id"] for event in events if event["type"].endswith("arguments.delta")] == [
        "fc_up1",
        "fc_up1",
        "fc_up2",
    ]


def test_one_delta_is_one_event():
    events = read(named(RESPONSES_STREAMS["text"]))
    assert [event["delta"] for event in events if "delta" in event] == ["Hel", "lo ", "wörld €"]


def test_encrypted_content_stays_with_its_item():
    stream = Events().reasoning("hm", encrypted="blob").summary(encrypted="alone").message("a").end()
    first, second, _ = answer(stream)["output"]
    assert (first["id"], first["encrypted_content"]) == ("rs_up0", "blob")
    assert (second["id"], second["encrypted_content"], second["summary"]) == ("rs_up1", "alone", [])


def test_items_of_other_kinds_pass_as_they_are():
    search = {
        "type": "web_search_call",
        "id": "ws_1",
        "status": "completed",
        "action": {"type": "search", "query": "q"},
    }
    stream = (
        Events()
        .add("response.web_search_call.in_progress", output_index=0, item_id="ws_1")
        .item(search)
        .message("a")
        .end()
    )
    output = answer(stream)["output"]
    assert output[0] == search
    assert output[1]["type"] == "message"


BEGUN: dict[str, Any] = RESPONSES_STREAMS["web search"][2]["item"]
ENDED = {**BEGUN, "status": "completed"}
SEARCHING = "response.web_search_call.searching"


def searching(*left_out: str) -> list[dict[str, Any]]:
    """A search as OpenAI streams it, then a text; without the events in `left_out`."""
    return [event for event in RESPONSES_STREAMS["web search"] if event["type"] not in left_out]


def through(stream: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The events that a Responses client gets."""
    writer = ResponseWriter(
        EchoedFields.of(HubRequest(body={"model": "m"}, dialect="responses")), Numbered(), now
    )
    writer.begin()
    reader = EventFeed(ResponsesReader(writer))
    reader.feed(named(stream))
    reader.close()
    writer.finish()
    return checked_events(ResponsesEncoder().encode(writer.take()))


def test_a_hosted_item_begins_goes_through_its_phases_and_ends():
    events = through(searching())
    assert [event["type"].removeprefix("response.") for event in events[2:7]] == [
        "output_item.added",
        "web_search_call.in_progress",
        "web_search_call.searching",
        "web_search_call.completed",
        "output_item.done",
    ]
    assert events[2]["item"] == BEGUN
    assert events[6]["item"] == events[-1]["response"]["output"][0] == ENDED
    assert {(event["item_id"], event["output_index"]) for event in events[3:6]} == {("ws_1", 0)}


@pytest.mark.parametrize("left_out", ["response.output_item.added", "response.output_item.done", SEARCHING])
def test_a_hosted_item_is_whole_whatever_of_it_is_left_out(left_out: str):
    assert [item["type"] for item in through(searching(left_out))[-1]["response"]["output"]] == [
        "web_search_call", "message",
    ]  # fmt: skip
    assert through(searching(left_out))[-1]["response"]["output"][0] == ENDED


def test_row_59_audio_passes_under_our_numbers_and_is_lost_to_chat():
    stream = Events().add("response.audio.delta", delta="AAAA").message("a").end()
    (audio,) = [event for event in through(stream) if event["type"] == "response.audio.delta"]
    assert audio == {"type": "response.audio.delta", "sequence_number": 2, "delta": "AAAA"}
    machine = ResponsesToChat(model="m")
    machine.feed(named(stream))
    assert [loss.field for loss in machine.losses] == ["output.audio"]


def test_unknown_events_are_nothing():
    stream = (
        Events().add("codex.rate_limits", limits={}).add("response.metadata", metadata={}).message("a").end()
    )
    odd = [{"type": 5}, {"type": ["x"]}, {"type": None}, {}, [], "x", 7]
    assert shown(
        response_of(read(named(stream[:-1]) + b"".join(sse_line(each) for each in odd) + named(stream[-1:])))
    ) == [("message", "a")]


def sse_line(value: Any) -> bytes:
    return b"data: " + encode(value) + b"\n\n"


def test_open_responses_calls_raw_reasoning_by_another_name():
    renamed = copy.deepcopy(RESPONSES_STREAMS["raw reasoning, then text"])
    for event in renamed:
        event["type"] = event["type"].replace("reasoning_text", "reasoning")
    assert answer(renamed) == answer(RESPONSES_STREAMS["raw reasoning, then text"])


@pytest.mark.parametrize("done", [True, False])
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_line_ends_comments_and_done(done, end):
    for name, stream in RESPONSES_STREAMS.items():
        data = named(stream, done=done).replace(b"\n", end.encode())
        assert read(b": ping" + end.encode() * 2 + data) == read(named(stream)), name


def test_nothing_is_read_behind_the_terminal_event():
    stream = (
        named(RESPONSES_STREAMS["text"]) + DONE + b"data: not json\n\n" + named(RESPONSES_STREAMS["failed"])
    )
    assert read(stream) == read(named(RESPONSES_STREAMS["text"]))


# -- missing events -----------------------------------------------------------------------------------

_DELTAS = (
    "output_text.delta",
    "refusal.delta",
    "reasoning_text.delta",
    "reasoning_summary_text.delta",
    "function_call_arguments.delta",
)
_TEXT_DONE = (
    "output_text.done",
    "refusal.done",
    "reasoning_text.done",
    "reasoning_summary_text.done",
    "function_call_arguments.done",
)
_PART_DONE = ("content_part.done", "reasoning_summary_part.done")
_PARTS = ("content_part.added", "reasoning_summary_part.added", *_PART_DONE)
_CITED = ("output_text.annotation.added",)
WHOLE = [
    name
    for name, stream in RESPONSES_STREAMS.items()
    if stream[-1]["type"] == "response.completed" and name != "web search"  # it has no deltas
]


@pytest.mark.parametrize("name", WHOLE)
@pytest.mark.parametrize(
    "missing",
    [
        _DELTAS,
        _CITED,
        (*_DELTAS, *_CITED),
        (*_DELTAS, *_TEXT_DONE, *_CITED),
        (*_DELTAS, *_TEXT_DONE, *_PARTS, *_CITED),
        (*_DELTAS, *_TEXT_DONE, *_PARTS, *_CITED, "output_item.added"),
        (*_DELTAS, *_TEXT_DONE, *_PARTS, *_CITED, "output_item.added", "output_item.done"),
        (*_DELTAS, *_PART_DONE, "output_item.done"),
        (*_DELTAS, *_PART_DONE, "output_item.done", "output_item.added"),
        _TEXT_DONE,
        _PARTS,
        ("output_item.added",),
        ("output_item.done",),
        ("output_item.added", "output_item.done"),
        (*_TEXT_DONE, *_PARTS, "output_item.added", "output_item.done"),
        ("created", "in_progress"),
    ],
    ids=lambda kinds: "+".join(kinds)[:60],
)
def test_the_same_answer_whatever_the_upstream_leaves_out(name, missing):
    stream = RESPONSES_STREAMS[name]
    full, less = answer(stream)["output"], answer(without(stream, *missing))["output"]
    assert less == full


@pytest.mark.parametrize("name", WHOLE)
def test_the_same_answer_where_only_the_deltas_came(name):
    """No item or part is closed, and the terminal response is empty, as some backends send it."""
    stream = without(RESPONSES_STREAMS[name], *_TEXT_DONE, *_PART_DONE, "output_item.done")
    stream = [*stream[:-1], {**stream[-1], "response": {**stream[-1]["response"], "output": []}}]
    # Logprobs and citations come with deltas of their own; nothing is missing.
    assert answer(stream)["output"] == answer(RESPONSES_STREAMS[name])["output"]


def test_only_the_rest_of_a_text_is_filled_in():
    stream = Events().message("Hel", "lo").end()
    lost = [event for event in stream if event.get("delta") != "lo"]
    events = read(named(lost))
    assert [event["delta"] for event in events if "delta" in event] == ["Hel", "lo"]


def test_only_the_rest_of_arguments_is_filled_in():
    stream = Events().call('{"a":', "1}").end()
    events = read(named([event for event in stream if event.get("delta") != "1}"]))
    assert [event["delta"] for event in events if "delta" in event] == ['{"a":', "1}"]


def test_a_delta_may_come_before_its_item():
    stream = Events().call("{}").end()
    stream[2], stream[3] = stream[3], stream[2]
    assert shown(answer(stream)) == [("call_0", "f", "{}")]


def test_a_delta_after_its_part_is_a_repetition():
    stream = Events().message("a", "b").end()
    part_done = next(n for n, event in enumerate(stream) if event["type"] == "response.content_part.done")
    delta = next(event for event in stream if event.get("delta") == "b")
    stream.insert(part_done + 1, delta)
    assert shown(answer(stream)) == [("message", "ab")]


# -- wrong events -------------------------------------------------------------------------------------


def renamed_ids(stream: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Every event has a new id for its item."""
    stream = copy.deepcopy(stream)
    for number, event in enumerate(stream):
        if "item_id" in event:
            event["item_id"] = f"x{number}"
        if "item" in event:
            event["item"]["id"] = f"x{number}"
        for position, item in enumerate(event.get("response", {}).get("output", ())):
            item["id"] = f"x{number}.{position}"
    return stream


@pytest.mark.parametrize("name", WHOLE)
def test_ids_that_change_from_event_to_event_do_no_harm(name):
    assert shown(answer(renamed_ids(RESPONSES_STREAMS[name]))) == shown(answer(RESPONSES_STREAMS[name]))


@pytest.mark.parametrize("name", [name for name in WHOLE if name != "logprobs"])
def test_one_index_for_all_items_does_no_harm(name):
    stream = copy.deepcopy(RESPONSES_STREAMS[name])
    for event in stream:
        if "output_index" in event:
            event["output_index"] = 0
    assert shown(answer(stream)) == shown(answer(RESPONSES_STREAMS[name]))


def test_interleaved_calls_at_one_index_are_told_apart_by_their_ids():
    def call(name: str, kind: str, **fields: Any) -> dict[str, Any]:
        item = {"type": "function_call", "id": f"fc_{name}", "call_id": name, "name": name, "arguments": ""}
        target = {"item": item} if kind.startswith("output_item") else {"item_id": item["id"]}
        return {"type": f"response.{kind}", "output_index": 0, **target, **fields}

    stream = [
        call("f", "output_item.added"),
        call("g", "output_item.added"),
        *(call(name, "function_call_arguments.delta", delta=piece) for piece in "{}" for name in "fg"),
        {"type": "response.completed", "response": {}},
    ]
    assert shown(answer(stream)) == [("f", "f", "{}"), ("g", "g", "{}")]


ONE_CALL = Events().call('{"a":', "1}").end()


@pytest.mark.parametrize("stage", ["response.output_item.done", "response.completed", "both"])
@pytest.mark.parametrize("ids", ["call_id", "id", "id and call_id"])
@pytest.mark.parametrize("spaced", [False, True])
def test_a_call_whose_ids_differ_between_events_is_one_call(stage, ids, spaced):
    stream = copy.deepcopy(ONE_CALL)
    for event in stream:
        if event["type"] == stage or (stage == "both" and event["type"].endswith(("completed", "item.done"))):
            items = [event["item"]] if "item" in event else event["response"]["output"]
            for item in items:
                item.update({key: f"{key}_{event['type']}" for key in ids.split(" and ")})
                item["arguments"] = item["arguments"].replace(":", ": " if spaced else ":")
    assert shown(answer(stream)) == shown(answer(ONE_CALL))
    assert answer(stream)["output"][0]["call_id"] == answer(ONE_CALL)["output"][0]["call_id"]


def test_calls_that_say_the_same_are_as_many_as_were_made():
    stream = Events().call("{}", name="now").call("{}", name="now").end()
    assert calls_of(stream) == calls_of(stream[-1:]) == [("now", "{}")] * 2
    renamed = copy.deepcopy(stream)
    for item in renamed[-1]["response"]["output"]:
        item.update(id=f"x_{item['id']}", call_id=f"x_{item['call_id']}")
    assert calls_of(renamed) == [("now", "{}")] * 2


def calls_of(stream: list[dict[str, Any]]) -> list[tuple[str, str]]:
    return [(item["name"], item["arguments"]) for item in answer(stream)["output"]]


def test_one_call_id_for_calls_of_different_names():
    stream = copy.deepcopy(Events().call('{"a":1}', name="f").call('{"b":1}', name="g").end())
    for item in stream[-1]["response"]["output"]:
        item["call_id"] = "call_0"
    assert calls_of(stream[-1:]) == [("f", '{"a":1}'), ("g", '{"b":1}')]


def with_call(*pieces: str, whole: Any) -> list[dict[str, Any]]:
    """A call in these pieces; its `done` events and its item in the end have `whole`."""
    stream = copy.deepcopy(Events().call(*pieces).end())
    for event in stream[3:]:
        items = [event.get("item", event), *event.get("response", {}).get("output", ())]
        for item in items:
            if "arguments" in item:
                item["arguments"] = whole
    return stream


@pytest.mark.parametrize(
    ("pieces", "whole", "expected", "lost"),
    [
        (("{}",), '{"a":1}', '{"a":1}', []),
        (('{"a":', "1}"), '{"a": 1}', '{"a":1}', []),
        (('{"a":1}',), "", '{"a":1}', []),
        (('{"a":1}',), '{"a":1}{"a":1}', '{"a":1}', []),
        (('{"a":1}',), '{"a":1} so', '{"a":1}', ["message.tool_calls.arguments"]),
        (('{"a":1}',), '{"b":1}', '{"a":1}', ["message.tool_calls.arguments"]),
        ((), {"a": 1}, '{"a":1}', []),
        ((), None, "{}", []),
        ((), "null", "{}", []),
    ],
)
def test_the_arguments_of_a_call_come_once(pieces, whole, expected, lost):
    machine, writer = reader()
    machine.feed(named(with_call(*pieces, whole=whole)))
    writer.finish()
    assert [item["arguments"] for item in writer.response["output"]] == [expected]
    assert [each.field for each in writer.losses] == lost


def test_arguments_that_stand_only_where_a_call_begins():
    begun, *_ = [event for event in copy.deepcopy(ONE_CALL) if event["type"] == "response.output_item.added"]
    begun["item"]["arguments"] = '{"a":1}'
    end = {"type": "response.completed", "response": {"output": []}}
    assert [item["arguments"] for item in answer([begun, end])["output"]] == ['{"a":1}']


def test_a_call_that_only_the_event_of_its_arguments_names():
    place = {"output_index": 0, "item_id": "fc_1"}
    delta = {"type": "response.function_call_arguments.delta", **place, "delta": "{}"}
    done = {"type": "response.function_call_arguments.done", **place, "arguments": "{}", "name": "f"}
    end = {"type": "response.completed", "response": {}}
    assert calls_of([delta, done, end]) == [("f", "{}")]
    assert answer([delta, {**done, "name": None}, end])["status"] == "failed"


def test_what_a_message_says_in_other_forms():
    def message(content: Any) -> list[dict[str, Any]]:
        output = [{"type": "message", "id": "m", "role": "assistant", "content": content}]
        return [{"type": "response.completed", "response": {"output": output}}]

    assert shown(answer(message("Hi"))) == [("message", "Hi")]
    assert shown(answer(message([{"type": "text", "text": "Hi"}]))) == [("message", "Hi")]
    machine, writer = reader()
    machine.feed(named(message([{"type": "output_image"}])))
    assert [each.field for each in writer.losses] == ["output.content[output_image]"]


def test_two_parts_that_are_not_told_apart_by_events_are_two_parts():
    stream: list[dict[str, Any]] = [
        {
            "type": "response.output_text.delta",
            "item_id": "m",
            "output_index": 0,
            "content_index": 0,
            "delta": "a",
        },
        {
            "type": "response.output_text.delta",
            "item_id": "m",
            "output_index": 0,
            "content_index": 1,
            "delta": "b",
        },
        {
            "type": "response.output_text.delta",
            "item_id": "n",
            "output_index": 1,
            "content_index": 0,
            "delta": "c",
        },
        {"type": "response.completed", "response": {}},
    ]
    assert shown(answer(stream)) == [("message", "a", "b"), ("message", "c")]


@pytest.mark.parametrize(
    "odd",
    [
        {"type": "response.output_text.delta"},
        {"type": "response.output_text.delta", "delta": 5},
        {"type": "response.output_text.delta", "delta": ""},
        {"type": ["response.output_text.delta"], "delta": "x"},
        {"type": None, "delta": "x"},
        {"type": "response.output_text.annotation.added", "annotation": 5},
        {"type": "response.function_call_arguments.delta", "delta": None},
        {"type": "response.function_call_arguments.done", "arguments": None},
        {"type": "response.output_item.added", "item": None},
        {"type": "response.output_item.done", "item": []},
        {"type": "response.content_part.done", "part": {"type": ["x"]}},
        {
            "type": "response.content_part.done",
            "part": {"type": "output_text", "text": None, "annotations": 5},
        },
        {"type": "response.output_text.done", "text": 5},
        {"type": "response.reasoning_summary_part.done"},
    ],
)
def test_events_with_odd_values_do_not_raise(odd):
    stream = Events().message("a").end()
    assert answer([*stream[:2], odd, *stream[2:]])["status"] == "completed"


def test_odd_ids_and_names_do_not_raise():
    item = {"type": "function_call", "id": 5, "call_id": [], "name": "f", "arguments": "{}", "namespace": 7}
    stream: list[dict[str, Any]] = [
        {"type": "response.output_item.added", "output_index": "x", "item": item},
        {"type": "response.output_text.delta", "item_id": 5, "output_index": None, "delta": "a"},
        {"type": "response.completed", "response": {"output": [None, 5, item], "usage": "x"}},
    ]
    assert [each[0] for each in shown(answer(stream)) if each[0] == "message"] == ["message"]


def test_a_call_without_a_call_id_is_called_by_its_own():
    stream = Events().call("{}").end()
    for event in stream:
        if "item" in event:
            event["item"] = {key: value for key, value in event["item"].items() if key != "call_id"}
    assert shown(answer(stream)) == [("fc_up0", "f", "{}")]


def test_a_namespace_stays_on_its_call():
    stream = Events().call("{}").end()
    for event in stream:
        if "item" in event:
            event["item"] = {**event["item"], "namespace": "agents"}
    assert answer(stream)["output"][0]["namespace"] == "agents"


def test_an_item_that_cannot_pass_is_a_loss():
    deep: Any = "x"
    for _ in range(300):
        deep = [deep]
    stream = (
        Events().item({"type": "web_search_call", "id": "ws", "action": deep}).item({"type": 5, "id": "x"})
    )
    machine, writer = reader()
    machine.feed(named(stream.message("a", citations=[{"x": deep}]).end()))
    writer.finish()
    assert shown(dict(writer.response)) == [("message", "a")]
    assert [loss.field for loss in writer.losses] == [
        "output[web_search_call]",
        "output[?]",
        "output.annotations[?]",
    ]


# -- ends ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("status", "details", "reason"),
    [("incomplete", {"reason": "max_output_tokens"}, "max_output_tokens"), ("incomplete", None, None)],
)
def test_an_incomplete_response_is_incomplete(status, details, reason):
    response = answer(Events().message("half").end(status, incomplete_details=details))
    assert response["incomplete_details"] == {"reason": reason}
    assert response["output"][-1]["status"] == "completed"  # as in its own done event
    assert response["usage"]["total_tokens"] == 12


@pytest.mark.parametrize(
    "cut", [Events().message("half"), Events().message("a").call('{"b":'), Events().reasoning("h")]
)
def test_an_item_that_was_cut_is_incomplete(cut):
    stream = copy.deepcopy(cut).end("incomplete", **CUT)
    last = stream[-1]["response"]["output"][-1]
    for event in stream:
        if event["type"] == "response.output_item.done" and event["item"]["id"] == last["id"]:
            event["item"] = {**event["item"], "status": "incomplete"}
    last["status"] = "incomplete"
    response = answer(stream)
    assert response["status"] == "incomplete"
    assert response["output"][-1]["status"] == "incomplete"


@pytest.mark.parametrize(
    ("end", "code", "message"),
    [
        (
            {
                "type": "response.failed",
                "response": {"error": {"code": "rate_limit_exceeded", "message": "m"}},
            },
            "rate_limit_exceeded",
            "m",
        ),
        (
            {
                "type": "response.failed",
                "response": {"error": {"code": "context_length_exceeded", "message": "m"}},
            },
            "context_length_exceeded",
            "m",
        ),
        (
            {"type": "response.failed", "response": {}},
            "server_error",
            "The upstream's response ended with the status 'failed'.",
        ),
        (
            {"type": "response.failed"},
            "server_error",
            "The upstream's response ended with the status 'failed'.",
        ),
        ({"type": "response.cancelled", "response": {}}, "server_error", "The response was cancelled."),
        (
            {"type": "response.completed", "response": {"status": "cancelled"}},
            "server_error",
            "The response was cancelled.",
        ),
        (
            {"type": "response.completed", "response": {"status": "failed", "error": {"message": "m"}}},
            "server_error",
            "m",
        ),
        (
            {"type": "error", "code": "rate_limit_exceeded", "message": "m", "param": None},
            "rate_limit_exceeded",
            "m",
        ),
        (
            {"type": "error", "error": {"type": "x", "code": "server_error", "message": "m"}},
            "server_error",
            "m",
        ),
        ({"type": "error"}, "server_error", "The upstream answered with status 502."),
        ({"error": {"message": "m"}}, "server_error", "m"),
        ({"error": "m"}, "server_error", "m"),
        ({"detail": "m"}, "server_error", "m"),
        ({"type": "invalid_request_error", "error": {"message": "m"}}, "server_error", "m"),
    ],
)
@pytest.mark.parametrize("before", [[], Events().message("a").call('{"b":').events])
def test_failures_in_every_form(end, code, message, before):
    response = answer([*before, end, *Events().message("more").end()])
    assert response["status"] == "failed"
    assert response["error"] == {"code": code, "message": message}
    assert "more" not in str(shown(response))


def test_google_wraps_its_errors_in_a_list():
    assert response_of(read(b'data: [{"error":{"code":500,"message":"m"}}]\n\n'))["error"]["message"] == "m"


def test_a_failed_hosted_tool_is_not_a_failed_response():
    stream = (
        Events()
        .add("response.mcp_call.failed", item_id="x", output_index=0, error={"message": "m"})
        .message("a")
        .end()
    )
    assert answer(stream)["status"] == "completed"


@pytest.mark.parametrize("fault", [None, RESET, TIMEOUT])
@pytest.mark.parametrize("done", [True, False])
def test_a_stream_without_a_terminal_event_is_a_failure(fault, done):
    cut = RESPONSES_STREAMS["text"][:-1]
    response = response_of(read(named(cut, done=done), fault))
    assert response["status"] == "failed"
    assert response["error"]["message"] == (fault or RESET).message
    assert shown(response) == [("message", "Hello wörld €")]


@pytest.mark.parametrize("bad", [b"data: {broken\n\n", b"data: oops\n\n", b'data: {"type":"\xff"\n\n'])
def test_a_bad_event_does_not_swallow_the_good_ones_before_it(bad):
    good = named(Events().message("a").events)
    response = response_of(read(good + bad + named(RESPONSES_STREAMS["text"])))
    assert shown(response) == [("message", "a")]
    assert response["error"]["message"] == "The upstream sent an event that cannot be read."


def test_an_event_over_the_bound_is_a_failure():
    huge = b'data: {"type":"' + b"x" * (17 << 20)
    response = response_of(read([named(Events().message("a").events), huge]))
    assert response["error"]["message"] == "The upstream sent an event that is too large."


def test_characters_cut_between_reads_stay_whole():
    data = named(RESPONSES_STREAMS["text"]).replace(b"w\\u00f6rld \\u20ac", "wörld € 𝄞".encode())
    assert "𝄞".encode() in data
    assert shown(response_of(read(pieces(data, range(len(data)))))) == [("message", "Hello wörld € 𝄞")]


# -- a whole response in place of a stream -------------------------------------------------------------


@pytest.mark.parametrize("name", RESPONSES_STREAMS)
def test_a_whole_response_is_its_terminal_event(name):
    resource = RESPONSES_STREAMS[name][-1]["response"]
    response = answer([as_event(resource)])
    streamed = answer(RESPONSES_STREAMS[name])
    assert response["status"] == streamed["status"]
    if resource["status"] != "failed" and resource["output"]:
        assert response["output"] == streamed["output"]
        assert response["usage"] == streamed["usage"]


# -- flags --------------------------------------------------------------------------------------------

ECHO = EchoedFields.of(HubRequest(body={}, dialect="responses"))


def reader(writer_type: type[ResponseWriter] = ResponseWriter) -> tuple[EventFeed, ResponseWriter]:
    writer = writer_type(ECHO, Numbered(), now)
    return EventFeed(ResponsesReader(writer)), writer


def test_a_reader_has_heard_once_an_event_was_read():
    machine = ResponsesReader(ResponseWriter(ECHO, Numbered(), now))
    events = EventFeed(machine)
    events.feed(b": ping\n\nevent: x\n\ndata: {")
    assert not machine.started
    events.feed(b"}\n\n")
    assert machine.started
    assert not machine.done


class Stopping(ResponseWriter):
    """Wants nothing after the first word."""

    def text(self, delta: str, logprobs: Any = (), *, id: str | None = None) -> None:
        super().text(delta, logprobs, id=id)
        self.done = True


def test_a_writer_that_has_enough_ends_the_turn_as_completed():
    machine, writer = reader(Stopping)
    machine.feed(named(RESPONSES_STREAMS["text"]))
    assert machine.done
    assert writer.outcome is not None
    assert writer.outcome.status == "completed"
    assert shown(dict(writer.response)) == [("message", "Hel")]
