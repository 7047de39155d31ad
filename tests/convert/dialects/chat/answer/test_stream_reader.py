"""ChatReader: everything that backends do with deltas, calls, usage, errors and ends."""

from dataclasses import replace
from typing import Any

import pytest

from chat2response.convert.dialects.chat.answer.delta_reader import DeltaReader
from chat2response.convert.dialects.chat.answer.stream_reader import ChatReader
from chat2response.convert.echoed_fields import EchoedFields
from chat2response.convert.event_feed import EventFeed
from chat2response.convert.hub import HubRequest
from chat2response.convert.library.streams import ChatToResponses
from chat2response.convert.outcome import Outcome
from chat2response.convert.quirks.quirks import OPENAI_COMPATIBLE
from chat2response.convert.writer.response_writer import ResponseWriter
from chat2response.wire.chat import DeltaShape
from chat2response.wire.fault import DRAINING, RESET, TIMEOUT
from tests.support.upstream_streams import (
    CHAT_STREAMS,
    DONE,
    Numbered,
    arguments,
    call,
    chat,
    chunk,
    citation,
    entries,
    entry,
    now,
    pieces,
    response_of,
    sse,
    text,
    thoughts,
    to_events,
    token,
    usage_chunk,
)


def answer(*chunks: dict[str, Any], finish: str | None = "stop", **options: Any) -> dict[str, Any]:
    """The response to a stream of these chunks, checked on the way."""
    return response_of(to_events(sse(chat(*chunks, finish=finish)), **options))


def shown(response: dict[str, Any]) -> list[Any]:
    """The output in short: texts, and calls as name and arguments."""
    short: list[Any] = []
    for item in response["output"]:
        if item["type"] == "function_call":
            short.append((item["name"], item["arguments"]))
        else:
            parts = [*item.get("content", ()), *item.get("summary", ())]
            short.append((item["type"], *(part.get("text", part.get("refusal")) for part in parts)))
    return short


def reader() -> tuple[EventFeed, ResponseWriter]:
    writer = ResponseWriter(EchoedFields.of(HubRequest(body={}, dialect="responses")), Numbered(), now)
    return EventFeed(ChatReader(writer)), writer


# -- text ---------------------------------------------------------------------------------------------


def test_one_delta_is_one_event():
    events = to_events(sse(chat(*text("a", "b", "c"))))
    assert [event["delta"] for event in events if "delta" in event] == ["a", "b", "c"]


@pytest.mark.parametrize(
    "nothing",
    [
        chunk({}),
        chunk({"role": "assistant"}),
        chunk({"content": ""}),
        chunk({"content": None, "refusal": None, "tool_calls": None, "function_call": None}),
        chunk({"tool_calls": []}),
        chunk({"tool_calls": [{}]}),
        chunk({"tool_calls": [{"index": 0, "function": {}}]}),
        chunk({"content": []}),
        chunk({"reasoning_content": "", "reasoning": None, "reasoning_details": []}),
        chunk({"annotations": []}),
        {"choices": []},
        {"choices": [{}]},
        {"choices": [{"index": 0, "delta": None, "finish_reason": None}]},
        {"choices": [], "prompt_filter_results": [{"prompt_index": 0}]},
        {"id": "x"},
        {},
    ],
)
def test_row_52_a_chunk_that_says_nothing_changes_nothing(nothing):
    plain = to_events(sse(chat(*text("a", "b"))))
    assert to_events(sse(chat(nothing, *text("a"), nothing, *text("b"), nothing))) == plain
    assert to_events(sse([nothing, *chat(*text("a", "b")), nothing])) == plain


@pytest.mark.parametrize("role", [True, False])
def test_the_role_chunk_may_be_missing(role):
    assert shown(response_of(to_events(sse(chat(*text("a"), role=role))))) == [("message", "a")]


def test_content_may_come_with_the_role_or_the_finish():
    stream = [chunk({"role": "assistant", "content": "a"}), chunk({"content": "b"}, "stop")]
    response = response_of(to_events(sse(stream)))
    assert shown(response) == [("message", "ab")]
    assert response["status"] == "completed"


def test_other_choices_are_not_ours():
    other = {"index": 1, "delta": {"content": "x"}, "finish_reason": "length"}
    ours = {"index": 0, "delta": {"content": "a"}, "finish_reason": None}
    response = answer({"choices": [other, ours]}, {"choices": [other]})
    assert shown(response) == [("message", "a")]
    assert response["status"] == "completed"


