"""Whole Chat answers in both directions, compared with the streams."""

from typing import Any

import pytest

from chat2response.convert.dialects.chat.answer.whole_answer import as_chunk, read_response, write_response
from chat2response.convert.echoed_fields import EchoedFields
from chat2response.convert.hub import HubRequest
from chat2response.convert.library.streams import ChatToResponses
from chat2response.convert.losses import Losses
from chat2response.errors import UpstreamError
from tests.support.stream_grammar import validate_completion, validate_response
from tests.support.upstream_streams import USAGE, Numbered, citation, now, response_of, sse, to_events, token


def completion(
    message: dict[str, Any] | None = None, finish: str | None = "stop", **more: Any
) -> dict[str, Any]:
    choice = {
        "index": 0,
        "message": {"role": "assistant", "content": None, "refusal": None, **(message or {})},
        "finish_reason": finish,
        "logprobs": more.pop("logprobs", None),
    }
    base = {"id": "chatcmpl-up", "object": "chat.completion", "created": 1, "model": "up", "usage": USAGE}
    return {**base, "choices": [choice], **more}


def to_response(body: Any, *, reasoning: Any = "content", losses: Losses | None = None) -> dict[str, Any]:
    echo = EchoedFields.of(HubRequest(body={"model": "m"}, dialect="responses"))
    response = dict(read_response(body, echo, Numbered(), now, reasoning=reasoning, losses=losses))
    validate_response(response)
    return response


def tool_call(name: str | None = "f", arguments: Any = "{}", **more: Any) -> dict[str, Any]:
    return {
        "id": f"call_{name}",
        "type": "function",
        "function": {"name": name, "arguments": arguments},
        **more,
    }


COMPLETIONS: dict[str, dict[str, Any]] = {
    "text": completion({"content": "Hello"}),
    "empty": completion({"content": ""}),
    "null": completion(),
    "no message": {**completion(), "choices": [{"finish_reason": "stop"}]},
    "reasoning": completion({"content": "a", "reasoning_content": "hm"}),
    "reasoning, by the other name": completion({"content": "a", "reasoning": "hm"}),
    "reasoning details": completion(
        {"content": "a", "reasoning_details": [{"type": "reasoning.text", "text": "hm"}]}
    ),
    "refusal": completion({"refusal": "no"}),
    "text and refusal": completion({"content": "a", "refusal": "no"}),
    "sources": completion(
        {"content": "Hi [1]"}, citations=["http://a.x"], search_results=[{"url": "http://b.x"}]
    ),
    "sources beside a call": completion(
        {"content": "a", "tool_calls": [tool_call()]}, citations=["http://a.x"]
    ),
    "sources alone": completion({"content": ""}, citations=["http://a.x", 7]),
    "list": completion(
        {
            "content": [
                {"type": "thinking", "thinking": [{"type": "text", "text": "hm"}]},
                {"type": "text", "text": "a"},
            ]
        }
    ),
    "list in another order": completion(
        {
            "content": [
                "a",
                {"type": "thinking", "thinking": "hm"},
                "b",
                {"type": "refusal", "refusal": "c"},
                "d",
            ]
        }
    ),
    "calls": completion(
        {"content": "a", "tool_calls": [tool_call(), tool_call("g", {"b": 2})]}, "tool_calls"
    ),
    "calls, said to be a stop": completion({"tool_calls": [tool_call()]}),
    "calls with one id": completion({"tool_calls": [tool_call(), {**tool_call("g"), "id": "call_f"}]}),
    "calls without ids": completion(
        {"tool_calls": [{"function": {"name": "f"}}, {"function": {"name": "f"}}]}
    ),
    "a call without a name": completion({"tool_calls": [tool_call(""), tool_call("g")]}),
    "odd calls": completion(
        {"tool_calls": [None, {}, {"type": "custom"}, tool_call(None, None), tool_call()]}
    ),
    "legacy call": completion({"function_call": {"name": "f", "arguments": "{}"}}, "function_call"),
    "length": completion({"content": "half"}, "length"),
    "length in a call": completion({"tool_calls": [tool_call(), tool_call("g", '{"b":')]}, "length"),
    "length in reasoning": completion({"reasoning_content": "hm"}, "length"),
    "content filter": completion({"content": "half"}, "content_filter"),
    "content filter, nothing said": completion(finish="content_filter"),
    "logprobs": completion({"content": "Hi"}, logprobs={"content": [token("Hi")], "refusal": None}),
    "logprobs without text": completion(logprobs={"content": [token("Hi")], "refusal": None}),
    "annotations": completion({"content": "See a", "annotations": [citation(4, 5)]}),
    "annotations and refusal": completion(
        {"content": "See a", "refusal": "no", "annotations": [citation(4, 5)]}
    ),
    "tier": completion({"content": "a"}, service_tier="flex"),
    "no finish": completion({"content": "a"}, None),
    "no usage": completion({"content": "a"}, usage=None),
    "usage in the choice": {
        **completion(),
        "usage": None,
        "choices": [{"message": {"content": "a"}, "usage": USAGE}],
    },
    "groq": completion({"content": "a"}, usage=None, x_groq={"usage": USAGE}),
    "losses": completion({"content": [{"type": "image_url"}], "audio": {"id": "a"}, "annotations": [{}]}),
}


