"""The fields of a request, from Chat into the hub and from the hub to Chat."""

from typing import Any

import pytest

from chat2response.convert.dialects.chat.request.request import read_request, write_request
from chat2response.convert.losses import Losses
from chat2response.convert.quirks.quirks import Quirks
from chat2response.wire.json import encode
from tests.support.convert.requests import (
    USER,
    Json,
    assert_official_chat,
    chat_body,
    refused,
    resp_body,
    to_chat,
    to_responses,
)

ITEM = {"type": "message", "role": "user", "content": "hi"}
MESSAGE = {"role": "user", "content": "hi"}


# Into the hub -----------------------------------------------------------------------------------------


def test_the_smallest_request_says_store_and_ends_with_its_input():
    body = read_request(chat_body()).body
    assert list(body.items()) == [("model", "m"), ("store", False), ("input", [ITEM])]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("metadata", {"a": "b"}),
        ("moderation", {"model": "x"}),
        ("parallel_tool_calls", False),
        ("prompt_cache_key", "k"),
        ("prompt_cache_options", {"mode": "explicit", "ttl": "30m"}),
        ("prompt_cache_retention", "24h"),
        ("safety_identifier", "s"),
        ("service_tier", "flex"),
        ("store", True),
        ("stream", True),
        ("temperature", 0.0),
        ("top_p", 0.5),
        ("user", "u"),
        ("previous_response_id", "resp_1"),
        ("conversation", {"id": "conv_1"}),
        ("background", True),
        ("truncation", "auto"),
        ("instructions", "be brief"),
        ("include", ["reasoning.encrypted_content"]),
    ],
)
def test_a_field_of_the_same_name_keeps_it(name: str, value: Any):
    assert read_request(chat_body(**{name: value})).body[name] == value  # type: ignore[literal-required]


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"max_tokens": 20}, {"max_output_tokens": 20}),
        ({"max_completion_tokens": 30, "max_tokens": 20}, {"max_output_tokens": 30}),
        ({"max_tokens": 20, "max_completion_tokens": None}, {"max_output_tokens": 20}),
        ({"max_output_tokens": 40}, {"max_output_tokens": 40}),
        ({"reasoning_effort": "low"}, {"reasoning": {"effort": "low"}}),
        (
            {"reasoning": {"summary": "auto", "effort": "high"}, "reasoning_effort": "low"},
            {"reasoning": {"summary": "auto", "effort": "low"}},
        ),
        (
            {"reasoning_effort": "low", "reasoning": {"summary": "auto", "effort": "high"}},
            {"reasoning": {"summary": "auto", "effort": "low"}},
        ),
        ({"verbosity": "high"}, {"text": {"verbosity": "high"}}),
        (
            {"verbosity": "high", "response_format": {"type": "json_object"}},
            {"text": {"verbosity": "high", "format": {"type": "json_object"}}},
        ),
        ({"logprobs": True}, {"include": ["message.output_text.logprobs"]}),
        (
            {"logprobs": True, "top_logprobs": 3},
            {"include": ["message.output_text.logprobs"], "top_logprobs": 3},
        ),
        ({"logprobs": False}, {}),
        ({"temperature": None, "tools": None, "stop": None}, {}),
    ],
)
def test_a_field_of_another_name_is_mapped(fields: Json, expected: Json):
    body: Any = read_request(chat_body(**fields)).body
    assert body == {"model": "m", "store": False, "input": [ITEM], **expected}


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("stop", ["x"]),
        ("seed", 7),
        ("n", 3),
        ("frequency_penalty", 1),
        ("presence_penalty", 1),
        ("logit_bias", {"1": 5}),
        ("audio", {"voice": "ash", "format": "wav"}),
        ("modalities", ["text", "audio"]),
        ("prediction", {"type": "content", "content": "x"}),
        ("top_k", 40),
        ("chat_template_kwargs", {"enable_thinking": False}),
    ],
)
def test_what_responses_cannot_say_rides_in_extra(name: str, value: Any):
    hub = read_request(chat_body(**{name: value}))
    assert hub.extra == {name: value}
    assert name not in hub.body


def test_include_usage_stays_with_the_gateway_and_obfuscation_goes_on():
    options = {"include_usage": True, "include_obfuscation": False}
    hub = read_request(chat_body(stream=True, stream_options=options))
    assert hub.body["stream_options"] == {"include_obfuscation": False}
    assert hub.extra == {"stream_options": {"include_usage": True}}
    assert options == {"include_usage": True, "include_obfuscation": False}


def test_the_hub_knows_the_clients_own_names():
    hub = read_request(chat_body(max_tokens=5, messages=[USER, {"role": "assistant", "content": "yo"}, USER]))
    assert hub.field("max_output_tokens") == "max_tokens"
    assert hub.field("text.format") == "response_format"
    assert hub.field("temperature") == "temperature"
    assert hub.item_path(2) == "messages[2]"
    assert (
        read_request(chat_body(max_completion_tokens=5)).field("max_output_tokens") == "max_completion_tokens"
    )