def test_a_turn_that_is_split_over_choices_is_one_turn():
    def other(number: int, delta: dict[str, Any], finish: str | None = None) -> dict[str, Any]:
        return {"choices": [{"index": number, "delta": delta, "finish_reason": finish}]}

    def calling(**entry: Any) -> dict[str, Any]:
        return {"tool_calls": [{"index": 0, **entry}]}

    split = [
        other(1, calling(id="c", function={"name": "f", "arguments": ""})),
        *text("a"),
        other(2, calling(id="d", function={"name": "g", "arguments": '{"b":'})),
        other(1, calling(function={"arguments": '{"a":1}'})),
        other(2, calling(function={"arguments": "2}"})),
    ]
    assert shown(answer(*split)) == [("message", "a"), *TWO]
    late = other(1, {}, "tool_calls")
    assert shown(answer(*split, late, finish=None)) == [("message", "a"), *TWO], "its end is the turn's"
    assert answer(*split, other(2, {}, "length"))["status"] == "incomplete"


def in_messages(*messages: Any, **first: Any) -> list[dict[str, Any]]:
    """Chunks of a choice with a message, and perhaps no delta."""
    return [{"choices": [{"index": 0, "message": message, **first}]} for message in messages]


@pytest.mark.parametrize(
    "chunks",
    [
        in_messages({"content": "Hel"}, {"content": "lo"}),
        in_messages({"content": "Hel"}, {"content": "Hello"}, {"content": "Hello"}),
        in_messages({"content": "Hello"}, delta={}),
        in_messages("Hello"),
        [*text("Hel", "lo"), *in_messages({"content": "Hello"}, delta={})],
        [*text("Hel"), *in_messages({"content": "Hello"}, delta={})],
        [*in_messages({"content": "Hello"}, delta={"content": "Hello"})],
        [{"choices": [{"index": 0, "text": piece}]} for piece in ("Hel", "lo")],
        [{"choices": [{"index": 0, "text": "Hello", "delta": {"content": "Hello"}}]}],
    ],
)
def test_what_stands_where_a_delta_belongs_is_read(chunks):
    assert shown(answer(*chunks)) == [("message", "Hello")]


def test_a_message_behind_deltas_adds_what_they_lack():
    called = {"id": "c", "type": "function", "function": {"name": "f", "arguments": '{"a":1}'}}
    message = {"content": "a", "reasoning_content": "hm", "tool_calls": [called]}
    chunks = [*thoughts("hm"), *text("a"), *in_messages(message, delta={})]
    assert [each[0] for each in shown(answer(*chunks))] == ["reasoning", "message", "f"]
    assert shown(answer(*call('{"a":1}', id="c"), *in_messages({"tool_calls": [called]}))) == ONE
    assert shown(answer(*in_messages(message)))[-1] == ONE[0]


def test_the_texts_of_old_completions_stream():
    machine, writer = reader()
    machine.feed(sse([{"choices": [{"index": 0, "text": "a"}]}], done=False))
    assert writer.response["output"]


def test_mistral_sends_content_as_a_list():
    response = answer(
        chunk({"content": [{"type": "thinking", "thinking": [{"type": "text", "text": "hm"}]}]}),
        chunk({"content": [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]}),
        chunk({"content": ["c", {"type": "text", "text": ""}]}),
    )
    assert shown(response) == [("reasoning", "hm"), ("message", "abc")]


def test_databricks_sends_reasoning_as_a_part_with_a_summary():
    part = {"type": "reasoning", "summary": [{"type": "summary_text", "text": "hm"}]}
    assert shown(answer(chunk({"content": [part, {"type": "text", "text": "a"}]}))) == [
        ("reasoning", "hm"),
        ("message", "a"),
    ]


# -- reasoning ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("field", ["reasoning_content", "reasoning"])
def test_reasoning_by_either_name(field):
    assert shown(answer(*thoughts("h", "m", field=field), *text("a"))) == [
        ("reasoning", "hm"),
        ("message", "a"),
    ]


def test_reasoning_under_both_names_is_said_once():
    assert shown(answer(chunk({"reasoning": "hm", "reasoning_content": "hm"}))) == [("reasoning", "hm")]


def test_reasoning_details_are_read_where_nothing_else_is():
    details = [{"type": "reasoning.text", "text": "hm"}, {"type": "reasoning.summary", "summary": "!"}]
    assert shown(answer(chunk({"reasoning_details": details}))) == [("reasoning", "hm!")]
    both = chunk({"reasoning": "hm!", "reasoning_details": details})
    assert shown(answer(both)) == [("reasoning", "hm!")]


@pytest.mark.parametrize("request_", [{"model": "m"}, {"model": "m", "reasoning": {"summary": "auto"}}])
def test_reasoning_is_a_summary_whatever_the_client_asked(request_):
    stream = sse(chat(*thoughts("hm"), *text("a")))
    item = response_of(to_events(stream, request=request_))["output"][0]
    assert item["summary"] == [{"type": "summary_text", "text": "hm"}]
    assert "content" not in item
    raw = response_of(to_events(stream, request=request_, reasoning="content"))["output"][0]
    assert raw["content"] == [{"type": "reasoning_text", "text": "hm"}]
    assert raw["summary"] == []
    assert shown(response_of(to_events(stream, reasoning="hide"))) == [("message", "a")]