@pytest.mark.parametrize("form", ["content", "summary", "hide"])
@pytest.mark.parametrize("name", COMPLETIONS)
def test_a_completion_is_the_fold_of_the_chunk_that_says_the_same(name, form):
    body = COMPLETIONS[name]
    losses = Losses()
    whole = to_response(body, reasoning=form, losses=losses)
    assert response_of(to_events(sse([as_chunk(body)]), reasoning=form)) == whole
    machine = ChatToResponses({}, reasoning=form)
    machine.feed(sse([as_chunk(body)]))
    assert list(machine.losses) == list(losses)


@pytest.mark.parametrize(
    ("name", "output"),
    [
        ("text", [("message", "completed", "Hello")]),
        ("empty", [("message", "completed", "")]),
        ("null", [("message", "completed", "")]),
        ("no message", [("message", "completed", "")]),
        ("reasoning", [("reasoning", "completed", "hm"), ("message", "completed", "a")]),
        ("refusal", [("message", "completed", "no")]),
        ("list", [("reasoning", "completed", "hm"), ("message", "completed", "a")]),
        (
            "list in another order",
            [
                ("message", "completed", "a"),
                ("reasoning", "completed", "hm"),
                ("message", "completed", "bcd"),
            ],
        ),
        ("calls", [("message", "completed", "a"), ("f", "completed", "{}"), ("g", "completed", '{"b":2}')]),
        ("calls, said to be a stop", [("f", "completed", "{}")]),
        ("calls without ids", [("f", "completed", "{}"), ("f", "completed", "{}")]),
        ("a call without a name", [("g", "completed", "{}")]),
        ("odd calls", [("f", "completed", "{}")]),
        ("legacy call", [("f", "completed", "{}")]),
        ("length", [("message", "incomplete", "half")]),
        ("length in a call", [("f", "completed", "{}"), ("g", "incomplete", '{"b":')]),
        ("length in reasoning", [("reasoning", "incomplete", "hm")]),
        ("content filter, nothing said", [("message", "incomplete", "")]),
    ],
)
def test_the_items_of_a_completion(name, output):
    items = []
    for item in to_response(COMPLETIONS[name])["output"]:
        if item["type"] == "function_call":
            items.append((item["name"], item["status"], item["arguments"]))
        else:
            parts = [part.get("text", part.get("refusal")) for part in item["content"]]
            items.append((item["type"], item["status"], "".join(parts)))
    assert items == output