@pytest.mark.parametrize(
    ("body", "param"),
    [
        ({"model": "m"}, "messages"),
        (chat_body(messages=[]), "messages"),
        (chat_body(messages="hi"), "messages"),
        (chat_body(messages={}), "messages"),
        (chat_body(model=4), "model"),
        (chat_body(max_tokens="20"), "max_tokens"),
        (chat_body(max_completion_tokens=True), "max_completion_tokens"),
        (chat_body(store="yes"), "store"),
        (chat_body(stream=1), "stream"),
        (chat_body(top_logprobs=3), "top_logprobs"),
        (chat_body(top_logprobs="3", logprobs=True), "top_logprobs"),
        (chat_body(logprobs="yes"), "logprobs"),
        (chat_body(reasoning_effort=3), "reasoning_effort"),
        (chat_body(reasoning="high"), "reasoning"),
        (chat_body(stream_options=[]), "stream_options"),
        (chat_body(previous_response_id=3), "previous_response_id"),
        (chat_body(conversation={}), "conversation.id"),
        (chat_body(input="hi"), "input"),
    ],
)
def test_a_wrong_field_is_a_400_that_names_it(body: Json, param: str):
    refused(read_request, body, param)


@pytest.mark.parametrize("body", [None, [], "hi", 3])
def test_a_body_that_is_no_object_is_a_400(body: Any):
    refused(read_request, body, None)


# Out of the hub ---------------------------------------------------------------------------------------


def test_the_smallest_request_to_chat_ends_with_its_messages():
    expected, losses = to_chat({"input": "hi", "model": "m"})
    assert list(expected.items()) == [("model", "m"), ("messages", [MESSAGE])]
    assert losses == []


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"max_output_tokens": 5}, {"max_completion_tokens": 5}),
        ({"reasoning": {"effort": "low", "summary": "auto", "context": "auto"}}, {"reasoning_effort": "low"}),
        ({"reasoning": {"effort": None}}, {}),
        (
            {"text": {"verbosity": "low", "format": {"type": "text"}}},
            {"verbosity": "low", "response_format": {"type": "text"}},
        ),
        ({"include": ["message.output_text.logprobs", "reasoning.encrypted_content"]}, {"logprobs": True}),
        ({"top_logprobs": 3}, {}),
        (
            {"top_logprobs": 3, "include": ["message.output_text.logprobs"]},
            {"logprobs": True, "top_logprobs": 3},
        ),
        ({"top_logprobs": 0}, {}),
        ({"temperature": 0.5, "top_p": 0.1}, {"temperature": 0.5, "top_p": 0.1}),
        ({"user": "u", "safety_identifier": "s"}, {"user": "u", "safety_identifier": "s"}),
        ({"prompt_cache_key": "k", "prompt_cache_retention": "24h"}, None),
        ({"prompt_cache_options": {"mode": "explicit", "ttl": "30m"}}, None),
        ({"service_tier": "flex"}, {"service_tier": "flex"}),
        ({"metadata": {"a": "b"}, "store": True, "client_metadata": {"x": "y"}, "max_tool_calls": 3}, {}),
        ({"background": False, "truncation": "disabled"}, {}),
        ({"previous_response_id": None, "conversation": None, "prompt": None}, {}),
        ({"stop": ["x"], "seed": 3, "presence_penalty": 1.0}, None),
        ({"n": 1}, {}),
        ({"top_k": 40, "vendor": {"deep": [1]}}, None),
        ({"stream": False}, {"stream": False}),
    ],
)
def test_fields_to_chat(fields: Json, expected: Json | None):
    body, losses = to_chat(resp_body(**fields))
    expected = fields if expected is None else expected
    assert body == {"model": "m", "messages": [MESSAGE], **expected}
    assert losses == []
    if "top_k" not in fields:
        assert_official_chat(body)


@pytest.mark.parametrize("options", [None, {"include_obfuscation": False}, {"include_usage": False}])
def test_a_stream_is_always_asked_for_its_usage(options: Json | None):
    body, losses = to_chat(resp_body(stream=True, stream_options=options))
    assert body["stream_options"] == {"include_usage": True}
    assert losses == []


def test_a_vendors_stream_option_passes():
    body, _ = to_chat(resp_body(stream=True, stream_options={"continuous_usage_stats": True}))
    assert body["stream_options"] == {"continuous_usage_stats": True, "include_usage": True}


@pytest.mark.parametrize(
    ("fields", "loss"),
    [
        ({"truncation": "auto"}, "truncation"),
        ({"context_management": [{"type": "compaction"}]}, "context_management"),
        ({"moderation": {"model": "x"}}, "moderation"),
        ({"access_programs": {"cyber": "standard"}}, "access_programs"),
        ({"image": {"context_compression": "auto"}}, "image"),
        ({"service_tier": "ultrafast"}, "service_tier"),
        ({"prompt_cache_options": {"ttl": "12h"}}, "prompt_cache_options.ttl"),
        ({"prompt_cache_options": {"prewarm": True}}, "prompt_cache_options.prewarm"),
        ({"reasoning": {"max_tokens": 5}}, "reasoning.max_tokens"),
        ({"reasoning": {"mode": "pro"}}, "reasoning.mode"),
        ({"text": {"style": "x"}}, "text.style"),
        ({"include": ["reasoning.encrypted_content", "hologram"]}, "include[1]"),
    ],
)
def test_what_chat_cannot_say_is_a_loss(fields: Json, loss: str):
    body, losses = to_chat(resp_body(**fields))
    assert body == {"model": "m", "messages": [MESSAGE]}
    assert losses == [f"{loss}; dropped"]