def test_reasoning_that_resumes_is_a_new_item():
    response = answer(*thoughts("one"), *text("a"), *thoughts("two"), *text("b"))
    assert shown(response) == [("reasoning", "one"), ("message", "a"), ("reasoning", "two"), ("message", "b")]


def test_reasoning_and_text_in_one_delta_come_in_this_order():
    assert shown(answer(chunk({"content": "a", "reasoning_content": "hm"}))) == [
        ("reasoning", "hm"),
        ("message", "a"),
    ]


# -- refusals, citations, logprobs --------------------------------------------------------------------


def test_row_59_a_refusal_is_a_completed_message():
    response = answer(*text("Well. "), chunk({"refusal": "I can"}), chunk({"content": "", "refusal": "not."}))
    assert response["status"] == "completed"
    (message,) = response["output"]
    assert [part["type"] for part in message["content"]] == ["output_text", "refusal"]
    assert message["content"][1]["refusal"] == "I cannot."


def test_everything_in_one_delta_is_read():
    everything = chunk(
        {
            "reasoning_content": "hm",
            "content": "See a",
            "annotations": [citation(4, 5)],
            "refusal": "no",
            "tool_calls": [{"index": 0, "id": "c", "function": {"name": "f", "arguments": "{}"}}],
        },
        logprobs={"content": [token("See a")]},
    )
    response = answer(everything, finish="tool_calls")
    assert shown(response) == [("reasoning", "hm"), ("message", "See a", "no"), ("f", "{}")]
    part = response["output"][1]["content"][0]
    assert [part["logprobs"][0]["token"], part["annotations"][0]["start_index"]] == ["See a", 4]


@pytest.mark.parametrize(
    "extra",
    [
        {"annotations": [citation(0, 1)]},
        {"refusal": "r"},
        {"function_call": {"name": "f", "arguments": "{}"}},
    ],
)
def test_nothing_that_comes_beside_text_is_dropped(extra):
    assert (
        len(str(answer(chunk({"content": "a", **extra}))["output"]))
        > len(str(answer(*text("a"))["output"])) + 20
    )


def test_citations_are_flat_and_stand_in_their_part():
    events = to_events(sse(chat(*text("See ", "a."), chunk({"annotations": [citation(4, 5)]}))))
    flat = {
        "type": "url_citation",
        "url": "https://example.org/a",
        "title": "A",
        "start_index": 4,
        "end_index": 5,
    }
    assert [event["annotation"] for event in events if "annotation" in event] == [flat]
    assert response_of(events)["output"][0]["content"][0]["annotations"] == [flat]


def test_row_42_citations_of_a_later_message_are_moved_into_it():
    response = answer(
        *text("wörld€ "), *thoughts("hm"), *text("See a"), chunk({"annotations": [citation(11, 12)]})
    )
    (moved,) = response["output"][2]["content"][0]["annotations"]
    assert (moved["start_index"], moved["end_index"]) == (4, 5)


@pytest.mark.parametrize(
    "odd",
    [
        {
            "type": "url_citation",
            "url": "https://example.org/a",
            "title": "A",
            "start_index": 4,
            "end_index": 5,
        },
        {"type": "url_citation", "url_citation": {"url": "https://example.org/a"}},
        {
            "type": "url_citation",
            "url_citation": {"url": "https://example.org/a", "start_index": None, "title": 3},
        },
    ],
)
def test_citations_are_read_with_what_they_have(odd):
    (annotation,) = answer(*text("See a"), chunk({"annotations": [odd]}))["output"][0]["content"][0][
        "annotations"
    ]
    assert annotation["url"] == "https://example.org/a"


def test_row_55_logprobs_stand_on_their_delta_and_on_the_whole():
    first, second = (
        token("Hi", top_logprobs=[{"token": "Ho", "logprob": -3, "bytes": None}]),
        token("!", bytes=None),
    )
    events = to_events(
        sse(
            chat(
                chunk({"content": "Hi"}, logprobs={"content": [first]}),
                chunk({"content": "!"}, logprobs={"content": [second], "refusal": None}),
                chunk({"content": "?"}, logprobs={"content": None}),
            )
        )
    )
    streamed = [event["logprobs"] for event in events if event["type"] == "response.output_text.delta"]
    assert [[each["token"] for each in tokens] for tokens in streamed] == [["Hi"], ["!"], []]
    whole = response_of(events)["output"][0]["content"][0]["logprobs"]
    assert whole == streamed[0] + streamed[1]
    assert whole[1]["bytes"] == []  # Responses has no null here
    assert whole[0]["top_logprobs"] == [{"token": "Ho", "logprob": -3, "bytes": []}]


def test_a_token_without_text_keeps_its_probability():
    """The first bytes of a character: the text comes with the next token."""
    response = answer(chunk({"content": ""}, logprobs={"content": [token("\\xe2")]}), *text("€"))
    part = response["output"][0]["content"][0]
    assert (part["text"], len(part["logprobs"])) == ("€", 1)