def test_ids_are_drawn_in_the_order_of_the_stream():
    response = to_response(
        completion({"reasoning_content": "hm", "content": "a", "tool_calls": [tool_call()]})
    )
    assert [response["id"], *(item["id"] for item in response["output"])] == [
        "resp_1",
        "rs_2",
        "msg_3",
        "fc_4",
    ]


def test_statuses_usage_and_times():
    response = to_response(COMPLETIONS["text"])
    assert (response["status"], response["completed_at"]) == ("completed", int(now()))
    assert response["usage"]["total_tokens"] == 21
    cut = to_response(COMPLETIONS["content filter"])
    assert (cut["status"], cut["completed_at"]) == ("incomplete", None)
    assert cut["incomplete_details"] == {"reason": "content_filter"}
    assert to_response(COMPLETIONS["tier"])["service_tier"] == "flex"


def test_losses_are_named():
    losses = Losses()
    to_response(COMPLETIONS["losses"], losses=losses)
    assert [loss.field for loss in losses] == [
        "message.content[image_url]",
        "message.annotations",
        "message.audio",
    ]


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ({"error": {"message": "m"}}, "m"),
        ([{"error": {"message": "m"}}], "m"),
        ({"detail": "m"}, "m"),
        ({"object": "error", "message": "m"}, "m"),
        (completion(finish="error"), "The upstream ended the answer with an error (error)."),
        ({"object": "chat.completion", "choices": []}, "The upstream's answer is not a chat completion."),
        ({"choices": ["x"]}, "The upstream's answer is not a chat completion."),
        ({"object": "response", "output": []}, "The upstream's answer is not a chat completion."),
        ([], "The upstream's answer is not a chat completion."),
        (None, "The upstream's answer is not a chat completion."),
        ("text", "The upstream's answer is not a chat completion."),
    ],
)
def test_what_is_no_completion_is_an_upstream_error(body, message):
    with pytest.raises(UpstreamError) as raised:
        to_response(body)
    assert raised.value.message == message


def test_codes_beside_an_answer_are_no_error():
    assert to_response({**completion({"content": "a"}), "code": 0, "message": "ok", "error": None})


def test_what_was_read_is_not_changed():
    body = completion({"content": "a", "tool_calls": [tool_call()]})
    before = str(body)
    to_response(body)
    as_chunk(body)
    assert str(body) == before


# -- as_chunk -----------------------------------------------------------------------------------------


def test_a_chunk_of_a_completion_numbers_calls_and_choices():
    message = {"content": "a", "tool_calls": [tool_call(), None, tool_call("g")]}
    body = {
        "id": "x",
        "choices": [{"message": message}, {"message": {"content": "b"}, "finish_reason": "length"}],
    }
    chunk = as_chunk(body)
    assert (chunk["id"], chunk["object"]) == ("x", "chat.completion.chunk")
    first, second = chunk["choices"]
    assert [call["index"] for call in first["delta"]["tool_calls"]] == [0, 1]
    assert (first["index"], first["finish_reason"]) == (0, "stop")
    assert (second["index"], second["finish_reason"]) == (1, "length")


@pytest.mark.parametrize("body", [{"error": {"message": "m"}}, {"choices": None}, {"id": "x"}])
def test_what_has_no_choices_is_an_error_to_a_stream_as_to_a_whole_answer(body):
    with pytest.raises(UpstreamError) as raised:
        as_chunk(body)
    with pytest.raises(UpstreamError) as same:
        to_response(body)
    assert raised.value.fields() == same.value.fields()


# -- response to completion ---------------------------------------------------------------------------


def response(*output: dict[str, Any], **more: Any) -> dict[str, Any]:
    base = {"id": "resp_7", "object": "response", "created_at": 7, "model": "up", "status": "completed"}
    return {**base, "output": list(output), "usage": None, **more}


def message(*parts: dict[str, Any]) -> dict[str, Any]:
    return {
        "id": "msg_1",
        "type": "message",
        "role": "assistant",
        "status": "completed",
        "content": list(parts),
    }


