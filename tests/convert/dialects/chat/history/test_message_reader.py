"""Chat messages are read into items."""

from typing import Any

import pytest

from chat2response.convert.dialects.chat.request.request import read_request
from tests.support.convert.requests import USER, Json, chat_body, items_of, refused, to_responses

URL = "data:image/png;base64,AAAA"


def call(call_id: str, name: str = "f", arguments: str = "{}") -> Json:
    return {"id": call_id, "type": "function", "function": {"name": name, "arguments": arguments}}


def reply(*texts: str) -> Json:
    parts = [{"type": "output_text", "text": text, "annotations": []} for text in texts]
    return {"type": "message", "role": "assistant", "content": parts}


@pytest.mark.parametrize("role", ["system", "developer", "user"])
def test_a_string_stays_a_string(role: str):
    assert items_of({"role": role, "content": ""}, USER)[0][0] == {
        "type": "message",
        "role": role,
        "content": "",
    }


def test_row_41_parts_are_converted_one_for_one():
    content: list[Json] = [
        {"type": "text", "text": "look"},
        {"type": "image_url", "image_url": {"url": URL, "detail": "low"}},
        {"type": "image_url", "image_url": {"url": URL}},
        {"type": "file", "file": {"file_data": "data:x", "filename": "a.pdf"}},
        {"type": "file", "file": {"file_id": "file_1"}, "prompt_cache_breakpoint": {"mode": "explicit"}},
    ]
    items, losses = items_of({"role": "user", "content": content})
    assert items[0]["content"] == [
        {"type": "input_text", "text": "look"},
        {"type": "input_image", "image_url": URL, "detail": "low"},
        {"type": "input_image", "image_url": URL, "detail": "auto"},
        {"type": "input_file", "file_data": "data:x", "filename": "a.pdf"},
        {"type": "input_file", "file_id": "file_1", "prompt_cache_breakpoint": {"mode": "explicit"}},
    ]
    assert losses == []


def test_an_assistants_text_is_output_text():
    items, _ = items_of(USER, {"role": "assistant", "content": "yo"}, USER)
    assert items[1] == reply("yo")


def test_an_assistants_parts_and_its_refusal():
    content = [{"type": "text", "text": "a"}, {"type": "refusal", "refusal": "no"}]
    items, _ = items_of(USER, {"role": "assistant", "content": content, "refusal": "never"})
    assert items[1]["content"] == [
        *reply("a")["content"],
        {"type": "refusal", "refusal": "no"},
        {"type": "refusal", "refusal": "never"},
    ]


def test_calls_follow_the_text_of_their_message():
    answer = {"role": "assistant", "content": "let me", "tool_calls": [call("1"), call("2", "g", '{"a":1}')]}
    outputs = [{"role": "tool", "tool_call_id": key, "content": f"got {key}"} for key in "12"]
    items, losses = items_of(USER, answer, *outputs)
    assert items[1:] == [
        reply("let me"),
        {"type": "function_call", "call_id": "1", "name": "f", "arguments": "{}"},
        {"type": "function_call", "call_id": "2", "name": "g", "arguments": '{"a":1}'},
        {"type": "function_call_output", "call_id": "1", "output": "got 1"},
        {"type": "function_call_output", "call_id": "2", "output": "got 2"},
    ]
    assert losses == []


@pytest.mark.parametrize("content", [None, "", [], [{"type": "text", "text": ""}]])
def test_an_empty_answer_is_no_item(content: Any):
    items, _ = items_of(USER, {"role": "assistant", "content": content, "tool_calls": []}, USER)
    assert [item["role"] for item in items] == ["user", "user"]


def test_a_history_of_nothing_is_a_400():
    refused(to_responses, chat_body(messages=[{"role": "assistant", "content": None}]), "messages")


@pytest.mark.parametrize("kind", ["function", None, ""])
def test_a_call_may_lack_its_type(kind: str | None):
    answer = {"role": "assistant", "tool_calls": [{**call("1"), "type": kind, "index": 0}]}
    items, losses = items_of(USER, answer, {"role": "tool", "tool_call_id": "1", "content": "x"})
    assert items[1]["call_id"] == "1"
    assert losses == []


def test_tool_output_may_be_parts():
    content = [{"type": "text", "text": "a"}, {"type": "image_url", "image_url": {"url": URL}}]
    answer = {"role": "assistant", "tool_calls": [call("1")]}
    tool = {"role": "tool", "tool_call_id": "1", "name": "f", "content": content}
    items, losses = items_of(USER, answer, tool)
    assert items[2]["output"] == [
        {"type": "input_text", "text": "a"},
        {"type": "input_image", "image_url": URL, "detail": "auto"},
    ]
    assert losses == []