# -- calls --------------------------------------------------------------------------------------------

ONE = [("f", '{"a":1}')]
TWO = [("f", '{"a":1}'), ("g", '{"b":2}')]


def function(name: str | None, arguments: Any) -> dict[str, Any]:
    return {"function": {"name": name, "arguments": arguments}}


CALL_STREAMS: dict[str, tuple[list[dict[str, Any]], list[Any]]] = {
    "in pieces": (call('{"a":', "1}"), ONE),
    "whole in one chunk": ([entry(0, id="c", type="function", **function("f", '{"a":1}'))], ONE),
    "without id": (call('{"a":1}', id=None), ONE),
    "without index": (call('{"a":', "1}", index=None), ONE),
    "without index and id": (call('{"a":', "1}", index=None, id=None), ONE),
    "without type": ([entry(0, id="c", **function("f", '{"a":1}'))], ONE),
    "arguments as an object": ([entry(0, id="c", **function("f", {"a": 1}))], ONE),
    "arguments null, then text": ([entry(0, id="c", **function("f", None)), arguments('{"a":1}')], ONE),
    "no arguments at all": ([entry(0, id="c", function={"name": "f"})], [("f", "{}")]),
    "two in one chunk": (
        [
            entries(
                {"index": 0, "id": "c", **function("f", '{"a":1}')},
                {"index": 1, "id": "d", **function("g", '{"b":2}')},
            )
        ],
        TWO,
    ),
    "two in one chunk, all at index 0": (
        [
            entries(
                {"index": 0, "id": "c", **function("f", '{"a":1}')},
                {"index": 0, "id": "d", **function("g", '{"b":2}')},
            )
        ],
        TWO,
    ),
    "two in one chunk, without index and id": (
        [entries(function("f", '{"a":1}'), function("g", '{"b":2}'))],
        TWO,
    ),
    "two one after the other, all at index 0": (
        [*call('{"a":', "1}"), *call('{"b":', "2}", id="d", name="g")],
        TWO,
    ),
    "interleaved": (CHAT_STREAMS["interleaved calls"][1:-1], TWO),
    "legacy": (
        [
            chunk({"function_call": {"name": "f", "arguments": ""}}),
            chunk({"function_call": {"arguments": '{"a":'}}),
            chunk({"function_call": {"arguments": "1}"}}),
        ],
        ONE,
    ),
    "name in pieces": (
        [entry(0, id="c", **function("get_", "")), entry(0, **function("it", "")), arguments("{}")],
        [("get_it", "{}")],
    ),
    "name late": ([arguments('{"a":'), entry(0, id="c", **function("f", "1}"))], ONE),
    "id and name with every piece": (
        [entry(0, id="c", **function("f", piece)) for piece in ('{"a":', "1", "}")],
        ONE,
    ),
    "empty pieces between": ([*call('{"a":'), arguments(""), arguments("1}"), arguments("")], ONE),
    "an entry that is null": (
        [chunk({"tool_calls": [None, {"index": 0, "id": "c", **function("f", '{"a":1}')}]})],
        ONE,
    ),
}


@pytest.mark.parametrize("finish", ["tool_calls", "stop", "function_call"])
@pytest.mark.parametrize("stream", CALL_STREAMS)
def test_calls_however_they_are_written(stream, finish):
    chunks, expected = CALL_STREAMS[stream]
    response = answer(*chunks, finish=finish)
    assert shown(response) == expected
    assert response["status"] == "completed"
    assert all(item["status"] == "completed" for item in response["output"])


def test_the_upstreams_id_is_the_call_id_and_never_the_items():
    (item,) = answer(*call("{}", id="call_up"))["output"]
    assert item["call_id"] == "call_up"
    assert item["id"].startswith("fc_")


def test_one_id_for_all_calls_is_not_given_to_all():
    response = answer(*call("{}", id="call_0", index=0), *call("{}", id="call_0", index=1, name="g"))
    first, second = (item["call_id"] for item in response["output"])
    assert first == "call_0"
    assert second not in ("", first)


def test_finish_tool_calls_without_a_call_is_an_end_and_a_loss():
    response = answer(*text("a"), finish="tool_calls")
    assert shown(response) == [("message", "a")]
    assert response["status"] == "completed"
    for chunks, lost in ((text("a"), ["message.tool_calls"]), (call("{}"), [])):
        machine, writer = reader()
        machine.feed(sse(chat(*chunks, finish="tool_calls")))
        assert [each.field for each in writer.losses] == lost


def test_a_finish_that_nobody_knows_is_no_success():
    response = answer(*text("a"), finish="halted")
    assert response["incomplete_details"] == {"reason": "max_output_tokens"}
    machine, writer = reader()
    machine.feed(sse(chat(*text("a"), finish="halted")))
    assert [each.field for each in writer.losses] == ["finish_reason"]
    known = replace(OPENAI_COMPATIBLE, finish_reasons={"halted": "stop"})
    machine = EventFeed(ChatReader(writer, quirks=known))
    machine.feed(sse(chat(*text("a"), finish="halted")))
    assert writer.outcome == Outcome()