def output_text(text: str, **more: Any) -> dict[str, Any]:
    return {"type": "output_text", "text": text, "annotations": [], "logprobs": [], **more}


def function_call(name: str = "f", **more: Any) -> dict[str, Any]:
    return {
        "type": "function_call",
        "id": "fc_1",
        "call_id": f"call_{name}",
        "name": name,
        "arguments": "{}",
        **more,
    }


def written(*output: dict[str, Any], **more: Any) -> dict[str, Any]:
    answer: dict[str, Any] = dict(write_response(response(*output, **more)))
    validate_completion(answer)
    return answer


def message_of(*output: dict[str, Any]) -> dict[str, Any]:
    result: dict[str, Any] = written(*output)["choices"][0]["message"]
    return result


def test_a_text_answer():
    usage = {"input_tokens": 1, "output_tokens": 2, "total_tokens": 3}
    answer = written(message(output_text("Hello")), usage=usage, service_tier="default")
    assert answer["choices"] == [
        {
            "index": 0,
            "message": {"role": "assistant", "content": "Hello", "refusal": None},
            "finish_reason": "stop",
            "logprobs": None,
        }
    ]
    assert (answer["id"], answer["created"], answer["model"]) == ("chatcmpl-7", 7, "up")
    assert answer["usage"]["total_tokens"] == 3
    assert answer["service_tier"] == "default"
    assert write_response(response(), model="m")["model"] == "m"
    assert "usage" not in written()


def test_row_42_all_texts_are_one_and_citations_count_on():
    flat = {
        "type": "url_citation",
        "url": "https://a.example",
        "title": "",
        "start_index": 0,
        "end_index": 1,
    }
    answer = message_of(
        message(output_text("wörld€"), output_text("b", annotations=[flat])),
        message(output_text("c", annotations=[flat])),
    )
    assert answer["content"] == "wörld€bc"
    assert [each["url_citation"]["start_index"] for each in answer["annotations"]] == [6, 7]


def test_calls_and_refusals_stand_in_place_of_content():
    assert message_of(function_call())["content"] is None
    assert message_of(message({"type": "refusal", "refusal": "no"})) == {
        "role": "assistant",
        "content": None,
        "refusal": "no",
    }
    assert message_of()["content"] == ""
    answer = written(message(output_text("a")), function_call(), function_call("g"))
    assert [call["id"] for call in answer["choices"][0]["message"]["tool_calls"]] == ["call_f", "call_g"]
    assert answer["choices"][0]["finish_reason"] == "tool_calls"


def reasoning(raw: tuple[str, ...] = (), summary: tuple[str, ...] = ()) -> dict[str, Any]:
    return {
        "id": "rs_1",
        "type": "reasoning",
        "content": [{"type": "reasoning_text", "text": text} for text in raw],
        "summary": [{"type": "summary_text", "text": text} for text in summary],
    }


def test_reasoning_raw_or_summarised_never_both():
    assert message_of(reasoning(("raw",), ("short",)))["reasoning_content"] == "raw"
    assert (
        message_of(reasoning((), ("one", "two")), reasoning(("three",)))["reasoning_content"]
        == "one\n\ntwo\n\nthree"
    )
    assert "reasoning_content" not in message_of(reasoning())
    renamed = write_response(response(reasoning(("raw",))), reasoning_field="reasoning")
    assert dict(renamed["choices"][0]["message"])["reasoning"] == "raw"


def test_logprobs_of_all_texts():
    tokens = [token("a"), token("b")]
    answer = written(
        message(output_text("a", logprobs=tokens[:1])), message(output_text("b", logprobs=tokens[1:]))
    )
    assert answer["choices"][0]["logprobs"] == {"content": tokens, "refusal": None}