@pytest.mark.parametrize("key", ["reasoning_content", "reasoning"])
def test_reasoning_enters_the_hub_before_the_answer(key: str):
    hub = read_request(chat_body(messages=[USER, {"role": "assistant", "content": "yo", key: "hmm"}]))
    items: Any = hub.body["input"]
    assert items[1]["type"] == "reasoning"
    assert items[1]["summary"] == []
    assert items[1]["content"] == [{"type": "reasoning_text", "text": "hmm"}]
    assert items[2] == reply("yo")
    assert list(hub.rows) == [0, 1, 1]


@pytest.mark.parametrize("key", ["reasoning_content", "reasoning"])
def test_reasoning_is_not_sent_to_responses(key: str):
    items, losses = items_of(USER, {"role": "assistant", "content": "yo", key: "hmm"})
    assert items[1:] == [reply("yo")]
    assert losses == [f"messages[1].{key}; dropped"]


def test_empty_echoes_of_an_sdk_are_no_losses():
    echo: Json = {"role": "assistant", "content": "yo", "refusal": None, "annotations": [], "audio": None}
    items, losses = items_of(USER, {**echo, "function_call": None, "tool_calls": None, "reasoning": ""})
    assert items[1] == reply("yo")
    assert losses == []


@pytest.mark.parametrize(
    ("message", "loss"),
    [
        ({"role": "user", "name": "bob", "content": "x"}, "name"),
        ({"role": "user", "content": "x", "cache_control": {"type": "ephemeral"}}, "cache_control"),
        ({"role": "assistant", "name": "bob", "content": "x"}, "name"),
        ({"role": "assistant", "content": "x", "reasoning_details": [1]}, "reasoning_details"),
        (
            {"role": "user", "content": [{"type": "text", "text": "x", "cache_control": {"a": 1}}]},
            "content[0].cache_control",
        ),
        (
            {"role": "user", "content": [{"type": "image_url", "image_url": {"url": URL, "width": 3}}]},
            "content[0].image_url.width",
        ),
        (
            {"role": "user", "content": [{"type": "file", "file": {"file_id": "f", "format": "pdf"}}]},
            "content[0].file.format",
        ),
    ],
)
def test_a_key_without_a_place_is_a_loss_by_its_own_path(message: Json, loss: str):
    _, losses = items_of(USER, message)  # `items_of` allows only keys of the SDK's types
    assert losses == [f"messages[1].{loss}; dropped"]


def test_the_losses_of_calls_and_outputs_have_their_paths_too():
    signed = {**call("1"), "extra_content": {"signature": "s"}}
    signed["function"]["extra"] = 1
    answer = {"role": "assistant", "name": "bob", "tool_calls": [call("0"), signed]}
    tools = [{"role": "tool", "tool_call_id": key, "content": "x", "error": True} for key in "01"]
    _, losses = items_of(USER, answer, *tools)
    assert losses == [
        "messages[1].name; dropped",
        "messages[1].tool_calls[1].extra_content; dropped",
        "messages[1].tool_calls[1].function.extra; dropped",
        "messages[2].error; dropped",
        "messages[3].error; dropped",
    ]