def test_text_after_calls_is_a_new_message():
    assert shown(answer(*text("a"), *call("{}"), *text("b"))) == [
        ("message", "a"),
        ("f", "{}"),
        ("message", "b"),
    ]


def test_sequential_calls_are_sequential_events():
    events = to_events(sse(CHAT_STREAMS["parallel calls"]))
    order = [event["output_index"] for event in events if "output_index" in event]
    assert order == sorted(order)


# -- finish -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("finish", "reason"), [("length", "max_output_tokens"), ("content_filter", "content_filter")]
)
@pytest.mark.parametrize(
    ("chunks", "statuses"),
    [
        (text("half"), ["incomplete"]),
        (thoughts("hm"), ["incomplete"]),
        ([*thoughts("hm"), *text("half")], ["completed", "incomplete"]),
        (call('{"a":'), ["incomplete"]),
        (call('{"a":1}'), ["completed"]),
        ([*text("a"), *call('{"a":')], ["completed", "incomplete"]),
        ([*call("{}"), *call('{"b":', index=1, id="d", name="g")], ["completed", "incomplete"]),
        ([], ["incomplete"]),
        ([chunk({"refusal": "I"})], ["incomplete"]),
    ],
)
def test_row_27_an_answer_that_was_cut_short_is_incomplete(finish, reason, chunks, statuses):
    response = answer(*chunks, finish=finish)
    assert response["status"] == "incomplete"
    assert response["incomplete_details"] == {"reason": reason}
    assert [item["status"] for item in response["output"]] == statuses


def test_an_empty_answer_has_one_empty_text():
    assert shown(answer()) == [("message", "")]


@pytest.mark.parametrize("finish", ["error", "network_error", "insufficient_system_resource", "abort"])
def test_some_finish_reasons_are_failures(finish):
    assert answer(*text("a"), finish=finish)["status"] == "failed"


@pytest.mark.parametrize("unfinished", ["", "null", None, 0, False])
def test_what_is_written_for_no_finish_is_none(unfinished):
    stream = [{"choices": [{"index": 0, "delta": {"content": "a"}, "finish_reason": unfinished}]}]
    assert response_of(to_events(sse(stream, done=False)))["status"] == "failed"
    assert response_of(to_events(sse([*stream, chunk({}, "stop")])))["status"] == "completed"


def test_done_may_be_missing_once_the_answer_has_finished():
    stream = sse(chat(*text("a")), done=False)
    for fault in (None, RESET, TIMEOUT, DRAINING):
        assert response_of(to_events(stream, fault=fault))["status"] == "completed"


@pytest.mark.parametrize(
    "done", [b"data: [DONE]\n\n", b"data:[DONE]\n\n", b"data: [DONE] \n\n", b"data:  [DONE]\n\n"]
)
def test_done_without_a_finish_is_no_completion(done):
    response = response_of(to_events(sse(chat(*text("a"), finish=None), done=False) + done))
    assert response["status"] == "failed"
    assert (
        response["error"]["message"]
        == "The upstream ended its stream without a finish reason, so the answer may be incomplete."
    )


def test_nothing_is_read_behind_done():
    stream = sse(chat(*text("a"))) + sse(text("b")) + b"data: not json\n\n"
    assert shown(response_of(to_events(stream))) == [("message", "a")]


@pytest.mark.parametrize(
    ("fault", "message"),
    [
        (None, RESET.message),
        (RESET, RESET.message),
        (TIMEOUT, TIMEOUT.message),
        (DRAINING, DRAINING.message),
    ],
)
def test_an_end_without_a_finish_is_a_failure_that_says_why(fault, message):
    response = response_of(to_events(sse(chat(*text("a"), finish=None), done=False), fault=fault))
    assert response["status"] == "failed"
    assert response["error"] == {"code": "server_error", "message": message}
    assert shown(response) == [("message", "a")]


def test_a_stream_without_a_byte_is_a_failure():
    assert response_of(to_events(b""))["status"] == "failed"
    assert response_of(to_events(DONE))["status"] == "failed"


# -- errors -------------------------------------------------------------------------------------------

ERRORS: dict[str, Any] = {
    "standard": {"error": {"message": "Broken.", "type": "server_error", "param": None, "code": None}},
    "text": {"error": "Broken."},
    "vllm": {"object": "error", "message": "Broken.", "type": "InternalServerError", "code": 500},
    "fastapi": {"detail": "Broken."},
    "anthropic": {"type": "error", "error": {"type": "api_error", "message": "Broken."}},
    "google": [{"error": {"code": 500, "message": "Broken.", "status": "INTERNAL"}}],
    "bare": {"code": "InternalError", "message": "Broken.", "request_id": "r"},
    "cloudflare": {"success": False, "errors": [{"code": 7000, "message": "Broken."}]},
    "openrouter": {
        "choices": [{"index": 0, "delta": {"content": ""}, "finish_reason": "error"}],
        "error": {"code": 502, "message": "Broken."},
    },
    "beside an empty choices": {"choices": [], "error": {"message": "Broken."}},
    "with a delta of its own": {"choices": [{"delta": {}}], "error": "Broken."},
}