@pytest.mark.parametrize(
    ("reason", "finish"),
    [
        ("max_output_tokens", "length"),
        ("content_filter", "content_filter"),
        ("steered", "length"),
        (None, "length"),
    ],
)
def test_what_is_incomplete_says_so(reason, finish):
    cut = written(message(output_text("a")), status="incomplete", incomplete_details={"reason": reason})
    assert cut["choices"][0]["finish_reason"] == finish


@pytest.mark.parametrize(
    ("status", "error", "message_"),
    [
        ("failed", {"code": "server_error", "message": "m"}, "m"),
        ("failed", None, "The upstream's response ended with the status 'failed'."),
        ("cancelled", None, "The response was cancelled."),
        ("in_progress", None, "The upstream's response ended with the status 'in_progress'."),
    ],
)
def test_what_is_no_answer_is_an_error(status, error, message_):
    with pytest.raises(UpstreamError) as raised:
        write_response(response(status=status, error=error))
    assert raised.value.message == message_


def test_what_chat_cannot_say_is_a_loss():
    losses = Losses()
    body = response(
        {"type": "web_search_call", "id": "ws_1"},
        message(
            output_text("a", annotations=[{"type": "file_path", "file_id": "f", "index": 0}]),
            {"type": "output_audio"},
        ),
        {"type": ["odd"]},
    )
    write_response(body, losses=losses)
    assert [loss.field for loss in losses] == [
        "output[web_search_call]",
        "output.annotations[file_path]",
        "output.content[output_audio]",
        "output[?]",
    ]


@pytest.mark.parametrize(
    "odd",
    [
        {"output": None},
        {"output": "x"},
        {"output": [None, 5, "x", []]},
        {
            "output": [
                {"type": "message", "content": [None, {"type": "output_text", "text": 5, "annotations": 7}]}
            ]
        },
        {"output": [{"type": "reasoning", "summary": "x", "content": [{"text": 1}]}]},
        {"output": [{"type": "function_call", "name": "f", "call_id": 5, "arguments": {"a": 1}}]},
        {"id": 5, "created_at": "now", "model": None, "usage": []},
        {"created_at": 7.9},
    ],
)
def test_odd_values_do_not_raise(odd):
    validate_completion(
        dict(write_response(response(**odd) if "output" not in odd else {**response(), **odd}))
    )


def test_a_call_that_nothing_names_fails_the_answer_and_is_a_loss_beside_another():
    nameless = {"type": "function_call", "id": "fc", "call_id": "c", "arguments": "{}"}
    with pytest.raises(UpstreamError, match="without naming it"):
        write_response(response(nameless))
    losses = Losses()
    whole: Any = write_response(response({**nameless, "name": "f"}, nameless), losses=losses)
    assert len(whole["choices"][0]["message"]["tool_calls"]) == 1
    assert [loss.field for loss in losses] == ["message.tool_calls"]


@pytest.mark.parametrize(
    ("arguments", "expected", "lost"),
    [
        ("", "{}", []),
        (None, "{}", []),
        ("null", "{}", []),
        ({}, "{}", []),
        ({"a": 1}, '{"a":1}', []),
        ('{"a":1}{"a":1}', '{"a":1}', []),
        ('{}{"a":1}', '{"a":1}', []),
        ('{"a":1} so', '{"a":1}', ["message.tool_calls.arguments"]),
        ("{a: 1}", "{a: 1}", []),
    ],
)
def test_the_arguments_of_a_whole_call_are_written_once(arguments, expected, lost):
    call = {"type": "function_call", "id": "fc", "call_id": "c", "name": "f", "arguments": arguments}
    losses = Losses()
    whole: Any = write_response(response(call), losses=losses)
    assert whole["choices"][0]["message"]["tool_calls"][0]["function"]["arguments"] == expected
    assert [loss.field for loss in losses] == lost
    back = to_response(completion({"tool_calls": [tool_call("f", arguments)]}), losses=(read := Losses()))
    assert [item["arguments"] for item in back["output"]] == [expected]
    assert [loss.field for loss in read] == lost