@pytest.mark.parametrize(
    ("message", "param"),
    [
        ("hi", "messages[1]"),
        ({}, "messages[1].role"),
        ({"role": ["user"]}, "messages[1].role"),
        ({"role": "function", "name": "f", "content": "x"}, "messages[1].name"),
        ({"role": "critic", "content": "x"}, "messages[1].role"),
        ({"role": "user"}, "messages[1].content"),
        ({"role": "user", "content": {"a": 1}}, "messages[1].content"),
        ({"role": "user", "content": ["x"]}, "messages[1].content[0]"),
        ({"role": "user", "content": [{"text": "x"}]}, "messages[1].content[0].type"),
        ({"role": "user", "content": [{"type": {}}]}, "messages[1].content[0].type"),
        ({"role": "user", "content": [{"type": "text"}]}, "messages[1].content[0].text"),
        (
            {"role": "user", "content": [{"type": "image_url", "image_url": URL}]},
            "messages[1].content[0].image_url",
        ),
        (
            {"role": "user", "content": [{"type": "image_url", "image_url": {}}]},
            "messages[1].content[0].image_url.url",
        ),
        (
            {"role": "user", "content": [{"type": "file", "file": {"filename": "a"}}]},
            "messages[1].content[0].file.file_data",
        ),
        ({"role": "assistant", "content": 3}, "messages[1].content"),
        ({"role": "assistant", "refusal": 3}, "messages[1].refusal"),
        ({"role": "assistant", "reasoning_content": 3}, "messages[1].reasoning_content"),
        ({"role": "assistant", "audio": {"id": "a"}}, "messages[1].audio"),
        (
            {"role": "assistant", "function_call": {"name": "f", "arguments": 5}},
            "messages[1].function_call.arguments",
        ),
        ({"role": "assistant", "tool_calls": {}}, "messages[1].tool_calls"),
        ({"role": "assistant", "tool_calls": [3]}, "messages[1].tool_calls[0]"),
        ({"role": "assistant", "tool_calls": [{"type": "odd"}]}, "messages[1].tool_calls[0].type"),
        ({"role": "assistant", "tool_calls": [{"type": "custom"}]}, "messages[1].tool_calls[0].custom"),
        ({"role": "assistant", "tool_calls": [{"type": []}]}, "messages[1].tool_calls[0].id"),
        ({"role": "assistant", "tool_calls": [{"id": "1"}]}, "messages[1].tool_calls[0].function"),
        (
            {"role": "assistant", "tool_calls": [{"id": "1", "function": {"name": "f", "arguments": 5}}]},
            "messages[1].tool_calls[0].function.arguments",
        ),
        ({"role": "tool", "content": "x"}, "messages[1].tool_call_id"),
        ({"role": "tool", "tool_call_id": "1"}, "messages[1].content"),
        # Kept in the hub, but not expressible in Responses:
        (
            {"role": "user", "content": [USER | {"type": "video_url"}]},
            "messages[1].content[0]",
        ),
        (
            {"role": "user", "content": [{"type": "input_audio", "input_audio": {"data": "x"}}]},
            "messages[1].content[0]",
        ),
        (
            {"role": "assistant", "content": [{"type": "text", "text": "a"}, {"type": "thinking"}]},
            "messages[1].content[1]",
        ),
        (
            {"role": "tool", "tool_call_id": "1", "content": [{"type": "video_url"}]},
            "messages[1].content[0]",
        ),
    ],
)
def test_a_message_that_cannot_be_taken_is_a_400_that_names_the_place(message: Any, param: str):
    refused(to_responses, chat_body(messages=[USER, message]), param)


def assistant(*calls: Json, **more: Any) -> Json:
    return {"role": "assistant", "content": None, "tool_calls": [*calls], **more}


def result(call_id: str) -> Json:
    return {"role": "tool", "tool_call_id": call_id, "content": "r"}


def kinds(*messages: Json) -> list[tuple[str, str]]:
    return [(item["type"], item["call_id"]) for item in items_of(*messages)[0] if "call_id" in item]


PAIR = [("function_call", "1"), ("function_call_output", "1")]


def test_a_call_in_both_forms_is_one_call():
    spaced = {"name": "f", "arguments": '{"a": 1}'}
    message = assistant(call("1", arguments='{"a":1}'), function_call=spaced)
    assert kinds(message, result("1")) == PAIR
    assert kinds(message, {"role": "function", "name": "f", "content": "r"}) == PAIR
    other = assistant(call("1"), function_call={"name": "g", "arguments": "{}"})
    assert len(kinds(other, result("1"), {"role": "function", "name": "g", "content": "r"})) == 4


def test_a_call_that_its_message_has_twice_is_one_call_unless_it_is_answered_twice():
    twice = assistant(call("1"), call("1"))
    assert kinds(twice, result("1")) == PAIR
    assert kinds(twice, result("1"), result("1")) == [PAIR[0], PAIR[0], PAIR[1], PAIR[1]]
    assert kinds(assistant(call("1"), call("1", "g")), result("1"))[:2] == [PAIR[0], PAIR[0]]


@pytest.mark.parametrize(
    ("arguments", "sent"), [("", "{}"), (" ", "{}"), (None, "{}"), ("null", "{}"), ('{"a":', '{"a":')]
)
def test_arguments_that_are_nothing_go_up_as_an_empty_object(arguments: Any, sent: str):
    message = assistant(call("1", arguments=arguments))
    assert items_of(message, result("1"))[0][0]["arguments"] == sent
    legacy = {"role": "assistant", "content": None, "function_call": {"name": "f", "arguments": arguments}}
    assert items_of(legacy, {"role": "function", "name": "f", "content": "r"})[0][0]["arguments"] == sent