@pytest.mark.parametrize("error", ERRORS)
@pytest.mark.parametrize("before", [[], text("a"), call('{"a":'), thoughts("hm")])
def test_an_error_frame_ends_the_answer(error, before):
    response = response_of(to_events(sse([*before, ERRORS[error], *text("more")])))
    assert response["status"] == "failed"
    assert response["error"] == {"code": "server_error", "message": "Broken."}
    assert "more" not in str(shown(response))


def test_an_error_after_the_finish_is_an_error():
    assert response_of(to_events(sse([*chat(*text("a")), ERRORS["standard"]])))["status"] == "failed"


def test_an_error_of_no_known_form_is_an_error():
    response = response_of(to_events(sse([*chat(*text("a"), finish=None), {"choices": [], "error": 7}])))
    assert response["error"]["message"] == "The upstream reported an error."


def test_the_code_of_an_error_reaches_the_client():
    full = {"error": {"message": "Too long.", "code": "context_length_exceeded"}}
    assert response_of(to_events(sse([full])))["error"]["code"] == "context_length_exceeded"
    limited = {"error": {"message": "Slow down.", "code": 429}}
    assert response_of(to_events(sse([limited])))["error"]["code"] == "rate_limit_exceeded"


@pytest.mark.parametrize(
    ("bad", "message"),
    [
        (b"data: {broken\n\n", "The upstream sent a chunk that cannot be read."),
        (b"data: Internal Server Error\n\n", "The upstream sent a chunk that cannot be read."),
        (b'data: {"\x80":1\n\n', "The upstream sent a chunk that cannot be read."),
        (b'data: {"\n\n', "The upstream sent a chunk that cannot be read."),
        (b"data: " + b"[" * 100_000 + b"\n\n", "The upstream sent a chunk that cannot be read."),
        (
            b'data: {"x":NaN,"y":' + b"[" * 200 + b"]" * 200 + b"}\n\n",
            "The upstream sent a chunk that cannot be read.",
        ),
        (b'data: {"choices":{"a":1}}\n\n', "The upstream sent a chunk in an unknown format."),
        (b'data: {"choices":[{"delta":"text"}]}\n\n', "The upstream sent a chunk in an unknown format."),
    ],
)
def test_a_bad_chunk_does_not_swallow_the_good_ones_before_it(bad, message):
    good = sse(chat(*text("a", "b"), finish=None), done=False)
    response = response_of(to_events(good + bad + sse(text("c"))))
    assert shown(response) == [("message", "ab")]
    assert response["error"]["message"] == message


@pytest.mark.parametrize(
    "odd",
    [
        *(b"data: null\n\n", b"data: 5\n\n", b'data: "ping"\n\n', b"data: []\n\n", b"data:\n\n"),
        *(b"data: ping\n\n", b"data: : keep-alive\n\n", b"data: Heartbeat.\n\n", b"data: ...\n\n"),
        *(b"data: : OPENROUTER PROCESSING\n\n", b"event: ping\ndata: 2026-01-01 10:00:00.123+00:00\n\n"),
    ],
)
def test_keep_alives_of_odd_kinds_are_nothing(odd):
    assert shown(response_of(to_events(odd + sse(chat(*text("a")))))) == [("message", "a")]


def test_comments_names_and_other_line_ends_change_nothing():
    plain = to_events(sse(CHAT_STREAMS["parallel calls"]))
    commented = sse(CHAT_STREAMS["parallel calls"]).replace(
        b"data: ", b": OPENROUTER PROCESSING\nevent: chunk\ndata:"
    )
    assert to_events(commented) == plain
    assert to_events(b": ping\n\n" + sse(CHAT_STREAMS["parallel calls"], end="\r\n") + b"\r\n") == plain
    assert to_events(sse(CHAT_STREAMS["parallel calls"], end="\r")) == plain


def test_row_35_characters_cut_between_reads_stay_whole():
    data = sse([chunk({"content": "x"})]).replace(b'"x"', '"wörld € 𝄞 \u2028"'.encode())
    data = data.removesuffix(DONE) + sse([chunk({}, "stop")])
    response = response_of(to_events(pieces(data, range(len(data)))))
    assert shown(response) == [("message", "wörld € 𝄞 \u2028")]


def test_an_event_over_the_bound_is_a_failure_after_what_came_before():
    huge = b'data: {"choices":[{"delta":{"content":"' + b"x" * (17 << 20)
    response = response_of(to_events([sse(text("a"), done=False), huge]))
    assert response["error"]["message"] == "The upstream sent an event that is too large."
    assert shown(response) == [("message", "a")]