@pytest.mark.parametrize(
    "calls",
    [
        {"id": "c", "type": "function", "function": {"name": "f", "arguments": '{"a":1}'}},
        {"0": {"id": "c", "function": {"name": "f", "arguments": '{"a":1}'}}},
        {"id": "c", "name": "f", "arguments": '{"a":1}'},
        [{"id": "c", "name": "f", "arguments": {"a": 1}}],
        [{"id": "c", "type": "function", "name": "f", "input": {"a": 1}}],
        [{"id": "c", "function": {"name": "f", "parameters": {"a": 1}}}],
        [{"id": "c", "function": "f", "arguments": {"a": 1}}],
        [{"id": "c", "function": {"name": "f"}}, {"function": {"arguments": '{"a":1}'}}],
    ],
)
def test_calls_in_other_forms(calls):
    whole, losses = completion({"tool_calls": calls}), Losses()
    read = to_response(whole, losses=losses)
    assert [(item["call_id"], item["name"], item["arguments"]) for item in read["output"]] == [
        ("c", "f", '{"a":1}')
    ]
    assert not losses
    assert response_of(to_events(sse([as_chunk(whole)]))) == read


@pytest.mark.parametrize("calls", ["f()", ["f"], [5], 7])
def test_calls_that_cannot_be_read_are_a_loss(calls):
    losses = Losses()
    to_response(completion({"content": "a", "tool_calls": calls}), losses=losses)
    assert [loss.field for loss in losses] == ["message.tool_calls[?]"]


CALLED = {"id": "c", "type": "function", "function": {"name": "f", "arguments": "{}"}}


@pytest.mark.parametrize(
    ("choices", "output", "lost"),
    [
        (
            [{"message": {"content": "a"}}, {"message": {"tool_calls": [CALLED]}}],
            ["a", "f"],
            [],
        ),
        (
            [{"message": {"tool_calls": [CALLED]}}, {"message": {"content": "a"}}],
            ["f", "a"],
            [],
        ),
        (
            [{"message": {"content": "a"}}, {"message": {"content": "b", "tool_calls": [CALLED]}}],
            ["a", "f"],
            ["choices[1].message.content"],
        ),
        (
            [{"message": {"tool_calls": [CALLED]}}, {"message": {"tool_calls": [CALLED]}}],
            ["f"],
            [],
        ),
        (
            [{"message": {}}, {"message": {"tool_calls": [CALLED]}}, {"message": {"content": "a"}}],
            ["f", "a"],
            [],
        ),
        ([{"delta": {"content": "a"}}], ["a"], []),
        ([{"text": "a"}], ["a"], []),
        ([{"message": "a"}], ["a"], []),
        ([{"message": {}, "delta": {"content": "a"}}], ["a"], []),
    ],
)
def test_a_turn_wherever_its_pieces_stand(choices, output, lost):
    body = {
        **completion({}),
        "choices": [{**each, "index": at, "finish_reason": "stop"} for at, each in enumerate(choices)],
    }
    losses = Losses()
    read = to_response(body, losses=losses)
    assert [item.get("name") or item["content"][0]["text"] for item in read["output"]] == output
    assert [loss.field for loss in losses] == lost
    streams = [as_chunk(body)], [{**body, "object": "chat.completion.chunk"}]
    for stream in streams:
        machine = ChatToResponses({}, ids=Numbered(), clock=now)
        machine.feed(sse(stream))
        texts = [item.get("name") or item["content"][0]["text"] for item in machine.response["output"]]
        assert (texts, [loss.field for loss in machine.losses]) == (output, lost)


def test_a_turn_is_cut_where_any_choice_of_it_is():
    cut = {"message": {"tool_calls": [CALLED]}, "finish_reason": "length"}
    body = {**completion({}), "choices": [{"message": {"content": "a"}, "finish_reason": "stop"}, cut]}
    assert to_response(body)["status"] == "incomplete"
    assert response_of(to_events(sse([as_chunk(body)])))["status"] == "incomplete"