def test_a_field_of_the_other_api_is_no_error_whatever_a_chat_client_says_in_it():
    losses = Losses()
    body = write_request(read_request(chat_body(include=[["hologram"]])), losses)
    assert "include" not in body
    assert [loss.field for loss in losses] == ["include[0]"]


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"previous_response_id": "resp_1"}, "previous_response_id"),
        ({"conversation": "conv_1"}, "conversation"),
        ({"background": True}, "background"),
        ({"prompt": {"id": "p"}}, "prompt"),
        ({"n": 2}, "n"),
        ({"n": "2"}, "n"),
        ({"include": [["hologram"]]}, "include[0]"),
        ({"messages": []}, "messages"),
        ({"input": []}, "input"),
        ({"input": [], "text": {"format": {"type": "json_object"}}}, "input"),
        ({"input": None}, "input"),
        ({"input": None, "instructions": "be brief"}, "input"),
        ({"text": {"format": {}}}, "text.format.type"),
        ({"text": {"format": {"type": "json_schema"}}}, "text.format.name"),
    ],
)
def test_what_must_not_be_dropped_is_a_400(fields: Json, param: str):
    refused(to_chat, resp_body(**fields), param)


def test_instructions_alone_are_a_message():
    body, _ = to_chat(resp_body(input=[], instructions="be brief"))
    assert body["messages"] == [{"role": "developer", "content": "be brief"}]


def test_quirks_name_the_limit_and_the_developer():
    older = Quirks(max_tokens="max_tokens", developer_role=False)
    body, _ = to_chat(resp_body(max_output_tokens=9, instructions="be brief"), older)
    assert body["max_tokens"] == 9
    assert body["messages"][0] == {"role": "system", "content": "be brief"}


def test_a_mapped_field_wins_over_the_clients_own_of_that_name():
    fields = {"max_completion_tokens": 1, "max_output_tokens": 2, "reasoning_effort": "low"}
    body, losses = to_chat(resp_body(**fields, reasoning={"effort": "high"}))
    assert body["max_completion_tokens"] == 2
    assert losses == ["max_completion_tokens; dropped"]
    assert body["reasoning_effort"] == "high"


@pytest.mark.parametrize(
    ("reasoning", "losses"),
    [
        ({"context": "current_turn"}, []),
        ({"context": "all_turns"}, []),
        ({"context": "last_two"}, ["reasoning.context; dropped"]),
        ({"context": "auto", "mode": "standard", "summary": "auto"}, []),
    ],
)
def test_which_reasoning_goes_back_is_no_field_of_the_backends(reasoning: Json, losses: list[str]):
    assert to_chat(resp_body(reasoning=reasoning)) == ({"model": "m", "messages": [MESSAGE]}, losses)


@pytest.mark.parametrize(
    ("fields", "losses"),
    [
        ({"max_completion_tokens": 30, "max_tokens": 20}, ["max_tokens; dropped"]),
        ({"max_completion_tokens": 30, "max_tokens": 30}, []),
        ({"max_completion_tokens": 30, "max_tokens": None}, []),
        ({"max_tokens": 30, "max_output_tokens": 40}, ["max_output_tokens; dropped"]),
    ],
)
def test_one_limit_counts_and_another_is_named(fields: Json, losses: list[str]):
    body, lost = to_responses(chat_body(**fields))
    assert body["max_output_tokens"] == 30
    assert "max_tokens" not in body
    assert lost == losses


def test_a_chat_request_leaves_the_hub_as_it_came():
    body = chat_body(
        stop=["x"], seed=3, max_tokens=5, top_k=4, stream=True, stream_options={"include_usage": True}
    )
    body["messages"] = [{"role": "user", "name": "bob", "content": "hi"}]
    expected = write_request(read_request(body), Losses(), Quirks(max_tokens="max_tokens"))
    assert expected == body


# Both -------------------------------------------------------------------------------------------------


def test_the_input_is_never_written_to():
    chat = chat_body(
        stream_options={"include_usage": True},
        reasoning={"effort": "low"},
        reasoning_effort="high",
        text={"verbosity": "low"},
        response_format={"type": "json_object"},
        include=["a"],
        logprobs=True,
        tools=[{"type": "function", "function": {"name": "f"}}],
    )
    before = encode(chat)
    up, _ = to_responses(chat)
    assert encode(chat) == before
    before = encode(up)
    to_chat(up)
    assert encode(up) == before