# -- usage and service tier ---------------------------------------------------------------------------


def counted(*stream: dict[str, Any]) -> int | None:
    usage = response_of(to_events(sse(stream)))["usage"]
    return usage and usage["total_tokens"]


U = {"prompt_tokens": 1, "completion_tokens": 2, "total_tokens": 3}
V = {"prompt_tokens": 2, "completion_tokens": 3, "total_tokens": 5}


@pytest.mark.parametrize(
    ("stream", "total"),
    [
        ([*chat(*text("a")), usage_chunk(U)], 3),
        ([*chat(*text("a"), finish=None), chunk({}, "stop", usage=U)], 3),
        ([*chat(*text("a"), finish=None), chunk({"content": "b"}, "stop", usage=U)], 3),
        ([chunk({"content": "a"}, usage=U), chunk({}, "stop", usage=V)], 5),
        ([*chat(*text("a")), usage_chunk(U), usage_chunk(V)], 5),
        (
            [*chat(*text("a")), usage_chunk(U), {"choices": [], "usage": {}}, {"choices": [], "usage": None}],
            3,
        ),
        ([*chat(*text("a"), finish=None), chunk({}, "stop", x_groq={"id": "r", "usage": U})], 3),
        ([chunk({"content": "a"}), {"choices": [{"delta": {}, "finish_reason": "stop", "usage": U}]}], 3),
        ([*chat(*text("a")), {"usage": U}], 3),
        ([usage_chunk(U), *chat(*text("a"))], 3),
        (chat(*text("a", usage="12", x_groq="x")), None),
        (chat(*text("a")), None),
    ],
)
def test_usage_is_found_wherever_it_stands(stream, total):
    assert counted(*stream) == total


def test_usage_is_kept_when_the_answer_fails():
    assert counted(usage_chunk(U), ERRORS["standard"]) == 3


def test_usage_details_cross():
    full = {
        **U,
        "prompt_tokens_details": {"cached_tokens": 1, "cache_write_tokens": 2},
        "completion_tokens_details": {"reasoning_tokens": 2},
    }
    usage = response_of(to_events(sse([*chat(*text("a")), usage_chunk(full)])))["usage"]
    assert usage["input_tokens_details"] == {"cached_tokens": 1, "cache_write_tokens": 2}
    assert usage["output_tokens_details"] == {"reasoning_tokens": 2}


def test_the_service_tier_is_the_one_used():
    assert (
        response_of(to_events(sse(chat(*text("a", service_tier="priority")))))["service_tier"] == "priority"
    )
    request_ = {"model": "m", "service_tier": "flex"}
    assert response_of(to_events(sse(chat(*text("a"))), request=request_))["service_tier"] == "flex"
    used = sse(chat(*text("a", service_tier="default"), *text("b", service_tier=7)))
    assert response_of(to_events(used, request=request_))["service_tier"] == "default"


# -- losses and flags ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("odd", "loss"),
    [
        (chunk({"content": [{"type": "image_url", "image_url": {}}]}), "message.content[image_url]"),
        (chunk({"content": [7]}), "message.content[?]"),
        (chunk({"content": 7}), "message.content"),
        (chunk({"refusal": ["no"]}), "message.refusal"),
        (chunk({"reasoning": {"text": "hm"}}), "message.reasoning"),
        (chunk({"annotations": "x"}), "message.annotations"),
        (chunk({"function_call": "f()"}), "message.function_call"),
        (chunk({"tool_calls": "f()"}), "message.tool_calls[?]"),
        (chunk({"content": [{"type": "text", "text": 7}]}), "message.content[text]"),
        (chunk({"content": {"type": "refusal", "refusal": []}}), "message.content[refusal]"),
        (chunk({"audio": {"id": "a", "data": "AAAA"}}), "message.audio"),
        (chunk({"images": [{"type": "image_url"}]}), "message.images"),
        (chunk({"annotations": [{"type": "file_citation"}]}), "message.annotations"),
        (
            chunk({"tool_calls": [{"index": 0, "type": "odd", "odd": {"name": "x"}}]}),
            "message.tool_calls[odd]",
        ),
        (
            chunk({"reasoning_details": [{"type": "reasoning.encrypted", "data": "x"}]}),
            "message.reasoning_details.data",
        ),
        (
            chunk({"reasoning": "hm", "reasoning_details": [{"type": "reasoning.encrypted", "data": "x"}]}),
            "message.reasoning_details.data",
        ),
        (chunk({"refusal": "no"}, logprobs={"content": None, "refusal": [token("no")]}), "logprobs.refusal"),
        (
            entry(0, id="c", function={"name": "f", "arguments": "{}"}, extra_content={"google": {}}),
            "message.tool_calls.extra_content",
        ),
    ],
)
def test_what_a_response_cannot_say_is_a_loss(odd, loss):
    machine, writer = reader()
    machine.feed(sse(chat(odd, *text("a"), odd)))
    assert [each.field for each in writer.losses] == [loss]
    answer(odd, *text("a"))


def test_a_reader_has_heard_once_an_event_was_read():
    echo = EchoedFields.of(HubRequest(body={}, dialect="responses"))
    machine = ChatReader(ResponseWriter(echo, Numbered(), now))
    events = EventFeed(machine)
    events.feed(b": OPENROUTER PROCESSING\n\n")
    events.feed(b"data: {")
    assert not machine.started
    events.feed(b"}\n\n")
    assert machine.started
    assert not machine.done


@pytest.mark.parametrize("last", [DONE, b'data: {"error":"x"}\n\n', b"data: {"])
def test_a_reader_is_done_at_its_end_and_not_before(last):
    machine, writer = reader()
    machine.feed(sse(chat(*text("a")), done=False))
    assert not machine.done
    machine.feed(last)
    machine.close()
    assert machine.done
    assert writer.outcome is not None


class Stopping(ResponseWriter):
    """Wants nothing after the first word, like a stop string."""

    def text(self, delta: str, logprobs: Any = (), *, id: str | None = None) -> None:
        super().text(delta, logprobs, id=id)
        self.done = True


def test_a_writer_that_has_enough_ends_the_turn_as_completed():
    writer = Stopping(EchoedFields.of(HubRequest(body={}, dialect="responses")), Numbered(), now)
    machine = EventFeed(ChatReader(writer))
    machine.feed(sse([usage_chunk(U), *text("a", "b")], done=False))
    assert machine.done
    assert writer.outcome is not None
    assert writer.outcome.status == "completed"
    assert writer.response["usage"] is not None
    machine.close(RESET)
    writer.finish()
    assert shown(dict(writer.response)) == [("message", "a")]


ZERO = {"prompt_tokens": 0, "completion_tokens": 0, "total_tokens": 0}


@pytest.mark.parametrize(
    "chunks",
    [
        [chunk({"content": "a"}, usage=usage_chunk()["usage"]), {"choices": [], "usage": ZERO}],
        [usage_chunk(), chunk({"content": "a"}, usage=ZERO)],
        [chunk({"content": "a"}, usage=ZERO), usage_chunk(), {"choices": [], "x_groq": {"usage": ZERO}}],
    ],
)
def test_zeros_do_not_replace_a_count(chunks):
    counted = answer(*chunks)["usage"]
    assert counted["output_tokens"] == usage_chunk()["usage"]["completion_tokens"]


# -- sources beside the choices --------------------------------------------------------------------------

SOURCES: dict[str, Any] = {
    "citations": ["http://a.x", "http://b.x"],
    "search_results": [{"title": "A", "url": "http://a.x"}],
}


def test_sources_of_the_whole_answer_become_its_citations_once():
    annotations = answer(*text("Hi ", "[1]", **SOURCES))["output"][0]["content"][0]["annotations"]
    assert [(each["url"], each["title"]) for each in annotations] == [("http://a.x", "A"), ("http://b.x", "")]


def test_a_source_that_the_text_cites_itself_is_not_cited_again():
    cited = chunk({"content": "Hi", "annotations": [citation(0, 2, "http://a.x")]}, **SOURCES)
    annotations = answer(cited)["output"][0]["content"][0]["annotations"]
    assert [each["url"] for each in annotations] == ["http://a.x", "http://b.x"]


def test_sources_beside_a_call_are_a_loss():
    machine = ChatToResponses({"model": "m"})
    machine.feed(sse(chat(*text("Hi", **SOURCES), *call("{}"))))
    assert [loss.field for loss in machine.losses] == ["citations"]
    assert [item["type"] for item in machine.response["output"]] == ["message", "function_call"]


def test_a_source_without_an_address_is_a_loss():
    machine = ChatToResponses({"model": "m"})
    odd = {"citations": [7, {"title": "A"}], "search_results": {"a": 1}}
    machine.feed(sse(chat(*text("Hi", **odd))))
    assert [loss.field for loss in machine.losses] == ["citations", "search_results"]


@pytest.mark.parametrize("field", [name for name in DeltaShape.__struct_fields__ if name != "content"])
def test_a_text_with_anything_beside_it_is_read_whole(field: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The fast path is for a text alone: each field of `DeltaShape` must be in its condition."""
    fields: list[Any] = []
    monkeypatch.setattr(DeltaReader, "read", lambda _, delta, logprobs: fields.append(getattr(delta, field)))
    for value in ("x", ["x"], {"x": "x"}):
        machine, writer = reader()
        machine.feed(sse([chunk({"content": "a", field: value})], done=False))
        assert fields.pop() == value
        machine.feed(sse([chunk({"content": "a", field: None})], done=False))
        assert not fields
        assert writer.event_count > 0
